//! Documents on a way on which a rule masks. In text in base64 and in Office files values are masked where they stand, and
//! what stands beside the pixels of a picture is left out. In a PDF they can't be, so one that holds any, and any document
//! that could not be read to its end or has pictures in it, goes no further as it is.

use bartizan_inspect::document;
use bartizan_privacy::Vault;
use bartizan_types::{Code, Timestamp};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use serde_json::Value;

use super::{Change, Privacy, Towards, known};
use crate::{
    config::MaskDocuments,
    inspect::{Inspector, Mark, Piece, Source, open},
};

/// What stands before the text of a document that stands in for another.
const NOTICE: &str = "[This is the text of a document. Values in it were masked, and pictures left out.]\n\n";

impl Privacy {
    /// What takes the place of a document, where it may not go as it is. What stands before its digits in a `data:` address
    /// stays.
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
        let marks = inspector.examine(Source::Data, &opened.text);
        let Some(marks) = known(Some(&marks)) else {
            return refused;
        };
        let masked = self.masked(vault, towards, &opened.text, marks, now);
        let as_text = self.config.documents == MaskDocuments::AsText;
        let goes_on = opened.kind.is_some() && opened.holds_more();
        let is_unread = opened.cut || opened.pictures || goes_on;
        let bytes = match opened.kind {
            // What stands beside a picture's pixels, or behind it, can be left out, and the picture is as good.
            Some(document::Kind::Image) if masked.is_empty() && !goes_on => return Ok(None),
            Some(document::Kind::Image) => document::bare_image(&opened.bytes),
            _ if masked.is_empty() && !is_unread => return Ok(None),
            None => Some(applied(&opened.text, &masked).into_bytes()),
            Some(document::Kind::Pdf) if as_text => {
                let text = NOTICE.to_owned() + &applied(&opened.text, &masked);
                Some(document::as_pdf(&text))
            }
            Some(document::Kind::Office) if as_text || !is_unread => {
                document::rewrite_office(&opened.bytes, &masked, as_text)
            }
            Some(_) => None,
        };
        let Some(bytes) = bytes else { return refused };
        let string = piece.front.clone().into_owned() + &STANDARD.encode(bytes);
        Ok(Some((piece.span.clone(), Value::from(string).to_string())))
    }

    /// What is masked in a text, in its order.
    fn masked(
        &self,
        vault: &mut Vault,
        towards: Towards<'_>,
        text: &str,
        marks: &[Mark],
        now: Timestamp,
    ) -> Vec<document::Change> {
        let found = self.values(vault, towards, text, marks, now);
        let mut changes = Vec::new();
        self.replace(vault, text, &found, now, &mut |range, text| {
            changes.push(document::Change { range, text });
        });
        changes
    }
}

fn applied(text: &str, changes: &[document::Change]) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for change in changes {
        out.push_str(text.get(at..change.range.start).unwrap_or_default());
        out.push_str(&change.text);
        at = change.range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}
