//! What is wrong with a policy file, and where.

use std::ops::Range;

/// How much a [`Diagnostic`] weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The policy loads; the operator should look.
    Lint,
    /// The policy does not load.
    Error,
}

/// One thing wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or lint.
    pub weight: Weight,
    /// The [`crate::Source::name`] it is in.
    pub file: String,
    /// Byte range in that source; `0..0` where no place can be named.
    pub span: std::ops::Range<usize>,
    /// A lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn error(file: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            weight: Weight::Error,
            file: file.to_owned(),
            span,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
