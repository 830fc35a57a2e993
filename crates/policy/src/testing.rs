//! Policy tests as files: requests with the ruling and the reasons they must get.
//!
//! ```toml
//! [[test]]
//! name = "nobody pays without approval"
//! agent = "mail"
//! action = "call_tool"
//! resource = 'Tool::"bank/pay"'
//! numbers = { amount = 900 }
//! expect = "ask"
//! reasons = ["bank.pay"]
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bartizan_types::{
    Action, Actor, AgentId, ApprovalId, Arguments, AuthMethod, BudgetName, CallFacts, CallId, Digest,
    Effects, Evidence, Finding, FindingKind, Flow, Issuer, KeyId, Meter, ModelName, PeerName, PinState,
    PolicyId, Principal, Resource, RulingWord, ServerName, SessionId, Severity, Share, SiteName, Spending,
    Surface, Timestamp, ToolName, UpstreamName, UserId,
};
use serde::Deserialize;

use crate::{Diagnostic, Policy};

/// Largest test file, in bytes.
const FILE_MAX_BYTES: usize = 1 << 20;

/// How one test of a test file went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// The test's name.
    pub name: String,
    /// Empty when it passed; else one sentence per difference.
    pub differences: Vec<String>,
}

impl TestOutcome {
    /// Whether everything was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    test: Vec<toml::Spanned<Case>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// `agent` without it.
    agent: Option<AgentId>,
    user: Option<UserId>,
    #[serde(default)]
    groups: BTreeSet<String>,
    issuer: Option<Issuer>,
    method: Option<AuthMethod>,
    /// What a delegation began with.
    root: Option<AuthMethod>,
    #[serde(default)]
    act_depth: u8,
    action: Action,
    resource: String,
    surface: Option<Surface>,
    #[serde(default)]
    streaming: bool,
    #[serde(default)]
    bytes: u64,
    pin: Option<PinState>,
    #[serde(default)]
    hints: Effects,
    #[serde(default)]
    args: BTreeMap<String, String>,
    #[serde(default)]
    numbers: BTreeMap<String, i64>,
    #[serde(default = "yes")]
    args_complete: bool,
    /// Thousandths used of the budget that is used most.
    budget_used: Option<u64>,
    /// Millionths of a dollar left in the budget of money that has least.
    budget_left: Option<u64>,
    /// The model whose answer proposes the call, as `upstream/model`.
    proposer: Option<String>,
    /// What information flow knows; what is not said reads as the strictest.
    flow: Option<Flow>,
    #[serde(default)]
    findings: Vec<Found>,
    #[serde(default)]
    answering: bool,
    #[serde(default)]
    approved: bool,
    /// RFC 3339; 2026-01-01T00:00:00Z without it.
    now: Option<toml::value::Datetime>,
    expect: RulingWord,
    reasons: Option<BTreeSet<PolicyId>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    kind: FindingKind,
    severity: Severity,
}

fn yes() -> bool {
    true
}

/// Runs a test file (TOML) against a policy. Under an observing policy the ruling compared is the one it would have
/// enforced.
///
/// # Errors
/// The file is not a test file; says where.
pub fn run_tests(policy: &Policy, file: &str, text: &str) -> Result<Vec<TestOutcome>, Diagnostic> {
    if text.len() > FILE_MAX_BYTES {
        let message = format!("the file has {} bytes; the limit is {FILE_MAX_BYTES}", text.len());
        return Err(Diagnostic::error(file, 0..0, message));
    }
    let cases: File = toml::from_str(text).map_err(|error| {
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        Diagnostic::error(file, error.span().unwrap_or(0..0), message)
    })?;
    let mut outcomes = Vec::with_capacity(cases.test.len());
    for case in cases.test {
        let span = case.span();
        let case = case.into_inner();
        let evidence = evidence(&case).map_err(|message| {
            Diagnostic::error(file, span, format!("in test `{}`: {message}", case.name))
                .help("a resource is written as in policies, such as 'Tool::\"server/tool\"'")
        })?;
        outcomes.push(TestOutcome {
            differences: differences(policy, &case, &evidence),
            name: case.name,
        });
    }
    Ok(outcomes)
}

fn word(ruling: RulingWord) -> &'static str {
    match ruling {
        RulingWord::Allow => "allow",
        RulingWord::Ask => "ask",
        RulingWord::Deny => "deny",
    }
}

fn differences(policy: &Policy, case: &Case, evidence: &Evidence) -> Vec<String> {
    let decision = policy.rule(evidence);
    let mut differences = Vec::new();
    if decision.ruling != case.expect {
        let (expected, got) = (word(case.expect), word(decision.ruling));
        differences.push(format!("expected `{expected}`, got `{got}`"));
    }
    // Only what reads flow can be stricter for the lack of it.
    if case.flow.is_none() && stricter(decision.ruling, case.expect) && traced(case.action) {
        differences.push(
            "no `flow` is given, so what information flow knows of the call reads as the strictest: effect unknown, \
             asked for by nobody; see `[test.flow]` in docs/guides/policy.md"
                .to_owned(),
        );
    }
    for (id, error) in &decision.because.errors {
        differences.push(format!("policy `{id}` failed: {error}"));
    }
    if let Some(expected) = &case.reasons {
        let because = &decision.because;
        let got: BTreeSet<PolicyId> = because
            .policies
            .iter()
            .chain(&because.would_permit)
            .map(|policy| policy.id.clone())
            .collect();
        for id in expected.difference(&got) {
            differences.push(format!("policy `{id}` did not decide"));
        }
        for id in got.difference(expected) {
            differences.push(format!("policy `{id}` decided, and was not expected to"));
        }
    }
    differences
}

/// Whether a ruling lets less pass than was expected.
fn stricter(got: RulingWord, expected: RulingWord) -> bool {
    let weight = |word| match word {
        RulingWord::Allow => 0,
        RulingWord::Ask => 1,
        RulingWord::Deny => 2,
    };
    weight(got) > weight(expected)
}

/// Whether calls of this action have arguments that are traced.
fn traced(action: Action) -> bool {
    matches!(
        action,
        Action::CallTool
            | Action::ProposeTool
            | Action::ReadResource
            | Action::GetPrompt
            | Action::Complete
            | Action::SendMessage
    )
}

fn evidence(case: &Case) -> Result<Evidence, String> {
    let now = match &case.now {
        None => Timestamp::from_unix_seconds(1_767_225_600),
        Some(text) => time(&text.to_string())?,
    };
    let resource = resource(&case.resource)?;
    if !crate::request::applies(case.action, crate::request::parts(&resource).0) {
        return Err(format!(
            "`{}` does not apply to a {}",
            case.action.as_str(),
            resource.type_name()
        ));
    }
    let tool = matches!(case.action, Action::CallTool);
    let arguments = Arguments {
        texts: case.args.clone(),
        numbers: case.numbers.clone(),
        complete: case.args_complete,
        ..Arguments::default()
    };
    let empty = arguments.texts.is_empty() && arguments.numbers.is_empty() && arguments.complete;
    Ok(Evidence {
        now,
        principal: principal(case).map_err(|fault| fault.to_string())?,
        session: SessionId::mint(now, 0),
        epoch: 0,
        call: CallFacts {
            id: CallId::mint(now, 0),
            action: case.action,
            resource,
            surface: case.surface.unwrap_or(Surface::Mcp),
            streaming: case.streaming,
            bytes: case.bytes,
            digest: Digest([0; 32]),
            pin: case
                .pin
                .unwrap_or(if tool { PinState::Same } else { PinState::None }),
            effects: case.hints,
            arguments: (!empty).then_some(arguments),
            flow: case.flow.clone().map(Box::new),
            spending: spending(case).map(Box::new),
            proposer: case.proposer.as_deref().map(Into::into),
            bar: None,
            secrets: Default::default(),
        },
        findings: case.findings.iter().map(finding).collect(),
        answering: case.answering,
        approved: case.approved.then(|| ApprovalId::mint(now, 0)),
    })
}

/// Budgets that read as the case says.
fn spending(case: &Case) -> Option<Spending> {
    let share = |meter, limit, used| {
        let budget = BudgetName::new("test").ok()?;
        Some(Share {
            budget,
            of: String::new(),
            meter,
            limit,
            used,
        })
    };
    let used = case.budget_used.and_then(|used| share(Meter::Calls, 1000, used));
    let left = case.budget_left.and_then(|left| share(Meter::MicroUsd, left, 0));
    let shares: Vec<Share> = used.into_iter().chain(left).collect();
    (!shares.is_empty()).then(|| Spending {
        shares,
        ..Spending::default()
    })
}

fn principal(case: &Case) -> Result<Principal, bartizan_types::IdFault> {
    let actor = Actor {
        sub: "actor".to_owned(),
        iss: None,
        bounds: None,
        key: None,
    };
    let agent = match &case.agent {
        Some(agent) => agent.clone(),
        None => AgentId::new("agent")?,
    };
    let issuer = match &case.issuer {
        Some(issuer) => issuer.clone(),
        None => Issuer::new("local")?,
    };
    Ok(Principal {
        agent,
        user: case.user.clone(),
        act: vec![actor; usize::from(case.act_depth)],
        groups: case.groups.clone(),
        scopes: BTreeSet::new(),
        issuer,
        credential: KeyId::new("test")?,
        rests: Default::default(),
        method: case.method.unwrap_or(AuthMethod::ApiKey),
        root: case.root,
        anchor: None,
        expires: None,
    })
}

fn finding(found: &Found) -> Finding {
    Finding {
        kind: found.kind,
        severity: found.severity,
        what: "".into(),
        score: 1000,
        span: None,
        pointer: String::new(),
        taxonomy: Vec::new(),
    }
}

/// Milliseconds of a TOML datetime, read by Cedar so that tests and policies agree on what a date is.
fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is no time with a zone, such as 2026-01-01T12:00:00Z");
    let millis = crate::program::datetime_millis(text).ok_or_else(wrong)?;
    u64::try_from(millis)
        .map(Timestamp::from_unix_millis)
        .map_err(|_| wrong())
}

/// `Tool::"server/tool"`, with or without `Bartizan::`.
fn resource(text: &str) -> Result<Resource, String> {
    let wrong = || format!("`{text}` is no resource");
    let bare = text.strip_prefix("Bartizan::").unwrap_or(text);
    let (kind, id) = bare.split_once("::").ok_or_else(wrong)?;
    let id = id
        .strip_prefix('"')
        .and_then(|id| id.strip_suffix('"'))
        .ok_or_else(wrong)?;
    let fault = |fault: bartizan_types::IdFault| format!("`{text}`: {fault}");
    let two = || {
        id.split_once('/')
            .ok_or_else(|| format!("`{text}` needs an owner and a name: `owner/name`"))
    };
    let server = |owner: &str| ServerName::new(owner).map_err(fault);
    let upstream = |owner: &str| UpstreamName::new(owner).map_err(fault);
    let tool = |name: &str| ToolName::new(name).map_err(fault);
    Ok(match kind {
        "Model" => {
            let (owner, name) = two()?;
            Resource::Model {
                model: ModelName::new(name).map_err(fault)?,
                upstream: upstream(owner)?,
            }
        }
        "Upstream" => Resource::Upstream {
            upstream: upstream(id)?,
        },
        "Tool" => {
            let (owner, name) = two()?;
            Resource::Tool {
                server: server(owner)?,
                tool: tool(name)?,
            }
        }
        "AgentTool" => Resource::AgentTool { tool: tool(id)? },
        "HostedTool" => {
            let (owner, name) = two()?;
            Resource::HostedTool {
                upstream: upstream(owner)?,
                tool: tool(name)?,
            }
        }
        "Server" => Resource::Server { server: server(id)? },
        "McpResource" => {
            let (owner, uri) = two()?;
            Resource::McpResource {
                server: server(owner)?,
                uri: uri.to_owned(),
            }
        }
        "Prompt" => {
            let (owner, name) = two()?;
            Resource::Prompt {
                server: server(owner)?,
                prompt: tool(name)?,
            }
        }
        "Peer" => Resource::Peer {
            peer: PeerName::new(id).map_err(|_| wrong())?,
        },
        "Site" => Resource::Site {
            site: SiteName::new(id).map_err(|_| wrong())?,
        },
        _ => return Err(wrong()),
    })
}
