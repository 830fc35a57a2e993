//! What the classifier is worth on attacks it has not seen: one family of attacks is held out, with its near-duplicates
//! and a quarter of the harmless sources of each channel, from which the thresholds are taken.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_inspect::Channel;
use bartizan_inspect::injection::model::Model;
use bartizan_inspect::injection::number::Draw;
use bartizan_inspect::injection::train::{HARD_LOW, HIGH, LOW, Options, Row, train};

use super::Text;
use crate::figure::Figure;

/// Names and units of the figures.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("lofo_mean_recall_at_1pct_fpr", "share"),
    ("lofo_mean_recall_at_01pct_fpr", "share"),
    ("twin_mean_auc", "share"),
    ("hard_benign_fpr", "share"),
    ("tool_output_fpr", "share"),
];
/// Least attacks of a family that is held out.
const FAMILY_LEAST: usize = 200;
/// Most texts scored of one kind in one run.
const SCORED_MOST: usize = 1200;
/// Sources whose harmless texts look like attacks.
const HARD: &[&str] = &["system_prompts", "agent_rules", "ai_security_docs", "spikee_fp"];
/// Ordinary sentences with the words of attacks, written by hand for this and used for nothing else.
const HAND: &str = include_str!("../../inspect/hard_benign.txt");

#[derive(Default)]
struct Tally {
    low: Vec<f64>,
    high: Vec<f64>,
    twins: Vec<f64>,
    /// Flagged and all, by set.
    hard: BTreeMap<String, (u64, u64)>,
    tools: (u64, u64),
}

/// Trains and measures, family by family.
pub(super) fn run(texts: &[Text], quick: bool) -> Vec<Figure> {
    let mut families: BTreeMap<&str, usize> = BTreeMap::new();
    for text in texts.iter().filter(|text| text.row.attack) {
        *families.entry(&text.family).or_default() += 1;
    }
    let mut tally = Tally::default();
    let seeds = if quick { 1 } else { 3 };
    for seed in 1..=seeds {
        for (family, _) in families.iter().filter(|(_, count)| **count >= FAMILY_LEAST) {
            one(texts, family, seed, &mut tally);
        }
    }
    figures(&tally)
}

fn one(texts: &[Text], family: &str, seed: u64, tally: &mut Tally) {
    let unseen = unseen(texts, family, seed);
    let attacked: BTreeSet<&str> = texts
        .iter()
        .filter(|text| text.row.attack)
        .map(|text| text.row.group.as_str())
        .collect();
    // A harmless text whose twin with an attack in it is learnt from is not unseen, and is learnt from as well.
    let is_unseen = |text: &Text| {
        !text.row.attack
            && unseen.contains(text.row.source.as_str())
            && !attacked.contains(text.row.group.as_str())
    };
    let rows = learnt_from(texts, family, is_unseen);
    let model = train(
        &rows,
        &Options {
            seed,
            ..Options::default()
        },
    );
    // Half of the unseen texts, by their near-duplicate group, set the thresholds; the other half measures.
    let half = |text: &Text| in_first_half(text, seed);
    let thresholds = calibrated(&model, |channel, source| {
        sample(texts, 4000, seed, |text| {
            let wanted = match source {
                Some(source) => text.row.source == source,
                // Of the system channel there are only hard ones.
                None => channel == Channel::System || !HARD.contains(&text.row.source.as_str()),
            };
            is_unseen(text) && text.row.channel == channel && half(text) && wanted
        })
    });
    let attacks = sample(texts, SCORED_MOST, seed, |text| {
        text.family == family && text.row.attack
    });
    let scores = scored(&model, &attacks);
    let above = |high: bool| {
        let hits = attacks.iter().zip(&scores).filter(|(text, score)| {
            thresholds
                .get(&text.row.channel)
                .is_some_and(|(low, most)| **score > if high { *most } else { *low })
        });
        hits.count() as f64 / attacks.len().max(1) as f64
    };
    tally.low.push(above(false));
    tally.high.push(above(true));
    let twins = sample(texts, SCORED_MOST, seed, |text| {
        text.family == family && !text.row.attack
    });
    let twin = (twins.len() >= 100).then(|| auc(&scores, &scored(&model, &twins)));
    tally.twins.extend(twin);
    let (hits, all) = harmless(&model, &thresholds, tally, |wanted| {
        sample(texts, SCORED_MOST, seed, |text| {
            is_unseen(text) && !half(text) && wanted(text)
        })
    });
    eprintln!(
        "{family} seed {seed}: {} attacks, recall {:.3} and {:.3}, twins {twin:.3?}, tools {hits} of {all}",
        attacks.len(),
        above(false),
        above(true)
    );
}

/// What is learnt from: neither the family, nor near-duplicates of it, nor what is unseen.
fn learnt_from(texts: &[Text], family: &str, is_unseen: impl Fn(&Text) -> bool) -> Vec<Row> {
    let groups: BTreeSet<&str> = texts
        .iter()
        .filter(|text| text.family == family)
        .map(|text| text.row.group.as_str())
        .collect();
    texts
        .iter()
        .filter(|text| text.family != family && !groups.contains(text.row.group.as_str()))
        .filter(|text| !is_unseen(text))
        .map(|text| text.row.clone())
        .collect()
}

/// Texts of one near-duplicate group lie on the same side.
fn in_first_half(text: &Text, seed: u64) -> bool {
    let step = |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte));
    text.row.group.bytes().fold(seed, step).is_multiple_of(2)
}

/// Thresholds of the channels that have enough texts, by the rule of the model that ships: a share of the ordinary
/// texts, and for the low one no more than another of any one source that looks like attacks.
fn calibrated<'a>(
    model: &Model,
    texts: impl Fn(Channel, Option<&str>) -> Vec<&'a Text>,
) -> BTreeMap<Channel, (f32, f32)> {
    let mut thresholds = BTreeMap::new();
    for channel in Channel::ALL {
        let ordinary = texts(channel, None);
        if ordinary.len() < 50 {
            continue;
        }
        let at = channel.index();
        let mut both = above(model, &ordinary, (LOW[at], HIGH[at]));
        for source in HARD {
            let hard = texts(channel, Some(source));
            if hard.len() >= 20 {
                both.0 = both.0.max(above(model, &hard, (HARD_LOW[at], 0.0)).0);
            }
        }
        thresholds.insert(channel, (both.0, both.1.max(both.0)));
    }
    thresholds
}

/// Flags harmless texts, hard ones by source and tools' answers, and returns the latter's counts.
fn harmless<'a>(
    model: &Model,
    thresholds: &BTreeMap<Channel, (f32, f32)>,
    tally: &mut Tally,
    texts: impl Fn(&dyn Fn(&Text) -> bool) -> Vec<&'a Text>,
) -> (u64, u64) {
    let flagged = |texts: &[&Text]| {
        let above = |text: &&&Text| {
            let low = thresholds.get(&text.row.channel);
            low.is_some_and(|(low, _)| model.highest(text.row.channel, &text.row.text) > *low)
        };
        (texts.iter().filter(above).count() as u64, texts.len() as u64)
    };
    for source in HARD {
        let (hits, all) = flagged(&texts(&|text| text.row.source == *source));
        let entry = tally.hard.entry((*source).to_owned()).or_default();
        *entry = (entry.0 + hits, entry.1 + all);
    }
    if let Some((low, _)) = thresholds.get(&Channel::User) {
        let entry = tally.hard.entry("by hand".to_owned()).or_default();
        for line in HAND.lines().filter(|line| !line.is_empty()) {
            *entry = (
                entry.0 + u64::from(model.highest(Channel::User, line) > *low),
                entry.1 + 1,
            );
        }
    }
    let (hits, all) = flagged(&texts(&|text| text.row.channel == Channel::Tool));
    tally.tools = (tally.tools.0 + hits, tally.tools.1 + all);
    (hits, all)
}

/// A quarter of the ordinary harmless sources of each channel, and half of those that look like attacks. Sources that are
/// little more than the contexts of attacks do not count: they have hardly a text that is unseen, and a channel whose
/// quarter they were had no thresholds, so that no attack in it was found.
fn unseen<'a>(texts: &'a [Text], family: &str, seed: u64) -> BTreeSet<&'a str> {
    let attacked: BTreeSet<&str> = texts
        .iter()
        .filter(|text| text.row.attack)
        .map(|text| text.row.group.as_str())
        .collect();
    let mut sizes: BTreeMap<(Channel, &str), (usize, usize)> = BTreeMap::new();
    for text in texts
        .iter()
        .filter(|text| !text.row.attack && text.family != family)
    {
        let size = sizes.entry((text.row.channel, &text.row.source)).or_default();
        size.0 += usize::from(attacked.contains(text.row.group.as_str()));
        size.1 += 1;
    }
    let mut by: BTreeMap<Channel, BTreeSet<&str>> = BTreeMap::new();
    for ((channel, source), _) in sizes.into_iter().filter(|(_, (twins, all))| twins * 2 < *all) {
        by.entry(channel).or_default().insert(source);
    }
    let mut draw = Draw::new(seed * 1000 + 7);
    let mut unseen = BTreeSet::new();
    for sources in by.into_values() {
        let (mut hard, mut sources): (Vec<&str>, Vec<&str>) =
            sources.into_iter().partition(|source| HARD.contains(source));
        draw.shuffle(&mut sources);
        draw.shuffle(&mut hard);
        if sources.len() > 1 {
            let count = (sources.len() / 4).max(1);
            unseen.extend(sources.into_iter().take(count));
        }
        let count = hard.len().div_ceil(2);
        unseen.extend(hard.into_iter().take(count));
    }
    unseen
}

fn sample(texts: &[Text], most: usize, seed: u64, wanted: impl Fn(&Text) -> bool) -> Vec<&Text> {
    let mut texts: Vec<&Text> = texts.iter().filter(|text| wanted(text)).collect();
    Draw::new(seed).shuffle(&mut texts);
    texts.truncate(most);
    texts
}

fn scored(model: &Model, texts: &[&Text]) -> Vec<f32> {
    texts
        .iter()
        .map(|text| model.highest(text.row.channel, &text.row.text))
        .collect()
}

/// The scores that these shares of the texts lie above.
fn above(model: &Model, texts: &[&Text], shares: (f32, f32)) -> (f32, f32) {
    let mut scores = scored(model, texts);
    scores.sort_by(|one, two| two.total_cmp(one));
    let above = |share: f32| {
        scores
            .get((scores.len() as f32 * share) as usize)
            .copied()
            .unwrap_or(f32::MAX)
    };
    (above(shares.0), above(shares.1))
}

/// Area under the curve: the chance that an attack scores above a harmless text.
fn auc(attacks: &[f32], harmless: &[f32]) -> f64 {
    let mut all: Vec<(f32, bool)> = attacks
        .iter()
        .map(|score| (*score, true))
        .chain(harmless.iter().map(|score| (*score, false)))
        .collect();
    all.sort_by(|one, two| one.0.total_cmp(&two.0));
    let (mut below, mut wins, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let end = at + all[at..].iter().take_while(|one| one.0 == all[at].0).count();
        let hits = all[at..end].iter().filter(|one| one.1).count() as f64;
        let rest = (end - at) as f64 - hits;
        wins += hits * (below + rest / 2.0);
        below += rest;
        at = end;
    }
    wins / (attacks.len() as f64 * harmless.len() as f64)
}

fn figures(tally: &Tally) -> Vec<Figure> {
    let mean = |name: &str, values: &[f64]| {
        if values.is_empty() {
            return Figure::missing(name, "share", "no family was large enough");
        }
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(*value), high.max(*value))
        });
        Figure::of(
            name,
            values.iter().sum::<f64>() / values.len() as f64,
            "share",
            values.len() as u64,
        )
        .spread(low, high)
    };
    let share = |name: &str, (hits, all): (u64, u64)| {
        let (low, high) = wilson(hits, all);
        Figure::of(name, hits as f64 / all as f64, "share", all).spread(low, high)
    };
    let mut figures = vec![
        mean(NAMES[0].0, &tally.low),
        mean(NAMES[1].0, &tally.high),
        mean(NAMES[2].0, &tally.twins),
    ];
    // Sets differ in size, so each counts once.
    let shares: Vec<f64> = tally
        .hard
        .values()
        .filter(|(_, all)| *all > 0)
        .map(|(hits, all)| *hits as f64 / *all as f64)
        .collect();
    figures.push(mean(NAMES[3].0, &shares));
    figures.extend(
        tally
            .hard
            .iter()
            .map(|(set, counts)| share(&format!("hard_benign_fpr_{}", set.replace(' ', "_")), *counts)),
    );
    figures.push(share(NAMES[4].0, tally.tools));
    figures
}

/// Wilson's interval at 95 %.
pub(super) fn wilson(hits: u64, all: u64) -> (f64, f64) {
    if all == 0 {
        return (0.0, 1.0);
    }
    let (n, p, z) = (all as f64, hits as f64 / all as f64, 1.96_f64);
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}
