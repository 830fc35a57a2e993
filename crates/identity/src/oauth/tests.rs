//! Tests of OAuth's reading and writing. Each thing refused has a twin beside it that passes.

use bartizan_types::{Secret, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

#[test]
fn an_address_has_one_reading_or_none() {
    for (text, origin, path) in [
        ("https://a.example", "https://a.example", ""),
        ("https://A.Example:443/x/", "https://a.example", "/x"),
        ("http://localhost:8080/mcp?x=1", "http://localhost:8080", "/mcp"),
        ("https://[2001:db8::1]:8443/y", "https://[2001:db8::1]:8443", "/y"),
        ("https://a.example?q", "https://a.example", ""),
    ] {
        let read = address(text);
        assert_eq!((read.origin().as_str(), read.path()), (origin, path), "{text}");
    }
    for bad in [
        "",
        "a.example",
        "ftp://a.example",
        "javascript:alert(1)",
        "https://",
        "https:///x",
        "https://user@a.example/",
        "https://a.example@evil.example/",
        "https://a.example#x",
        "https://a.example\\@evil.example",
        "https://a example",
        "https://a.example/\u{e9}",
        "https://a.example:0",
        "https://a.example:70000",
        "https://a.example:",
        "https://[::1",
        "https://[nothing]/",
        "https://a.example/$(touch x)`id`",
    ] {
        assert!(Address::parse(bad).is_err(), "{bad}");
    }
    assert!(address("http://127.0.0.1:1").is_loopback() && address("http://[::1]").is_loopback());
    assert!(!address("http://127.0.0.1.evil.example").is_loopback());
    assert!(!address("http://localhost.evil.example").is_loopback());
}

#[test]
fn what_covers_what() {
    let covers = |above: &str, below: &str| address(above).covers(&address(below));
    assert!(covers("https://a.example", "https://a.example/mcp"));
    assert!(covers("https://a.example/mcp/", "https://a.example/mcp"));
    assert!(covers("https://a.example/mcp", "https://a.example/mcp/one"));
    assert!(!covers("https://a.example/mcp", "https://a.example/mcp2"));
    assert!(!covers("https://a.example/mcp/one", "https://a.example/mcp"));
    assert!(!covers("https://a.example/mcp", "https://a.example/mcp/../other"));
    assert!(!covers("http://a.example", "https://a.example"));
    assert!(!covers("https://a.example", "https://a.example:8443"));
    assert!(!covers("https://evil.example", "https://a.example"));
}

#[test]
fn challenges_are_read_as_they_are_written_in_the_wild() {
    let check = |header: &str, metadata: Option<&str>, scope: Option<&str>, error: Option<&str>| {
        let found = bearer_challenge(header);
        let found = found.unwrap_or_else(|| panic!("{header}"));
        let read = (
            found.resource_metadata.as_deref(),
            found.scope.as_deref(),
            found.error.as_deref(),
        );
        assert_eq!(read, (metadata, scope, error), "{header}");
    };
    check("Bearer", None, None, None);
    check(
        r#"Bearer resource_metadata="https://a.example/m", scope="a b""#,
        Some("https://a.example/m"),
        Some("a b"),
        None,
    );
    check(
        r#"bearer error="insufficient_scope", scope="x", error_description="a \"b\", c=d""#,
        None,
        Some("x"),
        Some("insufficient_scope"),
    );
    check(
        r#"Basic realm="x", Bearer error=invalid_token"#,
        None,
        None,
        Some("invalid_token"),
    );
    check(
        r#"Bearer scope="a", DPoP error="use_dpop_nonce", scope="evil""#,
        None,
        Some("a"),
        None,
    );
    check(r#"Bearer scope = "a" ,error = "e""#, None, Some("a"), Some("e"));
    check(r#"Bearer scope="a", scope="b""#, None, Some("a"), None);
    for none in [
        "",
        "Basic realm=\"x\"",
        "DPoP scope=\"a\"",
        "Bearer scope=\"unclosed",
        &format!("Bearer scope=\"{}\"", "x".repeat(9000)),
    ] {
        assert_eq!(bearer_challenge(none), None, "{none}");
    }
}

#[test]
fn metadata_is_of_who_was_asked() {
    let server = address("https://mcp.example/one");
    let of = |resource: &str| {
        let text = format!(r#"{{"resource":"{resource}","authorization_servers":["https://as.example"]}}"#);
        resource_metadata(text.as_bytes(), &server)
    };
    assert!(of("https://mcp.example/one").is_ok());
    assert!(of("https://mcp.example").is_ok());
    for foreign in [
        "https://evil.example/one",
        "https://mcp.example/two",
        "https://mcp.example/one/deeper",
        "http://mcp.example/one",
        "mcp.example",
    ] {
        assert!(
            matches!(of(foreign), Err(OauthFault::Resource { .. })),
            "{foreign}"
        );
    }
    let read = |text: &str| resource_metadata(text.as_bytes(), &server);
    for bad in [
        "[]",
        "{}",
        r#"{"resource":"https://mcp.example/one"}"#,
        r#"{"resource":"https://mcp.example/one","authorization_servers":[]}"#,
        r#"{"resource":"https://mcp.example/one","authorization_servers":["javascript:x"]}"#,
        r#"{"resource":"https://mcp.example/one","resource":"https://mcp.example","authorization_servers":["https://a.example"]}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

fn described(extra: &str) -> String {
    format!(
        r#"{{"issuer":"https://as.example/t","authorization_endpoint":"https://as.example/a",
            "token_endpoint":"https://as.example/t"{extra}}}"#
    )
}

const PKCE: &str = r#","code_challenge_methods_supported":["plain","S256"]"#;

#[test]
fn an_issuer_is_itself_and_promises_pkce() {
    let asked = address("https://as.example/t");
    let read = |text: &str, strictness| authorization_server(text.as_bytes(), &asked, strictness);
    let good = read(&described(PKCE), Strictness::Exact).unwrap();
    assert_eq!(good.issuer, "https://as.example/t");
    assert!(!good.iss_in_answers && !good.client_documents);
    assert_eq!(read(&described(""), Strictness::Exact), Err(OauthFault::Pkce));
    let plain = r#","code_challenge_methods_supported":["plain"]"#;
    assert_eq!(read(&described(plain), Strictness::Exact), Err(OauthFault::Pkce));
    for (other, strictness) in [
        ("https://as.example", Strictness::Exact),
        ("https://as.example/t/", Strictness::Exact),
        ("https://AS.example/t", Strictness::Exact),
        ("https://evil.example/t", Strictness::Exact),
        ("https://evil.example/t", Strictness::SameOrigin),
    ] {
        let text = described(PKCE).replace(r#""https://as.example/t","auth"#, &format!(r#""{other}","auth"#));
        let fault = read(&text, strictness);
        assert!(
            matches!(fault, Err(OauthFault::Issuer { .. })),
            "{other} {fault:?}"
        );
    }
    let moved = described(PKCE).replace(
        r#""https://as.example/t","auth"#,
        r#""https://as.example/oauth","auth"#,
    );
    assert!(read(&moved, Strictness::SameOrigin).is_ok());
}

#[test]
fn where_metadata_is_looked_for() {
    let server = address("https://mcp.example/one/two");
    let known = "https://mcp.example/.well-known/oauth-protected-resource";
    assert_eq!(
        resource_places(&server, None),
        [format!("{known}/one/two"), known.to_owned()]
    );
    let told = Challenge {
        resource_metadata: Some("https://mcp.example/here".to_owned()),
        ..Challenge::default()
    };
    assert_eq!(
        resource_places(&server, Some(&told)),
        ["https://mcp.example/here"]
    );
    assert_eq!(
        server_places(&address("https://as.example/t")),
        [
            "https://as.example/.well-known/oauth-authorization-server/t",
            "https://as.example/.well-known/openid-configuration/t",
            "https://as.example/t/.well-known/openid-configuration",
        ]
    );
}

fn server(extra: &str) -> AuthorizationServer {
    let text = described(&format!("{PKCE}{extra}"));
    authorization_server(
        text.as_bytes(),
        &address("https://as.example/t"),
        Strictness::Exact,
    )
    .unwrap()
}

#[test]
fn an_answer_of_another_issuer_is_not_believed() {
    let (quiet, promising) = (
        server(""),
        server(r#","authorization_response_iss_parameter_supported":true"#),
    );
    let brought = |iss: Option<&'static str>, error: Option<&'static str>| Callback {
        code: Some("c"),
        iss,
        error,
    };
    let own = Some("https://as.example/t");
    assert_eq!(check_callback(&quiet, &brought(None, None)), Ok("c"));
    assert_eq!(check_callback(&quiet, &brought(own, None)), Ok("c"));
    assert_eq!(check_callback(&promising, &brought(own, None)), Ok("c"));
    for server in [&quiet, &promising] {
        for other in ["https://evil.example", "https://as.example/t/", ""] {
            let fault = check_callback(server, &brought(Some(other), None));
            assert!(matches!(fault, Err(OauthFault::Issuer { .. })), "{other}");
        }
        // Who answers is looked at first: an error of another issuer says nothing.
        let fault = check_callback(
            server,
            &brought(Some("https://evil.example"), Some("access_denied")),
        );
        assert!(matches!(fault, Err(OauthFault::Issuer { .. })));
    }
    assert!(matches!(
        check_callback(&promising, &brought(None, None)),
        Err(OauthFault::IssuerMissing(_))
    ));
    assert_eq!(
        check_callback(&quiet, &brought(own, Some("access_denied"))),
        Err(OauthFault::Denied("access_denied".to_owned()))
    );
    assert!(check_callback(&quiet, &Callback::default()).is_err());
}

#[test]
fn tokens_are_bearer_tokens_that_fit_a_header() {
    let now = Timestamp::from_unix_seconds(1000);
    let read = |text: &str| token_answer(text.as_bytes(), now);
    let good = read(
        r#"{"access_token":"abc","token_type":"bearer","expires_in":"60","scope":"a b","refresh_token":"r"}"#,
    );
    let good = good.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(good.access.expose(), "abc");
    assert_eq!(good.expires, Some(Timestamp::from_unix_seconds(1060)));
    assert_eq!(good.scopes.unwrap(), ["a", "b"]);
    assert_eq!(good.refresh.unwrap().expose(), "r");
    let forever = read(&format!(
        r#"{{"access_token":"a","token_type":"Bearer","expires_in":{}}}"#,
        u64::MAX
    ));
    assert!(forever.unwrap_or_else(|fault| panic!("{fault}")).expires.unwrap() > now);
    for bad in [
        r#"{"access_token":"abc"}"#,
        r#"{"access_token":"abc","token_type":"DPoP"}"#,
        r#"{"access_token":"","token_type":"Bearer"}"#,
        r#"{"access_token":"a\r\nx: y","token_type":"Bearer"}"#,
        r#"{"access_token":"a b","token_type":"Bearer"}"#,
        r#"{"access_token":"a","token_type":"Bearer","access_token":"b"}"#,
        r#"{"error":"invalid_grant"}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    assert_eq!(
        token_error(br#"{"error":"invalid_grant"}"#).as_deref(),
        Some("invalid_grant")
    );
}

#[test]
fn scopes_are_what_is_wanted_and_what_was_granted() {
    let wants = |scope: &str| Challenge {
        scope: Some(scope.to_owned()),
        ..Challenge::default()
    };
    let resource = ResourceMetadata {
        resource: "https://mcp.example".to_owned(),
        issuers: Vec::new(),
        scopes: Some(vec!["all".to_owned()]),
    };
    let (bare, renewing) = (server(""), server(r#","scopes_supported":["offline_access"]"#));
    let ask = |challenge: Option<&Challenge>, resource: Option<&ResourceMetadata>, granted: &[&str]| {
        let granted: Vec<String> = granted.iter().map(ToString::to_string).collect();
        scopes_for(challenge, resource, &bare, &granted, &[]).join(" ")
    };
    assert_eq!(ask(Some(&wants("a b")), Some(&resource), &[]), "a b");
    assert_eq!(ask(Some(&wants("b")), Some(&resource), &["a"]), "b a");
    assert_eq!(ask(None, Some(&resource), &[]), "all");
    assert_eq!(ask(None, None, &[]), "");
    assert_eq!(ask(Some(&wants("a\"b c\\ d")), None, &[]), "d");
    assert_eq!(
        scopes_for(None, None, &renewing, &[], &["x".to_owned()]),
        ["x", "offline_access"]
    );
}

#[test]
fn a_client_shows_itself_as_the_server_takes_it() {
    let basic = Client {
        id: "a:b".to_owned(),
        secret: Some(Secret::new("c d%".to_owned())),
        method: Method::Basic,
    };
    let now = Timestamp::from_unix_seconds(1000);
    let Ok(ClientAuth::Header(header)) = authenticate(&basic, "aud", "jti", now, &unsigned) else {
        panic!("no header");
    };
    // `a%3Ab:c%20d%25`
    assert_eq!(header.expose(), "Basic YSUzQWI6YyUyMGQlMjU=");
    let methods = |list: &str| server(&format!(r#","token_endpoint_auth_methods_supported":[{list}]"#));
    assert_eq!(method_for(&methods(r#""none""#), true, false), Method::None);
    assert_eq!(
        method_for(&methods(r#""client_secret_post""#), true, false),
        Method::Post
    );
    assert_eq!(method_for(&server(""), true, false), Method::Basic);
    assert_eq!(method_for(&server(""), false, false), Method::None);
}

#[test]
fn an_assertion_is_what_was_signed_and_short_lived() {
    let now = Timestamp::from_unix_seconds(1000);
    let seen = std::sync::Mutex::new(Vec::new());
    let sign = |body: &[u8]| {
        *seen.lock().unwrap() = body.to_vec();
        Ok(b"signature".to_vec())
    };
    let signed = assertion("me", "https://as.example", "one", now, &sign).unwrap();
    let (body, signature) = signed.expose().rsplit_once('.').unwrap();
    assert_eq!(body.as_bytes(), seen.lock().unwrap().as_slice());
    assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap(), b"signature");
    let claims = URL_SAFE_NO_PAD.decode(body.split_once('.').unwrap().1).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let said = (
        claims["iss"].as_str(),
        claims["sub"].as_str(),
        claims["aud"].as_str(),
    );
    assert_eq!(said, (Some("me"), Some("me"), Some("https://as.example")));
    assert_eq!(
        (claims["exp"].as_u64(), claims["jti"].as_str()),
        (Some(1060), Some("one"))
    );
    let refused = assertion("me", "https://as.example", "one", now, &unsigned);
    assert_eq!(refused.err(), Some(OauthFault::Key));
}

fn unsigned(_: &[u8]) -> Result<Vec<u8>, OauthFault> {
    Err(OauthFault::Key)
}

#[test]
fn pkce_is_that_of_the_rfc() {
    // RFC 7636 appendix B.
    let octets = [
        116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105,
        214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
    ];
    let pkce = Pkce::new(&Secret::new(octets));
    assert_eq!(
        pkce.verifier.expose(),
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
    assert_eq!(pkce.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = bearer_challenge(&text);
        let _ = bearer_challenge(&format!("Bearer {text}"));
        if let Ok(read) = Address::parse(&text) {
            prop_assert_eq!(read.as_str(), text.as_str());
        }
        let server = address("https://mcp.example");
        let _ = resource_metadata(&bytes, &server);
        let _ = authorization_server(&bytes, &server, Strictness::Exact);
        let _ = token_answer(&bytes, Timestamp::from_unix_seconds(1));
    }
}

#[test]
fn an_id_token_is_for_one_audience_and_not_over() {
    let now = Timestamp::from_unix_seconds(1_800_000_000);
    let token = |claims: &str| {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part("{}"), part(claims), part("signature"))
    };
    let check = |claims: &str| {
        let answer = serde_json::json!({"id_token": token(claims)}).to_string();
        id_token_answer(answer.as_bytes(), "https://place.example", now)
    };
    let (got, expires) = check(r#"{"aud":"https://place.example","exp":1800003600}"#).unwrap();
    assert!(got.expose().ends_with(".c2lnbmF0dXJl"));
    assert_eq!(expires, Timestamp::from_unix_seconds(1_800_003_600));
    for bad in [
        r#"{"aud":"https://other.example","exp":1800003600}"#,
        r#"{"aud":["https://place.example","https://other.example"],"exp":1800003600}"#,
        r#"{"aud":"https://place.example","aud":"https://other.example","exp":1800003600}"#,
        r#"{"aud":"https://place.example","exp":1800000000}"#,
        r#"{"aud":"https://place.example"}"#,
        r#"{"exp":1800003600}"#,
        "[]",
    ] {
        assert!(check(bad).is_err(), "{bad}");
    }
    for bad in [
        r#"{"id_token":"a.b"}"#,
        r#"{"id_token":"a b.c.d"}"#,
        r#"{"access_token":"t"}"#,
        "{}",
    ] {
        assert!(
            id_token_answer(bad.as_bytes(), "https://place.example", now).is_err(),
            "{bad}"
        );
    }
}

/// A server that sends users to another's page is handed the code that they get there, unless the answer says whose it is.
#[test]
fn users_sign_in_at_a_page_of_who_was_asked() {
    let issuer = |host: &str| Address::parse(&format!("https://{host}")).unwrap();
    let server = |host: &str, page: &str, iss: bool| {
        let metadata = json!({
            "issuer": format!("https://{host}"), "authorization_endpoint": page,
            "token_endpoint": format!("https://{host}/token"), "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": iss,
        });
        authorization_server(metadata.to_string().as_bytes(), &issuer(host), Strictness::Exact).unwrap()
    };
    let check = |host: &str, page: &str, iss: bool, named: &[&str]| {
        let server = server(host, &format!("https://{page}/authorize"), iss);
        let named: Vec<String> = named.iter().map(|one| (*one).to_owned()).collect();
        let page = server.authorization_endpoint.clone().unwrap();
        server.check_page(&page, &named).is_ok()
    };
    for (host, page) in [
        ("as.example.com", "as.example.com"),
        ("as.example.com:8443", "as.example.com"),
        ("as.example.com", "login.as.example.com"),
        ("as.example.com", "example.com"),
        ("cf.mcp.example.com", "web.mcp.example.com"),
        ("127.0.0.1:1", "127.0.0.1:2"),
    ] {
        assert!(check(host, page, false, &[]), "{host} {page}");
    }
    for (host, page) in [
        ("evil.example", "honest.example"),
        ("as.evil.com", "as.honest.com"),
        ("evil.com", "notevil.com"),
        ("10.0.0.1", "10.0.0.2"),
        ("com", "honest.com"),
    ] {
        assert!(!check(host, page, false, &[]), "{host} {page}");
        assert!(
            check(host, page, true, &[]),
            "its answers will say whose they are"
        );
        assert!(check(host, page, false, &[page]), "the operator knows");
    }
}
