//! Requests that a key of the store speaks for, so that no secret is shown: signed, or sent with a token of the key's
//! account. After the ruling, and for the one place that the operator configured.
//!
//! INVARIANT: a request that goes anywhere else than to the pinned origin is not signed and not sent.

mod google;

use std::{
    fmt,
    sync::{Arc, Weak},
};

use bartizan_identity::{AwsKey, AwsScope, ToSign, sign_aws};
use bartizan_types::{Code, Secret, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri};

use super::{Names, RootsFault, names};
use crate::{
    Shared, clock,
    config::{Scheme, Signed},
};
use google::Tokens;

/// What speaks for us at one place. Made once, with the tokens that it keeps.
pub(crate) struct Signing {
    /// The key's name in the store.
    key: String,
    secrets: Names,
    /// Where it may speak.
    origin: (uri::Scheme, uri::Authority),
    by: By,
}

enum By {
    Aws(AwsScope),
    Google(Box<Tokens>),
}

/// One place has no origin, or the built-in roots can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningFault {
    /// An address without scheme or host.
    #[error("`{0}` is no whole address, so nothing can be signed for it")]
    Address(String),
    /// No connections to a token endpoint.
    #[error(transparent)]
    Roots(#[from] RootsFault),
}

impl Signing {
    /// For requests to where `place` is.
    ///
    /// # Errors
    /// [`SigningFault`].
    pub(crate) fn new(
        signed: &Signed,
        place: &Uri,
        patience: std::time::Duration,
    ) -> Result<Self, SigningFault> {
        let whole = place.scheme().cloned().zip(place.authority().cloned());
        Ok(Self {
            key: signed.key.clone(),
            secrets: names([signed.key.as_str()]),
            origin: whole.ok_or_else(|| SigningFault::Address(place.to_string()))?,
            by: match &signed.by {
                Scheme::Aws(scope) => By::Aws(scope.clone()),
                Scheme::Google(google) => By::Google(Box::new(Tokens::new(google, patience)?)),
            },
        })
    }

    /// What signs one request.
    pub(crate) fn signer(self: &Arc<Self>, shared: &Arc<Shared>) -> Box<Signer> {
        self.signer_of(Arc::downgrade(shared))
    }

    /// As [`Self::signer`], for what must not keep the gateway alive.
    pub(crate) fn signer_of(self: &Arc<Self>, shared: Weak<Shared>) -> Box<Signer> {
        Box::new(Signer {
            shared,
            signing: Arc::clone(self),
        })
    }
}

/// Signs one request on its way out.
#[derive(Clone)]
pub(crate) struct Signer {
    shared: Weak<Shared>,
    signing: Arc<Signing>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.signing.key)
    }
}

impl Signer {
    /// The key, by its name in the store.
    pub(crate) fn secrets(&self) -> Names {
        Arc::clone(&self.signing.secrets)
    }

    /// Adds what speaks for this very request, and takes away whatever stands where it belongs.
    ///
    /// # Errors
    /// [`Code::SecretMissing`] for a key that is not there or none; [`Code::RequestShape`] for a path that two readers read
    /// differently; [`Code::TokenUnavailable`]; [`Code::Bug`] for a request to elsewhere.
    pub(crate) async fn sign(
        &self,
        (method, uri): (&Method, &Uri),
        headers: &mut HeaderMap,
        body: &[u8],
    ) -> Result<(), Code> {
        let signing = &self.signing;
        let (scheme, authority) = &signing.origin;
        if uri.scheme() != Some(scheme) || uri.authority() != Some(authority) {
            return Err(Code::Bug);
        }
        let shared = self.shared.upgrade().ok_or(Code::Draining)?;
        let missing = Code::SecretMissing;
        let text = shared.secrets.reveal(&signing.key).map_err(|_| missing)?;
        let text = text.ok_or(missing)?;
        match &signing.by {
            By::Aws(scope) => aws(scope, &text, (method, uri), headers, body, clock::now()),
            By::Google(tokens) => {
                let bearer = tokens.bearer(&shared, &text, &signing.secrets).await?;
                headers.insert(header::AUTHORIZATION, bearer);
                Ok(())
            }
        }
    }

    /// The place answered. One that does not believe a token is not shown it again.
    pub(crate) fn answered(&self, status: StatusCode) {
        if let (By::Google(tokens), StatusCode::UNAUTHORIZED) = (&self.signing.by, status) {
            tokens.forget();
        }
    }
}

/// Signs by AWS Signature Version 4.
fn aws(
    scope: &AwsScope,
    key: &Secret<Vec<u8>>,
    (method, uri): (&Method, &Uri),
    headers: &mut HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Code> {
    let missing = Code::SecretMissing;
    let key = AwsKey::parse(key.expose()).map_err(|_| missing)?;
    let host = uri.authority().ok_or(Code::Bug)?.as_str();
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let signed: Vec<(&str, &str)> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
    let request = ToSign {
        method: method.as_str(),
        host,
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: &signed,
        body,
    };
    let added = sign_aws(&request, scope, &key, now).map_err(|_| Code::RequestShape)?;
    for name in ["x-amz-date", "x-amz-security-token", "authorization"] {
        headers.remove(name);
    }
    for (name, value) in added {
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| missing)?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    // The host is part of what is signed, so it is said as it was signed.
    headers.insert(header::HOST, HeaderValue::from_str(host).map_err(|_| Code::Bug)?);
    Ok(())
}
