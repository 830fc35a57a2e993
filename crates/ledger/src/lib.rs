//! The tamper-evident log as values: entries, hash tree, proofs, signed heads, frames, recovery and verification.
//!
//! Sans-IO: every function takes bytes and values and returns values; files, clocks, threads and randomness belong
//! to `store`. What it refuses: an entry of an unknown version, a frame that fails its checks, a proof or head that
//! does not verify, and any log whose files disagree with a signed head. Nothing here panics on hostile bytes.

#![forbid(unsafe_code)]

mod entry;

pub use entry::{ENTRY_BYTES, Entry, EntryFault, commit, digest, leaf_hash};
