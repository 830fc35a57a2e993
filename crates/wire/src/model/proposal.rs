//! Tool calls in answers.

use bartizan_types::Code;
use serde_json::value::RawValue;

use super::Fault;
use crate::json::{self, Bounds};

/// Who runs a proposed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProposalKind {
    /// A function tool that the agent declared; arguments are its JSON.
    Function,
    /// A free-text tool that the agent declared; arguments are one JSON string.
    Custom,
    /// A tool of the API's own that the agent runs (computer, local shell); arguments are the whole item.
    Builtin,
    /// A tool the provider ran or wants to run; arguments are the whole item.
    Hosted,
}

/// A tool call in a model's answer.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Position among the answer's calls, from 0.
    pub index: u32,
    /// The choice it is in.
    pub choice: u32,
    /// Who would run it.
    pub kind: ProposalKind,
    /// The call's id; empty for the deprecated `function_call`.
    pub id: String,
    /// The tool. For the API's own tools the item's type without `_call`.
    pub name: String,
    /// Strictly scanned arguments.
    pub arguments: Box<RawValue>,
}

/// A call whose pieces are whole but unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) choice: u32,
    pub(super) kind: ProposalKind,
    pub(super) id: String,
    pub(super) name: String,
    /// For functions the JSON, empty where the API lets a call without arguments be; for custom tools the bare
    /// text; for the others the item's JSON.
    pub(super) arguments: String,
}

impl Whole {
    /// Checks the call and gives it its place.
    pub(super) fn propose(self, index: u32, argument_bytes: usize) -> Result<Proposal, Fault> {
        if self.name.is_empty() {
            return Err(malformed());
        }
        if self.arguments.len() > argument_bytes {
            return Err(Fault::new(Code::UpstreamTooLarge, argument_bytes));
        }
        let text = match self.kind {
            ProposalKind::Function if self.arguments.trim_ascii().is_empty() => "{}".to_owned(),
            ProposalKind::Custom => serde_json::Value::from(self.arguments).to_string(),
            _ => self.arguments,
        };
        json::scan(text.as_bytes(), &Bounds::default()).map_err(Fault::of_upstream)?;
        let arguments = RawValue::from_string(text).map_err(|_| malformed())?;
        Ok(Proposal {
            index,
            choice: self.choice,
            kind: self.kind,
            id: self.id,
            name: self.name,
            arguments,
        })
    }
}

/// An answer that contradicts itself or its API.
pub(super) const fn malformed() -> Fault {
    Fault::new(Code::UpstreamMalformed, 0)
}
