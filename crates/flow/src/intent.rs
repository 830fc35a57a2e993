//! Which consequential tools the human's words call for, decided before anything untrusted is read and without a model.
//!
//! A tool is called for when the prompt says one of its verb's synonyms and names its kind of thing. INVARIANT: only the
//! prompt and the tools' own names decide, so nothing that is read later can widen it.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_types::flow::{Called, Effect};
use serde::{Deserialize, Serialize};

use crate::{
    asked::{deeds, handed, named_for, told, unsaid},
    memory::Memory,
    prompt,
    speech::{self, Speech},
    words,
};

/// What the human asked to be done. Frozen when the task begins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Intent {
    called: BTreeSet<String>,
    /// Tools whose kind of thing the human speaks of.
    #[serde(default)]
    spoken: BTreeSet<String>,
    delegated: bool,
    /// Tools whose verb she says, each the only one of its verb, and whose thing she calls by a name of its own.
    #[serde(default)]
    weak: BTreeSet<String>,
    /// Tools whose verb she says in words of her own, and nothing of what it is done to.
    #[serde(default)]
    verbs: BTreeSet<String>,
    /// Tools that carry words, where she wants somebody told something and names nothing that carries it.
    #[serde(default)]
    carry: BTreeSet<String>,
    /// Keys of places and addresses of hers that she wants something handed to: `the list to #ops`.
    #[serde(default)]
    handed: BTreeSet<String>,
    /// Names of whom she wants something passed on to.
    #[serde(default)]
    named_for: BTreeSet<String>,
    /// Verbs of the sentences that want something done, and the keys of all that stands in those.
    #[serde(default)]
    deeds: BTreeSet<String>,
    #[serde(default)]
    told: BTreeSet<String>,
    /// Tools that a planner says are not called for.
    #[serde(default)]
    closed: BTreeSet<String>,
    /// She wants something found out, or speaks of what stands on pages.
    #[serde(default)]
    around: bool,
    /// She wants it found out on the web.
    #[serde(default)]
    web: bool,
    known: bool,
}

impl Intent {
    /// From the prompt in this memory and the names of the tools at hand. Call it before the first result is read.
    #[must_use]
    pub fn of<'a, I: IntoIterator<Item = &'a str>>(memory: &Memory, tools: I) -> Self {
        let text = memory.prompt_text();
        let words: Vec<&str> = text
            .split(' ')
            .map(prompt::trim)
            .filter(|word| !word.is_empty())
            .collect();
        let raw: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let asked = orders(&raw);
        let speech = Speech::of(&asked);
        let mut said = said(&asked);
        said.extend(speech.deeds.iter().copied());
        let mut nouns = things(&words, &raw, &speech);
        // `The call sheet` is what `callsheet_send` sends.
        let joined: Vec<String> = words.windows(2).map(<[&str]>::concat).collect();
        nouns.extend(joined.iter().map(|pair| words::singular(pair)));
        let mut sorted = Sorted::default();
        for tool in tools {
            sorted.take(tool, &said, &nouns, speech.talks);
        }
        let carry = sorted.settle(&nouns);
        let wanted = unsaid(&asked);
        let Sorted {
            called,
            spoken,
            verbs,
            weak,
            close,
            ..
        } = sorted;
        let weak = weak
            .into_iter()
            .filter(|(verb, tools)| tools.len() == 1 && !close.contains(verb));
        Self {
            called,
            spoken,
            verbs,
            carry,
            deeds: deeds(&said, &asked, &wanted),
            told: told(&wanted),
            closed: BTreeSet::new(),
            handed: handed(&asked),
            named_for: named_for(&asked),
            weak: weak.flat_map(|(_, tools)| tools).map(str::to_owned).collect(),
            web: words::WEB.iter().any(|word| nouns.contains(word))
                || words::WEB_ASKS.iter().any(|phrase| text.contains(phrase)),
            around: words::AROUND.iter().any(|word| nouns.contains(word))
                || words::ASKS.iter().any(|phrase| text.contains(phrase)),
            delegated: words::DELEGATIONS.iter().any(|phrase| text.contains(phrase)),
            known: !words.iter().all(|word| *word == "\u{1}"),
        }
    }

    /// With what a planner says of a tool, who saw only the prompt and the tools' names. It replaces what the words were
    /// found to say of that tool; that they leave what to do to something else they say still.
    #[must_use]
    pub fn planned(mut self, tool: &str, called: bool) -> Self {
        if called {
            self.called.insert(tool.to_owned());
        } else {
            self.closed.insert(tool.to_owned());
            self.called.remove(tool);
            self.weak.remove(tool);
            self.verbs.remove(tool);
            self.carry.remove(tool);
            // Which tool hands something over is not told there.
            self.handed.clear();
            self.named_for.clear();
        }
        self
    }

    /// Does the human speak of what this tool is about?
    #[must_use]
    pub(crate) fn speaks_of(&self, tool: &str) -> bool {
        self.spoken.contains(tool)
    }

    /// Does she say this tool's verb, and no more of it? It is then meant where it goes to who she writes out.
    #[must_use]
    pub(crate) fn half_calls(&self, tool: &str) -> bool {
        self.weak.contains(tool)
    }

    /// Does she want something handed to what this key stands for?
    #[must_use]
    pub(crate) fn hands_to(&self, key: &str) -> bool {
        self.handed.contains(key)
    }

    /// May its arguments say that this tool is meant?
    #[must_use]
    pub(crate) fn may_mean(&self, tool: &str) -> bool {
        self.known && !self.closed.contains(tool)
    }

    /// What she wants done, in verbs.
    pub(crate) fn deeds(&self) -> impl Iterator<Item = &str> {
        self.deeds.iter().map(String::as_str)
    }

    /// Does this stand in a sentence that wants something done?
    #[must_use]
    pub(crate) fn tells(&self, key: &str) -> bool {
        let words = key.get(2..).unwrap_or_default();
        !words.is_empty()
            && (self.told.contains(key)
                || words
                    .split(' ')
                    .map(prompt::trim)
                    .all(|word| word.is_empty() || self.told.contains(&format!("w:{word}"))))
    }

    /// Names of whom she wants something passed on to.
    pub(crate) fn named_for(&self) -> impl Iterator<Item = &str> {
        self.named_for.iter().map(String::as_str)
    }

    /// Does this tool carry words that she wants carried by whatever does?
    #[must_use]
    pub(crate) fn may_carry(&self, tool: &str) -> bool {
        self.carry.contains(tool)
    }

    /// Does she say this tool's verb, in whatever words? It may then be meant where she writes out the record.
    #[must_use]
    pub(crate) fn says_verb_of(&self, tool: &str) -> bool {
        self.verbs.contains(tool)
    }

    /// Does she want something found out, or speak of what stands on pages?
    #[must_use]
    pub(crate) const fn looks_around(&self) -> bool {
        self.around
    }

    /// Does she want something found out on the web?
    #[must_use]
    pub(crate) const fn wants_web(&self) -> bool {
        self.web
    }

    /// Is this tool called for?
    #[must_use]
    pub fn calls(&self, tool: &str) -> Called {
        match (self.known, self.called.contains(tool), self.delegated) {
            (false, ..) => Called::Unknown,
            (true, true, _) => Called::Yes,
            (true, false, true) => Called::Elsewhere,
            (true, false, false) => Called::No,
        }
    }
}

/// Tools by how they fit what is said.
#[derive(Default)]
struct Sorted<'t> {
    called: BTreeSet<String>,
    spoken: BTreeSet<String>,
    verbs: BTreeSet<String>,
    /// Verbs of which some tool is named.
    close: BTreeSet<&'static str>,
    loose: Vec<(&'static str, &'t str)>,
    weak: BTreeMap<&'static str, Vec<&'t str>>,
    changes: BTreeMap<&'static str, Vec<&'t str>>,
    /// Tools whose verb she says in words of her own, and nothing of their thing.
    says: BTreeMap<&'static str, Vec<&'t str>>,
    carriers: Vec<&'t str>,
}

impl<'t> Sorted<'t> {
    fn take(&mut self, tool: &'t str, said: &BTreeSet<&str>, nouns: &BTreeSet<&str>, talks: bool) {
        match calls_for(tool, said, nouns, talks) {
            Fits::Named(verb) => {
                self.close.insert(verb);
                self.called.insert(tool.to_owned());
            }
            Fits::Verb(verb) => self.loose.push((verb, tool)),
            Fits::Weak(verb) => self.weak.entry(verb).or_default().push(tool),
            Fits::Carries => self.carriers.push(tool),
            Fits::Changes(verb) => self.changes.entry(verb).or_default().push(tool),
            Fits::Said(verb) => self.says.entry(verb).or_default().push(tool),
            Fits::Not => {}
        }
        let (verb, rest) = words::verb(tool);
        if verb.is_some_and(|verb| verb.said.iter().any(|word| said.contains(word))) {
            self.verbs.insert(tool.to_owned());
        }
        if rest.iter().any(|word| names(word, nouns)) {
            self.spoken.insert(tool.to_owned());
        }
    }

    /// Calls for what no tool that is named stands in the way of. Inside are the tools that carry words, where she names
    /// nothing that does.
    fn settle(&mut self, nouns: &BTreeSet<&str>) -> BTreeSet<String> {
        let close = &self.close;
        // She said the verb, and called the thing something else: the tool is meant where no other of that verb is.
        let alone = self.loose.iter().filter(|(verb, _)| !close.contains(verb));
        self.called.extend(alone.map(|(_, tool)| (*tool).to_owned()));
        // So is the one tool that changes things, where she says a change and names no tool's thing.
        let only = self
            .changes
            .iter()
            .chain(&self.says)
            .filter(|(verb, tools)| tools.len() == 1 && !close.contains(*verb));
        self.called
            .extend(only.flat_map(|(_, tools)| tools.iter().map(|tool| (*tool).to_owned())));
        // Somebody is to be told something: by what she names, or she does not say by what.
        let owned = |tools: &[&str]| -> BTreeSet<String> {
            let tools = tools.iter().map(|tool| (*tool).to_owned());
            tools.collect()
        };
        let carriers = self.carriers.iter().copied();
        let by_name: Vec<&str> = carriers.filter(|tool| by_its_name(tool, nouns)).collect();
        let carried = self
            .called
            .iter()
            .any(|tool| !reads(tool) && carried_by(tool, nouns));
        if carried || !by_name.is_empty() {
            self.called.extend(owned(&by_name));
            return BTreeSet::new();
        }
        let carry = owned(&self.carriers);
        self.called.extend(carry.iter().cloned());
        carry
    }
}

/// Words that questions begin with.
const ASKING: &[&str] = &[
    "who", "whom", "whose", "what", "what's", "whats", "which", "when", "where", "why", "how", "is", "are",
    "am", "was", "were", "did", "does", "do", "has", "have", "had", "can", "could", "should", "shall", "may",
    "any", "will", "would", "wer", "wen", "wem", "was", "welche", "welcher", "wann", "wo", "warum", "wie",
    "ist", "sind", "hat", "haben", "qui", "que", "quel", "quelle", "quand", "où", "pourquoi", "comment",
    "combien", "quién", "qué", "cuál", "cuándo", "dónde", "cómo", "cuánto", "chi", "che", "quando", "dove",
    "perché", "come", "hvem", "hvad", "hva", "hvor", "kto", "co",
];

/// Does this sentence ask for an answer? One that asks somebody to do something (`can you`) asks for that.
fn question(sentence: &[&str]) -> bool {
    const POLITE: [&str; 7] = ["can", "could", "would", "will", "may", "kannst", "könntest"];
    const OTHERS: [&str; 5] = ["you", "we", "du", "sie", "vous"];
    let end = sentence.iter().rev().find(|word| **word != "\u{1}");
    if !end.is_some_and(|word| word.ends_with('?')) {
        return false;
    }
    let first = |at: usize| {
        sentence
            .get(at)
            .map(|word| prompt::trim(word))
            .unwrap_or_default()
    };
    let polite = sentence
        .windows(2)
        .any(|pair| matches!(pair, [ask, whom] if POLITE.contains(&prompt::trim(ask)) && OTHERS.contains(&prompt::trim(whom))))
        || sentence.iter().any(|word| prompt::trim(word) == "please");
    // `Reminder for Friday: what time was it?`
    let turns = sentence.windows(2).any(|pair| match pair {
        [before, after] => before.ends_with([',', ':']) && ASKING.contains(&prompt::trim(after)),
        _ => false,
    });
    !polite && (ASKING.contains(&first(0)) || turns)
}

/// Verbs of saying, after which a colon begins what is said.
const SAYING: &[&str] = &[
    "comment", "reply", "answer", "tell", "say", "saying", "text", "message", "dm", "respond", "announce",
    "antworte", "schreib", "schreibe", "réponds", "responde", "rispondi", "svar",
];

/// The words of sentences that ask for something to be done, in their order. What she says not to do is no deed.
fn orders<'a>(raw: &[&'a str]) -> Vec<&'a str> {
    const NOT: [&str; 6] = ["not", "don't", "dont", "never", "nicht", "no"];
    // Who is asked not to forget is asked to do.
    const YET: [&str; 4] = ["forget", "only", "hesitate", "just"];
    let mut out = Vec::with_capacity(raw.len());
    for sentence in raw.split_inclusive(|word| *word == "\u{1}" || word.ends_with(['.', '!', '?'])) {
        if question(sentence) {
            out.push("\u{1}");
            continue;
        }
        let mut quiet = 0_u8;
        // `Comment on it: please add the prices` orders a comment.
        let (mut talks, mut told) = (false, false);
        for word in sentence {
            let bare = prompt::trim(word);
            if told {
                out.push("\u{1}");
                continue;
            }
            talks |= SAYING.contains(&bare);
            told = talks && word.ends_with(':');
            if YET.contains(&bare) {
                quiet = 0;
            }
            out.push(if quiet > 0 { "\u{1}" } else { *word });
            quiet = if word.ends_with([',', ';', ':']) {
                0
            } else {
                quiet.saturating_sub(1)
            };
            if NOT.contains(&bare) {
                quiet = 2;
            }
        }
    }
    out
}

/// Words that are said as verbs. `email` and its like are nouns more often than not: they are verbs where a clause
/// begins, or after a word that asks for doing.
fn said<'a>(words: &[&'a str]) -> BTreeSet<&'a str> {
    const BOTH: [&str; 12] = [
        "update", "transfer", "email", "mail", "message", "text", "order", "comment", "post", "review",
        "request", "sms",
    ];
    const ASKING: [&str; 24] = [
        "please",
        "and",
        "then",
        "to",
        "or",
        "also",
        "just",
        "now",
        "first",
        "finally",
        "next",
        "afterwards",
        "you",
        "we",
        "i",
        "i'll",
        "let's",
        "must",
        "should",
        "will",
        "can",
        "could",
        "would",
        "\u{1}",
    ];
    const AFTER: [&str; 5] = ["address", "addresses", "account", "from", "subject"];
    words
        .iter()
        .enumerate()
        .filter(|(at, word)| {
            let before = at.checked_sub(1).and_then(|i| words.get(i));
            let begins = before.is_none_or(|word| {
                word.trim_end_matches(['"', '\'', '”', '’', '»'])
                    .ends_with(['.', ',', ';', ':', '!', '?', ')', '-', '>', '→', '&', '+'])
                    || ASKING.contains(&prompt::trim(word))
            });
            let after = words
                .get(at + 1)
                .is_some_and(|word| AFTER.contains(&prompt::trim(word)));
            !BOTH.contains(&prompt::trim(word)) || begins && !after
        })
        .map(|(_, word)| prompt::trim(word))
        .collect()
}

/// Things that she names, in her words and in those of tools.
fn things<'a>(words: &[&'a str], raw: &[&'a str], speech: &Speech) -> BTreeSet<&'a str> {
    words
        .iter()
        .flat_map(|word| word.split(['-', '/']))
        .chain(words.iter().copied())
        .map(speech::whole)
        .map(words::singular)
        .chain(speech.things.iter().copied())
        .chain(raw.iter().flat_map(|word| marked(word)).copied())
        .collect()
}

/// Does she say that it is to be told by what this tool carries?
fn carried_by(tool: &str, nouns: &BTreeSet<&str>) -> bool {
    let own = words::split(tool);
    let mut own = own.iter().map(|word| words::singular(word));
    own.any(|word| speech::carries(&[word]) && nouns.contains(word))
}

/// Does she name what this tool is of, by a word of its name that not every such tool has?
fn by_its_name(tool: &str, nouns: &BTreeSet<&str>) -> bool {
    const ANY: [&str; 10] = [
        "send", "post", "message", "reply", "comment", "text", "chat", "new", "create", "add",
    ];
    let own = words::split(tool);
    let mut own = own.iter().map(|word| words::singular(word));
    own.any(|word| !ANY.contains(&word) && nouns.contains(word))
}

/// Is this a tool that only reads?
fn reads(tool: &str) -> bool {
    words::verb(tool).0.is_none_or(|verb| verb.effect == Effect::Read)
}

/// What a word is by the mark it has: a channel, somebody's handle, a sum.
fn marked(word: &str) -> &'static [&'static str] {
    let bare = word.trim_start_matches(['(', '"', '\'']);
    let letter = |rest: &str| rest.starts_with(char::is_alphabetic);
    let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    match bare.chars().next() {
        Some('#') if bare.get(1..).is_some_and(letter) => &["channel"],
        Some('#') if bare.get(1..).is_some_and(digit) => &["issue"],
        Some('@') if bare.get(1..).is_some_and(letter) => &["user"],
        Some(sign @ ('$' | '€' | '£')) if bare.strip_prefix(sign).is_some_and(digit) => &["money"],
        _ if digit(bare) && prompt::trim(bare).ends_with(['$', '€', '£']) => &["money"],
        _ => &[],
    }
}

/// Is this kind of thing among what the human names, by this word or one like it?
fn names(word: &str, nouns: &BTreeSet<&str>) -> bool {
    let word = words::singular(word);
    let like = words::NOUNS.iter().filter(|kind| kind.contains(&word));
    nouns.contains(word) || like.flat_map(|kind| kind.iter()).any(|noun| nouns.contains(noun))
}

/// How a tool fits what is said, and the effect and first name of its verb.
enum Fits {
    /// Verb and thing are named.
    Named(&'static str),
    /// The verb is, in the tool's own word.
    Verb(&'static str),
    /// The verb is, in a word that says too little.
    Weak(&'static str),
    /// It carries words to somebody, and words are to be carried.
    Carries,
    /// It changes what is there, and a change is said.
    Changes(&'static str),
    /// The verb is, in a word of hers.
    Said(&'static str),
    Not,
}

/// Verbs that say too little to mean a tool without its thing.
const WEAK: &[&str] = &[
    "send", "create", "make", "new", "add", "set", "update", "get", "write", "post", "put", "change", "edit",
    "mark", "run", "start", "stop", "open", "close", "share", "submit", "apply", "complete", "generate",
    "save", "copy", "log", "store", "record", "type", "press", "click", "upload", "import", "sync",
];

/// Verbs of tools that change whatever they are about, and what people say of things whose kind they do not name.
const CHANGES: &[&str] = &[
    "update", "modify", "change", "edit", "patch", "amend", "adjust", "manage",
];
const CHANGE: &[&str] = &[
    "extend",
    "shorten",
    "move",
    "shift",
    "postpone",
    "reschedule",
    "renew",
    "rename",
    "raise",
    "lower",
    "increase",
    "decrease",
    "reduce",
    "correct",
    "amend",
    "prioritise",
    "prioritize",
    "reassign",
    "reopen",
];

fn calls_for(tool: &str, said: &BTreeSet<&str>, nouns: &BTreeSet<&str>, talks: bool) -> Fits {
    let (Some(verb), rest) = words::verb(tool) else {
        return deed(tool, said, nouns);
    };
    let first = verb.names.first().copied().unwrap_or_default();
    if named(tool, verb, &rest, said, nouns, talks) {
        return Fits::Named(first);
    }
    let own = words::split(tool);
    let adds = || {
        own.iter()
            .any(|word| ["comment", "reply", "message"].contains(&word.as_str()))
    };
    let hands = verb.effect == Effect::Send || verb.names.contains(&"add") && adds();
    if talks && hands && carries(tool) {
        return Fits::Carries;
    }
    let changes = own.iter().any(|word| CHANGES.contains(&word.as_str()));
    if changes
        && CHANGE
            .iter()
            .any(|word| verb.said.contains(word) && said.contains(word))
    {
        return Fits::Changes(first);
    }
    let literal = |word: &&String| {
        let word = word.as_str();
        verb.names.contains(&word) && said.contains(word)
    };
    let mut literal = own
        .iter()
        .filter(literal)
        .filter(|_| verb.effect != Effect::Read)
        .peekable();
    if literal.peek().is_none() {
        let strong = |word: &&str| said.contains(*word) && !WEAK.contains(word);
        if verb.effect == Effect::Delete && verb.said.iter().any(strong) {
            Fits::Said(first)
        } else {
            Fits::Not
        }
    } else if literal.all(|word| WEAK.contains(&word.as_str())) {
        Fits::Weak(first)
    } else {
        Fits::Verb(first)
    }
}

/// A tool of a verb that tells no effect: its verb is said, and its thing is named.
fn deed(tool: &str, said: &BTreeSet<&str>, nouns: &BTreeSet<&str>) -> Fits {
    let own = words::split(tool);
    let is = |names: &[&str], at: usize, word: &str| names.contains(&word) && (word != "issue" || at == 0);
    let fits = words::DEEDS.iter().find_map(|(names, deeds)| {
        let at = own
            .iter()
            .enumerate()
            .position(|(at, word)| is(names, at, word))?;
        let thing = own
            .iter()
            .enumerate()
            .any(|(i, word)| i != at && self::names(word, nouns));
        let literal = own.get(at).is_some_and(|word| said.contains(word.as_str()));
        (deeds.iter().any(|word| said.contains(word)) && (thing || literal)).then(|| names.first().copied())
    });
    fits.flatten().map_or(Fits::Not, Fits::Named)
}

pub(crate) fn carries(tool: &str) -> bool {
    let own = words::split(tool);
    let words: Vec<&str> = own.iter().map(|word| words::singular(word)).collect();
    speech::carries(&words)
}

/// Verbs that are what they carry.
fn carries_itself(word: &str) -> bool {
    [
        "message", "email", "mail", "dm", "sms", "text", "comment", "tweet",
    ]
    .contains(&word)
}

/// Words for whatever a service keeps.
const GENERIC: &[&str] = &["object", "entity", "resource"];

/// What is made by doing something: who says `book them` wants a booking.
const DONE: &[(&str, &[&str])] = &[
    ("booking", &["book", "reserve", "rebook"]),
    ("reservation", &["reserve", "book"]),
    ("refund", &["refund", "reimburse"]),
    ("payment", &["pay"]),
    ("disbursement", &["pay", "refund", "disburse"]),
    ("transfer", &["transfer"]),
    ("reminder", &["remind"]),
    ("invitation", &["invite"]),
    ("subscription", &["subscribe"]),
    ("reply", &["reply", "answer"]),
    ("envelope", &["sign", "signing", "signature", "signatures"]),
    ("registration", &["register", "enrol", "enroll"]),
    ("enrollment", &["enrol", "enroll", "register"]),
    ("hold", &["hold", "reserve"]),
    ("donation", &["donate"]),
    ("assignment", &["assign"]),
    ("override", &["cover", "override", "swap"]),
    ("order", &["order", "reorder"]),
];

/// Moving money is paid, refunded or transferred, whatever the tool's verb is.
fn pays(rest: &[&str], said: &BTreeSet<&str>) -> bool {
    let money = ["money", "payment", "transaction", "funds"];
    let deeds = ["pay", "refund", "transfer", "wire", "reimburse"];
    rest.iter().any(|word| money.contains(word)) && deeds.iter().any(|word| said.contains(word))
}

fn named(
    tool: &str,
    verb: &words::Verb,
    rest: &[String],
    said: &BTreeSet<&str>,
    nouns: &BTreeSet<&str>,
    talks: bool,
) -> bool {
    // Whatever carries words carries all that is said to somebody.
    let talk: &[&str] = if talks && verb.effect == Effect::Send && carries(tool) {
        speech::TALK
    } else {
        &[]
    };
    let hits: Vec<&str> = verb
        .said
        .iter()
        .chain(talk)
        .copied()
        .filter(|word| said.contains(word))
        .collect();
    let rest: Vec<&str> = rest.iter().map(|word| words::singular(word)).collect();
    // What reads and changes something by it, as mail that is read no longer is unread, is called for by its whole name.
    if verb.effect == Effect::Read {
        return !rest.is_empty() && rest.iter().all(|word| nouns.contains(word));
    }
    let paid = pays(&rest, said);
    let particular = words::split(tool)
        .iter()
        .any(|word| words::PARTICULAR.contains(&word.as_str()) && said.contains(word.as_str()));
    let makes = verb
        .names
        .iter()
        .any(|name| ["create", "add", "submit"].contains(name));
    let own = words::split(tool);
    let done = makes
        && DONE.iter().any(|(thing, deeds)| {
            own.iter().any(|word| words::singular(word) == *thing)
                && deeds.iter().any(|deed| said.contains(deed))
        });
    // `Comment on it`: who adds one is asked for by what it is.
    let adds = verb
        .names
        .iter()
        .any(|name| ["send", "post", "add", "create", "review"].contains(name));
    let deed = adds
        && words::split(tool)
            .iter()
            .any(|word| (carries_itself(word) || word == "review") && said.contains(word.as_str()));
    if deed || done {
        return true;
    }
    if hits.is_empty() && !paid && !particular {
        return false;
    }
    // What carries something is often named by that alone, as a message is.
    let itself = words::split(tool)
        .iter()
        .any(|word| carries_itself(word) && nouns.contains(word.as_str()));
    paid || particular
        || itself
        || rest
            .iter()
            .any(|word| names(word, nouns) || GENERIC.contains(word))
        || rest.is_empty()
        || hits.iter().any(|word| words::WHOLE.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(prompt: &str, tool: &str) -> Called {
        let mut memory = Memory::new();
        memory.prompt(prompt);
        Intent::of(&memory, [tool]).calls(tool)
    }

    #[test]
    fn words_call_for_tools() {
        assert_eq!(
            calls("Please email the minutes to Ann.", "send_email"),
            Called::Yes
        );
        assert_eq!(
            calls("Please show me my unread emails.", "send_email"),
            Called::No
        );
        assert_eq!(calls("What is Ann's email address?", "send_email"), Called::No);
        assert_eq!(calls("Summarise my newest mail.", "send_email"), Called::No);
        assert_eq!(calls("Summarise my newest mail.", "payments_send"), Called::No);
        assert_eq!(calls("Ask Bo, then mail him the plan", "send_email"), Called::Yes);
        assert_eq!(calls("Find the plan. Email it to Bo.", "send_email"), Called::Yes);
        assert_eq!(calls("Cancel the order of shoes", "order_cancel"), Called::Yes);
        assert_eq!(calls("Pay the plumber", "transferMoney"), Called::Yes);
        assert_eq!(calls("Delete the draft file", "delete_file"), Called::Yes);
        assert_eq!(calls("Summarise the file", "delete_file"), Called::No);
        assert_eq!(
            calls("Follow the instructions in plan.txt", "delete_file"),
            Called::Elsewhere
        );
        assert_eq!(calls("", "delete_file"), Called::Unknown);
    }

    #[test]
    fn a_planner_replaces_words_and_not_the_human() {
        let planned = |prompt: &str, called| {
            let mut memory = Memory::new();
            memory.prompt(prompt);
            Intent::of(&memory, ["delete_file"])
                .planned("delete_file", called)
                .calls("delete_file")
        };
        assert_eq!(planned("Lösche den Entwurf", true), Called::Yes);
        assert_eq!(planned("Delete the draft file", false), Called::No);
        assert_eq!(
            planned("Follow the instructions in plan.txt", false),
            Called::Elsewhere
        );
        assert_eq!(
            planned("", true),
            Called::Unknown,
            "nothing that she typed is known"
        );
    }
}
