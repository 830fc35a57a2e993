use std::collections::BTreeSet;

use bartizan_types::{
    Action, Actor, AgentId, AuthMethod, CallFacts, CallId, Issuer, KeyId, ModelName, Principal, ServerName,
    Surface, ToolName, UpstreamName, UserId,
};

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000 + seconds)
}

fn evidence(resource: Resource) -> Evidence {
    Evidence {
        now: at(0),
        principal: Principal {
            agent: AgentId::new("acme/mailer").unwrap(),
            user: Some(UserId::new("emma").unwrap()),
            act: vec![Actor {
                sub: "planner".to_owned(),
                iss: None,
                bounds: None,
                key: Some(KeyId::new("bzd:link").unwrap()),
            }],
            groups: BTreeSet::new(),
            scopes: BTreeSet::new(),
            issuer: Issuer::new("https://idp.example").unwrap(),
            credential: KeyId::new("jti-1").unwrap(),
            rests: BTreeSet::from([KeyId::new("bz_4kQx90Za").unwrap()]),
            method: AuthMethod::Jwt,
            root: None,
            anchor: None,
            expires: None,
        },
        session: SessionId::mint(at(0), 7),
        epoch: 0,
        call: CallFacts::new(CallId::mint(at(0), 1), Action::CallTool, resource, Surface::Mcp),
        findings: Vec::new(),
        answering: false,
        approved: None,
    }
}

fn tool() -> Evidence {
    evidence(Resource::Tool {
        server: ServerName::new("mail").unwrap(),
        tool: ToolName::new("send").unwrap(),
    })
}

fn model() -> Evidence {
    evidence(Resource::Model {
        model: ModelName::new("gpt").unwrap(),
        upstream: UpstreamName::new("openai").unwrap(),
    })
}

fn revoked(text: &str, until: Option<Timestamp>) -> Revocations {
    Revocations::new([Revocation {
        id: RevocationId::mint(at(0), 3),
        subject: Subject::parse(text).unwrap_or_else(|| panic!("{text}")),
        since: at(0),
        until,
        reason: "stolen".to_owned(),
        by: "uid 0".to_owned(),
    }])
}

#[test]
fn every_subject_ends_its_own_calls_and_no_other() {
    let session = SessionId::mint(at(0), 7).to_string();
    for (text, tools, models) in [
        ("everything".to_owned(), true, true),
        ("token:jti-1".to_owned(), true, true),
        ("credential:jti-1".to_owned(), true, true),
        ("token:bzd:link".to_owned(), true, true),
        ("key:bz_4kQx90Za".to_owned(), true, true),
        ("key:bz_4kQx90Zb".to_owned(), false, false),
        ("agent:acme/mailer".to_owned(), true, true),
        ("agent:planner".to_owned(), true, true),
        ("actor:planner".to_owned(), true, true),
        ("user:emma".to_owned(), true, true),
        ("tenant:acme".to_owned(), true, true),
        (format!("session:{}", session.to_lowercase()), true, true),
        ("tool:mail/send".to_owned(), true, false),
        ("server:mail".to_owned(), true, false),
        ("model:openai/gpt".to_owned(), false, true),
        ("model:openai/g*".to_owned(), false, true),
        ("model:openai/*".to_owned(), false, true),
        ("model:openai/gpt-*".to_owned(), false, false),
        ("tool:mail/*".to_owned(), true, false),
        ("tool:mail/r*".to_owned(), false, false),
        ("upstream:openai".to_owned(), false, true),
        ("agent:mailer".to_owned(), false, false),
        ("token:jti-2".to_owned(), false, false),
        ("tool:mail/read".to_owned(), false, false),
        ("model:openai/gpt-2".to_owned(), false, false),
        ("tenant:https://idp.example".to_owned(), false, false),
    ] {
        let revocations = revoked(&text, None);
        assert_eq!(revocations.bar(&tool()).is_some(), tools, "{text} and a tool");
        assert_eq!(revocations.bar(&model()).is_some(), models, "{text} and a model");
    }
}

#[test]
fn what_is_no_subject_is_none() {
    for text in [
        "",
        "agent",
        "agent:",
        "all",
        "tool:send",
        "model:gpt",
        "user:a b",
        "colour:red",
        "key:4kQx90",
        "key:jti-1",
        "certificate:ab",
        "certificate:svid.pem",
        "session:abc",
        "agent:*",
        "agent:acme/*",
        "agent-tool:*",
        "user:*",
        "actor:*",
        "tenant:*",
        "session:*",
        "server:*",
        "upstream:*",
        "peer:*",
        "token:*",
        "tool:*",
        "model:*",
        "tool:*/*",
        "tool:*/send",
        "model:*/gpt",
    ] {
        assert_eq!(Subject::parse(text), None, "{text}");
    }
}

#[test]
fn credentials_are_read_as_people_have_them_at_hand() {
    let named = |text: &str| match Subject::parse(text) {
        Some(Subject::Credential(name)) => name,
        other => panic!("{text}: {other:?}"),
    };
    let whole = format!("key:bz_4kQx90Za_{}_123456", "s".repeat(43));
    for text in ["key:bz_4kQx90Za", "key:4kQx90Za", &whole] {
        assert_eq!(named(text), "bz_4kQx90Za", "{text}");
    }
    let hex = "0f".repeat(32);
    let printed = vec!["0F"; 32].join(":");
    for text in [
        format!("certificate:{hex}"),
        format!("certificate:x509:{hex}"),
        format!("certificate:{printed}"),
    ] {
        assert_eq!(named(&text), format!("x509:{hex}"), "{text}");
    }
    assert_eq!(named("token:a:b"), "a:b");
}

#[test]
fn a_built_in_tool_of_an_agent_is_revoked_by_its_name() {
    let call = evidence(Resource::AgentTool {
        tool: ToolName::new("Bash").unwrap(),
    });
    assert!(revoked("agent-tool:Bash", None).bar(&call).is_some());
    assert!(revoked("agent-tool:Read", None).bar(&call).is_none());
    assert!(revoked("tool:x/Bash", None).bar(&call).is_none());
}

#[test]
fn a_revocation_ends_when_it_says() {
    let revocations = revoked("agent:acme/mailer", Some(at(10)));
    let mut call = tool();
    assert_eq!(revocations.bar(&call).unwrap().code, Code::Revoked);
    call.now = at(9);
    assert!(revocations.bar(&call).is_some());
    call.now = at(10);
    assert_eq!(revocations.bar(&call), None);
}
