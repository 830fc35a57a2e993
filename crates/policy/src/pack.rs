//! The policy packs that ship with the binary.

use std::{fmt, str::FromStr};

/// A shipped set of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pack {
    /// Rules and records by `balanced`, and blocks nothing.
    Observe,
    /// Lets ordinary work pass; asks before what is hard to undo; refuses what changed under us.
    Balanced,
    /// Denies all but listing until the operator permits it, tool by tool.
    Strict,
}

/// The text names no pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such policy pack; there are `observe`, `balanced` and `strict`")]
pub struct UnknownPack;

impl Pack {
    /// Every pack, from loosest to strictest.
    pub const ALL: [Self; 3] = [Self::Observe, Self::Balanced, Self::Strict];

    /// Its name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Balanced => "balanced",
            Self::Strict => "strict",
        }
    }

    /// Its policies as Cedar text. `observe` has the rules of `balanced`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Observe | Self::Balanced => include_str!("../packs/balanced.cedar"),
            Self::Strict => include_str!("../packs/strict.cedar"),
        }
    }
}

impl fmt::Display for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Pack {
    type Err = UnknownPack;
    fn from_str(text: &str) -> Result<Self, UnknownPack> {
        Self::ALL
            .into_iter()
            .find(|pack| pack.as_str() == text)
            .ok_or(UnknownPack)
    }
}
