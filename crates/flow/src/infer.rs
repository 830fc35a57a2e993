//! A first manifest from what a tool says of itself, with the reason for each line.
//!
//! Names, descriptions and hints are claims of a server. What comes out is not reviewed, so it only tightens until an
//! operator accepts it; a hint never makes a tool milder than its name does.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use bartizan_types::{
    Effects,
    flow::{Effect, Role},
};

use crate::{
    manifest::{Class, Manifest, PathPattern},
    roles, words,
};

/// What a tool says of itself.
#[derive(Debug, Clone, Copy)]
pub struct ToolFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its description.
    pub description: &'a str,
    /// Its input schema (JSON Schema, an object with `properties`).
    pub input: &'a Value,
    /// Its annotations.
    pub hints: Effects,
}

/// Why a line was inferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// A verb of the tool's name.
    Verb,
    /// The first verb of its description.
    Description,
    /// `readOnlyHint`, `destructiveHint` or `openWorldHint`, which tightened.
    Hint,
    /// The argument's name.
    ArgumentName,
    /// The argument's type, format or enumeration.
    ArgumentType,
    /// The argument's description.
    ArgumentDescription,
    /// What the tool is about.
    Noun,
    /// Nothing said anything.
    Nothing,
}

/// A manifest that nobody has reviewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inferred {
    /// The proposal. Its `reviewed` is false.
    pub manifest: Manifest,
    /// Why it has this effect.
    pub effect: Because,
    /// Why each argument has its role, in the manifest's order.
    pub arguments: Vec<Because>,
}

impl Inferred {
    /// As an operator who accepts it whole.
    #[must_use]
    pub fn accept(self) -> Manifest {
        Manifest {
            reviewed: true,
            ..self.manifest
        }
    }
}

/// Infers a manifest. At most 256 arguments are named; a call with others finds them unknown.
#[must_use]
pub fn infer(tool: &ToolFacts<'_>) -> Inferred {
    let (mut effect, mut because) = effect(tool);
    let properties = tool.input.get("properties").and_then(Value::as_object);
    let names = || {
        properties
            .into_iter()
            .flat_map(|map| map.keys().map(String::as_str))
            .take(256)
    };
    if matches!(effect, Effect::Write | Effect::Send | Effect::Unknown) && moves_money(tool.name, names()) {
        effect = Effect::Pay;
        because = Because::ArgumentName;
    }
    if matches!(effect, Effect::Write) && names().any(invites) {
        effect = Effect::Send;
        because = Because::ArgumentName;
    }
    if effect == Effect::Read && names().any(|name| ["url", "uri", "urls"].contains(&name)) {
        effect = Effect::Fetch;
        because = Because::ArgumentName;
    }
    if effect == Effect::Read && tool.hints.read_only == Some(false) {
        effect = Effect::Write;
        because = Because::Hint;
    }
    if effect == Effect::Write && tool.hints.destructive == Some(true) && words::verb(tool.name).0.is_none() {
        effect = Effect::Delete;
        because = Because::Hint;
    }
    let mut arguments = Vec::new();
    let mut reasons = Vec::new();
    let money = effect == Effect::Pay && names().any(|name| roles::by_name(name) == Some(Role::Amount));
    for (name, schema) in properties.into_iter().flatten().take(256) {
        let (mut role, reason) = role(name, schema, effect);
        // The day a payment is booked for moves nothing elsewhere.
        if money && role == Role::Time {
            role = Role::Value;
        }
        let escaped = PathPattern::new(name);
        arguments.push((escaped, role));
        reasons.push(reason);
        arguments.push((PathPattern::new(&format!("{name}.**")), role));
        reasons.push(reason);
    }
    Inferred {
        manifest: Manifest {
            effect,
            arguments,
            results: results(tool, effect),
            reviewed: false,
            public: false,
        },
        effect: because,
        arguments: reasons,
    }
}

fn effect(tool: &ToolFacts<'_>) -> (Effect, Because) {
    if let (Some(verb), rest) = words::verb(tool.name) {
        // Credentials are handed out by whoever sets them.
        let web = rest
            .iter()
            .any(|word| ["webpage", "url", "website"].contains(&word.as_str()));
        let effect = match verb.effect {
            Effect::Read if web => Effect::Fetch,
            other => other,
        };
        return (effect, Because::Verb);
    }
    let said = tool.description.split_whitespace().take(12).find_map(|word| {
        let word: String = word
            .chars()
            .filter(|c| c.is_alphabetic())
            .flat_map(char::to_lowercase)
            .collect();
        let stem = words::singular(&word);
        words::VERBS.iter().find(|verb| {
            verb.names
                .iter()
                .any(|name| *name == word || *name == stem || stem.strip_suffix('e') == Some(name))
        })
    });
    match said {
        Some(verb) => (verb.effect, Because::Description),
        None => (Effect::Unknown, Because::Nothing),
    }
}

fn moves_money<'a>(tool: &str, mut names: impl Iterator<Item = &'a str>) -> bool {
    let about = words::split(tool);
    about.iter().any(|word| {
        [
            "money",
            "payment",
            "transaction",
            "payout",
            "invoice",
            "refund",
            "transfer",
            "funds",
        ]
        .contains(&words::singular(word))
    }) && names.any(|name| matches!(roles::by_name(name), Some(Role::Amount | Role::Target)))
}

fn invites(name: &str) -> bool {
    words::split(name).iter().any(|word| {
        ["participant", "attendee", "invitee", "guest", "collaborator"].contains(&words::singular(word))
    })
}

fn role(name: &str, schema: &Value, effect: Effect) -> (Role, Because) {
    let kind = |want: &str| {
        let one = |s: &Value| {
            s.get("type")
                .is_some_and(|t| t == want || t.as_array().is_some_and(|l| l.iter().any(|t| t == want)))
        };
        one(schema)
            || ["anyOf", "oneOf"].iter().any(|k| {
                schema
                    .get(k)
                    .and_then(Value::as_array)
                    .is_some_and(|l| l.iter().any(one))
            })
    };
    let text = kind("string") || kind("array") || kind("object");
    let closed =
        schema.get("enum").is_some() || schema.get("$ref").is_some() || schema.get("const").is_some();
    if (kind("boolean") || closed) && !(kind("array") || kind("object")) {
        return (Role::Value, Because::ArgumentType);
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("email" | "uri" | "url" | "idn-email" | "hostname" | "ipv4" | "ipv6") => {
            return (Role::Target, Because::ArgumentType);
        }
        Some("date" | "date-time" | "time" | "duration") => return (Role::Time, Because::ArgumentType),
        Some("uuid") => return (Role::Selector, Because::ArgumentType),
        _ => {}
    }
    let named = roles::by_name(name);
    let goes = matches!(effect, Effect::Send | Effect::Pay);
    let role = match named {
        // Whom or where something is handed: a channel, a user, a hotel.
        Some(Role::Selector) if goes && hands(name) => Some(Role::Target),
        // What is bought or booked decides who is paid.
        Some(Role::Selector) if effect == Effect::Pay && !name.ends_with("id") => Some(Role::Target),
        // A new thing's name is content.
        Some(Role::Selector)
            if effect == Effect::Write && ["name", "filename", "file_name"].contains(&name) =>
        {
            Some(Role::Content)
        }
        other => other,
    };
    if let Some(role) = role {
        let role = if role == Role::Content && !text && kind("integer") {
            Role::Value
        } else {
            role
        };
        return (role, Because::ArgumentName);
    }
    described(schema, &kind)
}

/// The role that an argument's description or type tells.
fn described(schema: &Value, kind: &dyn Fn(&str) -> bool) -> (Role, Because) {
    let said = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_lowercase();
    for (word, role) in [
        ("url", Role::Target),
        ("email address", Role::Target),
        ("recipient", Role::Target),
        ("date", Role::Time),
        (" id ", Role::Selector),
        ("name of", Role::Selector),
        ("path", Role::Selector),
        ("text", Role::Content),
        ("content", Role::Content),
    ] {
        if said.contains(word) {
            return (role, Because::ArgumentDescription);
        }
    }
    if kind("integer") || kind("number") {
        return (Role::Value, Because::ArgumentType);
    }
    (Role::Unknown, Because::Nothing)
}

fn hands(name: &str) -> bool {
    words::split(name).iter().any(|word| {
        [
            "channel", "user", "username", "group", "team", "thread", "chat", "room", "contact", "member",
            "handle",
        ]
        .contains(&words::singular(word))
    })
}

/// Classes by a key's shape.
const SHAPES: &[(&str, Class)] = &[
    ("**.id", Class::Trusted),
    ("**.id_", Class::Trusted),
    ("**.*_id", Class::Trusted),
    ("**.uuid", Class::Trusted),
    ("**.number", Class::Trusted),
    ("**.*_time", Class::Trusted),
    ("**.*_at", Class::Trusted),
    ("**.date", Class::Trusted),
    ("**.timestamp", Class::Trusted),
    ("**.size", Class::Trusted),
    ("**.amount", Class::Trusted),
    ("**.email", Class::Structured),
    ("**.sender", Class::Structured),
    ("**.from", Class::Structured),
    ("**.recipient", Class::Structured),
    ("**.name", Class::Structured),
    ("**.title", Class::Structured),
    ("**.filename", Class::Structured),
    ("**.participants.*", Class::Structured),
    ("**.recipients.*", Class::Structured),
    ("**.url", Class::Structured),
    ("**.status", Class::Structured),
];

/// Keys of leaves that are secrets.
const SECRETS: &[&str] = &[
    "**.*password",
    "**.*passport_number",
    "**.*Passport Number",
    "**.*ssn",
    "**.*card_number",
    "**.*Card Number",
    "**.*cvv",
    "**.*api_key",
    "**.*secret",
    "**.*token",
    "**.*private_key",
    "**.*Bank Account Number",
    "**.*ID Number",
    "**.*id_number",
    "**.*bank_account",
];

/// Classes by the shape of keys. Clocks and a service's own catalogue, directories and identifiers are its own words.
fn results(tool: &ToolFacts<'_>, effect: Effect) -> Vec<(PathPattern, Class)> {
    let about = words::split(tool.name);
    let has = |list: &[&str]| about.iter().any(|word| list.contains(&words::singular(word)));
    // What identifies or pays for a person is a secret by whatever service tells it.
    let mut lines: Vec<(&str, Class)> = SECRETS.iter().map(|pattern| (*pattern, Class::Secret)).collect();
    let free = has(&[
        "review", "comment", "message", "email", "mail", "inbox", "webpage", "page", "content", "note",
        "post", "thread",
    ]);
    if effect == Effect::Read && !free {
        if has(&[
            "contact",
            "user",
            "member",
            "employee",
            "people",
            "directory",
            "channel",
            "team",
        ]) {
            lines.extend([
                ("", Class::Directory),
                ("*", Class::Directory),
                ("*.name", Class::Directory),
                ("**.email", Class::Directory),
                ("**.phone", Class::Directory),
            ]);
        } else if has(&[
            "hotel",
            "restaurant",
            "company",
            "flight",
            "airline",
            "car",
            "product",
            "catalog",
            "price",
            "currency",
            "balance",
            "iban",
            "clock",
        ]) || (about.len() <= 3
            && has(&["day", "date", "time"])
            && tool
                .input
                .get("properties")
                .and_then(Value::as_object)
                .is_none_or(serde_json::Map::is_empty))
        {
            lines.extend([
                ("", Class::Trusted),
                ("*", Class::Trusted),
                ("*.*", Class::Trusted),
            ]);
        }
    }
    lines.extend_from_slice(SHAPES);
    lines
        .into_iter()
        .map(|(pattern, class)| (PathPattern::new(pattern), class))
        .collect()
}
