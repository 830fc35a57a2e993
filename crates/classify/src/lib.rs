//! Sequence classifiers in the form in which Hugging Face keeps them: `config.json`, `tokenizer.json`,
//! `model.safetensors`. BERT, DistilBERT, RoBERTa, XLM-RoBERTa and DeBERTa v2 and v3, among them the public guards
//! against injected instructions.
//!
//! Bytes in, shares of labels out. What it refuses: any part of a tokenizer or a model that it does not know, when it
//! is read and by name, since a part that is left out gives other shares and no error. A token that steers a model (the
//! start, the end, padding) is never read out of a text: what is written like one is letters.
//!
//! INVARIANT: a text costs no more than its windows, and a window no more than the model's longest input; whoever asks
//! can stop between layers. Sizes are bounded before anything of that size is made ([`bounds`]).

mod config;
mod encoder;
mod tokens;
mod weights;

use std::io::Read;
use std::ops::Range;

use config::{Config, Outcome};
use encoder::Encoder;
use tokens::Tokens;

/// What may be read at most.
pub mod bounds {
    /// Bytes of `config.json`.
    pub const CONFIG: usize = 1 << 20;
    /// Bytes of `tokenizer.json`.
    pub const TOKENIZER: usize = 64 << 20;
    /// Bytes of the list of tensors.
    pub const HEAD: usize = 16 << 20;
    /// Numbers of all tensors together.
    pub const NUMBERS: usize = 1 << 30;
    /// Numbers of one row, and rows of what is between layers.
    pub const WIDTH: usize = 16_384;
    /// Layers.
    pub const LAYERS: usize = 64;
    /// Labels.
    pub const LABELS: usize = 256;
    /// Tokens of one window, whatever the model could take: attention costs their square.
    pub const TOKENS: usize = 512;
}

/// Why a folder does not read.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// More than [`bounds`] say.
    #[error("`{0}` is larger than what is read")]
    Large(&'static str),
    /// Not JSON of the shape that it has, or a part of it that is not known here.
    #[error("`{file}` does not read")]
    Json {
        /// Of which file.
        file: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A member that says something else than what is known here.
    #[error("`{member}` of `{file}` says what is not supported")]
    Unsupported {
        /// Of which file.
        file: &'static str,
        /// Its name.
        member: &'static str,
    },
    /// The list of tensors is none.
    #[error("`model.safetensors` is not in that format")]
    Tensors,
    /// A tensor is not there, or has another shape than the configuration says.
    #[error("`model.safetensors` has no tensor {0} of the shape that `config.json` says")]
    Tensor(TensorName),
    /// The bytes ended, or could not be read.
    #[error("`model.safetensors` could not be read")]
    Read(#[from] std::io::Error),
}

/// The name of a tensor, shown in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorName(pub(crate) String);

impl std::fmt::Display for TensorName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// Whoever asked said to stop.
    #[error("it was told to stop")]
    Stopped,
    /// The arithmetic came to no number.
    #[error("its arithmetic came to no number")]
    NoNumber,
}

/// A classifier.
#[derive(Debug)]
pub struct Classifier {
    config: Config,
    tokens: Tokens,
    encoder: Encoder,
}

/// A part of a text that is looked at as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// As the model reads it.
    ids: Vec<u32>,
}

impl Classifier {
    /// Reads one: `weights` gives the bytes of `model.safetensors`, which are read once and forwards.
    ///
    /// # Errors
    /// Where a part is not there, not known, or too large.
    pub fn read(config: &[u8], tokenizer: &[u8], weights: &mut dyn Read) -> Result<Self, Fault> {
        let config = Config::read(config)?;
        let tokens = Tokens::read(tokenizer)?;
        // A window has room for text beside what stands at its ends.
        if tokens.around() + 8 > config.tokens {
            return Err(Fault::Unsupported {
                file: "config.json",
                member: "max_position_embeddings",
            });
        }
        if tokens.highest() >= config.vocabulary {
            return Err(Fault::Unsupported {
                file: "tokenizer.json",
                member: "vocab",
            });
        }
        let mut tensors = weights::read(weights)?;
        let encoder = Encoder::new(&config, &mut tensors)?;
        Ok(Self {
            config,
            tokens,
            encoder,
        })
    }

    /// The labels, in the order of shares.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.config.labels
    }

    /// The next window of a text from a place on; `None` at its end. Ends at white space where there is some.
    #[must_use]
    pub fn window(&self, text: &str, from: usize) -> Option<Window> {
        let start = text.ceil_char_boundary(from);
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let room = self.config.tokens - self.tokens.around();
        // A token is seldom shorter than a byte or longer than eight.
        let mut length = boundary(rest, room.saturating_mul(8));
        loop {
            let part = rest.get(..length).unwrap_or_default();
            let (mut ids, whole) = self.tokens.encode(part);
            let least = rest.chars().next().map_or(1, char::len_utf8);
            if whole && ids.len() <= room || length <= least {
                ids.truncate(room);
                let range = start..start + length;
                return Some(Window {
                    range,
                    ids: self.tokens.framed(ids),
                });
            }
            // Shorter by what is too many, and at least by a tenth, so this ends.
            let fits = (length * room / ids.len().max(1)).min(length * 9 / 10).max(least);
            length = boundary(rest, fits).max(least);
        }
    }

    /// The place where the window behind one starts, so that they share a quarter; `None` where the text ended.
    #[must_use]
    pub fn behind(&self, text: &str, window: &Window) -> Option<usize> {
        if window.range.end >= text.len() {
            return None;
        }
        let shared = window.range.len() / 4;
        let at = text.floor_char_boundary(window.range.end - shared);
        Some(if at > window.range.start {
            at
        } else {
            window.range.end
        })
    }

    /// The share of each label. `goes_on` is asked between layers.
    ///
    /// # Errors
    /// Where there is none.
    pub fn shares(&self, window: &Window, goes_on: &dyn Fn() -> bool) -> Result<Vec<f32>, Silence> {
        let scores = self
            .encoder
            .scores(&window.ids, goes_on)
            .ok_or(Silence::Stopped)?;
        if scores.iter().any(|score| !score.is_finite()) {
            return Err(Silence::NoNumber);
        }
        Ok(match self.config.outcome {
            Outcome::OneOf => {
                let highest = scores.iter().copied().fold(f32::MIN, f32::max);
                let parts: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
                let all: f32 = parts.iter().sum();
                parts.iter().map(|part| part / all).collect()
            }
            Outcome::Several => scores.iter().map(|score| 1.0 / (1.0 + (-score).exp())).collect(),
        })
    }
}

/// A place of at most `most` bytes to end a part at: behind the last white space of its last quarter, or between letters.
fn boundary(text: &str, most: usize) -> usize {
    if most >= text.len() {
        return text.len();
    }
    let hard = text.floor_char_boundary(most);
    let head = text.get(..hard).unwrap_or_default();
    head.char_indices()
        .rev()
        .take_while(|(at, _)| *at >= hard - hard / 4)
        .find(|(_, c)| c.is_whitespace())
        .map_or(hard, |(at, c)| at + c.len_utf8())
}

#[cfg(test)]
mod tests;
