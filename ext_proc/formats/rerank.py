"""Rerank: a query and documents in, their order out, as Cohere, Jina and vLLM have it.

Answers may repeat the documents. Cohere bills searches, not tokens, which has no price here; Jina
and vLLM state tokens. Sources: the API references of Cohere (v1 and v2) and Jina.
"""

# ruff: noqa: D102 -- what `read` and `fields` do is said once, in Rule

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from crds.plan import Origin
from ext_proc.formats import errors, usage
from ext_proc.formats.rules import Json, Numbers, Path, Prose, Token, Url
from ext_proc.formats.shapes import Each, Object
from ext_proc.formats.tabled import Tabled
from ext_proc.formats.texts import Found


@dataclass(frozen=True, slots=True)
class Document:
    """A string, or an object that holds it."""

    origin: Origin

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        del origin  # whose it is does not depend on where it stands
        _HELD.read(found, owner, key, self.origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "text"
        yield from _HELD.fields(path)


_HELD = Object({"text": Prose(), "image": Url("image"), "title": Prose()})
_DOCUMENT = Document("User")
REQUEST = Object(
    {
        "model": Token(),
        "query": _DOCUMENT,
        "documents": Each(_DOCUMENT),
        "top_n": Token(),
        "rank_fields": Each(Prose()),
        "return_documents": Token(),
        "max_chunks_per_doc": Token(),
        "max_tokens_per_doc": Token(),
        "truncate_prompt_tokens": Token(),
        "priority": Token(),
        "user": Prose(),
    },
    strict=True,
)
_RESULT = Object({"index": Token(), "relevance_score": Token(), "document": Document("Assistant")})
_META = Object(
    {
        "api_version": Numbers(),
        "billed_units": Numbers(),
        "tokens": Numbers(),
        "cached_tokens": Token(),
        "warnings": Each(Prose()),
    }
)
RESPONSE = Object(
    {
        "id": Token(),
        "object": Token(),
        "model": Token(),
        "results": Each(_RESULT),
        "usage": Numbers(),
        "meta": _META,
        "message": Prose(),
        "error": Json(),
    }
)


def _wrong(document: dict[str, Any]) -> str:
    if not isinstance(document.get("query"), str | dict):
        return "`query` must be a string."
    given = document.get("documents")
    if not isinstance(given, list) or not given:
        return "`documents` must be a list that is not empty."
    if not {str, dict}.issuperset(map(type, given)):
        return "Each of `documents` must be a string or an object."
    return ""


def _stated(answer: Mapping[str, Any]) -> Any:
    """Tokens, wherever they are counted; searches are none."""
    meta = answer.get("meta")
    return answer.get("usage") or (meta.get("tokens") if isinstance(meta, dict) else None)


TABLED = Tabled(
    "Rerank",
    REQUEST,
    RESPONSE,
    _wrong,
    stated=_stated,
    count=usage.rerank,
    provider=errors.rerank_provider,
)
DIALECT = replace(TABLED.as_dialect(), error=errors.rerank, unstated="unpriced", is_batch=True)
