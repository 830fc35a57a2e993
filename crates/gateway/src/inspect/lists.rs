//! Lists of the operator's: hosts that may be in addresses, and what is known to be a threat.
//!
//! A threat list is a text file, one entry a line: a domain (with all below it), an IP address, or a SHA-256 in
//! hexadecimal of content. `#` begins a comment. Read when the gateway starts. A name counts wherever a text has it, in an
//! address or alone, since a program may be given either.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv6Addr},
    ops::Range,
    path::PathBuf,
};

use bartizan_inspect::urls;
use bartizan_types::Severity;

use crate::{config, model::sha256};

/// Largest list, in bytes.
const BYTES: u64 = 64 << 20;
/// Most threats that are told of one text.
const THREATS: usize = 4096;

/// What a list names: where, what it is, and how bad.
pub(super) type Threat = (Range<usize>, &'static str, Severity);

/// A list does not read.
#[derive(Debug, thiserror::Error)]
pub enum ListFault {
    /// The file.
    #[error("the threat list `{path}` can't be read")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than the bound.
    #[error("the threat list `{path}` is larger than 64 MiB")]
    Large {
        /// Which.
        path: PathBuf,
    },
    /// A line.
    #[error("line {line} of the threat list `{path}` is no domain, IP address or SHA-256")]
    Line {
        /// Which.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
    },
}

#[derive(Debug, Default)]
pub(super) struct Lists {
    allowed: HashSet<String>,
    domains: HashSet<String>,
    addresses: HashSet<IpAddr>,
    /// Some of them are of IPv6.
    has_sixes: bool,
    hashes: HashSet<[u8; 32]>,
}

impl Lists {
    pub(super) fn read(config: &config::Inspect) -> Result<Self, ListFault> {
        let mut lists = Self {
            allowed: config
                .allowed_domains
                .iter()
                .map(|domain| domain.to_ascii_lowercase())
                .collect(),
            ..Self::default()
        };
        for path in &config.threat_lists {
            let fault = |source| ListFault::Read {
                path: path.clone(),
                source,
            };
            if std::fs::metadata(path).map_err(fault)?.len() > BYTES {
                return Err(ListFault::Large { path: path.clone() });
            }
            let text = std::fs::read_to_string(path).map_err(fault)?;
            for (at, line) in text.lines().enumerate() {
                let entry = line.split('#').next().unwrap_or_default().trim();
                if !entry.is_empty() && !lists.add(entry) {
                    return Err(ListFault::Line {
                        path: path.clone(),
                        line: at + 1,
                    });
                }
            }
        }
        Ok(lists)
    }

    fn add(&mut self, entry: &str) -> bool {
        if let Ok(address) = entry.parse::<IpAddr>() {
            self.has_sixes |= address.is_ipv6();
            self.addresses.insert(address);
            return true;
        }
        if entry.len() == 64 && entry.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let mut hash = [0; 32];
            for (at, to) in hash.iter_mut().enumerate() {
                let pair = entry.get(2 * at..2 * at + 2).unwrap_or_default();
                *to = u8::from_str_radix(pair, 16).unwrap_or_default();
            }
            self.hashes.insert(hash);
            return true;
        }
        let name = entry
            .trim_start_matches("*.")
            .trim_end_matches('.')
            .to_ascii_lowercase();
        let label = |label: &str| {
            !label.is_empty()
                && label.len() < 64
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let fits = name.contains('.') && name.split('.').all(label);
        if fits {
            self.domains.insert(name);
        }
        fits
    }

    /// Whether the address at a place leads to a host that is allowed.
    pub(super) fn allows(&self, text: &str, span: &Range<usize>) -> bool {
        if self.allowed.is_empty() {
            return false;
        }
        let hosts = urls::hosts(text.get(span.clone()).unwrap_or_default());
        !hosts.is_empty() && hosts.iter().all(|host| under(&self.allowed, host))
    }

    /// Whether no threat is listed.
    pub(super) fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.addresses.is_empty() && self.hashes.is_empty()
    }

    /// What of a text the threat lists name. What is written so that nobody follows it, as reports about threats do, is
    /// less bad.
    pub(super) fn threats(&self, text: &str) -> Vec<Threat> {
        let mut found = Vec::new();
        if !self.domains.is_empty() || !self.addresses.is_empty() {
            urls::names(text, |range, name, defanged| {
                let what = match name.parse::<IpAddr>() {
                    Ok(address) => self.addresses.contains(&address).then_some("address"),
                    Err(_) => under(&self.domains, name).then_some("domain"),
                };
                let severity = if defanged {
                    Severity::Medium
                } else {
                    Severity::High
                };
                found.extend(
                    what.filter(|_| found.len() < THREATS)
                        .map(|what| (range, what, severity)),
                );
            });
        }
        if self.has_sixes {
            let listed = |(_, address): &(_, Ipv6Addr)| self.addresses.contains(&IpAddr::V6(*address));
            let threats = sixes(text).filter(listed).take(THREATS);
            found.extend(threats.map(|(range, _)| (range, "address", Severity::High)));
        }
        if !self.hashes.is_empty() && self.hashes.contains(&sha256(text.as_bytes()).0) {
            found.push((0..text.len(), "content", Severity::High));
        }
        found
    }
}

/// Whether a set holds a domain or one above it.
fn under(set: &HashSet<String>, host: &str) -> bool {
    let mut rest = host;
    loop {
        if set.contains(rest) {
            return true;
        }
        match rest.split_once('.') {
            Some((_, above)) => rest = above,
            None => return false,
        }
    }
}

/// IPv6 addresses in a text.
fn sixes(text: &str) -> impl Iterator<Item = (Range<usize>, Ipv6Addr)> {
    let of = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
    text.split(move |c| !of(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.bytes().filter(|byte| *byte == b':').count() >= 2)
        .filter_map(|word| {
            let start = word.as_ptr().addr() - text.as_ptr().addr();
            Some((start..start + word.len(), word.parse().ok()?))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(entries: &str, allowed: &[&str]) -> Lists {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("threats.txt");
        std::fs::write(&path, entries).unwrap();
        let config = config::Inspect {
            threat_lists: vec![path],
            allowed_domains: allowed.iter().map(|&domain| domain.to_owned()).collect(),
            ..config::Inspect::default()
        };
        Lists::read(&config).unwrap()
    }

    #[test]
    fn domains_addresses_and_content_are_matched() {
        let hash = sha256(b"bad content");
        let hex: String = hash.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let lists = lists(
            &format!("# known\nevil.example # a domain\n*.worse.example\n203.0.113.9\n2001:db8::9\n{hex}\n"),
            &[],
        );
        for (text, what) in [
            ("see https://evil.example/x", Some("domain")),
            ("see HTTPS://A.B.Evil.Example:8443?x=1", Some("domain")),
            ("see //user@worse.example.", Some("domain")),
            ("https://203.0.113.9:80/", Some("address")),
            ("http://[2001:db8::9]/", Some("address")),
            ("bad content", Some("content")),
            (
                "https://notevil.example/ https://evil.example.org/ https://203.0.113.90/",
                None,
            ),
            ("evil", None),
        ] {
            assert_eq!(
                lists.threats(text).first().map(|(_, what, _)| *what),
                what,
                "{text}"
            );
        }
    }

    #[test]
    fn names_are_matched_without_an_address_and_when_written_apart() {
        let lists = lists("evil.example\n203.0.113.9\n2001:db8::9\n", &[]);
        for (text, severity) in [
            ("ping evil.example", Some(Severity::High)),
            ("{\"host\":\"a.EVIL.example\",\"port\":443}", Some(Severity::High)),
            ("bob@evil.example", Some(Severity::High)),
            ("https:\\\\evil.example\\x", Some(Severity::High)),
            ("connect 203.0.113.9:8080", Some(Severity::High)),
            ("ping6 2001:db8:0::9.", Some(Severity::High)),
            ("hxxps://evil.example/x", Some(Severity::High)),
            ("hxxps[:]//www[.]evil[.]example/x", Some(Severity::Medium)),
            ("evil(dot)example and 203[.]0[.]113[.]9", Some(Severity::Medium)),
            ("notevil.example evil.example.org 203.0.113.90 2001:db8::90", None),
        ] {
            let found = lists.threats(text);
            assert_eq!(found.first().map(|(.., severity)| *severity), severity, "{text}");
        }
        // Many names before it hide none.
        let many = format!("{}evil.example", "a.b ".repeat(20_000));
        assert_eq!(lists.threats(&many).len(), 1);
    }

    #[test]
    fn an_allowed_host_is_allowed_with_all_below_it_and_no_other() {
        let lists = lists("", &["Corp.Example"]);
        for (text, yes) in [
            ("https://corp.example/?q=1", true),
            ("![x](https://img.corp.example/a)", true),
            ("https://corp.example.evil.example/", false),
            ("https://corp.example@evil.example/", false),
            ("https:\\\\evil.example\\x?u=//corp.example/", false),
            ("https:\\\\corp.example\\@evil.example/", true),
            ("no address", false),
        ] {
            assert_eq!(lists.allows(text, &(0..text.len())), yes, "{text}");
        }
    }

    #[test]
    fn a_line_that_is_nothing_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("threats.txt");
        std::fs::write(&path, "evil.example\nnot a domain\n").unwrap();
        let config = config::Inspect {
            threat_lists: vec![path],
            ..config::Inspect::default()
        };
        assert!(matches!(
            Lists::read(&config),
            Err(ListFault::Line { line: 2, .. })
        ));
    }
}
