//! Who may reach out: `crates/gateway/src/upstream*` and the files listed with a reason.
//!
//! Invariant 1 says that no bytes reach an upstream without a permit. The type system holds it for callers of
//! the upstream module; this check holds that there is no second way. It finds names and not behaviour, so it
//! catches a slip and not malice; a reviewer reads the exceptions.

use super::exceptions::{Exceptions, Rule};
use super::sizes::File;

const UPSTREAM: &str = "crates/gateway/src/upstream";

/// Names that open a connection, start a process or write to a child.
const WAYS_OUT: &[&str] = &[
    "TcpStream::connect",
    "TcpSocket::new",
    "UnixStream::connect",
    "UnixDatagram::",
    "UdpSocket::",
    "Client::builder",
    "HttpConnector",
    "HttpsConnector",
    "client::conn::",
    "Command::new",
    "ChildStdin",
    "rustix::net::",
    "libc::connect",
    "libc::socket",
];

/// Assurance and tasks may reach out: they are not in what is shipped.
const OUTSIDE: &[&str] = &[
    "bench/",
    "xtask/",
    "crates/sim/",
    "crates/pentest/",
    "crates/robust/",
    "fuzz/",
];

/// Checks every shipped file.
pub(crate) fn check(files: &[File], exceptions: &mut Exceptions) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        if file.tests || OUTSIDE.iter().any(|prefix| file.path.starts_with(prefix)) || is_upstream(&file.path)
        {
            continue;
        }
        for way in WAYS_OUT {
            for line in file.source.find(way) {
                if !exceptions.excuse(Rule::Egress, &file.path, way) {
                    problems.push(format!(
                        "{}:{line}: `{way}`: only {UPSTREAM}* reaches out; list the file in xtask/exceptions.toml \
                         if nothing of an agent's call goes this way",
                        file.path
                    ));
                }
            }
        }
    }
    problems
}

fn is_upstream(path: &str) -> bool {
    path == "crates/gateway/src/upstream.rs" || path.starts_with("crates/gateway/src/upstream/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_module_itself_is_the_upstream() {
        assert!(is_upstream("crates/gateway/src/upstream.rs"));
        assert!(is_upstream("crates/gateway/src/upstream/pool.rs"));
        assert!(!is_upstream("crates/gateway/src/upstream_too.rs"));
    }
}
