use std::{io::Write as _, net::SocketAddr, time::Duration};

use http_body_util::Full;
use proptest::prelude::*;

use super::*;

fn listen() -> Listen {
    Listen {
        address: "127.0.0.1:4180".parse().unwrap(),
        hosts: vec!["gate.example:8443".to_owned()],
        origins: vec!["https://app.example".to_owned()],
        tls: None,
        danger_plaintext: false,
        dpop_nonces: false,
    }
}

fn check(host: &str, origin: Option<&str>) -> Result<(), Code> {
    let bound: SocketAddr = "127.0.0.1:4180".parse().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
    if let Some(origin) = origin {
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
    }
    check_host_and_origin(&listen(), bound, &Uri::from_static("/v1/models"), &headers)
}

#[test]
fn hosts_that_are_ours_pass_and_others_do_not() {
    for ours in [
        "127.0.0.1:4180",
        "localhost:4180",
        "LOCALHOST:4180",
        "gate.example:8443",
    ] {
        assert_eq!(check(ours, None), Ok(()), "{ours}");
    }
    for other in [
        "evil.example",
        "evil.example:4180",
        "localhost",
        "localhost:80",
        "localhost:4180.evil.example",
        "127.0.0.1",
        "127.0.0.1:4180@evil.example",
        "[::1]:4180",
        "0.0.0.0:4180",
        ":4180",
        "127.1:4180",
    ] {
        assert_eq!(check(other, None), Err(Code::HostMismatch), "{other}");
    }
}

/// At a listener bound there, over plain HTTP: the request's target, its `Host`, its `Origin`.
fn at(bound: &str, target: &str, host: Option<&str>, origin: Option<&str>) -> Result<(), Code> {
    let mut headers = HeaderMap::new();
    for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
        if let Some(value) = value {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
    }
    let uri = target.parse().unwrap();
    check_host_and_origin(&listen(), bound.parse().unwrap(), &uri, &headers)
}

#[test]
fn a_rebound_name_is_foreign_however_it_is_spelled() {
    let four = |host| at("127.0.0.1:4180", "/mcp", Some(host), None);
    for host in [
        "localhost.:4180",
        "127.0.0.1.:4180",
        "127.0.0.1:4180.",
        "127.0.0.1:04180",
        "127.0.0.1:+4180",
        "localhost:",
        "[127.0.0.1]:4180",
        "[[127.0.0.1]]:4180",
        "[::ffff:127.0.0.1]:4180",
        "2130706433:4180",
        "0x7f.0.0.1:4180",
        "user@127.0.0.1:4180",
        "127.0.0.1:4180,evil.example",
        "",
    ] {
        assert_eq!(four(host), Err(Code::HostMismatch), "{host}");
    }
    let six = |host| at("[::1]:4180", "/mcp", Some(host), None);
    for host in ["[::1]:4180", "[0:0:0:0:0:0:0:1]:4180", "localhost:4180"] {
        assert_eq!(six(host), Ok(()), "{host}");
    }
    for host in [
        "::1:4180",
        "[::1]",
        "[::1]:80",
        "[::1%lo]:4180",
        "[::2]:4180",
        "127.0.0.1:4180",
    ] {
        assert_eq!(six(host), Err(Code::HostMismatch), "{host}");
    }
}

#[test]
fn the_standard_port_may_be_left_out() {
    for host in ["127.0.0.1", "127.0.0.1:80", "Localhost"] {
        assert_eq!(at("127.0.0.1:80", "/", Some(host), None), Ok(()), "{host}");
        let origin = format!("http://{host}");
        assert_eq!(
            at("127.0.0.1:80", "/", Some(host), Some(&*origin)),
            Ok(()),
            "{origin}"
        );
    }
    assert_eq!(at("[::1]:80", "/", Some("[::1]"), Some("http://[::1]")), Ok(()));
    for host in ["evil.example", "127.0.0.1:080", "127.0.0.1:443", "::1"] {
        assert_eq!(
            at("127.0.0.1:80", "/", Some(host), None),
            Err(Code::HostMismatch),
            "{host}"
        );
    }
    assert_eq!(
        at("127.0.0.1:80", "/", Some("127.0.0.1"), Some("https://127.0.0.1")),
        Err(Code::OriginForeign)
    );
}

#[test]
fn a_whole_address_in_the_first_line_must_be_ours_and_the_host_beside_it_the_same() {
    let (bound, ours) = ("127.0.0.1:4180", "127.0.0.1:4180");
    let whole = |authority: &str, host| at(bound, &format!("http://{authority}/v1/models"), host, None);
    assert_eq!(whole(ours, Some(ours)), Ok(()));
    // HTTP/2, and HTTP/1.0 without a `Host`.
    assert_eq!(whole(ours, None), Ok(()));
    for (authority, host) in [
        ("evil.example", Some(ours)),
        ("evil.example", Some("evil.example")),
        ("evil.example", None),
        (ours, Some("evil.example")),
        (ours, Some("localhost:4180")),
        ("evil@127.0.0.1:4180", Some(ours)),
        ("evil@127.0.0.1:4180", None),
    ] {
        assert_eq!(
            whole(authority, host),
            Err(Code::HostMismatch),
            "{authority} {host:?}"
        );
    }
}

#[test]
fn two_hosts_are_one_too_many() {
    let mut headers = HeaderMap::new();
    headers.append(header::HOST, HeaderValue::from_static("localhost:4180"));
    headers.append(header::HOST, HeaderValue::from_static("evil.example"));
    let bound = "127.0.0.1:4180".parse().unwrap();
    assert_eq!(
        check_host_and_origin(&listen(), bound, &Uri::from_static("/"), &headers),
        Err(Code::HostMismatch)
    );
    assert_eq!(
        check_host_and_origin(&listen(), bound, &Uri::from_static("/"), &HeaderMap::new()),
        Err(Code::HostMismatch)
    );
}

#[test]
fn a_body_is_chunked_once_or_not_at_all() {
    let framed = |codings: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for coding in codings {
            headers.append(header::TRANSFER_ENCODING, HeaderValue::from_static(coding));
        }
        check_framing(&headers)
    };
    for fine in [&[][..], &["chunked"], &["Chunked"], &["chunked "]] {
        assert_eq!(framed(fine), Ok(()), "{fine:?}");
    }
    for bad in [
        &["gzip, chunked"][..],
        &["chunked, chunked"],
        &["chunked", "chunked"],
        &["identity", "chunked"],
        &["chunked;x=1"],
        &[""],
    ] {
        assert_eq!(framed(bad), Err(Code::HttpMalformed), "{bad:?}");
    }
}

#[test]
fn foreign_origins_are_refused() {
    assert_eq!(check("localhost:4180", Some("https://app.example")), Ok(()));
    assert_eq!(check("localhost:4180", Some("http://127.0.0.1:4180")), Ok(()));
    for foreign in [
        "null",
        "https://evil.example",
        "https://localhost:4180",
        "http://localhost:80",
        "http://evil.example:4180",
        "http://localhost:4180.evil.example",
        "HTTP://localhost:4180",
        "http://localhost:4180/",
        "http://evil@localhost:4180",
        "http://localhost.:4180",
        "http://localhost:4180 http://evil.example",
        "",
        "https://app.example.evil.example",
    ] {
        assert_eq!(
            check("localhost:4180", Some(foreign)),
            Err(Code::OriginForeign),
            "{foreign}"
        );
    }
}

#[test]
fn one_credential_and_no_more() {
    let of = |pairs: &[(HeaderName, &'static str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        format!("{:?}", credential(&headers))
    };
    let show = |credential: Credential<'_>| format!("{credential:?}");
    assert_eq!(of(&[]), show(Credential::None));
    assert_eq!(
        of(&[(header::AUTHORIZATION, "Bearer k")]),
        show(Credential::Bearer("k"))
    );
    assert_eq!(
        of(&[(header::AUTHORIZATION, "bearer  k")]),
        show(Credential::Bearer("k"))
    );
    assert_eq!(of(&[(API_KEY, "k")]), show(Credential::Bearer("k")));
    assert_eq!(
        of(&[(OWN_KEY, "k"), (header::AUTHORIZATION, "Bearer p")]),
        show(Credential::Bearer("k"))
    );
    for pairs in [
        &[(header::AUTHORIZATION, "Bearer k"), (API_KEY, "k")][..],
        &[
            (header::AUTHORIZATION, "Bearer k"),
            (header::AUTHORIZATION, "Bearer k"),
        ],
        &[(API_KEY, "k"), (API_KEY, "l")],
        &[(OWN_KEY, "k"), (OWN_KEY, "l")],
        &[(header::AUTHORIZATION, "Basic eDp5")],
        &[(header::AUTHORIZATION, "Bearer")],
    ] {
        assert_eq!(of(pairs), show(Credential::Ambiguous), "{pairs:?}");
    }
}

fn bounds(bytes: usize) -> BodyBounds {
    let limits = Limits {
        body_bytes: bytes,
        read_timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    BodyBounds::request(&limits)
}

fn read_now(encoding: Option<&'static str>, body: Vec<u8>, limit: usize) -> Result<(Bytes, bool), Code> {
    let mut headers = HeaderMap::new();
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(read(&headers, Full::new(Bytes::from(body)), bounds(limit), None))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_bomb_is_refused_at_the_bound() {
    let bomb = gzip(&vec![b'a'; 20 << 20]);
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    assert_eq!(read_now(Some("gzip"), bomb, 1 << 20), Err(Code::BodyExpansion));
}

#[test]
fn packed_bodies_must_be_whole_to_their_last_byte() {
    let good = gzip(b"{\"a\":1}");
    assert_eq!(
        read_now(Some("gzip"), good.clone(), 100),
        Ok((Bytes::from_static(b"{\"a\":1}"), true))
    );
    let mut cut = good.clone();
    cut.pop();
    let mut more = good.clone();
    more.push(0);
    // A second member is read like the first, and held to the same.
    let mut twice = good.clone();
    twice.extend_from_slice(&good);
    assert_eq!(
        read_now(Some("gzip"), twice.clone(), 100),
        Ok((Bytes::from_static(b"{\"a\":1}{\"a\":1}"), true))
    );
    let large = gzip(&[b'a'; 600]).repeat(2);
    assert_eq!(read_now(Some("gzip"), large, 1000), Err(Code::BodyExpansion));
    let mut half = twice.clone();
    half.truncate(twice.len() - 4);
    let last = twice.len() - 6;
    twice[last] ^= 1;
    let mut altered = good.clone();
    let at = altered.len() - 6;
    altered[at] ^= 1;
    for bad in [
        cut,
        more,
        twice,
        half,
        altered,
        b"not gzip at all".to_vec(),
        Vec::new(),
    ] {
        assert_eq!(read_now(Some("gzip"), bad, 100), Err(Code::ContentEncoding));
    }
    let nothing = gzip(b"");
    let members = |count: usize| read_now(Some("gzip"), nothing.repeat(count), 1 << 20);
    assert_eq!(members(MEMBERS_MAX), Ok((Bytes::new(), true)));
    assert_eq!(members(MEMBERS_MAX + 1), Err(Code::ContentEncoding));
    for unknown in ["br", "zstd", "gzip, gzip", "GZIP2"] {
        assert_eq!(
            read_now(Some(unknown), good.clone(), 100),
            Err(Code::ContentEncoding),
            "{unknown}"
        );
    }
}

#[test]
fn plain_bodies_stop_at_the_bound() {
    assert_eq!(
        read_now(None, vec![b'x'; 100], 100).map(|(bytes, _)| bytes.len()),
        Ok(100)
    );
    assert_eq!(read_now(None, vec![b'x'; 101], 100), Err(Code::BodyTooLarge));
}

/// Small enough that hostile bytes reach it: 500 packed bytes unpack to 500 KiB at most.
const LIMIT: usize = 1 << 12;

proptest! {
    #[test]
    fn unpacking_never_exceeds_the_bound(bytes in proptest::collection::vec(any::<u8>(), 0..2000), limit in 0_usize..2000) {
        match read_now(Some("gzip"), gzip(&bytes), limit.max(1)) {
            Ok((out, _)) => { prop_assert_eq!(&out[..], &bytes[..]); prop_assert!(out.len() <= limit.max(1)); }
            Err(code) => prop_assert!(matches!(code, Code::BodyExpansion | Code::BodyTooLarge)),
        }
    }

    #[test]
    fn hostile_packed_bytes_end_within_the_bound_or_with_its_code(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let mut framed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        framed.extend_from_slice(&bytes);
        for (packing, packed) in [("gzip", framed), ("deflate", bytes)] {
            match read_now(Some(packing), packed, LIMIT) {
                Ok((out, packed)) => prop_assert!(packed && out.len() <= LIMIT),
                Err(code) => prop_assert!(matches!(code, Code::ContentEncoding | Code::BodyExpansion), "{code}"),
            }
        }
    }
}

#[test]
fn bodies_grow_no_further_than_there_is_room() {
    let room = crate::room::Room::new(100 << 10);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let read = |encoding: Option<&'static str>, body: Vec<u8>| {
        let mut headers = HeaderMap::new();
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let mut taken = room.nothing();
        let body = Full::new(Bytes::from(body));
        let read = runtime.block_on(super::read(&headers, body, bounds(1 << 20), Some(&mut taken)));
        (read.map(|(bytes, _)| bytes.len()), room.take(50 << 10).is_ok())
    };
    assert_eq!(read(None, vec![b'x'; 60 << 10]), (Ok(60 << 10), false));
    assert_eq!(read(None, vec![b'x'; 101 << 10]).0, Err(Code::Saturated));
    assert_eq!(
        read(Some("gzip"), gzip(&vec![b'x'; 300 << 10])).0,
        Err(Code::Saturated)
    );
    // What was taken is given back with the body.
    assert_eq!(read(Some("gzip"), gzip(b"small")), (Ok(5), true));
    assert_eq!(read(Some("GZip"), gzip(b"small")), (Ok(5), true));
}
