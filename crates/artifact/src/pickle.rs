//! Pickles, in every wrapping that hides one within bytes: streams of several, torch's legacy format, pickles in pickles.

mod allow;
mod argument;
mod asked;
mod build;
mod call;
mod checked;
mod classes;
mod escape;
mod held;
mod import;
mod joblib;
mod keyed;
mod machine;
mod maker;
mod memo;
mod named;
mod nested;
pub(crate) mod opcode;
mod state;
mod text;
mod value;
mod watch;
mod wild;

use machine::Machine;
use value::Value;

pub(crate) use allow::{Use, look_up};

use crate::{
    carried,
    feed::{Feed, Stop},
    finding::Verdict,
    rule,
    scan::Scan,
    source::View,
};

/// The first pickle of torch's legacy format, as LONG1 has it.
pub(crate) const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// What the loader of a pickle does beyond the plain one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Context {
    /// It knows persistent ids.
    pub(crate) persistent: bool,
    /// It turns `torch.…Storage` into a type by name and imports nothing.
    pub(crate) storages: bool,
    /// Bytes that are not meant as a pickle are followed on suspicion: start anywhere, forgive an empty stack.
    probing: bool,
}

impl Context {
    /// torch's loader.
    pub(crate) const TORCH: Self = Self {
        persistent: true,
        storages: true,
        probing: false,
    };
}

/// How one pickle ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// At STOP, with this value.
    Stopped(Value),
    /// At this offset, for this reason; all before it would have run.
    Broke(u64, String),
    /// At this offset, because a limit was reached.
    Limit(u64),
    /// Because reading failed.
    Unread(Stop),
}

impl Ending {
    /// Whether STOP was reached.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Self::Stopped(_))
    }
}

/// Follows one pickle and says nothing of how it ended.
fn one(feed: &mut Feed<'_>, scan: &mut Scan<'_>, context: &Context, depth: u32) -> Ending {
    one_noting(feed, scan, context, depth).0
}

fn one_noting(feed: &mut Feed<'_>, scan: &mut Scan<'_>, context: &Context, depth: u32) -> (Ending, bool) {
    if depth > scan.limits.depth {
        return (Ending::Limit(feed.offset()), false);
    }
    let mut machine = Machine::new(feed, scan, context, depth);
    let ending = machine.run();
    machine.settled();
    machine.settle_keys();
    machine.tamed();
    (ending, machine.legacy)
}

/// Says how a pickle ended, unless it was at STOP.
fn tell(scan: &mut Scan<'_>, ending: &Ending) {
    match ending {
        Ending::Stopped(_) => {}
        Ending::Broke(at, why) => scan.find(
            &rule::BREAKS,
            Verdict::Unknown,
            *at,
            "break",
            format!("breaks: {why}"),
        ),
        Ending::Limit(at) => scan.find(
            &rule::LIMIT,
            Verdict::Unknown,
            *at,
            "pickle",
            "holds more values, or deeper pickles, than are followed".to_owned(),
        ),
        Ending::Unread(stop) => scan.stopped(*stop, 0),
    }
}

/// Follows all pickles of a feed to its end. Returns what it is.
pub(crate) fn stream(feed: &mut Feed<'_>, scan: &mut Scan<'_>, context: &Context) -> &'static str {
    let (first, legacy) = one_noting(feed, scan, context, 0);
    tell(scan, &first);
    if !first.is_whole() {
        return "pickle";
    }
    if legacy {
        return legacy_torch(feed, scan);
    }
    let tail = further(feed, scan, context);
    if let Tail::Foreign(at) = tail {
        trailing(scan, at);
    }
    if tail == Tail::Several {
        "pickles"
    } else {
        "pickle"
    }
}

/// What follows a pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    Nothing,
    Several,
    /// From this offset on, bytes that are no pickle.
    Foreign(u64),
}

fn trailing(scan: &mut Scan<'_>, at: u64) {
    let what = "bytes that are no pickle follow; a loader may read on".to_owned();
    scan.find(&rule::TRAILING, Verdict::Unknown, at, "trailing", what);
}

/// Follows the pickles after the first, to the end or to what is none.
fn further(feed: &mut Feed<'_>, scan: &mut Scan<'_>, context: &Context) -> Tail {
    let mut tail = Tail::Nothing;
    loop {
        let at = feed.offset();
        let next = match feed.peek(2) {
            Ok([]) => return tail,
            Ok(next) => next.to_vec(),
            Err(stop) => {
                scan.stopped(stop, at);
                return tail;
            }
        };
        let mark = scan.mark();
        let ending = one(feed, scan, context, 0);
        if !ending.is_whole() {
            let pickle = matches!(next.as_slice(), [0x80, 0..=5]);
            if !pickle && scan.worst_since(mark) < Verdict::Suspicious {
                scan.forget(mark);
                return Tail::Foreign(at);
            }
            tell(scan, &ending);
            return tail;
        }
        tail = Tail::Several;
    }
}

/// Magic number, protocol, system, object, keys of storages; then the storages, which are numbers.
fn legacy_torch(feed: &mut Feed<'_>, scan: &mut Scan<'_>) -> &'static str {
    for _ in 0..4 {
        let ending = one(feed, scan, &Context::TORCH, 0);
        tell(scan, &ending);
        if !ending.is_whole() {
            return "torch legacy";
        }
    }
    // Storages begin with a count. More pickles are for a loader that reads on, as many as there are.
    let mut rest;
    loop {
        let mark = scan.mark();
        rest = feed.offset();
        let ending = one(feed, scan, &Context::TORCH, 0);
        let harmful = scan.worst_since(mark) >= Verdict::Malicious;
        if !harmful {
            scan.forget(mark);
        }
        if harmful || !ending.is_whole() {
            break;
        }
    }
    if let Some(view) = feed.seekable() {
        let left = view.part(rest, feed.end().saturating_sub(rest));
        carried::look(scan, left, carried::Among::Bytes);
    }
    "torch legacy"
}

/// Whether a pickle without its mark may begin with these bytes.
pub(crate) fn may_begin(head: &[u8]) -> bool {
    matches!(
        head.first().copied(),
        Some(
            opcode::GLOBAL
                | opcode::INST
                | opcode::MARK
                | opcode::EMPTY_LIST
                | opcode::EMPTY_DICT
                | opcode::EMPTY_TUPLE
                | opcode::BINUNICODE
                | opcode::SHORT_BINUNICODE
                | opcode::UNICODE
                | opcode::STRING
                | opcode::BINSTRING
                | opcode::SHORT_BINSTRING
                | opcode::BINUNICODE8
                | opcode::FRAME
                | opcode::NONE
                | opcode::BININT1
        )
    )
}

/// Follows a single pickle that something else contains; says how it ended. Returns whether it ended at STOP.
pub(crate) fn single(feed: &mut Feed<'_>, scan: &mut Scan<'_>, context: &Context) -> bool {
    let ending = one(feed, scan, context, 0);
    tell(scan, &ending);
    ending.is_whole()
}

/// Follows bytes as opcodes on suspicion and leaves no finding; the worst that it met.
pub(crate) fn probe(scan: &mut Scan<'_>, view: View<'_>) -> Verdict {
    let context = Context {
        persistent: true,
        storages: true,
        probing: true,
    };
    let mark = scan.mark();
    let before = scan.opcodes;
    let mut feed = Feed::view(view);
    one(&mut feed, scan, &context, 1);
    scan.opcodes = before;
    let worst = scan.worst_since(mark);
    let limits: Vec<_> = scan
        .forget(mark)
        .into_iter()
        .filter(|finding| finding.rule == &rule::LIMIT)
        .collect();
    for limit in limits {
        scan.find(
            limit.rule,
            limit.severity,
            limit.place.offset,
            &limit.subject,
            limit.what,
        );
    }
    worst
}

/// The same where the bytes are meant as a pickle, or may be: one that is whole counts whatever it asks for, as chance makes
/// none that asks for something by its name.
pub(crate) fn sound(scan: &mut Scan<'_>, view: View<'_>) -> Verdict {
    let probed = probe(scan, view);
    if probed == Verdict::Malicious || probed == Verdict::Clean {
        return probed;
    }
    let (mark, before) = (scan.mark(), scan.opcodes);
    let whole = one(&mut Feed::view(view), scan, &Context::TORCH, 1).is_whole();
    scan.opcodes = before;
    let worst = scan.worst_since(mark);
    scan.forget(mark);
    if whole { worst } else { Verdict::Clean }
}

/// Whether a file of another format runs code when it is taken for a pickle. Leaves no finding.
pub(crate) fn poses(scan: &mut Scan<'_>, view: View<'_>) -> bool {
    let mark = scan.mark();
    let before = scan.opcodes;
    one(&mut Feed::view(view), scan, &Context::default(), 1);
    scan.opcodes = before;
    let harmful = scan.worst_since(mark) >= Verdict::Malicious;
    scan.forget(mark);
    harmful
}

/// What bytes of no known format are to a loader of pickles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guess {
    /// Nothing. No finding stays.
    Other,
    /// A pickle of protocol 0 or 1, or several; or the beginning of one that runs code. Findings stay.
    Pickle,
    /// A pickle, and from this offset on something else. Findings stay.
    Front(u64),
}

/// Looks whether bytes of no known format are pickles of protocol 0 or 1, which begin with no mark.
pub(crate) fn guess(scan: &mut Scan<'_>, view: View<'_>) -> Guess {
    let mark = scan.mark();
    let mut feed = Feed::view(view);
    let before = scan.opcodes;
    let (ending, legacy) = one_noting(&mut feed, scan, &Context::default(), 0);
    let plausible = match ending {
        Ending::Stopped(_) => feed.offset() == view.size() || scan.opcodes - before > 2,
        _ => scan.worst_since(mark) >= Verdict::Malicious,
    };
    if !plausible {
        scan.forget(mark);
        scan.opcodes = before;
        return Guess::Other;
    }
    if !ending.is_whole() {
        return Guess::Pickle;
    }
    if legacy {
        legacy_torch(&mut feed, scan);
        return Guess::Pickle;
    }
    match further(&mut feed, scan, &Context::default()) {
        Tail::Foreign(at) => {
            let rest = view.bytes(at, 64).unwrap_or_default();
            let blank = rest.len() < 64 && rest.iter().all(u8::is_ascii_whitespace);
            if blank { Guess::Pickle } else { Guess::Front(at) }
        }
        _ => Guess::Pickle,
    }
}

/// Whether they are. What follows them is a finding.
pub(crate) fn guessed(scan: &mut Scan<'_>, view: View<'_>) -> bool {
    match guess(scan, view) {
        Guess::Other => false,
        Guess::Pickle => true,
        Guess::Front(at) => {
            trailing(scan, at);
            true
        }
    }
}
