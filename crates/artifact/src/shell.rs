//! Commands: what a text would do if a shell ran it. Words are looked at, not expanded; what is told is what recipes that
//! only build and start something do not do: run what they have just fetched, hand a shell to another machine, decode
//! what they run, send secrets away.
//!
//! The installers that everybody's recipes run are known by their address, and only by `https`.

mod origin;
mod windows;

use std::collections::HashMap;

use crate::finding::Verdict;

pub(crate) use origin::is_installer;

/// What a command does, and how bad that is.
pub(crate) type Seen = (&'static str, Verdict);

/// Names of fetched files that are remembered in one text.
const FETCHED: usize = 1 << 12;

/// Words of a line that are looked at together, and of those how many are looked at twice.
const WORDS: usize = 512;
const OVERLAP: usize = 128;
/// Programs of one command that fetch.
const FETCHERS_MAX: usize = 8;
/// Findings of one text.
const FOUND: usize = 256;
/// Variables that hold an address and are followed.
const ADDRESSES: usize = 32;

const FETCHERS: [&str; 9] = [
    "curl",
    "curl.exe",
    "wget",
    "wget.exe",
    "aria2c",
    "lwp-request",
    "invoke-webrequest",
    "iwr",
    "irm",
];
const SHELLS: [&str; 24] = [
    "sh",
    "bash",
    "zsh",
    "dash",
    "ksh",
    "ash",
    "csh",
    "fish",
    "rbash",
    "pwsh",
    "powershell",
    "powershell.exe",
    "iex",
    "invoke-expression",
    "cmd",
    "cmd.exe",
    "perl",
    "ruby",
    "node",
    "php",
    "lua",
    "tclsh",
    "osascript",
    "deno",
];
/// Words before the one that names the program.
const BEFORE: [&str; 16] = [
    "sudo", "env", "exec", "nohup", "time", "command", "busybox", "run", "then", "do", "else", "!", "@",
    "-e", "cmd", "-",
];

/// The worst thing that a text of one line or many does.
pub(crate) fn within(text: &str) -> Option<Seen> {
    all(text)
        .into_iter()
        .map(|(_, seen)| seen)
        .max_by_key(|seen| seen.1)
}

/// Everything that a text does, each with the offset of its line.
pub(crate) fn all(text: &str) -> Vec<(u64, Seen)> {
    let mut state = State::default();
    let mut addresses: Vec<(String, String)> = Vec::new();
    for (at, line) in joined(text) {
        let line = filled(plain(&line), &addresses);
        let words = words(&line);
        if words.is_empty() {
            continue;
        }
        if words.len() <= WORDS {
            state.line(at, &line, &words);
        } else {
            // A line without end is looked at in pieces that overlap.
            let mut from = 0;
            while let Some(rest) = words.get(from..).filter(|rest| !rest.is_empty()) {
                let piece = rest.get(..WORDS).unwrap_or(rest);
                state.line(at, &piece.join(" "), piece);
                from += WORDS - OVERLAP;
            }
        }
        if addresses.len() < ADDRESSES {
            let named = words.iter().filter_map(|word| word.split_once('='));
            let named = named.filter(|(name, value)| value.contains("://") && !name.is_empty());
            addresses.extend(
                named
                    .take(ADDRESSES)
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
        }
        if state.found.len() >= FOUND {
            break;
        }
    }
    state.found
}

/// What is known of the lines so far.
#[derive(Default)]
struct State {
    found: Vec<(u64, Seen)>,
    /// Files that were fetched, by name; whether they come from where people share scripts.
    fetched: HashMap<String, bool>,
    pipe_made: bool,
}

impl State {
    fn line(&mut self, at: u64, line: &str, words: &[&str]) {
        let seen = piped_in(words)
            .or_else(|| elsewhere(line, words))
            .or_else(|| encoded(words))
            .or_else(|| one_liner(line, words))
            .or_else(|| sends(words))
            .or_else(|| stays(line, words))
            .or_else(|| destroys(line, words))
            .or_else(|| windows::within(words));
        self.found.extend(seen.map(|seen| (at, seen)));
        if self.fetched.len() < FETCHED {
            self.fetched.extend(fetches(words));
        }
        if runs_fetched(words, &self.fetched) {
            self.found
                .push((at, ("runs a program that it has fetched", Verdict::Suspicious)));
        }
        self.pipe_made |= words.contains(&"mkfifo") || words.contains(&"mknod");
        let talks = ["nc", "ncat", "netcat", "telnet", "s_client"];
        if self.pipe_made && words.iter().any(|word| talks.contains(&base(word))) {
            self.found
                .push((at, ("connects a shell to another machine", Verdict::Malicious)));
        }
    }
}

/// Lines, those that go on behind a backslash as one; without comments.
fn joined(text: &str) -> Vec<(u64, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(u64, String)> = None;
    let mut at = 0_u64;
    for line in text.split('\n') {
        let here = at;
        at += line.len() as u64 + 1;
        let trimmed = line.trim();
        if trimmed.starts_with('#') && !trimmed.starts_with("#!") {
            continue;
        }
        // What `make` and notebooks put before a command.
        let trimmed = match open {
            None => trimmed.trim_start_matches(['@', '!']).trim_start(),
            Some(_) => trimmed,
        };
        let (start, mut whole) = open.take().unwrap_or((here, String::new()));
        match trimmed.strip_suffix('\\') {
            Some(front) => {
                whole.push_str(front);
                whole.push(' ');
                open = Some((start, whole));
            }
            None => {
                whole.push_str(trimmed);
                lines.push((start, whole));
            }
        }
    }
    lines.extend(open);
    lines
}

/// Lower case, without the marks by which words are broken up for no other reader's sake.
fn plain(line: &str) -> String {
    let mut line = line.to_lowercase();
    for (mark, instead) in [
        ("${ifs}", " "),
        ("$ifs$9", " "),
        ("$ifs", " "),
        ("''", ""),
        ("\"\"", ""),
        ("\\\"", " "),
    ] {
        if line.contains(mark) {
            line = line.replace(mark, instead);
        }
    }
    line
}

/// The line with the addresses that variables stand for.
fn filled(mut line: String, addresses: &[(String, String)]) -> String {
    for (name, value) in addresses {
        for spelt in [format!("${{{name}}}"), format!("${name}")] {
            if line.contains(&spelt) {
                line = line.replace(&spelt, value);
            }
        }
    }
    line
}

/// Words and operators. Quotes and brackets separate words: a list in JSON is a command too.
fn words(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut letters = line.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let next = letters.peek().map(|(_, next)| *next);
        let width = match (letter, next) {
            ('|', Some('|')) | ('&', Some('&')) | ('$' | '<', Some('(')) => 2,
            ('|' | ';' | '&' | '`' | '(' | ')' | '<' | '>', _) => 1,
            _ if letter.is_whitespace() || matches!(letter, '"' | '\'' | ',' | '[' | ']' | '{' | '}') => 0,
            _ => continue,
        };
        found.extend(line.get(start..at).filter(|word| !word.is_empty()));
        start = at + letter.len_utf8();
        if width == 2 {
            letters.next();
            start += 1;
        }
        if width > 0 {
            found.extend(line.get(at..start));
        }
    }
    found.extend(line.get(start..).filter(|word| !word.is_empty()));
    found
}

/// The last part of a path.
fn base(word: &str) -> &str {
    word.rsplit(['/', '\\']).next().unwrap_or(word)
}

fn ends(word: &str) -> bool {
    matches!(word, ";" | "&&" | "||")
}

fn is_python(word: &str) -> bool {
    let word = base(word);
    word.strip_prefix("python")
        .or_else(|| word.strip_prefix("pypy"))
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || rest == ".exe")
}

fn is_shell(word: &str) -> bool {
    SHELLS.contains(&base(word))
}

/// The program of a command, and what follows it.
fn program<'w, 'l>(words: &'w [&'l str]) -> Option<(&'l str, &'w [&'l str])> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let option = word.starts_with('-') && at > 0;
        if BEFORE.contains(word) || option || word.contains('=') && !word.contains("://") {
            at += 1;
            continue;
        }
        return Some((
            word.trim_start_matches(['@', '!', '%']),
            words.get(at + 1..).unwrap_or_default(),
        ));
    }
    None
}

/// Whether what these words give ends in an interpreter that takes it for a program.
fn ends_in_shell(words: &[&str]) -> bool {
    let mut rest = words;
    while let Some(at) = rest.iter().position(|word| *word == "|" || ends(word)) {
        let here = rest.get(at).copied().unwrap_or_default();
        rest = rest.get(at + 1..).unwrap_or_default();
        if ends(here) {
            return false;
        }
        let Some((named, arguments)) = program(rest) else {
            continue;
        };
        let first = arguments.first().copied().unwrap_or("-");
        let filters = ["perl", "ruby", "node", "php", "lua", "deno", "osascript"].contains(&base(named));
        // `python -m json.tool`, `perl -ne` and `sh -c` read data there.
        if is_shell(named) && (first == "-" || !filters && first != "-c") {
            return true;
        }
        if is_python(named) && !matches!(first, "-m" | "-c") {
            return true;
        }
    }
    false
}

fn known(words: &[&str]) -> bool {
    let mut addresses = words.iter().filter(|word| word.contains("://")).peekable();
    addresses.peek().is_some() && addresses.all(|address| is_installer(address))
}

/// A program that is fetched and run at once.
fn piped_in(words: &[&str]) -> Option<Seen> {
    let seen = ("runs a program that it fetches", Verdict::Suspicious);
    for command in words.split(|word| ends(word)) {
        for at in fetchers(command) {
            let (front, rest) = command.split_at_checked(at).unwrap_or_default();
            if known(rest) {
                continue;
            }
            if ends_in_shell(rest) {
                return Some(seen);
            }
            // `sh -c "$(curl ...)"`, `bash <(curl ...)`, `eval "$(curl ...)"`.
            let inside = front
                .last()
                .is_some_and(|word| matches!(*word, "$(" | "<(" | "`"));
            let run = program(front).is_some_and(|(named, _)| {
                is_shell(named) || is_python(named) || matches!(named, "eval" | "source" | "." | "exec")
            });
            if inside && run {
                return Some(seen);
            }
        }
    }
    None
}

/// Where a command names a program that fetches; the first few, since what follows one of them follows all.
fn fetchers(command: &[&str]) -> impl Iterator<Item = usize> {
    let named = command
        .iter()
        .enumerate()
        .filter(|(_, word)| FETCHERS.contains(&base(word)));
    named.map(|(at, _)| at).take(FETCHERS_MAX)
}

/// Files that a command fetches, by name; whether they come from where people share scripts.
fn fetches(words: &[&str]) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let adds = words.first() == Some(&"add");
    for command in words.split(|word| ends(word) || *word == "|") {
        let first = if adds { Some(0) } else { None };
        for at in fetchers(command).chain(first) {
            let rest = command.get(at + 1..).unwrap_or_default();
            let Some(address) = rest.iter().find(|word| word.contains("://")) else {
                continue;
            };
            if is_installer(address) {
                continue;
            }
            let named = rest.windows(2).find_map(|pair| match pair {
                ["-o" | "--output" | "--output-document" | "-outfile" | ">", name]
                    if !name.contains("://") =>
                {
                    Some(*name)
                }
                _ => None,
            });
            let last = if adds { rest.last().copied() } else { None };
            let plain = || address.split(['?', '#']).next().unwrap_or_default();
            let name = base(named.or(last).unwrap_or_else(plain)).to_owned();
            if !name.is_empty() && name != "-" {
                found.push((name, origin::is_shared(address)));
            }
        }
    }
    found
}

fn runs_fetched(words: &[&str], fetched: &HashMap<String, bool>) -> bool {
    if fetched.is_empty() {
        return false;
    }
    let commands = words.split(|word| ends(word) || matches!(*word, "|" | "&" | "("));
    for command in commands {
        let Some((named, arguments)) = program(command) else {
            continue;
        };
        let of = |name: &str| fetched.get(base(name)).copied();
        if of(named).is_some() && (named.contains('/') || named.contains('\\')) {
            return true;
        }
        let script = arguments
            .iter()
            .find(|word| !word.starts_with('-'))
            .and_then(|word| of(word));
        if script.is_some()
            && (is_shell(named) || matches!(named, "source" | "." | "start" | "start-process"))
        {
            return true;
        }
        if script.is_some_and(|shared| !shared) && is_python(named) {
            return true;
        }
    }
    false
}

/// A shell in the hands of another machine.
fn elsewhere(line: &str, words: &[&str]) -> Option<Seen> {
    let seen = ("gives a shell to another machine", Verdict::Malicious);
    for device in ["/dev/tcp/", "/dev/udp/"] {
        let Some((_, after)) = line.split_once(device) else {
            continue;
        };
        let host = after.split(['/', ' ', '"', '\'']).next().unwrap_or_default();
        let interactive = words.contains(&"-i") || line.contains("0>&1") || line.contains("0<&");
        if interactive {
            return Some(seen);
        }
        // `</dev/tcp/localhost/8000` is how recipes wait for a port.
        let near =
            matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0" | "::1") || !host.contains(['.', ':']);
        if !near {
            return Some(("talks to another machine through the shell", Verdict::Suspicious));
        }
    }
    for (at, word) in words.iter().enumerate() {
        let rest = words.get(at + 1..).unwrap_or_default();
        let end = rest.iter().position(|word| ends(word)).unwrap_or(rest.len());
        let own = rest.get(..end).unwrap_or_default();
        match base(word) {
            "nc" | "ncat" | "netcat" | "nc.exe" | "ncat.exe" | "nc.traditional" => {
                let option = |word: &&str| {
                    matches!(*word, "--exec" | "--sh-exec" | "--lua-exec")
                        || word.starts_with('-') && !word.starts_with("--") && word.contains(['e', 'c'])
                };
                let shell = own.iter().any(|word| is_shell(word));
                if own.iter().any(option) && (shell || own.contains(&"-e")) || ends_in_shell(rest) {
                    return Some(seen);
                }
            }
            "socat"
                if own.iter().any(|word| {
                    word.starts_with("exec:") || word.starts_with("system:") || word.contains(",exec:")
                }) =>
            {
                return Some(seen);
            }
            "telnet" | "s_client" if ends_in_shell(rest) => return Some(seen),
            _ => {}
        }
    }
    None
}

/// What is decoded, then run.
fn encoded(words: &[&str]) -> Option<Seen> {
    for (at, word) in words.iter().enumerate() {
        let rest = words.get(at..).unwrap_or_default();
        let decodes = match base(word) {
            "base64" | "base32" => rest
                .iter()
                .take(4)
                .any(|word| word.starts_with("-d") || *word == "--decode"),
            "xxd" => rest
                .iter()
                .take(4)
                .any(|word| word.starts_with("-r") || word.starts_with("-p")),
            "uudecode" | "rev" => true,
            "openssl" => rest.contains(&"-d"),
            _ => continue,
        };
        let front = words.get(..at).unwrap_or_default();
        let substituted = front.contains(&"$(")
            && program(front)
                .is_some_and(|(named, _)| is_shell(named) || is_python(named) || named == "eval");
        if decodes && (ends_in_shell(rest) || substituted) {
            return Some(("decodes a program and runs it", Verdict::Malicious));
        }
    }
    None
}

/// A program in an argument that opens a connection or decodes itself.
fn one_liner(line: &str, words: &[&str]) -> Option<Seen> {
    for (at, word) in words.iter().enumerate() {
        let arguments = words
            .get(at + 1..at + 4)
            .or_else(|| words.get(at + 1..))
            .unwrap_or_default();
        let inline = arguments
            .iter()
            .any(|word| ["-c", "-e", "-r"].iter().any(|option| word.starts_with(option)));
        if !inline {
            continue;
        }
        let python = is_python(word);
        let reaches: &[&str] = match base(word) {
            "perl" => &["socket", "exec ", "exec(", "system("],
            "ruby" => &["-rsocket", "tcpsocket", "exec(", "system("],
            "php" => &["fsockopen", "exec(", "system(", "passthru("],
            "node" | "deno" => &["child_process", "net.socket", "net.connect", "eval("],
            "lua" => &["os.execute", "socket"],
            _ if python => &[
                "pty.spawn",
                "dup2(",
                "b64decode",
                "exec(",
                "os.popen",
                "/bin/sh",
                "/bin/bash",
            ],
            _ => &[],
        };
        let connects = python && line.contains("socket") && line.contains("connect");
        if connects || reaches.iter().any(|word| line.contains(word)) {
            return Some((
                "runs a program that is written in its argument",
                Verdict::Suspicious,
            ));
        }
    }
    None
}

/// Secrets on their way out.
fn sends(words: &[&str]) -> Option<Seen> {
    let secrets = [
        "/etc/passwd",
        "/etc/shadow",
        ".ssh/id_",
        "id_rsa",
        ".aws/credentials",
        "/proc/self/environ",
        "$( env",
        "` env",
        "$( printenv",
        "$( whoami",
        "` whoami",
        "$( id )",
        ".kube/config",
        "huggingface/token",
        "security-credentials",
    ];
    let sends = words.split(|word| ends(word)).any(|command| {
        let sender = command.iter().any(|word| {
            FETCHERS.contains(&base(word)) || matches!(base(word), "nc" | "ncat" | "netcat" | "sendmail")
        });
        let line = if sender { command.join(" ") } else { String::new() };
        let all = ["env |", "printenv |", "run env |"]
            .iter()
            .any(|start| line.starts_with(start));
        all || secrets.iter().any(|secret| line.contains(secret))
    });
    sends.then_some(("sends secrets of this machine to another", Verdict::Malicious))
}

/// Ways back in, and programs that stay.
fn stays(line: &str, words: &[&str]) -> Option<Seen> {
    let key = line.contains("ssh-rsa aaaa") || line.contains("ssh-ed25519 aaaa");
    if key && line.contains("authorized_keys") {
        return Some(("lets somebody's key in", Verdict::Malicious));
    }
    let preload = words.iter().filter_map(|word| word.strip_prefix("ld_preload="));
    let mut odd = preload.filter(|path| {
        path.ends_with(".so")
            && !["/usr/", "/lib", "/opt/", "$"]
                .iter()
                .any(|start| path.starts_with(start))
    });
    if odd.next().is_some() {
        return Some((
            "has a library of its own loaded into every program",
            Verdict::Suspicious,
        ));
    }
    if line.contains("/etc/ld.so.preload") || line.contains("| crontab -") && line.contains("echo") {
        return Some(("has a program run from now on", Verdict::Suspicious));
    }
    let miners = ["xmrig", "minerd", "ccminer"];
    let mines = line.contains("stratum+tcp") || words.iter().any(|word| miners.contains(&base(word)));
    mines.then_some(("runs a miner", Verdict::Malicious))
}

fn destroys(line: &str, words: &[&str]) -> Option<Seen> {
    let seen = Some(("destroys what is on this machine", Verdict::Malicious));
    for (at, word) in words.iter().enumerate() {
        let rest = words.get(at + 1..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|word| ends(word) || *word == "|")
            .unwrap_or(rest.len());
        let own = rest.get(..end).unwrap_or_default();
        let harm = match base(word) {
            "rm" => {
                let whole = own.iter().any(|word| {
                    matches!(
                        *word,
                        "/" | "/*" | "~" | "~/" | "~/*" | "$home" | "/home" | "/etc"
                    )
                });
                own.iter().any(|word| word.starts_with('-') && word.contains('r')) && whole
                    || own.contains(&"--no-preserve-root")
            }
            "dd" => own.iter().any(|word| {
                ["of=/dev/sd", "of=/dev/nvme", "of=/dev/vd"]
                    .iter()
                    .any(|start| word.starts_with(start))
            }),
            other => {
                (other == "mkfs" || other.starts_with("mkfs."))
                    && own.iter().any(|word| word.starts_with("/dev/"))
            }
        };
        if harm {
            return seen;
        }
    }
    let bomb: String = line
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .take(64)
        .collect();
    if bomb.contains(":(){:|:&};:") { seen } else { None }
}

#[cfg(test)]
mod tests;
