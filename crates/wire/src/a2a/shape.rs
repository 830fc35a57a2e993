//! What the params of each method may hold (A2A 1.0, `specification/a2a.proto`), and the params that go on, written from
//! what was read.
//!
//! A member that the protocol does not define there is refused, and not left out: whoever sent it means something by it, and
//! is told where it stands. The SDKs for Python and JavaScript send none, since both write protobuf JSON of their own types.
//! The same goes for a member under its protobuf name or in other letters, and for what is no JSON-RPC beside the params:
//! another reader would read what nobody here did. Refused, too, is what protobuf readers take though no writer writes it:
//! numbers of words, integers as texts. A null is a field that is not there, so it is left out.
//!
//! INVARIANT: nothing that an agent wrote goes on but what is in [`Read::params`].

use std::fmt;

use bartizan_types::Code;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, value::RawValue};

use super::Method;
use crate::{
    Fault,
    json::{Scanned, Text, span_of},
};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A text.
    Text,
    /// A text: whom the peer is to call.
    Address,
    /// A list of texts.
    Texts,
    /// One of the protocol's own words.
    Word(&'static [&'static str]),
    /// An integer between these two, both included.
    Count(i64, i64),
    /// True or false.
    Flag,
    /// A time (RFC 3339).
    Moment,
    /// An object of the agents' own.
    Own,
    /// Any JSON of the agents' own, null included.
    Any,
    /// An object of the protocol.
    Fields(&'static [Field]),
    /// A list of such objects.
    List(&'static [Field]),
}

/// A field by its JSON name.
type Field = (&'static str, Kind);

/// The largest integer of 32 bits.
const MOST: i64 = 2_147_483_647;
/// Longest time, bytes: nanoseconds and an offset have 35.
const MOMENT_BYTES: usize = 40;
/// Members of a JSON-RPC request.
const ENVELOPE: [&str; 4] = ["jsonrpc", "id", "method", "params"];

const ROLES: &[&str] = &["ROLE_UNSPECIFIED", "ROLE_USER", "ROLE_AGENT"];
const STATES: &[&str] = &[
    "TASK_STATE_UNSPECIFIED",
    "TASK_STATE_SUBMITTED",
    "TASK_STATE_WORKING",
    "TASK_STATE_COMPLETED",
    "TASK_STATE_FAILED",
    "TASK_STATE_CANCELED",
    "TASK_STATE_INPUT_REQUIRED",
    "TASK_STATE_REJECTED",
    "TASK_STATE_AUTH_REQUIRED",
];

const TENANT: Field = ("tenant", Kind::Text);
const ID: Field = ("id", Kind::Text);
const TASK: Field = ("taskId", Kind::Text);
const CONTEXT: Field = ("contextId", Kind::Text);
const METADATA: Field = ("metadata", Kind::Own);
const HISTORY: Field = ("historyLength", Kind::Count(0, MOST));
const PAGE: Field = ("pageToken", Kind::Text);

const PART: &[Field] = &[
    ("text", Kind::Text),
    ("raw", Kind::Text),
    ("url", Kind::Text),
    ("data", Kind::Any),
    METADATA,
    ("filename", Kind::Text),
    ("mediaType", Kind::Text),
];
const MESSAGE: &[Field] = &[
    ("messageId", Kind::Text),
    CONTEXT,
    TASK,
    ("role", Kind::Word(ROLES)),
    ("parts", Kind::List(PART)),
    METADATA,
    ("extensions", Kind::Texts),
    ("referenceTaskIds", Kind::Texts),
];
const AUTHENTICATION: &[Field] = &[("scheme", Kind::Text), ("credentials", Kind::Text)];
const PUSH: &[Field] = &[
    TENANT,
    ID,
    TASK,
    ("url", Kind::Address),
    ("token", Kind::Text),
    ("authentication", Kind::Fields(AUTHENTICATION)),
];
const CONFIGURATION: &[Field] = &[
    ("acceptedOutputModes", Kind::Texts),
    ("taskPushNotificationConfig", Kind::Fields(PUSH)),
    HISTORY,
    ("returnImmediately", Kind::Flag),
];
const SEND: &[Field] = &[
    TENANT,
    ("message", Kind::Fields(MESSAGE)),
    ("configuration", Kind::Fields(CONFIGURATION)),
    METADATA,
];
const GET: &[Field] = &[TENANT, ID, HISTORY];
const CANCEL: &[Field] = &[TENANT, ID, METADATA];
const SUBSCRIBE: &[Field] = &[TENANT, ID];
const CARD: &[Field] = &[TENANT];
const ONE_PUSH: &[Field] = &[TENANT, TASK, ID];
const LIST: &[Field] = &[
    TENANT,
    CONTEXT,
    ("status", Kind::Word(STATES)),
    ("pageSize", Kind::Count(1, 100)),
    PAGE,
    HISTORY,
    ("statusTimestampAfter", Kind::Moment),
    ("includeArtifacts", Kind::Flag),
];
const PUSHES: &[Field] = &[TENANT, TASK, ("pageSize", Kind::Count(0, MOST)), PAGE];

const fn of(method: Method) -> &'static [Field] {
    match method {
        Method::SendMessage | Method::SendStreamingMessage => SEND,
        Method::GetTask => GET,
        Method::ListTasks => LIST,
        Method::CancelTask => CANCEL,
        Method::SubscribeToTask => SUBSCRIBE,
        Method::CreatePush => PUSH,
        Method::GetPush | Method::DeletePush => ONE_PUSH,
        Method::ListPushes => PUSHES,
        Method::GetExtendedCard => CARD,
    }
}

/// What was read.
#[derive(Debug)]
pub(super) struct Read {
    /// The params as they go on.
    pub(super) params: Value,
    /// Addresses for notifications.
    pub(super) pushes: Vec<String>,
    /// What is the agents' own, each as one JSON text.
    pub(super) free: Vec<String>,
}

/// Reads the params of a request, and that nothing else is in it.
///
/// # Errors
/// [`Code::RequestShape`], at the value that has no place there.
pub(super) fn read<'a>(
    body: Scanned<'a>,
    method: Method,
    params: Option<&'a RawValue>,
) -> Result<Read, Fault> {
    let mut reader = Reader {
        body,
        pushes: Vec::new(),
        free: Vec::new(),
    };
    let whole: Members<'a> =
        serde_json::from_str(body.text()).map_err(|_| Fault::new(Code::RequestShape, 0))?;
    if let Some((_, stray)) = whole.0.iter().find(|(key, _)| !ENVELOPE.contains(&&*key.0)) {
        return Err(reader.wrong(stray));
    }
    let params = match params {
        None => Value::Object(Map::new()),
        Some(params) => reader.fields(params, of(method))?,
    };
    Ok(Read {
        params,
        pushes: reader.pushes,
        free: reader.free,
    })
}

struct Reader<'a> {
    body: Scanned<'a>,
    pushes: Vec<String>,
    free: Vec<String>,
}

impl<'a> Reader<'a> {
    fn wrong(&self, part: &RawValue) -> Fault {
        let at = span_of(self.body, part.get()).map_or(0, |span| span.start);
        Fault::new(Code::RequestShape, at)
    }

    fn fields(&mut self, raw: &'a RawValue, known: &[Field]) -> Result<Value, Fault> {
        let members: Members<'a> = serde_json::from_str(raw.get()).map_err(|_| self.wrong(raw))?;
        let mut out = Map::new();
        for (Text(key), inner) in members.0 {
            let field = known.iter().find(|(name, _)| *name == key);
            let (name, kind) = field.ok_or_else(|| self.wrong(inner))?;
            if let Some(value) = self.value(inner, *kind)? {
                out.insert((*name).to_owned(), value);
            }
        }
        Ok(Value::Object(out))
    }

    fn list(&mut self, raw: &'a RawValue, known: &[Field]) -> Result<Value, Fault> {
        let items: Vec<&'a RawValue> = serde_json::from_str(raw.get()).map_err(|_| self.wrong(raw))?;
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            out.push(self.fields(item, known)?);
        }
        Ok(Value::Array(out))
    }

    /// The value as it goes on; none where the field is not there.
    fn value(&mut self, raw: &'a RawValue, kind: Kind) -> Result<Option<Value>, Fault> {
        if raw.get() == "null" && !matches!(kind, Kind::Any) {
            return Ok(None);
        }
        let value = match kind {
            Kind::Fields(known) => Some(self.fields(raw, known)?),
            Kind::List(known) => Some(self.list(raw, known)?),
            Kind::Own | Kind::Any => self.own(raw, kind),
            Kind::Address => text(raw).map(|url| {
                self.pushes.push(url.clone());
                Value::String(url)
            }),
            Kind::Text => text(raw).map(Value::String),
            Kind::Texts => serde_json::from_str::<Vec<String>>(raw.get())
                .ok()
                .map(Value::from),
            Kind::Word(words) => text(raw)
                .filter(|word| words.contains(&word.as_str()))
                .map(Value::String),
            Kind::Count(least, most) => {
                let count = raw.get().parse::<i64>().ok();
                count
                    .filter(|count| (least..=most).contains(count))
                    .map(Value::from)
            }
            Kind::Flag => serde_json::from_str::<bool>(raw.get()).ok().map(Value::Bool),
            Kind::Moment => text(raw).filter(|text| is_moment(text)).map(Value::String),
        };
        value.map(Some).ok_or_else(|| self.wrong(raw))
    }

    /// What is the agents' own. A single text or number is a leaf like any other; of the rest the whole is kept.
    fn own(&mut self, raw: &RawValue, kind: Kind) -> Option<Value> {
        let value: Value = serde_json::from_str(raw.get()).ok()?;
        match &value {
            Value::Object(members) if members.is_empty() => {}
            Value::Object(_) => self.free.push(value.to_string()),
            _ if matches!(kind, Kind::Own) => return None,
            Value::String(_) | Value::Number(_) => {}
            _ => self.free.push(value.to_string()),
        }
        Some(value)
    }
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// Made of what times are written in.
fn is_moment(text: &str) -> bool {
    let of_time = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'.' | b'+' | b'T' | b'Z');
    (1..=MOMENT_BYTES).contains(&text.len()) && text.bytes().all(of_time)
}

/// The members of an object, in order.
struct Members<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Each)
    }
}

struct Each;

impl<'de> Visitor<'de> for Each {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = map.next_entry()? {
            all.push(member);
        }
        Ok(Members(all))
    }
}
