//! Texts that may become names. Short ones are kept in a table; when that is full, the latest few are.
//!
//! What is in neither can't be read back, and an import of it is a computed one.

use super::value::{PAYLOAD, Value};
use crate::names;

/// Distinct texts kept.
const TEXTS: usize = 1 << 14;
/// Bytes of a text that is kept.
pub(crate) const LONGEST: usize = 200;
/// Latest texts kept once the table is full.
const RING: usize = 64;
/// Steps after which looking for a place ends: a file can make texts collide.
const PROBES: usize = 16;
const SLOTS: usize = TEXTS * 4;

/// Texts that Python, or a listed function, looks up on an object and calls, where the object's own state may hold them:
/// while it fills it, to add to it, and to ask it for what it is. Their ids are the first, and they are never forgotten.
pub(crate) const OWN: [&[u8]; 53] = [
    b"__setstate__",
    b"_sklearn_version",
    b"__class__",
    b"pkg_version_",
    b"_warn_for_older_version",
    b"extend",
    b"append",
    b"add",
    b"__new__",
    b"__init__",
    b"__array__",
    b"__array_interface__",
    b"__array_struct__",
    b"__array_finalize__",
    b"__array_wrap__",
    b"__array_function__",
    b"__array_ufunc__",
    b"__arrow_array__",
    b"__arrow_c_array__",
    b"__arrow_c_stream__",
    b"__arrow_c_schema__",
    b"__arrow_ext_serialize__",
    b"__dlpack__",
    b"__torch_function__",
    b"__dict__",
    b"__getattr__",
    b"__getitem__",
    b"__iter__",
    b"__len__",
    b"__index__",
    b"__fspath__",
    b"__reduce_ex__",
    b"keys",
    b"copy",
    b"view",
    b"astype",
    b"from_arrays",
    b"_simple_new",
    b"_with_freq",
    b"utcoffset",
    b"dst",
    b"tzname",
    b"fromutc",
    b"to",
    b"detach",
    b"requires_grad_",
    b"as_subclass",
    // What classes call on themselves while they read a state, which may already hold it: scikit-learn's isotonic regression,
    // CatBoost, torch's optimizers, dateutil's rules, views of networkx.
    b"_build_f",
    b"_deserialize_model",
    b"_set_trained_model_attributes",
    b"_patch_step_function",
    b"_invalidate_cache",
    b"nbunch_iter",
];

/// The key under which Lightning keeps the name of what makes a model of its settings.
pub(super) const INSTANTIATOR: &[u8] = b"_instantiator";

/// Whether a text names what may not be called, or is the key of what is: few are, and none of them in most files.
pub(super) fn is_named(text: &[u8]) -> bool {
    let may = text.contains(&b'.') || text.contains(&b':');
    text == INSTANTIATOR || may && std::str::from_utf8(text).is_ok_and(names::does_harm)
}

/// See the module.
pub(crate) struct Texts {
    /// One of them was read.
    pub(crate) own: bool,
    /// A text was read for which [`is_named`] holds.
    pub(crate) names: bool,
    bytes: Vec<u8>,
    spans: Vec<(u32, u32)>,
    /// Half of the hash, and the id plus one.
    slots: Vec<(u32, u32)>,
    ring: Vec<(u32, Vec<u8>)>,
    pushed: u32,
}

impl Texts {
    pub(crate) fn new() -> Self {
        Self {
            own: false,
            names: false,
            bytes: Vec::new(),
            spans: Vec::new(),
            slots: Vec::new(),
            ring: Vec::new(),
            pushed: 0,
        }
    }

    /// The value of a text that was read whole.
    pub(crate) fn push(&mut self, text: &[u8]) -> Value {
        if text.len() > LONGEST {
            return Value::DATA;
        }
        if self.slots.is_empty() {
            self.slots = vec![(0, 0); 1 << 8];
            OWN.iter().for_each(|text| _ = self.push(text));
        } else if self.spans.len() * 4 > self.slots.len() && self.slots.len() < SLOTS {
            self.grow();
        }
        let hash = hash(text);
        match self.place(text, hash) {
            Ok(id) => {
                self.own |= (id as usize) < OWN.len();
                return Value::text(id);
            }
            Err(Some(slot)) if self.spans.len() < TEXTS => {
                self.names = self.names || is_named(text);
                let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
                self.bytes.extend_from_slice(text);
                self.spans.push((start, text.len() as u32));
                if let Some(slot) = self.slots.get_mut(slot) {
                    *slot = (hash as u32, self.spans.len() as u32);
                }
                return Value::text(self.spans.len() as u32 - 1);
            }
            Err(_) => {}
        }
        if self.pushed >= PAYLOAD - 1 {
            return Value::DATA;
        }
        if self.ring.is_empty() {
            self.ring = vec![(PAYLOAD, Vec::new()); RING];
        }
        self.pushed += 1;
        self.names = self.names || is_named(text);
        if let Some(slot) = self.ring.get_mut(self.pushed as usize % RING) {
            slot.0 = self.pushed;
            slot.1.clear();
            slot.1.extend_from_slice(text);
        }
        Value::recent(self.pushed)
    }

    /// The text of an id in the table.
    pub(crate) fn text(&self, id: u32) -> Option<&[u8]> {
        let (start, length) = self.spans.get(id as usize)?;
        self.bytes.get(*start as usize..(*start + *length) as usize)
    }

    /// A text pushed lately.
    pub(crate) fn recent(&self, sequence: u32) -> Option<&[u8]> {
        let (there, text) = self.ring.get(sequence as usize % RING)?;
        (*there == sequence).then_some(text.as_slice())
    }

    /// Its id, or the free slot where it belongs.
    fn place(&self, text: &[u8], hash: u64) -> Result<u32, Option<usize>> {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        for _ in 0..PROBES {
            match self.slots.get(at).copied().unwrap_or((0, 0)) {
                (_, 0) => return Err(Some(at)),
                (half, id) if half == hash as u32 && self.text(id - 1) == Some(text) => return Ok(id - 1),
                _ => at = (at + 1) & mask,
            }
        }
        Err(None)
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 4;
        let mut slots = vec![(0_u32, 0_u32); size];
        for (id, (start, length)) in self.spans.iter().enumerate() {
            let text = self.bytes.get(*start as usize..(*start + *length) as usize);
            let hash = hash(text.unwrap_or_default());
            let mut at = (hash >> 32) as usize & (size - 1);
            for _ in 0..PROBES {
                match slots.get_mut(at) {
                    Some(slot) if slot.1 == 0 => {
                        *slot = (hash as u32, id as u32 + 1);
                        break;
                    }
                    _ => at = (at + 1) & (size - 1),
                }
            }
        }
        self.slots = slots;
    }
}

fn hash(text: &[u8]) -> u64 {
    let mut hash = text.len() as u64;
    let mut chunks = text.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    let mut last = 0_u64;
    for byte in chunks.remainder() {
        last = last << 8 | u64::from(*byte);
    }
    (hash.rotate_left(5) ^ last).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
