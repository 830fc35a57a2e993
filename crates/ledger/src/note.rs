//! Signed heads: C2SP tlog-checkpoint v1.0.0 inside a C2SP signed-note v1.0.0, Ed25519.
//!
//! Refuses a note without a valid signature by the one key it is asked about; signatures by other keys (witnesses)
//! are skipped, as signed-note says. INVARIANT: a [`SignedCheckpoint`] was signed here or passed
//! [`Verifier::verify`] or [`crate::keys::LogKeys::verify`]; its text is exactly what was signed. (`scan` holds unverified ones while it reads, inside
//! this crate, and hands out only the last, verified.)

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use bartizan_types::Digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::entry::{digest_of, hash};

/// Longest accepted note, in bytes.
pub const NOTE_MAX_BYTES: usize = 16 << 10;
/// Longest accepted origin, in bytes.
pub const ORIGIN_MAX_BYTES: usize = 200;
/// Signed-note's number for Ed25519.
const ED25519_TYPE: u8 = 1;

/// Why a note, key or origin is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteFault {
    /// Not the shape of a signed note or of a checkpoint.
    #[error("this is not a signed checkpoint")]
    Shape,
    /// Larger than [`NOTE_MAX_BYTES`].
    #[error("the note is larger than {NOTE_MAX_BYTES} bytes")]
    TooLarge,
    /// The origin is not the key's.
    #[error("the checkpoint is of another log")]
    Origin,
    /// No signature by this key.
    #[error("the checkpoint is not signed by the expected key")]
    Unsigned,
    /// A signature by this key that is wrong.
    #[error("the checkpoint's signature is wrong")]
    Signature,
    /// Signed by a key of this log that another had followed before this head.
    #[error("the checkpoint is signed only by a key that was retired before it")]
    Retired,
    /// Not a verifier key.
    #[error("this is not a verifier key")]
    Vkey,
    /// An origin must be 1 to 200 bytes of printable ASCII without `+`.
    #[error("the origin is not printable ASCII without spaces or `+`")]
    Name,
}

/// Size and root of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Records.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root.0)
        )
    }

    pub(crate) fn parse(text: &str) -> Result<Self, NoteFault> {
        let mut lines = text.strip_suffix('\n').ok_or(NoteFault::Shape)?.split('\n');
        let mut line = || lines.next().ok_or(NoteFault::Shape);
        let (origin, size, root) = (line()?, line()?, line()?);
        check_origin(origin)?;
        let canonical = size.len() <= 20 && size.bytes().all(|b| b.is_ascii_digit());
        if !canonical || (size.len() > 1 && size.starts_with('0')) {
            return Err(NoteFault::Shape);
        }
        let root = STANDARD.decode(root).map_err(|_| NoteFault::Shape)?;
        if root.len() != 32 {
            return Err(NoteFault::Shape);
        }
        let size = size.parse().map_err(|_| NoteFault::Shape)?;
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root: digest_of(&root),
        })
    }
}

/// A checkpoint with the note it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
}

impl SignedCheckpoint {
    /// For a scan that verifies only the last of many heads, and drops this one.
    pub(crate) fn unverified(note: &str) -> Result<Self, NoteFault> {
        Ok(Self {
            checkpoint: peek(note)?,
            note: note.to_owned(),
        })
    }

    /// Size and root.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The whole note, signatures included.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }
}

/// Signs heads of one log.
pub struct Signer {
    pair: Ed25519KeyPair,
    verifier: Verifier,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key", &self.verifier).finish()
    }
}

impl Signer {
    /// From an Ed25519 seed (RFC 8032 section 5.1.5).
    ///
    /// # Errors
    /// [`NoteFault::Name`] for a bad origin, [`NoteFault::Vkey`] should the library refuse the seed.
    pub fn from_seed(origin: &str, seed: &[u8; 32]) -> Result<Self, NoteFault> {
        check_origin(origin)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteFault::Vkey)?;
        let key: [u8; 32] = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| NoteFault::Vkey)?;
        let verifier = Verifier {
            id: key_id(origin, &key),
            origin: origin.to_owned(),
            key,
        };
        Ok(Self { pair, verifier })
    }

    /// The public side.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Signs the head of this log.
    #[must_use]
    pub fn sign(&self, size: u64, root: Digest) -> SignedCheckpoint {
        let checkpoint = Checkpoint {
            origin: self.verifier.origin.clone(),
            size,
            root,
        };
        let text = checkpoint.text();
        let note = format!("{text}\n{}", self.line(&text));
        SignedCheckpoint { checkpoint, note }
    }

    /// The signature line over a note's text, its newline included.
    pub(crate) fn line(&self, text: &str) -> String {
        let signature = self.pair.sign(text.as_bytes());
        let mut blob = self.verifier.id.to_vec();
        blob.extend_from_slice(signature.as_ref());
        format!("\u{2014} {} {}\n", self.verifier.origin, STANDARD.encode(blob))
    }
}

/// Checks heads of one log.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    origin: String,
    id: [u8; 4],
    key: [u8; 32],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.vkey())
    }
}

impl Verifier {
    /// Reads a vkey: `name+hash+key`, the hash in hex, type and key in base64.
    ///
    /// # Errors
    /// [`NoteFault::Vkey`], also where the hash is not the key's.
    pub fn parse(vkey: &str) -> Result<Self, NoteFault> {
        let mut parts = vkey.trim_end().splitn(3, '+');
        let mut part = || parts.next().ok_or(NoteFault::Vkey);
        let (origin, id, key) = (part()?, part()?, part()?);
        check_origin(origin)?;
        let raw = STANDARD.decode(key).map_err(|_| NoteFault::Vkey)?;
        let (&[ED25519_TYPE], key) = raw.split_first_chunk::<1>().ok_or(NoteFault::Vkey)? else {
            return Err(NoteFault::Vkey);
        };
        let key: [u8; 32] = key.try_into().map_err(|_| NoteFault::Vkey)?;
        let expected = key_id(origin, &key);
        if id != hex4(expected) {
            return Err(NoteFault::Vkey);
        }
        Ok(Self {
            origin: origin.to_owned(),
            id: expected,
            key,
        })
    }

    /// The text that [`Verifier::parse`] reads.
    #[must_use]
    pub fn vkey(&self) -> String {
        let mut key = vec![ED25519_TYPE];
        key.extend_from_slice(&self.key);
        format!("{}+{}+{}", self.origin, hex4(self.id), STANDARD.encode(key))
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Checks a note and reads its checkpoint.
    ///
    /// # Errors
    /// [`NoteFault`] names the first thing wrong.
    pub fn verify(&self, note: &str) -> Result<SignedCheckpoint, NoteFault> {
        let parts = parts(note)?;
        let checkpoint = Checkpoint::parse(parts.text)?;
        if checkpoint.origin != self.origin {
            return Err(NoteFault::Origin);
        }
        if self.signed(&parts)? {
            Ok(verified(checkpoint, note))
        } else {
            Err(NoteFault::Unsigned)
        }
    }

    /// Whether this key signed a note.
    ///
    /// # Errors
    /// [`NoteFault::Signature`] for a signature in its name that is wrong.
    pub(crate) fn signed(&self, note: &Parts<'_>) -> Result<bool, NoteFault> {
        let mut signed = false;
        let mine = |line: &&Line<'_>| line.name == self.origin && line.id == self.id;
        for line in note.lines.iter().filter(mine) {
            UnparsedPublicKey::new(&ED25519, self.key)
                .verify(note.text.as_bytes(), &line.signature)
                .map_err(|_| NoteFault::Signature)?;
            signed = true;
        }
        Ok(signed)
    }
}

/// Splits concatenated notes, as the witness file keeps them. Nothing is verified.
#[must_use]
pub fn split_notes(notes: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut at, mut signed) = (0, 0, false);
    for line in notes.split_inclusive('\n') {
        let signature = line.starts_with("\u{2014} ");
        if signed && !signature {
            found.push(notes.get(start..at).unwrap_or_default());
            start = at;
        }
        signed = signature;
        at = at.saturating_add(line.len());
    }
    if start < at {
        found.push(notes.get(start..at).unwrap_or_default());
    }
    found
}

/// Notes in a row up to the end of the last whole one: what a crash left of another behind it is left out.
#[must_use]
pub fn whole_notes(notes: &str) -> &str {
    let (mut at, mut end) = (0_usize, 0);
    for line in notes.split_inclusive('\n') {
        at = at.saturating_add(line.len());
        if line.starts_with("\u{2014} ") && line.ends_with('\n') {
            end = at;
        }
    }
    notes.get(..end).unwrap_or_default()
}

/// Reads the checkpoint of a note without checking any signature.
///
/// # Errors
/// [`NoteFault::Shape`] or [`NoteFault::TooLarge`].
pub fn peek(note: &str) -> Result<Checkpoint, NoteFault> {
    split_note(note).and_then(|(text, _)| Checkpoint::parse(text))
}

/// A note taken apart. Nothing is verified.
pub(crate) struct Parts<'a> {
    /// What is signed.
    pub(crate) text: &'a str,
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    name: &'a str,
    id: [u8; 4],
    signature: Vec<u8>,
}

/// Takes a note apart.
pub(crate) fn parts(note: &str) -> Result<Parts<'_>, NoteFault> {
    let (text, signatures) = split_note(note)?;
    let lines = signatures
        .lines()
        .map(|line| Line::parse(line).ok_or(NoteFault::Shape));
    Ok(Parts {
        text,
        lines: lines.collect::<Result<_, _>>()?,
    })
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let blob = STANDARD.decode(blob).ok()?;
        let (id, signature) = blob.split_first_chunk::<4>()?;
        Some(Self {
            name,
            id: *id,
            signature: signature.to_vec(),
        })
    }
}

/// A checkpoint whose note its caller has just verified or signed.
pub(crate) fn verified(checkpoint: Checkpoint, note: &str) -> SignedCheckpoint {
    SignedCheckpoint {
        checkpoint,
        note: note.to_owned(),
    }
}

fn split_note(note: &str) -> Result<(&str, &str), NoteFault> {
    if note.len() > NOTE_MAX_BYTES {
        return Err(NoteFault::TooLarge);
    }
    // signed-note: the last blank line splits; the text keeps its own newline.
    let at = note.rfind("\n\n").ok_or(NoteFault::Shape)?.saturating_add(1);
    let (text, rest) = note.split_at_checked(at).ok_or(NoteFault::Shape)?;
    let signatures = rest.strip_prefix('\n').ok_or(NoteFault::Shape)?;
    if !signatures.ends_with('\n') || note.bytes().any(|b| b < 0x20 && b != b'\n') {
        return Err(NoteFault::Shape);
    }
    Ok((text, signatures))
}

/// Whether a text may name a log.
///
/// # Errors
/// [`NoteFault::Name`].
pub fn check_origin(origin: &str) -> Result<(), NoteFault> {
    let fits = (1..=ORIGIN_MAX_BYTES).contains(&origin.len());
    let clean = origin.bytes().all(|b| b.is_ascii_graphic() && b != b'+');
    if fits && clean {
        Ok(())
    } else {
        Err(NoteFault::Name)
    }
}

fn key_id(origin: &str, key: &[u8; 32]) -> [u8; 4] {
    let Digest(full) = hash(&[origin.as_bytes(), b"\n", &[ED25519_TYPE], key]);
    let [a, b, c, d, ..] = full;
    [a, b, c, d]
}

fn hex4(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The key and note of the C2SP signed-note page's example use another name; this is the one of Go's
    /// `sumdb/note` documentation, which is the format's origin.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn reads_a_key_made_by_another_implementation() {
        let verifier = Verifier::parse(PETER).expect("a valid key");
        assert_eq!(verifier.origin(), "PeterNeumann");
        assert_eq!(verifier.vkey(), PETER);
        let forged = PETER.replace("c74f20a3", "c74f20a4");
        assert_eq!(Verifier::parse(&forged), Err(NoteFault::Vkey));
    }

    #[test]
    fn a_signed_head_verifies_and_nothing_else_does() {
        let signer = Signer::from_seed("example.org/log", &[7; 32]).expect("a seed");
        let signed = signer.sign(42, Digest([9; 32]));
        assert_eq!(signer.verifier().verify(signed.note()), Ok(signed.clone()));
        let other = Signer::from_seed("example.org/log", &[8; 32]).expect("a seed");
        assert_eq!(other.verifier().verify(signed.note()), Err(NoteFault::Unsigned));
        let moved = signed.note().replace("\n42\n", "\n43\n");
        assert_eq!(signer.verifier().verify(&moved), Err(NoteFault::Signature));
        let padded = signed.note().replace("\n42\n", "\n042\n");
        assert_eq!(signer.verifier().verify(&padded), Err(NoteFault::Shape));
        let elsewhere = Signer::from_seed("example.org/other", &[7; 32]).expect("a seed");
        assert_eq!(elsewhere.verifier().verify(signed.note()), Err(NoteFault::Origin));
    }

    #[test]
    fn notes_in_a_row_are_told_apart() {
        let signer = Signer::from_seed("example.org/log", &[7; 32]).expect("a seed");
        let heads: Vec<_> = (0..4).map(|size| signer.sign(size, Digest([9; 32]))).collect();
        let text: String = heads.iter().map(SignedCheckpoint::note).collect();
        let read = |text: &str| -> Result<Vec<_>, NoteFault> {
            let notes = split_notes(text).into_iter();
            notes.map(|note| signer.verifier().verify(note)).collect()
        };
        assert_eq!(read(&text), Ok(heads));
        assert_eq!(read(""), Ok(Vec::new()));
        assert!(read(&text[..text.len() - 9]).is_err());
    }

    proptest! {
        #[test]
        fn hostile_notes_never_panic(text in "\\PC{0,200}", cut in 0_usize..300) {
            let signer = Signer::from_seed("o", &[7; 32]).expect("a seed");
            let _ = signer.verifier().verify(&text);
            let note = signer.sign(5, Digest([1; 32])).note().to_owned();
            if let Some(head) = note.get(..cut.min(note.len() - 1)) {
                prop_assert!(signer.verifier().verify(head).is_err());
            }
        }
    }
}
