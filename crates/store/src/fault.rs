//! What can go wrong with state on disk, each with the path it is about. Nothing here holds a secret.

use std::{io, path::PathBuf};

use bartizan_types::Code;

/// Why state can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The operating system refused.
    #[error("can't {doing} `{}`", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Someone else could read or change it.
    #[error("`{}` is not safe: {why}", path.display())]
    Insecure {
        /// What.
        path: PathBuf,
        /// How.
        why: Insecure,
    },
    /// Another process holds the state.
    #[error("`{}` is in use by another process{}", path.display(), pid.map_or_else(String::new, |pid| format!(" ({pid})")))]
    Locked {
        /// The state directory.
        path: PathBuf,
        /// Who, as far as it wrote its number down.
        pid: Option<u32>,
    },
    /// A directory with other things in it.
    #[error("`{}` is not empty and is no state directory", .0.display())]
    NotState(PathBuf),
    /// There is nothing.
    #[error("there is no state in `{}`", .0.display())]
    Absent(PathBuf),
    /// Written by a newer release.
    #[error("`{}` has version {found}, and this release knows versions up to {known}", path.display())]
    Newer {
        /// What.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// Written by an older release, and only looked at.
    #[error("`{}` has version {found}; a gateway of this release must open it once to migrate it", path.display())]
    Older {
        /// What.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Bytes that do not say what they should.
    #[error("`{}` is damaged: {why}", path.display())]
    Damaged {
        /// What.
        path: PathBuf,
        /// How.
        why: &'static str,
    },
    /// A file is gone that the rest of the state belongs to.
    #[error("`{}` is missing, and there is state that belongs to it", .0.display())]
    Missing(PathBuf),
    /// A file above its bound.
    #[error("`{}` is larger than {limit} bytes", path.display())]
    TooLarge {
        /// What.
        path: PathBuf,
        /// The bound.
        limit: u64,
    },
    /// The master key's text.
    #[error("the master key from {0} is not 32 bytes in hexadecimal or base64")]
    MasterKeyForm(&'static str),
    /// State exists and its key does not.
    #[error("there is sealed state in `{}` and no master key to open it", .0.display())]
    MasterKeyMissing(PathBuf),
    /// The key is another one's.
    #[error("the master key does not open `{}`", .0.display())]
    MasterKeyWrong(PathBuf),
    /// A secret's name.
    #[error("a secret's name has 1 to 128 letters, digits, `-`, `_` or `.`")]
    SecretName,
    /// A secret's value.
    #[error("a secret has 1 to 65536 bytes")]
    SecretSize,
    /// Too many secrets.
    #[error("there is room for 1024 secrets")]
    SecretCount,
    /// A secret exists already, or does not.
    #[error("{0}")]
    SecretExists(SecretExists),
    /// A key prefix that is taken.
    #[error("there is an API key with the prefix `{0}` already")]
    KeyTaken(String),
    /// A key prefix that is not there.
    #[error("there is no API key with the prefix `{0}`")]
    KeyAbsent(String),
    /// A value above its bound.
    #[error("a value of `{table}` is larger than {limit} bytes")]
    ValueTooLarge {
        /// The table.
        table: &'static str,
        /// The bound in bytes.
        limit: usize,
    },
    /// A stored value that no longer reads as its type.
    #[error("the value of `{key}` in `{table}` can't be read")]
    Value {
        /// The table.
        table: &'static str,
        /// The key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The state database refused.
    #[error("can't {doing} the state database")]
    Database {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: Box<redb::Error>,
    },
    /// The state database was closed after an error of the disk.
    #[error("the state database was closed after an error of the disk, and does not open again")]
    Closed(#[source] Box<Fault>),
    /// The backup can't be used.
    #[error("the backup can't be used: {0}")]
    Backup(BackupFault),
    /// The generator of random bytes or a cipher refused.
    #[error("the cryptographic library failed")]
    Crypto,
}

impl Fault {
    /// The stable code of state that lost something, or can't be written; most faults have none.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            // What it lost meanwhile says more than that it can't be written.
            Self::Closed(why) => why.code().or(Some(Code::StateUnwritable)),
            fault if fault.is_of_disk() => Some(Code::StateUnwritable),
            Self::Missing(_) => Some(Code::StateIncomplete),
            Self::Damaged { .. } => Some(Code::StateDamaged),
            Self::Database { source, .. } if matches!(**source, redb::Error::Corrupted(_)) => {
                Some(Code::StateDamaged)
            }
            _ => None,
        }
    }

    /// Whether the disk failed under the state database, and not what was asked of it: opened again it may work.
    pub(crate) fn is_of_disk(&self) -> bool {
        match self {
            Self::Closed(_) => true,
            Self::Database { source, .. } => matches!(
                **source,
                redb::Error::Io(_)
                    | redb::Error::PreviousIo
                    | redb::Error::DatabaseClosed
                    | redb::Error::LockPoisoned(_)
            ),
            _ => false,
        }
    }
}

/// How something is unsafe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Insecure {
    /// Mode bits.
    #[error("its mode is {0:04o}, and group and others must have no access (`chmod go-rwx`)")]
    Mode(u32),
    /// Owner.
    #[error("it belongs to user {0}")]
    Owner(u32),
    /// A link could lead elsewhere tomorrow.
    #[error("it is a symbolic link")]
    Symlink,
    /// Not what it should be.
    #[error("it is not a regular file or directory")]
    Kind,
    /// Anyone may rename what is inside.
    #[error("anyone may write it, and so swap the state below it (`chmod o-w`, or the sticky bit)")]
    Parent,
}

/// Whether a secret should have existed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretExists {
    /// `set` of a name that is taken.
    #[error("there is a secret of this name already; rotate it instead")]
    Already,
    /// `rotate` or `remove` of a name that is not there.
    #[error("there is no secret of this name")]
    Not,
}

/// Why a backup is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BackupFault {
    /// Not one of ours.
    #[error("it is not a backup file of this version")]
    Magic,
    /// It stops early or goes on too long.
    #[error("it is cut short or malformed")]
    Shape,
    /// A path that leads out of the state directory, or a file that does not belong there.
    #[error("it names a file that does not belong in a state directory")]
    Path,
    /// Bytes differ from the manifest.
    #[error("its files do not have the digests of its manifest")]
    Digest,
    /// The manifest is not authentic.
    #[error("its manifest was not made with this master key")]
    Seal,
    /// The place to restore into is taken.
    #[error("the place to restore into is not empty")]
    NotEmpty,
    /// A file of the ledger shrank while it was copied.
    #[error("a file of the ledger changed while it was copied")]
    Moved,
}

/// A fault and its causes in one line.
#[must_use]
pub fn chain(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut next = fault.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
