//! `xtask/exceptions.toml`: what may break a rule, and why.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::workspace;

const FILE: &str = "xtask/exceptions.toml";

/// The file's shape.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Files longer than the limit.
    #[serde(default)]
    file: Vec<Exception>,
    /// Functions longer than the limit; `name` says which.
    #[serde(default)]
    function: Vec<Exception>,
    /// Files that open connections or start processes though they are not the upstream module.
    #[serde(default)]
    egress: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    path: String,
    /// The function; or for egress the call that is excused.
    #[serde(default)]
    name: String,
    reason: String,
}

/// The exceptions, and which of them were needed.
pub(crate) struct Exceptions {
    listed: BTreeSet<(Rule, String, String)>,
    used: BTreeSet<(Rule, String, String)>,
}

/// Which rule an exception is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// The length of a file.
    File,
    /// The length of a function.
    Function,
    /// Who may reach out.
    Egress,
}

impl Exceptions {
    /// Whether `path` (and `name` in it) is excused from `rule`.
    pub(crate) fn excuse(&mut self, rule: Rule, path: &str, name: &str) -> bool {
        let key = (rule, path.to_owned(), name.to_owned());
        let listed = self.listed.contains(&key);
        if listed {
            self.used.insert(key);
        }
        listed
    }

    /// Exceptions that excused nothing.
    pub(crate) fn stale(&self) -> Vec<String> {
        self.listed
            .difference(&self.used)
            .map(|(rule, path, name)| {
                format!("{FILE}: {rule:?} exception for `{path}` `{name}` excuses nothing")
            })
            .collect()
    }
}

/// Reads the file; an exception without a reason is refused.
pub(crate) fn load() -> Result<Exceptions, Vec<String>> {
    let text = std::fs::read_to_string(workspace::root().join(FILE))
        .map_err(|fault| vec![format!("{FILE}: {fault}")])?;
    parse(&text)
}

fn parse(text: &str) -> Result<Exceptions, Vec<String>> {
    let listed: Listed = toml::from_str(text).map_err(|fault| vec![format!("{FILE}: {fault}")])?;
    let mut keys = BTreeSet::new();
    let mut problems = Vec::new();
    let rules = [
        (Rule::File, listed.file),
        (Rule::Function, listed.function),
        (Rule::Egress, listed.egress),
    ];
    for (rule, exceptions) in rules {
        for exception in exceptions {
            if exception.reason.trim().len() < 15 {
                problems.push(format!(
                    "{FILE}: `{}` needs a reason that explains",
                    exception.path
                ));
            }
            keys.insert((rule, exception.path, exception.name));
        }
    }
    if problems.is_empty() {
        Ok(Exceptions {
            listed: keys,
            used: BTreeSet::new(),
        })
    } else {
        Err(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_excuses_only_what_it_names_and_goes_stale() {
        let text = "[[function]]\npath = \"a.rs\"\nname = \"b\"\nreason = \"a table that reads top down\"\n";
        let mut exceptions = parse(text).expect("parses");
        assert!(!exceptions.excuse(Rule::Function, "a.rs", "c"));
        assert!(!exceptions.excuse(Rule::File, "a.rs", "b"));
        assert_eq!(exceptions.stale().len(), 1);
        assert!(exceptions.excuse(Rule::Function, "a.rs", "b"));
        assert!(exceptions.stale().is_empty());
    }

    #[test]
    fn a_reason_is_required() {
        assert!(parse("[[file]]\npath = \"a.rs\"\nreason = \"long\"\n").is_err());
        assert!(parse("[[file]]\npath = \"a.rs\"\n").is_err());
    }
}
