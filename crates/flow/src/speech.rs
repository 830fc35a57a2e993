//! How people say what they want done: which deeds a prompt names, in the words that tools are named by.
//!
//! Ordinary phrases (`let Ann know`, `put it off`), the same in a few languages, and words that mean a deed only where
//! something or somebody other than the speaker follows (`tell Bo`, not `tell me`). All of it comes down to the English
//! verbs of [`crate::words`]. A closed vocabulary: it names kinds of deeds and things, and nobody's data.

mod foreign;

use std::collections::BTreeSet;

use self::foreign::{FOREIGN, THINGS};
use crate::prompt::trim;

/// Verbs that people part: the first word, the second at most [`APART`] words later, and what both mean together.
const PARTED: &[(&[&str], &[&str], &str)] = &[
    (&["let"], &["know"], "inform"),
    (&["laat"], &["weten"], "inform"),
    (&["daj", "dajcie", "proszę"], &["znać"], "inform"),
    (&["confirm", "confirmed"], &["him", "her", "them", "to"], "inform"),
    (&["sag", "sage", "sagt"], &["ihm", "ihr", "ihnen"], "inform"),
    (&["with"], &["note", "comment", "remark"], "comment"),
    (&["say"], &["yes", "no", "sorry", "hello", "thanks"], "reply"),
    (
        &["leave", "add", "put", "write", "post", "drop", "make"],
        &["comment", "comments", "remark"],
        "comment",
    ),
    (
        &["zet", "zetten", "setz", "setze", "leg", "put", "place"],
        &["pauze", "pause", "hold"],
        "update",
    ),
    (
        &["drop", "leave", "shoot"],
        &["line", "note", "message"],
        "notify",
    ),
    (&["needs", "need", "gets", "get", "should"], ACCESS, "grant"),
    (&["needs", "need", "gets", "get", "should"], ACCESS, "give"),
    (
        &[
            "mets", "mettez", "pon", "ponga", "metti", "setz", "setze", "trag", "trage", "zet", "legg",
            "sett",
        ],
        AGENDA,
        "schedule",
    ),
    (&["into"], AGENDA, "schedule"),
    (&["into"], AGENDA, "create"),
    (&["fais", "faites"], &["savoir"], "inform"),
    (&["fai", "fate", "faccia"], &["sapere"], "inform"),
    (&["haz", "haga"], &["saber"], "inform"),
    (&["get", "write", "message"], &["back"], "reply"),
    (&["put", "push"], &["off", "back"], "postpone"),
    (&["bring", "pull"], &["forward"], "reschedule"),
    (&["call"], &["off"], "cancel"),
    (&["take"], &["off", "out", "down"], "remove"),
    (&["take"], &["down"], "unpublish"),
    (&["get"], &["rid"], "delete"),
    (&["throw"], &["away", "out"], "delete"),
    (&["set", "line"], &["up"], "schedule"),
    (&["set", "draw", "write", "make"], &["up"], "create"),
    (&["put", "pencil", "squeeze"], &["in", "down"], "book"),
    (&["sign"], &["up"], "register"),
    (&["turn", "switch"], &["on", "off", "up", "down"], "set"),
    (&["turn", "switch"], &["on"], "enable"),
    (&["turn", "switch", "shut"], &["off", "down"], "disable"),
    (&["open"], &["up"], "open"),
    (&["fill"], &["in", "out"], "update"),
    (&["hand"], &["over"], "assign"),
    (&["pay", "send", "give", "transfer"], &["back"], "refund"),
    (&["give", "grant", "gib", "gebt"], ACCESS, "grant"),
    (&["give", "grant", "gib", "gebt"], ACCESS, "share"),
    (&["give", "grant", "gib", "gebt"], ACCESS, "set"),
    (&["roll"], &["back"], "rollback"),
    (&["roll"], &["out", "back"], "deploy"),
    (&["kick"], &["off"], "start"),
    (&["top"], &["up"], "add"),
    (&["get", "make", "have"], &["ready"], "create"),
    // German.
    (&["sag", "sage", "sagen"], &["ab"], "cancel"),
    (&["sag", "sage", "gib", "gebt"], &["bescheid"], "inform"),
    (&["lade", "lad", "ladet"], &["ein"], "invite"),
    (
        &["trag", "trage", "füge", "nimm"],
        &["ein", "hinzu", "auf"],
        "add",
    ),
    (&["leg", "lege", "setz", "setze"], &["an", "auf"], "create"),
    (
        &["mach", "mache", "schalt", "schalte"],
        &["an", "ein", "aus"],
        "set",
    ),
    (&["schließ", "schließe", "sperr", "sperre"], &["ab"], "lock"),
    (&["leite", "leit", "schick", "schicke"], &["weiter"], "forward"),
    (&["lösch", "lösche"], &["heraus"], "delete"),
    (&["mach", "mache", "stell", "stelle"], &["fertig"], "create"),
];
const APART: usize = 9;
/// Where appointments are put.
const AGENDA: &[&str] = &[
    "agenda",
    "calendrier",
    "calendario",
    "kalender",
    "kalenderen",
    "calendar",
    "diary",
];
/// What is given to who may do more than before.
const ACCESS: &[&str] = &[
    "access",
    "permission",
    "permissions",
    "rights",
    "zugriff",
    "zugang",
    "schreibrechte",
    "leserechte",
    "rechte",
];

/// Deeds that need somebody else as their object: `tell Bo`, `answer him`. What the speaker wants told herself is none.
const TO_OTHERS: &[&str] = &[
    "tell",
    "answer",
    "remind",
    "ping",
    "update",
    "write",
    "ask",
    "thank",
    "congratulate",
    "text",
    "call",
    "message",
    "invite",
    "inform",
    "notify",
    "reassure",
    "warn",
    "nudge",
    "chase",
    "whatsapp",
    "dm",
    "sms",
    "slack",
];
/// The speaker, and what a question is about.
const ME: &[&str] = &[
    "me",
    "us",
    "my",
    "our",
    "myself",
    "if",
    "whether",
    "what",
    "why",
    "how",
    "when",
    "where",
    "which",
    "this",
    "that",
    "these",
    "those",
    "a",
    "an",
    "some",
    "it",
    "in",
    "about",
    "question",
    "questions",
];

/// Who it is that does something, in what is told; and whom one writes to.
const WE: &[&str] = &[
    "i", "i'm", "i'll", "we", "we're", "we'll", "it", "it's", "he", "she", "they", "my", "our", "the",
    "there",
];
const WHOM: &[&str] = &[
    "to",
    "him",
    "her",
    "them",
    "everyone",
    "everybody",
    "whoever",
    "mr",
    "mrs",
    "ms",
    "dr",
];

/// What is made for somebody.
const MADE: &[&str] = &[
    "to-do",
    "todo",
    "task",
    "ticket",
    "issue",
    "appointment",
    "meeting",
    "event",
    "note",
    "invoice",
];

/// Deeds that are nothing but words to somebody, whatever carries them.
pub(crate) const TALK: &[&str] = &[
    "reply",
    "respond",
    "answer",
    "forward",
    "inform",
    "notify",
    "remind",
    "tell",
    "ping",
    "thank",
    "warn",
    "nudge",
    "chase",
    "congratulate",
    "ask",
    "whatsapp",
    "dm",
    "sms",
    "slack",
    "reassure",
];
/// What carries words.
const CARRIERS: &[&str] = &[
    "email",
    "mail",
    "message",
    "dm",
    "sms",
    "chat",
    "text",
    "gmail",
    "whatsapp",
    "slack",
    "reply",
    "mailbox",
    "inbox",
    "outbox",
    "comment",
    "telegram",
    "teams",
    "messenger",
];
/// Where words are answered: `answer in the thread`.
const PLACES: &[&str] = &[
    "thread",
    "ticket",
    "chat",
    "channel",
    "case",
    "issue",
    "conversation",
    "group",
    "dm",
];

/// The deeds and things that a prompt names beside its own words.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    /// English verbs.
    pub(crate) deeds: BTreeSet<&'static str>,
    /// English nouns.
    pub(crate) things: BTreeSet<&'static str>,
    /// She wants somebody to be told something.
    pub(crate) talks: bool,
}

impl Speech {
    /// Of folded words in order, punctuation and all.
    pub(crate) fn of(raw: &[&str]) -> Self {
        let words: Vec<&str> = raw.iter().map(|word| whole(trim(word))).collect();
        let mut speech = Self::default();
        speech.unspaced(raw);
        for (at, word) in words.iter().enumerate() {
            let rest = words.get(at + 1..).unwrap_or_default();
            // A clause ends what is parted.
            let clause = raw
                .get(at..)
                .unwrap_or_default()
                .iter()
                .take(APART)
                .take_while(|word| !word.ends_with(['.', '!', '?', ';', ':']) && **word != "\u{1}")
                .count();
            let next = rest.first().copied().unwrap_or_default();
            // `mets-le`, `dites-lui`: what follows is whom or what.
            let head = word.split_once('-').map_or(*word, |(head, _)| head);
            for (first, second, deed) in PARTED {
                let parted = (first.contains(word) || first.contains(&head))
                    && !(*deed == "inform" && *word != "confirm" && ME.contains(&next))
                    && rest.iter().take(clause).any(|later| second.contains(later));
                if parted {
                    speech.deeds.insert(deed);
                }
            }
            for (forms, deeds) in FOREIGN {
                if forms.contains(word) || forms.contains(&head) {
                    speech.deeds.extend(deeds.iter());
                    speech.talks |= deeds
                        .iter()
                        .any(|deed| ["send", "write", "inform"].contains(deed));
                }
            }
            speech.talks |= *word == "send" && !ME.contains(&next);
            speech.talks |= ["by", "per", "via", "par", "por"].contains(word) && CARRIERS.contains(&next);
            for (forms, thing) in THINGS {
                if forms.contains(word) {
                    speech.things.insert(thing);
                }
            }
            // `Say so in #ops`: told in a place that is marked as one.
            let marked = |word: &&&str| word.starts_with(['#', '@']) && word.len() > 2;
            if ["say", "report", "mention", "announce", "note", "write"].contains(word)
                && raw
                    .get(at + 1..)
                    .unwrap_or_default()
                    .iter()
                    .take(clause)
                    .any(|word| marked(&word))
            {
                speech.deeds.extend(["post", "send"]);
                speech.talks = true;
            }
            speech.only_named(raw, &words, at);
            let told = TO_OTHERS.iter().find(|deed| *deed == word);
            if let Some(deed) = told.filter(|_| !next.is_empty() && next != "\u{1}" && !ME.contains(&next)) {
                speech.deeds.insert(deed);
                speech.talks |= TALK.contains(deed);
            }
            speech.talks |= ["reply", "respond", "forward"].contains(word) && next != "me";
            if answers(word, rest) {
                speech.deeds.insert("reply");
                speech.talks = true;
            }
        }
        speech.talks |= speech.deeds.iter().any(|deed| TALK.contains(deed));
        speech
    }

    /// Languages that part no words: what is told or sent is looked for within them.
    fn unspaced(&mut self, raw: &[&str]) {
        const TOLD: &[&str] = &[
            "伝えて",
            "返信し",
            "返信を",
            "知らせて",
            "連絡して",
            "送ってください",
            "送って下さい",
            "送信して",
            "告诉",
            "告訴",
            "回复",
            "回覆",
            "通知",
            "发送给",
            "發送給",
            "알려",
            "답장",
            "보내줘",
            "보내주",
        ];
        const MAIL: &[&str] = &["メール", "邮件", "郵件", "메일"];
        let any = |list: &[&str]| {
            raw.iter()
                .any(|word| !word.is_ascii() && list.iter().any(|part| word.contains(part)))
        };
        if any(TOLD) {
            self.deeds.extend(["inform", "reply", "send"]);
            self.talks = true;
        }
        if any(MAIL) {
            self.things.insert("email");
        }
    }

    /// `A letter to Owen, please`, `And a to-do for Lucie`, `als kurze Mail an Ute`: what is wanted is only named.
    fn only_named(&mut self, raw: &[&str], words: &[&str], at: usize) {
        const AND: &[&str] = &["and", "also", "plus", "und", "et", "y", "e", "og"];
        const ONE: &[&str] = &["a", "an", "one", "eine", "einen", "un", "une", "una"];
        const AS: &[&str] = &["as", "als", "comme", "como", "come"];
        const TO: &[&str] = &["to", "for", "an", "à", "für", "para", "til", "aan", "per"];
        let is = |at: Option<usize>, list: &[&str]| {
            at.and_then(|at| words.get(at))
                .is_some_and(|word| list.contains(word))
        };
        if !is(at.checked_add(1), TO) {
            return;
        }
        let begins = |at: usize| {
            let before = at.checked_sub(1);
            let stop = before
                .and_then(|at| raw.get(at))
                .is_some_and(|word| word.ends_with(['.', '!', '?', ';', ':', ',']) || *word == "\u{1}");
            before.is_none() || stop || is(before, AND)
        };
        let article = |back: usize| {
            at.checked_sub(back)
                .is_some_and(|at| is(Some(at), ONE) && begins(at))
        };
        let alone = begins(at) || article(1) || article(2);
        let shaped = (1..=3).any(|back| is(at.checked_sub(back), AS));
        if (alone || shaped) && (is(Some(at), CARRIERS) || is(Some(at), &["letter", "reminder"])) {
            self.deeds.extend(["send", "write"]);
            self.talks = true;
        } else if alone && is(Some(at), MADE) {
            self.deeds.extend(["create", "add"]);
        }
    }
}

/// `Answer in the thread`, `answer that we agree`, `write to her`; and not `answer in Spanish`, `write a page`.
fn answers(word: &str, rest: &[&str]) -> bool {
    let next = rest.first().copied().unwrap_or_default();
    let says = ["answer", "reply", "respond", "write", "say"].contains(&word);
    let there = ["in", "on"].contains(&next) && rest.iter().take(4).any(|word| PLACES.contains(word));
    let that = next == "that" && rest.get(1).is_some_and(|word| WE.contains(word));
    says && (there || that) || ["write", "text", "message"].contains(&word) && WHOM.contains(&next)
}

/// A word without the article or pronoun that French and Italian draw into it: `l'agenda`, `dell'ordine`.
pub(crate) fn whole(word: &str) -> &str {
    const DRAWN: [&str; 17] = [
        "l", "d", "j", "m", "t", "s", "n", "c", "qu", "dell", "all", "nell", "sull", "dall", "un", "quell",
        "jusqu",
    ];
    match word.split_once(['\'', '’']) {
        Some((front, rest)) if DRAWN.contains(&front) && rest.len() > 2 => rest,
        _ => word,
    }
}

/// Whether a tool of these words carries what is said to somebody.
pub(crate) fn carries(words: &[&str]) -> bool {
    words.iter().any(|word| CARRIERS.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speech(text: &str) -> Speech {
        let folded = text.to_lowercase();
        Speech::of(&folded.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn parted_verbs_mean_one_deed() {
        for (text, deed) in [
            ("Let the Meiers know by mail.", "inform"),
            ("Can you put the meeting off?", "postpone"),
            ("Sag bitte alle Termine ab", "cancel"),
            ("please call the whole thing off", "cancel"),
            ("Schicke es an Ute", "send"),
            ("Envoie un rappel", "send"),
        ] {
            assert!(speech(text).deeds.contains(deed), "{text}: {:?}", speech(text));
        }
        assert!(
            !speech("Put it in the list. The offer is off.")
                .deeds
                .contains("postpone")
        );
    }

    #[test]
    fn what_she_wants_told_herself_is_no_message() {
        for text in [
            "Tell me what it says",
            "let me know",
            "Answer this question",
            "remind me of it",
        ] {
            assert!(!speech(text).talks, "{text}");
        }
        for text in [
            "Tell Bo that it works",
            "answer him",
            "let Ann know",
            "Reply that we come",
        ] {
            assert!(speech(text).talks, "{text}");
        }
    }
}
