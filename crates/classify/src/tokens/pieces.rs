//! Words cut into the pieces that a model knows: WordPiece, Unigram and byte pairs.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::unsupported;
use crate::Fault;

/// How much less likely than the rarest piece a character is that no piece has (SentencePiece).
const UNKNOWN: f64 = 10.0;

#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum Written {
    WordPiece {
        unk_token: String,
        continuing_subword_prefix: String,
        max_input_chars_per_word: usize,
        vocab: HashMap<String, u32>,
    },
    Unigram {
        unk_id: Option<u32>,
        vocab: Vec<(String, f64)>,
        byte_fallback: Option<bool>,
    },
    #[serde(rename = "BPE")]
    Pairs {
        dropout: Option<f32>,
        unk_token: Option<String>,
        continuing_subword_prefix: Option<String>,
        end_of_word_suffix: Option<String>,
        fuse_unk: Option<bool>,
        byte_fallback: Option<bool>,
        ignore_merges: Option<bool>,
        vocab: HashMap<String, u32>,
        /// Pairs of pieces, as two or joined by a space.
        merges: Vec<Value>,
    },
}

/// Pieces, and how a word falls into them.
#[derive(Debug)]
pub(super) enum Pieces {
    /// The longest first.
    Longest {
        ids: HashMap<String, u32>,
        unknown: u32,
        inside: String,
        longest_word: usize,
        highest: u32,
    },
    /// The likeliest together.
    Likeliest {
        ids: HashMap<String, (u32, f64)>,
        unknown: u32,
        /// How likely what is unknown is.
        odds: f64,
        /// Bytes of the longest piece.
        longest: usize,
        /// Pieces of single bytes, for what is unknown.
        bytes: Option<Vec<u32>>,
        highest: u32,
    },
    /// Neighbours joined in a learnt order.
    Pairs {
        ids: HashMap<String, u32>,
        /// Of two pieces their rank and what they make.
        joins: HashMap<(u32, u32), (u32, u32)>,
        unknown: Option<u32>,
        whole_first: bool,
        highest: u32,
    },
}

impl Pieces {
    /// Reads them. What steers a model is no piece of a text.
    pub(super) fn read(written: Written, steering: &BTreeSet<&str>) -> Result<Self, Fault> {
        match written {
            Written::WordPiece {
                unk_token,
                continuing_subword_prefix,
                max_input_chars_per_word,
                vocab,
            } => Ok(Self::Longest {
                unknown: *vocab.get(&unk_token).ok_or(unsupported("unk_token"))?,
                highest: vocab.values().copied().max().unwrap_or(0),
                ids: without(vocab, steering),
                inside: continuing_subword_prefix,
                // Trying costs the square of a word.
                longest_word: max_input_chars_per_word.min(1000),
            }),
            Written::Unigram {
                unk_id,
                vocab,
                byte_fallback,
            } => unigram(unk_id, vocab, byte_fallback == Some(true), steering),
            written @ Written::Pairs { .. } => pairs(written, steering),
        }
    }

    /// The highest id of a piece.
    pub(super) const fn highest(&self) -> u32 {
        match self {
            Self::Longest { highest, .. } | Self::Likeliest { highest, .. } | Self::Pairs { highest, .. } => {
                *highest
            }
        }
    }

    /// Adds the pieces of a word.
    pub(super) fn of(&self, word: &str, out: &mut Vec<u32>) {
        match self {
            Self::Longest {
                ids,
                unknown,
                inside,
                longest_word,
                ..
            } => match longest(word, ids, inside, *longest_word) {
                Some(pieces) => out.extend(pieces),
                None => out.push(*unknown),
            },
            Self::Likeliest { .. } => self.likeliest(word, out),
            Self::Pairs {
                ids,
                joins,
                unknown,
                whole_first,
                ..
            } => {
                if let Some(id) = ids.get(word).filter(|_| *whole_first) {
                    out.push(*id);
                    return;
                }
                let mut letter = [0; 4];
                let letters = word
                    .chars()
                    .filter_map(|c| ids.get(&*c.encode_utf8(&mut letter)).copied().or(*unknown))
                    .collect();
                out.extend(joined(letters, joins));
            }
        }
    }

    /// The cut of the highest sum of scores (Viterbi), as SentencePiece has it: of equal ones the first found.
    fn likeliest(&self, word: &str, out: &mut Vec<u32>) {
        let Self::Likeliest {
            ids,
            unknown,
            odds,
            longest,
            bytes,
            ..
        } = self
        else {
            return;
        };
        // For each place: where the best piece that ends there begins, which it is, and the sum.
        let mut best: Vec<Option<(usize, u32, f64)>> = vec![None; word.len() + 1];
        let improve = |end: usize, from: usize, id: u32, sum: f64, best: &mut [Option<(usize, u32, f64)>]| {
            if let Some(place) = best.get_mut(end)
                && place.is_none_or(|(_, _, before)| sum > before)
            {
                *place = Some((from, id, sum));
            }
        };
        for (start, first) in word.char_indices() {
            let sum = match start {
                0 => 0.0,
                _ => best.get(start).copied().flatten().map_or(0.0, |(_, _, sum)| sum),
            };
            let rest = word.get(start..).unwrap_or_default();
            let single = first.len_utf8();
            let mut known = false;
            for (at, c) in rest.char_indices() {
                let end = at + c.len_utf8();
                if end > *longest {
                    break;
                }
                if let Some((id, score)) = rest.get(..end).and_then(|piece| ids.get(piece)) {
                    improve(start + end, start, *id, sum + score, &mut best);
                    known |= end == single;
                }
            }
            if !known {
                improve(start + single, start, *unknown, sum + odds, &mut best);
            }
        }
        let (mut cut, mut end) = (Vec::new(), word.len());
        while end > 0 {
            let Some((start, id, _)) = best.get(end).copied().flatten() else {
                break;
            };
            cut.push((start..end, id));
            end = start;
        }
        let mut before = false;
        for (range, id) in cut.into_iter().rev() {
            let is_unknown = id == *unknown;
            match bytes {
                Some(bytes) if is_unknown => {
                    let own = word.get(range).unwrap_or_default().bytes();
                    out.extend(own.filter_map(|byte| bytes.get(usize::from(byte)).copied()));
                }
                // Of unknown ones in a row there is one.
                _ if is_unknown && before => {}
                _ => out.push(id),
            }
            before = is_unknown;
        }
    }
}

fn without(mut vocab: HashMap<String, u32>, steering: &BTreeSet<&str>) -> HashMap<String, u32> {
    vocab.retain(|piece, _| !steering.contains(piece.as_str()));
    vocab
}

fn unigram(
    unk_id: Option<u32>,
    vocab: Vec<(String, f64)>,
    fallback: bool,
    steering: &BTreeSet<&str>,
) -> Result<Pieces, Fault> {
    let highest = u32::try_from(vocab.len())
        .ok()
        .and_then(|count| count.checked_sub(1))
        .ok_or(unsupported("vocab"))?;
    let unknown = unk_id.filter(|id| *id <= highest).ok_or(unsupported("unk_id"))?;
    let rarest = vocab
        .iter()
        .map(|(_, score)| *score)
        .fold(f64::INFINITY, f64::min);
    if vocab.iter().any(|(_, score)| !score.is_finite()) {
        return Err(unsupported("vocab"));
    }
    let bytes = match fallback {
        false => None,
        true => {
            let places: HashMap<&str, u32> = (0..)
                .zip(&vocab)
                .map(|(id, (piece, _))| (piece.as_str(), id))
                .collect();
            let all = (0..=255_u8).map(|byte| places.get(format!("<0x{byte:02X}>").as_str()).copied());
            Some(
                all.collect::<Option<Vec<u32>>>()
                    .ok_or(unsupported("byte_fallback"))?,
            )
        }
    };
    let ids: HashMap<String, (u32, f64)> = (0..)
        .zip(vocab)
        .filter(|(id, (piece, _))| *id != unknown && !piece.is_empty() && !steering.contains(piece.as_str()))
        .map(|(id, (piece, score))| (piece, (id, score)))
        .collect();
    Ok(Pieces::Likeliest {
        longest: ids.keys().map(String::len).max().unwrap_or(0),
        ids,
        unknown,
        odds: rarest - UNKNOWN,
        bytes,
        highest,
    })
}

fn pairs(written: Written, steering: &BTreeSet<&str>) -> Result<Pieces, Fault> {
    let Written::Pairs {
        dropout,
        unk_token,
        continuing_subword_prefix,
        end_of_word_suffix,
        fuse_unk,
        byte_fallback,
        ignore_merges,
        vocab,
        merges,
    } = written
    else {
        return Err(unsupported("model"));
    };
    let some = |text: Option<String>| text.is_some_and(|text| !text.is_empty());
    if some(continuing_subword_prefix)
        || some(end_of_word_suffix)
        || dropout.is_some_and(|share| share > 0.0)
        || fuse_unk == Some(true)
        || byte_fallback == Some(true)
    {
        return Err(unsupported("model"));
    }
    let unknown = match unk_token {
        None => None,
        Some(token) => Some(*vocab.get(&token).ok_or(unsupported("unk_token"))?),
    };
    let mut joins = HashMap::with_capacity(merges.len().min(1 << 20));
    for (rank, merge) in (0..).zip(&merges) {
        let (left, right) = two(merge).ok_or(unsupported("merges"))?;
        let id = |piece: &str| vocab.get(piece).copied().ok_or(unsupported("merges"));
        let made = id(&format!("{left}{right}"))?;
        joins.entry((id(left)?, id(right)?)).or_insert((rank, made));
    }
    Ok(Pieces::Pairs {
        highest: vocab.values().copied().max().unwrap_or(0),
        ids: without(vocab, steering),
        joins,
        unknown,
        whole_first: ignore_merges == Some(true),
    })
}

fn two(merge: &Value) -> Option<(&str, &str)> {
    match merge {
        Value::String(joined) => joined.split_once(' '),
        Value::Array(two) => match two.as_slice() {
            [left, right] => Some((left.as_str()?, right.as_str()?)),
            _ => None,
        },
        _ => None,
    }
}

/// The longest piece from the start on, and so on; `None` where some rest has none.
fn longest(word: &str, ids: &HashMap<String, u32>, inside: &str, most: usize) -> Option<Vec<u32>> {
    if word.chars().count() > most {
        return None;
    }
    let (mut out, mut start) = (Vec::new(), 0);
    let mut piece = String::new();
    while start < word.len() {
        let rest = word.get(start..)?;
        let ends = rest.char_indices().rev().map(|(at, c)| at + c.len_utf8());
        let (end, id) = ends.into_iter().find_map(|end| {
            piece.clear();
            piece.push_str(if start > 0 { inside } else { "" });
            piece.push_str(rest.get(..end)?);
            Some((end, *ids.get(&piece)?))
        })?;
        out.push(id);
        start += end;
    }
    Some(out)
}

/// Joins neighbours, the pair learnt first before all others, and of equal ones the first.
fn joined(mut pieces: Vec<u32>, joins: &HashMap<(u32, u32), (u32, u32)>) -> Vec<u32> {
    let join = |pair: &[u32]| match pair {
        [left, right] => joins.get(&(*left, *right)).copied(),
        _ => None,
    };
    let mut ranks: Vec<Option<(u32, u32)>> = pieces.windows(2).map(join).collect();
    loop {
        let best = ranks
            .iter()
            .enumerate()
            .filter_map(|(at, join)| join.map(|(rank, made)| (rank, at, made)))
            .min();
        let Some((_, at, made)) = best else {
            return pieces;
        };
        if let Some(piece) = pieces.get_mut(at) {
            *piece = made;
        }
        pieces.remove(at + 1);
        ranks.remove(at);
        // Only the pairs on both sides are others now.
        for beside in [at.checked_sub(1), Some(at)].into_iter().flatten() {
            if let Some(rank) = ranks.get_mut(beside) {
                *rank = pieces.get(beside..beside + 2).and_then(join);
            }
        }
    }
}
