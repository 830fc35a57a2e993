//! The rows of inspection's codes.

use super::{Code, Fault, Row};

pub(super) const ROWS: &[Row] = &[Row {
    code: Code::AnswerWithheld,
    text: "policy.answer",
    fault: Fault::Policy,
    status: 403,
    sentence: "something was seen in the answer that policy withholds",
    hint: "`bartizan explain ID` shows what was seen, and the rules that decided",
}];
