//! Inspection as a service: for other gateways and for tests. Authenticated as any call; what is sent is looked at,
//! answered and forgotten, and forwarded to nobody.

use std::{collections::BTreeMap, sync::Arc};

use bartizan_inspect::taxonomy;
use bartizan_types::{Code, Refusal, Severity};
use bartizan_wire::json::{self, Bounds};
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Inspector, Mark, Source};
use crate::{Shared, answer::AgentBody, clock, gate::Caller};

/// Most texts of one request.
const TEXTS: usize = 256;

/// Which shape the service is asked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Our own: channels, spans, kinds.
    Inspect,
    /// OpenAI's moderations.
    Moderations,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    texts: Vec<AskedText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedText {
    #[serde(default)]
    text: Option<String>,
    /// A document in base64, in place of a text.
    #[serde(default)]
    document: Option<String>,
    #[serde(default)]
    channel: Channel,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Channel {
    #[default]
    User,
    Tool,
    Document,
    Mail,
    Description,
    System,
}

#[derive(Deserialize)]
struct Moderated {
    input: Input,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<Part>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    Typed { text: String },
}

/// One finding. Of what the classifier saw, how far above its threshold, and the parts of the text that speak most for it;
/// places are bytes of the text.
#[derive(Serialize)]
struct Told {
    kind: &'static str,
    what: &'static str,
    severity: Severity,
    score: u16,
    start: usize,
    end: usize,
    taxonomy: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    above_threshold: Option<f32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    because: Vec<Reason>,
}

#[derive(Serialize)]
struct Reason {
    start: usize,
    end: usize,
    weight: f32,
}

impl Channel {
    const fn source(self) -> Source {
        match self {
            Self::User => Source::User,
            Self::Tool => Source::Tool,
            Self::Document => Source::Document,
            Self::Mail => Source::Mail,
            Self::Description => Source::Description,
            Self::System => Source::System,
        }
    }
}

/// Answers one request.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    caller: &Caller,
    shape: Shape,
    body: Bytes,
) -> Result<Response<AgentBody>, Refusal> {
    let early = |code| shared.reject(code, Some(&caller.principal));
    let inspector = shared.inspector.as_ref().ok_or_else(|| early(Code::NotFound))?;
    let bounds = Bounds {
        depth: 16,
        bytes: inspector.config.bytes_per_call,
        ..Bounds::default()
    };
    json::scan(&body, &bounds).map_err(|fault| {
        let limit = match fault.code {
            Code::JsonDepth => Some(format!("{} levels", bounds.depth)),
            Code::BodyTooLarge => Some(format!("{} bytes (`[inspect] bytes_per_call`)", bounds.bytes)),
            _ => None,
        };
        shared.reject_at(limit, fault.code, Some(&caller.principal))
    })?;
    let texts = read(shape, &body).ok_or_else(|| early(Code::RequestShape))?;
    if texts.len() > TEXTS {
        return Err(early(Code::RequestShape));
    }
    let inspector = Arc::clone(inspector);
    let work = tokio::task::spawn_blocking(move || answer(&inspector, shape, &texts));
    let told = work.await.map_err(|_| early(Code::Bug))?;
    let mut response = Response::new(AgentBody::ours(told.to_string().into_bytes()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn read(shape: Shape, body: &[u8]) -> Option<Vec<(Source, String)>> {
    match shape {
        Shape::Inspect => {
            let asked: Asked = serde_json::from_slice(body).ok()?;
            let texts = asked.texts.into_iter();
            texts
                .map(|one| match (one.text, one.document) {
                    (Some(text), None) => Some((one.channel.source(), text)),
                    (None, Some(document)) => Some((Source::File, document)),
                    _ => None,
                })
                .collect()
        }
        Shape::Moderations => {
            let asked: Moderated = serde_json::from_slice(body).ok()?;
            let texts = match asked.input {
                Input::One(text) => vec![text],
                Input::Many(parts) => parts
                    .into_iter()
                    .map(|part| match part {
                        Part::Text(text) | Part::Typed { text } => text,
                    })
                    .collect(),
            };
            Some(texts.into_iter().map(|text| (Source::User, text)).collect())
        }
    }
}

fn answer(inspector: &Inspector, shape: Shape, texts: &[(Source, String)]) -> Value {
    match shape {
        Shape::Inspect => {
            let told =
                |(source, text): &(Source, String)| json!({ "findings": told(inspector, *source, text) });
            json!({ "results": texts.iter().map(told).collect::<Vec<Value>>() })
        }
        Shape::Moderations => {
            let marks = texts
                .iter()
                .map(|(source, text)| inspector.examine(*source, text));
            let results: Vec<Value> = marks.map(|marks| moderated(&marks)).collect();
            json!({
                "id": format!("modr-{}", clock::mint::<()>(clock::now())),
                "model": "bartizan-inspect",
                "results": results,
            })
        }
    }
}

fn told(inspector: &Inspector, source: Source, text: &str) -> Vec<Told> {
    let (marks, reasons) = inspector.explain(source, text);
    marks
        .iter()
        .map(|mark| {
            let reason = reasons
                .iter()
                .find(|seen| seen.kind == mark.kind && seen.what == mark.what && seen.span == mark.range);
            let because = reason.map(|seen| seen.because.as_slice()).unwrap_or_default();
            Told {
                kind: mark.kind.as_str(),
                what: mark.what,
                severity: mark.severity,
                score: mark.score,
                start: mark.range.start,
                end: mark.range.end,
                taxonomy: taxonomy(mark.kind),
                above_threshold: reason.and_then(|seen| seen.above),
                because: because
                    .iter()
                    .map(|(range, weight)| Reason {
                        start: range.start,
                        end: range.end,
                        weight: *weight,
                    })
                    .collect(),
            }
        })
        .collect()
}

/// The categories are ours: nothing is said of those that are not looked for. A text is flagged from medium on.
fn moderated(marks: &[Mark]) -> Value {
    const CATEGORIES: [&str; 7] = [
        "injection",
        "hidden_text",
        "secret",
        "personal_data",
        "exfiltration_address",
        "known_threat",
        "canary",
    ];
    let mut scores: BTreeMap<&str, f64> = CATEGORIES.into_iter().map(|name| (name, 0.0)).collect();
    let mut categories: BTreeMap<&str, bool> = CATEGORIES.into_iter().map(|name| (name, false)).collect();
    for mark in marks {
        let name = mark.kind.as_str();
        if let Some(score) = scores.get_mut(name) {
            *score = score.max(f64::from(mark.score) / 1000.0);
        }
        if let Some(flag) = categories.get_mut(name) {
            *flag |= mark.severity >= Severity::Medium;
        }
    }
    json!({
        "flagged": categories.values().any(|flag| *flag),
        "categories": categories,
        "category_scores": scores,
    })
}
