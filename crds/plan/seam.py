"""Names that Envoy, the controller and ext_proc know each other by; see ARCHITECTURE.md."""

SCHEMA = 1
"""Raised in a release whose plans an older ext_proc cannot read; see ARCHITECTURE.md."""
TYPE_URL = f"type.googleapis.com/dragoman.plan.v{SCHEMA}.Plan"

METADATA_NAMESPACE = "dragoman"
TARGETS_NAMESPACE = "dragoman.targets"
ATTEMPTS_NAMESPACE = "dragoman.attempts"
"""What targets refused a request with, by cluster: status, a space, Retry-After."""
PLAN_HEADER = "x-dragoman-plan"
FILTER_HEADER = "x-dragoman-filter"
TARGET_HEADER = "x-dragoman-target"
TRANSLATED_HEADER = "x-dragoman-translated"
MIRROR_HEADER = "dragoman-mirror"
"""What a mirror's filter is told of a copy: Envoy gives copies headers and body, no metadata.

Not `x-`, since it must outlive the strip filters: Envoy reads it after that of the first target.
"""
MIRROR_CLUSTER_HEADERS = tuple(f"{MIRROR_HEADER}-{slot}" for slot in range(4))
"""The clusters that get a copy of a request, each in a header of its own."""
PATH_HEADER = "x-dragoman-path"
"""Where a mirror takes a copy, as its filter tells the release filter."""
AFFINITY_HEADER = "x-dragoman-affinity"
"""The digest of a request's sticky key; Envoy finds the endpoint of a RingHash backend by it."""
