//! Addresses in a request that the provider would fetch by itself: images, files and documents by URL.
//!
//! A fetch leaves the provider's network, says that it happens, and brings back what the model then reads. So each is
//! ruled on. What an address means is told only where every reader must read it alike: anything with a spelling that
//! some parser mends (userinfo, backslashes, short forms of IPv4, other scripts) is [`Reach::Unknown`]. A name may lead
//! anywhere whatever it is called; only the provider resolves it.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::place::{inside_v4, inside_v6};

/// Where an address leads, by its own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// A public name or address, over HTTP or HTTPS.
    Public,
    /// This host, a private or link-local network, a metadata service, a name that only exists inside.
    Private,
    /// Another scheme, or a spelling that two readers may read differently.
    Unknown,
}

impl Reach {
    /// The word in policy and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Unknown => "unknown",
        }
    }
}

/// One place that the provider would fetch from. The path is left out: it is content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fetch {
    /// Lower case; empty where there is none that can be told.
    pub scheme: String,
    /// Lower case, at most 255 bytes; empty where the address can't be read.
    pub host: String,
    /// As written.
    pub port: Option<u16>,
    /// Where it leads.
    pub reach: Reach,
}

/// Longest name that DNS has.
const MAX_HOST: usize = 255;
/// Names that exist only inside a network (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`, and common habits).
const INSIDE: [&str; 9] = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "private",
    "lan",
    "home",
    "corp",
    "localdomain",
];

impl Fetch {
    /// What an address asks to fetch. `None` for content that stands in the address itself (`data:`).
    #[must_use]
    pub fn of(url: &str) -> Option<Self> {
        let bare = url.trim_start_matches(|char: char| char <= ' ');
        if bare.is_empty()
            || bare
                .get(..5)
                .is_some_and(|start| start.eq_ignore_ascii_case("data:"))
        {
            return None;
        }
        Some(read(url).unwrap_or(Self {
            scheme: scheme(url).unwrap_or_default(),
            host: String::new(),
            port: None,
            reach: Reach::Unknown,
        }))
    }
}

fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once(':')?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    (!scheme.is_empty() && scheme.len() <= 32 && scheme.bytes().all(token))
        .then(|| scheme.to_ascii_lowercase())
}

/// Reads an address that every parser reads alike.
fn read(url: &str) -> Option<Fetch> {
    if url
        .bytes()
        .any(|byte| !(0x21..0x7F).contains(&byte) || byte == b'\\')
    {
        return None;
    }
    let scheme = scheme(url).filter(|scheme| matches!(scheme.as_str(), "http" | "https"))?;
    let rest = url.get(scheme.len()..)?.strip_prefix("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(inside) => {
            let (address, port) = inside.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let reach = if inside_v6(address) {
                Reach::Private
            } else {
                Reach::Public
            };
            ((format!("[{address}]"), reach), port)
        }
        None => {
            let (name, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            (named(name)?, port)
        }
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ => return None,
    };
    let (host, reach) = host;
    Some(Fetch {
        scheme,
        host,
        port,
        reach,
    })
}

/// A name or an IPv4 address, and where it leads.
fn named(name: &str) -> Option<(String, Reach)> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let labels: Vec<&str> = name.split('.').collect();
    if name.len() > MAX_HOST || !name.bytes().all(plain) || labels.iter().any(|label| label.is_empty()) {
        return None;
    }
    let last = labels.last().copied().unwrap_or_default();
    // As the URL standard has it: a last label that is a number makes the whole an IPv4 address, in whatever form.
    if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
        let address: Ipv4Addr = name.parse().ok()?;
        let reach = if inside_v4(address) {
            Reach::Private
        } else {
            Reach::Public
        };
        return Some((address.to_string(), reach));
    }
    let inside =
        labels.len() == 1 || INSIDE.contains(&last) || name.ends_with(".home.arpa") || spells_inside(&labels);
    Some((name, if inside { Reach::Private } else { Reach::Public }))
}

/// Names of services that resolve to the address in the name itself (`10.0.0.1.…`, `10-0-0-1.…`).
fn spells_inside(labels: &[&str]) -> bool {
    let address = |parts: [&str; 4]| -> Option<Ipv4Addr> {
        let mut bytes = [0_u8; 4];
        for (byte, part) in bytes.iter_mut().zip(parts) {
            *byte = part.parse().ok()?;
        }
        Some(Ipv4Addr::from(bytes))
    };
    let inside = |parts: &[&str]| {
        let parts: Option<[&str; 4]> = parts.try_into().ok();
        parts.and_then(address).is_some_and(inside_v4)
    };
    labels.windows(4).any(inside)
        || labels.iter().any(|label| {
            let parts: Vec<&str> = label.split('-').collect();
            parts.windows(4).any(inside)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(url: &str) -> Reach {
        Fetch::of(url).unwrap_or_else(|| panic!("{url} is fetched")).reach
    }

    #[test]
    fn content_in_the_address_is_not_fetched() {
        for url in ["data:image/png;base64,AA==", "DATA:,x", " \tdata:,x", ""] {
            assert_eq!(Fetch::of(url), None, "{url}");
        }
    }

    #[test]
    fn public_places_are_told_with_their_host() {
        for (url, host, port) in [
            ("https://cdn.example/a.png?x=1#y", "cdn.example", None),
            ("HTTP://CDN.Example.:8080/", "cdn.example", Some(8080)),
            ("https://8.8.8.8", "8.8.8.8", None),
            ("https://[2606:4700::1111]:443/x", "[2606:4700::1111]", Some(443)),
            ("https://xn--bcher-kva.example", "xn--bcher-kva.example", None),
            ("https://8-8-8-8.dns.example/", "8-8-8-8.dns.example", None),
        ] {
            let fetch = Fetch::of(url).unwrap();
            assert_eq!(
                (fetch.host.as_str(), fetch.port, fetch.reach),
                (host, port, Reach::Public),
                "{url}"
            );
        }
    }

    #[test]
    fn what_lies_inside_is_private() {
        for url in [
            "http://localhost/",
            "http://a.localhost:80",
            "http://metadata/",
            "http://metadata.google.internal/computeMetadata/v1/",
            "http://printer.local",
            "http://nas.home.arpa",
            "http://127.0.0.1",
            "http://10.1.2.3",
            "http://172.16.0.1",
            "http://192.168.1.1:8080/x",
            "http://169.254.169.254/latest/meta-data/",
            "http://100.100.100.200/",
            "http://168.63.129.16/",
            "http://0.0.0.0",
            "http://255.255.255.255",
            "http://[::1]/",
            "http://[::]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://127.0.0.1.nip.example/",
            "http://app-10-0-0-1.nip.example/",
        ] {
            assert_eq!(reach(url), Reach::Private, "{url}");
        }
    }

    #[test]
    fn what_parsers_read_differently_is_unknown() {
        for url in [
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://127.0.0.01/",
            "http://user@cdn.example/",
            "http://cdn.example\\@127.0.0.1/",
            "http://cdn.example:80:81/",
            "http://cdn.example:x/",
            "http://cdn.example:99999/",
            "http://cdn..example/",
            "http://127.0.0.1%2f.example/",
            "http://１２７.0.0.1/",
            "http://cdn.ex\u{AD}ample/",
            "ht\ntp://cdn.example/",
            " https://cdn.example/",
            "https:cdn.example",
            "https:/cdn.example",
            "//cdn.example/",
            "///",
            "http://",
            "http://[::1/",
            "http://[fe80::1%25eth0]/",
            "file:///etc/passwd",
            "gs://bucket/x",
            "ftp://cdn.example/x",
            "cdn.example/x.png",
        ] {
            assert_eq!(reach(url), Reach::Unknown, "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_address_makes_it_panic(url in ".{0,80}") {
            if let Some(fetch) = Fetch::of(&url) {
                proptest::prop_assert!(fetch.host.len() <= MAX_HOST + 2);
            }
        }
    }
}
