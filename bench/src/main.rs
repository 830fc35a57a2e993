//! Benches against peers, in one run. `cargo xtask bench NAME` builds in release and calls this.

mod artifacts;
mod backend;
mod crossing;
mod decision;
mod figure;
mod flow;
mod identity;
mod inspect;
mod ledger;
mod load;
mod peer;
mod policies;
mod process;
mod proofs;
mod stream;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use figure::{Figure, Report};

const USAGE: &str = "\
bartizan-bench crossing|flow|artifacts --bin PATH [--commit ID] [--quick] [--json] [--only PART] [--cache FOLDER]
bartizan-bench crossing|flow|identity --bin PATH [--commit ID] [--quick] [--json] [--only PART] [--cache FOLDER]
bartizan-bench inspect [--commit ID] [--quick] [--json] [--only PART] [--cache FOLDER]
bartizan-bench backend PORT
bartizan-bench session SHAPE
";

/// What is asked for.
struct Asked {
    bench: crossing::Bench,
    commit: String,
    json: bool,
}

fn main() -> ExitCode {
    if ledger::child() {
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let machine = process::machine();
    let outcome = match words.as_slice() {
        ["backend", port] => port
            .parse()
            .map_err(|_| format!("`{port}` is no port"))
            .and_then(backend_forever),
        ["session", shape] => flow::session_child(shape),
        [name @ "crossing", rest @ ..] => {
            asked(rest).and_then(|asked| report(name, machine, &asked, crossing(&asked)?))
        }
        [name @ "flow", rest @ ..] => {
            asked(rest).and_then(|asked| report(name, machine, &asked, flow::run(&asked.bench)))
        }
        [name @ "artifacts", rest @ ..] => {
            asked(rest).and_then(|asked| report(name, machine, &asked, artifacts::run(&asked.bench)))
        }
        [name @ "identity", rest @ ..] => asked(rest).and_then(|asked| {
            let (runtime, tasks) = runtime()?;
            let figures = tasks.block_on(&runtime, identity::run(&asked.bench));
            report(name, machine, &asked, figures)
        }),
        [name @ "inspect", rest @ ..] => asked(rest).and_then(|asked| {
            let wants = |part: &str| asked.bench.wants(&[part]);
            let figures = inspect::run(&asked.bench.cache, asked.bench.quick, &wants);
            report(name, machine, &asked, figures)
        }),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

fn asked(words: &[&str]) -> Result<Asked, String> {
    let mut asked = Asked {
        bench: crossing::Bench {
            binary: PathBuf::from("target/release/bartizan"),
            cache: PathBuf::from("target/bench"),
            quick: false,
            only: None,
        },
        commit: "unknown".to_owned(),
        json: false,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .copied()
                .ok_or_else(|| format!("`{word}` wants a value\n{USAGE}"))
        };
        match *word {
            "--quick" => asked.bench.quick = true,
            "--json" => asked.json = true,
            "--bin" => asked.bench.binary = PathBuf::from(value()?),
            "--cache" => asked.bench.cache = PathBuf::from(value()?),
            "--only" => asked.bench.only = Some(value()?.to_owned()),
            "--commit" => asked.commit = value()?.to_owned(),
            _ => return Err(format!("`{word}` is unknown\n{USAGE}")),
        }
    }
    let absolute = |path: &PathBuf| std::path::absolute(path).map_err(|fault| fault.to_string());
    asked.bench.cache = absolute(&asked.bench.cache)?;
    asked.bench.binary = absolute(&asked.bench.binary)?;
    Ok(asked)
}

fn runtime() -> Result<(tokio::runtime::Runtime, tokio::task::LocalSet), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok((
        runtime.map_err(|fault| format!("runtime: {fault}"))?,
        tokio::task::LocalSet::new(),
    ))
}

fn backend_forever(port: u16) -> Result<(), String> {
    let (runtime, tasks) = runtime()?;
    tasks
        .block_on(&runtime, backend::serve(port))
        .map_err(|fault| format!("backend: {fault}"))
}

fn crossing(asked: &Asked) -> Result<Vec<Figure>, String> {
    process::raise_file_limit();
    let mut figures = Vec::new();
    // In-process figures come first: the next step pins us to one core.
    if asked.bench.wants_module(&["decision_"]) {
        figures.extend(decision::run(asked.bench.quick));
    }
    if asked.bench.wants_module(&["ledger_", "crash_", "log_"]) {
        figures.extend(ledger::run(asked.bench.quick));
    }
    let (runtime, tasks) = runtime()?;
    figures.extend(tasks.block_on(&runtime, asked.bench.run()));
    figures.extend(proofs::run(proofs::CROSSING));
    Ok(figures)
}

/// Prints what was measured, as far as it was asked for.
fn report(name: &str, machine: String, asked: &Asked, mut figures: Vec<Figure>) -> Result<(), String> {
    figures.retain(|figure| asked.bench.wants(&[figure.name.as_str()]));
    for figure in &mut figures {
        figure.quick = asked.bench.quick;
    }
    let report = Report {
        bench: name.to_owned(),
        commit: asked.commit.clone(),
        machine,
        figures,
    };
    eprint!("{}", report.table());
    if asked.json {
        println!(
            "{}",
            serde_json::to_string(&report).map_err(|fault| fault.to_string())?
        );
    }
    Ok(())
}
