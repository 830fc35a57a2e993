//! FlatBuffers, as far as Arrow's descriptions need them: tables by their slots, every offset checked.

/// A table in a buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'b> {
    bytes: &'b [u8],
    at: usize,
}

fn little<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

impl<'b> Table<'b> {
    /// The table that a buffer begins with.
    pub(super) fn root(bytes: &'b [u8]) -> Option<Self> {
        let at = u32::from_le_bytes(little(bytes, 0)?) as usize;
        (at < bytes.len()).then_some(Self { bytes, at })
    }

    /// Where the field of a slot is; `None` where it has its default.
    fn place(&self, slot: usize) -> Option<usize> {
        let back = i64::from(i32::from_le_bytes(little(self.bytes, self.at)?));
        let slots = usize::try_from(i64::try_from(self.at).ok()?.checked_sub(back)?).ok()?;
        let size = usize::from(u16::from_le_bytes(little(self.bytes, slots)?));
        let entry = 4 + slot * 2;
        if entry + 2 > size {
            return None;
        }
        match u16::from_le_bytes(little(self.bytes, slots.checked_add(entry)?)?) {
            0 => None,
            offset => self.at.checked_add(usize::from(offset)),
        }
    }

    pub(super) fn byte(&self, slot: usize) -> Option<u8> {
        self.bytes.get(self.place(slot)?).copied()
    }

    pub(super) fn short(&self, slot: usize) -> Option<i16> {
        little(self.bytes, self.place(slot)?).map(i16::from_le_bytes)
    }

    pub(super) fn word(&self, slot: usize) -> Option<i32> {
        little(self.bytes, self.place(slot)?).map(i32::from_le_bytes)
    }

    pub(super) fn long(&self, slot: usize) -> Option<i64> {
        little(self.bytes, self.place(slot)?).map(i64::from_le_bytes)
    }

    /// What the offset at a place leads to.
    fn led(&self, place: usize) -> Option<usize> {
        let offset = u32::from_le_bytes(little(self.bytes, place)?) as usize;
        place.checked_add(offset).filter(|at| *at < self.bytes.len())
    }

    pub(super) fn table(&self, slot: usize) -> Option<Self> {
        let at = self.led(self.place(slot)?)?;
        Some(Self {
            bytes: self.bytes,
            at,
        })
    }

    /// A vector: its first byte and how many there are, each of `size` bytes.
    fn vector(&self, slot: usize, size: usize) -> Option<(usize, usize)> {
        let at = self.led(self.place(slot)?)?;
        let count = u32::from_le_bytes(little(self.bytes, at)?) as usize;
        let end = at.checked_add(4)?.checked_add(count.checked_mul(size)?)?;
        (end <= self.bytes.len()).then_some((at + 4, count))
    }

    pub(super) fn text(&self, slot: usize) -> Option<String> {
        let (at, count) = self.vector(slot, 1)?;
        Some(String::from_utf8_lossy(self.bytes.get(at..at + count)?).into_owned())
    }

    pub(super) fn tables(&self, slot: usize) -> Option<Vec<Self>> {
        let Some((at, count)) = self.vector(slot, 4) else {
            return Some(Vec::new());
        };
        let one = |index: usize| {
            let at = self.led(at + index * 4)?;
            Some(Self {
                bytes: self.bytes,
                at,
            })
        };
        (0..count).map(one).collect()
    }

    /// A vector of pairs of numbers.
    pub(super) fn pairs(&self, slot: usize) -> Option<Vec<(u64, u64)>> {
        let Some((at, count)) = self.vector(slot, 16) else {
            return Some(Vec::new());
        };
        let one = |index: usize| {
            let place = at + index * 16;
            let (a, b) = (little(self.bytes, place)?, little(self.bytes, place + 8)?);
            Some((u64::from_le_bytes(a), u64::from_le_bytes(b)))
        };
        (0..count).map(one).collect()
    }
}
