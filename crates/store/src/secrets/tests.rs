//! Tests of master key, keyring and secrets: what opens, what does not, and that nothing shows a secret.

use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::*;
use crate::{MasterKey, MasterKeySource, master::Surroundings};

const PLANTED: &str = "sk-planted-7f3a9c";

fn value(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}

struct World {
    _place: tempfile::TempDir,
    dir: StateDir,
}

fn world() -> World {
    let place = tempfile::tempdir().unwrap();
    let dir = StateDir::open(&place.path().join("state")).unwrap();
    World { _place: place, dir }
}

fn load(dir: &StateDir) -> (MasterKey, MasterKeySource) {
    MasterKey::load_with(dir, &Surroundings::default()).unwrap()
}

fn keyring(dir: &StateDir) -> Keyring {
    Keyring::open(dir, &load(dir).0).unwrap()
}

fn revealed(secrets: &Secrets, name: &str) -> Option<String> {
    let found = secrets.reveal(name).unwrap()?;
    Some(String::from_utf8(found.expose().clone()).unwrap())
}

#[test]
fn set_reveal_rotate_remove_survive_restarts() {
    let world = world();
    let open = || Secrets::open(&world.dir, &keyring(&world.dir)).unwrap();
    let secrets = open();
    assert_eq!(revealed(&secrets, "openai"), None);
    secrets.set("openai", &value(PLANTED)).unwrap();
    secrets.set("anthropic", &value("other")).unwrap();
    assert!(matches!(
        secrets.set("openai", &value("x")),
        Err(Fault::SecretExists(SecretExists::Already))
    ));
    let secrets = open();
    assert_eq!(revealed(&secrets, "openai").unwrap(), PLANTED);
    assert_eq!(revealed(&secrets, "openai").unwrap(), PLANTED);
    secrets.rotate("openai", &value("new")).unwrap();
    secrets.remove("anthropic").unwrap();
    secrets.flush().unwrap();
    let secrets = open();
    assert_eq!(revealed(&secrets, "openai").unwrap(), "new");
    let list = secrets.list();
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].name.as_str(), list[0].uses), ("openai", 3));
    assert!(list[0].rotated.unwrap() >= list[0].created && list[0].last_used.is_some());
    for missing in [secrets.rotate("nobody", &value("x")), secrets.remove("nobody")] {
        assert!(matches!(missing, Err(Fault::SecretExists(SecretExists::Not))));
    }
}

#[test]
fn bounds() {
    let world = world();
    let secrets = Secrets::open(&world.dir, &keyring(&world.dir)).unwrap();
    for name in ["", "a b", "../x", "a/b", "ä", &"n".repeat(129)] {
        assert!(
            matches!(secrets.set(name, &value("x")), Err(Fault::SecretName)),
            "{name}"
        );
    }
    for size in [0, 65_537] {
        let fault = secrets.set("a", &Secret::new(vec![0; size]));
        assert!(matches!(fault, Err(Fault::SecretSize)));
    }
    secrets.set("a", &Secret::new(vec![0; 65_536])).unwrap();
    {
        let mut inner = secrets.lock();
        let entry = inner.entries["a"].clone();
        for number in 1..1024 {
            inner.entries.insert(format!("n{number}"), entry.clone());
        }
    }
    assert!(matches!(
        secrets.set("one-more", &value("x")),
        Err(Fault::SecretCount)
    ));
}

#[test]
fn altered_files_do_not_open() {
    let world = world();
    let keys = keyring(&world.dir);
    let path = world.dir.path().join(FILE);
    let secrets = Secrets::open(&world.dir, &keys).unwrap();
    secrets.set("a", &value("first")).unwrap();
    let one = fs::read(&path).unwrap();
    secrets.set("b", &value("second")).unwrap();
    let two = fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Secrets::open(&world.dir, &keys).map(|_| ())
    };
    // Any single changed byte of content; the JSON around it may be spelled otherwise without harm.
    for at in (0..two.len()).step_by(3) {
        let mut changed = two.clone();
        changed[at] ^= 1;
        assert!(open(&changed).is_err(), "byte {at}");
    }
    // An entry taken out, or values exchanged, with the old authentication.
    let text = String::from_utf8(two.clone()).unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    let mut entries: Value = serde_json::from_str(list["list"].as_str().unwrap()).unwrap();
    let (a, b) = (entries["a"].clone(), entries["b"].clone());
    for (new_a, new_b) in [(b.clone(), a.clone()), (a.clone(), a)] {
        (entries["a"], entries["b"]) = (new_a, new_b);
        let mut stored = list.clone();
        stored["list"] = Value::String(entries.to_string());
        assert!(matches!(
            open(stored.to_string().as_bytes()),
            Err(Fault::Damaged { .. })
        ));
    }
    // Values exchanged by someone who can authenticate the list still do not open under the other's name.
    {
        let mut inner = secrets.lock();
        let moved = inner.entries["a"].clone();
        inner.entries.insert("b".to_owned(), moved);
    }
    assert!(matches!(secrets.reveal("b"), Err(Fault::Damaged { .. })));
    open(&one).unwrap();
    open(&two).unwrap();
    let newer = text.replace("{\"version\":1,", "{\"version\":2,");
    assert!(matches!(
        open(newer.as_bytes()),
        Err(Fault::Newer { found: 2, .. })
    ));
}

use serde_json::Value;

#[test]
fn the_master_key_is_found_or_made_and_never_guessed() {
    let world = world();
    let dir = &world.dir;
    let (_, source) = load(dir);
    assert_eq!(source, MasterKeySource::Created);
    let path = dir.path().join("master.key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(load(dir).1, MasterKeySource::File);
    Keyring::open(dir, &load(dir).0).unwrap();

    // Environment first; malformed is a fault although the file would do.
    let around = |text: &str| Surroundings {
        key: Some(OsString::from(text)),
        credentials: None,
    };
    for good in [
        "ab".repeat(32),
        "A".repeat(43),
        format!("{}=", "A".repeat(43)),
        format!(" {} \n", "AB".repeat(32)),
    ] {
        let found = MasterKey::load_with(dir, &around(&good)).unwrap();
        assert_eq!(found.1, MasterKeySource::Environment);
        // It is another key, and says so.
        assert!(matches!(
            Keyring::open(dir, &found.0),
            Err(Fault::MasterKeyWrong(_))
        ));
    }
    for bad in ["", "short", &"zz".repeat(32), &"A".repeat(45)] {
        let fault = MasterKey::load_with(dir, &around(bad));
        assert!(matches!(fault, Err(Fault::MasterKeyForm(_))), "{bad}");
    }

    let credentials = tempfile::tempdir().unwrap();
    let file = credentials.path().join("bartizan-master-key");
    let around = Surroundings {
        key: None,
        credentials: Some(credentials.path().to_owned()),
    };
    assert_eq!(
        MasterKey::load_with(dir, &around).unwrap().1,
        MasterKeySource::File
    );
    fs::write(&file, [7_u8; 32]).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(
        MasterKey::load_with(dir, &around),
        Err(Fault::Insecure { .. })
    ));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(
        MasterKey::load_with(dir, &around).unwrap().1,
        MasterKeySource::Credential
    );

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let open = MasterKey::load_with(dir, &Surroundings::default());
    assert!(matches!(open, Err(Fault::Insecure { .. })));
    // A lost key beside sealed state is no reason to make another.
    fs::remove_file(&path).unwrap();
    let lost = MasterKey::load_with(dir, &Surroundings::default());
    assert!(matches!(lost, Err(Fault::MasterKeyMissing(_))));
    assert!(!path.exists());
}

fn derived(ring: &Keyring) -> Vec<[u8; 32]> {
    [
        Purpose::ApiKeys,
        Purpose::Ledger,
        Purpose::Checkpoints,
        Purpose::Secrets,
        Purpose::SecretsList,
        Purpose::Backup,
        Purpose::Manifests,
    ]
    .map(|purpose| *ring.derive(purpose).unwrap().expose())
    .to_vec()
}

#[test]
fn rotation_keeps_every_derived_key_and_shuts_out_the_old_one() {
    let world = world();
    let dir = &world.dir;
    let (old, _) = load(dir);
    let ring = Keyring::open(dir, &old).unwrap();
    let before = derived(&ring);
    let mut distinct = before.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), before.len());
    Secrets::open(dir, &ring)
        .unwrap()
        .set("a", &value("kept"))
        .unwrap();

    ring.rotate_file(dir).unwrap();
    assert!(matches!(Keyring::open(dir, &old), Err(Fault::MasterKeyWrong(_))));
    let ring = keyring(dir);
    assert_eq!(derived(&ring), before);

    let kept = MasterKey::generate().unwrap();
    ring.rotate_to(dir, &kept).unwrap();
    assert!(!dir.path().join("master.key").exists());
    let text = OsString::from(kept.to_text().expose());
    let around = Surroundings {
        key: Some(text),
        credentials: None,
    };
    let ring = Keyring::open(dir, &MasterKey::load_with(dir, &around).unwrap().0).unwrap();
    assert_eq!(derived(&ring), before);
    assert_eq!(
        revealed(&Secrets::open(dir, &ring).unwrap(), "a").unwrap(),
        "kept"
    );
}

/// A crash at any step of `rotate_file` leaves state that opens.
#[test]
fn an_interrupted_rotation_is_finished_or_undone() {
    let world = world();
    let dir = &world.dir;
    let before = derived(&keyring(dir));
    let file = |name: &str| dir.path().join(name);
    let save = |from: &Path, to: &Path| fs::write(to, fs::read(from).unwrap()).unwrap();

    // The next key written, the keyring not yet wrapped under it.
    MasterKey::generate()
        .unwrap()
        .write_file(dir.path(), "master.key.next")
        .unwrap();
    assert_eq!(derived(&keyring(dir)), before);
    assert!(!file("master.key.next").exists());

    // The keyring wrapped, the next key not yet in place.
    save(&file("master.key"), &file("old"));
    keyring(dir).rotate_file(dir).unwrap();
    fs::rename(file("master.key"), file("master.key.next")).unwrap();
    fs::rename(file("old"), file("master.key")).unwrap();
    fs::set_permissions(file("master.key"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(derived(&keyring(dir)), before);
    assert_eq!(load(dir).1, MasterKeySource::File);
    assert_eq!(derived(&keyring(dir)), before);
}

#[test]
fn a_damaged_keyring_is_refused() {
    let world = world();
    let (master, _) = load(&world.dir);
    Keyring::open(&world.dir, &master).unwrap();
    let path = world.dir.path().join("keyring.sealed");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs::write(&path, bad).unwrap();
        assert!(Keyring::open(&world.dir, &master).is_err(), "byte {at}");
    }
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert!(matches!(
        Keyring::open(&world.dir, &master),
        Err(Fault::Damaged { .. })
    ));
}

#[test]
fn nothing_shows_a_secret() {
    let world = world();
    let dir = &world.dir;
    let (master, source) = load(dir);
    let text = master.to_text();
    let keys = Keyring::open(dir, &master).unwrap();
    let secrets = Secrets::open(dir, &keys).unwrap();
    secrets.set("openai", &value(PLANTED)).unwrap();
    let found = secrets.reveal("openai").unwrap();
    secrets.flush().unwrap();
    let twice = secrets.set("openai", &value(PLANTED)).unwrap_err();
    let outputs = [
        format!("{master:?} {source:?} {keys:?} {secrets:?} {found:?} {dir:?}"),
        format!("{:?} {:?}", text, keys.derive(Purpose::Admin).unwrap()),
        format!(
            "{:?} {}",
            secrets.list(),
            serde_json::to_string(&secrets.list()).unwrap()
        ),
        format!("{twice} {twice:?}"),
        format!(
            "{:?}",
            Keyring::open(dir, &MasterKey::generate().unwrap()).unwrap_err()
        ),
    ];
    let base64 = STANDARD.encode(PLANTED);
    let numbers = format!("{:?}", PLANTED.as_bytes());
    let planted = [PLANTED, &base64, text.expose(), numbers.trim_matches(['[', ']'])];
    for output in &outputs {
        for secret in planted {
            assert!(!output.contains(secret), "{output}");
        }
    }
    // Nor any file, but for the master key in its own.
    for entry in fs::read_dir(dir.path()).unwrap().flatten() {
        if !entry.path().is_file() {
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        for secret in planted {
            let holds = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            let is_key = entry.file_name() == "master.key" && secret == text.expose();
            assert_eq!(holds, is_key, "{} {:?}", secret, entry.path());
        }
    }
}
