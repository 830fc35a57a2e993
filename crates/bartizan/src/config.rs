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
