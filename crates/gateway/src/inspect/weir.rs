//! Holds a streamed answer back until what it says has been looked at.
//!
//! Where policy would withhold an answer for something that can be seen in it, an event waits until the stretches of text
//! that it adds to have been looked at, each with what stands around it; what is seen is ruled on before the event goes.
//! Elsewhere nothing waits, and what is seen is in the closing record. Events go whole, in order, as they came. Guards are
//! asked beside that (`judging`): the weir says what to ask them and takes what they say, and the stream does the asking.
//!
//! INVARIANT: what is looked at, and what goes before a denial, depends on the events and not on how their bytes were cut.

mod judging;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bartizan_privacy::{Found, Kind, Masker, Shape, Window};
use bartizan_types::{Code, Finding, FindingKind, Severity};
use bartizan_wire::{json, sse::Splitter};
use bytes::BytesMut;
use serde_json::Value;

use super::{Expected, Holds, Inspector, MORE, Mark, Piece, Source, guards, of_answer, unseen_at};
use crate::{
    mcp::Owner,
    model::{Place, closes, places},
};
use judging::Judging;

/// Most of one answer's text that is kept to be looked at whole.
const BYTES: usize = 256 << 10;
/// Most texts of one answer.
const TEXTS: usize = 64;
/// Most findings of one answer; more of them say nothing new.
const FINDINGS: usize = 64;

/// Of a text's end, so much is held against what the model was told.
const TAIL: usize = 512;

/// What an event adds to.
struct Wait {
    place: Place,
    /// How long the text is with it.
    end: usize,
    /// How long all is that was said in its place.
    said: usize,
}

/// An event that waits.
struct Held {
    raw: Vec<u8>,
    waits: Vec<Wait>,
    /// Of the strings beside texts that guards are shown, the number of its last.
    beside: u64,
}

/// One text of the answer.
#[derive(Default)]
struct Text {
    masker: Masker,
    /// Bytes that were looked at.
    decided: usize,
    /// Bytes that came.
    length: usize,
    /// Bytes that were said in its place before it.
    base: usize,
    /// As far as there is room.
    whole: String,
    /// Where what was seen.
    seen: BTreeSet<(usize, &'static str)>,
    repeats: bool,
    ended: bool,
}

/// Rules on findings; false: nothing more may go.
pub(crate) type Rule<'r> = dyn FnMut(Vec<Finding>) -> bool + 'r;

/// Holds back, and looks.
pub(crate) struct Weir {
    inspector: Arc<Inspector>,
    owner: Owner,
    expected: Arc<Expected>,
    holds: Holds,
    judging: Option<Judging>,
    splitter: Option<Splitter>,
    /// Events that came while guards are asked about those in front of them, with their data.
    coming: VecDeque<(Vec<u8>, Option<String>)>,
    /// Nothing comes behind those.
    last: bool,
    texts: BTreeMap<Place, Text>,
    queue: VecDeque<Held>,
    queued: usize,
    kept: usize,
    found: usize,
    over: bool,
    stopped: bool,
    /// A planted value surfaced, and whether that was told.
    incident: bool,
    told: bool,
}

impl Weir {
    /// For one answer. `judged`: guards are shown it, and whether it waits for them.
    pub(crate) fn new(
        inspector: &Arc<Inspector>,
        owner: Owner,
        expected: &Arc<Expected>,
        event_bytes: usize,
        holds: Holds,
        judged: Option<bool>,
    ) -> Self {
        // What goes to guards piece by piece was looked at piece by piece.
        let holds = match (holds, judged) {
            (Holds::Nothing, Some(true)) => Holds::Stretches,
            _ => holds,
        };
        Self {
            judging: judged.map(Judging::new),
            inspector: Arc::clone(inspector),
            owner,
            expected: Arc::clone(expected),
            holds,
            splitter: Some(Splitter::new(event_bytes)),
            coming: VecDeque::new(),
            last: false,
            texts: BTreeMap::new(),
            queue: VecDeque::new(),
            queued: 0,
            kept: 0,
            found: 0,
            over: false,
            stopped: false,
            incident: false,
            told: false,
        }
    }

    /// Takes what may go as far as its tool calls are concerned, and appends to `out` what may go.
    ///
    /// # Errors
    /// What the splitter says; the decoder in front has passed the same events, so it says nothing.
    pub(crate) fn push(
        &mut self,
        released: &[u8],
        rule: &mut Rule<'_>,
        out: &mut BytesMut,
    ) -> Result<(), Code> {
        let mut splitter = self.splitter.take().ok_or(Code::Bug)?;
        let pushed = splitter.push(released, &mut |event| {
            if self.stopped {
            } else if self.is_asking() {
                self.coming
                    .push_back((event.raw.to_vec(), event.data.map(Into::into)));
            } else {
                self.event(event.raw, event.data.as_deref(), rule);
                self.flow(out);
            }
            Ok(())
        });
        pushed.map_err(|fault| fault.of_upstream().code)?;
        self.splitter = Some(splitter);
        Ok(())
    }

    /// The stream ended: looks at what is left, and at the texts whole.
    pub(crate) fn finish(&mut self, rule: &mut Rule<'_>, out: &mut BytesMut) {
        self.last = true;
        self.go_on(rule, out);
    }

    /// Whether what comes waits for guards to be asked about what came.
    fn is_asking(&self) -> bool {
        self.judging
            .as_ref()
            .is_some_and(|judging| judging.waits() && judging.is_asking())
    }

    /// Takes what came meanwhile, until guards are to be asked again.
    fn go_on(&mut self, rule: &mut Rule<'_>, out: &mut BytesMut) {
        while !self.stopped && !self.is_asking() {
            let Some((raw, data)) = self.coming.pop_front() else {
                break;
            };
            self.event(&raw, data.as_deref(), rule);
            self.flow(out);
        }
        if self.stopped || !self.last || !self.coming.is_empty() {
            return;
        }
        let open: Vec<Place> = self.texts.keys().cloned().collect();
        for place in &open {
            self.end(place, rule);
        }
        if std::mem::take(&mut self.over) && !self.stopped {
            self.tell(vec![unseen_at("/stream")], rule);
        }
        self.flow(out);
    }

    /// What guards are to be asked now, if anything. `judged` takes what they say.
    pub(crate) fn question(&mut self) -> Option<Vec<Piece<'static>>> {
        let stopped = self.stopped;
        self.judging.as_mut().filter(|_| !stopped)?.question()
    }

    /// What guards said of the last question, silence included.
    pub(crate) fn judged(&mut self, findings: Vec<Finding>, rule: &mut Rule<'_>, out: &mut BytesMut) {
        if let Some(judging) = &mut self.judging {
            judging.answered();
        }
        self.tell(findings, rule);
        self.flow(out);
        self.go_on(rule, out);
    }

    /// Nobody will be asked any more, and nothing goes: looks at what is left, and tells what was not judged.
    pub(crate) fn unjudged(&mut self, rule: &mut Rule<'_>) {
        let is_left = |judging: Judging| judging.is_left();
        let left = self.judging.take().is_some_and(is_left);
        if left && !self.stopped {
            self.tell(vec![guards::unanswered().finding("/stream")], rule);
        }
        self.finish(rule, &mut BytesMut::new());
    }

    /// Whether events wait.
    pub(crate) fn is_holding(&self) -> bool {
        !self.queue.is_empty() || !self.coming.is_empty()
    }

    /// Whether nothing more may go.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Bytes of the events that wait, and of what guards are to be shown.
    pub(crate) fn held_bytes(&self) -> usize {
        let coming: usize = self.coming.iter().map(|(raw, _)| raw.len()).sum();
        self.queued + coming + self.judging.as_ref().map_or(0, Judging::bytes)
    }

    /// A planted value surfaced, and nobody was told yet.
    pub(crate) fn incident(&mut self) -> bool {
        self.incident && !std::mem::replace(&mut self.told, self.incident)
    }

    fn event(&mut self, raw: &[u8], data: Option<&str>, rule: &mut Rule<'_>) {
        let value = data.and_then(|data| serde_json::from_str::<Value>(data).ok());
        let value = value.as_ref();
        let mut waits = Vec::new();
        let mut beside = 0;
        if let (Some(data), Some(value)) = (data, value) {
            let adds = places(value);
            // What ends with an event that adds no text ends before it; else it ends with it.
            if adds.is_empty() {
                self.closing(value, rule);
            }
            for (place, pointer) in &adds {
                if let Some(piece) = value.pointer(pointer).and_then(Value::as_str) {
                    waits.extend(self.add(place, piece, rule));
                }
            }
            beside = self.beside(data, &adds, rule);
            if !adds.is_empty() {
                self.closing(value, rule);
            }
        } else if data.is_some() {
            // `[DONE]`: nothing of a text may come behind it.
            let open: Vec<Place> = self.texts.keys().cloned().collect();
            open.iter().for_each(|place| self.end(place, rule));
        }
        // What was denied in this event goes no further, and the event neither.
        if self.stopped {
            return;
        }
        self.queued += raw.len();
        self.queue.push_back(Held {
            raw: raw.to_vec(),
            waits,
            beside,
        });
    }

    fn closing(&mut self, value: &Value, rule: &mut Rule<'_>) {
        for item in closes(value) {
            let open: Vec<Place> = self
                .texts
                .keys()
                .filter(|place| item.is_none_or(|item| place.item == item))
                .cloned()
                .collect();
            open.iter().for_each(|place| self.end(place, rule));
        }
    }

    /// Adds to a text, and looks at what of it is whole.
    fn add(&mut self, place: &Place, piece: &str, rule: &mut Rule<'_>) -> Option<Wait> {
        if !self.texts.contains_key(place) && self.texts.len() >= TEXTS {
            self.over = true;
            return None;
        }
        let mut text = self.texts.remove(place).unwrap_or_default();
        // A text that goes on behind its end is another one.
        if text.ended {
            text = Text {
                base: text.base + text.length,
                ..Text::default()
            };
        }
        text.length += piece.len();
        let fits = self.kept + piece.len() <= BYTES;
        if fits {
            self.kept += piece.len();
            text.whole.push_str(piece);
        } else {
            self.over = true;
        }
        let judging = self.judging.as_mut();
        let said = judging.map_or(0, |judging| judging.add(place, piece, fits));
        let end = text.length;
        let holds = self.holds != Holds::Nothing;
        if holds {
            let pointer = place.pointer();
            let mut found = self.look(&mut text, place, &pointer, Some(piece));
            found.extend(self.repeats(&mut text, &pointer));
            self.tell(found, rule);
        }
        self.texts.insert(place.clone(), text);
        let place = place.clone();
        holds.then_some(Wait { place, end, said })
    }

    /// Looks at the stretches of a text that are whole now, or at all that is left of it.
    fn look(&mut self, text: &mut Text, place: &Place, pointer: &str, piece: Option<&str>) -> Vec<Finding> {
        let (mut findings, mut seen_here): (Vec<Finding>, Vec<Mark>) = Default::default();
        let Text { masker, seen, .. } = text;
        let inspector = &self.inspector;
        let mut detect = |window: Window<'_>| {
            let mut marks = inspector.examine(Source::Model, window.text);
            marks.retain(|mark| mark.range.end > window.fresh);
            let mut values = Vec::with_capacity(marks.len());
            for mut mark in marks {
                values.extend(Kind::new("value").ok().map(|kind| Found {
                    range: mark.range.clone(),
                    kind,
                    shape: Shape::Token,
                }));
                mark.range = mark.range.start + window.start..mark.range.end + window.start;
                seen_here.push(mark.clone());
                // The next window sees what was seen in this one once more.
                if mark.kind != FindingKind::Unseen && seen.insert((mark.range.start, mark.what)) {
                    findings.push(mark.finding(pointer));
                }
            }
            values
        };
        let mut same = |_: &Found, value: &str| value.to_owned();
        let mut given = String::new();
        match piece {
            Some(piece) => masker.push(piece, &mut detect, &mut same, &mut given),
            None => masker.finish(&mut detect, &mut same, &mut given),
        }
        text.decided += given.len();
        if let Some(judging) = self.judging.as_mut().filter(|judging| judging.waits()) {
            judging.saw(place, text.base, &seen_here);
            judging.decided(place, text.base + text.decided);
        }
        findings
    }

    /// Whether a text has begun to repeat what the model was told, as far as it came: told once.
    fn repeats(&self, text: &mut Text, pointer: &str) -> Option<Finding> {
        let from = text
            .whole
            .floor_char_boundary(text.whole.len().saturating_sub(TAIL));
        let finding = self.expected.repeats(text.whole.get(from..)?, from, pointer)?;
        (!std::mem::replace(&mut text.repeats, true)).then_some(finding)
    }

    /// A text ended: looks at the rest, and at the whole.
    fn end(&mut self, place: &Place, rule: &mut Rule<'_>) {
        if self.texts.get(place).is_none_or(|text| text.ended) {
            return;
        }
        let mut text = self.texts.remove(place).unwrap_or_default();
        let pointer = place.pointer();
        let mut found = if self.holds == Holds::Nothing {
            Vec::new()
        } else {
            self.look(&mut text, place, &pointer, None)
        };
        // What had no room is missing, and no sign that the answer is wrong.
        let is_whole = text.whole.len() == text.length;
        let pieces = [Piece {
            front: "".into(),
            source: Source::Model,
            text: std::mem::take(&mut text.whole).into(),
            pointer: pointer.clone(),
            span: 0..0,
            key_of: None,
        }];
        let looked = self.inspector.look(&self.owner, &pieces);
        self.incident |= looked.incident;
        if let Some(judging) = &mut self.judging {
            match looked.marks.first().and_then(|marks| marks.as_deref()) {
                // It was looked at piece by piece.
                _ if judging.waits() => {}
                Some(marks) if marks.iter().all(|mark| mark.what != MORE) => {
                    judging.saw(place, text.base, marks)
                }
                _ => judging.lose(place),
            }
            judging.end(place);
        }
        // What a stretch showed is known already.
        let known: BTreeSet<(FindingKind, u32)> = found
            .iter()
            .filter_map(|one| Some((one.kind, one.span?.start)))
            .collect();
        let stretches = text.seen.iter().filter_map(|(at, _)| u32::try_from(*at).ok());
        let places: BTreeSet<u32> = stretches.collect();
        found.extend(looked.findings.into_iter().filter(|one| {
            one.span
                .is_none_or(|span| !known.contains(&(one.kind, span.start)) && !places.contains(&span.start))
        }));
        let repeats = text.repeats;
        let against = self.expected.findings(&pieces).into_iter();
        found.extend(against.filter(|one| match one.kind {
            FindingKind::PromptLeak => !repeats,
            FindingKind::OutputMismatch => is_whole,
            _ => true,
        }));
        let [piece] = pieces;
        text.whole = piece.text.into_owned();
        text.ended = true;
        text.decided = text.length;
        self.texts.insert(place.clone(), text);
        self.tell(found, rule);
    }

    /// Looks at strings of an event that add to no text: citations, and texts that are repeated whole.
    /// Gives the number of the last that guards are shown.
    fn beside(&mut self, data: &str, adds: &[(Place, String)], rule: &mut Rule<'_>) -> u64 {
        let bounds = json::Bounds {
            bytes: data.len(),
            ..json::Bounds::default()
        };
        let Ok(scanned) = json::scan(data.as_bytes(), &bounds) else {
            return 0;
        };
        let pieces: Vec<Piece<'_>> = of_answer(scanned)
            .into_iter()
            .filter(|piece| {
                let added = adds.iter().any(|(_, pointer)| *pointer == piece.pointer);
                !added
                    && !is_call(&piece.pointer)
                    && !self.texts.values().any(|text| text.whole == piece.text)
            })
            .collect();
        if pieces.is_empty() {
            return 0;
        }
        let looked = self.inspector.look(&self.owner, &pieces);
        self.incident |= looked.incident;
        let judging = self.judging.as_mut();
        let last = judging.map_or(0, |judging| judging.beside(&pieces, &looked.marks));
        self.tell(looked.findings, rule);
        last
    }

    /// Has what was seen ruled on.
    fn tell(&mut self, mut findings: Vec<Finding>, rule: &mut Rule<'_>) {
        self.incident |= findings.iter().any(|one| one.kind == FindingKind::Canary);
        // What is worst is ruled on however much was seen before.
        let room = FINDINGS.saturating_sub(self.found);
        if findings.len() > room {
            findings.sort_by_key(|finding| std::cmp::Reverse((finding.severity, finding.score)));
            let severe = findings.iter().take_while(|one| one.severity >= Severity::High);
            findings.truncate(room.max(severe.count().min(FINDINGS)));
        }
        if findings.is_empty() || self.stopped {
            return;
        }
        self.found += findings.len();
        if !rule(findings) {
            self.stopped = true;
            self.queue.clear();
            self.queued = 0;
        }
    }

    /// Gives the events in front that wait for nothing.
    fn flow(&mut self, out: &mut BytesMut) {
        let whole = self.holds == Holds::Whole;
        while let Some(held) = self.queue.front() {
            let waits = held.waits.iter().any(|wait| {
                self.texts
                    .get(&wait.place)
                    .is_some_and(|text| !text.ended && (whole || text.decided < wait.end))
            });
            let unjudged = self.judging.as_ref().is_some_and(|judging| {
                let open = |wait: &Wait| judging.is_open(&wait.place, wait.said);
                judging.is_beside_open(held.beside) || held.waits.iter().any(open)
            });
            if waits || unjudged {
                return;
            }
            if let Some(held) = self.queue.pop_front() {
                self.queued -= held.raw.len();
                out.extend_from_slice(&held.raw);
            }
        }
    }
}

/// Whether a string is of a tool call, which was ruled on whole.
fn is_call(pointer: &str) -> bool {
    pointer.split('/').any(|step| {
        matches!(
            step,
            "tool_calls" | "function_call" | "partial_json" | "arguments" | "input"
        )
    })
}

#[cfg(test)]
mod tests;
