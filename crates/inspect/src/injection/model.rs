//! The model: two small networks over one table of n-grams, and a linear part.
//!
//! The first network reads every text. The second, the guests', reads what strangers write into what agents read, tools'
//! answers, documents and mails, and knows requests that do not belong there; its log odds are added, times the channel's
//! share. An n-gram's vectors of both lie side by side in one line of the cache. A text scores as its highest unit.

use super::features::{self, BUCKETS, Token, Unit};
use super::linear::{self, Linear};
use super::net::{Head, Net, Sums, inputs, join, rounded};
use super::request::Said;
use crate::Channel;
use crate::safe::item;

/// Length of an n-gram's vector of the first network.
pub const DIMS: usize = 32;
/// And of the guests'.
pub const GUEST_DIMS: usize = 24;
/// Bytes of a line of the cache.
const LINE: usize = 64;
/// The head of the first network.
pub type UnitHead = Head<{ inputs(DIMS) }, 48, 16>;
/// The head of the guests' network.
pub type GuestHead = Head<{ inputs(GUEST_DIMS) }, 32, 12>;
type UnitNet = Net<DIMS, { inputs(DIMS) }, 48, 16>;
type GuestNet = Net<GUEST_DIMS, { inputs(GUEST_DIMS) }, 32, 12>;
/// How much the linear part counts, by channel: an instruction in a document is a small part of its vocabulary.
pub const SHARES: [f32; Channel::COUNT] = [3.0, 2.0, 0.25, 0.25, 1.0, 1.0];
/// First bytes of a stored model.
const MAGIC: &[u8; 8] = b"BZINJ\x00\x00\x04";

/// How much the guests' network counts, by channel. What people type and what operators set up is meant to be followed,
/// and of descriptions it knows less than the first.
pub const GUESTS: [f32; Channel::COUNT] = [0.0, 0.5, 2.0, 0.5, 0.0, 0.0];
/// Tokens of a text that can be a guest's host. In a shorter one, a name or a few words, nobody's request is a guest, and
/// so little tells less than the network makes of it: there it only lowers.
const HOST_LEAST: usize = 12;
/// An n-gram's vectors: the first network's, the guests', and nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
struct Line([i8; LINE]);

/// A model as it is stored and used: the table in bytes, the heads in floats.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    table: Vec<Line>,
    unit: UnitNet,
    guest: GuestNet,
    linear: Linear,
    shares: [f32; Channel::COUNT],
    guests: [f32; Channel::COUNT],
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
    /// How much the guests' network counted.
    guests: f32,
    /// What it has words for.
    pub(super) said: Said,
}

/// Why bytes are no model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoModel;

/// The score of an empty text.
const EMPTY: f32 = -30.0;

impl Model {
    /// Rounds a trained table to bytes. There is no guests' network yet.
    #[must_use]
    pub fn new(table: &[f32], unit: UnitHead, linear: Linear) -> Self {
        let (bytes, step) = rounded(table);
        let mut model = Self {
            table: vec![Line([0; LINE]); BUCKETS],
            unit: Net { step, head: unit },
            guest: Net::zero(),
            linear,
            shares: SHARES,
            guests: [0.0; Channel::COUNT],
            thresholds: [Threshold { low: 0.0, high: 3.0 }; Channel::COUNT],
        };
        model.fill(0, DIMS, &bytes);
        model
    }

    /// With a guests' network.
    #[must_use]
    pub fn with_guest(mut self, table: &[f32], head: GuestHead) -> Self {
        let (bytes, step) = rounded(table);
        self.guest = Net { step, head };
        self.fill(DIMS, GUEST_DIMS, &bytes);
        self.guests = GUESTS;
        self
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

    /// Puts vectors of `dims` into the lines, from byte `from` of each.
    fn fill(&mut self, from: usize, dims: usize, bytes: &[i8]) {
        for (line, row) in self.table.iter_mut().zip(bytes.chunks_exact(dims)) {
            if let Some(slots) = line.0.get_mut(from..from + dims) {
                slots.copy_from_slice(row);
            }
        }
    }

    /// As bytes: magic, steps, both shares, thresholds, heads, the linear part, both tables, all little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let thresholds = self.thresholds.iter().flat_map(|one| [one.low, one.high]);
        let heads = [self.unit.head.parts(), self.guest.head.parts()];
        let heads = heads.into_iter().flatten().flatten().copied();
        for value in [self.unit.step, self.guest.step]
            .into_iter()
            .chain(self.shares)
            .chain(self.guests)
            .chain(thresholds)
            .chain(heads)
        {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        self.linear.write(&mut bytes);
        for (from, dims) in [(0, DIMS), (DIMS, GUEST_DIMS)] {
            let rows = self.table.iter().filter_map(|line| line.0.get(from..from + dims));
            bytes.extend(rows.flatten().map(|value| value.cast_unsigned()));
        }
        bytes
    }

    /// From what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the length or the first bytes differ, or a number is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoModel> {
        let bytes = bytes.strip_prefix(MAGIC).ok_or(NoModel)?;
        let mut model = Self::new(&[], UnitHead::zero(), Linear::zero());
        let heads = [model.unit.head.parts(), model.guest.head.parts()];
        let inside: usize = heads.iter().flatten().map(|part| part.len()).sum();
        let floats = 2 + 4 * Channel::COUNT + inside;
        let (numbers, rest) = bytes.split_at_checked(floats * 4).ok_or(NoModel)?;
        let (linear, rest) = Linear::read(rest).ok_or(NoModel)?;
        model.linear = linear;
        let (unit, guest) = rest.split_at_checked(BUCKETS * DIMS).ok_or(NoModel)?;
        if guest.len() != BUCKETS * GUEST_DIMS {
            return Err(NoModel);
        }
        for (from, dims, table) in [(0, DIMS, unit), (DIMS, GUEST_DIMS, guest)] {
            let signed: Vec<i8> = table.iter().map(|byte| byte.cast_signed()).collect();
            model.fill(from, dims, &signed);
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
        (model.unit.step, model.guest.step) = (next()?, next()?);
        for share in model.shares.iter_mut().chain(&mut model.guests) {
            *share = next()?;
        }
        for threshold in &mut model.thresholds {
            *threshold = Threshold {
                low: next()?,
                high: next()?,
            };
        }
        let heads = [model.unit.head.parts_mut(), model.guest.head.parts_mut()];
        for part in heads.into_iter().flatten() {
            for value in part {
                *value = next()?;
            }
        }
        Ok(model)
    }

    /// Scores each unit of a text. Linear in its length.
    #[must_use]
    pub fn score(&self, channel: Channel, text: &str) -> Vec<Scored> {
        let tokens = features::tokenize(text);
        let units = features::units(&tokens);
        let guests = if tokens.len() < HOST_LEAST {
            0.0
        } else {
            item(&self.guests, channel.index())
        };
        let mut scores = Vec::with_capacity(units.len());
        for (unit, score) in units.iter().zip(self.logits(channel, text, &tokens, &units)) {
            let (Some(first), Some(last)) = (tokens.get(unit.first), tokens.get(unit.last - 1)) else {
                continue;
            };
            scores.push(Scored {
                unit: *unit,
                start: first.start as usize,
                end: last.end as usize,
                score,
                guests,
                said: Said::of(text, tokens.get(unit.first..unit.last).unwrap_or(&[])),
            });
        }
        scores
    }

    /// The highest score of a text, and a very low one of an empty one.
    #[must_use]
    pub fn highest(&self, channel: Channel, text: &str) -> f32 {
        self.score(channel, text)
            .iter()
            .fold(EMPTY, |most, one| most.max(one.score))
    }

    /// Each unit's log odds.
    fn logits(&self, channel: Channel, text: &str, tokens: &[Token], units: &[Unit]) -> Vec<f32> {
        let share = item(&self.guests, channel.index());
        let mut sums = Vec::with_capacity(units.len());
        let mut guests = Vec::with_capacity(if share > 0.0 { units.len() } else { 0 });
        for unit in units {
            // Both at once, while the unit's lines are at hand.
            sums.push(self.sum(0, tokens, *unit));
            if share > 0.0 {
                guests.push(self.sum(DIMS, tokens, *unit));
            }
        }
        let mut logits = self.unit.scores(channel, units, &sums);
        let broad = self.broad(channel, text, tokens);
        for (logit, unit) in logits.iter_mut().zip(units) {
            let start = tokens.get(unit.first).map_or(0, |token| token.start as usize);
            *logit += broad.get(start / linear::STRETCH).copied().unwrap_or(0.0);
        }
        if share > 0.0 {
            let guests = self.guest.scores(channel, units, &guests);
            let most = if tokens.len() < HOST_LEAST {
                0.0
            } else {
                f32::INFINITY
            };
            for (logit, guest) in logits.iter_mut().zip(guests) {
                *logit += share * guest.min(most);
            }
        }
        logits
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
        let mut parts: Vec<(std::ops::Range<usize>, f32)> = inside
            .iter()
            .map(|token| (token.start as usize..token.end as usize, 0.0))
            .collect();
        self.reasons(&self.unit, 0, 1.0, &tokens, scored.unit, &mut parts);
        if scored.guests > 0.0 {
            self.reasons(&self.guest, DIMS, scored.guests, &tokens, scored.unit, &mut parts);
        }
        parts.retain(|(_, less)| *less > 0.0);
        parts.sort_by(|one, two| two.1.total_cmp(&one.1));
        parts.truncate(most);
        parts
    }

    /// Adds what each token of a unit raises one network's score by, whose vectors begin at `from` in a line.
    fn reasons<const D: usize, const I: usize, const A: usize, const B: usize>(
        &self,
        net: &Net<D, I, A, B>,
        from: usize,
        share: f32,
        tokens: &[Token],
        unit: Unit,
        parts: &mut [(std::ops::Range<usize>, f32)],
    ) {
        let whole: Sums<D> = self.sum(from, tokens, unit);
        let with = net.alone(unit, &whole);
        for (at, (part, token)) in parts
            .iter_mut()
            .zip(tokens.get(unit.first..unit.last).unwrap_or(&[]))
            .enumerate()
        {
            let mut rest = whole;
            let one = Unit {
                first: unit.first + at,
                last: unit.first + at + 1,
            };
            let own = self.sum(from, tokens, one);
            join(&mut rest.all, &own.all, -1);
            join(&mut rest.kinds, &own.kinds, -1);
            rest.all.1 = whole.all.1.saturating_sub(token.grams().len() as u32);
            rest.kinds.1 = whole.kinds.1.saturating_sub(token.kinds().len() as u32);
            part.1 += share * (with - net.alone(unit, &rest));
        }
    }

    /// Sums a unit's vectors of `D` that begin at `from` in a line.
    fn sum<const D: usize>(&self, from: usize, tokens: &[Token], unit: Unit) -> Sums<D> {
        let mut sums = Sums::NONE;
        let add = |sum: &mut ([i32; D], u32), grams: &[u32]| {
            // A token's n-grams, fewer than 256, have room in 16 bits.
            let mut here = [0_i16; D];
            for gram in grams {
                let line = self.table.get(*gram as usize);
                let row = line.and_then(|line| line.0.get(from..)?.first_chunk::<D>());
                if let Some(row) = row {
                    for (out, value) in here.iter_mut().zip(row) {
                        *out = out.wrapping_add(i16::from(*value));
                    }
                }
            }
            for (out, value) in sum.0.iter_mut().zip(here) {
                *out = out.wrapping_add(i32::from(value));
            }
            sum.1 += grams.len() as u32;
        };
        for token in tokens.get(unit.first..unit.last).unwrap_or(&[]) {
            add(&mut sums.all, token.words());
            add(&mut sums.kinds, token.kinds());
        }
        join(&mut sums.all, &sums.kinds, 1);
        sums
    }
}
