//! Exit codes: one enum, from which `docs/reference/cli.md` and the tests take their table. Never renumbered.

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Done = 0,
    /// The answer is no.
    Refused = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration or a policy file is wrong.
    Config = 3,
    /// The state directory can't be used.
    State = 4,
    /// A running gateway is needed, and none answers.
    NotRunning = 5,
    /// There is no such thing.
    NotFound = 6,
    /// A file or stream of the caller's can't be read or written.
    Files = 7,
    /// Ours.
    Bug = 70,
}

impl Exit {
    /// Every code, in order.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 9] = [
        Self::Done,
        Self::Refused,
        Self::Usage,
        Self::Config,
        Self::State,
        Self::NotRunning,
        Self::NotFound,
        Self::Files,
        Self::Bug,
    ];

    /// What it means, for the reference.
    #[cfg(test)]
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => {
                "the answer is no: refused, a verification failed, a policy test failed, a file is not as it should be"
            }
            Self::Usage => "the command line is wrong",
            Self::Config => "the configuration or a policy file is wrong",
            Self::State => "the state directory can't be used: permissions, a newer version, damage, no room",
            Self::NotRunning => {
                "a running gateway is needed and none answers, or one holds the state and does not answer"
            }
            Self::NotFound => "there is no such call, record, agent, secret or tool",
            Self::Files => "a file or stream named on the command line can't be read or written",
            Self::Bug => "the command made a mistake; please report it",
        }
    }

    /// The word in JSON errors.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Usage => "usage",
            Self::Config => "config",
            Self::State => "state",
            Self::NotRunning => "not_running",
            Self::NotFound => "not_found",
            Self::Files => "files",
            Self::Bug => "bug",
        }
    }

    /// The number the process ends with.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }
}
