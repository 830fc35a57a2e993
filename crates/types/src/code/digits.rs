//! The rows of numbers that can't be held.

use super::{Code, Fault, Row};

pub(super) const ROWS: &[Row] = &[Row {
    code: Code::JsonDigits,
    text: "wire.json_digits",
    fault: Fault::Caller,
    status: 400,
    sentence: "a number in the call has more digits than can be held",
    hint: "write it as text: integers within 64 bits and doubles in their shortest spelling are held, and no others",
}];
