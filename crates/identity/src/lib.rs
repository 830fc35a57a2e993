//! Credential bytes, keys and `now` in; a [`Principal`](bartizan_types::Principal) or a typed refusal out.
//!
//! Kinds of credential: API keys of ours ([`mint_key`]), JWTs of configured issuers checked against their key sets
//! ([`KeySet`]), client certificates with SPIFFE ids ([`TrustBundle`]), and delegations, which agents narrow offline
//! ([`delegate`], [`narrow`]). A token may be bound to a certificate or to a key that a DPoP proof shows
//! ([`Presented`]). [`Registry`] is an immutable snapshot of who may call; [`TokenCache`] remembers what was checked.
//!
//! What this crate refuses to do: read a clock (`now` is an argument), fetch keys (the shell does), follow `jku`,
//! `x5u`, `x5c` or `jwk` in a token (a token never says where its key is), and guess (two issuers that could name the
//! same agent are refused when the registry is built).
//!
//! Signatures are checked with `aws-lc-rs` directly. `jsonwebtoken` reads the clock and parses leniently (duplicate
//! keys in header or claims), so it stands outside, as the independent peer that the tests compare with.

mod base62;
mod binding;
mod cache;
mod card;
mod claims;
mod credential;
mod delegation;
mod der;
mod dpop;
mod fault;
mod google;
mod issuer;
mod key;
mod keyset;
mod registry;
mod sigv4;
mod spiffe;
mod strict;
mod svid;
mod token;
mod workload_api;

pub mod oauth;

pub use bartizan_types::Secret;
pub use binding::Presented;
pub use cache::TokenCache;
pub use card::verify_card;
pub use credential::Credential;
pub use delegation::{
    ChainRoot, DelegationFault, DelegationKey, LINKS_MAX, delegate, is_delegation, narrow, seal,
};
pub use dpop::{ProofOf, Replays};
pub use fault::{Fault, Reason};
pub use google::{GoogleKey, NoGoogleKey, SelfSigned, TOKEN_ENDPOINT as GOOGLE_TOKEN_ENDPOINT};
pub use issuer::{Algorithm, ConfigFault, IssuerConfig, IssuerKeys};
pub use key::{ApiKeyRecord, MintFault, NewKey, Pepper, RESERVED_AGENT, is_api_key, mint_key};
pub use keyset::{KeySet, KeySetFault, SkipReason, SkippedKey};
pub use registry::{Registry, local_principal};
pub use sigv4::{AwsKey, AwsScope, NoAwsKey, ToSign, UnfitPath, sign as sign_aws};
pub use spiffe::{SpiffeName, SpiffeNameFault, TrustDomain, TrustDomainFault};
pub use svid::{BundleFault, Naming, PeerCertificate, TrustBundle};
pub use workload_api::{Frames, REQUEST as WORKLOAD_REQUEST, WorkloadFault, WorkloadSvid, WorkloadUpdate};
