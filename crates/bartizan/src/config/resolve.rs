//! From the file to what the gateway runs with: newtypes, absolute paths, no leftover options.

mod content;
mod domains;
mod upstream;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use bartizan_flow::{Class, Effect, PathPattern, Role};
use bartizan_gateway::{IssuerSource, KeysAt, config as gateway};
use bartizan_identity::{Algorithm, IssuerConfig, SpiffeName};
use bartizan_store::StateDir;
use bartizan_types::{Issuer, Name, ServerName, ToolName};
use http::Uri;

mod spending;

use super::{
    Loaded, diagnose, egress,
    file::{self, ConfigFile},
    peer, scope, signing,
};
use crate::{
    cli::{Global, PackName},
    exit::Exit,
    failure::Failure,
};

/// Everything `up` runs with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The gateway's own.
    pub(crate) gateway: gateway::Config,
    /// The state directory.
    pub(crate) state: PathBuf,
    /// The pack; `None` is no pack.
    pub(crate) pack: Option<bartizan_policy::Pack>,
    /// Patterns of policy files, absolute.
    pub(crate) policy_files: Vec<PathBuf>,
    /// Issuers and where their key sets are.
    pub(crate) issuers: Vec<IssuerSource>,
    /// Trust domains.
    pub(crate) domains: bartizan_gateway::Domains,
    /// The collector.
    pub(crate) otlp: Option<Uri>,
    /// Where heads are kept.
    pub(crate) witness: Option<PathBuf>,
    /// Upstreams stand as built in, so the environment's provider keys are theirs.
    pub(crate) default_upstreams: bool,
}

/// Resolves a loaded file.
///
/// # Errors
/// Everything wrong with it at once, each with the table and key it is in.
pub(crate) fn resolve(loaded: &Loaded, global: &Global) -> Result<Settings, Failure> {
    let mut wrong = Wrong {
        loaded,
        reports: Vec::new(),
    };
    let file = &loaded.file;
    let base = loaded.base();
    let upstreams = upstream::upstreams(file, &base, &mut wrong);
    let models = upstream::models(file, &upstreams, &mut wrong);
    let servers = servers(file, &base, &mut wrong);
    let peers = peer::peers(file, &base, &mut wrong);
    let egress = egress::egress(file, &base, &mut wrong);
    let scopes = scope::scopes(file, &mut wrong);
    let issuers = issuers(file, &base, &mut wrong);
    let limits = limits(&file.limits, &mut wrong);
    let budgets = spending::budgets(file, &mut wrong);
    let otlp = file.telemetry.otlp_url.as_ref();
    let otlp = otlp.and_then(|url| wrong.url("telemetry.otlp_url", url, &["http", "https"]));
    listen_rules(&file.listen, &mut wrong);
    let approvals = approvals(&file.approvals, &mut wrong);
    runtime_rules(&file.runtime, &mut wrong);
    let sessions = sessions(&file.session, &mut wrong);
    let (tls, workload_api) = domains::listening(file, &base, &mut wrong);
    let domains = domains::domains(file, &base, &mut wrong);
    let inspect = content::inspect(&file.inspect, &base, &mut wrong);
    let privacy = content::privacy(&file.privacy, &inspect, &mut wrong);
    let state = state_dir(global, Some(file), &base)?;
    wrong.finish()?;
    let domains = domains.ok_or_else(|| Failure::new(Exit::Bug, "a trust domain is missing"))?;
    let listen = &file.listen;
    Ok(Settings {
        gateway: gateway::Config {
            listen: gateway::Listen {
                address: listen.address,
                hosts: listen.hosts.clone(),
                origins: listen.origins.clone(),
                tls,
                danger_plaintext: listen.danger_listen_without_tls_off_loopback,
                dpop_nonces: listen.dpop_nonces,
            },
            limits,
            upstreams,
            models,
            servers,
            peers,
            sessions,
            approvals,
            hooks: hooks(&file.hook),
            inspect,
            privacy,
            budgets,
            scopes,
            egress,
            workload_api,
        },
        state,
        pack: pack(file.policy.pack),
        policy_files: file
            .policy
            .files
            .iter()
            .map(|pattern| base.join(pattern))
            .collect(),
        issuers,
        domains,
        otlp,
        witness: file.ledger.witness.as_ref().map(|path| base.join(path)),
        default_upstreams: file.upstream.is_empty(),
    })
}

fn runtime_rules(runtime: &file::Runtime, wrong: &mut Wrong<'_>) {
    let fits = |threads: usize| (1..=1024).contains(&threads);
    if runtime.worker_threads.is_some_and(|threads| !fits(threads)) {
        let message = "`worker_threads` must be 1 to 1024".to_owned();
        wrong.add("runtime.worker_threads", "worker_threads", message, "");
    }
}

/// What coding agents ask by their hooks.
fn hooks(hook: &file::Hook) -> gateway::Hooks {
    gateway::Hooks {
        may_run: hook.may_run.clone(),
        through: hook.through.clone(),
    }
}

/// How calls are joined, and whose words are prompt.
fn sessions(session: &file::Session, wrong: &mut Wrong<'_>) -> gateway::Sessions {
    let prompt = |prompt| match prompt {
        file::Prompt::None => gateway::Prompt::None,
        file::Prompt::First => gateway::Prompt::First,
        file::Prompt::Every => gateway::Prompt::Every,
    };
    for domain in &session.domains {
        if !domain.contains('.') || domain.contains(['@', '/', '*']) {
            let message = format!("`{domain}` is no domain");
            wrong.add("session.domains", domain, message, "write it as `example.com`");
        }
    }
    if session.planner_seconds > 60 {
        let message = "`planner_seconds` must be 0 to 60".to_owned();
        wrong.add("session.planner_seconds", "planner_seconds", message, "");
    }
    let agent =
        |(name, rule): (&String, &file::Prompt)| Some((wrong.name("session.agents", name)?, prompt(*rule)));
    gateway::Sessions {
        idle: Duration::from_secs(session.idle_seconds),
        prompt: prompt(session.prompt),
        agents: session.agents.iter().filter_map(agent).collect(),
        domains: session.domains.clone(),
        planner: (session.planner_seconds > 0).then(|| Duration::from_secs(session.planner_seconds)),
    }
}

/// How humans are asked, within bounds.
fn approvals(file: &file::Approvals, wrong: &mut Wrong<'_>) -> gateway::Approvals {
    let mut within = |key: &str, value: u64, range: std::ops::RangeInclusive<u64>| {
        if !range.contains(&value) {
            let (low, high) = (range.start(), range.end());
            let message = format!("`{key}` must be {low} to {high}");
            wrong.add(&format!("approvals.{key}"), key, message, "");
        }
    };
    within("wait_seconds", file.wait_seconds, 0..=600);
    within("life_seconds", file.life_seconds, 30..=86_400);
    within(
        "waiters",
        u64::try_from(file.waiters).unwrap_or(u64::MAX),
        0..=4096,
    );
    let webhook = file.webhook.as_ref().and_then(|said| {
        let url = content::service(&said.url);
        if url.is_none() {
            let message = "`url` is no `https` address, nor one of this machine's".to_owned();
            wrong.add("approvals.webhook.url", &said.url, message, "");
        }
        let Some(secret) = said.key.strip_prefix("secret:") else {
            let message = "`key` is written as `secret:NAME`, after `bartizan secret set NAME`".to_owned();
            wrong.add("approvals.webhook.key", "key", message, "");
            return None;
        };
        Some(gateway::Webhook {
            url: url?,
            secret: secret.to_owned(),
        })
    });
    let clients = file.danger_ask_in_client.iter();
    let clients = clients.filter_map(|name| wrong.name("approvals.danger_ask_in_client", name));
    gateway::Approvals {
        wait: Duration::from_secs(file.wait_seconds),
        waiters: file.waiters,
        life: Duration::from_secs(file.life_seconds),
        two_person: file.two_person.iter().map(|one| effect(*one)).collect(),
        client_agents: clients.collect(),
        client_effects: file
            .ask_in_client_effects
            .iter()
            .map(|one| effect(*one))
            .collect(),
        webhook,
    }
}

/// In clear only where nobody else listens.
fn listen_rules(listen: &file::Listen, wrong: &mut Wrong<'_>) {
    if !listen.address.ip().is_loopback()
        && listen.tls.is_none()
        && !listen.danger_listen_without_tls_off_loopback
    {
        wrong.add(
            "listen.address",
            &listen.address.to_string(),
            format!("`{}` is not loopback, so it needs TLS", listen.address),
            "set `[listen.tls]`; without files the certificate is our own authority's",
        );
    }
}

/// The state directory: `--state`, the file's, or the XDG state home's.
pub(crate) fn state_dir(global: &Global, file: Option<&ConfigFile>, base: &Path) -> Result<PathBuf, Failure> {
    if let Some(dir) = &global.state {
        return Ok(dir.clone());
    }
    if let Some(dir) = file.and_then(|file| file.state.dir.as_ref()) {
        return Ok(base.join(dir));
    }
    StateDir::default_path().ok_or_else(|| {
        Failure::new(
            Exit::State,
            "there is no place for state: neither XDG_STATE_HOME nor HOME is an absolute path",
        )
        .hint("name one with `--state DIR`")
    })
}

/// The pack of a name.
pub(crate) const fn pack(name: PackName) -> Option<bartizan_policy::Pack> {
    match name {
        PackName::Observe => Some(bartizan_policy::Pack::Observe),
        PackName::Balanced => Some(bartizan_policy::Pack::Balanced),
        PackName::Strict => Some(bartizan_policy::Pack::Strict),
        PackName::None => None,
    }
}

/// Collects what is wrong.
pub(super) struct Wrong<'a> {
    loaded: &'a Loaded,
    reports: Vec<miette::Report>,
}

impl Wrong<'_> {
    /// `near` is looked for in the text, so that the report points at it.
    pub(super) fn add(&mut self, key: &str, near: &str, message: String, help: &str) {
        let text = &self.loaded.text;
        let span = text
            .find(near)
            .filter(|_| !near.is_empty())
            .map(|at| at..at + near.len());
        let help = (!help.is_empty()).then(|| help.to_owned());
        let message = format!("{key}: {message}");
        let severity = miette::Severity::Error;
        self.reports.push(diagnose::report(
            &self.loaded.name(),
            text,
            span,
            &message,
            help,
            severity,
        ));
    }

    pub(super) fn name<K>(&mut self, key: &str, text: &str) -> Option<Name<K>> {
        match Name::new(text) {
            Ok(name) => Some(name),
            Err(fault) => {
                self.add(key, text, fault.to_string(), "");
                None
            }
        }
    }

    pub(super) fn url(&mut self, key: &str, text: &str, schemes: &[&str]) -> Option<Uri> {
        let uri = text.parse::<Uri>().ok().filter(|uri| {
            uri.authority()
                .is_some_and(|authority| !authority.as_str().contains('@'))
                && uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme))
        });
        if uri.is_none() {
            let wanted = schemes.join(" or ");
            self.add(
                key,
                text,
                format!("`{text}` is no {wanted} address"),
                "an address holds no user or password",
            );
        }
        uri
    }

    fn finish(self) -> Result<(), Failure> {
        if self.reports.is_empty() {
            return Ok(());
        }
        let name = self.loaded.name();
        Err(Failure::new(Exit::Config, format!("the configuration `{name}` is wrong")).reports(self.reports))
    }
}

fn servers(file: &ConfigFile, base: &Path, wrong: &mut Wrong<'_>) -> Vec<gateway::Server> {
    let mut all: Vec<gateway::Server> = Vec::new();
    for server in &file.server {
        let Some(name): Option<ServerName> = wrong.name("server.name", &server.name) else {
            continue;
        };
        if name.as_str().contains("__") || name.as_str().contains('/') {
            let message = format!("`{name}` holds `__` or `/`, which separate servers from their tools");
            wrong.add("server.name", &server.name, message, "");
        }
        if all.iter().any(|earlier| earlier.name == name) {
            wrong.add(
                "server.name",
                &server.name,
                format!("two servers are called `{name}`"),
                "",
            );
        }
        let reach = match (&server.url, server.command.is_empty()) {
            (None, false) => program(server, base),
            (Some(url), true) => {
                let Some(url) = wrong.url("server.url", url, &["http", "https"]) else {
                    continue;
                };
                match server.transport {
                    file::Transport::StreamableHttp => gateway::Reach::Http {
                        url,
                        headers: values(&server.headers),
                    },
                    file::Transport::Sse => gateway::Reach::LegacySse {
                        url,
                        headers: values(&server.headers),
                    },
                }
            }
            _ => {
                wrong.add(
                    "server",
                    &server.name,
                    format!("`{name}` needs either `command` or `url`"),
                    "",
                );
                continue;
            }
        };
        if server.timeout_ms == 0 {
            wrong.add(
                "server.timeout_ms",
                "timeout_ms",
                "`timeout_ms` must not be 0".to_owned(),
                "",
            );
        }
        all.push(gateway::Server {
            name,
            reach,
            timeout: Duration::from_millis(server.timeout_ms),
            spiffe_id: workload(
                ("server", server.url.as_deref().unwrap_or_default()),
                (server.spiffe_id.as_deref(), false),
                file,
                wrong,
            ),
            oauth: super::oauth::oauth(server, wrong),
            sign: signing::of_server(server, wrong),
            tools: tools(server, wrong),
        });
    }
    all
}

/// Which workload something has to be, where it is said; what is wrong is collected. `of`: the table, and the address.
pub(super) fn workload(
    of: (&'static str, &str),
    (said, has_roots): (Option<&str>, bool),
    file: &ConfigFile,
    wrong: &mut Wrong<'_>,
) -> Option<SpiffeName> {
    let (table, url) = of;
    let said = said?;
    let key = format!("{table}.spiffe_id");
    let name = match SpiffeName::new(said) {
        Ok(name) => name,
        Err(fault) => {
            wrong.add(&key, said, fault.to_string(), "");
            return None;
        }
    };
    if !url.starts_with("https://") || has_roots {
        let message = "`spiffe_id` goes with an `https` address, and without `roots`".to_owned();
        wrong.add(&key, said, message, "the roots are those of its trust domain");
    }
    let domain = name.domain().as_str();
    let own = file.identity.trust_domain == domain;
    let known = file.spiffe.iter().any(|one| one.trust_domain == domain);
    if !own && !known {
        let message = format!("nothing vouches for `{}`", name.domain());
        wrong.add(
            &key,
            said,
            message,
            "name it in `[[spiffe]]`, or as `trust_domain` of `[identity]`",
        );
    }
    Some(name)
}

/// What the operator says of a server's tools.
fn tools(server: &file::Server, wrong: &mut Wrong<'_>) -> BTreeMap<ToolName, gateway::ToolOverride> {
    let mut all = BTreeMap::new();
    for (name, tool) in &server.tools {
        let Some(name): Option<ToolName> = wrong.name("server.tools", name) else {
            continue;
        };
        for pattern in tool
            .arguments
            .keys()
            .chain(tool.results.keys())
            .chain(&tool.codes)
        {
            if pattern.len() > PATTERN_BYTES || pattern.split('.').filter(|part| *part == "**").count() > 2 {
                let message = format!("`{pattern}` matches nothing: at most 256 bytes and two `**`");
                wrong.add("server.tools", pattern, message, "");
            }
        }
        for domain in &tool.codes_from {
            if bartizan_flow::canon::host(&domain.to_lowercase()).is_none() {
                let message = format!("`{domain}` is no domain");
                wrong.add(
                    "server.tools",
                    domain,
                    message,
                    "a domain such as `bank.example`, without a scheme",
                );
            }
        }
        let own = gateway::ToolOverride {
            effect: tool.effect.map(effect),
            arguments: specific_first(&tool.arguments, role),
            results: specific_first(&tool.results, class),
            public: tool.public,
            json_text: tool.json_text,
            codes: tool
                .codes
                .iter()
                .map(|pattern| PathPattern::new(pattern))
                .collect(),
            codes_from: tool
                .codes_from
                .iter()
                .map(|domain| domain.as_str().into())
                .collect(),
            reviewed: tool.reviewed,
        };
        all.insert(name, own);
    }
    all
}

/// Longest pattern, with room for the `.**` that covers what lies below.
const PATTERN_BYTES: usize = 253;

/// The most specific pattern first: fewest `**`, then fewest parts that are only `*`, then fewest with one, then most
/// parts, then by name. `*number` says more than `*`, whatever else it is less than.
fn specific_first<A: Copy, B>(lines: &BTreeMap<String, A>, turn: fn(A) -> B) -> Vec<(PathPattern, B)> {
    let mut sorted: Vec<_> = lines.iter().collect();
    sorted.sort_by_key(|(pattern, _)| {
        let parts = || pattern.split('.');
        let deep = parts().filter(|part| *part == "**").count();
        let wide = parts().filter(|part| part.contains('*')).count();
        let bare = parts().filter(|part| *part == "*").count();
        (deep, bare, wide, std::cmp::Reverse(parts().count()))
    });
    sorted
        .into_iter()
        .map(|(pattern, what)| (PathPattern::new(pattern), turn(*what)))
        .collect()
}

const fn effect(said: file::Effect) -> Effect {
    match said {
        file::Effect::Read => Effect::Read,
        file::Effect::Fetch => Effect::Fetch,
        file::Effect::Write => Effect::Write,
        file::Effect::Send => Effect::Send,
        file::Effect::Pay => Effect::Pay,
        file::Effect::Execute => Effect::Execute,
        file::Effect::Delete => Effect::Delete,
        file::Effect::Unknown => Effect::Unknown,
    }
}

const fn role(said: file::Role) -> Role {
    match said {
        file::Role::Target => Role::Target,
        file::Role::Selector => Role::Selector,
        file::Role::Value => Role::Value,
        file::Role::Content => Role::Content,
        file::Role::Time => Role::Time,
        file::Role::Amount => Role::Amount,
        file::Role::Unknown => Role::Unknown,
    }
}

const fn class(said: file::Class) -> Class {
    match said {
        file::Class::Trusted => Class::Trusted,
        file::Class::Directory => Class::Directory,
        file::Class::Structured => Class::Structured,
        file::Class::Sender => Class::Sender,
        file::Class::Member => Class::Member,
        file::Class::FreeText => Class::FreeText,
        file::Class::Secret => Class::Secret,
    }
}

/// A server that we start.
fn program(server: &file::Server, base: &Path) -> gateway::Reach {
    let all = |paths: &[PathBuf]| paths.iter().map(|path| base.join(path)).collect();
    gateway::Reach::Stdio {
        command: server.command.clone(),
        environment: values(&server.env),
        directory: server.directory.as_ref().map(|directory| base.join(directory)),
        grants: gateway::Grants {
            readable: all(&server.readable),
            writable: all(&server.writable),
            tcp_ports: server.tcp_ports.clone(),
            unconfined: server.danger_unconfined,
        },
    }
}

/// `secret:NAME` names a secret; `secret::` begins a value that starts with `secret:`.
pub(super) fn values(from: &BTreeMap<String, String>) -> BTreeMap<String, gateway::EnvValue> {
    let value = |text: &String| match text.strip_prefix("secret:") {
        Some(rest) => match rest.strip_prefix(':') {
            Some(rest) => gateway::EnvValue::Plain(format!("secret:{rest}")),
            None => gateway::EnvValue::Secret(rest.to_owned()),
        },
        None => gateway::EnvValue::Plain(text.clone()),
    };
    from.iter()
        .map(|(key, text)| (key.clone(), value(text)))
        .collect()
}

fn issuers(file: &ConfigFile, base: &Path, wrong: &mut Wrong<'_>) -> Vec<IssuerSource> {
    let mut all = Vec::new();
    for jwt in &file.jwt {
        let Some(issuer): Option<Issuer> = wrong.name("jwt.issuer", &jwt.issuer) else {
            continue;
        };
        let mut config = IssuerConfig::new(issuer, jwt.audience.clone());
        if !jwt.algorithms.is_empty() {
            config.algorithms.clear();
            for algorithm in &jwt.algorithms {
                match algorithm.parse::<Algorithm>() {
                    Ok(algorithm) => config.algorithms.push(algorithm),
                    Err(fault) => wrong.add("jwt.algorithms", algorithm, fault.to_string(), ""),
                }
            }
        }
        config.agent_claim.clone_from(&jwt.agent_claim);
        config.user_claim.clone_from(&jwt.user_claim);
        config.groups_claim.clone_from(&jwt.groups_claim);
        config.namespace.clone_from(&jwt.namespace);
        config.leeway_seconds = jwt.leeway_seconds;
        config.max_age_seconds = jwt.max_age_seconds;
        if let Err(fault) = config.check() {
            wrong.add("jwt", &jwt.issuer, fault.to_string(), "");
        }
        // Key sets over plain http would let the network name agents.
        let source = match &jwt.jwks {
            None => wrong
                .issuer_address("jwt.issuer", &jwt.issuer)
                .map(|()| KeysAt::Discovered),
            Some(jwks) if jwks.contains("://") => {
                wrong.url("jwt.jwks", jwks, &["https"]).map(KeysAt::Address)
            }
            Some(jwks) => Some(KeysAt::File(base.join(jwks))),
        };
        if let (Some(KeysAt::File(_)), Some(roots)) = (&source, &jwt.roots) {
            let message = "`roots` verifies the addresses of a key set, and `jwks` is a file".to_owned();
            wrong.add(
                "jwt.roots",
                &roots.to_string_lossy(),
                message,
                "take `roots` away",
            );
        }
        all.extend(source.map(|keys| IssuerSource {
            config,
            keys,
            roots: jwt.roots.as_ref().map(|roots| base.join(roots)),
        }));
    }
    all.extend(domains::issuers(file, base, wrong));
    if all.len() > 1 && all.iter().any(|source| source.config.namespace.is_none()) {
        let help = "set `[[jwt]] namespace`";
        wrong.add(
            "jwt.namespace",
            "[[jwt]]",
            "with more than one issuer each needs a namespace".to_owned(),
            help,
        );
    }
    all
}

fn limits(limits: &file::Limits, wrong: &mut Wrong<'_>) -> gateway::Limits {
    let bounds = [
        ("connections", limits.connections, 1),
        ("concurrent_calls", limits.concurrent_calls, 1),
        ("calls_per_identity", limits.calls_per_identity, 1),
        ("header_bytes", limits.header_bytes, 8192),
        ("headers", limits.headers, 16),
        ("body_bytes", limits.body_bytes, 1024),
        ("answer_bytes", limits.answer_bytes, 1024),
        ("event_bytes", limits.event_bytes, 1024),
        ("held_bytes", limits.held_bytes, 1024),
        ("json_depth", usize::from(limits.json_depth), 8),
    ];
    for (key, value, least) in bounds {
        // 1 GiB for one body is no bound any more.
        if value < least || value > 1 << 30 {
            wrong.add(
                "limits",
                key,
                format!("`{key}` is {value}, but must be {least} to {}", 1 << 30),
                "",
            );
        }
    }
    let times = [
        ("header_timeout_ms", limits.header_timeout_ms),
        ("read_timeout_ms", limits.read_timeout_ms),
        ("write_timeout_ms", limits.write_timeout_ms),
        ("connect_timeout_ms", limits.connect_timeout_ms),
        ("upstream_timeout_ms", limits.upstream_timeout_ms),
    ];
    for (key, value) in times {
        if value == 0 || value > 86_400_000 {
            wrong.add(
                "limits",
                key,
                format!("`{key}` is {value}, but must be 1 to 86400000"),
                "",
            );
        }
    }
    gateway::Limits {
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
        header_timeout: Duration::from_millis(limits.header_timeout_ms),
        read_timeout: Duration::from_millis(limits.read_timeout_ms),
        write_timeout: Duration::from_millis(limits.write_timeout_ms),
        connect_timeout: Duration::from_millis(limits.connect_timeout_ms),
        upstream_timeout: Duration::from_millis(limits.upstream_timeout_ms),
        drain_timeout: Duration::from_millis(limits.drain_timeout_ms),
        rejections_per_minute: limits.rejections_per_minute,
        loops: bartizan_guard::loops::LoopBounds {
            same_call: limits.same_call_in_a_row,
            per_minute: limits.session_calls_per_minute,
            same_actor: limits.same_actor_in_chain,
        },
        denials_per_minute: limits.denials_per_minute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_more_comes_first() {
        let lines = ["*", "*number", "id", "a.*", "a.**", "**"].map(|line| (line.to_owned(), ()));
        let order = specific_first(&BTreeMap::from(lines), |()| ());
        let order: Vec<&str> = order.iter().map(|(pattern, ())| pattern.as_str()).collect();
        assert_eq!(order, ["id", "*number", "a.*", "*", "a.**", "**"]);
    }
}
