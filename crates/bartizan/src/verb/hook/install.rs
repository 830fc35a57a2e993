//! `hook install`: our hooks into an agent's settings, beside what is there.
//!
//! It refuses a file that it can't read whole (comments, another shape), keeps the old one, and writes the new one in one
//! step. A second time changes nothing.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use http::Method;
use serde_json::{Map, Value, json};

use super::key_file;
use crate::{
    cli::{Global, HookAgent, HookInstall},
    exit::Exit,
    failure::{Failure, file},
    link::{Absent, Link},
    output::Output,
};

/// By this, a hook of ours is known again.
const MARK: &str = " hook run --agent-kind ";
/// Largest settings file.
const SETTINGS_BYTES_MAX: u64 = 4 << 20;

/// The events that are hooked, with what each entry says beside the command.
fn events(agent: HookAgent) -> Vec<(&'static str, Value)> {
    let seconds = |event| (event, json!({"timeout": 10}));
    match agent {
        HookAgent::Claude => [
            "UserPromptSubmit",
            "PreToolUse",
            "PostToolUse",
            "PostToolUseFailure",
        ]
        .map(seconds)
        .to_vec(),
        HookAgent::Codex => ["UserPromptSubmit", "PreToolUse", "PostToolUse"]
            .map(seconds)
            .to_vec(),
        HookAgent::Gemini => ["BeforeAgent", "BeforeTool", "AfterTool"]
            .map(|event| (event, json!({"timeout": 10_000, "name": "bartizan"})))
            .to_vec(),
        HookAgent::Cursor => {
            let closed = |event| (event, json!({"failClosed": true}));
            vec![
                closed("beforeSubmitPrompt"),
                // Shells and MCP have events of their own, which can ask.
                (
                    "preToolUse",
                    json!({"failClosed": true, "matcher": "^(?!(Shell$|MCP:)).*"}),
                ),
                closed("beforeShellExecution"),
                closed("beforeMCPExecution"),
                ("postToolUse", json!({})),
                ("postToolUseFailure", json!({})),
            ]
        }
    }
}

const fn word(agent: HookAgent) -> &'static str {
    super::kind(agent).as_str()
}

/// The settings file.
fn settings(agent: HookAgent, project: bool) -> Result<PathBuf, Failure> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let (folder, name, variable) = match agent {
        HookAgent::Claude => (".claude", "settings.json", Some("CLAUDE_CONFIG_DIR")),
        HookAgent::Cursor => (".cursor", "hooks.json", None),
        HookAgent::Gemini => (".gemini", "settings.json", None),
        HookAgent::Codex => (".codex", "hooks.json", Some("CODEX_HOME")),
    };
    if project {
        let here = std::env::current_dir().map_err(file("finding", Path::new(".")))?;
        return Ok(here.join(folder).join(name));
    }
    variable
        .and_then(absolute)
        .or_else(|| absolute("HOME").map(|home| home.join(folder)))
        .map(|folder| folder.join(name))
        .ok_or_else(|| Failure::new(Exit::Usage, "there is no home to look for settings in").hint("set HOME"))
}

/// Runs the verb.
pub(super) async fn run(global: &Global, out: Output, install: &HookInstall) -> Result<Exit, Failure> {
    let reach = &install.reach;
    if !reach.gateway.ip().is_loopback() {
        let message = format!("`{}` is not on this machine", reach.gateway);
        return Err(Failure::new(Exit::Usage, message).hint("run a gateway beside the agent"));
    }
    let key = key_file(reach).map_err(|why| Failure::new(Exit::Usage, why))?;
    let path = settings(install.agent, install.project)?;
    // What a link points at is what is written.
    let path = std::fs::canonicalize(&path).unwrap_or(path);
    let old = read(&path)?;
    let command = command(install.agent, reach.gateway, &key)?;
    let new = with_hooks(old.clone(), install.agent, &command).ok_or_else(|| {
        Failure::new(
            Exit::Refused,
            format!("the hooks in `{}` have a shape that is not known", path.display()),
        )
        .hint("correct the file, or move its `hooks` away")
    })?;
    let (before, after) = (pretty(&old), pretty(&new));
    let changed = before != after;
    let is_new = !path.exists();
    if changed && !install.dry_run {
        if !key.exists() {
            make_key(global, word(install.agent), &key).await?;
        }
        write(&path, &after)?;
    }
    let value = json!({"file": path, "changed": changed, "dry_run": install.dry_run, "key_file": key});
    out.emit(&value, |out| {
        for line in difference(&before, &after) {
            writeln!(out, "{line}")?;
        }
        let done = match (changed, install.dry_run) {
            (false, _) => "is as it should be",
            (true, true) => "would change so",
            (true, false) if is_new => "is new",
            (true, false) => "changed so; the old one is beside it",
        };
        writeln!(out, "{} {done}", path.display())
    })?;
    if changed && install.agent == HookAgent::Codex {
        out.remark("Codex runs hooks only after you trust them: say `/hooks` in it once");
    }
    Ok(Exit::Done)
}

/// The command that the agent runs: this very program.
fn command(agent: HookAgent, gateway: std::net::SocketAddr, key: &Path) -> Result<String, Failure> {
    let own = std::env::current_exe().map_err(file("finding", Path::new("bartizan")))?;
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
    Ok(format!(
        "{}{MARK}{} --gateway {gateway} --key-file {}",
        quoted(&own),
        word(agent),
        quoted(key)
    ))
}

fn read(path: &Path) -> Result<Value, Failure> {
    let size = match std::fs::metadata(path) {
        Ok(about) => about.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(json!({})),
        Err(error) => return Err(file("reading", path)(error)),
    };
    let bytes = if size > SETTINGS_BYTES_MAX {
        Vec::new()
    } else {
        std::fs::read(path).map_err(file("reading", path))?
    };
    match serde_json::from_slice(&bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(Failure::new(
            Exit::Refused,
            format!("`{}` is no plain JSON object", path.display()),
        )
        .hint("comments are not understood: take them out, or add the hooks by hand")),
    }
}

/// The settings with our hooks, and no older ones of ours; none if their shape is not known.
fn with_hooks(mut settings: Value, agent: HookAgent, command: &str) -> Option<Value> {
    let root = settings.as_object_mut()?;
    if agent == HookAgent::Cursor {
        root.entry("version").or_insert(json!(1));
    }
    let hooks = root.entry("hooks").or_insert_with(|| json!({})).as_object_mut()?;
    for list in hooks.values_mut() {
        if let Some(list) = list.as_array_mut() {
            list.retain(|entry| !is_ours(entry));
        }
    }
    for (event, extra) in events(agent) {
        let list = hooks.entry(event).or_insert_with(|| json!([])).as_array_mut()?;
        list.push(entry(agent, command, extra)?);
    }
    Some(settings)
}

fn entry(agent: HookAgent, command: &str, extra: Value) -> Option<Value> {
    let mut fields: Map<String, Value> = extra.as_object()?.clone();
    fields.insert("command".into(), command.into());
    if agent == HookAgent::Cursor {
        return Some(Value::Object(fields));
    }
    fields.insert("type".into(), "command".into());
    Some(json!({"hooks": [fields]}))
}

fn is_ours(entry: &Value) -> bool {
    let ours = |entry: &Value| {
        entry["command"]
            .as_str()
            .is_some_and(|command| command.contains(MARK))
    };
    ours(entry)
        || entry["hooks"]
            .as_array()
            .is_some_and(|hooks| !hooks.is_empty() && hooks.iter().all(ours))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// A key for this agent, into a file that only its owner can read.
async fn make_key(global: &Global, name: &str, path: &Path) -> Result<(), Failure> {
    let link = Link::connect(global, Absent::Make)?;
    let body = json!({ "name": name }).to_string().into_bytes();
    let answer = link.ask(&Method::POST, "/v1/agents", body).await;
    link.close().await?;
    let answer = answer?;
    let key = answer["key"]
        .as_str()
        .ok_or_else(|| Failure::new(Exit::Bug, "the new key is missing from its answer"))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(file("making", folder))?;
    }
    let mut made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(file("writing", path))?;
    made.write_all(key.as_bytes())
        .and_then(|()| made.sync_all())
        .map_err(file("writing", path))
}

/// Keeps the old file and puts the new one in its place in one step.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(file("making", folder))?;
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let mode = match std::fs::metadata(path) {
        Ok(about) => {
            let kept = (0..1000)
                .map(|number| beside(&format!(".before-bartizan-{number}")))
                .find(|kept| !kept.exists())
                .ok_or_else(|| {
                    Failure::new(Exit::Files, "there are too many old settings beside the file")
                })?;
            std::fs::copy(path, &kept).map_err(file("keeping", path))?;
            Some(about.permissions())
        }
        Err(_) => None,
    };
    let fresh = beside(".bartizan-new");
    let mut made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(file("writing", &fresh))?;
    made.write_all(text.as_bytes())
        .and_then(|()| made.write_all(b"\n"))
        .and_then(|()| made.sync_all())
        .map_err(file("writing", &fresh))?;
    if let Some(mode) = mode {
        std::fs::set_permissions(&fresh, mode).map_err(file("writing", &fresh))?;
    }
    std::fs::rename(&fresh, path).map_err(file("writing", path))
}

/// Lines taken out and put in, between what both texts begin and end with.
fn difference(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - start;
    let end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(most)
        .take_while(|(a, b)| a == b)
        .count();
    let taken = old.get(start..old.len() - end).unwrap_or_default();
    let put = new.get(start..new.len() - end).unwrap_or_default();
    taken
        .iter()
        .map(|line| format!("- {line}"))
        .chain(put.iter().map(|line| format!("+ {line}")))
        .collect()
}

/// What `doctor` sees of one settings file.
pub(super) struct Found {
    pub(super) agent: &'static str,
    pub(super) file: PathBuf,
    pub(super) says: String,
}

/// Looks at one agent's settings; none where it has no file.
pub(super) fn look(agent: HookAgent, project: bool) -> Option<Found> {
    let file = settings(agent, project).ok().filter(|file| file.exists())?;
    let says = match read(&file) {
        Err(failure) => failure.in_words(),
        Ok(value) => {
            let has = |event: &str| {
                value["hooks"][event]
                    .as_array()
                    .is_some_and(|list| list.iter().any(is_ours))
            };
            let missing: Vec<&str> = events(agent)
                .into_iter()
                .map(|(event, _)| event)
                .filter(|event| !has(event))
                .collect();
            let own = std::env::current_exe().unwrap_or_default();
            if missing.len() == events(agent).len() {
                "no hooks of ours".to_owned()
            } else if !missing.is_empty() {
                format!("without hooks for {}: install again", missing.join(", "))
            } else if value["disableAllHooks"] == json!(true) {
                "`disableAllHooks` turns them off".to_owned()
            } else if !value["hooks"].to_string().contains(&*own.to_string_lossy()) {
                "they run another program than this one: install again".to_owned()
            } else {
                "fine".to_owned()
            }
        }
    };
    Some(Found {
        agent: word(agent),
        file,
        says,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [HookAgent; 4] = [
        HookAgent::Claude,
        HookAgent::Cursor,
        HookAgent::Gemini,
        HookAgent::Codex,
    ];

    #[test]
    fn hooks_of_others_stay_and_ours_are_there_once() {
        let theirs = json!({"theme": "dark", "hooks": {
            "PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "lint"}]}],
            "BeforeTool": [{"hooks": [{"type": "command", "command": "lint"}]}],
            "preToolUse": [{"command": "lint"}],
        }});
        for agent in ALL {
            let first = with_hooks(
                theirs.clone(),
                agent,
                &format!("'/old'{MARK}x --gateway 127.0.0.1:1"),
            )
            .unwrap();
            let second = with_hooks(first, agent, &format!("'/new'{MARK}x --gateway 127.0.0.1:1")).unwrap();
            let again = with_hooks(
                second.clone(),
                agent,
                &format!("'/new'{MARK}x --gateway 127.0.0.1:1"),
            )
            .unwrap();
            assert_eq!(second, again);
            let text = second.to_string();
            assert!(!text.contains("/old"), "{text}");
            assert_eq!(text.matches("/new").count(), events(agent).len());
            assert_eq!(text.matches("lint").count(), 3);
            assert_eq!(second["theme"], "dark");
        }
    }

    #[test]
    fn a_shape_that_is_not_known_is_refused() {
        for odd in [
            json!({"hooks": []}),
            json!({"hooks": {"PreToolUse": {"x": 1}}}),
            json!([]),
        ] {
            assert!(with_hooks(odd, HookAgent::Claude, "x").is_none());
        }
    }

    #[test]
    fn only_what_changes_is_shown() {
        assert_eq!(difference("a\nb\nc", "a\nx\nc"), ["- b", "+ x"]);
        assert_eq!(difference("a\na", "a"), ["- a"]);
        assert!(difference("a", "a").is_empty());
    }
}
