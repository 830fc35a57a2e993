//! Masks values and restores tokens in a streamed answer: in the deltas of text, whatever pieces a value or a token comes
//! in, and in the events that repeat a whole text.
//!
//! What may still become a value or a token is held back: two stretches of text where values are masked, else less than
//! one token's length for each text. Where the text ends, an event of the same shape gives the rest. Events that change
//! nothing pass byte for byte.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bartizan_privacy::{Found, Kind, Masker, Restorer, Vault, Window};
use bartizan_types::{Code, Timestamp};
use bartizan_wire::sse::{self, Splitter};
use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::{Privacy, Towards, answer::edits_of_event, vaults::Held};
use crate::{
    clock,
    inspect::{Inspector, Source},
    model::{Place, closes, places},
};

/// Most texts of one answer that are restored. What is beyond goes as it is, or, where values are masked, not at all.
const TEXTS: usize = 64;

struct Text {
    masker: Masker,
    restorer: Restorer,
    /// The last event of this text, and where in it the text stands, as what the rest is told by.
    name: Option<String>,
    event: Value,
    pointer: String,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            masker: Masker::default(),
            restorer: Restorer::for_people(),
            name: None,
            event: Value::Null,
            pointer: String::new(),
        }
    }
}

/// How values are masked.
pub(super) struct Masking {
    pub privacy: Arc<Privacy>,
    pub inspector: Arc<Inspector>,
}

/// What a text goes through.
struct Rules {
    may: BTreeSet<Kind>,
    masking: Option<Masking>,
    now: Timestamp,
}

/// Masks and restores in one stream.
pub(crate) struct Rewriter {
    vault: Arc<Held>,
    rules: Rules,
    splitter: Splitter,
    texts: BTreeMap<Place, Text>,
}

impl Rewriter {
    pub(super) fn new(
        vault: Arc<Held>,
        may: BTreeSet<Kind>,
        masking: Option<Masking>,
        event_bytes: usize,
    ) -> Self {
        Self {
            vault,
            rules: Rules {
                may,
                masking,
                now: clock::now(),
            },
            splitter: Splitter::new(event_bytes),
            texts: BTreeMap::new(),
        }
    }

    /// Takes what was released, and gives it as the agent gets it.
    ///
    /// # Errors
    /// What the splitter says; the decoder in front has passed the same events, so it says nothing.
    pub(crate) fn push(&mut self, released: &[u8]) -> Result<Bytes, Code> {
        let mut out = BytesMut::with_capacity(released.len() + 64);
        let held = Arc::clone(&self.vault);
        let mut vault = held.lock();
        let (texts, rules) = (&mut self.texts, &self.rules);
        let pushed = self.splitter.push(released, &mut |event| {
            rules.event(texts, &mut vault, &event, &mut out);
            Ok(())
        });
        pushed.map_err(|fault| fault.of_upstream().code)?;
        Ok(out.freeze())
    }

    /// The stream ended: what is held back of texts that no event closed.
    pub(crate) fn finish(&mut self) -> Bytes {
        let mut out = BytesMut::new();
        let held = Arc::clone(&self.vault);
        let mut vault = held.lock();
        for text in std::mem::take(&mut self.texts).into_values() {
            self.rules.flush(text, &mut vault, &mut out);
        }
        out.freeze()
    }
}

impl Rules {
    fn event(
        &self,
        texts: &mut BTreeMap<Place, Text>,
        vault: &mut Vault,
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
                for text in std::mem::take(texts).into_values() {
                    self.flush(text, vault, out);
                }
            }
            out.extend_from_slice(event.raw);
            return;
        };
        let adds = places(&value);
        let ends = closes(&value);
        let ended = |place: &Place| ends.iter().any(|item| item.is_none_or(|item| place.item == item));
        let done: Vec<Place> = texts
            .keys()
            .filter(|place| ended(place) && !adds.iter().any(|(added, _)| added == *place))
            .cloned()
            .collect();
        for text in done
            .iter()
            .filter_map(|place| texts.remove(place))
            .collect::<Vec<_>>()
        {
            self.flush(text, vault, out);
        }
        let mut changed = self.masking.is_some() && without_tokens(&mut value);
        for (place, pointer) in &adds {
            changed |= self.delta(texts, vault, &mut value, (place, pointer), ended(place));
        }
        for (place, pointer) in &adds {
            if let Some(text) = texts.get_mut(place) {
                text.name = event.name.map(str::to_owned);
                text.event = value.clone();
                text.pointer.clone_from(pointer);
            }
        }
        // What stands beside the deltas: texts that are repeated whole, citations.
        let data = if changed {
            Some(value.to_string())
        } else {
            event.data.as_deref().map(str::to_owned)
        };
        let beside = data.as_deref().and_then(|data| {
            edits_of_event(
                data,
                &|pointer| adds.iter().any(|(_, added)| added == pointer),
                &mut |text| {
                    let new = self.whole(vault, text);
                    (new != text).then_some(new)
                },
            )
        });
        match beside.or_else(|| data.filter(|_| changed)) {
            Some(data) => out.extend_from_slice(&sse::encode(event.name, &data)),
            None => out.extend_from_slice(event.raw),
        }
    }

    /// Masks and restores in one delta. Gives whether it changed.
    fn delta(
        &self,
        texts: &mut BTreeMap<Place, Text>,
        vault: &mut Vault,
        value: &mut Value,
        (place, pointer): (&Place, &str),
        ended: bool,
    ) -> bool {
        let Some(slot) = value.pointer_mut(pointer) else {
            return false;
        };
        let Some(piece) = slot.as_str().map(str::to_owned) else {
            return false;
        };
        if !texts.contains_key(place) && texts.len() >= TEXTS {
            if self.masking.is_some() {
                *slot = Value::String(String::new());
            }
            return self.masking.is_some();
        }
        let text = texts.entry(place.clone()).or_default();
        let mut given = String::new();
        self.through(text, vault, Some(&piece), &mut given);
        if ended {
            self.through(text, vault, None, &mut given);
        }
        let changed = given != piece;
        *slot = Value::String(given);
        changed
    }

    /// A piece of a text, or its end, on its way through masks and then tokens.
    fn through(&self, text: &mut Text, vault: &mut Vault, piece: Option<&str>, out: &mut String) {
        let mut masked = String::new();
        let may = &mut |kind: &Kind| self.may.contains(kind);
        let shown = match &self.masking {
            None => piece.unwrap_or_default(),
            Some(masking) => {
                let vault = RefCell::new(&mut *vault);
                let mut detect = |window: Window<'_>| masking.values(&vault.borrow(), window, self.now);
                let mut replace = |found: &Found, value: &str| {
                    let towards = Towards::Answer;
                    masking
                        .privacy
                        .replaced(&mut vault.borrow_mut(), towards, found, value, self.now)
                };
                match piece {
                    Some(piece) => text.masker.push(piece, &mut detect, &mut replace, &mut masked),
                    None => text.masker.finish(&mut detect, &mut replace, &mut masked),
                }
                masked.as_str()
            }
        };
        text.restorer.push(vault, shown, self.now, may, out);
        if piece.is_none() {
            text.restorer.finish(vault, self.now, may, out);
        }
    }

    /// A text that stands whole in one event.
    fn whole(&self, vault: &mut Vault, text: &str) -> String {
        let masked = self.masking.as_ref().and_then(|masking| {
            let marks = masking.inspector.examine(Source::Model, text);
            masking
                .privacy
                .text(vault, Towards::Answer, text, &marks, self.now)
        });
        let masked = masked.as_deref().unwrap_or(text);
        vault
            .restore_shown(masked, self.now, |kind| self.may.contains(kind))
            .into_owned()
    }

    /// Gives what a text holds back, as one more event of its shape.
    fn flush(&self, mut text: Text, vault: &mut Vault, out: &mut BytesMut) {
        let mut rest = String::new();
        self.through(&mut text, vault, None, &mut rest);
        if rest.is_empty() {
            return;
        }
        for (_, pointer) in places(&text.event) {
            if let Some(slot) = text.event.pointer_mut(&pointer) {
                let own = pointer == text.pointer;
                *slot = Value::String(if own { rest.clone() } else { String::new() });
            }
        }
        out.extend_from_slice(&sse::encode(text.name.as_deref(), &text.event.to_string()));
    }
}

impl Masking {
    fn values(&self, vault: &Vault, window: Window<'_>, now: Timestamp) -> Vec<Found> {
        let marks = self.inspector.examine(Source::Model, window.text);
        let found = self
            .privacy
            .values(vault, Towards::Answer, window.text, &marks, now);
        found
            .into_iter()
            .map(|(found, _)| found)
            .filter(|found| found.range.end > window.fresh)
            .collect()
    }
}

/// Takes away what spells a text once more, token by token. Gives whether there was any.
fn without_tokens(event: &mut Value) -> bool {
    let mut gone = false;
    let mut take = |holder: &mut Value| {
        if let Some(found) = holder.get_mut("logprobs").filter(|found| !found.is_null()) {
            *found = if found.is_array() {
                Value::Array(Vec::new())
            } else {
                Value::Null
            };
            gone = true;
        }
    };
    take(event);
    for choice in event
        .get_mut("choices")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        take(choice);
    }
    gone
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
                for (_, pointer) in places(&value) {
                    assert!(!ended, "text behind its end");
                    text.push_str(value.pointer(&pointer).unwrap().as_str().unwrap());
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
            let mut rewriter = Rewriter::new(vault, may, None, 1 << 20);
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
        let mut rewriter = Rewriter::new(vault, may, None, 1 << 20);
        assert_eq!(rewriter.push(stream.as_bytes()).unwrap(), stream.as_bytes());
        assert!(rewriter.finish().is_empty());
    }

    #[test]
    fn a_kind_that_may_not_be_restored_stays_a_token() {
        let (vault, token, _) = setup();
        let mut rewriter = Rewriter::new(vault, BTreeSet::new(), None, 1 << 20);
        let stream = event(2, &format!("to {token} now")) + &end(2, "");
        let out = rewriter.push(stream.as_bytes()).unwrap();
        assert_eq!(read(&out).0, format!("to {token} now"));
    }
}
