//! Text to policy: parse, check annotations, validate against the schema, compile, check the compiled form.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use bartizan_types::{Action, Arguments, Digest, Evidence, PolicyEffect, PolicyId};
use cedar_policy::{PolicySet, Schema, ValidationMode, Validator, pst};

use crate::program::{self, Node, Reads};
use crate::request::Request;
use crate::scope::{Index, Scope};
use crate::{Diagnostic, Pack, SCHEMA, diagnostic, selfcheck};

/// Largest policy file, in bytes.
const SOURCE_MAX_BYTES: usize = 1 << 20;
/// Most policies in one set.
const POLICIES_MAX: usize = 10_000;
/// Longest `@reason`, in bytes: it is shown to callers.
const REASON_MAX_BYTES: usize = 256;
/// Id under which faults of the request itself are recorded.
const REQUEST_ID: &str = "bartizan.request";

/// A policy file.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its name in diagnostics, and in the ids of policies without `@id`.
    pub name: &'a str,
    /// Its Cedar text, at most 1 MiB.
    pub text: &'a str,
}

/// One policy of a loaded set, for listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its id: `@id`, or the file's name and the policy's number in it (`team.cedar#2`).
    pub id: PolicyId,
    /// Permit or forbid.
    pub effect: PolicyEffect,
    /// Its `@reason`, or nothing.
    pub reason: String,
    /// The source it came from.
    pub file: String,
    /// Whether it runs in compiled form; otherwise Cedar's evaluator runs it.
    pub compiled: bool,
}

/// What a record keeps of the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The leaves that policies in scope may read.
    pub arguments: Option<Arguments>,
    /// Whether leaves were left out.
    pub pruned: bool,
}

/// How a policy's conditions are run.
#[derive(Debug)]
pub(crate) enum Body {
    Compiled(Node),
    /// A set of this policy alone.
    Cedar(Box<PolicySet>),
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: PolicyId,
    pub(crate) effect: PolicyEffect,
    pub(crate) reason: String,
    pub(crate) deferred: bool,
    pub(crate) scope: Scope,
    pub(crate) reads: Reads,
    pub(crate) body: Body,
}

/// A policy set: parsed, validated, sliced, compiled; immutable.
#[derive(Debug)]
pub struct Policy {
    pub(crate) rules: Vec<Rule>,
    pub(crate) index: Index,
    pub(crate) request_id: PolicyId,
    statements: Vec<Statement>,
    lints: Vec<Diagnostic>,
    digest: Digest,
    observes: bool,
}

/// Makes a diagnostic, with its help, at the policy that is read.
type Fault<'a> = dyn Fn(String, &str) -> Vec<Diagnostic> + 'a;

/// A policy on its way in.
struct Draft<'a> {
    source: Source<'a>,
    span: std::ops::Range<usize>,
    id: PolicyId,
    policy: cedar_policy::Policy,
    tree: pst::StaticPolicy,
}

impl Policy {
    /// Loads a pack, files, or both. Neither gives the empty policy, which denies everything.
    ///
    /// # Errors
    /// Everything wrong, each with its place: text that does not parse, unknown annotations, ids that appear twice,
    /// templates, and whatever strict validation against [`SCHEMA`] finds.
    pub fn load(pack: Option<Pack>, files: &[Source<'_>]) -> Result<Self, Vec<Diagnostic>> {
        let name = pack.map(|pack| format!("pack:{pack}"));
        let packed = pack.zip(name.as_deref()).map(|(pack, name)| Source {
            name,
            text: pack.text(),
        });
        let sources: Vec<Source<'_>> = packed.into_iter().chain(files.iter().copied()).collect();

        let mut wrong = Vec::new();
        let mut drafts = Vec::new();
        for source in &sources {
            match parse(*source) {
                Ok(found) => drafts.extend(found),
                Err(found) => wrong.extend(found),
            }
        }
        if drafts.len() > POLICIES_MAX {
            let message = format!("{} policies; the limit is {POLICIES_MAX}", drafts.len());
            wrong.push(Diagnostic::error("", 0..0, message));
        }
        duplicates(&drafts, &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut lints = Vec::new();
        validate(&drafts, &mut wrong, &mut lints);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut rules = Vec::with_capacity(drafts.len());
        let mut statements = Vec::with_capacity(drafts.len());
        for draft in &drafts {
            let rule = rule(draft).map_err(|found| vec![found])?;
            diagnostic::lint(
                draft.source,
                draft.span.clone(),
                &draft.tree,
                &rule.reads,
                &mut lints,
            );
            statements.push(Statement {
                id: rule.id.clone(),
                effect: rule.effect,
                reason: rule.reason.clone(),
                file: draft.source.name.to_owned(),
                compiled: matches!(rule.body, Body::Compiled(_)),
            });
            rules.push(rule);
        }
        agree(&drafts, &rules)?;
        let request_id = PolicyId::new(REQUEST_ID)
            .map_err(|fault| vec![Diagnostic::error("", 0..0, fault.to_string())])?;
        Ok(Self {
            index: Index::new(rules.iter().map(|rule| (&rule.scope, rule.reads.arguments()))),
            rules,
            request_id,
            statements,
            lints,
            digest: digest(&sources, pack == Some(Pack::Observe)),
            observes: pack == Some(Pack::Observe),
        })
    }

    /// SHA-256 over the schema, whether it observes, and every source with its name, each with its length.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether what would be denied is let through, marked.
    #[must_use]
    pub fn observes(&self) -> bool {
        self.observes
    }

    /// What loaded, but deserves a look.
    #[must_use]
    pub fn lints(&self) -> &[Diagnostic] {
        &self.lints
    }

    /// The policies, in order of loading.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Whether any policy for this action reads arguments; where none does, they need not be decoded.
    #[must_use]
    pub fn needs_arguments(&self, action: Action) -> bool {
        self.index.reads_arguments(action)
    }

    /// The arguments a record of this call keeps so that its ruling can be recomputed: the leaves that policies in
    /// scope may read, and no others.
    #[must_use]
    pub fn keep(&self, evidence: &Evidence) -> Kept {
        let Some(whole) = &evidence.call.arguments else {
            return Kept {
                arguments: None,
                pruned: false,
            };
        };
        let mut keys = std::collections::BTreeSet::new();
        if let Ok(request) = Request::new(evidence) {
            for rule in self.in_scope(&request) {
                if rule.reads.any_key {
                    return Kept {
                        arguments: Some(whole.clone()),
                        pruned: false,
                    };
                }
                keys.extend(rule.reads.keys.iter());
            }
        }
        let kept = Arguments {
            texts: keys
                .iter()
                .filter_map(|key| whole.texts.get_key_value(*key))
                .map(owned)
                .collect(),
            numbers: keys
                .iter()
                .filter_map(|key| whole.numbers.get_key_value(*key))
                .map(owned)
                .collect(),
            exact: keys
                .iter()
                .filter_map(|key| whole.exact.get_key_value(*key))
                .map(owned)
                .collect(),
            complete: whole.complete,
        };
        let pruned = kept != *whole;
        Kept {
            arguments: Some(kept),
            pruned,
        }
    }

    /// Whether a record of this call that was pruned under another policy may lack a leaf that this policy reads.
    #[must_use]
    pub fn may_miss(&self, evidence: &Evidence) -> bool {
        let Some(kept) = &evidence.call.arguments else {
            return false;
        };
        let Ok(request) = Request::new(evidence) else {
            return false;
        };
        let held = |key: &String| kept.texts.contains_key(key) || kept.numbers.contains_key(key);
        self.in_scope(&request)
            .any(|rule| rule.reads.any_key || !rule.reads.keys.iter().all(held))
    }
}

fn owned<V: Clone>((key, value): (&String, &V)) -> (String, V) {
    (key.clone(), value.clone())
}

fn digest(sources: &[Source<'_>], observes: bool) -> Digest {
    let mut context = Context::new(&SHA256);
    let mut add = |part: &[u8]| {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    };
    add(b"bartizan policy 1");
    add(SCHEMA.as_bytes());
    add(&[u8::from(observes)]);
    for source in sources {
        add(source.name.as_bytes());
        add(source.text.as_bytes());
    }
    let mut bytes = [0; 32];
    bytes
        .iter_mut()
        .zip(context.finish().as_ref())
        .for_each(|(to, from)| *to = *from);
    Digest(bytes)
}

fn parse<'a>(source: Source<'a>) -> Result<Vec<Draft<'a>>, Vec<Diagnostic>> {
    if source.text.len() > SOURCE_MAX_BYTES {
        let message = format!(
            "the file has {} bytes; the limit is {SOURCE_MAX_BYTES}",
            source.text.len()
        );
        return Err(vec![Diagnostic::error(source.name, 0..0, message)]);
    }
    let set: PolicySet = match source.text.parse() {
        Ok(set) => set,
        Err(errors) => return Err(diagnostic::of_parse(source, &errors)),
    };
    let mut wrong = Vec::new();
    for template in set.templates() {
        let message = format!(
            "`{}` is a template; only whole policies can be loaded",
            template.id()
        );
        wrong.push(
            Diagnostic::error(source.name, 0..0, message).help("write the entity in place of the `?` slot"),
        );
    }
    let mut policies: Vec<(std::ops::Range<usize>, &cedar_policy::Policy)> = set
        .policies()
        .map(|policy| (diagnostic::span(policy), policy))
        .collect();
    policies.sort_by_key(|(span, _)| span.start);
    let mut drafts = Vec::new();
    for (at, (span, policy)) in policies.into_iter().enumerate() {
        let number = at.saturating_add(1);
        let fault = |message: String, help: &str| {
            vec![Diagnostic::error(source.name, span.clone(), message).help(help)]
        };
        match draft(source, span.clone(), number, policy, &fault) {
            Ok(draft) => drafts.push(draft),
            Err(found) => wrong.extend(found),
        }
    }
    if wrong.is_empty() { Ok(drafts) } else { Err(wrong) }
}

fn draft<'a>(
    source: Source<'a>,
    span: std::ops::Range<usize>,
    number: usize,
    policy: &cedar_policy::Policy,
    fault: &Fault<'_>,
) -> Result<Draft<'a>, Vec<Diagnostic>> {
    annotated(policy, fault)?;
    let id = id(source.name, number, policy, fault)?;
    let tree = match policy.to_pst() {
        Ok(pst::Policy::Static(tree)) => tree,
        _ => {
            return Err(fault(
                "the policy has no syntax tree of its own".to_owned(),
                "write it out in full",
            ));
        }
    };
    let named = policy.new_id(cedar_policy::PolicyId::new(id.as_str()));
    Ok(Draft {
        source,
        span,
        id,
        policy: named,
        tree,
    })
}

/// Refuses annotations that are unknown, or can't mean what they say.
fn annotated(policy: &cedar_policy::Policy, fault: &Fault<'_>) -> Result<(), Vec<Diagnostic>> {
    for (name, value) in policy.annotations() {
        match name {
            "id" => {}
            "reason" if value.len() > REASON_MAX_BYTES || value.chars().any(char::is_control) => {
                let message = format!("`@reason` must be one line of at most {REASON_MAX_BYTES} bytes");
                return Err(fault(message, "it is shown to callers as it stands"));
            }
            "reason" => {}
            "durability" if value == "deferred" => {}
            "durability" => {
                return Err(fault(
                    format!("`@durability` can't be `{}`", value.escape_debug()),
                    "the only value is `deferred`; without it the record is durable before the call is forwarded",
                ));
            }
            other => {
                return Err(fault(
                    format!("unknown annotation `@{other}`"),
                    "there are `@id`, `@reason` and `@durability`",
                ));
            }
        }
    }
    if policy.effect() == cedar_policy::Effect::Forbid && policy.annotation("durability").is_some() {
        return Err(fault(
            "`@durability` on a forbid means nothing".to_owned(),
            "remove it",
        ));
    }
    Ok(())
}

/// The policy's own id, or one of its file's name and its `number` there.
fn id(
    file: &str,
    number: usize,
    policy: &cedar_policy::Policy,
    fault: &Fault<'_>,
) -> Result<PolicyId, Vec<Diagnostic>> {
    if let Some(id) = policy.annotation("id") {
        return PolicyId::new(id).map_err(|why| {
            fault(
                format!("`@id` is no id: {why}"),
                "use printable ASCII without spaces",
            )
        });
    }
    let printable = |c: char| {
        if c.is_ascii_graphic() && !"\"\\<>`".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = file.chars().rev().take(200).map(printable).collect();
    let name: String = name.chars().rev().collect();
    PolicyId::new(&format!("{name}#{number}")).map_err(|why| {
        fault(
            format!("the file's name gives no id: {why}"),
            "give the policy an `@id`",
        )
    })
}

/// Holds every compiled rule to Cedar's own reading of it.
fn agree(drafts: &[Draft<'_>], rules: &[Rule]) -> Result<(), Vec<Diagnostic>> {
    let wrong: Vec<_> = drafts
        .iter()
        .zip(rules)
        .filter_map(|(draft, rule)| Some((draft, selfcheck::agrees(rule, &draft.policy).err()?)))
        .map(|(draft, found)| {
            Diagnostic::error(draft.source.name, draft.span.clone(), found.to_string())
                .help("this is a mistake of ours, not of the policy; please report it with the policy's text")
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn duplicates(drafts: &[Draft<'_>], wrong: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&PolicyId, &Draft<'_>> = BTreeMap::new();
    for draft in drafts {
        if let Some(first) = seen.insert(&draft.id, draft) {
            wrong.push(
                Diagnostic::error(
                    draft.source.name,
                    draft.span.clone(),
                    format!(
                        "the id `{}` is already that of a policy in `{}`",
                        draft.id, first.source.name
                    ),
                )
                .help("ids name policies in records and explanations, so each must be its own"),
            );
        }
    }
}

fn validate(drafts: &[Draft<'_>], wrong: &mut Vec<Diagnostic>, lints: &mut Vec<Diagnostic>) {
    let whole = |message: String| Diagnostic::error("", 0..0, message);
    let schema = match Schema::from_cedarschema_str(SCHEMA) {
        Ok((schema, _)) => schema,
        Err(error) => return wrong.push(whole(format!("the built-in schema does not parse: {error}"))),
    };
    let set = match PolicySet::from_policies(drafts.iter().map(|draft| draft.policy.clone())) {
        Ok(set) => set,
        Err(error) => return wrong.push(whole(error.to_string())),
    };
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    let place = |id: &cedar_policy::PolicyId| drafts.iter().find(|draft| draft.policy.id() == id);
    for error in result.validation_errors() {
        let place = place(error.policy_id()).map(|draft| (draft.source, draft.span.clone()));
        wrong.push(diagnostic::of_validation(error, place));
    }
    for warning in result.validation_warnings() {
        let place = place(warning.policy_id()).map(|draft| (draft.source, draft.span.clone()));
        lints.push(diagnostic::of_validation(warning, place).into_lint());
    }
    // Cedar reports per action, in no order of its own.
    for found in [wrong, lints] {
        found.sort_by(|a, b| (&a.file, a.span.start, &a.message).cmp(&(&b.file, b.span.start, &b.message)));
        found.dedup();
    }
}

fn rule(draft: &Draft<'_>) -> Result<Rule, Diagnostic> {
    let body = draft.tree.body();
    let compiled = program::compile(body.clauses());
    Ok(Rule {
        id: draft.id.clone(),
        effect: match body.effect {
            pst::Effect::Permit => PolicyEffect::Permit,
            pst::Effect::Forbid => PolicyEffect::Forbid,
        },
        reason: draft.policy.annotation("reason").unwrap_or_default().to_owned(),
        deferred: draft.policy.annotation("durability") == Some("deferred"),
        scope: Scope::of(body),
        reads: program::reads(body.clauses()),
        body: match compiled {
            Ok(node) => Body::Compiled(node),
            Err(program::Uncovered) => {
                let single = PolicySet::from_policies([draft.policy.clone()]).map_err(|error| {
                    Diagnostic::error(draft.source.name, draft.span.clone(), error.to_string())
                })?;
                Body::Cedar(Box::new(single))
            }
        },
    })
}

/// Rules of a text that is parsed but not validated, so that differential tests reach what validation would refuse.
#[cfg(test)]
pub(crate) fn unvalidated(text: &str) -> Result<Vec<(Rule, cedar_policy::Policy)>, Vec<Diagnostic>> {
    let drafts = parse(Source { name: "test", text })?;
    drafts
        .into_iter()
        .map(|draft| Ok((rule(&draft).map_err(|found| vec![found])?, draft.policy)))
        .collect()
}

#[cfg(test)]
impl Policy {
    pub(crate) fn unvalidated(text: &str) -> Self {
        let rules: Vec<Rule> = unvalidated(text)
            .unwrap()
            .into_iter()
            .map(|(rule, _)| rule)
            .collect();
        Self {
            index: Index::new(rules.iter().map(|rule| (&rule.scope, rule.reads.arguments()))),
            rules,
            request_id: PolicyId::new(REQUEST_ID).unwrap(),
            statements: Vec::new(),
            lints: Vec::new(),
            digest: Digest([0; 32]),
            observes: false,
        }
    }
}
