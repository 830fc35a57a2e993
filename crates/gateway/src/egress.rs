//! The proxy through which agents reach the web (RFC 9110 sections 7.6 and 9.3.6): each request and each tunnel is a call
//! like any other, of a known agent, ruled on and recorded before anything is connected to.
//!
//! Requests in clear are seen whole, both ways (`forward`), and those that become WebSockets message by message
//! (`socket`). Of a tunnel the site is seen, and that the TLS in it asks for
//! that very site (`tunnel`), unless the operator has it opened here (`intercept`). It has a listener of its own, so that the agents' other one keeps its exact host.
//!
//! INVARIANT: a name is resolved once, after the ruling, and what was judged is what is connected to (`upstream::reach`).

mod badge;
mod forward;
mod heads;
mod intercept;
mod listener;
mod mint;
mod socket;
mod tunnel;

use std::{net::SocketAddr, sync::Arc};

use bartizan_flow::{Effect, Manifest, PathPattern, Role};
use bartizan_guard::Permit;
use bartizan_types::{
    Action, CallFacts, Code, Finding, Principal, Record, RecordKind, Refusal, Resource, SiteName, Surface,
};
use bartizan_wire::{json, site::Site};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, request::Parts};
use hyper::{body::Incoming, ext::ReasonPhrase, upgrade::OnUpgrade};
use serde_json::{Value, value::to_raw_value};
use tokio::{net::TcpListener, sync::Semaphore};

pub(crate) use badge::Badge;
pub(crate) use listener::run;
pub(crate) use mint::Mint;

use crate::{
    Shared, StartFault,
    answer::AgentBody,
    authority::AuthorityFault,
    clock, config,
    edge::{self, Arriving},
    gate::{Caller, Passage},
    inspect::{Piece, Source, unread},
    meters::Gauge,
    model::sha256,
    serve,
    sessions::Traced,
    tls::Shown,
    upstream::{Carries, Pool, Reach},
};

/// The proxy, as all its connections share it.
pub(crate) struct Proxy {
    pub(crate) config: config::Egress,
    address: SocketAddr,
    tunnels: Arc<Semaphore>,
    /// Makes certificates for the sites whose tunnels are opened here.
    pub(crate) mint: Mint,
    /// Connections to sites that only the public internet has.
    public: Arc<Pool>,
    /// Connections to sites of which the operator said that they may lie inside.
    inside: Arc<Pool>,
    /// The same two for connections that become WebSockets.
    sockets: [Arc<Pool>; 2],
}

impl Proxy {
    /// Binds the proxy's listener.
    ///
    /// # Errors
    /// [`StartFault::Listen`], and [`StartFault::Plaintext`] where what crosses would not be kept from others.
    pub(crate) async fn bind(
        config: &config::Config,
        mint: Mint,
    ) -> Result<Option<(Self, TcpListener)>, StartFault> {
        let Some(egress) = &config.egress else {
            return Ok(None);
        };
        let address = crate::secured(&config::Listen {
            address: egress.address,
            ..config.listen.clone()
        })?;
        let listen = |source| StartFault::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let (roots, patience) = (egress.roots.as_deref(), config.limits.connect_timeout);
        let pool = |reach| Pool::unshared(reach, roots, patience).map(Arc::new);
        let socket = |reach| Pool::upgradable(reach, roots, patience).map(Arc::new);
        let proxy = Self {
            address: listener.local_addr().map_err(listen)?,
            tunnels: Arc::new(Semaphore::new(egress.tunnels.min(Semaphore::MAX_PERMITS))),
            public: pool(Reach::Public)?,
            inside: pool(Reach::Named)?,
            sockets: [socket(Reach::Public)?, socket(Reach::Named)?],
            mint,
            config: egress.clone(),
        };
        Ok(Some((proxy, listener)))
    }

    /// Where agents reach it.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Makes the root of opened tunnels, where there are to be any and there is none.
///
/// # Errors
/// [`AuthorityFault`], where it can't be made.
pub(crate) async fn ready(shared: &Shared) -> Result<(), AuthorityFault> {
    let Some(proxy) = shared
        .egress
        .as_ref()
        .filter(|proxy| !proxy.config.intercept.is_empty())
    else {
        return Ok(());
    };
    let now = clock::now();
    if proxy.mint.root(&shared.state, now)?.is_some() {
        return Ok(());
    }
    let root = proxy.mint.make(&shared.state, now)?;
    let mut record = Record::new(RecordKind::Operation, now);
    record.note = Some(format!(
        "web interception: root {} made, until {}",
        root.number, root.until
    ));
    if let Err(error) = shared.ledger.append(&record).await {
        tracing::error!(%error, "the making of a root was not recorded");
    }
    Ok(())
}

/// What a request names, and how.
enum Target {
    Tunnel(Site),
    Clear(Site),
}

/// Reads where a request goes. What names a host twice has to name the same one (RFC 9112 section 3.2.2 would have us
/// believe the first; a reader behind us might believe the other).
///
/// # Errors
/// [`Code::EgressTarget`], [`Code::HostMismatch`], [`Code::HttpMalformed`].
fn target(head: &Parts) -> Result<Target, Code> {
    edge::check_framing(&head.headers)?;
    let is_tunnel = head.method == Method::CONNECT;
    let authority = head.uri.authority().ok_or(Code::EgressTarget)?.as_str();
    let scheme = head.uri.scheme_str();
    if !is_tunnel && scheme != Some("http") {
        return Err(Code::EgressTarget);
    }
    let default = (!is_tunnel).then_some(80);
    let site = Site::parse(authority, default).ok_or(Code::EgressTarget)?;
    let mut hosts = head.headers.get_all(header::HOST).iter();
    if let Some(host) = hosts.next() {
        // Some clients leave the port out of the header of a tunnel.
        let default = if is_tunnel { site.port() } else { 80 };
        let named = host
            .to_str()
            .ok()
            .and_then(|host| Site::parse(host, Some(default)));
        if named.as_ref() != Some(&site) || hosts.next().is_some() {
            return Err(Code::HostMismatch);
        }
    }
    Ok(if is_tunnel {
        Target::Tunnel(site)
    } else {
        Target::Clear(site)
    })
}

/// What a client shows a proxy: a token, or as `Basic` (RFC 7617) the same as a password, since that is what an address
/// like `http://agent:KEY@proxy` becomes. The name before it says nothing that is believed.
fn credential(headers: &HeaderMap) -> Option<Result<String, Code>> {
    let mut shown = headers.get_all(header::PROXY_AUTHORIZATION).iter();
    let value = shown.next()?;
    if shown.next().is_some() {
        return Some(Err(Code::CredentialAmbiguous));
    }
    let malformed = Err(Code::CredentialMalformed);
    let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
        return Some(malformed);
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Ok(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Some(malformed);
    }
    let plain = STANDARD.decode(rest.trim()).ok();
    let plain = plain.and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((name, password)) = plain.as_deref().and_then(|plain| plain.split_once(':')) else {
        return Some(malformed);
    };
    Some(Ok(if password.is_empty() { name } else { password }.to_owned()))
}

/// Serves one request.
pub(crate) async fn request(shared: Arc<Shared>, mut request: Request<Incoming>) -> Response<AgentBody> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let (body, left) = Arriving::new(&head, body);
    let Ok(slot) = Arc::clone(&shared.slots).try_acquire_owned() else {
        drop(body);
        return left.settle(refusal(&shared.shed(Code::Saturated))).await;
    };
    let busy = Gauge::raise(Arc::clone(&shared.meters), |meters| &meters.in_progress);
    let mut who = None;
    match Box::pin(routed(&shared, head, body, upgrade, &mut who)).await {
        Ok(answer) => answer.map(|body| body.holding((slot, busy))),
        Err(said) => {
            drop((slot, busy));
            if let Some(late) = shared.turns.late(who.as_deref()) {
                tokio::time::sleep(late).await;
            }
            left.settle(refusal(&said)).await
        }
    }
}

async fn routed(
    shared: &Arc<Shared>,
    mut head: Parts,
    body: Arriving,
    upgrade: OnUpgrade,
    who: &mut Option<Arc<Principal>>,
) -> Result<Response<AgentBody>, Refusal> {
    let early = |code| shared.reject(code, None);
    let now = clock::now();
    let shown = credential(&head.headers).transpose().map_err(early)?;
    let badge = Badge::new(shown, head.extensions.get::<Shown>().cloned());
    let principal = badge.judge(shared, now).map_err(early)?;
    *who = Some(Arc::clone(&principal));
    if shared.is_draining() {
        return Err(shared.shed(Code::Draining));
    }
    let late = |code| shared.reject(code, Some(&principal));
    let target = target(&head).map_err(late)?;
    if let Target::Clear(site) = &target {
        head.uri = spelled(site, "http", &head.uri).ok_or_else(|| late(Code::EgressTarget))?;
    }
    let head = &head;
    serve::in_turn(
        shared,
        Arc::clone(&principal),
        now,
        None,
        |mut caller| async move {
            caller.badge = Some(badge);
            match target {
                Target::Tunnel(site) => tunnel::serve(shared, &caller, site, upgrade).await,
                Target::Clear(site) => forward::serve(shared, &caller, site, head, (body, upgrade)).await,
            }
        },
    )
    .await
}

/// An address at a site, spelled as policy sees the site: what is resolved, connected to and said in `Host` is that.
fn spelled(site: &Site, scheme: &str, uri: &Uri) -> Option<Uri> {
    let standard = if scheme == "https" { ":443" } else { ":80" };
    let authority = site.to_string();
    let authority = authority.strip_suffix(standard).unwrap_or(&authority);
    let path = uri.path();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{authority}{path}{query}").parse().ok()
}

/// One request or tunnel, as it is ruled on.
struct Wish {
    shared: Arc<Shared>,
    caller: Caller,
    site: Site,
    action: Action,
    manifest: Arc<Manifest>,
    /// What policy and flow see of it.
    arguments: Value,
    /// What is looked into beside them: headers by their names.
    headers: Vec<(String, String)>,
    /// All of it is in `arguments`.
    complete: bool,
    /// The body.
    bytes: u64,
    digest: bartizan_types::Digest,
}

impl Wish {
    /// Of this caller, to this site; `effect` is what it would do there.
    fn new(
        shared: &Arc<Shared>,
        caller: &Caller,
        site: Site,
        action: Action,
        effect: Effect,
    ) -> Option<Self> {
        let proxy = shared.egress.as_ref()?;
        let fits = |patterns: &[bartizan_wire::site::SitePattern]| patterns.iter().any(|one| one.fits(&site));
        let listed = fits(&proxy.config.hosts) || fits(&proxy.config.inside);
        Some(Self {
            shared: Arc::clone(shared),
            caller: caller.clone(),
            manifest: Arc::new(manifest(effect, listed)),
            arguments: Value::Null,
            headers: Vec::new(),
            complete: true,
            bytes: 0,
            digest: sha256(site.to_string().as_bytes()),
            site,
            action,
        })
    }

    /// How far its connection may lead, and with which connections.
    fn reach(&self) -> (Reach, Option<Arc<Pool>>) {
        let Some(proxy) = &self.shared.egress else {
            return (Reach::Public, None);
        };
        if proxy.config.inside.iter().any(|one| one.fits(&self.site)) {
            (Reach::Named, Some(Arc::clone(&proxy.inside)))
        } else {
            (Reach::Public, Some(Arc::clone(&proxy.public)))
        }
    }

    /// Connections within its reach that may become WebSockets.
    fn sockets(&self) -> Option<Arc<Pool>> {
        let proxy = self.shared.egress.as_ref()?;
        let [public, inside] = &proxy.sockets;
        Some(match self.reach().0 {
            Reach::Public => Arc::clone(public),
            _ => Arc::clone(inside),
        })
    }

    fn early(&self, code: Code) -> Refusal {
        self.shared.reject(code, Some(&self.caller.principal))
    }

    /// Rules on it. Where a human is asked, and the configuration says so, it waits for her and is ruled on once more.
    ///
    /// # Errors
    /// The refusal to tell, already recorded.
    async fn ruled<R: Carries>(&self, outbound: impl Fn() -> R) -> Result<(Permit<R>, Passage<R>), Refusal> {
        match self.once(outbound()).await {
            Err(refusal) if self.shared.approvals.waits() => match refusal.approval {
                Some(id) if self.shared.approvals.allowed(id).await => self.once(outbound()).await,
                _ => Err(refusal),
            },
            done => done,
        }
    }

    async fn once<R: Carries>(&self, outbound: R) -> Result<(Permit<R>, Passage<R>), Refusal> {
        let site = SiteName::new(&self.site.to_string()).map_err(|_| self.early(Code::EgressTarget))?;
        let raw = to_raw_value(&self.arguments).map_err(|_| self.early(Code::Bug))?;
        let mut arguments = json::arguments(&raw);
        arguments.complete &= self.complete;
        let facts = CallFacts {
            bytes: self.bytes,
            digest: self.digest,
            streaming: self.action == Action::OpenTunnel,
            arguments: Some(arguments),
            ..CallFacts::new(
                clock::mint(clock::now()),
                self.action,
                Resource::Site { site },
                Surface::Egress,
            )
        };
        let mut traced = Traced::new(
            &self.caller.session,
            self.site.host(),
            Arc::clone(&self.manifest),
            self.arguments.clone(),
        );
        // Bytes go out as they came, and who reads them there nobody knows.
        traced.fixed = true;
        traced.readable = Some(false);
        let mut findings = self.shared.look_at_arguments(&self.caller, &facts, &raw).await;
        findings.extend(self.look_at_headers(&facts).await);
        if !self.complete && self.shared.inspector.is_some() {
            findings.push(unread("/body"));
        }
        let asking = self.shared.evidence(&self.caller, facts, findings);
        self.shared.enter(asking.traced(Some(traced)), outbound).await
    }
}

impl Wish {
    /// What is seen in its headers.
    async fn look_at_headers(&self, facts: &CallFacts) -> Vec<Finding> {
        if self.headers.is_empty() || self.shared.inspector.is_none() {
            return Vec::new();
        }
        let pieces: Vec<Piece<'_>> = self
            .headers
            .iter()
            .map(|(name, value)| Piece::of_text(Source::Data, value, &format!("/headers/{name}")))
            .collect();
        self.shared
            .look(&self.caller, Some(facts.id), &pieces)
            .await
            .findings
    }
}

/// What the parts of a request do. Where it goes is no argument once the operator listed the site.
fn manifest(effect: Effect, listed: bool) -> Manifest {
    let role = |path, role| (PathPattern::new(path), role);
    let mut arguments = Vec::with_capacity(5);
    if !listed {
        arguments.push(role("host", Role::Target));
    }
    arguments.push(role("path", Role::Content));
    arguments.push(role("query", Role::Content));
    arguments.push(role("body.**", Role::Content));
    arguments.push(role("**", Role::Value));
    Manifest {
        effect,
        arguments,
        results: Vec::new(),
        reviewed: listed,
        public: false,
        json_text: false,
        searches: false,
        codes_from: Vec::new(),
        codes: Vec::new(),
    }
}

/// A refusal as clients of proxies see it: many show the first line and nothing else, so the code is there, too.
fn refusal(refusal: &Refusal) -> Response<AgentBody> {
    let mut response = serve::refusal(&serve::Shape::Plain, refusal);
    if let Ok(reason) = ReasonPhrase::try_from(refusal.code.as_str().as_bytes()) {
        response.extensions_mut().insert(reason);
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        *response.status_mut() = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        let headers = response.headers_mut();
        headers.remove(header::WWW_AUTHENTICATE);
        for challenge in [
            "Basic realm=\"bartizan\", charset=\"UTF-8\"",
            "Bearer realm=\"bartizan\"",
        ] {
            headers.append(header::PROXY_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
    }
    response
}

#[cfg(test)]
mod tests;
