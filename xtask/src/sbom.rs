//! The bill of materials of the `bartizan` binary: CycloneDX 1.6 JSON, the same bytes for the same commit.
//!
//! It lists what is linked or runs at build time on this platform, from `cargo metadata` (graph, licences) and
//! Cargo.lock (checksums). Dev dependencies are in no binary, so they are left out. The time is the commit's
//! and the serial number a hash of commit and lock file, so two builders get the same document.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Outcome;
use crate::run::said;
use crate::workspace::{self, Metadata, Package};

/// Cargo.lock, as far as we read it.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// Writes the document to `file`, or prints it.
pub(crate) fn run(file: Option<&str>) -> Outcome {
    let text = document()?;
    match file {
        None => println!("{text}"),
        Some(file) => std::fs::write(file, text + "\n").map_err(|fault| vec![format!("{file}: {fault}")])?,
    }
    Ok(())
}

/// The document's text.
pub(crate) fn document() -> Result<String, Vec<String>> {
    let host = host()?;
    let metadata = workspace::metadata(&["--filter-platform", &host])?;
    let lock_text = std::fs::read_to_string(workspace::root().join("Cargo.lock"))
        .map_err(|fault| vec![format!("Cargo.lock: {fault}")])?;
    let lock: Lock = toml::from_str(&lock_text).map_err(|fault| vec![format!("Cargo.lock: {fault}")])?;
    let checksums = lock
        .package
        .into_iter()
        .filter_map(|package| Some(((package.name, package.version), package.checksum?)))
        .collect();
    let commit = said("git", &["rev-parse", "HEAD"]);
    let built = Built {
        time: said("git", &["show", "-s", "--format=%cI", "HEAD"]),
        commit,
        host,
    };
    let value = compose(&metadata, &checksums, &built)?;
    serde_json::to_string_pretty(&value).map_err(|fault| vec![format!("sbom: {fault}")])
}

/// What it was made from.
struct Built {
    commit: String,
    time: String,
    host: String,
}

fn host() -> Result<String, Vec<String>> {
    let version = said("rustc", &["-vV"]);
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| vec!["`rustc -vV` names no host".to_owned()])
}

fn compose(
    metadata: &Metadata,
    checksums: &BTreeMap<(String, String), String>,
    built: &Built,
) -> Result<Value, Vec<String>> {
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package))
        .collect();
    let root = metadata
        .packages
        .iter()
        .find(|package| package.name == "bartizan" && metadata.workspace_members.contains(&package.id))
        .ok_or_else(|| vec!["sbom: the workspace has no `bartizan`".to_owned()])?;
    let graph = linked(metadata, &root.id)?;
    let mut components: Vec<(String, Value)> = graph
        .keys()
        .filter(|id| **id != root.id)
        .filter_map(|id| packages.get(id))
        .map(|package| (purl(package), component(package, "library", checksums)))
        .collect();
    components.sort_by(|left, right| left.0.cmp(&right.0));
    let mut dependencies: Vec<(String, Value)> = graph
        .iter()
        .filter_map(|(id, uses)| {
            let reference = purl(packages.get(id)?);
            let on: BTreeSet<String> = uses
                .iter()
                .filter_map(|id| packages.get(id))
                .map(|it| purl(it))
                .collect();
            Some((reference.clone(), json!({ "ref": reference, "dependsOn": on })))
        })
        .collect();
    dependencies.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid_of(&[&built.commit, &built.host])),
        "version": 1,
        "metadata": {
            "timestamp": built.time,
            "component": component(root, "application", checksums),
            "properties": [
                { "name": "bartizan:commit", "value": built.commit },
                { "name": "bartizan:target", "value": built.host },
            ],
        },
        "components": components.into_iter().map(|(_, component)| component).collect::<Vec<_>>(),
        "dependencies": dependencies.into_iter().map(|(_, dependency)| dependency).collect::<Vec<_>>(),
    }))
}

/// Every package reached from `root` without dev edges, with what each uses.
fn linked<'a>(metadata: &'a Metadata, root: &'a str) -> Result<BTreeMap<&'a str, Vec<&'a str>>, Vec<String>> {
    let resolve = metadata
        .resolve
        .as_ref()
        .ok_or_else(|| vec!["sbom: no resolved graph".to_owned()])?;
    let nodes: BTreeMap<&str, _> = resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let mut graph = BTreeMap::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if graph.contains_key(id) {
            continue;
        }
        let Some(node) = nodes.get(id) else { continue };
        let uses: Vec<&str> = node
            .deps
            .iter()
            .filter(|edge| {
                edge.dep_kinds
                    .iter()
                    .any(|kind| kind.kind.as_deref() != Some("dev"))
            })
            .map(|edge| edge.pkg.as_str())
            .collect();
        open.extend(&uses);
        graph.insert(id, uses);
    }
    Ok(graph)
}

fn component(package: &Package, kind: &str, checksums: &BTreeMap<(String, String), String>) -> Value {
    let mut value = json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": package.name,
        "version": package.version,
        "purl": purl(package),
    });
    if let Some(description) = &package.description {
        value["description"] = json!(description.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if let Some(licence) = &package.license {
        // Before SPDX expressions were required, some crates wrote `A/B` for `A OR B`.
        value["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    if let Some(checksum) = checksums.get(&(package.name.clone(), package.version.clone())) {
        value["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if let Some(repository) = package.repository.as_ref().filter(|_| package.source.is_some()) {
        value["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    value
}

fn purl(package: &Package) -> String {
    // `+` of a build version is reserved in a purl.
    format!(
        "pkg:cargo/{}@{}",
        package.name,
        package.version.replace('+', "%2B")
    )
}

/// A UUID (version 8, RFC 9562: vendor-specific) from two FNV-1a hashes. It names a document and secures nothing.
fn uuid_of(parts: &[&str]) -> String {
    let hash = |seed: u64| {
        parts
            .iter()
            .flat_map(|part| part.bytes().chain([0]))
            .fold(seed, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            })
    };
    let (high, low) = (hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4));
    let high = (high & !0xf000) | 0x8000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let text = format!("{high:016x}{low:016x}");
    format!(
        "{}-{}-{}-{}-{}",
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Metadata {
        let package = |name: &str| json!({"id": format!("{name} id"), "name": name, "version": "1.0.0+x", "license": "MIT/Apache-2.0", "source": "registry", "manifest_path": "Cargo.toml", "dependencies": []});
        serde_json::from_value(json!({
            "packages": [package("bartizan"), package("used"), package("deep"), package("tested")],
            "workspace_members": ["bartizan id"],
            "resolve": { "nodes": [
                {"id": "bartizan id", "deps": [
                    {"pkg": "used id", "dep_kinds": [{"kind": null}]},
                    {"pkg": "tested id", "dep_kinds": [{"kind": "dev"}]}]},
                {"id": "used id", "deps": [{"pkg": "deep id", "dep_kinds": [{"kind": "build"}]}]},
                {"id": "deep id", "deps": []},
                {"id": "tested id", "deps": []}]},
        }))
        .expect("metadata")
    }

    #[test]
    fn what_is_linked_is_listed_and_what_only_tests_is_not() {
        let built = Built {
            commit: "c".into(),
            time: "2026-11-22T00:00:00Z".into(),
            host: "h".into(),
        };
        let checksums = BTreeMap::from([(("used".to_owned(), "1.0.0+x".to_owned()), "ab".repeat(32))]);
        let value = compose(&sample(), &checksums, &built).expect("composes");
        let names: Vec<_> = value["components"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|it| &it["name"])
            .collect();
        assert_eq!(names, ["deep", "used"]);
        assert_eq!(value["components"][1]["hashes"][0]["content"], "ab".repeat(32));
        assert_eq!(
            value["components"][1]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(value["components"][1]["purl"], "pkg:cargo/used@1.0.0%2Bx");
        assert_eq!(value["dependencies"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn the_serial_number_is_a_uuid_and_depends_on_the_commit() {
        let (a, b) = (uuid_of(&["a", "h"]), uuid_of(&["b", "h"]));
        assert_ne!(a, b);
        assert_eq!(a.len(), 36);
        assert_eq!(a.as_bytes()[14], b'8');
        assert!(b"89ab".contains(&a.as_bytes()[19]));
    }
}
