"""The official conformance runner: every server scenario that passes against the fixture passes through the gateway."""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from peers import module, node, script

# The pack asks a human before a server may use the agent's model; here that human has said yes.
SCENARIO = re.compile(r"^\s*-\s+(\S+)", re.MULTILINE)
AT_ONCE = 2


def runner(*arguments, preload: str | None = None, environment: dict | None = None) -> subprocess.CompletedProcess:
    command = [node(), *(["--import", preload] if preload else []), module("@modelcontextprotocol", "conformance", "dist", "index.js")]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, **(environment or {}), "NO_COLOR": "1"}
    )


def scenarios() -> list[str]:
    listed = runner("list", "--server").stdout
    return SCENARIO.findall(listed)


def judge(url: str, name: str, directory, key: str | None = None) -> dict[str, str]:
    """The scenario's checks: id to status, without the running commentary (INFO)."""
    options = {"preload": script("credential.mjs"), "environment": {"BARTIZAN_URL": url, "BARTIZAN_KEY": key}} if key else {}
    done = runner("server", "--url", url, "--scenario", name, "-o", str(directory / name), **options)
    found = list((directory / name).glob("*/checks.json"))
    if not found:
        return {name: f"FAILURE: no result: {done.stderr[-300:]}"}
    checks = {}
    for check in json.loads(found[0].read_text()):
        if check["status"] != "INFO":
            words = check["status"] + (f": {check['errorMessage']}" if check.get("errorMessage") else "")
            checks[check["id"]] = words
    return checks


def passes(checks: dict[str, str]) -> bool:
    return not any(status.startswith("FAILURE") for status in checks.values())


@pytest.fixture(scope="module")
def fixture_url(peers):
    return peers.spawn([node(), script("conformance-server.mjs")], "conformance")["url"]


def run_all(url: str, directory, key: str | None = None) -> dict[str, dict[str, str]]:
    names = scenarios()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(names, pool.map(lambda name: judge(url, name, directory, key), names), strict=True))


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
    assert not worse, f"{len(worse)} of {len(direct)} scenarios got worse:\n{table}"
