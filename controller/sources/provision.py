"""Provisioning: the data planes of Gateways as objects of the cluster; only the leader does it.

Level-triggered: `round` compares what is wanted with what is there, object by object, and writes
only what is missing or made of something else. What belongs to someone else is never touched.
Removing all with a deleted Gateway is left to Kubernetes, which knows the owner.
"""

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from controller import names
from controller.dataplane import certificates
from controller.dataplane.certificates import Identity, Pair
from controller.dataplane.manifests import addresses, manifests
from controller.dataplane.wanted import HASH, MANAGED_BY, MANAGED_BY_LABEL, Manifest, Wanted
from controller.sources.api import Api, ApiError, Json, Resource, Selection
from crds.gateway import SecretValue
from crds.meta import GATEWAY_GROUP, Key

logger = logging.getLogger(__name__)

MANAGER = "dragoman"
"""The field manager of everything we write."""
_HANDOVER = "dragoman-replicas"
"""Holds the number of replicas from when we let go of it until an autoscaler takes it."""
_AT_ONCE = 8

GATEWAY = Resource(f"{GATEWAY_GROUP}/v1", "Gateway")
SECRET = Resource("v1", "Secret")
SERVICE = Resource("v1", "Service")
DEPLOYMENT = Resource("apps/v1", "Deployment")
_KINDS = (
    Resource("policy/v1", "PodDisruptionBudget"),
    Resource("autoscaling/v2", "HorizontalPodAutoscaler"),
    DEPLOYMENT,
    SERVICE,
    Resource("v1", "ConfigMap"),
    Resource("v1", "ServiceAccount"),
)
"""All that is named as a data plane is, in the order in which it is taken away."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a Gateway's data plane stands after a round."""

    gateway: Key
    addresses: tuple[str, ...] = ()
    problem: str = ""
    """Why not all objects are there, in one line."""
    invalid: bool = False
    """The API server refuses what the parameters ask for: it takes an edit, not patience."""


@dataclass(slots=True)
class _Progress:
    service: Json = field(default_factory=dict)
    kept: set[Resource] = field(default_factory=set)


class _TakenError(Exception):
    """An object of this name is not ours; the text says which."""


class Provisioner:
    """Writes data planes; keeps nothing but the number of its writes."""

    def __init__(
        self,
        api: Api,
        files: Mapping[str, str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._files = files
        self._now = now
        self.writes = 0

    async def round(self, wanted: Sequence[Wanted], authority: Pair) -> tuple[Outcome, ...]:
        """Make, mend and renew what each Gateway needs; a failure concerns one Gateway alone."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def provide(each: Wanted) -> Outcome:
            async with turns:
                return await self._outcome(each, authority)

        return tuple(await asyncio.gather(*map(provide, wanted)))

    async def sweep(self, classes: frozenset[str], namespaces: Sequence[str] = ("",)) -> None:
        """Take away the data planes of Gateways that live on but are no longer of our classes."""
        for namespace in namespaces:
            ours = Selection(DEPLOYMENT, namespace, labels=f"{MANAGED_BY_LABEL}={MANAGED_BY}")
            async for page in self._api.pages(ours, metadata_only=True):
                for deployment in page.items:
                    await self._sweep(deployment["metadata"], classes)

    async def _outcome(self, wanted: Wanted, authority: Pair) -> Outcome:
        key = wanted.gateway
        try:
            progress = await self._provide(wanted, authority)
        except _TakenError as error:
            return Outcome(key, problem=str(error), invalid=True)
        except ApiError as error:
            logger.warning("the data plane of %s: %s", key, error)
            invalid = error.code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
            return Outcome(key, problem=error.message or str(error), invalid=invalid)
        return Outcome(key, addresses(progress.service))

    async def _provide(self, wanted: Wanted, authority: Pair) -> _Progress:
        progress = _Progress()
        namespace = wanted.gateway.namespace
        held = await self._live(SECRET, namespace, _secret_name(wanted))
        identity = _identity(held)
        now = self._now()
        if not identity or not certificates.serves(identity, authority, wanted.gateway, now):
            identity = certificates.client(authority, wanted.gateway, now)
        for manifest in manifests(wanted, self._files, identity):
            resource = Resource(manifest["apiVersion"], manifest["kind"])
            live = held
            if resource != SECRET:
                live = await self._live(resource, namespace, wanted.name)
                progress.kept.add(resource)
            written = await self._write(resource, manifest, live, wanted.gateway)
            if resource == SERVICE:
                progress.service = written
        for resource in _KINDS:
            if resource not in progress.kept:
                await self._remove(resource, wanted.gateway, wanted.name)
        return progress

    async def _write(
        self, resource: Resource, manifest: Manifest, live: Json, gateway: Key
    ) -> Json:
        """The object as it then is; written only if it is another."""
        metadata = manifest["metadata"]
        path = resource.at(metadata["namespace"], metadata["name"])
        if live and not _belongs(live, gateway):
            raise _TakenError(
                f"{resource.kind} {metadata['namespace']}/{metadata['name']} exists and is not "
                "this Gateway's; delete it, or give the Gateway another name"
            )
        if _hash(live) == metadata["annotations"][HASH]:
            return live
        if resource == DEPLOYMENT and "replicas" not in manifest["spec"]:
            await self._hand_over_replicas(path, live)
        self.writes += 1
        try:
            return await self._api.apply(path, manifest, MANAGER, force=True)
        except ApiError as error:
            # What the server says of a Secret may quote it.
            said = "" if resource == SECRET else error.message
            raise ApiError(error.code, error.reason, said, error.retry_after) from None

    async def _hand_over_replicas(self, path: str, live: Json) -> None:
        """Let go of the number of replicas without it falling to one."""
        if not any(_sets_replicas(each) for each in _metadata(live).get("managedFields", ())):
            return
        body = {
            "apiVersion": live["apiVersion"],
            "kind": live["kind"],
            "metadata": {"name": live["metadata"]["name"]},
            "spec": {"replicas": live["spec"]["replicas"]},
        }
        self.writes += 1
        await self._api.apply(path, body, _HANDOVER, force=True)

    async def _sweep(self, metadata: Mapping[str, Any], classes: frozenset[str]) -> None:
        owner = _owner(metadata)
        if owner is None:
            return
        namespace, name = metadata["namespace"], metadata["name"]
        gateway = await self._live(GATEWAY, namespace, owner["name"])
        if not gateway or gateway["metadata"]["uid"] != owner["uid"]:
            return  # Kubernetes is about to remove it
        gateway_class = gateway["spec"]["gatewayClassName"]
        if gateway_class in classes and names.data_plane(owner["name"], gateway_class) == name:
            return
        key = Key("Gateway", namespace, owner["name"])
        logger.warning("removing the data plane %s: %s is of class %s", name, key, gateway_class)
        for resource in _KINDS:
            await self._remove(resource, key, name)
        await self._remove(SECRET, key, f"{name}-xds")

    async def _remove(self, resource: Resource, gateway: Key, name: str) -> None:
        """Delete an object if it was made by us for this Gateway."""
        live = await self._live(resource, gateway.namespace, name)
        if live and HASH in _annotations(live) and _belongs(live, gateway):
            self.writes += 1
            path = resource.at(gateway.namespace, name)
            await self._api.delete(path, live["metadata"]["uid"])

    async def _live(self, resource: Resource, namespace: str, name: str) -> Json:
        """An object as it is, or an empty one."""
        try:
            return await self._api.get(resource.at(namespace, name))
        except ApiError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            return {}


def _secret_name(wanted: Wanted) -> str:
    return names.client_certificate(wanted.gateway.name, wanted.spec.gateway_class_name)


def _identity(secret: Json) -> Identity | None:
    """The client certificate a Secret holds, if it holds one."""
    held = secret.get("data") or {}
    try:
        certificate, key, authority = (
            base64.b64decode(held[name], validate=True) for name in ("tls.crt", "tls.key", "ca.crt")
        )
    except (KeyError, TypeError, binascii.Error):
        return None
    return Identity(certificate, SecretValue(key), authority)


def _owner(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The Gateway that controls an object; paths are made of its name, and others may write it."""
    for each in metadata.get("ownerReferences") or ():
        group = each["apiVersion"].partition("/")[0]
        of = group, each["kind"], each.get("controller")
        if of == (GATEWAY_GROUP, "Gateway", True) and names.is_object_name(each["name"]):
            found: Mapping[str, Any] = each
            return found
    return None


def _belongs(live: Json, gateway: Key) -> bool:
    """Whether a Gateway of this name made it, perhaps one that was deleted and made again."""
    owner = _owner(_metadata(live))
    return owner is not None and owner["name"] == gateway.name


def _metadata(live: Json) -> Json:
    found: Json = live.get("metadata") or {}
    return found


def _annotations(live: Json) -> Json:
    found: Json = _metadata(live).get("annotations") or {}
    return found


def _hash(live: Json) -> str:
    return str(_annotations(live).get(HASH, ""))


def _sets_replicas(managed: Mapping[str, Any]) -> bool:
    fields = managed.get("fieldsV1", {}).get("f:spec", {})
    return (managed.get("manager"), managed.get("operation")) == (MANAGER, "Apply") and (
        "f:replicas" in fields
    )
