//! Addresses from which everybody's recipes take installers and scripts.

/// Beginnings of addresses whose owner alone says what is there.
const INSTALLERS: &[&str] = &[
    "https://aka.ms/",
    "https://apt.llvm.org/",
    "https://astral.sh/",
    "https://bootstrap.pypa.io/",
    "https://bun.sh/",
    "https://cli.github.com/",
    "https://deb.nodesource.com/",
    "https://deno.land/",
    "https://developer.download.nvidia.com/",
    "https://developer.nvidia.com/",
    "https://dl.google.com/",
    "https://download.docker.com/",
    "https://get.docker.com",
    "https://get.helm.sh",
    "https://get.k3s.io",
    "https://get.modular.com",
    "https://get.pnpm.io/",
    "https://get.sdkman.io",
    "https://github.com/astral-sh/",
    "https://github.com/conda-forge/miniforge/",
    "https://github.com/krallin/tini/",
    "https://hf.co/cli/",
    "https://install.duckdb.org",
    "https://install.python-poetry.org",
    "https://just.systems/",
    "https://micro.mamba.pm/",
    "https://nvidia.github.io/",
    "https://ollama.ai/",
    "https://ollama.com/",
    "https://packagecloud.io/install/repositories/github/git-lfs/",
    "https://packages.cloud.google.com/",
    "https://pixi.sh/",
    "https://pyenv.run",
    "https://raw.githubusercontent.com/git-lfs/",
    "https://raw.githubusercontent.com/helm/",
    "https://raw.githubusercontent.com/homebrew/",
    "https://raw.githubusercontent.com/nvm-sh/",
    "https://raw.githubusercontent.com/pyenv/",
    "https://raw.githubusercontent.com/python-poetry/",
    "https://raw.githubusercontent.com/unslothai/",
    "https://repo.anaconda.com/",
    "https://repo.continuum.io/",
    "https://rpm.nodesource.com/",
    "https://sdk.cloud.google.com",
    "https://setup.cargo.sh",
    "https://sh.rustup.rs",
    "https://static.rust-lang.org/",
    "https://taskfile.dev/",
];

/// Whether an address, in lower case, is one of those.
pub(crate) fn is_installer(address: &str) -> bool {
    let from = address.find("https://").unwrap_or(0);
    let address = address.get(from..).unwrap_or_default();
    INSTALLERS.iter().any(|known| {
        address
            .strip_prefix(known)
            .is_some_and(|rest| rest.is_empty() || known.ends_with('/') || rest.starts_with(['/', '?', '#']))
    })
}

/// Where people share scripts under their names: examples of libraries are fetched from there and run.
pub(super) fn is_shared(address: &str) -> bool {
    [
        "https://raw.githubusercontent.com/",
        "https://github.com/",
        "https://huggingface.co/",
        "https://hf.co/",
    ]
    .iter()
    .any(|known| address.starts_with(known))
}
