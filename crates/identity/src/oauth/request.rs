//! What is said to an authorization server: registration, the authorization request, requests for tokens.

use aws_lc_rs::digest;
use bartizan_types::{Secret, Timestamp};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::{
    Address, AuthorizationServer, Challenge, OauthFault, ResourceMetadata,
    metadata::{malformed, read, required},
};

/// How a client shows who it is at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// It only says its name.
    None,
    /// HTTP Basic.
    Basic,
    /// In the form.
    Post,
    /// A JWT that its key signed (RFC 7523).
    Jwt,
}

impl Method {
    /// The word in metadata.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::Jwt => "private_key_jwt",
        }
    }

    /// The method of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::None, Self::Basic, Self::Post, Self::Jwt]
            .into_iter()
            .find(|method| method.as_str() == word)
    }
}

/// Who we are to an authorization server.
pub struct Client {
    /// Its name there.
    pub id: String,
    /// What it knows or signs with, as the method wants it.
    pub secret: Option<Secret<String>>,
    /// How it shows that.
    pub method: Method,
}

/// What a server answered to a registration.
pub struct Registered {
    /// Who we are there now.
    pub client: Client,
    /// When its secret ends, if it does.
    pub until: Option<Timestamp>,
}

/// The secret of one authorization request, and its hash, which the request shows.
pub struct Pkce {
    /// Shown when the code is spent.
    pub verifier: Secret<String>,
    /// Shown in the request.
    pub challenge: String,
}

impl Pkce {
    /// From random bytes of the caller's.
    #[must_use]
    pub fn new(random: &Secret<[u8; 32]>) -> Self {
        let verifier = URL_SAFE_NO_PAD.encode(random.expose());
        let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
        Self {
            challenge: URL_SAFE_NO_PAD.encode(hash.as_ref()),
            verifier: Secret::new(verifier),
        }
    }
}

/// What stands in a request for a token beside its form: a header, or more of the form.
pub enum ClientAuth {
    /// The value of `Authorization`.
    Header(Secret<String>),
    /// Members of the form.
    Form(Vec<(&'static str, Secret<String>)>),
}

/// `application/x-www-form-urlencoded`.
#[must_use]
pub fn form(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        encode(&mut out, name);
        out.push('=');
        encode(&mut out, value);
    }
    out
}

fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Which scopes to ask for: what the challenge wants, else all that the resource has, else none; with what was granted
/// before, what the operator adds, and the right to renew where the server has one (SEP-2207).
#[must_use]
pub fn scopes_for(
    challenge: Option<&Challenge>,
    resource: Option<&ResourceMetadata>,
    server: &AuthorizationServer,
    granted: &[String],
    added: &[String],
) -> Vec<String> {
    let wanted = challenge.and_then(|challenge| challenge.scope.as_deref());
    let mut all: Vec<String> = match (wanted, resource.and_then(|resource| resource.scopes.as_ref())) {
        (Some(wanted), _) => wanted.split_ascii_whitespace().map(str::to_owned).collect(),
        (None, Some(scopes)) => scopes.clone(),
        (None, None) => Vec::new(),
    };
    all.extend(granted.iter().chain(added).cloned());
    let renew = "offline_access";
    if server
        .scopes
        .as_ref()
        .is_some_and(|scopes| scopes.iter().any(|scope| scope == renew))
    {
        all.push(renew.to_owned());
    }
    let letters = |byte: u8| (0x21..0x7F).contains(&byte) && byte != b'"' && byte != b'\\';
    let mut kept: Vec<String> = Vec::new();
    for scope in all {
        // RFC 6749 section 3.3; what is no scope is not asked for.
        if !scope.is_empty() && scope.bytes().all(letters) && !kept.contains(&scope) {
            kept.push(scope);
        }
    }
    kept
}

/// Where the user's browser is sent.
#[must_use]
pub fn authorization_url(
    endpoint: &Address,
    client: &str,
    redirect: &str,
    state: &str,
    pkce: &Pkce,
    (resource, scopes): (&str, &[String]),
) -> String {
    let scope = scopes.join(" ");
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect),
        ("state", state),
        ("code_challenge", &pkce.challenge),
        ("code_challenge_method", "S256"),
        ("resource", resource),
    ];
    if !scope.is_empty() {
        pairs.push(("scope", &scope));
    }
    // A server asks a second time only where it is told to, and without that gives no right to renew.
    if scopes.iter().any(|scope| scope == "offline_access") {
        pairs.push(("prompt", "consent"));
    }
    let join = if endpoint.as_str().contains('?') { '&' } else { '?' };
    format!("{endpoint}{join}{}", form(&pairs))
}

/// The body of a registration (RFC 7591), which is also the document of a client whose name is its address.
#[must_use]
pub fn registration(id: Option<&str>, redirect: &str, method: Method) -> Value {
    let mut document = json!({
        "client_name": "Bartizan",
        "redirect_uris": [redirect],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method.as_str(),
    });
    if let (Some(id), Some(members)) = (id, document.as_object_mut()) {
        members.insert("client_id".to_owned(), id.into());
    }
    document
}

/// Reads the answer to a registration. `asked` holds where the server does not say how the client shows itself.
///
/// # Errors
/// [`OauthFault::Malformed`].
pub fn registered(bytes: &[u8], server: &AuthorizationServer) -> Result<Registered, OauthFault> {
    const WHAT: &str = "the answer to the registration";
    let object = read(bytes, WHAT)?;
    let id = required(&object, "client_id", WHAT)?;
    let secret = object.get("client_secret").and_then(Value::as_str);
    let secret = secret.filter(|secret| !secret.is_empty()).map(str::to_owned);
    let told = object.get("token_endpoint_auth_method").and_then(Value::as_str);
    let method = match told {
        Some(word) => Method::named(word)
            .filter(|method| matches!(method, Method::None) || secret.is_some())
            .ok_or_else(|| malformed(WHAT, "it wants a way to show who we are that we don't have"))?,
        None => method_for(server, secret.is_some(), false),
    };
    let ends = object.get("client_secret_expires_at").and_then(Value::as_u64);
    let until = ends
        .filter(|seconds| *seconds > 0)
        .map(Timestamp::from_unix_seconds);
    let secret = secret.map(Secret::new);
    Ok(Registered {
        client: Client { id, secret, method },
        until,
    })
}

/// How to show who we are, from what the server takes and what we have.
#[must_use]
pub fn method_for(server: &AuthorizationServer, has_secret: bool, has_key: bool) -> Method {
    if has_key {
        return Method::Jwt;
    }
    if !has_secret {
        return Method::None;
    }
    // Without a list it is Basic (RFC 8414 section 2).
    let takes = |method: Method| {
        server
            .auth_methods
            .as_ref()
            .is_none_or(|methods| methods.iter().any(|word| word == method.as_str()))
    };
    [Method::Basic, Method::Post]
        .into_iter()
        .find(|method| takes(*method))
        .unwrap_or(Method::None)
}

/// What shows who we are in a request for a token. `jti` is random; `now` is when; `sign` signs with the client's key.
///
/// # Errors
/// [`OauthFault::Key`].
pub fn authenticate(
    client: &Client,
    audience: &str,
    jti: &str,
    now: Timestamp,
    sign: &Sign<'_>,
) -> Result<ClientAuth, OauthFault> {
    let id = || ("client_id", Secret::new(client.id.clone()));
    let secret = client.secret.as_ref().map_or("", |secret| secret.expose());
    Ok(match client.method {
        // One that has no name there says none.
        Method::None if client.id.is_empty() => ClientAuth::Form(Vec::new()),
        Method::None => ClientAuth::Form(vec![id()]),
        Method::Post => ClientAuth::Form(vec![id(), ("client_secret", Secret::new(secret.to_owned()))]),
        Method::Basic => {
            // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
            let mut both = String::new();
            encode(&mut both, &client.id);
            both.push(':');
            encode(&mut both, secret);
            ClientAuth::Header(Secret::new(format!("Basic {}", STANDARD.encode(both))))
        }
        Method::Jwt => {
            const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            let signed = assertion(&client.id, audience, jti, now, sign)?;
            ClientAuth::Form(vec![
                id(),
                ("client_assertion_type", Secret::new(KIND.to_owned())),
                ("client_assertion", signed),
            ])
        }
    })
}

/// How long an assertion holds, in seconds.
const ASSERTION_SECONDS: u64 = 60;

/// What signs bytes by ES256: whoever has randomness.
pub type Sign<'a> = dyn Fn(&[u8]) -> Result<Vec<u8>, OauthFault> + Sync + 'a;

/// A client's JWT about itself (RFC 7523 section 3).
///
/// # Errors
/// What `sign` gives.
pub fn assertion(
    id: &str,
    audience: &str,
    jti: &str,
    now: Timestamp,
    sign: &Sign<'_>,
) -> Result<Secret<String>, OauthFault> {
    let at = now.unix_seconds();
    let claims = json!({
        "iss": id, "sub": id, "aud": audience, "jti": jti, "iat": at,
        "exp": at.saturating_add(ASSERTION_SECONDS),
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let body = format!(
        "{}.{}",
        part(&json!({ "alg": "ES256", "typ": "JWT" })),
        part(&claims)
    );
    let signature = sign(body.as_bytes())?;
    Ok(Secret::new(format!(
        "{body}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    )))
}
