//! `[inspect]` and `[privacy]`, resolved.

use std::{path::Path, time::Duration};

use bartizan_gateway::config as gateway;
use bartizan_identity::oauth::Address;
use bartizan_types::FindingKind;
use http::Uri;

use super::{super::file, Wrong};

/// Kinds of personal data that detectors tell apart; a secret's kind is its format, and those are many.
const LEAST_BYTES: usize = 4096;
const MOST_BYTES: usize = 64 << 20;

/// What is looked for.
pub(super) fn inspect(inspect: &file::Inspect, base: &Path, wrong: &mut Wrong<'_>) -> gateway::Inspect {
    if !(LEAST_BYTES..=MOST_BYTES).contains(&inspect.bytes_per_call) {
        wrong.add(
            "inspect.bytes_per_call",
            "bytes_per_call",
            format!("`bytes_per_call` must be {LEAST_BYTES} to {MOST_BYTES}"),
            "",
        );
    }
    gateway::Inspect {
        enabled: inspect.enabled,
        instructions: inspect.instructions,
        personal: inspect.personal,
        bytes_per_call: inspect.bytes_per_call,
        canaries: inspect.canaries.clone(),
        allowed_domains: inspect.allowed_domains.clone(),
        threat_lists: inspect.threat_lists.iter().map(|path| base.join(path)).collect(),
        guards: guards(inspect, wrong),
        classifiers: classifiers(inspect, base, wrong),
    }
}

/// The address of a service of the operator's: `https`, or on this machine.
pub(super) fn service(url: &str) -> Option<Uri> {
    let address = Address::parse(url).ok()?;
    let fits = address.is_https() || address.is_loopback();
    fits.then(|| address.as_str().parse().ok()).flatten()
}

/// Longest name of a guard: it is a part of a server's name in records.
const GUARD_NAME_MOST: usize = 40;

/// What guards of every sort have, checked.
struct Common<'c> {
    table: &'static str,
    name: &'c str,
    timeout_ms: u64,
    bytes: usize,
}

impl Common<'_> {
    fn check(&self, is_double: bool, wrong: &mut Wrong<'_>) {
        let Self {
            table,
            name,
            timeout_ms,
            bytes,
        } = self;
        let mut add =
            |key: &str, message: String| wrong.add(&format!("inspect.{table}.{key}"), key, message, "");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > GUARD_NAME_MOST || !name.bytes().all(plain) {
            add(
                "name",
                format!("`name` has 1 to {GUARD_NAME_MOST} letters, digits, `-` and `_`"),
            );
        }
        if is_double {
            add("name", format!("two {table}s are called `{name}`"));
        }
        if !(10..=30_000).contains(timeout_ms) {
            add("timeout_ms", "`timeout_ms` must be 10 to 30000".to_owned());
        }
        if !(1024..=256 << 10).contains(bytes) {
            add("bytes", "`bytes` must be 1024 to 262144".to_owned());
        }
    }
}

fn classifiers(inspect: &file::Inspect, base: &Path, wrong: &mut Wrong<'_>) -> Vec<gateway::Classifier> {
    let mut all: Vec<gateway::Classifier> = Vec::new();
    for one in &inspect.classifier {
        let is_double = all.iter().any(|earlier| earlier.name == one.name);
        let common = Common {
            table: "classifier",
            name: &one.name,
            timeout_ms: one.timeout_ms,
            bytes: one.bytes,
        };
        common.check(is_double, wrong);
        let mut add = |key: &str, message: &str| {
            wrong.add(&format!("inspect.classifier.{key}"), key, message.to_owned(), "")
        };
        if one.labels.is_empty() {
            add("labels", "`labels` names the labels that speak against a text");
        }
        if !(1..=100).contains(&one.at_percent) {
            add("at_percent", "`at_percent` must be 1 to 100");
        }
        if !(1..=64).contains(&one.at_once) {
            add("at_once", "`at_once` must be 1 to 64");
        }
        all.push(gateway::Classifier {
            name: one.name.clone(),
            folder: base.join(&one.folder),
            labels: one.labels.clone(),
            at_percent: one.at_percent,
            kind: match one.finding {
                file::ClassifierFinding::Injection => FindingKind::Injection,
                file::ClassifierFinding::Flagged => FindingKind::Flagged,
            },
            channels: one.channels.iter().map(|channel| word(*channel)).collect(),
            time: Duration::from_millis(one.timeout_ms),
            bytes: one.bytes,
            at_once: one.at_once.clamp(1, 64),
        });
    }
    all
}

fn guards(inspect: &file::Inspect, wrong: &mut Wrong<'_>) -> Vec<gateway::Guard> {
    let mut all: Vec<gateway::Guard> = Vec::new();
    for guard in &inspect.guard {
        let is_double = all.iter().any(|earlier| earlier.name == guard.name);
        let common = Common {
            table: "guard",
            name: &guard.name,
            timeout_ms: guard.timeout_ms,
            bytes: guard.bytes,
        };
        common.check(is_double, wrong);
        let mut add =
            |key: &str, message: String| wrong.add(&format!("inspect.guard.{key}"), key, message, "");
        let secret = match guard.key.as_ref().map(|key| key.strip_prefix("secret:")) {
            Some(None) => {
                add(
                    "key",
                    "`key` is written as `secret:NAME`, after `bartizan secret set NAME`".to_owned(),
                );
                None
            }
            named => named.flatten().map(str::to_owned),
        };
        let Some(url) = service(&guard.url) else {
            add(
                "url",
                "`url` is no `https` address, nor one of this machine's".to_owned(),
            );
            continue;
        };
        all.push(gateway::Guard {
            name: guard.name.clone(),
            shape: match guard.shape {
                file::GuardShape::Moderations => gateway::GuardShape::Moderations,
                file::GuardShape::Chat => gateway::GuardShape::Chat,
            },
            url,
            model: guard.model.clone(),
            secret,
            channels: guard.channels.iter().map(|channel| word(*channel)).collect(),
            time: Duration::from_millis(guard.timeout_ms),
            bytes: guard.bytes,
        });
    }
    all
}

const fn word(channel: file::GuardChannel) -> &'static str {
    match channel {
        file::GuardChannel::User => "user",
        file::GuardChannel::Tool => "tool",
        file::GuardChannel::Document => "document",
        file::GuardChannel::Mail => "mail",
        file::GuardChannel::System => "system",
        file::GuardChannel::Description => "description",
        file::GuardChannel::Answer => "model",
    }
}

/// What is masked. Masking rests on detectors, so a rule without them is refused and not ignored.
pub(super) fn privacy(
    privacy: &file::Privacy,
    inspect: &gateway::Inspect,
    wrong: &mut Wrong<'_>,
) -> gateway::Privacy {
    if !(60..=31_536_000).contains(&privacy.life_seconds) {
        wrong.add(
            "privacy.life_seconds",
            "life_seconds",
            "`life_seconds` must be 60 to 31536000".to_owned(),
            "",
        );
    }
    let personal = |kind: &String| kind != "secrets";
    for rule in &privacy.rule {
        if !inspect.enabled || (!inspect.personal && rule.kinds.iter().any(personal)) {
            wrong.add(
                "privacy.rule",
                "kinds",
                "masking needs `[inspect] enabled` and `personal`".to_owned(),
                "nothing would be found, and so nothing masked",
            );
        }
        if rule.kinds.is_empty()
            || (rule.models.is_empty() && rule.tools.is_empty() && !rule.results && !rule.answers)
        {
            wrong.add(
                "privacy.rule",
                "kinds",
                "a rule needs `kinds`, and `models`, `tools`, `results` or `answers`".to_owned(),
                "",
            );
        }
    }
    gateway::Privacy {
        rules: privacy.rule.iter().map(rule).collect(),
        per_identity: privacy.scope == file::VaultScope::Identity,
        life: Duration::from_secs(privacy.life_seconds),
        answers: privacy.restore_answers,
        documents: match privacy.documents {
            file::MaskDocuments::Refuse => gateway::MaskDocuments::Refuse,
            file::MaskDocuments::AsText => gateway::MaskDocuments::AsText,
            file::MaskDocuments::DangerPass => gateway::MaskDocuments::DangerPass,
        },
    }
}

fn rule(rule: &file::MaskRule) -> gateway::MaskRule {
    gateway::MaskRule {
        kinds: rule.kinds.iter().cloned().collect(),
        act: match rule.act {
            file::MaskAct::Tokenise => gateway::MaskAct::Tokenise,
            file::MaskAct::Redact => gateway::MaskAct::Redact,
            file::MaskAct::Mask => gateway::MaskAct::Mask,
            file::MaskAct::Hash => gateway::MaskAct::Hash,
            file::MaskAct::Generalise => gateway::MaskAct::Generalise,
        },
        models: rule.models.clone(),
        tools: rule.tools.clone(),
        results: rule.results,
        answers: rule.answers,
    }
}
