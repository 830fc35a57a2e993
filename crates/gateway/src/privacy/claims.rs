//! Tokens that a session shows and did not hand out.
//!
//! A tool that an agent calls by itself answers in no conversation that anybody can tell. What is masked there is handed
//! out as nobody's yet, and is that conversation's in which the agent first shows it to a model; it is of the same
//! identity. Anything else that is written like a token and is not this session's stays as it is, and a finding says so:
//! `unrestored`, with `other_session` where another session of this identity has it. The same is said of tokens that go
//! where none is ever restored: to other agents, and in addresses of resources.
//!
//! INVARIANT: what was handed out for a session is claimed by no other; what is nobody's is claimed once, and only where
//! it can't be guessed (`Vault::claim`). One vault is locked at a time.

use std::sync::Arc;

use bartizan_flow::Joined;
use bartizan_types::{Finding, FindingKind, Severity, Timestamp};
use serde_json::value::RawValue;

use super::{Held, Privacy, Towards};
use crate::{
    Shared, clock,
    gate::Caller,
    inspect::{Piece, Source, of_value},
};

/// Tokens of one request of which it is asked whose they are.
const ASKED: usize = 64;
/// Findings on them.
const TOLD: usize = 16;

/// The name of a token, and where it stands.
type Strange = (String, String);

/// Whether values that are masked on this way are nobody's yet: a tool answers, and no conversation asked it to.
pub(super) fn is_nobodys(caller: &Caller, towards: Towards<'_>) -> bool {
    matches!(towards, Towards::Agent) && caller.session.joined != Joined::Pending
}

impl Privacy {
    /// A conversation shows these texts to a model: tokens in them that were nobody's are its own from now on. Gives
    /// findings on those that are not.
    fn shown(&self, caller: &Caller, pieces: &[Piece<'_>]) -> Vec<Finding> {
        let (held, now) = (self.vault(caller), clock::now());
        let mut strange = {
            let mut vault = held.lock();
            strange(pieces, |name| vault.owns(name, now))
        };
        if strange.is_empty() {
            return Vec::new();
        }
        let others = self.vaults.others(caller, &held);
        if caller.session.joined == Joined::Only {
            strange.retain(|(name, _)| !claimed(&held, &others, name, now));
        }
        findings(&strange, &others, now)
    }

    /// Findings on tokens that are not this session's, in what a tool is called with.
    fn unrestored(&self, caller: &Caller, pieces: &[Piece<'_>]) -> Vec<Finding> {
        let (held, now) = (self.vault(caller), clock::now());
        let strange = {
            let vault = held.lock();
            strange(pieces, |name| vault.holds(name, now))
        };
        if strange.is_empty() {
            return Vec::new();
        }
        findings(&strange, &self.vaults.others(caller, &held), now)
    }
}

impl Shared {
    /// [`Privacy::shown`], where values are masked.
    pub(crate) fn shown(&self, caller: &Caller, pieces: &[Piece<'_>]) -> Vec<Finding> {
        let privacy = self.privacy.as_ref();
        privacy.map_or_else(Vec::new, |privacy| privacy.shown(caller, pieces))
    }

    /// Findings on tokens in a call's arguments that this session did not hand out: the tool gets them as they are.
    pub(crate) fn unrestored(&self, caller: &Caller, arguments: &RawValue) -> Vec<Finding> {
        let Some(privacy) = &self.privacy else {
            return Vec::new();
        };
        let pieces = of_value(arguments.get(), Source::Data, "/arguments");
        privacy.unrestored(caller, &pieces)
    }

    /// A finding on the tokens in what is sent to another agent.
    pub(crate) fn unrestored_for_peer(&self, params: &RawValue) -> Option<Finding> {
        self.privacy.as_ref()?;
        let pieces = of_value(params.get(), Source::Data, "");
        let holds = |piece: &&Piece<'_>| !bartizan_privacy::tokens(&piece.text).is_empty();
        pieces
            .iter()
            .find(holds)
            .map(|piece| finding("peer", &piece.pointer))
    }

    /// A finding on the tokens in a resource's address.
    pub(crate) fn unrestored_in_address(&self, uri: &str) -> Option<Finding> {
        self.privacy.as_ref()?;
        (!bartizan_privacy::tokens(uri).is_empty()).then(|| finding("address", "/uri"))
    }
}

/// What is written like a token, and is not known. All are asked for, since who is asked may take note.
fn strange(pieces: &[Piece<'_>], mut is_known: impl FnMut(&str) -> bool) -> Vec<Strange> {
    let mut out = Vec::new();
    for piece in pieces {
        for name in bartizan_privacy::names(&piece.text) {
            if !is_known(&name) && out.len() < ASKED {
                out.push((name, piece.pointer.clone()));
            }
        }
    }
    out
}

/// Takes a token that is nobody's yet over from the vault that has it. Gives whether there was one.
fn claimed(held: &Held, others: &[Arc<Held>], name: &str, now: Timestamp) -> bool {
    others.iter().any(|other| {
        let claimed = other.lock().claim(name, now);
        claimed.is_some_and(|claimed| held.lock().adopt(claimed, now).is_ok())
    })
}

fn findings(strange: &[Strange], others: &[Arc<Held>], now: Timestamp) -> Vec<Finding> {
    let told = strange.iter().take(TOLD);
    told.map(|(name, pointer)| {
        let is_anothers = others.iter().any(|other| other.lock().holds(name, now));
        let what = match is_anothers {
            true => "other_session",
            false => "unknown_token",
        };
        finding(what, pointer)
    })
    .collect()
}

fn finding(what: &'static str, pointer: &str) -> Finding {
    Finding {
        kind: FindingKind::Unrestored,
        severity: Severity::Info,
        what: what.into(),
        score: 1000,
        span: None,
        pointer: pointer.to_owned(),
        taxonomy: Vec::new(),
    }
}
