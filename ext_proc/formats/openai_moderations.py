"""OpenAI moderations: texts and images to be judged. What is judged is read by guards as well.

Source: the API reference of moderations.
"""

from dataclasses import replace
from typing import Any

from ext_proc.formats.openai_tables import IMAGE
from ext_proc.formats.rules import Json, Numbers, Prose, Token, Url
from ext_proc.formats.shapes import Each, Object, Parts
from ext_proc.formats.tabled import Tabled

_PART = Parts(
    {
        "text": Object({"type": Token(), "text": Prose()}, strict=True),
        "image_url": Object({"type": Token(), "image_url": Url("image", IMAGE)}, strict=True),
    },
    origin="User",
)
REQUEST = Object({"model": Token(), "input": Each(_PART)}, strict=True)
_RESULT = Object(
    {
        "flagged": Token(),
        "categories": Numbers(),
        "category_scores": Numbers(),
        "category_applied_input_types": Json(),
    }
)
RESPONSE = Object(
    {
        "id": Token(),
        "model": Token(),
        "results": Each(_RESULT),
        "usage": Numbers(),
        "error": Json(),
    }
)


def _wrong(document: dict[str, Any]) -> str:
    given = document.get("input")
    known = isinstance(given, str) or (
        isinstance(given, list) and given and {str, dict}.issuperset(map(type, given))
    )
    return "" if known else "`input` must be a string, or a list of strings or of parts."


TABLED = Tabled(
    "OpenAIModerations",
    REQUEST,
    RESPONSE,
    _wrong,
    default_model="omni-moderation-latest",
)
DIALECT = replace(TABLED.as_dialect(), is_batch=True)
