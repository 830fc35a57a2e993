//! How fast, on one core.

use std::hint::black_box;
use std::time::Instant;

use bartizan_inspect::canary::Canaries;
use bartizan_inspect::{Channel, Wanted, injection, inspect};

use super::Text;
use crate::figure::Figure;

/// Names and units of the figures.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("canonical_secrets_pii_mb_s", "mb_per_s"),
    ("classifier_mb_s", "mb_per_s"),
    ("message_1k_all_p99_us", "us"),
];

/// Measures.
pub(super) fn run(texts: &[Text], quick: bool) -> Vec<Figure> {
    let most = if quick { 2 << 20 } else { 12 << 20 };
    let mut size = 0;
    let tools: Vec<&str> = texts
        .iter()
        .filter(|text| text.row.channel == Channel::Tool && !text.row.attack)
        .map(|text| text.row.text.as_str())
        .take_while(|text| {
            size += text.len();
            size < most
        })
        .collect();
    let bytes: usize = tools.iter().map(|text| text.len()).sum();
    let canaries = Canaries::default();
    let rate = |work: &dyn Fn(&str)| {
        tools.iter().take(200).for_each(|text| work(text));
        let samples: Vec<f64> = (0..5)
            .map(|_| {
                let start = Instant::now();
                tools.iter().for_each(|text| work(text));
                bytes as f64 / 1e6 / start.elapsed().as_secs_f64()
            })
            .collect();
        samples
    };
    let data = rate(&|text| {
        black_box(inspect(Channel::Tool, text.as_bytes(), Wanted::DATA, &canaries));
    });
    let model = injection::embedded();
    let classifier = rate(&|text| {
        black_box(model.map(|model| model.highest(Channel::Tool, text)));
    });
    let mut times: Vec<f64> = tools
        .iter()
        .flat_map(|text| text.as_bytes().chunks_exact(1024))
        .take(4000)
        .map(|message| {
            let start = Instant::now();
            black_box(inspect(Channel::Tool, message, Wanted::ALL, &canaries));
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN);
    vec![
        Figure::median_of(NAMES[0].0, NAMES[0].1, &data),
        Figure::median_of(NAMES[1].0, NAMES[1].1, &classifier),
        Figure::of(NAMES[2].0, p99, NAMES[2].1, times.len() as u64),
    ]
}
