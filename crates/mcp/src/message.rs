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

    /// What no revision defines and the server gets all the same: members of `params` and of `_meta`. Those that name a
    /// trace (2026-07-28, basic, "trace context") are among them: an agent may write anything there.
    pub fn beside(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        let said = self.members.iter().chain(self.meta.iter());
        said.filter(|(key, _)| !READ.contains(key))
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
                .any(|(key, value)| !is_ours(key) && !is_trace(key, value))
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
                "inputResponses" | "requestState" if !rewrite.shape.keep_input => {}
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
            let copied = rewrite.shape.bare.is_none() || is_trace(key, value);
            if copied && !is_ours(key) && key != META_LOG_LEVEL {
                meta.json(key, value.get());
            }
        }
        if let (Some(token), Some(_)) = (token, self.progress_token()) {
            meta.json(PROGRESS, &token.to_string());
        }
        if rewrite.revision.stateless() {
            rewrite.face.stamp(rewrite.revision, &mut meta);
            let level = self.meta(META_LOG_LEVEL);
            match (
                level.filter(|_| rewrite.shape.bare.is_none()),
                rewrite.shape.log_level,
            ) {
                (Some(level), _) => {
                    meta.json(META_LOG_LEVEL, level.get());
                }
                (None, Some(level)) => {
                    meta.text(META_LOG_LEVEL, level);
                }
                (None, None) => {}
            }
        }
        meta.finish()
    }
}

/// Members of `_meta` that the gateway writes itself, whatever the agent says there.
fn is_ours(key: &str) -> bool {
    matches!(key, PROGRESS | META_VERSION | META_CLIENT | META_CAPABILITIES)
}

/// A `traceparent` (W3C Trace Context section 3.2) and nothing else: no room for words.
fn is_trace(key: &str, value: &RawValue) -> bool {
    let Ok(said) = text(value) else { return false };
    let mut parts = said.split('-');
    let hex =
        |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    key == "traceparent"
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

/// The client as servers see it: what the agent said of itself, as far as we can hold its promises.
#[derive(Debug, Clone)]
pub struct Face {
    info: String,
    capabilities: String,
    samples: bool,
    elicits: bool,
    roots: bool,
}

impl Default for Face {
    fn default() -> Self {
        Self {
            info: format!(
                r#"{{"name":"bartizan","version":"{}"}}"#,
                env!("CARGO_PKG_VERSION")
            ),
            capabilities: "{}".to_owned(),
            samples: false,
            elicits: false,
            roots: false,
        }
    }
}

impl Face {
    /// From what an agent declares. Capabilities that bring messages we can't rule one by one (tasks) are not
    /// passed on.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] when either is no object, or both have more than 64 KiB.
    pub fn read(info: Option<&RawValue>, capabilities: Option<&RawValue>) -> Result<Self, Code> {
        let bytes = |raw: Option<&RawValue>| raw.map_or(0, |raw| raw.get().len());
        if bytes(info) + bytes(capabilities) > FACE_BYTES {
            return Err(Code::MessageInvalid);
        }
        let mut face = Self::default();
        if let Some(info) = info {
            Members::read(info)?;
            info.get().clone_into(&mut face.info);
        }
        let mut out = Object::default();
        for (key, value) in capabilities
            .map(Members::read)
            .transpose()?
            .unwrap_or_default()
            .iter()
        {
            match key {
                "sampling" => face.samples = true,
                "elicitation" => face.elicits = true,
                "roots" => face.roots = true,
                "tasks" => continue,
                "extensions" => {
                    let mut kept = Object::default();
                    for (id, settings) in Members::read(value)?.iter() {
                        if id != "io.modelcontextprotocol/tasks" {
                            kept.json(id, settings.get());
                        }
                    }
                    out.json(key, &kept.finish());
                    continue;
                }
                _ => {}
            }
            out.json(key, value.get());
        }
        face.capabilities = out.finish();
        Ok(face)
    }

    /// Client name and version, as JSON.
    #[must_use]
    pub fn info(&self) -> &str {
        &self.info
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
        meta.json(META_CLIENT, &self.info);
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
mod tests {
    use super::*;
    use crate::Method;
    use proptest::prelude::*;

    fn rewrite<'a>(face: &'a Face, revision: Revision) -> Rewrite<'a> {
        Rewrite::new(revision, face)
    }

    #[test]
    fn arguments_pass_byte_for_byte() {
        let body = r#"{"name":"mail__send","arguments":{"to" : "a\u0062","n":1.50e0},"_meta":{"progressToken":"x","k":1}}"#;
        let raw: &RawValue = serde_json::from_str(body).unwrap();
        let params = Params::read(Some(raw)).unwrap();
        let face = Face::default();
        let mut change = rewrite(&face, Revision::V2025_11_25);
        change.shape.name = Some("send");
        assert_eq!(
            params.rewritten(&change, Some(7)),
            r#"{"arguments":{"to" : "a\u0062","n":1.50e0},"name":"send","_meta":{"k":1,"progressToken":7}}"#
        );
    }

    #[test]
    fn what_is_beside_a_call_can_be_left_behind() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let needed = needed(Method::ToolsCall);
        let face = Face::default();
        let bare = |body: &str, revision| {
            let raw: &RawValue = serde_json::from_str(body).unwrap();
            let params = Params::read(Some(raw)).unwrap();
            let mut change = rewrite(&face, revision);
            change.shape.keep_input = true;
            change.shape.bare = Some(needed);
            (params.is_laden(needed), params.rewritten(&change, Some(7)))
        };
        let old = Revision::V2025_11_25;
        let body = format!(
            r#"{{"name":"t","arguments":{{"a":1}},"extra":{{"amount":999}},"uri":"x","cursor":"c","task":{{"ttl":1}},"_meta":{{"progressToken":"x","k":1,"traceparent":"{trace}"}}}}"#
        );
        let meta = format!(r#""_meta":{{"traceparent":"{trace}","progressToken":7}}"#);
        assert_eq!(
            bare(&body, old),
            (
                true,
                format!(r#"{{"name":"t","arguments":{{"a":1}},"task":{{"ttl":1}},{meta}}}"#)
            )
        );
        let plain = format!(r#"{{"name":"t","arguments":{{"a":1}},{meta}}}"#);
        assert_eq!(bare(&plain, old), (false, plain));
        for words in ["00-hunter2XYZ-evil", "pay-mallory", &format!("{trace}-more")] {
            let body = format!(r#"{{"name":"t","_meta":{{"traceparent":"{words}"}}}}"#);
            assert_eq!(bare(&body, old), (true, r#"{"name":"t"}"#.to_owned()), "{words}");
        }
        let body = format!(r#"{{"name":"t","_meta":{{"{META_LOG_LEVEL}":"words of its own"}}}}"#);
        let (laden, sent) = bare(&body, Revision::V2026_07_28);
        assert!(laden && !sent.contains("words of its own"), "{sent}");
    }

    #[test]
    fn the_stateless_envelope_is_ours_and_never_the_callers() {
        let body = format!(
            r#"{{"_meta":{{"{META_VERSION}":"2026-07-28","{META_CAPABILITIES}":{{"sampling":{{}}}},"{META_CLIENT}":{{"name":"evil"}}}}}}"#
        );
        let raw: &RawValue = serde_json::from_str(&body).unwrap();
        let params = Params::read(Some(raw)).unwrap();
        let face = Face::default();
        assert_eq!(
            params.rewritten(&rewrite(&face, Revision::V2025_06_18), Some(1)),
            "{}"
        );
        let modern = params.rewritten(&rewrite(&face, Revision::V2026_07_28), Some(1));
        assert!(
            !modern.contains("evil") && !modern.contains("sampling"),
            "{modern}"
        );
        assert!(modern.contains("bartizan"));
    }

    #[test]
    fn a_caller_cannot_hand_in_answers_that_nobody_asked_for() {
        let raw: &RawValue =
            serde_json::from_str(r#"{"name":"t","inputResponses":{"a":{}},"requestState":"s","cursor":"c"}"#)
                .unwrap();
        let params = Params::read(Some(raw)).unwrap();
        let face = Face::default();
        assert_eq!(
            params.rewritten(&rewrite(&face, Revision::V2025_11_25), None),
            r#"{"name":"t"}"#
        );
    }

    #[test]
    fn tasks_are_not_promised_to_servers() {
        let raw: &RawValue = serde_json::from_str(
            r#"{"sampling":{},"tasks":{},"extensions":{"io.modelcontextprotocol/tasks":{},"a.b/c":{}}}"#,
        )
        .unwrap();
        let face = Face::read(None, Some(raw)).unwrap();
        assert_eq!(
            face.capabilities(),
            r#"{"sampling":{},"extensions":{"a.b/c":{}}}"#
        );
        assert!(face.answers(Method::Sample) && !face.answers(Method::Elicit));
    }

    #[test]
    fn old_results_gain_what_the_stateless_revision_requires() {
        let raw: &RawValue = serde_json::from_str(r#" {"tools":[]}"#).unwrap();
        let new = result_for(raw, Revision::V2026_07_28, Method::ToolsList).unwrap();
        assert_eq!(
            new,
            r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[]}"#
        );
        let empty: &RawValue = serde_json::from_str("{}").unwrap();
        assert_eq!(
            result_for(empty, Revision::V2026_07_28, Method::Complete).unwrap(),
            r#"{"resultType":"complete"}"#
        );
        let old = result_for(raw, Revision::V2025_06_18, Method::ToolsList).unwrap();
        assert!(matches!(old, Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn texts_survive_being_written(text in any::<String>(), key in any::<String>()) {
            let mut object = Object::default();
            object.text(&key, &text);
            let json = object.finish();
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(value.get(&key).and_then(serde_json::Value::as_str), Some(text.as_str()));
        }
    }

    #[test]
    fn params_that_two_readers_read_differently_are_refused() {
        let strict = |text: &str| {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            Params::strict(Some(&raw)).map(drop)
        };
        for text in [
            r#"{"name":"a","arguments":{"to":1},"Arguments":{"to":2}}"#,
            r#"{"name":"a","arguments":{"to":"x","To":"y"}}"#,
        ] {
            assert_eq!(strict(text), Err(Code::JsonDuplicateKey), "{text}");
        }
        for text in [
            r#"{"name":"a","Arguments":{"to":2}}"#,
            r#"{"Name":"a"}"#,
            r#"{"name":"a","_META":{}}"#,
            r#"{"name":"a","_meta":{"progresstoken":1}}"#,
            r#"{"name":"a","tas\u212A":{}}"#,
        ] {
            assert_eq!(strict(text), Err(Code::MessageInvalid), "{text}");
        }
        assert_eq!(
            strict(r#"{"name":"A","arguments":{"To":1,"x":{"A":1}},"_meta":{"vendor/X":1}}"#),
            Ok(())
        );
    }

    #[test]
    fn what_goes_beside_a_call_is_told() {
        let text = r#"{"name":"a","arguments":{"x":1},"note":"n","_meta":{"progressToken":1,"traceparent":"00","vendor/id":"i"}}"#;
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        let params = Params::strict(Some(&raw)).unwrap();
        let beside: Vec<_> = params.beside().map(|(key, value)| (key, value.get())).collect();
        assert_eq!(
            beside,
            [
                ("note", "\"n\""),
                ("traceparent", "\"00\""),
                ("vendor/id", "\"i\"")
            ]
        );
    }

    #[test]
    fn what_a_client_says_of_itself_is_bounded() {
        let info = RawValue::from_string(format!(r#"{{"name":"{}"}}"#, "x".repeat(FACE_BYTES))).unwrap();
        assert_eq!(Face::read(Some(&info), None).err(), Some(Code::MessageInvalid));
    }
}
