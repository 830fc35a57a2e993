//! What goes on after an agent went away in the middle of a call whose tokens or money a budget counts: the answer is read
//! to its end and thrown away, so that the books say what the provider will bill, and not the most that it could have been.
//!
//! Bounded by `[limits] usage_wait_ms`, after which what stays unknown settles at what was set aside; it keeps its place in
//! its identity's share of calls for so long, and ends with whatever ends the call. Nothing that comes reaches anybody.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bartizan_types::Code;
use bartizan_wire::{
    Fault,
    model::{self as wire, Step, Usage},
};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{runtime::Handle, time::timeout};

use super::{Asked, used};
use crate::{Shared, gate::Passage, reins::Reins, upstream::Outbound};

/// A call that is brought to its end whoever still waits for it.
pub(super) struct Outlasting<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    shared: Arc<Shared>,
    reins: Arc<Reins>,
}

impl<T: Send + 'static> Outlasting<T> {
    pub(super) fn new(
        shared: &Arc<Shared>,
        reins: &Arc<Reins>,
        work: Pin<Box<dyn Future<Output = T> + Send>>,
    ) -> Self {
        Self {
            work: Some(work),
            shared: Arc::clone(shared),
            reins: Arc::clone(reins),
        }
    }
}

impl<T: Send + 'static> Future for Outlasting<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Outlasting<T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let Some((runtime, most)) = goes_on(&self.shared, &self.reins) else {
            return;
        };
        let cut = Arc::clone(&self.reins).cut(Arc::clone(&self.shared.revoked));
        runtime.spawn(async move {
            tokio::select! {
                biased;
                _ = cut => {}
                _ = timeout(most, work) => {}
            }
        });
    }
}

/// On what, and for how long, a call goes on; `None` where it has been ended, or nothing may go on.
fn goes_on(shared: &Shared, reins: &Reins) -> Option<(Handle, std::time::Duration)> {
    let most = shared.budgets.usage_wait();
    if most.is_zero() || reins.ended().is_some() {
        return None;
    }
    Some((Handle::try_current().ok()?, most))
}

/// What is still to come of a streamed answer that nobody is given any more.
pub(super) struct Rest {
    pub(super) asked: Asked,
    pub(super) passage: Passage<Outbound>,
    pub(super) body: Incoming,
    pub(super) decoder: wire::Stream,
    /// Why the agent is not given it; `None`: it went away.
    pub(super) withheld: Option<Code>,
}

impl Rest {
    /// Reads on where that tells what a budget wants to know, and closes the passage.
    pub(super) fn settle(self) {
        let (shared, reins) = (
            Arc::clone(&self.asked.shared),
            Arc::clone(&self.asked.caller.reins),
        );
        let counts = shared.budgets.counts_tokens(&self.asked.caller.principal);
        match goes_on(&shared, &reins).filter(|_| counts) {
            Some((runtime, most)) => {
                runtime.spawn(async move { self.read_on(&shared, &reins, most).await });
            }
            None => self.close(),
        }
    }

    async fn read_on(mut self, shared: &Arc<Shared>, reins: &Arc<Reins>, most: std::time::Duration) {
        let cut = Arc::clone(reins).cut(Arc::clone(&shared.revoked));
        let told = tokio::select! {
            biased;
            _ = cut => None,
            told = timeout(most, self.pull()) => told.ok().flatten(),
        };
        match told {
            Some(usage) => {
                used(self.asked.api, &mut self.passage, usage);
                self.end();
            }
            None => self.close(),
        }
    }

    /// What the whole answer used, once the upstream has said it.
    async fn pull(&mut self) -> Option<Usage> {
        let mut told = self.take(&[]).ok()?;
        while told.is_none() {
            let Ok(chunk) = self.body.frame().await?.ok()?.into_data() else {
                continue;
            };
            told = self.take(&chunk).ok()?;
        }
        told
    }

    fn take(&mut self, chunk: &[u8]) -> Result<Option<Usage>, Fault> {
        let mut told = None;
        let mut each = |step: Step<'_>| {
            if let Step::End(usage) = step {
                told = Some(usage);
            }
        };
        self.decoder.push(chunk, &mut each)?;
        // Calls that wait for a ruling need none: nobody will be given them.
        while self.decoder.owes_ruling() {
            self.decoder.settle(true, &mut each)?;
        }
        Ok(told)
    }

    /// It broke off, or nobody waits for its end: what was said so far holds.
    fn close(mut self) {
        so_far(&self.asked, &mut self.passage, &self.decoder);
        self.end();
    }

    fn end(self) {
        match self.withheld {
            Some(code) => self.passage.withheld(code),
            // The passage records what became of it as it is dropped.
            None => drop(self.passage),
        }
    }
}

/// Notes what an answer that was cut off said of its usage: what went in. What comes out grows until the end, and so does
/// what goes in where the provider runs tools by itself.
pub(super) fn so_far(asked: &Asked, passage: &mut Passage<Outbound>, decoder: &wire::Stream) {
    if asked.hosts || passage.billed.is_some() {
        return;
    }
    let usage = Usage {
        output_tokens: None,
        ..decoder.usage()
    };
    used(asked.api, passage, usage);
}
