//! ZIP: torch, TorchScript, Keras v3, skops, numpy's npz, and whatever else is packed so.

mod directory;

use std::io::{self, Read};

use directory::Entry;
pub(crate) use directory::has_end;

use crate::{
    feed::{BUFFER, Feed, Stop},
    finding::Verdict,
    format, keras,
    pack::Packing,
    pickle, rule,
    scan::Scan,
    skops,
    source::{Cursor, View},
};

/// What an archive is, by its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Torch,
    TorchScript,
    /// `torch.export`: a graph in JSON, and its numbers.
    TorchExport,
    Keras,
    Skops,
    Numpy,
    Plain,
}

impl Use {
    fn of(entries: &[Entry]) -> Self {
        let has = |end: &str| {
            entries.iter().any(|entry| {
                entry.name == end
                    || entry
                        .name
                        .strip_suffix(end)
                        .is_some_and(|rest| rest.ends_with('/'))
            })
        };
        let all = |end: &str| !entries.is_empty() && entries.iter().all(|entry| entry.name.ends_with(end));
        if has("data.pkl") && has("constants.pkl") {
            Self::TorchScript
        } else if has("data.pkl") {
            Self::Torch
        } else if has("archive_format") && has("archive_version") {
            Self::TorchExport
        } else if has("config.json") && has("metadata.json") {
            Self::Keras
        } else if has("schema.json") {
            Self::Skops
        } else if all(".npy") {
            Self::Numpy
        } else {
            Self::Plain
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Torch => "torch zip",
            Self::TorchScript => "torchscript",
            Self::TorchExport => "torch export",
            Self::Keras => "keras",
            Self::Skops => "skops",
            Self::Numpy => "npz",
            Self::Plain => "zip",
        }
    }
}

/// Looks into an archive. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, view: View<'_>) -> String {
    let entries = match directory::read(scan, view) {
        Ok(entries) => entries,
        Err(stop) => {
            scan.stopped(stop, 0);
            return "zip".to_owned();
        }
    };
    let kind = Use::of(&entries);
    let outer = std::mem::take(&mut scan.storages);
    for entry in &entries {
        if entry.name.ends_with('/') && entry.size == 0 {
            continue;
        }
        let looked = scan.inside(&entry.name, |scan| member(scan, view, entry, kind));
        if looked.is_none() {
            break;
        }
    }
    let told = std::mem::replace(&mut scan.storages, outer);
    if kind == Use::Torch {
        sizes(scan, &entries, told);
    }
    kind.word().to_owned()
}

/// Numbers of another size than the pickle says: loaders that do not compare read, or write, past their end.
fn sizes(scan: &mut Scan<'_>, entries: &[Entry], told: Vec<(String, u64)>) {
    let held: std::collections::HashMap<&str, u64> = entries
        .iter()
        .filter(|entry| is_storage(Use::Torch, &entry.name))
        .filter_map(|entry| Some((entry.name.rsplit_once("/data/")?.1, entry.size)))
        .collect();
    for (key, bytes) in told {
        if let Some(size) = held.get(key.as_str()).filter(|size| **size != bytes) {
            let what = format!("the pickle says that storage `{key}` has {bytes} bytes, and it has {size}");
            scan.find(&rule::ARCHIVE_DISAGREES, Verdict::Suspicious, 0, &key, what);
        }
    }
}

fn member(scan: &mut Scan<'_>, view: View<'_>, entry: &Entry, kind: Use) {
    if entry.encrypted {
        let what = format!("`{}` is encrypted", entry.name);
        scan.find(&rule::ENCRYPTED, Verdict::Unknown, 0, &entry.name, what);
    }
    // Some loaders look at the flag and some do not: what is there is looked at either way.
    let Some(start) = entry.data else { return };
    let part = view.part(start, entry.packed);
    if part.size() < entry.packed {
        scan.stopped(Stop::End, part.size());
    }
    match entry.method {
        0 => {
            let storage = is_storage(kind, &entry.name);
            if storage {
                return numbers(scan, part);
            }
            match checksum(part) {
                Ok(sum) if sum == entry.checksum => {}
                Ok(_) => wrong_sum(scan, entry),
                Err(stop) => scan.stopped(stop, 0),
            }
            stored(scan, part, &entry.name, kind);
        }
        8 | 12 => {
            let packing = if entry.method == 8 {
                Packing::Deflate
            } else {
                Packing::Bzip2
            };
            packed(scan, part, entry, packing, kind);
        }
        method => {
            let what = format!("`{}` is packed by method {method}", entry.name);
            scan.find(&rule::ARCHIVE_UNSUPPORTED, Verdict::Unknown, 0, &entry.name, what);
        }
    }
}

/// The numbers of torch's tensors: no loader takes them for anything else.
fn is_storage(kind: Use, name: &str) -> bool {
    let numbered = |name: &str| {
        let mut parts = name.rsplit('/');
        let last = parts.next().unwrap_or_default();
        let folder = parts.next().unwrap_or_default();
        matches!(folder, "data" | "constants" | "tensors" | "xl_model_weights")
            && !last.is_empty()
            && last.bytes().all(|byte| byte.is_ascii_digit())
    };
    match kind {
        Use::Torch | Use::TorchScript => numbered(name),
        Use::TorchExport => {
            let (folder, last) = name.rsplit_once('/').unwrap_or_default();
            let ours = folder.ends_with("data/weights") || folder.ends_with("data/constants");
            let count = last
                .strip_prefix("weight_")
                .or_else(|| last.strip_prefix("tensor_"));
            ours && count
                .is_some_and(|count| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()))
        }
        _ => false,
    }
}

/// A look at the first bytes: a storage that begins as a pickle which runs code is one on purpose.
fn numbers(scan: &mut Scan<'_>, part: View<'_>) {
    let head = part.bytes(0, 2).unwrap_or_default();
    if matches!(head.as_slice(), [0x80, 2..=5]) && pickle::probe(scan, part) >= Verdict::Malicious {
        let what = "the numbers of a tensor are a pickle that runs code".to_owned();
        scan.find(&rule::NESTED_PICKLE, Verdict::Suspicious, 0, "storage", what);
    }
}

fn wrong_sum(scan: &mut Scan<'_>, entry: &Entry) {
    let what = format!(
        "`{}` does not have its checksum; some loaders do not look",
        entry.name
    );
    scan.find(&rule::CHECKSUM, Verdict::Suspicious, 0, &entry.name, what);
}

fn checksum(part: View<'_>) -> Result<u32, Stop> {
    let mut hasher = crc32fast::Hasher::new();
    let mut cursor = Cursor::new(part);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = cursor.read(&mut buffer)?;
        if read == 0 {
            return Ok(hasher.finalize());
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

fn stored(scan: &mut Scan<'_>, part: View<'_>, name: &str, kind: Use) {
    let last = name.rsplit('/').next().unwrap_or_default();
    match (kind, last) {
        (Use::Torch | Use::TorchScript, _) if last.ends_with(".pkl") => {
            pickle::stream(&mut Feed::view(part), scan, &pickle::Context::TORCH);
        }
        (Use::TorchScript, _) if last.ends_with(".py") => document(scan, part, format::torchscript),
        (Use::Keras, "config.json") => document(scan, part, keras::config),
        (Use::Skops, "schema.json") => document(scan, part, skops::schema),
        _ => _ = format::whole(scan, part, name),
    }
}

/// A document that is read whole, within the limit.
fn document(scan: &mut Scan<'_>, part: View<'_>, judge: impl FnOnce(&mut Scan<'_>, &[u8])) {
    match Feed::view(part).rest(scan.limits.document_bytes) {
        Ok(text) => judge(scan, &text),
        Err(stop) => scan.stopped(stop, 0),
    }
}

fn packed(scan: &mut Scan<'_>, part: View<'_>, entry: &Entry, packing: Packing, kind: Use) {
    let mut summed = Summed {
        inner: match packing.unpack(Cursor::new(part)) {
            Ok(unpacked) => scan.metered(unpacked),
            Err(fault) => return scan.stopped(fault.into(), 0),
        },
        hasher: crc32fast::Hasher::new(),
        size: 0,
    };
    let last = entry.name.rsplit('/').next().unwrap_or_default();
    let storage = is_storage(kind, &entry.name);
    {
        let mut feed = Feed::stream(Box::new(&mut summed));
        match (kind, last) {
            _ if storage => match feed.peek(BUFFER) {
                Ok(head) => numbers(scan, View::all(&head.to_vec())),
                Err(stop) => return scan.stopped(stop, 0),
            },
            (Use::Torch | Use::TorchScript, _) if last.ends_with(".pkl") => {
                pickle::stream(&mut feed, scan, &pickle::Context::TORCH);
            }
            (Use::TorchScript, _) if last.ends_with(".py") => whole(scan, &mut feed, format::torchscript),
            (Use::Keras, "config.json") => whole(scan, &mut feed, keras::config),
            (Use::Skops, "schema.json") => whole(scan, &mut feed, skops::schema),
            _ => _ = format::streamed(scan, &mut feed, &entry.name),
        }
    }
    if let Err(fault) = io::copy(&mut summed, &mut io::sink()) {
        return scan.stopped(fault.into(), 0);
    }
    if summed.size != entry.size || summed.hasher.finalize() != entry.checksum {
        wrong_sum(scan, entry);
    }
}

fn whole(scan: &mut Scan<'_>, feed: &mut Feed<'_>, judge: impl FnOnce(&mut Scan<'_>, &[u8])) {
    match feed.rest(scan.limits.document_bytes) {
        Ok(text) => judge(scan, &text),
        Err(stop) => scan.stopped(stop, 0),
    }
}

struct Summed<R> {
    inner: R,
    hasher: crc32fast::Hasher,
    size: u64,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.hasher.update(into.get(..read).unwrap_or_default());
        self.size += read as u64;
        Ok(read)
    }
}
