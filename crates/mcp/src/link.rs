//! One conversation with one server, from the client's side, as a state machine.
//!
//! It shakes hands (either era), numbers our requests, gives answers and progress back to whoever asked, and turns
//! what the server asks into events to be ruled. The shell carries the bytes.
//!
//! INVARIANT: ids and progress tokens that reach the server are ours alone, rising and never used twice; an answer
//! finds the caller who asked and nobody else. Every bound ends in a code, never in growth.

mod glimpse;

use std::collections::BTreeMap;

use bartizan_types::Code;
use bartizan_wire::{
    json,
    jsonrpc::{self, Id, Message, RpcError},
};
use serde_json::value::RawValue;

use crate::{
    Method, Params, Revision, Side,
    message::{self, Face, Members, Object, Rewrite, Shape},
};

/// Most requests in flight on one link.
pub const MAX_PENDING: usize = 256;
/// Most unanswered questions of a server.
pub const MAX_ASKS: usize = 32;
/// Longest answer to the opening, bytes: it is kept for as long as the conversation is.
pub const MAX_HANDSHAKE_BYTES: usize = 1 << 20;
/// Most questions in one `input_required` result.
pub const MAX_INPUTS: usize = 16;

/// Who made a request: a number of the shell's choosing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller(pub u64);

/// A question of the server, numbered by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask(pub u64);

/// How a request ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// With a result.
    Result(Box<RawValue>),
    /// With an error.
    Error {
        /// Its code.
        code: i64,
        /// Its message.
        message: String,
        /// Its data.
        data: Option<Box<RawValue>>,
    },
}

impl Outcome {
    /// The message that answers request `id`.
    #[must_use]
    pub fn encode(&self, id: &Id<'_>) -> Vec<u8> {
        match self {
            Self::Result(result) => jsonrpc::result(id, result),
            Self::Error { code, message, data } => jsonrpc::error(
                Some(id),
                &RpcError {
                    code: *code,
                    message: message.as_str().into(),
                    data: data.as_deref(),
                },
            ),
        }
    }
}

/// One question inside an `input_required` result.
#[derive(Debug, Clone)]
pub struct Input {
    /// The server's key for it.
    pub key: String,
    /// What it asks.
    pub method: Method,
    /// With what.
    pub params: Option<Box<RawValue>>,
}

/// What both sides agreed on.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// The revision spoken from here on.
    pub revision: Revision,
    /// Name and version, as the server gave them.
    pub identity: Option<Box<RawValue>>,
    /// Capabilities, as the server gave them.
    pub capabilities: Box<RawValue>,
    /// Guidance for models.
    pub instructions: Option<String>,
}

/// What a message from the server means to the shell.
#[derive(Debug, Clone)]
pub enum Event {
    /// The link itself owes the server these bytes: a step of the handshake, an answer to `ping`, a refusal.
    Write(Vec<u8>),
    /// The handshake is done.
    Ready(Box<Handshake>),
    /// The handshake failed for good.
    Failed(Code),
    /// A request ended.
    Answer {
        /// Who asked.
        caller: Caller,
        /// What was asked.
        method: Method,
        /// The answer.
        outcome: Outcome,
    },
    /// A request is over without an answer: what came in its place can't be read.
    Lost {
        /// Who asked.
        caller: Caller,
        /// What is wrong with it.
        code: Code,
    },
    /// A request needs answers first, and then to be made again (2026-07-28).
    InputRequired {
        /// Who asked.
        caller: Caller,
        /// What was asked.
        method: Method,
        /// The questions, to be ruled one by one.
        inputs: Vec<Input>,
        /// The server's state, to be handed back as it is.
        state: Option<String>,
        /// The result as it came, for agents that speak the same revision.
        result: Box<RawValue>,
    },
    /// The server asks the agent (2025 revisions): to be ruled, and answered with [`Link::answer`].
    Asked {
        /// Our number for it.
        ask: Ask,
        /// What it asks.
        method: Method,
        /// With what.
        params: Option<Box<RawValue>>,
    },
    /// The server no longer wants an answer.
    Withdrawn(Ask),
    /// Progress of a request, with the caller's own token put back.
    Progress {
        /// Whose request.
        caller: Caller,
        /// Params of the notice.
        params: Box<RawValue>,
    },
    /// A notice that belongs to no request.
    Notice {
        /// Which.
        method: Method,
        /// Params as they came.
        params: Option<Box<RawValue>>,
    },
    /// A message was refused. Where the server waits for an answer, a `Write` with the refusal comes with it.
    Refused(Code),
}

#[derive(Debug)]
struct Pending {
    caller: Caller,
    method: Method,
    progress: Option<Box<RawValue>>,
}

#[derive(Debug)]
struct Question {
    id: Id<'static>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    /// Waits for the answer to `initialize`. `last`: nothing else is left to try.
    Initializing {
        id: u64,
        last: bool,
    },
    /// Waits for the answer to `server/discover`.
    Discovering {
        id: u64,
        last: bool,
    },
    Ready(Revision),
    Closed,
}

/// A message to the server, and our id in it.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Our id.
    pub id: u64,
    /// One JSON-RPC message, without line ending.
    pub bytes: Vec<u8>,
}

/// One conversation with one server.
#[derive(Debug)]
pub struct Link {
    face: Face,
    state: State,
    next: u64,
    pending: BTreeMap<u64, Pending>,
    asks: BTreeMap<Ask, Question>,
    bounds: json::Bounds,
}

impl Link {
    /// A link that shows the server this face. Messages longer than the bounds are refused.
    #[must_use]
    pub fn new(face: Face, bounds: json::Bounds) -> Self {
        Self {
            face,
            state: State::Fresh,
            next: 1,
            pending: BTreeMap::new(),
            asks: BTreeMap::new(),
            bounds,
        }
    }

    /// The client the server sees.
    #[must_use]
    pub const fn face(&self) -> &Face {
        &self.face
    }

    /// The revision spoken, once agreed.
    #[must_use]
    pub const fn revision(&self) -> Option<Revision> {
        match self.state {
            State::Ready(revision) => Some(revision),
            _ => None,
        }
    }

    /// Whether this request of ours is still without an answer.
    #[must_use]
    pub fn waits_for(&self, id: u64) -> bool {
        self.pending.contains_key(&id)
    }

    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// The first message. The era that `stateless` names is tried first, the other if the server refuses it.
    pub fn open(&mut self, stateless: bool) -> Vec<u8> {
        if stateless {
            self.discover(false)
        } else {
            self.initialize(false)
        }
    }

    fn number(&mut self) -> u64 {
        let id = self.next;
        self.next = self.next.saturating_add(1);
        id
    }

    fn initialize(&mut self, last: bool) -> Vec<u8> {
        let id = self.number();
        self.state = State::Initializing { id, last };
        let mut params = Object::default();
        params
            .text("protocolVersion", Revision::LAST_WITH_HANDSHAKE.as_str())
            .json("capabilities", self.face.capabilities())
            .json("clientInfo", message::CLIENT);
        encode_request(id, Method::Initialize.as_str(), &params.finish())
    }

    fn discover(&mut self, last: bool) -> Vec<u8> {
        let id = self.number();
        self.state = State::Discovering { id, last };
        let params = self.face.own_params(Revision::LATEST).finish();
        encode_request(id, Method::Discover.as_str(), &params)
    }

    /// The number of the opening message that waits for its answer, if one does.
    #[must_use]
    pub const fn opening(&self) -> Option<u64> {
        match self.state {
            State::Initializing { id, .. } | State::Discovering { id, .. } => Some(id),
            State::Fresh | State::Ready(_) | State::Closed => None,
        }
    }

    /// The transport says that the opening message was refused, or stayed without an answer for too long. Gives the
    /// next thing to try.
    ///
    /// # Errors
    /// [`Code::ServerFailed`] when nothing is left, and [`Code::Bug`] outside a handshake.
    pub fn opening_refused(&mut self) -> Result<Vec<u8>, Code> {
        match self.state {
            State::Initializing { last: false, .. } => Ok(self.discover(true)),
            State::Discovering { last: false, .. } => Ok(self.initialize(true)),
            State::Initializing { .. } | State::Discovering { .. } => {
                self.state = State::Closed;
                Err(Code::ServerFailed)
            }
            State::Fresh | State::Ready(_) | State::Closed => Err(Code::Bug),
        }
    }

    /// A request for the server. `name` is the method as the agent wrote it, so that unknown ones survive.
    ///
    /// # Errors
    /// [`Code::ServerFailed`] before the handshake or after the end, [`Code::QueueFull`] at the bound.
    pub fn request(
        &mut self,
        caller: Caller,
        name: &str,
        params: &Params<'_>,
        shape: Shape<'_>,
    ) -> Result<Sent, Code> {
        let revision = self.revision().ok_or(Code::ServerFailed)?;
        if self.pending.len() >= MAX_PENDING {
            return Err(Code::QueueFull);
        }
        let id = self.number();
        let rewrite = Rewrite {
            shape,
            ..Rewrite::new(revision, &self.face)
        };
        let text = params.rewritten(&rewrite, Some(id));
        let progress = params.progress_token().map(ToOwned::to_owned);
        self.pending.insert(
            id,
            Pending {
                caller,
                method: Method::parse(name),
                progress,
            },
        );
        Ok(Sent {
            id,
            bytes: encode_request(id, name, &text),
        })
    }

    /// A one-way message for the server. It has no params: what an agent puts beside a notice is for nobody.
    ///
    /// # Errors
    /// [`Code::ServerFailed`] before the handshake or after the end.
    pub fn notify(&self, method: Method) -> Result<Vec<u8>, Code> {
        let revision = self.revision().ok_or(Code::ServerFailed)?;
        let params = self.face.own_params(revision).finish();
        Ok(encode_notification(method.as_str(), &params))
    }

    /// Gives up on a caller's requests; the bytes tell the server so. Later answers to them are strays.
    pub fn cancel(&mut self, caller: Caller) -> Vec<Vec<u8>> {
        let ids: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.caller == caller)
            .map(|(id, _)| *id)
            .collect();
        ids.into_iter()
            .map(|id| {
                self.pending.remove(&id);
                encode_notification(
                    Method::Cancelled.as_str(),
                    &format!(r#"{{"requestId":{id},"reason":"no longer wanted"}}"#),
                )
            })
            .collect()
    }

    /// Forgets a caller's request without telling the server: its transport told it already, or failed.
    pub fn forget(&mut self, id: u64) -> Option<Caller> {
        self.pending.remove(&id).map(|pending| pending.caller)
    }

    /// The answer to a question, for the server.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] when no such question is open: answered before, withdrawn, or never asked.
    pub fn answer(&mut self, ask: Ask, outcome: &Outcome) -> Result<Vec<u8>, Code> {
        let question = self.asks.remove(&ask).ok_or(Code::MessageInvalid)?;
        Ok(outcome.encode(&question.id))
    }

    /// The server is gone. Gives everyone who still waits.
    pub fn close(&mut self) -> Vec<Caller> {
        self.state = State::Closed;
        self.asks.clear();
        std::mem::take(&mut self.pending)
            .into_values()
            .map(|pending| pending.caller)
            .collect()
    }

    /// One message from the server.
    ///
    /// # Errors
    /// A code when the bytes are no acceptable message; the caller decides whether the link survives that.
    pub fn receive(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), Code> {
        let scanned = json::scan(bytes, &self.bounds).map_err(|fault| fault.of_upstream().code)?;
        match jsonrpc::decode(scanned).map_err(|fault| fault.of_upstream().code)? {
            Message::Response { id, result } => self.result(&id, result, out),
            Message::Failure { id, error } => self.failure(id.as_ref(), &error, out),
            Message::Request { id, method, params } => self.asked(id, &method, params, out),
            Message::Notification { method, params } => self.noticed(&method, params, out),
        }
    }

    fn result(&mut self, id: &Id<'_>, result: &RawValue, out: &mut Vec<Event>) -> Result<(), Code> {
        let Some(id) = ours(id) else {
            out.push(self.misnamed(id).unwrap_or(Event::Refused(Code::MessageInvalid)));
            return Ok(());
        };
        if self.opening() == Some(id) && result.get().len() > MAX_HANDSHAKE_BYTES {
            self.state = State::Closed;
            out.push(Event::Failed(Code::UpstreamTooLarge));
            return Ok(());
        }
        match self.state {
            State::Initializing { id: ours, .. } if ours == id => return self.initialized(result, out),
            State::Discovering { id: ours, last } if ours == id => return self.discovered(result, last, out),
            _ => {}
        }
        let Some(pending) = self.pending.remove(&id) else {
            return stray(out);
        };
        let Pending { caller, method, .. } = pending;
        let kind = result_type(result);
        out.push(match kind.as_deref() {
            Ok("complete") => Event::Answer {
                caller,
                method,
                outcome: Outcome::Result(result.to_owned()),
            },
            Ok("input_required") => match self.inputs(method, result) {
                Ok((inputs, state)) => Event::InputRequired {
                    caller,
                    method,
                    inputs,
                    state,
                    result: result.to_owned(),
                },
                Err(_) => malformed(caller, method),
            },
            _ => malformed(caller, method),
        });
        Ok(())
    }

    fn inputs(&self, method: Method, result: &RawValue) -> Result<(Vec<Input>, Option<String>), Code> {
        if !method.may_need_input() || !self.revision().is_some_and(Revision::stateless) {
            return Err(Code::UpstreamMalformed);
        }
        let members = Members::read(result)?;
        let state = members.text("requestState")?.map(std::borrow::Cow::into_owned);
        let mut inputs = Vec::new();
        if let Some(requests) = members.find("inputRequests") {
            for (key, request) in Members::read(requests)?.iter() {
                let request = Members::read(request)?;
                let method = Method::parse(&request.text("method")?.ok_or(Code::MessageInvalid)?);
                if !method.is_ask() || !self.face.answers(method) || inputs.len() >= MAX_INPUTS {
                    return Err(Code::UpstreamMalformed);
                }
                let params = request.find("params").map(ToOwned::to_owned);
                inputs.push(Input {
                    key: key.to_owned(),
                    method,
                    params,
                });
            }
        }
        if inputs.is_empty() && state.is_none() {
            return Err(Code::UpstreamMalformed);
        }
        Ok((inputs, state))
    }

    fn failure(
        &mut self,
        id: Option<&Id<'_>>,
        error: &RpcError<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Code> {
        let Some(id) = id.and_then(ours) else {
            let lost = id.and_then(|id| self.misnamed(id));
            out.push(lost.unwrap_or(Event::Refused(Code::MessageInvalid)));
            return Ok(());
        };
        match self.state {
            State::Initializing { id: ours, .. } | State::Discovering { id: ours, .. } if ours == id => {
                out.push(match self.opening_refused() {
                    Ok(next) => Event::Write(next),
                    Err(code) => Event::Failed(code),
                });
                return Ok(());
            }
            _ => {}
        }
        let Some(Pending { caller, method, .. }) = self.pending.remove(&id) else {
            return stray(out);
        };
        let outcome = Outcome::Error {
            code: error.code,
            message: error.message.as_ref().to_owned(),
            data: error.data.map(ToOwned::to_owned),
        };
        out.push(Event::Answer {
            caller,
            method,
            outcome,
        });
        Ok(())
    }

    fn initialized(&mut self, result: &RawValue, out: &mut Vec<Event>) -> Result<(), Code> {
        // A revision that has no handshake is as unknown here as one that nobody knows: the server contradicts itself,
        // and clients leave it (2025-11-25, lifecycle, "version negotiation"). Only a refusal makes us try the other era.
        let read = || -> Result<Handshake, Code> {
            let members = Members::read(result)?;
            let version = members.text("protocolVersion")?.ok_or(Code::MessageInvalid)?;
            let revision = Revision::parse(&version).filter(|revision| !revision.stateless());
            Ok(Handshake {
                revision: revision.ok_or(Code::RevisionUnsupported)?,
                identity: members.find("serverInfo").map(ToOwned::to_owned),
                capabilities: capabilities(&members)?,
                instructions: members.text("instructions")?.map(std::borrow::Cow::into_owned),
            })
        };
        match read() {
            Ok(handshake) => {
                self.state = State::Ready(handshake.revision);
                out.push(Event::Write(encode_notification(
                    Method::Initialized.as_str(),
                    "{}",
                )));
                out.push(Event::Ready(Box::new(handshake)));
            }
            Err(code) => {
                self.state = State::Closed;
                out.push(Event::Failed(code));
            }
        }
        Ok(())
    }

    fn discovered(&mut self, result: &RawValue, last: bool, out: &mut Vec<Event>) -> Result<(), Code> {
        let read = || -> Result<Option<Handshake>, Code> {
            let members = Members::read(result)?;
            let versions = message::items(members.find("supportedVersions").ok_or(Code::MessageInvalid)?)?;
            let speaks = |wanted: Revision| {
                versions
                    .iter()
                    .any(|version| message::text(version).is_ok_and(|text| text == wanted.as_str()))
            };
            if !speaks(Revision::LATEST) {
                return Ok(None);
            }
            let meta = members
                .find("_meta")
                .map(Members::read)
                .transpose()?
                .unwrap_or_default();
            let identity = meta
                .find("io.modelcontextprotocol/serverInfo")
                .or_else(|| members.find("serverInfo"));
            Ok(Some(Handshake {
                revision: Revision::LATEST,
                identity: identity.map(ToOwned::to_owned),
                capabilities: capabilities(&members)?,
                instructions: members.text("instructions")?.map(std::borrow::Cow::into_owned),
            }))
        };
        match read() {
            Ok(Some(handshake)) => {
                self.state = State::Ready(handshake.revision);
                out.push(Event::Ready(Box::new(handshake)));
            }
            Ok(None) if !last => {
                let next = self.initialize(true);
                out.push(Event::Write(next));
            }
            Ok(None) => {
                self.state = State::Closed;
                out.push(Event::Failed(Code::RevisionUnsupported));
            }
            Err(code) => {
                self.state = State::Closed;
                out.push(Event::Failed(code));
            }
        }
        Ok(())
    }

    fn asked(
        &mut self,
        id: Id<'_>,
        name: &str,
        params: Option<&RawValue>,
        out: &mut Vec<Event>,
    ) -> Result<(), Code> {
        let refuse = |id: &Id<'_>, code: i64, message: &'static str, out: &mut Vec<Event>| {
            out.push(Event::Write(jsonrpc::error(
                Some(id),
                &RpcError {
                    code,
                    message: message.into(),
                    data: None,
                },
            )));
            out.push(Event::Refused(Code::MessageInvalid));
        };
        let method = Method::parse(name);
        if method == Method::Ping {
            let mut reply = String::from(r#"{"jsonrpc":"2.0","id":"#);
            push_id(&mut reply, &id);
            reply.push_str(r#","result":{}}"#);
            out.push(Event::Write(reply.into_bytes()));
            return Ok(());
        }
        let stateless = self.revision().is_none_or(Revision::stateless);
        if stateless || !method.is_ask() || !self.face.answers(method) {
            refuse(&id, -32601, "the client does not offer this method", out);
            return Ok(());
        }
        let open = self.asks.values().any(|question| question.id == id);
        if open || self.asks.len() >= MAX_ASKS {
            refuse(
                &id,
                -32600,
                "too many open requests, or an id that is in use",
                out,
            );
            return Ok(());
        }
        let ask = Ask(self.number());
        self.asks.insert(ask, Question { id: id.into_owned() });
        out.push(Event::Asked {
            ask,
            method,
            params: params.map(ToOwned::to_owned),
        });
        Ok(())
    }

    fn noticed(&mut self, name: &str, params: Option<&RawValue>, out: &mut Vec<Event>) -> Result<(), Code> {
        let method = Method::parse(name);
        match method {
            Method::Progress => {
                let members = Params::read(params).map_err(|_| Code::UpstreamMalformed)?;
                let token = members
                    .find("progressToken")
                    .and_then(|raw| raw.get().parse::<u64>().ok());
                let Some(pending) = token.and_then(|id| self.pending.get(&id)) else {
                    return stray(out);
                };
                let Some(theirs) = &pending.progress else {
                    return stray(out);
                };
                let mut back = Object::default();
                back.json("progressToken", theirs.get());
                let Some(params) = params else { return stray(out) };
                for (key, value) in Members::read(params).map_err(|_| Code::UpstreamMalformed)?.iter() {
                    if key != "progressToken" {
                        back.json(key, value.get());
                    }
                }
                out.push(Event::Progress {
                    caller: pending.caller,
                    params: message::raw(back.finish())?,
                });
            }
            Method::Cancelled => {
                let members = Params::read(params).map_err(|_| Code::UpstreamMalformed)?;
                let wanted = members.find("requestId").map(RawValue::get).unwrap_or_default();
                let ask = self.asks.iter().find(|(_, question)| {
                    let mut text = String::new();
                    push_id(&mut text, &question.id);
                    text == wanted
                });
                let Some(ask) = ask.map(|(ask, _)| *ask) else {
                    return stray(out);
                };
                self.asks.remove(&ask);
                out.push(Event::Withdrawn(ask));
            }
            _ if method.is_notification() && method.side() != Side::Agent => {
                out.push(Event::Notice {
                    method,
                    params: params.map(ToOwned::to_owned),
                });
            }
            _ => return stray(out),
        }
        Ok(())
    }
}

fn capabilities(members: &Members<'_>) -> Result<Box<RawValue>, Code> {
    let raw = members.find("capabilities").ok_or(Code::MessageInvalid)?;
    Members::read(raw)?;
    Ok(raw.to_owned())
}

fn malformed(caller: Caller, method: Method) -> Event {
    let outcome = Outcome::Error {
        code: -32603,
        message: Code::UpstreamMalformed.sentence().to_owned(),
        data: None,
    };
    Event::Answer {
        caller,
        method,
        outcome,
    }
}

fn result_type(result: &RawValue) -> Result<std::borrow::Cow<'_, str>, Code> {
    let members = Members::read(result)?;
    Ok(members
        .text("resultType")?
        .unwrap_or(std::borrow::Cow::Borrowed("complete")))
}

fn stray(out: &mut Vec<Event>) -> Result<(), Code> {
    out.push(Event::Refused(Code::MessageInvalid));
    Ok(())
}

fn ours(id: &Id<'_>) -> Option<u64> {
    match id {
        Id::Number(number) => u64::try_from(*number).ok(),
        Id::Text(_) => None,
    }
}

/// Appends an id as JSON.
pub(crate) fn push_id(out: &mut String, id: &Id<'_>) {
    match id {
        Id::Number(number) => out.push_str(&number.to_string()),
        Id::Text(text) => message::push_text(out, text),
    }
}

fn encode_request(id: u64, method: &str, params: &str) -> Vec<u8> {
    let mut out = Object::with_capacity(params.len() + 64);
    out.text("jsonrpc", "2.0")
        .json("id", &id.to_string())
        .text("method", method);
    if params.len() > 2 {
        out.json("params", params);
    }
    out.finish().into_bytes()
}

/// Encodes a one-way message.
pub(crate) fn encode_notification(method: &str, params: &str) -> Vec<u8> {
    let mut out = Object::with_capacity(params.len() + 48);
    out.text("jsonrpc", "2.0").text("method", method);
    if params.len() > 2 {
        out.json("params", params);
    }
    out.finish().into_bytes()
}

#[cfg(test)]
mod tests;
