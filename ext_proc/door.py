"""What a request's headers decide before any body: the format it speaks, and whether it is served.

Outside the format table only a rule with `format: Generic` serves; paths of the table never come to
one, whatever their method, content type or spelling. All else ends here, in the words of the format
the caller seems to speak.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from crds.plan import VirtualHostPlan
from ext_proc import matching, wording
from ext_proc.call import Line, Reject
from ext_proc.formats import multipart, plain, table
from ext_proc.formats.dialect import Dialect
from ext_proc.formats.table import DIALECTS, Endpoint
from ext_proc.matching import Match, Traits
from ext_proc.plans import Host, Snapshot
from ext_proc.wording import Wording

_NO_BODY = Reject(400, "malformed_request", "The request has no body.")
_NOT_UPGRADED = Reject(400, "bad_request", "The request is malformed.")
_NOTHING = Line()
_UNKNOWN_MODEL = Reject(404, "model_not_found", "No such model is listed.")


@dataclass(frozen=True, slots=True)
class Entry:
    """Who asks, and what for."""

    shape: Dialect
    """The format it speaks, or seems to."""
    wording: Wording
    """The words of errors."""
    answer: Reject | bytes | None
    """An answer that needs no provider: an error, or a list of models."""
    line: Line = _NOTHING
    """What the path says of the call."""
    generic: Match | None = None
    """The rule that passes it on unread."""


def enter(host: Host, snapshot: Snapshot, headers: Mapping[str, str], *, ends: bool) -> Entry:
    """Read a request's headers; `ends` if there is no body."""
    method, path = headers.get(":method", ""), headers.get(":path", "")
    shape = DIALECTS[table.caller_shape(method, path, headers)]
    endpoint = table.find(method, path)
    if endpoint == table.UNKNOWN_PATH and not table.resembles(path):
        found = matching.find_generic(host, snapshot, Traits("", headers))
        if found is not None:
            return _unread(shape, found, headers)
    said = _said(host.plan, endpoint, shape, headers, ends=ends)
    if not isinstance(said, Line):
        return Entry(shape, wording.of(shape), said)
    return Entry(shape, wording.of(shape), None, said)


def _unread(shape: Dialect, found: Match | Reject, headers: Mapping[str, str]) -> Entry:
    words = wording.GRPC if plain.is_grpc(headers) else wording.PLAIN
    if isinstance(found, Reject):
        return Entry(shape, words, found)
    return Entry(shape, words, None, generic=found)


def _said(
    plan: VirtualHostPlan,
    endpoint: Endpoint | Reject,
    shape: Dialect,
    headers: Mapping[str, str],
    *,
    ends: bool,
) -> Reject | bytes | Line:
    """What the headers say of a call, or the answer that they alone lead to."""
    if "upgrade" in headers:
        return _NOT_UPGRADED
    if isinstance(endpoint, Reject):
        return endpoint
    if endpoint.action != "call":
        return _models(plan, endpoint, shape)
    media, encoding = headers.get("content-type"), headers.get("content-encoding")
    boundary = (multipart.boundary_of(media or "") if shape.is_form else None) or ""
    refused = _NO_BODY if ends else table.acceptable(media, encoding, is_form=shape.is_form)
    refused = refused or _too_large(plan, headers)
    return refused or Line(endpoint.model, endpoint.stream, boundary)


def _too_large(plan: VirtualHostPlan, headers: Mapping[str, str]) -> Reject | None:
    """Refuse what no rule would take before it comes: Envoy might wait for its rest in vain."""
    limit, stated = plan.max_body_bytes, headers.get("content-length", "")
    if limit is None or not stated.isdecimal() or int(stated) <= limit:
        return None
    return Reject(413, "request_too_large", f"The body is larger than {limit} bytes.")


def _models(plan: VirtualHostPlan, endpoint: Endpoint, shape: Dialect) -> Reject | bytes:
    if endpoint.action == "models":
        return table.models_list(shape.name, plan.models)
    named = next((model for model in plan.models if model.id == endpoint.model), None)
    return _UNKNOWN_MODEL if named is None else table.model_entry(shape.name, named)
