"""Plans as bytes that depend on their content alone."""

import hashlib
import json

from crds.plan.routes import RoutePlan, VirtualHostPlan


def canonical(plan: VirtualHostPlan | RoutePlan) -> bytes:
    """The plan as JSON whose bytes depend on its content alone."""
    return json.dumps(
        plan.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def version(content: bytes) -> str:
    """The version of a resource: the hash of its bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


def resource_name(plan: VirtualHostPlan | RoutePlan) -> str:
    """The xDS name: `vh/…` or `route/…`."""
    return f"{'vh' if plan.kind == 'VirtualHost' else 'route'}/{plan.name}"
