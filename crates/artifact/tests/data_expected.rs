//! What is expected of columns: nonsense is refused with the field named, and limits hold for every value.

use bartizan_artifact::Verdict;
use bartizan_artifact::data::{Beside, Chosen, Expected, table};

fn expected() -> Expected {
    Expected {
        name: "a".to_owned(),
        kind: None,
        min: None,
        max: None,
        missing_max: None,
        unique: false,
        values: None,
        share_min: None,
    }
}

#[test]
fn expectations_that_make_no_sense_are_refused_by_field() {
    let kind = |kind: &str| Some(kind.to_owned());
    let refused = [
        (
            Expected {
                kind: kind("float"),
                ..expected()
            },
            "kind",
        ),
        (
            Expected {
                kind: kind("nothing"),
                ..expected()
            },
            "kind",
        ),
        (
            Expected {
                kind: kind("text"),
                min: Some(3.0),
                ..expected()
            },
            "kind",
        ),
        (
            Expected {
                min: Some(50.0),
                max: Some(10.0),
                ..expected()
            },
            "min",
        ),
        (
            Expected {
                max: Some(f64::NAN),
                ..expected()
            },
            "min",
        ),
        (
            Expected {
                missing_max: Some(2.0),
                ..expected()
            },
            "missing_max",
        ),
        (
            Expected {
                missing_max: Some(-0.1),
                ..expected()
            },
            "missing_max",
        ),
        (
            Expected {
                share_min: Some(1.5),
                ..expected()
            },
            "share_min",
        ),
        (
            Expected {
                values: Some(Vec::new()),
                ..expected()
            },
            "values",
        ),
    ];
    for (expected, field) in refused {
        assert_eq!(
            expected.checked().map_err(|(field, _)| field),
            Err(field),
            "{expected:?}"
        );
    }
    for kind in ["integer", "number", "mixed"].map(kind) {
        let expected = Expected {
            kind,
            min: Some(1.0),
            max: Some(1.0),
            missing_max: Some(1.0),
            ..expected()
        };
        assert_eq!(expected.checked(), Ok(()));
    }
}

#[test]
fn limits_of_numbers_are_not_met_by_text() {
    let judged = |text: &str, kind: Option<&str>| {
        let chosen = Chosen {
            expected: vec![Expected {
                min: Some(3.0),
                kind: kind.map(str::to_owned),
                ..expected()
            }],
            ..Chosen::default()
        };
        let outcome = table("a.csv", &text.as_bytes().to_vec(), Beside::default(), &chosen).unwrap();
        let said = outcome
            .report
            .findings
            .first()
            .map(|finding| finding.what.clone());
        (outcome.report.verdict, said)
    };
    let said = "column `a` holds text where numbers between limits are expected";
    for text in ["a,b\nde,1\nfr,2\n", "a,b\n4,1\nfr,2\n"] {
        assert_eq!(
            judged(text, None),
            (Verdict::Suspicious, Some(said.to_owned())),
            "{text}"
        );
    }
    assert_eq!(judged("a,b\n4,1\nfr,2\n", Some("mixed")).0, Verdict::Clean);
    assert_eq!(judged("a,b\n4,1\n,2\n", None).0, Verdict::Clean);
    assert_eq!(judged("a,b\n2,1\n5,2\n", None).0, Verdict::Suspicious);
}
