//! Which tools the human's words call for, asked of the agent's own model before anything else is: an intent that
//! needs no English and no table of verbs.
//!
//! The planner sees her words and the tools' names, nothing that a tool answered and nothing that a server wrote. Its
//! question is a call like the agent's own, ruled on, inspected, masked, paid for and recorded. Its answer can only name
//! tools that it was asked about. INVARIANT: no answer, a late one or one that can't be read leaves what the words were
//! found to say.

use bartizan_wire::{
    json,
    model::{self as wire, Api},
};
use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use super::{Asked, Endpoint, forward, retries};
use crate::sessions::Question;

/// What a planner is told to do. The words and names follow as JSON, so that neither can pose as the other.
const TASK: &str = "You decide which tools a request calls for. You get JSON with the words of a person and the names \
of the tools that her assistant has. Name every tool that sends, pays, writes, changes, deletes, runs or fetches \
something and that must be used to do what she asks; leave out what she does not ask for, however useful it may be. \
Answer with a JSON array of names from the list and nothing else; with [] where she only asks to be told something.";
/// Longest words that a planner is asked about, and most tools: beyond, words decide.
const WORDS: usize = 32 << 10;
const TOOLS: usize = 256;
/// Longest answer that is read, in bytes, and what it may come to in tokens where that must be said.
const ANSWER: usize = 64 << 10;
const TOKENS: u32 = 1024;

/// Asks the planner, where the human typed something since it was last asked.
pub(super) async fn plan(asked: &Asked, head: &Parts, model: &str) {
    let Some(patience) = asked.shared.config.sessions.planner else {
        return;
    };
    let Some(question) = asked.caller.session.question() else {
        return;
    };
    if question.words.len() > WORDS || question.tools.len() > TOOLS {
        return;
    }
    match tokio::time::timeout(patience, ask(asked, head, model, &question)).await {
        Ok(Some(named)) => asked.caller.session.plan(&question, &named),
        Ok(None) => tracing::info!("the planner gave no plan; the human's words decide"),
        Err(_) => tracing::info!("the planner took too long; the human's words decide"),
    }
}

async fn ask(asked: &Asked, head: &Parts, model: &str, question: &Question) -> Option<Vec<String>> {
    let body = Bytes::from(body(asked.api, model, question).to_string());
    let scanned = json::scan(&body, &asked.bounds(body.len())).ok()?;
    let request = wire::decode_request(asked.api, scanned).ok()?;
    let way = super::way(asked, &request).ok()?;
    // What makes a retry known again is for the agent's own call.
    let mut head = head.clone();
    head.headers.remove(retries::HEADER);
    let asked_for = (&body, scanned, &request);
    let answer = forward(asked.clone(), way, Endpoint::Generate, &head, asked_for);
    let (head, answer) = Box::pin(answer).await.ok()?.into_parts();
    if !head.status.is_success() {
        return None;
    }
    let bytes = Limited::new(answer, ANSWER).collect().await.ok()?.to_bytes();
    named(&said(asked.api, &serde_json::from_slice(&bytes).ok()?))
}

/// The question in the words of an API.
fn body(api: Api, model: &str, question: &Question) -> Value {
    let words = json!({"words": question.words, "tools": question.tools}).to_string();
    match api {
        Api::OpenaiChat => json!({"model": model, "messages": [
            {"role": "system", "content": TASK}, {"role": "user", "content": words}]}),
        Api::OpenaiResponses => {
            json!({"model": model, "store": false, "instructions": TASK, "input": words})
        }
        Api::AnthropicMessages => json!({"model": model, "max_tokens": TOKENS, "system": TASK,
            "messages": [{"role": "user", "content": words}]}),
    }
}

/// The text of an answer.
fn said(api: Api, answer: &Value) -> String {
    let texts = |parts: Option<&Value>| -> String {
        let parts = parts.and_then(Value::as_array).into_iter().flatten();
        parts.filter_map(|part| part.get("text")?.as_str()).collect()
    };
    match api {
        Api::OpenaiChat => {
            let content = answer.pointer("/choices/0/message/content");
            content.and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        Api::OpenaiResponses => {
            let items = answer
                .get("output")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            items.map(|item| texts(item.get("content"))).collect()
        }
        Api::AnthropicMessages => texts(answer.get("content")),
    }
}

/// The array in a text, whatever stands around it.
fn named(text: &str) -> Option<Vec<String>> {
    let array = text.get(text.find('[')?..=text.rfind(']')?)?;
    serde_json::from_str(array).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_an_array_or_nothing() {
        let names = |text| named(text).map(|names| names.join(" "));
        assert_eq!(names("[]").as_deref(), Some(""));
        assert_eq!(
            names("```json\n[\"send_email\"]\n```").as_deref(),
            Some("send_email")
        );
        for text in [
            "",
            "send_email",
            "][",
            "[send_email]",
            "[\"a\"] or [\"b\"]",
            "[1]",
        ] {
            assert_eq!(names(text), None, "{text}");
        }
    }

    #[test]
    fn each_api_says_it_in_its_own_place() {
        let chat = json!({"choices": [{"message": {"content": "[\"a\"]"}}]});
        let responses = json!({"output": [{"type": "reasoning"}, {"content": [{"type": "output_text", "text": "[\"a\"]"}]}]});
        let messages = json!({"content": [{"type": "text", "text": "[\"a\"]"}]});
        for (api, answer) in [
            (Api::OpenaiChat, chat),
            (Api::OpenaiResponses, responses),
            (Api::AnthropicMessages, messages),
        ] {
            assert_eq!(named(&said(api, &answer)), Some(vec!["a".to_owned()]));
            assert_eq!(said(api, &Value::Null), "");
        }
    }
}
