//! Lengths: 800 lines for a file, 70 for a function, tests aside.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::exceptions::{Exceptions, Rule};
use crate::source::Source;
use crate::workspace;

const FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 70;

/// A Rust file of ours.
pub(crate) struct File {
    /// From the root, with forward slashes.
    pub(crate) path: String,
    /// Blanked.
    pub(crate) source: Source,
    /// Whether the whole file is test code.
    pub(crate) tests: bool,
}

/// Reads every Rust file of the repository.
pub(crate) fn rust_sources() -> Result<Vec<File>, Vec<String>> {
    let mut files = Vec::new();
    for path in workspace::files(&[".rs"])? {
        let text = read(&path)?;
        let shown = workspace::shown(&path);
        let tests = is_test_path(&shown);
        files.push(File {
            path: shown,
            source: Source::new(&text),
            tests,
        });
    }
    let test_files: BTreeSet<String> = files
        .iter()
        .flat_map(|file| {
            file.source
                .test_modules()
                .into_iter()
                .map(|name| module_path(&file.path, name))
        })
        .collect();
    for file in &mut files {
        file.tests |= test_files.contains(&file.path);
    }
    Ok(files)
}

/// Where the module `name` that `parent` declares stands: beside a root, else in the folder of the parent's name.
fn module_path(parent: &str, name: &str) -> String {
    let stem = parent.strip_suffix(".rs").unwrap_or(parent);
    let folder = match stem.rsplit_once('/') {
        Some((folder, "lib" | "main")) => folder,
        _ => stem,
    };
    format!("{folder}/{name}.rs")
}

fn read(path: &PathBuf) -> Result<String, Vec<String>> {
    std::fs::read_to_string(path).map_err(|fault| vec![format!("{}: {fault}", path.display())])
}

fn is_test_path(path: &str) -> bool {
    let path = Path::new(path);
    path.file_stem()
        .is_some_and(|stem| stem == "tests" || stem.to_string_lossy().ends_with("_tests"))
        || path.components().any(|part| part.as_os_str() == "tests")
}

/// Checks lengths.
pub(crate) fn check(files: &[File], exceptions: &mut Exceptions) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| !file.tests) {
        let lines = file.source.lines_without_tests();
        if lines > FILE_LINES && !exceptions.excuse(Rule::File, &file.path, "") {
            problems.push(format!(
                "{}: {lines} lines without tests, the limit is {FILE_LINES}",
                file.path
            ));
        }
        for function in file.source.functions() {
            if function.lines > FUNCTION_LINES
                && !exceptions.excuse(Rule::Function, &file.path, &function.name)
            {
                problems.push(format!(
                    "{}:{}: `{}` has {} lines, the limit is {FUNCTION_LINES}",
                    file.path, function.line, function.name, function.lines
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_modules_stand_beside_their_root_or_under_their_parent() {
        assert_eq!(
            module_path("crates/a/src/lib.rs", "fixture"),
            "crates/a/src/fixture.rs"
        );
        assert_eq!(
            module_path("crates/a/src/b.rs", "fixture"),
            "crates/a/src/b/fixture.rs"
        );
    }

    #[test]
    fn test_files_are_known_by_their_path() {
        assert!(is_test_path("crates/guard/tests/forge.rs"));
        assert!(is_test_path("crates/guard/src/crossing/tests.rs"));
        assert!(is_test_path("crates/guard/src/tests/matrix.rs"));
        assert!(!is_test_path("crates/guard/src/contests.rs"));
        assert!(!is_test_path("xtask/src/test.rs"));
    }
}
