//! Classifiers on this machine: read from a folder when the gateway starts, asked off the async threads.
//!
//! A text goes to one as the canonical view reads it, in windows that share a quarter, newest text first. INVARIANT: a
//! call waits no longer than the box; what goes on behind it stops before the model's next layer, and keeps its place
//! until then, so that no flood of calls makes more work than there are places.

use std::{
    fs::File,
    io::{BufReader, Read},
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bartizan_classify::{Classifier, Fault, bounds};
use bartizan_inspect::view::View;
use bartizan_types::{FindingKind, Severity};
use tokio::sync::Semaphore;

use super::{super::Mark, Desk, Shown, Verdict};
use crate::{config::Classifier as Config, mcp::Owner};

/// Most texts of one call; of more, the newest. Time is up long before.
const TEXTS: usize = 256;
/// Most places that one text's finding names.
const PLACES: usize = 16;
/// So sure in percent, a finding is high.
const SURE_PERCENT: f32 = 90.0;

/// Why a classifier can't start.
#[derive(Debug, thiserror::Error)]
pub enum ClassifierFault {
    /// Its files are not there.
    #[error("`{file}` of the classifier `{name}` can't be read")]
    Missing {
        /// Whose.
        name: String,
        /// Which.
        file: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// They don't read.
    #[error("the classifier `{name}` does not read")]
    Read {
        /// Which.
        name: String,
        /// Why.
        source: Fault,
    },
    /// It has no such label.
    #[error("the classifier `{name}` has no label `{label}`; it has {has}")]
    Label {
        /// Which.
        name: String,
        /// The label that the configuration names.
        label: String,
        /// Those that it has, in a row.
        has: String,
    },
}

/// One classifier.
pub(super) struct Judge {
    config: Config,
    desk: Desk,
    model: Arc<Model>,
    places: Arc<Semaphore>,
}

struct Model {
    classifier: Classifier,
    /// Places of the labels that speak against a text.
    against: Vec<usize>,
    percent: f32,
    kind: FindingKind,
}

/// Verdicts as they come, one for each text.
type Verdicts = Arc<Mutex<Vec<Option<Verdict>>>>;

impl Judge {
    pub(super) fn new(config: &Config) -> Result<Self, ClassifierFault> {
        let classifier = read(config)?;
        let has = classifier.labels();
        let place = |label: &String| {
            has.iter()
                .position(|own| own == label)
                .ok_or_else(|| ClassifierFault::Label {
                    name: config.name.clone(),
                    label: label.clone(),
                    has: has.join(", "),
                })
        };
        let against = config.labels.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Self {
            desk: Desk::new(&config.channels, config.bytes, TEXTS),
            places: Arc::new(Semaphore::new(config.at_once)),
            model: Arc::new(Model {
                against,
                percent: f32::from(config.at_percent),
                kind: config.kind,
                classifier,
            }),
            config: config.clone(),
        })
    }

    pub(super) const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What it says of the texts on its channels, each with the place of its piece.
    pub(super) async fn ask(&self, owner: &Owner, shown: &[Shown<'_>]) -> Vec<(usize, Mark)> {
        let sorted = self.desk.sort(owner, shown, &|_| true);
        if sorted.going.is_empty() {
            return self.desk.settle(owner, shown, sorted, std::iter::empty());
        }
        let texts: Vec<String> = sorted
            .going
            .iter()
            .filter_map(|at| shown.get(*at)?.text())
            .map(str::to_owned)
            .collect();
        let verdicts: Verdicts = Arc::new(Mutex::new(Vec::new()));
        let box_ends = Instant::now() + self.config.time;
        if let Err(reason) = self.boxed(texts, box_ends, &verdicts).await {
            tracing::warn!(classifier = %self.config.name, reason, "a classifier did not answer in time");
        }
        let said = std::mem::take(&mut *verdicts.lock().unwrap_or_else(PoisonError::into_inner));
        self.desk.settle(owner, shown, sorted, said.into_iter())
    }

    async fn boxed(
        &self,
        texts: Vec<String>,
        box_ends: Instant,
        verdicts: &Verdicts,
    ) -> Result<(), &'static str> {
        let (model, verdicts, places) = (
            Arc::clone(&self.model),
            Arc::clone(verdicts),
            Arc::clone(&self.places),
        );
        let work = async move {
            let place = places.acquire_owned().await.map_err(|_| "it is closed")?;
            let work = tokio::task::spawn_blocking(move || {
                // Until the work ends, and not only until nobody waits for it.
                let _place = place;
                let goes_on = || Instant::now() < box_ends;
                for text in &texts {
                    let verdict = model.judge(text, &goes_on);
                    verdicts
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(verdict);
                }
            });
            work.await.map_err(|_| "it ended badly")
        };
        let ended = tokio::time::timeout_at(box_ends.into(), work).await;
        ended.unwrap_or(Err("its time was up"))
    }
}

impl Model {
    /// What it says of a text; `None`: nothing. One that it did not finish is not whole.
    fn judge(&self, text: &str, goes_on: &dyn Fn() -> bool) -> Option<Verdict> {
        if !goes_on() {
            return None;
        }
        let view = View::new(text.as_bytes());
        let plain = view.text();
        let (mut seen, mut whole, mut any) = (Vec::new(), true, false);
        let mut from = Some(0);
        while let Some(window) = from.and_then(|from| self.classifier.window(plain, from)) {
            let Ok(shares) = self.classifier.shares(&window, goes_on) else {
                whole = false;
                break;
            };
            any = true;
            let share = |place: &usize| shares.get(*place).copied().unwrap_or(0.0);
            let against: f32 = self.against.iter().map(share).sum();
            if against * 100.0 >= self.percent {
                seen.push((against.min(1.0), view.origin(0, window.range.clone())));
            }
            from = self.classifier.behind(plain, &window);
        }
        let empty = whole && !any;
        seen.sort_by(|(one, _), (two, _)| two.total_cmp(one));
        let marks: Vec<Mark> = seen
            .into_iter()
            .take(PLACES)
            .map(|(share, range)| self.mark(share, range))
            .collect();
        (any || empty).then_some(Verdict { marks, whole })
    }

    fn mark(&self, share: f32, range: Range<usize>) -> Mark {
        Mark {
            kind: self.kind,
            what: "classifier",
            severity: if share * 100.0 >= SURE_PERCENT {
                Severity::High
            } else {
                Severity::Medium
            },
            score: (share * 1000.0) as u16,
            range,
        }
    }
}

fn read(config: &Config) -> Result<Classifier, ClassifierFault> {
    let missing = |file: &'static str| {
        let name = config.name.clone();
        move |source| ClassifierFault::Missing { name, file, source }
    };
    let settings = bytes(&config.folder, "config.json", bounds::CONFIG).map_err(missing("config.json"))?;
    let tokenizer =
        bytes(&config.folder, "tokenizer.json", bounds::TOKENIZER).map_err(missing("tokenizer.json"))?;
    let weights =
        File::open(config.folder.join("model.safetensors")).map_err(missing("model.safetensors"))?;
    Classifier::read(&settings, &tokenizer, &mut BufReader::new(weights)).map_err(|source| {
        ClassifierFault::Read {
            name: config.name.clone(),
            source,
        }
    })
}

/// A file, and a byte more than is read where it is too large.
fn bytes(folder: &Path, name: &str, most: usize) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    File::open(folder.join(name))?
        .take(most.saturating_add(1))
        .read_to_end(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests;
