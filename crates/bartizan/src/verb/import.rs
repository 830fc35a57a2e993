//! `import`: an MCP client's configuration as ours. Rewrites nothing, starts nothing, prints no secret.

use std::{collections::BTreeMap, io::Write, path::Path};

use bartizan_mcp::import::{ImportWarning, ImportedReach, ImportedServer, parse};
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::Import,
    exit::Exit,
    failure::{Failure, file},
    output::Output,
};

/// What surprises most in a server that worked before.
const CONFINED: &str = "note: programs run confined: they read what their command line names, and change only their own \
    directory. Give a server more with `readable`, `writable` and `tcp_ports` in its entry";

/// Largest file read, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

#[derive(Serialize)]
struct Written {
    server: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

/// Runs the verb.
pub(crate) fn run(out: Output, import: &Import) -> Result<Exit, Failure> {
    let size = std::fs::metadata(&import.file)
        .map_err(file("reading", &import.file))?
        .len();
    if size > FILE_BYTES_MAX {
        let message = format!(
            "`{}` has {size} bytes, the limit is {FILE_BYTES_MAX}",
            import.file.display()
        );
        return Err(Failure::new(Exit::Files, message));
    }
    let bytes = std::fs::read(&import.file).map_err(file("reading", &import.file))?;
    let servers = parse(&bytes).map_err(|fault| {
        Failure::new(
            Exit::Refused,
            format!("`{}` can't be imported", import.file.display()),
        )
        .because(fault)
    })?;
    // What the user switched off stays off.
    let on = |server: &&ImportedServer| !server.warnings.contains(&ImportWarning::Disabled);
    let written = Written {
        server: servers.iter().filter(on).map(entry).collect(),
    };
    let count = written.server.len();
    let text = toml::to_string(&written)
        .map_err(|error| Failure::new(Exit::Bug, "the configuration can't be written").because(error))?;
    let text = format!(
        "# From `{}`. Start with: bartizan up --config THIS_FILE\n\n{text}",
        import.file.display()
    );
    crate::config::diagnose::parse("imported", &text)?;
    let warnings: Vec<_> = servers
        .iter()
        .flat_map(|server| server.warnings.iter().map(|one| warning(server, one)))
        .collect();
    for one in &warnings {
        out.remark(&format!("note: {one}"));
    }
    if written.server.iter().any(|entry| !entry.command.is_empty()) {
        out.remark(CONFINED);
    }
    if let Some(path) = &import.write {
        create(path, text.as_bytes())?;
    }
    let value = json!({ "servers": count, "config": text, "written": import.write, "warnings": warnings });
    out.emit(&value, |out| match &import.write {
        Some(path) => {
            let path = path.display();
            writeln!(
                out,
                "{count} servers written to {path}; next: bartizan up --config {path}"
            )
        }
        None => out.write_all(text.as_bytes()),
    })?;
    Ok(Exit::Done)
}

fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut made = std::fs::File::create_new(path).map_err(file("making", path))?;
    made.write_all(bytes).map_err(file("writing", path))
}

fn entry(server: &ImportedServer) -> Entry {
    let mut entry = Entry {
        name: server.name.to_string(),
        command: Vec::new(),
        url: None,
        transport: None,
        directory: None,
        env: BTreeMap::new(),
        headers: BTreeMap::new(),
    };
    let values = |plain: &BTreeMap<String, String>| {
        let plain = plain.iter().map(|(key, value)| {
            let escaped = value
                .strip_prefix("secret:")
                .map(|rest| format!("secret::{rest}"));
            (key.clone(), escaped.unwrap_or_else(|| value.clone()))
        });
        let secrets = server
            .secrets
            .iter()
            .map(|(key, name)| (key.clone(), format!("secret:{name}")));
        plain.chain(secrets).collect()
    };
    match &server.reach {
        ImportedReach::Stdio {
            command,
            environment,
            directory,
        } => {
            entry.command.clone_from(command);
            entry.env = values(environment);
            entry.directory.clone_from(directory);
        }
        ImportedReach::Http { url, headers } => {
            entry.url = Some(url.clone());
            entry.headers = values(headers);
        }
        ImportedReach::LegacySse { url, headers } => {
            entry.url = Some(url.clone());
            entry.transport = Some("sse");
            entry.headers = values(headers);
        }
    }
    entry
}

fn warning(server: &ImportedServer, warning: &ImportWarning) -> String {
    let name = &server.name;
    match warning {
        ImportWarning::Secret { key, store_as } => {
            format!("`{name}`: `{key}` looks like a secret; put it in with `bartizan secret set {store_as}`")
        }
        ImportWarning::Placeholder { key, store_as } => {
            format!(
                "`{name}`: `{key}` has a placeholder that nobody fills here; put its value in with `bartizan secret set \
                 {store_as}`"
            )
        }
        ImportWarning::PlaceholderInArguments(at) => {
            format!(
                "`{name}`: argument {at} has a placeholder that nobody fills here; write what it stands for"
            )
        }
        ImportWarning::Renamed(title) => format!("`{title}`: is called `{name}` here"),
        ImportWarning::Disabled => format!("`{name}`: is switched off in the file, and left out"),
        ImportWarning::SecretInCommand => {
            format!(
                "`{name}`: its command looks as if it had a secret in it, and every user of the machine can read that; write its \
                 words one by one, and the secret into `env` as `secret:NAME`, if the server takes it there"
            )
        }
        ImportWarning::SecretInAddress(what) => {
            format!(
                "`{name}`: {what} of its address looks like a secret, and stands in the configuration as it is; put it into \
                 `headers` as `secret:NAME`, if the server takes it there"
            )
        }
        ImportWarning::EnvFile(file) => {
            format!("`{name}`: `{file}` (`envFile`) is not read here; write its variables into `env`")
        }
        ImportWarning::Project(project) => {
            format!(
                "`{name}`: was for the project `{project}` alone; here every agent reaches it that policy lets"
            )
        }
        ImportWarning::Clash(project) => {
            format!(
                "`{name}`: another of this name, of the project `{project}`, is left out; add it under another name"
            )
        }
        ImportWarning::SecretInArguments(at) => {
            format!(
                "`{name}`: argument {at} looks like a secret, and every user of the machine can read arguments"
            )
        }
    }
}
