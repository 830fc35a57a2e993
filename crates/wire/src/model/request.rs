//! What a request to a model asks for, of whichever API.
//!
//! One struct knows the fields of all three APIs, because a field of one API in a request of another is no reason
//! to overlook what it would do. Whatever is not read here passes in the bytes, untouched. The rule for tools is
//! fail closed: a tool whose type is not surely run by the agent is the provider's.

mod fetches;
mod items;
mod tools;

use std::{borrow::Cow, ops::Range};

use bartizan_types::Code;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{Api, Fault};
use crate::json::{Object, Scanned, Text, span_of};
pub use fetches::{Fetch, Reach};
use items::Message;
use tools::{Tool, ToolChoice};

/// A tool that the provider runs, or may run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostedTool<'a> {
    /// The provider's word for it: the tool's `type`, or the request field that switches it on.
    pub kind: Cow<'a, str>,
    /// Where it reaches, where the request says so: an MCP server's URL, else its connector id.
    pub target: Option<Cow<'a, str>>,
}

/// History or state that the provider keeps and this request relies on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct History<'a> {
    /// The request field: `previous_response_id`, `conversation`, `prompt`, `container`, `file_id`,
    /// `item_reference`, `audio`.
    pub field: &'static str,
    /// The id it names, where it is a text.
    pub id: Option<Cow<'a, str>>,
}

/// A tool's result that the agent sends to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult<'a> {
    /// The call's id as the model gave it; empty for the deprecated `function` role.
    pub id: Cow<'a, str>,
    /// The tool's name, where the request says it.
    pub name: Option<Cow<'a, str>>,
    /// The bytes of its content in the body: a JSON string, object or array. Empty where it has none.
    pub span: Range<usize>,
}

/// A text in a message of the human's role. That role proves nothing: what of it she typed is for others to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Which of the request's messages in that role, from 0.
    pub message: u32,
    /// The bytes of the JSON string in the body.
    pub span: Range<usize>,
}

/// What a request asks for. The body itself is forwarded untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The API.
    pub api: Api,
    /// The top-level `model`.
    pub model: Cow<'a, str>,
    /// Its bytes in the body, quotes included.
    pub model_span: Range<usize>,
    /// `stream: true`.
    pub stream: bool,
    /// Names of the tools that the agent runs itself. A built-in one without a name goes by its type.
    pub tools: Vec<Cow<'a, str>>,
    /// Tools that the provider runs, sorted, each once.
    pub hosted: Vec<HostedTool<'a>>,
    /// Server-held history, sorted, each once.
    pub history: Vec<History<'a>>,
    /// The request says `store: true`. What an API keeps unasked is in [`Request::kept_by_provider`].
    pub store: bool,
    /// The answer is made in the background and fetched later (`background: true`).
    pub background: bool,
    /// Results of tools among the messages, in order.
    pub tool_results: Vec<ToolResult<'a>>,
    /// Texts in the human's role, in order; parts of one message apart.
    pub said: Vec<Said>,
    /// The bytes of the list of declared tools in the body. Empty where there is none.
    pub tools_span: Range<usize>,
    /// Bound on the answer, in tokens: of the fields that this API reads, the largest.
    pub max_tokens: Option<u64>,
    /// Where and how a streamed answer is to be asked for its usage; `None` where the request asks for it already, or
    /// the API says it unasked.
    pub usage_unasked: Option<Splice>,
    /// There are image parts.
    pub images: bool,
    /// Places that the provider would fetch content from by itself, sorted, each once.
    pub fetches: Vec<Fetch>,
    /// Answers asked for (`n`), 1 when absent.
    pub choices: u64,
    /// The deprecated `functions` or `function_call` are used.
    pub legacy_functions: bool,
    /// Tools of the agent's whose words are the provider's own, named by a type: they come to more than they say here.
    pub built_in: u32,
    /// It asks to be served dearer than the list says: before others, faster, or in a certain place.
    pub dearer: bool,
    kept: bool,
}

impl<'a> Request<'a> {
    /// Adds declared tools, wherever in the request they stand.
    fn declare(&mut self, body: Scanned<'a>, tools: &'a RawValue) -> Result<(), Fault> {
        for Object(tool) in shaped::<Vec<Object<Tool<'a>>>>(body, tools.get())? {
            tool.join(self.api, self)
                .ok_or(Fault::new(Code::RequestShape, 0))?;
        }
        Ok(())
    }

    /// The provider keeps the answer for later use: asked for with `store: true`, or not declined with
    /// `store: false` where the API keeps by default (OpenAI responses).
    #[must_use]
    pub fn kept_by_provider(&self) -> bool {
        self.kept
    }

    /// The members by which the request relies on what the provider keeps, or has it go on by itself; each once.
    #[must_use]
    pub fn relied_on(&self) -> Vec<&'static str> {
        let mut fields: Vec<&'static str> = Vec::new();
        let named = self.history.iter().map(|history| history.field);
        for field in named.chain(self.background.then_some("background")) {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        fields
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: &'a RawValue,
    stream: Option<bool>,
    store: Option<bool>,
    background: Option<bool>,
    n: Option<u64>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    #[serde(borrow)]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<Vec<Object<Message<'a>>>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    system: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<ToolChoice<'a>>,
    #[serde(borrow)]
    functions: Option<Vec<Object<tools::Named<'a>>>>,
    function_call: Option<IgnoredAny>,
    #[serde(borrow)]
    mcp_servers: Option<Vec<Object<Tool<'a>>>>,
    #[serde(borrow)]
    previous_response_id: Option<Text<'a>>,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    container: Option<&'a RawValue>,
    // Fields that make the provider, or a provider compatible with it, reach out by itself.
    web_search_options: Option<IgnoredAny>,
    search_parameters: Option<IgnoredAny>,
    data_sources: Option<IgnoredAny>,
    plugins: Option<IgnoredAny>,
    connectors: Option<IgnoredAny>,
    extra_body: Option<IgnoredAny>,
    #[serde(borrow)]
    web_search: Option<&'a RawValue>,
    #[serde(borrow)]
    enable_web_search: Option<&'a RawValue>,
    compound_custom: Option<IgnoredAny>,
    search_options: Option<IgnoredAny>,
    search_settings: Option<IgnoredAny>,
    // Fields that have such a provider answer by another model than the one that is ruled on.
    models: Option<IgnoredAny>,
    fallbacks: Option<IgnoredAny>,
    preset: Option<IgnoredAny>,
    enable_search: Option<bool>,
    // The answer is fetched later, under another name for it.
    deferred: Option<bool>,
    // Fields that change the price.
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    speed: Option<&'a RawValue>,
    #[serde(borrow)]
    inference_geo: Option<&'a RawValue>,
}

impl<'a> Body<'a> {
    /// What the plain fields say; the lists are read after.
    fn begun(&self, api: Api, model: Cow<'a, str>, model_span: Range<usize>) -> Request<'a> {
        Request {
            api,
            model,
            model_span,
            stream: self.stream.unwrap_or(false),
            tools: Vec::new(),
            hosted: Vec::new(),
            history: Vec::new(),
            store: self.store.unwrap_or(false),
            background: self.background.unwrap_or(false) || self.deferred.unwrap_or(false),
            tool_results: Vec::new(),
            said: Vec::new(),
            tools_span: 0..0,
            max_tokens: self.most_tokens(api),
            usage_unasked: None,
            images: false,
            fetches: Vec::new(),
            choices: self.n.unwrap_or(1),
            legacy_functions: self.functions.is_some() || self.function_call.is_some(),
            built_in: 0,
            dearer: self.is_dearer(),
            kept: self.store.unwrap_or(api == Api::OpenaiResponses),
        }
    }

    /// A tier that nobody lists is one that nobody knows the price of.
    fn is_dearer(&self) -> bool {
        const LISTED: [&str; 5] = ["auto", "default", "standard", "standard_only", "flex"];
        let listed = |word: Option<&RawValue>| {
            word.is_none_or(|word| word.get() == "null" || LISTED.contains(&&*shapeless(word)))
        };
        let said = |word: Option<&RawValue>| word.is_some_and(|word| word.get() != "null");
        !listed(self.service_tier) || !listed(self.speed) || said(self.inference_geo)
    }

    /// A field of another API bounds nothing: who put it there may know that.
    fn most_tokens(&self, api: Api) -> Option<u64> {
        match api {
            Api::OpenaiChat => self.max_completion_tokens.max(self.max_tokens),
            Api::OpenaiResponses => self.max_output_tokens,
            Api::AnthropicMessages => self.max_tokens,
        }
    }

    /// The fields that have the provider search or fetch by itself.
    fn switched_on(&self) -> Vec<HostedTool<'static>> {
        let on = |flag: Option<&RawValue>| flag.is_some_and(|flag| flag.get() != "false");
        // A compatible provider reads this part of a model's name as a switch.
        let online = shapeless(self.model)
            .split(':')
            .skip(1)
            .any(|part| part == "online");
        let switches = [
            (":online", online),
            ("extra_body", self.extra_body.is_some()),
            ("web_search", on(self.web_search)),
            ("enable_web_search", on(self.enable_web_search)),
            ("models", self.models.is_some()),
            ("fallbacks", self.fallbacks.is_some()),
            ("preset", self.preset.is_some()),
            ("compound_custom", self.compound_custom.is_some()),
            ("search_options", self.search_options.is_some()),
            ("search_settings", self.search_settings.is_some()),
            ("web_search_options", self.web_search_options.is_some()),
            ("search_parameters", self.search_parameters.is_some()),
            ("data_sources", self.data_sources.is_some()),
            ("plugins", self.plugins.is_some()),
            ("connectors", self.connectors.is_some()),
            ("enable_search", self.enable_search == Some(true)),
        ];
        let on = switches.into_iter().filter(|(_, on)| *on);
        on.map(|(field, _)| HostedTool {
            kind: Cow::Borrowed(field),
            target: None,
        })
        .collect()
    }
}

/// The text of a model's name, for looking only: what is no text is refused elsewhere.
fn shapeless(model: &RawValue) -> String {
    serde_json::from_str::<String>(model.get())
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// Decodes a request.
///
/// # Errors
/// [`Code::RequestShape`]: a field that is read here has another type than the API gives it, `model` is missing, an
/// array stands in place of an object, or a key differs from one of ours only in letter case.
pub fn decode_request<'a>(api: Api, body: Scanned<'a>) -> Result<Request<'a>, Fault> {
    let Object(read) = shaped::<Object<Body<'a>>>(body, body.text())?;
    let Text(model) = shaped(body, read.model.get())?;
    let switched_on = read.switched_on();
    let model_span = span_of(body, read.model.get()).ok_or(Fault::new(Code::Bug, 0))?;
    let mut request = read.begun(api, model, model_span);
    request.usage_unasked = usage_unasked(body, &request, read.stream_options)?;
    if let Some(tools) = read.tools.filter(|tools| tools.get() != "null") {
        request.tools_span = span_of(body, tools.get()).unwrap_or_default();
        request.declare(body, tools)?;
    }
    if let Some(choice) = read.tool_choice {
        choice.join(&mut request);
    }
    for Object(function) in read.functions.into_iter().flatten() {
        request.tools.push(function.name.0);
    }
    for Object(server) in read.mcp_servers.into_iter().flatten() {
        request.hosted.push(HostedTool {
            kind: Cow::Borrowed("mcp_servers"),
            target: server.target(),
        });
    }
    request.hosted.extend(switched_on);
    if let Some(Text(id)) = read.previous_response_id {
        request.history.push(History {
            field: "previous_response_id",
            id: Some(id),
        });
    }
    let mut variables = Vec::new();
    for (field, value) in [
        ("conversation", read.conversation),
        ("prompt", read.prompt),
        ("container", read.container),
    ] {
        if let Some(value) = value {
            variables.extend(kept_state(body, field, value, &mut request)?);
        }
    }
    let mut reader = items::Reader::new(body, &mut request);
    if let Some(system) = read.system {
        reader.content(system)?;
    }
    reader.messages(read.messages.unwrap_or_default())?;
    if let Some(input) = read.input {
        reader.input(input)?;
    }
    for value in variables {
        reader.variables(value)?;
    }
    request.hosted.sort_unstable();
    request.hosted.dedup();
    request.history.sort_unstable();
    request.history.dedup();
    request.fetches.sort_unstable();
    request.fetches.dedup();
    Ok(request)
}

/// Bytes to put in place of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Of the body; empty where nothing is replaced.
    pub span: Range<usize>,
    /// What stands there instead.
    pub bytes: &'static [u8],
}

#[derive(Deserialize)]
struct StreamOptions<'a> {
    #[serde(borrow)]
    include_usage: Option<&'a RawValue>,
}

/// Only chat completions have to be asked.
fn usage_unasked(
    body: Scanned<'_>,
    request: &Request<'_>,
    options: Option<&RawValue>,
) -> Result<Option<Splice>, Fault> {
    if request.api != Api::OpenaiChat || !request.stream {
        return Ok(None);
    }
    let splice = |span: Range<usize>, bytes| Ok(Some(Splice { span, bytes }));
    let misplaced = Fault::new(Code::Bug, 0);
    let Some(options) = options else {
        let brace = body.text().find('{').ok_or(misplaced)? + 1;
        return splice(brace..brace, b"\"stream_options\":{\"include_usage\":true},");
    };
    let span = span_of(body, options.get()).ok_or(misplaced)?;
    if options.get() == "null" {
        return splice(span, b"{\"include_usage\":true}");
    }
    let Object(read) = shaped::<Object<StreamOptions<'_>>>(body, options.get())?;
    match read.include_usage {
        Some(asked) if asked.get() == "true" => Ok(None),
        Some(asked) => splice(span_of(body, asked.get()).ok_or(misplaced)?, b"true"),
        None => {
            let empty = options
                .get()
                .trim_start_matches('{')
                .trim_start()
                .starts_with('}');
            let inside = span.start + 1;
            let bytes: &[u8] = if empty {
                b"\"include_usage\":true"
            } else {
                b"\"include_usage\":true,"
            };
            splice(inside..inside, bytes)
        }
    }
}

#[derive(Deserialize)]
struct Kept<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    skills: Option<IgnoredAny>,
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
}

/// `conversation`, `prompt` and `container` are an id, or an object with one. Gives what a kept prompt is filled with.
fn kept_state<'a>(
    body: Scanned<'a>,
    field: &'static str,
    value: &'a RawValue,
    request: &mut Request<'a>,
) -> Result<Option<&'a RawValue>, Fault> {
    let mut variables = None;
    let id = if value.get().starts_with('{') {
        let Object(kept) = shaped::<Object<Kept<'a>>>(body, value.get())?;
        if kept.skills.is_some() {
            request.hosted.push(HostedTool {
                kind: Cow::Borrowed("skills"),
                target: None,
            });
        }
        variables = kept.variables;
        kept.id.map(|Text(id)| id)
    } else {
        let Text(id) = shaped(body, value.get())?;
        Some(id)
    };
    request.history.push(History { field, id });
    Ok(variables)
}

/// Reads `part`, a slice of the body, as a `T`.
fn shaped<'a, T: Deserialize<'a>>(body: Scanned<'a>, part: &'a str) -> Result<T, Fault> {
    serde_json::from_str(part).map_err(|error| {
        let base = span_of(body, part).map_or(0, |span| span.start);
        Fault::new(Code::RequestShape, base + super::offset(part, &error))
    })
}
