//! What is wrong with a policy file, and where.

use std::ops::Range;

use cedar_policy::pst;

use crate::Source;
use crate::program::Reads;

/// How much a [`Diagnostic`] weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The policy loads; the operator should look.
    Lint,
    /// The policy does not load.
    Error,
}

/// One thing wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or lint.
    pub weight: Weight,
    /// The [`crate::Source::name`] it is in; empty where it is about the set as a whole.
    pub file: String,
    /// Byte range in that source; `0..0` where no place can be named.
    pub span: Range<usize>,
    /// A lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn error(file: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            weight: Weight::Error,
            file: file.to_owned(),
            span,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn into_lint(mut self) -> Self {
        self.weight = Weight::Lint;
        self
    }
}

/// Where a parsed policy stands in its source.
pub(crate) fn span(policy: &cedar_policy::Policy) -> Range<usize> {
    let policy: &_ = policy.as_ref();
    policy.loc().map_or(0..0, |place| place.start()..place.end())
}

fn label(error: &dyn miette::Diagnostic) -> Option<Range<usize>> {
    let label = error.labels()?.next()?;
    Some(label.offset()..label.offset().saturating_add(label.len()))
}

/// The first line of Cedar's message, without the policy's id (the place says it) and without the action it was
/// found under: one mistake in a policy for every action is one mistake.
fn message(error: &dyn miette::Diagnostic) -> String {
    let whole = error.to_string();
    let line = whole.lines().next().unwrap_or_default();
    let said = match line
        .strip_prefix("for policy `")
        .and_then(|rest| rest.split_once("`, "))
    {
        Some((_, said)) => said,
        None => line,
    };
    match said.split_once(" for Bartizan::Action::\"") {
        Some((before, after)) => format!("{before}{}", after.split_once('"').map_or("", |(_, rest)| rest)),
        None => said.to_owned(),
    }
}

/// Errors of the parser.
pub(crate) fn of_parse(source: Source<'_>, errors: &cedar_policy::ParseErrors) -> Vec<Diagnostic> {
    let one = |error: &dyn miette::Diagnostic| Diagnostic {
        weight: Weight::Error,
        file: source.name.to_owned(),
        span: label(error).unwrap_or(0..0),
        message: message(error),
        help: error.help().map(|help| help.to_string()),
    };
    errors.iter().map(|error| one(error)).collect()
}

/// An error or warning of the validator. Its label is an offset in the file the policy was parsed from.
pub(crate) fn of_validation(
    error: &dyn miette::Diagnostic,
    place: Option<(Source<'_>, Range<usize>)>,
) -> Diagnostic {
    let (file, whole) = place.map_or(("", 0..0), |(source, span)| (source.name, span));
    Diagnostic {
        weight: Weight::Error,
        file: file.to_owned(),
        span: label(error).unwrap_or(whole),
        message: message(error),
        help: error.help().map(|help| tag_help(help.to_string())),
    }
}

/// Cedar's checker takes a tag as there behind `hasTag(…) &&` alone. `!hasTag(…) || …` means the same and is refused,
/// so say how it is written.
fn tag_help(help: String) -> String {
    if help.contains(".hasTag(") && help.contains("&&") {
        format!("{help}; in place of `when {{ !a || !b }}` write `unless {{ a && b }}`")
    } else {
        help
    }
}

/// Looks for what loads but does not do what it seems to.
pub(crate) fn lint(
    source: Source<'_>,
    span: Range<usize>,
    policy: &pst::StaticPolicy,
    reads: &Reads,
    lints: &mut Vec<Diagnostic>,
) {
    let mut push = |message: String, help: &str| {
        lints.push(
            Diagnostic::error(source.name, span.clone(), message)
                .help(help)
                .into_lint(),
        );
    };
    let body = policy.body();
    let mut patterns = Vec::new();
    for clause in body.clauses() {
        let (pst::Clause::When(expr) | pst::Clause::Unless(expr)) = clause;
        like_patterns(expr, &mut patterns);
    }
    for pattern in patterns {
        if wild_host(&pattern) {
            push(
                format!("`like \"{pattern}\"` lets `*` run past the host: it matches slashes too"),
                "`https://*.corp.example/*` also matches `https://evil.example/.corp.example/`; name the hosts with `==`, or put no `*` before the first `/` of the path",
            );
        }
    }
    let everyone = matches!(body.principal, pst::PrincipalConstraint::Any)
        && matches!(body.action, pst::ActionConstraint::Any)
        && matches!(body.resource, pst::ResourceConstraint::Any);
    if everyone && body.clauses().is_empty() && matches!(body.effect, pst::Effect::Permit) {
        push(
            "this permits every call of every agent".to_owned(),
            "name actions or resources",
        );
    }
    if reads.arguments() && !reads.args_complete {
        push(
            "this reads arguments without asking whether all of them are there".to_owned(),
            "long texts are cut and leaves past 256 are left out; deny where `!context.args_complete`",
        );
    }
}

/// Whether a `*` stands inside the authority of a URL pattern, where it would match a `/` as well.
fn wild_host(pattern: &str) -> bool {
    pattern.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split('/').next().unwrap_or_default();
        authority.contains('*') && authority != "*"
    })
}

fn like_patterns(expr: &pst::Expr, found: &mut Vec<String>) {
    let mut sub = |expr: &pst::Expr| like_patterns(expr, found);
    match expr {
        pst::Expr::Like { expr, pattern } => {
            sub(expr);
            let show = |element: &pst::PatternElem| match element {
                pst::PatternElem::Char(c) => *c,
                pst::PatternElem::Wildcard => '*',
            };
            found.push(pattern.iter().map(show).collect());
        }
        pst::Expr::BinaryOp { left, right, .. } => {
            sub(left);
            sub(right);
        }
        pst::Expr::UnaryOp { expr, .. }
        | pst::Expr::GetAttr { expr, .. }
        | pst::Expr::HasAttr { expr, .. } => {
            sub(expr);
        }
        pst::Expr::Is { expr, in_expr, .. } => {
            sub(expr);
            in_expr.iter().for_each(|ancestor| sub(ancestor));
        }
        pst::Expr::IfThenElse {
            cond,
            then_expr,
            else_expr,
        } => {
            sub(cond);
            sub(then_expr);
            sub(else_expr);
        }
        pst::Expr::Set(items) => items.iter().for_each(|item| sub(item)),
        pst::Expr::Record(fields) => fields.values().for_each(|value| sub(value)),
        _ => {}
    }
}
