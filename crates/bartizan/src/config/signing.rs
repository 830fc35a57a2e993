//! What requests are signed with, in the configuration: as it is written, and as the gateway takes it.

use bartizan_gateway::config as gateway;
use bartizan_identity::{AwsScope, oauth::Address};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{file, resolve::Wrong};

/// Longest audience and scope, in bytes.
const WORD_BYTES_MAX: usize = 512;

/// For what requests are signed (AWS Signature Version 4).
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aws {
    /// As `eu-central-1`.
    pub(crate) region: String,
    /// As `bedrock`.
    pub(crate) service: String,
}

/// What the token of a Google service account is for: `audience`, `scopes` or `id_audience`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Google {
    /// The service, as `https://aiplatform.googleapis.com/`: the account signs its token itself, and nobody is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audience: Option<String>,
    /// Scopes, as `https://www.googleapis.com/auth/cloud-platform`: the token endpoint gives an access token for what the
    /// account signs (RFC 7523).
    pub(crate) scopes: Vec<String>,
    /// Whom an ID token is shown to, as `https://place-abc.run.app`: the token endpoint gives one for what the account signs,
    /// as Cloud Run and Identity-Aware Proxy want it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id_audience: Option<String>,
    /// The token endpoint of `scopes` and `id_audience`. None: Google's own. What the key's file says is not followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_endpoint: Option<String>,
}

/// What is signed for an MCP server at a `url`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ServerCredential {
    /// Nothing: its credential is in `headers`, or its users connect.
    #[default]
    None,
    /// A signature (AWS Signature Version 4) by a key of the store: JSON as `credential_process` gives it.
    Aws,
    /// A token of a Google service account, whose key file is in the store.
    Google,
}

/// A place that something is signed for.
pub(super) struct At<'a> {
    /// The table, as `upstream`.
    pub(super) table: &'static str,
    /// Its name.
    pub(super) name: &'a str,
    /// Its address.
    pub(super) url: &'a str,
    /// The key's name; none is the place's own.
    pub(super) secret: Option<&'a String>,
    pub(super) aws: Option<&'a Aws>,
    pub(super) google: Option<&'a Google>,
}

impl At<'_> {
    /// What signs for it by AWS Signature Version 4; what is wrong is collected.
    pub(super) fn aws(&self, wrong: &mut Wrong<'_>) -> Option<gateway::Signed> {
        let key = format!("{}.aws", self.table);
        let Some(aws) = self.aws else {
            let message = format!("`{}` has nothing to be signed for", self.name);
            let help = "write `aws = { region = \"eu-central-1\", service = \"bedrock\" }`";
            wrong.add(&key, self.name, message, help);
            return None;
        };
        let plain = |text: &str| {
            (1..=64).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        for (what, text) in [("region", &aws.region), ("service", &aws.service)] {
            if !plain(text) {
                let message = format!("`{text}` is no {what} of AWS");
                wrong.add(&key, text, message, "small letters, digits and `-`");
            }
        }
        Some(self.signed(gateway::Scheme::Aws(AwsScope {
            region: aws.region.clone(),
            service: aws.service.clone(),
        })))
    }

    /// What speaks for it by a Google service account; what is wrong is collected.
    pub(super) fn google(&self, wrong: &mut Wrong<'_>) -> Option<gateway::Signed> {
        let key = format!("{}.google", self.table);
        let told = self.google.cloned().unwrap_or_default();
        let said = [
            told.audience.is_some(),
            told.id_audience.is_some(),
            !told.scopes.is_empty(),
        ];
        if said.into_iter().filter(|said| *said).count() != 1 {
            let message = format!(
                "`{}` needs one of `audience`, `scopes` and `id_audience`",
                self.name
            );
            let help = "write `google = { audience = \"https://aiplatform.googleapis.com/\" }`";
            wrong.add(&key, self.name, message, help);
            return None;
        }
        for word in told.audience.iter().chain(&told.id_audience).chain(&told.scopes) {
            let odd = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\\');
            if word.is_empty() || word.len() > WORD_BYTES_MAX || word.bytes().any(odd) {
                let message = format!("`{word}` is neither an audience nor a scope");
                wrong.add(&key, word, message, "");
            }
        }
        // Whoever listens on the way would have the token.
        if !in_private(self.url) {
            let message = format!("`{}` is no `https` address, nor one of this machine's", self.url);
            wrong.add(&format!("{}.url", self.table), self.url, message, "");
        }
        let endpoint = match &told.token_endpoint {
            Some(text) if told.audience.is_some() || !in_private(text) => {
                let message = "`token_endpoint` goes with `scopes` or `id_audience`, and is an `https` address or one of this machine's";
                wrong.add(&key, text, message.to_owned(), "");
                None
            }
            told => told.as_ref().and_then(|text| text.parse().ok()),
        };
        Some(
            self.signed(gateway::Scheme::Google(match (told.audience, told.id_audience) {
                (Some(audience), _) => gateway::Google::SelfSigned { audience },
                (None, Some(audience)) => gateway::Google::Identity {
                    audience,
                    token_endpoint: endpoint,
                },
                (None, None) => gateway::Google::Exchanged {
                    scopes: told.scopes,
                    token_endpoint: endpoint,
                },
            })),
        )
    }

    /// Tables that nothing uses say something else than what happens.
    pub(super) fn unused(&self, signs: [bool; 2], wrong: &mut Wrong<'_>) {
        let [by_aws, by_google] = signs;
        for (key, unused) in [
            ("aws", self.aws.is_some() && !by_aws),
            ("google", self.google.is_some() && !by_google),
        ] {
            if unused {
                let message = format!("`{key}` of `{}` needs `credential = \"{key}\"`", self.name);
                wrong.add(&format!("{}.{key}", self.table), key, message, "");
            }
        }
    }

    fn signed(&self, by: gateway::Scheme) -> gateway::Signed {
        gateway::Signed {
            key: self.secret.cloned().unwrap_or_else(|| self.name.to_owned()),
            by,
        }
    }
}

/// What requests to a server are signed with.
pub(super) fn of_server(server: &file::Server, wrong: &mut Wrong<'_>) -> Option<gateway::Signed> {
    use ServerCredential as By;
    let at = At {
        table: "server",
        name: &server.name,
        url: server.url.as_deref().unwrap_or_default(),
        secret: server.secret.as_ref(),
        aws: server.aws.as_ref(),
        google: server.google.as_ref(),
    };
    let by = server.credential;
    at.unused([by == By::Aws, by == By::Google], wrong);
    if by == By::None {
        if server.secret.is_some() {
            let message = format!("`secret` of `{}` needs a `credential`", server.name);
            let help = "a secret in a header is written as `headers = { X-Key = \"secret:NAME\" }`";
            wrong.add("server.secret", &server.name, message, help);
        }
        return None;
    }
    let said = server
        .headers
        .keys()
        .any(|name| name.eq_ignore_ascii_case("authorization"));
    if server.url.is_none() || said || server.oauth != super::oauth::Oauth::default() {
        let message = format!(
            "`{}` can't be signed for: it needs a `url`, and neither `Authorization` in `headers` nor `oauth`",
            server.name
        );
        wrong.add("server.credential", &server.name, message, "");
        return None;
    }
    match by {
        By::Aws => at.aws(wrong),
        By::Google => at.google(wrong),
        By::None => None,
    }
}

/// Whether nobody on the way can read what goes there.
fn in_private(text: &str) -> bool {
    Address::parse(text).is_ok_and(|address| address.is_https() || address.is_loopback())
}
