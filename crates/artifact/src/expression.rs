//! Values that a loader evaluates as Python: MONAI's bundles (`$...`), and the parts of a network that ultralytics' tables
//! name. An expression is let through if all that it names is known to make, read or compute; what is not known is told.

mod settings;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    called,
    finding::{Verdict, shown},
    json::Json,
    names, rule,
    scan::Scan,
};

/// Bytes of an expression.
const LONGEST: usize = 8_192;
/// Keys by which a bundle of MONAI's is known.
const BUNDLE: [&str; 8] = [
    "_meta_",
    "network_def",
    "bundle_root",
    "_requires_",
    "_disabled_",
    "_desc_",
    "_mode_",
    "imports",
];
/// Modules that bundles import.
const MODULES: &[&str] = &[
    "PIL",
    "SimpleITK",
    "collections",
    "copy",
    "datetime",
    "einops",
    "functools",
    "generative",
    "glob",
    "ignite",
    "itertools",
    "json",
    "lightning",
    "logging",
    "math",
    "matplotlib",
    "mlflow",
    "monai",
    "nibabel",
    "np",
    "numpy",
    "operator",
    "os",
    "pandas",
    "pathlib",
    "random",
    "re",
    "scipy",
    "skimage",
    "sklearn",
    "sys",
    "tempfile",
    "time",
    "timm",
    "torch",
    "torchvision",
    "tqdm",
    "transformers",
    "typing",
    "warnings",
];
/// Functions of Python that compute.
const BUILT_IN: &[&str] = &[
    "abs",
    "all",
    "any",
    "bool",
    "dict",
    "enumerate",
    "filter",
    "float",
    "int",
    "isinstance",
    "len",
    "list",
    "map",
    "max",
    "min",
    "open",
    "print",
    "range",
    "reversed",
    "round",
    "set",
    "slice",
    "sorted",
    "str",
    "sum",
    "tuple",
    "zip",
    "Path",
    "hasattr",
];
const WORDS: &[&str] = &[
    "if", "else", "for", "in", "not", "and", "or", "is", "lambda", "None", "True", "False", "nn",
];
/// What of `os` bundles need.
const OF_OS: &[&str] = &[
    "path",
    "environ",
    "listdir",
    "getcwd",
    "sep",
    "cpu_count",
    "getenv",
    "makedirs",
    "linesep",
    "pardir",
];
/// Parts of a path, and methods, that open, run, load or write.
const REACHES: &[&str] = &[
    "_exit",
    "attrgetter",
    "builtins",
    "chmod",
    "cpp_extension",
    "ctypes",
    "eval",
    "exec",
    "exec_module",
    "execl",
    "execv",
    "hardlink_to",
    "hub",
    "importlib",
    "load_library",
    "load_module",
    "methodcaller",
    "modules",
    "open",
    "os",
    "pickle",
    "popen",
    "rename",
    "rmdir",
    "run_path",
    "runpy",
    "shutil",
    "socket",
    "spawn",
    "subprocess",
    "symlink_to",
    "sympify",
    "sys",
    "system",
    "tofile",
    "touch",
    "unlink",
    "urllib",
    "write",
    "write_bytes",
    "write_text",
    "writelines",
    "import_module",
    "run_module",
    "reload",
    "urlopen",
    "urlretrieve",
    "query",
    "read_pickle",
    "download",
    "download_url",
    "download_and_extract",
];

/// Functions of Python that are not even referred to.
const EVIL: &[&str] = &[
    "eval",
    "exec",
    "compile",
    "getattr",
    "setattr",
    "delattr",
    "globals",
    "locals",
    "vars",
    "input",
    "breakpoint",
];

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number,
    /// `@network#0`: another value of the document.
    Reference,
    Mark(char),
}

/// Judges what of a document is evaluated.
pub(crate) fn judge(scan: &mut Scan<'_>, json: &Json) {
    let mut texts = Vec::new();
    let mut bundle = false;
    json.walk("", &mut |key, value| {
        bundle |= BUNDLE.contains(&key)
            && matches!(value, Json::Object(_) | Json::List(_) | Json::Text(_))
            && key.starts_with('_')
            || key == "network_def"
            || key == "bundle_root";
        if let Some(code) = value.text().and_then(|text| text.trim().strip_prefix('$'))
            && code.starts_with(|first: char| !matches!(first, '{' | ' ') && !first.is_ascii_digit())
        {
            bundle |= ["@", "import ", "from "]
                .iter()
                .any(|start| code.starts_with(start));
            texts.push((key, code));
        }
    });
    let mut bound = BTreeMap::new();
    for (_, code) in &texts {
        if code.len() <= LONGEST {
            imports(code, &mut bound);
        }
    }
    for (key, code) in texts {
        if bundle || calls(code) {
            expression(scan, key, code, &bound, bundle);
        }
    }
    tables(scan, json);
    settings::judge(scan, json);
}

/// Whether this reads as Python, with a call in it.
fn calls(code: &str) -> bool {
    tokens(code).is_some_and(|tokens| {
        tokens.windows(2).any(|pair| match pair {
            [Token::Name(name), Token::Mark('(')] => !WORDS.contains(&name.as_str()),
            [Token::Mark(')' | ']'), Token::Mark('(')] => true,
            _ => false,
        })
    })
}

fn tell(scan: &mut Scan<'_>, key: &str, severity: Verdict, code: &str, why: &str) {
    let key = shown(key.as_bytes(), 100);
    let what = format!("`{key}` has `{}` evaluated: {why}", shown(code.as_bytes(), 100));
    scan.find(&rule::CONFIG_CODE, severity, 0, &key, what);
}

/// Names that imports give, each with what it stands for.
fn imports(code: &str, bound: &mut BTreeMap<String, String>) {
    let code = code.trim();
    let (from, list) = if let Some(rest) = code.strip_prefix("import ") {
        (None, rest)
    } else if let Some((module, list)) = code
        .strip_prefix("from ")
        .and_then(|rest| rest.split_once(" import "))
    {
        (Some(module.trim()), list)
    } else {
        return;
    };
    for part in list.trim_matches(['(', ')', ' ']).split(',') {
        let mut words = part.split_whitespace();
        let Some(name) = words.next() else { continue };
        let alias = words.nth(1);
        let whole = from.map_or_else(|| name.to_owned(), |module| format!("{module}.{name}"));
        match (alias, from) {
            (Some(alias), _) => _ = bound.insert(alias.to_owned(), whole),
            (None, Some(_)) => _ = bound.insert(name.to_owned(), whole),
            (None, None) => {
                let first = name.split('.').next().unwrap_or(name).to_owned();
                bound.insert(first.clone(), first);
            }
        }
        if bound.len() > 1_000 {
            return;
        }
    }
}

fn expression(scan: &mut Scan<'_>, key: &str, code: &str, bound: &BTreeMap<String, String>, bundle: bool) {
    if code.len() > LONGEST {
        return tell(
            scan,
            key,
            Verdict::Suspicious,
            code,
            "it is longer than expressions are",
        );
    }
    let statement = code.trim_start();
    if statement.starts_with("import ") || statement.starts_with("from ") {
        let mut own = BTreeMap::new();
        imports(code, &mut own);
        for whole in own.values() {
            imported(scan, key, code, whole);
        }
        return;
    }
    let Some(tokens) = tokens(code) else {
        if bundle {
            tell(scan, key, Verdict::Suspicious, code, "it is no plain expression");
        }
        return;
    };
    if let Some((severity, why)) = reaches(&tokens, bound) {
        tell(scan, key, severity, code, &why);
    }
}

/// A module or a name of one that a bundle imports.
fn imported(scan: &mut Scan<'_>, key: &str, code: &str, whole: &str) {
    let root = whole.split('.').next().unwrap_or(whole);
    if let Some(why) = path_reaches(whole) {
        return tell(scan, key, Verdict::Suspicious, code, &why);
    }
    if !MODULES.contains(&root) {
        called::import(scan, key, whole, &[]);
    }
}

/// Whether a path of names, from a module on, leads to what opens, runs, loads or writes.
fn path_reaches(path: &str) -> Option<String> {
    let mut parts = path.split('.');
    let root = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let first = rest.first().copied().unwrap_or_default();
    let of_os = root == "os" && !rest.is_empty() && !OF_OS.contains(&first);
    let of_sys =
        root == "sys" && !rest.is_empty() && !matches!(first, "path" | "argv" | "version_info" | "platform");
    let reached = rest
        .iter()
        .find(|part| part.starts_with('_') || REACHES.contains(part))
        .filter(|_| !path.starts_with("os.path"));
    let harm = names::does_harm(path) && path != "torch.load" && !path.starts_with("pickle");
    let known = matches!(
        root,
        "subprocess"
            | "socket"
            | "ctypes"
            | "shutil"
            | "importlib"
            | "builtins"
            | "runpy"
            | "pickle"
            | "posix"
            | "pty"
            | "code"
    );
    let bad = of_os || of_sys || reached.is_some() || harm || known || root.starts_with('_');
    bad.then(|| {
        format!(
            "`{}` is more than an expression needs",
            shown(path.as_bytes(), 100)
        )
    })
}

/// What an expression reaches that none needs.
fn reaches(tokens: &[Token], bound: &BTreeMap<String, String>) -> Option<(Verdict, String)> {
    let own = variables(tokens);
    let mut depth = 0_i32;
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let next = tokens.get(at + 1);
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            Token::Mark(';') => {
                return Some((Verdict::Suspicious, "it is more than one statement".to_owned()));
            }
            Token::Name(name)
                if before == Some(&Token::Mark('.'))
                    && (name.starts_with('_') || REACHES.contains(&name.as_str())) =>
            {
                let why = format!("`.{name}` opens, runs, loads or writes");
                return Some((Verdict::Suspicious, why));
            }
            Token::Name(_) if before == Some(&Token::Mark('.')) => {}
            Token::Text(text) if text.contains('(') && is_formatted(tokens, at) => {
                let why = "it is a text that evaluates what stands in its braces";
                // Texts within it that do so too are not followed.
                let inside = self::tokens(text)
                    .filter(|inside| !inside.iter().enumerate().any(|(at, _)| is_formatted(inside, at)));
                match inside {
                    Some(inside) => {
                        if let Some(found) = reaches(&inside, bound) {
                            return Some(found);
                        }
                    }
                    None => return Some((Verdict::Suspicious, why.to_owned())),
                }
            }
            Token::Name(name) => {
                let keyword = depth > 0
                    && next == Some(&Token::Mark('='))
                    && tokens.get(at + 2) != Some(&Token::Mark('='));
                if keyword || WORDS.contains(&name.as_str()) || own.contains(name) {
                    continue;
                }
                if let Some(why) = named(tokens, at, name, bound) {
                    return Some((Verdict::Suspicious, why));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether the text at a place is one in whose braces expressions stand: `f'...'`. Texts side by side are taken for one.
fn is_formatted(tokens: &[Token], at: usize) -> bool {
    let before = tokens.get(..at).unwrap_or_default();
    let start = before.iter().rposition(|token| !matches!(token, Token::Text(_)));
    let prefix = start.and_then(|start| before.get(start));
    let text = matches!(tokens.get(at), Some(Token::Text(_)));
    text && matches!(prefix, Some(Token::Name(name)) if name.len() <= 2 && name.contains(['f', 'F', 't', 'T']) && !WORDS.contains(&name.as_str()))
}

/// Names that the expression itself gives: of loops, and of lambdas.
fn variables(tokens: &[Token]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Option<&str> = None;
    for token in tokens {
        match (token, open) {
            (Token::Name(name), None) if name == "for" => open = Some("for"),
            (Token::Name(name), None) if name == "lambda" => open = Some("lambda"),
            (Token::Name(name), Some("for")) if name == "in" => open = None,
            (Token::Mark(':'), Some("lambda")) => open = None,
            (Token::Name(name), Some(_)) => _ = found.insert(name.clone()),
            _ => {}
        }
    }
    found
}

/// Why a name that an expression begins with, and what follows it, is not let through.
fn named(tokens: &[Token], at: usize, name: &str, bound: &BTreeMap<String, String>) -> Option<String> {
    if name == "setattr" {
        let switch = matches!(
            tokens.get(at + 2..at + 5),
            Some([Token::Name(root), Token::Mark('.'), Token::Name(part)]) if root == "torch" && part == "backends"
        );
        return (!switch).then(|| "`setattr` changes what is not its own".to_owned());
    }
    if name == "open" && !bound.contains_key(name) {
        return opens(tokens.get(at + 1..).unwrap_or_default());
    }
    let whole = match bound.get(name) {
        Some(whole) => whole.clone(),
        None if BUILT_IN.contains(&name) => return None,
        None if MODULES.contains(&name) => name.to_owned(),
        None if !is_used(tokens, at) && !name.starts_with('_') && !EVIL.contains(&name) => return None,
        None => return Some(format!("`{}` is not known", shown(name.as_bytes(), 60))),
    };
    let mut path = whole;
    let mut rest = tokens.get(at + 1..).unwrap_or_default();
    while let [Token::Mark('.'), Token::Name(part), after @ ..] = rest {
        path.push('.');
        path.push_str(part);
        rest = after;
    }
    path_reaches(&path)
}

/// Whether a name is called, or asked for something, where it stands.
fn is_used(tokens: &[Token], at: usize) -> bool {
    matches!(tokens.get(at + 1), Some(Token::Mark('(' | '.' | '[')))
}

/// `open` reads where it is given no mode, or one for reading.
fn opens(tokens: &[Token]) -> Option<String> {
    let mut depth = 0_i32;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            Token::Mark(',') if depth == 1 => {
                let mode = tokens.get(at + 1);
                let reads = matches!(mode, Some(Token::Text(mode)) if matches!(mode.as_str(), "r" | "rb" | "rt"))
                    || matches!(mode, Some(Token::Name(name)) if name == "encoding");
                if !reads {
                    return Some("`open` is given a mode".to_owned());
                }
            }
            _ => {}
        }
        if depth == 0 {
            return None;
        }
    }
    None
}

/// The pieces of an expression, or nothing where it is none.
fn tokens(code: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut letters = code.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter.is_whitespace() => {}
            '\'' | '"' => {
                let mut text = String::new();
                loop {
                    match letters.next()?.1 {
                        '\\' => text.push(letters.next()?.1),
                        end if end == letter => break,
                        other => text.push(other),
                    }
                }
                found.push(Token::Text(text));
            }
            '@' | '%' if letter == '@' || letters.peek().is_some_and(|(_, next)| next.is_alphabetic()) => {
                while letters
                    .next_if(|(_, next)| next.is_alphanumeric() || matches!(next, '_' | '#' | ':' | '/'))
                    .is_some()
                {}
                found.push(Token::Reference);
            }
            _ if letter.is_ascii_digit() => {
                while letters
                    .next_if(|(_, next)| next.is_ascii_alphanumeric() || matches!(next, '.' | '_'))
                    .is_some()
                {}
                found.push(Token::Number);
            }
            _ if letter.is_alphabetic() || letter == '_' => {
                let mut end = at + letter.len_utf8();
                while let Some((at, next)) =
                    letters.next_if(|(_, next)| next.is_alphanumeric() || *next == '_')
                {
                    end = at + next.len_utf8();
                }
                found.push(Token::Name(code.get(at..end)?.to_owned()));
            }
            '(' | ')' | '[' | ']' | '{' | '}' | ',' | '.' | ':' | '=' | '+' | '-' | '*' | '/' | '%' | '<'
            | '>' | '!' | '&' | '|' | '^' | '~' | ';' => found.push(Token::Mark(letter)),
            _ => return None,
        }
    }
    Some(found)
}

/// The tables of layers by which ultralytics' YOLO is made: each column of a row may be evaluated.
fn tables(scan: &mut Scan<'_>, json: &Json) {
    let rows = |key: &str| match json.get(key) {
        Some(Json::List(rows)) if rows.iter().any(|row| matches!(row, Json::List(_))) => rows.as_slice(),
        _ => &[],
    };
    let (backbone, head) = (rows("backbone"), rows("head"));
    if backbone.is_empty() && head.is_empty() {
        return;
    }
    for key in ["activation", "act"] {
        if let Some(code) = json.get(key).and_then(Json::text) {
            let known = ["nn.", "torch.nn.", "SiLU", "ReLU"];
            let harmless = known.iter().any(|known| code.starts_with(known))
                && tokens(code).is_some_and(|tokens| reaches(&tokens, &of_torch()).is_none());
            if !harmless {
                tell(
                    scan,
                    key,
                    Verdict::Suspicious,
                    code,
                    "an activation is made by `nn.` alone",
                );
            }
        }
    }
    for row in backbone.iter().chain(head) {
        row.walk("", &mut |_, value| {
            let code = value
                .text()
                .filter(|text| text.contains(['(', '_']) || text.contains('['));
            let named = |text: &str| {
                text.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
            };
            if let Some(code) = code.filter(|code| !named(code) || code.contains("__")) {
                tell(
                    scan,
                    "layers",
                    Verdict::Suspicious,
                    code,
                    "a layer is made by its name",
                );
            }
        });
    }
}

fn of_torch() -> BTreeMap<String, String> {
    let known = [
        ("nn", "torch.nn"),
        ("SiLU", "torch.nn.SiLU"),
        ("ReLU", "torch.nn.ReLU"),
    ];
    known
        .map(|(name, whole)| (name.to_owned(), whole.to_owned()))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> bool {
        let mut bound = BTreeMap::new();
        imports("import torch.distributed as dist", &mut bound);
        imports("from os import system as s", &mut bound);
        tokens(code).is_none_or(|tokens| reaches(&tokens, &bound).is_some())
    }

    #[test]
    fn expressions_of_bundles_are_told_from_programs() {
        for code in [
            "torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
            "@network_def.to(@device)",
            "list(sorted(glob.glob(@dataset_dir + '/imagesTs/*.nii.gz')))",
            "[{'image': i, 'label': l} for i, l in zip(@images, @labels)]",
            "setattr(torch.backends.cudnn, 'benchmark', True)",
            "@train#trainer.run()",
            "json.load(open(@data_list_file_path))",
            "lambda x: x.softmax(dim=1)",
            "dist.is_initialized() and dist.get_rank() == 0",
            "monai.handlers.from_engine(['pred', 'label'])",
            "@bundle_root + '/models/model.pt'",
            "os.path.join(@root, 'x')",
            "f'{@root}/{len(@names)} (all)'",
        ] {
            assert!(!found(code), "{code}");
        }
        for code in [
            "open('/tmp/x','w').write('x')",
            "s('true')",
            "getattr(os,'sys'+'tem')('true')",
            "().__class__.__base__",
            "torch.os.system('true')",
            "[x for x in [1]][0].system('true')",
            "pathlib.Path('x').write_text('y')",
            "monai.utils.module.importlib.x('os')",
            "lambda: eval('x')",
            "setattr(torch, 'load', 1)",
            "f'{exec(1)}'",
            "rf\"{exec('x')}\"",
            "f'''{exec(1)}'''",
            "f\"{f'{exec(1)}'}\"",
        ] {
            assert!(found(code), "{code}");
        }
    }
}
