"""An AIRoute has a bound at the guard: its rules beyond it answer 503 and are named."""

from dataclasses import replace

from controller.translate import sizes, translate
from crds.meta import Key
from crds.plan import Guards, RoutePlan, RulePlan, SchemaPlan, canonical
from tests.translate.test_translate import model, routed, world

LARGE = "x" * (32 * 1024 - 1)
PROMPTS = Key("ConfigMap", "infra", "prompts")


def weighing(rules):
    """An AIRoute whose every rule has sixteen prompts of 32 kB, told apart by their keys."""
    return [
        {
            "name": f"r{rule}",
            "matches": model(f"m{rule}"),
            "backendRefs": [
                {
                    "name": "openai",
                    "model": f"m{number}",
                    "promptRef": {"name": "prompts", "key": f"k{number}"},
                }
                for number in range(16)
            ],
        }
        for rule in range(rules)
    ]


def prompted(rules):
    given = world(routed("large", *weighing(rules)))
    texts = {f"k{number}": LARGE for number in range(16)}
    return replace(given, config_maps={PROMPTS: texts})


def test_half_of_what_fits_is_untouched() -> None:
    translation = translate(prompted(8))
    [plan] = translation.config.route_plans
    assert all(len(rule.targets) == 16 for rule in plan.rules)
    assert translation.statuses[Key("AIRoute", "infra", "large")].problems == ()


def test_rules_that_find_no_place_answer_503_and_are_named() -> None:
    translation = translate(prompted(40))
    [plan] = translation.config.route_plans
    kept = [bool(rule.targets) for rule in plan.rules]
    assert kept == [True] * 15 + [False] * 25
    assert len(canonical(plan)) < sizes.LARGEST
    status = translation.statuses[Key("AIRoute", "infra", "large")]
    assert [line.field for line in status.problems] == [f"spec.rules[{n}]" for n in range(15, 40)]
    [resolved] = [each for each in status.conditions if each.type == "ResolvedRefs"]
    assert (resolved.status, resolved.reason) == ("False", "TooLarge")
    assert "shorten its prompts" in resolved.message


def test_a_rule_that_finds_no_place_keeps_its_requests() -> None:
    index = translate(prompted(40)).config.virtual_host_plans[0]
    assert all(f"m{number}" in index.tiers[0].exact for number in range(40))


def test_policies_that_are_too_much_alone_leave_no_rule() -> None:
    schema = SchemaPlan(name="s", policy="n/p", text="y" * sizes.LARGEST, enforced=True)
    rules = tuple(
        RulePlan(name=name, targets=(), unary_class="", stream_class="", translate=False)
        for name in ("a", "b")
    )
    plan = RoutePlan(name="n/r", rules=rules, guards=Guards(request_schemas=(schema,)))
    fitted = sizes.fit(Key("AIRoute", "n", "r"), plan)
    assert fitted.plan == RoutePlan(name="n/r", rules=rules)
    assert [each.field for each in fitted.faults] == ["spec.rules[0]", "spec.rules[1]"]
    assert all("fewer schemas and words" in each.message for each in fitted.faults)
