//! Codecs: hostile bytes to typed values, and back. No socket, no clock, no policy.
//!
//! Everything that arrives passes [`json::scan`] first; the decoders take its proof, [`json::Scanned`], and nothing
//! else. A body that two readers could read differently is refused there, so what was checked may be forwarded
//! byte for byte.

pub mod a2a;
pub mod echo;
pub mod hello;
pub mod hook;
pub mod json;
pub mod jsonrpc;
pub mod model;
pub mod place;
pub mod site;
pub mod sse;
pub mod websocket;

mod fault;

pub use fault::Fault;
