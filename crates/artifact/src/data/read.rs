//! Rows out of bytes: delimited text, plain lines, numpy arrays. Forward only, one row held at a time.

use std::io;

use super::{arrow, json, parquet};
use crate::source::Source;

/// Bytes of one row.
const ROW_MAX: usize = 32 << 20;
/// Bytes read at once.
const CHUNK: usize = 1 << 20;
/// What text may begin with, and is no part of it.
const MARK: &str = "\u{feff}";
/// Columns of one row.
pub(crate) const COLUMNS_MAX: usize = 1 << 16;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Nothing,
    Number(f64),
    Text(String),
}

/// A row and where it stands.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// First byte.
    pub(crate) offset: u64,
    /// Bytes, its end of line included; 0 where it has none of its own.
    pub(crate) length: u64,
    pub(crate) cells: Vec<Cell>,
}

/// Why reading ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Broken,
    Cancelled,
    TooMuch,
    Unknown,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::ConnectionAborted {
            Self::Cancelled
        } else {
            Self::Broken
        }
    }
}

/// What was read besides the rows.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) format: &'static str,
    pub(crate) columns: Vec<String>,
    /// Bytes before the first row.
    pub(crate) header: u64,
    /// Rows that are not what the format says, the first of them, and rows that are not UTF-8.
    pub(crate) broken: u64,
    pub(crate) first_broken: Option<u64>,
    pub(crate) not_utf8: u64,
    /// Why it can't be said which part of the file is a row.
    pub(crate) unshaped: Option<String>,
}

impl Read {
    /// Counts a row that is not as wide as the first.
    fn row(&mut self, index: u64, whole: bool) {
        if !whole {
            self.broken += 1;
            self.first_broken.get_or_insert(index);
        }
    }
}

/// Lines of a source.
pub(super) struct Lines<'s> {
    source: &'s dyn Source,
    /// What a line ends in.
    end: u8,
    at: u64,
    held: Vec<u8>,
    start: usize,
}

impl<'s> Lines<'s> {
    /// Lines after so many bytes. Where the first bytes hold no line feed, as texts of old Macs do not, a carriage return
    /// ends a line.
    pub(super) fn after(source: &'s dyn Source, skipped: u64, head: &[u8]) -> Self {
        let old = head.contains(&b'\r') && !head.contains(&b'\n');
        Self {
            source,
            end: if old { b'\r' } else { b'\n' },
            at: skipped,
            held: Vec::new(),
            start: 0,
        }
    }

    /// The next line with its end, after which `more` says whether the line goes on past it (a quoted line break).
    pub(super) fn next(&mut self, mut more: impl FnMut(&[u8]) -> bool) -> Result<Option<(u64, &[u8])>, Stop> {
        let mut searched = 0;
        loop {
            let rest = self.held.get(self.start..).unwrap_or(&[]);
            let mut whole = None;
            while let Some(found) = memchr(self.end, rest.get(searched..).unwrap_or(&[])) {
                searched += found + 1;
                if !more(rest.get(..searched).unwrap_or(&[])) {
                    whole = Some(searched);
                    break;
                }
            }
            if let Some(length) = whole {
                let (offset, from) = (self.at, self.start);
                self.start += length;
                self.at += length as u64;
                return Ok(Some((offset, self.held.get(from..from + length).unwrap_or(&[]))));
            }
            searched = rest.len();
            if searched > ROW_MAX {
                return Err(Stop::TooMuch);
            }
            self.held.drain(..self.start);
            self.start = 0;
            let (old, from) = (self.held.len(), self.at + self.held.len() as u64);
            self.held.resize(old + CHUNK, 0);
            let read = self
                .source
                .read_at(from, self.held.get_mut(old..).unwrap_or(&mut []))?;
            self.held.truncate(old + read);
            if read == 0 {
                if self.held.is_empty() {
                    return Ok(None);
                }
                let offset = self.at;
                self.start = self.held.len();
                self.at += self.held.len() as u64;
                return Ok(Some((offset, &self.held)));
            }
        }
    }
}

fn memchr(end: u8, bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == end)
}

/// Reads the rows of a source. `name` tells the formats apart that look alike; contents decide where they can.
pub(crate) fn rows(
    name: &str,
    source: &dyn Source,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> (Read, Result<(), Stop>) {
    let mut read = Read::default();
    let mut head = vec![0; 4096];
    let length = match source.read_at(0, &mut head) {
        Ok(length) => length,
        Err(error) => return (read, Err(error.into())),
    };
    head.truncate(length);
    let lower = name.to_ascii_lowercase();
    let ends = |with: &[&str]| with.iter().any(|end| lower.ends_with(end));
    let marked = head.starts_with(MARK.as_bytes());
    read.header = if marked { MARK.len() as u64 } else { 0 };
    let head = head.get(read.header as usize..).unwrap_or_default();
    let text = head.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
    // The name of a format that it is not: what it holds decides.
    let misnamed = ends(&[".parquet", ".arrow", ".feather", ".npy"]);
    let result = if head.starts_with(b"\x93NUMPY") {
        read.format = "npy";
        array(source, &mut read, each)
    } else if head.starts_with(b"PAR1") {
        read.format = "parquet";
        parquet::rows(source, &mut read, each)
    } else if arrow::is_one(head) {
        read.format = "arrow";
        arrow::rows(source, &mut read, each)
    } else if head.contains(&0) {
        read.format = "unrecognised";
        Err(Stop::Unknown)
    } else if ends(&[".csv", ".tsv"]) || (misnamed && is_table(head)) {
        read.format = "csv";
        delimited(source, head, ends(&[".tsv"]), &mut read, each)
    } else if ends(&[".jsonl", ".ndjson"]) || (text == Some(b'{') && !ends(&[".txt"])) {
        json::rows(source, head, &mut read, each)
    } else if ends(&[".json"]) || (text == Some(b'[') && !ends(&[".txt"])) {
        read.format = "json";
        json::document(source, &mut read, each)
    } else {
        read.format = "text";
        plain(source, head, &mut read, each)
    };
    (read, result)
}

/// Whether lines are rows of fields: all of the first ones have the same mark equally often.
fn is_table(head: &[u8]) -> bool {
    let mark = separator(head, false);
    let lines = head.split(|byte| matches!(byte, b'\n' | b'\r'));
    let count = |line: &[u8]| line.iter().filter(|byte| **byte == mark).count();
    let mut counts = lines.filter(|line| !line.is_empty()).map(count);
    let first = counts.next().unwrap_or(0);
    let counts: Vec<usize> = counts.collect();
    // Of what was read, the last line may have been cut.
    let whole = counts.split_last().map_or(&[][..], |(_, whole)| whole);
    let starts = head.trim_ascii_start().first();
    first > 0 && !matches!(starts, Some(b'{' | b'[')) && whole.iter().all(|count| *count == first)
}

pub(super) fn text_of(bytes: &[u8], read: &mut Read) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            read.not_utf8 += 1;
            String::from_utf8_lossy(bytes).into_owned()
        }
    }
}

fn plain(
    source: &dyn Source,
    head: &[u8],
    read: &mut Read,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    read.columns = vec!["text".to_owned()];
    let mut lines = Lines::after(source, read.header, head);
    while let Some((offset, line)) = lines.next(|_| false)? {
        let text = text_of(line.trim_ascii(), read);
        each(
            read,
            Row {
                offset,
                length: line.len() as u64,
                cells: vec![Cell::Text(text)],
            },
        )?;
    }
    Ok(())
}

/// What a text says: nothing, a number or itself.
fn cell(text: String) -> Cell {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Cell::Nothing;
    }
    let first = trimmed.as_bytes().first().copied().unwrap_or(b' ');
    if (first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.'))
        && let Ok(number) = trimmed.parse::<f64>()
        && number.is_finite()
    {
        return Cell::Number(number);
    }
    Cell::Text(text)
}

fn delimited(
    source: &dyn Source,
    head: &[u8],
    tabs: bool,
    read: &mut Read,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mark = separator(head, tabs);
    let marks = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'"').count();
    let mut lines = Lines::after(source, read.header, head);
    let (mut index, mut open) = (0_u64, 0_usize);
    let mut fields = Vec::new();
    loop {
        let (mut quotes, mut seen) = (0_usize, 0_usize);
        let next = lines.next(|line| {
            quotes += marks(line.get(seen..).unwrap_or(&[]));
            seen = line.len();
            quotes % 2 == 1
        })?;
        let Some((offset, line)) = next else { break };
        if line.trim_ascii().is_empty() {
            continue;
        }
        let length = line.len() as u64;
        let cells: Vec<Cell> = if index > 0 && !line.contains(&b'"') {
            let fields = fields_of(line, mark).take(COLUMNS_MAX);
            fields.map(|field| bare(field, read)).collect()
        } else {
            split(line, mark, &mut fields);
            if index == 0 && read.columns.is_empty() {
                let names: Vec<String> = fields.iter().map(|field| text_of(field, read)).collect();
                open = names.len();
                if headed(&names) {
                    read.columns = names.iter().map(|name| name.trim().to_owned()).collect();
                    read.header = offset + length;
                    continue;
                }
                read.columns = (0..names.len()).map(|place| place.to_string()).collect();
            }
            fields.iter().map(|field| cell(text_of(field, read))).collect()
        };
        read.row(index, cells.len() == open);
        index += 1;
        each(
            read,
            Row {
                offset,
                length,
                cells,
            },
        )?;
    }
    Ok(())
}

/// Whether the first record names the columns.
fn headed(names: &[String]) -> bool {
    let number = |name: &String| matches!(cell(name.clone()), Cell::Number(_));
    let text = |name: &String| matches!(cell(name.clone()), Cell::Text(_));
    let odd = names
        .iter()
        .any(|name| number(name) && name.parse::<u32>().is_err());
    !odd && (names.iter().any(text) || counting(names))
}

/// A field without quotes: a number makes no text on its way.
fn bare(field: &[u8], read: &mut Read) -> Cell {
    let first = field.trim_ascii_start().first().copied().unwrap_or(b' ');
    let number = first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.');
    match std::str::from_utf8(field) {
        Ok(text) if number => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Cell::Number(number),
            _ => cell(text.to_owned()),
        },
        _ => cell(text_of(field, read)),
    }
}

/// What stands between fields: the mark that the first line has most of.
fn separator(head: &[u8], tabs: bool) -> u8 {
    if tabs {
        return b'\t';
    }
    let mut lines = head.split(|byte| matches!(byte, b'\n' | b'\r'));
    let first = lines.next().unwrap_or(&[]);
    let count = |mark: u8| first.iter().filter(|byte| **byte == mark).count();
    let marks = [b'|', b'\t', b';', b','];
    marks.into_iter().max_by_key(|mark| count(*mark)).unwrap_or(b',')
}

/// Whether names are 0, 1, 2 and so on, as pandas names columns that have none.
fn counting(names: &[String]) -> bool {
    names.len() > 1
        && names
            .iter()
            .enumerate()
            .all(|(place, name)| name.parse() == Ok(place))
}

/// Fields of a record in which nothing is quoted.
fn fields_of(line: &[u8], mark: u8) -> impl Iterator<Item = &[u8]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.split(move |byte| *byte == mark)
}

/// Fields of one record, quotes taken off.
fn split(line: &[u8], mark: u8, fields: &mut Vec<Vec<u8>>) {
    fields.clear();
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (mut field, mut quoted, mut bytes) = (Vec::new(), false, line.iter().copied().peekable());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if quoted && bytes.peek() == Some(&b'"') => {
                bytes.next();
                field.push(b'"');
            }
            b'"' if quoted => quoted = false,
            b'"' if field.is_empty() => quoted = true,
            _ if byte == mark && !quoted => {
                fields.push(std::mem::take(&mut field));
                if fields.len() >= COLUMNS_MAX {
                    return;
                }
            }
            _ => field.push(byte),
        }
    }
    fields.push(field);
}

/// Numbers of a numpy array, a row for each entry of its first axis.
fn array(
    source: &dyn Source,
    read: &mut Read,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let head = Array::of(source).ok_or(Stop::Unknown)?;
    read.columns = (0..head.width).map(|place| place.to_string()).collect();
    let mut result = Ok(());
    head.rows(source, &mut |offset, numbers| {
        let cells = numbers.iter().map(|number| Cell::Number(*number)).collect();
        result = each(
            read,
            Row {
                offset,
                length: 0,
                cells,
            },
        );
        result.is_ok()
    })?;
    result
}

/// The head of a numpy array of numbers in C order.
pub(crate) struct Array {
    start: u64,
    kind: u8,
    size: usize,
    pub(crate) rows: usize,
    pub(crate) width: usize,
}

impl Array {
    pub(crate) fn of(source: &dyn Source) -> Option<Self> {
        let view = crate::source::View::all(source);
        let head = view.bytes(0, 12).ok()?;
        let (skip, length) = match head.get(6)? {
            1 => (
                10,
                usize::from(u16::from_le_bytes([*head.get(8)?, *head.get(9)?])),
            ),
            _ => (
                12,
                u32::from_le_bytes([*head.get(8)?, *head.get(9)?, *head.get(10)?, *head.get(11)?]) as usize,
            ),
        };
        let text = view.bytes(skip, length.min(1 << 16)).ok()?;
        let text = std::str::from_utf8(&text).ok()?;
        let after = |key: &str| text.split_once(key).map(|(_, rest)| rest);
        let descr = after("'descr':")?.split('\'').nth(1)?;
        let fortran = after("'fortran_order':")?.trim_start().starts_with("True");
        let shape = after("'shape':")?.split_once('(')?.1.split_once(')')?.0;
        let shape: Vec<usize> = shape
            .split(',')
            .filter_map(|part| part.trim().parse().ok())
            .collect();
        let (rows, inner) = shape.split_first()?;
        let width = inner
            .iter()
            .try_fold(1_usize, |all, part| all.checked_mul(*part))?;
        let mut letters = descr.bytes();
        let (order, kind) = (letters.next()?, letters.next()?);
        let size: usize = descr.get(2..)?.parse().ok()?;
        let known = matches!(
            (kind, size),
            (b'f', 4 | 8) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'b', 1)
        );
        let start = skip + length as u64;
        let whole = (*rows as u64)
            .checked_mul(width as u64)?
            .checked_mul(size as u64)?;
        let fits = whole <= source.size().saturating_sub(start) && (1..=COLUMNS_MAX).contains(&width);
        (known && fits && order != b'>' && (!fortran || inner.is_empty())).then_some(Self {
            start,
            kind,
            size,
            rows: *rows,
            width,
        })
    }

    /// Calls for each row until the call says no.
    pub(crate) fn rows(
        &self,
        source: &dyn Source,
        each: &mut dyn FnMut(u64, &[f64]) -> bool,
    ) -> Result<(), Stop> {
        let view = crate::source::View::all(source);
        let line = self.width * self.size;
        let at_once = (CHUNK / line.max(1)).max(1);
        let mut numbers = Vec::with_capacity(self.width);
        for first in (0..self.rows).step_by(at_once) {
            let count = at_once.min(self.rows - first);
            let offset = self.start + (first * line) as u64;
            let bytes = view.bytes(offset, count * line)?;
            if bytes.len() < count * line {
                return Err(Stop::Broken);
            }
            for (index, row) in bytes.chunks_exact(line).enumerate() {
                numbers.clear();
                match (self.kind, self.size) {
                    (b'f', 4) => numbers.extend(
                        row.as_chunks::<4>()
                            .0
                            .iter()
                            .map(|part| f64::from(f32::from_le_bytes(*part))),
                    ),
                    (b'f', 8) => numbers.extend(
                        row.as_chunks::<8>()
                            .0
                            .iter()
                            .map(|part| f64::from_le_bytes(*part)),
                    ),
                    _ => numbers.extend(row.chunks_exact(self.size).map(|part| self.number(part))),
                }
                if !each(offset + (index * line) as u64, &numbers) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn number(&self, part: &[u8]) -> f64 {
        let mut wide = [0_u8; 8];
        if let Some(into) = wide.get_mut(..part.len()) {
            into.copy_from_slice(part);
        }
        let raw = u64::from_le_bytes(wide);
        match (self.kind, self.size) {
            (b'f', 4) => f64::from(f32::from_bits(raw as u32)),
            (b'f', _) => f64::from_bits(raw),
            (b'i', 1) => f64::from(raw as u8 as i8),
            (b'i', 2) => f64::from(raw as u16 as i16),
            (b'i', 4) => f64::from(raw as u32 as i32),
            (b'i', _) => raw as i64 as f64,
            _ => raw as f64,
        }
    }
}
