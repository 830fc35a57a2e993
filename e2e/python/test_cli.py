"""The command line: what an operator types, and what a mistake says."""

import json
import re

import pytest
import raw
from peers import office_command

CHAT = b'{"model":"text","messages":[{"role":"user","content":"x"}]}'


@pytest.fixture
def idle(gateway):
    return gateway(start=False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(idle, shell):
    script = idle.cli("completions", shell, state=False).stdout
    assert "audit" in script and "bartizan" in script and len(script) > 500


def test_help_and_version(idle):
    text = idle.cli("--help", state=False).stdout
    for verb in ("up", "wrap", "agent", "audit", "explain", "policy", "tools", "secret", "backup", "restore", "import"):
        assert re.search(rf"^\s+{verb}\b", text, re.MULTILINE), verb
    assert re.match(r"bartizan \d+\.\d+\.\d+", idle.cli("--version", state=False).stdout)


@pytest.mark.parametrize("config, words", [
    ('[limts]\nbody_bytes = 1', ["limts", "limits"]), ('[limits]\nbody_byte = 1', ["body_byte", "body_bytes"]),
    ('[policy]\npack = "lax"', ["pack", "balanced"]), ('[listen]\naddress = "nowhere"', ["address"]),
    ('[[upstream]]\nname = "x"\napi = "openai"\nurl = "ftp://x"', ["url"]), ('[[model]]\nname = "a"\nupstream = "b"', ["b"]),
    ('[listen]\naddress = "0.0.0.0:0"', ["tls", "loopback"]), ('[[server]]\nname = "x"', ["command", "url"]),
    ('[limits]\nbody_bytes = -1', ["body_bytes"]), ('[policy]\nfiles = ["nothing/*.cedar"]', ["nothing"]), ("not toml [", []),
    ('[[jwt]]\nissuer = "x"\naudience = []\njwks = "y"', ["audience"]), ('[[jwt]]\nissuer="x"\naudience=["y"]\njwks="z"\nalgorithms=["HS256"]', ["HS256"]),
    ('[[jwt]]\nissuer="x"\naudience=["y"]\njwks="z"\nalgorithms=["none"]', ["none"]),
])
def test_a_wrong_configuration_is_named_and_nothing_starts(idle, config, words):
    idle.config_path.write_text(config)
    done = idle.cli("up", check=False, seconds=15)
    assert done.returncode not in (0, 101)
    for word in words:
        assert word in done.stderr, done.stderr
    assert "panicked" not in done.stderr


def test_policy_check_and_test(idle, tmp_path):
    good, bad = tmp_path / "good.cedar", tmp_path / "bad.cedar"
    good.write_text('@id("a") permit (principal, action == Bartizan::Action::"generate", resource);')
    bad.write_text('permit (principal, action == Bartizan::Action::"generat", resource);')
    idle.cli("policy", "check", str(good))
    done = idle.cli("policy", "check", str(bad), check=False)
    assert done.returncode != 0 and "generat" in done.stderr + done.stdout and "bad.cedar" in done.stderr + done.stdout


def test_reload_swaps_whole_or_keeps_the_old(gateway, provider):
    through = gateway(provider)
    file = through.directory / "policy" / "test.cedar"
    ask = lambda: raw.post(through.address, "/v1/chat/completions", CHAT, key=through.key)  # noqa: E731
    assert ask().status == 200
    kept = file.read_text()
    file.write_text(kept + '@id("stop") @reason("closed today") forbid (principal, action == Bartizan::Action::"generate", resource);')
    through.cli("policy", "reload")
    answer = ask()
    assert answer.status == 403 and "closed today" in answer.text
    file.write_text("\n  this is no policy")
    refused = through.cli("policy", "reload", check=False)
    assert refused.returncode != 0 and "test.cedar:2:" in refused.stderr
    for told in (through.cli("status"), through.cli("audit", "search", "--kind", "operation", "--limit", "1", "--json")):
        assert "test.cedar:2:" in told.stdout, told.stdout
    answer = ask()
    assert answer.status == 403 and "closed today" in answer.text, "a broken policy replaced a good one"
    file.write_text(kept)
    through.cli("policy", "reload")
    assert ask().status == 200


@pytest.mark.parametrize("shape", [
    {"mcpServers": {"office": {"command": "COMMAND", "args": ["ARGS"], "env": {"A": "b"}}, "far": {"url": "https://x.example/mcp"}}},
    {"servers": {"office": {"type": "stdio", "command": "COMMAND", "args": ["ARGS"]}, "far": {"type": "sse", "url": "https://x.example/sse"}}},
])
def test_import_reads_and_rewrites_nothing(idle, tmp_path, shape):
    command = office_command()
    text = json.dumps(shape).replace('"COMMAND"', json.dumps(command[0])).replace('"ARGS"', ", ".join(map(json.dumps, command[1:])))
    source, written = tmp_path / "mcp.json", tmp_path / "bartizan.toml"
    source.write_text(text)
    printed = idle.cli("import", str(source)).stdout
    assert "[[server]]" in printed and "office.py" in printed and "x.example" in printed
    idle.cli("import", str(source), "--write", str(written))
    assert source.read_text() == text
    import tomllib

    servers = {server["name"]: server for server in tomllib.loads(written.read_text())["server"]}
    assert servers["office"]["command"] == command and servers["far"]["url"].startswith("https://x.example/")


def test_explain_of_what_is_not_there(idle):
    for wrong in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense", "../../etc/passwd"):
        done = idle.cli("explain", wrong, check=False)
        assert done.returncode not in (0, 101) and done.stderr.strip()


def test_export_is_ocsf(gateway, provider):
    through = gateway(provider)
    raw.post(through.address, "/v1/chat/completions", CHAT, key=through.key)
    raw.post(through.address, "/v1/chat/completions", CHAT, key="bz_wrong")
    events = [json.loads(line) for line in through.cli("audit", "export", "--format", "ocsf").stdout.splitlines() if line.strip()]
    assert events
    for event in events:
        assert {"class_uid", "category_uid", "activity_id", "type_uid", "time", "severity_id", "metadata"} <= set(event), event
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["metadata"]["version"] and event["metadata"]["product"]["name"].lower() == "bartizan"


def test_metrics_are_prometheus_text(gateway, provider):
    through = gateway(provider)
    raw.post(through.address, "/v1/chat/completions", CHAT, key=through.key)
    status = through.cli("status").stdout
    assert "openai" in status
    through.json("status")


def test_up_without_a_file(gateway):
    """The defaults: no configuration, a state directory of its own, an agent's key on the first start only."""
    through = gateway(start=False)
    through.config_path.write_text("")
    through.start()
    assert through.key.startswith("bz_") and through.listen.startswith("http://127.0.0.1:")
    first = through.key
    assert raw.get(through.address, "/v1/models", key=first).status in (200, 502)
    through.stop()
    through.key = None
    through.start()
    assert through.key is None, "the key was shown a second time"
    assert raw.get(through.address, "/v1/models", key=first).status in (200, 502)


@pytest.mark.parametrize("mistake", ['\n[[budget]]\nname = "x"\nmeter = "call"\nlimit = 1\n', "\nnot toml [\n"])
def test_a_wrong_configuration_does_not_disable_the_kill_switch(gateway, provider, mistake):
    through = gateway(provider)
    through.config_path.write_text(through.config_path.read_text() + mistake)
    for asked in (["status"], ["secret", "list"], ["audit", "search", "--limit", "1"], ["revoke", "everything"]):
        done = through.cli(*asked)
        assert "warning" in done.stderr and str(through.config_path) in done.stderr, asked
    assert raw.post(through.address, "/v1/chat/completions", CHAT, key=through.key).status == 403
    assert through.cli("config", "check", str(through.config_path), check=False).returncode == 3


@pytest.mark.parametrize("what", ["agent:*", "user:*", "server:*", "tenant:*", "session:*", "agent-tool:*", "tool:*/*", "session:abc"])
def test_a_revocation_that_ends_nothing_is_refused(gateway, provider, what):
    through = gateway(provider)
    done = through.cli("revoke", what, check=False)
    assert done.returncode == 2 and "revoked" not in done.stdout, done.stdout
    assert ("everything" if "*" in what else "session's id") in done.stderr
    assert not through.json("revoke", "list")["revocations"]


@pytest.mark.parametrize("lost", ["state.redb", "keyring.sealed"])
def test_a_lost_file_of_the_state_is_told_and_not_made_anew(gateway, lost):
    through = gateway(start=False)
    through.config_path.write_text("")
    through.start()
    through.cli("revoke", "agent:mallory")
    through.stop()
    kept = (through.state / lost).read_bytes()
    (through.state / lost).unlink()
    for asked in (["up"], ["status"], ["revoke", "everything"]):
        done = through.cli(*asked, check=False, seconds=15)
        assert done.returncode == 4 and f"{lost}` is missing" in done.stderr, done.stderr
        assert "state.incomplete" in done.stderr and "bartizan restore" in done.stderr
    assert not (through.state / lost).exists()
    (through.state / lost).write_bytes(kept)
    (through.state / lost).chmod(0o600)
    assert len(through.json("revoke", "list")["revocations"]) == 1
    if lost == "state.redb":
        (through.state / lost).unlink()
        (through.state / "ledger").rename(through.state.parent / "ledger-before")
        assert not through.json("revoke", "list")["revocations"]


@pytest.mark.parametrize("at", [16384, 24576])
def test_a_damaged_database_is_damage_and_no_panic(gateway, at):
    through = gateway(start=False)
    through.config_path.write_text("")
    through.start()
    through.stop()
    path = through.state / "state.redb"
    bytes_ = bytearray(path.read_bytes())
    bytes_[at] ^= 0xFF
    path.write_bytes(bytes_)
    done = through.cli("--json", "status", check=False)
    assert done.returncode in (0, 4) and "panicked" not in done.stderr, done.stderr
    if done.returncode == 4:
        assert json.loads(done.stderr.strip().splitlines()[-1])["error"]["exit"] == 4
