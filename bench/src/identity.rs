//! The identity bench: who may call, what may be spent, what is ended. Each part takes its own figures; what is not
//! measured is listed with its reason.

mod biscuit;
mod corpus;
mod decision;
mod desk;
mod flood;
mod full;
mod spending;

use crate::{
    crossing::Bench,
    figure::Figure,
    process::{self, Cores},
};

/// Every figure of this bench and its unit, in the order in which it is printed.
const FIGURES: [(&str, &str); 13] = [
    ("decision_warm_full_p99_us", "us"),
    ("decision_cold_full_p99_us", "us"),
    ("cpu_ratio_nginx_full", "ratio"),
    ("cpu_us_inspect_1k", "us"),
    ("flood_victim_p99_ratio", "ratio"),
    ("flood_crashes", "count"),
    ("budget_overshoot_calls", "count"),
    ("admitted_after_revocation", "count"),
    ("inflight_cancel_p99_ms", "ms"),
    ("negative_corpus_accepted", "count"),
    ("negative_corpus_entries", "count"),
    ("positive_twins_refused", "count"),
    ("mcp_auth_client_scenarios_failed", "count"),
];

/// Takes the figures.
pub(crate) async fn run(bench: &Bench) -> Vec<Figure> {
    process::raise_file_limit();
    let mut taken = Vec::new();
    // In-process figures come first: what follows pins us to one core.
    if bench.wants_module(&["decision_", "dpop_", "biscuit_"]) {
        let peer = biscuit::build();
        let ours = decision::run(bench.quick);
        taken.extend(biscuit::run(peer, if bench.quick { 200 } else { 2_000 }, &ours));
        taken.extend(ours);
    }
    if bench.wants_module(&["negative_", "positive_"]) {
        taken.extend(corpus::run());
    }
    let spent = [
        "budget_overshoot_calls",
        "admitted_after_revocation",
        "inflight_cancel_p99_ms",
    ];
    let flooded = ["flood_victim_p99_ratio", "flood_crashes"];
    if bench.wants(&spent) || bench.wants(&flooded) || bench.wants(&full::NAMES) {
        match Cores::take() {
            Ok(cores) => {
                taken.extend(full::run(bench, cores).await);
                if bench.wants(&spent) {
                    taken.extend(spending::run(bench, cores).await);
                }
                if bench.wants(&flooded) {
                    taken.extend(flood::run(bench, cores).await);
                }
            }
            Err(fault) => {
                let missing = spent.iter().chain(&flooded).chain(&full::NAMES);
                taken.extend(missing.map(|name| Figure::missing(name, unit(name), fault.clone())));
            }
        }
    }
    taken.extend(crate::proofs::run(crate::proofs::IDENTITY));
    in_order(taken)
}

fn unit(name: &str) -> &'static str {
    FIGURES
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("count", |(_, unit)| *unit)
}

/// The fixed figures first, measured or with a reason, then whatever else was measured.
fn in_order(mut taken: Vec<Figure>) -> Vec<Figure> {
    let mut figures = Vec::with_capacity(FIGURES.len() + taken.len());
    for (name, unit) in FIGURES {
        let at = taken.iter().position(|figure| figure.name == name);
        figures.push(match at {
            Some(at) => taken.remove(at),
            None => Figure::missing(name, unit, "this build has no measurement of it"),
        });
    }
    figures.extend(taken);
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed_once_measured_or_not() {
        let figures = in_order(vec![
            Figure::of("flood_crashes", 0.0, "count", 1),
            Figure::of("more", 1.0, "count", 1),
        ]);
        assert_eq!(figures.len(), FIGURES.len() + 1);
        for (name, _) in FIGURES {
            let found: Vec<_> = figures.iter().filter(|figure| figure.name == name).collect();
            assert_eq!(found.len(), 1, "{name}");
            assert!(found[0].value.is_some() || found[0].reason.is_some(), "{name}");
        }
    }
}
