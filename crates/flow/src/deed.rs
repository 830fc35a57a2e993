//! What a call's own arguments say of whether the human asked for it, where the tool's name says too little.
//!
//! `update_incident`, `guests.save` and `resource_action` do whatever their arguments say: the deed stands in a setting
//! (`status: acknowledged`), or is nothing but the values that she tells (`table 6`). Such a call is hers where it is done to
//! a record that her words single out, and says what she said.
//!
//! Only of writes, and of sends to nobody or to whom her words name, and only of what is vouched for whole: whoever had the agent make such a call has the deed that she
//! named, done to a record that she had looked for, or her own values put into her own record. INVARIANT: no value that
//! decides here is one that only outsiders wrote, and what she says not to do is not said.

use bartizan_types::flow::{Effect, Role, Source};

use crate::{
    assess::{self, Argument},
    derived::day_told,
    intent::Intent,
    memory::Memory,
    when, words,
};

/// Keys of settings that say what is to become of a thing.
const STATES: &[&str] = &["status", "state", "stage", "phase", "resolution", "disposition"];
/// Keys of settings that say what is done.
const ACTIONS: &[&str] = &[
    "action",
    "decision",
    "op",
    "operation",
    "command",
    "transition",
    "verb",
    "method",
];

/// States that are not spelled as the verb that brings them about, with such verbs.
const BROUGHT_ABOUT: &[(&str, &[&str])] = &[
    ("acknowledged", &["ack", "acknowledge"]),
    ("done", &["close", "finish", "complete", "resolve"]),
    ("closed", &["finish", "resolve"]),
    ("completed", &["finish", "close"]),
    ("resolved", &["close", "fix", "solve"]),
    ("solved", &["close", "resolve", "fix"]),
    (
        "paused",
        &["freeze", "suspend", "pauze", "pausiere", "pausieren", "hold"],
    ),
    ("on_hold", &["hold", "pause", "park"]),
    ("held", &["hold", "reserve"]),
    ("open", &["reopen"]),
    ("active", &["activate", "reactivate", "resume", "enable"]),
    ("inactive", &["deactivate", "disable"]),
    ("rejected", &["decline", "refuse"]),
    ("declined", &["reject", "refuse"]),
    ("paid", &["pay"]),
    ("sent", &["send"]),
];

/// Settings that are what some deed sets, and no more.
const SET_BY: &[(&[&str], &[&str])] = &[
    (
        &["assignee", "assignees", "owner", "agent"],
        &["assign", "reassign", "hand", "delegate"],
    ),
    (
        &["priority", "urgency", "severity"],
        &["bump", "raise", "lower", "escalate", "prioritise", "prioritize"],
    ),
    (&["due", "deadline"], &["extend", "postpone", "push"]),
];

/// Does this call do what she said, to what she said?
pub(crate) fn said(memory: &Memory, intent: &Intent, tool: &str, effect: Effect, seen: &[Argument]) -> bool {
    let vouched = |a: &Argument| match a.role {
        Role::Target | Role::Selector | Role::Time | Role::Amount | Role::Unknown => a.source.vouched(),
        Role::Value | Role::Content => a.foreign_tokens == 0,
    };
    if !matches!(effect, Effect::Write | Effect::Send) || !intent.may_mean(tool) || !seen.iter().all(vouched)
    {
        return false;
    }
    let which = || {
        seen.iter()
            .filter(|a| a.role == Role::Selector && a.source != Source::Empty)
    };
    // Which of a list's records it goes to is no tool's to say.
    let picks = seen
        .iter()
        .any(|a| a.role == Role::Target && a.source == Source::Trusted);
    // What goes out can't be taken back: then it is the one that she means.
    let hers = || match effect {
        Effect::Write => which().all(|a| listed(memory, a)),
        _ => which().all(|a| singled(memory, a)) && named(memory, seen),
    };
    // The tool's own verb, and what she looked for: that names the thing as its noun would. A verb that she says in words of
    // her own may be that of several tools: then it is the one record that she means, and no setting says more than she does.
    let settled = |a: &Argument| !matches!(a.role, Role::Value | Role::Content) || a.source.vouched();
    let verb = || {
        effect == Effect::Write
            && intent.says_verb_of(tool)
            && !picks
            && seen.iter().all(settled)
            && which().all(|a| singled(memory, a))
    };
    let said = || hers() && (deeds(intent, seen) || intent.half_calls(tool)) || verb();
    let told = || {
        effect == Effect::Write
            && !picks
            && which().all(|a| singled(memory, a))
            && values(memory, intent, seen)
    };
    which().next().is_some() && (said() || told())
}

/// Does it go only to whom her words name, if to anybody?
fn named(memory: &Memory, seen: &[Argument]) -> bool {
    let whom = |a: &Argument| match a.source {
        Source::Empty | Source::Prompt | Source::Named | Source::Picked => true,
        Source::Directory => a
            .key
            .as_deref()
            .is_some_and(|key| memory.people.goes_by_hers(key)),
        _ => false,
    };
    seen.iter().filter(|a| a.role == Role::Target).all(whom)
}

/// Is this the carrying of words to whom she wants something passed on to, by a name that the organisation's own list has
/// once? What else goes with it is hers. Whoever had the agent do that has words said to a colleague whom she wants told.
pub(crate) fn passed_on(
    memory: &Memory,
    intent: &Intent,
    tool: &str,
    effect: Effect,
    seen: &[Argument],
) -> bool {
    let mut to = seen
        .iter()
        .filter(|a| a.role == Role::Target && a.source != Source::Empty)
        .peekable();
    let means = |a: &Argument| {
        a.source == Source::Directory
            && a.key.as_deref().is_some_and(|key| {
                intent
                    .named_for()
                    .any(|name| memory.people.alone_goes_by(key, name))
            })
    };
    let plain = |a: &Argument| match a.role {
        Role::Selector | Role::Unknown | Role::Amount => {
            matches!(a.source, Source::Empty | Source::Prompt | Source::Picked)
        }
        _ => a.foreign_tokens == 0,
    };
    effect == Effect::Send
        && intent.may_mean(tool)
        && crate::intent::carries(tool)
        && to.peek().is_some()
        && to.all(means)
        && seen.iter().all(plain)
}

/// The record that her words single out, or one whose id she writes out.
fn singled(memory: &Memory, argument: &Argument) -> bool {
    let Some(key) = argument.key.as_deref() else {
        return false;
    };
    let alone = || memory.singled.means(key) || memory.singled.near(key);
    match argument.source {
        Source::Prompt => !memory.prompt.only_lists(key),
        Source::Picked | Source::Named => true,
        Source::Trusted => alone() && !passed(memory, key),
        _ => false,
    }
}

/// That, or one of a list that she looked for.
fn listed(memory: &Memory, argument: &Argument) -> bool {
    let of_list = |key: &str| memory.singled.listed(key) && !passed(memory, key);
    singled(memory, argument)
        || argument.source == Source::Trusted && argument.key.as_deref().is_some_and(of_list)
}

/// She means another of its kind.
fn passed(memory: &Memory, key: &str) -> bool {
    memory.named.passed_over(key)
        || memory.singled.aside(key)
        || memory.singled.passed_over(key)
        || memory.extremes().passed_over(&memory.prompt, key)
}

/// A setting says the deed that she names: what it becomes, or what is done; or only what she names is set.
fn deeds(intent: &Intent, seen: &[Argument]) -> bool {
    let last = |a: &Argument| {
        let own = a
            .path
            .rsplit('.')
            .find(|part| !part.bytes().all(|b| b.is_ascii_digit()));
        words::split(own.unwrap_or_default()).pop().unwrap_or_default()
    };
    let becomes = |a: &Argument| {
        let Some(value) = a.key.as_deref().and_then(|key| key.strip_prefix("w:")) else {
            return false;
        };
        let last = last(a);
        let acts = ACTIONS.contains(&last.as_str());
        a.role == Role::Value
            && intent.deeds().any(|deed| {
                acts && deed == value
                    || brings(deed, value)
                    || STATES.contains(&last.as_str()) && leads(deed, value)
            })
    };
    let set = |a: &Argument| {
        let last = last(a);
        a.source.vouched()
            && a.source != Source::Empty
            && matches!(a.role, Role::Value | Role::Target | Role::Time)
            && SET_BY.iter().any(|(names, deeds)| {
                names.contains(&last.as_str()) && intent.deeds().any(|deed| deeds.contains(&deed))
            })
    };
    let sets = |a: &&Argument| {
        matches!(a.role, Role::Value | Role::Target | Role::Time | Role::Amount) && a.source != Source::Empty
    };
    seen.iter().any(becomes) || seen.iter().any(set) && seen.iter().filter(sets).all(set)
}

/// Does who does this bring about that? `pause`: `paused`.
fn brings(deed: &str, state: &str) -> bool {
    if deed.len() < 3 || !deed.bytes().all(|b| b.is_ascii_lowercase()) {
        return false;
    }
    let formed = || match state.strip_prefix(deed.strip_suffix(['e', 'y']).unwrap_or(deed)) {
        Some("ed" | "ied") => true,
        // `stopped`, `cancelled`.
        Some(rest) => rest.len() == 3 && rest.ends_with("ed") && rest.bytes().next() == deed.bytes().last(),
        None => false,
    };
    formed()
}

/// Does that state follow from this deed, by another word?
fn leads(deed: &str, state: &str) -> bool {
    let folded = state.replace([' ', '-'], "_");
    BROUGHT_ABOUT
        .iter()
        .any(|(known, deeds)| *known == folded && deeds.contains(&deed))
}

/// All that it sets is hers, and something of it says so: a number or a time. A word does where she writes out which record
/// it is, by an id: of two words that she says, either may be what it is to be.
fn values(memory: &Memory, intent: &Intent, seen: &[Argument]) -> bool {
    let id = |a: &Argument| {
        a.role == Role::Selector && a.source == Source::Prompt && a.key.as_deref().is_some_and(assess::coded)
    };
    let by_id = seen.iter().any(id);
    let sets = |a: &&Argument| {
        matches!(
            a.role,
            Role::Value | Role::Amount | Role::Time | Role::Content | Role::Target
        ) && a.source != Source::Empty
    };
    let hers = |a: &Argument| match a.role {
        // An address that she writes out, to be kept in a record.
        Role::Target => a.source == Source::Prompt && a.key.as_deref().is_some_and(|key| intent.tells(key)),
        // A time that a service offers, on a day of hers.
        Role::Time => {
            let when = || a.key.as_deref().and_then(|key| when::parse(key.get(2..)?));
            matches!(a.source, Source::Prompt | Source::Derived)
                || a.source == Source::Trusted && when().is_some_and(|when| day_told(memory, &when))
        }
        _ => a.source == Source::Prompt && a.key.as_deref().is_some_and(|key| intent.tells(key)),
    };
    let mut own = seen.iter().filter(sets).peekable();
    let pins = |a: &Argument| {
        by_id
            || matches!(a.role, Role::Time | Role::Target)
            || a.key.as_deref().is_some_and(|key| key.starts_with("n:"))
    };
    let told = seen.iter().filter(sets).any(|a| hers(a) && pins(a));
    own.peek().is_some() && told && own.all(|a| hers(a) || a.role != Role::Content && a.source.vouched())
}
