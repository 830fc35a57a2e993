//! A token that somebody else issued becomes one for this server alone (RFC 8693), at once or by way of an assertion for
//! the server's own authorization server (identity assertion grant: RFC 8693, then RFC 7523).
//!
//! What is exchanged names its user; what comes back is good at this server and nowhere else, so no token that an agent
//! shows is ever passed on.

use std::sync::Arc;

use bartizan_identity::oauth::{
    Address, AuthorizationServer, Client, Method, exchanged, scopes_for, token_answer,
};
use bartizan_types::Secret;

use super::{ConnectFault, Wallet, grant::Grant};
use crate::{
    Shared, clock,
    config::{Exchange, Subject},
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const ASSERTION: &str = "urn:ietf:params:oauth:token-type:id-jag";

impl Subject {
    const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => ACCESS,
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }
}

/// The secret of this name, as text.
fn secret(shared: &Shared, name: &str) -> Result<Secret<String>, ConnectFault> {
    let missing = || ConnectFault::Secret(name.to_owned());
    let value = shared.secrets.reveal(name)?.ok_or_else(missing)?;
    let text = std::str::from_utf8(value.expose()).map_err(|_| missing())?;
    Ok(Secret::new(text.to_owned()))
}

/// What an exchange is for.
struct Purpose<'a> {
    exchange: &'a Exchange,
    server: &'a AuthorizationServer,
    /// The server's own name in tokens.
    resource: &'a str,
    scope: &'a str,
}

impl Wallet {
    /// Exchanges what the caller showed, or the configured secret; `true` if there is a new token.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        exchange: &Exchange,
    ) -> Result<bool, ConnectFault> {
        let (wallets, place) = (&shared.wallets, &self.place);
        let challenge = self.wanted().map(|(challenge, _)| challenge);
        let found = wallets.resource(shared, place, challenge.as_ref()).await?;
        let server = wallets
            .authorization_server(shared, place, found.as_ref())
            .await?;
        let own = || place.address.as_str().to_owned();
        let resource = found.as_ref().map_or_else(own, |found| found.resource.clone());
        let (granted, added) = (self.scopes(), &place.oauth.scopes);
        let mut scopes = scopes_for(challenge.as_ref(), found.as_ref(), &server, &granted, added);
        // There is nobody who could be offline.
        scopes.retain(|scope| scope != "offline_access");
        let purpose = Purpose {
            exchange,
            server: &server,
            resource: &resource,
            scope: &scopes.join(" "),
        };
        let endpoint = Address::parse(&exchange.token_endpoint.to_string())?;
        let there = at_the_exchange(shared, exchange)?;
        let bytes = self.swap(shared, &purpose, (&endpoint, &there)).await?;
        let (bytes, client, token_endpoint) = if exchange.assertion {
            let (bytes, client) = self
                .redeem(shared, &purpose, &exchanged(bytes.expose(), ASSERTION)?)
                .await?;
            (bytes, client, server.token_endpoint.clone())
        } else {
            exchanged(bytes.expose(), ACCESS)?;
            (bytes, there, endpoint)
        };
        let now = clock::now();
        let token = token_answer(bytes.expose(), now)?;
        let grant = Grant {
            issuer: server.issuer.clone(),
            token_endpoint,
            revocation_endpoint: None,
            resource,
            client,
            access: token.access,
            refresh: None,
            expires: token.expires,
            scopes: token.scopes.unwrap_or(scopes),
            since: now,
        };
        self.take(wallets, grant)?;
        self.satisfied();
        Ok(true)
    }

    /// Asks for what is wanted in the place of what the caller showed.
    async fn swap(
        &self,
        shared: &Arc<Shared>,
        purpose: &Purpose<'_>,
        (endpoint, client): (&Address, &Client),
    ) -> Result<Secret<Vec<u8>>, ConnectFault> {
        let exchange = purpose.exchange;
        let held;
        let shown;
        let subject = match &exchange.subject {
            Some(name) => {
                held = secret(shared, name)?;
                held.expose()
            }
            None => {
                shown = self.shown().ok_or(ConnectFault::NoSubject)?;
                shown.expose()
            }
        };
        let (wanted, audience) = if exchange.assertion {
            (ASSERTION, purpose.server.issuer.as_str())
        } else {
            (ACCESS, purpose.resource)
        };
        let mut pairs = vec![
            ("grant_type", GRANT),
            ("subject_token", subject.as_str()),
            ("subject_token_type", exchange.kind.as_str()),
            ("requested_token_type", wanted),
            ("audience", audience),
            ("resource", purpose.resource),
        ];
        if !purpose.scope.is_empty() {
            pairs.push(("scope", purpose.scope));
        }
        let at = (endpoint, endpoint.as_str());
        shared
            .wallets
            .post_form(shared, &self.place, at, client, &pairs)
            .await
    }

    /// Takes an assertion to the server's own authorization server.
    async fn redeem(
        &self,
        shared: &Arc<Shared>,
        purpose: &Purpose<'_>,
        assertion: &Secret<String>,
    ) -> Result<(Secret<Vec<u8>>, Client), ConnectFault> {
        let (wallets, server) = (&shared.wallets, purpose.server);
        let client = wallets.configured(shared, &self.place, server)?;
        let client = client.ok_or_else(|| ConnectFault::NoClient(server.issuer.clone()))?;
        let mut pairs = vec![
            ("grant_type", BEARER),
            ("assertion", assertion.expose().as_str()),
            ("resource", purpose.resource),
        ];
        if !purpose.scope.is_empty() {
            pairs.push(("scope", purpose.scope));
        }
        let at = (&server.token_endpoint, server.issuer.as_str());
        let bytes = wallets
            .post_form(shared, &self.place, at, &client, &pairs)
            .await?;
        Ok((bytes, client))
    }
}

/// Who we are where tokens are exchanged.
fn at_the_exchange(shared: &Shared, exchange: &Exchange) -> Result<Client, ConnectFault> {
    let name = exchange.client_secret.as_ref();
    let secret = name.map(|name| secret(shared, name)).transpose()?;
    Ok(Client {
        id: exchange.client_id.clone().unwrap_or_default(),
        method: if secret.is_some() {
            Method::Basic
        } else {
            Method::None
        },
        secret,
    })
}
