//! `status`.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::{text, time};
use crate::{
    cli::Global,
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::Output,
};

/// Last lines of a server's stderr that are shown; `--json` has them all.
const STDERR_LINES: usize = 3;

/// Runs the verb. A gateway that is not running is an answer, not a failure; a poisoned ledger is a refusal.
pub(crate) async fn run(global: &Global, out: Output) -> Result<Exit, Failure> {
    let link = Link::connect(global, Absent::Fail)?;
    let status = link.read("/v1/status").await?;
    let running = status["running"].as_bool() == Some(true);
    let poisoned = status["ledger"]["poisoned"].as_bool() == Some(true);
    out.emit(&status, |out| {
        let (bold, red) = (Style::new().bold(), AnsiColor::Red.on_default().bold());
        if running {
            writeln!(out, "{bold}running{bold:#}   {} since {}", text(&status["listen"]), time(&status["started"]))?;
            let calls = &status["calls"];
            writeln!(out, "calls     {} allowed, {} asked, {} denied", calls["allow"], calls["ask"], calls["deny"])?;
            let policy = &status["policy"];
            let observes = if policy["observes"].as_bool() == Some(true) { ", observing only" } else { "" };
            let digest = text(&policy["digest"]);
            let short = digest.get(..12).unwrap_or(&digest);
            writeln!(out, "policy    {} policies, {short}{observes}", policy["policies"])?;
            servers(out, &status["servers"])?;
            for peer in status["peers"].as_array().into_iter().flatten() {
                write!(out, "peer      {} {}, card {}", text(&peer["name"]), text(&peer["url"]), text(&peer["pin"]))?;
                let failure = &peer["last_failure"];
                if failure.is_object() {
                    write!(out, ", last failed {}: {}", time(&failure["time"]), text(&failure["what"]))?;
                }
                writeln!(out)?;
            }
            for upstream in status["upstreams"].as_array().into_iter().flatten() {
                write!(out, "upstream  {} {}", text(&upstream["name"]), text(&upstream["url"]))?;
                let failure = &upstream["last_failure"];
                if failure.is_object() {
                    write!(out, ", last failed {}: {}", time(&failure["time"]), text(&failure["what"]))?;
                }
                writeln!(out)?;
            }
        } else {
            writeln!(out, "{bold}not running{bold:#}; `bartizan up` starts it")?;
        }
        let ledger = &status["ledger"];
        writeln!(out, "ledger    {} records, {} bytes", ledger["records"], ledger["disk_bytes"])?;
        writeln!(out, "state     {}", text(&status["state"]))?;
        if poisoned {
            writeln!(out, "{red}poisoned{red:#}  a write failed; nothing passes until the disk is mended and the gateway restarted")?;
        }
        for alarm in status["alarms"].as_array().into_iter().flatten() {
            writeln!(out, "{red}alarm{red:#}     {}", text(alarm))?;
        }
        Ok(())
    })?;
    link.close().await?;
    Ok(if poisoned { Exit::Refused } else { Exit::Done })
}

/// Who has to wait before a server's program is started again.
fn rests(out: &mut dyn Write, resting: &Value) -> io::Result<()> {
    for rest in resting.as_array().map_or(&[][..], Vec::as_slice) {
        let whom = match rest["whom"].as_str() {
            Some(_) => format!("`{}`", text(&rest["whom"])),
            None => "everybody".to_owned(),
        };
        writeln!(
            out,
            "          rests for {whom}, {} s more: it failed {} times in a row",
            rest["seconds"], rest["failures"]
        )?;
    }
    Ok(())
}

/// MCP servers: how each is reached, and why it failed last.
fn servers(out: &mut dyn Write, servers: &Value) -> io::Result<()> {
    let dim = Style::new().dimmed();
    let servers = servers.as_array().map_or(&[][..], Vec::as_slice);
    if servers.is_empty() {
        writeln!(
            out,
            "server    {dim}none; `bartizan import` makes a configuration from a client's{dim:#}"
        )?;
    }
    for server in servers {
        write!(
            out,
            "server    {} {}",
            text(&server["name"]),
            text(&server["reach"])
        )?;
        match server["conversations"].as_u64() {
            Some(open) if open > 0 => write!(out, ", {open} open conversations")?,
            _ => {}
        }
        match server["unread"].as_u64() {
            Some(unread) if unread > 0 => write!(out, ", {unread} messages that can't be read")?,
            _ => {}
        }
        let failure = &server["last_failure"];
        if failure.is_object() {
            write!(
                out,
                ", last failed {}: {}",
                time(&failure["time"]),
                text(&failure["what"])
            )?;
        }
        writeln!(out)?;
        rests(out, &server["resting"])?;
        let waits = ["changed", "new", "unusable"].into_iter().filter_map(|word| {
            let count = server["pins"][word].as_u64().filter(|count| *count > 0)?;
            Some(format!("{count} {word}"))
        });
        let waits: Vec<String> = waits.collect();
        if !waits.is_empty() {
            writeln!(
                out,
                "          of its definitions {}: `bartizan tools diff {}`",
                waits.join(", "),
                text(&server["name"])
            )?;
        }
        let complaints = server["stderr"].as_array().map_or(&[][..], Vec::as_slice);
        for line in complaints
            .iter()
            .skip(complaints.len().saturating_sub(STDERR_LINES))
        {
            writeln!(out, "          {dim}stderr{dim:#} {}", text(line))?;
        }
        if server["reach"] == "stdio" && failure.is_object() && !complaints.is_empty() {
            writeln!(
                out,
                "          {dim}hint{dim:#}   unless `danger_unconfined`, it runs confined: `readable`, `writable`, `tcp_ports` in its entry give it more"
            )?;
        }
    }
    Ok(())
}
