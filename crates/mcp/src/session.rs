//! An agent's side of a bridge: its handshake, its requests in flight, and the questions put to it.
//!
//! Sessions exist for agents of the 2025 revisions and for pipes. A stateless agent has none: each of its requests
//! stands alone, and a question to it travels as an `input_required` result.

use std::collections::BTreeMap;

use bartizan_types::{Code, ServerName};
use bartizan_wire::jsonrpc::Id;
use serde_json::value::RawValue;

use crate::{
    Method, Params, Revision,
    link::{Ask, Caller, Input, encode_notification, push_id},
    message::{Face, LEVELS, META_CAPABILITIES, META_CLIENT, Object},
};

/// Most requests in flight of one session.
pub const MAX_IN_FLIGHT: usize = 256;
/// Most questions open towards one agent.
pub const MAX_QUESTIONS: usize = 32;
/// Longest request id that is a text, in bytes.
pub const MAX_ID_BYTES: usize = 256;

/// An agent's session.
#[derive(Debug)]
pub struct Session {
    revision: Revision,
    face: Face,
    in_flight: BTreeMap<Id<'static>, Caller>,
    questions: BTreeMap<u64, (ServerName, Ask, Method)>,
    next: u64,
    log_level: Option<String>,
}

impl Session {
    /// Opens a session from the params of `initialize`.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] when they lack `protocolVersion`, or a member has the wrong type.
    pub fn open(params: &Params<'_>) -> Result<Self, Code> {
        let requested = params.text("protocolVersion")?.ok_or(Code::MessageInvalid)?;
        Ok(Self {
            revision: Revision::for_handshake(&requested),
            face: Face::read(params.find("clientInfo"), params.find("capabilities"))?,
            in_flight: BTreeMap::new(),
            questions: BTreeMap::new(),
            next: 1,
            log_level: None,
        })
    }

    /// The revision agreed on.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// What the agent said of itself.
    #[must_use]
    pub const fn face(&self) -> &Face {
        &self.face
    }

    /// The log level the agent set.
    #[must_use]
    pub fn log_level(&self) -> Option<&str> {
        self.log_level.as_deref()
    }

    /// Remembers the log level. Levels are those of RFC 5424.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] for any other word.
    pub fn set_log_level(&mut self, level: &str) -> Result<(), Code> {
        let known = LEVELS.contains(&level);
        if !known {
            return Err(Code::MessageInvalid);
        }
        self.log_level = Some(level.to_owned());
        Ok(())
    }

    /// Whether no request of the agent is in flight.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Notes a request in flight.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] when its id is in use or too long, [`Code::QueueFull`] at the bound.
    pub fn begin(&mut self, id: &Id<'_>, caller: Caller) -> Result<(), Code> {
        if matches!(id, Id::Text(text) if text.len() > MAX_ID_BYTES) || self.in_flight.contains_key(id) {
            return Err(Code::MessageInvalid);
        }
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            return Err(Code::QueueFull);
        }
        self.in_flight.insert(id.clone().into_owned(), caller);
        Ok(())
    }

    /// A request is answered, or given up.
    pub fn end(&mut self, id: &Id<'_>) -> Option<Caller> {
        self.in_flight.remove(&id.clone().into_owned())
    }

    /// Which request a `notifications/cancelled` means. Requests of other sessions can't be named.
    #[must_use]
    pub fn cancelled(&self, params: &Params<'_>) -> Option<Caller> {
        let wanted = params.find("requestId")?.get();
        self.in_flight
            .iter()
            .find(|(id, _)| {
                let mut text = String::new();
                push_id(&mut text, id);
                text == wanted
            })
            .map(|(_, caller)| *caller)
    }

    /// Puts a server's question to the agent: the message, numbered by us.
    ///
    /// # Errors
    /// [`Code::QueueFull`] at the bound; [`Code::MessageInvalid`] when the agent's revision has no such question.
    pub fn ask(
        &mut self,
        server: &ServerName,
        ask: Ask,
        method: Method,
        params: Option<&RawValue>,
    ) -> Result<Vec<u8>, Code> {
        if !method.exists_in(self.revision) || !self.face.answers(method) {
            return Err(Code::MessageInvalid);
        }
        if self.questions.len() >= MAX_QUESTIONS {
            return Err(Code::QueueFull);
        }
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.questions.insert(number, (server.clone(), ask, method));
        let mut out = Object::with_capacity(params.map_or(0, |params| params.get().len()) + 96);
        out.text("jsonrpc", "2.0")
            .text("id", &format!("bz-{number}"))
            .text("method", method.as_str());
        if let Some(params) = params {
            out.json("params", params.get());
        }
        Ok(out.finish().into_bytes())
    }

    /// Whose question an answer of the agent is for, and what was asked. Single use.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`] when nobody asked.
    pub fn answered(&mut self, id: &Id<'_>) -> Result<(ServerName, Ask, Method), Code> {
        let Id::Text(text) = id else {
            return Err(Code::MessageInvalid);
        };
        let number = text
            .strip_prefix("bz-")
            .and_then(|number| number.parse().ok())
            .ok_or(Code::MessageInvalid)?;
        self.questions.remove(&number).ok_or(Code::MessageInvalid)
    }

    /// The server no longer wants an answer: the message that tells the agent.
    pub fn withdraw(&mut self, server: &ServerName, ask: Ask) -> Option<Vec<u8>> {
        let number = self
            .questions
            .iter()
            .find(|(_, (from, open, _))| from == server && *open == ask)
            .map(|(number, _)| *number)?;
        self.questions.remove(&number);
        Some(encode_notification(
            Method::Cancelled.as_str(),
            &format!(r#"{{"requestId":"bz-{number}"}}"#),
        ))
    }
}

/// The face of a stateless agent, from the `_meta` of one request.
///
/// # Errors
/// [`Code::MessageInvalid`] when the capabilities are missing or no object: that revision requires them.
pub fn stateless_face(params: &Params<'_>) -> Result<Face, Code> {
    let capabilities = params.meta(META_CAPABILITIES).ok_or(Code::MessageInvalid)?;
    Face::read(params.meta(META_CLIENT), Some(capabilities))
}

/// A result that asks a stateless agent for input, with a handle of ours as its state.
#[must_use]
pub fn input_required(inputs: &[Input], state: Option<&str>) -> String {
    let mut requests = Object::default();
    for input in inputs {
        let mut request = Object::default();
        request.text("method", input.method.as_str());
        if let Some(params) = &input.params {
            request.json("params", params.get());
        }
        requests.json(&input.key, &request.finish());
    }
    let mut out = Object::default();
    out.text("resultType", "input_required");
    if !inputs.is_empty() {
        out.json("inputRequests", &requests.finish());
    }
    if let Some(state) = state {
        out.text("requestState", state);
    }
    out.finish()
}

/// Answers to the questions of an `input_required` result, as JSON.
#[must_use]
pub fn input_responses(answers: &[(String, Box<RawValue>)]) -> String {
    let mut out = Object::default();
    for (key, answer) in answers {
        out.json(key, answer.get());
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn session() -> Session {
        let params = raw(
            r#"{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"a","version":"1"}}"#,
        );
        Session::open(&Params::read(Some(&params)).unwrap()).unwrap()
    }

    #[test]
    fn an_answer_spends_its_question() {
        let mut session = session();
        let server = ServerName::new("mail").unwrap();
        let bytes = session.ask(&server, Ask(9), Method::Elicit, None).unwrap();
        assert_eq!(
            bytes,
            br#"{"jsonrpc":"2.0","id":"bz-1","method":"elicitation/create"}"#
        );
        let id = Id::Text("bz-1".into());
        assert_eq!(session.answered(&id), Ok((server, Ask(9), Method::Elicit)));
        assert_eq!(session.answered(&id), Err(Code::MessageInvalid));
        assert_eq!(session.answered(&Id::Number(1)), Err(Code::MessageInvalid));
        assert_eq!(
            session.answered(&Id::Text("bz-2".into())),
            Err(Code::MessageInvalid)
        );
    }

    #[test]
    fn agents_are_only_asked_what_they_offered() {
        let mut session = session();
        let server = ServerName::new("mail").unwrap();
        assert_eq!(
            session.ask(&server, Ask(1), Method::Sample, None),
            Err(Code::MessageInvalid)
        );
        for number in 0..MAX_QUESTIONS as u64 {
            session.ask(&server, Ask(number), Method::Elicit, None).unwrap();
        }
        assert_eq!(
            session.ask(&server, Ask(99), Method::Elicit, None),
            Err(Code::QueueFull)
        );
        assert!(session.withdraw(&server, Ask(0)).is_some());
        assert!(
            session
                .withdraw(&ServerName::new("other").unwrap(), Ask(1))
                .is_none()
        );
    }

    #[test]
    fn ids_in_use_are_refused_and_cancel_finds_its_own_kind() {
        let mut session = session();
        session.begin(&Id::Number(1), Caller(10)).unwrap();
        session.begin(&Id::Text("1".into()), Caller(11)).unwrap();
        assert_eq!(
            session.begin(&Id::Number(1), Caller(12)),
            Err(Code::MessageInvalid)
        );
        let long = "x".repeat(MAX_ID_BYTES + 1);
        assert_eq!(
            session.begin(&Id::Text(long.into()), Caller(12)),
            Err(Code::MessageInvalid)
        );
        let text = raw(r#"{"requestId":"1"}"#);
        assert_eq!(
            session.cancelled(&Params::read(Some(&text)).unwrap()),
            Some(Caller(11))
        );
        let number = raw(r#"{"requestId":1}"#);
        assert_eq!(
            session.cancelled(&Params::read(Some(&number)).unwrap()),
            Some(Caller(10))
        );
        assert_eq!(session.end(&Id::Number(1)), Some(Caller(10)));
        assert_eq!(session.cancelled(&Params::read(Some(&number)).unwrap()), None);
    }

    #[test]
    fn input_results_carry_the_question_and_nothing_else() {
        let inputs = [Input {
            key: "k".into(),
            method: Method::Elicit,
            params: Some(raw(r#"{"message":"m"}"#)),
        }];
        assert_eq!(
            input_required(&inputs, Some("h")),
            r#"{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"message":"m"}}},"requestState":"h"}"#
        );
        assert_eq!(input_responses(&[("k".into(), raw("{}"))]), r#"{"k":{}}"#);
    }
}
