//! Planted values: nobody has a reason to say one, so wherever one surfaces something leaked.

use std::ops::Range;

use aho_corasick::AhoCorasick;

/// Shortest value that may be planted; a shorter one would turn up by chance.
const LEAST: usize = 12;
/// Most values of one set.
const MOST: usize = 10_000;

/// A set of planted values.
#[derive(Clone, Default)]
pub struct Canaries {
    automaton: Option<AhoCorasick>,
    count: usize,
}

impl std::fmt::Debug for Canaries {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values are secrets of a kind: whoever knows them can avoid them.
        out.debug_struct("Canaries")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Why values can't be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unplantable {
    /// One has fewer than twelve bytes.
    TooShort,
    /// There are more than ten thousand, or they are too long together.
    TooMany,
}

impl Canaries {
    /// From planted values.
    ///
    /// # Errors
    /// When one is too short or there are too many.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self, Unplantable> {
        let values: Vec<&str> = values.into_iter().take(MOST + 1).collect();
        if values.iter().any(|value| value.len() < LEAST) {
            return Err(Unplantable::TooShort);
        }
        if values.len() > MOST {
            return Err(Unplantable::TooMany);
        }
        if values.is_empty() {
            return Ok(Self::default());
        }
        let count = values.len();
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(values)
            .map_err(|_| Unplantable::TooMany)?;
        Ok(Self {
            automaton: Some(automaton),
            count,
        })
    }

    /// Whether nothing is planted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }

    /// A value to plant: looks like a key, and says nothing. The same 128 bits give the same value.
    #[must_use]
    pub fn mint(random: u128) -> String {
        format!("bzk_{random:032x}")
    }

    /// Where one surfaces.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else {
            return Vec::new();
        };
        automaton
            .find_iter(text)
            .take(MOST)
            .map(|hit| hit.range())
            .collect()
    }
}
