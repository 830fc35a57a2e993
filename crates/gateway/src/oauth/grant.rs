//! One grant as it is kept: what it is for, whose, and the tokens.

use bartizan_identity::oauth::{Address, Client, Method};
use bartizan_types::{Secret, Timestamp};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Holder, Place};

const VERSION: u64 = 1;
/// A token is renewed this long before it ends.
const EARLY_MICROS: u64 = 30_000_000;

/// What a user granted at one server.
pub(super) struct Grant {
    /// Who issued it.
    pub(super) issuer: String,
    /// Where it is renewed.
    pub(super) token_endpoint: Address,
    /// Where it is given back, if anywhere.
    pub(super) revocation_endpoint: Option<Address>,
    /// What it is for (RFC 8707).
    pub(super) resource: String,
    /// Who we are there.
    pub(super) client: Client,
    /// The token.
    pub(super) access: Secret<String>,
    /// What renews it.
    pub(super) refresh: Option<Secret<String>>,
    /// When the token ends, if that was said.
    pub(super) expires: Option<Timestamp>,
    /// What was granted.
    pub(super) scopes: Vec<String>,
    /// Since when.
    pub(super) since: Timestamp,
}

impl Grant {
    /// Whether its token ends soon.
    pub(super) fn is_ending(&self, now: Timestamp) -> bool {
        self.expires
            .is_some_and(|expires| expires <= now.plus_micros(EARLY_MICROS))
    }

    /// The bytes to seal. The one place where a token stands beside what it is for.
    pub(super) fn write(&self, place: &Place, holder: &Holder) -> Secret<Vec<u8>> {
        let client = json!({
            "id": self.client.id, "method": self.client.method.as_str(),
            "secret": self.client.secret.as_ref().map(Secret::expose),
        });
        let all = json!({
            "version": VERSION, "server": place.name, "address": place.address.as_str(), "holder": holder.shown(),
            "issuer": self.issuer, "token_endpoint": self.token_endpoint.as_str(),
            "revocation_endpoint": self.revocation_endpoint.as_ref().map(Address::as_str),
            "resource": self.resource, "client": client, "access": self.access.expose(),
            "refresh": self.refresh.as_ref().map(Secret::expose),
            "expires": self.expires, "scopes": self.scopes, "since": self.since,
        });
        let text = Zeroizing::new(all.to_string());
        Secret::new(text.as_bytes().to_vec())
    }

    /// Reads what was sealed. A grant for another address than the server has now is no grant: the token was meant for
    /// whoever was there.
    pub(super) fn read(bytes: &Secret<Vec<u8>>, place: &Place, holder: &Holder) -> Option<Self> {
        let all: Value = serde_json::from_slice(bytes.expose()).ok()?;
        let text = |key: &str| all.get(key).and_then(Value::as_str);
        let fits = all.get("version").and_then(Value::as_u64) == Some(VERSION)
            && text("server") == Some(place.name.as_str())
            && text("address") == Some(place.address.as_str())
            && all.get("holder") == Some(&holder.shown());
        if !fits {
            return None;
        }
        let client = all.get("client")?;
        let time = |key: &str| {
            all.get(key)
                .and_then(|value| serde_json::from_value(value.clone()).ok())
        };
        Some(Self {
            issuer: text("issuer")?.to_owned(),
            token_endpoint: Address::parse(text("token_endpoint")?).ok()?,
            revocation_endpoint: text("revocation_endpoint").and_then(|text| Address::parse(text).ok()),
            resource: text("resource")?.to_owned(),
            client: Client {
                id: client.get("id")?.as_str()?.to_owned(),
                secret: client
                    .get("secret")
                    .and_then(Value::as_str)
                    .map(|secret| Secret::new(secret.to_owned())),
                method: Method::named(client.get("method")?.as_str()?)?,
            },
            access: Secret::new(text("access")?.to_owned()),
            refresh: text("refresh").map(|token| Secret::new(token.to_owned())),
            expires: time("expires"),
            scopes: all
                .get("scopes")
                .and_then(|value| serde_json::from_value(value.clone()).ok())?,
            since: time("since")?,
        })
    }
}

/// What may be shown of a sealed grant.
pub(super) fn shown(bytes: &Secret<Vec<u8>>) -> Option<Value> {
    let all: Value = serde_json::from_slice(bytes.expose()).ok()?;
    let keep = |key: &str| all.get(key).cloned().unwrap_or_default();
    Some(json!({
        "server": keep("server"), "address": keep("address"), "holder": keep("holder"), "issuer": keep("issuer"),
        "resource": keep("resource"), "scopes": keep("scopes"), "since": keep("since"), "expires": keep("expires"),
        "renews": all.get("refresh").is_some_and(Value::is_string),
        "client_id": all.pointer("/client/id").cloned().unwrap_or_default(),
    }))
}
