//! Values that an answer may not carry: what was shown to an upstream as a credential, and comes back from it.
//!
//! Each is known by its exact bytes, as it is, as JSON may spell it and in the codings of `coded`, and a mark takes its place;
//! of one that is `Basic`'s the same holds for what it encodes. In a stream a value may also come in pieces, each the end, the
//! whole or the start of a JSON string of another event: what may still become one is held back, event by event, and goes as
//! it came where it becomes none.
//!
//! What it does not find: a value in yet another coding, one that is encoded and comes in pieces of several events, one that
//! was cut short, and the first bytes (fewer than `TELLING`) of one that comes in pieces.
//!
//! INVARIANT: of a stream that holds no value, the bytes given are the bytes pushed.

mod coded;

use std::{collections::VecDeque, fmt, mem, ops::Range, sync::Arc};

use memchr::{memchr, memchr2, memmem::Finder, memrchr_iter};

/// What stands in a value's place. It needs no escape in JSON, and ends no line.
pub const MARK: &str = "[credential withheld]";
/// Shorter values are left: they stand in ordinary text, too.
const SHORTEST: usize = 8;
/// From how many bytes on the start of a value is held back.
const TELLING: usize = 4;
/// How many pushes a started value waits for its next piece.
const PATIENCE: u64 = 8;
/// Started values that are followed at once.
const FOLLOWED: usize = 64;
/// Bytes held back at most.
const HELD_BYTES: usize = 1 << 20;
/// Bytes before a JSON string by which the next piece of a text is known.
const LEAD: usize = 6;

/// The values. Cheap to clone.
#[derive(Clone)]
pub struct Echo(Arc<Values>);

struct Values {
    /// As they were given.
    plain: Vec<Vec<u8>>,
    /// Each in every spelling of JSON's, and so what `Basic` encodes.
    finders: Vec<Finder<'static>>,
    /// The same in other codings, the longest first.
    coded: Vec<Finder<'static>>,
}

impl fmt::Debug for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Echo({} values)", self.0.plain.len())
    }
}

impl Echo {
    /// Of these values. `None`: none of them is long enough.
    #[must_use]
    pub fn new<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Option<Self> {
        let mut plain: Vec<Vec<u8>> = Vec::new();
        for value in values {
            if value.len() >= SHORTEST && !plain.iter().any(|known| known == value) {
                plain.push(value.to_vec());
            }
        }
        // Where one is a part of another, the longer one is replaced first.
        plain.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let inner = plain.iter().filter_map(|value| coded::basic(value)).flatten();
        let inner: Vec<Vec<u8>> = inner.filter(|value| value.len() >= SHORTEST).collect();
        let mut finders = Vec::with_capacity(plain.len());
        let mut encoded: Vec<Vec<u8>> = Vec::new();
        for value in plain.iter().chain(&inner) {
            encoded.extend(coded::spellings(value));
            let strict = escaped(value, b"\"\\");
            let slashes = escaped(value, b"\"\\/");
            let mut spellings = vec![value.clone(), strict, slashes];
            spellings.dedup();
            finders.extend(
                spellings
                    .iter()
                    .map(|spelling| Finder::new(spelling).into_owned()),
            );
        }
        encoded.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        let coded = encoded
            .iter()
            .map(|spelling| Finder::new(spelling).into_owned())
            .collect();
        (!plain.is_empty()).then(|| {
            Self(Arc::new(Values {
                plain,
                finders,
                coded,
            }))
        })
    }

    /// Whether it is of just these values.
    #[must_use]
    pub fn is_of<'v>(&self, values: impl IntoIterator<Item = &'v [u8]>) -> bool {
        let mut count = 0_usize;
        for value in values.into_iter().filter(|value| value.len() >= SHORTEST) {
            if !self.0.plain.iter().any(|known| known == value) {
                return false;
            }
            count += 1;
        }
        count == self.0.plain.len()
    }

    /// Every spelling, those of values as they are before those of other codings.
    fn all(&self) -> impl Iterator<Item = &Finder<'static>> {
        self.0.finders.iter().chain(&self.0.coded)
    }

    /// Whether one of them stands in some bytes.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.all()
            .any(|finder| bytes.len() >= finder.needle().len() && finder.find(bytes).is_some())
    }

    /// The bytes without any of them. `None`: none is there.
    #[must_use]
    pub fn without(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut clean: Option<Vec<u8>> = None;
        for finder in self.all() {
            let replaced = replaced(finder, clean.as_deref().unwrap_or(bytes));
            clean = replaced.or(clean);
        }
        clean
    }
}

fn escaped(value: &[u8], which: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for byte in value {
        if which.contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

fn replaced(finder: &Finder<'_>, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut found = finder.find(bytes);
    found?;
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = found {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(MARK.as_bytes());
        rest = rest.get(at + finder.needle().len()..).unwrap_or_default();
        found = finder.find(rest);
    }
    out.extend_from_slice(rest);
    Some(out)
}

/// Bytes of a push that are part of a value.
#[derive(Debug, Clone)]
struct Piece {
    push: u64,
    range: Range<usize>,
}

/// A value that has begun, and may go on in the next piece of its text.
#[derive(Debug, Clone)]
struct Begun {
    /// Which spelling.
    spelling: usize,
    /// How much of it has come.
    bytes: usize,
    /// What stands before the strings that it comes in.
    lead: [u8; LEAD],
    /// The last push with a piece.
    last: u64,
    /// Where it is; not what came before it was telling, for that has gone.
    pieces: Vec<Piece>,
}

/// A push that is held back, and the pieces to be taken from it; `true`: the mark stands there instead.
struct Held {
    push: u64,
    bytes: Vec<u8>,
    taken: Vec<(Range<usize>, bool)>,
}

/// Takes the values out of a stream of events.
pub struct Strainer {
    echo: Echo,
    pushes: u64,
    begun: Vec<Begun>,
    held: VecDeque<Held>,
    held_bytes: usize,
    took: bool,
}

impl fmt::Debug for Strainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Strainer({} bytes held)", self.held_bytes)
    }
}

impl Strainer {
    /// For a stream that may hold these values.
    #[must_use]
    pub const fn new(echo: Echo) -> Self {
        Self {
            echo,
            pushes: 0,
            begun: Vec::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            took: false,
        }
    }

    /// Whether something is held back.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether a value was taken out since this was last asked.
    pub fn took(&mut self) -> bool {
        mem::take(&mut self.took)
    }

    /// Takes one or more whole events. `None`: they go as they are. Else what goes now, which may be nothing.
    pub fn push(&mut self, events: &[u8]) -> Option<Vec<u8>> {
        self.pushes += 1;
        let clean = self.echo.without(events);
        self.took |= clean.is_some();
        let whole = self.follow(clean.as_deref().unwrap_or(events));
        let waits = self.begun.iter().any(|one| !one.pieces.is_empty());
        if self.held.is_empty() && !waits && whole.is_empty() {
            return clean;
        }
        let bytes = clean.unwrap_or_else(|| events.to_vec());
        self.held_bytes += bytes.len();
        self.held.push_back(Held {
            push: self.pushes,
            bytes,
            taken: Vec::new(),
        });
        for pieces in &whole {
            self.take(pieces);
        }
        if self.held_bytes > HELD_BYTES {
            self.begun.clear();
        }
        let needed = self
            .begun
            .iter()
            .filter_map(|one| one.pieces.first())
            .map(|piece| piece.push)
            .min();
        Some(self.release(needed.unwrap_or(u64::MAX)))
    }

    /// The stream ended: gives what is held back.
    pub fn finish(&mut self) -> Vec<u8> {
        self.begun.clear();
        self.release(u64::MAX)
    }

    /// Follows the values that the strings of some events begin, go on with or end. Gives the places of those that are whole.
    fn follow(&mut self, events: &[u8]) -> Vec<Vec<Piece>> {
        let push = self.pushes;
        let mut whole = Vec::new();
        self.begun.retain(|one| push.saturating_sub(one.last) <= PATIENCE);
        let finders = Arc::clone(&self.echo.0);
        for (range, lead) in (Strings { bytes: events, at: 0 }) {
            let text = events.get(range.clone()).unwrap_or_default();
            self.go_on(&finders.finders, text, (&range, lead), &mut whole);
            self.begin(&finders.finders, text, (&range, lead));
        }
        whole
    }

    /// A string may be the next piece of what has begun.
    fn go_on(
        &mut self,
        finders: &[Finder<'_>],
        text: &[u8],
        (range, lead): (&Range<usize>, [u8; LEAD]),
        whole: &mut Vec<Vec<Piece>>,
    ) {
        if text.is_empty() {
            return;
        }
        let push = self.pushes;
        // The one that waits longest: texts beside each other take turns.
        let next = self
            .begun
            .iter()
            .enumerate()
            .filter(|(_, one)| one.lead == lead)
            .filter_map(|(at, one)| {
                let value = finders.get(one.spelling)?.needle();
                let rest = value.get(one.bytes..)?;
                let goes_on = if text.len() < rest.len() {
                    rest.starts_with(text)
                } else {
                    text.starts_with(rest)
                };
                goes_on.then_some((at, one.pieces.is_empty(), one.last, rest.len()))
            })
            .min_by_key(|(_, small, last, _)| (*small, *last));
        let Some((at, small, _, left)) = next else {
            return;
        };
        let mut one = if small {
            // Another string may go on with it as well.
            match self.begun.get(at) {
                Some(one) => one.clone(),
                None => return,
            }
        } else {
            self.begun.swap_remove(at)
        };
        let length = text.len().min(left);
        one.bytes += length;
        one.last = push;
        one.pieces.push(Piece {
            push,
            range: range.start..range.start + length,
        });
        if length == left {
            whole.push(one.pieces);
            return;
        }
        if one.bytes < TELLING {
            one.pieces.clear();
        }
        self.note(one);
    }

    /// A value may begin at the end of a string.
    fn begin(&mut self, finders: &[Finder<'_>], text: &[u8], (range, lead): (&Range<usize>, [u8; LEAD])) {
        for (spelling, finder) in finders.iter().enumerate() {
            let value = finder.needle();
            let most = text.len().min(value.len().saturating_sub(1));
            let (Some(first), Some(tail)) = (value.first(), text.get(text.len() - most..)) else {
                continue;
            };
            for at in memrchr_iter(*first, tail) {
                let start = tail.get(at..).unwrap_or_default();
                if !value.starts_with(start) {
                    continue;
                }
                let bytes = start.len();
                let mut pieces = Vec::new();
                if bytes >= TELLING {
                    pieces.push(Piece {
                        push: self.pushes,
                        range: range.end - bytes..range.end,
                    });
                }
                self.note(Begun {
                    spelling,
                    bytes,
                    lead,
                    last: self.pushes,
                    pieces,
                });
            }
        }
    }

    fn note(&mut self, one: Begun) {
        if one.pieces.is_empty() {
            let same = |known: &&mut Begun| {
                known.pieces.is_empty()
                    && (known.spelling, known.bytes, known.lead) == (one.spelling, one.bytes, one.lead)
            };
            if let Some(known) = self.begun.iter_mut().find(same) {
                known.last = one.last;
                return;
            }
        }
        if self.begun.len() >= FOLLOWED {
            let oldest = self
                .begun
                .iter()
                .enumerate()
                .min_by_key(|(_, one)| (!one.pieces.is_empty(), one.last));
            if let Some((at, _)) = oldest {
                self.begun.swap_remove(at);
            }
        }
        self.begun.push(one);
    }

    /// Takes a whole value out of what is held back.
    fn take(&mut self, pieces: &[Piece]) {
        for (number, piece) in pieces.iter().enumerate() {
            let held = self.held.iter_mut().find(|held| held.push == piece.push);
            if let Some(held) = held {
                held.taken.push((piece.range.clone(), number == 0));
                self.took = true;
            }
        }
    }

    /// Gives what came before this push.
    fn release(&mut self, before: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while self.held.front().is_some_and(|held| held.push < before)
            && let Some(mut held) = self.held.pop_front()
        {
            self.held_bytes = self.held_bytes.saturating_sub(held.bytes.len());
            held.taken.sort_by_key(|(range, _)| range.start);
            let mut at = 0;
            for (range, marked) in &held.taken {
                out.extend_from_slice(held.bytes.get(at..range.start).unwrap_or_default());
                if *marked {
                    out.extend_from_slice(MARK.as_bytes());
                }
                at = at.max(range.end);
            }
            out.extend_from_slice(held.bytes.get(at..).unwrap_or_default());
        }
        out
    }
}

/// The strings of JSON in some events that are no names of members, with what stands before each.
struct Strings<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Iterator for Strings<'_> {
    type Item = (Range<usize>, [u8; LEAD]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let open = self.at + memchr(b'"', self.bytes.get(self.at..)?)?;
            let start = open + 1;
            let mut end = start;
            loop {
                end += memchr2(b'"', b'\\', self.bytes.get(end..)?)?;
                if self.bytes.get(end) == Some(&b'"') {
                    break;
                }
                end += 2;
            }
            self.at = end + 1;
            let behind = self.bytes.get(self.at..).unwrap_or_default();
            if behind.trim_ascii_start().first() == Some(&b':') {
                continue;
            }
            let before = self.bytes.get(..open).unwrap_or_default().trim_ascii_end();
            let mut lead = [0; LEAD];
            for (to, from) in lead.iter_mut().rev().zip(before.iter().rev()) {
                *to = *from;
            }
            return Some((start..end, lead));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "sk-proj-9f8Q2mZ7LxT4vB6nR1wY3cD5";

    fn echo() -> Echo {
        Echo::new([KEY.as_bytes()]).unwrap()
    }

    fn chat(index: usize, text: &str) -> String {
        format!(
            "data: {{\"model\":\"m\",\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
        )
    }

    fn strained(pushes: &[String]) -> (String, bool) {
        let mut strainer = Strainer::new(echo());
        let mut out = Vec::new();
        for push in pushes {
            match strainer.push(push.as_bytes()) {
                None => out.extend_from_slice(push.as_bytes()),
                Some(now) => out.extend_from_slice(&now),
            }
        }
        out.extend_from_slice(&strainer.finish());
        (String::from_utf8(out).unwrap(), strainer.took())
    }

    /// The texts of the deltas of one choice, put together.
    fn said(stream: &str, index: usize) -> String {
        let events = stream
            .split("\n\n")
            .filter_map(|event| event.strip_prefix("data: "));
        events
            .filter_map(|data| serde_json::from_str::<serde_json::Value>(data).ok())
            .filter(|event| event["choices"][0]["index"] == index)
            .map(|event| {
                event["choices"][0]["delta"]["content"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn a_value_is_replaced_wherever_it_stands_in_a_body() {
        let body = format!("{{\"error\":\"Incorrect key: {KEY}, {KEY}\"}}");
        let clean = String::from_utf8(echo().without(body.as_bytes()).unwrap()).unwrap();
        assert_eq!(clean, format!("{{\"error\":\"Incorrect key: {MARK}, {MARK}\"}}"));
        assert!(echo().is_in(body.as_bytes()));
        assert_eq!(echo().without(b"{\"error\":\"sk-proj-...\"}"), None);
    }

    #[test]
    fn a_value_is_known_as_json_spells_it_and_a_short_one_is_left() {
        let echo = Echo::new([&b"a/b\"c\\defgh"[..], b"short"]).unwrap();
        for spelled in ["a/b\\\"c\\\\defgh", "a\\/b\\\"c\\\\defgh", "a/b\"c\\defgh"] {
            assert_eq!(echo.without(spelled.as_bytes()).as_deref(), Some(MARK.as_bytes()));
        }
        assert!(Echo::new([&b"short"[..]]).is_none());
        assert!(echo.is_of([&b"a/b\"c\\defgh"[..], b"short"]));
        assert!(!echo.is_of([KEY.as_bytes()]));
        assert_eq!(format!("{echo:?}"), "Echo(1 values)");
    }

    #[test]
    fn what_only_begins_like_a_value_goes_as_it_came() {
        let texts = ["the sk-p", "roj is", " sk-proj-", "9f8", " no"];
        let pushes: Vec<String> = texts.iter().map(|text| chat(0, text)).collect();
        assert_eq!(strained(&pushes), (pushes.concat(), false));
    }

    #[test]
    fn a_value_in_single_characters_is_taken_out_of_each_of_two_texts() {
        let mut pushes = vec![chat(0, "the key is "), chat(1, "it is ")];
        for one in KEY.chars() {
            let one = one.to_string();
            pushes.push(chat(0, &one));
            pushes.push(chat(1, &one));
        }
        pushes.extend([chat(0, "."), chat(1, "!")]);
        let (out, took) = strained(&pushes);
        assert!(took);
        // What came before it told itself is all there is of it.
        assert_eq!(said(&out, 0), format!("the key is sk-{MARK}."));
        assert_eq!(said(&out, 1), format!("it is sk-{MARK}!"));
    }

    #[test]
    fn what_basic_encodes_is_known_as_it_is_and_encoded() {
        // `user:password` in base64.
        let echo = Echo::new([&b"dXNlcjpwYXNzd29yZA=="[..]]).unwrap();
        for said in [
            "dXNlcjpwYXNzd29yZA==",
            "user:password",
            "the password",
            "cGFzc3dvcmQ=",
            "70617373776f7264",
        ] {
            let clean = String::from_utf8(echo.without(said.as_bytes()).unwrap()).unwrap();
            assert!(clean.contains(MARK), "{said}: {clean}");
        }
        assert_eq!(echo.without(b"the user, a passwor"), None);
        assert!(echo.is_of([&b"dXNlcjpwYXNzd29yZA=="[..]]));
    }

    #[test]
    fn a_value_that_is_encoded_is_taken_out_of_its_event_however_events_come_together() {
        let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
        let texts = [
            "it is ",
            hex.as_str(),
            " or c2stcHJvai05ZjhRMm1aN0x4VDR2QjZuUjF3WTNjRDU=",
            " so",
        ];
        let events: Vec<String> = texts.iter().map(|text| chat(0, text)).collect();
        let expected = strained(&events);
        assert_eq!(expected.0.matches(MARK).count(), 2, "{expected:?}");
        for together in 1..=events.len() {
            let pushes: Vec<String> = events.chunks(together).map(|some| some.concat()).collect();
            assert_eq!(strained(&pushes), expected, "{together} together");
        }
    }

    proptest! {
        #[test]
        fn a_value_in_any_pieces_is_taken_out(lengths in prop::collection::vec(1_usize..9, 1..12), together in 1_usize..4) {
            let whole = format!("before {KEY} after");
            let mut events = Vec::new();
            let mut rest = whole.as_str();
            for length in lengths.iter().cycle() {
                if rest.is_empty() { break }
                let (piece, left) = rest.split_at((*length).min(rest.len()));
                events.push(chat(0, piece));
                rest = left;
            }
            let pushes: Vec<String> = events.chunks(together).map(|some| some.concat()).collect();
            let (out, took) = strained(&pushes);
            prop_assert!(took);
            let said = said(&out, 0);
            prop_assert!(!said.contains("sk-p") && said.contains(MARK), "{}", said);
            prop_assert!(said.starts_with("before ") && said.ends_with(" after"), "{}", said);
        }
    }
}
