//! One-time codes: what a service sends to complete a call that was already let through.
//!
//! A code is nobody's word: whoever reads it has it. What makes it safe to hand in is all around it: a call that was let
//! through waits for it, it came after that call began to wait, in a message whose sender the mail service authenticated
//! as the service's own domain, it is the whole of one short word there, and it completes one call. Which call is
//! completed is for the other arguments to say, and those are traced as ever.
//!
//! INVARIANT: without a waiting call nothing is kept, and nothing that another domain sent ever is.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    canon, mailbox,
    manifest::{Class, Manifest},
};

/// Most calls that wait at once, and most codes that one session keeps. The oldest go first.
const WAITING: usize = 16;
const KEPT: usize = 64;
/// How long a code is, without the hyphens and spaces inside.
const LENGTH: std::ops::RangeInclusive<usize> = 4..=10;
/// A message that holds more words of that shape names no code.
const CANDIDATES: usize = 12;
/// How deep into a result messages are looked for.
const DEPTH: usize = 6;

/// A call that waits, by the domains whose code completes it.
type Waiting = Vec<Box<str>>;

/// What waits, and what came for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codes {
    waiting: Vec<Waiting>,
    /// Codes by the domain that sent them, oldest first.
    came: Vec<(Box<str>, Box<str>)>,
    spent: usize,
}

impl Codes {
    /// Codes that were used up: a later ruling is stricter for it.
    pub(crate) const fn spent(&self) -> usize {
        self.spent
    }

    /// A call was let through and answered, and a code from one of these domains completes it.
    pub(crate) fn wait(&mut self, domains: &[Box<str>]) {
        if domains.is_empty() {
            return;
        }
        if self.waiting.len() >= WAITING {
            self.waiting.remove(0);
        }
        let hosts = domains
            .iter()
            .filter_map(|domain| canon::host(&domain.to_lowercase()));
        self.waiting.push(hosts.map(Into::into).collect());
    }

    /// Takes in the messages of a result whose manifest was reviewed.
    pub(crate) fn read(&mut self, manifest: &Manifest, value: &Value) {
        let tells = || manifest.results.iter().any(|(_, class)| *class == Class::Sender);
        if !self.waiting.is_empty() && manifest.reviewed && tells() {
            self.walk(manifest, value, &mut Vec::new());
        }
    }

    fn walk<'a>(&mut self, manifest: &Manifest, value: &'a Value, path: &mut Vec<&'a str>) {
        if path.len() >= DEPTH {
            return;
        }
        match value {
            Value::Object(map) => {
                let mut senders = BTreeSet::new();
                let mut words = BTreeSet::new();
                for (key, inner) in map {
                    path.push(key);
                    match inner {
                        Value::String(text) if manifest.class(path) == Class::Sender => {
                            senders.insert(domain(text));
                        }
                        Value::String(text) => words.extend(text.split_whitespace().filter_map(code)),
                        _ => self.walk(manifest, inner, path),
                    }
                    path.pop();
                }
                // Two senders are none.
                if let (1, Some(Some(domain))) = (senders.len(), senders.pop_first()) {
                    self.keep(&domain, words);
                }
            }
            Value::Array(list) => {
                for inner in list {
                    path.push("0");
                    self.walk(manifest, inner, path);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, domain: &str, codes: BTreeSet<Box<str>>) {
        let awaited = self.waiting.iter().flatten().any(|from| **from == *domain);
        if !awaited || codes.len() > CANDIDATES {
            return;
        }
        for code in codes {
            let came = (domain.into(), code);
            if self.came.contains(&came) {
                continue;
            }
            if self.came.len() >= KEPT {
                self.came.remove(0);
            }
            self.came.push(came);
        }
    }

    /// Does this complete a call that waits?
    pub(crate) fn completes(&self, text: &str) -> bool {
        self.place(text).is_some()
    }

    /// It was handed in: neither it nor the call that waited for it, the oldest of its kind, counts again.
    pub(crate) fn spend(&mut self, text: &str) {
        let Some(at) = self.place(text) else { return };
        let (domain, _) = self.came.remove(at);
        let waited = self.waiting.iter().position(|from| from.contains(&domain));
        if let Some(waited) = waited {
            self.waiting.remove(waited);
        }
        if self.waiting.is_empty() {
            self.came.clear();
        }
        self.spent += 1;
    }

    fn place(&self, text: &str) -> Option<usize> {
        let code = code(text)?;
        self.came
            .iter()
            .position(|(domain, came)| *came == code && self.waiting.iter().any(|from| from.contains(domain)))
    }
}

/// The host of an address, alone or after a name as in `Bank <no-reply@bank.example>`. None of what has no safe form.
fn domain(text: &str) -> Option<Box<str>> {
    let key = canon::canonical(mailbox::address(text)).ok()?.key;
    let host = key.strip_prefix("e:")?.rsplit_once('@')?.1;
    Some(host.into())
}

/// A word's code, in capitals and without hyphens: digits, or capitals and digits.
fn code(word: &str) -> Option<Box<str>> {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let joined: String = word.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let fits = LENGTH.contains(&joined.len())
        && joined.bytes().any(|b| b.is_ascii_digit())
        && joined
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    fits.then(|| joined.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::PathPattern;

    fn mail() -> Manifest {
        Manifest {
            effect: bartizan_types::flow::Effect::Read,
            results: vec![(PathPattern::new("*.from"), Class::Sender)],
            reviewed: true,
            ..Manifest::unknown()
        }
    }

    fn waiting() -> Codes {
        let mut codes = Codes::default();
        codes.wait(&["bank.example".into()]);
        codes
    }

    #[test]
    fn only_the_waited_for_domain_completes_and_only_once() {
        let mut codes = waiting();
        codes.read(&mail(), &json!([
            {"from": "Bank <no-reply@bank.example>", "body": "Your code is 482-913. It holds for 5 minutes."},
            {"from": "no-reply@bank.example.evil.example", "body": "Your code is 777111"},
            {"from": "eve@evil.example", "body": "bank.example says: code 555222"},
        ]));
        assert!(codes.completes("482913") && codes.completes("482-913"));
        for other in ["777111", "555222", "48291", "4829130", "code", ""] {
            assert!(!codes.completes(other), "{other}");
        }
        codes.spend("482913");
        assert!(!codes.completes("482913"), "a code is used up");
        assert_eq!(codes.spent(), 1);
    }

    #[test]
    fn what_came_before_the_call_waited_is_no_code() {
        let mut codes = Codes::default();
        let early = json!([{"from": "no-reply@bank.example", "body": "Your code is 482913"}]);
        codes.read(&mail(), &early);
        codes.wait(&["bank.example".into()]);
        assert!(!codes.completes("482913"));
    }

    #[test]
    fn an_unreviewed_or_second_sender_vouches_for_nothing() {
        let message = json!([{"from": "no-reply@bank.example", "body": "Your code is 482913"}]);
        let mut codes = waiting();
        codes.read(
            &Manifest {
                reviewed: false,
                ..mail()
            },
            &message,
        );
        assert!(!codes.completes("482913"));
        let both = Manifest {
            results: vec![
                (PathPattern::new("*.from"), Class::Sender),
                (PathPattern::new("*.via"), Class::Sender),
            ],
            ..mail()
        };
        let two = json!([{"from": "no-reply@bank.example", "via": "eve@evil.example", "body": "482913"}]);
        codes.read(&both, &two);
        assert!(!codes.completes("482913"));
        codes.read(&both, &message);
        assert!(codes.completes("482913"));
    }

    #[test]
    fn it_stays_small() {
        let mut codes = Codes::default();
        for _ in 0..100 {
            codes.wait(&["bank.example".into()]);
        }
        for n in 0..1000 {
            codes.read(
                &mail(),
                &json!([{"from": "a@bank.example", "body": format!("{:06}", n)}]),
            );
        }
        assert!(codes.waiting.len() <= WAITING && codes.came.len() <= KEPT);
        let many: Vec<String> = (0..50).map(|n| format!("{n:05}")).collect();
        let mut codes = waiting();
        codes.read(
            &mail(),
            &json!([{"from": "a@bank.example", "body": many.join(" ")}]),
        );
        assert!(codes.came.is_empty(), "a list of codes names none");
    }
}
