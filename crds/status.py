"""The status of our kinds as the API server knows it; what is written is decided elsewhere."""

from collections.abc import Mapping
from typing import Any

from crds.meta import DNS_LABEL, DNS_NAME

_PENDING = {
    "type": "Ready",
    "status": "Unknown",
    "reason": "Pending",
    "message": "Waiting for the controller",
    "lastTransitionTime": "1970-01-01T00:00:00Z",
}


def _text(description: str, length: int, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, "maxLength": length, **more}


_CONDITION = {
    "type": "object",
    "description": "One aspect of the object's state.",
    "required": ["type", "status", "reason", "message", "lastTransitionTime"],
    "properties": {
        "type": _text(
            "What is spoken of.", 316, pattern=r"^[A-Za-z]([-A-Za-z0-9_./]*[A-Za-z0-9])?$"
        ),
        "status": {
            "type": "string",
            "description": "Whether it holds.",
            "enum": ["True", "False", "Unknown"],
        },
        "reason": _text(
            "Why, in one word.", 1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
        ),
        "message": _text("Why, and what to do.", 32768),
        "lastTransitionTime": {
            "type": "string",
            "description": "When the status last changed.",
            "format": "date-time",
        },
        "observedGeneration": {
            "type": "integer",
            "description": "The generation that was judged.",
            "format": "int64",
            "minimum": 0,
        },
    },
}
_CONDITIONS = {
    "type": "array",
    "description": "What is known; Ready sums it up.",
    "maxItems": 16,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": _CONDITION,
}
_REFERENCE = {
    "type": "object",
    "description": "The object this entry speaks of.",
    "required": ["name"],
    "properties": {
        "group": _text("Its API group.", 253),
        "kind": _text("Its kind.", 63),
        "namespace": _text("Its namespace.", 63, pattern=DNS_LABEL),
        "name": _text("Its name.", 253, pattern=DNS_NAME),
        "sectionName": _text("A part of it.", 253, pattern=DNS_NAME),
    },
}


def _per(list_name: str, reference: str, description: str, limit: int) -> dict[str, Any]:
    """A list with one entry for each parent or ancestor, as Gateway API has it."""
    entry = {
        "type": "object",
        "description": "What one controller says.",
        "required": [reference, "controllerName"],
        "properties": {
            reference: _REFERENCE,
            "controllerName": _text("Who says it.", 253),
            "conditions": _CONDITIONS,
        },
    }
    return {
        list_name: {
            "type": "array",
            "description": description,
            "maxItems": limit,
            "x-kubernetes-list-type": "atomic",
            "items": entry,
        }
    }


_OWN: Mapping[str, Mapping[str, Any]] = {
    "AIRoute": _per("parents", "parentRef", "The state at each parentRef.", 32),
    "AIPolicy": _per("ancestors", "ancestorRef", "The state at each target.", 16),
    "AIBackend": {},
}


def schema(kind: str) -> dict[str, Any]:
    """The schema of a kind's status, with Ready unknown until the controller has spoken."""
    return {
        "type": "object",
        "description": "The observed state.",
        "default": {"conditions": [_PENDING]},
        "properties": {
            "observedGeneration": {
                "type": "integer",
                "description": "The latest generation that was judged.",
                "format": "int64",
                "minimum": 0,
            },
            "conditions": _CONDITIONS,
            **_OWN[kind],
        },
    }
