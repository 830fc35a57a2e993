//! Active tokens: what a reader of content may click, write to or pay to.

use crate::{
    canon::{self, Canonical, Kind},
    memory::Memory,
};

/// Endings of file names that are no domains anybody hands out.
const FILES: &[&str] = &[
    "txt", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "pdf", "csv", "tsv", "json", "xml", "html", "htm",
    "png", "jpg", "jpeg", "gif", "svg", "yaml", "yml", "toml", "log", "odt", "ods", "md", "py", "rs", "sh",
    "js", "ts", "go", "rb", "zip", "gz", "tar", "so", "exe", "bat", "ps1", "ini", "cfg", "conf", "lock",
];
/// Most tokens looked at in one text; what is left counts as one foreign token.
const LIMIT: usize = 4096;

/// How many links, e-mail addresses and accounts of this text no trusted source holds. `whole` is the text's canonical
/// form: a text that is one word is not read twice.
pub(crate) fn foreign(memory: &Memory, text: &str, whole: Option<&Canonical>) -> u16 {
    let mut count = 0_u16;
    for (at, word) in text
        .split(|c: char| c.is_whitespace() || "\"'`<>()[]{}|,;*\\".contains(c))
        .enumerate()
    {
        if at >= LIMIT {
            return count.saturating_add(1);
        }
        let word = word
            .trim_end_matches(['.', ':', '!', '?', '…', '/'])
            .trim_start_matches(['.', ':', '/']);
        if word.len() < 4 || !active(word, whole.filter(|_| word == text)) {
            continue;
        }
        if !memory.find(word).source.vouched() && !at_her_host(memory, text, word) {
            count = count.saturating_add(1);
        }
    }
    count
}

/// A link to a host that the human wrote out herself, with nothing that could carry anything there.
fn at_her_host(memory: &Memory, text: &str, word: &str) -> bool {
    // What a reader of links makes of a backslash differs.
    if text.contains('\\') {
        return false;
    }
    let Some((scheme, rest)) = word.split_once("://") else {
        return false;
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let ending = host.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    matches!(scheme, "http" | "https")
        && !FILES.contains(&ending.as_str())
        && !path.contains("//")
        && !rest.contains(['?', '#', '@', '%', '=', ':'])
        && canon::host(&host.to_ascii_lowercase()).is_some_and(|host| memory.prompt.tells_host(&host))
}

/// Whether a text is spelled as an international account number, whatever its check says: a reader pays to it all the
/// same.
fn account(key: &str) -> bool {
    let bare: Vec<u8> = key.bytes().skip(2).collect();
    (15..=34).contains(&bare.len())
        && bare.iter().take(2).all(u8::is_ascii_alphabetic)
        && bare.iter().skip(2).take(2).all(u8::is_ascii_digit)
        && bare.iter().all(u8::is_ascii_alphanumeric)
        && bare.iter().filter(|b| b.is_ascii_digit()).count() >= 10
}

fn active(word: &str, known: Option<&Canonical>) -> bool {
    // Most words: no host, address, scheme or account is written without any of these.
    if word.is_ascii()
        && !word
            .bytes()
            .any(|b| b.is_ascii_digit() || matches!(b, b'.' | b'@' | b':'))
    {
        return false;
    }
    if word.len() > canon::LIMIT {
        return word.contains("://") || word.contains('@');
    }
    if word.contains("://") {
        return true;
    }
    // What hides its script or carries invisible characters, and still has the shape of an address, is one.
    let read;
    let value = match known {
        Some(value) => value,
        None => match canon::canonical(word) {
            Ok(value) => {
                read = value;
                &read
            }
            Err(_) => return word.contains(['.', '@', ':']),
        },
    };
    match value.kind {
        Kind::Email | Kind::Iban => true,
        Kind::Url => {
            let host = word.split(['/', '?', '#']).next().unwrap_or(word);
            let ending = host.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
            host.len() < word.len() || !FILES.contains(&ending.as_str())
        }
        Kind::Text => {
            account(&value.key)
                || value.key.contains("w:javascript:")
                || value.key.contains("w:data:")
                || value.key.starts_with("w:mailto:")
        }
        Kind::Phone | Kind::Number | Kind::When(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_word_that_is_passed_over_has_an_active_kind(word in "[a-zA-Z/?#&%=_~+-]{4,80}") {
            let kind = canon::canonical(&word).map(|value| value.kind);
            prop_assert!(!matches!(kind, Ok(Kind::Email | Kind::Iban | Kind::Url)), "{kind:?}");
        }
    }

    #[test]
    fn what_readers_may_click_or_pay_to_is_active() {
        for word in [
            "x.example/a",
            "ann@x.example",
            "javascript:go()",
            "DE89370400440532013000",
            "DE00370400440532013000",
            "a\u{3002}example/b",
        ] {
            assert!(active(word, None), "{word}");
        }
        for word in ["words", "re-read", "notes.txt", "1234"] {
            assert!(!active(word, None), "{word}");
        }
    }
}
