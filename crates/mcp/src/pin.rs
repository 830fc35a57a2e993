//! Pins: what a server said of itself when it was first seen, and whether it still does.
//!
//! A pinned definition is the whole object as listed, `_meta`, icons and all, in RFC 8785 form: whatever a model, a
//! client or a person may be shown, a change of it is a change. Only a resource's `size` and `annotations` are left
//! out, since they tell of content that changes by nature.
//!
//! INVARIANT: a definition that differs from its pin is withheld until an operator approves it, across restarts.
//! Nothing but [`ServerPins::approve`] moves a pin.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use bartizan_types::{Code, Digest, Finding, FindingKind, PinState, ServerName, Severity, Timestamp};
use bartizan_wire::json;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::message::{Members, Object};

/// Most pins of one server.
pub const MAX_PINS: usize = 8192;
/// Longest pinned definition, bytes.
pub const MAX_DEFINITION: usize = 200 << 10;
/// Longest name, URI or template that can be pinned, bytes.
pub const MAX_NAME: usize = 960;

/// What is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinKind {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource, by URI.
    Resource,
    /// A resource template, by URI template.
    Template,
    /// The server's instructions.
    Instructions,
    /// Its `serverInfo`.
    Identity,
    /// The program that is run, or the address that is called.
    Package,
}

impl PinKind {
    /// The word in keys, commands and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Template => "template",
            Self::Instructions => "instructions",
            Self::Identity => "identity",
            Self::Package => "package",
        }
    }
}

/// Who approved a definition, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The operator, as the admin API knows them.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A definition as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Digest of kind and canonical definition.
    pub digest: Digest,
    /// The canonical definition.
    pub definition: String,
    /// When it was first seen.
    pub at: Timestamp,
}

/// One pin: what is held to, and what the server says now if that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Kind.
    pub kind: PinKind,
    /// The thing's own name, URI or template.
    pub name: String,
    /// What is held to.
    pub held: Seen,
    /// Who approved it; nobody yet if it is only the first one seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Approval>,
    /// A different definition waiting for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Seen>,
    /// It appeared after the first whole listing of its kind. Resources come and go by nature, so of them it is never
    /// said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub added: bool,
}

impl Pin {
    /// Whether it appeared after the first whole listing, and nobody has looked at it since.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.added && self.approved.is_none()
    }
}

/// All pins of one server. This is the stored value; `version` rises with any change of meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerPins {
    /// Format, 1 today.
    pub version: u8,
    /// The server.
    pub server: ServerName,
    /// Kinds of which a whole listing was seen: what appears later is new.
    pub listed: Vec<PinKind>,
    /// Pins by `kind:name`.
    pub pins: BTreeMap<String, Pin>,
}

/// How one listed thing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Against its pin.
    pub state: PinState,
    /// Whether it is kept from agents.
    pub withheld: bool,
    /// What there is to report.
    pub finding: Option<Finding>,
}

/// Why a definition can't be pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinFault {
    /// Longer than the bound, or more pins than the bound.
    #[error("more definitions, or a longer one, than can be pinned")]
    TooMuch,
    /// Not an object, or no canonical form.
    #[error("the definition has no canonical form")]
    Form,
    /// Nothing is pinned, or nothing waits, under that name.
    #[error("nothing of that name waits for approval")]
    Nothing,
}

impl From<PinFault> for Code {
    fn from(_: PinFault) -> Self {
        Self::UpstreamMalformed
    }
}

/// The digest of a definition: SHA-256 over a domain, the kind, and the RFC 8785 form.
fn digest(kind: PinKind, canonical: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(b"bartizan mcp pin v1\0");
    context.update(kind.as_str().as_bytes());
    context.update(b"\0");
    context.update(canonical);
    let mut bytes = [0_u8; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Digest(bytes)
}

/// The canonical form of a definition.
///
/// # Errors
/// [`PinFault`].
pub fn canonical(kind: PinKind, definition: &RawValue) -> Result<String, PinFault> {
    if definition.get().len() > MAX_DEFINITION {
        return Err(PinFault::TooMuch);
    }
    let trimmed;
    let definition = if kind == PinKind::Resource {
        let mut out = Object::default();
        for (key, value) in Members::read(definition).map_err(|_| PinFault::Form)?.iter() {
            if !matches!(key, "size" | "annotations") {
                out.json(key, value.get());
            }
        }
        trimmed = RawValue::from_string(out.finish()).map_err(|_| PinFault::Form)?;
        &*trimmed
    } else {
        definition
    };
    let bytes = json::canonical(definition).map_err(|_| PinFault::Form)?;
    String::from_utf8(bytes).map_err(|_| PinFault::Form)
}

fn key(kind: PinKind, name: &str) -> String {
    format!("{}:{name}", kind.as_str())
}

fn finding(kind: FindingKind, of: PinKind, severity: Severity) -> Finding {
    Finding {
        kind,
        severity,
        what: of.as_str().into(),
        score: 1000,
        span: None,
        pointer: String::new(),
        // Supply chain compromise of agent tools; agentic supply chain.
        taxonomy: vec!["AML.T0010".to_owned(), "ASI04".to_owned()],
    }
}

impl ServerPins {
    /// No pins yet.
    #[must_use]
    pub const fn new(server: ServerName) -> Self {
        Self {
            version: 1,
            server,
            listed: Vec::new(),
            pins: BTreeMap::new(),
        }
    }

    /// Compares one definition with its pin, and pins it if it is the first of its name. Says whether anything must
    /// be stored.
    ///
    /// # Errors
    /// [`PinFault`]: the thing must be withheld.
    pub fn judge(
        &mut self,
        kind: PinKind,
        name: &str,
        definition: &RawValue,
        now: Timestamp,
    ) -> Result<(Judged, bool), PinFault> {
        let canonical = canonical(kind, definition)?;
        let seen = Seen {
            digest: digest(kind, canonical.as_bytes()),
            definition: canonical,
            at: now,
        };
        let later = self.listed.contains(&kind);
        let room = self.pins.len() < MAX_PINS && name.len() <= MAX_NAME;
        let shown = |state, finding| Judged {
            state,
            withheld: false,
            finding,
        };
        let Some(pin) = self.pins.get_mut(&key(kind, name)) else {
            if !room {
                return Err(PinFault::TooMuch);
            }
            let pin = Pin {
                kind,
                name: name.to_owned(),
                held: seen,
                approved: None,
                waiting: None,
                added: later && kind != PinKind::Resource,
            };
            self.pins.insert(key(kind, name), pin);
            let severity = if kind == PinKind::Resource {
                Severity::Info
            } else {
                Severity::Low
            };
            let finding = later.then(|| finding(FindingKind::PinAdded, kind, severity));
            return Ok((shown(PinState::First, finding), true));
        };
        if pin.held.digest == seen.digest {
            // Back to what was held: what waited is no longer on offer.
            let changed = pin.waiting.take().is_some();
            let state = if pin.approved.is_some() {
                PinState::Same
            } else {
                PinState::First
            };
            // It stays news in every call's evidence until somebody has looked at it.
            let news = pin.is_new();
            let finding = news.then(|| finding(FindingKind::PinAdded, kind, Severity::Low));
            return Ok((shown(state, finding), changed));
        }
        let news = pin
            .waiting
            .as_ref()
            .is_none_or(|waiting| waiting.digest != seen.digest);
        if news {
            pin.waiting = Some(seen);
        }
        let judged = Judged {
            state: PinState::Changed,
            withheld: true,
            finding: Some(finding(FindingKind::PinChanged, kind, Severity::High)),
        };
        Ok((judged, news))
    }

    /// Drops the pin of a thing that the operator's own configuration changed: what comes next is a first sight.
    pub fn forget(&mut self, kind: PinKind, name: &str) {
        self.pins.remove(&key(kind, name));
    }

    /// A whole listing of a kind was seen: from now on an unknown name is news. Says whether to store.
    pub fn settle(&mut self, kind: PinKind) -> bool {
        if self.listed.contains(&kind) {
            return false;
        }
        self.listed.push(kind);
        true
    }

    /// How a thing stands without a listing at hand.
    #[must_use]
    pub fn state(&self, kind: PinKind, name: &str) -> PinState {
        match self.pins.get(&key(kind, name)) {
            None => PinState::Unlisted,
            Some(Pin { waiting: Some(_), .. }) => PinState::Changed,
            Some(Pin {
                approved: Some(_), ..
            }) => PinState::Same,
            Some(_) => PinState::First,
        }
    }

    /// The pin of a thing.
    #[must_use]
    pub fn pin(&self, kind: PinKind, name: &str) -> Option<&Pin> {
        self.pins.get(&key(kind, name))
    }

    /// Everything that waits for an operator, and everything never reviewed.
    pub fn unreviewed(&self) -> impl Iterator<Item = &Pin> {
        self.pins
            .values()
            .filter(|pin| pin.waiting.is_some() || pin.approved.is_none())
    }

    /// An operator approves what the server says now. `digest` is what they looked at: if the server has changed its
    /// mind since, nothing is approved.
    ///
    /// # Errors
    /// [`PinFault::Nothing`] when nothing of that name and digest is there.
    pub fn approve(
        &mut self,
        kind: PinKind,
        name: &str,
        digest: Digest,
        by: &str,
        now: Timestamp,
    ) -> Result<(), PinFault> {
        let pin = self.pins.get_mut(&key(kind, name)).ok_or(PinFault::Nothing)?;
        match &pin.waiting {
            Some(waiting) if waiting.digest == digest => {
                pin.held = waiting.clone();
                pin.waiting = None;
            }
            None if pin.held.digest == digest => {}
            _ => return Err(PinFault::Nothing),
        }
        pin.approved = Some(Approval {
            by: by.to_owned(),
            at: now,
        });
        Ok(())
    }
}

/// The difference between two definitions, one line per place: `~ /description: "a" → "b"`. At most 200 lines, each
/// value cut at 400 characters and escaped, since it is a hostile server's text on an operator's terminal.
#[must_use]
pub fn diff(old: &str, new: &str) -> Vec<String> {
    let read =
        |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or(serde_json::Value::Null);
    let mut lines = Vec::new();
    compare("", Some(&read(old)), Some(&read(new)), &mut lines);
    lines
}

fn compare(
    at: &str,
    old: Option<&serde_json::Value>,
    new: Option<&serde_json::Value>,
    lines: &mut Vec<String>,
) {
    use serde_json::Value;
    if lines.len() >= 200 || old == new {
        return;
    }
    match (old, new) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let step = key.replace('~', "~0").replace('/', "~1");
                compare(
                    &format!("{at}/{}", shown(&step)),
                    before.get(key),
                    after.get(key),
                    lines,
                );
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for index in 0..before.len().max(after.len()) {
                compare(
                    &format!("{at}/{index}"),
                    before.get(index),
                    after.get(index),
                    lines,
                );
            }
        }
        (Some(before), Some(after)) => {
            lines.push(format!("~ {at}: {} → {}", json_shown(before), json_shown(after)))
        }
        (Some(before), None) => lines.push(format!("- {at}: {}", json_shown(before))),
        (None, Some(after)) => lines.push(format!("+ {at}: {}", json_shown(after))),
        (None, None) => {}
    }
}

fn json_shown(value: &serde_json::Value) -> String {
    shown(&value.to_string())
}

/// Text of a server made fit for a terminal: controls, direction overrides and invisible characters become escapes.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count >= 400 {
            out.push('…');
            break;
        }
        let invisible = matches!(u32::from(character),
            0x00AD | 0x061C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFE00..=0xFE0F
            | 0xFEFF | 0xFFF9..=0xFFFB | 0xE0000..=0xE0FFF);
        if character.is_control() || invisible {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests;
