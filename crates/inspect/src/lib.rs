//! Detectors over content: instructions that do not belong, secrets, personal data, hidden text, addresses that carry
//! data away, and descriptions of tools that lie.
//!
//! A detector returns what it saw and where, and rules on nothing. It refuses to be the gate: content inspection misses
//! what it has not learnt, so flow and policy carry the weight, and what is here is evidence for them
//! (docs/design/inspect.md tells how much it is worth).
//!
//! INVARIANT: a span lies within the inspected bytes (`tests::spans_lie_in_the_input`); time and memory are linear in
//! the input; equal input gives equal findings; no finding holds the text it is about.

mod bits;
pub mod canary;
pub mod digits;
pub mod document;
pub mod injection;
pub mod output;
pub mod pii;
pub mod redact;
mod safe;
pub mod secrets;
pub mod stream;
pub mod tools;
pub mod urls;
pub mod view;

use std::ops::Range;

use bartizan_types::{Finding, FindingKind, Severity, Span};

use canary::Canaries;
use view::{Cut, Disguise, Form, View};

/// Where a text comes from. Each has thresholds of its own, since what is ordinary in one is strange in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// What a person typed to an agent.
    User,
    /// What a tool answered.
    Tool,
    /// A document or a web page.
    Document,
    /// A mail or a message.
    Mail,
    /// A tool's or a server's description of itself.
    Description,
    /// An operator's or a project's instructions.
    System,
}

impl Channel {
    /// How many there are.
    pub const COUNT: usize = 6;
    /// All, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::User,
        Self::Tool,
        Self::Document,
        Self::Mail,
        Self::Description,
        Self::System,
    ];

    /// Its place in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Tool => "tool",
            Self::Document => "document",
            Self::Mail => "mail",
            Self::Description => "description",
            Self::System => "system",
        }
    }
}

/// Which detectors run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted(u8);

impl Wanted {
    /// Instructions that do not belong.
    pub const INJECTION: Self = Self(1);
    /// Keys, tokens, passwords.
    pub const SECRETS: Self = Self(2);
    /// Personal data.
    pub const PERSONAL: Self = Self(4);
    /// Addresses that carry data away.
    pub const ADDRESSES: Self = Self(8);
    /// Text hidden from people.
    pub const HIDDEN: Self = Self(16);
    /// Everything.
    pub const ALL: Self = Self(31);
    /// Everything but the classifier.
    pub const DATA: Self = Self(30);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a detector saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The kind policy reads.
    pub kind: FindingKind,
    /// More exactly: a secret's format, a kind of personal data, a disguise.
    pub what: &'static str,
    /// How bad it is if right.
    pub severity: Severity,
    /// How sure, in thousandths.
    pub score: u16,
    /// Bytes of the input.
    pub span: Range<usize>,
    /// How it was written.
    pub form: Form,
    /// Parts of the input that speak most for it, strongest first, each with its weight. Of an injection only.
    pub because: Vec<(Range<usize>, f32)>,
    /// How far above its threshold, in log odds. Of an injection only.
    pub above: Option<f32>,
}

impl Seen {
    /// As evidence.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Finding {
            kind: self.kind,
            what: self.what.into(),
            severity: self.severity,
            score: self.score.min(1000),
            span: Some(Span {
                start: place(self.span.start),
                end: place(self.span.end),
            }),
            pointer: String::new(),
            taxonomy: taxonomy(self.kind).iter().map(|id| (*id).to_owned()).collect(),
        }
    }
}

/// MITRE ATLAS techniques and OWASP agentic risks that a kind is a sign of.
#[must_use]
pub const fn taxonomy(kind: FindingKind) -> &'static [&'static str] {
    match kind {
        FindingKind::Injection => &["AML.T0051", "ASI01"],
        FindingKind::HiddenText => &["AML.T0068", "ASI01"],
        FindingKind::Secret | FindingKind::PersonalData => &["AML.T0057"],
        FindingKind::ExfiltrationAddress => &["AML.T0025", "ASI02"],
        FindingKind::PoisonedDescription => &["AML.T0051.001", "ASI02"],
        FindingKind::LookAlikeName => &["ASI04"],
        FindingKind::Canary => &["AML.T0057", "AML.T0025"],
        _ => &[],
    }
}

/// What was seen in one text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// In order of place.
    pub seen: Vec<Seen>,
    /// A bound was reached, and some decoded layer went unseen.
    pub cut: bool,
    /// The first that went unseen, and its place in the input.
    pub first_cut: Option<Cut>,
    /// The highest score of the injection classifier over all layers, in log odds, and the threshold of the channel.
    pub injection: Option<(f32, f32)>,
}

impl Report {
    /// Takes over that a view of a window, `base` bytes into the text, is not whole.
    fn cut_short(&mut self, view: &View<'_>, base: usize) {
        self.cut |= view.cut;
        if self.first_cut.is_none() {
            self.first_cut = view.first_cut.as_ref().map(|cut| Cut {
                origin: cut.origin.start + base..cut.origin.end + base,
                ..*cut
            });
        }
    }
}

/// Most injections reported of one layer.
const INJECTIONS_MOST: usize = 16;

/// Inspects a text. A long one is read in windows, as [`stream::Inspector`] reads it.
#[must_use]
pub fn inspect(channel: Channel, bytes: &[u8], wanted: Wanted, canaries: &Canaries) -> Report {
    if bytes.len() > stream::BLOCK + stream::AFTER {
        let mut inspector = stream::Inspector::new(channel, wanted, canaries.clone());
        inspector.push(bytes);
        return inspector.finish();
    }
    let mut report = Report::default();
    window(channel, bytes, wanted, canaries, 0, 0..usize::MAX, &mut report);
    settle(&mut report.seen);
    report
}

/// Adds what is seen in a window of a text, which starts `base` bytes into it. Findings that start outside of `keep`
/// are another window's.
fn window(
    channel: Channel,
    bytes: &[u8],
    wanted: Wanted,
    canaries: &Canaries,
    base: usize,
    keep: Range<usize>,
    report: &mut Report,
) {
    let view = View::new(bytes);
    report.cut_short(&view, base);
    let within = |span: &Range<usize>| keep.contains(&span.start);
    let moved = |span: Range<usize>| span.start + base..span.end + base;
    for (index, layer) in view.layers().iter().enumerate() {
        let text: &str = &layer.text;
        // What was undone elsewhere in the layer says nothing of these words.
        let changes = |range: &Range<usize>| {
            let span = view.origin(index, range.clone());
            let words = String::from_utf8_lossy(bytes.get(span).unwrap_or_default());
            differ(&words, text.get(range.clone()).unwrap_or_default())
        };
        let is_disguised =
            |range: &Range<usize>| !matches!(layer.form, Form::Plain | Form::Markup) && changes(range);
        let mut add = |seen: Local| {
            let span = view.origin(index, seen.range.clone());
            if !within(&span) {
                return;
            }
            let changed = layer.form == Form::Markup || is_disguised(&seen.range);
            let because = seen
                .because
                .into_iter()
                .map(|(range, weight)| (moved(view.origin(index, range)), weight))
                .collect();
            let Judged {
                kind,
                what,
                severity,
                score,
            } = seen.judged;
            report.seen.push(Seen {
                kind,
                what,
                severity,
                score,
                span: moved(span),
                form: if changed { layer.form } else { Form::Plain },
                because,
                above: seen.above,
            });
        };
        data(text, wanted, canaries, &mut add);
        if wanted.has(Wanted::INJECTION) {
            let (highest, threshold) =
                injection::find(channel, text, &is_disguised, INJECTIONS_MOST, &mut add);
            let before = report.injection.map_or(f32::MIN, |(before, _)| before);
            report.injection = Some((highest.max(before), threshold));
        }
    }
    if wanted.has(Wanted::HIDDEN) {
        let marks = view.marks.iter().filter(|mark| within(&mark.origin));
        report.seen.extend(marks.map(|mark| {
            let seen = hidden(mark);
            Seen {
                span: moved(seen.span.clone()),
                ..seen
            }
        }));
    }
}

/// Whether two texts are of other words.
fn differ(one: &str, other: &str) -> bool {
    let words = |text: &'_ str| -> Vec<String> {
        let parts = text.split(|c: char| !c.is_alphanumeric());
        parts.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    words(one) != words(other)
}

/// What is seen in a layer besides injections. A layer that rewrites all of its parent repeats what was seen there;
/// `settle` drops the repetitions.
fn data(text: &str, wanted: Wanted, canaries: &Canaries, add: &mut impl FnMut(Local)) {
    if wanted.has(Wanted::SECRETS) {
        secret(text, add);
    }
    if wanted.has(Wanted::PERSONAL) {
        personal(text, add);
    }
    if wanted.has(Wanted::ADDRESSES) {
        addresses(text, add);
    }
    for range in canaries.find(text) {
        add(Local::new(
            range,
            FindingKind::Canary,
            "canary",
            Severity::Critical,
            1000,
        ));
    }
}

/// What a detector judged, without a place.
#[derive(Debug, Clone, Copy)]
struct Judged {
    kind: FindingKind,
    what: &'static str,
    severity: Severity,
    score: u16,
}

/// Something seen in one layer.
struct Local {
    range: Range<usize>,
    judged: Judged,
    because: Vec<(Range<usize>, f32)>,
    above: Option<f32>,
}

impl Local {
    const fn new(
        range: Range<usize>,
        kind: FindingKind,
        what: &'static str,
        severity: Severity,
        score: u16,
    ) -> Self {
        Self {
            range,
            judged: Judged {
                kind,
                what,
                severity,
                score,
            },
            because: Vec::new(),
            above: None,
        }
    }
}

fn addresses(text: &str, add: &mut impl FnMut(Local)) {
    for (range, what, score) in urls::find(text) {
        // Somebody has to follow a link.
        let severity = if urls::waits(what) {
            Severity::Low
        } else {
            Severity::Medium
        };
        add(Local::new(
            range,
            FindingKind::ExfiltrationAddress,
            what,
            severity,
            score,
        ));
    }
}

fn secret(text: &str, add: &mut impl FnMut(Local)) {
    for secret in secrets::find(text) {
        let severity = if secret.score >= 800 {
            Severity::High
        } else {
            Severity::Medium
        };
        add(Local::new(
            secret.range,
            FindingKind::Secret,
            secret.format.id,
            severity,
            secret.score,
        ));
    }
}

fn personal(text: &str, add: &mut impl FnMut(Local)) {
    for personal in pii::find(text) {
        let severity = match personal.kind {
            // More likely the number of an order.
            pii::Kind::Card if personal.score < 500 => Severity::Low,
            pii::Kind::Card | pii::Kind::NationalId | pii::Kind::Iban => Severity::Medium,
            pii::Kind::Name | pii::Kind::Ip | pii::Kind::Mac => Severity::Info,
            _ => Severity::Low,
        };
        add(Local::new(
            personal.range,
            FindingKind::PersonalData,
            personal.what,
            severity,
            personal.score,
        ));
    }
}

fn hidden(mark: &view::Mark) -> Seen {
    // Comments and look-alike letters are common and mostly innocent; spelling in tags has no innocent use.
    let (severity, score) = match mark.disguise {
        Disguise::Tags | Disguise::Selectors | Disguise::ZeroWidthText => (Severity::High, 950),
        Disguise::Direction | Disguise::ZeroWidth | Disguise::HiddenElement => (Severity::Low, 600),
        Disguise::LookAlike => (Severity::Low, 500),
        Disguise::Control => (Severity::Low, 400),
        Disguise::Comment => (Severity::Info, 200),
    };
    Seen {
        kind: FindingKind::HiddenText,
        what: mark.disguise.as_str(),
        severity,
        score,
        span: mark.origin.clone(),
        form: Form::Plain,
        because: Vec::new(),
        above: None,
    }
}

/// Orders by place and drops what another layer told already.
fn settle(seen: &mut Vec<Seen>) {
    seen.sort_by(|one, two| {
        let place = (one.span.start, one.span.end).cmp(&(two.span.start, two.span.end));
        place.then(one.what.cmp(two.what)).then(two.score.cmp(&one.score))
    });
    seen.dedup_by(|two, one| one.what == two.what && one.span == two.span);
}

#[cfg(test)]
mod tests;
