"""What every kind is made of: the strict base model, object metadata, references and units.

The first of the base files: it imports nothing of ours. A cross-field rule is written once, as a
`Rule` that holds its CEL text (for the API server) and its Python twin (for files).
"""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

GROUP = "dragoman.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
GATEWAY_GROUP = "gateway.networking.k8s.io"
CONTROLLER_NAME = f"{GROUP}/controller"
"""Who we are in GatewayClasses and in the entries of a status."""


class Rule(NamedTuple):
    """A cross-field rule: CEL for the API server, a predicate for files, one message for both."""

    cel: str
    message: str
    holds: Callable[[Any], bool]
    field: str = ""


class Model(BaseModel):
    """Frozen, camelCase, and strict about unknown fields: a typo is an error, never a no-op."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        broken = tuple(rule for rule in self.RULES if not rule.holds(self))
        if broken:
            text = "; ".join(rule.message for rule in broken)
            raise PydanticCustomError("rules", "{text}", {"text": text, "broken": broken})
        return self


class Foreign(BaseModel):
    """A kind that is not ours (Gateway, …): we read the fields we use and ignore the rest."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
HOSTNAME = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
DURATION = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
QUANTITY = r"^([1-9][0-9]{0,8}|[1-9][0-9]{0,5}Ki|[1-9][0-9]{0,2}Mi)$"
MODEL_NAME = r"^[!-~]+$"
HOST = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*|[0-9a-f]*:[0-9a-f:]+)$"
KEY = r"^[-._a-zA-Z0-9]+$"
HEADER = r"^[a-z0-9][-a-z0-9]*$"
COOKIE_OR_HEADER = r"^[-._a-zA-Z0-9]+$"
HEADER_VALUE = r"^[ -~]+$"
SCORE = r"^(0\.[0-9]{1,3}|1\.0)$"
ENTITY = r"^[A-Za-z]+$"
REQUEST_PATH = r'^/[!"$->@-~]*$'
PRICE = r"^(0|[1-9][0-9]{0,5})(\.[0-9]{1,9})?$"

Name = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=DNS_NAME)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=DNS_LABEL)]
Hostname = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=HOSTNAME)]
Duration = Annotated[str, StringConstraints(max_length=20, pattern=DURATION)]
Quantity = Annotated[str, StringConstraints(max_length=12, pattern=QUANTITY)]
Amount = Annotated[str, StringConstraints(max_length=16, pattern=PRICE)]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=MODEL_NAME)]
DataKey = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=KEY)]
"""A key of a Secret or ConfigMap."""
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SIZES = {"": 1, "Ki": 1024, "Mi": 1024 * 1024}


def seconds(duration: str) -> float:
    """Seconds of a Go duration such as `1m30s`."""
    parts = re.findall(r"(\d+)(ms|h|m|s)", duration)
    return timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in parts)).total_seconds()


def size_bytes(quantity: str) -> int:
    """Bytes of a Kubernetes quantity such as `10Mi`."""
    digits = quantity.rstrip("KMi")
    return int(digits) * _SIZES[quantity[len(digits) :]]


class ObjectMeta(Foreign):
    """The part of metadata that configuration depends on."""

    name: Name
    namespace: Annotated[
        str, StringConstraints(max_length=63, pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$")
    ] = "default"
    """Empty for kinds without a namespace."""
    generation: int = 1
    creation_timestamp: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    uid: str = ""
    """Empty in files."""


class Key(NamedTuple):
    """The identity of an object."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def _once(what: str, values: list[str]) -> None:
    twice = sorted(value for value, count in Counter(values).items() if count > 1)
    if twice:
        raise ValueError(f"{what} must be unique: {', '.join(twice)} stands twice")


def _unique_names(items: tuple[Any, ...]) -> tuple[Any, ...]:
    _once("name", [item.name for item in items])
    return items


def _unique_values(items: tuple[str, ...]) -> tuple[str, ...]:
    _once("items", list(items))
    return items


UniqueNames = AfterValidator(_unique_names)
"""A list of named objects; the schema marks it `x-kubernetes-list-type: map`."""
UniqueValues = AfterValidator(_unique_values)
"""A list of different strings; the schema marks it `x-kubernetes-list-type: set`."""


class RequestLabel(Model):
    """A mark that guards of a Gateway or listener set on a request."""

    name: Label
    """What the mark is about, such as `pii`."""
    value: Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=KEY)]
    """What it says, such as `"true"`."""


class Condition(NamedTuple):
    """One status condition, as Gateway API words it."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
