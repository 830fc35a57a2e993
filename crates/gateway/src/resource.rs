//! What an MCP client needs to find out by itself where tokens for this gateway are issued: protected resource metadata
//! (RFC 9728) and the challenge that points to it.

use bartizan_types::{Code, Refusal};
use http::{HeaderValue, Method, Response, header, request::Parts};
use serde_json::json;

use crate::{Shared, answer::AgentBody, clock, edge, nonces::NONCE};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The request's own address up to its path.
pub(crate) fn origin(shared: &Shared, head: &Parts) -> String {
    let listen = &shared.config.listen;
    let scheme = if listen.tls.is_some() || listen.danger_plaintext {
        "https"
    } else {
        "http"
    };
    format!("{scheme}://{}", edge::authority(head))
}

/// Where the metadata of a path is; `None` where no issuer is configured, or the path is no MCP endpoint.
pub(crate) fn challenge(shared: &Shared, head: &Parts) -> Option<String> {
    shared.directory.issuer_names().next()?;
    let path = head.uri.path();
    (path == "/mcp" || path.starts_with("/mcp/"))
        .then(|| format!("{}{WELL_KNOWN}{path}", origin(shared, head)))
}

/// Answers a request for metadata, without asking who it is from: it says nothing that a 401 would not.
pub(crate) fn metadata(shared: &Shared, head: &Parts) -> Option<Result<Response<AgentBody>, Code>> {
    let path = head.uri.path().strip_prefix(WELL_KNOWN)?;
    if !(path.is_empty() || path == "/mcp" || path.starts_with("/mcp/")) {
        return Some(Err(Code::NotFound));
    }
    let issuers: Vec<&str> = shared.directory.issuer_names().collect();
    if issuers.is_empty() {
        return Some(Err(Code::NotFound));
    }
    if head.method != Method::GET {
        return Some(Err(Code::Method));
    }
    let path = if path.is_empty() { "/mcp" } else { path };
    let mut answer = json!({
        "resource": format!("{}{path}", origin(shared, head)),
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256", "ES384", "EdDSA", "PS256", "RS256"],
        "tls_client_certificate_bound_access_tokens": true,
        "resource_name": "Bartizan",
    });
    let scopes: Vec<&str> = shared.config.scopes.names().collect();
    if !scopes.is_empty() {
        answer["scopes_supported"] = json!(scopes);
    }
    let mut response = Response::new(AgentBody::ours(answer.to_string().into_bytes()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    Some(Ok(response))
}

/// The challenges of a refusal (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1).
pub(crate) fn dress(response: &mut Response<AgentBody>, refusal: &Refusal, metadata: Option<&str>) {
    if refusal.scopes.is_some() {
        return step_up(response, refusal, metadata);
    }
    if response.status().as_u16() != 401 {
        return;
    }
    let error = match refusal.code {
        Code::CredentialMissing => "",
        Code::ProofInvalid | Code::ProofReplayed => "invalid_dpop_proof",
        Code::ProofNonce => "use_dpop_nonce",
        _ => "invalid_token",
    };
    let mut parts = Vec::new();
    if !error.is_empty() && !of_proof(refusal.code) {
        parts.push(format!("error=\"{error}\""));
    }
    parts.extend(metadata.map(|address| format!("resource_metadata=\"{address}\"")));
    let bearer = format!("Bearer {}", parts.join(", "));
    let mut challenges = vec![bearer.trim_end().to_owned()];
    if of_proof(refusal.code) || refusal.code == Code::TokenBinding {
        let error = if of_proof(refusal.code) {
            error
        } else {
            "invalid_token"
        };
        challenges.push(format!(
            "DPoP error=\"{error}\", algs=\"ES256 ES384 EdDSA PS256 RS256\""
        ));
    }
    let headers = response.headers_mut();
    headers.remove(header::WWW_AUTHENTICATE);
    for challenge in challenges {
        if let Ok(value) = HeaderValue::from_str(&challenge) {
            headers.append(header::WWW_AUTHENTICATE, value);
        }
    }
}

/// Whether it is the proof that is refused, and not the token.
const fn of_proof(code: Code) -> bool {
    matches!(code, Code::ProofInvalid | Code::ProofReplayed | Code::ProofNonce)
}

/// Says which scopes a token for this call has to have (RFC 6750 section 3.1, MCP authorization "Scope Challenge
/// Handling"): those that are missing and those that the same call needs beside them.
pub(crate) fn step_up(response: &mut Response<AgentBody>, refusal: &Refusal, metadata: Option<&str>) {
    let scopes: Vec<&str> = refusal
        .scopes
        .iter()
        .flat_map(|scopes| scopes.iter().map(String::as_str))
        .collect();
    let mut challenge = format!(
        "Bearer error=\"insufficient_scope\", scope=\"{}\"",
        scopes.join(" ")
    );
    if let Some(address) = metadata {
        challenge.push_str(&format!(", resource_metadata=\"{address}\""));
    }
    if let Ok(value) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
}

/// Gives whoever shows proofs the nonce for the next one (RFC 9449 section 8.2), with whatever it is told.
pub(crate) fn renew_nonce(shared: &Shared, head: &Parts, response: &mut Response<AgentBody>) {
    let Some(nonces) = &shared.nonces else { return };
    if !head.headers.contains_key("dpop") {
        return;
    }
    let [next, _] = nonces.now(clock::now());
    if let Ok(value) = HeaderValue::from_str(&next) {
        response.headers_mut().insert(NONCE, value);
    }
}
