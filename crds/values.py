"""The values of Secrets and ConfigMaps: base64, text, and `$(NAME)` from a given environment.

No sentence written here quotes a value or a key's content. Specs of our own kinds are not here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from crds.gateway import SecretValue, decoded
from crds.meta import KEY

ValueT = TypeVar("ValueT")
Trouble = list[tuple[tuple[str | int, ...], str]]

_REFERENCE = re.compile(r"\$(\$?)\(([A-Za-z_][A-Za-z0-9_]{0,127})\)")
_NAME = re.compile(KEY)


def secret(
    document: Mapping[str, Any], environ: Mapping[str, str]
) -> Mapping[str, SecretValue] | Trouble:
    """The values of a Secret; `stringData` wins over `data`."""

    def from_text(value: str) -> SecretValue | str:
        text, missing = _filled(value, environ)
        if missing:
            return f"environment variable {missing[0]} is not set"
        return SecretValue(text.encode())

    encoded, wrong = _entries(document, "data", _from_base64)
    plain, also_wrong = _entries(document, "stringData", from_text)
    return wrong + also_wrong or {**encoded, **plain}


def config_map(document: Mapping[str, Any], _: Mapping[str, str]) -> Mapping[str, str] | Trouble:
    """The texts of a ConfigMap; `binaryData` is nothing we read."""
    texts, wrong = _entries(document, "data", lambda value: (value,))
    return wrong or {key: text for key, (text,) in texts.items()}


def _from_base64(value: str) -> SecretValue | str:
    content = decoded("".join(value.split()))
    return (
        "is not base64; use stringData for plain text" if content is None else SecretValue(content)
    )


def _entries(
    document: Mapping[str, Any], field: str, convert: Callable[[str], ValueT | str]
) -> tuple[dict[str, ValueT], Trouble]:
    """The converted entries of one field, and what is wrong with the others."""
    given = document.get(field)
    if given is None:
        return {}, []
    if not isinstance(given, Mapping):
        return {}, [((field,), "must be a mapping (name: value)")]
    made: dict[str, ValueT] = {}
    wrong: Trouble = []
    for key, value in given.items():
        if not _NAME.fullmatch(key) or len(key) > 253:
            wrong.append(((field,), "a key must be letters, digits, '-', '_' and '.'"))
            continue
        result = convert(value) if isinstance(value, str) else "must be text; write it in quotes"
        if isinstance(result, str):
            wrong.append(((field, key), result))
        else:
            made[key] = result
    return made, wrong


def _filled(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with `$(NAME)` replaced and `$$(NAME)` unescaped; and the names that are not set."""
    missing = [
        name for escaped, name in _REFERENCE.findall(text) if not escaped and not environ.get(name)
    ]

    def value(match: re.Match[str]) -> str:
        escaped, name = match.groups()
        return f"$({name})" if escaped else environ.get(name, "")

    return _REFERENCE.sub(value, text), missing
