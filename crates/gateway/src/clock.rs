//! The one place of this crate that reads the clock and draws random numbers, and hands both on as values.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use bartizan_types::{Timestamp, Ulid};

/// Now, UTC. A clock before 1970 reads as 1970: old, so nothing that expires is taken as valid by it alone.
pub(crate) fn now() -> Timestamp {
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros());
    Timestamp::from_unix_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// A fresh id.
///
/// # Panics
/// When the operating system gives no randomness: an id that could be guessed must never be handed out.
pub(crate) fn mint<K>(now: Timestamp) -> Ulid<K> {
    Ulid::mint(now, u128::from_le_bytes(random()))
}

/// `N` random bytes.
///
/// # Panics
/// When the operating system gives none.
#[expect(
    clippy::expect_used,
    reason = "no randomness, no safe id: stopping is the closed way to fail"
)]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
