use super::*;
use crate::{
    frame::{Body, decode, put_record},
    note::NOTE_MAX_BYTES,
};
use bartizan_types::RecordKind;
use proptest::prelude::*;

const ORIGIN: &str = "example.org/log";

fn signer(seed: u8) -> Arc<Signer> {
    Arc::new(Signer::from_seed(ORIGIN, &[seed; 32]).expect("a seed"))
}

fn until(micros: u64) -> Timestamp {
    Timestamp::from_unix_micros(micros)
}

fn key(seed: u8) -> Verifier {
    signer(seed).verifier().clone()
}

fn change(from: u8, to: u8, index: u64) -> Succession {
    Succession::state(&signer(from), &signer(to), index, until(9))
}

/// A record frame of a change of key, as the store writes it, for a place.
fn frame(statement: &str, index: u64, kind: RecordKind) -> Vec<u8> {
    let mut record = Record::new(kind, until(7));
    record.statement = Some(statement.to_owned());
    let body = serde_json::to_vec(&record).expect("JSON");
    let mut out = Vec::new();
    let seal = |out: &mut Vec<u8>| {
        put_public(out, &[3; SALT_BYTES], &body);
        Ok::<(), crate::frame::FrameFault>(())
    };
    let entry = |blob: &[u8]| Entry {
        kind,
        time: until(7),
        about: None,
        commitment: commit(&[3; SALT_BYTES], &body),
        sealed: digest(blob),
    };
    put_record(&mut out, 0, index, seal, entry).expect("fits");
    out
}

fn of_record(bytes: &[u8]) -> Result<Succession, KeyFault> {
    match decode(bytes).expect("a frame").body {
        Body::Record(record) => Succession::of_record(&record),
        _ => panic!("no record"),
    }
}

#[test]
fn a_statement_reads_back_and_needs_both_signatures() {
    let stated = change(1, 2, 5);
    assert_eq!(Succession::read(stated.note()), Ok(stated.clone()));
    let lines: Vec<&str> = stated.note().lines().collect();
    let without = |skip: usize| -> String {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != skip);
        kept.map(|(_, line)| format!("{line}\n")).collect()
    };
    assert_eq!(lines.len(), 9);
    for signature in [7, 8] {
        assert_eq!(Succession::read(&without(signature)), Err(NoteFault::Unsigned));
    }
    let forged = stated.note().replace("\n5\n", "\n6\n");
    assert_eq!(Succession::read(&forged), Err(NoteFault::Signature));
    let padded = stated.note().replace("\n5\n", "\n05\n");
    assert_eq!(Succession::read(&padded), Err(NoteFault::Shape));
    let same = Succession::state(&signer(1), &signer(1), 5, until(9));
    assert_eq!(Succession::read(same.note()), Err(NoteFault::Shape));
    let elsewhere = Signer::from_seed("example.org/other", &[2; 32]).expect("a seed");
    let crossed = Succession::state(&signer(1), &elsewhere, 5, until(9));
    assert_eq!(Succession::read(crossed.note()), Err(NoteFault::Origin));
    // Never taken for a head, nor a head for it.
    assert!(key(1).verify(stated.note()).is_err());
    assert!(Succession::read(signer(1).sign(5, Digest([1; 32])).note()).is_err());
    // A signature by a stranger, a witness, is skipped.
    let cosigned = format!("{}{}", stated.note(), signer(9).line("anything"));
    assert_eq!(Succession::read(&cosigned).map(|read| read.index()), Ok(5));
}

#[test]
fn a_record_holds_a_statement_for_its_own_place_alone() {
    let stated = change(1, 2, 5);
    let honest = frame(stated.note(), 5, RecordKind::LogKey);
    assert_eq!(of_record(&honest), Ok(stated.clone()));
    // Replayed at another place, in a record of another kind, or altered under the same digest.
    let replayed = of_record(&frame(stated.note(), 6, RecordKind::LogKey));
    assert_eq!(replayed, Err(KeyFault::Place { says: 5, at: 6 }));
    let sealed = of_record(&frame(stated.note(), 5, RecordKind::Operation));
    assert_eq!(sealed, Err(KeyFault::Record));
    let nothing = of_record(&frame("", 5, RecordKind::LogKey));
    assert_eq!(nothing, Err(KeyFault::Statement(NoteFault::Shape)));
    for at in crate::frame::BLOB_AT..honest.len() {
        let mut changed = honest.clone();
        changed[at] ^= 1;
        assert_eq!(of_record(&changed), Err(KeyFault::Record), "at {at}");
    }
}

#[test]
fn a_chain_is_found_from_any_of_its_keys_and_from_no_other() {
    let stated = [change(2, 3, 8), change(1, 2, 5), change(7, 8, 1)];
    for known in 1..=3 {
        let keys = LogKeys::gather(&key(known), &stated).expect("a chain");
        assert_eq!((keys.first(), keys.newest()), (&key(1), &key(3)));
        assert_eq!(keys.changes().len(), 2);
        let turns = [0, 5, 6, 8, 9, u64::MAX].map(|size| keys.at(size).clone());
        assert_eq!(turns, [key(1), key(1), key(2), key(2), key(3), key(3)]);
    }
    let stranger = LogKeys::gather(&key(4), &stated).expect("a chain of one");
    assert_eq!((stranger.newest(), stranger.changes().len()), (&key(4), 0));
    let twice = [change(1, 2, 5), change(1, 3, 5)];
    assert!(matches!(
        LogKeys::gather(&key(1), &twice),
        Err(KeyFault::Conflict(5))
    ));
    assert!(matches!(
        LogKeys::gather(&key(2), &twice),
        Err(KeyFault::Conflict(5))
    ));
    let backwards = [change(1, 2, 5), change(2, 3, 5)];
    assert_eq!(LogKeys::gather(&key(1), &backwards), Err(KeyFault::Order(5)));
    let round = [change(1, 2, 5), change(2, 1, 6)];
    assert!(LogKeys::gather(&key(1), &round).is_err());
}

#[test]
fn each_size_has_its_key() {
    let (signers, stated) = Signers::new(signer(1), Vec::new(), LogKeys::new(key(1)))
        .and_then(|signers| signers.succeeded_by(signer(2), 5, until(9)))
        .expect("succeeds");
    let keys = signers.keys();
    assert_eq!(keys.changes(), [stated]);
    let root = Digest([1; 32]);
    let both = signers.sign(6, root);
    assert!(keys.verify(both.note()).is_ok() && key(1).verify(both.note()).is_ok());
    assert!(
        keys.verify(signer(1).sign(5, root).note()).is_ok(),
        "old heads stay good"
    );
    assert_eq!(
        keys.verify(signer(1).sign(6, root).note()),
        Err(NoteFault::Retired)
    );
    assert_eq!(
        keys.verify(signer(2).sign(5, root).note()),
        Err(NoteFault::Unsigned),
        "before its time"
    );
    assert_eq!(
        keys.verify(signer(3).sign(9, root).note()),
        Err(NoteFault::Unsigned)
    );
    // A third signature, of somebody unknown, changes nothing; a wrong one in a known key's name is refused.
    let text = both.checkpoint().text();
    let third = format!("{}{}", both.note(), signer(9).line(&text));
    assert!(keys.verify(&third).is_ok() && key(1).verify(&third).is_ok());
    let wrong = format!(
        "{}{}",
        signers.newest().sign(6, root).note(),
        signer(1).line("else")
    );
    assert_eq!(keys.verify(&wrong), Err(NoteFault::Signature));
    let many = format!(
        "{}{}",
        both.note(),
        signer(9).line(&text).repeat(NOTE_MAX_BYTES / 100)
    );
    assert_eq!(keys.verify(&many), Err(NoteFault::TooLarge));

    assert!(signers.without_ended(until(8)).is_none());
    let alone = signers.without_ended(until(9)).expect("its time is over");
    assert_eq!(
        key(1).verify(alone.sign(7, root).note()),
        Err(NoteFault::Unsigned)
    );
    assert!(
        alone.succeeded_by(signer(1), 9, until(9)).is_err(),
        "no key comes back"
    );
    assert!(
        alone.succeeded_by(signer(3), 5, until(9)).is_err(),
        "no second change at one place"
    );
}

proptest! {
    #[test]
    fn hostile_statements_never_panic(text in "\\PC{0,300}", at in 0_usize..400, bit in 0_u8..8) {
        let _ = Succession::read(&text);
        let _ = statements(&text);
        let stated = change(1, 2, 5);
        let mut bytes = stated.note().as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(read) = Succession::read(&text)
        {
            prop_assert!(read.says_as(&stated));
        }
    }
}
