//! `wrap -- CMD`: one MCP server behind a gateway of its own, towards the client on stdin and stdout.
//!
//! Every line crosses the same gateway over loopback HTTP, with a key that is made at the start and revoked at the end;
//! nothing is handed over past it. The state is the server's own (`bartizan-wrap-NAME` beside the usual place), so that
//! several wrapped servers of one client do not contend for a lock. The server runs where the client started us, and may
//! read and change what is there: that is the workspace it was started for.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use bartizan_gateway::config::{EnvValue, Grants, Reach, Server};
use bartizan_store::StateDir;
use bartizan_types::ServerName;
use bytes::Bytes;
use http::{Method, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::{Mutex, Semaphore, mpsc},
};

use crate::{
    cli::{Global, Up, Wrap},
    client::{self, encode},
    config::Loaded,
    exit::Exit,
    failure::Failure,
    link, up,
};

/// Longest line from the client, in bytes.
const LINE_BYTES_MAX: usize = 8 << 20;
/// Messages in progress at once.
const IN_PROGRESS: usize = 64;

/// Runs the verb.
pub(crate) async fn run(global: &Global, wrap: &Wrap) -> Result<Exit, Failure> {
    let program = wrap.command.first().map(String::as_str).unwrap_or_default();
    let default = Path::new(program)
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let wanted = wrap.name.clone().unwrap_or(default);
    let name = ServerName::new(&wanted).map_err(|fault| {
        Failure::new(Exit::Usage, format!("`{wanted}` is no server's name")).because(fault)
    })?;
    let mut global = global.clone();
    if global.state.is_none() {
        let beside = StateDir::default_path()
            .map(|path| path.with_file_name(format!("bartizan-wrap-{}", wanted.replace('/', "-"))));
        global.state = beside;
    }
    let loaded = Loaded::find(&global)?;
    let free = Up {
        listen: Some(([127, 0, 0, 1], 0).into()),
        pack: None,
        demo: false,
        stay: false,
    };
    let directory = std::env::current_dir()
        .map_err(|error| Failure::new(Exit::Files, "the working directory is gone").because(error))?;
    let mut settings = up::adjusted(&loaded, &global, &free)?;
    settings.default_upstreams = false;
    settings.gateway.servers = vec![Server {
        name,
        reach: Reach::Stdio {
            command: wrap.command.clone(),
            environment: environment(&wrap.env)?,
            directory: Some(directory),
            grants: Grants {
                readable: wrap.readable.clone(),
                writable: wrap.writable.clone(),
                tcp_ports: match wrap.tcp_port.as_slice() {
                    [] => Grants::TCP_PORTS.to_vec(),
                    named => named.to_vec(),
                },
                unconfined: wrap.danger_unconfined,
            },
        },
        timeout: Duration::from_millis(crate::config::file::default_server_timeout_ms()),
        spiffe_id: None,
        oauth: Default::default(),
        sign: None,
        tools: std::collections::BTreeMap::new(),
    }];
    let standing = up::stand(settings, link::options(&loaded), None).await?;
    let key = match &standing.local_key {
        Some(key) => key.expose().clone(),
        None => up::new_agent(&standing.desk, "local").await?.expose().clone(),
    };
    let bridge = Arc::new(Bridge {
        address: standing.address().to_string(),
        key,
        session: Mutex::default(),
    });
    let outcome = tokio::select! {
        outcome = bridge.carry() => outcome,
        stopped = up::told_to_stop() => stopped,
    };
    let path = format!("/v1/agents/{}", encode("local"));
    standing.desk.handle(&Method::DELETE, &path, &[], "wrap").await;
    standing.down().await?;
    outcome.map(|()| Exit::Done)
}

/// `NAME` takes our own value, `NAME=VALUE` the given one.
fn environment(wanted: &[String]) -> Result<BTreeMap<String, EnvValue>, Failure> {
    let one = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), EnvValue::Plain(value.to_owned()))),
        None => match std::env::var(text) {
            Ok(value) => Ok((text.clone(), EnvValue::Plain(value))),
            Err(_) => Err(Failure::new(
                Exit::Usage,
                format!("`{text}` is not set in the environment"),
            )),
        },
    };
    wanted.iter().map(one).collect()
}

struct Bridge {
    address: String,
    key: String,
    /// `Mcp-Session-Id` and `MCP-Protocol-Version`, once the server gave them.
    session: Mutex<(Option<String>, Option<String>)>,
}

impl Bridge {
    /// Until the client closes its end.
    async fn carry(self: &Arc<Self>) -> Result<(), Failure> {
        let (lines, mut outgoing) = mpsc::channel::<Vec<u8>>(IN_PROGRESS);
        let writer = tokio::spawn(async move {
            let mut out = tokio::io::stdout();
            while let Some(mut line) = outgoing.recv().await {
                line.push(b'\n');
                if out.write_all(&line).await.is_err() || out.flush().await.is_err() {
                    return;
                }
            }
        });
        let slots = Arc::new(Semaphore::new(IN_PROGRESS));
        let mut input = BufReader::new(tokio::io::stdin());
        let mut line = Vec::new();
        let mut listener: Option<tokio::task::JoinHandle<()>> = None;
        loop {
            line.clear();
            let read = input.read_until(b'\n', &mut line).await;
            let count = read
                .map_err(|error| Failure::new(Exit::Files, "standard input can't be read").because(error))?;
            if count == 0 {
                break;
            }
            if line.len() > LINE_BYTES_MAX {
                return Err(Failure::new(
                    Exit::Refused,
                    format!("a message is longer than {LINE_BYTES_MAX} bytes"),
                ));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let message = Bytes::copy_from_slice(line.trim_ascii());
            let first =
                serde_json::from_slice::<Value>(&message).is_ok_and(|value| value["method"] == "initialize");
            let (bridge, lines) = (Arc::clone(self), lines.clone());
            if first {
                // What follows needs the session that this makes.
                bridge.send(message, &lines).await;
                listener = Some(tokio::spawn(async move { bridge.listen(&lines).await }));
                continue;
            }
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                break;
            };
            tokio::spawn(async move {
                bridge.send(message, &lines).await;
                drop(slot);
            });
        }
        // Answers in progress still go out.
        let all = u32::try_from(IN_PROGRESS).unwrap_or(u32::MAX);
        if tokio::time::timeout(Duration::from_secs(30), slots.acquire_many(all))
            .await
            .is_err()
        {
            tracing::warn!("messages in progress were cut off");
        }
        // An open stream would hold the gateway's drain up.
        if let Some(listener) = listener {
            listener.abort();
            // Aborted is what it is meant to be.
            let _ = listener.await;
        }
        drop(lines);
        writer
            .await
            .map_err(|error| Failure::new(Exit::Bug, "the writer stopped").because(error))
    }

    async fn send(&self, message: Bytes, lines: &mpsc::Sender<Vec<u8>>) {
        let id = serde_json::from_slice::<Value>(&message).map_or(Value::Null, |value| value["id"].clone());
        if let Err(fault) = self.exchange(Method::POST, message, lines).await {
            tracing::error!(error = %fault, "a message got no answer");
            if !id.is_null() {
                let error = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32603, "message": "the gateway gave no answer" } });
                // A client that went away needs no answer.
                let _ = lines.send(error.to_string().into_bytes()).await;
            }
        }
    }

    /// Messages that the server sends by itself.
    async fn listen(&self, lines: &mpsc::Sender<Vec<u8>>) {
        if let Err(fault) = self.exchange(Method::GET, Bytes::new(), lines).await {
            tracing::debug!(error = %fault, "no stream of the server's own messages");
        }
    }

    async fn exchange(
        &self,
        method: Method,
        body: Bytes,
        lines: &mpsc::Sender<Vec<u8>>,
    ) -> Result<(), client::ClientFault> {
        let bearer = format!("Bearer {}", self.key);
        let (session, revision) = self.session.lock().await.clone();
        let accept = if method == Method::GET {
            "text/event-stream"
        } else {
            "application/json, text/event-stream"
        };
        let mut headers = vec![("authorization", bearer.as_str()), ("accept", accept)];
        headers.extend(session.as_deref().map(|session| ("mcp-session-id", session)));
        headers.extend(
            revision
                .as_deref()
                .map(|revision| ("mcp-protocol-version", revision)),
        );
        let request = client::request(&method, "/mcp", &self.address, &headers, body)?;
        let stream = TcpStream::connect(&self.address).await?;
        let (head, mut body) = client::open(stream, request).await?.into_parts();
        if let Some(session) = head
            .headers
            .get("mcp-session-id")
            .and_then(|session| session.to_str().ok())
        {
            self.session.lock().await.0 = Some(session.to_owned());
        }
        let events = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if method == Method::GET && !events {
            return Ok(());
        }
        let mut buffer: Vec<u8> = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame?;
            buffer.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            if buffer.len() > LINE_BYTES_MAX {
                return Err(client::ClientFault::Answer);
            }
            while events && let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = buffer.drain(..end + 2).collect();
                let event = String::from_utf8_lossy(&event);
                let data: Vec<_> = event
                    .lines()
                    .filter_map(|line| line.strip_prefix("data:"))
                    .map(str::trim_start)
                    .collect();
                if !data.is_empty() {
                    self.pass(data.join("").as_bytes(), lines).await;
                }
            }
        }
        if !events && !buffer.trim_ascii().is_empty() {
            self.pass(&buffer, lines).await;
        }
        Ok(())
    }

    /// One message to the client, on one line.
    async fn pass(&self, message: &[u8], lines: &mpsc::Sender<Vec<u8>>) {
        let Ok(value) = serde_json::from_slice::<&serde_json::value::RawValue>(message) else {
            return tracing::error!("an answer is not JSON");
        };
        if let Ok(parsed) = serde_json::from_str::<Value>(value.get())
            && let Some(revision) = parsed["result"]["protocolVersion"].as_str()
        {
            self.session.lock().await.1 = Some(revision.to_owned());
        }
        // JSON has line feeds only between tokens; the transport allows none at all.
        let line = value.get().replace(['\n', '\r'], " ");
        if lines.send(line.into_bytes()).await.is_err() {
            tracing::debug!("the client went away");
        }
    }
}
