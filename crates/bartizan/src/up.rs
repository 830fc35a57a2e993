//! `up`: opens the state, starts the gateway, says how to point an agent at it, and serves until told to stop.
//!
//! Works with no file: state is made owner-only, keys on first start, a local agent whose key is shown once. Standard
//! output has the block (or one JSON line) and nothing else; logs go to standard error.

mod block;
mod missing;
mod reload;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bartizan_gateway::{
    Directory, DirectoryKeys, Gateway, Parts, Running,
    admin::{self, Desk, Live},
    config::TlsKey,
    telemetry::{Outlet, Projection, otlp},
};
use bartizan_identity::ApiKeyRecord;
use bartizan_policy::Policy;
use bartizan_store::{
    ApprovalStore, GrantStore, LedgerOptions, MasterKeySource, Purpose, Recovered, StateDir, VaultStore,
};
use bartizan_types::{Code, Ending, Record, RecordKind, Secret, Timestamp};
use http::Method;
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::{
    cli::{Global, Up},
    config::{Loaded, file::Runtime, resolve, resolve::Settings},
    exit::Exit,
    failure::Failure,
    link, output, policy_files,
};

/// How long the last spans may take on the way out.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(6);

/// Variables that may hold a provider's key, and the secret that each becomes where no file names upstreams.
const PROVIDERS: [(&str, &str); 2] = [("OPENAI_API_KEY", "openai"), ("ANTHROPIC_API_KEY", "anthropic")];

/// What the file says of threads and memory, if it reads; faults show when it is read in earnest.
pub(crate) fn runtime(global: &Global) -> Runtime {
    Loaded::find(global).map_or_else(|_| Runtime::default(), |loaded| loaded.file.runtime)
}

/// Threads for serving.
pub(crate) fn worker_threads(wanted: &Runtime) -> usize {
    wanted
        .worker_threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(2, std::num::NonZero::get))
        .min(1024)
}

/// Now, UTC.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_unix_micros(since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX)))
}

/// A gateway with everything around it.
pub(crate) struct Standing {
    running: Running,
    /// What operators ask.
    pub(crate) desk: Arc<Desk>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// The key of the local agent, on the first start.
    pub(crate) local_key: Option<Secret<String>>,
    /// What the operator should read.
    pub(crate) warnings: Vec<String>,
}

impl Standing {
    /// Where agents reach it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.shared().address()
    }

    /// Finishes what is in progress, writes what is queued, and stops.
    pub(crate) async fn down(self) -> Result<(), Failure> {
        self.running.drain().await;
        let mut record = Record::new(RecordKind::Lifecycle, now());
        record.note = Some("gateway stopped".to_owned());
        if let Err(error) = self.desk.ledger.append(&record).await {
            tracing::warn!(%error, "the stop was not recorded");
        }
        self.stop.send_replace(true);
        for task in self.tasks {
            // The exporter may have a slow collector in front of it; nothing else takes long.
            if tokio::time::timeout(FAREWELL, task).await.is_err() {
                tracing::warn!("a task took too long to stop");
            }
        }
        for name in [admin::socket::NAME, admin::socket::TOKEN] {
            if let Err(error) = std::fs::remove_file(self.desk.dir.path().join(name)) {
                tracing::debug!(%error, name, "was gone already");
            }
        }
        if let Err(error) = self.desk.secrets.flush() {
            tracing::warn!(%error, "the counts of secrets' uses were not written");
        }
        self.desk.ledger.close().await.map_err(link::ledger)
    }
}

/// Runs the verb.
pub(crate) async fn run(global: &Global, up: &Up) -> Result<Exit, Failure> {
    if up.demo {
        return crate::demo::run(global, up).await;
    }
    let loaded = Loaded::find(global)?;
    let settings = adjusted(&loaded, global, up)?;
    let unused = missing::unused(&settings, holds_providers_key);
    let mut standing = stand(
        settings,
        link::options(&loaded),
        Some((loaded, global.clone(), up.clone())),
    )
    .await?;
    standing.warnings.extend(unused);
    block::show(&standing, output(global))?;
    told_to_stop().await?;
    tracing::info!("stopping: calls in progress are finished, new ones are refused");
    standing.down().await?;
    Ok(Exit::Done)
}

/// The file, with what the command line changes.
pub(crate) fn adjusted(loaded: &Loaded, global: &Global, up: &Up) -> Result<Settings, Failure> {
    let mut changed = loaded.clone();
    if let Some(address) = up.listen {
        changed.file.listen.address = address;
    }
    if let Some(pack) = up.pack {
        changed.file.policy.pack = pack;
    }
    resolve::resolve(&changed, global)
}

/// Resolves on SIGTERM or SIGINT.
pub(crate) async fn told_to_stop() -> Result<(), Failure> {
    let watch = |kind| {
        signal(kind).map_err(|error| Failure::new(Exit::Bug, "signals can't be watched").because(error))
    };
    let (mut terminate, mut interrupt) = (watch(SignalKind::terminate())?, watch(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Opens the state and starts everything. `watched` names the file that reloads read again.
pub(crate) async fn stand(
    settings: Settings,
    options: LedgerOptions,
    watched: Option<(Loaded, Global, Up)>,
) -> Result<Standing, Failure> {
    let paths = policy_files::matching(&settings.policy_files)?;
    let texts = policy_files::read(&paths)?;
    let policy = Arc::new(policy_files::load(settings.pack, &texts)?);
    let opened = link::open(&settings.state, options)?;
    let mut desk = opened.desk;
    desk.domain = settings.domains.own.clone();
    let mut warnings = warnings(&settings, &desk, &policy);
    warnings.extend(master_key_note(&desk, opened.key_from));
    recover(&desk, &opened.recovered, &mut warnings).await?;
    provider_keys(&settings, &desk, &mut warnings)?;
    warnings.extend(missing::missing(&settings, &desk));
    let local_key = first_agent(&desk).await?;
    let (stop, stopped) = watch::channel(false);
    let (spans, finished) = mpsc::channel(otlp::QUEUE_SPANS);
    let projection = Projection::new();
    let export = otlp::export(
        settings.otlp.clone(),
        finished,
        Arc::clone(&projection),
        now,
        stopped.clone(),
    );
    let mut tasks = vec![tokio::spawn(export)];
    let outlet = Outlet::new(spans, Arc::clone(&projection));
    let running = serving(&settings, &desk, policy, outlet).await?;
    let (reload, reloads) = mpsc::channel(4);
    let alarms = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(running.shared());
    desk.live = Some(Live {
        shared: Arc::clone(&shared),
        projection: Some(projection),
        reload,
        alarms: Arc::clone(&alarms),
        started: now(),
    });
    let door = admin::socket::bind(desk.dir.path())
        .map_err(|error| Failure::new(Exit::State, "the admin socket can't be made").because(error))?;
    let desk = Arc::new(desk);
    tasks.push(tokio::spawn(admin::socket::serve(
        door,
        Arc::clone(&desk),
        stopped.clone(),
    )));
    let watcher = reload::Watcher {
        shared,
        desk: Arc::clone(&desk),
        alarms,
        settings,
        paths,
        watched,
    };
    tasks.push(tokio::spawn(watcher.run(reloads, stopped)));
    let mut record = Record::new(RecordKind::Lifecycle, now());
    record.note = Some(format!("gateway {} started", env!("CARGO_PKG_VERSION")));
    desk.ledger.append(&record).await.map_err(link::ledger)?;
    Ok(Standing {
        running,
        desk,
        stop,
        tasks,
        local_key,
        warnings,
    })
}

/// The gateway itself, over what the desk has open.
async fn serving(
    settings: &Settings,
    desk: &Desk,
    policy: Arc<Policy>,
    spans: Outlet,
) -> Result<Running, Failure> {
    let parts = Parts {
        policy,
        directory: directory(settings, desk)?,
        ledger: desk.ledger.clone(),
        secrets: Arc::clone(&desk.secrets),
        state: Arc::clone(&desk.state),
        manifest_seed: desk.keyring.derive(Purpose::Manifests).map_err(link::state)?,
        interception_seed: desk.keyring.derive(Purpose::Interception).map_err(link::state)?,
        grants: GrantStore::open(&desk.dir, &desk.keyring).map_err(link::state)?,
        approvals: ApprovalStore::open(Arc::clone(&desk.state), &desk.keyring).map_err(link::state)?,
        vaults: settings
            .gateway
            .privacy
            .per_identity
            .then(|| VaultStore::open(&desk.dir, &desk.keyring).map_err(link::state))
            .transpose()?,
        spans: Some(spans),
    };
    let address = settings.gateway.listen.address;
    Gateway::start(settings.gateway.clone(), parts)
        .await
        .map_err(|fault| {
            Failure::new(Exit::Config, "the gateway can't start")
                .hint(format!(
                    "if `{address}` is taken, `--listen 127.0.0.1:0` takes a free port"
                ))
                .because(fault)
        })
}

fn directory(settings: &Settings, desk: &Desk) -> Result<Directory, Failure> {
    let derive = |purpose| desk.keyring.derive(purpose).map_err(link::state);
    let keys = DirectoryKeys {
        pepper: derive(Purpose::ApiKeys)?,
        authority: derive(Purpose::Authority)?,
        delegations: derive(Purpose::Delegations)?,
    };
    Directory::new(keys, settings.issuers.clone(), settings.domains.clone())
        .map_err(|fault| Failure::new(Exit::Bug, "no key for delegations can be made").because(fault))
}

/// What to do about a master key that was made just now.
fn master_key_note(desk: &Desk, from: MasterKeySource) -> Option<String> {
    let path = desk.dir.path().join("master.key");
    (from == MasterKeySource::Created).then(|| {
        format!(
            "a master key was made in `{}`; back it up, or nothing sealed opens again",
            path.display()
        )
    })
}

/// Calls that the last run left open are closed as interrupted, before anything new is served.
async fn recover(desk: &Desk, recovered: &Recovered, warnings: &mut Vec<String>) -> Result<(), Failure> {
    for open in &recovered.open_calls {
        let mut record = Record::new(RecordKind::Closing, now());
        record.call = Some(open.call);
        record.session = open.session;
        record.ending = Some(Ending::Interrupted);
        desk.ledger.append(&record).await.map_err(link::ledger)?;
    }
    if !recovered.open_calls.is_empty() {
        warnings.push(format!(
            "{} calls of the last run were cut off; they are recorded as interrupted",
            recovered.open_calls.len()
        ));
    }
    if recovered.last_time.is_some_and(|last| last > now()) {
        warnings.push(
            "the clock stands before the last record: it was set back, or the last run's was ahead"
                .to_owned(),
        );
    }
    Ok(())
}

/// Where no file names upstreams, the environment's provider keys go into the sealed store, unless there is one already:
/// the store wins.
fn provider_keys(settings: &Settings, desk: &Desk, warnings: &mut Vec<String>) -> Result<(), Failure> {
    if !settings.default_upstreams {
        return Ok(());
    }
    let held = desk.secrets.list();
    for (variable, name) in PROVIDERS {
        let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) else {
            continue;
        };
        if held.iter().any(|secret| secret.name == name) {
            continue;
        }
        // One of ours would send agents' keys to the provider, and can't work there.
        if value.to_string_lossy().starts_with("bz_") {
            warnings.push(format!(
                "{variable} holds a key of ours, so it is not used as the provider's"
            ));
            continue;
        }
        let value = Secret::new(value.into_encoded_bytes());
        desk.secrets.set(name, &value).map_err(link::state)?;
        warnings.push(format!(
            "{variable} is now the sealed secret `{name}`; agents no longer need it"
        ));
    }
    Ok(())
}

/// Whether a variable of the environment holds a key that is none of ours.
fn holds_providers_key(variable: &str) -> bool {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty());
    value.is_some_and(|value| !value.to_string_lossy().starts_with("bz_"))
}

/// On the first start there is an agent `local`; its key leaves here once.
async fn first_agent(desk: &Desk) -> Result<Option<Secret<String>>, Failure> {
    let keys: Vec<ApiKeyRecord> = desk.state.keys().map_err(link::state)?;
    if !keys.is_empty() {
        return Ok(None);
    }
    new_agent(desk, "local").await.map(Some)
}

/// Makes a key for an agent.
pub(crate) async fn new_agent(desk: &Desk, name: &str) -> Result<Secret<String>, Failure> {
    let body = json!({ "name": name }).to_string();
    let reply = desk
        .handle(&Method::POST, "/v1/agents", body.as_bytes(), "the first start")
        .await;
    match reply.body {
        admin::Body::Json(value) if reply.status.is_success() => value["key"]
            .as_str()
            .map(|key| Secret::new(key.to_owned()))
            .ok_or_else(|| Failure::new(Exit::Bug, "the new key is missing from its answer")),
        _ => Err(Failure::new(Exit::State, "a key for the local agent can't be made").code(Code::Bug)),
    }
}

/// What an operator should know before an agent runs.
fn warnings(settings: &Settings, desk: &Desk, policy: &bartizan_policy::Policy) -> Vec<String> {
    let mut warnings = vec![
        "an agent that runs as this user can read this state and stop this process; run agents as another user, in a \
         container, or on another machine"
            .to_owned(),
    ];
    let within = std::env::current_dir().is_ok_and(|here| StateDir::is_within(desk.dir.path(), &here));
    if within {
        warnings
            .push("the state lies inside the working directory, which agents usually can write".to_owned());
    }
    if policy.observes() {
        warnings.push("the policy only observes: nothing is blocked".to_owned());
    }
    if settings.gateway.listen.danger_plaintext {
        warnings.push(
            "listening off loopback without TLS: keys and content cross the network in clear".to_owned(),
        );
    }
    let tls = settings.gateway.listen.tls.as_ref();
    if tls.is_some_and(|tls| tls.key == TlsKey::Issued) {
        warnings.push(
            "clients have to trust our own authority: `bartizan identity bundle --out bundle.pem`, and then \
             SSL_CERT_FILE=bundle.pem (Python, Go; it replaces the system's roots) or NODE_EXTRA_CA_CERTS=bundle.pem"
                .to_owned(),
        );
    }
    if settings.witness.is_none() {
        warnings.push("no `[ledger] witness`: whoever holds the key could rewrite the log unseen".to_owned());
    }
    warnings.extend(
        policy
            .lints()
            .iter()
            .map(|lint| format!("policy {}: {}", lint.file, lint.message)),
    );
    warnings
}
