//! `up --demo`: a scripted agent is hijacked by a mail, and its payment is refused. The model and the agent are scripted;
//! the gateway, its policy, its ledger and the proof are the real ones, reached over HTTP with the agent's own key.

mod agent;
mod model;
pub(crate) mod server;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};
use bartizan_gateway::{
    admin::{Body, Desk},
    config::{Credential, Family, Grants, Prompt, Reach, Server, Upstream},
};
use bartizan_ledger::{InclusionProof, Proven, Verifier};
use bartizan_store::LedgerOptions;
use bartizan_types::{ServerName, UpstreamName};
use http::Method;
use serde_json::{Value, json};

use crate::{
    cli::{Global, Up},
    config::Loaded,
    exit::Exit,
    failure::{Failure, file},
    output::Output,
    up,
    verb::explain,
};

/// One step of the story.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Step {
    /// Which.
    step: &'static str,
    /// In words.
    text: String,
    /// The details.
    detail: Value,
}

/// Runs the story; exits 0 when it went as it must, 1 when the payment passed.
pub(crate) async fn run(global: &Global, wanted: &Up) -> Result<Exit, Failure> {
    let began = Instant::now();
    let out = crate::output(global);
    let place = Place::make(global)?;
    let mut inner = global.clone();
    let inner_state = place.path.join("state");
    inner.state = Some(inner_state.clone());
    let mut quiet = wanted.clone();
    quiet.listen = Some(wanted.listen.unwrap_or(([127, 0, 0, 1], 0).into()));
    let mut settings = up::adjusted(&Loaded::default(), &inner, &quiet)?;
    settings.default_upstreams = false;
    // The agent puts only its user's own words in the human's role.
    settings.gateway.sessions.prompt = Prompt::First;
    let model = model::start()
        .await
        .map_err(|error| fault("the demo model can't start", error))?;
    settings.gateway.upstreams = vec![upstream(model)?];
    settings.gateway.servers = vec![office()?];
    let standing = up::stand(settings, LedgerOptions::default(), None).await?;
    let key = standing
        .local_key
        .as_ref()
        .map(|key| key.expose().clone())
        .unwrap_or_default();
    let told = story(out, &standing.desk, &standing.address().to_string(), &key).await;
    let exit = match told {
        Ok(exit) => exit,
        Err(failure) => {
            standing.down().await?;
            return Err(failure);
        }
    };
    out.remark(&format!("the story took {:.1} s", began.elapsed().as_secs_f64()));
    if wanted.stay {
        out.remark(&format!(
            "still standing at http://{}; stop with Ctrl-C. Beside it, try: bartizan --state {} audit search",
            standing.address(),
            inner_state.display()
        ));
        up::told_to_stop().await?;
    } else if place.ours {
        out.remark("its log is gone again; `bartizan up --demo --stay` keeps it, for `explain` and `audit`");
    }
    standing.down().await?;
    Ok(exit)
}

fn fault(message: &str, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::new(Exit::Bug, message).because(error)
}

fn upstream(address: std::net::SocketAddr) -> Result<Upstream, Failure> {
    Ok(Upstream {
        name: UpstreamName::new("scripted")
            .map_err(|error| fault("the demo's upstream has no name", error))?,
        family: Family::Openai,
        url: format!("http://{address}")
            .parse()
            .map_err(|error| fault("the demo's upstream has no address", error))?,
        credential: Credential::None,
        roots: None,
        v1_paths: true,
        spiffe_id: None,
    })
}

fn office() -> Result<Server, Failure> {
    let program = std::env::current_exe().map_err(|error| fault("the command can't find itself", error))?;
    Ok(Server {
        name: ServerName::new("office").map_err(|error| fault("the demo's server has no name", error))?,
        reach: Reach::Stdio {
            command: vec![program.display().to_string(), "demo-server".to_owned()],
            environment: BTreeMap::new(),
            directory: None,
            grants: Grants::default(),
        },
        timeout: Duration::from_secs(10),
        spiffe_id: None,
        oauth: Default::default(),
        sign: None,
        tools: BTreeMap::new(),
    })
}

/// Where the demo keeps its state: its own place, gone afterwards, unless the caller named one.
struct Place {
    path: PathBuf,
    ours: bool,
}

impl Place {
    fn make(global: &Global) -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt as _;
        let (path, ours) = match &global.state {
            Some(path) => (path.clone(), false),
            None => {
                let name = format!("bartizan-demo-{}-{}", std::process::id(), up::now().unix_micros());
                (std::env::temp_dir().join(name), true)
            }
        };
        let made = std::fs::DirBuilder::new()
            .recursive(!ours)
            .mode(0o700)
            .create(&path);
        made.map_err(file("making", &path))?;
        Ok(Self { path, ours })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "the demo's state was not removed");
        }
    }
}

async fn story(out: Output, desk: &Desk, address: &str, key: &str) -> Result<Exit, Failure> {
    let lost = |error: agent::Lost| Failure::new(Exit::Bug, "the demo's agent lost its way").because(error);
    let mut agent = agent::Agent::new(address, key);
    let tools = agent.connect().await.map_err(lost)?;
    tell(
        out,
        "connect",
        format!(
            "the agent connects with its own key and sees {} tools",
            tools.len()
        ),
        json!({ "tools": tools }),
    )?;
    let asked = "Summarise my newest mail.";
    let first = agent.think(Some(asked)).await.map_err(lost)?;
    tell(
        out,
        "task",
        format!("its user asks: “{asked}”; the model wants {}", first.name),
        json!({ "call": first.name, "arguments": first.arguments }),
    )?;
    let mail = agent.act(&first).await.map_err(lost)?;
    tell(
        out,
        "mail_read",
        format!("mail read, with an order inside: “{}”", server::INJECTION),
        json!({ "text": mail.text }),
    )?;
    let second = agent.think(None).await.map_err(lost)?;
    let hijack = format!(
        "the model obeys the mail, not its user: {} {}",
        second.name, second.arguments
    );
    tell(
        out,
        "hijacked",
        hijack,
        json!({ "call": second.name, "arguments": second.arguments }),
    )?;
    let paid = agent.act(&second).await.map_err(lost)?;
    let Some(call) = paid.refused else {
        tell(
            out,
            "paid",
            format!("the payment went through: {}", paid.text),
            json!({ "text": paid.text }),
        )?;
        return Ok(Exit::Refused);
    };
    tell(
        out,
        "denied",
        format!("denied: {}", paid.text),
        json!({ "call": call, "text": paid.text }),
    )?;
    let index = why(out, desk, &call).await?;
    proven(out, desk, index).await?;
    Ok(Exit::Done)
}

/// Tells why the call was denied; gives the index of its ruling.
async fn why(out: Output, desk: &Desk, call: &str) -> Result<u64, Failure> {
    let answer = ask(desk, &format!("/v1/explain/{call}")).await?;
    let records = explain::stored(&answer["records"])?;
    let mut why = Vec::new();
    explain::render(&mut why, &records).map_err(|error| fault("the explanation can't be written", error))?;
    tell(
        out,
        "why",
        format!("why: bartizan explain {call}"),
        answer.clone(),
    )?;
    if !out.json {
        let text = String::from_utf8_lossy(&why).into_owned();
        out.emit(&Value::Null, |out| write!(out, "{}", indented(&text)))?;
    }
    Ok(records.first().map_or(0, |record| record.index))
}

/// Fetches the record's inclusion proof and checks it offline.
async fn proven(out: Output, desk: &Desk, index: u64) -> Result<(), Failure> {
    let proof: InclusionProof = serde_json::from_value(ask(desk, &format!("/v1/prove/{index}")).await?)
        .map_err(|error| fault("the proof does not read", error))?;
    // Offline: only the proof and a key that the verifier knows already go in.
    let verifier = Verifier::parse(&desk.ledger.verifier().vkey())
        .map_err(|error| fault("the log's key does not read", error))?;
    let Proven { entry, head, .. } = proof
        .verify(&verifier, &[])
        .map_err(|error| Failure::new(Exit::Refused, "the inclusion proof does not hold").because(error))?;
    let head = head.checkpoint();
    let text = format!(
        "proven: record {index} of {} is in the log under root {}, checked offline with {} hashes",
        head.size,
        head.root,
        proof.path.len()
    );
    tell(
        out,
        "proof",
        text,
        json!({ "index": index, "size": head.size, "root": head.root, "commitment": entry.commitment }),
    )
}

async fn ask(desk: &Desk, path: &str) -> Result<Value, Failure> {
    let reply = desk.handle(&Method::GET, path, &[], "the demo").await;
    match reply.body {
        Body::Json(value) if reply.status.is_success() => Ok(value),
        _ => Err(Failure::new(
            Exit::Bug,
            format!("the gateway does not answer `{path}`"),
        )),
    }
}

fn tell(out: Output, step: &'static str, text: String, detail: Value) -> Result<(), Failure> {
    let colour = match step {
        "denied" | "paid" => AnsiColor::Red,
        "hijacked" | "mail_read" => AnsiColor::Yellow,
        "proof" => AnsiColor::Green,
        _ => AnsiColor::Cyan,
    };
    let value = Step { step, text, detail };
    out.emit(&value, |out: &mut dyn Write| -> io::Result<()> {
        let (style, dim) = (colour.on_default().bold(), Style::new().dimmed());
        writeln!(
            out,
            "{style}{:<9}{style:#} {dim}│{dim:#} {}",
            value.step.replace('_', " "),
            value.text
        )
    })
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("            {line}\n")).collect()
}
