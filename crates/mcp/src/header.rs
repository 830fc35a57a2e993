//! Headers that repeat the body (2026-07-28, streamable HTTP, "request metadata"), and their equality.
//!
//! An intermediary that routes on a header while the server acts on the body is a way round both. So a header that is
//! there must say what the body says, in every revision; in the stateless one it must be there.

use std::borrow::Cow;

use bartizan_types::Code;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{Method, Revision};

const OPEN: &str = "=?base64?";
const CLOSE: &str = "?=";
/// Largest integer a header may carry: what JavaScript holds exactly.
const SAFE_INTEGER: i64 = (1 << 53) - 1;
/// Most `x-mcp-header` annotations of one tool.
const MAX_PARAMS: usize = 32;

/// The headers of one request, each at most once: the caller of [`check`] must refuse repeated ones before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `MCP-Protocol-Version`.
    pub version: Option<&'a str>,
    /// `Mcp-Method`.
    pub method: Option<&'a str>,
    /// `Mcp-Name`.
    pub name: Option<&'a str>,
}

/// Decodes a header value: plain, or Base64 between the sentinels.
///
/// # Errors
/// [`Code::HeaderMismatch`] when the Base64 is not canonical, or not UTF-8 inside, or the plain value has a byte that
/// is neither visible ASCII, space nor tab.
pub fn decode(value: &str) -> Result<Cow<'_, str>, Code> {
    if let Some(inner) = value.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE)) {
        let bytes = STANDARD.decode(inner).map_err(|_| Code::HeaderMismatch)?;
        return String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|_| Code::HeaderMismatch);
    }
    if value
        .bytes()
        .all(|byte| byte == b'\t' || (0x20..0x7F).contains(&byte))
    {
        Ok(Cow::Borrowed(value))
    } else {
        Err(Code::HeaderMismatch)
    }
}

/// Encodes a value for a header: as it is where that is safe, else Base64 between the sentinels.
#[must_use]
pub fn encode(value: &str) -> Cow<'_, str> {
    let plain = value.bytes().all(|byte| (0x20..0x7F).contains(&byte))
        && value.trim() == value
        && !(value.starts_with(OPEN) && value.ends_with(CLOSE));
    if plain && !value.is_empty() {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(format!("{OPEN}{}{CLOSE}", STANDARD.encode(value)))
    }
}

/// Compares the standard headers with the body.
///
/// `method` and `named` are what the body says; `revision` is what the request is served as.
///
/// # Errors
/// [`Code::HeaderMismatch`].
pub fn check(
    headers: Headers<'_>,
    revision: Revision,
    method: &str,
    named: Option<&str>,
) -> Result<(), Code> {
    let required = revision.stateless();
    match headers.version {
        // In a session the handshake decides: clients are known to send an older name of the same kind. What has no
        // handshake must say exactly what it is.
        Some(version) if !required && handshakes(version) => {}
        Some(version) if version != revision.as_str() => return Err(Code::HeaderMismatch),
        None if required => return Err(Code::HeaderMismatch),
        _ => {}
    }
    match headers.method {
        Some(header) if header != method => return Err(Code::HeaderMismatch),
        None if required => return Err(Code::HeaderMismatch),
        _ => {}
    }
    match (headers.name, named) {
        (Some(header), Some(named)) if decode(header)? == named => Ok(()),
        // A name in the header of a message that has none would let a reader of headers see another call.
        (Some(_), _) => Err(Code::HeaderMismatch),
        (None, Some(_)) if required && Method::parse(method).named_by().is_some() => {
            Err(Code::HeaderMismatch)
        }
        (None, _) => Ok(()),
    }
}

fn handshakes(version: &str) -> bool {
    Revision::parse(version).is_some_and(|revision| !revision.stateless())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Boolean,
}

#[derive(Debug, Clone)]
struct ParamHeader {
    /// Lower case, with the `mcp-param-` in front.
    header: String,
    path: Vec<String>,
    kind: Kind,
}

/// The `Mcp-Param-*` headers that a tool's input schema asks for.
#[derive(Debug, Clone, Default)]
pub struct ParamHeaders {
    list: Vec<ParamHeader>,
}

/// An `x-mcp-header` annotation breaks a rule; clients must drop such a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an `x-mcp-header` annotation breaks the rules of its revision")]
pub struct AnnotationFault;

impl ParamHeaders {
    /// Reads the annotations of a schema.
    ///
    /// # Errors
    /// [`AnnotationFault`] when one is not a token, not unique, not on a text, integer or boolean, or not reachable
    /// from the root by `properties` alone; or there are more than 32.
    pub fn read(schema: &Value) -> Result<Self, AnnotationFault> {
        let mut found = Self::default();
        found.walk(schema, Some(&mut Vec::new()))?;
        Ok(found)
    }

    fn walk(&mut self, schema: &Value, path: Option<&mut Vec<String>>) -> Result<(), AnnotationFault> {
        let Value::Object(members) = schema else {
            return Ok(());
        };
        let mut path = path;
        if let Some(annotation) = members.get("x-mcp-header") {
            let at = path
                .as_deref()
                .filter(|path| !path.is_empty())
                .ok_or(AnnotationFault)?;
            self.add(annotation, members.get("type"), at)?;
        }
        for (key, value) in members {
            match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    for (name, inner) in properties {
                        match path.as_deref_mut() {
                            Some(path) => {
                                path.push(name.clone());
                                self.walk(inner, Some(path))?;
                                path.pop();
                            }
                            None => self.walk(inner, None)?,
                        }
                    }
                }
                (
                    "items"
                    | "contains"
                    | "unevaluatedItems"
                    | "additionalItems"
                    | "additionalProperties"
                    | "unevaluatedProperties"
                    | "propertyNames"
                    | "not"
                    | "if"
                    | "then"
                    | "else"
                    | "contentSchema",
                    inner,
                ) => self.walk(inner, None)?,
                ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(list)) => {
                    for inner in list {
                        self.walk(inner, None)?;
                    }
                }
                ("patternProperties" | "dependentSchemas" | "$defs" | "definitions", Value::Object(map)) => {
                    for inner in map.values() {
                        self.walk(inner, None)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        annotation: &Value,
        kind: Option<&Value>,
        path: &[String],
    ) -> Result<(), AnnotationFault> {
        let name = annotation.as_str().ok_or(AnnotationFault)?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(token) || self.list.len() >= MAX_PARAMS {
            return Err(AnnotationFault);
        }
        let kind = match kind.and_then(Value::as_str) {
            Some("string") => Kind::Text,
            Some("integer") => Kind::Integer,
            Some("boolean") => Kind::Boolean,
            _ => return Err(AnnotationFault),
        };
        let header = format!("mcp-param-{}", name.to_ascii_lowercase());
        if self.list.iter().any(|known| known.header == header) {
            return Err(AnnotationFault);
        }
        self.list.push(ParamHeader {
            header,
            path: path.to_vec(),
            kind,
        });
        Ok(())
    }

    /// Whether the tool asks for none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Compares the headers with the arguments. `lookup` gives the value of a lower-case header name; `required` says
    /// whether the revision wants them there.
    ///
    /// # Errors
    /// [`Code::HeaderMismatch`].
    pub fn check<'h>(
        &self,
        arguments: &Value,
        required: bool,
        mut lookup: impl FnMut(&str) -> Option<&'h str>,
    ) -> Result<(), Code> {
        for param in &self.list {
            let value = value_at(arguments, &param.path);
            match (lookup(&param.header), value) {
                (Some(header), Some(value)) => {
                    if !param.agrees(&decode(header)?, value) {
                        return Err(Code::HeaderMismatch);
                    }
                }
                (None, None) => {}
                (None, Some(_)) if !required => {}
                (Some(_), None) | (None, Some(_)) => return Err(Code::HeaderMismatch),
            }
        }
        Ok(())
    }

    /// The headers to send with these arguments. A value of the wrong kind gets none: the schema check refuses it.
    #[must_use]
    pub fn emit(&self, arguments: &Value) -> Vec<(String, String)> {
        self.list
            .iter()
            .filter_map(|param| {
                let text = param.render(value_at(arguments, &param.path)?)?;
                Some((param.header.clone(), encode(&text).into_owned()))
            })
            .collect()
    }
}

impl ParamHeader {
    fn render<'v>(&self, value: &'v Value) -> Option<Cow<'v, str>> {
        match (self.kind, value) {
            (Kind::Text, Value::String(text)) => Some(Cow::Borrowed(text)),
            (Kind::Boolean, Value::Bool(yes)) => Some(Cow::Borrowed(if *yes { "true" } else { "false" })),
            (Kind::Integer, Value::Number(number)) => {
                integer(number).map(|whole| Cow::Owned(whole.to_string()))
            }
            _ => None,
        }
    }

    fn agrees(&self, header: &str, value: &Value) -> bool {
        if let (Kind::Integer, Value::Number(number)) = (self.kind, value) {
            // "Numerically rather than as strings": 42.0 equals 42.
            let said = header
                .parse::<serde_json::Number>()
                .ok()
                .as_ref()
                .and_then(integer);
            return said.is_some() && said == integer(number);
        }
        self.render(value).is_some_and(|text| text == header)
    }
}

fn integer(number: &serde_json::Number) -> Option<i64> {
    let whole = match number.as_i64() {
        Some(whole) => whole,
        None => {
            let float = number.as_f64()?;
            if float.fract() != 0.0 || float.abs() > 9_007_199_254_740_991.0 {
                return None;
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a whole number within 53 bits, checked above"
            )]
            {
                float as i64
            }
        }
    };
    (-SAFE_INTEGER..=SAFE_INTEGER).contains(&whole).then_some(whole)
}

fn value_at<'v>(arguments: &'v Value, path: &[String]) -> Option<&'v Value> {
    let mut here = arguments;
    for step in path {
        here = here.as_object()?.get(step)?;
    }
    (!here.is_null()).then_some(here)
}

#[cfg(test)]
mod tests;
