//! What a provider would fetch for a request: ruled on by where it leads.

#[expect(dead_code, reason = "the model tests use more of it")]
mod support;

use bartizan_gateway::config::Family;
use bartizan_policy::Pack;
use bartizan_types::Action;
use support::{Gated, OPEN, Upstreamed, config, upstream};

const CHAT: &str = "/v1/chat/completions";

/// A provider that fetches by address reaches what the agent can't, and tells the world that it did.
#[tokio::test]
async fn what_the_provider_would_fetch_is_ruled_on_by_where_it_leads() {
    let chat = |url: &str| {
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}]}}"#
        )
    };
    let responses = |url: &str| {
        format!(
            r#"{{"model":"m","input":[{{"role":"user","content":[{{"type":"input_file","file_url":"{url}"}}]}}]}}"#
        )
    };
    let anthropic = |url: &str| {
        format!(
            r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":[{{"type":"document","source":{{"type":"url","url":"{url}"}}}}]}}]}}"#
        )
    };
    let listed = r#"
permit (principal, action == Bartizan::Action::"generate", resource);
permit (principal, action == Bartizan::Action::"use_hosted_tool", resource == Bartizan::HostedTool::"openai/fetch_url")
when { context.args_complete && context.args.hasTag("host") && context.args.getTag("host") == "cdn.example" };
"#;
    let (public, listed_host) = ("https://files.example/a", "https://cdn.example/a?secret");
    let (inside, odd, data) = (
        "http://169.254.169.254/latest",
        "http://0x7f.1/",
        "data:image/png;base64,AA==",
    );
    for (pack, own, url, passes) in [
        (Some(Pack::Balanced), "", public, true),
        (Some(Pack::Balanced), "", data, true),
        (Some(Pack::Balanced), "", inside, false),
        (Some(Pack::Balanced), "", odd, false),
        // A permit for all that the provider runs is none for what lies inside.
        (Some(Pack::Balanced), OPEN, inside, false),
        (Some(Pack::Strict), listed, listed_host, true),
        (Some(Pack::Strict), listed, data, true),
        (Some(Pack::Strict), listed, public, false),
        (Some(Pack::Strict), listed, inside, false),
        (None, OPEN, inside, true),
    ] {
        let provider = Upstreamed::start(Vec::new()).await;
        let mut settings = config(vec![
            upstream("openai", Family::Openai, provider.address),
            upstream("anthropic", Family::Anthropic, provider.address),
        ]);
        settings.limits.rejections_per_minute = 1000;
        let gate = Gated::start_with(settings, pack, own, None).await;
        for (path, body) in [
            (CHAT, chat(url)),
            ("/v1/responses", responses(url)),
            ("/v1/messages", anthropic(url)),
        ] {
            if path == "/v1/messages" && own == listed && url == listed_host {
                continue;
            }
            let before = provider.count();
            let (_, _, answer) = gate.post(path, body).await;
            let reached = provider.count() > before;
            assert_eq!(
                reached,
                passes,
                "{pack:?} {path} {url} {}",
                String::from_utf8_lossy(&answer)
            );
            if !passes {
                assert!(String::from_utf8_lossy(&answer).contains("policy.hosted_tool"));
            }
        }
        let fetches = gate
            .records()
            .await
            .into_iter()
            .filter_map(|stored| stored.record?.facts);
        let hosts: Vec<_> = fetches
            .filter(|facts| facts.action == Action::UseHostedTool)
            .map(|facts| serde_json::to_string(&facts).unwrap())
            .collect();
        assert_eq!(hosts.is_empty(), url == data, "{hosts:?}");
        assert!(
            !hosts.iter().any(|facts| facts.contains("secret")),
            "no path in {hosts:?}"
        );
    }
}
