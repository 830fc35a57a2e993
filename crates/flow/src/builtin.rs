//! The built-in tools of coding agents, which never cross MCP: what a call of each does, as steps.
//!
//! A tool that no row names, an argument that its row does not list and a value of another shape make a step that asks.

use serde_json::{Map, Value};

use crate::{
    Effect, Role,
    shell::{self, Workspace},
    step::Step,
};

/// One row: names, what it does, the arguments with its subject, and those that change nothing.
struct Row {
    names: &'static str,
    does: Does,
    subject: &'static str,
    other: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Shell,
    Read,
    Look,
    Write,
    Delete,
    Fetch,
    Links,
    Search,
    Patch,
    Memory,
    Nothing,
}

/// Names are those of Claude Code, Cursor, Gemini CLI and Codex, in their own spelling: they do not collide.
const ROWS: &[Row] = &[
    Row {
        names: "Bash Shell run_shell_command shell shell_command local_shell exec_command container.exec run_terminal_cmd",
        does: Does::Shell,
        subject: "command cmd",
        other: "description timeout timeout_ms run_in_background is_background explanation justification yield_time_ms \
                max_output_tokens login shell tty block_until_ms workdir working_directory directory dir_path cwd",
    },
    Row {
        names: "Read read_file read_many_files ReadFile view_image NotebookRead ReadLints read_lints",
        does: Does::Read,
        subject: "file_path path absolute_path target_file notebook_path paths include file_paths",
        other: "",
    },
    Row {
        names: "Glob Grep LS glob grep grep_search search_file_content list_directory list_dir codebase_search SemanticSearch file_search",
        does: Does::Look,
        subject: "path dir_path pattern target_directory glob glob_pattern include target_directories",
        other: "",
    },
    Row {
        names: "Write Edit MultiEdit NotebookEdit write_file replace edit_file search_replace StrReplace EditNotebook edit_notebook",
        does: Does::Write,
        subject: "file_path path absolute_path target_file notebook_path target_notebook",
        other: "content contents old_string new_string replace_all edits new_source cell_id cell_type edit_mode \
                instruction instructions expected_replacements code_edit modified_by_user ai_proposed_content \
                allow_multiple streamContent cell_idx is_new_cell cell_language",
    },
    Row {
        names: "Delete delete_file",
        does: Does::Delete,
        subject: "file_path path target_file",
        other: "explanation",
    },
    Row {
        names: "WebFetch Fetch",
        does: Does::Fetch,
        subject: "url",
        other: "prompt",
    },
    Row {
        names: "web_fetch",
        does: Does::Links,
        subject: "prompt url",
        other: "",
    },
    Row {
        names: "WebSearch web_search google_web_search",
        does: Does::Search,
        subject: "query search_term",
        other: "allowed_domains blocked_domains explanation",
    },
    Row {
        names: "apply_patch ApplyPatch",
        does: Does::Patch,
        subject: "command input patch",
        other: "workdir cwd",
    },
    Row {
        names: "save_memory update_memory",
        does: Does::Memory,
        subject: "fact",
        other: "",
    },
    Row {
        names: "TodoWrite TodoRead todo_write write_todos update_plan Task Agent TaskCreate TaskUpdate TaskList TaskGet \
                TaskOutput TaskStop ExitPlanMode EnterPlanMode AskUserQuestion ask_user BashOutput KillShell KillBash \
                write_stdin_poll Skill ToolSearch enter_plan_mode exit_plan_mode activate_skill spawn_agent wait \
                close_agent AskQuestion SwitchMode",
        does: Does::Nothing,
        subject: "",
        other: "",
    },
];

/// Most paths or addresses taken from one call; with more it asks.
const MOST: usize = 64;

/// What a call of a built-in tool would do. Never empty.
#[must_use]
pub fn tool_steps(tool: &str, arguments: &Value, workspace: &Workspace) -> Vec<Step> {
    let row = ROWS
        .iter()
        .find(|row| row.names.split_whitespace().any(|name| name == tool));
    let (Some(row), Value::Object(given)) = (row, arguments) else {
        return vec![Step::unclear("tool", tool)];
    };
    let strict = !matches!(row.does, Does::Read | Does::Look | Does::Nothing | Does::Memory);
    let listed = |key: &String| {
        row.subject
            .split_whitespace()
            .chain(row.other.split_whitespace())
            .any(|known| known == key)
    };
    if strict && let Some((key, _)) = given.iter().find(|(key, _)| !listed(key)) {
        return vec![Step::unclear("argument", key)];
    }
    let Some(subjects) = subjects(row, given) else {
        return vec![Step::unclear("argument", tool)];
    };
    let workspace = moved(workspace, given);
    let steps = perform(row, &subjects, &workspace);
    if steps.is_empty() {
        vec![Step::unclear("argument", tool)]
    } else {
        steps
    }
}

/// The texts under the row's subject arguments; none if one is no text or list of texts, or there are too many.
fn subjects(row: &Row, given: &Map<String, Value>) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for key in row.subject.split_whitespace() {
        match given.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => texts.push(text.clone()),
            Some(Value::Array(list)) if row.does == Does::Shell => texts.push(quoted(list)?),
            Some(Value::Array(list)) => {
                for text in list {
                    texts.push(text.as_str()?.to_owned());
                }
            }
            Some(_) => return None,
        }
    }
    (texts.len() <= MOST).then_some(texts)
}

/// A list of words as a line that a shell reads as those words.
fn quoted(words: &[Value]) -> Option<String> {
    let words: Option<Vec<String>> = words
        .iter()
        .map(|word| {
            word.as_str()
                .map(|text| format!("'{}'", text.replace('\'', "'\\''")))
        })
        .collect();
    words.map(|words| words.join(" "))
}

/// The call may name the folder it runs in.
fn moved(workspace: &Workspace, given: &Map<String, Value>) -> Workspace {
    let named = ["workdir", "working_directory", "directory", "cwd"]
        .iter()
        .chain(given.contains_key("command").then_some(&"dir_path"))
        .find_map(|key| given.get(*key));
    let cwd = match named {
        None | Some(Value::Null) => workspace.cwd.clone(),
        Some(Value::String(folder)) if folder.is_empty() => workspace.cwd.clone(),
        Some(Value::String(folder)) if folder.starts_with('/') => folder.clone(),
        Some(Value::String(folder)) if !folder.starts_with('~') => format!("{}/{folder}", workspace.cwd),
        Some(_) => String::new(),
    };
    Workspace {
        cwd,
        ..workspace.clone()
    }
}

fn perform(row: &Row, subjects: &[String], workspace: &Workspace) -> Vec<Step> {
    let read = |path: &String| {
        Step::new(
            "read",
            Effect::Read,
            &[("path", Role::Selector, std::slice::from_ref(path))],
        )
        .secret(shell::is_secret(path))
    };
    let write = |path: &String| {
        Step::new(
            "write",
            Effect::Write,
            &[("path", Role::Target, std::slice::from_ref(path))],
        )
        .within(workspace.places().within(path))
    };
    let fetch = |url: &String| {
        Step::new(
            "fetch",
            Effect::Fetch,
            &[("url", Role::Target, std::slice::from_ref(url))],
        )
    };
    let delete = |path: &String| {
        Step::new(
            "delete",
            Effect::Delete,
            &[("path", Role::Selector, std::slice::from_ref(path))],
        )
    };
    match row.does {
        Does::Shell => match subjects {
            [line] => shell::steps(line, workspace),
            _ => Vec::new(),
        },
        Does::Read => subjects.iter().map(read).collect(),
        Does::Look if subjects.is_empty() => vec![read(&".".to_owned())],
        Does::Look => subjects.iter().map(read).collect(),
        Does::Write => subjects.iter().map(write).collect(),
        Does::Delete => subjects.iter().map(delete).collect(),
        Does::Fetch => subjects.iter().map(fetch).collect(),
        Does::Links => subjects
            .iter()
            .flat_map(|text| text.split(|c: char| c.is_whitespace() || "\"'`<>()[]{}|,;".contains(c)))
            .filter(|word| word.contains("://") || word.starts_with("www."))
            .take(MOST + 1)
            .map(|url| fetch(&url.to_owned()))
            .collect(),
        Does::Search => vec![Step::new(
            "fetch",
            Effect::Fetch,
            &[("query", Role::Value, subjects)],
        )],
        Does::Patch => match subjects {
            [patch] => patched(patch, workspace),
            _ => Vec::new(),
        },
        Does::Memory => vec![remembered(subjects)],
        Does::Nothing => vec![Step::new("read", Effect::Read, &[]).within(true)],
    }
}

/// What a memory holds is read as the human's own words in every later session.
fn remembered(facts: &[String]) -> Step {
    Step::new(
        "write",
        Effect::Write,
        &[
            ("path", Role::Target, &["memory".to_owned()]),
            ("fact", Role::Content, facts),
        ],
    )
}

/// A patch in the format of `apply_patch`: the files that its headers name. Any other line that begins like a header is
/// not understood.
fn patched(patch: &str, workspace: &Workspace) -> Vec<Step> {
    let places = workspace.places();
    let mut steps = Vec::new();
    let mut begun = false;
    for line in patch.lines() {
        let line = line.trim_end_matches('\r');
        let Some(header) = line.trim_start().strip_prefix("*** ") else {
            continue;
        };
        let header = header.trim_end();
        match header {
            "Begin Patch" => begun = true,
            "End Patch" | "End of File" => {}
            _ => {
                let Some((what, path)) = header.split_once(": ") else {
                    return Vec::new();
                };
                let path = [path.trim().to_owned()];
                match what {
                    "Add File" | "Update File" | "Move to" => steps.push(
                        Step::new("write", Effect::Write, &[("path", Role::Target, &path)])
                            .within(places.within(&path.concat())),
                    ),
                    "Delete File" => {
                        steps.push(Step::new(
                            "delete",
                            Effect::Delete,
                            &[("path", Role::Selector, &path)],
                        ));
                    }
                    _ => return Vec::new(),
                }
            }
        }
    }
    if begun && steps.len() <= MOST {
        steps
    } else {
        Vec::new()
    }
}
