//! Settings that Ultralytics' loaders keep as texts beside a model and evaluate: names of classes, sizes. Honest ones are
//! literals, which call nothing and ask nothing of anything.

use crate::{
    finding::{Verdict, shown},
    json::Json,
    rule,
    scan::Scan,
};

/// Keys whose texts are evaluated.
const KEYS: [&str; 8] = [
    "names",
    "imgsz",
    "kpt_shape",
    "kpt_names",
    "args",
    "stride",
    "batch",
    "channels",
];

/// Judges a setting that stands under its key.
pub(crate) fn judge(scan: &mut Scan<'_>, at: u64, key: &str, text: &str) {
    if KEYS.contains(&key) && !is_one(text) {
        let shown = shown(text.trim().as_bytes(), 100);
        let what = format!("`{key}` is evaluated when the model is loaded, and `{shown}` is no literal");
        scan.find(&rule::CONFIG_CODE, Verdict::Suspicious, at, key, what);
    }
}

/// Judges all settings of a document.
pub(crate) fn all(scan: &mut Scan<'_>, text: &[u8]) {
    let Ok(Json::Object(items)) = serde_json::from_slice::<Json>(text) else {
        return;
    };
    for (key, value) in &items {
        if let Json::Text(text) = value {
            judge(scan, 0, key, text);
        }
    }
}

/// Whether nothing outside of quotes is called, or asked for a part of it.
pub(crate) fn is_one(text: &str) -> bool {
    let mut letters = text.chars().peekable();
    let (mut quote, mut before) = (None, ' ');
    while let Some(letter) = letters.next() {
        if quote.is_some() {
            match letter {
                '\\' => _ = letters.next(),
                _ if quote == Some(letter) => quote = None,
                _ => {}
            }
            continue;
        }
        let follows = before.is_ascii_alphabetic() || matches!(before, '_' | ')' | ']' | '}' | '\'' | '"');
        match letter {
            // A letter before it says that what stands in its braces is evaluated, or that escapes are none.
            '\'' | '"' if before.is_alphanumeric() && !matches!(before, 'b' | 'B' | 'u' | 'U') => {
                return false;
            }
            '\'' | '"' => quote = Some(letter),
            '(' | '.' if follows => return false,
            _ => {}
        }
        if !letter.is_whitespace() {
            before = letter;
        }
    }
    quote.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_told_from_calls() {
        for text in [
            "{0: 'person (m.)', 1: \"it's\"}",
            "[640, 640]",
            "(17, 3)",
            "32",
            "1.5",
            "",
            "{'nms': False, 'half': True}",
            "[b'a', u'b']",
        ] {
            assert!(is_one(text), "{text}");
        }
        for text in [
            "open('/tmp/x','w').write('x')",
            "exit ()",
            "().__class__",
            "[x for x in (1).real]",
            "{0: f'{exit()}'}",
            "rf'{exit()}'",
            "'",
        ] {
            assert!(!is_one(text), "{text}");
        }
    }
}
