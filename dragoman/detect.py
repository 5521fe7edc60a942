"""`dragoman detect injection|pii|secrets`: the detectors over JSON lines, to measure and to try.

Reads `{"id", "text"}` lines on standard input; writes `{"id", "score", "reasons"}` or
`{"id", "spans": [{"start", "end", "type", "score"}]}` with offsets in code points.
"""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from ext_proc.detectors import injection, report, secrets

Detect = Callable[[str], dict[str, Any]]


def _injection() -> Detect:
    detector = injection.detector()

    def detect(text: str) -> dict[str, Any]:
        verdict = detector.score(text)
        return {"score": round(verdict.score, 4), "reasons": list(verdict.reasons)}

    return detect


DETECTORS: dict[str, Callable[[], Detect]] = {
    "injection": _injection,
    "pii": lambda: lambda text: {"spans": report.spans_of(text)},
    "secrets": lambda: lambda text: {"spans": report.spans_of(text, secrets.detector())},
}


def main(argv: list[str]) -> int:
    """Detect line by line; 2 with one line on input that is not as described."""
    parser = argparse.ArgumentParser(
        prog="dragoman detect", description="Run a detector over JSON lines."
    )
    parser.add_argument("detector", choices=DETECTORS)
    detect = DETECTORS[parser.parse_args(argv).detector]()
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, name = row["text"], row["id"]
        except (ValueError, KeyError, TypeError):
            print(f'dragoman detect: line {number} is not {{"id", "text"}}', file=sys.stderr)
            return 2
        print(json.dumps({"id": name, **detect(text)}), flush=True)
    return 0
