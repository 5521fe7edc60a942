"""Admission of a request in no format: nobody reads its body, so its headers decide.

It is refused where an AIPolicy would have read it, unless that policy itself says
`unscanned: Allow`. What labels it would have carried nobody knows, so every `authorization` holds
for it as if it carried them all.
"""

from collections.abc import Iterator, Mapping, Sequence

from ext_proc import authorization
from ext_proc.admission import UNAVAILABLE, Admission, bind
from ext_proc.call import Reject, Verdict
from ext_proc.formats import paths
from ext_proc.matching import Match
from ext_proc.pipeline import Level

KIND = "generic"
"""What records call content that passed unread here."""
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_METHOD = Reject(
    405, "method_not_allowed", "This method is not passed on.", (("allow", ", ".join(_METHODS)),)
)
_PATH = Reject(400, "malformed_request", "The path has more than one reading.")
_UNREAD = Reject(
    403, "blocked_by_policy", "The request was blocked: requests of this kind cannot be inspected."
)


def admit(
    match: Match, above: Sequence[Level], headers: Mapping[str, str]
) -> tuple[Admission, int | None]:
    """Judge by the headers; besides, the bytes its body may have."""
    admission = Admission(match=match, unread={KIND: 1})
    levels = (*above, match.route.level, match.rule.level)
    limits = [level.max_body_bytes for level in levels if level.max_body_bytes is not None]
    limit = min(limits, default=None)
    admission.reject = (
        _unfit(headers)
        or (UNAVAILABLE if any(level.unavailable for level in levels) else None)
        or _unread(admission, levels)
        or _too_large(headers, limit)
        or _authorize(admission, match, levels)
    )
    if admission.reject is None:
        bind(admission, match, headers, None)
    return admission, limit


def counted(headers: Mapping[str, str], limit: int | None, *, ends: bool) -> bool:
    """Whether the body must be counted as it passes; a WebSocket is none."""
    return not ends and limit is not None and not headers.keys() & {"content-length", "upgrade"}


def too_large(limit: int) -> Reject:
    """Refuse a body that is longer than a policy allows."""
    return Reject(413, "request_too_large", f"The body is larger than {limit} bytes.")


def _unfit(headers: Mapping[str, str]) -> Reject | None:
    if headers.get(":method") not in _METHODS:
        return _METHOD
    line = headers.get(":path", "")
    return None if line.isascii() and paths.is_plain(line.partition("?")[0]) else _PATH


def _unread(admission: Admission, levels: Sequence[Level]) -> Reject | None:
    admission.verdicts += _refusals(levels)
    return _UNREAD if admission.verdicts else None


def _refusals(levels: Sequence[Level]) -> Iterator[Verdict]:
    for level in levels:
        for policy in level.generic_refused_by:
            yield Verdict("unscanned", policy, "Unscanned", "Block", "request", ((KIND, 1),))


def _too_large(headers: Mapping[str, str], limit: int | None) -> Reject | None:
    stated = headers.get("content-length", "")
    if limit is None or not stated.isdecimal() or int(stated) <= limit:
        return None
    return too_large(limit)


def _authorize(admission: Admission, match: Match, levels: Sequence[Level]) -> Reject | None:
    bindings = [binding for level in levels for binding in level.bindings]
    every = frozenset(label for binding in bindings for label in binding.labels)
    permitted = authorization.permit(match.rule.plan.targets, bindings, every)
    admission.targets = permitted.targets
    admission.verdicts += permitted.verdicts
    return permitted.reject
