//! What an argument's name says of its role: a closed vocabulary of ordinary interface English.

use bartizan_types::flow::Role;

use crate::words;

/// Where something goes, or what gives access.
const TARGET: &str = "\
    recipient to cc bcc email mail participant attendee invitee guest collaborator url uri link \
    webhook endpoint host domain iban payee beneficiary receiver phone password passphrase token \
    secret credential command cmd script code sql expression args env destination dest target number \
    address callback redirect pickup dropoff drop cidr ip";
/// Which existing thing.
const SELECTOR: &str = "\
    id path filename file folder directory dir key slug sha ref branch owner repo repository org \
    organization project workspace database db table collection channel channels user username team \
    board calendar thread ts uuid uid handle index bucket namespace cluster name names hotel \
    restaurant company product item identifier base head source from selector element schema group \
    device resource revision container node pod job server service instance region zone space app \
    application package account site actor author parent release milestone image context manifest \
    disk volume network environment sku";
/// What is said or stored.
const CONTENT: &str = "\
    body content text message subject title description comment note notes summary html caption \
    markdown query q prompt question thought data search topic location keyword pattern snippet \
    reply edits observation fact block children value values input inputs instruction instructions \
    payload heading details purpose remark memo salutation greeting intro closing signature";
/// When.
const TIME: &str = "\
    date day time datetime start end due deadline until since before after timestamp month year when \
    at arrival departure checkin checkout expiry expires";
/// How much.
const AMOUNT: &str = "\
    amount price total cost sum fee quantity qty rent salary wage bonus deposit discount fare premium \
    compensation payment tip fine";
/// Settings and properties.
const VALUE: &str = "\
    status state permission priority color limit page size count sort order n language locale format \
    type kind mode recurring visibility label labels tag tags offset cursor direction timezone tz \
    street city country first last depth timeout width height max min currency emoji reaction filter \
    fields level metadata options verbose unit units role assignee assignees category reason severity \
    event verb verbs version platform annotation port replicas retries duration \
    interval radius latitude longitude lat lng lon zoom precision expand \
    theme style quality position rank rating score weight protocol delivery stars";

/// The role a name tells, the last telling word first; none if no word tells.
pub(crate) fn by_name(name: &str) -> Option<Role> {
    let split = words::split(name);
    let has = |list: &str, word: &str| {
        list.split_whitespace()
            .any(|known| known == word || known == words::singular(word))
    };
    let last = split.last()?.as_str();
    let before = split
        .len()
        .checked_sub(2)
        .and_then(|at| split.get(at))
        .map_or("", String::as_str);
    if let Some(role) = by_ending(&split, before, last) {
        return Some(role);
    }
    if last == "number" && !["phone", "account", "card", "mobile", "routing"].contains(&before) {
        return Some(if ["page", ""].contains(&before) {
            Role::Value
        } else {
            Role::Selector
        });
    }
    if matches!(
        (before, last),
        ("first" | "last" | "display" | "full" | "user" | "nick", "name")
    ) {
        return Some(if before == "user" {
            Role::Selector
        } else {
            Role::Value
        });
    }
    // `duplicate_of`, `part_of`: the thing it refers to. Coordinates are numbers, whatever they start or end.
    if last == "of" {
        return Some(Role::Selector);
    }
    if split.len() > 1 && ["x", "y", "z"].contains(&last) {
        return Some(Role::Value);
    }
    if last == "email" || last == "emails" {
        return Some(Role::Target);
    }
    if split.first().is_some_and(|word| {
        [
            "max", "min", "per", "num", "include", "exclude", "is", "has", "sort", "order", "page",
        ]
        .contains(&word.as_str())
    }) {
        return Some(Role::Value);
    }
    split.iter().rev().find_map(|word| {
        [
            (TIME, Role::Time),
            (AMOUNT, Role::Amount),
            (TARGET, Role::Target),
            (CONTENT, Role::Content),
            (VALUE, Role::Value),
            (SELECTOR, Role::Selector),
        ]
        .into_iter()
        .find(|(list, _)| has(list, word))
        .map(|(_, role)| role)
    })
}

/// The role that the last words of a name tell together.
fn by_ending(split: &[String], before: &str, last: &str) -> Option<Role> {
    // `in_reply_to`: which message.
    if last == "to" && before == "reply" && split.len() == 3 {
        return Some(Role::Selector);
    }
    // `pay_on`, `dueOn`: when.
    if last == "on" && split.len() > 1 {
        return Some(Role::Time);
    }
    // `po_no`, `room_nr`: which one. `check_in`: when.
    let numbered = split.len() > 1 && ["no", "nr"].contains(&last);
    if numbered || ["id", "ids", "key", "uuid", "sha"].contains(&last) {
        return Some(Role::Selector);
    }
    if before == "check" && ["in", "out"].contains(&last) {
        return Some(Role::Time);
    }
    None
}
