//! Programs that run other programs, and programs whose arguments are a language of their own.

use super::{
    Unclear, scripts, spend,
    syntax::{Part, Word},
    walk::Walk,
};

/// One command: the program is known, wraps another, or is one that nobody knows.
pub(super) fn command(walk: &mut Walk<'_>, words: &[Word]) {
    let Some((first, rest)) = words.split_first() else {
        return;
    };
    let Some(name) = first.value() else {
        walk.unclear(Unclear::Dynamic);
        return;
    };
    // Only ASCII names are known; another may look like one.
    if !name.is_ascii() || name.is_empty() {
        walk.unclear(Unclear::Characters);
        return;
    }
    let name = common(&name);
    match name {
        "command" | "builtin" | "exec" | "nohup" | "setsid" | "time" | "nice" | "ionice" | "stdbuf"
        | "timeout" | "chronic" | "unbuffer" | "caffeinate" | "noglob" | "nocorrect" => {
            plain(walk, name, rest)
        }
        "env" => env(walk, rest),
        "sudo" | "doas" | "su" | "pkexec" | "runuser" | "chroot" | "unshare" | "nsenter" | "systemd-run"
        | "at" | "batch" | "crontab" | "ssh" | "mosh" | "tmux" | "screen" | "script" | "parallel"
        | "watch" | "entr" => {
            elsewhere(walk, name, rest);
        }
        "xargs" => xargs(walk, rest),
        "find" | "gfind" => scripts::find(walk, rest),
        "sed" | "gsed" => scripts::sed(walk, rest),
        "awk" | "gawk" | "mawk" | "nawk" => scripts::awk(walk, rest),
        "tar" | "gtar" | "bsdtar" => scripts::tar(walk, rest),
        "sh" | "bash" | "dash" | "zsh" | "ksh" | "fish" => shell(walk, name, rest),
        "." | "source" => script(walk, "source", rest),
        "cd" | "pushd" | "popd" | "chdir" => folder(walk, name, rest),
        "export" | "declare" | "typeset" | "local" | "readonly" => declare(walk, rest),
        "eval" | "alias" | "trap" | "let" | "enable" | "shopt" | "setopt" | "unsetopt" | "bind"
        | "complete" | "hash" | "mapfile" | "readarray" | "getopts" | "autoload" | "zmodload" | "fc"
        | "function" | "coproc" | "case" => {
            walk.unclear(Unclear::Code);
        }
        _ => spend::program(walk, name, rest),
    }
}

/// The name of a program in one of the system's own folders.
fn common(name: &str) -> &str {
    [
        "/usr/bin/",
        "/bin/",
        "/usr/sbin/",
        "/sbin/",
        "/usr/local/bin/",
        "/opt/homebrew/bin/",
    ]
    .iter()
    .find_map(|folder| name.strip_prefix(folder))
    .filter(|rest| !rest.contains('/') && !rest.is_empty())
    .unwrap_or(name)
}

/// Wrappers that change nothing that matters here.
fn plain(walk: &mut Walk<'_>, name: &str, words: &[Word]) {
    let mut rest = words;
    while let Some((first, tail)) = rest.split_first() {
        let Some(text) = first.value() else { break };
        let valued = match name {
            "command" if text == "-v" || text == "-V" => return,
            "command" | "builtin" | "nohup" | "chronic" | "unbuffer" | "noglob" | "nocorrect" => None,
            "exec" => (text == "-a").then_some(true),
            "time" => (text == "-p" || text == "-v").then_some(false),
            "setsid" => ["-w", "-f", "--wait", "--fork"]
                .contains(&text.as_str())
                .then_some(false),
            "nice" => flagged(&text, &["-n"], &["--adjustment="]),
            "ionice" => flagged(&text, &["-c", "-n"], &["-c", "-n"]),
            "stdbuf" => flagged(&text, &["-o", "-i", "-e"], &["-o", "-i", "-e"]),
            "timeout" => flagged(
                &text,
                &["-k", "-s"],
                &["--signal=", "--kill-after=", "--foreground", "--preserve-status"],
            ),
            "caffeinate" => flagged(&text, &["-t"], &["-d", "-i", "-s", "-m", "-u"]),
            _ => None,
        };
        match valued {
            Some(true) => rest = tail.get(1..).unwrap_or_default(),
            Some(false) => rest = tail,
            None if text == "--" => {
                rest = tail;
                break;
            }
            None if text.starts_with('-') && text.len() > 1 => {
                walk.unclear(Unclear::Option);
                return;
            }
            None => break,
        }
    }
    if name == "timeout" {
        // The duration.
        match rest.split_first() {
            Some((duration, tail)) if duration.value().is_some() => rest = tail,
            Some(_) => return walk.unclear(Unclear::Dynamic),
            None => return,
        }
    }
    walk.command(rest);
}

/// Whether an option of a wrapper takes the next word: yes for those in `valued` alone, no for those that begin so.
fn flagged(text: &str, valued: &[&str], whole: &[&str]) -> Option<bool> {
    if valued.contains(&text) {
        return Some(true);
    }
    whole.iter().any(|start| text.starts_with(start)).then_some(false)
}

fn env(walk: &mut Walk<'_>, words: &[Word]) {
    let mut rest = words;
    while let Some((first, tail)) = rest.split_first() {
        let Some(text) = first.value() else { break };
        if let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.starts_with('-')) {
            walk.assignment(name, &Word::text(value));
        } else if text == "-u" {
            rest = tail;
        } else if !(text == "-i" || text == "-0" || text == "--") {
            if text.starts_with('-') {
                return walk.unclear(Unclear::Option);
            }
            break;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    if rest.is_empty() {
        spend::program(walk, "printenv", &[]);
    } else {
        walk.command(rest);
    }
}

/// With other rights, on another machine, at another time or over and over: what is wrapped is looked at as far as it
/// can be told, and it asks either way.
fn elsewhere(walk: &mut Walk<'_>, name: &str, words: &[Word]) {
    walk.unclear(Unclear::Elsewhere);
    if name == "ssh" || name == "mosh" {
        let host = words.iter().find(|word| !word.prefix().starts_with('-'));
        if let Some(host) = host {
            let content: Vec<String> = words.iter().map(Word::shown).collect();
            walk.send(&[host.shown()], &content);
        }
        return;
    }
    if matches!(name, "sudo" | "doas" | "pkexec" | "watch") {
        let plain = words.iter().position(|word| {
            !word.prefix().starts_with('-') && word.value().is_none_or(|text| !text.contains('='))
        });
        if let Some(rest) = plain.and_then(|at| words.get(at..)) {
            walk.command(rest);
        }
    }
}

fn xargs(walk: &mut Walk<'_>, words: &[Word]) {
    let mut rest = words;
    while let Some((first, tail)) = rest.split_first() {
        let Some(text) = first.value() else { break };
        match text.as_str() {
            "-0" | "-r" | "-t" | "--null" | "--no-run-if-empty" => rest = tail,
            "-n" | "-P" | "-L" | "-I" | "-d" | "-s" => rest = tail.get(1..).unwrap_or_default(),
            _ if text.starts_with('-') => {
                let joined = text
                    .get(1..2)
                    .is_some_and(|option| ["n", "P", "L", "I", "d", "s"].contains(&option));
                if !joined {
                    return walk.unclear(Unclear::Option);
                }
                rest = tail;
            }
            _ => break,
        }
    }
    // What it reads becomes arguments that nobody has seen.
    let unseen = Word {
        parts: vec![Part::Variable("@".into())],
        quoted: false,
    };
    if rest.is_empty() {
        return;
    }
    let replaced: Vec<Word> = rest
        .iter()
        .map(|word| match word.value() {
            Some(text) if text.contains("{}") => unseen.clone(),
            _ => word.clone(),
        })
        .chain([unseen.clone()])
        .collect();
    walk.command(&replaced);
}

/// A shell with a text to run, a script, or whatever it is fed.
fn shell(walk: &mut Walk<'_>, name: &str, words: &[Word]) {
    let mut rest = words;
    while let Some((first, tail)) = rest.split_first() {
        let Some(text) = first.value() else { break };
        let flags = text.strip_prefix('-').filter(|flags| !flags.is_empty());
        match flags {
            Some("-version") => return,
            Some(flags) if flags.chars().all(|c| matches!(c, 'e' | 'u' | 'x' | 'l' | 'c')) => {
                if flags.contains('c') {
                    return match tail.first().map(Word::value) {
                        Some(Some(text)) if tail.iter().all(|word| word.value().is_some()) => {
                            walk.line(&text)
                        }
                        _ => walk.unclear(Unclear::Code),
                    };
                }
                rest = tail;
            }
            Some(_) => return walk.unclear(Unclear::Option),
            None => break,
        }
    }
    script(walk, name, rest);
}

/// A script that runs: what it is named is what has to be vouched for.
pub(super) fn script(walk: &mut Walk<'_>, name: &str, words: &[Word]) {
    match words.split_first().map(|(first, rest)| (first.value(), rest)) {
        Some((Some(path), rest)) if !path.starts_with('-') && !path.is_empty() => {
            let operands: Vec<String> = rest.iter().map(Word::shown).collect();
            walk.run(&format!("{name} {path}"), &operands, false);
        }
        // Nothing named: it runs what it reads.
        _ => walk.unclear(Unclear::Code),
    }
}

fn folder(walk: &mut Walk<'_>, name: &str, words: &[Word]) {
    let values: Option<Vec<String>> = words.iter().map(Word::value).collect();
    match values.as_deref() {
        Some([path]) if name == "cd" || name == "pushd" => walk.places.enter(Some(path)),
        Some([dashes, path]) if name == "cd" && dashes == "--" => walk.places.enter(Some(path)),
        _ => walk.places.enter(None),
    }
}

fn declare(walk: &mut Walk<'_>, words: &[Word]) {
    for word in words {
        let assigned = match word.parts.first() {
            Some(Part::Text(text)) => text
                .split_once('=')
                .map(|(name, rest)| (name.to_owned(), rest.to_owned())),
            _ => None,
        };
        match (assigned, word.value()) {
            (Some((name, rest)), _) if !name.starts_with('-') && !name.contains('[') => {
                let mut value = word.clone();
                if let Some(first) = value.parts.first_mut() {
                    *first = Part::Text(rest);
                }
                walk.assignment(&name, &value);
            }
            (None, Some(name)) if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {}
            _ => walk.unclear(Unclear::Code),
        }
    }
}
