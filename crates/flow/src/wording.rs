//! Which of the human's words say *which* thing or person is meant: names, numbers and days, and not the words that any
//! sentence has.
//!
//! A record is singled out by words where no other of its list has all the words that it has, and it has one more. Whoever
//! writes a record can make it more like her words, and so herself be found; she can't make another's so.

use std::collections::BTreeSet;

use bartizan_types::flow::Effect;

use crate::{prompt::trim, speech::Speech, when::When, words};

/// Most words that are kept, and longest of them.
const MOST: usize = 2048;
const BYTES: usize = 64;

/// Words that say nothing of which one is meant, in the languages that prompts are written in: little words, and what mail
/// and lists are made of.
const LITTLE: &[&str] = &[
    "about",
    "after",
    "again",
    "all",
    "also",
    "always",
    "and",
    "another",
    "any",
    "anything",
    "are",
    "aber",
    "alle",
    "allen",
    "als",
    "alles",
    "already",
    "auch",
    "auf",
    "aux",
    "avec",
    "because",
    "been",
    "before",
    "being",
    "between",
    "bitte",
    "both",
    "but",
    "can",
    "chez",
    "come",
    "como",
    "con",
    "could",
    "dans",
    "das",
    "dass",
    "del",
    "della",
    "dem",
    "den",
    "der",
    "des",
    "det",
    "die",
    "dies",
    "diese",
    "dieser",
    "does",
    "doch",
    "don't",
    "done",
    "dont",
    "down",
    "each",
    "een",
    "eine",
    "einem",
    "einen",
    "einer",
    "else",
    "est",
    "every",
    "everybody",
    "everyone",
    "first",
    "for",
    "from",
    "für",
    "give",
    "good",
    "great",
    "had",
    "has",
    "have",
    "her",
    "here",
    "het",
    "him",
    "his",
    "how",
    "ich",
    "ihm",
    "ihn",
    "ihr",
    "ihre",
    "ihren",
    "into",
    "isn't",
    "ist",
    "its",
    "just",
    "kannst",
    "know",
    "last",
    "les",
    "let",
    "like",
    "los",
    "mail",
    "email",
    "mails",
    "emails",
    "message",
    "make",
    "many",
    "mein",
    "meine",
    "meinen",
    "mes",
    "mit",
    "mon",
    "more",
    "much",
    "must",
    "need",
    "needs",
    "new",
    "next",
    "nicht",
    "niet",
    "noch",
    "not",
    "now",
    "nur",
    "once",
    "one",
    "only",
    "other",
    "our",
    "out",
    "over",
    "par",
    "para",
    "per",
    "please",
    "por",
    "pour",
    "que",
    "qui",
    "right",
    "same",
    "say",
    "says",
    "she",
    "should",
    "sie",
    "sind",
    "some",
    "son",
    "soon",
    "sur",
    "sus",
    "take",
    "tell",
    "than",
    "thank",
    "thanks",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "they",
    "thing",
    "this",
    "those",
    "time",
    "today",
    "tomorrow",
    "two",
    "una",
    "und",
    "une",
    "uns",
    "until",
    "use",
    "van",
    "very",
    "vom",
    "von",
    "voor",
    "vous",
    "want",
    "wants",
    "was",
    "week",
    "well",
    "were",
    "what",
    "when",
    "where",
    "which",
    "who",
    "will",
    "wir",
    "with",
    "within",
    "without",
    "worden",
    "would",
    "year",
    "yes",
    "yesterday",
    "yet",
    "you",
    "your",
    "zum",
    "zur",
    "com",
    "org",
    "net",
    "www",
    "http",
    "https",
    "info",
    "inbox",
    "post",
    "webmail",
    "example",
    "mailbox",
];
/// Words that speak of something or somebody said before.
const BEFORE: &[&str] = &[
    "it", "its", "his", "him", "her", "hers", "their", "them", "ihn", "ihm", "ihr", "ihre", "ihren", "sein",
    "seine", "seinen", "son", "sa", "ses", "leur", "leurs", "su", "sus", "lo", "suo", "sua", "suoi", "zijn",
    "haar", "hun", "hans", "hennes", "deres", "jego", "jej", "ich",
];
/// What joins two wishes, where a verb follows, and what does so alone.
const JOINS: &[&str] = &["and", "but", "und", "et", "y", "e", "og", "och", "en", "i"];
const JOINS_ALONE: &[&str] = &[
    "then",
    "afterwards",
    "dann",
    "puis",
    "ensuite",
    "luego",
    "poi",
    "daarna",
];
/// How soon before them she says that they are to be told.
const NEAR: usize = 4;
/// Longest sentence that is looked at for what is to be gone, in words.
const LONG: usize = 512;
/// How soon after the verb they stand.
const SOON: usize = 2;

/// Words that mean all of a kind of people.
const ALL: &[&str] = &[
    "all",
    "everybody",
    "everyone",
    "every",
    "each",
    "both",
    "parents",
    "members",
    "participants",
    "attendees",
    "guests",
    "customers",
    "clients",
    "tenants",
    "students",
    "pupils",
    "families",
    "people",
    "owners",
    "residents",
    "volunteers",
    "alle",
    "allen",
    "jedem",
    "jeden",
    "eltern",
    "teilnehmer",
    "teilnehmern",
    "teilnehmerinnen",
    "mitglieder",
    "mitgliedern",
    "kunden",
    "gäste",
    "gästen",
    "mieter",
    "mietern",
    "tous",
    "toutes",
    "chaque",
    "parents",
    "membres",
    "participants",
    "clients",
    "invités",
    "todos",
    "todas",
    "cada",
    "padres",
    "socios",
    "clientes",
    "invitados",
    "tutti",
    "tutte",
    "ogni",
    "genitori",
    "soci",
    "partecipanti",
    "ospiti",
    "clienti",
    "iedereen",
    "ouders",
    "leden",
    "deelnemers",
    "klanten",
    "gasten",
    "alla",
    "alle",
    "foreldre",
    "föräldrar",
    "forældre",
    "medlemmer",
    "medlemmar",
    "deltakere",
    "deltagere",
    "wszyscy",
    "wszystkim",
    "wszystkich",
    "rodzice",
    "rodzicom",
];

/// The words of one session's prompt that single things out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wording {
    all: BTreeSet<Box<str>>,
    /// Those of sentences that want something gone.
    gone: BTreeSet<Box<str>>,
    /// Such a sentence speaks of what was said before.
    refers: bool,
    /// She wants all of a kind of people told.
    everybody: bool,
}

impl Wording {
    /// Takes in folded words in order, punctuation and all.
    pub(crate) fn hear(&mut self, raw: &[&str]) {
        let tells = |word: &str| {
            let mut sends = words::VERBS.iter().filter(|verb| verb.effect == Effect::Send);
            sends.any(|verb| verb.said.contains(&trim(word)))
        };
        self.everybody |= raw.iter().enumerate().any(|(at, word)| {
            let before = raw.get(at.saturating_sub(NEAR)..at).unwrap_or_default();
            ALL.contains(&trim(word)) && before.iter().any(|word| tells(word))
        });
        for sentence in raw.split_inclusive(|word| *word == "\u{1}" || word.ends_with(['.', '!', '?', ';'])) {
            let mut own: BTreeSet<Box<str>> = BTreeSet::new();
            sentence.iter().for_each(|word| tokens(word, &mut own));
            let sentence = sentence.get(..sentence.len().min(LONG)).unwrap_or_default();
            if destroys(sentence) {
                self.refers |= refers(sentence);
                objects(sentence, &mut self.gone);
            }
            self.all.append(&mut own);
        }
        for set in [&mut self.all, &mut self.gone] {
            while set.len() > MOST {
                set.pop_last();
            }
        }
    }

    /// Words that may mean what is to be gone.
    pub(crate) const fn gone(&self) -> &BTreeSet<Box<str>> {
        if self.refers { &self.all } else { &self.gone }
    }

    pub(crate) const fn all(&self) -> &BTreeSet<Box<str>> {
        &self.all
    }

    /// What is to be gone is what she spoke of before.
    pub(crate) const fn refers(&self) -> bool {
        self.refers
    }

    /// Does she want all of a kind of people told?
    pub(crate) const fn everybody(&self) -> bool {
        self.everybody
    }
}

/// Does this sentence want something gone?
fn destroys(sentence: &[&str]) -> bool {
    let deletes = || words::VERBS.iter().filter(|verb| verb.effect == Effect::Delete);
    let says = |word: &str| deletes().any(|verb| verb.said.contains(&word));
    sentence.iter().any(|word| says(trim(word))) || Speech::of(sentence).deeds.iter().any(|deed| says(deed))
}

/// What stands after the verb that wants it gone, up to the next verb; where nothing does, what stands before it.
fn objects(sentence: &[&str], into: &mut BTreeSet<Box<str>>) {
    let verb = |word: &str| words::VERBS.iter().any(|verb| verb.said.contains(&trim(word)));
    let mut before = 0;
    for (at, word) in sentence.iter().enumerate() {
        if !destroys(std::slice::from_ref(word)) {
            continue;
        }
        let mut after = BTreeSet::new();
        let mut last = *word;
        for next in sentence.get(at + 1..).unwrap_or_default() {
            let joins = last.ends_with(',') || JOINS.contains(&trim(last));
            if JOINS_ALONE.contains(&trim(next)) || joins && verb(next) {
                break;
            }
            tokens(next, &mut after);
            last = next;
        }
        if after.is_empty() {
            let front = sentence.get(before..at).unwrap_or_default();
            front.iter().for_each(|word| tokens(word, &mut after));
        }
        before = at + 1;
        into.append(&mut after);
    }
    // A verb in two parts: `sag den Termin ab`.
    if before == 0 {
        sentence.iter().for_each(|word| tokens(word, into));
    }
}

/// Is it something said before that this sentence wants gone: `erase his record`, and not `delete the draft that she sent him`?
fn refers(sentence: &[&str]) -> bool {
    sentence.iter().enumerate().any(|(at, word)| {
        let soon = sentence.get(at + 1..).unwrap_or_default().iter().take(SOON);
        destroys(std::slice::from_ref(word)) && soon.into_iter().any(|word| BEFORE.contains(&trim(word)))
    })
}

/// The words of a folded text that may single something out.
pub(crate) fn tokens(folded: &str, into: &mut BTreeSet<Box<str>>) {
    for part in folded.split(|c: char| !c.is_alphanumeric()) {
        let digits = part.bytes().any(|b| b.is_ascii_digit());
        let long = part.chars().count() >= if digits { 2 } else { 3 };
        let number = part.bytes().all(|b| b.is_ascii_digit()) && part.len() < 4;
        if long && !number && part.len() <= BYTES && !LITTLE.contains(&part) {
            into.insert(words::singular(part).into());
        }
    }
}

/// A day as a word.
pub(crate) fn day(when: &When) -> Option<Box<str>> {
    let (month, date) = when.day?;
    Some(format!("\u{2}{}-{month}-{date}", when.year?).into())
}
