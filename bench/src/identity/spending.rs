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
        Ok(gate) => gate,
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

/// Agents are revoked one after the other while all of them call: calls begun after the acknowledgement that pass.
async fn admitted(gate: &Gate, quick: bool) -> Vec<Figure> {
    let name = "admitted_after_revocation";
    let (agents, rate) = if quick { (100, 300.0) } else { (1000, 1000.0) };
    match admit(gate, agents, rate).await {
        Ok((admitted, after, offered)) => vec![
            Figure::of(name, admitted as f64, "count", after),
            Figure::of("revocation_offered_calls_per_s", offered, "per_s", after),
        ],
        Err(fault) => vec![Figure::missing(name, "count", fault)],
    }
}

async fn admit(gate: &Gate, agents: usize, rate: f64) -> Result<(u64, u64, f64), String> {
    let mut requests = Vec::with_capacity(agents);
    for number in 0..agents {
        let key = gate.agent(&format!("a{number}")).await?;
        requests.push(chat(gate, &key, "bench", false).request);
    }
    let requests = Rc::new(requests);
    let revoked = Rc::new(RefCell::new(vec![false; agents]));
    let (over, next) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0_u64)));
    let (admitted, after, before) = (
        Rc::new(Cell::new(0_u64)),
        Rc::new(Cell::new(0_u64)),
        Rc::new(Cell::new(0_u64)),
    );
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(&gate.address).await?;
        let (requests, revoked, over, next) = (
            Rc::clone(&requests),
            Rc::clone(&revoked),
            Rc::clone(&over),
            Rc::clone(&next),
        );
        let (admitted, after, before) = (Rc::clone(&admitted), Rc::clone(&after), Rc::clone(&before));
        tasks.push(tokio::task::spawn_local(async move {
            while !over.get() {
                let index = next.get();
                next.set(index + 1);
                let when = begun + Duration::from_secs_f64(index as f64 / rate);
                tokio::time::sleep_until(when.into()).await;
                let agent = index as usize % requests.len();
                let was = revoked.borrow().get(agent).copied().unwrap_or(false);
                connection.send(&requests[agent]).await?;
                let status = connection.answer().await?.status;
                let counter = if was { &after } else { &before };
                counter.set(counter.get() + 1);
                match (was, status) {
                    (true, 200) => admitted.set(admitted.get() + 1),
                    (_, 200 | 403) => {}
                    (_, other) => return Err(format!("a call was answered with {other}")),
                }
            }
            Ok(())
        }));
    }
    for agent in 0..agents {
        gate.revoke(&format!("agent:a{agent}")).await?;
        if let Some(slot) = revoked.borrow_mut().get_mut(agent) {
            *slot = true;
        }
    }
    // Everybody is called once more.
    tokio::time::sleep(Duration::from_secs_f64(agents as f64 / rate + 0.5)).await;
    over.set(true);
    let seconds = begun.elapsed().as_secs_f64();
    for task in tasks {
        task.await.map_err(|fault| fault.to_string())??;
    }
    if before.get() == 0 || after.get() < agents as u64 {
        return Err(format!(
            "{} calls before and {} after revocations",
            before.get(),
            after.get()
        ));
    }
    let offered = (before.get() + after.get()) as f64 / seconds;
    Ok((admitted.get(), after.get(), offered))
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
