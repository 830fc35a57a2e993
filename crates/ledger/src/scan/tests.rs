use super::*;
use crate::{
    entry::{Entry, digest},
    frame::{BLOB_AT, STATE_AT, put_checkpoint, put_record, put_segment},
    note::Signer,
};
use bartizan_types::{RecordKind, Timestamp};
use proptest::prelude::*;

struct Count(Vec<u64>);
impl Visit for Count {
    fn record(&mut self, record: &RecordFrame<'_>, _at: usize, tree: &Tree) {
        assert_eq!(record.index + 1, tree.size());
        self.0.push(record.index);
    }
}

fn signer() -> Signer {
    Signer::from_seed("example.org/log", &[7; 32]).expect("a seed")
}

/// A segment of batches with these numbers of records; returns the end of each batch.
fn segment(batches: &[usize]) -> (Vec<u8>, Vec<usize>) {
    let signer = signer();
    let (mut bytes, mut tree, mut ends) = (Vec::new(), Tree::default(), Vec::new());
    let header = SegmentHeader {
        origin: "example.org/log".to_owned(),
        first: 0,
        oldest_open: 0,
        key_check: [0; 16],
        edge: Vec::new(),
    };
    put_segment(&mut bytes, 0, &header);
    put_checkpoint(&mut bytes, 0, signer.sign(0, tree.root()).note());
    ends.push(bytes.len());
    for (number, count) in batches.iter().enumerate() {
        let batch = number as u64 + 1;
        for _ in 0..*count {
            let blob = vec![7; 50 + tree.size() as usize % 900];
            let seal = |out: &mut Vec<u8>| {
                out.extend_from_slice(&blob);
                Ok::<(), FrameFault>(())
            };
            let entry = put_record(&mut bytes, batch, tree.size(), seal, |blob| Entry {
                kind: RecordKind::Closing,
                time: Timestamp::from_unix_micros(1),
                about: None,
                commitment: Digest([1; 32]),
                sealed: digest(blob),
            });
            tree.append(entry.expect("fits").leaf_hash());
        }
        put_checkpoint(&mut bytes, batch, signer.sign(tree.size(), tree.root()).note());
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn run(bytes: &[u8], last: bool) -> Result<(Scan, usize), ScanFault> {
    let signer = signer();
    let expect = Expect {
        keys: &LogKeys::new(signer.verifier().clone()),
        follows: None,
        last,
        every_signature: false,
    };
    let mut count = Count(Vec::new());
    scan(bytes, &expect, &mut count).map(|scan| (scan, count.0.len()))
}

#[test]
fn reads_what_was_written() {
    let (mut bytes, ends) = segment(&[1, 3, 0, 9]);
    bytes.resize(bytes.len() + 4096, 0);
    let (scan, count) = run(&bytes, true).expect("whole");
    assert_eq!(
        (count, scan.tree.size(), scan.end, scan.torn),
        (13, 13, ends[4], 0)
    );
    assert_eq!(scan.next_batch, 5);
}

#[test]
fn zeroes_after_an_erasure_are_no_damage_to_the_scan() {
    let (mut bytes, ends) = segment(&[1, 1]);
    bytes[ends[0] + STATE_AT] = crate::frame::ERASED;
    bytes[ends[0] + BLOB_AT..ends[0] + BLOB_AT + 50].fill(0);
    assert_eq!(run(&bytes, false).expect("whole").1, 2);
}

proptest! {
    /// A torn last write is dropped; everything under an earlier checkpoint stays.
    #[test]
    fn a_torn_tail_is_dropped(sectors in prop::collection::vec(any::<bool>(), 40), junk: u8) {
        let (mut bytes, ends) = segment(&[2, 5, 12]);
        let (kept, all) = (ends[2], ends[3]);
        for (at, keep) in (kept..all).step_by(SECTOR).zip(&sectors) {
            if !keep { bytes[at..at + SECTOR].fill(junk) }
        }
        let torn = (kept..all).step_by(SECTOR).zip(&sectors).any(|(_, keep)| !keep);
        let (scan, count) = run(&bytes, true).expect("only a tail is torn");
        prop_assert_eq!(count, if torn { 7 } else { 19 });
        prop_assert_eq!(scan.end, if torn { kept } else { all });
        if torn && junk != 0 { prop_assert!(run(&bytes, false).is_err()) }
    }

    /// Damage before the last checkpoint is an error, wherever it is and however the file is called.
    #[test]
    fn damage_in_the_middle_is_an_error(at: prop::sample::Index, bit in 0_u8..8, last: bool) {
        let (mut bytes, ends) = segment(&[2, 5, 12]);
        let at = at.index(ends[2]);
        bytes[at] ^= 1 << bit;
        // A payload's damage is for its digest to show; the scan sees frames.
        let payload_only = match run(&segment(&[2, 5, 12]).0, last) {
            Ok(_) => run(&bytes, last).is_ok(),
            Err(_) => false,
        };
        if payload_only {
            struct Broken(usize);
            impl Visit for Broken {
                fn record(&mut self, record: &RecordFrame<'_>, _at: usize, _tree: &Tree) {
                    self.0 += usize::from(!matches!(record.payload, crate::frame::Payload::Present(_)));
                }
            }
            let signer = signer();
            let keys = LogKeys::new(signer.verifier().clone());
            let expect = Expect { keys: &keys, follows: None, last, every_signature: false };
            let mut broken = Broken(0);
            scan(&bytes, &expect, &mut broken).expect("frames are whole");
            prop_assert_eq!(broken.0, 1);
        }
    }

    #[test]
    fn hostile_segments_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = run(&bytes, true);
    }
}

#[test]
fn a_header_torn_at_birth_is_told_from_a_damaged_one() {
    let (bytes, ends) = segment(&[1]);
    let mut torn = bytes[..ends[0]].to_vec();
    torn[0] = 0;
    assert_eq!(run(&torn, true).expect_err("no header").what, Flaw::Header);
    assert!(never_began(&torn, 0));
    let mut damaged = bytes;
    damaged[0] = 0;
    assert!(!never_began(&damaged, 0));
}
