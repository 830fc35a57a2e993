//! Git's own settings in a folder of a model: keys whose values git runs when somebody looks at the folder.

use crate::{
    finding::{Verdict, shown},
    rule,
    scan::Scan,
};

/// Keys whose values are commands, whatever they are.
const COMMANDS: [&str; 15] = [
    "sshcommand",
    "hookspath",
    "pager",
    "editor",
    "askpass",
    "gitproxy",
    "textconv",
    "external",
    "command",
    "program",
    "cmd",
    "uploadpack",
    "receivepack",
    "driver",
    "alternaterefscommand",
];

/// Whether a file of this path is one.
pub(crate) fn is_one(name: &str) -> bool {
    let name = name.replace('!', "/").to_lowercase();
    let named = |end: &str| {
        name.strip_suffix(end)
            .is_some_and(|front| front.is_empty() || front.ends_with('/'))
    };
    [".git/config", ".git/config.worktree", ".gitconfig", ".gitmodules"]
        .iter()
        .any(|end| named(end))
}

/// Judges the settings.
pub(crate) fn judge(scan: &mut Scan<'_>, text: &str) {
    let (mut at, mut section) = (0_u64, String::new());
    for line in text.split_inclusive('\n') {
        let here = at;
        at += line.len() as u64;
        let mut rest = line.trim();
        // A key may stand in the line of its section.
        if let Some((name, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            section = name.to_lowercase();
            rest = after.trim();
        }
        let Some((key, value)) = rest.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim().to_lowercase(), value.trim().trim_matches('"'));
        if runs(&section, &key, value) {
            let what = format!(
                "git runs `{}` for its setting `{}`",
                shown(value.as_bytes(), 100),
                shown(key.as_bytes(), 50)
            );
            scan.find(&rule::COMMAND, Verdict::Suspicious, here, &key, what);
        }
    }
}

fn runs(section: &str, key: &str, value: &str) -> bool {
    let large_files = value.starts_with("git-lfs ") || value.starts_with("git lfs ");
    match key {
        "fsmonitor" => !matches!(value, "true" | "false" | "yes" | "no" | "1" | "0" | ""),
        "smudge" | "clean" | "process" => section.starts_with("filter") && !large_files,
        // A helper by name is git's own; by path or behind a mark it is a command.
        "helper" => value.starts_with(['!', '/', '.', '~']),
        "update" => value.starts_with('!'),
        "url" => value.starts_with("ext::") || value.starts_with('-'),
        // What another file says is not here.
        "path" if section.starts_with("include") => true,
        "path" => section.starts_with("submodule") && crate::format::leads_out(value),
        _ if section.starts_with("alias") => value.starts_with('!'),
        _ => COMMANDS.contains(&key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_git_runs_and_those_of_every_clone() {
        for (section, key, value) in [
            ("core", "fsmonitor", "sh -c id"),
            ("core", "sshcommand", "/tmp/x.sh"),
            ("filter \"lfs\"", "smudge", "sh -c id"),
            ("credential", "helper", "!f() { id; }; f"),
            ("alias", "st", "!id"),
            ("submodule \"x\"", "update", "!id"),
            ("remote \"origin\"", "url", "ext::sh -c id"),
            ("include", "path", "../evil"),
        ] {
            assert!(runs(section, key, value), "{section} {key} {value}");
        }
        for (section, key, value) in [
            ("core", "fsmonitor", "true"),
            ("core", "repositoryformatversion", "0"),
            ("filter \"lfs\"", "smudge", "git-lfs smudge -- %f"),
            ("credential", "helper", "store"),
            ("remote \"origin\"", "url", "https://huggingface.co/x/y"),
            ("submodule \"x\"", "path", "deps/x"),
            ("alias", "st", "status -s"),
        ] {
            assert!(!runs(section, key, value), "{section} {key} {value}");
        }
        assert!(is_one("m/.git/config") && is_one(".gitmodules") && is_one("x.tar!.git/config"));
        assert!(!is_one("my.git/config") && !is_one("config"));
    }
}
