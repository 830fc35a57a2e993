//! The gateway's configuration, resolved: newtypes, no leftover options, every bound a number.
//!
//! The command owns the file; it parses, checks and resolves it into this. Defaults here are the strictest that
//! still work.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use bartizan_flow::{Class, Effect, PathPattern, Role};
use bartizan_identity::{SpiffeName, TrustDomain};
use bartizan_types::{AgentId, ModelName, PeerName, ServerName, ToolName, UpstreamName};
use bartizan_wire::{model::Api, site::SitePattern};
use http::Uri;

mod inspect;
mod signing;

pub use inspect::{Classifier, Guard, GuardShape, Inspect};
pub use signing::{Google, Scheme, Signed};

/// Everything the gateway needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where agents reach us.
    pub listen: Listen,
    /// Every bound.
    pub limits: Limits,
    /// Model providers, in order of preference.
    pub upstreams: Vec<Upstream>,
    /// Names agents use for models. Empty: every name goes to the first upstream of the same API.
    pub models: Vec<ModelRoute>,
    /// MCP servers.
    pub servers: Vec<Server>,
    /// Other agents, over A2A.
    pub peers: Vec<Peer>,
    /// What agents are told to call the endpoint, for printing only.
    pub sessions: Sessions,
    /// How humans are asked.
    pub approvals: Approvals,
    /// What coding agents ask by their hooks.
    pub hooks: Hooks,
    /// What is looked for in content.
    pub inspect: Inspect,
    /// What nobody on the way may see.
    pub privacy: Privacy,
    /// What may be spent.
    pub budgets: Budgets,
    /// Scopes that tokens need, beside what policy says.
    pub scopes: bartizan_guard::scope::Scopes,
    /// The proxy through which agents reach the web; none is none.
    pub egress: Option<Egress>,
    /// Who says what our own SVID is, and others' roots.
    pub workload_api: Option<WorkloadApi>,
}

impl Config {
    /// Whether some upstream, server or peer is a workload that is shown our own SVID.
    #[must_use]
    pub fn calls_workloads(&self) -> bool {
        self.upstreams.iter().any(|one| one.spiffe_id.is_some())
            || self.servers.iter().any(|one| one.spiffe_id.is_some())
            || self.peers.iter().any(|one| one.spiffe_id.is_some())
    }
}

/// What nobody on the way may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privacy {
    /// What is masked on which way; the first rule that fits a value holds.
    pub rules: Vec<MaskRule>,
    /// One vault for each identity, kept over restarts, in the place of one for each session.
    pub per_identity: bool,
    /// How long a value is held after it was last masked.
    pub life: Duration,
    /// Restore tokens in what models answer to agents, where policy permits it.
    pub answers: bool,
    /// What becomes of a document that holds what a rule masks, or that can't be read whole.
    pub documents: MaskDocuments,
}

/// What becomes of documents in which values can't be masked where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskDocuments {
    /// The call is refused (`privacy.document`).
    Refuse,
    /// A plain PDF of the masked text takes the place of a PDF, and Office files go without what is no words.
    AsText,
    /// They pass as they are.
    DangerPass,
}

impl Oauth {
    /// Whether tokens are fetched without a user.
    #[must_use]
    pub const fn is_automatic(&self) -> bool {
        self.machine || self.exchange.is_some()
    }

    /// Whether one token serves every caller.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        let secret = |exchange: &Exchange| exchange.subject.is_some();
        self.machine || self.exchange.as_ref().is_some_and(secret)
    }
}

impl Default for Privacy {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            per_identity: false,
            life: Duration::from_secs(24 * 60 * 60),
            answers: true,
            documents: MaskDocuments::Refuse,
        }
    }
}

/// What is done to values of some kinds on some ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskRule {
    /// Kinds of values, as findings name them; `secrets` and `personal` are all of their sort.
    pub kinds: BTreeSet<String>,
    /// What is done.
    pub act: MaskAct,
    /// Models, as `upstream/model`, in requests to which it is done; `*` stands for anything.
    pub models: Vec<String>,
    /// Tools, as `server/tool`, in arguments to which it is done.
    pub tools: Vec<String>,
    /// It is done in what tools answer to agents.
    pub results: bool,
    /// It is done in what models answer to agents.
    pub answers: bool,
}

/// What is done to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskAct {
    /// A token that can be restored.
    Tokenise,
    /// Its kind stands in its place.
    Redact,
    /// Stars, but for the last of a long one.
    Mask,
    /// A keyed hash.
    Hash,
    /// Less exact.
    Generalise,
}

/// What may be spent.
#[derive(Debug, Clone)]
pub struct Budgets {
    /// Every budget.
    pub all: Vec<bartizan_guard::budget::Budget>,
    /// What models cost, and what they take and give at most.
    pub prices: bartizan_guard::budget::Prices,
    /// How long a call may take at most where a budget counts its time, in milliseconds: it is set aside, and cut there.
    pub most_millis: u64,
    /// How long an answer is read on whose agent went away, for what it used. Zero: it is cut off at once.
    pub usage_wait: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            prices: bartizan_guard::budget::Prices::default(),
            most_millis: 600_000,
            usage_wait: Duration::from_secs(10),
        }
    }
}

/// The proxy through which agents reach the web.
#[derive(Debug, Clone)]
pub struct Egress {
    /// Address and port; port 0 takes a free one. TLS as on the agents' listener.
    pub address: SocketAddr,
    /// Sites that policy reads as listed.
    pub hosts: Vec<SitePattern>,
    /// Of all sites, those that may lead to addresses inside; they are listed, too.
    pub inside: Vec<SitePattern>,
    /// Sites through whose tunnels anything may go, TLS or not.
    pub opaque: Vec<SitePattern>,
    /// Sites whose tunnels are opened here, so that what goes through them is ruled on.
    pub intercept: Vec<SitePattern>,
    /// A PEM file of roots that sites are verified by where their tunnels are opened, instead of the built-in ones.
    pub roots: Option<PathBuf>,
    /// Tunnels may begin with a hello whose true name only the site can read.
    pub encrypted_hello: bool,
    /// A tunnel through which nothing goes for this long is ended (`limit.tunnel`).
    pub idle: Duration,
    /// Bytes of one tunnel, both ways together, or of one answer that is passed on unread (`limit.tunnel`).
    pub tunnel_bytes: u64,
    /// Tunnels at one time (`limit.saturated`).
    pub tunnels: usize,
}

impl Egress {
    /// A proxy at this address that lists nothing.
    #[must_use]
    pub const fn at(address: SocketAddr) -> Self {
        Self {
            address,
            hosts: Vec::new(),
            inside: Vec::new(),
            opaque: Vec::new(),
            intercept: Vec::new(),
            roots: None,
            encrypted_hello: false,
            idle: Duration::from_secs(300),
            tunnel_bytes: 1 << 30,
            tunnels: 512,
        }
    }
}

/// How humans are asked.
#[derive(Debug, Clone)]
pub struct Approvals {
    /// How long a call that a ruling asks about is held open for the answer; zero refuses it at once.
    pub wait: Duration,
    /// Calls held open so at one time; more are refused at once.
    pub waiters: usize,
    /// How long a question may be answered, and how long an answer then holds.
    pub life: Duration,
    /// Effects for which two different people must say yes.
    pub two_person: BTreeSet<Effect>,
    /// Agents whose own client may put a question to its user and answer it.
    pub client_agents: BTreeSet<AgentId>,
    /// Effects that may be allowed that way.
    pub client_effects: BTreeSet<Effect>,
    /// Who is told that a question waits.
    pub webhook: Option<Webhook>,
}

/// A service that is told of questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where.
    pub url: Uri,
    /// The secret of the store that messages are signed with.
    pub secret: String,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            wait: Duration::ZERO,
            waiters: 64,
            life: Duration::from_secs(900),
            two_person: BTreeSet::new(),
            client_agents: BTreeSet::new(),
            client_effects: BTreeSet::from([Effect::Fetch, Effect::Write, Effect::Send]),
            webhook: None,
        }
    }
}

/// The agents' listener.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Exact `Host` values accepted beside the address itself (and `localhost` with the port on loopback).
    pub hosts: Vec<String>,
    /// `Origin` values accepted. Empty refuses every request that has one.
    pub origins: Vec<String>,
    /// Certificate and key. Required off loopback.
    pub tls: Option<TlsListen>,
    /// Plaintext off loopback all the same: something else in front must do TLS.
    pub danger_plaintext: bool,
    /// DPoP proofs must have a nonce that this gateway gave.
    pub dpop_nonces: bool,
}

/// TLS of a listener.
#[derive(Debug, Clone)]
pub struct TlsListen {
    /// Its certificate and key.
    pub key: TlsKey,
    /// Whether clients show certificates.
    pub clients: ClientCertificates,
}

/// Where a listener's certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsKey {
    /// PEM files, read again when they change.
    Files {
        /// Certificate chain, leaf first.
        certificates: PathBuf,
        /// Private key, PKCS#8 or SEC1.
        key: PathBuf,
    },
    /// Our own authority, which renews it.
    Issued,
    /// [`Config::workload_api`]; without an SVID that holds there is no handshake.
    WorkloadApi,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked to.
    None,
    /// They may.
    Optional,
    /// Without one there is no connection.
    Required,
}

/// A trust domain that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Its name.
    pub domain: TrustDomain,
    /// Put before its agents' names.
    pub namespace: String,
    /// Its roots.
    pub bundle: BundleAt,
}

/// Where the roots of a trust domain come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleAt {
    /// A PEM file, read again when it changes.
    File(PathBuf),
    /// [`Config::workload_api`], for as long as it says them.
    WorkloadApi,
}

/// A SPIFFE Workload API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadApi {
    /// Its unix socket.
    pub socket: PathBuf,
    /// The user id that may serve it, beside root and the gateway's own.
    pub user: Option<u32>,
}

/// A model provider.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its name in policy and records.
    pub name: UpstreamName,
    /// Which of the provider shapes it speaks.
    pub family: Family,
    /// Base address, without the `/v1`.
    pub url: Uri,
    /// Whose credential is sent.
    pub credential: Credential,
    /// A PEM file of roots to trust instead of the built-in ones.
    pub roots: Option<PathBuf>,
    /// Which workload it has to be; it is then shown our own SVID.
    pub spiffe_id: Option<SpiffeName>,
    /// Its paths begin with `/v1`, as those of the providers themselves.
    pub v1_paths: bool,
}

/// Provider family: it decides paths, credential header and which APIs an upstream can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// OpenAI and compatibles: chat completions and responses, `Authorization: Bearer`.
    Openai,
    /// Anthropic: messages, `x-api-key`.
    Anthropic,
}

impl Family {
    /// Whether this family serves `api`.
    #[must_use]
    pub const fn serves(self, api: Api) -> bool {
        match self {
            Self::Openai => matches!(api, Api::OpenaiChat | Api::OpenaiResponses),
            Self::Anthropic => matches!(api, Api::AnthropicMessages),
        }
    }
}

/// What an upstream is shown instead of the agent's credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A secret of the store, by name, in the family's own header.
    Secret(String),
    /// The `Authorization` header the agent itself sent beside `x-bartizan-key` (subscription tokens), or to Anthropic
    /// its `x-api-key`.
    Client,
    /// What a key of the store makes for this upstream alone.
    Signed(Signed),
    /// None: the upstream wants none.
    None,
}

/// One model name.
#[derive(Debug, Clone)]
pub struct ModelRoute {
    /// As agents say it.
    pub name: ModelName,
    /// Where it goes, first choice first; the next one is tried only when a connection could not be made.
    pub targets: Vec<ModelTarget>,
}

/// One place a model is served.
#[derive(Debug, Clone)]
pub struct ModelTarget {
    /// The upstream.
    pub upstream: UpstreamName,
    /// The name the upstream knows it by.
    pub model: ModelName,
}

/// An MCP server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name: the prefix of its tools when there are several.
    pub name: ServerName,
    /// How it is reached.
    pub reach: Reach,
    /// How long a request may take.
    pub timeout: Duration,
    /// Which workload it has to be; it is then shown our own SVID.
    pub spiffe_id: Option<SpiffeName>,
    /// How users connect to it, where it wants that.
    pub oauth: Oauth,
    /// What requests to it are signed with; users then connect to nothing.
    pub sign: Option<Signed>,
    /// What the operator says of its tools.
    pub tools: BTreeMap<ToolName, ToolOverride>,
}

/// How users connect to an MCP server that wants OAuth. Nothing of it is needed where the server says it all itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Oauth {
    /// Our name at its authorization server, where we were registered by hand.
    pub client_id: Option<String>,
    /// The secret that goes with it, by its name in the store.
    pub client_secret: Option<String>,
    /// A P-256 key in PKCS#8 PEM that signs for it, by its name in the store.
    pub client_key: Option<String>,
    /// The address of a public document about us, which is our name where servers take such.
    pub client_document: Option<String>,
    /// The authorization server, where the MCP server names several.
    pub issuer: Option<String>,
    /// Scopes asked for beside those that the server wants.
    pub scopes: Vec<String>,
    /// Hosts of authorization servers that may lie inside.
    pub hosts: Vec<String>,
    /// The server knows the gateway as a machine; no user signs in.
    pub machine: bool,
    /// Tokens are got in exchange for others.
    pub exchange: Option<Exchange>,
    /// How long a call waits for its user to sign in; zero refuses it at once.
    pub wait: Duration,
}

/// An exchange of tokens (RFC 8693): a token that somebody else issued becomes one for this server alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Where it is exchanged.
    pub token_endpoint: Uri,
    /// What is exchanged: the secret of this name, else what the caller itself showed.
    pub subject: Option<String>,
    /// What that is.
    pub kind: Subject,
    /// Our name there.
    pub client_id: Option<String>,
    /// The secret that goes with it, by its name in the store.
    pub client_secret: Option<String>,
    /// What comes back is an assertion for the server's own authorization server (identity assertion grant, SEP-990), and
    /// not yet the token.
    pub assertion: bool,
}

/// What is exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subject {
    /// An access token.
    #[default]
    AccessToken,
    /// An ID token.
    IdToken,
    /// Any JWT.
    Jwt,
}

/// Another agent, reached over A2A 1.0.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its name in policy and records, and in the path at which agents reach it.
    pub name: PeerName,
    /// Where its JSON-RPC interface is.
    pub url: Uri,
    /// Where its card is; none is the well-known place at the interface's origin.
    pub card: Option<Uri>,
    /// Headers to send, its credential among them.
    pub headers: BTreeMap<String, EnvValue>,
    /// A JSON Web Key Set: its card must be signed by a key in it.
    pub card_keys: Option<PathBuf>,
    /// Which workload it has to be; it is then shown our own SVID.
    pub spiffe_id: Option<SpiffeName>,
    /// Hosts (with their port where it is not 443) that agents may have it call when a task moves.
    pub push_hosts: Vec<String>,
    /// A PEM file of roots to trust instead of the built-in ones.
    pub roots: Option<PathBuf>,
    /// How long a request may take to its first byte.
    pub timeout: Duration,
}

/// What the operator says of one tool, in the place of what would be inferred.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolOverride {
    /// What it does.
    pub effect: Option<Effect>,
    /// Roles by argument path, the most specific pattern first.
    pub arguments: Vec<(PathPattern, Role)>,
    /// Classes by result path, the most specific pattern first.
    pub results: Vec<(PathPattern, Class)>,
    /// Whether what it returns anybody may see.
    pub public: Option<bool>,
    /// Whether its text results are JSON of the service's own.
    pub json_text: Option<bool>,
    /// Arguments that take a one-time code.
    pub codes: Vec<PathPattern>,
    /// Domains whose code completes a call of it.
    pub codes_from: Vec<Box<str>>,
    /// The operator vouches for the whole manifest, as a review would.
    pub reviewed: bool,
}

/// How an MCP server is reached.
#[derive(Debug, Clone)]
pub enum Reach {
    /// A child process of ours, on its stdin and stdout.
    Stdio {
        /// Program and arguments.
        command: Vec<String>,
        /// The whole environment it gets, beside PATH and HOME of an empty directory of its own.
        environment: BTreeMap<String, EnvValue>,
        /// Working directory; none is an empty directory of its own.
        directory: Option<PathBuf>,
        /// What it may reach on this machine.
        grants: Grants,
    },
    /// Streamable HTTP.
    Http {
        /// The endpoint.
        url: Uri,
        /// Headers to send.
        headers: BTreeMap<String, EnvValue>,
    },
    /// The HTTP+SSE transport of revision 2024-11-05.
    LegacySse {
        /// The SSE endpoint.
        url: Uri,
        /// Headers to send.
        headers: BTreeMap<String, EnvValue>,
    },
}

/// What a server that we start may reach on this machine, beside the system's files, its own directory and its working
/// directory. Held by Landlock where the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// Files and directories to read and run.
    pub readable: Vec<PathBuf>,
    /// Files and directories to read, run and change.
    pub writable: Vec<PathBuf>,
    /// TCP ports it may connect to, on any host. It may listen on none.
    pub tcp_ports: Vec<u16>,
    /// It may reach all that the gateway's user can, the state directory included.
    pub unconfined: bool,
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            readable: Vec::new(),
            writable: Vec::new(),
            tcp_ports: Self::TCP_PORTS.to_vec(),
            unconfined: false,
        }
    }
}

impl Grants {
    /// Ports that are open unless others are named: DNS and HTTPS.
    pub const TCP_PORTS: [u16; 2] = [53, 443];
}

/// A value given to a server: plain, or a secret's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// As it stands.
    Plain(String),
    /// The named secret, revealed when the server is started or called.
    Secret(String),
}

/// How calls are joined to sessions, and what of a request to a model the human typed.
#[derive(Debug, Clone)]
pub struct Sessions {
    /// A session ends after this long without a call.
    pub idle: Duration,
    /// What stands for the human's words, of agents that `agents` does not name.
    pub prompt: Prompt,
    /// The same by agent.
    pub agents: BTreeMap<AgentId, Prompt>,
    /// Domains of the organisation's own: addresses in them are its directory.
    pub domains: Vec<String>,
    /// Ask the agent's own model which tools the human's words call for, and wait for it at most so long.
    pub planner: Option<Duration>,
}

impl Sessions {
    /// What stands for the human's words in this agent's requests.
    #[must_use]
    pub fn prompt_of(&self, agent: &AgentId) -> Prompt {
        self.agents.get(agent).copied().unwrap_or(self.prompt)
    }
}

/// What of a request to a model the human typed, as the operator declares it for an agent. The role alone proves
/// nothing: an agent that puts other people's text there must not be declared so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prompt {
    /// Nothing is known to be hers.
    #[default]
    None,
    /// The first message in the human's role.
    First,
    /// Every message in the human's role.
    Every,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30 * 60),
            prompt: Prompt::None,
            agents: BTreeMap::new(),
            domains: Vec::new(),
            planner: None,
        }
    }
}

/// What coding agents ask by their hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    /// Programs that agents may run unasked, as `cargo` or `npm test`.
    pub may_run: Vec<String>,
    /// Names under which agents know this gateway as an MCP server: what they call there crosses by itself.
    pub through: Vec<String>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            may_run: Vec::new(),
            through: vec!["bartizan".to_owned()],
        }
    }
}

/// Every bound. Reaching one is answered with the code named beside it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections (`limit.saturated`).
    pub connections: usize,
    /// Calls in progress (`limit.saturated`).
    pub concurrent_calls: usize,
    /// Calls of one identity in progress or waiting for their turn (`limit.share`).
    pub calls_per_identity: usize,
    /// A request's header block, bytes, at least 8192 (`limit.headers`).
    pub header_bytes: usize,
    /// Number of headers (`limit.headers`).
    pub headers: usize,
    /// A request body, packed and unpacked, bytes (`limit.body`, `limit.body_expansion`).
    pub body_bytes: usize,
    /// A unary answer, bytes (`upstream.too_large`).
    pub answer_bytes: usize,
    /// One event of a stream, bytes (`limit.event`).
    pub event_bytes: usize,
    /// Bytes of a stream held back while a tool call in it is not whole (`limit.event`).
    pub held_bytes: usize,
    /// JSON nesting (`limit.json_depth`).
    pub json_depth: u16,
    /// From connection or keep-alive to the end of a request's headers (`limit.slow_caller`).
    pub header_timeout: Duration,
    /// From the end of the headers to the end of the body (`limit.slow_caller`).
    pub read_timeout: Duration,
    /// A client that takes nothing of an answer for this long is cut off.
    pub write_timeout: Duration,
    /// Making a connection to an upstream (`upstream.unreachable`).
    pub connect_timeout: Duration,
    /// From a request to the first byte of its answer, and between bytes of a stream (`upstream.timeout`).
    pub upstream_timeout: Duration,
    /// SIGTERM to the end of draining.
    pub drain_timeout: Duration,
    /// Rejections recorded one by one per minute; beyond, one summary a minute.
    pub rejections_per_minute: u32,
    /// When agents go round in circles (`limit.same_call`, `limit.fan_out`, `limit.recursion`).
    pub loops: bartizan_guard::loops::LoopBounds,
    /// Denials of one identity recorded one by one per minute, and a tenth of it for each action on each resource;
    /// beyond, the summary counts them.
    pub denials_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            concurrent_calls: 4096,
            calls_per_identity: 2048,
            header_bytes: 32 << 10,
            headers: 100,
            body_bytes: 32 << 20,
            answer_bytes: 32 << 20,
            event_bytes: 4 << 20,
            held_bytes: 8 << 20,
            json_depth: 128,
            header_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            upstream_timeout: Duration::from_secs(300),
            drain_timeout: Duration::from_secs(30),
            rejections_per_minute: 120,
            loops: bartizan_guard::loops::LoopBounds::default(),
            denials_per_minute: 600,
        }
    }
}
