//! What a Workload API says: any stream is cut into messages as in one piece, and any message is read twice the same.

#![no_main]

use bartizan_identity::{Frames, WorkloadUpdate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut whole = Frames::default();
    let mut cut = Frames::default();
    let found = whole.push(data);
    let mut pieces = Vec::new();
    let mut fault = None;
    for piece in data.chunks(3) {
        match cut.push(piece) {
            Ok(more) => pieces.extend(more),
            Err(why) => {
                fault = Some(why);
                break;
            }
        }
    }
    match found {
        Ok(found) => assert_eq!((found, None), (pieces, fault)),
        Err(why) => assert_eq!(Some(why), fault),
    }
    let read = || WorkloadUpdate::parse(data).map(|update| (update.svid.id, update.bundles));
    let (first, again) = (read(), read());
    assert_eq!(first, again);
});
