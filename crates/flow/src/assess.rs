//! One call against what the session has read: a source for every argument, and the few facts that rules ask for.

use std::collections::BTreeMap;

use bartizan_types::flow::{Called, Effect, Flow, Joined, Role, Source, Traced};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    amount::Amount,
    audience,
    canon::{self, Kind},
    deed,
    derived::{derive_times, derived, left_to_a_place, note_times, part_of_record, vouch, whole_for_part},
    intent::Intent,
    label::{Capacity, Label, Readers, Writers},
    leaves::{Leaf, Leaves},
    manifest::Manifest,
    meant::{name_targets, picked},
    memory::Memory,
    pointed::Pointing,
    prompt::{self, Prompt},
    tokens, words,
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
    pub(crate) key: Option<Box<str>>,
    /// The one-time code that it is, where it completes a call that waits for one.
    #[serde(skip)]
    code: Option<Box<str>>,
    /// The link that it is, where a search found it.
    #[serde(skip)]
    pub(crate) link: Option<Box<str>>,
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
    /// Nothing but her words decides what it looks for.
    #[serde(skip)]
    pub(crate) hers: bool,
    /// Nothing but her words and times decides what it looks for.
    #[serde(skip)]
    pub(crate) near: bool,
    /// It looks for something that somebody's text may have asked for.
    #[serde(skip)]
    pub(crate) strays: bool,
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
        self.hers &= other.hers;
        self.near &= other.near;
        self.strays |= other.strays;
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
            like: None,
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

    /// What it was called with by nobody's wish but hers: nothing of outsiders' had been read. Of a read: what somebody said yes
    /// to is that call's alone.
    pub(crate) fn early(&self) -> impl Iterator<Item = &str> {
        let early = !self.tainted && self.reviewed && self.effect == Effect::Read;
        let made_up =
            |a: &&Argument| matches!(a.role, Role::Selector | Role::Target) && a.source == Source::Nowhere;
        let keys = self
            .arguments
            .iter()
            .filter(made_up)
            .filter_map(|a| a.key.as_deref());
        keys.filter(move |key| early && key.starts_with("w:") && key.len() <= 96)
    }

    /// Ids that it looks things up by.
    pub(crate) fn by_ids(&self) -> impl Iterator<Item = &str> {
        self.arguments
            .iter()
            .filter(|a| {
                a.role == Role::Selector
                    && matches!(a.source, Source::Trusted | Source::Picked | Source::Prompt)
            })
            .filter_map(|a| a.key.as_deref())
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
pub(crate) fn clipped(path: &str) -> &str {
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
    note_times(memory, tool, manifest.effect, &leaves, &mut seen);
    let bounded = bounded(memory, manifest.effect, &seen);
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
        called: if audience::switched(memory, manifest.effect, arguments) {
            Called::No
        } else {
            called(memory, intent, tool, manifest.effect, &seen)
        },
        pointing: Pointing::of(&seen, intent.speaks_of(tool)),
        hers: manifest.effect == Effect::Read && (!memory.tainted() || seen.iter().all(hers)),
        near: manifest.effect == Effect::Read && near(&seen),
        strays: memory.tainted()
            && !manifest.effect.consequential()
            && (seen.iter().any(|a| strays(memory, a)) || unasked(intent, tool, &seen)),
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

/// Is every amount vouched for, or one that she leaves to a place or tells a part of?
fn bounded(memory: &Memory, effect: Effect, seen: &[Argument]) -> bool {
    seen.iter().filter(|a| a.role == Role::Amount).all(|a| {
        a.source.vouched() && !whole_for_part(memory, seen, a)
            || left_to_a_place(memory, effect, seen, a)
            || part_of_record(memory, seen, a)
    })
}

/// It is her word, or follows from her words alone.
fn hers(argument: &Argument) -> bool {
    matches!(
        argument.source,
        Source::Empty | Source::Prompt | Source::Picked | Source::Derived | Source::Endorsed
    ) || roomy(argument)
}

/// Words of hers are looked for, and times only narrow where.
fn near(seen: &[Argument]) -> bool {
    let told = |a: &&Argument| a.role != Role::Time && a.source != Source::Empty;
    seen.iter()
        .any(|a| told(&a) && a.role != Role::Value && a.source == Source::Prompt)
        && seen.iter().filter(told).all(hers)
}

/// How many answers there may be, where that leaves room for more than the first.
fn roomy(argument: &Argument) -> bool {
    const LIMITS: [&str; 8] = ["limit", "max", "count", "size", "top", "results", "rows", "first"];
    let words = words::split(&argument.path);
    let key = argument.key.as_deref().and_then(|key| key.strip_prefix("n:"));
    argument.role == Role::Value
        && words.iter().any(|word| LIMITS.contains(&word.as_str()))
        && key
            .and_then(|key| key.parse::<u32>().ok())
            .is_some_and(|most| most >= 5)
}

/// It says what is looked for, and nobody vouches for it. How much of that is looked at, and of when, says little.
fn strays(memory: &Memory, argument: &Argument) -> bool {
    let chosen = argument.role == Role::Selector && argument.source == Source::Trusted;
    // Whom she names she may look up.
    let whom = || {
        let key = argument.key.as_deref();
        key.is_some_and(|key| memory.people.means(key, memory.tenants(), false))
    };
    if matches!(argument.role, Role::Value | Role::Time) || !chosen && argument.source.vouched() {
        return false;
    }
    if chosen
        && argument
            .key
            .as_deref()
            .is_some_and(|key| memory.singled.near(key))
    {
        return false;
    }
    argument.source != Source::Structured || !whom()
}

/// It looks for nothing in particular, in things that she does not speak of. Clocks say little of anybody's.
fn unasked(intent: &Intent, tool: &str, seen: &[Argument]) -> bool {
    const CLOCKS: [&str; 6] = ["time", "date", "day", "today", "now", "clock"];
    let bare = seen
        .iter()
        .all(|a| matches!(a.role, Role::Value | Role::Time) || a.source == Source::Empty);
    let clock = || {
        words::split(tool)
            .iter()
            .any(|word| CLOCKS.contains(&word.as_str()))
    };
    bare && !intent.speaks_of(tool) && !clock()
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
pub(crate) struct Given<'a> {
    pub(crate) effect: Effect,
    pub(crate) path: &'a [&'a str],
    pub(crate) role: Role,
    pub(crate) text: &'a str,
}

fn argument(memory: &Memory, given: Given<'_>) -> Argument {
    let Given {
        path, mut role, text, ..
    } = given;
    if given.effect == Effect::Execute && role == Role::Value && runs(path) {
        // Which of the things that can be run is no setting of it.
        role = Role::Selector;
    }
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
    } else if !found.source.vouched() && role == Role::Target && audience::one_person(path, text) {
        found = vouch(found);
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
    let foreign_tokens = if carries {
        tokens::foreign(memory, text, canonical.as_ref())
    } else {
        0
    };
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
        foreign_tokens,
    }
}

/// Does this argument say what it is that runs?
fn runs(path: &[&str]) -> bool {
    const WHICH: [&str; 8] = [
        "version", "image", "tag", "build", "release", "revision", "commit", "ref",
    ];
    let words = path.last().map(|key| words::split(key)).unwrap_or_default();
    words.last().is_some_and(|last| WHICH.contains(&last.as_str()))
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
        Called::No if effect == Effect::Send && handed(intent, tool, seen) => Called::Yes,
        Called::No if effect == Effect::Write && intent.says_verb_of(tool) && by_id(memory, seen) => {
            Called::Yes
        }
        Called::No if deed::said(memory, intent, tool, effect, seen) => Called::Yes,
        Called::No if deed::passed_on(memory, intent, tool, effect, seen) => Called::Yes,
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
                Source::Trusted | Source::Structured => memory.picks(),
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
    let id = |key: &str| coded(key) && !memory.prompt.only_lists(key);
    let picks = |a: &Argument| a.role == Role::Target && a.source == Source::Trusted;
    let hers = |a: &Argument| {
        a.role == Role::Selector && a.source == Source::Prompt && a.key.as_deref().is_some_and(id)
    };
    seen.iter().any(hers) && !seen.iter().any(picks)
}

/// She wants something handed to each place that it goes to, and wrote it out; or she wants somebody told something, names
/// nothing that carries it, and writes out the id of the record that it is told in.
fn handed(intent: &Intent, tool: &str, seen: &[Argument]) -> bool {
    let hers = |key: &str| intent.hands_to(key) || intent.may_carry(tool) && coded(key);
    written_out(seen)
        && seen
            .iter()
            .filter(|a| a.role == Role::Target && a.source != Source::Empty)
            .all(|a| a.key.as_deref().is_some_and(hers))
}

/// Is this spelled as ids are: with letters and digits?
pub(crate) fn coded(key: &str) -> bool {
    let has = |is: fn(&u8) -> bool| key.as_bytes().iter().skip(2).any(is);
    key.len() >= 6 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

/// She wrote out each place that it goes to.
fn written_out(seen: &[Argument]) -> bool {
    let mut targets = seen
        .iter()
        .filter(|a| a.role == Role::Target && a.source != Source::Empty)
        .peekable();
    targets.peek().is_some() && targets.all(|a| a.source == Source::Prompt)
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
