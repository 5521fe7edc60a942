"""The Inference Extension's InferencePool and core's Pod, as far as an inferencePoolRef goes."""

from typing import Annotated, Literal

from pydantic import Field

from crds.meta import Foreign, Name, Port


class PoolSelector(Foreign):
    """The labels that every pod of a pool has; at least one, so that no pool is all pods."""

    match_labels: Annotated[dict[str, str], Field(min_length=1)]


class PoolPort(Foreign):
    """A port by its number."""

    number: Port


class EndpointPickerRef(Foreign):
    """Who is asked which pod serves a request."""

    group: str = ""
    kind: str = "Service"
    name: Name
    port: PoolPort | None = None
    """Required of a Service."""
    failure_mode: Literal["FailOpen", "FailClose"] = "FailClose"


class InferencePoolSpec(Foreign):
    """Pods that serve the same models, and who picks among them."""

    selector: PoolSelector
    target_ports: Annotated[tuple[PoolPort, ...], Field(min_length=1)]
    """Each is an endpoint of its own at every pod."""
    app_protocol: Literal["http", "kubernetes.io/h2c"] = "http"
    endpoint_picker_ref: EndpointPickerRef | None = None


class PodMeta(Foreign):
    """Whose pod it is, and whether it is going away."""

    labels: dict[str, str] = Field(default_factory=dict)
    deletion_timestamp: str = ""


class PodCondition(Foreign):
    """One condition of a pod."""

    type: str
    status: str


class PodStatus(Foreign):
    """Where a pod is and how it is."""

    pod_ip: Annotated[str, Field(alias="podIP")] = ""
    conditions: tuple[PodCondition, ...] = ()


class Pod(Foreign):
    """A pod; the fields stand at the top of the object."""

    metadata: PodMeta = PodMeta()
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> bool:
        """Whether it takes requests and stays."""
        conditions = {each.type: each.status for each in self.status.conditions}
        ready = conditions.get("Ready") == "True"
        return ready and bool(self.status.pod_ip) and not self.metadata.deletion_timestamp
