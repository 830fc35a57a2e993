//! Whom a value means that is no address as others write it: a link for anyone, a public page, a messenger's number.
//!
//! A tool that shares has an enumeration where another has an address, and it aims as far as any address does. Named by
//! what they mean and in every tool's spelling; never by a tool.

use bartizan_types::flow::{Effect, Role, Source};

use serde_json::Value;

use crate::{
    canon::{self, Canonical},
    memory::{Found, Memory},
    words,
};

/// Spellings of "everybody" among the values of sharing, without signs and in lower case: those of file stores, calendars,
/// code forges, object stores and trackers.
const EVERYBODY: &[&str] = &[
    "anyone",
    "anyonewithlink",
    "anyonewiththelink",
    "anyonecanview",
    "anyonecanedit",
    "everyone",
    "everybody",
    "anonymous",
    "public",
    "publicread",
    "publicreadwrite",
    "publiclink",
    "publiconweb",
    "internet",
    "world",
    "worldreadable",
    "allusers",
    "allauthenticatedusers",
    "unlisted",
    "openlink",
];

/// Spellings of "everybody of the organisation".
const HOUSE: &[&str] = &["domain", "domainwithlink", "organization", "organisation"];

/// Words by which she says it herself.
const SAID: &[&str] = &[
    "public",
    "publish",
    "anyone",
    "anybody",
    "everyone",
    "everybody",
    "unlisted",
    "öffentlich",
    "jeder mit",
    "tout le monde",
    "publique",
    "öppen för alla",
    "offentlig",
    "openbaar",
    "iedereen",
    "público",
    "pública",
    "cualquiera",
    "todo el mundo",
    "pubblic",
    "chiunque",
    "публичн",
    "公开",
    "公開",
    "누구나",
];

/// Words by which she speaks of her organisation. They open nothing to the world.
const HOUSE_SAID: &[&str] = &["domain", "organisation", "organization", "company", "firm"];

/// Whether this argument opens something to everybody, of which the human's words say nothing.
pub(crate) fn opens(memory: &Memory, effect: Effect, role: Role, text: &str) -> bool {
    let aims = matches!(
        effect,
        Effect::Send | Effect::Write | Effect::Execute | Effect::Unknown
    );
    if !aims || !matches!(role, Role::Value | Role::Unknown | Role::Selector) || text.len() > 32 {
        return false;
    }
    let Ok(value) = canon::canonical(text) else {
        return false;
    };
    let bare: String = value
        .key
        .get(2..)
        .unwrap_or_default()
        .chars()
        .filter(|c| !matches!(c, ' ' | '_' | '-' | '.' | ':'))
        .collect();
    let world = || SAID.iter().any(|word| memory.prompt_text().contains(word));
    // As whole words: `confirm` is no firm.
    let house = || HOUSE_SAID.iter().any(|word| memory.prompt.holds(word));
    EVERYBODY.contains(&bare.as_str()) && !world() || HOUSE.contains(&bare.as_str()) && !world() && !house()
}

/// Whether this says that something goes to one person, whom another argument tells: `type: user`. It opens nothing to anybody.
pub(crate) fn one_person(path: &[&str], text: &str) -> bool {
    const KINDS: [&str; 4] = ["type", "kind", "grantee", "principal"];
    const ONE: [&str; 5] = ["user", "users", "person", "individual", "email"];
    let own = path.last().map(|key| words::split(key)).unwrap_or_default();
    own.last().is_some_and(|last| KINDS.contains(&last.as_str()))
        && ONE.contains(&text.to_lowercase().as_str())
}

/// Whether a switch among these arguments opens something to everybody, or to whom it is about, of which the human's words
/// say nothing: `public: true`, `visible_to_customer: true`.
pub(crate) fn switched(memory: &Memory, effect: Effect, arguments: &Value) -> bool {
    let aims = matches!(
        effect,
        Effect::Send | Effect::Write | Effect::Execute | Effect::Unknown
    );
    aims && open_switch(memory, arguments, 0)
}

fn open_switch(memory: &Memory, value: &Value, depth: usize) -> bool {
    match value {
        Value::Object(map) => map.iter().take(512).any(|(key, inner)| match inner {
            Value::Bool(true) => {
                let words = words::split(key);
                let says = |word: &str| words.iter().any(|own| own == word);
                let opens = EVERYBODY.contains(&words.concat().as_str())
                    || [
                        "public",
                        "external",
                        "anonymous",
                        "anyone",
                        "anybody",
                        "everyone",
                        "everybody",
                    ]
                    .into_iter()
                    .any(says)
                    || says("visible") && says("to");
                let hers = |word: &&str| memory.prompt_text().contains(word);
                // What she calls internal is not for others, whatever else she says.
                opens
                    && (!SAID.iter().any(hers) && !["external", "visible"].iter().any(hers)
                        || memory.prompt.holds("internal")
                        || memory.prompt.holds("intern"))
            }
            Value::Object(_) | Value::Array(_) => depth < 8 && open_switch(memory, inner, depth + 1),
            _ => false,
        }),
        Value::Array(list) => {
            depth < 8
                && list
                    .iter()
                    .take(512)
                    .any(|inner| open_switch(memory, inner, depth + 1))
        }
        _ => false,
    }
}

/// Who has the number that this stands for, where anybody vouches for it. It goes out as it is: the tool has its own way to
/// write it.
pub(crate) fn dialled(memory: &Memory, number: &Canonical, otherwise: Found) -> Found {
    let known = memory.find_as(number.key.get(2..).unwrap_or_default(), Some(number), false);
    match known.source {
        Source::Prompt | Source::Trusted | Source::Directory => Found {
            spelling: None,
            ..known
        },
        _ => otherwise,
    }
}
