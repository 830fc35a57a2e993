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
            Code::JsonDepth => format!("{} levels", bounds.depth),
            Code::BodyTooLarge => format!("{} bytes (`[inspect] bytes_per_call`)", bounds.bytes),
            _ => return shared.misread(fault, &body, &caller.principal),
        };
        shared.reject_at(Some(limit), fault.code, Some(&caller.principal))
    })?;
    let texts = read(shape, &body).map_err(|wrong| early(Code::RequestShape).saying(&wrong))?;
    let inspector = Arc::clone(inspector);
    let work = tokio::task::spawn_blocking(move || answer(&inspector, shape, &texts));
    let told = work.await.map_err(|_| early(Code::Bug))?;
    let mut response = Response::new(AgentBody::ours(told.to_string().into_bytes()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The texts of a request, or what is wrong with it: which field, and what it takes. In words of ours alone.
fn read(shape: Shape, body: &[u8]) -> Result<Vec<(Source, String)>, String> {
    let few = |name: &str, count: usize| match count {
        0..=TEXTS => Ok(()),
        _ => Err(format!(
            "`{name}` has {count} items, and at most {TEXTS} are looked at in one call"
        )),
    };
    match shape {
        Shape::Inspect => {
            let asked: Asked = serde_json::from_slice(body).map_err(|_| wrong_texts(body))?;
            few("texts", asked.texts.len())?;
            let texts = asked.texts.into_iter().enumerate();
            texts
                .map(|(at, one)| match (one.text, one.document) {
                    (Some(text), None) => Ok((one.channel.source(), text)),
                    (None, Some(document)) => Ok((Source::File, document)),
                    _ => Err(format!("`texts[{at}]{EITHER}")),
                })
                .collect()
        }
        Shape::Moderations => {
            let asked: Moderated = serde_json::from_slice(body).map_err(|_| wrong_input(body))?;
            let texts = match asked.input {
                Input::One(text) => vec![text],
                Input::Many(parts) => parts
                    .into_iter()
                    .map(|part| match part {
                        Part::Text(text) | Part::Typed { text } => text,
                    })
                    .collect(),
            };
            few("input", texts.len())?;
            Ok(texts.into_iter().map(|text| (Source::User, text)).collect())
        }
    }
}

/// What every text is.
const EITHER: &str = "` has `text` or `document`, and not both";

/// What is wrong with a body that is no [`Asked`].
fn wrong_texts(body: &[u8]) -> String {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return "it is a JSON object with the list `texts`".to_owned();
    };
    if members.keys().any(|name| name != "texts") {
        return "there is the field `texts`, and no other".to_owned();
    }
    let Some(Value::Array(texts)) = members.get("texts") else {
        return "`texts` is a list of objects".to_owned();
    };
    let mut wrong = texts.iter().enumerate().filter_map(|(at, text)| {
        let what = wrong_text(text)?;
        Some(format!("`texts[{at}]{what}"))
    });
    wrong
        .next()
        .unwrap_or_else(|| "every field is there once".to_owned())
}

/// What is wrong with one text, behind its name and up to the end of a sentence.
fn wrong_text(text: &Value) -> Option<&'static str> {
    let Value::Object(members) = text else {
        return Some("` is an object with `text` or `document`");
    };
    let known = ["text", "document", "channel"];
    if !members.keys().all(|name| known.contains(&name.as_str())) {
        return Some("` has `text`, `document` and `channel`, and no other fields");
    }
    let is_text = |name: &str| {
        members
            .get(name)
            .is_none_or(|value| value.is_string() || value.is_null())
    };
    let is_channel = |value: &Value| serde_json::from_value::<Channel>(value.clone()).is_ok();
    if !is_text("text") {
        Some(".text` is a text")
    } else if !is_text("document") {
        Some(".document` is a text, a document in base64")
    } else if !members.get("channel").is_none_or(is_channel) {
        Some(".channel` is `user`, `tool`, `document`, `mail`, `description` or `system`")
    } else {
        None
    }
}

/// What is wrong with a body that is no [`Moderated`].
fn wrong_input(body: &[u8]) -> String {
    const PART: &str = "is a text, or an object with `text`; pictures are not looked at";
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return "it is a JSON object with `input`".to_owned();
    };
    let Some(Value::Array(parts)) = members.get("input") else {
        return "`input` is a text, or a list of texts or of objects with `text`".to_owned();
    };
    let is_part = |part: &Value| serde_json::from_value::<Part>(part.clone()).is_ok();
    let wrong = parts.iter().position(|part| !is_part(part));
    wrong.map_or_else(
        || format!("each of `input` {PART}"),
        |at| format!("`input[{at}]` {PART}"),
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_request_is_named_by_its_field() {
        let check = |shape: Shape, body: &str, expected: &str| {
            let wrong = read(shape, body.as_bytes()).unwrap_err();
            assert!(wrong.contains(expected), "{body}: {wrong}");
        };
        for (body, expected) in [
            ("[]", "JSON object with the list `texts`"),
            ("{}", "`texts` is a list"),
            (r#"{"text":"x"}"#, "the field `texts`"),
            (r#"{"texts":"x"}"#, "`texts` is a list"),
            (r#"{"texts":[],"more":1}"#, "no other"),
            (r#"{"texts":[{"text":"a"},"x"]}"#, "`texts[1]` is an object"),
            (r#"{"texts":[{"text":1}]}"#, "`texts[0].text` is a text"),
            (r#"{"texts":[{"document":[]}]}"#, "`texts[0].document`"),
            (
                r#"{"texts":[{"text":"a","channel":"web"}]}"#,
                "`texts[0].channel` is `user`",
            ),
            (r#"{"texts":[{"text":"a","chanel":"user"}]}"#, "no other fields"),
            (
                r#"{"texts":[{"channel":"user"}]}"#,
                "`texts[0]` has `text` or `document`",
            ),
            (r#"{"texts":[{"text":"a","document":"b"}]}"#, "and not both"),
        ] {
            check(Shape::Inspect, body, expected);
        }
        for (body, expected) in [
            ("7", "JSON object with `input`"),
            ("{}", "`input` is a text"),
            (r#"{"input":7}"#, "`input` is a text"),
            (r#"{"input":["a",7]}"#, "`input[1]` is a text"),
            (
                r#"{"input":[{"type":"image_url","image_url":{"url":"https://x.example"}}]}"#,
                "`input[0]` is a text, or an object with `text`; pictures",
            ),
        ] {
            check(Shape::Moderations, body, expected);
        }
        let texts = vec![r#"{"text":"a"}"#; TEXTS + 1].join(",");
        check(
            Shape::Inspect,
            &format!(r#"{{"texts":[{texts}]}}"#),
            "`texts` has 257 items, and at most 256",
        );
        let input = vec![r#""a""#; TEXTS + 1].join(",");
        check(
            Shape::Moderations,
            &format!(r#"{{"input":[{input}]}}"#),
            "`input` has 257 items",
        );
        let typed = r#"{"model":"m","input":[{"type":"text","text":"hi there"},"and more"]}"#;
        let read_texts = read(Shape::Moderations, typed.as_bytes()).unwrap();
        let read_texts: Vec<&str> = read_texts.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(read_texts, ["hi there", "and more"]);
        let most = vec![r#""a""#; TEXTS].join(",");
        let read = read(Shape::Moderations, format!(r#"{{"input":[{most}]}}"#).as_bytes());
        assert_eq!(read.unwrap().len(), TEXTS);
    }
}
