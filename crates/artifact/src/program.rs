//! Program text where none belongs: in values of configurations, in metadata, in files that run when they are opened.

use crate::{
    finding::{Verdict, shown},
    rule,
    scan::Scan,
};

/// Endings of files that something runs.
const ENDINGS: &[&str] = &[
    "py", "pyw", "pyc", "pyo", "pyd", "sh", "bash", "zsh", "fish", "ps1", "psm1", "bat", "cmd", "vbs", "wsf",
    "hta", "js", "mjs", "cjs", "ts", "lua", "rb", "pl", "php", "r", "jl", "command", "desktop", "scpt", "so",
    "dll", "dylib", "exe", "com", "msi", "apk", "class", "wasm", "lnk", "scr",
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
    "lambda:os",
    "/dev/tcp/",
    "runtime.getruntime",
    "invoke-expression",
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

/// What in this text is program text, if anything is.
pub(crate) fn within(text: &str) -> Option<&'static str> {
    if text.len() < 6
        || !text
            .bytes()
            .any(|byte| matches!(byte, b'(' | b'_' | b'|' | b'/' | b'-'))
    {
        return None;
    }
    let squeezed: String = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect();
    let piped = ["curl", "wget"].iter().any(|word| squeezed.contains(word))
        && ["|sh", "|bash", "|python", "|sudo"]
            .iter()
            .any(|word| squeezed.contains(word));
    if piped {
        return Some("| sh");
    }
    CODE.iter().find(|word| squeezed.contains(**word)).copied()
}

/// Says so when a value of a configuration is program text.
pub(crate) fn judge(scan: &mut Scan<'_>, at: u64, key: &str, text: &str) {
    if let Some(word) = within(text) {
        let key = shown(key.as_bytes(), 100);
        let what = format!(
            "`{key}` holds program text: `{}` ({word})",
            shown(text.trim().as_bytes(), 100)
        );
        scan.find(&rule::CONFIG_CODE, Verdict::Suspicious, at, &key, what);
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
        ] {
            assert_eq!(within(text), None, "{text}");
        }
    }
}
