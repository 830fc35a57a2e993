"""A classifier in a folder, from a configuration file: what it says of requests and of streams, held against the reference.

The committed folders are always tried. With `BARTIZAN_TRANSFORMERS` naming a Python that has the packages of
`crates/classify/vectors/requirements.txt`, others are made with another seed and tried, too.
"""

import json
import os
import secrets
import subprocess
from pathlib import Path

import openai
import pytest
from gateway import records
from peers import PERMIT_ALL
from test_story import model_client

pytestmark = pytest.mark.anyio

VECTORS = Path(__file__).resolve().parents[2] / "crates" / "classify" / "vectors"
AGAINST = {
    "deberta": ["MALICIOUS"], "bert": ["injection", "jailbreak"], "distilbert": ["INJECTION"],
    "roberta": ["injection", "jailbreak"], "xlm-roberta": ["injection", "jailbreak"],
}
MINDED = PERMIT_ALL + """
@id("house.minded") @reason("the classifier minds it")
forbid (principal, action == Bartizan::Action::"generate", resource)
when { context.findings.contains("flagged") && context.worst >= 3 };
"""


def classifier(folder: Path, labels: list, **more):
    told = {"name": "near", "folder": str(folder), "labels": labels, "finding": "flagged", "at_percent": 1, "timeout_ms": 20000}
    return {"classifier": [{**told, **more}]}


def expected(folder: Path, labels: list) -> list:
    """Texts that stay what they are on their way, each with the share that speaks against it."""
    named = json.loads((folder / "config.json").read_text())["id2label"]
    places = [int(place) for place, label in named.items() if label in labels]
    said = json.loads((folder / "expected.json").read_text())
    return [
        (one["text"], sum(one["probabilities"][place] for place in places))
        for one in said
        if len(one["text"]) > 10 and one["text"].isascii() and one["text"].isprintable() and "$" not in one["text"]
    ]


async def say(through, text, **more):
    async with model_client(through) as model:
        return await model.chat.completions.create(model="text", messages=[{"role": "user", "content": text}], **more)


def scored(said):
    """Scores of what the classifier flagged, wherever they stand in records."""
    if isinstance(said, dict):
        if said.get("kind") == "flagged" and "score" in said:
            yield said["score"]
        said = list(said.values())
    if isinstance(said, list):
        for part in said:
            yield from scored(part)


async def held_against(gateway, provider, folder: Path, labels: list):
    through = gateway(provider, policy=PERMIT_ALL, inspect=classifier(folder, labels))
    texts = expected(folder, labels)
    assert len(texts) >= 4
    for text, share in texts:
        await say(through, text)
        scores = list(scored(records(through.json("audit", "search", "--limit", "1000"))))
        assert any(abs(score - share * 1000) <= 1.5 for score in scores), (folder.name, text, share, scores)


@pytest.mark.parametrize("name", list(AGAINST))
async def test_what_it_says_is_what_the_reference_says(gateway, provider, name):
    await held_against(gateway, provider, VECTORS / name, AGAINST[name])


async def test_folders_made_anew_are_read_alike(gateway, provider, tmp_path):
    python = os.environ.get("BARTIZAN_TRANSFORMERS")
    if not python:
        pytest.skip("BARTIZAN_TRANSFORMERS names no Python with transformers and torch")
    seed = secrets.randbelow(10_000)
    done = subprocess.run([python, VECTORS / "make.py", tmp_path, str(seed)], text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, labels in AGAINST.items():
        await held_against(gateway, provider, tmp_path / name, labels)


async def test_policy_acts_on_what_it_says(gateway, provider):
    texts = sorted(expected(VECTORS / "deberta", AGAINST["deberta"]), key=lambda one: one[1])
    (low, least), (high, most) = texts[0], texts[-1]
    assert least < 0.6 and most > 0.9, texts
    through = gateway(provider, policy=MINDED, inspect=classifier(VECTORS / "deberta", ["MALICIOUS"], at_percent=60))
    await say(through, low)
    with pytest.raises(openai.APIStatusError) as refused:
        await say(through, high)
    assert refused.value.status_code == 403 and "the classifier minds it" in str(refused.value)


async def test_what_can_not_start_says_why(gateway):
    for folder, labels, wanted in (
        (VECTORS / "none", ["x"], "config.json"),
        (VECTORS / "deberta", ["INJECTION"], "BENIGN, MALICIOUS"),
    ):
        through = gateway(start=False, inspect=classifier(folder, labels))
        done = subprocess.run(
            [through.binary, "up", "--config", str(through.config_path), "--state", str(through.state), "--listen", "127.0.0.1:0"],
            text=True, capture_output=True, timeout=60,
        )
        assert done.returncode != 0 and wanted in done.stdout + done.stderr, done.stderr
