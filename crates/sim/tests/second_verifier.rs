//! The Python verifier, written from the format's page alone, agrees with ours on a real ledger and on damage.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use bartizan_store::{ChangeKey, Ledger, LedgerOptions, WrappingKey};
use bartizan_types::{Record, RecordKind, Timestamp};

/// Whether it accepts, and what it said.
fn python(vkey: &str, rest: &[&std::ffi::OsStr]) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/python/verify_ledger.py");
    let output = Command::new("python3")
        .arg(script)
        .arg("--vkey")
        .arg(vkey)
        .args(rest)
        .output();
    let output = output.expect("python3 runs");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

fn there_is_python() -> bool {
    let told = Command::new("python3")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if told.is_err() {
        eprintln!("skipped: there is no python3");
    }
    told.is_ok()
}

#[test]
fn python_agrees_with_rust() {
    if !there_is_python() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let at = place.path().join("ledger");
    let options = LedgerOptions {
        segment_bytes: 64 << 10,
        reserve_bytes: 4 << 10,
        ..LedgerOptions::default()
    };
    let (ledger, _) = Ledger::open(&at, WrappingKey::new([3; 32]), options).expect("opens");
    for number in 0..150 {
        let mut record = Record::new(RecordKind::Operation, Timestamp::from_unix_micros(number));
        record.note = Some("n".repeat(400));
        ledger.append_deferred(&record).expect("room");
    }
    let last = Record::new(RecordKind::Lifecycle, Timestamp::from_unix_micros(150));
    ledger.submit(&last).expect("room").wait().expect("acknowledged");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(ledger.erase(5, "asked")).expect("erases");
    ledger.submit(&last).expect("room").wait().expect("acknowledged");
    let vkey = ledger.verifier().vkey();
    let (head, proof) = (place.path().join("head"), place.path().join("proof.json"));
    std::fs::write(&head, ledger.checkpoint().note()).expect("writes");
    let mut proven = ledger.prove(77).expect("provable");
    std::fs::write(&proof, serde_json::to_vec(&proven).expect("JSON")).expect("writes");
    let size = ledger.checkpoint().checkpoint().size;
    let root = ledger.checkpoint().checkpoint().root;
    runtime.block_on(ledger.close()).expect("closes");

    let all = [
        "--ledger".as_ref(),
        at.as_os_str(),
        "--head".as_ref(),
        head.as_os_str(),
        "--proof".as_ref(),
        proof.as_os_str(),
    ];
    let (fine, said) = python(&vkey, &all);
    assert!(fine, "{said}");
    assert!(
        said.contains(&format!("\"records\": {size}")) && said.contains(&root.to_string()),
        "{said}"
    );
    assert!(
        said.contains("\"erased\": 1") && said.contains("\"self_only\": false"),
        "{said}"
    );

    proven.index += 1;
    std::fs::write(&proof, serde_json::to_vec(&proven).expect("JSON")).expect("writes");
    assert!(!python(&vkey, &["--proof".as_ref(), proof.as_os_str()]).0);

    let segment = at.join("wal/00000001.seg");
    let honest = std::fs::read(&segment).expect("there");
    let mut cut = honest.clone();
    cut[3000] ^= 1;
    std::fs::write(&segment, &cut).expect("writes");
    assert!(!python(&vkey, &all[..4]).0);
    std::fs::write(&segment, &honest).expect("writes");
    let segments = std::fs::read_dir(at.join("wal")).expect("there").count();
    std::fs::remove_file(at.join(format!("wal/{segments:08}.seg"))).expect("there");
    let (fine, said) = python(&vkey, &all[..4]);
    assert!(!fine && said.contains("held elsewhere covers"), "{said}");
}

#[test]
fn python_follows_the_logs_keys_as_rust_does() {
    if !there_is_python() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let at = place.path().join("ledger");
    let options = LedgerOptions {
        segment_bytes: 64 << 10,
        reserve_bytes: 4 << 10,
        witness: Some(place.path().join("heads")),
        ..LedgerOptions::default()
    };
    let (ledger, _) = Ledger::open(&at, WrappingKey::new([3; 32]), options).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let append = |number: u64| {
        let mut record = Record::new(RecordKind::Operation, Timestamp::from_unix_micros(number));
        record.note = Some("n".repeat(400));
        ledger
            .submit(&record)
            .expect("room")
            .wait()
            .expect("acknowledged");
    };
    (0..60).for_each(append);
    let first = ledger.verifier().vkey();
    let old_proof = ledger.prove(3).expect("proves");
    for now in [60, 160] {
        let wanted = ChangeKey {
            now: Timestamp::from_unix_micros(now),
            overlap_micros: 20,
            by: "a test".to_owned(),
        };
        runtime.block_on(ledger.change_key(wanted)).expect("changes");
        (now..now + 90).for_each(append);
    }
    let (newest, middle) = (ledger.verifier().vkey(), ledger.keys().changes()[0].to().vkey());
    let proof = ledger.prove(3).expect("proves");
    runtime.block_on(ledger.close()).expect("closes");
    let file = |name: &str, proof| {
        let path = place.path().join(name);
        std::fs::write(&path, serde_json::to_vec(proof).expect("JSON")).expect("writes");
        path
    };
    let (old_proof, proof) = (file("old.json", &old_proof), file("proof.json", &proof));
    let heads = place.path().join("heads");
    let all = [
        "--ledger".as_ref(),
        at.as_os_str(),
        "--head".as_ref(),
        heads.as_os_str(),
        "--proof".as_ref(),
    ];
    for vkey in [&first, &middle, &newest] {
        for proof in [&old_proof, &proof] {
            let (fine, said) = python(vkey, &[&all[..], &[proof.as_os_str()]].concat());
            assert!(fine && said.contains("\"records\": 242"), "{said}");
            assert!(said.contains(&first) && said.contains(&newest), "{said}");
        }
        // Of the new proof, nothing else is needed to follow; of the old one only its own key knows.
        assert!(python(vkey, &["--proof".as_ref(), proof.as_os_str()]).0);
        let alone = python(vkey, &["--proof".as_ref(), old_proof.as_os_str()]).0;
        assert_eq!(alone, *vkey == first);
    }
    let stranger = first.replace("ledger+", "ledger+0");
    assert!(!python(&stranger, &all[..4]).0);
    // A log cut back to before the changes, for one who knows what came after.
    let segments = std::fs::read_dir(at.join("wal")).expect("there").count();
    for number in 2..=segments {
        std::fs::remove_file(at.join(format!("wal/{number:08}.seg"))).expect("there");
    }
    let (fine, said) = python(&first, &all[..4]);
    assert!(!fine && said.contains("held elsewhere covers"), "{said}");
}
