//! What each tool does and what its arguments and results are, ready for every call: one table per server, swapped
//! whole whenever a pin or a review changes.
//!
//! A manifest belongs to the definition that is pinned. What has no pin, whose definition, program or identity differs
//! from what is held, or whose server is not configured, has [`Manifest::unknown`], which asks. Before an operator
//! accepts it a manifest is what the tool's own words suggest, and only tightens.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;
use bartizan_flow::{Because, Inferred, Manifest, PathPattern, ToolFacts, infer};
use bartizan_mcp::{
    PinKind, ServerPins,
    pin::{Pin, Seen},
    schema,
};
use bartizan_types::{Digest, ServerName, ToolName};
use serde_json::{Value, value::RawValue};

use crate::config::{self, ToolOverride};

/// Why a tool has the manifest it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An operator accepted it.
    Reviewed,
    /// It is what the tool's own words and the configuration suggest.
    Inferred,
    /// The definition, the program or the server's identity differs from what is held.
    Drifted,
}

impl Standing {
    /// The word in answers and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reviewed => "reviewed",
            Self::Inferred => "inferred",
            Self::Drifted => "drifted",
        }
    }
}

/// A tool's manifest, and what it stands on.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// What is in force.
    pub manifest: Arc<Manifest>,
    /// Why.
    pub standing: Standing,
    /// The pinned definition it is of.
    pub definition: Digest,
}

type Table = HashMap<ToolName, Labelled>;

struct Slot {
    tools: BTreeMap<ToolName, ToolOverride>,
    table: ArcSwap<Table>,
}

/// The manifests of all configured servers. Looking one up takes no lock.
pub struct Manifests {
    servers: BTreeMap<ServerName, Slot>,
    unknown: Arc<Manifest>,
}

impl Manifests {
    /// Of these servers, none of whose tools is known yet.
    #[must_use]
    pub fn new(servers: &[config::Server]) -> Self {
        let slot = |server: &config::Server| Slot {
            tools: server.tools.clone(),
            table: ArcSwap::default(),
        };
        Self {
            servers: servers
                .iter()
                .map(|server| (server.name.clone(), slot(server)))
                .collect(),
            unknown: Arc::new(Manifest::unknown()),
        }
    }

    /// The manifest of a tool: what an operator accepted, what is inferred until then, or [`Manifest::unknown`] where
    /// its definition drifted or nothing is pinned.
    #[must_use]
    pub fn of(&self, server: &ServerName, tool: &ToolName) -> Arc<Manifest> {
        self.find(server, tool)
            .map_or_else(|| Arc::clone(&self.unknown), |found| found.manifest)
    }

    /// The same for a caller that holds the definition it is about to rule on: another one than is pinned is unknown.
    #[must_use]
    pub fn of_definition(&self, server: &ServerName, tool: &ToolName, definition: Digest) -> Arc<Manifest> {
        self.find(server, tool)
            .filter(|found| found.definition == definition)
            .map_or_else(|| Arc::clone(&self.unknown), |found| found.manifest)
    }

    /// A tool's manifest with what it stands on; none where nothing is pinned.
    #[must_use]
    pub fn find(&self, server: &ServerName, tool: &ToolName) -> Option<Labelled> {
        self.servers.get(server)?.table.load().get(tool).cloned()
    }

    /// Labels every tool that is pinned, in the place of what was there.
    pub(crate) fn refresh(&self, pins: &ServerPins) {
        let Some(slot) = self.servers.get(&pins.server) else {
            return;
        };
        let drifted = moved(pins);
        let label = |pin: &Pin| {
            let name = ToolName::new(&pin.name).ok()?;
            let standing = if drifted || pin.waiting.is_some() {
                Standing::Drifted
            } else {
                Standing::Inferred
            };
            let labelled = match standing {
                Standing::Drifted => Labelled {
                    manifest: Arc::clone(&self.unknown),
                    standing,
                    definition: pin.held.digest,
                },
                _ => with(&pin.held, slot.tools.get(&name)),
            };
            Some((name, labelled))
        };
        let tools = pins.pins.values().filter(|pin| pin.kind == PinKind::Tool);
        slot.table.store(Arc::new(tools.filter_map(label).collect()));
    }

    /// Nothing of this server is known any longer.
    pub(crate) fn forget(&self, server: &ServerName) {
        if let Some(slot) = self.servers.get(server) {
            slot.table.store(Arc::default());
        }
    }
}

/// Whether the server is not the one that its tools were pinned from.
fn moved(pins: &ServerPins) -> bool {
    [PinKind::Package, PinKind::Identity]
        .iter()
        .any(|kind| pins.pin(*kind, "").is_some_and(|pin| pin.waiting.is_some()))
}

/// What is inferred of a definition, with the operator's own lines before it.
fn with(held: &Seen, own: Option<&ToolOverride>) -> Labelled {
    let (manifest, _) = merged(inferred(&held.definition), own);
    let standing = if manifest.reviewed {
        Standing::Reviewed
    } else {
        Standing::Inferred
    };
    Labelled {
        manifest: Arc::new(manifest),
        standing,
        definition: held.digest,
    }
}

/// What a pinned definition suggests.
pub(crate) fn inferred(definition: &str) -> Inferred {
    let read: Value = serde_json::from_str(definition).unwrap_or_default();
    let text = |key: &str| read.get(key).and_then(Value::as_str).unwrap_or_default();
    let hints = read
        .get("annotations")
        .and_then(|hints| serde_json::value::to_raw_value(hints).ok());
    infer(&ToolFacts {
        name: text("name"),
        description: text("description"),
        input: read.get("inputSchema").unwrap_or(&Value::Null),
        hints: schema::effects(hints.as_deref().map(|raw: &RawValue| raw)),
    })
}

/// Why each line of a manifest is there, in its order.
pub(crate) struct Reasons {
    /// Of the effect.
    pub(crate) effect: Option<Because>,
    /// Of the arguments' roles; none is the configuration's.
    pub(crate) arguments: Vec<Option<Because>>,
    /// Of the results' classes; none is the configuration's.
    pub(crate) results: Vec<Option<Because>>,
}

/// The operator's own lines come first, so they hold.
pub(crate) fn merged(inferred: Inferred, own: Option<&ToolOverride>) -> (Manifest, Reasons) {
    let Inferred {
        mut manifest,
        effect,
        arguments,
        results,
    } = inferred;
    let mut reasons = Reasons {
        effect: Some(effect),
        arguments: arguments.into_iter().map(Some).collect(),
        results: results.into_iter().map(Some).collect(),
    };
    let Some(own) = own else {
        return (manifest, reasons);
    };
    if let Some(effect) = own.effect {
        manifest.effect = effect;
        reasons.effect = None;
    }
    let mut lines = Vec::new();
    for (pattern, role) in &own.arguments {
        lines.push((pattern.clone(), *role));
        // A role holds for whatever lies below, too.
        if !pattern.as_str().ends_with("**") {
            lines.push((PathPattern::new(&format!("{}.**", pattern.as_str())), *role));
        }
    }
    reasons
        .arguments
        .splice(0..0, std::iter::repeat_n(None, lines.len()));
    lines.append(&mut manifest.arguments);
    manifest.arguments = lines;
    reasons
        .results
        .splice(0..0, std::iter::repeat_n(None, own.results.len()));
    let mut classes = own.results.clone();
    classes.append(&mut manifest.results);
    manifest.results = classes;
    manifest.public = own.public.unwrap_or(manifest.public);
    manifest.reviewed = own.reviewed;
    (manifest, reasons)
}

#[cfg(test)]
mod tests;
