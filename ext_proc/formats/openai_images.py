"""OpenAI images: a prompt in, images out. The prompt is read; no guard can read an image.

Source: the API reference of images. Edits and variations, whose requests are forms, are in
`openai_image_edits`.
"""

from dataclasses import replace
from typing import Any

from ext_proc.formats import usage
from ext_proc.formats.rules import Data, Json, Numbers, Prose, Rule, Token, Url
from ext_proc.formats.shapes import Each, Object
from ext_proc.formats.tabled import Tabled
from ext_proc.formats.typed_events import Events

REQUEST = Object(
    {
        "model": Token(),
        "prompt": Prose("User"),
        "n": Token(),
        "size": Token(),
        "quality": Token(),
        "style": Token(),
        "background": Token(),
        "moderation": Token(),
        "complexity": Token(),
        "frame_count": Token(),
        "frame_duration_ms": Token(),
        "output_compression": Token(),
        "output_format": Token(),
        "partial_images": Token(),
        "response_format": Token(),
        "stream": Token(),
        "safety_identifier": Prose(),
        "user": Prose(),
    },
    strict=True,
)
_IMAGE: dict[str, Rule] = {
    "b64_json": Data("image"),
    "url": Url("image"),
    "revised_prompt": Prose(),
}
_SAID: dict[str, Rule] = {
    "model": Token(),
    "background": Token(),
    "output_format": Token(),
    "quality": Token(),
    "size": Token(),
    "safety_identifier": Prose(),
    "usage": Numbers(),
    "error": Json(),
}
RESPONSE = Object(
    {**_SAID, "created": Token(), "data": Each(Object(_IMAGE)), "svg_usage": Numbers()}
)
EVENT = Object(
    {**_SAID, **_IMAGE, "type": Token(), "created_at": Token(), "partial_image_index": Token()}
)
_TYPES = frozenset({"image_generation.partial_image", "image_generation.completed"})


def _wrong(document: dict[str, Any]) -> str:
    return "" if isinstance(document.get("prompt"), str) else "`prompt` must be a string."


TABLED = Tabled(
    "OpenAIImages",
    REQUEST,
    RESPONSE,
    _wrong,
    makes="image_answer",
    events=Events(EVENT, _TYPES),
    count=usage.media,
)
DIALECT = replace(TABLED.as_dialect(), unstated="unpriced")
