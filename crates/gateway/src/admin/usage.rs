//! Who used which secret, when, and on what: read from the rulings that let calls leave. Names and never values; what was
//! erased is counted, not guessed.

use std::collections::BTreeSet;

use bartizan_store::Query;
use bartizan_types::{CallFacts, CallId, Record, RecordKind, RulingWord, SecretName, Timestamp};
use serde_json::{Value, json};

use super::{
    Answer, Ask, Desk,
    records::{number, parsed},
};

/// Uses in one answer, at most.
const USES_MAX: usize = 10_000;
/// Records that are looked through for one answer; the rest is asked for with `before`.
const RECORDS_MAX: usize = 100_000;
/// Records that are read at a time.
const PAGE: usize = 1000;

/// What is being collected.
#[derive(Default)]
struct Uses {
    found: Vec<Value>,
    erased: usize,
    /// Calls whose allowance was taken back before they left.
    taken_back: BTreeSet<CallId>,
}

impl Desk {
    /// Uses, newest first: of the secret `name` or of all, not before `since` (microseconds since 1970), at most `limit`, of
    /// records below the index `before`. `more` is where to go on, if there may be more.
    pub(super) fn secret_usage(&self, ask: &Ask<'_>) -> Answer {
        let wanted: Option<SecretName> = parsed(ask, "name")?;
        let limit = number(ask, "limit")?.unwrap_or(100);
        let limit = usize::try_from(limit).unwrap_or(USES_MAX).clamp(1, USES_MAX);
        let mut query = Query {
            kind: Some(RecordKind::Ruling),
            since: number(ask, "since")?.map(Timestamp::from_unix_micros),
            before: number(ask, "before")?,
            limit: PAGE,
            ..Query::default()
        };
        let mut uses = Uses::default();
        let mut looked = 0;
        let more = loop {
            let page = self.ledger.search(&query)?;
            let Some(last) = page.last().map(|stored| stored.index) else {
                break None;
            };
            let full = page
                .iter()
                .find(|stored| uses.take(stored.index, stored.record.as_ref(), wanted.as_ref(), limit))
                .map(|stored| stored.index);
            if full.is_some() {
                break full;
            }
            looked += page.len();
            if page.len() < PAGE {
                break None;
            }
            if looked >= RECORDS_MAX {
                break Some(last);
            }
            query.before = Some(last);
        };
        Ok(json!({ "uses": uses.found, "erased": uses.erased, "more": more }))
    }
}

impl Uses {
    /// Takes in a record. `true` where no further one should be.
    fn take(
        &mut self,
        index: u64,
        record: Option<&Record>,
        wanted: Option<&SecretName>,
        limit: usize,
    ) -> bool {
        let Some(record) = record else {
            self.erased += 1;
            return false;
        };
        let (Some(facts), false) = (&record.facts, record.answering) else {
            return false;
        };
        // The later word stands in front: what took an allowance back has been seen already.
        if record.ruling != Some(RulingWord::Allow) {
            self.taken_back.insert(facts.id);
            return false;
        }
        if self.taken_back.contains(&facts.id) {
            return false;
        }
        let fits = |name: &&SecretName| wanted.is_none_or(|wanted| wanted == *name);
        let names = facts.secrets.iter().filter(fits);
        self.found
            .extend(names.map(|name| shown(name, index, record, facts)));
        self.found.len() >= limit
    }
}

fn shown(name: &SecretName, index: u64, record: &Record, facts: &CallFacts) -> Value {
    let principal = record.principal.as_ref();
    json!({
        "secret": name,
        "time": record.time,
        "agent": principal.map(|principal| &principal.agent),
        "user": principal.and_then(|principal| principal.user.as_ref()),
        "issuer": principal.map(|principal| &principal.issuer),
        "action": facts.action,
        "resource": { "type": facts.resource.type_name(), "id": facts.resource.entity_id() },
        "call": facts.id,
        "session": record.session,
        "record": index,
    })
}

#[cfg(test)]
mod tests {
    use bartizan_types::{Action, Resource, ServerName, Surface};

    use super::*;

    fn ruling(word: RulingWord, call: u128) -> Record {
        let mut record = Record::new(RecordKind::Ruling, Timestamp::from_unix_seconds(1));
        let server = ServerName::new("far").unwrap();
        let id = CallId::mint(Timestamp::from_unix_seconds(1), call);
        let mut facts = CallFacts::new(id, Action::CallTool, Resource::Server { server }, Surface::Mcp);
        facts.secrets = ["one", "two"].map(|name| SecretName::new(name).unwrap()).into();
        record.facts = Some(facts);
        record.ruling = Some(word);
        record
    }

    #[test]
    fn only_what_left_is_a_use_and_what_was_erased_is_counted() {
        let mut uses = Uses::default();
        let answer = Record {
            answering: true,
            ..ruling(RulingWord::Deny, 3)
        };
        let records = [
            // The answer to a call that left was withheld: its secrets went out all the same.
            (9, Some(answer)),
            (8, Some(ruling(RulingWord::Allow, 3))),
            (7, None),
            // Taken back before it left.
            (6, Some(ruling(RulingWord::Deny, 2))),
            (5, Some(ruling(RulingWord::Allow, 2))),
            (4, Some(ruling(RulingWord::Ask, 1))),
        ];
        let one = SecretName::new("one").unwrap();
        for (index, record) in records {
            assert!(!uses.take(index, record.as_ref(), Some(&one), 10));
        }
        let found: Vec<_> = uses
            .found
            .iter()
            .map(|one| (&one["secret"], &one["record"]))
            .collect();
        assert_eq!(found, [(&json!("one"), &json!(8))]);
        assert_eq!(uses.erased, 1);
        assert!(uses.take(3, Some(&ruling(RulingWord::Allow, 4)), None, 3));
        assert_eq!(uses.found.len(), 3);
    }
}
