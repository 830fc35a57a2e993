//! The rows of privacy's codes.

use super::{Code, Fault, Row};

pub(super) const ROWS: &[Row] = &[Row {
    code: Code::PrivacyUnseen,
    text: "privacy.unseen",
    fault: Fault::Limit,
    status: 413,
    sentence: "what has to be masked is larger than what is looked at in one call",
    hint: "send less at once, or raise `bytes_per_call` of `[inspect]`",
}];
