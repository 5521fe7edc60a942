"""`python -m tests.fuzz.run TARGET SECONDS`: fuzz one target, guided by the coverage of the guard.

Starts from the seeds and the kept corpus; ends with an error at the first crash, hang of ten seconds
or 512 MiB of memory. The input that did it is kept for good, and some of those that reached new code:
`make test` runs them all again.
"""

import base64
import random
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
_LONGEST, _KEPT = 1200, 80
"""Bytes of an input and inputs that are kept for having reached new code; all that failed are."""
_LIMITS = ("-timeout=10", "-rss_limit_mb=512", "-max_len=8192", "-print_final_stats=1")


def fuzz(target: str, arguments: list[str]) -> None:
    """Become libFuzzer. Never returns."""
    import atheris  # noqa: PLC0415 -- only where there is a wheel of it

    with atheris.instrument_imports(include=["ext_proc"]):
        from tests.fuzz import targets  # noqa: PLC0415 -- instrumented while imported

    atheris.Setup([sys.argv[0], *arguments], targets.TARGETS[target])
    atheris.Fuzz()


def main(target: str, seconds: str) -> int:
    """Fuzz in a process of its own, then keep a part of what it found."""
    from tests.fuzz import seeds  # noqa: PLC0415 -- the fuzzing process must not import it before

    page = CORPUS / f"{target}.txt"
    kept = page.read_text().split() if page.exists() else []
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{target}-") as scratch:
        found, failed = Path(scratch, "found"), Path(scratch, "failed")
        for folder in (found, failed):
            folder.mkdir()
        for number, data in enumerate((*seeds.of(target), *map(base64.b64decode, kept))):
            (found / f"seed-{number}").write_bytes(data)
        begin = [sys.executable, "-m", "tests.fuzz.run", "--inner", target]
        limits = (*_LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={failed}/")
        code = subprocess.call([*begin, *limits, found])
        reached = [each for each in sorted(found.iterdir()) if not each.name.startswith("seed-")]
        short = [each for each in reached if each.stat().st_size <= _LONGEST]
        some = random.sample(short, min(len(short), max(0, _KEPT - len(kept))))
        fresh = [each.read_bytes() for each in (*failed.iterdir(), *some)]
    lines = sorted({*kept, *(base64.b64encode(each).decode() for each in fresh)})
    CORPUS.mkdir(exist_ok=True)
    page.write_text("".join(f"{line}\n" for line in lines))
    print(f"{target}: exit {code}, {len(reached)} inputs reached new code, {len(lines)} are kept")
    return code


if __name__ == "__main__":
    if sys.argv[1] == "--inner":
        fuzz(sys.argv[2], sys.argv[3:])
    sys.exit(main(sys.argv[1], sys.argv[2]))
