"""`make accuracy`: score `dragoman detect` on a folder of labelled data that holds `score.py`."""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

import ext_proc.detectors

COMMAND = f"cmd:{shlex.quote(sys.executable)} -m dragoman detect"
NAMES = Path(ext_proc.detectors.__file__).parent / "presidio.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a folder of labelled data with its score.py")
    data = parser.parse_args().data
    if not (data / "score.py").exists():
        print(f"accuracy: {data} holds no score.py", file=sys.stderr)
        return 2
    score = [sys.executable, str((data / "score.py").resolve())]
    injection = [*score, "injection", f"{COMMAND} injection", "--threshold", "0.5"]
    pii = [*score, "pii", f"{COMMAND} pii", "--map", str(NAMES.resolve())]
    return max(subprocess.call(command) for command in (injection, pii))


if __name__ == "__main__":
    sys.exit(main())
