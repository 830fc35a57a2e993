//! What a server that we start may reach on this machine, made from what the operator wrote.
//!
//! Its own directory and its working directory: to read and change. What its command line names, and the libraries
//! beside its program: to read. What `readable` and `writable` say on top. INVARIANT: nothing granted holds the state
//! directory or lies in it, but for the server's own place there; a grant that was asked for and would is refused, one
//! that would only follow from the command or the working directory is left out and said in the log.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use crate::{config::Grants, upstream::confine::Fence};

/// Files whose neighbours they load.
const SCRIPTS: [&str; 9] = ["js", "mjs", "cjs", "ts", "mts", "py", "rb", "pl", "sh"];
/// Files that mark the root of a package, which its programs load from.
const ROOTS: [&str; 4] = ["package.json", "pyproject.toml", "setup.py", "Gemfile"];

/// What a fence is made from.
pub(super) struct Ground<'a> {
    /// The state directory.
    pub state: &'a Path,
    /// The server's own directory in it.
    pub own: &'a Path,
    /// The gateway's user's home, which is nobody's workspace.
    pub home: Option<&'a Path>,
    /// Where the server runs.
    pub directory: &'a Path,
    /// The file that is run.
    pub program: &'a Path,
    /// What it is given.
    pub arguments: &'a [String],
    /// Where it looks for programs.
    pub path: &'a OsStr,
    /// What the operator wrote on top.
    pub grants: &'a Grants,
}

/// Why there is no fence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FenceFault {
    /// A path that was to be granted is not there.
    #[error("`{}` is not there", .0.display())]
    Missing(PathBuf),
    /// A path that was to be granted opens the state, or what `/proc` shows of the gateway itself.
    #[error("`{}` would open the gateway's own state or process", .0.display())]
    OpensState(PathBuf),
}

/// The fence, and the working directory if it could not be granted.
pub(super) fn of(ground: &Ground<'_>) -> Result<(Fence, Option<PathBuf>), FenceFault> {
    let mut fence = Fence {
        read: BTreeSet::new(),
        write: BTreeSet::new(),
        tcp_ports: ground.grants.tcp_ports.clone(),
    };
    for (wanted, into) in [
        (&ground.grants.readable, &mut fence.read),
        (&ground.grants.writable, &mut fence.write),
    ] {
        for path in wanted {
            let real = path
                .canonicalize()
                .map_err(|_| FenceFault::Missing(path.clone()))?;
            if ground.opens_state(&real) {
                return Err(FenceFault::OpensState(path.clone()));
            }
            into.insert(real);
        }
    }
    let real = |path: &Path| path.canonicalize().ok();
    fence.write.extend(real(ground.own));
    let left_out = match real(ground.directory) {
        Some(directory) if Some(&directory) == real(ground.own).as_ref() => None,
        Some(directory) if ground.is_workspace(&directory) => {
            fence.write.insert(directory);
            None
        }
        _ => Some(ground.directory.to_owned()),
    };
    let mut followed = BTreeSet::new();
    beside(ground.program, &mut followed);
    for folder in std::env::split_paths(ground.path).filter(|folder| folder.is_absolute()) {
        beside(&folder.join("program"), &mut followed);
    }
    for argument in ground.arguments {
        named(ground.directory, argument, &mut followed);
    }
    let followed = followed
        .iter()
        .filter_map(|path| real(path))
        .filter(|path| ground.is_workspace(path));
    fence.read.extend(followed);
    Ok((fence, left_out))
}

impl Ground<'_> {
    /// Whether a real path holds the state directory, or lies in it outside the server's own place, or shows processes.
    fn opens_state(&self, path: &Path) -> bool {
        let state = self
            .state
            .canonicalize()
            .unwrap_or_else(|_| self.state.to_owned());
        let own = self.own.canonicalize().unwrap_or_else(|_| self.own.to_owned());
        state.starts_with(path)
            || (path.starts_with(&state) && !path.starts_with(own))
            || path.starts_with("/proc")
    }

    /// Whether a real path may be granted without having been asked for: not the state, not what belongs to the system,
    /// and not all that a user has.
    fn is_workspace(&self, path: &Path) -> bool {
        let home = self.home.and_then(|home| home.canonicalize().ok());
        let of_the_system = ["/dev", "/sys", "/etc", "/run"]
            .iter()
            .any(|top| path.starts_with(top));
        !self.opens_state(path)
            && !of_the_system
            && path.parent().is_some()
            && !home.is_some_and(|home| home.starts_with(path))
    }
}

/// A program, those beside it in a `bin`, and the libraries of that installation; the same of the file that a link
/// leads to, as in virtual environments. Not the whole installation: `~/.local` holds more than programs.
fn beside(program: &Path, into: &mut BTreeSet<PathBuf>) {
    let target = program.canonicalize().ok();
    for file in std::iter::once(program).chain(target.as_deref()) {
        into.insert(file.to_owned());
        let Some(folder) = file.parent() else { continue };
        if !folder.ends_with("bin") && !folder.ends_with("sbin") {
            continue;
        }
        into.insert(folder.to_owned());
        if let Some(installation) = folder.parent() {
            into.extend(
                ["lib", "lib64", "libexec", "pyvenv.cfg"]
                    .iter()
                    .map(|name| installation.join(name)),
            );
            // A copied program leads nowhere; its environment says whose libraries it runs on.
            if let Some(base) = base_of(&installation.join("pyvenv.cfg")) {
                into.extend(base.parent().map(|installation| installation.join("lib")));
                into.insert(base);
            }
        }
    }
}

/// The `bin` of the installation that a Python environment was made from.
fn base_of(config: &Path) -> Option<PathBuf> {
    let is_small = fs::metadata(config).is_ok_and(|about| about.is_file() && about.len() <= 64 << 10);
    let text = is_small.then(|| fs::read_to_string(config).ok()).flatten()?;
    let home = text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "home").then(|| PathBuf::from(value.trim()))
    })?;
    (home.is_absolute() && home.ends_with("bin")).then_some(home)
}

/// What an argument names, alone or after a `=`: a directory, or a file, with its package if it is a script.
fn named(directory: &Path, argument: &str, into: &mut BTreeSet<PathBuf>) {
    let value = argument
        .strip_prefix("--")
        .and_then(|option| option.split_once('='));
    let text = value.map_or(argument, |(_, value)| value);
    if !text.contains('/') {
        return;
    }
    let Ok(path) = directory.join(text).canonicalize() else {
        return;
    };
    into.insert(path.clone());
    let is_script = path
        .extension()
        .and_then(OsStr::to_str)
        .is_some_and(|kind| SCRIPTS.contains(&kind));
    if !path.is_file() || !is_script {
        return;
    }
    into.extend(path.parent().map(Path::to_owned));
    let root = path
        .ancestors()
        .skip(1)
        .find(|folder| ROOTS.iter().any(|name| folder.join(name).is_file()));
    into.extend(root.map(Path::to_owned));
    // Packages load their neighbours, and those lie in the outermost of them.
    let modules = path
        .ancestors()
        .filter(|folder| folder.ends_with("node_modules"))
        .last();
    into.extend(modules.map(Path::to_owned));
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            for folder in [
                "home/.local/state/bartizan/servers/it",
                "home/.local/state/bartizan/servers/other",
                "home/.local/bin",
                "home/.local/lib",
                "home/.local/share",
                "work/node_modules/pkg/dist",
                "data",
            ] {
                fs::create_dir_all(place.at(folder)).unwrap();
            }
            for file in [
                "home/.local/bin/tool",
                "work/node_modules/pkg/dist/main.js",
                "home/note.txt",
                "home/own.py",
            ] {
                fs::write(place.at(file), "").unwrap();
            }
            place
        }

        fn at(&self, path: &str) -> PathBuf {
            self.0.path().canonicalize().unwrap().join(path)
        }

        fn fence(
            &self,
            directory: &str,
            arguments: &[&str],
            grants: &Grants,
        ) -> Result<(Fence, Option<PathBuf>), FenceFault> {
            let arguments: Vec<_> = arguments
                .iter()
                .map(|argument| argument.replace("AT", &self.at("").display().to_string()))
                .collect();
            of(&Ground {
                state: &self.at("home/.local/state/bartizan"),
                own: &self.at("home/.local/state/bartizan/servers/it"),
                home: Some(&self.at("home")),
                directory: &self.at(directory),
                program: &self.at("home/.local/bin/tool"),
                arguments: &arguments,
                path: OsStr::new("relative:/nowhere/at/all"),
                grants,
            })
        }
    }

    fn grants(readable: &[PathBuf], writable: &[PathBuf]) -> Grants {
        Grants {
            readable: readable.to_vec(),
            writable: writable.to_vec(),
            ..Grants::default()
        }
    }

    #[test]
    fn a_command_grants_what_it_names_and_no_home() {
        let place = Place::new();
        let own = "home/.local/state/bartizan/servers/it";
        let arguments = [
            "ATwork/node_modules/pkg/dist/main.js",
            "--root=ATdata",
            "ATgone",
            "plain",
            "/",
            "/proc",
            "--of=/proc/self/environ",
            "/dev/null",
            "/etc/passwd",
            "AThome",
            "AThome/own.py",
        ];
        let (fence, left_out) = place.fence(own, &arguments, &Grants::default()).unwrap();
        assert_eq!(left_out, None);
        assert_eq!(fence.write, [place.at(own)].into());
        let expected = [
            "data",
            "home/.local/bin",
            "home/.local/bin/tool",
            "home/.local/lib",
            "home/own.py",
            "work/node_modules",
            "work/node_modules/pkg/dist",
            "work/node_modules/pkg/dist/main.js",
        ];
        assert_eq!(fence.read, expected.map(|path| place.at(path)).into());
    }

    #[test]
    fn a_copied_python_reads_the_installation_it_was_made_from() {
        let place = Place::new();
        for folder in ["python/bin", "python/lib", "python/share", "venv/bin", "venv/lib"] {
            fs::create_dir_all(place.at("").join(folder)).unwrap();
        }
        fs::write(place.at("venv/bin").join("python"), "").unwrap();
        let config = place.at("venv").join("pyvenv.cfg");
        let read = |home: &str| {
            fs::write(&config, format!("home = {home}\nversion = 3.11.7\n")).unwrap();
            let own = place.at("home/.local/state/bartizan/servers/it");
            let (fence, _) = of(&Ground {
                state: &place.at("home/.local/state/bartizan"),
                own: &own,
                home: Some(&place.at("home")),
                directory: &own,
                program: &place.at("venv/bin/python"),
                arguments: &[],
                path: OsStr::new(""),
                grants: &Grants::default(),
            })
            .unwrap();
            fence.read
        };
        let base = place.at("python/bin");
        let granted = read(base.to_str().unwrap());
        assert!(granted.contains(&base) && granted.contains(&place.at("python/lib")));
        assert!(!granted.contains(&place.at("python")) && !granted.contains(&place.at("python/share")));
        for home in ["bin", place.at("home").to_str().unwrap(), "/etc/bin", ""] {
            let granted = read(home);
            assert!(!granted.contains(&place.at("home")), "{home}: {granted:?}");
            assert_eq!(
                granted
                    .iter()
                    .filter(|path| !path.starts_with(place.at("venv")))
                    .count(),
                0,
                "{home}"
            );
        }
    }

    #[test]
    fn nothing_granted_opens_the_state() {
        let place = Place::new();
        let state = "home/.local/state/bartizan";
        fs::write(place.at(state).join("master.key"), "").unwrap();
        std::os::unix::fs::symlink(place.at(state), place.at("data/link")).unwrap();
        for path in [
            "",
            "home",
            "home/.local",
            "home/.local/state/bartizan",
            "home/.local/state/bartizan/master.key",
            "home/.local/state/bartizan/servers",
            "home/.local/state/bartizan/servers/other",
            "data/link",
            "data/../home",
        ] {
            let asked = [place.at(path)];
            for grants in [grants(&asked, &[]), grants(&[], &asked)] {
                let fault = place.fence("work", &[], &grants).unwrap_err();
                assert!(matches!(fault, FenceFault::OpensState(_)), "{path}: {fault}");
            }
            // Named by the command or the client, it is left out.
            let argument = place.at(path).display().to_string();
            let (fence, _) = place.fence("work", &[&argument], &Grants::default()).unwrap();
            let opens = |granted: &PathBuf| {
                place.at(state).starts_with(granted) || granted.starts_with(place.at(state))
            };
            assert!(!fence.read.iter().any(opens), "{path}");
            let (fence, left_out) = place.fence(path, &[], &Grants::default()).unwrap();
            assert!(left_out.is_some() && fence.write.len() == 1, "{path}");
        }
        let fault = place
            .fence("work", &[], &grants(&["/proc/self".into()], &[]))
            .unwrap_err();
        assert!(matches!(fault, FenceFault::OpensState(_)));
        let fault = place
            .fence("work", &[], &grants(&[place.at("gone")], &[]))
            .unwrap_err();
        assert!(matches!(fault, FenceFault::Missing(_)));
    }

    #[test]
    fn a_workspace_and_what_was_asked_for_are_granted() {
        let place = Place::new();
        let asked = grants(&[place.at("home/note.txt")], &[place.at("data")]);
        let (fence, left_out) = place.fence("work", &[], &asked).unwrap();
        assert_eq!(left_out, None);
        let own = place.at("home/.local/state/bartizan/servers/it");
        assert_eq!(fence.write, [own, place.at("data"), place.at("work")].into());
        assert!(fence.read.contains(&place.at("home/note.txt")));
        assert_eq!(fence.tcp_ports, Grants::default().tcp_ports);
    }
}
