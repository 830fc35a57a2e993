//! `egress`.

use std::path::PathBuf;

use clap::Subcommand;

/// `egress`.
#[derive(Debug, Subcommand)]
pub(crate) enum Egress {
    /// Print the root that tunnels opened by `danger_intercept` are certified under, PEM: what agents must trust
    Ca {
        /// Into this file instead
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Make a new one first; what the one before signed is served no more
        #[arg(long)]
        new: bool,
    },
}
