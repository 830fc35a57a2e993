//! Mutations of committed bytes, half of them by someone who holds the signing key and re-signs every head.
//!
//! Raw: bits flipped, sectors zeroed or swapped, files cut, removed, exchanged. Re-signed: the whole log is rebuilt
//! with records modified, removed, added, exchanged, erased without a tombstone, cut, forked or rolled back, under
//! heads that verify. Each must show against a head held elsewhere, without any sealing key.

use bartizan_ledger::{
    Audit, Entry, LogKeys, Report, SignedCheckpoint, Signer, Tree, Verdict, digest,
    frame::{ERASED, FrameFault, STATE_AT, SegmentHeader, put_checkpoint, put_record, put_segment},
};
use bartizan_types::{RecordKind, Timestamp};

use crate::{random::Random, workload::ORIGIN};

mod changed;
pub use changed::mutations_of_changed;

/// What the mutations showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TamperReport {
    /// Mutations tried; each changed committed bytes.
    pub tried: u64,
    /// Among them those with every head re-signed.
    pub resigned: u64,
    /// Mutations that the verifier took for the log.
    pub undetected: u64,
    /// The first of those, at most 10.
    pub failures: Vec<String>,
}

#[derive(Clone, PartialEq)]
struct Leaf {
    entry: Entry,
    /// `None` for an erased payload.
    blob: Option<Vec<u8>>,
}

fn signer() -> Signer {
    match Signer::from_seed(ORIGIN, &[0x77; 32]) {
        Ok(signer) => signer,
        Err(fault) => unreachable!("a fixed seed and origin: {fault}"),
    }
}

fn leaf(number: u64, random: &mut Random) -> Leaf {
    let blob: Vec<u8> = (0..60 + random.below(300))
        .map(|_| random.bits().to_le_bytes()[0])
        .collect();
    let entry = Entry {
        kind: RecordKind::Ruling,
        time: Timestamp::from_unix_micros(number),
        about: None,
        commitment: digest(&number.to_be_bytes()),
        sealed: digest(&blob),
    };
    Leaf {
        entry,
        blob: Some(blob),
    }
}

/// Writes a log as segments; every head signed.
fn build(leaves: &[Leaf], signer: &Signer) -> Vec<Vec<u8>> {
    build_with(leaves, &|tree| signer.sign(tree.size(), tree.root()))
}

/// Writes leaves as segments, each head signed as `head` says.
fn build_with(leaves: &[Leaf], head: &dyn Fn(&Tree) -> SignedCheckpoint) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    let (mut tree, mut batch) = (Tree::default(), 0);
    for part in leaves.chunks(24) {
        let mut bytes = Vec::new();
        let header = SegmentHeader {
            origin: ORIGIN.to_owned(),
            first: tree.size(),
            oldest_open: tree.size(),
            key_check: [0; 16],
            edge: tree.edge().to_vec(),
        };
        put_segment(&mut bytes, batch, &header);
        put_checkpoint(&mut bytes, batch, head(&tree).note());
        for some in part.chunks(6) {
            batch += 1;
            for leaf in some {
                put(&mut bytes, batch, tree.size(), leaf);
                tree.append(leaf.entry.leaf_hash());
            }
            put_checkpoint(&mut bytes, batch, head(&tree).note());
        }
        batch += 1;
        segments.push(bytes);
    }
    segments
}

fn put(bytes: &mut Vec<u8>, batch: u64, index: u64, leaf: &Leaf) {
    let start = bytes.len();
    let blob = leaf.blob.clone().unwrap_or_else(|| vec![0; 80]);
    let seal = |out: &mut Vec<u8>| {
        out.extend_from_slice(&blob);
        Ok::<(), FrameFault>(())
    };
    let written = put_record(bytes, batch, index, seal, |_| leaf.entry);
    debug_assert!(written.is_ok());
    if leaf.blob.is_none() {
        bytes[start + STATE_AT] = ERASED;
    }
}

fn audit(segments: &[Vec<u8>], keys: &LogKeys, held: &[SignedCheckpoint]) -> Report {
    let mut audit = Audit::new(keys, held);
    for (number, bytes) in (1..).zip(segments) {
        audit.segment(number, bytes, number as usize == segments.len(), None);
    }
    audit.finish()
}

/// Tries `count` mutations from a seed, against the log's last head held elsewhere.
#[must_use]
pub fn mutations(seed: u64, count: u64) -> TamperReport {
    let mut random = Random::new(seed);
    let signer = signer();
    let mut leaves: Vec<Leaf> = (0..60).map(|number| leaf(number, &mut random)).collect();
    // A lawful erasure, so that zeros are among the committed bytes.
    leaves[7].blob = None;
    leaves[20].entry.kind = RecordKind::Tombstone;
    leaves[20].entry.about = Some(7);
    let honest = build(&leaves, &signer);
    let root = leaves.iter().fold(Tree::default(), |mut tree, leaf| {
        tree.append(leaf.entry.leaf_hash());
        tree
    });
    let held = [signer.sign(root.size(), root.root())];
    let keys = LogKeys::new(signer.verifier().clone());
    let mut report = TamperReport::default();
    let clean = audit(&honest, &keys, &held);
    if clean.verdict() != Verdict::Consistent {
        report.failures.push(format!("the honest log: {clean:?}"));
        report.undetected = count;
        return report;
    }
    while report.tried < count {
        let (name, segments) = if report.tried % 2 == 0 {
            raw(&honest, &mut random)
        } else {
            resigned(&leaves, &signer, &mut random)
        };
        if segments == honest {
            continue;
        }
        report.resigned += report.tried % 2;
        report.tried += 1;
        if audit(&segments, &keys, &held).verdict() != Verdict::Damaged {
            report.undetected += 1;
            if report.failures.len() < 10 {
                report
                    .failures
                    .push(format!("seed {seed}, mutation {}: {name}", report.tried));
            }
        }
    }
    report
}

fn raw(honest: &[Vec<u8>], random: &mut Random) -> (&'static str, Vec<Vec<u8>>) {
    let mut segments = honest.to_vec();
    let which = random.below(segments.len());
    let bytes = &mut segments[which];
    let at = random.below(bytes.len());
    let sector = at / 512 * 512;
    let name = match random.below(8) {
        0..=2 => {
            bytes[at] ^= 1 << random.below(8);
            "a bit flipped"
        }
        3 => {
            bytes[sector..sector + 512].fill(0);
            "a sector zeroed"
        }
        4 => {
            let other = random.below(bytes.len()) / 512 * 512;
            (0..512).for_each(|offset| bytes.swap(sector + offset, other + offset));
            "two sectors exchanged"
        }
        5 => {
            bytes.truncate(at);
            "a file cut"
        }
        6 => {
            segments.remove(which);
            "a file removed"
        }
        _ => {
            let other = random.below(segments.len());
            segments.swap(which, other);
            "two files exchanged"
        }
    };
    (name, segments)
}

fn resigned(leaves: &[Leaf], signer: &Signer, random: &mut Random) -> (&'static str, Vec<Vec<u8>>) {
    let (name, changed) = resigned_leaves(leaves, random);
    (name, build(&changed, signer))
}

/// What one who can sign anything would change.
fn resigned_leaves(leaves: &[Leaf], random: &mut Random) -> (&'static str, Vec<Leaf>) {
    let mut changed = leaves.to_vec();
    let at = random.below(changed.len());
    let name = match random.below(9) {
        0 => {
            let bit = random.below(8);
            changed[at].entry.commitment.0[random.below(32)] ^= 1 << bit;
            "a commitment modified"
        }
        1 => {
            let other = leaf(1000 + random.below(1000) as u64, random);
            changed[at].blob.clone_from(&other.blob);
            changed[at].entry.sealed = other.entry.sealed;
            "a payload replaced"
        }
        2 => {
            if let Some(blob) = &mut changed[at].blob {
                let place = random.below(blob.len());
                blob[place] ^= 1 << random.below(8);
            }
            "a payload modified under its old digest"
        }
        3 => {
            changed.remove(at);
            "a record removed"
        }
        4 => {
            let other = random.below(changed.len());
            changed.swap(at, other);
            "two records exchanged"
        }
        5 => {
            let new = leaf(1000 + random.below(1000) as u64, random);
            changed.insert(at, new);
            "a record added"
        }
        6 => {
            changed.truncate(at);
            "the log cut back"
        }
        7 => {
            changed[at].blob = None;
            "a payload erased without a tombstone"
        }
        _ => {
            changed.truncate(at);
            (0..leaves.len() + random.below(20)).for_each(|n| changed.push(leaf(5000 + n as u64, random)));
            "the log forked"
        }
    };
    (name, changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_ledger::{
        frame::{Body, Payload, RecordFrame, decode},
        scan::{Expect, Visit, scan},
    };
    use bartizan_types::Digest;

    struct Blobs(Vec<bool>);
    impl Visit for Blobs {
        fn record(&mut self, record: &RecordFrame<'_>, _at: usize, _tree: &Tree) {
            self.0.push(matches!(record.payload, Payload::Present(_)));
        }
    }

    /// The builder here and the scan must agree, or every mutation would be "detected".
    #[test]
    fn the_builder_builds_what_the_scan_reads() {
        let signer = signer();
        let mut random = Random::new(1);
        let mut leaves: Vec<Leaf> = (0..5).map(|number| leaf(number, &mut random)).collect();
        leaves[3].blob = None;
        let segments = build(&leaves, &signer);
        let expect = Expect {
            keys: &LogKeys::new(signer.verifier().clone()),
            follows: None,
            last: true,
            every_signature: true,
        };
        let mut blobs = Blobs(Vec::new());
        let scanned = scan(&segments[0], &expect, &mut blobs).expect("scans");
        assert_eq!(
            (scanned.tree.size(), blobs.0),
            (5, vec![true, true, true, false, true])
        );
        assert!(matches!(
            decode(&segments[0]).expect("a frame").body,
            Body::Segment(_)
        ));
        assert_ne!(scanned.tree.root(), Digest([0; 32]));
    }
}
