"""Makes model files, hostile and honest, and has `bartizan scan model` and its peers look at the same ones.

    python bench/artifacts/models.py BINARY FOLDER [--quick]
    python bench/artifacts/models.py --peer NAME FOLDER SECONDS < FILES

Speed is of whole processes with a warm cache: bytes over CPU seconds (the wall clock stands beside it), the median of
five runs with its spread; memory is the most RssAnon + RssShmem that was seen. The last line on standard output is a JSON
list of figures. `--quick` leaves out the slow peers on the large file, which take about a minute each. Peers run in a
folder of their own that is thrown away: some write their results into wherever they stand.

Each peer looks at the files in a process of its own, in an order that is shuffled by a fixed seed, for so many CPU seconds
at most: one of them reads the sources of every library that a pickle names, which takes it seconds for a file. `n` of its
figures says how many files it came to, and how many of its own it missed or flagged is of those.

The files are made anew only when what makes them, or a library, has changed.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pickle
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEER = sys.argv[2] if sys.argv[1] == "--peer" else None
BINARY, FOLDER = str(Path(sys.argv[1]).resolve()), Path(sys.argv[3 if PEER else 2]).resolve()
QUICK = "--quick" in sys.argv
# CPU seconds that a peer has for all files.
PATIENCE = 60 if QUICK else 300
RUNS = 3 if QUICK else 5
DICTS = 1_000_000
ZIP_BYTES = 512 << 20
figures = []


def figure(name, value, unit, n, spread=None, peer=None):
    figures.append({"name": name, "value": value, "unit": unit, "n": n, "spread": spread, "peer": peer, "quick": QUICK})


def missing(name, unit, reason):
    figures.append({"name": name, "value": None, "unit": unit, "reason": reason})


def resident(process, most):
    """Follows the anonymous and shared memory of a process until it ends; kibibytes."""
    path = f"/proc/{process}/status"
    while True:
        try:
            lines = dict(line.split(":", 1) for line in Path(path).read_text().splitlines() if ":" in line)
        except OSError:
            return
        if "RssAnon" not in lines:
            return
        most[0] = max(most[0], sum(int(lines[key].split()[0]) for key in ("RssAnon", "RssShmem")))
        time.sleep(0.002)


def once(command):
    """CPU seconds, wall seconds, kibibytes."""
    most = [0]
    with tempfile.TemporaryDirectory() as nowhere:
        begun = time.monotonic()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=nowhere)
        watch = threading.Thread(target=resident, args=(child.pid, most))
        watch.start()
        _, _, used = os.wait4(child.pid, 0)
        child.returncode = 0
        watch.join()
    return used.ru_utime + used.ru_stime, time.monotonic() - begun, most[0]


def dense():
    """The opcode-dense pickle that slows scanners down: a million dicts, 45 MB."""
    path = FOLDER / "dense.pkl"
    if not path.exists():
        with open(path, "wb") as file:
            pickle.dump([{"id": n, "name": f"row {n}", "score": n / 7, "tags": ("a", n % 13)} for n in range(DICTS)], file, 4)
    return path


def torch_zip():
    """A checkpoint as `torch.save` lays it out, its one storage large."""
    path = FOLDER / "large.pt"
    if path.exists() and path.stat().st_size > ZIP_BYTES:
        return path
    numbers = ZIP_BYTES // 4
    rebuilt = (
        b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq\x03"
        b"ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06J" + numbers.to_bytes(4, "little")
        + b"tq\x07QK\x00J" + numbers.to_bytes(4, "little") + b"\x85q\x08K\x01\x85q\x09\x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds."
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("large/data.pkl", rebuilt)
        archive.writestr("large/byteorder", "little")
        with archive.open("large/data/0", "w", force_zip64=True) as file:
            for _ in range(ZIP_BYTES >> 20):
                file.write(bytes(1 << 20))
        archive.writestr("large/version", "3\n")
    return path


def speed():
    path = dense()
    size = path.stat().st_size / 1e6
    runs = [once([BINARY, "scan", "model", path]) for _ in range(RUNS + 1)][1:]
    rates = [size / cpu for cpu, _, _ in runs]
    figure("pickle_dense_mb_s", statistics.median(rates), "MB/s of CPU", RUNS, [min(rates), max(rates)])
    walls = [size / wall for _, wall, _ in runs]
    figure("pickle_dense_wall_mb_s", statistics.median(walls), "MB/s", RUNS, [min(walls), max(walls)])
    memory = [kib / 1024 for _, _, kib in runs]
    figure("pickle_dense_rss_mib", max(memory), "MiB", RUNS, [min(memory), max(memory)])
    large = torch_zip()
    walls = [wall for _, wall, _ in [once([BINARY, "scan", "model", large]) for _ in range(RUNS + 1)][1:]]
    figure("torch_zip_512mb_s", statistics.median(walls), "s", RUNS, [min(walls), max(walls)])
    if not QUICK:
        for name, command in peers(path).items():
            cpu, wall, kib = once(command)
            figure(f"pickle_dense_{name}_mb_s", size / cpu, "MB/s of CPU", 1, [size / max(cpu, wall)] * 2, name)
            figure(f"pickle_dense_{name}_rss_mib", kib / 1024, "MiB", 1, None, name)


def peers(path):
    """The peers' own commands, of this environment, that are there."""
    bin = Path(sys.executable).parent
    said = {
        "picklescan": [bin / "picklescan", "--path", path],
        "modelscan": [bin / "modelscan", "-p", path],
        "fickling": [bin / "fickling", "--check-safety", path],
        # It has no command of its own, only this function.
        "modelaudit_picklescan": [Path(sys.executable), "-c", "import sys, modelaudit_picklescan as m; print(m.scan_file(sys.argv[1]).verdict)", path],
    }
    return {name: command for name, command in said.items() if command[0].exists() and importlib.util.find_spec(name)}


def ours(folder):
    """Verdicts by path below the folder."""
    done = subprocess.run([BINARY, "scan", "model", folder, "--json"], capture_output=True, text=True)
    return {str(Path(one["file"]).relative_to(folder)): one["verdict"] for one in json.loads(done.stdout)["files"]}


def picklescan(path):
    from picklescan.scanner import scan_file_path

    seen = scan_file_path(str(path))
    return seen.infected_files > 0 or seen.issues_count > 0 or bool(seen.scan_err)


def modelscan(path):
    from modelscan.modelscan import ModelScan

    scan = ModelScan()
    scan.scan(str(path))
    return bool(scan.issues.all_issues) or bool(scan.errors)


def fickling(path):
    from fickling.analysis import Severity, check_safety
    from fickling.fickle import Pickled

    with open(path, "rb") as file:
        return check_safety(Pickled.load(file)).severity > Severity.LIKELY_SAFE


def modelaudit(path):
    from modelaudit_picklescan import scan_file

    return str(scan_file(path).verdict).rpartition(".")[2].lower() != "clean"


LOOKS = {"picklescan": picklescan, "modelscan": modelscan, "fickling": fickling, "modelaudit_picklescan": modelaudit}


def flagged(name, path):
    """Whether a peer says anything against a file. That it can't read it counts as saying so, to its advantage."""
    try:
        return LOOKS[name](path)
    except ImportError:
        raise
    except Exception:  # what a peer trips over
        return True


def looking(name, seconds):
    """In the process of a peer: what it says of each file that is named on standard input, a line each."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds + 30, seconds + 30))
    shared = contextlib.nullcontext()
    if name == "modelaudit_picklescan":
        import modelaudit_picklescan

        # What it has read of a library serves for all files.
        shared = modelaudit_picklescan.shared_source_sensitive_caches()
    with shared:
        for line in sys.stdin:
            if time.process_time() > seconds:
                return
            file = line.strip()
            print(json.dumps([file, flagged(name, FOLDER / file)]), flush=True)


def looked(name, files):
    """Which files a peer flagged, of those that it came to."""
    command = [sys.executable, HERE / "models.py", "--peer", name, FOLDER, str(PATIENCE)]
    with tempfile.TemporaryDirectory() as nowhere:
        done = subprocess.run(command, input="\n".join(files), capture_output=True, text=True, cwd=nowhere)
    if "ImportError" in done.stderr or "ModuleNotFoundError" in done.stderr:
        raise ImportError(done.stderr.strip().splitlines()[-1])
    # What a peer prints itself is no answer.
    answers = (line for line in done.stdout.splitlines() if line.startswith('["ho'))
    return dict(map(json.loads, answers))


def made(script, folder):
    """Files and what they are, by the generator's own word; from the last run, if nothing has changed that makes them."""
    libraries = sorted(f"{one.name} {one.version}" for one in importlib.metadata.distributions())
    sources = [path.read_bytes() for path in sorted(HERE.glob("*.py"))]
    key = hashlib.sha256(b"\0".join([*sources, "\n".join(libraries).encode()])).hexdigest()
    kept = folder.with_name(folder.name + ".json")
    with contextlib.suppress(OSError, ValueError):
        there = json.loads(kept.read_text())
        if there["key"] == key and all((folder / one["file"]).exists() for one in there["files"]):
            return there["files"]
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run([sys.executable, HERE / script, folder], capture_output=True, text=True)
    sys.stderr.write(done.stderr[-4000:])
    files = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    kept.write_text(json.dumps({"key": key, "files": files}))
    return files


def corpora():
    hostile = made("malicious.py", FOLDER / "hostile")
    verdicts = ours(FOLDER / "hostile")
    missed = [one["file"] for one in hostile if verdicts.get(one["file"], "clean") == "clean"]
    print(f"hostile files called clean: {missed}", file=sys.stderr)
    figure("model_corpus_missed", len(missed), "files", len(hostile))
    figure("model_corpus_bypass_classes", len({one["class"] for one in hostile}), "classes", len(hostile))
    honest = made("benign.py", FOLDER / "honest")
    verdicts = ours(FOLDER / "honest")
    wrong = [one["file"] for one in honest if verdicts.get(one["file"]) != "clean"]
    print(f"honest files not called clean: {wrong}", file=sys.stderr)
    figure("benign_library_files", len(honest), "files", len({one["library"] for one in honest}))
    figure("benign_library_files_flagged", len(wrong), "files", len(honest))
    rivals({f"hostile/{one['file']}" for one in hostile}, {f"honest/{one['file']}" for one in honest})


def rivals(hostile, honest):
    files = sorted(hostile | honest)
    random.Random(5).shuffle(files)
    for name in LOOKS:
        try:
            seen = looked(name, files)
        except ImportError as fault:
            missing(f"model_corpus_missed_{name}", "files", f"{name}: {fault}")
            continue
        attacks, others = hostile & seen.keys(), honest & seen.keys()
        print(f"{name} looked at {len(attacks)} hostile and {len(others)} honest files", file=sys.stderr)
        figure(f"model_corpus_missed_{name}", sum(not seen[file] for file in attacks), "files", len(attacks), None, name)
        figure(f"benign_library_files_flagged_{name}", sum(seen[file] for file in others), "files", len(others), None, name)


if PEER:
    looking(PEER, int(sys.argv[4]))
    sys.exit()
FOLDER.mkdir(parents=True, exist_ok=True)
speed()
corpora()
print(json.dumps(figures))
