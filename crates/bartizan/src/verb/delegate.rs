//! `agent delegate`: begins a chain through the gateway's state, or adds a narrower link offline, with nothing but the
//! delegation itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::Path,
};

use bartizan_identity::{DelegationKey, narrow, seal};
use bartizan_types::{Bounds, Meter, Secret, SessionId};
use http::Method;
use serde_json::json;

use crate::{
    cli::{Global, identity::Delegate},
    client::encode,
    exit::Exit,
    failure::{Failure, file},
    link::{Absent, Link},
    output::Output,
};

/// Longest delegation read, in bytes.
const BYTES_MAX: u64 = 64 << 10;
const MINUTE_MICROS: u64 = 60 * 1_000_000;

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, delegate: &Delegate) -> Result<Exit, Failure> {
    let bounds = bounds(delegate)?;
    let whole = match &delegate.from {
        Some(path) => offline(path, delegate, bounds)?,
        None => {
            let agent = delegate.agent.as_deref().unwrap_or_default();
            let link = Link::connect(global, Absent::Fail)?;
            let body = json!({ "to": delegate.to, "bounds": bounds, "minutes": delegate.minutes });
            let path = format!("/v1/agents/{}/delegate", encode(agent));
            let answer = link
                .ask(&Method::POST, &path, body.to_string().into_bytes())
                .await?;
            link.close().await?;
            answer["delegation"].as_str().unwrap_or_default().to_owned()
        }
    };
    let text = if delegate.sealed {
        seal(&whole).map_err(unfit)?.expose().clone()
    } else {
        whole
    };
    let answer = json!({ "delegation": text, "to": delegate.to, "sealed": delegate.sealed });
    out.emit(&answer, |out| writeln!(out, "{text}"))?;
    Ok(Exit::Done)
}

fn offline(path: &Path, delegate: &Delegate, mut bounds: Bounds) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(file("reading", path))?;
    if let Some(minutes) = delegate.minutes {
        bounds.until = Some(crate::up::now().plus_micros(minutes.saturating_mul(MINUTE_MICROS)));
    }
    let mut seed = [0_u8; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut seed))
        .map_err(|error| Failure::new(Exit::Bug, "the system gives no random bytes").because(error))?;
    let next = DelegationKey::new(Secret::new(seed)).map_err(unfit)?;
    let narrowed = narrow(text.trim(), &delegate.to, bounds, &next).map_err(unfit)?;
    Ok(narrowed.expose().clone())
}

fn unfit(fault: bartizan_identity::DelegationFault) -> Failure {
    Failure::new(Exit::Usage, fault.to_string())
}

fn bounds(delegate: &Delegate) -> Result<Bounds, Failure> {
    let mut arguments: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for argument in &delegate.arguments {
        let (path, value) = argument
            .split_once('=')
            .ok_or_else(|| Failure::new(Exit::Usage, format!("`{argument}` is not `PATH=VALUE`")))?;
        arguments
            .entry(path.to_owned())
            .or_default()
            .insert(value.to_owned());
    }
    for on in &delegate.on {
        if !on.contains("::") {
            return Err(
                Failure::new(Exit::Usage, format!("`{on}` names no kind of resource"))
                    .hint("`Tool::SERVER/TOOL`, `Model::UPSTREAM/MODEL`, `AgentTool::NAME`"),
            );
        }
    }
    let session = delegate
        .session
        .as_ref()
        .map(|id| id.parse::<SessionId>())
        .transpose()
        .map_err(|fault| Failure::new(Exit::Usage, "the session's id can't be read").because(fault))?;
    Ok(Bounds {
        on: (!delegate.on.is_empty()).then(|| delegate.on.iter().cloned().collect()),
        arguments,
        until: None,
        session,
        budget: budget(&delegate.budget)?,
    })
}

fn budget(said: &[String]) -> Result<BTreeMap<Meter, u64>, Failure> {
    let one = |text: &String| {
        let (word, amount) = text.split_once('=')?;
        let meter = Meter::ALL.into_iter().find(|meter| meter.as_str() == word)?;
        Some((meter, amount.parse().ok()?))
    };
    let read = |text: &String| {
        one(text).ok_or_else(|| {
            let words = Meter::ALL.map(Meter::as_str).join(", ");
            Failure::new(Exit::Usage, format!("`{text}` is not `METER=AMOUNT`"))
                .hint(format!("meters: {words}"))
        })
    };
    said.iter().map(read).collect()
}
