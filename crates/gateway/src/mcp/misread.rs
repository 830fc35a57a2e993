//! Messages of a server that can't be read: whom they end, and what is told of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bartizan_mcp::Caller;
use bartizan_types::{Code, Refusal};

use super::{
    conn::{Conn, Delivery},
    hub::lock,
};

/// How long before the wait for an answer its call may have been sent: an answer can be there before anybody waits for it.
const SENDING: Duration = Duration::from_secs(1);

impl Conn {
    /// A message of the server's is refused.
    pub(super) fn refused(&self, code: Code) {
        if let Some(shared) = self.shared.upgrade() {
            // Nobody is told: the server's fault is not the agent's.
            let _recorded = shared.reject(code, Some(&self.caller.principal));
        }
    }

    /// Tells a request that nothing more comes.
    pub(crate) fn gone(&self, caller: Caller, code: Code) {
        self.deliver(caller, Delivery::Gone(code));
    }

    /// Servers print banners; what is no message is refused, recorded, and survived. What answers a request all the same, as
    /// far as that can be told, ends it: no better answer comes.
    pub(super) async fn misread(self: &Arc<Self>, line: &[u8], code: Code) {
        self.refused(code);
        let only = self.relates(None);
        let event = lock(&self.link).unread(line, code, only);
        match event {
            Some(event) => {
                if let Err(code) = self.handle(event, None).await {
                    self.refused(code);
                }
            }
            None => {
                *lock(&self.misread) = Some((Instant::now(), code));
                self.served.health.misread(None);
            }
        }
    }

    /// A refusal for an answer that did not come in time, with what came meanwhile and could not be read.
    pub(crate) fn explained(&self, refusal: Refusal) -> Refusal {
        let last = *lock(&self.misread);
        match last {
            Some((at, code))
                if refusal.code == Code::UpstreamTimeout
                    && at.elapsed() <= self.served.config.timeout + SENDING =>
            {
                refusal.saying(&format!("meanwhile it sent what can't be read [{code}]"))
            }
            _ => refusal,
        }
    }
}
