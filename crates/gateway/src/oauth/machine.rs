//! Servers that know the gateway itself: `client_credentials` (RFC 6749 section 4.4, SEP-1046), by secret or signed JWT.

use std::sync::Arc;

use bartizan_identity::oauth::{scopes_for, token_answer};

use super::{ConnectFault, Wallet, grant::Grant};
use crate::{Shared, clock};

impl Wallet {
    /// Fetches a token of the gateway's own; `true` if there is a new one.
    pub(super) async fn obtain(self: &Arc<Self>, shared: &Arc<Shared>) -> Result<bool, ConnectFault> {
        if self.in_vain() {
            return Ok(false);
        }
        if let Some(exchange) = &self.place.oauth.exchange {
            return self.exchange(shared, exchange).await;
        }
        let (wallets, place) = (&shared.wallets, &self.place);
        let challenge = self.wanted().map(|(challenge, _)| challenge);
        let resource = wallets.resource(shared, place, challenge.as_ref()).await?;
        let server = wallets
            .authorization_server(shared, place, resource.as_ref())
            .await?;
        let client = wallets
            .configured(shared, place, &server)?
            .ok_or_else(|| ConnectFault::NoClient(server.issuer.clone()))?;
        let name = resource.as_ref().map_or_else(
            || place.address.as_str().to_owned(),
            |resource| resource.resource.clone(),
        );
        let scopes = scopes_for(
            challenge.as_ref(),
            resource.as_ref(),
            &server,
            &self.scopes(),
            &place.oauth.scopes,
        );
        // There is nobody who could be offline.
        let scopes: Vec<String> = scopes
            .into_iter()
            .filter(|scope| scope != "offline_access")
            .collect();
        let scope = scopes.join(" ");
        let mut pairs = vec![("grant_type", "client_credentials"), ("resource", name.as_str())];
        if !scope.is_empty() {
            pairs.push(("scope", &scope));
        }
        let at = (&server.token_endpoint, server.issuer.as_str());
        let bytes = wallets.post_form(shared, place, at, &client, &pairs).await?;
        let now = clock::now();
        let token = token_answer(bytes.expose(), now)?;
        self.take(
            wallets,
            Grant {
                issuer: server.issuer.clone(),
                token_endpoint: server.token_endpoint.clone(),
                revocation_endpoint: server.revocation_endpoint.clone(),
                resource: name.clone(),
                client,
                access: token.access,
                refresh: None,
                expires: token.expires,
                scopes: token.scopes.unwrap_or(scopes),
                since: now,
            },
        )?;
        self.satisfied();
        Ok(true)
    }
}
