//! The version of the layout, and how older ones are brought up to date.
//!
//! Version 0 kept API keys in `agents.json` and pins in `pins.json`; version 1 keeps both in `state.redb`. A migration
//! first writes the new form, then raises the version, then removes the old form: a crash in between leaves state that
//! the next start finishes. Each step must therefore be safe to repeat.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Fault, files, state};

/// The version this release writes.
pub(crate) const CURRENT: u32 = 1;
const FILE: &str = "state.json";
const FILE_BYTES_MAX: u64 = 4096;
/// Largest file of version 0.
const OLD_BYTES_MAX: u64 = 64 << 20;
/// What version 0 has and version 1 has not.
const OLD_FILES: [&str; 2] = ["agents.json", "pins.json"];

#[derive(Serialize, Deserialize)]
struct Stamp {
    version: u32,
}

/// Stamps a new directory, migrates an older one, refuses a newer one. Tells what it migrated from.
pub(crate) fn bring_up_to_date(directory: &Path) -> Result<Option<u32>, Fault> {
    let path = directory.join(FILE);
    let Some(found) = read_stamp(&path)? else {
        refuse_strangers(directory)?;
        stamp(directory)?;
        return Ok(None);
    };
    if found > CURRENT {
        return Err(Fault::Newer {
            path,
            found,
            known: CURRENT,
        });
    }
    let from = (found < CURRENT).then_some(found);
    if found == 0 {
        from_0_to_1(directory)?;
        stamp(directory)?;
    }
    let mut removed = false;
    for name in OLD_FILES {
        let old = directory.join(name);
        if old.exists() {
            files::remove(&old)?;
            removed = true;
        }
    }
    if removed {
        files::sync_directory(directory)?;
    }
    Ok(from)
}

/// Refuses everything but the current version.
pub(crate) fn check_current(directory: &Path) -> Result<(), Fault> {
    let path = directory.join(FILE);
    match read_stamp(&path)? {
        None => Err(Fault::Absent(directory.to_owned())),
        Some(CURRENT) => Ok(()),
        Some(found) if found < CURRENT => Err(Fault::Older { path, found }),
        Some(found) => Err(Fault::Newer {
            path,
            found,
            known: CURRENT,
        }),
    }
}

/// Writes the current version; from then on the directory is state.
pub(crate) fn stamp(directory: &Path) -> Result<(), Fault> {
    files::replace(directory, FILE, format!("{{\"version\":{CURRENT}}}\n").as_bytes())
}

fn read_stamp(path: &Path) -> Result<Option<u32>, Fault> {
    let Some(bytes) = files::read(path, FILE_BYTES_MAX)? else {
        return Ok(None);
    };
    // Only the number is read: a newer release may have put more beside it.
    let stamp: Stamp = serde_json::from_slice(&bytes).map_err(|_| Fault::Damaged {
        path: path.to_owned(),
        why: "it is not JSON with a `version`",
    })?;
    Ok(Some(stamp.version))
}

/// A directory that already holds something else is not ours to fill.
fn refuse_strangers(directory: &Path) -> Result<(), Fault> {
    for entry in fs::read_dir(directory).map_err(files::io("list", directory))? {
        let name = entry.map_err(files::io("list", directory))?.file_name();
        // The lock, and a stamp that a crash left half written.
        if name != "lock" && name != ".state.json.new" {
            return Err(Fault::NotState(directory.to_owned()));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct AgentsV0 {
    keys: Vec<Value>,
}

fn from_0_to_1(directory: &Path) -> Result<(), Fault> {
    let damaged = |name: &str, why| Fault::Damaged {
        path: directory.join(name),
        why,
    };
    let mut keys = BTreeMap::new();
    if let Some(bytes) = files::read(&directory.join("agents.json"), OLD_BYTES_MAX)? {
        let old: AgentsV0 = serde_json::from_slice(&bytes)
            .map_err(|_| damaged("agents.json", "it is not a list of keys of version 0"))?;
        for record in old.keys {
            let prefix = record.get("prefix").and_then(Value::as_str).map(str::to_owned);
            let prefix = prefix.ok_or_else(|| damaged("agents.json", "a key has no `prefix`"))?;
            if keys.insert(prefix, record).is_some() {
                return Err(damaged("agents.json", "two keys have the same prefix"));
            }
        }
    }
    let mut pins = Vec::new();
    if let Some(bytes) = files::read(&directory.join("pins.json"), OLD_BYTES_MAX)? {
        let old: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_slice(&bytes)
            .map_err(|_| damaged("pins.json", "it is not a map of pins of version 0"))?;
        for (server, items) in old {
            for (item, pin) in items {
                pins.push(state::ExportedPin {
                    server: server.clone(),
                    item,
                    body: pin.to_string().into_bytes(),
                });
            }
        }
    }
    state::import(
        directory,
        &state::Exported {
            keys,
            pins,
            manifests: Vec::new(),
            settings: BTreeMap::new(),
            approvals: BTreeMap::new(),
            kept: BTreeMap::new(),
            keys_epoch: 1,
        },
    )
}
