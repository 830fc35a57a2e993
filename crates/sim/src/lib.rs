//! A seeded world with faults: a recording disk that crashes, a tamperer who holds the key, a process that is killed.
//!
//! Assurance only; nothing depends on it but tests and benches. Every run is a function of its seed, which the
//! caller prints; the same seed finds the same fault again.

mod crash;
mod disk;
mod kill;
mod random;
mod tamper;
mod workload;

pub use crash::{CrashReport, crash_states};
pub use disk::{Image, Recorder};

pub use kill::{CHILD_VARIABLE, KillReport, kill_rounds, run_child};
pub use random::Random;
pub use tamper::{TamperReport, mutations, mutations_of_changed};
