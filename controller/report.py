"""What the outside hears: events for the parent process, and one line per problem for people.

A problem is told when it appears and when it is gone, never twice.
"""

import json
from collections.abc import Iterable, Sequence
from typing import TextIO


class Report:
    """Events go to one stream as JSON lines, problems to the other as text."""

    def __init__(self, events: TextIO, people: TextIO) -> None:
        self._events = events
        self._people = people
        self._told: dict[str, None] = {}

    @property
    def standing(self) -> int:
        """How many problems stand."""
        return len(self._told)

    def ready(self, urls: Sequence[str]) -> None:
        """The first configuration is live everywhere."""
        self._event(event="ready", urls=list(urls))

    def live(self, version: str) -> None:
        """A configuration is live everywhere."""
        self._event(event="live", version=version)

    def fatal(self, message: str) -> None:
        """The controller cannot start, and why; the parent tells people."""
        self._event(event="fatal", message=message)

    def problems(self, lines: Iterable[str]) -> None:
        """Tell what is new and what is gone since the last time."""
        before, self._told = self._told, dict.fromkeys(lines)
        for line in before:
            if line not in self._told:
                self._event(event="resolved", line=line)
        for line in self._told:
            if line not in before:
                self._event(event="problem", line=line)
                print(line, file=self._people, flush=True)

    def _event(self, **event: object) -> None:
        print(json.dumps(event), file=self._events, flush=True)
