//! Fields of a protobuf message (protobuf.dev, "Encoding"): tag and value, one after another. Ends within as many steps as
//! there are bytes.

use super::WorkloadFault;

/// One field.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A string, bytes or message (wire type 2), by its number.
    Bytes(u32, &'a [u8]),
    /// Any other value, which no message here has.
    Other,
}

/// The fields of a message.
pub(super) struct Fields<'a> {
    whole: usize,
    rest: &'a [u8],
    broken: bool,
}

impl<'a> Fields<'a> {
    /// Of these bytes.
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self {
            whole: message.len(),
            rest: message,
            broken: false,
        }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// A base-128 number of at most ten bytes.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number != 0)?;
        match tag & 7 {
            0 => self.varint().map(|_| Field::Other),
            1 => self.take(8).map(|_| Field::Other),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.take(length).map(|bytes| Field::Bytes(number, bytes))
            }
            5 => self.take(4).map(|_| Field::Other),
            // Groups are gone from proto3, and 6 and 7 never were.
            _ => None,
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WorkloadFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken || self.rest.is_empty() {
            return None;
        }
        let at = self.whole.saturating_sub(self.rest.len());
        let found = self.field();
        self.broken = found.is_none();
        Some(found.ok_or(WorkloadFault::Malformed(at)))
    }
}
