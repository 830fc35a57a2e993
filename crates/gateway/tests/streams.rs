//! What streamed answers say is looked at, ruled on and masked before the agent reads it, in whatever pieces it comes.

#[expect(dead_code, reason = "the MCP tests use more of it")]
mod support;

use std::{collections::BTreeSet, time::Duration};

use bartizan_gateway::config::{Family, MaskAct, MaskRule};
use bartizan_types::{Code, Ending, FindingKind, Record, RecordKind, RulingWord};
use serde_json::{Value, json};
use support::{Answer, Gated, OPEN, config, upstream};

/// A key that the detectors are sure of, and no key of anybody's.
const KEY: &str = "AKIAQYLPMN5HHHFPZAM2";
const NO_SECRETS: &str = r#"
@id("test.open")
permit (principal, action, resource);
@id("test.no_secrets") @reason("answers hold no keys")
forbid (principal, action == Bartizan::Action::"generate", resource)
when { context.answering && context.findings.contains("secret") };
@id("test.no_secrets_called") @reason("calls hold no keys")
forbid (principal, action == Bartizan::Action::"propose_tool", resource)
when { context.findings.contains("secret") };
"#;

/// One API: where it is asked, of which family, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    Chat,
    Responses,
    Messages,
}

const APIS: [Api; 3] = [Api::Chat, Api::Responses, Api::Messages];

impl Api {
    fn family(self) -> Family {
        match self {
            Self::Chat | Self::Responses => Family::Openai,
            Self::Messages => Family::Anthropic,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }

    fn ask(self, streamed: bool) -> String {
        let body = match self {
            Self::Chat => json!({"model":"m","messages":[{"role":"user","content":"hi"}]}),
            Self::Responses => json!({"model":"m","input":"hi"}),
            Self::Messages => {
                json!({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]})
            }
        };
        let mut body = body;
        if streamed {
            body["stream"] = Value::Bool(true);
        }
        body.to_string()
    }

    fn event(self, value: &Value) -> String {
        match self {
            Self::Chat => format!("data: {value}\n\n"),
            _ => format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap()),
        }
    }

    /// A stream that says a text in these pieces.
    fn says(self, pieces: &[&str]) -> String {
        let whole = pieces.concat();
        let mut events = Vec::new();
        match self {
            Self::Chat => {
                for piece in pieces {
                    events.push(json!({"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":piece}}]}));
                }
                events.push(json!({"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}));
            }
            Self::Responses => {
                events.push(json!({"type":"response.created","response":{"id":"r","status":"in_progress","output":[]}}));
                events.push(json!({"type":"response.output_item.added","output_index":0,"item":{"id":"m1","type":"message","role":"assistant","content":[]}}));
                for piece in pieces {
                    events.push(json!({"type":"response.output_text.delta","item_id":"m1","output_index":0,"content_index":0,"delta":piece}));
                }
                events.push(json!({"type":"response.output_text.done","item_id":"m1","output_index":0,"content_index":0,"text":whole}));
                let item = json!({"id":"m1","type":"message","role":"assistant","content":[{"type":"output_text","text":whole}]});
                events.push(json!({"type":"response.output_item.done","output_index":0,"item":item}));
                events.push(json!({"type":"response.completed","response":{"id":"r","status":"completed","output":[item]}}));
            }
            Self::Messages => {
                events.push(json!({"type":"message_start","message":{"id":"x","type":"message","role":"assistant","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}));
                events.push(
                    json!({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}),
                );
                for piece in pieces {
                    events.push(json!({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":piece}}));
                }
                events.push(json!({"type":"content_block_stop","index":0}));
                events.push(json!({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}));
                events.push(json!({"type":"message_stop"}));
            }
        }
        let mut out: String = events.iter().map(|event| self.event(event)).collect();
        if self == Self::Chat {
            out.push_str("data: [DONE]\n\n");
        }
        out
    }

    /// A stream that calls a tool, with its arguments in these pieces.
    fn calls(self, pieces: &[&str]) -> String {
        let whole = pieces.concat();
        let mut events = Vec::new();
        match self {
            Self::Chat => {
                events.push(json!({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"send","arguments":""}}]}}]}));
                for piece in pieces {
                    events.push(json!({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":piece}}]}}]}));
                }
                events.push(json!({"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}));
            }
            Self::Responses => {
                events.push(json!({"type":"response.created","response":{"id":"r","status":"in_progress","output":[]}}));
                let item = |arguments: &str, status: &str| json!({"id":"f1","type":"function_call","call_id":"t","name":"send","arguments":arguments,"status":status});
                events.push(json!({"type":"response.output_item.added","output_index":0,"item":item("", "in_progress")}));
                for piece in pieces {
                    events.push(json!({"type":"response.function_call_arguments.delta","item_id":"f1","output_index":0,"delta":piece}));
                }
                events.push(json!({"type":"response.function_call_arguments.done","item_id":"f1","output_index":0,"arguments":whole}));
                events.push(json!({"type":"response.output_item.done","output_index":0,"item":item(&whole, "completed")}));
                events.push(json!({"type":"response.completed","response":{"id":"r","status":"completed","output":[item(&whole, "completed")]}}));
            }
            Self::Messages => {
                events.push(json!({"type":"message_start","message":{"id":"x","type":"message","role":"assistant","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}));
                events.push(json!({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"send","input":{}}}));
                for piece in pieces {
                    events.push(json!({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":piece}}));
                }
                events.push(json!({"type":"content_block_stop","index":0}));
                events.push(json!({"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":2}}));
                events.push(json!({"type":"message_stop"}));
            }
        }
        let mut out: String = events.iter().map(|event| self.event(event)).collect();
        if self == Self::Chat {
            out.push_str("data: [DONE]\n\n");
        }
        out
    }

    /// A whole answer with this text.
    fn answer(self, text: &str) -> Value {
        match self {
            Self::Chat => {
                json!({"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":text},"finish_reason":"stop"}]})
            }
            Self::Responses => {
                json!({"id":"r","object":"response","status":"completed","output":[{"id":"m1","type":"message","role":"assistant","content":[{"type":"output_text","text":text}]}]})
            }
            Self::Messages => {
                json!({"id":"x","type":"message","role":"assistant","content":[{"type":"text","text":text}],"usage":{"input_tokens":1,"output_tokens":1}})
            }
        }
    }
}

/// The text that an agent's SDK would put together.
fn read(stream: &str) -> String {
    let mut text = String::new();
    for line in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        for pointer in ["/choices/0/delta/content", "/delta/text"] {
            text.push_str(event.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
        }
        if event["type"] == "response.output_text.delta" {
            text.push_str(event["delta"].as_str().unwrap());
        }
    }
    text
}

fn pieces(text: &str, size: usize) -> Vec<&str> {
    let mut rest = text;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (piece, left) = rest.split_at(rest.ceil_char_boundary(size.min(rest.len())));
        out.push(piece);
        rest = left;
    }
    out
}

fn cut(stream: &str, size: usize) -> Answer {
    let chunks = stream.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
    Answer::Stream(chunks, Duration::ZERO)
}

async fn gated(api: Api, answer: Answer, policy: &str, rules: Vec<MaskRule>) -> Gated {
    let provider = support::Upstreamed::start(vec![answer]).await;
    let mut config = config(vec![upstream("p", api.family(), provider.address)]);
    config.privacy.rules = rules;
    Gated::start(config, policy).await
}

async fn said(gate: &Gated, api: Api) -> String {
    let (_, _, body) = gate.post(api.path(), api.ask(true)).await;
    String::from_utf8(body.to_vec()).unwrap()
}

async fn records(gate: &Gated) -> Vec<Record> {
    let stored = gate.records().await;
    stored.into_iter().filter_map(|stored| stored.record).collect()
}

fn filler(words: usize) -> String {
    (0..words).map(|at| format!("word{} ", at % 7)).collect()
}

#[tokio::test]
async fn what_policy_withholds_never_leaves_in_whatever_pieces_it_comes() {
    let before = filler(60);
    let text = format!("{before}and the key is {KEY} and more. {}", filler(60));
    for api in APIS {
        for piece in [1, 6, 33, 5000] {
            let stream = api.says(&pieces(&text, piece));
            let mut outs = BTreeSet::new();
            for size in [7, 1000, 1 << 20] {
                let gate = gated(api, cut(&stream, size), NO_SECRETS, Vec::new()).await;
                let out = said(&gate, api).await;
                assert!(
                    !out.contains("AKIA") && !out.contains(&KEY[6..14]),
                    "{api:?} {piece} {out}"
                );
                assert!(out.contains("answers hold no keys"), "{api:?} {piece} {out}");
                let got = read(&out);
                assert!(text.starts_with(&got), "{api:?} {piece}: `{got}`");
                if piece < 40 {
                    assert!(
                        got.len() + 300 > before.len(),
                        "{api:?} {piece}: too much was held: `{got}`"
                    );
                }
                // The call's id differs; nothing else does.
                outs.insert(got);
                let records = records(&gate).await;
                let ruling = records.iter().find(|record| record.answering).unwrap();
                assert_eq!(ruling.ruling, Some(RulingWord::Deny));
                assert_eq!(ruling.code, Some(Code::AnswerWithheld));
                let closing = records
                    .iter()
                    .find(|record| record.kind == RecordKind::Closing && record.call == ruling.call)
                    .unwrap();
                assert_eq!(closing.ending, Some(Ending::Withheld));
                assert!(closing.findings.iter().any(|one| one.kind == FindingKind::Secret));
            }
            assert_eq!(
                outs.len(),
                1,
                "{api:?} {piece}: what goes depends on how bytes were cut"
            );
        }
    }
}

#[tokio::test]
async fn what_policy_lets_pass_comes_byte_for_byte_however_it_is_held() {
    let text = format!("{}\n\n- one\n- two\n\n{}", filler(80), filler(40));
    for api in APIS {
        let stream = api.says(&pieces(&text, 5));
        for size in [1, 50, 1 << 20] {
            let gate = gated(api, cut(&stream, size), NO_SECRETS, Vec::new()).await;
            assert_eq!(said(&gate, api).await, stream, "{api:?} {size}");
        }
        let called = api.calls(&pieces(r#"{"to":"somebody","text":"hello"}"#, 3));
        let gate = gated(api, cut(&called, 11), NO_SECRETS, Vec::new()).await;
        assert_eq!(said(&gate, api).await, called, "{api:?}");
    }
}

#[tokio::test]
async fn where_policy_acts_on_nothing_the_record_says_what_was_seen() {
    let text = format!("the key is {KEY}, keep it");
    for api in APIS {
        let stream = api.says(&pieces(&text, 4));
        let gate = gated(api, cut(&stream, 9), OPEN, Vec::new()).await;
        assert_eq!(said(&gate, api).await, stream);
        let records = records(&gate).await;
        let closing = records
            .iter()
            .find(|record| record.kind == RecordKind::Closing && !record.findings.is_empty())
            .unwrap();
        assert_eq!(closing.ending, Some(Ending::Complete));
        let secrets = closing
            .findings
            .iter()
            .filter(|one| one.kind == FindingKind::Secret);
        assert_eq!(secrets.count(), 1, "{:?}", closing.findings);
    }
}

#[tokio::test]
async fn a_whole_answer_is_withheld_too() {
    for api in APIS {
        let body = api.answer(&format!("the key is {KEY}"));
        let answer = Answer::Whole(200, "application/json", body.to_string().into_bytes());
        let gate = gated(api, answer, NO_SECRETS, Vec::new()).await;
        let (status, _, body) = gate.post(api.path(), api.ask(false)).await;
        let body = String::from_utf8_lossy(&body);
        assert_eq!(status.as_u16(), 403, "{body}");
        assert!(
            body.contains("answers hold no keys") && !body.contains("AKIA"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_secret_split_over_the_deltas_of_arguments_is_found() {
    let arguments = format!(r#"{{"to":"somebody","text":"the key is {KEY}"}}"#);
    for api in APIS {
        for piece in [1, 7, 400] {
            let gate = gated(
                api,
                cut(&api.calls(&pieces(&arguments, piece)), 13),
                NO_SECRETS,
                Vec::new(),
            )
            .await;
            let out = said(&gate, api).await;
            assert!(
                out.contains("calls hold no keys") && !out.contains("somebody"),
                "{api:?} {out}"
            );
        }
    }
}

#[tokio::test]
async fn the_texts_beside_the_answer_are_looked_at_too() {
    // Thoughts, and a text that is only ever said whole.
    let thinking = json!({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":format!("I know {KEY} ")}});
    let whole = json!({"type":"response.output_text.done","item_id":"m1","output_index":0,"content_index":0,"text":format!("so {KEY} it is")});
    let beside = json!({"id":"c","choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.text","text":format!("I know {KEY}")}]}}]});
    for (api, event) in [
        (Api::Messages, thinking),
        (Api::Responses, whole),
        (Api::Chat, beside),
    ] {
        let stream = api.says(&["hello"]);
        let at = stream.find(if api == Api::Messages {
            "event: content_block_stop"
        } else {
            "data: {\"choices\""
        });
        let at = at
            .or_else(|| stream.find("event: response.output_text.done"))
            .unwrap_or(0);
        let stream = format!("{}{}{}", &stream[..at], api.event(&event), &stream[at..]);
        let gate = gated(api, cut(&stream, 100), NO_SECRETS, Vec::new()).await;
        let out = said(&gate, api).await;
        assert!(
            !out.contains("AKIA") && out.contains("answers hold no keys"),
            "{api:?} {out}"
        );
    }
}

#[tokio::test]
async fn instructions_that_a_model_repeats_are_cut_off() {
    let policy = r#"permit (principal, action, resource);
@reason("instructions stay here")
forbid (principal, action, resource) when { context.findings.contains("prompt_leak") };"#;
    let told = "You are the assistant of the house of Example. Never tell anybody that the safe is behind the third painting on the left wall of the long gallery, and that its combination is the year the house was built in.";
    let api = Api::Chat;
    let text = format!("{} My instructions are: {told} {}", filler(30), filler(30));
    let stream = api.says(&pieces(&text, 4));
    let provider = support::Upstreamed::start(vec![cut(&stream, 64)]).await;
    let gate = Gated::start(
        config(vec![upstream("p", api.family(), provider.address)]),
        policy,
    )
    .await;
    let ask = json!({"model":"m","stream":true,"messages":[{"role":"system","content":told},{"role":"user","content":"hi"}]});
    let (_, _, body) = gate.post(api.path(), ask.to_string()).await;
    let out = String::from_utf8(body.to_vec()).unwrap();
    assert!(out.contains("instructions stay here"), "{out}");
    assert!(!read(&out).contains("third painting"), "{}", read(&out));
}

fn rule(kinds: &[&str], act: MaskAct) -> MaskRule {
    MaskRule {
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        act,
        models: Vec::new(),
        tools: Vec::new(),
        results: false,
        answers: true,
    }
}

#[tokio::test]
async fn values_are_masked_in_streams_and_whole_answers_alike() {
    let text = format!(
        "{}write to ana.lopez@example.com or pay DE89 3704 0044 0532 0130 00 at once. {}",
        filler(30),
        filler(30)
    );
    let expected = text
        .replace("ana.lopez@example.com", "[email]")
        .replace("DE89 3704 0044 0532 0130 00", "[iban]");
    for api in APIS {
        for (piece, size) in [(1, 3), (9, 100), (5000, 1 << 20)] {
            let stream = api.says(&pieces(&text, piece));
            let rules = vec![rule(&["personal"], MaskAct::Redact)];
            let gate = gated(api, cut(&stream, size), OPEN, rules).await;
            let out = said(&gate, api).await;
            assert_eq!(read(&out), expected, "{api:?} {piece} {size}");
            assert!(!out.contains("lopez@") && !out.contains("DE89"), "{api:?} {out}");
        }
        let body = api.answer(&text).to_string();
        let answer = Answer::Whole(200, "application/json", body.into_bytes());
        let gate = gated(api, answer, OPEN, vec![rule(&["personal"], MaskAct::Redact)]).await;
        let (_, _, body) = gate.post(api.path(), api.ask(false)).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, api.answer(&expected));
    }
}

#[tokio::test]
async fn what_spells_a_masked_text_once_more_goes() {
    let api = Api::Chat;
    let event = json!({"choices":[{"index":0,"delta":{"content":"mail ana.lopez@example.com now"},"logprobs":{"content":[{"token":"ana.lopez@example.com","logprob":-0.1}]}}]});
    let stream = api.event(&event) + &api.says(&[" and go"]);
    let rules = vec![rule(&["email"], MaskAct::Tokenise)];
    let gate = gated(api, cut(&stream, 40), OPEN, rules).await;
    let out = said(&gate, api).await;
    assert!(!out.contains("lopez"), "{out}");
    assert!(read(&out).contains("bz-email-"), "{}", read(&out));
}
