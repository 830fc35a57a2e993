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
    Host,
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
        if METHODS.contains(&name) {
            Some(Self::Method)
        } else if ADDRESSES.contains(&name) {
            Some(Self::Address)
        } else if HOSTS.contains(&name) {
            Some(Self::Host)
        } else {
            None
        }
    }
}

/// Refuses a request that a header would make another.
///
/// # Errors
/// [`Code::EgressOverride`].
pub(super) fn stands(site: &Site, head: &Parts) -> Result<(), Code> {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    for (name, value) in &head.headers {
        let said = value.to_str().unwrap_or_default().trim();
        let same = match Other::of(name) {
            None if name == header::FORWARDED => {
                value.to_str().is_ok() && !said.to_ascii_lowercase().contains("host=")
            }
            None => true,
            Some(Other::Method) => said.eq_ignore_ascii_case(head.method.as_str()),
            Some(Other::Address) => said == path || head.uri == said,
            Some(Other::Host) => Site::parse(said, Some(site.port())).as_ref() == Some(site),
        };
        if !same {
            return Err(Code::EgressOverride);
        }
    }
    Ok(())
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

/// Takes away what only repeats the request: a server that reads it reads it once.
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
    fn what_repeats_the_request_is_not_sent_twice() {
        let mut headers = HeaderMap::new();
        headers.insert("x-http-method", HeaderValue::from_static("GET"));
        headers.insert("x-end", HeaderValue::from_static("1"));
        plain(&mut headers);
        assert_eq!(headers.len(), 1);
    }
}
