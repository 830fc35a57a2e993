//! What lets a call pass, and its answer back.

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
        Self { call, receipt, outbound }
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

    /// What is to be forwarded. Spends the permit.
    pub fn spend(self) -> R {
        self.outbound
    }
}

/// Lets one answer reach the agent, once.
#[must_use = "an unspent release lets nothing back"]
pub struct Release {
    call: CallId,
}

impl Release {
    pub(crate) fn mint(call: CallId) -> Self {
        Self { call }
    }

    /// The call whose answer may go. Spends the release.
    #[must_use]
    pub fn spend(self) -> CallId {
        self.call
    }
}
