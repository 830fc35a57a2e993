//! Streamed answers: text flows, calls are held until ruled on.
//!
//! From the first event of a call on, every event is held, in order, until all open calls are whole; then the calls
//! are given out to be ruled on, and nothing moves until [`Stream::settle`]. What is released is the upstream's bytes.
//!
//! INVARIANT: no byte of an event that belongs to a call, nor any byte after it, is released before
//! `settle(true)`; after a fault or `settle(false)` nothing is released at all.

use std::{borrow::Cow, collections::VecDeque};

use bartizan_types::Code;
use serde::Deserialize;

use super::{
    Api, Fault, Proposal, Usage,
    answer::shaped,
    anthropic, chat,
    proposal::{Whole, malformed},
    responses, usage,
};
use crate::{
    json::{self, Bounds},
    sse::{self, Event, Splitter},
};

/// Limits of one streamed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamBounds {
    /// Largest event, in bytes.
    pub event_bytes: usize,
    /// Most bytes held back behind a tool call, or waiting for its ruling.
    pub held_bytes: usize,
    /// Most tool calls in one answer.
    pub proposals: u32,
    /// Longest arguments of one call, in bytes.
    pub argument_bytes: usize,
}

impl Default for StreamBounds {
    /// 1 MiB events, 8 MiB held, 128 calls, 1 MiB arguments.
    fn default() -> Self {
        Self {
            event_bytes: 1 << 20,
            held_bytes: 8 << 20,
            proposals: 128,
            argument_bytes: 1 << 20,
        }
    }
}

/// What a stream gives back.
#[derive(Debug)]
pub enum Step<'a> {
    /// These exact bytes may go to the agent now.
    Release(&'a [u8]),
    /// Events are being held from here on; sent once per hold.
    Hold,
    /// A whole call to rule on. All calls of one hold come in one go, then [`Stream::settle`] is owed.
    Proposal(Proposal),
    /// The API's own end of the answer was seen, and released.
    End(Usage),
}

/// What a tracker finds in an event.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) ready: Vec<Whole>,
    pub(super) usage: Usage,
    pub(super) ended: bool,
}

/// The bounds that trackers count against.
#[derive(Debug)]
pub(super) struct Limits {
    argument_bytes: usize,
    calls_left: u32,
    /// Bytes of given-out calls that a tracker may still keep to compare with.
    memory_left: usize,
}

impl Limits {
    /// Counts a call that begins. Clients know a call by its name from its first piece on: one that comes late was
    /// hidden.
    pub(super) fn opening(&mut self, call: &Whole) -> Result<(), Fault> {
        if call.name.is_empty() {
            return Err(malformed());
        }
        self.calls_left = self.calls_left.checked_sub(1).ok_or(self.exceeded())?;
        self.arguments(call.arguments.len())
    }

    /// Counts a call that is kept to compare later mentions with.
    pub(super) fn remember(&mut self, call: &Whole) -> Result<(), Fault> {
        let bytes = call.id.len() + call.name.len() + call.arguments.len();
        self.memory_left = self.memory_left.checked_sub(bytes).ok_or(self.exceeded())?;
        Ok(())
    }

    /// Checks the size that a call's arguments have now.
    pub(super) fn arguments(&self, bytes: usize) -> Result<(), Fault> {
        if bytes > self.argument_bytes {
            return Err(self.exceeded());
        }
        Ok(())
    }

    pub(super) const fn exceeded(&self) -> Fault {
        Fault::new(Code::UpstreamTooLarge, 0)
    }
}

/// Scans an event's data strictly and reads it as a `T`.
pub(super) fn event_json<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, Fault> {
    let scanned = json::scan(data.as_bytes(), &Bounds::default()).map_err(Fault::of_upstream)?;
    shaped(scanned.text())
}

/// What keeping a block costs beside its bytes: a flood of blank lines must meet the bound before it fills memory.
const BLOCK_OVERHEAD_BYTES: usize = 64;

#[derive(Debug)]
enum Tracker {
    Chat(chat::Tracker),
    Responses(responses::Tracker),
    Anthropic(anthropic::Tracker),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Events go straight through.
    Flowing,
    /// A call is incomplete; events pile up in `held`.
    Holding,
    /// Calls were given out; events pile up, unread, in `waiting`.
    Owed,
    /// A call was refused; everything is dropped.
    Cut,
    /// Nothing goes any more.
    Failed(Fault),
}

/// A streamed answer: releases text at once, holds tool calls until ruled on.
#[derive(Debug)]
pub struct Stream {
    splitter: Splitter,
    core: Core,
}

#[derive(Debug)]
struct Core {
    tracker: Tracker,
    /// Usage was asked for by us alone, and is kept from the agent.
    strips_usage: bool,
    limits: Limits,
    held_bytes: usize,
    state: State,
    held: Vec<u8>,
    /// Whole calls of this hold, not given out while another call of it is open.
    proposals: Vec<Proposal>,
    /// Whole blocks that came while a ruling was owed, and their total size.
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    proposed: u32,
    usage: Usage,
    /// The API's end was seen; and whether `End` was given out.
    ended: bool,
    told: bool,
}

impl Stream {
    /// A stream of this API.
    #[must_use]
    pub fn new(api: Api, bounds: StreamBounds) -> Self {
        let tracker = match api {
            Api::OpenaiChat => Tracker::Chat(chat::Tracker::default()),
            Api::OpenaiResponses => Tracker::Responses(responses::Tracker::default()),
            Api::AnthropicMessages => Tracker::Anthropic(anthropic::Tracker::default()),
        };
        Self {
            splitter: Splitter::new(bounds.event_bytes),
            core: Core {
                tracker,
                strips_usage: false,
                limits: Limits {
                    argument_bytes: bounds.argument_bytes,
                    calls_left: bounds.proposals,
                    memory_left: bounds.held_bytes,
                },
                held_bytes: bounds.held_bytes,
                state: State::Flowing,
                held: Vec::new(),
                proposals: Vec::new(),
                waiting: VecDeque::new(),
                waiting_bytes: 0,
                proposed: 0,
                usage: Usage::default(),
                ended: false,
                told: false,
            },
        }
    }

    /// Keeps from the agent the usage that a chat stream says because we asked for it. Every other byte stays.
    #[must_use]
    pub fn stripping_usage(mut self) -> Self {
        self.core.strips_usage = matches!(self.core.tracker, Tracker::Chat(_));
        self
    }

    /// Takes the next chunk from the upstream. May be called while a ruling is owed: nothing is released then.
    ///
    /// # Errors
    /// [`Code::SseMalformed`], [`Code::EventTooLarge`], [`Code::UpstreamMalformed`], [`Code::UpstreamTooLarge`].
    /// After any error nothing more is released, and every later call returns it again.
    pub fn push(&mut self, chunk: &[u8], each: &mut dyn FnMut(Step<'_>)) -> Result<(), Fault> {
        match self.core.state {
            State::Failed(fault) => return Err(fault),
            State::Cut => return Ok(()),
            _ => {}
        }
        let core = &mut self.core;
        let result = self.splitter.push(chunk, &mut |event| core.take(event, each));
        result.inspect_err(|fault| self.core.fail(*fault))
    }

    /// Whether proposals were given out and [`Stream::settle`] is owed.
    #[must_use]
    pub fn owes_ruling(&self) -> bool {
        self.core.state == State::Owed
    }

    /// Whether events are being held back, so that the agent sees nothing of what comes.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        matches!(self.core.state, State::Holding | State::Owed)
    }

    /// Bytes kept of what came and was not released: the start of an event, and all that is held back.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        let core = &self.core;
        self.splitter.kept_bytes() + core.held.len() + core.waiting_bytes
    }

    /// What was said so far of what the answer uses. Only with [`Step::End`] is it whole.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.core.usage
    }

    /// The ruling on everything pending. `true` releases the held events unchanged and goes on with what came in
    /// since, which may give out further proposals. `false` drops them and everything after.
    ///
    /// # Errors
    /// As [`Stream::push`]; [`Code::Bug`] when no ruling is owed.
    pub fn settle(&mut self, allowed: bool, each: &mut dyn FnMut(Step<'_>)) -> Result<(), Fault> {
        match self.core.state {
            State::Owed => {}
            State::Failed(fault) => return Err(fault),
            _ => return Err(Fault::new(Code::Bug, 0)),
        }
        if !allowed {
            self.core.drop_everything();
            self.core.state = State::Cut;
            return Ok(());
        }
        self.core.resume(each).inspect_err(|fault| self.core.fail(*fault))
    }

    /// The upstream closed the stream. `Ok` after `settle(false)` whatever came.
    ///
    /// # Errors
    /// [`Code::UpstreamMalformed`] when a call is incomplete or unruled, or the API's own end is missing;
    /// [`Code::SseMalformed`] when the stream broke off inside an event.
    pub fn finish(self, each: &mut dyn FnMut(Step<'_>)) -> Result<Usage, Fault> {
        let Self { splitter, mut core } = self;
        match core.state {
            State::Cut => return Ok(core.usage),
            State::Failed(fault) => return Err(fault),
            State::Flowing | State::Holding | State::Owed => {}
        }
        splitter.finish(&mut |event| core.take(event, each))?;
        let complete = core.ended || matches!(&core.tracker, Tracker::Chat(chat) if chat.complete());
        if core.state != State::Flowing || !complete {
            return Err(malformed());
        }
        core.tell_end(each);
        Ok(core.usage)
    }
}

impl Core {
    fn take(&mut self, event: Event<'_>, each: &mut dyn FnMut(Step<'_>)) -> Result<(), Fault> {
        if self.state == State::Owed {
            self.waiting_bytes += event.raw.len() + BLOCK_OVERHEAD_BYTES;
            self.within_bound()?;
            self.waiting.push_back(event.raw.to_vec());
            return Ok(());
        }
        let mut found = Found::default();
        let touched = self.observe(&event, &mut found)?;
        self.usage.update(found.usage);
        self.ended |= found.ended;
        let open = self.tracker.open();
        if found.ended && open {
            return Err(malformed());
        }
        let seen = if self.strips_usage {
            usage::without(event.raw, event.data.as_deref())
        } else {
            Some(Cow::Borrowed(event.raw))
        };
        let seen = seen.unwrap_or_default();
        if self.state == State::Flowing && !touched && found.ready.is_empty() {
            if !seen.is_empty() {
                each(Step::Release(&seen));
            }
            if self.ended {
                self.tell_end(each);
            }
            return Ok(());
        }
        if self.state == State::Flowing {
            self.state = State::Holding;
            each(Step::Hold);
        }
        self.held.extend_from_slice(&seen);
        self.within_bound()?;
        for call in found.ready {
            let proposal = call.propose(self.proposed, self.limits.argument_bytes)?;
            self.proposed += 1;
            self.proposals.push(proposal);
        }
        if open {
            return Ok(());
        }
        if self.proposals.is_empty() {
            return Err(malformed());
        }
        self.state = State::Owed;
        for proposal in std::mem::take(&mut self.proposals) {
            each(Step::Proposal(proposal));
        }
        Ok(())
    }

    fn observe(&mut self, event: &Event<'_>, found: &mut Found) -> Result<bool, Fault> {
        let Some(data) = event.data.as_deref() else {
            return Ok(false);
        };
        // No API splits its JSON over lines. Clients that read line by line would see each line as a chunk.
        if data.contains('\n') {
            return Err(malformed());
        }
        if self.ended {
            // After its end an answer may only repeat `[DONE]`, or ping: anything else was never checked.
            let pings =
                matches!(&self.tracker, Tracker::Anthropic(_)) && anthropic::is_ping(event.name, data);
            let harmless = data == "[DONE]" || pings;
            return if harmless { Ok(false) } else { Err(malformed()) };
        }
        match &mut self.tracker {
            Tracker::Chat(chat) => chat.observe(data, &mut self.limits, found),
            Tracker::Responses(responses) => responses.observe(event.name, data, &mut self.limits, found),
            Tracker::Anthropic(anthropic) => anthropic.observe(event.name, data, &mut self.limits, found),
        }
    }

    /// The pending calls are allowed: releases what is held, then reads what waited, up to the next calls.
    fn resume(&mut self, each: &mut dyn FnMut(Step<'_>)) -> Result<(), Fault> {
        each(Step::Release(&self.held));
        self.held = Vec::new();
        self.state = State::Flowing;
        if self.ended {
            self.tell_end(each);
        }
        while self.state != State::Owed
            && let Some(block) = self.waiting.pop_front()
        {
            self.waiting_bytes -= block.len() + BLOCK_OVERHEAD_BYTES;
            self.take(sse::block(&block)?, each)?;
        }
        Ok(())
    }

    fn tell_end(&mut self, each: &mut dyn FnMut(Step<'_>)) {
        if !std::mem::replace(&mut self.told, true) {
            each(Step::End(self.usage));
        }
    }

    fn within_bound(&self) -> Result<(), Fault> {
        if self.held.len() + self.waiting_bytes > self.held_bytes {
            return Err(self.limits.exceeded());
        }
        Ok(())
    }

    fn fail(&mut self, fault: Fault) {
        self.drop_everything();
        self.state = State::Failed(fault);
    }

    fn drop_everything(&mut self) {
        self.held = Vec::new();
        self.waiting = VecDeque::new();
        self.waiting_bytes = 0;
        self.proposals = Vec::new();
    }
}

impl Tracker {
    /// Whether a call has begun and is not whole.
    fn open(&self) -> bool {
        match self {
            Self::Chat(chat) => chat.open(),
            Self::Responses(responses) => responses.open(),
            Self::Anthropic(anthropic) => anthropic.open(),
        }
    }
}
