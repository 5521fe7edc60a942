"""`dragoman explain DIR --request FILE`: which rule serves a request, which targets, and why.

Reads the YAML that `dragoman run` serves and judges the request with the guard's own code, without
Envoy and without any provider; tokens are assumed. Prints no text of the request. Ends with 0 if
the request would be served, with 1 if it would be refused or the YAML has problems, with 2 if
something cannot be read.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from controller.sources import files
from controller.sources.gather import Reading
from controller.tokens.minter import assumed
from controller.translate import translate
from controller.translate.conditions import problems
from crds.plan import GENERIC
from dragoman.explanation import Explanation, Level, Request, Target, explain
from dragoman.hosts import UnclearError

_SHOWN_OTHERS = 20
_DEFAULT_PATH = "/v1/chat/completions"


class _Environment(dict[str, str]):
    """The environment, in which every key is set: none is used here."""

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ARG002  # dict's own signature
        return super().get(name) or "unset"


def main(argv: list[str]) -> int:
    """Explain; problems of the YAML go to standard error, one line each."""
    arguments = _parse(argv)
    try:
        request = _request(arguments)
        reading = _read(arguments.directory)
        resources = assumed(reading.resources)
        translation = translate(resources)
        wrong = (*reading.problems, *problems(translation.statuses))
        sys.stderr.writelines(f"{line}\n" for line in wrong)
        explanation = explain(resources, translation, request)
    except (UnclearError, _UnreadableError) as error:
        sys.stderr.write(f"dragoman explain: {error}\n")
        return 2
    if arguments.json:
        sys.stdout.write(json.dumps(_document(explanation), indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(explanation))
    return 1 if explanation.refusal or wrong else 0


class _UnreadableError(Exception):
    """What cannot be read; the text is one line per thing."""


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dragoman explain", description="Say what happens to a request, and why."
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="a directory of YAML")
    parser.add_argument(
        "--request", type=Path, metavar="FILE", help="the request's body; without it there is none"
    )
    parser.add_argument(
        "--header", action="append", default=[], metavar="K:V", help="a header, such as host:…"
    )
    parser.add_argument(
        "--path", default=_DEFAULT_PATH, metavar="P", help=f"default {_DEFAULT_PATH}"
    )
    parser.add_argument("--method", default="POST", metavar="M", help="default POST")
    parser.add_argument("--port", type=int, metavar="N", help="the listener's, where it matters")
    parser.add_argument("--json", action="store_true", help="for machines")
    return parser.parse_args(argv)


def _request(arguments: argparse.Namespace) -> Request:
    try:
        body = arguments.request.read_bytes() if arguments.request else b""
    except OSError as error:
        raise _UnreadableError(f"{arguments.request}: {error.strerror}") from None
    headers: dict[str, str] = {}
    for number, given in enumerate(arguments.header, 1):
        name, colon, value = given.partition(":")
        if not colon or not name.strip():
            raise _UnreadableError(f"--header number {number} is not name:value")
        headers[name.strip().lower()] = value.strip()
    if not arguments.path.startswith("/"):
        raise _UnreadableError("--path must begin with /")
    return Request(arguments.method.upper(), arguments.path, headers, body, arguments.port)


def _read(directory: Path) -> Reading:
    reading = files.read(directory, _Environment(os.environ))
    if reading.unreadable:
        raise _UnreadableError("; ".join(map(str, reading.unreadable)))
    return reading


def _document(explanation: Explanation) -> dict[str, Any]:
    return {"served": explanation.refusal is None, **asdict(explanation)}


def _lines(it: Explanation) -> Iterator[str]:
    yield f"virtual host  {it.virtual_host or 'none'}"
    if it.format:
        read = "passed on unread" if it.format == GENERIC else f"model {it.model or 'unread'}"
        yield f"format        {it.format}, {read}"
    for level in it.levels:
        yield from _level(level)
    if it.labels:
        yield f"labels        {', '.join(f'{name}={value}' for name, value in it.labels)}"
    if it.rule:
        yield f"rule          {it.rule.rule} of {it.rule.route}: {it.rule.because}"
    for other in it.others[:_SHOWN_OTHERS]:
        yield f"  not         {other.rule} of {other.route}: {other.because}; {other.lost}"
    if len(it.others) > _SHOWN_OTHERS:
        yield f"  not         {len(it.others) - _SHOWN_OTHERS} more"
    for place, target in enumerate(it.targets, 1):
        asked = _named(it, target.backend, target.model, target.prompt)
        yield f"target {place:<6} {asked}: priority {target.priority}, {_place(it, target)}"
    if it.chooser:
        yield f"chosen        by {it.chooser}"
    for each in it.left_out:
        yield f"  not         {_named(it, each.backend, each.model)}: {each.why}"
    for mirror in it.mirrors:
        asked = _named(it, mirror.backend, mirror.model, mirror.prompt)
        said = f"no copy, {mirror.why}" if mirror.why else f"a copy of {mirror.percent} %"
        yield f"mirror        {asked}: {said}"
    yield _ending(it)


def _level(level: Level) -> Iterator[str]:
    state = "" if level.reached else ": not reached"
    yield f"guards        {level.name}{state or ('' if level.guards else ': none')}"
    for guard in level.guards if level.reached else ():
        said = f"{guard.action}, {_counts(guard.found)}" if guard.found else "nothing found"
        yield f"  {guard.guard} of {guard.policy} ({guard.type}): {said}"


def _place(it: Explanation, target: Target) -> str:
    """What decides between targets of equal priority."""
    found = f"; endpoint: {target.endpoint}" if target.endpoint.startswith("RingHash") else ""
    if it.rule is None or it.rule.selection == "Weighted":
        return f"weight {target.weight}{found}"
    score = "unknown" if target.score is None else f"{target.score:.6g}"
    return f"{it.rule.selection} {score}, weight {target.weight}{found}"


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items()))


def _named(it: Explanation, backend: str, model: str | None, prompt: str | None = None) -> str:
    if it.format == GENERIC:
        return backend
    asked = f"{backend} ({model or 'the model asked for'})"
    return f"{asked} with {prompt}" if prompt else asked


def _ending(it: Explanation) -> str:
    if it.refusal is None:
        return "served        by the gateway itself" if it.answered else "served"
    return (
        f"refused       {it.refusal.status} {it.refusal.code} by {it.refusal.by}: "
        f"{it.refusal.message}"
    )
