//! Scans files and prints what is found: `cargo run --release -p bartizan-artifact --example scan FILE...`.
use std::{fs, io, os::unix::fs::FileExt};
struct File(fs::File, u64);
impl bartizan_artifact::Source for File {
    fn size(&self) -> u64 { self.1 }
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> { self.0.read_at(into, at) }
}
fn main() -> io::Result<()> {
    for name in std::env::args().skip(1) {
        let file = fs::File::open(&name)?;
        let size = file.metadata()?.len();
        let report = bartizan_artifact::model(&name, &File(file, size), &bartizan_artifact::Limits::default());
        println!("{:10} {:14} {name}", report.verdict.word(), report.format);
        for f in &report.findings { println!("    {:?} {} {} @{} {}: {}", f.rule, f.severity.word(), f.place.member, f.place.offset, f.subject, f.what); }
    }
    Ok(())
}
