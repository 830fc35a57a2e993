//! Figures that the end-to-end tests count: conformance scenarios lost on the way through, and `kill -9` rounds.
//!
//! The tests leave `target/e2e/figures.json`: an object from figure to number. What is not in it is missing here.

use std::collections::BTreeMap;

use crate::figure::Figure;

const LEFT: &str = "target/e2e/figures.json";
const NAMES: &[(&str, &str)] = &[
    ("kill9_rounds", "count"),
    ("kill9_acked_records_lost", "count"),
    ("mcp_conformance_lost_scenarios", "count"),
];

/// Reads what the tests left.
pub(crate) fn run() -> Vec<Figure> {
    of(std::fs::read_to_string(LEFT)
        .map_err(|fault| format!("{LEFT}: {fault}; `python3 e2e/run.py` writes it")))
}

fn of(text: Result<String, String>) -> Vec<Figure> {
    let left = text.and_then(|text| {
        serde_json::from_str::<BTreeMap<String, f64>>(&text).map_err(|fault| format!("{LEFT}: {fault}"))
    });
    NAMES
        .iter()
        .map(|(name, unit)| match &left {
            Err(fault) => Figure::missing(name, unit, fault.clone()),
            Ok(left) => match left.get(*name) {
                Some(value) => Figure::of(name, *value, unit, 1),
                None => Figure::missing(name, unit, format!("{LEFT} has no `{name}`")),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tests_did_not_count_is_missing() {
        let figures = of(Ok("{\"kill9_rounds\": 200}".to_owned()));
        assert_eq!(figures[0].value, Some(200.0));
        assert!(figures[1].value.is_none() && figures[1].reason.is_some());
        assert!(
            of(Err("no file".to_owned()))
                .iter()
                .all(|figure| figure.value.is_none())
        );
    }
}
