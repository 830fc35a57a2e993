//! Reading policy and configuration again: on SIGHUP, on request, and when a file changes (looked at once a second).
//!
//! A new policy is built whole, then swapped in; one that does not load leaves the old one in force and raises an alarm:
//! in the log, in `status`, and as an Operation record. Only the policy changes while running; other changed keys are
//! named as needing a restart.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bartizan_gateway::{Shared, admin::Desk};
use bartizan_types::{Record, RecordKind};
use serde_json::Value;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
};

use super::{adjusted, now};
use crate::{
    cli::{Global, Up},
    config::{Loaded, file::ConfigFile, resolve::Settings},
    failure::Failure,
    policy_files,
};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Alarms kept for `status`.
const ALARMS: usize = 16;

/// Watches and reloads.
pub(crate) struct Watcher {
    /// Where the policy is in force.
    pub(crate) shared: Arc<Shared>,
    /// Where the change is recorded.
    pub(crate) desk: Arc<Desk>,
    /// What `status` shows.
    pub(crate) alarms: Arc<Mutex<Vec<String>>>,
    /// What is in force.
    pub(crate) settings: Settings,
    /// The policy files in force.
    pub(crate) paths: Vec<PathBuf>,
    /// The configuration file, and the command line it was read with.
    pub(crate) watched: Option<(Loaded, Global, Up)>,
}

type Request = oneshot::Sender<Result<String, String>>;

impl Watcher {
    /// Until `stop` turns true.
    pub(crate) async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => return tracing::error!(%error, "SIGHUP can't be watched; nothing is reloaded"),
        };
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seen = self.stamp();
        loop {
            let request = tokio::select! {
                _ = look.tick() => {
                    if self.stamp() == seen {
                        continue;
                    }
                    None
                }
                _ = hangup.recv() => None,
                request = requests.recv() => match request {
                    Some(request) => Some(request),
                    None => return,
                },
                _ = stop.wait_for(|stop| *stop) => return,
            };
            // Stamped before reading: what changes meanwhile is read again.
            seen = self.stamp();
            let answer = self.reload().await;
            if let Some(request) = request {
                // An asker that went away has its answer in the log.
                let _ = request.send(answer);
            }
            seen.truncate(self.stamp().len());
        }
    }

    fn stamp(&self) -> Vec<Option<(std::time::SystemTime, u64)>> {
        let file = self.watched.as_ref().and_then(|(loaded, ..)| loaded.path.clone());
        // New files under a pattern count as a change of the policy.
        let now = policy_files::matching(&self.settings.policy_files).unwrap_or_default();
        policy_files::stamp(file.iter().chain(&self.paths).chain(&now))
    }

    async fn reload(&mut self) -> Result<String, String> {
        let outcome = self.build();
        let (note, answer) = match outcome {
            Ok((policy, settings, paths, restart)) => {
                let digest = policy.digest();
                let same = self.shared.policy.load().digest() == digest;
                self.shared.policy.store(Arc::new(policy));
                self.settings = settings;
                self.paths = paths;
                let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
                alarms.clear();
                alarms.extend(restart);
                drop(alarms);
                if same {
                    return Ok(digest.to_string());
                }
                tracing::info!(%digest, "policy reloaded");
                (format!("policy reloaded: {digest}"), Ok(digest.to_string()))
            }
            Err(failure) => {
                let why = failure.in_words();
                tracing::error!(%why, "reload failed; the policy in force stays");
                let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
                let alarm = format!("{}: reload failed, the policy in force stays: {why}", now());
                alarms.push(alarm);
                let excess = alarms.len().saturating_sub(ALARMS);
                alarms.drain(..excess);
                (format!("policy reload failed: {why}"), Err(why))
            }
        };
        let mut record = Record::new(RecordKind::Operation, now());
        record.note = Some(note);
        if let Err(error) = self.desk.ledger.append(&record).await {
            tracing::error!(%error, "the reload was not recorded");
        }
        answer
    }

    /// What is to be in force, and the alarm of what a restart would take besides.
    fn build(&self) -> Result<(bartizan_policy::Policy, Settings, Vec<PathBuf>, Option<String>), Failure> {
        let (settings, restart) = match &self.watched {
            Some((before, global, up)) => {
                let loaded = match &before.path {
                    Some(path) => Loaded::read(path)?,
                    None => before.clone(),
                };
                let restart = waits(&changed(&before.file, &loaded.file));
                (adjusted(&loaded, global, up)?, restart)
            }
            None => (self.settings.clone(), None),
        };
        let paths = policy_files::matching(&settings.policy_files)?;
        let texts = policy_files::read(&paths)?;
        let policy = policy_files::load(settings.pack, &texts)?;
        Ok((policy, settings, paths, restart))
    }
}

/// The top-level keys by which two files differ. What is under `policy` is taken while running.
fn changed(before: &ConfigFile, now: &ConfigFile) -> Vec<String> {
    let keys = |file: &ConfigFile| match serde_json::to_value(file) {
        Ok(Value::Object(keys)) => keys,
        _ => serde_json::Map::new(),
    };
    let (before, now) = (keys(before), keys(now));
    let all: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    all.into_iter()
        .filter(|key| *key != "policy" && before.get(*key) != now.get(*key))
        .cloned()
        .collect()
}

/// The alarm that these keys changed, if any did.
fn waits(keys: &[String]) -> Option<String> {
    let named: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    (!named.is_empty()).then(|| {
        let named = named.join(", ");
        format!("the configuration file differs from the one that runs in {named}; restart to take it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diagnose::parse;

    fn check(before: &str, now: &str, expected: Option<&str>) {
        let read = |text: &str| parse("test.toml", text).unwrap();
        let said = waits(&changed(&read(before), &read(now)));
        let keys = said.map(|said| said.split('`').skip(1).step_by(2).collect::<Vec<_>>().join(" "));
        assert_eq!(keys.as_deref(), expected, "{before} then {now}");
    }

    #[test]
    fn what_waits_for_a_restart_is_named() {
        let listen = "[listen]\naddress = \"127.0.0.1:4999\"\n";
        check("", "", None);
        check("", "# words\n", None);
        check("", "[policy]\npack = \"strict\"\n", None);
        check("", listen, Some("listen"));
        check(listen, "", Some("listen"));
        let more = format!("{listen}[egress]\naddress = \"127.0.0.1:4998\"\n[policy]\npack = \"strict\"\n");
        check("", &more, Some("egress listen"));
        check(listen, &more, Some("egress"));
    }
}
