//! What users granted at MCP servers: who waits, what is granted, asking for it, taking what the browser brought, giving it
//! back. No token ever leaves here.

use std::sync::Arc;

use bartizan_identity::oauth::Callback;
use bartizan_types::{AgentId, Issuer, UserId};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Ask, Desk, No};
use crate::{
    Shared, clock,
    oauth::{ConnectFault, Holder, Wish},
};

/// The issuer of our own keys.
const OWN: &str = "bartizan";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connect {
    server: String,
    #[serde(default)]
    redirect: String,
    #[serde(default)]
    agent: Option<AgentId>,
    #[serde(default)]
    user: Option<UserId>,
    #[serde(default)]
    issuer: Option<Issuer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finish {
    state: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

impl From<ConnectFault> for No {
    fn from(fault: ConnectFault) -> Self {
        match fault {
            ConnectFault::Server(_) => Self::not_found(fault.to_string()),
            ConnectFault::Store(_) => Self::state(super::chain(&fault)),
            _ => Self::refused(super::chain(&fault)),
        }
    }
}

impl Desk {
    fn shared(&self) -> Result<&Arc<Shared>, No> {
        let live = self.live.as_ref().map(|live| &live.shared);
        live.ok_or_else(|| {
            No::new(
                http::StatusCode::CONFLICT,
                "not_running",
                "no gateway runs on this state, and tokens are fetched by it alone",
            )
        })
    }

    pub(super) fn connections(&self) -> Answer {
        let wallets = &self.shared()?.wallets;
        let servers: Vec<_> = wallets.servers().collect();
        Ok(json!({ "granted": wallets.granted()?, "waiting": wallets.waiting(), "servers": servers }))
    }

    pub(super) async fn connect(&self, ask: &Ask<'_>) -> Answer {
        let shared = self.shared()?;
        let wanted: Connect = ask.json()?;
        check_redirect(&wanted.redirect)?;
        let holder = self.holder(&wanted)?;
        let wish = Wish {
            server: &wanted.server,
            redirect: &wanted.redirect,
        };
        let asked = shared.wallets.begin(shared, wish, holder).await?;
        Ok(json!({
            "server": wanted.server, "url": asked.url, "state": asked.state, "holder": asked.holder.shown(),
            "for": asked.holder.said(), "issuer": asked.issuer, "resource": asked.resource, "scopes": asked.scopes,
        }))
    }

    pub(super) async fn finish_connecting(&self, ask: &Ask<'_>) -> Answer {
        let shared = self.shared()?;
        let brought: Finish = ask.json()?;
        let callback = Callback {
            code: brought.code.as_deref(),
            iss: brought.iss.as_deref(),
            error: brought.error.as_deref(),
        };
        let done = shared.wallets.finish(shared, &brought.state, callback).await?;
        let note = format!(
            "connected: {} to `{}`, by tokens of {}, scopes `{}`",
            done.holder.said(),
            done.server,
            done.issuer,
            done.scopes.join(" ")
        );
        let index = self.operation(note, ask).await?;
        Ok(json!({
            "server": done.server, "holder": done.holder.shown(), "for": done.holder.said(), "issuer": done.issuer,
            "scopes": done.scopes, "expires": done.expires, "renews": done.renews, "record": index,
        }))
    }

    pub(super) async fn disconnect(&self, ask: &Ask<'_>) -> Answer {
        let shared = self.shared()?;
        let wanted: Connect = ask.json()?;
        let holder = self.holder(&wanted)?;
        let note = format!("disconnected: {} from `{}`", holder.said(), wanted.server);
        let index = self.operation(note, ask).await?;
        let said = holder.said();
        let (had, returned) = shared.wallets.disconnect(shared, &wanted.server, holder).await?;
        if !had {
            return Err(No::not_found(format!(
                "{said} is not connected to `{}`",
                wanted.server
            )));
        }
        Ok(json!({ "server": wanted.server, "for": said, "given_back": returned, "record": index }))
    }

    /// Whose grant is meant: as said, else the only one that it can be.
    fn holder(&self, wanted: &Connect) -> Result<Holder, No> {
        let issuer = match &wanted.issuer {
            Some(issuer) => issuer.clone(),
            None => Issuer::new(OWN).map_err(|fault| No::state(fault.to_string()))?,
        };
        match (&wanted.user, &wanted.agent) {
            (Some(user), None) => return Ok(Holder::User(issuer, user.clone())),
            (None, Some(agent)) => return Ok(Holder::Agent(issuer, agent.clone())),
            (Some(_), Some(_)) => return Err(No::usage("name the user or the agent, not both")),
            (None, None) => {}
        }
        let now = clock::now();
        let keys: Vec<bartizan_identity::ApiKeyRecord> = self.state.keys()?;
        let known = keys
            .into_iter()
            .filter(|key| key.revoked.is_none() && key.expires.is_none_or(|expires| expires > now))
            .map(|key| match key.user {
                Some(user) => Holder::User(issuer.clone(), user),
                None => Holder::Agent(issuer.clone(), key.agent),
            })
            .collect();
        let meant = self.shared()?.wallets.meant(&wanted.server, known);
        meant.map_err(|several| {
            let said: Vec<String> = several.iter().map(Holder::said).collect();
            No::usage(format!(
                "say whose it is with `--user` or `--agent`: {}",
                if said.is_empty() {
                    "there is nobody yet".to_owned()
                } else {
                    said.join(", ")
                }
            ))
        })
    }
}

/// A browser may end on this machine alone: an answer that anyone else could read would be a token for them.
fn check_redirect(redirect: &str) -> Result<(), No> {
    let good = bartizan_identity::oauth::Address::parse(redirect)
        .is_ok_and(|address| address.is_loopback() && !address.is_https());
    if good {
        return Ok(());
    }
    Err(No::usage("`redirect` must be `http` on this machine's loopback"))
}
