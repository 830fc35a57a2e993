//! Where a request through the proxy goes: a host and a port, in one spelling, and the operator's patterns of them.
//!
//! INVARIANT: there is one spelling of each site. Numbers that only some resolvers take for an address (`127.1`,
//! `0x7f000001`, `2130706433`), user names, empty labels and letters outside ASCII are refused, and an IPv4 address in an
//! IPv6 one (`::ffff:10.0.0.1`) is itself, so what a policy compares is what is connected to. The same goes for what
//! stands behind it: [`path`] gives the one spelling of a path, or none where two servers would take it for two.

use std::{borrow::Cow, fmt, net::IpAddr};

/// Most bytes of a host name (RFC 1035 section 2.3.4).
const HOST_BYTES: usize = 253;
/// Most bytes of one label.
const LABEL_BYTES: usize = 63;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    host: String,
    port: u16,
}

impl Site {
    /// Reads `host:port`, or `host` where there is a default port (RFC 3986 section 3.2, without user information).
    #[must_use]
    pub fn parse(authority: &str, default: Option<u16>) -> Option<Self> {
        let (host, port) = split(authority)?;
        let port = match port {
            Some(port) => number(port)?,
            None => default?,
        };
        Some(Self {
            host: canonical(host)?,
            port,
        })
    }

    /// The host in lower case without a trailing dot; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The host where it is a name and no address.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let address: Result<IpAddr, _> = self.host.parse();
        address.is_err().then_some(self.host.as_str())
    }
}

/// As it stands in policy and records: `host:port`, an IPv6 address in brackets.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Sites that an operator means: `example.com`, `*.example.com` (all below it, and not itself), either with a port. Without
/// one it is 443 and 80.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SitePattern {
    /// The host, or what comes after the star.
    host: String,
    below: bool,
    port: Option<u16>,
}

impl SitePattern {
    /// Reads a pattern.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (host, port) = split(rest)?;
        let port = match port {
            Some(port) => Some(number(port)?),
            None => None,
        };
        let host = canonical(host)?;
        let is_address = host.parse::<IpAddr>().is_ok();
        (!(below && is_address)).then_some(Self { host, below, port })
    }

    /// Whether a site is among them.
    #[must_use]
    pub fn fits(&self, site: &Site) -> bool {
        let port = match self.port {
            Some(port) => site.port == port,
            None => matches!(site.port, 80 | 443),
        };
        let host = if self.below {
            let above = site.host.strip_suffix(&self.host);
            site.name().is_some() && above.is_some_and(|above| above.len() > 1 && above.ends_with('.'))
        } else {
            site.host == self.host
        };
        port && host
    }
}

/// Host and port of an authority.
fn split(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        // Brackets hold nothing but an IPv6 address.
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

/// A port in its one spelling.
fn number(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

fn canonical(host: &str) -> Option<String> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(address.to_canonical().to_string());
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=LABEL_BYTES).contains(&label.len()) && label.bytes().all(plain) && !label.starts_with('-')
    };
    let fits = name.len() <= HOST_BYTES && name.split('.').all(label);
    (fits && !is_numeric(name.rsplit('.').next()?)).then_some(name)
}

/// A site as a revocation names it: `host` for all its ports, or `host:port`, in the one spelling that calls have.
#[must_use]
pub fn revocable(text: &str) -> Option<String> {
    let (_, port) = split(text)?;
    let site = Site::parse(text, Some(1))?;
    let whole = site.to_string();
    match port {
        Some(_) => Some(whole),
        None => whole.rsplit_once(':').map(|(host, _)| host.to_owned()),
    }
}

/// Most rounds in which a path is decoded to look for what is hidden in it.
const ROUNDS: usize = 4;

/// A path as policy sees it: each letter in its one spelling (RFC 3986 section 6.2.2), and no slash twice in a row. `None`
/// where servers would disagree about where it leads: a segment of dots, in whatever encoding, behind an encoded slash, a
/// backslash or before a parameter, as some servers resolve those; what is encoded twice, as some decode twice; a control
/// character; a percent sign of nothing.
#[must_use]
pub fn path(text: &str) -> Option<Cow<'_, str>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'/');
    let doubled = text.as_bytes().windows(2).any(|two| two == b"//");
    if !doubled && text.bytes().all(plain) {
        return Some(Cow::Borrowed(text));
    }
    let mut seen = text.to_owned();
    for round in 0..ROUNDS {
        if is_climbing(&seen) {
            return None;
        }
        match unpercent(&seen, |_| true) {
            Some(next) if next == seen => break,
            Some(next) if is_escaped(&next) => return None,
            Some(next) => seen = next,
            // The path itself must be whole; what is encoded in it may be any text.
            None if round == 0 => return None,
            None => break,
        }
    }
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut out = unpercent(text, unreserved)?;
    while out.contains("//") {
        out = out.replace("//", "/");
    }
    Some(Cow::Owned(out))
}

/// Whether a segment of it is one of dots, by any reading, or a control character is in it.
fn is_climbing(path: &str) -> bool {
    let dots = |segment: &str| {
        let bare = segment.split(';').next().unwrap_or_default();
        matches!(bare, "." | "..")
    };
    path.bytes().any(|byte| byte.is_ascii_control()) || path.split(['/', '\\']).any(dots)
}

/// Whether a whole escape stands in it.
fn is_escaped(path: &str) -> bool {
    let mut starts = path.as_bytes().windows(3);
    starts.any(
        |three| matches!(three, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    )
}

/// Decodes what `takes` says of, and writes the other escapes in capitals. `None`: a percent sign without two digits, or
/// bytes that are no text where they are decoded.
fn unpercent(text: &str, takes: impl Fn(u8) -> bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = (bytes.next()?, bytes.next()?);
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let value = (digit(high)? << 4) | digit(low)?;
        if takes(value) {
            out.push(value);
        } else {
            out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// Whether a last label makes some readers take the whole for an IPv4 address (WHATWG URL, "ends in a number").
fn is_numeric(label: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let hex = label.strip_prefix("0x");
    digits(label) || hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let found = Site::parse(text, Some(80)).map(|site| site.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn each_site_has_one_spelling() {
        check("API.Example.com:443", Some("api.example.com:443"));
        check("example.com.", Some("example.com:80"));
        check("localhost:8080", Some("localhost:8080"));
        check("xn--bcher-kva.example:1", Some("xn--bcher-kva.example:1"));
        check("10.0.0.1", Some("10.0.0.1:80"));
        check("[2001:DB8:0::1]:443", Some("[2001:db8::1]:443"));
        // Else a rule about the address would not be about this.
        check("[::ffff:10.0.0.1]", Some("10.0.0.1:80"));
        check("[::FFFF:0a00:1]:443", Some("10.0.0.1:443"));
        check("_dmarc.example.com", Some("_dmarc.example.com:80"));
    }

    #[test]
    fn what_could_be_read_otherwise_is_refused() {
        for text in [
            "",
            ":80",
            "a..b",
            ".a",
            "a.example..",
            "a b",
            "a/b",
            "user@a.example",
            "a.example:",
            "a.example:080",
            "a.example:0",
            "a.example:65536",
            "a.example:+1",
            "a.example:80:80",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "127.0.0.1.",
            "1.2.3.4.5",
            "a.example.0x1f",
            "[::1",
            "[a.example]",
            "[::1]x",
            "[fe80::1%25eth0]",
            "bücher.example",
            "a\u{200b}.example",
            "-a.example",
            "a%2eexample",
            "*.example",
        ] {
            check(text, None);
        }
        check(&"a.".repeat(128), None);
        check(&format!("{}.example", "a".repeat(64)), None);
        assert_eq!(Site::parse("a.example", None), None);
    }

    #[test]
    fn each_path_has_one_spelling_or_none() {
        for (text, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b.json", "/a/b.json"),
            ("/%61dmin", "/admin"),
            ("/a%2Db%7e", "/a-b~"),
            ("//admin", "/admin"),
            ("/a///b", "/a/b"),
            ("/a/", "/a/"),
            // Names with a slash in them are one segment, and stay so.
            ("/@scope%2fname", "/@scope%2Fname"),
            ("/a%20b", "/a%20b"),
            ("/%C3%A9", "/%C3%A9"),
            ("/%ff", "/%FF"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/...", "/..."),
            ("/a..b/.hidden", "/a..b/.hidden"),
            ("/100%25", "/100%25"),
            ("/web/2020/https://a.example/", "/web/2020/https:/a.example/"),
            ("*", "*"),
        ] {
            assert_eq!(path(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn paths_that_climb_by_any_reading_are_none() {
        for text in [
            "/a/../b",
            "/a/./b",
            "/..",
            "/.",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "/a%2f..%2fb",
            "/a/..%2fb",
            "/a%5c..%5cb",
            "/a\\..\\b",
            "/a/..;/b",
            "/a/..;x=1/b",
            "/a/%2e%2e;/b",
            "/a/%252e%252e/b",
            "/%2561dmin",
            "/100%25/%2561dmin",
            "/a%2520b",
            "/%25%36%31dmin",
            "/a%252f..%252fb",
            "/a/%25252e%25252e/b",
            "/a%00",
            "/a%0ab",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
        ] {
            assert_eq!(path(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_path_that_was_read_is_read_the_same_again(text in "(/|%2[eEfF]|%5c|%25|\\.|a|;|%41|é)*") {
            if let Some(once) = path(&text) {
                let again = path(&once);
                proptest::prop_assert_eq!(again.as_deref(), Some(&*once));
                proptest::prop_assert!(!once.split('/').any(|part| part == ".." || part == "."));
            }
        }
    }

    #[test]
    fn sites_are_revoked_in_the_spelling_that_calls_have() {
        for (text, expected) in [
            ("Example.com", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("example.com:8443", Some("example.com:8443")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("[::ffff:10.0.0.1]:80", Some("10.0.0.1:80")),
            ("[::1]", Some("[::1]")),
            ("[0:0::1]:443", Some("[::1]:443")),
            ("https://example.com", None),
            ("example.com/x", None),
            ("127.1", None),
        ] {
            assert_eq!(revocable(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn patterns_mean_what_they_say() {
        let fits = |pattern: &str, site: &str| {
            let site = Site::parse(site, Some(443)).unwrap();
            SitePattern::parse(pattern).unwrap().fits(&site)
        };
        assert!(fits("Example.com", "example.com"));
        assert!(fits("example.com", "example.com:80"));
        assert!(!fits("example.com", "example.com:8443"));
        assert!(fits("example.com:8443", "example.com:8443"));
        assert!(!fits("example.com:8443", "example.com"));
        assert!(!fits("example.com", "www.example.com"));
        assert!(fits("*.example.com", "a.b.example.com"));
        assert!(!fits("*.example.com", "example.com"));
        assert!(!fits("*.example.com", "badexample.com"));
        assert!(!fits("*.example.com", "example.com.evil.test"));
        assert!(fits("10.0.0.1:8000", "10.0.0.1:8000"));
        assert!(fits("[::1]:8000", "[0:0::1]:8000"));
        for wrong in [
            "",
            "*",
            "*.",
            "*.10.0.0.1",
            "a.*.example",
            "https://a.example",
            "a.example/x",
            "*.*.example",
        ] {
            assert_eq!(SitePattern::parse(wrong), None, "{wrong}");
        }
    }
}
