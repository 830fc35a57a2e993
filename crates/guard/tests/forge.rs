//! Invariant 1: nobody outside the guard can make, copy, keep or take apart a permit.
//!
//! Each forgery is a small program that the compiler itself must refuse, for the one reason it is here for: the error
//! code and words are compared, so that a renamed field can't make a case pass by failing differently. Its honest twin
//! differs by the forging line alone, and must compile. The programs are compiled against the guard as this test was
//! linked to it, so nothing is built again.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test that runs the compiler needs files and a process; the crate itself has neither"
)]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

struct Forgery {
    what: &'static str,
    /// What compiles.
    honest: &'static str,
    /// What must not.
    forged: &'static str,
    /// Every error's code.
    code: &'static str,
    /// One of these for each error, in any order: what it must say.
    says: &'static [&'static str],
}

const FORGERIES: &[Forgery] = &[
    Forgery {
        what: "construct a permit",
        honest: "fn forge(from: Permit<String>) -> Permit<String> { from }",
        forged: "fn forge(from: Permit<String>) -> Permit<String> { Permit { call: from.call(), receipt: None, outbound: String::new() } }",
        code: "E0451",
        says: &["fields `call`, `receipt` and `outbound`"],
    },
    Forgery {
        what: "construct a release",
        honest: "fn forge(from: Release) -> Release { from }",
        forged: "fn forge(from: Release) -> Release { Release { call: from.call() } }",
        code: "E0451",
        says: &["field `call`"],
    },
    Forgery {
        what: "mint one by hand",
        honest: "fn forge(permit: Permit<String>, release: Release) -> (Permit<String>, Release) { (permit, release) }",
        forged: "fn forge(permit: Permit<String>, release: Release) -> (Permit<String>, Release) {
            (Permit::mint(permit.call(), None, String::new()), Release::mint(release.call()))
        }",
        code: "E0624",
        says: &["`mint` is private", "`mint` is private"],
    },
    Forgery {
        what: "copy one",
        honest: "fn forge(permit: &Permit<String>, release: &Release) { let _ = (Clone::clone(permit.outbound()), Clone::clone(&release.call())); }",
        forged: "fn forge(permit: &Permit<String>, release: &Release) { let _: (Permit<String>, Release) = (Clone::clone(permit), Clone::clone(release)); }",
        code: "E0277",
        says: &["Permit<String>: Clone", "Release: Clone"],
    },
    Forgery {
        what: "get one by default",
        honest: "fn forge() -> (Option<Permit<String>>, Option<Release>) { (Default::default(), Default::default()) }",
        forged: "fn forge() -> (Permit<String>, Release) { (Default::default(), Default::default()) }",
        code: "E0277",
        says: &["Permit<String>: Default", "Release: Default"],
    },
    Forgery {
        what: "convert its parts into one",
        honest: "fn forge(from: Permit<String>) -> Option<Permit<String>> { from.into() }",
        forged: "fn forge(from: Permit<String>) -> Permit<String> { (from.call(), from.receipt(), String::new()).into() }",
        code: "E0277",
        says: &["Permit<String>: From<("],
    },
    Forgery {
        what: "write one down",
        honest: "fn write<T: serde::Serialize>(_: &T) {} fn forge(permit: &Permit<String>, release: &Release) { write(&permit.call()); write(&release.call()); }",
        forged: "fn write<T: serde::Serialize>(_: &T) {} fn forge(permit: &Permit<String>, release: &Release) { write(permit); write(release); }",
        code: "E0277",
        says: &["Permit<String>: serde::Serialize", "Release: serde::Serialize"],
    },
    Forgery {
        what: "read one back",
        honest: "fn same<T: serde::de::DeserializeOwned>(_: &T) {} fn forge(permit: &Permit<String>, release: &Release) { same(&permit.call()); same(&release.call()); }",
        forged: "fn same<T: serde::de::DeserializeOwned>(_: &T) {} fn forge(permit: &Permit<String>, release: &Release) { same(permit); same(release); }",
        code: "E0277",
        says: &[
            "Permit<String>: serde::de::DeserializeOwned",
            "Release: serde::de::DeserializeOwned",
        ],
    },
    Forgery {
        what: "spend a permit twice",
        honest: "fn forge(permit: Permit<String>) -> (String, String) { (String::new(), permit.spend()) }",
        forged: "fn forge(permit: Permit<String>) -> (String, String) { (permit.spend(), permit.spend()) }",
        code: "E0382",
        says: &["use of moved value: `permit`"],
    },
    Forgery {
        what: "spend a release twice",
        honest: "fn forge(release: Release) { let _ = (release.call(), release.spend()); }",
        forged: "fn forge(release: Release) { let _ = (release.spend(), release.spend()); }",
        code: "E0382",
        says: &["use of moved value: `release`"],
    },
    Forgery {
        what: "take a permit apart without spending it",
        honest: "fn forge(permit: Permit<String>) -> String { let Permit { .. } = &permit; permit.spend() }",
        forged: "fn forge(permit: Permit<String>) -> String { let Permit { outbound, .. } = permit; outbound }",
        code: "E0451",
        says: &["field `outbound`"],
    },
    Forgery {
        what: "change what a permit is for",
        honest: "fn forge(permit: &mut Permit<String>) { let _: &String = permit.outbound(); }",
        forged: "fn forge(permit: &mut Permit<String>) { permit.outbound = String::new(); }",
        code: "E0616",
        says: &["field `outbound`"],
    },
    Forgery {
        what: "swap bytes behind a permit's back",
        honest: "fn forge(permit: &mut Permit<String>) { let _: &String = permit.outbound(); }",
        forged: "fn forge(permit: &mut Permit<String>) { let _: &mut String = permit.outbound(); }",
        code: "E0308",
        says: &["mismatched types"],
    },
];

#[test]
fn permits_cannot_be_forged() {
    let compiler = Compiler::find();
    for forgery in FORGERIES {
        let honest = compiler.errors(forgery.honest);
        assert!(
            honest.is_empty(),
            "the honest twin of `{}` must compile: {honest:#?}",
            forgery.what
        );
        let errors = compiler.errors(forgery.forged);
        assert!(!errors.is_empty(), "it is possible to {}", forgery.what);
        assert_eq!(
            errors.len(),
            forgery.says.len(),
            "to {}: other errors than expected: {errors:#?}",
            forgery.what
        );
        let mut said = errors;
        for wanted in forgery.says {
            let at = said
                .iter()
                .position(|(code, text)| code == forgery.code && text.contains(wanted));
            assert!(
                at.is_some(),
                "to {}: no {} saying `{wanted}`: {said:#?}",
                forgery.what,
                forgery.code
            );
            at.map(|at| said.swap_remove(at));
        }
    }
}

/// The compiler that made this test, with the guard and serde that this test is linked to.
struct Compiler {
    out: PathBuf,
    libraries: PathBuf,
    guard: PathBuf,
    serde: PathBuf,
}

/// Only the serde that the guard's own types use makes this compile.
const CONTROL: &str =
    "fn write<T: serde::Serialize>(_: &T) {} fn control(permit: &Permit<String>) { write(&permit.call()); }";

impl Compiler {
    /// Libraries lie beside this test's own file. Several may lie there, of other features: the newest that fit.
    fn find() -> Self {
        let own = std::env::current_exe().unwrap();
        let libraries = own.parent().unwrap();
        let mut failures = Vec::new();
        for guard in newest(libraries, "libbartizan_guard-") {
            for serde in newest(libraries, "libserde-") {
                let compiler = Self {
                    out: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
                    libraries: libraries.to_owned(),
                    guard: guard.clone(),
                    serde,
                };
                let errors = compiler.errors(CONTROL);
                if errors.is_empty() {
                    return compiler;
                }
                failures.push(errors);
            }
        }
        panic!(
            "no built guard and serde fit together in {}: {failures:#?}",
            libraries.display()
        );
    }

    /// Code and text of each error of a program.
    fn errors(&self, program: &str) -> Vec<(String, String)> {
        let mut process = Command::new("rustc")
            .args(["-", "--crate-name=forgery", "--crate-type=lib", "--edition=2024"])
            .args(["--emit=metadata", "--error-format=json", "--cap-lints=allow"])
            .arg("--out-dir")
            .arg(&self.out)
            .arg("--extern")
            .arg(named("bartizan_guard", &self.guard))
            .arg("--extern")
            .arg(named("serde", &self.serde))
            .arg("-L")
            .arg(named("dependency", &self.libraries))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let source = format!("#![allow(unused)] use bartizan_guard::{{Permit, Release}}; {program}");
        process
            .stdin
            .take()
            .unwrap()
            .write_all(source.as_bytes())
            .unwrap();
        let done = process.wait_with_output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        let errors: Vec<_> = said
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| message["level"] == "error" && !is_summary(message))
            .map(|message| (word(&message["code"]["code"]), word(&message["message"])))
            .collect();
        assert_eq!(done.status.success(), errors.is_empty(), "{said}");
        errors
    }
}

/// `aborting due to …` repeats what was said.
fn is_summary(message: &Value) -> bool {
    message["code"].is_null() && word(&message["message"]).starts_with("aborting due to")
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn named(name: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(name);
    argument.push("=");
    argument.push(path);
    argument
}

fn newest(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .filter_map(Result::ok)
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(prefix) && name.ends_with(".rlib")
        })
        .map(|entry| (entry.metadata().unwrap().modified().unwrap(), entry.path()))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}
