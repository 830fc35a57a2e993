//! What callers of the ledger say and hear: options, receipts, queries, faults.

use std::path::PathBuf;

use bartizan_ledger::{Entry, KeyFault, NoteFault, Succession};
use bartizan_types::{Action, AgentId, CallId, Code, Record, RecordKind, RulingWord, SessionId, Timestamp};

/// How the ledger keeps its files. Every queue and file has a bound.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// The log's name on its checkpoints (C2SP tlog-checkpoint origin): printable ASCII without spaces or `+`.
    pub origin: String,
    /// Bytes of one segment file, allocated at once. 1 MiB to 1 GiB.
    pub segment_bytes: u32,
    /// Bytes at the end of a segment kept for closings, tombstones and lifecycle records when the disk is full.
    pub reserve_bytes: u32,
    /// The ledger's own limit on disk, in bytes of segments. `None`: as much as the disk holds.
    pub disk_limit_bytes: Option<u64>,
    /// Records waiting for the committer, at most.
    pub queue_records: usize,
    /// Bytes of record bodies waiting for the committer, at most.
    pub queue_bytes: usize,
    /// Records in one synced write, at most.
    pub batch_records: usize,
    /// A file in a second place that remembers signed heads; without it a log that is rewritten by whoever holds
    /// its key looks consistent to itself.
    pub witness: Option<PathBuf>,
    /// Milliseconds between two heads sent to the witness. Heads are also sent when the ledger opens and closes.
    pub witness_every_millis: u64,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self {
            origin: "bartizan.local/ledger".to_owned(),
            segment_bytes: 64 << 20,
            reserve_bytes: 256 << 10,
            disk_limit_bytes: None,
            queue_records: 65_536,
            queue_bytes: 64 << 20,
            batch_records: 2048,
            witness: None,
            witness_every_millis: 1000,
        }
    }
}

/// The record is synced, in the tree, and under a synced signed checkpoint of `size` records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Where the record is.
    pub index: u64,
    /// Size of the first checkpoint that covers it.
    pub size: u64,
}

/// A record as read back.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    /// Where it is.
    pub index: u64,
    /// Its public part.
    pub entry: Entry,
    /// The record, unless it was erased.
    pub record: Option<Record>,
    /// The tombstone that erased it.
    pub erased_by: Option<u64>,
}

/// A call that was allowed and never closed: the gateway stopped in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCall {
    /// Where its ruling is.
    pub index: u64,
    /// The call.
    pub call: CallId,
    /// Its session.
    pub session: Option<SessionId>,
    /// When it was ruled on.
    pub time: Timestamp,
}

/// What opening the ledger found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Records in the log.
    pub size: u64,
    /// Calls to be closed as `interrupted`, oldest first.
    pub open_calls: Vec<OpenCall>,
    /// Bytes of a write that was never acknowledged, dropped.
    pub dropped_bytes: u64,
    /// Erasures that a crash had interrupted, finished now.
    pub erasures_finished: u64,
    /// The last record's time; a clock now behind it has gone back.
    pub last_time: Option<Timestamp>,
}

/// That the log's key is to change.
#[derive(Debug, Clone)]
pub struct ChangeKey {
    /// When it is asked for.
    pub now: Timestamp,
    /// For how long the retired key signs beside its successor, in microseconds; 0: it signs the change and no more.
    pub overlap_micros: u64,
    /// By whom, in words.
    pub by: String,
}

/// A change of the log's key that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChanged {
    /// The record, and the first head that covers it, signed by both keys.
    pub receipt: Receipt,
    /// What both keys signed.
    pub statement: Succession,
}

/// Which records to find; every given field must match. Newest first.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Of this call.
    pub call: Option<CallId>,
    /// Of this session.
    pub session: Option<SessionId>,
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Of this sort.
    pub kind: Option<RecordKind>,
    /// Of calls that do this.
    pub action: Option<Action>,
    /// Ruled so.
    pub ruling: Option<RulingWord>,
    /// Refused with this code.
    pub code: Option<Code>,
    /// Only what an observing policy let through and would have refused, or asked a human about.
    pub would_deny: bool,
    /// Only indices below this one: the last index of the page before.
    pub before: Option<u64>,
    /// At most so many, 1 to 10,000; 0 means 100.
    pub limit: usize,
}

/// Numbers for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerStats {
    /// Records in the log.
    pub size: u64,
    /// Bytes of segments on disk.
    pub disk_bytes: u64,
    /// Records waiting.
    pub queued: u64,
    /// Synced writes since opening.
    pub commits: u64,
    /// No room for new calls.
    pub full: bool,
    /// A sync failed; nothing is accepted until restart.
    pub poisoned: bool,
    /// Derived files can't be written, as on a full disk: search and proofs pause until they can.
    pub paused: bool,
}

/// Why the ledger did not do it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerFault {
    /// A write or sync failed earlier; what is on disk after it is unknown, so nothing more is written.
    #[error("the ledger is poisoned by an earlier failed write")]
    Poisoned,
    /// No room for another segment.
    #[error("no room left for records")]
    Full,
    /// No room for the files that search and proofs need. The log itself is whole.
    #[error("no room for what search and proofs need, so they pause until there is")]
    Paused,
    /// The queue to the committer is full.
    #[error("the ledger's queue is full")]
    Busy,
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
    /// One record is larger than a batch may be.
    #[error("a record has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// No record has this index.
    #[error("there is no record {index}, the log has {size}")]
    Missing {
        /// Asked for.
        index: u64,
        /// Records in the log.
        size: u64,
    },
    /// The record can't be erased: it is a tombstone, or already erased.
    #[error("record {0} can't be erased")]
    NotErasable(u64),
    /// The files disagree with themselves or with a signed head.
    #[error("the ledger is damaged")]
    Corrupt(#[source] Damage),
    /// The sealing keys can't be opened with this master key.
    #[error("the ledger's keys do not open with this master key")]
    Keys,
    /// The log's key can't change now.
    #[error("the log's key can't change now")]
    KeyChange(#[source] KeyFault),
    /// The next key could not be kept, so nothing changed.
    #[error("the log's key is as before: the next one can't be kept")]
    Unkept(#[source] std::io::Error),
    /// A head that is to be compared does not verify under the log's keys.
    #[error("a head held elsewhere does not verify")]
    Head(#[source] NoteFault),
    /// An option is out of its range.
    #[error("option `{0}` is out of range")]
    Option(&'static str),
    /// The system said no.
    #[error("ledger {what} failed")]
    Io {
        /// Doing what.
        what: &'static str,
        /// The system's word.
        #[source]
        source: std::io::Error,
    },
}

/// What is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A segment's bytes.
    #[error("segment {segment} at byte {at}: {what}")]
    Segment {
        /// First index of the segment.
        segment: u64,
        /// Byte offset.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A head held elsewhere knows more records than the files have.
    #[error("a head held elsewhere covers {held} records, the log has {found}")]
    Rollback {
        /// Records under the held head.
        held: u64,
        /// Records found.
        found: u64,
    },
    /// A head held elsewhere has another root at the same size.
    #[error("a head held elsewhere at {0} records has another root")]
    Fork(u64),
    /// The key file.
    #[error("the key file is malformed at line {0}")]
    KeyFile(usize),
    /// A record does not open, or not to what it commits to.
    #[error("record {0} does not open to what it commits to")]
    Record(u64),
    /// Who signs the log's heads, by the key file, the log and what is remembered elsewhere.
    #[error("{0}")]
    KeyChange(#[source] KeyFault),
    /// A derived file disagrees and could not be rebuilt.
    #[error("a derived file disagrees at record {0}")]
    Derived(u64),
}

impl LedgerFault {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Poisoned | Self::Io { .. } => Code::LedgerPoisoned,
            Self::Full | Self::Paused => Code::LedgerFull,
            Self::Unkept(_) => Code::StateUnwritable,
            Self::Busy => Code::QueueFull,
            Self::Closed => Code::Draining,
            Self::TooLarge { .. } => Code::BodyTooLarge,
            Self::Missing { .. } => Code::NotFound,
            Self::Corrupt(_) | Self::Keys | Self::Head(_) => Code::LedgerCorrupt,
            Self::NotErasable(_) | Self::Option(_) | Self::KeyChange(_) => Code::RequestShape,
        }
    }
}

/// An operation of the system that failed.
pub(super) const fn io(what: &'static str, source: std::io::Error) -> LedgerFault {
    LedgerFault::Io { what, source }
}
