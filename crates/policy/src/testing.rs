//! Policy tests as files.

use crate::{Diagnostic, Policy};

/// How one test of a test file went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// The test's name.
    pub name: String,
    /// Empty when it passed; else one sentence per difference.
    pub differences: Vec<String>,
}

impl TestOutcome {
    /// Whether everything was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Runs a test file (TOML) against a policy.
///
/// # Errors
/// The file is not a test file.
pub fn run_tests(_policy: &Policy, _file: &str, _text: &str) -> Result<Vec<TestOutcome>, Diagnostic> {
    Ok(Vec::new())
}
