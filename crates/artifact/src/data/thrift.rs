//! Thrift's compact protocol, as Parquet uses it: read into a small tree, bounded in depth and in values.

/// Structures in structures.
const DEPTH: u32 = 24;
/// Values of one message.
const VALUES: usize = 4 << 20;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Thrift {
    Bool(bool),
    Whole(i64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Struct(Vec<(i16, Self)>),
    /// What nothing here asks for.
    Other,
}

impl Thrift {
    pub(crate) fn field(&self, id: i16) -> Option<&Self> {
        match self {
            Self::Struct(fields) => fields
                .iter()
                .find(|(there, _)| *there == id)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn whole(&self, id: i16) -> Option<i64> {
        match self.field(id)? {
            Self::Whole(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn list(&self, id: i16) -> &[Self] {
        match self.field(id) {
            Some(Self::List(values)) => values,
            _ => &[],
        }
    }

    pub(crate) fn text(&self, id: i16) -> Option<String> {
        match self.field(id)? {
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }
}

/// Reads one structure; what it is and how many bytes it took.
pub(crate) fn parse(bytes: &[u8]) -> Option<(Thrift, usize)> {
    let mut reader = Reader {
        bytes,
        at: 0,
        values: 0,
    };
    let value = reader.structure(0)?;
    Some((value, reader.at))
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        self.varint().map(unzigzag)
    }

    fn structure(&mut self, depth: u32) -> Option<Thrift> {
        if depth > DEPTH {
            return None;
        }
        let (mut fields, mut id) = (Vec::new(), 0_i16);
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(Thrift::Struct(fields));
            }
            id = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).ok()?,
                step => id.checked_add(i16::from(step))?,
            };
            let value = match head & 15 {
                1 => Thrift::Bool(true),
                2 => Thrift::Bool(false),
                kind => self.value(kind, depth)?,
            };
            fields.push((id, value));
        }
    }

    fn value(&mut self, kind: u8, depth: u32) -> Option<Thrift> {
        self.values += 1;
        if self.values > VALUES {
            return None;
        }
        Some(match kind {
            // A Boolean in a list is a byte of its own.
            1 | 2 => Thrift::Bool(self.byte()? == 1),
            3 => Thrift::Whole(i64::from(self.byte()? as i8)),
            4..=6 => Thrift::Whole(self.zigzag()?),
            7 => {
                self.bytes.get(self.at..self.at.checked_add(8)?)?;
                self.at += 8;
                Thrift::Other
            }
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let end = self.at.checked_add(length)?;
                let bytes = self.bytes.get(self.at..end)?.to_vec();
                self.at = end;
                Thrift::Bytes(bytes)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    count => u64::from(count),
                };
                // Every value takes a byte at least.
                if count > (self.bytes.len() - self.at) as u64 {
                    return None;
                }
                let values = (0..count).map(|_| self.element(head & 15, depth));
                Thrift::List(values.collect::<Option<_>>()?)
            }
            12 => self.structure(depth + 1)?,
            _ => return None,
        })
    }

    fn element(&mut self, kind: u8, depth: u32) -> Option<Thrift> {
        self.value(kind, depth + 1)
    }
}

/// A signed number from its zigzag form.
pub(crate) fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
