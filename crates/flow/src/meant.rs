//! Which record and whom the human's words mean, where they do not write it out.

use std::collections::BTreeSet;

use bartizan_types::flow::{Effect, Role, Source};

use crate::{
    amount::Amount,
    assess::Argument,
    derived::sum,
    intent::Intent,
    label::Writers,
    leaves::{Leaf, Leaves},
    memory::Memory,
    people, words,
};

/// Which record is meant, as far as the human says it.
pub(crate) fn picked(memory: &Memory, effect: Effect, seen: &mut [Argument]) {
    // What she wants kept is not what she wants gone.
    let spared = |a: &Argument| {
        let name = a.key.as_deref().and_then(|key| key.get(2..));
        a.role == Role::Selector
            && a.source == Source::Prompt
            && name.is_some_and(|name| memory.prompt.spares(name))
    };
    for argument in seen.iter_mut().filter(|a| effect == Effect::Delete && spared(a)) {
        argument.source = Source::Structured;
    }
    let reads = effect == Effect::Read;
    for argument in seen.iter_mut().filter(|a| {
        let which = matches!(a.role, Role::Selector | Role::Unknown);
        a.source == Source::Trusted && (which || reads && a.role == Role::Content)
    }) {
        let Some(key) = argument.key.as_deref() else {
            continue;
        };
        let passed = memory.named.passed_over(key)
            || !reads
                && (memory.singled.aside(key)
                    || memory.singled.passed_over(key)
                    || memory.extremes().passed_over(&memory.prompt, key));
        let means = || match effect {
            Effect::Delete => memory.singled.gone(key),
            _ => reads && memory.singled.means(key),
        };
        let alone = memory.named.lone(key) && !(effect == Effect::Delete && memory.singled.elsewhere(key));
        if memory.picked(key) || (alone || means()) && !passed {
            // The human named it by what it is, and a trusted list says which one that is.
            argument.source = Source::Picked;
        } else if memory.tainted() && passed {
            // She named another of that list.
            argument.source = Source::Structured;
            argument.writers = argument.writers.join(Writers::PARTY);
        }
    }
}

/// Targets that the human's words name without writing them out (see [`crate::named`]).
pub(crate) fn name_targets(
    memory: &Memory,
    intent: &Intent,
    effect: Effect,
    leaves: &Leaves<'_>,
    seen: &mut [Argument],
) {
    if !seen.iter().any(|a| a.role == Role::Target && !a.source.vouched()) {
        return;
    }
    let sums: Vec<Amount> = seen
        .iter()
        .filter(|a| a.role == Role::Amount)
        .filter_map(sum)
        .collect();
    let targets: BTreeSet<&str> = seen
        .iter()
        .zip(&leaves.out)
        .filter_map(|(a, (_, leaf))| match leaf {
            Leaf::Text(text) if a.role == Role::Target => Some(*text),
            _ => None,
        })
        .collect();
    let field = matches!(effect, Effect::Send | Effect::Write) && memory.named.field(&targets, memory.own());
    let people = addressed(memory, effect, leaves, seen);
    for (at, (argument, (_, leaf))) in seen.iter_mut().zip(&leaves.out).enumerate() {
        let Leaf::Text(text) = leaf else { continue };
        if argument.role != Role::Target || argument.source.vouched() {
            continue;
        }
        let named = match effect {
            Effect::Fetch => memory.named.link(text) || intent.wants_web() && memory.named.found(text),
            Effect::Pay => memory.named.origin(text, &sums),
            _ => field || people.contains(&at),
        };
        if named {
            argument.link = (effect == Effect::Fetch).then(|| (*text).into());
            argument.source = Source::Named;
        }
    }
}

/// What invitations are sent to.
const INVITED: [&str; 5] = ["attendee", "participant", "guest", "invitee", "invite"];

/// Places of targets that are whom she names (see [`crate::people`]). Only of what hands words to somebody, and of
/// invitations.
fn addressed(memory: &Memory, effect: Effect, leaves: &Leaves<'_>, seen: &[Argument]) -> BTreeSet<usize> {
    let mut goes: Vec<(usize, Box<str>)> = Vec::new();
    let mut more: BTreeSet<Box<str>> = BTreeSet::new();
    for (at, (argument, (path, leaf))) in seen.iter().zip(&leaves.out).enumerate() {
        let Leaf::Text(text) = leaf else { continue };
        let invited = || {
            path.iter()
                .any(|part| INVITED.contains(&words::singular(&part.to_lowercase())))
        };
        let hands = effect == Effect::Send || effect == Effect::Write && invited();
        let key = people::spoken(text).filter(|_| argument.role == Role::Target && hands);
        match key {
            Some(key) if argument.source.vouched() => drop(more.insert(key)),
            Some(key) => goes.push((at, key)),
            None => {}
        }
    }
    let to: BTreeSet<&str> = goes.iter().map(|(_, key)| &**key).collect();
    // A thing that her words single out among the answers to what she looked for.
    let described = |id: &str| {
        memory.singled.means(id)
            && memory.singled.fits(id)
            && !memory.singled.passed_over(id)
            && !memory.named.passed_over(id)
    };
    let along = |a: &Argument| {
        !matches!(a.role, Role::Selector | Role::Unknown)
            || people::goes_along(&memory.people, &to, a.source, a.key.as_deref())
            || a.source == Source::Trusted && a.key.as_deref().is_some_and(described)
    };
    if goes.is_empty() || !seen.iter().all(along) {
        return BTreeSet::new();
    }
    let tenants = memory.tenants();
    let more: BTreeSet<&str> = more.iter().map(|key| &**key).collect();
    let all = memory.prompt.wording.everybody() && memory.people.everybody(&to, &more, tenants);
    // Who is invited already stays so when the record is changed.
    let there = |key: &str| {
        let ids = seen
            .iter()
            .filter(|a| a.role == Role::Selector && a.source.vouched());
        let mut ids = ids.filter_map(|a| a.key.as_deref());
        effect == Effect::Write && ids.any(|id| memory.people.with(key, id))
    };
    goes.iter()
        .filter(|(_, key)| all || there(key) || memory.people.means(key, tenants, effect == Effect::Send))
        .map(|(at, _)| *at)
        .collect()
}
