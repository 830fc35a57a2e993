//! A gateway of this bench's own, and what its operator asks of it over the admin socket.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::process::{Cores, Running};

const START: Duration = Duration::from_secs(60);
const ALL: &str = "@id(\"bench.all\")\npermit (principal, action, resource);\n";

/// A started gateway.
pub(crate) struct Gate {
    /// Its process.
    pub(crate) running: Running,
    /// Where agents reach it.
    pub(crate) address: String,
    folder: PathBuf,
}

impl Gate {
    /// Starts one that permits everything to every agent and keeps to `extra` of a configuration.
    pub(crate) fn start(
        folder: &Path,
        cores: Cores,
        backend: &str,
        binary: &Path,
        extra: &str,
    ) -> Result<Self, String> {
        let write = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).map_err(|fault| format!("{name}: {fault}"))
        };
        let shown = folder.display();
        write("all.cedar", ALL)?;
        let config = format!(
            "[policy]\npack = \"none\"\nfiles = [\"{shown}/all.cedar\"]\n\n[[upstream]]\nname = \"bench\"\napi = \"openai\"\n\
             credential = \"none\"\nurl = \"http://{backend}\"\n\n{extra}"
        );
        write("bartizan.toml", &config)?;
        let mut command = Command::new(binary);
        command
            .arg("up")
            .arg("--config")
            .arg(folder.join("bartizan.toml"))
            .arg("--state")
            .arg(folder.join("state"))
            .args(["--listen", "127.0.0.1:0", "--json"])
            .env_remove("OPENAI_API_KEY")
            .stdout(Stdio::piped());
        let log = folder.join("bartizan.log");
        let mut running = Running::start(&mut command, cores.measured, cores.rest, log)?;
        let line = running.first_line()?;
        let told: Value = serde_json::from_str(&line)
            .map_err(|_| format!("`bartizan up --json` printed no JSON: {}", running.said()))?;
        let address = told["listen"].as_str().unwrap_or_default();
        let address = address
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        running.listening(&address, START)?;
        Ok(Self {
            running,
            address,
            folder: folder.join("state"),
        })
    }

    /// Asks its operator's socket. Gives the answer's JSON.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let text = self.said(method, path, &body.to_string()).await?;
        serde_json::from_str(&text).map_err(|_| format!("{method} {path}: {text}"))
    }

    async fn said(&self, method: &str, path: &str, body: &str) -> Result<String, String> {
        let token = std::fs::read_to_string(self.folder.join("admin.token"))
            .map_err(|fault| format!("admin.token: {fault}"))?;
        let fault = |fault: std::io::Error| format!("admin.sock: {fault}");
        let mut stream = UnixStream::connect(self.folder.join("admin.sock"))
            .await
            .map_err(fault)?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: bartizan\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            token.trim(),
            body.len()
        );
        stream.write_all(request.as_bytes()).await.map_err(fault)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map_err(fault)?;
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text
            .split_once("\r\n\r\n")
            .ok_or("the admin socket said nothing")?;
        if !head.starts_with("HTTP/1.1 200") {
            return Err(format!("{method} {path}: {text}"));
        }
        Ok(body.to_owned())
    }

    /// A new agent's key, as a header's value.
    pub(crate) async fn agent(&self, name: &str) -> Result<String, String> {
        let answer = self.ask("POST", "/v1/agents", &json!({ "name": name })).await?;
        let key = answer["key"].as_str().ok_or("no key was made")?;
        Ok(format!("Bearer {key}"))
    }

    /// New agents' keys, in the order of their names; several are asked for at once.
    pub(crate) async fn agents(
        self: &Rc<Self>,
        names: impl Iterator<Item = String>,
    ) -> Result<Vec<String>, String> {
        let names: Vec<String> = names.collect();
        let mut keys = Vec::with_capacity(names.len());
        for some in names.chunks(16) {
            let asked: Vec<_> = some
                .iter()
                .map(|name| {
                    let (gate, name) = (Rc::clone(self), name.clone());
                    tokio::task::spawn_local(async move { gate.agent(&name).await })
                })
                .collect();
            for one in asked {
                keys.push(one.await.map_err(|fault| fault.to_string())??);
            }
        }
        Ok(keys)
    }

    /// Revokes; on return it is acknowledged.
    pub(crate) async fn revoke(&self, what: &str) -> Result<(), String> {
        self.ask("POST", "/v1/revocations", &json!({ "what": what }))
            .await
            .map(drop)
    }

    /// One number of its metrics.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64, String> {
        let text = self.said("GET", "/metrics", "").await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|number| number.trim().parse().ok())
            .ok_or_else(|| format!("no metric `{name}`"))
    }
}
