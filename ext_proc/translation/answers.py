"""Answers: what a provider said in its format → what the caller reads in its own."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from crds.plan import Format
from ext_proc.call import Reject, Usage
from ext_proc.formats import errors, strict, usage
from ext_proc.formats.dialect import Measured, unreadable
from ext_proc.formats.table import DIALECTS
from ext_proc.translation.codec import Asked, StreamReader, UnreadableError
from ext_proc.translation.neutral import Delta, Failed
from ext_proc.translation.table import CODECS, PROVIDED

_NONE: Mapping[str, str] = MappingProxyType({})
_UNREADABLE = "The provider's answer is not what its format's answers are."


class Answer:
    """One answer, whole or streamed. The usage is the provider's own: formats count differently."""

    def __init__(
        self, provider: Format, caller: Format, asked: Asked, headers: Mapping[str, str] = _NONE
    ) -> None:
        self._spoken = provider
        self._provider = PROVIDED[provider]
        self._counted = usage.header(headers.get(self._provider.counted_in))
        self._caller = CODECS[caller]
        self._asked = asked
        self._reader = self._provider.reader() if self._provider.reader else None
        self._writer = self._caller.writer(asked) if self._caller.writer else None
        self.failed: Reject | None = None
        self._usage: Usage | None = None
        self._usage_invalid = False

    @property
    def usage(self) -> Usage | None:
        """What the provider stated so far."""
        return self._usage or (self._reader.usage if self._reader else None)

    @property
    def usage_invalid(self) -> bool:
        """The provider stated a usage that cannot be."""
        return self._usage_invalid or (self._reader is not None and self._reader.usage_invalid)

    def whole(self, body: bytes) -> bytes | Reject:
        """Translate a whole body."""
        try:
            response = self._provider.read_response(strict.loads(body))
            if response.usage is None and self._counted is not None:
                response = replace(response, usage=self._counted, usage_invalid=False)
            self._usage, self._usage_invalid = response.usage, response.usage_invalid
            return strict.dumps(self._caller.write_response(response, self._asked))
        except (strict.InvalidJsonError, UnreadableError):
            self._measure(body)
            return unreadable(_UNREADABLE)

    def _measure(self, body: bytes) -> None:
        """An answer that cannot be used was paid for all the same."""
        dialect = DIALECTS.get(self._spoken)
        measured = dialect.measure(body) if dialect else Measured()
        self._usage = measured.usage or self._counted
        self._usage_invalid = measured.usage_invalid

    def feed(self, data: bytes) -> bytes:
        """Translate the next piece of a stream; after a failure nothing more."""
        return self._written(lambda reader: reader.feed(data))

    def end(self) -> bytes:
        """The provider ended."""
        last = self._written(lambda reader: reader.end())
        return last if self.failed or self._writer is None else last + self._writer.end()

    def _written(self, read: Callable[[StreamReader], Iterable[Delta]]) -> bytes:
        if self.failed:
            return b""
        if self._reader is None or self._writer is None:
            self.failed = unreadable("The provider streams what its format does not.")
            return b""
        pieces = []
        try:
            for delta in read(self._reader):
                pieces.append(self._writer.write(_safe(delta)))  # noqa: PERF401 -- what was read before a failure counts
        except UnreadableError as error:
            self.failed = unreadable(str(error))
        return b"".join(pieces)


def _safe(delta: Delta) -> Delta:
    """Of an error, no more than an error's body would tell."""
    if not isinstance(delta, Failed):
        return delta
    return replace(delta, message=errors.told(delta.status, delta.message))
