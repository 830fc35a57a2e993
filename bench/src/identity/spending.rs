//! Budgets and revocations under load: how many calls pass that must not, and how long what is in progress goes on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::desk::Gate;
use crate::crossing::Bench;
use crate::figure::Figure;
use crate::load::{Connection, Target};
use crate::peer;
use crate::process::Cores;

/// Calls that the budget lets pass.
const LIMIT: u64 = 200;
const CONNECTIONS: usize = 64;

/// Takes the figures.
pub(crate) async fn run(bench: &Bench, cores: Cores) -> Vec<Figure> {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(fault) => return missing(&format!("no temporary folder: {fault}")),
    };
    let backend = match peer::backend(folder.path(), cores) {
        Ok(backend) => backend,
        Err(fault) => return missing(&fault),
    };
    // One budget of calls, one of tokens that is as tight: 100 out a call, of which the backend gives 150.
    let extra = format!(
        "[[budget]]\nname = \"calls\"\nmeter = \"calls\"\nlimit = {LIMIT}\nwindow = \"total\"\nonly = {{ agent = [\"spender\"] }}\n\n\
         [[budget]]\nname = \"tokens\"\nmeter = \"output_tokens\"\nlimit = {}\nwindow = \"total\"\nonly = {{ agent = [\"talker\"] }}\n",
        LIMIT * 200
    );
    let gate = match Gate::start(folder.path(), cores, &backend.address, &bench.binary, &extra) {
        Ok(gate) => Rc::new(gate),
        Err(fault) => return missing(&fault),
    };
    let mut figures = Vec::new();
    figures.extend(overshoot(&gate, bench.quick).await);
    figures.extend(admitted(&gate, bench.quick).await);
    figures.push(cancelled(&gate, bench.quick).await);
    figures
}

fn missing(reason: &str) -> Vec<Figure> {
    [
        ("budget_overshoot_calls", "count"),
        ("admitted_after_revocation", "count"),
        ("inflight_cancel_p99_ms", "ms"),
    ]
    .into_iter()
    .map(|(name, unit)| Figure::missing(name, unit, reason))
    .collect()
}

fn chat(gate: &Gate, key: &str, model: &str, stream: bool) -> Target {
    let body = json!({
        "model": model, "stream": stream, "max_tokens": 200,
        "messages": [{ "role": "user", "content": "hello" }],
    });
    let headers = [("authorization", key)];
    Target::post(
        &gate.address,
        "/v1/chat/completions",
        &headers,
        body.to_string().as_bytes(),
    )
}

/// Two agents offer fifty times what their budgets allow, on many connections at once: calls past the limit.
async fn overshoot(gate: &Gate, quick: bool) -> Vec<Figure> {
    let name = "budget_overshoot_calls";
    let offered = LIMIT * if quick { 10 } else { 50 };
    let measured = async {
        let calls = offer(gate, "spender", offered).await?;
        let talks = offer(gate, "talker", offered).await?;
        // Each call sets 200 tokens aside and settles at 150, so at most this many ever fit.
        let fit = LIMIT * 200 / 150;
        let over = calls.saturating_sub(LIMIT) + talks.saturating_sub(fit);
        if calls == 0 || talks == 0 {
            return Err("no call passed at all".to_owned());
        }
        Ok((over, calls, talks))
    };
    match measured.await {
        Ok((over, calls, talks)) => vec![
            Figure::of(name, over as f64, "count", offered * 2),
            Figure::of("budget_passed_calls", calls as f64, "count", offered),
            Figure::of("budget_passed_calls_by_tokens", talks as f64, "count", offered),
        ],
        Err(fault) => vec![Figure::missing(name, "count", fault)],
    }
}

/// Offers calls of an agent; gives how many passed.
async fn offer(gate: &Gate, agent: &str, offered: u64) -> Result<u64, String> {
    let key = gate.agent(agent).await?;
    let target = chat(gate, &key, "bench", false);
    let (left, passed) = (Rc::new(Cell::new(offered)), Rc::new(Cell::new(0_u64)));
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(&target.address).await?;
        let (left, passed, request) = (Rc::clone(&left), Rc::clone(&passed), target.request.clone());
        tasks.push(tokio::task::spawn_local(async move {
            while left.get() > 0 {
                left.set(left.get() - 1);
                connection.send(&request).await?;
                match connection.answer().await?.status {
                    200 => passed.set(passed.get() + 1),
                    429 => {}
                    other => return Err(format!("a call was answered with {other}")),
                }
            }
            Ok(())
        }));
    }
    for task in tasks {
        task.await.map_err(|fault| fault.to_string())??;
    }
    Ok(passed.get())
}

/// Connections of those who are revoked: each call waits for one sync of the log, so as many as a slow disk holds up.
const CALLERS: usize = 256;
/// A run that offered less than this share of what it says it offers is no measurement.
const OFFERED_SHARE: f64 = 0.9;

/// Agents are revoked one after the other while all of them call: calls begun after the acknowledgement that pass.
async fn admitted(gate: &Rc<Gate>, quick: bool) -> Vec<Figure> {
    let name = "admitted_after_revocation";
    let (agents, rate) = if quick { (100, 300.0) } else { (1000, 1000.0) };
    match admit(gate, agents, rate).await {
        Ok(run) if run.offered < rate * OFFERED_SHARE => {
            let reason = format!(
                "{:.0} calls/s were offered in the place of {rate:.0}",
                run.offered
            );
            vec![
                Figure::missing(name, "count", reason),
                Figure::of("revocation_offered_calls_per_s", run.offered, "per_s", run.calls),
            ]
        }
        Ok(run) => vec![
            Figure::of(name, run.admitted as f64, "count", run.after),
            Figure::of("revocations_made", agents as f64, "count", agents as u64),
            Figure::of("revocation_offered_calls_per_s", run.offered, "per_s", run.calls),
            Figure::of("revocations_per_s", run.revoked_per_s, "per_s", agents as u64),
        ],
        Err(fault) => vec![Figure::missing(name, "count", fault)],
    }
}

/// What came of a run of revocations.
struct Revoking {
    /// Calls begun after the acknowledgement of their agent's revocation that passed.
    admitted: u64,
    /// Calls begun after it.
    after: u64,
    /// All calls while revocations were made.
    calls: u64,
    /// The same in a second.
    offered: f64,
    revoked_per_s: f64,
}

/// What the callers share.
#[derive(Default)]
struct Callers {
    requests: Vec<Vec<u8>>,
    revoked: RefCell<Vec<bool>>,
    over: Cell<bool>,
    next: Cell<u64>,
    sent: Cell<u64>,
    before: Cell<u64>,
    after: Cell<u64>,
    admitted: Cell<u64>,
}

impl Callers {
    /// One connection's calls, each at its time, of one agent after the other.
    async fn call(&self, mut connection: Connection, begun: Instant, rate: f64) -> Result<(), String> {
        while !self.over.get() {
            let index = self.next.get();
            self.next.set(index + 1);
            let when = begun + Duration::from_secs_f64(index as f64 / rate);
            tokio::time::sleep_until(when.into()).await;
            let agent = index as usize % self.requests.len();
            let was = self.revoked.borrow().get(agent).copied().unwrap_or(false);
            self.sent.set(self.sent.get() + 1);
            connection.send(&self.requests[agent]).await?;
            let status = connection.status().await?;
            let counter = if was { &self.after } else { &self.before };
            counter.set(counter.get() + 1);
            match (was, status) {
                (true, 200) => self.admitted.set(self.admitted.get() + 1),
                (_, 200 | 403) => {}
                (_, other) => return Err(format!("a call was answered with {other}")),
            }
        }
        Ok(())
    }
}

async fn admit(gate: &Rc<Gate>, agents: usize, rate: f64) -> Result<Revoking, String> {
    let keys = gate
        .agents((0..agents).map(|number| format!("a{number}")))
        .await?;
    let callers = Rc::new(Callers {
        requests: keys
            .iter()
            .map(|key| chat(gate, key, "bench", false).request)
            .collect(),
        revoked: RefCell::new(vec![false; agents]),
        ..Callers::default()
    });
    let mut opened = Vec::with_capacity(CALLERS);
    for _ in 0..CALLERS {
        opened.push(Connection::open(&gate.address).await?);
    }
    let begun = Instant::now();
    let tasks: Vec<_> = opened
        .into_iter()
        .map(|connection| {
            let callers = Rc::clone(&callers);
            tokio::task::spawn_local(async move { callers.call(connection, begun, rate).await })
        })
        .collect();
    // Everybody calls before anybody is revoked.
    tokio::time::sleep(Duration::from_secs_f64(agents as f64 / rate)).await;
    let (sent, since) = (callers.sent.get(), Instant::now());
    for agent in 0..agents {
        gate.revoke(&format!("agent:a{agent}")).await?;
        if let Some(slot) = callers.revoked.borrow_mut().get_mut(agent) {
            *slot = true;
        }
    }
    let seconds = since.elapsed().as_secs_f64();
    let calls = callers.sent.get() - sent;
    // Everybody is called once more.
    tokio::time::sleep(Duration::from_secs_f64(agents as f64 / rate + 0.5)).await;
    callers.over.set(true);
    for task in tasks {
        task.await.map_err(|fault| fault.to_string())??;
    }
    let (before, after) = (callers.before.get(), callers.after.get());
    if before == 0 || after < agents as u64 {
        return Err(format!("{before} calls before and {after} after revocations"));
    }
    Ok(Revoking {
        admitted: callers.admitted.get(),
        after,
        calls,
        offered: calls as f64 / seconds,
        revoked_per_s: agents as f64 / seconds,
    })
}

/// Streams that would go on for ever: from a revocation's request, durable write included, to the end of the stream.
async fn cancelled(gate: &Gate, quick: bool) -> Figure {
    let name = "inflight_cancel_p99_ms";
    let streams = if quick { 50 } else { 300 };
    match cancel(gate, streams).await {
        Ok(mut took) => {
            took.sort_by(f64::total_cmp);
            let at = ((took.len() - 1) as f64 * 0.99).round() as usize;
            let (low, high) = (took[0], took[took.len() - 1]);
            Figure::of(name, took[at], "ms", took.len() as u64).spread(low, high)
        }
        Err(fault) => Figure::missing(name, "ms", fault),
    }
}

async fn cancel(gate: &Gate, streams: usize) -> Result<Vec<f64>, String> {
    let mut open = Vec::with_capacity(streams);
    for number in 0..streams {
        let key = gate.agent(&format!("s{number}")).await?;
        let mut connection = Connection::open(&gate.address).await?;
        connection.send(&chat(gate, &key, "hold", true).request).await?;
        let head = connection.head().await?;
        if head.status != 200 {
            return Err(format!("a stream was answered with {}", head.status));
        }
        connection.chunk().await?.ok_or("a stream ended at once")?;
        open.push(connection);
    }
    let mut took = Vec::with_capacity(streams);
    for (number, mut connection) in open.into_iter().enumerate() {
        let ends = tokio::task::spawn_local(async move {
            // A cut connection is a fault here, and that is the point.
            while let Ok(Some(_)) = connection.chunk().await {}
            Instant::now()
        });
        tokio::task::yield_now().await;
        let begun = Instant::now();
        gate.revoke(&format!("agent:s{number}")).await?;
        let ended = tokio::time::timeout(Duration::from_secs(10), ends).await;
        let ended = ended.map_err(|_| "a stream went on for ten seconds")?;
        let ended = ended.map_err(|fault| fault.to_string())?;
        took.push(ended.duration_since(begun).as_secs_f64() * 1e3);
    }
    Ok(took)
}
