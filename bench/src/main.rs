//! Benches against peers, in one run.

mod decision;
mod figure;
mod ledger;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let mut figures = decision::run(quick);
    figures.extend(ledger::run(quick));
    let report = figure::Report {
        bench: "crossing".to_owned(),
        commit: String::new(),
        machine: String::new(),
        figures,
    };
    println!("{}", report.table());
}
