//! The syntax tree of a command line.

/// A list of pipelines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// In order; which of them run depends on the ones before, so all count.
    pub pipelines: Vec<Pipeline>,
}

/// Commands joined by pipes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// In order.
    pub commands: Vec<Command>,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A program with its arguments.
    Simple(Simple),
    /// A subshell, a group, a loop, a condition: the lists in it, the words it loops over, and its redirections.
    Compound {
        /// What may run.
        parts: Vec<Script>,
        /// What a `for` goes through.
        words: Vec<Word>,
        /// Redirections of the whole.
        redirects: Vec<Redirect>,
    },
}

/// Assignments, words and redirections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Simple {
    /// `NAME=value` before the program.
    pub assignments: Vec<(String, Word)>,
    /// The program and its arguments, after brace expansion.
    pub words: Vec<Word>,
    /// Redirections.
    pub redirects: Vec<Redirect>,
}

/// One redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// What it does.
    pub kind: RedirectKind,
    /// The file, the descriptor, or the text.
    pub target: Word,
}

/// What a redirection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectKind {
    /// `<`
    Read,
    /// `>`, `>>`, `>|`, `&>`, `&>>`, `>&file`
    Write,
    /// `<>`
    Both,
    /// `2>&1`, `<&3`, `>&-`
    Duplicate,
    /// `<<`, `<<<`
    Text,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    /// Joined, they are the word.
    pub parts: Vec<Part>,
    /// Some of it was quoted or escaped, so it is no reserved word.
    pub quoted: bool,
}

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Itself.
    Text(String),
    /// `*`, `?` or `[`, unquoted.
    Glob(char),
    /// The value of a variable.
    Variable(String),
    /// A number that is computed, a sequence, a value with an operator: unknown, and runs nothing.
    Unknown,
    /// What a command prints.
    Command(Script),
    /// A pipe to or from a command.
    Process(Script),
    /// `{`, `,` or `}`, unquoted; gone once braces are expanded.
    Mark(char),
}

impl Word {
    /// Its text, if that is known before it runs.
    #[must_use]
    pub fn value(&self) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(piece) => text.push_str(piece),
                Part::Mark(c) => text.push(*c),
                Part::Glob('[') if self.parts.len() == 1 => text.push('['),
                _ => return None,
            }
        }
        Some(text)
    }

    /// Its text as far as it is known, and marks for the rest.
    #[must_use]
    pub fn shown(&self) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(piece) => piece.clone(),
                Part::Glob(c) | Part::Mark(c) => c.to_string(),
                Part::Variable(name) => format!("${name}"),
                Part::Unknown => "$?".into(),
                Part::Command(_) => "$()".into(),
                Part::Process(_) => "<()".into(),
            })
            .collect()
    }

    /// The text before anything that is not known.
    pub(super) fn prefix(&self) -> String {
        self.parts
            .iter()
            .map_while(|part| match part {
                Part::Text(piece) => Some(piece.clone()),
                Part::Mark(c) => Some(c.to_string()),
                _ => None,
            })
            .collect()
    }

    /// Only unknown file names within one folder are in it: no variable, no substitution.
    pub(super) fn globs_only(&self) -> bool {
        self.parts
            .iter()
            .all(|part| matches!(part, Part::Text(_) | Part::Glob(_) | Part::Mark(_)))
    }

    /// Its text, if it is one bare word: reserved words, operators and names of assignments.
    pub(super) fn bare(&self) -> Option<String> {
        if self.quoted { None } else { self.value() }
    }

    pub(super) fn text(text: &str) -> Self {
        Self {
            parts: vec![Part::Text(text.to_owned())],
            quoted: true,
        }
    }

    pub(super) fn push(&mut self, c: char) {
        if let Some(Part::Text(text)) = self.parts.last_mut() {
            text.push(c);
        } else {
            self.parts.push(Part::Text(c.to_string()));
        }
    }
}
