//! Who asks, what goes back, and the passage that a call goes by in between.

use std::sync::Arc;

use bartizan_guard::{AnswerFacts, Release};
use bartizan_mcp::{Revision, message::Face};
use bartizan_types::{Code, Digest, Refusal};
use http::HeaderMap;
use tokio::sync::mpsc;

use super::hub::{AgentSession, Owner, lock};
use crate::{
    Shared,
    gate::{self, Passage},
    model::sha256,
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
    /// Headers of the request, where it came over HTTP.
    pub headers: Option<Arc<HeaderMap>>,
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
        self.shared.reject(code, Some(&self.caller.principal));
        crate::serve::fresh(code)
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
    },
    /// Messages, the last of which is the answer.
    Stream {
        release: Release,
        messages: mpsc::Receiver<Vec<u8>>,
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
        }
    }
}

/// A refusal, and what of the request it belongs to.
pub(crate) struct Refused {
    pub refusal: Refusal,
    /// A place in the arguments; never a value.
    pub detail: Option<String>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            detail: None,
        }
    }
}

/// The passage of a call, whichever way it went.
pub(crate) enum Passed {
    Pipe(Box<Passage<Line>>),
    Http(Box<Passage<Outbound>>),
}

impl Passed {
    pub(crate) fn answered(&mut self, facts: AnswerFacts) -> Result<Release, Refusal> {
        match self {
            Self::Pipe(passage) => passage.answered(facts),
            Self::Http(passage) => passage.answered(facts),
        }
    }

    pub(super) fn released(&mut self, bytes: &[u8]) {
        let answer = match self {
            Self::Pipe(passage) => &mut passage.released,
            Self::Http(passage) => &mut passage.released,
        };
        answer.bytes = answer
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        answer.transcript = Some(sha256(bytes));
    }

    pub(crate) fn finish(self) {
        match self {
            Self::Pipe(passage) => passage.finish(),
            Self::Http(passage) => passage.finish(),
        }
    }

    pub(crate) fn failed(self, code: Code) -> Refusal {
        match self {
            Self::Pipe(passage) => passage.failed(code),
            Self::Http(passage) => passage.failed(code),
        }
    }
}
