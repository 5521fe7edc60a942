import pytest
import yaml

from ext_proc import record
from tests.exchange import harness

CASES = [
    pytest.param(case, id=f"{path.stem}: {case['sentence']}")
    for path in sorted((harness.HERE / "transcripts").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text())
]


@pytest.mark.parametrize("case", CASES)
def test_transcript(case):
    bench = harness.Bench(harness.snapshot(case["plans"]))
    exchange = bench.exchange()
    for step in case["steps"]:
        replies = harness.receive(exchange, harness.event(step["send"]))
        harness.within(
            step["reply"], [harness.shown(reply) for reply in replies], str(step["send"])
        )
    exchange.close("gone")
    (closed,) = bench.records
    harness.within(case["record"], harness.json.loads(record.line(closed)))
    assert not bench.slots._taken
