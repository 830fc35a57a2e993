"""Programs that we start run confined: real servers work in their places, and a hostile one finds every door shut."""

import ctypes
import json
import os
import sys

import pytest
from mcp import Client, StdioServerParameters
from peers import HERE, filesystem_command, mcp_client, refused, text_of

pytestmark = pytest.mark.anyio

HOSTILE = [sys.executable, str(HERE / "hostile.py")]
# TCP, and signals: closed by Linux 6.7 and 6.12.
SINCE = {"connect to the gateway": 4, "listen": 4, "signal the gateway": 6}


def landlock() -> int:
    """The version of the kernel's Landlock; 0 where it has none. (landlock_create_ruleset, asked for its version.)"""
    return max(0, ctypes.CDLL(None).syscall(444, None, 0, 1))


@pytest.fixture(scope="module")
def version() -> int:
    if not (found := landlock()):
        pytest.skip("this kernel has no Landlock: programs run unconfined here, and the gateway says so")
    return found


async def attack(through, outside) -> dict[str, str]:
    host, port = through.address
    async with mcp_client(through.mcp(), through.key) as client:
        given = {"state": str(through.state), "outside": str(outside), "host": host, "port": port}
        return json.loads(text_of(await client.call_tool("attack", given)))


async def test_a_hostile_program_finds_every_door_shut(gateway, tmp_path, version):
    outside = tmp_path / "outside"
    outside.write_text("private")
    through = gateway(servers=[{"name": "hostile", "command": HOSTILE}], environment={"PLANTED": "planted-in-the-environment"})
    results = await attack(through, outside)
    open_doors = {name: said for name, said in results.items() if said.startswith("did") and SINCE.get(name, 1) <= version}
    assert not open_doors and len(results) == 18
    assert outside.read_text() == "private"
    assert "mole" not in json.dumps(through.json("agent", "list"))
    assert "unconfined" not in through.output()


async def test_the_same_doors_are_open_when_the_operator_says_so(gateway, tmp_path):
    """The twin: what the test above finds shut is shut by the confinement and by nothing else."""
    outside = tmp_path / "outside"
    outside.write_text("private")
    through = gateway(servers=[{"name": "hostile", "command": HOSTILE, "danger_unconfined": True}])
    results = await attack(through, outside)
    shut = {name for name, said in results.items() if not said.startswith("did")}
    # Without the token no one talks to the admin socket; who can read the token can.
    needs_root = {"read password hashes", "make a device", "write into the system"} if os.geteuid() else set()
    assert shut == {"use the admin socket"} | needs_root, results
    assert "runs unconfined, as configured" in through.output()
    if not needs_root:
        os.unlink("/usr/local/owned")


async def test_a_program_works_in_its_own_places(gateway, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    through = gateway(servers=[{"name": "hostile", "command": HOSTILE, "directory": str(place)}])
    async with mcp_client(through.mcp(), through.key) as client:
        told = json.loads(text_of(await client.call_tool("work", {"path": str(place / "file")})))
    assert told["cwd"] == str(place.resolve()) and told["read"] == "workedkeptpassing"
    # LC_CTYPE is Python's own doing.
    assert set(told["variables"]) - {"LC_CTYPE"} == {"HOME", "PATH", "TMPDIR"}


async def test_server_filesystem_reads_what_its_command_names_and_writes_where_it_may(gateway, tmp_path, version):
    reads, writes = tmp_path / "reads", tmp_path / "writes"
    for folder in (reads, writes):
        folder.mkdir()
        (folder / "note").write_text("noted")
    command = [*filesystem_command(reads), str(writes)]
    through = gateway(servers=[{"name": "files", "command": command, "directory": str(writes)}])
    async with mcp_client(through.mcp(), through.key) as client:
        for folder, may in ((reads, False), (writes, True)):
            assert text_of(await client.call_tool("read_text_file", {"path": str(folder / "note")})) == "noted"
            written = await client.call_tool("write_file", {"path": str(folder / "new"), "content": "new"})
            assert written.is_error != may and (folder / "new").exists() == may, written


async def test_a_grant_that_opens_the_state_is_not_given(gateway, tmp_path, version):
    through = gateway(servers=[{"name": "hostile", "command": HOSTILE, "writable": [str(tmp_path)]}])

    async def listed():
        async with mcp_client(through.mcp(), through.key, "legacy") as client:
            return await client.list_tools()

    assert "mcp.server_failed" in await refused(listed())
    assert "would open the gateway's own state" in through.output()


async def test_wrap_gives_its_working_directory_and_no_more(binary, gateway, tmp_path, version):
    place, outside = tmp_path / "place", tmp_path / "outside"
    place.mkdir()
    outside.write_text("private")
    wrapped = gateway(start=False)
    parameters = StdioServerParameters(
        command=binary, cwd=place, env=wrapped.environment,
        args=["wrap", "--config", str(wrapped.config_path), "--state", str(wrapped.state), "--", *HOSTILE],
    )
    async with Client(parameters, mode="legacy", cache=None) as client:
        told = json.loads(text_of(await client.call_tool("work", {"path": str(place / "file")})))
        assert told["cwd"] == str(place.resolve())
        given = {"state": str(wrapped.state), "outside": str(outside), "host": "127.0.0.1", "port": 9}
        results = json.loads(text_of(await client.call_tool("attack", given)))
    assert not [name for name, said in results.items() if said.startswith("did") and SINCE.get(name, 1) <= version]
    assert (place / "file").read_text() == "worked"
