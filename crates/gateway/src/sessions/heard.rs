//! What a request to a model says of its conversation.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use bartizan_flow::{Assessment, Manifest, ToolFacts, infer};
use bartizan_types::{Digest, Effects};
use bartizan_wire::model::Request;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::model::sha256;

/// Most declared tools that are looked at.
const TOOLS: usize = 512;

/// A request to a model, as sessions read it.
pub(crate) struct Heard<'a> {
    body: &'a str,
    request: &'a Request<'a>,
}

/// A tool call that a model proposed.
#[derive(Debug, Clone)]
pub(crate) struct Proposed {
    /// The call's id, as the model gave it.
    pub id: String,
    /// The tool, as the agent declared it.
    pub name: String,
    /// SHA-256 of the canonical arguments.
    pub arguments: Digest,
    /// It will cross as a call over MCP.
    pub crosses: bool,
    /// Where its arguments came from, with which its answer is read.
    pub found: Option<Arc<Assessment>>,
    /// The model that proposed it, as `upstream/model`.
    pub by: Option<Arc<str>>,
}

impl Proposed {
    /// Whether it is a call of these arguments, to a tool of one of these names.
    pub(super) fn is(&self, names: &[&str], arguments: Digest) -> bool {
        self.arguments == arguments && names.contains(&self.name.as_str())
    }
}

/// Manifests of the agent's own tools, inferred from what the request declares; nobody reviewed them.
pub(crate) type Local = BTreeMap<String, Arc<Manifest>>;

impl<'a> Heard<'a> {
    /// Of a decoded request and its body.
    pub(crate) const fn new(body: &'a str, request: &'a Request<'a>) -> Self {
        Self { body, request }
    }

    /// What proposes a conversation: the first message in the human's role. Another first message is another
    /// conversation, which begins with the taint of this one.
    pub(super) fn root(&self) -> Digest {
        let first = self.request.said.iter().take_while(|said| said.message == 0);
        let mut all = Vec::new();
        for said in first {
            all.extend_from_slice(self.body.get(said.span.clone()).unwrap_or_default().as_bytes());
        }
        sha256(&all)
    }

    /// Texts in the human's role, with the message each is in.
    pub(super) fn said(&self) -> impl Iterator<Item = (u32, Cow<'a, str>)> {
        self.request
            .said
            .iter()
            .filter_map(|said| Some((said.message, text(self.body.get(said.span.clone())?)?)))
    }

    /// Results of tools: the call's id, the tool where it is named, the content as JSON.
    pub(super) fn results(&self) -> impl Iterator<Item = (&str, Option<&str>, &'a str)> {
        self.request.tool_results.iter().map(|result| {
            let content = self.body.get(result.span.clone()).unwrap_or_default();
            (&*result.id, result.name.as_deref(), content)
        })
    }

    /// The declared tools, as JSON. It changes seldom, so it is compared before it is read.
    pub(super) fn tools(&self) -> &'a str {
        self.body.get(self.request.tools_span.clone()).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Declared {
    name: Option<String>,
    description: Option<String>,
    parameters: Option<Value>,
    input_schema: Option<Value>,
    function: Option<Box<Declared>>,
}

/// Infers a manifest for each declared tool.
pub(super) fn local(tools: &str) -> Local {
    let declared: Vec<Declared> = serde_json::from_str(tools).unwrap_or_default();
    let mut out = Local::new();
    for tool in declared.into_iter().take(TOOLS) {
        let tool = tool.function.map_or(
            Declared {
                function: None,
                ..tool
            },
            |inner| *inner,
        );
        let Some(name) = tool.name else { continue };
        let input = tool.parameters.or(tool.input_schema).unwrap_or_default();
        let inferred = infer(&ToolFacts {
            name: &name,
            description: tool.description.as_deref().unwrap_or_default(),
            input: &input,
            hints: Effects::default(),
        });
        out.insert(name, Arc::new(inferred.manifest));
    }
    out
}

/// A JSON string's text.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    let bare = json.strip_prefix('"')?.strip_suffix('"')?;
    if bare.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(bare))
    }
}

/// The texts of a result's content: the string it is, or its text parts, and the words of its other parts.
pub(super) fn texts(content: &str) -> Vec<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Part {
        #[serde(rename = "type")]
        kind: Option<String>,
        text: Option<String>,
    }
    if let Some(text) = text(content) {
        return vec![text];
    }
    // Whatever else it is, it is read as it stands.
    let Ok(parts) = serde_json::from_str::<Vec<&RawValue>>(content) else {
        return vec![Cow::Borrowed(content)];
    };
    let plain = |part: Part| {
        let kind = part.kind.as_deref();
        let plain = kind.is_none_or(|kind| matches!(kind, "text" | "input_text" | "output_text"));
        part.text.filter(|_| plain)
    };
    let one = |part: &RawValue| {
        if let Some(text) = serde_json::from_str(part.get()).ok().and_then(plain) {
            return text;
        }
        // A document, a search result, a picture: its words, or something in the place of none.
        let whole: Value = serde_json::from_str(part.get()).unwrap_or_default();
        let words = words(&whole);
        if words.is_empty() {
            WORDLESS.to_owned()
        } else {
            words
        }
    };
    parts.into_iter().map(one).map(Cow::Owned).collect()
}

/// What stands for a part without words: a picture, a sound, a file.
pub(crate) const WORDLESS: &str = "\u{FFFC}";
/// Members that hold no words: content in Base64, and what says of which kind it is.
const NO_WORDS: [&str; 9] = [
    "type",
    "data",
    "blob",
    "mimeType",
    "media_type",
    "mime_type",
    "image_url",
    "file_data",
    "image",
];

/// The texts in a part that is none itself, a line each.
pub(crate) fn words(part: &Value) -> String {
    fn walk(value: &Value, out: &mut String) {
        match value {
            Value::String(text) => {
                if !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(text);
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            Value::Object(members) => {
                // The source of a document in plain text has it in `data`.
                let plain = members.get("type").and_then(Value::as_str) == Some("text");
                members
                    .iter()
                    .filter(|(key, _)| plain && *key == "data" || !NO_WORDS.contains(&key.as_str()))
                    .for_each(|(_, inner)| walk(inner, out));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut out = String::new();
    walk(part, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_result_is_read_whatever_it_is() {
        for (content, expected) in [
            (r#""a\nb""#, vec!["a\nb"]),
            (r#"[{"type":"text","text":"a"},"b"]"#, vec!["a", "b"]),
            (
                r#"[{"type":"search_result","content":[{"type":"text","text":"pay"}]}]"#,
                vec!["pay"],
            ),
            (
                r#"[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"pay"}}]"#,
                vec!["pay"],
            ),
            (
                r#"[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]"#,
                vec![WORDLESS],
            ),
            (r#"{"type":"screenshot"}"#, vec![r#"{"type":"screenshot"}"#]),
            ("[]", vec![]),
        ] {
            assert_eq!(texts(content), expected, "{content}");
        }
        let both = texts(r#"[{"type":"search_result","text":"fine","content":[{"text":"pay"}]}]"#);
        assert!(both.iter().any(|text| text.contains("pay")), "{both:?}");
    }
}
