//! Listings: many servers' tools, prompts and resources as one list, without what is withheld.
//!
//! A server's pages are read to their end, judged against the pins, and kept as a [`Catalog`]. Agents get pages of
//! ours, filtered by what the caller says they may use. Cursors are ours too: one that was made up, or belongs to a
//! list that has changed, is refused.

use std::{collections::BTreeMap, sync::Arc};

use bartizan_types::{
    Code, Effects, Finding, FindingKind, PinState, Resource, ServerName, Severity, Timestamp, ToolName,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::value::RawValue;

use crate::{
    Names, Schema,
    message::{Members, Object, items},
    pin::{Judged, PinFault, PinKind, ServerPins},
    schema::effects,
};

/// Most things of one kind that one server may list.
pub const MAX_ITEMS: usize = 4096;
/// Most pages read of one listing.
pub const MAX_PAGES: usize = 64;
/// Bytes of all definitions of one listing together.
pub const MAX_LISTING_BYTES: usize = 16 << 20;
/// Longest URI, bytes.
pub const MAX_URI: usize = 2048;
/// Bytes of definitions after which a page of ours ends.
const PAGE_BYTES: usize = 1 << 20;
/// Things after which a page of ours ends.
const PAGE_ITEMS: usize = 1000;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListKind {
    /// Tools.
    Tools,
    /// Prompts.
    Prompts,
    /// Resources.
    Resources,
    /// Resource templates.
    Templates,
}

impl ListKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The method that lists it.
    #[must_use]
    pub const fn method(self) -> crate::Method {
        match self {
            Self::Tools => crate::Method::ToolsList,
            Self::Prompts => crate::Method::PromptsList,
            Self::Resources => crate::Method::ResourcesList,
            Self::Templates => crate::Method::TemplatesList,
        }
    }

    /// What a method lists.
    #[must_use]
    pub const fn of(method: crate::Method) -> Option<Self> {
        Some(match method {
            crate::Method::ToolsList => Self::Tools,
            crate::Method::PromptsList => Self::Prompts,
            crate::Method::ResourcesList => Self::Resources,
            crate::Method::TemplatesList => Self::Templates,
            _ => return None,
        })
    }

    /// The member of the result that holds the list.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// What of it is pinned.
    #[must_use]
    pub const fn pin(self) -> PinKind {
        match self {
            Self::Tools => PinKind::Tool,
            Self::Prompts => PinKind::Prompt,
            Self::Resources => PinKind::Resource,
            Self::Templates => PinKind::Template,
        }
    }

    const fn name_member(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

/// One listed thing.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its own name, URI or template.
    pub name: String,
    /// The definition as the server gave it.
    pub definition: Box<RawValue>,
    /// How it stands against its pin.
    pub state: PinState,
    /// Kept from agents: changed, or it can't be used.
    pub withheld: bool,
    /// Why it can't be used, whatever anybody approves.
    pub unusable: Option<&'static str>,
    /// What it says of itself.
    pub effects: Effects,
    /// A tool's input schema.
    pub input: Option<Schema>,
    /// A tool's output schema.
    pub output: Option<Schema>,
    /// What there is to report; goes into the evidence of each call.
    pub findings: Vec<Finding>,
}

/// What one server lists of one kind.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    entries: Vec<Arc<Listed>>,
    by_name: BTreeMap<String, usize>,
}

/// A listing being read, page by page.
#[derive(Debug)]
pub struct Reader {
    kind: ListKind,
    pages: usize,
    bytes: usize,
    raw: Vec<Box<RawValue>>,
}

impl Reader {
    /// Nothing read yet.
    #[must_use]
    pub const fn new(kind: ListKind) -> Self {
        Self {
            kind,
            pages: 0,
            bytes: 0,
            raw: Vec::new(),
        }
    }

    /// Takes one page; gives the cursor of the next, if there is one.
    ///
    /// # Errors
    /// [`Code::UpstreamMalformed`] when the page is no such list, [`Code::UpstreamTooLarge`] past the bounds.
    pub fn page(&mut self, result: &RawValue) -> Result<Option<String>, Code> {
        self.pages += 1;
        if self.pages > MAX_PAGES {
            return Err(Code::UpstreamTooLarge);
        }
        let members = Members::read(result).map_err(|_| Code::UpstreamMalformed)?;
        let list = members.find(self.kind.member()).ok_or(Code::UpstreamMalformed)?;
        for item in items(list).map_err(|_| Code::UpstreamMalformed)? {
            self.bytes = self.bytes.saturating_add(item.get().len());
            if self.raw.len() >= MAX_ITEMS || self.bytes > MAX_LISTING_BYTES {
                return Err(Code::UpstreamTooLarge);
            }
            self.raw.push(item.to_owned());
        }
        let next = members.text("nextCursor").map_err(|_| Code::UpstreamMalformed)?;
        Ok(next.map(std::borrow::Cow::into_owned))
    }

    /// Judges what was read. `earlier` lends compiled schemas of definitions that did not change. Says whether the
    /// pins must be stored.
    #[must_use]
    pub fn finish(self, pins: &mut ServerPins, earlier: Option<&Catalog>, now: Timestamp) -> (Catalog, bool) {
        let mut catalog = Catalog::default();
        let mut store = false;
        for definition in self.raw {
            let Some((listed, changed)) = judge(self.kind, &definition, pins, earlier, now) else {
                continue;
            };
            store |= changed;
            // A name listed twice has two meanings: neither is offered.
            if let Some(at) = catalog.by_name.get(&listed.name) {
                if let Some(entry) = catalog.entries.get_mut(*at) {
                    let mut both = Listed::clone(entry);
                    both.withheld = true;
                    both.unusable = Some("its name stands twice in the server's list");
                    *entry = Arc::new(both);
                }
                continue;
            }
            catalog.by_name.insert(listed.name.clone(), catalog.entries.len());
            catalog.entries.push(Arc::new(listed));
        }
        store |= pins.settle(self.kind.pin());
        (catalog, store)
    }
}

fn judge(
    kind: ListKind,
    definition: &RawValue,
    pins: &mut ServerPins,
    earlier: Option<&Catalog>,
    now: Timestamp,
) -> Option<(Listed, bool)> {
    let members = Members::read(definition).ok()?;
    let name = members.text(kind.name_member()).ok()??.into_owned();
    // Nothing that can't be named in a policy or a record is ever offered.
    let nameable = match kind {
        ListKind::Tools | ListKind::Prompts => ToolName::new(&name).is_ok(),
        ListKind::Resources | ListKind::Templates => !name.is_empty() && name.len() <= MAX_URI,
    };
    if !nameable {
        return None;
    }
    let (judged, store, unusable) = match pins.judge(kind.pin(), &name, definition, now) {
        Ok((judged, store)) => (judged, store, None),
        Err(fault) => (
            Judged {
                state: PinState::Unlisted,
                withheld: true,
                finding: None,
            },
            false,
            Some(match fault {
                PinFault::TooMuch => "its definition is too long to pin, or there are too many",
                PinFault::Form | PinFault::Nothing => "its definition has no canonical form",
            }),
        ),
    };
    let mut listed = Listed {
        name,
        definition: definition.to_owned(),
        state: judged.state,
        withheld: judged.withheld,
        unusable,
        effects: Effects::default(),
        input: None,
        output: None,
        findings: judged.finding.into_iter().collect(),
    };
    if kind == ListKind::Tools {
        let same = earlier
            .and_then(|earlier| earlier.find(&listed.name))
            .filter(|before| before.definition.get() == definition.get());
        listed.effects = effects(members.find("annotations"));
        if let Some(before) = same {
            listed.input = before.input.clone();
            listed.output = before.output.clone();
        } else {
            listed.input = members
                .find("inputSchema")
                .and_then(|raw| Schema::compile(raw).ok());
            listed.output = members
                .find("outputSchema")
                .and_then(|raw| Schema::compile(raw).ok());
        }
        if listed.input.is_none() {
            listed.withheld = true;
            listed.unusable = Some("its input schema is missing or can't be used");
            listed.findings.push(unfit("/inputSchema"));
        }
        if listed.output.is_none() && members.find("outputSchema").is_some() {
            listed.findings.push(unfit("/outputSchema"));
        }
    }
    Some((listed, store))
}

fn unfit(pointer: &str) -> Finding {
    Finding {
        kind: FindingKind::SchemaMismatch,
        severity: Severity::Medium,
        what: "".into(),
        score: 1000,
        span: None,
        pointer: pointer.to_owned(),
        taxonomy: vec!["ASI02".to_owned()],
    }
}

impl Catalog {
    /// The thing of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Listed>> {
        self.entries.get(*self.by_name.get(name)?)
    }

    /// Has each thing looked at; what is found goes into the evidence of its calls.
    pub fn examine(&mut self, look: &mut dyn FnMut(&Listed) -> Vec<Finding>) {
        for entry in &mut self.entries {
            let found = look(entry);
            if !found.is_empty() {
                Arc::make_mut(entry).findings.extend(found);
            }
        }
    }

    /// Everything, in the server's order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Listed>> {
        self.entries.iter()
    }

    /// Bytes of all definitions together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries
            .iter()
            .map(|entry| entry.definition.get().len())
            .sum()
    }

    /// Whether a URI is listed here, or fits a template listed here.
    #[must_use]
    pub fn serves(&self, uri: &str) -> bool {
        self.find(uri).is_some() || self.entries.iter().any(|entry| fits(&entry.name, uri))
    }
}

/// Whether a URI could come from a template (RFC 6570): its literal parts appear in order, the first at the start and
/// the last at the end. Used for routing alone; the server decides what the URI means.
#[must_use]
pub fn fits(template: &str, uri: &str) -> bool {
    if !template.contains('{') {
        return template == uri;
    }
    let mut rest = uri;
    let mut literals = template
        .split('{')
        .enumerate()
        .map(|(at, part)| match (at, part.split_once('}')) {
            (0, _) => part,
            (_, Some((_, literal))) => literal,
            (_, None) => "\0",
        });
    let Some(first) = literals.next() else {
        return false;
    };
    let Some(stripped) = rest.strip_prefix(first) else {
        return false;
    };
    rest = stripped;
    let mut last = "";
    for literal in literals {
        let Some(at) = rest.find(literal) else {
            return false;
        };
        rest = rest.get(at + literal.len()..).unwrap_or_default();
        last = literal;
    }
    last.is_empty() || rest.is_empty() || uri.ends_with(last)
}

/// One server's part of a merged listing.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// The server.
    pub server: &'a ServerName,
    /// What it lists.
    pub catalog: &'a Catalog,
}

/// One page of the merged listing: the result's JSON. `show` says whether this agent may see a thing.
///
/// # Errors
/// [`Code::MessageInvalid`] when the cursor is not one of ours for this very list.
pub fn page(
    kind: ListKind,
    names: &Names,
    parts: &[Part<'_>],
    cursor: Option<&str>,
    show: &mut dyn FnMut(&Resource, &Listed) -> bool,
) -> Result<String, Code> {
    let mut visible: Vec<(&ServerName, &Listed)> = Vec::new();
    for part in parts {
        for entry in part.catalog.iter() {
            if !entry.withheld && resource(kind, part.server, &entry.name).is_some_and(|it| show(&it, entry))
            {
                visible.push((part.server, entry));
            }
        }
    }
    let stamp = fingerprint(kind, &visible);
    let start = match cursor {
        None => 0,
        Some(cursor) => open_cursor(cursor, stamp)
            .filter(|at| *at < visible.len())
            .ok_or(Code::MessageInvalid)?,
    };
    let mut list = String::from("[");
    let mut at = start;
    for (server, entry) in visible.iter().skip(start).take(PAGE_ITEMS) {
        if list.len() > PAGE_BYTES {
            break;
        }
        if list.len() > 1 {
            list.push(',');
        }
        push_definition(&mut list, kind, names, server, entry)?;
        at += 1;
    }
    list.push(']');
    let mut out = Object::with_capacity(list.len() + 64);
    out.json(kind.member(), &list);
    if at < visible.len() {
        out.text("nextCursor", &seal_cursor(at, stamp));
    }
    Ok(out.finish())
}

/// What policy is asked about one listed thing. `None` when it can't be named.
#[must_use]
pub fn resource(kind: ListKind, server: &ServerName, name: &str) -> Option<Resource> {
    let server = server.clone();
    Some(match kind {
        ListKind::Tools => Resource::Tool {
            server,
            tool: ToolName::new(name).ok()?,
        },
        ListKind::Prompts => Resource::Prompt {
            server,
            prompt: ToolName::new(name).ok()?,
        },
        ListKind::Resources | ListKind::Templates => Resource::McpResource {
            server,
            uri: name.to_owned(),
        },
    })
}

fn push_definition(
    out: &mut String,
    kind: ListKind,
    names: &Names,
    server: &ServerName,
    entry: &Listed,
) -> Result<(), Code> {
    if !names.prefixed() || !matches!(kind, ListKind::Tools | ListKind::Prompts) {
        out.push_str(entry.definition.get());
        return Ok(());
    }
    let mut renamed = Object::with_capacity(entry.definition.get().len() + 32);
    renamed.text("name", &names.publish(server, &entry.name));
    for (key, value) in Members::read(&entry.definition)?.iter() {
        if key != "name" {
            renamed.json(key, value.get());
        }
    }
    out.push_str(&renamed.finish());
    Ok(())
}

/// FNV-1a over what the list shows: a cursor is good for that list alone. Nothing secret hangs on it: a forged cursor
/// can only skip entries of a list that its holder may read anyway.
fn fingerprint(kind: ListKind, visible: &[(&ServerName, &Listed)]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |text: &str| {
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    eat(kind.member());
    for (server, entry) in visible {
        eat(server.as_str());
        eat(&entry.name);
    }
    hash
}

fn seal_cursor(at: usize, stamp: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("bz1.{at}.{stamp:016x}"))
}

fn open_cursor(cursor: &str, stamp: u64) -> Option<usize> {
    if cursor.len() > 128 {
        return None;
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let at = text
        .strip_prefix("bz1.")?
        .strip_suffix(&format!(".{stamp:016x}"))?;
    at.parse().ok()
}

#[cfg(test)]
mod tests;
