//! Records as OCSF 1.8 events: class 6003 API Activity of category 6, with the profiles `security_control` and
//! `ai_operation` (<https://schema.ocsf.io>). One event per ruling and per rejection, and for operations class 6003 too,
//! as an update by the operator. A scan of artifacts is class 2004 Detection Finding of category 2, one event for each record
//! of it. Closings and lifecycle entries export as JSON lines.

use bartizan_types::{
    Action, Principal, Record, RecordKind, Resource, RulingWord, Scan, Scanner, Severity, Timestamp, Verdict,
};
use serde_json::{Value, json};

use super::explain::Stored;
use crate::{exit::Exit, failure::Failure};

const CATEGORY: u32 = 6;
const CLASS: u32 = 6003;
const FINDING: u32 = 2004;

/// The event of a stored record; `None` where it has none.
pub(crate) fn event(stored: &Value) -> Result<Option<Value>, Failure> {
    let stored: Stored = serde_json::from_value(stored.clone())
        .map_err(|error| Failure::new(Exit::Bug, "the record does not read").because(error))?;
    let Some(record) = &stored.record else {
        return Ok(None);
    };
    Ok(match record.kind {
        RecordKind::Ruling
        | RecordKind::Rejection
        | RecordKind::RejectionSummary
        | RecordKind::Operation
        | RecordKind::LogKey => Some(build(stored.index, record)),
        RecordKind::Scan => record
            .scan
            .as_deref()
            .map(|scan| scanned(stored.index, record.time, scan)),
        RecordKind::Closing | RecordKind::Tombstone | RecordKind::Lifecycle => None,
    })
}

/// A recorded scan, or a part of one: what it found, in which files.
fn scanned(index: u64, time: Timestamp, scan: &Scan) -> Value {
    let worst = scan.artifacts.iter().map(|artifact| artifact.verdict).max();
    let worst = worst.unwrap_or(Verdict::Clean);
    let (severity, severity_name) = match worst {
        Verdict::Malicious => (4, "High"),
        Verdict::Suspicious => (3, "Medium"),
        Verdict::Unknown => (2, "Low"),
        Verdict::Clean => (1, "Informational"),
    };
    let of = match scan.scanner {
        Scanner::Model => "models",
        Scanner::Data => "data",
    };
    let findings = scan
        .artifacts
        .iter()
        .flat_map(|artifact| &artifact.findings)
        .filter(|finding| finding.covered.is_none() && finding.severity > Verdict::Clean);
    let mut rules: Vec<&str> = findings.clone().map(|finding| finding.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let first = findings.max_by_key(|finding| finding.severity);
    let resources: Vec<Value> = scan
        .artifacts
        .iter()
        .filter(|artifact| artifact.verdict > Verdict::Clean)
        .map(|artifact| {
            let digest = artifact.digest.map(|digest| format!("sha256:{digest}"));
            json!({ "name": artifact.file, "uid": digest, "type": artifact.format })
        })
        .collect();
    let mut event = json!({
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": FINDING,
        "class_name": "Detection Finding",
        "activity_id": 1,
        "type_uid": FINDING * 100 + 1,
        "severity_id": severity,
        "severity": severity_name,
        "time": time.unix_millis(),
        "is_alert": worst >= Verdict::Suspicious,
        "message": first.map(|finding| finding.what.as_str()).filter(|what| !what.is_empty()),
        "metadata": {
            "version": "1.8.0",
            "product": { "name": "Bartizan", "vendor_name": "Bartizan", "version": scan.version },
            "log_name": "bartizan/ledger",
            "sequence": index,
            "uid": format!("{}/{}", scan.id, scan.part),
            "correlation_uid": scan.id.to_string(),
        },
        "finding_info": {
            "uid": format!("{}/{}", scan.id, scan.part),
            "title": format!("scan of {of}: {}", worst.word()),
            "types": rules,
        },
        "remediation": first.map(|finding| json!({ "desc": finding.remedy })),
        "resources": resources,
        "unmapped": { "bartizan": {
            "record": index, "scan": scan.id, "files": scan.files, "part": scan.part, "cancelled": scan.cancelled, "verdict": scan.verdict,
        } },
    });
    drop_nulls(&mut event);
    event
}

fn build(index: u64, record: &Record) -> Value {
    let activity = activity(record);
    let allowed = record.ruling == Some(RulingWord::Allow)
        || matches!(record.kind, RecordKind::Operation | RecordKind::LogKey);
    let (severity, severity_name) = severity(record, allowed);
    let operation = record
        .facts
        .as_ref()
        .map_or("operation", |facts| facts.action.as_str());
    let mut event = json!({
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "class_uid": CLASS,
        "class_name": "API Activity",
        "activity_id": activity,
        "type_uid": CLASS * 100 + activity,
        "severity_id": severity,
        "severity": severity_name,
        "status_id": if allowed { 1 } else { 2 },
        "time": record.time.unix_millis(),
        "metadata": {
            "version": "1.8.0",
            "profiles": ["ai_operation", "security_control"],
            "product": { "name": "Bartizan", "vendor_name": "Bartizan", "version": env!("CARGO_PKG_VERSION") },
            "log_name": "bartizan/ledger",
            "sequence": index,
            "uid": record.call.map_or_else(|| index.to_string(), |call| call.to_string()),
            "correlation_uid": record.session,
        },
        "actor": actor(record.principal.as_ref()),
        "api": {
            "operation": operation,
            "service": { "name": record.facts.as_ref().map_or("admin", |facts| facts.surface.as_str()) },
        },
        // Agents reach us through one listener; the peer's address is not recorded, so the endpoint is the workload.
        "src_endpoint": { "name": record.principal.as_ref().map_or("unknown", |principal| principal.agent.as_str()) },
        // security_control: 1 allowed, 2 denied.
        "action_id": if allowed { 1 } else { 2 },
        "disposition_id": if allowed { 1 } else { 2 },
    });
    add_ruling(&mut event, index, record);
    drop_nulls(&mut event);
    event
}

/// What is not known is left out: no OCSF type has a null.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// What only some records have, and what OCSF has no place for.
fn add_ruling(event: &mut Value, index: u64, record: &Record) {
    if let Some(code) = record.code {
        event["status_code"] = json!(code);
        event["status_detail"] = json!(code.sentence());
    }
    if let Some(note) = &record.note {
        event["message"] = json!(note);
    }
    if let Some(policy) = record
        .because
        .as_ref()
        .and_then(|because| because.policies.first())
    {
        event["policy"] = json!({ "uid": policy.id });
        if !policy.reason.is_empty() {
            event["policy"]["desc"] = json!(policy.reason);
        }
    }
    if let Some(facts) = &record.facts {
        event["resources"] =
            json!([{ "type": facts.resource.type_name(), "uid": facts.resource.entity_id() }]);
        if let Resource::Model { model, upstream } = &facts.resource {
            event["ai_model"] = json!({ "name": model, "ai_provider": upstream });
        }
        // `server/tool`, `upstream/model`: the service is whose they are.
        let id = facts.resource.entity_id();
        let service = id.split_once('/').map_or(id.as_str(), |(owner, _)| owner);
        event["message_context"] = json!({
            "uid": record.session, "ai_role_id": role(facts.action), "service": { "name": service },
        });
    }
    let kinds: Vec<_> = record
        .findings
        .iter()
        .map(|finding| finding.kind.as_str())
        .collect();
    // Kept so that nothing of the ruling is lost on the way.
    event["unmapped"] = json!({
        "bartizan": {
            "record": index, "ruling": record.ruling, "policy_digest": record.policy, "findings": kinds,
            "would_deny": record.because.as_ref().is_some_and(|because| because.would_deny),
        },
    });
}

/// 1 create, 2 read, 3 update, 99 other.
fn activity(record: &Record) -> u32 {
    match (record.kind, record.facts.as_ref().map(|facts| facts.action)) {
        (RecordKind::Operation | RecordKind::LogKey, _) => 3,
        (_, Some(Action::Generate | Action::Sample | Action::Connect)) => 1,
        (
            _,
            Some(
                Action::ListModels
                | Action::ListTools
                | Action::ListResources
                | Action::ReadResource
                | Action::ListPrompts
                | Action::GetPrompt
                | Action::Complete
                | Action::ListRoots,
            ),
        ) => 2,
        _ => 99,
    }
}

fn severity(record: &Record, allowed: bool) -> (u32, &'static str) {
    match record.findings.iter().map(|finding| finding.severity).max() {
        Some(Severity::Critical) => (5, "Critical"),
        Some(Severity::High) => (4, "High"),
        Some(Severity::Medium) => (3, "Medium"),
        _ if !allowed => (3, "Medium"),
        Some(Severity::Low) => (2, "Low"),
        _ => (1, "Informational"),
    }
}

/// 3 tool, 4 agent (of `message_context.ai_role_id`).
const fn role(action: Action) -> u32 {
    match action {
        Action::CallTool | Action::UseHostedTool => 3,
        _ => 4,
    }
}

fn actor(principal: Option<&Principal>) -> Value {
    let Some(principal) = principal else {
        return json!({ "app_name": "unknown" });
    };
    let mut actor = json!({
        "app_name": principal.agent,
        "app_uid": principal.credential,
        "idp": { "name": principal.issuer },
    });
    if let Some(user) = &principal.user {
        actor["user"] = json!({ "name": user, "groups": principal.groups.iter().map(|group| json!({ "name": group })).collect::<Vec<_>>() });
    }
    actor
}
