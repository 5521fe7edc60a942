"""The translate filter's side of one attempt: it writes the model its own target asks for.

It runs in the target's upstream chain, once per attempt, on the body as the guard left it; what an
earlier attempt's translation made of it is never seen here. The guard's metadata, which no client
can send, says which model each target asks for.
"""

from collections.abc import Mapping
from typing import Any

from crds.plan import METADATA_NAMESPACE, TRANSLATED_HEADER
from ext_proc.account import End
from ext_proc.events import Continue, Event, RequestBody, RequestHeaders, RequestTrailers
from ext_proc.formats.dialect import rename_model
from ext_proc.machine import OutOfOrderError, Replies


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
                body = rename_model(event.body, self._metadata["models"][self._cluster])
                return (Continue(set_headers=((TRANSLATED_HEADER, "1"),), body=body),)
            case RequestTrailers():
                return (Continue(),)
            case _:
                raise OutOfOrderError(type(event).__name__)

    def close(self, end: End) -> None:
        """The guard reports; an attempt alone is no request."""
