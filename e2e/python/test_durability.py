"""What survives: stopping, being killed, a full disk, and a restored backup."""

import collections
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import raw
from figures import note
from gateway import call_ids, records
from load import Load, chat, tool
from test_story import independent

USER = [{"role": "user", "content": "hello"}]
ROUNDS = int(os.environ.get("BARTIZAN_ROUNDS", "5"))


def ask(gateway, model="text", seconds=20.0, **fields):
    return raw.post(gateway.address, "/v1/chat/completions", json.dumps({"model": model, "messages": USER, **fields}).encode(), key=gateway.key, seconds=seconds)


def acknowledged(answer) -> str | None:
    """The call's id, if the answer came whole: then its record was durable before."""
    if answer is None or answer.status != 200 or not answer.whole:
        return None
    return answer.header("x-bartizan-call")


def all_records(gateway) -> str:
    return gateway.cli("audit", "export", "--format", "jsonl").stdout


def test_sigterm_lets_a_stream_end(gateway, provider):
    through = gateway(provider)
    results = {}

    def stream():
        results["answer"] = ask(through, "endless+short", stream=True)

    thread = threading.Thread(target=stream)
    thread.start()
    time.sleep(0.7)
    through.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    # New work is turned away while the old one ends.
    try:
        late = ask(through, seconds=3)
        assert late is None or late.status == 503 and "limit.draining" in late.text and late.header("retry-after"), late
    except (ConnectionError, TimeoutError, OSError):
        pass
    thread.join(20)
    assert results["answer"].whole and results["answer"].text.endswith("data: [DONE]\n\n")
    assert through.stop() == 0
    through.cli("audit", "verify")
    assert "interrupted" not in all_records(through)


def test_a_second_gateway_does_not_share_the_state(gateway, provider):
    through = gateway(provider)
    done = subprocess.run(
        [through.binary, "up", "--config", str(through.config_path), "--state", str(through.state), "--listen", "127.0.0.1:0"],
        capture_output=True, text=True, timeout=20, env=through.environment,
    )
    words = (done.stderr + done.stdout).lower()
    assert done.returncode != 0 and ("lock" in words or "running" in words or "in use" in words)
    assert ask(through).status == 200


LOAD = {
    "chat": (3, lambda through: chat(through, "text")),
    "stream": (1, lambda through: chat(through, "text", stream=True)),
    "long stream": (1, lambda through: chat(through, "endless", stream=True)),
    "tool": (2, lambda through: tool(through, "echo", {"text": "x"})),
    "long tool": (1, lambda through: tool(through, "sleep", {"seconds": 60})),
}


def story(gateway, first: int = 0) -> tuple[dict[str, list[dict]], int]:
    """The ledger's records from an index on, by call, and the index after the last."""
    calls: dict[str, list[dict]] = {}
    lines = gateway.cli("audit", "export", "--format", "jsonl", "--from", str(first)).stdout.splitlines()
    for line in lines:
        record = json.loads(line)["record"]
        if record and (call := record.get("call")):
            calls.setdefault(call, []).append(record)
    return calls, first + len(lines)


def endings(entries: list[dict]) -> list[str]:
    return [entry["ending"] for entry in entries if entry["kind"] == "closing"]


@pytest.mark.seconds(60 + 30 * ROUNDS)
def test_kill_nine_loses_nothing_acknowledged(gateway, provider, peers):
    """ROUNDS times: model and tool calls from several connections, SIGKILL of the whole gateway at a random moment,
    restart. Everything acknowledged is there, everything begun has one ending, and what was cut off says so. On a host so
    busy that no call of some kind came to its end, it goes on with longer rounds."""
    office = peers.office("http")
    through = gateway(provider, servers=[{"name": "office", "url": office["url"]}])
    known: dict[str, str] = {}
    lost, marked, unclosed, rounds, first = set(), set(), set(), 0, 0
    chance = random.Random(20261122)
    try:
        for turn in range(4 * ROUNDS):
            if turn >= ROUNDS and {"chat", "tool"} <= set(known.values()):
                break
            with Load(through, LOAD) as load:
                load.wait(chance.uniform(0.05, 0.5) * (1 + turn // ROUNDS))
                killed = time.monotonic()
                through.kill()
                load.stopping.set()
            assert not load.refused, load.refused[:3]
            known |= load.acknowledged
            rounds += 1
            through.start()
            # What earlier rounds found is looked at again now and then, and at the end: a long run stays affordable.
            if whole := rounds % 20 == 0 or rounds >= ROUNDS:
                first = 0
            calls, first = story(through, first)
            lost |= {call for call in (known if whole else load.acknowledged) if not any(entry["kind"] == "ruling" for entry in calls.get(call, []))}
            # Its head was sent, so its opening record was durable.
            lost |= {call for call in load.begun if call not in calls}
            assert not lost, f"round {rounds}: {len(lost)} of {len(known)} acknowledged calls have no record"
            loose = {call: entries for call, entries in calls.items() if needs_ending(entries) and len(endings(entries)) != 1}
            assert not loose, f"round {rounds}: no single ending: {list(loose.items())[:2]}"
            cut = [call for call, kind in load.begun.items() if kind == "long stream" and call not in load.acknowledged]
            assert cut or not load.begun, "no stream was cut: the load does not load"
            assert all(endings(calls[call]) == ["interrupted"] for call in cut), [calls[call] for call in cut]
            now = {call for call, entries in calls.items() if endings(entries) == ["interrupted"]}
            # A closing record is not waited for: the log may not know the end of what ended just before the kill.
            unclosed |= now & load.acknowledged.keys()
            late = [call for call in now & load.acknowledged.keys() if load.ended[call] < killed - 1]
            assert not late, f"round {rounds}: {len(late)} answers ended a second before the kill, and the log does not know"
            marked |= now - unclosed
            through.cli("audit", "verify")
    finally:
        note(kill9_rounds=rounds, kill9_acked_records_lost=len(lost))
    kinds = collections.Counter(known.values())
    print(f"{rounds} rounds, {len(known)} acknowledged ({dict(kinds)}), {len(marked)} cut off, {len(unclosed)} ended too late for the log, {len(lost)} lost")
    assert len(known) > ROUNDS and kinds["chat"] and kinds["tool"] and len(marked) >= ROUNDS
    assert ask(through).status == 200
    through.stop()
    independent(through)


def needs_ending(entries: list[dict]) -> bool:
    """A call that was let through, and not only proposed, ends some time."""
    return any(entry["kind"] == "ruling" and entry["ruling"] == "allow" for entry in entries)


def test_a_call_cut_by_a_kill_is_closed_as_interrupted(gateway, provider):
    through = gateway(provider)
    body = json.dumps({"model": "endless", "messages": USER, "stream": True}).encode()
    lines = [("Host", "%s:%d" % through.address), ("Authorization", f"Bearer {through.key}"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    with socket.create_connection(through.address, timeout=10) as connection:
        connection.sendall(raw.head("POST", "/v1/chat/completions", lines) + body)
        head = connection.recv(65536).decode("latin-1").lower()
        call = call_ids(head.upper())[0]
        through.kill()
    through.start()
    assert "interrupted" in json.dumps(records(through.json("audit", "search", "--call", call)))


FILE_LIMIT = (
    "import resource, os, sys, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20)); os.execvp(sys.argv[1], sys.argv[1:])"
)


def on_a_small_disk(through, tmp_path, otherwise):
    """Puts the state of a gateway that is stopped on a disk of 160 MB, and says where it is mounted."""
    mounted, kept = through.state, tmp_path / "kept"
    shutil.move(mounted, kept)
    mounted.mkdir(mode=0o700)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0700", "tmpfs", str(mounted)], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"mounting is not allowed here ({done.stderr.strip()}); {otherwise}")
    subprocess.run(["cp", "-a", f"{kept}/.", str(mounted)], check=True)
    return mounted


@pytest.mark.parametrize("how", ["limit", "tmpfs", "rlimit"])
def test_a_full_disk_refuses_and_keeps_what_was_acknowledged(gateway, provider, how, tmp_path):
    """Three ways of having no room. A gateway without room for a record does not start, or answers 503; what was
    acknowledged before, or in between, is there once there is room again. (Filling a 64 MiB segment call by call takes
    too long here: the ledger's own tests do that with small segments.)"""
    through = gateway(provider)
    known = [acknowledged(ask(through)) for _ in range(5)]
    assert all(known)
    through.stop()
    plain, wrapper, mounted = dict(through.config), None, None
    if how == "limit":
        through.write_config({**plain, "ledger": {"disk_limit_bytes": 2 << 20}})
    elif how == "rlimit":
        wrapper = [sys.executable, "-c", FILE_LIMIT]
    else:
        mounted = on_a_small_disk(through, tmp_path, "the other two ways run")
        with open(mounted / "ballast", "wb") as ballast:
            try:
                while True:
                    ballast.write(bytes(1 << 16))
                    ballast.flush()
            except OSError:
                pass
    try:
        count = len(provider.seen)
        try:
            through.start(wrapper=wrapper)
            for _ in range(20):
                answer = ask(through)
                if (call := acknowledged(answer)) is not None:
                    known.append(call)
                    count += 1
                else:
                    assert answer.status == 503 and "ledger." in answer.text, answer.text
            assert len(provider.seen) == count, "a call passed that was not acknowledged"
        except RuntimeError as fault:
            # It said why: the ledger by its code, or another file of the state by the system's word.
            assert any(word in str(fault) for word in ("ledger.full", "ledger.poisoned", "No space left")), fault
        through.close()
        if mounted is not None:
            (mounted / "ballast").unlink()
        through.write_config(plain)
        through.start()
        assert not set(known) - set(call_ids(all_records(through)))
        through.cli("audit", "verify")
        assert ask(through).status == 200
    finally:
        through.close()
        if mounted is not None:
            subprocess.run(["umount", "-l", str(mounted)], capture_output=True)


def test_a_full_disk_does_not_disarm_revocation(gateway, provider, tmp_path):
    """The state on a file system without room: what is taken away is in force and says that it is not durable, what would be
    given is refused, an operator is told, and with room again all of it is kept, without a restart in between."""
    through = gateway(provider)
    other = through.add_agent("other")
    through.stop()
    mounted = on_a_small_disk(through, tmp_path, "the tests of the gateway's crate fail a disk instead")
    ballast = mounted / "ballast"

    def fill():
        with open(ballast, "ab", buffering=0) as file:
            for size in (1 << 16, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def as_other():
        body = json.dumps({"model": "text", "messages": USER}).encode()
        return raw.post(through.address, "/v1/chat/completions", body, key=other, seconds=20.0)

    try:
        through.start()
        assert ask(through).status == 200 and as_other().status == 200
        fill()
        # The file may have pages of its own to spare: agents are added until it has none.
        for number in range(3000):
            added = through.cli("agent", "add", f"more-{number}", check=False)
            if added.returncode != 0:
                break
        assert added.returncode == 4 and "state.unwritable" in added.stderr, added.stderr
        count = len(provider.seen)
        for arguments in (("revoke", "agent:local"), ("agent", "revoke", "other")):
            done = through.cli(*arguments, check=False)
            assert done.returncode == 4, done.stderr
            assert "in force, and not durable" in done.stderr and "state.unwritable" in done.stderr, done.stderr
        assert ask(through).status == 403 and as_other().status == 403
        assert len(provider.seen) == count
        assert through.cli("agent", "add", "late", check=False).returncode == 4
        status = through.json("status")
        assert status["unwritable"] and status["unwritten"] and any("can't be written since" in alarm for alarm in status["alarms"])
        ballast.unlink()
        for _ in range(300):
            status = through.json("status")
            if status["unwritable"] is None and status["unwritten"] == 0 and not status["alarms"]:
                break
            time.sleep(0.2)
        else:
            raise AssertionError(status)
        through.stop()
        through.start()
        assert ask(through).status == 403 and as_other().status in (401, 403)
        through.add_agent("late")
    finally:
        through.close()
        subprocess.run(["umount", "-l", str(mounted)], capture_output=True)


def test_backup_and_restore(gateway, provider, tmp_path):
    through = gateway(provider)
    calls = [acknowledged(ask(through)) for _ in range(10)]
    out = tmp_path / "backup"
    # A copy of moving files would be none: while the gateway runs, the command says so instead.
    busy = through.cli("backup", str(out), check=False)
    through.stop()
    if busy.returncode != 0:
        assert "stop the gateway" in busy.stderr and not out.exists()
        through.cli("backup", str(out))
    through.start()
    after = acknowledged(ask(through))
    assert all(calls) and after
    through.stop()
    # The master key is not in the backup, or a stolen backup would be an open one.
    key = through.state / "master.key"
    assert key.read_bytes().strip() not in b"".join(path.read_bytes() for path in ([out] if out.is_file() else out.rglob("*")) if path.is_file())
    through.environment["BARTIZAN_MASTER_KEY"] = key.read_text().strip()
    shutil.rmtree(through.state)
    through.cli("restore", str(out))
    through.start()
    have = set(call_ids(all_records(through)))
    assert set(calls) <= have and after not in have
    assert ask(through).status == 200, "the key or the provider's secret did not come back"
    through.cli("audit", "verify")


def test_the_state_is_for_its_owner_alone(gateway, provider):
    through = gateway(provider)
    ask(through)
    loose = []
    for path in [through.state, *through.state.rglob("*")]:
        if not path.is_symlink() and path.lstat().st_mode & 0o077:
            loose.append(f"{path.name}: {oct(path.lstat().st_mode & 0o777)}")
    assert not loose


def test_someone_elses_change_is_detected(gateway, provider, tmp_path):
    """Every file of the ledger, one byte at a time, at seeded places: verify against a head held elsewhere must notice."""
    through = gateway(provider)
    for _ in range(40):
        ask(through)
    head = tmp_path / "head"
    # With the key named nothing is opened, so nothing mends what was changed before it is looked at.
    vkey = through.json("audit", "witness", "--out", str(head))["vkey"]
    through.stop()
    through.cli("audit", "verify", "--vkey", vkey, "--checkpoint", str(head))
    through.cli("audit", "verify", "--vkey", f"vkey {vkey}", "--checkpoint", str(head))
    ledger = next(path for path in through.state.rglob("*") if path.is_dir() and path.name in ("ledger", "log"))
    files = sorted(path for path in ledger.rglob("*") if path.is_file() and path.stat().st_size)
    chance, unnoticed = random.Random(7), []
    for path in files:
        data = path.read_bytes()
        for _ in range(3):
            at = chance.randrange(len(data))
            changed = bytearray(data)
            changed[at] ^= 1 << chance.randrange(8)
            path.write_bytes(changed)
            if through.cli("audit", "verify", "--vkey", vkey, "--checkpoint", str(head), check=False).returncode == 0:
                unnoticed.append(f"{path.relative_to(ledger)}@{at}")
        path.write_bytes(data)
    assert not [place for place in unnoticed if "tile" in place or "checkpoint" in place or "entries" in place], unnoticed
    through.cli("audit", "verify", "--checkpoint", str(head))
