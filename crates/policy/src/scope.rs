//! A policy's head: whom, what and which resource it speaks of; and the index that finds policies by it.
//!
//! Slicing is sound because a policy whose head does not match can neither match nor err (its head is the left side
//! of a conjunction). A property test compares the sliced result with Cedar over the whole set.

use std::collections::BTreeMap;

use bartizan_types::Action;
use cedar_policy::pst;

use crate::program::action;
use crate::request::Request;
use crate::value::{Entity, Kind};

/// A constraint on principal or resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Any,
    /// Names a type that no request has.
    Never,
    Equal(Kind, Box<str>),
    In(Kind, Box<str>),
    Is(Kind),
    IsIn(Kind, Kind, Box<str>),
}

impl Target {
    fn matches(&self, entity: Entity<'_>, request: &Request<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Never => false,
            Self::Equal(kind, id) => entity == Entity { kind: *kind, id },
            Self::In(kind, id) => request.is_in(entity, Entity { kind: *kind, id }),
            Self::Is(kind) => entity.kind == *kind,
            Self::IsIn(is, kind, id) => {
                entity.kind == *is && request.is_in(entity, Entity { kind: *kind, id })
            }
        }
    }
}

/// A policy's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) principal: Target,
    /// `None`: any action.
    pub(crate) actions: Option<Vec<Action>>,
    pub(crate) resource: Target,
}

impl Scope {
    pub(crate) fn of(policy: &pst::Template) -> Self {
        let entity = |named: &pst::EntityOrSlot, make: &dyn Fn(Kind, Box<str>) -> Target| match named {
            pst::EntityOrSlot::Entity(uid) => match Kind::parse(&uid.ty.to_string()) {
                Some(kind) => make(kind, uid.eid.as_str().into()),
                None => Target::Never,
            },
            pst::EntityOrSlot::Slot(_) => Target::Never,
        };
        let is = |kind: &pst::EntityType| Kind::parse(&kind.to_string());
        let is_in = |kind: &pst::EntityType, named: &pst::EntityOrSlot| match is(kind) {
            Some(is) => entity(named, &|kind, id| Target::IsIn(is, kind, id)),
            None => Target::Never,
        };
        let principal = match &policy.principal {
            pst::PrincipalConstraint::Any => Target::Any,
            pst::PrincipalConstraint::Eq(named) => entity(named, &Target::Equal),
            pst::PrincipalConstraint::In(named) => entity(named, &Target::In),
            pst::PrincipalConstraint::Is(kind) => is(kind).map_or(Target::Never, Target::Is),
            pst::PrincipalConstraint::IsIn(kind, named) => is_in(kind, named),
        };
        let resource = match &policy.resource {
            pst::ResourceConstraint::Any => Target::Any,
            pst::ResourceConstraint::Eq(named) => entity(named, &Target::Equal),
            pst::ResourceConstraint::In(named) => entity(named, &Target::In),
            pst::ResourceConstraint::Is(kind) => is(kind).map_or(Target::Never, Target::Is),
            pst::ResourceConstraint::IsIn(kind, named) => is_in(kind, named),
        };
        let known = |uid: &pst::EntityUID| {
            let ours = uid.ty.to_string() == Kind::Action.type_name();
            ours.then(|| action(&uid.eid)).flatten()
        };
        let actions = match &policy.action {
            pst::ActionConstraint::Any => None,
            pst::ActionConstraint::Eq(uid) => Some(known(uid).into_iter().collect()),
            pst::ActionConstraint::In(uids) => Some(uids.iter().filter_map(known).collect()),
        };
        Self {
            principal,
            actions,
            resource,
        }
    }

    pub(crate) fn speaks_of(&self, action: Action) -> bool {
        self.actions
            .as_ref()
            .is_none_or(|actions| actions.contains(&action))
    }

    pub(crate) fn matches(&self, request: &Request<'_>) -> bool {
        self.speaks_of(request.action) && self.fits(request)
    }

    /// The same of a policy that speaks of the request's action, as those do that the index gives.
    pub(crate) fn fits(&self, request: &Request<'_>) -> bool {
        self.resource.matches(request.resource(), request)
            && self.principal.matches(request.principal, request)
    }
}

/// Policies by action, and within it those that name one resource by that resource's id.
#[derive(Debug, Default)]
pub(crate) struct Index {
    actions: BTreeMap<Action, ByResource>,
}

#[derive(Debug, Default)]
struct ByResource {
    /// Whether any of these policies reads arguments.
    arguments: bool,
    general: Vec<usize>,
    named: BTreeMap<Box<str>, Vec<usize>>,
}

impl Index {
    /// Of policies by their scope, and whether they read arguments.
    pub(crate) fn new<'s>(policies: impl Iterator<Item = (&'s Scope, bool)>) -> Self {
        let mut index = Self::default();
        for (at, (scope, arguments)) in policies.enumerate() {
            for action in Action::ALL.into_iter().filter(|action| scope.speaks_of(*action)) {
                let by_resource = index.actions.entry(action).or_default();
                match &scope.resource {
                    Target::Equal(_, id) => by_resource.named.entry(id.clone()).or_default().push(at),
                    Target::Never => continue,
                    _ => by_resource.general.push(at),
                }
                by_resource.arguments |= arguments;
            }
        }
        index
    }

    /// Positions of the policies whose head may match; [`Scope::fits`] has the last word.
    pub(crate) fn candidates(&self, request: &Request<'_>) -> impl Iterator<Item = usize> {
        let by_resource = self.actions.get(&request.action);
        let named = by_resource.and_then(|by| by.named.get(&*request.resource_id));
        let general = by_resource.map(|by| by.general.iter());
        general
            .into_iter()
            .flatten()
            .chain(named.into_iter().flatten())
            .copied()
    }

    /// Whether any policy that speaks of an action reads arguments.
    pub(crate) fn reads_arguments(&self, action: Action) -> bool {
        self.actions.get(&action).is_some_and(|by| by.arguments)
    }
}
