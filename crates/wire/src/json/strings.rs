//! Every string, key and number of a scanned value, with where it stands, and a value with some of them replaced.
//!
//! The scan has proven the text, so nothing is checked here again: one pass over the bytes, no tree.

use std::{borrow::Cow, fmt::Write as _, ops::Range};

use super::Scanned;

/// One step from the root to a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Into a member; its key as it is written, without the quotes.
    Key(&'a str),
    /// Into an item.
    Item(usize),
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// A string value.
    Text,
    /// The key of a member of the object that begins there.
    Key {
        /// The place of its bracket.
        of: usize,
    },
    /// A number.
    Number,
}

/// Where strings, keys and numbers go: the steps to each, its bytes, and which of them it is.
pub type EachScalar<'a, 'e> = dyn FnMut(&[Step<'a>], Range<usize>, Scalar) + 'e;

/// Gives every string value (keys are none) with the steps to it and its bytes, quotes included, in order.
pub fn strings<'a>(body: Scanned<'a>, each: &mut dyn FnMut(&[Step<'a>], Range<usize>)) {
    scalars(body, &mut |steps, span, scalar| {
        if scalar == Scalar::Text {
            each(steps, span);
        }
    });
}

/// The same, and every number and key; the steps of a key are those to its value.
pub fn scalars<'a>(body: Scanned<'a>, each: &mut EachScalar<'a, '_>) {
    walk(body.text(), each);
}

/// The same of a text that need not have passed the scan: what is no JSON gives whatever it gives.
pub(super) fn walk<'a>(text: &'a str, each: &mut EachScalar<'a, '_>) {
    let bytes = text.as_bytes();
    let mut steps: Vec<Step<'a>> = Vec::new();
    // Where each of the values begins that a step leads into.
    let mut starts: Vec<usize> = Vec::new();
    let mut key_next = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' => {
                steps.push(Step::Key(""));
                starts.push(at);
                key_next = true;
            }
            b'[' => {
                steps.push(Step::Item(0));
                starts.push(at);
                key_next = false;
            }
            b'}' | b']' => {
                steps.pop();
                starts.pop();
                key_next = false;
            }
            b',' => match steps.last_mut() {
                Some(Step::Item(item)) => *item += 1,
                _ => key_next = true,
            },
            b'"' => {
                let end = end_of(bytes, at);
                if key_next {
                    let key = text.get(at + 1..end - 1).unwrap_or_default();
                    if let Some(last) = steps.last_mut() {
                        *last = Step::Key(key);
                    }
                    let of = starts.last().copied().unwrap_or_default();
                    each(&steps, at..end, Scalar::Key { of });
                    key_next = false;
                } else {
                    each(&steps, at..end, Scalar::Text);
                }
                at = end;
                continue;
            }
            b'-' | b'0'..=b'9' => {
                let end = end_of_number(bytes, at);
                each(&steps, at..end, Scalar::Number);
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
}

/// One past the number that begins at `at`.
fn end_of_number(bytes: &[u8], at: usize) -> usize {
    let digits = bytes.get(at..).unwrap_or_default().iter();
    let of_number = |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    at + digits.take_while(of_number).count()
}

/// One past the closing quote of the string that begins at `at`.
pub(super) fn end_of(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    loop {
        match bytes.get(end) {
            Some(b'\\') => end += 2,
            Some(b'"') | None => return (end + 1).min(bytes.len()),
            Some(_) => end += 1,
        }
    }
}

/// The RFC 6901 pointer of some steps, at most `most` bytes; cut before a step, so that it is still a pointer.
#[must_use]
pub fn pointer_of(steps: &[Step<'_>], most: usize) -> String {
    let mut out = String::new();
    for step in steps {
        let before = out.len();
        match step {
            Step::Item(item) => {
                // Writing to a String never fails.
                let _written = write!(out, "/{item}");
            }
            Step::Key(key) => {
                let key = unescaped(key);
                out.push('/');
                out.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
        }
        if out.len() > most {
            out.truncate(before);
            break;
        }
    }
    out
}

/// The text of a string value, from its bytes with quotes.
#[must_use]
pub fn text_of<'a>(body: Scanned<'a>, span: &Range<usize>) -> Cow<'a, str> {
    let inner = body.text().get(span.start + 1..span.end.saturating_sub(1));
    unescaped(inner.unwrap_or_default())
}

fn unescaped(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    // The scan has passed the text, so this reads.
    serde_json::from_str(&format!("\"{inner}\"")).map_or(Cow::Borrowed(inner), Cow::Owned)
}

/// A text with spans replaced by other JSON. Spans are in order and apart; what is not is left out.
#[must_use]
pub fn replace(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let grown: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut out = String::with_capacity(text.len() + grown);
    let mut at = 0;
    for (span, new) in edits {
        if span.start < at {
            continue;
        }
        out.push_str(text.get(at..span.start).unwrap_or_default());
        out.push_str(new);
        at = span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::{Bounds, pointer, scan};

    fn all(text: &str) -> Vec<(String, String)> {
        let scanned = scan(text.as_bytes(), &Bounds::default()).unwrap();
        let mut out = Vec::new();
        strings(scanned, &mut |steps, span| {
            out.push((pointer_of(steps, 256), text_of(scanned, &span).into_owned()));
        });
        out
    }

    #[test]
    fn every_string_has_its_place() {
        let text =
            r#"{"a":"x","b":[1,"y",{"c/d":"z","e":{}},[],["w"]],"f\"":"\u0041\n","g":null,"h":["",true]}"#;
        let expected = [
            ("/a", "x"),
            ("/b/1", "y"),
            ("/b/2/c~1d", "z"),
            ("/b/4/0", "w"),
            ("/f\"", "A\n"),
            ("/h/0", ""),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(place, value)| ((*place).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(all(text), expected);
        assert_eq!(all("\"root\""), [(String::new(), "root".to_owned())]);
    }

    #[test]
    fn every_key_has_the_place_of_its_value() {
        let text = r#"{"a b":{"c@d":1},"e":[{"f":"g"}]}"#;
        let scanned = scan(text.as_bytes(), &Bounds::default()).unwrap();
        let mut keys = Vec::new();
        scalars(scanned, &mut |steps, span, scalar| {
            if let Scalar::Key { of } = scalar {
                let place = pointer_of(steps, 256);
                keys.push((of, place, text_of(scanned, &span).into_owned()));
            }
        });
        let expected = [
            (0, "/a b", "a b"),
            (7, "/a b/c@d", "c@d"),
            (0, "/e", "e"),
            (22, "/e/0/f", "f"),
        ];
        assert_eq!(
            keys,
            expected.map(|(of, place, key)| (of, place.to_owned(), key.to_owned()))
        );
    }

    #[test]
    fn every_number_has_its_place() {
        let text = r#"{"a":-1.5e+3,"b":[7,"8",{"9":10}],"c":true,"d":0 }"#;
        let scanned = scan(text.as_bytes(), &Bounds::default()).unwrap();
        let mut numbers = Vec::new();
        scalars(scanned, &mut |steps, span, scalar| {
            if scalar == Scalar::Number {
                numbers.push((pointer_of(steps, 256), text.get(span).unwrap_or_default()));
            }
        });
        let expected = [("/a", "-1.5e+3"), ("/b/0", "7"), ("/b/2/9", "10"), ("/d", "0")];
        assert_eq!(
            numbers,
            expected.map(|(place, number)| (place.to_owned(), number))
        );
        let root = scan(b"42", &Bounds::default()).unwrap();
        scalars(root, &mut |steps, span, _| {
            assert_eq!((steps.len(), span), (0, 0..2))
        });
    }

    #[test]
    fn a_pointer_is_cut_between_steps() {
        let steps = [Step::Key("abcdef"), Step::Item(3), Step::Key("ghijkl")];
        assert_eq!(pointer_of(&steps, 10), "/abcdef/3");
        assert_eq!(pointer_of(&steps, 4), "");
    }

    #[test]
    fn edits_leave_the_rest_as_it_was() {
        let text = r#"{"a": "x" ,"b":"y"}"#;
        let edits = [(6..9, "\"long\"".to_owned()), (15..18, "1".to_owned())];
        assert_eq!(replace(text, &edits), r#"{"a": "long" ,"b":1}"#);
    }

    proptest! {
        #[test]
        fn each_pointer_names_the_string_it_was_given_with(value in tree()) {
            let text = value.to_string();
            let scanned = scan(text.as_bytes(), &Bounds::default()).unwrap();
            let mut count = 0;
            strings(scanned, &mut |steps, span| {
                count += 1;
                let (found, place) = pointer(scanned, &pointer_of(steps, 4096)).unwrap();
                assert_eq!(place, span.clone());
                assert_eq!(serde_json::from_str::<String>(found.get()).unwrap(), text_of(scanned, &span));
            });
            prop_assert_eq!(count, count_of(&value));
        }
    }

    fn tree() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::btree_map(".{0,4}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn count_of(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::String(_) => 1,
            serde_json::Value::Array(items) => items.iter().map(count_of).sum(),
            serde_json::Value::Object(members) => members.values().map(count_of).sum(),
            _ => 0,
        }
    }
}
