//! What the opener of a tunnel or a WebSocket showed: judged again whenever who may call changes, since those outlive what
//! was true when they were opened. A key that was ended, a root that was rotated away, a trust domain or a key set that is
//! no more: each ends what was opened by it.

use std::{fmt, sync::Arc};

use bartizan_identity::{Credential, Presented};
use bartizan_types::{Code, Principal, Secret, Timestamp};

use crate::{Shared, clock, tls::Shown};

/// Cheap to hand on.
#[derive(Clone)]
pub(crate) struct Badge(Arc<Held>);

struct Held {
    credential: Option<Secret<String>>,
    certificate: Option<Shown>,
}

impl Badge {
    /// Of a request to the proxy.
    pub(super) fn new(credential: Option<String>, certificate: Option<Shown>) -> Self {
        Self(Arc::new(Held {
            credential: credential.map(Secret::new),
            certificate,
        }))
    }

    /// Whom it names, now.
    ///
    /// # Errors
    /// Why it names nobody.
    pub(super) fn judge(&self, shared: &Shared, now: Timestamp) -> Result<Arc<Principal>, Code> {
        let credential = self.0.credential.as_ref();
        let presented = Presented {
            credential: credential.map_or(Credential::None, |text| Credential::Bearer(text.expose())),
            certificate: self.0.certificate.as_ref().map(|shown| &*shown.0),
            proof: None,
        };
        shared.authenticate(&presented, now)
    }

    /// Resolves when it names nobody any more.
    pub(super) async fn ends(&self, shared: &Shared) -> Code {
        let mut changes = shared.registered.subscribe();
        loop {
            // Heard before it is judged, so that no change falls in between.
            changes.mark_unchanged();
            if let Err(code) = self.judge(shared, clock::now()) {
                return code;
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

impl fmt::Debug for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Badge")
    }
}
