//! A data set beside its older version: what has changed is told by column, and what only was drawn again is not.

use bartizan_artifact::data::{Beside, Chosen, table};

const HEAD: &str = "id,age,country,spend";

/// So many rows, drawn by a seed; each may be changed on its way.
fn rows(seed: u64, first: usize, change: impl Fn(usize, &mut Vec<String>)) -> String {
    let mut state = seed;
    let mut draw = |end: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let mut out = String::new();
    for row in 0..300 {
        let country = ["de", "fr", "it"][draw(3) as usize];
        let (age, spend) = (20 + draw(20) + draw(20), 50 + draw(50) + draw(50));
        // Running numbers have gaps where rows were taken out.
        let id = first + row * 3 + row % 2;
        let mut fields: Vec<String> = vec![
            id.to_string(),
            age.to_string(),
            country.to_owned(),
            format!("{spend}.{:02}", draw(100)),
        ];
        change(row, &mut fields);
        out += &(fields.join(",") + "\n");
    }
    out
}

/// What is said of the new version beside the old.
fn drifted(head: &str, new: &str) -> Vec<String> {
    let older = format!("{HEAD}\n{}", rows(1, 0, |_, _| {})).into_bytes();
    let beside = Beside {
        older: Some(("old.csv", &older)),
        ..Beside::default()
    };
    let new = format!("{head}\n{new}").into_bytes();
    let outcome = table("new.csv", &new, beside, &Chosen::default()).unwrap();
    let findings = outcome.report.findings.into_iter();
    let findings = findings.filter(|finding| finding.rule.id == "data/drift");
    findings.map(|finding| finding.what).collect()
}

#[test]
fn honest_newer_versions_have_not_drifted_whatever_their_running_numbers_are() {
    for seed in 2..12 {
        let told = drifted(HEAD, &rows(seed, 10_000, |_, _| {}));
        assert!(told.is_empty(), "{seed}: {told:?}");
    }
}

#[test]
fn columns_that_are_gone_and_values_that_became_missing_or_text_have_drifted() {
    let gone = drifted("id,age,country", &rows(2, 300, |_, fields| fields.truncate(3)));
    assert_eq!(gone, ["column `spend` was there before, and is no more"]);
    let mut renamed = drifted("id,age,land,spend", &rows(2, 300, |_, _| {}));
    renamed.sort();
    assert_eq!(
        renamed,
        [
            "column `country` was there before, and is no more",
            "column `land` was not there before"
        ]
    );
    for (value, said) in [
        ("", "has 200 numbers, 0 texts and 100 missing values"),
        ("n/a", "has 200 numbers, 100 texts and 0 missing values"),
    ] {
        let told = drifted(
            HEAD,
            &rows(2, 300, |row, fields| {
                if row % 3 == 0 {
                    fields[3] = value.to_owned();
                }
            }),
        );
        let start =
            format!("column `spend` {said}, where 300 numbers, 0 texts and 0 missing values were before");
        assert!(told.iter().any(|what| what.starts_with(&start)), "{told:?}");
    }
}
