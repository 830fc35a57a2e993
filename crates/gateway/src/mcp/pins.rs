//! Pins in the state: one item per pin, so that a change writes little, and one for what was listed.

use bartizan_mcp::{PinKind, ServerPins, pin::Pin};
use bartizan_store::State;
use bartizan_types::{Code, ServerName};

const LISTED: &str = "listed";

#[derive(serde::Serialize, serde::Deserialize)]
struct Head {
    version: u8,
    listed: Vec<PinKind>,
}

/// Reads a server's pins.
///
/// # Errors
/// [`Code::Bug`] when the state can't be read, or holds something newer than we know: without its pins a server can't
/// be held to them.
pub fn load(state: &State, server: &ServerName) -> Result<ServerPins, Code> {
    let broken = |what: &str| {
        tracing::error!(%server, %what, "the pins can't be read");
        Code::Bug
    };
    let mut pins = ServerPins::new(server.clone());
    for (item, body) in state.pins(server).map_err(|fault| broken(&fault.to_string()))? {
        if item == LISTED {
            let head: Head = serde_json::from_slice(&body).map_err(|fault| broken(&fault.to_string()))?;
            if head.version != 1 {
                return Err(broken("a newer format"));
            }
            pins.listed = head.listed;
        } else {
            let pin: Pin = serde_json::from_slice(&body).map_err(|fault| broken(&fault.to_string()))?;
            pins.pins.insert(item, pin);
        }
    }
    Ok(pins)
}

/// Writes what differs, all or nothing.
///
/// # Errors
/// [`Code::Bug`] when the state can't be written.
pub fn save(state: &State, before: &ServerPins, after: &ServerPins) -> Result<(), Code> {
    let broken = |what: String| {
        tracing::error!(server = %after.server, %what, "the pins can't be written");
        Code::Bug
    };
    let mut items = Vec::new();
    if before.listed != after.listed {
        let head = Head {
            version: after.version,
            listed: after.listed.clone(),
        };
        items.push((
            LISTED.to_owned(),
            serde_json::to_vec(&head).map_err(|fault| broken(fault.to_string()))?,
        ));
    }
    for (key, pin) in &after.pins {
        if before.pins.get(key) != Some(pin) {
            items.push((
                key.clone(),
                serde_json::to_vec(pin).map_err(|fault| broken(fault.to_string()))?,
            ));
        }
    }
    let borrowed: Vec<(&str, &[u8])> = items
        .iter()
        .map(|(key, body)| (key.as_str(), body.as_slice()))
        .collect();
    if borrowed.is_empty() {
        return Ok(());
    }
    state
        .put_pins(&after.server, &borrowed)
        .map_err(|fault| broken(fault.to_string()))
}
