//! What an operator says of an issuer: its name, audiences, algorithms, and which claims name whom.

use std::{fmt, str::FromStr, sync::Arc};

use bartizan_types::Issuer;
use serde::{Deserialize, Serialize};

use crate::{KeySet, TrustDomain};

/// Largest leeway between the clocks of issuer and gateway, in seconds.
pub(crate) const LEEWAY_SECONDS_MAX: u32 = 300;
/// Most audiences, algorithms or types an issuer may list.
const LIST_MAX: usize = 32;

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037, RFC 9864). `none` and HMAC do not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// RSASSA-PSS with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// Ed25519. A token may say `EdDSA` or `Ed25519`.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The name in `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = ConfigFault;
    /// Exact names only: `rs256` is no algorithm.
    fn from_str(text: &str) -> Result<Self, ConfigFault> {
        match text {
            "Ed25519" => Ok(Self::EdDsa),
            _ => Self::ALL
                .into_iter()
                .find(|algorithm| algorithm.as_str() == text)
                .ok_or(ConfigFault::Algorithm),
        }
    }
}

/// How one issuer's tokens are judged.
///
/// A claim is named as it stands in the token, or by a JSON pointer (RFC 6901) when it starts with `/`: a token of an
/// agent acting for a user (RFC 8693) is read with agent `/act/sub` and user `sub`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerConfig {
    /// The exact `iss`.
    pub issuer: Issuer,
    /// One of these must be in `aud`. At least one, at most 32.
    pub audience: Vec<String>,
    /// `alg` must be one of these. At least one.
    pub algorithms: Vec<Algorithm>,
    /// `typ` must be one of these, compared without case and without `application/`. Empty: `JWT`, `at+jwt` or none.
    pub types: Vec<String>,
    /// The claim that names the agent.
    pub agent_claim: String,
    /// The claim that names the user; required in every token when set.
    pub user_claim: Option<String>,
    /// The claim that lists groups; a token without it has none.
    pub groups_claim: Option<String>,
    /// Put before agent, user and groups, with a `/`. Required and distinct as soon as there are two issuers, so that
    /// no issuer can name another's agents.
    pub namespace: Option<String>,
    /// Seconds the clocks may differ, at most 300.
    pub leeway_seconds: u32,
    /// Oldest accepted token in seconds since `iat`. `None`: `exp` alone decides.
    pub max_age_seconds: Option<u32>,
    /// Its tokens are JWT-SVIDs of this trust domain: `sub` says whom they name, and `iss` need not be there.
    pub svids_of: Option<TrustDomain>,
}

impl IssuerConfig {
    /// Strict defaults: RS256, PS256, ES256 and EdDSA; agent from `sub`; no user, no groups; 30 s of leeway.
    #[must_use]
    pub fn new(issuer: Issuer, audience: Vec<String>) -> Self {
        Self {
            issuer,
            audience,
            algorithms: vec![
                Algorithm::Rs256,
                Algorithm::Ps256,
                Algorithm::Es256,
                Algorithm::EdDsa,
            ],
            types: Vec::new(),
            agent_claim: "sub".to_owned(),
            user_claim: None,
            groups_claim: None,
            namespace: None,
            leeway_seconds: 30,
            max_age_seconds: None,
            svids_of: None,
        }
    }

    /// JWT-SVIDs of a trust domain (SPIFFE JWT-SVID specification, sections 2 and 3): RSA and ECDSA alone, and agents named
    /// as that domain's certificates name them, `NAMESPACE/PATH`; the namespace is the domain's name until another is set.
    ///
    /// # Errors
    /// [`ConfigFault::Namespace`] for a domain whose name no issuer can have.
    pub fn svids(domain: TrustDomain, audience: Vec<String>) -> Result<Self, ConfigFault> {
        let issuer = Issuer::new(&format!("spiffe://{domain}")).map_err(|_| ConfigFault::Namespace)?;
        let mut config = Self::new(issuer, audience);
        config.algorithms = Algorithm::ALL
            .into_iter()
            .filter(|one| *one != Algorithm::EdDsa)
            .collect();
        config.namespace = Some(domain.to_string());
        config.svids_of = Some(domain);
        Ok(config)
    }

    /// # Errors
    /// [`ConfigFault`] names the first field out of its bounds.
    pub fn check(&self) -> Result<(), ConfigFault> {
        let listed = |list: &[String]| {
            list.len() <= LIST_MAX && list.iter().all(|text| !text.is_empty() && text.len() <= 1024)
        };
        if self.audience.is_empty() || !listed(&self.audience) {
            return Err(ConfigFault::Audience);
        }
        let foreign = self.svids_of.is_some() && self.algorithms.contains(&Algorithm::EdDsa);
        if self.algorithms.is_empty() || self.algorithms.len() > LIST_MAX || foreign {
            return Err(ConfigFault::Algorithm);
        }
        if !listed(&self.types) {
            return Err(ConfigFault::Type);
        }
        let claims = [
            Some(&self.agent_claim),
            self.user_claim.as_ref(),
            self.groups_claim.as_ref(),
        ];
        if claims
            .into_iter()
            .flatten()
            .any(|claim| claim.is_empty() || claim.len() > 256)
        {
            return Err(ConfigFault::Claim);
        }
        let plain = |text: &String| {
            let body = text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            !text.is_empty() && text.len() <= 64 && body
        };
        if !self.namespace.as_ref().is_none_or(plain) {
            return Err(ConfigFault::Namespace);
        }
        if self.leeway_seconds > LEEWAY_SECONDS_MAX {
            return Err(ConfigFault::Leeway);
        }
        Ok(())
    }
}

/// An issuer with the keys the shell last read for it.
#[derive(Debug, Clone)]
pub struct IssuerKeys {
    /// How its tokens are judged.
    pub config: IssuerConfig,
    /// Its keys; `None` until they were read once. Tokens are refused with `identity.key_set_unavailable` until then.
    pub keys: Option<Arc<KeySet>>,
}

/// Why a registry can't be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigFault {
    /// Audience list.
    #[error("an issuer needs 1 to 32 audiences of 1 to 1024 bytes")]
    Audience,
    /// Algorithm list.
    #[error("an issuer needs 1 to 32 of RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 EdDSA")]
    Algorithm,
    /// Type list.
    #[error("an issuer may list up to 32 token types of 1 to 1024 bytes")]
    Type,
    /// A claim's name.
    #[error("a claim's name has 1 to 256 bytes")]
    Claim,
    /// The namespace's form.
    #[error("a namespace has 1 to 64 letters, digits, `-`, `_` or `.`")]
    Namespace,
    /// The leeway.
    #[error("the leeway is at most 300 seconds")]
    Leeway,
    /// Two issuers have the same `iss`.
    #[error("two issuers have the same name")]
    IssuerTwice,
    /// Two issuers could name the same agent.
    #[error("with more than one issuer each needs a namespace of its own")]
    NamespaceShared,
    /// Two API keys have the same prefix.
    #[error("two API keys have the same prefix")]
    PrefixTwice,
    /// Two trust bundles clash.
    #[error("two trust bundles are of one domain, or could name the same agent")]
    Bundles,
    /// Not a public key.
    #[error("the key that begins delegations is not 32 bytes in base64url")]
    Delegations,
}
