//! Protobuf, read by hand: fields in turn, lengths checked against what is left, nothing kept that is not asked for.

use crate::feed::{Feed, Stop};

/// Packed numbers that are kept of one field.
const NUMBERS: usize = 1 << 20;

/// A field: its number and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// A number.
    Number(u32, u64),
    /// Bytes from the reader's place to this offset: text, bytes or a message.
    Bytes(u32, u64),
    /// Four or eight bytes, passed over.
    Fixed,
}

/// Reads the next field before `end`; `None` at the end.
pub(crate) fn next(feed: &mut Feed<'_>, end: u64) -> Result<Option<Field>, Stop> {
    if feed.offset() >= end {
        return if feed.offset() == end {
            Ok(None)
        } else {
            Err(Stop::Corrupt)
        };
    }
    let key = varint(feed)?;
    let number = u32::try_from(key >> 3).map_err(|_| Stop::Corrupt)?;
    if number == 0 {
        return Err(Stop::Corrupt);
    }
    let field = match key & 7 {
        0 => Field::Number(number, varint(feed)?),
        1 => {
            feed.skip(8)?;
            Field::Fixed
        }
        2 => {
            let length = varint(feed)?;
            let to = feed.offset().checked_add(length).ok_or(Stop::Corrupt)?;
            if to > end {
                return Err(Stop::Corrupt);
            }
            Field::Bytes(number, to)
        }
        5 => {
            feed.skip(4)?;
            Field::Fixed
        }
        _ => return Err(Stop::Corrupt),
    };
    if feed.offset() > end {
        return Err(Stop::Corrupt);
    }
    Ok(Some(field))
}

fn varint(feed: &mut Feed<'_>) -> Result<u64, Stop> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let byte = feed.byte()?;
        if shift == 63 && byte > 1 {
            return Err(Stop::Corrupt);
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Stop::Corrupt)
}

/// The text from here to `end`, at most `most` bytes of it; the reader is then at `end`.
pub(crate) fn text(feed: &mut Feed<'_>, end: u64, most: usize) -> Result<String, Stop> {
    let length = usize::try_from(end - feed.offset()).unwrap_or(usize::MAX);
    let kept = feed.need(length.min(most).min(crate::feed::BUFFER))?;
    let text = String::from_utf8_lossy(kept).into_owned();
    let left = end.saturating_sub(feed.offset());
    feed.skip(left)?;
    Ok(text)
}

/// Numbers that are packed in a field, up to `end`.
pub(crate) fn numbers(feed: &mut Feed<'_>, end: u64, into: &mut Vec<u64>) -> Result<(), Stop> {
    while feed.offset() < end {
        into.push(varint(feed)?);
        if into.len() > NUMBERS {
            return Err(Stop::TooMuch);
        }
    }
    if feed.offset() == end {
        Ok(())
    } else {
        Err(Stop::Corrupt)
    }
}

/// Passes over the rest of a field.
pub(crate) fn pass(feed: &mut Feed<'_>, end: u64) -> Result<(), Stop> {
    let left = end.saturating_sub(feed.offset());
    feed.skip(left)
}
