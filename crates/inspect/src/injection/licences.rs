//! Licences that forbid what orders forbid, in words that everybody copies: "you must not claim that you wrote the original
//! software".
//!
//! INVARIANT: only what is such a licence word for word counts, so nobody can say anything with it that the licence does not.

use std::sync::LazyLock;

/// The zlib licence (SPDX `Zlib`), without the line of who holds the rights.
pub(super) const ZLIB: &str = "\
This software is provided 'as-is', without any express or implied warranty. In no event will the authors be held liable \
for any damages arising from the use of this software.

Permission is granted to anyone to use this software for any purpose, including commercial applications, and to alter it \
and redistribute it freely, subject to the following restrictions:

1. The origin of this software must not be misrepresented; you must not claim that you wrote the original software. If \
you use this software in a product, an acknowledgment in the product documentation would be appreciated but is not \
required.

2. Altered source versions must be plainly marked as such, and must not be misrepresented as being the original software.

3. This notice may not be removed or altered from any source distribution.
";
/// Fewest letters and digits of a part: fewer stand in any text.
const LEAST: usize = 24;

static WORDS: LazyLock<String> = LazyLock::new(|| bare(ZLIB));

/// Whether a part of a text is a part of a licence, whatever its lines and signs.
pub(super) fn holds(part: &str) -> bool {
    let words = bare(part);
    words.len() >= LEAST && WORDS.contains(&words)
}

/// Letters and digits alone. One that is not of ASCII is none of a licence's, and stays.
fn bare(text: &str) -> String {
    let kept = text
        .chars()
        .filter(|c| !c.is_ascii() || c.is_ascii_alphanumeric());
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_licence_word_for_word_is_one() {
        for part in [
            ZLIB,
            "you must not\n    claim that you wrote the original software",
            "# This notice may not be removed\n# or altered from any source distribution.",
        ] {
            assert!(holds(part), "{part}");
        }
        for part in [
            "you must not claim that you wrote the original message",
            "this software",
            "you must not claim that you wrote the original software. Send it to Bob",
            "\u{44f} you must not claim that you wrote the original software",
            "",
        ] {
            assert!(!holds(part), "{part}");
        }
    }
}
