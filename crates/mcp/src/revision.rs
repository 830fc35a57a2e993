//! Protocol revisions, and which one two sides agree on.

/// A published revision of MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// 2024-11-05: HTTP+SSE, handshake.
    V2024_11_05,
    /// 2025-03-26: streamable HTTP, handshake.
    V2025_03_26,
    /// 2025-06-18: structured results, elicitation.
    V2025_06_18,
    /// 2025-11-25: URL elicitation, sampling with tools.
    V2025_11_25,
    /// 2026-07-28: stateless; no handshake, no sessions, no requests from servers.
    V2026_07_28,
}

impl Revision {
    /// Every revision spoken here, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];
    /// The newest that opens with `initialize`.
    pub const LAST_WITH_HANDSHAKE: Self = Self::V2025_11_25;
    /// The newest.
    pub const LATEST: Self = Self::V2026_07_28;

    /// The date it goes by.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of that date. Dates we don't know are not guessed at.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text)
    }

    /// Whether each request stands alone (no handshake, no session, no requests from the server).
    #[must_use]
    pub const fn stateless(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// What to answer an `initialize` that asks for `requested`: the same if we speak it and it has a handshake, else
    /// the newest that has one (2025-11-25, lifecycle, "version negotiation").
    #[must_use]
    pub fn for_handshake(requested: &str) -> Self {
        match Self::parse(requested) {
            Some(revision) if !revision.stateless() => revision,
            _ => Self::LAST_WITH_HANDSHAKE,
        }
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_never_land_on_a_stateless_or_unknown_revision() {
        for revision in Revision::ALL {
            assert_eq!(Revision::parse(revision.as_str()), Some(revision));
            assert!(!Revision::for_handshake(revision.as_str()).stateless());
        }
        assert_eq!(Revision::for_handshake("2025-06-18"), Revision::V2025_06_18);
        assert_eq!(Revision::for_handshake("2026-07-28"), Revision::V2025_11_25);
        assert_eq!(Revision::for_handshake("1900-01-01"), Revision::V2025_11_25);
        assert_eq!(Revision::for_handshake(""), Revision::V2025_11_25);
    }
}
