//! A client's configuration is somebody else's file: what comes of it has names of ours, each once, and no value that
//! looks like a secret.
#![no_main]

use std::collections::BTreeSet;

use bartizan_mcp::import::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(servers) = parse(data) else { return };
    let names: BTreeSet<_> = servers.iter().map(|server| server.name.as_str()).collect();
    assert_eq!(names.len(), servers.len());
});
