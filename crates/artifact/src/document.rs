//! Files of text: which of them something reads as a configuration, a recipe, a page or a list of packages, and which are
//! words for people. Words may show commands: nothing runs them.

use crate::{
    config, encoding,
    feed::{Feed, Stop},
    finding::{Verdict, shown},
    git, json, keras, objects, onnx, packages, pickle, program, prototxt, python, rule,
    scan::Scan,
    serving, shell,
    source::View,
    template, xml,
};

/// What a text is by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Json,
    Xml,
    Plain,
}

/// Parts of names of lists of words, in which any text may be one.
const VOCABULARIES: [&str; 6] = ["vocab", "merges", "tokens", "labels", "words", "dict"];

/// What in a text says that its reader makes objects of it.
const TAGGED: [&str; 5] = [
    "!!python/",
    "!python/",
    "tag:yaml.org,2002:python",
    "_target_:",
    "_target_\":",
];

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// People.
    Nobody,
    Template,
    Graph,
    Packages,
    /// A shell, `make`, a builder of images.
    Recipe,
    Json,
    JsonLines,
    Xml,
    Configuration,
    /// Rows of a data set.
    Table,
    Other,
}

/// The last part of a name, in lower case, and its ending.
fn named(name: &str) -> (String, String) {
    let last = name.rsplit(['/', '!']).next().unwrap_or_default().to_lowercase();
    let ending = last.rsplit_once('.').map_or("", |(_, ending)| ending).to_owned();
    (last, ending)
}

/// Whether a file of this name is written for people.
fn is_words(last: &str, ending: &str) -> bool {
    let stems = [
        "readme",
        "license",
        "licence",
        "copying",
        "copyright",
        "notice",
        "changelog",
        "changes",
        "authors",
        "contributing",
        "contributors",
        "citation",
        "code_of_conduct",
        "security",
        "model_card",
        "modelcard",
        "use_policy",
        "history",
    ];
    let stem = last.split('.').next().unwrap_or_default();
    matches!(
        ending,
        "md" | "markdown" | "mdx" | "rst" | "adoc" | "org" | "tex" | "bib" | "rtf" | "srt" | "vtt" | "po"
    ) || matches!(
        last,
        "metadata" | "pkg-info" | "record" | "wheel" | "installer" | "codeowners"
    ) || matches!(ending, "" | "txt") && stems.iter().any(|word| stem.starts_with(word))
}

fn is_recipe(last: &str, ending: &str) -> bool {
    let names = [
        "dockerfile",
        "containerfile",
        "makefile",
        "gnumakefile",
        "justfile",
        "procfile",
        "jenkinsfile",
        "vagrantfile",
        "snakefile",
        "postbuild",
        "cmakelists.txt",
        "apptainer",
        "singularity",
        "earthfile",
        "modelfile",
        "brewfile",
    ];
    names.iter().any(|name| {
        last.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
    }) || matches!(
        ending,
        "dockerfile" | "mk" | "make" | "cmake" | "def" | "just" | "smk" | "crontab" | "cron"
    )
}

fn reader(kind: Text, name: &str) -> Reader {
    let (last, ending) = named(name);
    if template::is_one(name) {
        return Reader::Template;
    }
    if is_words(&last, &ending) && kind != Text::Json {
        return Reader::Nobody;
    }
    match (kind, ending.as_str()) {
        (_, ending) if onnx::text::is_one(ending) => Reader::Graph,
        (_, "jsonl" | "ndjson") => Reader::JsonLines,
        (Text::Json, _) | (_, "json" | "jsonld" | "ipynb" | "geojson") => Reader::Json,
        (Text::Xml, _) => Reader::Xml,
        _ if prototxt::is_one(&ending) => Reader::Graph,
        _ if packages::is_list(name) => Reader::Packages,
        _ if is_recipe(&last, &ending) => Reader::Recipe,
        (_, "") if VOCABULARIES.iter().any(|word| last.contains(word)) => Reader::Table,
        _ if config::is_read(name) => Reader::Configuration,
        (_, "csv" | "tsv" | "vec" | "vocab" | "bpe" | "tiktoken" | "merges") => Reader::Table,
        _ => Reader::Other,
    }
}

/// Whether a text that is not read whole is none that has to be.
fn may_be_long(reader: Reader, ending: &str, stop: Stop) -> bool {
    // Trees of numbers are JSON too, and a large text without an ending is a log or a list.
    let tree = reader == Reader::Json && ending != "json";
    let list = stop == Stop::TooMuch
        && (matches!(reader, Reader::Other | Reader::JsonLines)
            || reader == Reader::Configuration && ending.is_empty());
    tree || list
}

/// What a text may be besides what it is read as.
fn beside(scan: &mut Scan<'_>, text: &str, reader: Reader, name: &str) {
    if git::is_one(name) {
        git::judge(scan, text);
    }
    if reader == Reader::Json && onnx::text::is_json(text) {
        onnx::text::read(scan, text);
    }
}

/// What runs by how it begins, whatever reads the rest.
fn begins(scan: &mut Scan<'_>, head: &[u8]) {
    if let Some((word, severity)) = program::begins(head) {
        scan.find(&rule::SOURCE_CODE, severity, 0, word, format!("is {word}"));
    }
    // Its promises run when they are looked at, and its reader goes by how it begins.
    if matches!(head, [b'A', b'\n', b'2' | b'3', b'\n', digit, ..] if digit.is_ascii_digit()) {
        let what = "is an object of R, whose promises are programs".to_owned();
        scan.find(
            &rule::ARCHIVE_UNSUPPORTED,
            Verdict::Unknown,
            0,
            "serialized R",
            what,
        );
    }
}

/// Judges a text. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, view: View<'_>, name: &str, kind: Text) -> String {
    let mark = scan.mark();
    match pickle::guess(scan, view) {
        pickle::Guess::Other => {}
        pickle::Guess::Pickle => return "pickle".to_owned(),
        // A few letters that are opcodes too hide nothing of what follows them.
        pickle::Guess::Front(_) if scan.worst_since(mark) < Verdict::Malicious => _ = scan.forget(mark),
        pickle::Guess::Front(_) => {}
    }
    let head = view.bytes(0, 1024).unwrap_or_default();
    begins(scan, &head);
    let reader = reader(kind, name);
    let (last, ending) = named(name);
    if matches!(ending.as_str(), "csv" | "tsv") {
        formulas(scan, view);
    }
    if matches!(reader, Reader::Nobody | Reader::Table) {
        return "text".to_owned();
    }
    let bytes = match Feed::view(view).rest(scan.limits.document_bytes) {
        Ok(bytes) => bytes,
        Err(stop) => {
            if !may_be_long(reader, &ending, stop) {
                scan.stopped(stop, 0);
            }
            return "text".to_owned();
        }
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let text = String::from_utf8_lossy(bytes);
    beside(scan, &text, reader, name);
    match reader {
        Reader::Template => return template::judge(scan, "template", &text),
        Reader::Json if kind == Text::Json && !braces(bytes) || json::is_one(bytes) => {
            let lines = config::is_read(name) && !ending.is_empty() && !json::is_one(bytes);
            if !lines {
                return json::file(scan, bytes, name);
            }
            config::text(scan, bytes, name);
        }
        Reader::Json => config::text(scan, bytes, name),
        Reader::JsonLines => rows(scan, &text),
        Reader::Xml => {
            template::hidden(scan, "template", &text);
            return xml::read(scan, bytes);
        }
        Reader::Graph => {
            prototxt::read(scan, bytes);
            if last == "config.pbtxt" {
                serving::triton(scan, &text);
            }
        }
        Reader::Packages => {
            packages::list(scan, &text);
            recipe(scan, &text);
        }
        Reader::Recipe => recipe(scan, &text),
        Reader::Configuration => {
            config::text(scan, bytes, name);
            keras::yaml(scan, &text);
            serving::lines_of(scan, &last, &text);
        }
        Reader::Other => other(scan, &text, &last, &ending, name),
        Reader::Nobody | Reader::Table => {}
    }
    "text".to_owned()
}

/// Cells that a spreadsheet runs or fetches when the table is opened.
fn formulas(scan: &mut Scan<'_>, view: View<'_>) {
    const BEGIN: [&str; 9] = [
        "=cmd|",
        "+cmd|",
        "-cmd|",
        "@cmd|",
        "=dde(",
        "=webservice(",
        "=importxml(",
        "=importdata(",
        "=exec(",
    ];
    let Ok(bytes) = Feed::view(view).rest(scan.limits.document_bytes) else {
        return;
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut at = 0_u64;
    for line in text.split('\n') {
        let cells = line
            .split([',', ';', '\t'])
            .map(|cell| cell.trim_start_matches(['"', ' ', '\'']));
        for cell in cells.filter(|cell| cell.starts_with(['=', '+', '-', '@'])) {
            let lower: String = cell
                .chars()
                .take(16)
                .flat_map(char::to_lowercase)
                .filter(|letter| *letter != ' ')
                .collect();
            if BEGIN.iter().any(|begin| lower.starts_with(begin)) {
                let what = format!(
                    "the cell `{}` runs or fetches something in a spreadsheet",
                    shown(cell.as_bytes(), 60)
                );
                scan.find(&rule::COMMAND, Verdict::Suspicious, at, "formula", what);
            }
        }
        at += line.len() as u64 + 1;
    }
}

/// Whether a text begins as a template does, and so is no JSON.
fn braces(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start(), [b'{', b'{' | b'%' | b'#', ..])
}

/// Rows in JSON: data, but for objects that a reader would make.
fn rows(scan: &mut Scan<'_>, text: &str) {
    let marks = [
        "\"py/",
        "\"lc\"",
        "\"__reduce__\"",
        "\"@class\"",
        "\"$type\"",
        "\"_target_\"",
    ];
    for line in text
        .lines()
        .filter(|line| marks.iter().any(|mark| line.contains(mark)))
    {
        if let Ok(row) = serde_json::from_str::<json::Json>(line) {
            objects::judge(scan, &row);
            config::targets(scan, &row);
        }
    }
}

/// What builds or starts something.
fn recipe(scan: &mut Scan<'_>, text: &str) {
    for (at, (why, severity)) in shell::all(text) {
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let line = text
            .get(from..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        let what = format!("`{}` {why}", shown(line.trim().as_bytes(), 100));
        scan.find(&rule::COMMAND, severity, at, why, what);
    }
    let mut at = 0_u64;
    for line in text.split('\n') {
        if !line.trim_start().starts_with('#') {
            program::judge(scan, at, "line", line);
            packages::command(scan, at, line);
        }
        at += line.len() as u64 + 1;
    }
    encoding::judge(scan, 0, "text", text);
}

/// Text that nothing says more of: an encoded program in it is still one, and trees of LightGBM and XGBoost hold no code.
fn other(scan: &mut Scan<'_>, text: &str, last: &str, ending: &str, name: &str) {
    let tree = text.starts_with("tree\n") || text.starts_with("booster[") || text.starts_with("0:[");
    if tree {
        let mut at = 0_u64;
        for line in text.split('\n') {
            let key = line.split('=').next().unwrap_or_default();
            program::judge(scan, at, key, line);
            at += line.len() as u64 + 1;
        }
    }
    if ending == "pth"
        && text
            .lines()
            .any(|line| line.starts_with("import ") || line.starts_with("import\t"))
    {
        let what = "has a line that Python runs whenever it starts, where it lies among packages".to_owned();
        scan.find(&rule::SOURCE_CODE, Verdict::Suspicious, 0, "import", what);
    }
    encoding::judge(scan, 0, last, text);
    template::hidden(scan, "template", text);
    // Whoever reads YAML asks for no ending: what makes objects there makes them under any name.
    if TAGGED.iter().any(|mark| text.contains(mark)) {
        config::text(scan, text.as_bytes(), "text.yaml");
    }
    if crate::format::is_pickled(name) && ending != "model" && !tree {
        let what = "is text, and its name is a pickle's".to_owned();
        scan.find(&rule::UNRECOGNISED, Verdict::Unknown, 0, "format", what);
    }
}

/// A program beside weights: unknown, whatever it holds, and worse where it does what no program of a model does.
pub(crate) fn source(scan: &mut Scan<'_>, view: View<'_>) {
    let Ok(bytes) = Feed::view(view).rest(scan.limits.document_bytes) else {
        return;
    };
    if bytes.contains(&0) {
        return;
    }
    let text = String::from_utf8_lossy(&bytes);
    for (line, (why, severity)) in python::within(&text) {
        let line = text.lines().nth(line).unwrap_or_default();
        let what = format!("`{}` {why}", shown(line.trim().as_bytes(), 100));
        scan.find(&rule::SOURCE_CODE, severity, 0, why, what);
    }
    for (at, (why, severity)) in shell::all(&text) {
        scan.find(&rule::COMMAND, severity, at, why, format!("a line {why}"));
    }
    encoding::judge(scan, 0, "text", &text);
}
