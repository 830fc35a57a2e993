//! Graphs as text: TensorFlow's `pbtxt` and Caffe's `prototxt`. Operators are read by the key that names them.

use std::collections::HashSet;

use crate::{finding::Verdict, rule, scan::Scan, tensorflow};

/// Whether a file of this ending is one.
pub(crate) fn is_one(ending: &str) -> bool {
    matches!(ending, "pbtxt" | "prototxt")
}

/// Looks at a graph.
pub(crate) fn read(scan: &mut Scan<'_>, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let functions = functions(&text);
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
                tensorflow::alone(scan, at as u64, name, &functions);
            } else if name == "Python" {
                let what = "a `Python` layer runs a module of the loading process".to_owned();
                scan.find(&rule::CUSTOM_OPERATOR, Verdict::Suspicious, at as u64, name, what);
            }
        }
    }
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
