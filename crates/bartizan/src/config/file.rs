//! The configuration file as it is written: every key, its unit in its name, its default and what it does. The doc
//! comments here are the reference (`docs/reference/config.md` is generated from them).
//!
//! Unknown keys are errors. Keys that loosen start with `danger_`. No flattening, no untagged choice: what a key means
//! never depends on another key's presence.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::peer::Peer;
use crate::cli::PackName;

mod inspect;
pub(crate) mod spending;
mod tool;
mod upstream;

pub(crate) use inspect::{ClassifierFinding, GuardChannel, GuardShape, Inspect};
pub(crate) use tool::Tool;
pub(crate) use upstream::{Api, Credential, Upstream};

/// Everything one file configures. Every table may be left out.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConfigFile {
    /// Where agents reach the gateway.
    pub(crate) listen: Listen,
    /// Where state is kept.
    pub(crate) state: State,
    /// What is allowed.
    pub(crate) policy: Policy,
    /// Model providers, in order of preference. None: `openai` and `anthropic` at their public addresses, each with the
    /// secret of its own name, or with `OPENAI_API_KEY` and `ANTHROPIC_API_KEY` of the gateway's environment.
    pub(crate) upstream: Vec<Upstream>,
    /// Names agents use for models. None: every name goes to the first upstream that speaks the API it came by.
    pub(crate) model: Vec<Model>,
    /// MCP servers behind the gateway.
    pub(crate) server: Vec<Server>,
    /// Other agents, over A2A.
    pub(crate) peer: Vec<Peer>,
    /// The proxy through which agents reach the web. None: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) egress: Option<super::egress::Egress>,
    /// Issuers whose JWTs name agents.
    pub(crate) jwt: Vec<Jwt>,
    /// Scopes that JWTs need for some calls, beside what policy says.
    pub(crate) scope: Vec<super::scope::Scope>,
    /// Workload identity.
    pub(crate) identity: Identity,
    /// Trust domains of others, whose client certificates name agents.
    pub(crate) spiffe: Vec<Spiffe>,
    /// How calls are joined to sessions.
    pub(crate) session: Session,
    /// How humans are asked.
    pub(crate) approvals: Approvals,
    /// What coding agents ask by their hooks.
    pub(crate) hook: Hook,
    /// What is looked for in content.
    pub(crate) inspect: Inspect,
    /// What models, agents and tools may not see.
    pub(crate) privacy: Privacy,
    /// What may be spent.
    pub(crate) budget: Vec<spending::Budget>,
    /// What models cost.
    pub(crate) price: Vec<spending::Price>,
    /// Every bound.
    pub(crate) limits: Limits,
    /// Where metrics and traces go.
    pub(crate) telemetry: Telemetry,
    /// How records are kept.
    pub(crate) ledger: Ledger,
    /// Threads.
    pub(crate) runtime: Runtime,
}

/// Where agents reach the gateway.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listen {
    /// Address and port. Port 0 takes a free one.
    pub(crate) address: SocketAddr,
    /// Exact `Host` values accepted beside the address itself.
    pub(crate) hosts: Vec<String>,
    /// `Origin` values accepted. Empty: every request from a web page is refused.
    pub(crate) origins: Vec<String>,
    /// TLS; required off loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Tls>,
    /// Listen off loopback without TLS: keys and content cross the network in clear, unless a proxy in front does TLS.
    pub(crate) danger_listen_without_tls_off_loopback: bool,
    /// DPoP proofs (RFC 9449) must have a nonce that the gateway gave: clients get it with a 401 and with every answer.
    pub(crate) dpop_nonces: bool,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 4480)),
            hosts: Vec::new(),
            origins: Vec::new(),
            tls: None,
            danger_listen_without_tls_off_loopback: false,
            dpop_nonces: false,
        }
    }
}

/// TLS of the listener. Without files its certificate is issued, and renewed, by our own authority.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    /// Certificate chain, leaf first, PEM; read again when it changes. None: one of our own authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificates: Option<PathBuf>,
    /// Private key, PKCS#8 or SEC1, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
    /// Without files: who issues and renews the certificate.
    pub(crate) issued_by: IssuedBy,
    /// Whether clients show certificates.
    pub(crate) clients: ClientCertificates,
}

/// Who issues the listener's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IssuedBy {
    /// Our own authority.
    #[default]
    Authority,
    /// The Workload API of `[identity]`: the certificate is the gateway's own X.509-SVID, and without one that holds there
    /// is no handshake.
    WorkloadApi,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientCertificates {
    /// They are not asked to.
    #[default]
    None,
    /// They may; one that does not needs another credential.
    Optional,
    /// Without one there is no connection.
    Required,
}

/// Workload identity.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Identity {
    /// The trust domain of our own authority: its certificates are of `spiffe://DOMAIN/agent/NAME`.
    pub(crate) trust_domain: String,
    /// The unix socket of a SPIFFE Workload API, such as a SPIRE agent's: `unix:///run/spire/agent/public/api.sock`. It gives
    /// the gateway's own X.509-SVID, and the roots of `[[spiffe]]` domains without `bundle`. None: none is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workload_api: Option<String>,
    /// The user id that may serve that socket, beside root and the gateway's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workload_api_uid: Option<u32>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            trust_domain: bartizan_identity::TrustDomain::default().to_string(),
            workload_api: None,
            workload_api_uid: None,
        }
    }
}

/// Another's trust domain.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spiffe {
    /// Its name, without `spiffe://`.
    pub(crate) trust_domain: String,
    /// Its root certificates, a PEM file; read again when it changes. None: those that the Workload API gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bundle: Option<PathBuf>,
    /// A JSON Web Key Set with the domain's `jwt-svid` keys, an `https` address or a file: JWT-SVIDs of the domain are then
    /// taken as credentials. None: its certificates alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jwt_keys: Option<String>,
    /// With `jwt_keys`: one of these must be in `aud` of a JWT-SVID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) jwt_audience: Vec<String>,
    /// Put before its agents' names: `NAMESPACE/ns/prod/sa/mail`. None: the trust domain's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
}

/// Where state is kept.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct State {
    /// The state directory, owner-only, outside any agent's workspace. `--state` overrides it. None: `bartizan` in the
    /// XDG state home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<PathBuf>,
}

/// What is allowed.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Policy {
    /// The pack to start from.
    pub(crate) pack: PackName,
    /// Cedar files; `*`, `?` and `**` match. Relative to this file. A pattern that matches nothing is an error.
    pub(crate) files: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            pack: PackName::Balanced,
            files: Vec::new(),
        }
    }
}

/// A name agents use for a model. Either `upstream` and `model`, or `targets`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// As agents say it.
    pub(crate) name: String,
    /// The upstream that serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<String>,
    /// The name the upstream knows it by. None: the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Several places, first choice first; the next one is tried only when a connection could not be made.
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
}

/// One place a model is served.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// The upstream.
    pub(crate) upstream: String,
    /// The name the upstream knows it by. None: the agents' name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
}

/// An MCP server: either `command` or `url`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// Its name: the prefix of its tools when there are several servers.
    pub(crate) name: String,
    /// Program and arguments of a server we start, confined, on its stdin and stdout.
    #[serde(default)]
    pub(crate) command: Vec<String>,
    /// Endpoint of a server that runs already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// How `url` is spoken to.
    #[serde(default)]
    pub(crate) transport: Transport,
    /// The whole environment of `command`. A value `secret:NAME` is the secret of that name; `secret::` begins a value
    /// that really starts with `secret:`.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Headers sent to `url`; values as in `env`.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Working directory of `command`. None: an empty directory of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<PathBuf>,
    /// Files and directories that `command` may read, beside the system's, what its arguments name, its own directory and
    /// its working directory. Relative to this file. Never the state directory or what holds it.
    #[serde(default)]
    pub(crate) readable: Vec<PathBuf>,
    /// Files and directories that `command` may read and change, beside its own and its working directory; as `readable`.
    #[serde(default)]
    pub(crate) writable: Vec<PathBuf>,
    /// TCP ports that `command` may connect to, on any host (Linux 6.7 and later). It may listen on none.
    #[serde(default = "default_tcp_ports")]
    pub(crate) tcp_ports: Vec<u16>,
    /// Do not confine `command`: it can read and change all that the gateway's user can, the master key included.
    #[serde(default)]
    pub(crate) danger_unconfined: bool,
    /// How long a request may take.
    #[serde(default = "default_server_timeout_ms")]
    pub(crate) timeout_ms: u64,
    /// What requests to `url` are signed with.
    #[serde(default)]
    pub(crate) credential: super::signing::ServerCredential,
    /// The key that signs. None: the secret of the server's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    /// With `credential = "aws"`: for what requests are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aws: Option<super::signing::Aws>,
    /// With `credential = "google"`: what the service account's token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) google: Option<super::signing::Google>,
    /// The SPIFFE id that it has to have, as `spiffe://example.org/mcp`: it is then known by the roots of that trust domain (our
    /// own, or one of `[[spiffe]]`) in the place of its host's name, and is shown the gateway's own X.509-SVID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spiffe_id: Option<String>,
    /// How users connect to a server at `url` that wants OAuth. Nothing of it is needed where the server says it all itself.
    #[serde(default)]
    pub(crate) oauth: super::oauth::Oauth,
    /// What its tools do, by their own names, where the names and descriptions that they give themselves mislead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tools: BTreeMap<String, Tool>,
}

/// What a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Effect {
    /// Nothing: it reads within a closed world.
    Read,
    /// It reads from an address that the caller picks, so its arguments leave.
    Fetch,
    /// It creates or changes something of the user's own.
    Write,
    /// It hands something to somebody.
    Send,
    /// It moves money or books at a price.
    Pay,
    /// It runs code or commands.
    Execute,
    /// It destroys.
    Delete,
    /// Nobody knows: it always asks.
    Unknown,
}

/// What an argument does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Where the effect goes: recipient, payee, URL, credential, command.
    Target,
    /// Which existing thing is meant.
    Selector,
    /// A setting or property.
    Value,
    /// What is said or stored.
    Content,
    /// When.
    Time,
    /// How much.
    Amount,
    /// Nobody knows.
    Unknown,
}

/// Who stands behind a leaf of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// The service itself: its ids, clocks, catalogue, the user's own account.
    Trusted,
    /// The organisation's or the user's own directory.
    Directory,
    /// One typed field that an outsider can set: a sender, a participant.
    Structured,
    /// As `structured`: the address that a message came from, as the mail service authenticated it (DMARC). Codes in that
    /// message are its domain's.
    Sender,
    /// Text that a member of the directory wrote, as the service authenticated her: its links may be fetched where the
    /// human said to look there.
    Member,
    /// Anything an outsider can write.
    FreeText,
    /// As free text, and a secret.
    Secret,
}

fn default_tcp_ports() -> Vec<u16> {
    bartizan_gateway::config::Grants::TCP_PORTS.to_vec()
}

/// How long an MCP request may take unless the file says otherwise.
pub(crate) const fn default_server_timeout_ms() -> u64 {
    60_000
}

/// How an MCP server at a URL is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Transport {
    /// Streamable HTTP.
    #[default]
    StreamableHttp,
    /// HTTP with SSE, of revision 2024-11-05.
    Sse,
}

/// An issuer whose JWTs name agents.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jwt {
    /// The exact `iss`.
    pub(crate) issuer: String,
    /// One of these must be in `aud`.
    pub(crate) audience: Vec<String>,
    /// The issuer's key set: a file, or an `https` address; read again when keys rotate. None: where the issuer's own
    /// metadata says (RFC 8414, OpenID Connect Discovery), which must name this very issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jwks: Option<String>,
    /// A PEM file of roots that the issuer's `https` addresses are verified by, instead of the built-in ones; read again with
    /// the key set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) roots: Option<PathBuf>,
    /// Algorithms accepted. None: RS256, PS256, ES256 and EdDSA. `none` and HMAC never are.
    #[serde(default)]
    pub(crate) algorithms: Vec<String>,
    /// The claim that names the agent, or a JSON pointer such as `/act/sub`.
    #[serde(default = "default_agent_claim")]
    pub(crate) agent_claim: String,
    /// The claim that names the user; required in every token when set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_claim: Option<String>,
    /// The claim that lists groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) groups_claim: Option<String>,
    /// Put before agent, user and groups with a `/`. Required as soon as there are two issuers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    /// Seconds the clocks may differ, at most 300.
    #[serde(default = "default_leeway_seconds")]
    pub(crate) leeway_seconds: u32,
    /// Oldest accepted token, in seconds since `iat`. None: `exp` alone decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_age_seconds: Option<u32>,
}

fn default_agent_claim() -> String {
    "sub".to_owned()
}

const fn default_leeway_seconds() -> u32 {
    30
}

/// How calls are joined to sessions, and what of a request to a model the human typed.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Session {
    /// A session ends after this long without a call.
    pub(crate) idle_seconds: u64,
    /// What stands for the human's words in agents' requests to models. Calls that change something pass unasked only
    /// where her words ask for them, so with `none` they ask once something untrusted was read.
    pub(crate) prompt: Prompt,
    /// The same for single agents, by name.
    pub(crate) agents: BTreeMap<String, Prompt>,
    /// Domains of your own organisation. Mail addresses in them count as its directory.
    pub(crate) domains: Vec<String>,
    /// Ask the agent's own model, before anything else, which tools the human's words call for, and wait at most so
    /// long for it, 1 to 60. It sees her words and the tools' names, and nothing else. 0: words and tools' names are
    /// compared without a model, in English.
    pub(crate) planner_seconds: u64,
}

/// What of a request to a model the human typed. The role alone proves nothing: declare it for agents that put only
/// her own words there. Quoted blocks, tagged attachments, forwarded mail, and text that a model or a tool wrote before
/// are left out in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Prompt {
    /// Nothing.
    #[default]
    None,
    /// The first message with the role `user`.
    First,
    /// Every message with the role `user`.
    Every,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            idle_seconds: bartizan_gateway::config::Sessions::default().idle.as_secs(),
            prompt: Prompt::None,
            agents: BTreeMap::new(),
            domains: Vec::new(),
            planner_seconds: 0,
        }
    }
}

/// How humans are asked.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Approvals {
    /// How long a call that a policy asks about is held open for the answer, at most 600. 0: it is refused at once, and
    /// passes when the agent makes it again after a yes.
    pub(crate) wait_seconds: u64,
    /// Calls held open so at one time; more are refused at once.
    pub(crate) waiters: usize,
    /// How long a question may be answered, and how long an answer then holds, 30 to 86400.
    pub(crate) life_seconds: u64,
    /// Effects for which two different people must say yes.
    pub(crate) two_person: Vec<Effect>,
    /// Agents, by name, whose own MCP client may put the question to its user (`elicitation/create`, `input_required`)
    /// and say yes for her, once. Weaker than the admin channel: whoever can change that client, or its machine, can
    /// answer. List only clients that you ship or attest yourself.
    pub(crate) danger_ask_in_client: Vec<String>,
    /// Effects that may be allowed that way. Anything else, and what `two_person` lists, is asked on the admin channel
    /// alone.
    pub(crate) ask_in_client_effects: Vec<Effect>,
    /// Who is told that a question waits. It is told, and not asked: answers are taken as before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) webhook: Option<Webhook>,
}

/// A service that is told of questions, signed as Standard Webhooks 1.0 has it. Nothing of what an agent wrote goes there.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    /// Where: `https`, or an address of this machine.
    pub(crate) url: String,
    /// What messages are signed with, as `secret:NAME`: at least 16 bytes, or `whsec_` and base64 of them.
    pub(crate) key: String,
}

impl Default for Approvals {
    fn default() -> Self {
        let built_in = bartizan_gateway::config::Approvals::default();
        Self {
            wait_seconds: built_in.wait.as_secs(),
            waiters: built_in.waiters,
            life_seconds: built_in.life.as_secs(),
            two_person: Vec::new(),
            danger_ask_in_client: Vec::new(),
            ask_in_client_effects: vec![Effect::Fetch, Effect::Write, Effect::Send],
            webhook: None,
        }
    }
}

/// What coding agents ask by their hooks.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hook {
    /// Programs that agents may run unasked, by their first words: `cargo`, `npm test`. What such a program runs in turn is
    /// not seen.
    pub(crate) may_run: Vec<String>,
    /// Names under which agents know this gateway as an MCP server. Calls of tools there cross by themselves, so their
    /// hooks have no opinion.
    pub(crate) through: Vec<String>,
}

impl Default for Hook {
    fn default() -> Self {
        let default = bartizan_gateway::config::Hooks::default();
        Self {
            may_run: default.may_run,
            through: default.through,
        }
    }
}

/// What models, agents and tools may not see. Values become tokens on the way there; a policy that permits `restore` on a
/// tool lets it have them back.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Privacy {
    /// What is masked on which way. The first rule that fits a value holds.
    pub(crate) rule: Vec<MaskRule>,
    /// One vault for each session, in memory, or one for each identity, sealed and kept over restarts.
    pub(crate) scope: VaultScope,
    /// How long a value is held after it was last masked, 60 to 31536000.
    pub(crate) life_seconds: u64,
    /// Restore tokens in what models answer to agents, where a policy permits `restore` on the model.
    pub(crate) restore_answers: bool,
    /// What becomes of a PDF that holds such a value on a way on which a rule masks, and of a PDF or an Office file that
    /// can't be read whole. Text in base64 and Office files are masked where their words stand.
    pub(crate) documents: MaskDocuments,
}

/// What becomes of documents in which values can't be masked where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MaskDocuments {
    /// The call is refused.
    #[default]
    Refuse,
    /// In the place of a PDF goes a plain one with its masked text; what is no words is left out of Office files.
    AsText,
    /// They go as they are, values included.
    DangerPass,
}

impl Default for Privacy {
    fn default() -> Self {
        let built_in = bartizan_gateway::config::Privacy::default();
        Self {
            rule: Vec::new(),
            scope: VaultScope::Session,
            life_seconds: built_in.life.as_secs(),
            restore_answers: built_in.answers,
            documents: MaskDocuments::default(),
        }
    }
}

/// Whose tokens a vault holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VaultScope {
    /// One session's, until the gateway stops.
    #[default]
    Session,
    /// One identity's, sealed on disk.
    Identity,
}

/// What is done to values of some kinds on some ways.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaskRule {
    /// Kinds of values: `email`, `phone`, `iban`, `card`, `national_id`, `ip_address`, `mac_address`, `crypto_address`,
    /// `birth_date`, `coordinates`, `person_name`, `postal_address`, a secret's format, or `personal` and `secrets` for all
    /// of their sort.
    pub(crate) kinds: Vec<String>,
    /// What is done to them.
    #[serde(default, rename = "do")]
    pub(crate) act: MaskAct,
    /// Models, as `upstream/model`, in requests to which it is done; `*` stands for anything.
    #[serde(default)]
    pub(crate) models: Vec<String>,
    /// Tools, as `server/tool`, in arguments to which it is done.
    #[serde(default)]
    pub(crate) tools: Vec<String>,
    /// It is done in what tools answer, before the agent sees it.
    #[serde(default)]
    pub(crate) results: bool,
    /// It is done in what models answer, before the agent sees it: in whole answers and in streamed ones, whose text then
    /// comes about two hundred bytes later. The arguments of tool calls are left as they are.
    #[serde(default)]
    pub(crate) answers: bool,
}

/// What is done to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MaskAct {
    /// A token takes its place, which can be restored.
    #[default]
    Tokenise,
    /// Its kind takes its place.
    Redact,
    /// Stars, but for the last four of a long one.
    Mask,
    /// A keyed hash, the same for equal values until the gateway stops.
    Hash,
    /// Less exact: the year of a date, the domain of a mail address.
    Generalise,
}

/// Every bound. Reaching one is answered with the code named beside it.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Open connections (`limit.saturated`).
    pub(crate) connections: usize,
    /// Calls in progress (`limit.saturated`).
    pub(crate) concurrent_calls: usize,
    /// Calls of one identity (agent, user and issuer) in progress or waiting for their turn (`limit.share`).
    pub(crate) calls_per_identity: usize,
    /// A request's header block, at least 8192 (`limit.headers`).
    pub(crate) header_bytes: usize,
    /// Number of headers (`limit.headers`).
    pub(crate) headers: usize,
    /// A request body, packed and unpacked (`limit.body`, `limit.body_expansion`).
    pub(crate) body_bytes: usize,
    /// A unary answer (`upstream.too_large`).
    pub(crate) answer_bytes: usize,
    /// One event of a stream (`limit.event`).
    pub(crate) event_bytes: usize,
    /// Bytes of a stream held back while a tool call in it is not whole (`limit.event`).
    pub(crate) held_bytes: usize,
    /// JSON nesting (`limit.json_depth`).
    pub(crate) json_depth: u16,
    /// From connection or keep-alive to the end of a request's headers (`limit.slow_caller`).
    pub(crate) header_timeout_ms: u64,
    /// From the end of the headers to the end of the body (`limit.slow_caller`).
    pub(crate) read_timeout_ms: u64,
    /// A client that takes nothing of an answer for this long is cut off.
    pub(crate) write_timeout_ms: u64,
    /// Making a connection to an upstream (`upstream.unreachable`).
    pub(crate) connect_timeout_ms: u64,
    /// To the first byte of an answer, and between bytes of a stream (`upstream.timeout`).
    pub(crate) upstream_timeout_ms: u64,
    /// SIGTERM to the end of draining.
    pub(crate) drain_timeout_ms: u64,
    /// How long a call may take where a `[[budget]]` of `millis` counts it: this is set aside, and the call cut off there.
    pub(crate) metered_call_ms: u64,
    /// How long an answer is read on whose agent went away, where a budget counts its tokens. 0: it is cut off at once.
    pub(crate) usage_wait_ms: u64,
    /// Rejections recorded one by one per minute; beyond, one summary a minute.
    pub(crate) rejections_per_minute: u32,
    /// The same tool call, one right after the other, in one session within ten minutes (`limit.same_call`). 0: any number.
    pub(crate) same_call_in_a_row: u32,
    /// Calls of tools and peers by one session in a minute (`limit.fan_out`). 0: any number.
    pub(crate) session_calls_per_minute: u32,
    /// How often one name may stand in the chain of who acts for whom (`limit.recursion`). 0: any number.
    pub(crate) same_actor_in_chain: u32,
    /// Denials of one identity recorded one by one per minute, and a tenth of it for each action on each resource; beyond,
    /// the summary counts them.
    pub(crate) denials_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let limits = bartizan_gateway::config::Limits::default();
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            connections: limits.connections,
            concurrent_calls: limits.concurrent_calls,
            calls_per_identity: limits.calls_per_identity,
            header_bytes: limits.header_bytes,
            headers: limits.headers,
            body_bytes: limits.body_bytes,
            answer_bytes: limits.answer_bytes,
            event_bytes: limits.event_bytes,
            held_bytes: limits.held_bytes,
            json_depth: limits.json_depth,
            header_timeout_ms: millis(limits.header_timeout),
            read_timeout_ms: millis(limits.read_timeout),
            write_timeout_ms: millis(limits.write_timeout),
            connect_timeout_ms: millis(limits.connect_timeout),
            upstream_timeout_ms: millis(limits.upstream_timeout),
            drain_timeout_ms: millis(limits.drain_timeout),
            metered_call_ms: bartizan_gateway::config::Budgets::default().most_millis,
            usage_wait_ms: millis(bartizan_gateway::config::Budgets::default().usage_wait),
            rejections_per_minute: limits.rejections_per_minute,
            same_call_in_a_row: limits.loops.same_call,
            session_calls_per_minute: limits.loops.per_minute,
            same_actor_in_chain: limits.loops.same_actor,
            denials_per_minute: limits.denials_per_minute,
        }
    }
}

/// Where metrics and traces go. `GET /metrics` on the admin socket is always there.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    /// An OpenTelemetry collector's OTLP/HTTP address, without `/v1/traces`. None: nothing is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) otlp_url: Option<String>,
}

/// How records are kept.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ledger {
    /// The log's name on its signed heads: printable ASCII without spaces or `+`. Fixed on the first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    /// A file in a second place (another disk, a share) that remembers signed heads. Without one, whoever holds the key
    /// can rewrite a log that nobody else remembers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) witness: Option<PathBuf>,
    /// The ledger's own limit on disk, at least 67108864 (64 MiB): its files are made at that size. None: as much as the disk
    /// holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disk_limit_bytes: Option<u64>,
}

/// Threads and memory.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Runtime {
    /// Threads that serve calls. None: one per available core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) worker_threads: Option<usize>,
    /// Whether the program copies its own code to huge pages when it starts (Linux on x86-64): a call costs about a fifth less, and
    /// the code counts as 36 MiB of the process's own memory. `perf` and `gdb` show such code without names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) huge_pages: Option<bool>,
}
