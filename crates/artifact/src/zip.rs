//! ZIP: torch, TorchScript, Keras v3, skops, numpy's npz, and whatever else is packed so.

mod directory;

use std::{
    collections::BTreeSet,
    io::{self, Read},
};

use directory::Entry;
pub(crate) use directory::has_end;

use crate::{
    exported,
    feed::{BUFFER, Feed, Stop},
    finding::Verdict,
    format, keras, literal,
    pack::Packing,
    pickle, rule,
    scan::Scan,
    skops,
    source::{Cursor, View},
    torchscript,
};

/// What an archive may be, by its members. Loaders pass over members that they do not know, so one may be several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    TorchScript,
    Torch,
    /// `torch.export`: a graph in JSON, and its numbers.
    TorchExport,
    Keras,
    Skops,
    Numpy,
}

impl Use {
    fn word(self) -> &'static str {
        match self {
            Self::Torch => "torch zip",
            Self::TorchScript => "torchscript",
            Self::TorchExport => "torch export",
            Self::Keras => "keras",
            Self::Skops => "skops",
            Self::Numpy => "npz",
        }
    }
}

/// See [`Use`], and what is known of members before they are looked at.
struct Archive {
    uses: Vec<Use>,
    /// Members that `torch.export` reads by unpickling them.
    pickled: BTreeSet<String>,
}

impl Archive {
    fn of(entries: &[Entry]) -> Self {
        let has = |end: &str| entries.iter().any(|entry| is_named(&entry.name, end));
        let all = |end: &str| !entries.is_empty() && entries.iter().all(|entry| entry.name.ends_with(end));
        let found = [
            (Use::TorchScript, has("data.pkl") && has("constants.pkl")),
            (Use::Torch, has("data.pkl")),
            (Use::TorchExport, has("archive_format") && has("archive_version")),
            (Use::Keras, has("config.json") && has("metadata.json")),
            (Use::Skops, has("schema.json")),
            (Use::Numpy, all(".npy")),
        ];
        Self {
            uses: found
                .into_iter()
                .filter(|(_, is)| *is)
                .map(|(kind, _)| kind)
                .collect(),
            pickled: BTreeSet::new(),
        }
    }

    fn is(&self, kind: Use) -> bool {
        self.uses.contains(&kind)
    }

    fn word(&self) -> &'static str {
        self.uses.first().map_or("zip", |kind| kind.word())
    }

    /// Whether a configuration says that this member is read by unpickling it.
    fn unpickles(&self, name: &str) -> bool {
        self.pickled.iter().any(|path| is_named(name, path))
    }

    /// The numbers of torch's tensors: no loader takes them for anything else.
    fn is_storage(&self, name: &str) -> bool {
        let numbered = |last: &str| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
        let (folder, last) = name.rsplit_once('/').unwrap_or_default();
        let parent = folder.rsplit('/').next().unwrap_or_default();
        if self.is(Use::Torch)
            && matches!(parent, "data" | "constants" | "tensors" | "xl_model_weights")
            && numbered(last)
        {
            return true;
        }
        let ours = folder.ends_with("data/weights") || folder.ends_with("data/constants");
        let count = last
            .strip_prefix("weight_")
            .or_else(|| last.strip_prefix("tensor_"));
        self.is(Use::TorchExport) && ours && count.is_some_and(numbered) && !self.unpickles(name)
    }
}

/// Whether a member has this name, in whatever folder of the archive.
fn is_named(name: &str, end: &str) -> bool {
    name == end || name.strip_suffix(end).is_some_and(|rest| rest.ends_with('/'))
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
    let mut archive = Archive::of(&entries);
    if archive.is(Use::TorchExport) {
        archive.pickled = pickled(scan, view, &entries);
    }
    let outer = std::mem::take(&mut scan.storages);
    for entry in &entries {
        if entry.name.ends_with('/') && entry.size == 0 {
            continue;
        }
        let looked = scan.inside(&entry.name, |scan| member(scan, view, entry, &archive));
        if looked.is_none() {
            break;
        }
    }
    let told = std::mem::replace(&mut scan.storages, outer);
    if archive.is(Use::Torch) && !archive.is(Use::TorchScript) {
        sizes(scan, &archive, &entries, told);
    }
    archive.word().to_owned()
}

/// What configurations of weights say of their members, read before any of these. A configuration that can't be read is a
/// finding when its turn comes.
fn pickled(scan: &Scan<'_>, view: View<'_>, entries: &[Entry]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in entries.iter().filter(|entry| entry.name.ends_with(".json")) {
        let Some(start) = entry.data else { continue };
        let part = view.part(start, entry.packed);
        let packing = match entry.method {
            0 => None,
            8 => Some(Packing::Deflate),
            12 => Some(Packing::Bzip2),
            _ => continue,
        };
        let mut feed = match packing.map(|packing| packing.unpack(Cursor::new(part))) {
            None => Feed::view(part),
            Some(Ok(unpacked)) => Feed::stream(scan.metered(unpacked)),
            Some(Err(_)) => continue,
        };
        if let Ok(text) = feed.rest(scan.limits.document_bytes) {
            exported::pickled(&text, &mut found);
        }
    }
    found
}

/// Numbers of another size than the pickle says: loaders that do not compare read, or write, past their end.
fn sizes(scan: &mut Scan<'_>, archive: &Archive, entries: &[Entry], told: Vec<(String, u64)>) {
    let held: std::collections::HashMap<&str, u64> = entries
        .iter()
        .filter(|entry| archive.is_storage(&entry.name))
        .filter_map(|entry| Some((entry.name.rsplit_once("/data/")?.1, entry.size)))
        .collect();
    for (key, bytes) in told {
        if let Some(size) = held.get(key.as_str()).filter(|size| **size != bytes) {
            let what = format!("the pickle says that storage `{key}` has {bytes} bytes, and it has {size}");
            scan.find(&rule::ARCHIVE_DISAGREES, Verdict::Suspicious, 0, &key, what);
        }
    }
}

fn member(scan: &mut Scan<'_>, view: View<'_>, entry: &Entry, archive: &Archive) {
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
            if archive.is_storage(&entry.name) {
                return numbers(scan, part);
            }
            match checksum(part) {
                Ok(sum) if sum == entry.checksum => {}
                Ok(_) => wrong_sum(scan, entry),
                Err(stop) => scan.stopped(stop, 0),
            }
            judged(scan, &mut Feed::view(part), &entry.name, archive);
        }
        8 | 12 => {
            let packing = if entry.method == 8 {
                Packing::Deflate
            } else {
                Packing::Bzip2
            };
            packed(scan, part, entry, packing, archive);
        }
        method => {
            let what = format!("`{}` is packed by method {method}", entry.name);
            scan.find(&rule::ARCHIVE_UNSUPPORTED, Verdict::Unknown, 0, &entry.name, what);
        }
    }
}

/// A look at the first bytes: a storage that begins as a pickle which runs code is one on purpose.
fn numbers(scan: &mut Scan<'_>, part: View<'_>) {
    let head = part.bytes(0, 4).unwrap_or_default();
    let zip = head == b"PK\x03\x04"
        && scan.tries(|scan| format::whole(scan, part, "numbers")) >= Verdict::Suspicious;
    let begins = matches!(head.as_slice(), [0x80, 0..=5, ..]) || pickle::may_begin(&head);
    if zip || begins && pickle::probe(scan, part) >= Verdict::Malicious {
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

/// Judges a member as every loader does that would read it.
fn judged(scan: &mut Scan<'_>, feed: &mut Feed<'_>, name: &str, archive: &Archive) {
    let last = name.rsplit('/').next().unwrap_or_default();
    let script = archive.is(Use::TorchScript) && name.split('/').any(|part| part == "code");
    match last {
        "bytecode.pkl" => whole(scan, feed, |scan, text| {
            torchscript::bytecode(scan, text);
            pickle::stream(
                &mut Feed::view(View::all(&text.to_vec())),
                scan,
                &pickle::Context::TORCH,
            );
        }),
        _ if archive.is(Use::Torch) && last.ends_with(".pkl") => {
            pickle::stream(feed, scan, &pickle::Context::TORCH);
        }
        _ if script && last.ends_with(".py") => whole(scan, feed, torchscript::source),
        "config.json" => whole(scan, feed, |scan, text| {
            if archive.is(Use::Keras) || keras::is_one(text) {
                keras::config(scan, text);
            } else {
                format::whole(scan, View::all(&text.to_vec()), name);
            }
        }),
        "schema.json" => whole(scan, feed, |scan, text| {
            if !skops::schema(scan, text) {
                format::whole(scan, View::all(&text.to_vec()), name);
            }
        }),
        "config.txt" => whole(scan, feed, |scan, text| {
            literal::all(scan, text);
            format::whole(scan, View::all(&text.to_vec()), name);
        }),
        _ if archive.unpickles(name) => _ = format::unpickled(scan, feed, name),
        _ => _ = format::member(scan, feed, name),
    }
}

/// A document that is read whole, within the limit.
fn whole(scan: &mut Scan<'_>, feed: &mut Feed<'_>, judge: impl FnOnce(&mut Scan<'_>, &[u8])) {
    match feed.rest(scan.limits.document_bytes) {
        Ok(text) => judge(scan, &text),
        Err(stop) => scan.stopped(stop, 0),
    }
}

fn packed(scan: &mut Scan<'_>, part: View<'_>, entry: &Entry, packing: Packing, archive: &Archive) {
    let mut summed = Summed {
        inner: match packing.unpack(Cursor::new(part)) {
            Ok(unpacked) => scan.metered(unpacked),
            Err(fault) => return scan.stopped(fault.into(), 0),
        },
        hasher: crc32fast::Hasher::new(),
        size: 0,
    };
    {
        let mut feed = Feed::stream(Box::new(&mut summed));
        if archive.is_storage(&entry.name) {
            match feed.peek(BUFFER) {
                Ok(head) => numbers(scan, View::all(&head.to_vec())),
                Err(stop) => return scan.stopped(stop, 0),
            }
        } else {
            judged(scan, &mut feed, &entry.name, archive);
        }
    }
    if let Err(fault) = io::copy(&mut summed, &mut io::sink()) {
        return scan.stopped(fault.into(), 0);
    }
    if summed.size != entry.size || summed.hasher.finalize() != entry.checksum {
        wrong_sum(scan, entry);
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
