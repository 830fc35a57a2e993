//! `policy check|test|explain|show|reload`.

use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use bartizan_gateway::telemetry::ruling_word;
use bartizan_policy::{Pack, Policy as Loaded, SCHEMA, run_tests};
use bartizan_types::RecordKind;
use http::Method;
use serde_json::json;

use super::{explain, text};
use crate::{
    cli::{Global, PackName, Policy, ShowPolicy},
    client::encode,
    config::{self, diagnose, resolve},
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::{Output, table},
    policy_files::{self, Text},
};

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, policy: &Policy) -> Result<Exit, Failure> {
    match policy {
        Policy::Check { files, pack } => check(global, out, files, *pack),
        Policy::Test { tests, files, pack } => test(global, out, tests, files, *pack),
        Policy::Explain { id, files, pack } => what_if(global, out, id, files, *pack).await,
        Policy::Show { what: Some(what) } => {
            let text = match what {
                ShowPolicy::Schema => SCHEMA,
                ShowPolicy::Balanced => Pack::Balanced.text(),
                ShowPolicy::Strict => Pack::Strict.text(),
            };
            out.raw(text.as_bytes()).map(|()| Exit::Done)
        }
        Policy::Show { what: None } => show(global, out).await,
        Policy::Reload => {
            let link = Link::connect(global, Absent::Fail)?;
            let answer = link.ask(&Method::POST, "/v1/policy/reload", Vec::new()).await?;
            out.emit(&answer, |out| {
                writeln!(out, "in force: {}", text(&answer["policy"]))
            })?;
            link.close().await?;
            Ok(Exit::Done)
        }
    }
}

/// The policy that the command line names, else the configuration's.
pub(crate) fn wanted(
    global: &Global,
    files: &[PathBuf],
    pack: Option<PackName>,
) -> Result<(Loaded, Vec<Text>), Failure> {
    let (chosen, paths) = if files.is_empty() {
        let loaded = config::Loaded::find(global)?;
        let settings = resolve::resolve(&loaded, global)?;
        let chosen = pack.map_or(settings.pack, resolve::pack);
        (chosen, policy_files::matching(&settings.policy_files)?)
    } else {
        (resolve::pack(pack.unwrap_or(PackName::Balanced)), files.to_vec())
    };
    let texts = policy_files::read(&paths)?;
    Ok((policy_files::load(chosen, &texts)?, texts))
}

fn check(global: &Global, out: Output, files: &[PathBuf], pack: Option<PackName>) -> Result<Exit, Failure> {
    let (policy, texts) = wanted(global, files, pack)?;
    let lints = diagnose::policy_reports(policy.lints(), |name| policy_files::text_of(&texts, name));
    for lint in &lints {
        out.remark(&format!("{lint:?}"));
    }
    let compiled = policy.statements().iter().filter(|one| one.compiled).count();
    let count = policy.statements().len();
    let lints: Vec<_> = policy
        .lints()
        .iter()
        .map(|one| json!({ "file": one.file, "message": one.message }))
        .collect();
    let value = json!({ "ok": true, "digest": policy.digest(), "policies": count, "compiled": compiled, "lints": lints });
    out.emit(&value, |out| {
        writeln!(
            out,
            "good: {count} policies, {compiled} compiled, {}",
            policy.digest()
        )
    })?;
    Ok(Exit::Done)
}

fn test(
    global: &Global,
    out: Output,
    tests: &[PathBuf],
    files: &[PathBuf],
    pack: Option<PackName>,
) -> Result<Exit, Failure> {
    let (policy, _) = wanted(global, files, pack)?;
    let mut outcomes = Vec::new();
    for one in policy_files::read(tests)? {
        let found = run_tests(&policy, &one.name, &one.text).map_err(|diagnostic| {
            let reports = diagnose::policy_reports(&[diagnostic], |_| Some(&one.text));
            Failure::new(Exit::Config, format!("`{}` is no policy test file", one.name)).reports(reports)
        })?;
        outcomes.extend(found.into_iter().map(|outcome| (one.name.clone(), outcome)));
    }
    let failed = outcomes.iter().filter(|(_, outcome)| !outcome.passed()).count();
    let rows: Vec<_> = outcomes
        .iter()
        .map(|(file, one)| json!({ "file": file, "name": one.name, "passed": one.passed(), "differences": one.differences }))
        .collect();
    let value = json!({ "passed": outcomes.len() - failed, "failed": failed, "tests": rows });
    out.emit(&value, |out| {
        let (green, red) = (AnsiColor::Green.on_default(), AnsiColor::Red.on_default().bold());
        for (file, outcome) in &outcomes {
            if outcome.passed() {
                writeln!(out, "{green}pass{green:#}  {file}: {}", outcome.name)?;
            } else {
                writeln!(out, "{red}fail{red:#}  {file}: {}", outcome.name)?;
                for difference in &outcome.differences {
                    writeln!(out, "      {difference}")?;
                }
            }
        }
        writeln!(out, "{} passed, {failed} failed", outcomes.len() - failed)
    })?;
    // No test at all is no proof of anything.
    Ok(if failed == 0 && !outcomes.is_empty() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

/// What a policy would rule on a recorded call, beside what was ruled.
async fn what_if(
    global: &Global,
    out: Output,
    id: &str,
    files: &[PathBuf],
    pack: Option<PackName>,
) -> Result<Exit, Failure> {
    let (policy, _) = wanted(global, files, pack)?;
    let link = Link::connect(global, Absent::Fail)?;
    let answer = link.read(&format!("/v1/explain/{}", encode(id))).await?;
    link.close().await?;
    let records = explain::stored(&answer["records"])?;
    let ruling = records
        .iter()
        .rev()
        .filter_map(|one| one.record.as_ref())
        .find(|one| one.kind == RecordKind::Ruling);
    let Some(record) = ruling else {
        return Err(Failure::new(
            Exit::NotFound,
            format!("`{id}` has no ruling left to rule on again"),
        ));
    };
    let replay = bartizan_guard::replay(&policy, record)
        .map_err(|fault| Failure::new(Exit::Refused, "the record can't be ruled on again").because(fault))?;
    let decision = &replay.decision;
    let mut now = record.clone();
    now.ruling = Some(decision.ruling);
    now.because = Some(decision.because.clone());
    now.policy = Some(policy.digest());
    let before = record.ruling.map_or("none", ruling_word);
    let value = json!({
        "call": record.call, "recorded": record.ruling, "would_rule": decision.ruling,
        "exact": replay.exact, "because": decision.because, "policy": policy.digest(),
    });
    out.emit(&value, |out| {
        let bold = Style::new().bold();
        writeln!(
            out,
            "recorded {bold}{before}{bold:#}, this policy says {bold}{}{bold:#}",
            ruling_word(decision.ruling)
        )?;
        if !replay.exact {
            writeln!(
                out,
                "a guess: this policy reads arguments that the record left out"
            )?;
        }
        explain::because(out, &now)
    })?;
    Ok(Exit::Done)
}

async fn show(global: &Global, out: Output) -> Result<Exit, Failure> {
    let link = Link::connect(global, Absent::Fail)?;
    let answer = link.read("/v1/policy").await?;
    let row = |one: &serde_json::Value| {
        vec![
            text(&one["effect"]),
            text(&one["id"]),
            text(&one["file"]),
            text(&one["reason"]),
        ]
    };
    let rows: Vec<_> = answer["policies"]
        .as_array()
        .into_iter()
        .flatten()
        .map(row)
        .collect();
    out.emit(&answer, |out| {
        table(out, &["EFFECT", "ID", "FILE", "REASON"], &rows)?;
        writeln!(out, "sha256 {}", text(&answer["digest"]))
    })?;
    link.close().await?;
    Ok(Exit::Done)
}
