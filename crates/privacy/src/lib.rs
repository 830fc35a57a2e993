//! The vault: values that nobody on the way may see become typed tokens, and tokens become values again where that
//! was ruled on.
//!
//! A token is stable within its scope (a session or a tenant), says its kind, and can't be guessed: it is a keyed hash
//! of scope, kind and value, of 100 bits. It says nothing else, and it is worth nothing outside its vault. What stands
//! in for a value where a schema wants its format ([`Shape`]) can be shorter than that, so it is restored only where it
//! is the whole of an argument.
//!
//! What this crate refuses to do: find values (detectors do), decide who may read one (policy does), and restore what
//! it did not hand out. INVARIANT: the bytes that a [`Masker`] or a [`Restorer`] gives do not depend on how its input
//! was cut (`stream::tests`); a token of one vault is no token of another (`vault::tests`).

mod index;
mod kind;
mod shape;
mod stream;
mod token;
mod vault;

pub use kind::{Kind, KindFault};
pub use shape::Shape;
pub use stream::{Detect, Found, Masker, Restorer, Window, mask};
pub use token::{escape, is_token, names, tokens};
pub use vault::{Bounds, Claimed, Full, Revealed, Vault, VaultFault};
