//! A key set comes from a URL: parsing it must end, whatever it is.
#![no_main]

use bartizan_identity::KeySet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = KeySet::parse(data);
});
