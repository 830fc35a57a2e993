//! The rows of agents that go round in circles.

use super::{Code, Fault, Row};

pub(super) const ROWS: &[Row] = &[
    Row {
        code: Code::SameCall,
        text: "limit.same_call",
        fault: Fault::Limit,
        status: 429,
        sentence: "the same call was made too many times in a row: do something else, or stop",
        hint: "another call of the session begins the count anew; the operator sets `[limits] same_call_in_a_row`",
    },
    Row {
        code: Code::FanOut,
        text: "limit.fan_out",
        fault: Fault::Limit,
        status: 429,
        sentence: "this session makes more calls in a minute than it may",
        hint: "wait as long as `Retry-After` says; the operator sets `[limits] session_calls_per_minute`",
    },
    Row {
        code: Code::Recursion,
        text: "limit.recursion",
        fault: Fault::Limit,
        status: 403,
        sentence: "an agent acts for itself, through others, more often than it may",
        hint: "`bartizan explain ID` shows the chain; the operator sets `[limits] same_actor_in_chain`",
    },
];
