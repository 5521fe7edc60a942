"""Score JSON lines for prompt injection: {"id", "text"} in, {"id", "score", "reasons"} out."""

import json
import sys

from ext_proc.detectors.injection import detector


def main() -> None:
    score = detector().score
    for line in sys.stdin:
        if line.strip():
            row = json.loads(line)
            verdict = score(row["text"])
            print(
                json.dumps(
                    {"id": row["id"], "score": round(verdict.score, 6), "reasons": verdict.reasons}
                )
            )


if __name__ == "__main__":
    main()
