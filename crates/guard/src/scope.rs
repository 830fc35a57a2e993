//! Scopes: what a token has to have been given for a call, beside what policy says (RFC 6750 section 3.1). Whoever shows no
//! token, and nothing that rests on one, has none to lack, and policy alone decides.

use std::collections::BTreeSet;

use bartizan_types::{AuthMethod, Bar, Code, Principal, Resource, is_on};

/// One scope and what needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRule {
    /// The scope (RFC 6749 section 3.3).
    pub name: String,
    /// Resources by Cedar type and id, as in a delegation: `Tool::mail/send`, `Model::openai/*`. What is on a server does
    /// not bring the server itself.
    pub on: BTreeSet<String>,
}

/// Every rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Vec<ScopeRule>);

impl Scopes {
    /// These rules.
    #[must_use]
    pub const fn new(rules: Vec<ScopeRule>) -> Self {
        Self(rules)
    }

    /// Every scope that is asked for somewhere, in the order of the rules.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|rule| rule.name.as_str())
    }

    /// What stands in the way of a call for want of a scope.
    #[must_use]
    pub fn bar(&self, principal: &Principal, resource: &Resource) -> Option<Bar> {
        let shows_a_token = principal.root.unwrap_or(principal.method) == AuthMethod::Jwt;
        // To connect to a server and to see its lists takes no scope of a single tool.
        if !shows_a_token || matches!(resource, Resource::Server { .. }) && !self.names_servers() {
            return None;
        }
        let needed: BTreeSet<String> = self
            .0
            .iter()
            .filter(|rule| is_on(&rule.on, resource))
            .map(|rule| rule.name.clone())
            .collect();
        let missing: Vec<&str> = needed.difference(&principal.scopes).map(String::as_str).collect();
        (!missing.is_empty()).then(|| Bar {
            code: Code::ScopeInsufficient,
            what: format!("the token lacks {}", missing.join(", ")),
            retry_after_seconds: None,
            scopes: needed.clone(),
        })
    }

    fn names_servers(&self) -> bool {
        let server = |pattern: &String| pattern.starts_with("Server::");
        self.0.iter().flat_map(|rule| &rule.on).any(server)
    }
}
