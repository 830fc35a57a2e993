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

/// A zip of these parts, all of them stored.
fn office(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in parts {
        let at = u32::try_from(out.len()).unwrap();
        let mut head = vec![20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
        let length = u32::try_from(content.len()).unwrap();
        for number in [crc32(content), length, length] {
            head.extend(number.to_le_bytes());
        }
        head.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        head.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&head);
        out.extend(name.as_bytes());
        out.extend(*content);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&head);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (at, count) = (
        u32::try_from(out.len()).unwrap(),
        u16::try_from(parts.len()).unwrap(),
    );
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    out.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            }
        })
    })
}

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

fn letter(more: &[(&str, &[u8])]) -> Vec<u8> {
    let body = format!(
        "<w:document><w:p><w:r><w:t>Write to {}</w:t></w:r><w:r><w:t>{} about castles</w:t></w:r></w:p></w:document>",
        &MAIL[..7],
        &MAIL[7..]
    );
    let mut parts: Vec<(&str, &[u8])> = vec![
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", body.as_bytes()),
    ];
    parts.extend(more);
    office(&parts)
}

#[tokio::test]
async fn an_office_file_is_masked_where_its_words_stand() {
    let photo = [b"\xff\xd8\xff\xe0\0\x04JF".as_slice(), b"\xff\xd9"].concat();
    for documents in [MaskDocuments::Refuse, MaskDocuments::AsText] {
        let (gate, provider) = start(documents).await;
        assert_eq!(send(&gate, DOCX, &letter(&[])).await.0, 200);
        let text = text_of(&got(&provider).1);
        assert!(
            text.starts_with("Write to bz-email-") && text.ends_with("@token.invalid about castles\n"),
            "{text}"
        );
        // A picture may show anything. It goes nowhere, or becomes a dot.
        let (status, told) = send(&gate, DOCX, &letter(&[("word/media/image1.jpeg", &photo)])).await;
        if documents == MaskDocuments::Refuse {
            assert!(status == 403 && told.contains("privacy.document"), "{told}");
        } else {
            assert_eq!(status, 200);
            let bytes = got(&provider).1;
            assert!(!bytes.windows(photo.len()).any(|part| part == photo));
            assert!(text_of(&bytes).contains("bz-email-"));
        }
        // Words that nobody could read go nowhere at all.
        let strange = b"<?xml version='1.0' encoding='x'?><w:t>\xff\xfe\xfd</w:t>";
        assert_eq!(
            send(&gate, DOCX, &letter(&[("word/footnotes.xml", strange)]))
                .await
                .0,
            403
        );
    }
}

#[tokio::test]
async fn what_stands_beside_the_pixels_of_a_picture_is_left_out() {
    let (gate, provider) = start(MaskDocuments::Refuse).await;
    let segment = |marker: u8, data: &[u8]| {
        let length = u16::try_from(data.len() + 2).unwrap();
        [&[0xff, marker], length.to_be_bytes().as_slice(), data].concat()
    };
    let said = |comment: &str| {
        [
            b"\xff\xd8".as_slice(),
            &segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            &segment(0xfe, comment.as_bytes()),
            &segment(0xda, b"\x01\x01\0\0\x3f\0"),
            &[0x55; 60],
            b"\xff\xd9",
        ]
        .concat()
    };
    let plain = said("a castle by the sea");
    assert_eq!(send(&gate, "image/jpeg", &plain).await.0, 200);
    assert_eq!(got(&provider).1, plain);
    assert_eq!(send(&gate, "image/jpeg", &said(MAIL)).await.0, 200);
    let bytes = got(&provider).1;
    assert!(
        bytes.starts_with(b"\xff\xd8\xff\xe0") && bytes.ends_with(b"\xff\xd9") && bytes.len() < plain.len()
    );
    assert!(!String::from_utf8_lossy(&bytes).contains("ana.lopez"));
}

/// Encoders differ: some escape a slash, some break lines, some use the other alphabet or fill nothing up. Whoever reads it
/// next may take them all.
#[tokio::test]
async fn a_document_is_one_however_its_base64_is_written() {
    let (gate, provider) = start(MaskDocuments::Refuse).await;
    let bytes = pdf(&format!("Write to {MAIL} ??>>~~??>>~~ \u{ff}\u{ff}\u{fe}\u{fb}"));
    let digits = STANDARD.encode(&bytes);
    let lines: Vec<String> = digits
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let spellings = [
        format!("data:application\\/pdf;base64,{}", digits.replace('/', "\\/")),
        format!("data:application/pdf;base64,{}", lines.join("\\r\\n")),
        format!("DATA:application/pdf;name=a.pdf;BASE64,{digits}"),
        format!(
            "data:application/pdf;base64,{}",
            digits.trim_end_matches('=').replace('+', "-").replace('/', "_")
        ),
        format!("data:application/pdf;base64,\\u004a{}", &digits[1..]),
        digits.clone(),
        STANDARD.encode([b"\xfe\xff junk before \n".as_slice(), &bytes].concat()),
    ];
    for spelt in spellings {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"file","file":{{"filename":"a","file_data":"{spelt}"}}}}]}}]}}"#
        );
        let (status, _, told) = gate.post(CHAT, body).await;
        assert_eq!(
            status.as_u16(),
            403,
            "{} {}",
            &spelt[..60],
            String::from_utf8_lossy(&told)
        );
    }
    assert_eq!(provider.count(), 0);
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
