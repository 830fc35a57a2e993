//! Texts made alike before they are cut: letter case, accents, compatibility forms, a table of replacements.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use regex_automata::meta::Regex;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation as _;

use super::unsupported;
use crate::Fault;

/// Longest text that takes the place of something.
const CONTENT_MOST: usize = 64;
/// Steps of one normalizer.
const STEPS_MOST: usize = 32;
/// Longest replacement that a table has.
const ENTRY_MOST: usize = 256;

#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum Written {
    Sequence {
        normalizers: Vec<Written>,
    },
    BertNormalizer {
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: Option<bool>,
        lowercase: bool,
    },
    Lowercase {},
    #[serde(rename = "NFC")]
    Nfc {},
    #[serde(rename = "NFD")]
    Nfd {},
    #[serde(rename = "NFKC")]
    Nfkc {},
    #[serde(rename = "NFKD")]
    Nfkd {},
    StripAccents {},
    Strip {
        strip_left: bool,
        strip_right: bool,
    },
    Precompiled {
        precompiled_charsmap: String,
    },
    Replace {
        pattern: Pattern,
        content: String,
    },
    Prepend {
        prepend: String,
    },
}

#[derive(Deserialize)]
pub(super) enum Pattern {
    String(String),
    Regex(String),
}

/// One step.
#[derive(Debug)]
pub(super) enum Normal {
    /// Controls go, and what is space is a space.
    Clean(Regex),
    /// Chinese characters stand apart.
    Apart,
    /// Marks that take no room go, after letters were taken apart.
    Bare(Regex),
    Lowercase,
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
    Marks,
    Strip {
        left: bool,
        right: bool,
    },
    Charsmap(Charsmap),
    Replace {
        what: String,
        with: String,
    },
    Pattern {
        what: Regex,
        with: String,
    },
    Prepend(String),
}

impl Normal {
    pub(super) fn read(written: Written) -> Result<Vec<Self>, Fault> {
        let mut steps = Vec::new();
        Self::add(written, &mut steps)?;
        Ok(steps)
    }

    fn add(written: Written, steps: &mut Vec<Self>) -> Result<(), Fault> {
        if steps.len() >= STEPS_MOST {
            return Err(unsupported("normalizer"));
        }
        let step = match written {
            Written::Sequence { normalizers } => {
                return normalizers.into_iter().try_for_each(|one| Self::add(one, steps));
            }
            Written::BertNormalizer {
                clean_text,
                handle_chinese_chars,
                strip_accents,
                lowercase,
            } => {
                if clean_text {
                    steps.push(Self::Clean(pattern(r"[\p{Cc}\p{Cf}\p{Co}\x{fffd}]")?));
                }
                if handle_chinese_chars {
                    steps.push(Self::Apart);
                }
                if strip_accents.unwrap_or(lowercase) {
                    steps.push(Self::Nfd);
                    steps.push(Self::Bare(pattern(r"\p{Mn}")?));
                }
                if lowercase {
                    steps.push(Self::Lowercase);
                }
                return Ok(());
            }
            Written::Lowercase {} => Self::Lowercase,
            Written::Nfc {} => Self::Nfc,
            Written::Nfd {} => Self::Nfd,
            Written::Nfkc {} => Self::Nfkc,
            Written::Nfkd {} => Self::Nfkd,
            Written::StripAccents {} => Self::Marks,
            Written::Strip {
                strip_left,
                strip_right,
            } => Self::Strip {
                left: strip_left,
                right: strip_right,
            },
            Written::Precompiled { precompiled_charsmap } => Self::Charsmap(
                Charsmap::read(&precompiled_charsmap).ok_or(unsupported("precompiled_charsmap"))?,
            ),
            Written::Replace {
                pattern: what,
                content,
            } => {
                let with = bounded(content)?;
                match what {
                    Pattern::String(what) if what.is_empty() => return Err(unsupported("pattern")),
                    Pattern::String(what) => Self::Replace { what, with },
                    Pattern::Regex(what) => Self::Pattern {
                        what: pattern(&what)?,
                        with,
                    },
                }
            }
            Written::Prepend { prepend } => Self::Prepend(bounded(prepend)?),
        };
        steps.push(step);
        Ok(())
    }

    pub(super) fn apply(&self, text: &str) -> String {
        match self {
            Self::Clean(controls) => clean(text, controls),
            Self::Apart => text
                .chars()
                .flat_map(|c| {
                    let (before, after) = if is_chinese(c) {
                        (Some(' '), Some(' '))
                    } else {
                        (None, None)
                    };
                    before.into_iter().chain([c]).chain(after)
                })
                .collect(),
            Self::Bare(marks) => replaced(text, marks, ""),
            Self::Lowercase => text.chars().flat_map(char::to_lowercase).collect(),
            Self::Nfc => text.nfc().collect(),
            Self::Nfd => text.nfd().collect(),
            Self::Nfkc => text.nfkc().collect(),
            Self::Nfkd => text.nfkd().collect(),
            Self::Marks => text.chars().filter(|c| !is_combining_mark(*c)).collect(),
            Self::Strip { left, right } => {
                let text = if *left { text.trim_start() } else { text };
                (if *right { text.trim_end() } else { text }).to_owned()
            }
            Self::Charsmap(charsmap) => charsmap.apply(text),
            Self::Replace { what, with } => text.replace(what, with),
            Self::Pattern { what, with } => replaced(text, what, with),
            Self::Prepend(front) if !text.is_empty() => format!("{front}{text}"),
            Self::Prepend(_) => String::new(),
        }
    }
}

fn bounded(content: String) -> Result<String, Fault> {
    if content.len() > CONTENT_MOST {
        return Err(unsupported("content"));
    }
    Ok(content)
}

/// A pattern of the file's own. What looks behind or ahead is refused: it is not linear.
pub(super) fn pattern(written: &str) -> Result<Regex, Fault> {
    Regex::new(written).map_err(|_| unsupported("pattern"))
}

fn replaced(text: &str, what: &Regex, with: &str) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for hit in what.find_iter(text) {
        out.push_str(text.get(at..hit.start()).unwrap_or_default());
        out.push_str(with);
        at = hit.end();
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Without controls, and with spaces for all that is space. Tabs and line ends are controls that are space.
fn clean(text: &str, controls: &Regex) -> String {
    let spaces: Cow<'_, str> = match text.contains(['\t', '\n', '\r']) {
        true => Cow::Owned(text.replace(['\t', '\n', '\r'], " ")),
        false => Cow::Borrowed(text),
    };
    replaced(&spaces, controls, "")
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect()
}

/// Blocks of Chinese characters, as BERT's own tokenizer has them.
const fn is_chinese(c: char) -> bool {
    matches!(c as u32, 0x4e00..=0x9fff | 0x3400..=0x4dbf | 0x20000..=0x2a6df | 0x2a700..=0x2b73f | 0x2b740..=0x2b81f
        | 0x2b920..=0x2ceaf | 0xf900..=0xfaff | 0x2f800..=0x2fa1f)
}

/// SentencePiece's table of replacements: a double array (Aoe 1989, as Darts lays it out) over the bytes of what is
/// replaced, whose leaves are places in a row of texts, each ended by a zero.
#[derive(Debug)]
pub(super) struct Charsmap {
    units: Vec<u32>,
    texts: String,
}

impl Charsmap {
    fn read(written: &str) -> Option<Self> {
        let bytes = STANDARD.decode(written).ok()?;
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (units, texts) = rest.split_at_checked(length)?;
        let units = units
            .as_chunks::<4>()
            .0
            .iter()
            .map(|four| u32::from_le_bytes(*four))
            .collect();
        Some(Self {
            units,
            texts: String::from_utf8(texts.to_vec()).ok()?,
        })
    }

    /// What takes the place of the shortest start of `part` that the table has.
    fn of(&self, part: &str) -> Option<&str> {
        let offset =
            |unit: u32| usize::try_from((unit >> 10) << ((unit & 1 << 9) >> 6)).unwrap_or(usize::MAX);
        let mut at = offset(*self.units.first()?);
        for byte in part.bytes().take_while(|byte| *byte != 0) {
            at ^= usize::from(byte);
            let unit = *self.units.get(at)?;
            if unit & (1 << 31 | 0xff) != u32::from(byte) {
                return None;
            }
            at ^= offset(unit);
            if unit >> 8 & 1 == 1 {
                let leaf = *self.units.get(at)? & 0x7fff_ffff;
                let text = self.texts.get(usize::try_from(leaf).ok()?..)?;
                let (text, _) = text.split_once('\0').unwrap_or((text, ""));
                return (text.len() <= ENTRY_MOST).then_some(text);
            }
        }
        None
    }

    /// A short cluster of characters is looked up as one, and else each of them.
    fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for cluster in text.graphemes(true) {
            if let Some(with) = Some(cluster)
                .filter(|cluster| cluster.len() < 6)
                .and_then(|one| self.of(one))
            {
                out.push_str(with);
                continue;
            }
            for (at, c) in cluster.char_indices() {
                let part = cluster.get(at..at + c.len_utf8()).unwrap_or_default();
                out.push_str(self.of(part).unwrap_or(part));
            }
        }
        out
    }
}
