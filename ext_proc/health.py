"""Which targets failed of late, and until when they stand behind their peers.

Several failures in a row eject a target, a 429, 503 or 529 does so at once; a success puts it back.
What a request that began before the ejection met says nothing new. Nobody is left out: an ejected
target is tried last.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from crds.plan import TargetPlan
from ext_proc.decayed import Recent

LONGEST_EJECTION = 12
"""As many base times at most, however often it failed."""
LONGEST_WAIT_S = 600.0
"""Of a provider's Retry-After."""
_LONGEST_DATE = 40
BUSY = frozenset({429, 503, 529})
"""Statuses by which a provider asks to be left alone."""
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class _Record:
    errors: int = 0
    ejections: int = 0
    """In a row."""
    since_s: float = _NEVER
    until_s: float = _NEVER


class Health:
    """The health of targets."""

    def __init__(self) -> None:
        self._records: Recent[str, _Record] = Recent()

    def ejected(self, cluster: str, now_s: float) -> bool:
        """Whether a target stands behind its peers."""
        record = self._records.get(cluster)
        return record is not None and now_s < record.until_s

    def succeeded(self, cluster: str, began_s: float) -> None:
        """A request that began then was answered."""
        record = self._records.get(cluster)
        if record is not None and began_s >= record.since_s:
            del self._records[cluster]

    def failed(self, target: TargetPlan, began_s: float, now_s: float) -> None:
        """A request that began then failed."""
        record = self._records.get(target.cluster, _Record())
        if began_s < record.since_s:
            return
        record = replace(record, errors=record.errors + 1)
        self._records[target.cluster] = record
        if record.errors >= target.eject_after and now_s >= record.until_s:
            self._eject(target, record, now_s)

    def busy(self, target: TargetPlan, wait_s: float | None, now_s: float) -> None:
        """It asked to be left alone, for as long as it said, if it did."""
        record = self._records.get(target.cluster, _Record())
        if wait_s is not None:
            until_s = max(record.until_s, now_s + min(wait_s, LONGEST_WAIT_S))
            self._records[target.cluster] = replace(record, since_s=now_s, until_s=until_s)
        elif now_s >= record.until_s:
            self._eject(target, record, now_s)

    def _eject(self, target: TargetPlan, record: _Record, now_s: float) -> None:
        times = min(2**record.ejections, LONGEST_EJECTION)
        self._records[target.cluster] = _Record(
            ejections=min(record.ejections + 1, LONGEST_EJECTION),
            since_s=now_s,
            until_s=now_s + target.eject_s * times,
        )


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds a provider asks to wait, from a number or a date; None if it does not say."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), LONGEST_WAIT_S)
    if not value or len(value) > _LONGEST_DATE:
        return None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max((date - now).total_seconds(), 0.0), LONGEST_WAIT_S)
