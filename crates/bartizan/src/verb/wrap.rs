//! `wrap -- CMD`: one MCP server behind a gateway of its own, towards the client on stdin and stdout.
//!
//! Every line crosses the same gateway over loopback HTTP, with a key that is made at the start and revoked at the end;
//! nothing is handed over past it. The state is the server's own (`bartizan-wrap-NAME` beside the usual place), so that
//! several wrapped servers of one client do not contend for a lock. The server runs where the client started us, and may
//! read and change what is there: that is the workspace it was started for.

use std::{collections::BTreeMap, io::Write as _, path::Path, sync::Arc, time::Duration};

use bartizan_gateway::{
    Shared,
    config::{EnvValue, Grants, Reach, Server},
};
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

use super::safe;
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
/// Characters of a name that a person may recognise; eight digits follow.
const READABLE: usize = 23;
/// Between two looks at how the server does.
const LOOKED_EVERY: Duration = Duration::from_millis(500);
/// Messages in progress at once.
const IN_PROGRESS: usize = 64;

/// Runs the verb.
pub(crate) async fn run(global: &Global, wrap: &Wrap) -> Result<Exit, Failure> {
    let wanted = wrap.name.clone().unwrap_or_else(|| named(&wrap.command));
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
    let state = shown(&settings.state);
    let standing = up::stand(settings, link::options(&loaded), None).await?;
    let key = match &standing.local_key {
        Some(key) => key.expose().clone(),
        None => up::new_agent(&standing.desk, "local").await?.expose().clone(),
    };
    let bridge = Arc::new(Bridge {
        address: standing.address().to_string(),
        key,
        session: Mutex::default(),
        state: state.clone(),
    });
    let live = standing.desk.live.as_ref();
    let watcher = live.map(|live| Watcher::start(&live.shared, &state));
    let outcome = tokio::select! {
        outcome = bridge.carry() => outcome,
        stopped = up::told_to_stop() => stopped,
    };
    if let Some(watcher) = watcher {
        watcher.end();
    }
    let path = format!("/v1/agents/{}", encode("local"));
    standing.desk.handle(&Method::DELETE, &path, &[], "wrap").await;
    standing.down().await?;
    outcome.map(|()| Exit::Done)
}

/// A name for a command, the same each time: what a person recognises of it, and a few digits of all of it. Servers that
/// `npx`, `uvx` or `python` start have each their own so.
fn named(command: &[String]) -> String {
    let stem = |word: &str| {
        let stem = Path::new(word).file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    };
    let program = command.first().map(String::as_str).unwrap_or_default();
    if command.len() == 1 && !program.contains('/') {
        return stem(program);
    }
    let mut readable = stem(program);
    if let Some(subject) = subject(command) {
        readable.push('-');
        readable.push_str(&stem(subject));
    }
    let mut plain = String::new();
    for character in readable.chars().take(READABLE) {
        if character.is_ascii_alphanumeric() {
            plain.push(character);
        } else if !plain.is_empty() && !plain.ends_with('-') {
            plain.push('-');
        }
    }
    let plain = plain.trim_end_matches('-');
    let digest = bartizan_ledger::digest(command.join("\0").as_bytes()).to_string();
    let digits = digest.get(..8).unwrap_or(&digest);
    format!("{}-{digits}", if plain.is_empty() { "server" } else { plain })
}

/// The first argument that names what runs: no flag, no value of one, and nothing that could be a secret.
fn subject(command: &[String]) -> Option<&str> {
    let mut words = command.iter().map(String::as_str);
    let mut before = words.next()?;
    let plain = |word: &str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        digits < 6 && !word.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    for word in words {
        if !word.starts_with('-') {
            return (!before.starts_with("--") && plain(word)).then_some(word);
        }
        before = word;
    }
    None
}

/// A path as a shell takes it.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    if text.bytes().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Looks at how the server does, until it failed and that was told.
struct Watcher {
    shared: Arc<Shared>,
    state: String,
    task: tokio::task::JoinHandle<()>,
}

impl Watcher {
    fn start(shared: &Arc<Shared>, state: &str) -> Self {
        let (watched, named) = (Arc::clone(shared), state.to_owned());
        let task = tokio::spawn(async move {
            while !tells_failure(&watched, &named) {
                tokio::time::sleep(LOOKED_EVERY).await;
            }
        });
        Self {
            shared: Arc::clone(shared),
            state: state.to_owned(),
            task,
        }
    }

    /// A last look, where nothing was told yet.
    fn end(self) {
        if !self.task.is_finished() {
            self.task.abort();
            tells_failure(&self.shared, &self.state);
        }
    }
}

/// Says on standard error, where clients keep it, why the server failed and what it may lack. Tells whether it did.
fn tells_failure(shared: &Shared, state: &str) -> bool {
    let failed = shared.servers().into_iter().find_map(|server| {
        let (_, what) = server.last_failure?;
        Some((server.name, what, server.stderr.last().cloned()))
    });
    let Some((name, what, last)) = failed else {
        return false;
    };
    let last = last.map_or_else(String::new, |line| format!(", its last line: {}", safe(&line)));
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(
        anstream::stderr(),
        "bartizan: the server `{name}` failed: {what}{last}\nhint: it gets no variable of the client's `env` but those that \
         `--env NAME` names, and runs confined (`--readable`, `--writable`, `--tcp-port` give it more); `bartizan --state \
         {state} status` tells more",
    );
    true
}

/// A refusal of ours whose hints name the state that they are about; `None` for anything else.
fn with_state(message: &Value, state: &str) -> Option<Value> {
    let hinted = |text: &str| text.replace("`bartizan ", &format!("`bartizan --state {state} "));
    let mut changed = message.clone();
    let mut any = false;
    for (mark, places) in [
        (
            "/result/_meta/bartizan~1refusal",
            &["/result/_meta/bartizan~1refusal/hint", "/result/content/0/text"][..],
        ),
        ("/error/data/call", &["/error/data/hint"][..]),
    ] {
        if message.pointer(mark).is_none() {
            continue;
        }
        for place in places {
            if let Some(Value::String(text)) = changed.pointer_mut(place) {
                let new = hinted(text);
                any |= new != *text;
                *text = new;
            }
        }
    }
    any.then_some(changed)
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
    /// Where the state is, as hints name it.
    state: String,
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
        let parsed = serde_json::from_str::<Value>(value.get()).unwrap_or_default();
        if let Some(revision) = parsed["result"]["protocolVersion"].as_str() {
            self.session.lock().await.1 = Some(revision.to_owned());
        }
        // JSON has line feeds only between tokens; the transport allows none at all.
        let line = with_state(&parsed, &self.state).map_or_else(
            || value.get().replace(['\n', '\r'], " "),
            |refusal| refusal.to_string(),
        );
        if lines.send(line.into_bytes()).await.is_err() {
            tracing::debug!("the client went away");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(command: &str) -> String {
        let command: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let name = named(&command);
        let server = ServerName::new(&name).unwrap();
        bartizan_mcp::name::check_server(&server).unwrap();
        assert_eq!(named(&command), name, "it is the same each time");
        name
    }

    #[test]
    fn servers_of_one_runner_have_names_of_their_own() {
        let (files, git) = (
            name("npx -y @modelcontextprotocol/server-filesystem /home"),
            name("npx -y server-git"),
        );
        assert!(files.starts_with("npx-server-filesystem-"), "{files}");
        assert!(git.starts_with("npx-server-git-"), "{git}");
        assert_ne!(
            name("npx -y @modelcontextprotocol/server-filesystem /home"),
            name("npx -y @modelcontextprotocol/server-filesystem /srv")
        );
        assert_ne!(name("/a/server"), name("/b/server"));
        assert_eq!(name("server"), "server");
        assert!(name("python -m some.very_long__module_name.of.several.parts").len() <= 32);
        assert!(
            name("/opt/é/ß").starts_with("server-"),
            "of a name without letters of ours"
        );
        for command in [
            "x --token hunter2pass",
            "x -k AKIA0123456789",
            "x sk-0123456789abcdef",
        ] {
            assert!(
                name(command).starts_with("x-") && name(command).len() == 10,
                "{command}"
            );
        }
    }

    #[test]
    fn hints_of_refusals_name_the_state_and_nothing_else_is_changed() {
        let refused = json!({ "result": {
            "content": [{ "type": "text", "text": "no. `bartizan explain ID` tells" }],
            "_meta": { "bartizan/refusal": { "code": "policy.denied", "hint": "`bartizan explain ID` tells" } },
        } });
        let told = with_state(&refused, "/s").unwrap();
        let hint = "`bartizan --state /s explain ID` tells";
        assert_eq!(told["result"]["_meta"]["bartizan/refusal"]["hint"], hint);
        assert_eq!(told["result"]["content"][0]["text"], format!("no. {hint}"));
        let error = json!({ "error": { "data": { "call": "1", "hint": "see `bartizan status`" } } });
        assert_eq!(
            with_state(&error, "/s").unwrap()["error"]["data"]["hint"],
            "see `bartizan --state /s status`"
        );
        let answer = json!({ "result": { "content": [{ "type": "text", "text": "`bartizan explain`" }] } });
        assert_eq!(with_state(&answer, "/s"), None);
        assert_eq!(shown(Path::new("/a b/it's")), "'/a b/it'\\''s'");
    }
}
