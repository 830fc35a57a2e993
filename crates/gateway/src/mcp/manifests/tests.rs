use bartizan_flow::{Effect, Role};
use bartizan_types::Timestamp;

use super::*;
use crate::config::Reach;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn server(tools: BTreeMap<ToolName, ToolOverride>) -> config::Server {
    config::Server {
        name: ServerName::new("mail").unwrap(),
        reach: Reach::Stdio {
            command: vec!["mail-server".to_owned()],
            environment: BTreeMap::new(),
            directory: None,
        },
        timeout: std::time::Duration::from_secs(1),
        tools,
    }
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

const SEND: &str = r#"{"name":"send_email","inputSchema":{"type":"object","properties":{"to":{"type":"array"},"body":{"type":"string"}}}}"#;
const LIST: &str = r#"{"name":"list_emails","inputSchema":{"type":"object","properties":{}}}"#;

fn pinned() -> ServerPins {
    let mut pins = ServerPins::new(ServerName::new("mail").unwrap());
    pins.judge(PinKind::Tool, "send_email", &raw(SEND), NOW).unwrap();
    pins.judge(PinKind::Tool, "list_emails", &raw(LIST), NOW).unwrap();
    pins.judge(
        PinKind::Identity,
        "",
        &raw(r#"{"name":"mail","version":"1"}"#),
        NOW,
    )
    .unwrap();
    pins
}

fn of(manifests: &Manifests, tool: &str) -> Arc<Manifest> {
    manifests.of(&ServerName::new("mail").unwrap(), &ToolName::new(tool).unwrap())
}

#[test]
fn a_pinned_tool_has_what_it_says_of_itself_and_nothing_is_reviewed() {
    let manifests = Manifests::new(&[server(BTreeMap::new())]);
    assert_eq!(
        *of(&manifests, "send_email"),
        Manifest::unknown(),
        "before any pin"
    );
    manifests.refresh(&pinned());
    let send = of(&manifests, "send_email");
    assert_eq!(send.effect, Effect::Send);
    assert_eq!(send.role(&["to", "0"]), Role::Target);
    assert!(!send.reviewed);
    assert_eq!(*of(&manifests, "never_listed"), Manifest::unknown());
    let elsewhere = ServerName::new("other").unwrap();
    assert_eq!(
        *manifests.of(&elsewhere, &ToolName::new("send_email").unwrap()),
        Manifest::unknown()
    );
}

#[test]
fn a_definition_that_drifted_is_unlabelled_until_it_is_approved() {
    let manifests = Manifests::new(&[server(BTreeMap::new())]);
    let mut pins = pinned();
    let changed = SEND.replace("\"body\"", "\"text\"");
    pins.judge(PinKind::Tool, "send_email", &raw(&changed), NOW)
        .unwrap();
    manifests.refresh(&pins);
    assert_eq!(*of(&manifests, "send_email"), Manifest::unknown());
    assert_eq!(
        of(&manifests, "list_emails").effect,
        Effect::Read,
        "its neighbour stays"
    );
    let digest = pins
        .pin(PinKind::Tool, "send_email")
        .unwrap()
        .waiting
        .clone()
        .unwrap()
        .digest;
    pins.approve(PinKind::Tool, "send_email", digest, "uid 0", NOW)
        .unwrap();
    manifests.refresh(&pins);
    assert_eq!(of(&manifests, "send_email").role(&["text"]), Role::Content);
}

#[test]
fn a_server_that_says_it_is_another_one_has_no_labels() {
    for kind in [PinKind::Identity, PinKind::Package] {
        let manifests = Manifests::new(&[server(BTreeMap::new())]);
        let mut pins = pinned();
        pins.judge(kind, "", &raw(r#"{"name":"mail","version":"1"}"#), NOW)
            .unwrap();
        pins.judge(kind, "", &raw(r#"{"name":"mail","version":"2"}"#), NOW)
            .unwrap();
        manifests.refresh(&pins);
        assert_eq!(*of(&manifests, "list_emails"), Manifest::unknown());
    }
}

#[test]
fn a_definition_that_is_not_the_pinned_one_is_unknown() {
    let manifests = Manifests::new(&[server(BTreeMap::new())]);
    let pins = pinned();
    manifests.refresh(&pins);
    let (server, tool) = (
        ServerName::new("mail").unwrap(),
        ToolName::new("send_email").unwrap(),
    );
    let held = pins.pin(PinKind::Tool, "send_email").unwrap().held.digest;
    assert_eq!(manifests.of_definition(&server, &tool, held).effect, Effect::Send);
    assert_eq!(
        *manifests.of_definition(&server, &tool, Digest([0; 32])),
        Manifest::unknown()
    );
}

#[test]
fn the_operators_lines_hold_before_inferred_ones_and_cover_what_lies_below() {
    let own = ToolOverride {
        effect: Some(Effect::Write),
        arguments: vec![(PathPattern::new("to"), Role::Value)],
        ..ToolOverride::default()
    };
    let tools = BTreeMap::from([(ToolName::new("send_email").unwrap(), own)]);
    let manifests = Manifests::new(&[server(tools)]);
    manifests.refresh(&pinned());
    let send = of(&manifests, "send_email");
    assert_eq!(send.effect, Effect::Write);
    assert_eq!(send.role(&["to", "0"]), Role::Value);
    assert_eq!(
        send.role(&["body"]),
        Role::Content,
        "what has no line is inferred"
    );
    assert!(!send.reviewed, "lines alone are no review");
}

#[test]
fn a_table_is_swapped_whole() {
    let manifests = Manifests::new(&[server(BTreeMap::new())]);
    manifests.refresh(&pinned());
    let before = of(&manifests, "send_email");
    manifests.forget(&ServerName::new("mail").unwrap());
    assert_eq!(*of(&manifests, "send_email"), Manifest::unknown());
    assert_eq!(
        before.effect,
        Effect::Send,
        "a call that is being ruled on keeps what it had"
    );
}
