//! What a request presents. The text is a secret, so `Debug` shows only its kind.

use std::fmt;

/// What a request presents.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// One bearer credential: an API key of ours or a JWT.
    Bearer(&'a str),
    /// Nothing.
    None,
    /// More than one, or one that can't be read as a bearer credential.
    Ambiguous,
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(***)",
            Self::None => "None",
            Self::Ambiguous => "Ambiguous",
        })
    }
}
