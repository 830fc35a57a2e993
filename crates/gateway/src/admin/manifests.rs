//! Tool manifests: what each tool does, why we think so, and an operator's yes.
//!
//! A review names the digests of definition and manifest that the operator looked at: if either changed since, nothing
//! is accepted.

use bartizan_mcp::ServerPins;
use bartizan_store::Purpose;
use bartizan_types::{Digest, ServerName, ToolName};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Ask, Desk, No};
use crate::{
    clock,
    mcp::{Explained, Looked, Manifests, Origin, ReviewFault, Signer, Standing, manifest_digest},
};

/// Names written out in one record.
const NAMED: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accept {
    server: ServerName,
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    tool: ToolName,
    definition: Digest,
    manifest: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Withdraw {
    server: ServerName,
    tools: Vec<ToolName>,
}

impl From<ReviewFault> for No {
    fn from(fault: ReviewFault) -> Self {
        match &fault {
            ReviewFault::NoServer(_) | ReviewFault::NoTool(_) => Self::not_found(fault.to_string()),
            ReviewFault::Moved(_) | ReviewFault::Drifted(_) => Self::refused(fault.to_string()),
            ReviewFault::State(_) => Self::state(fault.to_string()),
        }
    }
}

impl Desk {
    /// The manifests of the state at rest.
    fn at_rest(&self) -> Result<Manifests, No> {
        let signer = Signer::new(&self.keyring.derive(Purpose::Manifests)?);
        Ok(Manifests::new(&self.servers, &self.state, signer))
    }

    fn pins_of(&self, server: &ServerName) -> Result<ServerPins, No> {
        match &self.live {
            Some(live) if live.shared.pins(server).is_ok() => live.shared.pins(server),
            _ => crate::mcp::pins::load(&self.state, server),
        }
        .map_err(|code| No::state(format!("the pins of `{server}` do not read: {code}")))
    }

    /// Does something with the manifests in force.
    fn with_manifests<T>(&self, work: impl FnOnce(&Manifests) -> Result<T, No>) -> Result<T, No> {
        match &self.live {
            Some(live) => work(live.shared.manifests()),
            None => work(&self.at_rest()?),
        }
    }

    pub(super) fn manifests(&self) -> Answer {
        let servers = match &self.live {
            Some(live) => &live.shared.config.servers,
            None => &self.servers,
        };
        self.with_manifests(|manifests| {
            let mut all = Vec::new();
            for server in servers {
                let pins = self.pins_of(&server.name)?;
                all.extend(manifests.explain(&pins).iter().map(|one| view(&server.name, one)));
            }
            Ok(json!({ "manifests": all, "alarms": manifests.alarms() }))
        })
    }

    pub(super) async fn accept_manifests(&self, ask: &Ask<'_>) -> Answer {
        let accept: Accept = ask.json()?;
        if accept.items.is_empty() {
            return Err(No::usage("nothing to accept was named"));
        }
        let server = &accept.server;
        let looked: Vec<Looked> = accept
            .items
            .into_iter()
            .map(|item| Looked {
                tool: item.tool,
                definition: item.definition,
                manifest: item.manifest,
            })
            .collect();
        let pins = self.pins_of(server)?;
        self.with_manifests(|manifests| Ok(manifests.check(&pins, &looked)?))?;
        let names: Vec<_> = looked.iter().map(|one| one.tool.as_str()).collect();
        let what = format!("manifests accepted of server `{server}`: {}", named(&names));
        let index = self.operation(what, ask).await?;
        match &self.live {
            // Checked again, while the pins can't move.
            Some(live) => live
                .shared
                .accept_manifests(server, &looked, ask.by)
                .map_err(|code| No::state(format!("the pins of `{server}` do not read: {code}")))??,
            None => self
                .at_rest()?
                .accept(&self.state, &pins, &looked, (ask.by, clock::now()))?,
        }
        Ok(json!({ "server": server, "accepted": names, "record": index }))
    }

    pub(super) async fn withdraw_manifests(&self, ask: &Ask<'_>) -> Answer {
        let withdraw: Withdraw = ask.json()?;
        let (server, tools) = (&withdraw.server, &withdraw.tools);
        if tools.is_empty() {
            return Err(No::usage("nothing to withdraw was named"));
        }
        let pins = self.pins_of(server)?;
        let names: Vec<_> = tools.iter().map(ToolName::as_str).collect();
        let what = format!("manifests withdrawn of server `{server}`: {}", named(&names));
        let index = self.operation(what, ask).await?;
        match &self.live {
            Some(live) => live
                .shared
                .withdraw_manifests(server, tools)
                .map_err(|code| No::state(format!("the pins of `{server}` do not read: {code}")))??,
            None => self.at_rest()?.withdraw(&self.state, &pins, tools)?,
        }
        Ok(json!({ "server": server, "withdrawn": names, "record": index }))
    }
}

/// Names for a record, which is bounded.
fn named(names: &[&str]) -> String {
    let shown: Vec<_> = names.iter().take(NAMED).copied().collect();
    match names.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn view(server: &ServerName, one: &Explained) -> Value {
    let lines = |lines: Vec<(&str, Value)>, origins: &[Origin]| -> Vec<Value> {
        lines
            .into_iter()
            .zip(origins)
            .map(|((path, is), origin)| json!({ "path": path, "is": is, "because": origin.says() }))
            .collect()
    };
    let manifest = &one.manifest;
    let arguments = manifest
        .arguments
        .iter()
        .map(|(at, role)| (at.as_str(), json!(role)));
    let results = manifest
        .results
        .iter()
        .map(|(at, class)| (at.as_str(), json!(class)));
    json!({
        "server": server,
        "tool": one.tool,
        "standing": one.standing.as_str(),
        "in_force": matches!(one.standing, Standing::Reviewed | Standing::Inferred),
        "definition": one.definition,
        "manifest": manifest_digest(manifest),
        "effect": { "is": manifest.effect, "because": one.reasons.effect.says() },
        "arguments": lines(arguments.collect(), &one.reasons.arguments),
        "results": lines(results.collect(), &one.reasons.results),
        "public": manifest.public,
        "accepted_by": one.accepted.as_ref().map(|(by, _)| by.as_str()),
        "accepted_at": one.accepted.as_ref().map(|(_, at)| at),
    })
}
