"""OpenAI edits and variations of images: forms with images in, images out.

The prompt is read; images are recorded, going in and coming out. Source: the API reference of
images.
"""

from typing import Any

from ext_proc.call import Reject
from ext_proc.formats import forms, usage
from ext_proc.formats.forms import Upload
from ext_proc.formats.multipart import Form
from ext_proc.formats.openai_images import EVENT, RESPONSE
from ext_proc.formats.rules import Prose, Rule, Token
from ext_proc.formats.shapes import Each, Object
from ext_proc.formats.tabled import Tabled
from ext_proc.formats.typed_events import Events

_IMAGES = ("image", "image[]")
"""One image, or several: the SDKs write the latter for lists."""
_ASIDE = ("mask", "markup")
_SETTINGS: dict[str, Rule] = {
    "model": Token(),
    "n": Token(),
    "size": Token(),
    "response_format": Token(),
    "user": Prose(),
}
EDIT = Object(
    {
        **dict.fromkeys(_IMAGES, Each(Upload("image"))),
        **dict.fromkeys(_ASIDE, Upload("image")),
        **_SETTINGS,
        "prompt": Prose(),
        "background": Token(),
        "complexity": Token(),
        "frame_count": Token(),
        "frame_duration_ms": Token(),
        "input_fidelity": Token(),
        "output_compression": Token(),
        "output_format": Token(),
        "partial_images": Token(),
        "quality": Token(),
        "safety_identifier": Prose(),
        "stream": Token(),
    },
    origin="User",
    strict=True,
)
VARIATION = Object({"image": Upload("image"), **_SETTINGS}, origin="User", strict=True)
_TYPES = frozenset({"image_edit.partial_image", "image_edit.completed"})


def _wrong_edit(form: dict[str, Any]) -> str:
    images = [each for name in _IMAGES for each in forms.every(form, name)]
    if not images or not all(map(forms.is_file, images)):
        return "`image` must be a file, with a filename; several are sent as `image[]`."
    if not all(forms.is_file(form[name]) for name in _ASIDE if name in form):
        return "`mask` and `markup` must be one file each, with a filename."
    if forms.misplaced(form, (*_IMAGES, *_ASIDE)):
        return "Only `image`, `image[]`, `mask` and `markup` may be files."
    return "" if isinstance(form.get("prompt"), str) else "`prompt` must be a text."


def _wrong_variation(form: dict[str, Any]) -> str:
    if forms.misplaced(form, ("image",)) or not forms.is_file(form.get("image")):
        return "`image` must be one file, with a filename, and nothing else may be."
    return ""


def _no_stream(_: Form) -> bool | Reject:
    """Variations come whole."""
    return False


EDITS = forms.dialect_of(
    Tabled(
        "OpenAIImageEdits",
        EDIT,
        RESPONSE,
        _wrong_edit,
        makes="image_answer",
        events=Events(EVENT, _TYPES),
        count=usage.media,
        streams=forms.stream_of,
    )
)
VARIATIONS = forms.dialect_of(
    Tabled(
        "OpenAIImageVariations",
        VARIATION,
        RESPONSE,
        _wrong_variation,
        default_model="dall-e-2",
        makes="image_answer",
        count=usage.media,
        streams=_no_stream,
    )
)
