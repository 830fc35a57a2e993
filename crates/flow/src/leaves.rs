//! The argument leaves that an assessment speaks of, for whoever shows them to a human or endorses one.

use serde_json::Value;

use crate::assess::LEAVES;

/// One argument leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentLeaf {
    /// Its dotted path, as in [`crate::Argument::path`]. Places past the sixteenth of a list share one.
    pub path: String,
    /// Its text, or its number as written.
    pub text: String,
    /// Whether it is a number.
    pub number: bool,
}

/// The leaves of arguments that [`crate::assess`] looks at, in its order, and whether these are all. Booleans and nulls
/// are none.
#[must_use]
pub fn leaves(arguments: &Value) -> (Vec<ArgumentLeaf>, bool) {
    let mut found = Leaves {
        out: Vec::new(),
        whole: true,
    };
    found.walk(arguments, &mut Vec::new());
    let whole = found.whole && found.out.len() <= LEAVES;
    let leaf = |(path, leaf): (Vec<&str>, Leaf<'_>)| {
        let (text, number) = match leaf {
            Leaf::Text(text) => (text.to_owned(), false),
            Leaf::Number(number) => (number, true),
        };
        ArgumentLeaf {
            path: path.join("."),
            text,
            number,
        }
    };
    (found.out.into_iter().take(LEAVES).map(leaf).collect(), whole)
}

pub(crate) enum Leaf<'a> {
    Text(&'a str),
    Number(String),
}

/// Leaves of a JSON value with their paths. Booleans and nulls vouch for nothing and are left out.
pub(crate) struct Leaves<'a> {
    pub(crate) out: Vec<(Vec<&'a str>, Leaf<'a>)>,
    pub(crate) whole: bool,
}

/// How deep leaves are looked for.
const DEPTH: usize = 64;
/// Any index past those.
pub(crate) const MANY: &str = "16+";
/// Indices as text, so that paths borrow.
const INDEX: [&str; 16] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15",
];

impl<'a> Leaves<'a> {
    pub(crate) fn walk(&mut self, value: &'a Value, path: &mut Vec<&'a str>) {
        if path.len() >= DEPTH || self.out.len() >= 1 << 18 {
            self.whole = false;
            return;
        }
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    path.push(key);
                    self.walk(inner, path);
                    path.pop();
                }
            }
            Value::Array(list) => {
                for (at, inner) in list.iter().enumerate() {
                    path.push(INDEX.get(at).copied().unwrap_or(MANY));
                    self.walk(inner, path);
                    path.pop();
                }
            }
            Value::String(text) => self.out.push((path.clone(), Leaf::Text(text))),
            Value::Number(number) => self.out.push((path.clone(), Leaf::Number(number.to_string()))),
            Value::Bool(_) | Value::Null => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Intent, Manifest, Memory, assess};

    #[test]
    fn the_leaves_are_those_of_an_assessment_in_its_order() {
        let arguments =
            json!({"to": ["a@b.example", "c@d.example"], "n": {"x": 1.5, "y": [true, null, "z"]}, "": "e"});
        let (leaves, whole) = leaves(&arguments);
        assert!(whole);
        let memory = Memory::new();
        let intent = Intent::of(&memory, ["t"]);
        let assessed = assess(&memory, &intent, "t", &Manifest::unknown(), &arguments);
        let paths: Vec<&str> = assessed
            .arguments
            .iter()
            .map(|argument| argument.path.as_str())
            .collect();
        assert_eq!(
            leaves.iter().map(|leaf| leaf.path.as_str()).collect::<Vec<_>>(),
            paths
        );
        assert_eq!(leaves.len(), 5);
    }
}
