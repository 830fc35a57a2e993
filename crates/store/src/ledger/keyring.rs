//! The ledger's own keys, each wrapped by one key from outside: the signer, the index key, one data key per segment.
//!
//! One small text file, replaced whole (write, sync, rename, sync the directory), so that rotating the outer key is
//! atomic and touches no record. A row is `name base64`. Refuses a file with any line it does not understand.

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::rand;
use bartizan_ledger::seal::{DataKey, unwrap_secret, wrap};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    medium::{Medium, OpenMode},
    words::{Damage, LedgerFault, io},
};

const FILE: &str = "keys";
const NEW_FILE: &str = "keys.new";
const FIRST_LINE: &str = "bartizan-ledger-keys v1";
/// A file larger than this is not ours: a row is about 100 bytes.
const FILE_MAX_BYTES: u64 = 64 << 20;

/// A 256-bit key that wraps other keys; the caller derives it from the master key.
#[derive(Clone)]
pub struct WrappingKey(Arc<Zeroizing<[u8; 32]>>);

impl WrappingKey {
    /// From 32 secret bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }
}

impl std::fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WrappingKey(***)")
    }
}

/// The wrapped keys and what opens them.
#[derive(Clone)]
pub(super) struct Keyring {
    origin: String,
    under: WrappingKey,
    rows: BTreeMap<String, Vec<u8>>,
}

pub(super) fn segment_row(number: u32) -> String {
    format!("segment/{number:08}")
}

impl Keyring {
    /// Reads the file, or starts an empty ring.
    pub(super) fn load(medium: &dyn Medium, origin: &str, under: WrappingKey) -> Result<Self, LedgerFault> {
        let mut ring = Self {
            origin: origin.to_owned(),
            under,
            rows: BTreeMap::new(),
        };
        let file = match medium.open(FILE, OpenMode::Read) {
            Ok(file) => file,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(ring),
            Err(fault) => return Err(io("opening the key file", fault)),
        };
        let length = file.length().map_err(|fault| io("reading the key file", fault))?;
        let damaged = |line| LedgerFault::Corrupt(Damage::KeyFile(line));
        let length = usize::try_from(length.min(FILE_MAX_BYTES + 1)).map_err(|_| damaged(0))?;
        let mut bytes = vec![0; length];
        file.read_at(&mut bytes, 0)
            .map_err(|fault| io("reading the key file", fault))?;
        let text = String::from_utf8(bytes).map_err(|_| damaged(0))?;
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) || !text.ends_with('\n') {
            return Err(damaged(1));
        }
        for (at, line) in lines.enumerate() {
            let (name, value) = line.split_once(' ').ok_or_else(|| damaged(at + 2))?;
            let value = STANDARD.decode(value).map_err(|_| damaged(at + 2))?;
            ring.rows.insert(name.to_owned(), value);
        }
        Ok(ring)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.rows.contains_key(name)
    }

    /// Makes a fresh random key under a name, replacing one that is there. Durable only after [`Keyring::save`].
    pub(super) fn mint(&mut self, name: &str) -> Result<Zeroizing<[u8; 32]>, LedgerFault> {
        let mut secret = Zeroizing::new([0; 32]);
        rand::fill(secret.as_mut_slice()).map_err(|_| LedgerFault::Keys)?;
        let wrapped = self.wrap(name, &secret, &self.under)?;
        self.rows.insert(name.to_owned(), wrapped);
        Ok(secret)
    }

    fn wrap(&self, name: &str, secret: &[u8; 32], under: &WrappingKey) -> Result<Vec<u8>, LedgerFault> {
        let mut nonce = [0; 12];
        rand::fill(&mut nonce).map_err(|_| LedgerFault::Keys)?;
        wrap(&under.0, &self.full_name(name), nonce, secret).map_err(|_| LedgerFault::Keys)
    }

    fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.origin)
    }

    /// Opens a key.
    pub(super) fn open(&self, name: &str) -> Result<Zeroizing<[u8; 32]>, LedgerFault> {
        let wrapped = self.rows.get(name).ok_or(LedgerFault::Keys)?;
        unwrap_secret(&self.under.0, &self.full_name(name), wrapped).map_err(|_| LedgerFault::Keys)
    }

    /// The data key of a segment.
    pub(super) fn data_key(&self, segment: u32) -> Result<DataKey, LedgerFault> {
        DataKey::new(*self.open(&segment_row(segment))?).map_err(|_| LedgerFault::Keys)
    }

    /// The same keys under another outer key.
    pub(super) fn rewrapped(&self, under: WrappingKey) -> Result<Self, LedgerFault> {
        let mut rows = BTreeMap::new();
        for name in self.rows.keys() {
            let secret = self.open(name)?;
            rows.insert(name.clone(), self.wrap(name, &secret, &under)?);
        }
        Ok(Self {
            origin: self.origin.clone(),
            under,
            rows,
        })
    }

    /// Replaces the file, durably.
    pub(super) fn save(&self, medium: &dyn Medium) -> std::io::Result<()> {
        let mut text = format!("{FIRST_LINE}\n");
        for (name, wrapped) in &self.rows {
            text.push_str(&format!("{name} {}\n", STANDARD.encode(wrapped)));
        }
        let file = medium.open(NEW_FILE, OpenMode::Create)?;
        file.write_at(text.as_bytes(), 0)?;
        file.sync()?;
        medium.rename(NEW_FILE, FILE)?;
        medium.sync_directory("")
    }
}
