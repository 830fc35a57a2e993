//! The build that is handed out, and that benches measure: the profile `dist` of the workspace, led by what a recorded
//! run did, where one was recorded for the host. Cargo's own builds are left as they are: quicker to build.
//!
//! The record names functions by their crates' dependencies and by the compiler: after a change of either it is of less
//! use, and never wrong. `cargo xtask profile` records anew.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use crate::run::said;
use crate::workspace::{self, cargo};
use crate::{Outcome, outcome};

/// Between flags that cargo takes from the environment.
const BETWEEN: &str = "\u{1f}";
/// What a recorded run is made of: benches that drive the gateway's hot paths.
const RUNS: [[&str; 3]; 4] = [
    ["crossing", "--only", "cpu_"],
    ["crossing", "--only", "stream_event"],
    ["identity", "--only", "full"],
    ["identity", "--only", "inspect_1k"],
];

/// Builds packages as they are shipped. Gives the folder of their binaries.
pub(crate) fn build(packages: &[&str]) -> Result<PathBuf, Vec<String>> {
    let host = host()?;
    let mut flags = Vec::new();
    match unpacked(&host)? {
        Some(record) => {
            flags.push(format!("-Cprofile-use={}", record.display()));
            // Code that changed since is compiled without it.
            flags.push("-Cllvm-args=-no-pgo-warn-mismatch".to_owned());
        }
        None => eprintln!("no run is recorded for {host}: built without"),
    }
    compiled(packages, &host, &flags)
}

/// Records a run of this host, and keeps it in the repository.
pub(crate) fn record() -> Outcome {
    let host = host()?;
    let tool = merger()?;
    let raw = workspace::target().join("profile").join("raw");
    if raw.exists() {
        std::fs::remove_dir_all(&raw).map_err(|fault| vec![format!("{}: {fault}", raw.display())])?;
    }
    let driver = driver()?;
    let flag = format!("-Cprofile-generate={}", raw.display());
    let binary = compiled(&["bartizan"], &host, &[flag])?.join("bartizan");
    for words in RUNS {
        let mut run = Command::new(&driver);
        run.current_dir(workspace::root())
            .args(words)
            .arg("--quick")
            .arg("--bin")
            .arg(&binary);
        done(&mut run, &words.join(" "))?;
    }
    let merged = workspace::target().join("profile").join("merged.profdata");
    let mut merge = Command::new(tool);
    merge.args([
        OsStr::new("merge"),
        OsStr::new("--sparse"),
        OsStr::new("-o"),
        merged.as_os_str(),
        raw.as_os_str(),
    ]);
    done(&mut merge, "llvm-profdata merge")?;
    let packed = recorded(&host);
    println!("{}", packed.display());
    outcome(pack(&merged, &packed).err().into_iter().collect())
}

fn done(command: &mut Command, what: &str) -> Outcome {
    let status = command
        .status()
        .map_err(|fault| vec![format!("`{what}` does not start: {fault}")])?;
    if status.success() {
        Ok(())
    } else {
        Err(vec![format!("`{what}` failed")])
    }
}

/// The program that makes the calls, as it is built quickest: what is recorded is which way the gateway's code goes, and
/// how often beside its other ways, not how fast.
fn driver() -> Result<PathBuf, Vec<String>> {
    let mut build = cargo();
    build.args(["build", "--locked", "--quiet", "--package", "bartizan-bench"]);
    done(&mut build, "cargo build")?;
    Ok(workspace::target().join("debug").join("bartizan-bench"))
}

fn compiled(packages: &[&str], host: &str, flags: &[String]) -> Result<PathBuf, Vec<String>> {
    let mut build = cargo();
    build.args([
        "build",
        "--profile",
        "dist",
        "--locked",
        "--quiet",
        // With a target named, programs that only build others are built without these flags.
        "--target",
        host,
    ]);
    for package in packages {
        build.args(["--package", package]);
    }
    let own = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let all: Vec<&str> = own
        .split(BETWEEN)
        .filter(|flag| !flag.is_empty())
        .chain(flags.iter().map(String::as_str))
        .collect();
    build.env("CARGO_ENCODED_RUSTFLAGS", all.join(BETWEEN));
    done(&mut build, "cargo build --profile dist")?;
    Ok(workspace::target().join(host).join("dist"))
}

fn host() -> Result<String, Vec<String>> {
    let said = said("rustc", &["-vV"]);
    said.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| vec!["`rustc -vV` does not say for which host it builds".to_owned()])
}

/// `llvm-profdata` of the compiler's own LLVM.
fn merger() -> Result<PathBuf, Vec<String>> {
    let libraries = PathBuf::from(said("rustc", &["--print", "target-libdir"]));
    let tool = libraries.with_file_name("bin").join("llvm-profdata");
    if tool.is_file() {
        Ok(tool)
    } else {
        Err(vec![format!(
            "{} is not here: `rustup component add llvm-tools`",
            tool.display()
        )])
    }
}

fn recorded(host: &str) -> PathBuf {
    let name = format!("{host}.profdata.gz");
    workspace::root().join("xtask").join("profile").join(name)
}

/// The host's record as the compiler reads it, under a name that changes with what is in it.
fn unpacked(host: &str) -> Result<Option<PathBuf>, Vec<String>> {
    let packed = recorded(host);
    let bytes = match std::fs::read(&packed) {
        Ok(bytes) => bytes,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(vec![format!("{}: {fault}", packed.display())]),
    };
    // The last eight bytes are the check sum and the length.
    let tail: Vec<String> = bytes
        .iter()
        .rev()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let folder = workspace::target().join("profile");
    let file = folder.join(format!("{}.profdata", tail.concat()));
    if file.is_file() {
        return Ok(Some(file));
    }
    let mut plain = Vec::new();
    let part = file.with_extension("part");
    GzDecoder::new(bytes.as_slice())
        .read_to_end(&mut plain)
        .and_then(|_| std::fs::create_dir_all(&folder))
        .and_then(|()| std::fs::write(&part, &plain))
        .and_then(|()| std::fs::rename(&part, &file))
        .map_err(|fault| vec![format!("{}: {fault}", file.display())])?;
    Ok(Some(file))
}

fn pack(plain: &Path, packed: &Path) -> Result<(), String> {
    let pack = || {
        let bytes = std::fs::read(plain)?;
        std::fs::create_dir_all(packed.parent().unwrap_or(packed))?;
        let mut encoder = GzEncoder::new(std::fs::File::create(packed)?, Compression::best());
        encoder.write_all(&bytes)?;
        encoder.finish().map(drop)
    };
    pack().map_err(|fault: std::io::Error| format!("{}: {fault}", packed.display()))
}
