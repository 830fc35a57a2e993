//! Biscuit's part of the identity bench: a token of four blocks and 100 policies, to a verdict; prints one JSON object of
//! figures in microseconds.
//!
//! The policies are those of `bench/src/decision.rs` in Datalog, in an order in which the first that matches is the one
//! that decides there. Ours also reads a client certificate, writes the record and mints a permit; Biscuit does none of
//! that. Its clock limit is out of reach, as nothing should be cut off here; reading the clock can't be left out.

use std::{error::Error, fmt::Write as _, hint::black_box, time::Duration, time::Instant};

use biscuit_auth::{
    Biscuit, KeyPair,
    builder::{AuthorizerBuilder, BlockBuilder},
    datalog::RunLimits,
};

type Fallible<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;

fn main() -> Fallible<()> {
    let samples: usize = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 1_000,
    };
    let root = KeyPair::new();
    let bytes = token(&root)?.to_vec()?;
    let policies = AuthorizerBuilder::new().code(policies())?;
    let kept = Biscuit::from(&bytes, root.public())?;

    let verify = rounds(samples, |_| {
        black_box(Biscuit::from(&bytes, root.public())?);
        Ok(())
    })?;
    let warm = rounds(samples, |at| pass(&policies, &kept, at))?;
    let cold = rounds(samples, |at| {
        pass(&policies, &Biscuit::from(&bytes, root.public())?, at)
    })?;
    let figures = serde_json::json!({
        "n": samples * ROUNDS, "token_bytes": bytes.len(),
        "biscuit_verify_p50_us": verify.0, "biscuit_verify_p99_us": verify.1,
        "biscuit_warm_p50_us": warm.0, "biscuit_warm_p99_us": warm.1,
        "biscuit_cold_p50_us": cold.0, "biscuit_cold_p99_us": cold.1,
    });
    println!("{figures}");
    Ok(())
}

/// An agent's token, handed on three times, narrower each time: by resource and by end, as our links are.
fn token(root: &KeyPair) -> Fallible<Biscuit> {
    let end = "check if time($now), $now < 2100-01-01T00:00:00Z";
    let mut token = Biscuit::builder()
        .fact("agent(\"agent\")")?
        .fact("group(\"payers\")")?
        .check(end)?
        .build(root)?;
    for on in ["Tool::", "Tool::bank/", "Tool::bank/pay"] {
        let narrower = format!("check if resource($what), $what.starts_with(\"{on}\")");
        let block = BlockBuilder::new().check(narrower.as_str())?.check(end)?;
        token = token.append(block)?;
    }
    Ok(token)
}

/// 60 policies that are read to their end, 40 of other resources, and the one that lets the call pass.
fn policies() -> String {
    let mut text = String::new();
    for at in 0..60_u32 {
        let policy = match at % 6 {
            0 => format!("deny if worst($worst), $worst >= {}", 3 + at),
            1 => format!("deny if amount($amount), $amount > {}", 100_000 + at),
            2 => format!("deny if to($to), $to.ends_with(\"@bad{at}.example\")"),
            3 => format!(
                "deny if pin($pin), [\"changed\", \"unlisted\"].contains($pin) or depth($depth), $depth > {}",
                at.max(5)
            ),
            4 => format!("allow if agent(\"agent-{at}\"), complete(true)"),
            _ => format!("deny if user(\"intern{at}\"), approved(false)"),
        };
        let _ = writeln!(text, "{policy};");
    }
    for at in 0..40 {
        let _ = writeln!(
            text,
            "allow if resource(\"Tool::bank/other{at}\"), worst($worst), $worst < 3;"
        );
    }
    text.push_str("allow if group(\"payers\"), pin(\"same\");\n");
    text
}

/// One call, different every time: its facts, the token, the policies.
fn pass(policies: &AuthorizerBuilder, token: &Biscuit, at: usize) -> Fallible<()> {
    let facts = format!(
        "resource(\"Tool::bank/pay\"); worst(0); amount({}); to(\"payee{at}@corp.example\"); note(\"invoice {at} of this \
         month, as agreed\"); pin(\"same\"); depth(4); complete(true); approved(false); time(2026-09-21T12:00:00Z);",
        at % 90_000
    );
    let limits = RunLimits {
        max_facts: 10_000,
        max_iterations: 1_000,
        max_time: Duration::from_secs(60),
    };
    let mut authorizer = policies.clone().code(facts)?.set_limits(limits).build(token)?;
    black_box(authorizer.authorize()?);
    Ok(())
}

/// Medians over rounds of each round's median and 99th percentile, in microseconds.
fn rounds(samples: usize, mut work: impl FnMut(usize) -> Fallible<()>) -> Fallible<(f64, f64)> {
    let (mut medians, mut tails) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut taken = Vec::with_capacity(samples);
        for at in 0..samples {
            let began = Instant::now();
            work(at)?;
            taken.push(began.elapsed().as_nanos() as f64 / 1_000.0);
        }
        taken.sort_by(f64::total_cmp);
        let quantile = |of: usize| {
            taken
                .get((taken.len() * of / 100).min(taken.len().saturating_sub(1)))
                .copied()
        };
        medians.extend(quantile(50));
        tails.extend(quantile(99));
    }
    let middle = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().ok_or("no sample was taken")
    };
    Ok((middle(medians)?, middle(tails)?))
}
