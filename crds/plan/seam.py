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
