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
        hint: "make room on the disk, or mend it: it goes on by itself then, without a restart; `bartizan status` tells how things stand",
    },
];
