use bartizan_flow::{Effect, Role};
use bartizan_store::StateDir;
use bartizan_types::Secret;

use super::{accepted::digest, *};
use crate::config::Reach;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const BY: (&str, Timestamp) = ("uid 0", NOW);

struct World {
    _place: tempfile::TempDir,
    state: State,
}

impl World {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let state = State::open(&StateDir::open(&place.path().join("state")).unwrap()).unwrap();
        Self { _place: place, state }
    }
    fn manifests(&self, server: config::Server) -> Manifests {
        self.signed(server, [7; 32])
    }
    fn signed(&self, server: config::Server, seed: [u8; 32]) -> Manifests {
        Manifests::new(&[server], &self.state, Signer::new(&Secret::new(seed)))
    }
}

fn server(tools: BTreeMap<ToolName, ToolOverride>) -> config::Server {
    config::Server {
        name: mail(),
        reach: Reach::Stdio {
            command: vec!["mail-server".to_owned()],
            environment: BTreeMap::new(),
            directory: None,
            grants: crate::config::Grants::default(),
        },
        timeout: std::time::Duration::from_secs(1),
        spiffe_id: None,
        oauth: Default::default(),
        sign: None,
        tools,
    }
}

fn plain() -> config::Server {
    server(BTreeMap::new())
}

fn mail() -> ServerName {
    ServerName::new("mail").unwrap()
}

fn tool(name: &str) -> ToolName {
    ToolName::new(name).unwrap()
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

const SEND: &str = r#"{"name":"send_email","inputSchema":{"type":"object","properties":{"to":{"type":"array"},"body":{"type":"string"}}}}"#;
const LIST: &str = r#"{"name":"list_emails","inputSchema":{"type":"object","properties":{}}}"#;

fn pinned() -> ServerPins {
    let mut pins = ServerPins::new(mail());
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

fn of(manifests: &Manifests, name: &str) -> Arc<Manifest> {
    manifests.of(&mail(), &tool(name))
}

fn standing(manifests: &Manifests, name: &str) -> Standing {
    manifests.find(&mail(), &tool(name)).unwrap().standing
}

/// What an operator sees of every tool.
fn looked(manifests: &Manifests, pins: &ServerPins) -> Vec<Looked> {
    manifests
        .explain(pins)
        .iter()
        .map(|one| Looked {
            tool: one.tool.clone(),
            definition: one.definition,
            manifest: digest(&one.manifest),
        })
        .collect()
}

/// A gateway whose operator accepted everything.
fn reviewed(world: &World) -> (Manifests, ServerPins) {
    let (manifests, pins) = (world.manifests(plain()), pinned());
    manifests.refresh(&pins);
    manifests
        .accept(&world.state, &pins, &looked(&manifests, &pins), BY)
        .unwrap();
    (manifests, pins)
}

#[test]
fn a_pinned_tool_has_what_it_says_of_itself_and_nothing_is_reviewed() {
    let world = World::new();
    let manifests = world.manifests(plain());
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
        *manifests.of(&elsewhere, &tool("send_email")),
        Manifest::unknown()
    );
}

#[test]
fn a_definition_that_drifted_is_unlabelled_until_it_is_approved() {
    let world = World::new();
    let (manifests, mut pins) = reviewed(&world);
    assert!(of(&manifests, "send_email").reviewed);
    let changed = SEND.replace("\"body\"", "\"text\"");
    pins.judge(PinKind::Tool, "send_email", &raw(&changed), NOW)
        .unwrap();
    manifests.refresh(&pins);
    assert_eq!(*of(&manifests, "send_email"), Manifest::unknown());
    assert!(of(&manifests, "list_emails").reviewed, "its neighbour stays");
    let all = looked(&manifests, &pins);
    let refused = manifests.accept(&world.state, &pins, &all, BY);
    assert_eq!(
        refused,
        Err(ReviewFault::Drifted(tool("send_email"))),
        "the change is looked at first"
    );
    let waiting = pins
        .pin(PinKind::Tool, "send_email")
        .unwrap()
        .waiting
        .clone()
        .unwrap();
    pins.approve(PinKind::Tool, "send_email", waiting.digest, "uid 0", NOW)
        .unwrap();
    manifests.refresh(&pins);
    let send = of(&manifests, "send_email");
    assert_eq!(send.role(&["text"]), Role::Content);
    assert!(!send.reviewed, "what was accepted was another definition");
}

#[test]
fn a_server_that_says_it_is_another_one_has_no_labels() {
    let world = World::new();
    for kind in [PinKind::Identity, PinKind::Package] {
        let (manifests, mut pins) = reviewed(&world);
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
    let world = World::new();
    let (manifests, pins) = reviewed(&world);
    let held = pins.pin(PinKind::Tool, "send_email").unwrap().held.digest;
    let (server, tool) = (mail(), tool("send_email"));
    assert_eq!(manifests.of_definition(&server, &tool, held).effect, Effect::Send);
    assert_eq!(
        *manifests.of_definition(&server, &tool, Digest([0; 32])),
        Manifest::unknown()
    );
}

#[test]
fn the_operators_lines_hold_before_inferred_ones_and_cover_what_lies_below() {
    let world = World::new();
    let own = ToolOverride {
        effect: Some(Effect::Write),
        arguments: vec![(PathPattern::new("to"), Role::Value)],
        ..ToolOverride::default()
    };
    let manifests = world.manifests(server(BTreeMap::from([(tool("send_email"), own)])));
    let pins = pinned();
    manifests.refresh(&pins);
    let send = of(&manifests, "send_email");
    assert_eq!(send.effect, Effect::Write);
    assert_eq!(send.role(&["to", "0"]), Role::Value);
    assert_eq!(
        send.role(&["body"]),
        Role::Content,
        "what has no line is inferred"
    );
    assert!(!send.reviewed, "lines alone are no review");
    let explained = manifests.explain(&pins);
    let one = explained
        .iter()
        .find(|one| one.tool == tool("send_email"))
        .unwrap();
    assert_eq!(one.reasons.effect, Origin::Configured);
    assert_eq!(one.reasons.arguments.len(), one.manifest.arguments.len());
    assert_eq!(one.reasons.results.len(), one.manifest.results.len());
    assert_eq!(&one.reasons.arguments[..2], [Origin::Configured; 2]);
    assert!(!one.reasons.arguments[2..].contains(&Origin::Configured));
    // Accepting twice adds nothing twice.
    for _ in 0..2 {
        manifests
            .accept(&world.state, &pins, &looked(&manifests, &pins), BY)
            .unwrap();
    }
    let again = of(&manifests, "send_email");
    assert_eq!(
        (again.arguments.len(), again.reviewed),
        (send.arguments.len(), true)
    );
}

#[test]
fn an_operator_may_vouch_in_the_configuration() {
    let world = World::new();
    let own = ToolOverride {
        reviewed: true,
        ..ToolOverride::default()
    };
    let manifests = world.manifests(server(BTreeMap::from([(tool("list_emails"), own)])));
    let mut pins = pinned();
    manifests.refresh(&pins);
    assert!(of(&manifests, "list_emails").reviewed && !of(&manifests, "send_email").reviewed);
    pins.judge(
        PinKind::Tool,
        "list_emails",
        &raw(r#"{"name":"list_emails","title":"now"}"#),
        NOW,
    )
    .unwrap();
    manifests.refresh(&pins);
    assert_eq!(
        *of(&manifests, "list_emails"),
        Manifest::unknown(),
        "for the pinned definition alone"
    );
}

#[test]
fn a_table_is_swapped_whole() {
    let world = World::new();
    let (manifests, _) = reviewed(&world);
    let before = of(&manifests, "send_email");
    manifests.forget(&mail());
    assert_eq!(*of(&manifests, "send_email"), Manifest::unknown());
    assert_eq!(
        before.effect,
        Effect::Send,
        "a call that is being ruled on keeps what it had"
    );
}

#[test]
fn what_did_not_change_is_not_inferred_again() {
    let world = World::new();
    let (manifests, mut pins) = (world.manifests(plain()), pinned());
    manifests.refresh(&pins);
    let (list, send) = (of(&manifests, "list_emails"), of(&manifests, "send_email"));
    pins.judge(PinKind::Tool, "send_email", &raw(LIST), NOW).unwrap();
    manifests.refresh(&pins);
    assert!(Arc::ptr_eq(&list, &of(&manifests, "list_emails")));
    // Back to what it was: labelled as before, and no longer unknown.
    pins.judge(PinKind::Tool, "send_email", &raw(SEND), NOW).unwrap();
    manifests.refresh(&pins);
    assert_eq!(*of(&manifests, "send_email"), *send);
    // What an operator took back is not what she had accepted.
    let own = ToolOverride {
        reviewed: true,
        ..ToolOverride::default()
    };
    let own = server(BTreeMap::from([(tool("send_email"), own)]));
    let narrow = ToolOverride {
        effect: Some(Effect::Delete),
        ..ToolOverride::default()
    };
    let first = world.manifests(server(BTreeMap::from([(tool("send_email"), narrow)])));
    first.refresh(&pins);
    first
        .accept(&world.state, &pins, &looked(&first, &pins), BY)
        .unwrap();
    let manifests = world.manifests(own);
    manifests.refresh(&pins);
    assert_eq!(
        of(&manifests, "send_email").effect,
        Effect::Delete,
        "as it was accepted"
    );
    manifests
        .withdraw(&world.state, &pins, &[tool("send_email")])
        .unwrap();
    assert_eq!(of(&manifests, "send_email").effect, Effect::Send);
}

#[test]
fn a_review_outlives_a_restart_and_can_be_taken_back() {
    let world = World::new();
    let (manifests, pins) = reviewed(&world);
    let before = of(&manifests, "send_email");
    drop(manifests);
    let manifests = world.manifests(plain());
    manifests.refresh(&pins);
    assert_eq!(of(&manifests, "send_email"), before);
    assert!(manifests.alarms().is_empty());
    manifests
        .withdraw(&world.state, &pins, &[tool("send_email")])
        .unwrap();
    assert_eq!(standing(&manifests, "send_email"), Standing::Inferred);
    assert_eq!(standing(&manifests, "list_emails"), Standing::Reviewed);
    let manifests = world.manifests(plain());
    manifests.refresh(&pins);
    assert_eq!(standing(&manifests, "send_email"), Standing::Inferred);
}

#[test]
fn what_was_looked_at_is_what_is_accepted_or_nothing_is() {
    let world = World::new();
    let (manifests, pins) = (world.manifests(plain()), pinned());
    manifests.refresh(&pins);
    let good = looked(&manifests, &pins);
    let with = |change: fn(&mut Looked)| {
        let mut all = good.clone();
        change(&mut all[1]);
        manifests.accept(&world.state, &pins, &all, BY)
    };
    let moved = Err(ReviewFault::Moved(good[1].tool.clone()));
    assert_eq!(with(|one| one.definition = Digest([0; 32])), moved);
    assert_eq!(with(|one| one.manifest = Digest([0; 32])), moved);
    assert_eq!(
        with(|one| one.tool = tool("none")),
        Err(ReviewFault::NoTool(tool("none")))
    );
    assert_eq!(
        standing(&manifests, "list_emails"),
        Standing::Inferred,
        "not even the good one"
    );
    let mut elsewhere = pins.clone();
    elsewhere.server = ServerName::new("other").unwrap();
    let refused = manifests.accept(&world.state, &elsewhere, &good, BY);
    assert_eq!(refused, Err(ReviewFault::NoServer(elsewhere.server)));
}

/// Changes what is stored for `send_email`, restarts, and tells how it stands and what its manifest is.
fn after(
    world: &World,
    pins: &ServerPins,
    change: impl Fn(String) -> String,
) -> (Standing, Arc<Manifest>, usize) {
    let stored = world.state.manifests(&mail()).unwrap();
    let (_, body) = stored.iter().find(|(name, _)| name == "send_email").unwrap();
    let changed = change(String::from_utf8(body.clone()).unwrap());
    world
        .state
        .put_manifests(&mail(), &[("send_email", Some(changed.as_bytes()))])
        .unwrap();
    let manifests = world.manifests(plain());
    manifests.refresh(pins);
    let seen = (
        standing(&manifests, "send_email"),
        of(&manifests, "send_email"),
        manifests.alarms().len(),
    );
    world
        .state
        .put_manifests(&mail(), &[("send_email", Some(body))])
        .unwrap();
    seen
}

#[test]
fn a_stored_manifest_that_anybody_touched_is_refused_with_an_alarm() {
    let world = World::new();
    let (_, pins) = reviewed(&world);
    let intact = after(&world, &pins, |text| text);
    assert_eq!((intact.0, intact.2), (Standing::Reviewed, 0));
    let list = || {
        let stored = world.state.manifests(&mail()).unwrap();
        let other = stored
            .into_iter()
            .find(|(name, _)| name == "list_emails")
            .unwrap();
        String::from_utf8(other.1).unwrap()
    };
    let touched: [&dyn Fn(String) -> String; 5] = [
        &|text| text.replacen(r#"\"effect\":\"send\""#, r#"\"effect\":\"read\""#, 1),
        &|text| text.replacen("target", "content", 1),
        &|text| text.replacen("\"signature\":\"", "\"signature\":\"A", 1),
        &|text| text[..text.len() / 2].to_owned(),
        // The honest manifest of a milder neighbour.
        &|_| list(),
    ];
    for change in touched {
        let (standing, manifest, alarms) = after(&world, &pins, change);
        assert_eq!(standing, Standing::Tampered);
        assert_eq!(*manifest, Manifest::unknown());
        assert_eq!(alarms, 1);
    }
}

#[test]
fn a_manifest_signed_by_another_key_is_refused_until_reviewed_anew() {
    let world = World::new();
    let (_, pins) = reviewed(&world);
    let manifests = world.signed(plain(), [8; 32]);
    manifests.refresh(&pins);
    assert_eq!(standing(&manifests, "send_email"), Standing::Tampered);
    assert_eq!(manifests.alarms().len(), 2);
    manifests
        .accept(&world.state, &pins, &looked(&manifests, &pins), BY)
        .unwrap();
    assert_eq!(standing(&manifests, "send_email"), Standing::Reviewed);
    assert!(manifests.alarms().is_empty());
}

#[test]
fn a_review_of_one_server_does_not_hold_for_another_of_that_name() {
    let world = World::new();
    let (_, pins) = reviewed(&world);
    let mut other = plain();
    other.reach = Reach::Http {
        url: "https://mail.example/mcp".parse().unwrap(),
        headers: BTreeMap::new(),
    };
    let manifests = world.manifests(other);
    manifests.refresh(&pins);
    assert_eq!(
        standing(&manifests, "send_email"),
        Standing::Inferred,
        "another address"
    );
    let manifests = world.manifests(plain());
    let mut renamed = ServerPins::new(mail());
    renamed
        .judge(PinKind::Tool, "send_email", &raw(SEND), NOW)
        .unwrap();
    renamed
        .judge(
            PinKind::Identity,
            "",
            &raw(r#"{"name":"eve","version":"1"}"#),
            NOW,
        )
        .unwrap();
    manifests.refresh(&renamed);
    assert_eq!(
        standing(&manifests, "send_email"),
        Standing::Inferred,
        "another name of its own"
    );
}

#[test]
fn without_a_key_nothing_is_accepted() {
    let world = World::new();
    let (_, pins) = reviewed(&world);
    let manifests = Manifests::new(&[plain()], &world.state, None);
    manifests.refresh(&pins);
    assert_eq!(standing(&manifests, "send_email"), Standing::Inferred);
    let refused = manifests.accept(&world.state, &pins, &looked(&manifests, &pins), BY);
    assert!(matches!(refused, Err(ReviewFault::State(_))));
}
