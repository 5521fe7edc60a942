"""Prompts: the system prompt of each backendRef that has one, with its variables filled in.

A prompt that cannot be had takes its target out of the rule: to serve without it would be to answer
another question.
"""

from collections.abc import Iterable, Iterator, Mapping

import re2

from controller.resources import Object, Resources
from controller.translate.conditions import Reason
from crds.airoute import AIRouteSpec, RouteRule
from crds.meta import Key
from crds.plan import PromptPlan
from crds.prompt import VARIABLE_IN_TEXT, PromptRef

LONGEST = 32 * 1024
"""Bytes of a prompt, with and without its variables filled in: it travels with every request."""
_VARIABLE = re2.compile(VARIABLE_IN_TEXT)

Prompts = Mapping[Key, Mapping[str, str]]
"""The ConfigMaps that backendRefs and mirrors name, as far as they are there."""
Problem = tuple[Reason, str, str]
"""The reason, the field of the promptRef, and the text of a fault."""


def find(resources: Resources) -> Prompts:
    """What prompts are made from: little of all ConfigMaps."""
    maps = resources.config_maps
    return {key: maps[key] for key in sorted(_named(resources.routes.values())) if key in maps}


def _named(routes: Iterable[Object[AIRouteSpec]]) -> set[Key]:
    return {
        Key("ConfigMap", route.key.namespace, prompt.name)
        for route in routes
        for rule in route.spec.rules
        for prompt in _prompts(rule)
        if prompt is not None
    }


def _prompts(rule: RouteRule) -> Iterator[PromptRef | None]:
    yield from (ref.prompt_ref for ref in rule.backend_refs)
    yield from (mirror.prompt_ref for mirror in rule.mirrors)


def plan(ref: PromptRef, namespace: str, prompts: Prompts) -> PromptPlan | Problem:
    """The prompt of one backendRef or mirror."""
    key = Key("ConfigMap", namespace, ref.name)
    if key not in prompts:
        text = f"{key} does not exist; create it with the key {ref.key}"
        return "ConfigMapNotFound", "name", text
    template = prompts[key].get(ref.key)
    if template is None:
        return "ConfigMapNotFound", "key", f"{key} has no key {ref.key}; add it or name another"
    given = {each.name: each.value for each in ref.variables}
    if problem := _wrong(f"{ref.key} of {key}", template, given):
        return problem
    filled = _VARIABLE.sub(lambda found: given[found.group(1)], template).strip()
    if not filled:
        return "UnsupportedValue", "key", f"{ref.key} of {key} is empty"
    return PromptPlan(name=ref.name, mode=ref.mode, text=filled)


def _wrong(what: str, template: str, given: Mapping[str, str]) -> Problem | None:
    """What keeps a text from being filled in; judged before it is, since it could be gigabytes."""
    too_long: Problem = "UnsupportedValue", "key", f"{what} is longer than {LONGEST} bytes"
    size = len(template.encode())
    if size > LONGEST:
        return too_long
    named = _VARIABLE.findall(template)
    if unset := [name for name in dict.fromkeys(named) if name not in given]:
        text = f"{what} has more variables: {', '.join(unset)}"
        return "UnsupportedValue", "variables", text
    if unused := [name for name in given if name not in named]:
        return "UnsupportedValue", "variables", f"{what} has no variables {', '.join(unused)}"
    grown = {name: len(value.encode()) - len(f"${{{name}}}") for name, value in given.items()}
    return too_long if size + sum(grown[name] for name in named) > LONGEST else None
