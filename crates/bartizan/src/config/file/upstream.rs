//! Model providers, as the file has them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A model provider.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    /// Its name in policy and records.
    pub(crate) name: String,
    /// Which API family it speaks.
    pub(crate) api: Api,
    /// Base address, without `/v1`.
    pub(crate) url: String,
    /// The secret sent as its credential. None: the secret of the upstream's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    /// Whose credential is sent.
    #[serde(default)]
    pub(crate) credential: Credential,
    /// With `credential = "aws"`: for what requests are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aws: Option<super::super::signing::Aws>,
    /// With `credential = "google"`: what the service account's token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) google: Option<super::super::signing::Google>,
    /// Its paths begin with `/v1`, as those of the providers themselves; those of Vertex AI and some compatibles do not.
    #[serde(default = "default_v1_paths")]
    pub(crate) v1_paths: bool,
    /// The SPIFFE id that it has to have, as `spiffe://example.org/mcp`: it is then known by the roots of that trust domain (our
    /// own, or one of `[[spiffe]]`) in the place of its host's name, and is shown the gateway's own X.509-SVID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spiffe_id: Option<String>,
    /// A PEM file of roots to trust instead of the built-in ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) roots: Option<PathBuf>,
}

/// An API family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Api {
    /// OpenAI and compatibles: chat completions and responses.
    Openai,
    /// Anthropic: messages.
    Anthropic,
}

/// Whose credential an upstream is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Credential {
    /// A secret of the store; the agent never holds it.
    #[default]
    Secret,
    /// The `Authorization` header the agent sent itself, beside its own key in `x-bartizan-key`.
    Client,
    /// A signature (AWS Signature Version 4) by a key of the store: JSON as `credential_process` gives it.
    Aws,
    /// A token of a Google service account, whose key file is in the store.
    Google,
    /// None is wanted.
    None,
}

const fn default_v1_paths() -> bool {
    true
}
