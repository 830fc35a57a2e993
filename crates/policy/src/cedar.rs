//! The same request for Cedar's own evaluator: the fallback for what is not compiled, and the oracle for what is.

use std::collections::{HashMap, HashSet};

use bartizan_types::{Evidence, Flow, Severity, flow::Role};
use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet,
    RestrictedExpression as Expr,
};

use crate::request::{ARGUMENTS_ID, Request, budget_left, budget_used, flow, method, root, unvouched};
use crate::value::{self, Kind};

/// Evidence that Cedar can't be given; the call is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call could not be put before Cedar's evaluator")]
pub(crate) struct Unbuildable;

/// A request with its entities.
pub(crate) struct CedarRequest {
    request: cedar_policy::Request,
    entities: Entities,
}

/// What Cedar says of a single policy: whether it is satisfied, or that it errs. The error's text is left behind, as
/// it may quote values of the call.
pub(crate) type Satisfied = Result<bool, ()>;

impl CedarRequest {
    pub(crate) fn new(request: &Request<'_>) -> Result<Self, Unbuildable> {
        Self::against(request, None)
    }

    /// With a schema, Cedar checks that the request conforms to it; tests do so.
    pub(crate) fn against(
        request: &Request<'_>,
        schema: Option<&cedar_policy::Schema>,
    ) -> Result<Self, Unbuildable> {
        let principal = uid(request.principal)?;
        let resource = uid(request.resource())?;
        let action = uid(value::Entity {
            kind: Kind::Action,
            id: request.action.as_str(),
        })?;
        let context = Context::from_pairs(context(request)?).map_err(|_| Unbuildable)?;
        let entities = Entities::from_entities(entities(request)?, schema).map_err(|_| Unbuildable)?;
        let request = cedar_policy::Request::new(principal, action, resource, context, schema);
        Ok(Self {
            request: request.map_err(|_| Unbuildable)?,
            entities,
        })
    }

    /// Evaluates a set of one policy.
    pub(crate) fn satisfies(&self, single: &PolicySet) -> Satisfied {
        let response = Authorizer::new().is_authorized(&self.request, single, &self.entities);
        if response.diagnostics().errors().next().is_some() {
            return Err(());
        }
        Ok(response.diagnostics().reason().next().is_some())
    }

    #[cfg(test)]
    pub(crate) fn authorize(&self, policies: &PolicySet) -> cedar_policy::Response {
        Authorizer::new().is_authorized(&self.request, policies, &self.entities)
    }
}

fn uid(entity: value::Entity<'_>) -> Result<EntityUid, Unbuildable> {
    let kind: EntityTypeName = entity.kind.type_name().parse().map_err(|_| Unbuildable)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(entity.id)))
}

fn text(text: &str) -> Expr {
    Expr::new_string(text.to_owned())
}

fn context(request: &Request<'_>) -> Result<Vec<(String, Expr)>, Unbuildable> {
    let evidence: &Evidence = request.evidence;
    let call = &evidence.call;
    let of_call = |kind| {
        uid(value::Entity {
            kind,
            id: ARGUMENTS_ID,
        })
    };
    let mut now = evidence.now.to_string();
    // Cedar's datetime has milliseconds: `2026-11-22T16:33:20.000` and the zone.
    now.truncate(23);
    now.push('Z');
    let kinds = |from: Severity| -> HashSet<&str> {
        let severe = evidence
            .findings
            .iter()
            .filter(|finding| finding.severity >= from);
        severe.map(|finding| finding.kind.as_str()).collect()
    };
    let worst = evidence
        .findings
        .iter()
        .map(|finding| finding.severity.rank())
        .max();
    let long = |number: usize| Expr::new_long(i64::try_from(number).unwrap_or(i64::MAX));
    let complete = call.arguments.as_ref().is_none_or(|arguments| arguments.complete);
    let mut pairs = vec![
        ("approved", Expr::new_bool(request.approved)),
        ("surface", text(call.surface.as_str())),
        ("streaming", Expr::new_bool(call.streaming)),
        (
            "bytes",
            Expr::new_long(i64::try_from(call.bytes).unwrap_or(i64::MAX)),
        ),
        ("pin", text(call.pin.as_str())),
        (
            "findings",
            Expr::new_set(kinds(Severity::Info).into_iter().map(text)),
        ),
        (
            "suspicious",
            Expr::new_set(kinds(Severity::Medium).into_iter().map(text)),
        ),
        (
            "harmful",
            Expr::new_set(kinds(Severity::High).into_iter().map(text)),
        ),
        ("worst", Expr::new_long(worst.unwrap_or(-1))),
        ("answering", Expr::new_bool(evidence.answering)),
        ("args", Expr::new_entity_uid(of_call(Kind::Arguments)?)),
        ("numbers", Expr::new_entity_uid(of_call(Kind::Quantities)?)),
        ("args_complete", Expr::new_bool(complete)),
        ("act_depth", long(evidence.principal.act.len())),
        ("issuer", text(evidence.principal.issuer.as_str())),
        ("method", text(method(evidence.principal.method))),
        ("root", text(root(&evidence.principal))),
        ("now", Expr::new_datetime(now)),
        ("budget_used", Expr::new_long(budget_used(call))),
    ];
    pairs.extend(of_flow(flow(call)));
    pairs.extend(optional(evidence));
    Ok(pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

/// What a context may lack.
fn optional(evidence: &Evidence) -> impl Iterator<Item = (&'static str, Expr)> {
    let call = &evidence.call;
    let hint = |hint: Option<bool>| hint.map(Expr::new_bool);
    let user = evidence.principal.user.as_ref();
    let all = [
        ("read_only", hint(call.effects.read_only)),
        ("destructive", hint(call.effects.destructive)),
        ("open_world", hint(call.effects.open_world)),
        ("budget_left", budget_left(call).map(Expr::new_long)),
        ("proposer", call.proposer.as_deref().map(text)),
        ("user", user.map(|user| text(user.as_str()))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

fn of_flow(flow: &Flow) -> [(&'static str, Expr); 15] {
    [
        ("effect", text(flow.effect.as_str())),
        ("called", text(flow.called.as_str())),
        ("joined", text(flow.joined.as_str())),
        ("crosses", Expr::new_bool(flow.crosses)),
        ("reviewed", Expr::new_bool(flow.reviewed)),
        ("whole", Expr::new_bool(flow.whole)),
        ("tainted", Expr::new_bool(flow.tainted)),
        ("secret", Expr::new_bool(flow.secret)),
        ("external", Expr::new_bool(flow.external)),
        ("readable", Expr::new_bool(flow.readable)),
        ("bounded", Expr::new_bool(flow.bounded)),
        ("foreign_tokens", Expr::new_long(i64::from(flow.foreign_tokens))),
        ("unvouched", Expr::new_set(unvouched(flow).map(text))),
        ("target", text(flow.worst(Role::Target).as_str())),
        ("selector", text(flow.worst(Role::Selector).as_str())),
    ]
}

fn entities(request: &Request<'_>) -> Result<Vec<Entity>, Unbuildable> {
    let principal = &request.evidence.principal;
    let mut all = Vec::new();
    let mut groups = HashSet::new();
    for group in &principal.groups {
        let group = uid(value::Entity {
            kind: Kind::Group,
            id: group,
        })?;
        all.push(Entity::new_no_attrs(group.clone(), HashSet::new()));
        groups.insert(group);
    }
    let mut attributes = HashMap::from([
        ("name".to_owned(), text(principal.agent.as_str())),
        ("issuer".to_owned(), text(principal.issuer.as_str())),
        ("method".to_owned(), text(method(principal.method))),
    ]);
    if let Some(user) = &principal.user {
        let user = uid(value::Entity {
            kind: Kind::User,
            id: user.as_str(),
        })?;
        all.push(Entity::new_no_attrs(user.clone(), HashSet::new()));
        attributes.insert("user".to_owned(), Expr::new_entity_uid(user));
    }
    let agent = Entity::new(uid(request.principal)?, attributes, groups);
    all.push(agent.map_err(|_| Unbuildable)?);

    let (kind, name, owner) = crate::request::parts(&request.evidence.call.resource);
    let named = if kind == Kind::McpResource { "uri" } else { "name" };
    let mut attributes = HashMap::from([(named.to_owned(), text(name))]);
    let mut parents = HashSet::new();
    if let Some(owner) = owner {
        let key = if owner.kind == Kind::Server {
            "server"
        } else {
            "upstream"
        };
        attributes.insert(key.to_owned(), text(owner.id));
        parents.insert(uid(owner)?);
        let its = HashMap::from([("name".to_owned(), text(owner.id))]);
        all.push(Entity::new(uid(owner)?, its, HashSet::new()).map_err(|_| Unbuildable)?);
    }
    let resource = Entity::new(uid(request.resource())?, attributes, parents);
    all.push(resource.map_err(|_| Unbuildable)?);

    let arguments = request.evidence.call.arguments.as_ref();
    let texts = arguments.into_iter().flat_map(|arguments| &arguments.texts);
    let numbers = arguments.into_iter().flat_map(|arguments| &arguments.numbers);
    let texts: Vec<(String, Expr)> = texts.map(|(key, leaf)| (key.clone(), text(leaf))).collect();
    let numbers: Vec<(String, Expr)> = numbers
        .map(|(key, leaf)| (key.clone(), Expr::new_long(*leaf)))
        .collect();
    for (kind, tags) in [(Kind::Arguments, texts), (Kind::Quantities, numbers)] {
        let id = uid(value::Entity {
            kind,
            id: ARGUMENTS_ID,
        })?;
        let entity = Entity::new_with_tags(id, HashMap::new(), HashSet::new(), tags);
        all.push(entity.map_err(|_| Unbuildable)?);
    }
    Ok(all)
}
