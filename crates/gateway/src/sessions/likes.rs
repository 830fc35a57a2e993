//! What the values of a refused call are like: told to who is asked about it, and kept with its record.

use std::collections::BTreeMap;

use bartizan_flow::{Argument, Near, Role, leaves};
use bartizan_types::{Record, RulingWord};

use super::Traced;

/// Arguments that are looked at: the first that say where it goes, or which thing is meant.
const ARGUMENTS: usize = 8;

/// By the argument's path, the vouched value that an unvouched one is like.
#[derive(Debug, Default)]
pub(crate) struct Likes(BTreeMap<String, Near>);

impl Likes {
    /// Of a call that is not let through; its record is marked with them. None of any other.
    pub(crate) fn explain(record: &mut Record, traced: Option<&Traced>) -> Self {
        let refused = matches!(record.ruling, Some(RulingWord::Ask | RulingWord::Deny)) && !record.answering;
        let flow = record.facts.as_mut().and_then(|facts| facts.flow.as_mut());
        let (Some(traced), Some(flow), true) = (traced, flow, refused) else {
            return Self::default();
        };
        let likes = Self::of(traced);
        for argument in &mut flow.arguments {
            argument.like = likes.at(&argument.path).map(|near| near.like);
        }
        likes
    }

    /// What the argument at this path is like.
    pub(crate) fn at(&self, path: &str) -> Option<&Near> {
        self.0.get(path)
    }

    fn of(traced: &Traced) -> Self {
        let gated = |argument: &Argument| {
            !argument.source.vouched()
                && matches!(argument.role, Role::Target | Role::Selector | Role::Unknown)
        };
        let found = &traced.found.arguments;
        if !found.iter().any(gated) {
            return Self::default();
        }
        let (asked, _) = leaves(&traced.arguments);
        let pairs = asked.into_iter().zip(found);
        let looked = pairs
            .filter(|(leaf, argument)| leaf.path == argument.path && gated(argument))
            .take(ARGUMENTS);
        let likes = looked.filter_map(|(leaf, _)| Some((leaf.path, traced.session.near(&leaf.text)?)));
        Self(likes.collect())
    }
}
