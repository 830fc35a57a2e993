//! Scopes in the configuration, and issuers whose keys are found by their own metadata.

use std::collections::BTreeSet;

use bartizan_guard::scope::{ScopeRule, Scopes};
use bartizan_identity::oauth::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{file::ConfigFile, resolve::Wrong};

/// A scope (RFC 6749 section 3.3) and the calls that need it. A JWT without it is refused with `insufficient_scope`, so that
/// its client can ask for more; whoever shows no JWT is held by policy alone.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scope {
    /// The scope, as in the claim `scope` (or `scp`).
    pub(crate) name: String,
    /// What needs it, by type and id: `Tool::mail/send`, `Model::openai/*`, `Site::api.example.com:443`. A `*` at the end
    /// stands for any rest.
    pub(crate) on: Vec<String>,
}

/// Resolves `[[scope]]`; what is wrong is collected.
pub(super) fn scopes(file: &ConfigFile, wrong: &mut Wrong<'_>) -> Scopes {
    let mut rules: Vec<ScopeRule> = Vec::new();
    for scope in &file.scope {
        let plain = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if scope.name.is_empty() || !scope.name.bytes().all(plain) {
            let message = format!("`{}` is no scope", scope.name);
            wrong.add(
                "scope.name",
                &scope.name,
                message,
                "one word, without spaces, quotes and backslashes",
            );
        }
        if rules.iter().any(|rule| rule.name == scope.name) {
            let message = format!("the scope `{}` stands there twice", scope.name);
            wrong.add(
                "scope.name",
                &scope.name,
                message,
                "write all that needs it into one `on`",
            );
        }
        let odd = scope.on.iter().find(|on| !on.contains("::"));
        if scope.on.is_empty() || odd.is_some() {
            let near = odd.unwrap_or(&scope.name);
            let message = format!("`{near}` names nothing that could need the scope");
            wrong.add(
                "scope.on",
                near,
                message,
                "write `Tool::SERVER/TOOL`, `Server::NAME`, `Model::UPSTREAM/*` or the like",
            );
        }
        rules.push(ScopeRule {
            name: scope.name.clone(),
            on: scope.on.iter().cloned().collect::<BTreeSet<_>>(),
        });
    }
    Scopes::new(rules)
}

impl Wrong<'_> {
    /// That an issuer's name is an address at which its metadata can be.
    pub(super) fn issuer_address(&mut self, key: &str, text: &str) -> Option<()> {
        let fits = Address::parse(text).is_ok_and(|address| address.is_https() || address.is_loopback());
        if !fits {
            let message = format!("`{text}` is no https address, so its keys can't be found by it");
            self.add(key, text, message, "name its key set with `jwks`");
        }
        fits.then_some(())
    }
}
