//! The trainer. Equal rows, options and seed give equal weights, byte for byte, on any machine.
//!
//! Where an attack stands in a text is known for what we make ourselves; in other rows only that there is one, so the
//! unit that scores highest learns for it. Of a harmless text the highest units learn that they are harmless.

use super::features::{self, BUCKETS, Token, Unit};
use super::generate::{self, Stock};
use super::linear::{self, Bag, LinearTrainer};
use super::model::{DIMS, Head, Model, NEAR, Scene, Threshold, Trace, scale, sizes};
use super::number::{Draw, sigmoid};
use crate::Channel;
use crate::safe::{item, part};

/// A labelled text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The text.
    pub text: String,
    /// Whether it attacks.
    pub attack: bool,
    /// Where it comes from.
    pub channel: Channel,
    /// The set it is from; sets are weighed against each other.
    pub source: String,
    /// Near-duplicates share it, and one of them is drawn per epoch.
    pub group: String,
}

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Rounds over the data.
    pub epochs: u32,
    /// Rounds over the data for the linear part.
    pub linear_epochs: u32,
    /// Everything random follows from it.
    pub seed: u64,
    /// Most rows drawn from one source in one epoch.
    pub source_most: usize,
    /// Made texts per epoch.
    pub made: usize,
    /// Chance that an n-gram is left out while learning.
    pub dropout: f32,
    /// Chance that a token is left out of the text as a whole while learning.
    pub text_dropout: f32,
    /// Share of the text's gradient that reaches the table.
    pub text_rate: f32,
    /// Step of the table.
    pub table_rate: f32,
    /// Step of the head.
    pub head_rate: f32,
    /// How much an attack weighs against a harmless text.
    pub attack_weight: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            epochs: 6,
            linear_epochs: 4,
            seed: 1,
            source_most: 700,
            made: 16_000,
            dropout: 0.25,
            text_dropout: 0.3,
            text_rate: 0.0,
            table_rate: 0.08,
            head_rate: 0.001,
            attack_weight: 1.0,
        }
    }
}

/// Most bytes of a row that are learnt from.
const TEXT_MOST: usize = 6000;
/// How far a target is from certain.
const SOFT: f32 = 0.005;
/// Units gathered before the head takes a step.
const BATCH: usize = 16;

/// Trains a model.
#[must_use]
pub fn train(rows: &[Row], options: &Options) -> Model {
    let mut draw = Draw::new(options.seed);
    let mut trainer = Trainer::new(*options, &mut draw);
    let stock = stock(rows);
    for epoch in 0..options.epochs {
        trainer.slow = 1.0 - epoch as f32 / options.epochs as f32;
        for job in jobs(rows, options, &mut draw) {
            match job {
                Job::Row(at) => {
                    if let Some(row) = rows.get(at) {
                        let text = row
                            .text
                            .get(..row.text.floor_char_boundary(TEXT_MOST))
                            .unwrap_or(&row.text);
                        trainer.learn(text, row.channel, row.attack.then_some(None), &mut draw);
                    }
                }
                Job::Made => {
                    let made = generate::make(&mut draw, &stock);
                    trainer.learn(&made.text, made.channel, made.attack.map(Some), &mut draw);
                }
            }
        }
    }
    Model::new(&trainer.table, trainer.unit.head, linear(rows, options))
}

/// Trains the linear part, on the same data.
fn linear(rows: &[Row], options: &Options) -> linear::Linear {
    let mut draw = Draw::new(options.seed ^ 0x6c69_6e65);
    let stock = stock(rows);
    let mut trainer = None;
    for epoch in 0..options.linear_epochs {
        let mut bags: Vec<(Bag, bool, f32)> = Vec::new();
        for job in jobs(rows, options, &mut draw) {
            let (text, attack, weight);
            match job {
                Job::Row(at) => {
                    let Some(row) = rows.get(at) else { continue };
                    (text, attack, weight) = (row.text.clone(), row.attack, 1.0);
                }
                Job::Made => {
                    let made = generate::make(&mut draw, &stock);
                    (attack, weight) = (made.attack.is_some(), 0.5);
                    text = made.text;
                }
            }
            let text = text
                .get(..text.floor_char_boundary(linear::STRETCH))
                .unwrap_or_default();
            bags.push((linear::bag(text, &features::tokenize(text)), attack, weight));
        }
        let trainer = trainer.get_or_insert_with(|| {
            LinearTrainer::new(&bags.iter().map(|(bag, _, _)| bag.clone()).collect::<Vec<_>>())
        });
        for (bag, attack, weight) in &bags {
            trainer.learn(bag, *attack, *weight);
        }
        if epoch * 2 >= options.linear_epochs {
            trainer.average();
        }
    }
    trainer.map_or_else(linear::Linear::zero, |trainer| trainer.finish())
}

/// What a channel's thresholds were taken from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibrated {
    /// Which channel.
    pub channel: Channel,
    /// Harmless texts of sources that the scoring model had not seen.
    pub texts: usize,
    /// What came of them.
    pub threshold: Threshold,
}

/// Parts that the harmless sources are dealt into for calibration.
pub const FOLDS: usize = 4;
/// Most texts of one source that calibrate, so that one source does not set a channel's threshold alone.
const CALIBRATE_MOST: usize = 600;
/// Share of harmless texts above the low threshold, by channel. Tools answer often, so theirs is the lowest.
pub const LOW: [f32; Channel::COUNT] = [0.01, 0.002, 0.01, 0.01, 0.01, 0.01];
/// And above the high one.
pub const HIGH: [f32; Channel::COUNT] = [0.001, 0.0005, 0.001, 0.001, 0.001, 0.001];

/// Share of one source's texts that may lie above the low threshold, by channel: a source may be about attacks. A document
/// that quotes attacks holds attacks, so there it is more.
pub const HARD_LOW: [f32; Channel::COUNT] = [0.04, 0.05, 0.08, 0.08, 0.08, 0.05];
/// And above the high one.
const HARD_HIGH: f32 = 0.02;

/// Texts below which a source says nothing about itself: of two, the higher score would set the threshold.
const SOURCE_LEAST: usize = 20;

/// The lowest score that keeps the share over all sources but the worst, and the worst source's own share. A source of
/// few texts counts among the others only.
fn limit(sources: &[Vec<f32>], share: f32, hard: f32) -> f32 {
    let above = |scores: &mut Vec<f32>, share: f32| {
        scores.sort_by(|one, two| two.total_cmp(one));
        scores
            .get((scores.len() as f32 * share) as usize)
            .copied()
            .unwrap_or(0.0)
    };
    let large = |at: &usize| {
        sources
            .get(*at)
            .is_some_and(|scores| scores.len() >= SOURCE_LEAST)
    };
    let worst = (0..sources.len()).filter(large).max_by(|one, two| {
        let tail = |at: usize| above(&mut sources.get(at).cloned().unwrap_or_default(), share);
        tail(*one).total_cmp(&tail(*two))
    });
    let but = |at: &usize| sources.len() < 2 || Some(*at) != worst;
    let mut others: Vec<f32> = (0..sources.len())
        .filter(but)
        .filter_map(|at| sources.get(at))
        .flatten()
        .copied()
        .collect();
    let others = above(&mut others, share);
    worst.map_or(others, |worst| {
        others.max(above(&mut sources.get(worst).cloned().unwrap_or_default(), hard))
    })
}

/// What one source's harmless texts of one channel scored with a model that had not seen the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Unseen {
    /// Their channel.
    pub channel: Channel,
    /// Their source.
    pub source: String,
    /// A score for each text.
    pub scores: Vec<f32>,
}

/// Trains a sibling without one part of the harmless sources, and scores that part. Parts are below [`FOLDS`].
#[must_use]
pub fn unseen(rows: &[Row], options: &Options, fold: usize) -> Vec<Unseen> {
    let mut sources: Vec<&str> = rows
        .iter()
        .filter(|row| !row.attack)
        .map(|row| row.source.as_str())
        .collect();
    sources.sort_unstable();
    sources.dedup();
    Draw::new(options.seed ^ 0x666f_6c64).shuffle(&mut sources);
    let left_out: Vec<&str> = sources.into_iter().skip(fold).step_by(FOLDS).collect();
    // A harmless text whose twin with an attack in it was learnt from is not unseen.
    let attacked: std::collections::BTreeSet<&str> = rows
        .iter()
        .filter(|row| row.attack)
        .map(|row| row.group.as_str())
        .collect();
    let held = |row: &Row| !row.attack && left_out.contains(&row.source.as_str());
    let seen: Vec<Row> = rows.iter().filter(|row| !held(row)).cloned().collect();
    let sibling = train(&seen, options);
    let mut all = Vec::new();
    for source in left_out {
        let mut texts: Vec<&Row> = rows
            .iter()
            .filter(|row| !row.attack && row.source == source && !attacked.contains(row.group.as_str()))
            .collect();
        Draw::new(options.seed).shuffle(&mut texts);
        texts.truncate(CALIBRATE_MOST);
        for channel in Channel::ALL {
            let texts = texts.iter().filter(|row| row.channel == channel);
            let scores: Vec<f32> = texts.map(|row| sibling.highest(channel, &row.text)).collect();
            if !scores.is_empty() {
                all.push(Unseen {
                    channel,
                    source: source.to_owned(),
                    scores,
                });
            }
        }
    }
    all
}

/// Thresholds from what unseen sources scored.
#[must_use]
pub fn calibrate(unseen: &[Unseen]) -> Vec<Calibrated> {
    let one = |channel: Channel| {
        let sources: Vec<Vec<f32>> = unseen
            .iter()
            .filter(|unseen| unseen.channel == channel)
            .map(|unseen| unseen.scores.clone())
            .collect();
        let at = channel.index();
        let low = limit(&sources, item(&LOW, at), item(&HARD_LOW, at));
        let high = limit(&sources, item(&HIGH, at), HARD_HIGH).max(low + 0.5);
        Calibrated {
            channel,
            texts: sources.iter().map(Vec::len).sum(),
            threshold: Threshold { low, high },
        }
    };
    Channel::ALL.into_iter().map(one).collect()
}

/// Trains the model that ships: on everything, with thresholds from harmless sources that a sibling trained without
/// them scored.
#[must_use]
pub fn ship(rows: &[Row], options: &Options) -> (Model, Vec<Calibrated>) {
    let scored: Vec<Unseen> = (0..FOLDS).flat_map(|fold| unseen(rows, options, fold)).collect();
    let calibrated = calibrate(&scored);
    let mut thresholds = [Threshold::default(); Channel::COUNT];
    for one in &calibrated {
        if let Some(threshold) = thresholds.get_mut(one.channel.index()) {
            *threshold = one.threshold;
        }
    }
    (train(rows, options).with_thresholds(thresholds), calibrated)
}

/// What made texts are made from: the harmless rows.
fn stock(rows: &[Row]) -> Stock<'_> {
    let mut stock = Stock::default();
    for row in rows.iter().filter(|row| !row.attack) {
        match row.channel {
            Channel::User if row.text.len() <= 600 => stock.requests.push(&row.text),
            Channel::User | Channel::System => {}
            channel => stock.hosts.push((channel, &row.text)),
        }
    }
    stock
}

enum Job {
    Row(usize),
    Made,
}

/// One epoch's work in random order: of each source a bounded draw, over its groups first.
fn jobs(rows: &[Row], options: &Options, draw: &mut Draw) -> Vec<Job> {
    let mut sources: std::collections::BTreeMap<(&str, bool), std::collections::BTreeMap<&str, Vec<usize>>> =
        std::collections::BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let groups = sources.entry((&row.source, row.attack)).or_default();
        groups.entry(&row.group).or_default().push(at);
    }
    let mut jobs = Vec::new();
    for groups in sources.values() {
        let mut drawn: Vec<usize> = Vec::new();
        for members in groups.values() {
            // A large group gives a few of its members, a small one gives one.
            let times = 1 + members.len().ilog2() as usize * 4;
            for _ in 0..times.min(members.len()) {
                drawn.extend(draw.pick(members));
            }
        }
        draw.shuffle(&mut drawn);
        drawn.truncate(options.source_most);
        jobs.extend(drawn.into_iter().map(Job::Row));
    }
    jobs.extend((0..options.made).map(|_| Job::Made));
    draw.shuffle(&mut jobs);
    jobs
}

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

struct Trainer {
    options: Options,
    table: Vec<f32>,
    /// Sum of squared gradients of each row of the table.
    seen: Vec<f32>,
    unit: Learner<{ super::model::INPUTS }, 48, 16>,
    slow: f32,
}

type Sum = ([f32; DIMS], u32);

/// One text while it is learnt from.
struct Lesson<'a> {
    tokens: &'a [Token],
    units: &'a [Unit],
    sums: &'a [Sum],
    whole: Sum,
    channel: Channel,
    /// Gradient of the whole text's vector, gathered over the units.
    back: [f32; DIMS],
}

impl Trainer {
    fn new(options: Options, draw: &mut Draw) -> Self {
        let table = (0..BUCKETS * DIMS)
            .map(|_| (draw.unit() * 2.0 - 1.0) * 0.1)
            .collect();
        let unit = Learner::new(draw);
        Self {
            options,
            table,
            seen: vec![0.0; BUCKETS],
            unit,
            slow: 1.0,
        }
    }

    /// Learns from one text. `attack` is `None` of a harmless one, and else where the attack is, if that is known.
    fn learn(
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
        let sums: Vec<Sum> = units
            .iter()
            .map(|unit| self.total(&tokens, *unit, Token::grams))
            .collect();
        // The text as a whole is learnt from a part of it, drawn anew each time.
        let mut whole = ([0.0; DIMS], 0);
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
            back: [0.0; DIMS],
        };
        let mut ranked: Vec<(f32, usize)> = sums
            .iter()
            .enumerate()
            .map(|(at, sum)| {
                let kinds = units.get(at).map(|unit| self.total(&tokens, *unit, Token::kinds));
                let scene = lesson.scene(at, *sum, kinds.unwrap_or(([0.0; DIMS], 0)));
                (self.unit.head.run(&scene.input()).logit, at)
            })
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (at, target, weight) in self.lessons(&tokens, &units, &ranked, attack, draw) {
            self.one(&mut lesson, at, target, weight, draw);
        }
        let scale = scale(whole.1);
        let mut gradient = [0.0; DIMS];
        for (out, back) in gradient.iter_mut().zip(&lesson.back) {
            *out = back * scale * self.options.text_rate;
        }
        if self.options.text_rate > 0.0 {
            self.table_step(&all, &gradient);
        }
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
    fn one(&mut self, lesson: &mut Lesson<'_>, at: usize, target: f32, weight: f32, draw: &mut Draw) {
        let (tokens, units) = (lesson.tokens, lesson.units);
        let Some(own) = units.get(at).copied() else {
            return;
        };
        let dropout = self.options.dropout;
        let (unit, grams) = self.sum(tokens, own, Token::grams, dropout, draw);
        let (kinds, kind_grams) = self.sum(tokens, own, Token::kinds, dropout, draw);
        let scene = lesson.scene(at, unit, kinds);
        let input = scene.input();
        let trace = self.unit.head.run(&input);
        // A soft target keeps scores apart where they matter: near the thresholds.
        let target = if target > 0.5 { 1.0 - SOFT } else { SOFT };
        let slope = (sigmoid(trace.logit) - target) * weight;
        let back = self.unit.backward(&input, &trace, slope);
        self.unit.step(self.options.head_rate * self.slow);
        let (unit_scale, text_scale) = (scale(unit.1), scale(lesson.whole.1));
        let mut gradient = [0.0; DIMS];
        let of = |block: usize| part(&back, block * DIMS..(block + 1) * DIMS);
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
    fn total(&self, tokens: &[Token], unit: Unit, which: fn(&Token) -> &[u32]) -> Sum {
        let mut sum = ([0.0; DIMS], 0);
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
    ) -> (Sum, Vec<u32>) {
        let all = part(tokens, unit.first..unit.last).iter().flat_map(which);
        let grams: Vec<u32> = all.filter(|_| !draw.chance(dropout)).copied().collect();
        let mut sum = ([0.0; DIMS], 0);
        for gram in &grams {
            add(&mut sum.0, self.row(*gram), 1.0);
            sum.1 += 1;
        }
        (sum, grams)
    }

    /// An n-gram's vector.
    fn row(&self, gram: u32) -> &[f32] {
        let at = gram as usize * DIMS;
        part(&self.table, at..at + DIMS)
    }

    fn table_step(&mut self, grams: &[u32], gradient: &[f32; DIMS]) {
        let square = gradient.iter().map(|value| value * value).sum::<f32>() / DIMS as f32;
        if square == 0.0 {
            return;
        }
        for gram in grams {
            let Some(seen) = self.seen.get_mut(*gram as usize) else {
                continue;
            };
            *seen += square;
            let rate = self.options.table_rate * self.slow / (seen.sqrt() + 1e-4);
            let at = *gram as usize * DIMS;
            if let Some(row) = self.table.get_mut(at..at + DIMS) {
                add(row, gradient, -rate);
            }
        }
    }
}

impl Lesson<'_> {
    fn scene(&self, at: usize, unit: Sum, kinds: Sum) -> Scene {
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

/// A whole power by multiplication alone.
fn power(base: f32, exponent: i32) -> f32 {
    (0..exponent).fold(1.0, |product, _| product * base)
}

fn add(sum: &mut [f32], values: &[f32], times: f32) {
    for (out, value) in sum.iter_mut().zip(values) {
        *out += value * times;
    }
}

fn join(sum: &mut Sum, other: &Sum) {
    add(&mut sum.0, &other.0, 1.0);
    sum.1 += other.1;
}

fn near(sums: &[Sum], at: usize) -> Sum {
    let mut near = ([0.0; DIMS], 0);
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
