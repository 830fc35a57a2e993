//! WebSocket frames (RFC 6455 section 5): bytes to whole messages, and messages to frames.
//!
//! No extension is spoken, so every reserved bit is a fault and no payload is packed: what is read here is what the other
//! side reads. What it refuses: a mask where there must be none and none where there must be one, lengths that are not
//! written in the shortest way, control frames that are long or in pieces, pieces without a beginning, text that is no
//! UTF-8, close codes that nobody may send.
//!
//! INVARIANT: a frame's length is judged before its payload is waited for, so a reader holds at most one message, the
//! bytes it was last given, and the head of a frame.

/// Longest payload of a control frame (section 5.5).
pub const CONTROL_BYTES: usize = 125;
/// Most frames that one message may come in: an empty piece costs its sender two bytes and us a turn.
const PIECES_MAX: u32 = 4096;
/// Longest head of a frame.
const HEAD_BYTES: usize = 14;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Who wrote the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Whoever opened the connection: every frame is masked (section 5.3).
    Client,
    /// Whoever answered: none is.
    Server,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A whole message of text.
    Text(String),
    /// A whole message of bytes.
    Binary(Vec<u8>),
    /// It wants this back, as [`Said::Pong`].
    Ping(Vec<u8>),
    /// An answer, or a sign of life.
    Pong,
    /// Nothing more comes; the code, where one is given.
    Close(Option<u16>),
}

/// Why bytes are no WebSocket's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A frame that the protocol forbids.
    #[error("a frame that RFC 6455 forbids")]
    Frame,
    /// Text that is no UTF-8.
    #[error("a message of text that is no UTF-8")]
    Utf8,
    /// A message larger than the bound, or in more pieces than one may have.
    #[error("a message that is larger than the limit")]
    TooLarge,
}

impl Wrong {
    /// The close code that says so (section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Frame => 1002,
            Self::Utf8 => 1007,
            Self::TooLarge => 1009,
        }
    }
}

/// Reads the frames of one side.
#[derive(Debug)]
pub struct Reader {
    from: Side,
    most: usize,
    raw: Vec<u8>,
    /// Of `raw`, what was read.
    at: usize,
    message: Option<Message>,
    closed: bool,
}

#[derive(Debug)]
struct Message {
    is_text: bool,
    bytes: Vec<u8>,
    pieces: u32,
}

/// The head of a frame.
struct Head {
    is_last: bool,
    opcode: u8,
    mask: Option<[u8; 4]>,
    length: usize,
    /// Its own bytes.
    bytes: usize,
}

impl Reader {
    /// Of frames that `from` writes, in messages of at most `most` bytes.
    #[must_use]
    pub const fn new(from: Side, most: usize) -> Self {
        Self {
            from,
            most,
            raw: Vec::new(),
            at: 0,
            message: None,
            closed: false,
        }
    }

    /// Takes in what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.forget();
        self.raw.extend_from_slice(bytes);
    }

    /// Lets go of what was read.
    fn forget(&mut self) {
        self.raw.drain(..self.at.min(self.raw.len()));
        self.at = 0;
    }

    /// Bytes that it holds, those of an unfinished message among them.
    #[must_use]
    pub fn held(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| message.bytes.len());
        self.raw.len().saturating_add(message)
    }

    /// What was said next; `None` until more has come, and for ever after a close.
    ///
    /// # Errors
    /// [`Wrong`]; nothing that follows can be read.
    pub fn read(&mut self) -> Result<Option<Said>, Wrong> {
        while !self.closed {
            let rest = self.raw.get(self.at..).unwrap_or_default();
            let Some(head) = self.head(rest)? else { break };
            let whole = head.bytes.saturating_add(head.length);
            let Some(payload) = rest.get(head.bytes..whole) else {
                break;
            };
            let mut payload = payload.to_vec();
            if let Some(mask) = head.mask {
                apply(&mut payload, mask);
            }
            self.at = self.at.saturating_add(whole);
            if let Some(said) = self.take(&head, payload)? {
                return Ok(Some(said));
            }
        }
        self.forget();
        Ok(None)
    }

    /// The head of the next frame, judged.
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, Wrong> {
        let Some([first, second]) = bytes.first_chunk::<2>() else {
            return Ok(None);
        };
        let (is_last, opcode, short) = (first & 0x80 != 0, first & 0x0F, second & 0x7F);
        let is_masked = second & 0x80 != 0;
        let is_control = opcode & 8 != 0;
        let known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
        if first & 0x70 != 0 || !known || is_masked != (self.from == Side::Client) {
            return Err(Wrong::Frame);
        }
        if is_control && (!is_last || short > 125) {
            return Err(Wrong::Frame);
        }
        let rest = bytes.get(2..).unwrap_or_default();
        let (length, taken) = match short {
            126 => match rest.first_chunk::<2>() {
                None => return Ok(None),
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
            },
            127 => match rest.first_chunk::<8>() {
                None => return Ok(None),
                Some(length) => (u64::from_be_bytes(*length), 8),
            },
            short => (u64::from(short), 0),
        };
        let least = match taken {
            2 => 126,
            8 => 0x1_0000,
            _ => 0,
        };
        if length < least || length > u64::MAX / 2 {
            return Err(Wrong::Frame);
        }
        let held = self.message.as_ref().map_or(0, |message| message.bytes.len());
        let length = usize::try_from(length).map_err(|_| Wrong::TooLarge)?;
        if !is_control && length > self.most.saturating_sub(held) {
            return Err(Wrong::TooLarge);
        }
        let (mask, mask_bytes) = if is_masked {
            let at = rest.get(taken..).unwrap_or_default();
            match at.first_chunk::<4>() {
                None => return Ok(None),
                Some(mask) => (Some(*mask), 4),
            }
        } else {
            (None, 0)
        };
        Ok(Some(Head {
            is_last,
            opcode,
            mask,
            length,
            bytes: 2_usize.saturating_add(taken).saturating_add(mask_bytes),
        }))
    }

    /// Takes in a frame. `None` where it ends no message.
    fn take(&mut self, head: &Head, payload: Vec<u8>) -> Result<Option<Said>, Wrong> {
        match head.opcode {
            PING => return Ok(Some(Said::Ping(payload))),
            PONG => return Ok(Some(Said::Pong)),
            CLOSE => {
                self.closed = true;
                return close(&payload).map(|code| Some(Said::Close(code)));
            }
            CONTINUATION => {
                let message = self.message.as_mut().ok_or(Wrong::Frame)?;
                message.bytes.extend_from_slice(&payload);
                message.pieces = message.pieces.saturating_add(1);
                if message.pieces > PIECES_MAX {
                    return Err(Wrong::TooLarge);
                }
            }
            opcode => {
                if self.message.is_some() {
                    return Err(Wrong::Frame);
                }
                self.message = Some(Message {
                    is_text: opcode == TEXT,
                    bytes: payload,
                    pieces: 1,
                });
            }
        }
        if !head.is_last {
            return Ok(None);
        }
        let message = self.message.take().ok_or(Wrong::Frame)?;
        if !message.is_text {
            return Ok(Some(Said::Binary(message.bytes)));
        }
        let text = String::from_utf8(message.bytes).map_err(|_| Wrong::Utf8)?;
        Ok(Some(Said::Text(text)))
    }
}

/// The code in a close frame (section 7.4); the reason beside it is nobody's to read, but it is text.
fn close(payload: &[u8]) -> Result<Option<u16>, Wrong> {
    if payload.is_empty() {
        return Ok(None);
    }
    let code = payload.first_chunk::<2>().ok_or(Wrong::Frame)?;
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Wrong::Frame);
    }
    std::str::from_utf8(payload.get(2..).unwrap_or_default()).map_err(|_| Wrong::Utf8)?;
    Ok(Some(code))
}

fn apply(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// One message as one frame. `mask` is what a client draws anew for each; a server has none.
#[must_use]
pub fn frame(said: &Said, mask: Option<[u8; 4]>) -> Vec<u8> {
    let (opcode, payload): (u8, Vec<u8>) = match said {
        Said::Text(text) => (TEXT, text.as_bytes().to_vec()),
        Said::Binary(bytes) => (BINARY, bytes.clone()),
        Said::Ping(bytes) => (PING, bytes.iter().copied().take(CONTROL_BYTES).collect()),
        Said::Pong => (PONG, Vec::new()),
        Said::Close(code) => (
            CLOSE,
            code.map(|code| code.to_be_bytes().to_vec()).unwrap_or_default(),
        ),
    };
    framed(opcode, payload, mask)
}

/// Says that nothing more comes, and why: a code, and beside it what fits of a reason (section 5.5.1).
#[must_use]
pub fn closing(code: Option<u16>, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut payload = Vec::new();
    if let Some(code) = code {
        payload.extend_from_slice(&code.to_be_bytes());
        let most = CONTROL_BYTES.saturating_sub(payload.len());
        let fits = reason.floor_char_boundary(most);
        payload.extend_from_slice(reason.as_bytes().get(..fits).unwrap_or_default());
    }
    framed(CLOSE, payload, mask)
}

/// The answer to a ping: the same bytes (section 5.5.3).
#[must_use]
pub fn pong(payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    framed(PONG, payload.iter().copied().take(CONTROL_BYTES).collect(), mask)
}

fn framed(opcode: u8, mut payload: Vec<u8>, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len().saturating_add(HEAD_BYTES));
    out.push(0x80 | opcode);
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => out.push(masked | short),
        (_, Ok(length)) => {
            out.push(masked | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            let length = u64::try_from(payload.len()).unwrap_or(u64::MAX);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        out.extend_from_slice(&mask);
        apply(&mut payload, mask);
    }
    out.append(&mut payload);
    out
}

#[cfg(test)]
mod tests;
