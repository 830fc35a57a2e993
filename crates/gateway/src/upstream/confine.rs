//! What a child process may reach on this machine: Landlock, where the kernel has it.
//!
//! A confined child reads and runs what belongs to the system, and beyond that only what its [`Fence`] names. It can't
//! listen on TCP, connects to the named ports alone, signals and traces no process outside, mounts nothing, gains no
//! privilege, and makes no device nodes. Older kernels enforce what they know of that; one without Landlock confines
//! nothing, and every start says so. Not covered by any kernel yet: UDP, and unix sockets with a path, which is why
//! the admin socket asks for what only a file in the state directory tells.
//!
//! A domain is entered by a thread and inherited by what that thread starts, so each child is started by a thread of
//! its own that then ends. INVARIANT: no thread that does anything else enters a domain.

use std::{collections::BTreeSet, io, path::PathBuf};

use tokio::process::{Child, Command};

/// What a child may reach beside the system's own files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fence {
    /// Trees and files that may be read and run.
    pub read: BTreeSet<PathBuf>,
    /// Trees that may be read, run and changed, and files that may be written.
    pub write: BTreeSet<PathBuf>,
    /// TCP ports that may be connected to, on any host.
    pub tcp_ports: Vec<u16>,
}

/// How much of a fence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// All of it.
    Whole,
    /// What an older kernel knows of it.
    Partly,
    /// Nothing: this system has no Landlock.
    Nothing,
}

/// Programs, libraries and the public part of the configuration. Not `/etc` as a whole: private keys lie there, and a
/// gateway that runs as root could read them. Not `/proc` as a whole: not every kernel's Landlock keeps a child from
/// reading the environment of a process outside there, and the child's own part of it has no name before it runs.
#[cfg(target_os = "linux")]
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys",
    "/proc/uptime",
    "/proc/version",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/debian_version",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/java",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/locale.alias",
    "/etc/locale.conf",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/shells",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/etc/timezone",
];
#[cfg(target_os = "linux")]
const DEVICES: &[&str] = &[
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
];

/// Starts a child inside a fence.
///
/// # Errors
/// The system's, of building the fence or of starting the program: what can't be fenced in does not start.
#[cfg(target_os = "linux")]
pub(crate) fn start(fence: &Fence, command: &mut Command) -> io::Result<(Child, Standing)> {
    let fence = linux::build(fence)?;
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        let starter = scope.spawn(move || {
            let _entered = runtime.enter();
            let standing = linux::enter(fence)?;
            Ok((command.spawn()?, standing))
        });
        starter
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the starting thread panicked")))
    })
}

/// Starts a child; there is nothing to fence it in with.
///
/// # Errors
/// The system's, of starting the program.
#[cfg(not(target_os = "linux"))]
pub(crate) fn start(_fence: &Fence, command: &mut Command) -> io::Result<(Child, Standing)> {
    Ok((command.spawn()?, Standing::Nothing))
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{io, path::Path};

    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset,
        RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetStatus, Scope,
    };

    use super::{DEVICES, Fence, SYSTEM, Standing};

    /// The newest interface asked for; what the kernel does not know of it is left out.
    const NEWEST: ABI = ABI::V7;

    pub(super) fn build(fence: &Fence) -> io::Result<RulesetCreated> {
        let every = AccessFs::from_all(NEWEST);
        let read = AccessFs::from_read(NEWEST);
        // A device node in one's own directory would be a way to the whole disk, for a gateway that runs as root.
        let change = every & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
        let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
        let mut rules = Ruleset::default()
            .handle_access(every)
            .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
            .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
            .and_then(Ruleset::create)
            .map_err(io::Error::other)?;
        let system = SYSTEM.iter().map(|path| (Path::new(*path), read));
        let devices = DEVICES.iter().map(|path| (Path::new(*path), device));
        let named = fence.read.iter().map(|path| (path.as_path(), read));
        let changed = fence.write.iter().map(|path| (path.as_path(), change));
        for (path, access) in system.chain(devices).chain(named).chain(changed) {
            rules = allow(rules, path, access)?;
        }
        for port in &fence.tcp_ports {
            rules = rules
                .add_rule(NetPort::new(*port, AccessNet::ConnectTcp))
                .map_err(io::Error::other)?;
        }
        Ok(rules)
    }

    /// Grants access to a tree or file; one that is not there has nothing to grant.
    fn allow(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> io::Result<RulesetCreated> {
        let Ok(found) = std::fs::metadata(path) else {
            return Ok(rules);
        };
        let access = if found.is_dir() {
            access
        } else {
            access & AccessFs::from_file(NEWEST)
        };
        let opened = PathFd::new(path).map_err(io::Error::other)?;
        rules
            .add_rule(PathBeneath::new(opened, access))
            .map_err(io::Error::other)
    }

    /// Puts the calling thread, and all that it starts from now on, inside.
    pub(super) fn enter(rules: RulesetCreated) -> io::Result<Standing> {
        let status = rules.restrict_self().map_err(io::Error::other)?;
        Ok(match status.ruleset {
            RulesetStatus::FullyEnforced => Standing::Whole,
            RulesetStatus::PartiallyEnforced => Standing::Partly,
            RulesetStatus::NotEnforced => Standing::Nothing,
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{fs, process::Stdio};

    use super::{Command, Fence, Standing, start};

    async fn shell(fence: &Fence, script: &str) -> Option<(bool, String)> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (child, standing) = start(fence, &mut command).unwrap();
        let done = child.wait_with_output().await.unwrap();
        if standing == Standing::Nothing {
            eprintln!("skipped: this kernel has no Landlock");
            return None;
        }
        let said = [done.stdout, done.stderr].concat();
        Some((done.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    #[tokio::test]
    async fn a_child_reaches_what_its_fence_names_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for name in ["read", "write", "neither"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("file"), "content").unwrap();
        }
        let fence = Fence {
            read: [at("read")].into(),
            write: [at("write")].into(),
            tcp_ports: Vec::new(),
        };
        let path = |name: &str| at(name).join("file").display().to_string();
        let (read, write, neither) = (path("read"), path("write"), path("neither"));
        let cases = [
            (format!("cat {read}"), true),
            (format!("echo x > {read}"), false),
            (
                format!("cat {write} && echo x > {write} && mv {write} {write}2 && rm {write}2"),
                true,
            ),
            (format!("cat {neither}"), false),
            (format!("echo x > {neither}"), false),
            (format!("ls {}", at("neither").display()), false),
            // Links lead where they lead, whoever made them.
            (format!("ln -s {neither} {write}link; cat {write}link"), false),
            (format!("ln {neither} {write}hard"), false),
            (format!("mknod {write}node c 1 3"), false),
            (format!("mkfifo {write}pipe"), true),
            ("cat /proc/$PPID/environ".to_owned(), false),
            ("cat /proc/$PPID/maps".to_owned(), false),
            ("ls /proc".to_owned(), false),
            ("cat /proc/self/environ".to_owned(), false),
            ("grep -q MemTotal /proc/meminfo".to_owned(), true),
            ("ls /proc/$PPID/fd/".to_owned(), false),
            ("kill -0 $PPID".to_owned(), false),
            ("cat /etc/shadow".to_owned(), false),
            ("head -c1 /dev/urandom > /dev/null".to_owned(), true),
        ];
        for (script, passes) in cases {
            let Some((passed, said)) = shell(&fence, &script).await else {
                return;
            };
            assert_eq!(passed, passes, "{script}: {said}");
        }
        // What started it is as free as before.
        assert_eq!(fs::read(neither).unwrap(), b"content");
    }

    #[tokio::test]
    async fn tcp_is_closed_but_for_named_ports() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Fence {
            tcp_ports: vec![port],
            ..Fence::default()
        };
        let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
        for (fence, passes) in [(&open, true), (&Fence::default(), false)] {
            let Some((passed, said)) = shell(fence, &format!("bash -c '{connect}'")).await else {
                return;
            };
            // Landlock knows TCP since Linux 6.7; before, nothing is closed.
            assert!(passed == passes || passed, "{said}");
            if passed != passes {
                eprintln!("skipped: this kernel's Landlock knows no TCP");
            }
        }
    }
}
