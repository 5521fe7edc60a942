"""Plans as resources: the same ADS serves them, to ext_proc instead of Envoy."""

from controller.xds.snapshot import Resource
from crds import plan

Plan = plan.VirtualHostPlan | plan.RoutePlan


def name(item: Plan) -> str:
    """The name a plan is asked for by."""
    return plan.resource_name(item)


def build(item: Plan) -> Resource:
    """The resource of a plan; it needs the plans and clusters it names."""
    content = plan.canonical(item)
    return Resource(name(item), plan.version(content), content, _needs(item))


def _needs(item: Plan) -> tuple[str, ...]:
    match item:
        case plan.VirtualHostPlan():
            return tuple(f"route/{route}" for route in item.routes)
        case plan.RoutePlan():
            targets = (target for rule in item.rules for target in rule.every_target)
            clusters = (target.cluster for target in targets)
            return tuple(dict.fromkeys(clusters))
