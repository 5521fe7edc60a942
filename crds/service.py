"""Core's Service and discovery's EndpointSlice, as far as an AIBackend's serviceRef goes."""

from typing import Annotated

from pydantic import Field

from crds.meta import Foreign, Port

SERVICE_NAME = "kubernetes.io/service-name"
"""The label that says whose endpoints a slice holds."""


class ServicePort(Foreign):
    """One port of a Service."""

    name: str = ""
    port: Port
    protocol: str = "TCP"


class ServiceSpec(Foreign):
    """What of a Service decides where its endpoints are."""

    type: str = "ClusterIP"
    ports: tuple[ServicePort, ...] = ()


class EndpointConditions(Foreign):
    """Whether an endpoint takes requests; unknown means yes, as Kubernetes has it."""

    ready: bool | None = None


class SliceEndpoint(Foreign):
    """One endpoint: the first address is used."""

    addresses: Annotated[tuple[str, ...], Field(min_length=1)]
    conditions: EndpointConditions = EndpointConditions()


class SlicePort(Foreign):
    """The port of all endpoints of a slice."""

    name: str = ""
    port: Port | None = None
    protocol: str = "TCP"


class SliceMeta(Foreign):
    """The labels of a slice."""

    labels: dict[str, str] = Field(default_factory=dict)


class EndpointSlice(Foreign):
    """Endpoints of a Service of the same namespace; the fields stand at the top of the object."""

    metadata: SliceMeta = SliceMeta()
    address_type: str = "IPv4"
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[SlicePort, ...] = ()

    @property
    def service(self) -> str:
        """The Service whose endpoints these are."""
        return self.metadata.labels.get(SERVICE_NAME, "")
