//! Messages and input items: tool results, images, addresses to fetch, and references to what the provider keeps.

use std::{borrow::Cow, collections::BTreeMap};

use bartizan_types::Code;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Fault, Fetch, History, HostedTool, Request, Said, ToolResult, shaped};
use crate::json::{Object, Scanned, Text, span_of};

/// A message of chat completions or Anthropic messages.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    tool_call_id: Option<Text<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Object<PastCall<'a>>>>,
    #[serde(borrow)]
    audio: Option<Object<Reference<'a>>>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

/// A call in the assistant's past messages: only to know the name behind an id.
#[derive(Deserialize)]
struct PastCall<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    function: Option<Object<super::tools::Named<'a>>>,
    #[serde(borrow)]
    custom: Option<Object<super::tools::Named<'a>>>,
}

#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

/// A content part, a content block, or an input item: the union of what is read of any of them.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    call_id: Option<Text<'a>>,
    #[serde(borrow)]
    tool_use_id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    file_id: Option<Text<'a>>,
    #[serde(borrow)]
    file: Option<Object<File<'a>>>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    // Addresses: those of the three APIs first, then those of providers compatible with them.
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
    #[serde(borrow)]
    file_url: Option<&'a RawValue>,
    #[serde(borrow)]
    file_data: Option<&'a RawValue>,
    #[serde(borrow)]
    video_url: Option<&'a RawValue>,
    #[serde(borrow)]
    audio_url: Option<&'a RawValue>,
    #[serde(borrow)]
    document_url: Option<&'a RawValue>,
    #[serde(borrow)]
    pdf_url: Option<&'a RawValue>,
    #[serde(borrow)]
    input_audio: Option<&'a RawValue>,
    #[serde(borrow)]
    file_uri: Option<&'a RawValue>,
    #[serde(borrow)]
    image: Option<&'a RawValue>,
    #[serde(borrow)]
    video: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    /// Tools that come with an item: found by a search that the agent ran, or added on the way.
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

/// A file, or the source of a block.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    file_id: Option<Text<'a>>,
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    file_url: Option<&'a RawValue>,
    #[serde(borrow)]
    file_data: Option<&'a RawValue>,
    #[serde(borrow)]
    file_uri: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// An address in an object of its own.
#[derive(Deserialize)]
struct Addressed<'a> {
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Items whose `url` says where something is from, and has nothing fetched.
const CITES: [&str; 3] = ["citation", "search", "fetch"];

/// Content inside content: a tool result's blocks hold blocks, and those hold little. Each level reads its bytes
/// once more, so this also bounds the work.
const DEEPEST_CONTENT: u8 = 4;

/// Walks messages and items, adding to the request's facts.
pub(super) struct Reader<'r, 'a> {
    body: Scanned<'a>,
    request: &'r mut Request<'a>,
    /// Call id to tool name, from the calls of past answers.
    names: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    depth: u8,
    /// Messages in the human's role so far.
    spoken: u32,
    /// The content being read is directly that of such a message, at this depth.
    speaking: Option<u8>,
}

impl<'r, 'a> Reader<'r, 'a> {
    pub(super) fn new(body: Scanned<'a>, request: &'r mut Request<'a>) -> Self {
        Self {
            body,
            request,
            names: BTreeMap::new(),
            depth: 0,
            spoken: 0,
            speaking: None,
        }
    }

    pub(super) fn messages(&mut self, messages: Vec<Object<Message<'a>>>) -> Result<(), Fault> {
        for Object(message) in messages {
            for Object(call) in message.tool_calls.into_iter().flatten() {
                if let (Some(Text(id)), Some(Object(named))) = (call.id, call.function.or(call.custom)) {
                    self.names.insert(id, named.name.0);
                }
            }
            if let Some(tools) = message.tools {
                self.request.declare(self.body, tools)?;
            }
            if let Some(Object(audio)) = message.audio
                && audio.id.is_some()
            {
                self.history("audio", audio.id);
            }
            let role = message.role.as_ref().map_or("", |Text(role)| role);
            let tool = ["tool", "function"]
                .iter()
                .any(|tool| role.eq_ignore_ascii_case(tool));
            let human = is_human(role);
            let answers = tool || message.tool_call_id.is_some();
            if answers {
                self.result(message.tool_call_id, message.name, message.content);
            }
            match message.content {
                Some(content) if human && !answers => self.spoken(content)?,
                Some(content) => self.content(content)?,
                None => {}
            }
        }
        Ok(())
    }

    /// The content of a message in the human's role.
    fn spoken(&mut self, content: &'a RawValue) -> Result<(), Fault> {
        self.say(content);
        let outer = self.speaking.replace(self.depth + 1);
        let read = self.content(content);
        self.speaking = outer;
        self.spoken = self.spoken.saturating_add(1);
        read
    }

    /// Notes a text in the human's role; what is no JSON string is none.
    fn say(&mut self, text: &RawValue) {
        if let Some(span) = span_of(self.body, text.get()).filter(|_| text.get().starts_with('"')) {
            self.request.said.push(Said {
                message: self.spoken,
                span,
            });
        }
    }

    /// The responses API's `input`: a text, or a list of items.
    pub(super) fn input(&mut self, input: &'a RawValue) -> Result<(), Fault> {
        self.say(input);
        self.content(input)
    }

    /// A text, or a list of parts, blocks or items.
    pub(super) fn content(&mut self, content: &'a RawValue) -> Result<(), Fault> {
        let first = content.get().as_bytes().first();
        if first == Some(&b'"') {
            return Ok(());
        }
        if self.depth >= DEEPEST_CONTENT {
            return Err(self.misshapen(content));
        }
        self.depth += 1;
        match first {
            Some(b'[') => {
                for part in shaped::<Vec<Part<'a>>>(self.body, content.get())? {
                    if let Part::Item(item) = part {
                        self.item(*item)?;
                    }
                }
            }
            // A lone object: the screenshot in a computer_call_output, for one.
            Some(b'{') => {
                let Object(item) = shaped::<Object<Item<'a>>>(self.body, content.get())?;
                self.item(item)?;
            }
            _ => return Err(self.misshapen(content)),
        }
        self.depth -= 1;
        Ok(())
    }

    fn misshapen(&self, content: &RawValue) -> Fault {
        let at = span_of(self.body, content.get()).map_or(0, |span| span.start);
        Fault::new(Code::RequestShape, at)
    }

    /// What an item's kind says that it is: a call, a result, a reference, words of the human's role.
    fn of_kind(&mut self, kind: &str, item: &mut Item<'a>) {
        if let Some(text) = item.text
            && self.speaking == Some(self.depth)
            && matches!(kind, "text" | "input_text")
        {
            self.say(text);
        }
        match kind {
            "tool_use" => {
                if let (Some(Text(id)), Some(Text(name))) = (item.id.take(), item.name.take()) {
                    self.names.insert(id, name);
                }
            }
            "function_call" | "custom_tool_call" => {
                if let (Some(Text(id)), Some(Text(name))) = (item.call_id.take(), item.name.take()) {
                    self.names.insert(id, name);
                }
            }
            // A yes to a call that the provider then makes.
            "mcp_approval_response" => self.request.hosted.push(HostedTool {
                kind: Cow::Owned(kind.to_owned()),
                target: None,
            }),
            "tool_result" => self.result(item.tool_use_id.take(), item.name.take(), item.content),
            "container_upload" => {}
            "" if item.role.is_none() && item.id.is_some() => self.history("item_reference", item.id.take()),
            "item_reference" => self.history("item_reference", item.id.take()),
            // What a search found declares tools, and is read as such.
            output if output.ends_with("_output") && item.output.is_none() && item.tools.is_some() => {}
            // Without an id it answers no call: a part of what a provider-run tool gave, say.
            output if output.ends_with("_output") && (item.call_id.is_some() || item.id.is_some()) => {
                self.result(
                    item.call_id.take().or(item.id.take()),
                    item.name.take(),
                    item.output,
                );
            }
            image if image.contains("image") || image.contains("screenshot") => self.request.images = true,
            _ => {}
        }
    }

    fn item(&mut self, mut item: Item<'a>) -> Result<(), Fault> {
        let Text(kind) = item.kind.take().unwrap_or(Text(Cow::Borrowed("")));
        let cites = CITES.iter().any(|word| kind.contains(word));
        // What a provider's MCP server listed declares nothing: the server itself does, and is ruled on. Nor does data
        // further down, which is whatever a tool gave.
        if let Some(tools) = item.tools.filter(|_| self.depth == 1 && kind != "mcp_list_tools") {
            self.request.declare(self.body, tools)?;
        }
        let human =
            matches!(&*kind, "" | "message") && item.role.as_ref().is_some_and(|Text(role)| is_human(role));
        self.of_kind(&kind, &mut item);
        if item.image_url.is_some() || item.image.is_some() || item.video.is_some() {
            self.request.images = true;
        }
        if item.file_id.is_some() {
            self.history("file_id", item.file_id);
        }
        if let Some(Object(file)) = item.file {
            self.file(file)?;
        }
        if let Some(source) = item.source
            && source.get().starts_with('{')
        {
            let Object(file) = shaped::<Object<File<'a>>>(self.body, source.get())?;
            self.file(file)?;
        }
        let url = item.url.filter(|_| !cites);
        let addresses = [
            item.image_url,
            item.file_url,
            item.video_url,
            item.audio_url,
            item.document_url,
            item.pdf_url,
            item.file_uri,
            url,
        ];
        for address in addresses.into_iter().flatten() {
            self.address(address)?;
        }
        for data in [item.file_data, item.input_audio].into_iter().flatten() {
            self.data(data)?;
        }
        for medium in [item.image, item.video, item.audio].into_iter().flatten() {
            self.medium(medium)?;
        }
        // Results of tools that the provider ran keep their own shapes (an object of results, say); only lists can
        // hold parts there. Elsewhere `content` and `output` hold a text or parts.
        let content = match item.content {
            Some(said) if human && said.get().starts_with(['"', '[', '{']) => {
                self.spoken(said)?;
                None
            }
            content => content,
        };
        for inner in [content, item.output].into_iter().flatten() {
            if inner.get().starts_with(['[', '{']) {
                self.content(inner)?;
            }
        }
        Ok(())
    }

    /// A file of a content part, or the source of a block, which may hold blocks itself.
    fn file(&mut self, file: File<'a>) -> Result<(), Fault> {
        if file.file_id.is_some() {
            self.history("file_id", file.file_id);
        }
        for address in [file.url, file.file_url, file.file_uri].into_iter().flatten() {
            self.address(address)?;
        }
        if let Some(data) = file.file_data {
            self.data(data)?;
        }
        match file
            .content
            .filter(|content| content.get().starts_with(['[', '{']))
        {
            Some(content) => self.content(content),
            None => Ok(()),
        }
    }

    /// An address to fetch: a text, or an object with one.
    fn address(&mut self, value: &'a RawValue) -> Result<(), Fault> {
        if value.get().starts_with('{') {
            let Object(inner) = shaped::<Object<Addressed<'a>>>(self.body, value.get())?;
            // An object in its place is nothing that any API has.
            if let Some(data) = inner.data.filter(|data| !data.get().starts_with('{')) {
                self.data(data)?;
            }
            return inner.url.map_or(Ok(()), |url| self.text_address(url));
        }
        self.text_address(value)
    }

    fn text_address(&mut self, value: &'a RawValue) -> Result<(), Fault> {
        // Content in place of an address may be megabytes, and most of it is.
        if value.get().starts_with("\"data:") {
            return Ok(());
        }
        let Text(url) = shaped(self.body, value.get())?;
        self.request.fetches.extend(Fetch::of(&url));
        Ok(())
    }

    /// Content in Base64, which some providers let be an address. Base64 has no colon.
    fn data(&mut self, value: &'a RawValue) -> Result<(), Fault> {
        let text = value.get();
        if text.starts_with('{') || memchr::memchr2(b':', b'\\', text.as_bytes()).is_some() {
            return self.address(value);
        }
        Ok(())
    }

    /// A picture or a sound under its bare name, as some compatible providers take it, or a list of them: the frames
    /// of a film.
    fn medium(&mut self, value: &'a RawValue) -> Result<(), Fault> {
        if !value.get().starts_with('[') {
            return self.data(value);
        }
        for one in shaped::<Vec<&'a RawValue>>(self.body, value.get())? {
            self.data(one)?;
        }
        Ok(())
    }

    /// What a kept prompt is filled with: texts, and parts by name.
    pub(super) fn variables(&mut self, values: &'a RawValue) -> Result<(), Fault> {
        let values: BTreeMap<Cow<'a, str>, &'a RawValue> = shaped(self.body, values.get())?;
        for value in values.into_values() {
            if value.get().starts_with(['[', '{']) {
                self.content(value)?;
            }
        }
        Ok(())
    }

    fn history(&mut self, field: &'static str, id: Option<Text<'a>>) {
        let id = id.map(|Text(id)| id);
        self.request.history.push(History { field, id });
    }

    fn result(&mut self, id: Option<Text<'a>>, name: Option<Text<'a>>, content: Option<&'a RawValue>) {
        let id = id.map_or(Cow::Borrowed(""), |Text(id)| id);
        let name = name
            .map(|Text(name)| name)
            .or_else(|| self.names.get(&id).cloned());
        let span = content
            .and_then(|content| span_of(self.body, content.get()))
            .unwrap_or_default();
        self.request.tool_results.push(ToolResult { id, name, span });
    }
}

/// The role that a human's words come in.
fn is_human(role: &str) -> bool {
    role.eq_ignore_ascii_case("user")
}

/// A list's element: a bare text counts as a part too.
enum Part<'a> {
    Text,
    Item(Box<Item<'a>>),
}

impl<'a, 'de: 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartVisitor;
        impl<'de> serde::de::Visitor<'de> for PartVisitor {
            type Value = Part<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a part")
            }
            fn visit_str<E>(self, _text: &str) -> Result<Part<'de>, E> {
                Ok(Part::Text)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Part<'de>, A::Error> {
                let map = serde::de::value::MapAccessDeserializer::new(map);
                let Object(item) = Object::deserialize(map)?;
                Ok(Part::Item(Box::new(item)))
            }
        }
        deserializer.deserialize_any(PartVisitor)
    }
}
