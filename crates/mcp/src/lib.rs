//! MCP without IO: everything that changes with MCP revisions lives here.
//!
//! The crate turns messages into facts (which [`types::Action`](bartizan_types::Action) on which resource), keeps
//! the two sides of a bridge apart (ids, progress tokens, revisions), publishes many servers under one roof of
//! names, pins what servers say of themselves, and checks arguments against pinned schemas. It opens nothing, waits
//! for nothing and reads no clock: bytes and `now` come in, bytes and values go out.
//!
//! INVARIANT: no message is dropped in silence. Each is forwarded as a ruled call, answered by us, or refused with
//! a code. Ids chosen by one side never reach the other.

pub mod header;
pub mod import;
pub mod link;
pub mod listing;
pub mod message;
pub mod method;
pub mod name;
pub mod pin;
pub mod refusal;
pub mod revision;
pub mod schema;
pub mod session;

pub use link::{Ask, Caller, Event, Link, Outcome};
pub use listing::{Catalog, ListKind, Listed};
pub use message::Params;
pub use method::{Method, Side};
pub use name::Names;
pub use pin::{PinKind, ServerPins};
pub use revision::Revision;
pub use schema::{Mismatch, Schema};
