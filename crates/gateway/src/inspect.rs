//! Looks into what crosses: prompts, results of tools, arguments, answers. What is seen is evidence, and goes into the
//! ruling and the record; nothing here refuses anything.
//!
//! A text that was looked at before is not looked at again: what was seen in it is kept under a keyed hash of the
//! identity, the channel and the text, so that a long history costs what is new in it, and nobody learns from the time
//! it takes what another identity has sent. How much is looked at in one call is bounded in bytes; what is beyond is a
//! finding (`unseen`), newest text first.

mod cache;
mod coded;
mod guards;
mod lists;
mod output;
mod pieces;
mod service;
mod weir;

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bartizan_inspect::{
    Seen, Wanted,
    canary::{Canaries, Unplantable},
    digits, document, taxonomy,
};
use bartizan_mcp::Catalog;
use bartizan_types::{
    CallFacts, CallId, Finding, FindingKind, PinState, Principal, Record, RecordKind, Severity, Span,
};

pub use guards::ClassifierFault;
pub(crate) use lists::ListFault;
pub(crate) use output::Expected;
use pieces::of_request;
pub(crate) use pieces::{NUMBER_DIGITS, Piece, Source, of_answer, of_listing, of_value};
pub(crate) use service::{Shape, serve};
pub(crate) use weir::{Rule, Weir};

use bartizan_wire::json::Scanned;

use crate::{Shared, clock, config, gate::Caller, mcp::Owner};
use cache::Cache;
use lists::Lists;

/// Most findings that one call's evidence carries; the worst are kept.
const FINDINGS: usize = 48;
/// Most places remembered of one text.
const MARKS: usize = 4096;
/// Bytes that a picture counts for at most.
const PICTURE: usize = 16 << 10;
/// What is said of a text with more of them: not all values in it are known by their places.
pub(crate) const MORE: &str = "more";

/// One thing seen in a text.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    /// The kind policy reads.
    pub kind: FindingKind,
    /// More exactly.
    pub what: &'static str,
    severity: Severity,
    score: u16,
    /// Bytes of the text.
    pub range: Range<usize>,
}

impl Mark {
    fn of(seen: &Seen) -> Self {
        Self {
            kind: seen.kind,
            what: seen.what,
            severity: seen.severity,
            score: seen.score.min(1000),
            range: seen.span.clone(),
        }
    }

    fn finding(&self, pointer: &str) -> Finding {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Finding {
            kind: self.kind,
            severity: self.severity,
            what: self.what.into(),
            score: self.score,
            span: Some(Span {
                start: place(self.range.start),
                end: place(self.range.end),
            }),
            pointer: pointer.to_owned(),
            taxonomy: taxonomy(self.kind).iter().map(|id| (*id).to_owned()).collect(),
        }
    }
}

/// What was seen in the texts of one call.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// For evidence and record.
    pub findings: Vec<Finding>,
    /// What was seen in each piece, in their order; `None`: it was not looked at.
    pub marks: Vec<Option<Arc<[Mark]>>>,
    /// Something was not looked at.
    pub unseen: bool,
    /// A planted value surfaced where it had not been seen before.
    pub incident: bool,
}

/// How much of a streamed answer is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Nothing: policy acts on nothing that can be seen in it.
    Nothing,
    /// Each stretch of text, until it and what follows has been looked at.
    Stretches,
    /// Each text until its end: what policy acts on shows only there.
    Whole,
}

/// The inspector.
pub(crate) struct Inspector {
    config: config::Inspect,
    canaries: Canaries,
    lists: Lists,
    cache: Cache,
    guards: Option<guards::Guards>,
    /// Bytes that were looked at, and were not known from before.
    inspected: AtomicU64,
}

impl Inspector {
    /// With the values that are planted.
    ///
    /// # Errors
    /// What can't be planted, or a list that does not read.
    pub(crate) fn new<'a>(
        config: &config::Inspect,
        planted: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InspectFault> {
        Ok(Self {
            canaries: Canaries::new(planted).map_err(InspectFault::Canary)?,
            lists: Lists::read(config)?,
            cache: Cache::new(),
            guards: guards::Guards::new(config)?,
            inspected: AtomicU64::new(0),
            config: config.clone(),
        })
    }

    /// Looks at the pieces of one call, the last first, and at documents when all texts were.
    pub(crate) fn look(&self, owner: &Owner, pieces: &[Piece<'_>]) -> Looked {
        let mut left = self.config.bytes_per_call;
        let mut looked = Looked {
            marks: vec![None; pieces.len()],
            ..Looked::default()
        };
        let mut unseen = None;
        let is_file = |piece: &Piece<'_>| piece.source.is_file();
        let backwards = || pieces.iter().enumerate().rev();
        let texts = backwards().filter(|(_, piece)| !is_file(piece));
        for (at, piece) in texts.chain(backwards().filter(|(_, piece)| is_file(piece))) {
            let (seen, fresh) = self.piece(owner, piece, &mut left);
            looked.incident |= fresh
                && seen
                    .as_ref()
                    .is_some_and(|marks| marks.iter().any(|mark| mark.kind == FindingKind::Canary));
            if seen.is_none() {
                unseen = Some(&piece.pointer);
                // What is masked is in texts.
                looked.unseen |= !is_file(piece);
            }
            if let Some(place) = looked.marks.get_mut(at) {
                *place = seen;
            }
        }
        for (piece, marks) in pieces.iter().zip(&looked.marks) {
            let marks = marks.iter().flat_map(|marks| marks.iter());
            looked
                .findings
                .extend(marks.map(|mark| mark.finding(&piece.pointer)));
        }
        if let Some(pointer) = unseen {
            looked.findings.push(unseen_at(pointer));
        }
        worst(&mut looked.findings);
        looked
    }

    fn piece(&self, owner: &Owner, piece: &Piece<'_>, left: &mut usize) -> (Option<Arc<[Mark]>>, bool) {
        if piece.source == Source::Schema {
            return (Some(Arc::from(Vec::new())), false);
        }
        let key = match piece.source {
            // What it is called decides what it may be.
            Source::Number => {
                let text = format!("{}{}", piece.front, piece.text);
                self.cache.key(owner, piece.source, &text)
            }
            _ => self.cache.key(owner, piece.source, &piece.text),
        };
        if let Some(known) = self.cache.get(&key) {
            return (Some(known), false);
        }
        // Of a picture little is looked at, however large it is.
        let cost = match piece.is_picture() {
            true => piece.text.len().min(PICTURE),
            false => piece.text.len(),
        };
        if cost > *left {
            return (None, false);
        }
        *left -= cost;
        let bytes = u64::try_from(piece.text.len()).unwrap_or(u64::MAX);
        self.inspected.fetch_add(bytes, Ordering::Relaxed);
        let marks: Arc<[Mark]> = match piece.source {
            Source::Number => self.number(&piece.front, &piece.text),
            _ => self.examine(piece.source, &piece.text),
        }
        .into();
        self.cache.put(key, Arc::clone(&marks));
        (Some(marks), true)
    }

    /// Bytes of texts that were looked at because they were not known from before.
    pub(crate) fn inspected(&self) -> u64 {
        self.inspected.load(Ordering::Relaxed)
    }

    /// Everything seen in one text.
    pub(crate) fn examine(&self, source: Source, text: &str) -> Vec<Mark> {
        self.explain(source, text).0
    }

    /// Everything seen in one text, and what the detectors give as reasons; of a document nobody knows the places of these.
    fn explain(&self, source: Source, text: &str) -> (Vec<Mark>, Vec<Seen>) {
        if source.is_file() {
            return (self.file(source, text), Vec::new());
        }
        let report = bartizan_inspect::inspect(
            source.channel(),
            text.as_bytes(),
            self.wanted(source),
            &self.canaries,
        );
        let mut marks: Vec<Mark> = report
            .seen
            .iter()
            .filter(|seen| {
                seen.kind != FindingKind::ExfiltrationAddress || !self.lists.allows(text, &seen.span)
            })
            .take(MARKS)
            .map(Mark::of)
            .collect();
        marks.extend(
            self.lists
                .threats(text)
                .into_iter()
                .map(|(range, what, severity)| Mark {
                    kind: FindingKind::KnownThreat,
                    what,
                    severity,
                    score: 1000,
                    range,
                }),
        );
        if source == Source::Model {
            marks.extend(output::code(text));
        }
        let unseen = [
            (report.cut, "decoded"),
            (source.is_read() && holds_more(text.as_bytes()), "document"),
            (report.seen.len() > MARKS, MORE),
        ];
        marks.extend(unseen.into_iter().filter(|(is, _)| *is).map(|(_, what)| Mark {
            kind: FindingKind::Unseen,
            what,
            severity: Severity::Info,
            score: 1000,
            range: 0..text.len(),
        }));
        (marks, report.seen)
    }

    /// What a whole number is, as a text would have it with what is said before it: what is all of it, and nothing less.
    fn number(&self, before: &str, digits: &str) -> Vec<Mark> {
        let text = format!("{before}{digits}");
        let whole = before.len()..text.len();
        let marks = self.examine(Source::Number, &text).into_iter();
        let of_all = marks.filter(|mark| mark.range == whole);
        of_all
            .map(|mark| Mark {
                range: 0..digits.len(),
                ..mark
            })
            .collect()
    }

    /// Everything seen in the text of a document in base64. Places in that text mean nothing to anybody else, so each
    /// mark is of the whole.
    fn file(&self, source: Source, digits: &str) -> Vec<Mark> {
        let whole = |mark: Mark| Mark {
            range: 0..digits.len(),
            ..mark
        };
        let unread = |what| Mark {
            kind: FindingKind::Unseen,
            what,
            severity: Severity::Info,
            score: 1000,
            range: 0..digits.len(),
        };
        let inside = if source == Source::File {
            Source::Document
        } else {
            Source::Data
        };
        let Some(opened) = open(digits) else {
            // What is packed alone is unpacked as in any text, as far as that goes.
            let packed = if digits.trim_start().starts_with("H4sI") {
                self.examine(inside, digits)
            } else {
                Vec::new()
            };
            let marks = packed.into_iter().map(whole);
            return marks.chain([unread("document")]).collect();
        };
        let marks = self.examine(inside, &opened.text);
        let mut marks: Vec<Mark> = marks.into_iter().map(whole).collect();
        let is_told = marks
            .iter()
            .any(|mark| mark.kind == FindingKind::Unseen && mark.what == "document");
        let is_unread = opened.cut || opened.holds_more();
        marks.extend((is_unread && !is_told).then(|| unread("document")));
        marks.extend(opened.pictures.then(|| unread("picture")));
        marks
    }

    fn wanted(&self, source: Source) -> Wanted {
        let mut wanted = Wanted::SECRETS.and(Wanted::ADDRESSES);
        if self.config.personal {
            wanted = wanted.and(Wanted::PERSONAL);
        }
        // What a model wrote, and what an agent passes on, instructs nobody here.
        if self.config.instructions && source.is_read() {
            wanted = wanted.and(Wanted::INJECTION).and(Wanted::HIDDEN);
        }
        wanted
    }

    /// What an answer has to be held back for, as `would_withhold` says of findings like those that can be seen in it.
    pub(crate) fn holds(&self, expected: &Expected, would_withhold: &dyn Fn(&[Finding]) -> bool) -> Holds {
        let mut possible = vec![
            (FindingKind::Secret, Severity::High),
            (FindingKind::ExfiltrationAddress, Severity::Medium),
            (FindingKind::DangerousCode, Severity::Low),
            (FindingKind::Unseen, Severity::Low),
        ];
        if self.config.personal {
            possible.push((FindingKind::PersonalData, Severity::Medium));
        }
        if !self.canaries.is_empty() {
            possible.push((FindingKind::Canary, Severity::Critical));
        }
        if !self.lists.is_empty() {
            possible.push((FindingKind::KnownThreat, Severity::High));
        }
        possible.extend(expected.possible().map(|kind| (kind, Severity::Low)));
        let possible: Vec<Finding> = possible
            .into_iter()
            .map(|(kind, severity)| Finding {
                kind,
                severity,
                ..unseen_at("/stream")
            })
            .collect();
        let alone = |kind: FindingKind| {
            possible
                .iter()
                .any(|one| one.kind == kind && would_withhold(std::slice::from_ref(one)))
        };
        let whole = alone(FindingKind::DangerousCode) || alone(FindingKind::OutputMismatch);
        // Most policies act on no finding of an answer, and one question tells.
        if whole {
            Holds::Whole
        } else if would_withhold(&possible) || possible.iter().any(|one| alone(one.kind)) {
            Holds::Stretches
        } else {
            Holds::Nothing
        }
    }

    /// Whether guards are shown what models answer, and whether an answer has to wait for them: as `would_withhold` says of
    /// findings like those that they can have, and of their silence.
    pub(crate) fn judges(&self, would_withhold: &dyn Fn(&[Finding]) -> bool) -> Option<bool> {
        let kinds = self.guards.as_ref()?.of_answers();
        let possible: Vec<Finding> = kinds
            .iter()
            .map(|(kind, severity)| Finding {
                kind: *kind,
                severity: *severity,
                ..unseen_at("/stream")
            })
            .collect();
        let alone = |one: &Finding| would_withhold(std::slice::from_ref(one));
        let waits = || would_withhold(&possible) || possible.iter().any(alone);
        (!possible.is_empty()).then(waits)
    }

    /// What is wrong between a server's tools and those of others, by the tool's name: look-alikes, and definitions that
    /// speak of another server's tool. Only the server that is listed now is spoken of: the others were there before it.
    ///
    /// A definition may have an honest reason to name another's tool, so that alone is suspicious and no more; with
    /// another sign in the same definition it is as bad as it looks. A name that was there when the tool was pinned is
    /// only told of.
    pub(crate) fn between(
        &self,
        server: &str,
        own: &Catalog,
        others: &[(&str, Arc<Catalog>)],
    ) -> BTreeMap<String, Vec<Finding>> {
        fn tools<'c>(
            server: &'c str,
            catalog: &'c Catalog,
        ) -> impl Iterator<Item = bartizan_inspect::tools::Tool<'c>> {
            catalog.iter().map(move |listed| bartizan_inspect::tools::Tool {
                server,
                name: &listed.name,
                definition: listed.definition.get(),
            })
        }
        let mut all: Vec<_> = tools(server, own).collect();
        all.extend(others.iter().flat_map(|(server, catalog)| tools(server, catalog)));
        let mut found: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
        for (at, seen) in bartizan_inspect::tools::compare(&all) {
            let Some(listed) = all
                .get(at)
                .filter(|tool| tool.server == server)
                .and_then(|tool| own.find(tool.name))
            else {
                continue;
            };
            let mut finding = Mark::of(&seen).finding("");
            if finding.kind == FindingKind::PoisonedDescription {
                let signs = self.description(server, &listed.name, listed.definition.get());
                let signs = signs.iter().any(|sign| {
                    matches!(
                        sign.kind,
                        FindingKind::PoisonedDescription | FindingKind::HiddenText
                    )
                });
                finding.severity = if signs { Severity::High } else { Severity::Medium };
            } else if listed.state == PinState::Same {
                finding.severity = finding.severity.min(Severity::Low);
            }
            found.entry(listed.name.clone()).or_default().push(finding);
        }
        found
    }

    /// What a server tells agents to do. Orders are what instructions are made of, so they are held to the measure of
    /// system prompts.
    pub(crate) fn instructions(&self, text: &str) -> Vec<Finding> {
        let mut found: Vec<Finding> = self
            .examine(Source::System, text)
            .iter()
            .map(|mark| mark.finding("/instructions"))
            .collect();
        worst(&mut found);
        found
    }

    /// What a server says of a tool, a prompt or a resource, looked at when it is listed and when it changed.
    pub(crate) fn description(&self, server: &str, name: &str, definition: &str) -> Vec<Finding> {
        let tool = bartizan_inspect::tools::Tool {
            server,
            name,
            definition,
        };
        let mut found: Vec<Finding> = bartizan_inspect::tools::describe(&tool)
            .iter()
            .map(|seen| Mark::of(seen).finding(""))
            .collect();
        let planted = self.examine(Source::Data, definition);
        let planted = planted
            .iter()
            .filter(|mark| matches!(mark.kind, FindingKind::Canary | FindingKind::KnownThreat));
        found.extend(planted.map(|mark| mark.finding("")));
        worst(&mut found);
        found
    }
}

/// Why inspection can't start.
#[derive(Debug, thiserror::Error)]
pub enum InspectFault {
    /// A planted value is too short, or there are too many.
    #[error("a planted value has fewer than 12 bytes, or there are more than 10000")]
    Canary(Unplantable),
    /// A planted value's secret is not there.
    #[error("`{0}` of `[inspect] canaries` is no secret of the store; `bartizan secret set {0}` sets it")]
    Missing(String),
    /// A list does not read.
    #[error(transparent)]
    List(#[from] ListFault),
    /// Guards can't be reached at all.
    #[error(transparent)]
    Guards(#[from] crate::upstream::RootsFault),
    /// A classifier does not read.
    #[error(transparent)]
    Classifier(#[from] ClassifierFault),
}

/// A document in base64, opened.
pub(crate) struct Opened {
    /// Its text.
    pub text: String,
    /// What it is; `None`: the text itself.
    pub kind: Option<document::Kind>,
    /// Something of it was not read.
    pub cut: bool,
    /// There are pictures in it.
    pub pictures: bool,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Opened {
    /// Whether something stands in it that was not opened, such as what is attached to a mail.
    pub(crate) fn holds_more(&self) -> bool {
        // Of Office files reading said so.
        self.kind != Some(document::Kind::Office) && holds_more(&self.bytes)
    }
}

/// Whether something stands in these bytes that is not opened, and would be read.
fn holds_more(bytes: &[u8]) -> bool {
    document::unopened(bytes).is_some_and(|what| !document::is_media(what))
}

/// Opens it. `None`: nobody can read it here.
///
/// Digits are read as the laxest reader does, since that may be the one who reads them next: of either alphabet, broken
/// into lines, not filled up.
pub(crate) fn open(digits: &str) -> Option<Opened> {
    let dense = digits.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let mut dense: Vec<u8> = dense.collect();
    let filled = dense.iter().rev().take_while(|byte| **byte == b'=').count();
    dense.truncate(dense.len() - filled);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    if !dense.iter().all(is_digit) {
        return None;
    }
    let bytes = digits::base64(&dense);
    if let Some(document) = document::read(&bytes) {
        return Some(Opened {
            text: document.text,
            kind: Some(document.kind),
            cut: document.cut,
            pictures: document.pictures,
            bytes,
        });
    }
    // What no text has says that it is something else, whose text nobody has read.
    let is_odd =
        |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{8}' | '\u{b}' | '\u{c}' | '\u{1b}');
    let text = str::from_utf8(&bytes).ok()?.to_owned();
    (!text.contains(is_odd)).then_some(Opened {
        text,
        kind: None,
        cut: false,
        pictures: false,
        bytes,
    })
}

/// Of what passes on without a look into it: an archive, a program, or anything else whose bytes are no text.
pub(crate) fn unread(pointer: &str) -> Finding {
    Finding {
        severity: Severity::Info,
        what: "document".into(),
        ..unseen_at(pointer)
    }
}

fn unseen_at(pointer: &str) -> Finding {
    Finding {
        kind: FindingKind::Unseen,
        severity: Severity::Low,
        what: "".into(),
        score: 1000,
        span: None,
        pointer: pointer.to_owned(),
        taxonomy: Vec::new(),
    }
}

/// Keeps the worst, in order of place.
fn worst(findings: &mut Vec<Finding>) {
    if findings.len() > FINDINGS {
        findings.sort_by_key(|finding| std::cmp::Reverse((finding.severity, finding.score)));
        findings.truncate(FINDINGS);
    }
    findings.sort_by(|one, two| (&one.pointer, one.span).cmp(&(&two.pointer, two.span)));
}

impl Shared {
    /// Looks at the pieces of a call, off the async threads where there is much of it. A planted value that surfaces is
    /// an incident, and recorded as one at once.
    pub(crate) async fn look(
        self: &Arc<Self>,
        caller: &Caller,
        call: Option<CallId>,
        pieces: &[Piece<'_>],
    ) -> Looked {
        const MUCH: usize = 128 << 10;
        let Some(inspector) = &self.inspector else {
            return Looked::default();
        };
        let owner = Owner::of(&caller.principal);
        let bytes: usize = pieces.iter().map(|piece| piece.text.len()).sum();
        let mut looked = if bytes < MUCH {
            inspector.look(&owner, pieces)
        } else {
            let owned: Vec<Piece<'static>> = pieces.iter().map(Piece::owned).collect();
            let inspector = Arc::clone(inspector);
            let owner = owner.clone();
            let work = tokio::task::spawn_blocking(move || inspector.look(&owner, &owned));
            work.await.unwrap_or_else(|fault| {
                tracing::error!(%fault, "an inspection ended badly");
                Looked {
                    findings: vec![unseen_at("")],
                    marks: vec![None; pieces.len()],
                    unseen: true,
                    incident: false,
                }
            })
        };
        if looked.incident {
            self.incident(caller, call);
        }
        if let Some(guards) = &inspector.guards {
            guards.ask(self, inspector, &owner, pieces, &mut looked).await;
        }
        looked
    }

    /// What guards say of parts of a streamed answer, from which values were taken already.
    pub(crate) async fn judge(self: &Arc<Self>, owner: &Owner, pieces: &[Piece<'_>]) -> Vec<Finding> {
        let mut looked = Looked {
            marks: vec![Some(Arc::from(Vec::new())); pieces.len()],
            ..Looked::default()
        };
        if let Some(inspector) = &self.inspector
            && let Some(guards) = &inspector.guards
        {
            guards.ask(self, inspector, owner, pieces, &mut looked).await;
        }
        // Places in a part are nobody's: each finding is of all of its part.
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        for finding in &mut looked.findings {
            if let [piece] = pieces {
                finding.span = Some(Span {
                    start: place(piece.span.start),
                    end: place(piece.span.end),
                });
            } else {
                finding.span = None;
            }
        }
        looked.findings
    }

    /// The texts of a request to a model. Off, nothing is read out of it.
    pub(crate) fn pieces<'a>(&self, body: Scanned<'a>) -> Vec<Piece<'a>> {
        if self.inspector.is_some() {
            of_request(body)
        } else {
            Vec::new()
        }
    }

    /// What the answer to a request is held against.
    pub(crate) fn expected(&self, body: Scanned<'_>, pieces: &[Piece<'_>]) -> Expected {
        if self.inspector.is_some() {
            Expected::new(body.text(), pieces)
        } else {
            Expected::default()
        }
    }

    /// Records that a planted value surfaced.
    pub(crate) fn incident(&self, caller: &Caller, call: Option<CallId>) {
        let mut record = Record::new(RecordKind::Operation, clock::now());
        record.call = call;
        record.session = Some(caller.session.id);
        record.principal = Some(Principal::clone(&caller.principal));
        record.note = Some("incident: a planted value surfaced".to_owned());
        tracing::warn!(agent = %caller.principal.agent, session = %caller.session.id, "a planted value surfaced");
        if let Err(error) = self.ledger.append_deferred(&record) {
            tracing::error!(%error, "an incident was not recorded");
        }
    }

    /// What is seen in the arguments of a call or a proposal.
    pub(crate) async fn look_at_arguments(
        self: &Arc<Self>,
        caller: &Caller,
        facts: &CallFacts,
        arguments: &serde_json::value::RawValue,
    ) -> Vec<Finding> {
        if self.inspector.is_none() {
            return Vec::new();
        }
        let pieces = of_value(arguments.get(), Source::Data, "/arguments");
        self.look(caller, Some(facts.id), &pieces).await.findings
    }
}

#[cfg(test)]
mod tests;
