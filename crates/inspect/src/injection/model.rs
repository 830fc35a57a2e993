//! The network: a table of n-gram vectors, summed per unit, and a small dense head with two hidden layers.
//!
//! A unit is scored with its neighbours and with the whole text, since what gives an instruction away in a document is
//! often that nothing around it speaks like that. The score of a text is the highest of its units.

use super::features::{self, BUCKETS, Token, Unit};
use super::linear::{self, Linear};
use crate::Channel;
use crate::safe::item;

/// Length of an n-gram's vector.
pub const DIMS: usize = 32;
/// What the head reads: the unit, its neighbours, the text, unit times text, the unit's kinds of words, the channel,
/// sizes.
pub const INPUTS: usize = 5 * DIMS + Channel::COUNT + SIZES;
/// The head that scores a unit.
pub type UnitHead = Head<INPUTS, 48, 16>;
/// Neighbours reach this many units to either side.
pub const NEAR: usize = 2;
const SIZES: usize = 3;
/// How much the linear part counts, by channel: an instruction in a document is a small part of its vocabulary.
pub const SHARES: [f32; Channel::COUNT] = [3.0, 2.0, 0.25, 0.25, 1.0, 1.0];
/// First bytes of a stored model.
const MAGIC: &[u8; 8] = b"BZINJ\x00\x00\x03";

/// A dense network of `I` inputs, `A` and `B` neurons and one output, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Head<const I: usize, const A: usize, const B: usize> {
    /// `A` rows of `I`.
    pub first: Vec<f32>,
    /// One per neuron of the first layer.
    pub first_bias: Vec<f32>,
    /// `B` rows of `A`.
    pub second: Vec<f32>,
    /// One per neuron of the second layer.
    pub second_bias: Vec<f32>,
    /// One per neuron of the second layer.
    pub last: Vec<f32>,
    /// The output's bias.
    pub last_bias: f32,
}

/// What the layers held while scoring one unit.
#[derive(Debug, Clone)]
pub struct Trace<const A: usize, const B: usize> {
    /// After the first layer.
    pub first: [f32; A],
    /// After the second layer.
    pub second: [f32; B],
    /// Before the logistic function.
    pub logit: f32,
}

impl<const I: usize, const A: usize, const B: usize> Head<I, A, B> {
    /// All zeros.
    #[must_use]
    pub fn zero() -> Self {
        Self {
            first: vec![0.0; A * I],
            first_bias: vec![0.0; A],
            second: vec![0.0; B * A],
            second_bias: vec![0.0; B],
            last: vec![0.0; B],
            last_bias: 0.0,
        }
    }

    /// Its numbers, in the order in which they are stored.
    pub fn parts(&self) -> [&[f32]; 6] {
        [
            &self.first,
            &self.first_bias,
            &self.second,
            &self.second_bias,
            &self.last,
            std::slice::from_ref(&self.last_bias),
        ]
    }

    /// Its numbers, to change.
    pub fn parts_mut(&mut self) -> [&mut [f32]; 6] {
        [
            &mut self.first,
            &mut self.first_bias,
            &mut self.second,
            &mut self.second_bias,
            &mut self.last,
            std::slice::from_mut(&mut self.last_bias),
        ]
    }

    /// Runs it.
    #[must_use]
    pub fn run(&self, input: &[f32; I]) -> Trace<A, B> {
        let mut trace = Trace {
            first: [0.0; A],
            second: [0.0; B],
            logit: self.last_bias,
        };
        let rows = self.first.chunks_exact(I).zip(&self.first_bias);
        for (out, (row, bias)) in trace.first.iter_mut().zip(rows) {
            *out = (dot(row, input) + bias).max(0.0);
        }
        let rows = self.second.chunks_exact(A).zip(&self.second_bias);
        for (out, (row, bias)) in trace.second.iter_mut().zip(rows) {
            *out = (dot(row, &trace.first) + bias).max(0.0);
        }
        trace.logit += dot(&self.last, &trace.second);
        trace
    }
}

/// Sum of products in eight lanes: always in the same order, so equal on every machine.
fn dot(one: &[f32], two: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let ((ones, rest1), (twos, rest2)) = (one.as_chunks::<8>(), two.as_chunks::<8>());
    let rest: f32 = rest1.iter().zip(rest2).map(|(a, b)| a * b).sum();
    for (a, b) in ones.iter().zip(twos) {
        let mut sums = lanes;
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
        lanes = sums;
    }
    lanes.iter().sum::<f32>() + rest
}

/// What one unit's inputs are made from.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Sum of the unit's vectors, and of how many n-grams.
    pub unit: ([f32; DIMS], u32),
    /// The same over its kinds of words alone, which the many n-grams of words would drown.
    pub kinds: ([f32; DIMS], u32),
    /// The same for its neighbours without itself.
    pub near: ([f32; DIMS], u32),
    /// The same for the whole text.
    pub text: ([f32; DIMS], u32),
    /// Where the text comes from.
    pub channel: Channel,
    /// How many tokens the unit has, how many units the text has, and where this one stands in it.
    pub sizes: [f32; SIZES],
}

impl Scene {
    /// The head's input.
    #[must_use]
    pub fn input(&self) -> [f32; INPUTS] {
        let mut input = [0.0; INPUTS];
        let scaled = |(sum, count): &([f32; DIMS], u32)| {
            let scale = scale(*count);
            sum.map(|value| value * scale)
        };
        let (unit, near, text) = (scaled(&self.unit), scaled(&self.near), scaled(&self.text));
        let kinds = scaled(&self.kinds);
        let mut product = unit;
        for (out, text) in product.iter_mut().zip(&text) {
            *out *= text;
        }
        let channel = Channel::ALL.map(|channel| f32::from(u8::from(channel == self.channel)));
        let mut rest = input.as_mut_slice();
        for values in [&unit[..], &near, &text, &product, &kinds, &channel, &self.sizes] {
            let Some((here, after)) = rest.split_at_mut_checked(values.len()) else {
                break;
            };
            here.copy_from_slice(values);
            rest = after;
        }
        input
    }
}

/// A sum's scale: its mean, enlarged so that a unit's vector is of the order of one.
#[must_use]
pub fn scale(count: u32) -> f32 {
    4.0 / count.max(4) as f32
}

/// A model as it is stored and used: the table in bytes, the head in floats.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    table: Vec<i8>,
    step: f32,
    unit: UnitHead,
    linear: Linear,
    shares: [f32; Channel::COUNT],
    thresholds: [Threshold; Channel::COUNT],
}

/// The score above which a channel's text counts as suspicious, and the one above which it counts as an attack.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Threshold {
    /// At most one in a hundred benign texts of unseen sources lies above.
    pub low: f32,
    /// At most one in a thousand.
    pub high: f32,
}

/// One unit's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Its tokens.
    pub unit: Unit,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Log odds: 0 is even, more is more like an attack.
    pub score: f32,
}

/// Why bytes are no model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoModel;

impl Model {
    /// Rounds a trained table to bytes.
    #[must_use]
    pub fn new(table: &[f32], unit: UnitHead, linear: Linear) -> Self {
        let most = table.iter().fold(1e-6_f32, |most, value| most.max(value.abs()));
        let step = most.min(4.0) / 127.0;
        let table = table
            .iter()
            .map(|value| (value / step).round().clamp(-127.0, 127.0) as i8)
            .collect();
        Self {
            table,
            step,
            unit,
            linear,
            shares: SHARES,
            thresholds: [Threshold { low: 0.0, high: 3.0 }; Channel::COUNT],
        }
    }

    /// With these thresholds, one per channel in its order.
    #[must_use]
    pub const fn with_thresholds(mut self, thresholds: [Threshold; Channel::COUNT]) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// With the linear part counting this much, by channel.
    #[must_use]
    pub const fn with_shares(mut self, shares: [f32; Channel::COUNT]) -> Self {
        self.shares = shares;
        self
    }

    /// A channel's thresholds.
    #[must_use]
    pub fn threshold(&self, channel: Channel) -> Threshold {
        item(&self.thresholds, channel.index())
    }

    /// As bytes: magic, step, thresholds, head, table, all little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let thresholds = self.thresholds.iter().flat_map(|one| [one.low, one.high]);
        let head = self.unit.parts().into_iter().flatten().copied();
        for value in std::iter::once(self.step)
            .chain(self.shares)
            .chain(thresholds)
            .chain(head)
        {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        self.linear.write(&mut bytes);
        bytes.extend(self.table.iter().map(|value| value.cast_unsigned()));
        bytes
    }

    /// From what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the length or the first bytes differ, or a number is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoModel> {
        let bytes = bytes.strip_prefix(MAGIC).ok_or(NoModel)?;
        let mut unit = UnitHead::zero();
        let inside: usize = unit.parts().iter().map(|part| part.len()).sum();
        let floats = 1 + 3 * Channel::COUNT + inside;
        let (numbers, rest) = bytes.split_at_checked(floats * 4).ok_or(NoModel)?;
        let (linear, table) = Linear::read(rest).ok_or(NoModel)?;
        if table.len() != BUCKETS * DIMS {
            return Err(NoModel);
        }
        let mut numbers = numbers
            .as_chunks::<4>()
            .0
            .iter()
            .map(|four| f32::from_le_bytes(*four));
        if numbers.clone().any(|number| !number.is_finite()) {
            return Err(NoModel);
        }
        let mut next = || numbers.next().ok_or(NoModel);
        let step = next()?;
        let mut shares = [0.0; Channel::COUNT];
        for share in &mut shares {
            *share = next()?;
        }
        let mut thresholds = [Threshold::default(); Channel::COUNT];
        for threshold in &mut thresholds {
            *threshold = Threshold {
                low: next()?,
                high: next()?,
            };
        }
        for part in unit.parts_mut() {
            for value in part {
                *value = next()?;
            }
        }
        let table = table.iter().map(|byte| byte.cast_signed()).collect();
        Ok(Self {
            table,
            step,
            unit,
            linear,
            shares,
            thresholds,
        })
    }

    /// Scores each unit of a text. Linear in its length.
    #[must_use]
    pub fn score(&self, channel: Channel, text: &str) -> Vec<Scored> {
        let tokens = features::tokenize(text);
        let units = features::units(&tokens);
        let sums: Vec<Sums> = units.iter().map(|unit| self.sum(&tokens, *unit)).collect();
        let mut whole = ([0_i32; DIMS], 0_u32);
        for sum in &sums {
            join(&mut whole, &sum.all, 1);
        }
        let whole = self.float(&whole);
        let broad = self.broad(channel, text, &tokens);
        let mut scores = Vec::with_capacity(units.len());
        for (at, (unit, sum)) in units.iter().zip(&sums).enumerate() {
            let mut near = ([0_i32; DIMS], 0_u32);
            let first = at.saturating_sub(NEAR);
            for (other, beside) in sums.iter().enumerate().take(at + NEAR + 1).skip(first) {
                if other != at {
                    join(&mut near, &beside.all, 1);
                }
            }
            let scene = Scene {
                unit: self.float(&sum.all),
                kinds: self.float(&sum.kinds),
                near: self.float(&near),
                text: whole,
                channel,
                sizes: sizes(*unit, at, units.len()),
            };
            let score = self.unit.run(&scene.input()).logit
                + broad
                    .get(
                        tokens
                            .get(unit.first)
                            .map_or(0, |token| token.start as usize / linear::STRETCH),
                    )
                    .copied()
                    .unwrap_or(0.0);
            let (Some(first), Some(last)) = (tokens.get(unit.first), tokens.get(unit.last - 1)) else {
                continue;
            };
            scores.push(Scored {
                unit: *unit,
                start: first.start as usize,
                end: last.end as usize,
                score,
            });
        }
        scores
    }

    /// The highest score of a text, and a very low one of an empty one.
    #[must_use]
    pub fn highest(&self, channel: Channel, text: &str) -> f32 {
        self.score(channel, text)
            .iter()
            .fold(-30.0, |most, one| most.max(one.score))
    }

    /// What the linear part adds, for each stretch of the text.
    fn broad(&self, channel: Channel, text: &str, tokens: &[Token]) -> Vec<f32> {
        let share = item(&self.shares, channel.index());
        let mut rest = tokens;
        (0..text.len().div_ceil(linear::STRETCH))
            .map(|at| {
                let start = text.floor_char_boundary(at * linear::STRETCH);
                let end = text.floor_char_boundary((at + 1) * linear::STRETCH);
                let count = rest.partition_point(|token| (token.start as usize) < end);
                let (here, after) = rest.split_at(count);
                rest = after;
                self.linear
                    .score(&linear::bag(text.get(start..end).unwrap_or_default(), here))
                    * share
            })
            .collect()
    }

    /// The tokens of a unit that raise its score most, with how much less it would be without each.
    #[must_use]
    pub fn explain(&self, text: &str, scored: &Scored, most: usize) -> Vec<(std::ops::Range<usize>, f32)> {
        let tokens = features::tokenize(text);
        let Some(inside) = tokens.get(scored.unit.first..scored.unit.last) else {
            return Vec::new();
        };
        let empty = ([0.0; DIMS], 0);
        let scene = |sum: &Sums| Scene {
            unit: self.float(&sum.all),
            kinds: self.float(&sum.kinds),
            near: empty,
            text: self.float(&sum.all),
            channel: Channel::Document,
            sizes: sizes(scored.unit, 0, 1),
        };
        let whole = self.sum(&tokens, scored.unit);
        let with = self.unit.run(&scene(&whole).input()).logit;
        let mut parts: Vec<(std::ops::Range<usize>, f32)> = inside
            .iter()
            .enumerate()
            .map(|(at, token)| {
                let mut rest = whole;
                let one = Unit {
                    first: scored.unit.first + at,
                    last: scored.unit.first + at + 1,
                };
                let own = self.sum(&tokens, one);
                join(&mut rest.all, &own.all, -1);
                join(&mut rest.kinds, &own.kinds, -1);
                rest.all.1 = whole.all.1.saturating_sub(token.grams().len() as u32);
                rest.kinds.1 = whole.kinds.1.saturating_sub(token.kinds().len() as u32);
                (
                    token.start as usize..token.end as usize,
                    with - self.unit.run(&scene(&rest).input()).logit,
                )
            })
            .filter(|(_, less)| *less > 0.0)
            .collect();
        parts.sort_by(|one, two| two.1.total_cmp(&one.1));
        parts.truncate(most);
        parts
    }

    fn sum(&self, tokens: &[Token], unit: Unit) -> Sums {
        let mut sums = Sums {
            all: ([0; DIMS], 0),
            kinds: ([0; DIMS], 0),
        };
        let add = |sum: &mut ([i32; DIMS], u32), grams: &[u32]| {
            for gram in grams {
                let at = *gram as usize * DIMS;
                if let Some(row) = self.table.get(at..at + DIMS) {
                    for (out, value) in sum.0.iter_mut().zip(row) {
                        *out = out.wrapping_add(i32::from(*value));
                    }
                }
                sum.1 += 1;
            }
        };
        for token in tokens.get(unit.first..unit.last).unwrap_or(&[]) {
            add(&mut sums.all, token.words());
            add(&mut sums.kinds, token.kinds());
        }
        join(&mut sums.all, &sums.kinds, 1);
        sums
    }

    fn float(&self, sum: &([i32; DIMS], u32)) -> ([f32; DIMS], u32) {
        (sum.0.map(|value| value as f32 * self.step), sum.1)
    }
}

/// Sums over a unit: of all of its n-grams, and of those of kinds of words.
#[derive(Clone, Copy)]
struct Sums {
    all: ([i32; DIMS], u32),
    kinds: ([i32; DIMS], u32),
}

/// The three numbers about sizes.
#[must_use]
pub fn sizes(unit: Unit, at: usize, units: usize) -> [f32; SIZES] {
    [
        (unit.last - unit.first) as f32 / 30.0,
        units.min(20) as f32 / 20.0,
        at as f32 / units.max(1) as f32,
    ]
}

fn join(sum: &mut ([i32; DIMS], u32), other: &([i32; DIMS], u32), sign: i32) {
    for (out, value) in sum.0.iter_mut().zip(&other.0) {
        *out = out.wrapping_add(value.wrapping_mul(sign));
    }
    if sign > 0 {
        sum.1 += other.1;
    }
}
