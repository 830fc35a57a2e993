//! Metadata of protected resources (RFC 9728) and of authorization servers (RFC 8414, OpenID Connect Discovery).

use serde_json::{Map, Value};

use super::{Address, Challenge, OauthFault, shown};
use crate::strict;

/// What a protected resource says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceMetadata {
    /// Its name in tokens and requests (RFC 8707).
    pub resource: String,
    /// Who issues tokens for it.
    pub issuers: Vec<Address>,
    /// Every scope there is, where it lists them.
    pub scopes: Option<Vec<String>>,
}

/// What an authorization server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// Its name, which is also the `iss` of its answers.
    pub issuer: String,
    /// Where the user's browser is sent.
    pub authorization_endpoint: Option<Address>,
    /// Where tokens are fetched.
    pub token_endpoint: Address,
    /// Where clients register themselves (RFC 7591).
    pub registration_endpoint: Option<Address>,
    /// Where tokens are given back (RFC 7009).
    pub revocation_endpoint: Option<Address>,
    /// Every scope there is, where it lists them.
    pub scopes: Option<Vec<String>>,
    /// How clients may show who they are at the token endpoint, where it lists them.
    pub auth_methods: Option<Vec<String>>,
    /// Its answers carry `iss` (RFC 9207).
    pub iss_in_answers: bool,
    /// A client's name may be the address of a document about it.
    pub client_documents: bool,
}

impl AuthorizationServer {
    /// Whether users sign in with whoever this is. Without `iss` in its answers a server could send them to another's page and
    /// be handed the code that they get there (mix-up, RFC 9700 section 4.4); so then the page must be at the issuer's own host,
    /// above or below it, or beside it in one domain, or at one of these hosts, which the operator named.
    ///
    /// # Errors
    /// [`OauthFault::Page`].
    pub fn check_page(&self, page: &Address, named: &[String]) -> Result<(), OauthFault> {
        let own = Address::parse(&self.issuer).is_ok_and(|issuer| are_kin(issuer.host(), page.host()));
        if self.iss_in_answers || own || named.iter().any(|host| host.eq_ignore_ascii_case(page.host())) {
            return Ok(());
        }
        Err(OauthFault::Page {
            page: page.origin(),
            issuer: shown(&self.issuer),
        })
    }
}

fn are_kin(one: &str, other: &str) -> bool {
    let below = |low: &str, high: &str| {
        let above = low.strip_suffix(high);
        above.is_some_and(|above| above.ends_with('.')) && high.contains('.')
    };
    let parent = |host: &str| {
        let (_, parent) = host.split_once('.')?;
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        (parent.contains('.') && !is_address).then(|| parent.to_owned())
    };
    one == other
        || below(one, other)
        || below(other, one)
        || parent(one).is_some_and(|parent_of_one| parent(other) == Some(parent_of_one))
}

/// How exactly metadata must name who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// The issuer is the one that was asked, byte by byte (RFC 8414 section 3.3), and PKCE is promised.
    Exact,
    /// Of a server of revision 2025-03-26, which names no authorization server: the issuer is of the server's own origin.
    SameOrigin,
}

/// Where a resource's metadata may be, most likely first.
#[must_use]
pub fn resource_places(server: &Address, challenge: Option<&Challenge>) -> Vec<String> {
    let told = challenge.and_then(|challenge| challenge.resource_metadata.as_deref());
    if let Some(told) = told {
        return vec![told.to_owned()];
    }
    let known = format!("{}/.well-known/oauth-protected-resource", server.origin());
    if server.path().is_empty() {
        return vec![known];
    }
    vec![format!("{known}{}", server.path()), known]
}

/// Where an issuer's metadata may be, most likely first.
#[must_use]
pub fn server_places(issuer: &Address) -> Vec<String> {
    let (origin, path) = (issuer.origin(), issuer.path());
    let mut all = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        all.push(format!("{origin}{path}/.well-known/openid-configuration"));
    }
    all
}

/// Reads what was found at one of [`resource_places`] of `server`.
///
/// # Errors
/// [`OauthFault::Malformed`], [`OauthFault::Address`], [`OauthFault::Resource`].
pub fn resource_metadata(bytes: &[u8], server: &Address) -> Result<ResourceMetadata, OauthFault> {
    const WHAT: &str = "the resource's metadata";
    let object = read(bytes, WHAT)?;
    let resource = required(&object, "resource", WHAT)?;
    let foreign = || OauthFault::Resource {
        found: shown(&resource),
        expected: server.as_str().to_owned(),
    };
    let named = Address::parse(&resource).map_err(|_| foreign())?;
    // A token for one path must not be good for its neighbour: only the server's own address, or what it lies below.
    if !named.covers(server) {
        return Err(foreign());
    }
    let issuers = list(&object, "authorization_servers", WHAT)?.unwrap_or_default();
    let issuers: Vec<Address> = issuers
        .iter()
        .map(|issuer| Address::parse(issuer))
        .collect::<Result<_, _>>()?;
    if issuers.is_empty() {
        return Err(malformed(WHAT, "it names no authorization server"));
    }
    Ok(ResourceMetadata {
        scopes: list(&object, "scopes_supported", WHAT)?,
        issuers,
        resource,
    })
}

/// Reads what was found at one of [`server_places`] of `issuer`.
///
/// # Errors
/// [`OauthFault::Malformed`], [`OauthFault::Address`], [`OauthFault::Issuer`], [`OauthFault::Pkce`].
pub fn authorization_server(
    bytes: &[u8],
    issuer: &Address,
    strictness: Strictness,
) -> Result<AuthorizationServer, OauthFault> {
    const WHAT: &str = "the authorization server's metadata";
    let object = read(bytes, WHAT)?;
    let named = required(&object, "issuer", WHAT)?;
    let same = match strictness {
        Strictness::Exact => named == issuer.as_str(),
        Strictness::SameOrigin => Address::parse(&named).is_ok_and(|named| named.origin() == issuer.origin()),
    };
    if !same {
        return Err(OauthFault::Issuer {
            found: shown(&named),
            expected: issuer.as_str().to_owned(),
        });
    }
    let address = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Address::parse(text).map(Some),
        Some(_) => Err(malformed(WHAT, "an endpoint is no text")),
    };
    let authorization_endpoint = address("authorization_endpoint")?;
    let pkce = list(&object, "code_challenge_methods_supported", WHAT)?;
    let s256 = pkce.is_some_and(|methods| methods.iter().any(|method| method == "S256"));
    if authorization_endpoint.is_some() && !s256 {
        return Err(OauthFault::Pkce);
    }
    let flag = |key: &str| object.get(key).and_then(Value::as_bool).unwrap_or_default();
    Ok(AuthorizationServer {
        issuer: named,
        authorization_endpoint,
        token_endpoint: address("token_endpoint")?
            .ok_or_else(|| malformed(WHAT, "it has no `token_endpoint`"))?,
        registration_endpoint: address("registration_endpoint")?,
        revocation_endpoint: address("revocation_endpoint")?,
        scopes: list(&object, "scopes_supported", WHAT)?,
        auth_methods: list(&object, "token_endpoint_auth_methods_supported", WHAT)?,
        iss_in_answers: flag("authorization_response_iss_parameter_supported"),
        client_documents: flag("client_id_metadata_document_supported"),
    })
}

/// Reads where an issuer keeps its keys, from what was found at one of [`server_places`] of `issuer`. What a client of
/// it needs beside that (endpoints, PKCE) is not asked for: we only judge its tokens.
///
/// # Errors
/// [`OauthFault::Malformed`], [`OauthFault::Address`], and [`OauthFault::Issuer`] where it is another's by one byte.
pub fn key_set_place(bytes: &[u8], issuer: &Address) -> Result<Address, OauthFault> {
    const WHAT: &str = "the issuer's metadata";
    let object = read(bytes, WHAT)?;
    let named = required(&object, "issuer", WHAT)?;
    if named != issuer.as_str() {
        return Err(OauthFault::Issuer {
            found: shown(&named),
            expected: issuer.as_str().to_owned(),
        });
    }
    let place = Address::parse(&required(&object, "jwks_uri", WHAT)?)?;
    // Key sets over plain http would let the network name agents.
    let at_home = place.is_loopback() && issuer.is_loopback();
    if !(place.is_https() || at_home) {
        return Err(OauthFault::Address(shown(place.as_str())));
    }
    Ok(place)
}

/// A server of revision 2025-03-26 without any metadata: its endpoints are where that revision puts them.
///
/// # Errors
/// [`OauthFault::Address`], which an address that was read can't meet.
pub fn legacy_server(server: &Address) -> Result<AuthorizationServer, OauthFault> {
    let origin = server.origin();
    let at = |path: &str| Address::parse(&format!("{origin}{path}"));
    Ok(AuthorizationServer {
        authorization_endpoint: Some(at("/authorize")?),
        token_endpoint: at("/token")?,
        registration_endpoint: Some(at("/register")?),
        revocation_endpoint: None,
        scopes: None,
        auth_methods: None,
        iss_in_answers: false,
        client_documents: false,
        issuer: origin,
    })
}

pub(super) const fn malformed(what: &'static str, why: &'static str) -> OauthFault {
    OauthFault::Malformed { what, why }
}

pub(super) fn read(bytes: &[u8], what: &'static str) -> Result<Map<String, Value>, OauthFault> {
    strict::object(bytes)
        .map_err(|_| malformed(what, "it is no JSON object, or one that can be read in two ways"))
}

pub(super) fn required(
    object: &Map<String, Value>,
    key: &str,
    what: &'static str,
) -> Result<String, OauthFault> {
    let text = object
        .get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| malformed(what, "a member that it must have is missing or no text"))
}

/// Entries of one list at most.
const LIST_MAX: usize = 256;

fn list(
    object: &Map<String, Value>,
    key: &str,
    what: &'static str,
) -> Result<Option<Vec<String>>, OauthFault> {
    let items = match object.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(items)) if items.len() <= LIST_MAX => items,
        Some(_) => return Err(malformed(what, "a list is none, or too long")),
    };
    let texts: Option<Vec<String>> = items
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect();
    texts
        .map(Some)
        .ok_or_else(|| malformed(what, "a list holds what is no text"))
}
