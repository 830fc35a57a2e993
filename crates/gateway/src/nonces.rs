//! Nonces for proofs of possession (RFC 9449 sections 8 and 9): two hold at any time, so one that was just given is good.
//!
//! Nothing is remembered: a nonce is a keyed hash of the span of time that it was given in. The key is made at the start,
//! so a restart, and another gateway, asks once more.

use aws_lc_rs::hmac;
use bartizan_types::Timestamp;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderName;

use crate::clock;

/// Carries a nonce to the client.
pub(crate) const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// How long one is given out, in seconds; it holds for as long again.
const SPAN_SECONDS: u64 = 300;

/// Makes nonces.
pub(crate) struct Nonces(hmac::Key);

impl Nonces {
    /// With a key of this run.
    pub(crate) fn new() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &clock::random::<32>()))
    }

    /// Those that hold now, the one to give out first.
    pub(crate) fn now(&self, now: Timestamp) -> [String; 2] {
        let span = now.unix_seconds() / SPAN_SECONDS;
        [self.of(span), self.of(span.saturating_sub(1))]
    }

    fn of(&self, span: u64) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &span.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_holds_for_its_span_and_the_next() {
        let nonces = Nonces::new();
        let at = |seconds| nonces.now(Timestamp::from_unix_seconds(seconds));
        let [given, _] = at(3000);
        assert!(at(3299).contains(&given));
        assert!(at(3300).contains(&given) && at(3300)[0] != given);
        assert!(at(3599).contains(&given));
        assert!(!at(3600).contains(&given));
        assert!(
            !Nonces::new()
                .now(Timestamp::from_unix_seconds(3000))
                .contains(&given)
        );
    }
}
