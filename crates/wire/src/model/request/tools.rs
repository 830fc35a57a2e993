//! Who runs a declared tool: the agent, or the provider.

use std::borrow::Cow;

use serde::{
    Deserialize,
    de::{Deserializer, Error, IgnoredAny},
};
use serde_json::value::RawValue;

use super::{Api, HostedTool, Request};
use crate::json::{Object, Text};

/// A declared tool of any API. What is not read here (descriptions, schemas) is skipped.
#[derive(Deserialize)]
pub(super) struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    function: Option<Object<Named<'a>>>,
    #[serde(borrow)]
    custom: Option<Object<Named<'a>>>,
    #[serde(borrow)]
    server_url: Option<Text<'a>>,
    #[serde(borrow)]
    connector_id: Option<Text<'a>>,
    #[serde(borrow)]
    url: Option<Text<'a>>,
    /// A group of tools in one: never the agent's as a whole.
    tools: Option<IgnoredAny>,
}

/// Something with a name.
#[derive(Deserialize)]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
}

/// Anthropic's dated types of tools that the client runs. The rest after the prefix must be a date.
const ANTHROPIC_CLIENT_PREFIXES: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

impl<'a> Tool<'a> {
    /// Adds this tool to the request's facts. `None` when it can't be a tool of this API.
    pub(super) fn join(self, api: Api, request: &mut Request<'a>) -> Option<()> {
        let target = self.target();
        let reaches_out = target.is_some() || self.tools.is_some();
        let kind = self.kind.map(|Text(kind)| kind);
        let agents = match (api, kind.as_deref()) {
            // A tool of any type that names a server, or holds other tools, is not a plain function.
            _ if reaches_out => None,
            (Api::OpenaiChat, Some("function")) => Some(self.function?.0.name.0),
            (Api::OpenaiChat, Some("custom")) => Some(self.custom?.0.name.0),
            (Api::OpenaiResponses, Some("function" | "custom")) => Some(self.name?.0),
            (Api::OpenaiResponses, Some(own @ ("local_shell" | "apply_patch"))) => {
                request.built_in = request.built_in.saturating_add(1);
                Some(Cow::Owned(own.to_owned()))
            }
            (Api::AnthropicMessages, None | Some("custom")) => Some(self.name?.0),
            (Api::AnthropicMessages, Some(kind)) if clients(kind) => {
                request.built_in = request.built_in.saturating_add(1);
                Some(self.name?.0)
            }
            _ => None,
        };
        match agents {
            Some(name) => request.tools.push(name),
            None => request.hosted.push(HostedTool { kind: kind?, target }),
        }
        Some(())
    }

    /// Where it reaches.
    pub(super) fn target(&self) -> Option<Cow<'a, str>> {
        let target = self
            .server_url
            .as_ref()
            .or(self.url.as_ref())
            .or(self.connector_id.as_ref());
        target.map(|Text(target)| target.clone())
    }
}

fn clients(kind: &str) -> bool {
    ANTHROPIC_CLIENT_PREFIXES.iter().any(|prefix| {
        kind.strip_prefix(prefix)
            .is_some_and(|date| !date.is_empty() && date.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// `tool_choice`: a word, or an object that may itself name a hosted tool or list tools.
pub(super) enum ToolChoice<'a> {
    Word,
    Named(Chosen<'a>),
}

#[derive(Deserialize)]
pub(super) struct Chosen<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    tools: Option<Vec<Object<Listed<'a>>>>,
    #[serde(borrow)]
    allowed_tools: Option<Object<Allowed<'a>>>,
}

#[derive(Deserialize)]
struct Allowed<'a> {
    #[serde(borrow)]
    tools: Option<Vec<Object<Listed<'a>>>>,
}

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

impl<'a, 'de: 'a> Deserialize<'de> for ToolChoice<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        if raw.get().starts_with('"') {
            return Ok(Self::Word);
        }
        let Object(chosen) = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        Ok(Self::Named(chosen))
    }
}

impl<'a> ToolChoice<'a> {
    /// Adds the hosted tools it names. Declared ones are there already; naming an undeclared one changes nothing
    /// by the providers' word, but a lenient provider might run it.
    pub(super) fn join(self, request: &mut Request<'a>) {
        let Self::Named(chosen) = self else { return };
        let listed = chosen
            .tools
            .into_iter()
            .chain(chosen.allowed_tools.and_then(|Object(allowed)| allowed.tools))
            .flatten()
            .map(|Object(listed)| listed.kind);
        for Text(kind) in chosen.kind.into_iter().chain(listed) {
            let plain = matches!(
                &*kind,
                "function"
                    | "custom"
                    | "allowed_tools"
                    | "auto"
                    | "any"
                    | "none"
                    | "tool"
                    | "local_shell"
                    | "apply_patch"
            );
            if !plain {
                request.hosted.push(HostedTool { kind, target: None });
            }
        }
    }
}
