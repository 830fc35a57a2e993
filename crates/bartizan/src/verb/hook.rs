//! `hook run|install|doctor`: the hooks of coding agents.
//!
//! `run` answers one event. INVARIANT: whatever goes wrong, what the agent was about to do is refused and never let
//! through: agents take a hook that fails in a way of its own for one without an opinion.

mod doctor;
mod install;

use std::{
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use bartizan_types::Code;
use bartizan_wire::{
    hook::{self, AgentKind, Happening, HookAnswer, HookEvent, Printed},
    json,
};
use bytes::Bytes;
use http::Method;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::{
    cli::{Global, Hook, HookAgent, HookReach, HookRun},
    client,
    exit::Exit,
    failure::Failure,
    output::Output,
};

/// Longest event, in bytes.
const EVENT_BYTES_MAX: u64 = 32 << 20;

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, hook: &Hook) -> Result<Exit, Failure> {
    match hook {
        Hook::Run(run) => Ok(answer(out, run).await),
        Hook::Install(install) => install::run(global, out, install).await,
        Hook::Doctor(reach) => doctor::run(out, reach).await,
    }
}

const fn kind(agent: HookAgent) -> AgentKind {
    match agent {
        HookAgent::Claude => AgentKind::Claude,
        HookAgent::Cursor => AgentKind::Cursor,
        HookAgent::Gemini => AgentKind::Gemini,
        HookAgent::Codex => AgentKind::Codex,
    }
}

/// Answers one event. A panic ends the process with the status by which every agent blocks.
async fn answer(out: Output, run: &HookRun) -> Exit {
    std::panic::set_hook(Box::new(|_| std::process::exit(i32::from(Exit::Usage.number()))));
    let time = Duration::from_millis(run.timeout_ms);
    let asked = tokio::time::timeout(time, asked(run, time)).await;
    let printed = asked.unwrap_or_else(|_| {
        hook::unreadable("bartizan: the agent did not finish writing its event in time, so this is refused")
    });
    // An agent that reads nothing sees the status alone; 0 without an answer would be a yes.
    let written = out.raw(printed.stdout.as_bytes());
    if !printed.stderr.is_empty() {
        out.remark(printed.stderr.trim_end());
    }
    match (written, printed.status) {
        (Ok(()), 0) => Exit::Done,
        // Status 2 is what every agent takes for a refusal.
        _ => Exit::Usage,
    }
}

async fn asked(run: &HookRun, time: Duration) -> Printed {
    let kind = kind(run.agent_kind);
    let event = match event(kind).await {
        Ok(event) => event,
        Err(why) => return hook::unreadable(&format!("bartizan: {why}, so this is refused")),
    };
    if event.event == Happening::Other {
        return hook::encode(&event, &HookAnswer::Nothing);
    }
    // Less than the whole time, so that a refusal can still be said in the agent's own words.
    let patience = time.mul_f32(0.9);
    let answer = match tokio::time::timeout(patience, ask(&run.reach, &event)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => refused(&why),
        Err(_) => refused("the gateway gave no answer in time"),
    };
    hook::encode(&event, &answer)
}

fn refused(why: &str) -> HookAnswer {
    HookAnswer::Deny(format!(
        "Bartizan could not rule on this: {why}. It is refused; `bartizan hook doctor` tells more."
    ))
}

/// The event on standard input, with what the agent tells hooks by their environment.
async fn event(kind: AgentKind) -> Result<HookEvent, &'static str> {
    let mut bytes = Vec::new();
    tokio::io::stdin()
        .take(EVENT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(|_| "the event can't be read")?;
    let scanned = json::scan(&bytes, &json::Bounds::default()).map_err(|_| "the event is no sound JSON")?;
    let mut event = hook::decode(kind, scanned).map_err(|fault| match fault.code {
        Code::JsonDigits => {
            "`wire.json_digits`: a number in the call has more digits than can be held; write it as text"
        }
        _ => "the event is not one that is known",
    })?;
    let name = match kind {
        AgentKind::Claude => "CLAUDE_PROJECT_DIR",
        AgentKind::Gemini => "GEMINI_PROJECT_DIR",
        AgentKind::Cursor => "CURSOR_PROJECT_DIR",
        AgentKind::Codex => "CODEX_PROJECT_DIR",
    };
    event.root = event
        .root
        .or_else(|| std::env::var(name).ok().filter(|root| !root.is_empty()));
    Ok(event)
}

/// Asks the gateway.
///
/// # Errors
/// Why there is no answer, in words that hold nothing of the event.
async fn ask(reach: &HookReach, event: &HookEvent) -> Result<HookAnswer, String> {
    if !reach.gateway.ip().is_loopback() {
        return Err("hooks reach a gateway on this machine only".to_owned());
    }
    let key = read_key(&key_file(reach)?)?;
    let body = serde_json::to_vec(event).map_err(|_| "the event can't be written".to_owned())?;
    post(reach.gateway, &key, body).await
}

async fn post(gateway: SocketAddr, key: &str, body: Vec<u8>) -> Result<HookAnswer, String> {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let request = client::request(
        &Method::POST,
        "/v1/hook",
        &gateway.to_string(),
        &headers,
        Bytes::from(body),
    )
    .map_err(|fault| fault.to_string())?;
    let stream = TcpStream::connect(gateway)
        .await
        .map_err(|_| format!("no gateway answers at {gateway}"))?;
    let (status, _, bytes) = client::ask(stream, request)
        .await
        .map_err(|fault| fault.to_string())?;
    if !status.is_success() {
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let code = value["error"]["code"].as_str().unwrap_or("no code");
        return Err(format!(
            "the gateway refused to be asked ({} {code})",
            status.as_u16()
        ));
    }
    serde_json::from_slice(&bytes).map_err(|_| "the gateway's answer is not understood".to_owned())
}

/// Where the key is.
fn key_file(reach: &HookReach) -> Result<PathBuf, String> {
    if let Some(path) = &reach.key_file {
        return Ok(path.clone());
    }
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .map(|config| config.join("bartizan").join("hook.key"))
        .ok_or_else(|| "there is no home to look for the key in".to_owned())
}

/// Reads the key. A file that others may read or change is refused.
fn read_key(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let about = std::fs::metadata(path).map_err(|fault| match fault.kind() {
        std::io::ErrorKind::NotFound => {
            format!("there is no key file `{shown}`; `bartizan hook install` makes it")
        }
        _ => format!("the key file `{shown}` can't be read"),
    })?;
    if about.mode() & 0o077 != 0 || about.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("the key file `{shown}` is not its owner's alone"));
    }
    let text = std::fs::read_to_string(path).map_err(|_| format!("the key file `{shown}` can't be read"))?;
    let key = text.trim();
    let sound = !key.is_empty() && key.len() <= 512 && key.bytes().all(|byte| byte.is_ascii_graphic());
    if sound {
        Ok(key.to_owned())
    } else {
        Err(format!("the key file `{shown}` holds no key"))
    }
}
