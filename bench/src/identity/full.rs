//! What a chain of agents and budgets cost a call, as a ratio to nginx in the same run; and what the same call costs with
//! its content looked into.

use crate::{
    crossing::{Bench, Call},
    figure::Figure,
    peer::{self, With},
    process::Cores,
};

/// The figures' names.
pub(super) const NAMES: [&str; 2] = ["cpu_ratio_nginx_full", "cpu_us_inspect_1k"];

/// Takes them, one gateway after the other on the measured core.
pub(super) async fn run(bench: &Bench, cores: Cores) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (name, with) in NAMES.into_iter().zip([With::Budgets, With::Inspection]) {
        if bench.wants(&[name]) {
            figures.extend(one(bench, cores, name, with).await);
        }
    }
    figures
}

async fn one(bench: &Bench, cores: Cores, name: &str, with: With) -> Vec<Figure> {
    let missing = |fault: String| vec![Figure::missing(name, super::unit(name), fault)];
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(fault) => return missing(format!("no temporary folder: {fault}")),
    };
    let backend = match peer::backend(folder.path(), cores) {
        Ok(backend) => backend,
        Err(fault) => return missing(fault),
    };
    let nginx = peer::nginx(folder.path(), cores, &backend.address);
    let ours = peer::bartizan(folder.path(), cores, &backend.address, &bench.binary, with);
    match with {
        With::Inspection => {
            let ratio = "cpu_ratio_nginx_inspect_1k";
            bench.cpu((ratio, "inspect_1k"), Call::Chat, &nginx, &ours).await
        }
        With::Budgets | With::Crossing => bench.cpu((name, "full"), Call::Chat, &nginx, &ours).await,
    }
}
