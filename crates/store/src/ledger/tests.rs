use super::*;
use bartizan_ledger::Verdict;
use bartizan_types::{
    AgentId, AuthMethod, CallId, Code, Ending, Issuer, KeyId, Principal, RecordKind, RulingWord, SessionId,
    Timestamp,
};

fn key(byte: u8) -> WrappingKey {
    WrappingKey::new([byte; 32])
}

fn small() -> LedgerOptions {
    LedgerOptions {
        segment_bytes: 64 << 10,
        reserve_bytes: 8 << 10,
        queue_bytes: 1 << 20,
        ..LedgerOptions::default()
    }
}

fn call(number: u64) -> CallId {
    CallId::mint(Timestamp::from_unix_millis(number), u128::from(number))
}

fn ruling(number: u64, agent: &str, word: RulingWord) -> Record {
    let mut record = Record::new(
        RecordKind::Ruling,
        Timestamp::from_unix_seconds(1_000_000 + number),
    );
    record.call = Some(call(number));
    record.session = Some(SessionId::mint(Timestamp::from_unix_millis(number / 10), 1));
    record.ruling = Some(word);
    record.code = (word == RulingWord::Deny).then_some(Code::PolicyDenied);
    record.principal = Some(Principal {
        agent: AgentId::new(agent).expect("a name"),
        user: None,
        act: Vec::new(),
        groups: std::collections::BTreeSet::new(),
        scopes: std::collections::BTreeSet::new(),
        issuer: Issuer::new("bartizan").expect("a name"),
        credential: KeyId::new("k1").expect("a name"),
        rests: Default::default(),
        method: AuthMethod::ApiKey,
        root: None,
        anchor: None,
        expires: None,
    });
    record
}

fn closing(number: u64) -> Record {
    let mut record = Record::new(
        RecordKind::Closing,
        Timestamp::from_unix_seconds(1_000_000 + number),
    );
    record.call = Some(call(number));
    record.ending = Some(Ending::Complete);
    record
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn verify(
    place: &Path,
    verifier: &Verifier,
    held: &[SignedCheckpoint],
    with: Option<u8>,
) -> bartizan_ledger::Report {
    let notes: String = held.iter().map(SignedCheckpoint::note).collect();
    let held = Held::gather(place, verifier, &notes).expect("heads of this log");
    verify_ledger(place, &held, with.map(key)).expect("files can be read")
}

#[test]
fn appends_survive_reopening_and_rotation() {
    let place = tempfile::tempdir().expect("a directory");
    let mut heads = Vec::new();
    let mut verifier = None;
    for round in 0..3_u64 {
        let (ledger, recovered) = Ledger::open(place.path(), key(1), small()).expect("opens");
        assert_eq!(recovered.size, round * 301);
        assert_eq!(
            recovered.open_calls.len(),
            usize::from(round > 0) * round as usize
        );
        block(async {
            for at in 0..150 {
                let number = round * 1000 + at;
                ledger
                    .append_deferred(&ruling(number, "mail", RulingWord::Allow))
                    .expect("room");
                let receipt = ledger.append(&closing(number)).await.expect("acknowledged");
                assert!(receipt.size > receipt.index);
                assert!(ledger.checkpoint().checkpoint().size >= receipt.size);
            }
            ledger
                .append(&ruling(round * 1000 + 999, "files", RulingWord::Allow))
                .await
                .expect("acknowledged");
        });
        for index in [0, round * 301 + 300] {
            let proof = ledger.prove(index).expect("provable");
            let entry = proof.verify(&ledger.verifier(), &[]).expect("verifies").entry;
            assert_eq!(entry, ledger.read(index).expect("there").entry);
        }
        for old in &heads {
            ledger.prove_consistency(old).expect("only grew");
        }
        heads.push((*ledger.checkpoint()).clone());
        verifier = Some(ledger.verifier());
        if round != 1 {
            block(ledger.close()).expect("closes");
        }
    }
    let verifier = verifier.expect("opened");
    let report = verify(place.path(), &verifier, &heads, Some(1));
    assert_eq!(
        (report.verdict(), report.records, report.opened),
        (Verdict::Consistent, 903, 903),
        "{report:?}"
    );
    assert!(
        std::fs::read_dir(place.path().join("wal"))
            .expect("there")
            .count()
            > 5
    );
    assert_eq!(
        verify(place.path(), &verifier, &[], None).verdict(),
        Verdict::SelfConsistentOnly
    );
    // The derived files are lost; they come back from the log, and so do the open calls.
    std::fs::remove_dir_all(place.path().join("derived")).expect("there");
    let (ledger, recovered) = Ledger::open(place.path(), key(1), small()).expect("opens");
    assert_eq!(
        recovered
            .open_calls
            .iter()
            .map(|open| open.call)
            .collect::<Vec<_>>(),
        [call(999), call(1999), call(2999)]
    );
    ledger.prove(450).expect("provable");
}

#[test]
fn what_an_observing_policy_let_through_is_found() {
    let place = tempfile::tempdir().expect("a directory");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    for number in 0..4 {
        let mut record = ruling(number, "even", RulingWord::Allow);
        record.because = (number > 0).then(|| bartizan_types::Because {
            would_deny: number == 3,
            ..bartizan_types::Because::default()
        });
        ledger
            .submit(&record)
            .expect("room")
            .wait()
            .expect("acknowledged");
    }
    let query = Query {
        would_deny: true,
        ..Query::default()
    };
    let found = ledger.search(&query).expect("searches");
    assert_eq!(found.iter().map(|stored| stored.index).collect::<Vec<_>>(), [3]);
}

#[test]
fn searches_by_every_field() {
    let place = tempfile::tempdir().expect("a directory");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    for number in 0..100 {
        let word = if number % 10 == 3 {
            RulingWord::Deny
        } else {
            RulingWord::Allow
        };
        let agent = if number % 2 == 0 { "even" } else { "odd" };
        ledger
            .submit(&ruling(number, agent, word))
            .expect("room")
            .wait()
            .expect("acknowledged");
    }
    let count = |query: Query| ledger.search(&query).expect("searches").len();
    assert_eq!(
        count(Query {
            call: Some(call(42)),
            ..Query::default()
        }),
        1
    );
    assert_eq!(
        count(Query {
            ruling: Some(RulingWord::Deny),
            ..Query::default()
        }),
        10
    );
    assert_eq!(
        count(Query {
            code: Some(Code::PolicyDenied),
            ..Query::default()
        }),
        10
    );
    assert_eq!(
        count(Query {
            agent: AgentId::new("even").ok(),
            ..Query::default()
        }),
        50
    );
    assert_eq!(
        count(Query {
            agent: AgentId::new("none").ok(),
            ..Query::default()
        }),
        0
    );
    let session = SessionId::mint(Timestamp::from_unix_millis(4), 1);
    assert_eq!(
        count(Query {
            session: Some(session),
            ..Query::default()
        }),
        10
    );
    let since = Some(Timestamp::from_unix_seconds(1_000_095));
    assert_eq!(
        count(Query {
            since,
            ..Query::default()
        }),
        5
    );
    let newest = ledger
        .search(&Query {
            limit: 3,
            before: Some(50),
            ..Query::default()
        })
        .expect("searches");
    assert_eq!(
        newest.iter().map(|stored| stored.index).collect::<Vec<_>>(),
        [49, 48, 47]
    );
    // Names do not lie open in the derived files.
    let rows = std::fs::read(place.path().join("derived/rows")).expect("there");
    assert!(!rows.windows(4).any(|four| four == b"even"));
}

#[test]
fn search_rows_of_an_earlier_version_are_written_anew() {
    let place = tempfile::tempdir().expect("a directory");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    for number in 0..400 {
        let done = ledger.submit(&ruling(number, "mail", RulingWord::Deny));
        done.expect("room").wait().expect("acknowledged");
    }
    block(ledger.close()).expect("closes");
    // As an earlier version left them: other tokens, another mark in the checksum.
    let file = place.path().join("derived/rows");
    let mut rows = std::fs::read(&file).expect("there");
    assert!(rows.len() >= 400 * 48);
    for row in rows.chunks_exact_mut(48) {
        row[8..32].fill(7);
        let mut check = crc32fast::hash(&row[..44]).to_be_bytes();
        check[0] ^= 0xFF;
        row[44..].copy_from_slice(&check);
    }
    std::fs::write(&file, rows).expect("writes");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    for number in [0, 200, 399] {
        let query = Query {
            call: Some(call(number)),
            ..Query::default()
        };
        assert_eq!(ledger.search(&query).expect("searches").len(), 1, "{number}");
    }
    ledger.prove(200).expect("provable");
}

#[test]
fn erasure_is_recorded_and_unrecorded_absence_is_found() {
    let place = tempfile::tempdir().expect("a directory");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    for number in 0..5 {
        ledger
            .submit(&ruling(number, "mail", RulingWord::Deny))
            .expect("room")
            .wait()
            .expect("acknowledged");
    }
    let before = (*ledger.checkpoint()).clone();
    let tomb = block(ledger.erase(2, "asked by the data subject")).expect("erases");
    assert_eq!(tomb.index, 5);
    let erased = ledger.read(2).expect("its place is there");
    assert_eq!((erased.record, erased.erased_by), (None, Some(5)));
    assert!(matches!(
        block(ledger.erase(2, "again")),
        Err(LedgerFault::NotErasable(2))
    ));
    assert!(matches!(
        block(ledger.erase(5, "the tombstone")),
        Err(LedgerFault::NotErasable(5))
    ));
    assert!(matches!(
        block(ledger.erase(9, "nothing")),
        Err(LedgerFault::Missing { index: 9, size: 6 })
    ));
    ledger.prove(2).expect("still provable");
    let verifier = ledger.verifier();
    block(ledger.close()).expect("closes");
    let report = verify(place.path(), &verifier, std::slice::from_ref(&before), Some(1));
    assert_eq!(
        (report.verdict(), report.erased),
        (Verdict::Consistent, 1),
        "{report:?}"
    );
    // Somebody zeroes record 3 in the same way, without a tombstone.
    let file = place.path().join("wal/00000001.seg");
    let mut bytes = std::fs::read(&file).expect("there");
    let at = frame_at(&bytes, 3);
    let length = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().expect("four"));
    bytes[at + bartizan_ledger::frame::STATE_AT] = bartizan_ledger::frame::ERASED;
    bytes[at + bartizan_ledger::frame::BLOB_AT..at + 24 + length as usize].fill(0);
    std::fs::write(&file, bytes).expect("writes");
    let report = verify(place.path(), &verifier, &[before], None);
    assert_eq!(
        report.faults,
        [bartizan_ledger::VerifyFault::UnrecordedAbsence(3)]
    );
}

/// Where the frame of a record is in a segment.
fn frame_at(bytes: &[u8], index: u64) -> usize {
    let is = |at: &usize| {
        let frame = bartizan_ledger::frame::decode(&bytes[*at..]);
        matches!(frame.map(|f| f.body), Ok(bartizan_ledger::frame::Body::Record(r)) if r.index == index)
    };
    (0..bytes.len()).find(is).expect("the record is in this segment")
}

#[test]
fn the_outer_key_rotates_without_touching_records() {
    let place = tempfile::tempdir().expect("a directory");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    ledger
        .submit(&ruling(1, "mail", RulingWord::Deny))
        .expect("room")
        .wait()
        .expect("acknowledged");
    let before = std::fs::read(place.path().join("wal/00000001.seg")).expect("there");
    block(ledger.rotate_key(key(2))).expect("rotates");
    assert_eq!(
        std::fs::read(place.path().join("wal/00000001.seg")).expect("there"),
        before
    );
    block(ledger.close()).expect("closes");
    assert!(matches!(
        Ledger::open(place.path(), key(1), small()),
        Err(LedgerFault::Keys)
    ));
    let (ledger, _) = Ledger::open(place.path(), key(2), small()).expect("opens");
    assert!(ledger.read(0).expect("there").record.is_some());
}

#[test]
fn a_full_disk_refuses_calls_and_still_ends_them() {
    let place = tempfile::tempdir().expect("a directory");
    let options = LedgerOptions {
        disk_limit_bytes: Some(100 << 10),
        ..small()
    };
    let (ledger, _) = Ledger::open(place.path(), key(1), options.clone()).expect("opens");
    let mut accepted = 0;
    let fault = loop {
        match ledger
            .submit(&ruling(accepted, "mail", RulingWord::Allow))
            .expect("room")
            .wait()
        {
            Ok(_) => accepted += 1,
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.code(), Code::LedgerFull);
    assert!(accepted > 10 && ledger.stats().full);
    ledger
        .submit(&closing(0))
        .expect("room")
        .wait()
        .expect("endings still fit");
    assert!(matches!(
        ledger
            .submit(&ruling(9, "mail", RulingWord::Allow))
            .expect("room")
            .wait(),
        Err(LedgerFault::Full)
    ));
    let size = ledger.stats().size;
    block(ledger.close()).expect("closes");
    let (ledger, recovered) = Ledger::open(
        place.path(),
        key(1),
        LedgerOptions {
            disk_limit_bytes: None,
            ..options
        },
    )
    .expect("opens");
    assert_eq!(
        (recovered.size, recovered.open_calls.len() as u64),
        (size, accepted - 1)
    );
    ledger
        .submit(&ruling(9, "mail", RulingWord::Allow))
        .expect("room")
        .wait()
        .expect("room again");
}

#[test]
fn a_witness_sees_a_log_put_back_to_an_older_state() {
    let place = tempfile::tempdir().expect("a directory");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let options = LedgerOptions {
        witness: Some(elsewhere.path().join("heads")),
        ..small()
    };
    let (ledger, _) = Ledger::open(place.path(), key(1), options.clone()).expect("opens");
    ledger
        .submit(&ruling(1, "mail", RulingWord::Deny))
        .expect("room")
        .wait()
        .expect("acknowledged");
    block(ledger.close()).expect("closes");
    let old = tempfile::tempdir().expect("a directory");
    let copy = |from: &Path, to: &Path| {
        let done = std::process::Command::new("cp")
            .arg("-a")
            .arg(from.join("."))
            .arg(to)
            .status();
        assert!(done.expect("runs").success());
    };
    copy(place.path(), old.path());
    let (ledger, _) = Ledger::open(place.path(), key(1), options.clone()).expect("opens");
    ledger
        .submit(&ruling(2, "mail", RulingWord::Deny))
        .expect("room")
        .wait()
        .expect("acknowledged");
    let verifier = ledger.verifier();
    block(ledger.close()).expect("closes");
    let notes = std::fs::read_to_string(elsewhere.path().join("heads")).expect("there");
    let held = Held::gather(old.path(), &verifier, &notes).expect("verify");
    let report = verify_ledger(old.path(), &held, None).expect("files can be read");
    assert!(report.held >= 2);
    assert_eq!(
        report.faults,
        [bartizan_ledger::VerifyFault::Rollback { held: 2, found: 1 }]
    );
    let opened = Ledger::open(old.path(), key(1), options).map(|_| ());
    assert!(
        matches!(
            opened,
            Err(LedgerFault::Corrupt(Damage::Rollback { held: 2, found: 1 }))
        ),
        "{opened:?}"
    );
}

#[test]
fn a_clock_that_goes_back_is_noted_and_nothing_more() {
    let place = tempfile::tempdir().expect("a directory");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    for number in [5000, 10, 11] {
        ledger
            .submit(&ruling(number, "mail", RulingWord::Deny))
            .expect("room")
            .wait()
            .expect("acknowledged");
    }
    let kinds: Vec<_> = ledger
        .records(0)
        .map(|stored| stored.expect("there").entry.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            RecordKind::Ruling,
            RecordKind::Ruling,
            RecordKind::Lifecycle,
            RecordKind::Ruling
        ]
    );
    let note = ledger
        .read(2)
        .expect("there")
        .record
        .and_then(|record| record.note);
    assert_eq!(note.as_deref(), Some("the clock went back by 4990000 ms"));
}

#[test]
fn a_subscriber_misses_nothing_and_hears_the_end() {
    let place = tempfile::tempdir().expect("a directory");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    block(async {
        let mut tail = ledger.subscribe(0);
        for number in 0..300 {
            ledger
                .append_deferred(&ruling(number, "mail", RulingWord::Deny))
                .expect("room");
        }
        for number in 0..300 {
            let stored = tail.next().await.expect("open").expect("there");
            assert_eq!(stored.record.and_then(|record| record.call), Some(call(number)));
        }
        ledger.close().await.expect("closes");
        assert!(tail.next().await.is_none());
        assert!(matches!(
            ledger.append(&closing(1)).await,
            Err(LedgerFault::Closed)
        ));
    });
}

#[test]
fn published_tiles_rebuild_the_root() {
    let place = tempfile::tempdir().expect("a directory");
    let out = tempfile::tempdir().expect("a directory");
    let (ledger, _) = Ledger::open(place.path(), key(1), small()).expect("opens");
    for number in 0..600 {
        ledger
            .append_deferred(&ruling(number, "mail", RulingWord::Deny))
            .expect("room");
    }
    ledger
        .submit(&closing(1))
        .expect("room")
        .wait()
        .expect("acknowledged");
    assert_eq!(ledger.publish_tiles(out.path(), 0).expect("publishes"), 601);
    let mut tree = bartizan_ledger::Tree::default();
    for (bundle, width) in [("000", 256), ("001", 256), ("002.p/89", 89)] {
        let bytes = std::fs::read(out.path().join("tile/entries").join(bundle)).expect("there");
        let hashes = std::fs::read(out.path().join("tile/0").join(bundle)).expect("there");
        let hashes = bartizan_ledger::tile::decode_tile(&hashes, width).expect("a tile");
        for (entry, hash) in bartizan_ledger::tile::decode_bundle(&bytes, width)
            .expect("a bundle")
            .iter()
            .zip(hashes)
        {
            assert_eq!(bartizan_ledger::leaf_hash(entry), hash);
            tree.append(hash);
        }
    }
    assert_eq!(tree.root(), ledger.checkpoint().checkpoint().root);
    assert!(out.path().join("tile/1/000.p/2").exists());
}

#[test]
fn options_out_of_range_are_named() {
    let place = tempfile::tempdir().expect("a directory");
    let options = LedgerOptions {
        segment_bytes: 1000,
        ..small()
    };
    assert!(matches!(
        Ledger::open(place.path(), key(1), options),
        Err(LedgerFault::Option("segment_bytes"))
    ));
    let options = LedgerOptions {
        origin: "two words".to_owned(),
        ..small()
    };
    assert!(matches!(
        Ledger::open(place.path(), key(1), options),
        Err(LedgerFault::Option("origin"))
    ));
    let (ledger, _) = Ledger::open(
        place.path(),
        key(1),
        LedgerOptions {
            queue_records: 1,
            ..small()
        },
    )
    .expect("opens");
    let mut big = Record::new(RecordKind::Operation, Timestamp::from_unix_seconds(1));
    big.note = Some("x".repeat(100_000));
    assert!(matches!(ledger.submit(&big), Err(LedgerFault::TooLarge { .. })));
}

mod change;
