//! Typed canonical forms: two spellings of one address, account, number or date become one key.
//!
//! What can't be read safely has no key and so matches nothing: mixed scripts within a word, characters that are
//! invisible or reorder text, more than [`LIMIT`] bytes. INVARIANT: equal keys mean equal things of the same type; the
//! type is the key's first letter, so that a number never equals an id spelt alike.

use unicode_normalization::UnicodeNormalization as _;
use unicode_security::MixedScript as _;

use crate::when::{self, When};

/// Longest value that has a key, in bytes. Longer text is content and vouches for nothing.
pub const LIMIT: usize = 2048;

/// Why a value has no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unsafe {
    /// Empty once spaces are gone.
    Empty,
    /// Longer than [`LIMIT`].
    TooLong,
    /// A word that mixes scripts, such as Latin with a Cyrillic letter that looks alike.
    MixedScript,
    /// Control, zero-width, bidirectional or tag characters.
    Invisible,
}

/// The type of a value, as far as its spelling tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// A URL, or a host with a path.
    Url,
    /// An account number that passes the ISO 13616 check.
    Iban,
    /// A phone number with its country code.
    Phone,
    /// A decimal number.
    Number,
    /// A date, a time or both.
    When(When),
    /// Anything else.
    Text,
}

/// One value in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// Type letter, colon, canonical spelling.
    pub key: Box<str>,
    /// What it is.
    pub kind: Kind,
}

/// NFKC, lower case, runs of white space as one space.
///
/// # Errors
/// Why the text has no safe form. The length is not looked at here.
pub fn fold(text: &str) -> Result<String, Unsafe> {
    let shows = if text.is_ascii() {
        !text
            .bytes()
            .any(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\r' | b'\t'))
    } else {
        !text.chars().any(invisible)
    };
    if !shows {
        return Err(Unsafe::Invisible);
    }
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        if word.is_ascii() {
            let from = folded.len();
            folded.push_str(word);
            if let Some(added) = folded.get_mut(from..) {
                added.make_ascii_lowercase();
            }
            continue;
        }
        if word
            .split(|c: char| !c.is_alphanumeric())
            .any(|part| !part.is_single_script())
        {
            return Err(Unsafe::MixedScript);
        }
        folded.extend(word.nfkc().flat_map(char::to_lowercase));
    }
    if folded.is_empty() {
        Err(Unsafe::Empty)
    } else {
        Ok(folded)
    }
}

/// Characters that show nothing, or move what is shown.
pub(crate) fn invisible(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The canonical form of one whole value.
///
/// # Errors
/// Why it has none.
pub fn canonical(text: &str) -> Result<Canonical, Unsafe> {
    if text.len() > LIMIT {
        return Err(Unsafe::TooLong);
    }
    let folded = fold(text)?;
    let of = |letter: char, rest: &str, kind| {
        let mut key = String::with_capacity(2 + rest.len());
        key.extend([letter, ':']);
        key.push_str(rest);
        Canonical {
            key: key.into_boxed_str(),
            kind,
        }
    };
    Ok(if let Some(email) = email(&folded) {
        of('e', &email, Kind::Email)
    } else if let Some(when) = when::parse(&folded) {
        of('d', &when.key(), Kind::When(when))
    } else if let Some(number) = number(&folded) {
        of('n', &number, Kind::Number)
    } else if let Some(iban) = iban(&folded) {
        of('b', &iban, Kind::Iban)
    } else if let Some(phone) = phone(&folded) {
        of('p', &phone, Kind::Phone)
    } else if let Some(url) = url(&folded, text.trim()) {
        of('u', &url, Kind::Url)
    } else {
        of('w', &folded, Kind::Text)
    })
}

/// `local@host`, the host in its ASCII form. No quoting, no comments, no display name (RFC 5321 without its oddities).
fn email(folded: &str) -> Option<String> {
    let bare = folded.strip_prefix("mailto:").unwrap_or(folded);
    let (local, domain) = bare.split_once('@')?;
    let plain = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    if local.is_empty() || local.len() > 64 || !local.chars().all(plain) {
        return None;
    }
    Some(format!("{local}@{}", host(domain)?))
}

/// A host name of at least two labels as ASCII (RFC 3492), without a trailing dot. IP addresses stay as they are.
#[must_use]
pub fn host(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let labels: Vec<&str> = name.split(['.', '\u{3002}', '\u{ff0e}']).collect();
    if labels.len() < 2 || name.len() > 253 {
        return None;
    }
    let mut ascii = Vec::with_capacity(labels.len());
    for label in labels {
        let shape = !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
        if !shape {
            return None;
        }
        ascii.push(if label.is_ascii() {
            label.to_owned()
        } else {
            format!("xn--{}", punycode(label)?)
        });
    }
    Some(ascii.join("."))
}

/// The Bootstring encoding of one label (RFC 3492, section 6.3).
fn punycode(label: &str) -> Option<String> {
    let points: Vec<u32> = label.chars().map(u32::from).collect();
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(out.len()).ok()?;
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias, mut handled) = (128_u32, 0_u32, 72_u32, basic);
    let total = u32::try_from(points.len()).ok()?;
    while handled < total {
        let next = points.iter().copied().filter(|p| *p >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for point in &points {
            if *point < n {
                delta = delta.checked_add(1)?;
            } else if *point == n {
                let (mut q, mut k) = (delta, 36_u32);
                loop {
                    let t = k.saturating_sub(bias).clamp(1, 26);
                    if q < t {
                        break;
                    }
                    out.push(digit(t + (q - t) % (36 - t))?);
                    q = (q - t) / (36 - t);
                    k += 36;
                }
                out.push(digit(q)?);
                bias = adapt(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        n = n.checked_add(1)?;
    }
    Some(out)
}

fn digit(value: u32) -> Option<char> {
    let byte = u8::try_from(value).ok()?;
    Some(char::from(if byte < 26 {
        b'a' + byte
    } else {
        b'0' + (byte - 26)
    }))
}

fn adapt(delta: u32, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / points.max(1);
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

/// A number without its thousands separators, currency sign and trailing zeros; at most 18 digits before the point.
#[must_use]
pub fn number(folded: &str) -> Option<String> {
    let bare = folded
        .trim_start_matches(['$', '€', '£', '¥'])
        .trim_end_matches(['$', '€', '£', '¥'])
        .trim();
    let (sign, digits) = match bare.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", bare),
    };
    // Most texts are no numbers: seen before anything is copied.
    if !digits
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','))
    {
        return None;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let grouped = whole.contains(',');
    let groups = || whole.split(',').enumerate();
    if grouped
        && !groups().all(|(at, g)| {
            if at == 0 {
                (1..=3).contains(&g.len())
            } else {
                g.len() == 3
            }
        })
    {
        return None;
    }
    let plain: String = whole.chars().filter(|c| *c != ',').collect();
    let fine = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if plain.is_empty() || plain.len() > 18 || fraction.len() > 12 || !fine(&plain) || !fine(fraction) {
        return None;
    }
    let whole = plain.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    let sign = if whole == "0" && fraction.is_empty() {
        ""
    } else {
        sign
    };
    Some(if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    })
}

/// An account number whose check digits hold (ISO 13616: mod 97 is 1), without spaces, in lower case.
fn iban(folded: &str) -> Option<String> {
    let is_between = |byte: u8| matches!(byte, b' ' | b'-');
    let counted = folded.bytes().filter(|b| !is_between(*b)).count();
    if !(15..=34).contains(&counted) || !folded.bytes().all(|b| b.is_ascii_alphanumeric() || is_between(b)) {
        return None;
    }
    let bare: String = folded.chars().filter(|c| *c != ' ' && *c != '-').collect();
    let country = bare.get(..2)?;
    let check = bare.get(2..4)?;
    let shape = country.bytes().all(|b| b.is_ascii_alphabetic()) && check.bytes().all(|b| b.is_ascii_digit());
    if !shape {
        return None;
    }
    let mut rotated = bare.get(4..)?.chars().chain(bare.get(..4)?.chars());
    let rest = rotated.try_fold(0_u32, |rest, c| {
        let value = c.to_digit(36)?;
        Some(if value < 10 {
            (rest * 10 + value) % 97
        } else {
            (rest * 100 + value) % 97
        })
    })?;
    (rest == 1).then_some(bare)
}

/// An international phone number: `+` or `00`, then 7 to 15 digits (ITU-T E.164).
fn phone(folded: &str) -> Option<String> {
    let rest = folded.strip_prefix('+').or_else(|| folded.strip_prefix("00"))?;
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let shape = rest.chars().all(|c| c.is_ascii_digit() || " -.()/".contains(c));
    (shape && (7..=15).contains(&digits.len())).then(|| format!("+{digits}"))
}

/// The number that a messenger's address stands for: an international number without its `+`, alone or in front of the
/// domain that WhatsApp's own addresses have.
#[must_use]
pub fn dialled(text: &str) -> Option<Canonical> {
    let bare = text.trim();
    let digits = ["@s.whatsapp.net", "@c.us"]
        .iter()
        .find_map(|domain| bare.strip_suffix(domain))
        .unwrap_or(bare);
    // Shorter ones are anybody's; what begins with a zero is a national one.
    let shape = (9..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    (shape && !digits.starts_with('0')).then(|| Canonical {
        key: format!("p:+{digits}").into_boxed_str(),
        kind: Kind::Phone,
    })
}

/// A URL, or a bare `host/path` whose last label is letters. Scheme and host fold, the rest keeps its case; a bare
/// host means `https`. Credentials, and characters outside RFC 3986, have no canonical form.
fn url(folded: &str, raw: &str) -> Option<String> {
    let (scheme, rest) = match folded.split_once("://") {
        Some((scheme @ ("http" | "https" | "ftp" | "ws" | "wss" | "file" | "ssh" | "git"), rest)) => {
            (scheme, rest)
        }
        Some(_) => return None,
        None => ("https", folded),
    };
    if rest.contains([' ', '\\', '@', '"', '<', '>', '`']) {
        return None;
    }
    let cut = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, _) = rest.split_at(cut);
    let (name, port) = authority.split_once(':').unwrap_or((authority, ""));
    let name = host(name)?;
    let last = name.rsplit('.').next()?;
    let bare = !folded.contains("://");
    if bare && !(last.len() >= 2 && last.bytes().all(|b| b.is_ascii_alphabetic()) || last.starts_with("xn--"))
    {
        return None;
    }
    let raw_rest = raw.split_once("://").map_or(raw, |(_, rest)| rest);
    let path = raw_rest
        .find(['/', '?', '#'])
        .and_then(|at| raw_rest.get(at..))
        .unwrap_or("");
    let path = if path == "/" { "" } else { path };
    let port = match (scheme, port) {
        ("https" | "wss", "443") | ("http" | "ws", "80") | (_, "") => String::new(),
        (_, other) if other.bytes().all(|b| b.is_ascii_digit()) => format!(":{other}"),
        _ => return None,
    };
    // Both web schemes reach the same owner; which one is used is not what provenance asks.
    let scheme = if scheme == "http" { "https" } else { scheme };
    Some(format!("{scheme}://{name}{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: &str, right: &str) {
        assert_eq!(
            canonical(left).map(|c| c.key),
            canonical(right).map(|c| c.key),
            "{left} and {right}"
        );
    }

    #[test]
    fn spellings_of_one_thing_are_one_key() {
        check("Ann@Example.COM", "mailto:ann@example.com");
        check("DE89 3704 0044 0532 0130 00", "de89370400440532013000");
        check("+44 (20) 7946-0958", "0044 20 7946 0958");
        check("1,200.50", "$1200.5");
        check("http://Example.com/", "example.com");
        check("https://bücher.example/A", "xn--bcher-kva.example/A");
        check("2024-05-15", "May 15th, 2024");
        check("2024-05-15 10:00", "2024-05-15T10:00:00");
    }

    #[test]
    fn different_things_stay_apart() {
        for (left, right) in [
            ("ann@example.com", "ann@example.co"),
            ("example.com/a", "example.com/A"),
            ("12", "12.5"),
            ("example.com.evil.org", "example.com"),
            ("1,20", "120"),
        ] {
            assert_ne!(canonical(left), canonical(right), "{left} and {right}");
        }
        // The check digits are wrong, so it is text and not an account.
        assert_eq!(
            canonical("DE88370400440532013000").map(|c| c.kind),
            Ok(Kind::Text)
        );
    }

    #[test]
    fn what_hides_has_no_key() {
        assert_eq!(canonical("p\u{430}ypal.com"), Err(Unsafe::MixedScript));
        assert_eq!(canonical("ann\u{200b}@example.com"), Err(Unsafe::Invisible));
        assert_eq!(canonical("a\u{202e}b"), Err(Unsafe::Invisible));
        assert_eq!(canonical(" \t"), Err(Unsafe::Empty));
        assert_eq!(canonical(&"x".repeat(LIMIT + 1)), Err(Unsafe::TooLong));
        assert_eq!(canonical("user@host\u{feff}.com"), Err(Unsafe::Invisible));
    }
}
