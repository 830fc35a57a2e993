//! Program text where none belongs: in values of configurations, in metadata, in files that run when they are opened.

use crate::{
    finding::{Verdict, shown},
    rule,
    scan::Scan,
    shell,
};

/// Endings of files that something runs.
const ENDINGS: &[&str] = &[
    "py",
    "pyw",
    "pyc",
    "pyo",
    "pyd",
    "sh",
    "bash",
    "zsh",
    "fish",
    "ps1",
    "psm1",
    "bat",
    "cmd",
    "vbs",
    "wsf",
    "hta",
    "js",
    "mjs",
    "cjs",
    "ts",
    "lua",
    "rb",
    "pl",
    "php",
    "r",
    "jl",
    "command",
    "desktop",
    "scpt",
    "so",
    "dll",
    "dylib",
    "exe",
    "com",
    "msi",
    "apk",
    "class",
    "wasm",
    "lnk",
    "scr",
    "jar",
    "war",
    "node",
    "bundle",
    "pif",
    "cpl",
    "ocx",
    "sys",
    "wsh",
    "vbe",
    "jse",
    "xpi",
    "crx",
    "reg",
    "inf",
    "elf",
    "appimage",
    "llamafile",
    "deb",
    "rpm",
    "dmg",
    "pkg",
    "coffee",
    "tcl",
    "awk",
    "groovy",
    "gradle",
    "kts",
    "scala",
    "clj",
    "ex",
    "exs",
    "applescript",
];

/// What only programs hold, without spaces and in lower case.
const CODE: &[&str] = &[
    "__import__(",
    "os.system(",
    "os.popen(",
    "posix.system(",
    "subprocess.popen(",
    "subprocess.run(",
    "subprocess.call(",
    "subprocess.check_",
    "subprocess.getoutput(",
    "subprocess.getstatusoutput(",
    "__subclasses__",
    "__globals__",
    "__builtins__",
    "eval(compile(",
    "exec(compile(",
    "exec(base64",
    "eval(base64",
    "pickle.loads(",
    "marshal.loads(",
    "socket.socket(",
    "exec('import",
    "exec(\"import",
    "exec(zlib",
    "exec(codecs",
    "exec(bytes",
    "exec(__import__",
    "exec(requests",
    "exec(urllib",
    "exec(open(",
    "exec(marshal",
    "eval(requests",
    "eval(open(",
    "compile(base64",
    "zlib.decompress(base64",
    "lambda:os",
    "builtins.eval",
    "builtins.exec",
    "getattr(__builtins__",
    "importlib.import_module(",
    "pickle.load(",
    "dill.load",
    "cloudpickle.load",
    "marshal.load",
    "ctypes.cdll",
    "shutil.rmtree(",
    "os.execv",
    "os.execl",
    "os.spawn",
    "os.posix_spawn",
    "os.dup2(",
    "os.startfile(",
    "pty.spawn(",
    "runpy.run_",
    "webbrowser.open(",
    "/dev/tcp/",
    "runtime.getruntime",
    "processbuilder(",
    "java.lang.runtime",
    "java.lang.processbuilder",
    "javax.script",
    "jndi:ldap",
    "jndi:rmi",
    "jndi:dns",
    "invoke-expression",
    "system.diagnostics.process",
    "frombase64string(",
    "downloadstring(",
    "new-objectnet.webclient",
    "wscript.shell",
    "child_process",
    "process.mainmodule",
    ".constructor.constructor(",
    "newfunction('",
    "newfunction(\"",
    "_$$nd_func$$_",
    "io.popen(",
    "os.execute(",
    "kernel.system(",
];

/// The test file of anti-virus programs; whoever plants it wants to know whether it is seen.
const EICAR: &[u8] = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-";

/// Whether a file of this ending is run by something.
pub(crate) fn is_one(ending: &str) -> bool {
    ENDINGS.contains(&ending)
}

/// Whether these first bytes are those of a script, or of the test file.
pub(crate) fn begins(head: &[u8]) -> Option<(&'static str, Verdict)> {
    let trimmed = head.trim_ascii_start();
    if trimmed.starts_with(EICAR) {
        return Some(("the EICAR test file", Verdict::Malicious));
    }
    let shebang = trimmed.starts_with(b"#!")
        && matches!(
            trimmed.get(2..).and_then(|rest| rest.trim_ascii_start().first()),
            Some(b'/')
        );
    let php = trimmed.starts_with(b"<?php");
    (shebang || php).then_some(("a script", Verdict::Unknown))
}

/// What in this text is program text, if anything is, and how bad that is.
pub(crate) fn within(text: &str) -> Option<(&'static str, Verdict)> {
    let may = |byte: u8| matches!(byte, b'(' | b'_' | b'|' | b'/' | b'-' | b':' | b';' | b'.');
    if text.len() < 6 || !text.bytes().any(may) {
        return None;
    }
    let squeezed: String = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect();
    let code = CODE
        .iter()
        .find(|word| squeezed.contains(**word))
        .copied()
        .filter(|word| *word != "/dev/tcp/")
        .or_else(|| evaluates(text));
    // What a shell would do says more than a word does.
    shell::within(text).or(code.map(|word| (word, Verdict::Suspicious)))
}

/// Whether a text evaluates another one: `eval(...)` and `exec(...)` of something more than a word in brackets.
fn evaluates(text: &str) -> Option<&'static str> {
    for (name, word) in [("eval", "eval("), ("exec", "exec(")] {
        for (at, _) in text.match_indices(name) {
            let before = text.get(..at).and_then(|front| front.chars().next_back());
            if before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-')) {
                continue;
            }
            let rest = text.get(at + name.len()..).unwrap_or_default();
            let inner = rest.strip_prefix('(').map(str::trim_start).unwrap_or_default();
            let named = inner.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_');
            if inner.starts_with(['\'', '"', '`', 'b', 'f', 'r']) && named.starts_with(['\'', '"', '`'])
                || named.len() < inner.len() && named.starts_with(['(', '.', '['])
            {
                return Some(word);
            }
        }
    }
    None
}

/// Says so when a value of a configuration is program text.
pub(crate) fn judge(scan: &mut Scan<'_>, at: u64, key: &str, text: &str) {
    if let Some((word, severity)) = within(text) {
        let key = shown(key.as_bytes(), 100);
        let what = format!(
            "`{key}` holds program text: `{}` ({word})",
            shown(text.trim().as_bytes(), 100)
        );
        scan.find(&rule::CONFIG_CODE, severity, at, &key, what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_text_is_told_from_words() {
        for text in [
            "__import__ ('os')",
            "curl http://x | sh",
            "exec('x')",
            "eval(input('x'))",
            "eval(compile('x','','exec'))",
            "[].__class__.__base__.__subclasses__()",
        ] {
            assert!(within(text).is_some(), "{text}");
        }
        for text in [
            "gelu",
            "a curl of hair",
            "model-00001-of-00002.safetensors",
            "evaluate(x)",
            "os.system",
            "the eval(uation) set",
            "model.eval()",
            "exec(utive) summary",
        ] {
            assert_eq!(within(text), None, "{text}");
        }
    }
}
