//! Addresses from which everybody's recipes take installers and scripts.

/// Beginnings of addresses whose owner alone says what is there.
const INSTALLERS: &[&str] = &[
    "https://aka.ms/",
    "https://apt.llvm.org/",
    "https://astral.sh/",
    "https://bootstrap.pypa.io/",
    "https://bun.com/",
    "https://bun.sh/",
    "https://claude.ai/install.sh",
    "https://cli.github.com/",
    "https://codecov.io/",
    "https://deb.nodesource.com/",
    "https://deno.land/",
    "https://developer.download.nvidia.com/",
    "https://developer.nvidia.com/",
    "https://dl.google.com/",
    "https://download.docker.com/",
    "https://fly.io/install.sh",
    "https://fnm.vercel.app/",
    "https://foundry.paradigm.xyz",
    "https://get.docker.com",
    "https://get.helm.sh",
    "https://get.k3s.io",
    "https://get.modular.com",
    "https://get.pnpm.io/",
    "https://get.rvm.io",
    "https://get.sdkman.io",
    "https://get.volta.sh",
    "https://getcomposer.org/",
    "https://github.com/astral-sh/",
    "https://github.com/conda-forge/miniforge/",
    "https://github.com/krallin/tini/",
    "https://hf.co/cli/",
    "https://install.duckdb.org",
    "https://install.perlbrew.pl",
    "https://install.python-poetry.org",
    "https://just.systems/",
    "https://micro.mamba.pm/",
    "https://mise.run",
    "https://moonrepo.dev/install/",
    "https://nvidia.github.io/",
    "https://ollama.ai/",
    "https://ollama.com/",
    "https://packagecloud.io/install/repositories/github/git-lfs/",
    "https://packages.cloud.google.com/",
    "https://packages.gitlab.com/install/repositories/runner/",
    "https://packages.microsoft.com/",
    "https://pixi.sh/",
    "https://pyenv.run",
    "https://raw.githubusercontent.com/anchore/",
    "https://raw.githubusercontent.com/aquasecurity/",
    "https://raw.githubusercontent.com/asdf-vm/",
    "https://raw.githubusercontent.com/docker/",
    "https://raw.githubusercontent.com/git-lfs/",
    "https://raw.githubusercontent.com/golangci/",
    "https://raw.githubusercontent.com/helm/",
    "https://raw.githubusercontent.com/homebrew/",
    "https://raw.githubusercontent.com/mamba-org/",
    "https://raw.githubusercontent.com/nvm-sh/",
    "https://raw.githubusercontent.com/ohmyzsh/",
    "https://raw.githubusercontent.com/pyenv/",
    "https://raw.githubusercontent.com/python-poetry/",
    "https://raw.githubusercontent.com/rbenv/",
    "https://raw.githubusercontent.com/unslothai/",
    "https://repo.anaconda.com/",
    "https://repo.continuum.io/",
    "https://repo.radeon.com/",
    "https://rpm.nodesource.com/",
    "https://sdk.cloud.google.com",
    "https://setup.cargo.sh",
    "https://sh.rustup.rs",
    "https://starship.rs/",
    "https://static.rust-lang.org/",
    "https://tailscale.com/install.sh",
    "https://taskfile.dev/",
    "https://rustwasm.github.io/",
    "https://wasmtime.dev/",
    "https://yarnpkg.com/install.sh",
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
