//! House names and the few attributes clippy has no word for.

use std::path::Path;

use super::sizes::File;
use crate::workspace::{PLACES, Ring};

const FILE_NAMES: &[&str] = &["utils", "util", "common", "helpers", "misc", "mod"];
const TYPE_ENDINGS: &[&str] = &["Manager", "Helper", "Utils"];
/// What every core crate's root denies, so that hostile input can't end the process.
const CORE_DENIES: &[&str] = &[
    "clippy::unwrap_used",
    "clippy::expect_used",
    "clippy::panic",
    "clippy::indexing_slicing",
];

/// Checks names, glob imports and the core crates' lint headers.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        let stem = Path::new(&file.path)
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        if stem.is_some_and(|stem| FILE_NAMES.contains(&stem.as_str())) && !file.tests {
            problems.push(format!("{}: a file is named after what it holds", file.path));
        }
        if !file.tests {
            for (line, code) in file.source.code_lines() {
                problems.extend(of_line(code).map(|problem| format!("{}:{line}: {problem}", file.path)));
            }
        }
    }
    problems.extend(core_headers(files));
    problems
}

fn of_line(code: &str) -> Option<String> {
    let code = code.trim_start();
    let statement = code.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    if statement.starts_with("use ") && statement.trim_end().ends_with("::*;") {
        return Some("no glob imports".to_owned());
    }
    let mut words = code
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let named = match word {
            "fn" | "struct" | "enum" | "trait" | "type" => words.next()?,
            _ => continue,
        };
        if word == "fn" && named.starts_with("get_") {
            return Some(format!("`{named}`: no `get_`"));
        }
        if TYPE_ENDINGS.iter().any(|ending| named.ends_with(ending)) {
            return Some(format!("`{named}`: say what it is"));
        }
    }
    None
}

fn core_headers(files: &[File]) -> Vec<String> {
    let mut problems = Vec::new();
    for place in PLACES.iter().filter(|place| place.ring == Ring::Core) {
        let path = format!("crates/{}/src/lib.rs", place.name.trim_start_matches("bartizan-"));
        let Some(file) = files.iter().find(|file| file.path == path) else {
            continue;
        };
        let code: String = file.source.code_lines().map(|(_, line)| line).collect();
        for lint in CORE_DENIES {
            if !code.contains(lint) {
                problems.push(format!("{path}: core denies `{lint}`"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn house_names() {
        assert!(of_line("    use crate::*;").is_some());
        assert!(of_line("pub use crate::call::{Call, Permit};").is_none());
        assert!(of_line("    pub fn get_key(&self) {").is_some());
        assert!(of_line("    pub fn target_key(&self) {").is_none());
        assert!(of_line("struct KeyManager;").is_some());
        assert!(of_line("let x = y * z;").is_none());
    }
}
