//! Tests of the state database.

use std::{
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bartizan_types::Code;

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    prefix: KeyId,
    revoked: Option<u64>,
}

fn record(prefix: &str) -> Record {
    Record {
        prefix: KeyId::new(prefix).unwrap(),
        revoked: None,
    }
}

fn world() -> (tempfile::TempDir, StateDir) {
    let place = tempfile::tempdir().unwrap();
    let dir = StateDir::open(&place.path().join("state")).unwrap();
    (place, dir)
}

fn server(name: &str) -> ServerName {
    ServerName::new(name).unwrap()
}

#[test]
fn keys_are_added_revised_and_never_overwritten() {
    let (_place, dir) = world();
    let state = State::open(&dir).unwrap();
    let (a, b) = (record("bz_a"), record("bz_b"));
    assert_eq!(state.keys_with_epoch::<Record>().unwrap(), (Vec::new(), 0));
    state.put_key(&a.prefix, &a).unwrap();
    state.put_key(&b.prefix, &b).unwrap();
    assert!(matches!(state.put_key(&a.prefix, &b), Err(Fault::KeyTaken(_))));
    let revoked = state
        .revise_key(&a.prefix, |key: &mut Record| key.revoked = Some(7))
        .unwrap();
    assert_eq!(revoked.revoked, Some(7));
    let absent = KeyId::new("bz_x").unwrap();
    let missing = state.revise_key(&absent, |key: &mut Record| key.revoked = Some(7));
    assert!(matches!(missing, Err(Fault::KeyAbsent(_))));
    drop(state);
    let state = State::open(&dir).unwrap();
    // The refused writes raised no number.
    assert_eq!(state.keys_with_epoch::<Record>().unwrap(), (vec![revoked, b], 3));
}

#[test]
fn an_unreadable_key_is_a_fault_and_not_skipped() {
    let (_place, dir) = world();
    let state = State::open(&dir).unwrap();
    let a = record("bz_a");
    state.put_key(&a.prefix, &a).unwrap();
    let write = |bytes: &[u8]| {
        state
            .write(|transaction| {
                transaction.open_table(KEYS)?.insert("bz_b", bytes)?;
                Ok(())
            })
            .unwrap();
        state.keys::<Record>()
    };
    let newer = br#"{"v":2,"value":{"prefix":"bz_b","revoked":null}}"#;
    for bytes in [&b""[..], b"{", br#"{"v":1,"value":{"prefix":1}}"#, newer] {
        assert!(matches!(write(bytes), Err(Fault::Value { .. })));
    }
    assert!(matches!(state.export(), Err(Fault::Value { .. })));
    assert_eq!(
        write(br#"{"v":1,"value":{"prefix":"bz_b","revoked":null}}"#)
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn pins_keep_to_their_server() {
    let (_place, dir) = world();
    let state = State::open(&dir).unwrap();
    let (mail, mailer) = (server("mail"), server("mailer"));
    state
        .put_pins(&mail, &[("tool/b", b"1"), ("tool/a", b"2")])
        .unwrap();
    state.put_pin(&mailer, "tool/a", b"3").unwrap();
    state.put_pin(&mail, "tool/a", b"4").unwrap();
    let expected = [
        ("tool/a".to_owned(), b"4".to_vec()),
        ("tool/b".to_owned(), b"1".to_vec()),
    ];
    assert_eq!(state.pins(&mail).unwrap(), expected);
    assert_eq!(state.pins(&server("m")).unwrap(), []);
    assert_eq!(state.pinned_servers().unwrap(), ["mail", "mailer"]);
    assert!(state.remove_pin(&mail, "tool/a").unwrap());
    assert!(!state.remove_pin(&mail, "tool/a").unwrap());
    let large = vec![0; PIN_BYTES_MAX + 1];
    let refused = state.put_pins(&mail, &[("tool/c", b"1"), ("tool/d", &large)]);
    assert!(matches!(refused, Err(Fault::ValueTooLarge { .. })));
    assert_eq!(state.pins(&mail).unwrap().len(), 1);
}

#[test]
fn settings_are_typed_and_bounded() {
    let (_place, dir) = world();
    let state = State::open(&dir).unwrap();
    assert_eq!(state.setting::<u64>("x").unwrap(), None);
    state.put_setting("x", &7_u64).unwrap();
    assert_eq!(state.setting::<u64>("x").unwrap(), Some(7));
    assert!(matches!(state.setting::<String>("x"), Err(Fault::Value { .. })));
    let large = "x".repeat(VALUE_BYTES_MAX);
    assert!(matches!(
        state.put_setting("y", &large),
        Err(Fault::ValueTooLarge { .. })
    ));
}

#[test]
fn the_lock_lives_as_long_as_the_database() {
    let (place, dir) = world();
    let path = place.path().join("state");
    let state = State::open(&dir).unwrap();
    drop(dir);
    assert!(matches!(StateDir::open(&path), Err(Fault::Locked { .. })));
    drop(state);
    StateDir::open(&path).unwrap();
}

#[test]
fn manifests_are_kept_apart_by_server_and_survive_an_export() {
    let (_place, directory) = world();
    let state = State::open(&directory).unwrap();
    let (a, b) = (server("a"), server("ab"));
    state
        .put_manifests(&a, &[("send", Some(b"1")), ("read", Some(b"2"))])
        .unwrap();
    state.put_manifests(&b, &[("send", Some(b"3"))]).unwrap();
    state
        .put_manifests(&a, &[("read", None), ("never", None)])
        .unwrap();
    assert_eq!(
        state.manifests(&a).unwrap(),
        vec![("send".to_owned(), b"1".to_vec())]
    );
    assert_eq!(
        state.manifests(&b).unwrap(),
        vec![("send".to_owned(), b"3".to_vec())]
    );
    assert_eq!(state.pins(&a).unwrap(), Vec::new(), "they are no pins");
    let huge = vec![0_u8; PIN_BYTES_MAX + 1];
    assert!(matches!(
        state.put_manifests(&a, &[("x", Some(b"1")), ("send", Some(&huge))]),
        Err(Fault::ValueTooLarge { .. })
    ));
    assert_eq!(state.manifests(&a).unwrap().len(), 1, "all or none");
    let exported = state.export().unwrap();
    assert_eq!(exported.manifests.len(), 2);
}

#[test]
fn a_damaged_database_is_a_fault_and_no_panic() {
    let (place, directory) = world();
    let path = place.path().join("state");
    let state = State::open(&directory).unwrap();
    for number in 0..64 {
        let one = record(&format!("bz_{number:08}"));
        state.put_key(&one.prefix, &one).unwrap();
        state
            .put_pin(&server("a"), &format!("tool/{number}"), &[7; 200])
            .unwrap();
    }
    drop((state, directory));
    let file = path.join(FILE);
    let good = std::fs::read(&file).unwrap();
    let mut refused = 0;
    for at in (4096..good.len()).step_by(4096) {
        let mut bad = good.clone();
        bad[at] ^= 0xFF;
        std::fs::write(&file, bad).unwrap();
        // A page that is in no use may be anything.
        let opened = State::open(&StateDir::open(&path).unwrap());
        refused += usize::from(opened.is_err());
    }
    assert!(refused > 0, "no page was in use");
    let guarded_once = guarded(&file, || -> Result<(), Fault> { panic!("as redb does") });
    assert!(matches!(guarded_once, Err(Fault::Damaged { .. })));
}

/// A disk with so many failures ahead of it; `usize::MAX` fails until it is told otherwise.
fn failing() -> (Arc<AtomicUsize>, Refusing) {
    let left = Arc::new(AtomicUsize::new(0));
    let ours = Arc::clone(&left);
    let refusing: Refusing = Arc::new(move |_: DiskChange| {
        let fails = |left: usize| match left {
            0 | usize::MAX => Some(left),
            left => Some(left - 1),
        };
        match ours.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails) {
            Ok(0) => Ok(()),
            // ENOSPC
            _ => Err(std::io::Error::from_raw_os_error(28)),
        }
    });
    (left, refusing)
}

#[test]
fn a_failed_write_fails_itself_and_no_later_one() {
    let (_place, dir) = world();
    let (left, refusing) = failing();
    let state = State::open_refusing(&dir, refusing).unwrap();
    let (a, b) = (record("bz_a"), record("bz_b"));
    state.put_key(&a.prefix, &a).unwrap();
    assert_eq!(state.trouble(), None);
    left.store(1, Ordering::SeqCst);
    let refused = state.put_key(&b.prefix, &b).unwrap_err();
    assert_eq!(refused.code(), Some(Code::StateUnwritable), "{refused:?}");
    assert!(state.trouble().unwrap().why.contains("No space left"));
    // It was opened again: what was there is there, what failed is not, and both can be changed.
    assert_eq!(state.keys::<Record>().unwrap(), vec![a.clone()]);
    assert!(
        state.trouble().is_some(),
        "a read does not tell whether it can be written"
    );
    state.put_key(&b.prefix, &b).unwrap();
    assert_eq!(state.trouble(), None);
    drop(state);
    let state = State::open(&dir).unwrap();
    assert_eq!(state.keys_with_epoch::<Record>().unwrap(), (vec![a, b], 2));
}

#[test]
fn what_is_there_can_be_read_while_there_is_no_room() {
    let (_place, dir) = world();
    let full = Arc::new(AtomicBool::new(false));
    let ours = Arc::clone(&full);
    // As on a full disk: what is in its place can be overwritten, as the header is, and nothing is added.
    let refusing: Refusing = Arc::new(move |change: DiskChange| match change {
        DiskChange::Write(4096..) if ours.load(Ordering::SeqCst) => {
            Err(std::io::Error::from_raw_os_error(28))
        }
        _ => Ok(()),
    });
    let state = State::open_refusing(&dir, refusing).unwrap();
    let (a, b) = (record("bz_a"), record("bz_b"));
    state.put_key(&a.prefix, &a).unwrap();
    full.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let refused = state.put_key(&b.prefix, &b).unwrap_err();
        assert_eq!(refused.code(), Some(Code::StateUnwritable), "{refused:?}");
        assert_eq!(state.keys::<Record>().unwrap(), vec![a.clone()]);
    }
    full.store(false, Ordering::SeqCst);
    state.put_key(&b.prefix, &b).unwrap();
    assert_eq!(state.keys::<Record>().unwrap(), vec![a, b]);
}

#[test]
fn a_full_disk_is_told_of_until_it_takes_something() {
    let (_place, dir) = world();
    let (left, refusing) = failing();
    let state = State::open_refusing(&dir, refusing).unwrap();
    let a = record("bz_a");
    state.put_key(&a.prefix, &a).unwrap();
    left.store(usize::MAX, Ordering::SeqCst);
    let first = state.put_setting("x", &1).unwrap_err();
    assert_eq!(first.code(), Some(Code::StateUnwritable), "{first:?}");
    let trouble = state.trouble().unwrap();
    for _ in 0..3 {
        let again = state.try_write().unwrap_err();
        assert_eq!(again.code(), Some(Code::StateUnwritable), "{again:?}");
    }
    assert_eq!(state.trouble(), Some(trouble), "since the first time");
    left.store(0, Ordering::SeqCst);
    state.try_write().unwrap();
    assert_eq!(state.trouble(), None);
    assert_eq!(state.keys::<Record>().unwrap(), vec![a]);
    assert_eq!(state.setting::<u64>("x").unwrap(), None);
}

#[test]
fn a_database_that_is_gone_when_it_is_opened_again_is_not_made_anew() {
    let (place, dir) = world();
    let (left, refusing) = failing();
    let state = State::open_refusing(&dir, refusing).unwrap();
    let a = record("bz_a");
    state.put_key(&a.prefix, &a).unwrap();
    let file = place.path().join("state").join(FILE);
    std::fs::remove_file(&file).unwrap();
    left.store(1, Ordering::SeqCst);
    state.try_write().unwrap_err();
    // An empty registry would look like one in which nothing was ever revoked.
    assert!(matches!(state.keys::<Record>(), Err(Fault::Closed(_))));
    assert!(!file.exists());
    std::fs::write(&file, b"").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let refused = state.keys::<Record>().unwrap_err();
    assert_eq!(refused.code(), Some(Code::StateIncomplete), "{refused:?}");
}
