//! tar: headers, links, names, members.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.tar", "x.nemo"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
