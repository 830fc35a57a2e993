//! Data sets as people store them: rows are found where they plainly are, and a file in which that can't be said is
//! unknown, never one clean row.

use bartizan_artifact::Verdict;
use bartizan_artifact::data::{Beside, Chosen, Outcome, table, uncopied};

fn judged(name: &str, bytes: &[u8]) -> Outcome {
    let chosen = Chosen {
        contents: true,
        canaries: vec!["bz-canary-5f0c9a1e77d2".to_owned()],
        ..Chosen::default()
    };
    table(name, &bytes.to_vec(), Beside::default(), &chosen).unwrap()
}

fn columns(outcome: &Outcome) -> Vec<&str> {
    let names = outcome.columns.iter().map(|column| column.name.as_str());
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names
}

/// So many rows, the last with a value that was planted.
fn rows(count: usize) -> Vec<(String, usize)> {
    (0..count)
        .map(|row| match row {
            _ if row + 1 == count => ("here is bz-canary-5f0c9a1e77d2 again".to_owned(), 1),
            _ => (format!("a text of some words {row}"), row % 2),
        })
        .collect()
}

fn objects(count: usize) -> String {
    let rows = rows(count).into_iter();
    let rows: Vec<String> = rows
        .map(|(text, label)| format!("{{\"text\":\"{text}\",\"label\":{label}}}"))
        .collect();
    rows.join(",\n ")
}

fn listed(count: usize, of: impl Fn(usize, &str, usize) -> String) -> String {
    let rows = rows(count).into_iter().enumerate();
    let rows: Vec<String> = rows.map(|(row, (text, label))| of(row, &text, label)).collect();
    rows.join(",")
}

#[test]
fn rows_are_found_in_every_shape_of_a_json_document() {
    let texts = listed(60, |_, text, _| format!("\"{text}\""));
    let labels = listed(60, |_, _, label| label.to_string());
    let keyed_texts = listed(60, |row, text, _| format!("\"{row}\":\"{text}\""));
    let keyed_labels = listed(60, |row, _, label| format!("\"{row}\":{label}"));
    let keyed = listed(60, |row, text, label| {
        format!("\"doc-{row}\":{{\"text\":\"{text}\",\"label\":{label}}}")
    });
    let pairs = listed(60, |_, text, label| format!("[\"{text}\",{label}]"));
    let shapes = [
        format!("[{}]", objects(60)),
        format!("{{\"data\":[{}]}}", objects(60)),
        format!(
            "{{\n \"version\": \"1\",\n \"out\": {{\"rows\": [{}]}}\n}}",
            objects(60)
        ),
        format!("{{\"train\":[{}],\"test\":[{}]}}", objects(30), objects(30)),
        format!("{{\"text\":[{texts}],\"label\":[{labels}]}}"),
        format!("{{\"text\":{{{keyed_texts}}},\"label\":{{{keyed_labels}}}}}"),
        format!("{{{keyed}}}"),
        format!("{{\"columns\":[\"text\",\"label\"],\"data\":[{pairs}]}}"),
        format!("{{\"groups\":[{{\"topic\":\"x\",\"items\":[{}]}}]}}", objects(60)),
    ];
    for shape in &shapes {
        for name in ["a.json", "a.jsonl"] {
            if name == "a.jsonl" && shape.starts_with('[') {
                continue;
            }
            let outcome = judged(name, shape.as_bytes());
            assert_eq!(outcome.rows, 60, "{name} {shape:.80}");
            let there = columns(&outcome);
            assert!(
                there.contains(&"text") && there.contains(&"label"),
                "{shape:.80}: {there:?}"
            );
            assert_eq!(
                outcome.report.verdict,
                Verdict::Malicious,
                "the canary: {shape:.80}"
            );
        }
    }
}

#[test]
fn questions_inside_of_passages_are_rows_and_no_text_is_there_twice() {
    let article = |n: usize| {
        let asked: Vec<String> = (0..5)
            .map(|q| {
                format!(
                    "{{\"id\":\"{n}-{q}\",\"question\":\"what is number {n} of {q}?\",\"answers\":[{{\"text\":\"it is {q}\",\"answer_start\":3}}]}}"
                )
            })
            .collect();
        let context =
            format!("a passage {n} ") + &"that goes on for longer than any short text does ".repeat(4);
        format!(
            "{{\"title\":\"t{n}\",\"paragraphs\":[{{\"context\":\"{context}\",\"qas\":[{}]}}]}}",
            asked.join(",")
        )
    };
    let articles: Vec<String> = (0..8).map(article).collect();
    let text = format!("{{\"version\":\"1.1\",\"data\":[{}]}}", articles.join(","));
    let outcome = judged("squad.json", text.as_bytes());
    assert_eq!(outcome.rows, 40);
    let held = |name: &str| {
        let column = outcome.columns.iter().find(|column| column.name == name);
        column.map(|column| column.present)
    };
    assert_eq!(
        (held("question"), held("title"), held("context")),
        (Some(40), Some(40), Some(8))
    );
}

#[test]
fn documents_without_plain_rows_are_unknown_and_say_why() {
    let other = listed(30, |row, _, _| format!("{{\"name\":\"n{row}\",\"size\":{row}}}"));
    let mapped = listed(100, |row, _, _| {
        format!("\"d{row}\":\"a text of some words {row}\"")
    });
    let hidden = listed(1_200, |row, _, _| {
        format!("{{\"said\":\"a text of words {row}\"}}")
    });
    let unclear = [
        (
            "a.json",
            format!("{{\"users\":[{}],\"orders\":[{other}]}}", objects(30)),
            "more than one list",
        ),
        ("a.json", format!("{{{mapped}}}"), "no list in it"),
        (
            "a.jsonl",
            format!("{{\"a\":1}}\n{{\"batch\":[{hidden}]}}\n"),
            "may be rows",
        ),
        (
            "a.json",
            format!("{{\"data\":[{{\"a\":1}}],\"more\":{{{mapped}}}}}"),
            "beside its rows",
        ),
    ];
    for (name, text, why) in &unclear {
        let outcome = judged(name, text.as_bytes());
        let said = outcome.report.findings.iter();
        assert!(said.clone().any(|finding| finding.what.contains(why)), "{why}");
        assert!(outcome.report.verdict >= Verdict::Unknown, "{why}");
    }
    // One row is one row.
    let outcome = judged("a.jsonl", b"{\"text\":\"a row\",\"label\":1}\n");
    assert_eq!((outcome.rows, outcome.report.verdict), (1, Verdict::Clean));
    let (start, length) = outcome.spans.first().copied().unwrap();
    assert_eq!((start, length), (0, 27));
}

#[test]
fn marks_of_order_line_ends_and_wrong_names_change_no_rows() {
    let plain = b"text,label\na word,1\nb word,2\n";
    let marked = [b"\xef\xbb\xbf".as_slice(), plain].concat();
    let old = plain.map(|byte| if byte == b'\n' { b'\r' } else { byte });
    let files = [
        ("a.csv", marked),
        ("a.csv", old.to_vec()),
        ("a.parquet", plain.to_vec()),
        (
            "a.jsonl",
            b"\xef\xbb\xbf{\"text\":\"a word\",\"label\":1}\n{\"text\":\"b word\",\"label\":2}\n".to_vec(),
        ),
        (
            "a.json",
            b"\xef\xbb\xbf[{\"text\":\"a word\",\"label\":1},{\"text\":\"b word\",\"label\":2}]".to_vec(),
        ),
        (
            "a.jsonl",
            b"{\"text\":\"a word\",\"label\":1}\r{\"text\":\"b word\",\"label\":2}\r".to_vec(),
        ),
    ];
    for (name, bytes) in files {
        let outcome = judged(name, &bytes);
        let shown = String::from_utf8_lossy(&bytes);
        assert_eq!(
            (outcome.rows, columns(&outcome)),
            (2, vec!["label", "text"]),
            "{name} {shown}"
        );
        assert_eq!(
            outcome.report.verdict,
            Verdict::Clean,
            "{name} {shown}: {:?}",
            outcome.report.findings
        );
    }
}

#[test]
fn what_has_no_rows_of_bytes_is_told_before_it_is_scanned() {
    let lines = "{\"text\":\"a\"}\n{\"text\":\"b\"}\n";
    let numbers = b"\x93NUMPY\x01\x00\x4a\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }              \n1234";
    for (name, bytes, format) in [
        ("a.csv", b"a,b\n1,2\n".to_vec(), None),
        ("a.jsonl", lines.as_bytes().to_vec(), None),
        ("a.jsonl", b"{\"text\":\"only\"}\n".to_vec(), None),
        ("a.txt", b"a line\n".to_vec(), None),
        ("a.json", b"[{\"text\":\"a\"}]".to_vec(), Some("json")),
        (
            "a.jsonl",
            b"{\"data\":[{\"text\":\"a\"},{\"text\":\"b\"}]}".to_vec(),
            Some("json"),
        ),
        ("a.npy", numbers.to_vec(), Some("npy")),
    ] {
        assert_eq!(
            uncopied(name, &bytes),
            format,
            "{name} {}",
            String::from_utf8_lossy(&bytes)
        );
    }
}
