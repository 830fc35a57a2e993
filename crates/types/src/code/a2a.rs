//! The rows of A2A's codes.

use super::{Code, Fault, Row};

pub(super) const ROWS: &[Row] = &[
    Row {
        code: Code::PeerUnknown,
        text: "a2a.peer_unknown",
        fault: Fault::Caller,
        status: 404,
        sentence: "no peer of that name is configured",
        hint: "peers are `[[peer]]` in the configuration; they are at `/a2a/NAME`",
    },
    Row {
        code: Code::PeerCard,
        text: "a2a.card",
        fault: Fault::Peer,
        status: 502,
        sentence: "the peer's card can't be read, or is not signed as it must be",
        hint: "the operator's `card_keys` say who may sign it; `bartizan status` names what is wrong",
    },
    Row {
        code: Code::PushHost,
        text: "a2a.push_host",
        fault: Fault::Policy,
        status: 403,
        sentence: "the peer may not call that address",
        hint: "the operator lists hosts in the peer's `push_hosts`",
    },
];
