//! What a built-in tool of a coding agent does, as calls of a few plain tools that can be ruled on one by one.

use std::collections::BTreeMap;

use bartizan_types::flow::{Called, Effect, Flow, Joined, Role};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    assess::assess,
    decide::{Decision, decide},
    intent::Intent,
    manifest::{Class, Manifest, PathPattern},
    memory::Memory,
};

/// One thing that would happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// A plain tool of ours, one of [`TOOLS`]; its name is the verb by which a human asks for it.
    pub tool: String,
    /// What it does and its arguments' roles.
    pub manifest: Manifest,
    /// Its arguments: lists of texts.
    pub arguments: Value,
    /// It stays in the workspace, or the operator lets the agent run it: no question.
    pub within: bool,
    /// What it reads may hold credentials.
    pub secret: bool,
}

/// The plain tools, by which intent is known.
pub const TOOLS: [&str; 8] = [
    "read", "fetch", "write", "delete", "run", "install", "send", "unclear",
];

impl Step {
    /// A step with these arguments: name, role, values. Empty lists are left out.
    #[must_use]
    pub fn new(tool: &str, effect: Effect, arguments: &[(&str, Role, &[String])]) -> Self {
        let mut manifest = Manifest {
            effect,
            reviewed: effect != Effect::Unknown,
            ..Manifest::unknown()
        };
        let mut values = Map::new();
        for (name, role, texts) in arguments.iter().filter(|(_, _, texts)| !texts.is_empty()) {
            manifest
                .arguments
                .push((PathPattern::new(&format!("{name}.*")), *role));
            values.insert((*name).to_owned(), Value::from(texts.to_vec()));
        }
        Self {
            tool: tool.to_owned(),
            manifest,
            arguments: Value::Object(values),
            within: false,
            secret: false,
        }
    }

    /// A step that nobody can judge: it asks.
    #[must_use]
    pub fn unclear(why: &str, what: &str) -> Self {
        Self::new(
            "unclear",
            Effect::Unknown,
            &[
                ("why", Role::Value, &[why.to_owned()]),
                ("what", Role::Unknown, &[what.to_owned()]),
            ],
        )
    }

    #[must_use]
    pub(crate) fn within(mut self, within: bool) -> Self {
        self.within = within;
        self
    }

    #[must_use]
    pub(crate) fn secret(mut self, secret: bool) -> Self {
        self.secret = secret;
        self
    }

    /// The facts of this step. `secret`: a credential is read in the same breath.
    fn flow(&self, memory: &Memory, intent: &Intent, joined: Joined, secret: bool) -> Flow {
        let mut flow = assess(memory, intent, &self.tool, &self.manifest, &self.arguments).flow(joined);
        if self.within {
            // Whoever installed the hook asked for an agent that works here, and listed what it may run.
            return Flow {
                called: Called::Yes,
                external: false,
                foreign_tokens: 0,
                worst: BTreeMap::new(),
                ..flow
            };
        }
        flow.secret |= secret;
        if matches!(flow.effect, Effect::Execute | Effect::Fetch) && flow.called == Called::No {
            flow.called = Called::Elsewhere;
        }
        for argument in &mut flow.arguments {
            argument.path = format!("{}.{}", self.tool, argument.path);
        }
        flow
    }
}

/// The manifest under which the answer of all the steps together is read: text that anybody may have written, and a
/// secret if one of them reads credentials.
#[must_use]
pub fn result_manifest(steps: &[Step]) -> Manifest {
    let class = if steps.iter().any(|step| step.secret) {
        Class::Secret
    } else {
        Class::FreeText
    };
    Manifest {
        effect: Effect::Unknown,
        results: vec![(PathPattern::new("**"), class)],
        reviewed: true,
        ..Manifest::unknown()
    }
}

/// The facts of steps that happen together, one for each effect among them and the strictest first: of steps with the
/// same effect, those of the one that is ruled on most strictly. All have to pass. A credential that one step reads
/// counts for all. An execution that nobody asked for is a question and not a refusal: what a coding agent runs is seldom
/// spelled out.
#[must_use]
pub fn steps_flows(memory: &Memory, intent: &Intent, steps: &[Step], joined: Joined) -> Vec<Flow> {
    let secret = steps.iter().any(|step| step.secret);
    let mut worst: BTreeMap<Effect, Flow> = BTreeMap::new();
    for step in steps {
        let flow = step.flow(memory, intent, joined, secret);
        match worst.get(&flow.effect) {
            Some(known) if strictness(known) >= strictness(&flow) => {}
            _ => {
                worst.insert(flow.effect, flow);
            }
        }
    }
    let mut flows: Vec<Flow> = worst.into_values().collect();
    flows.sort_by_key(|flow| std::cmp::Reverse(strictness(flow)));
    if flows.is_empty() {
        flows.push(Flow::UNKNOWN);
    }
    flows
}

fn strictness(flow: &Flow) -> u8 {
    match decide(flow) {
        Decision::Allow => 0,
        Decision::Ask(_) => 1,
        Decision::Deny(_) => 2,
    }
}
