//! How things stand: the gateway, the log, the policy, alarms; and metrics.

use bartizan_store::LedgerStats;
use bartizan_types::ServerName;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Body, Desk, Live, No, Reply};
use crate::{
    Resting, ServerStatus, Shared,
    telemetry::{prometheus, ruling_word},
    unwritten,
};

/// Nothing is lost then, and nothing can be looked up.
const PAUSED: &str = "there is no room for what search and proofs need: `audit search`, `explain` and `audit prove` pause until there \
    is; records are still written and signed";

/// MCP servers, how each is reached, and how it fares.
fn servers(shared: &Shared) -> Value {
    let one = |server: ServerStatus| {
        let failure = server
            .last_failure
            .map(|(time, what)| json!({ "time": time, "what": what }));
        json!({
            "name": server.name, "reach": server.reach, "conversations": server.conversations,
            "last_failure": failure, "stderr": server.stderr, "unread": server.unread,
            "pins": pins(shared, &server.name),
            "resting": server.resting.iter().map(resting).collect::<Vec<_>>(),
        })
    };
    shared.servers().into_iter().map(one).collect()
}

impl Desk {
    pub(super) fn status(&self) -> Answer {
        let ledger = self.ledger.stats();
        let log = json!({
            "records": ledger.size, "disk_bytes": ledger.disk_bytes, "queued": ledger.queued,
            "commits": ledger.commits, "full": ledger.full, "poisoned": ledger.poisoned,
            "paused": ledger.paused,
            "root": self.ledger.checkpoint().checkpoint().root, "vkey": self.ledger.verifier().vkey(),
        });
        let mut status = json!({
            "running": self.live.is_some(),
            "version": env!("CARGO_PKG_VERSION"),
            "state": self.dir.path(),
            "free_bytes": self.dir.free_bytes()?,
            "ledger": log,
            "unwritable": self.state.trouble().map(|trouble| json!({ "since": trouble.since, "why": trouble.why })),
        });
        if let Some(live) = &self.live {
            let shared = &live.shared;
            let policy = shared.policy.load();
            let upstreams: Vec<_> = shared
                .upstreams()
                .into_iter()
                .map(|upstream| {
                    let failure = upstream
                        .last_failure
                        .map(|(time, what)| json!({ "time": time, "what": what }));
                    json!({ "name": upstream.name, "url": upstream.url, "last_failure": failure })
                })
                .collect();
            let mut rulings = json!({ "allow": 0, "ask": 0, "deny": 0 });
            for (_, ruling, _, count) in shared.meters.calls() {
                let word = ruling_word(ruling);
                rulings[word] = json!(rulings[word].as_u64().unwrap_or(0).saturating_add(count));
            }
            status["svid"] = svid(shared);
            status["listen"] = json!(shared.address().to_string());
            status["pid"] = json!(std::process::id());
            status["started"] = json!(live.started);
            status["draining"] = json!(shared.is_draining());
            status["sessions"] = json!(shared.sessions());
            status["calls"] = rulings;
            status["policy"] = json!({
                "digest": policy.digest(), "observes": policy.observes(), "policies": policy.statements().len(),
            });
            status["upstreams"] = json!(upstreams);
            status["servers"] = servers(shared);
            let peers = shared.peers().into_iter().map(|peer| {
                let failure = peer
                    .last_failure
                    .map(|(time, what)| json!({ "time": time, "what": what }));
                json!({
                    "name": peer.name, "url": peer.url, "card": peer.card, "pin": peer.pin, "last_failure": failure,
                })
            });
            status["peers"] = json!(peers.collect::<Vec<_>>());
            status["alarms"] = json!(alarms(live, &ledger));
            status["unwritten"] = json!(unwritten::count(shared));
        }
        Ok(status)
    }

    pub(super) fn policy(&self) -> Answer {
        let Some(live) = &self.live else {
            return Err(No::new(
                StatusCode::CONFLICT,
                "not_running",
                "no gateway runs on this state",
            ));
        };
        let policy = live.shared.policy.load();
        let policies: Vec<_> = policy
            .statements()
            .iter()
            .map(|one| {
                json!({ "id": one.id, "effect": one.effect, "reason": one.reason, "file": one.file, "compiled": one.compiled })
            })
            .collect();
        Ok(json!({ "digest": policy.digest(), "observes": policy.observes(), "policies": policies }))
    }

    pub(super) fn metrics(&self) -> Reply {
        match &self.live {
            Some(live) => {
                let shared = &live.shared;
                let text =
                    prometheus::render(&shared.meters, &self.ledger.stats(), live.projection.as_deref())
                        + &prometheus::budgets(&shared.budgets, &shared.revoked)
                        + &prometheus::state(shared.state.trouble().is_none(), unwritten::count(shared))
                        + &shared.inspector.as_ref().map_or_else(String::new, |inspector| {
                            prometheus::inspected(inspector.inspected())
                        });
                Reply {
                    status: StatusCode::OK,
                    body: Body::Text(prometheus::CONTENT_TYPE, text),
                }
            }
            None => No::new(
                StatusCode::CONFLICT,
                "not_running",
                "no gateway runs on this state",
            )
            .reply(),
        }
    }
}

/// For whom a server rests (`null`: for everybody), how often it failed in a row, and for how many seconds more.
fn resting(one: &Resting) -> Value {
    json!({ "whom": one.whom, "failures": one.failures, "seconds": one.seconds })
}

/// What of a server waits for the operator's eye: how many definitions differ from their pins, how many appeared after
/// the first listing, how many can't be used.
fn pins(shared: &Shared, server: &ServerName) -> Value {
    let Ok(pins) = shared.pins(server) else {
        return Value::Null;
    };
    let changed = pins.pins.values().filter(|pin| pin.waiting.is_some());
    let new = pins
        .pins
        .values()
        .filter(|pin| pin.is_new() && pin.waiting.is_none());
    json!({ "changed": changed.count(), "new": new.count(), "unusable": shared.unusable(server).len() })
}

/// What the operator should know.
fn alarms(live: &Live, ledger: &LedgerStats) -> Vec<String> {
    let told = live.alarms.lock();
    let mut alarms = told.unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    alarms.extend(live.shared.manifests().alarms());
    let workload = live.shared.workload.as_ref();
    alarms.extend(workload.and_then(|workload| workload.alarm()));
    alarms.extend(ledger.paused.then(|| PAUSED.to_owned()));
    alarms.extend(unwritten::alarm(&live.shared));
    alarms
}

/// The SVID that a Workload API gave, if one did.
fn svid(shared: &Shared) -> Value {
    let svid = shared.workload.as_ref().and_then(|workload| workload.svid());
    svid.map_or(Value::Null, |(id, until)| json!({ "id": id, "until": until }))
}
