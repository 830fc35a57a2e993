//! Requests that are signed instead of shown a secret: after the ruling, for the one host that they go to.

use std::{fmt, sync::Arc};

use bartizan_identity::{AwsKey, AwsScope, ToSign, sign_aws};
use bartizan_store::Secrets;
use bartizan_types::{Code, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

/// Signs with a key of the secret store (AWS Signature Version 4).
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) secrets: Arc<Secrets>,
    /// The key's name there.
    pub(crate) name: String,
    pub(crate) scope: AwsScope,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} {:?})", self.name, self.scope)
    }
}

impl Signer {
    /// Adds the signature of this very request, and takes away whatever stands where it belongs.
    ///
    /// # Errors
    /// [`Code::SecretMissing`] for a key that is not there or none; [`Code::RequestShape`] for a path that two readers read
    /// differently.
    pub(crate) fn sign(
        &self,
        (method, uri): (&Method, &Uri),
        headers: &mut HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Code> {
        let missing = Code::SecretMissing;
        let text = self
            .secrets
            .reveal(&self.name)
            .map_err(|_| missing)?
            .ok_or(missing)?;
        let key = AwsKey::parse(text.expose()).map_err(|_| missing)?;
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
        let added = sign_aws(&request, &self.scope, &key, now).map_err(|_| Code::RequestShape)?;
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
}
