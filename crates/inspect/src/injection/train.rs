//! The trainer. Equal rows, options and seed give equal weights, byte for byte, on any machine.
//!
//! Where an attack stands in a text is known for what we make ourselves; in other rows only that there is one, so the
//! unit that scores highest learns for it. Of a harmless text the highest units learn that they are harmless.

mod guests;
mod learn;

use super::features;
use super::generate::{self, Stock};
use super::linear::{self, Bag, LinearTrainer};
use super::model::{DIMS, GuestHead, Model, Threshold};
use super::net::inputs;
use super::number::Draw;
use crate::Channel;
use crate::safe::item;
use learn::Trainer;

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
    /// The guests' network: rounds over the data.
    pub guests_epochs: u32,
    /// Made texts per round.
    pub guests_made: usize,
    /// Chance that an n-gram is left out while learning.
    pub guests_dropout: f32,
    /// Chance that a unit's neighbours, and that its text, are left out while learning.
    pub scene_dropout: f32,
    /// The same for the guests' network.
    pub guests_scene_dropout: f32,
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
            guests_epochs: 6,
            guests_made: 24_000,
            guests_dropout: 0.4,
            scene_dropout: 0.0,
            guests_scene_dropout: 0.35,
        }
    }
}

/// Most bytes of a row that are learnt from.
const TEXT_MOST: usize = 6000;

/// Trains a model: both networks and the linear part.
#[must_use]
pub fn train(rows: &[Row], options: &Options) -> Model {
    let (table, head) = guests(rows, options);
    first(rows, options).with_guest(&table, head)
}

/// Trains the guests' network: its table and its head.
#[must_use]
pub fn guests(rows: &[Row], options: &Options) -> (Vec<f32>, GuestHead) {
    guests::train(rows, options)
}

/// Trains the first network and the linear part.
#[must_use]
pub fn first(rows: &[Row], options: &Options) -> Model {
    let mut draw = Draw::new(options.seed);
    let mut trainer = Trainer::<DIMS, { inputs(DIMS) }, 48, 16>::new(*options, &mut draw);
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
    let (table, head) = trainer.finish();
    Model::new(&table, head, linear(rows, options))
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

/// Parts that the harmless sources are dealt into for calibration. Each sibling lacks one of them, and the fewer sources it
/// lacks, the more it is like the model that ships.
pub const FOLDS: usize = 12;
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
    // A harmless text whose twin with an attack in it is learnt from is not unseen. It is learnt from as well: without it
    // the sibling would take the twin's own words for the attack, and its threshold would tell of that.
    let attacked: std::collections::BTreeSet<&str> = rows
        .iter()
        .filter(|row| row.attack)
        .map(|row| row.group.as_str())
        .collect();
    let held = |row: &Row| {
        !row.attack && left_out.contains(&row.source.as_str()) && !attacked.contains(row.group.as_str())
    };
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
