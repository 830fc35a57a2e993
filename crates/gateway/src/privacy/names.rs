//! Names of members as they go out: two of one object that are masked alike stay two.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::Piece;

/// An object: where its members are, as findings tell it, and where it begins.
type Object<'p> = (&'p str, usize);

/// The names that are taken.
pub(super) struct Names<'p> {
    taken: BTreeSet<(Object<'p>, Cow<'p, str>)>,
    /// The number behind the last one of a name, so that nobody counts to it again.
    last: BTreeMap<(Object<'p>, String), usize>,
}

impl<'p> Names<'p> {
    /// Those among these pieces.
    pub(super) fn of(pieces: &'p [Piece<'_>]) -> Self {
        let named = |piece: &'p Piece<'_>| Some((object(piece)?, Cow::Borrowed(&*piece.text)));
        Self {
            taken: pieces.iter().filter_map(named).collect(),
            last: BTreeMap::new(),
        }
    }

    /// A piece as it is masked; of a name with a number behind it where a sibling has that name already: two members of one
    /// name would be read as one.
    pub(super) fn apart(&mut self, piece: &'p Piece<'_>, masked: String) -> String {
        let Some(object) = object(piece) else {
            return masked;
        };
        if self.taken.insert((object, Cow::Owned(masked.clone()))) {
            return masked;
        }
        let count = self.last.entry((object, masked.clone())).or_insert(1);
        loop {
            *count += 1;
            let name = format!("{masked} {count}");
            if self.taken.insert((object, Cow::Owned(name.clone()))) {
                return name;
            }
        }
    }
}

/// The object that a name is in. `None`: it is no name.
fn object<'p>(piece: &'p Piece<'_>) -> Option<Object<'p>> {
    Some((piece.pointer.as_str(), piece.key_of?))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Source, of_value},
        *,
    };

    /// What becomes of the names of a value that are addresses, in order, where each is masked so.
    fn told(value: &str, masked: impl Fn(&str) -> String) -> Vec<String> {
        let pieces = of_value(value, Source::Data, "");
        let mut names = Names::of(&pieces);
        let keys = pieces
            .iter()
            .filter(|piece| piece.key_of.is_some() && piece.text.contains('@'));
        keys.map(|piece| names.apart(piece, masked(&piece.text)))
            .collect()
    }

    #[test]
    fn names_of_one_object_are_told_apart_and_others_stay() {
        let siblings = r#"{"ana@corp.example":1,"[email] 2":2,"bob@corp.example":3}"#;
        let redacted = |_: &str| "[email]".to_owned();
        assert_eq!(told(siblings, redacted), ["[email]", "[email] 3"]);
        // One name in two objects is one name.
        let apart =
            r#"{"ana@corp.example":{"cyd@corp.example":1},"bob@corp.example":{"cyd@corp.example":2}}"#;
        let token = |name: &str| format!("<{name}>");
        assert_eq!(
            told(apart, token),
            [
                "<ana@corp.example>",
                "<cyd@corp.example>",
                "<bob@corp.example>",
                "<cyd@corp.example>"
            ]
        );
    }

    /// Each is numbered at once: counting up from two for each of so many would take minutes.
    #[test]
    fn many_names_that_become_one_take_no_longer_each() {
        let members: Vec<String> = (0..50_000)
            .map(|at| format!("\"a{at}@corp.example\":1"))
            .collect();
        let all = told(&format!("{{{}}}", members.join(",")), |_| "[email]".to_owned());
        assert_eq!(all.last().map(String::as_str), Some("[email] 50000"));
    }
}
