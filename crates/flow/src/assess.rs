//! One call against what the session has read: a source for every argument, and the few facts that rules ask for.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_types::flow::{Called, Effect, Flow, Joined, Role, Source, Traced};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    amount::Amount,
    audience,
    canon::{self, Kind},
    intent::Intent,
    label::{Capacity, Label, Readers, Writers},
    leaves::{Leaf, Leaves},
    manifest::Manifest,
    memory::{self, Found, Memory},
    pointed::Pointing,
    prompt::{self, Prompt},
    tokens,
    when::{self, When},
    words,
};

/// Most argument leaves that are looked at; with more, the call is not whole and asks.
pub(crate) const LEAVES: usize = 512;

/// One argument leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argument {
    /// Dotted path.
    pub path: String,
    /// What it does.
    pub role: Role,
    /// Where its value came from.
    pub source: Source,
    /// Who could have written it.
    pub writers: Writers,
    /// Who may see it.
    pub readers: Readers,
    /// How much it can carry.
    pub capacity: Capacity,
    /// The trusted spelling that must go out instead of the argument's own, if they differ.
    pub rewrite: Option<String>,
    /// The canonical key, if it has one.
    #[serde(skip)]
    key: Option<Box<str>>,
    /// The one-time code that it is, where it completes a call that waits for one.
    #[serde(skip)]
    code: Option<Box<str>>,
    /// The link that it is, where a search found it.
    #[serde(skip)]
    link: Option<Box<str>>,
    /// Links, addresses or accounts inside it that nobody trusted wrote.
    pub foreign_tokens: u16,
}

/// The facts of one call that Cedar rules read, all small and typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// What the tool does.
    pub effect: Effect,
    /// An operator accepted the manifest.
    pub reviewed: bool,
    /// Whether the human's words ask for this tool.
    pub called: Called,
    /// Every argument leaf, in order of path.
    pub arguments: Vec<Argument>,
    /// All leaves are here.
    pub whole: bool,
    /// Something an outsider could write was read before.
    pub tainted: bool,
    /// A secret was read before.
    pub secret: bool,
    /// It hands something to somebody: a target is given, or none is declared and so none can be checked.
    pub external: bool,
    /// Every target may see everything that was read.
    pub readable: bool,
    /// Every amount is vouched for, or what is there already is set to one that she leaves to a place she names.
    pub bounded: bool,
    /// The session's label epoch this was assessed under.
    pub epoch: u64,
    /// How the human's words point at what it reads.
    #[serde(skip, default = "away")]
    pub(crate) pointing: Pointing,
}

const fn away() -> Pointing {
    Pointing::Away
}

impl Assessment {
    /// The worst source among arguments of this role; `Empty` if there are none.
    #[must_use]
    pub fn worst(&self, role: Role) -> Source {
        self.arguments
            .iter()
            .filter(|a| a.role == role)
            .map(|a| a.source)
            .max()
            .unwrap_or(Source::Empty)
    }
    /// The join of the labels of all arguments.
    #[must_use]
    pub fn label(&self) -> Option<Label> {
        self.arguments
            .iter()
            .map(|a| Label {
                writers: a.writers,
                readers: a.readers.clone(),
                capacity: a.capacity,
            })
            .reduce(|left, right| left.join(&right))
    }
    /// Links, addresses and accounts in content that nobody trusted wrote.
    #[must_use]
    pub fn foreign_tokens(&self) -> u32 {
        self.arguments.iter().map(|a| u32::from(a.foreign_tokens)).sum()
    }
    /// The same call, known from two sessions that it may belong to: what is worse of each. What neither session
    /// vouches for stays unvouched, and a spelling that the two disagree on is nobody's.
    #[must_use]
    pub fn join(mut self, other: &Self) -> Self {
        let same = self.arguments.len() == other.arguments.len();
        for (mine, theirs) in self.arguments.iter_mut().zip(&other.arguments) {
            if theirs.source > mine.source {
                mine.source = theirs.source;
            }
            if mine.rewrite != theirs.rewrite {
                mine.rewrite = None;
                mine.source = mine.source.max(Source::Nowhere);
            }
            mine.writers = mine.writers.join(theirs.writers);
            mine.readers = mine.readers.join(&theirs.readers);
            mine.capacity = mine.capacity.max(theirs.capacity);
            mine.foreign_tokens = mine.foreign_tokens.max(theirs.foreign_tokens);
        }
        self.called = self.called.max(other.called);
        self.reviewed &= other.reviewed;
        self.whole &= other.whole && same;
        self.tainted |= other.tainted;
        self.secret |= other.secret;
        self.external |= other.external;
        self.readable &= other.readable;
        self.bounded &= other.bounded;
        self.pointing = self.pointing.max(other.pointing);
        self
    }

    /// The arguments as they go out: each value in the spelling of the trusted source it equals. `None` where nothing
    /// is spelled otherwise, or where the arguments are not the ones that were assessed.
    #[must_use]
    pub fn rewritten(&self, arguments: &Value) -> Option<Value> {
        if self.arguments.iter().all(|argument| argument.rewrite.is_none()) {
            return None;
        }
        let mut out = arguments.clone();
        let mut at = self.arguments.iter();
        respell(&mut out, &mut at);
        at.next().is_none().then_some(out)
    }

    /// Takes note of what a human endorsed: `covers` is asked for each argument that nobody vouches for.
    pub fn endorse(&mut self, covers: impl Fn(&Argument) -> bool) {
        for argument in &mut self.arguments {
            if !argument.source.vouched() && covers(argument) {
                argument.source = Source::Endorsed;
            }
        }
        // A bound is for amounts that nobody vouches for.
        self.bounded |= self
            .arguments
            .iter()
            .filter(|argument| argument.role == Role::Amount)
            .all(|argument| argument.source.vouched());
    }

    /// The facts that policy reads and records keep.
    #[must_use]
    pub fn flow(&self, joined: Joined) -> Flow {
        let mut worst = BTreeMap::new();
        for argument in &self.arguments {
            let at = worst.entry(argument.role).or_insert(argument.source);
            *at = argument.source.max(*at);
        }
        let mut order: Vec<&Argument> = self.arguments.iter().collect();
        order.sort_by_key(|argument| std::cmp::Reverse(argument.source));
        let traced = |argument: &&Argument| Traced {
            path: clipped(&argument.path).to_owned(),
            role: argument.role,
            source: argument.source,
            rewritten: argument.rewrite.is_some(),
        };
        Flow {
            effect: self.effect,
            called: self.called,
            joined,
            crosses: false,
            reviewed: self.reviewed,
            whole: self.whole,
            tainted: self.tainted,
            secret: self.secret,
            external: self.external,
            readable: self.readable,
            bounded: self.bounded,
            foreign_tokens: self.foreign_tokens(),
            worst,
            arguments: order.iter().take(Flow::TRACED).map(traced).collect(),
        }
    }

    /// A read of what words of the human's own, which name something, are looked up in, and of nothing else: what else is
    /// asked for may choose among several.
    pub(crate) fn looks_for_her_words(&self, prompt: &Prompt) -> bool {
        let mut given = self.arguments.iter().filter(|a| a.source != Source::Empty);
        let query = given.next().filter(|_| given.next().is_none());
        self.effect == Effect::Read
            && query.is_some_and(|a| {
                matches!(a.role, Role::Content | Role::Selector)
                    && a.source == Source::Prompt
                    && a.key
                        .as_deref()
                        .and_then(|key| key.get(2..))
                        .is_some_and(|words| phrase(prompt, words))
            })
    }

    /// Links that it fetches because a search found them.
    pub(crate) fn visits(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().filter_map(|a| a.link.as_deref())
    }

    /// One-time codes that it hands in.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().filter_map(|a| a.code.as_deref())
    }

    /// Values that the result may repeat, with the source each has.
    pub(crate) fn echoes(&self) -> BTreeMap<&str, Source> {
        self.arguments
            .iter()
            .filter_map(|a| Some((a.key.as_deref()?, a.source)))
            .collect()
    }
}

/// Walks leaves in the order they were assessed in.
fn respell<'a>(value: &mut Value, at: &mut impl Iterator<Item = &'a Argument>) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(_, inner)| respell(inner, at)),
        Value::Array(list) => list.iter_mut().for_each(|inner| respell(inner, at)),
        Value::String(text) => {
            if let Some(spelling) = at.next().and_then(|argument| argument.rewrite.as_ref()) {
                text.clone_from(spelling);
            }
        }
        // A number's spelling is its value.
        Value::Number(_) => {
            at.next();
        }
        Value::Bool(_) | Value::Null => {}
    }
}

/// A path as records keep it: cut at 128 bytes.
fn clipped(path: &str) -> &str {
    let mut end = path.len().min(128);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    path.get(..end).unwrap_or_default()
}

/// Traces every argument of a call.
#[must_use]
pub fn assess(
    memory: &Memory,
    intent: &Intent,
    tool: &str,
    manifest: &Manifest,
    arguments: &Value,
) -> Assessment {
    let mut leaves = Leaves {
        out: Vec::new(),
        whole: true,
    };
    leaves.walk(arguments, &mut Vec::new());
    let whole = leaves.whole && leaves.out.len() <= LEAVES;
    let mut seen: Vec<Argument> = Vec::with_capacity(leaves.out.len().min(LEAVES));
    for (path, leaf) in leaves.out.iter().take(LEAVES) {
        let held;
        let text = match leaf {
            Leaf::Text(text) => *text,
            Leaf::Number(number) => {
                held = number.clone();
                held.as_str()
            }
        };
        seen.push(traced(memory, manifest, path, text));
    }
    derive_times(memory, &leaves, &mut seen);
    picked(memory, manifest.effect, &mut seen);
    name_targets(memory, intent, manifest.effect, &leaves, &mut seen);
    let bounded = seen
        .iter()
        .filter(|a| a.role == Role::Amount)
        .all(|a| a.source.vouched() || left_to_a_place(memory, manifest.effect, &seen, a));
    let aimed = manifest.arguments.iter().any(|(_, role)| *role == Role::Target);
    let external = matches!(
        manifest.effect,
        Effect::Send | Effect::Pay | Effect::Execute | Effect::Unknown
    ) && (!aimed
        || seen
            .iter()
            .any(|a| a.role == Role::Target && a.source != Source::Empty));
    let context = memory.context();
    let readable = seen
        .iter()
        .filter(|a| a.role == Role::Target && a.source != Source::Empty)
        .all(|a| a.key.as_deref().is_some_and(|key| context.readers.admits(key)));
    Assessment {
        effect: manifest.effect,
        reviewed: manifest.reviewed,
        called: called(memory, intent, tool, manifest.effect, &seen),
        pointing: Pointing::of(&seen, intent.speaks_of(tool)),
        arguments: seen,
        whole,
        tainted: memory.tainted(),
        secret: memory.secret(),
        external,
        readable,
        bounded,
        epoch: memory.epoch(),
    }
}

/// Which record is meant, as far as the human says it.
fn picked(memory: &Memory, effect: Effect, seen: &mut [Argument]) {
    // What she wants kept is not what she wants gone.
    let spared = |a: &Argument| {
        let name = a.key.as_deref().and_then(|key| key.get(2..));
        a.role == Role::Selector
            && a.source == Source::Prompt
            && name.is_some_and(|name| memory.prompt.spares(name))
    };
    for argument in seen.iter_mut().filter(|a| effect == Effect::Delete && spared(a)) {
        argument.source = Source::Structured;
    }
    for argument in seen
        .iter_mut()
        .filter(|a| a.role == Role::Selector && a.source == Source::Trusted)
    {
        let Some(key) = argument.key.as_deref() else {
            continue;
        };
        let passed = memory.named.passed_over(key);
        if memory.picked(key) || memory.named.lone(key) && !passed {
            // The human named it by what it is, and a trusted list says which one that is.
            argument.source = Source::Picked;
        } else if memory.tainted() && passed {
            // She named another of that list.
            argument.source = Source::Structured;
            argument.writers = argument.writers.join(Writers::PARTY);
        }
    }
}

/// One argument, or the one-time code that it is.
fn traced(memory: &Memory, manifest: &Manifest, path: &[&str], text: &str) -> Argument {
    let given = Given {
        effect: manifest.effect,
        path,
        role: manifest.role(path),
        text,
    };
    let mut argument = argument(memory, given);
    if !argument.source.vouched() && manifest.takes_code(path) && memory.codes.completes(text) {
        argument.source = Source::Endorsed;
        argument.code = Some(text.into());
    }
    argument
}

/// One argument as it was given.
#[derive(Clone, Copy)]
struct Given<'a> {
    effect: Effect,
    path: &'a [&'a str],
    role: Role,
    text: &'a str,
}

fn argument(memory: &Memory, given: Given<'_>) -> Argument {
    let Given {
        path, mut role, text, ..
    } = given;
    let canonical = canon::canonical(text).ok();
    let mut found = memory.find_as(text, canonical.as_ref(), role == Role::Selector);
    // What she tells by its name is that, and neither reckoned nor another number of hers.
    let told = (role == Role::Amount)
        .then(|| memory.prompt.sums(path.last().copied().unwrap_or_default()))
        .flatten();
    if let Some(sums) = told {
        let this = canonical
            .as_ref()
            .and_then(|c| c.key.get(2..))
            .and_then(Amount::parse);
        if this.is_none_or(|this| !sums.contains(&this)) {
            found = memory.made_up();
        }
    } else if audience::opens(memory, given.effect, role, text) {
        // To whom it goes, in one word: nothing but her own words vouches for that.
        (role, found) = (Role::Target, memory.made_up());
    } else if !found.source.vouched() {
        found = derived(memory, given, canonical.as_ref(), found);
        if let Some(dialled) =
            canon::dialled(text).filter(|_| role == Role::Target && !found.source.vouched())
        {
            found = audience::dialled(memory, &dialled, found);
        }
    }
    // A date or a number is the same in any spelling; a name is not.
    let typed = canonical
        .as_ref()
        .is_some_and(|c| matches!(c.kind, Kind::When(_) | Kind::Number));
    let carries = matches!(role, Role::Content | Role::Value | Role::Unknown);
    Argument {
        path: path.join("."),
        role,
        source: found.source,
        writers: found.label.writers,
        readers: found.label.readers,
        capacity: found.label.capacity,
        rewrite: if typed || role == Role::Content {
            None
        } else {
            found.spelling
        },
        key: canonical.map(|c| c.key),
        code: None,
        link: None,
        foreign_tokens: if carries { tokens::foreign(memory, text) } else { 0 },
    }
}

/// Whether this call of the tool is called for. The human may ask for the tool and not for this call of it, once
/// outsiders' text was read:
/// - it would go to an address of the type that she wrote out, and to another one;
/// - it would go to an address that nobody vouches for and that stands nowhere she pointed at; or to a name that stands
///   there as little, and that the directory has not told;
/// - what to do stands elsewhere, she said, and nothing that she pointed at was read yet;
/// - it would destroy what none of the services that tell ids has told of, or another than the one she picks.
///
/// Only ever tightens, but for one: addresses to fetch are seldom spelled out by who wants something found out.
fn called(memory: &Memory, intent: &Intent, tool: &str, effect: Effect, seen: &[Argument]) -> Called {
    let called = match intent.calls(tool) {
        // It completes what was let through already.
        _ if seen.iter().any(|a| a.code.is_some()) => Called::Yes,
        Called::No if effect == Effect::Fetch && intent.looks_around() => Called::Elsewhere,
        Called::No if intent.half_calls(tool) && written_out(seen) => Called::Yes,
        Called::No if effect == Effect::Write && intent.says_verb_of(tool) && by_id(memory, seen) => {
            Called::Yes
        }
        called => called,
    };
    if !memory.tainted() || !matches!(called, Called::Yes | Called::Elsewhere) {
        return called;
    }
    let destroyed = |a: &Argument| {
        effect == Effect::Delete
            && a.role == Role::Selector
            && match a.source {
                Source::FreeText | Source::Nowhere => memory.ids,
                Source::Trusted => memory.picks(),
                _ => false,
            }
    };
    let elsewhere = |a: &Argument, key: &str| {
        let another =
            memory.prompt.aims_at(key) && !(effect == Effect::Fetch && memory.prompt.same_host(key));
        let found = match key.strip_prefix("w:").filter(|_| prompt::shape(key).is_none()) {
            Some(name) => !memory.names || memory.pointed.says(name),
            None => prompt::shape(key).is_none() || memory.pointed.holds(key),
        };
        let unseen = effect != Effect::Fetch && a.source != Source::Structured && !found;
        // Where she left it to what she pointed at, that is where its addresses stand.
        a.role == Role::Target && !a.source.vouched() && (another && called == Called::Yes || unseen)
    };
    let stray = seen.iter().any(|a| {
        destroyed(a) && called == Called::Yes || a.key.as_deref().is_some_and(|key| elsewhere(a, key))
    });
    let early = called == Called::Elsewhere && intent.calls(tool) == called && !memory.pointed.reached();
    if stray || early { Called::No } else { called }
}

/// She wrote out the id of the record that it is done to: an id says what a noun would. It has letters and digits. Which of
/// a list's records it goes to is then no tool's to say.
fn by_id(memory: &Memory, seen: &[Argument]) -> bool {
    let id = |key: &str| {
        let has = |is: fn(&u8) -> bool| key.as_bytes().iter().skip(2).any(is);
        key.len() >= 6
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_alphabetic)
            && !memory.prompt.only_lists(key)
    };
    let picks = |a: &Argument| a.role == Role::Target && a.source == Source::Trusted;
    let hers = |a: &Argument| {
        a.role == Role::Selector && a.source == Source::Prompt && a.key.as_deref().is_some_and(id)
    };
    seen.iter().any(hers) && !seen.iter().any(picks)
}

/// She wrote out each place that it goes to.
fn written_out(seen: &[Argument]) -> bool {
    let mut targets = seen
        .iter()
        .filter(|a| a.role == Role::Target && a.source != Source::Empty)
        .peekable();
    targets.peek().is_some() && targets.all(|a| a.source == Source::Prompt)
}

/// Targets that the human's words name without writing them out (see [`crate::named`]).
fn name_targets(
    memory: &Memory,
    intent: &Intent,
    effect: Effect,
    leaves: &Leaves<'_>,
    seen: &mut [Argument],
) {
    if !seen.iter().any(|a| a.role == Role::Target && !a.source.vouched()) {
        return;
    }
    let sums: Vec<Amount> = seen
        .iter()
        .filter(|a| a.role == Role::Amount)
        .filter_map(sum)
        .collect();
    let targets: BTreeSet<&str> = seen
        .iter()
        .zip(&leaves.out)
        .filter_map(|(a, (_, leaf))| match leaf {
            Leaf::Text(text) if a.role == Role::Target => Some(*text),
            _ => None,
        })
        .collect();
    let field = matches!(effect, Effect::Send | Effect::Write) && memory.named.field(&targets, memory.own());
    for (argument, (_, leaf)) in seen.iter_mut().zip(&leaves.out) {
        let Leaf::Text(text) = leaf else { continue };
        if argument.role != Role::Target || argument.source.vouched() {
            continue;
        }
        let named = match effect {
            Effect::Fetch => memory.named.link(text) || intent.wants_web() && memory.named.found(text),
            Effect::Pay => memory.named.origin(text, &sums),
            _ => field,
        };
        if named {
            argument.link = (effect == Effect::Fetch).then(|| (*text).into());
            argument.source = Source::Named;
        }
    }
}

fn sum(argument: &Argument) -> Option<Amount> {
    argument
        .key
        .as_deref()
        .and_then(|key| key.get(2..))
        .and_then(Amount::parse)
}

/// A new sum for what is there already (it is paid to whoever it was paid to), which she leaves to a place that she
/// names: she tells no sum, that place was read, and it is within a tenth of what the service first told of this very record.
fn left_to_a_place(memory: &Memory, effect: Effect, seen: &[Argument], argument: &Argument) -> bool {
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

/// Words that name something: two or more that no little word begins or ends, and that she does not want kept.
fn phrase(prompt: &Prompt, words: &str) -> bool {
    const LITTLE: &[&str] = &[
        "a", "an", "the", "of", "with", "my", "that", "this", "for", "to", "and", "or", "in", "on", "at",
        "by", "from", "it", "if", "is", "was", "i", "me", "you", "please", "about", "as", "not", "der",
        "die", "das", "mit", "von", "le", "la", "de", "du", "el", "los", "il", "un", "una", "une",
    ];
    let all: Vec<&str> = words.split(' ').collect();
    let long = |word: Option<&&str>| word.is_some_and(|word| word.len() > 2 && !LITTLE.contains(word));
    all.len() > 1 && words.len() >= 8 && long(all.first()) && long(all.last()) && !prompt.spares(words)
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
    if memory.prompt.numbers.contains(&amount) {
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
fn derived(memory: &Memory, given: Given<'_>, canonical: Option<&canon::Canonical>, found: Found) -> Found {
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
        }
        (Role::Selector | Role::Target, Some(Kind::Text | Kind::Url)) => {
            effect == Effect::Write
                && (role == Role::Selector && key.is_some_and(|k| OWN.contains(&k))
                    || joined_path(memory, path, text))
        }
        _ => false,
    };
    if holds { vouch(found) } else { found }
}

fn vouch(found: Found) -> Found {
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

/// The day is one the human wrote, one that a trusted result holds, or today or tomorrow as she asked. A day she wrote
/// without its year is that day of any year.
fn day_trusted(memory: &Memory, when: &When) -> bool {
    let Some((month, day)) = when.day else { return true };
    let Some(year) = when.year else { return false };
    let told = memory
        .prompt
        .whens
        .iter()
        .any(|w| w.day == Some((month, day)) && w.year.is_none_or(|y| y == year));
    let relative = || {
        memory.today.iter().any(|&(y, m, d)| {
            let today = When {
                year: Some(y),
                day: Some((m, d)),
                minute: None,
                zone: None,
            };
            memory.prompt.relative.means(&today, when)
        })
    };
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
    told || memory.days.contains(&(year, month, day)) || relative() || pushed()
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

/// An end is trusted when it lies a trusted duration after another time of the same call that is itself trusted.
fn derive_times(memory: &Memory, leaves: &Leaves<'_>, seen: &mut [Argument]) {
    let read = |text: &str| canon::fold(text).ok().and_then(|folded| when::parse(&folded));
    let whens: Vec<Option<When>> = leaves
        .out
        .iter()
        .take(LEAVES)
        .map(|(_, leaf)| match leaf {
            Leaf::Text(text) if text.len() <= 40 => read(text),
            _ => None,
        })
        .collect();
    let anchors: Vec<When> = seen
        .iter()
        .zip(&whens)
        .filter(|(a, _)| a.source.vouched())
        .filter_map(|(_, w)| *w)
        .take(16)
        .collect();
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
        let holds = anchors.iter().filter(|anchor| anchor.zone == when.zone).any(|anchor| match (memory::moment(anchor), memory::moment(&when)) {
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
