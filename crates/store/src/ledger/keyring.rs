//! The ledger's own keys, each wrapped by one key from outside: the signer, the index key, one data key per segment.
//!
//! One small text file, replaced whole (write, sync, rename, sync the directory), so that rotating the outer key is
//! atomic and touches no record. A row is `name base64`. Refuses a file with any line it does not understand.
//! Once the signer has changed, or is about to, the file is of version 2 and may have rows of three more sorts: the
//! signer that is to come, retired ones that still sign, each with the time until when, and the statements by which
//! each key named the next, which are public and as they are. A file of version 1 has none of these.

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::rand;
use bartizan_ledger::{
    KeyFault, LogKeys, Signer, Signers, Succession,
    seal::{DataKey, unwrap_secret, wrap},
};
use bartizan_types::Timestamp;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    medium::{Medium, OpenMode},
    words::{Damage, LedgerFault, io},
};

const FILE: &str = "keys";
const NEW_FILE: &str = "keys.new";
const FIRST_LINE: &str = "bartizan-ledger-keys v1";
const FIRST_LINE_CHANGED: &str = "bartizan-ledger-keys v2";
/// The key that signs heads.
pub(super) const SIGNER: &str = "signer";
/// The key that is to follow it, until the log says that it does.
const NEXT: &str = "signer-next";
/// Retired keys that still sign: `retiring/INDEX/UNTIL`, the change's record and microseconds since 1970.
const RETIRING: &str = "retiring/";
/// Statements: `succession/INDEX`, in clear.
const SUCCESSION: &str = "succession/";
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
    outer: WrappingKey,
    rows: BTreeMap<String, Vec<u8>>,
}

/// Whether a row is there only where the signer changed or is about to.
fn of_changes(name: &str) -> bool {
    name == NEXT || name.starts_with(RETIRING) || name.starts_with(SUCCESSION)
}

/// What the rows say about who signs.
pub(super) struct Signing {
    /// The signers that the file names.
    pub(super) signers: Signers,
    /// The one prepared to follow, if a change was begun and not finished.
    pub(super) next: Option<Arc<Signer>>,
}

pub(super) fn segment_row(number: u32) -> String {
    format!("segment/{number:08}")
}

impl Keyring {
    /// Reads the file, or starts an empty ring.
    pub(super) fn load(medium: &dyn Medium, origin: &str, under: WrappingKey) -> Result<Self, LedgerFault> {
        let mut ring = Self {
            origin: origin.to_owned(),
            outer: under,
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
        let first = lines.next();
        let changed = first == Some(FIRST_LINE_CHANGED);
        if !(changed || first == Some(FIRST_LINE)) || !text.ends_with('\n') {
            return Err(damaged(1));
        }
        for (at, line) in lines.enumerate() {
            let (name, value) = line.split_once(' ').ok_or_else(|| damaged(at + 2))?;
            let value = STANDARD.decode(value).map_err(|_| damaged(at + 2))?;
            if of_changes(name) && !changed {
                return Err(damaged(at + 2));
            }
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
        let wrapped = self.wrap(name, &secret, &self.outer)?;
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
        unwrap_secret(&self.outer.0, &self.full_name(name), wrapped).map_err(|_| LedgerFault::Keys)
    }

    /// The data key of a segment.
    pub(super) fn data_key(&self, segment: u32) -> Result<DataKey, LedgerFault> {
        DataKey::new(*self.open(&segment_row(segment))?).map_err(|_| LedgerFault::Keys)
    }

    /// The same keys under another outer key.
    pub(super) fn rewrapped(&self, under: WrappingKey) -> Result<Self, LedgerFault> {
        let mut rows = BTreeMap::new();
        for (name, row) in &self.rows {
            if name.starts_with(SUCCESSION) {
                rows.insert(name.clone(), row.clone());
                continue;
            }
            let secret = self.open(name)?;
            rows.insert(name.clone(), self.wrap(name, &secret, &under)?);
        }
        Ok(Self {
            origin: self.origin.clone(),
            outer: under,
            rows,
        })
    }

    /// Who signs, by the rows.
    pub(super) fn signing(&self) -> Result<Signing, LedgerFault> {
        let damaged = |_| LedgerFault::Corrupt(Damage::KeyFile(0));
        let newest = self.signer(SIGNER)?;
        let mut stated = Vec::new();
        for (_, note) in self.rows_under(SUCCESSION) {
            let note = std::str::from_utf8(note).map_err(|_| damaged(()))?;
            let change = Succession::read(note).map_err(|_| damaged(()))?;
            stated.push(change);
        }
        let keys = LogKeys::gather(newest.verifier(), &stated).map_err(key_damage)?;
        let mut retiring = Vec::new();
        for (name, _) in self.rows_under(RETIRING) {
            let until = name.rsplit('/').next().and_then(|until| until.parse().ok());
            let until = until.ok_or_else(|| damaged(()))?;
            retiring.push((Timestamp::from_unix_micros(until), self.signer(name)?));
        }
        let next = self.has(NEXT).then(|| self.signer(NEXT)).transpose()?;
        Ok(Signing {
            signers: Signers::new(newest, retiring, keys).map_err(key_damage)?,
            next,
        })
    }

    fn rows_under(&self, prefix: &'static str) -> impl Iterator<Item = (&str, &[u8])> {
        let rows = self.rows.range(prefix.to_owned()..);
        rows.take_while(move |(name, _)| name.starts_with(prefix))
            .map(|(name, row)| (name.as_str(), row.as_slice()))
    }

    fn signer(&self, name: &str) -> Result<Arc<Signer>, LedgerFault> {
        let signer = Signer::from_seed(&self.origin, &*self.open(name)?);
        signer.map(Arc::new).map_err(|_| LedgerFault::Option("origin"))
    }

    /// Makes the key that is to follow the signer, in place of one that was made and never came to it.
    pub(super) fn prepare_signer(&mut self) -> Result<Arc<Signer>, LedgerFault> {
        self.mint(NEXT)?;
        self.signer(NEXT)
    }

    /// Forgets a key that was to follow the signer.
    pub(super) fn forget_prepared(&mut self) {
        self.rows.remove(NEXT);
    }

    /// The prepared key becomes the signer, as the log says; the one before it is kept as long as it signs.
    pub(super) fn promote_signer(&mut self, change: &Succession) -> Result<(), LedgerFault> {
        let (index, until) = (change.index(), change.until().unix_micros());
        let (old, new) = (self.open(SIGNER)?, self.open(NEXT)?);
        for (name, secret) in [
            (format!("{RETIRING}{index:020}/{until:020}"), old),
            (SIGNER.to_owned(), new),
        ] {
            let wrapped = self.wrap(&name, &secret, &self.outer)?;
            self.rows.insert(name, wrapped);
        }
        let note = change.note().as_bytes().to_vec();
        self.rows.insert(format!("{SUCCESSION}{index:020}"), note);
        self.rows.remove(NEXT);
        Ok(())
    }

    /// Destroys retired signers whose time is over; says whether there were any.
    pub(super) fn drop_ended(&mut self, now: Timestamp) -> bool {
        let before = self.rows.len();
        self.rows.retain(|name, _| {
            let until = name
                .strip_prefix(RETIRING)
                .and_then(|rest| rest.split('/').next_back());
            let until = until.and_then(|until| until.parse::<u64>().ok());
            until.is_none_or(|until| until > now.unix_micros())
        });
        self.rows.len() < before
    }

    /// Replaces the file, durably.
    pub(super) fn save(&self, medium: &dyn Medium) -> std::io::Result<()> {
        let changed = self.rows.keys().any(|name| of_changes(name));
        let first = if changed { FIRST_LINE_CHANGED } else { FIRST_LINE };
        let mut text = format!("{first}\n");
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

/// What the statements say together is wrong.
pub(super) const fn key_damage(fault: KeyFault) -> LedgerFault {
    LedgerFault::Corrupt(Damage::KeyChange(fault))
}
