"""Bedrock's paths, which name the model in one segment and whether to stream.

    /model/{model}/converse
    /model/{model}/converse-stream

The model is percent-encoded as SDKs do it: names of inference profiles and prompts have colons and
slashes.
"""

from dataclasses import dataclass
from urllib.parse import unquote

_PREFIX = "/model/"
_WAYS = {"converse": False, "converse-stream": True}
_LONGEST_MODEL = 256


@dataclass(frozen=True, slots=True)
class Named:
    """What a path asks for."""

    model: str
    stream: bool


def read(path: str) -> Named | None:
    """Read a path without its query; None: it is not one of these."""
    raw, slash, way = path.removeprefix(_PREFIX).partition("/")
    if not path.startswith(_PREFIX) or not slash or way not in _WAYS:
        return None
    model = _model(raw)
    return Named(model, _WAYS[way]) if model else None


def resembles(spelled: str) -> bool:
    """Whether a path, decoded and in small letters, is one of these but for its model."""
    return spelled.startswith(_PREFIX) and spelled.rpartition("/")[2] in _WAYS


def _model(raw: str) -> str:
    """The model; empty: there is none that can be."""
    try:
        model = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        return ""
    fits = len(model) <= _LONGEST_MODEL and model.isprintable() and "%" not in model
    return model if fits and model == model.strip() else ""


def is_ours(path: str) -> bool:
    """Whether only callers of this format use such a path, served or not."""
    return path.startswith(_PREFIX)
