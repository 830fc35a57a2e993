//! The texts of a call, each with where it stands and whose it is.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use bartizan_inspect::Channel;
use bartizan_wire::json::{self, Bounds, Scanned, Step};

/// Longest pointer of a finding.
const POINTER: usize = 200;

/// Whose text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Source {
    /// What stands in the human's role.
    User,
    /// What a tool answered.
    Tool,
    /// An operator's or a project's instructions.
    System,
    /// A tool's description.
    Description,
    /// What a model wrote.
    Model,
    /// Arguments and the like: looked through for values, not for instructions.
    Data,
    /// A document or a web page.
    Document,
    /// A mail or a message.
    Mail,
    /// A document in base64: looked at for the text in it.
    File,
    /// The same, in arguments and the like: looked through for values.
    SentFile,
}

impl Source {
    pub(super) const fn channel(self) -> Channel {
        match self {
            Self::User | Self::Model | Self::Data | Self::SentFile => Channel::User,
            Self::Tool => Channel::Tool,
            Self::System => Channel::System,
            Self::Description => Channel::Description,
            Self::Document | Self::File => Channel::Document,
            Self::Mail => Channel::Mail,
        }
    }

    /// Whether a model reads it as something that could instruct it.
    pub(super) const fn is_read(self) -> bool {
        !matches!(self, Self::Model | Self::Data | Self::SentFile)
    }

    /// Whether it is a document's base64 and no text.
    pub(crate) const fn is_file(self) -> bool {
        matches!(self, Self::File | Self::SentFile)
    }
}

/// One text of a call.
#[derive(Debug, Clone)]
pub(crate) struct Piece<'a> {
    /// Whose it is.
    pub source: Source,
    /// The text.
    pub text: Cow<'a, str>,
    /// Where it stands: a JSON pointer into the body.
    pub pointer: String,
    /// The bytes of the JSON string in the body, quotes included.
    pub span: Range<usize>,
}

impl<'a> Piece<'a> {
    /// A text that stands alone.
    pub(crate) fn of_text(source: Source, text: &'a str, pointer: &str) -> Self {
        Self {
            source,
            text: Cow::Borrowed(text),
            pointer: pointer.to_owned(),
            span: 0..0,
        }
    }
}

impl Piece<'_> {
    pub(super) fn owned(&self) -> Piece<'static> {
        Piece {
            source: self.source,
            text: Cow::Owned(self.text.clone().into_owned()),
            pointer: self.pointer.clone(),
            span: self.span.clone(),
        }
    }
}

/// Members whose strings are words of the protocol, or bytes that are no text.
const PROTOCOL: &[&str] = &[
    "type",
    "role",
    "id",
    "tool_call_id",
    "call_id",
    "tool_use_id",
    "item_id",
    "name",
    "model",
    "status",
    "object",
    "signature",
    "encrypted_content",
    "thinking",
    "media_type",
    "mimeType",
    "file_id",
    "file_data",
    "format",
    "detail",
    "finish_reason",
    "stop_reason",
    "system_fingerprint",
    "service_tier",
    "blob",
];

/// Whether a string is none that anybody reads: a word of the protocol, or an image's bytes.
fn is_protocol(steps: &[Step<'_>], raw: &str) -> bool {
    match steps.last() {
        Some(Step::Key("data")) => raw.len() > 256 && !raw.contains(' '),
        Some(Step::Key(key)) => PROTOCOL.contains(key) || raw.starts_with("\"data:"),
        _ => false,
    }
}

/// The base64 of a document that is read: an Office file or a PDF, alone or in a `data:` address; and text, where a member
/// stands for bytes. `raw` is a JSON string with its quotes.
fn file<'r>(steps: &[Step<'_>], raw: &'r str) -> Option<&'r str> {
    const LEAST: usize = 64;
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    let (digits, is_address) = match inner.strip_prefix("data:") {
        Some(address) => (address.split_once(";base64,")?.1, true),
        None => (inner, false),
    };
    if digits.len() < LEAST || digits.contains('\\') {
        return None;
    }
    let is_document = digits.starts_with("JVBERi") || digits.starts_with("UEsDB");
    let is_bytes = is_address || matches!(steps.last(), Some(Step::Key("data" | "blob" | "file_data")));
    (is_document || is_bytes && begins_as_text(digits)).then_some(digits)
}

/// Whether base64 begins with bytes that are text. Pictures, sound and archives begin with others.
fn begins_as_text(digits: &str) -> bool {
    let head = digits.as_bytes().get(..64).unwrap_or_default();
    let is_digit =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    if !head.iter().all(is_digit) {
        return false;
    }
    let bytes = bartizan_inspect::digits::base64(head);
    let valid = match std::str::from_utf8(&bytes) {
        Ok(_) => bytes.len(),
        Err(fault) if fault.error_len().is_none() => fault.valid_up_to(),
        Err(_) => return false,
    };
    let shown = |byte: &u8| *byte >= 0x20 && *byte != 0x7f || matches!(byte, b'\n' | b'\r' | b'\t');
    bytes.iter().take(valid).all(shown)
}

/// Whether the steps lead into arguments, where any member's string is content.
fn in_arguments(steps: &[Step<'_>]) -> bool {
    steps
        .iter()
        .skip(2)
        .any(|step| matches!(step, Step::Key("input" | "arguments" | "structuredContent")))
}

/// A text whose role is not known yet: which message and part it is in, the way to it, and its bytes.
type Spot<'a> = (Source, (usize, usize), Vec<Step<'a>>, Range<usize>);

/// The texts of a request to a model.
pub(crate) fn of_request(body: Scanned<'_>) -> Vec<Piece<'_>> {
    let mut roles: BTreeMap<(usize, usize), Source> = BTreeMap::new();
    let mut found: Vec<Spot<'_>> = Vec::new();
    json::strings(body, &mut |steps, span| {
        let raw = body.text().get(span.clone()).unwrap_or_default();
        let Some(Step::Key(top)) = steps.first() else {
            return;
        };
        let turn = match (*top, steps.get(1)) {
            ("messages" | "input", Some(Step::Item(turn))) => *turn,
            _ => usize::MAX,
        };
        let part = match (steps.get(2), steps.get(3)) {
            (Some(Step::Key("content")), Some(Step::Item(part))) => *part,
            _ => usize::MAX,
        };
        match (steps, raw) {
            ([_, _, Step::Key("role")], "\"system\"" | "\"developer\"") => {
                roles.insert((turn, usize::MAX), Source::System);
            }
            ([_, _, Step::Key("role")], "\"assistant\"") => {
                roles.insert((turn, usize::MAX), Source::Model);
            }
            ([_, _, Step::Key("role")], "\"tool\"" | "\"function\"") => {
                roles.insert((turn, usize::MAX), Source::Tool);
            }
            ([_, _, Step::Key("type")], raw) if raw.ends_with("_output\"") => {
                roles.insert((turn, usize::MAX), Source::Tool);
            }
            ([_, _, Step::Key("type")], raw) if raw.ends_with("_call\"") => {
                roles.insert((turn, usize::MAX), Source::Model);
            }
            ([_, _, _, _, Step::Key("type")], "\"tool_result\"") => {
                roles.insert((turn, part), Source::Tool);
            }
            _ => {}
        }
        let source = match *top {
            "system" | "instructions" => Source::System,
            "tools" | "functions" if matches!(steps.last(), Some(Step::Key("description"))) => {
                Source::Description
            }
            "messages" | "input" => Source::User,
            _ => return,
        };
        if file(steps, raw).is_some() && matches!(source, Source::User) {
            found.push((Source::File, (turn, part), steps.to_vec(), span));
        } else if in_arguments(steps) || !is_protocol(steps, raw) {
            found.push((source, (turn, part), steps.to_vec(), span));
        }
    });
    found
        .into_iter()
        .filter_map(|(source, (turn, part), steps, span)| {
            let source = match source {
                Source::User => roles
                    .get(&(turn, part))
                    .or_else(|| roles.get(&(turn, usize::MAX)))
                    .copied()
                    .unwrap_or(Source::User),
                other => other,
            };
            piece(body, source, &steps, span, "")
        })
        .collect()
}

/// The texts of a model's answer.
pub(crate) fn of_answer(body: Scanned<'_>) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    json::strings(body, &mut |steps, span| {
        let raw = body.text().get(span.clone()).unwrap_or_default();
        // In a request thoughts are bytes that the provider signed; in an answer they are words that the agent reads.
        let thoughts = matches!(steps.last(), Some(Step::Key("thinking")));
        if thoughts || in_arguments(steps) || !is_protocol(steps, raw) {
            out.extend(piece(body, Source::Model, steps, span, ""));
        }
    });
    out
}

/// The texts of any JSON that passed a scan before. `front` is put before each pointer.
pub(crate) fn of_value<'a>(value: &'a str, source: Source, front: &str) -> Vec<Piece<'a>> {
    let bounds = Bounds {
        bytes: value.len(),
        ..Bounds::default()
    };
    let mut out = Vec::new();
    let Ok(scanned) = json::scan(value.as_bytes(), &bounds) else {
        return out;
    };
    json::strings(scanned, &mut |steps, span| {
        let raw = value.get(span.clone()).unwrap_or_default();
        let as_file = match source {
            Source::Data => Some(Source::SentFile),
            source if source.is_read() => Some(Source::File),
            _ => None,
        };
        if let Some(as_file) = as_file.filter(|_| file(steps, raw).is_some()) {
            out.extend(piece(scanned, as_file, steps, span, front));
            return;
        }
        let bytes = matches!(steps.last(), Some(Step::Key("blob" | "data"))) && raw.len() > 256;
        if !bytes {
            out.extend(piece(scanned, source, steps, span, front));
        }
    });
    out
}

fn piece<'a>(
    body: Scanned<'a>,
    source: Source,
    steps: &[Step<'_>],
    span: Range<usize>,
    front: &str,
) -> Option<Piece<'a>> {
    // Shorter than anything that is looked for.
    if span.len() < 6 {
        return None;
    }
    let text = match source {
        Source::File | Source::SentFile => Cow::Borrowed(file(steps, body.text().get(span.clone())?)?),
        _ => json::text_of(body, &span),
    };
    Some(Piece {
        source,
        text,
        pointer: front.to_owned() + &json::pointer_of(steps, POINTER),
        span,
    })
}
