//! The arithmetic of a small network over units of a text: sums of n-grams' vectors, and a dense head with two hidden
//! layers that reads them.
//!
//! A unit is scored with its neighbours and with the whole text, since what gives an instruction away in a document is
//! often that nothing around it speaks like that.

use wide::f32x8;

use super::features::Unit;
use crate::Channel;

/// Neighbours reach this many units to either side.
pub const NEAR: usize = 2;
const SIZES: usize = 3;

/// How many numbers a head reads over vectors of `dims`: the unit, its neighbours, the text, unit times text, the unit's
/// kinds of words, the channel, sizes.
#[must_use]
pub const fn inputs(dims: usize) -> usize {
    5 * dims + Channel::COUNT + SIZES
}

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
        layer(&self.first, &self.first_bias, input, &mut trace.first);
        layer(&self.second, &self.second_bias, &trace.first, &mut trace.second);
        trace.logit += dot(&self.last, &trace.second);
        trace
    }
}

/// A dense layer: what each row makes of the input, and nothing below zero.
fn layer(rows: &[f32], biases: &[f32], input: &[f32], out: &mut [f32]) {
    let width = input.len();
    let fours = rows.chunks(4 * width).zip(biases.chunks(4));
    for ((rows, biases), outs) in fours.zip(out.chunks_mut(4)) {
        let (first, second) = rows.split_at_checked(2 * width).unwrap_or((rows, &[]));
        let sums = match (first.split_at_checked(width), second.split_at_checked(width)) {
            (Some((a, b)), Some((c, d))) => dots([a, b, c, d], input),
            _ => {
                let mut each = rows.chunks(width).map(|row| dot(row, input));
                std::array::from_fn(|_| each.next().unwrap_or(0.0))
            }
        };
        for ((out, sum), bias) in outs.iter_mut().zip(sums).zip(biases) {
            *out = (sum + bias).max(0.0);
        }
    }
}

/// Sum of products in eight lanes: always in the same order, so equal on every machine.
fn dot(row: &[f32], input: &[f32]) -> f32 {
    let ((values, _), (inputs, _)) = (row.as_chunks::<8>(), input.as_chunks::<8>());
    let lanes = values
        .iter()
        .zip(inputs)
        .fold(f32x8::ZERO, |lanes, (row, input)| {
            lanes + f32x8::from(*row) * f32x8::from(*input)
        });
    sum(lanes, row, input)
}

/// The same of four rows at once: a lane waits for the product before it, so several lanes are under way.
fn dots([a, b, c, d]: [&[f32]; 4], input: &[f32]) -> [f32; 4] {
    let [aa, bb, cc, dd, inputs] = [a, b, c, d, input].map(|row| row.as_chunks::<8>().0);
    let mut lanes = [f32x8::ZERO; 4];
    for ((((a, b), c), d), input) in aa.iter().zip(bb).zip(cc).zip(dd).zip(inputs) {
        let input = f32x8::from(*input);
        lanes = [
            lanes[0] + f32x8::from(*a) * input,
            lanes[1] + f32x8::from(*b) * input,
            lanes[2] + f32x8::from(*c) * input,
            lanes[3] + f32x8::from(*d) * input,
        ];
    }
    let [first, second, third, fourth] = lanes;
    [
        sum(first, a, input),
        sum(second, b, input),
        sum(third, c, input),
        sum(fourth, d, input),
    ]
}

/// The lanes of a row together, and what its last numbers give that fill none.
fn sum(lanes: f32x8, row: &[f32], input: &[f32]) -> f32 {
    let (rest, inputs) = (row.as_chunks::<8>().1, input.as_chunks::<8>().1);
    let beside: f32 = rest.iter().zip(inputs).map(|(a, b)| a * b).sum();
    lanes.to_array().iter().sum::<f32>() + beside
}

/// What one unit's inputs are made from, with vectors of `D`.
#[derive(Debug, Clone)]
pub struct Scene<const D: usize> {
    /// Sum of the unit's vectors, and of how many n-grams.
    pub unit: ([f32; D], u32),
    /// The same over its kinds of words alone, which the many n-grams of words would drown.
    pub kinds: ([f32; D], u32),
    /// The same for its neighbours without itself.
    pub near: ([f32; D], u32),
    /// The same for the whole text.
    pub text: ([f32; D], u32),
    /// Where the text comes from.
    pub channel: Channel,
    /// How many tokens the unit has, how many units the text has, and where this one stands in it.
    pub sizes: [f32; SIZES],
}

impl<const D: usize> Scene<D> {
    /// The head's input, of [`inputs`] numbers.
    #[must_use]
    pub fn input<const I: usize>(&self) -> [f32; I] {
        const { assert!(I == inputs(D), "a head that reads something else") };
        let mut input = [0.0; I];
        let scaled = |(sum, count): &([f32; D], u32)| {
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

/// A trained network without its table: the head, and what a byte of the table stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Net<const D: usize, const I: usize, const A: usize, const B: usize> {
    /// What a byte of the table is worth.
    pub step: f32,
    /// What scores a unit.
    pub head: Head<I, A, B>,
}

/// Sums over a unit: of all of its n-grams, and of those of kinds of words.
#[derive(Debug, Clone, Copy)]
pub struct Sums<const D: usize> {
    /// Of all.
    pub all: ([i32; D], u32),
    /// Of kinds of words.
    pub kinds: ([i32; D], u32),
}

impl<const D: usize> Sums<D> {
    /// Of no n-grams.
    pub const NONE: Self = Self {
        all: ([0; D], 0),
        kinds: ([0; D], 0),
    };
}

impl<const D: usize, const I: usize, const A: usize, const B: usize> Net<D, I, A, B> {
    /// All zeros.
    #[must_use]
    pub fn zero() -> Self {
        Self {
            step: 0.0,
            head: Head::zero(),
        }
    }

    /// Log odds of each unit, from the sums over them.
    #[must_use]
    pub fn scores(&self, channel: Channel, units: &[Unit], sums: &[Sums<D>]) -> Vec<f32> {
        let mut whole = ([0_i32; D], 0_u32);
        for sum in sums {
            join(&mut whole, &sum.all, 1);
        }
        let whole = self.float(&whole);
        let score = |(at, (unit, sum)): (usize, (&Unit, &Sums<D>))| {
            let mut near = ([0_i32; D], 0_u32);
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
            self.head.run(&scene.input()).logit
        };
        units.iter().zip(sums).enumerate().map(score).collect()
    }

    /// Log odds of a unit as if it were the text, by which its reasons are told.
    #[must_use]
    pub fn alone(&self, unit: Unit, sum: &Sums<D>) -> f32 {
        let scene = Scene {
            unit: self.float(&sum.all),
            kinds: self.float(&sum.kinds),
            near: ([0.0; D], 0),
            text: self.float(&sum.all),
            channel: Channel::Document,
            sizes: sizes(unit, 0, 1),
        };
        self.head.run(&scene.input()).logit
    }

    fn float(&self, sum: &([i32; D], u32)) -> ([f32; D], u32) {
        (sum.0.map(|value| value as f32 * self.step), sum.1)
    }
}

/// Rounds a trained table to bytes, and says what a byte is worth.
#[must_use]
pub fn rounded(table: &[f32]) -> (Vec<i8>, f32) {
    let most = table.iter().fold(1e-6_f32, |most, value| most.max(value.abs()));
    let step = most.min(4.0) / 127.0;
    let bytes = table
        .iter()
        .map(|value| (value / step).round().clamp(-127.0, 127.0) as i8)
        .collect();
    (bytes, step)
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

/// Adds one sum to another, or takes it away.
pub(super) fn join<const D: usize>(sum: &mut ([i32; D], u32), other: &([i32; D], u32), sign: i32) {
    for (out, value) in sum.0.iter_mut().zip(&other.0) {
        *out = out.wrapping_add(value.wrapping_mul(sign));
    }
    if sign > 0 {
        sum.1 += other.1;
    }
}
