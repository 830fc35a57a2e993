use super::*;

fn head(method: &str, uri: &str, hosts: &[&str]) -> Parts {
    let mut builder = Request::builder().method(method).uri(uri);
    for host in hosts {
        builder = builder.header("host", *host);
    }
    builder.body(()).unwrap().into_parts().0
}

fn check(method: &str, uri: &str, hosts: &[&str], expected: Result<&str, Code>) {
    let found = target(&head(method, uri, hosts)).map(|target| match target {
        Target::Tunnel(site) => format!("tunnel {site}"),
        Target::Clear(site) => format!("clear {site}"),
    });
    assert_eq!(
        found.as_deref().map_err(|code| *code),
        expected,
        "{method} {uri} {hosts:?}"
    );
}

#[test]
fn a_request_names_one_site() {
    let tunnel = Ok("tunnel api.example.com:443");
    check("CONNECT", "api.example.com:443", &["api.example.com:443"], tunnel);
    check("CONNECT", "API.example.com:443", &[], tunnel);
    check("CONNECT", "api.example.com:443", &["api.example.com"], tunnel);
    let clear = Ok("clear api.example.com:80");
    check("GET", "http://api.example.com/x?y", &["api.example.com"], clear);
    check(
        "GET",
        "http://api.example.com:80/",
        &["API.example.com:80"],
        clear,
    );
    check("GET", "http://api.example.com./", &[], clear);
}

#[test]
fn what_names_two_or_none_is_refused() {
    let other = Err(Code::HostMismatch);
    check("CONNECT", "api.example.com:443", &["evil.example:443"], other);
    check("CONNECT", "api.example.com:443", &["api.example.com:22"], other);
    check("GET", "http://api.example.com/", &["evil.example"], other);
    check("GET", "http://api.example.com/", &["api.example.com:8080"], other);
    check(
        "GET",
        "http://api.example.com/",
        &["api.example.com", "api.example.com"],
        other,
    );
    let none = Err(Code::EgressTarget);
    check("GET", "/v1/models", &["127.0.0.1:4481"], none);
    check("GET", "https://api.example.com/", &["api.example.com"], none);
    check("GET", "ftp://api.example.com/", &["api.example.com"], none);
    check("OPTIONS", "*", &["api.example.com"], none);
    check("CONNECT", "api.example.com", &[], none);
    check("GET", "http://user@api.example.com/", &[], none);
    check("GET", "http://0x7f.1/", &[], none);
    check("GET", "http://2130706433/", &[], none);
}

#[test]
fn what_ends_in_two_places_goes_nowhere() {
    for (coding, expected) in [
        ("chunked", Ok(())),
        ("gzip, chunked", Err(Code::HttpMalformed)),
        ("chunked, chunked", Err(Code::HttpMalformed)),
    ] {
        let mut head = head("POST", "http://api.example.com/", &[]);
        let coded = HeaderValue::from_static(coding);
        head.headers.insert(header::TRANSFER_ENCODING, coded);
        assert_eq!(target(&head).map(drop), expected, "{coding}");
    }
}

#[test]
fn a_password_is_a_token_and_nothing_else_is() {
    let shown = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::PROXY_AUTHORIZATION, value.parse().unwrap());
        }
        credential(&headers)
    };
    let basic = |plain: &str| format!("Basic {}", STANDARD.encode(plain));
    assert_eq!(shown(&[]), None);
    assert_eq!(shown(&["Bearer bz_x"]), Some(Ok("bz_x".to_owned())));
    assert_eq!(shown(&["bearer  bz_x"]), Some(Ok("bz_x".to_owned())));
    assert_eq!(shown(&[&basic("agent:bz_x")]), Some(Ok("bz_x".to_owned())));
    assert_eq!(shown(&[&basic("agent:a:b")]), Some(Ok("a:b".to_owned())));
    assert_eq!(shown(&[&basic("bz_x:")]), Some(Ok("bz_x".to_owned())));
    let malformed = Some(Err(Code::CredentialMalformed));
    for wrong in [&basic("bz_x"), "Basic %%%", "Digest x", "Bearer", "Negotiate abc"] {
        assert_eq!(shown(&[wrong]), malformed, "{wrong}");
    }
    let two = shown(&["Bearer a", "Bearer b"]);
    assert_eq!(two, Some(Err(Code::CredentialAmbiguous)));
}

#[test]
fn where_it_goes_is_an_argument_until_the_operator_listed_it() {
    let arguments = |listed| manifest(Effect::Fetch, listed).arguments;
    assert!(arguments(false).iter().any(|(_, role)| *role == Role::Target));
    assert!(arguments(true).iter().all(|(_, role)| *role != Role::Target));
    assert!(manifest(Effect::Fetch, true).reviewed);
    assert!(!manifest(Effect::Fetch, false).reviewed);
}
