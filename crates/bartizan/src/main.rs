//! The Bartizan command: reads the command line and the configuration file, runs the verb, and ends with a stable exit
//! code. It owns the terminal; what may pass is decided elsewhere.

mod cli;
mod client;
mod config;
mod demo;
mod exit;
mod failure;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod huge;
mod link;
mod output;
mod policy_files;
mod up;
mod verb;

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};
use tracing_subscriber::EnvFilter;

use crate::{
    cli::{Cli, Colour, Global, Verb},
    exit::Exit,
    failure::Failure,
    output::Output,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(misused(&error).number()),
    };
    let json = cli.global.json;
    prepare(&cli);
    let threads = if matches!(cli.verb, Verb::Up(_)) {
        let wanted = up::runtime(&cli.global);
        if wanted.huge_pages.unwrap_or(true) {
            // Before the first thread.
            huge_pages();
        }
        up::worker_threads(&wanted)
    } else {
        1
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Bug, "the runtime can't start").because(error));
    let done = runtime.and_then(|runtime| {
        let done = runtime.block_on(verb::run(cli));
        // A blocked read of standard input must not hold the process.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(exit) => ExitCode::from(exit.number()),
        Err(failure) => {
            failure.show(json);
            ExitCode::from(failure.exit().number())
        }
    }
}

/// Code that serves for long lies on huge pages, where the kernel has some.
fn huge_pages() {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    match huge::move_code(main) {
        Ok(moved) => tracing::debug!(bytes = moved.bytes, "the code lies on huge pages"),
        Err(why) => tracing::debug!(%why, "the code stays on small pages"),
    }
}

/// Says what is wrong with a command line that does not parse: to a program as any failure, if it asked for JSON.
fn misused(error: &clap::Error) -> Exit {
    // Help and version are answers, not errors.
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Nobody is left to tell when the stream is gone.
        let _ = error.print();
        return Exit::Done;
    }
    // What stands behind `--` is another program's.
    let json = std::env::args_os()
        .skip(1)
        .take_while(|argument| argument != "--")
        .any(|argument| argument == "--json");
    if json {
        let said = error.render().to_string();
        let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or("the command line is wrong");
        let rest: Vec<_> = lines.collect();
        Failure::new(Exit::Usage, first.strip_prefix("error: ").unwrap_or(first))
            .hint(rest.join("; "))
            .show(true);
    } else {
        let _ = error.print();
    }
    Exit::Usage
}

/// Colour, diagnostics and logs, as the command line wants them.
fn prepare(cli: &Cli) {
    let choice = match cli.global.color {
        Colour::Auto => anstream::ColorChoice::Auto,
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    let err_colour = match choice {
        anstream::ColorChoice::Auto => {
            anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
        }
        other => other == anstream::ColorChoice::Always,
    };
    config::diagnose::install(err_colour);
    logs(&cli.global, err_colour, matches!(cli.verb, Verb::Up(_)));
}

/// Logs go to standard error; they hold ids and codes, no content and no secret.
fn logs(global: &Global, colour: bool, serving: bool) {
    let level = match (global.quiet, global.verbose, serving) {
        (true, ..) => "error",
        (_, 0, true) => "info",
        (_, 0, false) => "warn",
        (_, 1, _) => "debug",
        _ => "trace",
    };
    // Only our own crates speak below `warn`: hyper and rustls log bytes of requests.
    let ours = format!(
        "warn,bartizan={level},bartizan_gateway={level},bartizan_store={level},bartizan_guard={level},bartizan_mcp={level}"
    );
    let filter = EnvFilter::try_from_env("BARTIZAN_LOG").unwrap_or_else(|_| EnvFilter::new(ours));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    // A second subscriber can't be installed and is not wanted.
    let _ = if global.log_json {
        builder.json().try_init()
    } else {
        builder.with_target(false).try_init()
    };
}

/// How a verb prints.
pub(crate) fn output(global: &Global) -> Output {
    Output {
        json: global.json,
        quiet: global.quiet,
    }
}
