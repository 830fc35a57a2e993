//! What `tokenizer.json` says: how a text is normalized, cut into words, and these into the pieces that a model knows.
//!
//! INVARIANT: no token that steers (added as special: the start, the end, padding) is ever read out of a text.

mod normal;
mod pieces;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{Fault, bounds};
use normal::Normal;
use pieces::Pieces;
use words::Split;

/// Longest text that is cut into pieces, once it was made alike. The parts of a text that are asked for are shorter by far.
const EXPANDED_MOST: usize = 64 << 10;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<normal::Written>,
    pre_tokenizer: Option<words::Written>,
    post_processor: Option<Processor>,
    model: pieces::Written,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
}

/// What stands around a text. Of what there is for two texts, nothing is read.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Processor {
    TemplateProcessing {
        single: Vec<Item>,
        special_tokens: BTreeMap<String, Special>,
    },
    BertProcessing {
        sep: (String, u32),
        cls: (String, u32),
    },
    RobertaProcessing {
        sep: (String, u32),
        cls: (String, u32),
    },
    ByteLevel {},
    Sequence {
        processors: Vec<Processor>,
    },
}

#[derive(Deserialize)]
enum Item {
    SpecialToken { id: String },
    Sequence {},
}

#[derive(Deserialize)]
struct Special {
    ids: Vec<u32>,
}

/// A tokenizer.
#[derive(Debug)]
pub(crate) struct Tokens {
    normal: Vec<Normal>,
    splits: Vec<Split>,
    pieces: Pieces,
    before: Vec<u32>,
    after: Vec<u32>,
    highest: u32,
}

/// What is known of a tokenizer and not done here.
pub(crate) const fn unsupported(member: &'static str) -> Fault {
    Fault::Unsupported {
        file: "tokenizer.json",
        member,
    }
}

impl Tokens {
    /// Reads it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > bounds::TOKENIZER {
            return Err(Fault::Large("tokenizer.json"));
        }
        let file: File = serde_json::from_slice(bytes).map_err(|source| Fault::Json {
            file: "tokenizer.json",
            source,
        })?;
        // One that is no special token would be cut out of a text before anything else is done to it.
        if file.added_tokens.iter().any(|added| !added.special) {
            return Err(unsupported("added_tokens"));
        }
        let steering: BTreeSet<&str> = file
            .added_tokens
            .iter()
            .map(|added| added.content.as_str())
            .collect();
        let pieces = Pieces::read(file.model, &steering)?;
        let mut framed = (Vec::new(), Vec::new());
        if let Some(processor) = file.post_processor {
            frame(processor, &mut framed)?;
        }
        let (before, after) = framed;
        let added = file.added_tokens.iter().map(|added| added.id);
        let highest = added
            .chain(before.iter().chain(&after).copied())
            .max()
            .unwrap_or(0);
        Ok(Self {
            highest: highest.max(pieces.highest()),
            normal: file.normalizer.map_or(Ok(Vec::new()), Normal::read)?,
            splits: file.pre_tokenizer.map_or(Ok(Vec::new()), Split::read)?,
            pieces,
            before,
            after,
        })
    }

    /// The pieces of a text, and whether they are of all of it: a tokenizer may make any text long, and is followed no
    /// further than [`EXPANDED_MOST`].
    pub(crate) fn encode(&self, text: &str) -> (Vec<u32>, bool) {
        let (mut text, mut whole) = (text.to_owned(), true);
        for step in &self.normal {
            text = step.apply(&text);
            whole &= text.len() <= EXPANDED_MOST;
            text.truncate(text.floor_char_boundary(EXPANDED_MOST));
        }
        let mut words = vec![text];
        for split in &self.splits {
            words = words.iter().flat_map(|word| split.apply(word)).collect();
        }
        let mut ids = Vec::new();
        for word in words.iter().filter(|word| !word.is_empty()) {
            self.pieces.of(word, &mut ids);
        }
        (ids, whole)
    }

    /// With what stands around a text.
    pub(crate) fn framed(&self, ids: Vec<u32>) -> Vec<u32> {
        [&self.before[..], &ids, &self.after].concat()
    }

    /// How many tokens stand around a text.
    pub(crate) const fn around(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// The highest id that there is.
    pub(crate) fn highest(&self) -> usize {
        usize::try_from(self.highest).unwrap_or(usize::MAX)
    }
}

fn frame(processor: Processor, framed: &mut (Vec<u32>, Vec<u32>)) -> Result<(), Fault> {
    match processor {
        Processor::ByteLevel {} => {}
        Processor::Sequence { processors } => {
            for processor in processors {
                frame(processor, framed)?;
            }
        }
        Processor::BertProcessing { sep, cls } | Processor::RobertaProcessing { sep, cls } => {
            framed.0.push(cls.1);
            framed.1.push(sep.1);
        }
        Processor::TemplateProcessing {
            single,
            special_tokens,
        } => {
            let mut seen = false;
            for item in single {
                match item {
                    Item::Sequence {} if seen => return Err(unsupported("post_processor")),
                    Item::Sequence {} => seen = true,
                    Item::SpecialToken { id } => {
                        let special = special_tokens.get(&id).ok_or(unsupported("post_processor"))?;
                        let side = if seen { &mut framed.1 } else { &mut framed.0 };
                        side.extend(&special.ids);
                    }
                }
            }
            if !seen {
                return Err(unsupported("post_processor"));
            }
        }
    }
    Ok(())
}
