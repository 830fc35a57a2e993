//! What an MCP client needs to find out by itself where tokens for this gateway are issued: protected resource metadata
//! (RFC 9728) and the challenge that points to it.

use bartizan_types::{Code, Refusal};
use http::{HeaderValue, Method, Response, header, request::Parts};
use serde_json::json;

use crate::{Shared, answer::AgentBody, edge};

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
    let answer = json!({
        "resource": format!("{}{path}", origin(shared, head)),
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256", "ES384", "EdDSA", "PS256", "RS256"],
        "tls_client_certificate_bound_access_tokens": true,
        "resource_name": "Bartizan",
    });
    let mut response = Response::new(AgentBody::ours(answer.to_string().into_bytes()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    Some(Ok(response))
}

/// The challenges of a refusal (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1).
pub(crate) fn dress(response: &mut Response<AgentBody>, refusal: &Refusal, metadata: Option<&str>) {
    if response.status().as_u16() != 401 {
        return;
    }
    let error = match refusal.code {
        Code::CredentialMissing => "",
        Code::ProofInvalid | Code::ProofReplayed => "invalid_dpop_proof",
        _ => "invalid_token",
    };
    let mut parts = Vec::new();
    if !error.is_empty() && error != "invalid_dpop_proof" {
        parts.push(format!("error=\"{error}\""));
    }
    parts.extend(metadata.map(|address| format!("resource_metadata=\"{address}\"")));
    let bearer = format!("Bearer {}", parts.join(", "));
    let mut challenges = vec![bearer.trim_end().to_owned()];
    if matches!(
        refusal.code,
        Code::ProofInvalid | Code::ProofReplayed | Code::TokenBinding
    ) {
        let error = if error == "invalid_dpop_proof" {
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
