"""Redaction of a text that arrives in pieces.

For every way to cut it, what comes out is what `span.redact` makes of the whole: only
characters that no future text can change are released. Which field of which choice a piece
belongs to is the caller's affair: one `Redactor` for each.
"""

from collections import Counter

from ext_proc.detectors.span import Span, SpanDetector, marker, order, tail_end


class Redactor:
    """Holds back a text's undecided end; `found` counts the covers seen so far, by entity.

    To block instead of redacting, look at `found` after each push and drop what that push
    returned: nothing of a span, or after it, was released by an earlier one.
    """

    def __init__(self, detector: SpanDetector) -> None:
        self.found: Counter[str] = Counter()
        self._detector = detector
        self._text = ""  # up to `before` characters of context, then what is not settled yet
        self._settled = 0  # spans that start before this are known; characters too are released
        self._covered = 0  # end of the last cover
        self._tails: frozenset[str] = frozenset()  # of spans that reach the end of `_text`

    def push(self, text: str) -> str:
        """Take the next piece; return what may go out now."""
        if not text:
            return ""
        known = len(self._text)
        self._text += text
        self._extend(known)
        held = min(self._detector.hold(self._text), len(self._text))
        return self._release(len(self._text) - held)

    def finish(self) -> str:
        """The text is complete; return what was held back."""
        return self._release(len(self._text))

    def _extend(self, known: int) -> None:
        """Let the open tails swallow what follows them."""
        ends = {tail: tail_end(self._text, known, tail) for tail in self._tails}
        self._covered = max((self._covered, *ends.values()))
        self._tails = frozenset(tail for tail, end in ends.items() if end == len(self._text))

    def _release(self, limit: int) -> str:
        """Settle everything before `limit`."""
        if limit <= self._settled:
            return ""
        pieces: list[str] = []
        done = self._settled
        for span in sorted(self._detector.find(self._text), key=order):
            if self._settled <= span.start < limit:
                if span.start >= self._covered:
                    pieces += (
                        self._text[max(done, self._covered) : span.start],
                        marker(span.entity),
                    )
                    self.found[span.entity] += 1
                    done = span.start
                self._cover(span)
        pieces.append(self._text[max(done, self._covered) : limit])
        self._forget(limit)
        return "".join(pieces)

    def _cover(self, span: Span) -> None:
        self._covered = max(self._covered, span.end)
        if span.tail and span.end == len(self._text):
            self._tails |= {span.tail}

    def _forget(self, limit: int) -> None:
        """Drop what no later span can look back at."""
        dropped = max(0, limit - self._detector.before)
        self._text = self._text[dropped:]
        self._settled = limit - dropped
        self._covered = max(0, self._covered - dropped)
