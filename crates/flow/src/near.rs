//! Which vouched value an unvouched one is like (tier 4). It explains to humans and to records, and allows nothing: no
//! rule reads it, so a wrong guess misleads nobody but a reader.
//!
//! Made only when a call is not let through. Bounded: [`COMPARED`] values are looked at for one argument, the newest
//! first, and most fall out by their length or their letters before distances are computed.

use bartizan_types::flow::{Like, Likeness, Source};
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::skeleton;

use crate::{
    canon::{self, Kind},
    memory::Memory,
    prompt,
};

/// Longest value that is compared, in bytes, and shortest, in characters: short words are all alike.
const LONGEST: usize = 128;
const SHORTEST: usize = 5;
/// Values of one kind that an argument is compared with at most: facts, and words of the prompt.
const COMPARED: usize = 1024;
/// Most words of a name that is looked for among words of the prompt.
const WORDS: usize = 6;
/// Values of fewer characters may differ in one of them, others in two.
const ONE_BELOW: usize = 8;

/// The vouched value that an unvouched one is most like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// How, and who vouches for it.
    pub like: Like,
    /// It, as it is spelled there, or canonical.
    pub value: String,
}

impl Memory {
    /// The vouched value that this text is like and is not. `None` also where the text is too short or too long to say.
    #[must_use]
    pub fn near(&self, text: &str) -> Option<Near> {
        let seen = Seen::of(text)?;
        let mut best = Best::default();
        let mut offer = |value: &str, source| best.offer(seen.likeness(value), source, value);
        for (value, source) in self.vouched().take(COMPARED) {
            offer(value, source);
        }
        for value in self.prompt.typed_values().take(COMPARED) {
            offer(value, Source::Prompt);
        }
        for name in self.prompt.names(seen.words.min(WORDS), COMPARED) {
            offer(&name, Source::Prompt);
        }
        for domain in self.tenants() {
            let how = seen.host.as_deref().and_then(|host| host_like(host, domain));
            best.offer(how, Source::Directory, domain);
        }
        best.0
    }
}

/// What is most alike so far; of two that are as much alike, what is better vouched for.
#[derive(Default)]
struct Best(Option<Near>);

impl Best {
    fn offer(&mut self, how: Option<Likeness>, source: Source, value: &str) {
        let Some(how) = how else { return };
        let known = self.0.as_ref().map(|near| (near.like.how, near.like.source));
        if known.is_none_or(|known| (how, source) < known) {
            let (like, value) = (Like { how, source }, value.to_owned());
            self.0 = Some(Near { like, value });
        }
    }
}

/// An unvouched value as it is compared.
struct Seen {
    /// Small letters, without what does not show.
    plain: String,
    /// What it looks like.
    shape: String,
    letters: [u8; 64],
    count: usize,
    words: usize,
    /// An address or account, which nobody numbers in a row.
    address: bool,
    /// The part before `@`, of an address.
    local: Option<String>,
    host: Option<String>,
}

impl Seen {
    fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > LONGEST {
            return None;
        }
        let plain = shown(text);
        let count = plain.chars().count();
        if count < SHORTEST {
            return None;
        }
        let value = canon::canonical(&plain).ok();
        if matches!(
            value.as_ref().map(|value| &value.kind),
            Some(Kind::Number | Kind::When(_))
        ) {
            // The next number or day is as near as any.
            return None;
        }
        let (local, host) = parts(&plain);
        Some(Self {
            shape: shape(&plain),
            letters: histogram(&plain),
            words: plain.split(' ').count(),
            local: local.map(str::to_owned),
            host: host.map(str::to_owned),
            plain,
            count,
            address: value.is_some_and(|value| prompt::shape(&value.key).is_some()),
        })
    }

    fn likeness(&self, value: &str) -> Option<Likeness> {
        let value = value.trim();
        if !(SHORTEST..=LONGEST).contains(&value.len()) {
            return None;
        }
        let other = shown(value);
        if other == self.plain {
            // It differs in what does not show, or it would be the same.
            return Some(Likeness::LooksTheSame);
        }
        let count = other.chars().count();
        // `m` looks like `rn`.
        if count.abs_diff(self.count) <= 4 && shape(&other) == self.shape {
            return Some(Likeness::LooksTheSame);
        }
        if self.few_letters(&other, count) {
            return Some(Likeness::Letters);
        }
        let (local, host) = parts(&other);
        let (mine, theirs) = (self.host.as_deref()?, host?);
        match (self.local.as_deref(), local) {
            (Some(mine_local), Some(their_local)) if mine_local == their_local && mine != theirs => {
                Some(host_like(mine, theirs).unwrap_or(Likeness::OtherHost))
            }
            (None, None) if mine != theirs => host_like(mine, theirs),
            _ => None,
        }
    }

    fn few_letters(&self, other: &str, count: usize) -> bool {
        let most = if self.count.min(count) < ONE_BELOW { 1 } else { 2 };
        let far = |left: &[u8; 64], right: &[u8; 64]| {
            let each = left
                .iter()
                .zip(right)
                .map(|(left, right)| usize::from(left.abs_diff(*right)));
            each.sum::<usize>() > 2 * most
        };
        if count.abs_diff(self.count) > most || far(&self.letters, &histogram(other)) {
            return false;
        }
        // Records are numbered, so the next one's id is no slip of the pen.
        let counted = !self.address && letters_of(&self.plain).eq(letters_of(other));
        !counted && strsim::osa_distance(&self.plain, other) <= most
    }
}

/// A host that is like another: to the eye, by a letter or two, or with the other one inside.
fn host_like(mine: &str, theirs: &str) -> Option<Likeness> {
    if mine == theirs || mine.len() > LONGEST || theirs.len() > LONGEST {
        return None;
    }
    if shape(mine) == shape(theirs) {
        return Some(Likeness::LooksTheSame);
    }
    let rest = mine.strip_prefix(theirs);
    if rest.is_some_and(|rest| rest.starts_with(['.', '-'])) {
        return Some(Likeness::Around);
    }
    let (short, close) = (
        mine.len().min(theirs.len()) < ONE_BELOW,
        mine.len().abs_diff(theirs.len()) <= 2,
    );
    let most = if short { 1 } else { 2 };
    (close && strsim::osa_distance(mine, theirs) <= most).then_some(Likeness::Letters)
}

/// Mailbox and host of an address, or the host of a link.
fn parts(plain: &str) -> (Option<&str>, Option<&str>) {
    match plain.split_once('@') {
        Some((local, host)) if !plain.contains("://") && !local.contains(' ') => (Some(local), Some(host)),
        _ => (None, prompt::host_of(plain)),
    }
}

/// What shows of it, in small letters.
fn shown(text: &str) -> String {
    let seen = text.nfkc().filter(|c| !canon::invisible(*c) || c.is_whitespace());
    let small: String = seen.flat_map(char::to_lowercase).collect();
    small.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What it looks like (UTS 39 skeleton), whatever is a capital.
fn shape(plain: &str) -> String {
    skeleton(plain).flat_map(char::to_lowercase).collect()
}

fn letters_of(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_numeric())
}

/// How often each letter stands in it, roughly: a letter that is changed moves two of them by one.
fn histogram(text: &str) -> [u8; 64] {
    let mut counts = [0_u8; 64];
    for c in text.chars() {
        if let Some(count) = counts.get_mut(u32::from(c) as usize & 63) {
            *count = count.saturating_add(1);
        }
    }
    counts
}
