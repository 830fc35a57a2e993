//! The first message of TLS (RFC 8446 section 4.1.2), as far as it says where it goes: what a proxy can see of a tunnel.
//!
//! INVARIANT: what is read here is what a server reads. A message that two readers could read differently (an extension
//! twice, lengths that do not add up, two names, records that are no handshake) is refused, and nothing is read past
//! [`HELLO_BYTES`].

/// Most bytes in which the whole message has to have come. With post-quantum keys it has about 1,800.
pub const HELLO_BYTES: usize = 16 << 10;

/// Content type of records that carry a handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;
/// Handshake type of a client's hello (RFC 8446 section 4).
const CLIENT_HELLO: u8 = 1;
/// `server_name` (RFC 6066 section 3).
const SERVER_NAME: u16 = 0;
/// `encrypted_client_hello` (RFC 9849), and the draft before it, whose name is encrypted alone.
const ENCRYPTED: [u16; 2] = [0xFE0D, 0xFFCE];
/// Largest plain record (RFC 8446 section 5.1).
const RECORD_BYTES: usize = 1 << 14;

/// What a hello says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Whom it asks for, in lower case; `None` where it asks for nobody by name.
    pub name: Option<String>,
    /// It has, or pretends to have, another name that only the server can read.
    pub encrypted: bool,
}

/// Why this is no hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The bytes are no TLS, or another message of it.
    #[error("no TLS client hello")]
    Protocol,
    /// A length or a list in it does not add up.
    #[error("a malformed TLS client hello")]
    Malformed,
    /// It is longer than [`HELLO_BYTES`].
    #[error("a TLS client hello of more than {HELLO_BYTES} bytes")]
    TooLong,
}

/// Reads a hello from bytes as they come, and keeps them, to be sent on.
#[derive(Debug, Default)]
pub struct HelloReader {
    raw: Vec<u8>,
    /// Where the next record begins.
    at: usize,
    message: Vec<u8>,
}

impl HelloReader {
    /// Takes in more bytes. `None`: it is not whole yet.
    ///
    /// # Errors
    /// [`Wrong`]: it never will be a hello. Nothing may be sent on.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Hello>, Wrong> {
        self.raw.extend_from_slice(bytes);
        while let Some(fragment) = record(self.raw.get(self.at..).unwrap_or_default())? {
            self.at += 5 + fragment.len();
            self.message.extend_from_slice(fragment);
            if let Some(hello) = whole(&self.message)? {
                return Ok(Some(hello));
            }
        }
        if self.raw.len() >= HELLO_BYTES {
            return Err(Wrong::TooLong);
        }
        Ok(None)
    }

    /// All that came, with whatever followed the hello.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.raw
    }
}

/// The fragment in the first record, once it is whole.
fn record(bytes: &[u8]) -> Result<Option<&[u8]>, Wrong> {
    if bytes.first().is_some_and(|kind| *kind != HANDSHAKE) || bytes.get(1).is_some_and(|major| *major != 3) {
        return Err(Wrong::Protocol);
    }
    let Some([_, _, _, high, low]) = bytes.first_chunk::<5>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length == 0 || length > RECORD_BYTES {
        return Err(Wrong::Malformed);
    }
    Ok(bytes.get(5..5 + length))
}

/// The hello, once all fragments of it are here.
fn whole(message: &[u8]) -> Result<Option<Hello>, Wrong> {
    let Some([kind, high, middle, low]) = message.first_chunk::<4>() else {
        return match message.first() {
            Some(&CLIENT_HELLO) | None => Ok(None),
            Some(_) => Err(Wrong::Protocol),
        };
    };
    if *kind != CLIENT_HELLO {
        return Err(Wrong::Protocol);
    }
    let length = usize::try_from(u32::from_be_bytes([0, *high, *middle, *low])).unwrap_or(usize::MAX);
    if length > HELLO_BYTES {
        return Err(Wrong::TooLong);
    }
    let body = message.get(4..).unwrap_or_default();
    if body.len() < length {
        return Ok(None);
    }
    // A second message in the same record would be one that nobody answered for.
    if body.len() > length {
        return Err(Wrong::Malformed);
    }
    read(body).map(Some).ok_or(Wrong::Malformed)
}

fn read(body: &[u8]) -> Option<Hello> {
    let mut at = Cursor(body);
    at.take(2 + 32)?;
    let session = at.short()?;
    let suites = at.long()?;
    let compressions = at.short()?;
    if session.len() > 32 || suites.is_empty() || suites.len() % 2 != 0 || compressions.is_empty() {
        return None;
    }
    let mut hello = Hello {
        name: None,
        encrypted: false,
    };
    // Before extensions there were hellos without.
    if at.0.is_empty() {
        return Some(hello);
    }
    let mut extensions = Cursor(at.long()?);
    if !at.0.is_empty() {
        return None;
    }
    let mut kinds = Vec::new();
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let data = extensions.long()?;
        kinds.push(kind);
        if kind == SERVER_NAME {
            hello.name = Some(name(data)?);
        }
        hello.encrypted |= ENCRYPTED.contains(&kind);
    }
    let count = kinds.len();
    kinds.sort_unstable();
    kinds.dedup();
    (kinds.len() == count).then_some(hello)
}

/// The one host name of the extension (RFC 6066 section 3): there is no other type of name, and no second of this.
fn name(data: &[u8]) -> Option<String> {
    let mut at = Cursor(data);
    let mut list = Cursor(at.long()?);
    let kind = list.take(1)?;
    let name = list.long()?;
    if !at.0.is_empty() || !list.0.is_empty() || kind != [0] {
        return None;
    }
    let text = std::str::from_utf8(name).ok()?;
    let site = crate::site::Site::parse(text, Some(443))?;
    // As it stands there, but for case: with a port or a dot at its end it is no name of a certificate.
    (site.name()? == text.to_ascii_lowercase()).then(|| site.host().to_owned())
}

/// Bytes that are left to read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(count)?;
        self.0 = left;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]))
    }

    /// A vector with a length of one byte.
    fn short(&mut self) -> Option<&'a [u8]> {
        let length = *self.take(1)?.first()?;
        self.take(usize::from(length))
    }

    /// A vector with a length of two bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests;
