"""`python -m ext_proc.detectors.precompile`: compile the built-in detectors, at installation."""

import shutil

from ext_proc.detectors import database, injection, pii, secrets


def main() -> None:
    """Compile what policies use most: every detector with its default settings."""
    shutil.rmtree(database.PRECOMPILED, ignore_errors=True)
    with database.keeping():
        injection.detector()
        secrets.detector()
        pii.detector()
        pii.detector(pii.ENTITIES)


if __name__ == "__main__":
    main()
