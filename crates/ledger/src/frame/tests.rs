use super::*;
use bartizan_types::{RecordKind, Timestamp};
use proptest::prelude::*;

fn entry(blob: &[u8]) -> Entry {
    Entry {
        kind: RecordKind::Ruling,
        time: Timestamp::from_unix_micros(5),
        about: None,
        commitment: Digest([3; 32]),
        sealed: crate::entry::digest(blob),
    }
}

fn one_record(batch: u64, index: u64, blob: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let seal = |out: &mut Vec<u8>| {
        out.extend_from_slice(blob);
        Ok::<(), FrameFault>(())
    };
    put_record(&mut out, batch, index, seal, entry).expect("fits");
    out
}

fn header_of(edge: Vec<Digest>) -> SegmentHeader {
    SegmentHeader {
        origin: "o".to_owned(),
        first: 9,
        oldest_open: 4,
        key_check: [8; 16],
        edge,
    }
}

proptest! {
    #[test]
    fn records_round_trip(batch: u64, index: u64, blob in prop::collection::vec(any::<u8>(), 0..600)) {
        let bytes = one_record(batch, index, &blob);
        let frame = decode(&bytes).expect("its own encoding");
        prop_assert_eq!(frame.bytes, bytes.len());
        prop_assert_eq!(frame.batch, batch);
        prop_assert_eq!(frame.body, Body::Record(RecordFrame { index, entry: entry(&blob), payload: Payload::Present(&blob) }));
    }

    #[test]
    fn segments_round_trip(batch: u64, edge in prop::collection::vec(any::<[u8; 32]>(), 0..64)) {
        let header = header_of(edge.into_iter().map(Digest).collect());
        let mut bytes = Vec::new();
        put_segment(&mut bytes, batch, &header);
        prop_assert_eq!(decode(&bytes).map(|f| f.body), Ok(Body::Segment(header)));
    }

    /// Any single changed bit is a fault, or shows as a broken payload; nothing reads as something else.
    #[test]
    fn a_flipped_bit_shows(at: prop::sample::Index, bit in 0_u8..8) {
        let mut bytes = one_record(1, 2, &[9; 100]);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        match decode(&bytes) {
            Err(_) => {}
            Ok(Frame { body: Body::Record(record), .. }) => prop_assert_eq!(record.payload, Payload::Broken),
            Ok(other) => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let mut framed = MAGIC.to_vec();
        framed.extend_from_slice(&bytes);
        let _ = decode(&framed);
        let _ = highest_batch(&framed);
    }

    #[test]
    fn a_cut_frame_is_no_frame(cut: prop::sample::Index) {
        let bytes = one_record(1, 2, &[9; 100]);
        prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
    }
}

#[test]
fn an_erased_payload_must_be_all_zero() {
    let mut bytes = one_record(1, 2, &[9; 40]);
    bytes[STATE_AT] = ERASED;
    let payload = |bytes: &[u8]| match decode(bytes).expect("a frame").body {
        Body::Record(record) => matches!(record.payload, Payload::Erased),
        _ => false,
    };
    assert!(!payload(&bytes));
    bytes[BLOB_AT..].fill(0);
    assert!(payload(&bytes));
}

#[test]
fn a_batch_ends_on_a_sector() {
    let mut bytes = one_record(1, 2, &[9; 40]);
    put_checkpoint(&mut bytes, 1, "note");
    assert_eq!(bytes.len() % SECTOR, 0);
    assert_eq!(highest_batch(&bytes), Some(1));
    assert_eq!(highest_batch(&[0; 4096]), None);
}
