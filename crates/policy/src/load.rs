//! Placeholder bodies: replaced within the hour.

use bartizan_types::{Action, Arguments, Because, Digest, Evidence, PolicyEffect, PolicyId, RulingWord};

use crate::{Decision, Diagnostic, Pack};

/// A policy file.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its name in diagnostics and in ids of policies without `@id`.
    pub name: &'a str,
    /// Its Cedar text.
    pub text: &'a str,
}

/// One policy of a loaded set, for listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its id.
    pub id: PolicyId,
    /// Permit or forbid.
    pub effect: PolicyEffect,
    /// Its `@reason`.
    pub reason: String,
    /// The source it came from.
    pub file: String,
    /// Whether it runs in compiled form; otherwise Cedar's evaluator runs it.
    pub compiled: bool,
}

/// What a record keeps of the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The leaves that policies in scope may read.
    pub arguments: Option<Arguments>,
    /// Whether leaves were left out.
    pub pruned: bool,
}

/// Parsed, validated, sliced, compiled; immutable.
#[derive(Debug)]
pub struct Policy;

impl Policy {
    /// Loads a pack, files, or both.
    ///
    /// # Errors
    /// Everything wrong, each with its place.
    pub fn load(_pack: Option<Pack>, _files: &[Source<'_>]) -> Result<Self, Vec<Diagnostic>> {
        Ok(Self)
    }
    /// SHA-256 over the schema, the pack's name and every source.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest([0; 32])
    }
    /// What would be denied is let through, marked.
    #[must_use]
    pub fn observes(&self) -> bool {
        false
    }
    /// Rules.
    pub fn evaluate(&self, _evidence: &Evidence) -> Decision {
        Decision { ruling: RulingWord::Deny, because: Because::default(), durable: true, would_deny: false }
    }
    /// Whether any policy for this action reads arguments.
    #[must_use]
    pub fn needs_arguments(&self, _action: Action) -> bool {
        true
    }
    /// False only when no context, finding or approval could make this call allowed. Reads principal, action and resource alone.
    #[must_use]
    pub fn may_ever_allow(&self, _evidence: &Evidence) -> bool {
        true
    }
    /// The arguments a record of this call must keep so that the ruling can be recomputed.
    #[must_use]
    pub fn keep(&self, _evidence: &Evidence) -> Kept {
        Kept { arguments: None, pruned: true }
    }
    /// What loaded, but deserves a look.
    #[must_use]
    pub fn lints(&self) -> &[Diagnostic] {
        &[]
    }
    /// The policies, in order of loading.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &[]
    }
}
