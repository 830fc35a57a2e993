//! Time as a value: microseconds since the Unix epoch, UTC. Nobody here asks a clock.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, UTC, in microseconds since 1970-01-01T00:00:00Z. Shown as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_unix_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the epoch, saturating.
    #[must_use]
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// From seconds since the epoch, saturating.
    #[must_use]
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// From RFC 3339, such as `2026-12-01T18:00:00Z`; or from a date, `2026-12-01`, which stands for the end of that
    /// day, UTC. `None` for anything else, and for what lies before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let micros = match text.parse::<jiff::Timestamp>() {
            Ok(time) => time.as_microsecond(),
            Err(_) => {
                let day: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
                let next = day.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
                next.timestamp().as_microsecond()
            }
        };
        u64::try_from(micros).ok().map(Self)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn unix_micros(self) -> u64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn unix_millis(self) -> u64 {
        self.0 / 1000
    }

    /// Seconds since the epoch, rounded down.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// This time plus `micros`, saturating.
    #[must_use]
    pub const fn plus_micros(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to this time; zero if `earlier` is later.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_microsecond(micros) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999999Z"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Serialized as the integer of microseconds: exact, short and quick to write in every record.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_as_rfc_3339() {
        assert_eq!(
            Timestamp::from_unix_seconds(0).to_string(),
            "1970-01-01T00:00:00.000000Z"
        );
        assert_eq!(
            Timestamp::from_unix_micros(1_795_370_000_000_001).to_string(),
            "2026-11-22T17:53:20.000001Z"
        );
        assert_eq!(
            Timestamp::from_unix_micros(u64::MAX).to_string(),
            "9999-12-31T23:59:59.999999Z"
        );
    }

    #[test]
    fn times_and_dates_are_read() {
        let at = |text| Timestamp::parse(text).map(Timestamp::unix_seconds);
        assert_eq!(at("1970-01-01T00:00:07Z"), Some(7));
        assert_eq!(at("1970-01-02T01:00:00+01:00"), Some(86_400));
        assert_eq!(at("1970-01-01"), Some(86_400), "a date is until its end");
        assert_eq!(at("2024-02-29"), Some(1_709_251_200));
        for bad in [
            "",
            "tomorrow",
            "1969-12-01",
            "2025-02-29",
            "2025-2-9",
            "2025-13-01",
            "2025-01-01T00:00:00",
        ] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }
}
