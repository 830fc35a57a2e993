//! `bartizan wrap` on its pipes, and what of tools it finds.

use super::*;

/// An MCP client on the pipes of `wrap`, with the demo's server behind it.
struct Wrapped {
    child: Child,
    input: Option<std::process::ChildStdin>,
    lines: BufReader<std::process::ChildStdout>,
}

impl Wrapped {
    fn start(home: &Home) -> Self {
        let binary = env!("CARGO_BIN_EXE_bartizan");
        let mut child = home
            .command(&["wrap", "--name", "office", "--", binary, "demo-server"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, lines) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut wrapped = Self { child, input, lines };
        let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
        assert_eq!(
            wrapped.answer(hello, true)["result"]["protocolVersion"],
            "2025-11-25"
        );
        wrapped.answer(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, false);
        wrapped
    }

    fn answer(&mut self, message: &str, wants: bool) -> Value {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
        let mut line = String::new();
        if wants {
            self.lines.read_line(&mut line).unwrap();
        }
        serde_json::from_str(&line).unwrap_or_default()
    }

    fn tools(&mut self) -> Value {
        self.answer(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#, true)["result"]["tools"].clone()
    }

    fn end(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn wrap_carries_a_session_and_leaves_no_key_behind() {
    let home = Home::new();
    let mut wrapped = Wrapped::start(&home);
    let listed = wrapped.tools();
    assert_eq!(listed.as_array().map(Vec::len), Some(6), "{listed}");
    let read = r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"mail_read","arguments":{"id":"1"}}}"#;
    let said = wrapped.answer(read, true);
    assert_eq!(said["id"], "x");
    assert!(
        said["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("landlord"),
        "{said}"
    );
    wrapped.end();
    let keys = home.json(&["agent", "list"]);
    assert!(
        keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .all(|key| key["state"] == "revoked"),
        "{keys}"
    );
}

#[test]
fn tools_are_shown_with_reasons_and_reviewed_in_one_go() {
    let home = Home::new();
    let mut wrapped = Wrapped::start(&home);
    assert_eq!(wrapped.tools().as_array().map(Vec::len), Some(6));
    wrapped.end();
    let binary = env!("CARGO_BIN_EXE_bartizan");
    let config = format!("[[server]]\nname = \"office\"\ncommand = [\"{binary}\", \"demo-server\"]\n");
    let own = "[server.tools.mail_read]\neffect = \"fetch\"\narguments = { id = \"target\" }\n";
    let file = home.file("config.toml", &format!("{config}{own}"));
    let file = file.to_str().unwrap();
    let json = |arguments: &[&str]| home.json(&[&["--config", file], arguments].concat());
    let standing = |answer: &Value, word: &str| {
        let all = answer["manifests"].as_array().unwrap();
        all.iter().filter(|one| one["standing"] == word).count()
    };

    // At rest, with the reason for every line, and the configuration's own lines first.
    let shown = json(&["tools", "show"]);
    assert_eq!(standing(&shown, "inferred"), 6, "{shown}");
    let one = json(&["tools", "show", "office__mail_read"]);
    assert_eq!(one["manifests"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["definition"]["name"], "mail_read");
    let manifest = &one["manifests"][0];
    assert_eq!(manifest["effect"]["is"], "fetch");
    assert_eq!(manifest["effect"]["because"], "the configuration");
    assert_eq!(manifest["arguments"][0]["is"], "target");
    let text_of = text(&home.run(&["--config", file, "tools", "show", "office"]).stdout);
    assert!(
        text_of.contains("office__mail_send") && text_of.contains("a verb of its name"),
        "{text_of}"
    );
    let missing = home.run(&["--config", file, "tools", "show", "nobody__x"]);
    assert_eq!(code(&missing), 6);

    // Nobody's terminal: nothing is accepted without both flags, and a program is told what waits.
    assert_eq!(code(&home.run(&["--config", file, "tools", "review"])), 2);
    assert_eq!(
        code(&home.run(&["--config", file, "tools", "review", "--accept-all"])),
        2
    );
    let waiting = json(&["tools", "review"]);
    assert_eq!(waiting["waiting"].as_array().map(Vec::len), Some(6));
    assert_eq!(standing(&json(&["tools", "show"]), "reviewed"), 0);

    // Some, at rest.
    let some = json(&[
        "tools",
        "review",
        "--accept-all",
        "--yes",
        "--only",
        "office__mail_*",
    ]);
    let mails = some["accepted"].as_array().unwrap().len();
    assert!(mails > 0 && mails < 6, "{some}");

    // The rest, through the running gateway, which holds what was accepted before.
    let up = Up::start(&home, &["--config", file]);
    assert_eq!(standing(&json(&["tools", "show"]), "reviewed"), mails);
    json(&["tools", "review", "--accept-all", "--yes"]);
    assert_eq!(standing(&json(&["tools", "show"]), "reviewed"), 6);
    let gone = json(&[
        "tools",
        "review",
        "--withdraw",
        "--yes",
        "--only",
        "office__mail_read",
    ]);
    assert_eq!(gone["withdrawn"][0], "office__mail_read");
    assert_eq!(standing(&json(&["tools", "show"]), "reviewed"), 5);
    assert_eq!(up.stop(), 0);
    let notes = home.json(&["audit", "search", "--kind", "operation"]).to_string();
    assert!(
        notes.contains("manifests accepted of server `office`") && notes.contains("withdrawn"),
        "{notes}"
    );

    // Somebody who writes the state, without its key: refused, with an alarm in the status and in the log.
    let touch = || {
        let state =
            bartizan_store::State::open(&bartizan_store::StateDir::open(&home.state()).unwrap()).unwrap();
        let office = bartizan_types::ServerName::new("office").unwrap();
        let (_, kept) = state
            .manifests(&office)
            .unwrap()
            .into_iter()
            .find(|(tool, _)| tool == "mail_send")
            .unwrap();
        let milder = text(&kept).replacen(r#"\"target\""#, r#"\"content\""#, 1);
        assert_ne!(milder.as_bytes(), kept);
        state
            .put_manifests(&office, &[("mail_send", Some(milder.as_bytes()))])
            .unwrap();
    };
    touch();
    let up = Up::start(&home, &["--config", file]);
    let shown = json(&["tools", "show", "office__mail_send"]);
    assert_eq!(shown["manifests"][0]["standing"], "tampered");
    assert_eq!(shown["manifests"][0]["in_force"], false);
    let alarms = home.json(&["status"])["alarms"].to_string();
    assert!(
        alarms.contains("office/mail_send") && alarms.contains("refused"),
        "{alarms}"
    );
    let notes = home.json(&["audit", "search", "--kind", "operation"]).to_string();
    assert!(
        notes.contains("alarm: the accepted manifest of `office/mail_send`"),
        "{notes}"
    );
    json(&[
        "tools",
        "review",
        "--accept-all",
        "--yes",
        "--only",
        "office__mail_send",
    ]);
    assert_eq!(home.json(&["status"])["alarms"].as_array().map(Vec::len), Some(0));
    assert_eq!(up.stop(), 0);

    // Another program under that name is another server: nothing of it was reviewed.
    let other = config.replace("demo-server\"", "demo-server\", \"--else\"");
    let other = home.file("other.toml", &other);
    let shown = home.json(&["--config", other.to_str().unwrap(), "tools", "show"]);
    assert_eq!(standing(&shown, "reviewed"), 0, "{shown}");
}
