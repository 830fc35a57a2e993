//! Budgets: what is counted, what a call may take at most, and how far budgets are used. Data only; the books are kept
//! by the guard.

use serde::{Deserialize, Serialize};

use crate::{BudgetName, Code};

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Calls.
    Calls,
    /// Tokens in, as the provider counts.
    InputTokens,
    /// Tokens out, as the provider counts.
    OutputTokens,
    /// Tokens in and out together.
    Tokens,
    /// Money by the price table, in millionths of a US dollar.
    MicroUsd,
    /// Bytes of requests and of answers.
    Bytes,
    /// Milliseconds from a call's beginning to the end of its answer.
    Millis,
    /// Calls in progress at one time. It has no window.
    Concurrent,
}

impl Meter {
    /// Every meter, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::Calls,
        Self::InputTokens,
        Self::OutputTokens,
        Self::Tokens,
        Self::MicroUsd,
        Self::Bytes,
        Self::Millis,
        Self::Concurrent,
    ];

    /// The word in the configuration, records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Tokens => "tokens",
            Self::MicroUsd => "micro_usd",
            Self::Bytes => "bytes",
            Self::Millis => "millis",
            Self::Concurrent => "concurrent",
        }
    }
}

/// How much of everything that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// Calls.
    #[serde(default, skip_serializing_if = "zero")]
    pub calls: u64,
    /// Tokens in.
    #[serde(default, skip_serializing_if = "zero")]
    pub input_tokens: u64,
    /// Tokens out.
    #[serde(default, skip_serializing_if = "zero")]
    pub output_tokens: u64,
    /// Millionths of a US dollar.
    #[serde(default, skip_serializing_if = "zero")]
    pub micro_usd: u64,
    /// Bytes of request and answer.
    #[serde(default, skip_serializing_if = "zero")]
    pub bytes: u64,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "zero")]
    pub millis: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn zero(value: &u64) -> bool {
    *value == 0
}

impl Amounts {
    /// The amount that a meter counts of these.
    #[must_use]
    pub const fn of(self, meter: Meter) -> u64 {
        match meter {
            Meter::Calls | Meter::Concurrent => self.calls,
            Meter::InputTokens => self.input_tokens,
            Meter::OutputTokens => self.output_tokens,
            Meter::Tokens => self.input_tokens.saturating_add(self.output_tokens),
            Meter::MicroUsd => self.micro_usd,
            Meter::Bytes => self.bytes,
            Meter::Millis => self.millis,
        }
    }
}

/// One budget that counts a call, as it stood when the call was ruled on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Share {
    /// The budget.
    pub budget: BudgetName,
    /// Whose: the values that the budget is kept per, such as `agent=mailer`; empty for one that all share.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// What it counts.
    pub meter: Meter,
    /// Its limit.
    pub limit: u64,
    /// What is used of it: settled and reserved, this call's reservation included unless the call is over.
    pub used: u64,
}

/// Why a call may not be made by its budgets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Over {
    /// The budget that says no.
    pub budget: BudgetName,
    /// Whose, as in [`Share::of`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// What the caller is told.
    pub code: Code,
    /// When trying again may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

/// What budgets know of a call when it is ruled on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Spending {
    /// What was set aside for it: never less than what it may come to.
    pub reserved: Amounts,
    /// Every budget that counts it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
    /// It would cross a limit, so nothing was set aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Over>,
}

impl Spending {
    /// Thousandths used of the budget that is used most, this call included. Zero where no budget counts the call.
    #[must_use]
    pub fn used_permille(&self) -> u64 {
        let used = |share: &Share| {
            let thousand = u128::from(share.used).saturating_mul(1000);
            match share.limit {
                0 => 1000,
                limit => u64::try_from(thousand / u128::from(limit)).unwrap_or(u64::MAX),
            }
        };
        self.shares.iter().map(used).max().unwrap_or(0)
    }

    /// What is left in the budget of this meter that has least; `None` where none counts the call.
    #[must_use]
    pub fn left(&self, meter: Meter) -> Option<u64> {
        let ours = self.shares.iter().filter(|share| share.meter == meter);
        ours.map(|share| share.limit.saturating_sub(share.used)).min()
    }
}
