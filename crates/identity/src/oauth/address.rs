//! Addresses in metadata, read in one way or not at all.

use std::fmt;

use super::{OauthFault, shown};

/// Longest address, in bytes.
const BYTES_MAX: usize = 2048;

/// An `http` or `https` address without user and fragment. Kept as it was written: issuers are compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    https: bool,
    host: String,
    port: u16,
    /// Where the path begins in `text`, which ends there if there is none.
    path: usize,
}

impl Address {
    /// Reads one.
    ///
    /// # Errors
    /// [`OauthFault::Address`].
    pub fn parse(text: &str) -> Result<Self, OauthFault> {
        Self::read(text).ok_or_else(|| OauthFault::Address(shown(text)))
    }

    fn read(text: &str) -> Option<Self> {
        let odd = |byte: u8| !(0x21..0x7F).contains(&byte) || b"\\<>\"`{}|^#".contains(&byte);
        if text.len() > BYTES_MAX || text.bytes().any(odd) {
            return None;
        }
        let (https, rest) = match text.split_once("://")? {
            (scheme, rest) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            (scheme, rest) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return None,
        };
        let length = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, _) = rest.split_at_checked(length)?;
        let path = text.len().checked_sub(rest.len())?.checked_add(length)?;
        let standard = if https { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address stand before its bracket.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().ok().filter(|port| *port != 0)?)
            }
            _ => (authority, standard),
        };
        let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let plain = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(name),
        };
        plain.then(|| Self {
            text: text.to_owned(),
            https,
            host: host.to_ascii_lowercase(),
            port,
            path,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is `https`.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// The host in lower case, an IPv6 address in its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is this machine by its own words, so that nothing crosses a network.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> String {
        let (scheme, standard) = if self.https { ("https", 443) } else { ("http", 80) };
        if self.port == standard {
            format!("{scheme}://{}", self.host)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }

    /// The path, without its closing slash, and without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        let rest = self.text.get(self.path..).unwrap_or_default();
        let path = rest.split('?').next().unwrap_or_default();
        path.strip_suffix('/').unwrap_or(path)
    }

    /// Whether `other` is this address or lies below it: the same origin, and whole segments of the path.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let dots = |address: &Self| address.path().split('/').any(|part| matches!(part, "." | ".."));
        self.origin() == other.origin()
            && !dots(self)
            && !dots(other)
            && other
                .path()
                .strip_prefix(self.path())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
