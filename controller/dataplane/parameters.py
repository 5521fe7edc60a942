"""What a data plane is made of: images, sizes and numbers, with defaults, overrides and errors.

A document is what Helm calls values: mappings are merged key by key, all else is replaced, and a
key without value falls back to the default. Which documents there are is decided by the caller:
the controller's own, then that of a Gateway.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationError

from crds.documents import Number, Unreadable, read
from crds.explain import explain
from crds.meta import Model, Name, Rule
from crds.objects import line, path

KEY = "dataPlane.yaml"
"""The key of a Gateway's parameters in its ConfigMap."""

LONGEST = 64 * 1024
"""Of a document: reading a large one would hold up everyone else."""
_MOST_LINES = 8

Document: TypeAlias = Mapping[str, Any]
Count = Annotated[int, Field(ge=1, le=1000, strict=True)]


def _as_text(value: Any) -> Any:
    """`cpu: 2` is YAML for a number; a quantity is text."""
    match value:
        case Number() as number:
            return number.text
        case int() if not isinstance(value, bool):
            return str(value)
        case _:
            return value


def _is_quantity(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?", text):
        raise ValueError("must be a quantity, such as 500m or 1Gi")
    return text


Quantity = Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_quantity)]
Image = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[!-~]+$")]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]
OnOff = Annotated[bool, Field(strict=True)]


class Resources(Model):
    """What a container gets."""

    requests: dict[str, Quantity] = Field(default_factory=dict)
    limits: dict[str, Quantity] = Field(default_factory=dict)


class Envoy(Model):
    """The container that serves."""

    image: Image = "envoyproxy/envoy:v1.40.0"
    image_pull_policy: PullPolicy = "IfNotPresent"
    concurrency: Count = 2
    resources: Resources = Resources(
        requests={"cpu": "500m", "memory": "256Mi"}, limits={"memory": "1Gi"}
    )


class Guard(Model):
    """The sidecar that inspects."""

    image: Image = "dragoman/ext-proc:0.1.0"
    image_pull_policy: PullPolicy = "IfNotPresent"
    resources: Resources = Resources(
        requests={"cpu": "500m", "memory": "512Mi"}, limits={"memory": "1Gi"}
    )


class PullSecret(Model):
    """A Secret that opens an image registry."""

    name: Name


class Autoscaling(Model):
    """The HorizontalPodAutoscaler."""

    enabled: OnOff = True
    min_replicas: Count = 2
    max_replicas: Count = 10
    target_cpu_utilization: Annotated[
        int, Field(ge=1, le=1000, strict=True, alias="targetCPUUtilization")
    ] = 70

    RULES = (
        Rule(
            "self.minReplicas <= self.maxReplicas",
            "must be at least minReplicas",
            lambda self: self.min_replicas <= self.max_replicas,
            "maxReplicas",
        ),
    )


class DisruptionBudget(Model):
    """The PodDisruptionBudget."""

    enabled: OnOff = True
    max_unavailable: Count = 1


class Service(Model):
    """The Service in front."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "LoadBalancer"
    annotations: dict[str, str] = Field(default_factory=dict)
    external_traffic_policy: Literal["", "Cluster", "Local"] = ""

    RULES = (
        Rule(
            "self.type != 'ClusterIP' || self.externalTrafficPolicy == ''",
            "belongs to type LoadBalancer or NodePort",
            lambda self: self.type != "ClusterIP" or not self.external_traffic_policy,
            "externalTrafficPolicy",
        ),
    )


class Parameters(Model):
    """Everything a data plane can be told."""

    envoy: Envoy = Envoy()
    guard: Guard = Guard()
    image_pull_secrets: tuple[PullSecret, ...] = ()
    replicas: Annotated[int, Field(ge=0, le=1000, strict=True)] = 2
    """Used without autoscaling."""
    autoscaling: Autoscaling = Autoscaling()
    pod_disruption_budget: DisruptionBudget = DisruptionBudget()
    service: Service = Service()
    drain_seconds: Annotated[int, Field(ge=0, le=86_400, strict=True)] = 300
    """How long a pod that ends waits for requests on their way."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    affinity: dict[str, Any] = Field(default_factory=dict)
    priority_class_name: str = ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a document can't be used, a line for each reason."""

    lines: tuple[str, ...]


def parameters(*texts: tuple[str, str]) -> Parameters | Unusable:
    """The parameters of documents, each given as (what to call it, YAML); later ones win."""
    merged: Document = DEFAULTS
    for name, text in texts:
        document = _document(name, text)
        if isinstance(document, Unusable):
            return document
        try:  # each by itself, so that the right one is blamed
            _parse(merged_with(merged, document))
        except ValidationError as error:
            return Unusable(
                tuple(
                    line(message, origin=name, field=path(where))
                    for where, message in explain(error, Parameters)[:_MOST_LINES]
                )
            )
        merged = merged_with(merged, document)
    return _parse(merged)


def merged_with(below: Document, above: Document) -> Document:
    """One document over another."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = merged_with(under if isinstance(under, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


DEFAULTS: Document = Parameters().model_dump(mode="json")


def _parse(document: Document) -> Parameters:
    return Parameters.model_validate(document, by_name=False)


def _document(name: str, text: str) -> Document | Unusable:
    if len(text) > LONGEST:
        return Unusable((line(f"must be at most {LONGEST} characters", origin=name),))
    try:
        documents = read(text)
    except Unreadable as error:
        return Unusable((line(error.message, origin=f"{name}:{error.line}"),))
    given = [each.value for each in documents if each.value is not None]
    if not given:
        return {}
    if len(given) > 1 or not isinstance(given[0], Mapping):
        return Unusable((line("must be one mapping (name: value)", origin=name),))
    return given[0]
