//! What an answer is held against: the instructions that its model was given, and the schema that the request gave for it.

use std::ops::Range;

use bartizan_inspect::output::{Instructions, dangerous_code};
use bartizan_mcp::Schema;
use bartizan_types::{Finding, FindingKind, Severity, Span};
use bartizan_wire::json::Scanned;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Mark, Piece, Source, pieces::short_of_answer};

/// Places of dangerous code in a model's text.
pub(super) fn code(text: &str) -> impl Iterator<Item = Mark> {
    dangerous_code(text).into_iter().map(|(range, what)| Mark {
        kind: FindingKind::DangerousCode,
        what,
        severity: Severity::Low,
        score: 500,
        range,
    })
}

/// What a request lets one expect of its answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    told: Instructions,
    form: Option<Form>,
}

/// What a text has to be.
#[derive(Debug, Clone)]
enum Form {
    /// JSON, whatever it says: no schema was given, or one that does not read.
    Json,
    /// JSON that fits.
    Schema(Schema),
}

/// Where each API has the schema of an answer.
#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    response_format: Option<Format<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    output_format: Option<Format<'a>>,
    #[serde(borrow)]
    output_config: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    format: Option<Format<'a>>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    json_schema: Option<Named<'a>>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

impl Expected {
    /// Of a request, whose texts are given too.
    pub(crate) fn new(body: &str, pieces: &[Piece<'_>]) -> Self {
        let told = pieces
            .iter()
            .filter(|piece| piece.source == Source::System)
            .map(|piece| &*piece.text);
        // Most requests name no form, and are not read again for it.
        let asked = (body.contains("schema\"") || body.contains("json_object"))
            .then(|| serde_json::from_str::<Asked<'_>>(body).ok())
            .flatten();
        let form = asked.and_then(|asked| {
            let inner =
                |text: Option<Text<'_>>| text.and_then(|text| text.format.and_then(|format| format.form()));
            let direct = |format: Option<Format<'_>>| format.and_then(|format| format.form());
            direct(asked.response_format)
                .or_else(|| inner(asked.text))
                .or_else(|| direct(asked.output_format))
                .or_else(|| inner(asked.output_config))
        });
        Self {
            told: Instructions::new(told),
            form,
        }
    }

    /// What can be found wrong with an answer.
    pub(crate) fn possible(&self) -> impl Iterator<Item = FindingKind> {
        let leak = (!self.told.is_empty()).then_some(FindingKind::PromptLeak);
        let mismatch = self.form.as_ref().map(|_| FindingKind::OutputMismatch);
        leak.into_iter().chain(mismatch)
    }

    /// Whether part of an answer's text, from this place on, repeats what the model was told.
    pub(crate) fn repeats(&self, part: &str, from: usize, pointer: &str) -> Option<Finding> {
        let range = self.told.repeated(part)?;
        Some(leak(from + range.start..from + range.end, pointer))
    }

    /// What is wrong with the texts of an answer.
    pub(crate) fn findings(&self, pieces: &[Piece<'_>]) -> Vec<Finding> {
        let mut found = Vec::new();
        for piece in pieces.iter().filter(|piece| piece.source == Source::Model) {
            if let Some(range) = self.told.repeated(&piece.text) {
                found.push(leak(range, &piece.pointer));
            }
            found.extend(self.mismatch(piece));
        }
        found
    }

    /// What is wrong with those texts of a whole answer that are too short for anything else: `{}` may lack what a schema
    /// wants.
    pub(crate) fn short(&self, body: Scanned<'_>) -> Vec<Finding> {
        if self.form.is_none() {
            return Vec::new();
        }
        let pieces = short_of_answer(body);
        pieces.iter().filter_map(|piece| self.mismatch(piece)).collect()
    }

    /// Whether a text is the answer and not what was asked for: no JSON at all, cut off in the midst of it, or JSON that
    /// does not fit its schema.
    fn mismatch(&self, piece: &Piece<'_>) -> Option<Finding> {
        let form = self.form.as_ref()?;
        // Beside calls of tools there may be an empty text.
        if !is_answer(&piece.pointer) || piece.text.is_empty() {
            return None;
        }
        let what = match (serde_json::from_str::<Value>(&piece.text), form) {
            (Err(fault), _) if fault.is_eof() => "incomplete",
            (Err(_), _) => "no_json",
            (Ok(value), Form::Schema(schema)) if schema.check(&value).is_err() => "schema",
            (Ok(_), _) => return None,
        };
        Some(Finding {
            what: what.into(),
            ..finding(FindingKind::OutputMismatch, Severity::Low, &piece.pointer, &[])
        })
    }
}

impl Format<'_> {
    fn form(self) -> Option<Form> {
        let raw = self.json_schema.and_then(|named| named.schema).or(self.schema);
        match raw {
            Some(raw) => Some(Schema::compile(raw).map_or(Form::Json, Form::Schema)),
            None => self
                .kind
                .is_some_and(|kind| kind.get() == "\"json_object\"")
                .then_some(Form::Json),
        }
    }
}

/// Whether a text is the answer itself, and not something beside it.
fn is_answer(pointer: &str) -> bool {
    pointer.ends_with("/message/content") || pointer.ends_with("/text") || is_streamed_answer(pointer)
}

/// Of a streamed answer's texts, the answer is the one beside which nothing more is named.
fn is_streamed_answer(pointer: &str) -> bool {
    pointer
        .strip_prefix("/stream/")
        .is_some_and(|place| place.matches('/').count() == 1)
}

fn leak(range: Range<usize>, pointer: &str) -> Finding {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Finding {
        span: Some(Span {
            start: place(range.start),
            end: place(range.end),
        }),
        ..finding(FindingKind::PromptLeak, Severity::Low, pointer, &["AML.T0056"])
    }
}

fn finding(kind: FindingKind, severity: Severity, pointer: &str, taxonomy: &[&str]) -> Finding {
    Finding {
        kind,
        severity,
        what: "".into(),
        score: 900,
        span: None,
        pointer: pointer.to_owned(),
        taxonomy: taxonomy.iter().map(|id| (*id).to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use bartizan_wire::json::Bounds;

    use super::*;

    fn said(pointer: &str, text: &str) -> Vec<Piece<'static>> {
        vec![Piece {
            front: "".into(),
            source: Source::Model,
            text: text.to_owned().into(),
            pointer: pointer.to_owned(),
            span: 0..0,
            key_of: None,
        }]
    }

    #[test]
    fn an_answer_that_has_to_be_json_may_say_anything_in_it() {
        for request in [
            r#"{"response_format":{"type":"json_object"}}"#,
            r#"{"text":{"format":{"type":"json_object"}}}"#,
            // Nobody can hold anything against this schema.
            r#"{"output_format":{"type":"json_schema","schema":{"type":7}}}"#,
        ] {
            let expected = Expected::new(request, &[]);
            for (text, wrong) in [("{\"a\": [1]}", 0), ("Sorry, I can't.", 1)] {
                let found = expected.findings(&said("/choices/0/message/content", text));
                assert_eq!(found.len(), wrong, "{request} {text}");
            }
        }
        let text = r#"{"response_format":{"type":"text"},"messages":["json_object"]}"#;
        assert_eq!(Expected::new(text, &[]).possible().count(), 0);
    }

    #[test]
    fn an_answer_is_held_against_the_schema_of_its_request() {
        let schema = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;
        let requests = [
            format!(
                r#"{{"response_format":{{"type":"json_schema","json_schema":{{"name":"x","schema":{schema}}}}}}}"#
            ),
            format!(r#"{{"text":{{"format":{{"type":"json_schema","name":"x","schema":{schema}}}}}}}"#),
            format!(r#"{{"output_format":{{"type":"json_schema","schema":{schema}}}}}"#),
        ];
        for request in requests {
            let expected = Expected::new(&request, &[]);
            for (text, wrong) in [
                (r#"{"n":1}"#, None),
                (r#"{"n":"1"}"#, Some("schema")),
                (r#"[{"n":1}]"#, Some("schema")),
                ("no JSON", Some("no_json")),
                ("```json\n{\"n\":1}\n```", Some("no_json")),
                (r#"{"n":1} and more"#, Some("no_json")),
                (r#"{"n":1"#, Some("incomplete")),
                ("", None),
            ] {
                let found = expected.findings(&said("/choices/0/message/content", text));
                let found: Vec<_> = found.iter().map(|one| &*one.what).collect();
                assert_eq!(found, Vec::from_iter(wrong), "{request} {text}");
            }
            let short = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"{}"}}]}"#;
            let scanned = bartizan_wire::json::scan(short.as_bytes(), &Bounds::default()).unwrap();
            let found = expected.short(scanned);
            assert_eq!(found.len(), 1, "{request}");
            assert_eq!(found[0].what, "schema");
        }
        let plain = Expected::new(r#"{"messages":[]}"#, &[]);
        assert!(
            plain
                .findings(&said("/choices/0/message/content", "hello"))
                .is_empty()
        );
    }
}
