//! The rows of state that can't be opened or written.

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
    Row {
        code: Code::StateUnwritable,
        text: "state.unwritable",
        fault: Fault::Bug,
        status: 503,
        sentence: "the state can't be written",
        hint: "`bartizan status` tells since when and why; once the disk takes it again it goes on by itself, without a restart",
    },
];
