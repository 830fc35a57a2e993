//! Secrets that no word begins or names, known by what their characters say: a check sum, or what they decode to.
//!
//! Only long runs of letters, digits and signs that join them are looked at, which most text has none of.

use std::ops::Range;

use crate::bits::Bits;
use crate::digits::base64;
use crate::pii::is_wif;
use crate::safe::{item, part};

/// Shortest run: a key of Bitcoin in its import format has 51 letters or 52, a token of Discord has more.
const LEAST: usize = 51;

/// Tells each secret in a text: the name of its format, and its bytes.
pub(super) fn find(text: &str, mut tell: impl FnMut(&'static str, Range<usize>)) {
    let bytes = text.as_bytes();
    let signs = Bits::of(bytes, |byte| {
        (byte | 0x20).is_ascii_lowercase()
            | byte.is_ascii_digit()
            | (byte == b'.')
            | (byte == b'-')
            | (byte == b'_')
    });
    for run in signs.runs(LEAST) {
        for piece in pieces(bytes, run.clone(), |byte| !byte.is_ascii_alphanumeric()) {
            // How the version byte of a private key begins, on the main and on a test network.
            let begins = matches!(item(bytes, piece.start), b'5' | b'K' | b'L' | b'9' | b'c');
            if begins && matches!(piece.len(), 51 | 52) && text.get(piece.clone()).is_some_and(is_wif) {
                tell("bitcoin_private_key", piece);
            }
        }
        let (mut first, mut second) = (0..0, 0..0);
        for third in pieces(bytes, run, |byte| byte == b'.') {
            if second.len() == 6
                && (27..=45).contains(&third.len())
                && is_snowflake(part(bytes, first.clone()))
            {
                tell("discord_bot_token", first.start..third.end);
            }
            (first, second) = (second, third);
        }
    }
}

/// The parts of a run between such bytes.
fn pieces(bytes: &[u8], run: Range<usize>, ends: fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut start = run.start;
    let parts = part(bytes, run).split(move |byte| ends(*byte));
    parts.map(move |piece| {
        let range = start..start + piece.len();
        start = range.end + 1;
        range
    })
}

/// Whether this is base64 of a number that Discord gives out: 17 to 19 digits, the first of which is none.
/// <https://docs.discord.com/developers/reference#snowflakes>
fn is_snowflake(spelt: &[u8]) -> bool {
    // What 17 to 19 bytes are in base64, without what fills it up.
    if !matches!(spelt.len(), 23 | 24 | 26) {
        return false;
    }
    let id = base64(spelt);
    id.iter().all(u8::is_ascii_digit) && id.first() != Some(&b'0')
}

#[cfg(test)]
mod tests {
    fn found(text: &str) -> Vec<(&'static str, &str)> {
        let mut found = Vec::new();
        super::find(text, |id, range| found.push((id, &text[range])));
        found
    }

    #[test]
    fn keys_of_bitcoin_are_known_by_their_check_sum() {
        for key in [
            "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
            "KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617",
        ] {
            for text in [
                key.to_owned(),
                format!("my key is {key}."),
                format!("wallet.key-{key}_old"),
            ] {
                assert_eq!(found(&text), [("bitcoin_private_key", key)], "{text}");
            }
            for text in [format!("a{key}"), format!("{key}1"), key.replace('M', "N")] {
                assert!(found(&text).is_empty(), "{text}");
            }
        }
    }

    #[test]
    fn tokens_of_discord_are_known_by_the_number_in_them() {
        let rest = "Gf4R99.kQ0zWc7rXyL2mVb8NsTfUe1oPaGhJdIqZxCvB3";
        for id in [
            "MTA0NzE2MjU4ODM5NTY1Nzg5Mg",
            "NDIwOTI3MjAwODI4MjUwMDQ5",
            "ODA2Mzg3MTUzNzQ4MzM3NjY",
        ] {
            let token = format!("{id}.{rest}");
            for text in [
                token.clone(),
                format!("Bot {token}"),
                format!("it is {token}. Bye"),
            ] {
                assert_eq!(found(&text), [("discord_bot_token", token.as_str())], "{text}");
            }
        }
        for text in [
            // Another text in base64, a number in hexadecimal, and names with dots.
            format!("SGVsbG8gd29ybGQsIGhlbGxv.{rest}"),
            format!("9f86d081884c7d659a2feaa0.{rest}"),
            "com.example.services.payment.gateway.adapter.LegacyAdapterFactoryBean".to_owned(),
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
                .to_owned(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
        ] {
            assert!(found(&text).is_empty(), "{text}");
        }
    }
}
