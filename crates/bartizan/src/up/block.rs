//! What `up` prints: how to point an agent at the gateway.

use anstyle::{AnsiColor, Style};
use bartizan_gateway::admin::socket;
use serde_json::json;

use super::Standing;
use crate::{failure::Failure, output::Output};

/// Prints the block, or one JSON line `{"listen", "admin", "state", "agent_key"?}`.
pub(crate) fn show(standing: &Standing, output: Output) -> Result<(), Failure> {
    let base = base(standing);
    let state = standing.desk.dir.path();
    let admin = state.join(socket::NAME);
    let mut value = json!({
        "listen": standing.address().to_string(),
        "url": base,
        "admin": admin,
        "state": state,
        "warnings": standing.warnings,
    });
    let web = web(standing);
    if let Some(web) = &web {
        value["web"] = json!(web);
    }
    if let Some(key) = &standing.local_key {
        value["agent_key"] = json!(key.expose());
    }
    let key = standing
        .local_key
        .as_ref()
        .map_or("bz_…", |key| key.expose().as_str());
    output.emit(&value, |out| {
        let (bold, dim, yellow) = (
            Style::new().bold(),
            Style::new().dimmed(),
            AnsiColor::Yellow.on_default(),
        );
        writeln!(out, "{bold}bartizan{bold:#} stands at {bold}{base}{bold:#}")?;
        writeln!(out)?;
        if standing.local_key.is_some() {
            writeln!(
                out,
                "{dim}# the key of the agent `local`, shown this once and kept nowhere{dim:#}"
            )?;
        } else {
            writeln!(
                out,
                "{dim}# with the agent's key; `bartizan agent add NAME` makes one{dim:#}"
            )?;
        }
        writeln!(out, "export OPENAI_BASE_URL={base}/v1")?;
        writeln!(out, "export OPENAI_API_KEY={key}")?;
        writeln!(out, "export ANTHROPIC_BASE_URL={base}")?;
        writeln!(out, "export ANTHROPIC_API_KEY={key}")?;
        if let Some((scheme, address)) = web.as_deref().and_then(|web| web.split_once("://")) {
            writeln!(
                out,
                "export HTTPS_PROXY={scheme}://agent:{key}@{address} HTTP_PROXY=$HTTPS_PROXY"
            )?;
        }
        writeln!(out)?;
        writeln!(out, "{dim}# mcp.json{dim:#}")?;
        writeln!(out, "{{ \"mcpServers\": {{ \"bartizan\": {{")?;
        writeln!(out, "    \"type\": \"http\", \"url\": \"{base}/mcp\",")?;
        writeln!(
            out,
            "    \"headers\": {{ \"Authorization\": \"Bearer {key}\" }} }} }} }}"
        )?;
        writeln!(out)?;
        writeln!(out, "admin  {}", admin.display())?;
        writeln!(out, "state  {}", state.display())?;
        writeln!(out)?;
        for warning in &standing.warnings {
            writeln!(out, "{yellow}note{yellow:#}   {warning}")?;
        }
        Ok(())
    })
}

/// The address at which agents reach the web, where they do.
fn web(standing: &Standing) -> Option<String> {
    let shared = standing.running.shared();
    let scheme = if shared.config.listen.tls.is_some() {
        "https"
    } else {
        "http"
    };
    shared
        .web_address()
        .map(|address| format!("{scheme}://{address}"))
}

/// The address agents use.
pub(crate) fn base(standing: &Standing) -> String {
    let tls = standing.running.shared().config.listen.tls.is_some();
    format!("{}://{}", if tls { "https" } else { "http" }, standing.address())
}
