//! The log's key changes: who can verify what with which key, and what a forger can do with a retired one.

use super::*;
use bartizan_ledger::{
    InclusionFault, KeyFault, NoteFault, VerifyFault, keys::statements, note::split_notes,
};

const DAY: u64 = 86_400_000_000;

fn at(number: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_000_000 + number)
}

fn changing(now: u64, overlap_micros: u64) -> ChangeKey {
    ChangeKey {
        now: at(now),
        overlap_micros,
        by: "uid 0".to_owned(),
    }
}

fn append(ledger: &Ledger, number: u64) {
    let pending = ledger
        .submit(&ruling(number, "mail", RulingWord::Deny))
        .expect("room");
    pending.wait().expect("acknowledged");
}

fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a directory");
    let mut cp = std::process::Command::new("cp");
    let done = cp.arg("-a").arg(from.join(".")).arg(to.path()).status();
    assert!(done.expect("runs").success());
    to
}

/// How many keys signed a head.
fn signatures(note: &str) -> usize {
    note.lines().filter(|line| line.starts_with('\u{2014}')).count()
}

struct Changed {
    place: tempfile::TempDir,
    elsewhere: tempfile::TempDir,
    options: LedgerOptions,
    /// The ledger's directory before the key changed.
    before: tempfile::TempDir,
    old: Verifier,
    new: Verifier,
    /// Heads: before the change, within the overlap, after it.
    heads: [SignedCheckpoint; 3],
    old_proof: bartizan_ledger::InclusionProof,
    new_proof: bartizan_ledger::InclusionProof,
}

/// A place for a log, one for its witness, and options that write it at once.
fn witnessed() -> (tempfile::TempDir, tempfile::TempDir, LedgerOptions) {
    let (place, elsewhere) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let options = LedgerOptions {
        witness: Some(elsewhere.path().join("heads")),
        witness_every_millis: 1,
        ..small()
    };
    (place, elsewhere, options)
}

/// Two records under the old key, the change, two while both sign, two after the overlap of a day; closed.
fn changed() -> Changed {
    let (place, elsewhere, options) = witnessed();
    let (ledger, _) = Ledger::open(place.path(), key(1), options.clone()).expect("opens");
    append(&ledger, 1);
    append(&ledger, 2);
    let (old, old_proof, first) = (
        ledger.verifier(),
        ledger.prove(0).expect("proves"),
        ledger.checkpoint(),
    );
    block(ledger.close()).expect("closes");
    let before = copied(place.path());

    let (ledger, _) = Ledger::open(place.path(), key(1), options.clone()).expect("opens");
    let change = block(ledger.change_key(changing(3, DAY))).expect("changes");
    assert_eq!((change.receipt.index, change.receipt.size), (2, 3));
    append(&ledger, 4);
    append(&ledger, 5);
    let second = ledger.checkpoint();
    let day = 86_400;
    append(&ledger, 6 + day);
    append(&ledger, 7 + day);
    let third = ledger.checkpoint();
    let (new, new_proof) = (ledger.verifier(), ledger.prove(0).expect("proves"));
    block(ledger.close()).expect("closes");
    Changed {
        place,
        elsewhere,
        options,
        before,
        old,
        new,
        heads: [first, second, third].map(|head| (*head).clone()),
        old_proof,
        new_proof,
    }
}

#[test]
fn whoever_pinned_either_key_follows_the_log() {
    let log = changed();
    assert_ne!(log.old, log.new);
    let counts = log.heads.each_ref().map(|head| signatures(head.note()));
    assert_eq!(counts, [1, 2, 1], "both sign for the overlap alone");
    // One who knows only the old key sees every head until the overlap ends, with nothing but that key.
    assert!(log.old.verify(log.heads[1].note()).is_ok());
    assert_eq!(log.old.verify(log.heads[2].note()), Err(NoteFault::Unsigned));
    for pinned in [&log.old, &log.new] {
        let report = verify(log.place.path(), pinned, &log.heads, Some(1));
        assert_eq!(report.faults, []);
        assert_eq!((report.verdict(), report.records), (Verdict::Consistent, 7));
        assert_eq!((report.keys.first(), report.keys.newest()), (&log.old, &log.new));
        // The change needs no key to be read: everything but it is sealed.
        assert_eq!(report.opened, 6);
    }
    let (ledger, _) = Ledger::open(log.place.path(), key(1), log.options.clone()).expect("opens");
    let stored = ledger.read(2).expect("there").record.expect("not erased");
    assert!(stored.note.expect("words").contains(&log.new.vkey()));
    let found = ledger.search(&Query {
        kind: Some(RecordKind::LogKey),
        ..Query::default()
    });
    assert_eq!(found.expect("searches").len(), 1);
    assert!(matches!(
        block(ledger.erase(2, "no")),
        Err(LedgerFault::NotErasable(2))
    ));
    let mut forged = Record::new(RecordKind::LogKey, at(9));
    forged.statement = stored.statement;
    assert!(matches!(
        ledger.append_deferred(&forged),
        Err(LedgerFault::KeyChange(_))
    ));
}

#[test]
fn proofs_of_either_time_hold_under_either_key() {
    let log = changed();
    let told = statements(log.new_proof.succession.concat().as_str());
    assert!(log.old_proof.verify(&log.old, &[]).is_ok(), "as it always did");
    assert_eq!((log.old_proof.version, log.new_proof.version), (1, 2));
    let text = serde_json::to_string(&log.old_proof).expect("JSON");
    assert!(!text.contains("succession"), "an old proof is what it was");
    // The new key's owner needs the statement to know whose heads came before.
    let alone = log.old_proof.verify(&log.new, &[]);
    assert_eq!(alone, Err(InclusionFault::Note(NoteFault::Unsigned)));
    let proven = log.old_proof.verify(&log.new, &told).expect("holds");
    assert_eq!(proven.keys.at(proven.head.checkpoint().size), &log.old);

    assert!(log.new_proof.verify(&log.new, &[]).is_ok());
    let proven = log.new_proof.verify(&log.old, &[]).expect("followed");
    assert_eq!(proven.keys.newest(), &log.new);
    let mut bare = log.new_proof.clone();
    bare.succession.clear();
    assert!(bare.verify(&log.new, &[]).is_ok());
    assert_eq!(
        bare.verify(&log.old, &[]),
        Err(InclusionFault::Note(NoteFault::Unsigned))
    );
    bare.version = 1;
    bare.succession.clone_from(&log.new_proof.succession);
    assert_eq!(bare.verify(&log.new, &[]), Err(InclusionFault::Version(1)));
}

#[test]
fn the_retired_key_is_destroyed_when_its_time_is_over() {
    let log = changed();
    let file = std::fs::read_to_string(log.place.path().join("keys")).expect("there");
    assert!(file.starts_with("bartizan-ledger-keys v2\n"));
    assert!(!file.contains("retiring/") && !file.contains("signer-next"));
    assert_eq!(file.matches("succession/").count(), 1);
    let before = std::fs::read_to_string(log.before.path().join("keys")).expect("there");
    assert!(before.starts_with("bartizan-ledger-keys v1\n"));
    // A file of version 1 has no such rows: an older release would not know what they are.
    let row = file
        .lines()
        .find(|line| line.starts_with("succession/"))
        .expect("there");
    std::fs::write(log.before.path().join("keys"), format!("{before}{row}\n")).expect("writes");
    let opened = Ledger::open(log.before.path(), key(1), small()).map(|_| ());
    assert!(
        matches!(opened, Err(LedgerFault::Corrupt(Damage::KeyFile(_)))),
        "{opened:?}"
    );
}

#[test]
fn a_log_from_before_is_opened_and_changed_as_ever() {
    let log = changed();
    // What an older release left: version 1 of the key file, no change. It opens, and its key can change.
    let options = small();
    let (ledger, recovered) = Ledger::open(log.before.path(), key(1), options.clone()).expect("opens");
    assert_eq!((recovered.size, ledger.verifier()), (2, log.old.clone()));
    let change = block(ledger.change_key(changing(9, 0))).expect("changes");
    append(&ledger, 10);
    assert_eq!(signatures(ledger.checkpoint().note()), 1, "no overlap was wanted");
    block(ledger.close()).expect("closes");
    assert_ne!(change.statement.to(), &log.new);
    let report = verify(log.before.path(), &log.old, &log.heads[..1], Some(1));
    assert_eq!(report.verdict(), Verdict::Consistent);
    // The master key goes on changing too, and statements stay as they are.
    let (ledger, _) = Ledger::open(log.before.path(), key(1), options.clone()).expect("opens");
    block(ledger.rotate_key(key(2))).expect("rotates");
    block(ledger.close()).expect("closes");
    let (ledger, _) = Ledger::open(log.before.path(), key(2), options).expect("opens");
    assert_eq!(ledger.keys().changes(), [change.statement]);
}

#[test]
fn a_log_rolled_back_to_before_the_change_is_found() {
    let log = changed();
    let witness = std::fs::read_to_string(log.elsewhere.path().join("heads")).expect("there");
    assert_eq!(statements(&witness).len(), 1, "the witness has the statement");
    // The verifier with the old key and with the new one, and the gateway itself, whose key file went back too.
    let held = Held::gather(log.before.path(), &log.old, &witness).expect("followed by the witness alone");
    let report = verify_ledger(log.before.path(), &held, None).expect("files can be read");
    assert!(
        matches!(report.faults[..], [VerifyFault::Rollback { held: 7, found: 2 }]),
        "{report:?}"
    );
    let held = Held::gather(log.before.path(), &log.new, &witness).expect("followed");
    let report = verify_ledger(log.before.path(), &held, None).expect("files can be read");
    assert_eq!(report.verdict(), Verdict::Damaged);
    let opened = Ledger::open(log.before.path(), key(1), log.options.clone()).map(|_| ());
    assert!(
        matches!(
            opened,
            Err(LedgerFault::Corrupt(Damage::Rollback { found: 2, .. }))
        ),
        "{opened:?}"
    );
    // The statement alone, without any head, says how long the log must be.
    let statement = statements(&witness)[0].note().to_owned();
    let held = Held::gather(log.before.path(), &log.old, &statement).expect("followed");
    let report = verify_ledger(log.before.path(), &held, None).expect("files can be read");
    assert_eq!(report.faults, [VerifyFault::Rollback { held: 3, found: 2 }]);
    // A head from after the overlap, without the statement: nobody vouches for its key, so nothing is accepted.
    let head = log.heads[2].note();
    let refused = Held::gather(log.before.path(), &log.old, head).map(|_| ());
    assert!(
        matches!(refused, Err(LedgerFault::Head(NoteFault::Unsigned))),
        "{refused:?}"
    );
}

/// The worst that one with the retired key can do: the log from before goes on, and its key names another successor.
#[test]
fn a_forger_with_the_retired_key_moves_nobody_who_saw_what_came_after() {
    let log = changed();
    let witness = std::fs::read_to_string(log.elsewhere.path().join("heads")).expect("there");
    let forged = small();
    let (ledger, _) = Ledger::open(log.before.path(), key(1), forged.clone()).expect("opens");
    (3..20).for_each(|number| append(&ledger, number));
    let fork = ledger.checkpoint();
    assert!(log.old.verify(fork.note()).is_ok());
    block(ledger.close()).expect("closes");
    let refuse = |place: &Path, notes: &str| {
        let held = match Held::gather(place, &log.old, notes) {
            Ok(held) => held,
            Err(LedgerFault::Head(_) | LedgerFault::Corrupt(Damage::KeyChange(_))) => return,
            Err(other) => panic!("{other:?}"),
        };
        let report = verify_ledger(place, &held, None).expect("files can be read");
        assert_eq!(report.verdict(), Verdict::Damaged, "{report:?}");
    };
    let head = log.heads[2].note();
    refuse(log.before.path(), head);
    refuse(log.before.path(), &witness);
    // With a successor of the forger's own.
    let (ledger, _) = Ledger::open(log.before.path(), key(1), forged).expect("opens");
    block(ledger.change_key(changing(30, 0))).expect("changes");
    append(&ledger, 31);
    let mine = ledger.keys().changes()[0].note().to_owned();
    block(ledger.close()).expect("closes");
    refuse(log.before.path(), head);
    refuse(log.before.path(), &witness);
    let conflict = Held::gather(log.before.path(), &log.old, &witness).map(|_| ());
    assert!(
        matches!(
            conflict,
            Err(LedgerFault::Corrupt(Damage::KeyChange(KeyFault::Conflict(_))))
        ),
        "{conflict:?}"
    );
    // And the honest log stays what it is to the gateway, while a witness that was fed the fork is not believed.
    let path = log.elsewhere.path().join("heads");
    for (fed, why) in [
        (fork.note().to_owned(), "a fork under a retired key"),
        (mine, "a rival statement"),
    ] {
        std::fs::write(&path, format!("{witness}{fed}")).expect("writes");
        let opened = Ledger::open(log.place.path(), key(1), log.options.clone()).map(|_| ());
        assert!(
            matches!(opened, Err(LedgerFault::Corrupt(Damage::Fork(_)))),
            "{why}: {opened:?}"
        );
    }
    std::fs::write(&path, &witness).expect("writes");
    Ledger::open(log.place.path(), key(1), log.options.clone()).expect("opens");
}

#[test]
fn a_key_can_change_again_and_again_and_within_an_overlap() {
    let place = tempfile::tempdir().expect("a directory");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    append(&ledger, 1);
    let first = ledger.verifier();
    for number in 0..3 {
        block(ledger.change_key(changing(10 + number, DAY))).expect("changes");
        append(&ledger, 20 + number);
        assert_eq!(signatures(ledger.checkpoint().note()), 2 + number as usize);
    }
    let refused = block(ledger.change_key(changing(30, DAY)));
    assert!(
        matches!(refused, Err(LedgerFault::KeyChange(KeyFault::Retiring))),
        "{refused:?}"
    );
    append(&ledger, 31);
    block(ledger.close()).expect("closes");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    append(&ledger, 32);
    assert_eq!(signatures(ledger.checkpoint().note()), 4, "over a restart too");
    append(&ledger, 86_400 * 2);
    assert_eq!(signatures(ledger.checkpoint().note()), 1);
    block(ledger.change_key(changing(86_400 * 2, 0))).expect("changes");
    append(&ledger, 86_400 * 2 + 1);
    let keys = ledger.keys();
    let last = ledger.checkpoint();
    block(ledger.close()).expect("closes");
    assert_eq!(keys.changes().len(), 4);
    let middle = keys.changes()[1].to();
    for pinned in [&first, middle, keys.newest()] {
        let report = verify(place.path(), pinned, std::slice::from_ref(&last), Some(1));
        assert_eq!((report.faults.as_slice(), &report.keys), (&[][..], &keys));
    }
    // Derived files and all: rebuilt from the log alone.
    std::fs::remove_dir_all(place.path().join("derived")).expect("there");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    assert_eq!(ledger.keys(), keys);
    ledger
        .prove(3)
        .expect("proves")
        .verify(&first, &[])
        .expect("holds");
}

#[test]
fn the_key_changes_under_load_and_nothing_is_lost() {
    let (place, elsewhere, options) = witnessed();
    let (ledger, _) = Ledger::open(place.path(), key(1), options).expect("opens");
    let first = ledger.verifier();
    let threads: Vec<_> = (0..4_u64)
        .map(|thread| {
            let ledger = ledger.clone();
            std::thread::spawn(move || {
                for number in 0..150 {
                    append(&ledger, 10_000 * (thread + 1) + number);
                }
            })
        })
        .collect();
    for change in 0..3 {
        block(ledger.change_key(changing(50_000 + change, DAY))).expect("changes");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("appends"));
    let kinds = |kind| {
        let all = ledger.records(0).map(|stored| stored.expect("there").entry.kind);
        all.filter(|found| *found == kind).count()
    };
    assert_eq!((kinds(RecordKind::Ruling), kinds(RecordKind::LogKey)), (600, 3));
    block(ledger.close()).expect("closes");
    let witness = std::fs::read_to_string(elsewhere.path().join("heads")).expect("there");
    assert_eq!(statements(&witness).len(), 3);
    let held = Held::gather(place.path(), &first, &witness).expect("followed");
    let report = verify_ledger(place.path(), &held, Some(key(1))).expect("files can be read");
    assert_eq!(
        (report.faults.as_slice(), report.verdict()),
        (&[][..], Verdict::Consistent)
    );
    assert!(report.held >= split_notes(&witness).len() - 3);
}

#[test]
fn a_witness_that_is_cut_keeps_its_statements() {
    let log = changed();
    let path = log.elsewhere.path().join("heads");
    let mut witness = std::fs::read_to_string(&path).expect("there");
    let head = log.heads[2].note();
    while witness.len() <= 1 << 20 {
        witness.push_str(head);
    }
    std::fs::write(&path, &witness).expect("writes");
    let (ledger, _) = Ledger::open(log.place.path(), key(1), log.options.clone()).expect("opens");
    block(ledger.close()).expect("closes");
    let cut = std::fs::read_to_string(&path).expect("there");
    assert!(cut.len() < witness.len());
    assert_eq!(statements(&cut).len(), 1);
}
