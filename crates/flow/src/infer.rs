//! A first manifest from what a tool says of itself, with the reason for each line.
//!
//! Names, descriptions and hints are claims of a server. What comes out is not reviewed, so it only tightens until an
//! operator accepts it; a hint never makes a tool milder than its name does.

mod names;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use bartizan_types::{
    Effects,
    flow::{Effect, Role},
};

use self::names::{
    between, counts, given_to, invites, lists_people, makes, moves_money, names_new, numbered, pages,
    searches, statement, versions,
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
    /// The name of a result's key.
    ResultName,
    /// Nothing said anything.
    Nothing,
}

impl Because {
    /// In words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::Verb => "a verb of its name",
            Self::Description => "the first verb of its description",
            Self::Hint => "a hint of the server, which tightened",
            Self::ArgumentName => "the argument's name",
            Self::ArgumentType => "the argument's type",
            Self::ArgumentDescription => "the argument's description",
            Self::Noun => "what the tool is about",
            Self::ResultName => "the name of the key",
            Self::Nothing => "nothing tells",
        }
    }
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
    /// Why each leaf of the results has its class, in the manifest's order.
    pub results: Vec<Because>,
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
    let properties = tool.input.get("properties").and_then(Value::as_object);
    let names = || {
        properties
            .into_iter()
            .flat_map(|map| map.keys().map(String::as_str))
            .take(256)
    };
    let (effect, because) = tightened(tool, names);
    let sum = |name: &str| roles::by_name(name) == Some(Role::Amount) && !counts(name);
    let money = effect == Effect::Pay && names().any(sum);
    let about = About {
        effect,
        names_new: names_new(tool.name, names()),
        numbered: words::split(tool.name).iter().any(|word| {
            [
                "issue", "pull", "pr", "ticket", "order", "invoice", "case", "merge",
            ]
            .contains(&words::singular(word))
        }),
        makes: makes(tool.name),
        pages: effect == Effect::Read && names().any(pages),
        between: effect == Effect::Read && between(tool.input),
        money,
    };
    let mut lines = Lines::default();
    for (name, schema) in properties.into_iter().flatten() {
        about.lines("", name, schema, 0, None, &mut lines);
    }
    let Lines { arguments, reasons } = lines;
    let (results, classed) = results(tool, effect).into_iter().unzip();
    Inferred {
        manifest: Manifest {
            effect,
            arguments,
            results,
            reviewed: false,
            public: false,
            json_text: false,
            searches: effect == Effect::Read && searches(tool),
            codes_from: Vec::new(),
            codes: Vec::new(),
        },
        effect: because,
        arguments: reasons,
        results: classed,
    }
}

/// What the tool's name says that it does, and what its arguments and hints make of that.
fn tightened<'a, N: Iterator<Item = &'a str>>(
    tool: &ToolFacts<'_>,
    names: impl Fn() -> N,
) -> (Effect, Because) {
    let (mut effect, mut because) = effect(tool);
    if effect == Effect::Pay
        && words::split(tool.name).iter().any(|word| word == "checkout")
        && versions(tool.name, names())
    {
        effect = Effect::Write;
    }
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
    // A name that says that it reads is believed before a hint that many services give to all that is posted.
    let destroys = tool.hints.destructive == Some(true) && because != Because::Verb;
    if effect == Effect::Read && (tool.hints.read_only == Some(false) || destroys) {
        effect = Effect::Write;
        because = Because::Hint;
    }
    if effect == Effect::Read && changes(tool.description) {
        effect = Effect::Write;
        because = Because::Description;
    }
    if effect == Effect::Write && tool.hints.destructive == Some(true) && words::verb(tool.name).0.is_none() {
        effect = Effect::Delete;
        because = Because::Hint;
    }
    (effect, because)
}

/// Whether a tool that is named as a read says that it changes what it reads.
fn changes(description: &str) -> bool {
    const SAID: [&str; 12] = [
        "marked as",
        "marks as",
        "mark as read",
        "marks them",
        "marks it",
        "marks all",
        "are then deleted",
        "deletes them",
        "removes them from",
        "resets the",
        "and clears",
        "will be consumed",
    ];
    let folded: String = description
        .chars()
        .take(2048)
        .flat_map(char::to_lowercase)
        .collect();
    SAID.iter().any(|said| folded.contains(said))
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
    if collection(tool) {
        return (Effect::Read, Because::Noun);
    }
    let plain = |word: &str| -> String {
        let letters = word.chars().filter(|c| c.is_alphabetic());
        letters.flat_map(char::to_lowercase).collect()
    };
    let words: Vec<String> = tool.description.split_whitespace().take(12).map(plain).collect();
    let said = words.iter().enumerate().find_map(|(at, word)| {
        let stem = words::singular(word);
        let verb = words::VERBS.iter().find(|verb| {
            verb.names
                .iter()
                .any(|name| name == word || *name == stem || stem.strip_suffix('e') == Some(name))
        })?;
        // `Adjusts the count`: behind a deed that is not known, a word that reads is a noun as often.
        let due = at == 0
            || !words
                .first()
                .is_some_and(|first| first.len() > 4 && first.ends_with('s'));
        (due || verb.effect != Effect::Read).then_some(verb)
    });
    match said {
        Some(verb) => (verb.effect, Because::Description),
        None => (Effect::Unknown, Because::Nothing),
    }
}

/// Whether a name without a verb is that of many things, as `payees` and `team_directory` are, and nothing it takes is
/// what something is made of: then it tells them. Its description does not begin with a deed.
fn collection(tool: &ToolFacts<'_>) -> bool {
    const MANY: &[&str] = &[
        "directory",
        "people",
        "staff",
        "calendar",
        "history",
        "balance",
        "catalog",
        "catalogue",
        "forecast",
        "weather",
        "roster",
        "inventory",
        "timeline",
    ];
    // Many that are put somewhere as often as they are read.
    const MADE: &[&str] = &[
        "message", "payment", "order", "transfer", "mail", "email", "post", "comment", "action",
    ];
    let words = words::split(tool.name);
    let Some(last) = words.last().map(String::as_str) else {
        return false;
    };
    let one = words::singular(last);
    let many = MANY.contains(&last) || one != last && !MADE.contains(&one);
    let first: String = tool
        .description
        .chars()
        .skip_while(|c| !c.is_alphabetic())
        .take_while(|c| c.is_alphabetic())
        .flat_map(char::to_lowercase)
        .collect();
    let deed = words::VERBS.iter().any(|verb| {
        verb.effect != Effect::Read
            && verb
                .names
                .iter()
                .any(|name| *name == first || *name == words::singular(&first))
    });
    let takes = || {
        tool.input
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    };
    // What is looked for, and from when to when.
    let sought = |name: &str| {
        let split = words::split(name);
        split.last().is_some_and(|last| {
            [
                "q", "query", "search", "filter", "filters", "keyword", "keywords", "term", "from", "to",
            ]
            .contains(&last.as_str())
        })
    };
    let asks = |name: &str| {
        sought(name)
            || !matches!(
                roles::by_name(name),
                Some(Role::Content | Role::Amount | Role::Target)
            )
    };
    many && !deed && takes().all(|(name, _)| asks(name))
}

/// Most lines of arguments in one manifest.
const LINES: usize = 512;
/// How deep into an argument's own schema names are read.
const DEPTH: u8 = 3;

#[derive(Default)]
struct Lines {
    arguments: Vec<(PathPattern, Role)>,
    reasons: Vec<Because>,
}

impl Lines {
    fn push(&mut self, pattern: &str, role: Role, because: Because) {
        // What is too long, or past the bound, stays unknown.
        if pattern.len() <= 250 && self.arguments.len() < LINES {
            self.arguments.push((PathPattern::new(pattern), role));
            self.reasons.push(because);
        }
    }
}

/// What the tool's own arguments and name tell of each of them.
struct About {
    effect: Effect,
    /// A plain `name` is that of something new.
    names_new: bool,
    /// It is about things that go by numbers.
    numbered: bool,
    /// The thing that it makes.
    makes: Option<String>,
    /// It lists in pages.
    pages: bool,
    /// It lists what lies between two days.
    between: bool,
    /// A sum is named.
    money: bool,
}

impl About {
    /// The lines of one argument, those of its own members first.
    fn lines(
        &self,
        under: &str,
        name: &str,
        schema: &Value,
        depth: u8,
        outer: Option<Role>,
        lines: &mut Lines,
    ) {
        // A name that reads as a pattern would speak for its neighbours.
        if name.is_empty() || name.contains(['.', '*']) {
            return;
        }
        let (mut role, mut because) = role(name, schema, self);
        match (outer, role) {
            // What lies in a target is part of it, and what nobody names is what holds it.
            (Some(Role::Target), Role::Selector | Role::Content | Role::Unknown) => role = Role::Target,
            (Some(outer), Role::Unknown) => role = outer,
            _ => {}
        }
        // `merge_pull_request(number)`: which one.
        if name == "number" && depth == 0 && role == Role::Value && self.numbered {
            role = Role::Selector;
        }
        // How many are wanted costs nothing where nothing is paid.
        if role == Role::Amount && self.effect != Effect::Pay && counts(name) {
            role = Role::Value;
        }
        // `create_branch(branch)`: what the new thing is called.
        if role == Role::Selector
            && depth == 0
            && self.effect == Effect::Write
            && self.makes.as_deref() == Some(name)
        {
            role = Role::Content;
        }
        // The day a payment is booked for moves nothing elsewhere.
        if self.money && role == Role::Time {
            role = Role::Value;
        }
        // `from`, `to`: between which days something is looked for.
        if self.between && depth == 0 && ["from", "to"].contains(&name) {
            (role, because) = (Role::Time, Because::ArgumentDescription);
        }
        if self.pages && depth == 0 && ["after", "before"].contains(&name) {
            (role, because) = (Role::Value, Because::ArgumentName);
        }
        let path = format!("{under}{name}");
        if depth < DEPTH {
            for (inner, schema) in members(schema) {
                self.lines(&format!("{path}."), inner, schema, depth + 1, Some(role), lines);
            }
            for (inner, schema) in schema.get("items").into_iter().flat_map(members) {
                self.lines(&format!("{path}.*."), inner, schema, depth + 1, Some(role), lines);
            }
        }
        lines.push(&path, role, because);
        lines.push(&format!("{path}.**"), role, because);
    }
}

fn members(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .take(64)
        .map(|(name, schema)| (name.as_str(), schema))
}

fn role(name: &str, schema: &Value, about: &About) -> (Role, Because) {
    let effect = about.effect;
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
    // `amount: { value, currency }`: how much is paid.
    if effect == Effect::Pay && name == "value" {
        return (Role::Amount, Because::ArgumentName);
    }
    let named = roles::by_name(name);
    let goes = matches!(effect, Effect::Send | Effect::Pay);
    let role = match named {
        // Whom or where something is handed: a channel, a user, a hotel.
        Some(Role::Selector) if goes && hands(name) => Some(Role::Target),
        // What is bought or booked decides who is paid.
        Some(Role::Selector) if effect == Effect::Pay && !numbered(name) => Some(Role::Target),
        // Whom a thing is given to.
        Some(Role::Value) if effect.consequential() && given_to(name) => Some(Role::Target),
        // `text_send(number)`: whose telephone, where nothing goes by numbers.
        Some(Role::Value) if effect == Effect::Send && name == "number" && text && !about.numbered => {
            Some(Role::Target)
        }
        // What is asked of a tool that changes something is a statement, and does it.
        Some(Role::Content) if effect.consequential() && statement(name) => Some(Role::Target),
        // A new thing's name is content.
        Some(Role::Selector) if effect == Effect::Write && about.names_new && name == "name" => {
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

/// The role that an argument's description or type tells: the first of its words that tells one.
fn described(schema: &Value, kind: &dyn Fn(&str) -> bool) -> (Role, Because) {
    let said = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let told = said
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(24)
        .find_map(|word| {
            let word = word.to_lowercase();
            let word = words::singular(&word);
            TELLING
                .iter()
                .find(|(words, _)| words.contains(&word))
                .map(|(_, role)| *role)
        });
    if let Some(role) = told {
        return (role, Because::ArgumentDescription);
    }
    if kind("integer") || kind("number") {
        return (Role::Value, Because::ArgumentType);
    }
    (Role::Unknown, Because::Nothing)
}

/// Words of an argument's description.
const TELLING: &[(&[&str], Role)] = &[
    (
        &[
            "url",
            "uri",
            "recipient",
            "email",
            "webhook",
            "command",
            "password",
        ],
        Role::Target,
    ),
    (
        &[
            "id",
            "ids",
            "identifier",
            "path",
            "name",
            "key",
            "slug",
            "existing",
            "directory",
        ],
        Role::Selector,
    ),
    (&["date", "timestamp", "deadline"], Role::Time),
    (
        &[
            "filter", "maximum", "minimum", "whether", "format", "sort", "order", "optional", "limit",
            "mode", "option", "flag", "restrict", "include", "exclude",
        ],
        Role::Value,
    ),
    (
        &[
            "text",
            "content",
            "message",
            "query",
            "description",
            "question",
            "title",
            "keyword",
            "comment",
        ],
        Role::Content,
    ),
];

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
    ("**.*Id", Class::Trusted),
    ("**.sku", Class::Trusted),
    ("**.sha", Class::Trusted),
    ("**.uuid", Class::Trusted),
    ("**.number", Class::Trusted),
    ("**.*_time", Class::Trusted),
    ("**.*_at", Class::Trusted),
    ("**.*At", Class::Trusted),
    ("**.key", Class::Trusted),
    ("**.slug", Class::Trusted),
    ("**.iid", Class::Trusted),
    ("**.ts", Class::Trusted),
    ("**.*_ts", Class::Trusted),
    ("**.*_no", Class::Trusted),
    ("**.*_ref", Class::Trusted),
    ("**.*_number", Class::Trusted),
    ("**.start", Class::Trusted),
    ("**.starts", Class::Trusted),
    ("**.end", Class::Trusted),
    ("**.ends", Class::Trusted),
    ("**.due", Class::Trusted),
    ("**.created", Class::Trusted),
    ("**.updated", Class::Trusted),
    ("**.modified", Class::Trusted),
    ("**.received", Class::Trusted),
    ("**.issued", Class::Trusted),
    ("**.*_date", Class::Trusted),
    ("**.*Date", Class::Trusted),
    ("**.*_on", Class::Trusted),
    ("**.*On", Class::Trusted),
    ("now", Class::Trusted),
    ("server_time", Class::Trusted),
    ("serverTime", Class::Trusted),
    ("**.date", Class::Trusted),
    ("**.timestamp", Class::Trusted),
    ("**.size", Class::Trusted),
    ("**.amount", Class::Trusted),
    ("**.total", Class::Trusted),
    ("**.balance", Class::Trusted),
    ("**.outstanding", Class::Trusted),
    ("**.email", Class::Structured),
    ("**.*_email", Class::Structured),
    ("**.*Email", Class::Structured),
    ("**.phone", Class::Structured),
    ("**.*_phone", Class::Structured),
    ("**.mobile", Class::Structured),
    ("**.*_mobile", Class::Structured),
    ("**.from_address", Class::Structured),
    ("**.from_name", Class::Structured),
    ("**.fromName", Class::Structured),
    ("**.*_name", Class::Structured),
    ("**.*Name", Class::Structured),
    ("**.author", Class::Structured),
    ("**.owner", Class::Structured),
    ("**.organizer", Class::Structured),
    ("**.organiser", Class::Structured),
    ("**.assignee", Class::Structured),
    ("**.reporter", Class::Structured),
    ("**.attendees.*", Class::Structured),
    ("**.iban", Class::Structured),
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
    ("**.state", Class::Structured),
    ("**.priority", Class::Structured),
    ("**.kind", Class::Structured),
    ("**.environment", Class::Structured),
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
    "**.pin",
    "**.*_pin",
    "**.*Pin",
    "**.*passcode",
];

/// What a directory tells.
const DIRECTORY: [(&str, Class); 11] = [
    ("", Class::Directory),
    ("*", Class::Directory),
    ("*.name", Class::Directory),
    ("**.name", Class::Directory),
    ("**.email", Class::Directory),
    ("**.phone", Class::Directory),
    ("**.mobile", Class::Directory),
    ("**.iban", Class::Directory),
    ("**.username", Class::Directory),
    ("**.handle", Class::Directory),
    ("**.*_handle", Class::Directory),
];

/// Classes by the shape of keys. Clocks and a service's own catalogue, directories and identifiers are its own words.
fn results(tool: &ToolFacts<'_>, effect: Effect) -> Vec<((PathPattern, Class), Because)> {
    let about = words::split(tool.name);
    let has = |list: &[&str]| about.iter().any(|word| list.contains(&words::singular(word)));
    // What identifies or pays for a person is a secret by whatever service tells it.
    let mut lines: Vec<(&str, Class)> = SECRETS.iter().map(|pattern| (*pattern, Class::Secret)).collect();
    let free = has(&[
        "review", "comment", "message", "email", "mail", "inbox", "webpage", "page", "content", "note",
        "post", "thread",
    ]);
    // There a number is somebody's, and not an id.
    if has(&["text", "sms", "call", "phone", "whatsapp", "voicemail"]) {
        lines.push(("**.number", Class::Structured));
    }
    if effect == Effect::Read && !free {
        if lists_people(&about) {
            lines.extend(DIRECTORY);
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
    let shaped = SHAPES.iter().map(|line| (*line, Because::ResultName));
    let lines = lines.into_iter().enumerate().map(|(at, line)| {
        let because = if at < SECRETS.len() {
            Because::ResultName
        } else {
            Because::Noun
        };
        (line, because)
    });
    lines
        .chain(shaped)
        .map(|((pattern, class), because)| ((PathPattern::new(pattern), class), because))
        .collect()
}
