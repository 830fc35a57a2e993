//! Markup as a model reads it: the words, also those that no browser shows.

use std::ops::Range;

use super::map::Map;
use super::{Disguise, Form, Found};

/// Longest tag that is read as one.
const TAG_MOST: usize = 4096;
/// Deepest nesting of hidden elements that is followed.
const NEST_MOST: usize = 64;
/// Most comments that are told apart from the words that they stand in.
const ASIDE_MOST: usize = 4096;
/// Attributes whose values a model reads as text.
const SPOKEN: &[&str] = &[
    "alt",
    "title",
    "aria-label",
    "aria-description",
    "content",
    "placeholder",
    "value",
    "summary",
    "label",
];
/// Elements without an end.
const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
];

/// Elements that stand within a line of text, and so separate no words.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark",
    "q", "s", "samp", "small", "span", "strong", "sub", "sup", "tt", "u", "var", "wbr",
];

/// Finds markup in `text`, and adds one layer with all of its words. What is hidden is told by its range in `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>, hidden: &mut Vec<(Disguise, Range<usize>)>) {
    if !looks_like(text.as_bytes()) {
        return;
    }
    let mut reader = Reader {
        text,
        out: String::with_capacity(text.len()),
        map: Map::default(),
        hidden,
        open: Vec::new(),
        aside: Vec::new(),
        ended: 0,
        changed: false,
    };
    reader.read();
    if reader.changed {
        found.push(Found {
            text: reader.out,
            form: Form::Markup,
            map: reader.map,
        });
    }
}

/// A tag, a comment or an entity somewhere.
fn looks_like(bytes: &[u8]) -> bool {
    memchr::memchr2_iter(b'<', b'&', bytes).any(|at| match bytes.get(at..) {
        Some([b'<', b'!', ..]) => true,
        Some([b'<', rest @ ..]) => is_tag(rest),
        // A number may do without its end.
        Some([b'&', b'#', b'0'..=b'9' | b'x' | b'X', ..]) => true,
        Some([b'&', b'a'..=b'z' | b'A'..=b'Z', rest @ ..]) => rest.iter().take(10).any(|byte| *byte == b';'),
        _ => false,
    })
}

/// Whether what follows `<` is a tag: a name, then its end or a space. A mail address in angle brackets is none.
fn is_tag(rest: &[u8]) -> bool {
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    let name = rest
        .iter()
        .take(40)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'_'))
        .count();
    name > 0
        && rest.first().is_some_and(u8::is_ascii_alphabetic)
        && matches!(rest.get(name), Some(b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r'))
}

struct Reader<'a, 'b> {
    text: &'a str,
    out: String,
    map: Map,
    hidden: &'b mut Vec<(Disguise, Range<usize>)>,
    /// Open elements below a hidden one, the hidden one first, with where it started.
    open: Vec<(&'a str, usize)>,
    /// Comments inside of words: they come last, and the words whole.
    aside: Vec<Range<usize>>,
    /// Where the last comment that was met ends; what is inside of it need not be looked for again.
    ended: usize,
    changed: bool,
}

impl<'a> Reader<'a, '_> {
    fn read(&mut self) {
        let mut at = 0;
        while let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(next) = memchr::memchr2(b'<', b'&', rest.as_bytes()) else {
                self.copy(at..self.text.len());
                break;
            };
            self.copy(at..at + next);
            at += next;
            at += self.special(at);
        }
        if let Some((_, start)) = self.open.first() {
            self.hidden
                .push((Disguise::HiddenElement, *start..self.text.len()));
        }
        for comment in std::mem::take(&mut self.aside) {
            self.make("\n", comment.start.saturating_sub(4)..comment.start);
            self.copy(comment);
        }
    }

    fn copy(&mut self, range: Range<usize>) {
        self.map.copied(self.out.len(), range.start, range.len());
        self.out.push_str(self.text.get(range).unwrap_or_default());
    }

    /// What an element puts between the words around it.
    fn gap(&mut self, name: &str, from: Range<usize>) {
        self.changed = true;
        if !INLINE.iter().any(|inline| inline.eq_ignore_ascii_case(name)) && !self.out.ends_with([' ', '\n'])
        {
            self.make(" ", from);
        }
    }

    /// Whether a comment, with `after` behind it, stands inside of a word or between two of a line. There it parts what
    /// belongs together: letters, and the groups that an encoding is written in.
    fn within_words(&self, after: &str) -> bool {
        let of_word = |c: Option<char>| {
            c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '='))
        };
        let before = self.out.strip_suffix(' ').unwrap_or(&self.out);
        let behind = after.strip_prefix(' ').unwrap_or(after);
        of_word(before.chars().next_back()) && (of_word(behind.chars().next()) || behind.starts_with("<!--"))
    }

    fn make(&mut self, text: &str, from: Range<usize>) {
        if !text.is_empty() {
            self.map.made(self.out.len(), from);
            self.out.push_str(text);
        }
        self.changed = true;
    }

    /// Reads what starts with `<` or `&` at `at`, and returns how long it is.
    fn special(&mut self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.starts_with('&') {
            return self.entity(rest, at);
        }
        if rest.starts_with("<!--") {
            return self.comment(rest, at);
        }
        let marked = matches!(rest.as_bytes().get(1), Some(b'!' | b'?'));
        if !marked && !is_tag(rest.as_bytes().get(1..).unwrap_or_default()) {
            self.copy(at..at + 1);
            return 1;
        }
        let Some(length) = tag_length(rest) else {
            self.copy(at..at + 1);
            return 1;
        };
        self.tag(rest.get(..length).unwrap_or_default(), at);
        length
    }

    /// Reads a comment, or of one with another inside what stands before that. Browsers end both where the inner one
    /// ends, and a model reads on, so what was meant to be inside stays together.
    fn comment(&mut self, rest: &str, at: usize) -> usize {
        let body = rest.get(4..).unwrap_or_default();
        let outermost = at + 4 > self.ended;
        if outermost {
            self.ended = at + 4 + body.find("-->").unwrap_or(body.len());
        }
        let body = body.get(..self.ended - at - 4).unwrap_or_default();
        let whole = (body.len() + 7).min(rest.len());
        if outermost && !body.trim().is_empty() {
            self.hidden.push((Disguise::Comment, at..at + whole));
        }
        let text = at + 4..self.ended;
        if let Some(inner) = body.find("<!--").filter(|_| whole == body.len() + 7) {
            self.make(" ", at..at + 4);
            self.copy(text.start..text.start + inner);
            return 4 + inner;
        }
        let after = rest.get(whole..).unwrap_or_default();
        if self.within_words(after) && self.aside.len() < ASIDE_MOST {
            self.changed = true;
            self.aside.push(text);
            // Who looks at the page sees one space of two.
            let twice = self.out.ends_with(' ') && after.starts_with(' ');
            return whole + usize::from(twice);
        }
        self.make(" ", at..at + 4);
        self.copy(text);
        whole
    }

    fn entity(&mut self, rest: &str, at: usize) -> usize {
        let Some((length, c)) = entity(rest) else {
            self.copy(at..at + 1);
            return 1;
        };
        self.make(c.encode_utf8(&mut [0; 4]), at..at + length);
        length
    }

    fn tag(&mut self, tag: &'a str, at: usize) {
        let range = at..at + tag.len();
        let inner = tag.trim_start_matches('<').trim_end_matches('>');
        if let Some(name) = inner.strip_prefix('/') {
            self.close(name.trim(), range.end);
            self.gap(name.trim(), range);
            return;
        }
        let length = inner
            .find(|c: char| c.is_ascii_whitespace() || c == '/')
            .unwrap_or(inner.len());
        let (name, attributes) = inner.split_at(length);
        let void = inner.ends_with('/') || VOID.iter().any(|void| void.eq_ignore_ascii_case(name));
        let unseen = is_unseen(attributes);
        if (unseen || !self.open.is_empty()) && !void && self.open.len() < NEST_MOST {
            self.open.push((name, at));
        }
        self.gap(name, range.clone());
        for (key, value) in attributes_of(attributes) {
            if SPOKEN.iter().any(|spoken| spoken.eq_ignore_ascii_case(key)) && value.len() > 2 {
                // The value is a part of the tag, so its place follows from the addresses.
                let from = at + (value.as_ptr() as usize - tag.as_ptr() as usize);
                self.copy(from..from + value.len());
                self.make(" ", range.clone());
            }
        }
    }

    fn close(&mut self, name: &str, end: usize) {
        if let Some(index) = self
            .open
            .iter()
            .rposition(|(open, _)| open.eq_ignore_ascii_case(name))
        {
            if index == 0
                && let Some((_, start)) = self.open.first()
            {
                self.hidden.push((Disguise::HiddenElement, *start..end));
            }
            self.open.truncate(index);
        }
    }
}

/// Length of the tag at the start of `rest`, quotes respected. `None` when it does not end in bounds.
fn tag_length(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate().take(TAG_MOST) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    // A quote that never closes: then the first sign ends it.
    rest.bytes()
        .take(TAG_MOST)
        .position(|byte| byte == b'>')
        .map(|at| at + 1)
}

/// Names and values of attributes.
fn attributes_of(text: &str) -> Vec<(&str, &str)> {
    let mut attributes = Vec::new();
    let mut rest = text;
    while attributes.len() < 64 {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let length = rest
            .find(|c: char| c.is_ascii_whitespace() || c == '=' || c == '/')
            .unwrap_or(rest.len());
        if length == 0 {
            break;
        }
        let (name, after) = rest.split_at(length);
        let Some(value) = after.trim_start().strip_prefix('=') else {
            attributes.push((name, ""));
            rest = after;
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.as_bytes().first() {
            Some(quote @ (b'"' | b'\'')) => {
                let inner = value.get(1..).unwrap_or_default();
                inner.split_once(char::from(*quote)).unwrap_or((inner, ""))
            }
            _ => value.split_at(
                value
                    .find(|c: char| c.is_ascii_whitespace())
                    .unwrap_or(value.len()),
            ),
        };
        attributes.push((name, value));
        rest = after;
    }
    attributes
}

/// Whether a browser would show nothing of an element with these attributes.
fn is_unseen(attributes: &str) -> bool {
    if attributes.is_empty() {
        return false;
    }
    attributes_of(attributes).into_iter().any(|(name, value)| {
        if name.eq_ignore_ascii_case("hidden") {
            return true;
        }
        if name.eq_ignore_ascii_case("aria-hidden") {
            return value.eq_ignore_ascii_case("true");
        }
        name.eq_ignore_ascii_case("style") && hides(value)
    })
}

/// Whether a style hides what it is on.
fn hides(style: &str) -> bool {
    let style: String = style
        .chars()
        .take(2048)
        .filter(|c| !c.is_whitespace())
        .collect::<String>()
        .to_ascii_lowercase();
    let mut color = None;
    let mut background = None;
    for rule in style.split(';') {
        let Some((name, value)) = rule.split_once(':') else {
            continue;
        };
        let value = value.trim_end_matches("!important");
        let tiny = |value: &str| {
            let digits: String = value
                .chars()
                .take_while(|c| c.is_ascii_digit() || *c == '.')
                .collect();
            digits.parse::<f32>().is_ok_and(|size| size < 1.5)
                && !value.ends_with("em")
                && !value.ends_with('%')
                || digits.parse::<f32>().is_ok_and(|size| size < 0.1)
        };
        let away = |value: &str| {
            value.strip_prefix('-').is_some_and(|rest| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse::<u32>().is_ok_and(|far| far >= 900)
            })
        };
        let hidden = match name {
            "display" => value == "none",
            "visibility" => matches!(value, "hidden" | "collapse"),
            "opacity" | "font-size" => {
                tiny(value)
                    && (name == "font-size" || value.trim_start_matches('0').trim_start_matches('.') < "1")
            }
            "max-height" | "max-width" | "height" | "width" => value == "0" || value == "0px",
            "left" | "top" | "right" | "text-indent" | "margin-left" | "margin-top" => away(value),
            "clip" => value.starts_with("rect(0"),
            "clip-path" => value.starts_with("inset(50%") || value.starts_with("inset(100%"),
            "transform" => value.contains("scale(0)"),
            "color" => {
                color = Some(value.to_owned());
                value == "transparent"
            }
            "background" | "background-color" => {
                background = Some(value.to_owned());
                false
            }
            _ => false,
        };
        if hidden {
            return true;
        }
    }
    match (color, background) {
        (Some(color), Some(background)) => color == background,
        (Some(color), None) => matches!(color.as_str(), "white" | "#fff" | "#ffffff" | "rgb(255,255,255)"),
        _ => false,
    }
}

/// How long the entity is that a text starts with, and the character that it stands for.
pub(crate) fn entity(rest: &str) -> Option<(usize, char)> {
    let inner = rest.strip_prefix('&')?;
    if let Some(number) = inner.strip_prefix('#') {
        return numbered(number).map(|(length, c)| (2 + length, c));
    }
    let length = inner.bytes().take(11).position(|byte| byte == b';')?;
    inner.get(..length).and_then(named).map(|c| (length + 2, c))
}

/// Most digits of a number: more than any needs, since zeros before it change nothing.
const DIGITS_MOST: usize = 32;

/// The character that the number after `&#` stands for, and how long the number is, with its end if it has one: browsers
/// and models read it without, too.
fn numbered(number: &str) -> Option<(usize, char)> {
    let (sign, base) = if number.starts_with(['x', 'X']) {
        (1, 16)
    } else {
        (0, 10)
    };
    let digits = number.get(sign..)?;
    let count = digits
        .bytes()
        .take(DIGITS_MOST)
        .take_while(|byte| char::from(*byte).is_digit(base))
        .count();
    let c = char::from_u32(u32::from_str_radix(digits.get(..count)?, base).ok()?)?;
    let end = usize::from(digits.as_bytes().get(count) == Some(&b';'));
    Some((sign + count + end, c))
}

/// The character of a named entity, without `&` and `;`.
fn named(name: &str) -> Option<char> {
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "copy" => '©',
        "reg" => '®',
        "mdash" => '—',
        "ndash" => '–',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "colon" => ':',
        "sol" => '/',
        "period" => '.',
        "comma" => ',',
        "num" => '#',
        "lpar" => '(',
        "rpar" => ')',
        "Tab" => '\t',
        "NewLine" => '\n',
        "zwnj" => '\u{200c}',
        "zwj" => '\u{200d}',
        "shy" => '\u{ad}',
        "excl" => '!',
        "quest" => '?',
        "semi" => ';',
        "commat" => '@',
        "lowbar" => '_',
        "dollar" => '$',
        "percnt" => '%',
        "equals" => '=',
        "bsol" => '\\',
        "AMP" => '&',
        "LT" => '<',
        "GT" => '>',
        "QUOT" => '"',
        "szlig" => 'ß',
        _ => return of_letter(name),
    };
    Some(c)
}

/// Entities whose names are a letter and what is done to it: marks above it, and the alphabets of mathematics.
fn of_letter(name: &str) -> Option<char> {
    let letter = name.chars().next().filter(char::is_ascii_alphabetic)?;
    let mark = match name.get(1..)? {
        "fr" | "opf" | "scr" => return Some(letter),
        "grave" => '\u{300}',
        "acute" => '\u{301}',
        "circ" => '\u{302}',
        "tilde" => '\u{303}',
        "uml" => '\u{308}',
        "ring" => '\u{30a}',
        "caron" => '\u{30c}',
        "cedil" => '\u{327}',
        _ => return None,
    };
    unicode_normalization::char::compose(letter, mark)
}
