//! Rust source as tidy reads it: comments and literals blanked out, test code marked, functions measured.
//!
//! This is no parser. It knows strings, raw strings, characters, lifetimes, nested comments and balanced
//! brackets, which is enough to count lines and to find names without being fooled by text in quotes. It never
//! fails: on source that does not lex it reads to the end.

/// A source file, blanked.
pub(crate) struct Source {
    /// As long as the file and with its line breaks; comments' and literals' insides are spaces.
    code: String,
    /// The byte ranges of items behind `#[cfg(test)]`.
    tests: Vec<(usize, usize)>,
}

/// A function's place and size.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of `fn`, from 1.
    pub(crate) line: usize,
    /// Lines from `fn` to the closing brace.
    pub(crate) lines: usize,
}

impl Source {
    /// Reads a file's text.
    pub(crate) fn new(text: &str) -> Self {
        let code = blank(text);
        let tests = test_items(&code);
        Self { code, tests }
    }

    /// Lines outside `#[cfg(test)]` items.
    pub(crate) fn lines_without_tests(&self) -> usize {
        let all = self.code.lines().count();
        let in_tests: usize = self
            .tests
            .iter()
            .map(|&(from, to)| self.line_of(to).saturating_sub(self.line_of(from)) + 1)
            .sum();
        all.saturating_sub(in_tests)
    }

    /// Lines outside tests where `needle` stands in code, from 1.
    pub(crate) fn find(&self, needle: &str) -> Vec<usize> {
        self.code
            .match_indices(needle)
            .filter(|&(at, _)| !self.in_tests(at) && self.starts_word(at))
            .map(|(at, _)| self.line_of(at))
            .collect()
    }

    /// Every function with a body outside tests.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("fn ") {
            if self.in_tests(at) || !self.starts_word(at) {
                continue;
            }
            let name: String = self.code[at + 3..]
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if name.is_empty() {
                continue;
            }
            if let Some(end) = body_end(&self.code, at) {
                let line = self.line_of(at);
                found.push(Function {
                    name,
                    line,
                    lines: self.line_of(end) - line + 1,
                });
            }
        }
        found
    }

    /// Names of modules that are declared behind `#[cfg(test)]` and stand in files of their own.
    pub(crate) fn test_modules(&self) -> Vec<&str> {
        self.tests
            .iter()
            .filter_map(|&(from, to)| {
                let item = self.code.get(from..to)?.trim_start_matches("#[cfg(test)]").trim();
                let name = item
                    .strip_prefix("pub(crate) ")
                    .unwrap_or(item)
                    .strip_prefix("mod ")?;
                name.chars()
                    .all(|c| c.is_alphanumeric() || c == '_')
                    .then_some(name)
            })
            .collect()
    }

    /// Whether `fn name` stands anywhere, tests included.
    pub(crate) fn declares(&self, name: &str) -> bool {
        self.code.match_indices(&format!("fn {name}")).any(|(at, found)| {
            let next = self.code[at + found.len()..].chars().next();
            !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
    }

    /// Whether `name` stands anywhere as a whole word, tests included.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(name).any(|(at, found)| {
            !self.code[..at].ends_with(part) && !self.code[at + found.len()..].starts_with(part)
        })
    }

    /// The blanked code outside tests, line by line, with line numbers from 1.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut at = 0;
        self.code
            .split_inclusive('\n')
            .enumerate()
            .filter_map(move |(index, line)| {
                let start = at;
                at += line.len();
                (!self.in_tests(start)).then(|| (index + 1, line.trim_end()))
            })
    }

    fn in_tests(&self, at: usize) -> bool {
        self.tests.iter().any(|&(from, to)| from <= at && at <= to)
    }

    fn starts_word(&self, at: usize) -> bool {
        !self.code[..at]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    fn line_of(&self, at: usize) -> usize {
        self.code
            .as_bytes()
            .iter()
            .take(at)
            .filter(|byte| **byte == b'\n')
            .count()
            + 1
    }
}

/// Replaces the insides of comments and literals by spaces, byte for byte.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = if rest.starts_with(b"//") {
            at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            at + comment_length(rest)
        } else if let Some(length) = raw_string_length(rest, at.checked_sub(1).map(|before| bytes[before])) {
            at + length
        } else if rest[0] == b'"' {
            at + quoted_length(rest, b'"')
        } else if rest[0] == b'\'' && is_character(rest) {
            at + quoted_length(rest, b'\'')
        } else {
            at += 1;
            continue;
        };
        for byte in &mut out[at..end.min(bytes.len())] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    // Multi-byte characters are either kept whole or blanked whole, so this never replaces anything.
    String::from_utf8_lossy(&out).into_owned()
}

fn comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn raw_string_length(rest: &[u8], before: Option<u8>) -> Option<usize> {
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let prefix = [&b"br"[..], &b"cr"[..], &b"r"[..]]
        .into_iter()
        .find(|prefix| rest.starts_with(prefix))?
        .len();
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = &rest[open + 1..];
    let length = body
        .windows(close.len())
        .position(|window| window == close.as_slice());
    Some(length.map_or(rest.len(), |length| open + 1 + length + close.len()))
}

/// A character and not a lifetime: `'x'`, `'\…'`, or one multi-byte character and a quote.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(byte) if byte.is_ascii() => rest.get(2) == Some(&b'\''),
        Some(_) => rest.iter().skip(2).take(4).any(|byte| *byte == b'\''),
        None => false,
    }
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn test_items(code: &str) -> Vec<(usize, usize)> {
    let mut items: Vec<(usize, usize)> = Vec::new();
    for (at, attribute) in code.match_indices("#[cfg(test)]") {
        if items.last().is_some_and(|&(_, end)| at <= end) {
            continue;
        }
        let end = body_end(code, at + attribute.len())
            .or_else(|| code[at..].find(';').map(|length| at + length))
            .unwrap_or(code.len());
        items.push((at, end));
    }
    items
}

/// The place of the brace that closes the first body after `from`; `None` when a `;` comes first.
fn body_end(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_i64;
    let mut braces = 0_i64;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces <= 0 {
                    return (braces == 0).then_some(at);
                }
            }
            b';' if depth == 0 && braces == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_comments_and_literals_are_not_code() {
        let source = Source::new(
            "// TcpStream::connect\n/* a /* TcpStream::connect */ b */\nlet a = \"TcpStream::connect\";\n\
             let b = r#\"TcpStream::connect \" \"#;\nlet c = '\"'; TcpStream::connect(x);\n",
        );
        assert_eq!(source.find("TcpStream::connect"), vec![5]);
    }

    #[test]
    fn a_lifetime_is_not_a_character() {
        let source = Source::new("fn a<'x>(b: &'x str) -> &'x str { b }\nfn c() { let _ = '\\''; }\n");
        let names: Vec<_> = source
            .functions()
            .into_iter()
            .map(|function| function.name)
            .collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn test_modules_are_not_counted() {
        let source = Source::new("fn a() {\n}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n");
        assert_eq!(source.lines_without_tests(), 3);
        assert!(source.find("fn b").is_empty());
        assert!(source.declares("b"), "a test is found where it is looked for");
        assert!(!source.declares("bb"));
    }

    #[test]
    fn a_test_module_in_its_own_file_is_only_its_declaration() {
        let source = Source::new("fn a() {}\n#[cfg(test)]\nmod tests;\nfn c() { TcpStream::connect(x) }\n");
        assert_eq!(source.test_modules(), ["tests"]);
        assert_eq!(
            source.find("TcpStream::connect"),
            vec![4],
            "what follows `mod tests;` is not test code"
        );
    }

    #[test]
    fn functions_are_measured_from_signature_to_brace() {
        let source =
            Source::new("trait T { fn declared(&self); }\nfn a(\n    b: [u8; 3],\n) {\n    c();\n}\n");
        assert_eq!(
            source.functions(),
            [Function {
                name: "a".into(),
                line: 2,
                lines: 5
            }]
        );
    }
}
