//! Streams: how long an event takes on its way, and what many open ones hold in memory.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::backend::{STAMP, TICK, nanos};
use crate::load::{Connection, Outcome, Target};

/// What a stream may take in all.
const PATIENCE: Duration = Duration::from_secs(60);
/// Streams opened at a time.
const OPENING: usize = 50;

/// Reads `streams` whole streams at once; the latencies are of their events, from the backend's write to our
/// read, in microseconds. Streams begin one after the other, spread over one tick: real ones are not in step, and
/// events that arrive together would measure the wait for each other.
pub(crate) async fn ticks(target: &Target, streams: usize) -> Result<Outcome, String> {
    let latencies = Rc::new(RefCell::new(Vec::new()));
    let mut tasks = Vec::new();
    for _ in 0..streams {
        tokio::time::sleep(TICK / u32::try_from(streams).unwrap_or(1)).await;
        let (target, latencies) = (target.clone(), Rc::clone(&latencies));
        tasks.push(tokio::task::spawn_local(async move {
            let mut connection = begin(&target).await?;
            let mut seen = 0_u64;
            while let Some(chunk) = connection.chunk().await? {
                let now = nanos();
                for sent in stamps(&chunk) {
                    seen += 1;
                    let micros = now.saturating_sub(sent) / 1000;
                    latencies
                        .borrow_mut()
                        .push(u32::try_from(micros).unwrap_or(u32::MAX));
                }
            }
            Ok::<u64, String>(seen)
        }));
    }
    let mut completed = 0;
    for task in tasks {
        let seen = tokio::time::timeout(PATIENCE, task)
            .await
            .map_err(|_| "a stream did not end".to_owned())?;
        completed += seen.map_err(|fault| fault.to_string())??;
    }
    let mut latencies = latencies.take();
    latencies.sort_unstable();
    Ok(Outcome {
        completed,
        seconds: 1.0,
        latencies,
    })
}

/// Opens `count` streams that stay open, each once its first event is here.
pub(crate) async fn hold(target: &Target, count: usize) -> Result<Vec<Connection>, String> {
    let mut held = Vec::with_capacity(count);
    while held.len() < count {
        let mut tasks = Vec::new();
        for _ in 0..OPENING.min(count - held.len()) {
            let target = target.clone();
            tasks.push(tokio::task::spawn_local(async move {
                let mut connection = begin(&target).await?;
                match connection.chunk().await? {
                    Some(_) => Ok(connection),
                    None => Err("a stream ended at once".to_owned()),
                }
            }));
        }
        for task in tasks {
            let opened = tokio::time::timeout(PATIENCE, task).await;
            let opened = opened.map_err(|_| format!("stream {} did not begin", held.len()))?;
            held.push(opened.map_err(|fault| fault.to_string())??);
        }
    }
    Ok(held)
}

async fn begin(target: &Target) -> Result<Connection, String> {
    let mut connection = Connection::open(&target.address).await?;
    connection.send(&target.request).await?;
    let head = connection.head().await?;
    if head.status == 200 && head.header("transfer-encoding").is_some() {
        return Ok(connection);
    }
    Err(format!("a stream began with status {}", head.status))
}

/// The times in a chunk's events.
fn stamps(chunk: &[u8]) -> impl Iterator<Item = u64> {
    let mark = STAMP.as_bytes();
    chunk.windows(mark.len() + 20).filter_map(move |window| {
        let digits = window.strip_prefix(mark)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_in_events() {
        let chunk = format!(
            "data: {{\"content\":\"{STAMP}{:020}\"}}\n\ndata: {{\"t\":\"{STAMP}{:020}\"}}\n\n",
            7, 8
        );
        assert_eq!(stamps(chunk.as_bytes()).collect::<Vec<_>>(), [7, 8]);
        assert_eq!(stamps(b"t=12").count(), 0);
    }
}
