//! joblib's arrays: their bytes lie in the stream, right after the object that stands for them.
//!
//! To pass over them the machine needs shape and type. Where it can't tell, it stops: a reader out of step reads data as
//! opcodes, and a hostile file would choose which.

use super::{
    machine::{Halt, Machine, Step},
    value::{Kind, TUPLES, Value},
};
use crate::{finding::Verdict, rule};

/// A numpy data type, as far as passing over its arrays needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dtype {
    /// Bytes of an element; `None`: not known.
    size: Option<u64>,
    /// Elements are pickled Python objects, or may be.
    pub(super) object: bool,
    /// It has a size that its state sets: texts, bytes, and records.
    flexible: bool,
    /// Its state says of it what is not followed here.
    odd: bool,
}

impl Dtype {
    pub(super) fn unknown(object: bool) -> Self {
        Self {
            size: None,
            object,
            flexible: false,
            odd: true,
        }
    }

    /// The type of a text such as `f8`, `<i4`, `V16`, `O8`, `U12`, `M8[ns]`.
    pub(super) fn of(text: &[u8]) -> Self {
        let text = match text {
            [b'<' | b'>' | b'=' | b'|', rest @ ..] => rest,
            other => other,
        };
        let (kind, rest) = match text {
            [kind, rest @ ..] => (*kind, rest),
            [] => return Self::unknown(true),
        };
        let digits: &[u8] = rest.split(|byte| *byte == b'[').next().unwrap_or_default();
        let number = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse::<u64>().ok());
        let size = match kind {
            b'b' | b'i' | b'u' | b'f' | b'c' | b'V' | b'S' | b'a' | b'M' | b'm' => number,
            b'U' => number.and_then(|number| number.checked_mul(4)),
            b'?' => Some(1),
            _ => None,
        };
        Self {
            size,
            object: kind == b'O' || size.is_none(),
            flexible: matches!(kind, b'V' | b'S' | b'a' | b'U'),
            odd: kind != b'O' && size.is_none(),
        }
    }
}

impl Machine<'_, '_, '_, '_> {
    /// Whether a numpy type of Python objects is in `value`.
    pub(super) fn has_object(&self, value: Value) -> bool {
        match value.kind() {
            Kind::Dtype(at) => self.dtypes.get(at as usize).is_none_or(|dtype| dtype.object),
            Kind::Container(number) => self.holds_object.contains(&number),
            Kind::Tuple(sequence, count) if count > 0 => {
                // Only tuples that hold types or containers matter, and those are looked at at once.
                let there = self.tuples.get(sequence as usize % super::machine::TUPLE_RING);
                there.is_none_or(|(there, _, values)| {
                    sequence == TUPLES
                        || *there != sequence
                        || values.iter().any(|value| self.has_object_flat(*value))
                })
            }
            _ => false,
        }
    }

    fn has_object_flat(&self, value: Value) -> bool {
        match value.kind() {
            Kind::Dtype(at) => self.dtypes.get(at as usize).is_none_or(|dtype| dtype.object),
            Kind::Container(number) => self.holds_object.contains(&number),
            // One level more: `((dtype, offset), title)` and the base of a subarray.
            Kind::Tuple(sequence, count) if count > 0 => {
                let there = self.tuples.get(sequence as usize % super::machine::TUPLE_RING);
                there.is_none_or(|(there, _, values)| {
                    sequence == TUPLES
                        || *there != sequence
                        || values.iter().any(|value| {
                            value.is_dtype()
                                && matches!(value.kind(), Kind::Dtype(at) if self.dtypes.get(at as usize).is_none_or(|dtype| dtype.object))
                        })
                })
            }
            _ => false,
        }
    }

    /// A type is given its state: fields may be objects, and what has no size of its own is given one.
    pub(super) fn dtype_state(&mut self, at: u32, state: Value) {
        let object = match state.kind() {
            Kind::Tuple(..) => self.has_object(state),
            _ => true,
        };
        // Version, byte order, subarray, names, fields, size, alignment and more.
        let size = match self.elements(state).as_deref() {
            Some([_, _, _, _, _, size, ..]) => match size.kind() {
                Kind::Int(size) => Some(u64::from(size)),
                _ => None,
            },
            _ => None,
        };
        if let Some(dtype) = self.dtypes.get_mut(at as usize) {
            dtype.odd |= object && !dtype.object;
            dtype.object |= object;
            if dtype.flexible {
                dtype.odd |= size.is_none();
                dtype.size = size;
            }
        }
    }

    /// Passes over the bytes of the array that a wrapper with this state stands for.
    pub(super) fn wrapped_array(&mut self, state: Value) -> Step<Value> {
        let unread = Halt::State("an array whose size can't be told");
        let items = match state.kind() {
            Kind::Container(number) => self.watch.items(number),
            _ => None,
        };
        let mut shape = None;
        let mut dtype = None;
        let mut aligned = false;
        for (key, value) in items.ok_or(unread)? {
            match self.text_of(key) {
                Some(b"shape") => shape = self.elements(value),
                Some(b"dtype") => {
                    dtype = match value.kind() {
                        Kind::Dtype(at) => self.dtypes.get(at as usize).copied(),
                        _ => None,
                    }
                }
                Some(b"numpy_array_alignment_bytes") => {
                    aligned = match value.kind() {
                        Kind::Int(_) => true,
                        Kind::None => false,
                        _ => return Err(unread),
                    }
                }
                Some(b"subclass" | b"order" | b"allow_mmap") => {}
                _ => return Err(unread),
            }
        }
        let (Some(shape), Some(dtype)) = (shape, dtype.filter(|dtype| !dtype.odd)) else {
            return Err(unread);
        };
        self.leave_frame();
        self.probe_as_opcodes();
        if dtype.object {
            // `pickle.load` on the same file: a pickle within the pickle.
            let depth = self.depth + 1;
            let ending = super::one(self.feed, self.scan, self.context, depth);
            return match ending {
                super::Ending::Stopped(_) => Ok(Value::DATA),
                _ => Err(Halt::State("the pickle of an array's elements breaks")),
            };
        }
        let mut bytes = dtype.size.ok_or(unread)?;
        for side in shape {
            let Kind::Int(side) = side.kind() else {
                return Err(unread);
            };
            bytes = bytes.checked_mul(u64::from(side)).ok_or(unread)?;
        }
        if aligned {
            let padding = self.feed.byte()?;
            self.feed.skip(u64::from(padding))?;
        }
        self.feed.skip(bytes)?;
        Ok(Value::DATA)
    }

    /// Plain `pickle.load` knows no wrappers: it would take the array's bytes for opcodes. If those import something
    /// harmful, the file is two files.
    fn probe_as_opcodes(&mut self) {
        let Some(view) = self.feed.seekable() else { return };
        if self.context.probing {
            return;
        }
        let at = self.feed.offset();
        let part = view.part(at, self.feed.end().saturating_sub(at));
        if super::probe(self.scan, part) >= Verdict::Suspicious {
            self.scan.find(
                &rule::TWO_READINGS,
                Verdict::Malicious,
                at,
                "array",
                "plain `pickle.load` takes the bytes of this array for opcodes, and they run code".to_owned(),
            );
        }
    }
}
