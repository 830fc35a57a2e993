//! Reading: by index, by search, with proofs. Works beside the writer, on states that were synced.
//!
//! What derived files say is checked before it is handed out: a record must be the one asked for and open to what it
//! commits to, and a proof must verify against the signed head.

use std::sync::{Arc, atomic::Ordering};

use bartizan_ledger::{
    InclusionProof, SignedCheckpoint, consistency_proof, digest,
    frame::{Body, HEADER_BYTES, PAYLOAD_MAX_BYTES, Payload, decode},
    inclusion_proof,
    keys::read_public,
    seal::Place,
    tile::{TileId, encode_bundle},
    verify_consistency,
};
use bartizan_types::{Digest, Record, RecordKind};

use super::{
    derived::{Nodes, Row, Rows},
    journal::{SegmentRef, Shared, segment_file},
    medium::OpenMode,
    words::{Damage, LedgerFault, Query, StoredRecord, io},
};

/// Rows read at once.
const PAGE: u64 = 1024;
/// Most records one search returns.
const LIMIT_MAX: usize = 10_000;

impl Shared {
    pub(super) fn head(&self) -> Arc<SignedCheckpoint> {
        let view = self
            .view
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(&view.head)
    }

    pub(super) fn size(&self) -> u64 {
        self.head().checkpoint().size
    }

    /// The segment that holds a record: the last that begins at or before it. An empty segment begins where the
    /// one after it does, so the last wins.
    pub(super) fn segment_of(&self, index: u64) -> Option<SegmentRef> {
        let view = self
            .view
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let after = view.segments.partition_point(|segment| segment.first <= index);
        view.segments.get(after.checked_sub(1)?).copied()
    }

    /// While derived files lack what there was no room for, what they lack is no damage.
    pub(super) fn unless_paused<T>(
        &self,
        work: impl FnOnce() -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        // Looked at before, too: they may catch up while they are read.
        let before = self.paused.load(Ordering::Acquire);
        work().map_err(|fault| match fault {
            LedgerFault::Corrupt(Damage::Derived(_)) if before || self.paused.load(Ordering::Acquire) => {
                LedgerFault::Paused
            }
            other => other,
        })
    }

    pub(super) fn read(&self, index: u64) -> Result<StoredRecord, LedgerFault> {
        self.unless_paused(|| self.read_now(index))
    }

    fn read_now(&self, index: u64) -> Result<StoredRecord, LedgerFault> {
        let size = self.size();
        if index >= size {
            return Err(LedgerFault::Missing { index, size });
        }
        let rows = Rows::open(&self.medium)?;
        self.read_at(index, &rows.row(index)?, &rows)
    }

    fn read_at(&self, index: u64, row: &Row, rows: &Rows) -> Result<StoredRecord, LedgerFault> {
        let segment = self.segment_of(index).ok_or(LedgerFault::Missing {
            index,
            size: self.size(),
        })?;
        let fault = |source| io("reading a record", source);
        let file = self
            .medium
            .open(&segment_file(segment.number), OpenMode::Read)
            .map_err(fault)?;
        let mut bytes = vec![0; HEADER_BYTES];
        file.read_at(&mut bytes, u64::from(row.offset)).map_err(fault)?;
        let length = bytes
            .get(8..12)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u32::from_be_bytes);
        bytes.resize(HEADER_BYTES + (length as usize).min(PAYLOAD_MAX_BYTES), 0);
        file.read_at(&mut bytes, u64::from(row.offset)).map_err(fault)?;
        let frame = decode(&bytes).map_err(|_| LedgerFault::Corrupt(Damage::Derived(index)))?;
        let Body::Record(found) = frame.body else {
            return Err(LedgerFault::Corrupt(Damage::Derived(index)));
        };
        let damaged = || LedgerFault::Corrupt(Damage::Record(index));
        if found.index != index {
            return Err(LedgerFault::Corrupt(Damage::Derived(index)));
        }
        let entry = found.entry;
        let (record, erased_by) = match found.payload {
            Payload::Present(sealed) if digest(sealed) == entry.sealed => {
                let body = if entry.kind == RecordKind::LogKey {
                    read_public(&entry, sealed).ok_or_else(damaged)?.to_vec()
                } else {
                    let key = self.ring().data_key(segment.number)?;
                    let place = Place {
                        origin: &self.origin,
                        index,
                        kind: entry.kind,
                    };
                    key.open(&place, sealed, &entry.commitment)
                        .map_err(|_| damaged())?
                };
                (
                    Some(serde_json::from_slice::<Record>(&body).map_err(|_| damaged())?),
                    None,
                )
            }
            Payload::Present(_) => return Err(damaged()),
            // Gone is fine only if a tombstone says so; half gone is an erasure that opening will finish.
            Payload::Erased => (None, Some(self.tombstone_of(index, rows)?.ok_or_else(damaged)?)),
            Payload::Broken => {
                self.tombstone_of(index, rows)?.ok_or_else(damaged)?;
                (None, None)
            }
        };
        Ok(StoredRecord {
            index,
            entry,
            record,
            erased_by,
        })
    }

    fn tombstone_of(&self, index: u64, rows: &Rows) -> Result<Option<u64>, LedgerFault> {
        let (mut at, size) = (index + 1, self.size());
        while at < size {
            let count = (size - at).min(PAGE);
            let page = rows.rows(at, usize::try_from(count).unwrap_or(0))?;
            let is =
                |row: &Row| row.kind == RecordKind::Tombstone.tag() && row.call == index.saturating_add(1);
            if let Some(position) = page.iter().position(is) {
                return Ok(Some(at + position as u64));
            }
            at += count;
        }
        Ok(None)
    }

    pub(super) fn search(&self, query: &Query) -> Result<Vec<StoredRecord>, LedgerFault> {
        self.unless_paused(|| self.search_now(query))
    }

    fn search_now(&self, query: &Query) -> Result<Vec<StoredRecord>, LedgerFault> {
        let limit = if query.limit == 0 {
            100
        } else {
            query.limit.min(LIMIT_MAX)
        };
        let mut high = query
            .before
            .map_or_else(|| self.size(), |before| before.min(self.size()));
        let mut found = Vec::new();
        if high == 0 {
            return Ok(found);
        }
        let rows = Rows::open(&self.medium)?;
        while high > 0 && found.len() < limit {
            let low = high.saturating_sub(PAGE);
            let page = rows.rows(low, usize::try_from(high - low).unwrap_or(0))?;
            for (row, index) in page.iter().rev().zip((low..high).rev()) {
                if row.may_match(query, &self.index_key) {
                    let stored = self.read_at(index, row, &rows)?;
                    if matches(&stored, query) {
                        found.push(stored);
                    }
                    if found.len() == limit {
                        break;
                    }
                }
            }
            high = low;
        }
        Ok(found)
    }

    pub(super) fn prove(&self, index: u64) -> Result<InclusionProof, LedgerFault> {
        self.unless_paused(|| self.prove_now(index))
    }

    fn prove_now(&self, index: u64) -> Result<InclusionProof, LedgerFault> {
        let head = self.head();
        let size = head.checkpoint().size;
        if index >= size {
            return Err(LedgerFault::Missing { index, size });
        }
        let entry = self.read(index)?.entry;
        let nodes = Nodes::open(&self.medium, size);
        let damaged = || LedgerFault::Corrupt(Damage::Derived(index));
        let path = inclusion_proof(index, size, &mut |level, at| nodes.node(level, at));
        let path = path.map_err(|_| damaged())?;
        let signers = self.signers();
        let proof = InclusionProof::new(index, &entry, path, &head, signers.keys());
        proof
            .verify(signers.keys().newest(), &[])
            .map_err(|_| damaged())?;
        Ok(proof)
    }

    pub(super) fn prove_consistency(&self, old: &SignedCheckpoint) -> Result<Vec<Digest>, LedgerFault> {
        self.unless_paused(|| self.prove_consistency_now(old))
    }

    fn prove_consistency_now(&self, old: &SignedCheckpoint) -> Result<Vec<Digest>, LedgerFault> {
        let head = self.head();
        let (first, second) = (old.checkpoint(), head.checkpoint());
        if first.size > second.size {
            let rollback = Damage::Rollback {
                held: first.size,
                found: second.size,
            };
            return Err(LedgerFault::Corrupt(rollback));
        }
        let nodes = Nodes::open(&self.medium, second.size);
        let proof = consistency_proof(first.size, second.size, &mut |level, at| nodes.node(level, at));
        let proof = proof.map_err(|_| LedgerFault::Corrupt(Damage::Derived(first.size)))?;
        verify_consistency(first.size, second.size, &first.root, &second.root, &proof)
            .map_err(|_| LedgerFault::Corrupt(Damage::Fork(first.size)))?;
        Ok(proof)
    }

    /// The bytes of a C2SP tile or entry bundle of the log as it is now.
    pub(super) fn tile(&self, tile: &TileId) -> Result<Vec<u8>, LedgerFault> {
        self.unless_paused(|| self.tile_now(tile))
    }

    fn tile_now(&self, tile: &TileId) -> Result<Vec<u8>, LedgerFault> {
        let first = tile.index.saturating_mul(256);
        let damaged = || LedgerFault::Corrupt(Damage::Derived(first));
        if let Some(level) = tile.level {
            let nodes = Nodes::open(&self.medium, self.size());
            return nodes
                .tile(usize::from(level), tile.index, tile.width)
                .ok_or_else(damaged);
        }
        let entries = (first..first + u64::from(tile.width)).map(|index| self.read(index));
        let entries = entries.map(|stored| stored.map(|stored| stored.entry.encode()));
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        Ok(encode_bundle(entries.iter().map(<[u8; 88]>::as_slice)))
    }
}

/// The real comparison, after opening; rows only rule out.
fn matches(stored: &StoredRecord, query: &Query) -> bool {
    let asks = query.call.is_some()
        || query.session.is_some()
        || query.agent.is_some()
        || query.action.is_some()
        || query.ruling.is_some()
        || query.code.is_some()
        || query.would_deny;
    let Some(record) = &stored.record else {
        return !asks;
    };
    let agent = record.principal.as_ref().map(|who| &who.agent);
    let action = record.facts.as_ref().map(|facts| facts.action);
    query.call.is_none_or(|call| record.call == Some(call))
        && query
            .session
            .is_none_or(|session| record.session == Some(session))
        && query.agent.as_ref().is_none_or(|wanted| agent == Some(wanted))
        && query.action.is_none_or(|wanted| action == Some(wanted))
        && query.ruling.is_none_or(|ruling| record.ruling == Some(ruling))
        && query.code.is_none_or(|code| record.code == Some(code))
        && (!query.would_deny || record.because.as_ref().is_some_and(|because| because.would_deny))
}
