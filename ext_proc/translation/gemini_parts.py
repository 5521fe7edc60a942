"""Parts of Gemini's contents, read and written: text, media, function calls and their results.

Signatures: Gemini signs text, thoughts and calls (`thoughtSignature`), other providers sign their
reasoning in words of their own. A signature of Gemini's is marked before it leaves for a caller of
another format, and another's is wrapped before a caller of this one sees it, so that each comes
back only to the provider that can read it.
Source: `Part` of the Gemini API reference, and its guide to thought signatures.
"""

from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ext_proc.formats import strict
from ext_proc.formats.protobuf import camel
from ext_proc.translation.gemini_fields import known
from ext_proc.translation.neutral import Media, Part, Text, Thinking, ToolCall
from ext_proc.translation.values import GEMINI_SIGNED, data_url

Json = dict[str, Any]
NameCall = Callable[[str, str], str]
"""The id of a call that has none, by its name and the id it may have."""
_SIGNED, _REDACTED = b"dragoman:signed:", b"dragoman:redacted:"
_BESIDE = frozenset({"thought", "thoughtSignature"})
_CALLED = frozenset({"functionCall", "function_call"})
SIGNATURES = ("thoughtSignature", "thought_signature")
UNSIGNED = "skip_thought_signature_validator"
"""Stands for the signature of a call that the model did not make itself; the guide to thought
signatures names it."""
_OWN_FILES = ("gs://", "https://generativelanguage.googleapis.com/")
_BY_SUFFIX = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
}
_SAID = ("functionCall", "inlineData", "fileData", "text")


class Parts:
    """The parts of one turn, as they are read; a thought goes on until its signature."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._thought: list[str] = []
        """The pieces of one that goes on."""
        self.calls = 0

    def append(self, part: Part) -> None:
        """Add what is no thought in words."""
        self._close()
        self._parts.append(part)
        self.calls += isinstance(part, ToolCall)

    def think(self, said: Thinking) -> None:
        """Add a thought, or more of the last one."""
        if said.text:
            self._thought.append(said.text)
        if said.signature or said.redacted:
            words, self._thought = "".join(self._thought), []
            self._parts.append(replace(said, text=words))

    def read(self) -> tuple[Part, ...]:
        """All of them."""
        self._close()
        return tuple(self._parts)

    def _close(self) -> None:
        if self._thought:
            self._parts.append(Thinking("".join(self._thought)))
            self._thought = []


def read(part: Any, out: Parts, name_call: NameCall) -> tuple[str, ...] | None:
    """Add what a part says; return its fields that have no place, or None: none of it has one."""
    named = known(part)
    if named is None:
        return None
    signature = _signature(named.get("thoughtSignature"))
    kind = next((each for each in _SAID if each in named), None)
    if kind is None:
        if signature is not None:
            out.append(signature)
        return () if _BESIDE.issuperset(named) else None
    if not _READ[kind](named, out, signature, name_call):
        return None
    return tuple(name for name in named if name != kind and name not in _BESIDE)


def _text(named: Json, out: Parts, signature: Thinking | None, _: NameCall) -> bool:
    text = named["text"]
    if not isinstance(text, str):
        return False
    if named.get("thought") is True:
        out.think(replace(signature or Thinking(), text=text))
        return True
    if text:
        out.append(Text(text))
    if signature is not None:
        out.append(signature)
    return True


def _call(named: Json, out: Parts, signature: Thinking | None, name_call: NameCall) -> bool:
    call = known(named["functionCall"])
    name, given = (call.get("name"), call.get("id", "")) if call is not None else (None, "")
    arguments = call.get("args", {}) if call is not None else None
    if not isinstance(name, str) or not isinstance(given, str) or not isinstance(arguments, dict):
        return False
    native = signature.signature.removeprefix(GEMINI_SIGNED) if signature is not None else ""
    text = strict.dumps(arguments).decode() if arguments else ""
    out.append(ToolCall(name_call(name, given), name, text, signature=native))
    return True


def _blob(named: Json, out: Parts, signature: Thinking | None, _: NameCall) -> bool:
    media = media_of(named["inlineData"])
    if media is not None:
        out.append(media)
    if signature is not None:
        out.append(signature)
    return media is not None


def _file(named: Json, out: Parts, _: Thinking | None, __: NameCall) -> bool:
    media = known(named["fileData"]) or {}
    uri, kind, name = (media.get(each, "") for each in ("fileUri", "mimeType", "displayName"))
    if not all(isinstance(each, str) for each in (uri, kind, name)) or not uri:
        return False
    if uri.startswith(_OWN_FILES):
        return False
    found = _kind(kind or _suffix_type(uri))
    if found is not None:
        out.append(Media(found, media_type=kind, url=uri, name=name))
    return found is not None


def media_of(blob: Any) -> Media | None:
    """Read a blob; None: there is no saying it elsewhere (video)."""
    named = known(blob) or {}
    kind, data, name = named.get("mimeType"), named.get("data"), named.get("displayName", "")
    if not isinstance(kind, str) or not isinstance(data, str) or not isinstance(name, str):
        return None
    found = _kind(kind)
    if found is None:
        return None
    if kind == "text/plain" and (raw := _decoded(data)) is not None:
        try:
            return Media("document", media_type=kind, text=raw.decode(), name=name)
        except ValueError:
            return None
    return Media(found, media_type=kind, data=data, name=name)


def _suffix_type(url: str) -> str:
    return _BY_SUFFIX.get(url.partition("?")[0].rpartition(".")[2].lower(), "")


def _kind(media_type: str) -> Any:
    head = media_type.partition("/")[0]
    if head in ("image", "audio"):
        return head
    return "document" if head in ("application", "text") else None


_READ = {"functionCall": _call, "inlineData": _blob, "fileData": _file, "text": _text}


def _signature(value: Any) -> Thinking | None:
    """Whose signature this is."""
    if not isinstance(value, str) or not value:
        return None
    raw = _decoded(value) or b""
    for mark, name in ((_SIGNED, "signature"), (_REDACTED, "redacted")):
        if raw.startswith(mark):
            foreign = raw.removeprefix(mark).decode(errors="replace")
            return Thinking(**{name: foreign})
    return Thinking(signature=GEMINI_SIGNED + value)


def _decoded(value: str) -> bytes | None:
    """The bytes of base64 in either alphabet, padded or not."""
    plain = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (Error, ValueError):
        return None


def native(thought: Thinking) -> str:
    """The signature, where it is Gemini's own; else nothing."""
    return thought.signature.removeprefix(GEMINI_SIGNED) if _is_native(thought) else ""


def shown(thought: Thinking) -> str:
    """The signature as a caller of this format is to bring it back."""
    if thought.redacted:
        return b64encode(_REDACTED + thought.redacted.encode()).decode()
    if not thought.signature or _is_native(thought):
        return native(thought)
    return b64encode(_SIGNED + thought.signature.encode()).decode()


def _is_native(thought: Thinking) -> bool:
    return thought.signature.startswith(GEMINI_SIGNED)


def thought(said: Thinking, signature: str) -> Json:
    """Write a thought, or a signature that stands alone."""
    alone = not said.text and _is_native(said)
    part: Json = {"text": said.text} if alone else {"text": said.text, "thought": True}
    return {**part, "thoughtSignature": signature} if signature else part


def call(said: ToolCall, arguments: Json) -> Json:
    """Write a call."""
    named: Json = {"id": said.id} if said.id else {}
    part: Json = {"functionCall": {**named, "name": said.name, "args": arguments}}
    return {**part, "thoughtSignature": said.signature} if said.signature else part


def sign(parts: list[Json]) -> bool:
    """Let the first call of a turn have a signature, which the model demands; tell if it had none.

    Parts may be spelled either way: they may be the caller's.
    """
    first = next((part for part in parts if not _CALLED.isdisjoint(part)), None)
    if first is None or any(first.get(name) for name in SIGNATURES):
        return False
    for name in SIGNATURES:
        first.pop(name, None)
    first["thoughtSignature"] = UNSIGNED
    return True


def media(said: Media) -> Json | None:
    """Write media; None: it is in another provider's keeping."""
    if said.url and (inline := data_url(said.url)) is not None:
        return {"inlineData": {"mimeType": inline[0], "data": inline[1]}}
    if said.url:
        kind = said.media_type or _suffix_type(said.url)
        return {"fileData": {**({"mimeType": kind} if kind else {}), "fileUri": said.url}}
    if said.text:
        data = b64encode(said.text.encode()).decode()
        return {"inlineData": {"mimeType": "text/plain", "data": data}}
    if not said.data:
        return None
    kind = said.media_type or _FALLBACKS[said.kind]
    return {"inlineData": {"mimeType": kind, "data": said.data}}


_FALLBACKS = {"image": "image/png", "document": "application/pdf", "audio": "audio/wav"}


def kind_of(part: Any) -> str:
    """The field that says what a part is, for people."""
    names = part if isinstance(part, dict) else ()
    return next((camel(name) for name in names if camel(name) not in _BESIDE), "")
