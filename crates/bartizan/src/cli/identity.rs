//! `identity`, and what `agent delegate` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `identity`.
#[derive(Debug, Subcommand)]
pub(crate) enum Identity {
    /// Make a short-lived certificate (X.509-SVID) for an agent: `svid.pem`, `svid_key.pem`, `bundle.pem`
    Issue(Issue),
    /// Bring in a new root; the old ones stay trusted until all they signed has ended
    Rotate {
        /// The old roots end now, and with them all they signed: after a theft
        #[arg(long)]
        at_once: bool,
    },
    /// Print the roots that are trusted, PEM: what clients check the gateway's certificate with
    Bundle {
        /// Into this file instead
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List the roots
    List,
}

/// `identity issue`.
#[derive(Debug, Args)]
pub(crate) struct Issue {
    /// The agent's name
    pub(crate) agent: String,
    /// Where the three files go
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Hours until it ends
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=72))]
    pub(crate) hours: u32,
    /// Stay, and make a new one whenever half of that is over
    #[arg(long)]
    pub(crate) renew: bool,
}

/// `agent delegate`.
#[derive(Debug, Args)]
pub(crate) struct Delegate {
    /// The agent whose rights are handed on, or a key's prefix; none with `--from`
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    pub(crate) agent: Option<String>,
    /// Go on from a delegation in this file (`-`: standard input), offline
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Whom it is handed to
    #[arg(long, value_name = "NAME")]
    pub(crate) to: String,
    /// What it may use: `Tool::SERVER/TOOL`, `Model::UPSTREAM/*`; may be repeated; none: everything
    #[arg(long = "on", value_name = "RESOURCE")]
    pub(crate) on: Vec<String>,
    /// What an argument may be: `PATH=VALUE`, `*` at the end for any rest; may be repeated
    #[arg(long = "argument", value_name = "PATH=VALUE")]
    pub(crate) arguments: Vec<String>,
    /// What it and all that is handed on from it may spend together: `calls=100`, `tokens=50000`, `micro_usd=200000`; may be
    /// repeated
    #[arg(long = "budget", value_name = "METER=AMOUNT")]
    pub(crate) budget: Vec<String>,
    /// Minutes until it ends
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=43_200))]
    pub(crate) minutes: Option<u64>,
    /// The one session it holds in
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// It can't be handed on further
    #[arg(long)]
    pub(crate) sealed: bool,
}
