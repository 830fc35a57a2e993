//! What the operator says of a server's tools.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Class, Effect, Role};

/// What the operator says of one tool, in the place of what would be inferred.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tool {
    /// What a call of it does. None: inferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effect: Option<Effect>,
    /// Roles by argument: dotted keys, `*` for one key or index, `**` for any number. It holds for what lies below, too;
    /// the most specific pattern wins. Arguments without a line: inferred.
    pub(crate) arguments: BTreeMap<String, Role>,
    /// Who stands behind each leaf of its results, by pattern as above; a line holds for what it names alone. Leaves
    /// without a line: inferred.
    pub(crate) results: BTreeMap<String, Class>,
    /// What it returns anybody may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public: Option<bool>,
    /// Its text results are JSON that the service itself writes, so they are read leaf by leaf, by `results`. Say it only of
    /// a service that builds that JSON with a serializer; it never holds for what fetches or is not reviewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) json_text: Option<bool>,
    /// Arguments that take a one-time code, by pattern as above. Such a code is vouched for once, where a call that waits
    /// for it (`codes_from`) was let through before it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) codes: Vec<String>,
    /// A call of this tool waits for a one-time code from one of these domains, as the `sender` of a message tells it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) codes_from: Vec<String>,
    /// The whole manifest, inferred lines included, counts as reviewed for as long as the pinned definition stays.
    pub(crate) reviewed: bool,
}
