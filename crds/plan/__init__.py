"""The plan: compiled instructions from the controller to ext_proc, the only contract they share.

One `VirtualHostPlan` per virtual host holds the guards of its Gateway and listener and the index
that finds a rule; one `RoutePlan` per AIRoute holds that AIRoute's own part. A plan names no
secret. Its version is the hash of its canonical JSON, so equal content is never sent twice.
"""

from crds.plan.encoding import (
    canonical,
    resource_name,
    version,
)
from crds.plan.formats import (
    FAMILIES,
    FORMAT_HEADERS,
    GENERIC,
    CallerFormat,
    Format,
    Unread,
)
from crds.plan.guards import (
    Action,
    BindingPlan,
    GuardPlan,
    Guards,
    GuardType,
    Origin,
    SchemaPlan,
)
from crds.plan.model import (
    Labels,
    PlanModel,
)
from crds.plan.routes import (
    BudgetPlan,
    Candidate,
    ListedModel,
    MatchTier,
    MirrorPlan,
    PathMatchPlan,
    Plan,
    RoutePlan,
    RulePlan,
    Selection,
    StickinessPlan,
    VirtualHostPlan,
)
from crds.plan.seam import (
    AFFINITY_HEADER,
    ATTEMPTS_NAMESPACE,
    FILTER_HEADER,
    METADATA_NAMESPACE,
    MIRROR_CLUSTER_HEADERS,
    MIRROR_HEADER,
    PATH_HEADER,
    PLAN_HEADER,
    SCHEMA,
    TARGET_HEADER,
    TARGETS_NAMESPACE,
    TRANSLATED_HEADER,
    TYPE_URL,
)
from crds.plan.targets import (
    PathPlan,
    PricePlan,
    PromptPlan,
    QuirksPlan,
    TargetPlan,
)

__all__ = [
    "AFFINITY_HEADER",
    "ATTEMPTS_NAMESPACE",
    "FAMILIES",
    "FILTER_HEADER",
    "FORMAT_HEADERS",
    "GENERIC",
    "METADATA_NAMESPACE",
    "MIRROR_CLUSTER_HEADERS",
    "MIRROR_HEADER",
    "PATH_HEADER",
    "PLAN_HEADER",
    "SCHEMA",
    "TARGETS_NAMESPACE",
    "TARGET_HEADER",
    "TRANSLATED_HEADER",
    "TYPE_URL",
    "Action",
    "BindingPlan",
    "BudgetPlan",
    "CallerFormat",
    "Candidate",
    "Format",
    "GuardPlan",
    "GuardType",
    "Guards",
    "Labels",
    "ListedModel",
    "MatchTier",
    "MirrorPlan",
    "Origin",
    "PathMatchPlan",
    "PathPlan",
    "Plan",
    "PlanModel",
    "PricePlan",
    "PromptPlan",
    "QuirksPlan",
    "RoutePlan",
    "RulePlan",
    "SchemaPlan",
    "Selection",
    "StickinessPlan",
    "TargetPlan",
    "Unread",
    "VirtualHostPlan",
    "canonical",
    "resource_name",
    "version",
]
