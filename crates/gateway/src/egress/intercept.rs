//! A tunnel that the operator has opened (`danger_intercept`): its TLS ends here, by a certificate of the installation's own
//! root, and each request in it is ruled on, sent and read as one in clear is, over TLS that is verified anew.
//!
//! HTTP/2 is spoken where the agent chose it (ALPN, RFC 9113 section 3.2), else HTTP/1.1; towards the site, what the site
//! chooses. A WebSocket is opened over HTTP/1.1 alone: extended `CONNECT` (RFC 8441) is not offered.
//!
//! What it refuses: another name in the hello than the tunnel's, another `Host` or `:authority` in a request, whole addresses
//! in HTTP/1.1, tunnels in the tunnel.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bartizan_guard::AnswerFacts;
use bartizan_types::{Code, Refusal};
use bartizan_wire::site::Site;
use bytes::Bytes;
use http::{Method, Request, Response, Version, header, request::Parts, uri::Scheme};
use hyper::{body::Incoming, server::conn::http2, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsAcceptor;

use super::{Badge, Wish, forward, refusal, spelled, tunnel};
use crate::{
    Shared,
    answer::AgentBody,
    clock,
    config::Limits,
    edge::{self, Arriving},
    gate::{Caller, Passage},
    listener::{CatchPanic, Watched, bounded, ended_early},
    meters::Gauge,
    serve,
    unread::Heard,
};

/// Rules on a tunnel whose inside is ruled on as well, and opens it at this end.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(super) async fn serve(
    wish: Wish,
    slot: OwnedSemaphorePermit,
    upgrade: OnUpgrade,
) -> Result<Response<AgentBody>, Refusal> {
    let (permit, mut passage) = wish.ruled(|| ()).await?;
    let () = permit.spend();
    let release = passage.answered(AnswerFacts {
        status: Some(200),
        findings: Vec::new(),
    })?;
    let call = passage.call().to_string();
    let open = Gauge::raise(Arc::clone(&wish.shared.meters), |meters| &meters.streams);
    tokio::spawn(async move {
        run(wish, passage, upgrade).await;
        drop((open, slot));
    });
    let mut response = Response::new(AgentBody::whole(release, Bytes::new()));
    if let Ok(call) = http::HeaderValue::from_str(&call) {
        response.headers_mut().insert("x-bartizan-call", call);
    }
    Ok(response)
}

/// Serves what comes through until the agent closes it, something of it is revoked, its credential or the gateway ends.
async fn run(wish: Wish, passage: Passage<()>, upgrade: OnUpgrade) {
    let (shared, reins) = (Arc::clone(&wish.shared), Arc::clone(&wish.caller.reins));
    let cut = Arc::clone(&reins).cut(Arc::clone(&shared.revoked));
    let ended = tokio::select! {
        biased;
        code = cut => Err(code),
        code = tunnel::drained(&shared) => Err(code),
        code = over(&shared, &wish.caller) => Err(code),
        ended = inside(&shared, &wish, upgrade) => ended,
    };
    match ended {
        Ok(()) => passage.finish(),
        Err(code) => {
            tracing::debug!(site = %wish.site, %code, "a tunnel was ended");
            passage.withheld(code);
        }
    }
}

/// Resolves when the credential that opened the tunnel has ended: by its time, or because who may call has changed.
pub(super) async fn over(shared: &Shared, caller: &Caller) -> Code {
    let late = async {
        let Some(expires) = caller.principal.expires else {
            return std::future::pending().await;
        };
        let left = expires.micros_since(clock::now());
        tokio::time::sleep(Duration::from_micros(left)).await;
        Code::TokenExpired
    };
    let ended = async {
        match &caller.badge {
            Some(badge) => badge.ends(shared).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        code = late => code,
        code = ended => code,
    }
}

async fn inside(shared: &Arc<Shared>, wish: &Wish, upgrade: OnUpgrade) -> Result<(), Code> {
    let limits = &shared.config.limits;
    let proxy = shared.egress.as_ref().ok_or(Code::Bug)?;
    let near = tokio::time::timeout(limits.header_timeout, upgrade).await;
    let near = near.ok().and_then(Result::ok).ok_or(Code::SlowCaller)?;
    let tls = proxy.mint.serving(&shared.state, wish.site.host(), clock::now());
    let tls = tls.map_err(|fault| {
        tracing::error!(site = %wish.site, error = %fault, "there is no certificate for a tunnel");
        Code::Bug
    })?;
    let accepting = TlsAcceptor::from(tls).accept(TokioIo::new(near));
    let accepted = tokio::time::timeout(limits.header_timeout, accepting).await;
    let stream = accepted.map_err(|_| Code::SlowCaller)?.map_err(|fault| {
        tracing::debug!(site = %wish.site, error = %fault, "no TLS in a tunnel");
        Code::EgressHello
    })?;
    let (ours, badge, site) = (
        Arc::clone(shared),
        wish.caller.badge.clone().ok_or(Code::Bug)?,
        wish.site.clone(),
    );
    let heard = Heard::new(shared);
    let hears = heard.clone();
    let service = service_fn(move |asked: Request<Incoming>| {
        hears.asked();
        one(Arc::clone(&ours), badge.clone(), site.clone(), asked)
    });
    let stream = Watched::new(stream, limits.write_timeout);
    let ended = if stream.watched().get_ref().1.alpn_protocol() == Some(b"h2") {
        second(limits)
            .serve_connection(TokioIo::new(stream), service)
            .await
    } else {
        let stream = TokioIo::new(heard.over(stream));
        let serving = bounded(limits).serve_connection(stream, service);
        serving.with_upgrades().await
    };
    if let Err(fault) = ended {
        ended_early(&heard, &fault, Some(&wish.caller.principal));
    }
    Ok(())
}

/// What speaks HTTP/2 with an agent, within the bounds of a request's head.
fn second(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(128)
        .keep_alive_interval(Duration::from_secs(20));
    builder
}

async fn one(
    shared: Arc<Shared>,
    badge: Badge,
    site: Site,
    asked: Request<Incoming>,
) -> Result<Response<AgentBody>, Infallible> {
    let caught = CatchPanic(Box::pin(request(Arc::clone(&shared), badge, site, asked))).await;
    Ok(caught.unwrap_or_else(|| serve::after_panic(&shared)))
}

/// Serves one request of a tunnel.
async fn request(
    shared: Arc<Shared>,
    badge: Badge,
    site: Site,
    mut asked: Request<Incoming>,
) -> Response<AgentBody> {
    let upgrade = hyper::upgrade::on(&mut asked);
    let (mut head, body) = asked.into_parts();
    let (body, left) = Arriving::new(&head, body);
    let Ok(slot) = Arc::clone(&shared.slots).try_acquire_owned() else {
        drop(body);
        return left.settle(refusal(&shared.shed(Code::Saturated))).await;
    };
    let busy = Gauge::raise(Arc::clone(&shared.meters), |meters| &meters.in_progress);
    let now = clock::now();
    let judged = badge.judge(&shared, now);
    let who = judged.as_ref().ok().map(Arc::clone);
    let answered = async {
        let principal = judged.map_err(|code| shared.reject(code, None))?;
        if shared.is_draining() {
            return Err(shared.shed(Code::Draining));
        }
        whole(&site, &mut head).map_err(|code| shared.reject(code, Some(&principal)))?;
        serve::in_turn(&shared, principal, now, None, |mut caller| {
            let (shared, head) = (&shared, &head);
            caller.badge = Some(badge);
            async move { forward::serve(shared, &caller, site, head, (body, upgrade)).await }
        })
        .await
    };
    match answered.await {
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

/// Puts the tunnel's site before the path of a request, which must name no other.
///
/// # Errors
/// [`Code::EgressTarget`], [`Code::HostMismatch`], [`Code::HttpMalformed`].
fn whole(site: &Site, head: &mut Parts) -> Result<(), Code> {
    edge::check_framing(&head.headers)?;
    let path = head.uri.path_and_query().map(|path| path.as_str());
    let is_second = head.version == Version::HTTP_2;
    let plain = match head.uri.authority() {
        None => !is_second,
        // `:scheme` and `:authority` are how HTTP/2 says what `Host` says (RFC 9113 section 8.3.1).
        Some(_) => is_second && head.uri.scheme() == Some(&Scheme::HTTPS),
    };
    let goes = |path: &str| plain && head.method != Method::CONNECT && path.starts_with('/');
    if !path.is_some_and(goes) {
        return Err(Code::EgressTarget);
    }
    let is_ours = |host: &str| Site::parse(host, Some(443)).as_ref() == Some(site);
    if head
        .uri
        .authority()
        .is_some_and(|authority| !is_ours(authority.as_str()))
    {
        return Err(Code::HostMismatch);
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if host.to_str().is_ok_and(is_ours) => {}
        (None, None) if is_second => {}
        _ => return Err(Code::HostMismatch),
    }
    head.uri = spelled(site, "https", &head.uri).ok_or(Code::EgressTarget)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, uri: &str, hosts: &[&str]) -> Result<String, Code> {
        checked(Version::HTTP_11, method, uri, hosts)
    }

    fn checked(version: Version, method: &str, uri: &str, hosts: &[&str]) -> Result<String, Code> {
        let mut request = Request::builder().version(version).method(method).uri(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let site = Site::parse("api.example.com:443", None).unwrap();
        whole(&site, &mut head).map(|()| head.uri.to_string())
    }

    #[test]
    fn a_request_in_a_tunnel_is_for_its_site_or_refused() {
        let to = "https://api.example.com/a?b=c";
        assert_eq!(check("GET", "/a?b=c", &["api.example.com"]).as_deref(), Ok(to));
        assert_eq!(
            check("GET", "/a?b=c", &["API.example.com:443"]).as_deref(),
            Ok(to)
        );
        for (method, uri, hosts, code) in [
            ("GET", "/", &["evil.example.com"][..], Code::HostMismatch),
            ("GET", "/", &["api.example.com:444"], Code::HostMismatch),
            ("GET", "/", &[], Code::HostMismatch),
            (
                "GET",
                "/",
                &["api.example.com", "api.example.com"],
                Code::HostMismatch,
            ),
            (
                "GET",
                "https://api.example.com/",
                &["api.example.com"],
                Code::EgressTarget,
            ),
            ("OPTIONS", "*", &["api.example.com"], Code::EgressTarget),
            (
                "CONNECT",
                "api.example.com:443",
                &["api.example.com"],
                Code::EgressTarget,
            ),
        ] {
            assert_eq!(check(method, uri, hosts), Err(code), "{method} {uri} {hosts:?}");
        }
    }

    #[test]
    fn in_http_2_the_authority_is_the_tunnels_site_and_so_is_a_host_beside_it() {
        let two = |method: &str, uri: &str, hosts: &[&str]| checked(Version::HTTP_2, method, uri, hosts);
        let to = "https://api.example.com/a?b=c";
        assert_eq!(two("GET", to, &[]).as_deref(), Ok(to));
        let with_port = "https://api.example.com:443/a?b=c";
        assert_eq!(two("GET", with_port, &["api.example.com"]).as_deref(), Ok(to));
        for (method, uri, hosts, code) in [
            ("GET", "https://evil.example.com/", &[][..], Code::HostMismatch),
            ("GET", "https://api.example.com:444/", &[], Code::HostMismatch),
            ("GET", to, &["evil.example.com"], Code::HostMismatch),
            (
                "GET",
                to,
                &["api.example.com", "api.example.com"],
                Code::HostMismatch,
            ),
            ("GET", "http://api.example.com/", &[], Code::EgressTarget),
            ("GET", "/a", &["api.example.com"], Code::EgressTarget),
            ("CONNECT", "api.example.com:443", &[], Code::EgressTarget),
            ("CONNECT", to, &[], Code::EgressTarget),
        ] {
            assert_eq!(two(method, uri, hosts), Err(code), "{method} {uri} {hosts:?}");
        }
    }
}
