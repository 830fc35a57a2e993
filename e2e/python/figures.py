"""Numbers that tests count for the benches: `figures.json` in the e2e target, an object from figure to number.

A figure belongs to one binary. Another binary under test starts an empty file, so that no figure outlives what it was
measured on; a run of a few tests keeps what others measured on the same binary.
"""

import hashlib
import json
import os
from pathlib import Path


def note(**figures: float):
    target = os.environ.get("BARTIZAN_E2E_TARGET")
    if not target:
        return
    file, owner = Path(target) / "figures.json", Path(target) / "figures.binary"
    binary = hashlib.sha256(Path(os.environ["BARTIZAN_BIN"]).read_bytes()).hexdigest()
    same = owner.exists() and owner.read_text() == binary and file.exists()
    known = json.loads(file.read_text()) if same else {}
    owner.write_text(binary)
    file.write_text(json.dumps({**known, **figures}, indent=1) + "\n")
