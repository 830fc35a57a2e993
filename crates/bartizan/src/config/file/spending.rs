//! Budgets and prices as the file writes them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bound on what may be spent. The call that would cross it is refused (`budget.exceeded`).
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// Its name in records and metrics.
    pub(crate) name: String,
    /// What it counts.
    pub(crate) meter: Meter,
    /// How much of it: calls, tokens, millionths of a US dollar, bytes, milliseconds, or calls in progress at one time.
    pub(crate) limit: u64,
    /// Over which time. `concurrent` has none.
    #[serde(default)]
    pub(crate) window: Window,
    /// Length of a `sliding` window, or how long a full `bucket` takes to drain, 1 to 31622400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) window_seconds: Option<u32>,
    /// Kept apart for every combination of these. None: one for all.
    #[serde(default)]
    pub(crate) per: Vec<Dimension>,
    /// Only calls whose value is one of these, as `agent = ["mailer"]`. A dimension that is left out takes any.
    #[serde(default)]
    pub(crate) only: BTreeMap<Dimension, Vec<String>>,
    /// Refuse. `false` counts past the limit, for policy, metrics and `bartizan budget`, and refuses nothing.
    #[serde(default = "yes")]
    pub(crate) enforce: bool,
}

const fn yes() -> bool {
    true
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Meter {
    /// Calls of models, tools, resources and prompts.
    Calls,
    /// Tokens in.
    InputTokens,
    /// Tokens out.
    OutputTokens,
    /// Tokens in and out.
    Tokens,
    /// Money by `[[price]]`, in millionths of a US dollar.
    MicroUsd,
    /// Bytes of requests and answers. A streamed answer is cut off at `[limits] answer_bytes`.
    Bytes,
    /// Milliseconds. A call is cut off after `[limits] metered_call_ms`.
    Millis,
    /// Calls in progress at one time.
    Concurrent,
}

/// Over which time a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Window {
    /// For ever, until `bartizan budget reset`.
    Total,
    /// The hour of the clock, UTC.
    Hour,
    /// The day of the calendar, UTC.
    #[default]
    Day,
    /// The month of the calendar, UTC.
    Month,
    /// The last `window_seconds`.
    Sliding,
    /// A bucket of `limit` that drains over `window_seconds`.
    Bucket,
}

/// What a budget is kept per, or restricted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dimension {
    /// The agent.
    Agent,
    /// The user whom it acts for.
    User,
    /// The namespace of the agent's issuer, or without one the issuer.
    Tenant,
    /// The session.
    Session,
    /// The tool, as `server/tool`.
    Tool,
    /// The MCP server.
    Server,
    /// The model, as `upstream/model`.
    Model,
    /// The model provider.
    Upstream,
    /// Of a tool call: the model whose answer it is from, as `upstream/model`.
    Proposer,
}

/// What a model costs, and what it takes and gives at most. Budgets of money count only models that have one, and
/// budgets of tokens need its bounds where a request says none.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    /// `upstream/model`, a model's name at any upstream, or `*` for those without a price of their own.
    pub(crate) model: String,
    /// Millionths of a US dollar for a million tokens in: 2500000 is $2.50.
    #[serde(default)]
    pub(crate) input_micro_usd_per_million_tokens: u64,
    /// The same for a million tokens out.
    #[serde(default)]
    pub(crate) output_micro_usd_per_million_tokens: u64,
    /// The same for a million tokens read from the provider's cache. None: as for tokens in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_read_micro_usd_per_million_tokens: Option<u64>,
    /// The same for a million tokens written to its cache, where it counts those apart (Anthropic, which asks 1.25 times the
    /// price of tokens in, or twice that for an hour). None: as for tokens in. What is set aside for a request is at the
    /// dearest of the three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_write_micro_usd_per_million_tokens: Option<u64>,
    /// The most tokens it takes in: what is set aside for requests with images, files or kept history, whose bytes
    /// bound nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_input_tokens: Option<u64>,
    /// The most tokens of one answer: what is set aside for requests that name no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_output_tokens: Option<u64>,
}
