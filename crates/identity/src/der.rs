//! The few fields of a certificate (RFC 5280 section 4.1) that the path check does not show: names, usage, validity.
//!
//! Read only from certificates that `webpki` parsed as strict DER already. Whatever does not fit is `None`, and refuses.

use bartizan_types::Timestamp;

const SEQUENCE: u8 = 0x30;
const EXTENSIONS_TAG: u8 = 0xa3;
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const URI_NAME: u8 = 0x86;

/// What a certificate says of itself.
#[derive(Debug, Default)]
pub(crate) struct Said<'a> {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// URI names of the subject, each as its bytes.
    pub(crate) uris: Vec<&'a [u8]>,
    /// The first byte of key usage, from bit 0 (digital signature, the highest) on; `None` without the extension.
    pub(crate) usage: Option<u8>,
    pub(crate) is_ca: bool,
}

/// Digital signature.
pub(crate) const SIGNS: u8 = 0x80;
/// Certificate and CRL signing.
pub(crate) const SIGNS_CERTIFICATES: u8 = 0x06;

/// Reads a certificate.
pub(crate) fn read(der: &[u8]) -> Option<Said<'_>> {
    let (certificate, rest) = element(der, SEQUENCE)?;
    if !rest.is_empty() {
        return None;
    }
    let (mut body, _) = element(certificate, SEQUENCE)?;
    // Version (context 0), serial, signature algorithm, issuer.
    for tag in [0xa0, 0x02, SEQUENCE, SEQUENCE] {
        (_, body) = element(body, tag)?;
    }
    let (validity, mut body) = element(body, SEQUENCE)?;
    let (not_before, rest) = time(validity)?;
    let (not_after, rest) = time(rest)?;
    if !rest.is_empty() {
        return None;
    }
    // Subject, public key.
    for tag in [SEQUENCE, SEQUENCE] {
        (_, body) = element(body, tag)?;
    }
    let mut said = Said {
        not_before,
        not_after,
        ..Said::default()
    };
    while !body.is_empty() {
        let (tag, content, rest) = any(body)?;
        body = rest;
        if tag == EXTENSIONS_TAG {
            extensions(content, &mut said)?;
        }
    }
    Some(said)
}

/// What the issuer of a certificate signed: all of it but the signature.
pub(crate) fn signed(der: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(der, SEQUENCE)?;
    first(certificate).map(|(signed, _)| signed)
}

/// Splits off the certificate that stands first.
pub(crate) fn first(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, rest) = element(der, SEQUENCE)?;
    der.split_at_checked(der.len().checked_sub(rest.len())?)
}

fn extensions<'a>(content: &'a [u8], said: &mut Said<'a>) -> Option<()> {
    let (mut list, rest) = element(content, SEQUENCE)?;
    if !rest.is_empty() {
        return None;
    }
    while !list.is_empty() {
        let (extension, next) = element(list, SEQUENCE)?;
        list = next;
        let (oid, mut rest) = element(extension, 0x06)?;
        if let Some((_, after)) = element(rest, 0x01) {
            rest = after;
        }
        let (value, rest) = element(rest, 0x04)?;
        if !rest.is_empty() {
            return None;
        }
        match oid {
            KEY_USAGE => {
                let (bits, _) = element(value, 0x03)?;
                // The first byte counts the unused bits of the last.
                said.usage = Some(bits.get(1).copied().unwrap_or(0));
            }
            BASIC_CONSTRAINTS => {
                let (constraints, _) = element(value, SEQUENCE)?;
                said.is_ca = element(constraints, 0x01).is_some_and(|(flag, _)| flag != [0]);
            }
            ALTERNATIVE_NAME => {
                let (mut names, _) = element(value, SEQUENCE)?;
                while !names.is_empty() {
                    let (tag, name, next) = any(names)?;
                    names = next;
                    if tag == URI_NAME {
                        said.uris.push(name);
                    }
                }
            }
            _ => {}
        }
    }
    Some(())
}

fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any(der)?;
    (found == tag).then_some((content, rest))
}

/// One element: tag, content, and what follows.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `UTCTime` until 2049, `GeneralizedTime` after (RFC 5280 section 4.1.2.5), both to the second in UTC.
fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (tag, content, rest) = any(der)?;
    let text = std::str::from_utf8(content).ok()?;
    let (century, text) = match (tag, text.len()) {
        (0x17, 13) => {
            let year: u32 = text.get(..2)?.parse().ok()?;
            (if year < 50 { "20" } else { "19" }, text)
        }
        (0x18, 15) => text.split_at_checked(2)?,
        _ => return None,
    };
    let part = |from: usize| text.get(from..from.checked_add(2)?);
    let iso = format!(
        "{century}{}-{}-{}T{}:{}:{}Z",
        part(0)?,
        part(2)?,
        part(4)?,
        part(6)?,
        part(8)?,
        part(10)?
    );
    if !text.ends_with('Z') {
        return None;
    }
    Some((Timestamp::parse(&iso)?, rest))
}
