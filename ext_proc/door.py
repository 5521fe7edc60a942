"""What a request's headers decide before any body: the format it speaks, and whether it is served.

Everything outside the format table ends here, in the words of the format the caller seems to speak.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from crds.plan import VirtualHostPlan
from ext_proc.call import Line, Reject
from ext_proc.formats import multipart, table
from ext_proc.formats.dialect import Dialect
from ext_proc.formats.table import DIALECTS, Endpoint

_NO_BODY = Reject(400, "malformed_request", "The request has no body.")
_NOTHING = Line()
_UNKNOWN_MODEL = Reject(404, "model_not_found", "No such model is listed.")


@dataclass(frozen=True, slots=True)
class Entry:
    """Who asks, and what for."""

    shape: Dialect
    """The format of errors."""
    answer: Reject | bytes | None
    """An answer that needs no provider: an error, or a list of models."""
    line: Line
    """What the path says of the call."""


def enter(plan: VirtualHostPlan, headers: Mapping[str, str], *, ends: bool) -> Entry:
    """Read a request's headers; `ends` if there is no body."""
    method, path = headers.get(":method", ""), headers.get(":path", "")
    shape = DIALECTS[table.caller_shape(method, path, headers)]
    endpoint = table.find(method, path)
    if isinstance(endpoint, Reject):
        return Entry(shape, endpoint, _NOTHING)
    if endpoint.action != "call":
        return Entry(shape, _models(plan, endpoint, shape), _NOTHING)
    media, encoding = headers.get("content-type"), headers.get("content-encoding")
    boundary = (multipart.boundary_of(media or "") if shape.is_form else None) or ""
    line = Line(endpoint.model, endpoint.stream, boundary)
    refused = _NO_BODY if ends else table.acceptable(media, encoding, is_form=shape.is_form)
    return Entry(shape, refused, line)


def _models(plan: VirtualHostPlan, endpoint: Endpoint, shape: Dialect) -> Reject | bytes:
    if endpoint.action == "models":
        return table.models_list(shape.name, plan.models)
    named = next((model for model in plan.models if model.id == endpoint.model), None)
    return _UNKNOWN_MODEL if named is None else table.model_entry(shape.name, named)
