//! rmcp as a client of the gateway: does each thing once and prints what it saw, as one JSON object.
//!
//! `rmcp-client URL KEY legacy|modern`: the handshake of the 2025 revisions, or the stateless 2026-07-28.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        CallToolRequest, CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig,
        ClientRequest, ElicitRequestParams, ElicitResult, ElicitationAction, GetPromptRequestParams,
        Implementation, ProgressNotificationParam, ProtocolVersion, ReadResourceRequestParams,
    },
    service::{
        ClientLifecycleMode, NotificationContext, PeerRequestOptions, RequestContext, RunningService,
        serve_client_with_lifecycle,
    },
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::{Value, json};

type Fault = Box<dyn std::error::Error>;

#[derive(Clone, Default)]
struct Client {
    progress: Arc<Mutex<Vec<f64>>>,
    questions: Arc<Mutex<Vec<String>>>,
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let capabilities: ClientCapabilities =
            serde_json::from_value(json!({ "elicitation": {} })).unwrap_or_default();
        ClientConfig::new(capabilities, Implementation::new("rmcp-client", "1"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        if let ElicitRequestParams::FormElicitationParams { message, .. } = request {
            self.questions.lock().expect("not poisoned").push(message);
        }
        Ok(ElicitResult::new(ElicitationAction::Accept)
            .with_content(json!({ "confirmed": true, "reason": "asked in Rust" })))
    }

    async fn on_progress(&self, seen: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        self.progress.lock().expect("not poisoned").push(seen.progress);
    }
}

fn call(name: &'static str, arguments: Value) -> CallToolRequestParams {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    CallToolRequestParams::new(name).with_arguments(arguments)
}

fn text(result: &CallToolResult) -> String {
    let value = serde_json::to_value(result).unwrap_or_default();
    value["content"][0]["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Begins a long call and takes it back.
async fn cancelled(running: &RunningService<RoleClient, Client>) -> Result<(), Fault> {
    let sleeping = CallToolRequest::new(call("sleep", json!({ "seconds": 20 })));
    let handle = running
        .send_cancellable_request(
            ClientRequest::CallToolRequest(sleeping),
            PeerRequestOptions::no_options(),
        )
        .await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    handle.cancel(Some("enough".to_owned())).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fault> {
    let [url, key, mode] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "URL KEY MODE")?;
    let transport = StreamableHttpClientTransport::from_config(
        StreamableHttpClientTransportConfig::with_uri(url).auth_header(key),
    );
    let lifecycle = match mode.as_str() {
        "legacy" => ClientLifecycleMode::Initialize,
        _ => ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        },
    };
    let client = Client::default();
    let running = serve_client_with_lifecycle(client.clone(), transport, lifecycle).await?;
    let peer = serde_json::to_value(running.peer_info())?;
    let tools: Vec<_> = running
        .list_all_tools()
        .await?
        .into_iter()
        .map(|tool| tool.name.to_string())
        .collect();
    let echo = running.call_tool(call("echo", json!({ "text": "Ä" }))).await?;
    let counted = running
        .call_tool(call("count", json!({ "to": 3, "delay_ms": 100 })))
        .await?;
    // The last notice may come on the heels of the answer.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let confirmed = running.call_tool(call("confirm", json!({}))).await?;
    let failed = running.call_tool(call("fail", json!({}))).await?;
    let denied = running
        .call_tool(call("pay", json!({ "to": "Mallory", "amount": 3 })))
        .await;
    let denied = denied.map_or_else(
        |fault| fault.to_string(),
        |result| format!("{:?} {}", result.is_error, text(&result)),
    );
    let resource = running
        .read_resource(ReadResourceRequestParams::new("office://handbook"))
        .await?;
    let topic = json!({ "topic": "mail" })
        .as_object()
        .cloned()
        .unwrap_or_default();
    let prompt = running
        .get_prompt(GetPromptRequestParams::new("summarize").with_arguments(topic))
        .await?;
    cancelled(&running).await?;
    let seen = json!({
        "peer": peer,
        "tools": tools,
        "echo": serde_json::to_value(&echo)?["structuredContent"],
        "counted": text(&counted),
        "progress": *client.progress.lock().expect("not poisoned"),
        "confirmed": text(&confirmed),
        "questions": *client.questions.lock().expect("not poisoned"),
        "failed": failed.is_error,
        "denied": denied,
        "resource": serde_json::to_value(&resource)?["contents"][0]["text"],
        "prompt": serde_json::to_value(&prompt)?["messages"][0]["content"]["text"],
    });
    running.cancel().await?;
    println!("{seen}");
    Ok(())
}
