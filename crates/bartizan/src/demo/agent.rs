//! The demo's agent: a loop of model and tools over the gateway's HTTP, as any agent's. It sees only what the gateway
//! gives it.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::{self, ClientFault};

/// Why the agent can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// No answer.
    #[error("no answer")]
    Client(#[from] ClientFault),
    /// An answer of another kind.
    #[error("an answer of status {status} that it can't use: {text}")]
    Answer {
        /// HTTP status.
        status: u16,
        /// The body's beginning.
        text: String,
    },
}

/// A tool call that the model wants.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    id: String,
    /// The tool.
    pub(crate) name: String,
    /// Its arguments.
    pub(crate) arguments: Value,
}

/// What a tool said, or what the gateway said instead.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// The text.
    pub(crate) text: String,
    /// The refused call's id.
    pub(crate) refused: Option<String>,
}

/// The agent.
pub(crate) struct Agent {
    address: String,
    bearer: String,
    session: Option<String>,
    revision: Option<String>,
    tools: Vec<Value>,
    messages: Vec<Value>,
    next: u64,
}

impl Agent {
    /// An agent with this key, at this gateway.
    pub(crate) fn new(address: &str, key: &str) -> Self {
        Self {
            address: address.to_owned(),
            bearer: format!("Bearer {key}"),
            session: None,
            revision: None,
            tools: Vec::new(),
            messages: Vec::new(),
            next: 1,
        }
    }

    async fn post(&mut self, path: &str, body: &Value) -> Result<(u16, Value), Lost> {
        let mut headers = vec![
            ("authorization", self.bearer.as_str()),
            ("accept", "application/json, text/event-stream"),
        ];
        if path == "/mcp" {
            headers.extend(self.session.as_deref().map(|session| ("mcp-session-id", session)));
            headers.extend(
                self.revision
                    .as_deref()
                    .map(|revision| ("mcp-protocol-version", revision)),
            );
        }
        let request = client::request(
            &Method::POST,
            path,
            &self.address,
            &headers,
            Bytes::from(body.to_string()),
        )?;
        let stream = TcpStream::connect(&self.address)
            .await
            .map_err(ClientFault::from)?;
        let (status, headers, bytes) = client::ask(stream, request).await?;
        if let Some(session) = headers
            .get("mcp-session-id")
            .and_then(|session| session.to_str().ok())
        {
            self.session = Some(session.to_owned());
        }
        let text = String::from_utf8_lossy(&bytes);
        // An MCP answer may come as a stream of one event.
        let data = text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim)
            .find(|data| !data.is_empty());
        Ok((
            status.as_u16(),
            serde_json::from_str(data.unwrap_or(&text)).unwrap_or_default(),
        ))
    }

    async fn mcp(&mut self, method: &str, params: Value) -> Result<Value, Lost> {
        let id = self.next;
        self.next += 1;
        let (status, answer) = self
            .post(
                "/mcp",
                &json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }),
            )
            .await?;
        if answer["result"].is_object() || answer["error"].is_object() {
            return Ok(answer);
        }
        Err(Lost::Answer {
            status,
            text: answer.to_string(),
        })
    }

    /// Opens the MCP session and lists tools; their names.
    pub(crate) async fn connect(&mut self) -> Result<Vec<String>, Lost> {
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "bartizan-demo-agent", "version": env!("CARGO_PKG_VERSION") },
        });
        let answer = self.mcp("initialize", hello).await?;
        let revision = answer["result"]["protocolVersion"].as_str();
        let revision = revision.ok_or_else(|| Lost::Answer {
            status: 200,
            text: answer.to_string(),
        })?;
        self.revision = Some(revision.to_owned());
        self.post(
            "/mcp",
            &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        )
        .await?;
        let listed = self.mcp("tools/list", json!({})).await?;
        let tools = listed["result"]["tools"].as_array().cloned();
        self.tools = tools.ok_or_else(|| Lost::Answer {
            status: 200,
            text: listed.to_string(),
        })?;
        Ok(self
            .tools
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .map(str::to_owned)
            .collect())
    }

    /// Asks the model what to do next; `task` is what the user says, if anything.
    pub(crate) async fn think(&mut self, task: Option<&str>) -> Result<Wish, Lost> {
        self.messages
            .extend(task.map(|task| json!({ "role": "user", "content": task })));
        let function = |tool: &Value| {
            let function = json!({ "name": tool["name"], "description": tool["description"], "parameters": tool["inputSchema"] });
            json!({ "type": "function", "function": function })
        };
        let tools: Vec<_> = self.tools.iter().map(function).collect();
        let body = json!({ "model": "scripted", "messages": self.messages, "tools": tools });
        let (status, answer) = self.post("/v1/chat/completions", &body).await?;
        let message = &answer["choices"][0]["message"];
        let call = &message["tool_calls"][0];
        let name = call["function"]["name"].as_str();
        let name = name.ok_or_else(|| Lost::Answer {
            status,
            text: answer.to_string(),
        })?;
        let arguments = call["function"]["arguments"]
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok());
        let wish = Wish {
            id: call["id"].as_str().unwrap_or_default().to_owned(),
            name: name.to_owned(),
            arguments: arguments.unwrap_or_default(),
        };
        self.messages.push(message.clone());
        Ok(wish)
    }

    /// Does what the model wants.
    pub(crate) async fn act(&mut self, wish: &Wish) -> Result<Outcome, Lost> {
        let params = json!({ "name": wish.name, "arguments": wish.arguments });
        let answer = self.mcp("tools/call", params).await?;
        let error = &answer["error"];
        let text = if error.is_object() {
            error["message"].as_str().unwrap_or_default().to_owned()
        } else {
            let content = answer["result"]["content"].as_array().into_iter().flatten();
            content
                .filter_map(|part| part["text"].as_str())
                .collect::<Vec<_>>()
                .join("\n")
        };
        let refused = call_id(&answer);
        self.messages
            .push(json!({ "role": "tool", "tool_call_id": wish.id, "content": text }));
        Ok(Outcome { text, refused })
    }
}

/// The refused call's id: every refusal carries it, in the error's data or in its sentence (`call 01…`).
fn call_id(answer: &Value) -> Option<String> {
    let refusal = answer["error"].is_object() || answer["result"]["isError"].as_bool() == Some(true);
    if !refusal {
        return None;
    }
    let named = [
        &answer["error"]["data"]["call"],
        &answer["result"]["_meta"]["bartizan/call"],
    ];
    if let Some(call) = named.iter().find_map(|call| call.as_str()) {
        return Some(call.to_owned());
    }
    let text = answer.to_string();
    let (_, rest) = text.split_once("call ")?;
    let id: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    id.parse::<bartizan_types::CallId>()
        .ok()
        .map(|call| call.to_string())
}
