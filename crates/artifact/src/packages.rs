//! Lists of packages: whence they come. What is on the index that everybody uses is theirs to answer for; an index, an
//! archive or a repository elsewhere is a program that nobody has looked at, run when the list is installed.

use crate::{
    finding::{Verdict, shown},
    lines::Pair,
    rule,
    scan::Scan,
};

/// Hosts of packages, and mirrors of the index.
const HOSTS: &[&str] = &[
    "abetlen.github.io",
    "anaconda.org",
    "api.nuget.org",
    "azure.archive.ubuntu.com",
    "conda.anaconda.org",
    "crates.io",
    "data.dgl.ai",
    "data.pyg.org",
    "dl-cdn.alpinelinux.org",
    "download.openmmlab.com",
    "download.pytorch.org",
    "files.pythonhosted.org",
    "flashinfer.ai",
    "github.com",
    "gitlab.com",
    "bitbucket.org",
    "codeberg.org",
    "huggingface.co",
    "hf.co",
    "huggingface.github.io",
    "mirror.baidu.com",
    "mirrors.aliyun.com",
    "mirrors.cloud.tencent.com",
    "mirrors.huaweicloud.com",
    "mirrors.tuna.tsinghua.edu.cn",
    "mirrors.ustc.edu.cn",
    "ppa.launchpad.net",
    "pypi.anaconda.org",
    "pypi.douban.com",
    "pypi.mirrors.ustc.edu.cn",
    "pypi.ngc.nvidia.com",
    "pypi.nvidia.com",
    "pypi.org",
    "pypi.python.org",
    "pypi.tuna.tsinghua.edu.cn",
    "python.org",
    "pytorch-extension.intel.com",
    "registry.npmjs.org",
    "registry.npmmirror.com",
    "registry.yarnpkg.com",
    "repo.anaconda.com",
    "repo.continuum.io",
    "repo.huaweicloud.com",
    "rocm.nightlies.amd.com",
    "repo.radeon.com",
    "storage.googleapis.com",
    "test.pypi.org",
    "us-python.pkg.dev",
    "wheels.vllm.ai",
    "whl.jax.dev",
];
/// What builds packages.
const BACKENDS: &[&str] = &[
    "setuptools.",
    "hatchling.",
    "poetry.",
    "poetry_dynamic_versioning.",
    "flit_core.",
    "flit.",
    "flit_scm",
    "pdm.",
    "maturin",
    "scikit_build_core.",
    "mesonpy",
    "uv_build",
    "whey",
    "jupyter_packaging.",
    "py_build_cmake.",
    "sipbuild.",
    "enscons.",
    "numpy.distutils",
    "pbr.",
    "skbuild.",
    "trampolim",
];

fn tell(scan: &mut Scan<'_>, at: u64, severity: Verdict, subject: &str, why: &str) {
    let subject = shown(subject.trim().as_bytes(), 200);
    let what = format!("`{subject}` {why}");
    scan.find(&rule::PACKAGES, severity, at, &subject, what);
}

/// Whether a file of this name is a list of requirements of pip.
pub(crate) fn is_list(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut parts = name.rsplit(['/', '!']);
    let last = parts.next().unwrap_or_default();
    let Some((stem, ending)) = last.rsplit_once('.') else {
        return false;
    };
    let folder = matches!(parts.next(), Some("requirements" | "constraints"));
    matches!(ending, "txt" | "in" | "pip")
        && (folder
            || [
                "require",
                "constraint",
                "packages",
                "dependencies",
                "reqs",
                "deps",
            ]
            .iter()
            .any(|word| stem.contains(word)))
}

/// A list of requirements.
pub(crate) fn list(scan: &mut Scan<'_>, text: &str) {
    let mut at = 0_u64;
    for line in text.split('\n') {
        requirement(scan, at, line);
        at += line.len() as u64 + 1;
    }
}

/// One requirement or option of pip.
pub(crate) fn requirement(scan: &mut Scan<'_>, at: u64, line: &str) {
    let line = line.split(" #").next().unwrap_or(line).trim();
    if line.is_empty() || line.starts_with('#') {
        return;
    }
    options(scan, at, line);
    for word in line.split_whitespace() {
        let word = word.trim_matches(['"', '\'', ',', '\\']);
        let word = word
            .rsplit_once('@')
            .filter(|(front, _)| !front.contains("://"))
            .map_or(word, |(_, address)| address);
        if !word.starts_with('-') {
            address(
                scan,
                at,
                word,
                "is installed from an address that is no index of packages",
            );
        }
    }
}

/// Options of pip, uv and conda in a line: of a list, of a command, of a recipe.
pub(crate) fn options(scan: &mut Scan<'_>, at: u64, line: &str) {
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let (option, joined) = word
            .split_once('=')
            .map_or((word, None), |(option, value)| (option, Some(value)));
        let is_index = matches!(
            option,
            "-i" | "--index-url"
                | "--extra-index-url"
                | "-f"
                | "--find-links"
                | "--index"
                | "--default-index"
                | "--registry"
        );
        if is_index {
            let value = joined.or_else(|| words.peek().copied()).unwrap_or_default();
            if value.contains("://") {
                index(scan, at, value.trim_matches(['"', '\'']));
            }
        }
        if matches!(option, "--trusted-host") {
            let value = joined.or_else(|| words.peek().copied()).unwrap_or_default();
            if !is_host(value.split(':').next().unwrap_or_default()) {
                trusted(scan, at, value);
            }
        }
    }
}

fn trusted(scan: &mut Scan<'_>, at: u64, host: &str) {
    let why = "is trusted without a certificate";
    tell(scan, at, Verdict::Suspicious, host, why);
}

/// An index of packages.
fn index(scan: &mut Scan<'_>, at: u64, address: &str) {
    let Some((scheme, host)) = parts(address) else {
        return;
    };
    if is_near(host) || scheme == "https" && is_host(host) || host.contains(['$', '{', '<']) {
        return;
    }
    let why = if scheme == "http" {
        "is an index without a certificate: anybody on the way chooses what is installed"
    } else {
        "is an index that is not everybody's: it can answer for any package"
    };
    tell(scan, at, Verdict::Suspicious, address, why);
}

/// A package by its address.
fn address(scan: &mut Scan<'_>, at: u64, word: &str, why: &str) {
    let Some((scheme, host)) = parts(word) else { return };
    let secure = matches!(
        scheme,
        "https" | "git+https" | "git+ssh" | "ssh" | "git+git" | "hg+https" | "svn+https" | "bzr+https"
    );
    if is_near(host) && scheme != "file" || secure && is_host(host) || host.contains(['$', '{', '<']) {
        return;
    }
    if scheme == "file" || scheme == "git+file" {
        return tell(
            scan,
            at,
            Verdict::Unknown,
            word,
            "is installed from a path of the machine",
        );
    }
    tell(scan, at, Verdict::Suspicious, word, why);
}

/// Scheme and host of an address.
fn parts(address: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let known = scheme.len() < 12
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    known.then_some((scheme, host.split(':').next()?))
}

fn is_near(host: &str) -> bool {
    matches!(
        host,
        "localhost" | "127.0.0.1" | "0.0.0.0" | "host.docker.internal" | ""
    )
}

fn is_host(host: &str) -> bool {
    let host = host.to_lowercase();
    HOSTS.iter().any(|known| {
        host == *known
            || host.strip_suffix(known).is_some_and(|front| {
                front.ends_with('.') && *known != "github.com" && *known != "storage.googleapis.com"
            })
    })
}

/// Keys of lists of packages.
const LISTS: &[&str] = &[
    "pip",
    "requirements",
    "packages",
    "dependencies",
    "channels",
    "requires",
    "setup_requires",
    "install_requires",
    "dependency_links",
    "python_packages",
    "build_dependencies",
];

/// What one line of a configuration says of packages. `file` is the last part of its name, in lower case.
pub(crate) fn line(scan: &mut Scan<'_>, at: u64, file: &str, key: &str, line: &str, found: &[Pair<'_>]) {
    let last = key.rsplit(['.', '[']).next().unwrap_or(key);
    let environment = ["environment", "conda", "python_env"]
        .iter()
        .any(|start| file.starts_with(start));
    for pair in found {
        if LISTS.contains(&last) || environment && pair.key.is_empty() {
            requirement(scan, at, pair.value);
        }
        setting(scan, at, file, last, pair.value);
    }
    if line.contains("tool.setuptools.cmdclass") {
        let why = "runs code of the folder when the package is built";
        tell(scan, at, Verdict::Unknown, "cmdclass", why);
    }
    let modules = file.ends_with("gitmodules");
    if modules && (line.contains("ext::") || line.contains("--upload-pack")) {
        let why = "runs a command when submodules are fetched";
        tell(scan, at, Verdict::Malicious, line, why);
    }
    command(scan, at, line);
}

/// A setting that says whence packages come, or what builds one.
fn setting(scan: &mut Scan<'_>, at: u64, file: &str, key: &str, value: &str) {
    match key {
        "index-url" | "index_url" | "extra-index-url" | "extra_index_url" | "find-links" | "find_links"
        | "registry" | "channel_alias" => value.split_whitespace().for_each(|value| index(scan, at, value)),
        "trusted-host" | "trusted_host" if !is_host(value) => trusted(scan, at, value),
        "url" if matches!(file, "pyproject.toml" | "pipfile" | "uv.toml" | "poetry.lock") => {
            index(scan, at, value);
        }
        "git" | "archive" | "wheel" => {
            let why = "is installed from an address that is no index of packages";
            address(scan, at, value, why);
        }
        "channels" | "channel" => index(scan, at, value),
        "backend-path" | "backend_path" => {
            let why = "is where a program lies that runs when the package is built";
            tell(scan, at, Verdict::Unknown, value, why);
        }
        "build-backend"
            if !BACKENDS
                .iter()
                .any(|known| format!("{value}.").starts_with(known)) =>
        {
            let why = "builds the package, and is no known builder";
            tell(scan, at, Verdict::Unknown, value, why);
        }
        _ => {}
    }
}

/// A command that installs.
pub(crate) fn command(scan: &mut Scan<'_>, at: u64, line: &str) {
    for part in line.split(['&', ';', '|']) {
        let named = [
            "uv pip install",
            "pip install",
            "pip3 install",
            "npm install",
            "conda install",
            "pip download",
        ];
        if let Some(from) = named.iter().find_map(|word| part.find(word)) {
            let part = part.get(from..).unwrap_or_default();
            requirement(scan, at, part.split(" #").next().unwrap_or(part));
        }
    }
}

/// `package.json`: what runs when it is installed, and dependencies by address.
pub(crate) fn npm(scan: &mut Scan<'_>, json: &crate::json::Json) {
    use crate::json::Json;
    for group in [
        "dependencies",
        "devDependencies",
        "optionalDependencies",
        "peerDependencies",
    ] {
        if let Some(Json::Object(items)) = json.get(group) {
            for value in items.iter().filter_map(|(_, value)| value.text()) {
                address(
                    scan,
                    0,
                    value,
                    "is installed from an address that is no index of packages",
                );
            }
        }
    }
    for hook in ["preinstall", "install", "postinstall", "prepare", "prepublish"] {
        let Some(command) = json
            .get("scripts")
            .and_then(|scripts| scripts.get(hook))
            .and_then(Json::text)
        else {
            continue;
        };
        let plain = [
            "husky",
            "patch-package",
            "npm run",
            "yarn",
            "pnpm",
            "tsc",
            "node-gyp",
            "ngcc",
            "electron-builder",
            "prisma generate",
            "lerna",
            "echo",
        ];
        if !plain.iter().any(|word| command.starts_with(word)) {
            let what = format!(
                "`{hook}` runs `{}` when the package is installed",
                shown(command.as_bytes(), 100)
            );
            scan.find(&rule::PACKAGES, Verdict::Unknown, 0, hook, what);
        }
    }
}
