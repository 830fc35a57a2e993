//! What requests to AWS are signed for.

use bartizan_identity::AwsScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{file::Upstream, resolve::Wrong};

/// For what requests are signed (AWS Signature Version 4).
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aws {
    /// As `eu-central-1`.
    pub(crate) region: String,
    /// As `bedrock`.
    pub(crate) service: String,
}

/// The scope of an upstream's signatures; what is wrong is collected.
pub(super) fn scope(upstream: &Upstream, wrong: &mut Wrong<'_>) -> Option<AwsScope> {
    let Some(aws) = &upstream.aws else {
        let message = format!("`{}` has nothing to be signed for", upstream.name);
        let help = "write `aws = { region = \"eu-central-1\", service = \"bedrock\" }`";
        wrong.add("upstream.aws", &upstream.name, message, help);
        return None;
    };
    let plain = |text: &str| {
        (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    for (key, text) in [("region", &aws.region), ("service", &aws.service)] {
        if !plain(text) {
            let message = format!("`{text}` is no {key} of AWS");
            wrong.add("upstream.aws", text, message, "small letters, digits and `-`");
        }
    }
    Some(AwsScope {
        region: aws.region.clone(),
        service: aws.service.clone(),
    })
}
