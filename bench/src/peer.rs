//! What stands between load and backend: nginx, Bartizan, LiteLLM, each alone on the measured core.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::process::{Cores, Running, free_port};
use crate::{policies, token};

/// The lock that pins LiteLLM and what it needs.
const LITELLM_LOCK: &str = "e2e/python/requirements-bench.lock";
/// The installer, as pinned as what it installs.
const PIP: &str = "pip==26.3";
const START: Duration = Duration::from_secs(20);
const START_PYTHON: Duration = Duration::from_secs(120);

/// Budgets of every meter, none of which a run comes near.
const BUDGETS: &str = r#"
[[budget]]
name = "calls"
meter = "calls"
limit = 1000000000000
window = "day"
per = ["agent"]

[[budget]]
name = "burst"
meter = "calls"
limit = 1000000000000
window = "bucket"
window_seconds = 60
per = ["agent", "model"]

[[budget]]
name = "tokens"
meter = "tokens"
limit = 1000000000000
window = "hour"
per = ["user"]

[[budget]]
name = "money"
meter = "micro_usd"
limit = 1000000000000
window = "month"
per = ["tenant"]

[[budget]]
name = "at-once"
meter = "concurrent"
limit = 100000
per = ["agent"]

[[price]]
model = "*"
input_micro_usd_per_million_tokens = 1000000
output_micro_usd_per_million_tokens = 5000000
max_input_tokens = 200000
max_output_tokens = 4096
"#;

/// A started peer.
pub(crate) struct Peer {
    /// Its process.
    pub(crate) running: Running,
    /// Where it listens.
    pub(crate) address: String,
    /// The credential it wants, as a header's value.
    pub(crate) authorization: Option<String>,
    /// Its name and version, as figures cite it.
    pub(crate) name: String,
}

/// Starts the backend, as a process of its own beside the load.
pub(crate) fn backend(folder: &Path, cores: Cores) -> Result<Peer, String> {
    let port = free_port()?;
    let address = format!("127.0.0.1:{port}");
    let program = std::env::current_exe().map_err(|fault| format!("our own path: {fault}"))?;
    let mut command = Command::new(program);
    command.arg("backend").arg(port.to_string()).stdout(Stdio::null());
    let mut running = Running::start(&mut command, cores.rest, cores.rest, folder.join("backend.log"))?;
    running
        .listening(&address, START)
        .map_err(|fault| format!("backend {fault}"))?;
    Ok(Peer {
        running,
        address,
        authorization: None,
        name: "backend".to_owned(),
    })
}

/// Starts nginx as a plain reverse proxy: one worker, no buffering, kept-alive upstream, no access log.
pub(crate) fn nginx(folder: &Path, cores: Cores, backend: &str) -> Result<Peer, String> {
    let port = free_port()?;
    let address = format!("127.0.0.1:{port}");
    let file = folder.join("nginx.conf");
    std::fs::write(&file, nginx_config(folder, port, backend))
        .map_err(|fault| format!("nginx.conf: {fault}"))?;
    let version = Command::new("nginx")
        .arg("-v")
        .output()
        .map_err(|fault| format!("nginx: {fault}"))?;
    let version = String::from_utf8_lossy(&version.stderr)
        .trim()
        .rsplit('/')
        .next()
        .unwrap_or("?")
        .to_owned();
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::null());
    let mut running = Running::start(&mut command, cores.measured, cores.rest, folder.join("nginx.log"))?;
    running
        .listening(&address, START)
        .map_err(|fault| format!("nginx {fault}"))?;
    Ok(Peer {
        running,
        address,
        authorization: None,
        name: format!("nginx {version}, one worker, buffering off"),
    })
}

fn nginx_config(folder: &Path, port: u16, backend: &str) -> String {
    let folder = folder.display();
    format!(
        "daemon off;\nuser root;\nworker_processes 1;\nworker_rlimit_nofile 65536;\npid {folder}/nginx.pid;\n\
         error_log {folder}/nginx-error.log warn;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  keepalive_timeout 3600s;\n\
           client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n\
           fastcgi_temp_path {folder}/f;\n  uwsgi_temp_path {folder}/u;\n  scgi_temp_path {folder}/s;\n\
           upstream backend {{ server {backend}; keepalive 256; keepalive_requests 1000000000; }}\n\
           server {{\n    listen 127.0.0.1:{port};\n    location / {{\n      proxy_pass http://backend;\n\
               proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_buffering off;\n\
               proxy_read_timeout 600s;\n    }}\n  }}\n}}\n"
    )
}

/// What is on beside JWT, 100 policies, schema check, information flow and durable ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    /// Nothing more.
    Crossing,
    /// A chain of four acting agents, and budgets of every kind that a chat call draws on.
    Budgets,
    /// Inspection of content.
    Inspection,
}

/// Starts Bartizan with everything on that `with` says.
pub(crate) fn bartizan(
    folder: &Path,
    cores: Cores,
    backend: &str,
    binary: &Path,
    with: With,
) -> Result<Peer, String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let chain: &[&str] = if with == With::Budgets {
        &["planner", "worker", "helper", "leaf"]
    } else {
        &[]
    };
    let issued = token::issue(now, chain)?;
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).map_err(|fault| format!("{name}: {fault}"))
    };
    write("keys.json", &issued.key_set)?;
    write("bench.cedar", &policies::text())?;
    write("bartizan.toml", &bartizan_config(folder, backend, with))?;
    let mut command = Command::new(binary);
    command
        .arg("up")
        .arg("--config")
        .arg(folder.join("bartizan.toml"));
    command
        .arg("--state")
        .arg(folder.join("state"))
        .args(["--listen", "127.0.0.1:0", "--json"]);
    command.env_remove("OPENAI_API_KEY").stdout(Stdio::piped());
    let mut running = Running::start(
        &mut command,
        cores.measured,
        cores.rest,
        folder.join("bartizan.log"),
    )?;
    let line = running.first_line()?;
    let told: Value = serde_json::from_str(&line)
        .map_err(|_| format!("`bartizan up --json` printed no JSON: {}", running.said()))?;
    let address = told["listen"].as_str().unwrap_or_default();
    let address = address
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    running
        .listening(&address, START)
        .map_err(|fault| format!("bartizan {fault}"))?;
    Ok(Peer {
        running,
        address,
        authorization: Some(format!("Bearer {}", issued.token)),
        name: "bartizan".to_owned(),
    })
}

/// Inspection of content is off where it is not asked for: its cost depends on the content and is a figure of its own.
fn bartizan_config(folder: &Path, backend: &str, with: With) -> String {
    let folder = folder.display();
    let inspects = with == With::Inspection;
    let budgets = if with == With::Budgets { BUDGETS } else { "" };
    format!(
        "[policy]\npack = \"balanced\"\nfiles = [\"{folder}/bench.cedar\"]\n\n\
         [inspect]\nenabled = {inspects}\n\n\
         [[upstream]]\nname = \"bench\"\napi = \"openai\"\ncredential = \"none\"\nurl = \"http://{backend}\"\n\n\
         [[server]]\nname = \"parcels\"\ntransport = \"streamable_http\"\nurl = \"http://{backend}/mcp\"\n\n\
         [[jwt]]\nissuer = \"{}\"\naudience = [\"{}\"]\njwks = \"{folder}/keys.json\"\n\
         algorithms = [\"ES256\"]\nagent_claim = \"{}\"\n{budgets}",
        token::ISSUER,
        token::AUDIENCE,
        token::AGENT_CLAIM,
    )
}

/// Starts LiteLLM's proxy with one worker, from a pinned environment under `cache`, installed on first use.
pub(crate) fn litellm(folder: &Path, cores: Cores, backend: &str, cache: &Path) -> Result<Peer, String> {
    let environment = cache.join("litellm");
    install(&environment, LITELLM_LOCK)?;
    let port = free_port()?;
    let address = format!("127.0.0.1:{port}");
    let config = json!({
        "model_list": [{
            "model_name": "bench",
            "litellm_params": {
                "model": "openai/bench", "api_base": format!("http://{backend}/v1"), "api_key": "none",
            },
        }],
        "litellm_settings": { "telemetry": false },
    });
    // JSON is YAML.
    let file = folder.join("litellm.yaml");
    std::fs::write(&file, config.to_string()).map_err(|fault| format!("litellm.yaml: {fault}"))?;
    let mut command = Command::new(environment.join("bin").join("litellm"));
    command
        .arg("--config")
        .arg(&file)
        .args(["--host", "127.0.0.1", "--num_workers", "1", "--port"]);
    command
        .arg(port.to_string())
        .stdout(Stdio::null())
        .current_dir(folder);
    command
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("LITELLM_LOG", "ERROR")
        // Without a master key it authenticates nobody: its checks are off, which is to its advantage here.
        .env("LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", "true");
    let mut running = Running::start(
        &mut command,
        cores.measured,
        cores.rest,
        folder.join("litellm.log"),
    )?;
    running
        .listening(&address, START_PYTHON)
        .map_err(|fault| format!("litellm {fault}"))?;
    Ok(Peer {
        running,
        address,
        authorization: None,
        name: format!("LiteLLM {}, one worker", version()),
    })
}

fn version() -> String {
    let lock = std::fs::read_to_string(LITELLM_LOCK).unwrap_or_default();
    let line = lock.lines().find_map(|line| line.strip_prefix("litellm=="));
    line.and_then(|line| line.split_whitespace().next())
        .unwrap_or("unknown")
        .to_owned()
}

/// A Python environment that holds what `lock_file` pins, made anew when the lock changes.
pub(crate) fn install(environment: &Path, lock_file: &str) -> Result<(), String> {
    let stamp = environment.join("installed");
    let lock = std::fs::read_to_string(lock_file).map_err(|fault| format!("{lock_file}: {fault}"))?;
    if std::fs::read_to_string(&stamp).is_ok_and(|there| there == lock) {
        return Ok(());
    }
    eprintln!("installing {lock_file} under {}", environment.display());
    finish(
        "python3 -m venv",
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(environment),
    )?;
    let python = environment.join("bin").join("python");
    // The one that Python brings may be too old to tell an extra of a pinned package from an unpinned package.
    let newer = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        PIP,
    ];
    finish("pip install pip", Command::new(&python).args(newer))?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
    ]);
    finish("pip install", pip.arg(lock_file))?;
    std::fs::write(&stamp, lock).map_err(|fault| format!("{}: {fault}", stamp.display()))
}

fn finish(shown: &str, command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|fault| format!("`{shown}` does not start: {fault}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text
        .lines()
        .rev()
        .find(|line| line.contains("ERROR"))
        .unwrap_or(&text);
    Err(format!(
        "`{shown}`: {}",
        last.chars().take(200).collect::<String>()
    ))
}
