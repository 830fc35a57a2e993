//! Mail addresses, as programs read them and as people spell them out for people.

use std::ops::Range;

use super::scan::plain;
use super::{Kind, Personal};
use crate::safe::{item, part, prior};

/// Ends of names of files, none of which is a domain of the top.
const FILES: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "webp", "svg", "css", "js", "json", "html", "xml", "txt", "pdf",
];

/// E-mail addresses (RFC 5321, dot-atoms; and internationalised ones).
pub(super) fn mails(text: &str, found: &mut Vec<Personal>) {
    let bytes = text.as_bytes();
    for at in memchr::memchr_iter(b'@', bytes) {
        let local = |byte: &u8| {
            byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(byte) || *byte >= 0x80
        };
        let mut start = at;
        while start > 0 && at - start < 64 && local(&prior(bytes, start)) {
            start -= 1;
        }
        start = text.ceil_char_boundary(start);
        // What stands before an address without a gap.
        while start < at
            && matches!(
                item(bytes, start),
                b'.' | b'\'' | b'/' | b'=' | b'|' | b'{' | b'*' | b'`' | b'?' | b'&' | b'%'
            )
        {
            start += 1;
        }
        if let Some(sign) = part(bytes, start..at)
            .iter()
            .rposition(|byte| matches!(byte, b'/' | b'=' | b'|' | b'`' | b'{' | b'?'))
        {
            start += sign + 1;
        }
        let host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || *byte >= 0x80;
        let mut end = at + 1;
        while end < bytes.len() && end - at < 254 && host(&item(bytes, end)) {
            end += 1;
        }
        end = text.floor_char_boundary(end);
        while end > at + 1 && matches!(prior(bytes, end), b'.' | b'-') {
            end -= 1;
        }
        let Some(domain) = text.get(at + 1..end) else {
            continue;
        };
        let top = domain.rsplit('.').next().unwrap_or_default();
        let labels = domain.split('.').all(|label| {
            !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
        });
        let named =
            top.chars().count() >= 2 && (top.chars().all(char::is_alphabetic) || top.starts_with("xn--"));
        // A name and a password in front of a host are no mailbox.
        let login = start > 0 && matches!(prior(bytes, start), b':' | b'/') && {
            let from = text.ceil_char_boundary(start.saturating_sub(80));
            let before = text.get(from..start).unwrap_or_default();
            before.rfind("://").is_some_and(|at| {
                before
                    .get(at..)
                    .is_some_and(|part| !part.contains(char::is_whitespace))
            })
        };
        // `git@host:path` is where a repository is, and `logo@2x.png` a file.
        let repository = item(bytes, end) == b':' && part(bytes, start..at) == b"git";
        let file = FILES.iter().any(|end| top.eq_ignore_ascii_case(end));
        let local = part(bytes, start..at);
        if !(login || repository || file || is_made(local))
            && start < at
            && labels
            && named
            && domain.contains('.')
            && prior(bytes, at) != b'.'
        {
            found.push(plain(Kind::Email, start..end, 1000));
        }
    }
}

/// Whether a machine made what stands before the `@`, to name a message: a long number, or hexadecimal digits and signs.
fn is_made(local: &[u8]) -> bool {
    const LEAST: usize = 16;
    let digits = local.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = local.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let hex = local
        .iter()
        .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'.' | b'_' | b'$'));
    local.len() >= LEAST && digits >= 8 && (hex || digits >= 12 && digits >= 2 * letters)
}

/// Longest part of a name between signs (RFC 1035).
const LABEL_MOST: usize = 63;
/// Most labels of a host that is spelt out, and most parts of the name before it.
const LABELS_MOST: usize = 6;

/// Domains of the top that make a name with a plain dot one of a host: where the dot is spelt out, any letters do.
const TOPS: &[&str] = &[
    "com", "org", "net", "edu", "gov", "io", "dev", "info", "biz", "eu", "de", "fr", "uk", "es", "it", "nl",
    "at", "ch", "be", "pl", "se", "no", "dk", "fi", "pt", "cz", "gr", "ie", "ru", "ua", "cn", "jp", "kr",
    "in", "br", "mx", "ar", "cl", "ca", "au", "nz", "za", "us",
];

/// Addresses such as `jane [at] acme [dot] com`, which are kept from programs that gather them.
pub(super) fn spelt_out(text: &str, found: &mut Vec<Personal>) {
    let bytes = text.as_bytes();
    for at in memchr::memchr3_iter(b'[', b'(', b'{', bytes) {
        let Some(behind) = sign(bytes, at, b"at") else {
            continue;
        };
        if let Some(start) = user(bytes, at)
            && let Some((end, spelt)) = host(bytes, behind)
            && (spelt || item(bytes, at) == b'[' || is_tight(bytes, start..at, behind))
        {
            found.push(plain(Kind::Email, start..end, 850));
        }
    }
}

/// Whether there is no gap around a sign in round brackets, and what is before it takes no condition: `if (at) it.no += 1` is
/// code.
fn is_tight(bytes: &[u8], user: Range<usize>, behind: usize) -> bool {
    !matches!(part(bytes, user.clone()), b"if" | b"while" | b"match" | b"switch")
        && prior(bytes, user.end) != b' '
        && item(bytes, behind) != b' '
}

/// Where a word in brackets that opens here ends: `[at]`, `( AT )`.
fn sign(bytes: &[u8], open: usize, word: &[u8]) -> Option<usize> {
    let close = match item(bytes, open) {
        b'[' => b']',
        b'(' => b')',
        b'{' => b'}',
        _ => return None,
    };
    let start = open + 1 + usize::from(item(bytes, open + 1) == b' ');
    let end = start + word.len();
    let spelt = part(bytes, start..end).eq_ignore_ascii_case(word);
    let end = end + usize::from(item(bytes, end) == b' ');
    (spelt && item(bytes, end) == close).then_some(end + 1)
}

/// Where the name before a sign starts: words with plain dots or spelt ones between them.
fn user(bytes: &[u8], sign_at: usize) -> Option<usize> {
    let is_part =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-');
    let mut start = None;
    let mut at = sign_at;
    for _ in 0..LABELS_MOST {
        let end = at - usize::from(prior(bytes, at) == b' ');
        let length = part(bytes, ..end)
            .iter()
            .rev()
            .take(LABEL_MOST + 1)
            .take_while(is_part)
            .count();
        // What is longer, or goes on with letters of another script, is no name.
        if length == 0 || length > LABEL_MOST || prior(bytes, end - length) >= 0x80 {
            break;
        }
        start = Some(end - length);
        // A dot that is spelt out stands before it.
        let before = end - length;
        let before = before - usize::from(prior(bytes, before) == b' ');
        let Some(open) = before.checked_sub("[dot]".len()) else {
            break;
        };
        if sign(bytes, open, b"dot") != Some(before) {
            break;
        }
        at = open;
    }
    start
}

/// Where the host that starts behind a sign ends, if it has a dot, and whether one was spelt out.
fn host(bytes: &[u8], from: usize) -> Option<(usize, bool)> {
    let mut at = from + usize::from(item(bytes, from) == b' ');
    let (mut dots, mut spelt) = (0, false);
    loop {
        let rest = part(bytes, at..).iter().take(LABEL_MOST + 1);
        let length = rest
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-')
            .count();
        if length == 0 || length > LABEL_MOST {
            return None;
        }
        let end = at + length;
        let gap = end + usize::from(item(bytes, end) == b' ');
        let next = sign(bytes, gap, b"dot").map(|next| next + usize::from(item(bytes, next) == b' '));
        if let Some(next) = next.filter(|_| dots < LABELS_MOST) {
            (at, dots, spelt) = (next, dots + 1, true);
        } else if item(bytes, end) == b'.'
            && item(bytes, end + 1).is_ascii_alphanumeric()
            && dots < LABELS_MOST
        {
            (at, dots) = (end + 1, dots + 1);
        } else {
            let top = part(bytes, at..end);
            let known = TOPS
                .iter()
                .any(|known| known.as_bytes().eq_ignore_ascii_case(top));
            let named = known || spelt && length >= 2 && top.iter().all(u8::is_ascii_alphabetic);
            // A call of what is named so, `of(at) self.de()`, goes on with a bracket.
            let goes_on = matches!(item(bytes, end), b'(' | b'_' | b'[' | b'=' | b'+' | b';');
            return (dots > 0 && named && !goes_on).then_some((end, spelt));
        }
    }
}
