//! Addresses that carry data away: what a reader's program fetches by itself, or a click would send.
//!
//! It names shapes, not hosts: whether a host is trusted is the policy's to know.

mod carried;
mod inert;
mod places;

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::safe::part;

/// Longest address that is looked at.
const URL_MOST: usize = 2048;
/// Most addresses of one text.
const URLS_MOST: usize = 2000;
/// So long a query of something that is fetched may carry data.
const QUERY_LEAST: usize = 48;
/// A value in a query that is this long may carry data.
const VALUE_LEAST: usize = 24;

static LINK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"]("));

/// What is not fetched by itself, but by whoever follows it: a lower finding.
#[must_use]
pub fn waits(what: &str) -> bool {
    what.starts_with("link_with") || what.starts_with("mail_with")
}

/// Finds them: where, which shape, and how sure in thousandths.
#[must_use]
pub fn find(text: &str) -> Vec<(Range<usize>, &'static str, u16)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    for place in places::find(text, URLS_MOST) {
        let start = place.range.start;
        let fetched = is_image(text, start);
        // Without a scheme much is no address: a comment, a path of files.
        if place.is_relative && !fetched && !is_linked(text, start) {
            continue;
        }
        // A place to fill in may have spaces.
        if let Some((what, score)) =
            judge(&place.rest, fetched).or_else(|| carried::slot(text, place.range.clone()))
        {
            found.push((place.range, what, score));
        }
    }
    carried::mails(text, &mut found);
    carried::names(text, &mut found);
    let mut told = [false; 2];
    for at in LINK.find_iter(bytes) {
        let to = part(bytes, at + 2..);
        for ((start, what), told) in [
            (&b"javascript:"[..], "script_link"),
            (b"data:text/html", "data_link"),
        ]
        .into_iter()
        .zip(&mut told)
        {
            if !*told
                && to
                    .get(..start.len())
                    .is_some_and(|to| to.eq_ignore_ascii_case(start))
            {
                *told = true;
                found.push((at + 2..at + 13, what, 800));
            }
        }
    }
    found
}

/// Hosts of the addresses in a text, in lower case, as a browser reads them.
#[must_use]
pub fn hosts(text: &str) -> Vec<String> {
    let places = places::find(text, URLS_MOST).into_iter();
    places
        .filter_map(|place| places::host(&place.rest).map(|(_, host)| host))
        .collect()
}

/// Calls `found` with each name of a host that a text may hold, in an address or alone: where, in lower case, and
/// whether it was written so that nobody follows it (`evil[.]example`). Words with a dot that are no names come, too.
pub fn names(text: &str, found: impl FnMut(Range<usize>, &str, bool)) {
    places::names(text, found);
}

/// What ends an address in a text.
const fn ends(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b')' | b'`' | b'\\' | b'|')
}

/// Elements whose addresses programs fetch, or send to, unasked.
const FETCHED: &[&str] = &[
    "<img", "<image", "<iframe", "<link", "<object", "<embed", "<video", "<audio", "<source", "<script",
    "<input", "<body", "<table", "<td", "<track", "<use", "<meta",
];

/// Whether the address at `start` is an image's, or another's that programs fetch unasked.
fn is_image(text: &str, start: usize) -> bool {
    let from = text.ceil_char_boundary(start.saturating_sub(200));
    let before = text.get(from..start).unwrap_or_default();
    let before = before.strip_suffix('<').unwrap_or(before);
    let markdown = before.strip_suffix("](").is_some_and(|before| {
        let line = before.rsplit('\n').next().unwrap_or_default();
        let mut texts = line.match_indices("![").filter_map(|(at, _)| line.get(at + 2..));
        texts.any(is_of_one_image)
    });
    let tag = before
        .rfind('<')
        .and_then(|at| before.get(at..))
        .is_some_and(|tag| {
            let tag = tag.to_ascii_lowercase();
            FETCHED.iter().any(|element| tag.starts_with(element)) && !tag.contains('>')
        });
    let style = || before.trim_end_matches([' ', '"', '\'']).ends_with("url(");
    markdown || tag || style() || is_referred(text, before)
}

/// Whether what stands between `![` and `](` is one image's text, and not a whole image that a link is around.
fn is_of_one_image(text: &str) -> bool {
    // Brackets in code and behind a sign that takes them back close nothing, nor those in a tag.
    if text.contains(['`', '\\', '<']) {
        return true;
    }
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' => open += 1,
            ']' if open > 0 => open -= 1,
            ']' if text.get(at + 1..).is_some_and(|rest| rest.starts_with('(')) => return false,
            _ => {}
        }
    }
    true
}

/// Whether the address at `start` is where a link leads.
fn is_linked(text: &str, start: usize) -> bool {
    let from = text.ceil_char_boundary(start.saturating_sub(16));
    let before = text.get(from..start).unwrap_or_default();
    let before = before.trim_end_matches(['"', '\'', ' ']);
    let attribute = |name: &str| {
        let length = before.len().checked_sub(name.len());
        length
            .and_then(|at| before.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(name))
    };
    before.ends_with("](") || before.ends_with("](<") || attribute("href=") || attribute("action=")
}

/// Whether an address behind `before` is one that an image refers to by its label: `[label]: address`, `![text][label]`.
fn is_referred(text: &str, before: &str) -> bool {
    const LABEL_MOST: usize = 64;
    let line = before.rsplit('\n').next().unwrap_or_default().trim();
    let label = line.strip_prefix('[').and_then(|line| line.strip_suffix("]:"));
    label
        .filter(|label| !label.is_empty() && label.len() <= LABEL_MOST)
        .is_some_and(|label| {
            let named = format!("][{label}]");
            let uses = memchr::memmem::find_iter(text.as_bytes(), named.as_bytes()).take(16);
            let image = |at: usize| {
                let line = text.get(..at).unwrap_or_default();
                let line = line
                    .get(line.rfind('\n').map_or(0, |at| at + 1)..)
                    .unwrap_or_default();
                line.rfind('[')
                    .is_some_and(|open| line.get(..open).is_some_and(|line| line.ends_with('!')))
            };
            uses.into_iter().any(image) || text.contains(&format!("![{label}]"))
        })
}

fn judge(rest: &str, fetched: bool) -> Option<(&'static str, u16)> {
    let (place, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    // An address with a place to fill in asks its reader to fill it.
    if fetched && (inert::has_slot(query) || inert::has_slot(path)) {
        return Some(("image_with_slot", 900));
    }
    if host.split('.').any(carried::is_said_in_label) {
        return Some(("data_in_host_name", 800));
    }
    if is_dense(host.split('.')) {
        return Some(("data_in_host_name", 700));
    }
    let carries = query
        .split(['&', '?', '#', ';'])
        .filter_map(|pair| pair.split_once('='))
        .any(|(name, value)| {
            let is_much = dense(value) || value.contains("%20") || value.contains('+');
            value.len() >= VALUE_LEAST
                && is_much
                && !inert::is_of_signature(name, value)
                && !inert::is_drawing(value)
        });
    if carried::is_said(path, query, fetched) {
        return Some(if fetched {
            ("image_with_data", 800)
        } else {
            ("link_with_data", 700)
        });
    }
    if !fetched && carried::is_personal(query) {
        return Some(("link_with_personal_data", 600));
    }
    if fetched && (carries || query.len() >= QUERY_LEAST && !inert::is_inert(query)) {
        return Some(("image_with_data", 700));
    }
    if fetched && carried::is_sentence(path) {
        return Some(("image_with_data", 500));
    }
    if fetched
        && path
            .split('/')
            .any(|part| part.len() >= 40 && dense(part) && !part.contains('.') && !inert::is_drawing(part))
    {
        return Some(("image_with_data", 450));
    }
    if host.rsplit_once('@').is_some_and(|(user, _)| is_misleading(user)) {
        return Some(("misleading_user_part", 600));
    }
    None
}

/// Whether the labels of a name hold much that is of encoded look: in one label, or cut over several.
fn is_dense<'a>(labels: impl Iterator<Item = &'a str>) -> bool {
    let (most, all) = labels
        .filter(|label| label.len() >= 12 && dense(label))
        .fold((0, 0), |(most, all), label| {
            (label.len().max(most), label.len() + all)
        });
    most >= 32 || all >= 40
}

/// Whether the user of an address is spelled as a host, which is then taken for where it leads. A plain user and password
/// belong to how databases and queues are reached.
fn is_misleading(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    let decoded = name
        .replace("%2e", ".")
        .replace("%2E", ".")
        .replace(['\u{3002}', '\u{ff0e}'], ".");
    let last = decoded.rsplit_once('.').map_or("", |(_, last)| last);
    last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic())
        || name.contains(|letter: char| !letter.is_ascii())
        || name.to_ascii_lowercase().contains("%2f")
}

/// Long, without spaces, and of encoded look.
fn dense(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let fine = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'%'));
    fine && digits >= 2 && crate::secrets::entropy(text) >= 3.0
}

#[cfg(test)]
mod tests;
