//! The way to the state: the running gateway's admin socket where one holds the lock, else the state itself.
//!
//! Both answer the same requests with the same shapes ([`bartizan_gateway::admin::Desk`]). State is never made by a
//! verb that only looks.

use std::path::{Path, PathBuf};

use bartizan_gateway::admin::{self, Body, Desk};
use bartizan_store::{
    Fault, Keyring, Ledger, LedgerFault, LedgerOptions, MasterKey, MasterKeySource, Purpose, Recovered,
    Secrets, State, StateDir, WrappingKey,
};
use bartizan_types::Code;
use bytes::Bytes;
use http::Method;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::{
    cli::Global,
    client,
    config::{Grasp, Loaded, resolve},
    exit::Exit,
    failure::Failure,
};

/// Where answers come from.
pub(crate) enum Link {
    /// The running gateway.
    Live(PathBuf),
    /// The state, locked by us.
    Rest(Box<Desk>),
}

/// The state, opened.
pub(crate) struct Opened {
    /// What answers requests.
    pub(crate) desk: Desk,
    /// What opening the log found.
    pub(crate) recovered: Recovered,
    /// Where the master key came from.
    pub(crate) key_from: MasterKeySource,
}

/// Whether a verb may make state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Make it.
    Make,
    /// Say that there is none.
    Fail,
}

impl Link {
    /// Finds the way.
    pub(crate) fn connect(global: &Global, absent: Absent) -> Result<Self, Failure> {
        let (loaded, grasp) = Loaded::grasp(global)?;
        let path = resolve::state_dir(global, Some(&loaded.file), &loaded.base())?;
        // Nothing is made in a place that a file which is wrong may not have meant.
        let guessed = grasp == Grasp::Part && global.state.is_none() && loaded.file.state.dir.is_none();
        let absent = if guessed { Absent::Fail } else { absent };
        if absent == Absent::Fail {
            StateDir::peek(&path).map(drop).or_else(|fault| match fault {
                Fault::Older { .. } => Ok(()),
                fault => Err(state(fault)),
            })?;
        }
        let options = options(&loaded);
        match open(&path, options) {
            Ok(opened) => {
                let mut desk = opened.desk;
                // What is at rest can be read beside a configuration that does not resolve.
                if let Ok(settings) = resolve::resolve(&loaded, global) {
                    desk.servers = settings.gateway.servers;
                    desk.budgets = settings.gateway.budgets;
                    desk.domain = settings.domains.own;
                }
                Ok(Self::Rest(Box::new(desk)))
            }
            Err(OpenFault::State(Fault::Locked { .. })) => Ok(Self::Live(path.join(admin::socket::NAME))),
            Err(fault) => Err(fault.into()),
        }
    }

    /// The way to a running gateway, and no other: for who looks often, and should not hold the state meanwhile.
    pub(crate) fn running(global: &Global) -> Result<Self, Failure> {
        let (loaded, _) = Loaded::grasp(global)?;
        let path = resolve::state_dir(global, Some(&loaded.file), &loaded.base())?;
        Ok(Self::Live(path.join(admin::socket::NAME)))
    }

    /// The state directory.
    pub(crate) fn state(&self) -> &Path {
        match self {
            Self::Live(socket) => socket.parent().unwrap_or(socket),
            Self::Rest(desk) => desk.dir.path(),
        }
    }

    /// Asks for JSON.
    pub(crate) async fn ask(&self, method: &Method, path: &str, body: Vec<u8>) -> Result<Value, Failure> {
        let (good, value) = match self {
            Self::Live(socket) => {
                let bearer = token(socket)?;
                let headers = [("authorization", bearer.as_str())];
                let request = client::request(method, path, "bartizan", &headers, Bytes::from(body))
                    .map_err(unreachable)?;
                let (status, _, bytes) = client::ask(dial(socket).await?, request)
                    .await
                    .map_err(unreachable)?;
                let value = serde_json::from_slice(&bytes).map_err(|error| {
                    Failure::new(Exit::NotRunning, "the gateway's answer is not JSON").because(error)
                })?;
                (status.is_success(), value)
            }
            Self::Rest(desk) => {
                let by = format!("uid {}", rustix::process::geteuid().as_raw());
                let reply = desk.handle(method, path, &body, &by).await;
                match reply.body {
                    Body::Json(value) => (reply.status.is_success(), value),
                    Body::Text(_, text) => (true, Value::String(text)),
                }
            }
        };
        if good { Ok(value) } else { Err(refusal(&value)) }
    }

    /// `GET`.
    pub(crate) async fn read(&self, path: &str) -> Result<Value, Failure> {
        self.ask(&Method::GET, path, Vec::new()).await
    }

    /// Opens a stream of events; only a running gateway has one.
    pub(crate) async fn stream(&self, path: &str) -> Result<http::Response<Incoming>, Failure> {
        let Self::Live(socket) = self else {
            return Err(Failure::new(Exit::NotRunning, "no gateway runs on this state")
                .hint("start one with `bartizan up`"));
        };
        let bearer = token(socket)?;
        let headers = [("authorization", bearer.as_str())];
        let request =
            client::request(&Method::GET, path, "bartizan", &headers, Bytes::new()).map_err(unreachable)?;
        client::open(dial(socket).await?, request)
            .await
            .map_err(unreachable)
    }

    /// Puts everything down: queued records are synced.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Live(_) => Ok(()),
            Self::Rest(desk) => desk.ledger.close().await.map_err(ledger),
        }
    }
}

async fn dial(socket: &Path) -> Result<UnixStream, Failure> {
    UnixStream::connect(socket).await.map_err(|error| {
        Failure::new(
            Exit::NotRunning,
            "another process holds the state, and its admin socket does not answer",
        )
        .hint("wait for it to start or stop, or look for the process in `lock` of the state directory")
        .because(error)
    })
}

/// What the socket wants to be shown.
fn token(socket: &Path) -> Result<String, Failure> {
    let path = socket.with_file_name(admin::socket::TOKEN);
    let held = std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(
            Exit::NotRunning,
            "another process holds the state, and shows no token for its admin socket",
        )
        .hint("wait for it to start or stop, or look for the process in `lock` of the state directory")
        .because(error)
    })?;
    Ok(format!("Bearer {}", held.trim()))
}

fn unreachable(fault: client::ClientFault) -> Failure {
    Failure::new(Exit::NotRunning, "the gateway's admin socket does not answer").because(fault)
}

/// An answer that is a refusal, as a failure.
fn refusal(value: &Value) -> Failure {
    let error = &value["error"];
    let exit = match error["kind"].as_str() {
        Some("not_found") => Exit::NotFound,
        Some("usage") => Exit::Usage,
        Some("refused") => Exit::Refused,
        Some("not_running") => Exit::NotRunning,
        Some("config") => Exit::Config,
        Some("files") => Exit::Files,
        _ => Exit::State,
    };
    let mut failure = Failure::new(exit, error["message"].as_str().unwrap_or("the gateway refused"));
    if exit == Exit::NotRunning {
        failure = failure.hint("start one with `bartizan up`");
    }
    match error["code"].as_str().and_then(|code| code.parse().ok()) {
        // Its hint is for whoever asked over HTTP.
        None | Some(Code::NotFound) => failure,
        Some(code) => failure.code(code),
    }
}

/// Why state can't be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenFault {
    /// Directory, keys, database.
    #[error(transparent)]
    State(#[from] Fault),
    /// The log.
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
}

impl From<OpenFault> for Failure {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::State(fault) => state(fault),
            OpenFault::Ledger(fault) => ledger(fault),
        }
    }
}

/// A fault of the state, with what to do.
pub(crate) fn state(fault: Fault) -> Failure {
    let code = fault.code();
    let hint = match &fault {
        Fault::Missing(path) if path.ends_with("state.redb") => {
            "put it back, or restore a backup into an empty directory with `bartizan restore`; to begin anew on purpose, \
             without its API keys, pins, revocations and counts, move `ledger` of the state directory away"
        }
        Fault::Missing(_) => {
            "put it back, or restore a backup into an empty directory with `bartizan restore`: nothing that is sealed opens \
             without it; to begin anew on purpose, move the state directory away"
        }
        Fault::Absent(_) => "`bartizan up` makes it; `--state DIR` names another",
        Fault::Insecure { .. } => {
            "state must be its owner's alone: `chmod 700`, no links, no world-writable directory above"
        }
        Fault::Locked { .. } => "a gateway runs on this state; stop it first, or use `bartizan status`",
        Fault::Newer { .. } => "use the newer release, or restore a backup",
        Fault::MasterKeyMissing(_) => {
            "set BARTIZAN_MASTER_KEY or the systemd credential `bartizan-master-key`"
        }
        Fault::NotState(_) => "name an empty directory, or one that Bartizan made",
        _ => "",
    };
    let failure = Failure::new(Exit::State, "the state can't be used").hint(hint);
    match code {
        Some(code) => failure.code(code),
        None => failure,
    }
    .because(fault)
}

/// A fault of the log, with its code.
pub(crate) fn ledger(fault: LedgerFault) -> Failure {
    Failure::new(Exit::State, "the ledger can't be used")
        .code(fault.code())
        .because(fault)
}

/// How the file wants its log.
pub(crate) fn options(loaded: &Loaded) -> LedgerOptions {
    let wanted = &loaded.file.ledger;
    let mut options = LedgerOptions::default();
    if let Some(origin) = &wanted.origin {
        options.origin.clone_from(origin);
    }
    options.witness = wanted.witness.as_ref().map(|path| loaded.base().join(path));
    options.disk_limit_bytes = wanted.disk_limit_bytes;
    options
}

/// Opens the state and everything in it.
pub(crate) fn open(path: &Path, options: LedgerOptions) -> Result<Opened, OpenFault> {
    let dir = StateDir::open(path)?;
    dir.check_whole()?;
    let (master, key_from) = MasterKey::load(&dir)?;
    let keyring = Keyring::open(&dir, &master)?;
    let state = State::open(&dir)?;
    let secrets = Secrets::open(&dir, &keyring)?;
    let wrapping = WrappingKey::new(*keyring.derive(Purpose::Ledger)?.expose());
    let (ledger, recovered) = Ledger::open(&dir.ledger_path(), wrapping, options)?;
    let desk = Desk {
        dir,
        keyring,
        ledger,
        state: state.into(),
        secrets: secrets.into(),
        servers: Vec::new(),
        budgets: Default::default(),
        domain: bartizan_identity::TrustDomain::default(),
        live: None,
    };
    Ok(Opened {
        desk,
        recovered,
        key_from,
    })
}
