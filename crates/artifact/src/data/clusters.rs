//! Small groups of texts that hang together in a corpus of any size: floods of near-copies, a word after which sense
//! ends. Counted in texts and never in percent, since a few hundred are
//! enough whatever they are among.

use std::collections::HashMap;

use super::statistics::{Seeded, at, ln_binomial_tail, mix};
use super::text::{Texts, gram};

/// Numbers of one text's signature, in bands of four.
const HASHES: usize = 32;
const BAND: usize = 4;
/// Copies that make a flood.
pub(crate) const FLOOD: usize = 20;
/// Rows below which fewer make one worth a note: a tenth of them, and five.
const FEW: usize = 200;
/// Texts that make a small cluster.
pub(crate) const SMALL: usize = 10;
/// Pairs of words counted at once.
const PAIRS_MAX: usize = 1 << 24;

/// Texts that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) subject: String,
    pub(crate) rows: Vec<u32>,
    pub(crate) ln_p: f64,
}

/// Near-copies: texts of which most runs of three words are the same.
pub(crate) fn floods(texts: &Texts) -> Vec<Cluster> {
    let seeds: Vec<u64> = {
        let mut seeded = Seeded(0xf100d);
        (0..HASHES).map(|_| seeded.next()).collect()
    };
    let mut signatures: Vec<u32> = Vec::with_capacity(texts.rows() * HASHES);
    for words in texts.iter() {
        let size = words.len().clamp(1, 3);
        for seed in &seeds {
            let least = words.windows(size).map(|window| mix(gram(window) ^ seed)).min();
            signatures.push((least.unwrap_or(0) >> 32) as u32);
        }
    }
    let signature = |row: u32| {
        signatures
            .get(row as usize * HASHES..(row as usize + 1) * HASHES)
            .unwrap_or(&[])
    };
    let alike = |a: u32, b: u32| {
        signature(a)
            .iter()
            .zip(signature(b))
            .filter(|(x, y)| x == y)
            .count()
    };
    let mut parents: Vec<u32> = (0..texts.rows() as u32).collect();
    for band in 0..HASHES / BAND {
        let mut firsts: HashMap<&[u32], u32> = HashMap::new();
        for row in 0..texts.rows() as u32 {
            if texts.row(row as usize).len() < 5 {
                continue;
            }
            let Some(key) = signature(row).get(band * BAND..(band + 1) * BAND) else {
                continue;
            };
            let first = *firsts.entry(key).or_insert(row);
            if first != row && alike(first, row) * 2 >= HASHES {
                let (a, b) = (root(&mut parents, first), root(&mut parents, row));
                if let Some(parent) = parents.get_mut(a.max(b) as usize) {
                    *parent = a.min(b);
                }
            }
        }
    }
    let mut groups: HashMap<u32, Vec<u32>> = HashMap::new();
    for row in 0..texts.rows() as u32 {
        groups.entry(root(&mut parents, row)).or_default().push(row);
    }
    let least = flood(texts.rows());
    let base = ordinary(texts.rows(), alike);
    let pairs = 2.0 * (texts.rows().max(2) as f64).ln();
    let mut found: Vec<Cluster> = groups
        .into_iter()
        .filter(|(_, rows)| rows.len() >= least)
        .map(|(first, rows)| {
            let mean = rows.iter().skip(1).map(|row| alike(first, *row)).sum::<usize>() / (rows.len() - 1);
            let ln_p = (ln_binomial_tail(mean as u64, HASHES as u64, base) + pairs).min(0.0);
            Cluster {
                subject: opening(texts, first),
                rows,
                ln_p,
            }
        })
        .collect();
    found.sort_by(|a, b| b.rows.len().cmp(&a.rows.len()).then(a.rows.cmp(&b.rows)));
    found
}

/// Copies that are told of, in so many texts.
pub(crate) fn flood(texts: usize) -> usize {
    if texts < FEW { (texts / 10).max(5) } else { FLOOD }
}

/// How often two texts taken at random agree in one number of their signatures.
fn ordinary(rows: usize, alike: impl Fn(u32, u32) -> usize) -> f64 {
    let mut seeded = Seeded(0xba5e);
    let mut agree = 0;
    for _ in 0..2_000 {
        let (a, b) = (seeded.below(rows) as u32, seeded.below(rows) as u32);
        if a != b {
            agree += alike(a, b);
        }
    }
    (agree as f64 / (2_000 * HASHES) as f64).clamp(0.01, 0.5)
}

fn root(parents: &mut [u32], mut row: u32) -> u32 {
    while at(parents, row as usize) != row {
        let above = at(parents, at(parents, row as usize) as usize);
        if let Some(parent) = parents.get_mut(row as usize) {
            *parent = above;
        }
        row = above;
    }
    row
}

pub(crate) fn opening(texts: &Texts, row: u32) -> String {
    let words = texts
        .row(row as usize)
        .iter()
        .take(12)
        .map(|word| texts.word(*word));
    words.collect::<Vec<_>>().join(" ")
}

/// Words after which sense ends: what follows them is pairs of words that nobody else writes. A number is a number, since
/// every order has another and says nothing by it.
pub(crate) fn nonsense(texts: &Texts) -> Vec<Cluster> {
    const AFTER: usize = 16;
    let number = |word: u32| texts.word(word).contains(|letter: char| letter.is_numeric());
    let kinds: Vec<u32> = (0..texts.words() as u32)
        .map(|word| if number(word) { u32::MAX } else { word })
        .collect();
    let kind = |word: u32| at(&kinds, word as usize);
    let key = |pair: &[u32]| gram(&[kind(at(pair, 0)), kind(at(pair, 1))]);
    let mut pairs: HashMap<u64, u32> = HashMap::new();
    let mut held: HashMap<u32, Vec<(u32, u32)>> = HashMap::new();
    let most = (texts.rows() / 20).clamp(2_000, 20_000);
    for (row, words) in texts.iter().enumerate() {
        for (start, word) in words.iter().enumerate() {
            let places = held.entry(*word).or_default();
            if places.len() <= most && places.last().is_none_or(|(last, _)| *last != row as u32) {
                places.push((row as u32, start as u32));
            }
        }
        for pair in words.windows(2) {
            if pairs.len() < PAIRS_MAX {
                *pairs.entry(key(pair)).or_default() += 1;
            }
        }
    }
    let single = |pair: &[u32]| pairs.get(&key(pair)).is_some_and(|count| *count == 1);
    let total: u64 = pairs.values().map(|count| u64::from(*count)).sum();
    let alone = pairs.values().filter(|count| **count == 1).count();
    let base = (alone as f64 / total.max(1) as f64).clamp(0.01, 0.95);
    let tested = (held.len().max(1) as f64).ln();
    let mut found = Vec::new();
    for (word, places) in held
        .iter()
        .filter(|(_, places)| places.len() >= SMALL && places.len() <= most)
    {
        let (mut odd, mut all) = (0_u64, 0_u64);
        for (row, start) in places {
            let words = texts.row(*row as usize);
            let after = words.get(*start as usize + 1..).unwrap_or(&[]);
            for pair in after.get(..after.len().min(AFTER)).unwrap_or(&[]).windows(2) {
                all += 1;
                odd += u64::from(single(pair));
            }
        }
        // Pairs in one text come together, so a third of them count as evidence.
        let ln_p = ln_binomial_tail(odd / 3, all / 3, base) + tested;
        let share = odd as f64 / all.max(1) as f64;
        if ln_p < -14.0 && share > base + 0.6 * (1.0 - base) {
            let rows = places.iter().map(|(row, _)| *row).collect();
            found.push(Cluster {
                subject: texts.word(*word).to_owned(),
                rows,
                ln_p,
            });
        }
    }
    found.sort_by(|a, b| a.ln_p.total_cmp(&b.ln_p).then(a.subject.cmp(&b.subject)));
    let mut seen: std::collections::HashSet<u32> = std::collections::HashSet::new();
    found.retain(|cluster| {
        let old = cluster.rows.iter().filter(|row| seen.contains(row)).count();
        seen.extend(&cluster.rows);
        old * 2 < cluster.rows.len()
    });
    found
}
