//! What an address says beyond where it leads: words in an encoding, personal data, a place to fill in.
//!
//! INVARIANT: only what decodes to words counts. Signatures, ids and digests decode to nothing that can be read, and what
//! programs keep in links (JSON, tokens) is no prose.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::pii::{self, Kind};
use crate::safe::{item, part, prior};
use crate::view::readable;
use crate::{digits, secrets};

/// Shortest encoding that is read, in digits.
const DIGITS_LEAST: usize = 20;
/// Fewest words of prose, and of what an image says in its address.
const WORDS_LEAST: usize = 4;
const WORDS_OF_IMAGE: usize = 2;
/// So many letters with a code of their own, which none of them needs, are a disguise.
const CODED_LEAST: usize = 8;
/// Most mail addresses and names that are looked at, and how far.
const PLACES_MOST: usize = 500;
const REACH: usize = 2048;

/// Whether the path or the query of an address says something in an encoding.
pub(super) fn is_said(path: &str, query: &str, fetched: bool) -> bool {
    let coded = |text: &str| {
        let letter = |at: usize| {
            let code = part(text.as_bytes(), at + 1..at + 3);
            let byte = str::from_utf8(code)
                .ok()
                .and_then(|code| u8::from_str_radix(code, 16).ok());
            code.len() == 2 && byte.is_some_and(|byte| byte.is_ascii_alphabetic())
        };
        let signs = memchr::memchr_iter(b'%', text.as_bytes());
        signs.filter(|at| letter(*at)).take(CODED_LEAST).count() == CODED_LEAST
    };
    let least = if fetched { WORDS_OF_IMAGE } else { WORDS_LEAST };
    let pieces = path.split('/').chain(query.split(['?', '#', '&', ';', '/']));
    let tells = |piece: &str| said(piece).is_some_and(|text| is_prose(&text, least, fetched));
    // In a path the sign mostly fills an encoding up, which the name of a file may follow.
    coded(path)
        || coded(query)
        || path.split('/').any(|piece| piece.contains('=') && tells(piece))
        || pieces
            .map(|piece| {
                piece.split_once('=').map_or(piece, |(name, value)| {
                    if value.trim_matches('=').is_empty() {
                        name
                    } else {
                        value
                    }
                })
            })
            .any(tells)
}

/// Whether the name of a file in a path is a sentence, with its spaces in codes. Names of files have fewer words.
pub(super) fn is_sentence(path: &str) -> bool {
    const WORDS: usize = 8;
    let is_word = |word: &&str| word.chars().filter(|c| c.is_alphabetic()).count() >= 2;
    path.split('/').any(|piece| {
        piece.matches("%20").take(WORDS).count() + 1 >= WORDS
            && percent(piece)
                .split_whitespace()
                .filter(is_word)
                .take(WORDS)
                .count()
                == WORDS
    })
}

/// What a piece of an address says, where it is an encoding of text.
pub(super) fn said(piece: &str) -> Option<String> {
    // The name of a file may end it, and a part that a code ends.
    let piece = piece.split(['.', '~', ':', ',']).next().unwrap_or_default();
    let piece = piece
        .replace("%3D", "")
        .replace("%3d", "")
        .replace("%2B", "+")
        .replace("%2F", "/");
    let piece = piece.trim_end_matches('=').as_bytes();
    if piece.len() < DIGITS_LEAST {
        return None;
    }
    let text = |bytes: &[u8]| readable(bytes).map(str::to_owned);
    if piece.iter().all(u8::is_ascii_hexdigit) {
        return text(&digits::hexadecimal(piece));
    }
    let of = |also: &'static [u8]| {
        piece
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || also.contains(byte))
    };
    if of(b"+/-_") {
        // Few first bytes tell most that are no text.
        let head = digits::base64(part(piece, ..16));
        let may = head
            .iter()
            .all(|byte| *byte >= 0x20 && *byte != 0x7f || matches!(byte, b'\n' | b'\t' | b'\r'));
        if let Some(text) = may.then(|| text(&digits::base64(piece))).flatten() {
            return Some(text);
        }
    }
    let upper = piece.to_ascii_uppercase();
    let thirty_two = upper.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
    thirty_two.then(|| text(&digits::base32(&upper))).flatten()
}

/// Whether a decoded text is words. What programs write into links for themselves is not.
fn is_prose(text: &str, least: usize, fetched: bool) -> bool {
    let is_data = text.trim_start().starts_with(['{', '[', '<']) || text.contains("://");
    let words = text
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|'))
        .filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() >= 2);
    (fetched || !is_data)
        && words.take(least).count() == least
        && text.contains(|c: char| c.is_whitespace() || c == ',')
}

/// Whether a label of a host's name says something in an encoding.
pub(super) fn is_said_in_label(label: &str) -> bool {
    label.len() >= DIGITS_LEAST
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && said(label).is_some_and(|text| text.chars().filter(char::is_ascii_alphabetic).count() >= 6)
}

/// Whether a query holds what belongs to somebody: numbers of cards, accounts and persons, or mail addresses of several.
pub(super) fn is_personal(query: &str) -> bool {
    const DIGITS: usize = 12;
    let digits = query.bytes().filter(u8::is_ascii_digit).count();
    let mails = memchr::memchr_iter(b'@', query.as_bytes()).count() + query.matches("%40").count();
    if digits < DIGITS && mails < 2 {
        return false;
    }
    // Signs between values are no part of them.
    let plain = query.replace("%40", "@").replace(['&', '=', '?', '+'], " ");
    let found = pii::find(&plain);
    let sure = |one: &&pii::Personal| {
        matches!(one.kind, Kind::Card | Kind::Iban | Kind::NationalId) && one.score >= 900
    };
    found.iter().any(|one| sure(&one)) || found.iter().filter(|one| one.kind == Kind::Email).count() >= 2
}

/// What a slot of an address asks for, where it asks for what was said or is known.
pub(super) const ASKED: &[&str] = &[
    "conversation",
    "chat history",
    "chat_history",
    "user data",
    "user_data",
    "userdata",
    "system prompt",
    "system_prompt",
    "data here",
    "data_here",
    "secret here",
    "secret_here",
    "secrets",
    "private",
    "memory",
    "memories",
    "everything",
    "summary of",
    "contents of",
    "content of",
    "api keys",
    "previous messages",
];

/// A place to fill in with what a reader knows, in an address that is followed by hand. Its words may have spaces, where
/// the address seems to end.
pub(super) fn slot(text: &str, address: Range<usize>) -> Option<(&'static str, u16)> {
    const SLOT_MOST: usize = 80;
    let whole = text.get(address.clone())?;
    let query = whole.find(['?', '#'])?;
    let open = query + whole.get(query..)?.find(['{', '[', '<'])?;
    let from = address.start + open;
    let end = text.floor_char_boundary(from.saturating_add(SLOT_MOST));
    let rest = text.get(from..end)?;
    let close = rest.find(['}', ']', '>', '\n'])?;
    let inner = rest.get(..close)?.to_ascii_lowercase();
    ASKED
        .iter()
        .any(|word| inner.contains(word))
        .then_some(("link_with_slot", 600))
}

/// The name that addresses of mails start with.
const MAIL: &[u8] = b"mailto";
/// Fewest words of a mail that is written already. A question to whoever runs a page has fewer.
const WORDS_OF_MAIL: usize = 8;

/// Mails that are written already: with words, a secret, somebody's data or a place to fill in.
pub(super) fn mails(text: &str, found: &mut Vec<(Range<usize>, &'static str, u16)>) {
    let bytes = text.as_bytes();
    let named = |at: &usize| part(bytes, *at..at + MAIL.len()).eq_ignore_ascii_case(MAIL);
    let colons = memchr::memchr_iter(b':', bytes).filter_map(|at| at.checked_sub(MAIL.len()));
    for at in colons.filter(named).take(PLACES_MOST) {
        let end = end_of_mail(text, at);
        let Some((to, query)) = text.get(at..end).and_then(|whole| whole.split_once('?')) else {
            continue;
        };
        let plain = percent(query);
        let what = if slot(text, at..end).is_some() {
            "mail_with_slot"
        } else if is_personal(query)
            || is_said("", query, false)
            || is_written(to, query)
            || !secrets::find(&plain).is_empty()
        {
            "mail_with_data"
        } else {
            continue;
        };
        found.push((at..end, what, 600));
    }
}

/// Where the address of a mail ends. Between quotes it may have spaces, and browsers send them.
fn end_of_mail(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let rest = || part(bytes, at..).iter().take(REACH);
    let bare = rest().take_while(|byte| !super::ends(byte)).count();
    let close = match prior(bytes, at) {
        quote @ (b'"' | b'\'') => quote,
        b'<' => b'>',
        _ => 0,
    };
    // A paragraph, an element or a row that begins before the quote is found says that there is none.
    let of_mail = |byte: &u8| *byte != close && !matches!(byte, b'\n' | b'<' | b'>' | b'"');
    let quoted = rest().take_while(|byte| of_mail(byte)).count();
    let closes = close != 0 && item(bytes, at + quoted) == close;
    text.floor_char_boundary(at + if closes { quoted.max(bare) } else { bare })
}

/// Whether somebody is sent a mail that has words enough to tell something. Without anybody a reader still says to whom.
fn is_written(to: &str, query: &str) -> bool {
    let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
    let receives = |(name, value): (&str, &str)| {
        let name = name.strip_prefix("amp;").unwrap_or(name);
        !value.is_empty()
            && ["to", "cc", "bcc"]
                .iter()
                .any(|one| one.eq_ignore_ascii_case(name))
    };
    let is_sent = to.len() > MAIL.len() + 1 || pairs().any(receives);
    is_sent && pairs().any(|(_, value)| words(&percent(value)) >= WORDS_OF_MAIL)
}

/// How many words a text has. Scripts without spaces have about two signs to a word.
fn words(text: &str) -> usize {
    let is_dense = |c: char| matches!(c, '\u{e00}'..='\u{e7f}' | '\u{3040}'..='\u{9fff}');
    let word = |word: &str| {
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        let dense = word.chars().filter(|c| is_dense(*c)).count();
        usize::from(letters >= 2).max(dense / 2)
    };
    text.split_whitespace().map(word).sum()
}

/// A text without its codes of percent signs; a sign of addition is a space.
pub(super) fn percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let byte = item(text.as_bytes(), at);
        let code = part(text.as_bytes(), at + 1..at + 3);
        let coded = str::from_utf8(code)
            .ok()
            .filter(|code| byte == b'%' && code.len() == 2);
        match coded.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(plain) => {
                bytes.push(plain);
                at += 3;
            }
            None => {
                bytes.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Commands that ask for a name.
static ASKS: LazyLock<[Finder<'static>; 5]> = LazyLock::new(|| {
    [
        Finder::new(b"nslookup "),
        Finder::new(b"dig "),
        Finder::new(b"ping "),
        Finder::new(b"host "),
        Finder::new(b"Resolve-DnsName "),
    ]
});

/// Names that a command asks for, which say something: in an encoding, or what another command prints.
pub(super) fn names(text: &str, found: &mut Vec<(Range<usize>, &'static str, u16)>) {
    const LINE: usize = 400;
    const WORDS: usize = 8;
    let asks = |ask: &'static Finder<'static>| {
        let places = ask.find_iter(text.as_bytes()).take(PLACES_MOST);
        places.map(move |at| at..at + ask.needle().len())
    };
    for hit in ASKS.iter().flat_map(asks) {
        let before = hit.start.checked_sub(1).map(|at| item(text.as_bytes(), at));
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')) {
            continue;
        }
        let end = text.floor_char_boundary(hit.end.saturating_add(LINE));
        let line = text.get(hit.end..end).unwrap_or_default();
        let line = line.split('\n').next().unwrap_or_default();
        if let Some(range) = printed(line) {
            found.push((
                hit.end + range.start..hit.end + range.end,
                "data_in_host_name",
                700,
            ));
            continue;
        }
        let line = line.split(['|', '&', '>']).next().unwrap_or_default();
        let words = line.split([' ', '\t', '"', '\'', ';']).take(WORDS);
        for word in words.filter(|word| word.contains('.') && !word.contains('/')) {
            let labels = || word.trim_end_matches('.').split('.');
            if labels().any(is_said_in_label) || super::is_dense(labels()) {
                let start = word.as_ptr().addr() - text.as_ptr().addr();
                found.push((start..start + word.len(), "data_in_host_name", 700));
                break;
            }
        }
    }
}

/// The name in which what another command prints is a label.
fn printed(line: &str) -> Option<Range<usize>> {
    let (open, close) = match (line.find("$("), line.find('`')) {
        (Some(at), _) => (at, at + line.get(at..)?.find(").")? + 1),
        (_, Some(at)) => (at, at + 1 + line.get(at + 1..)?.find("`.")? + 1),
        _ => return None,
    };
    let rest = line.get(close..)?;
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let length = rest.find(|c| !name(c)).unwrap_or(rest.len());
    (length > 3).then_some(open..close + length)
}
