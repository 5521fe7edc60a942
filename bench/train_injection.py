"""Fit the linear part of the prompt-injection detector, and say how well it generalises.

    python bench/train_injection.py GUARDRAIL_FOLDER [--write FILE] [--folds 8]

Reads injection.jsonl and benign.jsonl from the folder, leaves out every row whose licence does not
allow a shipped model (`SHARE_ALIKE`), and adds the project's own prompts (injection_prompts.yaml).
Prints every figure twice: with whole clusters held out and with whole source families held out.
Logistic regression by L-BFGS in numpy; the rules' weights are the prior, data only corrects them.
"""

import argparse
import json
import pathlib
import zlib
from typing import NamedTuple

import numpy as np
import yaml

from ext_proc.detectors import injection, injection_model

SHARE_ALIKE = ("bipia", "bipia_context", "piarena", "piarena_context")
TRAINED_TIERS = ("core", "encoded", "benign", "own")
UNCLEAR = ("garak_encoding", "garak_misc")  # encodings of harmless words: a policy, not an attack
FAMILIES = (
    "garak", "pyrit", "cyberseceval", "agentdojo", "spikee", "injecguard", "piarena", "bipia",
    "self_instruct", "gpteacher", "awesome", "injecagent", "deepset",
)  # fmt: skip


class Row(NamedTuple):
    id: str
    source: str
    cluster: str
    tier: str
    label: int
    evidence: np.ndarray
    prior: float
    windows: list  # of (buckets, amounts)
    suspect: int  # the window that most rules speak of


def read(folder: pathlib.Path, own: pathlib.Path) -> list[Row]:
    detector = injection.detector()
    rows = []
    for name in ("injection", "benign"):
        with (folder / f"{name}.jsonl").open(encoding="utf-8") as lines:
            for record in map(json.loads, lines):
                tier = record.get("tier", "benign")
                rows.append(_row(detector, record, tier))
    prompts = yaml.safe_load(own.read_text("utf-8")) if own.exists() else {}
    for label, texts in prompts.items():
        for at, text in enumerate(texts):
            record = {"id": f"own-{label}-{at}", "text": text, "source": f"own_{label}"}
            record |= {"cluster": f"own-{label}-{at}", "label": int(label == "attack")}
            rows.append(_row(detector, record, "own"))
    return rows


def _row(detector, record: dict, tier: str) -> Row:
    evidence = detector.evidence(record["text"])
    parts = [part for text in evidence.readings for part in injection_model.windows(text)]
    weight = [detector.weight_of(part) for part in parts]
    return Row(
        record["id"], record["source"], record["cluster"], tier, record["label"],
        detector.vector(evidence), detector.prior(evidence),
        [injection_model.features(part) for part in parts], int(np.argmax(weight)),
    )  # fmt: skip


def family(source: str) -> str:
    return next((name for name in FAMILIES if source.startswith(name)), source)


class Sparse:
    """Windows as one sparse matrix."""

    def __init__(self, windows: list) -> None:
        self.index = np.concatenate([w[0] for w in windows])
        self.value = np.concatenate([w[1] for w in windows]).astype(np.float64)
        sizes = [len(w[0]) for w in windows]
        self.starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        self.owner = np.repeat(np.arange(len(windows)), sizes)

    def dot(self, weights):
        return np.add.reduceat(self.value * weights[self.index], self.starts)

    def transposed(self, amounts):
        return np.bincount(
            self.index, self.value * amounts[self.owner], minlength=injection_model.BUCKETS
        )


def instances(rows: list[Row]):
    """Every window of a benign text; of an attack the window that shows it."""
    windows, owner = [], []
    for at, row in enumerate(rows):
        chosen = [row.windows[row.suspect]] if row.label else row.windows
        windows += chosen
        owner += [at] * len(chosen)
    return Sparse(windows), np.array(owner)


def fit(rows: list[Row], words_l2: float, evidence_l2: float, balance: float):
    """Return bucket weights, evidence corrections and bias."""
    matrix, owner = instances(rows)
    label = np.array([rows[at].label for at in owner], float)
    sign = 2 * label - 1
    evidence = np.stack([rows[at].evidence for at in owner]).astype(float)
    prior = np.array([rows[at].prior for at in owner])
    weight = _weights(rows, owner, label, balance)
    size = injection_model.BUCKETS

    def loss(theta):
        words, corrections, bias = theta[:size], theta[size:-1], theta[-1]
        margin = sign * (matrix.dot(words) + evidence @ corrections + prior + bias)
        value = weight @ np.logaddexp(0, -margin)
        value += words_l2 / 2 * (words @ words) + evidence_l2 / 2 * (corrections @ corrections)
        slope = -weight * sign / (1 + np.exp(np.clip(margin, -500, 500)))
        gradient = np.concatenate(
            (
                matrix.transposed(slope) + words_l2 * words,
                evidence.T @ slope + evidence_l2 * corrections,
                [slope.sum()],
            )
        )
        return value, gradient

    theta = lbfgs(loss, np.zeros(size + evidence.shape[1] + 1))
    return theta[:size], theta[size:-1], theta[-1]


def _weights(rows, owner, label, balance):
    """Large sources count for less than their size; benign texts together as much as attacks."""
    sources = np.array([rows[at].source for at in owner])
    counts = {source: int((sources == source).sum()) for source in set(sources)}
    weight = np.array([counts[source] ** -balance for source in sources])
    for value in (0, 1):
        weight[label == value] *= len(owner) / 2 / weight[label == value].sum()
    return weight


def lbfgs(function, start, steps: int = 80, memory: int = 10):
    point = start
    value, gradient = function(point)
    history = []
    for _ in range(steps):
        direction = -gradient
        stack = []
        for change, turn in reversed(history):
            share = (change @ direction) / (change @ turn)
            direction = direction - share * turn
            stack.append((share, change, turn))
        if history:
            change, turn = history[-1]
            direction = direction * (change @ turn) / (turn @ turn)
        for share, change, turn in reversed(stack):
            direction = direction + (share - (turn @ direction) / (change @ turn)) * change
        step = 1.0 if history else 1.0 / max(1.0, np.abs(gradient).sum())
        slope = gradient @ direction
        while True:
            candidate = point + step * direction
            new_value, new_gradient = function(candidate)
            if new_value <= value + 1e-4 * step * slope or step < 1e-10:
                break
            step /= 2
        if (candidate - point) @ (new_gradient - gradient) > 1e-12:
            history = [*history, (candidate - point, new_gradient - gradient)][-memory:]
        done = value - new_value < 1e-5 * abs(value)
        point, value, gradient = candidate, new_value, new_gradient
        if done:
            break
    return point


def predict(rows: list[Row], weights) -> np.ndarray:
    words, corrections, bias = weights
    return np.array(
        [
            max(float(words[index] @ amount) for index, amount in row.windows)
            + row.evidence @ corrections + row.prior + bias
            for row in rows
        ]
    )  # fmt: skip


def held_out(rows: list[Row], groups: list[str], folds: int, options: dict) -> np.ndarray:
    """Score every row by a model that saw nothing of its group."""
    fold = np.array([zlib.crc32(group.encode()) % folds for group in groups])
    scores = np.zeros(len(rows))
    for held in sorted(set(fold)):
        known = [r for r, f in zip(rows, fold, strict=True) if f != held and trainable(r)]
        asked = [at for at, f in enumerate(fold) if f == held]
        scores[asked] = predict([rows[at] for at in asked], fit(known, **options))
    return scores


def trainable(row: Row) -> bool:
    return (
        row.tier in TRAINED_TIERS and row.source not in SHARE_ALIKE and row.source not in UNCLEAR
    )


def report(title: str, rows: list[Row], scores: np.ndarray, threshold: float | None = None) -> float:
    tier = np.array([row.tier for row in rows])
    source = np.array([row.source for row in rows])
    benign, core = tier == "benign", tier == "core"
    ranked = np.sort(scores[benign])[::-1]
    at_one = ranked[int(0.01 * len(ranked))]
    line = {f"core@{q}": round(float((scores[core] > ranked[int(q * len(ranked))]).mean()), 3) for q in (0.005, 0.01, 0.02, 0.05)}
    order = np.argsort(np.argsort(np.concatenate((scores[core], scores[benign]))))
    line["auc"] = round((order[: core.sum()].sum() - core.sum() * (core.sum() - 1) / 2) / core.sum() / benign.sum(), 4)
    cut = at_one if threshold is None else threshold
    hit = scores > cut
    recall = {s: float(hit[core & (source == s)].mean()) for s in set(source[core]) if (core & (source == s)).sum() >= 10}
    wrong = {s: float(hit[benign & (source == s)].mean()) for s in set(source[benign]) if (benign & (source == s)).sum() >= 10}
    tp, fp = int(hit[core].sum()), int(hit[benign].sum())
    line |= {"recall": round(tp / core.sum(), 3), "fpr": round(fp / benign.sum(), 4), "f1": round(2 * tp / (tp + fp + core.sum()), 3)}
    line |= {"macro": round(float(np.mean(list(recall.values()))), 3), "encoded": round(float(hit[source == "spikee_obfuscated"].mean()), 3), "hard": round(float(hit[tier == "hard"].mean()), 3)}
    print(title, f"cut={cut:.2f}", line)
    print("   worst recall", [(s, round(v, 2)) for s, v in sorted(recall.items(), key=lambda x: x[1])[:6]])
    print("   worst fpr", [(s, round(v, 3)) for s, v in sorted(wrong.items(), key=lambda x: -x[1])[:6]])
    return float(at_one)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("--folds", type=int, default=8)
    parser.add_argument("--words-l2", type=float, default=1.0)
    parser.add_argument("--evidence-l2", type=float, default=1.0)
    parser.add_argument("--balance", type=float, default=0.5)
    parser.add_argument("--own", type=pathlib.Path, default=pathlib.Path(__file__).with_name("injection_prompts.yaml"))
    arguments = parser.parse_args()
    rows = read(arguments.folder, arguments.own)
    options = {"words_l2": arguments.words_l2, "evidence_l2": arguments.evidence_l2, "balance": arguments.balance}
    report("rules alone         ", rows, np.array([row.prior for row in rows]))
    by_cluster = held_out(rows, [row.cluster for row in rows], arguments.folds, options)
    cut = report("clusters held out   ", rows, by_cluster)
    by_source = held_out(rows, [family(row.source) for row in rows], 2 * arguments.folds, options)
    report("sources held out    ", rows, by_source)
    report("sources held out, same cut", rows, by_source, cut)
    if arguments.write:
        words, corrections, bias = fit([row for row in rows if trainable(row)], **options)
        scale = np.abs(words).max() / 127
        stored = np.round(words / scale).astype(np.int8)
        np.savez_compressed(arguments.write, buckets=stored, scale=np.float32(scale), evidence=corrections.astype(np.float32), bias=np.float32(bias - cut))


if __name__ == "__main__":
    main()
