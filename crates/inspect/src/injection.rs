//! Instructions where none should be: a small trained network over n-grams, and beside it a few phrases as cheap,
//! explainable evidence.

pub mod features;
pub mod generate;
mod lexicon;
pub mod linear;
pub mod model;
pub mod net;
pub mod number;
mod phrases;
pub mod train;

use std::ops::Range;
use std::sync::LazyLock;

use bartizan_types::{FindingKind, Severity};

use crate::{Channel, Local};
use model::{Model, Scored, Threshold};

/// The model in the binary, made by [`train::train`] from the seed that docs/reference/injection-model.md names.
static EMBEDDED: LazyLock<Option<Model>> =
    LazyLock::new(|| Model::from_bytes(include_bytes!("injection/model.bin")).ok());

/// Tokens that a finding names as its reasons.
const REASONS: usize = 5;

/// The model in the binary. `None` if its bytes are broken, which a test rules out.
#[must_use]
pub fn embedded() -> Option<&'static Model> {
    EMBEDDED.as_ref()
}

/// Adds what is above the channel's threshold in one layer, and returns the highest score and the threshold.
pub(crate) fn find(
    channel: Channel,
    text: &str,
    is_disguised: &impl Fn(&Range<usize>) -> bool,
    most: usize,
    add: &mut impl FnMut(Local),
) -> (f32, f32) {
    let phrases = phrases::find(text);
    for (range, what) in &phrases {
        add(Local::new(
            range.clone(),
            FindingKind::Injection,
            what,
            Severity::Low,
            600,
        ));
    }
    let Some(model) = embedded() else {
        return (f32::MIN, 0.0);
    };
    let threshold = model.threshold(channel);
    let scores = model.score(channel, text);
    let highest = scores.iter().fold(f32::MIN, |most, one| most.max(one.score));
    if highest <= threshold.low {
        return (highest, threshold.low);
    }
    let mut above: Vec<&Scored> = scores
        .iter()
        .filter(|scored| scored.score > threshold.low)
        .collect();
    above.sort_by(|one, two| two.score.total_cmp(&one.score).then(one.start.cmp(&two.start)));
    for scored in above.into_iter().take(most) {
        let agrees = phrases
            .iter()
            .any(|(range, _)| range.start < scored.end && scored.start < range.end);
        let disguised = is_disguised(&(scored.start..scored.end));
        let (severity, score) = grade(scored.score, threshold, disguised, agrees);
        let mut seen = Local::new(
            scored.start..scored.end,
            FindingKind::Injection,
            "classifier",
            severity,
            score,
        );
        seen.because = model.explain(text, scored, REASONS);
        seen.above = Some(scored.score - threshold.low);
        add(seen);
    }
    (highest, threshold.low)
}

/// Above the low threshold is suspicious, above the high one surely so; words that had to be decoded first weigh more, and so does
/// what has a phrase of attacks in it as well (`agrees`).
fn grade(score: f32, threshold: Threshold, disguised: bool, agrees: bool) -> (Severity, u16) {
    let range = (threshold.high - threshold.low).max(0.1);
    let share = ((score - threshold.low) / range).clamp(0.0, 2.0);
    let score = 500 + (share * 245.0) as u16;
    let severity = if share >= 1.0 || agrees || disguised {
        Severity::High
    } else {
        Severity::Medium
    };
    (severity, score)
}
