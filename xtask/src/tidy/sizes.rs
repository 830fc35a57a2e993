//! Lengths: 800 lines for a file, 70 for a function, tests aside.

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
    Ok(files)
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
    fn test_files_are_known_by_their_path() {
        assert!(is_test_path("crates/guard/tests/forge.rs"));
        assert!(is_test_path("crates/guard/src/crossing/tests.rs"));
        assert!(is_test_path("crates/guard/src/tests/matrix.rs"));
        assert!(!is_test_path("crates/guard/src/contests.rs"));
        assert!(!is_test_path("xtask/src/test.rs"));
    }
}
