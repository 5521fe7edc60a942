"""The translate filter's side of one attempt: it writes the body its own target reads.

It runs in the target's upstream chain, once per attempt, on the body as the guard left it; what an
earlier attempt's translation made of it is never seen here. The guard's metadata, which no client
can send, says which format, model and quirks each target has.
"""

from collections.abc import Mapping
from typing import Any

from crds.plan import METADATA_NAMESPACE, TRANSLATED_HEADER
from ext_proc import wires
from ext_proc.account import End
from ext_proc.call import Line
from ext_proc.events import Continue, Event, RequestBody, RequestHeaders, RequestTrailers
from ext_proc.machine import OutOfOrderError, Replies
from ext_proc.translation import requests
from ext_proc.translation.requests import Spoken


class Translation:
    """One attempt."""

    filter = "translate"

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._metadata: Mapping[str, Any] = {}
        self.done = False

    def receive(self, event: Event) -> Replies:
        """Answer an event."""
        match event:
            case RequestHeaders(end=False):
                self._metadata = event.metadata[METADATA_NAMESPACE]
                return (Continue(),)
            case RequestBody() if self._metadata:
                self.done = True
                return (Continue(set_headers=((TRANSLATED_HEADER, "1"),), body=self._body(event)),)
            case RequestTrailers():
                return (Continue(),)
            case _:
                raise OutOfOrderError(type(event).__name__)

    def _body(self, event: RequestBody) -> bytes:
        wire = wires.read(self._metadata["targets"][self._cluster])
        line = Line(wire.model, self._metadata["stream"])
        return requests.rewrite(event.body, Spoken(self._metadata["format"], line), wire)

    def close(self, end: End) -> None:
        """The guard reports; an attempt alone is no request."""
