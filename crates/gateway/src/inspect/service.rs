//! Inspection as a service: for other gateways and for tests. Authenticated as any call; what is sent is looked at,
//! answered and forgotten, and forwarded to nobody.

use std::{collections::BTreeMap, sync::Arc};

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
    text: String,
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

#[derive(Serialize)]
struct Told {
    kind: &'static str,
    what: &'static str,
    severity: Severity,
    score: u16,
    start: usize,
    end: usize,
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
            Some(texts.map(|text| (text.channel.source(), text.text)).collect())
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
    let all = texts
        .iter()
        .map(|(source, text)| inspector.examine(*source, text));
    match shape {
        Shape::Inspect => {
            let results: Vec<Value> = all.map(|marks| json!({ "findings": told(&marks) })).collect();
            json!({ "results": results })
        }
        Shape::Moderations => {
            let results: Vec<Value> = all.map(|marks| moderated(&marks)).collect();
            json!({
                "id": format!("modr-{}", clock::mint::<()>(clock::now())),
                "model": "bartizan-inspect",
                "results": results,
            })
        }
    }
}

fn told(marks: &[Mark]) -> Vec<Told> {
    marks
        .iter()
        .map(|mark| Told {
            kind: mark.kind.as_str(),
            what: mark.what,
            severity: mark.severity,
            score: mark.score,
            start: mark.range.start,
            end: mark.range.end,
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
