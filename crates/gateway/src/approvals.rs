//! Questions to humans, kept: the guard's state machine behind a lock, its rows sealed on disk, and a record of every
//! question, answer, endorsement and revocation. A yes that was used is in the record of the ruling that rests on it.
//!
//! What it refuses: to take an answer from anybody but the admin channel, to let a yes be used before its record is
//! durable or twice, to put a value into a record, and to hold more calls open than it was told.

pub(crate) mod client;
pub(crate) mod draft;
pub(crate) mod webhook;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use bartizan_flow::{Assessment, Effect};
use bartizan_guard::approval::{
    self, AnswerFault, Answered, Answerer, Asked, Asker, Draft, Endorsement, Limits, Question, Scope,
    Standing, Verdict,
};
use bartizan_store::{ApprovalStore, Fault, Ledger, LedgerFault, Query};
use bartizan_types::{
    ApprovalId, CallFacts, Code, Evidence, Principal, Record, RecordKind, RulingWord, Secret,
};
use draft::Wire;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::{
    clock, config,
    gate::{Asking, Caller},
    sessions::{Likes, Traced},
};

/// Rulings of one session looked through for a yes that was used just before a crash.
const RULINGS: usize = 1000;

/// Why an answer did not take effect, or what was kept can't be taken up.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalFault {
    /// The question does not take it.
    #[error(transparent)]
    Fault(#[from] AnswerFault),
    /// It could not be recorded.
    #[error("the answer could not be recorded")]
    Ledger(#[from] LedgerFault),
    /// It could not be kept.
    #[error("the answer could not be kept")]
    Store(#[from] Fault),
}

/// All questions, live.
pub struct Approvals {
    settings: config::Approvals,
    store: Arc<ApprovalStore>,
    ledger: Ledger,
    book: Mutex<approval::Approvals>,
    /// One writer at a time, each writing what the book says then: the last write is never an older one.
    writing: tokio::sync::Mutex<()>,
    /// What was taken away and could not be written: the book says what is to be written of it.
    owed: Mutex<BTreeSet<ApprovalId>>,
    /// Counts answers.
    news: watch::Sender<u64>,
    waiters: Semaphore,
    /// Takes the questions that a webhook is to be told of, once something is there to tell it.
    told: OnceLock<mpsc::Sender<ApprovalId>>,
}

/// Hold of a yes. Dropped unspent, it is given back.
pub(crate) struct Held {
    approvals: Arc<Approvals>,
    id: ApprovalId,
}

impl Held {
    /// Uses it up, durably: after this, and not before, the call may be made.
    ///
    /// # Errors
    /// The code to refuse with. The yes is gone all the same.
    pub(crate) async fn spend(self) -> Result<(), Code> {
        let id = self.id;
        if !self.approvals.book().spend(id) {
            return Err(Code::Bug);
        }
        let saved = self.approvals.sync(vec![id]).await;
        saved.map_err(|fault| {
            tracing::error!(approval = %id, error = %fault, "the use of an approval could not be kept");
            self.approvals.owe(&[id]);
            fault.code().unwrap_or(Code::Bug)
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.approvals.book().release(self.id);
    }
}

impl Approvals {
    /// Takes up what was kept. Rows that do not open are left out, removed and recorded.
    ///
    /// # Errors
    /// The database's or the ledger's.
    pub fn open(
        settings: config::Approvals,
        store: ApprovalStore,
        ledger: Ledger,
    ) -> Result<Arc<Self>, ApprovalFault> {
        let loaded = store.load()?;
        let mut refused = loaded.refused;
        let (mut questions, mut endorsements) = (Vec::new(), Vec::new());
        for (name, plain) in &loaded.rows {
            let read = match name.split_once('/') {
                Some(("q", id)) => {
                    named(plain.expose(), id, |one: &Question| one.id).map(|one| questions.push(one))
                }
                Some(("e", id)) => {
                    named(plain.expose(), id, |one: &Endorsement| one.id).map(|one| endorsements.push(one))
                }
                _ => None,
            };
            if read.is_none() {
                refused.push(name.clone());
            }
        }
        let mut used = Vec::new();
        for question in questions.iter().filter(|one| one.standing == Standing::Allowed) {
            if spent(&ledger, question)? {
                used.push(question.id);
            }
        }
        questions.retain(|question| !used.contains(&question.id));
        let kept: Vec<String> = questions
            .iter()
            .map(|one| question_row(&one.id))
            .chain(endorsements.iter().map(|one| endorsement_row(&one.id)))
            .collect();
        let mut book = approval::Approvals::new(limits(&settings));
        book.restore(clock::now(), questions, endorsements);
        let live: BTreeSet<String> = book
            .questions()
            .map(|one| question_row(&one.id))
            .chain(book.endorsements().map(|one| endorsement_row(&one.id)))
            .collect();
        for name in &refused {
            tracing::error!(row = %name.escape_debug(), "a kept approval does not read as ours and is not used");
            let mut record = Record::new(RecordKind::Operation, clock::now());
            record.note = Some(format!(
                "approval row `{}` refused: it is not ours",
                name.escape_debug()
            ));
            ledger.append_deferred(&record)?;
        }
        refused.extend(used.iter().map(question_row));
        refused.extend(kept.into_iter().filter(|name| !live.contains(name)));
        store.change(&[], &refused)?;
        Ok(Arc::new(Self {
            waiters: Semaphore::new(settings.waiters),
            settings,
            store: Arc::new(store),
            ledger,
            book: Mutex::new(book),
            writing: tokio::sync::Mutex::new(()),
            owed: Mutex::default(),
            news: watch::Sender::new(0),
            told: OnceLock::new(),
        }))
    }

    /// From now on, what is asked for the first time goes here, too. The first caller alone gets something.
    pub(crate) fn tell(&self) -> Option<mpsc::Receiver<ApprovalId>> {
        self.settings.webhook.as_ref()?;
        let (sender, asked) = mpsc::channel(webhook::QUEUE);
        self.told.set(sender).ok().map(|()| asked)
    }

    fn book(&self) -> MutexGuard<'_, approval::Approvals> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to a call what humans said of it: values they endorsed, and the yes to exactly this call, which is held.
    pub(crate) fn consult(self: &Arc<Self>, asking: &mut Asking) -> Option<Held> {
        // Most of the time nobody said anything.
        if self.book().is_empty() {
            return None;
        }
        let (found, id) = {
            let traced = asking.trace()?;
            let evidence = asking.evidence();
            let asker = Asker::new(&evidence.principal, evidence.session);
            let outgoing = traced.outgoing();
            let wire = Wire::new(&asker, &evidence.call, traced, &outgoing);
            let mut found = None;
            let covered = wire.covered(&self.book(), clock::now());
            if covered.values().any(|good| *good) {
                let endorsed = found.insert(Assessment::clone(&traced.found));
                endorse(&covered, endorsed);
            }
            let binding = wire.binding();
            let id = binding.and_then(|binding| self.book().hold(clock::now(), binding, &asker));
            (found, id)
        };
        asking.answered(found, id);
        id.map(|id| Held {
            approvals: Arc::clone(self),
            id,
        })
    }

    /// Whether somebody said yes to this call, without what it has beside what she was shown.
    pub(crate) fn stands(&self, caller: &Caller, call: &CallFacts, traced: &Traced) -> bool {
        // Most of the time nobody said anything.
        if self.book().is_empty() {
            return false;
        }
        let asker = Asker::new(&caller.principal, caller.session.id);
        let outgoing = traced.outgoing();
        let asked = Wire::new(&asker, call, traced, &outgoing).asked();
        asked.is_some_and(|asked| self.book().stands(clock::now(), asked, &asker))
    }

    /// Traces a call again, with what humans endorsed.
    pub(crate) fn again(&self, traced: &Traced, evidence: &mut Evidence) {
        let asker = Asker::new(&evidence.principal, evidence.session);
        let covered = {
            let outgoing = traced.outgoing();
            let wire = Wire::new(&asker, &evidence.call, traced, &outgoing);
            wire.covered(&self.book(), clock::now())
        };
        traced.again(&mut evidence.call, |found| endorse(&covered, found));
    }

    /// The question that follows from a ruling, by its record and what its values are like: none where it does not ask,
    /// where nobody knows what the call says, or where this identity asks too much.
    pub(crate) async fn question_of(
        &self,
        asked: Option<(Box<Record>, Likes)>,
        traced: Option<&Traced>,
    ) -> Option<ApprovalId> {
        let ((record, likes), traced) = (asked?, traced?);
        if record.ruling != Some(RulingWord::Ask) {
            return None;
        }
        let record = *record;
        let (principal, session, call) = (record.principal?, record.session?, record.facts?);
        let because = record.because.unwrap_or_default();
        let draft = {
            let asker = Asker::new(&principal, session);
            let outgoing = traced.outgoing();
            let wire = Wire::new(&asker, &call, traced, &outgoing);
            let asking = because.policies.into_iter().chain(because.would_permit).collect();
            let effect = call.flow.as_ref().map_or(Effect::Unknown, |flow| flow.effect);
            wire.draft(asking, self.needs(effect), &likes)?
        };
        self.ask(&principal, draft).await
    }

    /// How many people must say yes to this.
    fn needs(&self, effect: Effect) -> u8 {
        if self.settings.two_person.contains(&effect) {
            2
        } else {
            1
        }
    }

    /// Asks. The question's id, or none where this identity asks too much.
    async fn ask(&self, principal: &Principal, draft: Draft) -> Option<ApprovalId> {
        let now = clock::now();
        let mut record = Record::new(RecordKind::Operation, now);
        record.principal = Some(principal.clone());
        record.session = Some(draft.asker.session);
        record.call = Some(draft.call);
        let what = format!(
            "`{}/{}` ({}), call {}",
            draft.server,
            draft.tool,
            draft.flow.effect.as_str(),
            draft.binding.digest()
        );
        let (asked, mut touched) = {
            let mut book = self.book();
            let touched = book.sweep(now);
            (book.ask(now, clock::mint(now), draft), touched)
        };
        let (id, note) = match asked {
            Asked::Again(id) | Asked::Denied(id) => (Some(id), None),
            Asked::New(id) => {
                touched.push(id);
                record.approved = Some(id);
                // One that there is no room for is listed all the same.
                if let Some(Err(_)) = self.told.get().map(|told| told.try_send(id)) {
                    tracing::warn!(approval = %id, "the webhook is not told of a question: too many wait");
                }
                (Some(id), Some(format!("approval {id} asked: {what}")))
            }
            // A flood is counted, and told of at every doubling.
            Asked::Flood { dropped } => {
                let note = format!("questions of one identity are not kept any more: {dropped} so far");
                (None, dropped.is_power_of_two().then_some(note))
            }
        };
        if let Some(note) = note {
            record.note = Some(note);
            if let Err(fault) = self.ledger.append_deferred(&record) {
                tracing::warn!(error = %fault, "a question could not be recorded");
            }
        }
        if !touched.is_empty()
            && let Err(fault) = self.sync(touched).await
        {
            // It is in memory all the same, and asked again after a restart.
            tracing::warn!(error = %fault, "a question could not be kept");
        }
        id
    }

    /// Whether calls are held open for answers at all.
    pub(crate) const fn waits(&self) -> bool {
        !self.settings.wait.is_zero()
    }

    /// Waits for the answer to a question, as long as the configuration says. `true`: the call may be tried again.
    pub(crate) async fn allowed(&self, id: ApprovalId) -> bool {
        let Ok(_place) = self.waiters.try_acquire() else {
            return false;
        };
        self.standing(id, Instant::now() + self.settings.wait).await
    }

    /// Waits until then for a question to be answered. `true`: with a yes.
    async fn standing(&self, id: ApprovalId, until: Instant) -> bool {
        let mut news = self.news.subscribe();
        loop {
            match self.book().standing(id) {
                Some(Standing::Allowed) => return true,
                Some(Standing::Waiting) => {}
                Some(Standing::Denied) | None => return false,
            }
            let left = until.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, news.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return false,
            }
        }
    }

    /// Takes an answer. It holds once it is recorded and kept.
    ///
    /// # Errors
    /// [`ApprovalFault`]; where it could not be recorded or kept, the question is forgotten and will be asked anew.
    pub async fn answer(
        &self,
        id: ApprovalId,
        verdict: &Verdict,
        by: &Answerer,
    ) -> Result<Answered, ApprovalFault> {
        let now = clock::now();
        let (answered, mut touched, pending) = {
            let mut book = self.book();
            let touched = book.sweep(now);
            let before = book.question(id).cloned();
            let answered = book.answer(now, id, verdict, by, || clock::mint(now))?;
            if let (Answered::Allowed(_), Some(question)) = (&answered, &before) {
                // Nobody gets it before the record is durable.
                let draft = &question.draft;
                book.hold(now, draft.binding, &draft.asker);
            }
            let record = answer_record(before.as_ref(), id, verdict, by, &answered);
            (answered, touched, self.ledger.submit(&record))
        };
        touched.push(id);
        if let Answered::Allowed(given) = &answered {
            touched.extend(given.iter().map(|one| one.id));
        }
        let recorded = match pending {
            Ok(pending) => pending.acknowledged().await.map(drop),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = recorded {
            self.undo(id, &answered);
            return Err(fault.into());
        }
        if let Err(fault) = self.sync(touched.clone()).await {
            self.undo(id, &answered);
            // It may have been written all the same.
            self.owe(&touched);
            return Err(fault.into());
        }
        self.book().release(id);
        self.news.send_modify(|count| *count = count.wrapping_add(1));
        Ok(answered)
    }

    /// An answer that nobody would remember is none.
    fn undo(&self, id: ApprovalId, answered: &Answered) {
        let mut book = self.book();
        book.forget(id);
        if let Answered::Allowed(given) = answered {
            for endorsement in given {
                book.revoke(endorsement.id);
            }
        }
    }

    /// Ends an endorsement; tells whether there was one.
    ///
    /// # Errors
    /// [`ApprovalFault`]; it no longer holds in this process all the same, and its end is written once that can be.
    pub async fn revoke(&self, id: ApprovalId, by: &Answerer) -> Result<bool, ApprovalFault> {
        if !self.book().revoke(id) {
            return Ok(false);
        }
        let mut record = Record::new(RecordKind::Operation, clock::now());
        record.approved = Some(id);
        record.note = Some(format!("endorsement {id} revoked by {}", by.name));
        // Neither waits for the other to go well.
        let kept = self.sync(vec![id]).await;
        if kept.is_err() {
            self.owe(&[id]);
        }
        let recorded = self.ledger.append(&record).await;
        kept?;
        recorded?;
        Ok(true)
    }

    fn owed(&self) -> MutexGuard<'_, BTreeSet<ApprovalId>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owe(&self, ids: &[ApprovalId]) {
        self.owed().extend(ids);
    }

    /// How much was taken away that the state does not say.
    pub(crate) fn unwritten(&self) -> usize {
        self.owed().len()
    }

    /// Writes what is owed.
    ///
    /// # Errors
    /// The state's; it is still owed then.
    pub(crate) async fn settle(&self) -> Result<(), Fault> {
        let ids: Vec<ApprovalId> = std::mem::take(&mut *self.owed()).into_iter().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let settled = self.sync(ids.clone()).await;
        settled.inspect_err(|_| self.owe(&ids))
    }

    /// Every question, oldest first.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        let mut book = self.book();
        // What is over is shown to nobody; its rows go with the next write.
        book.sweep(clock::now());
        book.questions().cloned().collect()
    }

    /// One question.
    #[must_use]
    pub fn question(&self, id: ApprovalId) -> Option<Question> {
        self.questions().into_iter().find(|question| question.id == id)
    }

    /// Every endorsement, oldest first.
    #[must_use]
    pub fn endorsements(&self) -> Vec<Endorsement> {
        self.book().endorsements().cloned().collect()
    }

    /// Identities that asked too much, with the number of questions that were dropped.
    #[must_use]
    pub fn dropped(&self) -> Vec<(String, Option<String>, u64)> {
        let word =
            |(agent, user, count): (&bartizan_types::AgentId, Option<&bartizan_types::UserId>, u64)| {
                (agent.to_string(), user.map(ToString::to_string), count)
            };
        self.book().dropped().map(word).collect()
    }

    /// Writes what the book says of these ids now.
    async fn sync(&self, ids: Vec<ApprovalId>) -> Result<(), Fault> {
        let _turn = self.writing.lock().await;
        let (mut puts, mut drops) = (Vec::new(), Vec::new());
        {
            let book = self.book();
            for id in &ids {
                match book.question(*id) {
                    Some(question) => puts.push((question_row(id), row(question)?)),
                    None => drops.push(question_row(id)),
                }
                match book.endorsements().find(|one| one.id == *id) {
                    Some(endorsement) => puts.push((endorsement_row(id), row(endorsement)?)),
                    None => drops.push(endorsement_row(id)),
                }
            }
        }
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || store.change(&puts, &drops)).await {
            Ok(done) => done,
            // A write that panicked wrote nothing that can be relied on.
            Err(_) => Err(Fault::Crypto),
        }
    }
}

/// Marks the arguments at covered paths.
fn endorse(covered: &BTreeMap<String, bool>, found: &mut Assessment) {
    found.endorse(|argument| covered.get(&argument.path).is_some_and(|good| *good));
}

fn limits(settings: &config::Approvals) -> Limits {
    Limits {
        life_micros: u64::try_from(settings.life.min(Duration::from_secs(86_400)).as_micros())
            .unwrap_or(u64::MAX),
        elicited: settings.client_effects.clone(),
        ..Limits::default()
    }
}

fn question_row(id: &ApprovalId) -> String {
    format!("q/{id}")
}

fn endorsement_row(id: &ApprovalId) -> String {
    format!("e/{id}")
}

fn row(value: &impl Serialize) -> Result<Secret<Vec<u8>>, Fault> {
    serde_json::to_vec(value)
        .map(Secret::new)
        .map_err(|_| Fault::Crypto)
}

/// A row that reads and says of itself what it is called.
fn named<T: DeserializeOwned>(bytes: &[u8], id: &str, of: impl Fn(&T) -> ApprovalId) -> Option<T> {
    let read: T = serde_json::from_slice(bytes).ok()?;
    (of(&read).to_string() == id).then_some(read)
}

/// Whether the log has a call that this yes let through. A state file put back to an earlier day does not make a yes
/// good again while the log remembers; where there is too much to look through, it counts as used.
fn spent(ledger: &Ledger, question: &Question) -> Result<bool, LedgerFault> {
    let asker = &question.draft.asker;
    let found = ledger.search(&Query {
        session: Some(asker.session),
        agent: Some(asker.agent.clone()),
        since: Some(question.asked),
        kind: Some(RecordKind::Ruling),
        ruling: Some(RulingWord::Allow),
        limit: RULINGS,
        ..Query::default()
    })?;
    let rests = |stored: &bartizan_store::StoredRecord| match &stored.record {
        Some(record) => record.approved == Some(question.id),
        // An erased one may have been it.
        None => true,
    };
    Ok(found.len() >= RULINGS || found.iter().any(rests))
}

/// The record of an answer: who, to what, how far. Values appear as digests.
fn answer_record(
    question: Option<&Question>,
    id: ApprovalId,
    verdict: &Verdict,
    by: &Answerer,
    answered: &Answered,
) -> Record {
    let mut record = Record::new(RecordKind::Operation, clock::now());
    record.approved = Some(id);
    let mut note = format!("approval {id} ");
    note.push_str(match answered {
        Answered::Denied => "denied",
        Answered::More => "allowed by the first of two",
        Answered::Allowed(_) => "allowed",
    });
    match verdict {
        Verdict::Allow(Scope::Once) => note.push_str(" once"),
        Verdict::Allow(Scope::Task { .. }) => note.push_str(" for this task"),
        Verdict::Allow(Scope::Until { until, .. }) => note.push_str(&format!(" until {until}")),
        Verdict::Deny => {}
    }
    if let Some(question) = question {
        let draft = &question.draft;
        record.session = Some(draft.asker.session);
        record.call = Some(draft.call);
        note.push_str(&format!(
            ": `{}/{}` of agent `{}`, call {}",
            draft.server,
            draft.tool,
            draft.asker.agent,
            draft.binding.digest()
        ));
    }
    if let Answered::Allowed(given) = answered {
        for one in given {
            note.push_str(&format!(
                "; endorsement {}: {} `{}` may be {}",
                one.id,
                one.role.as_str(),
                one.place.escape_debug(),
                one.value
            ));
        }
    }
    note.push_str(&format!(", by {}", by.name));
    record.note = Some(note);
    record
}

#[cfg(test)]
mod tests;
