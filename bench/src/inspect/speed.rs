//! How fast, on one core.

use std::hint::black_box;
use std::time::Instant;

use bartizan_inspect::canary::Canaries;
use bartizan_inspect::stream::Memo;
use bartizan_inspect::{Channel, Wanted, injection, inspect};

use super::Text;
use crate::figure::Figure;

/// Names and units of the figures.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("canonical_secrets_pii_mb_s", "mb_per_s"),
    ("classifier_mb_s", "mb_per_s"),
    ("message_1k_all_p99_us", "us"),
    ("turn_2k_on_1m_us", "us"),
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
    // The fastest of three, so that the scheduler of the machine is not what is measured.
    let once = |message: &[u8]| {
        let start = Instant::now();
        black_box(inspect(Channel::Tool, message, Wanted::ALL, &canaries));
        start.elapsed().as_secs_f64() * 1e6
    };
    let mut times: Vec<f64> = tools
        .iter()
        .flat_map(|text| text.as_bytes().chunks_exact(1024))
        .take(4000)
        .map(|message| (0..3).map(|_| once(message)).fold(f64::MAX, f64::min))
        .collect();
    times.sort_by(f64::total_cmp);
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN);
    vec![
        Figure::median_of(NAMES[0].0, NAMES[0].1, &data),
        Figure::median_of(NAMES[1].0, NAMES[1].1, &classifier),
        Figure::of(NAMES[2].0, p99, NAMES[2].1, times.len() as u64),
        turn(&tools),
    ]
}

/// What a turn costs that adds 2 KiB to a history of 1 MiB which is sent whole.
fn turn(tools: &[&str]) -> Figure {
    let all = tools.concat();
    let mut pieces = all.as_bytes().chunks_exact(2048);
    let history: Vec<&[u8]> = pieces.by_ref().take(512).collect();
    let mut memo = Memo::new(Wanted::ALL, Canaries::default(), 4096);
    for piece in &history {
        black_box(memo.inspect(Channel::Tool, piece));
    }
    let mut times = Vec::new();
    let mut most = 0;
    for new in pieces.take(100) {
        let (before, start) = (memo.inspected(), Instant::now());
        for piece in history.iter().copied().chain([new]) {
            black_box(memo.inspect(Channel::Tool, piece));
        }
        times.push(start.elapsed().as_secs_f64() * 1e6);
        most = most.max(memo.inspected() - before);
    }
    let mut figure = Figure::median_of(NAMES[3].0, NAMES[3].1, &times);
    figure.peer = Some(format!("inspected {most} bytes at most"));
    figure
}
