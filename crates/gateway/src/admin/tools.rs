//! What MCP servers offer, held against the pins, and an operator's yes to what changed.
//!
//! An approval names the digest the operator looked at: if the server has changed its mind since, nothing is approved.

use bartizan_mcp::{
    ServerPins,
    pin::{Pin, diff},
};
use bartizan_types::{Digest, ServerName};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Ask, Desk, No};
use crate::clock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approve {
    server: ServerName,
    /// `kind:name` with the digest looked at.
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    item: String,
    digest: Digest,
}

impl Desk {
    fn pinned(&self) -> Result<Vec<ServerPins>, No> {
        let mut all = Vec::new();
        for name in self.state.pinned_servers()? {
            let server = ServerName::new(&name).map_err(|fault| No::state(fault.to_string()))?;
            all.extend(self.pins(&server)?);
        }
        Ok(all)
    }

    fn pins(&self, server: &ServerName) -> Result<Option<ServerPins>, No> {
        let pins = crate::mcp::pins::load(&self.state, server);
        let pins = pins.map_err(|code| No::state(format!("the pins of `{server}` do not read: {code}")))?;
        Ok((!pins.pins.is_empty()).then_some(pins))
    }

    pub(super) fn tools(&self) -> Answer {
        let items = |pins: &ServerPins| {
            pins.pins
                .iter()
                .map(|(key, pin)| view(&pins.server, key, pin))
                .collect::<Vec<_>>()
        };
        let tools: Vec<_> = self.pinned()?.iter().flat_map(items).collect();
        Ok(json!({ "tools": tools }))
    }

    /// What differs from its pin, what appeared after the first whole listing and was not looked at yet, and what can't
    /// be used, whatever is approved.
    pub(super) fn tools_diff(&self) -> Answer {
        let (mut changes, mut new, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
        for pins in self.pinned()? {
            let server = &pins.server;
            let live = self.live.iter();
            for (kind, name, why) in live.flat_map(|live| live.shared.unusable(server)) {
                let (kind, item) = (kind.as_str(), format!("{}:{name}", kind.as_str()));
                unusable
                    .push(json!({ "server": server, "item": item, "kind": kind, "name": name, "why": why }));
            }
            for (key, pin) in &pins.pins {
                if pin.is_new() && pin.waiting.is_none() {
                    new.push(view(server, key, pin));
                }
                if let Some(waiting) = &pin.waiting {
                    let mut change = view(server, key, pin);
                    change["changes"] = json!(diff(&pin.held.definition, &waiting.definition));
                    change["digest"] = json!(waiting.digest);
                    changes.push(change);
                }
            }
        }
        Ok(json!({ "changes": changes, "new": new, "unusable": unusable }))
    }

    pub(super) async fn approve_tools(&self, ask: &Ask<'_>) -> Answer {
        let approve: Approve = ask.json()?;
        let Some(mut pins) = self.pins(&approve.server)? else {
            return Err(No::not_found(format!(
                "nothing of `{}` is pinned",
                approve.server
            )));
        };
        if approve.items.is_empty() {
            return Err(No::usage("nothing to approve was named"));
        }
        let before = pins.clone();
        let now = clock::now();
        for item in &approve.items {
            let Some(pin) = pins.pins.get(&item.item) else {
                return Err(No::not_found(format!(
                    "`{}` has no `{}`",
                    approve.server, item.item
                )));
            };
            let (kind, name) = (pin.kind, pin.name.clone());
            pins.approve(kind, &name, item.digest, ask.by, now).map_err(|_| {
                No::refused(format!(
                    "`{}` is no longer what was looked at; look again",
                    item.item
                ))
            })?;
        }
        let names: Vec<_> = approve.items.iter().map(|item| item.item.as_str()).collect();
        let note = format!("approved of server `{}`: {}", approve.server, names.join(", "));
        let index = self.operation(note, ask).await?;
        match &self.live {
            // The gateway holds the pins in memory, and may learn of a change in this very moment: it approves itself.
            Some(live) if live.shared.pins(&approve.server).is_ok() => {
                for item in &approve.items {
                    let Some(pin) = pins.pins.get(&item.item) else {
                        continue;
                    };
                    let (server, name) = (&approve.server, pin.name.as_str());
                    let approved = live
                        .shared
                        .approve_pin(server, pin.kind, name, item.digest, ask.by);
                    approved
                        .map_err(|_| No::refused(format!("`{}` changed again; look again", item.item)))?;
                }
            }
            _ => crate::mcp::pins::save(&self.state, &before, &pins)
                .map_err(|code| No::state(format!("the pins can't be written: {code}")))?,
        }
        Ok(json!({ "server": approve.server, "approved": names, "record": index }))
    }
}

fn view(server: &ServerName, key: &str, pin: &Pin) -> Value {
    let state = match (&pin.waiting, &pin.approved) {
        (Some(_), _) => "changed",
        (None, Some(_)) => "approved",
        (None, None) if pin.added => "new",
        (None, None) => "unreviewed",
    };
    json!({
        "server": server, "item": key, "kind": pin.kind.as_str(), "name": pin.name, "state": state,
        "digest": pin.held.digest, "first_seen": pin.held.at, "definition": pin.held.definition,
        "approved_by": pin.approved.as_ref().map(|approval| approval.by.as_str()),
    })
}
