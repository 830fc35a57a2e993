//! Attributes of a node: the texts of a constant, the functions that it calls, the files that it names.

use super::{NAME, paths::Node};
use crate::{
    feed::{Feed, Stop},
    protobuf::{Field, next, pass, text},
    prototxt::quoted,
    source::View,
};

/// Functions and texts of one node.
const MOST: usize = 1 << 10;
/// Attributes whose texts are places, and how a text begins there that is none of a file or another machine.
const PLACES: [(&str, &[&str]); 4] = [
    ("output_stream", &["stderr", "stdout", "log("]),
    ("debug_urls", &["memcbk:///"]),
    ("descriptor_source", &["local://", "bytes://"]),
    ("vocab_file", &[]),
];

/// A text of an attribute that is a place.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) key: &'static str,
    pub(super) value: String,
}

impl Place {
    /// Whether this operator goes there, and it is a file or another machine.
    pub(super) fn is_away(&self, operator: &str) -> bool {
        goes(operator, self.key) && !self.is_within()
    }

    /// Whether it is neither.
    pub(super) fn is_within(&self) -> bool {
        let known = PLACES.iter().find(|(key, _)| *key == self.key);
        known.is_some_and(|(_, known)| known.iter().any(|start| self.value.starts_with(start)))
    }
}

/// Whether an operator looks at an attribute that is a place.
fn goes(operator: &str, key: &str) -> bool {
    match key {
        "output_stream" => operator.starts_with("Print"),
        "debug_urls" => operator.starts_with("Debug"),
        "descriptor_source" => operator.contains("Proto"),
        _ => operator.contains("Sampler"),
    }
}

/// Whether an operator has an attribute that may be a place.
pub(super) fn takes_place(operator: &str) -> bool {
    PLACES
        .iter()
        .any(|(key, _)| *key != "vocab_file" && goes(operator, key))
}

/// Reads the attributes that are places, wherever their entries lie in these bytes; `None` where there is none, or one is not
/// written as writers do.
pub(super) fn within(bytes: &[u8], node: &mut Node) -> Option<()> {
    let mut found = None;
    let operator = node.operator.clone();
    for (key, _) in PLACES.iter().filter(|(key, _)| goes(&operator, key)) {
        let (length, key) = (key.len(), key.as_bytes());
        for at in (2..bytes.len()).filter(|at| bytes.get(*at..at + length) == Some(key)) {
            let marked = bytes.get(at - 2..at) == Some(&[0x0a, u8::try_from(length).ok()?]);
            let held = bytes.get(at - 2..).filter(|_| marked)?.to_vec();
            let view = View::all(&held);
            let mut feed = Feed::view(view);
            feed.skip(2 + length as u64).ok()?;
            let Some(Field::Bytes(2, end)) = next(&mut feed, view.size()).ok()? else {
                return None;
            };
            read(&mut Feed::view(view), end, node).ok()?;
            found = Some(());
        }
    }
    found
}

/// Attributes that are places, in a graph that is a text: the texts after their keys, where those that stand side by side are
/// one and comments are between none.
pub(super) fn in_text(text: &str) -> Vec<Place> {
    let (mut texts, mut rest, mut apart) = (Vec::<String>::new(), text, true);
    while let Some(at) = rest.find(|letter: char| !letter.is_whitespace()) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some((value, after)) = quoted(rest) {
            match texts.last_mut().filter(|_| !apart) {
                Some(last) => last.push_str(&value),
                None => texts.push(value),
            }
            (rest, apart) = (after, false);
        } else {
            let mut letters = rest.chars();
            letters.next();
            (rest, apart) = (letters.as_str(), true);
        }
    }
    let pairs = texts.iter().zip(texts.iter().skip(1));
    let found = pairs.filter_map(|(key, value)| {
        let (key, _) = PLACES.iter().find(|(known, _)| known == key)?;
        let value = value.clone();
        Some(Place { key, value })
    });
    found.collect()
}

/// Reads an entry of the map of attributes.
pub(super) fn read(feed: &mut Feed<'_>, end: u64, node: &mut Node) -> Result<(), Stop> {
    let (mut key, mut read) = (String::new(), false);
    while let Some(field) = next(feed, end)? {
        match field {
            // No writer puts the key behind its value, where it would be another's.
            Field::Bytes(1, _) if read => return Err(Stop::Corrupt),
            Field::Bytes(1, to) => key = text(feed, to, NAME)?,
            Field::Bytes(2, to) => {
                read = true;
                value(feed, to, &key, node)?;
            }
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok(())
}

fn value(feed: &mut Feed<'_>, end: u64, key: &str, node: &mut Node) -> Result<(), Stop> {
    while let Some(field) = next(feed, end)? {
        match field {
            // What stands between the parts of a path is a part of it.
            Field::Bytes(2, to) if key == "separator" => node.between = text(feed, to, NAME)?,
            Field::Bytes(2, to) => place(feed, to, key, node)?,
            Field::Bytes(8, to) => tensor(feed, to, node)?,
            Field::Bytes(10, to) => function(feed, to, node)?,
            // A list: of functions, or of tensors, and no constant is a list.
            Field::Bytes(1, to) => {
                while let Some(field) = next(feed, to)? {
                    match field {
                        Field::Bytes(2, to) => place(feed, to, key, node)?,
                        Field::Bytes(9, to) => function(feed, to, node)?,
                        Field::Bytes(_, to) => pass(feed, to)?,
                        _ => {}
                    }
                }
            }
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok(())
}

/// A text that may be a place. One that is longer than is kept is as long as it is for a reason, and its beginning says enough.
fn place(feed: &mut Feed<'_>, end: u64, key: &str, node: &mut Node) -> Result<(), Stop> {
    let known = PLACES.iter().find(|(known, _)| *known == key);
    match known.filter(|_| end > feed.offset()) {
        Some((key, _)) => {
            if node.places.len() >= MOST {
                return Err(Stop::TooMuch);
            }
            let value = text(feed, end, NAME)?;
            node.places.push(Place { key, value });
            Ok(())
        }
        None => pass(feed, end),
    }
}

/// The name of a function that is called; what it is called with are attributes again.
fn function(feed: &mut Feed<'_>, end: u64, node: &mut Node) -> Result<(), Stop> {
    while let Some(field) = next(feed, end)? {
        match field {
            Field::Bytes(1, to) => {
                if node.functions.len() >= MOST {
                    return Err(Stop::TooMuch);
                }
                node.functions.push(text(feed, to, NAME)?);
            }
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok(())
}

/// Texts of a tensor; packed ones, behind their lengths, as one.
fn tensor(feed: &mut Feed<'_>, end: u64, node: &mut Node) -> Result<(), Stop> {
    let mut letters = false;
    while let Some(field) = next(feed, end)? {
        match field {
            // 7 are texts.
            Field::Number(1, kind) => letters = kind == 7,
            Field::Bytes(number @ (4 | 8), to) => {
                let fits = to - feed.offset() <= NAME as u64;
                let held = node.texts.as_ref().map_or(usize::MAX, Vec::len);
                match &mut node.texts {
                    Some(texts) if fits && held < MOST && (number == 8 || letters) => {
                        texts.push(text(feed, to, NAME)?)
                    }
                    // Numbers are no path.
                    Some(_) if number == 4 && !letters => pass(feed, to)?,
                    _ => {
                        node.texts = None;
                        pass(feed, to)?;
                    }
                }
            }
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok(())
}
