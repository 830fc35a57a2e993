"""`bartizan scan model` held against CPython's own reading of pickles, and watched by the kernel while it reads attacks."""

import json
import pickle
import pickletools
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEED, FILES = 7, 600


def scanned(binary, folder, *wrapper, check=None):
    done = subprocess.run(
        [*wrapper, binary, "scan", "model", folder, "--json"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return {str(Path(one["file"]).relative_to(folder)): one for one in json.loads(done.stdout)["files"]}


def value(draw, depth=0):
    """Something that a pickler writes with most of its opcodes and imports nothing."""
    kind = draw.choice(["int", "float", "text", "bytes", "plain"] + ["list", "tuple", "dict", "big"] * (depth < 4))
    size = draw.choice([0, 1, 5, 255, 256, 300])
    several = range(draw.randrange(6))
    return {
        "int": lambda: draw.choice([0, 1, -1, 255, 256, 65535, 65536, -(2**31), 2**31 - 1]),
        "big": lambda: draw.choice([-1, 1]) * draw.getrandbits(draw.choice([33, 64, 65, 300, 2100])),
        "float": lambda: draw.uniform(-1e9, 1e9),
        "text": lambda: "".join(draw.choice("abcäö☃\ud800 \n'\"\\") for _ in range(size)),
        "bytes": lambda: draw.randbytes(size),
        "plain": lambda: draw.choice([None, True, False]),
        "list": lambda: [value(draw, depth + 1) for _ in several],
        "tuple": lambda: tuple(value(draw, depth + 1) for _ in several),
        "dict": lambda: {str(n): value(draw, depth + 1) for n in several},
    }[kind]()


def damaged(draw, data):
    data = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 4])):
        at = draw.randrange(len(data))
        match draw.randrange(3):
            case 0:
                data[at] = draw.randrange(256)
            case 1:
                del data[at : at + draw.randrange(1, 4)]
            case _:
                data[at:at] = bytes([draw.randrange(256)])
        data = data or bytearray(b".")
    return bytes(data)


def read_by_cpython(data):
    """How many opcodes CPython sees, and whether it comes to the end."""
    count = 0
    try:
        for _ in pickletools.genops(data):
            count += 1
    except Exception:  # whatever breaks it
        return count, False
    return count, True


def test_pickles_are_read_as_cpython_reads_them(binary, tmp_path):
    draw, seen = random.Random(SEED), {}
    for number in range(FILES):
        whole = pickle.dumps(value(draw), draw.randrange(6))
        data = damaged(draw, whole) if number % 2 else whole
        name = f"{number}.pkl"
        (tmp_path / name).write_bytes(data)
        seen[name] = (*read_by_cpython(data), number % 2)
    found = scanned(binary, tmp_path)
    assert found.keys() == seen.keys()
    ended = exact = 0
    for name, (count, ends, mutated) in seen.items():
        ours = found[name]
        if not mutated:
            # Bytes that may be a stream of their own are followed, too: never less than CPython sees.
            assert ours["verdict"] == "clean" and ours["opcodes"] >= count, name
            exact += ours["opcodes"] == count
        elif not ends:
            assert ours["verdict"] != "clean", (name, count)
        elif ours["verdict"] == "clean":
            # Less would be a part that nobody looked at.
            assert ours["opcodes"] >= count, name
            ended += 1
    assert exact > 0.9 * FILES / 2
    assert ended > 20, "the mutations leave nothing to compare"


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_nothing_of_an_attack_runs_or_leaves_while_it_is_read(binary, tmp_path):
    hostile, trace = tmp_path / "hostile", tmp_path / "trace"
    made = subprocess.run(
        [sys.executable, ROOT / "bench" / "artifacts" / "malicious.py", hostile], capture_output=True, text=True, check=True
    )
    files = [json.loads(line)["file"] for line in made.stdout.splitlines()]
    watched = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=process,network,file,desc"]
    found = scanned(binary, hostile, *watched)
    assert [name for name in files if found[name]["verdict"] == "clean"] == []
    calls = trace.read_text(errors="replace").splitlines()
    assert len(calls) > len(files), "the trace is empty"
    started = [line for line in calls if "execve(" in line]
    assert len(started) == 1, started
    for forbidden in ("connect(", "bind(", "sendto(", "unlink", "rename", "mkdir", "chmod(", "symlink", "O_WRONLY", "O_CREAT"):
        # `/dev/null` and terminals are opened for writing by the runtime.
        hits = [line for line in calls if forbidden in line and "/dev/" not in line and "ENOENT" not in line]
        assert hits == [], hits[:3]
    opened = [line for line in calls if "openat(" in line and "O_RDWR" in line and "/dev/" not in line]
    assert opened == [], opened[:3]
