//! Who may call: keys are made, listed and ended. A key's text leaves here once, in the answer to its making.

use std::{collections::BTreeSet, sync::Arc};

use bartizan_guard::revoke::{Revocation, Subject};
use bartizan_identity::{ApiKeyRecord, Pepper, mint_key};
use bartizan_store::{Fault, Purpose, State};
use bartizan_types::{AgentId, KeyId, Secret, Timestamp, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Ask, Desk, No};
use crate::clock;

const DAY_MICROS: u64 = 24 * 3600 * 1_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    name: AgentId,
    #[serde(default)]
    user: Option<UserId>,
    #[serde(default)]
    groups: BTreeSet<String>,
    #[serde(default)]
    expires_days: Option<u32>,
}

impl Desk {
    pub(super) fn agents(&self) -> Answer {
        let mut keys: Vec<ApiKeyRecord> = self.state.keys()?;
        if let Some(live) = &self.live {
            for key in &mut keys {
                key.revoked = key.revoked.or(live.shared.revoked.ended(&key.prefix));
            }
        }
        keys.sort_by(|a, b| (&a.agent, a.created).cmp(&(&b.agent, b.created)));
        let now = clock::now();
        let keys: Vec<_> = keys.iter().map(|key| view(key, now)).collect();
        Ok(json!({ "keys": keys }))
    }

    pub(super) async fn add_agent(&self, ask: &Ask<'_>) -> Answer {
        let add: Add = ask.json()?;
        if add.name.as_str() == "bartizan" {
            return Err(No::refused("`bartizan` is the gateway's own name"));
        }
        let now = clock::now();
        let pepper = Pepper::new(&self.keyring.derive(Purpose::ApiKeys)?);
        let random = Secret::new(clock::random::<32>());
        let expires = add
            .expires_days
            .map(|days| now.plus_micros(DAY_MICROS.saturating_mul(days.into())));
        let new = mint_key(add.name, add.user, add.groups, now, expires, &random, &pepper)
            .map_err(|fault| No::usage(fault.to_string()))?;
        let note = format!("agent `{}` got key {}", new.record.agent, new.record.prefix);
        let index = self.operation(note, ask).await?;
        let record = new.record.clone();
        self.change_keys(move |state| state.put_key(&record.prefix, &record))
            .await?;
        let mut answer = view(&new.record, now);
        answer["key"] = json!(new.shown_once.expose());
        answer["record"] = json!(index);
        Ok(answer)
    }

    pub(super) async fn revoke_agent(&self, which: &str, ask: &Ask<'_>) -> Answer {
        let now = clock::now();
        let keys: Vec<ApiKeyRecord> = self.state.keys().map_err(|fault| {
            let otherwise = "the keys can't be read; `bartizan revoke agent:NAME` and `bartizan revoke key:PREFIX` need not \
                             read them, and end calls all the same";
            No::from(fault).after(otherwise)
        })?;
        // With or without `bz_`, or an agent's name for all its keys.
        let meant = |key: &&ApiKeyRecord| {
            let prefix = key.prefix.as_str();
            prefix == which || prefix.strip_prefix("bz_") == Some(which) || key.agent.as_str() == which
        };
        let open: Vec<KeyId> = keys
            .iter()
            .filter(meant)
            .filter(|key| key.revoked.is_none())
            .map(|key| key.prefix.clone())
            .collect();
        if open.is_empty() {
            let known = keys.iter().any(|key| meant(&key));
            let what = if known {
                "is already revoked"
            } else {
                "is no key and no agent here"
            };
            return Err(No::not_found(format!("`{which}` {what}")));
        }
        // In force first, and then written and recorded as far as that goes.
        let cut = self.cut_off(&open, ask.by).await;
        let kept = cut.and(self.end_keys(open.clone(), now).await);
        let mut record = Ok(0);
        for prefix in &open {
            let (what, note) = (
                format!("the end of key {prefix}"),
                format!("key {prefix} revoked"),
            );
            let recorded = self.taken(&what, kept.clone(), note, ask).await;
            // The first that went wrong is told of.
            record = record.and(recorded);
        }
        Ok(json!({ "revoked": open, "record": record? }))
    }

    /// Ends what is in progress with these keys, and with what was handed on from them: a key that is gone refuses the next
    /// call, and does nothing to a stream, a tunnel, or a request that it was checked for just before.
    async fn cut_off(&self, keys: &[KeyId], by: &str) -> Result<(), No> {
        let now = clock::now();
        let all: Vec<Revocation> = keys
            .iter()
            .map(|key| Revocation {
                id: clock::mint(now),
                subject: Subject::Credential(key.to_string()),
                since: now,
                until: None,
                reason: "the key was ended".to_owned(),
                by: by.to_owned(),
            })
            .collect();
        self.revoke_all(all).await
    }

    /// Writes into the keys' records that they ended.
    async fn end_keys(&self, keys: Vec<KeyId>, at: Timestamp) -> Result<(), No> {
        let revoked = self.revoked()?;
        self.change_keys(move |state| {
            let ended = keys.into_iter().map(|prefix| revoked.end_key(state, prefix, at));
            ended.fold(Ok(()), Result::and)
        })
        .await
    }

    /// Changes keys on a thread that may wait for the disk, and puts the change in force: calls go on meanwhile.
    async fn change_keys(
        &self,
        work: impl FnOnce(&State) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), No> {
        let state = Arc::clone(&self.state);
        let shared = self.live.as_ref().map(|live| Arc::clone(&live.shared));
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&state);
            // What was changed before a fault is in force, too.
            let reloaded = shared.map_or(Ok(()), |shared| shared.reload_registry());
            done?;
            reloaded.map_err(|fault| No::state(fault.to_string()))
        });
        working.await.map_err(|fault| No::state(fault.to_string()))?
    }

    /// A running gateway takes the change at once.
    pub(super) fn refresh(&self) -> Result<(), No> {
        match &self.live {
            Some(live) => live
                .shared
                .reload_registry()
                .map_err(|fault| No::state(fault.to_string())),
            None => Ok(()),
        }
    }
}

fn view(key: &ApiKeyRecord, now: Timestamp) -> Value {
    let state = match (key.revoked, key.expires) {
        (Some(_), _) => "revoked",
        (None, Some(expires)) if expires <= now => "expired",
        _ => "active",
    };
    json!({
        "prefix": key.prefix, "agent": key.agent, "user": key.user, "groups": key.groups, "state": state,
        "created": key.created, "expires": key.expires, "revoked": key.revoked,
    })
}
