//! Snappy's block format, unpacked within a bound that is given.

/// The unpacked bytes; `None` where they are not well formed or not `size` many.
pub(crate) fn unpack(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let (told, mut at) = length(bytes)?;
    if told != size {
        return None;
    }
    let mut out: Vec<u8> = Vec::with_capacity(size);
    while let Some(tag) = bytes.get(at).copied() {
        at += 1;
        if tag & 3 == 0 {
            let (count, next) = match usize::from(tag >> 2) {
                short @ 0..=59 => (short, at),
                long => (little(bytes, at, long - 59)?, at + long - 59),
            };
            let end = next.checked_add(count)?.checked_add(1)?;
            out.extend_from_slice(bytes.get(next..end)?);
            at = end;
        } else {
            let (count, back, width) = match tag & 3 {
                1 => (
                    usize::from(tag >> 2 & 7) + 4,
                    usize::from(tag >> 5) << 8 | little(bytes, at, 1)?,
                    1,
                ),
                2 => (usize::from(tag >> 2) + 1, little(bytes, at, 2)?, 2),
                _ => (usize::from(tag >> 2) + 1, little(bytes, at, 4)?, 4),
            };
            at += width;
            let from = out.len().checked_sub(back).filter(|_| back > 0)?;
            // What is copied may begin before it is all there.
            for place in from..from + count {
                let byte = out.get(place).copied()?;
                out.push(byte);
            }
        }
        if out.len() > size {
            return None;
        }
    }
    (out.len() == size).then_some(out)
}

fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return Some((value, at + 1));
        }
    }
    None
}

fn little(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let part = bytes.get(at..at.checked_add(width)?)?;
    let number = part
        .iter()
        .rev()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_literals_and_lies() {
        // "abcabcabcX": a literal, a copy that overlaps itself, a literal.
        let packed = [10, 2 << 2, b'a', b'b', b'c', (6 - 4) << 2 | 1, 3, 0, b'X'];
        assert_eq!(unpack(&packed, 10).as_deref(), Some(&b"abcabcabcX"[..]));
        assert_eq!(unpack(&packed, 9), None);
        assert_eq!(unpack(&[4, 1, 9], 4), None, "a copy from before the start");
        assert_eq!(unpack(&[4, 3 << 2, b'a'], 4), None, "a literal that is cut off");
    }
}
