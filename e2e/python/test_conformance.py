"""The official conformance runner: every server scenario that passes against the fixture passes through the gateway."""

import json
import os
import re
import subprocess

import pytest
from figures import note
from peers import module, node, script

SCENARIO = re.compile(r"^\s*-\s+(\S+)", re.MULTILINE)
STAMP = re.compile(r"-\d{4}-\d\d-\d\dT[\d-]+Z$")
SUITE_SECONDS = 150


def runner(*arguments, preload: str | None = None, environment: dict | None = None) -> str:
    command = [node(), *(["--import", preload] if preload else []), module("@modelcontextprotocol", "conformance", "dist", "index.js")]
    environment = {**os.environ, **(environment or {}), "NO_COLOR": "1"}
    try:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=SUITE_SECONDS, env=environment)
    except subprocess.TimeoutExpired as late:
        return f"the runner took longer than {SUITE_SECONDS} s: {late.stdout}"
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr


def scenarios() -> list[str]:
    return SCENARIO.findall(runner("list", "--server"))


def run_all(url: str, directory, key: str | None = None) -> dict[str, dict[str, str]]:
    """Every scenario's checks: id to status, without the running commentary (INFO)."""
    options = {"preload": script("credential.mjs"), "environment": {"BARTIZAN_URL": url, "BARTIZAN_KEY": key}} if key else {}
    said = runner("server", "--url", url, "--suite", "all", "-o", str(directory), **options)
    found = {}
    for name in scenarios():
        results = [path for path in directory.glob(f"server-{name}-*/checks.json") if STAMP.sub("", path.parent.name) == f"server-{name}"]
        if not results:
            found[name] = {name: f"FAILURE: no result: {said[-200:]}"}
            continue
        found[name] = {
            check["id"]: check["status"] + (f": {check['errorMessage']}" if check.get("errorMessage") else "")
            for check in json.loads(results[0].read_text()) if check["status"] != "INFO"
        }
    return found


def passes(checks: dict[str, str]) -> bool:
    return not any(status.startswith("FAILURE") for status in checks.values())


@pytest.fixture(scope="module")
def fixture_url(peers):
    return peers.spawn([node(), script("conformance-server.mjs")], "conformance")["url"]


@pytest.fixture(scope="module")
def direct(fixture_url, tmp_path_factory):
    return run_all(fixture_url, tmp_path_factory.mktemp("direct"))


def test_the_fixture_passes_every_scenario(direct):
    assert len(direct) >= 32
    failed = {name: checks for name, checks in direct.items() if not passes(checks)}
    assert not failed


@pytest.mark.seconds(240)
def test_what_passes_directly_passes_through(direct, fixture_url, shared_gateway, tmp_path_factory):
    through = shared_gateway(servers=[{"name": "fixture", "url": fixture_url, "transport": "streamable_http"}])
    crossed = run_all(through.mcp("fixture"), tmp_path_factory.mktemp("through"), through.key)
    lines, worse = [], []
    for name, before in direct.items():
        after = crossed[name]
        # A check may fall away (an answer as JSON has no stream to check), but none may get worse.
        bad = [check for check, status in after.items() if before.get(check, "SUCCESS") == "SUCCESS" and status != "SUCCESS"]
        ok = passes(after) and not bad
        lines.append(f"{'ok ' if ok else 'BAD'} {name:34} direct {len(before)} through {len(after)} {'; '.join(after[check] for check in bad)}")
        if passes(before) and not ok:
            worse.append(name)
    table = "\n".join(lines)
    print(table)
    if report := os.environ.get("BARTIZAN_REPORT"):
        with open(report, "a", encoding="utf-8") as file:
            file.write(f"## conformance\n{table}\n")
    note(mcp_conformance_lost_scenarios=len(worse))
    assert not worse, f"{len(worse)} of {len(direct)} scenarios got worse:\n{table}"
