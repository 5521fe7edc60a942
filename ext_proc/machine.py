"""What every exchange is made of: outcomes of an event, and what it needs from outside."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from ext_proc.events import Reply
from ext_proc.learned import Learned
from ext_proc.record import Record
from ext_proc.selection import Chance
from ext_proc.slots import Slots

Replies = tuple[Reply, ...]
Step = Callable[[], Replies]


@dataclass(frozen=True, slots=True)
class Pending:
    """Work for another thread; the exchange goes on when it is resumed with its result."""

    resume: Callable[[], Step]
    """Blocks; returns what to do back on the event loop."""


Outcome = Replies | Pending


class OutOfOrderError(Exception):
    """An event that cannot come in this state."""


@dataclass(frozen=True, slots=True)
class World:
    """What an exchange needs from outside, each replaceable in a test."""

    slots: Slots
    chance: Chance
    now: Callable[[], datetime]
    clock: Callable[[], float]
    report: Callable[[Record], None]
    learned: Learned = field(default_factory=Learned)
