//! That the papers are true: the tests that ARCHITECTURE.md names exist, and links between pages lead somewhere.

use std::path::Path;

use super::sizes::File;
use crate::source::Source;
use crate::workspace;

const MAP: &str = "ARCHITECTURE.md";
/// How many invariants there are; one more is added here and there.
const INVARIANTS: usize = 13;

/// Checks the map's invariants and every page's links.
pub(crate) fn check(sources: &[File]) -> Vec<String> {
    let mut problems = match std::fs::read_to_string(workspace::root().join(MAP)) {
        Ok(text) => invariants(&text, &|path, name| holds(sources, path, name)),
        Err(fault) => vec![format!("{MAP}: {fault}")],
    };
    problems.extend(links());
    problems
}

/// Every invariant names at least one test as `path::name`, and each of them is there.
fn invariants(text: &str, exists: &dyn Fn(&str, &str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with("Invariants"))
        .unwrap_or_default();
    let mut items: Vec<String> = Vec::new();
    for line in section.lines() {
        let number = items.len() + 1;
        if line.starts_with(&format!("{number}. ")) {
            items.push(String::new());
        }
        if let Some(item) = items.last_mut() {
            item.push_str(line);
            item.push('\n');
        }
    }
    if items.len() != INVARIANTS {
        problems.push(format!(
            "{MAP}: {} invariants where there are {INVARIANTS}",
            items.len()
        ));
    }
    for (index, item) in items.iter().enumerate() {
        let named: Vec<(&str, &str)> = item
            .split('`')
            .skip(1)
            .step_by(2)
            .filter_map(|quoted| quoted.rsplit_once("::"))
            .collect();
        let tests: Vec<_> = named.into_iter().filter(|(path, _)| path.contains('/')).collect();
        if tests.is_empty() {
            problems.push(format!("{MAP}: invariant {} names no test", index + 1));
        }
        for (path, name) in tests {
            if !exists(path, name) {
                problems.push(format!(
                    "{MAP}: invariant {}: there is no `{name}` in `{path}`",
                    index + 1
                ));
            }
        }
    }
    problems
}

fn holds(sources: &[File], path: &str, name: &str) -> bool {
    if let Some(file) = sources.iter().find(|file| file.path == path) {
        return file.source.declares(name);
    }
    let Ok(text) = std::fs::read_to_string(workspace::root().join(path)) else {
        return false;
    };
    text.contains(&format!("def {name}(")) || Source::new(&text).declares(name)
}

fn links() -> Vec<String> {
    let pages = match workspace::files(&[".md"]) {
        Ok(pages) => pages,
        Err(problems) => return problems,
    };
    let mut problems = Vec::new();
    for page in pages {
        let Ok(text) = std::fs::read_to_string(&page) else {
            continue;
        };
        let folder = page.parent().unwrap_or(Path::new("."));
        for target in targets(&text) {
            if !folder.join(&target).exists() {
                problems.push(format!(
                    "{}: link to `{target}` leads nowhere",
                    workspace::shown(&page)
                ));
            }
        }
    }
    problems
}

/// Relative targets of `](…)` outside code fences, without anchors.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for part in line.split("](").skip(1) {
            let Some((target, _)) = part.split_once(')') else {
                continue;
            };
            let target = target.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains(':') && !target.contains(' ') {
                found.push(target.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invariant_without_a_living_test_is_a_problem() {
        let text: String = std::iter::once("# Map\n\n## Invariants\n\n".to_owned())
            .chain((1..=INVARIANTS).map(|number| format!("{number}. Holds. `a/b.rs::c`\n")))
            .collect();
        assert!(invariants(&text, &|path, name| path == "a/b.rs" && name == "c").is_empty());
        assert_eq!(invariants(&text, &|_, _| false).len(), INVARIANTS);
        assert_eq!(
            invariants(&text.replacen("`a/b.rs::c`", "tests", 1), &|_, _| true).len(),
            1
        );
        assert_eq!(
            invariants(&text.replace("10. ", ""), &|_, _| true).len(),
            1,
            "a missing one is noticed"
        );
    }

    #[test]
    fn links_are_found_outside_code() {
        let text = "[a](b.md#c) [d](https://e)\n```\n[f](g.md)\n```\n[h](#i) [j](k/l.md)";
        assert_eq!(targets(text), ["b.md", "k/l.md"]);
    }
}
