//! What an answer is held against: the instructions that its model was given, and the schema that the request gave for it.

use std::ops::Range;

use bartizan_inspect::output::{Instructions, dangerous_code};
use bartizan_mcp::Schema;
use bartizan_types::{Finding, FindingKind, Severity, Span};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Mark, Piece, Source};

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
    schema: Option<Schema>,
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
        // Most requests name no schema, and are not read again for it.
        let asked = body
            .contains("schema\"")
            .then(|| serde_json::from_str::<Asked<'_>>(body).ok())
            .flatten();
        let format = asked.and_then(|asked| {
            let inner =
                |text: Option<Text<'_>>| text.and_then(|text| text.format.and_then(|format| format.raw()));
            let direct = |format: Option<Format<'_>>| format.and_then(|format| format.raw());
            direct(asked.response_format)
                .or_else(|| inner(asked.text))
                .or_else(|| direct(asked.output_format))
                .or_else(|| inner(asked.output_config))
        });
        Self {
            told: Instructions::new(told),
            schema: format.and_then(|raw| Schema::compile(&raw).ok()),
        }
    }

    /// What can be found wrong with an answer.
    pub(crate) fn possible(&self) -> impl Iterator<Item = FindingKind> {
        let leak = (!self.told.is_empty()).then_some(FindingKind::PromptLeak);
        let mismatch = self.schema.as_ref().map(|_| FindingKind::OutputMismatch);
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
            if is_answer(&piece.pointer)
                && let Some(schema) = &self.schema
                && !fits(schema, &piece.text)
            {
                found.push(finding(
                    FindingKind::OutputMismatch,
                    Severity::Low,
                    &piece.pointer,
                    &[],
                ));
            }
        }
        found
    }
}

impl Format<'_> {
    fn raw(self) -> Option<Box<RawValue>> {
        let raw = self.json_schema.and_then(|named| named.schema).or(self.schema);
        raw.map(ToOwned::to_owned)
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

fn fits(schema: &Schema, text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| schema.check(&value).is_ok())
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
    use super::*;

    fn said(pointer: &str, text: &str) -> Vec<Piece<'static>> {
        vec![Piece {
            front: "".into(),
            source: Source::Model,
            text: text.to_owned().into(),
            pointer: pointer.to_owned(),
            span: 0..0,
            is_key: false,
        }]
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
            for (text, wrong) in [(r#"{"n":1}"#, 0), (r#"{"n":"1"}"#, 1), ("no JSON", 1)] {
                let found = expected.findings(&said("/choices/0/message/content", text));
                assert_eq!(found.len(), wrong, "{request} {text}");
            }
        }
        let plain = Expected::new(r#"{"messages":[]}"#, &[]);
        assert!(
            plain
                .findings(&said("/choices/0/message/content", "hello"))
                .is_empty()
        );
    }
}
