//! Whose answer a message is that can't be read, as far as that can be told.
//!
//! A server that answers in bytes that we refuse answers no better later: its caller is told at once, and does not wait
//! until its patience ends. What this refuses to do: take anything from such a message but the number of the request that
//! it ends. INVARIANT: only a request of this conversation ends by it, and only without a result.

use bartizan_types::Code;
use bartizan_wire::jsonrpc::Id;

use super::{Caller, Event, Link, Pending};

/// What looks like an answer, and to which of our requests. `None`: which one can't be told.
struct Answer(Option<u64>);

impl Link {
    /// Looks at a message that [`Link::receive`] refused with this code. Where it looks like the answer to a request of ours,
    /// that request is over, as the event says. `only` is who waits for it, where its id can't be read and one alone waits.
    pub fn unread(&mut self, bytes: &[u8], code: Code, only: Option<Caller>) -> Option<Event> {
        let Answer(id) = answer(bytes)?;
        let opening = self.opening();
        let id = match id.or(opening) {
            Some(id) => id,
            None => self.only_of(only?)?,
        };
        if opening == Some(id) {
            return Some(match self.opening_refused() {
                Ok(next) => Event::Write(next),
                Err(_) => Event::Failed(code),
            });
        }
        self.lose(id, code)
    }

    /// An answer under a text that spells one of our numbers is none, and ends its request all the same.
    pub(super) fn misnamed(&mut self, id: &Id<'_>) -> Option<Event> {
        let Id::Text(text) = id else { return None };
        let id = text.parse::<u64>().ok()?;
        self.lose(id, Code::UpstreamMalformed)
    }

    fn lose(&mut self, id: u64, code: Code) -> Option<Event> {
        let Pending { caller, .. } = self.pending.remove(&id)?;
        Some(Event::Lost { caller, code })
    }

    /// The request of a caller who has no more than one in flight.
    fn only_of(&self, caller: Caller) -> Option<u64> {
        let mut own = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.caller == caller);
        match (own.next(), own.next()) {
            (Some((id, _)), None) => Some(*id),
            _ => None,
        }
    }
}

/// Reads the names of an object's members, and its `id`, and leaves the rest alone: texts may be any bytes, and nesting
/// may be any depth. `None` where it is no answer by its members: banners and logs of programs are none.
fn answer(bytes: &[u8]) -> Option<Answer> {
    let mut rest = bytes.trim_ascii_start();
    if rest.first() != Some(&b'{') {
        return None;
    }
    let (mut depth, mut ids, mut id) = (0_usize, 0_usize, None);
    let (mut speaks, mut answers, mut asks) = (false, false, false);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let (text, after) = text(rest);
                rest = after;
                let value = rest.trim_ascii_start().strip_prefix(b":");
                match value.filter(|_| depth == 1) {
                    Some(value) if text == b"id" => {
                        ids = ids.saturating_add(1);
                        id = number(value);
                    }
                    Some(_) => {
                        speaks |= text == b"jsonrpc";
                        answers |= text == b"result" || text == b"error";
                        asks |= text == b"method";
                    }
                    None => {}
                }
            }
            _ => {}
        }
    }
    if !speaks || !answers || asks {
        return None;
    }
    // Two ids are as good as none.
    Some(Answer(id.filter(|_| ids == 1)))
}

/// A text up to its closing quote, and what follows it.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut escaped = false;
    let end = bytes.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    let Some(end) = end else { return (bytes, &[]) };
    let (text, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    (text, rest.get(1..).unwrap_or_default())
}

/// A whole number, in quotes or not.
fn number(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii_start();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let end = value.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, rest) = value.split_at_checked(end.unwrap_or(value.len()))?;
    let goes_on = rest
        .first()
        .is_some_and(|next| !b"\",}".contains(next) && !next.is_ascii_whitespace());
    if goes_on {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
