//! AWS Signature Version 4: a request signed for one host, one service and one moment, by a key that the agent never has.
//!
//! INVARIANT: what is signed is what is sent: the body's hash, the host and every header given are in the signature, so a
//! signature seen elsewhere is good for the very same request alone, and for minutes.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use bartizan_types::{Secret, Timestamp};
use serde::Deserialize;

/// Longest key id, secret or session token, in bytes.
const PART_BYTES_MAX: usize = 8 << 10;
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A key of AWS, as `credential_process` of the AWS tools gives it.
pub struct AwsKey {
    id: String,
    secret: Secret<String>,
    /// Of a key that is lent for a while.
    session: Option<Secret<String>>,
}

impl fmt::Debug for AwsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AwsKey({})", self.id)
    }
}

/// The text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no AWS key: JSON with `AccessKeyId` and `SecretAccessKey`, and `SessionToken` where it is lent"
)]
pub struct NoAwsKey;

impl AwsKey {
    /// Reads `{"AccessKeyId": …, "SecretAccessKey": …, "SessionToken": …}`.
    ///
    /// # Errors
    /// [`NoAwsKey`], which says nothing of what was read.
    pub fn parse(text: &[u8]) -> Result<Self, NoAwsKey> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Written {
            access_key_id: String,
            secret_access_key: String,
            #[serde(default)]
            session_token: Option<String>,
        }
        let written: Written = serde_json::from_slice(text).map_err(|_| NoAwsKey)?;
        let fits = |text: &str| {
            (1..=PART_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let id = written.access_key_id;
        let is_id = fits(&id) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let session = written.session_token.filter(|token| !token.is_empty());
        if !is_id || !fits(&written.secret_access_key) || !session.as_deref().is_none_or(fits) {
            return Err(NoAwsKey);
        }
        Ok(Self {
            id,
            secret: Secret::new(written.secret_access_key),
            session: session.map(Secret::new),
        })
    }
}

/// For whom a request is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsScope {
    /// As `eu-central-1`.
    pub region: String,
    /// As `bedrock` or `bedrock-agentcore`.
    pub service: String,
}

/// A request as it will be sent.
#[derive(Clone, Copy)]
pub struct ToSign<'a> {
    /// The method.
    pub method: &'a str,
    /// Host, with the port where the client sends one.
    pub host: &'a str,
    /// The path as it is sent, percent-encoded.
    pub path: &'a str,
    /// The query as it is sent, or empty.
    pub query: &'a str,
    /// Headers to sign beside the host and our own, names in lower case, once each.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

/// The path can't be signed: services read it in another way than it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a path with empty or dotted parts can't be signed")]
pub struct UnfitPath;

/// Headers to add: `x-amz-date`, `x-amz-security-token` where the key is lent, and `authorization`.
///
/// # Errors
/// [`UnfitPath`].
pub fn sign(
    request: &ToSign<'_>,
    scope: &AwsScope,
    key: &AwsKey,
    now: Timestamp,
) -> Result<Vec<(&'static str, Secret<String>)>, UnfitPath> {
    let (date, moment) = dates(now);
    let mut out = vec![("x-amz-date", Secret::new(moment.clone()))];
    if let Some(token) = &key.session {
        out.push(("x-amz-security-token", Secret::new(token.expose().clone())));
    }
    let mut headers: Vec<(&str, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (*name, squeezed(value)))
        .chain(out.iter().map(|(name, value)| (*name, value.expose().clone())))
        .chain([("host", request.host.to_owned())])
        .collect();
    headers.sort_unstable();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let canonical = [
        request.method,
        &path(request.path)?,
        &query(request.query),
        &lines,
        &names,
        &hex(digest::digest(&digest::SHA256, request.body).as_ref()),
    ]
    .join("\n");
    let within = format!("{date}/{}/{}/aws4_request", scope.region, scope.service);
    let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let to_sign = format!("{ALGORITHM}\n{moment}\n{within}\n{hash}");
    let first = Secret::new(format!("AWS4{}", key.secret.expose()));
    let parts = [
        date.as_str(),
        &scope.region,
        &scope.service,
        "aws4_request",
        &to_sign,
    ];
    let signature = parts
        .iter()
        .fold(first.expose().as_bytes().to_vec(), |key, part| {
            mac(&key, part.as_bytes())
        });
    let id = &key.id;
    let said = format!(
        "{ALGORITHM} Credential={id}/{within}, SignedHeaders={names}, Signature={}",
        hex(&signature)
    );
    out.push(("authorization", Secret::new(said)));
    Ok(out)
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
        .as_ref()
        .to_vec()
}

/// `20150830` and `20150830T123600Z`.
fn dates(now: Timestamp) -> (String, String) {
    // As RFC 3339 it is `2015-08-30T12:36:00…Z`.
    let text = now.to_string();
    let plain: String = text
        .chars()
        .take(19)
        .filter(|one| !matches!(one, '-' | ':'))
        .collect();
    let day = plain.chars().take(8).collect();
    (day, format!("{plain}Z"))
}

/// Runs of spaces are one, and none stand at the ends.
fn squeezed(value: &str) -> String {
    value
        .split(' ')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The path, encoded once more than it is sent: every service but S3 wants that, and S3 is none that agents call here.
fn path(sent: &str) -> Result<String, UnfitPath> {
    let parts: Vec<&str> = sent.trim_start_matches('/').split('/').collect();
    let odd =
        |(at, part): (usize, &&str)| matches!(*part, "." | "..") || (part.is_empty() && at + 1 < parts.len());
    if !sent.starts_with('/') || sent.starts_with("//") || parts.iter().enumerate().any(odd) {
        return Err(UnfitPath);
    }
    let mut out = String::with_capacity(sent.len());
    for byte in sent.bytes() {
        encode(byte, b"/", &mut out);
    }
    Ok(out)
}

/// The query by name and value, each in the one encoding that is signed.
fn query(sent: &str) -> String {
    let mut pairs: Vec<(String, String)> = sent
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (again(name), again(value))
        })
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// Decoded, and encoded as AWS does.
fn again(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let decoded = match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        if decoded.is_some() {
            bytes = ahead;
        }
        encode(decoded.unwrap_or(byte), b"", &mut out);
    }
    out
}

/// RFC 3986's unreserved bytes stand as they are, and those in `kept`.
fn encode(byte: u8, kept: &[u8], out: &mut String) {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!("%{byte:02X}"));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: Option<&str>) -> AwsKey {
        let mut text = serde_json::json!({
            "Version": 1, "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        });
        if let Some(session) = session {
            text["SessionToken"] = session.into();
        }
        AwsKey::parse(text.to_string().as_bytes()).unwrap()
    }

    /// 2015-08-30T12:36:00Z, the moment of AWS's test suite.
    const MOMENT: u64 = 1_440_938_160;

    fn signed(
        (method, path, query): (&str, &str, &str),
        headers: &[(&str, &str)],
        body: &str,
        key: &AwsKey,
        (service, host): (&str, &str),
    ) -> String {
        let request = ToSign {
            method,
            host,
            path,
            query,
            headers,
            body: body.as_bytes(),
        };
        let scope = AwsScope {
            region: "us-east-1".to_owned(),
            service: service.to_owned(),
        };
        let added = sign(&request, &scope, key, Timestamp::from_unix_seconds(MOMENT)).unwrap();
        assert_eq!(added[0].1.expose(), "20150830T123600Z");
        added.last().unwrap().1.expose().clone()
    }

    /// AWS's Signature Version 4 test suite, by its names, and the example of the general reference.
    #[test]
    fn the_published_vectors_hold() {
        let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let doubled = format!("{unreserved}={unreserved}");
        let plain: &[(&str, &str)] = &[];
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let merged = [("my-header1", "value2,value2,value1")];
        for (name, line, headers, body, expected) in [
            (
                "get-vanilla",
                ("GET", "/", ""),
                plain,
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-vanilla-query-order-key-case",
                ("GET", "/", "Param2=value2&Param1=value1"),
                plain,
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-vanilla-query-unreserved",
                ("GET", "/", doubled.as_str()),
                plain,
                "",
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            (
                "get-header-key-duplicate",
                ("GET", "/", ""),
                &merged[..],
                "",
                "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            ),
            (
                "post-vanilla",
                ("POST", "/", ""),
                plain,
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-x-www-form-urlencoded",
                ("POST", "/", ""),
                &form[..],
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let said = signed(
                line,
                headers,
                body,
                &key(None),
                ("service", "example.amazonaws.com"),
            );
            assert!(said.ends_with(&format!("Signature={expected}")), "{name}: {said}");
            assert!(said.contains("Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"));
        }
        let typed = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let line = ("GET", "/", "Action=ListUsers&Version=2010-05-08");
        let said = signed(line, &typed, "", &key(None), ("iam", "iam.amazonaws.com"));
        assert!(said.ends_with("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"));
        assert!(said.contains("SignedHeaders=content-type;host;x-amz-date"));
    }

    #[test]
    fn a_lent_key_is_signed_with_its_token() {
        let session = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let said = signed(
            ("POST", "/", ""),
            &[],
            "",
            &key(Some(session)),
            ("service", "example.amazonaws.com"),
        );
        assert!(
            said.ends_with("Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
            "{said}"
        );
        assert!(said.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"));
    }

    #[test]
    fn what_changes_the_request_changes_the_signature() {
        let base = || {
            signed(
                ("POST", "/a", "b=c"),
                &[("x-y", "z")],
                "body",
                &key(None),
                ("s", "h.example"),
            )
        };
        assert_eq!(base(), base());
        let others = [
            signed(
                ("PUT", "/a", "b=c"),
                &[("x-y", "z")],
                "body",
                &key(None),
                ("s", "h.example"),
            ),
            signed(
                ("POST", "/a/", "b=c"),
                &[("x-y", "z")],
                "body",
                &key(None),
                ("s", "h.example"),
            ),
            signed(
                ("POST", "/a", "b=d"),
                &[("x-y", "z")],
                "body",
                &key(None),
                ("s", "h.example"),
            ),
            signed(
                ("POST", "/a", "b=c"),
                &[("x-y", "q")],
                "body",
                &key(None),
                ("s", "h.example"),
            ),
            signed(
                ("POST", "/a", "b=c"),
                &[("x-y", "z")],
                "bodY",
                &key(None),
                ("s", "h.example"),
            ),
            signed(
                ("POST", "/a", "b=c"),
                &[("x-y", "z")],
                "body",
                &key(None),
                ("t", "h.example"),
            ),
            signed(
                ("POST", "/a", "b=c"),
                &[("x-y", "z")],
                "body",
                &key(None),
                ("s", "g.example"),
            ),
        ];
        assert!(others.iter().all(|other| *other != base()));
        // Two spellings of one query are one.
        let spelled = |query| signed(("GET", "/", query), &[], "", &key(None), ("s", "h.example"));
        assert_eq!(spelled("a=%7e&b"), spelled("b=&a=~"));
        assert_eq!(
            path("/model/us.anthropic%3Av1/invoke").unwrap(),
            "/model/us.anthropic%253Av1/invoke"
        );
        for unfit in ["", "a", "//a", "/a//b", "/../a", "/a/."] {
            assert_eq!(path(unfit), Err(UnfitPath), "{unfit}");
        }
    }

    #[test]
    fn only_a_key_is_a_key_and_none_is_shown() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"AccessKeyId":"A"}"#,
            r#"{"AccessKeyId":"","SecretAccessKey":"x"}"#,
            r#"{"AccessKeyId":"A B","SecretAccessKey":"x"}"#,
            r#"{"AccessKeyId":"A","SecretAccessKey":"x\n"}"#,
            r#"{"AccessKeyId":"A/../x","SecretAccessKey":"x"}"#,
        ] {
            assert!(AwsKey::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(format!("{:?}", key(Some("s"))), "AwsKey(AKIDEXAMPLE)");
    }
}
