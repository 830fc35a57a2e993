//! How a network learns: one text at a time, and of it the units that say most.

use super::Options;
use crate::Channel;
use crate::injection::features::{self, BUCKETS, Token, Unit};
use crate::injection::net::{Head, NEAR, Scene, Trace, scale, sizes};
use crate::injection::number::{Draw, sigmoid};
use crate::safe::part;

/// How far a target is from certain.
const SOFT: f32 = 0.005;
/// Units gathered before the head takes a step.
const BATCH: usize = 16;

/// A head that learns (Adam): gradients gathered since its last step, and their running means.
struct Learner<const I: usize, const A: usize, const B: usize> {
    head: Head<I, A, B>,
    gradient: Head<I, A, B>,
    mean: Head<I, A, B>,
    square: Head<I, A, B>,
    gathered: usize,
    steps: i32,
}

impl<const I: usize, const A: usize, const B: usize> Learner<I, A, B> {
    fn new(draw: &mut Draw) -> Self {
        let mut head = Head::zero();
        let mut spread = |values: &mut [f32], inputs: usize| {
            let width = (6.0 / inputs as f32).sqrt();
            for value in values {
                *value = (draw.unit() * 2.0 - 1.0) * width;
            }
        };
        spread(&mut head.first, I);
        spread(&mut head.second, A);
        spread(&mut head.last, B);
        let zero = Head::zero();
        Self {
            head,
            gradient: zero.clone(),
            mean: zero.clone(),
            square: zero,
            gathered: 0,
            steps: 0,
        }
    }

    /// Adds one gradient, and returns the input's.
    fn backward(&mut self, input: &[f32; I], trace: &Trace<A, B>, slope: f32) -> [f32; I] {
        let mut second = [0.0; B];
        self.gradient.last_bias += slope;
        add(&mut self.gradient.last, &trace.second, slope);
        let last = trace.second.iter().zip(&self.head.last);
        for (out, (value, weight)) in second.iter_mut().zip(last) {
            if *value > 0.0 {
                *out = slope * weight;
            }
        }
        let mut first = [0.0; A];
        add(&mut self.gradient.second_bias, &second, 1.0);
        let rows = self.gradient.second.chunks_exact_mut(A);
        for ((row, weights), slope) in rows.zip(self.head.second.chunks_exact(A)).zip(&second) {
            if *slope != 0.0 {
                add(row, &trace.first, *slope);
                add(&mut first, weights, *slope);
            }
        }
        for (slope, value) in first.iter_mut().zip(&trace.first) {
            if *value <= 0.0 {
                *slope = 0.0;
            }
        }
        let mut back = [0.0; I];
        add(&mut self.gradient.first_bias, &first, 1.0);
        let rows = self.gradient.first.chunks_exact_mut(I);
        for ((row, weights), slope) in rows.zip(self.head.first.chunks_exact(I)).zip(&first) {
            if *slope != 0.0 {
                add(row, input, *slope);
                add(&mut back, weights, *slope);
            }
        }
        self.gathered += 1;
        back
    }

    fn step(&mut self, rate: f32) {
        if self.gathered < BATCH {
            return;
        }
        self.steps += 1;
        let steps = self.steps.min(5000);
        let (fix1, fix2) = (1.0 - power(0.9, steps), 1.0 - power(0.999, steps));
        let gathered = self.gathered as f32;
        let parts = self.head.parts_mut().into_iter().zip(self.gradient.parts_mut());
        let means = self.mean.parts_mut().into_iter().zip(self.square.parts_mut());
        for ((values, gradients), (means, squares)) in parts.zip(means) {
            let values = values.iter_mut().zip(gradients);
            for ((value, gradient), (mean, square)) in values.zip(means.iter_mut().zip(squares)) {
                let now = *gradient / gathered;
                *gradient = 0.0;
                *mean = 0.9 * *mean + 0.1 * now;
                *square = 0.999 * *square + 0.001 * now * now;
                let step = rate * (*mean / fix1) / ((*square / fix2).sqrt() + 1e-8);
                *value -= step + rate * 0.01 * *value;
            }
        }
        self.gathered = 0;
    }
}

/// Learns a table of vectors of `D` and the head over them.
pub(super) struct Trainer<const D: usize, const I: usize, const A: usize, const B: usize> {
    options: Options,
    table: Vec<f32>,
    /// Sum of squared gradients of each row of the table.
    seen: Vec<f32>,
    unit: Learner<I, A, B>,
    /// How much of the full step is taken; less from round to round.
    pub(super) slow: f32,
    /// Sums of tables and heads as they were, and of how many.
    sum: Option<(Vec<f32>, Head<I, A, B>, u32)>,
}

type Sum<const D: usize> = ([f32; D], u32);

/// One text while it is learnt from.
struct Lesson<'a, const D: usize> {
    tokens: &'a [Token],
    units: &'a [Unit],
    sums: &'a [Sum<D>],
    whole: Sum<D>,
    channel: Channel,
    /// Gradient of the whole text's vector, gathered over the units.
    back: [f32; D],
}

impl<const D: usize, const I: usize, const A: usize, const B: usize> Trainer<D, I, A, B> {
    pub(super) fn new(options: Options, draw: &mut Draw) -> Self {
        let table = (0..BUCKETS * D)
            .map(|_| (draw.unit() * 2.0 - 1.0) * 0.1)
            .collect();
        let unit = Learner::new(draw);
        Self {
            options,
            table,
            seen: vec![0.0; BUCKETS],
            unit,
            slow: 1.0,
            sum: None,
        }
    }

    /// Adds what is learnt so far to the average, which is then what is learnt in the end.
    pub(super) fn average(&mut self) {
        let Some((table, head, count)) = &mut self.sum else {
            self.sum = Some((self.table.clone(), self.unit.head.clone(), 1));
            return;
        };
        add(table, &self.table, 1.0);
        for (sum, now) in head.parts_mut().into_iter().zip(self.unit.head.parts()) {
            add(sum, now, 1.0);
        }
        *count += 1;
    }

    /// Learns from one text. `attack` is `None` of a harmless one, and else where the attack is, if that is known.
    pub(super) fn learn(
        &mut self,
        text: &str,
        channel: Channel,
        attack: Option<Option<(usize, usize)>>,
        draw: &mut Draw,
    ) {
        let tokens = features::tokenize(text);
        let units = features::units(&tokens);
        if units.is_empty() {
            return;
        }
        let sums: Vec<Sum<D>> = units
            .iter()
            .map(|unit| self.total(&tokens, *unit, Token::grams))
            .collect();
        // The text as a whole is learnt from a part of it, drawn anew each time.
        let mut whole = ([0.0; D], 0);
        let kept: Vec<bool> = tokens
            .iter()
            .map(|_| !draw.chance(self.options.text_dropout))
            .collect();
        let all: Vec<u32> = tokens
            .iter()
            .zip(&kept)
            .filter(|(_, kept)| **kept)
            .flat_map(|(token, _)| token.grams().iter().copied())
            .collect();
        for gram in &all {
            add(&mut whole.0, self.row(*gram), 1.0);
            whole.1 += 1;
        }
        let mut lesson = Lesson {
            tokens: &tokens,
            units: &units,
            sums: &sums,
            whole,
            channel,
            back: [0.0; D],
        };
        let mut ranked: Vec<(f32, usize)> = sums
            .iter()
            .enumerate()
            .map(|(at, sum)| {
                let kinds = units.get(at).map(|unit| self.total(&tokens, *unit, Token::kinds));
                let scene = lesson.scene(at, *sum, kinds.unwrap_or(([0.0; D], 0)));
                (self.unit.head.run(&scene.input()).logit, at)
            })
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (at, target, weight) in self.lessons(&tokens, &units, &ranked, attack, draw) {
            self.one(&mut lesson, at, target, weight, draw);
        }
        let scale = scale(whole.1);
        let mut gradient = [0.0; D];
        for (out, back) in gradient.iter_mut().zip(&lesson.back) {
            *out = back * scale * self.options.text_rate;
        }
        if self.options.text_rate > 0.0 {
            self.table_step(&all, &gradient);
        }
    }

    /// What was learnt: the table and the head.
    pub(super) fn finish(self) -> (Vec<f32>, Head<I, A, B>) {
        let Some((mut table, mut head, count)) = self.sum else {
            return (self.table, self.unit.head);
        };
        let parts = head.parts_mut();
        for value in parts.into_iter().flatten().chain(&mut table) {
            *value /= count as f32;
        }
        (table, head)
    }

    /// Which units learn what, and with what weight.
    fn lessons(
        &self,
        tokens: &[Token],
        units: &[Unit],
        ranked: &[(f32, usize)],
        attack: Option<Option<(usize, usize)>>,
        draw: &mut Draw,
    ) -> Vec<(usize, f32, f32)> {
        let mut lessons = Vec::new();
        let heavy = self.options.attack_weight;
        match attack {
            None => {
                lessons.extend(ranked.iter().take(2).map(|(_, at)| (*at, 0.0, 1.0)));
                lessons.extend(draw.pick(ranked).map(|(_, at)| (*at, 0.0, 0.5)));
            }
            Some(None) => {
                lessons.extend(ranked.iter().take(1).map(|(_, at)| (*at, 1.0, heavy)));
                if ranked.len() > 3 {
                    lessons.extend(ranked.get(1).map(|(_, at)| (*at, 1.0, heavy * 0.4)));
                }
            }
            Some(Some((start, end))) => {
                let (inside, outside): (Vec<usize>, Vec<usize>) =
                    ranked.iter().map(|(_, at)| *at).partition(|at| {
                        let Some(unit) = units.get(*at) else {
                            return false;
                        };
                        let overlap =
                            |token: &Token| (token.start as usize) < end && (token.end as usize) > start;
                        let hits = part(tokens, unit.first..unit.last)
                            .iter()
                            .filter(|token| overlap(token))
                            .count();
                        hits * 2 >= unit.last - unit.first || hits >= 5
                    });
                lessons.extend(inside.first().map(|at| (*at, 1.0, heavy)));
                lessons.extend(draw.pick(&inside).map(|at| (*at, 1.0, heavy * 0.5)));
                lessons.extend(outside.first().map(|at| (*at, 0.0, 0.6)));
            }
        }
        lessons
    }

    /// One unit of a text.
    fn one(&mut self, lesson: &mut Lesson<'_, D>, at: usize, target: f32, weight: f32, draw: &mut Draw) {
        let (tokens, units) = (lesson.tokens, lesson.units);
        let Some(own) = units.get(at).copied() else {
            return;
        };
        let dropout = self.options.dropout;
        let (unit, grams) = self.sum(tokens, own, Token::grams, dropout, draw);
        let (kinds, kind_grams) = self.sum(tokens, own, Token::kinds, dropout, draw);
        let mut scene = lesson.scene(at, unit, kinds);
        if drawn(self.options.scene_dropout, draw) {
            scene.near = ([0.0; D], 0);
        }
        if drawn(self.options.scene_dropout, draw) {
            scene.text = ([0.0; D], 0);
        }
        let input = scene.input();
        let trace = self.unit.head.run(&input);
        // A soft target keeps scores apart where they matter: near the thresholds.
        let target = if target > 0.5 { 1.0 - SOFT } else { SOFT };
        let slope = (sigmoid(trace.logit) - target) * weight;
        let back = self.unit.backward(&input, &trace, slope);
        self.unit.step(self.options.head_rate * self.slow);
        let (unit_scale, text_scale) = (scale(unit.1), scale(lesson.whole.1));
        let mut gradient = [0.0; D];
        let of = |block: usize| part(&back, block * D..(block + 1) * D);
        let terms = of(0).iter().zip(of(3)).zip(&lesson.whole.0);
        for (out, ((own, product), text)) in gradient.iter_mut().zip(terms) {
            *out = (own + product * text * text_scale) * unit_scale;
        }
        let terms = of(2).iter().zip(of(3)).zip(&unit.0);
        for (out, ((text, product), own)) in lesson.back.iter_mut().zip(terms) {
            *out += text + product * own * unit_scale;
        }
        self.table_step(&grams, &gradient);
        let kinds_scale = scale(kinds.1);
        for (out, kinds) in gradient.iter_mut().zip(of(4)) {
            *out = kinds * kinds_scale;
        }
        self.table_step(&kind_grams, &gradient);
        let near_scale = scale(scene.near.1);
        for (out, near) in gradient.iter_mut().zip(of(1)) {
            *out = near * near_scale;
        }
        let mut grams = Vec::new();
        let around = units
            .iter()
            .enumerate()
            .take(at + NEAR + 1)
            .skip(at.saturating_sub(NEAR));
        for (other, unit) in around {
            if other != at {
                grams.extend(
                    part(tokens, unit.first..unit.last)
                        .iter()
                        .flat_map(|token| token.grams().iter().copied()),
                );
            }
        }
        self.table_step(&grams, &gradient);
    }

    /// Sum of the vectors of a unit's n-grams, all or some.
    fn total(&self, tokens: &[Token], unit: Unit, which: fn(&Token) -> &[u32]) -> Sum<D> {
        let mut sum = ([0.0; D], 0);
        for gram in part(tokens, unit.first..unit.last).iter().flat_map(which) {
            add(&mut sum.0, self.row(*gram), 1.0);
            sum.1 += 1;
        }
        sum
    }

    /// The same without those that are left out by chance, and the others.
    fn sum(
        &self,
        tokens: &[Token],
        unit: Unit,
        which: fn(&Token) -> &[u32],
        dropout: f32,
        draw: &mut Draw,
    ) -> (Sum<D>, Vec<u32>) {
        let all = part(tokens, unit.first..unit.last).iter().flat_map(which);
        let grams: Vec<u32> = all.filter(|_| !draw.chance(dropout)).copied().collect();
        let mut sum = ([0.0; D], 0);
        for gram in &grams {
            add(&mut sum.0, self.row(*gram), 1.0);
            sum.1 += 1;
        }
        (sum, grams)
    }

    /// An n-gram's vector.
    fn row(&self, gram: u32) -> &[f32] {
        let at = gram as usize * D;
        part(&self.table, at..at + D)
    }

    fn table_step(&mut self, grams: &[u32], gradient: &[f32; D]) {
        let square = gradient.iter().map(|value| value * value).sum::<f32>() / D as f32;
        if square == 0.0 {
            return;
        }
        for gram in grams {
            let Some(seen) = self.seen.get_mut(*gram as usize) else {
                continue;
            };
            *seen += square;
            let rate = self.options.table_rate * self.slow / (seen.sqrt() + 1e-4);
            let at = *gram as usize * D;
            if let Some(row) = self.table.get_mut(at..at + D) {
                add(row, gradient, -rate);
            }
        }
    }
}

impl<const D: usize> Lesson<'_, D> {
    fn scene(&self, at: usize, unit: Sum<D>, kinds: Sum<D>) -> Scene<D> {
        Scene {
            unit,
            kinds,
            near: near(self.sums, at),
            text: self.whole,
            channel: self.channel,
            sizes: self
                .units
                .get(at)
                .map_or([0.0; 3], |unit| sizes(*unit, at, self.units.len())),
        }
    }
}

/// Draws, unless there is nothing to draw for: a network that learns without this draws as it did before there was it.
fn drawn(chance: f32, draw: &mut Draw) -> bool {
    chance > 0.0 && draw.chance(chance)
}

/// A whole power by multiplication alone.
fn power(base: f32, exponent: i32) -> f32 {
    (0..exponent).fold(1.0, |product, _| product * base)
}

fn add(sum: &mut [f32], values: &[f32], times: f32) {
    for (out, value) in sum.iter_mut().zip(values) {
        *out += value * times;
    }
}

fn join<const D: usize>(sum: &mut Sum<D>, other: &Sum<D>) {
    add(&mut sum.0, &other.0, 1.0);
    sum.1 += other.1;
}

fn near<const D: usize>(sums: &[Sum<D>], at: usize) -> Sum<D> {
    let mut near = ([0.0; D], 0);
    for (other, sum) in sums
        .iter()
        .enumerate()
        .take(at + NEAR + 1)
        .skip(at.saturating_sub(NEAR))
    {
        if other != at {
            join(&mut near, sum);
        }
    }
    near
}
