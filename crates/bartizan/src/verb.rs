//! The verbs, each in its own file: ask, then print.

mod agent;
mod approvals;
mod audit;
mod budget;
mod config;
mod connect;
mod delegate;
mod egress;
pub(crate) mod explain;
mod hook;
mod identity;
mod import;
mod inspect;
mod keep;
mod ocsf;
mod policy;
mod revoke;
mod scan;
mod secret;
mod status;
mod tools;
mod vault;
mod wrap;

use clap::CommandFactory;

use crate::{
    cli::{Cli, Verb},
    exit::Exit,
    failure::{Failure, file},
    output,
};

/// Runs what the command line asks for.
pub(crate) async fn run(cli: Cli) -> Result<Exit, Failure> {
    let global = &cli.global;
    let out = output(global);
    match &cli.verb {
        Verb::Up(up) => crate::up::run(global, up).await,
        Verb::Wrap(wrap) => wrap::run(global, wrap).await,
        Verb::Import(import) => import::run(out, import),
        Verb::Hook(hook) => hook::run(global, out, hook).await,
        Verb::Status => status::run(global, out).await,
        Verb::Agent(crate::cli::Agent::Delegate(delegate)) => delegate::run(global, out, delegate).await,
        Verb::Identity(identity) => identity::run(global, out, identity).await,
        Verb::Agent(agent) => agent::run(global, out, agent).await,
        Verb::Vault(vault) => vault::run(global, out, vault).await,
        Verb::Policy(policy) => policy::run(global, out, policy).await,
        Verb::Tools(tools) => tools::run(global, out, tools).await,
        Verb::Approvals(approvals) => approvals::run(global, out, approvals).await,
        Verb::Budget(budget) => budget::run(global, out, budget).await,
        Verb::Revoke(revoke) => revoke::run(global, out, revoke).await,
        Verb::Secret(secret) => secret::run(global, out, secret).await,
        Verb::Connect(connect) => connect::run(global, out, connect).await,
        Verb::Egress(egress) => egress::run(global, out, egress).await,
        Verb::Audit(audit) => audit::run(global, out, audit).await,
        Verb::Explain { id } => explain::run(global, out, id).await,
        Verb::Scan(crate::cli::Scan::Model(scan)) => scan::model_verb(global, out, scan).await,
        Verb::Scan(crate::cli::Scan::Data(scan)) => scan::data::verb(global, out, scan).await,
        Verb::Key(crate::cli::Key::Rotate { log: false, .. }) => keep::rotate(global, out).await,
        Verb::Key(crate::cli::Key::Rotate { overlap_days, .. }) => {
            keep::rotate_log(global, out, *overlap_days).await
        }
        Verb::Backup { out: path, with_key } => keep::backup(global, out, path, *with_key).await,
        Verb::Restore { from } => keep::restore(global, out, from),
        Verb::Inspect(inspect) => inspect::run(out, inspect),
        Verb::Config(config) => config::run(global, out, config),
        Verb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "bartizan", &mut text);
            out.raw(&text).map(|()| Exit::Done)
        }
        Verb::Man { out: directory } => man(out, directory.as_deref()),
        Verb::DemoServer => crate::demo::server::run().await,
    }
}

fn man(out: crate::output::Output, directory: Option<&std::path::Path>) -> Result<Exit, Failure> {
    match directory {
        Some(directory) => {
            std::fs::create_dir_all(directory).map_err(file("making", directory))?;
            clap_mangen::generate_to(Cli::command(), directory).map_err(file("writing into", directory))?;
        }
        None => {
            let mut text = Vec::new();
            let page = clap_mangen::Man::new(Cli::command());
            page.render(&mut text)
                .map_err(|error| Failure::new(Exit::Bug, "the manual page can't be made").because(error))?;
            out.raw(&text)?;
        }
    }
    Ok(Exit::Done)
}

/// `docs/reference/cli.md`: exit codes from their enum, then every verb's help.
#[cfg(test)]
pub(crate) fn reference() -> String {
    let mut out = String::from(
        "# Command reference\n\nGenerated from the command line's own definition; do not edit.\n\n## Exit codes\n\n\
         | code | kind | meaning |\n|---|---|---|\n",
    );
    for exit in Exit::ALL {
        out.push_str(&format!(
            "| {} | `{}` | {} |\n",
            exit.number(),
            exit.word(),
            exit.meaning()
        ));
    }
    out.push_str(
        "\nWith `--json` an answer is one JSON value per line on standard output, and a failure one JSON object \
         `{\"error\": {\"exit\", \"kind\", \"code\", \"message\", \"hint\", \"causes\", \"diagnostics\", \"places\"}}` on standard error.\n\n\
         `status` answers 1 for a poisoned ledger, `audit replay` for rulings that would change, \
         `scan` for files that are not clean.\n",
    );
    let mut command = Cli::command().term_width(100);
    command.build();
    helps(&command, "bartizan", &mut out);
    out
}

#[cfg(test)]
fn helps(command: &clap::Command, path: &str, out: &mut String) {
    let help = command.clone().term_width(100).render_long_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    out.push_str(&format!(
        "\n## `{path}`\n\n```text\n{}\n```\n",
        help.join("\n").trim_end()
    ));
    for verb in command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
    {
        helps(verb, &format!("{path} {}", verb.get_name()), out);
    }
}

/// A time of an answer (microseconds) for a person, or `–`.
pub(crate) fn time(value: &serde_json::Value) -> String {
    value.as_u64().map_or_else(
        || "–".to_owned(),
        |micros| {
            let text = bartizan_types::Timestamp::from_unix_micros(micros).to_string();
            // Seconds are enough to read; `--json` has all of it.
            text.get(..19)
                .map_or(text.clone(), |text| format!("{}Z", text.replace('T', " ")))
        },
    )
}

/// Text from outside, escaped so that it can't drive the terminal.
pub(crate) fn safe(text: &str) -> String {
    let one = |character: char| match character {
        '"' | '\'' | '\\' => character.to_string(),
        other => other.escape_debug().to_string(),
    };
    text.chars().map(one).collect()
}

/// A text of an answer, or `–`.
pub(crate) fn text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "–".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
