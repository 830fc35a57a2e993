//! Where a model name goes, and what an upstream is sent beside the body.

use std::{
    collections::BTreeMap,
    error::Error as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bartizan_guard::breaker::Breaker;
use bartizan_store::Secrets;
use bartizan_types::{Code, ModelName, Principal, Refusal, Resource, Secret, Timestamp, UpstreamName};
use bartizan_wire::model::Api;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts};

use super::retries;
use crate::{
    Shared, StartFault, clock,
    config::{self, Config, Credential, Family},
    edge,
    upstream::{Fault, Names, Outbound, Pool, names, sign::Signing, svid::OwnSvid},
};

/// Headers of the agent that a provider may see. Everything else stays here, credentials above all.
const FORWARDED: &[&str] = &[
    "accept",
    "user-agent",
    "traceparent",
    "tracestate",
    "x-request-id",
    "x-client-request-id",
    "x-app",
    "anthropic-version",
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "openai-beta",
];
const FORWARDED_PREFIXES: &[&str] = &["x-stainless-"];
/// Headers that choose whose account a call is made for, and pays. They are the agent's to say only where the
/// credential is its own.
const ACCOUNT: &[&str] = &["openai-organization", "openai-project"];
/// Query parameters that the SDKs send. Whatever else a query says, nobody would have ruled on.
const QUERY: &[&str] = &["beta", "api-version", "limit", "after", "after_id", "before_id"];
/// How our own keys begin, as agents are given them.
const OWN_KEYS: &str = "bz_";

/// All routes.
pub(crate) struct Routes {
    upstreams: BTreeMap<UpstreamName, Upstream>,
    order: Vec<UpstreamName>,
    models: BTreeMap<ModelName, Vec<(UpstreamName, ModelName)>>,
}

struct Upstream {
    family: Family,
    base: String,
    credential: Credential,
    /// What speaks for requests to it, where a key of the store does.
    signing: Option<Arc<Signing>>,
    /// The secret of the store that is its credential.
    secrets: Names,
    v1_paths: bool,
    pool: Arc<Pool>,
    last_failure: Mutex<Option<(Timestamp, String)>>,
    breakers: Mutex<Breakers>,
}

/// Models of one upstream whose failures are counted at one time.
const MODELS: usize = 256;

/// Failures to reach an upstream count for all that it serves. What it answers badly, or not at all, counts for the model
/// that was asked for: whoever asks for one that is down takes no other from anybody.
#[derive(Default)]
struct Breakers {
    whole: Breaker,
    models: BTreeMap<ModelName, Breaker>,
}

impl Breakers {
    fn admit(&mut self, model: &ModelName, now: Timestamp) -> Result<(), u32> {
        self.models.get_mut(model).map_or(Ok(()), |one| one.admit(now))?;
        self.whole.admit(now)
    }

    fn answered(&mut self, model: Option<&ModelName>) {
        self.whole.answered();
        if let Some(model) = model {
            self.models.remove(model);
        }
    }

    fn failed(&mut self, model: Option<&ModelName>, now: Timestamp) {
        let Some(model) = model else {
            return self.whole.failed(now);
        };
        if self.models.len() >= MODELS && !self.models.contains_key(model) {
            self.models.retain(|_, one| one.is_open(now));
        }
        // Where so many are down, one more is asked each time.
        if self.models.len() < MODELS || self.models.contains_key(model) {
            self.models.entry(model.clone()).or_default().failed(now);
        }
    }
}

/// An upstream, as status shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamStatus {
    /// Its name.
    pub name: UpstreamName,
    /// Its address.
    pub url: String,
    /// When it last failed, and how.
    pub last_failure: Option<(Timestamp, String)>,
}

/// One place a call may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The upstream.
    pub upstream: UpstreamName,
    /// The name it knows the model by; `None` leaves the body as it is.
    pub model: Option<ModelName>,
}

impl Routes {
    /// Resolves the configuration.
    pub(crate) fn new(config: &Config, own: &Arc<OwnSvid>) -> Result<Self, StartFault> {
        let mut upstreams = BTreeMap::new();
        let mut order = Vec::new();
        for upstream in &config.upstreams {
            order.push(upstream.name.clone());
            upstreams.insert(upstream.name.clone(), Upstream::new(upstream, config, own)?);
        }
        let mut models = BTreeMap::new();
        for route in &config.models {
            let mut targets = Vec::new();
            for target in &route.targets {
                if !upstreams.contains_key(&target.upstream) {
                    let (from, to) = (route.name.to_string(), target.upstream.to_string());
                    return Err(StartFault::UnknownUpstream { from, to });
                }
                targets.push((target.upstream.clone(), target.model.clone()));
            }
            models.insert(route.name.clone(), targets);
        }
        Ok(Self {
            upstreams,
            order,
            models,
        })
    }

    /// Where a call for this model may go, first choice first. With no model routes configured, every name goes to
    /// the first upstream that serves the API.
    ///
    /// # Errors
    /// [`Code::ModelUnknown`].
    pub(crate) fn targets(&self, api: Api, model: &ModelName) -> Result<Vec<Target>, Code> {
        let serves = |name: &UpstreamName| self.upstreams.get(name).is_some_and(|up| up.family.serves(api));
        let targets: Vec<_> = if self.models.is_empty() {
            let first = self.order.iter().find(|name| serves(name));
            first
                .map(|name| Target {
                    upstream: name.clone(),
                    model: None,
                })
                .into_iter()
                .collect()
        } else {
            let known = self.models.get(model).map(Vec::as_slice).unwrap_or_default();
            let ours = known.iter().filter(|(upstream, _)| serves(upstream));
            ours.map(|(upstream, to)| Target {
                upstream: upstream.clone(),
                model: (to != model).then(|| to.clone()),
            })
            .collect()
        };
        if targets.is_empty() {
            Err(Code::ModelUnknown)
        } else {
            Ok(targets)
        }
    }

    /// The configured model names an upstream family serves; empty when every name is passed on.
    pub(crate) fn names(&self, api: Api) -> Vec<&ModelName> {
        let serves = |name: &UpstreamName| self.upstreams.get(name).is_some_and(|up| up.family.serves(api));
        self.models
            .iter()
            .filter(|(_, targets)| targets.iter().any(|(upstream, _)| serves(upstream)))
            .map(|(name, _)| name)
            .collect()
    }

    /// The first upstream that serves an API.
    pub(crate) fn first(&self, api: Api) -> Option<&UpstreamName> {
        self.order
            .iter()
            .find(|name| self.upstreams.get(*name).is_some_and(|up| up.family.serves(api)))
    }

    /// The refusal of what could not be made for an upstream: where its key is missing, it says which.
    pub(crate) fn unsent(&self, refusal: Refusal, name: &UpstreamName) -> Refusal {
        match self.upstreams.get(name).map(|upstream| &upstream.credential) {
            Some(Credential::Secret(secret)) if refusal.code == Code::SecretMissing => {
                refusal.saying(&format!("`{name}` wants `bartizan secret set {secret}`"))
            }
            _ => refusal,
        }
    }

    /// A request to an upstream: the agent's harmless headers, the upstream's own credential.
    ///
    /// # Errors
    /// [`Code::SecretMissing`] where the credential is not there; [`Code::RequestShape`] for a query that no SDK
    /// sends; [`Code::CredentialAmbiguous`] where the provider would be shown what is ours.
    pub(crate) fn outbound(
        &self,
        name: &UpstreamName,
        (method, path): (Method, &str),
        (head, caller): (&Parts, &Principal),
        body: Bytes,
        shared: &Arc<Shared>,
    ) -> Result<Outbound, Code> {
        let upstream = self.upstreams.get(name).ok_or(Code::Bug)?;
        let query = query(&head.uri)?;
        let path = match path.strip_prefix("/v1") {
            Some(rest) if !upstream.v1_paths => rest,
            _ => path,
        };
        let uri: Uri = format!("{}{path}{query}", upstream.base)
            .parse()
            .map_err(|_| Code::RequestShape)?;
        let mut headers = HeaderMap::with_capacity(16);
        for (name, value) in &head.headers {
            let text = name.as_str();
            let own = upstream.credential == Credential::Client && ACCOUNT.contains(&text);
            let harmless =
                FORWARDED.contains(&text) || FORWARDED_PREFIXES.iter().any(|prefix| text.starts_with(prefix));
            if own || harmless {
                headers.append(name, value.clone());
            }
        }
        for said in head.headers.get_all(&retries::HEADER) {
            headers.append(retries::HEADER, retries::of(caller, said).ok_or(Code::Bug)?);
        }
        if !body.is_empty() {
            // Without what the agent said beside it: in another charset the same bytes are another body.
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        // What comes back is read before it is released, so it had better come unpacked.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some((header, mut value)) = upstream.credential_header(head, &shared.secrets)? {
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        Ok(Outbound {
            upstream: name.clone(),
            pool: Arc::clone(&upstream.pool),
            method,
            uri,
            headers,
            body,
            secrets: Arc::clone(&upstream.secrets),
            sign: upstream.signing.as_ref().map(|signing| signing.signer(shared)),
        })
    }

    /// Whether a call may go to a model of an upstream, or after how many seconds it may be tried again.
    ///
    /// # Errors
    /// The seconds.
    pub(crate) fn admit(&self, name: &UpstreamName, model: &ModelName) -> Result<(), u32> {
        self.breakers(name)
            .map_or(Ok(()), |mut breakers| breakers.admit(model, clock::now()))
    }

    /// An upstream answered. One that says that it can't serve has failed all the same.
    pub(crate) fn answered(&self, name: &UpstreamName, asked: Option<&Resource>, status: StatusCode) {
        if let Some(mut breakers) = self.breakers(name) {
            if matches!(status.as_u16(), 502..=504) {
                breakers.failed(model_of(asked), clock::now());
            } else {
                breakers.answered(model_of(asked));
            }
        }
    }

    fn breakers(&self, name: &UpstreamName) -> Option<MutexGuard<'_, Breakers>> {
        let upstream = self.upstreams.get(name)?;
        Some(upstream.breakers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers a failure, for status and for the circuit breaker.
    pub(crate) fn failed(&self, name: &UpstreamName, asked: Option<&Resource>, fault: &Fault) {
        let Some(upstream) = self.upstreams.get(name) else {
            return;
        };
        if let Some(mut breakers) = self.breakers(name) {
            let model = model_of(asked).filter(|_| !fault.sent_nothing());
            breakers.failed(model, clock::now());
        }
        let mut text = fault.to_string();
        let mut source = fault.source();
        while let Some(deeper) = source {
            text.push_str(": ");
            text.push_str(&deeper.to_string());
            source = deeper.source();
        }
        tracing::warn!(upstream = %name, error = %text, "upstream failed");
        *upstream
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((clock::now(), text));
    }

    /// Every upstream, for status.
    pub(crate) fn status(&self) -> Vec<UpstreamStatus> {
        let show = |(name, upstream): (&UpstreamName, &Upstream)| UpstreamStatus {
            name: name.clone(),
            url: upstream.base.clone(),
            last_failure: upstream
                .last_failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        };
        self.upstreams.iter().map(show).collect()
    }
}

fn model_of(asked: Option<&Resource>) -> Option<&ModelName> {
    match asked {
        Some(Resource::Model { model, .. }) => Some(model),
        _ => None,
    }
}

/// The query to send on: as it came, where all of it is known.
fn query(uri: &Uri) -> Result<String, Code> {
    let Some(query) = uri.query().filter(|query| !query.is_empty()) else {
        return Ok(String::new());
    };
    let known = |part: &str| QUERY.contains(&part.split('=').next().unwrap_or_default());
    if query.split('&').all(known) {
        Ok(format!("?{query}"))
    } else {
        Err(Code::RequestShape)
    }
}

/// Whether a provider's credential is, or begins like, what the agent proved itself to us with: an SDK configured
/// with one key for everything sends it twice.
fn holds_ours(value: &HeaderValue, own: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default().trim();
    let token = text.rsplit(' ').next().unwrap_or_default();
    token.as_bytes() == own.as_bytes().trim_ascii() || text.contains(OWN_KEYS)
}

impl Upstream {
    fn new(upstream: &config::Upstream, config: &Config, own: &Arc<OwnSvid>) -> Result<Self, StartFault> {
        let base = upstream.url.to_string();
        let base = base.trim_end_matches('/');
        let signing = match &upstream.credential {
            Credential::Signed(signed) => {
                let signing = Signing::new(signed, &upstream.url, config.limits.connect_timeout)?;
                Some(Arc::new(signing))
            }
            _ => None,
        };
        Ok(Self {
            family: upstream.family,
            base: base.strip_suffix("/v1").unwrap_or(base).to_owned(),
            credential: upstream.credential.clone(),
            signing,
            secrets: match &upstream.credential {
                Credential::Secret(name) => names([name.as_str()]),
                _ => Names::default(),
            },
            v1_paths: upstream.v1_paths,
            pool: Arc::new(Pool::operators(
                upstream.spiffe_id.as_ref().map(|id| (own, id)),
                upstream.roots.as_deref(),
                config.limits.connect_timeout,
            )?),
            last_failure: Mutex::new(None),
            breakers: Mutex::default(),
        })
    }
}

impl Upstream {
    /// What the upstream is shown instead of the agent's own credential.
    fn credential_header(
        &self,
        head: &Parts,
        secrets: &Secrets,
    ) -> Result<Option<(HeaderName, HeaderValue)>, Code> {
        let missing = Code::SecretMissing;
        match &self.credential {
            // What a key speaks for is added when it goes.
            Credential::None | Credential::Signed(_) => Ok(None),
            // Only beside our own header is another one the provider's; else it is our key, which stays here.
            Credential::Client if let Some(own) = head.headers.get(&edge::OWN_KEY) => {
                let said = |name: HeaderName| {
                    let values = head.headers.get_all(&name).iter();
                    values.map(move |value| (name.clone(), value))
                };
                // A key of Anthropic's goes in its own header, a subscription token in `Authorization`.
                let keys = said(edge::API_KEY).filter(|_| self.family == Family::Anthropic);
                let mut values = said(header::AUTHORIZATION).chain(keys);
                let (name, value) = values.next().ok_or(missing)?;
                if values.next().is_some() || holds_ours(value, own) {
                    return Err(Code::CredentialAmbiguous);
                }
                Ok(Some((name, value.clone())))
            }
            Credential::Client => Err(missing),
            Credential::Secret(name) => {
                let key = secrets.reveal(name).map_err(|_| missing)?.ok_or(missing)?;
                let (header, prefix) = match self.family {
                    Family::Openai => (header::AUTHORIZATION, "Bearer "),
                    Family::Anthropic => (edge::API_KEY, ""),
                };
                let text = Secret::new([prefix.as_bytes(), key.expose()].concat());
                let value = HeaderValue::from_bytes(text.expose()).map_err(|_| missing)?;
                Ok(Some((header, value)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bartizan_guard::breaker::FAILURES;

    use super::*;

    #[test]
    fn a_model_that_fails_takes_no_other_with_it() {
        let [bad, good] = ["bad", "good"].map(|name| ModelName::new(name).unwrap());
        let now = Timestamp::from_unix_seconds(1_790_000_000);
        let mut breakers = Breakers::default();
        for _ in 0..FAILURES {
            breakers.failed(Some(&bad), now);
        }
        assert!(breakers.admit(&bad, now).is_err());
        assert_eq!(breakers.admit(&good, now), Ok(()));
        breakers.answered(Some(&bad));
        assert_eq!(breakers.admit(&bad, now), Ok(()));
        for _ in 0..FAILURES {
            breakers.failed(None, now);
        }
        assert!(breakers.admit(&good, now).is_err(), "it can't be reached at all");
    }

    #[test]
    fn names_that_agents_make_up_fill_nothing() {
        let now = Timestamp::from_unix_seconds(1_790_000_000);
        let mut breakers = Breakers::default();
        for number in 0..3 * MODELS {
            let name = ModelName::new(&format!("m{number}")).unwrap();
            breakers.failed(Some(&name), now);
        }
        assert!(breakers.models.len() <= MODELS);
    }
}
