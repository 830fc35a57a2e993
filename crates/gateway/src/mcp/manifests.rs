//! What each tool does and what its arguments and results are, ready for every call: one table per server, swapped
//! whole whenever a pin or a review changes.
//!
//! A manifest belongs to the definition that is pinned. What has no pin, whose definition, program or identity differs
//! from what is held, or whose server is not configured, has [`Manifest::unknown`], which asks. Before an operator
//! accepts it a manifest is what the tool's own words suggest, and only tightens.

pub(crate) mod accepted;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use arc_swap::ArcSwap;
use bartizan_flow::{Because, Inferred, Manifest, PathPattern, ToolFacts, infer};
use bartizan_mcp::{PinKind, ServerPins, pin::Pin, schema};
use bartizan_store::State;
use bartizan_types::{Digest, ServerName, Timestamp, ToolName};
use serde_json::{Value, value::RawValue};

use self::accepted::{Accepted, Change, Kept, Signer};
use super::hub::lock;
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
    /// What is stored as accepted was not signed by us.
    Tampered,
}

impl Standing {
    /// The word in answers and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reviewed => "reviewed",
            Self::Inferred => "inferred",
            Self::Drifted => "drifted",
            Self::Tampered => "tampered",
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
    /// It is what is stored, and not what would be inferred.
    accepted: bool,
}

/// Why a review was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewFault {
    /// No such server is configured.
    #[error("no server `{0}` is configured")]
    NoServer(ServerName),
    /// No such tool is pinned.
    #[error("no tool `{0}` is pinned")]
    NoTool(ToolName),
    /// Its definition, or what is proposed for it, is not what was looked at.
    #[error("`{0}` is no longer what was looked at; look again")]
    Moved(ToolName),
    /// It drifted from its pin: the change is looked at first.
    #[error("`{0}` differs from its pin; `bartizan tools diff` shows how, and the command that accepts it")]
    Drifted(ToolName),
    /// The state can't be written.
    #[error("the manifests can't be written: {0}")]
    State(String),
}

/// What an operator looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The tool.
    pub tool: ToolName,
    /// Its pinned definition.
    pub definition: Digest,
    /// The manifest proposed.
    pub manifest: Digest,
}

type Table = HashMap<ToolName, Labelled>;

struct Slot {
    config: config::Server,
    accepted: Mutex<BTreeMap<ToolName, Kept>>,
    table: ArcSwap<Table>,
}

/// One server's tools at one moment.
struct View<'m> {
    slot: &'m Slot,
    moved: bool,
    identity: Digest,
    kept: MutexGuard<'m, BTreeMap<ToolName, Kept>>,
}

impl View<'_> {
    fn own(&self, tool: &ToolName) -> Option<&ToolOverride> {
        self.slot.config.tools.get(tool)
    }

    /// How a tool stands, and what is stored for it if that holds.
    fn standing(&self, tool: &ToolName, pin: &Pin) -> (Standing, Option<&Accepted>) {
        let holds = |accepted: &Accepted| {
            accepted.definition == pin.held.digest && accepted.identity == self.identity
        };
        match self.kept.get(tool) {
            _ if self.moved || pin.waiting.is_some() => (Standing::Drifted, None),
            Some(Kept::Refused(_)) => (Standing::Tampered, None),
            Some(Kept::Good(accepted)) if holds(accepted) => (Standing::Reviewed, Some(accepted)),
            _ if self.own(tool).is_some_and(|own| own.reviewed) => (Standing::Reviewed, None),
            _ => (Standing::Inferred, None),
        }
    }

    fn explain(&self, pin: &Pin) -> Option<Explained> {
        let tool = ToolName::new(&pin.name).ok()?;
        let own = self.own(&tool);
        let (standing, stored) = self.standing(&tool, pin);
        let (mut manifest, mut reasons) = merged(inferred(&pin.held.definition), own);
        if let Some(stored) = stored {
            reasons = reasons.of(&manifest, &stored.manifest, own);
            manifest = with_own(&stored.manifest, own);
        }
        Some(Explained {
            standing,
            definition: pin.held.digest,
            identity: self.identity,
            accepted: stored.map(|stored| (stored.by.clone(), stored.at)),
            manifest,
            reasons,
            tool,
        })
    }
}

fn tools(pins: &ServerPins) -> impl Iterator<Item = &Pin> {
    pins.pins.values().filter(|pin| pin.kind == PinKind::Tool)
}

/// The manifests of all configured servers. Looking one up takes no lock.
pub struct Manifests {
    servers: BTreeMap<ServerName, Slot>,
    signer: Option<Signer>,
    unknown: Arc<Manifest>,
}

impl Manifests {
    /// Of these servers, with what operators accepted, none of whose tools is known to be pinned yet. Without a signer,
    /// nothing is held accepted.
    #[must_use]
    pub fn new(servers: &[config::Server], state: &State, signer: Option<Signer>) -> Self {
        let slot = |server: &config::Server| {
            let kept = match &signer {
                Some(signer) => accepted::load(state, signer, &server.name).unwrap_or_else(|fault| {
                    tracing::error!(server = %server.name, %fault, "accepted manifests can't be read");
                    BTreeMap::new()
                }),
                None => BTreeMap::new(),
            };
            for (tool, kept) in &kept {
                if let Kept::Refused(why) = kept {
                    tracing::error!(server = %server.name, %tool, %why, "an accepted manifest is refused");
                }
            }
            Slot {
                config: server.clone(),
                accepted: Mutex::new(kept),
                table: ArcSwap::default(),
            }
        };
        let servers = servers
            .iter()
            .map(|server| (server.name.clone(), slot(server)))
            .collect();
        Self {
            servers,
            signer,
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

    /// Stored manifests that were not signed by us, in words.
    #[must_use]
    pub fn alarms(&self) -> Vec<String> {
        let mut alarms = Vec::new();
        for (server, slot) in &self.servers {
            for (tool, kept) in lock(&slot.accepted).iter() {
                if let Kept::Refused(why) = kept {
                    alarms.push(format!(
                        "the accepted manifest of `{server}/{tool}` is refused: {why}; it asks until it is reviewed anew"
                    ));
                }
            }
        }
        alarms
    }

    /// Labels every tool that is pinned, in the place of what was there. What is as it was is not inferred again: a
    /// server that keeps changing one tool does not make us read all of its tools each time.
    pub(crate) fn refresh(&self, pins: &ServerPins) {
        let Some(view) = self.view(pins) else {
            return;
        };
        let before = view.slot.table.load_full();
        let mut table = Table::new();
        for pin in tools(pins) {
            let Ok(tool) = ToolName::new(&pin.name) else {
                continue;
            };
            let (standing, stored) = view.standing(&tool, pin);
            let same = before.get(&tool).filter(|before| {
                stored.is_none()
                    && !before.accepted
                    && before.standing == standing
                    && before.definition == pin.held.digest
            });
            let labelled = match (same, standing) {
                (Some(same), _) => same.clone(),
                (None, Standing::Drifted | Standing::Tampered) => Labelled {
                    manifest: Arc::clone(&self.unknown),
                    standing,
                    definition: pin.held.digest,
                    accepted: false,
                },
                (None, Standing::Reviewed | Standing::Inferred) => Labelled {
                    manifest: Arc::new(match stored {
                        Some(stored) => with_own(&stored.manifest, view.own(&tool)),
                        None => merged(inferred(&pin.held.definition), view.own(&tool)).0,
                    }),
                    standing,
                    definition: pin.held.digest,
                    accepted: stored.is_some(),
                },
            };
            table.insert(tool, labelled);
        }
        view.slot.table.store(Arc::new(table));
    }

    /// Nothing of this server is known any longer.
    pub(crate) fn forget(&self, server: &ServerName) {
        if let Some(slot) = self.servers.get(server) {
            slot.table.store(Arc::default());
        }
    }

    fn view<'m>(&'m self, pins: &ServerPins) -> Option<View<'m>> {
        let slot = self.servers.get(&pins.server)?;
        Some(View {
            slot,
            moved: moved(pins),
            identity: accepted::identity(&slot.config, pins),
            kept: lock(&slot.accepted),
        })
    }

    /// Every pinned tool of a server with its manifest, line by line. Of a drifted or tampered one it is what would be
    /// proposed, and not in force.
    pub(crate) fn explain(&self, pins: &ServerPins) -> Vec<Explained> {
        let Some(view) = self.view(pins) else {
            return Vec::new();
        };
        tools(pins).filter_map(|pin| view.explain(pin)).collect()
    }

    /// Whether each of these is what it was when it was looked at.
    ///
    /// # Errors
    /// [`ReviewFault`], for the first that is not.
    pub(crate) fn check(&self, pins: &ServerPins, looked: &[Looked]) -> Result<(), ReviewFault> {
        self.changes(pins, looked, ("", Timestamp::from_unix_seconds(0)))
            .map(drop)
    }

    fn changes(
        &self,
        pins: &ServerPins,
        looked: &[Looked],
        by: (&str, Timestamp),
    ) -> Result<Vec<Change>, ReviewFault> {
        if !self.servers.contains_key(&pins.server) {
            return Err(ReviewFault::NoServer(pins.server.clone()));
        }
        let all = self.explain(pins);
        let change = |looked: &Looked| {
            let one = all
                .iter()
                .find(|one| one.tool == looked.tool)
                .ok_or_else(|| ReviewFault::NoTool(looked.tool.clone()))?;
            if one.standing == Standing::Drifted {
                return Err(ReviewFault::Drifted(looked.tool.clone()));
            }
            if one.definition != looked.definition || accepted::digest(&one.manifest) != looked.manifest {
                return Err(ReviewFault::Moved(looked.tool.clone()));
            }
            let bound = (one.identity, one.definition);
            Ok(Change::accept(
                &pins.server,
                &one.tool,
                bound,
                one.manifest.clone(),
                by,
            ))
        };
        looked.iter().map(change).collect()
    }

    /// Takes an operator's review: signs, stores, and puts it in force. All or none.
    ///
    /// # Errors
    /// [`ReviewFault`].
    pub(crate) fn accept(
        &self,
        state: &State,
        pins: &ServerPins,
        looked: &[Looked],
        by: (&str, Timestamp),
    ) -> Result<(), ReviewFault> {
        let changes = self.changes(pins, looked, by)?;
        self.put(state, pins, changes)
    }

    /// Takes reviews back: the tools are as before any.
    ///
    /// # Errors
    /// [`ReviewFault`].
    pub(crate) fn withdraw(
        &self,
        state: &State,
        pins: &ServerPins,
        tools: &[ToolName],
    ) -> Result<(), ReviewFault> {
        let gone = |tool: &ToolName| Change {
            tool: tool.clone(),
            accepted: None,
        };
        self.put(state, pins, tools.iter().map(gone).collect())
    }

    fn put(&self, state: &State, pins: &ServerPins, changes: Vec<Change>) -> Result<(), ReviewFault> {
        let server = &pins.server;
        let slot = self
            .servers
            .get(server)
            .ok_or_else(|| ReviewFault::NoServer(server.clone()))?;
        let signer = self
            .signer
            .as_ref()
            .ok_or_else(|| ReviewFault::State("there is no key to sign with".to_owned()))?;
        accepted::store(state, signer, server, &changes).map_err(ReviewFault::State)?;
        let mut kept = lock(&slot.accepted);
        for change in changes {
            match change.accepted {
                Some(accepted) => drop(kept.insert(change.tool, Kept::Good(Box::new(accepted)))),
                None => drop(kept.remove(&change.tool)),
            }
        }
        drop(kept);
        self.refresh(pins);
        Ok(())
    }
}

/// One tool's manifest with the reason for each line.
pub(crate) struct Explained {
    pub(crate) tool: ToolName,
    pub(crate) standing: Standing,
    pub(crate) definition: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) reasons: Reasons,
    /// Who accepted it, and when.
    pub(crate) accepted: Option<(String, Timestamp)>,
    identity: Digest,
}

/// Whether the server is not the one that its tools were pinned from.
fn moved(pins: &ServerPins) -> bool {
    [PinKind::Package, PinKind::Identity]
        .iter()
        .any(|kind| pins.pin(*kind, "").is_some_and(|pin| pin.waiting.is_some()))
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

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was inferred.
    Inferred(Because),
    /// The configuration says so.
    Configured,
    /// It was inferred, or said, when an operator accepted it.
    Accepted,
}

impl Origin {
    /// In words.
    pub(crate) const fn says(self) -> &'static str {
        match self {
            Self::Inferred(because) => because.says(),
            Self::Configured => "the configuration",
            Self::Accepted => "as it was accepted",
        }
    }
}

/// Why each line of a manifest is there, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reasons {
    pub(crate) effect: Origin,
    pub(crate) arguments: Vec<Origin>,
    pub(crate) results: Vec<Origin>,
}

impl Reasons {
    /// For an accepted manifest: a line that would be inferred today has today's reason.
    fn of(&self, today: &Manifest, accepted: &Manifest, own: Option<&ToolOverride>) -> Self {
        fn same<T: PartialEq>(line: &T, lines: &[T], reasons: &[Origin]) -> Origin {
            let at = lines.iter().position(|one| one == line);
            at.and_then(|at| reasons.get(at))
                .copied()
                .unwrap_or(Origin::Accepted)
        }
        let all = with_own(accepted, own);
        Self {
            effect: if all.effect == today.effect {
                self.effect
            } else {
                Origin::Accepted
            },
            arguments: all
                .arguments
                .iter()
                .map(|line| same(line, &today.arguments, &self.arguments))
                .collect(),
            results: all
                .results
                .iter()
                .map(|line| same(line, &today.results, &self.results))
                .collect(),
        }
    }
}

/// The operator's own lines for one tool, as a manifest has them.
fn own_lines(own: &ToolOverride) -> Vec<(PathPattern, bartizan_flow::Role)> {
    let mut lines = Vec::new();
    for (pattern, role) in &own.arguments {
        lines.push((pattern.clone(), *role));
        // A role holds for whatever lies below, too.
        if !pattern.as_str().ends_with("**") {
            lines.push((PathPattern::new(&format!("{}.**", pattern.as_str())), *role));
        }
    }
    lines
}

/// A manifest with the operator's own lines first, so that they hold.
fn with_own(manifest: &Manifest, own: Option<&ToolOverride>) -> Manifest {
    let mut manifest = manifest.clone();
    if let Some(own) = own {
        let mut lines = own_lines(own);
        let mut classes = own.results.clone();
        // What was accepted with them holds them already.
        if !manifest.arguments.starts_with(&lines) {
            lines.append(&mut manifest.arguments);
            manifest.arguments = lines;
        }
        if !manifest.results.starts_with(&classes) {
            classes.append(&mut manifest.results);
            manifest.results = classes;
        }
        manifest.effect = own.effect.unwrap_or(manifest.effect);
        manifest.public = own.public.unwrap_or(manifest.public);
        manifest.json_text = own.json_text.unwrap_or(manifest.json_text);
        manifest.codes.clone_from(&own.codes);
        manifest.codes_from.clone_from(&own.codes_from);
        manifest.reviewed |= own.reviewed;
    }
    manifest
}

/// What is inferred, with the operator's own lines, and the reason for each.
pub(crate) fn merged(inferred: Inferred, own: Option<&ToolOverride>) -> (Manifest, Reasons) {
    let lines = |reasons: Vec<Because>| reasons.into_iter().map(Origin::Inferred).collect::<Vec<_>>();
    let mut reasons = Reasons {
        effect: Origin::Inferred(inferred.effect),
        arguments: lines(inferred.arguments),
        results: lines(inferred.results),
    };
    let before = inferred.manifest;
    let manifest = with_own(&before, own);
    if own.is_some_and(|own| own.effect.is_some()) {
        reasons.effect = Origin::Configured;
    }
    let said = |now: usize, then: usize| std::iter::repeat_n(Origin::Configured, now.saturating_sub(then));
    reasons
        .arguments
        .splice(0..0, said(manifest.arguments.len(), before.arguments.len()));
    reasons
        .results
        .splice(0..0, said(manifest.results.len(), before.results.len()));
    (manifest, reasons)
}

#[cfg(test)]
mod tests;
