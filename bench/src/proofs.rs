//! Figures that the end-to-end tests count: conformance scenarios lost on the way through or failed as a client, and
//! `kill -9` rounds.
//!
//! The tests leave `target/e2e/figures.json`: an object from figure to number. What is not in it is missing here.

use std::collections::BTreeMap;

use crate::figure::Figure;

const LEFT: &str = "target/e2e/figures.json";
/// Those of the bench of the crossing.
pub(crate) const CROSSING: &[(&str, &str)] = &[
    ("kill9_rounds", "count"),
    ("kill9_acked_records_lost", "count"),
    ("mcp_conformance_lost_scenarios", "count"),
];

/// Those of the bench of identity.
pub(crate) const IDENTITY: &[(&str, &str)] = &[
    ("mcp_auth_client_scenarios_failed", "count"),
    ("mcp_auth_client_scenarios", "count"),
];

/// Reads what the tests left of these.
pub(crate) fn run(names: &[(&str, &str)]) -> Vec<Figure> {
    let left = std::fs::read_to_string(LEFT);
    of(
        names,
        left.map_err(|fault| format!("{LEFT}: {fault}; `python3 e2e/run.py` writes it")),
    )
}

fn of(names: &[(&str, &str)], text: Result<String, String>) -> Vec<Figure> {
    let left = text.and_then(|text| {
        serde_json::from_str::<BTreeMap<String, f64>>(&text).map_err(|fault| format!("{LEFT}: {fault}"))
    });
    names
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
        let figures = of(CROSSING, Ok("{\"kill9_rounds\": 200}".to_owned()));
        assert_eq!(figures[0].value, Some(200.0));
        assert!(figures[1].value.is_none() && figures[1].reason.is_some());
        assert!(
            of(CROSSING, Err("no file".to_owned()))
                .iter()
                .all(|figure| figure.value.is_none())
        );
    }
}
