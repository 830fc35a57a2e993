//! The words of one XML part: character data, comments, and the attributes whose values somebody reads or follows.
//!
//! It reads more rather than less: a part that no parser would take is read as far as its words go, and what may have been
//! said in a way that is not read here (declared entities, an encoding that is not known) is told by `cut`.

use std::borrow::Cow;

use super::Out;
use crate::safe::{item, part};

/// Attributes whose values somebody reads, or follows, by their names without the part before the colon.
const SPOKEN: &[&str] = &[
    "descr",
    "title",
    "Target",
    "href",
    "alt",
    "tooltip",
    "prompt",
    "promptTitle",
    "error",
    "errorTitle",
    "instr",
    "display",
    "displayText",
    "author",
    "content",
    "aria-label",
    "value",
    "string-value",
];
/// Attributes of many words that nobody reads.
const DULL: &[&str] = &[
    "style",
    "path",
    "d",
    "points",
    "Type",
    "schemaLocation",
    "coordsize",
    "viewBox",
];
/// Elements after which a line ends. Words of one paragraph are cut into runs wherever their look changes, so nothing else
/// separates them.
const LINES: &[&str] = &[
    "p", "si", "c", "row", "h", "div", "li", "h1", "h2", "h3", "td", "th", "tr", "title", "desc",
];
/// Elements that are a line's end themselves.
const BREAKS: &[&str] = &["br", "cr"];
/// Elements inside of which words are cut anywhere. Outside of them each element is a text of its own: a property, a name, a
/// value of a chart.
const BLOCKS: &[&str] = &[
    "p",
    "si",
    "is",
    "text",
    "h",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "td",
    "th",
    "li",
    "dt",
    "dd",
    "div",
    "body",
    "blockquote",
    "pre",
    "caption",
    "figcaption",
    "section",
    "article",
];
/// Elements that are texts of their own inside of others, too.
const APART: &[&str] = &[
    "author",
    "creator",
    "creator-initials",
    "date",
    "date-string",
    "initials",
    "description",
    "keyword",
    "subject",
];
/// Longest code of a character, with its signs.
const CODE_MOST: usize = 12;

/// The text of a part. `None` beside it: its places are not those of the bytes.
pub(super) fn text_of<'a>(bytes: &'a [u8], out: &mut Out) -> Cow<'a, str> {
    let wide = |be: bool, skip: usize| {
        let pairs = part(bytes, skip..).as_chunks::<2>().0.iter();
        let units = pairs.map(|pair| match be {
            true => u16::from_be_bytes(*pair),
            false => u16::from_le_bytes(*pair),
        });
        char::decode_utf16(units)
            .map(|c| c.unwrap_or('\u{fffd}'))
            .collect::<String>()
    };
    let text = match bytes {
        [0xfe, 0xff, ..] => wide(true, 2),
        [0xff, 0xfe, ..] => wide(false, 2),
        [0, b'<', ..] => wide(true, 0),
        [b'<', 0, ..] => wide(false, 0),
        _ => match str::from_utf8(bytes) {
            Ok(text) => return Cow::Borrowed(text),
            Err(_) => {
                out.cut = true;
                return String::from_utf8_lossy(bytes);
            }
        },
    };
    // What was written in another encoding can be read, and is not written again.
    out.cut |= out.places.is_some();
    Cow::Owned(text)
}

/// Reads the words of a part.
pub(super) fn words(text: &str, out: &mut Out) {
    let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut reader = Reader {
        text,
        out,
        at,
        blocks: 0,
        comments: Vec::new(),
    };
    while reader.step() {}
    // A comment inside of a word parts it for nobody.
    for comment in std::mem::take(&mut reader.comments) {
        reader.out.line();
        reader.characters(comment);
    }
    reader.out.line();
}

struct Reader<'a, 'b> {
    text: &'a str,
    out: &'b mut Out,
    at: usize,
    /// Open elements of [`BLOCKS`].
    blocks: usize,
    comments: Vec<&'a str>,
}

impl<'a> Reader<'a, '_> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Text up to the next sign, and what that starts. Says whether there is more.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(length) = memchr::memchr(b'<', rest.as_bytes()) else {
            self.characters(rest);
            return false;
        };
        self.characters(rest.get(..length).unwrap_or_default());
        self.at += length;
        let rest = self.rest();
        if let Some(comment) = rest.strip_prefix("<!--") {
            let length = comment.find("-->").unwrap_or(comment.len());
            self.comments.push(comment.get(..length).unwrap_or_default());
            self.at += (4 + length + 3).min(rest.len());
        } else if let Some(data) = rest.strip_prefix("<![CDATA[") {
            let length = data.find("]]>").unwrap_or(data.len());
            // Nothing is escaped there, so it is read and not changed.
            let data = data.get(..length).unwrap_or_default();
            self.out.push_from(data, 0..usize::MAX);
            self.at += (9 + length + 3).min(rest.len());
        } else {
            // Entities that a part declares may say anything.
            self.out.cut |= rest.starts_with("<!ENTITY") || rest.starts_with("<!DOCTYPE") && has_own(rest);
            let Some(length) = tag_length(rest) else {
                self.out.cut = true;
                self.characters(rest);
                return false;
            };
            self.tag(rest.get(1..length - 1).unwrap_or_default());
            self.at += length;
        }
        true
    }

    fn tag(&mut self, tag: &'a str) {
        let is_end = tag.starts_with('/');
        let name = tag.trim_start_matches('/');
        let length = name
            .find(|c: char| c.is_ascii_whitespace() || c == '/')
            .unwrap_or(name.len());
        let (name, attributes) = name.split_at(length);
        let local = local(name);
        let is_block = BLOCKS.contains(&local) && name != "office:text";
        if is_block && is_end {
            self.blocks = self.blocks.saturating_sub(1);
        }
        if self.blocks == 0 || APART.contains(&local) {
            self.out.line();
        }
        if is_block && !is_end && !attributes.ends_with('/') {
            self.blocks += 1;
        }
        if local == "tab" || name == "text:s" {
            self.out.push(' ');
        } else if is_end && LINES.contains(&local) || BREAKS.contains(&local) {
            self.out.line();
        }
        for (key, value) in attributes_of(attributes) {
            if is_spoken(key, value) {
                self.out.line();
                self.characters(value);
                self.out.line();
            }
        }
    }

    /// Where a part of the text stands in it.
    fn place(&self, part: &str) -> usize {
        part.as_ptr().addr() - self.text.as_ptr().addr()
    }

    fn plain(&mut self, text: &str) {
        if !text.is_empty() {
            let from = self.place(text);
            self.out.push_from(text, from..from + text.len());
        }
    }

    /// Character data, with the five entities of XML and numbers resolved.
    fn characters(&mut self, text: &'a str) {
        // Between elements there is only the writer's own spacing.
        if text.trim().is_empty() && text.contains('\n') {
            return;
        }
        let mut rest = text;
        while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
            self.plain(rest.get(..at).unwrap_or_default());
            rest = rest.get(at..).unwrap_or_default();
            let end = rest.bytes().take(CODE_MOST).position(|byte| byte == b';');
            let c = end.and_then(|end| coded(rest.get(1..end)?));
            let length = match (c, end) {
                (Some(c), Some(end)) => {
                    let from = self.place(rest);
                    self.out
                        .push_from(c.encode_utf8(&mut [0; 4]), from..from + end + 1);
                    end + 1
                }
                _ => {
                    self.plain(rest.get(..1).unwrap_or_default());
                    1
                }
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        self.plain(rest);
    }
}

/// Whether a document type declares things of its own.
fn has_own(rest: &str) -> bool {
    let end = rest.find('>').unwrap_or(rest.len());
    rest.get(..end).is_some_and(|head| head.contains('['))
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// What a code stands for, without `&` and `;`.
fn coded(code: &str) -> Option<char> {
    match code {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

/// Length of the tag that starts here. `>` may stand in a value.
fn tag_length(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    loop {
        at += memchr::memchr3(b'>', b'"', b'\'', part(bytes, at..))?;
        match item(bytes, at) {
            b'>' => return Some(at + 1),
            quote => at += 1 + memchr::memchr(quote, part(bytes, at + 1..))? + 1,
        }
    }
}

/// Whether somebody reads a value: by its attribute's name, or since it is words.
fn is_spoken(key: &str, value: &str) -> bool {
    let name = local(key);
    if value.is_empty() || key.starts_with("xmlns") {
        return false;
    }
    if SPOKEN.contains(&name) {
        return true;
    }
    let word = |word: &str| word.chars().filter(|c| c.is_alphabetic()).count() >= 3;
    let words = || value.split_ascii_whitespace().filter(|part| word(part)).count() >= 2;
    let wide = || value.chars().any(|c| !c.is_ascii() && c.is_alphabetic());
    !DULL.contains(&name) && (value.contains('@') || wide() || words())
}

/// Names and values of attributes; a value without quotes is none.
fn attributes_of(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim().rsplit(|c: char| c.is_ascii_whitespace()).next()?;
        let value = after.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let Some(quote) = quote else {
            rest = after;
            return Some((name, ""));
        };
        let inner = value.get(1..)?;
        let (value, after) = inner.split_once(quote)?;
        rest = after;
        Some((name, value))
    })
}
