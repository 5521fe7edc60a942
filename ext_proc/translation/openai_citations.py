"""Annotations of OpenAI's two chat formats, read and written: what they say of a text's sources.

Both number the characters of a text, the end being the one after the last. Only pages of the web
can be named without a file that is stored at OpenAI. Source: the API references of chat completions
and responses.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from ext_proc.translation.citations import Citation
from ext_proc.translation.cited import spanning
from ext_proc.translation.codec import Json
from ext_proc.translation.values import listed, mapping, string

_WEB = "url_citation"


def read_chat(annotations: Any) -> Iterator[Citation]:
    """Read those of chat completions; other servers of the format quote the page (`content`)."""
    for each in listed(annotations):
        if each.get("type") == _WEB and (found := _page(mapping(each.get(_WEB)))):
            yield found


def read(annotations: Any) -> Iterator[Citation]:
    """Read those of responses; a file that OpenAI stores has its name alone elsewhere."""
    for each in listed(annotations):
        match each.get("type"):
            case "url_citation":
                found = _page(each)
            case "file_citation" | "container_file_citation":
                found = _file(each)
            case _:
                found = None
        if found is not None:
            yield found


def _page(stated: Json) -> Citation | None:
    url, title = string(stated.get("url")), string(stated.get("title"))
    citation = Citation(url, title, string(stated.get("content")))
    return spanning(citation, stated.get("start_index"), stated.get("end_index")) if url else None


def _file(stated: Json) -> Citation | None:
    name = string(stated.get("filename"))
    citation = Citation(title=name)
    return spanning(citation, stated.get("start_index"), stated.get("end_index")) if name else None


def write_chat(citations: Iterable[Citation]) -> list[Json]:
    """Write those of chat completions, whose numbers count all of the message."""
    return [{"type": _WEB, _WEB: each} for each in _pages(citations)]


def write(citations: Iterable[Citation]) -> list[Json]:
    """Write those of responses, whose numbers count one part of a message."""
    return [{"type": _WEB, **each} for each in _pages(citations)]


def _pages(citations: Iterable[Citation]) -> Iterator[Json]:
    for each in citations:
        if each.link and each.start is not None:
            span = {"start_index": each.start, "end_index": each.end}
            yield {"url": each.url, "title": each.title, **span}
