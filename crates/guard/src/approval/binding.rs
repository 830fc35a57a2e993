//! What an answer is bound to: digests over length-prefixed parts under a label of their own, so that no two different
//! calls share one and none is mistaken for another kind of digest.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use bartizan_types::{Digest, ServerName, SessionId, ToolName};
use serde::{Deserialize, Serialize};

const CALL: &[u8] = b"bartizan approval of a call v1";
const VALUE: &[u8] = b"bartizan endorsed value v1";
const CONTENT: &[u8] = b"bartizan endorsed content v1";

/// One call and no other: its session, server, tool and canonical arguments.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Binding(Digest);

impl Binding {
    /// Binds to a call. `canonical` are its arguments in the form of RFC 8785.
    #[must_use]
    pub fn of(session: SessionId, server: &ServerName, tool: &ToolName, canonical: &[u8]) -> Self {
        let session = session.bits().to_be_bytes();
        let parts = [
            &session,
            server.as_str().as_bytes(),
            tool.as_str().as_bytes(),
            canonical,
        ];
        Self(digest(CALL, parts))
    }

    /// As it is recorded.
    #[must_use]
    pub const fn digest(self) -> Digest {
        self.0
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The digest that stands for one argument's value, given as canonical JSON.
#[must_use]
pub fn value_digest(canonical: &[u8]) -> Digest {
    digest(VALUE, [canonical])
}

/// The digest of what a call carries beside what an endorsement is about: paths and digests of values, in order of path.
#[must_use]
pub fn content_digest<'a>(parts: impl IntoIterator<Item = (&'a str, Digest)>) -> Digest {
    let mut flat = Vec::new();
    for (path, value) in parts {
        let length = u64::try_from(path.len()).unwrap_or(u64::MAX);
        flat.extend_from_slice(&length.to_be_bytes());
        flat.extend_from_slice(path.as_bytes());
        flat.extend_from_slice(&value.0);
    }
    digest(CONTENT, [flat.as_slice()])
}

fn digest<'a>(label: &'a [u8], parts: impl IntoIterator<Item = &'a [u8]>) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in std::iter::once(label).chain(parts) {
        // A length in front: parts can't lend each other bytes.
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    for (slot, byte) in out.iter_mut().zip(context.finish().as_ref()) {
        *slot = *byte;
    }
    Digest(out)
}

#[cfg(test)]
mod tests {
    use bartizan_types::Timestamp;

    use super::*;

    #[test]
    fn parts_lend_each_other_no_bytes() {
        let session = SessionId::mint(Timestamp::from_unix_seconds(1), 1);
        let bind = |server: &str, tool: &str, arguments: &[u8]| {
            let (server, tool) = (ServerName::new(server).unwrap(), ToolName::new(tool).unwrap());
            Binding::of(session, &server, &tool, arguments)
        };
        assert_ne!(bind("ab", "c", b"{}"), bind("a", "bc", b"{}"));
        assert_ne!(bind("a", "b{", b"}"), bind("a", "b", b"{}"));
        assert_eq!(bind("a", "b", b"{}"), bind("a", "b", b"{}"));
        let other = SessionId::mint(Timestamp::from_unix_seconds(1), 2);
        let (server, tool) = (ServerName::new("a").unwrap(), ToolName::new("b").unwrap());
        assert_ne!(Binding::of(other, &server, &tool, b"{}"), bind("a", "b", b"{}"));
    }

    #[test]
    fn a_value_is_no_content_and_paths_lend_no_bytes() {
        let value = value_digest(b"1");
        assert_ne!(value, content_digest([("", Digest([0; 32]))]));
        assert_ne!(content_digest([("ab", value)]), content_digest([("a", value)]));
        assert_ne!(content_digest([]), content_digest([("a", value)]));
    }
}
