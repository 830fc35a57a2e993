//! Where a path lies: in the workspace, in a part of it that others act on, or elsewhere.
//!
//! By its text alone: a symbolic link is not seen, so making one counts as writing to what it points at.

use serde::{Deserialize, Serialize};

/// Where a coding agent works, as its own client tells it, and what its operator lets it run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    /// The project's folder, absolute. Without it, nothing is in the workspace.
    #[serde(default)]
    pub root: String,
    /// The current folder, absolute.
    #[serde(default)]
    pub cwd: String,
    /// Programs that the operator lets this agent run unasked, as `cargo` or `npm test`.
    #[serde(default)]
    pub may_run: Vec<String>,
}

/// Folders from which a relative path may start: `cd` may have happened or failed.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    root: Option<String>,
    bases: Vec<String>,
    lost: bool,
}

/// Most folders that one line may change to.
const BASES: usize = 8;

/// Names that other programs obey: what is written there runs, or tells agents what to do, later and elsewhere.
const PROTECTED: &[&str] = &[
    ".git",
    ".githooks",
    ".gitmodules",
    ".gitattributes",
    ".gitconfig",
    ".husky",
    ".github",
    ".gitlab-ci.yml",
    ".circleci",
    ".buildkite",
    ".travis.yml",
    "azure-pipelines.yml",
    "jenkinsfile",
    ".pre-commit-config.yaml",
    ".claude",
    ".claude.json",
    ".cursor",
    ".cursorrules",
    ".gemini",
    ".codex",
    ".agents",
    ".windsurf",
    ".windsurfrules",
    ".mcp.json",
    "mcp.json",
    "agents.md",
    "claude.md",
    "claude.local.md",
    "gemini.md",
    ".vscode",
    ".idea",
    ".zed",
    ".devcontainer",
    ".devcontainer.json",
    ".envrc",
    ".env",
    ".direnv",
    ".ssh",
    ".gnupg",
    ".aws",
    ".kube",
    ".docker",
    ".cargo",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".pypirc",
    ".netrc",
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".config",
    ".local",
    ".bartizan",
    "bartizan.toml",
    "sitecustomize.py",
    "usercustomize.py",
];

/// Names of files and folders that hold credentials.
const SECRET: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".gcloud",
    ".kube",
    ".docker",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".my.cnf",
    ".git-credentials",
    ".npmrc",
    ".pypirc",
    ".yarnrc.yml",
    ".vault-token",
    ".htpasswd",
    "shadow",
    "environ",
    "credentials",
    "credentials.json",
    "credentials.toml",
    "secrets",
    "secrets.json",
    "secrets.yaml",
    "secrets.yml",
    "secrets.toml",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".bash_history",
    ".zsh_history",
    ".python_history",
    "keychains",
    "login.keychain-db",
    "wallet.dat",
    "hosts.yml",
    "application_default_credentials.json",
    "service-account.json",
    "terraform.tfstate",
    ".envrc",
];

impl Workspace {
    pub(crate) fn places(&self) -> Places {
        let root = absolute(&self.root).filter(|root| root != "/");
        let cwd = absolute(&self.cwd);
        Places {
            root,
            lost: cwd.is_none(),
            bases: cwd.into_iter().collect(),
        }
    }
}

impl Places {
    /// An ordinary file of the workspace, wherever relative paths start: changing it changes nothing else.
    pub(crate) fn within(&self, path: &str) -> bool {
        let Some(root) = &self.root else { return false };
        if path.starts_with('~') || path.is_empty() || self.lost && !path.starts_with('/') {
            return false;
        }
        self.all(path).iter().all(|place| {
            place
                .strip_prefix(root.as_str())
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|inside| {
                    !inside.split('/').any(|part| {
                        PROTECTED.contains(&part.to_lowercase().as_str())
                            || part.to_lowercase().starts_with(".env")
                    })
                })
        })
    }

    /// The folder may be this one from here on.
    pub(crate) fn enter(&mut self, path: Option<&str>) {
        let known = path.filter(|path| !path.starts_with('~') && !path.starts_with('-') && !path.is_empty());
        let Some(path) = known.filter(|_| self.bases.len() < BASES) else {
            self.lost = true;
            return;
        };
        for place in self.all(path) {
            if !self.bases.contains(&place) {
                self.bases.push(place);
            }
        }
        self.lost |= self.bases.len() > BASES;
    }

    fn all(&self, path: &str) -> Vec<String> {
        if path.starts_with('/') {
            return absolute(path).into_iter().collect();
        }
        self.bases
            .iter()
            .filter_map(|base| absolute(&format!("{base}/{path}")))
            .collect()
    }
}

/// An absolute path without `.` and `..`; none if it is not one. Above the root is the root, as for a kernel.
fn absolute(path: &str) -> Option<String> {
    if !path.starts_with('/') || path.len() > 4096 {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// By its name, it may hold credentials.
pub(crate) fn is_secret(path: &str) -> bool {
    path.to_lowercase().split('/').any(|part| {
        let template = ["example", "sample", "template", "dist"]
            .iter()
            .any(|end| part.ends_with(end));
        SECRET.contains(&part)
            || part.starts_with(".env") && !template
            || [
                ".pem",
                ".key",
                ".p12",
                ".pfx",
                ".jks",
                ".keystore",
                ".kdbx",
                ".ppk",
                ".tfstate",
            ]
            .iter()
            .any(|end| part.ends_with(end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(root: &str, cwd: &str) -> Places {
        Workspace {
            root: root.into(),
            cwd: cwd.into(),
            may_run: Vec::new(),
        }
        .places()
    }

    #[test]
    fn only_ordinary_files_of_the_workspace_are_within() {
        let places = at("/home/ann/app", "/home/ann/app/src");
        for inside in ["main.rs", "./a/b.rs", "../Cargo.toml", "/home/ann/app/x"] {
            assert!(places.within(inside), "{inside}");
        }
        for outside in [
            "..",
            ".",
            "../..",
            "../../x",
            "/home/ann/apple/x",
            "/home/ann/app",
            "/etc/passwd",
            "~/x",
            "~",
            "",
            "../.git/config",
            ".GIT/hooks/pre-commit",
            "../.github/workflows/a.yml",
            "x/.env.local",
            "../CLAUDE.md",
            "/home/ann/app/../x",
            "../.claude/settings.json",
            "../src/../../b",
        ] {
            let own = outside == "." || outside == "..";
            assert!(!places.within(outside) || own, "{outside}");
        }
    }

    #[test]
    fn without_a_root_or_a_folder_nothing_is_within() {
        assert!(!at("", "/a").within("x"));
        assert!(!at("/", "/a").within("x"));
        assert!(!at("relative", "/a").within("x"));
        assert!(!at("/a", "").within("x"));
        assert!(at("/a", "").within("/a/x"));
    }

    #[test]
    fn a_change_of_folder_may_have_failed() {
        let mut places = at("/a", "/a");
        places.enter(Some("/tmp"));
        assert!(!places.within("x"));
        let mut places = at("/a", "/a");
        places.enter(Some("sub"));
        assert!(places.within("x") && !places.within("../x"));
        places.enter(None);
        assert!(!places.within("x") && places.within("/a/x"));
    }

    #[test]
    fn credentials_are_known_by_their_names() {
        for secret in [
            "/home/a/.ssh/id_ed25519",
            ".env",
            "app/.env.production",
            "x/server.pem",
            "/proc/self/environ",
            "~/.aws/credentials",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for plain in [".env.example", "src/main.rs", "keys.rs", "environment.md"] {
            assert!(!is_secret(plain), "{plain}");
        }
    }
}
