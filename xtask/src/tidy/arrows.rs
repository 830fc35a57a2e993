//! Direct dependencies against the table of rings, what core crates may link from outside, and that each dependency
//! is used.

use std::path::Path;

use super::sizes::File;
use crate::workspace::{self, Package, Ring, place_of};

/// Crates from outside that the core ring may name. All are computation only as we configure them; whatever
/// opens a socket, a file, a clock or a thread stays out, and a new one is added here on purpose.
const CORE_MAY_LINK: &[&str] = &[
    "aho-corasick",
    "aws-lc-rs",
    "base64",
    // Decoders of the packings in which models come.
    "bzip2",
    "cedar-policy",
    "crc32fast",
    // Its decoders over slices; nothing else of it is used.
    "flate2",
    "jiff",
    "jsonschema",
    "jsonwebtoken",
    "lz4_flex",
    "lzma-rust2",
    "memchr",
    // Only its trait, by which Cedar's errors tell where they are; the CLI draws them.
    "miette",
    // Products of tables, on the thread that asks for them.
    "ndarray",
    // Automata only: linear in the text, whatever the pattern.
    "regex-automata",
    // zstd, of Parquet's pages and of packed models.
    "ruzstd",
    // Certificates as bytes and paths over them, at a time that is given.
    "rustls-pki-types",
    "rustls-webpki",
    // Events of YAML over a text; values are ours.
    "saphyr-parser",
    "serde",
    "serde_json",
    // How many letters apart two names are.
    "strsim",
    "thiserror",
    "toml",
    "unicode-normalization",
    "unicode-security",
    // Lanes of floats in registers: arithmetic alone.
    "wide",
    "unicode-segmentation",
    "zeroize",
    // Pictures of data sets, decoded from bytes to bytes.
    "zune-core",
    "zune-jpeg",
    "zune-png",
];

/// Checks every workspace package.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    match workspace::metadata(&["--no-deps"]) {
        Err(problems) => problems,
        Ok(metadata) => metadata
            .packages
            .iter()
            .flat_map(|package| {
                let mut problems = of_package(package);
                problems.extend(unused(package, files));
                problems
            })
            .collect(),
    }
}

/// Dependencies whose name stands nowhere in the package's code. Each one costs build time and trust.
fn unused(package: &Package, files: &[File]) -> Vec<String> {
    let manifest = workspace::shown(Path::new(&package.manifest_path));
    let folder = manifest.strip_suffix("Cargo.toml").unwrap_or(&manifest);
    let own: Vec<&File> = files
        .iter()
        .filter(|file| file.path.starts_with(folder))
        .collect();
    package
        .dependencies
        .iter()
        .filter(|dependency| {
            let name = dependency.rename.as_ref().unwrap_or(&dependency.name);
            let name = name.replace('-', "_");
            !own.iter().any(|file| file.source.mentions(&name))
        })
        .map(|dependency| format!("`{}` does not use `{}`", package.name, dependency.name))
        .collect()
}

fn of_package(package: &Package) -> Vec<String> {
    let mut problems = Vec::new();
    let Some(place) = place_of(&package.name) else {
        return vec![format!(
            "`{}` is in no ring: add it to the table in xtask/src/workspace.rs",
            package.name
        )];
    };
    for dependency in &package.dependencies {
        let dev = dependency.kind.as_deref() == Some("dev");
        match place_of(&dependency.name) {
            Some(target) if forbidden(place, target, dev) => {
                problems.push(format!(
                    "`{}` may not depend on `{}`",
                    package.name, dependency.name
                ));
            }
            None if place.ring == Ring::Core
                && !dev
                && !CORE_MAY_LINK.contains(&dependency.name.as_str()) =>
            {
                problems.push(format!(
                    "core crate `{}` may not link `{}`",
                    package.name, dependency.name
                ));
            }
            _ => {}
        }
    }
    problems
}

/// Dev arrows may go to any core crate, since tests decide nothing; nothing at all goes to an assurance crate.
fn forbidden(from: &workspace::Place, to: &workspace::Place, dev: bool) -> bool {
    if from.name == to.name || to.name == "bartizan-types" {
        return false;
    }
    if matches!(to.ring, Ring::Assurance | Ring::Edge) && from.ring != Ring::Assurance {
        return true;
    }
    if dev && to.ring == Ring::Core {
        return false;
    }
    from.may_use.is_some_and(|allowed| !allowed.contains(&to.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let json = serde_json::json!({
            "id": name, "name": name, "version": "0", "manifest_path": format!("{name}/Cargo.toml"),
            "dependencies": dependencies.iter()
                .map(|(name, kind)| serde_json::json!({"name": name, "kind": kind}))
                .collect::<Vec<_>>(),
        });
        serde_json::from_value(json).expect("a package")
    }

    #[test]
    fn arrows_outside_the_table_are_refused() {
        assert!(
            of_package(&package(
                "bartizan-guard",
                &[("bartizan-policy", None), ("serde", None)]
            ))
            .is_empty()
        );
        assert_eq!(
            of_package(&package("bartizan-guard", &[("bartizan-wire", None)])).len(),
            1
        );
        assert_eq!(
            of_package(&package("bartizan-policy", &[("bartizan-store", Some("dev"))])).len(),
            1
        );
        assert_eq!(
            of_package(&package("bartizan-gateway", &[("bartizan-sim", Some("dev"))])).len(),
            1
        );
        assert!(of_package(&package("bartizan-guard", &[("bartizan-wire", Some("dev"))])).is_empty());
    }

    #[test]
    fn core_links_nothing_that_reaches_out() {
        for name in [
            "tokio", "mio", "socket2", "rustix", "libc", "tempfile", "hyper", "redb",
        ] {
            assert_eq!(
                of_package(&package("bartizan-wire", &[(name, None)])).len(),
                1,
                "{name}"
            );
        }
        assert!(of_package(&package("bartizan-wire", &[("tempfile", Some("dev"))])).is_empty());
        assert!(of_package(&package("bartizan-store", &[("tokio", None)])).is_empty());
        assert_eq!(
            of_package(&package("bartizan-wire", &[("tokio", Some("build"))])).len(),
            1
        );
    }

    #[test]
    fn a_dependency_that_no_code_names_is_told() {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            source: Source::new(text),
            tests: false,
        };
        let package = package(
            "a",
            &[("serde-json", None), ("http", None), ("tokio", Some("dev"))],
        );
        let files = [
            file("a/src/lib.rs", "use serde_json::json; // http\nfn https() {}"),
            file("a/tests/it.rs", "fn f() { tokio::spawn(g()) }"),
            file("b/src/lib.rs", "use http::Uri;"),
        ];
        assert_eq!(unused(&package, &files), ["`a` does not use `http`"]);
    }

    #[test]
    fn a_crate_without_a_ring_is_refused() {
        assert_eq!(of_package(&package("bartizan-utils", &[])).len(), 1);
    }
}
