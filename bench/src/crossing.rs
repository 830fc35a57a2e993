//! The crossing's figures against nginx and LiteLLM, each taken in turn in one run.
//!
//! A peer that can't be started leaves its figures missing with the reason; so does an answer that is not 200,
//! since the cost of a refusal is not the cost of a call.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::figure::{Figure, median};
use crate::load::{self, Connection, Target};
use crate::peer::{self, Peer, With};
use crate::process::Cores;
use crate::stream;

const CONNECTIONS: usize = 32;
const STREAMS: usize = 16;
const HELD: usize = 2000;
const WARM: Duration = Duration::from_millis(700);
/// What peers are asked, with the load and the names of its figures.
const CPU: [(&str, Call); 2] = [
    ("cpu_ratio_nginx_chat_1k", Call::Chat),
    ("cpu_ratio_nginx_mcp_call", Call::Mcp),
];

/// What to measure with.
pub(crate) struct Bench {
    /// The built gateway.
    pub(crate) binary: PathBuf,
    /// Where pinned peers are kept between runs.
    pub(crate) cache: PathBuf,
    /// Shorter runs.
    pub(crate) quick: bool,
    /// Only figures whose name contains this.
    pub(crate) only: Option<String>,
}

/// A benched call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Call {
    /// A chat completion of 1 KiB.
    Chat,
    /// A call of a tool.
    Mcp,
}

impl Bench {
    fn runs(&self) -> usize {
        if self.quick { 2 } else { 5 }
    }

    fn measured(&self) -> Duration {
        if self.quick {
            Duration::from_millis(1500)
        } else {
            Duration::from_secs(3)
        }
    }

    /// Whether a figure of these is asked for.
    pub(crate) fn wants(&self, names: &[&str]) -> bool {
        self.only
            .as_ref()
            .is_none_or(|part| names.iter().any(|name| name.contains(part.as_str())))
    }

    /// Whether a module whose figures begin with one of `prefixes` is to run.
    pub(crate) fn wants_module(&self, prefixes: &[&str]) -> bool {
        self.only.as_ref().is_none_or(|part| {
            prefixes
                .iter()
                .any(|prefix| part.starts_with(prefix) || prefix.starts_with(part.as_str()))
        })
    }

    /// Takes the figures.
    pub(crate) async fn run(&self) -> Vec<Figure> {
        let folder = match tempfile::tempdir() {
            Ok(folder) => folder,
            Err(fault) => return self.all_missing(&format!("no temporary folder: {fault}")),
        };
        let started = Cores::take().and_then(|cores| Ok((cores, peer::backend(folder.path(), cores)?)));
        let (cores, backend) = match started {
            Ok(started) => started,
            Err(fault) => return self.all_missing(&fault),
        };
        let nginx = peer::nginx(folder.path(), cores, &backend.address);
        let ours = peer::bartizan(
            folder.path(),
            cores,
            &backend.address,
            &self.binary,
            With::Crossing,
        );
        let mut figures = Vec::new();
        figures.extend(self.idle(&ours));
        for (name, call) in CPU {
            if self.wants(&[name]) {
                let word = name.trim_start_matches("cpu_ratio_nginx_");
                figures.extend(self.cpu((name, word), call, &nginx, &ours).await);
            }
        }
        figures.extend(self.latency(&nginx, &ours).await);
        figures.extend(self.held(&ours).await);
        figures.extend(self.beside_litellm(folder.path(), cores, &backend, &ours).await);
        figures
    }

    fn all_missing(&self, reason: &str) -> Vec<Figure> {
        let names = [
            ("rss_idle_mib", "mib"),
            (CPU[0].0, "ratio"),
            (CPU[1].0, "ratio"),
            ("stream_event_latency_ratio_p50", "ratio"),
            ("rss_2000_streams_mib", "mib"),
            ("throughput_ratio_litellm", "ratio"),
            ("p99_ratio_litellm", "ratio"),
        ];
        names
            .into_iter()
            .map(|(name, unit)| Figure::missing(name, unit, reason))
            .collect()
    }

    fn idle(&self, ours: &Result<Peer, String>) -> Option<Figure> {
        let name = "rss_idle_mib";
        self.wants(&[name]).then(|| {
            std::thread::sleep(Duration::from_secs(1));
            match ours
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|ours| ours.running.rss_mib())
            {
                Ok(mib) => Figure::of(name, mib, "mib", 1),
                Err(fault) => Figure::missing(name, "mib", fault),
            }
        })
    }

    /// CPU per call of both, alternated; the ratio of medians, and both in microseconds. `name`: the ratio's; `word`: the
    /// end of the others'.
    pub(crate) async fn cpu(
        &self,
        (name, word): (&str, &str),
        call: Call,
        nginx: &Result<Peer, String>,
        ours: &Result<Peer, String>,
    ) -> Vec<Figure> {
        let (mut theirs_us, mut ours_us, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut reason = None;
        for _ in 0..self.runs() {
            let theirs = self.cpu_run(call, nginx).await;
            let own = self.cpu_run(call, ours).await;
            theirs_us.extend(theirs.as_ref().ok());
            ours_us.extend(own.as_ref().ok());
            match (&theirs, &own) {
                (Ok(theirs), Ok(own)) => ratios.push(own / theirs),
                (Err(fault), _) => reason = Some(format!("nginx: {fault}")),
                (_, Err(fault)) => reason = Some(format!("bartizan: {fault}")),
            }
        }
        let peer = nginx
            .as_ref()
            .map_or("nginx".to_owned(), |nginx| nginx.name.clone());
        let ratio = match (reason, median(&ours_us), median(&theirs_us)) {
            (None, Some(own), Some(theirs)) => {
                let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
                let high = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                Figure::of(name, own / theirs, "ratio", ratios.len() as u64).spread(low, high)
            }
            (reason, ..) => Figure::missing(name, "ratio", reason.unwrap_or_default()),
        };
        vec![
            ratio.peer(peer),
            Figure::median_of(&format!("cpu_us_nginx_{word}"), "us", &theirs_us),
            Figure::median_of(&format!("cpu_us_{word}"), "us", &ours_us),
        ]
    }

    async fn cpu_run(&self, call: Call, peer: &Result<Peer, String>) -> Result<f64, String> {
        let peer = peer.as_ref().map_err(Clone::clone)?;
        let target = match call {
            Call::Chat => chat(peer, "bench", false),
            Call::Mcp => mcp(peer).await?,
        };
        let mut marks = [Ok(0.0), Ok(0.0)];
        let outcome = load::closed(&target, CONNECTIONS, WARM, self.measured(), |at| {
            marks[at] = peer.running.cpu_seconds();
        })
        .await?;
        let [before, after] = marks;
        if outcome.completed == 0 {
            return Err("no call was completed".to_owned());
        }
        Ok((after? - before?) * 1e6 / outcome.completed as f64)
    }

    /// The median time of an event on its way through both, alternated.
    async fn latency(&self, nginx: &Result<Peer, String>, ours: &Result<Peer, String>) -> Vec<Figure> {
        let name = "stream_event_latency_ratio_p50";
        if !self.wants(&[name]) {
            return Vec::new();
        }
        let (mut theirs_us, mut ours_us, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.runs() {
            let theirs = latency_run(nginx).await;
            let own = latency_run(ours).await;
            match (theirs, own) {
                (Ok(theirs), Ok(own)) => {
                    ratios.push(own / theirs);
                    theirs_us.push(theirs);
                    ours_us.push(own);
                }
                (theirs, own) => {
                    let fault = theirs.err().or(own.err()).unwrap_or_default();
                    return vec![Figure::missing(name, "ratio", fault)];
                }
            }
        }
        let peer = nginx
            .as_ref()
            .map_or("nginx".to_owned(), |nginx| nginx.name.clone());
        vec![
            Figure::median_of(name, "ratio", &ratios).peer(peer),
            Figure::median_of("stream_event_latency_nginx_p50_us", "us", &theirs_us),
            Figure::median_of("stream_event_latency_p50_us", "us", &ours_us),
        ]
    }

    async fn held(&self, ours: &Result<Peer, String>) -> Option<Figure> {
        let name = "rss_2000_streams_mib";
        if !self.wants(&[name]) {
            return None;
        }
        let measured = match ours {
            Err(fault) => Err(fault.clone()),
            Ok(ours) => match stream::hold(&chat(ours, "hold", true), HELD).await {
                Err(fault) => Err(fault),
                Ok(held) => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let mib = ours.running.rss_mib();
                    drop(held);
                    mib
                }
            },
        };
        Some(match measured {
            Ok(mib) => Figure::of(name, mib, "mib", HELD as u64),
            Err(fault) => Figure::missing(name, "mib", fault),
        })
    }

    /// Throughput of both, closed loop; then p99 of both at the highest rate that LiteLLM sustains.
    async fn beside_litellm(
        &self,
        folder: &Path,
        cores: Cores,
        backend: &Peer,
        ours: &Result<Peer, String>,
    ) -> Vec<Figure> {
        let names = ["throughput_ratio_litellm", "p99_ratio_litellm"];
        if !self.wants(&names) {
            return Vec::new();
        }
        match self.litellm_run(folder, cores, backend, ours).await {
            Ok(figures) => figures,
            Err(fault) => names
                .into_iter()
                .map(|name| Figure::missing(name, "ratio", fault.clone()))
                .collect(),
        }
    }

    async fn litellm_run(
        &self,
        folder: &Path,
        cores: Cores,
        backend: &Peer,
        ours: &Result<Peer, String>,
    ) -> Result<Vec<Figure>, String> {
        let ours = ours.as_ref().map_err(Clone::clone)?;
        let theirs = peer::litellm(folder, cores, &backend.address, &self.cache)?;
        let (own_target, their_target) = (chat(ours, "bench", false), chat(&theirs, "bench", false));
        // Python imports and compiles on its first calls; both get the same unmeasured start.
        for target in [&their_target, &own_target] {
            load::closed(target, CONNECTIONS, WARM, self.measured(), |_| {}).await?;
        }
        let (mut own_rates, mut their_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.runs() {
            let their_rate = self
                .rate(&their_target)
                .await
                .map_err(|fault| format!("litellm: {fault}"))?;
            let own_rate = self
                .rate(&own_target)
                .await
                .map_err(|fault| format!("bartizan: {fault}"))?;
            ratios.push(own_rate / their_rate);
            own_rates.push(own_rate);
            their_rates.push(their_rate);
        }
        let ceiling = median(&their_rates).unwrap_or_default();
        let (rate, their_p99, own_p99, n) = self.sustained(ceiling, &their_target, &own_target).await?;
        Ok(vec![
            Figure::median_of("throughput_ratio_litellm", "ratio", &ratios).peer(theirs.name.clone()),
            Figure::median_of("throughput_per_s", "per_s", &own_rates),
            Figure::median_of("throughput_litellm_per_s", "per_s", &their_rates),
            Figure::of("p99_ratio_litellm", own_p99 / their_p99, "ratio", n)
                .peer(format!("{} at {rate:.0} requests/s", theirs.name)),
            Figure::of("p99_us", own_p99, "us", n),
            Figure::of("p99_litellm_us", their_p99, "us", n),
        ])
    }

    async fn rate(&self, target: &Target) -> Result<f64, String> {
        Ok(load::closed(target, CONNECTIONS, WARM, self.measured(), |_| {})
            .await?
            .rate())
    }

    /// Goes down from `ceiling` to a rate that the peer keeps up with; we then answer the same rate.
    async fn sustained(
        &self,
        ceiling: f64,
        theirs: &Target,
        ours: &Target,
    ) -> Result<(f64, f64, f64, u64), String> {
        for share in [0.95, 0.9, 0.8, 0.7, 0.6, 0.5] {
            let rate = ceiling * share;
            let outcome = load::open(theirs, CONNECTIONS * 2, rate, self.measured() * 3).await?;
            if outcome.rate() < rate * 0.98 {
                continue;
            }
            let own = load::open(ours, CONNECTIONS * 2, rate, self.measured() * 3).await?;
            return match (outcome.quantile(0.99), own.quantile(0.99)) {
                (Some(their_p99), Some(own_p99)) if own.rate() >= rate * 0.98 => {
                    Ok((rate, their_p99, own_p99, own.completed))
                }
                _ => Err(format!("we do not sustain {rate:.0} requests/s")),
            };
        }
        Err(format!(
            "LiteLLM sustains not even half of its {ceiling:.0} requests/s"
        ))
    }
}

async fn latency_run(peer: &Result<Peer, String>) -> Result<f64, String> {
    let peer = peer.as_ref().map_err(Clone::clone)?;
    let outcome = stream::ticks(&chat(peer, "ticks", true), STREAMS).await?;
    let due = STREAMS as u64 * u64::from(crate::backend::TICKS);
    if outcome.completed != due {
        return Err(format!(
            "{}: {} of {due} events arrived",
            peer.name, outcome.completed
        ));
    }
    outcome
        .quantile(0.5)
        .filter(|us| *us > 0.0)
        .ok_or_else(|| "no event arrived".to_owned())
}

/// Ordinary prose of so many bytes.
fn filler(bytes: usize) -> String {
    const PROSE: &str = "The parcel left the depot this morning and will arrive on Thursday before noon, as the driver said. ";
    PROSE.chars().cycle().take(bytes).collect()
}

/// A chat call of 1 KiB.
fn chat(peer: &Peer, model: &str, streamed: bool) -> Target {
    let body = |padding: usize| {
        json!({
            "model": model,
            "stream": streamed,
            "messages": [
                { "role": "system", "content": "You are a careful assistant." },
                { "role": "user", "content": filler(padding) },
            ],
        })
        .to_string()
    };
    let body = body(1024 - body(0).len());
    let headers: Vec<(&str, &str)> = peer
        .authorization
        .iter()
        .map(|value| ("authorization", value.as_str()))
        .collect();
    Target::post(&peer.address, "/v1/chat/completions", &headers, body.as_bytes())
}

/// Opens an MCP conversation, lists its tools, and returns the call that is then repeated.
async fn mcp(peer: &Peer) -> Result<Target, String> {
    let accept = ("accept", "application/json, text/event-stream");
    let mut headers = vec![accept];
    headers.extend(
        peer.authorization
            .iter()
            .map(|value| ("authorization", value.as_str())),
    );
    let post = |headers: &[(&str, &str)], body: &serde_json::Value| {
        Target::post(&peer.address, "/mcp", headers, body.to_string().as_bytes())
    };
    let mut connection = Connection::open(&peer.address).await?;
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "bench", "version": "1" },
        },
    });
    let answer = connection.exchange(&post(&headers, &hello).request).await?;
    let session = answer.header("mcp-session-id").map(str::to_owned);
    headers.push(("mcp-protocol-version", "2025-11-25"));
    headers.extend(session.iter().map(|id| ("mcp-session-id", id.as_str())));
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    connection.send(&post(&headers, &ready).request).await?;
    let accepted = connection.answer().await?;
    if accepted.status != 202 {
        return Err(format!(
            "`notifications/initialized` was answered with {}",
            accepted.status
        ));
    }
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let tools = connection.exchange(&post(&headers, &list).request).await?;
    if !String::from_utf8_lossy(&tools.body).contains("\"track_parcel\"") {
        return Err("the tool is not listed".to_owned());
    }
    let call = json!({
        "jsonrpc": "2.0", "id": load::FIRST_ID, "method": "tools/call",
        "params": {
            "name": "track_parcel",
            "arguments": { "number": "PX-2026-0042-7719", "carrier": "north", "history": true },
        },
    });
    let target = post(&headers, &call);
    // A call that is refused in JSON-RPC's own way is a 200 too.
    let tried = connection.exchange(&target.request).await?;
    let text = String::from_utf8_lossy(&tried.body);
    if text.contains("in transit") {
        Ok(target)
    } else {
        Err(format!("the call is answered with {text}"))
    }
}
