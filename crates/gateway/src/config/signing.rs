//! What requests are signed with, where a place wants no secret shown.

use bartizan_identity::AwsScope;
use http::Uri;

/// A key of the store that speaks for us at one place, and never leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The key's name in the store.
    pub key: String,
    /// What is made with it.
    pub by: Scheme,
}

/// What is made with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// A signature of each request (AWS Signature Version 4).
    Aws(AwsScope),
    /// A token of a Google service account.
    Google(Google),
}

/// How a Google service account comes to a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Google {
    /// It signs one itself, for one service (AIP-4111).
    SelfSigned {
        /// As `https://aiplatform.googleapis.com/`.
        audience: String,
    },
    /// A token endpoint gives one for an assertion (RFC 7523).
    Exchanged {
        /// What it is for.
        scopes: Vec<String>,
        /// Where; none is Google's own. Never what the key's file says.
        token_endpoint: Option<Uri>,
    },
    /// A token endpoint gives an ID token for an assertion (RFC 7523), as Cloud Run and Identity-Aware Proxy want it.
    Identity {
        /// Whom it is shown to, as `https://place-abc.run.app`.
        audience: String,
        /// Where; none is Google's own. Never what the key's file says.
        token_endpoint: Option<Uri>,
    },
}
