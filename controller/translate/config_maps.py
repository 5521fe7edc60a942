"""ConfigMaps: what an AIPolicy keeps in one, or why it is not there."""

from controller.resources import Resources
from controller.translate.conditions import Fault
from crds.json_schemas import ConfigMapRef
from crds.meta import Key


def key(policy: Key, ref: ConfigMapRef) -> Key:
    """The ConfigMap an AIPolicy means."""
    return Key("ConfigMap", policy.namespace, ref.name)


def content(policy: Key, ref: ConfigMapRef, resources: Resources) -> str | None:
    """What stands there; None if nothing does."""
    return resources.config_maps.get(key(policy, ref), {}).get(ref.key)


def missing(policy: Key, place: str, ref: ConfigMapRef, resources: Resources) -> Fault:
    """The fault of a reference that leads to nothing."""
    there = key(policy, ref)
    known = there in resources.config_maps
    text = f"{there} has no key {ref.key}" if known else f"{there} does not exist"
    return Fault(policy, "ResolvedRefs", "ConfigMapNotFound", place, text)
