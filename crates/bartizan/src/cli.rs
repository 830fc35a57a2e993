//! The command line: what can be asked. Nothing here does anything.

mod connect;
mod egress;
pub(crate) mod identity;
mod scan;
mod spending;

use std::{net::SocketAddr, path::PathBuf};

pub(crate) use scan::{FailOn, Scan, ScanData, ScanFormat, ScanModel, Scans};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::styling};

pub(crate) use connect::Connect;
pub(crate) use egress::Egress;
pub(crate) use identity::Identity;
pub(crate) use spending::{Budget, Revoke, RevokeVerb};

const STYLES: styling::Styles = styling::Styles::styled()
    .header(styling::AnsiColor::Green.on_default().bold())
    .usage(styling::AnsiColor::Green.on_default().bold())
    .literal(styling::AnsiColor::Cyan.on_default().bold())
    .placeholder(styling::AnsiColor::Cyan.on_default());

/// The zero-trust control point for AI agents: every call authenticated, ruled on, recorded, explained
#[derive(Debug, Parser)]
#[command(name = "bartizan", version, styles = STYLES, max_term_width = 100, propagate_version = false)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// Options of every verb
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Options of every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// State directory; the default is `bartizan` in the XDG state home
    #[arg(
        long,
        global = true,
        env = "BARTIZAN_STATE",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub(crate) state: Option<PathBuf>,
    /// Configuration file; the default is `bartizan/config.toml` in the XDG config home, if it is there
    #[arg(
        long,
        global = true,
        env = "BARTIZAN_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Answer in JSON, one value per line, in stable shapes
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Colour; `auto` asks the terminal, NO_COLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
    /// Say only answers and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Log more; twice for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Write logs as JSON lines
    #[arg(long, global = true)]
    pub(crate) log_json: bool,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// As the terminal and its variables say
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start the gateway and say how to point an agent at it
    Up(Up),
    /// Run one MCP server behind the gateway, on this process's stdin and stdout
    Wrap(Wrap),
    /// Turn an MCP client's configuration into ours; rewrites nothing
    Import(Import),
    /// Rule on what coding agents run, edit and fetch by themselves
    #[command(subcommand)]
    Hook(Hook),
    /// Show the running gateway, or the state at rest
    Status,
    /// Who may call
    #[command(subcommand)]
    Agent(Agent),
    /// Certificates of workloads, by our own authority
    #[command(subcommand)]
    Identity(Identity),
    /// Values behind tokens
    #[command(subcommand)]
    Vault(Vault),
    /// What is allowed
    #[command(subcommand)]
    Policy(Policy),
    /// What MCP servers offer, and whether it changed
    #[command(subcommand)]
    Tools(Tools),
    /// What humans are asked, and what they answered
    #[command(subcommand)]
    Approvals(Approvals),
    /// What may be spent, and what is
    #[command(subcommand)]
    Budget(Budget),
    /// End a credential, an agent, a tool or anything else, at once
    Revoke(Revoke),
    /// Credentials of upstreams and servers, sealed
    #[command(subcommand)]
    Secret(Secret),
    /// Sign in at an MCP server, so that calls there go with a token of one's own
    Connect(Connect),
    /// The proxy through which agents reach the web
    #[command(subcommand)]
    Egress(Egress),
    /// What happened, and the proof that it was not altered
    #[command(subcommand)]
    Audit(Audit),
    /// Why a call was ruled as it was
    Explain {
        /// The call's id, or a record's index
        id: String,
    },
    /// Judge artifacts before they are loaded; nothing in them is run
    #[command(subcommand)]
    Scan(Scan),
    /// The key everything at rest is sealed under
    #[command(subcommand)]
    Key(Key),
    /// Copy the whole state, consistent, into one file
    Backup {
        /// Where to; must not exist
        out: PathBuf,
        /// Put the master key in too: whoever has the backup can then open it
        #[arg(long)]
        with_key: bool,
    },
    /// Make a state directory from a backup; the directory must not exist or be empty
    Restore {
        /// The backup
        from: PathBuf,
    },
    /// Look into content: injected instructions, secrets, personal data, hidden text
    Inspect(Inspect),
    /// The configuration file
    #[command(subcommand)]
    Config(Config),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages
    Man {
        /// Into this directory; without it the main page goes to standard output
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// The demo's MCP server, on stdin and stdout
    #[command(hide = true)]
    DemoServer,
}

/// `inspect`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Inspect {
    /// What to look into, one or several; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Where the content comes from; thresholds differ
    #[arg(long, value_enum, default_value_t = ChannelName::Document, value_name = "CHANNEL")]
    pub(crate) channel: ChannelName,
    /// Least severity that makes the exit code 1
    #[arg(long, value_enum, default_value_t = Grade::Medium, value_name = "SEVERITY")]
    pub(crate) fail_on: Grade,
    /// Answer as SARIF 2.1.0
    #[arg(long, conflicts_with = "json")]
    pub(crate) sarif: bool,
    /// Train the model instead
    #[command(subcommand)]
    pub(crate) verb: Option<InspectVerb>,
}

/// `inspect train`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum InspectVerb {
    /// Train the injection model from labelled text; equal data and seed give equal bytes
    Train {
        /// Folder with `injection/train.jsonl.gz`
        #[arg(
            long,
            env = "BARTIZAN_DATA",
            hide_env_values = true,
            default_value = "../shared/data",
            value_name = "DIR"
        )]
        data: PathBuf,
        /// Where the model goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Everything random follows from it
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

/// Where content comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChannelName {
    /// What a person typed to an agent
    User,
    /// What a tool answered
    Tool,
    /// A document or a web page
    Document,
    /// A mail or a message
    Mail,
    /// A tool's description of itself
    Description,
    /// An operator's or a project's instructions
    System,
}

/// A severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Grade {
    /// Worth a note
    Info,
    /// Suspicious in company
    Low,
    /// Suspicious alone
    Medium,
    /// Harmful if right
    High,
    /// Harmful, and surely right
    Critical,
}

/// `up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    /// Address for agents; port 0 takes a free one. Overrides `[listen] address`
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Policy pack. Overrides `[policy] pack`
    #[arg(long, value_name = "PACK")]
    pub(crate) pack: Option<PackName>,
    /// Tell a story: a scripted agent is hijacked by a mail, and its payment is refused
    #[arg(long)]
    pub(crate) demo: bool,
    /// Keep serving after the demo
    #[arg(long, requires = "demo")]
    pub(crate) stay: bool,
}

/// A policy pack on the command line and in the file.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PackName {
    /// Rules and records, blocks nothing
    Observe,
    /// Lets ordinary work pass, asks before what is hard to undo
    Balanced,
    /// Denies all but listing until you permit it
    Strict,
    /// No pack: only your own files; alone it denies everything
    None,
}

/// `wrap`.
#[derive(Debug, Args)]
pub(crate) struct Wrap {
    /// Name of the server in policy and records; the default is made of the command and its arguments
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Give the server this variable of our environment, or NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Let the server read this file or directory too; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) readable: Vec<PathBuf>,
    /// Let the server read and change this file or directory too; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) writable: Vec<PathBuf>,
    /// TCP port the server may connect to, instead of 53 and 443; may be repeated
    #[arg(long, value_name = "PORT")]
    pub(crate) tcp_port: Vec<u16>,
    /// Do not confine the server: it can read all that you can, our state included
    #[arg(long)]
    pub(crate) danger_unconfined: bool,
    /// The server's command and arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

/// `import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// `mcp.json`, `claude_desktop_config.json`, VS Code's `mcp.json` or settings
    pub(crate) file: PathBuf,
    /// Write the configuration here instead of standard output; must not exist
    #[arg(long, value_name = "OUT")]
    pub(crate) write: Option<PathBuf>,
}

/// `hook`.
#[derive(Debug, Subcommand)]
pub(crate) enum Hook {
    /// Answer one event of an agent, on stdin and stdout; the agent runs this
    Run(HookRun),
    /// Put the hooks into an agent's settings, beside what is there; the old file is kept
    Install(HookInstall),
    /// Look whether hooks are installed, and whether the gateway answers them
    Doctor(HookReach),
}

/// How a hook reaches the gateway.
#[derive(Debug, Clone, Args)]
pub(crate) struct HookReach {
    /// The gateway's address for agents; it must be loopback
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4480")]
    pub(crate) gateway: SocketAddr,
    /// The file with the agent's key, for its owner only; the default is `bartizan/hook.key` in the XDG config home
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

/// `hook run`.
#[derive(Debug, Args)]
pub(crate) struct HookRun {
    /// Whose protocol to speak
    #[arg(long, value_enum, value_name = "AGENT")]
    pub(crate) agent_kind: HookAgent,
    /// How the gateway is reached
    #[command(flatten)]
    pub(crate) reach: HookReach,
    /// Milliseconds until the answer is no
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    pub(crate) timeout_ms: u64,
}

/// `hook install`.
#[derive(Debug, Args)]
pub(crate) struct HookInstall {
    /// Which agent
    #[arg(value_enum)]
    pub(crate) agent: HookAgent,
    /// Into the settings of this project instead of the user's
    #[arg(long)]
    pub(crate) project: bool,
    /// Into the user's settings; the default
    #[arg(long, conflicts_with = "project")]
    pub(crate) user: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How the gateway is reached
    #[command(flatten)]
    pub(crate) reach: HookReach,
}

/// A coding agent with hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HookAgent {
    /// Claude Code
    Claude,
    /// Cursor
    Cursor,
    /// Gemini CLI
    Gemini,
    /// Codex
    Codex,
}

/// `agent`.
#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// Make a key for an agent; it is shown once and kept nowhere
    Add {
        /// The agent's name
        name: String,
        /// The user it always acts for
        #[arg(long)]
        user: Option<String>,
        /// A group it is in; may be repeated
        #[arg(long = "group")]
        groups: Vec<String>,
        /// Days until the key ends
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
        expires_days: Option<u32>,
    },
    /// List keys, without their secrets
    List,
    /// Hand on part of what an agent may; whoever gets it can hand on less, offline
    Delegate(identity::Delegate),
    /// End a key, at once
    Revoke {
        /// The key's prefix (`bz_…`), or an agent's name for all its keys
        key: String,
    },
}

/// `vault`.
#[derive(Debug, Subcommand)]
pub(crate) enum Vault {
    /// Erase values behind tokens: their tokens stay tokens from then on
    Erase {
        /// Those of one agent; without it, all
        #[arg(long)]
        agent: Option<String>,
    },
}

/// `policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Check policies without using them
    Check {
        /// Policy files; none: what the configuration names
        files: Vec<PathBuf>,
        /// The pack to check them with
        #[arg(long, value_name = "PACK")]
        pack: Option<PackName>,
    },
    /// Run policy test files
    Test {
        /// Test files
        #[arg(required = true)]
        tests: Vec<PathBuf>,
        /// Policy files; none: what the configuration names
        #[arg(long = "policy", value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The pack to test with
        #[arg(long, value_name = "PACK")]
        pack: Option<PackName>,
    },
    /// Say what the policy would rule on a recorded call
    Explain {
        /// The call's id, or a record's index
        id: String,
        /// Policy files; none: what the configuration names
        #[arg(long = "policy", value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The pack to rule with
        #[arg(long, value_name = "PACK")]
        pack: Option<PackName>,
    },
    /// Show the policies in force
    Show {
        /// The text of a pack, or the schema
        #[arg(value_enum)]
        what: Option<ShowPolicy>,
    },
    /// Read policy files again, now; whole or not at all
    Reload,
}

/// What `policy show` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShowPolicy {
    /// The vocabulary of policies
    Schema,
    /// The pack `balanced`
    Balanced,
    /// The pack `strict`
    Strict,
}

/// `tools`.
#[derive(Debug, Subcommand)]
pub(crate) enum Tools {
    /// List pinned tools, prompts, resources and instructions
    List,
    /// Show what each tool does and what its arguments and results are, with the reason for every line; of one thing
    /// also its pinned definition
    Show {
        /// `SERVER`, `SERVER__TOOL`, or `SERVER/ITEM` for a prompt, resource or instructions; none: every tool
        tool: Option<String>,
    },
    /// Accept what the tools are labelled as: at a terminal one by one, else with `--accept-all --yes`
    Review(Review),
    /// Show what changed against the pins and what is new, with the commands that accept it
    Diff {
        /// Only of this server
        server: Option<String>,
    },
    /// Accept what changed or is new
    Approve {
        /// Of this server
        server: String,
        /// Only these: items as `tools list` shows them, names, or `identity`, `instructions`, `package`; none:
        /// everything of the server
        items: Vec<String>,
    },
}

/// `tools review`.
#[derive(Debug, Args)]
pub(crate) struct Review {
    /// Accept everything that waits, in one go
    #[arg(long)]
    pub(crate) accept_all: bool,
    /// Without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Only tools whose `SERVER__TOOL` fits; `*` and `?` match
    #[arg(long, value_name = "PATTERN")]
    pub(crate) only: Option<String>,
    /// Take earlier reviews back instead; needs `--only`
    #[arg(long, requires = "only", conflicts_with = "accept_all")]
    pub(crate) withdraw: bool,
}

/// `approvals`.
#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// List questions and endorsements
    List,
    /// Show one question: the call, where each value came from, and what is unusual
    Show {
        /// Its id
        id: String,
    },
    /// Say yes
    Allow(Allow),
    /// Say no; the same call is not asked about again until the question expires
    Deny {
        /// The question's id
        id: String,
        /// Answer every waiting question of the same session and tool so
        #[arg(long)]
        all_like: bool,
    },
    /// End an endorsement, at once
    Revoke {
        /// The endorsement's id
        id: String,
    },
    /// Print new questions as they come, until interrupted
    Watch,
}

/// `approvals allow`.
#[derive(Debug, Args)]
pub(crate) struct Allow {
    /// The question's id
    pub(crate) id: String,
    /// How far the yes goes
    #[arg(long, value_enum, default_value_t = ScopeWord::Once)]
    pub(crate) scope: ScopeWord,
    /// Endorse the values for this agent and tool until then: `2026-12-01` (to its end, UTC) or RFC 3339
    #[arg(long, value_name = "DATE", conflicts_with = "scope")]
    pub(crate) until: Option<String>,
    /// Endorse only values in this role: target, selector, time, amount, unknown; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// Answer every waiting question of the same session and tool so
    #[arg(long)]
    pub(crate) all_like: bool,
}

/// How far a yes goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeWord {
    /// This one call, once
    Once,
    /// This call, and its values in this session for as long as the content stays the same
    Task,
}

/// `secret`.
#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Put a secret; the value comes from standard input or a hidden prompt
    Set {
        /// Its name
        name: String,
    },
    /// List names and dates
    List,
    /// Show who used which secret, on what and when, newest first: from the records, never a value
    Usage(SecretUsage),
    /// Replace a secret that is there; the value comes from standard input or a hidden prompt
    Rotate {
        /// Its name
        name: String,
    },
    /// Remove a secret
    Rm {
        /// Its name
        name: String,
    },
}

/// `secret usage`.
#[derive(Debug, Args)]
pub(crate) struct SecretUsage {
    /// The secret's name; all if left out
    pub(crate) name: Option<String>,
    /// Not before: a date (UTC), RFC 3339, seconds since 1970, or a span back such as 15m, 2h, 7d
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Of records below this index: where the page before ended
    #[arg(long, value_name = "INDEX")]
    pub(crate) before: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u64,
}

/// `audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Find records, newest first
    Search(Search),
    /// Show one record
    Show {
        /// Its index
        index: u64,
    },
    /// Check the whole log offline, against heads held elsewhere where there are any
    Verify {
        /// A file with a signed head (checkpoint) held elsewhere; may be repeated
        #[arg(long = "checkpoint", value_name = "FILE")]
        checkpoints: Vec<PathBuf>,
        /// The log's verifier key, if the one in the state is not to be trusted
        #[arg(long, value_name = "VKEY")]
        vkey: Option<String>,
        /// The log's directory, if not the state's
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Prove that a record is in the log, or check such a proof
    Prove {
        /// The record's index, or a proof file with `--check`
        index: String,
        /// Check the proof in the file instead, offline
        #[arg(long)]
        check: bool,
        /// The verifier key to check with; without it, the one in the state
        #[arg(long, value_name = "VKEY")]
        vkey: Option<String>,
        /// With `--check`: a file of heads held elsewhere, for what it says of the log's keys; may be repeated
        #[arg(long = "checkpoint", value_name = "FILE", requires = "check")]
        checkpoints: Vec<PathBuf>,
    },
    /// Write records, oldest first
    Export {
        /// Shape of a line
        #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
        format: ExportFormat,
        /// Into this file instead of standard output; must not exist
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// First index
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// List scans of model files and data sets, newest first
    Scans(Scans),
    /// Follow the log
    Tail,
    /// Erase a record's content; its place and proof stay
    Erase {
        /// Its index
        index: u64,
        /// Why; recorded
        #[arg(long)]
        reason: String,
    },
    /// Print the newest signed head, to be kept elsewhere
    Witness {
        /// Append it to this file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Rule again on what was recorded, and say what would differ
    Replay {
        /// Policy files; none: what the configuration names
        #[arg(long = "policy", value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The pack to rule with
        #[arg(long, value_name = "PACK")]
        pack: Option<PackName>,
        /// Newest rulings to replay
        #[arg(long, default_value_t = 10_000)]
        limit: u64,
    },
}

/// `audit search`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Search {
    /// Of this call
    #[arg(long)]
    pub(crate) call: Option<String>,
    /// Of this session
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// Of this agent
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Of this action, such as `call_tool`
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Ruled so: allow, ask, deny
    #[arg(long)]
    pub(crate) ruling: Option<String>,
    /// Of this kind: ruling, closing, rejection, rejection_summary, operation, tombstone, lifecycle, scan,
    /// log_key
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Refused with this code
    #[arg(long)]
    pub(crate) code: Option<String>,
    /// Let through by the pack `observe`, where `balanced` would have refused or asked
    #[arg(long)]
    pub(crate) would_deny: bool,
    /// Not before: a date (UTC), RFC 3339, seconds since 1970, or a span back such as 15m, 2h, 7d
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Not after: the same; a date is until its end
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only below this index: the last one of the page before
    #[arg(long)]
    pub(crate) before: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

/// Shape of an exported line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Our own records
    Jsonl,
    /// OCSF 1.8 API Activity with the `ai_operation` profile; scans as Detection Findings
    Ocsf,
}

/// `key`.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Seal everything under a new key; no record is rewritten. With `--log`: sign the log's heads with a new key
    Rotate {
        /// The key that signs the log's heads, in place of the master key; recorded under both
        #[arg(long)]
        log: bool,
        /// Days for which the log's retired key signs beside the new one, for those who know only it
        #[arg(long, value_name = "DAYS", default_value_t = 7, requires = "log",
              value_parser = clap::value_parser!(u16).range(0..=366))]
        overlap_days: u16,
    },
}

/// `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print the JSON Schema of the file
    Schema,
    /// Print the reference of the file, as Markdown
    Reference,
    /// Print a commented example
    Example,
    /// Check a file without using it
    Check {
        /// The file; none: the one `up` would use
        file: Option<PathBuf>,
    },
}
