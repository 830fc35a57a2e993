//! The command as a person and a script meet it: streams, exit codes, files. Each test has its own home.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

#[path = "command/wrapped.rs"]
mod wrapped;

/// A home of its own, gone at the end.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.0.path())
            .env("BARTIZAN_STATE", self.state());
        command.stdin(Stdio::null()).current_dir("/");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs to exit 0 and reads the JSON answer.
    fn json(&self, arguments: &[&str]) -> Value {
        let done = self.run(&[arguments, &["--json"]].concat());
        assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn fed(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn code(done: &Output) -> i32 {
    done.status.code().unwrap()
}

/// A gateway of its own; stopped when dropped.
struct Up {
    child: Child,
    said: Value,
}

impl Up {
    fn start(home: &Home, arguments: &[&str]) -> Self {
        Self::with(home, arguments, &[])
    }

    fn with(home: &Home, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = fs::File::create(home.0.path().join("up.log")).unwrap();
        let mut command = home.command(&[&["up", "--json", "--listen", "127.0.0.1:0"], arguments].concat());
        let mut child = command
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("{}", fs::read_to_string(home.0.path().join("up.log")).unwrap()));
        Self { child, said }
    }

    fn stop(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Already gone is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_start_says_what_is_not_used_and_what_is_missing() {
    let home = Home::new();
    let config = home.file(
        "bartizan.toml",
        r#"
[[upstream]]
name = "team"
api = "openai"
url = "https://models.example"

[[server]]
name = "far"
url = "https://far.example/mcp"
oauth = { client_id = "us", client_secret = "secret:far-client" }

[approvals.webhook]
url = "https://asks.example"
key = "secret:asks"
"#,
    );
    let arguments = ["--config", config.to_str().unwrap()];
    let environment = [
        ("OPENAI_API_KEY", "sk-planted-Qq8"),
        ("ANTHROPIC_API_KEY", "bz_ours"),
    ];
    let up = Up::with(&home, &arguments, &environment);
    let told = up.said["warnings"].to_string();
    for said in [
        "OPENAI_API_KEY is not used, since the configuration names the upstreams: `team` uses the secret `team`",
        "the server `far` wants the secret `far-client`: `bartizan secret set far-client`",
        "the webhook `approvals.webhook` wants the secret `asks`: `bartizan secret set asks`",
        "the upstream `team` wants the secret `team`: `bartizan secret set team`",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    assert!(!told.contains("ANTHROPIC_API_KEY"), "{told}");
    assert_eq!(
        home.json(&["secret", "list"])["secrets"],
        Value::Array(Vec::new())
    );
    drop(up);
    planted(&home, &["sk-planted-Qq8"]);
}

#[test]
fn the_first_start_needs_no_file_and_shows_the_key_once() {
    let home = Home::new();
    let up = Up::with(&home, &[], &[("OPENAI_API_KEY", "sk-planted-Qq7")]);
    let key = up.said["agent_key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("bz_"));
    assert_eq!(up.said["state"], home.state().to_str().unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.state()), 0o700);
    assert_eq!(mode(&home.state().join("admin.sock")), 0o600);
    let status = home.json(&["status"]);
    assert_eq!(
        (&status["running"], &status["listen"]),
        (&Value::Bool(true), &up.said["listen"])
    );
    assert_eq!(home.json(&["secret", "list"])["secrets"][0]["name"], "openai");
    assert_eq!(up.stop(), 0);
    assert!(!home.state().join("admin.sock").exists());
    assert_eq!(home.json(&["status"])["running"], false);
    let again = Up::start(&home, &[]);
    assert!(again.said.get("agent_key").is_none(), "the key was shown twice");
    drop(again);
    planted(&home, &[&key, "sk-planted-Qq7"]);
}

/// No file of the state and the log holds any of these.
fn planted(home: &Home, secrets: &[&str]) {
    let mut open = vec![home.0.path().to_owned()];
    let mut seen = 0;
    while let Some(place) = open.pop() {
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.is_file() {
                let bytes = fs::read(&path).unwrap();
                seen += 1;
                for secret in secrets {
                    let found = bytes
                        .windows(secret.len())
                        .any(|window| window == secret.as_bytes());
                    assert!(!found, "{} holds a secret", path.display());
                }
            }
        }
    }
    assert!(seen > 5, "nothing was looked at");
}

#[test]
fn verbs_answer_the_same_with_and_without_a_gateway() {
    let home = Home::new();
    let made = home.json(&["agent", "add", "bob", "--group", "ops", "--expires-days", "30"]);
    let at_rest = home.json(&["agent", "list"]);
    let up = Up::start(&home, &[]);
    assert!(up.said.get("agent_key").is_none(), "an agent is there already");
    assert_eq!(home.json(&["agent", "list"]), at_rest);
    let prefix = made["prefix"].as_str().unwrap();
    assert_eq!(home.json(&["agent", "revoke", prefix])["revoked"][0], prefix);
    assert_eq!(code(&home.run(&["agent", "revoke", prefix])), 6);
    assert_eq!(home.json(&["agent", "list"])["keys"][0]["state"], "revoked");
    let operations = home.json(&["audit", "search", "--kind", "operation"]);
    assert_eq!(operations["records"].as_array().unwrap().len(), 2);
    assert_eq!(up.stop(), 0);
    planted(&home, &[made["key"].as_str().unwrap()]);
}

#[test]
fn secrets_come_from_standard_input_and_never_come_back() {
    let home = Home::new();
    assert_eq!(code(&home.fed(&["secret", "set", "tok"], "planted-Aa1\n")), 0);
    assert_eq!(
        code(&home.fed(&["secret", "set", "tok"], "planted-Bb2")),
        1,
        "set must not replace"
    );
    assert_eq!(code(&home.fed(&["secret", "rotate", "tok"], "planted-Cc3")), 0);
    assert_eq!(code(&home.fed(&["secret", "rotate", "other"], "planted-Dd4")), 6);
    assert_eq!(code(&home.fed(&["secret", "set", "empty"], "\n")), 2);
    for arguments in [
        &["secret", "list"][..],
        &["audit", "search"],
        &["audit", "export"],
        &["status"],
        &["-vv", "secret", "list"],
    ] {
        for json in [&[][..], &["--json"]] {
            let done = home.run(&[arguments, json].concat());
            let all = text(&done.stdout) + &text(&done.stderr);
            assert!(!all.contains("planted-"), "{arguments:?} shows a secret: {all}");
        }
    }
    assert_eq!(code(&home.run(&["secret", "rm", "tok"])), 0);
    planted(
        &home,
        &["planted-Aa1", "planted-Bb2", "planted-Cc3", "planted-Dd4"],
    );
}

#[test]
fn a_broken_policy_keeps_the_old_one_and_alarms() {
    let home = Home::new();
    let rule = "@id(\"a\") forbid (principal, action == Bartizan::Action::\"sample\", resource);";
    let policy = home.file("p/a.cedar", rule);
    let config = home.file("c.toml", "[policy]\nfiles = [\"p/*.cedar\"]\n");
    let up = Up::start(&home, &["--config", config.to_str().unwrap()]);
    let before = home.json(&["policy", "show"])["digest"].clone();
    fs::write(&policy, "forbid (principal, act").unwrap();
    assert_eq!(code(&home.run(&["policy", "reload"])), 3);
    assert_eq!(home.json(&["policy", "show"])["digest"], before);
    let alarms = home.json(&["status"])["alarms"].clone();
    assert!(
        alarms[0].as_str().unwrap().contains("the policy in force stays"),
        "{alarms}"
    );
    fs::write(&policy, rule.replace("sample", "elicit")).unwrap();
    // The watcher takes it without being asked.
    let deadline = Instant::now() + Duration::from_secs(10);
    while home.json(&["policy", "show"])["digest"] == before {
        assert!(Instant::now() < deadline, "the change was not taken");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(home.json(&["status"])["alarms"], Value::Array(Vec::new()));
    assert_eq!(up.stop(), 0);
}

#[test]
fn the_log_verifies_until_a_byte_of_it_changes() {
    let home = Home::new();
    for name in ["a", "b", "c"] {
        home.json(&["agent", "add", name]);
    }
    let head = home.0.path().join("head");
    home.json(&["audit", "witness", "--out", head.to_str().unwrap()]);
    home.json(&["agent", "add", "d"]);
    assert_eq!(home.json(&["audit", "verify"])["verdict"], "self_consistent_only");
    let held = ["audit", "verify", "--checkpoint", head.to_str().unwrap()];
    assert_eq!(home.json(&held)["verdict"], "consistent");
    // A file of heads that was emptied compares nothing, and that is no success.
    for emptied in ["", "\n"] {
        let empty = home.file("empty", emptied);
        for more in [None, head.to_str()] {
            let named = [
                Some("audit"),
                Some("verify"),
                Some("--checkpoint"),
                empty.to_str(),
            ];
            let also = more.into_iter().flat_map(|head| ["--checkpoint", head]);
            let arguments: Vec<&str> = named.into_iter().flatten().chain(also).collect();
            assert_eq!(code(&home.run(&arguments)), 1, "{arguments:?} {emptied:?}");
        }
    }
    let proof = home.json(&["audit", "prove", "1"]);
    let file = home.file("proof.json", &proof.to_string());
    let check = ["audit", "prove", file.to_str().unwrap(), "--check"];
    assert_eq!(home.json(&check)["index"], 1);
    let mut forged = proof.clone();
    forged["index"] = 2.into();
    fs::write(&file, forged.to_string()).unwrap();
    assert_eq!(code(&home.run(&check)), 1);
    let segment = home.state().join("ledger/wal/00000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last / 2] ^= 1;
    fs::write(&segment, bytes).unwrap();
    assert_eq!(code(&home.run(&held)), 1);
}

#[test]
fn a_backup_taken_while_serving_restores() {
    let home = Home::new();
    let up = Up::start(&home, &[]);
    home.json(&["agent", "add", "kept"]);
    let out = home.0.path().join("backup");
    let bare = home.0.path().join("bare");
    assert_eq!(home.json(&["backup", bare.to_str().unwrap()])["with_key"], false);
    let whole = home.json(&["backup", "--with-key", out.to_str().unwrap()]);
    assert_eq!(whole["with_key"], true);
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        code(&home.run(&["backup", out.to_str().unwrap()])),
        7,
        "a backup must not be written over"
    );
    home.json(&["agent", "add", "late"]);
    assert_eq!(up.stop(), 0);
    assert_eq!(
        code(&home.run(&["restore", out.to_str().unwrap()])),
        1,
        "state must not be written over"
    );
    fs::remove_dir_all(home.state()).unwrap();
    home.json(&["restore", out.to_str().unwrap()]);
    let keys = home.json(&["agent", "list"]);
    let agents: Vec<_> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["agent"].as_str().unwrap())
        .collect();
    assert_eq!(agents, ["kept", "local"]);
    assert_eq!(home.json(&["audit", "verify"])["fault_count"], 0);
}

#[test]
fn the_demo_tells_its_story_in_order_within_ten_seconds() {
    let home = Home::new();
    let began = Instant::now();
    let done = home
        .command(&["up", "--demo", "--json"])
        .env_remove("BARTIZAN_STATE")
        .output()
        .unwrap();
    assert_eq!(code(&done), 0, "{}", text(&done.stderr));
    assert!(began.elapsed() < Duration::from_secs(10));
    let lines: Vec<Value> = text(&done.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let steps: Vec<_> = lines.iter().map(|line| line["step"].as_str().unwrap()).collect();
    assert_eq!(
        steps,
        [
            "connect",
            "task",
            "mail_read",
            "hijacked",
            "denied",
            "why",
            "proof"
        ]
    );
    assert_eq!(lines[3]["detail"]["call"], "payments_send");
    let why = &lines[5]["detail"]["records"][0]["record"];
    assert_eq!(
        (&why["ruling"], &why["because"]["policies"][0]["id"]),
        (&"deny".into(), &"balanced.hijack".into())
    );
    assert_eq!(why["call"], lines[4]["detail"]["call"]);
}

#[test]
fn every_kind_of_failure_has_its_exit_code() {
    let home = Home::new();
    let wrong = home.file("wrong.toml", "[lissten]\n");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["no-such-verb"], 2, "unrecognized"),
        (&["audit", "search", "--since", "yesterday"], 4, "state"),
        (&["status"], 4, "`bartizan up` makes it"),
        (
            &["config", "check", wrong.to_str().unwrap()],
            3,
            "did you mean `listen`?",
        ),
        (&["config", "check", "/no/such/file"], 3, "can't be read"),
        (
            &["up", "--listen", "0.0.0.0:0"],
            3,
            "is not loopback, so it needs TLS",
        ),
        (&["import", "/no/such/file"], 7, "reading"),
        (&["policy", "check", "/no/such.cedar"], 3, "can't be read"),
        (&["restore", "/no/such/backup"], 7, "reading"),
    ];
    for (arguments, exit, said) in cases {
        let done = home.run(arguments);
        let err = text(&done.stderr);
        assert_eq!(code(&done), *exit, "{arguments:?}: {err}");
        assert!(err.contains(said), "{arguments:?}: {err}");
        assert!(done.stdout.is_empty(), "{arguments:?} wrote an answer");
    }
    home.json(&["agent", "add", "a"]);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["audit", "search", "--since", "yesterday"], 2, "is no time"),
        (&["audit", "search", "--ruling", "maybe"], 2, "is no ruling"),
        (&["explain", "nonsense"], 2, "neither a call nor an index"),
        (&["explain", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], 6, "there is no call"),
        (&["audit", "show", "999"], 6, "there is no record 999"),
        (&["audit", "tail"], 5, "no gateway runs"),
        (&["policy", "reload"], 5, "no gateway runs"),
        (&["vault", "erase"], 5, "no gateway runs"),
        (&["identity", "bundle"], 6, "no root yet"),
        (&["audit", "search", "--limit", "0"], 2, "invalid value '0'"),
        (&["no-such-verb"], 2, "unrecognized subcommand"),
        (&["tools", "approve", "nobody"], 6, "nothing of that name"),
    ];
    for (arguments, exit, said) in cases {
        let done = home.run(&[arguments, &["--json"][..]].concat());
        let err: Value = serde_json::from_slice(&done.stderr).unwrap();
        assert_eq!(
            (code(&done), err["error"]["exit"].as_i64()),
            (*exit, Some(i64::from(*exit))),
            "{arguments:?}: {err}"
        );
        assert!(
            err["error"]["message"].as_str().unwrap().contains(said),
            "{arguments:?}: {err}"
        );
    }
}

#[test]
fn a_fault_in_a_file_has_its_place_for_programs_too() {
    let home = Home::new();
    let wrong = home.file("wrong.toml", "[listen]\naddress = 12\n");
    let done = home.run(&["config", "check", wrong.to_str().unwrap(), "--json"]);
    let err: Value = serde_json::from_slice(&done.stderr).unwrap();
    assert_eq!(
        err["error"]["places"],
        serde_json::json!([{ "file": wrong.to_str().unwrap(), "line": 2, "column": 11 }]),
        "{err}"
    );
}

#[test]
fn records_of_a_day_are_found_by_its_date() {
    let home = Home::new();
    home.json(&["agent", "add", "a"]);
    let count = |arguments: &[&str]| {
        let found = home.json(&[&["audit", "search"], arguments].concat());
        found["records"].as_array().unwrap().len()
    };
    assert!(count(&["--since", "2020-01-01"]) > 0);
    assert_eq!(count(&["--until", "2020-01-01"]), 0);
    assert_eq!(
        count(&["--since", "2020-01-01", "--until", "2020-01-01T12:00:00Z"]),
        0
    );
    assert!(count(&["--since", "1d", "--until", "0s"]) > 0);
}

#[test]
fn a_backup_without_the_key_that_was_asked_for_is_refused() {
    let home = Home::new();
    let out = home.0.path().join("backup");
    let key = "11".repeat(32);
    let run = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("BARTIZAN_MASTER_KEY", &key).output().unwrap()
    };
    assert_eq!(code(&run(&["agent", "add", "a"])), 0);
    let done = run(&["backup", "--with-key", out.to_str().unwrap()]);
    assert_eq!(code(&done), 1, "{}", text(&done.stderr));
    assert!(!out.exists());
    assert_eq!(code(&run(&["backup", out.to_str().unwrap()])), 0);
}

#[test]
fn state_that_others_can_read_is_refused() {
    let home = Home::new();
    home.json(&["agent", "add", "a"]);
    fs::set_permissions(home.state(), fs::Permissions::from_mode(0o755)).unwrap();
    let done = home.run(&["agent", "list"]);
    assert_eq!(code(&done), 4);
    assert!(text(&done.stderr).contains("chmod 700"), "{}", text(&done.stderr));
}

#[test]
fn import_writes_a_file_that_checks_and_keeps_secrets_out() {
    let home = Home::new();
    let source = r#"{"mcpServers": {
        "files": {"command": "npx", "args": ["-y", "server"], "env": {"API_KEY": "sk-planted-Zz9", "LEVEL": "warn"}},
        "far": {"type": "sse", "url": "https://mcp.example.org/sse"}}}"#;
    let from = home.file("mcp.json", source);
    let out = home.0.path().join("out.toml");
    let done = home.run(&["import", from.to_str().unwrap(), "--write", out.to_str().unwrap()]);
    assert_eq!(code(&done), 0, "{}", text(&done.stderr));
    assert_eq!(fs::read_to_string(&from).unwrap(), source);
    let written = fs::read_to_string(&out).unwrap();
    assert!(
        written.contains("\"secret:") && !written.contains("planted"),
        "{written}"
    );
    assert!(!text(&done.stderr).contains("planted") && !text(&done.stdout).contains("planted"));
    assert_eq!(code(&home.run(&["config", "check", out.to_str().unwrap()])), 0);
    assert_eq!(
        code(&home.run(&["import", from.to_str().unwrap(), "--write", out.to_str().unwrap()])),
        7
    );
}

#[test]
fn the_tail_shows_what_happens() {
    let home = Home::new();
    let up = Up::start(&home, &[]);
    let mut tail = home
        .command(&["audit", "tail", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    home.json(&["agent", "add", "seen"]);
    let mut line = String::new();
    BufReader::new(tail.stdout.take().unwrap().take(1 << 20))
        .read_line(&mut line)
        .unwrap();
    let stored: Value = serde_json::from_str(&line).unwrap();
    assert!(
        stored["record"]["note"]
            .as_str()
            .unwrap()
            .contains("agent `seen` got key"),
        "{stored}"
    );
    tail.kill().unwrap();
    tail.wait().unwrap();
    assert_eq!(up.stop(), 0);
}

#[test]
fn a_scan_answers_no_to_anything_but_clean() {
    let home = Home::new();
    let good = home.file("models/good.pkl", "N.");
    let evil = home.file("models/evil.pkl", "cos\nsystem\n(S'true'\ntR.");
    let scan = |arguments: &[&str]| home.command(arguments).output().unwrap();
    let folder = good.parent().unwrap().to_str().unwrap();
    assert_eq!(
        scan(&["scan", "model", good.to_str().unwrap()]).status.code(),
        Some(0)
    );
    let answer = scan(&["scan", "model", folder, "--json"]);
    assert_eq!(answer.status.code(), Some(1));
    let value: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(value["verdict"], "malicious");
    assert_eq!(value["files"][0]["findings"][0]["subject"], "os.system");
    let text = String::from_utf8(scan(&["scan", "model", folder]).stdout).unwrap();
    assert!(
        text.contains("os.system('true')") && text.contains("1 malicious"),
        "{text}"
    );
    assert_eq!(scan(&["scan", "model", "/nowhere/x.pkl"]).status.code(), Some(7));
    // A baseline covers what is known; a suppression that has ended covers nothing.
    let known = home.file("known.json", "");
    let written = scan(&[
        "scan",
        "model",
        folder,
        "--write-baseline",
        known.to_str().unwrap(),
    ]);
    assert_eq!(written.status.code(), Some(1));
    let covered = scan(&["scan", "model", folder, "--baseline", known.to_str().unwrap()]);
    assert_eq!(covered.status.code(), Some(0));
    let ended = "[[suppress]]\nrule = \"pickle/dangerous-import\"\nreason = \"a sample for tests\"\nuntil = \"2020-01-01\"\n";
    let ended = home.file("ended.toml", ended);
    let answer = scan(&[
        "scan",
        "model",
        evil.to_str().unwrap(),
        "--suppress",
        ended.to_str().unwrap(),
    ]);
    assert_eq!(answer.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&answer.stderr).contains("ended on 2020-01-01"));
    assert!(
        home.state().exists(),
        "with a state directory, scans are records there"
    );
    // Without one, nothing is kept anywhere.
    std::fs::remove_dir_all(home.state()).unwrap();
    let before = std::fs::read_dir(home.0.path()).unwrap().count();
    let mut alone = home.command(&["scan", "model", good.to_str().unwrap()]);
    assert_eq!(
        alone.env_remove("BARTIZAN_STATE").status().unwrap().code(),
        Some(0)
    );
    assert_eq!(std::fs::read_dir(home.0.path()).unwrap().count(), before);
}
