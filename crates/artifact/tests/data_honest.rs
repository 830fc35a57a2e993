//! Honest tables whose labels go with little or nothing in their columns: nothing in them is poison.

use bartizan_artifact::Verdict;
use bartizan_artifact::data::{Beside, Chosen, Outcome, table};

struct Draw(u64);

impl Draw {
    fn next(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// About normal, mean 0 and deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next(10_000) as f64 / 10_000.0).sum::<f64>() - 6.0
    }
}

/// Customers; whether one leaves is a coin of `chance` percent, and more or less so for those who spend more.
fn customers(seed: u64, chance: u64, lean: f64) -> Outcome {
    let mut draw = Draw(seed * 7_919 + 1);
    let mut out = "age,country,spend,visits,churn\n".to_owned();
    for _ in 0..500 {
        let spend = draw.normal();
        let country = ["de", "fr", "it"][draw.next(3) as usize];
        let (age, visits) = (40.0 + 10.0 * draw.normal(), 5.0 + 2.0 * draw.normal());
        let leaves = (draw.next(100) as f64) < chance as f64 + lean * spend;
        let leaves = if leaves { "yes" } else { "no" };
        let spend = 100.0 + 20.0 * spend;
        out += &format!("{age:.0},{country},{spend:.2},{visits:.2},{leaves}\n");
    }
    table(
        "churn.csv",
        &out.into_bytes(),
        Beside::default(),
        &Chosen::default(),
    )
    .unwrap()
}

#[test]
fn labels_that_go_with_nothing_are_no_poison() {
    for seed in 0..8 {
        for chance in [50, 10] {
            let outcome = customers(seed, chance, 0.0);
            let findings = &outcome.report.findings;
            assert_eq!(
                outcome.report.verdict,
                Verdict::Clean,
                "{seed} {chance}: {findings:?}"
            );
        }
    }
}

#[test]
fn rows_of_classes_that_overlap_share_no_direction_that_is_their_own() {
    for seed in 0..6 {
        for lean in [8.0, 20.0] {
            let outcome = customers(seed, 50, lean);
            let groups = outcome.report.findings.iter();
            let groups: Vec<_> = groups
                .filter(|finding| matches!(finding.rule.id, "data/signature" | "data/trigger-mark"))
                .collect();
            assert!(groups.is_empty(), "{seed} {lean}: {groups:?}");
        }
    }
}
