//! Tests of backup and restore: it goes on elsewhere, and nothing altered is believed.

use std::os::unix::fs::PermissionsExt as _;

use bartizan_types::{KeyId, Secret};
use serde_json::{Value, json};

use super::*;
use crate::Secrets;

struct World {
    place: tempfile::TempDir,
    dir: StateDir,
    master: MasterKey,
    keys: Keyring,
    state: State,
}

fn world() -> World {
    let place = tempfile::tempdir().unwrap();
    let dir = StateDir::open(&place.path().join("state")).unwrap();
    let master = MasterKey::generate().unwrap();
    master.write_file(dir.path(), master::FILE).unwrap();
    let keys = Keyring::open(&dir, &master).unwrap();
    let secrets = Secrets::open(&dir, &keys).unwrap();
    secrets
        .set("openai", &Secret::new(b"sk-planted".to_vec()))
        .unwrap();
    let state = State::open(&dir).unwrap();
    state
        .put_key(&KeyId::new("bz_a").unwrap(), &json!({"prefix": "bz_a"}))
        .unwrap();
    state.put_setting("x", &1).unwrap();
    let tiles = dir.ledger_path().join("tile/0");
    fs::create_dir_all(&tiles).unwrap();
    for (path, bytes) in [("seg-0", vec![7; 100_000]), ("tile/0/000", b"tile".to_vec())] {
        let path = dir.ledger_path().join(path);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    World {
        place,
        dir,
        master,
        keys,
        state,
    }
}

impl World {
    fn backup(&self, ledger: LedgerFiles<'_>, keep: KeepKey) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        self.dir
            .backup(&self.state, &self.keys, ledger, keep, now, &mut out)?;
        Ok(out)
    }

    fn restore(&self, bytes: &[u8], name: &str, master: Option<&MasterKey>) -> Result<Manifest, Fault> {
        restore(&mut &*bytes, &self.place.path().join(name), master)
    }
}

#[test]
fn restored_state_goes_on() {
    let world = world();
    let bytes = world.backup(LedgerFiles::Quiet, KeepKey::Elsewhere).unwrap();
    for planted in [&b"sk-planted"[..], world.master.to_text().expose().as_bytes()] {
        assert!(!bytes.windows(planted.len()).any(|window| window == planted));
    }
    assert!(matches!(
        world.restore(&bytes, "none", None),
        Err(Fault::MasterKeyMissing(_))
    ));
    let wrong = MasterKey::generate().unwrap();
    assert!(matches!(
        world.restore(&bytes, "wrong", Some(&wrong)),
        Err(Fault::MasterKeyWrong(_))
    ));

    let manifest = world.restore(&bytes, "new", Some(&world.master)).unwrap();
    assert!(!manifest.with_key);
    let dir = StateDir::open(&world.place.path().join("new")).unwrap();
    let keys = Keyring::open(&dir, &world.master).unwrap();
    let found = Secrets::open(&dir, &keys)
        .unwrap()
        .reveal("openai")
        .unwrap()
        .unwrap();
    assert_eq!(found.expose(), b"sk-planted");
    let state = State::open(&dir).unwrap();
    assert_eq!(
        state.keys_with_epoch::<Value>().unwrap(),
        (vec![json!({"prefix": "bz_a"})], 1)
    );
    assert_eq!(state.setting::<u64>("x").unwrap(), Some(1));
    assert_eq!(
        fs::read(dir.ledger_path().join("seg-0")).unwrap(),
        vec![7; 100_000]
    );
    assert_eq!(fs::read(dir.ledger_path().join("tile/0/000")).unwrap(), b"tile");
    assert!(!dir.path().join(STATE_EXPORT).exists() && !dir.path().join(master::FILE).exists());
    // Not over something that is there.
    let again = world.restore(&bytes, "new", Some(&world.master));
    assert!(matches!(again, Err(Fault::Backup(BackupFault::NotEmpty))));
}

#[test]
fn with_its_key_it_needs_no_other() {
    let world = world();
    let bytes = world.backup(LedgerFiles::Quiet, KeepKey::InBackup).unwrap();
    assert!(world.restore(&bytes, "new", None).unwrap().with_key);
    let dir = StateDir::open(&world.place.path().join("new")).unwrap();
    Keyring::open(&dir, &MasterKey::from_file(dir.path()).unwrap().unwrap()).unwrap();
}

#[test]
fn a_growing_ledger_is_cut_where_told() {
    let world = world();
    let part = [(PathBuf::from("seg-0"), Extent::First(5000))];
    let bytes = world
        .backup(LedgerFiles::UpTo(&part), KeepKey::Elsewhere)
        .unwrap();
    world.restore(&bytes, "new", Some(&world.master)).unwrap();
    let ledger = world.place.path().join("new/ledger");
    assert_eq!(fs::read(ledger.join("seg-0")).unwrap(), vec![7; 5000]);
    assert!(!ledger.join("tile").exists());
    for (path, bytes) in [
        ("seg-0", 100_001),
        ("gone", 1),
        ("../master.key", 1),
        ("/etc/passwd", 1),
    ] {
        let part = [(PathBuf::from(path), Extent::First(bytes))];
        assert!(
            world
                .backup(LedgerFiles::UpTo(&part), KeepKey::Elsewhere)
                .is_err(),
            "{path}"
        );
    }
    std::os::unix::fs::symlink("/etc/passwd", world.dir.ledger_path().join("link")).unwrap();
    assert!(matches!(
        world.backup(LedgerFiles::Quiet, KeepKey::Elsewhere),
        Err(Fault::Insecure { .. })
    ));
}

/// The head must not be newer than the records, nor the keys older: both files are replaced whole while others grow.
#[test]
fn what_is_replaced_meanwhile_is_taken_from_before_or_from_after() {
    let world = world();
    let root = world.dir.ledger_path();
    let write = |name: &str, text: &str| files::replace(&root, name, text.as_bytes()).unwrap();
    write("checkpoint", "head 7");
    write("keys", "segment/1");
    let part = [
        (PathBuf::from("checkpoint"), Extent::Read(b"head 7".to_vec())),
        (PathBuf::from("keys"), Extent::Whole),
        (PathBuf::from("seg-0"), Extent::First(70)),
    ];
    write("checkpoint", "head 800");
    write("keys", "segment/1 and segment/2");
    let bytes = world
        .backup(LedgerFiles::UpTo(&part), KeepKey::Elsewhere)
        .unwrap();
    world.restore(&bytes, "new", Some(&world.master)).unwrap();
    let ledger = world.place.path().join("new/ledger");
    let text = |name: &str| fs::read_to_string(ledger.join(name)).unwrap();
    assert_eq!(
        (text("checkpoint").as_str(), text("keys").as_str()),
        ("head 7", "segment/1 and segment/2")
    );
    assert_eq!(fs::read(ledger.join("seg-0")).unwrap().len(), 70);
    for path in ["../master.key", "gone"] {
        let part = [(PathBuf::from(path), Extent::Whole)];
        let made = world.backup(LedgerFiles::UpTo(&part), KeepKey::Elsewhere);
        assert!(made.is_err(), "{path}");
    }
}

#[test]
fn altered_or_cut_backups_are_refused_and_leave_nothing() {
    let world = world();
    let part = [(PathBuf::from("tile/0/000"), Extent::First(4))];
    let bytes = world
        .backup(LedgerFiles::UpTo(&part), KeepKey::Elsewhere)
        .unwrap();
    let target = world.place.path().join("target");
    let refused = |bytes: &[u8], what: &str| {
        let fault = restore(&mut &*bytes, &target, Some(&world.master));
        assert!(fault.is_err(), "{what}");
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "{what}");
    };
    for at in (0..bytes.len()).step_by(5) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        refused(&changed, &format!("byte {at}"));
        if at % 20 == 0 {
            refused(&bytes[..at], &format!("cut at {at}"));
        }
    }
    refused(&[&bytes[..], b"x"].concat(), "something behind");
    world.restore(&bytes, "target", Some(&world.master)).unwrap();
}

/// What someone writes who does not have the key but can write the whole file anew.
#[test]
fn a_forged_file_cannot_leave_the_directory() {
    let world = world();
    for path in [
        "../x",
        "/tmp/x",
        "ledger/../../x",
        "ledger//x",
        "ledger/",
        "lock",
        "state.json",
        "state.redb",
        "ledger/a\nb",
    ] {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u16::try_from(path.len()).unwrap().to_be_bytes());
        bytes.extend(path.as_bytes());
        bytes.extend(1_u64.to_be_bytes());
        bytes.push(b'x');
        let fault = world.restore(&bytes, "target", Some(&world.master));
        assert!(matches!(fault, Err(Fault::Backup(BackupFault::Path))), "{path}");
    }
    assert!(!world.place.path().join("x").exists());
    let long = [MAGIC, &u16::MAX.to_be_bytes()].concat();
    assert!(matches!(
        world.restore(&long, "target", None),
        Err(Fault::Backup(BackupFault::Shape))
    ));
    assert!(matches!(
        world.restore(b"PK\x03\x04 something else", "target", None),
        Err(Fault::Backup(BackupFault::Magic))
    ));
}
