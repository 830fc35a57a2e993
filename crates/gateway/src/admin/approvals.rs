//! What a human is asked, and what she answers. This channel alone takes answers: no agent's credential opens it.

use bartizan_guard::approval::{
    AnswerFault, Answered, Answerer, Channel, Endorsement, Question, Scope, Shown, Standing, Unusual,
    Verdict, role,
};
use bartizan_types::{ApprovalId, MatchedPolicy, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use std::sync::Arc;

use super::{Answer, Ask, Desk, NOT_DURABLE, NOT_RECORDED, No};
use crate::{ApprovalFault, Approvals, config};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allow {
    #[serde(default)]
    scope: Word,
    /// Roles that are endorsed; none: every gated one that nobody vouches for.
    #[serde(default)]
    roles: Vec<String>,
    /// The end of `until`, in microseconds since 1970.
    #[serde(default)]
    until: Option<Timestamp>,
    /// Answers every question like it, too.
    #[serde(default)]
    all_like: bool,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Word {
    #[default]
    Once,
    Task,
    Until,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Deny {
    #[serde(default)]
    all_like: bool,
}

impl Desk {
    fn questions(&self) -> Result<Arc<Approvals>, No> {
        match &self.live {
            Some(live) => Ok(Arc::clone(&live.shared.approvals)),
            None => {
                let store = bartizan_store::ApprovalStore::open(Arc::clone(&self.state), &self.keyring)?;
                Ok(Approvals::open(
                    config::Approvals::default(),
                    store,
                    self.ledger.clone(),
                )?)
            }
        }
    }

    pub(super) fn approvals(&self) -> Answer {
        let approvals = self.questions()?;
        let dropped: Vec<_> = approvals
            .dropped()
            .into_iter()
            .map(|(agent, user, count)| json!({ "agent": agent, "user": user, "count": count }))
            .collect();
        Ok(json!({
            "approvals": approvals.questions().iter().map(view).collect::<Vec<_>>(),
            "endorsements": approvals.endorsements().iter().map(endorsement).collect::<Vec<_>>(),
            "dropped": dropped,
        }))
    }

    pub(super) fn approval(&self, id: &str) -> Answer {
        let question = self.questions()?.question(parsed(id)?);
        question
            .as_ref()
            .map(view)
            .ok_or_else(|| No::not_found(AnswerFault::Unknown.to_string()))
    }

    pub(super) async fn allow(&self, id: &str, ask: &Ask<'_>) -> Answer {
        let allow: Allow = if ask.body.is_empty() {
            serde_json::from_str("{}").map_err(|_| No::state("an empty answer does not read"))?
        } else {
            ask.json()?
        };
        let roles = allow
            .roles
            .iter()
            .map(|word| {
                role(word).ok_or_else(|| {
                    let text = format!("`{}` is no role that can be endorsed", word.escape_debug());
                    No::usage(text)
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let scope = match (allow.scope, allow.until) {
            (Word::Once, None) if roles.is_empty() => Scope::Once,
            (Word::Task, None) => Scope::Task { roles },
            (Word::Until, Some(until)) => Scope::Until { roles, until },
            (Word::Until, None) => return Err(No::usage("`until` needs an end")),
            _ => return Err(No::usage("roles and an end belong to wider scopes than this")),
        };
        self.answered(id, &Verdict::Allow(scope), allow.all_like, ask)
            .await
    }

    pub(super) async fn deny(&self, id: &str, ask: &Ask<'_>) -> Answer {
        let deny: Deny = if ask.body.is_empty() {
            Deny::default()
        } else {
            ask.json()?
        };
        self.answered(id, &Verdict::Deny, deny.all_like, ask).await
    }

    async fn answered(&self, id: &str, verdict: &Verdict, all_like: bool, ask: &Ask<'_>) -> Answer {
        let approvals = self.questions()?;
        let id = parsed(id)?;
        let by = answerer(ask);
        let Some(first) = approvals.question(id) else {
            return Err(ApprovalFault::from(AnswerFault::Unknown).into());
        };
        let mut done = vec![outcome(id, &approvals.answer(id, verdict, &by).await?)];
        if all_like {
            let like =
                |one: &&Question| one.id != id && one.like(&first) && one.standing == Standing::Waiting;
            let others: Vec<ApprovalId> = approvals
                .questions()
                .iter()
                .filter(like)
                .map(|one| one.id)
                .collect();
            for other in others {
                // One that was answered, or expired, in this very moment is no reason to stop.
                match approvals.answer(other, verdict, &by).await {
                    Ok(answered) => done.push(outcome(other, &answered)),
                    Err(ApprovalFault::Fault(fault)) => {
                        done.push(json!({ "id": other, "state": "unchanged", "why": fault.to_string() }));
                    }
                    Err(fault) => return Err(fault.into()),
                }
            }
        }
        Ok(json!({ "answered": done, "by": by.name }))
    }

    pub(super) async fn revoke_endorsement(&self, id: &str, ask: &Ask<'_>) -> Answer {
        let id = parsed(id)?;
        let what = format!("the end of endorsement {id}");
        match self.questions()?.revoke(id, &answerer(ask)).await {
            Ok(true) => Ok(json!({ "revoked": id })),
            Ok(false) => Err(No::not_found("there is no endorsement of this id")),
            Err(ApprovalFault::Store(fault)) if self.live.is_some() => {
                Err(No::from(fault).after(&format!("{what} {NOT_DURABLE}")))
            }
            Err(ApprovalFault::Ledger(fault)) if self.live.is_some() => {
                Err(No::from(fault).after(&format!("{what} {NOT_RECORDED}")))
            }
            Err(fault) => Err(fault.into()),
        }
    }
}

impl From<ApprovalFault> for No {
    fn from(fault: ApprovalFault) -> Self {
        match fault {
            ApprovalFault::Fault(AnswerFault::Unknown) => Self::not_found(fault.to_string()),
            ApprovalFault::Fault(AnswerFault::Date | AnswerFault::Nothing) => Self::usage(fault.to_string()),
            ApprovalFault::Fault(_) => Self::refused(fault.to_string()),
            ApprovalFault::Ledger(fault) => fault.into(),
            ApprovalFault::Store(fault) => Self::from(fault).after("the answer could not be kept"),
        }
    }
}

fn parsed(id: &str) -> Result<ApprovalId, No> {
    id.parse().map_err(|_| {
        No::usage(
            "an approval's id is 26 characters of Crockford base 32; `bartizan approvals list` shows them",
        )
    })
}

fn answerer(ask: &Ask<'_>) -> Answerer {
    Answerer {
        name: ask.by.to_owned(),
        channel: Channel::Admin,
    }
}

fn outcome(id: ApprovalId, answered: &Answered) -> Value {
    match answered {
        Answered::Denied => json!({ "id": id, "state": "denied" }),
        Answered::More => {
            json!({ "id": id, "state": "waiting", "why": "another person has to say the same" })
        }
        Answered::Allowed(given) => json!({
            "id": id, "state": "allowed", "endorsements": given.iter().map(endorsement).collect::<Vec<_>>(),
        }),
    }
}

fn view(question: &Question) -> Value {
    let draft = &question.draft;
    let state = match question.standing {
        Standing::Waiting => "waiting",
        Standing::Allowed => "allowed",
        Standing::Denied => "denied",
    };
    let policy =
        |one: &MatchedPolicy| json!({ "policy": one.id, "effect": one.effect, "reason": one.reason });
    let unusual = |one: Unusual| json!({ "what": one, "says": one.sentence() });
    json!({
        "id": question.id, "state": state, "agent": draft.asker.agent, "user": draft.asker.user,
        "session": draft.asker.session, "server": draft.server, "tool": draft.tool,
        "effect": draft.flow.effect, "call": draft.call, "binding": draft.binding.digest(),
        "arguments": draft.arguments.iter().map(shown).collect::<Vec<_>>(), "more": draft.more,
        "wire": draft.wire, "bytes": draft.bytes, "beside": draft.beside,
        "unusual": question.unusual().into_iter().map(unusual).collect::<Vec<_>>(),
        "because": draft.because.iter().map(policy).collect::<Vec<_>>(),
        "flow": draft.flow, "count": question.count, "needs": draft.needs,
        "by": question.by.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        "scope": question.scope, "asked": question.asked, "last": question.last, "expires": question.expires,
    })
}

fn shown(one: &Shown) -> Value {
    json!({
        "path": one.path, "role": one.role, "source": one.source, "vouched": one.source.vouched(),
        "value": one.value, "bytes": one.bytes, "digest": one.digest, "goes_out": one.goes_out,
        "like": one.like.as_ref().map(|other| json!({
            "how": other.like.how, "says": other.like.how.says(), "source": other.like.source, "value": other.value,
        })),
    })
}

fn endorsement(one: &Endorsement) -> Value {
    json!({
        "id": one.id, "approval": one.question, "agent": one.agent, "user": one.user, "server": one.server,
        "tool": one.tool, "role": one.role, "argument": one.place, "digest": one.value,
        "session": one.task.map(|(session, _)| session), "since": one.since, "until": one.until,
        "by": one.by.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
    })
}
