//! What an operator can do about a ruling over a definition, as a command that can be pasted.

use bartizan_types::{FindingKind, PinState, Record, Resource};

/// The next step, where a definition of a server or a peer's card is not as it was approved, is new, or can't be used.
pub(super) fn pins(record: &Record) -> Option<String> {
    let facts = record.facts.as_ref()?;
    let server = match &facts.resource {
        Resource::Tool { server, .. }
        | Resource::Server { server }
        | Resource::McpResource { server, .. }
        | Resource::Prompt { server, .. } => server.to_string(),
        Resource::Peer { peer } => format!("peer/{peer}"),
        _ => return None,
    };
    let seen = |kind| record.findings.iter().any(|finding| finding.kind == kind);
    let shows = if facts.pin == PinState::Changed || seen(FindingKind::PinChanged) {
        "shows what changed, and the command that accepts it"
    } else if facts.pin == PinState::Unlisted {
        "tells why it can't be used; the server has to mend it"
    } else if seen(FindingKind::PinAdded) {
        "shows what is new, and the command that accepts it"
    } else {
        return None;
    };
    Some(format!("`bartizan tools diff {server}` {shows}"))
}
