//! Services that are asked over HTTP, each question a ruled and recorded call of the gateway's own.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bartizan_inspect::redact::{self, HashKey, Transform};
use bartizan_types::Code;
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::Semaphore;

use super::{
    super::{MORE, Mark},
    Desk, Shown, Verdict, holds_value, shapes,
};
use crate::{
    Shared, clock,
    config::Guard as Config,
    errand::{self, Errand},
    mcp::Owner,
    upstream::{self, Pool, Reach, RootsFault},
};

/// Most texts that one guard is asked about at once; of more, the newest.
const TEXTS: usize = 32;
/// Largest answer, in bytes.
const ANSWER_BYTES: usize = 256 << 10;
/// Questions to one guard at the same time.
const AT_ONCE: usize = 16;
/// After so many failures in a row a guard is left alone for a while.
const FAILURES: u32 = 3;
const REST: Duration = Duration::from_secs(10);

/// How services are reached.
pub(super) struct Reaching {
    pool: Arc<Pool>,
    /// For [`redact::apply`], which hashes nothing here.
    key: HashKey,
}

impl Reaching {
    pub(super) fn new(configs: &[Config]) -> Result<Self, RootsFault> {
        let longest = configs.iter().map(|config| config.time).max().unwrap_or_default();
        Ok(Self {
            pool: Arc::new(Pool::within(Reach::Named, None, longest)?),
            key: HashKey::new(&clock::random::<32>()),
        })
    }

    /// A text without the values that were found in it.
    fn shown(&self, text: &str, marks: &[Mark]) -> String {
        let values: Vec<_> = marks
            .iter()
            .filter(|mark| holds_value(mark.kind))
            .map(|mark| (mark.range.clone(), mark.what))
            .collect();
        redact::apply(text, &values, Transform::Redact, &self.key)
    }
}

/// One service.
pub(super) struct Guard {
    config: Config,
    desk: Desk,
    places: Semaphore,
    failures: AtomicU32,
    rests: Mutex<Option<Instant>>,
}

/// What a guard did not say.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("its key is not in the store")]
    Key,
    #[error("it can't be asked, or policy says not to: {0}")]
    Failed(Code),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer has another shape")]
    Shape,
    #[error("it was asked too much at once, or rests after failures")]
    Busy,
}

/// A text on its way to a guard: the word of its channel, and as it goes.
type Going = (&'static str, String);

/// What was seen in a text. What was not looked at here, or holds more than is known by its place, may hold what must not
/// go.
fn known<'s>(shown: &'s Shown<'_>) -> Option<&'s [Mark]> {
    shown
        .marks()
        .filter(|marks| marks.iter().all(|mark| mark.what != MORE))
}

impl Guard {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            desk: Desk::new(&config.channels, config.bytes, TEXTS),
            config: config.clone(),
            places: Semaphore::new(AT_ONCE),
            failures: AtomicU32::new(0),
            rests: Mutex::new(None),
        }
    }

    pub(super) const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What it says of the texts on its channels, each with the place of its piece.
    pub(super) async fn ask(
        &self,
        reaching: &Reaching,
        shared: &Arc<Shared>,
        owner: &Owner,
        shown: &[Shown<'_>],
    ) -> Vec<(usize, Mark)> {
        let sorted = self.desk.sort(owner, shown, &|shown| known(shown).is_some());
        let going: Vec<Going> = sorted
            .going
            .iter()
            .filter_map(|at| {
                let shown = shown.get(*at)?;
                let text = reaching.shown(shown.text()?, known(shown)?);
                Some((shown.piece.source.word(), text))
            })
            .collect();
        let answered = match going.is_empty() {
            true => Ok(Vec::new()),
            false => self.boxed(reaching, shared, &going).await,
        };
        let verdicts = answered.unwrap_or_else(|silence| {
            tracing::warn!(guard = %self.config.name, reason = %silence, "a guard did not answer");
            Vec::new()
        });
        let verdicts = verdicts
            .into_iter()
            .map(|marks| marks.map(|marks| Verdict { marks, whole: true }));
        self.desk.settle(owner, shown, sorted, verdicts)
    }

    /// Asks, within the box and while it answers at all.
    async fn boxed(
        &self,
        reaching: &Reaching,
        shared: &Arc<Shared>,
        going: &[Going],
    ) -> Result<Vec<Option<Vec<Mark>>>, Silence> {
        let _place = self.places.try_acquire().map_err(|_| Silence::Busy)?;
        let rests = *self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        if rests.is_some_and(|until| Instant::now() < until) {
            return Err(Silence::Busy);
        }
        let asked = tokio::time::timeout(self.config.time, self.request(reaching, shared, going)).await;
        let answered = asked.unwrap_or(Err(Silence::Failed(Code::UpstreamTimeout)));
        if answered.is_ok() {
            self.failures.store(0, Ordering::Relaxed);
        } else if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            self.failures.store(0, Ordering::Relaxed);
            *self.rests.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
        }
        answered
    }

    async fn request(
        &self,
        reaching: &Reaching,
        shared: &Arc<Shared>,
        going: &[Going],
    ) -> Result<Vec<Option<Vec<Mark>>>, Silence> {
        let texts: Vec<(&str, &str)> = going
            .iter()
            .map(|(channel, text)| (*channel, text.as_str()))
            .collect();
        let body = shapes::question(self.config.shape, &self.config.model, &texts).to_string();
        let errand = Errand {
            server: &format!("guard:{}", self.config.name),
            pool: &reaching.pool,
            uri: &self.config.url,
            headers: self.headers(shared)?,
            body: body.into_bytes(),
            secrets: upstream::names(self.config.secret.as_deref()),
            answer_bytes: ANSWER_BYTES,
            time: self.config.time,
        };
        let (status, bytes) = errand::post(shared, errand).await.map_err(Silence::Failed)?;
        if !status.is_success() {
            return Err(Silence::Status(status.as_u16()));
        }
        shapes::read(self.config.shape, &bytes, going.len()).ok_or(Silence::Shape)
    }

    fn headers(&self, shared: &Shared) -> Result<HeaderMap, Silence> {
        let mut headers = HeaderMap::new();
        if let Some(name) = &self.config.secret {
            let key = shared.secrets.reveal(name).ok().flatten().ok_or(Silence::Key)?;
            let mut value = [b"Bearer ".as_slice(), key.expose()].concat();
            let shown = HeaderValue::from_bytes(&value);
            // The copy that the header holds is the client's to forget.
            value.fill(0);
            let mut shown = shown.map_err(|_| Silence::Key)?;
            shown.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, shown);
        }
        Ok(headers)
    }
}
