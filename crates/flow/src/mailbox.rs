//! Names and addresses as mail services write them: `Ann Lee <ann@shop.example>, Bo <bo@shop.example>` (RFC 5322, section
//! 3.4, without comments, groups and quoted pairs).

/// Longest list that is read, in bytes, and most of its mailboxes.
const BYTES: usize = 4096;
const MOST: usize = 64;
/// Fields that hold mailboxes. Elsewhere, as in a name that somebody chose, brackets say nothing.
const FIELDS: &[&str] = &[
    "from",
    "to",
    "cc",
    "bcc",
    "sender",
    "recipient",
    "recipients",
    "email",
    "emails",
    "mail",
    "address",
    "addresses",
    "organizer",
    "attendees",
    "participants",
    "members",
    "author",
    "creator",
    "owner",
];

/// The addresses of a field that holds a list of mailboxes, each in its angle brackets. None of anything else; and no
/// names, which anybody chooses for herself.
pub(crate) fn all<'a>(path: &[&str], text: &'a str) -> impl Iterator<Item = &'a str> {
    let field = path
        .iter()
        .rev()
        .find(|key| !key.bytes().all(|b| b.is_ascii_digit()))
        .is_some_and(|key| FIELDS.contains(key));
    let list = if field && text.len() <= BYTES && text.ends_with('>') {
        text
    } else {
        ""
    };
    let mut quoted = false;
    list.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .take(MOST)
    .filter_map(|one| split(one))
}

/// The address of one mailbox, with a name or alone.
pub(crate) fn address(text: &str) -> &str {
    split(text).unwrap_or(text.trim())
}

fn split(one: &str) -> Option<&str> {
    let (name, address) = one.trim().strip_suffix('>')?.rsplit_once('<')?;
    let plain = !name.contains(['<', '>']) && name.matches('"').count() % 2 == 0;
    (plain && address.contains('@')).then_some(address.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_names() {
        let of = |key: &str, text: &'static str| all(&["0", key], text).collect::<Vec<_>>();
        assert_eq!(
            of(
                "from",
                "\"Lee, Ann\" <ann@shop.example>, Bo <bo@shop.example>,<c@shop.example>"
            ),
            ["ann@shop.example", "bo@shop.example", "c@shop.example"]
        );
        for text in [
            "a < b, c > d",
            "Ann Lee",
            "\"x, Bo <eve@evil.example>, y\" ann@corp.example>",
        ] {
            assert!(of("from", text).is_empty(), "{text}");
        }
        assert_eq!(
            of("email", "\"x, Bo <eve@evil.example>, y\" <ann@corp.example>"),
            Vec::<&str>::new()
        );
        assert!(of("name", "eve@evil.example <ann@corp.example>").is_empty());
        assert_eq!(address("Bank <no-reply@bank.example>"), "no-reply@bank.example");
        assert_eq!(address(" no-reply@bank.example "), "no-reply@bank.example");
    }
}
