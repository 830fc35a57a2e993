//! The reference ruling over an [`Assessment`]: what the policy packs must mirror, in their order.

use serde::{Deserialize, Serialize};

use crate::{
    assess::Assessment,
    intent::Called,
    manifest::{Effect, Role},
    memory::Source,
};

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
#[must_use]
pub fn decide(seen: &Assessment) -> Decision {
    if !seen.whole {
        return Decision::Ask(Reason::NotWhole);
    }
    if seen.effect == Effect::Unknown {
        return Decision::Ask(Reason::NoManifest);
    }
    let provenance = provenance(seen);
    if !seen.effect.consequential() {
        return provenance.map_or(Decision::Allow, Decision::Ask);
    }
    match (seen.called, provenance) {
        (Called::No, Some(ground)) => Decision::Deny(ground),
        (Called::No | Called::Elsewhere | Called::Unknown, _) => Decision::Ask(Reason::NotCalledFor),
        (Called::Yes, Some(ground)) => Decision::Ask(ground),
        (Called::Yes, None) => Decision::Allow,
    }
}

fn provenance(seen: &Assessment) -> Option<Reason> {
    let bad = |role| !seen.worst(role).vouched();
    match seen.effect {
        Effect::Read if seen.reviewed => return None,
        Effect::Read => {
            let leaves = seen.arguments.iter().any(|a| !a.source.vouched());
            return (leaves && (seen.tainted || seen.secret)).then_some(Reason::Egress);
        }
        Effect::Fetch => {
            let all = seen
                .arguments
                .iter()
                .any(|a| a.role != Role::Value && !a.source.vouched());
            return if all {
                Some(Reason::Fetch)
            } else {
                (seen.secret && seen.worst(Role::Target) != Source::Prompt).then_some(Reason::Secret)
            };
        }
        _ => {}
    }
    let destroys = seen.effect == Effect::Delete
        && seen
            .arguments
            .iter()
            .any(|a| a.role == Role::Selector && a.source > Source::Picked);
    if bad(Role::Target) {
        Some(Reason::Target)
    } else if bad(Role::Selector) {
        Some(Reason::Selector)
    } else if destroys {
        Some(Reason::Destroys)
    } else if bad(Role::Time) {
        Some(Reason::Time)
    } else if !seen.bounded {
        Some(Reason::Amount)
    } else if bad(Role::Unknown) {
        Some(Reason::UnknownRole)
    } else if seen.secret && seen.external {
        Some(Reason::Secret)
    } else if seen.foreign_tokens() > 0 {
        Some(Reason::ActiveTokens)
    } else {
        None
    }
}
