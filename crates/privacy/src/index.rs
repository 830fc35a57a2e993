//! Where values may stand in a text: found in one pass over it for each of their lengths, however many values there are.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

/// The base of the hash, an odd number with bits all over.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// Names by the length and a hash of what they stand for. An equal hash is no proof: whoever asks compares.
#[derive(Default)]
pub(crate) struct Index(BTreeMap<usize, HashMap<u64, Vec<String>>>);

impl Index {
    /// Adds the name of a value.
    pub(crate) fn add(&mut self, value: &str, name: &str) {
        let of_length = self.0.entry(value.len()).or_default();
        let alike = of_length.entry(value.bytes().fold(0, push)).or_default();
        alike.push(name.to_owned());
    }

    /// Places at which a value of so many bytes at least may stand, each with the names of those that have its hash.
    pub(crate) fn candidates(&self, bytes: &[u8], least: usize) -> Vec<(Range<usize>, &[String])> {
        let mut out = Vec::new();
        let lengths = self.0.iter().skip_while(|(length, _)| **length < least);
        for (length, names) in lengths.take_while(|(length, _)| **length <= bytes.len()) {
            let power = u32::try_from(*length).unwrap_or(u32::MAX);
            let gone = BASE.wrapping_pow(power);
            let mut hash = 0;
            for (at, byte) in bytes.iter().enumerate() {
                hash = push(hash, *byte);
                if let Some(left) = at.checked_sub(*length).and_then(|left| bytes.get(left)) {
                    hash = hash.wrapping_sub(digit(*left).wrapping_mul(gone));
                }
                let end = at + 1;
                if let (Some(start), Some(names)) = (end.checked_sub(*length), names.get(&hash)) {
                    out.push((start..end, names.as_slice()));
                }
            }
        }
        out
    }
}

/// A byte as a digit, none of which is zero.
fn digit(byte: u8) -> u64 {
    u64::from(byte) + 1
}

fn push(hash: u64, byte: u8) -> u64 {
    hash.wrapping_mul(BASE).wrapping_add(digit(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_place_of_every_value_is_found_and_no_other(
            values in prop::collection::btree_set("[ab\u{e9}]{1,4}", 1..6),
            text in "[ab\u{e9}]{0,20}",
            least in 1_usize..4,
        ) {
            let mut index = Index::default();
            for value in &values {
                index.add(value, value);
            }
            let mut found: Vec<(usize, &str)> = Vec::new();
            for (range, names) in index.candidates(text.as_bytes(), least) {
                prop_assert_eq!(names.len(), 1);
                let name = names.first().unwrap();
                prop_assert_eq!(text.get(range.clone()), Some(name.as_str()));
                found.push((range.start, name.as_str()));
            }
            found.sort_unstable();
            let mut expected: Vec<(usize, &str)> = Vec::new();
            for (at, _) in text.char_indices() {
                let rest = text.get(at..).unwrap();
                let here = values.iter().filter(|value| value.len() >= least && rest.starts_with(value.as_str()));
                expected.extend(here.map(|value| (at, value.as_str())));
            }
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
