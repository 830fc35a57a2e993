//! C2SP tlog-tiles v0.1.0: where the tiles and entry bundles of a log are published, and what is in them.
//!
//! A tile has up to 256 hashes of one level; a bundle has up to 256 entries, each behind a big-endian `u16` length.
//! Tiles are derived: they can be rebuilt from the log and prove nothing without a checkpoint.

use bartizan_types::Digest;

use crate::entry::digest_of;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Levels of hashes that one level of tiles stands for.
pub const TILE_HEIGHT: u32 = 8;

/// Why bytes are no tile or bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileFault {
    /// Not a whole number of hashes or entries.
    #[error("the tile is cut short")]
    Cut,
    /// More or fewer than the path says.
    #[error("the tile has the wrong width")]
    Width,
}

/// What one tile's path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileId {
    /// Level of tiles, or `None` for an entry bundle.
    pub level: Option<u8>,
    /// Number within the level.
    pub index: u64,
    /// Hashes or entries in it, 1 to 256.
    pub width: u16,
}

impl TileId {
    /// The path below the log's prefix, such as `tile/0/x001/234.p/17`.
    #[must_use]
    pub fn path(&self) -> String {
        let level = self
            .level
            .map_or_else(|| "entries".to_owned(), |level| level.to_string());
        let mut number = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        let partial = if u64::from(self.width) < TILE_WIDTH {
            format!(".p/{}", self.width)
        } else {
            String::new()
        };
        format!("tile/{level}/{number}{partial}")
    }
}

/// Every tile and bundle of a log of `size` records that a log of `since` records did not have yet.
#[must_use]
pub fn tiles_between(since: u64, size: u64) -> Vec<TileId> {
    let mut out = Vec::new();
    let mut row = |level: Option<u8>, old: u64, new: u64| {
        for index in old / TILE_WIDTH..new.div_ceil(TILE_WIDTH) {
            let left = new
                .saturating_sub(index.saturating_mul(TILE_WIDTH))
                .min(TILE_WIDTH);
            out.push(TileId {
                level,
                index,
                width: u16::try_from(left).unwrap_or(256),
            });
        }
    };
    if since >= size {
        return Vec::new();
    }
    row(None, since, size);
    let (mut old, mut new) = (since, size);
    for level in 0..8_u8 {
        if new > old {
            row(Some(level), old, new);
        }
        old /= TILE_WIDTH;
        new /= TILE_WIDTH;
        if new == 0 {
            break;
        }
    }
    out
}

/// The bytes of an entry bundle.
#[must_use]
pub fn encode_bundle<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        // Entries are of fixed, small size; a longer one could not be told from its neighbour, so it is cut off.
        let len = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend(entry.iter().take(usize::from(len)));
    }
    out
}

/// The entries of a bundle of `width`.
///
/// # Errors
/// [`TileFault`].
pub fn decode_bundle(mut bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, TileFault> {
    let mut out = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk::<2>() {
        let (entry, rest) = rest
            .split_at_checked(usize::from(u16::from_be_bytes(*len)))
            .ok_or(TileFault::Cut)?;
        if out.len() >= usize::from(width) {
            return Err(TileFault::Width);
        }
        out.push(entry);
        bytes = rest;
    }
    match (bytes.is_empty(), out.len() == usize::from(width)) {
        (false, _) => Err(TileFault::Cut),
        (true, false) => Err(TileFault::Width),
        (true, true) => Ok(out),
    }
}

/// The hashes of a tile of `width`.
///
/// # Errors
/// [`TileFault`].
pub fn decode_tile(bytes: &[u8], width: u16) -> Result<Vec<Digest>, TileFault> {
    if !bytes.len().is_multiple_of(32) {
        return Err(TileFault::Cut);
    }
    if bytes.len() / 32 != usize::from(width) {
        return Err(TileFault::Width);
    }
    Ok(bytes.chunks_exact(32).map(digest_of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(level: Option<u8>, index: u64, width: u16, path: &str) {
        assert_eq!(TileId { level, index, width }.path(), path);
    }

    #[test]
    fn paths_of_the_specification() {
        check(Some(0), 1_234_067, 256, "tile/0/x001/x234/067");
        check(Some(0), 273, 112, "tile/0/273.p/112");
        check(Some(1), 0, 1, "tile/1/000.p/1");
        check(None, 5, 256, "tile/entries/005");
    }

    /// A log of 70,000: 273 full tiles and one of 112 on level 0, one full and one of 17 on level 1, one of 1 above.
    #[test]
    fn tiles_of_the_specifications_example() {
        let all: Vec<String> = tiles_between(0, 70_000).iter().map(TileId::path).collect();
        assert_eq!(all.iter().filter(|p| p.starts_with("tile/0/")).count(), 274);
        for path in [
            "tile/0/273.p/112",
            "tile/1/000",
            "tile/1/001.p/17",
            "tile/2/000.p/1",
            "tile/entries/273.p/112",
        ] {
            assert!(all.iter().any(|p| p == path), "{path}");
        }
        assert_eq!(tiles_between(70_000, 70_000), Vec::new());
    }

    proptest! {
        #[test]
        fn bundles_round_trip(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..40)) {
            let bytes = encode_bundle(entries.iter().map(Vec::as_slice));
            let width = u16::try_from(entries.len()).expect("small");
            let back = decode_bundle(&bytes, width).expect("its own encoding");
            prop_assert_eq!(back, entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert!(decode_bundle(&bytes, width + 1).is_err());
        }

        #[test]
        fn hostile_tiles_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), width: u16) {
            let _ = decode_bundle(&bytes, width);
            let _ = decode_tile(&bytes, width);
        }
    }
}
