//! `budget` and `revoke` on the command line.

use clap::{Args, Subcommand};

/// `budget`.
#[derive(Debug, Subcommand)]
pub(crate) enum Budget {
    /// List budgets, and what is used of each
    List,
    /// Show one budget: whose counters it has, and what is set aside for calls in progress
    Show {
        /// Its name
        name: String,
    },
    /// Forget what is used; what is set aside for calls in progress stays
    Reset {
        /// Its name
        name: String,
        /// Only this counter, as `show` names it: `agent=mailer`
        #[arg(long, value_name = "WHOSE")]
        of: Option<String>,
    },
}

/// `revoke`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Revoke {
    /// What: `everything`, or `token:JTI`, `key:PREFIX`, `certificate:FINGERPRINT`, `agent:NAME`, `user:NAME`,
    /// `tenant:NAME`, `session:ID`, `actor:NAME`, `tool:SERVER/TOOL`, `server:NAME`, `model:UPSTREAM/MODEL`, `upstream:NAME`,
    /// `peer:NAME`, `site:HOST` or `site:HOST:PORT`
    #[arg(required = true)]
    pub(crate) what: Option<String>,
    /// Until then: `2026-12-01` (to its end, UTC) or RFC 3339. Without it, until it is lifted
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<String>,
    /// Why, for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    /// What else can be done
    #[command(subcommand)]
    pub(crate) verb: Option<RevokeVerb>,
}

/// `revoke list|lift`.
#[derive(Debug, Subcommand)]
pub(crate) enum RevokeVerb {
    /// List revocations
    List,
    /// Take a revocation back
    Lift {
        /// Its id
        id: String,
    },
}
