//! Who asks, what goes back, and the passage that a call goes by in between.

use std::{sync::Arc, time::Instant};

use aws_lc_rs::digest;
use bartizan_guard::{AnswerFacts, Release};
use bartizan_mcp::{Revision, message::Face};
use bartizan_types::{Code, Digest, Finding, Refusal};
use http::request::Parts;
use tokio::sync::mpsc;

use super::hub::{AgentSession, Owner, Served, lock};
use crate::{
    Shared, config,
    gate::{self, Passage},
    room::{Room, Taken},
    upstream::{Outbound, child::Line},
};

/// Who asks, and how.
#[derive(Clone)]
pub(crate) struct Ctx {
    pub shared: Arc<Shared>,
    pub caller: gate::Caller,
    pub names: Arc<bartizan_mcp::Names>,
    pub agent: Agent,
    /// Whether the agent takes a stream as an answer.
    pub streams: bool,
    /// Head of the request, where it came over HTTP.
    pub head: Option<Arc<Parts>>,
    /// Size and digest of the request's bytes.
    pub body: (u64, Digest),
}

/// The agent's side.
#[derive(Clone)]
pub(crate) enum Agent {
    /// With a session.
    Session(Arc<AgentSession>),
    /// Each request for itself.
    Stateless(Box<Face>),
}

impl Ctx {
    pub(crate) fn owner(&self) -> Owner {
        Owner::of(&self.caller.principal)
    }

    /// Whether the agent speaks the stateless revision.
    pub(crate) const fn is_stateless(&self) -> bool {
        matches!(self.agent, Agent::Stateless(_))
    }

    pub(crate) fn revision(&self) -> Revision {
        match &self.agent {
            Agent::Session(session) => lock(&session.state).revision(),
            Agent::Stateless(_) => Revision::LATEST,
        }
    }

    pub(crate) fn face(&self) -> Face {
        match &self.agent {
            Agent::Session(session) => lock(&session.state).face().clone(),
            Agent::Stateless(face) => Face::clone(face),
        }
    }

    pub(crate) fn early(&self, code: Code) -> Refusal {
        self.shared.reject(code, Some(&self.caller.principal))
    }

    /// Refuses while a server on a pipe rests: because this identity's own process ended too soon, or because none could
    /// be started for anybody.
    ///
    /// # Errors
    /// [`Code::ServerFailed`], with when trying again may help.
    pub(crate) fn rested(&self, served: &Served) -> Result<(), Refusal> {
        let Some(left) = served.rests.left(&self.owner(), Instant::now()) else {
            return Ok(());
        };
        let seconds = u32::try_from(left.as_secs())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let name = &served.config.name;
        Err(Refusal {
            retry_after_seconds: Some(seconds),
            ..self
                .early(Code::ServerFailed)
                .saying(&format!("`{name}` rests after it failed, for {seconds} s"))
        })
    }

    /// Refuses while a server is left alone after failing again and again.
    ///
    /// # Errors
    /// [`Code::CircuitOpen`], with when trying again may help.
    pub(crate) fn spared(&self, served: &Served) -> Result<(), Refusal> {
        served.admit().map_err(|seconds| {
            let what = format!("server `{}`", served.config.name);
            self.shared.left_alone(&self.caller.principal, &what, seconds)
        })
    }
}

/// One message on its way to an agent, with the room that it takes meanwhile.
pub(crate) struct Message {
    /// Without what the transport puts around it.
    pub bytes: Vec<u8>,
    _room: Option<Taken>,
}

impl Message {
    /// A message that has its room.
    pub(crate) const fn with(bytes: Vec<u8>, room: Option<Taken>) -> Self {
        Self { bytes, _room: room }
    }

    /// A message that takes room of its own.
    ///
    /// # Errors
    /// [`Code::QueueFull`] when there is none.
    pub(crate) fn within(room: &Room, bytes: Vec<u8>) -> Result<Self, Code> {
        let room = room.take(bytes.len()).map_err(|_| Code::QueueFull)?;
        Ok(Self::with(bytes, Some(room)))
    }
}

/// What goes back to the agent.
pub(crate) enum Reply {
    /// One message.
    Whole {
        status: u16,
        bytes: Vec<u8>,
        /// Absent for our own words.
        release: Option<Release>,
        /// The session that was opened.
        session: Option<String>,
        /// Room that the bytes take until they are sent.
        room: Option<Taken>,
    },
    /// Messages, the last of which is the answer.
    Stream {
        release: Release,
        messages: mpsc::Receiver<Message>,
        /// The passage of a stream that has no answer, only notices until somebody goes. Other streams close their own.
        open: Option<Box<Open>>,
    },
    /// Taken, with nothing to say.
    Accepted,
}

impl Reply {
    /// Our own words.
    pub(crate) fn ours(bytes: Vec<u8>) -> Self {
        Self::Whole {
            status: 200,
            bytes,
            release: None,
            session: None,
            room: None,
        }
    }
}

/// The passage of a stream of notices, for as long as the stream lasts. Dropped, it is finished: such a stream ends when
/// somebody goes, and its closing record then says what was handed to the agent until that moment.
pub(crate) struct Open {
    passage: Option<Passage<()>>,
    transcript: digest::Context,
    /// Keeps the stream from ending with the last of its servers.
    _sender: Option<mpsc::Sender<Message>>,
}

impl Open {
    /// Of a stream that has been released.
    pub(super) fn new(passage: Passage<()>, sender: Option<mpsc::Sender<Message>>) -> Self {
        Self {
            passage: Some(passage),
            transcript: digest::Context::new(&digest::SHA256),
            _sender: sender,
        }
    }

    /// One more message is handed to the agent's transport.
    pub(super) fn released(&mut self, message: &[u8]) {
        if let Some(passage) = &mut self.passage {
            self.transcript.update(message);
            let bytes = u64::try_from(message.len()).unwrap_or(u64::MAX);
            passage.released.bytes = passage.released.bytes.saturating_add(bytes);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(mut passage) = self.passage.take() else {
            return;
        };
        if passage.released.bytes > 0 {
            let mut transcript = [0_u8; 32];
            transcript.copy_from_slice(self.transcript.clone().finish().as_ref());
            passage.released.transcript = Some(Digest(transcript));
        }
        passage.finish();
    }
}

/// A refusal, and what of the request it belongs to.
pub(crate) struct Refused {
    pub refusal: Refusal,
    /// A place in the arguments; never a value.
    pub detail: Option<Box<str>>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            detail: None,
        }
    }
}

/// The passage of a call, whichever way it went, and the hash of what was released under it.
pub(crate) struct Passed {
    by: By,
    transcript: digest::Context,
}

enum By {
    Pipe(Passage<Line>),
    Http(Passage<Outbound>),
}

impl Passed {
    /// Of a call that went by a pipe.
    pub(super) fn by_pipe(passage: Passage<Line>) -> Self {
        Self::new(By::Pipe(passage))
    }

    /// Of a call that went over HTTP.
    pub(super) fn by_http(passage: Passage<Outbound>) -> Self {
        Self::new(By::Http(passage))
    }

    fn new(by: By) -> Self {
        Self {
            by,
            transcript: digest::Context::new(&digest::SHA256),
        }
    }

    pub(crate) fn answered(&mut self, facts: AnswerFacts) -> Result<Release, Refusal> {
        match &mut self.by {
            By::Pipe(passage) => passage.answered(facts),
            By::Http(passage) => passage.answered(facts),
        }
    }

    /// Something was seen in what goes out next of an answer that is on its way already.
    ///
    /// # Errors
    /// Policy withholds it: the refusal to tell. [`Self::withheld`] is owed.
    pub(super) fn found(&mut self, findings: Vec<Finding>) -> Result<(), Refusal> {
        match &mut self.by {
            By::Pipe(passage) => passage.found(findings),
            By::Http(passage) => passage.found(findings),
        }
    }

    /// One more message goes to the agent. The transcript is that of all of them, in order, without what a transport
    /// puts around them.
    pub(super) fn released(&mut self, message: &[u8]) {
        self.transcript.update(message);
        let mut transcript = [0_u8; 32];
        transcript.copy_from_slice(self.transcript.clone().finish().as_ref());
        let answer = match &mut self.by {
            By::Pipe(passage) => &mut passage.released,
            By::Http(passage) => &mut passage.released,
        };
        answer.bytes = answer
            .bytes
            .saturating_add(u64::try_from(message.len()).unwrap_or(u64::MAX));
        answer.transcript = Some(Digest(transcript));
    }

    pub(crate) fn finish(self) {
        match self.by {
            By::Pipe(passage) => passage.finish(),
            By::Http(passage) => passage.finish(),
        }
    }

    pub(crate) fn withheld(self, code: Code) {
        match self.by {
            By::Pipe(passage) => passage.withheld(code),
            By::Http(passage) => passage.withheld(code),
        }
    }

    pub(crate) fn failed(self, code: Code) -> Refusal {
        match self.by {
            By::Pipe(passage) => passage.failed(code),
            By::Http(passage) => passage.failed(code),
        }
    }

    /// The server's answer did not come, or not whole. Where that met a limit, it is told: how long it may take is set
    /// for each server.
    pub(crate) fn unread(self, code: Code, server: &config::Server) -> Refusal {
        if code == Code::UpstreamTimeout {
            return timed(self.failed(code), server);
        }
        match self.by {
            By::Pipe(passage) => passage.unread(code),
            By::Http(passage) => passage.unread(code),
        }
    }
}

/// A refusal that tells how long a server may take, where that is what it is about.
pub(crate) fn timed(refusal: Refusal, server: &config::Server) -> Refusal {
    if refusal.code != Code::UpstreamTimeout {
        return refusal;
    }
    let seconds = server.timeout.as_secs_f64();
    refusal.saying(&format!(
        "{seconds} s (`timeout_ms` of the `[[server]]` `{}`)",
        server.name
    ))
}
