//! The accuracy of the inference on labelled schemas of public servers, as one line of JSON for the benches.
//!
//! `manifest_inference_accuracy` is the share of effects and roles that are right on tools it was never tuned on.
#![expect(clippy::disallowed_macros, reason = "an example prints")]

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/score/mod.rs"]
mod score;

use score::{HELD_OUT, Report, Score, TUNED};
use serde_json::{Value, json};

fn share(scores: &[Score]) -> f64 {
    let sum = |pick: fn(&Score) -> u32| f64::from(scores.iter().map(pick).sum::<u32>());
    sum(|score| score.right) / sum(|score| score.all)
}

fn part(report: &Report) -> Value {
    let one = |score: Score| json!({ "all": score.all, "right": score.right, "milder": score.milder });
    json!({
        "effects": one(report.effects), "roles": one(report.roles), "roles_that_decide": one(report.deciding),
        "accuracy": share(&[report.effects, report.roles]),
    })
}

fn main() {
    let (tuned, held) = (Report::of(TUNED), Report::of(HELD_OUT));
    let accuracy = share(&[held.effects, held.roles]);
    println!(
        "{}",
        json!({ "manifest_inference_accuracy": accuracy, "held_out": part(&held), "tuned_on": part(&tuned) })
    );
}
