"""Routes: which AIRoute is served at which listener, under which hostnames.

An AIRoute attaches through its parentRefs where the listener allows its namespace and kind and has
a hostname in common with it. A hostname belongs to the most specific listener of its port. Of a
Gateway in another namespace an AIRoute hears only what it may use, and where that is nothing, not
even whether there is such a Gateway. What the AIRoute's rules then do is in `rules`; who wins on a
shared hostname is in `ownership`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.resources import Object, Resources
from controller.translate import gateways, hostnames
from controller.translate.conditions import Fault, Reason, Reference
from controller.translate.gateways import Door, Gateways, Listener
from controller.translate.memo import Memo
from crds.airoute import AIRouteSpec, ParentRef
from crds.gateway import ListenerSpec
from crds.meta import GROUP, Key

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Every namespace bears its name as a label."""


@dataclass(frozen=True, slots=True)
class Attached:
    """An AIRoute and where it is served: the hostnames at each listener."""

    route: Object[AIRouteSpec]
    hosts: tuple[tuple[Listener, tuple[str, ...]], ...]
    closed: frozenset[tuple[Key, str]]
    """Listeners that take it and cannot be served themselves."""


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


def attach(resources: Resources, found: Gateways, memo: Memo) -> Routes:
    """Attach every AIRoute to the listeners that take it."""
    of_gateway: dict[Key, tuple[Listener, ...]] = {}
    for listener in found.listeners:
        of_gateway[listener.gateway] = (*of_gateway.get(listener.gateway, ()), listener)
    of_door = {(each.door, each.hostname): each for each in found.listeners}
    others = frozenset(resources.gateways.keys() - found.objects.keys())
    world = _World(found, of_gateway, of_door, resources.namespace_labels, others)
    by_age = sorted(resources.routes.values(), key=lambda each: gateways.age(each.key, each.meta))
    made = memo.each(
        "attached", world, ((each.key, each) for each in by_age), lambda each: _attach(each, world)
    )
    attached = tuple(one for one, _ in made.values())
    return Routes(attached, tuple(fault for _, wrong in made.values() for fault in wrong))


def _attach(route: Object[AIRouteSpec], world: _World) -> tuple[Attached, list[Fault]]:
    hosts: _Hosts = {}
    closed: set[tuple[Key, str]] = set()
    faults: list[Fault] = []
    for index, ref in enumerate(route.spec.parent_refs):
        parent, refused = _parent(route.key, ref, world)
        if parent is not None:
            found, refused = _served(route, *parent, world)
            hosts |= found
            closed.update(_closed(route.spec, *parent, world))
        if refused is not None:
            reason, field, message = refused
            field = f"spec.parentRefs[{index}]{field}" if not field.startswith("spec") else field
            faults.append(Fault(route.key, "Accepted", reason, field, message, index))
    if hosts:
        faults += _unserved(route, hosts)
    return Attached(route, tuple(hosts.values()), frozenset(closed)), faults


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
    route: Key, ref: ParentRef, world: _World
) -> tuple[tuple[Key, list[ListenerSpec]] | None, _Refused | None]:
    """The Gateway and those listeners of a parentRef that let the AIRoute attach, or why none."""
    key = Key("Gateway", ref.namespace or route.namespace, ref.name)
    own = key.namespace == route.namespace
    gateway = world.gateways.objects.get(key)
    if gateway is None and own:
        text = "is of a class that is not Dragoman's" if key in world.others else "does not exist"
        return None, ("NoMatchingParent", ".name", f"{key} {text}")
    listeners = gateway.spec.listeners if gateway else ()
    allowed = [each for each in listeners if _allows(key, each, route, world.labels)]
    who = f"AIRoutes of namespace {route.namespace}"
    if not allowed:
        text = f"allowedRoutes of {key} leaves out {who}"
        text = text if own else f"{text}, or there is no such Gateway"
        return None, ("NotAllowedByListeners", "", text)
    named = [each for each in allowed if ref.section_name in (None, each.name)]
    if not named:
        names = ", ".join(each.name for each in allowed)
        text = f"{key} has no listener {ref.section_name} for {who}; it has {names}"
        there = any(each.name == ref.section_name for each in listeners)
        hidden = there if own else len(allowed) < len(listeners)
        reason: Reason = "NotAllowedByListeners" if hidden else "NoMatchingParent"
        return None, (reason, ".sectionName", text)
    return (key, named), None


def _served(
    route: Object[AIRouteSpec], gateway: Key, specs: Sequence[ListenerSpec], world: _World
) -> tuple[_Hosts, _Refused | None]:
    """The hostnames at each of these listeners, or why there are none."""
    listeners = [each for each in world.of_gateway.get(gateway, ()) if each.spec in specs]
    if not listeners:
        text = f"{gateway} has no usable listener here; its own line or condition says why"
        return {}, ("NoMatchingParent", "", text)
    hosts = {each.place: (each, tuple(_hosts(route.spec, each, world))) for each in listeners}
    hosts = {place: found for place, found in hosts.items() if found[1]}
    return hosts, None if hosts else _no_hostname(route.spec, listeners)


def _closed(
    spec: AIRouteSpec, gateway: Key, specs: Sequence[ListenerSpec], world: _World
) -> Iterator[tuple[Key, str]]:
    """Those of these listeners that are not open and yet have a hostname in common."""
    open_ = [each.spec for each in world.of_gateway.get(gateway, ())]
    wanted = spec.hostnames or (hostnames.ANY,)
    for each in specs:
        theirs = each.hostname or hostnames.ANY
        closed = each.protocol in gateways.PROTOCOLS and each not in open_
        if closed and any(hostnames.common(host, theirs) for host in wanted):
            yield gateway, each.name


def _no_hostname(spec: AIRouteSpec, listeners: list[Listener]) -> _Refused:
    theirs = ", ".join(dict.fromkeys(each.hostname for each in listeners))
    text = (
        f"{', '.join(spec.hostnames) or hostnames.ANY} is not served by a listener with hostname "
        f"{theirs}, or belongs to a more specific listener of the same port"
    )
    return "NoMatchingListenerHostname", "spec.hostnames", text


def _allows(
    gateway: Key, listener: ListenerSpec, route: Key, labels: Mapping[str, Mapping[str, str]]
) -> bool:
    """Whether allowedRoutes lets this AIRoute attach."""
    allowed = listener.allowed_routes
    kinds = [(kind.group, kind.kind) for kind in allowed.kinds]
    if kinds and (GROUP, "AIRoute") not in kinds:
        return False
    match allowed.namespaces.from_:
        case "All":
            return True
        case "Same":
            return route.namespace == gateway.namespace
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
