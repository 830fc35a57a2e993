//! What an upstream was shown as a credential does not come back from it: what an answer is read for, and what is said of
//! it in the record.
//!
//! INVARIANT: the values are taken from the very headers that go out, when they go.

use std::sync::{Mutex, PoisonError};

use bartizan_types::{Finding, FindingKind, Record, RecordKind, Severity};
use bartizan_wire::echo::{Echo, Strainer};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, header};

use crate::{Shared, clock};

/// What an upstream was shown; goes with the head of its answer.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    echo: Echo,
    /// A header of the answer held one of the values, and was dropped.
    in_headers: bool,
}

/// The values last shown to one upstream, so that they are made ready once.
#[derive(Debug, Default)]
pub(super) struct Ready(Mutex<Option<Echo>>);

impl Ready {
    /// Of the credentials among some headers, if there are any.
    pub(super) fn of(&self, headers: &HeaderMap) -> Option<Echo> {
        let values = || headers.iter().filter_map(|(name, value)| credential(name, value));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(echo) = known.as_ref().filter(|echo| echo.is_of(values())) {
            return Some(echo.clone());
        }
        let made = Echo::new(values())?;
        Some(known.insert(made).clone())
    }
}

/// The secret part of a header that is marked as one: without the scheme before it.
fn credential<'v>(name: &HeaderName, value: &'v HeaderValue) -> Option<&'v [u8]> {
    let bytes = value.as_bytes().trim_ascii();
    // A signature is of one request and speaks for no other.
    let speaks = value.is_sensitive() && name.as_str() != "x-amz-date" && !bytes.starts_with(b"AWS4-");
    let secret = bytes.rsplit(|byte| *byte == b' ').next();
    secret.filter(|_| speaks)
}

/// Drops the headers of an answer that hold what was shown, and notes it with the answer's head.
pub(super) fn told(echo: Echo, headers: &mut HeaderMap, extensions: &mut Extensions) {
    let holding: Vec<HeaderName> = headers
        .iter()
        .filter(|(_, value)| echo.is_in(value.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in &holding {
        headers.remove(name);
    }
    let in_headers = !holding.is_empty();
    extensions.insert(Told { echo, in_headers });
}

impl Told {
    /// The bytes of an answer without what was shown, and what the record says where something was taken out.
    pub(crate) fn clean(extensions: &Extensions, bytes: &mut Bytes) -> Option<Finding> {
        let told = extensions.get::<Self>()?;
        let clean = told.echo.without(bytes);
        let found = clean.is_some() || told.in_headers;
        if let Some(clean) = clean {
            *bytes = Bytes::from(clean);
        }
        found.then(finding)
    }

    /// One message without what was shown, where it holds any.
    pub(crate) fn without(extensions: &Extensions, message: &[u8]) -> Option<Vec<u8>> {
        extensions.get::<Self>()?.echo.without(message)
    }

    /// What takes it out of a streamed answer.
    pub(crate) fn strainer(extensions: &Extensions) -> Option<Strainer> {
        let told = extensions.get::<Self>()?;
        Some(Strainer::new(told.echo.clone()))
    }

    /// What the record says of the headers of an answer.
    pub(crate) fn of_headers(extensions: &Extensions) -> Option<Finding> {
        let told = extensions.get::<Self>()?;
        told.in_headers.then(finding)
    }
}

/// A credential was kept from the agent.
pub(crate) fn finding() -> Finding {
    Finding {
        kind: FindingKind::Masked,
        severity: Severity::High,
        what: "credential".into(),
        score: 1000,
        span: None,
        pointer: "/credential".to_owned(),
        taxonomy: Vec::new(),
    }
}

impl Shared {
    /// Records that what was shown to an upstream came back from it, and was kept from the agent.
    pub(crate) fn echoed(&self, whose: &str) {
        let mut record = Record::new(RecordKind::Operation, clock::now());
        record.note = Some(format!(
            "a credential came back in an answer of `{whose}`, and was withheld"
        ));
        tracing::warn!(
            upstream = whose,
            "a credential came back in an answer, and was withheld"
        );
        if let Err(error) = self.ledger.append_deferred(&record) {
            tracing::error!(%error, "a withheld credential was not recorded");
        }
    }
}

/// Whether a header that the configuration writes out is a credential all the same.
pub(crate) fn is_credential(name: &HeaderName) -> bool {
    let text = name.as_str();
    *name == header::AUTHORIZATION
        || *name == header::COOKIE
        || ["key", "token", "secret", "password"]
            .iter()
            .any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str, bool)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value, secret) in all {
            let mut value = HeaderValue::from_static(value);
            value.set_sensitive(secret);
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    #[test]
    fn what_was_shown_is_kept_out_of_headers_and_bodies() {
        let ready = Ready::default();
        let shown = headers(&[
            ("authorization", "Bearer sk-planted-0123456789", true),
            ("x-team", "platform engineering", false),
            ("x-amz-date", "20260101T000000Z", true),
        ]);
        let echo = ready.of(&shown).unwrap();
        assert!(echo.is_of([&b"sk-planted-0123456789"[..]]));
        assert!(
            ready
                .of(&headers(&[("x-team", "platform engineering", false)]))
                .is_none()
        );
        let mut answer = headers(&[
            ("x-request-id", "sk-planted-0123456789", false),
            ("content-type", "application/json", false),
        ]);
        let mut extensions = Extensions::new();
        told(echo, &mut answer, &mut extensions);
        assert_eq!(answer.keys().collect::<Vec<_>>(), [header::CONTENT_TYPE]);
        let mut body = Bytes::from_static(b"no key sk-planted-0123456789 here");
        assert!(Told::clean(&extensions, &mut body).is_some());
        assert_eq!(&body[..], b"no key [credential withheld] here");
        assert!(Told::of_headers(&extensions).is_some());
        assert!(Told::strainer(&extensions).is_some());
    }

    /// By an encoder that is not the one under test, behind every number of other bytes.
    #[test]
    fn what_was_shown_is_kept_out_of_base64_with_whatever_stands_around_it() {
        use base64::{Engine as _, engine::general_purpose as by};
        let secret = "sk?planted>0123456789~~";
        let shown = headers(&[("authorization", "Bearer sk?planted>0123456789~~", true)]);
        let echo = Ready::default().of(&shown).unwrap();
        for before in 0..7 {
            for after in 0..4 {
                let text = format!("{}{secret}{}", "u".repeat(before), "v".repeat(after));
                for coded in [
                    by::STANDARD.encode(&text),
                    by::STANDARD_NO_PAD.encode(&text),
                    by::URL_SAFE.encode(&text),
                    by::URL_SAFE_NO_PAD.encode(&text),
                ] {
                    let clean = echo.without(coded.as_bytes()).expect("it is known");
                    let clean = String::from_utf8(clean).unwrap();
                    let (start, end) = clean.split_once("[credential withheld]").unwrap();
                    // What is left has the other bytes, and less than a byte of the secret at either end.
                    assert!(start.len() <= (8 * before).div_ceil(6), "{text}: {clean}");
                    assert!(end.len() <= (8 * after).div_ceil(6) + 4, "{text}: {clean}");
                }
            }
        }
        assert_eq!(
            echo.without(by::STANDARD.encode("other words than those").as_bytes()),
            None
        );
    }

    #[test]
    fn a_signature_is_no_credential() {
        let shown = headers(&[(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=a, Signature=0123456789abcdef",
            true,
        )]);
        assert!(Ready::default().of(&shown).is_none());
    }
}
