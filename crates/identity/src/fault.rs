//! Why a credential is refused: a stable code for the caller, and the exact reason for the operator.

use bartizan_types::{Code, Issuer};

/// A refused credential.
///
/// `code` may travel to the caller. `reason` names the check that failed and holds nothing of the credential; it
/// belongs in records and logs. `issuer` is set once the token named a trusted issuer, so that the shell may fetch
/// that issuer's keys again (on [`Code::TokenKey`] and [`Code::KeySetUnavailable`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct Fault {
    /// The stable code.
    pub code: Code,
    /// The check that failed.
    pub reason: Reason,
    /// The issuer that the token names, when it is one of ours.
    pub issuer: Option<Issuer>,
}

impl Fault {
    /// The stable code, for the caller.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code(),
            reason,
            issuer: None,
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $code:ident, $text:literal;)+) => {
        /// The exact check that refused a credential.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the checks.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code it is reported under.
            #[must_use]
            pub const fn code(self) -> Code {
                match self {
                    $(Self::$name => Code::$code,)+
                }
            }

            /// The variant's name, as test vectors write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }

        impl std::fmt::Display for Reason {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)+
                })
            }
        }
    };
}

reasons! {
    /// No credential was sent.
    Missing => CredentialMissing, "no credential";
    /// Several credentials were sent.
    Several => CredentialAmbiguous, "more than one credential";
    /// Neither `bz_…` nor three base64url parts.
    Unrecognised => CredentialMalformed, "neither an API key nor a JWT";
    /// More bytes than a token may have.
    TooLong => CredentialMalformed, "the credential is longer than 16384 bytes";
    /// An API key with a wrong length, alphabet or part.
    KeyShape => CredentialMalformed, "an API key has the form `bz_PREFIX_SECRET_CHECK`";
    /// An API key whose check digits do not fit: a typing or copying mistake.
    KeyChecksum => CredentialMalformed, "the API key's check digits do not fit the rest of it";
    /// No key has this prefix.
    KeyPrefix => KeyUnknown, "no API key has this prefix";
    /// The prefix is known and the secret is wrong.
    KeySecret => KeyUnknown, "the API key's secret is wrong";
    /// Revoked.
    KeyRevoked => KeyRevoked, "the API key is revoked";
    /// Past its end.
    KeyExpired => KeyExpired, "the API key is past its end";
    /// A part is not unpadded canonical base64url (RFC 7515 section 2).
    Base64 => CredentialMalformed, "a part of the token is not canonical base64url without padding";
    /// Header or claims are not one JSON object.
    Json => CredentialMalformed, "the token's header or claims are not one JSON object";
    /// Header or claims name a key twice at some depth.
    DuplicateKey => CredentialMalformed, "the token's header or claims name a key twice";
    /// Header or claims nest too deep.
    Depth => CredentialMalformed, "the token's header or claims nest deeper than 32";
    /// `alg` is missing or no text.
    AlgorithmMissing => TokenAlgorithm, "`alg` is missing or no text";
    /// `alg` is `none`, an HMAC, or another algorithm that is never used here.
    AlgorithmUnknown => TokenAlgorithm, "`alg` is none of the algorithms this crate knows";
    /// The algorithm is known, and not in the issuer's list.
    AlgorithmNotAllowed => TokenAlgorithm, "`alg` is not in the issuer's list";
    /// `crit` is present (RFC 7515 section 4.1.11): we understand no extension.
    Critical => TokenHeader, "`crit` is present";
    /// `b64`, `zip` or `enc`: the payload would not be what was signed.
    Encoding => TokenHeader, "`b64`, `zip` or `enc` is present";
    /// `cty` announces a nested token.
    Nested => TokenHeader, "`cty` is present";
    /// `typ` is of another kind of token (RFC 8725 section 3.11).
    Type => TokenHeader, "`typ` is not one this issuer's tokens may have";
    /// `kid` is no text of 1 to 256 bytes.
    KidShape => TokenHeader, "`kid` is no text of 1 to 256 bytes";
    /// `iss` is missing or no text.
    IssuerMissing => TokenIssuer, "`iss` is missing or no text";
    /// `iss` is not configured.
    IssuerUnknown => TokenIssuer, "`iss` is not a configured issuer";
    /// The issuer's key set was never read.
    KeySetUnavailable => KeySetUnavailable, "the issuer's key set was never read";
    /// No key has this `kid`, or none has it for this algorithm.
    KidUnknown => TokenKey, "no key of the set has this `kid` for this algorithm";
    /// `kid` is missing and the set has more than one key.
    KidMissing => TokenKey, "`kid` is missing and the set has more than one key";
    /// The signature does not verify.
    Signature => TokenSignature, "the signature does not verify";
    /// `aud` is missing or of a wrong type.
    AudienceMissing => TokenAudience, "`aud` is missing, or neither a text nor a list of up to 32 texts";
    /// `aud` names others.
    AudienceForeign => TokenAudience, "`aud` names none of our audiences";
    /// `exp` is missing or no date.
    ExpiryMissing => TokenClaims, "`exp` is missing or not a number of seconds";
    /// Past `exp`.
    Expired => TokenExpired, "`exp` has passed";
    /// `nbf` is no date.
    NotBeforeShape => TokenClaims, "`nbf` is not a number of seconds";
    /// Before `nbf`.
    NotBefore => TokenEarly, "`nbf` has not come";
    /// `iat` is no date.
    IssuedShape => TokenClaims, "`iat` is not a number of seconds";
    /// `iat` is needed for the maximum age and missing.
    IssuedMissing => TokenClaims, "`iat` is missing and the issuer has a maximum age";
    /// `iat` is in the future.
    IssuedLater => TokenEarly, "`iat` is in the future";
    /// Older than the issuer's tokens may be.
    TooOld => TokenExpired, "the token is older than the issuer's maximum age";
    /// `sub` of a JWT-SVID is no SPIFFE id, or one of another trust domain than that whose keys sign.
    SubjectSpiffe => TokenClaims, "`sub` is no SPIFFE id of the trust domain whose keys sign the token";
    /// The agent claim is missing or no name.
    Agent => TokenClaims, "the agent claim is missing or not a name of 1 to 256 printable ASCII characters";
    /// The agent claim names the gateway itself, whose housekeeping the policy packs permit.
    AgentReserved => TokenClaims, "the agent claim is `bartizan`, which is the gateway's own name";
    /// The user claim is missing or no name.
    User => TokenClaims, "the user claim is missing or not a name of 1 to 256 printable ASCII characters";
    /// The groups claim is of a wrong type or too large.
    Groups => TokenClaims, "the groups claim is not a list of up to 64 names of 1 to 256 printable ASCII characters";
    /// `act` is no object with a `sub` (RFC 8693 section 4.1).
    ActorShape => TokenClaims, "`act` is not an object with a text `sub` of 1 to 256 bytes";
    /// `act` nests too deep.
    ActorDepth => TokenClaims, "`act` nests deeper than 8";
    /// `cnf` is of a kind that can't be confirmed here.
    BindingShape => TokenBinding, "`cnf` is no object of texts `jkt` and `x5t#S256`";
    /// The token is bound to a certificate, and another or none was shown.
    BindingCertificate => TokenBinding, "the token is bound to a certificate that was not shown";
    /// The token is bound to a key, and no proof by it was sent.
    BindingKey => TokenBinding, "the token is bound to a key, and no proof by that key was sent";
    /// Token and certificate name different agents.
    BindingAgent => TokenBinding, "the credential and the client certificate name different agents";
    /// A proof came with a credential that is bound to no key.
    ProofUnbound => ProofInvalid, "a DPoP proof came with a credential that is bound to no key";
    /// More than one proof, or one that can't be read.
    ProofShape => ProofInvalid, "the DPoP proof is not one JWT of the type `dpop+jwt` with a public `jwk`";
    /// Its signature does not verify.
    ProofSignature => ProofInvalid, "the DPoP proof's signature does not verify";
    /// `htm` is not the request's method.
    ProofMethod => ProofInvalid, "`htm` is not the method of the request";
    /// `htu` is not the request's address.
    ProofAddress => ProofInvalid, "`htu` is not the address of the request";
    /// `ath` is not the token's hash.
    ProofToken => ProofInvalid, "`ath` is not the hash of the token";
    /// `iat` is too far away.
    ProofTime => ProofInvalid, "`iat` of the DPoP proof is more than 60 s away";
    /// It has no nonce of ours that still holds.
    ProofNonce => ProofNonce, "the DPoP proof has no nonce of ours that still holds";
    /// `jti` was seen.
    ProofSeen => ProofReplayed, "`jti` of the DPoP proof was used before";
    /// No room to remember it.
    ProofRoom => Saturated, "there is no room to remember another DPoP proof";
    /// Not a certificate, or a chain out of bounds.
    CertificateShape => CertificateInvalid, "the client certificate or its chain can't be read";
    /// Not exactly one URI name.
    CertificateName => CertificateInvalid, "the client certificate does not have exactly one URI name";
    /// The name is no SPIFFE id.
    CertificateId => CertificateInvalid, "the client certificate's URI name is no SPIFFE id of a workload";
    /// CA bit, missing key usage, or the wrong one.
    CertificateUsage => CertificateInvalid, "the client certificate is a CA's, or its key usage does not fit";
    /// Nobody vouches for the trust domain here.
    CertificateDomain => CertificateUntrusted, "the client certificate's trust domain is not known here";
    /// No path to the bundle.
    CertificatePath => CertificateUntrusted, "the client certificate does not lead to its domain's trust bundle";
    /// Past its end.
    CertificateOver => CertificateExpired, "the client certificate, or one above it, has expired";
    /// Before its begin.
    CertificateBefore => CertificateEarly, "the client certificate, or one above it, is not valid yet";
    /// Its path names no agent.
    CertificateAgent => CertificateInvalid, "the SPIFFE id's path names no agent";
    /// Not the form of a delegation.
    DelegationShape => DelegationInvalid, "the delegation's form or a link of it can't be read";
    /// A signature does not verify.
    DelegationSignature => DelegationInvalid, "a link of the delegation is not signed by the link before it";
    /// The last link's key was not proven.
    DelegationProof => DelegationInvalid, "the delegation's end does not prove the last link's key";
    /// More than 8 links.
    DelegationLong => DelegationDepth, "the delegation has more than 8 links";
    /// A link's time is over.
    DelegationOver => DelegationExpired, "a link of the delegation has expired";
    /// What it rests on has ended.
    DelegationRoot => DelegationExpired, "the credential that the delegation rests on is revoked, expired or gone";
}
