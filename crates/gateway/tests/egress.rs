//! The proxy to the web: who may go where, what a tunnel has to say first, and what ends one.

#[expect(dead_code, reason = "the model tests use more of it")]
mod support;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bartizan_gateway::config::{Budgets, Config, Egress};
use bartizan_guard::{
    budget::{Budget, Window},
    revoke::{Revocation, Subject},
};
use bartizan_policy::Pack;
use bartizan_types::{
    Action, BudgetName, Code, Ending, FindingKind, Meter, Record, RecordKind, RevocationId, RulingWord,
    Surface, Timestamp,
};
use bartizan_wire::site::SitePattern;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use support::{Answer, Gated, OPEN, Upstreamed, config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A far end that gives back what it gets, and counts who came and what.
struct Echo {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, bytes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (came, got) = (Arc::clone(&connections), Arc::clone(&bytes));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                came.fetch_add(1, SeqCst);
                let got = Arc::clone(&got);
                tokio::spawn(async move {
                    let mut chunk = vec![0; 64 << 10];
                    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
                        got.fetch_add(count, SeqCst);
                        if stream.write_all(&chunk[..count]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self {
            address,
            connections,
            bytes,
        }
    }

    /// As agents name it.
    fn site(&self) -> String {
        format!("localhost:{}", self.address.port())
    }
}

fn patterns(sites: &[&str]) -> Vec<SitePattern> {
    sites
        .iter()
        .map(|site| SitePattern::parse(site).unwrap())
        .collect()
}

fn settings(change: impl FnOnce(&mut Egress)) -> Config {
    let mut settings = config(Vec::new());
    let mut egress = Egress::at("127.0.0.1:0".parse().unwrap());
    change(&mut egress);
    settings.egress = Some(egress);
    settings.limits.header_timeout = Duration::from_secs(2);
    settings
}

async fn to(echo: &Echo) -> Gated {
    let site = echo.site();
    Gated::start_with(
        settings(|egress| egress.inside = patterns(&[&site])),
        Some(Pack::Balanced),
        "",
        None,
    )
    .await
}

fn web(gated: &Gated) -> SocketAddr {
    gated.running.shared().web_address().unwrap()
}

/// Opens a tunnel. Gives the first line and the headers, and the connection.
async fn tunnel(gated: &Gated, site: &str) -> (String, TcpStream) {
    tunnel_as(gated, site, &basic(&gated.key)).await
}

fn basic(key: &str) -> String {
    format!(
        "Proxy-Authorization: Basic {}\r\n",
        STANDARD.encode(format!("agent:{key}"))
    )
}

async fn tunnel_as(gated: &Gated, site: &str, extra: &str) -> (String, TcpStream) {
    let request = format!("CONNECT {site} HTTP/1.1\r\nHost: {site}\r\n{extra}\r\n");
    let mut stream = TcpStream::connect(web(gated)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    (head(&mut stream).await, stream)
}

async fn head(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(Duration::from_secs(10), stream.read_u8())
            .await
            .unwrap();
        match byte {
            Ok(byte) => said.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(said).unwrap()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// A hello for this name, with these more extensions.
fn hello(name: Option<&str>, more: &[(u16, &[u8])]) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = name {
        let list = long(&[&[0][..], &long(name.as_bytes())].concat());
        extensions.extend([&[0, 0][..], &long(&list)].concat());
    }
    for (kind, data) in more {
        extensions.extend([&kind.to_be_bytes()[..], &long(data)].concat());
    }
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0],
        &long(&[0x13, 1]),
        &[1, 0],
        &long(&extensions),
    ]
    .concat();
    let message = [&[1, 0][..], &long(&body)].concat();
    [&[22, 3, 1][..], &long(&message)].concat()
}

/// What comes back for these bytes, until as much came as went, or the other end closed.
async fn echoed(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    // The other end may have closed already, which is what the caller looks for.
    drop(stream.write_all(bytes).await);
    let mut back = vec![0; bytes.len()];
    let mut at = 0;
    while at < back.len() {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut back[at..])).await;
        match read.unwrap() {
            Ok(count @ 1..) => at += count,
            _ => break,
        }
    }
    back.truncate(at);
    back
}

async fn of(gated: &Gated, kind: RecordKind) -> Vec<Record> {
    let records = gated
        .records()
        .await
        .into_iter()
        .filter_map(|stored| stored.record);
    records.filter(|record| record.kind == kind).collect()
}

/// The closing record, once it is there.
async fn closing(gated: &Gated) -> Record {
    for _ in 0..200 {
        if let Some(record) = of(gated, RecordKind::Closing).await.pop() {
            return record;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing was closed");
}

#[tokio::test]
async fn a_listed_site_is_reached_through_a_tunnel_on_record() {
    let echo = Echo::start().await;
    let gated = to(&echo).await;
    let (said, mut stream) = tunnel(&gated, &echo.site()).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let first = hello(Some("localhost"), &[]);
    assert_eq!(echoed(&mut stream, &first).await, first);
    let more = vec![23; 300_000];
    assert_eq!(echoed(&mut stream, &more).await, more);
    drop(stream);
    let closed = closing(&gated).await;
    assert_eq!(closed.ending, Some(Ending::Complete));
    let bytes = u64::try_from(2 * (first.len() + more.len())).unwrap();
    assert_eq!(closed.answer.unwrap().bytes, bytes);
    let ruling = of(&gated, RecordKind::Ruling).await.remove(0);
    let facts = ruling.facts.unwrap();
    assert_eq!(ruling.ruling, Some(RulingWord::Allow));
    assert_eq!(
        (facts.action, facts.surface),
        (Action::OpenTunnel, Surface::Egress)
    );
    assert_eq!(facts.resource.entity_id(), echo.site());
    assert_eq!(
        ruling.because.unwrap().policies[0].id.as_str(),
        "balanced.tunnels"
    );
}

#[tokio::test]
async fn who_shows_nothing_or_a_wrong_key_goes_nowhere() {
    let echo = Echo::start().await;
    let gated = to(&echo).await;
    let foreign = basic("bz_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let twice = [basic(&gated.key), basic(&gated.key)].concat();
    // The credential of the gateway's other listener is not looked at here.
    let other = format!("Authorization: Bearer {}\r\n", gated.key);
    for extra in ["", &foreign, &twice, &other, "Proxy-Authorization: Digest x\r\n"] {
        let (said, _) = tunnel_as(&gated, &echo.site(), extra).await;
        assert!(said.starts_with("HTTP/1.1 407 identity."), "{said}");
        assert!(
            said.contains("proxy-authenticate: Basic realm=\"bartizan\""),
            "{said}"
        );
    }
    let bearer = format!("Proxy-Authorization: Bearer {}\r\n", gated.key);
    let (said, _) = tunnel_as(&gated, &echo.site(), &bearer).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert_eq!(echo.connections.load(SeqCst), 1);
}

#[tokio::test]
async fn a_tunnel_says_where_it_goes_or_nothing_goes_through() {
    let echo = Echo::start().await;
    let ech: &[(u16, &[u8])] = &[(0xFE0D, &[0; 40])];
    let (fine, mute) = (hello(Some("localhost"), &[]), hello(None, &[]));
    let hidden = hello(Some("localhost"), ech);
    for (opaque, encrypted, bytes, expected) in [
        (false, false, fine.clone(), None),
        (
            false,
            false,
            hello(Some("evil.example"), &[]),
            Some(Code::EgressName),
        ),
        (
            false,
            true,
            hello(Some("evil.example"), ech),
            Some(Code::EgressName),
        ),
        (false, false, mute.clone(), Some(Code::EgressHello)),
        (false, true, mute.clone(), Some(Code::EgressHello)),
        (false, false, hidden.clone(), Some(Code::EgressHello)),
        (false, true, hidden, None),
        (
            false,
            false,
            b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_vec(),
            Some(Code::EgressHello),
        ),
        (
            false,
            false,
            b"SSH-2.0-client\r\n".to_vec(),
            Some(Code::EgressHello),
        ),
        (true, false, b"SSH-2.0-client\r\n".to_vec(), None),
        (true, false, mute, None),
        // A hello that never ends, and one that is not sent.
        (false, false, fine[..20].to_vec(), Some(Code::SlowCaller)),
        (false, false, Vec::new(), Some(Code::SlowCaller)),
    ] {
        let before = echo.bytes.load(SeqCst);
        let site = echo.site();
        let mut settings = settings(|egress| {
            egress.inside = patterns(&[&site]);
            egress.opaque = if opaque { patterns(&[&site]) } else { Vec::new() };
            egress.encrypted_hello = encrypted;
        });
        settings.limits.header_timeout = Duration::from_millis(400);
        let gated = Gated::start_with(settings, Some(Pack::Balanced), "", None).await;
        let (said, mut stream) = tunnel(&gated, &site).await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        if expected.is_none() {
            assert_eq!(echoed(&mut stream, &bytes).await, bytes);
            continue;
        }
        drop(stream.write_all(&bytes).await);
        let mut rest = Vec::new();
        drop(
            tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest))
                .await
                .unwrap(),
        );
        assert!(rest.is_empty(), "{rest:?}");
        let closed = closing(&gated).await;
        assert_eq!((closed.ending, closed.code), (Some(Ending::Withheld), expected));
        assert_eq!(
            echo.bytes.load(SeqCst),
            before,
            "nothing reached the site: {expected:?}"
        );
    }
}

#[tokio::test]
async fn what_is_not_listed_or_leads_inside_is_not_connected_to() {
    let echo = Echo::start().await;
    let (port, site) = (echo.address.port(), echo.site());
    let metadata = ["169.254.169.254:80", "[fd00:ec2::254]:80", "0.0.0.0:80"];
    for (pack, own, inside, target, expected) in [
        (
            Some(Pack::Balanced),
            "",
            &[][..],
            site.clone(),
            "403 policy.denied",
        ),
        (
            Some(Pack::Balanced),
            "",
            &[],
            "example.com:443".to_owned(),
            "403 policy.denied",
        ),
        (Some(Pack::Strict), OPEN, &[], site.clone(), "403 policy.denied"),
        (
            Some(Pack::Strict),
            "",
            &[&*site],
            site.clone(),
            "403 policy.denied",
        ),
        (Some(Pack::Strict), OPEN, &[&*site], site.clone(), "200 OK"),
        // Policy lets it pass; where it leads does not.
        (None, OPEN, &[], site.clone(), "403 egress.inside"),
        (None, OPEN, &[], format!("127.0.0.1:{port}"), "403 egress.inside"),
        (
            None,
            OPEN,
            &[],
            format!("[::ffff:127.0.0.1]:{port}"),
            "403 egress.inside",
        ),
        (Some(Pack::Observe), "", &[], site.clone(), "403 egress.inside"),
        (
            None,
            OPEN,
            &metadata,
            "169.254.169.254:80".to_owned(),
            "403 egress.inside",
        ),
        (
            None,
            OPEN,
            &metadata,
            "[fd00:ec2::254]:80".to_owned(),
            "403 egress.inside",
        ),
        (
            None,
            OPEN,
            &metadata,
            "0.0.0.0:80".to_owned(),
            "403 egress.inside",
        ),
        (None, OPEN, &[], format!("127.1:{port}"), "400 egress.target"),
        (None, OPEN, &[], format!("0x7f000001:{port}"), "400 egress.target"),
        (None, OPEN, &[], "nobody@example.com:443".to_owned(), "400"),
    ] {
        let before = echo.connections.load(SeqCst);
        let settings = settings(|egress| egress.inside = patterns(inside));
        let gated = Gated::start_with(settings, pack, own, None).await;
        let (said, _) = tunnel(&gated, &target).await;
        assert!(
            said.starts_with(&format!("HTTP/1.1 {expected}")),
            "{target}: {said}"
        );
        let came = usize::from(expected == "200 OK");
        assert_eq!(echo.connections.load(SeqCst) - before, came, "{target}");
    }
}

fn revocation(what: &str) -> Revocation {
    Revocation {
        id: RevocationId::mint(Timestamp::from_unix_seconds(1), 1),
        subject: Subject::parse(what).unwrap(),
        since: Timestamp::from_unix_seconds(1),
        until: None,
        reason: "test".to_owned(),
        by: "test".to_owned(),
    }
}

#[tokio::test]
async fn a_revocation_cuts_an_open_tunnel_and_refuses_the_next() {
    let echo = Echo::start().await;
    for what in [
        "agent:tester",
        "everything",
        "site:LOCALHOST",
        &format!("site:{}", echo.site()),
    ] {
        let gated = to(&echo).await;
        let (_, mut stream) = tunnel(&gated, &echo.site()).await;
        let first = hello(Some("localhost"), &[]);
        assert_eq!(echoed(&mut stream, &first).await, first);
        let shared = gated.running.shared();
        let began = Instant::now();
        shared.revoked.add(&shared.state, revocation(what)).unwrap();
        let mut rest = Vec::new();
        drop(
            tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest))
                .await
                .unwrap(),
        );
        // Keeping it is part of this time; the bound is on cutting.
        assert!(
            began.elapsed() < Duration::from_millis(500),
            "{what}: {:?}",
            began.elapsed()
        );
        let closed = closing(&gated).await;
        assert_eq!(
            (closed.ending, closed.code),
            (Some(Ending::Withheld), Some(Code::Revoked))
        );
        let (said, _) = tunnel(&gated, &echo.site()).await;
        assert!(said.starts_with("HTTP/1.1 403 revoked"), "{what}: {said}");
        // Another's revocation cuts nobody.
        let other = to(&echo).await;
        let (_, mut stream) = tunnel(&other, &echo.site()).await;
        let shared = other.running.shared();
        shared
            .revoked
            .add(&shared.state, revocation("agent:other"))
            .unwrap();
        assert_eq!(echoed(&mut stream, &first).await, first);
    }
}

#[tokio::test]
async fn tunnels_are_bounded_in_bytes_silence_number_and_budget() {
    let echo = Echo::start().await;
    let site = echo.site();
    let first = hello(Some("localhost"), &[]);
    let bounded = |change: fn(&mut Egress)| {
        settings(|egress| {
            egress.inside = patterns(&[&site]);
            change(egress);
        })
    };
    let ends = |gated: Gated, mut stream: TcpStream, code: Code| async move {
        let mut rest = Vec::new();
        drop(
            tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest))
                .await
                .unwrap(),
        );
        let closed = closing(&gated).await;
        assert_eq!((closed.ending, closed.code), (Some(Ending::Withheld), Some(code)));
        closed.answer.unwrap().bytes
    };
    let gated = Gated::start_with(
        bounded(|egress| egress.tunnel_bytes = 100_000),
        Some(Pack::Balanced),
        "",
        None,
    )
    .await;
    let (_, mut stream) = tunnel(&gated, &site).await;
    assert_eq!(echoed(&mut stream, &first).await, first);
    drop(stream.write_all(&[23; 300_000]).await);
    assert!(ends(gated, stream, Code::TunnelBound).await <= 100_000);
    let idle = bounded(|egress| egress.idle = Duration::from_millis(300));
    let gated = Gated::start_with(idle, Some(Pack::Balanced), "", None).await;
    let (_, mut stream) = tunnel(&gated, &site).await;
    assert_eq!(echoed(&mut stream, &first).await, first);
    ends(gated, stream, Code::TunnelBound).await;
    let one = bounded(|egress| egress.tunnels = 1);
    let gated = Gated::start_with(one, Some(Pack::Balanced), "", None).await;
    let (said, kept) = tunnel(&gated, &site).await;
    assert!(said.starts_with("HTTP/1.1 200"));
    assert!(
        tunnel(&gated, &site)
            .await
            .0
            .starts_with("HTTP/1.1 503 limit.saturated")
    );
    drop(kept);
    closing(&gated).await;
    assert!(tunnel(&gated, &site).await.0.starts_with("HTTP/1.1 200"));
    let mut counted = bounded(|_| {});
    counted.limits.answer_bytes = 50_000;
    counted.budgets = Budgets {
        all: vec![Budget {
            name: BudgetName::new("web").unwrap(),
            meter: Meter::Bytes,
            limit: 60_000,
            window: Window::Total,
            per: Default::default(),
            only: Default::default(),
            enforce: true,
        }],
        ..Budgets::default()
    };
    let gated = Gated::start_with(counted, Some(Pack::Balanced), "", None).await;
    let (_, mut stream) = tunnel(&gated, &site).await;
    assert_eq!(echoed(&mut stream, &first).await, first);
    // What is set aside for the first leaves no room for a second.
    let (said, _) = tunnel(&gated, &site).await;
    assert!(said.starts_with("HTTP/1.1 429 budget.exceeded"), "{said}");
    drop(stream.write_all(&[23; 300_000]).await);
    assert!(ends(gated, stream, Code::BudgetExceeded).await <= 50_000);
}

/// Sends a request in clear. Gives all that comes back.
async fn clear(gated: &Gated, request: &str) -> String {
    let mut stream = TcpStream::connect(web(gated)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut said)).await;
    read.unwrap().unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn a_request_in_clear_is_ruled_on_by_method_and_path_and_carries_nothing_of_ours() {
    let up = Upstreamed::answering(|_| Answer::Whole(200, "text/plain", b"hello from there".to_vec())).await;
    let site = format!("localhost:{}", up.address.port());
    let policy = r#"
@id("test.no_admin")
forbid (principal, action == Bartizan::Action::"fetch_web", resource)
when { context.args.hasTag("path") && context.args.getTag("path") like "/admin*" };
@id("test.no_delete")
forbid (principal, action == Bartizan::Action::"fetch_web", resource)
when { context.args.hasTag("method") && context.args.getTag("method") == "DELETE" };
@id("test.no_thirteen")
forbid (principal, action == Bartizan::Action::"fetch_web", resource)
when { context.numbers.hasTag("body.x") && context.numbers.getTag("body.x") == 13 };
"#;
    let settings = settings(|egress| egress.inside = patterns(&[&site]));
    let gated = Gated::start_with(settings, Some(Pack::Balanced), policy, None).await;
    let basic = basic(&gated.key);
    let ask = |method: &str, path: &str, extra: &str, body: &str| {
        let length = body.len();
        format!(
            "{method} http://{site}{path} HTTP/1.1\r\nHost: {site}\r\n{basic}Connection: close, x-hop\r\nX-Hop: 1\r\n\
             Keep-Alive: 5\r\nTE: trailers\r\nX-End: 2\r\nAuthorization: Bearer own\r\n{extra}Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let claims = "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: ::1\r\nForwarded: for=127.0.0.1;proto=http\r\n\
                  X-Forwarded-Proto: http\r\n";
    let said = clear(&gated, &ask("GET", "/a?b=c", claims, "")).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(said.ends_with("hello from there"), "{said}");
    {
        let seen = up.seen.lock().unwrap();
        let headers = &seen[0].headers;
        assert_eq!(seen[0].path, "/a?b=c");
        for gone in [
            "proxy-authorization",
            "x-hop",
            "keep-alive",
            "te",
            "connection",
            "x-forwarded-for",
            "x-real-ip",
            "forwarded",
            "x-forwarded-proto",
        ] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        assert_eq!(
            (&headers["x-end"], &headers["authorization"]),
            (&"2".parse().unwrap(), &"Bearer own".parse().unwrap())
        );
        assert_eq!(headers["host"], *site);
    }
    for (method, path, extra, expected) in [
        ("GET", "/admin/x", "", "403 policy.denied"),
        ("DELETE", "/a", "", "403 policy.denied"),
        ("GET", "/a", "Host: evil.example\r\n", "403 wire.host"),
        ("GET", "/%2561dmin", "", "400 egress.target"),
        (
            "GET",
            "/a",
            "X-HTTP-Method-Override: DELETE\r\n",
            "403 egress.override",
        ),
        ("GET", "/a", "X-Original-URL: /admin\r\n", "403 egress.override"),
        ("GET", "/a", "X-Forwarded-Proto: https\r\n", "403 egress.override"),
    ] {
        let said = clear(&gated, &ask(method, path, extra, "")).await;
        assert!(
            said.starts_with(&format!("HTTP/1.1 {expected}")),
            "{method} {path}: {said}"
        );
    }
    let said = clear(
        &gated,
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(said.starts_with("HTTP/1.1 407"), "{said}");
    let direct = format!("GET /v1/models HTTP/1.1\r\nHost: {site}\r\n{basic}Connection: close\r\n\r\n");
    assert!(
        clear(&gated, &direct)
            .await
            .starts_with("HTTP/1.1 400 egress.target")
    );
    assert_eq!(up.count(), 1);
    // The answer was text from outside: what changes something now asks.
    let said = clear(
        &gated,
        &ask("POST", "/a", "Content-Type: application/json\r\n", r#"{"x":1}"#),
    )
    .await;
    assert!(said.starts_with("HTTP/1.1 403 policy.ask"), "{said}");
    // A secret is one in a header as it is in the query; the agent's own credential is not looked for.
    let secret = format!("sk-proj-{}", "a8Kd0Q2mZ7".repeat(4));
    for name in ["X-Data", "Cookie", "User-Agent", "Referer"] {
        let said = clear(&gated, &ask("GET", "/a", &format!("{name}: x={secret}\r\n"), "")).await;
        assert!(!said.starts_with("HTTP/1.1 200"), "{name}: {said}");
    }
    assert_eq!(up.count(), 1);
    let thirteen = ask("POST", "/a", "Content-Type: application/json\r\n", r#"{"x":13}"#);
    let said = clear(&gated, &thirteen).await;
    assert!(said.starts_with("HTTP/1.1 403 policy.denied"), "{said}");
    assert_eq!(up.count(), 1);
}

#[tokio::test]
async fn what_is_not_text_is_passed_on_in_pieces_within_a_bound() {
    let big = vec![0xFF; 3 << 20];
    let sent = big.clone();
    let up = Upstreamed::answering(move |_| Answer::Whole(200, "application/zip", sent.clone())).await;
    let site = format!("localhost:{}", up.address.port());
    for (most, whole) in [(4 << 20, true), (1 << 20, false)] {
        let mut settings = settings(|egress| {
            egress.inside = patterns(&[&site]);
            egress.tunnel_bytes = most;
        });
        // Larger than what is read whole.
        settings.limits.answer_bytes = 1 << 20;
        let gated = Gated::start_with(settings, Some(Pack::Balanced), "", None).await;
        let request = format!(
            "GET http://{site}/z HTTP/1.1\r\nHost: {site}\r\n{}Connection: close\r\n\r\n",
            basic(&gated.key)
        );
        let mut stream = TcpStream::connect(web(&gated)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let ended = stream.read_to_end(&mut said).await;
        let closed = closing(&gated).await;
        if whole {
            ended.unwrap();
            assert_eq!(closed.ending, Some(Ending::Complete));
            assert_eq!(closed.answer.unwrap().bytes, 3 << 20);
            // Policy is told that nobody looked into it.
            let unseen: Vec<_> = closed.findings.iter().map(|one| (one.kind, &*one.what)).collect();
            assert_eq!(unseen, [(FindingKind::Unseen, "document")]);
        } else {
            assert_eq!(
                (closed.ending, closed.code),
                (Some(Ending::Withheld), Some(Code::TunnelBound))
            );
            assert!(said.len() < 2 << 20, "{}", said.len());
        }
    }
}

#[tokio::test]
async fn draining_ends_tunnels_and_records_them() {
    let echo = Echo::start().await;
    let site = echo.site();
    let mut settings = settings(|egress| egress.inside = patterns(&[&site]));
    settings.limits.drain_timeout = Duration::from_millis(300);
    let gated = Gated::start_with(settings, Some(Pack::Balanced), "", None).await;
    let (_, mut stream) = tunnel(&gated, &site).await;
    let first = hello(Some("localhost"), &[]);
    assert_eq!(echoed(&mut stream, &first).await, first);
    let ledger = gated.ledger.clone();
    gated.running.drain().await;
    let mut rest = Vec::new();
    drop(
        tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut rest))
            .await
            .unwrap(),
    );
    // Nobody waits for a closing record: it is on its way when the tunnel has ended.
    let mut codes = Vec::new();
    for _ in 0..100 {
        let query = bartizan_store::Query {
            limit: 10,
            ..Default::default()
        };
        let found = ledger.search(&query).unwrap();
        codes = found
            .iter()
            .filter_map(|stored| stored.record.as_ref()?.code)
            .collect();
        if codes.contains(&Code::Draining) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(codes.contains(&Code::Draining), "{codes:?}");
}
