//! Workload identity: certificates of our own authority, its roots, and delegations that an operator begins. A private
//! key leaves here once, in the answer to its making, and is kept nowhere.

use bartizan_identity::{ApiKeyRecord, ChainRoot, DelegationKey, PeerCertificate};
use bartizan_store::Purpose;
use bartizan_types::AgentId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Ask, Desk, No};
use crate::{
    authority::{Authority, AuthorityFault, Root, pem},
    clock, handing,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issue {
    agent: AgentId,
    #[serde(default = "one_hour")]
    hours: u32,
}

const fn one_hour() -> u32 {
    1
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Rotate {
    at_once: bool,
}

impl From<AuthorityFault> for No {
    fn from(fault: AuthorityFault) -> Self {
        match fault {
            AuthorityFault::Name(_) | AuthorityFault::Life => Self::usage(fault.to_string()),
            AuthorityFault::State(fault) => fault.into(),
            _ => Self::state(super::chain(&fault)),
        }
    }
}

impl Desk {
    fn authority(&self) -> Result<Authority, No> {
        let seed = self.keyring.derive(Purpose::Authority)?;
        Ok(Authority::new(self.domain.clone(), &seed))
    }

    pub(super) fn identities(&self) -> Answer {
        let (authority, now) = (self.authority()?, clock::now());
        let roots = authority.roots(&self.state, now)?;
        let roots: Vec<Value> = roots.iter().map(|root| view(root, now)).collect();
        Ok(json!({ "trust_domain": self.domain.as_str(), "roots": roots, "bundle": self.bundle()? }))
    }

    fn bundle(&self) -> Result<String, No> {
        let roots = self.authority()?.bundle(&self.state, clock::now())?;
        Ok(roots.iter().map(|root| pem("CERTIFICATE", root)).collect())
    }

    pub(super) async fn issue_identity(&self, ask: &Ask<'_>) -> Answer {
        let issue: Issue = ask.json()?;
        let issued = self
            .authority()?
            .issue(&self.state, &issue.agent, issue.hours, clock::now())?;
        let name = PeerCertificate::new(issued.chain.clone()).and_then(|shown| shown.name());
        let name = name.map(|name| name.to_string()).unwrap_or_default();
        let note = format!(
            "certificate issued: {}, until {}, as {name}",
            issued.id, issued.until
        );
        let index = self.operation(note, ask).await?;
        // The first issue makes the first root.
        self.refresh()?;
        let chain: String = issued.chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
        Ok(json!({
            "id": issued.id, "agent": issue.agent, "until": issued.until, "credential": name, "certificate": chain,
            "key": pem("PRIVATE KEY", issued.key.expose()), "bundle": self.bundle()?, "root": issued.root,
            "record": index,
        }))
    }

    pub(super) async fn rotate_identities(&self, ask: &Ask<'_>) -> Answer {
        let rotate: Rotate = if ask.body.is_empty() {
            Rotate::default()
        } else {
            ask.json()?
        };
        let now = clock::now();
        let what = if rotate.at_once {
            ", the old ones ended"
        } else {
            ""
        };
        // The record goes first: a change nobody remembers is worse than a record of one that failed.
        let note = format!("root certificate rotated{what}");
        let index = self.operation(note, ask).await?;
        let root = self.authority()?.rotate(&self.state, now, rotate.at_once)?;
        self.refresh()?;
        let mut answer = view(&root, now);
        answer["record"] = json!(index);
        answer["bundle"] = json!(self.bundle()?);
        Ok(answer)
    }

    pub(super) async fn delegate(&self, which: &str, ask: &Ask<'_>) -> Answer {
        let wanted: handing::Wanted = ask.json()?;
        let now = clock::now();
        let mut keys: Vec<ApiKeyRecord> = self.state.keys()?;
        keys.retain(|key| {
            let meant = key.prefix.as_str() == which || key.agent.as_str() == which;
            let ended = key.expires.is_some_and(|expires| expires <= now);
            meant && key.revoked.is_none() && !ended
        });
        let newest = keys.into_iter().max_by_key(|key| key.created);
        let record = newest.ok_or_else(|| No::not_found(format!("`{which}` has no key in force here")))?;
        let ours = DelegationKey::new(self.keyring.derive(Purpose::Delegations)?)
            .map_err(|fault| No::state(fault.to_string()))?;
        let root = ChainRoot::Key(&record);
        let note = handing::note(root, &wanted.to);
        let begun = handing::begin(&ours, root, wanted, now).map_err(|fault| No::usage(fault.to_string()))?;
        let index = self.operation(format!("{note}, as {}", begun.name), ask).await?;
        Ok(json!({
            "delegation": begun.text.expose(), "until": begun.until, "credential": begun.name,
            "agent": record.agent, "record": index,
        }))
    }
}

fn view(root: &Root, now: bartizan_types::Timestamp) -> Value {
    let state = if now < root.signs { "next" } else { "in use" };
    json!({
        "number": root.number, "state": state, "made": root.made, "signs": root.signs, "until": root.until,
    })
}
