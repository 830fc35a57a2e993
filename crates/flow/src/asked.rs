//! What the sentences that want something done say: verbs, values, and to whom something is to go.

use std::collections::BTreeSet;

use crate::{canon, prompt};

/// Most words of a prompt's orders that are kept.
const MOST: usize = 2048;

/// Words of clauses that say what is not to be done, up to where the clause ends.
pub(crate) fn unsaid<'a>(asked: &[&'a str]) -> Vec<&'a str> {
    const NOT: [&str; 9] = [
        "not", "don't", "dont", "never", "nicht", "no", "pas", "niet", "without",
    ];
    let mut quiet = false;
    let mut out = Vec::with_capacity(asked.len());
    for word in asked {
        quiet |= NOT.contains(&prompt::trim(word));
        out.push(if quiet { "\u{1}" } else { *word });
        if word.ends_with(['.', ',', ';', ':', '!', '?']) || *word == "but" {
            quiet = false;
        }
    }
    out
}

/// The keys of what stands in these words.
pub(crate) fn told(asked: &[&str]) -> BTreeSet<String> {
    let keys = asked
        .iter()
        .take(MOST)
        .map(|word| prompt::trim(word))
        .filter(|word| word.len() <= 64);
    keys.filter_map(|word| canon::canonical(word).ok())
        .map(|value| value.key.into_string())
        .collect()
}

/// Verbs that she says, and those that her phrases come to.
pub(crate) fn deeds(said: &BTreeSet<&str>, asked: &[&str], wanted: &[&str]) -> BTreeSet<String> {
    let has = |words: &[&str], deed: &str| words.iter().any(|word| prompt::trim(word) == deed);
    said.iter()
        .filter(|deed| deed.len() <= 64 && (has(wanted, deed) || !has(asked, deed)))
        .take(MOST)
        .map(|deed| (*deed).to_owned())
        .collect()
}

/// Places and addresses that she writes out behind a word that hands something over.
pub(crate) fn handed(asked: &[&str]) -> BTreeSet<String> {
    const TO: [&str; 12] = [
        "to", "into", "an", "à", "aan", "til", "till", "para", "do", "->", "→", "=>",
    ];
    const MOST: usize = 64;
    let place = |word: &str| {
        let bare = prompt::trim(word);
        let key = canon::canonical(bare).ok()?.key;
        let marked = bare.starts_with(['#', '@']) && bare.len() > 2;
        (marked || key.starts_with("e:")).then(|| key.into_string())
    };
    let pairs = asked.windows(2).filter_map(|pair| match pair {
        [to, word] if TO.contains(to) => place(word),
        _ => None,
    });
    pairs.take(MOST).collect()
}

/// Whom she wants something passed on to, by a name: `the list to Mei`, `a short summary to Bola`.
pub(crate) fn named_for(asked: &[&str]) -> BTreeSet<String> {
    const TO: [&str; 6] = ["to", "an", "à", "aan", "para", "til"];
    const PASSED_ON: &[&str] = &[
        "pass",
        "forward",
        "send",
        "hand",
        "dm",
        "mail",
        "email",
        "text",
        "message",
        "relay",
        "list",
        "summary",
        "note",
        "overview",
        "digest",
        "recap",
        "update",
        "numbers",
        "figures",
        "copy",
        "word",
        "line",
        "heads-up",
        "zusammenfassung",
        "liste",
        "überblick",
        "résumé",
        "samenvatting",
        "overzicht",
        "resumen",
        "riassunto",
    ];
    /// How far the word before it may be.
    const APART: usize = 8;
    const MOST: usize = 64;
    let ends = |word: &str| word.ends_with(['.', '!', '?', ';', ':']) || word == "\u{1}";
    let name = |word: &str| {
        let bare = prompt::trim(word);
        (bare.chars().count() > 2 && bare.chars().all(char::is_alphabetic)).then(|| bare.to_owned())
    };
    let names = asked.iter().enumerate().filter_map(|(at, to)| {
        let clause = asked.get(at.saturating_sub(APART)..at).unwrap_or_default();
        let start = clause
            .iter()
            .rposition(|word| ends(word))
            .map_or(0, |end| end + 1);
        let own = clause.get(start..).unwrap_or_default();
        let passes = own.iter().any(|word| PASSED_ON.contains(&prompt::trim(word)));
        (TO.contains(to) && passes)
            .then(|| name(asked.get(at + 1)?))
            .flatten()
    });
    names.take(MOST).collect()
}
