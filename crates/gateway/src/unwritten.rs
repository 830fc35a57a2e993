//! What is in force and could not be written to the state: tried again until it is, and told of meanwhile.
//!
//! What is taken away does not wait for the disk; what is given does. So a disk that takes nothing leaves revocations that
//! a restart would lose, and nothing else: they are few, and an operator has to know.

use std::{sync::Arc, time::Duration};

use bartizan_store::{Fault, Trouble};
use bartizan_types::{Record, RecordKind};
use tokio::sync::watch;

use crate::{Shared, clock};

/// How often it is tried.
const EVERY: Duration = Duration::from_secs(2);

/// How much is in force and not written.
pub(crate) fn count(shared: &Shared) -> usize {
    let approvals = shared.approvals.unwritten();
    shared.revoked.unwritten().saturating_add(approvals)
}

/// What the operator should know, if anything.
pub(crate) fn alarm(shared: &Shared) -> Option<String> {
    let lost = match count(shared) {
        0 => String::new(),
        count => format!("; {count} revocations are in force and not durable: a restart loses them"),
    };
    match shared.state.trouble() {
        Some(trouble) => Some(format!(
            "{}{lost}; nothing new is given to anybody until it can",
            told(&trouble)
        )),
        None if lost.is_empty() => None,
        None => Some(format!("not all is written to the state{lost}")),
    }
}

fn told(trouble: &Trouble) -> String {
    format!(
        "the state can't be written since {}: {}",
        trouble.since, trouble.why
    )
}

/// Writes what is owed, as far as it goes now, and finds out whether the state can be written.
///
/// # Errors
/// The state's.
pub(crate) fn settle(shared: &Shared) -> Result<(), Fault> {
    if shared.state.trouble().is_some() {
        shared.state.try_write()?;
    }
    shared.revoked.settle(&shared.state)
}

/// Tries every few seconds, where there is reason to, until `stop`.
pub(crate) async fn keep(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut known = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let trouble = shared.state.trouble();
        if let Some(trouble) = trouble.as_ref().filter(|_| !known) {
            say(&shared, format!("alarm: {}", told(trouble))).await;
            known = true;
        }
        if trouble.is_some() || count(&shared) > 0 {
            let ours = Arc::clone(&shared);
            match tokio::task::spawn_blocking(move || settle(&ours)).await {
                Ok(Ok(())) => follow(&shared).await,
                Ok(Err(error)) => tracing::debug!(%error, "the state still can't be written"),
                Err(error) => tracing::error!(%error, "writing what is owed ended badly"),
            }
        }
        if known && shared.state.trouble().is_none() {
            say(&shared, "the state can be written again".to_owned()).await;
            known = false;
        }
    }
}

/// Revocations are written: so is the rest, and the registry knows of keys that ended.
async fn follow(shared: &Shared) {
    if let Err(error) = shared.approvals.settle().await {
        tracing::debug!(%error, "the state still can't be written");
    }
    if let Err(error) = shared.reload_registry() {
        tracing::error!(%error, "the registry in force stays");
    }
}

async fn say(shared: &Shared, note: String) {
    let mut record = Record::new(RecordKind::Operation, clock::now());
    record.note = Some(note);
    if let Err(error) = shared.ledger.append(&record).await {
        tracing::error!(%error, "what became of the state was not recorded");
    }
}
