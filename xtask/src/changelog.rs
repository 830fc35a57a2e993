//! Changelog fragments: one file per change a user notices, folded into CHANGELOG.md at a release.
//!
//! `changelog.d/SLUG.KIND.md` holds one or more list items; KIND is one of [`KINDS`]. Fragments never conflict
//! in a merge, which is why they are files.

use std::path::PathBuf;

use crate::{Outcome, outcome, workspace};

const FOLDER: &str = "changelog.d";
const FILE: &str = "CHANGELOG.md";
const MARK: &str = "<!-- releases -->\n";
/// In the order they are printed.
const KINDS: &[(&str, &str)] = &[
    ("security", "Security"),
    ("breaking", "Breaking"),
    ("added", "Added"),
    ("changed", "Changed"),
    ("fixed", "Fixed"),
    ("removed", "Removed"),
];

/// Names and shapes of the fragments there are.
pub(crate) fn check() -> Vec<String> {
    let mut problems = Vec::new();
    for (path, name) in fragments() {
        if kind_of(&name).is_none() {
            problems.push(format!(
                "{FOLDER}/{name}: name it SLUG.KIND.md, KIND one of {}",
                kinds()
            ));
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if !text.starts_with("- ") {
            problems.push(format!("{FOLDER}/{name}: starts with `- `"));
        }
    }
    problems
}

/// Folds the fragments into a section for `version`, dated `date`, and removes them.
pub(crate) fn release(version: &str, date: &str) -> Outcome {
    outcome(check())?;
    let file = workspace::root().join(FILE);
    let text = std::fs::read_to_string(&file).map_err(|fault| vec![format!("{FILE}: {fault}")])?;
    let fragments = fragments();
    let mut parts = Vec::new();
    for (path, name) in &fragments {
        let text = std::fs::read_to_string(path).map_err(|fault| vec![format!("{name}: {fault}")])?;
        parts.push((name.clone(), text));
    }
    let folded = fold(&text, version, date, &parts).map_err(|fault| vec![fault])?;
    std::fs::write(&file, folded).map_err(|fault| vec![format!("{FILE}: {fault}")])?;
    let problems = fragments
        .iter()
        .filter_map(|(path, name)| {
            std::fs::remove_file(path)
                .err()
                .map(|fault| format!("{name}: {fault}"))
        })
        .collect();
    outcome(problems)
}

fn fold(text: &str, version: &str, date: &str, parts: &[(String, String)]) -> Result<String, String> {
    let Some((head, tail)) = text.split_once(MARK) else {
        return Err(format!("{FILE} has no line `{}`", MARK.trim_end()));
    };
    if parts.is_empty() {
        return Err(format!(
            "{FOLDER} has no fragment, so there is nothing to release"
        ));
    }
    let mut section = format!("\n## {version} ({date})\n");
    for (kind, title) in KINDS {
        let items: String = parts
            .iter()
            .filter(|(name, _)| kind_of(name) == Some(kind))
            .map(|(_, text)| format!("{}\n", text.trim_end()))
            .collect();
        if !items.is_empty() {
            section.push_str(&format!("\n### {title}\n\n{items}"));
        }
    }
    Ok(format!("{head}{MARK}{section}{tail}"))
}

fn fragments() -> Vec<(PathBuf, String)> {
    let Ok(folder) = std::fs::read_dir(workspace::root().join(FOLDER)) else {
        return Vec::new();
    };
    let mut found: Vec<_> = folder
        .filter_map(Result::ok)
        .map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()))
        .filter(|(_, name)| name != "README.md")
        .collect();
    found.sort();
    found
}

fn kind_of(name: &str) -> Option<&'static str> {
    let (slug, kind) = name.strip_suffix(".md")?.rsplit_once('.')?;
    let known = KINDS.iter().find(|(known, _)| *known == kind)?;
    (!slug.is_empty()).then_some(known.0)
}

fn kinds() -> String {
    KINDS.iter().map(|(kind, _)| *kind).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_folded_by_kind_above_older_releases() {
        let parts = [
            ("crossing.added.md".to_owned(), "- b\n".to_owned()),
            ("keys.security.md".to_owned(), "- a\n".to_owned()),
        ];
        let text = fold(
            "# Log\n<!-- releases -->\n\n## 0.0.1 (x)\n",
            "0.1.0",
            "2026-11-22",
            &parts,
        )
        .expect("folds");
        assert_eq!(
            text,
            "# Log\n<!-- releases -->\n\n## 0.1.0 (2026-11-22)\n\n### Security\n\n- a\n\n### Added\n\n- b\n\n## 0.0.1 (x)\n"
        );
        assert!(fold("# Log\n", "0.1.0", "x", &parts).is_err());
        assert!(fold("<!-- releases -->\n", "0.1.0", "x", &[]).is_err());
    }

    #[test]
    fn names_carry_a_known_kind() {
        assert_eq!(kind_of("a.b.fixed.md"), Some("fixed"));
        assert_eq!(kind_of("a.md"), None);
        assert_eq!(kind_of("a.feature.md"), None);
    }
}
