//! Names and addresses as mail services write them: `Ann Lee <ann@shop.example>, Bo <bo@shop.example>` (RFC 5322, section
//! 3.4, without comments, groups and quoted pairs).

/// Longest list that is read, in bytes, and most of its mailboxes.
const BYTES: usize = 4096;
const MOST: usize = 64;

/// The names and the addresses of a list of mailboxes, each with its angle brackets. None of anything else.
pub(crate) fn all(text: &str) -> impl Iterator<Item = &str> {
    let list = if text.len() <= BYTES && text.ends_with('>') {
        text
    } else {
        ""
    };
    list.split(',')
        .take(MOST)
        .flat_map(|one| {
            let (name, address) = split(one).unwrap_or_default();
            [name, address]
        })
        .filter(|part| !part.is_empty())
}

/// The address of one mailbox, with a name or alone.
pub(crate) fn address(text: &str) -> &str {
    split(text).map_or(text.trim(), |(_, address)| address)
}

fn split(one: &str) -> Option<(&str, &str)> {
    let (name, address) = one.trim().strip_suffix('>')?.rsplit_once('<')?;
    let name = name.trim();
    // Half of a name in quotes, cut at its comma, is nobody's.
    let name = match name.matches('"').count() {
        0 => name,
        2 => name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'))
            .unwrap_or_default(),
        _ => "",
    };
    address.contains('@').then_some((name, address.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        let list: Vec<_> =
            all("\"Lee, Ann\" <ann@shop.example>, Bo <bo@shop.example>,<c@shop.example>").collect();
        assert_eq!(
            list,
            ["ann@shop.example", "Bo", "bo@shop.example", "c@shop.example"]
        );
        assert_eq!(
            all("\"Ann\" <ann@shop.example>").collect::<Vec<_>>(),
            ["Ann", "ann@shop.example"]
        );
        assert_eq!(all("a < b, c > d").count(), 0);
        assert_eq!(all("Ann Lee").count(), 0);
        assert_eq!(address("Bank <no-reply@bank.example>"), "no-reply@bank.example");
        assert_eq!(address(" no-reply@bank.example "), "no-reply@bank.example");
    }
}
