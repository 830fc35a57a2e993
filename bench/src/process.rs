//! Processes under measurement: which core they run on, what they used of it, and what they hold in memory.
//!
//! Linux only: figures come from `/proc`. A process is ended when its handle is dropped.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Ticks per second of the times in `/proc/PID/stat`; the kernel's user interface fixes it (proc_pid_stat(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Two cores: one for what is measured, one for all else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    /// The measured process's.
    pub(crate) measured: usize,
    /// Load's and backend's.
    pub(crate) rest: usize,
}

impl Cores {
    /// The first two cores we may run on; we ourselves move to the second.
    pub(crate) fn take() -> Result<Self, String> {
        let allowed = sched_getaffinity(None).map_err(|fault| format!("affinity: {fault}"))?;
        let mut free = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        match (free.next(), free.next()) {
            (Some(measured), Some(rest)) => {
                stay_on(rest)?;
                Ok(Self { measured, rest })
            }
            _ => Err("fewer than two processor cores".to_owned()),
        }
    }
}

fn stay_on(core: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|fault| format!("affinity: {fault}"))
}

/// A running process; dropped, it is ended.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command` on `core`, with its errors in `log`. Standard output stays with the caller if `piped`.
    pub(crate) fn start(
        command: &mut Command,
        core: usize,
        back_to: usize,
        log: PathBuf,
    ) -> Result<Self, String> {
        let shown = command.get_program().to_string_lossy().into_owned();
        let file = std::fs::File::create(&log).map_err(|fault| format!("{}: {fault}", log.display()))?;
        // A child inherits its parent's core, so it is ours for the moment of the start.
        stay_on(core)?;
        let started = command.stdin(Stdio::null()).stderr(file).spawn();
        stay_on(back_to)?;
        Ok(Self {
            child: started.map_err(|fault| format!("`{shown}` does not start: {fault}"))?,
            log,
        })
    }

    /// The first line it prints; the pipe stays open, so that later lines don't end the process.
    pub(crate) fn first_line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        if let Some(stdout) = &mut self.child.stdout {
            // Byte by byte: a buffer would take later lines along. A process that ends closes the pipe.
            let mut byte = [0];
            while !line.ends_with('\n') && stdout.read(&mut byte).map_err(|fault| fault.to_string())? == 1 {
                line.push(char::from(byte[0]));
            }
        }
        Ok(line)
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `address` accepts connections; an early end of the process is told with its log.
    pub(crate) fn listening(&mut self, address: &str, patience: Duration) -> Result<(), String> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended with {status}: {}", self.said()));
            }
            if std::net::TcpStream::connect(address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!(
            "does not listen on {address} after {} s: {}",
            patience.as_secs(),
            self.said()
        ))
    }

    /// The end of its log.
    pub(crate) fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }

    /// User and system time of it and its children, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, String> {
        let mut total = 0.0;
        for id in family(self.id()) {
            total += ticks(id)? / TICKS_PER_SECOND;
        }
        Ok(total)
    }

    /// Anonymous and shared resident memory of it and its children, in MiB.
    pub(crate) fn rss_mib(&self) -> Result<f64, String> {
        let mut total = 0.0;
        for id in family(self.id()) {
            total += resident_mib(id)?;
        }
        Ok(total)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A gentle end lets nginx and Python take their children with them.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        for _ in 0..30 {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Anonymous and shared resident memory of one process, in MiB.
pub(crate) fn resident_mib(id: u32) -> Result<f64, String> {
    let status = read(&format!("/proc/{id}/status"))?;
    let mut total = 0.0;
    for field in ["RssAnon:", "RssShmem:"] {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        total += kib.ok_or_else(|| format!("/proc/{id}/status has no {field}"))? / 1024.0;
    }
    Ok(total)
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|fault| format!("{path}: {fault}"))
}

/// A process and its children, one level deep, which is as deep as our peers go.
fn family(id: u32) -> Vec<u32> {
    let children = std::fs::read_dir(format!("/proc/{id}/task"))
        .into_iter()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    let mut all = vec![id];
    for list in children {
        all.extend(list.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
    }
    all
}

fn ticks(id: u32) -> Result<f64, String> {
    let path = format!("/proc/{id}/stat");
    let text = read(&path)?;
    user_and_system(&text).ok_or_else(|| format!("{path} can't be read"))
}

/// Fields 14 and 15; the name in field 2 may hold spaces and brackets, so counting starts after its last one.
fn user_and_system(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some(fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?)
}

/// Lets this process and its children open as many files as the system allows.
pub(crate) fn raise_file_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    // A lower limit shows later as streams that can't be opened, with that reason.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|fault| format!("port: {fault}"))?;
    Ok(listener
        .local_addr()
        .map_err(|fault| format!("port: {fault}"))?
        .port())
}

/// Processor, cores and kernel in one line.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown processor");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{}, {cores} cores, Linux {}, load {} at start",
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim(),
        load.split_whitespace().next().unwrap_or("unknown")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_an_odd_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 0 1 2 3 4 250 50 0 0 20 0 1 0";
        assert_eq!(user_and_system(stat), Some(300.0));
        assert_eq!(user_and_system("7 (a) S 1"), None);
    }
}
