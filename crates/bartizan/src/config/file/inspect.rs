//! What is looked for in content, and by whom elsewhere.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is looked for in content: prompts, results of tools, arguments, answers, descriptions of tools. It ends in findings
/// alone; what follows from them, policy says.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Inspect {
    /// Look at content at all.
    pub(crate) enabled: bool,
    /// Look for instructions that do not belong, and for hidden text.
    pub(crate) instructions: bool,
    /// Look for personal data.
    pub(crate) personal: bool,
    /// Bytes of text not seen before that are looked at in one call, newest first. What is beyond is a finding, `unseen`.
    pub(crate) bytes_per_call: usize,
    /// Names of secrets whose values are planted where nobody has a reason to say them: `bartizan secret set NAME`. One
    /// that surfaces is a critical finding, and recorded as an incident.
    pub(crate) canaries: Vec<String>,
    /// Domains, with all below them, to which addresses in content may lead.
    pub(crate) allowed_domains: Vec<String>,
    /// Text files of known threats: a domain, an IP address or a SHA-256 of content on each line. Relative to this file.
    pub(crate) threat_lists: Vec<PathBuf>,
    /// Services elsewhere that are asked what they see in texts. What they say, and that they said nothing, is a finding.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) guard: Vec<Guard>,
    /// Classifiers on this machine that are asked what they see in texts: any sequence classifier of the BERT, DistilBERT,
    /// RoBERTa, XLM-RoBERTa and DeBERTa v2 and v3 families as Hugging Face keeps it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) classifier: Vec<Classifier>,
}

/// A classifier in a folder. Nothing leaves this machine; what it says, and that it did not finish in time, is a finding.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Classifier {
    /// Its name in logs.
    pub(crate) name: String,
    /// The folder with `config.json`, `tokenizer.json` and `model.safetensors`. Relative to this file.
    pub(crate) folder: PathBuf,
    /// Those of its labels that speak against a text, as its `config.json` names them; their shares are added.
    pub(crate) labels: Vec<String>,
    /// From this share on, in percent, there is a finding, 1 to 100; from 90 on it is of high severity.
    #[serde(default = "default_at_percent")]
    pub(crate) at_percent: u8,
    /// What the finding is.
    #[serde(default)]
    pub(crate) finding: ClassifierFinding,
    /// Whose texts it is shown.
    #[serde(default = "default_guard_channels")]
    pub(crate) channels: Vec<GuardChannel>,
    /// How long a call waits for it, 10 to 30000. A text that it did not read to its end by then counts as not answered.
    #[serde(default = "default_guard_timeout_ms")]
    pub(crate) timeout_ms: u64,
    /// Bytes of text not seen before that it is shown in one call, newest first, at most 262144. What is beyond counts as
    /// not answered.
    #[serde(default = "default_guard_bytes")]
    pub(crate) bytes: usize,
    /// Calls whose texts it reads at the same time, each on a thread of its own, 1 to 64. Others wait, within their time.
    #[serde(default = "default_at_once")]
    pub(crate) at_once: usize,
}

/// What a classifier's finding is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClassifierFinding {
    /// The text tries to take over whoever reads it.
    #[default]
    Injection,
    /// The text is what the operator does not want: insults, and the like.
    Flagged,
}

/// A service that is asked what it sees in texts. Secrets, personal data and planted values that were found in a text do
/// not go with it.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guard {
    /// Its name in records.
    pub(crate) name: String,
    /// How it is asked.
    pub(crate) shape: GuardShape,
    /// Where: `https`, or an address of this machine.
    pub(crate) url: String,
    /// The model that it is told to use.
    pub(crate) model: String,
    /// Its key, as `secret:NAME`: `bartizan secret set NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Whose texts it is shown.
    #[serde(default = "default_guard_channels")]
    pub(crate) channels: Vec<GuardChannel>,
    /// How long a call waits for it, 10 to 30000. A later answer counts as none.
    #[serde(default = "default_guard_timeout_ms")]
    pub(crate) timeout_ms: u64,
    /// Bytes of text not seen before that it is shown in one call, newest first, at most 262144. What is beyond counts as
    /// not answered.
    #[serde(default = "default_guard_bytes")]
    pub(crate) bytes: usize,
}

/// How a guard is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GuardShape {
    /// As OpenAI's moderations (`/v1/moderations`); another gateway of ours answers so, too.
    Moderations,
    /// As an OpenAI chat completion, with a fixed rubric and a JSON schema for the answer.
    Chat,
}

/// Whose texts a guard is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GuardChannel {
    /// What stands in the human's role.
    User,
    /// What tools answer, and what servers ask and log.
    Tool,
    /// Resources.
    Document,
    /// Resources that are mail.
    Mail,
    /// Instructions and prompts.
    System,
    /// Descriptions of tools that a request to a model has.
    Description,
    /// What models answer, whole and streamed. A stream waits for the guard, a part at a time, where policy would withhold
    /// an answer for what it says or for its silence.
    Answer,
}

fn default_guard_channels() -> Vec<GuardChannel> {
    vec![
        GuardChannel::User,
        GuardChannel::Tool,
        GuardChannel::Document,
        GuardChannel::Mail,
    ]
}

const fn default_guard_timeout_ms() -> u64 {
    1_000
}

const fn default_guard_bytes() -> usize {
    64 << 10
}

const fn default_at_percent() -> u8 {
    50
}

const fn default_at_once() -> usize {
    2
}

impl Default for Inspect {
    fn default() -> Self {
        let built_in = bartizan_gateway::config::Inspect::default();
        Self {
            enabled: built_in.enabled,
            instructions: built_in.instructions,
            personal: built_in.personal,
            bytes_per_call: built_in.bytes_per_call,
            canaries: built_in.canaries,
            allowed_domains: built_in.allowed_domains,
            threat_lists: built_in.threat_lists,
            guard: Vec::new(),
            classifier: Vec::new(),
        }
    }
}
