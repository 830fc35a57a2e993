//! What a prompt or a completion hands to a server, traced as a tool's arguments are.
//!
//! Values are traced by themselves. So are names that the server did not list: in them, too, something can be said.
//! Nobody declares what a server does with any of it, so every role is unknown.

use std::sync::{Arc, LazyLock};

use bartizan_flow::{Effect, Manifest};
use bartizan_mcp::{Catalog, Listed, Params};
use bartizan_types::Action;
use serde_json::{Map, Value, value::RawValue};

use super::exchange::Ctx;
use crate::sessions::Traced;

/// Reading, by arguments that nobody described.
static HANDED: LazyLock<Arc<Manifest>> = LazyLock::new(|| {
    Arc::new(Manifest {
        effect: Effect::Read,
        ..Manifest::unknown()
    })
});
/// Names that the protocol itself gives to what a completion has.
const OF_THE_PROTOCOL: [&str; 5] = ["name", "value", "arguments", "type", "uri"];

/// Of a prompt: its arguments, by names that its listing has.
pub(super) fn prompt(ctx: &Ctx, listed: Option<&Listed>, asked: &Params<'_>) -> Traced {
    let given = asked.find("arguments").map(parsed).unwrap_or_default();
    let mut names = Vec::new();
    keys(&given, &declared(listed), &mut names);
    traced(ctx, Action::GetPrompt, given, names)
}

/// What a completion refers to.
pub(super) enum Referred<'a> {
    /// A prompt, as its server listed it, if it did, and by its own name.
    Prompt(Option<&'a Listed>, &'a str),
    /// A resource or a template, and whether the server named it.
    Address(&'a str, bool),
}

/// Of a completion: what was typed so far, what was filled in before, and what is referred to where no server listed it.
pub(super) fn completion(
    ctx: &Ctx,
    referred: &Referred<'_>,
    reference: &RawValue,
    asked: &Params<'_>,
) -> Traced {
    let mut reference = parsed(reference);
    let (known, stranger) = match referred {
        Referred::Prompt(listed, name) => (declared(*listed), listed.is_none().then_some(*name)),
        Referred::Address(uri, given) => (variables(uri), (!given).then_some(*uri)),
    };
    let mut argument = asked.find("argument").map(parsed).unwrap_or_default();
    let named = argument
        .as_object_mut()
        .and_then(|argument| argument.remove("name"));
    let mut names: Vec<String> = stranger.map(str::to_owned).into_iter().collect();
    match named {
        Some(Value::String(name)) if known.contains(&name) => {}
        Some(Value::String(name)) => names.push(name),
        Some(other) => names.push(other.to_string()),
        None => {}
    }
    if let Some(reference) = reference.as_object_mut() {
        // Which sort it is, is one of two words; what it is, was looked at above.
        for key in ["type", "name", "uri"] {
            reference.remove(key);
        }
    }
    let context = asked.find("context").map(parsed).unwrap_or_default();
    let given: Map<String, Value> = [("argument", argument), ("context", context), ("ref", reference)]
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect();
    for value in given.values() {
        keys(value, &known, &mut names);
    }
    traced(ctx, Action::Complete, Value::Object(given), names)
}

fn traced(ctx: &Ctx, action: Action, given: Value, names: Vec<String>) -> Traced {
    let manifest = Arc::clone(&HANDED);
    let arguments = serde_json::json!({ "given": given, "names": names });
    let mut traced = Traced::new(&ctx.caller.session, action.as_str(), manifest, arguments);
    traced.fixed = true;
    traced
}

/// The message was scanned before: nothing in it is too deep or twice there.
fn parsed(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// Whether a server named this address itself: as a resource or as a template.
pub(super) fn lists(catalogs: &[Arc<Catalog>], uri: &str) -> bool {
    catalogs.iter().any(|catalog| catalog.find(uri).is_some())
}

/// The names of a prompt's arguments, by its listing.
fn declared(listed: Option<&Listed>) -> Vec<String> {
    let definition = listed
        .map(|listed| parsed(&listed.definition))
        .unwrap_or_default();
    let arguments = definition["arguments"].as_array();
    arguments
        .into_iter()
        .flatten()
        .filter_map(|argument| argument["name"].as_str().map(str::to_owned))
        .collect()
}

/// The variables of a template (RFC 6570), without operators and modifiers.
fn variables(template: &str) -> Vec<String> {
    let expressions = template
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'));
    expressions
        .flat_map(|(expression, _)| {
            expression
                .trim_start_matches(['+', '#', '.', '/', ';', '?', '&'])
                .split(',')
        })
        .filter_map(|variable| variable.split([':', '*']).next())
        .map(str::to_owned)
        .collect()
}

/// Adds the names of members that nobody declared.
fn keys(value: &Value, known: &[String], names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if !known.contains(name) && !OF_THE_PROTOCOL.contains(&name.as_str()) {
                    names.push(name.clone());
                }
                keys(value, known, names);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, known, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_that_nobody_declared_are_found_at_any_depth() {
        let known = vec!["topic".to_owned()];
        let mut names = Vec::new();
        let given = json!({"topic": "a", "told everything": [{"in here": {"topic": 1}}], "name": "x"});
        keys(&given, &known, &mut names);
        names.sort();
        assert_eq!(names, ["in here", "told everything"]);
        assert_eq!(
            variables("note://{day}/{+path}{?q,lang*,max:3}"),
            ["day", "path", "q", "lang", "max"]
        );
        assert_eq!(variables("note://plain"), Vec::<String>::new());
    }
}
