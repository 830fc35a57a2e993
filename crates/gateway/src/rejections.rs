//! Records of what was refused, before it was a call or by policy: one by one up to a quota, then one summary a minute,
//! so that a flood of bad requests can't fill the log.
//!
//! Denials have a quota for each identity, and of that a share for each thing it is denied: who floods one tool with
//! calls to hide a denial of another has both in the log.
//!
//! INVARIANT: the id in a refusal is that of a record. Refusals that are only counted are told the id of the summary
//! that will count them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bartizan_types::{
    Action, CallId, Code, Principal, Record, RecordKind, Refusal, Resource, RulingWord, Timestamp,
};
use bartizan_wire::{Fault, json};
use tokio::sync::watch;

use crate::{Shared, clock, config::Limits, mcp::Owner};

/// Kinds of denials told apart in one minute, and named in its summary; beyond, they share what is left.
const KINDS: usize = 4096;
const NAMED: usize = 64;

/// The current minute's account.
#[derive(Debug)]
pub(crate) struct Rejections {
    per_minute: u32,
    denials: u32,
    account: Mutex<Account>,
}

#[derive(Debug, Default)]
struct Account {
    minute: u64,
    recorded: u32,
    /// Denials recorded, of each identity.
    denied: HashMap<Owner, u32>,
    /// And of each kind.
    kinds: HashMap<Kind, u32>,
    counted: Counted,
}

/// What denials have in common: who, what, on what.
type Kind = (Owner, Action, Resource);

/// What waits for a summary.
#[derive(Debug, Default)]
struct Counted {
    /// The summary's id, once there is anything to count.
    id: Option<CallId>,
    codes: BTreeMap<Code, u64>,
    /// Denials among them, of whom and of what.
    denials: BTreeMap<String, u64>,
}

/// What becomes of one refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// It has a record of its own, under this id.
    Recorded(CallId),
    /// The summary of this id counts it.
    Counted(CallId),
}

impl Rejections {
    /// At most as many records a minute as the limits say.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            per_minute: limits.rejections_per_minute,
            denials: limits.denials_per_minute,
            account: Mutex::new(Account::default()),
        }
    }

    /// Gives this one a record of its own while the minute's quota lasts, and counts it after that.
    fn admit(&self, code: Code, now: Timestamp) -> Kept {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.turn(now);
        if account.recorded < self.per_minute {
            account.recorded += 1;
            return Kept::Recorded(clock::mint(now));
        }
        Kept::Counted(account.counted.add(code, now))
    }

    /// Gives a denial the record it comes with while its quotas last: `None`. After that it is counted, under the id of
    /// the summary that will.
    pub(crate) fn deny(&self, record: &Record, now: Timestamp) -> Option<CallId> {
        let (Some(principal), Some(facts), Some(RulingWord::Deny)) =
            (&record.principal, &record.facts, record.ruling)
        else {
            return None;
        };
        let owner = Owner::of(principal);
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.turn(now);
        if account.may_record(&owner, (facts.action, &facts.resource), self.denials) {
            return None;
        }
        let code = record.code.unwrap_or(Code::PolicyDenied);
        let named = format!(
            "{} {} {}",
            principal.agent,
            facts.action.as_str(),
            facts.resource.entity_id()
        );
        let denials = &mut account.counted.denials;
        if denials.len() < NAMED || denials.contains_key(&named) {
            *denials.entry(named).or_default() += 1;
        }
        Some(account.counted.add(code, now))
    }

    /// Counts one that never gets a record of its own: what is refused because there is too much of it.
    fn count(&self, code: Code, now: Timestamp) -> CallId {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.counted.add(code, now)
    }

    /// Whether a summary of this id is still to be written.
    fn owes(&self, id: CallId) -> bool {
        let account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.counted.id == Some(id)
    }

    fn take_counted(&self) -> Option<(CallId, Counted)> {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = std::mem::take(&mut account.counted);
        counted.id.map(|id| (id, counted))
    }
}

impl Account {
    /// Begins a new minute, if there is one.
    fn turn(&mut self, now: Timestamp) {
        let minute = now.unix_seconds() / 60;
        if self.minute != minute {
            self.minute = minute;
            self.recorded = 0;
            self.denied.clear();
            self.kinds.clear();
        }
    }

    /// Whether one more denial of this kind gets a record, of `most` that an identity has. A kind has a tenth.
    fn may_record(&mut self, owner: &Owner, (action, resource): (Action, &Resource), most: u32) -> bool {
        let crowded = self.denied.len() >= KINDS && !self.denied.contains_key(owner);
        let kind = (owner.clone(), action, resource.clone());
        let full = self.kinds.len() >= KINDS && !self.kinds.contains_key(&kind);
        let so_far = self.denied.get(owner).copied().unwrap_or(0);
        if crowded || full || so_far >= most {
            return false;
        }
        let alike = self.kinds.entry(kind).or_default();
        if *alike >= most.div_ceil(10) {
            return false;
        }
        *alike += 1;
        *self.denied.entry(owner.clone()).or_default() += 1;
        true
    }
}

impl Counted {
    fn add(&mut self, code: Code, now: Timestamp) -> CallId {
        *self.codes.entry(code).or_default() += 1;
        *self.id.get_or_insert_with(|| clock::mint(now))
    }
}

impl Shared {
    /// Refuses something before it was a call, and remembers that. Gives what to tell whoever asked.
    pub(crate) fn reject(&self, code: Code, principal: Option<&Principal>) -> Refusal {
        self.reject_at(limit(&self.config.limits, code), code, principal)
    }

    /// The same, where the record should say more than the caller is told: which revocation, which upstream.
    pub(crate) fn reject_noting(&self, code: Code, principal: &Principal, note: Option<String>) -> Refusal {
        self.reject_with(limit(&self.config.limits, code), code, Some(principal), note)
    }

    /// Counts and records what was never a request, and was answered without us; `note` says what was wrong with it.
    pub(crate) fn reject_unread(&self, code: Code, principal: Option<&Principal>, note: String) {
        drop(self.reject_with(None, code, principal, Some(note)));
    }

    /// Counts what was never a request. Gives what to tell, and whether [`Shared::record_rejection`] is owed for it.
    pub(crate) fn refuse_unread(&self, code: Code) -> (Refusal, bool) {
        self.meters.refused(code);
        match self.rejections.admit(code, clock::now()) {
            Kept::Counted(summary) => (told(summary, code), false),
            Kept::Recorded(call) => (told(call, code), true),
        }
    }

    /// Records what was refused under this id.
    pub(crate) fn record_rejection(
        &self,
        call: CallId,
        code: Code,
        principal: Option<Principal>,
        note: Option<String>,
    ) {
        let mut record = bartizan_guard::rejection(clock::now(), call, code, principal);
        record.note = note;
        if let Err(fault) = self.ledger.append_deferred(&record) {
            tracing::warn!(error = %fault, %code, "a rejection could not be recorded");
        }
    }

    /// Refuses because this is left alone after failing again and again; the record and the caller are told what it is.
    pub(crate) fn left_alone(&self, principal: &Principal, what: &str, seconds: u32) -> Refusal {
        let refusal = self.reject_noting(Code::CircuitOpen, principal, Some(what.to_owned()));
        Refusal {
            retry_after_seconds: Some(seconds),
            ..refusal.saying(what)
        }
    }

    /// The same, where another limit was met than the configuration's.
    pub(crate) fn reject_at(
        &self,
        limit: Option<String>,
        code: Code,
        principal: Option<&Principal>,
    ) -> Refusal {
        self.reject_with(limit, code, principal, None)
    }

    fn reject_with(
        &self,
        limit: Option<String>,
        code: Code,
        principal: Option<&Principal>,
        note: Option<String>,
    ) -> Refusal {
        let now = clock::now();
        self.meters.refused(code);
        let call = match self.rejections.admit(code, now) {
            Kept::Counted(summary) => summary,
            Kept::Recorded(call) => {
                self.record_rejection(call, code, principal.cloned(), note);
                call
            }
        };
        match limit {
            Some(limit) => told(call, code).saying(&limit),
            None => told(call, code),
        }
    }

    /// Refuses a body that can't be read, and tells where.
    pub(crate) fn misread(&self, fault: Fault, body: &[u8], principal: &Principal) -> Refusal {
        let refusal = self.reject(fault.code, Some(principal));
        // Of what is too large the bound is told; of a whole that is wrong there is no place.
        if fault.code == Code::BodyTooLarge || fault.at == 0 {
            return refusal;
        }
        refusal.saying(&json::place(body, fault.at))
    }

    /// Refuses something because there is too much of it, or because the gateway stops: counted, and never recorded
    /// one by one.
    pub(crate) fn shed(&self, code: Code) -> Refusal {
        self.meters.refused(code);
        told(self.rejections.count(code, clock::now()), code)
    }

    /// Writes the summary of this id now, if it is still to be written: somebody asks for it.
    pub(crate) fn summarise_if_owed(&self, id: CallId) {
        if self.rejections.owes(id) {
            self.summarise_rejections();
        }
    }

    pub(crate) fn summarise_rejections(&self) {
        let Some((id, counted)) = self.rejections.take_counted() else {
            return;
        };
        let parts: Vec<_> = counted
            .codes
            .iter()
            .map(|(code, count)| format!("{code} {count}"))
            .chain(
                counted
                    .denials
                    .iter()
                    .map(|(what, count)| format!("{what} {count}")),
            )
            .collect();
        let mut record = Record::new(RecordKind::RejectionSummary, clock::now());
        record.call = Some(id);
        record.note = Some(format!("not recorded one by one: {}", parts.join(", ")));
        if let Err(fault) = self.ledger.append_deferred(&record) {
            tracing::warn!(error = %fault, "a summary of rejections could not be recorded");
        }
    }
}

/// The limit that was met, where it is one of the configuration's.
fn limit(limits: &Limits, code: Code) -> Option<String> {
    Some(match code {
        Code::BodyTooLarge | Code::BodyExpansion => {
            format!("{} bytes (`[limits] body_bytes`)", limits.body_bytes)
        }
        Code::JsonDepth => format!("{} levels (`[limits] json_depth`)", limits.json_depth),
        Code::SlowCaller => format!(
            "{} s for a body (`[limits] read_timeout_ms`)",
            limits.read_timeout.as_secs_f64()
        ),
        Code::ShareFull => format!(
            "{} calls of one identity at once (`[limits] calls_per_identity`)",
            limits.calls_per_identity
        ),
        _ => return None,
    })
}

/// The limit of the configuration that an upstream's answer met, where it is read whole.
pub(crate) fn limit_of_answer(limits: &Limits, code: Code) -> Option<String> {
    Some(match code {
        Code::UpstreamTooLarge => format!("{} bytes (`[limits] answer_bytes`)", limits.answer_bytes),
        Code::UpstreamTimeout => format!(
            "{} s (`[limits] upstream_timeout_ms`)",
            limits.upstream_timeout.as_secs_f64()
        ),
        _ => return None,
    })
}

/// The same, where it is a stream.
pub(crate) fn limit_of_stream(limits: &Limits, code: Code) -> Option<String> {
    Some(match code {
        Code::UpstreamTooLarge => format!("{} bytes held back (`[limits] held_bytes`)", limits.held_bytes),
        Code::EventTooLarge => format!("{} bytes (`[limits] event_bytes`)", limits.event_bytes),
        _ => return limit_of_answer(limits, code),
    })
}

/// A refusal under an id that a record has, or will have.
fn told(call: CallId, code: Code) -> Refusal {
    let mut refusal = Refusal::new(call, code);
    if matches!(code, Code::Saturated | Code::QueueFull | Code::Draining) {
        refusal.retry_after_seconds = Some(1);
    }
    refusal
}

/// Writes a summary a minute until the gateway stops. What is refused while it stops is summarised by whoever waits
/// for it to.
pub(crate) async fn summarise(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    loop {
        let minute = tokio::time::sleep(Duration::from_secs(60));
        tokio::select! {
            () = minute => shared.summarise_rejections(),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use bartizan_types::{CallFacts, Surface, ToolName};

    use super::*;
    use crate::turns::tests::principal;

    #[test]
    fn a_flood_is_counted_not_recorded() {
        let rejections = Rejections::new(&Limits {
            rejections_per_minute: 3,
            ..Limits::default()
        });
        let now = Timestamp::from_unix_seconds(600);
        let kept: Vec<_> = (0..1000)
            .map(|_| rejections.admit(Code::KeyUnknown, now))
            .collect();
        let recorded = kept.iter().filter(|kept| matches!(kept, Kept::Recorded(_)));
        assert_eq!(recorded.count(), 3);
        let (id, counted) = rejections.take_counted().unwrap();
        assert_eq!(counted.codes, BTreeMap::from([(Code::KeyUnknown, 997)]));
        // Every one of them was told the id of the summary that counts it.
        assert!(kept[3..].iter().all(|kept| *kept == Kept::Counted(id)));
        let next = rejections.admit(Code::KeyUnknown, Timestamp::from_unix_seconds(660));
        assert!(matches!(next, Kept::Recorded(_)));
        assert!(rejections.take_counted().is_none());
        // The next summary is another one.
        let later = rejections.count(Code::Saturated, now);
        assert!(later != id && rejections.owes(later) && !rejections.owes(id));
    }

    fn denial(agent: &str, tool: &str) -> Record {
        let mut record = Record::new(RecordKind::Ruling, Timestamp::from_unix_seconds(600));
        record.ruling = Some(RulingWord::Deny);
        record.code = Some(Code::PolicyDenied);
        record.principal = Some(principal(agent));
        let resource = Resource::AgentTool {
            tool: ToolName::new(tool).unwrap(),
        };
        record.facts = Some(CallFacts::new(
            clock::mint(record.time),
            Action::ProposeTool,
            resource,
            Surface::Mcp,
        ));
        record
    }

    #[test]
    fn a_flood_of_denials_is_counted_and_hides_nothing_else() {
        let rejections = Rejections::new(&Limits {
            denials_per_minute: 100,
            ..Limits::default()
        });
        let now = Timestamp::from_unix_seconds(600);
        let flood: Vec<_> = (0..500)
            .map(|_| rejections.deny(&denial("loud", "ping"), now))
            .collect();
        assert_eq!(flood.iter().filter(|told| told.is_none()).count(), 10);
        // What it is denied beside the flood is recorded, and so is what anybody else is denied.
        assert_eq!(rejections.deny(&denial("loud", "pay"), now), None);
        assert_eq!(rejections.deny(&denial("calm", "ping"), now), None);
        // Many kinds of denials are a flood too.
        let many = (0..500).filter(|at| {
            rejections
                .deny(&denial("loud", &format!("tool{at}")), now)
                .is_none()
        });
        assert_eq!(many.count(), 89);
        let (id, counted) = rejections.take_counted().unwrap();
        assert_eq!(counted.codes, BTreeMap::from([(Code::PolicyDenied, 490 + 411)]));
        assert!(flood[10..].iter().all(|told| *told == Some(id)));
        assert_eq!(counted.denials.len(), NAMED);
        assert_eq!(counted.denials.values().max(), Some(&490));
        // An allowed call is never counted away, nor a question.
        let mut asked = denial("loud", "ping");
        asked.ruling = Some(RulingWord::Ask);
        assert_eq!(rejections.deny(&asked, now), None);
        // The next minute begins anew.
        let later = Timestamp::from_unix_seconds(660);
        assert_eq!(rejections.deny(&denial("loud", "ping"), later), None);
    }
}
