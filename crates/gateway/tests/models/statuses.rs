//! Answers whose status is no success: what is in them is ruled on all the same.

use super::*;

#[tokio::test]
async fn a_call_in_an_answer_of_failing_status_is_ruled_on() {
    for status in [300, 404, 500] {
        let (gate, _provider) = gated(
            vec![Answer::Whole(status, "application/json", CALLED.into())],
            NO_PAY,
        )
        .await;
        let (status, _, body) = gate.post(CHAT, ASK).await;
        assert_eq!(
            (status.as_u16(), code(&body)),
            (403, "policy.proposal".to_owned())
        );
        assert!(!String::from_utf8_lossy(&body).contains("\"pay\""));
    }
    // One that can't be read, and that a client might read all the same, is withheld.
    let twice = CALLED.replacen('{', r#"{"id":"c0","#, 1);
    let posing = CALLED.replacen("choices", "Choices", 1);
    for body in [
        twice,
        posing,
        CALLED[..CALLED.len() - 1].to_owned(),
        format!("[{CALLED}]"),
    ] {
        let answer = Answer::Whole(500, "application/json", body.into());
        let (gate, _provider) = gated(vec![answer], NO_PAY).await;
        let (_, _, body) = gate.post(CHAT, ASK).await;
        assert_eq!(code(&body), "upstream.malformed");
    }
    let error = br#"{"error":{"message":"tool_calls must be answered","type":"invalid","param":"messages","code":null}}"#;
    let answer = Answer::Whole(400, "application/json", error.to_vec());
    let (gate, _provider) = gated(vec![answer], NO_PAY).await;
    let (status, _, body) = gate.post(CHAT, ASK).await;
    assert_eq!((status.as_u16(), &body[..]), (400, &error[..]));
    // What is no answer is told as it came.
    let (gate, _provider) = gated(vec![Answer::Whole(502, "text/html", b"<p>bad".into())], NO_PAY).await;
    let (status, _, body) = gate.post(CHAT, ASK).await;
    assert_eq!((status.as_u16(), &body[..]), (502, &b"<p>bad"[..]));
}

#[tokio::test]
async fn a_stream_of_failing_status_is_looked_into_and_one_that_poses_is_withheld() {
    let called = spoken_then_called();
    let kind = |kind: &str| vec![("content-type", kind.to_owned())];
    let failing = Answer::Dressed(429, kind("text/event-stream"), called.clone().into());
    let (gate, _provider) = gated(vec![failing], NO_PAY).await;
    let (status, _, body) = gate.post(CHAT, ASK_STREAM).await;
    let text = String::from_utf8_lossy(&body);
    assert_eq!(status, 429);
    assert!(text.contains("let me ") && !text.contains("tool_calls"), "{text}");
    assert!(text.contains("payments are not for agents"), "{text}");
    let two = [kind("application/json"), kind("text/event-stream")].concat();
    for (status, kinds) in [
        (500, two),
        (500, kind("application/x, text/event-stream")),
        // There are clients that go by lines, whatever status and type say.
        (200, kind("text/plain")),
        (500, kind("text/plain")),
        (500, Vec::new()),
    ] {
        let posing = Answer::Dressed(status, kinds, called.clone().into());
        let (gate, _provider) = gated(vec![posing], NO_PAY).await;
        let (_, _, body) = gate.post(CHAT, ASK_STREAM).await;
        assert_eq!(code(&body), "upstream.malformed");
    }
}

#[tokio::test]
async fn a_provider_that_switches_protocols_is_none() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let _asked = stream.read(&mut asked).await;
            let said = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
            let _said = stream.write_all(said).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    let gate = Gated::start(config(vec![upstream("openai", Family::Openai, address)]), OPEN).await;
    let (status, _, body) = gate.post(CHAT, ASK).await;
    assert_eq!(
        (status.as_u16(), code(&body).as_str()),
        (502, "upstream.malformed")
    );
}
