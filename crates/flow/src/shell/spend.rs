//! A program's words against its row of the table.

use super::{
    Unclear, is_secret,
    syntax::{Part, Word},
    table::{Row, TEXTS, Takes},
    walk::Walk,
    wrap,
};

/// Builtins that evaluate some of their words once more.
const EVALUATING: [&str; 6] = ["test", "[", "printf", "unset", "read", "wait"];
/// Programs that run the file they are given, or code that cannot be read here.
const INTERPRETERS: [&str; 13] = [
    "python", "python3", "python2", "pypy3", "node", "ruby", "perl", "php", "lua", "Rscript", "julia", "tsx",
    "ts-node",
];

/// What was said in options and operands, by use.
#[derive(Default)]
struct Said {
    fetched: Vec<String>,
    sent: Vec<String>,
    content: Vec<String>,
    asked: Vec<String>,
    packages: Vec<String>,
    values: Vec<String>,
    output: bool,
    method: Option<String>,
}

/// A program that wraps nothing.
pub(super) fn program(walk: &mut Walk<'_>, name: &str, words: &[Word]) {
    if EVALUATING.contains(&name)
        && words
            .iter()
            .any(|word| word.shown().contains(['`', '$']) && word.value().is_some())
    {
        walk.unclear(Unclear::Code);
    }
    walk.computed |= name == "read";
    if INTERPRETERS.contains(&name) {
        return interpreter(walk, name, words);
    }
    let (key, rest) = if Row::has_subcommands(name) && !(name == "yarn" && words.is_empty()) {
        match subcommand(walk, name, words) {
            Some(found) => found,
            None => return,
        }
    } else {
        (name.to_owned(), words)
    };
    match Row::find(&key) {
        Some(row) if !row.is("special") => {
            if let Some(said) = spend(walk, &row, rest) {
                effects(walk, &key, &row, said);
            }
        }
        _ => unknown(walk, name, words),
    }
}

/// Nobody knows it: it runs, with its first words as its name and the rest unvouched.
fn unknown(walk: &mut Walk<'_>, name: &str, words: &[Word]) {
    let operands: Vec<String> = words.iter().map(Word::shown).collect();
    walk.run(name, &operands, false);
}

fn interpreter(walk: &mut Walk<'_>, name: &str, words: &[Word]) {
    let values: Option<Vec<String>> = words.iter().map(Word::value).collect();
    match values.as_deref() {
        Some([flag]) if ["--version", "-V", "-v", "--help"].contains(&flag.as_str()) => {}
        Some([flag, module, rest @ ..]) if flag == "-m" && name.starts_with("py") => {
            walk.run(&format!("{name} -m {module}"), rest, false);
        }
        Some([flag, ..]) if ["-u", "-B"].contains(&flag.as_str()) && name.starts_with("py") => {
            interpreter(walk, name, words.get(1..).unwrap_or_default());
        }
        _ => wrap::script(walk, name, words),
    }
}

/// The longest subcommand that the table knows, after options of the program itself.
fn subcommand<'w>(walk: &mut Walk<'_>, name: &str, words: &'w [Word]) -> Option<(String, &'w [Word])> {
    let mut rest = words;
    while let Some((first, tail)) = rest.split_first() {
        let Some(text) = first.value() else { break };
        match (name, text.as_str()) {
            (_, "--version" | "--help" | "-h" | "-V") => return None,
            ("git", "--no-pager") => rest = tail,
            ("git", "-C") => {
                let folder = tail.first().and_then(Word::value);
                walk.places.enter(folder.as_deref());
                rest = tail.get(1..).unwrap_or_default();
            }
            _ => break,
        }
    }
    let texts: Vec<String> = rest.iter().take(2).map_while(Word::value).collect();
    for length in (1..=texts.len()).rev() {
        let key = format!("{name} {}", texts.get(..length).unwrap_or_default().join(" "));
        if Row::find(&key).is_some() {
            return Some((key, rest.get(length..).unwrap_or_default()));
        }
    }
    if texts.is_empty() && rest.is_empty() && name != "git" && name != "gh" {
        return Some((name.to_owned(), rest));
    }
    let shown: Vec<String> = rest.iter().map(Word::shown).collect();
    let known = format!("{name} {}", shown.first().map_or("", String::as_str));
    walk.run(known.trim(), shown.get(1..).unwrap_or_default(), false);
    None
}

/// Reads options and operands; none if one is not listed, which is unclear.
fn spend(walk: &mut Walk<'_>, row: &Row, words: &[Word]) -> Option<Said> {
    let mut said = Said::default();
    let mut operands: Vec<&Word> = Vec::new();
    let mut options = !row.is("words");
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let start = word.prefix();
        // Unquoted, what is only known when it runs may be several words, and options among them.
        let opens = word.value().is_none() && start.is_empty();
        if options && opens && !row.is("safe") {
            walk.unclear(Unclear::Dynamic);
            return None;
        }
        if !options || !start.starts_with('-') || start == "-" && word.value().is_some() {
            operands.push(word);
            continue;
        }
        let Some(text) = word.value().or_else(|| split_at_equals(word)) else {
            walk.unclear(Unclear::Dynamic);
            return None;
        };
        if text == "--" {
            options = false;
            continue;
        }
        let taken = if let Some(long) = text
            .strip_prefix("--")
            .or_else(|| row.is("dashes").then(|| text.get(1..))?)
        {
            long_option(walk, row, &mut said, long, word, words.get(at))
        } else {
            short_options(walk, row, &mut said, &text, words.get(at))
        };
        match taken {
            Some(more) => at += usize::from(more),
            None => {
                walk.unclear(Unclear::Option);
                return None;
            }
        }
    }
    spend_operands(walk, row, &operands, &mut said).then_some(said)
}

/// `--name=$value`: the name is known, the value is not.
fn split_at_equals(word: &Word) -> Option<String> {
    let start = word.prefix();
    start
        .starts_with("--")
        .then(|| start.split_once('='))
        .flatten()
        .map(|(name, _)| format!("{name}="))
}

/// Whether the next word was taken as well; none if the option is not listed.
fn long_option(
    walk: &mut Walk<'_>,
    row: &Row,
    said: &mut Said,
    text: &str,
    word: &Word,
    next: Option<&Word>,
) -> Option<bool> {
    let (name, joined) = match text.split_once('=') {
        Some((name, _)) => (name, true),
        None => (text, false),
    };
    match row.long(name) {
        None => (TEXTS.contains(&name) && !joined).then_some(false),
        Some(Takes::Nothing) => (!joined).then_some(false),
        Some(Takes::Value(takes) | Takes::Perhaps(takes)) if joined => {
            let cut = text.len() - text.split_once('=').map_or(0, |(_, value)| value.len());
            let dashes = word.prefix().len() - word.prefix().trim_start_matches('-').len();
            spend_use(walk, said, takes, &after(word, cut + dashes)).then_some(false)
        }
        Some(Takes::Perhaps(_)) => Some(false),
        Some(Takes::Value(takes)) => spend_use(walk, said, takes, next?).then_some(true),
    }
}

fn short_options(
    walk: &mut Walk<'_>,
    row: &Row,
    said: &mut Said,
    text: &str,
    next: Option<&Word>,
) -> Option<bool> {
    let letters = text.strip_prefix('-')?;
    if row.numbers() && !letters.is_empty() && letters.bytes().all(|b| b.is_ascii_digit()) {
        return Some(false);
    }
    let mut rest = letters.chars();
    while let Some(letter) = rest.next() {
        match row.short(letter)? {
            Takes::Nothing => {}
            Takes::Value(takes) | Takes::Perhaps(takes) => {
                let joined = rest.as_str();
                if letter == 'X' {
                    said.method = Some(joined.to_owned());
                }
                return if joined.is_empty() {
                    let next = next?;
                    if letter == 'X' {
                        said.method = next.value();
                    }
                    spend_use(walk, said, takes, next).then_some(true)
                } else {
                    spend_use(walk, said, takes, &Word::text(joined)).then_some(false)
                };
            }
        }
    }
    Some(false)
}

/// The word without its first bytes, which are known.
fn after(word: &Word, bytes: usize) -> Word {
    let mut left = bytes;
    let mut parts = Vec::new();
    for part in &word.parts {
        match part {
            Part::Text(text) if left > 0 => {
                parts.push(Part::Text(
                    text.get(left.min(text.len())..).unwrap_or_default().to_owned(),
                ));
                left = left.saturating_sub(text.len());
            }
            Part::Mark(_) if left > 0 => left -= 1,
            other => parts.push(other.clone()),
        }
    }
    Word {
        parts,
        quoted: word.quoted,
    }
}

fn spend_operands(walk: &mut Walk<'_>, row: &Row, operands: &[&Word], said: &mut Said) -> bool {
    let uses: Vec<&str> = row.operands.split_whitespace().collect();
    if let ["<*", last] = uses.as_slice() {
        // `cp`: all are read and the last is written, unless an option named the folder.
        let Some((target, sources)) = operands.split_last() else {
            return true;
        };
        let both = said.output;
        sources.iter().for_each(|word| walk.read(word));
        return if both {
            walk.read(target);
            true
        } else {
            spend_use(walk, said, last.chars().next().unwrap_or('x'), target)
        };
    }
    if row.is("copy") {
        return copies(walk, said, operands);
    }
    for (at, word) in operands.iter().enumerate() {
        let usage = uses
            .get(at)
            .or_else(|| uses.last().filter(|last| last.ends_with('*')))
            .and_then(|usage| usage.chars().next());
        match usage {
            Some(usage) if spend_use(walk, said, usage, word) => {}
            _ => {
                walk.unclear(Unclear::Option);
                return false;
            }
        }
    }
    true
}

/// `scp` and `rsync`: what names a machine is one; the last, if it is here, is written, and all else is read.
fn copies(walk: &mut Walk<'_>, said: &mut Said, operands: &[&Word]) -> bool {
    for (at, word) in operands.iter().enumerate() {
        let shown = word.shown();
        let remote = word.value().is_none()
            || shown
                .split('/')
                .next()
                .is_some_and(|first| first.contains(':') || first.contains('@'));
        if remote {
            said.sent.push(shown);
        } else if at + 1 == operands.len() {
            walk.write(word);
        } else {
            walk.read(word);
            said.content.push(shown);
        }
    }
    true
}

/// One value by its use; false if nobody can say what it does.
fn spend_use(walk: &mut Walk<'_>, said: &mut Said, usage: char, word: &Word) -> bool {
    let shown = word.shown();
    match usage {
        'v' => said.values.push(shown),
        'r' => walk.read(word),
        'w' => {
            said.output = true;
            walk.write(word);
        }
        'd' => walk.delete(word),
        'u' => said.fetched.push(shown),
        'U' => said.sent.push(shown),
        'm' if shown.contains([':', '/', '$', '.']) => said.sent.push(shown),
        'm' => said.values.push(shown),
        'q' => said.asked.push(shown),
        'p' => said.packages.push(shown),
        'c' => {
            // `@file` is that file's content.
            if let Some((_, path)) = shown
                .split_once('@')
                .filter(|(name, _)| name.is_empty() || name.ends_with('='))
            {
                walk.read(&Word::text(path.split(';').next().unwrap_or(path)));
            } else if is_secret(&shown) || word.value().is_none() {
                walk.read(word);
            }
            said.content.push(shown);
        }
        // A format of `curl` may name files.
        'f' => {
            said.values.push(shown.clone());
            return !shown.contains("%output") && !shown.contains("%{output") && !shown.starts_with('@');
        }
        _ => return false,
    }
    true
}

/// What the row does besides its operands.
fn effects(walk: &mut Walk<'_>, key: &str, row: &Row, said: Said) {
    if row.is("env") {
        walk.read(&Word::text("/proc/self/environ"));
    }
    if row.is("http") {
        return http(walk, key, said);
    }
    if row.is("run") {
        let assigns = said.values.iter().any(|value| value.contains('='));
        if assigns && (key.ends_with("make") || key == "just") {
            walk.unclear(Unclear::Code);
        }
        return walk.run(key, &said.values, true);
    }
    if row.is("install") {
        return walk.install(&said.packages);
    }
    if row.is("send") {
        return walk.send(&said.sent, &said.content);
    }
    if row.is("local") || row.is("fetch") && key.starts_with("git ") {
        walk.local(key);
    }
    for address in said.fetched.into_iter().chain(said.sent) {
        walk.fetch(address);
    }
    if row.is("fetch") {
        walk.ask(&said.asked);
    }
    if row.is("force") && key == "git clean" {
        walk.delete(&Word::text("."));
    }
}

/// `curl` and `wget`: a request with a body, or with a method that is no reading one, sends.
fn http(walk: &mut Walk<'_>, key: &str, said: Said) {
    let method = said.method.unwrap_or_else(|| "GET".into());
    let reads = ["GET", "HEAD", "OPTIONS"].contains(&method.as_str());
    if !said.content.is_empty() || !reads {
        return walk.send(&said.fetched, &said.content);
    }
    for address in said.fetched {
        if key == "wget" && !said.output {
            let path = address.split(['?', '#']).next().unwrap_or_default();
            let name = path
                .rsplit('/')
                .next()
                .filter(|name| !name.is_empty())
                .unwrap_or("index.html");
            walk.write(&Word::text(name));
        }
        walk.fetch(address);
    }
}
