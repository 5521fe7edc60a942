"""A small linear model beside the rules: what the words around an attack sound like.

Word, word-pair and character features are hashed into `BUCKETS` counts; their weights are one int8
array that ships with the package (`docs/models/injection.md` says what it was fitted on and how).
Numpy only, no state, time linear in the text. Rules are not read here; `injection` adds the two up.
"""

import importlib.resources
import zlib
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

BITS: Final = 14
BUCKETS: Final = 1 << BITS
WINDOW: Final = 4_000
STRIDE: Final = 3_000

Counts = npt.NDArray[np.float32]


def windows(text: str) -> list[str]:
    """Cut a long text into overlapping parts, so that padding cannot dilute a payload."""
    if len(text) <= WINDOW:
        return [text]
    return [text[at : at + WINDOW] for at in range(0, len(text) - WINDOW + STRIDE, STRIDE)]


def features(text: str) -> tuple[npt.NDArray[np.intp], Counts]:
    """Return which buckets a text fills, and how much, with unit length."""
    raw = text.encode("utf-8", "replace")
    hashes = [_characters(raw), _words(raw.split())]
    counts = np.bincount(np.concatenate(hashes), minlength=BUCKETS)
    filled = np.flatnonzero(counts)
    amounts = np.log1p(counts[filled]).astype(np.float32)
    norm = float(np.sqrt(amounts @ amounts)) or 1.0
    return filled, amounts / norm


def _characters(raw: bytes) -> npt.NDArray[np.int64]:
    """Hash every run of four and five bytes."""
    codes = np.frombuffer(b" " + raw + b" ", np.uint8).astype(np.uint32)
    if len(codes) < 5:
        return np.zeros(0, np.int64)
    pairs = codes[:-1] * np.uint32(257) + codes[1:]
    fours = pairs[:-2] * np.uint32(0x9E3779B1) ^ pairs[2:] * np.uint32(0x85EBCA77)
    fives = fours[:-1] * np.uint32(0xC2B2AE3D) ^ codes[4:] * np.uint32(0x27D4EB2F)
    both = np.concatenate((fours, fives)) * np.uint32(0x9E3779B1)
    return (both >> np.uint32(32 - BITS)).astype(np.int64)


def _words(words: list[bytes]) -> npt.NDArray[np.int64]:
    """Hash every word and every pair of neighbours."""
    single = np.fromiter(map(zlib.crc32, words), np.uint32, len(words))
    pairs = single[:-1] * np.uint32(0x01000193) ^ single[1:]
    both = np.concatenate((single, pairs)) * np.uint32(0x85EBCA77)
    return (both >> np.uint32(32 - BITS)).astype(np.int64)


class Model(NamedTuple):
    """Weights of the buckets and of the evidence that rules and decoders bring."""

    buckets: Counts
    evidence: Counts
    bias: float

    def words(self, text: str) -> float:
        """Return the log-odds that the words of a text bring: those of its worst window."""
        return max(self._window(part) for part in windows(text))

    def _window(self, text: str) -> float:
        filled, amounts = features(text)
        return float(self.buckets[filled] @ amounts)


def load() -> Model:
    """Read the weights that ship with this package."""
    source = importlib.resources.files(__package__).joinpath("injection_model.npz")
    with source.open("rb") as file, np.load(file) as stored:
        return Model(
            buckets=stored["buckets"].astype(np.float32) * stored["scale"],
            evidence=stored["evidence"],
            bias=float(stored["bias"]),
        )
