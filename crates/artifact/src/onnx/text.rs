//! ONNX models as text: protobuf's own form, its JSON, and the language of ONNX. They are not followed as graphs: what is
//! read is where tensors say their data is, and which operators are named.

use super::{DOMAINS, located, runs_code};
use crate::{
    finding::{Verdict, shown},
    prototxt::quoted,
    rule,
    scan::Scan,
};

/// Findings of one text.
const FOUND: usize = 1000;

/// Endings of files that are one, whatever they begin with.
pub(crate) fn is_one(ending: &str) -> bool {
    matches!(ending, "onnxtxt" | "onnxtext" | "textproto" | "textpb" | "txtpb")
}

/// Whether a text of another ending speaks of such a model.
pub(crate) fn speaks_of(text: &str) -> bool {
    [
        "external_data",
        "externalData",
        "op_type",
        "opType",
        "ir_version",
        "irVersion",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// Whether it is one as JSON.
pub(crate) fn is_json(text: &str) -> bool {
    [
        "\"externalData\"",
        "\"external_data\"",
        "\"opType\"",
        "\"op_type\"",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// A word, or a text in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Text(String),
    Sign(char),
}

impl Token<'_> {
    /// A name, with or without quotes.
    fn names(&self, names: [&str; 2]) -> bool {
        match self {
            Self::Word(word) => names.contains(word),
            Self::Text(text) => names.contains(&text.as_str()),
            Self::Sign(_) => false,
        }
    }
}

fn tokens(text: &str) -> impl Iterator<Item = (usize, Token<'_>)> {
    let (mut rest, mut closed) = (text, true);
    let part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '/' | '-');
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            let at = text.len() - rest.len();
            let first = rest.chars().next()?;
            if first == '#' {
                rest = rest.split_once('\n').map_or("", |(_, after)| after);
                continue;
            }
            if closed && let Some((value, after)) = texts(rest) {
                rest = after;
                return Some((at, Token::Text(value)));
            }
            // No reader goes on behind a text that does not end.
            closed &= !matches!(first, '"' | '\'');
            let end = rest.find(|letter| !part(letter)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end.max(first.len_utf8()));
            rest = after;
            // Commas, colons and semicolons only part.
            return match first {
                ':' | ',' | ';' | '=' => continue,
                _ if part(first) => Some((at, Token::Word(word))),
                _ => Some((at, Token::Sign(first))),
            };
        }
    })
}

/// A text between quotes; texts beside each other are one.
fn texts(text: &str) -> Option<(String, &str)> {
    let (mut value, mut rest) = quoted(text)?;
    while let Some((more, after)) = quoted(rest.trim_start()) {
        value.push_str(&more);
        rest = after;
    }
    Some((value, rest))
}

/// Looks at a model that is a text.
pub(crate) fn read(scan: &mut Scan<'_>, text: &str) {
    let mut found = Found::default();
    // The last three, oldest first.
    let mut last: [Option<Token<'_>>; 3] = [None, None, None];
    for (at, token) in tokens(text) {
        found.step(scan, &last, at as u64, &token);
        let [_, second, third] = last;
        last = [second, third, Some(token)];
    }
    found.tell(scan);
}

#[derive(Default)]
struct Found {
    /// Messages that are open, by name; of those that are not, only how many.
    open: Vec<String>,
    /// Domains of functions that the model brings along.
    own: Vec<String>,
    used: Vec<(u64, String, String)>,
}

impl Found {
    fn step(&mut self, scan: &mut Scan<'_>, last: &[Option<Token<'_>>; 3], at: u64, token: &Token<'_>) {
        let [first, second, third] = last;
        let is = |token: &Option<Token<'_>>, names| token.as_ref().is_some_and(|token| token.names(names));
        match token {
            Token::Text(value) => {
                let valued = is(third, ["value", "value"]) && is(second, ["location", "location"]);
                if valued || is(third, ["location", "location"]) {
                    located(scan, at, value);
                }
                if is(third, ["op_type", "opType"]) && runs_code(value) {
                    self.used.push((at, String::new(), value.clone()));
                }
                if is(third, ["domain", "domain"]) {
                    self.domain(at, value);
                }
                // The value stands before its key.
                if value == "location"
                    && is(third, ["key", "key"])
                    && is(first, ["value", "value"])
                    && let Some(Token::Text(before)) = second
                {
                    located(scan, at, before);
                }
            }
            Token::Sign('(' | '<') => {
                if let Some(Token::Word(called)) = third {
                    self.called(at, called);
                }
                self.opened(token, third);
            }
            Token::Sign('{' | '[') => self.opened(token, third),
            Token::Sign('}' | ']' | ')' | '>') => _ = self.open.pop(),
            _ => {}
        }
    }

    fn opened(&mut self, token: &Token<'_>, before: &Option<Token<'_>>) {
        let name = match (token, before) {
            (Token::Sign('<'), None | Some(Token::Sign(_))) => "<",
            (_, Some(Token::Word(word))) => word,
            (_, Some(Token::Text(text))) => text,
            _ => "",
        };
        if self.open.len() < FOUND {
            self.open.push(name.chars().take(40).collect());
        }
    }

    /// An operator of ONNX's own language is called: its domain stands before its name.
    fn called(&mut self, at: u64, called: &str) {
        let (domain, name) = called.rsplit_once('.').unwrap_or(("", called));
        if (!domain.is_empty() || runs_code(name)) && self.used.len() < FOUND {
            self.used.push((at, domain.to_owned(), name.to_owned()));
        }
    }

    fn domain(&mut self, at: u64, value: &str) {
        let inside = self.open.last().map_or("", String::as_str);
        if matches!(inside, "functions" | "<") {
            self.own.push(value.to_owned());
        } else if !matches!(inside, "opset_import" | "opsetImport") && self.used.len() < FOUND {
            self.used.push((at, value.to_owned(), String::new()));
        }
        self.own.truncate(FOUND);
    }

    fn tell(self, scan: &mut Scan<'_>) {
        for (at, domain, name) in self.used {
            if runs_code(&name) {
                let what = format!("`{name}` runs code or loads a file that is not in the model");
                scan.find(&rule::ONNX_CUSTOM, Verdict::Suspicious, at, &name, what);
            } else if !DOMAINS.contains(&domain.as_str()) && !self.own.contains(&domain) {
                let domain = shown(domain.as_bytes(), 200);
                let what = format!(
                    "names an operator of `{domain}`, which runs native code that is not in the file"
                );
                scan.find(&rule::ONNX_CUSTOM, Verdict::Unknown, at, &domain, what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_texts_are_told_apart() {
        let all: Vec<Token<'_>> = tokens("a_1: \"b\\\"c\" # d\n{e.f('g',}")
            .map(|(_, token)| token)
            .collect();
        let text = |text: &str| Token::Text(text.to_owned());
        assert_eq!(
            all,
            [
                Token::Word("a_1"),
                text("b\"c"),
                Token::Sign('{'),
                Token::Word("e.f"),
                Token::Sign('('),
                text("g"),
                Token::Sign('}'),
            ]
        );
        assert_eq!(tokens("é\"").count(), 2);
    }
}
