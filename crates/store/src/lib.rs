//! Placeholder until this crate's first feature lands.

mod ledger;

pub use ledger::{
    Damage, Ledger, LedgerFault, LedgerOptions, LedgerStats, OpenCall, Pending, Query, Receipt, Recovered,
    StoredRecord, WrappingKey,
};
