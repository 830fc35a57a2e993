//! Tests of the state directory: who may have it, and how it comes up to date.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use bartizan_types::{KeyId, ServerName};
use serde_json::Value;

use super::*;
use crate::State;

fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
}

fn bits(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn made_owner_only_and_held_by_one() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a/b/state");
    let held = StateDir::open(&path).unwrap();
    assert_eq!(bits(&path), 0o700);
    assert_eq!(bits(&held.ledger_path()), 0o700);
    assert_eq!(bits(&path.join("state.json")), 0o600);
    assert_eq!(held.migrated_from(), None);
    assert!(held.free_bytes().unwrap() > 0);
    match StateDir::open(&path).unwrap_err() {
        Fault::Locked { pid, .. } => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other}"),
    }
    // Looking needs no lock; a clone keeps it.
    assert_eq!(StateDir::peek(&path).unwrap().ledger_path(), held.ledger_path());
    let clone = held.clone();
    drop(held);
    assert!(matches!(StateDir::open(&path), Err(Fault::Locked { .. })));
    drop(clone);
    StateDir::open(&path).unwrap();
}

#[test]
fn unsafe_places_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let check = |path: &Path, expected: &str| {
        let message = StateDir::open(path).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    };
    for open in [0o750, 0o705, 0o720, 0o777] {
        let path = place.path().join(format!("mode{open:o}"));
        fs::create_dir(&path).unwrap();
        mode(&path, open);
        check(&path, &format!("its mode is {open:04o}"));
    }
    let real = place.path().join("real");
    StateDir::open(&real).unwrap();
    let link = place.path().join("link");
    symlink(&real, &link).unwrap();
    check(&link, "symbolic link");
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    check(&file, "not a regular file or directory");
    let full = place.path().join("full");
    DirBuilder::new().mode(0o700).create(&full).unwrap();
    fs::write(full.join("thesis.tex"), "").unwrap();
    check(&full, "is no state directory");

    for (name, expected) in [("state.json", "mode"), ("lock", "mode")] {
        let path = place.path().join(format!("file-{name}"));
        StateDir::open(&path).unwrap();
        mode(&path.join(name), 0o640);
        check(&path, expected);
    }
    let path = place.path().join("linked-lock");
    DirBuilder::new().mode(0o700).create(&path).unwrap();
    symlink(place.path().join("elsewhere"), path.join("lock")).unwrap();
    check(&path, "symbolic link");
    assert!(!place.path().join("elsewhere").exists());

    let shared = place.path().join("shared");
    fs::create_dir(&shared).unwrap();
    mode(&shared, 0o777);
    check(&shared.join("state"), "anyone may write it");
    mode(&shared, 0o1777);
    StateDir::open(&shared.join("state")).unwrap();
}

#[test]
fn another_owner_is_refused() {
    // Only root can make a directory of someone else's; elsewhere `/` is one.
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("theirs");
    DirBuilder::new().mode(0o700).create(&path).unwrap();
    if std::os::unix::fs::chown(&path, Some(65_534), None).is_err() {
        return;
    }
    let fault = StateDir::open(&path).unwrap_err();
    assert!(
        matches!(
            fault,
            Fault::Insecure {
                why: Insecure::Owner(65_534),
                ..
            }
        ),
        "{fault}"
    );
}

#[test]
fn versions_other_than_ours() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state");
    assert!(matches!(StateDir::peek(&path), Err(Fault::Absent(_))));
    StateDir::open(&path).unwrap();
    let stamp = |text: &str| fs::write(path.join("state.json"), text).unwrap();
    stamp("{\"version\":2,\"more\":true}");
    let newer = |fault| {
        matches!(
            fault,
            Fault::Newer {
                found: 2,
                known: 1,
                ..
            }
        )
    };
    assert!(newer(StateDir::open(&path).unwrap_err()));
    assert!(newer(StateDir::peek(&path).unwrap_err()));
    stamp("{\"version\":0}");
    assert!(matches!(
        StateDir::peek(&path),
        Err(Fault::Older { found: 0, .. })
    ));
    for damaged in ["", "{}", "{\"version\":-1}", "1", "\u{0}\u{0}"] {
        stamp(damaged);
        assert!(
            matches!(StateDir::open(&path), Err(Fault::Damaged { .. })),
            "{damaged}"
        );
    }
    stamp(&" ".repeat(5000));
    assert!(matches!(StateDir::open(&path), Err(Fault::TooLarge { .. })));
}

fn old_state() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state");
    DirBuilder::new().mode(0o700).create(&path).unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v0");
    for name in ["state.json", "agents.json", "pins.json"] {
        fs::copy(fixtures.join(name), path.join(name)).unwrap();
        mode(&path.join(name), 0o600);
    }
    (place, path)
}

fn check_migrated(path: &Path, from: Option<u32>) {
    let held = StateDir::open(path).unwrap();
    assert_eq!(held.migrated_from(), from);
    assert!(!path.join("agents.json").exists() && !path.join("pins.json").exists());
    let state = State::open(&held).unwrap();
    let keys: Vec<Value> = state.keys().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0]["agent"], "mail-agent");
    assert_eq!(keys[1]["revoked"], 1_795_000_100_000_000_u64);
    let pins = state.pins(&ServerName::new("mail").unwrap()).unwrap();
    let items: Vec<_> = pins.iter().map(|(item, _)| item.as_str()).collect();
    assert_eq!(items, ["tool/read", "tool/send"]);
    assert_eq!(state.pinned_servers().unwrap(), ["files", "mail"]);
    let taken = state.put_key(&KeyId::new("bz_AAAAAAAA").unwrap(), &1);
    assert!(matches!(taken, Err(Fault::KeyTaken(_))));
}

#[test]
fn version_0_is_migrated() {
    let (_place, path) = old_state();
    check_migrated(&path, Some(0));
    check_migrated(&path, None);
}

/// Every point at which a crash can stop the migration.
#[test]
fn an_interrupted_migration_is_finished() {
    // After the database was written, before the version was raised.
    let (_place, path) = old_state();
    StateDir::open(&path).unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v0");
    for name in ["state.json", "agents.json", "pins.json"] {
        fs::copy(fixtures.join(name), path.join(name)).unwrap();
        mode(&path.join(name), 0o600);
    }
    check_migrated(&path, Some(0));
    // After the version was raised, before the old files were gone.
    fs::copy(fixtures.join("agents.json"), path.join("agents.json")).unwrap();
    check_migrated(&path, None);
    // While the new version was written.
    let (_place, path) = old_state();
    fs::write(path.join(".state.json.new"), "{\"ver").unwrap();
    check_migrated(&path, Some(0));
}

#[test]
fn a_damaged_version_0_stays_as_it_is() {
    for (name, text) in [
        ("agents.json", "{\"keys\":[{\"agent\":\"a\"}]}"),
        (
            "agents.json",
            "{\"keys\":[{\"prefix\":\"p\"},{\"prefix\":\"p\"}]}",
        ),
        ("pins.json", "[]"),
    ] {
        let (_place, path) = old_state();
        fs::write(path.join(name), text).unwrap();
        assert!(
            matches!(StateDir::open(&path), Err(Fault::Damaged { .. })),
            "{text}"
        );
        assert_eq!(fs::read_to_string(path.join(name)).unwrap(), text);
        assert_eq!(
            fs::read_to_string(path.join("state.json")).unwrap(),
            "{\"version\":0}\n"
        );
    }
}

#[test]
fn default_place_and_workspace() {
    let os = |text: &str| Some(OsString::from(text));
    let check = |state, home, expected: Option<&str>| {
        assert_eq!(default_path(state, home), expected.map(PathBuf::from));
    };
    check(os("/x"), os("/home/a"), Some("/x/bartizan"));
    check(None, os("/home/a"), Some("/home/a/.local/state/bartizan"));
    check(
        os("relative"),
        os("/home/a"),
        Some("/home/a/.local/state/bartizan"),
    );
    check(None, None, None);
    check(None, os(""), None);

    let place = tempfile::tempdir().unwrap();
    let work = place.path().join("work");
    fs::create_dir(&work).unwrap();
    symlink(&work, place.path().join("alias")).unwrap();
    assert!(StateDir::is_within(&work.join("not/yet"), &work));
    assert!(StateDir::is_within(&place.path().join("alias/state"), &work));
    assert!(!StateDir::is_within(&place.path().join("workshop"), &work));
}

#[test]
fn state_that_lost_what_the_rest_belongs_to_is_refused_and_nothing_is_made() {
    let place = tempfile::tempdir().unwrap();
    let dir = StateDir::open(&place.path().join("state")).unwrap();
    dir.check_whole().unwrap();
    let missing = |name: &str| {
        let path = dir.path().join(name);
        let fault = dir.check_whole().unwrap_err();
        assert_eq!(fault.code(), Some(bartizan_types::Code::StateIncomplete));
        assert!(matches!(fault, Fault::Missing(found) if found == path), "{name}");
        assert_eq!(fs::metadata(&path).map_or(0, |found| found.len()), 0);
    };
    // Secrets need the keyring, a log needs the database, too.
    fs::write(dir.path().join(secrets::FILE), b"x").unwrap();
    missing(keyring::FILE);
    fs::write(dir.path().join(keyring::FILE), b"x").unwrap();
    dir.check_whole().unwrap();
    fs::create_dir_all(dir.ledger_path().join("wal")).unwrap();
    dir.check_whole().unwrap();
    fs::write(dir.ledger_path().join("wal/00000001.seg"), b"x").unwrap();
    missing(state::FILE);
    fs::write(dir.path().join(state::FILE), b"").unwrap();
    missing(state::FILE);
    fs::write(dir.path().join(state::FILE), b"x").unwrap();
    dir.check_whole().unwrap();
    fs::remove_file(dir.path().join(keyring::FILE)).unwrap();
    missing(keyring::FILE);
}
