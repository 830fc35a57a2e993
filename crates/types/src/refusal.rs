//! What a caller is told when a call does not pass.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{ApprovalId, CallId, Code};

/// A refusal as the caller sees it: the call's id, a stable code, one safe sentence, and a hint.
///
/// INVARIANT: no field carries anything the caller did not already know, a secret, or text from content. The
/// sentence is constant per code, or an operator's `@reason`; a place in what the caller sent, or the limit that it met,
/// may follow.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[error("{sentence} {}", self.mark())]
pub struct Refusal {
    /// The refused call; `bartizan explain ID` tells the rest to whoever may know it.
    pub call: CallId,
    /// The stable code.
    pub code: Code,
    /// One safe sentence.
    pub sentence: String,
    /// Seconds after which trying again may help, where it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// The question that a human was asked about this call; `bartizan approvals show ID` shows it to her.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// Scopes that a token has to have for this, where one of them is what is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Box<BTreeSet<String>>>,
}

impl Refusal {
    /// A refusal with the code's own sentence.
    #[must_use]
    pub fn new(call: CallId, code: Code) -> Self {
        Self {
            call,
            code,
            sentence: code.sentence().to_owned(),
            retry_after_seconds: None,
            approval: None,
            scopes: None,
        }
    }

    /// The same with what is wrong in particular: a place in what the caller sent, or the limit that it met.
    #[must_use]
    pub fn saying(mut self, detail: &str) -> Self {
        self.sentence = format!("{}: {detail}", self.sentence);
        self
    }

    /// What follows the sentence wherever only text is shown: the code and the ids, in brackets.
    #[must_use]
    pub fn mark(&self) -> String {
        let (code, call) = (self.code, self.call);
        self.approval.map_or_else(
            || format!("[{code}, call {call}]"),
            |id| format!("[{code}, call {call}; a human can answer: `bartizan approvals show {id}`]"),
        )
    }
}
