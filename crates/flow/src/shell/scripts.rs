//! Programs whose arguments are a small language: `find`, `sed`, `awk`, `tar`.

use super::{
    Unclear,
    syntax::{Part, Word},
    walk::Walk,
};

/// Tests and actions of `find` without a value.
const ALONE: &str = "\
    -print -print0 -empty -prune -ls -not -a -and -o -or -mount -xdev -depth -readable -writable -executable -quit";
/// Those with one.
const VALUED: &str = "\
    -name -iname -path -ipath -wholename -regex -iregex -regextype -type -maxdepth -mindepth -size -mtime -mmin \
    -ctime -cmin -atime -amin -newer -newermt -perm -user -group -printf";

/// `find`: where it looks is read; `-delete` deletes there, `-exec` runs a program with names that nobody has seen.
pub(super) fn find(walk: &mut Walk<'_>, words: &[Word]) {
    let mut at = 0;
    let mut places: Vec<&Word> = Vec::new();
    // Places come first, unless they could be taken for options.
    while let Some(word) = words.get(at) {
        let start = word.prefix();
        match word.value().as_deref() {
            Some("-L" | "-H" | "-P") => {}
            _ if start.starts_with(['-', '(', '!', ',']) || start.is_empty() => break,
            _ => places.push(word),
        }
        at += 1;
    }
    let Some(deletes) = tests(walk, words.get(at..).unwrap_or_default()) else {
        return;
    };
    let here = Word::text(".");
    if places.is_empty() {
        places.push(&here);
    }
    for place in places {
        walk.read(place);
        if deletes {
            walk.delete(place);
        }
    }
}

/// The expression of `find`: whether it deletes; none if it is unclear.
fn tests(walk: &mut Walk<'_>, words: &[Word]) -> Option<bool> {
    let mut at = 0;
    let mut deletes = false;
    while let Some(word) = words.get(at) {
        at += 1;
        let text = word.value().unwrap_or_default();
        let listed = |list: &str| list.split_whitespace().any(|known| known == text);
        match text.as_str() {
            "(" | ")" | "!" | "," => {}
            "-delete" => deletes = true,
            "-exec" | "-execdir" | "-ok" | "-okdir" => {
                let rest = words.get(at..).unwrap_or_default();
                let ends = |word: &Word| word.value().is_some_and(|text| text == ";" || text == "+");
                let Some(length) = rest.iter().position(ends) else {
                    walk.unclear(Unclear::Syntax);
                    return None;
                };
                at += length + 1;
                let command: Vec<Word> = rest.iter().take(length).map(unseen).collect();
                walk.command(&command);
            }
            _ if listed(ALONE) => {}
            _ if listed(VALUED) => at += 1,
            _ => {
                walk.unclear(Unclear::Option);
                return None;
            }
        }
    }
    Some(deletes)
}

/// `{}` stands for names that nobody has seen.
fn unseen(word: &Word) -> Word {
    match word.value() {
        Some(text) if text.contains("{}") => Word {
            // As a path under where it looks: with a folder before it, it cannot be taken for an option.
            parts: vec![Part::Text("./".into()), Part::Variable("@".into())],
            quoted: true,
        },
        _ => word.clone(),
    }
}

/// `sed`: its script may run and write; only scripts of the plainest commands are read.
pub(super) fn sed(walk: &mut Walk<'_>, words: &[Word]) {
    let mut script = None;
    let mut in_place = false;
    let mut files = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let Some(text) = word.value() else {
            if script.is_none() || word.prefix().is_empty() {
                return walk.unclear(Unclear::Code);
            }
            files.push(word);
            continue;
        };
        match text.as_str() {
            "-n" | "-E" | "-r" | "-s" | "-u" | "--quiet" | "--regexp-extended" | "--posix" | "-nE"
            | "-En" | "-nr" => {}
            // BSD takes the suffix as a word of its own; an empty one is all that can be told apart.
            "-i" | "--in-place" | "-iE" | "-i.bak" => in_place = true,
            "" if in_place => {}
            "-e" | "--expression" => {
                let next = words.get(at).and_then(Word::value);
                at += 1;
                if !next.is_some_and(|next| plain_sed(&next)) {
                    return walk.unclear(Unclear::Code);
                }
                script = Some(());
            }
            _ if text.starts_with('-') && text.len() > 1 => return walk.unclear(Unclear::Option),
            _ if script.is_none() => {
                if !plain_sed(&text) {
                    return walk.unclear(Unclear::Code);
                }
                script = Some(());
            }
            _ => files.push(word),
        }
    }
    for file in files {
        walk.read(file);
        if in_place {
            walk.write(file);
        }
    }
}

/// Commands `p`, `d`, `q`, `=` and `s` with the flags `g`, `i`, `I`, `p` and numbers, each with up to two addresses.
fn plain_sed(script: &str) -> bool {
    let mut rest = script.trim();
    let mut steps = 0;
    while !rest.is_empty() {
        steps += 1;
        let Some(next) = sed_command(rest).filter(|_| steps < 64) else {
            return false;
        };
        rest = next.trim_start_matches([';', '\n', ' ']);
    }
    steps > 0
}

fn sed_command(text: &str) -> Option<&str> {
    let mut rest = address(text)?;
    if let Some(second) = rest.strip_prefix(',') {
        rest = address(second)?;
    }
    let rest = rest.trim_start_matches([' ', '!']);
    let mut chars = rest.chars();
    let after = match chars.next()? {
        'p' | 'd' | 'q' | '=' => chars.as_str(),
        's' => {
            let mark = chars.next().filter(|c| c.is_ascii_punctuation() && *c != '\\')?;
            let pattern = delimited(chars.as_str(), mark)?;
            let replacement = delimited(pattern, mark)?;
            replacement.trim_start_matches(|c: char| matches!(c, 'g' | 'i' | 'I' | 'p') || c.is_ascii_digit())
        }
        _ => return None,
    };
    (after.is_empty() || after.starts_with([';', '\n', ' '])).then_some(after)
}

fn address(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('/') {
        return delimited(rest, '/');
    }
    Some(text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '$' | '+' | '~')))
}

/// What follows the next `mark` that is not escaped; no line may end before it.
fn delimited(text: &str, mark: char) -> Option<&str> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            // A class may hold the mark; whether it ends there differs between programs.
            '[' if mark != '[' && text.get(at..).is_some_and(|rest| class_holds(rest, mark)) => return None,
            _ if c == mark => return text.get(at + c.len_utf8()..),
            _ => {}
        }
    }
    None
}

fn class_holds(text: &str, mark: char) -> bool {
    text.split(']').next().is_some_and(|class| class.contains(mark))
}

/// `awk`: a program that calls no other, writes no file and reads no pipe.
pub(super) fn awk(walk: &mut Walk<'_>, words: &[Word]) {
    let mut program = false;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let Some(text) = word.value() else {
            if !program || word.prefix().is_empty() {
                return walk.unclear(Unclear::Code);
            }
            walk.read(word);
            continue;
        };
        match text.as_str() {
            _ if program => walk.read(word),
            "-F" | "-v" => at += 1,
            _ if text.starts_with("-F") => {}
            _ if text.starts_with('-') => return walk.unclear(Unclear::Option),
            _ => {
                let hidden = [
                    "system", "getline", "|", ">", "@", "ENVIRON", "printf >", "SYMTAB", "FUNCTAB",
                ];
                if hidden.iter().any(|part| text.contains(part)) {
                    return walk.unclear(Unclear::Code);
                }
                program = true;
            }
        }
    }
}

/// `tar`: listing reads; packing and unpacking ask, for what an archive holds is not seen.
pub(super) fn tar(walk: &mut Walk<'_>, words: &[Word]) {
    let texts: Option<Vec<String>> = words.iter().map(Word::value).collect();
    match texts.as_deref() {
        Some([mode, archive]) if lists(mode) && !archive.contains(':') && !archive.starts_with('-') => {
            walk.read(&Word::text(archive));
        }
        _ => {
            let operands: Vec<String> = words.iter().map(Word::shown).collect();
            walk.run("tar", &operands, false);
        }
    }
}

fn lists(mode: &str) -> bool {
    let letters = mode.strip_prefix('-').unwrap_or(mode);
    letters.starts_with('t')
        && letters.ends_with('f')
        && letters
            .chars()
            .all(|c| matches!(c, 't' | 'v' | 'z' | 'j' | 'J' | 'f'))
}
