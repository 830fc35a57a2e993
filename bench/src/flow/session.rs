//! What the rules cost a session that read about 1 MiB: the time to trace and rule on a call, and resident memory.
//!
//! Each shape of text has a process of its own, so that the growth is that session's alone. All that is read is
//! allocated before the growth is counted from.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use bartizan_flow::{
    Class, Content, Effect, Intent, Joined, Manifest, Memory, PathPattern, Role, assess, decide,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::figure::Figure;
use crate::process;

const CALLS: u32 = 10_000;
const SHAPES: &[&str] = &["records", "numbers", "prose"];

/// What the process of one shape prints.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    text_mib: f64,
    grown_mib: f64,
    p99_us: f64,
}

/// Takes the figures: the worst of the shapes.
pub(super) fn run() -> Vec<Figure> {
    let names = [("provenance_p99_us", "us"), ("session_mib_per_mib_text", "ratio")];
    match SHAPES
        .iter()
        .map(|shape| one(shape))
        .collect::<Result<Vec<_>, _>>()
    {
        Err(fault) => names
            .map(|(name, unit)| Figure::missing(name, unit, fault.clone()))
            .into(),
        Ok(all) => {
            let calls = u64::from(CALLS) * all.len() as u64;
            let worst = |(name, unit), n, values: Vec<f64>| {
                let low = values.iter().copied().fold(f64::INFINITY, f64::min);
                let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                Figure::of(name, high, unit, n).spread(low, high)
            };
            let [time, room] = names;
            vec![
                worst(time, calls, all.iter().map(|one| one.p99_us).collect()),
                worst(
                    room,
                    all.len() as u64,
                    all.iter().map(|one| one.grown_mib / one.text_mib).collect(),
                ),
            ]
        }
    }
}

fn one(shape: &str) -> Result<Measured, String> {
    let program = std::env::current_exe().map_err(|fault| format!("our own path: {fault}"))?;
    let output = Command::new(program)
        .args(["session", shape])
        .output()
        .map_err(|fault| format!("the session's process: {fault}"))?;
    if !output.status.success() {
        return Err(format!(
            "{shape}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    serde_json::from_slice(&output.stdout).map_err(|fault| format!("{shape}: {fault}"))
}

/// Measures one shape in this process and prints it.
///
/// # Errors
/// A shape nobody knows, or no `/proc`.
pub(crate) fn measure(shape: &str) -> Result<(), String> {
    let reads = reads(shape)?;
    let text: usize = reads
        .iter()
        .map(|value| value.as_str().map_or_else(|| value.to_string().len(), str::len))
        .sum();
    let prompt = prompt();
    let before = process::resident_mib(std::process::id())?;
    let mut memory = Memory::new();
    memory.prompt(&prompt);
    let intent = Intent::of(&memory, ["get_items", "send_email"]);
    let trusted = manifest(Effect::Read, &[], &[("**", Class::Trusted)]);
    for value in &reads {
        let content = value.as_str().map_or(Content::Json(value), Content::Text);
        memory.result(&trusted, None, content);
    }
    let grown = process::resident_mib(std::process::id())? - before;
    let measured = Measured {
        text_mib: (text + prompt.len()) as f64 / f64::from(1 << 20),
        grown_mib: grown,
        p99_us: calls(&memory, &intent),
    };
    // What was read is held until the growth is taken, so that none of it makes room for the memory.
    drop(reads);
    println!(
        "{}",
        serde_json::to_string(&measured).map_err(|fault| fault.to_string())?
    );
    Ok(())
}

/// The time to assess a call with every role, and to rule on it: the 99th of 100.
fn calls(memory: &Memory, intent: &Intent) -> f64 {
    let send = manifest(
        Effect::Send,
        &[
            ("to", Role::Target),
            ("id", Role::Selector),
            ("when", Role::Time),
            ("sum", Role::Amount),
            ("body", Role::Content),
        ],
        &[],
    );
    let body = format!("see https://example.com/a {}", "some words here ".repeat(60));
    let mut seed = 1_u64;
    let mut next = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut micros: Vec<f64> = (0..CALLS)
        .map(|_| {
            let arguments = json!({
                "to": [format!("user{}@example.com", next(900)), "x@evil.example"],
                "id": format!("id-{}", next(99_999)),
                "when": "2024-05-15 10:00",
                "sum": next(1_000_000) as f64 / 100.0,
                "body": body,
            });
            let begun = Instant::now();
            let seen = assess(memory, intent, "send_email", &send, &arguments);
            let decision = decide(&seen.flow(Joined::Only));
            let took = begun.elapsed().as_secs_f64() * 1e6;
            std::hint::black_box(decision);
            took
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    micros
        .get(micros.len() * 99 / 100)
        .copied()
        .unwrap_or(f64::INFINITY)
}

fn manifest(effect: Effect, arguments: &[(&str, Role)], results: &[(&str, Class)]) -> Manifest {
    let roles = arguments.iter().flat_map(|(path, role)| {
        [(*path).to_owned(), format!("{path}.**")].map(|path| (PathPattern::new(&path), *role))
    });
    Manifest {
        effect,
        arguments: roles.collect(),
        results: results
            .iter()
            .map(|(path, class)| (PathPattern::new(path), *class))
            .collect(),
        reviewed: true,
        public: false,
        json_text: false,
        searches: false,
        codes_from: Vec::new(),
        codes: Vec::new(),
    }
}

/// The longest prompt a person types: about 16 KiB.
fn prompt() -> String {
    (0..300).fold(String::new(), |mut text, n| {
        let _ = write!(
            text,
            "word{n} 2024-05-{:02} {}.50 user{n}@example.com ",
            n % 28 + 1,
            n * 7
        );
        text
    })
}

/// About 1 MiB in results of a page each.
fn reads(shape: &str) -> Result<Vec<Value>, String> {
    let record = |page: u32, n: u32| {
        json!({
            "id": format!("id-{page}-{n}"), "date": "2024-05-15", "amount": f64::from(n) * 3.5,
            "who": format!("user{n}@example.com"), "note": "lorem ipsum dolor ".repeat(3),
        })
    };
    match shape {
        "records" => Ok((0..72)
            .map(|page| Value::from((0..100).map(|n| record(page, n)).collect::<Vec<_>>()))
            .collect()),
        "numbers" => Ok((0..160)
            .map(|page| Value::from((0..1000).map(|n| page * 1000 + n).collect::<Vec<u32>>()))
            .collect()),
        "prose" => Ok((0..64)
            .map(|_| Value::from("lorem ipsum dolor sit amet ".repeat(600)))
            .collect()),
        other => Err(format!("no shape `{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_about_a_mebibyte() {
        for shape in SHAPES {
            let bytes: usize = reads(shape)
                .unwrap()
                .iter()
                .map(|value| value.to_string().len())
                .sum();
            assert!((900_000..1_300_000).contains(&bytes), "{shape}: {bytes}");
        }
        assert!(reads("circles").is_err());
    }
}
