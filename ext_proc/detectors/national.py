"""Identifiers of single countries, as data: shape, check digits, and a word that must stand before
wherever the shape alone is too common. The figures behind the choices are in docs/accuracy-pii.md.
"""

from ext_proc.detectors.rules import Rule

RULES: tuple[Rule, ...] = ()
OPTIONAL: frozenset[str] = frozenset()
