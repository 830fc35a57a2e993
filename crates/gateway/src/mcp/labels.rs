//! Labels at the crossing of tools: where a call's arguments came from, and what its session reads of the answer.

use std::sync::{Arc, LazyLock};

use bartizan_flow::{Content, Effect, Manifest, PathPattern, Role};
use bartizan_mcp::{Listed, Method, Params, message};
use bartizan_types::{Action, CallId, Code, Finding, ServerName, ToolName};
use bartizan_wire::json;
use serde_json::{Value, value::RawValue};

use super::{conn::Conn, exchange::Ctx, meta::Told};
use crate::{
    Shared, clock,
    gate::Caller,
    inspect::{self, Source},
    model::sha256,
    privacy::Arrived,
    sessions::{Session, Traced, WORDLESS, words},
};

/// What a request may carry beside what it is for, in bytes: ids of clients, settings of extensions. With more in it, not
/// all of the call was looked at.
const BESIDE_BYTES: usize = 1024;

/// Reading from an address that is handed over: where it leads, only the server knows.
static ADDRESS: LazyLock<Arc<Manifest>> = LazyLock::new(|| {
    Arc::new(Manifest {
        effect: Effect::Read,
        arguments: vec![(PathPattern::new("uri"), Role::Target)],
        ..Manifest::unknown()
    })
});

/// Where the address of a resource came from. `given`: from the server itself, so it gives nothing away.
pub(super) fn address(ctx: &Ctx, action: Action, uri: &str, given: bool) -> Traced {
    let arguments = if given {
        Value::Object(serde_json::Map::new())
    } else {
        serde_json::json!({ "uri": uri })
    };
    let manifest = Arc::clone(&ADDRESS);
    let mut traced = Traced::new(&ctx.caller.session, action.as_str(), manifest, arguments);
    traced.fixed = true;
    traced
}

/// A tool's names: as the agent called it, and as it is.
pub(super) struct Names<'a> {
    pub asked: &'a str,
    pub server: &'a ServerName,
    pub tool: &'a ToolName,
}

/// A call with its labels.
pub(super) struct Call {
    /// Who asks, in the session that the call was joined to.
    pub ctx: Ctx,
    /// Where the arguments came from.
    pub traced: Option<Traced>,
    /// The arguments as they go out, where a trusted source spells them otherwise.
    pub respelled: Option<Respelled>,
}

/// Arguments in the spelling of the trusted sources they equal.
pub(super) struct Respelled {
    value: Value,
    params: Box<RawValue>,
}

impl Call {
    /// Joins a call to its session, and traces its arguments there.
    /// `arrived`: the arguments had tokens.
    pub(super) fn trace(
        ctx: Ctx,
        names: &Names<'_>,
        arguments: &Value,
        arrived: Option<&Arrived>,
        params: Option<&RawValue>,
    ) -> Self {
        let manifest = ctx.shared.mcp.manifests.of(names.server, names.tool);
        let known = arrived.map_or(arguments, |arrived| &arrived.known).clone();
        let mut traced = Traced::new(&ctx.caller.session, names.tool.as_str(), manifest, known);
        // A token that stays one has no other spelling: the trusted one is what it hides.
        traced.fixed = arrived.is_some_and(|arrived| arrived.outgoing != arrived.known);
        let spelled = if traced.fixed {
            None
        } else {
            traced.found.rewritten(&traced.arguments)
        };
        let respelled = spelled.or_else(|| arrived.map(|arrived| arrived.outgoing.clone()));
        let respelled = respelled.and_then(|value| {
            let params = respell(params?, &value);
            // What can't be put in another spelling goes as it is, or not at all.
            traced.fixed |= params.is_none();
            Some(Respelled {
                params: params?,
                value,
            })
        });
        Self {
            ctx,
            traced: Some(traced),
            respelled,
        }
    }

    /// Puts other arguments in the place of those that go out.
    pub(super) fn replace(&mut self, value: Value, params: Option<&RawValue>) {
        if let Some(params) = params.and_then(|params| respell(params, &value)) {
            if let Some(traced) = &mut self.traced {
                traced.fixed = true;
            }
            self.respelled = Some(Respelled { value, params });
        }
    }

    /// The arguments as they go out, where they differ from what the agent wrote.
    pub(super) fn outgoing(&self) -> Option<&Value> {
        self.respelled.as_ref().map(|respelled| &respelled.value)
    }

    /// The params as they go out.
    pub(super) fn params(&self, asked: Option<&RawValue>) -> Option<Box<RawValue>> {
        match &self.respelled {
            Some(respelled) => Some(respelled.params.clone()),
            None => asked.map(ToOwned::to_owned),
        }
    }
}

impl Respelled {
    /// Checks them against the pinned schema. Gives the headers that repeat some of them.
    ///
    /// # Errors
    /// [`Code::ArgumentsInvalid`]: the trusted spelling is none that the tool takes.
    pub(super) fn check(&self, listed: &Listed) -> Result<Vec<(String, String)>, Code> {
        let schema = listed.input.as_ref().ok_or(Code::ToolUnusable)?;
        schema.check(&self.value).map_err(|_| Code::ArgumentsInvalid)?;
        Ok(schema.headers().emit(&self.value))
    }
}

/// The channel that an answer's texts come by.
pub(super) fn channel(method: Method, result: &RawValue) -> Source {
    match method {
        // A prompt is written to instruct, so an order in it is nothing odd.
        Method::PromptsGet => Source::System,
        Method::ResourcesRead if result.get().contains("\"message/rfc822\"") => Source::Mail,
        Method::ResourcesRead => Source::Document,
        _ => Source::Tool,
    }
}

/// Looks into an answer. Gives what was seen, and the answer as the agent may see it where that differs.
///
/// # Errors
/// [`Code::PrivacyUnseen`]: what has to be masked is too large to be looked at.
pub(super) async fn inspected(
    ctx: &Ctx,
    call: CallId,
    result: &RawValue,
    source: Source,
) -> Result<(Vec<Finding>, Option<Box<RawValue>>), Code> {
    let (findings, masked) = seen(&ctx.shared, &ctx.caller, call, result, source).await?;
    if let Some(masked) = &masked {
        // The agent shows its model what it was given, and that has been read.
        let whole: Value = serde_json::from_str(masked.get()).unwrap_or_default();
        let structured = message::Members::read(masked)
            .ok()
            .and_then(|members| members.find("structuredContent"));
        remember(ctx, &texts(&whole), structured);
    }
    Ok((findings, masked))
}

/// Looks into what a server says. Gives what was seen, and the words as the agent may see them where that differs.
///
/// # Errors
/// As [`inspected`].
async fn seen(
    shared: &Arc<Shared>,
    caller: &Caller,
    call: CallId,
    said: &RawValue,
    source: Source,
) -> Result<(Vec<Finding>, Option<Box<RawValue>>), Code> {
    if shared.inspector.is_none() {
        return Ok((Vec::new(), None));
    }
    let pieces = inspect::of_value(said.get(), source, "");
    let looked = shared.look(caller, Some(call), &pieces).await;
    let masked = shared.mask_result(caller, said, &pieces, &looked)?;
    let mut findings = looked.findings;
    Ok(match masked {
        None => (findings, None),
        Some((masked, seen)) => {
            findings.extend(seen);
            (findings, Some(masked))
        }
    })
}

/// Looks into a message before the answer: progress, and what the server logs. Gives what was seen, and the message as
/// the agent may see it.
///
/// # Errors
/// As [`inspected`].
pub(super) async fn noticed(
    shared: &Arc<Shared>,
    caller: &Caller,
    call: CallId,
    message: Vec<u8>,
) -> Result<(Vec<Finding>, Vec<u8>), Code> {
    let text = String::from_utf8(message).map_err(|_| Code::UpstreamMalformed)?;
    let raw = RawValue::from_string(text).map_err(|_| Code::UpstreamMalformed)?;
    let (findings, masked) = seen(shared, caller, call, &raw, Source::Tool).await?;
    let shown = masked.as_deref().unwrap_or(&raw);
    Ok((findings, shown.get().as_bytes().to_vec()))
}

/// Looks into a question of a server, whatever it asks for: its words reach a person, or the agent's model, and taint
/// like a result. Gives what was seen, and the question as the agent may see it.
///
/// # Errors
/// As [`inspected`].
pub(super) async fn questioned(
    shared: &Arc<Shared>,
    caller: &Caller,
    call: CallId,
    params: Option<Box<RawValue>>,
) -> Result<(Vec<Finding>, Option<Box<RawValue>>), Code> {
    let Some(params) = params else {
        return Ok((Vec::new(), None));
    };
    let words: Vec<_> = inspect::of_value(params.get(), Source::Tool, "");
    let words: Vec<&str> = words.iter().map(|piece| piece.text.as_ref()).collect();
    caller.session.taint(&words.join("\n"));
    let (findings, masked) = seen(shared, caller, call, &params, Source::Tool).await?;
    Ok((findings, Some(masked.unwrap_or(params))))
}

/// What is seen in JSON that a server said outside of a call in flight.
pub(super) async fn said(ctx: &Ctx, call: CallId, said: &str) -> Vec<Finding> {
    if ctx.shared.inspector.is_none() {
        return Vec::new();
    }
    let pieces = inspect::of_value(said, Source::Tool, "");
    ctx.shared.look(&ctx.caller, Some(call), &pieces).await.findings
}

/// What is seen in an agent's answer to a server's question, on its way out: what its model wrote for the server, or what
/// a person typed.
pub(super) async fn answered(
    shared: &Arc<Shared>,
    caller: &Caller,
    call: CallId,
    method: Method,
    answer: &RawValue,
) -> Vec<Finding> {
    if shared.inspector.is_none() {
        return Vec::new();
    }
    let source = if method == Method::Sample {
        Source::Model
    } else {
        Source::Data
    };
    let pieces = inspect::of_value(answer.get(), source, "/result");
    shared.look(caller, Some(call), &pieces).await.findings
}

/// What is seen in what a request that calls no tool carries out: a prompt's or a completion's arguments, the address of
/// a resource.
pub(super) async fn leaving(ctx: &Ctx, call: CallId, asked: &Params<'_>) -> Vec<Finding> {
    let members = ["arguments", "argument", "context", "ref"];
    members_seen(ctx, call, asked, &members).await
}

/// What is seen in what a request carries beside what it is for, answers to questions included, and whether the rest of
/// that is more than it needs. A state that the server handed out in this conversation is its own, and any other is text of
/// the agent's.
pub(super) async fn beside(
    ctx: &Ctx,
    call: CallId,
    conn: &Conn,
    (method, asked): (Method, &Params<'_>),
) -> (Vec<Finding>, bool) {
    let mut bytes = 0_usize;
    let responses = asked.find("inputResponses").map(|responses| responses.get());
    let mut pieces: Vec<_> = responses
        .into_iter()
        .flat_map(|responses| inspect::of_value(responses, Source::Data, "/inputResponses"))
        .collect();
    for (key, value) in asked.beside(method) {
        bytes = bytes.saturating_add(key.len() + value.get().len());
        pieces.extend(inspect::of_value(value.get(), Source::Data, "/_meta"));
    }
    // A handle of ours is taken back or refused, and goes to nobody.
    let own = |state: &str| ctx.is_stateless() && state.starts_with("bz1.");
    let handed = |state: &RawValue| {
        let state = message::text(state);
        state.is_ok_and(|state| own(&state) || conn.states.knows(&state))
    };
    if let Some(state) = asked.find("requestState").filter(|state| !handed(state)) {
        bytes = bytes.saturating_add(state.get().len());
        pieces.extend(inspect::of_value(state.get(), Source::Data, "/requestState"));
    }
    if pieces.is_empty() || ctx.shared.inspector.is_none() {
        return (Vec::new(), bytes > BESIDE_BYTES);
    }
    let looked = ctx.shared.look(&ctx.caller, Some(call), &pieces).await;
    (looked.findings, bytes > BESIDE_BYTES)
}

/// What is seen in the address of a resource.
pub(super) async fn in_address(ctx: &Ctx, call: CallId, uri: &str) -> Vec<Finding> {
    let uri = inspect::Piece::of_text(Source::Data, uri, "/uri");
    ctx.shared.look(&ctx.caller, Some(call), &[uri]).await.findings
}

/// What is seen in the params of a method that we don't know.
pub(super) async fn going(ctx: &Ctx, call: CallId, params: Option<&RawValue>) -> Vec<Finding> {
    let pieces = match params {
        Some(params) if ctx.shared.inspector.is_some() => inspect::of_value(params.get(), Source::Data, ""),
        _ => return Vec::new(),
    };
    ctx.shared.look(&ctx.caller, Some(call), &pieces).await.findings
}

async fn members_seen(ctx: &Ctx, call: CallId, asked: &Params<'_>, members: &[&str]) -> Vec<Finding> {
    if ctx.shared.inspector.is_none() {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    for key in members {
        if let Some(value) = asked.find(key) {
            pieces.extend(inspect::of_value(value.get(), Source::Data, &format!("/{key}")));
        }
    }
    ctx.shared.look(&ctx.caller, Some(call), &pieces).await.findings
}

/// The session of this call: the conversation whose model proposed it, under whatever name the agent gave the tool.
pub(super) fn session(ctx: &Ctx, names: &Names<'_>, arguments: &Value) -> Session {
    let (server, tool) = (names.server, names.tool);
    let sessions = &ctx.shared.sessions;
    // Without a conversation there is no pending call, whatever this one is.
    if let Some(alone) = sessions.alone(&ctx.caller.principal, clock::now()) {
        return alone;
    }
    let long = [format!("{server}__{tool}"), format!("mcp__{server}__{tool}")];
    let all = [names.asked, tool.as_str(), &long[0], &long[1]];
    let canonical = serde_json::value::to_raw_value(arguments)
        .ok()
        .and_then(|raw| json::canonical(&raw).ok())
        .unwrap_or_default();
    sessions.spend(&ctx.caller.principal, clock::now(), &all, sha256(&canonical))
}

/// The params with other arguments.
fn respell(params: &RawValue, arguments: &Value) -> Option<Box<RawValue>> {
    let members = message::Members::read(params).ok()?;
    let mut out = message::Object::default();
    for (key, value) in members.iter() {
        if key == "arguments" {
            out.json(key, &serde_json::to_string(arguments).ok()?);
        } else {
            out.json(key, value.get());
        }
    }
    message::raw(out.finish()).ok()
}

/// Reads an answer into the session, before the agent does.
pub(super) fn read(ctx: &Ctx, traced: Option<&Traced>, result: &RawValue) {
    let session = &ctx.caller.session;
    let unknown = Arc::new(Manifest::unknown());
    let manifest = traced.map_or(&unknown, |traced| &traced.manifest);
    let call = traced.map(|traced| &*traced.found);
    let Ok(members) = message::Members::read(result) else {
        return session.taint(result.get());
    };
    let whole = json::unrounded(result.get()).unwrap_or_default();
    let tightened = Told::of(&whole).tighten(manifest);
    let manifest: &Manifest = &tightened;
    let texts = texts(&whole);
    if members.find("isError").is_some_and(|flag| flag.get() == "true") {
        session.read(manifest, call, Content::Error(&texts.join("\n")));
        return remember(ctx, &texts, None);
    }
    let structured = members.find("structuredContent");
    let value = whole.get("structuredContent").map(unwrapped);
    if let Some(value) = value {
        session.read(manifest, call, Content::Json(value));
    }
    for text in &texts {
        // The same content as text is what a server shows to clients that read no structure.
        let same = || {
            let parsed = json::unrounded(text).ok();
            parsed.is_some_and(|parsed| {
                Some(&parsed) == value || Some(&parsed) == whole.get("structuredContent")
            })
        };
        match value {
            None => match written(manifest, text) {
                Some(value) => session.read(manifest, call, Content::Json(&value)),
                None => session.read(manifest, call, Content::Text(text)),
            },
            Some(_) if same() => {}
            Some(_) => session.taint(text),
        }
    }
    let others = others(&whole);
    for other in &others {
        session.read(manifest, call, Content::Text(other));
    }
    if traced.is_none() && texts.is_empty() && others.is_empty() && structured.is_none() {
        session.taint(result.get());
    }
    remember(ctx, &texts, structured);
}

/// A text as the JSON that the service wrote, where an operator says that it writes some. What repeats a key, or is cut,
/// or goes on after its end, is text.
fn written(manifest: &Manifest, text: &str) -> Option<Value> {
    if !manifest.reads_json() {
        return None;
    }
    json::scan(text.as_bytes(), &json::Bounds::default()).ok()?;
    json::unrounded(text)
        .ok()
        .filter(|value| value.is_object() || value.is_array())
}

/// What a list is wrapped in where structured content must be an object.
fn unwrapped(value: &Value) -> &Value {
    match value.as_object().filter(|members| members.len() == 1) {
        Some(members) => members.get("result").unwrap_or(value),
        None => value,
    }
}

/// The parts of an answer that are shown: content, contents of a resource, messages of a prompt.
fn parts(result: &Value) -> impl Iterator<Item = &Value> {
    let list = |key| result.get(key).and_then(Value::as_array).into_iter().flatten();
    let messages = list("messages").filter_map(|message| message.get("content"));
    let spoken = messages.flat_map(|content| match content {
        Value::Array(parts) => parts.as_slice(),
        part => std::slice::from_ref(part),
    });
    list("content").chain(list("contents")).chain(spoken)
}

/// The texts of a part: its own, and that of the resource in it.
fn texts_of(part: &Value) -> impl Iterator<Item = &str> {
    let inner = part.get("resource").and_then(|inner| inner.get("text"));
    let all = part.get("text").into_iter().chain(inner);
    all.filter_map(Value::as_str)
}

/// All texts that an answer shows.
fn texts(result: &Value) -> Vec<String> {
    parts(result).flat_map(texts_of).map(str::to_owned).collect()
}

/// What an answer shows beside its texts: the words of links and of parts that nobody here knows, and something in the
/// place of what has none. A picture says what whoever made it wanted a model to read.
fn others(result: &Value) -> Vec<String> {
    let wordless = parts(result).filter(|part| texts_of(part).next().is_none());
    wordless
        .map(|part| Some(words(part)).filter(|words| !words.is_empty()))
        .map(|words| words.unwrap_or_else(|| WORDLESS.to_owned()))
        .collect()
}

/// The addresses that a server handed out in an answer.
pub(super) fn handed_out(result: &RawValue) -> Vec<String> {
    if !result.get().contains("\"uri\"") {
        return Vec::new();
    }
    let whole: Value = serde_json::from_str(result.get()).unwrap_or_default();
    let at = |part: &Value| -> Option<String> {
        let own = part.get("uri").or_else(|| part.get("resource")?.get("uri"));
        own.and_then(Value::as_str).map(str::to_owned)
    };
    parts(&whole).filter_map(at).collect()
}

/// Remembers what goes to the agent, so that it is known again where the agent shows it to its model.
fn remember(ctx: &Ctx, texts: &[String], structured: Option<&RawValue>) {
    let session = &ctx.caller.session;
    texts.iter().for_each(|text| session.know(text));
    if let Some(structured) = structured {
        session.know(structured.get());
    }
    if texts.len() > 1 {
        session.know(&texts.join("\n"));
    }
    let wrote = texts
        .iter()
        .map(String::as_str)
        .chain(structured.map(RawValue::get));
    ctx.shared
        .sessions
        .wrote(&ctx.caller.principal, clock::now(), wrote);
}

#[cfg(test)]
mod tests {
    use bartizan_flow::Effect;

    use super::*;

    #[test]
    fn every_part_of_an_answer_is_read_and_what_a_server_hands_out_is_known() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let answer = r#"{"content":[{"type":"text","text":"t"},
            {"type":"resource_link","uri":"x://a","name":"pay me"},
            {"type":"image","data":"AA==","mimeType":"image/png"},
            {"type":"resource","resource":{"uri":"x://b","blob":"AA=="}}],
            "_meta":{"uri":"x://no"}}"#;
        let whole: Value = serde_json::from_str(answer).unwrap();
        assert_eq!(texts(&whole), ["t"]);
        let others = others(&whole);
        assert!(
            others.len() == 3 && others[0].contains("pay me") && others[1] == WORDLESS,
            "{others:?}"
        );
        assert_eq!(handed_out(&raw(answer)), ["x://a", "x://b"]);
        let read = r#"{"contents":[{"uri":"x://c","text":"t"}]}"#;
        assert_eq!(handed_out(&raw(read)), ["x://c"]);
        assert_eq!(
            handed_out(&raw(r#"{"structuredContent":{"uri":"x://d"}}"#)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_text_is_json_only_where_an_operator_says_so() {
        let said = Manifest {
            effect: Effect::Read,
            reviewed: true,
            json_text: true,
            searches: false,
            codes_from: Vec::new(),
            codes: Vec::new(),
            ..Manifest::unknown()
        };
        let text = r#"[{"id": "d9", "owner": "ann"}]"#;
        assert!(written(&said, text).is_some_and(|value| value.is_array()));
        for manifest in [
            Manifest {
                json_text: false,
                searches: false,
                codes_from: Vec::new(),
                codes: Vec::new(),
                ..said.clone()
            },
            Manifest {
                reviewed: false,
                ..said.clone()
            },
            Manifest {
                effect: Effect::Fetch,
                ..said.clone()
            },
            Manifest {
                effect: Effect::Unknown,
                ..said.clone()
            },
        ] {
            assert_eq!(written(&manifest, text), None);
        }
        for hostile in [
            r#"{"id": "d9", "id": "d1"}"#,
            r#"{"a": {"id": "d9", "\u0069d": "d1"}}"#,
            r#"[{"id": "d9"}] and more"#,
            r#"[{"id": "d9""#,
            r#""d9""#,
            "17",
            "",
        ] {
            assert_eq!(written(&said, hostile), None, "{hostile}");
        }
    }
}
