//! Guards beside the detectors: services elsewhere that are asked what they see in a text, over HTTP, and classifiers on
//! this machine. What they answer is evidence like any other; that they did not answer is evidence, too
//! (`guard_unanswered`).
//!
//! Each is asked once in a call, with all the texts that it has not seen; of a document, the text in it. INVARIANT: a call waits for all guards together
//! no longer than the longest of their boxes, whatever they do; secrets, personal data and planted values that were found
//! in a text do not leave this machine with it.

mod local;
mod remote;
mod shapes;
mod shown;

use std::{pin::Pin, sync::Arc};

use bartizan_types::{FindingKind, Severity};

pub use local::ClassifierFault;
use local::Judge;
use remote::{Guard, Reaching};

use shown::Shown;

use super::{InspectFault, Inspector, Looked, Mark, Piece, Source, cache::Cache, worst};
use crate::{Shared, config, mcp::Owner};

/// All guards of a gateway.
pub(super) struct Guards {
    remote: Vec<Guard>,
    local: Vec<Judge>,
    reaching: Reaching,
    /// What can be seen in what models answer, where some guard is shown that.
    of_answers: Vec<(FindingKind, Severity)>,
}

/// What one of them says, with the place of the piece that it is about.
type Said<'f> = Pin<Box<dyn Future<Output = Vec<(usize, Mark)>> + Send + 'f>>;

impl Guards {
    /// None where none is configured.
    pub(super) fn new(config: &config::Inspect) -> Result<Option<Self>, InspectFault> {
        if config.guards.is_empty() && config.classifiers.is_empty() {
            return Ok(None);
        }
        let local = config
            .classifiers
            .iter()
            .map(Judge::new)
            .collect::<Result<_, _>>()?;
        Ok(Some(Self {
            remote: config.guards.iter().map(Guard::new).collect(),
            local,
            reaching: Reaching::new(&config.guards)?,
            of_answers: of_answers(config),
        }))
    }

    /// What they can say of what models answer; nothing where none is shown that.
    pub(super) fn of_answers(&self) -> &[(FindingKind, Severity)] {
        &self.of_answers
    }

    /// Asks all guards about these pieces, and adds what they say.
    pub(super) async fn ask(
        &self,
        shared: &Arc<Shared>,
        inspector: &Arc<Inspector>,
        owner: &Owner,
        pieces: &[Piece<'_>],
        looked: &mut Looked,
    ) {
        let desks = || {
            let remote = self.remote.iter().map(Guard::desk);
            remote.chain(self.local.iter().map(Judge::desk))
        };
        let wanted: Vec<bool> = pieces
            .iter()
            .map(|piece| desks().any(|desk| desk.would_open(owner, piece)))
            .collect();
        let shown = shown::all(inspector, pieces, looked, &wanted).await;
        let mut said = Vec::new();
        let remote = self
            .remote
            .iter()
            .map(|guard| -> Said<'_> { Box::pin(guard.ask(&self.reaching, shared, owner, &shown)) });
        let local = self
            .local
            .iter()
            .map(|judge| -> Said<'_> { Box::pin(judge.ask(owner, &shown)) });
        for found in join(remote.chain(local)).await {
            said.extend(found);
        }
        looked
            .findings
            .extend(said.into_iter().filter_map(|(at, mut mark)| {
                let piece = pieces.get(at)?;
                if piece.source.is_file() {
                    // Places in a document's text mean nothing to anybody else.
                    mark.range = 0..piece.text.len();
                }
                Some(mark.finding(&piece.pointer))
            }));
        worst(&mut looked.findings);
    }
}

fn of_answers(config: &config::Inspect) -> Vec<(FindingKind, Severity)> {
    let on = |channels: &[&str]| channels.contains(&Source::Model.word());
    let mut kinds: Vec<(FindingKind, Severity)> = Vec::new();
    for guard in config.guards.iter().filter(|guard| on(&guard.channels)) {
        kinds.push((guard.shape.kind(), Severity::High));
    }
    for classifier in config.classifiers.iter().filter(|one| on(&one.channels)) {
        kinds.push((classifier.kind, Severity::High));
    }
    if !kinds.is_empty() {
        kinds.push((FindingKind::GuardUnanswered, Severity::Low));
    }
    kinds
}

impl config::GuardShape {
    /// What a service of this shape can say.
    const fn kind(self) -> FindingKind {
        match self {
            Self::Moderations => FindingKind::Flagged,
            Self::Chat => FindingKind::Injection,
        }
    }
}

/// Waits for all of these at once.
async fn join<F: Future + Unpin>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = all.map(|one| (Some(one), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut waiting {
            if let Some(running) = future {
                match Pin::new(running).poll(context) {
                    std::task::Poll::Ready(done) => (*future, *output) = (None, Some(done)),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(
            waiting
                .iter_mut()
                .filter_map(|(_, output)| output.take())
                .collect(),
        )
    })
    .await
}

/// What one guard is shown, and what it said before.
struct Desk {
    channels: Vec<&'static str>,
    bytes: usize,
    texts: usize,
    known: Cache,
}

/// The pieces of a call as one guard has to do with them.
#[derive(Default)]
struct Sorted {
    /// Known from before.
    said: Vec<(usize, Mark)>,
    /// To be shown, newest first.
    going: Vec<usize>,
    /// One that it is not shown.
    beyond: Option<usize>,
}

/// What a guard said of one text.
struct Verdict {
    marks: Vec<Mark>,
    /// It saw all of it.
    whole: bool,
}

impl Desk {
    fn new(channels: &[&'static str], bytes: usize, texts: usize) -> Self {
        Self {
            channels: channels.to_vec(),
            bytes,
            texts,
            known: Cache::new(),
        }
    }

    fn known(&self, owner: &Owner, piece: &Piece<'_>) -> Option<Arc<[Mark]>> {
        self.known.get(&self.known.key(owner, piece.source, &piece.text))
    }

    /// Whether it has to do with a document that it has not seen.
    fn would_open(&self, owner: &Owner, piece: &Piece<'_>) -> bool {
        piece.source == Source::File
            && self.channels.contains(&piece.source.word())
            && self.known(owner, piece).is_none()
    }

    /// Sorts the texts on its channels, the newest first.
    fn sort(&self, owner: &Owner, shown: &[Shown<'_>], may_go: &dyn Fn(&Shown<'_>) -> bool) -> Sorted {
        let (mut sorted, mut left) = (Sorted::default(), self.bytes);
        for (at, shown) in shown.iter().enumerate().rev() {
            if !self.channels.contains(&shown.piece.source.word()) {
                continue;
            }
            let text = shown.text();
            // A document without words, such as most pictures, has nothing to judge.
            if shown.is_whole() && text.is_some_and(|text| text.trim().is_empty()) {
                continue;
            }
            if let Some(known) = self.known(owner, shown.piece) {
                sorted.said.extend(known.iter().map(|mark| (at, mark.clone())));
            } else if let Some(text) = text
                && may_go(shown)
                && text.len() <= left
                && sorted.going.len() < self.texts
            {
                left -= text.len();
                sorted.going.push(at);
            } else {
                sorted.beyond = Some(at);
            }
        }
        sorted
    }

    /// Joins what was known with what was said now, and keeps that. A text without a verdict, or with half of one, is
    /// a finding.
    fn settle(
        &self,
        owner: &Owner,
        shown: &[Shown<'_>],
        sorted: Sorted,
        verdicts: impl Iterator<Item = Option<Verdict>>,
    ) -> Vec<(usize, Mark)> {
        let Sorted {
            mut said,
            going,
            mut beyond,
        } = sorted;
        let mut verdicts = verdicts.fuse();
        for at in going {
            let Some(shown) = shown.get(at) else { continue };
            let verdict = verdicts.next().flatten();
            let whole = verdict.as_ref().is_some_and(|verdict| verdict.whole) && shown.is_whole();
            let marks: Arc<[Mark]> = verdict.map(|verdict| verdict.marks).unwrap_or_default().into();
            said.extend(marks.iter().map(|mark| (at, mark.clone())));
            if whole {
                let piece = shown.piece;
                self.known
                    .put(self.known.key(owner, piece.source, &piece.text), marks);
            } else {
                beyond = Some(at);
            }
        }
        said.extend(beyond.map(|at| (at, unanswered())));
        said
    }
}

/// Whether what was found is a value that does not go elsewhere.
pub(super) const fn holds_value(kind: FindingKind) -> bool {
    matches!(
        kind,
        FindingKind::Secret | FindingKind::PersonalData | FindingKind::Canary
    )
}

pub(super) fn unanswered() -> Mark {
    Mark {
        kind: FindingKind::GuardUnanswered,
        what: "guard",
        severity: Severity::Low,
        score: 1000,
        range: 0..0,
    }
}
impl Source {
    /// Its word in the configuration of guards.
    const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Tool => "tool",
            Self::System => "system",
            Self::Description => "description",
            Self::Model => "model",
            Self::Data => "data",
            Self::Document | Self::File => "document",
            Self::Mail => "mail",
            Self::SentFile => "file",
            // No guard is asked about these.
            Self::Schema => "schema",
            Self::Number => "number",
        }
    }
}
