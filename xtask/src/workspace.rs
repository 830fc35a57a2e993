//! Where the workspace is, which crates it has, and which ring each stands in.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// A crate's ring: what it may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    /// Bytes, values, `now` and a seed in; values out.
    Core,
    /// Owns sockets, files, clocks, tasks; decides nothing.
    Shell,
    /// May use anything; nothing depends on it.
    Assurance,
    /// The command and the tasks.
    Edge,
}

/// One row of the table of allowed arrows.
pub(crate) struct Place {
    /// The package's name.
    pub(crate) name: &'static str,
    /// Its ring.
    pub(crate) ring: Ring,
    /// What it may depend on besides `bartizan-types`; `None` is everything.
    pub(crate) may_use: Option<&'static [&'static str]>,
}

const fn place(name: &'static str, ring: Ring, may_use: &'static [&'static str]) -> Place {
    Place {
        name,
        ring,
        may_use: Some(may_use),
    }
}

const fn open(name: &'static str, ring: Ring) -> Place {
    Place {
        name,
        ring,
        may_use: None,
    }
}

/// The rings and their arrows. A crate that is not here may not be in the workspace.
pub(crate) const PLACES: &[Place] = &[
    place("bartizan-types", Ring::Core, &[]),
    place("bartizan-wire", Ring::Core, &[]),
    place("bartizan-identity", Ring::Core, &[]),
    place("bartizan-policy", Ring::Core, &[]),
    place("bartizan-flow", Ring::Core, &[]),
    place("bartizan-inspect", Ring::Core, &[]),
    place("bartizan-classify", Ring::Core, &[]),
    place("bartizan-ledger", Ring::Core, &[]),
    place("bartizan-mcp", Ring::Core, &["bartizan-wire"]),
    place(
        "bartizan-guard",
        Ring::Core,
        &["bartizan-policy", "bartizan-flow", "bartizan-ledger"],
    ),
    place("bartizan-watch", Ring::Core, &["bartizan-ledger"]),
    place("bartizan-respond", Ring::Core, &["bartizan-policy"]),
    place("bartizan-artifact", Ring::Core, &["bartizan-inspect"]),
    place("bartizan-privacy", Ring::Core, &[]),
    place(
        "bartizan-prove",
        Ring::Core,
        &["bartizan-policy", "bartizan-flow"],
    ),
    place(
        "bartizan-store",
        Ring::Shell,
        &[
            "bartizan-ledger",
            "bartizan-watch",
            "bartizan-respond",
            "bartizan-privacy",
        ],
    ),
    place(
        "bartizan-gateway",
        Ring::Shell,
        &[
            "bartizan-wire",
            "bartizan-identity",
            "bartizan-inspect",
            "bartizan-classify",
            "bartizan-flow",
            "bartizan-policy",
            "bartizan-guard",
            "bartizan-privacy",
            "bartizan-store",
            "bartizan-mcp",
        ],
    ),
    place(
        "bartizan-sandbox",
        Ring::Shell,
        &["bartizan-artifact", "bartizan-store"],
    ),
    place(
        "bartizan-console",
        Ring::Shell,
        &["bartizan-store", "bartizan-policy", "bartizan-respond"],
    ),
    place("bartizan-pentest", Ring::Assurance, &["bartizan-wire"]),
    place("bartizan-robust", Ring::Assurance, &["bartizan-artifact"]),
    open("bartizan-sim", Ring::Assurance),
    open("bartizan-bench", Ring::Assurance),
    open("bartizan", Ring::Edge),
    place("xtask", Ring::Edge, &[]),
];

/// The row of a package.
pub(crate) fn place_of(name: &str) -> Option<&'static Place> {
    PLACES.iter().find(|place| place.name == name)
}

/// The folder of a crate under `crates/`, from the root; `None` before the crate appears.
pub(crate) fn folder_of(place: &Place) -> Option<String> {
    let folder = format!("crates/{}", place.name.trim_start_matches("bartizan-"));
    root().join(&folder).is_dir().then_some(folder)
}

/// The workspace's root: the folder above this crate's.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The folder cargo builds into.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A path inside the workspace, as it is printed: with forward slashes, from the root.
pub(crate) fn shown(path: &Path) -> String {
    let root = root();
    path.strip_prefix(&root)
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/")
}

/// What `cargo metadata` says, as far as we read it.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// The workspace's packages, and with a resolve all others.
    pub(crate) packages: Vec<Package>,
    /// Ids of the workspace's own.
    pub(crate) workspace_members: Vec<String>,
    /// The resolved graph; absent with `--no-deps`.
    pub(crate) resolve: Option<Resolve>,
}

/// A package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A direct dependency as the manifest names it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// What the code calls it, if not by its name.
    pub(crate) rename: Option<String>,
    /// `None` is a normal one; else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

/// The resolved graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

/// One package of the resolved graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<NodeDependency>,
}

/// An edge of the resolved graph.
#[derive(Debug, Deserialize)]
pub(crate) struct NodeDependency {
    pub(crate) pkg: String,
    pub(crate) dep_kinds: Vec<DependencyKind>,
}

/// Why an edge is there.
#[derive(Debug, Deserialize)]
pub(crate) struct DependencyKind {
    pub(crate) kind: Option<String>,
}

/// Runs `cargo metadata` with `extra` arguments.
pub(crate) fn metadata(extra: &[&str]) -> Result<Metadata, Vec<String>> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(extra)
        .output()
        .map_err(|fault| vec![format!("`cargo metadata` does not start: {fault}")])?;
    if !output.status.success() {
        return Err(vec![format!(
            "`cargo metadata`: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )]);
    }
    serde_json::from_slice(&output.stdout).map_err(|fault| vec![format!("`cargo metadata`: {fault}")])
}

/// The files git tracks or would add, with one of `extensions`; generated and ignored ones are left out.
pub(crate) fn files(extensions: &[&str]) -> Result<Vec<PathBuf>, Vec<String>> {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .output()
        .map_err(|fault| vec![format!("`git ls-files` does not start: {fault}")])?;
    if !output.status.success() {
        return Err(vec![format!(
            "`git ls-files`: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )]);
    }
    let listing = String::from_utf8_lossy(&output.stdout);
    let mut found: Vec<PathBuf> = listing
        .split('\0')
        .filter(|name| extensions.iter().any(|extension| name.ends_with(extension)))
        .map(|name| root().join(name))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.dedup();
    if found.is_empty() {
        return Err(vec![format!("no file with {extensions:?} is in the repository")]);
    }
    Ok(found)
}
