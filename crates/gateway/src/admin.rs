//! What an operator may ask and change, as plain requests: one table of routes for the running gateway and for state at
//! rest.
//!
//! [`Desk::handle`] takes a method, a path and a body and answers JSON. [`socket`] serves it on an owner-only unix socket
//! whose peer must be this process's own user; the command calls it directly where no gateway runs, so both ways give
//! the same shapes. What it refuses: to show a secret's value, and to change anything without an Operation record.

mod agents;
mod approvals;
mod backup;
mod connections;
mod egress;
mod identities;
mod manifests;
mod records;
mod scans;
pub mod socket;
mod spending;
mod status;
mod tools;
mod usage;

use std::sync::Arc;

use bartizan_identity::TrustDomain;
use bartizan_store::{Fault, Keyring, Ledger, LedgerFault, SecretExists, Secrets, State, StateDir, chain};
use bartizan_types::{Code, Record, RecordKind, Secret, Timestamp};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::{Shared, clock, config::Server, telemetry};

/// The note of a record: a secret is new.
const SECRET_SET: &str = "secret set";

/// Said of what was taken away and could not be written.
const NOT_DURABLE: &str = "is in force, and not durable: it is written by itself once the state can be written, and a restart \
                           before that loses it";
/// Said of what was taken away and could not be recorded.
const NOT_RECORDED: &str = "is in force, and the log does not say so";

/// Largest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// What the desk works with.
pub struct Desk {
    /// The state directory.
    pub dir: StateDir,
    /// Its keys.
    pub keyring: Keyring,
    /// The log.
    pub ledger: Ledger,
    /// Agents, pins, settings.
    pub state: Arc<State>,
    /// Sealed credentials.
    pub secrets: Arc<Secrets>,
    /// The trust domain of our own authority.
    pub domain: TrustDomain,
    /// Servers of the configuration, where it reads: what tools are labelled by where no gateway runs.
    pub servers: Vec<Server>,
    /// Budgets of the configuration, where it reads: what is counted where no gateway runs.
    pub budgets: crate::config::Budgets,
    /// The gateway, where it runs in this process.
    pub live: Option<Live>,
}

/// What only a running gateway has.
pub struct Live {
    /// What serves calls.
    pub shared: Arc<Shared>,
    /// Counts of finished calls, where telemetry is on.
    pub projection: Option<Arc<telemetry::Projection>>,
    /// Asks for policy and configuration to be read again.
    pub reload: mpsc::Sender<oneshot::Sender<Result<String, String>>>,
    /// What the operator should know: the last failed reload and the like.
    pub alarms: Arc<std::sync::Mutex<Vec<String>>>,
    /// When it started.
    pub started: Timestamp,
}

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// JSON, or text for metrics.
    pub body: Body,
}

/// A reply's content.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `application/json`.
    Json(Value),
    /// Text of this content type.
    Text(&'static str, String),
}

/// Why the desk did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct No {
    status: StatusCode,
    kind: &'static str,
    message: String,
    code: Option<Code>,
}

impl No {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            code: None,
        }
    }

    fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    fn usage(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "usage", message)
    }

    fn refused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "refused", message)
    }

    fn state(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "state", message)
    }

    /// The same, with this said before the reason.
    fn after(self, said: &str) -> Self {
        Self {
            message: format!("{said}: {}", self.message),
            ..self
        }
    }

    fn reply(self) -> Reply {
        let error = json!({ "kind": self.kind, "message": self.message, "code": self.code });
        Reply {
            status: self.status,
            body: Body::Json(json!({ "error": error })),
        }
    }
}

impl From<LedgerFault> for No {
    fn from(fault: LedgerFault) -> Self {
        let code = Some(fault.code());
        let no = match &fault {
            LedgerFault::Missing { .. } => Self::not_found(fault.to_string()),
            LedgerFault::NotErasable(_) => Self::refused(fault.to_string()),
            LedgerFault::KeyChange(_) => Self::refused(chain(&fault)),
            _ => Self::state(chain(&fault)),
        };
        Self { code, ..no }
    }
}

impl From<Fault> for No {
    fn from(fault: Fault) -> Self {
        let code = fault.code();
        let no = match &fault {
            Fault::SecretExists(SecretExists::Not) | Fault::KeyAbsent(_) => {
                Self::not_found(fault.to_string())
            }
            Fault::SecretExists(SecretExists::Already) => Self::refused(fault.to_string()),
            Fault::SecretName | Fault::SecretSize | Fault::SecretCount => Self::usage(fault.to_string()),
            _ => Self::state(chain(&fault)),
        };
        Self { code, ..no }
    }
}

type Answer = Result<Value, No>;

/// One request, taken apart.
pub(crate) struct Ask<'a> {
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: &'a [u8],
    /// Who asks, for records: `uid 1000`.
    pub(crate) by: &'a str,
}

impl Ask<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, No> {
        serde_json::from_slice(self.body)
            .map_err(|fault| No::usage(format!("the request does not fit: {}", without_place(&fault))))
    }
}

impl Desk {
    /// Answers a request. `by` names the asker in records.
    pub async fn handle(&self, method: &Method, path_and_query: &str, body: &[u8], by: &str) -> Reply {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key)?, decode(value)?))
        };
        let segments: Option<Vec<String>> = path.split('/').skip(1).map(decode).collect();
        let (Some(query), Some(segments)) = (pairs.map(pair).collect::<Option<Vec<_>>>(), segments) else {
            return No::usage("the address is not percent-encoded UTF-8").reply();
        };
        let ask = Ask { query, body, by };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if (method, segments.as_slice()) == (&Method::GET, ["metrics"].as_slice()) {
            return self.metrics();
        }
        let answer = match self.may(method, &segments).await {
            Ok(()) => self.route(method, &segments, &ask).await,
            Err(no) => Err(no),
        };
        match answer {
            Ok(value) => Reply {
                status: StatusCode::OK,
                body: Body::Json(value),
            },
            Err(no) => no.reply(),
        }
    }

    async fn route(&self, method: &Method, segments: &[&str], ask: &Ask<'_>) -> Answer {
        let [version, rest @ ..] = segments else {
            return Err(No::not_found("there is nothing at this path"));
        };
        if *version != "v1" {
            return Err(No::not_found("there is nothing at this path"));
        }
        match (method.as_str(), rest) {
            ("GET", ["status"]) => self.status(),
            ("GET", ["agents"]) => self.agents(),
            ("POST", ["agents"]) => self.add_agent(ask).await,
            ("DELETE", ["agents", key]) => self.revoke_agent(key, ask).await,
            ("POST", ["agents", which, "delegate"]) => self.delegate(which, ask).await,
            ("GET", ["identities"]) => self.identities(),
            ("POST", ["identities"]) => self.issue_identity(ask).await,
            ("POST", ["identities", "rotate"]) => self.rotate_identities(ask).await,
            ("GET", ["records"]) => self.search(ask),
            ("GET", ["records", index]) => self.record(index),
            ("POST", ["records", index, "erase"]) => self.erase(index, ask).await,
            ("GET", ["explain", id]) => self.explain(id).await,
            ("GET", ["prove", index]) => self.prove(index).await,
            ("GET", ["checkpoint"]) => Ok(self.checkpoint()),
            ("GET", ["tools"]) => self.tools(),
            ("GET", ["tools", "diff"]) => self.tools_diff(),
            ("POST", ["tools", "approve"]) => self.approve_tools(ask).await,
            ("GET", ["manifests"]) => self.manifests(),
            ("POST", ["manifests", "accept"]) => self.accept_manifests(ask).await,
            ("POST", ["manifests", "withdraw"]) => self.withdraw_manifests(ask).await,
            ("GET", ["approvals"]) => self.approvals(),
            ("GET", ["approvals", id]) => self.approval(id),
            ("POST", ["approvals", id, "allow"]) => self.allow(id, ask).await,
            ("POST", ["approvals", id, "deny"]) => self.deny(id, ask).await,
            ("DELETE", ["endorsements", id]) => self.revoke_endorsement(id, ask).await,
            ("GET", ["budgets"]) => self.budgets(),
            ("GET", ["budgets", name]) => self.budget(name),
            ("POST", ["budgets", name, "reset"]) => self.reset_budget(name, ask).await,
            ("GET", ["revocations"]) => self.revocations(),
            ("POST", ["revocations"]) => self.revoke(ask).await,
            ("DELETE", ["revocations", id]) => self.lift(id, ask).await,
            ("GET", ["scans"]) => self.scans(ask),
            ("GET", ["scans", id]) => self.scan(id),
            ("POST", ["scans"]) => self.add_scan(ask).await,
            ("GET", ["egress", "ca"]) => self.egress_root(),
            ("POST", ["egress", "ca"]) => self.make_egress_root(ask).await,
            ("GET", ["connections"]) => self.connections(),
            ("POST", ["connections"]) => self.connect(ask).await,
            ("POST", ["connections", "finish"]) => self.finish_connecting(ask).await,
            ("POST", ["connections", "forget"]) => self.disconnect(ask).await,
            ("GET", ["secrets"]) => Ok(json!({ "secrets": self.secrets.list() })),
            ("GET", ["secrets", "usage"]) => self.secret_usage(ask),
            ("PUT", ["secrets", name]) => self.secret(name, SECRET_SET, ask, Secrets::set).await,
            ("POST", ["secrets", name, "rotate"]) => {
                self.secret(name, "secret rotated", ask, Secrets::rotate).await
            }
            ("DELETE", ["secrets", name]) => {
                self.secret(name, "secret removed", ask, |secrets, name, _| {
                    secrets.remove(name)
                })
                .await
            }
            ("GET", ["policy"]) => self.policy(),
            ("POST", ["policy", "reload"]) => self.reload().await,
            ("DELETE", ["vaults"]) => self.erase_vaults(ask).await,
            ("POST", ["backup"]) => self.backup(ask).await,
            ("POST", ["key", which]) => self.new_key(which, ask).await,
            _ => Err(No::not_found(
                "there is nothing at this path, or not with this method",
            )),
        }
    }

    /// Refuses to give while the state can't be written: what is given then is not there after a restart, or can't be taken
    /// back for good.
    async fn may(&self, method: &Method, segments: &[&str]) -> Result<(), No> {
        let rest = segments.get(1..).unwrap_or_default();
        if !gives(method, rest) || self.state.trouble().is_none() {
            return Ok(());
        }
        // It may be over, and nobody have noticed.
        let state = Arc::clone(&self.state);
        let trying = tokio::task::spawn_blocking(move || state.try_write());
        let tried = trying.await.map_err(|fault| No::state(fault.to_string()))?;
        Ok(tried?)
    }

    /// Appends an Operation record, durable on return.
    async fn operation(&self, note: String, ask: &Ask<'_>) -> Result<u64, No> {
        let mut record = Record::new(RecordKind::Operation, clock::now());
        record.note = Some(format!("{note}, by {}", ask.by));
        Ok(self.ledger.append(&record).await?.index)
    }

    async fn secret(
        &self,
        name: &str,
        what: &str,
        ask: &Ask<'_>,
        act: impl FnOnce(&Secrets, &str, &Secret<Vec<u8>>) -> Result<(), Fault>,
    ) -> Answer {
        let value = Secret::new(ask.body.to_vec());
        // What can't be meant changes nothing, and so is no change in the log.
        self.secrets.fits(name, what == SECRET_SET)?;
        // The record goes first: a change nobody remembers is worse than a record of a change that failed.
        let index = self.operation(format!("{what}: `{name}`"), ask).await?;
        act(&self.secrets, name, &value)?;
        Ok(json!({ "name": name, "record": index }))
    }

    /// Erases values behind tokens: an agent's, or all. What is kept is erased by its owner, so a gateway must run.
    async fn erase_vaults(&self, ask: &Ask<'_>) -> Answer {
        let Some(live) = &self.live else {
            return Err(No::new(
                StatusCode::CONFLICT,
                "not_running",
                "no gateway runs on this state, and values are kept by it alone",
            ));
        };
        let Some(privacy) = &live.shared.privacy else {
            return Err(No::not_found("`[privacy]` has no rules, so there are no vaults"));
        };
        let agent = ask.value("agent");
        let whose = agent.map_or_else(|| "all agents".to_owned(), |agent| format!("agent `{agent}`"));
        let index = self.operation(format!("vaults of {whose} erased"), ask).await?;
        let (values, kept) = privacy.erase(agent)?;
        Ok(json!({ "values": values, "kept": kept, "record": index }))
    }

    async fn new_key(&self, which: &str, ask: &Ask<'_>) -> Answer {
        match which {
            "rotate" => self.rotate_key(ask).await,
            "log" => self.change_log_key(ask).await,
            _ => Err(No::not_found("there is no such key")),
        }
    }

    async fn rotate_key(&self, ask: &Ask<'_>) -> Answer {
        let index = self.operation("master key rotated".to_owned(), ask).await?;
        self.keyring.rotate_file(&self.dir)?;
        Ok(json!({ "rotated": true, "record": index }))
    }

    async fn reload(&self) -> Answer {
        let Some(live) = &self.live else {
            return Err(No::new(
                StatusCode::CONFLICT,
                "not_running",
                "no gateway runs on this state",
            ));
        };
        let (done, answer) = oneshot::channel();
        live.reload
            .send(done)
            .await
            .map_err(|_| No::state("the gateway is stopping"))?;
        match answer.await {
            Ok(Ok(digest)) => Ok(json!({ "policy": digest })),
            Ok(Err(why)) => Err(No::new(StatusCode::UNPROCESSABLE_ENTITY, "config", why)),
            Err(_) => Err(No::state("the gateway is stopping")),
        }
    }
}

/// Whether a request gives somebody something: a key, a certificate, a grant, a yes, another try.
fn gives(method: &Method, rest: &[&str]) -> bool {
    matches!(
        (method.as_str(), rest),
        (
            "POST",
            ["agents"]
                | ["agents", _, "delegate"]
                | ["identities"]
                | ["identities", "rotate"]
                | ["tools", "approve"]
                | ["manifests", "accept"]
                | ["approvals", _, "allow"]
                | ["budgets", _, "reset"]
                | ["egress", "ca"]
                | ["connections"]
                | ["connections", "finish"]
        ) | ("DELETE", ["revocations", _])
    )
}

/// What is wrong with a body, without where: whoever typed a command wrote no body.
fn without_place(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => what.to_owned(),
        None => text,
    }
}

/// Percent-decoding (RFC 3986 section 2.1) to UTF-8; `None` for anything malformed.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_decode_or_are_refused() {
        assert_eq!(decode("a%2Fb%20c").as_deref(), Some("a/b c"));
        for bad in ["%", "%2", "%zz", "%ff", "%+1"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
