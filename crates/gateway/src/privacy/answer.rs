//! Restores tokens in what models answer to agents, where policy permits it.

use std::{collections::BTreeSet, sync::Arc};

use bartizan_privacy::Kind;
use bartizan_types::{Code, Finding, Resource, Surface};
use bartizan_wire::json;

use super::{Rewriter, Towards, stream::Masking};
use crate::{
    Shared, clock,
    gate::Caller,
    inspect::{Looked, Piece, Source},
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
                let text = vault.restore_shown(&piece.text, now, |kind| may.contains(kind));
                (text != piece.text).then(|| (piece.span.clone(), serde_json::Value::from(text).to_string()))
            })
            .collect()
    }

    /// Masks and restores in a stream, where a rule masks, or the session's vault holds anything that may be restored.
    pub(crate) async fn rewriter(
        self: &Arc<Self>,
        caller: &Caller,
        resource: &Resource,
        surface: Surface,
    ) -> Option<Rewriter> {
        let privacy = self.privacy.as_ref()?;
        let inspector = self.inspector.as_ref();
        let masking = inspector
            .filter(|_| privacy.masks(Towards::Answer))
            .map(|inspector| Masking {
                privacy: Arc::clone(privacy),
                inspector: Arc::clone(inspector),
            });
        let held = privacy.vault(caller);
        let now = clock::now();
        let kinds: BTreeSet<Kind> = {
            let vault = held.lock();
            let known = vault.known(now).into_iter().filter(|_| privacy.config.answers);
            known.map(|(_, kind, _)| kind.clone()).collect()
        };
        if kinds.is_empty() && masking.is_none() {
            return None;
        }
        let may = self.restorable(caller, resource, surface, kinds).await;
        let idle = may.is_empty() && masking.is_none();
        (!idle).then(|| Rewriter::new(held, may, masking, self.config.limits.event_bytes))
    }

    /// A whole answer as the agent may see it, where values in it are masked, and the findings that say so.
    ///
    /// # Errors
    /// [`Code::PrivacyUnseen`].
    pub(crate) fn mask_answer(
        &self,
        caller: &Caller,
        body: &str,
        pieces: &[Piece<'_>],
        looked: &Looked,
    ) -> Result<Option<(String, Vec<Finding>)>, Code> {
        let Some(privacy) = &self.privacy else {
            return Ok(None);
        };
        let edits = privacy.edits(caller, self.inspector.as_deref(), Towards::Answer, pieces, looked)?;
        let masked = (!edits.changes.is_empty()).then(|| json::replace(body, &edits.changes));
        Ok(masked.map(|masked| (masked, edits.findings)))
    }

    /// A caller's vault has changed: keeps it, where vaults are kept.
    pub(crate) fn keep_vault(&self, caller: &Caller) {
        if let Some(privacy) = self
            .privacy
            .as_ref()
            .filter(|privacy| privacy.masks(Towards::Answer))
        {
            privacy.vaults.keep(caller, &privacy.vault(caller));
        }
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

/// Whether a text of an answer is anything but what a tool is to be called with.
pub(super) fn is_said(pointer: &str) -> bool {
    !pointer.split('/').any(|step| {
        matches!(
            step,
            "input" | "arguments" | "partial_json" | "tool_calls" | "function_call"
        )
    })
}

/// An event with what its texts become, where any changes. Texts at pointers that `skip` names are left.
pub(super) fn edits_of_event(
    text: &str,
    skip: &dyn Fn(&str) -> bool,
    restore: &mut dyn FnMut(&str) -> Option<String>,
) -> Option<String> {
    let pieces = crate::inspect::of_value(text, Source::Model, "");
    let edits: Vec<_> = pieces
        .iter()
        .filter(|piece| is_shown(&piece.pointer) && !skip(&piece.pointer))
        .filter_map(|piece| {
            let new = restore(&piece.text)?;
            Some((piece.span.clone(), serde_json::Value::from(new).to_string()))
        })
        .collect();
    (!edits.is_empty()).then(|| json::replace(text, &edits))
}
