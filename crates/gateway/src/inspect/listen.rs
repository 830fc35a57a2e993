//! Listens to a streamed answer: gathers the texts of its deltas, and looks at them when they are whole.
//!
//! What is seen goes into the closing record. Events that are no JSON of a known shape hold no text of the model's and
//! are passed over; a tool call in the stream is held and ruled on elsewhere.

use std::collections::BTreeMap;

use bartizan_wire::sse::Splitter;
use serde_json::Value;

use super::{Piece, Source};

/// Most of one answer's text that is gathered.
const BYTES: usize = 256 << 10;
/// Most texts of one answer.
const TEXTS: usize = 64;

/// Gathers a stream's texts.
pub(crate) struct Listener {
    splitter: Option<Splitter>,
    texts: BTreeMap<(u64, u64), String>,
    bytes: usize,
    over: bool,
}

impl Listener {
    /// Events above `event_bytes` end it; the decoder before it refuses those anyway.
    pub(crate) fn new(event_bytes: usize) -> Self {
        Self {
            splitter: Some(Splitter::new(event_bytes)),
            texts: BTreeMap::new(),
            bytes: 0,
            over: false,
        }
    }

    /// Takes what was released.
    pub(crate) fn hear(&mut self, released: &[u8]) {
        let Some(mut splitter) = self.splitter.take() else {
            return;
        };
        let heard = splitter.push(released, &mut |event| {
            if let Some(data) = &event.data
                && let Ok(value) = serde_json::from_str::<Value>(data)
            {
                for (place, text) in deltas(&value) {
                    self.add(place, text);
                }
            }
            Ok(())
        });
        if heard.is_ok() {
            self.splitter = Some(splitter);
        } else {
            self.over = true;
        }
    }

    fn add(&mut self, place: (u64, u64), text: &str) {
        if self.bytes + text.len() > BYTES || (self.texts.len() >= TEXTS && !self.texts.contains_key(&place))
        {
            self.over = true;
            return;
        }
        self.bytes += text.len();
        self.texts.entry(place).or_default().push_str(text);
    }

    /// The texts as far as they came, and whether something of them was not kept.
    pub(crate) fn heard(self) -> (Vec<Piece<'static>>, bool) {
        let pieces = self.texts.into_iter().map(|((one, two), text)| Piece {
            source: Source::Model,
            text: text.into(),
            pointer: format!("/stream/{one}/{two}"),
            span: 0..0,
        });
        (pieces.collect(), self.over)
    }
}

/// The texts that an event adds, each with its place: choices of chat completions, parts of responses, blocks of
/// messages.
fn deltas(event: &Value) -> Vec<((u64, u64), &str)> {
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut out = Vec::new();
    if let Some(choices) = event.get("choices").and_then(Value::as_array) {
        for choice in choices {
            let delta = choice.get("delta");
            for (at, key) in ["content", "refusal", "reasoning_content"]
                .into_iter()
                .enumerate()
            {
                if let Some(text) = delta.and_then(|delta| delta.get(key)).and_then(Value::as_str) {
                    out.push(((number(choice, "index"), u64::try_from(at).unwrap_or(0)), text));
                }
            }
        }
    }
    match (event.get("delta"), event.get("type").and_then(Value::as_str)) {
        (Some(Value::String(text)), Some(kind)) if kind.ends_with("text.delta") => {
            out.push((
                (number(event, "output_index"), number(event, "content_index")),
                text,
            ));
        }
        (Some(delta), Some("content_block_delta")) => {
            if let Some(text) = delta.get("text").and_then(Value::as_str) {
                out.push(((number(event, "index"), 0), text));
            }
        }
        _ => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(stream: &str, step: usize) -> Vec<(String, String)> {
        let mut listener = Listener::new(1 << 20);
        for chunk in stream.as_bytes().chunks(step) {
            listener.hear(chunk);
        }
        let (pieces, over) = listener.heard();
        assert!(!over);
        pieces
            .into_iter()
            .map(|piece| (piece.pointer, piece.text.into_owned()))
            .collect()
    }

    #[test]
    fn the_texts_of_all_three_apis_are_gathered_however_they_are_cut() {
        let chat = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n\ndata: [DONE]\n\n";
        let responses = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":1,\"content_index\":0,\"delta\":\"Hel\"}\n\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":1,\"content_index\":0,\"delta\":\"lo\"}\n\n";
        let messages = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}\n\n";
        for (stream, place) in [
            (chat, "/stream/0/0"),
            (responses, "/stream/1/0"),
            (messages, "/stream/2/0"),
        ] {
            for step in [1, 7, 4096] {
                assert_eq!(heard(stream, step), [(place.to_owned(), "Hello".to_owned())]);
            }
        }
    }

    #[test]
    fn a_flood_is_bounded_and_said() {
        let mut listener = Listener::new(1 << 20);
        let event = format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
            "x".repeat(10_000)
        );
        for _ in 0..100 {
            listener.hear(event.as_bytes());
        }
        let (pieces, over) = listener.heard();
        assert!(over && pieces.iter().map(|piece| piece.text.len()).sum::<usize>() <= BYTES);
    }
}
