//! What servers say of their tools, prompts and resources, and of themselves, on its way to an agent.
//!
//! It is masked where results are, by the kinds of the rules alone: a token would be another one in each session, and who
//! pins what is listed, as this gateway does, would see all of it change. So a kind stands in the place of a value, and
//! nothing is restored. Names, addresses and what a schema demands stay, or nobody could call what is listed.

use std::sync::Arc;

use bartizan_privacy::Vault;
use bartizan_types::{Code, Finding, Secret, Timestamp};
use bartizan_wire::json;
use serde_json::Value;

use super::{Mark, MaskAct, Names, Privacy, Towards, encoded, known, masked_at};
use crate::{
    Shared, clock,
    gate::Caller,
    inspect::{Inspector, Piece, Source, of_listing},
    mcp::Owner,
};

impl Shared {
    /// A page of a listing as an agent may see it, where that differs, and the findings that say so.
    ///
    /// # Errors
    /// [`Code::PrivacyUnseen`]: not all values in it are known by their places.
    pub(crate) async fn mask_listing(
        self: &Arc<Self>,
        caller: &Caller,
        page: &str,
    ) -> Result<Option<(String, Vec<Finding>)>, Code> {
        let Some((privacy, inspector)) = self.masks_listings() else {
            return Ok(None);
        };
        let (privacy, inspector) = (Arc::clone(privacy), Arc::clone(inspector));
        let (owner, page) = (Owner::of(&caller.principal), page.to_owned());
        // A page holds a megabyte.
        let work = tokio::task::spawn_blocking(move || privacy.listing(&inspector, &owner, &page));
        work.await.map_err(|_| Code::Bug)?
    }

    /// What a server says of itself as an agent may see it.
    ///
    /// # Errors
    /// As [`Self::mask_listing`].
    pub(crate) fn mask_introduction(&self, text: String) -> Result<String, Code> {
        let Some((privacy, inspector)) = self.masks_listings() else {
            return Ok(text);
        };
        let piece = Piece::of_text(Source::Data, &text, "/instructions");
        let marks = inspector.examine(Source::Data, &text);
        let marks = known(Some(&marks)).ok_or(Code::PrivacyUnseen)?;
        let masked = privacy.described(inspector, &piece, marks, clock::now());
        Ok(masked.unwrap_or(text))
    }

    fn masks_listings(&self) -> Option<(&Arc<Privacy>, &Arc<Inspector>)> {
        let privacy = self.privacy.as_ref()?;
        privacy.masks(Towards::Agent).then_some(())?;
        Some((privacy, self.inspector.as_ref()?))
    }
}

impl Privacy {
    fn listing(
        &self,
        inspector: &Inspector,
        owner: &Owner,
        page: &str,
    ) -> Result<Option<(String, Vec<Finding>)>, Code> {
        let pieces = of_listing(page);
        let looked = inspector.look(owner, &pieces);
        let now = clock::now();
        let mut names = Names::of(&pieces);
        let (mut changes, mut findings) = (Vec::new(), Vec::new());
        for (piece, marks) in pieces.iter().zip(looked.marks) {
            // What one call has no room for is small enough to be looked at all the same.
            let marks = marks.unwrap_or_else(|| inspector.examine(piece.source, &piece.text).into());
            let marks = known(Some(&marks)).ok_or(Code::PrivacyUnseen)?;
            let Some(text) = self.described(inspector, piece, marks, now) else {
                continue;
            };
            let text = names.apart(piece, text);
            changes.push((piece.span.clone(), Value::from(text).to_string()));
            if findings.len() < 16 {
                findings.push(masked_at(&piece.pointer));
            }
        }
        Ok((!changes.is_empty()).then(|| (json::replace(page, &changes), findings)))
    }

    /// A text with the kinds of values in their place, where it holds any.
    fn described(
        &self,
        inspector: &Inspector,
        piece: &Piece<'_>,
        marks: &[Mark],
        now: Timestamp,
    ) -> Option<String> {
        let marks = encoded::with(Some(inspector), &piece.text, marks);
        // Nobody's values are in it, and none are put there.
        let mut nobodys = Vault::new("", Secret::new([0; 32]), bartizan_privacy::Bounds::default());
        let mut found = self.values(&nobodys, Towards::Agent, &piece.text, &marks, now);
        if found.is_empty() {
            return None;
        }
        for (_, act) in &mut found {
            // What differs between sessions, or from one start to the next.
            if matches!(act, Some(MaskAct::Tokenise | MaskAct::Hash)) {
                *act = Some(MaskAct::Redact);
            }
        }
        Some(self.replace(&mut nobodys, &piece.text, &found, now, &mut |_, _| {}))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        config::{self, MaskRule},
        privacy::tests::owner,
    };

    fn masked(act: MaskAct, page: &Value) -> Option<Value> {
        let rule = MaskRule {
            kinds: ["email", "secrets"].map(str::to_owned).into(),
            act,
            models: Vec::new(),
            tools: Vec::new(),
            results: true,
            answers: false,
        };
        let privacy = Privacy::new(
            &config::Privacy {
                rules: vec![rule],
                ..config::Privacy::default()
            },
            None,
        );
        let inspector = Inspector::new(&config::Inspect::default(), []).unwrap();
        let masked = privacy.listing(&inspector, &owner(), &page.to_string()).unwrap();
        masked.map(|(page, findings)| {
            assert!(!findings.is_empty());
            serde_json::from_str(&page).unwrap()
        })
    }

    const MAIL: &str = "ana.lopez@corp.example";
    const KEY: &str = "AKIAQYLPMN5HHHFPZAM2";

    #[test]
    fn what_is_said_of_tools_is_masked_and_what_calls_them_stays() {
        let page = json!({"tools": [{
            "name": "send", "title": format!("Mail for {MAIL}"), "description": format!("Sends as {MAIL} with {KEY}"),
            "inputSchema": {"type": "object", "required": ["to"], "properties": {
                "to": {"type": "string", "enum": [MAIL], "default": MAIL, "description": format!("not {MAIL}")},
                "description": {"type": "string", "pattern": MAIL}}},
            "annotations": {"title": MAIL, "readOnlyHint": true},
            "_meta": {"owner": MAIL, MAIL: 1, "size": 4_111_111}}], "nextCursor": "abcdefgh"});
        let expected = json!({"tools": [{
            "name": "send", "title": "Mail for [email]", "description": "Sends as [email] with [aws_access_key]",
            "inputSchema": {"type": "object", "required": ["to"], "properties": {
                "to": {"type": "string", "enum": [MAIL], "default": MAIL, "description": "not [email]"},
                "description": {"type": "string", "pattern": MAIL}}},
            "annotations": {"title": "[email]", "readOnlyHint": true},
            "_meta": {"owner": "[email]", "[email]": 1, "size": 4_111_111}}], "nextCursor": "abcdefgh"});
        let mut told = masked(MaskAct::Tokenise, &page).unwrap();
        // Which key it is, its detector says.
        let description = told.pointer_mut("/tools/0/description").unwrap();
        assert!(!description.to_string().contains(KEY), "{description}");
        *description = json!("Sends as [email] with [aws_access_key]");
        assert_eq!(told, expected);
        // The same in every session, and after a start: who pins it sees no change.
        assert_eq!(masked(MaskAct::Hash, &page), masked(MaskAct::Hash, &page));
        assert_eq!(masked(MaskAct::Tokenise, &told), None);
    }

    #[test]
    fn what_resources_and_prompts_are_read_by_stays() {
        let resource =
            |name: &str| json!({"uri": format!("file:///{MAIL}"), "name": name, "mimeType": "text/plain"});
        let told = masked(MaskAct::Tokenise, &json!({"resources": [resource(MAIL)]}));
        assert_eq!(told, Some(json!({"resources": [resource("[email]")]})));
        let prompt = |text: &str| json!({"name": MAIL, "arguments": [{"name": MAIL, "description": text}]});
        let told = masked(MaskAct::Redact, &json!({"prompts": [prompt(MAIL)]}));
        assert_eq!(told, Some(json!({"prompts": [prompt("[email]")]})));
    }

    #[test]
    fn what_is_written_like_a_token_is_none_afterwards() {
        let guess = format!("bz-email-{}@token.invalid", "a".repeat(20));
        let told = masked(
            MaskAct::Tokenise,
            &json!({"tools": [{"name": "t", "description": guess}]}),
        );
        let told = told.unwrap().to_string();
        assert!(!told.contains(&guess) && told.contains("bz~-"), "{told}");
        assert_eq!(
            masked(
                MaskAct::Tokenise,
                &json!({"tools": [{"name": "t", "description": "adds"}]})
            ),
            None
        );
    }
}
