//! What happened: records found, read, explained, proven, erased.

use std::time::Duration;

use bartizan_store::{ChangeKey, Query, StoredRecord};
use bartizan_types::{Action, CallId, RecordKind, RulingWord, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Answer, Ask, Desk, No};
use crate::clock;

/// Records of one call shown by an explanation, at most.
const CALL_RECORDS: usize = 64;
/// A call no older than this may still be on its way into the log.
const FRESH_MILLIS: u64 = 10_000;
/// How often a fresh call is looked for, 25 ms apart.
const QUEUED_LOOKS: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Erase {
    reason: String,
}

/// Longest overlap of two keys of the log, in days.
const OVERLAP_DAYS_MAX: u16 = 366;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLogKey {
    /// How long the retired key signs beside the new one.
    overlap_days: u16,
}

/// A stored record in the shape of every answer.
pub(crate) fn shape(stored: &StoredRecord) -> Value {
    json!({
        "index": stored.index,
        "time": stored.entry.time,
        "kind": stored.entry.kind,
        "record": stored.record,
        "erased_by": stored.erased_by,
    })
}

impl Desk {
    pub(super) fn search(&self, ask: &Ask<'_>) -> Answer {
        let query = Query {
            call: parsed(ask, "call")?,
            session: parsed(ask, "session")?,
            agent: parsed(ask, "agent")?,
            since: number(ask, "since")?.map(Timestamp::from_unix_micros),
            until: number(ask, "until")?.map(Timestamp::from_unix_micros),
            kind: word::<RecordKind>(ask, "kind")?,
            action: word::<Action>(ask, "action")?,
            ruling: word::<RulingWord>(ask, "ruling")?,
            code: parsed(ask, "code")?,
            would_deny: parsed(ask, "would_deny")?.unwrap_or(false),
            before: number(ask, "before")?,
            limit: number(ask, "limit")?.map_or(100, |limit| {
                usize::try_from(limit.clamp(1, 10_000)).unwrap_or(100)
            }),
        };
        let found = self.ledger.search(&query)?;
        let records: Vec<_> = found.iter().map(shape).collect();
        Ok(json!({ "records": records, "size": self.ledger.stats().size }))
    }

    pub(super) fn record(&self, index: &str) -> Answer {
        Ok(shape(&self.ledger.read(index_of(index)?)?))
    }

    pub(super) async fn erase(&self, index: &str, ask: &Ask<'_>) -> Answer {
        let erase: Erase = ask.json()?;
        if erase.reason.trim().is_empty() {
            return Err(No::usage("an erasure needs a reason"));
        }
        let index = index_of(index)?;
        let receipt = self
            .ledger
            .erase(index, &format!("{}, by {}", erase.reason, ask.by))
            .await?;
        Ok(json!({ "erased": index, "record": receipt.index }))
    }

    /// All records of a call, oldest first; `id` is the call's, or the index of one of its records.
    pub(super) async fn explain(&self, id: &str) -> Answer {
        let call = match id.parse::<CallId>() {
            Ok(call) => call,
            Err(_) => {
                let index = index_of(id).map_err(|_| {
                    No::usage(format!(
                        "`{id}` is neither a call nor an index; `bartizan audit search` lists both"
                    ))
                })?;
                let stored = self.ledger.read(index)?;
                match stored.record.as_ref().and_then(|record| record.call) {
                    Some(call) => call,
                    None => return Ok(json!({ "call": null, "records": [shape(&stored)] })),
                }
            }
        };
        let mut found = self.of_call(call).await?;
        found.sort_by_key(|stored| stored.index);
        let records: Vec<_> = found.iter().map(shape).collect();
        Ok(json!({ "call": call, "records": records }))
    }

    pub(super) async fn prove(&self, index: &str) -> Answer {
        let proof = self.ledger.prove(self.place(index).await?)?;
        serde_json::to_value(proof).map_err(|fault| No::state(fault.to_string()))
    }

    /// A record's index: as it is, or that of a call's first record.
    async fn place(&self, id: &str) -> Result<u64, No> {
        let Ok(call) = id.parse::<CallId>() else {
            return index_of(id);
        };
        let first = self.of_call(call).await?.iter().map(|stored| stored.index).min();
        first.ok_or_else(|| No::not_found(format!("there is no call `{call}` in the log")))
    }

    /// A call's records. A refusal does not wait for its record to be synced, so a call of this very moment is looked for
    /// again until what is queued must have been written.
    async fn of_call(&self, call: CallId) -> Result<Vec<StoredRecord>, No> {
        let query = Query {
            call: Some(call),
            limit: CALL_RECORDS,
            ..Query::default()
        };
        if let Some(live) = &self.live {
            live.shared.summarise_if_owed(call);
        }
        let millis = u64::try_from(call.bits() >> 80).unwrap_or(0);
        for _ in 0..QUEUED_LOOKS {
            let found = self.ledger.search(&query)?;
            let fresh = clock::now().unix_millis().abs_diff(millis) < FRESH_MILLIS;
            if !found.is_empty() {
                return Ok(found);
            }
            if !fresh {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Err(No::not_found(format!("there is no call `{call}` in the log")))
    }

    pub(super) fn checkpoint(&self) -> Value {
        let head = self.ledger.checkpoint();
        let checkpoint = head.checkpoint();
        let keys = self.ledger.keys();
        let succession: Vec<_> = keys.changes().iter().map(|change| change.note()).collect();
        json!({
            "note": head.note(), "size": checkpoint.size, "root": checkpoint.root,
            "origin": checkpoint.origin, "vkey": keys.newest().vkey(), "succession": succession,
        })
    }

    /// Another key signs the log's heads from now on. The record of it is the change itself.
    pub(super) async fn change_log_key(&self, ask: &Ask<'_>) -> Answer {
        let wanted: NewLogKey = ask.json()?;
        if wanted.overlap_days > OVERLAP_DAYS_MAX {
            return Err(No::usage(format!(
                "an overlap of {} days is over the limit of {OVERLAP_DAYS_MAX}",
                wanted.overlap_days
            )));
        }
        let changed = self.ledger.change_key(ChangeKey {
            now: clock::now(),
            overlap_micros: u64::from(wanted.overlap_days) * 86_400_000_000,
            by: ask.by.to_owned(),
        });
        let changed = changed.await?;
        let statement = &changed.statement;
        Ok(json!({
            "record": changed.receipt.index, "retired": statement.from().vkey(), "vkey": statement.to().vkey(),
            "until": statement.until(), "statement": statement.note(),
        }))
    }
}

fn index_of(text: &str) -> Result<u64, No> {
    text.parse()
        .map_err(|_| No::usage(format!("`{text}` is no record's index")))
}

/// A parameter of the query, where it is there.
pub(super) fn parsed<T: std::str::FromStr>(ask: &Ask<'_>, name: &str) -> Result<Option<T>, No> {
    let wrong = |text: &str| No::usage(format!("`{text}` is no {name}"));
    ask.value(name)
        .map(|text| text.parse().map_err(|_| wrong(text)))
        .transpose()
}

/// A number of the query, where it is there.
pub(super) fn number(ask: &Ask<'_>, name: &str) -> Result<Option<u64>, No> {
    parsed(ask, name)
}

/// A word of a closed set, as serde spells it.
fn word<T: DeserializeOwned>(ask: &Ask<'_>, name: &str) -> Result<Option<T>, No> {
    let Some(text) = ask.value(name) else {
        return Ok(None);
    };
    serde_json::from_value(Value::from(text))
        .map(Some)
        .map_err(|fault| {
            // serde lists the words that there are behind `expected`.
            let fault = fault.to_string();
            let known = fault.split_once("expected ").map_or("", |(_, known)| known);
            let known = known.trim_start_matches("one of ").replace('`', "");
            No::usage(format!("`{text}` is no {name}; there are {known}"))
        })
}
