//! Keys and values of configurations that are written line by line: YAML, TOML, INI, gin, properties. No tree is made: what
//! a loader would call stands in a scalar, and a scalar is a key's value, an item or a line of text.

/// A scalar with the key before it; the key is empty where none is.
pub(crate) struct Pair<'t> {
    pub(crate) key: &'t str,
    pub(crate) value: &'t str,
}

/// How a key is told from its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `key: value`.
    Colons,
    /// `key = value` too.
    Equals,
}

/// Scalars of one line.
pub(crate) fn pairs(line: &str, style: Style) -> Vec<Pair<'_>> {
    let mut found = Vec::new();
    let mut rest = item(line);
    if rest.starts_with('#') || rest.is_empty() {
        return found;
    }
    let mut key = "";
    if !rest.starts_with(['{', '['])
        && let Some((name, after)) = split(rest, style)
    {
        key = name;
        rest = after.trim();
        if rest.is_empty() {
            return found;
        }
    }
    let rest = bare(rest);
    if rest.starts_with(['{', '[']) {
        flow(key, rest, style, &mut found);
        return found;
    }
    found.push(Pair {
        key,
        value: unquoted(rest),
    });
    found
}

/// A line without its indentation and the dashes of items.
pub(crate) fn item(line: &str) -> &str {
    let mut rest = line.trim();
    while let Some(after) = rest
        .strip_prefix("- ")
        .or_else(|| rest.strip_prefix("? "))
        .or_else(|| rest.strip_prefix(": "))
    {
        rest = after.trim_start();
    }
    rest
}

/// The key of a line and what is behind it.
fn split(line: &str, style: Style) -> Option<(&str, &str)> {
    if let Some(quote) = line.chars().next().filter(|letter| matches!(letter, '"' | '\'')) {
        let (inner, after) = quoted(line, quote)?;
        let after = after.trim_start();
        let value = after
            .strip_prefix(':')
            .or_else(|| after.strip_prefix('=').filter(|_| style == Style::Equals))?;
        return Some((inner, value));
    }
    for (at, letter) in line.char_indices() {
        let next = line.get(at + 1..).and_then(|rest| rest.chars().next());
        let colon = letter == ':'
            && next.is_none_or(|next| {
                next.is_whitespace() || style == Style::Equals && next != '/' && next != ':'
            });
        let equals = letter == '=' && style == Style::Equals && next != Some('=');
        if colon || equals {
            let key = line.get(..at)?.trim_end_matches(['+', ' ', ':', '?', '\t']);
            return Some((key, line.get(at + 1..)?));
        }
        if letter == '#' && line.get(..at).is_some_and(|front| front.ends_with(' ')) {
            return None;
        }
    }
    None
}

/// What is in the quotes, and what is behind them.
fn quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let inner = text.get(1..)?;
    let mut escaped = false;
    for (at, letter) in inner.char_indices() {
        if letter == quote && !escaped {
            return Some((inner.get(..at)?, inner.get(at + 1..)?));
        }
        escaped = letter == '\\' && !escaped;
    }
    Some((inner, ""))
}

/// A value without an anchor before it and a comment behind it.
fn bare(value: &str) -> &str {
    let mut value = value.trim();
    if let Some(rest) = value.strip_prefix('&')
        && let Some((_, after)) = rest.split_once(' ')
    {
        value = after.trim_start();
    }
    if value.starts_with(['"', '\'']) {
        return value;
    }
    value.split(" #").next().unwrap_or(value).trim_end()
}

fn unquoted(value: &str) -> &str {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let value = value.trim_start_matches(quote);
            value
                .split(" #")
                .next()
                .unwrap_or(value)
                .trim_end()
                .trim_end_matches(quote)
        }
        _ => value,
    }
}

/// `{a: b, c: [d, e]}`, as far as it is on this line.
fn flow<'t>(key: &'t str, text: &'t str, style: Style, found: &mut Vec<Pair<'t>>) {
    let mut key = key;
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|letter: char| {
            letter.is_whitespace() || matches!(letter, '{' | '}' | '[' | ']' | ',')
        });
        let Some(first) = rest.chars().next() else { return };
        let (scalar, after, is_quoted) = match first {
            '"' | '\'' => match quoted(rest, first) {
                Some((inner, after)) => (inner, after, true),
                None => return,
            },
            _ => {
                let end = rest.char_indices().find(|(at, letter)| {
                    let next = rest.get(at + 1..).and_then(|rest| rest.chars().next());
                    matches!(letter, ',' | '{' | '}' | '[' | ']')
                        || *letter == ':'
                            && next.is_none_or(|next| next.is_whitespace() || matches!(next, '"' | '\''))
                        || *letter == '=' && style == Style::Equals
                });
                let end = end.map_or(rest.len(), |(at, _)| at);
                let (scalar, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                (scalar.trim(), after, false)
            }
        };
        let behind = after.trim_start();
        match behind.chars().next() {
            Some(':') if is_quoted || after.starts_with(':') => {
                key = scalar;
                rest = behind.get(1..).unwrap_or_default();
            }
            Some('=') if style == Style::Equals => {
                key = scalar;
                rest = behind.get(1..).unwrap_or_default();
            }
            _ => {
                if !scalar.is_empty() {
                    found.push(Pair { key, value: scalar });
                }
                rest = after;
                // Nothing was taken: a letter that neither begins nor ends a scalar.
                if !is_quoted && scalar.is_empty() {
                    rest = after.get(first.len_utf8().min(after.len())..).unwrap_or_default();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, style: Style, expected: &[(&str, &str)]) {
        let found = pairs(line, style);
        let found: Vec<_> = found.iter().map(|pair| (pair.key, pair.value)).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn scalars_come_with_their_keys() {
        check("a: b", Style::Colons, &[("a", "b")]);
        check("  - a: 'b c' # no", Style::Colons, &[("a", "b c")]);
        check("\"a\": \"b\"", Style::Colons, &[("a", "b")]);
        check("url: http://x/y", Style::Colons, &[("url", "http://x/y")]);
        check("- plain item", Style::Colons, &[("", "plain item")]);
        check(
            "a: {b: os.system, c: [1, 'two']}",
            Style::Colons,
            &[("b", "os.system"), ("c", "1"), ("c", "two")],
        );
        check("a = \"b\"", Style::Equals, &[("a", "b")]);
        check("A.b = @os.system", Style::Equals, &[("A.b", "@os.system")]);
        check("x = [\"a\", \"b\"]", Style::Equals, &[("x", "a"), ("x", "b")]);
        check("a: &anchor os.system", Style::Colons, &[("a", "os.system")]);
        check("# a: b", Style::Colons, &[]);
        check("a:", Style::Colons, &[]);
    }
}
