use proptest::prelude::*;

use super::*;

#[test]
fn the_three_shapes_are_read() {
    let cursor = br#"{"mcpServers":{"git_hub":{"command":"npx","args":["-y","server-github"],
        "env":{"GITHUB_TOKEN":"ghp_abcdef","LOG":"debug"},"cwd":"/tmp"}}}"#;
    let servers = parse(cursor).unwrap();
    assert_eq!(servers[0].name.as_str(), "git_hub");
    assert_eq!(
        servers[0].reach,
        ImportedReach::Stdio {
            command: vec!["npx".into(), "-y".into(), "server-github".into()],
            environment: BTreeMap::from([("LOG".into(), "debug".into())]),
            directory: Some("/tmp".into()),
        }
    );
    assert_eq!(servers[0].secrets["GITHUB_TOKEN"], "git_hub-github-token");
    assert!(
        !format!("{servers:?}").contains("ghp_abcdef"),
        "a secret must not be carried"
    );

    let code = br#"{
        // VS Code allows comments
        "servers": {"remote": {"type":"http","url":"https://h/mcp", /* and these */ "headers":{"X-Team":"a"},},
                     "old": {"type":"sse","url":"http://h/sse?x=//y"},},
    }"#;
    let servers = parse(code).unwrap();
    assert!(matches!(&servers[0].reach, ImportedReach::LegacySse { url, .. } if url == "http://h/sse?x=//y"));
    assert!(matches!(&servers[1].reach, ImportedReach::Http { headers, .. } if headers["X-Team"] == "a"));

    let nested = br#"{"mcp":{"servers":{"a":{"command":"x"}}}}"#;
    assert_eq!(parse(nested).unwrap().len(), 1);
}

#[test]
fn names_are_made_to_fit_and_never_merged() {
    let spaced = br#"{"mcpServers":{"My Server!":{"command":"x","disabled":true}}}"#;
    let servers = parse(spaced).unwrap();
    assert_eq!(servers[0].name.as_str(), "My-Server");
    assert!(servers[0].warnings.contains(&ImportWarning::Disabled));
    assert!(
        servers[0]
            .warnings
            .contains(&ImportWarning::Renamed("My Server!".into()))
    );
    let clash = br#"{"mcpServers":{"a b":{"command":"x"},"a.b":{"command":"y"}}}"#;
    assert!(matches!(parse(clash), Err(ImportFault::Twice(_))));
    let seam = br#"{"mcpServers":{"a__b":{"command":"x"}}}"#;
    assert_eq!(parse(seam).unwrap()[0].name.as_str(), "a--b");
}

#[test]
fn secrets_are_kept_apart_wherever_they_stand() {
    let file = br#"{"mcpServers":{"a":{"url":"https://h","headers":{"Authorization":"Bearer x","Key":"${input:k}"}},
        "b":{"command":"x","args":["--key","sk-12345"],"env":{"V":"0123456789abcdef0123456789abcdef","EMPTY_TOKEN":""}}}}"#;
    let servers = parse(file).unwrap();
    assert!(servers[0].secrets.contains_key("Authorization"));
    assert!(servers[0].warnings.contains(&ImportWarning::Placeholder {
        key: "Key".into(),
        store_as: "a-key".into(),
    }));
    assert!(servers[0].secrets.contains_key("Key"));
    assert!(servers[1].secrets.contains_key("V") && !servers[1].secrets.contains_key("EMPTY_TOKEN"));
    assert!(servers[1].warnings.contains(&ImportWarning::SecretInArguments(1)));
}

#[test]
fn what_a_client_would_fill_in_or_try_is_told_or_tried() {
    let file = br#"{"mcpServers":{"a":{"url":"https://h/sse?k=1"},"b":{"url":"https://h/sse","type":"http"},
        "c":{"command":"x","args":["-d","${workspaceFolder}"]}}}"#;
    let servers = parse(file).unwrap();
    assert!(matches!(servers[0].reach, ImportedReach::LegacySse { .. }));
    assert!(matches!(servers[1].reach, ImportedReach::Http { .. }));
    assert_eq!(servers[2].warnings, [ImportWarning::PlaceholderInArguments(1)]);
}

#[test]
fn secrets_in_commands_and_addresses_are_told() {
    let warned = |entry: &str| {
        let file = format!(r#"{{"mcpServers":{{"a":{entry}}}}}"#);
        parse(file.as_bytes()).unwrap()[0].warnings.clone()
    };
    let address = |what: &str| vec![ImportWarning::SecretInAddress(what.to_owned())];
    for (entry, warnings) in [
        (
            r#"{"command":"npx -y foo --key=sk-abc123"}"#,
            vec![ImportWarning::SecretInCommand],
        ),
        (
            r#"{"command":"npx -y foo --api-key=abc123def"}"#,
            vec![ImportWarning::SecretInCommand],
        ),
        (
            r#"{"command":"npx -y foo --token abc123def"}"#,
            vec![ImportWarning::SecretInCommand],
        ),
        (r#"{"command":"npx -y foo"}"#, Vec::new()),
        (
            r#"{"command":"x","args":["--token","abc"]}"#,
            vec![ImportWarning::SecretInArguments(1)],
        ),
        (
            r#"{"command":"x","args":["--token=abc"]}"#,
            vec![ImportWarning::SecretInArguments(0)],
        ),
        (
            r#"{"command":"x","args":["--max-tokens","4000","-v"]}"#,
            Vec::new(),
        ),
        (r#"{"url":"https://h/mcp?api_key=abc"}"#, address("`api_key`")),
        (r#"{"url":"https://h/mcp?v=1&KEY=abc#x"}"#, address("`KEY`")),
        (r#"{"url":"https://u:p@h/mcp"}"#, address("the part before `@`")),
        (r#"{"url":"https://h/@x:y/mcp?v=1"}"#, Vec::new()),
        (
            r#"{"command":"x","envFile":"${workspaceFolder}/.env"}"#,
            vec![ImportWarning::EnvFile("${workspaceFolder}/.env".to_owned())],
        ),
    ] {
        assert_eq!(warned(entry), warnings, "{entry}");
    }
}

#[test]
fn servers_of_projects_are_imported_and_clashes_told() {
    let file = br#"{"mcpServers":{"a":{"command":"x"}},"projects":{
        "/two":{"mcpServers":{"b":{"command":"z"}}},
        "/one":{"mcpServers":{"a":{"command":"x"},"b":{"command":"y"},"c":{"command":"c"}}},
        "/none":{"mcpServers":{}},"/other":{"history":[]}}}"#;
    let servers = parse(file).unwrap();
    let names: Vec<_> = servers.iter().map(|server| server.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(servers[0].warnings.is_empty(), "the same again is no clash");
    let project = |path: &str| ImportWarning::Project(path.to_owned());
    assert_eq!(
        servers[1].warnings,
        [project("/one"), ImportWarning::Clash("/two".to_owned())]
    );
    assert_eq!(servers[2].warnings, [project("/one")]);
    let alone = br#"{"projects":{"/one":{"mcpServers":{"a":{"command":"x"}}}}}"#;
    assert_eq!(parse(alone).unwrap().len(), 1);
    let none = br#"{"projects":{"/one":{"mcpServers":{}}}}"#;
    assert_eq!(parse(none), Err(ImportFault::Shape));
}

#[test]
fn what_is_no_such_file_is_refused() {
    assert!(matches!(parse(b"{"), Err(ImportFault::Json(_))));
    assert!(matches!(parse(b"\xff"), Err(ImportFault::Json(Code::JsonUtf8))));
    assert_eq!(parse(b"{}"), Err(ImportFault::Shape));
    assert_eq!(
        parse(br#"{"servers":{"a":{}}}"#),
        Err(ImportFault::Entry("a".into()))
    );
    assert_eq!(
        parse(br#"{"servers":{"a":{"command":"x","url":"y"}}}"#),
        Err(ImportFault::Entry("a".into()))
    );
    assert_eq!(
        parse(br#"{"servers":{"a":{"command":["x"]}}}"#),
        Err(ImportFault::Entry("a".into()))
    );
    assert!(matches!(
        parse(br#"{"servers":{"a":{"command":"x"},"a":{"command":"y"}}}"#),
        Err(ImportFault::Json(Code::JsonDuplicateKey))
    ));
}

proptest! {
    #[test]
    fn any_text_ends(text in any::<String>()) {
        let _ = parse(text.as_bytes());
    }
}
