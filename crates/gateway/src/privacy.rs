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
mod claims;
mod documents;
mod encoded;
mod fitting;
mod listing;
mod names;
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

use answer::is_said;
use fitting::Fitting;
use names::Names;
pub(crate) use stream::Rewriter;
pub(crate) use vaults::Held;
use vaults::Vaults;

use crate::{
    Shared, clock,
    config::{self, MaskAct, MaskRule},
    gate::Caller,
    inspect::{Inspector, Looked, MORE, Mark, Piece, Source, of_value},
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
    /// From a model to an agent.
    Answer,
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
        self.rule_of(towards, kind).is_some()
    }

    fn rule_of(&self, towards: Towards<'_>, kind: &Kind) -> Option<MaskAct> {
        let what = kind.as_str().replace('-', "_");
        let personal = what == "personal" || pii::Kind::ALL.iter().any(|kind| kind.as_str() == what);
        let sort = if personal { "personal" } else { "secrets" };
        self.rule(towards, &what, sort)
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
        self.text_fitting(vault, towards, text, marks, now, &|_, _| None)
    }

    /// The same; a value gets the shape that `fit` gives for its place in the text.
    fn text_fitting(
        &self,
        vault: &mut Vault,
        towards: Towards<'_>,
        text: &str,
        marks: &[Mark],
        now: Timestamp,
        fit: &dyn Fn(&Range<usize>, Shape) -> Option<Shape>,
    ) -> Option<String> {
        let mut found = self.values(vault, towards, text, marks, now);
        if found.is_empty() {
            return None;
        }
        for (found, _) in &mut found {
            found.shape = fit(&found.range, found.shape).unwrap_or(found.shape);
        }
        Some(self.replace(vault, text, &found, now, &mut |_, _| {}))
    }

    /// A text with what was found in it replaced. `tell` is told each range, and what stands there now, in order.
    fn replace(
        &self,
        vault: &mut Vault,
        text: &str,
        found: &[(Found, Option<MaskAct>)],
        now: Timestamp,
        tell: &mut dyn FnMut(Range<usize>, String),
    ) -> String {
        let ranges: Vec<Found> = found.iter().map(|(found, _)| found.clone()).collect();
        bartizan_privacy::mask(text, &ranges, |one, value| {
            let act = found
                .iter()
                .find(|(found, _)| found.range.start == one.range.start && found.kind == one.kind)
                .and_then(|(_, act)| *act);
            let new = match act {
                None => bartizan_privacy::escape(value).into_owned(),
                Some(act) => self.stand_in(vault, act, one, value, now),
            };
            let is_number = !new.is_empty() && new.bytes().all(|byte| byte.is_ascii_digit());
            let new = if !is_number && is_bare_number(text, &one.range) {
                Value::from(new).to_string()
            } else {
                new
            };
            tell(one.range.clone(), new.clone());
            new
        })
    }

    /// What takes the place of a value, by the rule for its kind.
    fn replaced(
        &self,
        vault: &mut Vault,
        towards: Towards<'_>,
        found: &Found,
        value: &str,
        now: Timestamp,
    ) -> String {
        let act = self.rule_of(towards, &found.kind).unwrap_or(MaskAct::Tokenise);
        self.stand_in(vault, act, found, value, now)
    }

    fn stand_in(
        &self,
        vault: &mut Vault,
        act: MaskAct,
        found: &Found,
        value: &str,
        now: Timestamp,
    ) -> String {
        match act {
            MaskAct::Tokenise => vault
                .token(&found.kind, found.shape, value, now)
                .unwrap_or_else(|_| format!("[{}]", found.kind)),
            act => self.transformed(value, &found.kind, act),
        }
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
        // A stand-in that has a value's format is none either, or what it is restored to would be a stand-in.
        let is_ours = |range: &Range<usize>| {
            let text = text.get(range.clone()).unwrap_or_default();
            vault.whole(text, now).is_some()
        };
        let mut found: Vec<(Found, Option<MaskAct>)> = marks
            .iter()
            .filter(|mark| apart(&mark.range) && !is_ours(&mark.range))
            .filter_map(|mark| {
                let act = self.act(towards, mark)?;
                let sort = if mark.kind == FindingKind::Secret {
                    "secret"
                } else {
                    "personal"
                };
                let kind = Kind::new(mark.what).or_else(|_| Kind::new(sort)).ok()?;
                let shape = Shape::of_kind(kind.as_str());
                let range = encoded::filled(text, mark.range.clone());
                Some((Found { range, kind, shape }, Some(act)))
            })
            .collect();
        // A value that was masked once is masked wherever it stands, whether a detector knows it there or not.
        for (range, kind, shape) in encoded::places(text, vault, now) {
            if !apart(&range) || !self.covers(towards, kind) {
                continue;
            }
            // In the midst of a text a stand-in of few bits would never be restored.
            let shape = match shape.is_unguessable() {
                true => shape,
                false => Shape::of_kind(kind.as_str()),
            };
            let kind = kind.clone();
            found.push((Found { range, kind, shape }, Some(MaskAct::Tokenise)));
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

    /// What takes the place of a whole number that is a value: another of as many digits, where its place takes one and
    /// the vault has room; else a text, so that the value does not go.
    fn number(
        &self,
        vault: &mut Vault,
        towards: Towards<'_>,
        piece: &Piece<'_>,
        marks: &[Mark],
        now: Timestamp,
        fitting: Option<&Fitting>,
    ) -> Option<String> {
        let digits = &*piece.text;
        let all = self.values(vault, towards, digits, marks, now);
        let whole = 0..digits.len();
        let (found, act) = all.into_iter().find(|(found, _)| found.range == whole)?;
        let act = act?;
        let any = Fitting::any();
        let number: Option<i64> = digits.parse().ok();
        let shape = number.and_then(|number| fitting.unwrap_or(&any).number(&piece.pointer, number));
        let other = shape.and_then(|shape| vault.token(&found.kind, shape, digits, now).ok());
        let text = || Value::from(self.stand_in(vault, act, &found, digits, now)).to_string();
        Some(other.unwrap_or_else(text))
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
    /// [`Code::PrivacyUnseen`], [`Code::PrivacyDocument`].
    pub(crate) fn edits(
        &self,
        caller: &Caller,
        inspector: Option<&Inspector>,
        towards: Towards<'_>,
        pieces: &[Piece<'_>],
        looked: &Looked,
    ) -> Result<Edits, Code> {
        self.edits_fitting(caller, inspector, towards, pieces, looked, None)
    }

    /// The same, with stand-ins that fit what a schema says of their places.
    fn edits_fitting(
        &self,
        caller: &Caller,
        inspector: Option<&Inspector>,
        towards: Towards<'_>,
        pieces: &[Piece<'_>],
        looked: &Looked,
        fitting: Option<&Fitting>,
    ) -> Result<Edits, Code> {
        if !self.masks(towards) {
            return Ok(Edits::default());
        }
        let held = self.vault(caller);
        let edits = {
            let mut vault = held.lock();
            vault.set_unclaimed(claims::is_nobodys(caller, towards));
            let edits = self.edits_in(&mut vault, (inspector, fitting), towards, pieces, looked);
            vault.set_unclaimed(false);
            edits?
        };
        self.vaults.keep(caller, &held);
        Ok(edits)
    }

    /// The same, with the values in a vault.
    fn edits_in(
        &self,
        vault: &mut Vault,
        (inspector, fitting): (Option<&Inspector>, Option<&Fitting>),
        towards: Towards<'_>,
        pieces: &[Piece<'_>],
        looked: &Looked,
    ) -> Result<Edits, Code> {
        if looked.unseen {
            return Err(Code::PrivacyUnseen);
        }
        let now = clock::now();
        let mut edits = Edits::default();
        let mut names = Names::of(pieces);
        for (piece, marks) in pieces.iter().zip(&looked.marks) {
            if piece.source.is_file() {
                let change = self.document(inspector, vault, towards, piece, now)?;
                if let Some(change) = change {
                    edits.changes.push(change);
                    edits.findings.push(masked_at(&piece.pointer));
                }
                continue;
            }
            // Arguments are the agent's to call with, and go on to a tool by the rules of calls.
            if matches!(towards, Towards::Answer) && !is_said(&piece.pointer) {
                continue;
            }
            let marks = known(marks.as_deref()).ok_or(Code::PrivacyUnseen)?;
            // A tool's definition is the server's and tells no value of anybody's; one that is masked already it may repeat.
            let owned;
            let marks = if matches!(piece.source, Source::Description | Source::Schema) {
                &[]
            } else {
                owned = encoded::with(inspector, &piece.text, marks);
                owned.as_ref()
            };
            let json = match piece.source {
                Source::Number => self.number(vault, towards, piece, marks, now, fitting),
                _ => {
                    let fit = |range: &Range<usize>, shape| shape_at(piece, fitting, range, shape);
                    self.text_fitting(vault, towards, &piece.text, marks, now, &fit)
                        .map(|text| Value::from(names.apart(piece, text)).to_string())
                }
            };
            let Some(json) = json else { continue };
            edits.changes.push((piece.span.clone(), json));
            if edits.findings.len() < 16 {
                edits.findings.push(masked_at(&piece.pointer));
            }
        }
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

/// The shape of a stand-in at a place of a text, where that has to fit: a whole text what a schema says of it, and a number
/// among a call's arguments another, or the model would learn to call with a text.
fn shape_at(
    piece: &Piece<'_>,
    fitting: Option<&Fitting>,
    range: &Range<usize>,
    shape: Shape,
) -> Option<Shape> {
    if piece.key_of.is_some() {
        return None;
    }
    if *range == (0..piece.text.len()) {
        return fitting?.text(&piece.pointer, shape);
    }
    let is_number = piece.pointer.ends_with("/arguments") && is_bare_number(&piece.text, range);
    let number = piece.text.get(range.clone()).filter(|_| is_number)?;
    Fitting::any().number("", number.parse().ok()?)
}

/// Whether a range is a number of a text that is JSON: what takes its place is a text there, with the quotes of one.
fn is_bare_number(text: &str, range: &Range<usize>) -> bool {
    let digits = text.get(range.clone()).unwrap_or_default();
    let before = text.get(..range.start).unwrap_or_default().trim_end();
    let after = text.get(range.end..).unwrap_or_default().trim_start();
    text.trim_start().starts_with(['{', '['])
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && before.ends_with([':', ',', '['])
        && after.starts_with([',', '}', ']'])
}

/// What was seen in a text, where that is all of it.
fn known(marks: Option<&[Mark]>) -> Option<&[Mark]> {
    marks.filter(|marks| marks.iter().all(|mark| mark.what != MORE))
}

fn masked_at(pointer: &str) -> Finding {
    Finding {
        kind: FindingKind::Masked,
        severity: Severity::Info,
        what: "".into(),
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
        Towards::Answer => rule.answers,
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
    /// With every token restored but those that are names, to trace where they came from. Never goes out.
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
                complete: true,
                ..Arguments::default()
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
            let mut all = |kind: &Kind| {
                kinds.insert(kind.clone());
                true
            };
            let _whole = restored(&vault, arguments, now, Keys::Restored, &mut all);
            // Where a value came from is told by its place, and places are recorded: their names stay tokens.
            let known = restored(&vault, arguments, now, Keys::AsTheyAre, &mut all);
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
        let outgoing = restored(&held.lock(), arguments, now, Keys::Restored, &mut |kind| {
            may.contains(kind)
        });
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
                Keys::AsTheyAre,
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
        definition: &RawValue,
    ) -> Result<Option<Value>, Refusal> {
        let name = format!("{server}/{tool}");
        let towards = Towards::Tool(&name);
        let Some(privacy) = self.privacy.as_ref().filter(|privacy| privacy.masks(towards)) else {
            return Ok(None);
        };
        let text = arguments.to_string();
        let pieces = of_value(&text, Source::Data, "");
        let looked = self.look(caller, None, &pieces).await;
        let fitting = Fitting::of(definition);
        let edits = privacy
            .edits_fitting(
                caller,
                self.inspector.as_deref(),
                towards,
                &pieces,
                &looked,
                fitting.as_ref(),
            )
            .map_err(|code| self.reject(code, Some(&caller.principal)))?;
        if edits.changes.is_empty() {
            return Ok(None);
        }
        // What does not read back would go as it was.
        let departed: Value = serde_json::from_str(&bartizan_wire::json::replace(&text, &edits.changes))
            .map_err(|_| self.reject(Code::Bug, Some(&caller.principal)))?;
        Ok((departed != *arguments).then_some(departed))
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
        let edits = privacy.edits(caller, self.inspector.as_deref(), Towards::Agent, pieces, looked)?;
        if edits.changes.is_empty() {
            return Ok(None);
        }
        let text = bartizan_wire::json::replace(result.get(), &edits.changes);
        let masked = RawValue::from_string(text).map_err(|_| Code::Bug)?;
        Ok(Some((masked, edits.findings)))
    }
}

/// What becomes of tokens that are names of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    Restored,
    AsTheyAre,
}

/// A value with the tokens in its texts and whole numbers restored, and in its keys where that is said.
fn restored(
    vault: &Vault,
    value: &Value,
    now: Timestamp,
    keys: Keys,
    may: &mut dyn FnMut(&Kind) -> bool,
) -> Value {
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
        Value::Array(items) => items
            .iter()
            .map(|item| restored(vault, item, now, keys, may))
            .collect(),
        Value::Object(members) => {
            let mut out = serde_json::Map::with_capacity(members.len());
            for (key, value) in members {
                let value = restored(vault, value, now, keys, may);
                let name = match keys {
                    Keys::Restored => vault.restore(key, now, &mut *may).into_owned(),
                    Keys::AsTheyAre => key.clone(),
                };
                // Two tokens of one value stay apart.
                let is_taken = name != *key && (members.contains_key(&name) || out.contains_key(&name));
                out.insert(if is_taken { key.clone() } else { name }, value);
            }
            Value::Object(out)
        }
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests;
