//! A request that becomes a WebSocket (RFC 6455), in clear or in a tunnel that is opened here. Its opening is a call, and so
//! is each message that the agent sends: ruled on and recorded before it goes. What the site sends is read message by
//! message, before the agent has it, as the text of an outsider.
//!
//! Policy sees `method` as `CONNECT`, as HTTP/2 has it (RFC 8441), and `upgrade` as `websocket`: a rule that lets an agent
//! read, by `GET`, lets it open none. Two connections stand behind one: pings are answered at each end, and nothing but
//! whole messages and close codes goes from one to the other. No extension is spoken, so nothing is packed.
//!
//! It ends with the agent's credential, with a revocation of anything that it touches, and at the bounds of a tunnel.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest;
use bartizan_flow::{Content, Effect};
use bartizan_guard::{AnswerFacts, Permit};
use bartizan_types::{Action, Code, Digest, Refusal, UpstreamName};
use bartizan_wire::{
    site::Site,
    websocket::{self, Reader, Said, Side, Wrong},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, request::Parts,
};
use http_body::Body as _;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::{Mutex, OwnedSemaphorePermit},
    time::timeout,
};

use super::{
    Wish, forward, heads, intercept,
    tunnel::{self, CHUNK_BYTES, Carried},
};
use crate::{
    Shared,
    answer::AgentBody,
    clock,
    edge::Arriving,
    gate::{Caller, Passage},
    inspect::{Piece, Source, unread},
    meters::Gauge,
    model::sha256,
    room::Taken,
    upstream::{
        self, Outbound, line,
        talk::{self, Hearing, Message, Talk},
    },
};

/// What an accepted key ends with (RFC 6455 section 1.3).
const ACCEPTS: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How long an end may take to hear that it is over.
const FAREWELL: Duration = Duration::from_secs(1);
/// Policy violation, and going away (section 7.4.1).
const VIOLATION: u16 = 1008;
const AWAY: u16 = 1001;

const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");
const SPEAKS: HeaderName = HeaderName::from_static("sec-websocket-protocol");
const EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");

/// A request that asks for a WebSocket as it should.
pub(super) struct Opening {
    /// What the agent has to hear.
    accept: HeaderValue,
    /// Protocols that it offers.
    speaks: Vec<String>,
}

/// Reads whether a request asks for a WebSocket (section 4.2.1). `None`: it is an ordinary one; other upgrades are not
/// taken up, as servers need not (RFC 9110 section 7.8).
pub(super) fn opening(head: &Parts, body: &Arriving) -> Option<Result<Opening, Code>> {
    asked(head, body.is_end_stream())
}

fn asked(head: &Parts, is_empty: bool) -> Option<Result<Opening, Code>> {
    let wants = tokens(&head.headers, &header::UPGRADE);
    if head.version == Version::HTTP_2 || !wants.iter().any(|one| one == "websocket") {
        return None;
    }
    let one = |name: &HeaderName| {
        let mut all = head.headers.get_all(name).iter();
        let first = all.next().and_then(|value| value.to_str().ok());
        first.filter(|_| all.next().is_none())
    };
    let key = one(&KEY).filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16));
    let fits = head.version == Version::HTTP_11
        && head.method == Method::GET
        && is_empty
        && wants.len() == 1
        && tokens(&head.headers, &header::CONNECTION)
            .iter()
            .any(|one| one == "upgrade")
        && one(&VERSION) == Some("13");
    let accept = key.filter(|_| fits).map(accept).map(HeaderValue::try_from);
    Some(match accept {
        Some(Ok(accept)) => Ok(Opening {
            accept,
            speaks: spoken(&head.headers),
        }),
        _ => Err(Code::EgressUpgrade),
    })
}

/// The words of a list, in lower case.
fn tokens(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let words = spoken_in(headers, name);
    words.map(|word| word.to_ascii_lowercase()).collect()
}

fn spoken(headers: &HeaderMap) -> Vec<String> {
    spoken_in(headers, &SPEAKS).map(str::to_owned).collect()
}

fn spoken_in<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

fn accept(key: &str) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(ACCEPTS);
    STANDARD.encode(hash.finish())
}

/// Rules on the opening, opens it at the site, and carries messages until either end closes.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    caller: &Caller,
    site: Site,
    head: &Parts,
    (opening, upgrade): (Opening, OnUpgrade),
) -> Result<Response<AgentBody>, Refusal> {
    let late = |code| shared.reject(code, Some(&caller.principal));
    let wish = Wish::new(shared, caller, site, Action::FetchWeb, Effect::Send);
    let (Some(mut wish), Some(proxy)) = (wish, &shared.egress) else {
        return Err(late(Code::Bug));
    };
    let Ok(slot) = Arc::clone(&proxy.tunnels).try_acquire_owned() else {
        return Err(shared.shed(Code::Saturated));
    };
    caller.reins.takes_turn(0).await;
    wish.arguments = arguments(&wish.site, head).map_err(late)?;
    wish.headers = heads::seen(&head.headers);
    let key = STANDARD.encode(clock::random::<16>());
    let outbound = asking(&wish, head, &key).map_err(late)?;
    let (permit, mut passage) = wish.ruled(outbound).await?;
    let answer = match upstream::send(permit, shared.config.limits.upstream_timeout).await {
        Ok(answer) => answer,
        Err(fault) if line::leads_outside(&fault) => return Err(passage.failed(Code::EgressInside)),
        Err(fault) => return Err(passage.failed(fault.code())),
    };
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return forward::come_back(wish, passage, &head.method, answer).await;
    }
    if !answers(answer.headers(), &key, &opening.speaks) {
        return Err(passage.failed(Code::UpstreamMalformed));
    }
    let headers = forward::passed_on(answer.headers());
    let far = timeout(shared.config.limits.header_timeout, hyper::upgrade::on(answer)).await;
    let Ok(Ok(far)) = far else {
        return Err(passage.failed(Code::UpstreamUnreachable));
    };
    let release = passage.answered(AnswerFacts {
        status: Some(StatusCode::SWITCHING_PROTOCOLS.as_u16()),
        findings: Vec::new(),
    })?;
    let mut response = Response::new(AgentBody::whole(release, Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = welcome(headers, &opening, &passage);
    let (hearing, talk) = talk::split(far);
    let socket = Socket {
        carried: Carried::new(shared, &caller.reins),
        wish,
        passage,
        hearing,
        talk: Mutex::new(talk),
        open: Box::new(Gauge::raise(Arc::clone(&shared.meters), |meters| &meters.streams)),
        slot,
    };
    tokio::spawn(socket.run(upgrade));
    Ok(response)
}

fn arguments(site: &Site, head: &Parts) -> Result<Value, Code> {
    let mut arguments = forward::arguments(site, head, "CONNECT")?;
    let private = head.uri.scheme_str() == Some("https");
    arguments["scheme"] = json!(if private { "wss" } else { "ws" });
    arguments["upgrade"] = json!("websocket");
    Ok(arguments)
}

/// The opening as it goes to the site: the agent's own but for what belongs to its connection with us.
fn asking(wish: &Wish, head: &Parts, key: &str) -> Result<impl Fn() -> Outbound + use<>, Code> {
    let mut headers = forward::outgoing(head, false);
    for name in [&KEY, &ACCEPT, &EXTENSIONS, &VERSION] {
        headers.remove(name);
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(VERSION, HeaderValue::from_static("13"));
    headers.insert(KEY, HeaderValue::from_str(key).map_err(|_| Code::Bug)?);
    let upstream = UpstreamName::new(&wish.site.to_string()).map_err(|_| Code::EgressTarget)?;
    let (pool, uri) = (wish.sockets().ok_or(Code::Bug)?, head.uri.clone());
    Ok(move || Outbound {
        upstream: upstream.clone(),
        pool: Arc::clone(&pool),
        method: Method::GET,
        uri: uri.clone(),
        headers: headers.clone(),
        body: Bytes::new(),
        secrets: Default::default(),
        sign: None,
    })
}

/// Whether a site took up just what was asked (section 4.1): no extension, and no protocol that was not offered.
fn answers(headers: &HeaderMap, key: &str, offered: &[String]) -> bool {
    let has = |name: &HeaderName, word: &str| tokens(headers, name).iter().any(|one| one == word);
    let accepts: Vec<&HeaderValue> = headers.get_all(ACCEPT).iter().collect();
    let speaks = spoken(headers);
    has(&header::UPGRADE, "websocket")
        && has(&header::CONNECTION, "upgrade")
        && matches!(accepts.as_slice(), [one] if one.as_bytes() == accept(key).as_bytes())
        && !headers.contains_key(EXTENSIONS)
        && speaks.len() <= 1
        && speaks.iter().all(|one| offered.contains(one))
}

fn welcome(mut headers: HeaderMap, opening: &Opening, passage: &Passage<Outbound>) -> HeaderMap {
    headers.insert(ACCEPT, opening.accept.clone());
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.append(header::VIA, forward::via(Version::HTTP_11));
    if let Ok(call) = HeaderValue::from_str(&passage.call().to_string()) {
        headers.insert("x-bartizan-call", call);
    }
    headers
}

/// A WebSocket that is open at its far end.
struct Socket {
    wish: Wish,
    passage: Passage<Outbound>,
    hearing: Hearing,
    talk: Mutex<Talk>,
    carried: Carried,
    /// Counts it as long as it is there.
    open: Box<dyn Send>,
    slot: OwnedSemaphorePermit,
}

impl Socket {
    /// Carries messages until either end closes, or something ends it; then its record is closed.
    async fn run(self, upgrade: OnUpgrade) {
        let Self {
            wish,
            mut passage,
            hearing,
            talk,
            carried,
            open,
            slot,
        } = self;
        let (shared, reins) = (Arc::clone(&wish.shared), Arc::clone(&wish.caller.reins));
        let idle = shared
            .egress
            .as_ref()
            .map_or(Duration::ZERO, |proxy| proxy.config.idle);
        let opened = timeout(shared.config.limits.header_timeout, upgrade).await;
        let Ok(Ok(near)) = opened else {
            return passage.withheld(Code::SlowCaller);
        };
        let (from_near, to_near) = tokio::io::split(TokioIo::new(near));
        let ear = Mutex::new(Ear {
            write: to_near,
            is_whole: true,
        });
        let ways = Ways {
            wish: &wish,
            ear: &ear,
            talk: &talk,
            carried: &carried,
        };
        let mut heard = Heard::default();
        let ended = tokio::select! {
            biased;
            code = Arc::clone(&reins).cut(Arc::clone(&shared.revoked)) => Err(code),
            code = tunnel::drained(&shared) => Err(code),
            code = intercept::over(&shared, &wish.caller) => Err(code),
            ended = ways.up(from_near) => ended,
            ended = ways.down(hearing, &mut passage, &mut heard) => ended,
            code = carried.stands_still(idle) => Err(code),
        };
        passage.released.bytes = heard.bytes;
        passage.released.transcript = Some(heard.transcript());
        match ended {
            Ok(()) => passage.finish(),
            Err(code) => {
                tracing::debug!(site = %wish.site, %code, "a WebSocket was ended");
                passage.withheld(code);
                let farewell = async {
                    ear.lock().await.close(Some(VIOLATION), code.as_str()).await;
                    talk.lock().await.close(Some(AWAY)).await;
                };
                drop(timeout(FAREWELL, farewell).await);
            }
        }
        drop((open, slot));
    }
}

/// What came to the agent.
struct Heard {
    bytes: u64,
    hash: digest::Context,
    /// Some of it was no text, and is told to be unread.
    is_unread: bool,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            bytes: 0,
            hash: digest::Context::new(&digest::SHA256),
            is_unread: false,
        }
    }
}

impl Heard {
    fn take(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
    }

    fn transcript(self) -> Digest {
        let mut transcript = [0_u8; 32];
        transcript.copy_from_slice(self.hash.finish().as_ref());
        Digest(transcript)
    }
}

/// The way to the agent.
struct Ear {
    write: WriteHalf<TokioIo<Upgraded>>,
    /// No frame is half written.
    is_whole: bool,
}

impl Ear {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Code> {
        self.is_whole = false;
        let written = async {
            self.write.write_all(bytes).await?;
            self.write.flush().await
        };
        written.await.map_err(|_| Code::SlowCaller)?;
        self.is_whole = true;
        Ok(())
    }

    /// Says that nothing more comes, and why.
    async fn close(&mut self, code: Option<u16>, reason: &str) {
        let said = self.is_whole && self.write(&websocket::closing(code, reason, None)).await.is_ok();
        if said {
            drop(self.write.shutdown().await);
        }
    }
}

/// Both ways at once.
struct Ways<'a> {
    wish: &'a Wish,
    ear: &'a Mutex<Ear>,
    talk: &'a Mutex<Talk>,
    carried: &'a Carried,
}

impl Ways<'_> {
    /// From the agent to the site, until one of them closes.
    async fn up(&self, mut from: ReadHalf<TokioIo<Upgraded>>) -> Result<(), Code> {
        let shared = &self.wish.shared;
        let limits = &shared.config.limits;
        let mut room = shared.bodies.of(&self.wish.caller.principal).nothing();
        let mut reader = Reader::new(Side::Client, limits.event_bytes);
        let mut chunk = vec![0_u8; CHUNK_BYTES];
        loop {
            let count = from.read(&mut chunk).await.unwrap_or(0);
            let bytes = chunk.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            self.take(&mut reader, &mut room, bytes)?;
            while let Some(said) = reader.read().map_err(wrong_near)? {
                match said {
                    Said::Ping(payload) => {
                        let bytes = websocket::pong(&payload, None);
                        self.ear.lock().await.write(&bytes).await?;
                    }
                    Said::Pong => {}
                    Said::Close(code) => {
                        self.talk.lock().await.close(code).await;
                        self.ear.lock().await.close(code, "").await;
                        return Ok(());
                    }
                    said => self.say(said).await?,
                }
            }
        }
    }

    /// Rules on one message and sends it.
    async fn say(&self, said: Said) -> Result<(), Code> {
        let Wish { shared, caller, .. } = self.wish;
        let bytes = match &said {
            Said::Text(text) => text.as_bytes(),
            Said::Binary(bytes) => bytes,
            _ => return Err(Code::Bug),
        };
        let site = self.wish.site.clone();
        let wish = Wish::new(shared, caller, site, Action::FetchWeb, Effect::Send);
        let mut wish = wish.ok_or(Code::Bug)?;
        wish.arguments = self.wish.arguments.clone();
        let (seen, whole) = forward::seen_body(shared, true, bytes);
        wish.arguments["body"] = seen.unwrap_or_else(|| json!(""));
        wish.complete = whole;
        wish.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        wish.digest = sha256(bytes);
        let ruled = wish.ruled(|| Message(said.clone())).await;
        let (permit, passage) = ruled.map_err(|refusal| refusal.code)?;
        self.sent(permit, passage).await
    }

    async fn sent(&self, permit: Permit<Message>, mut passage: Passage<Message>) -> Result<(), Code> {
        let patience = self.wish.shared.config.limits.write_timeout;
        let saying = async { self.talk.lock().await.say(permit).await };
        match timeout(patience, saying).await {
            Ok(Ok(())) => {}
            Ok(Err(code)) => return Err(passage.failed(code).code),
            Err(_) => return Err(passage.failed(Code::UpstreamTimeout).code),
        }
        let facts = AnswerFacts {
            status: None,
            findings: Vec::new(),
        };
        let release = passage.answered(facts).map_err(|refusal| refusal.code)?;
        tracing::trace!(call = %release.spend(), "a message went out");
        passage.finish();
        Ok(())
    }

    /// From the site to the agent, until one of them closes.
    async fn down(
        &self,
        mut from: Hearing,
        passage: &mut Passage<Outbound>,
        heard: &mut Heard,
    ) -> Result<(), Code> {
        let shared = &self.wish.shared;
        let limits = &shared.config.limits;
        let mut room = shared.answers.of(&self.wish.caller.principal).nothing();
        let mut reader = Reader::new(Side::Server, limits.event_bytes);
        let mut chunk = vec![0_u8; CHUNK_BYTES];
        loop {
            let count = from.read(&mut chunk).await.unwrap_or(0);
            let bytes = chunk.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                return Err(Code::UpstreamUnreachable);
            }
            self.take(&mut reader, &mut room, bytes)?;
            while let Some(said) = reader.read().map_err(wrong_far)? {
                match said {
                    Said::Ping(payload) => self.talk.lock().await.pong(&payload).await?,
                    Said::Pong => {}
                    Said::Close(code) => {
                        self.ear.lock().await.close(code, "").await;
                        self.talk.lock().await.close(code).await;
                        return Ok(());
                    }
                    said => self.hear(&said, passage, heard).await?,
                }
            }
        }
    }

    /// Looks at one message, and gives it to the agent.
    async fn hear(
        &self,
        said: &Said,
        passage: &mut Passage<Outbound>,
        heard: &mut Heard,
    ) -> Result<(), Code> {
        let Wish { shared, caller, .. } = self.wish;
        let (bytes, text) = match said {
            Said::Text(text) => (text.as_bytes(), Some(text.as_str())),
            Said::Binary(bytes) => (bytes.as_slice(), std::str::from_utf8(bytes).ok()),
            _ => return Err(Code::Bug),
        };
        // Bytes that are no text nobody reads here, but the agent may.
        let content = text.map_or(Content::Error(""), Content::Text);
        caller.session.read_from(&self.wish.manifest, content);
        if let Some(text) = text {
            let pieces = [Piece::of_text(Source::Document, text, "/body")];
            let looked = shared.look(caller, Some(passage.call()), &pieces).await;
            passage.found(looked.findings).map_err(|refusal| refusal.code)?;
        } else if shared.inspector.is_some() && !heard.is_unread {
            // Once: a socket says many of them.
            heard.is_unread = true;
            passage
                .found(vec![unread("/body")])
                .map_err(|refusal| refusal.code)?;
        }
        self.ear.lock().await.write(&websocket::frame(said, None)).await?;
        heard.take(bytes);
        Ok(())
    }

    /// Takes in what came, counted and within bounds.
    fn take(&self, reader: &mut Reader, room: &mut Taken, bytes: &[u8]) -> Result<(), Code> {
        self.carried.count(bytes.len())?;
        reader.push(bytes);
        room.resize(reader.held()).map_err(|_| Code::Saturated)
    }
}

/// What an agent's frames are that can't be read.
const fn wrong_near(wrong: Wrong) -> Code {
    match wrong {
        Wrong::Frame | Wrong::Utf8 => Code::EgressUpgrade,
        Wrong::TooLarge => Code::BodyTooLarge,
    }
}

/// What a site's frames are that can't be read.
const fn wrong_far(wrong: Wrong) -> Code {
    match wrong {
        Wrong::Frame | Wrong::Utf8 => Code::UpstreamMalformed,
        Wrong::TooLarge => Code::UpstreamTooLarge,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const KEY_OF_THE_RFC: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn check(change: impl FnOnce(&mut Parts), is_empty: bool) -> Option<Result<String, Code>> {
        let request = Request::builder()
            .method("GET")
            .uri("https://site.example/chat")
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "WebSocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", KEY_OF_THE_RFC)
            .header("sec-websocket-protocol", "chat, superchat");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        change(&mut head);
        let asked = asked(&head, is_empty)?;
        Some(asked.map(|opening| format!("{} {:?}", opening.accept.to_str().unwrap(), opening.speaks)))
    }

    #[test]
    fn an_opening_is_taken_whole_or_refused() {
        // RFC 6455 section 1.3.
        let good = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo= [\"chat\", \"superchat\"]";
        assert_eq!(check(|_| {}, true), Some(Ok(good.to_owned())));
        let refused = Some(Err(Code::EgressUpgrade));
        assert_eq!(check(|_| {}, false), refused);
        let set = |name: &'static str, value: &'static str| {
            move |head: &mut Parts| {
                head.headers.insert(name, HeaderValue::from_static(value));
            }
        };
        assert_eq!(check(set("sec-websocket-version", "8"), true), refused);
        assert_eq!(check(set("sec-websocket-key", "c2hvcnQ="), true), refused);
        assert_eq!(check(set("connection", "keep-alive"), true), refused);
        assert_eq!(check(set("upgrade", "websocket, h2c"), true), refused);
        let twice = |head: &mut Parts| {
            head.headers
                .append("sec-websocket-key", HeaderValue::from_static(KEY_OF_THE_RFC));
        };
        assert_eq!(check(twice, true), refused);
        assert_eq!(check(|head| head.method = Method::POST, true), refused);
        assert_eq!(check(|head| head.version = Version::HTTP_10, true), refused);
        // What asks for another protocol, or for none, is an ordinary request.
        assert_eq!(check(set("upgrade", "h2c"), true), None);
        assert_eq!(check(|head| drop(head.headers.remove("upgrade")), true), None);
    }

    #[test]
    fn a_site_answers_just_what_was_asked() {
        let fits = |change: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                ("upgrade", "websocket"),
                ("connection", "Upgrade"),
                ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ]
            .iter()
            .chain(change)
            {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            answers(&headers, KEY_OF_THE_RFC, &["chat".to_owned()])
        };
        assert!(fits(&[]));
        assert!(fits(&[("sec-websocket-protocol", "chat")]));
        for wrong in [
            ("sec-websocket-protocol", "other"),
            ("sec-websocket-protocol", "chat, chat"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOa="),
            ("upgrade", "h2c"),
            ("connection", "close"),
        ] {
            assert!(!fits(&[wrong]), "{wrong:?}");
        }
    }
}
