//! What the model in the binary finds of attacks written by hand, and what it flags of their look-alikes.
//!
//! Both sets were written before the model was trained, in six channels and some thirty languages, and neither is
//! trained on. A third set are sixty honest texts of kinds that the training data has none of, written before it was
//! known what the model makes of them: advisories, complaints that quote swindlers, reviews, prompts in designs. Each
//! text counts as found when its highest score is above its channel's low threshold, as it ships. The second attacks and
//! look-alikes were written before the guests' network was made, and read for final figures only.

use std::collections::BTreeMap;

use bartizan_inspect::Channel;
use bartizan_inspect::injection::embedded;

use super::learning::wilson;
use crate::figure::Figure;

/// Channel, language, text; `\n` is a line end.
const ATTACKS: &str = include_str!("../../inspect/injection_attacks.tsv");
const BENIGN: &str = include_str!("../../inspect/injection_benign.tsv");
const SECOND_ATTACKS: &str = include_str!("../../inspect/second_attacks.tsv");
const SECOND_BENIGN: &str = include_str!("../../inspect/second_benign.tsv");
const HONEST: &str = include_str!("../../inspect/hard_honest.tsv");

/// Names of the figures, and their sets.
pub(super) const SETS: [(&str, &str); 5] = [
    ("hand_recall", ATTACKS),
    ("hand_look_alike_fpr", BENIGN),
    ("hand_second_recall", SECOND_ATTACKS),
    ("hand_second_look_alike_fpr", SECOND_BENIGN),
    ("hand_honest_fpr", HONEST),
];

/// Flagged at the low threshold, at the high one, and all.
#[derive(Default, Clone, Copy)]
struct Counts {
    low: u64,
    high: u64,
    all: u64,
}

/// Measures, or says why not.
pub(super) fn run() -> Vec<Figure> {
    let Some(model) = embedded() else {
        return SETS
            .map(|(name, _)| Figure::missing(name, "share", "the embedded model can't be read"))
            .into();
    };
    let mut figures = Vec::new();
    for (name, set) in SETS {
        let counts = counts(set, |channel, text| {
            let (score, threshold) = (model.highest(channel, text), model.threshold(channel));
            (score > threshold.low, score > threshold.high)
        });
        for (part, counts) in counts {
            let name = if part.is_empty() {
                name.to_owned()
            } else {
                format!("{name}_{part}")
            };
            figures.push(figure(&name, counts.low, counts.all));
            if part.is_empty() {
                figures.push(figure(&format!("{name}_at_high"), counts.high, counts.all));
            }
        }
    }
    figures
}

/// Counts of a set: of all of it under an empty name, of each channel, of English and of the other languages.
fn counts(set: &str, flags: impl Fn(Channel, &str) -> (bool, bool)) -> BTreeMap<String, Counts> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for line in set.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.splitn(3, '\t');
        let (Some(channel), Some(language), Some(text)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let channel = super::channel(channel);
        let (low, high) = flags(channel, &text.replace("\\n", "\n"));
        let language = if language == "en" {
            "english"
        } else {
            "other_languages"
        };
        for part in ["", channel.as_str(), language] {
            let counts = counts.entry(part.to_owned()).or_default();
            counts.low += u64::from(low);
            counts.high += u64::from(high);
            counts.all += 1;
        }
    }
    counts
}

fn figure(name: &str, hits: u64, all: u64) -> Figure {
    let (low, high) = wilson(hits, all);
    Figure::of(name, hits as f64 / all as f64, "share", all).spread(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_counts_for_its_channel_and_for_all() {
        for (set, lines) in [
            (ATTACKS, 155),
            (BENIGN, 169),
            (SECOND_ATTACKS, 97),
            (SECOND_BENIGN, 103),
        ] {
            let counts = counts(set, |channel, _| (channel == Channel::Mail, false));
            assert_eq!(counts[""].all, lines);
            let channels: u64 = Channel::ALL
                .iter()
                .filter_map(|channel| counts.get(channel.as_str()))
                .map(|counts| counts.all)
                .sum();
            assert_eq!(channels, lines);
            assert_eq!(counts["english"].all + counts["other_languages"].all, lines);
            assert_eq!(counts[""].low, counts["mail"].all);
            assert_eq!(counts["mail"].low, counts["mail"].all);
            assert_eq!(counts["tool"].low, 0);
        }
        let counts = counts(HONEST, |_, _| (false, false));
        assert_eq!(counts[""].all, 60);
        assert_eq!(counts["english"].all + counts["other_languages"].all, 60);
    }
}
