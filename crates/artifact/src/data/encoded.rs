//! How Parquet writes the values of a page.

use super::{
    read::{Cell, Read},
    thrift::unzigzag,
};

/// The values of a page.
#[derive(Debug)]
pub(super) enum Values {
    Numbers(Vec<f64>),
    /// Texts and bytes, end to end, and where each ends.
    Bytes(Vec<u8>, Vec<usize>),
    /// Places in the dictionary.
    Places(Vec<u32>),
    /// Of a kind that says nothing here: so many.
    Nothing(usize),
}

impl Default for Values {
    fn default() -> Self {
        Self::Nothing(0)
    }
}

impl Values {
    /// A value as a cell. `text`: the schema says that the bytes are text.
    pub(super) fn cell(&self, place: usize, text: bool, read: &mut Read) -> Option<Cell> {
        match self {
            Self::Numbers(numbers) => numbers.get(place).copied().map(Cell::Number),
            Self::Nothing(count) => (place < *count).then_some(Cell::Nothing),
            Self::Places(_) => None,
            Self::Bytes(bytes, ends) => {
                let from = match place {
                    0 => 0,
                    place => ends.get(place - 1).copied()?,
                };
                let bytes = bytes.get(from..*ends.get(place)?)?;
                Some(match std::str::from_utf8(bytes) {
                    Ok(text) => Cell::Text(text.to_owned()),
                    // Pictures and the like.
                    Err(_) if !text => Cell::Nothing,
                    Err(_) => {
                        read.not_utf8 += 1;
                        Cell::Text(String::from_utf8_lossy(bytes).into_owned())
                    }
                })
            }
        }
    }
}

/// How many bits numbers up to `most` take.
pub(super) fn bits(most: u32) -> u32 {
    32 - most.leading_zeros()
}

/// `count` values of a page.
pub(super) fn values(encoding: i64, bytes: &[u8], count: usize, kind: i64, width: usize) -> Option<Values> {
    if count == 0 {
        return Some(Values::Nothing(0));
    }
    match (encoding, kind) {
        (0, 0) => {
            let bit = |place: usize| {
                bytes
                    .get(place / 8)
                    .map(|byte| f64::from(byte >> (place % 8) & 1))
            };
            (0..count).map(bit).collect::<Option<_>>().map(Values::Numbers)
        }
        (0, 1) => numbers(bytes, count, |four: [u8; 4]| f64::from(i32::from_le_bytes(four))),
        (0, 2) => numbers(bytes, count, |eight: [u8; 8]| i64::from_le_bytes(eight) as f64),
        (0, 3) => numbers(bytes, count, day),
        (0, 4) => numbers(bytes, count, |four: [u8; 4]| f64::from(f32::from_le_bytes(four))),
        (0, 5) => numbers(bytes, count, f64::from_le_bytes),
        (0, 6) => plain_bytes(bytes, count),
        (0, 7) => (count.checked_mul(width)? <= bytes.len()).then_some(Values::Nothing(count)),
        (2 | 8, _) => {
            let (width, rest) = bytes.split_first()?;
            (*width <= 32)
                .then(|| hybrid(rest, u32::from(*width), count))?
                .map(Values::Places)
        }
        (3, 0) => {
            let rest = bytes.get(4..)?;
            let bits = hybrid(rest, 1, count)?;
            Some(Values::Numbers(bits.into_iter().map(f64::from).collect()))
        }
        (5, 1 | 2) => {
            let (found, _) = deltas(bytes, count)?;
            Some(Values::Numbers(
                found.into_iter().map(|number| number as f64).collect(),
            ))
        }
        (6, 6) => lengths_first(bytes, count),
        (7, 6) => shared_starts(bytes, count),
        (9, 4) => split(bytes, count, |four: [u8; 4]| f64::from(f32::from_le_bytes(four))),
        (9, 5) => split(bytes, count, f64::from_le_bytes),
        (9, 7) => Some(Values::Nothing(count)),
        _ => None,
    }
}

fn numbers<const N: usize>(bytes: &[u8], count: usize, number: impl Fn([u8; N]) -> f64) -> Option<Values> {
    let bytes = bytes.get(..count.checked_mul(N)?)?;
    let all = bytes
        .chunks_exact(N)
        .map(|part| part.try_into().ok().map(&number));
    all.collect::<Option<_>>().map(Values::Numbers)
}

/// A time in twelve bytes: nanoseconds of the day, then the day.
fn day(twelve: [u8; 12]) -> f64 {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = twelve;
    let nanoseconds = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    f64::from(u32::from_le_bytes([i, j, k, l])) + nanoseconds as f64 / 86.4e12
}

/// The bytes of each value, in streams by their place.
fn split<const N: usize>(bytes: &[u8], count: usize, number: impl Fn([u8; N]) -> f64) -> Option<Values> {
    let bytes = bytes.get(..count.checked_mul(N)?)?;
    let one = |place: usize| {
        let mut own = [0; N];
        for (stream, slot) in own.iter_mut().enumerate() {
            *slot = bytes.get(stream * count + place).copied()?;
        }
        Some(number(own))
    };
    (0..count).map(one).collect::<Option<_>>().map(Values::Numbers)
}

fn plain_bytes(bytes: &[u8], count: usize) -> Option<Values> {
    let (mut all, mut ends, mut rest) = (Vec::with_capacity(bytes.len()), Vec::new(), bytes);
    for _ in 0..count {
        let (length, after) = rest.split_at_checked(4)?;
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let (own, after) = after.split_at_checked(length)?;
        all.extend_from_slice(own);
        ends.push(all.len());
        rest = after;
    }
    Some(Values::Bytes(all, ends))
}

fn lengths_first(bytes: &[u8], count: usize) -> Option<Values> {
    let (lengths, taken) = deltas(bytes, count)?;
    let rest = bytes.get(taken..)?;
    let mut ends = Vec::with_capacity(lengths.len());
    let mut end = 0_usize;
    for length in lengths {
        end = end.checked_add(usize::try_from(length).ok()?)?;
        ends.push(end);
    }
    Some(Values::Bytes(rest.get(..end)?.to_vec(), ends))
}

/// Each text shares its start with the one before.
fn shared_starts(bytes: &[u8], count: usize) -> Option<Values> {
    /// Bytes that all texts of a page may unfold to.
    const MOST: usize = 128 << 20;
    let (shared, taken) = deltas(bytes, count)?;
    let Values::Bytes(own, own_ends) = lengths_first(bytes.get(taken..)?, count)? else {
        return None;
    };
    let (mut all, mut ends): (Vec<u8>, Vec<usize>) = (Vec::new(), Vec::new());
    let (mut from, mut before) = (0_usize, 0_usize);
    for (shared, end) in shared.into_iter().zip(own_ends) {
        let shared = usize::try_from(shared).ok()?;
        let start = all.len();
        let again = all.get(before..before.checked_add(shared)?)?.to_vec();
        all.extend_from_slice(&again);
        all.extend_from_slice(own.get(from..end)?);
        if all.len() > MOST {
            return None;
        }
        ends.push(all.len());
        (from, before) = (end, start);
    }
    Some(Values::Bytes(all, ends))
}

/// Runs of one value, or groups of eight packed by bits: `count` of them.
pub(super) fn hybrid(bytes: &[u8], width: u32, count: usize) -> Option<Vec<u32>> {
    let mut found: Vec<u32> = Vec::new();
    let mut at = 0;
    while found.len() < count {
        let (head, next) = varint(bytes, at)?;
        at = next;
        let left = count - found.len();
        if head & 1 == 0 {
            let size = width.div_ceil(8) as usize;
            let part = bytes.get(at..at.checked_add(size)?)?;
            let value = part
                .iter()
                .rev()
                .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
            let run = usize::try_from(head >> 1).ok()?.min(left);
            if run == 0 {
                return None;
            }
            found.resize(found.len() + run, u32::try_from(value).ok()?);
            at += size;
        } else {
            let groups = usize::try_from(head >> 1).ok()?;
            let size = groups.checked_mul(width as usize)?;
            // The last group may be cut off where no value is.
            let part = bytes.get(at..at.saturating_add(size).min(bytes.len()))?;
            let there = groups.checked_mul(8)?.min(left);
            if there == 0 {
                return None;
            }
            unpack_bits(part, width, there, &mut found)?;
            at = at.checked_add(size)?;
        }
    }
    Some(found)
}

fn unpack_bits(bytes: &[u8], width: u32, count: usize, found: &mut Vec<u32>) -> Option<()> {
    if count.checked_mul(width as usize)?.div_ceil(8) > bytes.len() {
        return None;
    }
    for place in 0..count {
        found.push(u32::try_from(packed(bytes, place, width)?).ok()?);
    }
    Some(())
}

/// The number at a place among numbers of `width` bits, lowest bits first.
fn packed(bytes: &[u8], place: usize, width: u32) -> Option<u64> {
    if width == 0 {
        return Some(0);
    }
    let first = place.checked_mul(width as usize)?;
    let mut value = 0_u128;
    let end = (first + width as usize).div_ceil(8);
    for (shift, at) in (first / 8..end).enumerate() {
        value |= u128::from(bytes.get(at).copied()?) << (8 * shift);
    }
    let value = value >> (first % 8);
    u64::try_from(value & ((1_u128 << width) - 1)).ok()
}

fn varint(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = bytes.get(at).copied()?;
        at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some((value, at));
        }
    }
    None
}

/// Differences in blocks: exactly `count` numbers, and how many bytes they took.
fn deltas(bytes: &[u8], count: usize) -> Option<(Vec<i64>, usize)> {
    let (block, at) = varint(bytes, 0)?;
    let (parts, at) = varint(bytes, at)?;
    let (total, at) = varint(bytes, at)?;
    let (first, mut at) = varint(bytes, at)?;
    let (block, parts) = (usize::try_from(block).ok()?, usize::try_from(parts).ok()?);
    if usize::try_from(total).ok()? != count
        || parts == 0
        || block == 0
        || block > 1 << 20
        || !block.is_multiple_of(parts)
    {
        return None;
    }
    let size = block / parts;
    if !size.is_multiple_of(8) {
        return None;
    }
    let mut found = vec![unzigzag(first)];
    while found.len() < count {
        let (least, next) = varint(bytes, at)?;
        let least = unzigzag(least);
        let widths = bytes.get(next..next.checked_add(parts)?)?;
        at = next + parts;
        for width in widths {
            if found.len() >= count {
                break;
            }
            if *width > 64 {
                return None;
            }
            let part = bytes.get(at..)?;
            for place in 0..size.min(count - found.len()) {
                let step = packed(part, place, u32::from(*width))? as i64;
                let last = found.last().copied()?;
                found.push(last.wrapping_add(least).wrapping_add(step));
            }
            at = at.checked_add(size / 8 * usize::from(*width))?;
        }
    }
    Some((found, at.min(bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_groups() {
        // Four of 3 as a run, then eight of 0..7 in three bits.
        let bytes = [8, 3, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        assert_eq!(
            hybrid(&bytes, 3, 12),
            Some(vec![3, 3, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7])
        );
        assert_eq!(hybrid(&bytes, 3, 13), None, "more than there are");
        assert_eq!(hybrid(&[0, 3], 3, 1), None, "a run of none");
        assert_eq!(
            hybrid(&[2, 0], 0, 1),
            None.or(Some(vec![0])),
            "no bits, all nought"
        );
    }

    #[test]
    fn differences() {
        // Blocks of 128 in 4: 1 to 5.
        let bytes = [128, 1, 4, 5, 2, 2, 0, 0, 0, 0];
        assert_eq!(deltas(&bytes, 5), Some((vec![1, 2, 3, 4, 5], 10)));
        assert_eq!(deltas(&bytes, 6), None);
    }
}
