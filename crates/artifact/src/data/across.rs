//! Whether rows on the wrong side of a border are labelled wrong, or are where classes meet.
//!
//! Where honest classes overlap, those across the border are the fewer the farther they are from it: nearly none is as deep
//! on the other side as the middle of the rows that are at home there. A label that was turned says nothing of where its
//! row is, so half of these are. That holds for each side alone, and finds labels that were turned one way as well, which a
//! learner takes for a class that it is a little less sure of.
//!
//! Nothing is said of a class that does not follow from the rows: rows that seem to be of it have to be of it, more often
//! than any row is. By a coin, or by a rare event, no row is on a wrong side.

use super::statistics::{at, ln_binomial_tail};

/// Rows that have to seem to be of a class.
const LEAST: u64 = 5;
/// The share of rows that seem to be of a class and have its label, from which on it follows from the rows.
const FOLLOWS: f64 = 0.7;
/// `ln` of the chance that so many have it whatever the rows are: one in a thousand.
const LN_FOLLOWS: f64 = -6.9;
/// The share of those across that are deep in honest data, at least.
const DEEP: f64 = 0.05;
/// `ln` of the chance that classes which only overlap are said to hold turned labels: one of a hundred data sets.
pub(super) const LN_TURNED: f64 = -4.6;
/// Rows that what is turned in all classes weighs in one.
const WEIGHT: f64 = 20.0;
/// How often a label is another class's, at least and at most.
const RATES: (f64, f64) = (1e-4, 0.45);

/// Rows on one side of a border.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Side {
    /// Those that have the side's label.
    pub(super) home: u64,
    /// Of these, those that are as deep as their middle.
    pub(super) home_deep: u64,
    /// Those that have another's.
    pub(super) across: u64,
    /// Of these, those that are as deep as the middle of those at home.
    pub(super) deep: u64,
}

impl Side {
    /// Counts rows by how deep they are on the side.
    pub(super) fn of(home: &mut [f64], across: &[f64]) -> Self {
        home.sort_by(f64::total_cmp);
        let Some(middle) = home.get(home.len() / 2).copied() else {
            return Self {
                across: across.len() as u64,
                ..Self::default()
            };
        };
        Self {
            home: home.len() as u64,
            home_deep: home.iter().filter(|depth| **depth >= middle).count() as u64,
            across: across.len() as u64,
            deep: across.iter().filter(|depth| **depth >= middle).count() as u64,
        }
    }

    /// Both as one.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            home: self.home + other.home,
            home_deep: self.home_deep + other.home_deep,
            across: self.across + other.across,
            deep: self.deep + other.deep,
        }
    }

    /// `ln p` that so many are deep where classes overlap. Of classes that overlap in a share of their rows, normal or with
    /// straight slopes, no larger share of those across is deep: of a fifth it is an eighth, of a tenth a thirtieth.
    pub(super) fn ln_p(self) -> f64 {
        let overlap = self.across as f64 / (self.home + self.across).max(1) as f64;
        ln_binomial_tail(self.deep, self.across, overlap.max(DEEP))
    }

    /// How many of the deep ones have another's label.
    fn rate(self) -> f64 {
        self.deep as f64 / (self.deep + self.home_deep).max(1) as f64
    }
}

/// Which classes follow from the rows, by the class that each row seems to be of without its own label.
pub(super) fn following(seems: &[u32], labels: &[u32], classes: usize) -> Vec<bool> {
    let (mut sizes, mut seen, mut home) = (vec![0_u64; classes], vec![0_u64; classes], vec![0_u64; classes]);
    for (seem, label) in seems.iter().zip(labels) {
        count(&mut sizes, *label);
        count(&mut seen, *seem);
        if seem == label {
            count(&mut home, *seem);
        }
    }
    let rows = labels.len().max(1) as f64;
    (0..classes)
        .map(|class| {
            let (seen, home) = (at(&seen, class), at(&home, class));
            let share = at(&sizes, class) as f64 / rows;
            seen >= LEAST
                && home as f64 >= FOLLOWS * seen as f64
                && ln_binomial_tail(home, seen, share) < LN_FOLLOWS
        })
        .collect()
}

fn count(counts: &mut [u64], class: u32) {
    if let Some(count) = counts.get_mut(class as usize) {
        *count += 1;
    }
}

/// What the two sides of every border say.
#[derive(Debug, Clone)]
pub(super) struct Across {
    /// Classes that follow from the rows.
    pub(super) follows: Vec<bool>,
    /// Classes among whose rows labels were turned to others.
    pub(super) turned: Vec<bool>,
    /// How often a row of each class has another's label.
    pub(super) rates: Vec<f64>,
}

impl Across {
    /// By the class that each row seems to be of without its own label, and how much more than of any other.
    pub(super) fn of(seems: &[u32], depths: &[f64], labels: &[u32], classes: usize) -> Self {
        let follows = following(seems, labels, classes);
        let mut home: Vec<Vec<f64>> = vec![Vec::new(); classes];
        let mut across: Vec<Vec<f64>> = vec![Vec::new(); classes];
        for ((seem, depth), label) in seems.iter().zip(depths).zip(labels) {
            let into = if seem == label { &mut home } else { &mut across };
            if let Some(depths) = into
                .get_mut(*seem as usize)
                .filter(|_| at(&follows, *label as usize))
            {
                depths.push(*depth);
            }
        }
        let sides: Vec<Side> = home
            .iter_mut()
            .zip(&across)
            .map(|(home, across)| Side::of(home, across))
            .collect();
        let told = sides.iter().zip(&follows).filter(|(_, follows)| **follows);
        let pooled = told.fold(Side::default(), |all, (side, _)| all.with(*side));
        let tests = follows.iter().filter(|follows| **follows).count() + 1;
        let limit = LN_TURNED - (tests as f64).ln();
        let anywhere = pooled.ln_p() < limit;
        let turned: Vec<bool> = sides
            .iter()
            .zip(&follows)
            .map(|(side, follows)| *follows && (anywhere || side.ln_p() < limit))
            .collect();
        let usual = WEIGHT * pooled.rate();
        let rates = sides
            .iter()
            .zip(&turned)
            .map(|(side, turned)| {
                let deep = (side.deep + side.home_deep) as f64;
                let rate = (side.deep as f64 + usual) / (deep + WEIGHT);
                if *turned {
                    rate.clamp(RATES.0, RATES.1)
                } else {
                    RATES.0
                }
            })
            .collect();
        Self {
            follows,
            turned,
            rates,
        }
    }

    /// Whether labels were turned at all.
    pub(super) fn any(&self) -> bool {
        self.turned.contains(&true)
    }

    /// Whether no two classes follow from the rows, so that nothing can be said of labels.
    pub(super) fn nothing(&self) -> bool {
        self.follows.iter().filter(|follows| **follows).count() < 2
    }

    /// Whether a row with this label may be called one of `instead`.
    pub(super) fn may(&self, label: usize, instead: usize) -> bool {
        at(&self.follows, label) && at(&self.turned, instead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::statistics::Seeded;

    /// Rows along a line, whose classes lie `apart` deviations from its middle; of each hundred of the first class, `turned`
    /// have the other's label.
    fn line(seed: u64, rows: usize, apart: f64, turned: f64) -> Across {
        let mut seeded = Seeded(seed);
        let (mut seems, mut depths, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..rows {
            let class = row % 2;
            let side = if class == 0 { -apart } else { apart };
            let place = side + f64::from(seeded.normal());
            seems.push(u32::from(place > 0.0));
            depths.push(place.abs());
            let flip = class == 0 && seeded.unit() < turned;
            labels.push(if flip { 1 } else { class as u32 });
        }
        Across::of(&seems, &depths, &labels, 2)
    }

    #[test]
    fn classes_that_overlap_hold_no_turned_labels() {
        for apart in [0.0, 0.3, 0.7, 0.9, 1.2, 1.6, 2.0] {
            for rows in [200, 500, 2_000, 5_000] {
                let wrong = (0..100)
                    .filter(|seed| line(*seed, rows, apart, 0.0).any())
                    .count();
                assert!(wrong <= 2, "{apart} {rows}: {wrong} of 100");
            }
        }
    }

    #[test]
    fn labels_turned_one_way_are_told_where_classes_follow() {
        for (rows, turned) in [
            (400, 0.1),
            (1_000, 0.05),
            (1_000, 0.1),
            (5_000, 0.05),
            (5_000, 0.2),
        ] {
            for apart in [2.0, 2.5, 4.0] {
                let told = (0..20).filter(|seed| {
                    let across = line(*seed, rows, apart, turned);
                    across.may(1, 0) && (at(&across.rates, 0) - turned).abs() < 0.05
                });
                let told = told.count();
                assert!(told >= 15, "{rows} {turned} {apart}: {told} of 20");
            }
        }
    }

    #[test]
    fn a_coin_and_a_rare_event_follow_from_nothing() {
        let mut seeded = Seeded(7);
        for share in [0.5, 0.1, 0.02] {
            let rows = 0..2_000;
            let labels: Vec<u32> = rows.clone().map(|_| u32::from(seeded.unit() < share)).collect();
            let seems: Vec<u32> = rows.clone().map(|_| u32::from(seeded.unit() < share)).collect();
            let depths: Vec<f64> = rows.map(|_| seeded.unit()).collect();
            let across = Across::of(&seems, &depths, &labels, 2);
            assert!(across.nothing() && !across.any(), "{share}: {across:?}");
            let never = vec![0; labels.len()];
            assert!(
                Across::of(&never, &depths, &labels, 2).nothing(),
                "{share}: nothing seems rare"
            );
        }
    }
}
