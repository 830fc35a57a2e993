//! One request of an agent on its way to a server and back: ruled on, sent, waited for, answered, in one piece or as a
//! stream, through as many rounds of questions as the server needs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bartizan_guard::AnswerFacts;
use bartizan_mcp::{
    Caller, Listed, Method, Outcome, Params, Revision, link::Input, message, refusal, session,
};
use bartizan_types::{CallFacts, Code, Digest, Finding, FindingKind, Refusal, Severity};
use bartizan_wire::jsonrpc::Id;
use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{
    conn::{Conn, Delivered, Delivery},
    hub::lock,
    labels,
};
use crate::{
    inspect::Source,
    model::sha256,
    room::{Full, Taken},
    sessions::Traced,
    telemetry::otlp::traceparent,
};

mod cross;

pub(crate) use super::exchange::{Agent, Ctx, Message, Open, Passed, Refused, Reply};

/// Rounds of questions one request may take (the SDKs stop at ten, too).
const ROUNDS: u8 = 10;
/// Messages on their way to an agent.
const OUTGOING: usize = 64;

/// How a request goes to the server.
#[derive(Clone)]
pub(crate) struct Request {
    /// The method, as the agent wrote it.
    pub name: String,
    /// Its params.
    pub params: Option<Box<RawValue>>,
    /// The tool's or prompt's own name.
    pub own: Option<String>,
    /// The completion reference with the server's own name.
    pub reference: Option<String>,
    /// The server's cursor.
    pub cursor: Option<String>,
    /// Whether the agent's answers to a stateless server pass.
    pub keep_input: bool,
    /// What policy is asked; a fresh id is put in each time.
    pub facts: CallFacts,
    /// What inspectors saw.
    pub findings: Vec<Finding>,
    /// Headers that repeat arguments.
    pub mirrored: Vec<(String, String)>,
    /// The tool's definition.
    pub listed: Option<Arc<Listed>>,
    /// Where its arguments came from.
    pub traced: Option<Traced>,
}

/// A request in flight. Dropped before its end, it is cancelled at the server.
pub(crate) struct Flight {
    pub ctx: Ctx,
    pub conn: Arc<Conn>,
    pub request: Request,
    /// The agent's id for it; none for requests of our own.
    pub id: Option<Id<'static>>,
    me: Caller,
    deliveries: mpsc::Receiver<Delivered>,
    /// Room for the request's params while it is kept, and for what was delivered last.
    _params: Taken,
    delivered: Option<Taken>,
    reader: Option<tokio::task::AbortHandle>,
    rounds: u8,
    /// The approval question that the agent went away with.
    pub(super) question: Option<bartizan_types::ApprovalId>,
    done: bool,
}

/// How long a server may keep the stream of a request open once it has answered.
const AFTER_ANSWER: Duration = Duration::from_secs(2);

impl Drop for Flight {
    fn drop(&mut self) {
        self.conn.unregister(self.me);
        if !self.done {
            self.conn.cancel(self.me);
        }
        if let Some(reader) = self.reader.take() {
            match tokio::runtime::Handle::try_current() {
                // The answer is in: the server ends its stream now, or has it ended. One left open would keep a
                // task and a socket for every call.
                Ok(runtime) if self.done => drop(runtime.spawn(async move {
                    tokio::time::sleep(AFTER_ANSWER).await;
                    reader.abort();
                })),
                // In the stateless revision, closing the stream is what tells the server.
                _ => reader.abort(),
            }
        }
        if let (Agent::Session(session), Some(id)) = (&self.ctx.agent, &self.id) {
            lock(&session.state).end(id);
        }
    }
}

/// One step of waiting.
enum Step {
    /// A message for the agent before the answer, with findings about it.
    Notice(Vec<u8>, Vec<Finding>),
    /// The answer, with findings about it.
    Answer(Vec<u8>, Vec<Finding>),
    /// The request went out again: its passage replaces the former.
    Again(Passed),
}

impl Flight {
    /// A request about to go.
    ///
    /// # Errors
    /// The refusal, when the session has this id in flight already or too many.
    pub(crate) fn new(
        ctx: &Ctx,
        conn: &Arc<Conn>,
        request: Request,
        id: Option<Id<'static>>,
    ) -> Result<Self, Refusal> {
        let me = ctx.shared.mcp.caller();
        let kept = request.params.as_ref().map_or(0, |params| params.get().len());
        let params = conn.room.take(kept).map_err(|Full| ctx.early(Code::QueueFull))?;
        if let (Agent::Session(session), Some(id)) = (&ctx.agent, &id) {
            lock(&session.state)
                .begin(id, me)
                .map_err(|code| ctx.early(code))?;
        }
        Ok(Self {
            ctx: ctx.clone(),
            conn: Arc::clone(conn),
            request,
            id,
            me,
            deliveries: conn.register(me),
            _params: params,
            delivered: None,
            reader: None,
            rounds: 0,
            question: None,
            done: false,
        })
    }

    fn method(&self) -> Method {
        Method::parse(&self.request.name)
    }

    /// Rules on the request and sends it. `input`: answers and state of a former round.
    pub(crate) async fn send(&mut self, input: Option<(&str, Option<&str>)>) -> Result<Passed, Refusal> {
        match self.send_once(input).await {
            // A human said yes meanwhile, to the call without what it had beside what she saw: so it goes.
            Err(refusal) if refusal.approval.is_some() && self.has_yes() => self.send_once(input).await,
            sent => sent,
        }
    }

    async fn send_once(&mut self, input: Option<(&str, Option<&str>)>) -> Result<Passed, Refusal> {
        let bare = self.unburden(input).map_err(|code| self.ctx.early(code))?;
        let (sent, stateless) = {
            let mut link = lock(&self.conn.link);
            let level = match &self.ctx.agent {
                Agent::Session(session) => lock(&session.state).log_level().map(str::to_owned),
                Agent::Stateless(_) => None,
            };
            let request = &self.request;
            let stateless = link.revision().is_some_and(Revision::stateless);
            let sent = Params::read(request.params.as_deref()).and_then(|params| {
                let trace = params.names_trace().then(|| traceparent(request.facts.id));
                let shape = message::Shape {
                    name: request.own.as_deref(),
                    reference: request.reference.as_deref(),
                    cursor: request.cursor.as_deref(),
                    log_level: level.as_deref(),
                    keep_input: request.keep_input && input.is_none(),
                    input_responses: input.map(|(responses, _)| responses),
                    request_state: input.and_then(|(_, state)| state),
                    bare: bare.then(|| message::needed(Method::parse(&request.name))),
                    trace: trace.as_deref(),
                };
                link.request(self.me, &request.name, &params, shape)
            });
            (sent, stateless)
        };
        let sent = sent.map_err(|code| self.ctx.early(code))?;
        let headers = self.headers(stateless);
        let passed = self.pass(sent.bytes, headers, Some(sent.id)).await;
        if passed.is_err() {
            lock(&self.conn.link).forget(sent.id);
        }
        passed
    }

    async fn next(&mut self, patience: Duration) -> Result<Delivery, Code> {
        match tokio::time::timeout(patience, self.deliveries.recv()).await {
            Ok(Some(delivered)) => {
                let (delivery, room) = *delivered;
                self.delivered = Some(room);
                Ok(delivery)
            }
            Ok(None) => Err(Code::ServerFailed),
            Err(_) => Err(Code::UpstreamTimeout),
        }
    }

    /// A request of our own: sent, and its result waited for. Notices on the way are not for anyone.
    pub(crate) async fn alone(mut self) -> Result<Outcome, Refusal> {
        let mut passed = self.send(None).await?;
        let until = Instant::now() + self.conn.served.config.timeout;
        loop {
            let code = match self.next(until.saturating_duration_since(Instant::now())).await {
                Ok(Delivery::Answer(outcome)) => {
                    self.done = true;
                    let _call = passed.answered(AnswerFacts::default())?.spend();
                    passed.finish();
                    return Ok(outcome);
                }
                Ok(Delivery::Notice(_)) => continue,
                Ok(Delivery::Ask { ask, .. }) => {
                    self.conn.refuse_ask(ask, Code::MessageInvalid).await;
                    continue;
                }
                Ok(Delivery::Inputs { .. }) => Code::UpstreamMalformed,
                // Nobody can withdraw what we ask ourselves.
                Ok(Delivery::Withdrawn) => Code::Bug,
                Ok(Delivery::Gone(code)) | Err(code) => code,
            };
            let refusal = passed.unread(code, &self.conn.served.config);
            return Err(self.conn.explained(refusal));
        }
    }

    /// A stream of notices of our own: held until the server ends it, however long that is. What comes on it goes to
    /// the conversation's listeners. Dropped, it is cancelled at the server.
    ///
    /// # Errors
    /// The refusal, when it could not be opened or failed.
    pub(crate) async fn hold(mut self) -> Result<(), Refusal> {
        let mut passed = self.send(None).await?;
        self.conn.hold(self.me);
        let _call = passed.answered(AnswerFacts::default())?.spend();
        let ended = loop {
            match self.deliveries.recv().await.map(|delivered| delivered.0) {
                Some(Delivery::Answer(outcome)) => break Ok(outcome),
                Some(Delivery::Ask { ask, .. }) => self.conn.refuse_ask(ask, Code::MessageInvalid).await,
                Some(Delivery::Notice(_)) => {}
                Some(Delivery::Gone(code)) => break Err(code),
                Some(Delivery::Inputs { .. } | Delivery::Withdrawn) => break Err(Code::UpstreamMalformed),
                None => break Err(Code::ServerFailed),
            }
        };
        self.done = true;
        match ended {
            Ok(Outcome::Result(_)) => {
                passed.finish();
                Ok(())
            }
            Ok(Outcome::Error { .. }) => Err(passed.failed(Code::ServerFailed)),
            Err(code) => Err(passed.failed(code)),
        }
    }

    /// Sends the request and brings the answer back.
    pub(crate) async fn run(mut self: Box<Self>) -> Result<Reply, Refused> {
        match self.send(None).await {
            Ok(passed) => self.wait(passed).await,
            Err(refusal) => self.put_aside(refusal),
        }
    }

    /// Waits for the answer of a request that was sent.
    pub(crate) async fn wait(mut self: Box<Self>, mut passed: Passed) -> Result<Reply, Refused> {
        loop {
            let step = match self.step().await {
                Ok(step) => step,
                Err(Stop::Code(code)) => {
                    let refusal = passed.unread(code, &self.conn.served.config);
                    return Err(self.conn.explained(refusal).into());
                }
                Err(Stop::Refusal(refusal)) => return Err((*refusal).into()),
                // A withdrawn request has no answer (2025-11-25, "cancellation"); recorded as abandoned.
                Err(Stop::Withdrawn) => return Ok(Reply::Accepted),
                Err(Stop::Park(inputs)) => {
                    let release = passed.answered(AnswerFacts::default())?;
                    let bytes = self.park(inputs)?;
                    passed.released(&bytes);
                    passed.finish();
                    return Ok(Reply::Whole {
                        status: 200,
                        bytes,
                        release: Some(release),
                        session: None,
                        room: None,
                    });
                }
            };
            match step {
                Step::Answer(bytes, findings) => {
                    self.done = true;
                    let release = passed.answered(AnswerFacts {
                        status: None,
                        findings,
                    })?;
                    passed.released(&bytes);
                    passed.finish();
                    return Ok(Reply::Whole {
                        status: 200,
                        bytes,
                        release: Some(release),
                        session: None,
                        room: self.delivered.take(),
                    });
                }
                Step::Again(next) => {
                    let _call = passed.answered(AnswerFacts::default())?.spend();
                    passed.finish();
                    passed = next;
                }
                // An agent that takes no stream gets the answer alone.
                Step::Notice(..) if !self.ctx.streams => {}
                Step::Notice(first, findings) => {
                    let release = passed.answered(AnswerFacts {
                        status: None,
                        findings,
                    })?;
                    let (sender, messages) = mpsc::channel(OUTGOING);
                    tokio::spawn(self.stream(passed, first, sender));
                    return Ok(Reply::Stream {
                        release,
                        messages,
                        open: None,
                    });
                }
            }
        }
    }

    /// Goes on as a stream. Ends by itself when the agent goes away: then the request is cancelled and recorded so.
    async fn stream(mut self: Box<Self>, mut passed: Passed, first: Vec<u8>, to: mpsc::Sender<Message>) {
        passed.released(&first);
        let first = Message::with(first, self.delivered.take());
        if to.send(first).await.is_err() {
            return;
        }
        loop {
            let step = tokio::select! {
                step = self.step() => step,
                () = to.closed() => return,
            };
            let (bytes, findings, last) = match step {
                Ok(Step::Notice(bytes, findings)) => (bytes, findings, false),
                Ok(Step::Answer(bytes, findings)) => {
                    self.done = true;
                    (bytes, findings, true)
                }
                Ok(Step::Again(mut next)) => {
                    // The stream goes on under the passage of the round that now runs.
                    if next.answered(AnswerFacts::default()).is_err() {
                        return;
                    }
                    passed.finish();
                    passed = next;
                    continue;
                }
                Err(stop) => {
                    let (id, method, revision) = (self.id.clone(), self.method(), self.ctx.revision());
                    let refusal = match stop {
                        Stop::Withdrawn => return,
                        Stop::Code(code) => {
                            let refusal = passed.unread(code, &self.conn.served.config);
                            self.conn.explained(refusal)
                        }
                        Stop::Refusal(refusal) => *refusal,
                        Stop::Park(inputs) => match self.park(inputs) {
                            Ok(bytes) => {
                                passed.released(&bytes);
                                if to.send(Message::with(bytes, None)).await.is_ok() {
                                    passed.finish();
                                }
                                return;
                            }
                            Err(refusal) => refusal,
                        },
                    };
                    let (_, bytes) = refusal::encode(id.as_ref(), method, revision, &refusal, None);
                    // An agent that has gone needs no refusal.
                    let _told = to.send(Message::with(bytes, None)).await;
                    return;
                }
            };
            if let Err(refusal) = passed.found(findings) {
                passed.withheld(refusal.code);
                let (id, method, revision) = (self.id.as_ref(), self.method(), self.ctx.revision());
                let (_, bytes) = refusal::encode(id, method, revision, &refusal, None);
                let _told = to.send(Message::with(bytes, None)).await;
                return;
            }
            passed.released(&bytes);
            let message = Message::with(bytes, self.delivered.take());
            if to.send(message).await.is_err() {
                return;
            }
            if last {
                passed.finish();
                return;
            }
        }
    }

    async fn step(&mut self) -> Result<Step, Stop> {
        let patience = self.conn.served.config.timeout;
        match self.next(patience).await.map_err(Stop::Code)? {
            Delivery::Notice(bytes) => {
                // Progress and log messages are the server's words too.
                self.ctx.caller.session.taint("");
                let (findings, bytes) =
                    labels::noticed(&self.ctx.shared, &self.ctx.caller, self.request.facts.id, bytes)
                        .await
                        .map_err(Stop::Code)?;
                Ok(Step::Notice(bytes, findings))
            }
            Delivery::Answer(outcome) => self.answer(&outcome).await,
            Delivery::Gone(code) => Err(Stop::Code(code)),
            Delivery::Withdrawn => Err(Stop::Withdrawn),
            Delivery::Ask { ask, method, params } => {
                let ruled = Box::pin(
                    self.conn
                        .question(&self.ctx.shared, &self.ctx.caller, method, params),
                );
                let params = match ruled.await {
                    Ok(params) => params,
                    Err(code) => {
                        self.conn.refuse_ask(ask, code).await;
                        return Box::pin(self.step()).await;
                    }
                };
                Err(Stop::Park((
                    Input {
                        key: format!("q{}", ask.0),
                        method,
                        params,
                    },
                    ask,
                )))
            }
            Delivery::Inputs {
                inputs,
                state,
                result,
            } => Box::pin(self.inputs(inputs, state, &result)).await,
        }
    }

    async fn answer(&self, outcome: &Outcome) -> Result<Step, Stop> {
        let Some(id) = &self.id else {
            return Err(Stop::Code(Code::Bug));
        };
        let mut findings = Vec::new();
        let bytes = match outcome {
            Outcome::Result(result) => {
                if let Some(output) = self
                    .request
                    .listed
                    .as_ref()
                    .and_then(|listed| listed.output.as_ref())
                {
                    findings.extend(unfit(output, result));
                }
                let given = labels::handed_out(result);
                self.conn.given.note(given.iter().map(String::as_str));
                labels::read(&self.ctx, self.request.traced.as_ref(), result);
                let source = labels::channel(self.method(), result);
                let (seen, masked) = labels::inspected(&self.ctx, self.request.facts.id, result, source)
                    .await
                    .map_err(Stop::Code)?;
                findings.extend(seen);
                let result = masked.as_deref().unwrap_or(result);
                let result =
                    message::result_for(result, self.ctx.revision(), self.method()).map_err(Stop::Code)?;
                refusal::result(id, &result)
            }
            Outcome::Error { message, code, .. } => {
                self.ctx.caller.session.taint(message);
                let error = message::raw(serde_json::Value::from(message.as_str()).to_string())
                    .map_err(Stop::Code)?;
                let id_of_call = self.request.facts.id;
                let (seen, masked) = labels::inspected(&self.ctx, id_of_call, &error, Source::Tool)
                    .await
                    .map_err(Stop::Code)?;
                findings.extend(seen);
                match masked.and_then(|masked| serde_json::from_str(masked.get()).ok()) {
                    Some(message) => Outcome::Error {
                        code: *code,
                        message,
                        data: None,
                    }
                    .encode(id),
                    None => outcome.encode(id),
                }
            }
        };
        Ok(Step::Answer(bytes, findings))
    }

    /// A stateless server wants answers. A stateless agent is handed the questions as they are; one with a session is
    /// asked one by one, and the request is made again.
    async fn inputs(
        &mut self,
        inputs: Vec<Input>,
        state: Option<String>,
        result: &RawValue,
    ) -> Result<Step, Stop> {
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > ROUNDS {
            return Err(Stop::Code(Code::UpstreamMalformed));
        }
        let stateless = matches!(self.ctx.agent, Agent::Stateless(_));
        let mut put = Vec::with_capacity(inputs.len());
        for input in inputs {
            let (shared, caller) = (&self.ctx.shared, &self.ctx.caller);
            let params = self
                .conn
                .question(shared, caller, input.method, input.params)
                .await;
            put.push(Input {
                params: params.map_err(Stop::Code)?,
                ..input
            });
        }
        if stateless {
            self.conn.states.note(state.as_deref());
            let id = self.id.as_ref().ok_or(Stop::Code(Code::Bug))?;
            let (findings, masked) =
                labels::inspected(&self.ctx, self.request.facts.id, result, Source::Tool)
                    .await
                    .map_err(Stop::Code)?;
            let shown = masked.as_deref().unwrap_or(result);
            return Ok(Step::Answer(refusal::result(id, shown.get()), findings));
        }
        let Agent::Session(session) = &self.ctx.agent else {
            return Err(Stop::Code(Code::Bug));
        };
        let session = Arc::clone(session);
        let mut answers = Vec::new();
        for input in put {
            let (ask, answer) = self.ctx.shared.mcp.collect();
            lock(&session.state)
                .ask(
                    &self.conn.served.config.name,
                    ask,
                    input.method,
                    input.params.as_deref(),
                )
                .and_then(|message| session.post(message))
                .map_err(Stop::Code)?;
            let patience = self.conn.served.config.timeout;
            match tokio::time::timeout(patience, answer).await {
                Ok(Ok(Outcome::Result(answer))) => {
                    let (shared, caller, call) = (&self.ctx.shared, &self.ctx.caller, self.request.facts.id);
                    let seen = labels::answered(shared, caller, call, input.method, &answer).await;
                    self.request.findings.extend(seen);
                    answers.push((input.key, answer));
                }
                // The agent said no: the server can't go on.
                Ok(Ok(Outcome::Error { .. })) => return Err(Stop::Code(Code::MessageInvalid)),
                Ok(Err(_)) => return Err(Stop::Code(Code::SessionUnknown)),
                Err(_) => return Err(Stop::Code(Code::SlowCaller)),
            }
        }
        let responses = session::input_responses(&answers);
        let next = self
            .send(Some((&responses, state.as_deref())))
            .await
            .map_err(|refusal| Stop::Refusal(Box::new(refusal)))?;
        Ok(Step::Again(next))
    }

    /// Leaves the request running, and gives the agent a handle to come back with.
    fn park(mut self: Box<Self>, (input, ask): (Input, bartizan_mcp::Ask)) -> Result<Vec<u8>, Refusal> {
        let ctx = self.ctx.clone();
        let Some(id) = self.id.take() else {
            return Err(ctx.early(Code::Bug));
        };
        let digest = self.likeness();
        let asks = vec![(input.key.clone(), ask)];
        let handle = ctx
            .shared
            .mcp
            .park(ctx.owner(), digest, asks, self)
            .map_err(|code| ctx.early(code))?;
        Ok(refusal::result(
            &id,
            &session::input_required(&[input], Some(&handle)),
        ))
    }

    /// What makes two requests the same: method, server, and params without the answers, state and `_meta`.
    pub(crate) fn likeness(&self) -> Digest {
        likeness(&self.request, &self.conn)
    }

    /// Answers the server's questions for a parked request that the agent came back to, and waits on.
    pub(crate) async fn resume(
        mut self: Box<Self>,
        ctx: &Ctx,
        id: Id<'static>,
        asks: Vec<(String, bartizan_mcp::Ask)>,
        responses: &RawValue,
    ) -> Result<Reply, Refused> {
        if let Some(question) = self.question {
            return self.reconsidered(ctx, id, question, responses).await;
        }
        self.ctx = ctx.clone();
        self.id = Some(id);
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > ROUNDS {
            return Err(self.ctx.early(Code::UpstreamMalformed).into());
        }
        let members = message::Members::read(responses).map_err(|code| self.ctx.early(code))?;
        let call = self.request.facts.id;
        let seen = labels::answered(&ctx.shared, &ctx.caller, call, Method::Elicit, responses).await;
        self.request.findings.extend(seen);
        let mut last = None;
        for (key, ask) in asks {
            let outcome = match members.find(&key) {
                Some(answer) => Outcome::Result(answer.to_owned()),
                None => Outcome::Error {
                    code: -1,
                    message: "the agent gave no answer".to_owned(),
                    data: None,
                },
            };
            let bytes = lock(&self.conn.link)
                .answer(ask, &outcome)
                .map_err(|code| self.ctx.early(code))?;
            let headers = self.conn.version_header();
            if let Some(before) = last.replace(self.pass(bytes, headers, None).await?) {
                Passed::finish(before);
            }
        }
        match last {
            Some(passed) => self.wait(passed).await,
            None => Err(self.ctx.early(Code::Bug).into()),
        }
    }
}

/// See [`Flight::likeness`].
pub(crate) fn likeness(request: &Request, conn: &Conn) -> Digest {
    let mut text = format!("{}\0{}\0", request.name, conn.served.config.name);
    if let Some(params) = &request.params
        && let Ok(members) = message::Members::read(params)
    {
        for (key, value) in members.iter() {
            if !matches!(key, "_meta" | "inputResponses" | "requestState") {
                text.push_str(key);
                text.push('\0');
                text.push_str(value.get());
                text.push('\0');
            }
        }
    }
    sha256(text.as_bytes())
}

/// Why waiting ends without an answer.
enum Stop {
    Code(Code),
    Refusal(Box<Refusal>),
    Withdrawn,
    Park((Input, bartizan_mcp::Ask)),
}

/// Whether a tool's structured result fits what the tool promised. A finding, since the bytes are the server's.
fn unfit(output: &bartizan_mcp::Schema, result: &RawValue) -> Option<Finding> {
    let members = message::Members::read(result).ok()?;
    if members.find("isError").is_some_and(|flag| flag.get() == "true") {
        return None;
    }
    let pointer = match members.find("structuredContent") {
        None => String::new(),
        Some(content) => {
            let value: serde_json::Value = serde_json::from_str(content.get()).ok()?;
            format!("/structuredContent{}", output.check(&value).err()?.pointer)
        }
    };
    Some(Finding {
        kind: FindingKind::ResultMismatch,
        severity: Severity::Low,
        what: "".into(),
        score: 1000,
        span: None,
        pointer: pointer.chars().take(200).collect(),
        taxonomy: Vec::new(),
    })
}

/// Bytes of a message as one event of a stream.
pub(crate) fn event(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 24);
    out.extend_from_slice(b"event: message\ndata: ");
    out.extend(message.iter().map(|byte| {
        if matches!(byte, b'\n' | b'\r') {
            b' '
        } else {
            *byte
        }
    }));
    out.extend_from_slice(b"\n\n");
    Bytes::from(out)
}
