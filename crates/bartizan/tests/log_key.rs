//! The key of the log changes, as an operator and an auditor with an older key meet it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.0.path())
            .env("BARTIZAN_STATE", self.path("state"))
            .stdin(Stdio::null())
            .current_dir("/");
        command.output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let done = self.run(&[arguments, &["--json"]].concat());
        assert!(done.status.success(), "{arguments:?}: {}", said(&done));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn write(&self, name: &str, value: &Value) -> String {
        let path = self.path(name);
        fs::write(&path, value.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
}

fn copied(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(done.unwrap().success());
}

#[test]
fn an_auditor_with_the_old_key_follows_and_one_who_was_rolled_back_is_told() {
    let home = Home::new();
    home.json(&["agent", "add", "mailer"]);
    let heads = home.path("heads.txt");
    let heads = heads.to_str().unwrap();
    let old = home.json(&["audit", "witness", "--out", heads])["vkey"].clone();
    let old = old.as_str().unwrap();
    let proof = home.write("old.json", &home.json(&["audit", "prove", "0"]));
    copied(&home.path("state"), &home.path("before"));

    let changed = home.json(&["key", "rotate", "--log", "--overlap-days", "0"]);
    assert_eq!(changed["retired"], old);
    let new = changed["vkey"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    home.json(&["agent", "add", "reader"]);
    home.json(&["audit", "witness", "--out", heads]);
    home.json(&["audit", "witness", "--out", heads]);
    let text = fs::read_to_string(heads).unwrap();
    assert_eq!(
        text.matches("bartizan log key succession").count(),
        1,
        "once, whatever is added"
    );
    let found = home.json(&["audit", "search", "--kind", "log_key"]);
    assert_eq!(found["records"][0]["index"], changed["record"]);

    // With the state's own key, with the old one, and with the new one.
    for vkey in [None, Some(old), Some(new.as_str())] {
        let vkey: Vec<&str> = vkey.into_iter().flat_map(|vkey| ["--vkey", vkey]).collect();
        let verified = home.json(&[&["audit", "verify", "--checkpoint", heads][..], &vkey].concat());
        assert_eq!(verified["verdict"], "consistent", "{verified}");
        assert_eq!(verified["keys"][0]["vkey"], old);
        assert_eq!(
            verified["keys"][1],
            serde_json::json!({"vkey": new, "after_record": changed["record"]})
        );
        // The old proof: its own key knows it; others need what the heads, or the state, say of the keys.
        let check = [
            &["audit", "prove", &proof, "--check", "--checkpoint", heads][..],
            &vkey,
        ]
        .concat();
        let checked = home.json(&check);
        assert_eq!(
            (&checked["signed_by"], &checked["retired_at_record"]),
            (&Value::from(old), &changed["record"])
        );
    }
    assert!(
        home.run(&["audit", "prove", &proof, "--check", "--vkey", old])
            .status
            .success()
    );
    let alone = home.run(&["audit", "prove", &proof, "--check", "--vkey", &new]);
    assert!(
        !alone.status.success() && said(&alone).contains("not signed by the expected key"),
        "{}",
        said(&alone)
    );
    let told = said(&home.run(&["audit", "verify", "--vkey", old]));
    assert!(
        told.contains("the key given was retired") && told.contains(&new),
        "{told}"
    );
    let proof = home.write("new.json", &home.json(&["audit", "prove", "0"]));
    let checked = home.json(&["audit", "prove", &proof, "--check", "--vkey", old]);
    assert_eq!(
        (&checked["signed_by"], &checked["retired_at_record"]),
        (&Value::from(new), &Value::Null)
    );

    // The log of before, shown to one who holds what came after.
    let before = home.path("before").join("ledger");
    let rolled = [
        "audit",
        "verify",
        "--dir",
        before.to_str().unwrap(),
        "--vkey",
        old,
        "--checkpoint",
        heads,
    ];
    let done = home.run(&rolled);
    assert!(
        !done.status.success() && said(&done).contains("held elsewhere covers"),
        "{}",
        said(&done)
    );
    let done = home.run(&["key", "rotate", "--overlap-days", "3"]);
    assert_eq!(
        done.status.code(),
        Some(2),
        "of the log's key alone: {}",
        said(&done)
    );
}
