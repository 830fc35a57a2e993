//! What is looked for in content, and who else is asked.

use std::{path::PathBuf, time::Duration};

use bartizan_types::FindingKind;
use http::Uri;

/// What is looked for in content. It all ends in findings; what follows from them, policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspect {
    /// Whether anything is looked at.
    pub enabled: bool,
    /// Look for instructions that do not belong, and for hidden text.
    pub instructions: bool,
    /// Look for personal data.
    pub personal: bool,
    /// Bytes of new text that are looked at in one call.
    pub bytes_per_call: usize,
    /// Secrets of the store whose values are planted: nobody has a reason to say one.
    pub canaries: Vec<String>,
    /// Domains, with all below them, that addresses may lead to.
    pub allowed_domains: Vec<String>,
    /// Files that list domains, IP addresses and hashes of what is known to be a threat.
    pub threat_lists: Vec<PathBuf>,
    /// Services elsewhere that are asked, too.
    pub guards: Vec<Guard>,
    /// Classifiers on this machine that are asked, too.
    pub classifiers: Vec<Classifier>,
}

/// A sequence classifier in a folder: `config.json`, `tokenizer.json` and `model.safetensors`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classifier {
    /// Its name in logs.
    pub name: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// Its labels that speak against a text; their shares are added.
    pub labels: Vec<String>,
    /// From this share on, in percent, there is a finding.
    pub at_percent: u8,
    /// What kind of finding.
    pub kind: FindingKind,
    /// Channels whose texts it is shown, by their words.
    pub channels: Vec<&'static str>,
    /// How long a call waits for it.
    pub time: Duration,
    /// Bytes of text that it is shown in one call.
    pub bytes: usize,
    /// Calls whose texts it reads at the same time, each on a thread.
    pub at_once: usize,
}

/// A service that is asked what it sees in texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Its name in records and logs.
    pub name: String,
    /// How it is asked.
    pub shape: GuardShape,
    /// Where.
    pub url: Uri,
    /// The model that it is told to use.
    pub model: String,
    /// The secret of the store that goes with the question.
    pub secret: Option<String>,
    /// Channels whose texts it is shown, by their words.
    pub channels: Vec<&'static str>,
    /// How long a call waits for it.
    pub time: Duration,
    /// Bytes of text that it is shown in one call.
    pub bytes: usize,
}

/// How a guard is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardShape {
    /// As OpenAI's moderations.
    Moderations,
    /// As a chat completion, with a fixed rubric and a schema for the answer.
    Chat,
}

impl Default for Inspect {
    fn default() -> Self {
        Self {
            enabled: true,
            instructions: true,
            personal: true,
            bytes_per_call: 1 << 20,
            canaries: Vec::new(),
            allowed_domains: Vec::new(),
            threat_lists: Vec::new(),
            guards: Vec::new(),
            classifiers: Vec::new(),
        }
    }
}
