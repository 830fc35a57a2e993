//! The tamper-evident log as values: entries, hash tree, proofs, signed heads, frames, recovery and verification.
//!
//! Sans-IO: every function takes bytes and values and returns values; files, clocks, threads and randomness belong
//! to `store`. What it refuses: an entry of an unknown version, a frame that fails its checks, a proof or head that
//! does not verify, and any log whose files disagree with a signed head. Nothing here panics on hostile bytes.

#![forbid(unsafe_code)]

mod entry;
pub mod frame;
pub mod keys;
pub mod note;
mod proof;
pub mod scan;
pub mod seal;
pub mod tile;
pub mod tree;
pub mod verify;

pub use entry::{ENTRY_BYTES, Entry, EntryFault, commit, digest, leaf_hash};
pub use keys::{KeyFault, LogKeys, Signers, Succession};
pub use note::{Checkpoint, NoteFault, SignedCheckpoint, Signer, Verifier};
pub use proof::{InclusionFault, InclusionProof, Proven};
pub use tree::{ProofFault, Tree, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use verify::{Audit, Report, Verdict, VerifyFault};
