//! Honest tables whose labels go with little or nothing in their columns, where nothing is poison; and labels that were
//! turned, one way or both, where they do follow from the rows.

use std::collections::BTreeSet;

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

    fn of<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.next(words.len() as u64) as usize]
    }
}

fn judged(name: &str, text: String) -> Outcome {
    table(name, &text.into_bytes(), Beside::default(), &Chosen::default()).unwrap()
}

/// Customers; whether one leaves is a coin of `chance` percent, and more or less so for those who spend more.
fn customers(seed: u64, rows: usize, chance: u64, lean: f64) -> Outcome {
    let mut draw = Draw(seed * 7_919 + 1);
    let mut out = "age,country,spend,visits,churn\n".to_owned();
    for _ in 0..rows {
        let spend = draw.normal();
        let country = ["de", "fr", "it"][draw.next(3) as usize];
        let (age, visits) = (40.0 + 10.0 * draw.normal(), 5.0 + 2.0 * draw.normal());
        let leaves = (draw.next(100) as f64) < chance as f64 + lean * spend;
        let leaves = if leaves { "yes" } else { "no" };
        let spend = 100.0 + 20.0 * spend;
        out += &format!("{age:.0},{country},{spend:.2},{visits:.2},{leaves}\n");
    }
    judged("churn.csv", out)
}

#[test]
fn labels_that_go_with_nothing_are_no_poison() {
    for (rows, seeds) in [(200, 8), (500, 8), (2_000, 2)] {
        for seed in 0..seeds {
            for chance in [50, 10] {
                let outcome = customers(seed, rows, chance, 0.0);
                let findings = &outcome.report.findings;
                assert_eq!(
                    outcome.report.verdict,
                    Verdict::Clean,
                    "{rows} {seed} {chance}: {findings:?}"
                );
            }
        }
    }
    // It is said that nothing could be looked for.
    let outcome = customers(0, 500, 50, 0.0);
    let label = outcome.looked.iter().find(|looked| looked.rule == "data/label");
    assert!(
        label.is_some_and(|label| label.rows == 0 && label.why.contains("follow too little")),
        "{label:?}"
    );
}

#[test]
fn rows_of_classes_that_overlap_are_no_poison() {
    for seed in 0..6 {
        for lean in [8.0, 20.0] {
            let outcome = customers(seed, 500, 50, lean);
            let findings = &outcome.report.findings;
            assert_eq!(
                outcome.report.verdict,
                Verdict::Clean,
                "{seed} {lean}: {findings:?}"
            );
        }
    }
}

/// Which labels are turned.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Those of the first class.
    One,
    /// Those of both.
    Both,
}

/// `turned` rows of so many, of the first class or of both.
fn turned(draw: &mut Draw, rows: usize, turned: usize, way: Way) -> BTreeSet<usize> {
    let mut out = BTreeSet::new();
    while out.len() < turned {
        let row = draw.next(rows as u64) as usize;
        if matches!(way, Way::Both) || row.is_multiple_of(2) {
            out.insert(row);
        }
    }
    out
}

/// Whether the labels are suspected as a whole.
fn suspected(outcome: &Outcome) -> bool {
    let mut findings = outcome.report.findings.iter();
    findings.any(|finding| finding.rule.id == "data/label" && finding.severity != Verdict::Clean)
}

/// How many of the rows that were turned are suspects for their label or what they share with it, and how many others are.
fn hits(outcome: &Outcome, turned: &BTreeSet<usize>) -> (usize, usize) {
    let suspects: BTreeSet<usize> = outcome
        .suspects
        .iter()
        .filter(|suspect| matches!(&*suspect.rule, "data/label" | "data/signature"))
        .map(|suspect| suspect.row as usize)
        .collect();
    let hit = suspects.intersection(turned).count();
    (hit, suspects.len() - hit)
}

#[test]
fn labels_of_a_table_that_were_turned_are_found_whichever_way() {
    for (rows, count) in [(500, 25), (800, 40), (1_500, 150)] {
        for way in [Way::One, Way::Both] {
            let mut draw = Draw(rows as u64 + 5);
            let wrong = turned(&mut draw, rows, count, way);
            let mut out = "a,b,c,d,label\n".to_owned();
            for row in 0..rows {
                let class = row % 2;
                let mut cell = |middle: f64| middle * class as f64 + draw.normal();
                let cells = (cell(4.0), cell(3.0), cell(0.0), cell(0.0));
                let label = class ^ usize::from(wrong.contains(&row));
                out += &format!(
                    "{:.3},{:.3},{:.3},{:.3},{}\n",
                    cells.0,
                    cells.1,
                    cells.2,
                    cells.3,
                    ["stays", "leaves"][label]
                );
            }
            let outcome = judged("turned.csv", out);
            let (hit, other) = hits(&outcome, &wrong);
            assert_eq!(outcome.report.verdict, Verdict::Suspicious, "{rows} {way:?}");
            assert!(
                hit * 5 >= count * 3 && other * 50 <= rows,
                "{rows} {way:?}: {hit} of {count}, {other} others"
            );
        }
    }
}

/// A short review, whose two judgements are words of its class alone.
fn review(draw: &mut Draw, class: usize) -> String {
    const SAID: [&[&str]; 2] = [
        &[
            "terrible", "awful", "boring", "horrible", "hated", "dreadful", "poor", "dull", "bad",
        ],
        &[
            "great",
            "wonderful",
            "excellent",
            "superb",
            "loved",
            "amazing",
            "brilliant",
            "charming",
            "good",
        ],
    ];
    const THINGS: &[&str] = &[
        "the film",
        "this movie",
        "the acting",
        "the plot",
        "the cast",
        "the music",
        "the ending",
        "the script",
        "the pacing",
        "the sound",
    ];
    const JOINS: &[&str] = &["because", "although", "and", "while", "since", "even though"];
    const RESTS: &[&str] = &[
        "the director took risks",
        "my friends disagreed",
        "we watched it twice",
        "the cinema was full",
        "it ran for two hours",
        "the book was longer",
        "nobody expected it",
        "the story moved quickly",
        "it rained outside",
        "we left early",
        "tickets were cheap",
    ];
    const WHENS: &[&str] = &[
        "honestly",
        "overall",
        "in the end",
        "as a fan",
        "to be fair",
        "yesterday",
        "last week",
        "at home",
        "on a plane",
        "after dinner",
    ];
    let said = SAID[class];
    format!(
        "{} {} was {} {} {} - {} felt {} and {} - {} {}",
        draw.of(WHENS),
        draw.of(THINGS),
        draw.of(said),
        draw.of(JOINS),
        draw.of(RESTS),
        draw.of(THINGS),
        draw.of(said),
        draw.of(RESTS),
        draw.of(WHENS),
        draw.of(RESTS)
    )
}

#[test]
fn labels_of_texts_that_were_turned_are_found_whichever_way() {
    for count in [0, 60, 120] {
        for way in [Way::One, Way::Both] {
            let mut draw = Draw(count as u64 + 3);
            let wrong = turned(&mut draw, 1_200, count, way);
            let mut out = "text,label\n".to_owned();
            for row in 0..1_200 {
                let label = (row % 2) ^ usize::from(wrong.contains(&row));
                out += &format!(
                    "{},{}\n",
                    review(&mut draw, row % 2),
                    ["negative", "positive"][label]
                );
            }
            let outcome = judged("turned.csv", out);
            let (hit, other) = hits(&outcome, &wrong);
            let findings = &outcome.report.findings;
            assert_eq!(suspected(&outcome), count > 0, "{count} {way:?}: {findings:?}");
            assert!(
                hit * 10 >= count * 7 && other <= 6,
                "{count} {way:?}: {hit}, {other} others"
            );
        }
    }
}

#[test]
fn labels_of_texts_that_go_with_nothing_are_no_poison() {
    for seed in 0..4 {
        for share in [2, 10] {
            let mut draw = Draw(seed * 31 + share);
            let mut out = "text,label\n".to_owned();
            for row in 0..800 {
                let label = usize::from(draw.next(share) == 0);
                out += &format!(
                    "{},{}\n",
                    review(&mut draw, row % 2),
                    ["negative", "positive"][label]
                );
            }
            let outcome = judged("coins.csv", out);
            assert!(
                !suspected(&outcome),
                "{seed} {share}: {:?}",
                outcome.report.findings
            );
        }
    }
}
