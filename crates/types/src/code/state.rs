//! The rows of state that can't be opened.

use super::{Code, Fault, Row};

pub(super) const ROWS: &[Row] = &[
    Row {
        code: Code::StateIncomplete,
        text: "state.incomplete",
        fault: Fault::Bug,
        status: 503,
        sentence: "a file of the state is missing, and the rest of the state belongs to it",
        hint: "put it back, or restore a backup into an empty directory with `bartizan restore`",
    },
    Row {
        code: Code::StateDamaged,
        text: "state.damaged",
        fault: Fault::Bug,
        status: 503,
        sentence: "a file of the state is damaged",
        hint: "restore a backup into an empty directory with `bartizan restore`, and keep the damaged file",
    },
];
