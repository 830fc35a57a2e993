//! Reading the `mcp.json` of Cursor, Claude and VS Code.
//!
//! Nothing is rewritten and nothing is started. Values that look like secrets are kept apart, so that the caller can
//! put them into the secret store instead of a config file; they are never printed.

use std::collections::BTreeMap;

use bartizan_types::{Code, ServerName};
use bartizan_wire::json;
use serde_json::{Map, Value};

/// Most servers of one file.
pub const MAX_SERVERS: usize = 256;

/// How an imported server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportedReach {
    /// A program.
    Stdio {
        /// Program and arguments.
        command: Vec<String>,
        /// Environment, without what looks like a secret.
        environment: BTreeMap<String, String>,
        /// Working directory.
        directory: Option<String>,
    },
    /// Streamable HTTP.
    Http {
        /// Address.
        url: String,
        /// Headers, without what looks like a secret.
        headers: BTreeMap<String, String>,
    },
    /// The HTTP+SSE transport of 2024-11-05.
    LegacySse {
        /// Address.
        url: String,
        /// Headers, without what looks like a secret.
        headers: BTreeMap<String, String>,
    },
}

/// Something the user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportWarning {
    /// This variable or header looks like a secret: put it into the store under the name given.
    Secret {
        /// The variable or header.
        key: String,
        /// A name for it in the secret store.
        store_as: String,
    },
    /// `${…}` stands in this variable or header: the client would have asked or looked it up. Put what it stands for into
    /// the store under the name given.
    Placeholder {
        /// The variable or header.
        key: String,
        /// A name for it in the secret store.
        store_as: String,
    },
    /// `${…}` stands in this argument of the command.
    PlaceholderInArguments(usize),
    /// The entry's name, given here, can't be ours; another is used.
    Renamed(String),
    /// The entry says it is switched off.
    Disabled,
    /// An argument of the command looks like a secret; programs' arguments are visible to every user of the machine.
    SecretInArguments(usize),
    /// The command is one text of several words, and one of them looks like a secret.
    SecretInCommand,
    /// This parameter of the address, or its user's part, looks like a secret: it is copied as it stands.
    SecretInAddress(String),
    /// The client would have read more variables from this file; nobody does here.
    EnvFile(String),
    /// The entry is of this project alone; here every agent reaches it that policy lets.
    Project(String),
    /// This project has another entry of the same name, which is left out.
    Clash(String),
}

/// One server of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedServer {
    /// A name that fits our rules.
    pub name: ServerName,
    /// How it is reached.
    pub reach: ImportedReach,
    /// Secrets by variable or header name: their name in the store. The value stays in the file it came from.
    pub secrets: BTreeMap<String, String>,
    /// What the user should know.
    pub warnings: Vec<ImportWarning>,
}

/// Why a file can't be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportFault {
    /// Not JSON, even with comments and trailing commas taken out.
    #[error("the file is not JSON")]
    Json(Code),
    /// Neither `mcpServers`, `servers`, nor `mcp.servers`, and no project with `mcpServers`.
    #[error("the file has neither `mcpServers` nor `servers`")]
    Shape,
    /// An entry without `command` and `url`, or with both, or with a member of the wrong type.
    #[error("the entry `{0}` has neither `command` nor `url`, or both, or a value of the wrong kind")]
    Entry(String),
    /// More entries than the bound.
    #[error("the file has more than {MAX_SERVERS} servers")]
    TooMany,
    /// Two entries would get the same name.
    #[error("two entries would both be called `{0}`")]
    Twice(ServerName),
}

/// Reads the servers of a client's configuration. Comments and trailing commas, which VS Code allows, are accepted.
///
/// # Errors
/// [`ImportFault`].
pub fn parse(bytes: &[u8]) -> Result<Vec<ImportedServer>, ImportFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| ImportFault::Json(Code::JsonUtf8))?;
    let plain = without_comments(text.trim_start_matches('\u{feff}'));
    json::scan(plain.as_bytes(), &json::Bounds::default()).map_err(|fault| ImportFault::Json(fault.code))?;
    let value: Value = serde_json::from_str(&plain).map_err(|_| ImportFault::Json(Code::JsonSyntax))?;
    let servers = value
        .get("mcpServers")
        .or_else(|| value.get("servers"))
        .or_else(|| value.get("mcp").and_then(|mcp| mcp.get("servers")))
        .and_then(Value::as_object);
    let mut places: Vec<(Option<&String>, &Map<String, Value>)> = Vec::new();
    places.extend(servers.map(|servers| (None, servers)));
    places.extend(of_projects(&value));
    if places.is_empty() {
        return Err(ImportFault::Shape);
    }
    if places.iter().map(|(_, servers)| servers.len()).sum::<usize>() > MAX_SERVERS {
        return Err(ImportFault::TooMany);
    }
    let mut all: Vec<ImportedServer> = Vec::new();
    for (project, servers) in places {
        for (name, entry) in servers {
            let server = read(name, entry).ok_or_else(|| ImportFault::Entry(name.clone()))?;
            add(&mut all, server, project)?;
        }
    }
    // By name: the parser's maps keep an order only with a feature that other crates may turn on.
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

/// The servers that Claude Code keeps by project, in the order of the projects' paths.
fn of_projects(value: &Value) -> Vec<(Option<&String>, &Map<String, Value>)> {
    let projects = value.get("projects").and_then(Value::as_object);
    let mut found: Vec<_> = projects
        .into_iter()
        .flatten()
        .filter_map(|(path, project)| Some((Some(path), project.get("mcpServers")?.as_object()?)))
        .filter(|(_, servers)| !servers.is_empty())
        .collect();
    found.sort_by_key(|(path, _)| *path);
    found
}

/// Keeps a server. One of a project gives way to another of the same name, and that is told where they differ.
fn add(
    all: &mut Vec<ImportedServer>,
    mut server: ImportedServer,
    project: Option<&String>,
) -> Result<(), ImportFault> {
    let known = all.iter_mut().find(|earlier| earlier.name == server.name);
    let Some(project) = project else {
        if known.is_some() {
            return Err(ImportFault::Twice(server.name));
        }
        all.push(server);
        return Ok(());
    };
    if let Some(known) = known {
        if known.reach != server.reach || known.secrets != server.secrets {
            known.warnings.push(ImportWarning::Clash(project.clone()));
        }
        return Ok(());
    }
    server.warnings.push(ImportWarning::Project(project.clone()));
    all.push(server);
    Ok(())
}

fn read(title: &str, entry: &Value) -> Option<ImportedServer> {
    let entry = entry.as_object()?;
    let mut warnings = Vec::new();
    let name = our_name(title)?;
    if name.as_str() != title {
        warnings.push(ImportWarning::Renamed(title.to_owned()));
    }
    if entry.get("disabled").and_then(Value::as_bool) == Some(true) {
        warnings.push(ImportWarning::Disabled);
    }
    let mut secrets = BTreeMap::new();
    let url = entry.get("url").or_else(|| entry.get("serverUrl"));
    let reach = match (entry.get("command"), url) {
        (Some(command), None) => {
            let words = words(command.as_str()?, entry.get("args"), &mut warnings)?;
            if let Some(file) = entry.get("envFile").and_then(Value::as_str) {
                warnings.push(ImportWarning::EnvFile(file.to_owned()));
            }
            let environment = pairs(&name, entry.get("env"), &mut secrets, &mut warnings)?;
            let directory = match entry.get("cwd") {
                None | Some(Value::Null) => None,
                Some(directory) => Some(directory.as_str()?.to_owned()),
            };
            ImportedReach::Stdio {
                command: words,
                environment,
                directory,
            }
        }
        (None, Some(url)) => {
            let url = url.as_str()?.to_owned();
            warnings.extend(secret_in(&url).map(ImportWarning::SecretInAddress));
            let headers = pairs(&name, entry.get("headers"), &mut secrets, &mut warnings)?;
            let kind = entry
                .get("type")
                .or_else(|| entry.get("transport"))
                .and_then(Value::as_str);
            // Clients that are told no kind try the new transport, and then the old one, which is called so nearly always.
            let path = url.split(['?', '#']).next().unwrap_or_default();
            if kind == Some("sse") || kind.is_none() && path.ends_with("/sse") {
                ImportedReach::LegacySse { url, headers }
            } else {
                ImportedReach::Http { url, headers }
            }
        }
        _ => return None,
    };
    Some(ImportedServer {
        name,
        reach,
        secrets,
        warnings,
    })
}

/// A program and its arguments.
fn words(program: &str, arguments: Option<&Value>, warnings: &mut Vec<ImportWarning>) -> Option<Vec<String>> {
    let parts: Vec<&str> = program.split_whitespace().collect();
    let mut neighbours = parts.iter().zip(parts.iter().skip(1));
    if neighbours.any(|(before, part)| argument_is_secret(before, part)) {
        warnings.push(ImportWarning::SecretInCommand);
    }
    let mut words = vec![program.to_owned()];
    let Some(arguments) = arguments else {
        return Some(words);
    };
    let mut before = "";
    for (at, argument) in arguments.as_array()?.iter().enumerate() {
        let argument = argument.as_str()?;
        if argument_is_secret(before, argument) {
            warnings.push(ImportWarning::SecretInArguments(at));
        }
        if argument.contains("${") {
            warnings.push(ImportWarning::PlaceholderInArguments(at));
        }
        words.push(argument.to_owned());
        before = argument;
    }
    Some(words)
}

fn pairs(
    server: &ServerName,
    value: Option<&Value>,
    secrets: &mut BTreeMap<String, String>,
    warnings: &mut Vec<ImportWarning>,
) -> Option<BTreeMap<String, String>> {
    let mut plain = BTreeMap::new();
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Some(plain);
    };
    for (key, value) in value.as_object()? {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(yes) => yes.to_string(),
            _ => return None,
        };
        let placeholder = text.contains("${");
        if !placeholder && !looks_secret(key, &text) {
            plain.insert(key.clone(), text);
            continue;
        }
        let store_as = format!("{server}-{}", key.to_ascii_lowercase().replace('_', "-"));
        secrets.insert(key.clone(), store_as.clone());
        let key = key.clone();
        warnings.push(if placeholder {
            ImportWarning::Placeholder { key, store_as }
        } else {
            ImportWarning::Secret { key, store_as }
        });
    }
    Some(plain)
}

/// Whether an argument is a secret by itself, by its name before `=`, or by the flag before it.
fn argument_is_secret(before: &str, argument: &str) -> bool {
    if argument.contains("${") {
        return false;
    }
    let named = argument
        .split_once('=')
        .is_some_and(|(name, value)| !value.starts_with('=') && telling(name, value));
    let flagged = before.starts_with('-') && !argument.starts_with('-') && telling(before, argument);
    looks_secret("", argument) || named || flagged
}

/// As [`looks_secret`], but that small numbers are none: `--max-tokens 4000`.
fn telling(name: &str, value: &str) -> bool {
    let number = value.len() < 8 && value.bytes().all(|byte| byte.is_ascii_digit());
    !number && looks_secret(name, value)
}

/// What in an address looks like a secret: the name of a parameter, or the part of the user.
fn secret_in(url: &str) -> Option<String> {
    const NAMES: [&str; 4] = ["key", "sig", "signature", "auth"];
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = address.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    if authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':') && !user.contains("${"))
    {
        return Some("the part before `@`".to_owned());
    }
    let query = query.split('#').next().unwrap_or_default();
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let named = NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) && !value.is_empty();
        let secret = !value.contains("${") && (named || telling(name, value));
        secret.then(|| format!("`{name}`"))
    })
}

/// Names that say so, prefixes that providers use, and long random-looking words. Errs towards the secret store.
fn looks_secret(key: &str, value: &str) -> bool {
    const WORDS: [&str; 10] = [
        "token",
        "secret",
        "password",
        "passwd",
        "api_key",
        "apikey",
        "api-key",
        "credential",
        "private_key",
        "authorization",
    ];
    const PREFIXES: [&str; 11] = [
        "sk-",
        "ghp_",
        "gho_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "AKIA",
        "AIza",
        "Bearer ",
        "eyJ",
    ];
    if value.is_empty() {
        return false;
    }
    let key = key.to_ascii_lowercase();
    if WORDS.iter().any(|word| key.contains(word)) || PREFIXES.iter().any(|prefix| value.starts_with(prefix))
    {
        return true;
    }
    let word = value.len() >= 32
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-+=".contains(&byte));
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    word && digits >= 4 && value.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn our_name(title: &str) -> Option<ServerName> {
    let mut text: String = title
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() || character == '-' {
                character
            } else {
                '-'
            }
        })
        .take(32)
        .collect();
    while text.ends_with('-') {
        text.pop();
    }
    let text = text.trim_start_matches('-');
    // A name that is fine as it is stays, underscores and all.
    ServerName::new(title)
        .ok()
        .filter(|name| crate::name::check_server(name).is_ok())
        .or_else(|| ServerName::new(text).ok())
}

/// Takes `//` and `/* */` comments and trailing commas out of JSON, outside strings, keeping every offset's line.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut in_string = false;
    while let Some(character) = rest.next() {
        match character {
            '"' => {
                in_string = !in_string;
                out.push('"');
            }
            '\\' if in_string => {
                out.push('\\');
                out.extend(rest.next());
            }
            '/' if !in_string && rest.peek() == Some(&'/') => {
                for skipped in rest.by_ref() {
                    if skipped == '\n' {
                        out.push('\n');
                        break;
                    }
                }
            }
            '/' if !in_string && rest.peek() == Some(&'*') => {
                rest.next();
                let mut before = ' ';
                for skipped in rest.by_ref() {
                    if before == '*' && skipped == '/' {
                        break;
                    }
                    before = skipped;
                }
                out.push(' ');
            }
            '}' | ']' if !in_string => {
                let kept = out.trim_end();
                if kept.ends_with(',') {
                    let cut = kept.len() - 1;
                    out.truncate(cut);
                }
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests;
