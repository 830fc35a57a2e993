//! Policy files on disk: found by pattern, read whole, loaded or refused with their places.

use std::path::{Path, PathBuf};

use bartizan_policy::{Pack, Policy, Source};

use crate::{config::diagnose, exit::Exit, failure::Failure};

/// Largest policy file, in bytes; the loader's own bound.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A policy file as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// Its path as text.
    pub(crate) name: String,
    /// What it says.
    pub(crate) text: String,
}

/// Files that the patterns match, each once, in order. A pattern that matches nothing is an error: a policy that is
/// silently absent is a policy that does not hold.
pub(crate) fn matching(patterns: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found: Vec<PathBuf> = Vec::new();
    for pattern in patterns {
        let text = pattern.display().to_string();
        let paths = glob::glob(&text)
            .map_err(|error| Failure::new(Exit::Config, format!("`{text}` is no pattern")).because(error))?;
        let before = found.len();
        for path in paths {
            let path = path.map_err(|error| {
                Failure::new(Exit::Config, format!("`{text}` can't be looked through"))
                    .because(std::io::Error::from(error))
            })?;
            if path.is_file() && !found.contains(&path) {
                found.push(path);
            }
        }
        if found.len() == before {
            return Err(
                Failure::new(Exit::Config, format!("no policy file matches `{text}`"))
                    .hint("a policy that is not there does not hold; take the pattern out if that is meant"),
            );
        }
    }
    Ok(found)
}

/// Reads files.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Text>, Failure> {
    let one = |path: &PathBuf| {
        let name = path.display().to_string();
        let fault = || Failure::new(Exit::Config, format!("the policy file `{name}` can't be read"));
        let size = std::fs::metadata(path)
            .map_err(|error| fault().because(error))?
            .len();
        if size > FILE_BYTES_MAX {
            let message = format!("the policy file `{name}` has {size} bytes, the limit is {FILE_BYTES_MAX}");
            return Err(Failure::new(Exit::Config, message));
        }
        let text = std::fs::read_to_string(path).map_err(|error| fault().because(error))?;
        Ok(Text { name, text })
    };
    paths.iter().map(one).collect()
}

/// Loads pack and files.
pub(crate) fn load(pack: Option<Pack>, texts: &[Text]) -> Result<Policy, Failure> {
    let sources: Vec<_> = texts
        .iter()
        .map(|one| Source {
            name: &one.name,
            text: &one.text,
        })
        .collect();
    Policy::load(pack, &sources).map_err(|diagnostics| {
        let reports = diagnose::policy_reports(&diagnostics, |name| text_of(texts, name));
        let count = diagnostics.len();
        let message = format!(
            "the policy does not load: {count} {}",
            if count == 1 { "fault" } else { "faults" }
        );
        Failure::new(Exit::Config, message)
            .hint("`bartizan policy show schema` prints the vocabulary")
            .reports(reports)
    })
}

/// A file's text by its name.
pub(crate) fn text_of<'a>(texts: &'a [Text], name: &str) -> Option<&'a str> {
    texts
        .iter()
        .find(|one| one.name == name)
        .map(|one| one.text.as_str())
}

/// What a file's change is seen by: time and size of every file that matters.
pub(crate) fn stamp(
    paths: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Vec<Option<(std::time::SystemTime, u64)>> {
    let one = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    paths.into_iter().map(|path| one(path.as_ref())).collect()
}
