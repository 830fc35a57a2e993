//! The rows of privacy's codes.

use super::{Code, Fault, Row};

pub(super) const ROWS: &[Row] = &[
    Row {
        code: Code::PrivacyUnseen,
        text: "privacy.unseen",
        fault: Fault::Limit,
        status: 413,
        sentence: "what has to be masked is larger than what is looked at in one call",
        hint: "send less at once, or raise `bytes_per_call` of `[inspect]`",
    },
    Row {
        code: Code::PrivacyDocument,
        text: "privacy.document",
        fault: Fault::Policy,
        status: 403,
        sentence: "a document holds what has to be masked, or can't be read whole, and can't be masked where it stands",
        hint: "send its text, or set `documents` of `[privacy]`",
    },
];
