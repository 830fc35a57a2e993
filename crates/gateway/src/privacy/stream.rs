//! Restores tokens in a streamed answer: in the deltas of text, whatever pieces a token comes in, and in the events that
//! repeat a whole text.
//!
//! What may still become a token is held back, less than one token's length for each text; where the text ends, an event
//! of the same shape gives the rest. Events without text pass byte for byte.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bartizan_privacy::{Kind, Restorer, Vault};
use bartizan_types::{Code, Timestamp};
use bartizan_wire::sse::{self, Splitter};
use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::{answer::edits_of_event, vaults::Held};
use crate::clock;

/// Most texts of one answer that are restored; the rest goes as it is.
const TEXTS: usize = 64;

type Place = (u64, u64);

struct Text {
    restorer: Restorer,
    /// The last event of this text, as what the rest is told by.
    name: Option<String>,
    event: Value,
}

/// Restores in one stream.
pub(crate) struct Rewriter {
    vault: Arc<Held>,
    may: BTreeSet<Kind>,
    splitter: Splitter,
    texts: BTreeMap<Place, Text>,
    now: Timestamp,
}

impl Rewriter {
    pub(super) fn new(vault: Arc<Held>, may: BTreeSet<Kind>, event_bytes: usize) -> Self {
        Self {
            vault,
            may,
            splitter: Splitter::new(event_bytes),
            texts: BTreeMap::new(),
            now: clock::now(),
        }
    }

    /// Takes what was released, and gives it as the agent gets it.
    ///
    /// # Errors
    /// What the splitter says; the decoder in front has passed the same events, so it says nothing.
    pub(crate) fn push(&mut self, released: &[u8]) -> Result<Bytes, Code> {
        let mut out = BytesMut::with_capacity(released.len() + 64);
        let held = Arc::clone(&self.vault);
        let vault = held.lock();
        let (texts, may, now) = (&mut self.texts, &self.may, self.now);
        let pushed = self.splitter.push(released, &mut |event| {
            one(texts, &vault, may, now, &event, &mut out);
            Ok(())
        });
        pushed.map_err(|fault| fault.of_upstream().code)?;
        Ok(out.freeze())
    }

    /// The stream ended: what is held back of texts that no event closed.
    pub(crate) fn finish(&mut self) -> Bytes {
        let mut out = BytesMut::new();
        let held = Arc::clone(&self.vault);
        let vault = held.lock();
        for (place, mut text) in std::mem::take(&mut self.texts) {
            flush(&mut text, place, &vault, &self.may, self.now, &mut out);
        }
        out.freeze()
    }
}

fn one(
    texts: &mut BTreeMap<Place, Text>,
    vault: &Vault,
    may: &BTreeSet<Kind>,
    now: Timestamp,
    event: &sse::Event<'_>,
    out: &mut BytesMut,
) {
    let parsed = event
        .data
        .as_ref()
        .and_then(|data| serde_json::from_str::<Value>(data).ok());
    let Some(mut value) = parsed else {
        // The end of a chat's stream, or a comment: nothing of a text may come behind the end.
        if event.data.is_some() {
            for (place, mut text) in std::mem::take(texts) {
                flush(&mut text, place, vault, may, now, out);
            }
        }
        out.extend_from_slice(event.raw);
        return;
    };
    for place in closes(&value) {
        let done: Vec<Place> = texts
            .keys()
            .filter(|key| place.is_none_or(|place| key.0 == place))
            .copied()
            .collect();
        for place in done {
            if let Some(mut text) = texts.remove(&place) {
                flush(&mut text, place, vault, may, now, out);
            }
        }
    }
    let places = places(&value);
    let changed = deltas(
        texts,
        &places,
        &mut value,
        event.name,
        vault,
        &mut |kind| may.contains(kind),
        now,
    );
    if changed {
        out.extend_from_slice(&sse::encode(event.name, &value.to_string()));
        return;
    }
    if places.is_empty()
        && let Some(data) = &event.data
        && let Some(rewritten) = edits_of_event(data, &mut |text| {
            let restored = vault.restore(text, now, |kind| may.contains(kind));
            (restored != text).then(|| restored.into_owned())
        })
    {
        out.extend_from_slice(&sse::encode(event.name, &rewritten));
        return;
    }
    out.extend_from_slice(event.raw);
}

/// Restores in an event's deltas. Gives whether it changed.
fn deltas(
    texts: &mut BTreeMap<Place, Text>,
    places: &[Place],
    value: &mut Value,
    name: Option<&str>,
    vault: &Vault,
    may: &mut dyn FnMut(&Kind) -> bool,
    now: Timestamp,
) -> bool {
    let mut changed = false;
    for place in places {
        let Some(slot) = slot(value, *place) else {
            continue;
        };
        let Some(piece) = slot.as_str().map(str::to_owned) else {
            continue;
        };
        if !texts.contains_key(place) && texts.len() >= TEXTS {
            continue;
        }
        let text = texts.entry(*place).or_insert_with(|| Text {
            restorer: Restorer::default(),
            name: None,
            event: Value::Null,
        });
        let mut given = String::new();
        text.restorer.push(vault, &piece, now, may, &mut given);
        changed |= given != piece;
        *slot = Value::String(given);
    }
    for place in places {
        if let Some(text) = texts.get_mut(place) {
            text.name = name.map(str::to_owned);
            text.event = value.clone();
        }
    }
    changed
}

/// Gives what a text holds back, as one more event of its shape.
fn flush(
    text: &mut Text,
    place: Place,
    vault: &Vault,
    may: &BTreeSet<Kind>,
    now: Timestamp,
    out: &mut BytesMut,
) {
    let mut rest = String::new();
    text.restorer
        .finish(vault, now, &mut |kind| may.contains(kind), &mut rest);
    if rest.is_empty() {
        return;
    }
    for other in places(&text.event) {
        if let Some(slot) = slot(&mut text.event, other) {
            *slot = Value::String(if other == place {
                rest.clone()
            } else {
                String::new()
            });
        }
    }
    out.extend_from_slice(&sse::encode(text.name.as_deref(), &text.event.to_string()));
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// The texts that an event adds to.
fn places(event: &Value) -> Vec<Place> {
    if let Some(choices) = event.get("choices").and_then(Value::as_array) {
        return choices
            .iter()
            .filter(|choice| choice.pointer("/delta/content").is_some_and(Value::is_string))
            .map(|choice| (number(choice, "index"), 0))
            .collect();
    }
    match event.get("type").and_then(Value::as_str) {
        Some("response.output_text.delta") => {
            vec![(number(event, "output_index"), number(event, "content_index"))]
        }
        Some("content_block_delta") if event.pointer("/delta/text").is_some() => {
            vec![(number(event, "index"), 0)]
        }
        _ => Vec::new(),
    }
}

/// Where an event holds the text of a place.
fn slot(event: &mut Value, place: Place) -> Option<&mut Value> {
    if event.get("choices").is_some() {
        let choices = event.get_mut("choices")?.as_array_mut()?;
        let choice = choices
            .iter_mut()
            .find(|choice| number(choice, "index") == place.0)?;
        return choice.pointer_mut("/delta/content");
    }
    match event.get("type")?.as_str()? {
        "response.output_text.delta" => event.get_mut("delta"),
        "content_block_delta" => event.pointer_mut("/delta/text"),
        _ => None,
    }
}

/// The texts that end with this event, by the first part of their place; `None` is all of them.
fn closes(event: &Value) -> Vec<Option<u64>> {
    if let Some(choices) = event.get("choices").and_then(Value::as_array) {
        return choices
            .iter()
            .filter(|choice| choice.get("finish_reason").is_some_and(Value::is_string))
            // The last piece of text may come with the reason: then it is given first, below.
            .filter(|choice| {
                let text = choice.pointer("/delta/content").and_then(Value::as_str);
                text.is_none_or(str::is_empty)
            })
            .map(|choice| Some(number(choice, "index")))
            .collect();
    }
    match event.get("type").and_then(Value::as_str) {
        Some("content_block_stop") => vec![Some(number(event, "index"))],
        Some("response.output_text.done" | "response.output_item.done") => {
            vec![Some(number(event, "output_index"))]
        }
        Some(
            "message_delta"
            | "message_stop"
            | "response.completed"
            | "response.incomplete"
            | "response.failed",
        ) => vec![None],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use bartizan_privacy::{Bounds, Shape};
    use bartizan_types::Secret;
    use proptest::prelude::*;

    use super::*;
    use crate::privacy::vaults::held;

    fn setup() -> (Arc<Held>, String, BTreeSet<Kind>) {
        let mut vault = Vault::new("s", Secret::new([3; 32]), Bounds::default());
        let kind = Kind::new("email").unwrap();
        let token = vault
            .token(&kind, Shape::Email, "ana@example.com", clock::now())
            .unwrap();
        (held(vault), token, BTreeSet::from([kind]))
    }

    fn event(api: usize, text: &str) -> String {
        let text = Value::from(text);
        match api {
            0 => format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}}}}]}}\n\n"),
            1 => format!(
                "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":{text}}}\n\n"
            ),
            _ => format!(
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":{text}}}}}\n\n"
            ),
        }
    }

    fn end(api: usize, whole: &str) -> String {
        let whole = Value::from(whole);
        match api {
            0 => "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n".to_owned(),
            1 => format!("event: response.output_text.done\ndata: {{\"type\":\"response.output_text.done\",\"output_index\":0,\"content_index\":0,\"text\":{whole}}}\n\n"),
            _ => "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n".to_owned(),
        }
    }

    /// What an agent reads: the deltas put together, and the text that an event repeats whole.
    fn read(stream: &[u8]) -> (String, Option<String>) {
        let (mut text, mut whole) = (String::new(), None);
        let mut splitter = Splitter::new(1 << 20);
        let mut ended = false;
        splitter
            .push(stream, &mut |event| {
                let Some(value) = event
                    .data
                    .as_ref()
                    .and_then(|data| serde_json::from_str::<Value>(data).ok())
                else {
                    return Ok(());
                };
                let mut value = value;
                for place in places(&value) {
                    assert!(!ended, "text behind its end");
                    text.push_str(slot(&mut value, place).unwrap().as_str().unwrap());
                }
                ended |= !closes(&value).is_empty();
                if let Some(done) = value.get("text").and_then(Value::as_str) {
                    whole = Some(done.to_owned());
                }
                Ok(())
            })
            .unwrap();
        (text, whole)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn a_token_is_restored_in_any_pieces(api in 0_usize..3, lengths in prop::collection::vec(1_usize..20, 1..8), step in 1_usize..200, at_end in any::<bool>()) {
            let (vault, token, may) = setup();
            let said = if at_end { format!("write to {token}") } else { format!("to {token}, bz-not a token") };
            let expected = said.replace(&token, "ana@example.com");
            let mut stream = String::new();
            let mut rest = said.as_str();
            for length in lengths.iter().cycle() {
                if rest.is_empty() { break }
                let (piece, left) = rest.split_at((*length).min(rest.len()));
                stream.push_str(&event(api, piece));
                rest = left;
            }
            stream.push_str(&end(api, &said));
            let mut rewriter = Rewriter::new(vault, may, 1 << 20);
            let mut out = Vec::new();
            for chunk in stream.as_bytes().chunks(step) {
                out.extend_from_slice(&rewriter.push(chunk).unwrap());
            }
            out.extend_from_slice(&rewriter.finish());
            let (text, whole) = read(&out);
            prop_assert_eq!(&text, &expected);
            if api == 1 {
                prop_assert_eq!(whole.as_deref(), Some(expected.as_str()));
            }
            prop_assert!(out.ends_with(b"\n\n"));
        }
    }

    #[test]
    fn what_holds_no_token_passes_byte_for_byte() {
        let (vault, _, may) = setup();
        let stream = format!(
            "{}: ping\n\n{}{}",
            event(0, "hello  there"),
            event(0, " \u{e9}"),
            end(0, "")
        );
        let mut rewriter = Rewriter::new(vault, may, 1 << 20);
        assert_eq!(rewriter.push(stream.as_bytes()).unwrap(), stream.as_bytes());
        assert!(rewriter.finish().is_empty());
    }

    #[test]
    fn a_kind_that_may_not_be_restored_stays_a_token() {
        let (vault, token, _) = setup();
        let mut rewriter = Rewriter::new(vault, BTreeSet::new(), 1 << 20);
        let stream = event(2, &format!("to {token} now")) + &end(2, "");
        let out = rewriter.push(stream.as_bytes()).unwrap();
        assert_eq!(read(&out).0, format!("to {token} now"));
    }
}
