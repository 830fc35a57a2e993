//! Secrets: keys, tokens and passwords, by the formats their vendors publish.
//!
//! One pass over the text finds the words that formats start with or are named by; only around a hit is a format's own
//! automaton run, on a bounded stretch. What has no word but a check of its own is looked for in long runs of letters and
//! digits. So time is linear in the text.
//! A finding never carries the secret: [`Secret`] is a place and a format.

mod check;
mod formats;
mod quoted;
mod runs;
mod screen;

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use crate::safe::part;
use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};

pub use check::Check;
pub use formats::{FORMATS, Format, Rule};
use screen::Screen;

/// Longest stretch that a format is matched on, beyond the word.
const STRETCH: usize = 12_100;
/// Most of what stands between a name and its value, without what opens the value.
const BETWEEN: &str = r#"[\w.\- \[\]]{0,40}?(?:\\?["'`])?[\])]?\s{0,4}(?:=>|:=|==?|:|,|is |lautet |ist |est |es |é |è |är |是|为|為|は|는 |은 |هي |है )\s{0,4}"#;
/// What opens a value.
const OPENING: &str = r#"(?:[bru]|\\?["'`(]){0,3}"#;
/// Most secrets reported of one text: more than there is room for in a window of `stream`.
const FOUND_MOST: usize = 8192;

/// A secret in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Secret {
    /// Its format.
    pub format: &'static Format,
    /// Its bytes.
    pub range: Range<usize>,
    /// How sure, in thousandths.
    pub score: u16,
}

struct Engine {
    words: Screen,
    /// For each word the formats it belongs to.
    owners: Vec<Vec<u16>>,
    patterns: Vec<OnceLock<Option<Regex>>>,
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut words: Vec<&str> = FORMATS
        .iter()
        .flat_map(|format| format.words.iter().copied())
        .collect();
    words.sort_unstable();
    words.dedup();
    let owners = words
        .iter()
        .map(|word| {
            let owns = |format: &&(usize, &Format)| format.1.words.contains(word);
            let formats: Vec<(usize, &Format)> = FORMATS.iter().enumerate().collect();
            formats.iter().filter(owns).map(|(at, _)| *at as u16).collect()
        })
        .collect();
    Engine {
        words: Screen::new(words),
        owners,
        patterns: FORMATS.iter().map(|_| OnceLock::new()).collect(),
    }
});

impl Engine {
    fn pattern(&self, at: usize) -> Option<&Regex> {
        self.patterns
            .get(at)?
            .get_or_init(|| compile(FORMATS.get(at)?))
            .as_ref()
    }
}

/// A format's automaton. A named one has its value in the group `s`.
fn compile(format: &Format) -> Option<Regex> {
    let pattern = match format.rule {
        Rule::Prefixed | Rule::Around => format.pattern.to_owned(),
        // What stands in quotes may be anything, so where it opens is enough to go on with.
        Rule::Named if quoted::may_be(format) => format!(
            "{BETWEEN}{OPENING}(?P<s>{})|{BETWEEN}[bru]{{0,2}}\\\\?(?P<q>[\"'`])",
            format.pattern
        ),
        Rule::Named => format!("{BETWEEN}{OPENING}(?P<s>{})", format.pattern),
    };
    // Bytes decide boundaries, and classes are those of ASCII: smaller automata, and the same matches.
    let syntax = regex_automata::util::syntax::Config::new()
        .unicode(false)
        .utf8(false);
    Regex::builder()
        .syntax(syntax)
        .configure(
            Regex::config()
                .utf8_empty(false)
                .nfa_size_limit(Some(8 << 20))
                .hybrid_cache_capacity(1 << 20),
        )
        .build(&pattern)
        .ok()
}

/// Finds secrets. Of overlapping ones the surer stays, and of equally sure ones the earlier in [`FORMATS`].
#[must_use]
pub fn find(text: &str) -> Vec<Secret> {
    let engine = &*ENGINE;
    let mut found: Vec<(usize, Secret)> = Vec::new();
    engine.words.find(text.as_bytes(), |word, spelt| {
        engine.at(word, spelt, text, &mut found);
        found.len() < FOUND_MOST
    });
    runs::find(text, |id, range| {
        let format = FORMATS.iter().enumerate().find(|(_, format)| format.id == id);
        if let Some((at, format)) = format
            && let Some(value) = text.get(range.clone())
            && !stand_in(format, value)
            && found.len() < FOUND_MOST
        {
            let secret = Secret {
                format,
                range,
                score: 1000,
            };
            found.push((at, secret));
        }
    });
    settle(found)
}

fn settle(mut found: Vec<(usize, Secret)>) -> Vec<Secret> {
    found.sort_by(|(at, one), (other, two)| {
        two.score
            .cmp(&one.score)
            .then(at.cmp(other))
            .then(one.range.start.cmp(&two.range.start))
    });
    let mut kept = std::collections::BTreeMap::<usize, Secret>::new();
    for (_, secret) in found {
        let before = kept.range(..secret.range.end).next_back();
        if before.is_none_or(|(_, before)| before.range.end <= secret.range.start) {
            kept.insert(secret.range.start, secret);
        }
    }
    kept.into_values().collect()
}

impl Engine {
    /// What stands at a word.
    fn at(&self, word: usize, spelt: Range<usize>, text: &str, found: &mut Vec<(usize, Secret)>) {
        for owner in self.owners.get(word).into_iter().flatten() {
            let at = usize::from(*owner);
            if let Some(format) = FORMATS.get(at)
                && let Some(secret) = self.look(at, format, text, spelt.clone())
            {
                found.push((at, secret));
            }
        }
    }

    /// Whether this format is at this word.
    fn look(&self, at: usize, format: &'static Format, text: &str, word: Range<usize>) -> Option<Secret> {
        let bytes = text.as_bytes();
        let before = word.start.checked_sub(1).and_then(|at| bytes.get(at));
        let (from, anchored) = match format.rule {
            Rule::Prefixed => {
                let exact = bytes
                    .get(word.clone())
                    .is_some_and(|spelt| format.words.iter().any(|word| word.as_bytes() == spelt));
                if !exact || before.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
                    return None;
                }
                (word.start, Anchored::Yes)
            }
            Rule::Named if quoted::may_be(format) && quoted::is_in_resource_name(bytes, word.start) => {
                return None;
            }
            Rule::Named => (word.end, Anchored::Yes),
            Rule::Around if format.pattern.starts_with("(?P<s>") => {
                // The word stands inside or behind the secret: start where its characters start.
                let start = part(bytes, ..word.start)
                    .iter()
                    .rev()
                    .take(80)
                    .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                    .count();
                (word.start - start, Anchored::Yes)
            }
            Rule::Around => (word.start, Anchored::Yes),
        };
        let end = bytes.len().min(word.end + STRETCH);
        let pattern = self.pattern(at)?;
        let input = Input::new(bytes).range(from..end).anchored(anchored);
        // Most words are just words, and asking that first needs no memory.
        if !pattern.is_match(input.clone()) {
            return None;
        }
        let mut slots = pattern.create_captures();
        pattern.search_captures(&input, &mut slots);
        let range = if quoted::may_be(format) {
            let place = |name| slots.get_group_by_name(name).map(|span| span.range());
            quoted::whole(bytes, place("s"), place("q"))?
        } else {
            let span = slots.get_group_by_name("s").or_else(|| slots.get_group(0))?;
            span.range()
        };
        let value = text.get(range.clone())?;
        // What goes on with the same characters is something longer.
        let next = bytes.get(range.end);
        let ends = !next.is_some_and(u8::is_ascii_alphanumeric)
            || format.rule == Rule::Around
            || range.start > 0 && quoted::is_quote(bytes.get(range.start - 1));
        let real = ends && entropy(value) >= format.entropy && !stand_in(format, value);
        let score = check::judge(format.check, value).filter(|_| real)?;
        let score = if format.rule == Rule::Named {
            score.min(800)
        } else {
            score
        };
        Some(Secret { format, range, score })
    }
}

/// Keys that vendors print in their own manuals.
const MANUALS: [&str; 5] = [
    "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "sk_test_BQokikJOvBiI2HlWgH4olfQ2",
    "rk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "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",
    "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
];

/// Stand-ins: examples of manuals, one repeated character.
fn stand_in(format: &Format, value: &str) -> bool {
    let upper = value.to_ascii_uppercase();
    upper.ends_with("EXAMPLE")
        || upper.contains("EXAMPLEKEY")
        || upper.contains("XXXXXX")
        || MANUALS.contains(&value)
        || (format.rule == Rule::Named && check::placeholder(value))
}

/// Shannon entropy in bits per character.
#[must_use]
pub fn entropy(value: &str) -> f32 {
    let mut counts = [0_u32; 256];
    for byte in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let all = value.len() as f32;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = *count as f32 / all;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests;
