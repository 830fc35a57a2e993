//! Delegations at MCP: one to a tool, and those that bound arguments.

use super::*;

#[tokio::test]
async fn a_delegation_to_one_tool_reaches_it_beside_other_servers_and_sees_no_more() {
    let mut gate = gated(OPEN, &["one", "two"]).await;
    let wanted = json!({"to":"reader","bounds":{"on":["Tool::two/echo"]},"minutes":30});
    let (_, _, body) = gate.post("/v1/delegations", wanted.to_string()).await;
    let answer: Value = serde_json::from_slice(&body).unwrap();
    answer["delegation"].as_str().unwrap().clone_into(&mut gate.key);
    let (client, _) = Client::connect(&gate, json!({})).await;
    let listed = client.ask("tools/list", json!({})).await;
    let names: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["two__echo"]);
    assert_eq!(said(&client.call("two__echo", json!({"word":"hi"})).await), "hi");
    let refused = client.call("one__echo", json!({"word":"hi"})).await.to_string();
    assert!(refused.contains("policy.delegation"), "{refused}");
}

#[tokio::test]
async fn an_argument_that_a_delegation_bounds_is_read_whatever_policy_reads() {
    let mut gate = gated(OPEN, &["one", "two"]).await;
    let wanted = json!({
        "to": "reader",
        "bounds": {"on": ["Tool::one/echo"], "arguments": {"word": ["in*"]}},
        "minutes": 30,
    });
    let (_, _, body) = gate.post("/v1/delegations", wanted.to_string()).await;
    let answer: Value = serde_json::from_slice(&body).unwrap();
    answer["delegation"].as_str().unwrap().clone_into(&mut gate.key);
    let (client, _) = Client::connect(&gate, json!({})).await;
    assert_eq!(
        said(&client.call("one__echo", json!({"word":"inbox"})).await),
        "inbox"
    );
    let refused = client
        .call("one__echo", json!({"word":"outbox"}))
        .await
        .to_string();
    assert!(refused.contains("policy.delegation"), "{refused}");
}

#[tokio::test]
async fn a_delegations_bound_on_a_number_or_a_word_admits_nothing_like_it() {
    let mut gate = gated(OPEN, &["one", "two"]).await;
    let wanted = json!({
        "to": "reader",
        "bounds": {"on": ["Tool::one/env"], "arguments": {"n": ["100"], "all": ["false"], "id": ["\"7\""]}},
        "minutes": 30,
    });
    let (_, _, body) = gate.post("/v1/delegations", wanted.to_string()).await;
    let answer: Value = serde_json::from_slice(&body).unwrap();
    answer["delegation"].as_str().unwrap().clone_into(&mut gate.key);
    let (client, _) = Client::connect(&gate, json!({})).await;
    for (arguments, within) in [
        (json!({"n": 100, "all": false, "id": "7"}), true),
        (json!({"n": 100.0, "all": false, "id": "7"}), true),
        (json!({"n": 100.9, "all": false, "id": "7"}), false),
        (json!({"n": 99.9, "all": false, "id": "7"}), false),
        (json!({"n": "100", "all": false, "id": "7"}), false),
        (json!({"n": 100, "all": "false", "id": "7"}), false),
        (json!({"n": 100, "all": false, "id": 7}), false),
    ] {
        let answer = client.call("one__env", arguments.clone()).await.to_string();
        assert_eq!(
            !answer.contains("policy.delegation"),
            within,
            "{arguments} {answer}"
        );
    }
}
