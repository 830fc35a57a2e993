//! `hook doctor`: is the gateway there, does it know the key, and are the hooks in place?

use bartizan_wire::hook::{AgentKind, Happening, HookAnswer, HookEvent};
use serde_json::json;

use super::{ask, install, key_file, read_key};
use crate::{
    cli::{HookAgent, HookReach},
    exit::Exit,
    failure::Failure,
    output::{Output, table},
};

/// Runs the verb.
pub(super) async fn run(out: Output, reach: &HookReach) -> Result<Exit, Failure> {
    let probe = HookEvent {
        agent_kind: AgentKind::Claude,
        name: "doctor".to_owned(),
        session_hint: None,
        cwd: None,
        root: None,
        server: None,
        event: Happening::Other,
    };
    let key = match key_file(reach).and_then(|path| read_key(&path)) {
        Ok(_) => "fine".to_owned(),
        Err(why) => why,
    };
    let gateway = match ask(reach, &probe).await {
        Ok(HookAnswer::Nothing) => "fine".to_owned(),
        Ok(_) => "it answers in a way that is not understood: another version?".to_owned(),
        Err(why) => why,
    };
    let mut found = Vec::new();
    for agent in [
        HookAgent::Claude,
        HookAgent::Cursor,
        HookAgent::Gemini,
        HookAgent::Codex,
    ] {
        for project in [false, true] {
            found.extend(install::look(agent, project));
        }
    }
    let well = key == "fine" && gateway == "fine" && found.iter().any(|found| found.says == "fine");
    let value = json!({
        "key": key,
        "gateway": gateway,
        "version": env!("CARGO_PKG_VERSION"),
        "hooks": found.iter().map(|found| json!({"agent": found.agent, "file": found.file, "says": found.says})).collect::<Vec<_>>(),
    });
    let mut rows = vec![
        vec!["key".to_owned(), String::new(), key],
        vec!["gateway".to_owned(), reach.gateway.to_string(), gateway],
    ];
    rows.extend(found.into_iter().map(|found| {
        vec![
            found.agent.to_owned(),
            found.file.display().to_string(),
            found.says,
        ]
    }));
    out.emit(&value, |out| table(out, &["WHAT", "WHERE", "STATE"], &rows))?;
    Ok(if well { Exit::Done } else { Exit::Refused })
}
