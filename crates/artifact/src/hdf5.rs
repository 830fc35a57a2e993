//! HDF5, as far as Keras needs it: from the root along groups and attributes, bounded, each object once.
//!
//! Data sets are not read. Links and data sets that lead to other files are findings; so is what can't be followed.

mod dense;

use std::collections::{HashSet, VecDeque};

use crate::{feed::Stop, finding::Verdict, format, keras, pickle, rule, scan::Scan, source::View};

/// Objects that are followed.
const OBJECTS: usize = 1 << 18;
/// Messages of one object.
const MESSAGES: usize = 1 << 16;
/// Bytes of one block.
const BLOCK: usize = 32 << 20;
/// Bytes of links and attributes in heaps, all objects together.
const DENSE: u64 = 256 << 20;
const NOWHERE: u64 = u64::MAX;

/// Why following stopped.
type Followed<T = ()> = Result<T, Lost>;

enum Lost {
    Read(Stop),
    Odd(u64, &'static str),
}

impl From<std::io::Error> for Lost {
    fn from(fault: std::io::Error) -> Self {
        Self::Read(fault.into())
    }
}

/// Looks into a file. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, view: View<'_>) -> String {
    let start = starts(view);
    if start > 0 {
        behind(scan, view.part(0, start));
    }
    let mut walk = Walk {
        view: view.part(start, view.size() - start),
        start,
        queue: VecDeque::new(),
        seen: HashSet::new(),
        keras: false,
        dense: 0,
    };
    match walk.all(scan) {
        Ok(()) => {}
        Err(Lost::Read(stop)) => scan.stopped(stop, 0),
        Err(Lost::Odd(at, why)) => {
            let what = format!("can't be followed: {why}");
            scan.find(&rule::HDF5_BROKEN, Verdict::Unknown, at, "structure", what);
        }
    }
    if walk.keras { "keras h5" } else { "hdf5" }.to_owned()
}

/// Where the file begins: at once, or behind a block of the user's, whose length is a power of two.
pub(crate) fn starts(view: View<'_>) -> u64 {
    let is_one = |at: &u64| view.bytes(*at, 8).unwrap_or_default() == b"\x89HDF\r\n\x1a\n";
    if is_one(&0) {
        return 0;
    }
    let later = (9..24).map(|power| 1_u64 << power);
    later.take_while(|at| *at < view.size()).find(is_one).unwrap_or(0)
}

/// A block of the user's is any file: a pickle or an archive there is loaded by whoever reads from the front.
fn behind(scan: &mut Scan<'_>, block: View<'_>) {
    let mark = scan.mark();
    scan.inside("user block", |scan| format::whole(scan, block, ""));
    if scan.worst_since(mark) < Verdict::Suspicious {
        scan.forget(mark);
    }
}

/// Numbers of a data set that are no more than memory holds.
const NUMBERS: u64 = 1 << 32;
/// What deflate makes of its own length at most, twice.
const PACKED: u64 = 2064;

struct Walk<'a> {
    view: View<'a>,
    /// Where this view begins in the file.
    start: u64,
    queue: VecDeque<u64>,
    seen: HashSet<u64>,
    keras: bool,
    /// Bytes of links and attributes that were taken out of heaps.
    dense: u64,
}

/// Bytes of a text that may be more than a label.
const LABEL: u64 = 32;

/// What a data set's header says of what it holds.
#[derive(Default)]
struct Held {
    /// Bytes in a row, texts, or bytes that nothing says more of: a pickle may be kept so. Weights are numbers.
    bytes: bool,
    rows: bool,
    /// By what is not undone here, as deflate is wherever a stream of it lies: LZF, and what plugins bring.
    packed: bool,
}

impl Held {
    fn take(&mut self, kind: u64, body: &[u8]) {
        match kind {
            0x01 => {
                let start = if number(body, 0, 1) == 1 { 8 } else { 4 };
                let sizes = (0..number(body, 1, 1) as usize).map(|place| number(body, start + 8 * place, 8));
                self.rows = sizes.filter(|size| *size > 1).count() <= 1;
            }
            0x03 => {
                let (class, size) = (number(body, 0, 1) & 15, number(body, 4, 4));
                // Short texts are labels, and those of any length are in a heap, which nothing packs.
                self.bytes = class == 0 && size == 1 || class == 3 && size >= LABEL || class == 5;
            }
            0x0b => self.packed |= Self::filters(body).any(|filter| !matches!(filter, 1..=3)),
            _ => {}
        }
    }

    /// The filters of a pipeline: 1 is deflate, 2 puts bytes in another order, 3 adds a sum.
    fn filters(body: &[u8]) -> impl Iterator<Item = u64> {
        let (second, count) = (number(body, 0, 1) == 2, number(body, 1, 1));
        let mut at = if second { 2 } else { 8 };
        (0..count.min(32)).map(move |_| {
            let filter = number(body, at, 2);
            let named = !second || filter >= 256;
            let name = if named {
                number(body, at + 2, 2) as usize
            } else {
                0
            };
            let start = if named { at + 4 } else { at + 2 };
            let values = number(body, start + 2, 2) as usize;
            let name = if second { name } else { name.next_multiple_of(8) };
            at = start + 4 + name + 4 * (values + if second { 0 } else { values % 2 });
            filter
        })
    }

    fn is_hidden(&self) -> bool {
        self.bytes && self.rows && self.packed
    }
}

fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    let part = bytes.get(at..at.saturating_add(size)).unwrap_or_default();
    part.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

impl Walk<'_> {
    fn all(&mut self, scan: &mut Scan<'_>) -> Followed {
        let head = self.view.bytes(0, 128)?;
        if !head.starts_with(b"\x89HDF\r\n\x1a\n") {
            return Err(Lost::Odd(0, "the signature is not there"));
        }
        let (sizes, base, root) = match head.get(8) {
            Some(0) => (13, 24, 64),
            Some(1) => (13, 28, 68),
            Some(2 | 3) => (9, 12, 36),
            _ => return Err(Lost::Odd(8, "a version that is not known")),
        };
        if number(&head, sizes, 2) != 0x0808 || ![0, self.start].contains(&number(&head, base, 8)) {
            return Err(Lost::Odd(sizes as u64, "addresses of an unusual size"));
        }
        self.queue.push_back(number(&head, root, 8));
        while let Some(at) = self.queue.pop_front() {
            if !self.seen.insert(at) {
                continue;
            }
            if self.seen.len() > OBJECTS {
                return Err(Lost::Read(Stop::TooMuch));
            }
            self.object(scan, at)?;
        }
        Ok(())
    }

    fn block(&self, at: u64, length: u64) -> Followed<Vec<u8>> {
        let length = usize::try_from(length).ok().filter(|length| *length <= BLOCK);
        let length = length.ok_or(Lost::Odd(at, "a block that is too large"))?;
        let bytes = self.view.bytes(at, length)?;
        if bytes.len() < length {
            return Err(Lost::Odd(at, "a block that ends past the file"));
        }
        Ok(bytes)
    }

    fn object(&mut self, scan: &mut Scan<'_>, at: u64) -> Followed {
        let head = self.block(at, 16)?;
        let mut blocks = VecDeque::new();
        let mut order = 0;
        let new = head.starts_with(b"OHDR");
        if new {
            let flags = number(&head, 5, 1);
            let width = 1 << (flags & 3);
            let start = 6 + if flags & 0x20 != 0 { 16 } else { 0 } + if flags & 0x10 != 0 { 4 } else { 0 };
            let prefix = self.block(at, start + width)?;
            let length = number(&prefix, start as usize, width as usize);
            order = if flags & 4 != 0 { 2 } else { 0 };
            blocks.push_back((at + start + width, length));
        } else if head.first() == Some(&1) {
            blocks.push_back((at + 16, number(&head, 8, 4)));
        } else {
            return Err(Lost::Odd(at, "an object without a header"));
        }
        let (mut messages, mut held) = (0, Held::default());
        let mut read = HashSet::new();
        while let Some((start, length)) = blocks.pop_front() {
            if !read.insert(start) {
                return Err(Lost::Odd(start, "a header that continues in itself"));
            }
            let block = self.block(start, length)?;
            let mut place = 0;
            let prefix = if new { 4 + order } else { 8 };
            while place + prefix <= block.len() {
                messages += 1;
                if messages > MESSAGES {
                    return Err(Lost::Read(Stop::TooMuch));
                }
                let (kind, size) = match new {
                    true => (number(&block, place, 1), number(&block, place + 1, 2) as usize),
                    false => (number(&block, place, 2), number(&block, place + 2, 2) as usize),
                };
                let from = place + prefix;
                let Some(body) = block.get(from..from + size) else {
                    return Err(Lost::Odd(start, "a message that ends past its block"));
                };
                let flags = number(&block, place + if new { 3 } else { 4 }, 1);
                if kind == 0x0c && flags & 2 != 0 {
                    return Err(Lost::Odd(start, "an attribute that is shared"));
                }
                if kind == 0x10 {
                    let (next, length) = (number(body, 0, 8), number(body, 8, 8));
                    let (next, length) = if new {
                        (next.saturating_add(4), length.saturating_sub(8))
                    } else {
                        (next, length)
                    };
                    blocks.push_back((next, length));
                } else {
                    held.take(kind, body);
                    self.message(scan, kind, body, start + from as u64)?;
                }
                place = from + size;
            }
        }
        if held.is_hidden() {
            let what =
                "a data set of bytes or texts is packed by a filter that is not undone here".to_owned();
            scan.find(&rule::HDF5_BROKEN, Verdict::Unknown, at, "filter", what);
        }
        Ok(())
    }

    fn message(&mut self, scan: &mut Scan<'_>, kind: u64, body: &[u8], at: u64) -> Followed {
        match kind {
            0x0c => self.attribute(scan, body, at),
            0x01 => {
                self.space(scan, body, at);
                Ok(())
            }
            0x11 => self.symbols(scan, number(body, 0, 8), number(body, 8, 8)),
            0x06 => self.link(scan, body, at),
            0x02 => {
                let start = 2 + if number(body, 1, 1) & 1 != 0 { 8 } else { 0 };
                self.dense(scan, body, start, Self::link)
            }
            0x15 => {
                let start = 2 + if number(body, 1, 1) & 1 != 0 { 2 } else { 0 };
                self.dense(scan, body, start, Self::attribute)
            }
            // A layout: of class 3, which takes its data from elsewhere.
            0x08 if matches!(number(body, 0, 1), 3 | 4) && number(body, 1, 1) == 3 => {
                let what = "a data set is put together from others, which may be in other files".to_owned();
                scan.find(
                    &rule::HDF5_EXTERNAL,
                    Verdict::Suspicious,
                    at,
                    "virtual data",
                    what,
                );
                Ok(())
            }
            0x07 => {
                let what = "a data set keeps its data in another file".to_owned();
                scan.find(
                    &rule::HDF5_EXTERNAL,
                    Verdict::Malicious,
                    at,
                    "external data",
                    what,
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// How many numbers a data set says it has. More than a file of this size can hold however it is packed are made of
    /// nothing when they are read, and may be more than there is memory for.
    fn space(&self, scan: &mut Scan<'_>, body: &[u8], at: u64) {
        let start = if number(body, 0, 1) == 1 { 8 } else { 4 };
        let dimensions = (0..number(body, 1, 1) as usize).map(|place| number(body, start + 8 * place, 8));
        let count = dimensions.fold(1_u64, u64::saturating_mul);
        if count > NUMBERS && count / PACKED > self.view.size() {
            let what = format!(
                "a data set says it has {count} numbers, in a file of {} bytes",
                self.view.size()
            );
            scan.find(&rule::LIMIT, Verdict::Unknown, at, "data set", what);
        }
    }

    /// Links or attributes that an object keeps in a heap, which this part of its header names.
    fn dense(
        &mut self,
        scan: &mut Scan<'_>,
        body: &[u8],
        start: usize,
        each: fn(&mut Self, &mut Scan<'_>, &[u8], u64) -> Followed,
    ) -> Followed {
        let heap = number(body, start, 8);
        if heap == NOWHERE {
            return Ok(());
        }
        let mut trees = vec![number(body, start + 8, 8)];
        if number(body, 1, 1) & 2 != 0 {
            trees.push(number(body, start + 16, 8));
        }
        let heap = dense::Heap::read(self, heap)?;
        for id in dense::ids(self, &trees)? {
            let (at, value) = heap.value(self, &id)?;
            self.dense += value.len() as u64;
            if self.dense > DENSE || self.queue.len() > OBJECTS {
                return Err(Lost::Read(Stop::TooMuch));
            }
            each(self, scan, &value, at)?;
        }
        Ok(())
    }

    fn link(&mut self, scan: &mut Scan<'_>, body: &[u8], at: u64) -> Followed {
        let flags = number(body, 1, 1);
        let mut place = 2;
        let kind = if flags & 8 != 0 {
            place += 1;
            number(body, place - 1, 1)
        } else {
            0
        };
        place += if flags & 4 != 0 { 8 } else { 0 } + if flags & 16 != 0 { 1 } else { 0 };
        let width = 1 << (flags & 3);
        let length = number(body, place, width) as usize;
        place = place.saturating_add(width).saturating_add(length);
        match kind {
            0 => self.queue.push_back(number(body, place, 8)),
            1 => {}
            _ => {
                let target = body.get(place..).unwrap_or_default();
                let what = format!(
                    "a link leads to another file: `{}`",
                    crate::finding::shown(target, 100)
                );
                scan.find(
                    &rule::HDF5_EXTERNAL,
                    Verdict::Malicious,
                    at,
                    "external link",
                    what,
                );
            }
        }
        Ok(())
    }

    /// The groups of old: a tree of nodes of entries.
    fn symbols(&mut self, _scan: &mut Scan<'_>, tree: u64, _heap: u64) -> Followed {
        let mut trees = VecDeque::from([tree]);
        let mut seen = HashSet::new();
        while let Some(at) = trees.pop_front() {
            if !seen.insert(at) || seen.len() > OBJECTS {
                return Err(Lost::Odd(at, "a tree that leads back to itself"));
            }
            let head = self.block(at, 24)?;
            if head.starts_with(b"SNOD") {
                let count = number(&head, 6, 2);
                let entries = self.block(at + 8, count * 40)?;
                for entry in entries.chunks_exact(40) {
                    // Symbolic links lead to names within the file.
                    if number(entry, 16, 4) != 2 {
                        self.queue.push_back(number(entry, 8, 8));
                    }
                }
            } else if head.starts_with(b"TREE") {
                let count = number(&head, 6, 2);
                let children = self.block(at + 24, count * 16 + 8)?;
                for child in 0..count as usize {
                    trees.push_back(number(&children, child * 16 + 8, 8));
                }
            } else {
                return Err(Lost::Odd(at, "a group without a tree"));
            }
            if self.queue.len() > OBJECTS {
                return Err(Lost::Read(Stop::TooMuch));
            }
        }
        Ok(())
    }

    fn attribute(&mut self, scan: &mut Scan<'_>, body: &[u8], at: u64) -> Followed {
        let version = number(body, 0, 1);
        let padded = version == 1;
        let (name, kind, space) = (
            number(body, 2, 2) as usize,
            number(body, 4, 2) as usize,
            number(body, 6, 2) as usize,
        );
        let round = |size: usize| if padded { size.next_multiple_of(8) } else { size };
        let start = if version == 3 { 9 } else { 8 };
        let name_end = start + round(name);
        let kind_end = name_end + round(kind);
        let data = body.get(kind_end + round(space)..).unwrap_or_default();
        let name = body.get(start..start + name).unwrap_or_default();
        let name = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
        let kind = body.get(name_end..kind_end).unwrap_or_default();
        if number(body, 1, 1) & 3 != 0 && version > 1 {
            return Err(Lost::Odd(at, "an attribute whose type is kept elsewhere"));
        }
        let text = match number(kind, 0, 1) & 15 {
            3 => data.to_vec(),
            9 if number(kind, 1, 1) & 15 == 1 || number(kind, 4, 4) == 16 => self.heap(data)?,
            _ => Vec::new(),
        };
        let end = text
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let text = text.get(..end).unwrap_or_default();
        match name.as_str() {
            "model_config" | "training_config" | "layer_config" | "config" => {
                self.keras = true;
                if !text.is_empty() {
                    scan.inside(&format!("@{name}"), |scan| keras::config(scan, text));
                }
            }
            _ if matches!(
                text,
                [0x80, 0..=5, ..] | [b'c' | b'(' | b'd' | b'l' | b'}' | b']', ..]
            ) && text.len() > 2 =>
            {
                // PyTables and pandas keep Python objects in attributes as pickles.
                let held = text.to_vec();
                scan.inside(&format!("@{name}"), |scan| {
                    pickle::guessed(scan, View::all(&held))
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// The first text of variable length that `data` refers to.
    fn heap(&self, data: &[u8]) -> Followed<Vec<u8>> {
        let (length, at, index) = (number(data, 0, 4), number(data, 4, 8), number(data, 12, 4));
        if data.len() < 16 || length == 0 || at == 0 {
            return Ok(Vec::new());
        }
        let head = self.block(at, 16)?;
        if !head.starts_with(b"GCOL") {
            return Err(Lost::Odd(at, "a text that is not in its heap"));
        }
        let collection = self.block(at, number(&head, 8, 8))?;
        let mut place = 16_usize;
        while place + 16 <= collection.len() {
            let (there, size) = (number(&collection, place, 2), number(&collection, place + 8, 8));
            let size = usize::try_from(size).map_err(|_| Lost::Odd(at, "a heap entry that is too large"))?;
            if there == index {
                let whole =
                    collection.get(place + 16..(place + 16).saturating_add(size.min(length as usize)));
                return Ok(whole.unwrap_or_default().to_vec());
            }
            if there == 0 {
                break;
            }
            place = place.saturating_add(16).saturating_add(size.next_multiple_of(8));
        }
        Err(Lost::Odd(at, "a text that is not in its heap"))
    }
}
