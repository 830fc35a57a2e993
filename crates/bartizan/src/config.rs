//! The configuration: found, read, checked with places, resolved. The command owns the file; each shell crate owns what
//! it is resolved to.
//!
//! Never looked for in the working directory: that is the agent's to write. Reading yields a whole new value or every
//! error at once, never half a configuration.

pub(crate) mod diagnose;
pub(crate) mod egress;
pub(crate) mod file;
pub(crate) mod oauth;
pub(crate) mod peer;
pub(crate) mod reference;
pub(crate) mod resolve;
pub(crate) mod scope;
pub(crate) mod signing;

use std::path::{Path, PathBuf};

use crate::{cli::Global, exit::Exit, failure::Failure};
use file::ConfigFile;

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A configuration file as read, or the defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loaded {
    /// What it says.
    pub(crate) file: ConfigFile,
    /// Where it came from; `None` are the defaults.
    pub(crate) path: Option<PathBuf>,
    /// Its text, for diagnostics.
    pub(crate) text: String,
}

/// How much of a file was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grasp {
    /// All of it.
    Whole,
    /// What could be read of a file that is wrong.
    Part,
}

impl Loaded {
    /// The file that `--config` names, else the one in the XDG config home, else the defaults.
    pub(crate) fn find(global: &Global) -> Result<Self, Failure> {
        if let Some(path) = &global.config {
            return Self::read(path);
        }
        match default_path().filter(|path| path.exists()) {
            Some(path) => Self::read(&path),
            None => Ok(Self::default()),
        }
    }

    /// As [`Loaded::find`], for verbs that only have to know where the state is: of a file that is wrong they are warned, and
    /// go by what of it can be read. A kill switch must not hang on the spelling of a budget.
    pub(crate) fn grasp(global: &Global) -> Result<(Self, Grasp), Failure> {
        let failure = match Self::find(global) {
            Ok(loaded) => return Ok((loaded, Grasp::Whole)),
            Err(failure) => failure,
        };
        let path = global.config.clone().or_else(default_path);
        let file = match path.as_deref().and_then(short_text) {
            Some(text) => salvaged(&text),
            // Nothing is known of a file that can't be read, so only the command line can say where the state is.
            None if global.state.is_some() => ConfigFile::default(),
            None => return Err(failure),
        };
        let loaded = Self {
            file,
            path,
            text: String::new(),
        };
        // A verb may look for the state more than once.
        static TOLD: std::sync::Once = std::sync::Once::new();
        TOLD.call_once(|| {
            crate::output(global).remark(&format!(
                "warning: {}; this command goes by what of it can be read, `bartizan config check` says more",
                failure.in_words()
            ));
        });
        Ok((loaded, Grasp::Part))
    }

    /// This file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let fault = |message: String| Failure::new(Exit::Config, message);
        let shown = path.display();
        let size = std::fs::metadata(path)
            .map_err(|error| fault(format!("the configuration `{shown}` can't be read")).because(error))?
            .len();
        if size > FILE_BYTES_MAX {
            return Err(fault(format!(
                "the configuration `{shown}` has {size} bytes, the limit is {FILE_BYTES_MAX}"
            )));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| fault(format!("the configuration `{shown}` can't be read")).because(error))?;
        let file = diagnose::parse(&shown.to_string(), &text)?;
        Ok(Self {
            file,
            path: Some(path.to_owned()),
            text,
        })
    }

    /// What relative paths in the file are relative to.
    pub(crate) fn base(&self) -> PathBuf {
        let parent = self.path.as_deref().and_then(Path::parent);
        parent
            .filter(|parent| !parent.as_os_str().is_empty())
            .map_or_else(|| PathBuf::from("."), Path::to_owned)
    }

    /// How the file is called in messages.
    pub(crate) fn name(&self) -> String {
        self.path
            .as_ref()
            .map_or_else(|| "defaults".to_owned(), |path| path.display().to_string())
    }
}

/// The text of a file within the bound.
fn short_text(path: &Path) -> Option<String> {
    let size = std::fs::metadata(path).ok()?.len();
    (size <= FILE_BYTES_MAX)
        .then(|| std::fs::read_to_string(path).ok())
        .flatten()
}

/// Every top-level key that is right by itself. Where the text is no TOML, the tables that say where the state is and how
/// it is opened, if they are by themselves.
fn salvaged(text: &str) -> ConfigFile {
    let table = toml::from_str::<toml::Table>(text).unwrap_or_else(|_| whole_tables(text));
    let read = |table: toml::Table| toml::Value::Table(table).try_into::<ConfigFile>();
    let mut kept = toml::Table::new();
    for (key, value) in table {
        let mut alone = toml::Table::new();
        alone.insert(key.clone(), value.clone());
        if read(alone).is_ok() {
            kept.insert(key, value);
        }
    }
    read(kept).unwrap_or_default()
}

/// The tables of a text that is no TOML which are TOML by themselves.
fn whole_tables(text: &str) -> toml::Table {
    const WANTED: [&str; 3] = ["[state]", "[ledger]", "[identity]"];
    let mut parts: Vec<String> = Vec::new();
    let mut wanted = false;
    for line in text.lines() {
        let head = line.split('#').next().unwrap_or_default().trim();
        if head.starts_with('[') {
            wanted = WANTED.contains(&head);
            if wanted {
                parts.push(String::new());
            }
        }
        if wanted && let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    let tables = parts
        .iter()
        .filter_map(|part| toml::from_str::<toml::Table>(part).ok());
    tables.flatten().collect()
}

fn default_path() -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    home.map(|home| home.join("bartizan/config.toml"))
}

#[cfg(test)]
mod tests;
