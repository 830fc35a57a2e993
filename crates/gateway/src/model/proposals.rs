//! Tool calls in a model's answer: each is ruled on before the agent sees it, with where its arguments came from, and is
//! remembered for the call that will spend it.

use std::sync::Arc;

use bartizan_flow::{Manifest, leaves};
use bartizan_types::{Action, CallFacts, Code, Refusal, Resource, ToolName};
use bartizan_wire::{
    json::{self, Bounds},
    model::{Proposal, ProposalKind},
};
use serde_json::Value;

use super::{Asked, pass, sha256};
use crate::{
    clock,
    sessions::{Proposed, Traced},
};

/// Rules on all the tool calls of an answer, or of what is held of one. Only when all pass does the agent see any, and
/// only then are they pending.
///
/// # Errors
/// The refusal of the first that does not pass.
pub(super) async fn rule_on(asked: &Asked, proposals: &[Proposal]) -> Result<(), Refusal> {
    // What it wrote is known again, whether or not it passes: a refused task may be handed over all the same.
    let wrote: Vec<String> = proposals.iter().flat_map(texts).collect();
    let wrote = wrote.iter().map(String::as_str);
    asked
        .shared
        .sessions
        .wrote(&asked.caller.principal, clock::now(), wrote);
    let mut pending = Vec::with_capacity(proposals.len());
    for proposal in proposals {
        pending.extend(propose(asked, proposal).await?);
    }
    let session = &asked.caller.session;
    pending.into_iter().for_each(|proposed| session.propose(proposed));
    Ok(())
}

/// Each text of a proposal's arguments by itself, as it would come back, and the arguments as they are written: all of what
/// has no such texts, or more than are looked at.
fn texts(proposal: &Proposal) -> Vec<String> {
    let raw = proposal.arguments.get();
    let value = serde_json::from_str(raw).unwrap_or_default();
    let (leaves, _) = leaves(&value);
    let texts = leaves
        .into_iter()
        .filter(|leaf| !leaf.number)
        .map(|leaf| leaf.text);
    texts.chain([raw.to_owned()]).collect()
}

/// Rules on one. What the provider ran itself is nothing that a later call spends.
async fn propose(asked: &Asked, proposal: &Proposal) -> Result<Option<Proposed>, Refusal> {
    let Ok(tool) = ToolName::new(&proposal.name) else {
        return Err(asked.early(Code::ProposalRefused));
    };
    let raw = proposal.arguments.get().as_bytes();
    let needed = asked.caller.principal.bounds_arguments()
        || asked.shared.policy.load().needs_arguments(Action::ProposeTool);
    let agents = proposal.kind != ProposalKind::Hosted;
    // The agent runs what the model wrote, to the last digit. What the provider ran is done, and holds what came of it.
    let exact = json::scan(raw, &Bounds::default()).and_then(json::Scanned::exact);
    if let (true, Err(fault)) = (agents, exact) {
        return Err(asked.misread(fault, raw));
    }
    let (action, resource) = match (agents, &asked.upstream) {
        (true, _) => (Action::ProposeTool, Resource::AgentTool { tool }),
        // A call the provider ran itself was ruled on when the request asked for the tool; its trace in the answer
        // is ruled on again, as what it is.
        (false, Some(upstream)) => (
            Action::UseHostedTool,
            Resource::HostedTool {
                upstream: upstream.clone(),
                tool,
            },
        ),
        (false, None) => return Err(asked.early(Code::Bug)),
    };
    let by: Option<Arc<str>> = asked.resource.as_ref().map(|model| model.entity_id().into());
    let facts = CallFacts {
        proposer: by.clone().filter(|_| agents),
        bytes: u64::try_from(raw.len()).unwrap_or(u64::MAX),
        digest: sha256(raw),
        arguments: needed.then(|| json::arguments(&proposal.arguments)),
        ..asked.facts(action, resource)
    };
    let traced = agents.then(|| trace(asked, proposal));
    let crosses = traced.as_ref().is_some_and(|traced| traced.crosses);
    let found = traced.as_ref().map(|traced| traced.found.clone());
    let findings = asked
        .shared
        .look_at_arguments(&asked.caller, &facts, &proposal.arguments)
        .await;
    pass(asked, facts, findings, traced).await?;
    let canonical = json::canonical(&proposal.arguments).ok().filter(|_| agents);
    Ok(canonical.map(|canonical| Proposed {
        id: proposal.id.clone(),
        name: proposal.name.clone(),
        arguments: sha256(&canonical),
        crosses,
        found,
        by,
    }))
}

/// Where a proposal's arguments came from. A tool of the agent's own never crosses again, so its arguments go out as
/// they are: one that a trusted source spells otherwise makes the call less than whole.
fn trace(asked: &Asked, proposal: &Proposal) -> Traced {
    let session = &asked.caller.session;
    let crossing = asked.shared.mcp.tool_named(&proposal.name);
    let manifest = match &crossing {
        Some((server, tool)) => asked.shared.mcp.manifests.of(server, tool),
        None if proposal.kind == ProposalKind::Builtin => Manifest::unknown().into(),
        None => session
            .local(&proposal.name)
            .unwrap_or_else(|| Manifest::unknown().into()),
    };
    let named = crossing
        .as_ref()
        .map_or(proposal.name.as_str(), |(_, tool)| tool.as_str());
    let arguments: Value = serde_json::from_str(proposal.arguments.get()).unwrap_or_default();
    // A token came from where its value did.
    let arguments = asked.shared.known(&asked.caller, arguments);
    let mut traced = Traced::new(session, named, manifest, arguments);
    traced.crosses = crossing.is_some();
    traced.fixed = !traced.crosses;
    traced
}
