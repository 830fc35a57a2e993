//! `connect` on the command line.

use clap::Args;

/// `connect`.
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// The MCP server. Without one: who waits for which server, and what was granted
    pub(crate) server: Option<String>,
    /// For this user, in the place of the only one whose calls wait
    #[arg(long, value_name = "NAME", conflicts_with = "agent")]
    pub(crate) user: Option<String>,
    /// For this agent, which acts for nobody
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<String>,
    /// Who vouches for that user or agent; the default is this gateway
    #[arg(long, value_name = "ISSUER")]
    pub(crate) issuer: Option<String>,
    /// Only print the address, for a browser that this command can't open
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Read the address that the browser ended at from standard input: the browser runs on another machine
    #[arg(long)]
    pub(crate) paste: bool,
    /// The port on this machine where the browser ends; 0 takes a free one, which some servers don't know
    #[arg(long, default_value_t = 4489, value_name = "PORT")]
    pub(crate) port: u16,
    /// How long to wait for the user, in seconds
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub(crate) wait: u64,
    /// Give the grant back and forget it
    #[arg(long, requires = "server")]
    pub(crate) forget: bool,
    /// Print what the public document at URL must hold, for `client_document`, and do nothing else
    #[arg(long, value_name = "URL", conflicts_with_all = ["server", "forget", "paste"])]
    pub(crate) document: Option<String>,
}
