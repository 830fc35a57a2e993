//! Where in a text a byte stands, in words: for refusals, so that whoever wrote the text finds what is wrong with it.
//!
//! The text need not be JSON, or not wholly: it is what a scan refused. One pass up to the byte, no tree.

use super::strings::{Step, end_of, pointer_of};

/// Longest pointer that is told, in bytes.
const POINTER_BYTES: usize = 200;

/// The place of the byte at `at`: an RFC 6901 pointer to the value, or the key, that it stands in, and the byte. Of a
/// pointer only what is printable ASCII is told as it is.
#[must_use]
pub fn place(text: &[u8], at: usize) -> String {
    let pointer: String = pointer_of(&steps(text, at), POINTER_BYTES)
        .chars()
        .map(|one| if one.is_ascii_graphic() { one } else { '?' })
        .collect();
    if pointer.is_empty() {
        format!("at byte {at}")
    } else {
        format!("at `{pointer}`, byte {at}")
    }
}

fn steps(text: &[u8], at: usize) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut key_next = false;
    let mut here = 0;
    while here < at {
        match text.get(here) {
            Some(b'{') => {
                steps.push(Step::Key(""));
                key_next = true;
            }
            Some(b'[') => {
                steps.push(Step::Item(0));
                key_next = false;
            }
            Some(b'}' | b']') => {
                steps.pop();
                key_next = false;
            }
            Some(b',') => match steps.last_mut() {
                Some(Step::Item(item)) => *item += 1,
                _ => key_next = true,
            },
            Some(b'"') => {
                let end = end_of(text, here);
                let inner = text.get(here + 1..end.saturating_sub(1)).unwrap_or_default();
                if let (true, Some(last)) = (key_next, steps.last_mut()) {
                    *last = Step::Key(std::str::from_utf8(inner).unwrap_or("?"));
                }
                key_next = false;
                here = end;
                continue;
            }
            Some(_) => {}
            None => break,
        }
        here += 1;
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::{Bounds, scan};

    fn refused(text: &str) -> String {
        let fault = scan(text.as_bytes(), &Bounds::default()).expect_err("refused");
        place(text.as_bytes(), fault.at)
    }

    #[test]
    fn what_is_wrong_is_found() {
        assert_eq!(refused(r#"{"model":"m","model":"n"}"#), "at `/model`, byte 14");
        assert_eq!(refused(r#"{"a":[1,{"b":1,"b":2}]}"#), "at `/a/1/b`, byte 16");
        assert_eq!(refused(r#"{"a":[1,2,nul]}"#), "at `/a/2`, byte 10");
        assert_eq!(refused(r#"{"a/b":{"c~":01}}"#), "at `/a~1b/c~0`, byte 14");
        assert_eq!(refused("nothing"), "at byte 0");
        assert_eq!(place("{\"\u{202E}\":x".as_bytes(), 7), "at `/?`, byte 7");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..300) {
            prop_assert!(place(&text, at).len() <= 2 * POINTER_BYTES + 64);
        }
    }
}
