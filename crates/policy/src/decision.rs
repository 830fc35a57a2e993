//! What evaluation says.

use bartizan_types::{Because, RulingWord};

/// A ruling with its reasons, as the policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// Allow, ask or deny. Under an observing policy this is `allow` even where `would_deny` is set.
    pub ruling: RulingWord,
    /// Why.
    pub because: Because,
    /// The record must be durable before the call is forwarded. False only where every determining permit says
    /// `@durability("deferred")`.
    pub durable: bool,
    /// An observing policy let through what it would have denied or asked about.
    pub would_deny: bool,
}
