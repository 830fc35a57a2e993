//! `config schema|reference|example|check`.

use serde_json::json;

use crate::{
    cli::{Config, Global},
    config::{Loaded, reference, resolve},
    exit::Exit,
    failure::Failure,
    output::Output,
    policy_files,
};

/// Runs the verb.
pub(crate) fn run(global: &Global, out: Output, config: &Config) -> Result<Exit, Failure> {
    match config {
        Config::Schema => {
            let text = serde_json::to_string_pretty(&reference::schema())
                .map_err(|error| Failure::new(Exit::Bug, "the schema can't be written").because(error))?;
            out.raw(format!("{text}\n").as_bytes())?;
        }
        Config::Reference => out.raw(reference::markdown().as_bytes())?,
        Config::Example => out.raw(reference::EXAMPLE.as_bytes())?,
        Config::Check { file } => {
            let loaded = match file {
                Some(file) => Loaded::read(file)?,
                None => Loaded::find(global)?,
            };
            let settings = resolve::resolve(&loaded, global)?;
            let texts = policy_files::read(&policy_files::matching(&settings.policy_files)?)?;
            let policy = policy_files::load(settings.pack, &texts)?;
            let name = loaded.name();
            let value = json!({ "ok": true, "file": name, "policies": policy.statements().len() });
            out.emit(&value, |out| {
                writeln!(out, "{name}: good, {} policies", policy.statements().len())
            })?;
        }
    }
    Ok(Exit::Done)
}
