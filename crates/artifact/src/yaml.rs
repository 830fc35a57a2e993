//! YAML as the trees that JSON gives, by an event parser, so that a value is the same however it is spelt: quoted, in one line or
//! over several, in brackets, behind an anchor. Aliases are never expanded: one of a text is that text, one of a list or an object
//! is a shallow copy.
//!
//! The parser follows YAML 1.2. Where it can't read on, it begins again at the next line that is not indented, and what is
//! between is left to whoever reads line by line.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::json::Json;

/// Lists and objects within each other; Python's reader gives up not much deeper.
const DEPTH: usize = 200;
/// Events of one text.
const EVENTS: usize = 4_000_000;
/// Bytes that aliases may add, all together.
const COPIED: usize = 1 << 20;
/// Entries of a shallow copy.
const SHALLOW: usize = 256;
/// Times that reading begins again behind what can't be read.
const AGAIN: usize = 1_000;

/// What a text holds.
#[derive(Default)]
pub(crate) struct Yaml {
    pub(crate) documents: Vec<Json>,
    pub(crate) tags: Vec<Tagged>,
    pub(crate) end: End,
}

/// A value that has a tag.
pub(crate) struct Tagged {
    /// The line it is on, from nought.
    pub(crate) line: usize,
    /// The tag as it is meant: `!new:x.Y`, `tag:yaml.org,2002:python/name:x.y`.
    pub(crate) tag: String,
    /// What it tags, if that is a text.
    pub(crate) text: String,
}

/// How reading ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// All was read.
    #[default]
    Whole,
    /// Parts could not be read.
    Broken,
    /// It is larger or deeper than what is looked into.
    TooMuch,
}

/// Reads a text as far as it can be read.
pub(crate) fn read(text: &str) -> Yaml {
    // Line breaks of YAML 1.1, which Python reads.
    let old = ['\u{85}', '\u{2028}', '\u{2029}'];
    let replaced;
    let text = if text.contains(old) {
        replaced = text.replace(old, "\n");
        &replaced
    } else {
        text
    };
    let mut reader = Reader::default();
    let mut first = 0;
    let mut rest = text;
    for _ in 0..AGAIN {
        let Some(fault) = reader.follow(rest, first) else {
            return reader.found;
        };
        if reader.found.end == End::TooMuch {
            return reader.found;
        }
        reader.found.end = End::Broken;
        match behind(rest, fault) {
            Some((skipped, after)) => {
                rest = after;
                first += skipped;
            }
            None => return reader.found,
        }
    }
    reader.found.end = End::TooMuch;
    reader.found
}

/// The next line after this one that can begin an entry, with how many lines are before it.
fn behind(text: &str, line: usize) -> Option<(usize, &str)> {
    let mut at = 0;
    for (number, inner) in text.split_inclusive('\n').enumerate() {
        let begins = inner.starts_with(|letter: char| {
            !letter.is_whitespace() && !matches!(letter, '#' | '}' | ']' | '%' | ',')
        });
        if number > line && begins {
            return Some((number, text.get(at..)?));
        }
        at += inner.len();
    }
    None
}

/// A list or an object that is not closed yet.
enum Open {
    List(Vec<Json>),
    Object {
        items: Vec<(String, Json)>,
        key: Option<String>,
    },
}

struct Frame {
    open: Open,
    anchor: usize,
}

#[derive(Default)]
struct Reader {
    found: Yaml,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Json>,
    copied: usize,
    events: usize,
}

impl Reader {
    /// Follows the events of a text. Returns the line of a fault.
    fn follow(&mut self, text: &str, first: usize) -> Option<usize> {
        self.anchors.clear();
        let mut parser = Parser::new_from_str(text).keep_tags(true);
        loop {
            self.events += 1;
            let fault = match parser.next_event() {
                None => None,
                Some(Ok((event, span))) => {
                    if self.events <= EVENTS && self.frames.len() <= DEPTH {
                        self.take(event, span, first);
                        continue;
                    }
                    self.found.end = End::TooMuch;
                    Some(span.start.line())
                }
                Some(Err(fault)) => Some(fault.marker().line().saturating_sub(1)),
            };
            while let Some(frame) = self.frames.pop() {
                self.close(frame);
            }
            return fault;
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span, first: usize) {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                if let Some(tag) = &tag {
                    self.tagged(tag, &value, span, first);
                }
                let value = scalar(&value, style, tag.is_some());
                self.keep(anchor, &value);
                self.put(value);
            }
            Event::SequenceStart(anchor, tag) => {
                if let Some(tag) = &tag {
                    self.tagged(tag, "", span, first);
                }
                let open = Open::List(Vec::new());
                self.frames.push(Frame { open, anchor });
            }
            Event::MappingStart(anchor, tag) => {
                if let Some(tag) = &tag {
                    self.tagged(tag, "", span, first);
                }
                let (items, key) = (Vec::new(), None);
                let open = Open::Object { items, key };
                self.frames.push(Frame { open, anchor });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(frame) = self.frames.pop() {
                    self.close(frame);
                }
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().unwrap_or(Json::Null);
                let size = weight(&value);
                self.copied = self.copied.saturating_add(size);
                let value = if self.copied > COPIED { Json::Null } else { value };
                self.put(value);
            }
            _ => {}
        }
    }

    fn tagged(&mut self, tag: &Tag, text: &str, span: Span, first: usize) {
        if tag.handle == "tag:yaml.org,2002:" && !tag.suffix.contains(['/', ':']) {
            return;
        }
        self.found.tags.push(Tagged {
            line: first + span.start.line().saturating_sub(1),
            tag: format!("{}{}", tag.handle, tag.suffix),
            text: text.to_owned(),
        });
    }

    /// Remembers a value that has a name.
    fn keep(&mut self, anchor: usize, value: &Json) {
        if anchor > 0 {
            let kept = shallow(value);
            self.copied = self.copied.saturating_add(weight(&kept));
            if self.copied <= COPIED {
                self.anchors.insert(anchor, kept);
            }
        }
    }

    fn close(&mut self, frame: Frame) {
        let value = match frame.open {
            Open::List(values) => Json::List(values),
            Open::Object { items, .. } => Json::Object(settled(items)),
        };
        self.keep(frame.anchor, &value);
        self.put(value);
    }

    /// Puts a value where it belongs: behind a key, into a list, or among the documents.
    fn put(&mut self, value: Json) {
        match self.frames.last_mut().map(|frame| &mut frame.open) {
            None => self.found.documents.push(value),
            Some(Open::List(values)) => values.push(value),
            Some(Open::Object { items, key }) => match key.take() {
                Some(name) => items.push((name, value)),
                None => {
                    let name = named(&value);
                    // A key that is more than a text is looked at as a value too.
                    if matches!(value, Json::List(_) | Json::Object(_)) {
                        items.push((name.clone(), value));
                    }
                    *key = Some(name);
                }
            },
        }
    }
}

/// The name of a key.
fn named(value: &Json) -> String {
    match value {
        Json::Text(text) => text.clone(),
        Json::Bool(value) => value.to_string(),
        Json::Number(value) => value.to_string(),
        Json::Null => String::new(),
        Json::List(_) | Json::Object(_) => "?".to_owned(),
    }
}

/// The items of an object as Python has them: of a key that is there twice the last one counts, and what is merged into it
/// counts where it has no own.
fn settled(mut items: Vec<(String, Json)>) -> Vec<(String, Json)> {
    let mut seen = HashSet::new();
    if !items.iter().all(|(key, _)| seen.insert(key.clone())) {
        items.reverse();
    }
    let merged: Vec<(String, Json)> = items
        .iter()
        .filter(|(key, _)| key == "<<")
        .flat_map(|(_, value)| match value {
            Json::Object(items) => items.clone(),
            Json::List(values) => values.iter().flat_map(entries).collect(),
            _ => Vec::new(),
        })
        .collect();
    items.extend(merged);
    items
}

fn entries(value: &Json) -> Vec<(String, Json)> {
    match value {
        Json::Object(items) => items.clone(),
        _ => Vec::new(),
    }
}

/// A copy without what is deeper.
fn shallow(value: &Json) -> Json {
    let flat = |value: &Json| match value {
        Json::List(_) | Json::Object(_) => Json::Null,
        other => other.clone(),
    };
    match value {
        Json::List(values) => Json::List(values.iter().take(SHALLOW).map(flat).collect()),
        Json::Object(items) => {
            let items = items.iter().take(SHALLOW);
            Json::Object(items.map(|(key, value)| (key.clone(), flat(value))).collect())
        }
        other => other.clone(),
    }
}

/// Bytes that a shallow copy takes.
fn weight(value: &Json) -> usize {
    let flat = |value: &Json| 16 + value.text().map_or(0, str::len);
    match value {
        Json::List(values) => values.iter().map(flat).sum(),
        Json::Object(items) => items.iter().map(|(key, value)| key.len() + flat(value)).sum(),
        other => flat(other),
    }
}

/// A scalar, as Python's reader takes it.
fn scalar(text: &str, style: ScalarStyle, tagged: bool) -> Json {
    if style != ScalarStyle::Plain || tagged {
        return Json::Text(text.to_owned());
    }
    match text.to_ascii_lowercase().as_str() {
        "" | "~" | "null" => Json::Null,
        "true" | "yes" | "on" => Json::Bool(true),
        "false" | "no" | "off" => Json::Bool(false),
        _ => {
            let digit = text.trim_start_matches(['-', '+', '.']);
            let number = digit.starts_with(|first: char| first.is_ascii_digit());
            match text.parse() {
                Ok(value) if number => Json::Number(value),
                _ => Json::Text(text.to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, path: &[&str], expected: &str) {
        let yaml = read(text);
        let mut found = yaml.documents.first().expect("a document");
        for key in path {
            found = found.get(key).unwrap_or_else(|| panic!("{key} of {text}"));
        }
        assert_eq!(found.text(), Some(expected), "{text}");
    }

    #[test]
    fn a_value_is_the_same_however_it_is_spelt() {
        for text in [
            "a:\n  b: os.system",
            "a: {b: os.system}",
            "a: {\"b\":\n  os.system}",
            "a:\n  ? b\n  : os.system",
            "a:\n  \"\\x62\": 'os.system'",
            "a:\n  b: >-\n    os.system",
            "a:\n  b:\n    os.system",
            "x: &x os.system\na:\n  b: *x",
            "x: &x {b: os.system}\na:\n  <<: *x",
            "x: &x {b: os.system}\na:\n  <<: [*x]",
            "a:\n  b: no\n  b: os.system",
            "a: 1\u{2028}a:\n  b: os.system",
            "c: [1, 2\n\na:\n  b: os.system",
        ] {
            let path: &[&str] = if text.starts_with("c:") { &[] } else { &["a", "b"] };
            if path.is_empty() {
                let yaml = read(text);
                assert_eq!(yaml.end, End::Broken);
                continue;
            }
            check(text, path, "os.system");
        }
    }

    #[test]
    fn reading_begins_again_behind_what_cannot_be_read() {
        let yaml = read("a: b: c\n  d\nx: {{ y }}\nk:\n  _target_: os.system\n");
        assert_eq!(yaml.end, End::Broken);
        let known = |json: &Json| json.get("k").and_then(|k| k.get("_target_")).is_some();
        assert!(yaml.documents.iter().any(known));
    }

    #[test]
    fn aliases_of_aliases_stay_small_and_depth_has_an_end() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
        for step in 1..40 {
            let before = step - 1;
            text += &format!("a{step}: &a{step} [*a{before}, *a{before}, *a{before}, *a{before}]\n");
        }
        assert_eq!(read(&text).end, End::Whole);
        assert_eq!(read(&"- ".repeat(100_000)).end, End::TooMuch);
        assert_ne!(read(&"[".repeat(100_000)).end, End::Whole);
    }

    #[test]
    fn tags_are_read_as_they_are_meant() {
        let yaml = read("%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!name:os.system x\nb: !new:x.Y\n");
        let tags: Vec<&str> = yaml.tags.iter().map(|tagged| tagged.tag.as_str()).collect();
        assert_eq!(tags, ["tag:yaml.org,2002:python/name:os.system", "!new:x.Y"]);
    }
}
