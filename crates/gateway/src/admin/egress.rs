//! The root that opened tunnels are certified under: shown, so that clients can trust it, and replaced.

use bartizan_store::Purpose;
use serde_json::{Value, json};

use super::{Answer, Ask, Desk, No};
use crate::{
    authority::{Root, der, pem},
    clock,
    egress::Mint,
    model::sha256,
};

impl Desk {
    fn mint(&self) -> Result<Mint, No> {
        Ok(Mint::new(&self.keyring.derive(Purpose::Interception)?))
    }

    pub(super) fn egress_root(&self) -> Answer {
        let none = || No::not_found("no root was made for opened tunnels");
        shown(&self.mint()?.root(&self.state, clock::now())?.ok_or_else(none)?)
    }

    /// A new root. The record goes first; tunnels are certified under it from now on.
    pub(super) async fn make_egress_root(&self, ask: &Ask<'_>) -> Answer {
        let index = self
            .operation("web interception: a new root".to_owned(), ask)
            .await?;
        let root = self.mint()?.make(&self.state, clock::now())?;
        if let Some(proxy) = self.live.as_ref().and_then(|live| live.shared.egress.as_ref()) {
            proxy.mint.forget();
        }
        let mut answer = shown(&root)?;
        answer["record"] = json!(index);
        Ok(answer)
    }
}

fn shown(root: &Root) -> Result<Value, No> {
    let der = der(root)?;
    Ok(json!({
        "number": root.number, "made": root.made, "until": root.until,
        "sha256": sha256(&der).to_string(), "certificate": pem("CERTIFICATE", &der),
    }))
}
