//! An agent on a pipe: `bartizan wrap`. The same calls, sessions and refusals as over HTTP, one message a line.

use std::sync::Arc;

use bartizan_mcp::{Method, Params, Revision, refusal, session};
use bartizan_types::{AuthMethod, Code, Principal, Refusal, ServerName};
use bartizan_wire::{
    json,
    jsonrpc::{self, Id, Message},
};
use tokio::{
    io::{AsyncBufRead, AsyncWrite, AsyncWriteExt as _},
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::{
    calls,
    calls::Asked,
    exchange::{Message as Piece, Open},
    flow::{Agent, Ctx, Refused, Reply},
    hub::{AgentSession, Owner},
};
use crate::{
    Shared, clock,
    gate::Caller,
    model::sha256,
    reins::{Ending, Reins},
    upstream::child::bounded_line,
};

/// Messages served at once; past it the pipe is not read, which is all the backpressure a pipe has.
const AT_ONCE: usize = 64;

/// Why a pipe ended badly.
#[derive(Debug, thiserror::Error)]
pub enum StdioFault {
    /// Only whoever holds the pipe's other end may be served so.
    #[error("a pipe is served for a local identity only")]
    NotLocal,
    /// There is no such server.
    #[error("there is no server `{0}`")]
    Server(ServerName),
    /// The pipe broke, or a line was too long.
    #[error("the pipe ended: {0}")]
    Pipe(Code),
}

impl Shared {
    /// Serves an agent on a pipe until it closes its end. `server`: one alone, or all.
    ///
    /// # Errors
    /// [`StdioFault`].
    pub async fn serve_stdio<R, W>(
        self: &Arc<Self>,
        principal: Principal,
        server: Option<&ServerName>,
        mut input: R,
        mut output: W,
    ) -> Result<(), StdioFault>
    where
        R: AsyncBufRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        if principal.method != AuthMethod::Local {
            return Err(StdioFault::NotLocal);
        }
        let names = self.mcp.scope(server).map_err(|code| match server {
            Some(server) => StdioFault::Server(server.clone()),
            None => StdioFault::Pipe(code),
        })?;
        let session = self.sessions.join(&principal, clock::now());
        let principal = Arc::new(principal);
        let reins = Reins::new(&self.revoked, &principal, session.id, None);
        let caller = Caller {
            principal,
            session,
            reins,
            shown: None,
            badge: None,
        };
        let (lines, mut outgoing) = mpsc::channel::<Vec<u8>>(AT_ONCE);
        let writer = tokio::spawn(async move {
            while let Some(mut line) = outgoing.recv().await {
                line.push(b'\n');
                if output.write_all(&line).await.is_err() || output.flush().await.is_err() {
                    return;
                }
            }
        });
        let pipe = Pipe {
            shared: Arc::clone(self),
            caller,
            names: Arc::new(names),
            lines,
        };
        let ended = pipe.read(&mut input, self.config.limits.body_bytes).await;
        drop(pipe);
        if let Err(fault) = writer.await {
            tracing::debug!(error = %fault, "the pipe's writer ended badly");
        }
        ended.map_err(StdioFault::Pipe)
    }
}

#[derive(Clone)]
struct Pipe {
    shared: Arc<Shared>,
    caller: Caller,
    names: Arc<bartizan_mcp::Names>,
    lines: mpsc::Sender<Vec<u8>>,
}

impl Pipe {
    async fn read<R: AsyncBufRead + Unpin>(&self, input: &mut R, limit: usize) -> Result<(), Code> {
        let mut session: Option<Arc<AgentSession>> = None;
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = JoinSet::new();
        let mut unasked = None;
        let ended = loop {
            let line = match bounded_line(input, limit, None).await {
                Ok(Some(line)) => line,
                Ok(None) => break Ok(()),
                Err(code) => break Err(code),
            };
            while running.try_join_next().is_some() {}
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                break Ok(());
            };
            // The handshake decides what follows means, so it is waited for.
            if is_initialize(&line) && session.is_none() {
                let opened = self.open(&line).await;
                if let Some(opened) = opened {
                    unasked = Some(tokio::spawn(self.clone().unasked(Arc::clone(&opened))));
                    session = Some(opened);
                }
                continue;
            }
            let (mut pipe, session) = (self.clone(), session.clone());
            pipe.caller.reins = Reins::new(
                &self.shared.revoked,
                &self.caller.principal,
                self.caller.session.id,
                None,
            );
            running.spawn(async move {
                pipe.one(&line, session).await;
                drop(slot);
            });
        };
        // What was asked before the end is still answered: the other half of the pipe may be read yet.
        let answered = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(self.shared.config.limits.drain_timeout, answered)
            .await
            .is_err()
        {
            tracing::debug!("calls on a pipe were cut off");
        }
        running.shutdown().await;
        if let Some(unasked) = unasked {
            unasked.abort();
        }
        if let Some(session) = session {
            self.shared.mcp.close_session(&session);
        }
        ended
    }

    fn bounds(&self) -> json::Bounds {
        json::Bounds {
            depth: self.shared.config.limits.json_depth,
            bytes: self.shared.config.limits.body_bytes,
            ..json::Bounds::default()
        }
    }

    fn ctx(&self, agent: Agent, line: &[u8]) -> Ctx {
        Ctx {
            shared: Arc::clone(&self.shared),
            caller: self.caller.clone(),
            names: Arc::clone(&self.names),
            agent,
            streams: true,
            head: None,
            body: (u64::try_from(line.len()).unwrap_or(u64::MAX), sha256(line)),
        }
    }

    fn early(&self, code: Code) -> Refused {
        self.shared.reject(code, Some(&self.caller.principal)).into()
    }

    async fn send(&self, bytes: Vec<u8>) {
        if self.lines.send(bytes).await.is_err() {
            tracing::debug!("the agent closed its end of the pipe");
        }
    }

    async fn refuse(&self, id: Option<&Id<'_>>, method: Method, revision: Revision, refused: &Refused) {
        let (_, bytes) = refusal::encode(id, method, revision, &refused.refusal, refused.detail.as_deref());
        self.send(bytes).await;
    }

    async fn open(&self, line: &[u8]) -> Option<Arc<AgentSession>> {
        let oldest = Revision::LAST_WITH_HANDSHAKE;
        let message = json::scan(line, &self.bounds()).and_then(jsonrpc::decode);
        let (id, params) = match message {
            Ok(Message::Request { id, params, .. }) => (id, params),
            Ok(_) => return None,
            Err(fault) => {
                self.refuse(None, Method::Initialize, oldest, &self.early(fault.code))
                    .await;
                return None;
            }
        };
        let owner = Owner::of(&self.caller.principal);
        let opened = Params::strict(params)
            .and_then(|params| session::Session::open(&params))
            .and_then(|state| {
                let room = self.shared.conversation(&self.caller.principal);
                self.shared.mcp.open_session(owner, state, room)
            });
        let session = match opened {
            Ok(session) => session,
            Err(code) => {
                self.refuse(Some(&id), Method::Initialize, oldest, &self.early(code))
                    .await;
                return None;
            }
        };
        let ctx = self.ctx(Agent::Session(Arc::clone(&session)), line);
        match super::listings::introduce(&ctx).await {
            Ok((result, _)) => {
                self.send(refusal::result(&id, &result)).await;
                Some(session)
            }
            Err(refusal) => {
                self.shared.mcp.close_session(&session);
                self.refuse(Some(&id), Method::Initialize, oldest, &refusal.into())
                    .await;
                None
            }
        }
    }

    /// What servers say unasked.
    async fn unasked(self, session: Arc<AgentSession>) {
        let mut messages = session.listen();
        while let Some(message) = messages.recv().await {
            self.send(message.bytes).await;
        }
    }

    async fn one(&self, line: &[u8], session: Option<Arc<AgentSession>>) {
        let oldest = Revision::LAST_WITH_HANDSHAKE;
        let scanned = json::scan(line, &self.bounds());
        let message = match scanned.and_then(jsonrpc::decode) {
            Ok(message) => message,
            Err(fault) => {
                return self
                    .refuse(None, Method::Unknown, oldest, &self.early(fault.code))
                    .await;
            }
        };
        let (id, method) = match &message {
            Message::Request { id, method, .. } => (Some(id.clone()), Method::parse(method)),
            Message::Notification { method, .. } => (None, Method::parse(method)),
            Message::Response { .. } | Message::Failure { .. } => (None, Method::Unknown),
        };
        // Before anything of it is read: servers get what the agent wrote, to the last digit.
        if let (Some(id), Err(fault)) = (&id, scanned.and_then(json::Scanned::exact)) {
            let refusal = self.shared.misread(fault, line, &self.caller.principal);
            return self.refuse(Some(id), method, oldest, &refusal.into()).await;
        }
        let is_request = id.is_some();
        let revision = match &session {
            Some(session) => super::hub::lock(&session.state).revision(),
            None => Revision::LATEST,
        };
        let reins = &self.caller.reins;
        let mut cut: Ending = Box::pin(Arc::clone(reins).cut(Arc::clone(&self.shared.revoked)));
        let served = tokio::select! {
            biased;
            code = &mut cut => {
                let principal = &self.caller.principal;
                Err(self.shared.reject_noting(code, principal, reins.revoked_by()).into())
            }
            served = self.serve(line, message, session) => served,
        };
        match served {
            Ok(Reply::Accepted) => {}
            Ok(Reply::Whole { bytes, release, .. }) => {
                if let Some(release) = release {
                    tracing::trace!(call = %release.spend(), "released on a pipe");
                }
                self.send(bytes).await;
            }
            Ok(Reply::Stream {
                release,
                messages,
                open,
            }) => {
                let call = release.spend();
                tracing::trace!(%call, "released on a pipe as it comes");
                let released = self.released(messages, open);
                let code = tokio::select! {
                    biased;
                    code = cut => code,
                    () = released => return,
                };
                // What would have come is gone, and its passage with it, which knows what ended it.
                if is_request {
                    let refused: Refused = Refusal::new(call, code).into();
                    self.refuse(id.as_ref(), method, revision, &refused).await;
                }
            }
            // A one-way message gets no answer, not even a refusal; the record has it.
            Err(_) if !is_request => {}
            Err(refused) => self.refuse(id.as_ref(), method, revision, &refused).await,
        }
    }

    /// Gives an answer as it comes, to its end.
    async fn released(&self, mut messages: mpsc::Receiver<Piece>, mut open: Option<Box<Open>>) {
        while let Some(message) = messages.recv().await {
            if let Some(open) = &mut open {
                open.released(&message.bytes);
            }
            self.send(message.bytes).await;
        }
    }

    async fn serve(
        &self,
        line: &[u8],
        message: Message<'_>,
        session: Option<Arc<AgentSession>>,
    ) -> Result<Reply, Refused> {
        let params = match &message {
            Message::Request { params, .. } | Message::Notification { params, .. } => {
                Params::strict(*params).map_err(|code| self.early(code))?
            }
            Message::Response { .. } | Message::Failure { .. } => Params::default(),
        };
        let said = params.version().map_err(|code| self.early(code))?;
        match (said, session) {
            (None, Some(session)) => {
                let ctx = self.ctx(Agent::Session(session), line);
                super::in_session(&ctx, message, params).await
            }
            (None, None) => Err(self.early(Code::SessionUnknown)),
            (Some(said), _) if said != Revision::LATEST.as_str() => {
                Err(self.early(Code::RevisionUnsupported))
            }
            (Some(_), _) => {
                let Message::Request {
                    id,
                    method,
                    params: raw,
                } = message
                else {
                    return Err(self.early(Code::MessageInvalid));
                };
                let face = session::stateless_face(&params).map_err(|code| self.early(code))?;
                let ctx = self.ctx(Agent::Stateless(Box::new(face)), line);
                calls::request(
                    &ctx,
                    Asked {
                        id,
                        name: method,
                        raw,
                        params,
                    },
                )
                .await
            }
        }
    }
}

/// Whether a line is the opening, judged before it is checked: a wrong guess is refused by what follows.
fn is_initialize(line: &[u8]) -> bool {
    let Ok(scanned) = json::scan(line, &json::Bounds::default()) else {
        return false;
    };
    matches!(jsonrpc::decode(scanned), Ok(Message::Request { method, .. }) if method == Method::Initialize.as_str())
}
