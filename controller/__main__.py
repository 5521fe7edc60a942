"""`python -m controller files | kubernetes`: where configuration comes from, and who is told.

What a process of either kind needs is set here once; the rest is in `standalone` and `operator`.
"""

import gc
import importlib
import logging
import sys

SOURCES = {"files": "controller.standalone", "kubernetes": "controller.operator"}


def main(argv: list[str]) -> int:
    """Run the controller of a source; its module is imported only when it is asked for."""
    if not argv or argv[0] not in SOURCES:
        sys.stderr.write(f"usage: python -m controller {' | '.join(SOURCES)} [OPTION...]\n")
        return 2
    logging.basicConfig(level=logging.WARNING, format="controller: %(levelname)s: %(message)s")
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)  # a rebuild makes large trees that live: do not walk them
    return int(importlib.import_module(SOURCES[argv[0]]).main(argv[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
