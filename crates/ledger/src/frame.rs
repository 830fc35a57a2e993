//! The write-ahead log's frames: how a segment file is divided.
//!
//! ```text
//! frame   = magic "BZF1" | type u8 | state u8 | zero u16 | payload length u32 | batch u64 | head crc u32 | payload
//! segment = version u8, zeros, first index, first batch, oldest open index, key check 16, edge count u16,
//!           edge 32 each, origin
//! record  = index u64 | entry 88 | blob crc u32 | sealed blob
//! checkpoint = a signed note
//! ```
//! Integers are big endian, CRCs are CRC-32 (IEEE 802.3). The head CRC covers the header without `state` and, of a
//! record, everything before the blob: erasing a payload changes `state` and zeroes the blob, nothing else.
//! A batch is one synced write: records, then the checkpoint over them; it starts on a multiple of [`SECTOR`],
//! so that no later write touches a sector that was acknowledged. CRCs find accidents; the tree finds intent.

use bartizan_types::Digest;

use crate::entry::{ENTRY_BYTES, Entry, digest_of, word};

/// Batches start on multiples of this, the unit a disk may tear.
pub const SECTOR: usize = 512;
/// Bytes before a payload.
pub const HEADER_BYTES: usize = 24;
/// Bytes of a record's payload before its blob.
pub const RECORD_FIXED: usize = 8 + ENTRY_BYTES + 4;
/// Longest accepted payload.
pub const PAYLOAD_MAX_BYTES: usize = 4 << 20;
const MAGIC: &[u8; 4] = b"BZF1";
const SEGMENT_FIXED: usize = 8 + 8 + 8 + 8 + 16 + 2;
const SEGMENT_VERSION: u8 = 1;

/// State byte of a record whose payload is there.
pub const PRESENT: u8 = 0xA5;
/// State byte of a record whose payload was zeroed.
pub const ERASED: u8 = 0x5A;

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// No magic.
    #[error("no frame starts here")]
    Magic,
    /// The bytes end too early.
    #[error("the frame is cut short")]
    Cut,
    /// The head's CRC is wrong.
    #[error("the frame's checksum is wrong")]
    Crc,
    /// A field is out of range or unknown.
    #[error("the frame's fields are out of range")]
    Field,
}

/// What starts a segment: enough to go on from here without reading what came before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log.
    pub origin: String,
    /// Index of the segment's first record; the size of the log before it.
    pub first: u64,
    /// Index of the oldest ruling that had no closing when the segment began; `first` if none.
    pub oldest_open: u64,
    /// [`crate::seal::DataKey::check`] of the key that seals this segment.
    pub key_check: [u8; 16],
    /// Right edge of the tree before this segment.
    pub edge: Vec<Digest>,
}

/// A record as it lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFrame<'a> {
    /// Its index.
    pub index: u64,
    /// Its public part.
    pub entry: Entry,
    /// Whether the payload is there.
    pub payload: Payload<'a>,
}

/// A record's sealed payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// There, and its checksum fits.
    Present(&'a [u8]),
    /// Zeroed and marked so.
    Erased,
    /// Neither: an erasure cut short, or damage.
    Broken,
}

/// One frame's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// A segment starts.
    Segment(SegmentHeader),
    /// A record.
    Record(RecordFrame<'a>),
    /// A signed note, not yet verified.
    Checkpoint(&'a str),
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Number of the synced write it belongs to, from 0, without gaps.
    pub batch: u64,
    /// What it holds.
    pub body: Body<'a>,
    /// Its length, header included.
    pub bytes: usize,
}

/// Where the blob of a record frame starts, from the frame's start.
pub const BLOB_AT: usize = HEADER_BYTES + RECORD_FIXED;
/// Where the state byte is, from the frame's start.
pub const STATE_AT: usize = 5;

/// Appends a record frame. The blob is sealed straight into `out` by `seal`, which returns the entry for it.
///
/// # Errors
/// Whatever `seal` returns; [`FrameFault::Field`] through `E` for a blob beyond the bound. `out` is then as before.
pub fn put_record<E: From<FrameFault>>(
    out: &mut Vec<u8>,
    batch: u64,
    index: u64,
    seal: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    entry: impl FnOnce(&[u8]) -> Entry,
) -> Result<Entry, E> {
    let start = out.len();
    out.resize(start + BLOB_AT, 0);
    let sealed = seal(out);
    if let Err(fault) = sealed {
        out.truncate(start);
        return Err(fault);
    }
    let blob = out.get(start + BLOB_AT..).unwrap_or_default();
    let length = blob.len() + RECORD_FIXED;
    if length > PAYLOAD_MAX_BYTES {
        out.truncate(start);
        return Err(E::from(FrameFault::Field));
    }
    let entry = entry(blob);
    let mut fixed = [0_u8; RECORD_FIXED];
    fill(
        &mut fixed,
        &[
            &index.to_be_bytes(),
            &entry.encode(),
            &crc32fast::hash(blob).to_be_bytes(),
        ],
    );
    let head = header(2, PRESENT, length, batch, &fixed);
    if let Some(place) = out.get_mut(start..start + BLOB_AT) {
        fill(place, &[&head, &fixed]);
    }
    Ok(entry)
}

/// Appends a segment header frame.
pub fn put_segment(out: &mut Vec<u8>, batch: u64, segment: &SegmentHeader) {
    let mut payload = vec![SEGMENT_VERSION, 0, 0, 0, 0, 0, 0, 0];
    payload.extend_from_slice(&segment.first.to_be_bytes());
    payload.extend_from_slice(&batch.to_be_bytes());
    payload.extend_from_slice(&segment.oldest_open.to_be_bytes());
    payload.extend_from_slice(&segment.key_check);
    // At most 64: one digest for each bit of the size.
    payload.extend_from_slice(
        &u16::try_from(segment.edge.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    segment
        .edge
        .iter()
        .for_each(|node| payload.extend_from_slice(&node.0));
    payload.extend_from_slice(segment.origin.as_bytes());
    out.extend_from_slice(&header(1, 0, payload.len(), batch, &payload));
    out.extend_from_slice(&payload);
}

/// Appends a checkpoint frame and pads to the next sector: the end of a batch.
pub fn put_checkpoint(out: &mut Vec<u8>, batch: u64, note: &str) {
    out.extend_from_slice(&header(3, 0, note.len(), batch, note.as_bytes()));
    out.extend_from_slice(note.as_bytes());
    out.resize(out.len().next_multiple_of(SECTOR), 0);
}

/// Reads the frame at the start of `bytes`.
///
/// # Errors
/// [`FrameFault`]. Never panics, never reads past the payload bound.
pub fn decode(bytes: &[u8]) -> Result<Frame<'_>, FrameFault> {
    let (head, rest) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(match bytes.starts_with(MAGIC) {
            true => FrameFault::Cut,
            false => FrameFault::Magic,
        })?;
    let (magic, fields) = head.split_at(4);
    if magic != MAGIC {
        return Err(FrameFault::Magic);
    }
    let (&[kind, state, zero_a, zero_b], fields) = fields.split_first_chunk::<4>().ok_or(FrameFault::Cut)?;
    let (length, fields) = fields.split_at(4);
    let (batch, crc) = fields.split_at(8);
    let length = usize::try_from(word(length)).map_err(|_| FrameFault::Field)?;
    if length > PAYLOAD_MAX_BYTES || [zero_a, zero_b] != [0, 0] {
        return Err(FrameFault::Field);
    }
    let payload = rest.get(..length).ok_or(FrameFault::Cut)?;
    let covered = if kind == 2 {
        payload.get(..RECORD_FIXED).ok_or(FrameFault::Field)?
    } else {
        payload
    };
    let batch = word(batch);
    if word(crc) != u64::from(head_crc(kind, length, batch, covered)) {
        return Err(FrameFault::Crc);
    }
    let body = match (kind, state) {
        (1, 0) => Body::Segment(segment(payload, batch)?),
        (2, _) => Body::Record(record(payload, state)?),
        (3, 0) => Body::Checkpoint(std::str::from_utf8(payload).map_err(|_| FrameFault::Field)?),
        _ => return Err(FrameFault::Field),
    };
    Ok(Frame {
        batch,
        body,
        bytes: HEADER_BYTES + length,
    })
}

/// The highest batch of any whole frame head anywhere in `bytes`, searched byte by byte: what tells a torn last
/// write from damage in the middle.
#[must_use]
pub fn highest_batch(bytes: &[u8]) -> Option<u64> {
    let mut highest = None;
    let mut rest = bytes;
    while let Some(at) = rest.windows(4).position(|four| four == MAGIC) {
        rest = rest.get(at..).unwrap_or_default();
        if let Ok(frame) = decode(rest) {
            highest = highest.max(Some(frame.batch));
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    highest
}

fn segment(payload: &[u8], batch: u64) -> Result<SegmentHeader, FrameFault> {
    let (fixed, rest) = payload
        .split_first_chunk::<SEGMENT_FIXED>()
        .ok_or(FrameFault::Field)?;
    let (version, fields) = fixed.split_at(8);
    if version != [SEGMENT_VERSION, 0, 0, 0, 0, 0, 0, 0] {
        return Err(FrameFault::Field);
    }
    let (first, fields) = fields.split_at(8);
    let (own_batch, fields) = fields.split_at(8);
    let (oldest_open, fields) = fields.split_at(8);
    let (check, count) = fields.split_at(16);
    let count = usize::try_from(word(count)).map_err(|_| FrameFault::Field)?;
    let (edge, origin) = rest
        .split_at_checked(count.saturating_mul(32))
        .ok_or(FrameFault::Field)?;
    if word(own_batch) != batch || count > 64 {
        return Err(FrameFault::Field);
    }
    Ok(SegmentHeader {
        origin: std::str::from_utf8(origin)
            .map_err(|_| FrameFault::Field)?
            .to_owned(),
        first: word(first),
        oldest_open: word(oldest_open),
        key_check: check.try_into().map_err(|_| FrameFault::Field)?,
        edge: edge.chunks_exact(32).map(digest_of).collect(),
    })
}

fn record(payload: &[u8], state: u8) -> Result<RecordFrame<'_>, FrameFault> {
    let (fixed, blob) = payload.split_at_checked(RECORD_FIXED).ok_or(FrameFault::Field)?;
    let (index, fields) = fixed.split_at(8);
    let (entry, crc) = fields.split_at(ENTRY_BYTES);
    let payload = match state {
        PRESENT if u64::from(crc32fast::hash(blob)) == word(crc) => Payload::Present(blob),
        ERASED if blob.iter().all(|byte| *byte == 0) => Payload::Erased,
        _ => Payload::Broken,
    };
    let entry = Entry::decode(entry).map_err(|_| FrameFault::Field)?;
    Ok(RecordFrame {
        index: word(index),
        entry,
        payload,
    })
}

fn header(kind: u8, state: u8, length: usize, batch: u64, covered: &[u8]) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    let length32 = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let crc = head_crc(kind, length, batch, covered).to_be_bytes();
    fill(
        &mut out,
        &[MAGIC, &[kind, state, 0, 0], &length32, &batch.to_be_bytes(), &crc],
    );
    out
}

fn head_crc(kind: u8, length: usize, batch: u64, covered: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[kind]);
    crc.update(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    crc.update(&batch.to_be_bytes());
    crc.update(covered);
    crc.finalize()
}

fn fill(out: &mut [u8], parts: &[&[u8]]) {
    let mut rest = out;
    for part in parts {
        // Part by part: byte by byte over all of them costs more than the checksums beside it.
        let Some((now, later)) = rest.split_at_mut_checked(part.len()) else {
            return;
        };
        now.copy_from_slice(part);
        rest = later;
    }
}

#[cfg(test)]
mod tests;
