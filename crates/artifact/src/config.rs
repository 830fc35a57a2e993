//! Configurations beside weights: what their values name, and YAML's tags.

use crate::{
    called, encoding,
    finding::{Verdict, shown},
    format::leads_out,
    hub,
    json::{self, Json},
    keras,
    lines::{self, Style},
    names, packages,
    pickle::{self, Use},
    program, rule,
    scan::Scan,
    serving, shell, values,
    yaml::{self, End, Tagged},
};

/// Tags of YAML itself.
const TAGS: [&str; 15] = [
    "str",
    "int",
    "float",
    "bool",
    "null",
    "map",
    "seq",
    "set",
    "omap",
    "pairs",
    "binary",
    "timestamp",
    "merge",
    "value",
    "yaml",
];
/// Items of a list that are taken for one command.
const ITEMS: usize = 64;

/// Whether a file of this name is read as a configuration.
pub(crate) fn is_read(name: &str) -> bool {
    let last = name.rsplit(['/', '!']).next().unwrap_or_default().to_lowercase();
    let ending = last.rsplit_once('.').map_or("", |(_, ending)| ending);
    matches!(
        ending,
        "" | "yaml"
            | "yml"
            | "cfg"
            | "conf"
            | "ini"
            | "config"
            | "hocon"
            | "toml"
            | "gin"
            | "properties"
            | "env"
            | "cff"
            | "condarc"
            | "npmrc"
            | "pypirc"
            | "service"
            | "lock"
            | "dvc"
            | "json5"
            | "jsonc"
            | "libsonnet"
            | "jsonnet"
            | "tf"
            | "hcl"
            | "gitmodules"
            | "gitconfig"
            | "editorconfig"
            | "flake8"
            | "envrc"
            | "bashrc"
            | "profile"
            | "zshrc"
            | "inputrc"
            | "vimrc"
    )
}

/// The targets of a configuration in JSON.
pub(crate) fn targets(scan: &mut Scan<'_>, json: &Json) {
    json.walk("", &mut |key, value| {
        if names::is_target(key)
            && let Some(target) = value.text()
        {
            names::target(scan, 0, target);
        }
    });
}

/// A configuration that is written line by line: what calls Python is a key, a value or a tag, and all are plain text
/// unless somebody hides them. In files that are YAML by their name, keys that are spelt by number are looked at too.
pub(crate) fn text(scan: &mut Scan<'_>, bytes: &[u8], name: &str) {
    let last = name.rsplit(['/', '!']).next().unwrap_or_default().to_lowercase();
    let ending = last.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_yaml = matches!(ending, "yaml" | "yml" | "cff");
    let style = if is_yaml { Style::Colons } else { Style::Equals };
    let text = String::from_utf8_lossy(bytes);
    let mark = scan.mark();
    let mut at = 0_u64;
    let mut key = String::new();
    let mut items = Items::default();
    for line in text.split('\n') {
        marked(scan, at, line, ending);
        let trimmed = line.trim_start();
        let comment = trimmed.starts_with('#') || trimmed.starts_with("//") || trimmed.starts_with(';');
        let found = if comment {
            Vec::new()
        } else {
            lines::pairs(line, style)
        };
        items.take(scan, at, trimmed, &found);
        // A section's name ends what the last key said.
        let section =
            trimmed.starts_with('[') && trimmed.trim_end().ends_with(']') && !trimmed.contains(['=', ',']);
        if section && style == Style::Equals {
            key.clear();
        }
        for pair in &found {
            if !pair.key.is_empty() {
                pair.key.clone_into(&mut key);
            }
            scalar(scan, at, &key, pair.value);
            if style == Style::Equals && !pair.key.is_empty() {
                program::judge(scan, at, &key, pair.value);
            }
            if key == "path" && pair.value == "/" && text.contains("hostPath:") {
                whole_machine(scan, at, pair.value);
            }
        }
        if found.is_empty() && !comment {
            if let Some((name, _)) = trimmed.split_once([':', '=']) {
                key = lines::item(name).trim_matches(['"', '\'', ' ']).to_owned();
            }
        } else if !comment {
            program::judge(scan, at, &key, trimmed);
        }
        packages::line(scan, at, &last, &key, line, &found);
        at += line.len() as u64 + 1;
    }
    items.end(scan, at);
    let name = Name {
        last: &last,
        ending,
        is_yaml,
    };
    trees(scan, &text, &name);
    aliases(scan, &text);
    encoding::judge(scan, 0, "text", &text);
    if scan.worst_since(mark) < Verdict::Suspicious {
        for (at, (why, severity)) in shell::all(&text) {
            scan.find(&rule::COMMAND, severity, at, why, format!("a command {why}"));
        }
    }
}

/// What says by a mark in a line that something is called: tags, keys of Hydra's, imports of gin's.
fn marked(scan: &mut Scan<'_>, at: u64, line: &str, ending: &str) {
    tags(scan, at, line);
    if ending == "gin" {
        gin(scan, at, line);
    }
    if line.contains("_target_") {
        written(scan, at, line);
    }
    // A quoted key may spell anything.
    let spelt = ["\\x5f", "\\u005f", "\\x5F", "\\x74"];
    if matches!(ending, "yaml" | "yml" | "cff") && spelt.iter().any(|letter| line.contains(letter)) {
        let what = "spells letters by number where a key could be".to_owned();
        scan.find(&rule::HYDRA_TARGET, Verdict::Suspicious, at, "escapes", what);
    }
}

/// What gin imports and includes.
fn gin(scan: &mut Scan<'_>, at: u64, line: &str) {
    const KNOWN: [&str; 16] = [
        "t5",
        "seqio",
        "gin",
        "flax",
        "jax",
        "tensorflow",
        "tensor2tensor",
        "mesh_tensorflow",
        "dopamine",
        "numpy",
        "torch",
        "optax",
        "trax",
        "t5x",
        "tf_agents",
        "clu",
    ];
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("import" | "from"), Some(module)) if !module.starts_with("__gin__") => {
            called::import(scan, "import", module, &KNOWN);
        }
        (Some("include"), Some(path)) if leads_out(path.trim_matches(['"', '\''])) => {
            let path = shown(path.as_bytes(), 200);
            let what = format!("includes {path}, outside of the folder");
            scan.find(&rule::TRAVERSAL, Verdict::Suspicious, at, &path, what);
        }
        _ => {}
    }
}

/// What a file's name says of it.
struct Name<'n> {
    last: &'n str,
    ending: &'n str,
    is_yaml: bool,
}

/// The same text as YAML, if it is that: its values are judged as JSON's are, whatever their spelling.
fn trees(scan: &mut Scan<'_>, text: &str, name: &Name<'_>) {
    let mlmodel = name.last == "mlmodel";
    let may = name.is_yaml
        || matches!(
            name.ending,
            "" | "config" | "conf" | "cfg" | "lock" | "dvc" | "condarc" | "json" | "json5" | "jsonc"
        );
    if !may {
        return;
    }
    let yaml = yaml::read(text);
    if yaml.end == End::TooMuch {
        let what = "holds more values, or deeper ones, than are looked into".to_owned();
        scan.find(&rule::LIMIT, Verdict::Unknown, 0, "yaml", what);
    }
    let whole = yaml.end == End::Whole;
    // Text of another kind may be YAML by chance, which is then one scalar, or breaks.
    let known =
        name.is_yaml || mlmodel || whole && yaml.documents.iter().any(|json| matches!(json, Json::Object(_)));
    if !known {
        return;
    }
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.match_indices('\n').map(|(at, _)| at + 1))
        .collect();
    for tagged in &yaml.tags {
        let at = starts.get(tagged.line).map_or(0, |at| *at as u64);
        whole_tag(scan, at, tagged);
    }
    for json in &yaml.documents {
        json::document(scan, json, name.last);
        serving::tree(scan, name.last, json);
    }
    if mlmodel && !whole {
        hub::mlmodel_lines(scan, text);
    }
}

/// A tag as the parser understands it, whatever handle it is written with.
fn whole_tag(scan: &mut Scan<'_>, at: u64, tagged: &Tagged) {
    if let Some(rest) = tagged.tag.strip_prefix("tag:yaml.org,2002:python/") {
        return python(scan, at, rest);
    }
    let Some(name) = tagged.tag.strip_prefix('!') else {
        return;
    };
    let takes = [
        "function", "func", "call", "import", "obj", "object", "name", "class", "module", "partial", "apply",
        "new",
    ];
    if takes.contains(&name) && called::path(&tagged.text) {
        let (module, last) = tagged.text.rsplit_once('.').unwrap_or(("", &tagged.text));
        let harm = names::does_harm(&tagged.text)
            || matches!(
                pickle::look_up(module, last),
                Use::Check(_) | Use::Unlisted(Verdict::Malicious)
            );
        // Else it is a function of a file beside this one, which is judged as what it is.
        if harm {
            names::target(scan, at, &tagged.text);
        }
        return;
    }
    tag(scan, at, name);
}

/// Lists of aliases of lists of aliases: a few lines that become millions of values.
fn aliases(scan: &mut Scan<'_>, text: &str) {
    let grown = text.lines().filter(|line| {
        let defines = line
            .split_whitespace()
            .any(|word| word.starts_with('&') && word.len() > 1);
        defines && line.matches('*').count() >= 4
    });
    if grown.count() >= 4 {
        let what = "aliases of aliases become more values than anybody wants".to_owned();
        scan.find(&rule::LIMIT, Verdict::Suspicious, 0, "aliases", what);
    }
}

fn scalar(scan: &mut Scan<'_>, at: u64, key: &str, value: &str) {
    let last = key.rsplit('.').next().unwrap_or(key);
    if names::is_target(last) && last != "_target_" {
        names::target(scan, at, value.split([',', '}', ' ']).next().unwrap_or(value));
    }
    if value.starts_with("/:/") {
        whole_machine(scan, at, value);
    }
    if last == "trust_remote_code" && hub::trusts(value) {
        let what = "asks for remote code to be trusted".to_owned();
        scan.find(&rule::REMOTE_CODE, Verdict::Unknown, at, last, what);
    }
    if key == "class_name" && keras::CODE.contains(&value) {
        let what = format!("a `{value}` layer holds code that runs with the model");
        scan.find(&rule::KERAS_CODE, Verdict::Malicious, at, value, what);
    }
    values::scalar(scan, at, key, value);
}

fn whole_machine(scan: &mut Scan<'_>, at: u64, value: &str) {
    let what = "puts all of the machine's files into a container".to_owned();
    scan.find(&rule::COMMAND, Verdict::Suspicious, at, value, what);
}

/// Items of a list, one a line, that may be the words of one command.
#[derive(Default)]
struct Items {
    words: Vec<String>,
    at: u64,
}

impl Items {
    fn take(&mut self, scan: &mut Scan<'_>, at: u64, line: &str, found: &[lines::Pair<'_>]) {
        match found {
            [only] if line.starts_with("- ") && only.key.is_empty() => {
                if self.words.is_empty() {
                    self.at = at;
                }
                if self.words.len() < ITEMS {
                    self.words.push(only.value.to_owned());
                }
            }
            _ => {
                self.end(scan, at);
                // A list in one line: `args: [nc, -e, /bin/sh]`.
                if found.len() > 1 {
                    let words: Vec<&str> = found.iter().take(ITEMS).map(|pair| pair.value).collect();
                    program::judge(scan, at, "list", &words.join(" "));
                }
            }
        }
    }

    fn end(&mut self, scan: &mut Scan<'_>, _at: u64) {
        if self.words.len() > 1 {
            program::judge(scan, self.at, "list", &self.words.join(" "));
        }
        self.words.clear();
    }
}

/// Hydra's key wherever it stands in a line.
fn written(scan: &mut Scan<'_>, at: u64, line: &str) {
    for (place, _) in line.match_indices("_target_") {
        let rest = line.get(place + "_target_".len()..).unwrap_or_default();
        // A part of a longer name is no key of Hydra's.
        let before = line.get(..place).unwrap_or_default().trim_end_matches('_');
        let inner = |letter: char| letter.is_alphanumeric();
        if before.ends_with(inner) || rest.trim_start_matches('_').starts_with(inner) {
            continue;
        }
        let value = rest.trim_start_matches(['"', '\'', '_']).trim_start();
        match value.strip_prefix([':', '=']) {
            Some(value) => {
                let value = value.trim().trim_matches(['"', '\'']);
                let end = value.find([',', '}', ' ', '"', '\'', '#']).unwrap_or(value.len());
                names::target(scan, at, value.get(..end).unwrap_or(value));
            }
            None => {
                let what = "mentions a target in a way that can't be read".to_owned();
                scan.find(&rule::HYDRA_TARGET, Verdict::Suspicious, at, "unread", what);
            }
        }
    }
}

/// Tags that make objects.
fn tags(scan: &mut Scan<'_>, at: u64, line: &str) {
    if !line.contains(['!', '%']) {
        return;
    }
    for (place, mark) in line
        .match_indices("!!python/")
        .chain(line.match_indices("!python/"))
    {
        python(scan, at, line.get(place + mark.len()..).unwrap_or_default());
    }
    // Handles and verbatim tags can spell what calls Python in any way.
    let handle = line.trim_start().starts_with("%TAG") && !line.trim_end().ends_with(" tag:yaml.org,2002:");
    let core = TAGS
        .iter()
        .any(|core| line.contains(&format!("!<tag:yaml.org,2002:{core}>")));
    let verbatim = line.contains("!<tag:") && !core || line.contains("!<!");
    if handle || verbatim {
        let what = format!("`{}` makes a Python object", shown(line.trim().as_bytes(), 120));
        let tag = if handle { "%TAG" } else { "!<" };
        scan.find(&rule::HYDRA_TARGET, Verdict::Malicious, at, tag, what);
    }
    if line.trim_start().starts_with('#') {
        return;
    }
    let mut from = 0;
    while let Some(place) = line
        .get(from..)
        .and_then(|rest| rest.find('!'))
        .map(|place| from + place)
    {
        let before = line.get(..place).and_then(|front| front.chars().next_back());
        let rest = line.get(place + 1..).unwrap_or_default();
        let word = rest
            .split(|letter: char| letter.is_whitespace() || matches!(letter, ',' | ']' | '}' | '[' | '{'))
            .next()
            .unwrap_or_default();
        if before.is_none_or(|before| before.is_whitespace() || matches!(before, '[' | '{' | ',' | ':' | '-'))
        {
            tag(scan, at, word);
        }
        from = place + 1 + word.len();
    }
}

/// One of PyYAML's tags, after `python/`: `object/apply:os.system`.
fn python(scan: &mut Scan<'_>, at: u64, tag: &str) {
    let tag = tag
        .split(|letter: char| {
            letter.is_whitespace() || matches!(letter, ',' | ']' | '}' | '[' | '{' | '"' | '\'')
        })
        .next()
        .unwrap_or_default();
    let (kind, name) = tag.split_once(':').unwrap_or((tag, ""));
    let plain = [
        "tuple", "list", "dict", "str", "unicode", "int", "long", "float", "complex", "bytes", "bool", "none",
    ];
    if plain.contains(&kind) && name.is_empty() {
        return;
    }
    let (module, last) = match kind {
        "module" => (name, "x"),
        _ => name.rsplit_once('.').unwrap_or(("builtins", name)),
    };
    let severity = match pickle::look_up(module, last) {
        _ if names::does_harm(name) || name.is_empty() || name.contains('%') => Verdict::Malicious,
        _ if name == "torch.manual_seed" => return,
        Use::Unlisted(severity) => severity,
        Use::Check(_) => Verdict::Malicious,
        Use::Value | Use::New | Use::Call(..) => return,
    };
    let name = shown(name.as_bytes(), 120);
    let what = format!("a tag makes `{name}` of Python");
    scan.find(&rule::HYDRA_TARGET, severity, at, &name, what);
}

/// One tag, without its first exclamation mark.
fn tag(scan: &mut Scan<'_>, at: u64, word: &str) {
    let languages = [
        "ruby/", "php/", "perl/", "js/", "java/", "java:", "net/", "class:", "object:", "py/",
    ];
    let (own, name) = match word.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, word),
    };
    if name.is_empty() || name.starts_with("python/") || name.starts_with("opencv") {
        return;
    }
    // HyperPyYAML of SpeechBrain: an object, a name or a call.
    if let Some((verb, target)) = name.split_once(':').filter(|_| !own)
        && matches!(
            verb,
            "new" | "name" | "apply" | "applyref" | "module" | "class" | "call" | "partial" | "function"
        )
    {
        return names::target(scan, at, target);
    }
    if let Some(path) = name.strip_prefix("include:").filter(|path| leads_out(path)) {
        let path = shown(path.as_bytes(), 200);
        let what = format!("includes `{path}`, outside of the folder");
        return scan.find(&rule::TRAVERSAL, Verdict::Suspicious, at, &path, what);
    }
    let foreign = languages
        .iter()
        .any(|language| name.to_lowercase().starts_with(language));
    let class = own && name.contains(['.', '/', ':', '$']);
    let unknown =
        own && name.starts_with(|letter: char| letter.is_ascii_alphabetic()) && !TAGS.contains(&name);
    if foreign || class || unknown {
        let severity = if foreign || class {
            Verdict::Malicious
        } else {
            Verdict::Suspicious
        };
        let name = shown(name.as_bytes(), 100);
        let what = format!("the tag `{name}` has an object made when the document is read");
        scan.find(&rule::OBJECT, severity, at, &name, what);
    }
}
