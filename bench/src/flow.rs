//! The flow figures: hijacked agents that obey every injection against the real gateway, and what the rules cost.
//!
//! `AgentDojo`'s suites run behind MCP (`bench/flow/bench.py`), our own small attacks too (`bench/flow/own.py`); both in
//! Python, from a pinned environment under the cache. Worst cases are counted, so `spread` is the Wilson interval at
//! 95 %, in the figure's unit. What can't be installed or found leaves its figures missing with the reason. A bench that was
//! interrupted goes on where it stopped (`flow-runs` in the cache), if gateway and bench are the same.

mod session;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde::de::DeserializeOwned;

#[expect(dead_code, reason = "the tests read more of a score than the figures do")]
#[path = "../../crates/flow/tests/score/mod.rs"]
mod score;

use crate::crossing::Bench;
use crate::figure::Figure;
use crate::peer;

pub(crate) use session::measure as session_child;

const LOCK: &str = "bench/flow/requirements.txt";
const WORST_CASE: &str = "bench/flow/bench.py";
const OWN: &str = "bench/flow/own.py";
/// Where `gen.py`, which holds the worst-case traces, is looked for beside the data folder.
const TRACES: &str = "../bench/agentdojo";
/// With `--quick`, one pair of this many.
const SAMPLE: &str = "10";
/// Our own attacks: an answer lists them all, and so does its absence.
const OWN_NAMES: &[&str] = &[
    "correspondent_attachment",
    "correspondent_content",
    "correspondent_unmarked_content",
    "correspondent_third_party",
    "toxic_flow",
    "split_value",
    "split_value_over_turns",
    "sub_agent",
    "lying_hint",
    "lying_name",
    "lying_hint_reviewed",
    "lying_name_reviewed",
];
const INFERENCE_NAMES: &[&str] = &[
    "manifest_inference_accuracy",
    "manifest_inference_effects",
    "manifest_inference_roles",
    "manifest_inference_milder",
];
const WORST_CASE_NAMES: &[(&str, &str)] = &[
    ("blocked_plain", "pairs"),
    ("blocked_base64", "pairs"),
    ("blocked_adaptive", "pairs"),
    ("unattended_tasks", "tasks"),
    ("approvals_per_task", "per_task"),
    ("utility_under_attack", "fraction"),
    ("hijacks_reaching_a_human", "pairs"),
    ("zero_config_blocked_min", "pairs"),
    ("zero_config_unattended_tasks", "tasks"),
];

/// What one run of `bench.py` counts. A counter that never moved is not printed.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Tally {
    pairs: u64,
    blocked: u64,
    utility_under_attack: u64,
    reach_a_human: u64,
    tasks: u64,
    unattended: u64,
    batched: u64,
}

/// What one attack of our own came to.
#[derive(Debug, Deserialize)]
struct Attempt {
    blocked: u8,
    /// Whether what the user asked for went through in the same place.
    control: bool,
}

#[derive(Debug, Deserialize)]
struct Attempts {
    figures: BTreeMap<String, Attempt>,
}

/// The runs with manifests of an operator, then those with inferred ones.
struct Runs {
    plain: Tally,
    base64: Tally,
    adaptive: Tally,
    zero_plain: Tally,
    zero_adaptive: Tally,
}

/// Takes the figures.
pub(crate) fn run(bench: &Bench) -> Vec<Figure> {
    let mut figures = Vec::new();
    if bench.wants(&["provenance_p99_us", "session_mib_per_mib_text"]) {
        figures.extend(session::run());
    }
    if bench.wants(INFERENCE_NAMES) {
        figures.extend(inference(score::HELD_OUT));
    }
    let environment = bench.cache.join("flow");
    let own: Vec<String> = OWN_NAMES
        .iter()
        .map(|name| format!("own_{name}_blocked"))
        .collect();
    let wants_own = own.iter().any(|name| bench.wants(&[name.as_str()]));
    let names: Vec<&str> = WORST_CASE_NAMES.iter().map(|(name, _)| *name).collect();
    let wants_worst_case = bench.wants(&names);
    if wants_own || wants_worst_case {
        let installed = peer::install(&environment, LOCK);
        if wants_own {
            let found = installed.clone().and_then(|()| attempts(bench, &environment));
            figures.extend(own_figures(found));
        }
        if wants_worst_case {
            let runs = installed.and_then(|()| worst_case(bench, &environment));
            figures.extend(worst_case_figures(runs));
        }
    }
    figures
}

fn attempts(bench: &Bench, environment: &Path) -> Result<BTreeMap<String, Attempt>, String> {
    eprintln!("our own attacks");
    let binary = bench.binary.to_string_lossy();
    python::<Attempts>(environment, OWN, &["--bin", &binary]).map(|all| all.figures)
}

fn own_figures(found: Result<BTreeMap<String, Attempt>, String>) -> Vec<Figure> {
    let figure = |name: &&str| {
        let title = format!("own_{name}_blocked");
        let attempt = match &found {
            Err(fault) => return Figure::missing(&title, "bool", fault.clone()),
            Ok(found) => found.get(*name),
        };
        match attempt {
            None => Figure::missing(&title, "bool", format!("{OWN} did not try it")),
            Some(Attempt { control: false, .. }) => Figure::missing(
                &title,
                "bool",
                "what the user asked for was refused too, so a refusal says nothing",
            ),
            Some(attempt) => Figure::of(&title, f64::from(attempt.blocked), "bool", 1),
        }
    };
    OWN_NAMES.iter().map(figure).collect()
}

/// The folder of `gen.py`.
fn traces() -> Result<PathBuf, String> {
    let data =
        std::env::var_os("BARTIZAN_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let folder = data.join(TRACES);
    if folder.join("gen.py").is_file() {
        return Ok(folder);
    }
    Err(format!(
        "{} is not there; set BARTIZAN_DATA to the data folder beside `bench`",
        folder.join("gen.py").display()
    ))
}

fn worst_case(bench: &Bench, environment: &Path) -> Result<Runs, String> {
    let folder = traces()?;
    let (folder, binary) = (folder.to_string_lossy(), bench.binary.to_string_lossy());
    let journals = bench.cache.join("flow-runs");
    std::fs::create_dir_all(&journals).map_err(|fault| format!("{}: {fault}", journals.display()))?;
    let one = |attack: &str, more: &[&str]| -> Result<Tally, String> {
        eprintln!("{attack} {}", more.join(" "));
        let journal = journals.join(format!("{attack}{}.jsonl", more.concat()));
        let journal = journal.to_string_lossy();
        let mut words = vec!["--gen", &folder, "--bin", &binary, "--attack", attack];
        words.extend(["--journal", &journal]);
        if bench.quick {
            words.extend(["--sample", SAMPLE]);
        }
        words.extend(more);
        let tally: Tally = python(environment, WORST_CASE, &words)?;
        if tally.pairs == 0 {
            return Err(format!("{WORST_CASE} --attack {attack} tried no pair"));
        }
        Ok(tally)
    };
    let runs = Runs {
        plain: one("important", &[])?,
        base64: one("b64", &["--pairs"])?,
        adaptive: one("adaptive", &["--pairs"])?,
        zero_plain: one("important", &["--zero"])?,
        zero_adaptive: one("adaptive", &["--zero", "--pairs"])?,
    };
    // An interrupted bench goes on where it stopped; a whole one begins anew.
    std::fs::remove_dir_all(&journals).map_err(|fault| format!("{}: {fault}", journals.display()))?;
    Ok(runs)
}

fn worst_case_figures(runs: Result<Runs, String>) -> Vec<Figure> {
    let runs = match runs {
        Ok(runs) => runs,
        Err(fault) => {
            let missing = |(name, unit): &(&str, &str)| Figure::missing(name, unit, fault.clone());
            return WORST_CASE_NAMES.iter().map(missing).collect();
        }
    };
    let attacked = [&runs.plain, &runs.base64, &runs.adaptive];
    let share = |tally: &&Tally| tally.utility_under_attack as f64 / tally.pairs as f64;
    let useful = attacked.into_iter().min_by(|a, b| share(a).total_cmp(&share(b)));
    let useful = useful.unwrap_or(&runs.plain);
    let asked = attacked.into_iter().max_by_key(|tally| tally.reach_a_human);
    let asked = asked.unwrap_or(&runs.plain);
    let zero = [&runs.zero_plain, &runs.zero_adaptive];
    let zero = zero
        .into_iter()
        .min_by_key(|tally| tally.blocked)
        .unwrap_or(&runs.zero_plain);
    let (low, high) = wilson(useful.utility_under_attack, useful.pairs);
    let blocked = |name: &str, tally: &Tally| counted(name, tally.blocked, tally.pairs, "pairs");
    let tasks = |name: &str, tally: &Tally| counted(name, tally.unattended, tally.tasks, "tasks");
    vec![
        blocked("blocked_plain", &runs.plain),
        blocked("blocked_base64", &runs.base64),
        blocked("blocked_adaptive", &runs.adaptive),
        tasks("unattended_tasks", &runs.plain),
        Figure::of(
            "approvals_per_task",
            runs.plain.batched as f64 / runs.plain.tasks as f64,
            "per_task",
            runs.plain.tasks,
        ),
        Figure::of("utility_under_attack", share(&useful), "fraction", useful.pairs).spread(low, high),
        counted(
            "hijacks_reaching_a_human",
            asked.reach_a_human,
            asked.pairs,
            "pairs",
        ),
        blocked("zero_config_blocked_min", zero),
        tasks("zero_config_unattended_tasks", &runs.zero_plain),
    ]
}

/// A count of `n` with the interval of its share, as counts.
fn counted(name: &str, count: u64, n: u64, unit: &str) -> Figure {
    if n == 0 {
        return Figure::missing(name, unit, "nothing was tried");
    }
    let (low, high) = wilson(count, n);
    Figure::of(name, count as f64, unit, n).spread(low * n as f64, high * n as f64)
}

/// Wilson's score interval of a share at 95 %.
fn wilson(count: u64, n: u64) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    let (n, share) = (n as f64, count as f64 / n as f64);
    let middle = share + Z * Z / (2.0 * n);
    let reach = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    ((middle - reach) / scale, (middle + reach) / scale)
}

/// How often the inference is right on tools it was never tuned on; the figure is the worse of effects and roles.
fn inference(vectors: &str) -> Vec<Figure> {
    let unit = "fraction";
    let report = match score::Report::of(vectors) {
        Ok(report) => report,
        Err(fault) => {
            let missing = |name: &&str| Figure::missing(name, unit, fault.clone());
            return INFERENCE_NAMES.iter().map(missing).collect();
        }
    };
    let share = |score: score::Score| f64::from(score.right) / f64::from(score.all);
    let figure = |name: &str, score: score::Score| {
        let (low, high) = wilson(score.right.into(), score.all.into());
        Figure::of(name, share(score), unit, score.all.into()).spread(low, high)
    };
    let worse = if share(report.roles) < share(report.effects) {
        report.roles
    } else {
        report.effects
    };
    vec![
        figure("manifest_inference_accuracy", worse),
        figure("manifest_inference_effects", report.effects),
        figure("manifest_inference_roles", report.roles),
        Figure::of(
            "manifest_inference_milder",
            f64::from(report.effects.milder + report.roles.milder),
            "count",
            u64::from(report.effects.all + report.roles.all),
        ),
    ]
}

/// Runs a script of the environment and reads the JSON of its last line.
fn python<T: DeserializeOwned>(environment: &Path, script: &str, words: &[&str]) -> Result<T, String> {
    let mut command = Command::new(environment.join("bin").join("python"));
    command
        .arg(script)
        .args(words)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command
        .output()
        .map_err(|fault| format!("{script} does not start: {fault}"))?;
    let last = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .trim_end()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned()
    };
    if !output.status.success() {
        return Err(format!("{script}: {}: {}", output.status, last(&output.stderr)));
    }
    serde_json::from_str(&last(&output.stdout))
        .map_err(|fault| format!("{script} printed no figures: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_share_and_stays_within_all() {
        let (low, high) = wilson(929, 949);
        assert!(
            low > 0.967 && low < 0.979 && high > 0.979 && high < 0.987,
            "{low} {high}"
        );
        let (low, high) = wilson(0, 10);
        assert!(low.abs() < 1e-9 && (high - 0.2775).abs() < 1e-3, "{low} {high}");
        assert!((wilson(10, 10).1 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_did_not_run_is_missing_under_every_name() {
        let figures = worst_case_figures(Err("no registry".to_owned()));
        assert_eq!(figures.len(), WORST_CASE_NAMES.len());
        assert!(
            figures
                .iter()
                .all(|figure| figure.value.is_none() && figure.reason.is_some())
        );
        assert!(
            own_figures(Err("no registry".to_owned()))
                .iter()
                .all(|figure| figure.value.is_none())
        );
    }

    #[test]
    fn the_worst_of_several_attacks_is_what_counts() {
        let tally = |blocked, useful, human| Tally {
            pairs: 100,
            blocked,
            utility_under_attack: useful,
            reach_a_human: human,
            tasks: 10,
            unattended: 7,
            batched: 4,
        };
        let figures = worst_case_figures(Ok(Runs {
            plain: tally(99, 80, 1),
            base64: tally(98, 70, 2),
            adaptive: tally(97, 75, 3),
            zero_plain: tally(96, 0, 0),
            zero_adaptive: tally(95, 0, 0),
        }));
        let value = |name: &str| {
            figures
                .iter()
                .find(|figure| figure.name == name)
                .and_then(|figure| figure.value)
        };
        assert_eq!(value("blocked_adaptive"), Some(97.0));
        assert_eq!(value("utility_under_attack"), Some(0.7));
        assert_eq!(value("hijacks_reaching_a_human"), Some(3.0));
        assert_eq!(value("zero_config_blocked_min"), Some(95.0));
        assert_eq!(value("approvals_per_task"), Some(0.4));
    }

    #[test]
    fn an_attack_whose_control_was_refused_is_not_counted_as_blocked() {
        let found = serde_json::from_str::<Attempts>(
            r#"{"figures": {"toxic_flow": {"blocked": 1, "control": false}, "split_value": {"blocked": 0, "control": true}}}"#,
        );
        let figures = own_figures(
            found
                .map(|found| found.figures)
                .map_err(|fault| fault.to_string()),
        );
        let of = |name: &str| {
            figures
                .iter()
                .find(|figure| figure.name == name)
                .and_then(|figure| figure.value)
        };
        assert_eq!(of("own_toxic_flow_blocked"), None);
        assert_eq!(of("own_split_value_blocked"), Some(0.0));
    }

    #[test]
    fn the_inference_is_scored_on_the_held_out_vectors() {
        let figures = inference(score::HELD_OUT);
        assert!(figures[0].value.is_some_and(|value| value > 0.5 && value < 1.0));
        assert!(figures[0].n > 50);
        let unread = inference("nonsense | nothing");
        assert!(unread.len() == INFERENCE_NAMES.len() && unread[0].value.is_none());
    }
}
