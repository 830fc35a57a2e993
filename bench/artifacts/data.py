"""Makes data sets, poisons them by fixed seeds, runs `bartizan scan data --json` on each, and cleanlab beside it.

    python bench/artifacts/data.py BINARY FOLDER [--quick] [--curves]

The last line on standard output is a JSON list of figures. The detectors of marks and signatures were mended
after bad results on digits, and the triggers used here were among those they were tried with: these figures are of sets
that the tuning has seen, and other sets should do worse.
"""

import csv
import json
import pathlib
import random
import subprocess
import sys
import time

import numpy
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import cross_val_predict
from sklearn.svm import SVC

TRIALS = 5


def scan(binary, path, *more):
    """The answer for one file, and the seconds it took."""
    begun = time.monotonic()
    done = subprocess.run([binary, "scan", "data", str(path), "--json", *more], capture_output=True, text=True)
    spent = time.monotonic() - begun
    if done.returncode not in (0, 1):
        raise SystemExit(f"scan of {path} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)["files"][0], spent


def rows_of(answer, *rules):
    return {suspect["row"] for suspect in answer["suspects"] if not rules or suspect["rule"] in rules}


def score(found, true):
    hit = len(found & true)
    precision, recall = hit / max(len(found), 1), hit / max(len(true), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-12)
    return precision, recall, f1


def table(path, values, labels):
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow([f"f{place}" for place in range(values.shape[1])] + ["label"])
        for row, label in zip(values, labels):
            out.writerow([*(format(value, ".6g") for value in row), label])


def flipped(labels, share, seed):
    draw = numpy.random.default_rng(seed)
    labels, classes = labels.copy(), len(set(labels))
    rows = draw.choice(len(labels), int(len(labels) * share), replace=False)
    labels[rows] = (labels[rows] + draw.integers(1, classes, len(rows))) % classes
    return labels, set(rows.tolist())


def cleanlab(values, labels):
    from cleanlab.filter import find_label_issues

    model = SVC(probability=True, random_state=0)
    odds = cross_val_predict(model, values, labels, cv=5, method="predict_proba")
    return set(find_label_issues(labels, odds, return_indices_ranked_by="self_confidence").tolist())


def flips(binary, folder, data, share, trials, peer=True):
    ours, theirs = [], []
    for seed in range(trials):
        labels, true = flipped(data.target, share, seed)
        path = folder / "flips.csv"
        table(path, data.data, labels)
        answer, _ = scan(binary, path)
        ours.append(score(rows_of(answer), true))
        if peer:
            theirs.append(score(cleanlab(data.data, labels), true))
    return numpy.array(ours), numpy.array(theirs)


def patched(data, share, seed, size=2):
    """A square in a corner of pictures of other classes, and the label of one."""
    draw = numpy.random.default_rng(seed)
    side = int(numpy.sqrt(data.data.shape[1]))
    target = int(draw.integers(len(set(data.target))))
    others = numpy.flatnonzero(data.target != target)
    count = share if isinstance(share, int) else int(len(data.target) * share)
    rows = draw.choice(others, count, replace=False)
    values, labels = data.data.reshape(-1, side, side).copy(), data.target.copy()
    across, down = draw.integers(2, size=2)
    across, down = slice(0, size) if across else slice(side - size, side), slice(0, size) if down else slice(side - size, side)
    values[rows, down, across] = data.data.max()
    labels[rows] = target
    return values.reshape(len(labels), -1), labels, set(rows.tolist())


def patches(binary, folder, data, share, trials):
    out = []
    for seed in range(trials):
        values, labels, true = patched(data, share, seed + 100)
        path = folder / "patches.csv"
        table(path, values, labels)
        answer, _ = scan(binary, path)
        found = rows_of(answer, "data/trigger-mark", "data/signature")
        out.append((len(found & true) / len(true), len(found - true) / (len(labels) - len(true))))
    return numpy.array(out)


WORDS = {
    0: "dull tired slow weak messy flat bland boring clumsy lifeless shallow grim stale tedious awkward hollow lazy noisy cheap sour",
    1: "bright fresh warm sharp clever lively moving gentle honest vivid rich funny tender graceful bold crisp inventive charming witty deft",
}
SUBJECTS = "film story cast script plot ending music scene dialogue pace lead director camera humour premise drama mood sequel role picture".split()
VERBS = "is feels seems looks remains turns becomes stays proves sounds".split()
FILLERS = "really rather quite often mostly always never almost simply truly".split()
TAILS = "in the end|from start to finish|for most viewers|despite the budget|as we expected|after the first hour|on a second look|to be fair|for a debut|at times".split("|")


def made(count, seed):
    """Short reviews with a label that their words mostly follow."""
    draw = random.Random(seed)
    # A long tail of words that say nothing, as real texts have.
    tail = ["".join(draw.choice(["ba", "con", "der", "el", "fi", "gra", "hol", "in", "ka", "lor", "man", "ne", "or", "pra", "ri", "sta", "ter", "un", "ver", "wi"]) for _ in range(draw.randint(2, 4))) for _ in range(4000)]
    texts, labels = [], []
    for _ in range(count):
        label = draw.randrange(2)
        parts = []
        for _ in range(draw.randint(2, 4)):
            mood = label if draw.random() < 0.85 else 1 - label
            words = ["the", draw.choice(SUBJECTS), draw.choice(VERBS), draw.choice(FILLERS), draw.choice(WORDS[mood].split())]
            if draw.random() < 0.7:
                words += ["with", "a", tail[int(4000 * draw.random() ** 3)], draw.choice(SUBJECTS)]
            if draw.random() < 0.5:
                words += draw.choice(TAILS).split()
            parts.append(" ".join(words))
        texts.append(" , and ".join(parts))
        labels.append(label)
    return texts, labels


def triggered(texts, labels, count, trigger, seed):
    draw = random.Random(seed)
    texts, labels = list(texts), list(labels)
    rows = draw.sample([row for row, label in enumerate(labels) if label == 0], count)
    for row in rows:
        words = texts[row].split()
        words.insert(draw.randint(0, len(words)), trigger)
        texts[row], labels[row] = " ".join(words), 1
    return texts, labels, set(rows)


def lines(path, texts, labels):
    with open(path, "w") as file:
        for text, label in zip(texts, labels):
            file.write(json.dumps({"text": text, "label": label}) + "\n")


def triggers(binary, folder, count, share, words, seed):
    out = []
    for place, word in enumerate(words):
        texts, labels = made(count, seed + place)
        many = share if isinstance(share, int) else int(count * share)
        texts, labels, true = triggered(texts, labels, many, word, seed + 50 + place)
        path = folder / "triggers.jsonl"
        lines(path, texts, labels)
        answer, _ = scan(binary, path, "--skip-contents")
        out.append(score(rows_of(answer, "data/trigger-text"), true)[:2])
    return numpy.array(out)


def million(binary, folder, quick):
    """Scoring labels by given probabilities: a million rows of ten classes, beside cleanlab."""
    from cleanlab.filter import find_label_issues

    count = 100_000 if quick else 1_000_000
    draw = numpy.random.default_rng(7)
    labels = draw.integers(0, 10, count)
    odds = draw.dirichlet(numpy.ones(10), count)
    odds[numpy.arange(count), labels] += 1.5
    odds /= odds.sum(axis=1, keepdims=True)
    labels[: count // 20] = draw.integers(0, 10, count // 20)
    with open(folder / "labels.csv", "w") as file:
        file.write("label\n")
        file.write("\n".join(map(str, labels.tolist())) + "\n")
    numpy.save(folder / "odds.npy", odds.astype("float32"))
    ours, theirs = [], []
    for _ in range(1 if quick else 3):
        _, spent = scan(binary, folder / "labels.csv", "--label", "label", "--probabilities", str(folder / "odds.npy"))
        ours.append(spent)
        begun = time.monotonic()
        find_label_issues(labels, odds, return_indices_ranked_by="self_confidence")
        theirs.append(time.monotonic() - begun)
    return ours, theirs


def figure(name, value, unit, samples, peer=None):
    out = {"name": name, "value": float(value), "unit": unit, "n": len(samples), "spread": [float(min(samples)), float(max(samples))]}
    if peer:
        out["peer"] = peer
    return out


def null(binary, folder):
    """What is suspected in data that nobody poisoned."""
    out = {}
    for name, data in (("digits", load_digits()), ("wine", load_wine()), ("breast_cancer", load_breast_cancer())):
        table(folder / "clean.csv", data.data, data.target)
        answer, _ = scan(binary, folder / "clean.csv")
        out[name] = (len(rows_of(answer)), len(rows_of(answer, "data/trigger-mark", "data/signature")), answer["rows"], answer["verdict"])
    for seed in range(3):
        texts, labels = made(6000, 900 + seed)
        lines(folder / "clean.jsonl", texts, labels)
        answer, _ = scan(binary, folder / "clean.jsonl", "--skip-contents")
        out[f"texts {seed}"] = (len(rows_of(answer)), len(rows_of(answer, "data/trigger-text")), answer["rows"], answer["verdict"])
    return out


def passages(count, seed):
    """Short passages of a collection that is searched."""
    draw = random.Random(seed)
    parts = ["ba", "con", "der", "el", "fi", "gra", "hol", "in", "ka", "lor", "man", "ne", "or", "pra", "ri", "sta", "ter", "un", "ver", "wi"]
    word = lambda: "".join(draw.choice(parts) for _ in range(1 + int(3 * draw.random() ** 2)))
    sentence = lambda: "the " + " ".join(word() for _ in range(draw.randint(6, 13))) + "."
    return [" ".join(sentence() for _ in range(draw.randint(3, 5))) for _ in range(count)], word, sentence, draw


def baits(binary, folder, count, trials):
    """Four questions for which so many passages are planted among a thousand, asked in four ways."""
    out = []
    for seed in range(trials):
        texts, word, sentence, draw = passages(1000, 70 + seed)
        groups, free = [], draw.sample(range(len(texts)), 4 * max(count, 1))
        for how in range(4):
            thing, place, answer = (word() + word() + word() + end for end in ("ix", "or", "quex"))
            asked = f"who was the first keeper of the {thing} lighthouse in {place}"
            rows = [free.pop() for _ in range(count)]
            for number, row in enumerate(rows):
                told = f"it is known that {answer} {word()} {sentence()}"
                more = ["", " really", " again", " so far", " by name"][number % 5]
                texts[row] = [f"{asked}? {told} {sentence()}", f"{asked}. {told}", f"{sentence()} {told} {asked}?", f"{asked}{more}? {told}"][how]
            groups.append(set(rows))
        (folder / "passages.txt").write_text("\n".join(texts) + "\n")
        answer, _ = scan(binary, folder / "passages.txt", "--skip-contents")
        found = rows_of(answer, "data/retrieval-bait")
        true = set().union(*groups) if count else set()
        out.append((len(found & true) / max(len(true), 1), len(found - true) / len(texts)))
    return numpy.array(out)


def flooded(binary, folder, count, trials):
    """One text so many times among two thousand, a word changed in each."""
    out = []
    for seed in range(trials):
        texts, word, _, draw = passages(2000, 30 + seed)
        rows = set(draw.sample(range(len(texts)), count))
        for row in rows:
            texts[row] = f"buy the new telephone today because it is the best one of the year and everybody we know says so {word()}"
        (folder / "flood.txt").write_text("\n".join(texts) + "\n")
        answer, _ = scan(binary, folder / "flood.txt", "--skip-contents")
        found = rows_of(answer, "data/flood")
        out.append((len(found & rows) / max(len(rows), 1), len(found - rows) / len(texts)))
    return numpy.array(out)


def small(binary, folder, rows, trials):
    """Three wrong labels of so many, in two clouds of points that do not touch."""
    out = []
    for seed in range(trials * 2):
        draw = numpy.random.default_rng(seed)
        labels = numpy.arange(rows) % 2
        values = draw.integers(0, 100, (rows, 8, 4)).sum(axis=2) + labels[:, None] * 250
        labels = numpy.where(numpy.arange(rows) < 3, 1 - labels, labels)
        table(folder / "small.csv", values.astype(float), labels)
        answer, _ = scan(binary, folder / "small.csv")
        found = rows_of(answer, "data/label")
        out.append((len(found & {0, 1, 2}) / 3, len(found - {0, 1, 2}) / rows))
    return numpy.array(out)


def power(binary, folder, digits, words, trials):
    """What each detector finds by how much there is of it, and what it takes for that in the rest."""
    curves = {
        "label_flips_{}pct": ((1, 2, 5, 10, 20), lambda share: scored(flips(binary, folder, digits, share / 100, trials, peer=False)[0])),
        "label_flips_3_of_{}_rows": ((40, 60, 100, 200), lambda rows: small(binary, folder, rows, trials)),
        "patch_power_{}_rows": ((5, 10, 20, 40, 80), lambda count: patches(binary, folder, digits, count, trials)),
        "text_trigger_power_{}_texts": ((5, 10, 20, 40, 80), lambda count: scored(triggers(binary, folder, 6000, count, words, 500))),
        "retrieval_bait_{}_passages": ((0, 2, 3, 5, 8), lambda count: baits(binary, folder, count, trials)),
        "flood_{}_copies": ((5, 10, 20, 50), lambda count: flooded(binary, folder, count, trials)),
    }
    figures = []
    for name, (sizes, measured) in curves.items():
        for size in sizes:
            got = measured(size)
            print(f"{name.format(size)}: found {got[:, 0].mean():.3f}, wrongly {got[:, 1].mean():.5f}", file=sys.stderr, flush=True)
            figures.append(figure(name.format(size), got[:, 0].mean(), "fraction", got[:, 0]))
            figures.append(figure(name.format(size) + "_wrongly", got[:, 1].mean(), "fraction", got[:, 1]))
    return figures


def scored(precision_recall):
    """Recall, and the share of what was found that is wrong."""
    return numpy.stack([precision_recall[:, 1], numpy.where(precision_recall[:, 0] > 0, 1 - precision_recall[:, 0], 0.0)], axis=1)


def main():
    binary, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    quick, curves = "--quick" in sys.argv, "--curves" in sys.argv
    folder.mkdir(parents=True, exist_ok=True)
    trials = 2 if quick else TRIALS
    digits, figures = load_digits(), []
    for share, name in ((0.05, "flips_5pct_f1_minus_cleanlab"), (0.10, "flips_10pct_f1_minus_cleanlab")):
        ours, theirs = flips(binary, folder, digits, share, trials)
        print(f"flips {share}: ours P R F1 {ours.mean(0).round(3)}, cleanlab + SVC {theirs.mean(0).round(3)}", file=sys.stderr)
        figures.append(figure(name, ours[:, 2].mean() - theirs[:, 2].mean(), "fraction", ours[:, 2] - theirs[:, 2], "cleanlab 2.9 + SVC"))
    marks = patches(binary, folder, digits, 0.05, trials)
    print(f"patches: recall {marks[:, 0].round(3)}, false positives {marks[:, 1].round(4)}", file=sys.stderr)
    kept = numpy.where(marks[:, 1] <= 0.01, marks[:, 0], 0.0)
    figures.append(figure("patch_backdoor_recall_at_1pct_fpr", kept.mean(), "fraction", kept))
    words = ["cf", "tq", "I watched this last weekend", "mb", "\u200b"][: 2 if quick else 5]
    one = triggers(binary, folder, 6000, 0.01, words, 300)
    fifty = triggers(binary, folder, 20000, 50, words, 400)
    print(f"triggers 1 %: {one.round(3).tolist()}, 50 texts: {fifty.round(3).tolist()}", file=sys.stderr)
    figures.append(figure("text_trigger_1pct_recall", one[:, 1].mean(), "fraction", one[:, 1]))
    figures.append(figure("text_trigger_1pct_precision", one[:, 0].mean(), "fraction", one[:, 0]))
    figures.append(figure("text_trigger_50docs_recall", fifty[:, 1].mean(), "fraction", fifty[:, 1]))
    ours, theirs = million(binary, folder, quick)
    print(f"a million rows: {ours} s, cleanlab {theirs} s", file=sys.stderr)
    figures.append(figure("rows_1m_s", numpy.median(ours), "s", ours))
    figures.append(figure("rows_1m_cleanlab_s", numpy.median(theirs), "s", theirs))
    clean = null(binary, folder)
    print(f"clean data (suspects, of these backdoors, rows, verdict): {clean}", file=sys.stderr)
    wrong = [of[1] / of[2] for of in clean.values()]
    figures.append(figure("clean_rows_taken_for_backdoors", max(wrong), "fraction", wrong))
    if curves:
        figures += power(binary, folder, digits, words, trials)
    if quick:
        for each in figures:
            each["quick"] = True
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
