//! Arrow's IPC format, as a stream (what `datasets` keeps) and as a file (Feather): rows out of batches, one batch held at a
//! time. Lists of texts give a row all of them; structures give a column for each leaf. Unions, views and run ends are not
//! read, and what is not read is not clean.

use std::{collections::HashMap, io::Read as _};

use super::{
    flat::Table,
    read::{COLUMNS_MAX, Cell, Read, Row, Stop},
};
use crate::source::{Source, View};

/// Bytes of a description.
const DESCRIBED: usize = 16 << 20;
/// Bytes of one batch, unpacked.
const BATCH: usize = 256 << 20;
/// Cells of one batch.
const CELLS: usize = 32 << 20;
/// Structures in structures.
const DEPTH: u32 = 16;

/// A column, or a part of one.
#[derive(Debug, Clone)]
struct Field {
    name: String,
    kind: Kind,
    /// Its dictionary, and of how many bytes a place in it is.
    dictionary: Option<(i64, usize)>,
    children: Vec<Self>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    /// Whole numbers of so many bytes, with a sign or without.
    Whole(usize, bool),
    Float(usize),
    Flag,
    /// Texts or other bytes, with offsets of so many bytes.
    Bytes(usize, bool),
    /// Bytes of a fixed size that say nothing here.
    Fixed(usize),
    List(usize),
    FixedList(usize),
    Struct,
}

/// Whether these first bytes are those of a file or a stream.
pub(super) fn is_one(head: &[u8]) -> bool {
    head.starts_with(b"ARROW1")
        || matches!(head, [0xff, 0xff, 0xff, 0xff, _, _, _, 0, a, b, c, d, ..] if u32::from_le_bytes([*a, *b, *c, *d]) < 64)
}

/// Reads all rows.
pub(super) fn rows(
    source: &dyn Source,
    read: &mut Read,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let view = View::all(source);
    let is_file = view.bytes(0, 6)? == b"ARROW1";
    if is_file && view.bytes(view.size().saturating_sub(6), 6)? != b"ARROW1" {
        // Its list of batches is cut off, by which other readers find them.
        return Err(Stop::Unknown);
    }
    let mut at = if is_file { 8 } else { 0 };
    let mut known = Known::default();
    loop {
        let head = view.bytes(at, 8)?;
        if head.is_empty() && !is_file && known.fields.is_some() {
            // A stream may end with its writer.
            return Ok(());
        }
        let [0xff, 0xff, 0xff, 0xff, a, b, c, d] = head.as_slice() else {
            return Err(Stop::Unknown);
        };
        let size = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        if size == 0 {
            return Ok(());
        }
        if size > DESCRIBED {
            return Err(Stop::TooMuch);
        }
        let described = view.bytes(at + 8, size)?;
        let message = Table::root(&described).ok_or(Stop::Unknown)?;
        let start = at + 8 + size as u64;
        let body = u64::try_from(message.long(3).unwrap_or(0)).map_err(|_| Stop::Unknown)?;
        at = start
            .checked_add(body)
            .filter(|end| *end <= view.size())
            .ok_or(Stop::Unknown)?;
        if body > BATCH as u64 {
            return Err(Stop::TooMuch);
        }
        known.message(message, view.part(start, body), read, each)?;
    }
}

/// What the messages so far have said.
#[derive(Default)]
struct Known {
    fields: Option<Vec<Field>>,
    dictionaries: HashMap<i64, Vec<Cell>>,
}

impl Known {
    fn message(
        &mut self,
        message: Table<'_>,
        body: View<'_>,
        read: &mut Read,
        each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let header = message.table(2).ok_or(Stop::Unknown)?;
        match (message.byte(1), &self.fields) {
            (Some(1), None) => {
                let found = schema(header).ok_or(Stop::Unknown)?;
                read.columns = found.iter().flat_map(|field| names(field, "")).collect();
                if read.columns.len() > COLUMNS_MAX {
                    return Err(Stop::TooMuch);
                }
                self.fields = Some(found);
                Ok(())
            }
            (Some(2), Some(_)) => self.dictionary(header, body, read),
            (Some(3), Some(fields)) => self.batch(fields, header, body, read, each),
            // Tensors and a second schema are no rows.
            _ => Err(Stop::Unknown),
        }
    }

    fn dictionary(&mut self, header: Table<'_>, body: View<'_>, read: &mut Read) -> Result<(), Stop> {
        let id = header.long(0).unwrap_or(0);
        let mut fields = self.fields.iter().flatten();
        let field = fields
            .find_map(|field| of_dictionary(field, id))
            .ok_or(Stop::Unknown)?;
        let plain = Field {
            dictionary: None,
            ..field.clone()
        };
        let mut batch = Batch::of(body, header.table(1).ok_or(Stop::Unknown)?)?;
        let cells = batch
            .cells(&plain, &self.dictionaries, read, 0)?
            .pop()
            .unwrap_or_default();
        let kept = self.dictionaries.entry(id).or_default();
        if header.byte(2) != Some(1) {
            kept.clear();
        }
        if kept.len() + cells.len() > CELLS {
            return Err(Stop::TooMuch);
        }
        kept.extend(cells);
        Ok(())
    }

    fn batch(
        &self,
        fields: &[Field],
        header: Table<'_>,
        body: View<'_>,
        read: &mut Read,
        each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut batch = Batch::of(body, header)?;
        let rows = batch.rows;
        let mut columns = Vec::with_capacity(read.columns.len());
        for field in fields {
            columns.extend(batch.cells(field, &self.dictionaries, read, 0)?);
            if columns.len().saturating_mul(rows) > CELLS {
                return Err(Stop::TooMuch);
            }
        }
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        for _ in 0..rows {
            let cells: Option<Vec<Cell>> = columns.iter_mut().map(Iterator::next).collect();
            let row = Row {
                offset: 0,
                length: 0,
                cells: cells.ok_or(Stop::Unknown)?,
            };
            each(read, row)?;
        }
        Ok(())
    }
}

fn schema(schema: Table<'_>) -> Option<Vec<Field>> {
    // Big-endian files are rare enough to be named and not read.
    if schema.short(0).unwrap_or(0) != 0 {
        return None;
    }
    schema
        .tables(1)?
        .into_iter()
        .map(|table| field(table, 0))
        .collect()
}

fn field(table: Table<'_>, depth: u32) -> Option<Field> {
    if depth > DEPTH {
        return None;
    }
    let kind = table.table(3);
    let width = |slot: usize| {
        let bits = kind.and_then(|kind| kind.word(slot)).unwrap_or(0);
        matches!(bits, 8 | 16 | 32 | 64).then_some(bits as usize / 8)
    };
    let unit = kind.and_then(|kind| kind.short(0));
    let kind = match table.byte(2)? {
        1 => Kind::Nothing,
        2 => Kind::Whole(width(0)?, kind?.byte(1) == Some(1)),
        3 => Kind::Float(match unit.unwrap_or(0) {
            0 => 2,
            1 => 4,
            _ => 8,
        }),
        4 => Kind::Bytes(4, false),
        5 => Kind::Bytes(4, true),
        6 => Kind::Flag,
        7 => Kind::Fixed(kind?.word(2).unwrap_or(128) as usize / 8),
        8 => Kind::Whole(if unit == Some(0) { 4 } else { 8 }, true),
        9 => Kind::Whole(
            kind.and_then(|kind| kind.word(1)).unwrap_or(32) as usize / 8,
            true,
        ),
        10 | 18 => Kind::Whole(8, true),
        12 | 17 => Kind::List(4),
        13 => Kind::Struct,
        15 => Kind::Fixed(usize::try_from(kind?.word(0)?).ok()?),
        16 => Kind::FixedList(usize::try_from(kind?.word(0)?).ok()?),
        19 => Kind::Bytes(8, false),
        20 => Kind::Bytes(8, true),
        21 => Kind::List(8),
        _ => return None,
    };
    let children: Option<Vec<Field>> = table
        .tables(5)?
        .into_iter()
        .map(|child| field(child, depth + 1))
        .collect();
    let children = children?;
    let fits = match kind {
        Kind::List(_) | Kind::FixedList(_) => children.len() == 1,
        Kind::Struct => true,
        _ => children.is_empty(),
    };
    fits.then_some(Field {
        name: table.text(0).unwrap_or_default(),
        kind,
        dictionary: match table.table(4) {
            None => None,
            Some(dictionary) => {
                let bits = dictionary.table(1).and_then(|kind| kind.word(0)).unwrap_or(32);
                let width = matches!(bits, 8 | 16 | 32 | 64).then_some(bits as usize / 8)?;
                Some((dictionary.long(0).unwrap_or(0), width))
            }
        },
        children,
    })
}

/// The leaves' names, in the order of their columns.
fn names(field: &Field, above: &str) -> Vec<String> {
    let name = match (above, field.name.as_str()) {
        ("", own) => own.to_owned(),
        (above, "item" | "element" | "entries" | "") => above.to_owned(),
        (above, own) => format!("{above}.{own}"),
    };
    match field.kind {
        Kind::Struct | Kind::List(_) | Kind::FixedList(_) if field.dictionary.is_none() => field
            .children
            .iter()
            .flat_map(|child| names(child, &name))
            .collect(),
        _ => vec![name],
    }
}

fn of_dictionary(field: &Field, id: i64) -> Option<&Field> {
    if field.dictionary.is_some_and(|(there, _)| there == id) {
        return Some(field);
    }
    field.children.iter().find_map(|child| of_dictionary(child, id))
}

/// A batch: its nodes and buffers are taken in the order in which the fields are walked.
struct Batch<'v> {
    view: View<'v>,
    rows: usize,
    nodes: std::vec::IntoIter<(u64, u64)>,
    buffers: std::vec::IntoIter<(u64, u64)>,
    packing: Option<u8>,
    /// Bytes that unpacking may still give.
    room: usize,
}

impl<'v> Batch<'v> {
    fn of(view: View<'v>, table: Table<'_>) -> Result<Self, Stop> {
        let rows = usize::try_from(table.long(0).unwrap_or(0)).map_err(|_| Stop::Unknown)?;
        if rows > CELLS {
            return Err(Stop::TooMuch);
        }
        let (nodes, buffers) = (
            table.pairs(1).ok_or(Stop::Unknown)?,
            table.pairs(2).ok_or(Stop::Unknown)?,
        );
        Ok(Self {
            view,
            rows,
            nodes: nodes.into_iter(),
            buffers: buffers.into_iter(),
            packing: table.table(3).map(|packing| packing.byte(0).unwrap_or(0)),
            room: BATCH,
        })
    }

    fn buffer(&mut self) -> Result<Vec<u8>, Stop> {
        let (offset, length) = self.buffers.next().ok_or(Stop::Unknown)?;
        let fits = offset
            .checked_add(length)
            .is_some_and(|end| end <= self.view.size());
        let length = usize::try_from(length)
            .ok()
            .filter(|_| fits)
            .ok_or(Stop::Unknown)?;
        let bytes = self.view.bytes(offset, length)?;
        let Some(packing) = self.packing.filter(|_| !bytes.is_empty()) else {
            return Ok(bytes);
        };
        let (size, packed) = bytes.split_at_checked(8).ok_or(Stop::Unknown)?;
        let size = i64::from_le_bytes(size.try_into().map_err(|_| Stop::Unknown)?);
        if size == -1 {
            return Ok(packed.to_vec());
        }
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= self.room)
            .ok_or(Stop::TooMuch)?;
        self.room -= size;
        let mut out = Vec::new();
        let most = size as u64 + 1;
        let done = match packing {
            0 => lz4_flex::frame::FrameDecoder::new(packed)
                .take(most)
                .read_to_end(&mut out),
            1 => ruzstd::decoding::StreamingDecoder::new(packed)
                .map_err(|_| Stop::Unknown)?
                .take(most)
                .read_to_end(&mut out),
            _ => return Err(Stop::Unknown),
        };
        done.ok()
            .filter(|_| out.len() == size)
            .map(|_| out)
            .ok_or(Stop::Unknown)
    }

    /// The columns of a field's leaves.
    fn cells(
        &mut self,
        field: &Field,
        dictionaries: &HashMap<i64, Vec<Cell>>,
        read: &mut Read,
        depth: u32,
    ) -> Result<Vec<Vec<Cell>>, Stop> {
        let (length, _) = self.nodes.next().ok_or(Stop::Unknown)?;
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= CELLS && depth <= DEPTH);
        let length = length.ok_or(Stop::TooMuch)?;
        if field.kind == Kind::Nothing {
            return Ok(vec![vec![Cell::Nothing; length]]);
        }
        let valid = self.buffer()?;
        let there = |place: usize| {
            valid.is_empty()
                || valid
                    .get(place / 8)
                    .is_some_and(|byte| byte >> (place % 8) & 1 == 1)
        };
        if let Some((id, width)) = field.dictionary {
            let kept = dictionaries.get(&id).ok_or(Stop::Unknown)?;
            return self.places(length, width, kept, there).map(|cells| vec![cells]);
        }
        match field.kind {
            Kind::Struct => self.parts(field, dictionaries, read, depth, length, &there),
            Kind::List(width) => {
                let bytes = self.buffer()?;
                let ends = offsets(&bytes, width, length).ok_or(Stop::Unknown)?;
                self.joined(field, dictionaries, read, depth, &ends, &there)
            }
            Kind::FixedList(size) => {
                let ends: Option<Vec<usize>> = (0..=length).map(|place| place.checked_mul(size)).collect();
                self.joined(
                    field,
                    dictionaries,
                    read,
                    depth,
                    &ends.ok_or(Stop::Unknown)?,
                    &there,
                )
            }
            Kind::Bytes(width, text) => {
                let bytes = self.buffer()?;
                let ends = offsets(&bytes, width, length).ok_or(Stop::Unknown)?;
                let data = self.buffer()?;
                texts(&ends, &data, text, there, read).map(|cells| vec![cells])
            }
            kind => {
                let bytes = self.buffer()?;
                let one = |place: usize| {
                    if there(place) {
                        number(kind, &bytes, place)
                    } else {
                        Some(Cell::Nothing)
                    }
                };
                let cells: Option<Vec<Cell>> = (0..length).map(one).collect();
                Ok(vec![cells.ok_or(Stop::Unknown)?])
            }
        }
    }

    /// The columns of a structure; where it is absent, so are its parts.
    fn parts(
        &mut self,
        field: &Field,
        dictionaries: &HashMap<i64, Vec<Cell>>,
        read: &mut Read,
        depth: u32,
        length: usize,
        there: &impl Fn(usize) -> bool,
    ) -> Result<Vec<Vec<Cell>>, Stop> {
        let mut columns = Vec::new();
        for child in &field.children {
            columns.extend(self.cells(child, dictionaries, read, depth + 1)?);
        }
        for column in &mut columns {
            if column.len() < length {
                return Err(Stop::Unknown);
            }
            let absent = column.iter_mut().enumerate().filter(|(place, _)| !there(*place));
            absent.for_each(|(_, cell)| *cell = Cell::Nothing);
        }
        Ok(columns)
    }

    /// Places in a dictionary.
    fn places(
        &mut self,
        length: usize,
        width: usize,
        kept: &[Cell],
        there: impl Fn(usize) -> bool,
    ) -> Result<Vec<Cell>, Stop> {
        let bytes = self.buffer()?;
        let one = |place: usize| {
            if !there(place) {
                return Some(Cell::Nothing);
            }
            let part = bytes.get(place * width..(place + 1) * width)?;
            let index = part
                .iter()
                .rev()
                .fold(0_u64, |index, byte| index << 8 | u64::from(*byte));
            kept.get(usize::try_from(index).ok()?).cloned()
        };
        (0..length).map(one).collect::<Option<_>>().ok_or(Stop::Unknown)
    }

    /// Lists: the texts of a row, one after the other; numbers in lists say nothing here.
    fn joined(
        &mut self,
        field: &Field,
        dictionaries: &HashMap<i64, Vec<Cell>>,
        read: &mut Read,
        depth: u32,
        ends: &[usize],
        there: &impl Fn(usize) -> bool,
    ) -> Result<Vec<Vec<Cell>>, Stop> {
        let child = field.children.first().ok_or(Stop::Unknown)?;
        let columns = self.cells(child, dictionaries, read, depth + 1)?;
        let join = |column: &Vec<Cell>| -> Option<Vec<Cell>> {
            let one = |(place, pair): (usize, &[usize])| {
                let [from, to] = pair else { return None };
                let cells = column.get(*from..*to)?;
                let texts: Vec<&str> = cells
                    .iter()
                    .filter_map(|cell| match cell {
                        Cell::Text(text) => Some(text.as_str()),
                        _ => None,
                    })
                    .collect();
                Some(if texts.is_empty() || !there(place) {
                    Cell::Nothing
                } else {
                    Cell::Text(texts.join("\n"))
                })
            };
            ends.windows(2).enumerate().map(one).collect()
        };
        columns
            .iter()
            .map(join)
            .collect::<Option<_>>()
            .ok_or(Stop::Unknown)
    }
}

fn number(kind: Kind, bytes: &[u8], place: usize) -> Option<Cell> {
    let part = |width: usize| bytes.get(place.checked_mul(width)?..place.checked_add(1)?.checked_mul(width)?);
    Some(match kind {
        Kind::Flag => Cell::Number(f64::from(bytes.get(place / 8)? >> (place % 8) & 1)),
        Kind::Whole(width, signed) => {
            let raw = part(width)?
                .iter()
                .rev()
                .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            let unused = 64 - 8 * u32::try_from(width).ok()?;
            Cell::Number(if signed {
                (raw << unused) as i64 as f64 / 2_f64.powi(unused as i32)
            } else {
                raw as f64
            })
        }
        Kind::Float(4) => Cell::Number(f64::from(f32::from_le_bytes(part(4)?.try_into().ok()?))),
        Kind::Float(8) => Cell::Number(f64::from_le_bytes(part(8)?.try_into().ok()?)),
        Kind::Float(width) | Kind::Fixed(width) => part(width).map(|_| Cell::Nothing)?,
        _ => return None,
    })
}

/// `length + 1` offsets that never go back.
fn offsets(bytes: &[u8], width: usize, length: usize) -> Option<Vec<usize>> {
    if length == 0 {
        return Some(vec![0]);
    }
    let bytes = bytes.get(..length.checked_add(1)?.checked_mul(width)?)?;
    let mut last = 0;
    let mut found = Vec::with_capacity(length + 1);
    for part in bytes.chunks_exact(width) {
        let offset = part
            .iter()
            .rev()
            .fold(0_u64, |offset, byte| offset << 8 | u64::from(*byte));
        let offset = usize::try_from(offset).ok().filter(|offset| *offset >= last)?;
        found.push(offset);
        last = offset;
    }
    Some(found)
}

fn texts(
    ends: &[usize],
    data: &[u8],
    text: bool,
    there: impl Fn(usize) -> bool,
    read: &mut Read,
) -> Result<Vec<Cell>, Stop> {
    let mut cells = Vec::with_capacity(ends.len());
    for (place, pair) in ends.windows(2).enumerate() {
        let [from, to] = pair else {
            return Err(Stop::Unknown);
        };
        let bytes = data.get(*from..*to).ok_or(Stop::Unknown)?;
        cells.push(match std::str::from_utf8(bytes) {
            _ if !there(place) => Cell::Nothing,
            Ok(text) => Cell::Text(text.to_owned()),
            // Pictures and the like.
            Err(_) if !text => Cell::Nothing,
            Err(_) => {
                read.not_utf8 += 1;
                Cell::Text(String::from_utf8_lossy(bytes).into_owned())
            }
        });
    }
    Ok(cells)
}
