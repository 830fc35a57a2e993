//! Tier 3: values that follow from trusted ones: sums, days and times, paths.

use std::collections::BTreeSet;

use bartizan_types::flow::{Effect, Role, Source};

use crate::{
    amount::Amount,
    assess::{Argument, Given},
    canon::{self, Kind},
    label::{Label, Writers},
    leaves::{Leaf, Leaves},
    memory::{Found, Memory},
    when::{self, When},
    words,
};

pub(crate) fn sum(argument: &Argument) -> Option<Amount> {
    argument
        .key
        .as_deref()
        .and_then(|key| key.get(2..))
        .and_then(Amount::parse)
}

/// A new sum for what is there already (it is paid to whoever it was paid to), which she leaves to a place that she
/// names: she tells no sum, that place was read, and it is within a tenth of what the service first told of this very record.
pub(crate) fn left_to_a_place(
    memory: &Memory,
    effect: Effect,
    seen: &[Argument],
    argument: &Argument,
) -> bool {
    let goes = || {
        seen.iter()
            .any(|a| a.role == Role::Target && a.source != Source::Empty)
    };
    (effect == Effect::Write || effect == Effect::Pay && !goes())
        && memory.prompt.numbers.is_empty()
        && memory.prompt.percents.is_empty()
        && memory.pointed.reached()
        && sum(argument).is_some_and(|amount| {
            let ids = seen
                .iter()
                .filter(|a| a.role == Role::Selector)
                .filter_map(|a| a.key.as_deref());
            ids.filter_map(|id| memory.named.sum_of(id))
                .any(|known| amount.near_tenth(known))
        })
}

/// The part that she tells (`half`, `a third of it`) of what a service first told of this very record.
pub(crate) fn part_of_record(memory: &Memory, seen: &[Argument], argument: &Argument) -> bool {
    let ids = || {
        seen.iter()
            .filter(|a| a.role == Role::Selector && a.source.vouched())
            .filter_map(|a| a.key.as_deref())
    };
    let fractions = &memory.prompt.fractions;
    sum(argument).is_some_and(|amount| {
        ids()
            .filter_map(|id| memory.named.whole_of(id))
            .any(|whole| fractions.iter().any(|count| amount.part(whole, *count)))
    })
}

/// The whole of a record of which she tells a part.
pub(crate) fn whole_for_part(memory: &Memory, seen: &[Argument], argument: &Argument) -> bool {
    let mut ids = seen
        .iter()
        .filter(|a| a.role == Role::Selector)
        .filter_map(|a| a.key.as_deref());
    !memory.prompt.fractions.is_empty()
        && argument.source != Source::Prompt
        && sum(argument).is_some_and(|amount| ids.any(|id| memory.named.whole_of(id) == Some(amount)))
}

/// What services call the user's own: her calendar, her account.
const OWN: [&str; 2] = ["w:primary", "w:me"];

/// A path whose folder she spells, and whose last name is a file's that she names: what is moved there, or is to be
/// written, keeps its name. Never where something is taken from, nor where she says something comes from or stays.
fn joined_path(memory: &Memory, path: &[&str], text: &str) -> bool {
    let Some((folder, name)) = text.rsplit_once(['/', '\\']) else {
        return false;
    };
    let from = words::split(path.last().copied().unwrap_or_default());
    let source = ["source", "src", "from", "old", "origin"]
        .iter()
        .any(|word| from.iter().any(|part| part == word));
    let spelled = folder.contains(['/', '\\', '~']);
    let hers = |part: &str| memory.find(part).source == Source::Prompt;
    let folded = canon::fold(folder).unwrap_or_default();
    !source
        && spelled
        && name.len() > 2
        && !text.split(['/', '\\']).any(|part| part == "..")
        && (hers(folder) || hers(&format!("{folder}/")))
        && (memory.prompt.holds_raw(name) || memory.prompt.ends_path(name))
        && !memory.prompt.spares(&folded)
        && !["from", "aus", "von", "de"]
            .iter()
            .any(|word| memory.prompt.holds(&format!("{word} {folded}")))
}

/// A number of hers that she spells otherwise (`58k`, `a dozen`), or what follows from hers where she asks for it to be
/// reckoned, or its name says that it is.
fn reckoned(memory: &Memory, path: &[&str], amount: Amount) -> bool {
    let name = words::split(path.last().copied().unwrap_or_default());
    let total = matches!(
        name.last().map(String::as_str),
        Some("total" | "subtotal" | "sum")
    );
    // One of a thing is what she asks for where she says no more.
    let one = matches!(
        name.last().map(String::as_str),
        Some("qty" | "quantity" | "units")
    ) && Amount::parse("1").is_some_and(|one| one == amount);
    if one || memory.prompt.numbers.contains(&amount) {
        return true;
    }
    let list = |numbers: &BTreeSet<Amount>| numbers.iter().copied().collect::<Vec<_>>();
    let known: Vec<Amount> = memory.numbers.iter().copied().collect();
    (total || memory.prompt.reckons())
        && amount.derivable(
            &list(&memory.prompt.numbers),
            &list(&memory.prompt.percents),
            &known,
        )
}

/// Tier 3: values computed from trusted ones.
pub(crate) fn derived(
    memory: &Memory,
    given: Given<'_>,
    canonical: Option<&canon::Canonical>,
    found: Found,
) -> Found {
    let Given {
        effect,
        path,
        role,
        text,
    } = given;
    let (kind, key) = (canonical.map(|c| &c.kind), canonical.map(|c| &*c.key));
    let holds = match (role, kind) {
        (Role::Amount, Some(Kind::Number)) => key
            .and_then(|k| k.get(2..))
            .and_then(Amount::parse)
            .is_some_and(|amount| reckoned(memory, path, amount)),
        (_, Some(Kind::When(when))) => {
            zone_trusted(memory, when) && day_trusted(memory, when) && minute_trusted(memory, when)
                || effect == Effect::Read && role == Role::Time && borders(memory, when)
        }
        (Role::Selector | Role::Target, Some(Kind::Text)) if key.is_some_and(|key| memory.early(key)) => {
            matches!(effect, Effect::Write | Effect::Read) || effect == Effect::Send && role == Role::Selector
        }
        (Role::Selector | Role::Target, Some(Kind::Text | Kind::Url)) => {
            let own = role == Role::Selector && key.is_some_and(|k| OWN.contains(&k));
            own && matches!(effect, Effect::Write | Effect::Read)
                || effect == Effect::Write && joined_path(memory, path, text)
        }
        _ => false,
    };
    if holds { vouch(found) } else { found }
}

/// It follows from what is trusted.
pub(crate) fn vouch(found: Found) -> Found {
    let label = Label {
        writers: Writers::USER.join(Writers::OPERATOR),
        ..found.label
    };
    Found {
        source: Source::Derived,
        label,
        spelling: None,
    }
}

/// The day before or after one that is trusted, as bounds of what is looked at are: up to midnight.
fn borders(memory: &Memory, when: &When) -> bool {
    let Some(day) = when
        .days()
        .filter(|_| matches!(when.minute, None | Some(0 | 1439)))
    else {
        return false;
    };
    [day - 1, day + 1]
        .into_iter()
        .filter_map(When::of_days)
        .any(|near| day_trusted(memory, &near))
}

/// The day is one that the human wrote, or today or tomorrow as she asked. A day she wrote without its year is that day of
/// any year.
pub(crate) fn day_told(memory: &Memory, when: &When) -> bool {
    let (Some((month, day)), Some(year)) = (when.day, when.year) else {
        return false;
    };
    let told = memory
        .prompt
        .whens
        .iter()
        .any(|w| w.day == Some((month, day)) && w.year.is_none_or(|y| y == year));
    told || memory.today.iter().any(|&(y, m, d)| {
        let today = When {
            year: Some(y),
            day: Some((m, d)),
            minute: None,
            zone: None,
        };
        memory.prompt.relative.means(&today, when)
    })
}

/// The day is one the human told, or one that a trusted result holds.
fn day_trusted(memory: &Memory, when: &When) -> bool {
    let Some((month, day)) = when.day else { return true };
    let Some(year) = when.year else { return false };
    // `Push it by two weeks`: so long after a day that a service told.
    let pushed = || {
        let lengths = || {
            memory
                .prompt
                .durations
                .iter()
                .filter(|length| *length % 1440 == 0)
        };
        lengths().next().is_some()
            && memory.days.iter().any(|&(y, m, d)| {
                let known = When {
                    year: Some(y),
                    day: Some((m, d)),
                    minute: None,
                    zone: None,
                };
                matches!((known.days(), when.days()), (Some(from), Some(to))
                    if lengths().any(|length| (to - from).abs() == i64::from(length / 1440)))
            })
    };
    day_told(memory, when) || memory.days.contains(&(year, month, day)) || pushed()
}

/// Its offset from UTC is one that a trusted result has, give or take the hour of a summer. Where none has any, it is
/// the model's to fill.
fn zone_trusted(memory: &Memory, when: &When) -> bool {
    let known = |zone: i16| memory.zones.iter().any(|known| (known - zone).abs() <= 60);
    when.zone.is_none_or(known) || memory.zones.is_empty()
}

/// What the human left open is the model's to fill: with no time of day in her words, any will do on a vouched day. Once
/// an outsider could have filled it and services told times, it is one of theirs.
fn minute_trusted(memory: &Memory, when: &When) -> bool {
    let told = || memory.prompt.whens.iter().filter_map(|w| w.minute);
    when.minute.is_none_or(|minute| {
        memory.minutes.contains(&minute)
            || told().any(|m| m == minute)
            || when.day.is_some()
                && told().next().is_none()
                && memory.prompt.durations.is_empty()
                && (!memory.tainted() || memory.minutes.is_empty())
    })
}

/// The time that an argument is, where it is one: most are none, and their keys say so.
fn time_of(argument: &Argument, leaf: &Leaf<'_>) -> Option<When> {
    let is_time = argument.key.as_deref().is_some_and(|key| key.starts_with("d:"));
    match leaf {
        Leaf::Text(text) if is_time && text.len() <= 40 => {
            canon::fold(text).ok().and_then(|folded| when::parse(&folded))
        }
        _ => None,
    }
}

/// An end is trusted when it lies a trusted duration after another time of the same call that is itself trusted.
pub(crate) fn derive_times(memory: &Memory, leaves: &Leaves<'_>, seen: &mut [Argument]) {
    let whens: Vec<Option<When>> = seen
        .iter()
        .zip(&leaves.out)
        .map(|(argument, (_, leaf))| time_of(argument, leaf))
        .collect();
    let anchors: Vec<When> = seen
        .iter()
        .zip(&whens)
        .filter(|(a, _)| a.source.vouched())
        .filter_map(|(_, w)| *w)
        .take(16)
        .collect();
    if anchors.is_empty() {
        return;
    }
    for (argument, when) in seen.iter_mut().zip(&whens) {
        let Some(when) = when.filter(|_| !argument.source.vouched()) else {
            continue;
        };
        let lengths = || {
            memory
                .prompt
                .durations
                .iter()
                .chain(&memory.spans)
                .map(|minutes| i64::from(*minutes))
        };
        let holds = anchors.iter().filter(|anchor| anchor.zone == when.zone).any(|anchor| match (when::moment(anchor), when::moment(&when)) {
            (Some(from), Some(to)) => lengths().any(|length| to - from == length),
            _ => matches!((anchor.days(), when.days(), anchor.minute, when.minute), (Some(from), Some(to), None, None)
                if lengths().any(|length| length % 1440 == 0 && to - from == length / 1440)),
        });
        if holds {
            argument.source = Source::Derived;
            argument.writers = Writers::USER.join(Writers::OPERATOR);
        }
    }
}

/// What adds to what is there, and changes none of it.
const ADDS: [&str; 8] = [
    "create", "add", "new", "insert", "append", "log", "note", "remember",
];
/// What does either, by whether it is told which entry.
const PUTS: [&str; 5] = ["put", "save", "set", "upsert", "schedule"];
/// Kinds of entries that people keep for themselves.
const OWN_ENTRIES: [&str; 12] = [
    "event",
    "calendar",
    "reminder",
    "todo",
    "task",
    "note",
    "agenda",
    "appointment",
    "meeting",
    "diary",
    "entry",
    "journal",
];
/// How long what begins on a day may last.
const LASTS: i64 = 12 * 60;

/// A time that nobody vouches for.
fn is_open(argument: &Argument) -> bool {
    argument.role == Role::Time && !argument.source.vouched()
}

/// Times that are only noted. An entry that a tool adds for the human herself, in a place and for people that she or a
/// service names, moves nothing and is gone again in a moment; what it says of when is as much of its content as its title.
/// It is hers to say where she says it: then only its end is free, within half a day.
pub(crate) fn note_times(
    memory: &Memory,
    tool: &str,
    effect: Effect,
    leaves: &Leaves<'_>,
    seen: &mut [Argument],
) {
    if !seen.iter().any(is_open) {
        return;
    }
    let named = words::split(tool);
    let is = |list: &[&str]| named.iter().any(|word| list.contains(&words::singular(word)));
    let fresh = || {
        seen.iter().all(|a| {
            a.role != Role::Selector
                || a.source == Source::Empty
                || a.path.to_lowercase().contains("calendar")
        })
    };
    let (adds, own) = (is(&ADDS) || is(&PUTS) && fresh(), is(&OWN_ENTRIES));
    let plain = |a: &Argument| match a.role {
        Role::Target | Role::Selector | Role::Unknown => a.source.vouched(),
        Role::Amount => false,
        _ => a.foreign_tokens == 0,
    };
    if !own || !matches!(effect, Effect::Write | Effect::Send) || !seen.iter().all(plain) {
        return;
    }
    let open = memory.prompt.relative.none() && memory.prompt.whens.iter().all(|when| when.day.is_none());
    let told = adds && open && (!memory.tainted() || memory.looked());
    let starts: Vec<i64> = seen
        .iter()
        .zip(&leaves.out)
        .filter(|(a, _)| a.role == Role::Time && a.source.vouched())
        .filter_map(|(a, (_, leaf))| when::moment(&time_of(a, leaf)?))
        .take(16)
        .collect();
    for (argument, (_, leaf)) in seen.iter_mut().zip(&leaves.out) {
        if !is_open(argument) {
            continue;
        }
        let ends = || {
            time_of(argument, leaf)
                .as_ref()
                .and_then(when::moment)
                .is_some_and(|end| starts.iter().any(|start| (1..=LASTS).contains(&(end - start))))
        };
        if told || ends() {
            argument.role = Role::Value;
        }
    }
}
