//! Cedar policies over our own schema: loaded, validated, sliced, compiled, evaluated, explained.
//!
//! An empty policy denies. A policy whose evaluation fails denies, where plain Cedar would skip it: a `forbid` that
//! errs must not open the door it guards. Equal evidence under an equal policy gives an equal [`Decision`].

mod cedar;
mod decision;
mod diagnostic;
#[cfg(test)]
mod differential;
mod evaluate;
mod explain;
#[cfg(test)]
mod fixture;
mod load;
mod pack;
mod program;
mod request;
mod run;
mod scope;
mod selfcheck;
mod testing;
#[cfg(test)]
mod tests;
mod value;

pub use decision::Decision;
pub use diagnostic::{Diagnostic, Weight};
pub use load::{Kept, Policy, Source, Statement};
pub use pack::Pack;
pub use testing::{TestOutcome, run_tests};

/// The Cedar schema every policy is validated against, in Cedar's human-readable schema syntax.
pub const SCHEMA: &str = include_str!("../schema.cedarschema");
