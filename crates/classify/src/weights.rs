//! Tensors as `safetensors` keeps them: the length of a list, the list, and the numbers in order of place.
//!
//! INVARIANT: nothing is made of a size that the list claims before that many bytes were there to be read, beyond one
//! block; places lie in order and apart, so each byte is read once.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use ndarray::{Array1, Array2};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::{Fault, TensorName, bounds};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;

/// Numbers by the name of their tensor, until they are taken.
#[derive(Debug, Default)]
pub(crate) struct Tensors {
    all: BTreeMap<String, Tensor>,
}

#[derive(Debug)]
struct Tensor {
    shape: Vec<usize>,
    numbers: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F64,
    F32,
    F16,
    Bf16,
    /// Numbers of no use here, such as positions that are counted anyway.
    Other,
}

#[derive(Deserialize)]
struct Place {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// The list. A name that stands there twice is refused.
struct List(Vec<(String, Place)>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = List;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names of tensors")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<List, M::Error> {
                let mut all: BTreeMap<String, Place> = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<serde::de::IgnoredAny>()?;
                    } else if all.insert(name, map.next_value()?).is_some() {
                        return Err(serde::de::Error::custom("a tensor is listed twice"));
                    }
                }
                Ok(List(all.into_iter().collect()))
            }
        }
        from.deserialize_map(Names)
    }
}

/// Reads all tensors.
pub(crate) fn read(from: &mut dyn Read) -> Result<Tensors, Fault> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_le_bytes(length)).map_err(|_| Fault::Tensors)?;
    if length > bounds::HEAD {
        return Err(Fault::Large("model.safetensors"));
    }
    let mut head = vec![0; length];
    from.read_exact(&mut head)?;
    let List(mut list) = serde_json::from_slice(&head).map_err(|source| Fault::Json {
        file: "model.safetensors",
        source,
    })?;
    list.sort_by_key(|(_, place)| place.data_offsets);
    let (mut at, mut left, mut tensors) = (0_u64, bounds::NUMBERS, Tensors::default());
    for (name, place) in list {
        let (start, end) = place.data_offsets;
        let apart = start.checked_sub(at).ok_or(Fault::Tensors)?;
        skip(from, apart)?;
        at = end;
        let bytes = end.checked_sub(start).ok_or(Fault::Tensors)?;
        let kind = match place.dtype.as_str() {
            "F64" => Kind::F64,
            "F32" => Kind::F32,
            "F16" => Kind::F16,
            "BF16" => Kind::Bf16,
            _ => Kind::Other,
        };
        if kind == Kind::Other {
            skip(from, bytes)?;
            continue;
        }
        let count = place
            .shape
            .iter()
            .try_fold(1_usize, |all, side| all.checked_mul(*side))
            .ok_or(Fault::Tensors)?;
        let size = u64::try_from(kind.size()).unwrap_or(u64::MAX);
        if u64::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(size))
            != Some(bytes)
        {
            return Err(Fault::Tensors);
        }
        left = left.checked_sub(count).ok_or(Fault::Large("model.safetensors"))?;
        let numbers = kind.numbers(from, count)?;
        let shape = place.shape;
        tensors.all.insert(name, Tensor { shape, numbers });
    }
    Ok(tensors)
}

fn skip(from: &mut dyn Read, bytes: u64) -> Result<(), Fault> {
    let mut part = Read::take(&mut *from, bytes);
    let mut block = vec![0; BLOCK.min(usize::try_from(bytes).unwrap_or(BLOCK))];
    while part.limit() > 0 {
        if part.read(&mut block)? == 0 {
            return Err(Fault::Tensors);
        }
    }
    Ok(())
}

impl Kind {
    const fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other => 0,
        }
    }

    fn numbers(self, from: &mut dyn Read, count: usize) -> Result<Vec<f32>, Fault> {
        let mut numbers = Vec::new();
        let mut block = Vec::new();
        while numbers.len() < count {
            let part = (count - numbers.len()).min(BLOCK / self.size().max(1));
            block.resize(part * self.size(), 0);
            from.read_exact(&mut block)?;
            match self {
                Self::F64 => numbers.extend(
                    block
                        .as_chunks::<8>()
                        .0
                        .iter()
                        .map(|eight| f64::from_le_bytes(*eight) as f32),
                ),
                Self::F32 => numbers.extend(
                    block
                        .as_chunks::<4>()
                        .0
                        .iter()
                        .map(|four| f32::from_le_bytes(*four)),
                ),
                Self::F16 => numbers.extend(
                    block
                        .as_chunks::<2>()
                        .0
                        .iter()
                        .map(|two| half(u16::from_le_bytes(*two))),
                ),
                Self::Bf16 => {
                    let wide = |two: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*two)) << 16);
                    numbers.extend(block.as_chunks::<2>().0.iter().map(wide));
                }
                Self::Other => return Err(Fault::Tensors),
            }
        }
        Ok(numbers)
    }
}

/// IEEE 754's binary16 as a wider number.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (power, part) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    match power {
        // Below the smallest normal one: a number of steps of 2^-24.
        0 => f32::from_bits(sign | (part as f32 / 16_777_216.0).to_bits()),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | part << 13),
        _ => f32::from_bits(sign | (power + 112) << 23 | part << 13),
    }
}

impl Tensors {
    /// A table of this many rows and columns.
    pub(crate) fn table(&mut self, name: &str, rows: usize, columns: usize) -> Result<Array2<f32>, Fault> {
        let missing = || Fault::Tensor(TensorName(name.to_owned()));
        let tensor = self.all.remove(name).ok_or_else(missing)?;
        if tensor.shape != [rows, columns] {
            return Err(missing());
        }
        Array2::from_shape_vec((rows, columns), tensor.numbers).map_err(|_| missing())
    }

    /// A row of this length.
    pub(crate) fn row(&mut self, name: &str, length: usize) -> Result<Array1<f32>, Fault> {
        let tensor = self
            .all
            .remove(name)
            .filter(|tensor| tensor.shape == [length])
            .ok_or_else(|| Fault::Tensor(TensorName(name.to_owned())))?;
        Ok(Array1::from(tensor.numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(head: &str, numbers: &[u8]) -> Vec<u8> {
        let length = u64::try_from(head.len()).unwrap().to_le_bytes();
        [&length, head.as_bytes(), numbers].concat()
    }

    #[test]
    fn numbers_of_every_width_are_read() {
        let head = r#"{"__metadata__":{"format":"pt"},
            "a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},
            "b":{"dtype":"F16","shape":[4],"data_offsets":[8,16]},
            "c":{"dtype":"BF16","shape":[1],"data_offsets":[16,18]},
            "d":{"dtype":"I64","shape":[1],"data_offsets":[18,26]},
            "e":{"dtype":"F64","shape":[1],"data_offsets":[28,36]}}"#;
        let mut numbers = Vec::new();
        numbers.extend(1.5_f32.to_le_bytes());
        numbers.extend((-2.0_f32).to_le_bytes());
        // 1, -2, the smallest below normal, infinity.
        for bits in [0x3c00_u16, 0xc000, 0x0001, 0x7c00] {
            numbers.extend(bits.to_le_bytes());
        }
        numbers.extend(0x4040_u16.to_le_bytes());
        numbers.extend([9; 8]);
        numbers.extend([7; 2]);
        numbers.extend(0.25_f64.to_le_bytes());
        let mut tensors = read(&mut file(head, &numbers).as_slice()).unwrap();
        assert_eq!(tensors.table("a", 1, 2).unwrap().as_slice().unwrap(), [1.5, -2.0]);
        let halves = tensors.row("b", 4).unwrap();
        assert_eq!(
            halves.as_slice().unwrap(),
            [1.0, -2.0, 2.0_f32.powi(-24), f32::INFINITY]
        );
        assert_eq!(tensors.row("c", 1).unwrap().as_slice().unwrap(), [3.0]);
        assert_eq!(tensors.row("e", 1).unwrap().as_slice().unwrap(), [0.25]);
        assert!(tensors.row("d", 1).is_err());
    }

    #[test]
    fn lists_that_lie_are_refused() {
        let one = |place: &str| format!(r#"{{"a":{place}}}"#);
        let lies = [
            one(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,4]}"#),
            one(r#"{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}"#),
            one(r#"{"dtype":"F32","shape":[1],"data_offsets":[8,4]}"#),
            // More than there is, and more than is read.
            one(r#"{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}"#),
            one(r#"{"dtype":"F32","shape":[4000000000],"data_offsets":[0,16000000000]}"#),
            one(r#"{"dtype":"I8","shape":[9],"data_offsets":[0,999]}"#),
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
                .to_owned(),
            // One over the other.
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#
                .to_owned(),
            "[]".to_owned(),
        ];
        for head in lies {
            assert!(read(&mut file(&head, &[0; 8]).as_slice()).is_err(), "{head}");
        }
        let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        assert!(read(&mut huge.as_slice()).is_err());
    }
}
