//! What is run for a server on a pipe: which file, in which directory, with which environment, and whether it is the
//! file that ran before.
//!
//! The environment is what the operator configured, and three names beside it: the gateway's own `PATH`, so that
//! `npx`, `uvx` and virtual environments are found as in the operator's shell; and `HOME` and `TMPDIR`, in a directory
//! that belongs to this server alone. `PATH` says where programs are, and holds no secret; nothing else of ours is
//! passed on. The directory lies in the state, is made on first use with mode 0700, and is kept, because package
//! runners keep what they downloaded there.
//!
//! The digest is of the file that `PATH` leads to, read right before it is started. Someone who can swap that file in
//! between can run what they like as this user anyhow. Of `npx` and `python` it is the runner's digest, not the
//! package's: definitions are pinned beside it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::Read as _,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use aws_lc_rs::digest::{Context, SHA256};
use bartizan_mcp::PinKind;
use bartizan_store::Secrets;
use bartizan_types::{Code, Digest, Finding, Secret};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    fence::{self, Ground},
    flow::Ctx,
    health::Health,
    hub::{Served, lock},
};
use crate::{
    clock,
    config::{EnvValue, Reach},
    upstream::{child::Spawn, confine::Fence, echo::is_credential, names_of},
};

/// Largest program that is started; reading more to know it would take seconds.
const PROGRAM_BYTES: u64 = 1 << 30;
/// Where programs are when the gateway itself was started without a `PATH`.
const USUAL: &str = "/usr/local/bin:/usr/bin:/bin";

/// A file as it was when it was digested. The change time can't be set by whoever may write the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// The digest of the program that ran last, so that a large runner is read once and not for every session.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Option<(Stamp, Digest)>>);

/// Gets everything ready to start a server: its file, directory and environment, and what its pin says of the file.
///
/// # Errors
/// [`Code::ServerFailed`] when the program is not to be found or too large, [`Code::SecretMissing`], or [`Code::Bug`]
/// when the state can't be used.
pub(super) async fn prepare(ctx: &Ctx, served: &Arc<Served>) -> Result<(Spawn, Vec<Finding>), Code> {
    let Reach::Stdio {
        command,
        environment,
        directory,
        grants,
    } = &served.config.reach
    else {
        return Err(Code::Bug);
    };
    let name = &served.config.name;
    let state = ctx.shared.state.directory().ok_or(Code::Bug)?.to_owned();
    let home = state.join("servers").join(name.as_str());
    let secrets = names_of(environment);
    let hidden = environment
        .iter()
        .filter(|(_, value)| matches!(value, EnvValue::Secret(_)))
        .map(|(name, _)| name.clone())
        .collect();
    let environment = environment_of(environment, &ctx.shared.secrets, &home, &served.health)?;
    let directory = directory.clone().unwrap_or_else(|| home.clone());
    let wanted = command.first().ok_or(Code::ServerFailed)?.clone();
    let path = environment
        .get("PATH")
        .map(|path| OsStr::from_bytes(path.expose()).to_owned())
        .unwrap_or_default();
    let (known, from) = (Arc::clone(served), directory.clone());
    let arguments: Vec<_> = command.iter().skip(1).cloned().collect();
    let (given, grants) = (arguments.clone(), grants.clone());
    // Files are read on a thread that may wait.
    let found = tokio::task::spawn_blocking(move || {
        make(&home)?;
        make(&home.join("tmp"))?;
        let program = resolve(&wanted, &path, &from).ok_or_else(|| {
            tracing::warn!(server = %known.config.name, program = %wanted, "the program is not to be found");
            known
                .health
                .failed(format!("the program `{wanted}` is not on PATH, or can't be run"));
            Code::ServerFailed
        })?;
        let digest = known.program.digest(&program)?;
        let fence = fence_of(
            &known,
            &Ground {
                state: &state,
                own: &home,
                home: std::env::var_os("HOME").as_deref().map(Path::new),
                directory: &from,
                program: &program,
                arguments: &given,
                path: &path,
                grants: &grants,
            },
        )?;
        Ok::<_, Code>((program, digest, fence))
    });
    let (program, digest, fence) = found.await.map_err(|_| Code::Bug)??;
    let findings = judge(ctx, served, command, &digest)?;
    let spawn = Spawn {
        server: name.clone(),
        program,
        arguments,
        environment,
        secrets,
        hidden,
        directory,
        fence,
    };
    Ok((spawn, findings))
}

/// What the server may reach; none where the operator loosened it.
fn fence_of(served: &Served, ground: &Ground<'_>) -> Result<Option<Fence>, Code> {
    let server = &served.config.name;
    if ground.grants.unconfined {
        return Ok(None);
    }
    let (fence, left_out) = fence::of(ground).map_err(|fault| {
        tracing::error!(%server, error = %fault, "the server can't be confined as configured, and is not started");
        served
            .health
            .failed(format!("it can't be confined as configured: {fault}"));
        Code::ServerFailed
    })?;
    if let Some(directory) = left_out {
        tracing::warn!(%server, directory = %directory.display(), "the working directory holds the gateway's state or a \
            whole home, so the server may not read it: name what it needs as readable or writable");
    }
    Ok(Some(fence))
}

/// Compares the program with its pin. A command that the operator configured anew is a first sight, not a change.
fn judge(ctx: &Ctx, served: &Served, command: &[String], digest: &Digest) -> Result<Vec<Finding>, Code> {
    let spec = serde_json::json!({ "command": command, "program": digest.to_string() });
    let raw = serde_json::value::to_raw_value(&spec).map_err(|_| Code::Bug)?;
    served.with_pins(&ctx.shared.state, |pins| {
        let held = pins
            .pin(PinKind::Package, "")
            .and_then(|pin| serde_json::from_str::<serde_json::Value>(&pin.held.definition).ok());
        if held.is_some_and(|held| held.get("command") != spec.get("command")) {
            pins.forget(PinKind::Package, "");
        }
        match pins.judge(PinKind::Package, "", &raw, clock::now()) {
            Ok((judged, store)) => (judged.finding.into_iter().collect(), store),
            Err(_) => (Vec::new(), false),
        }
    })
}

fn make(directory: &Path) -> Result<(), Code> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    let is_directory = fs::symlink_metadata(directory).is_ok_and(|found| found.is_dir());
    if made.is_err() || !is_directory {
        tracing::error!(directory = %directory.display(), "a server's directory can't be made");
        return Err(Code::ServerFailed);
    }
    Ok(())
}

/// The file that a name leads to, as `execvp` finds it: through `PATH`, or from the working directory when the name
/// has a slash. Links are kept as they are: virtual environments know themselves by them.
fn resolve(name: &str, path: &OsStr, directory: &Path) -> Option<PathBuf> {
    let runs = |file: &Path| {
        fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(directory.join(name)).filter(|file| runs(file));
    }
    std::env::split_paths(path)
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| directory.join(folder).join(name))
        .find(|file| runs(file))
}

impl Known {
    /// The digest of a file.
    ///
    /// # Errors
    /// [`Code::ServerFailed`] when it can't be read or is too large.
    fn digest(&self, path: &Path) -> Result<Digest, Code> {
        let failed = |_| Code::ServerFailed;
        let mut file = fs::File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        let stamp = Stamp {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            changed: (found.ctime(), found.ctime_nsec()),
        };
        if let Some((_, digest)) = lock(&self.0).as_ref().filter(|(known, _)| *known == stamp) {
            return Ok(*digest);
        }
        if found.size() > PROGRAM_BYTES {
            return Err(Code::ServerFailed);
        }
        let mut context = Context::new(&SHA256);
        let mut chunk = vec![0; 256 << 10];
        let mut rest = PROGRAM_BYTES;
        loop {
            let read = file.read(&mut chunk).map_err(failed)?;
            let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else {
                break;
            };
            rest = rest
                .checked_sub(u64::try_from(read).unwrap_or(u64::MAX))
                .ok_or(Code::ServerFailed)?;
            context.update(part);
        }
        let digest = context.finish();
        let digest = <[u8; 32]>::try_from(digest.as_ref())
            .map(Digest)
            .map_err(|_| Code::Bug)?;
        *lock(&self.0) = Some((stamp, digest));
        Ok(digest)
    }
}

fn reveal(value: &EnvValue, secrets: &Secrets, health: &Health) -> Result<Secret<Vec<u8>>, Code> {
    match value {
        EnvValue::Plain(text) => Ok(Secret::new(text.clone().into_bytes())),
        EnvValue::Secret(name) => secrets.reveal(name).ok().flatten().ok_or_else(|| {
            health.failed(format!(
                "the secret `{name}` is not in the store: `bartizan secret set {name}`"
            ));
            Code::SecretMissing
        }),
    }
}

/// What is configured, over what every server gets. Nothing else of ours leaks in.
fn environment_of(
    values: &BTreeMap<String, EnvValue>,
    secrets: &Secrets,
    home: &Path,
    health: &Health,
) -> Result<BTreeMap<String, Secret<Vec<u8>>>, Code> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(USUAL));
    let given = |value: &OsStr| Secret::new(value.as_bytes().to_vec());
    let mut all = BTreeMap::from([
        ("PATH".to_owned(), given(&path)),
        ("HOME".to_owned(), given(home.as_os_str())),
        ("TMPDIR".to_owned(), given(home.join("tmp").as_os_str())),
    ]);
    for (name, value) in values {
        all.insert(name.clone(), reveal(value, secrets, health)?);
    }
    Ok(all)
}

/// The headers that every request to a server over HTTP carries.
///
/// # Errors
/// [`Code::SecretMissing`], also when a secret is no header value; [`Code::Bug`] for a name that is none.
pub(super) fn headers_of(
    values: &BTreeMap<String, EnvValue>,
    secrets: &Secrets,
    health: &Health,
) -> Result<HeaderMap, Code> {
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Code::Bug)?;
        let secret = reveal(value, secrets, health)?;
        let is_secret = matches!(value, EnvValue::Secret(_)) || is_credential(&name);
        let mut value = HeaderValue::from_bytes(secret.expose()).map_err(|_| Code::SecretMissing)?;
        value.set_sensitive(is_secret);
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_the_file_that_would_run_and_a_changed_one_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        for directory in [&one, &two] {
            fs::create_dir(directory).unwrap();
            fs::write(directory.join("tool"), directory.as_os_str().as_bytes()).unwrap();
        }
        let path = std::env::join_paths([&one, &two]).unwrap();
        // The first of that name can't be run, as a shell sees it.
        assert_eq!(resolve("tool", &path, folder.path()), None);
        fs::set_permissions(two.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(resolve("tool", &path, folder.path()), Some(two.join("tool")));
        assert_eq!(
            resolve("./two/tool", &path, folder.path()).unwrap(),
            folder.path().join("./two/tool")
        );
        assert_eq!(resolve("two", OsStr::new(""), folder.path()), None);
        let known = Known::default();
        let before = known.digest(&two.join("tool")).unwrap();
        assert_eq!(known.digest(&two.join("tool")), Ok(before));
        fs::write(two.join("tool"), b"another program").unwrap();
        assert_ne!(known.digest(&two.join("tool")), Ok(before));
        assert_eq!(known.digest(&two.join("gone")), Err(Code::ServerFailed));
    }
}
