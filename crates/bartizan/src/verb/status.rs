//! `status`.

use anstyle::{AnsiColor, Style};

use super::{text, time};
use crate::{
    cli::Global,
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::Output,
};

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
            for server in status["servers"].as_array().into_iter().flatten() {
                writeln!(out, "server    {}", text(&server["name"]))?;
            }
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
