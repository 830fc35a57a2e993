//! Placeholder until this crate's first feature lands.
