//! What guards are shown of a call: its texts, and of its documents the text in them.
//!
//! A document is opened once for all guards, and only where one of them has not seen it.

use std::sync::Arc;

use super::super::{Inspector, Looked, Mark, Piece, Source, open};

/// A piece of a call as guards are shown it.
pub(super) struct Shown<'a> {
    pub(super) piece: &'a Piece<'a>,
    /// What the detectors saw in it; `None`: they have not looked at it.
    marks: Option<Arc<[Mark]>>,
    /// Of a document.
    inside: Option<Inside>,
}

/// What is in a document.
struct Inside {
    text: String,
    /// What the detectors saw in that text, by its places.
    marks: Arc<[Mark]>,
    is_whole: bool,
}

#[cfg(test)]
impl<'a> Shown<'a> {
    /// A text that nobody has looked at.
    pub(super) const fn of(piece: &'a Piece<'a>) -> Self {
        Self {
            piece,
            marks: None,
            inside: None,
        }
    }
}

impl Shown<'_> {
    /// Its text; of a document the text in it, where that was read.
    pub(super) fn text(&self) -> Option<&str> {
        match (&self.inside, self.piece.source.is_file()) {
            (_, false) => Some(&self.piece.text),
            (Some(inside), true) => Some(&inside.text),
            (None, true) => None,
        }
    }

    /// What was seen in that text.
    pub(super) fn marks(&self) -> Option<&[Mark]> {
        match &self.inside {
            Some(inside) => Some(&inside.marks),
            None => self.marks.as_deref(),
        }
    }

    /// Whether the text is all that there is to read.
    pub(super) fn is_whole(&self) -> bool {
        self.inside.as_ref().is_none_or(|inside| inside.is_whole)
    }
}

/// The pieces, with those documents opened that are wanted, by their places.
pub(super) async fn all<'a>(
    inspector: &Arc<Inspector>,
    pieces: &'a [Piece<'a>],
    looked: &Looked,
    wanted: &[bool],
) -> Vec<Shown<'a>> {
    let mut shown: Vec<Shown<'a>> = pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| Shown {
            piece,
            marks: looked.marks.get(at).cloned().flatten(),
            inside: None,
        })
        .collect();
    // What the detectors had no room for, nobody opens here.
    let documents: Vec<(usize, Piece<'static>)> = shown
        .iter()
        .enumerate()
        .filter(|(at, shown)| shown.marks.is_some() && wanted.get(*at) == Some(&true))
        .map(|(at, shown)| (at, shown.piece.owned()))
        .collect();
    if documents.is_empty() {
        return shown;
    }
    let inspector = Arc::clone(inspector);
    let work = move || -> Vec<(usize, Option<Inside>)> {
        let opened = documents.iter();
        opened
            .map(|(at, piece)| (*at, inside(&inspector, piece)))
            .collect()
    };
    let opened = tokio::task::spawn_blocking(work).await.unwrap_or_else(|fault| {
        tracing::error!(%fault, "documents were not opened for guards");
        Vec::new()
    });
    for (at, inside) in opened {
        if let Some(shown) = shown.get_mut(at) {
            shown.inside = inside;
        }
    }
    shown
}

fn inside(inspector: &Inspector, piece: &Piece<'_>) -> Option<Inside> {
    let opened = open(&piece.text)?;
    Some(Inside {
        marks: inspector.examine(Source::Document, &opened.text).into(),
        // Of a picture there is nothing to read but what stands beside its pixels.
        is_whole: !opened.cut || piece.is_picture(),
        text: opened.text,
    })
}
