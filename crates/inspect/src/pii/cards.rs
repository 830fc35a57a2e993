//! Payment cards in runs of digits.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::ids::luhn;
use super::near::{automaton, speaks};
use super::scan::plain;
use super::{Kind, Personal, money};
use crate::safe::part;

/// Fewest digits of a card number.
pub(super) const LEAST: usize = 12;

/// How sure a number is that its words or its neighbours make an order's, and not a card's.
const UNSURE: u16 = 450;

static CARDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    automaton(&[
        "card",
        "visa",
        "mastercard",
        "amex",
        "credit",
        "debit",
        "karte",
        "tarjeta",
        "carte",
    ])
});

/// What is numbered as cards are.
static ORDERS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    automaton(&[
        "order",
        "invoice",
        "tracking",
        "ticket",
        "booking",
        "shipment",
        "consignment",
        "parcel",
        "receipt",
        "bestell",
        "auftrag",
        "rechnung",
        "sendung",
        "commande",
        "facture",
        "pedido",
        "factura",
        "ordine",
        "fattura",
        "заказ",
        "накладн",
        "订单",
        "运单",
        "注文",
        "주문",
    ])
});

/// What is done with a card, also where an order is named.
static PAID: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| automaton(&["paid", "pay", "charge", "billed", "bezahl", "payé", "pagad"]));

/// Card numbers: the whole run of digits and signs, or its first digits where something else follows after a gap.
pub(super) fn cards(text: &str, range: Range<usize>, found: &mut Vec<Personal>) {
    let spelt = text.get(range.clone()).unwrap_or_default();
    let mut ends: Vec<usize> = vec![spelt.len()];
    ends.extend(
        spelt
            .char_indices()
            .filter(|(_, c)| *c == ' ')
            .map(|(at, _)| at)
            .rev(),
    );
    for end in ends {
        let part = spelt.get(..end).unwrap_or_default();
        let digits: Vec<u8> = part.bytes().filter(u8::is_ascii_digit).collect();
        if !(LEAST..=19).contains(&digits.len()) || !(one_sign(part, b" -") || one_sign(part, b".")) {
            continue;
        }
        let groups: Vec<usize> = part.split([' ', '-', '.']).map(str::len).collect();
        if money::card_groups(&groups) && money::card(&digits) {
            // A bare run of digits may be an id, and most ids that count through time have 18 digits or 19, of which one in
            // ten passes the check; what announces a card settles it.
            let said = speaks(&CARDS, text, range.start);
            let bare = !said && groups.len() == 1;
            if bare && matches!(digits.len(), 18 | 19) {
                continue;
            }
            let card = range.start..range.start + end;
            let score = if !bare {
                980
            } else if is_of_an_order(text, &card) {
                UNSURE
            } else {
                850
            };
            found.push(plain(Kind::Card, card, score));
            return;
        }
    }
}

/// Whether there are only digits, and these signs between them.
fn one_sign(part: &str, signs: &[u8]) -> bool {
    part.bytes()
        .all(|byte| byte.is_ascii_digit() || signs.contains(&byte))
}

/// Whether a bare number is named as that of an order, or stands among numbers that count. One in ten of those passes a
/// card's check, and whoever pays with one may name it so: it stays a finding.
fn is_of_an_order(text: &str, number: &Range<usize>) -> bool {
    let named = speaks(&ORDERS, text, number.start) && !speaks(&PAID, text, number.start);
    named || counts(text, number)
}

/// Whether a number near this one has as many digits, begins alike, and is no card.
fn counts(text: &str, number: &Range<usize>) -> bool {
    /// How far before and behind it, in bytes.
    const REACH: usize = 200;
    /// How many first digits are alike: more than name who issued a card.
    const ALIKE: usize = 10;
    let bytes = text.as_bytes();
    let this = part(bytes, number.clone());
    let end = number.end.saturating_add(REACH).min(bytes.len());
    part(bytes, number.start.saturating_sub(REACH)..end)
        .split(|byte| !byte.is_ascii_digit())
        .any(|other| other.len() == this.len() && part(other, ..ALIKE) == part(this, ..ALIKE) && !luhn(other))
}
