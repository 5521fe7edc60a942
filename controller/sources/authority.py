"""What data planes find the controller by: its authority's Secret, and the way to the leader."""

import base64
import binascii
from datetime import datetime
from http import HTTPStatus
from ipaddress import ip_address

from controller.dataplane import certificates
from controller.dataplane.certificates import Pair, UnusableError
from controller.dataplane.wanted import MANAGED_BY, MANAGED_BY_LABEL
from controller.sources.api import Api, ApiError, Json, Resource
from controller.sources.provision import MANAGER, SECRET, SERVICE
from crds.gateway import SecretValue

_SLICE = Resource("discovery.k8s.io/v1", "EndpointSlice")


async def read(api: Api, namespace: str, name: str) -> Pair | None:
    """The authority, if it is there; raises UnusableError if it can't be one."""
    try:
        secret = await api.get(SECRET.at(namespace, name))
    except ApiError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return None
        raise
    return _pair(secret, f"Secret {namespace}/{name}")


async def ensure(api: Api, namespace: str, name: str, now: datetime) -> Pair:
    """The authority; made if it is missing, which only the leader may do."""
    found = await read(api, namespace, name)
    if found is not None:
        return found
    made = certificates.new_authority(now)
    body: Json = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY, "app.kubernetes.io/name": "dragoman"},
        },
        "data": {
            "tls.crt": base64.b64encode(made.certificate).decode(),
            "tls.key": base64.b64encode(made.private_key.reveal()).decode(),
        },
    }
    try:
        await api.create(SECRET.at(namespace), body)
    except ApiError as error:
        found = await read(api, namespace, name) if error.code == HTTPStatus.CONFLICT else None
        if found is None:
            raise ApiError(error.code, error.reason) from None
        return found
    return made


async def lead_here(api: Api, namespace: str, service: str, pod: str, ip: str, port: int) -> bool:
    """Make the Service without selector lead to this pod; False if it does already."""
    of = await api.get(SERVICE.at(namespace, service))
    family = f"IPv{ip_address(ip).version}"
    name = f"{service}-leader"
    content: Json = {
        "addressType": family,
        "ports": [
            {"name": of["spec"]["ports"][0].get("name", ""), "port": port, "protocol": "TCP"}
        ],
        "endpoints": [
            {
                "addresses": [ip],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod},
            }
        ],
    }
    path = _SLICE.at(namespace, name)
    live = await _live(api, path)
    if live and all(live.get(field) == value for field, value in content.items()):
        return False
    if live and live["addressType"] != family:
        await api.delete(path, live["metadata"]["uid"])
    owner = {
        "apiVersion": "v1",
        "kind": "Service",
        "name": service,
        "uid": of["metadata"]["uid"],
    }
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {
            "kubernetes.io/service-name": service,
            "endpointslice.kubernetes.io/managed-by": "dragoman.dev",
        },
        "ownerReferences": [owner],
    }
    body = {"apiVersion": _SLICE.api_version, "kind": _SLICE.kind, "metadata": metadata, **content}
    await api.apply(path, body, MANAGER, force=True)
    return True


async def _live(api: Api, path: str) -> Json | None:
    try:
        return await api.get(path)
    except ApiError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return None
        raise


def _pair(secret: Json, name: str) -> Pair:
    held = secret.get("data") or {}
    try:
        certificate, key = (
            base64.b64decode(held[part], validate=True) for part in ("tls.crt", "tls.key")
        )
    except (KeyError, TypeError, binascii.Error):
        raise UnusableError(f"{name} needs the keys tls.crt and tls.key") from None
    found = Pair(certificate, SecretValue(key))
    if problem := certificates.wrong(found):
        raise UnusableError(f"{name}: {problem}")
    return found
