"""Bindings: the `authorization` of AIPolicies, which ties labels to the AIBackends that may serve.

A binding grants nothing: it only leaves out. One that can never apply, or that names an AIBackend
of its own namespace that is not there, stays in force and is told; others' namespaces are not its
affair.
"""

from collections.abc import Collection, Iterator

from controller.resources import Object, Resources
from controller.translate.conditions import Fault
from crds.aipolicy import AIPolicySpec, Authorization
from crds.meta import Key
from crds.plan import BindingPlan

Labels = Collection[tuple[str, str]]


def plan(policy: Key, rule: Authorization, *, enforced: bool) -> BindingPlan:
    """One entry of `authorization`, for the guard."""
    return BindingPlan(
        name=rule.name,
        policy=f"{policy.namespace}/{policy.name}",
        labels=tuple(sorted((label.name, label.value) for label in rule.labels)),
        backends=tuple(
            sorted({f"{each.namespace or policy.namespace}/{each.name}" for each in rule.backends})
        ),
        enforced=enforced,
    )


def faults(resources: Resources, labels: Labels) -> Iterator[Fault]:
    """What is amiss with the authorization of all AIPolicies; `labels` are those guards set."""
    for _, policy in sorted(resources.policies.items()):
        for index, rule in enumerate(policy.spec.authorization):
            place = f"spec.authorization[{index}]"
            yield from _unset(policy, rule, place, labels)
            yield from _missing(policy, rule, place, resources)


def _unset(
    policy: Object[AIPolicySpec], rule: Authorization, place: str, labels: Labels
) -> Iterator[Fault]:
    for index, label in enumerate(rule.labels):
        if (label.name, label.value) not in labels:
            text = (
                f"no guard that is in force sets {label.name} to {label.value}, so this never "
                "applies; give a guard action Label and this label"
            )
            where = f"{place}.labels[{index}]"
            yield Fault(policy.key, "ResolvedRefs", "LabelNotSet", where, text)


def _missing(
    policy: Object[AIPolicySpec], rule: Authorization, place: str, resources: Resources
) -> Iterator[Fault]:
    unread = {broken.key for broken in resources.broken}
    for index, ref in enumerate(rule.backends):
        own = ref.namespace in (None, policy.key.namespace)
        key = Key("AIBackend", policy.key.namespace, ref.name)
        if own and key not in resources.backends and key not in unread:
            where = f"{place}.backends[{index}]"
            text = f"{key} does not exist"
            yield Fault(policy.key, "ResolvedRefs", "BackendNotFound", where, text)
