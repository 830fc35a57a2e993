//! Chat templates: Jinja that loaders render with the conversation. What it needs is known; what reaches Python is too.

use crate::{
    finding::{Verdict, shown},
    rule,
    scan::Scan,
};

/// Names of Jinja and of Flask through which escapes begin.
const ESCAPES: [&str; 14] = [
    "lipsum",
    "cycler",
    "joiner",
    "url_for",
    "get_flashed_messages",
    "popen",
    "subprocess",
    "importlib",
    "sys.modules",
    "builtins",
    "_TemplateReference",
    "os.system",
    "mro(",
    "gi_frame",
];
/// Bytes of a template.
const LONGEST: usize = 1 << 20;

/// Whether a file of this name is a template.
pub(crate) fn is_one(name: &str) -> bool {
    let name = name.to_lowercase();
    name.ends_with(".jinja") || name.ends_with(".jinja2") || name.ends_with(".j2")
}

/// Judges a template. Returns what it is.
pub(crate) fn judge(scan: &mut Scan<'_>, subject: &str, text: &str) -> String {
    if text.len() > LONGEST {
        scan.stopped(crate::feed::Stop::TooMuch, 0);
    }
    let mut code = String::new();
    for (at, part) in blocks(text.get(..text.len().min(LONGEST)).unwrap_or(text)) {
        block(scan, subject, at, part);
        code.push_str(part);
        code.push('\n');
    }
    words(scan, subject, text);
    "template".to_owned()
}

/// What a template adds to every conversation, or to some: scripts, and words that depend on what is talked of.
fn words(scan: &mut Scan<'_>, subject: &str, text: &str) {
    let lower = text.to_lowercase();
    let mut odd = |at: usize, what: &str| {
        scan.find(
            &rule::TEMPLATE_ODD,
            Verdict::Suspicious,
            at as u64,
            subject,
            what.to_owned(),
        );
    };
    if let Some(at) = lower.find("<script") {
        odd(at, "puts a script into conversations");
    }
    for (at, part) in blocks(text) {
        let first = part.trim_start_matches(['-', '+']).trim_start();
        if (first.starts_with("if ") || first.starts_with("elif ") || first.contains(" if "))
            && let Some(word) = asks_for(first)
        {
            let word = shown(word.as_bytes(), 60);
            odd(
                at,
                &format!("says something else where a conversation mentions `{word}`"),
            );
        }
    }
}

/// The plain words that a condition looks for in what people write: `'login page' in message['content']`.
fn asks_for(condition: &str) -> Option<&str> {
    let mut rest = condition;
    while let Some(at) = rest.find(['\'', '"']) {
        let quote = rest.get(at..at + 1)?;
        let after = rest.get(at + 1..)?;
        let end = after.find(quote)?;
        let (literal, tail) = (after.get(..end)?, after.get(end + 1..)?);
        let next = tail
            .trim_start()
            .strip_prefix("not ")
            .unwrap_or(tail.trim_start());
        let plain = literal.trim().len() >= 4
            && literal
                .chars()
                .all(|letter| letter.is_ascii_alphabetic() || matches!(letter, ' ' | '.' | '-'));
        let about = next.strip_prefix("in ").is_some_and(|haystack| {
            let haystack = haystack.split([')', '%']).next().unwrap_or_default();
            haystack.contains("content") && !haystack.trim_start().starts_with('[')
        });
        if plain && about {
            return Some(literal);
        }
        rest = tail;
    }
    None
}

/// What is between `{{` and `}}`, or `{%` and `%}`, with its offset. What is not closed reaches to the end.
fn blocks(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text
        .get(from..)
        .and_then(|rest| rest.find('{'))
        .map(|at| from + at)
    {
        let close = match text.get(open + 1..open + 2) {
            Some("{") => "}}",
            Some("%") => "%}",
            Some("#") => "#}",
            _ => {
                from = open + 1;
                continue;
            }
        };
        let start = open + 2;
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.find(close).unwrap_or(rest.len());
        if close != "#}" {
            found.push((start, rest.get(..end).unwrap_or_default()));
        }
        from = start + end;
    }
    found
}

fn block(scan: &mut Scan<'_>, subject: &str, at: usize, part: &str) {
    let place = at as u64;
    let shown = shown(part.trim().as_bytes(), 100);
    let mut escape = |why: &str| {
        let what = format!("`{shown}` {why}");
        scan.find(&rule::TEMPLATE, Verdict::Malicious, place, subject, what);
    };
    let squeezed: String = part.chars().filter(|letter| !letter.is_whitespace()).collect();
    if part.contains("__") {
        escape("takes a private attribute");
    }
    if let Some(word) = ESCAPES.iter().find(|word| squeezed.contains(**word)) {
        escape(&format!("reaches for `{word}`"));
    }
    if squeezed.contains("|attr(")
        || squeezed.contains("attribute=") && squeezed.contains("_") && squeezed.contains("map(attribute='_")
    {
        escape("takes an attribute by a computed name");
    }
    // `'\x5f\x5f'`, `'_' ~ '_'`, `'_' * 2`, `['_','_']|join`: spellings of two underscores.
    let spelled = part.contains("\\x5f")
        || part.contains("\\x5F")
        || part.contains("\\u005f")
        || part.contains("\\137");
    let joined = [
        "'_'~",
        "\"_\"~",
        "'_'+",
        "\"_\"+",
        "'_'*",
        "\"_\"*",
        "'_',",
        "\"_\",",
        "%c",
        "format(95",
    ];
    if spelled || joined.iter().any(|word| squeezed.contains(word)) {
        escape("spells a private attribute");
    }
    let first = part.trim_start_matches(['-', '+']).trim_start();
    let statement = first.split_whitespace().next().unwrap_or_default();
    let mut odd = |why: &str| {
        let what = format!("`{shown}` {why}");
        scan.find(&rule::TEMPLATE_ODD, Verdict::Suspicious, place, subject, what);
    };
    if matches!(statement, "include" | "import" | "extends" | "from") {
        odd("loads another template");
    }
    if let Some((_, rest)) = squeezed.split_once("range(") {
        let number: String = rest
            .chars()
            .take_while(|letter| letter.is_ascii_digit() || *letter == '*')
            .collect();
        if number.len() > 6 || number.contains("**") {
            odd("goes round for very long");
        }
    }
    if squeezed.contains("http://") || squeezed.contains("https://") {
        odd("puts an address into every conversation");
    }
}
