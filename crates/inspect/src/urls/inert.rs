//! What of a picture's address tells nothing of anybody: how the picture is to look, the formula or the chart that a server
//! draws, and the signature without which a server gives nothing.
//!
//! It names shapes, not hosts, so whoever owns a host may use them. INVARIANT: what is passed over is of a closed list of
//! words, or unreadable and as long as a signature, once in an address; whatever else an address says is counted, to
//! [`FREE_LEAST`] letters and digits, which is what a query says that is too short to be looked at, and [`WORDS_MOST`] words.

use super::carried::{ASKED, percent, said};
use crate::digits::{base64, hexadecimal};
use crate::safe::{item, prior};

/// So many letters and digits of a query that are of no list may carry data, and more words than so many.
const FREE_LEAST: usize = 44;
const WORDS_MOST: usize = 4;
/// So many letters and digits of a formula may, those of words counted twice: variables have one letter.
const FORMULA_LEAST: usize = 24;
/// Longest query that is read.
const QUERY_MOST: usize = 1500;
/// Most digits in a row, most behind a point, as places on a map have them, and most of a look.
const DIGITS_MOST: usize = 4;
const FRACTION_MOST: usize = 6;
const DIGITS_OF_LOOK: usize = 6;

/// Names of what a picture that is drawn when it is asked for is to look like, and of which state of a project it shows.
const LOOKS: &str = "\
    style theme logo logocolor logowidth logosize label labelcolor color colora colorb bg fg format size \
    width height w h s v version branch event job tag sort include_prereleases cacheseconds maxage \
    longcache link icon align";
/// Longest value of them, and longest query of nothing else.
const LOOK_MOST: usize = 20;
const LOOKS_MOST: usize = 160;

/// Names whose values count and they don't.
const NAMES: &str = "\
    bkg c center chart font from lang lat layers layout lng locale lon maptype markers math repo scale \
    tex user username zoom";

/// Commands of formulas (TeX), in small letters.
const TEX: &str = "\
    alpha approx arg bar begin beta bg big bigg binom boxed cap cdot cdots chi circ color cos cup ddot \
    delta det dfrac dim displaystyle dot dots dpi ell end epsilon equiv eta exists exp forall frac gamma \
    geq hat iff iint implies in inf infty inline int iota kappa ker lambda langle large latex lceil \
    ldots left leftarrow leq lfloor lim ln log lvert mapsto mathbb mathbf mathcal mathit mathrm mathsf \
    max mid min mp mu nabla neq not notin nu oint omega operatorname oplus otimes overbrace overline \
    overset partial phantom phi pi pm pmod prime prod propto psi qquad quad rangle rceil rfloor rho \
    right rightarrow rvert sigma sim simeq sin sqrt stackrel subset sum sup tan tau text textbf textrm \
    tfrac theta tilde times to underbrace underline underset upsilon varepsilon varphi vdots vec xi zeta";
/// Words of formulas that stand in braces.
const TEX_WORDS: &str = "\
    align aligned array black blue bmatrix cases gather gathered green matrix pmatrix smallmatrix split \
    vmatrix white";
/// Words of charts and pictures that are told in JSON.
const CHART: &str = "\
    axes backgroundcolor bar bordercolor borderwidth chart color data datasets display doughnut false \
    fill height horizontalbar label labels legend line max min options pie plugins radar scales scatter \
    series stacked text ticks title true type width xaxes yaxes";

/// Whether a list has a word.
fn holds(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace()
        .any(|one| one.eq_ignore_ascii_case(word))
}

/// Whether a query says how a picture is to look, and little else.
pub(super) fn is_inert(query: &str) -> bool {
    let query = query.trim_start_matches(['?', '#']);
    if query.len() > QUERY_MOST {
        return false;
    }
    let (mut looks, mut signatures, mut all) = (0, 0, Told::default());
    for pair in query.split('&') {
        let pair = pair.strip_prefix("amp;").unwrap_or(pair);
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if holds(LOOKS, name) && is_look(value) {
            looks += pair.len() + 1;
        } else if is_of_scheme(name, value) {
            continue;
        } else if is_signature(name, value) {
            signatures += 1;
        } else {
            // A formula may hold the sign of equality, and then all of it counts.
            let plain = percent(if holds(NAMES, name) { value } else { pair });
            let Some(told) = Told::of(&plain).filter(|told| told.is_little()) else {
                return false;
            };
            all.free += told.free;
            all.words += told.words;
        }
    }
    looks <= LOOKS_MOST && signatures <= 1 && all.is_little()
}

/// Whether the value of a look is a word or a version.
fn is_look(value: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'%' | b'+' | b'#');
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    // A color or a version has six digits, a number of somebody's more.
    value.len() <= LOOK_MOST && digits <= DIGITS_OF_LOOK && value.bytes().all(plain)
}

/// Whether a value in a query tells nothing by itself: a signature, or what stands beside one.
pub(super) fn is_of_signature(name: &str, value: &str) -> bool {
    let name = name.strip_prefix("amp;").unwrap_or(name);
    is_of_scheme(name, value) || is_signature(name, value)
}

/// Whether a text is a formula or a chart that says too little to carry anything, whatever else it looks like.
pub(super) fn is_drawing(text: &str) -> bool {
    let plain = percent(text);
    (is_formula(&plain) || is_chart(&plain)) && Told::of(&plain).is_some_and(|told| told.is_little())
}

/// What a text says beyond the words of lists.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    /// Letters and digits.
    free: usize,
    /// Words, and their letters.
    words: usize,
    letters: usize,
    /// It is a formula.
    is_formula: bool,
}

impl Told {
    /// Of a text without codes. `None`: some of it is a number of somebody's, or of a script that no picture is asked for in.
    fn of(plain: &str) -> Option<Self> {
        let is_chart = is_chart(plain);
        let mut told = Self {
            is_formula: !is_chart && is_formula(plain),
            ..Self::default()
        };
        // Two letters beside each other are two variables.
        let least = if told.is_formula { 3 } else { 2 };
        let mut rest = Some(plain).filter(|plain| plain.is_ascii())?;
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            let lead = prior(rest.as_bytes(), start);
            let run = rest.get(start..)?;
            let is_number = run.starts_with(|c: char| c.is_ascii_digit());
            let same = |c: char| c.is_ascii_alphanumeric() && c.is_ascii_digit() == is_number;
            let length = run.find(|c| !same(c)).unwrap_or(run.len());
            let word = run.get(..length)?;
            let most = if lead == b'.' { FRACTION_MOST } else { DIGITS_MOST };
            if is_number && length > most {
                return None;
            }
            let is_command = matches!(lead, b'\\' | b'/') && holds(TEX, word);
            let is_listed = is_command
                || holds("true false", word)
                || lead == b'{' && told.is_formula && holds(TEX_WORDS, word)
                || is_chart && holds(CHART, word);
            if !is_listed {
                told.free += length;
                let is_word = !is_number && length >= least;
                told.words += usize::from(is_word);
                told.letters += if is_word { length } else { 0 };
            }
            rest = run.get(length..)?;
        }
        Some(told)
    }

    const fn is_little(self) -> bool {
        self.free < FREE_LEAST
            && self.words <= WORDS_MOST
            && (!self.is_formula || self.free + self.letters < FORMULA_LEAST)
    }
}

/// Whether a text is of a formula: with a command, or a brace behind the sign of a power. A slash may be a backslash, as
/// browsers read it.
fn is_formula(plain: &str) -> bool {
    let signs = plain.match_indices(['\\', '/', '^']);
    signs.take(64).any(|(at, sign)| {
        let rest = plain.get(at + 1..).unwrap_or_default();
        let length = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let command = || holds(TEX, rest.get(..length).unwrap_or_default());
        // Words of it are names of folders, too, so a slash alone needs what is of no path.
        let behind = item(rest.as_bytes(), length);
        rest.starts_with('{') && sign == "^"
            || command() && (sign == "\\" || matches!(behind, b'{' | b'\\' | b'^' | b'_'))
    })
}

/// Whether a text is a chart that is told in JSON, or begins as one.
fn is_chart(plain: &str) -> bool {
    plain
        .find('{')
        .is_some_and(|at| is_member(plain.get(at + 1..).unwrap_or_default()))
}

/// Whether a member of a chart follows: `"data" : [`, or `type:` where the address ends, as it does at a quote.
fn is_member(rest: &str) -> bool {
    let rest = rest.trim_start_matches(['"', '\'', ' ']);
    let length = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let (name, behind) = rest.split_at(length);
    let behind = behind.trim_start_matches(['"', '\'', ' ']);
    let value = behind.strip_prefix(':').map(str::trim_start);
    let is_value = |c: char| c.is_ascii_digit() || matches!(c, '"' | '\'' | '{' | '[' | '(' | '-');
    holds(CHART, name)
        && value.is_some_and(|value| {
            value.starts_with(is_value)
                || value.starts_with("true")
                || value.starts_with("false")
                || value.is_empty() && name.eq_ignore_ascii_case("type")
        })
}

/// Whether a path or a query has a place to fill in. Braces of formulas and charts are none where they hold what those are
/// made of.
pub(super) fn has_slot(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if ["$(", "<", "your_", "secret_here", "data_here", "insert"]
        .iter()
        .any(|word| lower.contains(word))
    {
        return true;
    }
    if !["{", "[", "%7b"].iter().any(|open| lower.contains(open)) {
        return false;
    }
    // Brackets that are coded open nothing.
    let plain = percent(&lower.replace("%5b", "(").replace("%5d", ")"));
    if ASKED.iter().any(|word| plain.contains(word)) {
        return true;
    }
    let (formula, chart) = (is_formula(&plain), is_chart(&plain));
    plain.match_indices(['{', '[']).any(|(at, open)| {
        let rest = plain.get(at + 1..).unwrap_or_default();
        let listed = rest
            .trim_start()
            .starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | ']'));
        if open == "[" {
            let quoted = chart && rest.starts_with(['"', '\'', '{', '[']);
            !(listed || quoted)
        } else {
            let before = plain.get(..at).unwrap_or_default();
            !(formula && is_argument(before, rest) || chart && is_member(rest))
        }
    })
}

/// Whether a brace is of a formula: behind a command, a power, an index or another brace, and around a number, letters that
/// stand alone, commands, or a word that formulas have.
fn is_argument(before: &str, rest: &str) -> bool {
    /// Names of what is counted have no more letters.
    const NAME: usize = 3;
    let letters = before.len() - before.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (front, command) = before.split_at(before.len() - letters);
    let is_command = front.ends_with(['\\', '/']) && holds(TEX, command);
    if !(is_command || letters == 0 && front.ends_with(['^', '_', '}', ']'])) {
        return false;
    }
    let mut depth = 1_usize;
    let end = rest.find(|c: char| {
        depth = match c {
            '{' => depth + 1,
            '}' => depth - 1,
            _ => depth,
        };
        depth == 0
    });
    let inner = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    let mut words = inner
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty());
    words.all(|word| {
        let at = word.as_ptr().addr() - inner.as_ptr().addr();
        let lead = prior(inner.as_bytes(), at);
        word.chars().count() <= NAME
            || matches!(lead, b'\\' | b'/') && holds(TEX, word)
            || matches!(lead, 0 | b'{') && holds(TEX_WORDS, word)
    })
}

/// Names of what proves that an address may be asked, besides those that end in `signature`.
const SIGNS: &str =
    "access_token api_key apikey auth checksum digest hash hm hmac key md5 sha256 sig sign token";

/// Whether a value is a signature, or a token, and nothing that anybody can read.
fn is_signature(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    (name.ends_with("signature") || holds(SIGNS, &name)) && said(value).is_none() && is_noise(value)
}

/// Whether digits are as mixed as those of what was encrypted or hashed, and stand for bytes that are. Words have letters of
/// one case in a row, and so has what encodes them in fewer kinds of digits.
fn is_noise(value: &str) -> bool {
    /// Digits of a token, and of signatures of 64, 128 and 256 bytes, in hexadecimal and in base64.
    const SHORT: std::ops::RangeInclusive<usize> = 16..=64;
    const LONG: &[usize] = &[86, 96, 128, 171, 172, 256, 342, 343, 344, 512];
    const ROW: usize = 4;
    let plain = percent(value).replace(' ', "+").replace('~', "/");
    let plain = plain.trim_end_matches(['=', '_']).as_bytes();
    if !SHORT.contains(&plain.len()) && !LONG.contains(&plain.len()) {
        return false;
    }
    let numbers = plain.iter().filter(|byte| byte.is_ascii_digit()).count();
    let bytes = if plain.iter().all(u8::is_ascii_hexdigit) {
        // A number of somebody's is of digits alone.
        let letters = plain.len() - numbers;
        if numbers * 4 < plain.len() || letters * 8 < plain.len() {
            return false;
        }
        hexadecimal(plain)
    } else {
        let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        let rows = plain.chunk_by(|one, two| {
            one.is_ascii_lowercase() && two.is_ascii_lowercase()
                || one.is_ascii_uppercase() && two.is_ascii_uppercase()
        });
        let in_rows: usize = rows.map(|row| row.len()).filter(|length| *length >= ROW).sum();
        let kinds: [fn(&u8) -> bool; 3] =
            [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit];
        if !plain.iter().all(digit)
            || !kinds.iter().all(|is| plain.iter().any(is))
            || in_rows * 3 > plain.len()
        {
            return false;
        }
        base64(plain)
    };
    let printed = bytes
        .iter()
        .filter(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
        .count();
    printed * 4 <= bytes.len() * 3
}

/// Whether a value stands beside a signature, as two schemes of signed addresses have it: `X-Amz-*` and `X-Goog-*`, and
/// shared access signatures (`se`, `sv` and so on). Each has one shape.
fn is_of_scheme(name: &str, value: &str) -> bool {
    let (name, value) = (name.to_ascii_lowercase(), percent(value));
    let all = |text: &str, is: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(is);
    let stamp = |text: &str| {
        text.len() <= 16 && all(text, |byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z'))
    };
    let time = |text: &str| {
        let fits = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'T' | b'Z');
        text.len() <= 20 && item(text.as_bytes(), 4) == b'-' && all(text, fits)
    };
    let own = name
        .strip_prefix("x-amz-")
        .or_else(|| name.strip_prefix("x-goog-"));
    match own.unwrap_or(&name) {
        "algorithm" => own.is_some() && ["AWS4-HMAC-SHA256", "GOOG4-RSA-SHA256"].contains(&value.as_str()),
        "date" => own.is_some() && stamp(&value),
        "signedheaders" => own.is_some() && value == "host",
        "credential" => own.is_some() && is_credential(&value),
        "expires" => value.len() <= 10 && all(&value, u8::is_ascii_digit),
        "sv" | "st" | "se" | "ske" | "skt" | "skv" => time(&value),
        _ => false,
    }
}

/// Whether a value names a key, a day, a region and a service: `AKIDEXAMPLE/20260303/eu-west-1/s3/aws4_request`.
fn is_credential(value: &str) -> bool {
    let mut parts = value.split('/');
    let mut next = |most: usize, is: fn(&u8) -> bool| {
        parts
            .next()
            .is_some_and(|text| text.len() <= most && text.as_bytes().iter().all(is))
    };
    let is_key = next(24, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let is_day = next(8, u8::is_ascii_digit);
    let is_region = next(20, |byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-'
    });
    let is_service = next(10, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_end = matches!(parts.next(), Some("aws4_request" | "goog4_request"));
    is_key && is_day && is_region && is_service && is_end && parts.next().is_none()
}
