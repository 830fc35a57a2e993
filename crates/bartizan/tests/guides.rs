//! The guides say what works: every policy and configuration in them loads, every policy test passes, and every command
//! line parses.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A fenced block of a page.
struct Block {
    page: String,
    language: String,
    text: String,
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages: Vec<PathBuf> = fs::read_dir(root.join("docs/guides"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .collect();
    pages.push(root.join("README.md"));
    pages.sort();
    pages
}

fn name(page: &Path) -> String {
    page.file_name().unwrap().to_string_lossy().into_owned()
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).unwrap();
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(language)) => {
                open = Some(Block {
                    page: name(page),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (None, None) => {}
        }
    }
    found
}

fn run(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_bartizan"))
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs what has to succeed; gives what it warned of.
fn good(block: &Block, arguments: &[&str]) -> String {
    let done = run(arguments);
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success(),
        "{}: {out}{err}\nof\n{}",
        block.page,
        block.text
    );
    err
}

#[test]
fn policies_configurations_and_policy_tests_in_the_guides_are_good() {
    let place = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = place.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (mut policies, mut settings, mut tests) = (0, 0, 0);
    for page in pages() {
        let blocks = blocks(&page);
        let cedar: String = blocks
            .iter()
            .filter(|block| block.language == "cedar")
            .map(|block| block.text.as_str())
            .collect();
        for block in &blocks {
            match block.language.as_str() {
                "cedar" => {
                    policies += 1;
                    let warned = good(block, &["policy", "check", &put("page.cedar", &block.text)]);
                    assert_eq!(warned, "", "{}: an example that we warn of", block.page);
                }
                "toml" if block.text.contains("[[test]]") => {
                    tests += 1;
                    let policy = put("page.cedar", &cedar);
                    let file = put("page.test.toml", &block.text);
                    good(block, &["policy", "test", &file, "--policy", &policy]);
                }
                // Files of scans: read there.
                "toml" if block.text.contains("[[suppress]]") || block.text.contains("[[column]]") => {}
                "toml" => {
                    settings += 1;
                    good(block, &["config", "check", &put("page.toml", &block.text)]);
                }
                _ => {}
            }
        }
    }
    assert!(
        policies >= 10 && settings >= 20 && tests >= 1,
        "{policies} {settings} {tests}"
    );
}

/// A command line of ours in a page, in words; `None` for a synopsis.
fn words(line: &str) -> Option<Vec<String>> {
    let ends = [" #", " | ", " < ", " > "].map(|end| line.find(end).unwrap_or(line.len()));
    let command = line.get(..ends.into_iter().min()?)?;
    if command.contains('[') {
        return None;
    }
    let mut words = Vec::new();
    let (mut word, mut quoted, mut any) = (String::new(), None, false);
    for c in command.trim().chars() {
        match (quoted, c) {
            (Some(quote), c) if c == quote => quoted = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quoted, any) = (Some(c), true),
            (None, ' ') => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (None, c) => word.push(c),
        }
    }
    words.push(word);
    Some(words)
}

#[test]
fn command_lines_in_the_guides_parse() {
    let mut parsed = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let whole = text.lines().filter_map(|line| {
            let line = line.trim_start().trim_start_matches("$ ");
            line.starts_with("bartizan ").then_some(line)
        });
        let inline = text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| code.starts_with("bartizan ") && !code.contains('\n'));
        for line in whole.chain(inline) {
            let Some(words) = words(line) else { continue };
            let ours: Vec<&str> = words
                .iter()
                .skip(1)
                .map(String::as_str)
                .take_while(|word| *word != "--")
                .collect();
            // Help answers before values are judged, and after options and verbs are.
            let done = run(&[&ours, &["--help"][..]].concat());
            let err = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(done.status.success(), "{}: `{line}`: {err}", name(&page));
            parsed += 1;
        }
    }
    assert!(parsed > 100, "{parsed} command lines found");
}

#[test]
fn the_page_of_the_policy_schema_names_all_of_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let schema = fs::read_to_string(root.join("crates/policy/schema.cedarschema")).unwrap();
    let page = fs::read_to_string(root.join("docs/reference/policy-schema.md")).unwrap();
    let mut names: Vec<&str> = Vec::new();
    let mut facts = false;
    for line in schema.lines().map(str::trim) {
        facts = (facts && line != "};") || line.starts_with("type Facts");
        if let Some(rest) = line.strip_prefix("entity ") {
            names.extend(rest.split([' ', ';']).next());
        } else if let Some(rest) = line.strip_prefix("action ") {
            let actions = rest.split(" appliesTo").next().unwrap_or(rest);
            names.extend(actions.split(',').map(str::trim));
        } else if facts && !line.starts_with("//") {
            names.extend(line.split_once(':').map(|(name, _)| name.trim_end_matches('?')));
        }
    }
    assert!(names.len() > 60, "{names:?}");
    for name in names {
        let named = page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}?`"));
        assert!(named, "docs/reference/policy-schema.md does not name `{name}`");
    }
}
