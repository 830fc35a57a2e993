//! Personal data: who somebody is, how to reach them, what they pay with, where they are.
//!
//! One walk over the bytes stops at the few that may start something: digits, `@`, `+`, `:` and, for names, capitals.
//! Each candidate is judged by arithmetic where its kind has any, else by its form and by the words before it.

mod cards;
mod dates;
mod ids;
mod mails;
mod money;
mod names;
mod near;
mod phone;
mod places;
mod scan;
mod streets;

use std::ops::Range;

pub(crate) use money::is_wif;
pub use scan::find;

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// An account number (ISO 13616).
    Iban,
    /// A payment card's number.
    Card,
    /// A number that a state gave to a person.
    NationalId,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A hardware address.
    Mac,
    /// An address of a crypto currency.
    Wallet,
    /// A date of birth.
    BirthDate,
    /// Geographic coordinates.
    Coordinates,
    /// A person's name, as far as a list and its shape tell.
    Name,
    /// A postal address, as far as its shape tells.
    Address,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Email,
        Self::Phone,
        Self::Iban,
        Self::Card,
        Self::NationalId,
        Self::Ip,
        Self::Mac,
        Self::Wallet,
        Self::BirthDate,
        Self::Coordinates,
        Self::Name,
        Self::Address,
    ];

    /// The word in findings and policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Iban => "iban",
            Self::Card => "card",
            Self::NationalId => "national_id",
            Self::Ip => "ip_address",
            Self::Mac => "mac_address",
            Self::Wallet => "crypto_address",
            Self::BirthDate => "birth_date",
            Self::Coordinates => "coordinates",
            Self::Name => "person_name",
            Self::Address => "postal_address",
        }
    }
}

/// A piece of personal data in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personal {
    /// Of which kind.
    pub kind: Kind,
    /// More exactly, such as `de_steuer_id` or `bitcoin`; else the kind's word.
    pub what: &'static str,
    /// Its bytes.
    pub range: Range<usize>,
    /// How sure, in thousandths.
    pub score: u16,
}

/// How national numbers are known: name and country, for documentation.
pub fn national_ids() -> impl Iterator<Item = &'static str> {
    ids::all().map(|id| id.name)
}

#[cfg(test)]
mod tests;
