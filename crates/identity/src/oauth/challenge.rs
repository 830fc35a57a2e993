//! `WWW-Authenticate`: what a resource says it wants (RFC 9110 section 11.6.1, RFC 6750 section 3).

/// Longest header that is read, in bytes.
const BYTES_MAX: usize = 8192;

/// The parameters of a `Bearer` challenge that lead somewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Where the resource's metadata is.
    pub resource_metadata: Option<String>,
    /// The scopes that are wanted.
    pub scope: Option<String>,
    /// `invalid_token`, `insufficient_scope`.
    pub error: Option<String>,
}

/// The `Bearer` challenge of a `WWW-Authenticate` header, which may hold several. A parameter that stands twice counts as
/// first written.
#[must_use]
pub fn bearer_challenge(header: &str) -> Option<Challenge> {
    if header.len() > BYTES_MAX {
        return None;
    }
    let mut found: Option<Challenge> = None;
    let mut bearer = false;
    let mut rest = header.trim_start();
    while !rest.is_empty() {
        let word = rest.find([' ', '=', ',']).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(word)?;
        if name.is_empty() {
            rest = after.get(1..).unwrap_or_default().trim_start();
            continue;
        }
        let after = after.trim_start();
        let Some(value) = after.strip_prefix('=') else {
            // No parameter: a scheme begins.
            bearer = name.eq_ignore_ascii_case("bearer");
            if bearer {
                found.get_or_insert_default();
            }
            rest = after.strip_prefix(',').unwrap_or(after).trim_start();
            continue;
        };
        let (value, next) = parameter(value.trim_start())?;
        rest = next.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        let (true, Some(challenge)) = (bearer, found.as_mut()) else {
            continue;
        };
        let slot = match name.to_ascii_lowercase().as_str() {
            "resource_metadata" => &mut challenge.resource_metadata,
            "scope" => &mut challenge.scope,
            "error" => &mut challenge.error,
            _ => continue,
        };
        slot.get_or_insert(value);
    }
    found
}

/// A token or a quoted string, and what follows.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, quoted.get(at.checked_add(1)?..)?)),
            '\\' => value.push(letters.next()?.1),
            other => value.push(other),
        }
    }
    None
}
