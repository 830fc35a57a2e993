//! Texts cut into words, before these are cut into pieces.

use regex_automata::meta::Regex;
use serde::Deserialize;

use super::normal::pattern;
use super::unsupported;
use crate::Fault;

/// Cuts one after the other.
const SPLITS_MOST: usize = 16;

#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum Written {
    Sequence {
        pretokenizers: Vec<Written>,
    },
    BertPreTokenizer {},
    Whitespace {},
    WhitespaceSplit {},
    Punctuation {
        behavior: Option<Behavior>,
    },
    Digits {
        individual_digits: bool,
    },
    Metaspace {
        replacement: char,
        prepend_scheme: Option<Scheme>,
        add_prefix_space: Option<bool>,
        split: Option<bool>,
    },
    ByteLevel {
        add_prefix_space: bool,
        use_regex: Option<bool>,
    },
}

#[derive(Deserialize, PartialEq, Eq)]
pub(super) enum Behavior {
    Isolated,
    Removed,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scheme {
    Always,
    Never,
    First,
}

/// One cut.
#[derive(Debug)]
pub(super) enum Split {
    /// What matches is a word; what is between goes.
    Words(Regex),
    /// What matches is a word, and so is what is between.
    Apart(Regex),
    /// A sign stands for each space, and begins a word.
    Metaspace {
        sign: char,
        prepends: bool,
        splits: bool,
    },
    /// Words as GPT-2 cuts them, in letters that stand for bytes.
    Bytes { words: Option<Regex>, prepends: bool },
}

/// GPT-2's words. Of white space before a word its last one belongs to the word, which [`gpt`] sees to.
const GPT: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";
/// Signs, as tokenizers count them: those of Unicode, and all of ASCII's.
const SIGN: &str = r"[\p{P}!-/:-@\[-`{-~]";

impl Split {
    pub(super) fn read(written: Written) -> Result<Vec<Self>, Fault> {
        let mut splits = Vec::new();
        Self::add(written, &mut splits)?;
        Ok(splits)
    }

    fn add(written: Written, splits: &mut Vec<Self>) -> Result<(), Fault> {
        if splits.len() >= SPLITS_MOST {
            return Err(unsupported("pre_tokenizer"));
        }
        let split = match written {
            Written::Sequence { pretokenizers } => {
                return pretokenizers
                    .into_iter()
                    .try_for_each(|one| Self::add(one, splits));
            }
            Written::BertPreTokenizer {} => {
                splits.push(Self::Words(pattern(r"\S+")?));
                Self::Apart(pattern(SIGN)?)
            }
            Written::Whitespace {} => Self::Words(pattern(r"\w+|[^\w\s]+")?),
            Written::WhitespaceSplit {} => Self::Words(pattern(r"\S+")?),
            Written::Punctuation { behavior } => {
                if behavior.is_some_and(|behavior| behavior != Behavior::Isolated) {
                    return Err(unsupported("behavior"));
                }
                Self::Apart(pattern(SIGN)?)
            }
            Written::Digits { individual_digits } => {
                Self::Apart(pattern(if individual_digits { r"\p{N}" } else { r"\p{N}+" })?)
            }
            Written::Metaspace {
                replacement,
                prepend_scheme,
                add_prefix_space,
                split,
            } => {
                let never = add_prefix_space == Some(false);
                let prepends = match prepend_scheme {
                    Some(Scheme::First) => return Err(unsupported("prepend_scheme")),
                    Some(Scheme::Never) => false,
                    Some(Scheme::Always) | None => !never,
                };
                Self::Metaspace {
                    sign: replacement,
                    prepends,
                    splits: split.unwrap_or(true),
                }
            }
            Written::ByteLevel {
                add_prefix_space,
                use_regex,
            } => Self::Bytes {
                words: match use_regex.unwrap_or(true) {
                    true => Some(pattern(GPT)?),
                    false => None,
                },
                prepends: add_prefix_space,
            },
        };
        splits.push(split);
        Ok(())
    }

    pub(super) fn apply(&self, text: &str) -> Vec<String> {
        if text.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Words(words) => words
                .find_iter(text)
                .filter_map(|word| text.get(word.range()))
                .map(str::to_owned)
                .collect(),
            Self::Apart(signs) => {
                let (mut out, mut at) = (Vec::new(), 0);
                for sign in signs.find_iter(text) {
                    out.extend(text.get(at..sign.start()).map(str::to_owned));
                    out.extend(text.get(sign.range()).map(str::to_owned));
                    at = sign.end();
                }
                out.extend(text.get(at..).map(str::to_owned));
                out.retain(|word| !word.is_empty());
                out
            }
            Self::Metaspace {
                sign,
                prepends,
                splits,
            } => metaspace(text, *sign, *prepends, *splits),
            Self::Bytes { words, prepends } => {
                let text = match *prepends && !text.starts_with(' ') {
                    true => format!(" {text}"),
                    false => text.to_owned(),
                };
                match words {
                    Some(words) => gpt(&text, words).map(as_letters).collect(),
                    None => vec![as_letters(&text)],
                }
            }
        }
    }
}

fn metaspace(text: &str, sign: char, prepends: bool, splits: bool) -> Vec<String> {
    let mut text: String = text.chars().map(|c| if c == ' ' { sign } else { c }).collect();
    if prepends && !text.starts_with(sign) {
        text.insert(0, sign);
    }
    if !splits {
        return vec![text];
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        if c == sign && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words
}

/// GPT-2's words: a run of white space that something follows leaves its last to what follows.
fn gpt<'t>(text: &'t str, words: &'t Regex) -> impl Iterator<Item = &'t str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let length = words
            .find(rest)
            .filter(|word| word.start() == 0)
            .map_or(rest.len(), |word| word.end());
        let word = rest.get(..length)?;
        let last = word.chars().next_back().filter(|c| c.is_whitespace());
        let length = match last {
            Some(last) if length < rest.len() && length > last.len_utf8() => length - last.len_utf8(),
            _ => length,
        };
        at += length;
        rest.get(..length)
    })
}

/// Letters that stand for bytes, so that no byte is unknown: those that print stand for themselves (Latin-1), the others
/// for what comes behind it.
fn as_letters(word: &str) -> String {
    word.bytes().map(letter).collect()
}

fn letter(byte: u8) -> char {
    let prints = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if prints(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !prints(*byte)).count();
    u32::try_from(before)
        .ok()
        .and_then(|before| char::from_u32(256 + before))
        .unwrap_or('\u{fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, text: &str, words: &[&str]) {
        let written: Written = serde_json::from_str(written).unwrap();
        let mut all = vec![text.to_owned()];
        for split in Split::read(written).unwrap() {
            all = all.iter().flat_map(|text| split.apply(text)).collect();
        }
        assert_eq!(all, words);
    }

    #[test]
    fn texts_are_cut_as_tokenizers_cut_them() {
        check(
            r#"{"type":"BertPreTokenizer"}"#,
            "Hey, you-there «x»",
            &["Hey", ",", "you", "-", "there", "«", "x", "»"],
        );
        let meta = r#"{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"}"#;
        check(meta, "a  b c ", &["▁a", "▁", "▁b", "▁c", "▁"]);
        check(meta, "▁▁a", &["▁", "▁a"]);
        let bytes = r#"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true}"#;
        check(
            bytes,
            "it's  a\n\n b 12é ",
            &["it", "'s", "Ġ", "Ġa", "ĊĊ", "Ġb", "Ġ12", "Ã©", "Ġ"],
        );
    }

    #[test]
    fn every_byte_has_a_letter_of_its_own() {
        let letters: std::collections::BTreeSet<char> = (0..=255).map(letter).collect();
        assert_eq!(letters.len(), 256);
        assert_eq!((letter(0), letter(b' '), letter(0xad)), ('Ā', 'Ġ', 'Ń'));
    }
}
