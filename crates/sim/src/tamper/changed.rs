//! The same for a log whose key changed, by someone who holds the retired key, or both.
//!
//! Whoever holds both may rebuild everything, the statement included, for its new place. Whoever holds the retired key
//! goes on with the log from before, re-signs what came after, names a successor of his own, or moves, repeats or drops
//! the record of the change. Each must show to one who knows nothing but the retired key and a head from after the
//! overlap, or that and the statement.

use std::sync::Arc;

use bartizan_ledger::{
    Entry, LogKeys, SignedCheckpoint, Signer, Signers, Succession, Tree, Verdict, Verifier, commit, digest,
    keys::put_public,
};
use bartizan_store::{Held, Medium, verify_medium};
use bartizan_types::{Record, RecordKind, Timestamp};

use super::{Leaf, TamperReport, build_with, leaf, raw, resigned_leaves};
use crate::{
    disk::{Image, Recorder},
    random::Random,
    workload::ORIGIN,
};

/// Where the key changed.
const PLACE: usize = 25;
/// Records after the change until the retired key signs no more.
const OVERLAP: u64 = 12;
const UNTIL: Timestamp = Timestamp::from_unix_micros(1_000);

fn signer(seed: u8) -> Arc<Signer> {
    match Signer::from_seed(ORIGIN, &[seed; 32]) {
        Ok(signer) => Arc::new(signer),
        Err(fault) => unreachable!("a fixed seed and origin: {fault}"),
    }
}

/// Who signs a log: until a place, within the overlap, after it; and the record that says so.
struct Hands {
    before: Signers,
    both: Signers,
    after: Signers,
    place: usize,
    change: Leaf,
}

impl Hands {
    fn new(old: &Arc<Signer>, new: &Arc<Signer>, place: usize) -> Self {
        let keys = LogKeys::new(old.verifier().clone());
        let made = Signers::new(Arc::clone(old), Vec::new(), keys).and_then(|before| {
            let (both, stated) = before.succeeded_by(Arc::clone(new), place as u64, UNTIL)?;
            Ok((before, both, stated))
        });
        let Ok((before, both, stated)) = made else {
            unreachable!("two keys and one change")
        };
        let after = both.without_ended(UNTIL).unwrap_or_else(|| both.clone());
        Self {
            before,
            both,
            after,
            place,
            change: stating(&stated),
        }
    }

    fn head(&self, tree: &Tree) -> SignedCheckpoint {
        let place = self.place as u64;
        let signers = match tree.size() {
            size if size <= place => &self.before,
            // The first head over the change has both signatures, wherever its batch ends.
            size if size <= place + OVERLAP => &self.both,
            _ => &self.after,
        };
        signers.sign(tree.size(), tree.root())
    }
}

/// The record of a change, its payload in clear.
fn stating(stated: &Succession) -> Leaf {
    let mut record = Record::new(RecordKind::LogKey, UNTIL);
    record.statement = Some(stated.note().to_owned());
    let body = serde_json::to_vec(&record).unwrap_or_default();
    let mut blob = Vec::new();
    put_public(&mut blob, &[7; 32], &body);
    let entry = Entry {
        kind: RecordKind::LogKey,
        time: UNTIL,
        about: None,
        commitment: commit(&[7; 32], &body),
        sealed: digest(&blob),
    };
    Leaf {
        entry,
        blob: Some(blob),
    }
}

/// A log with the change at its place.
fn signed_by(leaves: &[Leaf], hands: &Hands) -> Vec<Vec<u8>> {
    let mut all = leaves.to_vec();
    all.insert(hands.place.min(all.len()), hands.change.clone());
    build_with(&all, &|tree| hands.head(tree))
}

/// Whether one who knows a key and notes takes segments for the log.
fn accepted(segments: &[Vec<u8>], known: &Verifier, notes: &str) -> bool {
    let image: Image = (1..)
        .zip(segments)
        .map(|(number, bytes)| (format!("wal/{number:08}.seg"), bytes.clone()))
        .collect();
    let disk: Arc<dyn Medium> = Arc::new(Recorder::from_image(&image));
    let report = Held::gather_on(disk.as_ref(), known, notes)
        .and_then(|held| verify_medium(disk.as_ref(), &held, None));
    report.is_ok_and(|report| report.verdict() == Verdict::Consistent)
}

/// Tries `count` mutations from a seed, against a head from after the overlap.
#[must_use]
pub fn mutations_of_changed(seed: u64, count: u64) -> TamperReport {
    let mut random = Random::new(seed);
    let (old, new, own) = (signer(0x77), signer(0x78), signer(0x79));
    let leaves: Vec<Leaf> = (0..60).map(|number| leaf(number, &mut random)).collect();
    let hands = Hands::new(&old, &new, PLACE);
    let honest = signed_by(&leaves, &hands);
    let mut tree = Tree::default();
    let mut all = leaves.clone();
    all.insert(PLACE, hands.change.clone());
    all.iter().for_each(|leaf| tree.append(leaf.entry.leaf_hash()));
    let head = hands.head(&tree).note().to_owned();
    let stated: String = hands
        .after
        .keys()
        .changes()
        .iter()
        .map(Succession::note)
        .collect();
    let mut report = TamperReport::default();
    for known in [old.verifier(), new.verifier()] {
        if !accepted(&honest, known, &head) {
            report
                .failures
                .push(format!("the honest log, to one who knows {known:?}"));
            report.undetected = count;
            return report;
        }
    }
    let forger = Forger {
        leaves,
        hands,
        old,
        new,
        own,
    };
    while report.tried < count {
        let (name, segments) = match report.tried % 3 {
            0 => raw(&honest, &mut random),
            1 => forger.with_both(&mut random),
            _ => forger.with_retired(&mut random),
        };
        if segments == honest {
            continue;
        }
        report.resigned += u64::from(report.tried % 3 > 0);
        report.tried += 1;
        let notes = if random.one_in(2) {
            format!("{stated}{head}")
        } else {
            head.clone()
        };
        if accepted(&segments, forger.old.verifier(), &notes) {
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

struct Forger {
    leaves: Vec<Leaf>,
    hands: Hands,
    old: Arc<Signer>,
    new: Arc<Signer>,
    /// A key of his own.
    own: Arc<Signer>,
}

impl Forger {
    /// Everything rebuilt, the change restated for wherever it now is.
    fn with_both(&self, random: &mut Random) -> (&'static str, Vec<Vec<u8>>) {
        let (name, changed) = resigned_leaves(&self.leaves, random);
        let place = match random.below(3) {
            0 => random.below(changed.len() + 1),
            _ => PLACE.min(changed.len()),
        };
        (
            name,
            signed_by(&changed, &Hands::new(&self.old, &self.new, place)),
        )
    }

    fn with_retired(&self, random: &mut Random) -> (&'static str, Vec<Vec<u8>>) {
        let mut changed = self.leaves.clone();
        if random.one_in(2) {
            changed = resigned_leaves(&self.leaves, random).1;
        }
        let old_alone = |tree: &Tree| self.hands.before.sign(tree.size(), tree.root());
        let at = random.below(changed.len() + 1);
        match random.below(6) {
            0 => ("the log from before goes on", build_with(&changed, &old_alone)),
            1 => {
                let hands = Hands::new(&self.old, &self.own, at);
                ("a successor of the forger's own", signed_by(&changed, &hands))
            }
            2 => {
                changed.insert(PLACE.min(changed.len()), self.hands.change.clone());
                (
                    "heads after the change by the retired key",
                    build_with(&changed, &old_alone),
                )
            }
            3 => {
                changed.insert(at, self.hands.change.clone());
                ("the record of the change moved", build_with(&changed, &old_alone))
            }
            4 => {
                changed.insert(PLACE.min(changed.len()), self.hands.change.clone());
                changed.insert(at, self.hands.change.clone());
                ("the record of the change twice", build_with(&changed, &old_alone))
            }
            _ => {
                changed.truncate(random.below(PLACE));
                ("cut back to before the change", build_with(&changed, &old_alone))
            }
        }
    }
}
