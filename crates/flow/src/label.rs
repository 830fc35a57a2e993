//! The lattice: who could have written a value, who may see it, how much it can carry.
//!
//! Labels only join; nothing here lowers one. A missing or malformed label is [`Label::unknown`]: unknown writer,
//! nobody may read, free text. INVARIANT: `join` is associative, commutative and idempotent, and never trusts more
//! than either side (properties in `tests/laws.rs`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::canon::Kind;

/// Kinds of writers, as a set: who could have written a value. Join is union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Writers(u8);

impl Writers {
    /// The authenticated human, typing.
    pub const USER: Self = Self(1);
    /// Whoever runs the service or configured the gateway.
    pub const OPERATOR: Self = Self(2);
    /// The organisation's directory.
    pub const DIRECTORY: Self = Self(4);
    /// Somebody outside who is known by name.
    pub const PARTY: Self = Self(8);
    /// Anybody.
    pub const UNKNOWN: Self = Self(16);
    const ALL: u8 = 31;

    /// From its bits. Bits that mean nothing, and no bits, are an unknown writer.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        if bits == 0 || bits & !Self::ALL != 0 {
            Self(bits & Self::ALL | Self::UNKNOWN.0)
        } else {
            Self(bits)
        }
    }
    /// Its bits, for records.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
    /// Both sets together.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Nobody outside could have written it. An empty set proves nothing and is not trusted.
    #[must_use]
    pub const fn trusted(self) -> bool {
        self.0 != 0 && self.0 & (Self::PARTY.0 | Self::UNKNOWN.0) == 0
    }
    /// Every writer here is also there.
    #[must_use]
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

/// Who may see a value. Join is intersection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readers {
    /// It is public.
    Everyone,
    /// These canonical addresses only, 64 at most; none of them is nobody.
    Only(BTreeSet<Box<str>>),
}

impl Readers {
    /// Most named readers of one label. A longer list is cut, which only tightens.
    pub const LIMIT: usize = 64;

    /// Nobody may see it.
    #[must_use]
    pub const fn nobody() -> Self {
        Self::Only(BTreeSet::new())
    }
    /// From canonical addresses.
    #[must_use]
    pub fn only<I: IntoIterator<Item = Box<str>>>(names: I) -> Self {
        Self::Only(names.into_iter().take(Self::LIMIT).collect())
    }
    /// Those who may see both.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Everyone, readers) | (readers, Self::Everyone) => readers.clone(),
            (Self::Only(left), Self::Only(right)) => Self::Only(left.intersection(right).cloned().collect()),
        }
    }
    /// May this canonical address see it?
    #[must_use]
    pub fn admits(&self, name: &str) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// How much a value can carry, least first. Any of them carries an attacker's *value*; the last two carry instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// Yes or no.
    Bool,
    /// One of a few words.
    Enum,
    /// A number.
    Number,
    /// A date, time or duration.
    Date,
    /// An opaque id.
    Id,
    /// An e-mail address, account, phone number, host or URL.
    Address,
    /// At most 48 bytes on one line.
    Token,
    /// Anything.
    FreeText,
}

/// What is known of one JSON leaf.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Label {
    /// Who could have written it.
    pub writers: Writers,
    /// Who may see it.
    pub readers: Readers,
    /// How much it can carry.
    pub capacity: Capacity,
}

impl Label {
    /// The label of what has none: (unknown, nobody, free text).
    #[must_use]
    pub const fn unknown() -> Self {
        Self {
            writers: Writers::UNKNOWN,
            readers: Readers::nobody(),
            capacity: Capacity::FreeText,
        }
    }
    /// What the human typed. A prompt gives integrity and never a reader: it says where something may go, not what
    /// may leave.
    #[must_use]
    pub const fn prompt() -> Self {
        Self {
            writers: Writers::USER,
            readers: Readers::Everyone,
            capacity: Capacity::FreeText,
        }
    }
    /// The label of a value made from both.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self {
            writers: self.writers.join(other.writers),
            readers: self.readers.join(&other.readers),
            capacity: self.capacity.max(other.capacity),
        }
    }
}
/// No longer than names and addresses are, in each of its lines and parts. Longer ones can carry instructions.
pub(crate) fn name(text: &str) -> bool {
    text.lines()
        .flat_map(|line| line.split([',', ';']))
        .all(|part| part.trim().len() <= 96 && part.split_whitespace().count() <= 10)
}

/// How much a text of this kind can carry.
pub(crate) fn capacity(kind: &Kind, text: &str) -> Capacity {
    match kind {
        Kind::Number => Capacity::Number,
        Kind::When(_) => Capacity::Date,
        Kind::Email | Kind::Url | Kind::Iban | Kind::Phone => Capacity::Address,
        Kind::Text if text.len() <= 48 && !text.contains('\n') => Capacity::Token,
        Kind::Text => Capacity::FreeText,
    }
}
