//! Headers by which a request says something else than it is: servers and frameworks that believe them would do what nobody
//! ruled on. And what of the others is looked into like a query.

use bartizan_types::Code;
use bartizan_wire::site::Site;
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};

use crate::edge;

/// What a header says of the request that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    /// Another method.
    Method,
    /// Another address at the site, whole or its path.
    Address,
    /// Another host.
    Host,
    /// That it came by another scheme.
    Scheme,
    /// The same as `on` or `off`.
    Encrypted,
    /// That it came to another port.
    Port,
    /// That its path had a beginning that a proxy took away.
    Prefix,
    /// What only a proxy in front of a site can know: who asks, and what it asked before. The one in front is ours, and says
    /// nothing of that.
    Told,
}

/// The one list of them: of RFC 7239, and of what proxies, frameworks and clouds read in its place.
const OTHERS: &[(Other, &[&str])] = &[
    (
        Other::Method,
        &[
            "http-method-override",
            "x-forwarded-method",
            "x-http-method",
            "x-http-method-override",
            "x-method",
            "x-method-override",
            "x-original-method",
            "x-rewrite-method",
        ],
    ),
    (
        Other::Address,
        &[
            "x-envoy-original-path",
            "x-forwarded-path",
            "x-forwarded-uri",
            "x-forwarded-url",
            "x-ms-original-url",
            "x-original-path",
            "x-original-uri",
            "x-original-url",
            "x-override-url",
            "x-replaced-path",
            "x-request-uri",
            "x-rewrite-path",
            "x-rewrite-uri",
            "x-rewrite-url",
            "x-waws-unencoded-url",
        ],
    ),
    (
        Other::Host,
        &[
            "x-backend-host",
            "x-envoy-original-dst-host",
            "x-envoy-original-host",
            "x-forwarded-host",
            "x-forwarded-server",
            "x-host",
            "x-host-override",
            "x-http-host-override",
            "x-original-host",
            "x-proxy-host",
            "x-real-host",
        ],
    ),
    (
        Other::Scheme,
        &[
            "cloudfront-forwarded-proto",
            "x-forwarded-proto",
            "x-forwarded-protocol",
            "x-forwarded-scheme",
            "x-original-proto",
            "x-original-scheme",
            "x-scheme",
            "x-url-scheme",
        ],
    ),
    (
        Other::Encrypted,
        &["front-end-https", "x-forwarded-https", "x-forwarded-ssl"],
    ),
    (Other::Port, &["x-forwarded-port", "x-original-port"]),
    (
        Other::Prefix,
        &[
            "x-forwarded-context",
            "x-forwarded-prefix",
            "x-ingress-path",
            "x-script-name",
        ],
    ),
    (
        Other::Told,
        &[
            "cf-connecting-ip",
            "cf-connecting-ipv6",
            "client-ip",
            "fastly-client-ip",
            "fly-client-ip",
            "forwarded",
            "forwarded-for",
            "proxy-client-ip",
            "true-client-ip",
            "wl-proxy-client-ip",
            "x-appengine-user-ip",
            "x-azure-clientip",
            "x-azure-socketip",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-custom-ip-authorization",
            "x-envoy-external-address",
            "x-envoy-internal",
            "x-forwarded",
            "x-original-for",
            "x-original-forwarded-for",
            "x-originating-ip",
            "x-proxyuser-ip",
            "x-real-ip",
            "x-remote-addr",
            "x-remote-ip",
            "x-true-client-ip",
        ],
    ),
];

impl Other {
    /// What a header of this name says. Servers that hand headers on as variables know `_` and `-` apart from nothing.
    fn of(name: &HeaderName) -> Option<Self> {
        let name = name.as_str();
        if name.contains('_') {
            Self::named(&name.replace('_', "-"))
        } else {
            Self::named(name)
        }
    }

    fn named(name: &str) -> Option<Self> {
        let listed = OTHERS.iter().find(|(_, names)| names.contains(&name));
        // The client's name, groups and certificate, and what is invented next.
        let told = || name.starts_with("x-forwarded-").then_some(Self::Told);
        listed.map(|(other, _)| *other).or_else(told)
    }

    /// Whether a header says nothing else than the request itself does.
    fn repeats(self, said: &str, site: &Site, head: &Parts) -> bool {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let scheme = head.uri.scheme_str().unwrap_or("http");
        match self {
            Self::Method => said.eq_ignore_ascii_case(head.method.as_str()),
            Self::Address => said == path || head.uri == said,
            Self::Host => Site::parse(said, Some(site.port())).as_ref() == Some(site),
            Self::Scheme => said.eq_ignore_ascii_case(scheme),
            Self::Encrypted => {
                let word = if scheme == "https" { "on" } else { "off" };
                said.eq_ignore_ascii_case(word)
            }
            Self::Port => said == site.port().to_string(),
            Self::Prefix => matches!(said, "" | "/"),
            Self::Told => true,
        }
    }
}

/// Refuses a request that a header would make another.
///
/// # Errors
/// [`Code::EgressOverride`].
pub(super) fn stands(site: &Site, head: &Parts) -> Result<(), Code> {
    for (name, value) in &head.headers {
        let same = match (Other::of(name), value.to_str()) {
            (None, _) => true,
            (Some(Other::Told), Ok(said)) if name == header::FORWARDED => forwarded(said.trim(), site, head),
            (Some(Other::Told), Err(_)) => name != header::FORWARDED,
            (Some(other), Ok(said)) => other.repeats(said.trim(), site, head),
            (Some(_), Err(_)) => false,
        };
        if !same {
            return Err(Code::EgressOverride);
        }
    }
    Ok(())
}

/// The same of `Forwarded` (RFC 7239), which says several things. Its hosts are never compared: no client needs to name one.
fn forwarded(said: &str, site: &Site, head: &Parts) -> bool {
    if said.to_ascii_lowercase().contains("host=") {
        return false;
    }
    said.split([';', ',']).all(|pair| match pair.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("proto") => {
            Other::Scheme.repeats(value.trim().trim_matches('"'), site, head)
        }
        _ => true,
    })
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

/// Takes away what only repeats the request, which a server that reads it reads once, and what is not the agent's to say.
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
            ("X-Forwarded-Ssl", "off"),
            ("X-Forwarded-Port", "80"),
            ("X-Forwarded-Prefix", "/"),
            ("X-Real-Ip", "anything"),
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
            ("X-Envoy-Original-Dst-Host", "10.0.0.1:80"),
            ("Forwarded", "for=192.0.2.1;Host=b.example"),
            ("Forwarded", "for=192.0.2.1, for=192.0.2.2; Proto=\"https\""),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Proto", "http, https"),
            ("X-Forwarded-Scheme", ""),
            ("X_Forwarded_Proto", "https"),
            ("Front-End-Https", "on"),
            ("X-Forwarded-Port", "443"),
            ("X-Forwarded-Prefix", "/admin"),
        ] {
            assert_eq!(
                check("GET", name, value),
                Err(Code::EgressOverride),
                "{name}: {value}"
            );
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
    fn bytes_that_are_no_text_repeat_nothing() {
        let (mut head, ()) = Request::new(()).into_parts();
        let site = Site::parse("a.example:80", None).unwrap();
        for (name, expected) in [
            ("x-forwarded-prefix", Err(Code::EgressOverride)),
            ("forwarded", Err(Code::EgressOverride)),
            // What is taken away whatever it says.
            ("x-real-ip", Ok(())),
            ("x-other", Ok(())),
        ] {
            head.headers.clear();
            let value = HeaderValue::from_bytes(b"\xff").unwrap();
            head.headers.insert(HeaderName::from_static(name), value);
            assert_eq!(stands(&site, &head), expected, "{name}");
        }
    }

    #[test]
    fn what_repeats_the_request_or_is_not_the_agents_to_say_is_taken_away() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-http-method",
            "x_http_method",
            "x-original-url",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-forwarded-for",
            "x-forwarded-user",
            "x-forwarded-client-cert",
            "x_forwarded_email",
            "forwarded",
            "x-real-ip",
            "true-client-ip",
            "front-end-https",
            "x-forwarded-port",
            "x-forwarded-prefix",
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        for name in ["x-end", "forwarding", "x-forward", "via", "authorization"] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        plain(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "forwarding", "via", "x-end", "x-forward"]);
    }
}
