//! Budgets at work: what a call may come to is set aside before it is ruled on, and settled when its passage ends.
//!
//! The books are the guard's; this keeps them in one place, durable beside the ledger. INVARIANT: what was set aside for a
//! call whose record is durable is found again after any crash, either in what was kept or in the records after it.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};
use std::time::Duration;

use bartizan_guard::budget::{self, Asked, Books, Bound, Budget, Kept, Line, Price, Prices, Used};
use bartizan_store::{Ledger, State};
use bartizan_types::{Amounts, Answer, BudgetName, CallId, Evidence, Meter, Principal, Resource, Timestamp};
use tokio::{sync::watch, time::Instant};

use crate::{Shared, clock, config};

/// Under which name the books are kept.
const KEPT: &str = "budgets";
/// How often they are written, where they changed.
const EVERY: Duration = Duration::from_secs(5);
/// Records after which they are written all the same.
const BEHIND_MOST: u64 = 10_000;

/// What stopped the books from being read.
#[derive(Debug, thiserror::Error)]
pub enum BooksFault {
    /// The state.
    #[error("what is kept of the budgets can't be read")]
    State(#[from] bartizan_store::Fault),
    /// A record that has to be read.
    #[error("a record that says what budgets used can't be read")]
    Ledger(#[from] bartizan_store::LedgerFault),
    /// Another release wrote them.
    #[error(transparent)]
    Newer(#[from] bartizan_guard::budget::Newer),
}

/// The books, prices, and counts of what went wrong.
pub struct Budgets {
    books: Mutex<Books>,
    prices: Prices,
    most_millis: u64,
    usage_wait: Duration,
    answer_bytes: u64,
    /// Some budget counts tokens or money, so usage is asked for.
    tokens: bool,
    /// None is configured; links of delegations may still bring theirs.
    none: bool,
    changed: AtomicBool,
    /// The first record that is not in what was kept last.
    kept_upto: AtomicU64,
    /// Calls that came to more than was set aside.
    overruns: AtomicU64,
    refused: AtomicU64,
}

/// What a call has set aside, until its passage ends.
#[derive(Debug, Clone)]
pub(crate) struct Reserved {
    call: CallId,
    amounts: Amounts,
    price: Option<Price>,
    request_bytes: u64,
    began: Instant,
    /// Some budget counts its time, or its bytes: it is cut off where they end.
    pub millis: Option<u64>,
    pub bytes: Option<u64>,
}

/// Tokens in, by what is paid for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Billed {
    /// Those that the cache has nothing to do with.
    pub input: u64,
    /// Read from the provider's cache.
    pub cache_read: u64,
    /// Written to it.
    pub cache_write: u64,
}

impl Billed {
    fn all(self) -> u64 {
        let cached = self.cache_read.saturating_add(self.cache_write);
        self.input.saturating_add(cached)
    }
}

/// How a passage ended, as far as budgets care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing reached the upstream.
    Unsent,
    /// The whole answer came.
    Whole,
    /// Anything else: what is not known counts as set aside.
    Cut,
}

impl Budgets {
    /// The books as they stand: what was kept, the records after it, and whatever the last run left open.
    ///
    /// # Errors
    /// [`BooksFault`]: spending that can't be read must not look like none.
    pub fn open(
        config: &config::Budgets,
        limits: &config::Limits,
        state: &State,
        ledger: &Ledger,
    ) -> Result<Self, BooksFault> {
        let books = read(config.all.clone(), state, ledger)?;
        let counts = |meters: &[Meter]| config.all.iter().any(|budget| meters.contains(&budget.meter));
        Ok(Self {
            none: books.is_empty(),
            books: Mutex::new(books),
            prices: config.prices.clone(),
            most_millis: config.most_millis,
            usage_wait: config.usage_wait,
            answer_bytes: u64::try_from(limits.answer_bytes).unwrap_or(u64::MAX),
            tokens: counts(&[
                Meter::Tokens,
                Meter::InputTokens,
                Meter::OutputTokens,
                Meter::MicroUsd,
            ]),
            changed: AtomicBool::new(true),
            kept_upto: AtomicU64::new(0),
            overruns: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether usage of this caller's calls has to be known.
    pub(crate) fn counts_tokens(&self, caller: &Principal) -> bool {
        self.tokens || budget::counts_tokens(caller)
    }

    /// How long an answer is read on that nobody waits for any more, for what it used.
    pub(crate) const fn usage_wait(&self) -> Duration {
        self.usage_wait
    }

    /// The most that a request to a model may come to.
    pub(crate) fn of_model(&self, upstream: &str, model: &str, asked: Asked) -> Bound {
        self.prices.bound(upstream, model, asked)
    }

    /// Sets aside what a call may come to, and puts into its evidence what budgets know of it.
    pub(crate) fn reserve(&self, evidence: &mut Evidence, bound: Bound) -> Option<Reserved> {
        if self.none && !budget::is_counted(&evidence.principal) {
            return None;
        }
        let bound = Bound {
            bytes: Some(evidence.call.bytes.saturating_add(self.answer_bytes)),
            millis: Some(self.most_millis),
            ..bound
        };
        let spending = self.books().reserve(evidence.now, evidence, bound)?;
        let counted = |meter| spending.shares.iter().any(|share| share.meter == meter);
        let price = match &evidence.call.resource {
            Resource::Model { model, upstream } => self.prices.of(upstream.as_str(), model.as_str()),
            _ => None,
        };
        let reserved = spending.over.is_none().then(|| Reserved {
            call: evidence.call.id,
            amounts: spending.reserved,
            price,
            request_bytes: evidence.call.bytes,
            began: Instant::now(),
            millis: counted(Meter::Millis).then_some(self.most_millis),
            bytes: counted(Meter::Bytes).then_some(self.answer_bytes),
        });
        if reserved.is_some() {
            self.changed.store(true, Relaxed);
        } else {
            self.refused.fetch_add(1, Relaxed);
        }
        evidence.call.spending = Some(Box::new(spending));
        reserved
    }

    /// Settles what was set aside. Gives what it came to, for the closing record.
    pub(crate) fn settle(
        &self,
        reserved: &Reserved,
        (end, billed): (End, Option<Billed>),
        answer: &Answer,
    ) -> Amounts {
        let came_to = match end {
            End::Unsent => Amounts::default(),
            End::Whole | End::Cut => came_to(reserved, (end, billed), answer),
        };
        let settled = self.books().settle(clock::now(), reserved.call, came_to);
        self.changed.store(true, Relaxed);
        if settled.is_some_and(|settled| settled.overrun) {
            self.overruns.fetch_add(1, Relaxed);
            tracing::warn!(call = %reserved.call, "a call came to more than was set aside for it");
        }
        came_to
    }

    /// The call was refused: nothing of it counts.
    pub(crate) fn cancel(&self, reserved: &Reserved) {
        self.books().cancel(clock::now(), reserved.call);
        self.changed.store(true, Relaxed);
    }

    /// The budgets, and every counter that holds something.
    #[must_use]
    pub fn show(&self, now: Timestamp) -> (Vec<Budget>, Vec<Line>) {
        let books = self.books();
        (books.budgets().cloned().collect(), books.lines(now))
    }

    /// Calls refused by a budget, and calls that came to more than was set aside.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.refused.load(Relaxed), self.overruns.load(Relaxed))
    }

    /// Forgets what is used, and keeps that at once: a reset that a crash forgets would be no reset.
    ///
    /// # Errors
    /// The state's.
    pub fn reset(
        &self,
        budget: &BudgetName,
        of: Option<&str>,
        state: &State,
        ledger: &Ledger,
    ) -> Result<usize, bartizan_store::Fault> {
        let count = self.books().reset(clock::now(), budget, of);
        self.changed.store(true, Relaxed);
        self.keep(state, ledger)?;
        Ok(count)
    }

    /// Writes the books, where they changed.
    ///
    /// # Errors
    /// The state's.
    pub fn keep(&self, state: &State, ledger: &Ledger) -> Result<(), bartizan_store::Fault> {
        let size = ledger.checkpoint().checkpoint().size;
        // Also where nothing was spent for long: records that were never read with these books are read at the next start.
        let behind = size.saturating_sub(self.kept_upto.load(Relaxed)) >= BEHIND_MOST;
        if !self.changed.swap(false, Relaxed) && !behind {
            return Ok(());
        }
        let kept = {
            let books = self.books();
            // Read while nothing can be settled: every record before it was set aside in these books.
            books.keep(clock::now(), ledger.checkpoint().checkpoint().size)
        };
        state.keep(KEPT, &kept).inspect_err(|_| {
            self.changed.store(true, Relaxed);
        })?;
        self.kept_upto.store(kept.upto(), Relaxed);
        Ok(())
    }
}

fn read(budgets: Vec<Budget>, state: &State, ledger: &Ledger) -> Result<Books, BooksFault> {
    let mut books = Books::new(budgets);
    let kept: Option<Kept> = state.kept(KEPT)?;
    let from = match &kept {
        Some(kept) => kept.upto(),
        // No books were ever kept, and there is nothing that they would have counted.
        None if books.is_empty() => ledger.checkpoint().checkpoint().size,
        None => 0,
    };
    if let Some(kept) = kept {
        books.restore(kept)?;
    }
    for stored in ledger.records(from) {
        if let Some(record) = stored?.record {
            books.recover(&record);
        }
    }
    let open = books.close_open(clock::now());
    if open > 0 {
        tracing::info!(
            open,
            "calls of the last run are settled at what was set aside for them"
        );
    }
    Ok(books)
}

/// What a call came to. What stayed unknown is what was set aside; the answer of an upstream that failed has no tokens.
fn came_to(reserved: &Reserved, (end, billed): (End, Option<Billed>), answer: &Answer) -> Amounts {
    let most = reserved.amounts;
    let failed = end == End::Whole && answer.status.is_some_and(|status| status >= 400);
    let tokens = |said: Option<u64>, most: u64| match said {
        Some(said) => said,
        None if failed => 0,
        None => most,
    };
    let said = billed.map(Billed::all).or(answer.input_tokens);
    let input_tokens = tokens(said, most.input_tokens);
    let output_tokens = tokens(answer.output_tokens, most.output_tokens);
    let micro_usd = match (reserved.price, billed) {
        (Some(price), Some(billed)) => price.cost_of(Used {
            input: billed.input,
            cache_read: billed.cache_read,
            cache_write: billed.cache_write,
            output: output_tokens,
        }),
        // Which of them the cache took was not said.
        (Some(price), None) => price.cost(input_tokens, output_tokens),
        (None, _) => most.micro_usd,
    };
    let millis = u64::try_from(reserved.began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Amounts {
        calls: 1,
        input_tokens,
        output_tokens,
        micro_usd,
        bytes: reserved.request_bytes.saturating_add(answer.bytes),
        millis: millis.min(most.millis.max(1)),
    }
}

/// Writes the books every few seconds, and once more at the end.
pub(crate) async fn keep(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    loop {
        let stopping = tokio::select! {
            () = tokio::time::sleep(EVERY) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        if stopping {
            return;
        }
        let ours = Arc::clone(&shared);
        let kept = tokio::task::spawn_blocking(move || ours.budgets.keep(&ours.state, &ours.ledger)).await;
        match kept {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "what budgets used was not kept; the log has it"),
            Err(error) => tracing::error!(%error, "keeping what budgets used ended badly"),
        }
    }
}
