//! Asking a user for a grant: where her browser is sent, and what is made of what it brings back.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use bartizan_identity::oauth::{
    Address, AuthorizationServer, Callback, Client, Method, Pkce, authorization_url, check_callback,
    method_for, registered, registration, scopes_for, token_answer, token_error,
};
use bartizan_types::{Secret, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::{
    ConnectFault, Holder, PENDING, PENDING_FOR, Place, Wallet, Wallets,
    grant::Grant,
    is_stale, lock,
    wire::{Fetch, hex},
};
use crate::{Shared, clock};

/// Registrations remembered.
const REGISTERED: usize = 256;

/// Clients that authorization servers know us as, by issuer and by where answers come back to.
#[derive(Default)]
pub(super) struct Registrations(Mutex<HashMap<(String, String), Known>>);

struct Known {
    id: String,
    secret: Option<Secret<String>>,
    method: Method,
    until: Option<Timestamp>,
}

/// An authorization that waits for its user.
pub(super) struct Pending {
    wallet: Arc<Wallet>,
    server: AuthorizationServer,
    client: Client,
    resource: String,
    scopes: Vec<String>,
    redirect: String,
    verifier: Secret<String>,
    since: Instant,
}

/// What is wished for.
pub(crate) struct Wish<'a> {
    pub(crate) server: &'a str,
    /// Where the browser ends.
    pub(crate) redirect: &'a str,
}

/// Where to send the user.
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) state: String,
    pub(crate) holder: Holder,
    pub(crate) issuer: String,
    pub(crate) resource: String,
    pub(crate) scopes: Vec<String>,
}

/// What was granted.
pub(crate) struct Finished {
    pub(crate) server: String,
    pub(crate) holder: Holder,
    pub(crate) issuer: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) renews: bool,
}

fn copy(client: &Known) -> Client {
    Client {
        id: client.id.clone(),
        secret: client
            .secret
            .as_ref()
            .map(|secret| Secret::new(secret.expose().clone())),
        method: client.method,
    }
}

impl Wallets {
    /// Finds out where a server's tokens are issued, and begins an authorization there.
    ///
    /// # Errors
    /// [`ConnectFault`].
    pub(crate) async fn begin(
        &self,
        shared: &Arc<Shared>,
        wish: Wish<'_>,
        holder: Holder,
    ) -> Result<Asked, ConnectFault> {
        let place = Arc::clone(self.place(wish.server)?);
        let wallet = self.wallet(&place, holder);
        if wallet.in_vain() {
            return Err(ConnectFault::InVain(place.name.to_string()));
        }
        let challenge = match wallet.wanted() {
            Some((challenge, _)) => Some(challenge),
            None => self.probe(shared, &place).await,
        };
        let resource = self.resource(shared, &place, challenge.as_ref()).await?;
        let server = self
            .authorization_server(shared, &place, resource.as_ref())
            .await?;
        let page = server
            .authorization_endpoint
            .clone()
            .ok_or_else(|| ConnectFault::NoPage(server.issuer.clone()))?;
        // The page is opened by a browser; what holds for a fetch of ours must hold for it, too.
        place.reach(&page)?;
        server.check_page(&page, &place.oauth.hosts)?;
        let client = self.client(shared, &place, &server, wish.redirect).await?;
        let scopes = scopes_for(
            challenge.as_ref(),
            resource.as_ref(),
            &server,
            &wallet.scopes(),
            &place.oauth.scopes,
        );
        let name = resource.map_or_else(|| place.address.as_str().to_owned(), |resource| resource.resource);
        let pkce = Pkce::new(&Secret::new(clock::random::<32>()));
        let state = hex(&clock::random::<32>());
        let asked = Asked {
            url: authorization_url(&page, &client.id, wish.redirect, &state, &pkce, (&name, &scopes)),
            state: state.clone(),
            holder: wallet.holder.clone(),
            issuer: server.issuer.clone(),
            resource: name.clone(),
            scopes: scopes.clone(),
        };
        let mut pending = lock(&self.pending);
        pending.retain(|_, one| !is_stale(one.since, PENDING_FOR));
        if pending.len() >= PENDING {
            return Err(ConnectFault::Full);
        }
        let one = Pending {
            wallet,
            server,
            client,
            resource: name,
            scopes,
            redirect: wish.redirect.to_owned(),
            verifier: pkce.verifier,
            since: Instant::now(),
        };
        pending.insert(state, one);
        Ok(asked)
    }

    /// Whose grant is meant, where nobody said: the only one who waits, else the only one there is.
    ///
    /// # Errors
    /// All of them, when there are several or none.
    pub(crate) fn meant(&self, server: &str, known: Vec<Holder>) -> Result<Holder, Vec<Holder>> {
        let mut candidates = match self.place(server) {
            Ok(place) if place.oauth.is_shared() => return Ok(Holder::Gateway),
            Ok(place) => self.waiting_for(&place.name),
            Err(_) => Vec::new(),
        };
        if candidates.is_empty() {
            candidates = known;
        }
        candidates.sort();
        candidates.dedup();
        match candidates.as_slice() {
            [only] => Ok(only.clone()),
            _ => Err(candidates),
        }
    }

    /// Takes what the user's browser brought, and spends the code.
    ///
    /// # Errors
    /// [`ConnectFault`]. Whatever it is, the answer can't be used again.
    pub(crate) async fn finish(
        &self,
        shared: &Arc<Shared>,
        state: &str,
        callback: Callback<'_>,
    ) -> Result<Finished, ConnectFault> {
        let pending = lock(&self.pending).remove(state);
        let pending = pending
            .filter(|one| !is_stale(one.since, PENDING_FOR))
            .ok_or(ConnectFault::Unknown)?;
        let code = check_callback(&pending.server, &callback)?;
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &pending.redirect),
            ("code_verifier", pending.verifier.expose()),
            ("resource", &pending.resource),
        ];
        let (wallet, server) = (pending.wallet, pending.server);
        let at = (&server.token_endpoint, server.issuer.as_str());
        let bytes = self
            .post_form(shared, &wallet.place, at, &pending.client, &pairs)
            .await?;
        let now = clock::now();
        let token = token_answer(bytes.expose(), now)?;
        let finished = Finished {
            server: wallet.place.name.to_string(),
            holder: wallet.holder.clone(),
            issuer: server.issuer.clone(),
            scopes: token.scopes.clone().unwrap_or_else(|| pending.scopes.clone()),
            expires: token.expires,
            renews: token.refresh.is_some(),
        };
        wallet.satisfied();
        wallet.take(
            self,
            Grant {
                issuer: server.issuer,
                token_endpoint: server.token_endpoint,
                revocation_endpoint: server.revocation_endpoint,
                resource: pending.resource,
                client: pending.client,
                access: token.access,
                refresh: token.refresh,
                expires: token.expires,
                scopes: finished.scopes.clone(),
                since: now,
            },
        )?;
        Ok(finished)
    }

    /// Gives a grant back (RFC 7009) and forgets it. Says whether there was one, and whether the server took it back.
    ///
    /// # Errors
    /// [`ConnectFault`], when it could not be forgotten.
    pub(crate) async fn disconnect(
        &self,
        shared: &Arc<Shared>,
        server: &str,
        holder: Holder,
    ) -> Result<(bool, bool), ConnectFault> {
        let wallet = self.wallet(self.place(server)?, holder);
        let Some(grant) = wallet.forget(self)? else {
            return Ok((false, false));
        };
        let Some(endpoint) = &grant.revocation_endpoint else {
            return Ok((true, false));
        };
        // The one that renews ends the others with it.
        let token = grant.refresh.as_ref().unwrap_or(&grant.access);
        let pairs = [("token", token.expose().as_str())];
        let at = (endpoint, grant.issuer.as_str());
        let back = self
            .post_form(shared, &wallet.place, at, &grant.client, &pairs)
            .await;
        if let Err(fault) = &back {
            tracing::warn!(server = %wallet.place.name, error = %fault, "the server did not take the token back");
        }
        Ok((true, back.is_ok()))
    }

    /// Who we are there: as the configuration says, by the address of a document, or as registered.
    async fn client(
        &self,
        shared: &Arc<Shared>,
        place: &Place,
        server: &AuthorizationServer,
        redirect: &str,
    ) -> Result<Client, ConnectFault> {
        if let Some(client) = self.configured(shared, place, server)? {
            return Ok(client);
        }
        if let Some(document) = place
            .oauth
            .client_document
            .as_ref()
            .filter(|_| server.client_documents)
        {
            return Ok(Client {
                id: document.clone(),
                secret: None,
                method: Method::None,
            });
        }
        let Some(endpoint) = &server.registration_endpoint else {
            return Err(ConnectFault::NoClient(server.issuer.clone()));
        };
        let key = (server.issuer.clone(), redirect.to_owned());
        let now = clock::now();
        if let Some(known) = lock(&self.registered.0).get(&key)
            && known.until.is_none_or(|until| until > now)
        {
            return Ok(copy(known));
        }
        self.register(shared, place, (server, endpoint), key).await
    }

    async fn register(
        &self,
        shared: &Arc<Shared>,
        place: &Place,
        (server, endpoint): (&AuthorizationServer, &Address),
        key: (String, String),
    ) -> Result<Client, ConnectFault> {
        let takes = |method: Method| {
            server
                .auth_methods
                .as_ref()
                .is_some_and(|methods| methods.iter().any(|word| word == method.as_str()))
        };
        // A program on a user's machine keeps no secret; where the server wants one all the same, it gives one.
        let wished = if takes(Method::None) {
            Method::None
        } else {
            method_for(server, true, false)
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let fetch = Fetch {
            place,
            address: endpoint,
            method: http::Method::POST,
            headers,
            body: Bytes::from(registration(None, &key.1, wished).to_string()),
            secrets: Default::default(),
        };
        let answer = self.fetch(shared, fetch).await?;
        if !answer.status.is_success() {
            return Err(ConnectFault::Refused {
                what: "the registration",
                status: answer.status.as_u16(),
                error: token_error(&answer.body),
            });
        }
        let new = registered(&answer.body, server)?;
        let known = Known {
            id: new.client.id,
            secret: new.client.secret,
            method: new.client.method,
            until: new.until,
        };
        let client = copy(&known);
        let mut all = lock(&self.registered.0);
        if all.len() >= REGISTERED {
            all.clear();
        }
        all.insert(key, known);
        Ok(client)
    }

    /// The client of the configuration.
    pub(super) fn configured(
        &self,
        shared: &Shared,
        place: &Place,
        server: &AuthorizationServer,
    ) -> Result<Option<Client>, ConnectFault> {
        let Some(id) = &place.oauth.client_id else {
            return Ok(None);
        };
        let key = place.oauth.client_key.as_ref();
        let secret = match key.or(place.oauth.client_secret.as_ref()) {
            None => None,
            Some(name) => {
                let missing = || ConnectFault::Secret(name.clone());
                let value = shared.secrets.reveal(name)?.ok_or_else(missing)?;
                let text = std::str::from_utf8(value.expose()).map_err(|_| missing())?;
                Some(Secret::new(text.to_owned()))
            }
        };
        Ok(Some(Client {
            id: id.clone(),
            method: method_for(server, secret.is_some(), key.is_some()),
            secret,
        }))
    }
}
