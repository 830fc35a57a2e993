//! Documents on a way on which a rule masks: nothing in one reaches a model that may not see it, whatever its form.

#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use std::collections::BTreeSet;

use bartizan_gateway::config::{Family, MaskAct, MaskDocuments, MaskRule};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use support::{Answer, Gated, OPEN, Upstreamed, config, upstream};

const CHAT: &str = "/v1/chat/completions";
const SAID: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"fine"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"#;
const MAIL: &str = "ana.lopez@corp.example";

/// A gateway that masks mail addresses in requests to every model.
async fn start(documents: MaskDocuments) -> (Gated, Upstreamed) {
    let provider = Upstreamed::answering(|_| Answer::Whole(200, "application/json", SAID.into())).await;
    let mut config = config(vec![upstream("openai", Family::Openai, provider.address)]);
    config.privacy.documents = documents;
    config.privacy.rules = vec![MaskRule {
        kinds: BTreeSet::from(["email".to_owned()]),
        act: MaskAct::Tokenise,
        models: vec!["*".to_owned()],
        tools: Vec::new(),
        results: false,
        answers: false,
    }];
    (Gated::start(config, OPEN).await, provider)
}

/// A request with a document, as base64 in a `data:` address.
async fn send(gate: &Gated, kind: &str, bytes: &[u8]) -> (u16, String) {
    let data = format!("data:{kind};base64,{}", STANDARD.encode(bytes));
    let body = json!({"model":"m","messages":[{"role":"user","content":[
        {"type":"text","text":format!("what does it say of {MAIL} ?")},
        {"type":"file","file":{"filename":"a","file_data":data}},
    ]}]});
    let (status, _, body) = gate.post(CHAT, body.to_string()).await;
    (status.as_u16(), String::from_utf8_lossy(&body).into_owned())
}

/// What the provider got: the front of the address, and the bytes.
fn got(provider: &Upstreamed) -> (String, Vec<u8>) {
    let seen = provider.seen.lock().unwrap();
    let body: Value = serde_json::from_slice(&seen.last().unwrap().body).unwrap();
    let data = body["messages"][0]["content"][1]["file"]["file_data"]
        .as_str()
        .unwrap();
    let (front, digits) = data.split_once(',').unwrap();
    (front.to_owned(), STANDARD.decode(digits).unwrap())
}

fn pdf(text: &str) -> Vec<u8> {
    bartizan_inspect::document::as_pdf(text)
}

fn text_of(bytes: &[u8]) -> String {
    bartizan_inspect::document::read(bytes).unwrap().text
}

#[tokio::test]
async fn a_document_with_what_a_rule_masks_goes_nowhere() {
    let (gate, provider) = start(MaskDocuments::Refuse).await;
    let unread = b"PK\x03\x04 an archive that nobody can read \xff\xfe\xfd and more bytes of it here";
    let cases: [(&str, &[u8]); 2] = [
        ("application/pdf", &pdf(&format!("Write to {MAIL}"))),
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            unread,
        ),
    ];
    for (kind, bytes) in cases {
        let (status, told) = send(&gate, kind, bytes).await;
        assert!(
            status == 403 && told.contains("privacy.document"),
            "{status} {told}"
        );
        assert!(!told.contains(MAIL));
    }
    assert_eq!(provider.count(), 0);
    let harmless = pdf("Nothing that anybody masks stands here, and it goes as it is.");
    assert_eq!(send(&gate, "application/pdf", &harmless).await.0, 200);
    assert_eq!(got(&provider).1, harmless);
}

#[tokio::test]
async fn a_document_becomes_its_masked_text() {
    let (gate, provider) = start(MaskDocuments::AsText).await;
    let original = pdf(&format!("Write to {MAIL} about castles"));
    assert_eq!(send(&gate, "application/pdf", &original).await.0, 200);
    let (front, bytes) = got(&provider);
    assert_eq!(front, "data:application/pdf;base64");
    let text = text_of(&bytes);
    assert!(
        text.contains("bz-email-") && text.contains("about castles"),
        "{text}"
    );
    assert!(!text.contains("ana.lopez"), "{text}");
    // Half of a document is all that can be vouched for.
    let cut = [
        &original[..],
        b"\n9 0 obj << /Filter /JBIG2Decode /Length 4 >> stream\nxxxx\nendstream endobj",
    ]
    .concat();
    if send(&gate, "application/pdf", &cut).await.0 == 200 {
        assert!(!text_of(&got(&provider).1).contains("ana.lopez"));
    }
    // The same value has the same token beside it.
    let token = text
        .split_whitespace()
        .find(|word| word.starts_with("bz-email-"))
        .unwrap();
    let first = provider.seen.lock().unwrap()[0].body.clone();
    let first: Value = serde_json::from_slice(&first).unwrap();
    let asked = first["messages"][0]["content"][0]["text"].as_str().unwrap();
    assert_eq!(asked, format!("what does it say of {token} ?"));
}

#[tokio::test]
async fn text_in_base64_is_masked_where_it_stands() {
    for documents in [MaskDocuments::Refuse, MaskDocuments::AsText] {
        let (gate, provider) = start(documents).await;
        let table = format!("name,mail,note\nAna,{MAIL},\"Zürich, 忽略\"\nBob,none at all,fine\n");
        assert_eq!(send(&gate, "text/csv", table.as_bytes()).await.0, 200);
        let (front, bytes) = got(&provider);
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(front, "data:text/csv;base64");
        assert!(
            !text.contains("ana.lopez") && text.contains("bz-email-"),
            "{text}"
        );
        assert!(text.starts_with("name,mail,note\nAna,bz-") && text.ends_with("Bob,none at all,fine\n"));
        // Pictures are no text, and go as they are.
        let picture = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 200]].concat();
        assert_eq!(send(&gate, "image/png", &picture).await.0, 200);
        assert_eq!(got(&provider).1, picture);
    }
}

#[tokio::test]
async fn who_says_that_documents_pass_gets_that() {
    let (gate, provider) = start(MaskDocuments::DangerPass).await;
    let original = pdf(&format!("Write to {MAIL}"));
    assert_eq!(send(&gate, "application/pdf", &original).await.0, 200);
    assert_eq!(got(&provider).1, original);
}

#[tokio::test]
async fn a_text_of_very_many_values_is_masked_whole_or_refused() {
    let (gate, provider) = start(MaskDocuments::Refuse).await;
    for count in [300, 3000, 6000] {
        let text: String = (0..count)
            .map(|at| format!("person{at}@corp.example\n"))
            .collect();
        let body = json!({"model":"m","messages":[{"role":"user","content":text}]});
        let before = provider.count();
        let (status, _, told) = gate.post(CHAT, body.to_string()).await;
        if provider.count() > before {
            let last = provider.seen.lock().unwrap().last().unwrap().body.clone();
            assert!(
                !String::from_utf8_lossy(&last).contains("@corp.example"),
                "{count}"
            );
        } else {
            assert!(count > 3000, "{count}");
            assert_eq!(status, 413);
            assert!(String::from_utf8_lossy(&told).contains("privacy.unseen"));
        }
    }
}
