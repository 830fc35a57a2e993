//! Information flow at the crossing: where each argument of a call came from, and whether the human asked for the call.
//!
//! The crate labels results, remembers what a session read, and traces arguments back to it. It rules on nothing by
//! itself: [`decide`] is the reference that the policy packs mirror. Provenance is *positive*: a value passes because a
//! trusted source holds it, never because no untrusted one was found to, so encoding or renaming a hostile value gains
//! nothing. It refuses to guess: what has no manifest, no label or no canonical form is unknown, nobody's and free text.
//!
//! INVARIANT: no gated argument of an allowed consequential call has a value that only outsiders wrote
//! (`tests/small_world.rs`); an added untrusted read never turns ask or deny into allow (`tests/laws.rs`),
//! but for one: a link that a web search found may be fetched, which is not consequential, where the human wants something
//! found out.

mod amount;
mod asked;
mod assess;
mod audience;
mod builtin;
pub mod canon;
mod codes;
mod decide;
mod deed;
mod derived;
mod echo;
mod extremes;
mod infer;
mod intent;
mod label;
mod leaves;
mod mailbox;
mod manifest;
mod meant;
mod memory;
mod named;
mod near;
mod people;
mod pointed;
mod prompt;
pub mod reference;
mod relative;
mod roles;
pub mod shell;
mod singled;
mod speech;
mod step;
mod tokens;
mod typed;
pub mod when;
mod wording;
mod words;

pub use amount::Amount;
pub use assess::{Argument, Assessment, assess};
pub use bartizan_types::flow::{Called, Effect, Joined, Role, Source};
pub use builtin::tool_steps;
pub use decide::{Decision, Reason, decide};
pub use echo::Echoes;
pub use infer::{Because, Inferred, ToolFacts, infer};
pub use intent::Intent;
pub use label::{Capacity, Label, Readers, Writers};
pub use leaves::{ArgumentLeaf, leaves};
pub use manifest::{Class, Manifest, PathPattern};
pub use memory::{Content, Found, Memory};
pub use near::Near;
pub use step::{Step, TOOLS, result_manifest, steps_flows};
pub use typed::typed;
