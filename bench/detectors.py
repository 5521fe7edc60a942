"""Read JSON lines {"id", "text"}, write {"id", "spans"}: what the evaluation's score.py calls.

python score.py pii "cmd:python bench/detectors.py" --map ext_proc/detectors/presidio.json
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ext_proc.detectors.report import spans_of

for line in sys.stdin:
    row = json.loads(line)
    print(json.dumps({"id": row["id"], "spans": spans_of(row["text"])}))
