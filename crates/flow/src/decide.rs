//! The reference ruling over a call's [`Flow`]: what the policy packs must mirror, in their order.

use bartizan_types::flow::{Called, Effect, Flow, Role, Source};
use serde::{Deserialize, Serialize};

/// Why a call is not simply allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The tool has no manifest, or its definition drifted.
    NoManifest,
    /// There are more argument leaves than are looked at.
    NotWhole,
    /// The human's words do not ask for this tool.
    NotCalledFor,
    /// Where it goes is not vouched for.
    Target,
    /// Which thing is meant is not vouched for.
    Selector,
    /// What it destroys was not named by the human.
    Destroys,
    /// When is not vouched for.
    Time,
    /// How much is not vouched for.
    Amount,
    /// An argument that nobody gave a role is not vouched for.
    UnknownRole,
    /// The session read a secret, and this leaves.
    Secret,
    /// Content carries a link, address or account of unknown origin.
    ActiveTokens,
    /// The address to fetch is not vouched for.
    Fetch,
    /// Arguments of an unreviewed read leave.
    Egress,
}

/// The reference ruling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may go, with the rewrites that the assessment names.
    Allow,
    /// A human has to say yes.
    Ask(Reason),
    /// Nobody is asked.
    Deny(Reason),
}

/// Rules in their order: intent, provenance, secrets, active tokens; else allow. Two independent grounds (nobody asked
/// for the tool, and a value that decides where it goes is not vouched for) deny, so that no hijack becomes a question.
/// So do two others: outsiders' text was read, and neither the tool nor what it is aimed at is in the human's words, or
/// it destroys. She is in the conversation, and what she then types is her word.
#[must_use]
pub fn decide(seen: &Flow) -> Decision {
    if !seen.whole {
        return Decision::Ask(Reason::NotWhole);
    }
    if seen.effect == Effect::Unknown {
        return Decision::Ask(Reason::NoManifest);
    }
    let provenance = provenance(seen);
    if !seen.effect.consequential() {
        return match provenance {
            Some(ground) if seen.effect == Effect::Fetch && seen.called == Called::No && seen.tainted => {
                Decision::Deny(ground)
            }
            Some(ground) => Decision::Ask(ground),
            None => Decision::Allow,
        };
    }
    match (seen.called, provenance) {
        (Called::No, Some(ground)) => Decision::Deny(ground),
        (Called::No, None) if seen.tainted && (!seen.hers() || seen.effect == Effect::Delete) => {
            Decision::Deny(Reason::NotCalledFor)
        }
        (Called::No | Called::Elsewhere | Called::Unknown, _) => Decision::Ask(Reason::NotCalledFor),
        (Called::Yes, Some(ground)) => Decision::Ask(ground),
        (Called::Yes, None) => Decision::Allow,
    }
}

fn provenance(seen: &Flow) -> Option<Reason> {
    let bad = |role| !seen.worst(role).vouched();
    let leaves = |role: &Role, source: &Source| !source.vouched() && *role != Role::Value;
    match seen.effect {
        Effect::Read if seen.reviewed => return None,
        Effect::Read => {
            let any = seen.worst.values().any(|source| !source.vouched());
            return (any && (seen.tainted || seen.secret)).then_some(Reason::Egress);
        }
        Effect::Fetch if seen.worst.iter().any(|(role, source)| leaves(role, source)) => {
            return Some(Reason::Fetch);
        }
        Effect::Fetch => {
            return (seen.secret && seen.worst(Role::Target) != Source::Prompt).then_some(Reason::Secret);
        }
        _ => {}
    }
    let destroys = seen.effect == Effect::Delete
        && !matches!(
            seen.worst(Role::Selector),
            Source::Empty | Source::Prompt | Source::Picked | Source::Endorsed
        );
    [
        (bad(Role::Target), Reason::Target),
        (bad(Role::Selector), Reason::Selector),
        (destroys, Reason::Destroys),
        (bad(Role::Time), Reason::Time),
        (!seen.bounded, Reason::Amount),
        (bad(Role::Unknown), Reason::UnknownRole),
        (seen.secret && seen.external, Reason::Secret),
        (seen.foreign_tokens > 0, Reason::ActiveTokens),
    ]
    .into_iter()
    .find_map(|(holds, reason)| holds.then_some(reason))
}
