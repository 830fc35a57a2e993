//! What the guests' network learns from: texts of the channels that strangers write into, and where in them the attack
//! stands, which a text without it tells.

use std::collections::BTreeMap;

use super::learn::Trainer;
use super::{Job, Options, Row, TEXT_MOST, jobs, stock};
use crate::Channel;
use crate::injection::generate::{self, Stock};
use crate::injection::model::{GUEST_DIMS, GUESTS, GuestHead};
use crate::injection::net::inputs;
use crate::injection::number::Draw;
use crate::safe::item;

/// Harmless texts of a group that an attack is held against, at most.
const TWINS_MOST: usize = 60;
/// Bytes of an attack that others' texts may be hosts of.
const PAYLOAD: std::ops::RangeInclusive<usize> = 12..=600;
/// Bytes that are kept before an attack that stands far back.
const BEFORE: usize = 2000;

/// Trains the guests' network: its table and its head.
#[must_use]
pub(super) fn train(rows: &[Row], options: &Options) -> (Vec<f32>, GuestHead) {
    let options = Options {
        made: options.guests_made,
        epochs: options.guests_epochs,
        dropout: options.guests_dropout,
        scene_dropout: options.guests_scene_dropout,
        ..*options
    };
    let mut draw = Draw::new(options.seed ^ 0x6775_6573_7473);
    let (seen, spans) = known(rows);
    let mut stock = stock(rows);
    stock.payloads = payloads(rows, &seen, &spans);
    stock.hosts = hosts(&seen, &mut draw);
    let mut trainer = Guests::new(options, &mut draw);
    for epoch in 0..options.epochs {
        let jobs = jobs(&seen, &options, &mut draw);
        let count = jobs.len();
        for (number, job) in jobs.into_iter().enumerate() {
            let done = (epoch as f32 + number as f32 / count as f32) / options.epochs as f32;
            trainer.slow = 1.0 - done;
            if done > 0.5 && number.is_multiple_of((count / 4).max(1)) {
                trainer.average();
            }
            match job {
                Job::Row(at) => {
                    if let (Some(row), Some(span)) = (seen.get(at), spans.get(at)) {
                        one(&mut trainer, row, *span, &mut draw);
                    }
                }
                Job::Made => made(&mut trainer, &stock, &mut draw),
            }
        }
    }
    trainer.finish()
}

/// The rows of the channels that the network reads, and where their attacks stand. Of an attack in a document whose place
/// nobody knows, what would be learnt is the document, so it is left out.
fn known(rows: &[Row]) -> (Vec<Row>, Vec<Option<(usize, usize)>>) {
    let reads = |row: &&Row| item(&GUESTS, row.channel.index()) > 0.0;
    let seen: Vec<Row> = rows.iter().filter(reads).cloned().collect();
    let spans = spans(&seen);
    let both = seen.into_iter().zip(spans);
    both.filter(|(row, span)| !row.attack || span.is_some() || row.channel != Channel::Document)
        .unzip()
}

type Guests = Trainer<GUEST_DIMS, { inputs(GUEST_DIMS) }, 32, 12>;

fn made(trainer: &mut Guests, stock: &Stock<'_>, draw: &mut Draw) {
    let made = generate::guests::make(draw, stock);
    trainer.learn(&made.text, made.channel, made.attack.map(Some), draw);
}

fn one(trainer: &mut Guests, row: &Row, span: Option<(usize, usize)>, draw: &mut Draw) {
    // Of public mail there is little.
    let channel = if row.channel == Channel::Document && draw.chance(0.12) {
        Channel::Mail
    } else {
        row.channel
    };
    let from = span.map_or(0, |(start, end)| {
        if end > TEXT_MOST {
            start.saturating_sub(BEFORE)
        } else {
            0
        }
    });
    let from = row.text.floor_char_boundary(from);
    let to = row.text.floor_char_boundary(from + TEXT_MOST);
    let text = row.text.get(from..to).unwrap_or_default();
    let span = span.map(|(start, end)| (start - from, (end - from).min(text.len())));
    trainer.learn(text, channel, row.attack.then_some(span), draw);
}

/// Where in each row the attack stands, where a harmless text of its group tells.
fn spans(rows: &[Row]) -> Vec<Option<(usize, usize)>> {
    let mut twins: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.attack) {
        twins.entry(&row.group).or_default().push(&row.text);
    }
    let span = |row: &Row| {
        let twins = twins.get(row.group.as_str()).filter(|_| row.attack)?;
        let spans = twins
            .iter()
            .take(TWINS_MOST)
            .filter_map(|twin| span(&row.text, twin));
        spans.min_by_key(|(start, end)| end - start)
    };
    rows.iter().map(span).collect()
}

/// What `text` has that `twin` lacks, if that is one stretch of it and the rest is all of the twin, or nearly so.
fn span(text: &str, twin: &str) -> Option<(usize, usize)> {
    let (text_bytes, twin_bytes) = (text.as_bytes(), twin.as_bytes());
    let most = text_bytes.len().min(twin_bytes.len());
    let alike = |one: &u8, two: &u8| one == two;
    let pairs = text_bytes.iter().zip(twin_bytes);
    let front = pairs.take_while(|(one, two)| alike(one, two)).count();
    let pairs = text_bytes.iter().rev().zip(twin_bytes.iter().rev());
    let back = pairs
        .take_while(|(one, two)| alike(one, two))
        .count()
        .min(most - front);
    // A text may have been cut at its end.
    let covered = (front + back) * 20 >= twin_bytes.len() * 19 || front * 2 > twin_bytes.len() && back == 0;
    let (start, end) = (
        text.floor_char_boundary(front),
        text.ceil_char_boundary(text.len() - back),
    );
    let inside = text.get(start..end)?;
    let start = start + (inside.len() - inside.trim_start().len());
    let end = start + inside.trim().len();
    (covered && end > start && end - start <= text.len() / 2 + 400).then_some((start, end))
}

/// Texts that may be hosts: of each source a bounded number, and of documents more, since that is where guests are.
fn hosts<'a>(seen: &'a [Row], draw: &mut Draw) -> Vec<(Channel, &'a str)> {
    let mut sources: BTreeMap<(&str, Channel), Vec<&str>> = BTreeMap::new();
    for row in seen.iter().filter(|row| !row.attack) {
        sources
            .entry((&row.source, row.channel))
            .or_default()
            .push(&row.text);
    }
    let mut hosts = Vec::new();
    for ((_, channel), mut texts) in sources {
        draw.shuffle(&mut texts);
        texts.truncate(match channel {
            Channel::Document => 700,
            _ => 250,
        });
        hosts.extend(texts.into_iter().map(|text| (channel, text)));
    }
    hosts
}

/// What attackers wrote: what was cut out of composed texts, and short attacks that stand alone.
fn payloads<'a>(rows: &'a [Row], seen: &'a [Row], spans: &[Option<(usize, usize)>]) -> Vec<&'a str> {
    let cut = seen.iter().zip(spans).filter_map(|(row, span)| {
        let (start, end) = (*span)?;
        row.text.get(start..end)
    });
    let alone = rows
        .iter()
        .filter(|row| row.attack && row.channel == Channel::User)
        .map(|row| row.text.as_str())
        .filter(|text| text.len() <= 300);
    let mut all: Vec<&str> = cut
        .chain(alone)
        .filter(|text| PAYLOAD.contains(&text.len()))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_is_what_its_twin_lacks() {
        let twin = "The tide is high. The boats are out. Nobody swims.";
        for (text, attack) in [
            (
                "The tide is high. Say hello. The boats are out. Nobody swims.",
                "Say hello.",
            ),
            (
                "Say hello. The tide is high. The boats are out. Nobody swims.",
                "Say hello.",
            ),
            (
                "The tide is high. The boats are out. Nobody swims.\nSay hello.",
                "Say hello.",
            ),
        ] {
            let (start, end) = span(text, twin).expect("a span");
            // Where the stretch begins and ends with what follows or precedes it, either place is right.
            assert_eq!(end - start, attack.len(), "{}", &text[start..end]);
        }
        assert_eq!(span("Quite another text. Say hello.", twin), None);
        assert_eq!(span(twin, twin), None);
    }
}
