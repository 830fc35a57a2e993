//! Revocations: what an operator ended, and whether it ends a call. Effective on the next call and on those in progress.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bartizan_types::{Bar, Code, Evidence, Principal, Resource, RevocationId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Every call of everybody.
    Everything,
    /// A token, by its `jti`; an API key, by its prefix; a certificate, by the hash of what was signed; a link of a delegation,
    /// by its key: the credential as records name it, with all that rests on it.
    Credential(String),
    /// An agent.
    Agent(String),
    /// A user, whoever acts for it.
    User(String),
    /// A tenant: the agents of one namespace, or of one issuer.
    Tenant(String),
    /// A session.
    Session(String),
    /// A tool, as `server/tool`; `*` at the end for any rest.
    Tool(String),
    /// A built-in tool of coding agents, as their hooks name it.
    AgentTool(String),
    /// An MCP server, with all that it offers.
    Server(String),
    /// A model, as `upstream/model`; `*` at the end for any rest: providers answer to several names of one model.
    Model(String),
    /// A model provider, with all its models.
    Upstream(String),
    /// Another agent that ours speak to, by its name in the configuration.
    Peer(String),
    /// A web site, as `host:port`, or as `host` for all its ports.
    Site(String),
    /// Whoever acts in the chain of actors under this name.
    Actor(String),
}

impl Subject {
    /// The word of its kind and its name.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Everything => ("everything", ""),
            Self::Credential(name) => ("credential", name),
            Self::Agent(name) => ("agent", name),
            Self::User(name) => ("user", name),
            Self::Tenant(name) => ("tenant", name),
            Self::Session(name) => ("session", name),
            Self::Tool(name) => ("tool", name),
            Self::AgentTool(name) => ("agent-tool", name),
            Self::Server(name) => ("server", name),
            Self::Model(name) => ("model", name),
            Self::Upstream(name) => ("upstream", name),
            Self::Peer(name) => ("peer", name),
            Self::Site(name) => ("site", name),
            Self::Actor(name) => ("actor", name),
        }
    }

    /// How the names begin that it means, where it means several: models have aliases, and servers families of tools.
    fn start(&self) -> Option<&str> {
        match self {
            Self::Model(name) | Self::Tool(name) => name.strip_suffix('*'),
            _ => None,
        }
    }

    /// Reads `agent:NAME`, `everything` and the like. `token`, `key` and `certificate` are credentials, spelled as people have
    /// them at hand. What could never be anybody's is `None`: a revocation that ends nothing must not look like one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "everything" {
            return Some(Self::Everything);
        }
        let (kind, name) = text.split_once(':')?;
        let plain = |char: char| char.is_ascii_graphic();
        if name.is_empty() || name.len() > 2304 || !name.chars().all(plain) {
            return None;
        }
        // A star that means no rest would be a letter that no name has.
        let misplaced = match kind {
            "model" | "tool" => name.strip_suffix('*').unwrap_or(name).contains('*'),
            _ => name.ends_with('*'),
        };
        if misplaced {
            return None;
        }
        let name = name.to_owned();
        Some(match kind {
            "credential" | "token" => Self::Credential(name),
            "key" => Self::Credential(prefix_of(&name)?),
            "certificate" => Self::Credential(certificate_of(&name)?),
            "agent" => Self::Agent(name),
            "user" => Self::User(name),
            "tenant" => Self::Tenant(name),
            "session" => Self::Session(name.to_ascii_uppercase().parse::<SessionId>().ok()?.to_string()),
            "tool" if name.contains('/') => Self::Tool(name),
            "agent-tool" => Self::AgentTool(name),
            "server" => Self::Server(name),
            "model" if name.contains('/') => Self::Model(name),
            "upstream" => Self::Upstream(name),
            "peer" => Self::Peer(name),
            "site" => Self::Site(name.to_ascii_lowercase()),
            "actor" => Self::Actor(name),
            _ => return None,
        })
    }
}

/// An API key's prefix, from that with or without `bz_`, or from the whole key, of which nothing more is kept.
fn prefix_of(name: &str) -> Option<String> {
    let digits = name.strip_prefix("bz_").unwrap_or(name);
    let digits = digits.split('_').next().unwrap_or_default();
    let fits = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| format!("bz_{digits}"))
}

/// A certificate's name, from that of records, or from a SHA-256 fingerprint as tools print it.
fn certificate_of(name: &str) -> Option<String> {
    let hex = name.strip_prefix("x509:").unwrap_or(name);
    let hex: String = hex.chars().filter(|char| *char != ':').collect();
    let fits = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| format!("x509:{}", hex.to_ascii_lowercase()))
}

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Its id.
    pub id: RevocationId,
    /// What.
    pub subject: Subject,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None` is until it is lifted.
    pub until: Option<Timestamp>,
    /// Why, in the operator's words.
    pub reason: String,
    /// Who did it.
    pub by: String,
}

/// All revocations in force, to look up.
#[derive(Debug, Clone, Default)]
pub struct Revocations {
    all: BTreeMap<RevocationId, Revocation>,
    by_subject: HashMap<Subject, Vec<RevocationId>>,
    /// Those of models and tools whose names only begin so.
    wide: BTreeSet<RevocationId>,
}

impl Revocations {
    /// These revocations.
    #[must_use]
    pub fn new(all: impl IntoIterator<Item = Revocation>) -> Self {
        let mut revocations = Self::default();
        for one in all {
            revocations.insert(one);
        }
        revocations
    }

    /// One more, at the cost of one, however many there are. One of the same id takes the other's place.
    pub fn insert(&mut self, one: Revocation) {
        self.remove(one.id);
        if one.subject.start().is_some() {
            self.wide.insert(one.id);
        }
        self.by_subject
            .entry(one.subject.clone())
            .or_default()
            .push(one.id);
        self.all.insert(one.id, one);
    }

    /// One less. Gives it, where there was one.
    pub fn remove(&mut self, id: RevocationId) -> Option<Revocation> {
        let gone = self.all.remove(&id)?;
        self.wide.remove(&id);
        if let Some(ids) = self.by_subject.get_mut(&gone.subject) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                self.by_subject.remove(&gone.subject);
            }
        }
        Some(gone)
    }

    /// The one of this id.
    #[must_use]
    pub fn of_id(&self, id: RevocationId) -> Option<&Revocation> {
        self.all.get(&id)
    }

    /// How many there are, those that have run out too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Every one, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Revocation> {
        self.all.values()
    }

    /// What stands in a call's way.
    #[must_use]
    pub fn bar(&self, evidence: &Evidence) -> Option<Bar> {
        if self.all.is_empty() {
            return None;
        }
        let found = self
            .of_caller(&evidence.principal, evidence.session, evidence.now)
            .or_else(|| self.of_resource(&evidence.call.resource, evidence.now))?;
        Some(bar(found))
    }

    /// What stands in the way of everything that a caller does in a session.
    #[must_use]
    pub fn of_caller(
        &self,
        principal: &Principal,
        session: SessionId,
        now: Timestamp,
    ) -> Option<&Revocation> {
        if self.all.is_empty() {
            return None;
        }
        let user = principal
            .user
            .as_ref()
            .map(|user| Subject::User(user.to_string()));
        let fixed = [
            Some(Subject::Everything),
            Some(Subject::Credential(principal.credential.to_string())),
            Some(Subject::Agent(principal.agent.to_string())),
            user,
            Some(Subject::Tenant(principal.tenant().to_owned())),
            Some(Subject::Session(session.to_string())),
        ];
        let actors = principal
            .act
            .iter()
            .map(|actor| Subject::Actor(actor.sub.clone()));
        // Who only acts is an agent, too.
        let agents = principal
            .act
            .iter()
            .map(|actor| Subject::Agent(actor.sub.clone()));
        // What a credential rests on ends it: else a key's end would leave what was handed on from it, and whoever holds a
        // delegation would add a link to get another name.
        let links = principal.act.iter().filter_map(|actor| actor.key.as_ref());
        let rests = principal.rests.iter().chain(links);
        let rests = rests.map(|name| Subject::Credential(name.to_string()));
        fixed
            .into_iter()
            .flatten()
            .chain(rests)
            .chain(actors)
            .chain(agents)
            .find_map(|subject| self.live(&subject, now))
    }

    /// What stands in the way of a resource, whoever asks for it.
    #[must_use]
    pub fn of_resource(&self, resource: &Resource, now: Timestamp) -> Option<&Revocation> {
        if self.all.is_empty() {
            return None;
        }
        let server = resource
            .server()
            .map(|server| Subject::Server(server.to_string()));
        let (upstream, own) = match resource {
            Resource::Model { upstream, .. } => (Some(upstream), Some(Subject::Model(resource.entity_id()))),
            Resource::Tool { .. } => (None, Some(Subject::Tool(resource.entity_id()))),
            Resource::AgentTool { .. } => (None, Some(Subject::AgentTool(resource.entity_id()))),
            Resource::HostedTool { upstream, .. } => {
                (Some(upstream), Some(Subject::Tool(resource.entity_id())))
            }
            Resource::Upstream { upstream } => (Some(upstream), None),
            Resource::Peer { peer } => (None, Some(Subject::Peer(peer.to_string()))),
            Resource::Site { site } => (None, Some(Subject::Site(site.to_string()))),
            _ => (None, None),
        };
        let upstream = upstream.map(|name| Subject::Upstream(name.to_string()));
        let host = match resource {
            Resource::Site { site } => site.as_str().rsplit_once(':'),
            _ => None,
        };
        let host = host.map(|(host, _)| Subject::Site(host.to_owned()));
        let begins = own.as_ref().and_then(|own| self.begins(own, now));
        [server, upstream, host, own]
            .into_iter()
            .flatten()
            .find_map(|subject| self.live(&subject, now))
            .or(begins)
    }

    /// A revocation of all whose names begin so.
    fn begins(&self, own: &Subject, now: Timestamp) -> Option<&Revocation> {
        let (kind, name) = own.parts();
        let meant = |one: &&Revocation| {
            let start = one.subject.start();
            one.subject.parts().0 == kind && start.is_some_and(|start| name.starts_with(start))
        };
        let all = self.wide.iter().filter_map(|id| self.all.get(id));
        all.filter(meant)
            .find(|one| one.until.is_none_or(|until| now < until))
    }

    fn live(&self, subject: &Subject, now: Timestamp) -> Option<&Revocation> {
        let ids = self.by_subject.get(subject)?;
        let found = ids.iter().filter_map(|id| self.all.get(id));
        found
            .into_iter()
            .find(|one| one.until.is_none_or(|until| now < until))
    }
}

/// A revocation as what stands in a call's way.
#[must_use]
pub fn bar(revocation: &Revocation) -> Bar {
    let (kind, name) = revocation.subject.parts();
    Bar {
        code: Code::Revoked,
        what: format!("revocation {} of {kind} {name}", revocation.id)
            .trim_end()
            .to_owned(),
        retry_after_seconds: None,
        scopes: BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests;
