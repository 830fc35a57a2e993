//! The objects of a saved model: configurations of Keras that older versions keep here, and what is bound to functions.

use super::{NAME, NAMES, paths::Paths};
use crate::{
    feed::{Feed, Stop},
    keras,
    protobuf::{Field, next, numbers, pass, text},
    scan::Scan,
};

/// Reads the graph of objects.
pub(super) fn read(
    scan: &mut Scan<'_>,
    feed: &mut Feed<'_>,
    end: u64,
    paths: &mut Paths,
) -> Result<(), Stop> {
    let mut number = 0;
    while let Some(field) = next(feed, end)? {
        match field {
            Field::Bytes(1, to) => {
                object(scan, feed, to, number, paths)?;
                number += 1;
            }
            Field::Bytes(2, to) => function(feed, to, paths)?,
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok(())
}

fn object(
    scan: &mut Scan<'_>,
    feed: &mut Feed<'_>,
    end: u64,
    number: u64,
    paths: &mut Paths,
) -> Result<(), Stop> {
    while let Some(field) = next(feed, end)? {
        match field {
            // An object of the user's, or of Keras', whose configuration it keeps.
            Field::Bytes(4, to) => {
                while let Some(field) = next(feed, to)? {
                    match field {
                        Field::Bytes(3, to) => {
                            let outer = feed.end_at(to);
                            let kept = feed.rest(scan.limits.document_bytes);
                            feed.end_at(outer);
                            let kept = kept?;
                            if kept.first() == Some(&b'{') {
                                keras::config(scan, &kept);
                            }
                        }
                        Field::Bytes(_, to) => pass(feed, to)?,
                        _ => {}
                    }
                }
            }
            Field::Bytes(9, to) => {
                while let Some(field) = next(feed, to)? {
                    match field {
                        Field::Bytes(1, to) if paths.objects.len() < NAMES => {
                            let name = text(feed, to, NAME)?;
                            paths.objects.insert(number, name);
                        }
                        Field::Bytes(1, _) => return Err(Stop::TooMuch),
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

/// A function, and the objects that are bound to it.
fn function(feed: &mut Feed<'_>, end: u64, paths: &mut Paths) -> Result<(), Stop> {
    let (mut name, mut bound) = (String::new(), Vec::new());
    while let Some(field) = next(feed, end)? {
        match field {
            Field::Bytes(1, to) => name = text(feed, to, NAME)?,
            Field::Bytes(2, to) => {
                while let Some(field) = next(feed, to)? {
                    match field {
                        Field::Number(2, value) => bound.push(value),
                        Field::Bytes(2, to) => numbers(feed, to, &mut bound)?,
                        Field::Bytes(_, to) => pass(feed, to)?,
                        _ => {}
                    }
                    if bound.len() > NAMES {
                        return Err(Stop::TooMuch);
                    }
                }
            }
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    paths.bind(name, bound);
    Ok(())
}
