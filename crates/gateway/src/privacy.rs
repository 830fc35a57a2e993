//! Values that a model, an agent or a tool may not see: replaced on the way there, restored where policy permits it.
//!
//! Each session (or identity) has a vault. On the way to a model, to a tool that may not read them, and in what tools
//! answer, values that the inspector found become tokens. In the arguments of a call, tokens become values again only
//! when the action `restore` is permitted on that tool, and in what a model answers when it is on that model: each is a
//! ruling of its own, recorded by kind. Provenance is traced on the values, so a call on tokens is judged as the call
//! that it will be; records hold tokens.
//!
//! What is refused: restoring anything that came in from outside written like a token (it is escaped before anyone
//! reads it), and masking what was not looked at (the call is refused instead).

mod answer;
mod stream;
mod vaults;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use bartizan_inspect::{
    pii,
    redact::{self, HashKey, Transform},
};
use bartizan_privacy::{Found, Kind, Shape, Vault};
use bartizan_store::{Fault, VaultStore};
use bartizan_types::{
    Action, Arguments, CallFacts, Code, Finding, FindingKind, Refusal, Resource, ServerName, Severity,
    Surface, Timestamp, ToolName,
};
use serde_json::{Value, value::RawValue};

pub(crate) use stream::Rewriter;
pub(crate) use vaults::Held;
use vaults::Vaults;

use crate::{
    Shared, clock,
    config::{self, MaskAct, MaskRule},
    gate::Caller,
    inspect::{Looked, Mark, Piece, Source, of_value},
};

/// Shortest known value that is looked for where no detector saw it.
const KNOWN: usize = 6;

/// Where masked text goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Towards<'a> {
    /// To a model, as `upstream/model`.
    Model(&'a str),
    /// To a tool, as `server/tool`.
    Tool(&'a str),
    /// From a tool to an agent.
    Agent,
}

/// Rules and vaults.
pub(crate) struct Privacy {
    config: config::Privacy,
    vaults: Vaults,
    hash: HashKey,
}

impl Privacy {
    pub(crate) fn new(config: &config::Privacy, store: Option<VaultStore>) -> Self {
        Self {
            vaults: Vaults::new(config, store),
            hash: HashKey::new(&clock::random()),
            config: config.clone(),
        }
    }

    /// Whether some rule masks on this way.
    pub(crate) fn masks(&self, towards: Towards<'_>) -> bool {
        self.config.rules.iter().any(|rule| fits(rule, towards))
    }

    /// The vault of a caller's session, or identity.
    pub(crate) fn vault(&self, caller: &Caller) -> Arc<Held> {
        self.vaults.of(caller)
    }

    /// Erases the vaults of an agent, or all; gives how many values went from memory, and how many kept vaults.
    ///
    /// # Errors
    /// A kept vault could not be removed.
    pub(crate) fn erase(&self, agent: Option<&str>) -> Result<(usize, usize), Fault> {
        self.vaults.erase(agent)
    }

    fn act(&self, towards: Towards<'_>, mark: &Mark) -> Option<MaskAct> {
        let sort = match mark.kind {
            FindingKind::Secret => "secrets",
            FindingKind::PersonalData => "personal",
            _ => return None,
        };
        self.rule(towards, mark.what, sort)
    }

    fn rule(&self, towards: Towards<'_>, what: &str, sort: &str) -> Option<MaskAct> {
        let rule = self
            .config
            .rules
            .iter()
            .find(|rule| fits(rule, towards) && (rule.kinds.contains(what) || rule.kinds.contains(sort)));
        rule.map(|rule| rule.act)
    }

    /// Whether values of a token's kind are masked on this way.
    fn covers(&self, towards: Towards<'_>, kind: &Kind) -> bool {
        let what = kind.as_str().replace('-', "_");
        let personal = what == "personal" || pii::Kind::ALL.iter().any(|kind| kind.as_str() == what);
        let sort = if personal { "personal" } else { "secrets" };
        self.rule(towards, &what, sort).is_some()
    }

    /// A text as it goes on, if anything in it is masked or escaped.
    fn text(
        &self,
        vault: &mut Vault,
        towards: Towards<'_>,
        text: &str,
        marks: &[Mark],
        now: Timestamp,
    ) -> Option<String> {
        let found = self.values(vault, towards, text, marks, now);
        if found.is_empty() {
            return None;
        }
        let ranges: Vec<Found> = found.iter().map(|(found, _)| found.clone()).collect();
        Some(bartizan_privacy::mask(text, &ranges, |one, value| {
            let act = found
                .iter()
                .find(|(found, _)| found.range.start == one.range.start && found.kind == one.kind)
                .and_then(|(_, act)| *act);
            match act {
                None => bartizan_privacy::escape(value).into_owned(),
                Some(MaskAct::Tokenise) => vault
                    .token(&one.kind, one.shape, value, now)
                    .unwrap_or_else(|_| format!("[{}]", one.kind)),
                Some(act) => self.transformed(value, &one.kind, act),
            }
        }))
    }

    /// What is replaced in a text, and how; `None` is escaped.
    fn values(
        &self,
        vault: &Vault,
        towards: Towards<'_>,
        text: &str,
        marks: &[Mark],
        now: Timestamp,
    ) -> Vec<(Found, Option<MaskAct>)> {
        // What is written like a token is no value: ours stays, and from outside it is made none.
        let tokens = bartizan_privacy::tokens(text);
        let apart = |range: &Range<usize>| {
            tokens
                .iter()
                .all(|token| range.end <= token.start || token.end <= range.start)
        };
        let mut found: Vec<(Found, Option<MaskAct>)> = marks
            .iter()
            .filter(|mark| apart(&mark.range))
            .filter_map(|mark| {
                let act = self.act(towards, mark)?;
                let sort = if mark.kind == FindingKind::Secret {
                    "secret"
                } else {
                    "personal"
                };
                let kind = Kind::new(mark.what).or_else(|_| Kind::new(sort)).ok()?;
                let shape = Shape::of_kind(kind.as_str());
                let range = mark.range.clone();
                Some((Found { range, kind, shape }, Some(act)))
            })
            .collect();
        // A value that was masked once is masked wherever it stands, whether a detector knows it there or not.
        for (value, kind, shape) in vault.known(now) {
            if value.len() < KNOWN || !self.covers(towards, kind) {
                continue;
            }
            for (at, _) in text.match_indices(value) {
                let range = at..at + value.len();
                if apart(&range) {
                    let kind = kind.clone();
                    found.push((Found { range, kind, shape }, Some(MaskAct::Tokenise)));
                }
            }
        }
        if matches!(towards, Towards::Agent) {
            found.extend(tokens.iter().filter_map(|range| {
                let (range, kind) = (range.clone(), Kind::new("look-alike").ok()?);
                Some((
                    Found {
                        range,
                        kind,
                        shape: Shape::Token,
                    },
                    None,
                ))
            }));
        }
        found
    }

    fn transformed(&self, value: &str, kind: &Kind, act: MaskAct) -> String {
        let transform = match act {
            MaskAct::Mask => Transform::Mask,
            MaskAct::Hash => Transform::Hash,
            MaskAct::Generalise => Transform::Generalise,
            MaskAct::Redact | MaskAct::Tokenise => Transform::Redact,
        };
        let what = kind.as_str().replace('-', "_");
        redact::apply(value, &[(0..value.len(), &what)], transform, &self.hash)
    }

    /// What to change in a body, and the findings that say so. What was not looked at can't be masked.
    ///
    /// # Errors
    /// [`Code::PrivacyUnseen`].
    pub(crate) fn edits(
        &self,
        caller: &Caller,
        towards: Towards<'_>,
        pieces: &[Piece<'_>],
        looked: &Looked,
    ) -> Result<Edits, Code> {
        let mut edits = Edits::default();
        if !self.masks(towards) {
            return Ok(edits);
        }
        if looked.unseen {
            return Err(Code::PrivacyUnseen);
        }
        let now = clock::now();
        let held = self.vault(caller);
        let mut vault = held.lock();
        for (piece, marks) in pieces.iter().zip(&looked.marks) {
            // A tool's description is the server's and no value of anybody's.
            if piece.source == Source::Description {
                continue;
            }
            let marks = marks.as_deref().ok_or(Code::PrivacyUnseen)?;
            let Some(text) = self.text(&mut vault, towards, &piece.text, marks, now) else {
                continue;
            };
            let json = Value::from(text).to_string();
            edits.changes.push((piece.span.clone(), json));
            if edits.findings.len() < 16 {
                edits.findings.push(masked(&piece.pointer));
            }
        }
        drop(vault);
        self.vaults.keep(caller, &held);
        Ok(edits)
    }
}

/// Bytes of a body, and the JSON that takes their place.
pub(crate) type Change = (Range<usize>, String);

/// A result as an agent may see it, and the findings that say so.
pub(crate) type MaskedResult = (Box<RawValue>, Vec<Finding>);

/// Changes to a body.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// In order.
    pub changes: Vec<Change>,
    /// What the record says of it.
    pub findings: Vec<Finding>,
}

fn masked(pointer: &str) -> Finding {
    Finding {
        kind: FindingKind::Masked,
        severity: Severity::Info,
        score: 1000,
        span: None,
        pointer: pointer.to_owned(),
        taxonomy: Vec::new(),
    }
}

fn fits(rule: &MaskRule, towards: Towards<'_>) -> bool {
    match towards {
        Towards::Model(name) => rule.models.iter().any(|pattern| like(pattern, name)),
        Towards::Tool(name) => rule.tools.iter().any(|pattern| like(pattern, name)),
        Towards::Agent => rule.results,
    }
}

/// Whether a name is like a pattern, in which `*` stands for anything.
fn like(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((front, rest)) => name.strip_prefix(front).is_some_and(|name| {
            (0..=name.len()).any(|at| name.get(at..).is_some_and(|name| like(rest, name)))
        }),
    }
}

/// Arguments of a call on their way to a tool.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// As they go out: tokens restored where that was permitted.
    pub outgoing: Value,
    /// With every token restored, to trace where they came from. Never goes out.
    pub known: Value,
}

impl Shared {
    /// Rules on restoring values of a kind, and records it. What is refused or asked stays a token.
    async fn may_restore(
        self: &Arc<Self>,
        caller: &Caller,
        resource: Resource,
        surface: Surface,
        kind: &Kind,
    ) -> bool {
        let facts = CallFacts {
            arguments: Some(Arguments {
                texts: BTreeMap::from([("kind".to_owned(), kind.to_string())]),
                numbers: BTreeMap::new(),
                complete: true,
            }),
            ..CallFacts::new(clock::mint(clock::now()), Action::Restore, resource, surface)
        };
        let evidence = self.evidence(caller, facts, Vec::new());
        let Ok((permit, mut passage)) = self.enter(evidence, ()).await else {
            return false;
        };
        let () = permit.spend();
        let Ok(release) = passage.answered(bartizan_guard::AnswerFacts::default()) else {
            return false;
        };
        let _call = release.spend();
        passage.finish();
        true
    }

    /// The kinds among `kinds` that may be restored.
    async fn restorable(
        self: &Arc<Self>,
        caller: &Caller,
        resource: &Resource,
        surface: Surface,
        kinds: BTreeSet<Kind>,
    ) -> BTreeSet<Kind> {
        let mut may = BTreeSet::new();
        for kind in kinds {
            if self.may_restore(caller, resource.clone(), surface, &kind).await {
                may.insert(kind);
            }
        }
        may
    }

    /// A call's arguments with tokens restored, where there are any.
    pub(crate) async fn arrive(
        self: &Arc<Self>,
        caller: &Caller,
        server: &ServerName,
        tool: &ToolName,
        arguments: &Value,
    ) -> Option<Arrived> {
        let held = self.privacy.as_ref()?.vault(caller);
        let now = clock::now();
        let (kinds, known) = {
            let vault = held.lock();
            let mut kinds = BTreeSet::new();
            let known = restored(&vault, arguments, now, &mut |kind| {
                kinds.insert(kind.clone());
                true
            });
            (kinds, known)
        };
        if kinds.is_empty() {
            return None;
        }
        let resource = Resource::Tool {
            server: server.clone(),
            tool: tool.clone(),
        };
        let may = self.restorable(caller, &resource, Surface::Mcp, kinds).await;
        let outgoing = restored(&held.lock(), arguments, now, &mut |kind| may.contains(kind));
        Some(Arrived { outgoing, known })
    }

    /// A proposal's arguments with every token restored, to trace where they came from.
    pub(crate) fn known(&self, caller: &Caller, arguments: Value) -> Value {
        match &self.privacy {
            None => arguments,
            Some(privacy) => restored(
                &privacy.vault(caller).lock(),
                &arguments,
                clock::now(),
                &mut |_| true,
            ),
        }
    }

    /// Values in a call's arguments that this tool may not read become tokens.
    ///
    /// # Errors
    /// [`Code::PrivacyUnseen`].
    pub(crate) async fn depart(
        self: &Arc<Self>,
        caller: &Caller,
        server: &ServerName,
        tool: &ToolName,
        arguments: &Value,
    ) -> Result<Option<Value>, Refusal> {
        let name = format!("{server}/{tool}");
        let towards = Towards::Tool(&name);
        let Some(privacy) = self.privacy.as_ref().filter(|privacy| privacy.masks(towards)) else {
            return Ok(None);
        };
        let text = arguments.to_string();
        let pieces = of_value(&text, Source::Data, "");
        let looked = self.look(caller, None, &pieces).await;
        let edits = privacy
            .edits(caller, towards, &pieces, &looked)
            .map_err(|code| self.reject(code, Some(&caller.principal)))?;
        if edits.changes.is_empty() {
            return Ok(None);
        }
        Ok(serde_json::from_str(&bartizan_wire::json::replace(&text, &edits.changes)).ok())
    }

    /// A tool's result as the agent may see it, where that differs.
    ///
    /// # Errors
    /// [`Code::PrivacyUnseen`].
    pub(crate) fn mask_result(
        &self,
        caller: &Caller,
        result: &RawValue,
        pieces: &[Piece<'_>],
        looked: &Looked,
    ) -> Result<Option<MaskedResult>, Code> {
        let Some(privacy) = &self.privacy else {
            return Ok(None);
        };
        let edits = privacy.edits(caller, Towards::Agent, pieces, looked)?;
        if edits.changes.is_empty() {
            return Ok(None);
        }
        let text = bartizan_wire::json::replace(result.get(), &edits.changes);
        let masked = RawValue::from_string(text).map_err(|_| Code::Bug)?;
        Ok(Some((masked, edits.findings)))
    }
}

/// A value with the tokens in its texts restored.
fn restored(vault: &Vault, value: &Value, now: Timestamp, may: &mut dyn FnMut(&Kind) -> bool) -> Value {
    match value {
        Value::String(text) => match vault.restore(text, now, &mut *may) {
            Cow::Borrowed(_) => value.clone(),
            Cow::Owned(text) => Value::String(text),
        },
        // A whole number may stand in for another.
        Value::Number(number) => match vault.restore(&number.to_string(), now, &mut *may) {
            Cow::Borrowed(_) => value.clone(),
            Cow::Owned(text) => text.parse::<i64>().map_or_else(|_| value.clone(), Value::from),
        },
        Value::Array(items) => items.iter().map(|item| restored(vault, item, now, may)).collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, value)| (key.clone(), restored(vault, value, now, may)))
                .collect(),
        ),
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_like_names() {
        for (pattern, name, yes) in [
            ("*", "openai/gpt", true),
            ("openai/*", "openai/gpt", true),
            ("openai/*", "other/gpt", false),
            ("*/mini*", "openai/mini-2", true),
            ("openai/gpt", "openai/gpt-2", false),
            ("é*", "éa", true),
        ] {
            assert_eq!(like(pattern, name), yes, "{pattern} {name}");
        }
    }
}
