//! The rows of what users grant at upstream servers.

use super::{Code, Fault, Row};

pub(super) const ROWS: &[Row] = &[
    Row {
        code: Code::ConnectFirst,
        text: "upstream.connect",
        fault: Fault::Upstream,
        status: 424,
        sentence: "this MCP server wants its user to sign in first: run `bartizan connect SERVER`",
        hint: "`bartizan connect` lists who waits for which server; `bartizan connect SERVER` opens the browser, and the \
               call can then be made again",
    },
    Row {
        code: Code::ScopeMissing,
        text: "upstream.scope",
        fault: Fault::Upstream,
        status: 424,
        sentence: "this MCP server wants more rights than its user granted: run `bartizan connect SERVER` again",
        hint: "`bartizan connect` shows which rights are wanted; `bartizan connect SERVER` asks for them beside those \
               that were granted",
    },
];
