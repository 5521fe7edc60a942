"""Sizes: what an AIRoute may weigh at the guard; its rules beyond that answer 503.

Prompts, prices, schemas and words are bounded one by one, yet an AIRoute may have thousands of
them. Pure.
"""

from dataclasses import dataclass

from controller.translate.conditions import Fault
from crds.meta import Key
from crds.plan import Guards, RoutePlan, RulePlan

LARGEST = 8 * 1024 * 1024
"""Bytes of one AIRoute's plan."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A plan that is not too large, and what is wrong with the AIRoute that it is of."""

    plan: RoutePlan
    faults: tuple[Fault, ...] = ()


def fit(route: Key, plan: RoutePlan) -> Fitted:
    """The plan; if it is too large, without what the rules hold that find no place."""
    if len(plan.model_dump_json().encode()) <= LARGEST:
        return Fitted(plan)
    taken = len(plan.guards.model_dump_json().encode())
    alone = taken > LARGEST
    rules: list[RulePlan] = []
    faults: list[Fault] = []
    for index, rule in enumerate(plan.rules):
        size = len(rule.model_dump_json().encode())
        if taken + size <= LARGEST:
            taken += size
            rules.append(rule)
        else:
            rules.append(_emptied(rule))
            faults.append(_fault(route, index, alone=alone))
    guards = Guards() if alone else plan.guards
    return Fitted(plan.model_copy(update={"rules": tuple(rules), "guards": guards}), tuple(faults))


def _emptied(rule: RulePlan) -> RulePlan:
    """The rule without targets, so that it answers 503, and without guards of its own."""
    return RulePlan(name=rule.name, targets=(), unary_class="", stream_class="", translate=False)


def _fault(route: Key, index: int, *, alone: bool) -> Fault:
    fix = (
        "give the AIPolicies of this AIRoute fewer schemas and words"
        if alone
        else "shorten its prompts, or give some of its rules to another AIRoute"
    )
    text = (
        "prompts, prices, and the schemas and words of AIPolicies come to more than "
        f"{LARGEST >> 20} MiB for one AIRoute, so this rule answers 503; {fix}"
    )
    return Fault(route, "ResolvedRefs", "TooLarge", f"spec.rules[{index}]", text)
