//! Budgets and revocations, as operators ask for them.

use std::sync::Arc;

use bartizan_guard::{
    budget::{Budget, Line, Window},
    revoke::{Revocation, Subject},
};
use bartizan_store::{Fault, State};
use bartizan_types::{BudgetName, RevocationId, Timestamp};
use bartizan_wire::site;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Ask, Desk, NOT_DURABLE, NOT_RECORDED, No, chain};
use crate::{Budgets, Revoked, clock};

/// Longest reason, in characters.
const REASON_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    #[serde(default)]
    of: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    what: String,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    reason: String,
}

impl Desk {
    /// The books: the running gateway's, or what is kept.
    fn with_budgets<T>(&self, work: impl FnOnce(&Budgets) -> Result<T, No>) -> Result<T, No> {
        match &self.live {
            Some(live) => work(&live.shared.budgets),
            None => {
                let limits = crate::config::Limits::default();
                let budgets = Budgets::open(&self.budgets, &limits, &self.state, &self.ledger)
                    .map_err(|fault| No::state(chain(&fault)))?;
                work(&budgets)
            }
        }
    }

    pub(super) fn revoked(&self) -> Result<Arc<Revoked>, No> {
        match &self.live {
            Some(live) => Ok(Arc::clone(&live.shared.revoked)),
            None => Ok(Arc::new(Revoked::open(&self.state)?)),
        }
    }

    /// Changes revocations on a thread that may wait for the disk: calls go on meanwhile.
    async fn change_revoked<T: Send + 'static>(
        &self,
        revoked: Arc<Revoked>,
        work: impl FnOnce(&Revoked, &State) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, No> {
        let state = Arc::clone(&self.state);
        let working = tokio::task::spawn_blocking(move || work(&revoked, &state));
        let done = working.await.map_err(|fault| No::state(fault.to_string()))?;
        Ok(done?)
    }

    /// Revokes. In a running gateway all of it is in force by the time that the first is written, and stays so where none
    /// can be.
    pub(super) async fn revoke_all(&self, all: Vec<Revocation>) -> Result<(), No> {
        let revoked = self.revoked()?;
        for one in &all {
            revoked.enforce(one.clone());
        }
        self.change_revoked(revoked, move |revoked, state| {
            let kept = all.into_iter().map(|one| revoked.keep(state, one));
            kept.fold(Ok(()), Result::and)
        })
        .await
    }

    /// Records what was taken away, and answers how far it will last. In a running gateway it is in force by now, whatever
    /// could be written of it.
    pub(super) async fn taken(
        &self,
        what: &str,
        kept: Result<(), No>,
        note: String,
        ask: &Ask<'_>,
    ) -> Result<u64, No> {
        let lost = match kept {
            Ok(()) => None,
            Err(no) if self.live.is_some() => Some(no),
            Err(no) => return Err(no),
        };
        let note = match lost {
            None => note,
            Some(_) => format!("{note}, which the state does not hold yet"),
        };
        let recorded = self.operation(note, ask).await;
        match (lost, recorded) {
            (None, Ok(index)) => Ok(index),
            (None, Err(no)) => Err(no.after(&format!("{what} {NOT_RECORDED}"))),
            (Some(no), _) => Err(no.after(&format!("{what} {NOT_DURABLE}"))),
        }
    }

    pub(super) fn budgets(&self) -> Answer {
        self.with_budgets(|budgets| {
            let (all, lines) = budgets.show(clock::now());
            let all: Vec<Value> = all.iter().map(|budget| view(budget, &lines)).collect();
            let (refused, overruns) = budgets.counts();
            Ok(json!({ "budgets": all, "refused": refused, "overruns": overruns }))
        })
    }

    pub(super) fn budget(&self, name: &str) -> Answer {
        self.with_budgets(|budgets| {
            let (all, lines) = budgets.show(clock::now());
            let budget = all.iter().find(|budget| budget.name.as_str() == name);
            let budget = budget.ok_or_else(|| No::not_found(format!("there is no budget `{name}`")))?;
            let mut answer = view(budget, &lines);
            let own: Vec<&Line> = lines.iter().filter(|line| line.budget == budget.name).collect();
            answer["counters"] = json!(own);
            Ok(answer)
        })
    }

    pub(super) async fn reset_budget(&self, name: &str, ask: &Ask<'_>) -> Answer {
        let reset: Reset = ask.json()?;
        let name: BudgetName = name.parse().map_err(|_| No::usage("this is no budget's name"))?;
        let known = self.with_budgets(|budgets| {
            let (all, _) = budgets.show(clock::now());
            Ok(all.iter().any(|budget| budget.name == name))
        })?;
        if !known {
            return Err(No::not_found(format!("there is no budget `{name}`")));
        }
        let whose = reset.of.as_deref().unwrap_or("all counters");
        // The record goes first: a reset that nobody remembers is worse than a record of one that failed.
        let index = self
            .operation(format!("budget `{name}` reset: {whose}"), ask)
            .await?;
        let count = self.with_budgets(|budgets| {
            Ok(budgets.reset(&name, reset.of.as_deref(), &self.state, &self.ledger)?)
        })?;
        Ok(json!({ "budget": name, "reset": count, "record": index }))
    }

    pub(super) fn revocations(&self) -> Answer {
        let now = clock::now();
        let all = self.revoked()?.all();
        let all: Vec<Value> = all.iter().map(|one| shown(one, now)).collect();
        Ok(json!({ "revocations": all }))
    }

    /// Revokes. The answer goes out when it is durable, recorded, and in force for the next call.
    pub(super) async fn revoke(&self, ask: &Ask<'_>) -> Answer {
        let asked: Revoke = ask.json()?;
        let subject = Subject::parse(&asked.what)
            .and_then(|subject| match subject {
                Subject::Site(name) => site::revocable(&name).map(Subject::Site),
                other => Some(other),
            })
            .ok_or_else(|| {
                if asked.what.contains('*') {
                    return No::usage(
                        "`*` stands for any rest only at the end of `model:UPSTREAM/…` and `tool:SERVER/…`; say `everything` \
                         to end every call, or name one",
                    );
                }
                if asked.what.starts_with("session:") {
                    return No::usage(
                        "a session's id is 26 characters of Crockford base 32; `bartizan audit search` shows them",
                    );
                }
                No::usage(
                    "this is nobody's name; say `everything`, `agent:NAME`, `user:NAME`, `tool:SERVER/TOOL`, \
                     `key:PREFIX` (its first 11 characters) or another that `bartizan revoke --help` lists",
                )
            })?;
        let now = clock::now();
        let until = match asked.until.as_deref().map(Timestamp::parse) {
            None => None,
            Some(Some(until)) if until > now => Some(until),
            Some(_) => return Err(No::usage("`until` is a date or a time (RFC 3339) to come")),
        };
        if asked.reason.chars().count() > REASON_MAX || asked.reason.chars().any(char::is_control) {
            return Err(No::usage(format!(
                "a reason is one line of at most {REASON_MAX} characters"
            )));
        }
        let one = Revocation {
            id: clock::mint(now),
            subject,
            since: now,
            until,
            reason: asked.reason,
            by: ask.by.to_owned(),
        };
        let answer = shown(&one, now);
        let why = match one.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        let note = format!("revoked {} as {}{why}", asked.what, one.id);
        let what = format!("revocation {} of {}", one.id, asked.what);
        // In force first: neither a log nor a state that can't be written may keep a stolen key alive.
        let kept = self.revoke_all(vec![one]).await;
        let index = self.taken(&what, kept, note, ask).await?;
        let mut answer = answer;
        answer["record"] = json!(index);
        Ok(answer)
    }

    pub(super) async fn lift(&self, id: &str, ask: &Ask<'_>) -> Answer {
        let id: RevocationId = id.parse().map_err(|_| {
            No::usage(
                "a revocation's id is 26 characters of Crockford base 32; `bartizan revoke list` shows them",
            )
        })?;
        let unknown = || No::not_found("there is no revocation of this id");
        if !self.revoked()?.has(id) {
            return Err(unknown());
        }
        let index = self.operation(format!("revocation {id} lifted"), ask).await?;
        let lifted = self
            .change_revoked(self.revoked()?, move |revoked, state| revoked.lift(state, id))
            .await?;
        let mut answer = shown(&lifted.ok_or_else(unknown)?, clock::now());
        answer["record"] = json!(index);
        Ok(answer)
    }
}

fn shown(one: &Revocation, now: Timestamp) -> Value {
    let (kind, name) = one.subject.parts();
    let what = if name.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}:{name}")
    };
    let state = if one.until.is_some_and(|until| until <= now) {
        "over"
    } else {
        "in force"
    };
    json!({
        "id": one.id, "what": what, "state": state, "since": one.since, "until": one.until,
        "reason": one.reason, "by": one.by,
    })
}

fn view(budget: &Budget, lines: &[Line]) -> Value {
    let (window, seconds) = match budget.window {
        Window::Total => ("total", None),
        Window::Hour => ("hour", None),
        Window::Day => ("day", None),
        Window::Month => ("month", None),
        Window::Sliding { seconds } => ("sliding", Some(seconds)),
        Window::Bucket { seconds } => ("bucket", Some(seconds)),
        Window::Now => ("now", None),
    };
    let per: Vec<&str> = budget.per.iter().map(|dimension| dimension.as_str()).collect();
    let only: Vec<String> = budget
        .only
        .iter()
        .flat_map(|(dimension, values)| {
            values
                .iter()
                .map(|value| format!("{}={value}", dimension.as_str()))
        })
        .collect();
    let own = lines.iter().filter(|line| line.budget == budget.name);
    let (counters, used_most) = own.fold((0_usize, 0), |(count, most), line| {
        (count + 1, line.used.max(most))
    });
    json!({
        "name": budget.name, "meter": budget.meter.as_str(), "limit": budget.limit, "window": window,
        "window_seconds": seconds, "per": per, "only": only, "enforce": budget.enforce,
        "counters": counters, "used_most": used_most,
    })
}
