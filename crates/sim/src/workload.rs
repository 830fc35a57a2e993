//! Records and options that the simulations share.

use bartizan_store::{LedgerOptions, WrappingKey};
use bartizan_types::{CallId, Ending, Record, RecordKind, RulingWord, Timestamp};

use crate::random::Random;

pub(crate) const ORIGIN: &str = "bartizan.local/sim";

/// The first record's time, in microseconds since 1970.
pub(crate) const START: u64 = 1_700_000_000_000_000;

pub(crate) fn key() -> WrappingKey {
    WrappingKey::new([0x51; 32])
}

/// Small segments, so that rotation happens often.
pub(crate) fn options() -> LedgerOptions {
    LedgerOptions {
        origin: ORIGIN.to_owned(),
        segment_bytes: 64 << 10,
        reserve_bytes: 4 << 10,
        queue_bytes: 4 << 20,
        ..LedgerOptions::default()
    }
}

/// A record that no other equals, with 0 to 2 KiB of text.
pub(crate) fn record(number: u64, random: &mut Random) -> Record {
    let kind = if random.one_in(3) {
        RecordKind::Closing
    } else {
        RecordKind::Ruling
    };
    let mut record = Record::new(kind, Timestamp::from_unix_micros(START + number));
    record.call = Some(CallId::mint(record.time, u128::from(number)));
    match kind {
        RecordKind::Closing => record.ending = Some(Ending::Complete),
        _ => record.ruling = Some(RulingWord::Allow),
    }
    let length = if random.one_in(4) {
        random.below(2048)
    } else {
        random.below(200)
    };
    record.note = Some(format!("{number}:{}", "x".repeat(length)));
    record
}
