//! `explain`: a stored ruling in words. Renders what was recorded; evaluates nothing (invariant 9).

mod remedy;

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::Path,
};

use anstyle::{AnsiColor, Style};
use bartizan_gateway::telemetry::{ending_word, ruling_word};
use bartizan_types::{
    Amounts, Because, Bound, Bounds, CallFacts, Code, Finding, Flow, MatchedPolicy, Outside, PolicyEffect,
    Principal, Record, RecordKind, RulingWord,
    flow::{Called, Joined, Source},
};
use serde::Deserialize;

use super::safe;
use crate::{
    cli::Global,
    client::encode,
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::Output,
};

/// A record as the desk shows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Stored {
    /// Where it is.
    pub(crate) index: u64,
    /// The record, unless it was erased.
    pub(crate) record: Option<Record>,
    /// The tombstone that erased it.
    pub(crate) erased_by: Option<u64>,
}

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, id: &str) -> Result<Exit, Failure> {
    let link = Link::connect(global, Absent::Fail)?;
    let asked = link.read(&format!("/v1/explain/{}", encode(id))).await;
    let answer = asked.map_err(|failure| elsewhere(failure, link.state()))?;
    let records = stored(&answer["records"])?;
    out.emit(&answer, |out| render(out, &records))?;
    link.close().await?;
    Ok(Exit::Done)
}

/// Wrapped servers keep logs of their own: where there are some, the call may be in one of them.
fn elsewhere(failure: Failure, state: &Path) -> Failure {
    let Some(beside) = state.parent().filter(|_| failure.exit() == Exit::NotFound) else {
        return failure;
    };
    let wrapped = std::fs::read_dir(beside).into_iter().flatten().flatten();
    let wrapped = wrapped.filter(|entry| entry.file_name().to_string_lossy().starts_with("bartizan-wrap-"));
    let mut wrapped: Vec<_> = wrapped.map(|entry| entry.path().display().to_string()).collect();
    wrapped.sort();
    match wrapped.first() {
        None => failure,
        Some(first) => failure.hint(format!(
            "servers that `bartizan wrap` runs have logs of their own ({} here): `bartizan --state {first} explain …`",
            wrapped.len()
        )),
    }
}

/// Records of an answer.
pub(crate) fn stored(value: &serde_json::Value) -> Result<Vec<Stored>, Failure> {
    serde_json::from_value(value.clone())
        .map_err(|error| Failure::new(Exit::Bug, "the records do not read").because(error))
}

/// Writes the explanation of a call's records, oldest first.
pub(crate) fn render(out: &mut dyn Write, records: &[Stored]) -> io::Result<()> {
    for stored in records {
        let Some(record) = &stored.record else {
            let by = stored
                .erased_by
                .map_or_else(String::new, |by| format!(" under record {by}"));
            writeln!(
                out,
                "record {}: its content was erased{by}; its place and proof stay",
                stored.index
            )?;
            continue;
        };
        match record.kind {
            RecordKind::Ruling => ruling(out, stored.index, record)?,
            RecordKind::Closing => closing(out, stored.index, record)?,
            _ => other(out, stored.index, record)?,
        }
    }
    Ok(())
}

/// What budgets knew of a call, and what stood in its way.
fn spent(out: &mut dyn Write, facts: &CallFacts) -> io::Result<()> {
    if let Some(bar) = &facts.bar {
        writeln!(out, "  barred    {}", safe(&bar.what))?;
    }
    let Some(spending) = &facts.spending else {
        return Ok(());
    };
    for share in &spending.shares {
        let of = if share.of.is_empty() {
            String::new()
        } else {
            format!(" of {}", safe(&share.of))
        };
        let over = spending.over.as_ref();
        let over = over.filter(|over| over.budget == share.budget && over.of == share.of);
        let word = match over {
            Some(_) => "over",
            None => "budget",
        };
        writeln!(
            out,
            "  {word:<9} `{}`{of}: {} of {} {}",
            share.budget,
            share.used,
            share.limit,
            share.meter.as_str()
        )?;
    }
    let amounts = spending.reserved;
    if spending.over.is_none() {
        writeln!(out, "  set aside {}", amount(&amounts))?;
    }
    Ok(())
}

fn amount(amounts: &Amounts) -> String {
    let said = [
        (amounts.calls, "call"),
        (amounts.input_tokens, "tokens in"),
        (amounts.output_tokens, "tokens out"),
        (amounts.micro_usd, "micro-USD"),
        (amounts.bytes, "bytes"),
        (amounts.millis, "ms"),
    ];
    let said: Vec<String> = said
        .into_iter()
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, what)| format!("{amount} {what}"))
        .collect();
    if said.is_empty() {
        "nothing".to_owned()
    } else {
        said.join(", ")
    }
}

fn ruling(out: &mut dyn Write, index: u64, record: &Record) -> io::Result<()> {
    let bold = Style::new().bold();
    let word = record.ruling.map_or("?", ruling_word);
    let colour = match record.ruling {
        Some(RulingWord::Allow) => AnsiColor::Green,
        Some(RulingWord::Ask) => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    let style = colour.on_default().bold();
    let call = record.call.map_or_else(String::new, |call| call.to_string());
    writeln!(out, "{style}{word}{style:#}  call {bold}{call}{bold:#}")?;
    if let Some(facts) = &record.facts {
        let resource = &facts.resource;
        writeln!(
            out,
            "  what      {} {} {} by {}",
            facts.action.as_str(),
            resource.type_name(),
            safe(&resource.entity_id()),
            facts.surface.as_str()
        )?;
    }
    if record.answering {
        writeln!(out, "  stage     the answer, after the call was forwarded")?;
    }
    if let Some(principal) = &record.principal {
        writeln!(out, "  who       {}", who(principal))?;
    }
    writeln!(out, "  when      {}", record.time)?;
    if let Some(session) = record.session {
        writeln!(
            out,
            "  session   {session} at epoch {}",
            record.epoch.unwrap_or(0)
        )?;
    }
    if let Some(code) = record.code {
        writeln!(out, "  told      {} [{code}]", code.sentence())?;
    }
    handed(out, record)?;
    because(out, record)?;
    if let Some(facts) = &record.facts {
        spent(out, facts)?;
    }
    if let Some(flow) = record.facts.as_ref().and_then(|facts| facts.flow.as_deref()) {
        flowed(out, flow)?;
    }
    if let Some(model) = record.facts.as_ref().and_then(|facts| facts.proposer.as_deref()) {
        writeln!(out, "  proposed  by {model}")?;
    }
    for finding in &record.findings {
        found(out, finding)?;
    }
    if let Some(step) = remedy::pins(record) {
        writeln!(out, "  next      {step}")?;
    }
    if let Some(policy) = record.policy {
        writeln!(out, "  policy    {policy}")?;
    }
    writeln!(
        out,
        "  record    {index}; `bartizan audit prove {index}` proves it"
    )
}

/// What each link of the chain was handed, and which of them this call was outside of: what the guard found, and for a
/// record from before that was kept, what still shows.
fn handed(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let links = record.principal.iter().flat_map(|principal| &principal.act);
    let found = record
        .because
        .as_ref()
        .and_then(|because| because.outside.as_ref());
    let links = links.enumerate();
    for (at, link, bounds) in links.filter_map(|(at, link)| Some((at, link, link.bounds.as_deref()?))) {
        let outside = match found {
            Some(found) => found.link == at,
            None => {
                record.code == Some(Code::DelegationExceeded)
                    && record.facts.as_ref().is_some_and(|facts| {
                        !bounds.may_reach(&facts.resource)
                            || bounds.until.is_some_and(|until| until <= record.time)
                            || bounds.session.is_some_and(|only| record.session != Some(only))
                    })
            }
        };
        let outside = if outside { "; this call is outside" } else { "" };
        writeln!(
            out,
            "  handed    to {}: {}{outside}",
            safe(&link.sub),
            safe(&bounded(bounds))
        )?;
    }
    Ok(())
}

/// Bounds of a link, in words.
fn bounded(bounds: &Bounds) -> String {
    let list = |values: &BTreeSet<String>, between: &str| {
        values
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(between)
    };
    let mut said = Vec::new();
    if let Some(on) = &bounds.on {
        said.push(format!("on {}", list(on, " ")));
    }
    for (path, values) in &bounds.arguments {
        said.push(format!("with {path}={}", list(values, "|")));
    }
    for (meter, most) in &bounds.budget {
        said.push(format!("at most {most} {}", meter.as_str()));
    }
    said.extend(bounds.session.map(|session| format!("in session {session}")));
    said.extend(bounds.until.map(|until| format!("until {until}")));
    if said.is_empty() {
        "all that was handed before".to_owned()
    } else {
        said.join(", ")
    }
}

/// One thing that an inspector saw.
fn found(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let span = finding.span.map_or_else(String::new, |span| {
        format!(" at bytes {}..{}", span.start, span.end)
    });
    let place = if finding.pointer.is_empty() {
        String::new()
    } else {
        format!(" at {}", safe(&finding.pointer))
    };
    // Which secret, which personal data, which shape of an address: the detector's name for it, and never the value.
    let what = if finding.what.is_empty() {
        String::new()
    } else {
        format!(" {}", safe(&finding.what))
    };
    let taxonomy = if finding.taxonomy.is_empty() {
        String::new()
    } else {
        format!(" ({})", finding.taxonomy.join(", "))
    };
    writeln!(
        out,
        "  finding   {}{what} severity {} score {}{span}{place}{taxonomy}",
        finding.kind.as_str(),
        finding.severity.rank(),
        finding.score
    )
}

/// Where the call's arguments came from, and whether it was asked for.
fn flowed(out: &mut dyn Write, flow: &Flow) -> io::Result<()> {
    let asked = match flow.called {
        Called::Yes => "the human's words ask for it",
        Called::Elsewhere => "the human says that what to do stands elsewhere",
        Called::Unknown => "no prompt is known, so nobody can say what the human asked for",
        Called::No => "no words of the human ask for it, or not to where it goes",
    };
    let labels = if flow.reviewed {
        "reviewed labels"
    } else {
        "labels nobody reviewed"
    };
    writeln!(out, "  does      {} ({labels}); {asked}", flow.effect.as_str())?;
    let joined = match flow.joined {
        Joined::Pending => "the conversation whose pending tool call this is",
        Joined::Only => "the one live session of this identity",
        Joined::All => "the worst of all live sessions of this identity, as it fits none or several",
        Joined::Alone => "traffic without a model: no conversation is known",
    };
    writeln!(out, "  joined    {joined}")?;
    let mut read = Vec::new();
    if flow.tainted {
        read.push("text that outsiders can write");
    }
    if flow.secret {
        read.push("a secret");
    }
    if !read.is_empty() {
        writeln!(out, "  read      {}", read.join(" and "))?;
    }
    for argument in &flow.arguments {
        let spelled = if argument.rewritten {
            ", in that source's spelling"
        } else {
            ""
        };
        let like = argument.like.map_or_else(String::new, |like| {
            format!(
                "; it {} a value with another origin: {}",
                like.how.says(),
                from(like.source)
            )
        });
        writeln!(
            out,
            "  argument  {} ({}): {}{spelled}{like}",
            safe(&argument.path),
            argument.role.as_str(),
            from(argument.source)
        )?;
    }
    if flow.foreign_tokens > 0 {
        writeln!(
            out,
            "  content   holds {} links, addresses or accounts that nobody trusted wrote",
            flow.foreign_tokens
        )?;
    }
    if !flow.whole {
        writeln!(out, "  arguments were not looked at in full")?;
    }
    Ok(())
}

/// A source in words.
const fn from(source: Source) -> &'static str {
    match source {
        Source::Empty => "empty",
        Source::Prompt => "the human typed it",
        Source::Picked => "the record that the human's words pick",
        Source::Trusted => "a trusted field of a result",
        Source::Directory => "the organisation's directory",
        Source::Derived => "follows from trusted values",
        Source::Named => "a field or link that the human's words name",
        Source::Endorsed => "a human endorsed it",
        Source::Structured => "a field that outsiders can set",
        Source::FreeText => "made up from text that was read",
        Source::Nowhere => "from nowhere that is known",
    }
}

/// The reasons of a ruling.
pub(crate) fn because(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let Some(because) = &record.because else {
        return Ok(());
    };
    if let Some(what) = stopped(record, because) {
        writeln!(out, "  because   {what}")?;
    } else if because.policies.is_empty() && because.errors.is_empty() && because.would_permit.is_empty() {
        writeln!(
            out,
            "  because   no policy permits it, and what nothing permits is denied"
        )?;
    }
    for policy in &because.policies {
        writeln!(out, "  because   {}", rule(policy))?;
    }
    for (policy, error) in &because.errors {
        writeln!(
            out,
            "  because   {policy} could not be evaluated: {}",
            safe(error)
        )?;
    }
    for fact in &because.facts {
        writeln!(out, "  fact      {} = {}", safe(&fact.path), safe(&fact.value))?;
    }
    for policy in &because.would_permit {
        writeln!(
            out,
            "  asks      a human's approval, under which {}",
            rule(policy)
        )?;
    }
    if because.would_deny {
        let would = if because.would_permit.is_empty() {
            "refused this call"
        } else {
            "asked a human about this call"
        };
        writeln!(out, "  observed  an enforcing policy would have {would}")?;
    }
    Ok(())
}

/// What stood in the way, where it was no policy: a bound of what was handed on, a revocation or another bar, a budget.
fn stopped(record: &Record, because: &Because) -> Option<String> {
    if let Some(Outside { link, bound }) = &because.outside {
        let actor = record
            .principal
            .as_ref()
            .and_then(|principal| principal.act.get(*link));
        let to = actor.map_or_else(String::new, |actor| format!(" to {}", safe(&actor.sub)));
        let how = match bound {
            Bound::Until => "it holds no longer".to_owned(),
            Bound::Session => "it holds in another session".to_owned(),
            Bound::On => "the resource is not among those named".to_owned(),
            Bound::Arguments => "its arguments are not known whole".to_owned(),
            Bound::Argument(path) => {
                format!("argument `{}` is missing or has no allowed value", safe(path))
            }
        };
        return Some(format!("the call is outside of what was handed{to}: {how}"));
    }
    let code = because.barred?;
    let facts = record.facts.as_ref();
    let bar = facts.and_then(|facts| facts.bar.as_ref());
    if let Some(bar) = bar.filter(|bar| bar.code == code) {
        return Some(format!("{} [{code}], whatever policy says", safe(&bar.what)));
    }
    let over = facts.and_then(|facts| facts.spending.as_ref()?.over.as_ref());
    Some(match over.filter(|over| over.code == code) {
        Some(over) => {
            let of = match over.of.is_empty() {
                true => String::new(),
                false => format!(" of {}", safe(&over.of)),
            };
            format!(
                "it would cross budget `{}`{of}, whatever policy says",
                over.budget
            )
        }
        None => format!("{} [{code}], whatever policy says", code.sentence()),
    })
}

fn rule(policy: &MatchedPolicy) -> String {
    let effect = match policy.effect {
        PolicyEffect::Permit => "permits",
        PolicyEffect::Forbid => "forbids",
    };
    let reason = if policy.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", safe(&policy.reason))
    };
    format!("{} {effect}{reason}", policy.id)
}

fn closing(out: &mut dyn Write, index: u64, record: &Record) -> io::Result<()> {
    let bold = Style::new().bold();
    let ending = record.ending.map_or("?", ending_word);
    writeln!(out, "{bold}{ending}{bold:#}  {}", record.time)?;
    if let Some(code) = record.code {
        writeln!(out, "  told      {} [{code}]", code.sentence())?;
    }
    if let Some(note) = &record.note {
        writeln!(out, "  note      {}", safe(note))?;
    }
    if let Some(answer) = &record.answer {
        let status = answer
            .status
            .map_or_else(String::new, |status| format!(", upstream status {status}"));
        writeln!(out, "  answered  {} bytes{status}", answer.bytes)?;
        if let Some(transcript) = answer.transcript {
            writeln!(out, "  sha256    {transcript}")?;
        }
        if let (Some(input), Some(output)) = (answer.input_tokens, answer.output_tokens) {
            writeln!(out, "  tokens    {input} in, {output} out")?;
        }
        if let Some(settled) = &answer.settled {
            writeln!(out, "  settled   {}", amount(settled))?;
        }
    }
    writeln!(out, "  record    {index}")
}

fn other(out: &mut dyn Write, index: u64, record: &Record) -> io::Result<()> {
    let kind = serde_json::to_value(record.kind).unwrap_or_default();
    writeln!(out, "{}  {}", kind.as_str().unwrap_or("?"), record.time)?;
    if let Some(principal) = &record.principal {
        writeln!(out, "  who       {}", who(principal))?;
    }
    if let Some(code) = record.code {
        writeln!(out, "  told      {} [{code}]", code.sentence())?;
    }
    if let Some(note) = &record.note {
        writeln!(out, "  note      {}", safe(note))?;
    }
    if let Some(scan) = &record.scan {
        super::scan::told(out, scan)?;
    }
    writeln!(out, "  record    {index}")
}

/// The principal with its chain, outermost first.
fn who(principal: &Principal) -> String {
    let mut text = format!("agent {}", principal.agent);
    if let Some(user) = &principal.user {
        text.push_str(&format!(" for user {user}"));
    }
    for actor in &principal.act {
        text.push_str(&format!(", through {}", safe(&actor.sub)));
    }
    text.push_str(&format!(
        ", vouched for by {} (credential {})",
        principal.issuer, principal.credential
    ));
    text
}

#[cfg(test)]
mod tests;
