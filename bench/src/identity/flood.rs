//! A flood: thousands of connections, some that dribble, some that send too much, one agent far past its limit. What it
//! does to somebody else's calls.

use std::cell::Cell;
use std::io::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::desk::Gate;
use crate::crossing::Bench;
use crate::figure::Figure;
use crate::load::{self, Connection, Target};
use crate::peer;
use crate::process::Cores;

/// Calls a second that the flooding agent may make.
const LIMIT: u64 = 20;
/// How far past that it goes.
const TIMES: u64 = 50;
/// Calls a second of the victim.
const VICTIM: f64 = 50.0;

/// Takes the figures.
pub(crate) async fn run(bench: &Bench, cores: Cores) -> Vec<Figure> {
    match measured(bench, cores).await {
        Ok(figures) => figures,
        Err(fault) => vec![
            Figure::missing("flood_victim_p99_ratio", "ratio", fault.clone()),
            Figure::missing("flood_crashes", "count", fault),
        ],
    }
}

async fn measured(bench: &Bench, cores: Cores) -> Result<Vec<Figure>, String> {
    let folder = tempfile::tempdir().map_err(|fault| format!("no temporary folder: {fault}"))?;
    let backend = peer::backend(folder.path(), cores)?;
    let mut gate = Gate::start(folder.path(), cores, &backend.address, &bench.binary, &settings())?;
    let (victim, flooder) = (gate.agent("victim").await?, gate.agent("flooder").await?);
    let target = chat(&gate, &victim);
    let time = Duration::from_secs(if bench.quick { 5 } else { 15 });
    load::open(&target, 16, VICTIM, Duration::from_secs(2)).await?;
    // Each call waits for one sync of the log: what the disk itself takes for that, at the same rate, with the gateway idle.
    let disk = disk_p99_us(folder.path(), time).await?;
    let quiet = load::open(&target, 16, VICTIM, time).await?;
    let connections = if bench.quick { 1000 } else { 10_000 };
    let over = Rc::new(Cell::new(false));
    let sent = Rc::new(Cell::new(0_u64));
    let admitted = Rc::new(Cell::new(0_u64));
    let flooded = Instant::now();
    let mut opened = 0_usize;
    for number in 0..connections {
        let Ok(stream) = TcpStream::connect(&gate.address).await else {
            break;
        };
        opened += 1;
        let (over, sent) = (Rc::clone(&over), Rc::clone(&sent));
        match number % 5 {
            0 => tokio::task::spawn_local(dribble(stream, over)),
            1 => tokio::task::spawn_local(oversize(stream, gate.address.clone(), flooder.clone(), over)),
            _ => {
                let each = connections as f64 * 0.6 / (LIMIT * TIMES) as f64;
                let request = chat(&gate, &flooder).request;
                let counted = (sent, Rc::clone(&admitted));
                tokio::task::spawn_local(hammer(stream, request, each, number, over, counted))
            }
        };
    }
    if opened < connections {
        over.set(true);
        return Err(format!(
            "only {opened} of {connections} connections could be opened"
        ));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (before, begun) = (sent.get(), Instant::now());
    let loud = load::open(&target, 16, VICTIM, time).await?;
    let offered = (sent.get() - before) as f64 / begun.elapsed().as_secs_f64();
    let mib = gate.running.rss_mib();
    over.set(true);
    // A bucket holds one second's worth and gives one each second.
    let within = LIMIT as f64 * (flooded.elapsed().as_secs_f64() + 1.0);
    let overshoot = (admitted.get() as f64 - within).max(0.0).ceil();
    let crashes = crashes(&mut gate).await;
    let (quiet_p99, loud_p99) = (p99(&quiet)?, p99(&loud)?);
    Ok(vec![
        Figure::of(
            "flood_victim_p99_ratio",
            loud_p99 / quiet_p99,
            "ratio",
            loud.completed,
        )
        .peer("the same calls without the flood"),
        Figure::of("flood_crashes", crashes, "count", connections as u64),
        Figure::of("flood_victim_quiet_p99_us", quiet_p99, "us", quiet.completed),
        Figure::of("flood_victim_p99_us", loud_p99, "us", loud.completed),
        Figure::of("flood_disk_sync_p99_us", disk, "us", quiet.completed),
        Figure::of("flood_overshoot_calls", overshoot, "count", admitted.get()),
        Figure::of("flood_offered_per_s", offered, "per_s", 1),
        Figure::of("flood_rss_mib", mib.unwrap_or(f64::NAN), "mib", 1),
    ])
}

/// What the flood may reach: bounds above it, so that connections are taken, and a budget that it is far past.
fn settings() -> String {
    format!(
        "[limits]\nconnections = 12000\nheader_timeout_ms = 60000\n\n[[budget]]\nname = \"rate\"\nmeter = \"calls\"\nlimit = {LIMIT}\n\
         window = \"bucket\"\nwindow_seconds = 1\nonly = {{ agent = [\"flooder\"] }}\n"
    )
}

/// Panics that it counted; one where it no longer serves.
async fn crashes(gate: &mut Gate) -> f64 {
    let panics = gate.metric("bartizan_panics_total").await;
    let address = gate.address.clone();
    match (gate.running.listening(&address, Duration::from_secs(5)), panics) {
        (Ok(()), Ok(panics)) => panics,
        _ => 1.0,
    }
}

fn p99(of: &load::Outcome) -> Result<f64, String> {
    of.quantile(0.99)
        .ok_or_else(|| "the victim completed no call".to_owned())
}

fn chat(gate: &Gate, key: &str) -> Target {
    let body = json!({
        "model": "bench", "max_tokens": 10, "messages": [{ "role": "user", "content": "hello" }],
    });
    let headers = [("authorization", key)];
    Target::post(
        &gate.address,
        "/v1/chat/completions",
        &headers,
        body.to_string().as_bytes(),
    )
}

/// The 99th percentile of syncs of a small append to a file beside the log's, at the victim's rate, in microseconds. A
/// quiet p99 far above it is the gateway's; one near it is the disk's.
async fn disk_p99_us(folder: &Path, time: Duration) -> Result<f64, String> {
    let path = folder.join("sync.probe");
    let probe = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::create(path)?;
        let mut took = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < time {
            file.write_all(&[0; 1024])?;
            let before = Instant::now();
            file.sync_data()?;
            took.push(before.elapsed().as_secs_f64() * 1e6);
            std::thread::sleep(Duration::from_secs_f64(1.0 / VICTIM));
        }
        took.sort_unstable_by(f64::total_cmp);
        let at = took.len().saturating_sub(1) * 99 / 100;
        Ok::<_, std::io::Error>(took.get(at).copied().unwrap_or(f64::NAN))
    });
    let probed = probe.await.map_err(|fault| fault.to_string())?;
    probed.map_err(|fault| format!("the disk can't be probed: {fault}"))
}

/// A request whose headers never end.
async fn dribble(mut stream: TcpStream, over: Rc<Cell<bool>>) {
    let mut letters = b"POST /v1/chat/completions HTTP/1.1\r\nx-slow: "
        .iter()
        .chain(std::iter::repeat(&b'a'));
    while !over.get() {
        let Some(letter) = letters.next() else { return };
        if stream.write_all(&[*letter]).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
}

/// Bodies larger than the gateway takes, again and again.
async fn oversize(mut stream: TcpStream, address: String, key: String, over: Rc<Cell<bool>>) {
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: {key}\r\ncontent-type: application/json\r\n\
         content-length: 1073741824\r\n\r\n{{"
    );
    let mut sink = [0; 2048];
    while !over.get() {
        let said = stream.write_all(request.as_bytes()).await.is_ok()
            && matches!(stream.read(&mut sink).await, Ok(1..));
        tokio::time::sleep(Duration::from_secs(5)).await;
        if !said || over.get() {
            return;
        }
        // The refusal ends the connection.
        match TcpStream::connect(&address).await {
            Ok(again) => stream = again,
            Err(_) => return,
        }
    }
}

/// One connection of the agent that is past its limit: a call each `each` seconds.
async fn hammer(
    stream: TcpStream,
    request: Vec<u8>,
    each: f64,
    number: usize,
    over: Rc<Cell<bool>>,
    (sent, admitted): (Rc<Cell<u64>>, Rc<Cell<u64>>),
) {
    let mut connection = Connection::of(stream);
    let first = each * ((number * 7919) % 1000) as f64 / 1000.0;
    tokio::time::sleep(Duration::from_secs_f64(first)).await;
    while !over.get() {
        let due = Instant::now() + Duration::from_secs_f64(each);
        let answer = match connection.send(&request).await {
            Ok(()) => connection.answer().await,
            Err(fault) => Err(fault),
        };
        let Ok(answer) = answer else { return };
        sent.set(sent.get() + 1);
        admitted.set(admitted.get() + u64::from(answer.status == 200));
        tokio::time::sleep_until(due.into()).await;
    }
}
