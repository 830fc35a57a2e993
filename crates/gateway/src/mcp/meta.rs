//! Labels that a server puts on what it answers, in `_meta`. Who wrote them is the server, so they only ever tighten: one
//! may say that outsiders wrote a result, that it is private, that it is a secret; nothing that it says vouches for
//! anything.
//!
//! No revision of MCP defines such labels. Read are our own key, and three that are in use: `ifc`, `com.github.ifc/labels`
//! and the draft of trust annotations. A word that is not known, or a label in another shape, counts as the worst of its kind.

use std::borrow::Cow;

use bartizan_flow::{Class, Manifest, PathPattern};
use serde_json::{Map, Value};

/// Our own: `{"writers": "outside", "readers": "nobody", "secret": true}`.
const OWN: &str = "dev.bartizan/labels";
/// Pairs of integrity and confidentiality.
const PAIRS: [&str; 2] = ["ifc", "com.github.ifc/labels"];
/// Hints.
const HINTS: &str = "io.modelcontextprotocol/trust-annotations";

/// What a server says of its own answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Somebody outside may have written it, so no leaf of it is better than free text.
    outside: bool,
    /// Not everybody may read it.
    private: bool,
    /// It is a secret.
    secret: bool,
}

impl Told {
    /// Reads the labels of a result.
    pub(super) fn of(result: &Value) -> Self {
        let mut told = Self::default();
        let Some(meta) = result.get("_meta").and_then(Value::as_object) else {
            return told;
        };
        if let Some(own) = meta.get(OWN) {
            told.own(own);
        }
        for key in PAIRS {
            if let Some(pair) = meta.get(key) {
                told.pair(pair);
            }
        }
        if let Some(hints) = meta.get(HINTS) {
            told.hints(hints);
        }
        told
    }

    const WORST: Self = Self {
        outside: true,
        private: true,
        secret: false,
    };

    const fn join(&mut self, other: Self) {
        self.outside |= other.outside;
        self.private |= other.private;
        self.secret |= other.secret;
    }

    fn own(&mut self, label: &Value) {
        let Some(members) = label.as_object() else {
            return self.join(Self::WORST);
        };
        self.outside |= says(members, "writers", &["service", "directory"]);
        self.private |= says(members, "readers", &["everyone"]);
        self.secret |= members
            .get("secret")
            .is_some_and(|flag| flag != &Value::Bool(false));
    }

    fn pair(&mut self, label: &Value) {
        let Some(members) = label.as_object() else {
            return self.join(Self::WORST);
        };
        self.outside |= says(members, "integrity", &["trusted", "high"]);
        self.private |= says(members, "confidentiality", &["public", "low"]);
        let secret = ["secret", "restricted"];
        self.secret |= words(members.get("confidentiality")).any(|word| secret.contains(&word.as_str()));
    }

    fn hints(&mut self, label: &Value) {
        let Some(members) = label.as_object() else {
            return self.join(Self::WORST);
        };
        let hint = |key| members.get(key).is_some_and(|flag| flag != &Value::Bool(false));
        self.outside |= hint("openWorldHint") || hint("maliciousActivityHint") || hint("untrustedHint");
        self.private |= hint("privateHint");
        let sensitive = words(members.get("sensitiveHint")).next();
        self.private |= sensitive
            .as_deref()
            .is_some_and(|word| word != "low" && word != "false");
        self.secret |= sensitive.as_deref() == Some("high");
    }

    /// The manifest to read the result by.
    pub(super) fn tighten(self, manifest: &Manifest) -> Cow<'_, Manifest> {
        if self == Self::default() {
            return Cow::Borrowed(manifest);
        }
        let mut manifest = manifest.clone();
        manifest.public &= !self.private;
        if self.outside {
            manifest.results.clear();
            manifest.json_text = false;
        }
        if self.secret {
            manifest.public = false;
            manifest.results = vec![(PathPattern::new("**"), Class::Secret)];
        }
        Cow::Owned(manifest)
    }
}

/// The words of a member: one, or a list of them. What is no word is one that nobody knows.
fn words(value: Option<&Value>) -> impl Iterator<Item = String> {
    const MOST: usize = 32;
    let word = |value: &Value| match value {
        Value::String(word) => word.to_ascii_lowercase(),
        Value::Bool(flag) => flag.to_string(),
        _ => "?".to_owned(),
    };
    let words: Vec<String> = match value {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().take(MOST).map(word).collect(),
        Some(one) => vec![word(one)],
    };
    words.into_iter()
}

/// Whether a member is there and says anything but these.
fn says(members: &Map<String, Value>, key: &str, good: &[&str]) -> bool {
    let value = members.get(key);
    value.is_some()
        && (words(value).next().is_none() || words(value).any(|word| !good.contains(&word.as_str())))
}

#[cfg(test)]
mod tests {
    use bartizan_flow::Effect;
    use serde_json::json;

    use super::*;

    fn told(meta: &Value) -> (bool, bool, bool) {
        let told = Told::of(&json!({"_meta": meta, "content": []}));
        (told.outside, told.private, told.secret)
    }

    #[test]
    fn what_is_said_is_read_and_what_is_odd_is_the_worst() {
        for (meta, expected) in [
            (json!({}), (false, false, false)),
            (
                json!({"dev.bartizan/labels":{"writers":"outside","readers":"nobody","secret":true}}),
                (true, true, true),
            ),
            (
                json!({"dev.bartizan/labels":{"writers":"service","readers":"everyone"}}),
                (false, false, false),
            ),
            (json!({"dev.bartizan/labels":"outside"}), (true, true, false)),
            (
                json!({"dev.bartizan/labels":{"writers":["service","outside"]}}),
                (true, false, false),
            ),
            (
                json!({"dev.bartizan/labels":{"writers":[]}}),
                (true, false, false),
            ),
            (
                json!({"ifc":{"integrity":"untrusted","confidentiality":"public"}}),
                (true, false, false),
            ),
            (
                json!({"ifc":{"integrity":"Trusted","confidentiality":["ann","ben"]}}),
                (false, true, false),
            ),
            (
                json!({"com.github.ifc/labels":{"integrity":7}}),
                (true, false, false),
            ),
            (
                json!({"com.github.ifc/labels":{"confidentiality":"secret"}}),
                (false, true, true),
            ),
            (
                json!({HINTS:{"openWorldHint":true,"sensitiveHint":"high","privateHint":false}}),
                (true, true, true),
            ),
            (
                json!({HINTS:{"openWorldHint":false,"sensitiveHint":"low"}}),
                (false, false, false),
            ),
            (json!({HINTS:[]}), (true, true, false)),
        ] {
            assert_eq!(told(&meta), expected, "{meta}");
        }
    }

    #[test]
    fn labels_only_tighten() {
        let good = Manifest {
            effect: Effect::Read,
            results: vec![(PathPattern::new("id"), Class::Trusted)],
            reviewed: true,
            public: true,
            json_text: true,
            searches: false,
            codes_from: Vec::new(),
            codes: Vec::new(),
            ..Manifest::unknown()
        };
        let by = |meta: Value| Told::of(&json!({ "_meta": meta })).tighten(&good).into_owned();
        assert_eq!(by(json!({"ifc":{"integrity":"trusted"}})), good);
        let outside = by(json!({"ifc":{"integrity":"untrusted"}}));
        assert_eq!(
            (outside.class(&["id"]), outside.reads_json()),
            (Class::FreeText, false)
        );
        let secret = by(json!({OWN:{"secret":true}}));
        assert_eq!(
            (secret.class(&["id"]), secret.class(&[]), secret.public),
            (Class::Secret, Class::Secret, false)
        );
        // Nothing that is said vouches for what had no label.
        let unknown = Manifest::unknown();
        let best =
            Told::of(&json!({"_meta":{OWN:{"writers":"service","readers":"everyone","secret":false}}}));
        assert_eq!(*best.tighten(&unknown), unknown);
    }
}
