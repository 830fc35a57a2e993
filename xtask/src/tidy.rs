//! What the compiler can't see: arrows between crates, sizes, names, egress, and that the papers are true.
//!
//! Each check returns its problems, so one run shows all of them. Exceptions are listed with a reason in
//! `xtask/exceptions.toml`; one that no longer excuses anything is a problem itself.

mod arrows;
mod egress;
mod exceptions;
mod names;
mod papers;
mod sizes;

use crate::{Outcome, changelog, codegen, outcome};

/// Runs every check.
pub(crate) fn run() -> Outcome {
    let mut problems = Vec::new();
    let mut exceptions = exceptions::load()?;
    let sources = sizes::rust_sources()?;
    problems.extend(arrows::check(&sources));
    problems.extend(sizes::check(&sources, &mut exceptions));
    problems.extend(names::check(&sources));
    problems.extend(egress::check(&sources, &mut exceptions));
    problems.extend(papers::check(&sources));
    problems.extend(changelog::check());
    problems.extend(exceptions.stale());
    if let Err(drift) = codegen::run_static(codegen::Mode::Check) {
        problems.extend(drift);
    }
    outcome(problems)
}
