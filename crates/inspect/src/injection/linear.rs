//! The linear part: one weight per hashed n-gram of words and of characters, over a stretch of text.
//!
//! It sees what a unit alone does not: the vocabulary of a whole page. Weights are bytes; how rare an n-gram was in
//! training scales it.

use super::features::Token;
use super::number::{ln, sigmoid};
use crate::safe::item;

/// Buckets of word n-grams, and as many of character n-grams.
pub const SIDE: usize = 1 << 16;
/// Bytes of a stretch that is scored at once.
pub const STRETCH: usize = 4096;

/// A trained linear part.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    buckets: Vec<Bucket>,
    step: f32,
    bias: f32,
}

/// What is known of a bucket: one look into memory has both.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bucket {
    weight: i8,
    /// How rare its n-grams were.
    rarity: u8,
}

/// The n-grams of a stretch: bucket and how often, in order of bucket.
pub type Bag = Vec<(u32, f32)>;

/// Counts a stretch's n-grams.
#[must_use]
pub fn bag(text: &str, tokens: &[Token]) -> Bag {
    let mut all: Vec<u32> = Vec::with_capacity(text.len() * 3 + tokens.len() * 4);
    all.extend(tokens.iter().flat_map(Token::telling));
    let mut word = [b' '; 5];
    for byte in text.as_bytes() {
        let byte = match byte {
            b'A'..=b'Z' => byte | 0x20,
            b'0'..=b'9' => b'0',
            b'\t' | b'\n' | b'\r' => b' ',
            other => *other,
        };
        if byte == b' ' && word[4] == b' ' {
            continue;
        }
        word = [word[1], word[2], word[3], word[4], byte];
        // An n-gram that crosses a space inside says little more than its halves.
        let [a, b, c, d, e] = word;
        if d == b' ' {
            continue;
        }
        all.push(bucket([c, d, e]));
        if c == b' ' {
            continue;
        }
        all.push(bucket([b, c, d, e]));
        if b != b' ' {
            all.push(bucket([a, b, c, d, e]));
        }
    }
    sort(&mut all);
    let mut bag: Bag = Vec::with_capacity(all.len() / 2);
    for bucket in all {
        match bag.last_mut() {
            Some((last, count)) if *last == bucket => *count += 1.0,
            _ => bag.push((bucket, 1.0)),
        }
    }
    bag
}

/// The bucket of an n-gram of characters.
fn bucket<const N: usize>(gram: [u8; N]) -> u32 {
    let hash = gram
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325_u64 ^ N as u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    (SIDE as u64 + (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48)) as u32
}

/// Sorts buckets by their digits, the lower first: they have few, and a stretch has thousands of n-grams.
fn sort(buckets: &mut Vec<u32>) {
    /// Bits of a digit; two digits are a bucket.
    const DIGIT: u32 = (2 * SIDE).ilog2().div_ceil(2);
    let mut from = std::mem::take(buckets);
    let mut to = vec![0; from.len()];
    for shift in [0, DIGIT] {
        let digit = |bucket: u32| (bucket >> shift) as usize & ((1 << DIGIT) - 1);
        let mut places = [0_usize; 1 << DIGIT];
        for bucket in &from {
            if let Some(count) = places.get_mut(digit(*bucket)) {
                *count += 1;
            }
        }
        let mut before = 0;
        for place in &mut places {
            before += std::mem::replace(place, before);
        }
        for bucket in &from {
            if let Some(place) = places.get_mut(digit(*bucket))
                && let Some(slot) = to.get_mut(*place)
            {
                *slot = *bucket;
                *place += 1;
            }
        }
        std::mem::swap(&mut from, &mut to);
    }
    *buckets = from;
}

/// What counting an n-gram so often is worth, before how rare it is. Most stand once.
fn worth(count: f32) -> f32 {
    if count > 1.0 { 1.0 + ln(count) } else { 1.0 }
}

impl Bucket {
    /// From its two bytes as they are stored.
    fn of((weight, rarity): (&u8, &u8)) -> Self {
        Self {
            weight: weight.cast_signed(),
            rarity: *rarity,
        }
    }
}

impl Linear {
    /// All zeros.
    #[must_use]
    pub fn zero() -> Self {
        Self {
            buckets: vec![Bucket::default(); 2 * SIDE],
            step: 0.0,
            bias: 0.0,
        }
    }

    /// Log odds of a stretch.
    #[must_use]
    pub fn score(&self, bag: &Bag) -> f32 {
        let (mut sum, mut norm) = (0.0_f32, 1e-6_f32);
        for (bucket, count) in bag {
            let Some(Bucket { weight, rarity }) = self.buckets.get(*bucket as usize) else {
                continue;
            };
            let value = worth(*count) * f32::from(*rarity);
            sum += value * f32::from(*weight);
            norm += value * value;
        }
        sum * self.step / norm.sqrt() + self.bias
    }

    /// As bytes.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.step.to_le_bytes());
        bytes.extend(self.bias.to_le_bytes());
        bytes.extend(self.buckets.iter().map(|bucket| bucket.weight.cast_unsigned()));
        bytes.extend(self.buckets.iter().map(|bucket| bucket.rarity));
    }

    /// From bytes, and what follows them.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (step, bytes) = bytes.split_first_chunk::<4>()?;
        let (bias, bytes) = bytes.split_first_chunk::<4>()?;
        let (weights, bytes) = bytes.split_at_checked(2 * SIDE)?;
        let (rarity, bytes) = bytes.split_at_checked(2 * SIDE)?;
        let (step, bias) = (f32::from_le_bytes(*step), f32::from_le_bytes(*bias));
        let buckets = weights.iter().zip(rarity).map(Bucket::of).collect();
        (step.is_finite() && bias.is_finite()).then_some((Self { buckets, step, bias }, bytes))
    }
}

/// Learns a linear part: logistic loss, steps that shrink with what a weight has seen, averaged over the last half.
pub struct LinearTrainer {
    rarity: Vec<u8>,
    weights: Vec<f32>,
    seen: Vec<f32>,
    sum: Vec<f32>,
    bias: f32,
    bias_sum: f32,
    averaged: u32,
}

impl LinearTrainer {
    /// From the bags of a sample of the data, by which rarity is told.
    #[must_use]
    pub fn new(sample: &[Bag]) -> Self {
        let mut counts = vec![0_u32; 2 * SIDE];
        for (bucket, _) in sample.iter().flatten() {
            if let Some(count) = counts.get_mut(*bucket as usize) {
                *count += 1;
            }
        }
        let all = sample.len() as f32;
        let rarity = counts
            .iter()
            .map(|count| ((1.0 + ln((1.0 + all) / (1.0 + *count as f32))) * 20.0).clamp(1.0, 255.0) as u8)
            .collect();
        let zero = vec![0.0; 2 * SIDE];
        Self {
            rarity,
            weights: zero.clone(),
            seen: zero.clone(),
            sum: zero,
            bias: 0.0,
            bias_sum: 0.0,
            averaged: 0,
        }
    }

    /// Learns from one stretch.
    pub fn learn(&mut self, bag: &Bag, attack: bool, weight: f32) {
        let values: Vec<(usize, f32)> = bag
            .iter()
            .map(|(bucket, count)| {
                (
                    *bucket as usize,
                    worth(*count) * f32::from(item(&self.rarity, *bucket as usize)),
                )
            })
            .collect();
        let norm = values
            .iter()
            .map(|(_, value)| value * value)
            .sum::<f32>()
            .sqrt()
            .max(1e-3);
        let logit = values
            .iter()
            .map(|(at, value)| item(&self.weights, *at) * value)
            .sum::<f32>()
            / norm
            + self.bias;
        let slope = (sigmoid(logit) - f32::from(u8::from(attack))) * weight;
        for (at, value) in values {
            let (Some(weight), Some(seen)) = (self.weights.get_mut(at), self.seen.get_mut(at)) else {
                continue;
            };
            let gradient = slope * value / norm + 1e-7 * *weight;
            *seen += gradient * gradient;
            *weight -= 0.25 * gradient / (seen.sqrt() + 1e-3);
        }
        self.bias -= 0.02 * slope;
    }

    /// Adds the weights as they are now to the average.
    pub fn average(&mut self) {
        self.averaged += 1;
        self.bias_sum += self.bias;
        for (sum, weight) in self.sum.iter_mut().zip(&self.weights) {
            *sum += weight;
        }
    }

    /// The trained part.
    #[must_use]
    pub fn finish(&self) -> Linear {
        let count = self.averaged.max(1) as f32;
        let most = self.sum.iter().fold(1e-6_f32, |most, sum| most.max(sum.abs())) / count;
        let step = most / 127.0;
        let buckets = self
            .sum
            .iter()
            .map(|sum| (sum / count / step).round() as i8)
            .zip(&self.rarity)
            .map(|(weight, rarity)| Bucket {
                weight,
                rarity: *rarity,
            })
            .collect();
        Linear {
            buckets,
            step,
            bias: self.bias_sum / count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_none_is_lost() {
        // Multiplied over all of them, so that both digits of buckets differ.
        let spread = |count: u32| (0..count).map(|n| n.wrapping_mul(2_654_435_761) >> (32 - 17));
        for count in [0, 1, 2, 255, 5000] {
            let mut ours: Vec<u32> = spread(count).collect();
            let mut theirs = ours.clone();
            sort(&mut ours);
            theirs.sort_unstable();
            assert_eq!(ours, theirs, "{count}");
        }
        assert!((worth(1.0) - (1.0 + ln(1.0))).abs() < f32::EPSILON);
    }
}
