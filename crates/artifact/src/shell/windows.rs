//! Programs of Windows that run what they are given.

use super::{Seen, base};
use crate::finding::Verdict;

/// What a command has one of them do that no recipe needs.
pub(super) fn within(words: &[&str]) -> Option<Seen> {
    let hidden = ("hides what it runs", Verdict::Malicious);
    for (at, word) in words.iter().enumerate() {
        let rest = words.get(at + 1..).unwrap_or_default();
        let has = |parts: &[&str]| {
            parts
                .iter()
                .any(|part| rest.iter().any(|word| word.contains(part)))
        };
        match base(word) {
            "powershell" | "powershell.exe" | "pwsh" | "pwsh.exe" => {
                let encoded = rest.windows(2).any(|pair| match pair {
                    [option, text] => {
                        let name = option.trim_start_matches(['-', '/']);
                        let named = option.starts_with(['-', '/'])
                            && !name.is_empty()
                            && ("encodedcommand".starts_with(name) || name == "ec");
                        named
                            && text.len() >= 8
                            && text.bytes().all(|byte| {
                                byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
                            })
                    }
                    _ => false,
                });
                if encoded {
                    return Some(hidden);
                }
                if has(&[
                    "downloadstring",
                    "downloadfile",
                    "iex",
                    "invoke-expression",
                    "frombase64string",
                    "net.webclient",
                    "invoke-webrequest",
                ]) {
                    return Some(("runs a program that it fetches", Verdict::Suspicious));
                }
            }
            "certutil" | "certutil.exe" if has(&["urlcache", "-decode"]) => return Some(hidden),
            "bitsadmin" | "bitsadmin.exe" if has(&["/transfer"]) => return Some(hidden),
            "mshta" | "mshta.exe" if has(&["http", "javascript:", "vbscript:"]) => return Some(hidden),
            "regsvr32" | "regsvr32.exe" if has(&["http", "scrobj"]) => return Some(hidden),
            "rundll32" | "rundll32.exe" if has(&["javascript:", "http"]) => return Some(hidden),
            "cmd" | "cmd.exe"
                if rest
                    .first()
                    .is_some_and(|first| matches!(*first, "/c" | "/k" | "/q" | "/r")) =>
            {
                return Some(("runs a command of Windows", Verdict::Suspicious));
            }
            _ => {}
        }
    }
    None
}
