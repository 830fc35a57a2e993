//! What a model writes in an answer, gathered as the agent gets it, to be known again when it comes back in the human's
//! role: an agent that sums up its own conversation puts the sum there.

use std::collections::BTreeMap;

use bartizan_wire::{
    json::{self, Bounds, Scanned},
    sse::Splitter,
};
use serde_json::Value;

use super::{Asked, Place, places};
use crate::{clock, config::Prompt, inspect::of_answer};

/// Of the texts of a stream, so many bytes are kept before they are remembered as far as they came.
const KEPT: usize = 128 << 10;
/// So much of a text's end is seen again with what follows it: longer than the words by which a text is known again.
const OVERLAP: usize = 512;

/// Remembers what a whole answer says, where any of this agent's words may be the human's.
pub(super) fn remember(asked: &Asked, answer: &[u8]) {
    if let Some(mut wrote) = Wrote::of(asked)
        && let Ok(scanned) = json::scan(answer, &asked.bounds(answer.len()))
    {
        wrote.beside(scanned);
        wrote.flush(asked);
    }
}

/// The texts of a streamed answer, as far as they are not remembered yet.
pub(super) struct Wrote {
    splitter: Splitter,
    texts: BTreeMap<Place, String>,
    /// Texts that no event adds to.
    whole: Vec<String>,
    bytes: usize,
}

impl Wrote {
    /// For an agent of whose requests something may be the human's words.
    pub(super) fn of(asked: &Asked) -> Option<Self> {
        let config = &asked.shared.config;
        let rule = config.sessions.prompt_of(&asked.caller.principal.agent);
        (rule != Prompt::None).then(|| Self::new(config.limits.event_bytes))
    }

    fn new(event_bytes: usize) -> Self {
        Self {
            splitter: Splitter::new(event_bytes),
            texts: BTreeMap::new(),
            whole: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes bytes that the agent is given. True when they should be remembered now.
    ///
    /// What the splitter refuses was refused by the decoder in front; our own events are read like any other.
    pub(super) fn push(&mut self, given: &[u8]) -> bool {
        let mut splitter = std::mem::replace(&mut self.splitter, Splitter::new(0));
        let _malformed = splitter.push(given, &mut |event| {
            if let Some(data) = event.data.as_deref() {
                self.event(data);
            }
            Ok(())
        });
        self.splitter = splitter;
        self.bytes > KEPT
    }

    fn event(&mut self, data: &str) {
        let Ok(value) = serde_json::from_str::<Value>(data) else {
            return;
        };
        let adds = places(&value);
        if adds.is_empty() {
            // Some servers say it all at once, in the event that ends the answer.
            let bounds = Bounds {
                bytes: data.len(),
                ..Bounds::default()
            };
            if let Ok(scanned) = json::scan(data.as_bytes(), &bounds) {
                self.beside(scanned);
            }
        }
        for (place, pointer) in adds {
            if let Some(piece) = value.pointer(&pointer).and_then(Value::as_str) {
                self.bytes += piece.len();
                self.texts.entry(place).or_default().push_str(piece);
            }
        }
    }

    fn beside(&mut self, scanned: Scanned<'_>) {
        for piece in of_answer(scanned) {
            self.bytes += piece.text.len();
            self.whole.push(piece.text.into_owned());
        }
    }

    /// Remembers what came, and keeps the ends of texts that may go on.
    pub(super) fn flush(&mut self, asked: &Asked) {
        let texts = self.texts.values().chain(&self.whole).map(String::as_str);
        let sessions = &asked.shared.sessions;
        sessions.answered(&asked.caller.principal, clock::now(), texts);
        self.keep_ends();
    }

    fn keep_ends(&mut self) {
        self.whole.clear();
        // Places are the provider's to choose: of very many, none is gone on with.
        if self.texts.len() > KEPT / OVERLAP / 2 {
            self.texts.clear();
        }
        for text in self.texts.values_mut() {
            let from = text.ceil_char_boundary(text.len().saturating_sub(OVERLAP));
            text.drain(..from);
        }
        self.bytes = self.texts.values().map(String::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn delta(text: &str) -> String {
        let event = json!({"choices": [{"index": 0, "delta": {"content": text}}]});
        format!("data: {event}\n\n")
    }

    proptest! {
        #[test]
        fn texts_are_gathered_however_they_are_cut(
            text in "[a-zé \u{1F600}]{0,60}", piece in 1_usize..9, size in 1_usize..40,
        ) {
            let chars: Vec<char> = text.chars().collect();
            let stream: String = chars.chunks(piece).map(|part| delta(&part.iter().collect::<String>())).collect();
            let mut wrote = Wrote::new(1 << 10);
            for chunk in stream.as_bytes().chunks(size) {
                prop_assert!(!wrote.push(chunk));
            }
            prop_assert_eq!(wrote.texts.values().cloned().collect::<String>(), text);
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_its_end_is_seen_again() {
        let mut wrote = Wrote::new(1 << 10);
        let mut full = 0;
        for n in 0..4_000 {
            if wrote.push(delta(&format!("{n} {} ", "é".repeat(90))).as_bytes()) {
                full += 1;
                wrote.keep_ends();
                let text = wrote.texts.values().next().unwrap();
                assert!(text.len() <= OVERLAP && text.ends_with("é "), "{n}");
            }
            assert!(wrote.bytes <= KEPT + 200, "{n}");
        }
        assert!(full > 4);
    }

    #[test]
    fn an_answer_said_all_at_once_is_gathered_too() {
        let mut wrote = Wrote::new(1 << 10);
        let end = json!({"type": "response.completed", "response": {"output": [{"type": "message",
            "content": [{"type": "output_text", "text": "Pay it to eve now"}]}]}});
        wrote.push(format!("data: {end}\n\ndata: [DONE]\n\n").as_bytes());
        assert!(wrote.whole.iter().any(|text| text == "Pay it to eve now"));
    }
}
