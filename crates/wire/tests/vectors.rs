//! Runs `vectors/*.json`: hostile bytes, each with the code it must be refused with, and requests whose facts must
//! be seen however they are spelled. Bytes are given as `text`, or as `hex` where they are no text.

use std::path::Path;

use bartizan_types::Code;
use bartizan_wire::{
    Fault, json, jsonrpc,
    model::{self, Api, Step, Stream, StreamBounds},
    sse::Splitter,
};
use serde_json::Value;

#[expect(clippy::disallowed_methods, reason = "a test may read its vectors")]
fn vectors(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(file);
    let text = std::fs::read_to_string(&path).expect("a vector file");
    serde_json::from_str(&text).expect("a list of vectors")
}

fn bytes(vector: &Value) -> Vec<u8> {
    let Some(hex) = vector["hex"].as_str() else {
        return vector["text"].as_str().expect("text or hex").as_bytes().to_vec();
    };
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn api(vector: &Value) -> Api {
    let name = vector["api"].as_str().expect("an API");
    *Api::ALL
        .iter()
        .find(|api| api.surface().as_str() == name)
        .expect("a known API")
}

/// Runs every vector of `file` that expects a code; complains of all that go wrong at once.
fn check(file: &str, least: usize, refused: impl Fn(&Value, &[u8]) -> Result<(), Fault>) {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for vector in vectors(file) {
        let Some(expected) = vector["code"].as_str() else {
            continue;
        };
        seen += 1;
        let code = refused(&vector, &bytes(&vector)).map_err(|fault| fault.code.as_str());
        if code != Err(expected) {
            wrong.push(format!(
                "{} {}: {code:?}, expected {expected}",
                vector["api"], vector["name"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{file}:\n{}", wrong.join("\n"));
    assert!(seen >= least, "{file} lost vectors: {seen}");
}

fn scan(bytes: &[u8]) -> Result<json::Scanned<'_>, Fault> {
    json::scan(bytes, &json::Bounds::default())
}

#[test]
fn json_that_is_refused() {
    check("json.json", 90, |_, bytes| scan(bytes).map(|_| ()));
}

#[test]
fn event_streams_that_are_refused() {
    check("sse.json", 22, |_, bytes| {
        // Whole, and byte by byte: the same fault.
        let run = |size: usize| {
            let mut splitter = Splitter::new(4096);
            for chunk in bytes.chunks(size) {
                splitter.push(chunk, &mut |_| Ok(()))?;
            }
            splitter.finish(&mut |_| Ok(()))
        };
        let whole = run(bytes.len().max(1));
        assert_eq!(
            run(1).map_err(|fault| fault.code),
            whole.map_err(|fault| fault.code)
        );
        whole
    });
}

#[test]
fn requests_that_are_refused() {
    check("requests.json", 40, |vector, bytes| {
        model::decode_request(api(vector), scan(bytes)?).map(|_| ())
    });
}

#[test]
fn answers_that_are_refused() {
    check("answers.json", 29, |vector, bytes| {
        let body = scan(bytes).map_err(Fault::of_upstream)?;
        model::decode_answer(api(vector), body).map(|_| ())
    });
}

#[test]
fn messages_that_are_refused() {
    check("jsonrpc.json", 35, |_, bytes| {
        jsonrpc::decode(scan(bytes)?).map(|_| ())
    });
}

/// A stream may release text before its fault, but never the `secret`, and it gives no call out.
#[test]
fn streams_that_are_refused() {
    check("streams.json", 60, |vector, bytes| {
        let secret = vector["secret"].as_str().expect("a secret");
        let run = |size: usize| {
            let mut released = Vec::new();
            let mut each = |step: Step<'_>| match step {
                Step::Release(bytes) => released.extend_from_slice(bytes),
                // Else the fault would only be that nobody ruled.
                Step::Proposal(call) => panic!("{}: gave out {call:?}", vector["name"]),
                Step::Hold | Step::End(_) => {}
            };
            let mut stream = Stream::new(api(vector), StreamBounds::default());
            let mut result = Ok(());
            for chunk in bytes.chunks(size) {
                result = stream.push(chunk, &mut each);
                if result.is_err() {
                    break;
                }
            }
            let result = result.and(stream.finish(&mut each).map(|_| ()));
            let released = String::from_utf8(released).expect("UTF-8");
            assert!(
                !released.contains(secret),
                "{} leaked: {released}",
                vector["name"]
            );
            result
        };
        let whole = run(bytes.len());
        assert_eq!(
            run(1).map_err(|fault| fault.code),
            whole.map_err(|fault| fault.code),
            "{}",
            vector["name"]
        );
        whole
    });
}

/// What a request brings with it is seen, whatever the spelling.
#[test]
fn facts_of_requests() {
    for vector in vectors("requests.json") {
        if vector.get("code").is_some() {
            continue;
        }
        let name = &vector["name"];
        let bytes = bytes(&vector);
        let body = scan(&bytes).expect("strict");
        let request =
            model::decode_request(api(&vector), body).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let hosted: Vec<_> = request.hosted.iter().map(|tool| tool.kind.to_string()).collect();
        let targets: Vec<_> = request
            .hosted
            .iter()
            .filter_map(|tool| Some(tool.target.as_ref()?.to_string()))
            .collect();
        let tools: Vec<_> = request.tools.iter().map(|tool| tool.to_string()).collect();
        let history: Vec<_> = request
            .history
            .iter()
            .map(|kept| format!("{}={}", kept.field, kept.id.as_deref().unwrap_or_default()))
            .collect();
        let results: Vec<_> = request
            .tool_results
            .iter()
            .map(|result| {
                // The span is that of the content, so it is a JSON value of its own.
                let content = body.text().get(result.span.clone()).expect("in the body");
                assert!(
                    serde_json::from_str::<Value>(content).is_ok(),
                    "{name}: {content}"
                );
                result
                    .name
                    .as_ref()
                    .map_or(result.id.to_string(), |name| format!("{}={name}", result.id))
            })
            .collect();
        let mut fetches: Vec<_> = request
            .fetches
            .iter()
            .map(|fetch| {
                let port = fetch.port.map_or(String::new(), |port| format!(":{port}"));
                format!("{} {}://{}{port}", fetch.reach.as_str(), fetch.scheme, fetch.host)
            })
            .collect();
        fetches.sort_unstable();
        let facts = serde_json::json!({
            "hosted": hosted, "targets": targets, "tools": tools, "history": history, "results": results,
            "store": request.store, "kept": request.kept_by_provider(), "background": request.background,
            "images": request.images, "choices": request.choices, "legacy": request.legacy_functions,
            "max_tokens": request.max_tokens, "fetches": fetches,
        });
        for (fact, expected) in vector.as_object().expect("an object") {
            if !["name", "api", "text"].contains(&fact.as_str()) {
                assert_eq!(&facts[fact], expected, "{name}: {fact}");
            }
        }
        assert_eq!(body.text().get(request.model_span), Some("\"m\""), "{name}");
    }
}

/// Every code that this crate can give has a vector or a test in it that gives it.
#[test]
fn codes_are_covered() {
    let mut seen = std::collections::BTreeSet::new();
    for file in [
        "json.json",
        "sse.json",
        "requests.json",
        "answers.json",
        "streams.json",
        "jsonrpc.json",
    ] {
        for vector in vectors(file) {
            seen.extend(
                vector["code"]
                    .as_str()
                    .and_then(|code| code.parse::<Code>().ok())
                    .map(Code::as_str),
            );
        }
    }
    for code in [
        Code::JsonSyntax,
        Code::JsonUtf8,
        Code::JsonDuplicateKey,
        Code::JsonSurrogate,
        Code::JsonDepth,
        Code::JsonNumber,
        Code::RequestShape,
        Code::SseMalformed,
        Code::EventTooLarge,
        Code::UpstreamMalformed,
        Code::UpstreamTooLarge,
        Code::MessageInvalid,
    ] {
        assert!(seen.contains(code.as_str()), "no vector for {code}");
    }
}
