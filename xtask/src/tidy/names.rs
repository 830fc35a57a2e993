//! House names and the few attributes clippy has no word for.

use std::path::Path;

use super::sizes::File;

const FILE_NAMES: &[&str] = &["utils", "util", "common", "helpers", "misc", "mod"];
const TYPE_ENDINGS: &[&str] = &["Manager", "Helper", "Utils"];
/// Names that others give: MCP's method `prompts/get` is the action `get_prompt` everywhere, and the Rust SDK asks a client
/// who it is by `get_info`.
const PROTOCOL_NAMES: &[&str] = &["get_prompt", "get_info"];

/// Checks names and glob imports.
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
        if word == "fn" && named.starts_with("get_") && !PROTOCOL_NAMES.contains(&named) {
            return Some(format!("`{named}`: no `get_`"));
        }
        if TYPE_ENDINGS.iter().any(|ending| named.ends_with(ending)) {
            return Some(format!("`{named}`: say what it is"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn house_names() {
        assert!(of_line("    use crate::*;").is_some());
        assert!(of_line("pub use crate::call::{Call, Permit};").is_none());
        assert!(of_line("    pub fn get_key(&self) {").is_some());
        assert!(of_line("    async fn get_prompt(&self) {").is_none());
        assert!(of_line("    pub fn target_key(&self) {").is_none());
        assert!(of_line("struct KeyManager;").is_some());
        assert!(of_line("let x = y * z;").is_none());
    }
}
