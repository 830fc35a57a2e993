//! Parquet: rows out of columns. One page of each column is held at a time, so a file of any size takes the memory of its
//! pages. Nested columns are read by their leaves; of lists of texts a row has all, one after the other.
//!
//! Lengths, counts and offsets are the file's word and checked against what is there. Encrypted files and packings that are
//! not known end the reading: what was not read is not clean.

use std::io::Read as _;

use super::{
    encoded::{self, Values},
    read::{COLUMNS_MAX, Cell, Read, Row, Stop},
    snappy,
    thrift::{self, Thrift},
};
use crate::source::{Source, View};

/// Bytes of the description at the end.
const FOOTER: usize = 64 << 20;
/// Bytes of the pages that are held, of all columns together, and what a column has in any case.
const PAGES: usize = 512 << 20;
const PAGE_LEAST: usize = 1 << 20 | 1 << 18;
/// Values of the pages that are held, of all columns together.
const VALUES: usize = 64 << 20;
/// Bytes that a page's header is looked for in.
const HEADER: usize = 64 << 10;
/// Bytes of one row of a list.
const ROW: usize = 16 << 20;

/// A leaf of the schema.
#[derive(Debug, Clone)]
struct Leaf {
    name: String,
    kind: i64,
    width: usize,
    /// Levels at which something may be absent or repeated.
    defined: u16,
    repeated: u16,
    /// Its bytes are meant as text.
    text: bool,
}

/// Reads all rows.
pub(crate) fn rows(
    source: &dyn Source,
    read: &mut Read,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let view = View::all(source);
    let footer = footer(view)?;
    let leaves = leaves(&footer).ok_or(Stop::Unknown)?;
    if leaves.is_empty() || leaves.len() > COLUMNS_MAX {
        return Err(Stop::TooMuch);
    }
    read.columns = leaves.iter().map(|leaf| leaf.name.clone()).collect();
    for group in footer.list(4) {
        let count = group
            .whole(3)
            .and_then(|count| u64::try_from(count).ok())
            .ok_or(Stop::Unknown)?;
        let chunks = group.list(1);
        if chunks.len() != leaves.len() {
            return Err(Stop::Unknown);
        }
        let columns: Option<Vec<Column<'_>>> = leaves
            .iter()
            .zip(chunks)
            .map(|(leaf, chunk)| Column::of(view, leaf, chunk, leaves.len()))
            .collect();
        let mut columns = columns.ok_or(Stop::Unknown)?;
        for _ in 0..count {
            let cells: Result<Vec<Cell>, Stop> = columns.iter_mut().map(|column| column.row(read)).collect();
            let row = Row {
                offset: 0,
                length: 0,
                cells: cells?,
            };
            each(read, row)?;
        }
        if columns.iter_mut().any(|column| !column.is_done()) {
            // More values than rows: another reader would see them.
            return Err(Stop::Unknown);
        }
    }
    Ok(())
}

fn footer(view: View<'_>) -> Result<Thrift, Stop> {
    let end = view.bytes(view.size().saturating_sub(8), 8)?;
    let [a, b, c, d, b'P', b'A', b'R', b'1'] = end.as_slice() else {
        return Err(Stop::Unknown);
    };
    let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
    if length > FOOTER {
        return Err(Stop::TooMuch);
    }
    let start = view.size().checked_sub(8 + length as u64).ok_or(Stop::Unknown)?;
    let bytes = view.bytes(start, length)?;
    thrift::parse(&bytes)
        .map(|(footer, _)| footer)
        .ok_or(Stop::Unknown)
}

/// The leaves of the schema, which is a tree written in the order of a walk.
fn leaves(footer: &Thrift) -> Option<Vec<Leaf>> {
    let elements = footer.list(2);
    let mut found = Vec::new();
    // What is above: the name, levels, and how many children are still to come.
    let mut above: Vec<(String, u16, u16, i64)> = Vec::new();
    for (place, element) in elements.iter().enumerate() {
        while above.last().is_some_and(|(.., left)| *left == 0) {
            above.pop();
        }
        let (mut name, mut defined, mut repeated) = match above.last_mut() {
            Some((name, defined, repeated, left)) => {
                *left -= 1;
                (name.clone(), *defined, *repeated)
            }
            None if place == 0 => (String::new(), 0, 0),
            None => return None,
        };
        if above.len() > 32 {
            return None;
        }
        if place > 0 {
            let own = element.text(4)?;
            // The levels of a list have names of their own that say nothing.
            let silent =
                matches!(own.as_str(), "list" | "element" | "item" | "array" | "bag") && !name.is_empty();
            if !silent {
                name = if name.is_empty() {
                    own
                } else {
                    format!("{name}.{own}")
                };
            }
            match element.whole(3).unwrap_or(0) {
                0 => {}
                1 => defined += 1,
                2 => {
                    defined += 1;
                    repeated += 1;
                }
                _ => return None,
            }
        }
        match element.whole(5).filter(|children| *children > 0) {
            Some(children) => above.push((name, defined, repeated, children)),
            None if place == 0 => return None,
            None => found.push(Leaf {
                name,
                kind: element.whole(1)?,
                width: usize::try_from(element.whole(2).unwrap_or(0)).ok()?,
                defined,
                repeated,
                text: matches!(element.whole(6), Some(0 | 4 | 19))
                    || element
                        .field(10)
                        .is_some_and(|kind| [1, 4, 12].iter().any(|id| kind.field(*id).is_some())),
            }),
        }
    }
    above.iter().all(|(.., left)| *left == 0).then_some(found)
}

/// A column of one group of rows, read forward.
struct Column<'v> {
    view: View<'v>,
    leaf: &'v Leaf,
    codec: i64,
    /// Where the next page begins, and where the chunk ends.
    at: u64,
    end: u64,
    /// Values that the chunk still has, those of the page not counted.
    left: u64,
    dictionary: Option<Values>,
    page: Page,
    /// Bytes and values that a page may have.
    most: (usize, usize),
}

#[derive(Default)]
struct Page {
    repeated: Vec<u32>,
    defined: Vec<u32>,
    values: Values,
    /// Levels and values that were taken.
    level: usize,
    value: usize,
    levels: usize,
}

impl<'v> Column<'v> {
    fn of(view: View<'v>, leaf: &'v Leaf, chunk: &Thrift, columns: usize) -> Option<Self> {
        // Data in another file, or encrypted.
        if chunk.field(1).is_some() || chunk.field(8).is_some() {
            return None;
        }
        let about = chunk.field(3)?;
        let number = |id| about.whole(id).and_then(|number| u64::try_from(number).ok());
        let data = number(9)?;
        let start = number(11)
            .filter(|dictionary| *dictionary > 0 && *dictionary < data)
            .unwrap_or(data);
        let end = start.checked_add(number(7)?)?;
        (end <= view.size() && about.whole(1)? == leaf.kind).then_some(Self {
            view,
            leaf,
            codec: about.whole(4)?,
            at: start,
            end,
            left: number(5)?,
            dictionary: None,
            page: Page::default(),
            most: ((PAGES / columns.max(1)).max(PAGE_LEAST), VALUES / columns.max(1)),
        })
    }

    fn is_done(&mut self) -> bool {
        self.left == 0 && self.page.level >= self.page.levels
    }

    /// The next row's value.
    fn row(&mut self, read: &mut Read) -> Result<Cell, Stop> {
        let first = self.next(read)?.ok_or(Stop::Unknown)?;
        if self.leaf.repeated == 0 {
            return Ok(first);
        }
        let mut texts = match first {
            Cell::Text(text) => text,
            _ => String::new(),
        };
        while self.goes_on()? {
            if let Some(Cell::Text(text)) = self.next(read)? {
                if texts.len() + text.len() > ROW {
                    return Err(Stop::TooMuch);
                }
                if !texts.is_empty() {
                    texts.push('\n');
                }
                texts.push_str(&text);
            }
        }
        Ok(if texts.is_empty() {
            Cell::Nothing
        } else {
            Cell::Text(texts)
        })
    }

    /// Whether the next value belongs to the same row.
    fn goes_on(&mut self) -> Result<bool, Stop> {
        Ok(self.filled()? && self.page.repeated.get(self.page.level).copied().unwrap_or(0) > 0)
    }

    /// Reads pages until there is a value; `false` at the end of the chunk.
    fn filled(&mut self) -> Result<bool, Stop> {
        while self.page.level >= self.page.levels {
            if self.left == 0 {
                return Ok(false);
            }
            self.load()?;
        }
        Ok(true)
    }

    fn next(&mut self, read: &mut Read) -> Result<Option<Cell>, Stop> {
        if !self.filled()? {
            return Ok(None);
        }
        let there = self.leaf.defined == 0
            || self.page.defined.get(self.page.level).copied() == Some(u32::from(self.leaf.defined));
        self.page.level += 1;
        if !there {
            return Ok(Some(Cell::Nothing));
        }
        let place = self.page.value;
        self.page.value += 1;
        let cell = match &self.page.values {
            Values::Places(places) => {
                let place = places.get(place).copied().ok_or(Stop::Unknown)? as usize;
                let dictionary = self.dictionary.as_ref().ok_or(Stop::Unknown)?;
                dictionary.cell(place, self.leaf.text, read)
            }
            values => values.cell(place, self.leaf.text, read),
        };
        cell.map(Some).ok_or(Stop::Unknown)
    }

    fn load(&mut self) -> Result<(), Stop> {
        if self.at >= self.end {
            return Err(Stop::Unknown);
        }
        let room = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let head = self.view.bytes(self.at, room.min(HEADER))?;
        let (header, taken) = thrift::parse(&head).ok_or(Stop::Unknown)?;
        let size = |id| {
            header
                .whole(id)
                .and_then(|size| usize::try_from(size).ok())
                .ok_or(Stop::Unknown)
        };
        let (unpacked, packed) = (size(2)?, size(3)?);
        if unpacked.max(packed) > self.most.0 {
            return Err(Stop::TooMuch);
        }
        let start = self.at + taken as u64;
        self.at = start
            .checked_add(packed as u64)
            .filter(|at| *at <= self.end)
            .ok_or(Stop::Unknown)?;
        let body = self.view.bytes(start, packed)?;
        if body.len() < packed {
            return Err(Stop::Broken);
        }
        match header.whole(1) {
            Some(0) => self.first_version(&header, &body, unpacked),
            Some(2) => {
                let about = header.field(7).ok_or(Stop::Unknown)?;
                let count = about
                    .whole(1)
                    .and_then(|count| usize::try_from(count).ok())
                    .ok_or(Stop::Unknown)?;
                let bytes = unpack(self.codec, &body, unpacked)?;
                self.dictionary = Some(self.values(0, &bytes, count)?);
                Ok(())
            }
            Some(3) => self.second_version(&header, &body, unpacked),
            // Indices and whatever comes later hold no values.
            _ => Ok(()),
        }
    }

    fn values(&self, encoding: i64, bytes: &[u8], count: usize) -> Result<Values, Stop> {
        encoded::values(encoding, bytes, count, self.leaf.kind, self.leaf.width).ok_or(Stop::Unknown)
    }

    fn first_version(&mut self, header: &Thrift, body: &[u8], unpacked: usize) -> Result<(), Stop> {
        let about = header.field(5).ok_or(Stop::Unknown)?;
        let count = self.counted(about)?;
        let bytes = unpack(self.codec, body, unpacked)?;
        let mut rest = bytes.as_slice();
        let mut levels = |most: u16, encoding: Option<i64>| -> Option<Vec<u32>> {
            if most == 0 {
                return Some(Vec::new());
            }
            // The older packing of levels is no longer written.
            if encoding != Some(3) {
                return None;
            }
            let (length, after) = rest.split_at_checked(4)?;
            let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
            let (levels, after) = after.split_at_checked(length)?;
            rest = after;
            encoded::hybrid(levels, encoded::bits(u32::from(most)), count)
        };
        let repeated = levels(self.leaf.repeated, about.whole(4)).ok_or(Stop::Unknown)?;
        let defined = levels(self.leaf.defined, about.whole(3)).ok_or(Stop::Unknown)?;
        self.turn(about.whole(2), rest, repeated, defined, count)
    }

    fn second_version(&mut self, header: &Thrift, body: &[u8], unpacked: usize) -> Result<(), Stop> {
        let about = header.field(8).ok_or(Stop::Unknown)?;
        let count = self.counted(about)?;
        let size = |id| {
            about
                .whole(id)
                .and_then(|size| usize::try_from(size).ok())
                .unwrap_or(0)
        };
        let (of_repeated, of_defined) = (size(6), size(5));
        let parts = body
            .split_at_checked(of_repeated)
            .and_then(|(repeated, rest)| Some((repeated, rest.split_at_checked(of_defined)?)));
        let (repeated, (defined, data)) = parts.ok_or(Stop::Unknown)?;
        let levels = |bytes: &[u8], most: u16| match most {
            0 => Some(Vec::new()),
            most => encoded::hybrid(bytes, encoded::bits(u32::from(most)), count),
        };
        let repeated = levels(repeated, self.leaf.repeated).ok_or(Stop::Unknown)?;
        let defined = levels(defined, self.leaf.defined).ok_or(Stop::Unknown)?;
        let packed = about.field(7) != Some(&Thrift::Bool(false));
        let left = unpacked
            .checked_sub(of_repeated + of_defined)
            .ok_or(Stop::Unknown)?;
        let codec = if packed { self.codec } else { 0 };
        let data = unpack(codec, data, left)?;
        self.turn(about.whole(4), &data, repeated, defined, count)
    }

    /// How many levels the page has, taken off what the chunk has left.
    fn counted(&mut self, about: &Thrift) -> Result<usize, Stop> {
        let count = about
            .whole(1)
            .and_then(|count| u64::try_from(count).ok())
            .ok_or(Stop::Unknown)?;
        self.left = self.left.checked_sub(count).ok_or(Stop::Unknown)?;
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.most.1)
            .ok_or(Stop::TooMuch)
    }

    fn turn(
        &mut self,
        encoding: Option<i64>,
        data: &[u8],
        repeated: Vec<u32>,
        defined: Vec<u32>,
        count: usize,
    ) -> Result<(), Stop> {
        let most = u32::from(self.leaf.defined);
        let there = match most {
            0 => count,
            most => defined.iter().filter(|level| **level == most).count(),
        };
        self.page = Page {
            values: self.values(encoding.ok_or(Stop::Unknown)?, data, there)?,
            repeated,
            defined,
            level: 0,
            value: 0,
            levels: count,
        };
        Ok(())
    }
}

/// Unpacks a page to exactly `size` bytes.
fn unpack(codec: i64, bytes: &[u8], size: usize) -> Result<Vec<u8>, Stop> {
    let read = |reader: &mut dyn std::io::Read| {
        let mut out = Vec::new();
        let done = reader.take(size as u64 + 1).read_to_end(&mut out);
        done.ok().filter(|_| out.len() == size).map(|_| out)
    };
    let unpacked = match codec {
        0 => (bytes.len() == size).then(|| bytes.to_vec()),
        1 => snappy::unpack(bytes, size),
        2 => read(&mut flate2::read::MultiGzDecoder::new(bytes)),
        6 => ruzstd::decoding::StreamingDecoder::new(bytes)
            .ok()
            .and_then(|mut reader| read(&mut reader)),
        7 => lz4_flex::block::decompress(bytes, size)
            .ok()
            .filter(|out| out.len() == size),
        _ => None,
    };
    unpacked.ok_or(Stop::Unknown)
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn all(name: &str, bytes: &[u8]) -> (Vec<String>, Vec<Vec<Cell>>, Result<(), Stop>) {
        let source = bytes.to_vec();
        let mut cells = Vec::new();
        let (read, done) = read::rows(name, &source, &mut |_, row| {
            cells.push(row.cells);
            Ok(())
        });
        (read.columns, cells, done)
    }

    fn same(ours: &Cell, told: &Cell) -> bool {
        match (ours, told) {
            (Cell::Number(ours), Cell::Number(told)) => (ours - told).abs() <= 1e-9 * told.abs().max(1.0),
            // JSON writes Booleans as words.
            (Cell::Number(ours), Cell::Text(told)) => {
                matches!((*ours as i64, told.as_str()), (1, "true") | (0, "false"))
            }
            (Cell::Nothing, Cell::Text(told)) => told.is_empty(),
            (Cell::Text(ours), Cell::Nothing) => ours.is_empty(),
            (ours, told) => ours == told,
        }
    }

    const FILES: [(&str, &[u8]); 8] = [
        ("arrow file", include_bytes!("../../tests/tables/file.arrow")),
        ("arrow stream", include_bytes!("../../tests/tables/stream.arrow")),
        ("arrow lz4", include_bytes!("../../tests/tables/lz4.arrow")),
        ("snappy", include_bytes!("../../tests/tables/snappy.parquet")),
        ("zstd_v2", include_bytes!("../../tests/tables/zstd_v2.parquet")),
        (
            "gzip_delta",
            include_bytes!("../../tests/tables/gzip_delta.parquet"),
        ),
        (
            "none_v2_delta",
            include_bytes!("../../tests/tables/none_v2_delta.parquet"),
        ),
        (
            "lz4_groups",
            include_bytes!("../../tests/tables/lz4_groups.parquet"),
        ),
    ];

    #[test]
    fn every_encoding_gives_the_rows_that_were_written() {
        let (names, told, done) = all("rows.jsonl", include_bytes!("../../tests/tables/rows.jsonl"));
        assert_eq!(done, Ok(()));
        for (name, bytes) in FILES {
            let (columns, ours, done) = all("x.parquet", bytes);
            assert_eq!(done, Ok(()), "{name}");
            assert_eq!((ours.len(), columns.len()), (300, 10), "{name} {columns:?}");
            for (number, (ours, told)) in ours.iter().zip(&told).enumerate() {
                for (column, cell) in columns.iter().zip(ours) {
                    let place = names.iter().position(|name| name == column).expect(column);
                    let told = told.get(place).unwrap_or(&Cell::Nothing);
                    assert!(
                        same(cell, told),
                        "{name}, row {number}, {column}: {cell:?} and {told:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_cut_off_changed_or_not_known_is_never_whole() {
        let (_, _, done) = all("x.parquet", include_bytes!("../../tests/tables/brotli.parquet"));
        assert_eq!(done, Err(Stop::Unknown));
        for (name, bytes) in FILES {
            // A stream may end after any of its batches.
            let stream = name.starts_with("arrow");
            for cut in (0..bytes.len()).step_by(97).filter(|cut| !stream || cut % 8 != 0) {
                let (.., done) = all("x.parquet", &bytes[..cut]);
                assert!(done.is_err() || cut < 4, "{name} cut at {cut}");
            }
            // Any change ends somewhere: in other rows, or in a fault, and never in a panic.
            for at in (0..bytes.len()).step_by(13) {
                let mut changed = bytes.to_vec();
                changed[at] ^= 0x41;
                let _ = all("x.parquet", &changed);
            }
        }
    }
}
