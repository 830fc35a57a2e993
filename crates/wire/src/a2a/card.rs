//! Agent cards (A2A 1.0, sections 4.4 and 8): what is signed of one, what is pinned of one, and the one agents are shown.

use bartizan_types::Code;
use serde_json::{Map, Value, json, value::to_raw_value};

use crate::{
    Fault,
    json::{Scanned, canonical},
};

/// Where a card stands, from the peer's root.
pub const WELL_KNOWN: &str = "/.well-known/agent-card.json";
/// The binding that is spoken here.
pub const BINDING: &str = "JSONRPC";
/// Signatures of one card that are looked at.
const SIGNATURES: usize = 16;
/// Deepest nesting of a card.
const DEPTH: u8 = 32;

/// A card.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    fields: Map<String, Value>,
    signatures: Vec<Signature>,
    payloads: Vec<Vec<u8>>,
}

/// One JWS over the card (RFC 7515, flattened and detached).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The protected header, base64url.
    pub protected: String,
    /// The signature, base64url.
    pub signature: String,
}

impl Card {
    /// Reads a card.
    ///
    /// # Errors
    /// [`Code::RequestShape`]: it has no name, no interface, or a signature of another shape; or it has no canonical form.
    pub fn read(body: Scanned<'_>) -> Result<Self, Fault> {
        let value: Value = serde_json::from_str(body.text()).map_err(|_| shape())?;
        Self::of(value)
    }

    /// From a value that is already read.
    ///
    /// # Errors
    /// As [`Card::read`].
    pub fn of(value: Value) -> Result<Self, Fault> {
        let Value::Object(mut fields) = value else {
            return Err(shape());
        };
        let named = fields
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| !name.is_empty());
        let reached = fields
            .get("supportedInterfaces")
            .and_then(Value::as_array)
            .is_some_and(|all| !all.is_empty());
        // The second spelling of what is read here, or of what is taken out below, would go past it.
        let doubled = fields.keys().any(|key| key.contains('_'));
        if !named || !reached || doubled {
            return Err(shape());
        }
        let signatures = match fields.remove("signatures") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(all)) if all.len() <= SIGNATURES => all
                .iter()
                .map(signature)
                .collect::<Option<_>>()
                .ok_or_else(shape)?,
            Some(_) => return Err(shape()),
        };
        let whole = jcs(&Value::Object(fields.clone()))?;
        let mut payloads = vec![whole];
        // Signers leave out what is empty (section 8.4.1), senders may write it out.
        let trimmed = trimmed(&Value::Object(fields.clone()), 0).ok_or_else(shape)?;
        let short = jcs(&trimmed)?;
        if payloads.first() != Some(&short) {
            payloads.push(short);
        }
        Ok(Self {
            fields,
            signatures,
            payloads,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.fields
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Its signatures.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// What a signature may have been made over: the canonical forms (RFC 8785) without `signatures`, as it came and with
    /// empty fields left out.
    #[must_use]
    pub fn payloads(&self) -> &[Vec<u8>] {
        &self.payloads
    }

    /// The card without its signatures: what is pinned. A peer that signs anew has not changed.
    #[must_use]
    pub fn definition(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    /// The address of the first interface that speaks A2A 1.0 over JSON-RPC.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        let all = self.fields.get("supportedInterfaces")?.as_array()?;
        all.iter().find_map(|one| {
            let text = |key| one.get(key).and_then(Value::as_str);
            let speaks = super::speaks(text("protocolVersion"));
            (text("protocolBinding") == Some(BINDING) && speaks).then(|| text("url"))?
        })
    }

    /// Whether one of its interfaces is this tenant's.
    #[must_use]
    pub fn serves(&self, tenant: &str) -> bool {
        let all = self.fields.get("supportedInterfaces").and_then(Value::as_array);
        let of = |one: &Value| one.get("tenant").and_then(Value::as_str) == Some(tenant);
        all.is_some_and(|all| all.iter().any(of))
    }

    /// The card that agents are shown: the same peer, reached here, with our credential. It is unsigned, since it is no
    /// longer what the peer signed.
    #[must_use]
    pub fn shown(&self, url: &str, pushes: bool) -> Vec<u8> {
        let mut fields = self.fields.clone();
        fields.insert(
            "supportedInterfaces".to_owned(),
            json!([{ "url": url, "protocolBinding": BINDING, "protocolVersion": super::VERSION }]),
        );
        fields.insert(
            "securitySchemes".to_owned(),
            json!({ "bartizan": { "httpAuthSecurityScheme": { "scheme": "bearer" } } }),
        );
        fields.insert(
            "securityRequirements".to_owned(),
            json!([{ "schemes": { "bartizan": { "list": [] } } }]),
        );
        if !pushes && let Some(Value::Object(can)) = fields.get_mut("capabilities") {
            can.insert("pushNotifications".to_owned(), Value::Bool(false));
        }
        serde_json::to_vec(&Value::Object(fields)).unwrap_or_default()
    }
}

fn shape() -> Fault {
    Fault::new(Code::RequestShape, 0)
}

fn signature(value: &Value) -> Option<Signature> {
    let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Signature {
        protected: text("protected")?,
        signature: text("signature")?,
    })
}

fn jcs(value: &Value) -> Result<Vec<u8>, Fault> {
    let raw = to_raw_value(value).map_err(|_| shape())?;
    canonical(&raw)
}

/// Without empty texts, lists and objects, and without what they leave empty; `None` where it is nested too deep.
fn trimmed(value: &Value, depth: u8) -> Option<Value> {
    fn empty(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        }
    }
    if depth > DEPTH {
        return None;
    }
    Some(match value {
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (key, inner) in fields {
                let inner = trimmed(inner, depth + 1)?;
                if !empty(&inner) {
                    kept.insert(key.clone(), inner);
                }
            }
            Value::Object(kept)
        }
        Value::Array(items) => {
            let inner: Option<Vec<Value>> = items.iter().map(|item| trimmed(item, depth + 1)).collect();
            Value::Array(inner?.into_iter().filter(|item| !empty(item)).collect())
        }
        other => other.clone(),
    })
}
