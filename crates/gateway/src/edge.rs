//! What is checked of every request before anything of it is believed: host, origin, credential, type, size, time.

mod arriving;

use std::net::IpAddr;

use bartizan_identity::{Credential, Presented, ProofOf};
use bartizan_types::Code;
use bytes::{Bytes, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use http_body::Body;
use http_body_util::BodyExt as _;

pub(crate) use arriving::Arriving;

use crate::{
    config::{Limits, Listen},
    room::Taken,
    tls::Shown,
};

/// Our own credential header, for agents whose `Authorization` belongs to the provider.
pub(crate) const OWN_KEY: HeaderName = HeaderName::from_static("x-bartizan-key");
/// Anthropic's credential header.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Whether the request names us and comes from no foreign page (DNS rebinding, cross-site requests).
///
/// # Errors
/// [`Code::HostMismatch`], [`Code::OriginForeign`].
pub(crate) fn check_host_and_origin(
    listen: &Listen,
    bound: std::net::SocketAddr,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Code> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let named = match (uri.authority(), hosts.next()) {
        (Some(authority), None) => authority.as_str(),
        (None, Some(host)) => host.to_str().map_err(|_| Code::HostMismatch)?,
        (Some(authority), Some(host)) if host.as_bytes() == authority.as_str().as_bytes() => {
            authority.as_str()
        }
        _ => return Err(Code::HostMismatch),
    };
    if hosts.next().is_some() || !is_ours(listen, bound, named) {
        return Err(Code::HostMismatch);
    }
    for origin in headers.get_all(header::ORIGIN) {
        let listed = listen
            .origins
            .iter()
            .any(|allowed| allowed.as_bytes() == origin.as_bytes());
        if !listed && !is_own_origin(listen, bound, origin) {
            return Err(Code::OriginForeign);
        }
    }
    Ok(())
}

/// Whether a body is framed in the one way that all servers read alike: if by a transfer coding, then by `chunked`, once and
/// alone (RFC 9112 section 6.1). Lengths that disagree end the connection before this; a length beside `chunked` was taken
/// away by the HTTP library, which lets nothing follow such a request (section 6.3).
///
/// # Errors
/// [`Code::HttpMalformed`].
pub(crate) fn check_framing(headers: &HeaderMap) -> Result<(), Code> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(one), None) if is_chunked(one) => Ok(()),
        _ => Err(Code::HttpMalformed),
    }
}

/// A page served from this very listener. We serve none, so this lets in only clients that name the address they
/// call as their origin, as the MCP conformance suite does; a rebound name is still foreign.
fn is_own_origin(listen: &Listen, bound: std::net::SocketAddr, origin: &HeaderValue) -> bool {
    let scheme = if listen.tls.is_some() {
        "https://"
    } else {
        "http://"
    };
    let host = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.strip_prefix(scheme));
    host.is_some_and(|host| is_ours(listen, bound, host))
}

fn is_ours(listen: &Listen, bound: std::net::SocketAddr, named: &str) -> bool {
    if listen.hosts.iter().any(|host| host.eq_ignore_ascii_case(named)) {
        return true;
    }
    let (host, port) = match named.rsplit_once(':') {
        Some((host, port)) if !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit()) => {
            (host, port.parse().ok())
        }
        _ => (named, Some(if listen.tls.is_some() { 443 } else { 80 })),
    };
    if port != Some(bound.port()) {
        return false;
    }
    if bound.ip().is_loopback() && host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let address = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.parse().map(IpAddr::V6),
        None => host.parse().map(IpAddr::V4),
    };
    address == Ok(bound.ip())
}

/// The credential a request carries. `x-bartizan-key` wins, so that `Authorization` can belong to the provider;
/// otherwise exactly one of `Authorization: Bearer` and `x-api-key`.
pub(crate) fn credential(headers: &HeaderMap) -> Credential<'_> {
    let mut own = headers.get_all(&OWN_KEY).iter();
    if let Some(value) = own.next() {
        return match (value.to_str(), own.next()) {
            (Ok(text), None) => Credential::Bearer(text),
            _ => Credential::Ambiguous,
        };
    }
    let mut bearer = headers.get_all(header::AUTHORIZATION).iter();
    let mut key = headers.get_all(&API_KEY).iter();
    match (bearer.next(), bearer.next(), key.next(), key.next()) {
        (None, None, None, None) => Credential::None,
        (None, None, Some(value), None) => value.to_str().map_or(Credential::Ambiguous, Credential::Bearer),
        (Some(value), None, None, None) => {
            let text = value.to_str().unwrap_or_default();
            match text.split_once(' ') {
                Some((scheme, token))
                    if ["bearer", "dpop"]
                        .iter()
                        .any(|one| scheme.eq_ignore_ascii_case(one)) =>
                {
                    Credential::Bearer(token.trim())
                }
                _ => Credential::Ambiguous,
            }
        }
        _ => Credential::Ambiguous,
    }
}

/// Everything a request shows of its sender. A proof counts only where the credential says that it has one: `DPoP` in
/// front of the token (RFC 9449 section 7.1), and no credential of ours beside it.
pub(crate) fn presented<'a>(
    listen: &Listen,
    head: &'a http::request::Parts,
    authority: &'a str,
    nonces: Option<&'a [String]>,
) -> Presented<'a> {
    const PROOF: HeaderName = HeaderName::from_static("dpop");
    let authorization = head.headers.get(header::AUTHORIZATION);
    let scheme = authorization.map(|value| value.as_bytes().split(|byte| *byte == b' ').next());
    let is_bound = scheme
        .flatten()
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"dpop"))
        && !head.headers.contains_key(&OWN_KEY);
    let proof = is_bound.then(|| {
        let mut proofs = head.headers.get_all(&PROOF).iter();
        let one = match (proofs.next(), proofs.next()) {
            (Some(proof), None) => proof.to_str().unwrap_or_default(),
            _ => "",
        };
        ProofOf {
            proof: one,
            method: head.method.as_str(),
            authority,
            path: head.uri.path(),
            schemes: match (&listen.tls, listen.danger_plaintext) {
                (Some(_), _) => &["https"],
                // Something in front may do TLS, and clients then name its scheme.
                (None, true) => &["https", "http"],
                (None, false) => &["http"],
            },
            nonces,
        }
    });
    Presented {
        credential: credential(&head.headers),
        certificate: head.extensions.get::<Shown>().map(|shown| &*shown.0),
        proof,
    }
}

/// Whom a request names as its host; checked before this is used.
pub(crate) fn authority(head: &http::request::Parts) -> &str {
    let host = || head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    head.uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(host)
        .unwrap_or_default()
}

/// Whether the content type is JSON (with or without parameters).
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

/// Whether the content type is an event stream.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|essence| essence.eq_ignore_ascii_case("text/event-stream"))
}

/// Whether any content type said is, or could be read as, that of an event stream.
pub(crate) fn says_event_stream(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().any(|value| {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        text.contains("event-stream")
    })
}

/// Whether a client that goes by lines, whatever the content type says, could read events in a body.
pub(crate) fn reads_as_events(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.any(|line| line.starts_with(b"data:"))
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    Some(value.split(';').next().unwrap_or_default().trim())
}

/// Bounds of one body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyBounds {
    /// Bytes, packed and unpacked.
    pub bytes: usize,
    /// Time for all of it.
    pub time: std::time::Duration,
    /// Said when it is too large.
    pub too_large: Code,
    /// Said when it unpacks to too much.
    pub expands: Code,
    /// Said when it takes too long.
    pub slow: Code,
    /// Said when it can't be unpacked.
    pub broken: Code,
    /// Said when it breaks off, or its framing does.
    pub cut: Code,
    /// Said when there is no room for it in memory.
    pub full: Code,
}

impl BodyBounds {
    /// Of an agent's request.
    pub(crate) const fn request(limits: &Limits) -> Self {
        Self {
            bytes: limits.body_bytes,
            time: limits.read_timeout,
            too_large: Code::BodyTooLarge,
            expands: Code::BodyExpansion,
            slow: Code::SlowCaller,
            broken: Code::ContentEncoding,
            cut: Code::BodyCut,
            full: Code::Saturated,
        }
    }

    /// Of an upstream's unary answer.
    pub(crate) const fn answer(limits: &Limits) -> Self {
        Self {
            bytes: limits.answer_bytes,
            time: limits.upstream_timeout,
            too_large: Code::UpstreamTooLarge,
            expands: Code::UpstreamTooLarge,
            slow: Code::UpstreamTimeout,
            broken: Code::UpstreamMalformed,
            cut: Code::UpstreamUnreachable,
            full: Code::Saturated,
        }
    }
}

/// Reads a whole body within its bounds and unpacks it. `room`, where given, grows with it before it does. The second value says whether it was packed, so that the
/// caller forwards what was checked: the unpacked bytes, without the encoding header.
///
/// # Errors
/// The code of the bound that was reached.
pub(crate) async fn read<B>(
    headers: &HeaderMap,
    body: B,
    bounds: BodyBounds,
    mut room: Option<&mut Taken>,
) -> Result<(Bytes, bool), Code>
where
    B: Body<Data = Bytes> + Unpin,
{
    let packing = packing(headers, bounds.broken)?;
    let bytes = tokio::time::timeout(bounds.time, collect(body, bounds, room.as_deref_mut()))
        .await
        .map_err(|_| bounds.slow)??;
    match packing {
        None => Ok((bytes, false)),
        Some(packing) => {
            let out = unpack(&bytes, packing, bounds, room.as_deref_mut())?;
            keep(room, out.len(), bounds)?;
            Ok((out, true))
        }
    }
}

/// Keeps room for this many bytes, where room is counted.
fn keep(room: Option<&mut Taken>, bytes: usize, bounds: BodyBounds) -> Result<(), Code> {
    room.map_or(Ok(()), |room| room.resize(bytes))
        .map_err(|_| bounds.full)
}

async fn collect<B>(mut body: B, bounds: BodyBounds, mut room: Option<&mut Taken>) -> Result<Bytes, Code>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = body.size_hint();
    if announced.lower() > u64::try_from(bounds.bytes).unwrap_or(u64::MAX) {
        return Err(bounds.too_large);
    }
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| bounds.cut)?.into_data() else {
            continue;
        };
        let so_far = first.as_ref().map_or(0, Bytes::len).max(rest.len());
        if so_far.saturating_add(data.len()) > bounds.bytes {
            return Err(bounds.too_large);
        }
        keep(room.as_deref_mut(), so_far + data.len(), bounds)?;
        match first.take() {
            None if rest.is_empty() => first = Some(data),
            None => rest.extend_from_slice(&data),
            Some(before) => {
                let expected = usize::try_from(announced.lower()).unwrap_or(0).min(bounds.bytes);
                rest.reserve(expected.max(before.len() + data.len()));
                rest.extend_from_slice(&before);
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zlib,
}

fn packing(headers: &HeaderMap, broken: Code) -> Result<Option<Packing>, Code> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(broken);
    }
    // Content codings have no case (RFC 9110, section 8.4.1).
    let is = |coding: &[u8]| value.as_bytes().eq_ignore_ascii_case(coding);
    if is(b"identity") || is(b"") {
        Ok(None)
    } else if is(b"gzip") || is(b"x-gzip") {
        Ok(Some(Packing::Gzip))
    } else if is(b"deflate") {
        Ok(Some(Packing::Zlib))
    } else {
        Err(broken)
    }
}

/// Members of one gzip body, at most: each costs a window of its own to unpack, however little is in it.
const MEMBERS_MAX: usize = 4096;
/// Bytes that are unpacked into at once.
const STEP: usize = 64 << 10;

/// Unpacks at most `bounds.bytes`, whatever the packed bytes promise; of gzip every member (RFC 1952 section 2.2), since
/// a reader of ours would otherwise see less than others do. Bytes after the end are refused.
fn unpack(
    packed: &[u8],
    packing: Packing,
    bounds: BodyBounds,
    mut room: Option<&mut Taken>,
) -> Result<Bytes, Code> {
    let mut out = Vec::with_capacity(STEP.min(bounds.bytes));
    let mut into = Unpacked {
        out: &mut out,
        bounds,
        packed: packed.len(),
    };
    if packing == Packing::Zlib {
        let rest = into.inflate(&mut Decompress::new(true), packed, room)?;
        return rest.is_empty().then(|| Bytes::from(out)).ok_or(bounds.broken);
    }
    let mut state = Decompress::new(false);
    let mut rest = packed;
    for _ in 0..MEMBERS_MAX {
        let before = into.out.len();
        state.reset(false);
        let payload = gzip_payload(rest).ok_or(bounds.broken)?;
        let after = into.inflate(&mut state, payload, room.as_deref_mut())?;
        let (trailer, next) = after.split_at_checked(8).ok_or(bounds.broken)?;
        let mut crc = flate2::Crc::new();
        crc.update(into.out.get(before..).unwrap_or_default());
        let expected = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat();
        if trailer != expected {
            return Err(bounds.broken);
        }
        if next.is_empty() {
            return Ok(Bytes::from(out));
        }
        rest = next;
    }
    Err(bounds.broken)
}

/// What is unpacked so far, within its bounds.
struct Unpacked<'o> {
    out: &'o mut Vec<u8>,
    bounds: BodyBounds,
    /// Bytes of the packed body, which is kept meanwhile.
    packed: usize,
}

impl Unpacked<'_> {
    /// Unpacks one stream to its end; gives what follows it.
    fn inflate<'p>(
        &mut self,
        state: &mut Decompress,
        mut input: &'p [u8],
        mut room: Option<&mut Taken>,
    ) -> Result<&'p [u8], Code> {
        let bounds = self.bounds;
        loop {
            if self.out.len() == self.out.capacity() {
                if self.out.len() > bounds.bytes {
                    return Err(bounds.expands);
                }
                keep(room.as_deref_mut(), self.packed + self.out.len() + STEP, bounds)?;
                self.out.reserve(STEP);
            }
            let (read, written) = (state.total_in(), self.out.len());
            let status = state
                .decompress_vec(input, self.out, FlushDecompress::None)
                .map_err(|_| bounds.broken)?;
            let taken = usize::try_from(state.total_in() - read).map_err(|_| bounds.broken)?;
            input = input.get(taken..).ok_or(bounds.broken)?;
            if self.out.len() > bounds.bytes {
                return Err(bounds.expands);
            }
            match status {
                Status::StreamEnd => return Ok(input),
                _ if taken == 0 && self.out.len() == written && self.out.len() < self.out.capacity() => {
                    return Err(bounds.broken);
                }
                _ => {}
            }
        }
    }
}

/// What follows the gzip header (RFC 1952 section 2.3).
fn gzip_payload(packed: &[u8]) -> Option<&[u8]> {
    let (head, mut rest) = packed.split_at_checked(10)?;
    let flags = *head.get(3)?;
    if head.get(..3)? != [0x1f, 0x8b, 8] || flags & 0xe0 != 0 {
        return None;
    }
    if flags & 4 != 0 {
        let (length, after) = rest.split_at_checked(2)?;
        rest = after.get(usize::from(u16::from_le_bytes([*length.first()?, *length.get(1)?]))..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

#[cfg(test)]
mod tests;
