//! Graphs as text: TensorFlow's `pbtxt` and Caffe's `prototxt`. Operators are read by the key that names them.

use std::collections::HashSet;

use crate::{
    finding::{Verdict, shown},
    onnx, rule,
    scan::Scan,
    tensorflow,
};

/// Whether a file of this ending is one.
pub(crate) fn is_one(ending: &str) -> bool {
    matches!(ending, "pbtxt" | "prototxt")
}

/// Looks at a graph.
pub(crate) fn read(scan: &mut Scan<'_>, bytes: &[u8]) {
    let text = plain(&String::from_utf8_lossy(bytes));
    if onnx::text::speaks_of(&text) {
        onnx::text::read(scan, &text);
    }
    let functions = functions(&text);
    let mut operators = HashSet::new();
    for key in ["op", "type"] {
        for (at, _) in text.match_indices(key) {
            let before = text.get(..at).and_then(|front| front.chars().next_back());
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
                continue;
            }
            let rest = text.get(at + key.len()..).unwrap_or_default().trim_start();
            let Some(value) = rest.strip_prefix(':').map(str::trim_start) else {
                continue;
            };
            let quote = value.chars().next().filter(|letter| matches!(letter, '"' | '\''));
            let Some(quote) = quote else { continue };
            let name = value
                .get(1..)
                .unwrap_or_default()
                .split(quote)
                .next()
                .unwrap_or_default();
            if name.contains('\\') {
                let what = "spells an operator by number".to_owned();
                scan.find(
                    &rule::TF_OPERATOR,
                    Verdict::Suspicious,
                    at as u64,
                    "escapes",
                    what,
                );
            }
            if key == "op" {
                operators.insert(name);
                tensorflow::alone(scan, at as u64, name, &functions);
            } else if name == "Python" {
                let what = "a `Python` layer runs a module of the loading process".to_owned();
                scan.find(&rule::CUSTOM_OPERATOR, Verdict::Suspicious, at as u64, name, what);
            }
        }
    }
    paths(scan, &text, &operators);
    tensorflow::places_in_text(scan, &text);
}

/// The text without comments, and with texts beside each other as the one that they are.
pub(crate) fn plain(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    let mut quote = None;
    let mut closed: Option<(char, usize)> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match quote {
            Some(_) if letter == '\\' => {
                found.push(letter);
                found.extend(letters.next());
                continue;
            }
            Some(open) if open == letter => {
                quote = None;
                closed = Some((letter, found.len()));
            }
            Some(_) => {}
            None if letter == '#' => {
                letters.by_ref().find(|letter| *letter == '\n');
                found.push('\n');
                continue;
            }
            None if matches!(letter, '"' | '\'') => {
                quote = Some(letter);
                if let Some((_, end)) = closed.take().filter(|(mark, _)| *mark == letter) {
                    found.truncate(end);
                    continue;
                }
            }
            None if letter.is_whitespace() => {}
            None => closed = None,
        }
        found.push(letter);
    }
    found
}

/// A text graph is not followed: where it holds an operator that is given a path, no text of it may be one.
fn paths(scan: &mut Scan<'_>, text: &str, operators: &HashSet<&str>) {
    let assets = text.contains("asset_file_def") || text.contains("saved_model_assets");
    let user = operators.iter().find(|operator| {
        tensorflow::takes_path(operator) && !(assets && operator.starts_with("InitializeTable"))
    });
    let Some(user) = user else { return };
    let away = constants(text).find(|(_, value)| tensorflow::leads_away(value));
    if let Some((at, value)) = away {
        let what = format!("holds `{user}`, and the path `{}`", shown(value.as_bytes(), 200));
        scan.find(&rule::TF_OPERATOR, Verdict::Suspicious, at as u64, user, what);
    }
}

/// Texts of the graph's constants, and where each begins.
fn constants(text: &str) -> impl Iterator<Item = (usize, String)> {
    text.match_indices("string_val").flat_map(|(at, key)| {
        let mut rest = text.get(at + key.len()..).unwrap_or_default().trim_start();
        rest = rest.strip_prefix(':').unwrap_or(rest).trim_start();
        rest = rest.strip_prefix('[').unwrap_or(rest).trim_start();
        let mut values = vec![String::new()];
        while let Some((value, after)) = quoted(rest) {
            // Texts beside each other are one.
            if let Some(last) = values.last_mut() {
                last.push_str(&value);
            }
            rest = after.trim_start();
            if let Some(after) = rest.strip_prefix(',') {
                values.push(String::new());
                rest = after.trim_start();
            }
        }
        values.into_iter().map(move |value| (at, value))
    })
}

/// A text between quotes, without its escapes, and what is behind it.
pub(crate) fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text
        .chars()
        .next()
        .filter(|letter| matches!(letter, '"' | '\''))?;
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => return Some((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => {
                let (_, escape) = letters.next()?;
                let (base, mut number) = match escape {
                    'x' | 'X' => (16, 0),
                    '0'..='7' => (8, escape.to_digit(8).unwrap_or(0)),
                    _ => {
                        value.push(escape);
                        continue;
                    }
                };
                for _ in 0..2 {
                    let Some(digit) = letters.peek().and_then(|(_, letter)| letter.to_digit(base)) else {
                        break;
                    };
                    number = number * base + digit;
                    letters.next();
                }
                value.push(char::from_u32(number & 0xff).unwrap_or('?'));
            }
            _ => value.push(letter),
        }
    }
    None
}

/// Names of the functions that a graph brings: they are called as operators are.
fn functions(text: &str) -> HashSet<&str> {
    let signed = text.split("signature").skip(1).filter_map(|rest| {
        let rest = rest
            .trim_start()
            .trim_start_matches(':')
            .trim_start()
            .strip_prefix('{')?;
        let rest = rest
            .trim_start()
            .strip_prefix("name")?
            .trim_start()
            .strip_prefix(':')?;
        rest.trim_start().strip_prefix('"')?.split('"').next()
    });
    signed.collect()
}
