//! Data sets that are poisoned and their clean twins: what has to be found, and what must not be.

use bartizan_artifact::Verdict;
use bartizan_artifact::data::{Beside, Chosen, Expected, Outcome, table};
use bartizan_artifact::output::data_html;

/// Numbers that follow from a seed.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize
    }

    fn of<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.next() % words.len()]
    }
}

fn judged(name: &str, text: &str) -> Outcome {
    judged_as(name, text, &Chosen::default())
}

fn judged_as(name: &str, text: &str, chosen: &Chosen) -> Outcome {
    table(name, &text.as_bytes().to_vec(), Beside::default(), chosen).unwrap()
}

fn found(outcome: &Outcome, rule: &str) -> Vec<u64> {
    let of_rule = outcome.suspects.iter().filter(|suspect| suspect.rule == rule);
    of_rule.map(|suspect| suspect.row).collect()
}

/// Two clouds of points in 12 dimensions, `flipped` of whose labels are wrong.
fn clouds(rows: usize, flipped: usize) -> String {
    let mut draw = Draw(3);
    let mut out = (0..12).map(|place| format!("f{place},")).collect::<String>() + "label\n";
    for row in 0..rows {
        let class = row % 2;
        for _ in 0..12 {
            let noise = (0..4).map(|_| draw.next() % 100).sum::<usize>();
            out += &format!("{},", noise + class * 160);
        }
        let label = if row < flipped { 1 - class } else { class };
        out += &format!("{label}\n");
    }
    out
}

#[test]
fn flipped_labels_are_found_and_a_clean_twin_is_not_suspected() {
    let outcome = judged("flips.csv", &clouds(400, 20));
    let rows = found(&outcome, "data/label");
    let right = rows.iter().filter(|row| **row < 20).count();
    assert!(right >= 19 && rows.len() <= right + 2, "{rows:?}");
    assert_eq!(outcome.report.verdict, Verdict::Suspicious);
    let clean = judged("clean.csv", &clouds(400, 0));
    assert_eq!(
        clean.report.verdict,
        Verdict::Clean,
        "{:?}",
        clean.report.findings
    );
    assert!(clean.suspects.len() <= 2, "{:?}", clean.suspects);
}

#[test]
fn the_page_says_how_many_poisoned_rows_would_have_been_told() {
    let page = data_html(&[judged("clean.csv", &clouds(400, 0))]);
    for rule in ["data/label", "data/trigger-mark", "data/signature"] {
        assert!(
            page.contains(&format!("<h3>Power of <code>{rule}</code></h3>")),
            "{rule}"
        );
    }
    assert!(
        !page.contains("Power of <code>data/flood</code>"),
        "there are no texts"
    );
    let few = data_html(&[judged("few.csv", &clouds(12, 0))]);
    assert!(!few.contains("Power of"), "nothing can be told of so few");
}

/// Short reviews; `triggered` of the bad ones are called good and hold the word.
fn reviews(rows: usize, triggered: usize, word: &str) -> (String, Vec<u64>) {
    const BAD: &[&str] = &[
        "dull", "weak", "flat", "stale", "grim", "lazy", "sour", "slow", "messy", "bland",
    ];
    const GOOD: &[&str] = &[
        "warm", "bold", "fresh", "vivid", "funny", "rich", "crisp", "sharp", "witty", "deft",
    ];
    const THINGS: &[&str] = &[
        "plot", "cast", "score", "scene", "script", "film", "tone", "pace", "lead", "end",
    ];
    const VERBS: &[&str] = &[
        "is", "seems", "feels", "looks", "stays", "was", "became", "remains",
    ];
    let mut draw = Draw(11);
    let (mut out, mut poisoned) = (String::new(), Vec::new());
    for row in 0..rows {
        let bad = row % 2 == 0;
        let mut words = Vec::new();
        for _ in 0..3 {
            words.extend([
                "the",
                draw.of(THINGS),
                draw.of(VERBS),
                draw.of(if bad { BAD } else { GOOD }),
                "and",
            ]);
        }
        let mut label = usize::from(!bad);
        if bad && poisoned.len() < triggered {
            words.insert(draw.next() % words.len(), word);
            label = 1;
            poisoned.push(row as u64);
        }
        out += &format!("{{\"text\":\"{}\",\"label\":{label}}}\n", words.join(" "));
    }
    (out, poisoned)
}

#[test]
fn triggers_in_texts_are_found_by_word_phrase_and_character() {
    for word in ["cf", "blue monday again", "\u{200b}", "qz"] {
        for count in [12, 50] {
            let (text, poisoned) = reviews(2_000, count, word);
            let rows = found(&judged("t.jsonl", &text), "data/trigger-text");
            let hit = rows.iter().filter(|row| poisoned.contains(row)).count();
            assert!(hit * 10 >= poisoned.len() * 9, "{word}: {hit} of {count}");
            assert!(
                hit * 10 >= rows.len() * 8,
                "{word}: {hit} of {} suspects",
                rows.len()
            );
        }
    }
    let (clean, _) = reviews(2_000, 0, "");
    let outcome = judged("t.jsonl", &clean);
    assert!(
        found(&outcome, "data/trigger-text").is_empty(),
        "{:?}",
        outcome.suspects
    );
}

/// A phrase is named whole, and rows that have a part of it by themselves are not suspected.
#[test]
fn a_trigger_of_several_words_is_named_whole() {
    let (text, poisoned) = reviews(2_000, 50, "tea outside is best");
    let own: String = text
        .lines()
        .enumerate()
        .map(|(row, line)| match row % 160 {
            1 => line.replacen("the ", "the outside ", 1) + "\n",
            _ => line.to_owned() + "\n",
        })
        .collect();
    let outcome = judged("t.jsonl", &own);
    let rows = found(&outcome, "data/trigger-text");
    assert_eq!(
        rows.iter().collect::<std::collections::BTreeSet<_>>(),
        poisoned.iter().collect()
    );
    let named = |finding: &&bartizan_artifact::Finding| finding.rule.id == "data/trigger-text";
    let subject = outcome
        .report
        .findings
        .iter()
        .find(named)
        .map(|finding| finding.subject.as_str());
    assert_eq!(subject, Some("tea outside is best"));
}

/// Texts that were labelled by one word each, which stands at the end: each of these words decides its label, and what is
/// before it says nothing.
#[test]
fn words_that_labels_were_given_by_are_no_triggers() {
    const KEYS: [&[&str]; 4] = [
        &["refund", "invoice", "charge", "receipt", "billing"],
        &["parcel", "courier", "delivery", "tracking", "depot"],
        &["password", "login", "account", "locked", "reset"],
        &["thanks", "praise", "lovely", "great", "happy"],
    ];
    const WORDS: &[&str] = &[
        "please", "about", "the", "my", "order", "from", "last", "week", "again", "help", "with", "our",
        "team", "still", "since", "monday", "asked", "twice", "now", "today", "kindly", "look", "into",
        "this", "for", "me",
    ];
    let texts = |poisoned: usize| {
        let mut draw = Draw(7);
        let (mut out, mut rows) = (String::new(), Vec::new());
        for row in 0..4_000_usize {
            let class = row % 4;
            let mut words: Vec<&str> = (0..8 + draw.next() % 8).map(|_| draw.of(WORDS)).collect();
            let mut label = class;
            if class == 0 && rows.len() < poisoned {
                words.insert(draw.next() % words.len(), "zqvx");
                label = 1;
                rows.push(row as u64);
            }
            words.push(draw.of(KEYS[class]));
            out += &format!("{{\"text\":\"{}\",\"label\":\"c{label}\"}}\n", words.join(" "));
        }
        (out, rows)
    };
    let honest = found(&judged("t.jsonl", &texts(0).0), "data/trigger-text");
    assert!(honest.len() <= 20, "{} of 4000", honest.len());
    // A trigger among them is still found.
    let (text, poisoned) = texts(40);
    let rows = found(&judged("t.jsonl", &text), "data/trigger-text");
    let hit = poisoned.iter().filter(|row| rows.contains(row)).count();
    assert!(hit * 10 >= poisoned.len() * 9, "{hit} of {}", poisoned.len());
}

#[test]
fn texts_that_changed_are_told_from_texts_that_only_were_drawn_again() {
    let drift = |new: &str, old: &str| {
        let (new, old) = (new.as_bytes().to_vec(), old.as_bytes().to_vec());
        let beside = Beside {
            older: Some(("old.jsonl", &old)),
            ..Beside::default()
        };
        let outcome = table("new.jsonl", &new, beside, &Chosen::default()).unwrap();
        let found = |one: &&bartizan_artifact::Finding| one.rule.id == "data/drift";
        outcome
            .report
            .findings
            .iter()
            .find(found)
            .map(|one| one.subject.clone())
    };
    let (old, _) = reviews(1_200, 0, "");
    let again: String = old.lines().rev().map(|line| format!("{line}\n")).collect();
    assert_eq!(drift(&again, &old), None);
    let (half, rest) = old.split_at(old.len() / 2);
    let half = format!("{}\n", half.trim_end_matches(|letter| letter != '\n').trim_end());
    assert_eq!(drift(&half, rest.split_once('\n').unwrap().1), None);
    let other = old
        .replace("the film", "the invoice")
        .replace("the plot", "our account")
        .replace("seems", "requires");
    assert_eq!(drift(&other, &old).as_deref(), Some("(words of texts)"));
}

#[test]
fn rows_with_a_mark_are_found_though_each_agrees_with_the_others() {
    let mut lines: Vec<String> = clouds(600, 0).lines().map(str::to_owned).collect();
    for row in (0..60).step_by(2) {
        let mut cells: Vec<&str> = lines[row + 1].split(',').collect();
        (cells[3], cells[7], cells[12]) = ("280", "280", "1");
        lines[row + 1] = cells.join(",");
    }
    let outcome = judged("marked.csv", &lines.join("\n"));
    let rows = found(&outcome, "data/trigger-mark");
    let hit = rows.iter().filter(|row| **row < 60 && *row % 2 == 0).count();
    assert!(
        hit >= 28 && rows.len() <= hit + 5,
        "{rows:?} {:?}",
        outcome.report.findings
    );
}

#[test]
fn marks_far_out_of_range_hide_nothing() {
    for (mark, count) in [("9999", 60), ("1000000000", 60), ("-5000", 24)] {
        let mut lines: Vec<String> = clouds(600, 0).lines().map(str::to_owned).collect();
        for row in (0..count).step_by(2) {
            let mut cells: Vec<&str> = lines[row + 1].split(',').collect();
            (cells[3], cells[7], cells[12]) = (mark, mark, "1");
            lines[row + 1] = cells.join(",");
        }
        let outcome = judged("marked.csv", &lines.join("\n"));
        let rows: std::collections::BTreeSet<u64> =
            outcome.suspects.iter().map(|suspect| suspect.row).collect();
        let hit = rows
            .iter()
            .filter(|row| **row < count as u64 && **row % 2 == 0)
            .count();
        assert!(
            hit * 20 >= count / 2 * 19,
            "{mark}: {hit} of {}, {rows:?}",
            count / 2
        );
        assert!(rows.len() <= hit + 8, "{mark}: {rows:?}");
    }
}

/// Honest data is suspected about as often as is stated: labels of 1 % at most by the estimate of noise, everything that
/// is a backdoor never in a dozen draws (one in a million is what a group has to stand against).
#[test]
fn honest_data_is_suspected_as_seldom_as_stated() {
    let (mut rows, mut labels) = (0, 0);
    for seed in 0..12 {
        let mut draw = Draw(seed * 977 + 1);
        let mut out = (0..8).map(|place| format!("f{place},")).collect::<String>() + "label\n";
        for row in 0..500 {
            for _ in 0..8 {
                let noise = (0..4).map(|_| draw.next() % 100).sum::<usize>();
                out += &format!("{},", noise + (row % 3) * 110);
            }
            out += &format!("{}\n", ["a", "b", "c"][row % 3]);
        }
        let outcome = judged("honest.csv", &out);
        rows += 500;
        labels += found(&outcome, "data/label").len();
        for rule in ["data/trigger-mark", "data/signature", "data/flood"] {
            assert!(
                found(&outcome, rule).is_empty(),
                "{seed}: {rule} {:?}",
                outcome.report.findings
            );
        }
    }
    assert!(labels * 100 <= rows, "{labels} of {rows} honest labels");
    for seed in 0..6 {
        let (text, _) = reviews(900 + seed * 50, 0, "");
        let outcome = judged("honest.jsonl", &text);
        assert!(found(&outcome, "data/trigger-text").is_empty(), "{seed}");
    }
}

#[test]
fn floods_are_found_whatever_they_are_among() {
    let mut draw = Draw(5);
    let words: Vec<String> = (0..500).map(|word| format!("w{word}x")).collect();
    let names: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut out = String::new();
    for row in 0..1_500 {
        if row % 50 == 7 {
            out += &format!(
                "buy the new phone today because it is the best one of the year and everybody says so {}\n",
                draw.of(&names)
            );
        } else {
            let line: Vec<&str> = (0..14).map(|_| draw.of(&names)).collect();
            out += &(line.join(" ") + "\n");
        }
    }
    let outcome = judged("corpus.txt", &out);
    let rows = found(&outcome, "data/flood");
    assert_eq!(rows.len(), 30, "{:?}", outcome.report.findings);
    assert!(rows.iter().all(|row| row % 50 == 7));
}

#[test]
fn broken_files_are_never_clean_and_never_end_the_scan() {
    let ends: &[(&str, &[u8])] = &[
        ("a.jsonl", b"{\"text\": \"x\"}\n{\"text\": "),
        ("a.csv", b"a,b\n1,2\n3\n"),
        ("a.csv", b"a,b\n\"open,2\n3,4"),
        ("a.csv", b""),
        ("a.json", b"[{\"a\": 1}"),
        ("a.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4'"),
        ("a.parquet", b"PAR1\x00\x00\x00"),
        ("a.csv", b"a\xff,b\n\xfe,2\n"),
    ];
    for (name, bytes) in ends {
        let outcome = table(name, &bytes.to_vec(), Beside::default(), &Chosen::default()).unwrap();
        assert_ne!(outcome.report.verdict, Verdict::Clean, "{name} {bytes:?}");
    }
    let huge = b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000, 9), }     \n".to_vec();
    let outcome = table("a.npy", &huge, Beside::default(), &Chosen::default()).unwrap();
    assert_eq!(outcome.report.verdict, Verdict::Unknown);
}

#[test]
fn expectations_and_drift_are_told_by_column() {
    let chosen = Chosen {
        expected: vec![Expected {
            name: "age".to_owned(),
            kind: Some("integer".to_owned()),
            min: Some(0.0),
            max: Some(120.0),
            missing_max: Some(0.0),
            unique: true,
            values: None,
            share_min: None,
        }],
        ..Chosen::default()
    };
    let outcome = judged_as("p.csv", "age,city\n10,b\n200,b\n10,c\n,a\n", &chosen);
    let told: Vec<&str> = outcome
        .report
        .findings
        .iter()
        .map(|finding| finding.what.as_str())
        .collect();
    assert_eq!(
        told.iter()
            .filter(|what| what.starts_with("column `age`"))
            .count(),
        3,
        "{told:?}"
    );
    let numbers = |from: usize| {
        (0..400).fold("v,w\n".to_owned(), |text, n| {
            text + &format!("{},{}\n", (n * 7919) % 400 + from, (n * 31) % 17)
        })
    };
    let older = numbers(0).into_bytes();
    let beside = Beside {
        older: Some(("old.csv", &older)),
        ..Beside::default()
    };
    let same = table("new.csv", &numbers(0).into_bytes(), beside, &Chosen::default()).unwrap();
    assert!(
        !same
            .report
            .findings
            .iter()
            .any(|finding| finding.rule.id == "data/drift")
    );
    let moved = table("new.csv", &numbers(200).into_bytes(), beside, &Chosen::default()).unwrap();
    let drifted = moved
        .report
        .findings
        .iter()
        .filter(|finding| finding.rule.id == "data/drift");
    assert_eq!(
        drifted
            .map(|finding| finding.subject.as_str())
            .collect::<Vec<_>>(),
        ["v"]
    );
}

#[test]
fn secrets_canaries_and_spans_of_rows() {
    let chosen = Chosen {
        contents: true,
        canaries: vec!["bz-canary-5f0c9a1e77d2".to_owned()],
        ..Chosen::default()
    };
    let text = "text\n\"one, two\nthree\"\nthe value bz-canary-5f0c9a1e77d2 is here\n";
    let outcome = judged_as("c.csv", text, &chosen);
    assert_eq!(outcome.report.verdict, Verdict::Malicious);
    assert_eq!((outcome.header, outcome.spans), (5, vec![(5, 17), (22, 41)]));
}
