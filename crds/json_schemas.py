"""JSON Schemas that an AIPolicy holds requests and answers to; the schemas stand in ConfigMaps."""

from typing import Annotated

from pydantic import Field

from crds.meta import DataKey, Label, Model, Name, UniqueValues
from crds.plan import CallerFormat


class ConfigMapRef(Model):
    """One key of a ConfigMap in the AIPolicy's own namespace."""

    name: Name
    """The ConfigMap."""
    key: DataKey
    """The key that holds the list or schema."""


class ResponseSchema(Model):
    """A JSON Schema for what a model answers."""

    name: Label
    """Unique in its list; errors, records and metrics refer to it."""
    config_map_ref: ConfigMapRef
    """A ConfigMap's key with a JSON Schema in JSON, draft 6 or newer, up to 64 KiB."""


class RequestSchema(ResponseSchema):
    """A JSON Schema for requests as their callers write them."""

    applies_to: Annotated[tuple[CallerFormat, ...], Field(max_length=19), UniqueValues] = ()
    """The formats whose requests it judges; all of them when left out."""
