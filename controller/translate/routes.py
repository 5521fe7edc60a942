"""Routes: which AIRoute is served at which listener, under which hostnames.

An AIRoute attaches through its parentRefs where the listener allows its namespace and kind and has
a hostname in common with it. A hostname belongs to the most specific listener of its port. What the
AIRoute's rules then do is in `rules`; who wins on a shared hostname is in `ownership`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.resources import Object, Resources
from controller.translate import gateways, hostnames
from controller.translate.conditions import Fault, Reason, Reference
from controller.translate.gateways import Door, Gateways, Listener
from crds.airoute import AIRouteSpec, ParentRef
from crds.meta import GROUP, Key

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Every namespace bears its name as a label."""


@dataclass(frozen=True, slots=True)
class Attached:
    """An AIRoute and where it is served: the hostnames at each listener."""

    route: Object[AIRouteSpec]
    hosts: tuple[tuple[Listener, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Routes:
    """All AIRoutes, older first."""

    attached: tuple[Attached, ...]
    faults: tuple[Fault, ...]


_Hosts = dict[tuple[Key, str], tuple[Listener, tuple[str, ...]]]
_Refused = tuple[Reason, str, str]


@dataclass(frozen=True, slots=True)
class _World:
    """What attaching looks things up in."""

    gateways: Gateways
    of_gateway: Mapping[Key, tuple[Listener, ...]]
    of_door: Mapping[tuple[Door, str], Listener]
    labels: Mapping[str, Mapping[str, str]]
    others: frozenset[Key]
    """Gateways of another controller."""


def reference(route: Key, ref: ParentRef) -> Reference:
    """A parentRef, spelled out."""
    return Reference("Gateway", ref.namespace or route.namespace, ref.name, ref.section_name)


def attach(resources: Resources, found: Gateways) -> Routes:
    """Attach every AIRoute to the listeners that take it."""
    of_gateway: dict[Key, tuple[Listener, ...]] = {}
    for listener in found.listeners:
        of_gateway[listener.gateway] = (*of_gateway.get(listener.gateway, ()), listener)
    of_door = {(each.door, each.hostname): each for each in found.listeners}
    others = frozenset(resources.gateways.keys() - found.objects.keys())
    world = _World(found, of_gateway, of_door, resources.namespace_labels, others)
    faults: list[Fault] = []
    attached = []
    by_age = sorted(resources.routes.values(), key=lambda each: gateways.age(each.key, each.meta))
    for route in by_age:
        one, wrong = _attach(route, world)
        attached.append(one)
        faults += wrong
    return Routes(tuple(attached), tuple(faults))


def _attach(route: Object[AIRouteSpec], world: _World) -> tuple[Attached, list[Fault]]:
    hosts: dict[tuple[Key, str], tuple[Listener, tuple[str, ...]]] = {}
    faults: list[Fault] = []
    for index, ref in enumerate(route.spec.parent_refs):
        found, refused = _parent(route, ref, world)
        hosts |= found
        if refused is not None:
            reason, field, message = refused
            field = f"spec.parentRefs[{index}]{field}" if not field.startswith("spec") else field
            faults.append(Fault(route.key, "Accepted", reason, field, message, index))
    if hosts:
        faults += _unserved(route, hosts)
    return Attached(route, tuple(hosts.values())), faults


def _unserved(route: Object[AIRouteSpec], hosts: _Hosts) -> Iterator[Fault]:
    """The hostnames that no listener serves, where others of the AIRoute are served."""
    served = {host for _, found in hosts.values() for host in found}
    for index, host in enumerate(route.spec.hostnames):
        if not any(hostnames.covers(host, each) for each in served):
            text = f"{host} is served by no listener of the parentRefs"
            field = f"spec.hostnames[{index}]"
            reason: Reason = "NoMatchingListenerHostname"
            yield Fault(route.key, "PartiallyInvalid", reason, field, text)


def _parent(
    route: Object[AIRouteSpec], ref: ParentRef, world: _World
) -> tuple[_Hosts, _Refused | None]:
    """The listeners of a parentRef that take the AIRoute, or why none does."""
    key = Key("Gateway", ref.namespace or route.key.namespace, ref.name)
    gateway = world.gateways.objects.get(key)
    if gateway is None:
        other = (
            " is of a class that is not Dragoman's" if key in world.others else " does not exist"
        )
        return {}, ("NoMatchingParent", ".name", f"{key}{other}")
    names = [listener.name for listener in gateway.spec.listeners]
    if ref.section_name is not None and ref.section_name not in names:
        text = f"{key} has no listener {ref.section_name}; it has {', '.join(names)}"
        return {}, ("NoMatchingParent", ".sectionName", text)
    listeners = [
        each for each in world.of_gateway.get(key, ()) if ref.section_name in (None, each.spec.name)
    ]
    if not listeners:
        return {}, ("NoMatchingParent", "", f"{key} has no usable listener here; see its status")
    allowed = [each for each in listeners if _allows(each, route.key, world.labels)]
    if not allowed:
        text = f"allowedRoutes of {key} leaves out namespace {route.key.namespace}"
        return {}, ("NotAllowedByListeners", "", text)
    hosts = {each.place: (each, tuple(_hosts(route.spec, each, world))) for each in allowed}
    hosts = {place: found for place, found in hosts.items() if found[1]}
    return hosts, None if hosts else _no_hostname(route.spec, allowed)


def _no_hostname(spec: AIRouteSpec, listeners: list[Listener]) -> _Refused:
    theirs = ", ".join(dict.fromkeys(each.hostname for each in listeners))
    text = (
        f"{', '.join(spec.hostnames) or hostnames.ANY} is not served by a listener with hostname "
        f"{theirs}, or belongs to a more specific listener of the same port"
    )
    return "NoMatchingListenerHostname", "spec.hostnames", text


def _allows(listener: Listener, route: Key, labels: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether allowedRoutes lets this AIRoute attach."""
    allowed = listener.spec.allowed_routes
    kinds = [(kind.group, kind.kind) for kind in allowed.kinds]
    if kinds and (GROUP, "AIRoute") not in kinds:
        return False
    match allowed.namespaces.from_:
        case "All":
            return True
        case "Same":
            return route.namespace == listener.gateway.namespace
        case "Selector":
            selector = allowed.namespaces.selector
            own = {**labels.get(route.namespace, {}), NAMESPACE_LABEL: route.namespace}
            return selector is not None and selector.selects(own)
        case "None":
            return False


def _hosts(spec: AIRouteSpec, listener: Listener, world: _World) -> Iterator[str]:
    """The hostnames the AIRoute has here: what it names, as far as the listener has it too."""
    seen = set()
    for each in spec.hostnames or (hostnames.ANY,):
        host = hostnames.common(each, listener.hostname)
        if host is None or host in seen:
            continue
        seen.add(host)
        if gateways.owner(world.of_door, listener.door, host) is listener:
            yield host
