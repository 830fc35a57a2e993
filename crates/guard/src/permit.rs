//! What lets a call pass, and its answer back. Minted by the guard alone, spent once.
//!
//! INVARIANT: neither has a public constructor, `Clone`, `Default` or serde; the compile-fail tests hold it.

use std::fmt;

use bartizan_types::CallId;

/// Lets one call reach its upstream, once.
#[must_use = "an unspent permit forwards nothing"]
pub struct Permit<R> {
    call: CallId,
    receipt: Option<u64>,
    outbound: R,
}

impl<R> Permit<R> {
    pub(crate) fn mint(call: CallId, receipt: Option<u64>, outbound: R) -> Self {
        Self {
            call,
            receipt,
            outbound,
        }
    }

    /// The call it is for.
    #[must_use]
    pub fn call(&self) -> CallId {
        self.call
    }

    /// Ledger index of the durable record it rests on; `None` where policy let the record be deferred.
    #[must_use]
    pub fn receipt(&self) -> Option<u64> {
        self.receipt
    }

    /// What is to be forwarded, to look at before the permit is spent.
    #[must_use]
    pub fn outbound(&self) -> &R {
        &self.outbound
    }

    /// Spends the permit for what is to be forwarded.
    #[must_use = "what the permit was for is forwarded, or lost"]
    pub fn spend(self) -> R {
        self.outbound
    }
}

/// Shows the call only: the outbound bytes may hold content and credentials.
impl<R> fmt::Debug for Permit<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("call", &self.call)
            .field("receipt", &self.receipt)
            .finish_non_exhaustive()
    }
}

/// Lets one answer reach the agent, once.
#[must_use = "an unspent release lets nothing back"]
#[derive(Debug)]
pub struct Release {
    call: CallId,
}

impl Release {
    pub(crate) fn mint(call: CallId) -> Self {
        Self { call }
    }

    /// The call whose answer may go.
    #[must_use]
    pub fn call(&self) -> CallId {
        self.call
    }

    /// Spends the release.
    pub fn spend(self) -> CallId {
        self.call
    }
}
