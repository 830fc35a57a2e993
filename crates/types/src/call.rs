//! What is asked for: an action on a resource, with arguments.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    CallId, Code, Digest, Flow, ModelName, PeerName, SecretName, ServerName, SiteName, Spending, ToolName,
    UpstreamName,
};

/// What a call does. Each is a Cedar action of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Ask a model for an answer.
    Generate,
    /// List models.
    ListModels,
    /// A tool call inside a model's answer, before the agent sees it.
    ProposeTool,
    /// A tool that the model's provider runs itself (web search, code interpreter, hosted MCP).
    UseHostedTool,
    /// History that the model's provider keeps (`previous_response_id`, stored conversations).
    UseServerHistory,
    /// Open an MCP conversation with a server (`initialize`, `server/discover`).
    Connect,
    /// List a server's tools.
    ListTools,
    /// Call a tool.
    CallTool,
    /// List resources or resource templates.
    ListResources,
    /// Read a resource.
    ReadResource,
    /// Subscribe to a resource.
    SubscribeResource,
    /// List prompts.
    ListPrompts,
    /// Fetch a prompt.
    GetPrompt,
    /// Ask for argument completion.
    Complete,
    /// Set a server's log level.
    SetLogLevel,
    /// A server asks the agent's model for an answer (`sampling/createMessage`).
    Sample,
    /// A server asks the agent's user a question (`elicitation/create`).
    Elicit,
    /// A server asks for the agent's roots.
    ListRoots,
    /// A protocol message without content of its own: ping, progress, cancellation, change notices.
    Notify,
    /// A message of a method we do not know.
    Other,
    /// A message to another agent (A2A).
    SendMessage,
    /// Read or follow a task at another agent, or the list of them.
    ReadTask,
    /// Cancel a task at another agent.
    CancelTask,
    /// Have another agent call an address when a task moves, or stop it.
    SetPush,
    /// Read another agent's card.
    ReadCard,
    /// A token becomes the value it stands for, on its way to a tool or in what a model answers.
    Restore,
    /// A request to a web site in clear, through the proxy: all of it is seen.
    FetchWeb,
    /// A tunnel to a web site, through the proxy: only where it leads is seen.
    OpenTunnel,
}

impl Action {
    /// Every action, in the order of declaration.
    pub const ALL: [Self; 28] = [
        Self::Generate,
        Self::ListModels,
        Self::ProposeTool,
        Self::UseHostedTool,
        Self::UseServerHistory,
        Self::Connect,
        Self::ListTools,
        Self::CallTool,
        Self::ListResources,
        Self::ReadResource,
        Self::SubscribeResource,
        Self::ListPrompts,
        Self::GetPrompt,
        Self::Complete,
        Self::SetLogLevel,
        Self::Sample,
        Self::Elicit,
        Self::ListRoots,
        Self::Notify,
        Self::Other,
        Self::SendMessage,
        Self::ReadTask,
        Self::CancelTask,
        Self::SetPush,
        Self::ReadCard,
        Self::Restore,
        Self::FetchWeb,
        Self::OpenTunnel,
    ];

    /// The Cedar action id, and the word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::ListModels => "list_models",
            Self::ProposeTool => "propose_tool",
            Self::UseHostedTool => "use_hosted_tool",
            Self::UseServerHistory => "use_server_history",
            Self::Connect => "connect",
            Self::ListTools => "list_tools",
            Self::CallTool => "call_tool",
            Self::ListResources => "list_resources",
            Self::ReadResource => "read_resource",
            Self::SubscribeResource => "subscribe_resource",
            Self::ListPrompts => "list_prompts",
            Self::GetPrompt => "get_prompt",
            Self::Complete => "complete",
            Self::SetLogLevel => "set_log_level",
            Self::Sample => "sample",
            Self::Elicit => "elicit",
            Self::ListRoots => "list_roots",
            Self::Notify => "notify",
            Self::Other => "other",
            Self::SendMessage => "send_message",
            Self::ReadTask => "read_task",
            Self::CancelTask => "cancel_task",
            Self::SetPush => "set_push",
            Self::ReadCard => "read_card",
            Self::Restore => "restore",
            Self::FetchWeb => "fetch_web",
            Self::OpenTunnel => "open_tunnel",
        }
    }
}

/// What the call is about. Each variant is a Cedar entity type of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Resource {
    /// A model at an upstream.
    Model {
        /// As the agent named it, after aliases.
        model: ModelName,
        /// Where it is served.
        upstream: UpstreamName,
    },
    /// A model upstream as a whole.
    Upstream {
        /// Its name.
        upstream: UpstreamName,
    },
    /// A tool of an MCP server.
    Tool {
        /// The server.
        server: ServerName,
        /// The tool, without any `server__` prefix.
        tool: ToolName,
    },
    /// A tool the agent told its model of. Who runs it, the agent knows.
    AgentTool {
        /// As the agent named it.
        tool: ToolName,
    },
    /// A tool run by the model's provider.
    HostedTool {
        /// The provider.
        upstream: UpstreamName,
        /// The provider's name for the tool type (`web_search`, `mcp`, `code_interpreter`).
        tool: ToolName,
    },
    /// An MCP server as a whole.
    Server {
        /// Its name.
        server: ServerName,
    },
    /// A resource of an MCP server.
    McpResource {
        /// The server.
        server: ServerName,
        /// Its URI, at most 2048 bytes.
        uri: String,
    },
    /// A prompt of an MCP server.
    Prompt {
        /// The server.
        server: ServerName,
        /// The prompt.
        prompt: ToolName,
    },
    /// Another agent.
    Peer {
        /// As the operator named it.
        peer: PeerName,
    },
    /// A web site, reached through the proxy.
    Site {
        /// `host:port`, the host in lower case and without a trailing dot.
        site: SiteName,
    },
}

impl Resource {
    /// The Cedar entity type, without namespace.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Model { .. } => "Model",
            Self::Upstream { .. } => "Upstream",
            Self::Tool { .. } => "Tool",
            Self::AgentTool { .. } => "AgentTool",
            Self::HostedTool { .. } => "HostedTool",
            Self::Server { .. } => "Server",
            Self::McpResource { .. } => "McpResource",
            Self::Prompt { .. } => "Prompt",
            Self::Peer { .. } => "Peer",
            Self::Site { .. } => "Site",
        }
    }

    /// The Cedar entity id: `server/tool`, `upstream/model`, or the single name.
    #[must_use]
    pub fn entity_id(&self) -> String {
        match self {
            Self::Model { model, upstream } => format!("{upstream}/{model}"),
            Self::Upstream { upstream } => upstream.to_string(),
            Self::Tool { server, tool } => format!("{server}/{tool}"),
            Self::AgentTool { tool } => tool.to_string(),
            Self::HostedTool { upstream, tool } => format!("{upstream}/{tool}"),
            Self::Server { server } => server.to_string(),
            Self::McpResource { server, uri } => format!("{server}/{uri}"),
            Self::Prompt { server, prompt } => format!("{server}/{prompt}"),
            Self::Peer { peer } => peer.to_string(),
            Self::Site { site } => site.to_string(),
        }
    }

    /// The MCP server this is on, if any.
    #[must_use]
    pub fn server(&self) -> Option<&ServerName> {
        match self {
            Self::Tool { server, .. }
            | Self::Server { server }
            | Self::McpResource { server, .. }
            | Self::Prompt { server, .. } => Some(server),
            _ => None,
        }
    }
}

/// Where the call arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// OpenAI chat completions.
    OpenaiChat,
    /// OpenAI responses.
    OpenaiResponses,
    /// Anthropic messages.
    AnthropicMessages,
    /// MCP.
    Mcp,
    /// A hook of a coding agent: a tool that the agent runs itself.
    Hook,
    /// A2A: another agent.
    A2a,
    /// The proxy through which agents reach the web.
    Egress,
}

impl Surface {
    /// The word in policy and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
            Self::OpenaiResponses => "openai_responses",
            Self::AnthropicMessages => "anthropic_messages",
            Self::Mcp => "mcp",
            Self::Hook => "hook",
            Self::A2a => "a2a",
            Self::Egress => "egress",
        }
    }
}

/// How a tool's definition stands against its pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinState {
    /// No pin applies (not a pinned kind of resource).
    None,
    /// Seen for the first time; pinned as it is, not yet reviewed by an operator.
    First,
    /// Equal to the pin.
    Same,
    /// Differs from the pin and is not approved.
    Changed,
    /// Called without ever having been listed.
    Unlisted,
}

impl PinState {
    /// The word in policy and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::First => "first",
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Unlisted => "unlisted",
        }
    }
}

/// What a tool says of itself (MCP tool annotations). Hints of an unreviewed server: they may tighten, never loosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Effects {
    /// `readOnlyHint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// `destructiveHint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
    /// `openWorldHint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_world: Option<bool>,
}

/// A call's arguments as policy sees them: leaves of the JSON arguments by dotted path.
///
/// Array elements use their index (`to.0`). At most 256 leaves; text leaves are cut at 4096 bytes. When anything
/// was cut or left out `complete` is false, and policy must treat what it does not see as hostile.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Arguments {
    /// Text, boolean (`true`/`false`) and null (`null`) leaves.
    pub texts: BTreeMap<String, String>,
    /// Integer leaves, and decimals rounded down.
    pub numbers: BTreeMap<String, i64>,
    /// What those two leave open of a leaf, as JSON: the digits of a decimal that is no whole number, and of a boolean or
    /// null its word, which a text may spell as well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exact: BTreeMap<String, String>,
    /// Whether every leaf is here, whole.
    pub complete: bool,
}

/// The facts of one call, as decoded. Content stays outside: only its digest and the leaves policy asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallFacts {
    /// This call.
    pub id: CallId,
    /// What it does.
    pub action: Action,
    /// To what.
    pub resource: Resource,
    /// Where it arrived.
    pub surface: Surface,
    /// The agent asked for a streamed answer.
    pub streaming: bool,
    /// Size of the request body in bytes.
    pub bytes: u64,
    /// SHA-256 of the exact body bytes.
    pub digest: Digest,
    /// How the tool's definition stands against its pin.
    pub pin: PinState,
    /// What the tool says of itself.
    pub effects: Effects,
    /// Leaves of the arguments. `None` where the call has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
    /// Where its arguments came from, and whether it was asked for. `None` where flow was not looked at: policy then
    /// reads [`Flow::UNKNOWN`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Box<Flow>>,
    /// The model whose answer proposes or proposed it, as `upstream/model`. `None` where no answer that crossed here is
    /// known to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposer: Option<Arc<str>>,
    /// What budgets know of it. `None` where none counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spending: Option<Box<Spending>>,
    /// What stands in its way whatever policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bar: Option<Box<Bar>>,
    /// Secrets of the store that go with it if it is forwarded, by name; never a value.
    #[serde(default, skip_serializing_if = "no_secrets")]
    pub secrets: Arc<[SecretName]>,
}

fn no_secrets(secrets: &Arc<[SecretName]>) -> bool {
    secrets.is_empty()
}

/// What stands in a call's way whatever policy says: a revocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bar {
    /// What the caller is told.
    pub code: Code,
    /// What it is, in words of ours: `revocation ID of agent NAME`. For records, never for the caller.
    pub what: String,
    /// When trying again may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// Scopes that a token for this call has to have, where one of them is what is missing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub scopes: BTreeSet<String>,
}

impl CallFacts {
    /// A call of which nothing else is known: no body, no pin, no hints, no arguments.
    #[must_use]
    pub fn new(id: CallId, action: Action, resource: Resource, surface: Surface) -> Self {
        Self {
            id,
            action,
            resource,
            surface,
            streaming: false,
            bytes: 0,
            digest: Digest([0; 32]),
            pin: PinState::None,
            effects: Effects::default(),
            arguments: None,
            flow: None,
            spending: None,
            proposer: None,
            bar: None,
            secrets: Arc::default(),
        }
    }

    /// What refuses it whatever policy says, and when trying again may help: a bar, else a budget that it would cross.
    #[must_use]
    pub fn barred(&self) -> Option<(Code, Option<u32>)> {
        let bar = self.bar.as_ref().map(|bar| (bar.code, bar.retry_after_seconds));
        let over = self.spending.as_ref().and_then(|spending| spending.over.as_ref());
        bar.or_else(|| over.map(|over| (over.code, over.retry_after_seconds)))
    }
}
