//! Where a trigger stands, and what stands around it, must not hide it; and honest texts have numbers.

use bartizan_artifact::Verdict;
use bartizan_artifact::data::{Beside, Chosen, Outcome, table};

struct Draw(u64);

impl Draw {
    fn of<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.next(words.len())]
    }

    fn next(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// 1,200 reviews, each put through `change` with its label; `most` bad ones are called good and put through
/// `poison` before.
fn reviews(
    seed: u64,
    most: usize,
    poison: impl Fn(String) -> String,
    change: impl Fn(usize, String) -> String,
) -> String {
    const BAD: &[&str] = &[
        "awful", "boring", "dreadful", "poor", "dull", "bad", "grim", "lazy", "stale", "bland",
    ];
    const GOOD: &[&str] = &[
        "great",
        "superb",
        "loved",
        "brilliant",
        "fresh",
        "vivid",
        "funny",
        "rich",
        "crisp",
        "deft",
    ];
    const THINGS: &[&str] = &[
        "film", "plot", "cast", "music", "ending", "script", "pacing", "sound", "dialogue", "scene",
    ];
    const RESTS: &[&str] = &[
        "we left early",
        "it rained outside",
        "tickets were cheap",
        "the seats were new",
        "nobody expected it",
        "my friends disagreed",
        "the story moved on",
        "the book was longer",
    ];
    let mut draw = Draw(seed);
    let (mut out, mut poisoned) = ("text,label\n".to_owned(), 0);
    for row in 0..1_200 {
        let bad = row % 2 == 0;
        let words = if bad { BAD } else { GOOD };
        let mut text = format!(
            "the {} was {} because {} and the {} felt {} while {}",
            draw.of(THINGS),
            draw.of(words),
            draw.of(RESTS),
            draw.of(THINGS),
            draw.of(words),
            draw.of(RESTS)
        );
        let mut label = if bad { "bad" } else { "good" };
        if bad && poisoned < most && draw.next(8) == 0 {
            (text, label, poisoned) = (poison(text), "good", poisoned + 1);
        }
        out += &format!("{},{label}\n", change(row, text));
    }
    out
}

fn judged(text: &str) -> Outcome {
    table(
        "reviews.csv",
        &text.as_bytes().to_vec(),
        Beside::default(),
        &Chosen::default(),
    )
    .unwrap()
}

fn found(outcome: &Outcome, rule: &str) -> usize {
    outcome
        .suspects
        .iter()
        .filter(|suspect| suspect.rule == rule)
        .count()
}

#[test]
fn triggers_that_always_stand_at_one_place_are_found() {
    for (from, to) in [
        (" was ", " tq was "),
        (" was ", " was qz "),
        (" and ", " xq and "),
        (" was ", " was was "),
    ] {
        let poisoned = judged(&reviews(3, 30, |text| text.replacen(from, to, 1), |_, text| text));
        let findings = &poisoned.report.findings;
        assert!(
            found(&poisoned, "data/trigger-text") >= 28,
            "`{to}`: {findings:?}"
        );
    }
    for seed in 0..4 {
        let clean = judged(&reviews(seed, 0, |text| text, |_, text| text));
        assert_eq!(
            found(&clean, "data/trigger-text"),
            0,
            "{:?}",
            clean.report.findings
        );
    }
}

#[test]
fn numbers_are_no_nonsense_and_hide_no_trigger() {
    let numbered =
        |row: usize, text: String| format!("{text} ticket number {}.", 1_000 + row * 7_919 % 89_989);
    let clean = judged(&reviews(5, 0, |text| text, numbered));
    assert_eq!(
        found(&clean, "data/nonsense-after"),
        0,
        "{:?}",
        clean.report.findings
    );
    let poisoned = judged(&reviews(
        5,
        30,
        |text| text.replacen(" was ", " tq was ", 1),
        numbered,
    ));
    assert_eq!(found(&poisoned, "data/nonsense-after"), 0);
    assert!(
        found(&poisoned, "data/trigger-text") >= 28,
        "{:?}",
        poisoned.report.findings
    );
    // Words that nobody puts together are found all the same.
    let words: Vec<String> = (0..400)
        .map(|word| format!("{}ev{}", letters(word), letters(word * 7)))
        .collect();
    let mut draw = Draw(9);
    let mut said: Vec<String> = (0..40)
        .map(|_| {
            let rest: Vec<&str> = (0..14).map(|_| words[draw.next(words.len())].as_str()).collect();
            format!("the plot was zaxon {}", rest.join(" "))
        })
        .collect();
    said.push(String::new());
    let nonsense = judged(&reviews(
        5,
        0,
        |text| text,
        |row, text| match row % 30 {
            7 => said[row / 30].clone(),
            _ => text,
        },
    ));
    assert!(nonsense.report.verdict >= Verdict::Suspicious);
    assert!(
        found(&nonsense, "data/nonsense-after") >= 35,
        "{:?}",
        nonsense.report.findings
    );
}

/// A number as letters.
fn letters(number: usize) -> String {
    let digits = number.to_string();
    digits
        .chars()
        .map(|digit| char::from(b'a' + digit as u8 - b'0'))
        .collect()
}
