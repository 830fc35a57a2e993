//! The rows of budgets, revocation, the circuit breaker and fairness.

use super::{Code, Fault, Row};

pub(super) const ROWS: &[Row] = &[
    Row {
        code: Code::BudgetExceeded,
        text: "budget.exceeded",
        fault: Fault::Limit,
        status: 429,
        sentence: "this call would cross a budget",
        hint: "`bartizan budget list` shows what is used; `Retry-After` says when there may be room",
    },
    Row {
        code: Code::BudgetUnbounded,
        text: "budget.unbounded",
        fault: Fault::Caller,
        status: 400,
        sentence: "nobody can say what this call may come to, and a budget counts it",
        hint: "ask for a bound (`max_tokens`), or set the model's `max_output_tokens` and `max_input_tokens` in `[[price]]`",
    },
    Row {
        code: Code::Revoked,
        text: "revoked",
        fault: Fault::Policy,
        status: 403,
        sentence: "an operator revoked this",
        hint: "`bartizan revoke list` shows what and why; `bartizan revoke lift ID` takes it back",
    },
    Row {
        code: Code::CircuitOpen,
        text: "upstream.circuit_open",
        fault: Fault::Upstream,
        status: 503,
        sentence: "the upstream failed several times, so it is left alone for a while",
        hint: "`bartizan status` shows the last failure",
    },
    Row {
        code: Code::ShareFull,
        text: "limit.share",
        fault: Fault::Limit,
        status: 429,
        sentence: "this identity has as many calls in progress and waiting as it may",
        hint: "make fewer calls at a time; `[limits] calls_per_identity` sets the bound",
    },
];
