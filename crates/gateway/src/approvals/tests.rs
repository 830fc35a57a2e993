use bartizan_flow::{Intent, Manifest, Memory, assess};
use bartizan_guard::approval::Channel;
use bartizan_store::{Keyring, LedgerOptions, MasterKey, Purpose, State, StateDir, WrappingKey};
use bartizan_types::{
    Action, AgentId, AuthMethod, CallFacts, Issuer, KeyId, Resource, ServerName, SessionId, Surface,
    Timestamp, ToolName, flow::Joined,
};
use serde_json::{Value, json};

use super::*;

/// A place on disk that outlives what is opened on it.
struct Place {
    _temporary: tempfile::TempDir,
    directory: StateDir,
    state: Arc<State>,
    keyring: Keyring,
    ledger: Ledger,
}

impl Place {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDir::open(&temporary.path().join("state")).unwrap();
        let (master, _) = MasterKey::load(&directory).unwrap();
        let keyring = Keyring::open(&directory, &master).unwrap();
        let wrapping = WrappingKey::new(*keyring.derive(Purpose::Ledger).unwrap().expose());
        let options = LedgerOptions {
            segment_bytes: 1 << 20,
            ..LedgerOptions::default()
        };
        let (ledger, _) = Ledger::open(&directory.ledger_path(), wrapping, options).unwrap();
        Self {
            state: Arc::new(State::open(&directory).unwrap()),
            _temporary: temporary,
            directory,
            keyring,
            ledger,
        }
    }

    fn store(&self) -> ApprovalStore {
        ApprovalStore::open(Arc::clone(&self.state), &self.keyring).unwrap()
    }

    /// As after a restart: nothing in memory is kept.
    fn open(&self, settings: config::Approvals) -> Arc<Approvals> {
        Approvals::open(settings, self.store(), self.ledger.clone()).unwrap()
    }

    fn notes(&self) -> Vec<String> {
        // What is queued before it is written before it.
        let mark = Record::new(RecordKind::Lifecycle, clock::now());
        let pending = self.ledger.submit(&mark).unwrap();
        tokio::task::block_in_place(|| pending.wait()).unwrap();
        let all = self.ledger.records(0).map(Result::unwrap);
        all.filter_map(|stored| stored.record?.note).collect()
    }
}

fn principal() -> Principal {
    Principal {
        agent: AgentId::new("a").unwrap(),
        user: None,
        act: Vec::new(),
        groups: std::collections::BTreeSet::new(),
        scopes: BTreeSet::new(),
        issuer: Issuer::new("bartizan").unwrap(),
        credential: KeyId::new("k").unwrap(),
        rests: Default::default(),
        method: AuthMethod::ApiKey,
        root: None,
        anchor: None,
        expires: None,
    }
}

fn person(name: &str) -> Answerer {
    Answerer {
        name: name.to_owned(),
        channel: Channel::Admin,
    }
}

/// A call of `s/send` whose arguments nobody vouches for.
struct Sent {
    asker: Asker,
    call: CallFacts,
    arguments: Value,
    extra: Option<Value>,
    laden: bool,
    found: Assessment,
}

impl Sent {
    fn new(arguments: Value) -> Self {
        let now = Timestamp::from_unix_seconds(1_790_000_000);
        let (memory, manifest) = (Memory::new(), manifest());
        let intent = Intent::of(&memory, ["send"]);
        let found = assess(&memory, &intent, "send", &manifest, &arguments);
        let resource = Resource::Tool {
            server: ServerName::new("s").unwrap(),
            tool: ToolName::new("send").unwrap(),
        };
        let mut call = CallFacts::new(clock::mint(now), Action::CallTool, resource, Surface::Mcp);
        call.flow = Some(Box::new(found.flow(Joined::Alone)));
        Self {
            asker: Asker::new(&principal(), SessionId::mint(now, 1)),
            call,
            arguments,
            extra: None,
            laden: false,
            found,
        }
    }

    fn wire(&self) -> Wire<'_> {
        Wire {
            asker: &self.asker,
            call: &self.call,
            arguments: &self.arguments,
            outgoing: &self.arguments,
            extra: self.extra.as_ref(),
            laden: self.laden,
            found: &self.found,
        }
    }

    async fn ask(&self, approvals: &Approvals) -> Option<ApprovalId> {
        let needs = approvals.needs(Effect::Send);
        approvals
            .ask(
                &principal(),
                self.wire().draft(Vec::new(), needs, &Likes::default()).unwrap(),
            )
            .await
    }

    fn hold(&self, approvals: &Arc<Approvals>) -> Option<Held> {
        let id = approvals
            .book()
            .hold(clock::now(), self.wire().binding()?, &self.asker)?;
        Some(Held {
            approvals: Arc::clone(approvals),
            id,
        })
    }

    fn covered(&self, approvals: &Approvals) -> bool {
        let covered = self.wire().covered(&approvals.book(), clock::now());
        covered.get("to").copied().unwrap_or(false)
    }
}

fn manifest() -> Manifest {
    let mut manifest = Manifest::unknown();
    manifest.effect = Effect::Send;
    manifest.arguments = vec![
        (bartizan_flow::PathPattern::new("to"), bartizan_flow::Role::Target),
        (
            bartizan_flow::PathPattern::new("body"),
            bartizan_flow::Role::Content,
        ),
    ];
    manifest
}

const ONCE: Verdict = Verdict::Allow(Scope::Once);

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_outlives_a_restart_and_its_use_does_too() {
    let place = Place::new();
    let sent = Sent::new(json!({"to": "x@y.example", "body": "the secret is 4711"}));
    let first = place.open(config::Approvals::default());
    let id = sent.ask(&first).await.unwrap();
    drop(first);
    let second = place.open(config::Approvals::default());
    assert!(sent.hold(&second).is_none());
    second.answer(id, &ONCE, &person("uid 7")).await.unwrap();
    drop(second);
    let third = place.open(config::Approvals::default());
    let other = Sent::new(json!({"to": "z@y.example", "body": "the secret is 4711"}));
    assert!(other.hold(&third).is_none());
    // Given back where the call was not made, used up where it was.
    assert_eq!(sent.hold(&third).map(|held| held.id), Some(id));
    sent.hold(&third).unwrap().spend().await.unwrap();
    assert!(sent.hold(&third).is_none());
    drop(third);
    let fourth = place.open(config::Approvals::default());
    assert!(sent.hold(&fourth).is_none());
    assert!(fourth.questions().is_empty());

    let notes = place.notes();
    assert!(
        notes
            .iter()
            .any(|note| note.starts_with(&format!("approval {id} asked: `s/send` (send)"))),
        "{notes:?}"
    );
    assert!(
        notes.iter().any(
            |note| note.starts_with(&format!("approval {id} allowed once")) && note.ends_with("by uid 7")
        )
    );
    assert!(
        !notes
            .iter()
            .any(|note| note.contains("4711") || note.contains("x@y")),
        "values are not for records"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_put_back_makes_no_used_yes_good_again() {
    let place = Place::new();
    let sent = Sent::new(json!({"to": "x@y.example"}));
    let approvals = place.open(config::Approvals::default());
    let id = sent.ask(&approvals).await.unwrap();
    approvals.answer(id, &ONCE, &person("ann")).await.unwrap();
    let before = place.store().load().unwrap().rows;
    // The call is made: its ruling is recorded, the yes is used up.
    let mut ruling = Record::new(RecordKind::Ruling, clock::now());
    ruling.principal = Some(principal());
    ruling.session = Some(sent.asker.session);
    ruling.ruling = Some(RulingWord::Allow);
    ruling.approved = Some(id);
    place.ledger.append(&ruling).await.unwrap();
    sent.hold(&approvals).unwrap().spend().await.unwrap();
    drop(approvals);
    place.store().change(&before, &[]).unwrap();
    let again = place.open(config::Approvals::default());
    assert!(sent.hold(&again).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endorsement_that_somebody_wrote_is_refused_and_told_of() {
    let place = Place::new();
    let sent = Sent::new(json!({"to": "x@y.example", "body": "hi"}));
    let approvals = place.open(config::Approvals::default());
    let id = sent.ask(&approvals).await.unwrap();
    let until = clock::now().plus_micros(3_600_000_000);
    let verdict = Verdict::Allow(Scope::Until {
        roles: Vec::new(),
        until,
    });
    let Answered::Allowed(given) = approvals.answer(id, &verdict, &person("ann")).await.unwrap() else {
        panic!("not allowed");
    };
    assert!(sent.covered(&approvals));
    drop(approvals);
    let again = place.open(config::Approvals::default());
    assert!(sent.covered(&again), "it outlives a restart");
    drop(again);
    // Our own row under another name, and one that somebody without the key wrote.
    let row = place
        .store()
        .load()
        .unwrap()
        .rows
        .into_iter()
        .find(|(name, _)| name.starts_with("e/"))
        .unwrap();
    let moved = (format!("e/{}", clock::mint::<()>(clock::now())), row.1);
    place
        .store()
        .change(&[moved], &[endorsement_row(&given[0].id)])
        .unwrap();
    let last = place.open(config::Approvals::default());
    assert!(!sent.covered(&last));
    assert!(
        place
            .notes()
            .iter()
            .any(|note| note.contains("refused: it is not ours"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endorsement_covers_its_value_and_ends_when_revoked() {
    let place = Place::new();
    let approvals = place.open(config::Approvals::default());
    let sent = Sent::new(json!({"to": "x@y.example", "body": "hi"}));
    let id = sent.ask(&approvals).await.unwrap();
    let verdict = Verdict::Allow(Scope::Task { roles: Vec::new() });
    let Answered::Allowed(given) = approvals.answer(id, &verdict, &person("ann")).await.unwrap() else {
        panic!("not allowed");
    };
    let mut found = sent.found.clone();
    endorse(&sent.wire().covered(&approvals.book(), clock::now()), &mut found);
    assert_eq!(
        found.worst(bartizan_flow::Role::Target),
        bartizan_flow::Source::Endorsed
    );
    for other in [
        json!({"to": "x@y.example", "body": "the secret"}),
        json!({"to": "z@y.example", "body": "hi"}),
        json!({"to": ["x@y.example"], "body": "hi"}),
        json!({"to": "x@y.example", "body": "hi", "send": true}),
    ] {
        assert!(!Sent::new(other.clone()).covered(&approvals), "{other}");
    }
    assert!(approvals.revoke(given[0].id, &person("bob")).await.unwrap());
    assert!(!sent.covered(&approvals));
    assert!(!approvals.revoke(given[0].id, &person("bob")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_woken_by_the_answer_and_only_so_many_wait() {
    let place = Place::new();
    let approvals = place.open(config::Approvals {
        wait: Duration::from_secs(20),
        waiters: 1,
        ..config::Approvals::default()
    });
    let sent = Sent::new(json!({"to": "x@y.example"}));
    let id = sent.ask(&approvals).await.unwrap();
    let waiting = tokio::spawn({
        let approvals = Arc::clone(&approvals);
        async move { approvals.allowed(id).await }
    });
    while approvals.waiters.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(!approvals.allowed(id).await, "there is one place");
    approvals.answer(id, &ONCE, &person("ann")).await.unwrap();
    assert!(waiting.await.unwrap());
    let denied = Sent::new(json!({"to": "z@y.example"}));
    let id = denied.ask(&approvals).await.unwrap();
    approvals
        .answer(id, &Verdict::Deny, &person("ann"))
        .await
        .unwrap();
    assert!(!approvals.allowed(id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_questions_fills_neither_the_log_nor_the_store() {
    let place = Place::new();
    let approvals = place.open(config::Approvals::default());
    let mut asked = 0;
    for number in 0..300 {
        asked += usize::from(
            Sent::new(json!({"to": number.to_string()}))
                .ask(&approvals)
                .await
                .is_some(),
        );
    }
    assert_eq!(asked, 16);
    assert_eq!(place.store().load().unwrap().rows.len(), 16);
    // 16 questions, and a line at 1, 2, 4, … 256 dropped ones.
    let notes = place.notes();
    assert_eq!(notes.iter().filter(|note| note.contains(" asked: ")).count(), 16);
    assert_eq!(
        notes
            .iter()
            .filter(|note| note.contains("not kept any more"))
            .count(),
        9
    );
    assert_eq!(approvals.dropped(), [("a".to_owned(), None, 284)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_shows_the_call_and_hides_nothing_in_it() {
    let place = Place::new();
    let approvals = place.open(config::Approvals {
        two_person: std::collections::BTreeSet::from([Effect::Send]),
        ..config::Approvals::default()
    });
    let many: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
    let sent = Sent::new(
        json!({"to": "x\u{202e}@y.example\u{1b}[2J", "body": "b".repeat(10_000), "all": many, "on": true}),
    );
    let id = sent.ask(&approvals).await.unwrap();
    let question = approvals.question(id).unwrap();
    let draft = &question.draft;
    assert_eq!((draft.needs, draft.more), (2, 10));
    assert_eq!(draft.arguments.len(), 32);
    assert_eq!(
        draft.arguments[0].role,
        bartizan_flow::Role::Target,
        "what decides comes first"
    );
    assert!(draft.arguments[0].value.contains("\\u{202e}") && draft.arguments[0].value.contains("\\u{1b}"));
    assert!(draft.wire.len() <= 4096 + 8 && draft.bytes > 10_000);
    assert!(place.directory.path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_is_good_for_what_was_shown_beside_the_arguments_and_for_nothing_more() {
    let place = Place::new();
    let approvals = place.open(config::Approvals::default());
    let with = |ttl: u32| {
        let mut sent = Sent::new(json!({"to": "x@y.example", "body": "b"}));
        sent.extra = Some(json!({"task": {"ttl": ttl}}));
        sent
    };
    let sent = with(60);
    let id = sent.ask(&approvals).await.unwrap();
    let draft = approvals.question(id).unwrap().draft;
    assert_eq!(draft.beside, r#"{"task":{"ttl":60}}"#);
    approvals.answer(id, &ONCE, &person("uid 7")).await.unwrap();
    assert!(with(61).hold(&approvals).is_none());
    let bare = Sent {
        extra: None,
        ..with(60)
    };
    assert!(bare.hold(&approvals).is_none());
    let laden = Sent {
        laden: true,
        ..with(60)
    };
    // It is the call she was asked about, if it went without the rest.
    assert_eq!(
        laden.wire().asked(),
        approvals.question(id).map(|one| one.draft.binding)
    );
    assert!(laden.hold(&approvals).is_none());
    assert_eq!(sent.hold(&approvals).map(|held| held.id), Some(id));
}
