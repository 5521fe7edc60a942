"""Virtual hosts: one per hostname of a listener, with the plan that lists who serves there.

A listener always has one for its own hostname, so that errors come in the caller's shape even
without AIRoutes. What a hostname of a listener serves is settled once and shared by every virtual
host below it: the plan lists the AIRoutes of the hostname itself, then of each wildcard that covers
it, then of `*`. At most 64 traffic classes fit a virtual host; the rules of younger AIRoutes beyond
that are served as broken.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller import ir, names
from controller.translate import claims, hostnames, ownership, patterns
from controller.translate.claims import Claim
from controller.translate.conditions import Fault
from controller.translate.gateways import Listener
from controller.translate.levels import Level, Levels
from controller.translate.memo import Memo
from controller.translate.ownership import Owned
from controller.translate.routes import Attached
from controller.translate.rules import Served
from crds.meta import Key
from crds.plan import ListedModel, VirtualHostPlan

CLASS_LIMIT = 64
"""Traffic classes of one virtual host: each is an Envoy route, tried in order."""

RuleId = tuple[Key, int]


@dataclass(frozen=True, slots=True)
class Hosts:
    """Every listener with its virtual hosts and their plans."""

    listeners: tuple[ir.Listener, ...]
    plans: tuple[VirtualHostPlan, ...]
    crowded: frozenset[RuleId]
    """Rules whose traffic classes found no place."""
    largest_body: Mapping[str, int]
    """For each cluster, the largest body of the virtual hosts that use it."""
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class _Tier:
    """What one hostname of a listener serves."""

    owned: Owned
    rules: tuple[Served, ...]
    max_body_bytes: int
    models: tuple[ListedModel, ...]


@dataclass(frozen=True, slots=True)
class _Host:
    """A virtual host in the making."""

    listener: Listener
    domain: str
    tiers: tuple[_Tier, ...]


def build(
    listeners: Sequence[Listener],
    routes: Sequence[Attached],
    served: Mapping[Key, Sequence[Served]],
    levels: Levels,
    memo: Memo,
) -> Hosts:
    """Make the virtual hosts of every listener; `routes` come older first."""
    shared = _shared(routes)
    claimed = memo.each(
        "claims", None, ((each.route.key, each.route) for each in routes), claims.find
    )
    owned = memo.each(
        "owned",
        None,
        (
            ((listener.place, host), (host, [claimed[each.route.key].claims for each in here]))
            for listener in listeners
            for host, here in shared.get(listener.place, {}).items()
        ),
        lambda asked: ownership.settle(asked[1], asked[0]),
    )
    hosts: dict[tuple[Key, str], list[_Host]] = {}
    faults: list[Fault] = []
    for listener in listeners:
        tiers = {
            host: _tier(listener, owned[listener.place, host], served, levels)
            for host in shared.get(listener.place, {})
        }
        faults += [fault for tier in tiers.values() for fault in tier.owned.faults]
        hosts[listener.place] = [
            _Host(listener, domain, tuple(tiers[h] for h in hostnames.wider(domain) if h in tiers))
            for domain in sorted({listener.hostname, *tiers})
        ]
    everything = [host for of_listener in hosts.values() for host in of_listener]
    crowded = _crowded(everything, {attached.route.key: n for n, attached in enumerate(routes)})
    limits = {id(host): _max_body_bytes(host, levels) for host in everything}
    return Hosts(
        tuple(_listener(each, hosts[each.place], crowded, limits) for each in listeners),
        tuple(_plan(host, levels) for host in everything),
        frozenset(crowded),
        _largest_body(everything, limits),
        (
            *(fault for each in claimed.values() for fault in each.faults),
            *faults,
            *crowded.values(),
        ),
    )


def _shared(routes: Iterable[Attached]) -> dict[tuple[Key, str], dict[str, list[Attached]]]:
    """The AIRoutes of each hostname of each listener, older first."""
    shared: dict[tuple[Key, str], dict[str, list[Attached]]] = {}
    for attached in routes:
        for listener, hosts in attached.hosts:
            for host in hosts:
                shared.setdefault(listener.place, {}).setdefault(host, []).append(attached)
    return shared


def _tier(
    listener: Listener,
    owned: Owned,
    served: Mapping[Key, Sequence[Served]],
    levels: Levels,
) -> _Tier:
    standing = dict.fromkeys((claim.route, claim.rule_index) for claim in owned.claims)
    rules = tuple(served[route][index] for route, index in standing)
    above = (Level(listener.gateway), Level(listener.gateway, listener.spec.name))
    limits = (
        levels.max_body_bytes((*above, Level(rule.route), Level(rule.route, rule.rule.name)))
        for rule in rules
        if rule.rule.format is None  # nobody holds the bodies of the others
    )
    models = {
        model: ListedModel(id=model, owner=claim.route.namespace)
        for claim in reversed(owned.claims)
        for model in _listed(claim, served[claim.route][claim.rule_index])
    }
    return _Tier(owned, rules, max(limits, default=0), tuple(models.values()))


def _listed(claim: Claim, served: Served) -> Iterator[str]:
    """The models that callers may ask for by name and get from this match."""
    if not served.targets or claim.labels or claim.generic:
        return
    if claim.model is not None and claim.model.type == "Exact":
        yield claim.model.value
        return
    for callee in served.callees:
        for name in callee.backend.models if callee.model is None else (callee.model,):
            if claim.model is None or _TAKES[claim.model.type](claim.model.value, name):
                yield name


_TAKES: Mapping[str, Callable[[str, str], bool]] = {
    "Prefix": lambda value, model: model.startswith(value),
    "Suffix": lambda value, model: model.endswith(value),
    "Regex": patterns.matches,
}


def _crowded(hosts: Iterable[_Host], age: Mapping[Key, int]) -> dict[RuleId, Fault]:
    """The rules whose classes go beyond a virtual host's limit, younger ones first to go."""
    crowded: dict[RuleId, Fault] = {}
    for host in hosts:
        rules = {(rule.route, rule.index): rule for tier in host.tiers for rule in tier.rules}
        taken: set[ir.TrafficClass] = set()
        if len(taken.union(*(rule.every_class for rule in rules.values()))) <= CLASS_LIMIT:
            continue
        for rule in sorted(rules.values(), key=lambda each: (age[each.route], each.index)):
            wanted = taken | set(rule.every_class)
            if (rule.route, rule.index) in crowded:
                continue
            if len(wanted) <= CLASS_LIMIT:
                taken = wanted
            else:
                crowded[rule.route, rule.index] = _crowd_fault(rule, host)
    return crowded


def _crowd_fault(rule: Served, host: _Host) -> Fault:
    text = (
        f"hostname {host.domain} of {host.listener.gateway} has no room for more than "
        f"{CLASS_LIMIT} kinds of timeouts and retries; use the same as another rule"
    )
    field = f"spec.rules[{rule.index}].timeouts"
    return Fault(rule.route, "ResolvedRefs", "TooManyTrafficClasses", field, text)


def _max_body_bytes(host: _Host, levels: Levels) -> int:
    """The largest body any rule here takes."""
    gateway, section = host.listener.place
    alone = levels.max_body_bytes((Level(gateway), Level(gateway, section)))
    return max((tier.max_body_bytes for tier in host.tiers), default=alone)


def _largest_body(hosts: Iterable[_Host], limits: Mapping[int, int]) -> dict[str, int]:
    of_tier: dict[int, tuple[_Tier, int]] = {}
    for host in hosts:
        for tier in host.tiers:
            _, known = of_tier.get(id(tier), (tier, 0))
            of_tier[id(tier)] = tier, max(known, limits[id(host)])
    largest: dict[str, int] = {}
    for tier, limit in of_tier.values():
        for rule in tier.rules:
            for callee in rule.called:
                largest[callee.cluster] = max(largest.get(callee.cluster, 0), limit)
    return largest


def _listener(
    listener: Listener,
    hosts: Iterable[_Host],
    crowded: Mapping[RuleId, Fault],
    limits: Mapping[int, int],
) -> ir.Listener:
    return ir.Listener(
        gateway=listener.gateway,
        name=listener.spec.name,
        port=listener.spec.port,
        protocol=listener.protocol,
        hostname=listener.spec.hostname,
        certificates=listener.certificates,
        virtual_hosts=tuple(
            ir.VirtualHost(_name(host), host.domain, limits[id(host)], _classes(host, crowded))
            for host in hosts
        ),
    )


def _name(host: _Host) -> str:
    return names.virtual_host(host.listener.gateway, host.listener.spec.name, host.domain)


def _classes(host: _Host, crowded: Mapping[RuleId, Fault]) -> tuple[ir.TrafficClass, ...]:
    classes = {
        class_
        for tier in host.tiers
        for rule in tier.rules
        if (rule.route, rule.index) not in crowded
        for class_ in rule.every_class
    }
    return tuple(sorted(classes, key=lambda each: each.name))


def _plan(host: _Host, levels: Levels) -> VirtualHostPlan:
    gateway, section = host.listener.place
    models = {model.id: model for tier in reversed(host.tiers) for model in tier.models}
    routes = dict.fromkeys(claim.route for tier in host.tiers for claim in tier.owned.claims)
    return VirtualHostPlan(
        name=_name(host),
        gateway=f"{gateway.namespace}/{gateway.name}",
        listener=section,
        guards=(levels.of(gateway), levels.of(gateway, section)),
        tiers=tuple(each for tier in host.tiers for each in tier.owned.tiers),
        max_body_bytes=_max_body_bytes(host, levels),
        generic=(
            *(each for tier in host.tiers for each in tier.owned.generic),
            *(each for tier in host.tiers for each in tier.owned.generic_rest),
        ),
        routes=tuple(names.route(route) for route in routes),
        models=tuple(model for _, model in sorted(models.items())),
    )
