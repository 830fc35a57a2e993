//! The peers: where each is, what it is sent beside the body, and whether its card is the one that was seen before.
//!
//! INVARIANT: a card is fetched from the address that the operator configured, through a permit like anything else, and
//! messages go to the configured address whatever the card says. A card that must be signed and is not is no card.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bartizan_flow::{Content, Manifest};
use bartizan_guard::AnswerFacts;
use bartizan_identity::{Algorithm, KeySet, verify_card};
use bartizan_mcp::{PinKind, ServerPins};
use bartizan_types::{
    Action, AgentId, CallFacts, CallId, Code, PeerName, PinState, Refusal, Resource, ServerName, SessionId,
    Surface, Timestamp, UpstreamName, UserId,
};
use bartizan_wire::{
    a2a::{self as wire, VERSION, VERSION_HEADER, card::Card},
    json,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri, header};
use serde_json::{Value, value::RawValue, value::to_raw_value};

use super::{dress, raw, strict};
use crate::{
    Shared, StartFault,
    answer::AgentBody,
    clock,
    config::{self, Config},
    directory::housekeeper,
    edge::{self, BodyBounds},
    gate::Caller,
    given::Given,
    mcp::pins,
    model::sha256,
    sessions::Moved,
    telemetry::otlp::traceparent,
    upstream::{self, Outbound, Pool, echo::is_credential, svid::OwnSvid},
};

/// How long a card that was read counts as what the peer says now.
const FRESH: Duration = Duration::from_secs(300);
/// Largest card, bytes.
const CARD_BYTES: usize = 256 << 10;
/// The name under which a card is pinned.
const CARD: &str = "card";
/// Deepest nesting of an answer that is searched for ids.
const DEPTH: u8 = 32;
/// Identities whose talk with one peer is remembered; forgetting one only tightens.
const TALKS: usize = 16_384;

type Identity = (AgentId, Option<UserId>);

/// One peer.
pub(crate) struct Peer {
    pub(crate) config: config::Peer,
    /// Whether agents reach us by TLS.
    pub(crate) tls: bool,
    card_at: Uri,
    pool: Arc<Pool>,
    keys: Option<KeySet>,
    known: Mutex<Known>,
    talks: Mutex<HashMap<Identity, (SessionId, u64)>>,
    /// Ids of tasks, contexts and pages that it handed out.
    ids: Given,
}

#[derive(Default)]
struct Known {
    card: Option<Arc<Card>>,
    standing: Option<PinState>,
    read: Option<Timestamp>,
    failure: Option<(Timestamp, String)>,
}

/// All peers.
pub(crate) struct Peers {
    all: BTreeMap<PeerName, Arc<Peer>>,
}

impl Peers {
    /// Resolves the configuration.
    pub(crate) fn new(config: &Config, own: &Arc<OwnSvid>) -> Result<Self, StartFault> {
        let mut all = BTreeMap::new();
        for peer in &config.peers {
            let keys = peer.card_keys.as_ref().map(|path| read_keys(path)).transpose()?;
            let made = Peer {
                tls: config.listen.tls.is_some(),
                card_at: card_address(peer)?,
                pool: Arc::new(Pool::operators(
                    peer.spiffe_id.as_ref().map(|id| (own, id)),
                    peer.roots.as_deref(),
                    config.limits.connect_timeout,
                )?),
                keys,
                known: Mutex::default(),
                talks: Mutex::default(),
                ids: Given::default(),
                config: peer.clone(),
            };
            all.insert(peer.name.clone(), Arc::new(made));
        }
        Ok(Self { all })
    }

    /// The peer of this name.
    pub(crate) fn named(&self, name: &PeerName) -> Option<Arc<Peer>> {
        self.all.get(name).map(Arc::clone)
    }

    /// Every peer, for status: name, address, pin, and the last failure.
    pub(crate) fn status(&self) -> Vec<PeerStatus> {
        let show = |peer: &Arc<Peer>| {
            let known = peer.known();
            PeerStatus {
                name: peer.config.name.clone(),
                url: peer.config.url.to_string(),
                card: known.card.as_ref().map(|card| card.name().to_owned()),
                pin: known.standing.unwrap_or(PinState::None),
                last_failure: known.failure.clone(),
            }
        };
        self.all.values().map(show).collect()
    }
}

/// A peer, as status shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its name here.
    pub name: PeerName,
    /// Where messages go.
    pub url: String,
    /// What its card calls it, once read.
    pub card: Option<String>,
    /// How its card stands against the pin.
    pub pin: PinState,
    /// When it last failed, and how.
    pub last_failure: Option<(Timestamp, String)>,
}

/// What a peer calls its tasks, contexts and pages; not what stands in what it says.
fn ids<'v>(value: &'v Value, found: &mut Vec<&'v str>, depth: u8) {
    if depth > DEPTH {
        return;
    }
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                match (key.as_str(), inner) {
                    ("id" | "taskId" | "contextId" | "nextPageToken", Value::String(text)) => {
                        found.push(text)
                    }
                    ("parts" | "metadata" | "data", _) => {}
                    _ => ids(inner, found, depth + 1),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| ids(item, found, depth + 1)),
        _ => {}
    }
}

fn identity(caller: &Caller) -> Identity {
    (caller.principal.agent.clone(), caller.principal.user.clone())
}

fn read_keys(path: &std::path::Path) -> Result<KeySet, StartFault> {
    let fault = |reason: String| StartFault::CardKeys {
        path: path.to_owned(),
        reason,
    };
    let bytes = std::fs::read(path).map_err(|source| fault(source.to_string()))?;
    KeySet::parse(&bytes).map_err(|source| fault(source.to_string()))
}

/// The card's address: the configured one, or the well-known one of the peer's origin.
fn card_address(peer: &config::Peer) -> Result<Uri, StartFault> {
    if let Some(card) = &peer.card {
        return Ok(card.clone());
    }
    let mut parts = peer.url.clone().into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static(wire::card::WELL_KNOWN));
    Uri::from_parts(parts).map_err(|_| StartFault::PeerAddress {
        peer: peer.name.to_string(),
    })
}

impl Peer {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What calls of it are compared with in the human's words: she asks the billing agent.
    pub(crate) fn spoken(&self) -> String {
        format!("ask_{}_agent", self.config.name)
    }

    /// The operator lists the host of this address for notifications. HTTPS alone: what is sent there tells of the task.
    pub(crate) fn may_push(&self, url: &str) -> bool {
        let Ok(uri) = url.parse::<Uri>() else {
            return false;
        };
        let Some(authority) = uri.authority() else {
            return false;
        };
        // One reading: no user before the host, nothing that another parser might take for its end.
        let odd = url.contains(['@', '\\', '#']) || !url.is_ascii() || url.bytes().any(|byte| byte <= b' ');
        let listed = |host: &String| host.eq_ignore_ascii_case(authority.as_str());
        uri.scheme_str() == Some("https") && !odd && self.config.push_hosts.iter().any(listed)
    }

    /// A request to the peer, with the gateway's own credential for it. Its trace is ours: one of the agent's own could say
    /// anything.
    ///
    /// # Errors
    /// [`Code::SecretMissing`].
    pub(crate) fn outbound(&self, shared: &Shared, body: Bytes, call: CallId) -> Result<Outbound, Code> {
        let mut headers = self.headers(shared)?;
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, accept);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let trace = HeaderValue::from_str(&traceparent(call)).map_err(|_| Code::Bug)?;
        headers.insert(HeaderName::from_static("traceparent"), trace);
        self.request(Method::POST, self.config.url.clone(), headers, body)
    }

    fn request(&self, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Outbound, Code> {
        Ok(Outbound {
            upstream: UpstreamName::new(&format!("peer/{}", self.config.name)).map_err(|_| Code::Bug)?,
            pool: Arc::clone(&self.pool),
            method,
            uri,
            headers,
            body,
            secrets: upstream::names_of(&self.config.headers),
            sign: None,
        })
    }

    fn headers(&self, shared: &Shared) -> Result<HeaderMap, Code> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(
            HeaderName::from_static(VERSION_HEADER),
            HeaderValue::from_static(VERSION),
        );
        for (name, value) in &self.config.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Code::Bug)?;
            let is_secret = matches!(value, config::EnvValue::Secret(_)) || is_credential(&name);
            let mut value = match value {
                config::EnvValue::Plain(text) => HeaderValue::from_str(text),
                config::EnvValue::Secret(secret) => {
                    let held = shared.secrets.reveal(secret).map_err(|_| Code::SecretMissing)?;
                    HeaderValue::from_bytes(held.ok_or(Code::SecretMissing)?.expose())
                }
            }
            .map_err(|_| Code::SecretMissing)?;
            value.set_sensitive(is_secret);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// Remembers a failure for status.
    pub(crate) fn failed(&self, reason: &dyn std::error::Error) {
        tracing::warn!(peer = %self.config.name, error = %reason, "peer failed");
        self.known().failure = Some((clock::now(), reason.to_string()));
    }

    /// Whether the session has read nothing that an outsider wrote, or only what this very peer did. `epoch` is the
    /// session's before its arguments were traced.
    pub(crate) fn is_sole(&self, caller: &Caller, epoch: u64, tainted: bool) -> bool {
        !tainted || self.talks().get(&identity(caller)) == Some(&(caller.session.id, epoch))
    }

    /// An answer of this peer was read. Where it is the first thing from outside, or follows nothing else, the session
    /// still knows nobody but this peer.
    pub(crate) fn heard(&self, caller: &Caller, moved: Option<Moved>) {
        let Some(moved) = moved else {
            return;
        };
        let (key, id) = (identity(caller), caller.session.id);
        let mut talks = self.talks();
        if !moved.tainted || talks.get(&key) == Some(&(id, moved.before)) {
            if talks.len() >= TALKS {
                talks.clear();
            }
            talks.insert(key, (id, moved.after));
        }
    }

    /// Notes the ids in an answer.
    pub(crate) fn names(&self, answer: &Value) {
        let mut found = Vec::new();
        ids(answer, &mut found, 0);
        self.ids.note(found);
    }

    /// Whether this peer handed out this id, or it is none.
    pub(crate) fn gave(&self, id: &str) -> bool {
        id.is_empty() || self.ids.knows(id)
    }

    /// Whether its card names this tenant of it, or it is none.
    pub(crate) fn serves(&self, tenant: &str) -> bool {
        let known = self.known();
        tenant.is_empty() || known.card.as_ref().is_some_and(|card| card.serves(tenant))
    }

    fn talks(&self) -> MutexGuard<'_, HashMap<Identity, (SessionId, u64)>> {
        self.talks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An extended card as agents are shown it: held to the same keys, and of the same peer.
    pub(crate) fn extended(&self, card: Value, own: &str) -> Option<Box<RawValue>> {
        let card = Card::of(card).ok()?;
        self.signed(&card).ok()?;
        let same = self
            .known()
            .card
            .as_ref()
            .is_some_and(|known| known.name() == card.name());
        same.then(|| raw(card.shown(own, self.pushes()))).flatten()
    }

    fn pushes(&self) -> bool {
        !self.config.push_hosts.is_empty()
    }

    /// Signed by a key of the operator's, where one is wanted. One good signature is enough: others may be of keys that
    /// we do not hold.
    fn signed(&self, card: &Card) -> Result<(), Code> {
        let Some(keys) = &self.keys else {
            return Ok(());
        };
        let algorithms: Vec<Algorithm> = Algorithm::ALL.to_vec();
        let good = card.signatures().iter().any(|one| {
            verify_card(keys, &algorithms, &one.protected, &one.signature, card.payloads()).is_ok()
        });
        if good { Ok(()) } else { Err(Code::PeerCard) }
    }

    /// Where its pins are kept. No configured server can be called so.
    fn pins(&self) -> Result<ServerName, Code> {
        ServerName::new(&format!("peer/{}", self.config.name)).map_err(|_| Code::Bug)
    }

    /// Holds a card against its pin, and keeps it.
    fn judge(&self, shared: &Shared, card: Card) -> Result<(Arc<Card>, PinState), Code> {
        self.signed(&card)?;
        let server = self.pins()?;
        let before = pins::load(&shared.state, &server)?;
        let mut after: ServerPins = before.clone();
        let definition = to_raw_value(&card.definition()).map_err(|_| Code::PeerCard)?;
        let (judged, _) = after
            .judge(PinKind::Identity, CARD, &definition, clock::now())
            .map_err(|_| Code::PeerCard)?;
        pins::save(&shared.state, &before, &after)?;
        let card = Arc::new(card);
        let mut known = self.known();
        known.card = Some(Arc::clone(&card));
        known.standing = Some(judged.state);
        known.read = Some(clock::now());
        Ok((card, judged.state))
    }

    /// What a call of the card is, as policy sees it.
    fn card_call(&self, pin: PinState) -> CallFacts {
        let resource = Resource::Peer {
            peer: self.config.name.clone(),
        };
        CallFacts {
            pin,
            digest: sha256(b""),
            ..CallFacts::new(
                clock::mint(clock::now()),
                Action::ReadCard,
                resource,
                Surface::A2a,
            )
        }
    }

    /// How it stands by its pin alone.
    fn pinned(&self, shared: &Shared) -> Result<PinState, Code> {
        let server = self.pins()?;
        let pins = pins::load(&shared.state, &server)?;
        Ok(match pins.state(PinKind::Identity, CARD) {
            PinState::Unlisted => PinState::None,
            state => state,
        })
    }
}

/// How a peer's card stands: read anew where it was not for a while. An operator's approval counts at once.
///
/// # Errors
/// [`Code::PeerCard`] where no card was ever read, or it is not signed as it must be.
pub(crate) async fn standing(shared: &Arc<Shared>, peer: &Arc<Peer>) -> Result<PinState, Code> {
    let now = clock::now();
    let fresh = {
        let known = peer.known();
        let fresh_micros = u64::try_from(FRESH.as_micros()).unwrap_or(u64::MAX);
        known
            .read
            .is_some_and(|read| now.micros_since(read) <= fresh_micros)
    };
    if !fresh {
        let caller = housekeeper(shared)?;
        match fetch(shared, &caller, peer).await {
            Ok((_, state)) => return Ok(state),
            // Not reached: what it said last is what is held to. Reached, and wrong: it is not to be written to.
            Err(refusal) if peer.known().card.is_none() || refusal.code == Code::PeerCard => {
                return Err(refusal.code);
            }
            Err(_) => {}
        }
    }
    peer.pinned(shared)
}

/// Fetches the card as this caller, and holds it against its pin.
async fn fetch(
    shared: &Arc<Shared>,
    caller: &Caller,
    peer: &Arc<Peer>,
) -> Result<(Arc<Card>, PinState), Refusal> {
    let early = |code| shared.reject(code, Some(&caller.principal));
    let mut headers = peer.headers(shared).map_err(early)?;
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let outbound = peer
        .request(Method::GET, peer.card_at.clone(), headers, Bytes::new())
        .map_err(early)?;
    // Whether it has changed is what reading it will tell.
    let facts = peer.card_call(PinState::None);
    let evidence = shared.evidence(caller, facts, Vec::new());
    let (permit, mut passage) = shared.enter(evidence, outbound).await?;
    let response = match upstream::send(permit, peer.config.timeout).await {
        Ok(response) => response,
        Err(fault) => {
            peer.failed(&fault);
            return Err(passage.failed(fault.code()));
        }
    };
    let (head, body) = response.into_parts();
    let bounds = BodyBounds {
        bytes: CARD_BYTES,
        ..BodyBounds::answer(&shared.config.limits)
    };
    let read = match edge::read(&head.headers, body, bounds, None).await {
        Ok((bytes, _)) if head.status.is_success() => bytes,
        Ok(_) => return Err(passage.failed(Code::UpstreamUnreachable)),
        Err(code) => return Err(passage.failed(code)),
    };
    let card = json::scan(&read, &strict(shared, read.len())).and_then(Card::read);
    let judged = card
        .map_err(|_| Code::PeerCard)
        .and_then(|card| peer.judge(shared, card));
    match judged {
        Ok(judged) => {
            let facts = AnswerFacts {
                status: Some(head.status.as_u16()),
                findings: Vec::new(),
            };
            let _call = passage.answered(facts)?.spend();
            passage.released.transcript = Some(sha256(&read));
            passage.finish();
            Ok(judged)
        }
        Err(code) => {
            let mut known = peer.known();
            known.failure = Some((clock::now(), code.sentence().to_owned()));
            drop(known);
            Err(passage.failed(code))
        }
    }
}

/// Shows an agent the peer's card, with our own address in it.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn show(
    shared: &Arc<Shared>,
    caller: &Caller,
    peer: &Arc<Peer>,
    own: &str,
) -> Result<Response<AgentBody>, Refusal> {
    let housekeeper = housekeeper(shared).map_err(|code| shared.reject(code, Some(&caller.principal)))?;
    let (card, state) = fetch(shared, &housekeeper, peer).await?;
    let findings = shared.inspector.as_ref().map_or_else(Vec::new, |inspector| {
        let said = card.definition().to_string();
        inspector.description(peer.config.name.as_str(), "card", &said)
    });
    let evidence = shared.evidence(caller, peer.card_call(state), findings);
    let (permit, mut passage) = shared.enter(evidence, ()).await?;
    let () = permit.spend();
    // Descriptions and skills are the peer's own words.
    let said = card.definition();
    let moved = caller
        .session
        .read_from(&Manifest::unknown(), Content::Json(&said));
    peer.heard(caller, moved);
    let release = passage.answered(AnswerFacts {
        status: Some(200),
        findings: Vec::new(),
    })?;
    let bytes = Bytes::from(card.shown(own, peer.pushes()));
    passage.released.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    passage.released.transcript = Some(sha256(&bytes));
    let mut response = Response::new(AgentBody::whole(release, bytes));
    dress(
        response.headers_mut(),
        "application/json",
        &passage.call().to_string(),
    );
    passage.finish();
    Ok(response)
}
