//! `[inspect]` and `[privacy]`, resolved.

use std::{path::Path, time::Duration};

use bartizan_gateway::config as gateway;

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
