//! Messages of a gRPC stream (gRPC over HTTP/2, "Length-Prefixed-Message"): a flag, a length in four bytes, the message.

use super::{MESSAGE_BYTES_MAX, WorkloadFault};

/// The one request: an empty message, not compressed.
pub const REQUEST: [u8; 5] = [0; 5];
/// Flag and length.
const HEAD: usize = 5;

/// Cuts a stream into messages. Holds one message and its head at most.
#[derive(Default)]
pub struct Frames {
    held: Vec<u8>,
    /// Bytes that came before those held.
    before: usize,
}

impl Frames {
    /// Takes in bytes; gives the messages that are whole now, in order.
    ///
    /// # Errors
    /// [`WorkloadFault::TooLarge`], [`WorkloadFault::Compressed`], [`WorkloadFault::Malformed`]; the stream is of no use
    /// any more.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, WorkloadFault> {
        let mut whole = Vec::new();
        loop {
            let wanted = self.wanted()?;
            let missing = wanted.saturating_sub(self.held.len());
            let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
            self.held.extend_from_slice(taken);
            bytes = rest;
            if self.held.len() < wanted {
                return Ok(whole);
            }
            if wanted > HEAD || self.wanted()? == HEAD {
                self.before = self.before.saturating_add(self.held.len());
                whole.push(self.held.split_off(HEAD));
                self.held.clear();
            }
        }
    }

    /// Whether the stream stopped within a message.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        !self.held.is_empty()
    }

    /// How many bytes make what comes next whole: the head, or head and message.
    fn wanted(&self) -> Result<usize, WorkloadFault> {
        let Some((head, _)) = self.held.split_first_chunk::<HEAD>() else {
            return Ok(HEAD);
        };
        let [flag, length @ ..] = *head;
        match flag {
            0 => {}
            1 => return Err(WorkloadFault::Compressed),
            _ => return Err(WorkloadFault::Malformed(self.before)),
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MESSAGE_BYTES_MAX {
            return Err(WorkloadFault::TooLarge);
        }
        Ok(HEAD.saturating_add(length))
    }
}
