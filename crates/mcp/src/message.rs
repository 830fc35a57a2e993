//! Reading `params` without a tree, and rewriting them member by member.
//!
//! INVARIANT 10: what is not rewritten is copied as the bytes it came in. Only `name`, `cursor`, `uri`, `_meta` and
//! the multi-round-trip members are ever replaced, each by a value that was checked.

use std::{borrow::Cow, fmt};

use bartizan_types::Code;
use bartizan_wire::json;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{Method, Revision};

/// `_meta` key of the request's revision (2026-07-28, basic, `_meta`).
pub const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta` key of the client's name.
pub const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
/// `_meta` key of the client's capabilities.
pub const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// `_meta` key of the wanted log level.
pub const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// `_meta` key that ties a notice to its stream.
pub const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

const PROGRESS: &str = "progressToken";
const TRACE: &str = "traceparent";
/// Members of `params` and `_meta` that the gateway reads, or that say what a request does.
const READ: [&str; 22] = [
    "name",
    "arguments",
    "uri",
    "ref",
    "argument",
    "context",
    "cursor",
    "level",
    "_meta",
    "inputResponses",
    "requestState",
    "requestId",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "notifications",
    "task",
    PROGRESS,
    META_VERSION,
    META_CLIENT,
    META_CAPABILITIES,
    META_LOG_LEVEL,
];
/// Members of `params` that never pass as they stand, or that are ruled on by themselves.
const APART: [&str; 4] = ["_meta", "cursor", "inputResponses", "requestState"];
/// Members of `_meta` that are replaced or left out.
const REPLACED: [&str; 5] = [
    PROGRESS,
    META_VERSION,
    META_CLIENT,
    META_CAPABILITIES,
    META_LOG_LEVEL,
];
/// Levels of log lines (RFC 5424 section 6.2.1).
pub(crate) const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];
/// The client as every server sees it: us. What an agent says of itself is free text, which no ruling covers.
pub(crate) const CLIENT: &str = concat!(
    r#"{"name":"bartizan","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);
/// What a client can promise a server, and the flags of each (2025-11-25 and 2026-07-28, `ClientCapabilities`).
const PROMISES: [(&str, &[&str]); 3] = [
    ("sampling", &["context", "tools"]),
    ("elicitation", &["form", "url"]),
    ("roots", &["listChanged"]),
];
/// The extension by which servers show interfaces of their own (MCP Apps, 2026-01-26), and its one media type.
const APPS: (&str, &str) = ("io.modelcontextprotocol/ui", "text/html;profile=mcp-app");
/// Longest name and capabilities of a client together, bytes. They are kept for as long as a session is.
const FACE_BYTES: usize = 64 << 10;

/// The members of `params` that say what a request of this method does. What else stands there servers get as it is, and
/// no revision says what they make of it.
#[must_use]
pub const fn needed(method: Method) -> &'static [&'static str] {
    match method {
        Method::ToolsCall => &["name", "arguments", "task", "inputResponses", "requestState"],
        Method::PromptsGet => &["name", "arguments", "inputResponses", "requestState"],
        Method::ResourcesRead | Method::Subscribe | Method::Unsubscribe => {
            &["uri", "inputResponses", "requestState"]
        }
        Method::Complete => &["ref", "argument", "context"],
        _ => &[],
    }
}

struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seek;
        impl<'de> Visitor<'de> for Seek {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Seek).map(Text)
    }
}

/// The members of an object, in order, values as they stand.
#[derive(Debug, Clone, Default)]
pub struct Members<'a> {
    list: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seek;
        impl<'de> Visitor<'de> for Seek {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::with_capacity(8);
                while let Some(Text(key)) = map.next_key()? {
                    list.push((key, map.next_value()?));
                }
                Ok(Members { list })
            }
        }
        deserializer.deserialize_map(Seek)
    }
}

impl<'a> Members<'a> {
    /// Reads an object that has passed the strict scan.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] when it is no object.
    pub fn read(raw: &'a RawValue) -> Result<Self, Code> {
        serde_json::from_str(raw.get()).map_err(|_| Code::MessageInvalid)
    }

    /// The value of `key`.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&'a RawValue> {
        self.list
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| *value)
    }

    /// The text at `key`, if there is one and it is text.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] when the value is something else.
    pub fn text(&self, key: &str) -> Result<Option<Cow<'a, str>>, Code> {
        self.find(key).map(text).transpose()
    }

    /// Members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.list.iter().map(|(key, value)| (key.as_ref(), *value))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// A raw value as text.
///
/// # Errors
/// [`Code::MessageInvalid`] when it is no string.
pub fn text(raw: &RawValue) -> Result<Cow<'_, str>, Code> {
    let Text(text) = serde_json::from_str(raw.get()).map_err(|_| Code::MessageInvalid)?;
    Ok(text)
}

/// The values of an array.
///
/// # Errors
/// [`Code::MessageInvalid`] when it is no array.
pub fn items(raw: &RawValue) -> Result<Vec<&RawValue>, Code> {
    serde_json::from_str(raw.get()).map_err(|_| Code::MessageInvalid)
}

/// Owns text that is known to be JSON because this module built it from JSON.
///
/// # Errors
/// [`Code::Bug`] when it is not.
pub fn raw(json: String) -> Result<Box<RawValue>, Code> {
    RawValue::from_string(json).map_err(|_| Code::Bug)
}

/// Builds an object member by member.
#[derive(Debug)]
pub struct Object {
    text: String,
}

impl Default for Object {
    fn default() -> Self {
        Self::with_capacity(64)
    }
}

impl Object {
    /// An empty object with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut text = String::with_capacity(bytes);
        text.push('{');
        Self { text }
    }

    /// Adds a member whose value is JSON already.
    pub fn json(&mut self, key: &str, value: &str) -> &mut Self {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        push_text(&mut self.text, key);
        self.text.push(':');
        self.text.push_str(value);
        self
    }

    /// Adds a text member.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.json(key, "");
        push_text(&mut self.text, value);
        self
    }

    /// The object.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

/// Appends `text` as a JSON string.
pub fn push_text(out: &mut String, text: &str) {
    out.push('"');
    if text
        .bytes()
        .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
    {
        out.push_str(text);
    } else {
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                control if u32::from(control) < 0x20 => {
                    out.push_str(&format!("\\u{:04x}", u32::from(control)));
                }
                other => out.push(other),
            }
        }
    }
    out.push('"');
}

/// The `params` of a message, read once.
#[derive(Debug, Clone, Default)]
pub struct Params<'a> {
    members: Members<'a>,
    meta: Members<'a>,
}

impl<'a> Params<'a> {
    /// Reads `params` as an agent sent them. Beside what [`Params::read`] asks, no object in them may have two keys that
    /// differ in letter case alone, and no key may differ so from one that is read here: a server that ignores case
    /// would act on another call than the one that is ruled on.
    ///
    /// # Errors
    /// [`Code::JsonDuplicateKey`] for twins, [`Code::MessageInvalid`] otherwise.
    pub fn strict(params: Option<&'a RawValue>) -> Result<Self, Code> {
        if params.is_some_and(json::twins) {
            return Err(Code::JsonDuplicateKey);
        }
        let read = Self::read(params)?;
        let poses = |key: &str| {
            !READ.contains(&key) && READ.iter().any(|read| json::folded(read) == json::folded(key))
        };
        let said = read.members.iter().chain(read.meta.iter());
        let posing = said.map(|(key, _)| key).filter(|key| poses(key)).count();
        if posing > 0 {
            return Err(Code::MessageInvalid);
        }
        Ok(read)
    }

    /// Reads `params`; absent reads as empty.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] when `params` or its `_meta` is no object.
    pub fn read(params: Option<&'a RawValue>) -> Result<Self, Code> {
        let Some(params) = params else {
            return Ok(Self::default());
        };
        let members = Members::read(params)?;
        let meta = members
            .find("_meta")
            .map(Members::read)
            .transpose()?
            .unwrap_or_default();
        Ok(Self { members, meta })
    }

    /// A member as it stands.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&'a RawValue> {
        self.members.find(key)
    }

    /// A member as text.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] when it is there and no text.
    pub fn text(&self, key: &str) -> Result<Option<Cow<'a, str>>, Code> {
        self.members.text(key)
    }

    /// A member of `_meta` as it stands.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&'a RawValue> {
        self.meta.find(key)
    }

    /// What the server gets of such a request beside what it is for: members of `params` and of `_meta` that are no part
    /// of what is looked at as its arguments.
    pub fn beside(&self, method: crate::Method) -> impl Iterator<Item = (&str, &'a RawValue)> {
        let own = looked_at(method);
        let members = self.members.iter();
        let members = members.filter(move |(key, _)| !own.contains(key) && !APART.contains(key));
        let meta = self
            .meta
            .iter()
            .filter(|(key, value)| !REPLACED.contains(key) && !is_trace(key, value));
        members.chain(meta)
    }

    /// Whether the agent names a trace that the request belongs to.
    #[must_use]
    pub fn names_trace(&self) -> bool {
        self.meta.iter().any(|(key, value)| is_trace(key, value))
    }

    /// Whether servers get more than the `needed` members: others of `params`, or of `_meta` what is not ours to write and
    /// does not name a trace.
    #[must_use]
    pub fn is_laden(&self, needed: &[&str]) -> bool {
        let more = |key: &str| !matches!(key, "_meta" | "cursor") && !needed.contains(&key);
        self.members.iter().any(|(key, _)| more(key))
            || self
                .meta
                .iter()
                .any(|(key, value)| !REPLACED.contains(&key) && !is_trace(key, value))
    }

    /// The revision that the request says it follows, as text.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] when it is no text.
    pub fn version(&self) -> Result<Option<Cow<'a, str>>, Code> {
        self.meta.text(META_VERSION)
    }

    /// The caller's progress token.
    #[must_use]
    pub fn progress_token(&self) -> Option<&'a RawValue> {
        self.meta.find(PROGRESS)
    }

    /// `params` for the other side.
    #[must_use]
    pub fn rewritten(&self, rewrite: &Rewrite<'_>, token: Option<u64>) -> String {
        let mut out = Object::with_capacity(256);
        for (key, value) in self.members.iter() {
            match key {
                "_meta" => {}
                "name" if rewrite.shape.name.is_some() => {}
                "ref" if rewrite.shape.reference.is_some() => {}
                "cursor" => {}
                // Sessions know no such thing.
                "inputResponses" | "requestState"
                    if !rewrite.shape.keep_input || !rewrite.revision.stateless() => {}
                more if rewrite.shape.bare.is_some_and(|needed| !needed.contains(&more)) => {}
                _ => {
                    out.json(key, value.get());
                }
            }
        }
        if let Some(name) = rewrite.shape.name {
            out.text("name", name);
        }
        if let Some(reference) = rewrite.shape.reference {
            out.json("ref", reference);
        }
        if let Some(cursor) = rewrite.shape.cursor {
            out.text("cursor", cursor);
        }
        if let Some(responses) = rewrite.shape.input_responses {
            out.json("inputResponses", responses);
        }
        if let Some(state) = rewrite.shape.request_state {
            out.text("requestState", state);
        }
        let meta = self.rewritten_meta(rewrite, token);
        if meta.len() > 2 {
            out.json("_meta", &meta);
        }
        out.finish()
    }

    fn rewritten_meta(&self, rewrite: &Rewrite<'_>, token: Option<u64>) -> String {
        let mut meta = Object::with_capacity(192);
        for (key, value) in self.meta.iter() {
            if rewrite.shape.bare.is_none() && !REPLACED.contains(&key) && !is_trace(key, value) {
                meta.json(key, value.get());
            }
        }
        if let Some(trace) = rewrite.shape.trace {
            meta.text(TRACE, trace);
        }
        if let (Some(token), Some(_)) = (token, self.progress_token()) {
            meta.json(PROGRESS, &token.to_string());
        }
        if rewrite.revision.stateless() {
            rewrite.face.stamp(rewrite.revision, &mut meta);
            let own = self.meta(META_LOG_LEVEL).and_then(|raw| text(raw).ok());
            let own = own.filter(|level| LEVELS.contains(&level.as_ref()));
            if let Some(level) = own.as_deref().or(rewrite.shape.log_level) {
                meta.text(META_LOG_LEVEL, level);
            }
        }
        meta.finish()
    }
}

/// A `traceparent` (W3C Trace Context section 3.2) and nothing else. Its digits are the agent's to choose, so a server is
/// told ours.
fn is_trace(key: &str, value: &RawValue) -> bool {
    let Ok(said) = text(value) else { return false };
    let mut parts = said.split('-');
    let hex =
        |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    key == TRACE
        && [2, 32, 16, 2]
            .iter()
            .all(|length| parts.next().is_some_and(|part| hex(part, *length)))
        && parts.next().is_none()
}

/// What changes in `params` on their way to a server.
#[derive(Debug, Clone, Copy)]
pub struct Rewrite<'a> {
    /// The revision spoken with the server.
    pub revision: Revision,
    /// Who we say the client is.
    pub face: &'a Face,
    /// What else.
    pub shape: Shape<'a>,
}

/// Members that are replaced, each by a value that was checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape<'a> {
    /// The tool's or prompt's own name.
    pub name: Option<&'a str>,
    /// The completion reference, with the server's own name in it.
    pub reference: Option<&'a str>,
    /// The server's own cursor.
    pub cursor: Option<&'a str>,
    /// The log level of a session, for servers that take it per request.
    pub log_level: Option<&'a str>,
    /// Whether the caller's own `inputResponses` and `requestState` pass.
    pub keep_input: bool,
    /// Answers we collected for the server.
    pub input_responses: Option<&'a str>,
    /// The server's own state, handed back.
    pub request_state: Option<&'a str>,
    /// Nothing goes but these members and what is ours: see [`needed`].
    pub bare: Option<&'a [&'a str]>,
    /// Our own `traceparent`, where the agent named one.
    pub trace: Option<&'a str>,
}

impl<'a> Rewrite<'a> {
    /// Nothing changes but `_meta` and the cursor, which is left out.
    #[must_use]
    pub fn new(revision: Revision, face: &'a Face) -> Self {
        Self {
            revision,
            face,
            shape: Shape::default(),
        }
    }
}

/// The members of `params` that are looked at and traced as what this request is for.
const fn looked_at(method: crate::Method) -> &'static [&'static str] {
    match method {
        crate::Method::ToolsCall | crate::Method::PromptsGet => &["name", "arguments"],
        crate::Method::ResourcesRead => &["uri"],
        crate::Method::Complete => &["ref", "argument", "context"],
        _ => &[],
    }
}

/// The client as servers see it: us, with those of the agent's promises that are known flags and that we can hold. No
/// text of the agent's is in it.
#[derive(Debug, Clone)]
pub struct Face {
    capabilities: String,
    samples: bool,
    elicits: bool,
    roots: bool,
}

impl Default for Face {
    fn default() -> Self {
        Self {
            capabilities: "{}".to_owned(),
            samples: false,
            elicits: false,
            roots: false,
        }
    }
}

impl Face {
    /// From what an agent declares. Capabilities that bring messages we can't rule one by one (tasks) are not passed on,
    /// nor is what nobody defined (`experimental`, unknown extensions): its names and values could say anything.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] when either is no object, or both have more than 64 KiB.
    pub fn read(info: Option<&RawValue>, capabilities: Option<&RawValue>) -> Result<Self, Code> {
        let bytes = |raw: Option<&RawValue>| raw.map_or(0, |raw| raw.get().len());
        if bytes(info) + bytes(capabilities) > FACE_BYTES {
            return Err(Code::MessageInvalid);
        }
        info.map(Members::read).transpose()?;
        let said = capabilities.map(Members::read).transpose()?.unwrap_or_default();
        let mut out = Object::default();
        for (key, flags) in PROMISES {
            if let Some(value) = said.find(key) {
                out.json(key, &flagged(value, flags));
            }
        }
        if let Some(extensions) = said.find("extensions")
            && let Some(apps) = Members::read(extensions)?.find(APPS.0)
            && shows_apps(apps)
        {
            let mut kept = Object::default();
            kept.json(APPS.0, &format!(r#"{{"mimeTypes":["{}"]}}"#, APPS.1));
            out.json("extensions", &kept.finish());
        }
        Ok(Self {
            capabilities: out.finish(),
            samples: said.find("sampling").is_some(),
            elicits: said.find("elicitation").is_some(),
            roots: said.find("roots").is_some(),
        })
    }

    /// Capabilities, as JSON.
    #[must_use]
    pub fn capabilities(&self) -> &str {
        &self.capabilities
    }

    /// Whether the agent said it answers this kind of question.
    #[must_use]
    pub fn answers(&self, method: crate::Method) -> bool {
        match method {
            crate::Method::Sample => self.samples,
            crate::Method::Elicit => self.elicits,
            crate::Method::Roots => self.roots,
            _ => false,
        }
    }

    fn stamp(&self, revision: Revision, meta: &mut Object) {
        meta.text(META_VERSION, revision.as_str());
        meta.json(META_CLIENT, CLIENT);
        meta.json(META_CAPABILITIES, &self.capabilities);
    }

    /// `params` of a request of our own: only `_meta`, where the revision wants it.
    #[must_use]
    pub fn own_params(&self, revision: Revision) -> Object {
        let mut out = Object::with_capacity(256);
        if revision.stateless() {
            let mut meta = Object::default();
            self.stamp(revision, &mut meta);
            out.json("_meta", &meta.finish());
        }
        out
    }
}

/// Those of these flags that a capability has: `true` and `false` as they stand, whatever else there is as `{}`.
fn flagged(value: &RawValue, flags: &[&str]) -> String {
    let mut out = Object::default();
    // Clients that promise a capability by something other than an object promise it without flags.
    let said = Members::read(value).unwrap_or_default();
    for flag in flags {
        if let Some(value) = said.find(flag) {
            let word = value.get();
            out.json(
                flag,
                if matches!(word, "true" | "false") {
                    word
                } else {
                    "{}"
                },
            );
        }
    }
    out.finish()
}

/// Whether a client shows what servers send as MCP Apps.
fn shows_apps(settings: &RawValue) -> bool {
    let types = Members::read(settings)
        .ok()
        .and_then(|settings| items(settings.find("mimeTypes")?).ok());
    types.is_some_and(|types| {
        types
            .iter()
            .any(|kind| text(kind).is_ok_and(|kind| kind == APPS.1))
    })
}

/// A result for an agent. Where the agent speaks the stateless revision and the server spoke an older one, the
/// members that revision requires are put in front; everything else stays as the bytes that came.
///
/// # Errors
/// [`Code::UpstreamMalformed`] when the result is no object.
pub fn result_for<'a>(
    result: &'a RawValue,
    to: Revision,
    method: crate::Method,
) -> Result<Cow<'a, str>, Code> {
    if !to.stateless() {
        return Ok(Cow::Borrowed(result.get()));
    }
    let members = Members::read(result).map_err(|_| Code::UpstreamMalformed)?;
    let mut front = String::new();
    if members.find("resultType").is_none() {
        front.push_str(r#""resultType":"complete","#);
    }
    let cacheable = matches!(
        method,
        crate::Method::ToolsList
            | crate::Method::PromptsList
            | crate::Method::ResourcesList
            | crate::Method::TemplatesList
            | crate::Method::ResourcesRead
            | crate::Method::Discover
    );
    if cacheable && members.find("ttlMs").is_none() {
        front.push_str(r#""ttlMs":0,"#);
    }
    if cacheable && members.find("cacheScope").is_none() {
        front.push_str(r#""cacheScope":"private","#);
    }
    if front.is_empty() {
        return Ok(Cow::Borrowed(result.get()));
    }
    if members.is_empty() {
        front.pop();
    }
    let body = result
        .get()
        .trim_start()
        .strip_prefix('{')
        .ok_or(Code::UpstreamMalformed)?;
    Ok(Cow::Owned(format!("{{{front}{body}")))
}

#[cfg(test)]
mod tests;
