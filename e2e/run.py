#!/usr/bin/env python3
"""Runs the end-to-end tests against a built gateway.

    python3 e2e/run.py --bin target/debug/bartizan [--rounds N] [-- PYTEST ARGS]

It installs its peers by itself, once per change of their locks, under `target/e2e/`: a virtual environment for the
SDKs, a second one for LangGraph (which needs an older MCP SDK), npm packages with a Node 22 of their own, and a client
on the Rust SDK. What a registry out of reach leaves missing is named, and the tests that need it are skipped with that
reason; everything else runs. What tests count for the benches is left in `figures.json` there. The last line is the
summary. Exit status: 0 when nothing failed, 1 otherwise, 2 when nothing could run.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LEAST_PYTHON = (3, 11)
INSTALL_SECONDS = 600


class Unavailable(Exception):
    """A peer could not be installed; the text says why."""


def digest(*paths: Path) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.read_bytes())
    return whole.hexdigest()


def run(command: list, what: str, cwd: Path | None = None):
    """Runs an installer; its output is shown only when it fails."""
    try:
        done = subprocess.run(
            [str(part) for part in command], cwd=cwd, text=True, capture_output=True, timeout=INSTALL_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise Unavailable(f"{what}: {fault}") from fault
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        worst = [line for line in lines if "error" in line.lower()] or lines
        raise Unavailable(f"{what}: {' / '.join(worst[:3])[:600]}")


def python_environment(target: Path, lock: Path) -> Path:
    """A virtual environment holding exactly what the lock names; returns its interpreter."""
    stamp, wanted = target / ".installed", f"{digest(lock)} {sys.version_info[:2]}"
    interpreter = target / "bin" / "python"
    if interpreter.exists() and stamp.exists() and stamp.read_text() == wanted:
        return interpreter
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    venv.create(target, with_pip=True)
    run(
        [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", lock],
        f"pip install -r {lock.relative_to(ROOT)}",
    )
    stamp.write_text(wanted)
    return interpreter


def node_packages(target: Path) -> Path:
    """`npm ci` of the lock, without install scripts; returns the Node 22 that came with it."""
    sources = [HERE / "node" / "package.json", HERE / "node" / "package-lock.json"]
    stamp, wanted = target / ".installed", digest(*sources)
    if not (stamp.exists() and stamp.read_text() == wanted):
        npm = shutil.which("npm")
        if npm is None:
            raise Unavailable("npm is not installed")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for source in sources:
            shutil.copy(source, target)
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "npm ci in e2e/node", target)
        stamp.write_text(wanted)
    # Node resolves packages from where a module lies, so ours lie beside what they import.
    for module in (HERE / "node").glob("*.mjs"):
        shutil.copy(module, target)
    for carrier in sorted((target / "node_modules").glob("node-*/bin/node")):
        return carrier
    found = shutil.which("node")
    if found and int(subprocess.check_output([found, "--version"], text=True)[1:].split(".")[0]) >= 22:
        return Path(found)
    raise Unavailable("no Node 22: npm carries none for this platform and none is installed")


def rmcp_client(target: Path) -> Path:
    """Builds the Rust SDK's client, once per change of its sources; returns the program."""
    cargo = shutil.which("cargo")
    if cargo is None:
        raise Unavailable("cargo is not installed")
    run([cargo, "build", "--quiet", "--locked", "--manifest-path", HERE / "rmcp" / "Cargo.toml", "--target-dir", target], "cargo build in e2e/rmcp")
    return target / "debug" / "rmcp-client"


def main() -> int:
    parser = argparse.ArgumentParser(description="end-to-end tests with real peers")
    parser.add_argument("--bin", type=Path, help="the built `bartizan`; without it only the fixtures are checked")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of kill -9 under load (default 5)")
    parser.add_argument("--target", type=Path, default=ROOT / "target" / "e2e", help="where peers are installed")
    parser.add_argument("rest", nargs="*", help="passed to pytest")
    given = parser.parse_args()
    if sys.version_info < LEAST_PYTHON:
        print(f"e2e: needs Python {'.'.join(map(str, LEAST_PYTHON))} or later, this is {sys.version.split()[0]}")
        return 2

    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    environment["BARTIZAN_ROUNDS"] = str(given.rounds)
    environment["BARTIZAN_E2E_TARGET"] = str(given.target.resolve())
    if given.bin is not None:
        environment["BARTIZAN_BIN"] = str(given.bin.resolve())
    try:
        interpreter = python_environment(given.target / "venv", HERE / "python" / "requirements.lock")
    except Unavailable as fault:
        print(f"e2e: nothing could run: {fault}")
        return 2
    try:
        environment["BARTIZAN_NODE"] = str(node_packages(given.target / "node").resolve())
        environment["BARTIZAN_NODE_MODULES"] = str((given.target / "node" / "node_modules").resolve())
    except Unavailable as fault:
        environment["BARTIZAN_NODE_MISSING"] = str(fault)
        print(f"e2e: without the npm peers: {fault}")
    try:
        lock = HERE / "python" / "requirements-langgraph.lock"
        environment["BARTIZAN_LANGGRAPH"] = str(python_environment(given.target / "venv-langgraph", lock).absolute())
    except Unavailable as fault:
        environment["BARTIZAN_LANGGRAPH_MISSING"] = str(fault)
        print(f"e2e: without LangGraph: {fault}")
    try:
        environment["BARTIZAN_RMCP"] = str(rmcp_client(given.target.resolve() / "rmcp"))
    except Unavailable as fault:
        environment["BARTIZAN_RMCP_MISSING"] = str(fault)
        print(f"e2e: without rmcp: {fault}")

    command = [str(interpreter), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "--tb=short", *given.rest]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with subprocess.Popen(command, cwd=HERE / "python", env=environment, stdout=subprocess.PIPE, text=True) as tests:
        last = ""
        for line in tests.stdout:
            print(line, end="", flush=True)
            if " in " in line and re.search(r"\d+ (passed|failed|skipped|error)", line):
                last = line
    for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last):
        counts["failed" if word == "error" else word] += int(number)
    print(f"e2e: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 0 if tests.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
