//! Attributes of a node: the texts of a constant, the functions that it calls, the files that it names.

use super::{NAME, paths::Node};
use crate::{
    feed::{Feed, Stop},
    protobuf::{Field, next, pass, text},
};

/// Functions and texts of one node.
const MOST: usize = 1 << 10;

/// Reads an entry of the map of attributes.
pub(super) fn read(feed: &mut Feed<'_>, end: u64, node: &mut Node) -> Result<(), Stop> {
    let mut key = String::new();
    while let Some(field) = next(feed, end)? {
        match field {
            Field::Bytes(1, to) => key = text(feed, to, NAME)?,
            Field::Bytes(2, to) => value(feed, to, &key, node)?,
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok(())
}

fn value(feed: &mut Feed<'_>, end: u64, key: &str, node: &mut Node) -> Result<(), Stop> {
    while let Some(field) = next(feed, end)? {
        match field {
            Field::Bytes(2, to) if key == "vocab_file" && to > feed.offset() => {
                node.files.push(key.to_owned());
                pass(feed, to)?;
            }
            Field::Bytes(8, to) => tensor(feed, to, node)?,
            Field::Bytes(10, to) => function(feed, to, node)?,
            // A list: of functions, or of tensors, and no constant is a list.
            Field::Bytes(1, to) => {
                while let Some(field) = next(feed, to)? {
                    match field {
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
