//! Our own X.509-SVID and the roots of trust domains from a SPIFFE Workload API (SPIRE's agent), for as long as it says
//! them.
//!
//! Each update is taken whole: the listener's certificate, the bundles of the `[[spiffe]]` domains that have no file, a new
//! registry. One that does not hold leaves what is in force. While the socket is gone what was said last stays until the
//! SVID ends; then the listener has no certificate and those domains no roots, so nobody new comes in by them and nobody
//! who is in goes on. Each turn is recorded, and stands in `status`.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bartizan_guard::AnswerFacts;
use bartizan_identity::{WorkloadFault, WorkloadUpdate};
use bartizan_types::{
    Action, CallFacts, Code, Record, RecordKind, Resource, Secret, ServerName, Surface, Timestamp,
};
use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::watch;

use crate::{
    Shared, clock,
    config::Config,
    directory::{ReloadFault, housekeeper},
    model::sha256,
    tls::ListenerKey,
    upstream::local::{self, Fault, Socket, Updates},
};

/// What it is called in policy and records.
const SERVER: &str = "workload-api";
/// How often times are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The pause after a first failure, and the longest.
const REST: Duration = Duration::from_millis(500);
const REST_MOST: Duration = Duration::from_secs(30);
/// A stream that lasted so long did not fail at once.
const STEADY: Duration = Duration::from_secs(60);

/// How things stand with it.
pub(crate) struct Workload {
    socket: Socket,
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    /// The SVID in use, and when it ends.
    svid: Option<(String, Timestamp)>,
    /// What is wrong.
    alarm: Option<String>,
}

/// Why an update is not in force.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Update(#[from] WorkloadFault),
    #[error("the SVID is over already")]
    Over,
    #[error("the SVID's key is not its certificate's: {0}")]
    Key(rustls::Error),
    #[error(transparent)]
    Registry(#[from] ReloadFault),
}

impl Workload {
    /// Of a configuration that has one.
    pub(crate) fn of(config: &Config) -> Option<Arc<Self>> {
        let at = config.workload_api.as_ref()?;
        Some(Arc::new(Self {
            socket: Socket {
                path: at.socket.clone(),
                user: at.user,
            },
            standing: Mutex::default(),
        }))
    }

    /// What the operator should know, if anything.
    pub(crate) fn alarm(&self) -> Option<String> {
        self.lock().alarm.clone()
    }

    /// The SVID in use, and when it ends.
    pub(crate) fn svid(&self) -> Option<(String, Timestamp)> {
        self.lock().svid.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        // INVARIANT: both members are assigned whole.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is wrong, or that nothing is any more; records it where that is news.
    async fn say(&self, shared: &Shared, alarm: Option<String>) {
        let before = {
            let mut standing = self.lock();
            std::mem::replace(&mut standing.alarm, alarm.clone())
        };
        if before == alarm {
            return;
        }
        let note = match &alarm {
            Some(alarm) => {
                tracing::error!(%alarm, "the Workload API");
                format!("alarm: {alarm}")
            }
            None => {
                tracing::info!("the Workload API is heard again");
                "the Workload API is heard again".to_owned()
            }
        };
        let mut record = Record::new(RecordKind::Operation, clock::now());
        record.note = Some(note);
        if let Err(error) = shared.ledger.append(&record).await {
            tracing::error!(%error, "an alarm was not recorded");
        }
    }

    /// Puts an update in force.
    fn take(
        &self,
        shared: &Shared,
        key: Option<&Arc<ListenerKey>>,
        message: &Secret<Vec<u8>>,
    ) -> Result<(), Unfit> {
        let WorkloadUpdate { svid, bundles } = WorkloadUpdate::parse(message.expose())?;
        if svid.until <= clock::now() {
            return Err(Unfit::Over);
        }
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(svid.key.expose().clone()));
        // Also compares the key with the leaf's.
        let certified = CertifiedKey::from_der(svid.chain, private, &aws_lc_rs::default_provider())
            .map_err(Unfit::Key)?;
        let before = shared.directory.supply(bundles);
        if let Err(fault) = shared.reload_registry() {
            shared.directory.supply(before);
            return Err(fault.into());
        }
        let certified = Arc::new(certified);
        if let Some(key) = key {
            key.take(Arc::clone(&certified), svid.until);
        }
        shared.own.take(certified, svid.until);
        tracing::info!(id = %svid.id, until = %svid.until, "the Workload API gave an SVID");
        self.lock().svid = Some((svid.id, svid.until));
        Ok(())
    }

    /// Lets go of what has ended.
    async fn expire(&self, shared: &Shared) {
        let ended = {
            let mut standing = self.lock();
            match &standing.svid {
                Some((_, until)) if *until <= clock::now() => standing.svid.take(),
                _ => None,
            }
        };
        let Some((id, until)) = ended else { return };
        shared.directory.supply(Default::default());
        if let Err(fault) = shared.reload_registry() {
            tracing::error!(error = %fault, "the registry in force stays, with roots that should be gone");
        }
        let alarm = format!("the SVID `{id}` ended at {until} and no new one came: nobody is let in by it");
        self.say(shared, Some(alarm)).await;
    }
}

/// Follows the Workload API until `stop`.
pub(crate) async fn keep(
    shared: Arc<Shared>,
    key: Option<Arc<ListenerKey>>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(workload) = shared.workload.clone() else {
        return;
    };
    let mut pause = REST;
    loop {
        let since = Instant::now();
        let next = async {
            let fault = follow(&shared, &workload, key.as_ref()).await;
            let mut text = fault.to_string();
            if let Some(source) = std::error::Error::source(&fault) {
                text = format!("{text}: {source}");
            }
            // Once it has ended, that is what is wrong.
            if workload.svid().is_some() || workload.alarm().is_none() {
                workload.say(&shared, Some(text)).await;
            }
            if since.elapsed() >= STEADY {
                pause = REST;
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(REST_MOST);
        };
        tokio::pin!(next);
        loop {
            tokio::select! {
                () = &mut next => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            workload.expire(&shared).await;
        }
    }
}

/// One stream, to its end: a ruled and recorded call of the gateway's own.
async fn follow(shared: &Arc<Shared>, workload: &Workload, key: Option<&Arc<ListenerKey>>) -> Fault {
    let refused = |code: Code| Fault::Connect {
        path: workload.socket.path.clone(),
        source: std::io::Error::other(code.as_str()),
    };
    let (Ok(server), Ok(caller)) = (ServerName::new(SERVER), housekeeper(shared)) else {
        return refused(Code::Bug);
    };
    let facts = CallFacts {
        digest: sha256(workload.socket.path.as_os_str().as_encoded_bytes()),
        streaming: true,
        ..CallFacts::new(
            clock::mint(clock::now()),
            Action::Connect,
            Resource::Server { server },
            Surface::Mcp,
        )
    };
    let evidence = shared.evidence(&caller, facts, Vec::new());
    let (permit, mut passage) = match shared.enter(evidence, workload.socket.clone()).await {
        Ok(entered) => entered,
        Err(refusal) => return refused(refusal.code),
    };
    let updates = match local::open(permit).await {
        Ok(updates) => updates,
        Err(fault) => {
            drop(passage.failed(Code::UpstreamUnreachable));
            return fault;
        }
    };
    let facts = AnswerFacts {
        status: Some(200),
        findings: Vec::new(),
    };
    match passage.answered(facts) {
        Ok(release) => drop(release.spend()),
        Err(refusal) => return refused(refusal.code),
    }
    let fault = hear(shared, workload, key, updates, &mut passage.released.bytes).await;
    passage.finish();
    fault
}

/// Takes updates until there is no further one.
async fn hear(
    shared: &Shared,
    workload: &Workload,
    key: Option<&Arc<ListenerKey>>,
    mut updates: Updates,
    heard: &mut u64,
) -> Fault {
    loop {
        let message = match updates.next().await {
            Ok(message) => message,
            Err(fault) => return fault,
        };
        *heard = heard.saturating_add(u64::try_from(message.expose().len()).unwrap_or(u64::MAX));
        let alarm = match workload.take(shared, key, &message) {
            Ok(()) => None,
            Err(unfit) => Some(format!("an update of the Workload API is not in force: {unfit}")),
        };
        workload.say(shared, alarm).await;
    }
}
