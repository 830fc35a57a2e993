//! What outlives the process: the ledger, API keys, pins, settings and secrets, in one owner-only directory.
//!
//! [`StateDir`] locks and migrates the directory, [`MasterKey`] opens its [`Keyring`], and from the keyring come the
//! keys of [`Secrets`], of the [`Ledger`] and of the API keys that [`State`] keeps.
//!
//! What this crate refuses to do: decide (it keeps what it is given), fall back (a master key that is there and
//! unusable is a fault, not a reason to make another), and repair in silence (what does not read is a fault that names
//! its file). INVARIANT: what a function of this crate reports as written was synced.

mod approvals;
mod backup;
mod dir;
mod fault;
mod files;
mod grants;
mod keyring;
mod layout;
mod ledger;
mod master;
mod seal;
mod secrets;
mod state;
mod vaults;

pub use approvals::{ApprovalRows, ApprovalStore};
pub use backup::{BackedUp, Extent, KeepKey, LedgerFiles, Manifest, restore};
pub use bartizan_types::Secret;
pub use dir::{Peeked, StateDir};
pub use fault::{BackupFault, Fault, Insecure, SecretExists, chain};
pub use grants::GrantStore;
pub use keyring::{Keyring, Purpose};
pub use master::{MasterKey, MasterKeySource};
pub use secrets::{SecretInfo, Secrets};
pub use state::{DiskChange, Refusing, State, Trouble};
pub use vaults::VaultStore;

pub use ledger::{
    ChangeKey, Damage, Disk, Held, Journal, KeyChanged, Ledger, LedgerFault, LedgerOptions, LedgerStats,
    Medium, MediumFile, OpenCall, OpenMode, Pending, Query, Receipt, Recovered, StoredRecord, Tail,
    WrappingKey, append_notes, verify_ledger, verify_medium,
};
