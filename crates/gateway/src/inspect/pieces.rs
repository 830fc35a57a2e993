//! The texts of a call, each with where it stands and whose it is.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use bartizan_inspect::{Channel, document};
use bartizan_wire::json::{self, Bounds, Scalar, Scanned, Step};

use super::coded;

/// Longest pointer of a finding.
const POINTER: usize = 200;
/// Shortest string that is looked at, quotes included: anything that is looked for is longer.
const LEAST: usize = 6;
/// Fewest digits of a number that can be a value of somebody's.
pub(crate) const NUMBER_DIGITS: usize = 7;

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
    /// What a tool's definition says besides its description: the server's own words, among which a value that is masked
    /// elsewhere is masked too.
    Schema,
    /// A whole number among arguments or in a result's structure: looked through for values.
    Number,
}

impl Source {
    pub(super) const fn channel(self) -> Channel {
        match self {
            Self::User | Self::Model | Self::Data | Self::SentFile | Self::Schema | Self::Number => {
                Channel::User
            }
            Self::Tool => Channel::Tool,
            Self::System => Channel::System,
            Self::Description => Channel::Description,
            Self::Document | Self::File => Channel::Document,
            Self::Mail => Channel::Mail,
        }
    }

    /// Whether a model reads it as something that could instruct it.
    pub(super) const fn is_read(self) -> bool {
        !matches!(
            self,
            Self::Model | Self::Data | Self::SentFile | Self::Schema | Self::Number
        )
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
    /// What stands before it: of a document, the front of a `data:` address; of a number, the name of its member, which
    /// tells what it counts.
    pub front: Cow<'a, str>,
    /// Where it stands: a JSON pointer into the body.
    pub pointer: String,
    /// The bytes of the JSON string or number in the body, quotes included.
    pub span: Range<usize>,
    /// Of the key of a member, whose pointer is that of the member's value: where its object begins in the body.
    pub key_of: Option<usize>,
}

impl<'a> Piece<'a> {
    /// A text that stands alone.
    pub(crate) fn of_text(source: Source, text: &'a str, pointer: &str) -> Self {
        Self {
            source,
            text: Cow::Borrowed(text),
            front: Cow::Borrowed(""),
            pointer: pointer.to_owned(),
            span: 0..0,
            key_of: None,
        }
    }
}

impl Piece<'_> {
    /// Whether it is a picture in base64.
    pub(super) fn is_picture(&self) -> bool {
        self.source.is_file() && begins_as_picture(self.text.trim_start())
    }

    pub(super) fn owned(&self) -> Piece<'static> {
        Piece {
            source: self.source,
            text: Cow::Owned(self.text.clone().into_owned()),
            front: Cow::Owned(self.front.clone().into_owned()),
            pointer: self.pointer.clone(),
            span: self.span.clone(),
            key_of: self.key_of,
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
    "format",
    "detail",
    "finish_reason",
    "stop_reason",
    "system_fingerprint",
    "service_tier",
];

/// Whether a string is none that anybody reads: a word of the protocol, or an image's bytes.
fn is_protocol(steps: &[Step<'_>], raw: &str) -> bool {
    match steps.last() {
        Some(Step::Key("data")) if raw.len() > BYTES_LEAST => coded::is_base64(raw),
        Some(Step::Key("blob" | "file_data")) if coded::is_base64(raw) => true,
        Some(Step::Key(key)) => PROTOCOL.contains(key) || coded::is_address(raw),
        Some(Step::Item(_)) | None => false,
    }
}

/// Longest string of a member for bytes that is looked at even if it is nothing but digits.
const BYTES_LEAST: usize = 256;

/// Fewest digits of base64 that are a document, wherever they stand.
const FILE_LEAST: usize = 64;
/// Fewest that are one where only a file's bytes may stand, and they are text: the shortest mail address has seven bytes.
const TEXT_LEAST: usize = 8;
/// How the base64 of documents begins, and of pictures.
const DOCUMENTS: [&str; 3] = ["JVBERi", "UEsDB", "77u/JVBERi"];
const PICTURES: [&str; 5] = ["iVBORw0KGgo", "/9j/", "R0lGOD", "SUkqA", "TU0AK"];

/// Whether digits of base64 begin like a picture's.
fn begins_as_picture(digits: &str) -> bool {
    // A kind of file that holds sound as well says a little later that it is a picture.
    let webp = digits.starts_with("UklGR") && digits.get(11..16) == Some("XRUJQ");
    webp || PICTURES.iter().any(|beginning| digits.starts_with(beginning))
}

/// The base64 of a document, and what stands before it: an Office file, a PDF or a picture, alone or in a `data:` address;
/// and, where a member stands for bytes, text and what holds something that is not opened here, such as an archive. What is
/// taken for one that is none is said to be unread.
/// Whoever encodes it may break it into lines, or escape a sign that needs no escape, so it is read as a reader would.
fn file<'r>(
    body: Scanned<'r>,
    steps: &[Step<'_>],
    span: &Range<usize>,
) -> Option<(Cow<'r, str>, Cow<'r, str>)> {
    let raw = body.text().get(span.clone())?;
    let is_named = matches!(steps.last(), Some(Step::Key("data" | "blob" | "file_data")));
    // A quick look: most strings are sentences.
    let head = raw.as_bytes().get(1..raw.len().min(FILE_LEAST))?;
    let is_address = head
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:"));
    // Elsewhere what is short is as likely a word.
    let may_be_short = is_address || matches!(steps.last(), Some(Step::Key("blob" | "file_data")));
    let least = if may_be_short { TEXT_LEAST } else { FILE_LEAST };
    if span.len() < least || !is_address && head.contains(&b' ') {
        return None;
    }
    let (front, digits) = match (json::text_of(body, span), is_address) {
        (text, false) => (Cow::Borrowed(""), text),
        (text, true) => {
            let at = text.find(',')? + 1;
            let is_base64 = text
                .get(..at)?
                .to_ascii_lowercase()
                .trim_end_matches([',', ' '])
                .ends_with(";base64");
            if !is_base64 {
                return None;
            }
            let front = text.get(..at)?.to_owned();
            let digits = match text {
                Cow::Borrowed(text) => Cow::Borrowed(text.get(at..)?),
                Cow::Owned(text) => Cow::Owned(text.get(at..)?.to_owned()),
            };
            (Cow::Owned(front), digits)
        }
    };
    let start = digits.trim_start();
    let is_document =
        begins_as_picture(start) || DOCUMENTS.iter().any(|beginning| start.starts_with(beginning));
    let is_whole = digits.len() >= FILE_LEAST && is_document;
    let is_told = digits.len() >= least && (is_address || is_named) && begins_as_readable(start);
    (is_whole || is_told).then_some((front, digits))
}

/// Whether base64 begins with bytes that are text, has a PDF's mark among its first ones, or begins as what holds something
/// to read. Pictures, sound and films begin with others.
fn begins_as_readable(digits: &str) -> bool {
    /// Digits of the bytes among which the mark may stand.
    const MARKED: usize = 1368;
    let head = digits.as_bytes().get(..MARKED).unwrap_or(digits.as_bytes());
    let is_digit =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    let mut dense: Vec<u8> = head
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    if !dense.iter().all(is_digit) {
        return false;
    }
    // What fills the last group up is no digit.
    let filling = dense.iter().rev().take_while(|byte| **byte == b'=').count();
    dense.truncate(dense.len() - filling);
    let bytes = bartizan_inspect::digits::base64(&dense);
    let is_unopened = || document::unopened(&bytes).is_some_and(|what| !document::is_media(what));
    if bytes.windows(5).any(|five| five == b"%PDF-") || is_unopened() {
        return true;
    }
    let bytes = bytes.get(..48).unwrap_or(&bytes);
    let valid = match std::str::from_utf8(bytes) {
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

/// Whether the steps lead into what a server or an agent says as data, and not into a member of the protocol.
fn in_structure(steps: &[Step<'_>]) -> bool {
    let said = |step: &Step<'_>| matches!(step, Step::Key("structuredContent" | "data"));
    steps.iter().any(said)
}

/// A text whose role is not known yet: which message and part it is in, the way to it, its bytes, and what it is there.
type Spot<'a> = (Source, (usize, usize), Vec<Step<'a>>, Range<usize>, Scalar);

/// Whose a string of a request is, by where it stands; none is looked at that only names what is asked.
fn source_of(top: &str, steps: &[Step<'_>]) -> Option<Source> {
    Some(match top {
        "system" | "instructions" => Source::System,
        "tools" | "functions" if matches!(steps.last(), Some(Step::Key("description"))) => {
            Source::Description
        }
        "tools" | "functions" | "response_format" | "text" | "output_config" => Source::Schema,
        "messages" | "input" if matches!(steps, [_, _, Step::Key("name")]) => Source::Data,
        "messages" | "input" => Source::User,
        "model" | "tool_choice" | "previous_response_id" | "mcp_servers" => return None,
        // Who asks, what is to be predicted, where to stop: values stand there as well as in messages.
        _ => Source::Data,
    })
}

/// Whose words a message's are, or those of one of its parts, where a string says so; and whether it is the whole message's.
fn role_said(steps: &[Step<'_>], raw: &str) -> Option<(bool, Source)> {
    let role = match (steps, raw) {
        ([_, _, Step::Key("role")], "\"system\"" | "\"developer\"") => Source::System,
        ([_, _, Step::Key("role")], "\"assistant\"") => Source::Model,
        ([_, _, Step::Key("role")], "\"tool\"" | "\"function\"") => Source::Tool,
        ([_, _, Step::Key("type")], raw) if raw.ends_with("_output\"") => Source::Tool,
        ([_, _, Step::Key("type")], raw) if raw.ends_with("_call\"") => Source::Model,
        ([_, _, _, _, Step::Key("type")], "\"tool_result\"") => return Some((false, Source::Tool)),
        _ => return None,
    };
    Some((true, role))
}

/// The texts of a request to a model.
pub(crate) fn of_request(body: Scanned<'_>) -> Vec<Piece<'_>> {
    let mut roles: BTreeMap<(usize, usize), Source> = BTreeMap::new();
    let mut found: Vec<Spot<'_>> = Vec::new();
    json::scalars(body, &mut |steps, span, scalar| {
        let raw = body.text().get(span.clone()).unwrap_or_default();
        let Some(Step::Key(top)) = steps.first() else {
            return;
        };
        // Elsewhere numbers and keys are the protocol's.
        let is_message = matches!(*top, "messages" | "input");
        if scalar != Scalar::Text && !(is_message && in_arguments(steps)) {
            return;
        }
        let turn = match (*top, steps.get(1)) {
            ("messages" | "input", Some(Step::Item(turn))) => *turn,
            _ => usize::MAX,
        };
        let part = match (steps.get(2), steps.get(3)) {
            (Some(Step::Key("content")), Some(Step::Item(part))) => *part,
            _ => usize::MAX,
        };
        if let Some((whole, role)) = role_said(steps, raw) {
            let part = if whole { usize::MAX } else { part };
            roles.insert((turn, part), role);
        }
        let Some(source) = source_of(top, steps) else {
            return;
        };
        if scalar != Scalar::Text {
            if scalar == Scalar::Number || is_said(raw) {
                found.push((source, (turn, part), steps.to_vec(), span, scalar));
            }
            return;
        }
        let named = matches!((source, steps), (Source::Data, [_, _, Step::Key("name")]));
        if matches!(source, Source::User) && file(body, steps, &span).is_some() {
            found.push((Source::File, (turn, part), steps.to_vec(), span, scalar));
        } else if named || in_arguments(steps) || !is_protocol(steps, raw) {
            found.push((source, (turn, part), steps.to_vec(), span, scalar));
        }
    });
    found
        .into_iter()
        .filter_map(|(source, (turn, part), steps, span, scalar)| {
            let source = match source {
                Source::User => roles
                    .get(&(turn, part))
                    .or_else(|| roles.get(&(turn, usize::MAX)))
                    .copied()
                    .unwrap_or(Source::User),
                other => other,
            };
            match scalar {
                Scalar::Text => piece(body, source, &steps, span, ""),
                Scalar::Key { of } => key(body, source, &steps, (span, of), ""),
                Scalar::Number => number(body, &steps, span, ""),
            }
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

/// The texts of a model's answer that are shorter than what [`of_answer`] gives.
pub(super) fn short_of_answer(body: Scanned<'_>) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    json::strings(body, &mut |steps, span| {
        if span.len() < LEAST {
            out.push(Piece {
                source: Source::Model,
                text: json::text_of(body, &span),
                front: Cow::Borrowed(""),
                pointer: json::pointer_of(&told(steps), POINTER),
                span,
                key_of: None,
            });
        }
    });
    out
}

/// JSON of whatever size that passed a scan before.
fn again(text: &str) -> Option<Scanned<'_>> {
    let bounds = Bounds {
        bytes: text.len(),
        ..Bounds::default()
    };
    json::scan(text.as_bytes(), &bounds).ok()
}

/// The texts of any JSON that passed a scan before. `front` is put before each pointer.
pub(crate) fn of_value<'a>(value: &'a str, source: Source, front: &str) -> Vec<Piece<'a>> {
    let mut out = Vec::new();
    let Some(scanned) = again(value) else {
        return out;
    };
    json::scalars(scanned, &mut |steps, span, scalar| {
        match scalar {
            Scalar::Key { of } => {
                if value.get(span.clone()).is_some_and(is_said) {
                    out.extend(key(scanned, source, steps, (span, of), front));
                }
                return;
            }
            Scalar::Number => {
                if source == Source::Data || source.is_read() && in_structure(steps) {
                    out.extend(number(scanned, steps, span, front));
                }
                return;
            }
            Scalar::Text => {}
        }
        let raw = value.get(span.clone()).unwrap_or_default();
        let as_file = match source {
            Source::Data => Some(Source::SentFile),
            source if source.is_read() => Some(Source::File),
            _ => None,
        };
        if let Some(as_file) = as_file.filter(|_| file(scanned, steps, &span).is_some()) {
            out.extend(piece(scanned, as_file, steps, span, front));
            return;
        }
        let is_bytes = matches!(steps.last(), Some(Step::Key("blob" | "data")))
            && raw.len() > BYTES_LEAST
            && coded::is_base64(raw);
        if !is_bytes {
            out.extend(piece(scanned, source, steps, span, front));
        }
    });
    out
}

/// What a page of a listing says of tools, prompts or resources, without what they are called and read by.
pub(crate) fn of_listing(page: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let Some(scanned) = again(page) else {
        return out;
    };
    json::scalars(scanned, &mut |steps, span, scalar| {
        let [Step::Key(list), Step::Item(_), within @ ..] = steps else {
            return;
        };
        match scalar {
            Scalar::Text if describes(list, within) => {
                out.extend(piece(scanned, Source::Data, steps, span, ""));
            }
            // Elsewhere keys are names of arguments, or of the protocol.
            Scalar::Key { of }
                if matches!(within, [Step::Key("_meta"), _, ..])
                    && page.get(span.clone()).is_some_and(is_said) =>
            {
                out.extend(key(scanned, Source::Data, steps, (span, of), ""));
            }
            _ => {}
        }
    });
    out
}

/// Whether a string of one listed thing is there to be read. Without a name, an address or a schema's demand nobody can call
/// it.
fn describes(list: &str, within: &[Step<'_>]) -> bool {
    match within {
        [Step::Key("name")] => matches!(list, "resources" | "resourceTemplates"),
        [Step::Key("uri" | "uriTemplate" | "mimeType")]
        | [Step::Key("icons"), ..]
        | [Step::Key("arguments"), Step::Item(_), Step::Key("name")] => false,
        [Step::Key("inputSchema" | "outputSchema"), .., last] => {
            matches!(last, Step::Key("description" | "title" | "$comment"))
                || within.iter().any(|step| matches!(step, Step::Key("examples")))
        }
        _ => true,
    }
}

/// Whether a key is more than a name: whoever fills a map from outside chooses its keys.
fn is_said(key: &str) -> bool {
    /// Longest name, and most digits of one.
    const NAME: usize = 40;
    const DIGITS: usize = 5;
    let inner = key.trim_matches('"');
    let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$');
    inner.len() > NAME
        || !inner.bytes().all(named)
        || inner.bytes().filter(u8::is_ascii_digit).count() > DIGITS
}

fn piece<'a>(
    body: Scanned<'a>,
    source: Source,
    steps: &[Step<'_>],
    span: Range<usize>,
    front: &str,
) -> Option<Piece<'a>> {
    if span.len() < LEAST {
        return None;
    }
    let (before, text) = match source {
        Source::File | Source::SentFile => file(body, steps, &span)?,
        _ => (Cow::Borrowed(""), json::text_of(body, &span)),
    };
    Some(Piece {
        source,
        text,
        front: before,
        pointer: front.to_owned() + &json::pointer_of(&told(steps), POINTER),
        span,
        key_of: None,
    })
}

fn key<'a>(
    body: Scanned<'a>,
    source: Source,
    steps: &[Step<'_>],
    (span, of): (Range<usize>, usize),
    front: &str,
) -> Option<Piece<'a>> {
    let piece = piece(body, source, steps, span, front)?;
    Some(Piece {
        key_of: Some(of),
        ..piece
    })
}

/// A whole number of enough digits to be a value of somebody's. What the members around it are called is how a text
/// would introduce it; a digit in such a name would be read as one of the number's.
fn number<'a>(body: Scanned<'a>, steps: &[Step<'_>], span: Range<usize>, front: &str) -> Option<Piece<'a>> {
    let digits = whole(body.text().get(span.clone())?)?;
    let name = steps.iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(*key),
        Step::Item(_) => None,
    });
    let name: String = name
        .filter(|name| !is_said(name))
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_ascii_digit())
        .map(|c| if c == '_' { ' ' } else { c })
        .collect();
    let before = match name.trim() {
        "" => String::new(),
        name => format!("{name}: "),
    };
    Some(Piece {
        source: Source::Number,
        text: digits,
        front: Cow::Owned(before),
        pointer: front.to_owned() + &json::pointer_of(&told(steps), POINTER),
        span,
        key_of: None,
    })
}

/// The digits of a whole number that can be a value. Programs write one of a column with gaps as `4111111111111111.0`.
fn whole(raw: &str) -> Option<Cow<'_, str>> {
    /// Up to here every whole number is a double of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if raw.len() < NUMBER_DIGITS {
        return None;
    }
    // Nobody's number is below zero, so the sign is not part of one that is written so.
    let raw = raw.strip_prefix('-').unwrap_or(raw);
    let digits = if raw.bytes().all(|byte| byte.is_ascii_digit()) {
        Cow::Borrowed(raw)
    } else {
        let value: f64 = raw.parse().ok()?;
        let is_whole = value.fract() == 0.0 && (0.0..=EXACT).contains(&value);
        Cow::Owned(is_whole.then(|| format!("{value:.0}"))?)
    };
    (digits.len() >= NUMBER_DIGITS).then_some(digits)
}

/// A way as findings may tell it: a key that somebody filled in is content, as what stands below it is.
fn told<'s>(steps: &[Step<'s>]) -> Vec<Step<'s>> {
    let shown = |step: &Step<'s>| match step {
        Step::Key(key) if is_said(key) => Step::Key("*"),
        step => *step,
    };
    steps.iter().map(shown).collect()
}
