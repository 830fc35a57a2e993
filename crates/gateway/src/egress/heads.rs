//! Headers by which a request says something else than it is: servers and frameworks that believe them would do what nobody
//! ruled on. And what of the others is looked into like a query.

use bartizan_types::Code;
use bartizan_wire::site::Site;
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};

use crate::edge;

/// What a header would have the request be instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Method,
    Address,
    /// Of a path that servers put before the request's.
    Prefix,
    Host,
    Port,
    Scheme,
    /// Whether it came over TLS: `on` or `off`.
    Private,
    /// From where it comes. No site hears of that from an agent: it is dropped, whatever it says.
    Sender,
}

const METHODS: &[&str] = &[
    "http-method-override",
    "x-forwarded-method",
    "x-http-method",
    "x-http-method-override",
    "x-method",
    "x-method-override",
    "x-original-method",
    "x-rewrite-method",
];
const ADDRESSES: &[&str] = &[
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-original-path",
    "x-original-uri",
    "x-original-url",
    "x-override-url",
    "x-rewrite-path",
    "x-rewrite-uri",
    "x-rewrite-url",
];
const HOSTS: &[&str] = &[
    "x-forwarded-host",
    "x-forwarded-server",
    "x-host",
    "x-http-host-override",
    "x-original-host",
];

const PREFIXES: &[&str] = &["x-forwarded-prefix", "x-forwarded-context", "x-script-name"];
const PORTS: &[&str] = &["x-forwarded-port", "x-original-port"];
const SCHEMES: &[&str] = &[
    "cloudfront-forwarded-proto",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-original-proto",
    "x-original-scheme",
    "x-scheme",
    "x-url-scheme",
];
const PRIVATE: &[&str] = &["front-end-https", "x-forwarded-ssl", "x-https"];
const SENDERS: &[&str] = &[
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "forwarded-for",
    "true-client-ip",
    "x-appengine-user-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-forwarded",
    "x-forwarded-by",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-original-forwarded-for",
    "x-originating-ip",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-ip",
];

impl Other {
    /// What a header of this name says. Servers that hand headers on as variables know `_` and `-` apart from nothing.
    fn of(name: &HeaderName) -> Option<Self> {
        let name = name.as_str();
        let plain;
        let name = if name.contains('_') {
            plain = name.replace('_', "-");
            plain.as_str()
        } else {
            name
        };
        let all = [
            (METHODS, Self::Method),
            (ADDRESSES, Self::Address),
            (PREFIXES, Self::Prefix),
            (HOSTS, Self::Host),
            (PORTS, Self::Port),
            (SCHEMES, Self::Scheme),
            (PRIVATE, Self::Private),
            (SENDERS, Self::Sender),
        ];
        let found = all.into_iter().find(|(names, _)| names.contains(&name));
        found.map(|(_, other)| other)
    }
}

/// Refuses a request that a header would make another.
///
/// # Errors
/// [`Code::EgressOverride`].
pub(super) fn stands(site: &Site, head: &Parts) -> Result<(), Code> {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let private = head.uri.scheme_str() == Some("https");
    let scheme = if private { "https" } else { "http" };
    for (name, value) in &head.headers {
        let said = value.to_str().unwrap_or_default().trim();
        let same = match Other::of(name) {
            Some(Other::Sender) if name == header::FORWARDED => {
                value.to_str().is_ok() && forwarded(&said.to_ascii_lowercase(), scheme)
            }
            None | Some(Other::Sender) => true,
            Some(Other::Method) => said.eq_ignore_ascii_case(head.method.as_str()),
            Some(Other::Address) => said == path || head.uri == said,
            Some(Other::Prefix) => matches!(said, "" | "/"),
            Some(Other::Host) => Site::parse(said, Some(site.port())).as_ref() == Some(site),
            Some(Other::Port) => said == site.port().to_string(),
            Some(Other::Scheme) => said.eq_ignore_ascii_case(scheme),
            Some(Other::Private) => said.eq_ignore_ascii_case(if private { "on" } else { "off" }),
        };
        if !same {
            return Err(Code::EgressOverride);
        }
    }
    Ok(())
}

/// Whether a `Forwarded` in lower case (RFC 7239) names no host, and no other scheme than the request's.
fn forwarded(said: &str, scheme: &str) -> bool {
    let same = |part: &str| match part.split_once('=') {
        Some((name, value)) if name.trim() == "proto" => value.trim().trim_matches('"') == scheme,
        _ => true,
    };
    !said.contains("host=") && said.split([';', ',']).all(same)
}

/// Headers that are looked into: all but the agent's own credential for the site, which is what `Authorization` is for, and
/// those of the connection, which don't go on. How large they may be together is a bound of the listener's.
pub(super) fn seen(headers: &HeaderMap) -> Vec<(String, String)> {
    const APART: [HeaderName; 5] = [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::HOST,
        header::CONTENT_LENGTH,
        edge::OWN_KEY,
    ];
    headers
        .iter()
        .filter(|(name, _)| !APART.contains(name))
        .map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), text)
        })
        .collect()
}

/// Takes away what only repeats the request, for a server that reads it reads it once, and what says from where it comes.
pub(super) fn plain(headers: &mut HeaderMap<HeaderValue>) {
    let repeated: Vec<HeaderName> = headers
        .keys()
        .filter(|name| Other::of(name).is_some())
        .cloned()
        .collect();
    for name in &repeated {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(method: &str, name: &str, value: &str) -> Result<(), Code> {
        let request = Request::builder()
            .method(method)
            .uri("http://a.example/x?y=1")
            .header(name, value);
        let (head, ()) = request.body(()).unwrap().into_parts();
        stands(&Site::parse("a.example:80", None).unwrap(), &head)
    }

    #[test]
    fn a_request_is_what_its_first_line_says() {
        for (name, value) in [
            ("X-HTTP-Method-Override", "get"),
            ("X-Original-URL", "/x?y=1"),
            ("X-Rewrite-URL", "http://a.example/x?y=1"),
            ("X-Forwarded-Host", "A.example"),
            ("Forwarded", "for=192.0.2.1;proto=http"),
            ("X-Forwarded-For", "192.0.2.1"),
            ("X-Forwarded-Proto", "HTTP"),
            ("X-Forwarded-Port", "80"),
            ("X-Forwarded-Prefix", "/"),
            ("X-Forwarded-Ssl", "off"),
            ("X-Real-IP", "127.0.0.1"),
            ("X-Methods", "DELETE"),
        ] {
            assert_eq!(check("GET", name, value), Ok(()), "{name}: {value}");
        }
        for (name, value) in [
            ("X-HTTP-Method-Override", "DELETE"),
            ("X-HTTP-Method", "DELETE"),
            ("X-Method-Override", "GET, DELETE"),
            ("X-Original-Method", ""),
            ("x_http_method_override", "DELETE"),
            ("X-Original-URL", "/admin"),
            ("X-Original-URL", "/x"),
            ("X-Rewrite-URL", "http://b.example/x?y=1"),
            ("X-Forwarded-Uri", "/admin"),
            ("X-Forwarded-Host", "b.example"),
            ("X-Host", "a.example:8080"),
            ("Forwarded", "for=192.0.2.1;Host=b.example"),
            ("Forwarded", "for=192.0.2.1;proto=\"https\""),
            ("Forwarded", "proto=http, Proto = https"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Proto", "http, https"),
            ("X-Forwarded-Proto", ""),
            ("x_forwarded_proto", "https"),
            ("X-Forwarded-Scheme", "https"),
            ("X-Url-Scheme", "https"),
            ("Front-End-Https", "on"),
            ("X-Forwarded-Ssl", "on"),
            ("X-Forwarded-Port", "443"),
            ("X-Forwarded-Port", "080"),
            ("X-Forwarded-Prefix", "/admin"),
            ("X-Script-Name", "/admin"),
        ] {
            assert_eq!(
                check("GET", name, value),
                Err(Code::EgressOverride),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn over_tls_a_request_says_that_it_came_over_tls() {
        let check = |name: &str, value: &str| {
            let request = Request::builder().uri("https://a.example/x").header(name, value);
            let (head, ()) = request.body(()).unwrap().into_parts();
            stands(&Site::parse("a.example:443", None).unwrap(), &head)
        };
        for (name, https, http) in [
            ("x-forwarded-proto", "https", "http"),
            ("x-forwarded-port", "443", "80"),
            ("x-forwarded-ssl", "on", "off"),
            ("forwarded", "proto=https", "proto=http"),
        ] {
            assert_eq!(check(name, https), Ok(()), "{name}");
            assert_eq!(check(name, http), Err(Code::EgressOverride), "{name}");
        }
    }

    #[test]
    fn every_header_but_the_agents_own_credential_is_looked_into() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer own"),
            ("proxy-authorization", "Basic x"),
            ("cookie", "a=b"),
            ("x-data", "c"),
            ("x-data", "d"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let seen = seen(&headers);
        let seen: Vec<(&str, &str)> = seen.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(seen, [("cookie", "a=b"), ("x-data", "c"), ("x-data", "d")]);
    }

    #[test]
    fn what_repeats_the_request_is_not_sent_twice() {
        let mut headers = HeaderMap::new();
        headers.insert("x-http-method", HeaderValue::from_static("GET"));
        headers.insert("x-end", HeaderValue::from_static("1"));
        for name in [
            "x-forwarded-proto",
            "x-forwarded-port",
            "forwarded",
            "x-forwarded-for",
            "x_forwarded_for",
            "x-real-ip",
            "true-client-ip",
        ] {
            headers.append(name, HeaderValue::from_static("127.0.0.1"));
            headers.append(name, HeaderValue::from_static("::1"));
        }
        plain(&mut headers);
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-end"]);
    }
}
