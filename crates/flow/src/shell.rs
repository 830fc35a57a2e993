//! A command line of a shell, read before it runs: what it would read, write, delete, run, and where it would send.
//!
//! [`parse`] accepts a bounded part of the POSIX and bash languages and refuses the rest; [`steps`] says what the parsed
//! line does, as calls of a few plain tools on which [`crate::assess()`] and [`crate::decide()`] can rule. It refuses to
//! guess: what does not parse, what is only known when it runs (`eval`, `$x` as a command, code on standard input) and
//! every option that the table does not list becomes a step of unknown effect, which asks.
//!
//! INVARIANT: text that a shell would run is either in the steps or makes one of them unknown; quoting, splitting and
//! renaming a command changes neither (`tests/shell.rs`).

mod brace;
mod parser;
mod place;
mod scripts;
mod spend;
mod syntax;
mod table;
mod text;
mod walk;
mod word;
mod wrap;

pub use place::Workspace;
pub(crate) use place::is_secret;
pub use syntax::{Command, Part, Pipeline, Redirect, RedirectKind, Script, Simple, Word};
pub use walk::steps;

use serde::{Deserialize, Serialize};

/// Longest command line that is read, in bytes.
pub const LIMIT: usize = 64 << 10;
/// Deepest nesting of substitutions, groups and wrapped commands.
pub(crate) const DEPTH: usize = 16;
/// Most words of one line, after brace expansion.
pub(crate) const WORDS: usize = 4096;

/// Why nobody can say what a command line does before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unclear {
    /// It is longer, deeper or wordier than what is read.
    Bound,
    /// It holds control or invisible characters, or characters that pass for others.
    Characters,
    /// It does not parse, or uses what is not read (functions, `case`, arrays).
    Syntax,
    /// Which program runs is only known when it runs.
    Dynamic,
    /// A program is given code to run that cannot be read here.
    Code,
    /// An option or a way of calling the program that the table does not list.
    Option,
    /// A variable of the environment that changes what programs do.
    Environment,
    /// It runs with other rights, or on another machine.
    Elsewhere,
}

impl Unclear {
    /// The word in records and questions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Characters => "characters",
            Self::Syntax => "syntax",
            Self::Dynamic => "dynamic",
            Self::Code => "code",
            Self::Option => "option",
            Self::Environment => "environment",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// Parses a command line.
///
/// # Errors
/// [`Unclear::Bound`], [`Unclear::Characters`], [`Unclear::Syntax`].
pub fn parse(line: &str) -> Result<Script, Unclear> {
    if line.len() > LIMIT {
        return Err(Unclear::Bound);
    }
    text::plain(line)?;
    parser::parse(line)
}
