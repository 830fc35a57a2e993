//! What is fetched from authorization servers, each as a ruled and recorded call of the gateway's own.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use bartizan_guard::AnswerFacts;
use bartizan_identity::oauth::{
    Address, AuthorizationServer, Challenge, ClientAuth, OauthFault, ResourceMetadata, Strictness,
    authenticate, authorization_server, bearer_challenge, form, legacy_server, resource_metadata,
    resource_places, server_places, token_error,
};
use bartizan_types::{Action, CallFacts, Code, Resource, Secret, ServerName, Surface, UpstreamName};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};

use super::{ConnectFault, Place, Wallets};
use crate::{
    Shared, clock,
    directory::housekeeper,
    edge::{self, BodyBounds},
    model::sha256,
    upstream::{self, Names, Outbound, Reach, names},
};

/// Largest answer, in bytes.
const ANSWER_BYTES: usize = 256 << 10;
/// How long one fetch may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request to an authorization server, or for a resource's metadata.
pub(super) struct Fetch<'a> {
    pub(super) place: &'a Place,
    pub(super) address: &'a Address,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Secrets of the store that are in it.
    pub(super) secrets: Names,
}

/// What came back.
pub(super) struct Fetched {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Wallets {
    /// Fetches. Redirects are answers like any other.
    pub(super) async fn fetch(
        &self,
        shared: &Arc<Shared>,
        fetch: Fetch<'_>,
    ) -> Result<Fetched, ConnectFault> {
        let address = fetch.address;
        let failed = |code| ConnectFault::Fetch {
            address: address.origin(),
            code,
        };
        let server = ServerName::new(&format!("oauth:{}", address.host())).map_err(|_| failed(Code::Bug))?;
        let facts = CallFacts {
            digest: sha256(address.as_str().as_bytes()),
            ..CallFacts::new(
                clock::mint(clock::now()),
                Action::Connect,
                Resource::Server { server },
                Surface::Mcp,
            )
        };
        let outbound = self.outbound(fetch)?;
        let caller = housekeeper(shared).map_err(failed)?;
        let evidence = shared.evidence(&caller, facts, Vec::new());
        let (permit, mut passage) = shared
            .enter(evidence, outbound)
            .await
            .map_err(|refusal| failed(refusal.code))?;
        let response = match upstream::send(permit, PATIENCE).await {
            Ok(response) => response,
            Err(fault) => {
                tracing::warn!(address = %address.origin(), error = ?fault, "an authorization server can't be asked");
                return Err(failed(passage.failed(fault.code()).code));
            }
        };
        let (head, body) = response.into_parts();
        let bounds = BodyBounds {
            bytes: ANSWER_BYTES,
            time: PATIENCE,
            ..BodyBounds::answer(&shared.config.limits)
        };
        match edge::read(&head.headers, body, bounds, None).await {
            Err(code) => Err(failed(passage.failed(code).code)),
            Ok((body, _)) => {
                let status = Some(head.status.as_u16());
                let _call = passage.answered(AnswerFacts {
                    status,
                    findings: Vec::new(),
                });
                passage.released.bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
                passage.finish();
                Ok(Fetched {
                    status: head.status,
                    headers: head.headers,
                    body,
                })
            }
        }
    }

    /// The request, within the reach that its address has.
    fn outbound(&self, fetch: Fetch<'_>) -> Result<Outbound, ConnectFault> {
        let pool = match fetch.place.reach(fetch.address)? {
            Reach::Public => &self.public,
            Reach::Named | Reach::Anywhere => &self.named,
        };
        let unfit = || ConnectFault::Address(fetch.address.as_str().to_owned());
        let uri: Uri = fetch.address.as_str().parse().map_err(|_| unfit())?;
        let mut headers = fetch.headers;
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(Outbound {
            upstream: UpstreamName::new("oauth").map_err(|_| unfit())?,
            pool: Arc::clone(pool),
            method: fetch.method,
            uri,
            headers,
            body: fetch.body,
            secrets: fetch.secrets,
            sign: None,
        })
    }

    pub(super) async fn get(
        &self,
        shared: &Arc<Shared>,
        place: &Place,
        address: &Address,
    ) -> Result<Fetched, ConnectFault> {
        let fetch = Fetch {
            place,
            address,
            method: Method::GET,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            secrets: Names::default(),
        };
        self.fetch(shared, fetch).await
    }

    /// Asks the server itself, without a token, what it wants.
    pub(super) async fn probe(&self, shared: &Arc<Shared>, place: &Place) -> Option<Challenge> {
        let answer = self.get(shared, place, &place.address).await.ok()?;
        (answer.status == StatusCode::UNAUTHORIZED)
            .then(|| challenge_of(&answer.headers))
            .flatten()
    }

    /// The resource's metadata; none where there is none, which only servers of 2025-03-26 may do.
    pub(super) async fn resource(
        &self,
        shared: &Arc<Shared>,
        place: &Place,
        challenge: Option<&Challenge>,
    ) -> Result<Option<ResourceMetadata>, ConnectFault> {
        for told in resource_places(&place.address, challenge) {
            let at = Address::parse(&told)?;
            let answer = self.get(shared, place, &at).await?;
            if answer.status.is_success() {
                return Ok(Some(resource_metadata(&answer.body, &place.address)?));
            }
        }
        // Where the server itself said where it is, it has to be there.
        match challenge.and_then(|challenge| challenge.resource_metadata.clone()) {
            None => Ok(None),
            Some(places) => Err(ConnectFault::Nowhere {
                what: "the resource's metadata",
                places,
            }),
        }
    }

    /// The authorization server's metadata.
    pub(super) async fn authorization_server(
        &self,
        shared: &Arc<Shared>,
        place: &Place,
        resource: Option<&ResourceMetadata>,
    ) -> Result<AuthorizationServer, ConnectFault> {
        let Some(resource) = resource else {
            return self.of_2025_03_26(shared, place).await;
        };
        let chosen = match &place.oauth.issuer {
            None => resource.issuers.first(),
            Some(issuer) => resource.issuers.iter().find(|one| one.as_str() == issuer),
        };
        let issuer = chosen.ok_or_else(|| ConnectFault::Nowhere {
            what: "the `issuer` of the configuration",
            places: resource
                .issuers
                .iter()
                .map(Address::as_str)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        let places = server_places(issuer);
        for at in &places {
            let answer = self.get(shared, place, &Address::parse(at)?).await?;
            if answer.status.is_success() {
                return Ok(authorization_server(&answer.body, issuer, Strictness::Exact)?);
            }
        }
        Err(ConnectFault::Nowhere {
            what: "the authorization server's metadata",
            places: places.join(", "),
        })
    }

    /// That revision has the server itself be the authorization server, with or without metadata at its origin.
    async fn of_2025_03_26(
        &self,
        shared: &Arc<Shared>,
        place: &Place,
    ) -> Result<AuthorizationServer, ConnectFault> {
        let origin = Address::parse(&place.address.origin())?;
        for at in server_places(&origin) {
            let answer = self.get(shared, place, &Address::parse(&at)?).await?;
            if answer.status.is_success() {
                return Ok(authorization_server(
                    &answer.body,
                    &origin,
                    Strictness::SameOrigin,
                )?);
            }
        }
        Ok(legacy_server(&origin)?)
    }

    /// Posts a form to a token endpoint, as this client; gives a good answer's bytes.
    pub(super) async fn post_form(
        &self,
        shared: &Arc<Shared>,
        place: &Place,
        (endpoint, audience): (&Address, &str),
        client: &bartizan_identity::oauth::Client,
        pairs: &[(&str, &str)],
    ) -> Result<Secret<Vec<u8>>, ConnectFault> {
        let jti = hex(&clock::random::<16>());
        let key = client.secret.as_ref();
        let sign = |body: &[u8]| sign(key, body);
        let shown = authenticate(client, audience, &jti, clock::now(), &sign)?;
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        let mut pairs: Vec<(&str, &str)> = pairs.to_vec();
        match &shown {
            ClientAuth::Header(value) => {
                let malformed = |_| OauthFault::Key;
                let mut value = HeaderValue::from_str(value.expose()).map_err(malformed)?;
                value.set_sensitive(true);
                headers.insert(header::AUTHORIZATION, value);
            }
            ClientAuth::Form(more) => {
                pairs.extend(more.iter().map(|(name, value)| (*name, value.expose().as_str())));
            }
        }
        let fetch = Fetch {
            place,
            address: endpoint,
            method: Method::POST,
            headers,
            body: Bytes::from(form(&pairs)),
            secrets: told(place, client, &pairs),
        };
        let answer = self.fetch(shared, fetch).await?;
        if !answer.status.is_success() {
            return Err(ConnectFault::Refused {
                what: "the token endpoint",
                status: answer.status.as_u16(),
                error: token_error(&answer.body),
            });
        }
        Ok(Secret::new(answer.body.to_vec()))
    }
}

/// The secrets of the store that a form holds, or that its client shows itself by.
fn told(place: &Place, client: &bartizan_identity::oauth::Client, pairs: &[(&str, &str)]) -> Names {
    let oauth = &place.oauth;
    let exchange = oauth.exchange.as_ref();
    let own = |id: Option<&String>| client.secret.is_some() && id.is_some_and(|id| *id == client.id);
    let mut all: Vec<&str> = Vec::new();
    if own(oauth.client_id.as_ref()) {
        all.extend(
            oauth
                .client_secret
                .iter()
                .chain(&oauth.client_key)
                .map(String::as_str),
        );
    }
    if let Some(exchange) = exchange {
        if own(exchange.client_id.as_ref()) {
            all.extend(exchange.client_secret.as_deref());
        }
        if pairs.iter().any(|(name, _)| *name == "subject_token") {
            all.extend(exchange.subject.as_deref());
        }
    }
    names(all)
}

/// Signs by ES256 with a key in PKCS#8 PEM.
fn sign(key: Option<&Secret<String>>, body: &[u8]) -> Result<Vec<u8>, OauthFault> {
    let pem = key.ok_or(OauthFault::Key)?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| OauthFault::Key)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der())
        .map_err(|_| OauthFault::Key)?;
    let signature = pair
        .sign(&SystemRandom::new(), body)
        .map_err(|_| OauthFault::Key)?;
    Ok(signature.as_ref().to_vec())
}

/// The `Bearer` challenge of an answer.
pub(super) fn challenge_of(headers: &HeaderMap) -> Option<Challenge> {
    headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(bearer_challenge)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
