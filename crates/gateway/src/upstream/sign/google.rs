//! Tokens of one Google service account for one place: made or fetched when first wanted, and kept until shortly before
//! they end.
//!
//! What is fetched is fetched as a ruled and recorded call of the gateway's own: to Google's token endpoint through the
//! public internet alone, or to the one that the operator named. A token is kept for the very bytes of the key that it was
//! got with, so a key that is replaced takes its tokens with it.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bartizan_identity::{
    GOOGLE_TOKEN_ENDPOINT, GoogleKey,
    oauth::{form, id_token_answer, token_answer, token_error},
};
use bartizan_types::{Code, Digest, Secret, Timestamp};
use http::{HeaderMap, HeaderValue, Uri, header};
use tokio::sync::Mutex as AsyncMutex;

use crate::{
    Shared, clock,
    config::Google,
    errand::{self, Errand},
    model::sha256,
    upstream::{Names, Pool, Reach, RootsFault},
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// A token is not used in its last five minutes, or the last half of a shorter life.
const EARLY_SECONDS: u64 = 300;
/// Life of a token whose endpoint does not say, in seconds (RFC 6749 section 5.1 leaves it open).
const LIFE_SECONDS: u64 = 600;
/// After a failure the endpoint is left alone for this long.
const REST: Duration = Duration::from_secs(5);
/// How long a fetch may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const ANSWER_BYTES: usize = 64 << 10;

/// See the module.
pub(super) struct Tokens {
    how: How,
    held: Mutex<Held>,
    /// Whoever holds it fetches; the others wait and find the token.
    fetching: AsyncMutex<()>,
}

enum How {
    SelfSigned {
        audience: String,
    },
    Exchanged {
        wanted: Wanted,
        endpoint: Uri,
        /// As policy and records name it.
        server: String,
        pool: Arc<Pool>,
    },
}

/// What is got for an assertion.
enum Wanted {
    /// An access token with these scopes.
    Access(Vec<String>),
    /// An ID token for this audience.
    Identity(String),
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    failed: Option<(Digest, Instant)>,
}

struct Token {
    /// Of the key that it was got with.
    key: Digest,
    bearer: HeaderValue,
    until: Timestamp,
}

impl Tokens {
    /// None yet.
    ///
    /// # Errors
    /// [`RootsFault`], which built-in roots can't meet.
    pub(super) fn new(google: &Google, patience: Duration) -> Result<Self, RootsFault> {
        let how = match google {
            Google::SelfSigned { audience } => How::SelfSigned {
                audience: audience.clone(),
            },
            Google::Exchanged {
                scopes,
                token_endpoint,
            } => Self::exchanged(Wanted::Access(scopes.clone()), token_endpoint.as_ref(), patience)?,
            Google::Identity {
                audience,
                token_endpoint,
            } => Self::exchanged(
                Wanted::Identity(audience.clone()),
                token_endpoint.as_ref(),
                patience,
            )?,
        };
        Ok(Self {
            how,
            held: Mutex::default(),
            fetching: AsyncMutex::new(()),
        })
    }

    fn exchanged(wanted: Wanted, endpoint: Option<&Uri>, patience: Duration) -> Result<How, RootsFault> {
        // The operator's own may lie inside; Google's lies where the whole world can see it.
        let reach = endpoint.map_or(Reach::Public, |_| Reach::Named);
        let endpoint = endpoint.cloned();
        let endpoint = endpoint.unwrap_or_else(|| Uri::from_static(GOOGLE_TOKEN_ENDPOINT));
        Ok(How::Exchanged {
            wanted,
            server: format!("token:{}", endpoint.host().unwrap_or_default()),
            endpoint,
            pool: Arc::new(Pool::within(reach, None, patience)?),
        })
    }

    /// The header for the next request.
    ///
    /// # Errors
    /// [`Code::SecretMissing`] where the secret is no key; [`Code::TokenUnavailable`].
    pub(super) async fn bearer(
        &self,
        shared: &Arc<Shared>,
        key: &Secret<Vec<u8>>,
        names: &Names,
    ) -> Result<HeaderValue, Code> {
        let digest = sha256(key.expose());
        if let Some(bearer) = self.kept(digest) {
            return Ok(bearer);
        }
        let _one = self.fetching.lock().await;
        if let Some(bearer) = self.kept(digest) {
            return Ok(bearer);
        }
        let rests = |(of, since): &(Digest, Instant)| *of == digest && since.elapsed() < REST;
        if self.lock().failed.as_ref().is_some_and(rests) {
            return Err(Code::TokenUnavailable);
        }
        let parsed = GoogleKey::parse(key.expose()).map_err(|_| Code::SecretMissing)?;
        let got = self.fetch(shared, &parsed, names).await;
        let mut held = self.lock();
        match got {
            Ok((bearer, until)) => {
                held.failed = None;
                held.token = Some(Token {
                    key: digest,
                    bearer: bearer.clone(),
                    until,
                });
                Ok(bearer)
            }
            Err(code) => {
                held.failed = Some((digest, Instant::now()));
                Err(code)
            }
        }
    }

    /// Drops the token: the place did not believe it.
    pub(super) fn forget(&self) {
        self.lock().token = None;
    }

    fn kept(&self, key: Digest) -> Option<HeaderValue> {
        let held = self.lock();
        let token = held.token.as_ref().filter(|token| token.key == key)?;
        (clock::now() < token.until).then(|| token.bearer.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // INVARIANT: both members are assigned whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new token, and until when it is used.
    async fn fetch(
        &self,
        shared: &Arc<Shared>,
        key: &GoogleKey,
        names: &Names,
    ) -> Result<(HeaderValue, Timestamp), Code> {
        let now = clock::now();
        let (token, expires) = match &self.how {
            How::SelfSigned { audience } => {
                let signed = key.self_signed(audience, now).map_err(|_| Code::SecretMissing)?;
                (signed.token, signed.expires)
            }
            How::Exchanged {
                wanted,
                endpoint,
                server,
                pool,
            } => {
                let at = endpoint.to_string();
                let signed = match wanted {
                    Wanted::Access(scopes) => key.assertion(&at, scopes, now),
                    Wanted::Identity(audience) => key.identity_assertion(&at, audience, now),
                };
                let assertion = signed.map_err(|_| Code::SecretMissing)?;
                let pairs = [("grant_type", GRANT), ("assertion", assertion.expose().as_str())];
                exchange(shared, (endpoint, server, pool), wanted, (form(&pairs), names)).await?
            }
        };
        let unfit = |_| Code::TokenUnavailable;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(unfit)?;
        bearer.set_sensitive(true);
        let life = expires.micros_since(now);
        let early = (EARLY_SECONDS * 1_000_000).min(life / 2);
        Ok((bearer, now.plus_micros(life.saturating_sub(early))))
    }
}

/// A token, and when it ends.
type Got = Result<(Secret<String>, Timestamp), Code>;

/// Takes an assertion to a token endpoint. On the heap: sending is what asks for it, and it sends.
fn exchange<'a>(
    shared: &'a Arc<Shared>,
    (endpoint, server, pool): (&'a Uri, &'a str, &'a Arc<Pool>),
    wanted: &'a Wanted,
    (form, names): (String, &'a Names),
) -> Pin<Box<dyn Future<Output = Got> + Send + 'a>> {
    Box::pin(async move {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        let errand = Errand {
            server,
            pool,
            uri: endpoint,
            headers,
            body: form.into_bytes(),
            secrets: Arc::clone(names),
            answer_bytes: ANSWER_BYTES,
            time: PATIENCE,
        };
        let now = clock::now();
        let unavailable = |why: &dyn std::fmt::Display| {
            tracing::warn!(%server, error = %why, "no token could be got for an upstream");
            Code::TokenUnavailable
        };
        let answered = errand::post(shared, errand).await;
        let (status, bytes) = answered.map_err(|code| unavailable(&code))?;
        let bytes = Secret::new(bytes.to_vec());
        if !status.is_success() {
            let said = token_error(bytes.expose()).unwrap_or_default();
            return Err(unavailable(&format!("{} {said}", status.as_u16())));
        }
        if let Wanted::Identity(audience) = wanted {
            let got = id_token_answer(bytes.expose(), audience, now);
            return got.map_err(|fault| unavailable(&fault));
        }
        let token = token_answer(bytes.expose(), now).map_err(|fault| unavailable(&fault))?;
        let expires = token
            .expires
            .unwrap_or_else(|| now.plus_micros(LIFE_SECONDS * 1_000_000));
        Ok((token.access, expires))
    })
}
