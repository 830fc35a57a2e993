//! Documents on a way on which a rule masks. In text in base64 values are masked where they stand. In a PDF or an Office file
//! they can't be, so one that holds any, or that could not be read to its end, goes no further as it is.

use bartizan_inspect::document;
use bartizan_privacy::Vault;
use bartizan_types::{Code, Timestamp};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Change, Privacy, Towards, known};
use crate::{
    config::MaskDocuments,
    inspect::{Inspector, Opened, Piece, Source, open},
};

/// What stands before the text of a document that stands in for another.
const NOTICE: &str = "[This is the text of a document. Values in it were masked, and pictures left out.]\n\n";

impl Privacy {
    /// What takes the place of a document, where it may not go as it is. The digits alone change, not what stands before
    /// them in a `data:` address.
    ///
    /// # Errors
    /// [`Code::PrivacyDocument`].
    pub(super) fn document(
        &self,
        inspector: Option<&Inspector>,
        vault: &mut Vault,
        towards: Towards<'_>,
        piece: &Piece<'_>,
        now: Timestamp,
    ) -> Result<Option<Change>, Code> {
        let passes = self.config.documents == MaskDocuments::DangerPass;
        let refused = if passes {
            Ok(None)
        } else {
            Err(Code::PrivacyDocument)
        };
        let (Some(inspector), Some(opened)) = (inspector, open(&piece.text)) else {
            return refused;
        };
        let Opened { text, kind, cut } = opened;
        let marks = inspector.examine(Source::Data, &text);
        let Some(marks) = known(Some(&marks)) else {
            return refused;
        };
        let masked = self.text(vault, towards, &text, marks, now);
        let bytes = match (kind, masked) {
            (_, None) if !cut => return Ok(None),
            (None, Some(masked)) => masked.into_bytes(),
            (Some(document::Kind::Pdf), masked) if self.config.documents == MaskDocuments::AsText => {
                document::as_pdf(&(NOTICE.to_owned() + &masked.unwrap_or(text)))
            }
            _ => return refused,
        };
        let end = piece.span.end.saturating_sub(1);
        let digits = end.saturating_sub(piece.text.len())..end;
        Ok(Some((digits, STANDARD.encode(bytes))))
    }
}
