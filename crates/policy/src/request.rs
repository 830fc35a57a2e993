//! One call's facts in slots, built once from evidence and read by every policy. No JSON, no entity store.
//!
//! Here, and nowhere else, evidence gets its names in policy; `cedar` builds the same request for Cedar's own
//! evaluator, and the differential tests hold the two together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bartizan_types::{
    Action, Arguments, AuthMethod, CallFacts, Evidence, Flow, Meter, Resource, Severity, Timestamp,
    flow::Role,
};

use crate::value::{Entity, Kind, Value};

/// Last millisecond of the year 9999, the end of Cedar's datetime literals.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// The id of the one `Arguments` and the one `Quantities` entity of a request.
pub(crate) const ARGUMENTS_ID: &str = "call";

/// What can be read of a request. The order is that of facts in explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Slot {
    PrincipalName,
    PrincipalIssuer,
    PrincipalMethod,
    PrincipalUser,
    PrincipalGroups,
    ResourceName,
    ResourceOwner,
    Approved,
    Surface,
    Streaming,
    Bytes,
    Pin,
    ReadOnly,
    Destructive,
    OpenWorld,
    Effect,
    Called,
    Joined,
    Crosses,
    Reviewed,
    Whole,
    Tainted,
    Secret,
    External,
    Readable,
    Bounded,
    ForeignTokens,
    Unvouched,
    Target,
    Selector,
    Findings,
    Suspicious,
    Harmful,
    Worst,
    Answering,
    Args,
    Numbers,
    ArgsComplete,
    ActDepth,
    User,
    Issuer,
    Method,
    Now,
    BudgetUsed,
    BudgetLeft,
    Proposer,
    Root,
}

impl Slot {
    pub(crate) const ALL: [Self; 47] = [
        Self::PrincipalName,
        Self::PrincipalIssuer,
        Self::PrincipalMethod,
        Self::PrincipalUser,
        Self::PrincipalGroups,
        Self::ResourceName,
        Self::ResourceOwner,
        Self::Approved,
        Self::Surface,
        Self::Streaming,
        Self::Bytes,
        Self::Pin,
        Self::ReadOnly,
        Self::Destructive,
        Self::OpenWorld,
        Self::Effect,
        Self::Called,
        Self::Joined,
        Self::Crosses,
        Self::Reviewed,
        Self::Whole,
        Self::Tainted,
        Self::Secret,
        Self::External,
        Self::Readable,
        Self::Bounded,
        Self::ForeignTokens,
        Self::Unvouched,
        Self::Target,
        Self::Selector,
        Self::Findings,
        Self::Suspicious,
        Self::Harmful,
        Self::Worst,
        Self::Answering,
        Self::Args,
        Self::Numbers,
        Self::ArgsComplete,
        Self::ActDepth,
        Self::User,
        Self::Issuer,
        Self::Method,
        Self::Now,
        Self::BudgetUsed,
        Self::BudgetLeft,
        Self::Proposer,
        Self::Root,
    ];

    pub(crate) const fn bit(self) -> u64 {
        1 << self as u64
    }

    /// The slot of a context attribute.
    pub(crate) fn of_context(attribute: &str) -> Option<Self> {
        Some(match attribute {
            "approved" => Self::Approved,
            "surface" => Self::Surface,
            "streaming" => Self::Streaming,
            "bytes" => Self::Bytes,
            "pin" => Self::Pin,
            "read_only" => Self::ReadOnly,
            "destructive" => Self::Destructive,
            "open_world" => Self::OpenWorld,
            "effect" => Self::Effect,
            "called" => Self::Called,
            "joined" => Self::Joined,
            "crosses" => Self::Crosses,
            "reviewed" => Self::Reviewed,
            "whole" => Self::Whole,
            "tainted" => Self::Tainted,
            "secret" => Self::Secret,
            "external" => Self::External,
            "readable" => Self::Readable,
            "bounded" => Self::Bounded,
            "foreign_tokens" => Self::ForeignTokens,
            "unvouched" => Self::Unvouched,
            "target" => Self::Target,
            "selector" => Self::Selector,
            "findings" => Self::Findings,
            "suspicious" => Self::Suspicious,
            "harmful" => Self::Harmful,
            "worst" => Self::Worst,
            "answering" => Self::Answering,
            "args" => Self::Args,
            "numbers" => Self::Numbers,
            "args_complete" => Self::ArgsComplete,
            "act_depth" => Self::ActDepth,
            "user" => Self::User,
            "issuer" => Self::Issuer,
            "method" => Self::Method,
            "now" => Self::Now,
            "budget_used" => Self::BudgetUsed,
            "budget_left" => Self::BudgetLeft,
            "proposer" => Self::Proposer,
            "root" => Self::Root,
            _ => return None,
        })
    }

    /// The Cedar path, as explanations show it.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::PrincipalName => "principal.name",
            Self::PrincipalIssuer => "principal.issuer",
            Self::PrincipalMethod => "principal.method",
            Self::PrincipalUser => "principal.user",
            Self::PrincipalGroups => "principal in",
            Self::ResourceName => "resource.name",
            Self::ResourceOwner => "resource in",
            Self::Approved => "context.approved",
            Self::Surface => "context.surface",
            Self::Streaming => "context.streaming",
            Self::Bytes => "context.bytes",
            Self::Pin => "context.pin",
            Self::ReadOnly => "context.read_only",
            Self::Destructive => "context.destructive",
            Self::OpenWorld => "context.open_world",
            Self::Effect => "context.effect",
            Self::Called => "context.called",
            Self::Joined => "context.joined",
            Self::Crosses => "context.crosses",
            Self::Reviewed => "context.reviewed",
            Self::Whole => "context.whole",
            Self::Tainted => "context.tainted",
            Self::Secret => "context.secret",
            Self::External => "context.external",
            Self::Readable => "context.readable",
            Self::Bounded => "context.bounded",
            Self::ForeignTokens => "context.foreign_tokens",
            Self::Unvouched => "context.unvouched",
            Self::Target => "context.target",
            Self::Selector => "context.selector",
            Self::Findings => "context.findings",
            Self::Suspicious => "context.suspicious",
            Self::Harmful => "context.harmful",
            Self::Worst => "context.worst",
            Self::Answering => "context.answering",
            Self::Args => "context.args",
            Self::Numbers => "context.numbers",
            Self::ArgsComplete => "context.args_complete",
            Self::ActDepth => "context.act_depth",
            Self::User => "context.user",
            Self::Issuer => "context.issuer",
            Self::Method => "context.method",
            Self::Now => "context.now",
            Self::BudgetUsed => "context.budget_used",
            Self::BudgetLeft => "context.budget_left",
            Self::Proposer => "context.proposer",
            Self::Root => "context.root",
        }
    }

    const fn is_optional(self) -> bool {
        matches!(
            self,
            Self::ReadOnly
                | Self::Destructive
                | Self::OpenWorld
                | Self::User
                | Self::BudgetLeft
                | Self::Proposer
        )
    }
}

/// The least severity of the findings whose kinds this set has.
const fn least(slot: Slot) -> i64 {
    match slot {
        Slot::Harmful => Severity::High.rank(),
        Slot::Suspicious => Severity::Medium.rank(),
        _ => i64::MIN,
    }
}

/// Why evidence can't be put before a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    /// `a/b` + `c` and `a` + `b/c` would be one entity id, and a permit for the one would be a permit for the other.
    #[error("the name of a server or upstream has a slash, so ids under it are ambiguous")]
    Slash,
    /// Policies were not validated for this pair.
    #[error("this action does not apply to this kind of resource")]
    Pair,
}

/// How looking up an attribute of an entity went.
pub(crate) enum Lookup<'a> {
    NoEntity,
    NoAttribute,
    Found(Slot, Value<'a>),
}

/// The facts of one call.
#[derive(Clone)]
pub(crate) struct Request<'e> {
    pub(crate) evidence: &'e Evidence,
    pub(crate) action: Action,
    pub(crate) principal: Entity<'e>,
    pub(crate) resource_kind: Kind,
    pub(crate) resource_id: Cow<'e, str>,
    /// The server or upstream the resource belongs to.
    pub(crate) owner: Option<Entity<'e>>,
    name: &'e str,
    user: Option<&'e str>,
    /// Kinds of what was seen, each with the worst severity that it was seen at.
    findings: Vec<(&'static str, i64)>,
    worst: i64,
    arguments: Option<&'e Arguments>,
    flow: &'e Flow,
    /// The answer to `context.approved`.
    pub(crate) approved: bool,
    /// Context is unknown; only principal, action and resource can be read.
    pub(crate) partial: bool,
}

impl<'e> Request<'e> {
    /// # Errors
    /// [`Unfit`]: the call must be denied.
    pub(crate) fn new(evidence: &'e Evidence) -> Result<Self, Unfit> {
        let call = &evidence.call;
        let (resource_kind, name, owner) = parts(&call.resource);
        if owner.is_some_and(|owner| owner.id.contains('/')) {
            return Err(Unfit::Slash);
        }
        if !applies(call.action, resource_kind) {
            return Err(Unfit::Pair);
        }
        let resource_id = match owner {
            Some(owner) => Cow::Owned([owner.id, "/", name].concat()),
            None if name.contains('/') && matches!(resource_kind, Kind::Server | Kind::Upstream) => {
                return Err(Unfit::Slash);
            }
            None => Cow::Borrowed(name),
        };
        let mut kinds: BTreeMap<&'static str, i64> = BTreeMap::new();
        for found in &evidence.findings {
            let rank = found.severity.rank();
            let at = kinds.entry(found.kind.as_str()).or_insert(rank);
            *at = rank.max(*at);
        }
        let worst = kinds.values().copied().max().unwrap_or(-1);
        Ok(Self {
            evidence,
            action: call.action,
            principal: Entity {
                kind: Kind::Agent,
                id: evidence.principal.agent.as_str(),
            },
            resource_kind,
            resource_id,
            owner,
            name,
            user: evidence.principal.user.as_ref().map(|user| user.as_str()),
            findings: kinds.into_iter().collect(),
            worst,
            arguments: call.arguments.as_ref(),
            flow: flow(call),
            approved: false,
            partial: false,
        })
    }

    pub(crate) fn resource(&self) -> Entity<'_> {
        Entity {
            kind: self.resource_kind,
            id: &self.resource_id,
        }
    }

    /// A context attribute: `None` where it is absent.
    pub(crate) fn read(&self, slot: Slot) -> Option<Value<'_>> {
        let call = &self.evidence.call;
        if self.partial {
            return Some(Value::Unknown);
        }
        let hint = |hint: Option<bool>| hint.map(Value::Bool);
        Some(match slot {
            Slot::Approved => Value::Bool(self.approved),
            Slot::Surface => Value::Text(call.surface.as_str()),
            Slot::Streaming => Value::Bool(call.streaming),
            Slot::Bytes => Value::Long(i64::try_from(call.bytes).unwrap_or(i64::MAX)),
            Slot::Pin => Value::Text(call.pin.as_str()),
            Slot::ReadOnly => return hint(call.effects.read_only),
            Slot::Destructive => return hint(call.effects.destructive),
            Slot::OpenWorld => return hint(call.effects.open_world),
            Slot::Effect => Value::Text(self.flow.effect.as_str()),
            Slot::Called => Value::Text(self.flow.called.as_str()),
            Slot::Joined => Value::Text(self.flow.joined.as_str()),
            Slot::Crosses => Value::Bool(self.flow.crosses),
            Slot::Reviewed => Value::Bool(self.flow.reviewed),
            Slot::Whole => Value::Bool(self.flow.whole),
            Slot::Tainted => Value::Bool(self.flow.tainted),
            Slot::Secret => Value::Bool(self.flow.secret),
            Slot::External => Value::Bool(self.flow.external),
            Slot::Readable => Value::Bool(self.flow.readable),
            Slot::Bounded => Value::Bool(self.flow.bounded),
            Slot::ForeignTokens => Value::Long(i64::from(self.flow.foreign_tokens)),
            Slot::Unvouched => Value::Set(unvouched(self.flow).map(Value::Text).collect()),
            Slot::Target => Value::Text(self.flow.worst(Role::Target).as_str()),
            Slot::Selector => Value::Text(self.flow.worst(Role::Selector).as_str()),
            Slot::Findings | Slot::Suspicious | Slot::Harmful => {
                let from = least(slot);
                let kinds = self.findings.iter().filter(|(_, rank)| *rank >= from);
                Value::Set(kinds.map(|(kind, _)| Value::Text(kind)).collect())
            }
            Slot::Worst => Value::Long(self.worst),
            Slot::Answering => Value::Bool(self.evidence.answering),
            Slot::Args => Value::Entity(Entity {
                kind: Kind::Arguments,
                id: ARGUMENTS_ID,
            }),
            Slot::Numbers => Value::Entity(Entity {
                kind: Kind::Quantities,
                id: ARGUMENTS_ID,
            }),
            // A call without arguments has all of them here.
            Slot::ArgsComplete => Value::Bool(self.arguments.is_none_or(|arguments| arguments.complete)),
            Slot::ActDepth => {
                Value::Long(i64::try_from(self.evidence.principal.act.len()).unwrap_or(i64::MAX))
            }
            Slot::User => return self.user.map(Value::Text),
            Slot::Issuer | Slot::PrincipalIssuer => Value::Text(self.evidence.principal.issuer.as_str()),
            Slot::Method | Slot::PrincipalMethod => Value::Text(method(self.evidence.principal.method)),
            Slot::Now => Value::Time(millis(self.evidence.now)),
            Slot::BudgetUsed => Value::Long(budget_used(call)),
            Slot::BudgetLeft => return budget_left(call).map(Value::Long),
            Slot::Root => Value::Text(root(&self.evidence.principal)),
            Slot::Proposer => return call.proposer.as_deref().map(Value::Text),
            Slot::PrincipalName => Value::Text(self.principal.id),
            Slot::PrincipalUser => return self.user.map(|id| Value::Entity(Entity { kind: Kind::User, id })),
            Slot::PrincipalGroups => {
                let groups = self.evidence.principal.groups.iter();
                Value::Set(groups.map(|group| Value::Text(group.as_str())).collect())
            }
            Slot::ResourceName => Value::Text(self.name),
            Slot::ResourceOwner => return self.owner.map(Value::Entity),
        })
    }

    /// `context has slot`.
    pub(crate) fn has(&self, slot: Slot) -> Value<'_> {
        if self.partial && slot.is_optional() {
            return Value::Unknown;
        }
        Value::Bool(self.is_there(slot))
    }

    /// Whether a request whose context is known has this.
    pub(crate) fn is_there(&self, slot: Slot) -> bool {
        !slot.is_optional() || self.read(slot).is_some()
    }

    /// `context.findings.contains(kind)`, or that of what is suspicious or harmful.
    pub(crate) fn found(&self, slot: Slot, kind: &str) -> bool {
        let from = least(slot);
        self.findings
            .iter()
            .any(|(seen, rank)| *seen == kind && *rank >= from)
    }

    /// An attribute of an entity. Known even where the context is not: who calls what never is in doubt.
    pub(crate) fn attribute(&self, entity: Entity<'_>, attribute: &str) -> Lookup<'_> {
        let text = |slot, value| Lookup::Found(slot, Value::Text(value));
        if entity == self.principal {
            let principal = &self.evidence.principal;
            return match (attribute, self.user) {
                ("name", _) => text(Slot::PrincipalName, self.principal.id),
                ("issuer", _) => text(Slot::PrincipalIssuer, principal.issuer.as_str()),
                ("method", _) => text(Slot::PrincipalMethod, method(principal.method)),
                ("user", Some(id)) => Lookup::Found(
                    Slot::PrincipalUser,
                    Value::Entity(Entity { kind: Kind::User, id }),
                ),
                _ => Lookup::NoAttribute,
            };
        }
        if entity == self.resource() {
            let named = if entity.kind == Kind::McpResource {
                "uri"
            } else {
                "name"
            };
            let owned = match self.owner.map(|owner| owner.kind) {
                Some(Kind::Server) => "server",
                Some(_) => "upstream",
                None => "",
            };
            return match self.owner {
                _ if attribute == named => text(Slot::ResourceName, self.name),
                Some(owner) if attribute == owned => text(Slot::ResourceOwner, owner.id),
                _ => Lookup::NoAttribute,
            };
        }
        match self.owner {
            Some(owner) if owner == entity && attribute == "name" => text(Slot::ResourceOwner, owner.id),
            Some(owner) if owner == entity => Lookup::NoAttribute,
            _ => Lookup::NoEntity,
        }
    }

    /// Cedar's `in` between two entities: equal, or a parent.
    pub(crate) fn is_in(&self, entity: Entity<'_>, ancestor: Entity<'_>) -> bool {
        entity == ancestor
            || (entity == self.principal
                && ancestor.kind == Kind::Group
                && self.evidence.principal.groups.contains(ancestor.id))
            || (self.owner == Some(ancestor) && entity == self.resource())
    }

    /// A tag of an entity: `Err` where the entity has no tags because it does not exist.
    pub(crate) fn tag(&self, entity: Entity<'_>, key: &str) -> Result<Option<Value<'_>>, ()> {
        match entity.kind {
            Kind::Arguments if entity.id == ARGUMENTS_ID => Ok(self
                .arguments
                .and_then(|all| all.texts.get(key))
                .map(|text| Value::Text(text))),
            Kind::Quantities if entity.id == ARGUMENTS_ID => Ok(self
                .arguments
                .and_then(|all| all.numbers.get(key))
                .map(|number| Value::Long(*number))),
            _ if entity == self.principal || entity == self.resource() || self.owner == Some(entity) => {
                Ok(None)
            }
            _ => Err(()),
        }
    }
}

/// Thousandths used of the budget that is used most.
pub(crate) fn budget_used(call: &CallFacts) -> i64 {
    let used = call
        .spending
        .as_ref()
        .map_or(0, |spending| spending.used_permille());
    i64::try_from(used).unwrap_or(i64::MAX)
}

/// Millionths of a dollar left in the budget of money that has least; `None` where none counts the call.
pub(crate) fn budget_left(call: &CallFacts) -> Option<i64> {
    let left = call.spending.as_ref()?.left(Meter::MicroUsd)?;
    Some(i64::try_from(left).unwrap_or(i64::MAX))
}

/// What flow knows of a call; the strictest where it was not looked at.
pub(crate) fn flow(call: &CallFacts) -> &Flow {
    static UNKNOWN: Flow = Flow::UNKNOWN;
    call.flow.as_deref().unwrap_or(&UNKNOWN)
}

/// Roles with an argument that nobody vouches for; of a call that is not whole, all of them.
pub(crate) fn unvouched(flow: &Flow) -> impl Iterator<Item = &'static str> {
    ROLES
        .iter()
        .filter(|role| !flow.worst(**role).vouched())
        .map(|role| role.as_str())
}

/// In the order of their words, which is that of Cedar's sets.
const ROLES: [Role; 7] = [
    Role::Amount,
    Role::Content,
    Role::Selector,
    Role::Target,
    Role::Time,
    Role::Unknown,
    Role::Value,
];

/// A resource's kind, own name, and owner.
pub(crate) fn parts(resource: &Resource) -> (Kind, &str, Option<Entity<'_>>) {
    let server = |id| {
        Some(Entity {
            kind: Kind::Server,
            id,
        })
    };
    let upstream = |id| {
        Some(Entity {
            kind: Kind::Upstream,
            id,
        })
    };
    match resource {
        Resource::Model { model, upstream: at } => (Kind::Model, model.as_str(), upstream(at.as_str())),
        Resource::Upstream { upstream } => (Kind::Upstream, upstream.as_str(), None),
        Resource::Tool { server: at, tool } => (Kind::Tool, tool.as_str(), server(at.as_str())),
        Resource::AgentTool { tool } => (Kind::AgentTool, tool.as_str(), None),
        Resource::HostedTool { upstream: at, tool } => {
            (Kind::HostedTool, tool.as_str(), upstream(at.as_str()))
        }
        Resource::Server { server } => (Kind::Server, server.as_str(), None),
        Resource::McpResource { server: at, uri } => (Kind::McpResource, uri, server(at.as_str())),
        Resource::Prompt { server: at, prompt } => (Kind::Prompt, prompt.as_str(), server(at.as_str())),
        Resource::Peer { peer } => (Kind::Peer, peer.as_str(), None),
        Resource::Site { site } => (Kind::Site, site.as_str(), None),
    }
}

/// The `appliesTo` of the schema; a test holds the two together.
pub(crate) const fn applies(action: Action, kind: Kind) -> bool {
    match action {
        Action::Generate | Action::ListModels | Action::UseServerHistory => {
            matches!(kind, Kind::Model | Kind::Upstream)
        }
        Action::ProposeTool => matches!(kind, Kind::AgentTool | Kind::Tool),
        Action::UseHostedTool => matches!(kind, Kind::HostedTool | Kind::Upstream),
        Action::CallTool => matches!(kind, Kind::Tool),
        Action::Restore => matches!(kind, Kind::Tool | Kind::Model),
        Action::ReadResource | Action::SubscribeResource => matches!(kind, Kind::McpResource | Kind::Server),
        Action::GetPrompt => matches!(kind, Kind::Prompt),
        Action::Complete => matches!(kind, Kind::Prompt | Kind::McpResource | Kind::Server),
        Action::Sample => matches!(kind, Kind::Server | Kind::Model),
        Action::Connect
        | Action::ListTools
        | Action::ListResources
        | Action::ListPrompts
        | Action::SetLogLevel
        | Action::Elicit
        | Action::ListRoots => matches!(kind, Kind::Server),
        Action::Notify | Action::Other => matches!(kind, Kind::Server | Kind::Upstream),
        Action::SendMessage | Action::ReadTask | Action::CancelTask | Action::SetPush | Action::ReadCard => {
            matches!(kind, Kind::Peer)
        }
        Action::FetchWeb | Action::OpenTunnel => matches!(kind, Kind::Site),
    }
}

/// The word for how a credential was checked.
/// How that was checked which the credential rests on: of a delegation what it began with, else the credential itself.
pub(crate) fn root(principal: &bartizan_types::Principal) -> &'static str {
    method(principal.root.unwrap_or(principal.method))
}

pub(crate) const fn method(method: AuthMethod) -> &'static str {
    match method {
        AuthMethod::ApiKey => "api_key",
        AuthMethod::Jwt => "jwt",
        AuthMethod::Certificate => "certificate",
        AuthMethod::Delegated => "delegated",
        AuthMethod::Local => "local",
    }
}

/// Cedar's datetime of a time, cut at the end of the year 9999.
pub(crate) fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.unix_millis().min(LAST_MILLIS)).unwrap_or(i64::MAX)
}
