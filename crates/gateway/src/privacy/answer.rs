//! Restores tokens in what models answer to agents, where policy permits it.

use std::{collections::BTreeSet, sync::Arc};

use bartizan_privacy::Kind;
use bartizan_types::{Resource, Surface};
use bartizan_wire::json;

use super::Rewriter;
use crate::{
    Shared, clock,
    gate::Caller,
    inspect::{Piece, Source},
};

impl Shared {
    /// What to change in a whole answer: each text of the model's with its tokens restored.
    pub(crate) async fn restore_answer(
        self: &Arc<Self>,
        caller: &Caller,
        resource: &Resource,
        surface: Surface,
        pieces: &[Piece<'_>],
    ) -> Vec<super::Change> {
        let Some(privacy) = self.privacy.as_ref().filter(|privacy| privacy.config.answers) else {
            return Vec::new();
        };
        let held = privacy.vault(caller);
        let now = clock::now();
        let shown = |piece: &&Piece<'_>| piece.source == Source::Model && is_shown(&piece.pointer);
        let kinds: BTreeSet<Kind> = {
            let vault = held.lock();
            let texts = pieces.iter().filter(shown);
            texts.flat_map(|piece| vault.kinds(&piece.text, now)).collect()
        };
        if kinds.is_empty() {
            return Vec::new();
        }
        let may = self.restorable(caller, resource, surface, kinds).await;
        let vault = held.lock();
        pieces
            .iter()
            .filter(shown)
            .filter_map(|piece| {
                let text = vault.restore(&piece.text, now, |kind| may.contains(kind));
                (text != piece.text).then(|| (piece.span.clone(), serde_json::Value::from(text).to_string()))
            })
            .collect()
    }

    /// Restores in a stream, where the session's vault holds anything that may be restored.
    pub(crate) async fn rewriter(
        self: &Arc<Self>,
        caller: &Caller,
        resource: &Resource,
        surface: Surface,
    ) -> Option<Rewriter> {
        let privacy = self.privacy.as_ref().filter(|privacy| privacy.config.answers)?;
        let held = privacy.vault(caller);
        let now = clock::now();
        let kinds: BTreeSet<Kind> = held
            .lock()
            .known(now)
            .into_iter()
            .map(|(_, kind, _)| kind.clone())
            .collect();
        if kinds.is_empty() {
            return None;
        }
        let may = self.restorable(caller, resource, surface, kinds).await;
        (!may.is_empty()).then(|| Rewriter::new(held, may, self.config.limits.event_bytes))
    }
}

/// Whether a text of an answer is one that people read: not what a tool is to be called with.
fn is_shown(pointer: &str) -> bool {
    matches!(
        pointer.rsplit('/').next(),
        Some("content" | "text" | "refusal" | "output_text")
    ) && !pointer
        .split('/')
        .any(|step| matches!(step, "input" | "arguments" | "tool_calls"))
}

/// Whether the last key of a JSON pointer into an event names text that people read.
pub(super) fn edits_of_event(text: &str, restore: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    let pieces = crate::inspect::of_value(text, Source::Model, "");
    let edits: Vec<_> = pieces
        .iter()
        .filter(|piece| is_shown(&piece.pointer))
        .filter_map(|piece| {
            let new = restore(&piece.text)?;
            Some((piece.span.clone(), serde_json::Value::from(new).to_string()))
        })
        .collect();
    (!edits.is_empty()).then(|| json::replace(text, &edits))
}
