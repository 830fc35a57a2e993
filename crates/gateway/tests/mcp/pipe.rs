//! A client on a pipe, as `bartizan wrap` serves it.

use super::*;

/// Who is at the other end of a pipe.
fn wrapped() -> Principal {
    Principal {
        agent: AgentId::new("wrapped").unwrap(),
        user: None,
        act: Vec::new(),
        groups: std::collections::BTreeSet::new(),
        scopes: std::collections::BTreeSet::new(),
        issuer: Issuer::new("bartizan").unwrap(),
        credential: KeyId::new("pipe").unwrap(),
        rests: Default::default(),
        method: AuthMethod::Local,
        root: None,
        anchor: None,
        expires: None,
    }
}

/// What comes and what goes at the agent's end of a pipe.
type Lines = tokio::io::Lines<BufReader<tokio::io::ReadHalf<tokio::io::DuplexStream>>>;
type Input = tokio::io::WriteHalf<tokio::io::DuplexStream>;

/// Talks over a pipe, and sees to it that its service ends well when the agent hangs up.
async fn over_a_pipe(gate: &Gated, talk: impl AsyncFnOnce(&mut Lines, &mut Input)) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (far_in, far_out) = tokio::io::split(far);
    let shared = std::sync::Arc::clone(gate.running.shared());
    let serving = tokio::spawn(async move {
        shared
            .serve_stdio(wrapped(), None, BufReader::new(far_in), far_out)
            .await
    });
    let (from, mut to) = tokio::io::split(near);
    let mut from = BufReader::new(from).lines();
    talk(&mut from, &mut to).await;
    drop((to, from));
    serving.await.unwrap().unwrap();
}

/// A call whose answer has begun to stream when it is revoked: the question that the tool asks has come.
#[tokio::test]
async fn what_a_revocation_cuts_off_on_a_pipe_is_answered_by_its_id() {
    let gate = gated(OPEN, &["fake"]).await;
    over_a_pipe(&gate, async |from, to| {
        let params = json!({"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}}});
        let opening = json!({"jsonrpc":"2.0","id":0,"method":"initialize","params":params});
        let params = json!({"name":"ask","arguments":{}});
        let call = json!({"jsonrpc":"2.0","id":"seven","method":"tools/call","params":params});
        to.write_all(format!("{opening}\n").as_bytes()).await.unwrap();
        from.next_line().await.unwrap().unwrap();
        to.write_all(format!("{call}\n").as_bytes()).await.unwrap();
        let question: Value = serde_json::from_str(&from.next_line().await.unwrap().unwrap()).unwrap();
        assert_eq!(question["method"], "elicitation/create", "{question}");
        let shared = gate.running.shared();
        let one = Revocation {
            id: RevocationId::mint(Timestamp::from_unix_seconds(1), 1),
            subject: Subject::parse("tool:fake/ask").unwrap(),
            since: Timestamp::from_unix_seconds(1),
            until: None,
            reason: String::new(),
            by: "ops".to_owned(),
        };
        shared.revoked.add(&shared.state, one).unwrap();
        let last = tokio::time::timeout(Duration::from_secs(10), from.next_line()).await;
        let answer: Value = serde_json::from_str(&last.unwrap().unwrap().unwrap()).unwrap();
        assert_eq!(answer["id"], "seven", "{answer}");
        assert!(answer.to_string().contains("revoked, call "), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn a_pipe_is_served_like_a_socket() {
    let gate = gated(NO_ECHO, &["fake"]).await;
    over_a_pipe(&gate, async |from, to| {
    let opening = json!({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}});
    to.write_all(format!("{opening}\n").as_bytes()).await.unwrap();
    let hello: Value = serde_json::from_str(&from.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(hello["result"]["protocolVersion"], "2025-11-25");
    let call = json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"word":"hi"}}});
    to.write_all(format!("{{\"a\":1,\"a\":2}}\n{call}\n").as_bytes())
        .await
        .unwrap();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let line = from.next_line().await.unwrap().unwrap();
        answers.push(serde_json::from_str::<Value>(&line).unwrap());
    }
    answers.sort_by_key(|answer| answer["id"].is_null());
    assert!(
        said(&answers[0]).contains("echoes are not for agents"),
        "{answers:?}"
    );
    assert_eq!(
        answers[1]["error"]["data"]["code"],
        Code::JsonDuplicateKey.as_str()
    );
    })
    .await;
}
