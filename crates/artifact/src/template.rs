//! Chat templates: Jinja that loaders render with the conversation. What it needs is known; what reaches Python is too.

use std::collections::HashSet;

use crate::{
    finding::{Verdict, shown},
    jinja, rule,
    scan::Scan,
};

/// Names of Jinja and of Flask through which escapes begin.
const ESCAPES: &[&str] = &[
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
    "get_template(",
    "import_string",
    "func_globals",
    "tb_frame",
    "cr_frame",
    "ag_frame",
    ".f_globals",
    ".f_builtins",
    ".f_back",
    "|string|list",
    "|string)[",
    "|list|string",
    "select|string",
    "()|select|",
    "request.application",
    "request.environ",
];
/// Bytes before an argument in which its call stands.
const CALL: usize = 200;
/// Bytes of a template.
const LONGEST: usize = 1 << 20;

/// Whether a file of this name is a template.
pub(crate) fn is_one(name: &str) -> bool {
    let name = name.to_lowercase();
    [
        ".jinja",
        ".jinja2",
        ".j2",
        ".chat_template",
        ".jinja.txt",
        "chat_template.txt",
        "chat_template.tmpl",
    ]
    .iter()
    .any(|end| name.ends_with(end))
}

/// A value of any document: something may render it, and only what reaches for Python counts.
pub(crate) fn value(scan: &mut Scan<'_>, at: u64, key: &str, text: &str) {
    let braces = text.contains("{{") || text.contains("{%");
    if !braces || text.len() > LONGEST {
        return;
    }
    let mark = scan.mark();
    let subject = shown(key.as_bytes(), 100);
    let from = usize::try_from(at).unwrap_or(0);
    for (place, part) in blocks(text) {
        block(scan, &subject, from + place, part);
    }
    computed(scan, &subject, from, text);
    if scan.worst_since(mark) < Verdict::Malicious {
        scan.forget(mark);
    }
}

/// A value of metadata whose key may or may not say that it is a template.
pub(crate) fn metadata(scan: &mut Scan<'_>, key: &str, text: &str) {
    let named = ["template", "prompt", "jinja", "chat"];
    match named.iter().any(|word| key.contains(word)) {
        true => _ = judge(scan, key, text),
        false => value(scan, 0, key, text),
    }
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
    computed(
        scan,
        subject,
        0,
        text.get(..text.len().min(LONGEST)).unwrap_or(text),
    );
    words(scan, subject, text);
    "template".to_owned()
}

/// What the template does with names that it puts together itself.
fn computed(scan: &mut Scan<'_>, subject: &str, from: usize, text: &str) {
    for found in jinja::judge(text) {
        let code = text.get(found.at..).unwrap_or_default();
        let what = format!(
            "`{}` {}",
            shown(code.lines().next().unwrap_or_default().trim().as_bytes(), 100),
            found.why
        );
        scan.find(
            &rule::TEMPLATE,
            Verdict::Malicious,
            (from + found.at) as u64,
            subject,
            what,
        );
    }
}

/// Whether a text that is no template by its name is one that reaches for Python's insides.
pub(crate) fn hidden(scan: &mut Scan<'_>, subject: &str, text: &str) {
    let marks = [
        "__class__",
        "__globals__",
        "__init__",
        "__subclasses__",
        "__builtins__",
        "__import__",
        "__mro__",
    ];
    if text.len() > LONGEST || !(text.contains("{{") || text.contains("{%")) {
        return;
    }
    let computes = !jinja::judge(text).is_empty();
    let reaches = |part: &str| marks.iter().any(|mark| part.contains(mark)) || part.contains("|attr(");
    if computes || jinja::blocks(text).iter().any(|(_, part)| reaches(part)) {
        let what = "holds a template that reaches for Python's insides".to_owned();
        scan.find(&rule::TEMPLATE, Verdict::Malicious, 0, subject, what);
    }
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
    let blocks = blocks(text);
    let said = said(&blocks);
    for (at, part) in &blocks {
        let first = part.trim_start_matches(['-', '+']).trim_start();
        let asks = first.starts_with("if ") || first.starts_with("elif ") || first.contains(" if ");
        // What is found of a text may be kept, and asked for later.
        let kept = first.starts_with("set ") && FINDS.iter().any(|find| first.contains(find));
        if (asks || kept)
            && let Some(word) = asks_for(first, &said)
        {
            let word = shown(word.as_bytes(), 60);
            odd(
                *at,
                &format!("says something else where a conversation mentions `{word}`"),
            );
        }
    }
}

/// Methods of texts that say whether, where or how often they hold another.
const FINDS: [&str; 6] = [
    ".find(",
    ".rfind(",
    ".index(",
    ".rindex(",
    ".count(",
    ".__contains__(",
];

/// Variables that hold what people write: `{% set words = message['content'] | lower %}`.
fn said<'t>(blocks: &[(usize, &'t str)]) -> HashSet<&'t str> {
    let mut found = HashSet::new();
    for (_, part) in blocks {
        let first = part.trim_start_matches(['-', '+']).trim_start();
        let assigned = first.strip_prefix("set ").and_then(|rest| rest.split_once('='));
        if let Some((name, value)) = assigned
            && (value.contains("content") || words_of(value).any(|word| found.contains(word)))
        {
            found.insert(name.trim());
        }
    }
    found
}

/// Names in an expression.
fn words_of(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}

/// Whether an expression is what people write, or begins with a variable that holds it.
fn is_said(code: &str, said: &HashSet<&str>) -> bool {
    code.contains("content") || words_of(code).any(|word| said.contains(word))
}

/// The plain words that a condition looks for in what people write: `'login page' in message['content']`, or
/// `message['content'].find('login page')`.
fn asks_for<'t>(condition: &'t str, said: &HashSet<&str>) -> Option<&'t str> {
    let mut rest = condition;
    while let Some(at) = rest.find(['\'', '"']) {
        let quote = rest.get(at..at + 1)?;
        let (before, after) = (rest.get(..at)?, rest.get(at + 1..)?);
        let end = after.find(quote)?;
        let (literal, tail) = (after.get(..end)?, after.get(end + 1..)?);
        let next = tail
            .trim_start()
            .strip_prefix("not ")
            .unwrap_or(tail.trim_start());
        // Kinds of parts are keys: `'image' in content`.
        let kind = [
            "image",
            "image_url",
            "video",
            "video_url",
            "audio",
            "audio_url",
            "text",
            "file",
        ];
        let plain = literal.trim().len() >= 4
            && !kind.contains(&literal)
            && literal
                .chars()
                .all(|letter| letter.is_ascii_alphabetic() || matches!(letter, ' ' | '.' | '-'));
        let about = next.strip_prefix("in ").is_some_and(|haystack| {
            let haystack = haystack.split([')', '%']).next().unwrap_or_default();
            is_said(haystack, said) && !haystack.trim_start().starts_with('[')
        });
        // The text that is asked stands in front of the method, and what else the condition says may hold quotes.
        let front = condition
            .get(..condition.len() - rest.len() + at)
            .unwrap_or(before);
        let finds = FINDS.iter().any(|find| {
            let asked = front.trim_end().strip_suffix(find);
            asked.is_some_and(|asked| is_said(asked, said))
        });
        if plain && (about || finds) {
            return Some(literal);
        }
        rest = tail;
    }
    None
}

/// What is between `{{` and `}}`, or `{%` and `%}`, with its offset. What is not closed reaches to the end.
fn blocks(text: &str) -> Vec<(usize, &str)> {
    // As Jinja has them, where a text within may hold the marks, and as whoever only looks for the marks does.
    let mut found = jinja::blocks(text);
    let known: HashSet<(usize, usize)> = found.iter().map(|(at, part)| (*at, part.len())).collect();
    found.extend(
        plain_blocks(text)
            .into_iter()
            .filter(|(at, part)| !known.contains(&(*at, part.len()))),
    );
    found
}

fn plain_blocks(text: &str) -> Vec<(usize, &str)> {
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

/// Ways to put an underscore beside something.
const JOINED: [&str; 10] = [
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
    if insides(&squeezed) {
        escape("reaches for what surrounds the template");
    }
    if squeezed.contains("|attr(") || computed_attribute(&squeezed) {
        escape("takes an attribute by a computed name");
    }
    // `'\x5f\x5f'`, `'_' ~ '_'`, `'_' * 2`, `['_','_']|join`: spellings of two underscores.
    let spelled = part.contains("\\x5f")
        || part.contains("\\x5F")
        || part.contains("\\u005f")
        || part.contains("\\137")
        || part.contains("\\N{")
        || part.contains("\\U0000005");
    if spelled
        || JOINED.iter().any(|word| squeezed.contains(word))
        || lone_underscore(&squeezed)
        || pieces(&squeezed)
    {
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
    if let Some(name) = of_python(part) {
        odd(&format!(
            "asks for Python's `{name}`, which templates are not given"
        ));
    }
    if squeezed.contains("http://") || squeezed.contains("https://") {
        odd("puts an address into every conversation");
    }
}

/// A function or a module of Python's, outside of texts: whoever writes it hopes that it is there.
fn of_python(part: &str) -> Option<&'static str> {
    const CALLED: [&str; 14] = [
        "eval",
        "exec",
        "compile",
        "open",
        "getattr",
        "setattr",
        "globals",
        "locals",
        "vars",
        "dir",
        "input",
        "breakpoint",
        "b64decode",
        "b64encode",
    ];
    const MODULES: [&str; 12] = [
        "os",
        "sys",
        "subprocess",
        "socket",
        "shutil",
        "urllib",
        "requests",
        "pickle",
        "marshal",
        "ctypes",
        "importlib",
        "builtins",
    ];
    let mut bare = String::with_capacity(part.len());
    let mut quote = None;
    let mut letters = part.chars();
    while let Some(letter) = letters.next() {
        match quote {
            Some(_) if letter == '\\' => _ = letters.next(),
            Some(open) if open == letter => quote = None,
            Some(_) => {}
            None if matches!(letter, '\'' | '"') => {
                quote = Some(letter);
                bare.push('$');
            }
            None => bare.push(letter),
        }
    }
    let whole = |name: &str, calls: bool| {
        bare.match_indices(name).any(|(at, _)| {
            let before = bare
                .get(..at)
                .and_then(|front| front.trim_end().chars().next_back());
            let after = bare.get(at + name.len()..).unwrap_or_default().trim_start();
            let own = before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.'))
                && bare.get(..at).is_some_and(|front| !front.ends_with(' '));
            let filter = before == Some('|') && calls && name.starts_with("b64");
            !own && (after.starts_with(if calls { '(' } else { '.' }) || filter)
        })
    };
    let called = CALLED.into_iter().find(|name| whole(name, true));
    called.or_else(|| MODULES.into_iter().find(|name| whole(name, false)))
}

/// What Flask and Jinja give a template beside its values.
fn insides(squeezed: &str) -> bool {
    ["request", "self"].iter().any(|name| {
        squeezed.match_indices(name).any(|(at, _)| {
            let before = squeezed.get(..at).and_then(|front| front.chars().next_back());
            let after = squeezed.get(at + name.len()..).unwrap_or_default();
            let whole = !before.is_some_and(|letter| letter.is_alphanumeric() || "_.'\"".contains(letter));
            let reached = match *name {
                "self" => after.starts_with(['[', '|']) || after.starts_with("._"),
                _ => [
                    ".args", ".headers", ".cookies", ".form", ".values", "['app", "[\"app", "['env",
                    "[\"env", "._", ".app",
                ]
                .iter()
                .any(|start| after.starts_with(start)),
            };
            whole && reached
        })
    })
}

/// `map(attribute=...)`, `map('attr', ...)` and their like, by a name that is not written out.
fn computed_attribute(squeezed: &str) -> bool {
    let by_attribute = squeezed.match_indices("attribute=").any(|(at, mark)| {
        let value = squeezed.get(at + mark.len()..).unwrap_or_default();
        let value = value.split([')', ',']).next().unwrap_or_default();
        let inner = value.trim_matches(['\'', '"']);
        let literal = value.len() == inner.len() + 2;
        let number = value.bytes().all(|byte| byte.is_ascii_digit());
        !number && (!literal || inner.starts_with('_') || inner.contains("._"))
    });
    let filters = [
        "map('attr'",
        "map(\"attr\"",
        "map('map'",
        "map(\"map\"",
        "map('getattr'",
        "map('format'",
    ];
    by_attribute || filters.iter().any(|word| squeezed.contains(word))
}

/// A text that is one underscore, anywhere but where it is replaced, split or joined by.
fn lone_underscore(squeezed: &str) -> bool {
    ["'_'", "\"_\""].iter().any(|literal| {
        squeezed.match_indices(literal).any(|(at, _)| {
            let from = (at.saturating_sub(CALL)..=at).find(|from| squeezed.is_char_boundary(*from));
            let before = squeezed.get(from.unwrap_or(at)..at).unwrap_or_default();
            let call = before
                .rfind('(')
                .map_or("", |open| before.get(..open).unwrap_or_default());
            let after = squeezed.get(at + literal.len()..).unwrap_or_default();
            let plain = [
                "split",
                "rsplit",
                "join",
                "replace",
                "strip",
                "startswith",
                "endswith",
                "count",
                "find",
                "partition",
            ];
            let inside = before.rfind('(') > before.rfind(')');
            let literal_source = call.ends_with("'|replace")
                || call.ends_with("\"|replace")
                || call.ends_with("'.replace")
                || call.ends_with("\".replace");
            let harmless = inside && plain.iter().any(|name| call.ends_with(name)) && !literal_source;
            !harmless && !after.starts_with("in")
        })
    })
}

/// A name of Python's insides in pieces: `'cla' ~ 'ss'`, `'glo' + 'bals'`, `'sbuiltin'|reverse`.
fn pieces(squeezed: &str) -> bool {
    const NAMES: &[&str] = &[
        "class",
        "globals",
        "builtins",
        "subclasses",
        "import",
        "popen",
        "system",
        "getitem",
        "mro",
        "init",
        "os",
    ];
    let mut joined = String::new();
    let mut rest = squeezed;
    while let Some(at) = rest.find(['~', '+']) {
        let (front, back) = (
            rest.get(..at).unwrap_or_default(),
            rest.get(at + 1..).unwrap_or_default(),
        );
        let left = front
            .strip_suffix(['\'', '"'])
            .and_then(|text| text.rsplit(['\'', '"']).next());
        let right = back
            .strip_prefix(['\'', '"'])
            .and_then(|text| text.split(['\'', '"']).next());
        if let (Some(left), Some(right)) = (left, right) {
            let short = |text: &str| {
                (1..=10).contains(&text.len())
                    && text
                        .bytes()
                        .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            };
            if short(left) && short(right) {
                if joined.is_empty() {
                    joined.push_str(left);
                }
                joined.push_str(right);
                let bare = joined.trim_matches('_');
                if NAMES.contains(&bare) {
                    return true;
                }
            } else {
                joined.clear();
            }
        } else {
            joined.clear();
        }
        rest = back;
    }
    let turned = squeezed.contains("|reverse") || squeezed.contains("[::-1]");
    turned
        && [
            "'ssalc",
            "slabolg",
            "snitliub",
            "sessalcbus",
            "nepop",
            "tropmi",
            "metsys",
        ]
        .iter()
        .any(|name| squeezed.contains(name))
}
