"""Personal data as a span detector: the entities, and those a policy gets that lists none.

The rules are tables in `identifiers` and `national`, the engine is in `rules`.
"""

from functools import lru_cache

from ext_proc.detectors import american, identifiers, national, rules
from ext_proc.detectors.span import SpanDetector

RULES = (*identifiers.RULES, *american.RULES, *national.RULES)
ENTITIES = tuple(dict.fromkeys(rule.entity for rule in RULES))
# What a policy that lists nothing gets: the sure ones.
DEFAULT = tuple(
    e for e in ENTITIES if e not in {"URL", "USDriverLicense", "USBankAccount", *national.OPTIONAL}
)


@lru_cache(maxsize=64)  # policies share lists, and compiling one takes seconds
def detector(entities: tuple[str, ...] = DEFAULT) -> SpanDetector:
    """Return a detector of these entities."""
    return rules.detector([rule for rule in RULES if rule.entity in entities])
