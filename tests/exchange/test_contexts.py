"""Which targets a context rules out, by what it would have to hold at once."""

import json

import pytest

from crds.plan import (
    Candidate,
    MatchTier,
    PathPlan,
    RoutePlan,
    RulePlan,
    TargetPlan,
    VirtualHostPlan,
)
from ext_proc.events import RequestBody
from ext_proc.plans import Snapshot, compile_update
from tests.exchange import harness

TEXT = "one two three four five six"
FORMATS = ("OpenAIChat", "OpenAIEmbeddings", "OpenAIModerations", "OpenAICompletions", "Rerank")
FORMATS += ("GeminiEmbeddings", "GeminiEmbedContent")
BATCH = "/v1beta/models/m:batchEmbedContents"


def target(name, tokens):
    return TargetPlan(
        cluster=name,
        backend=f"ns/{name}",
        provider="OpenAI",
        model="m",
        paths={each: PathPlan(call="/", stream="/") for each in FORMATS},
        weight=1,
        priority=int(name == "large"),
        contexts={"m": tokens},
    )


RULE = RulePlan(
    name="only",
    targets=(target("small", 10), target("large", 1000)),
    unary_class="call",
    stream_class="stream",
    translate=False,
)
HOST = VirtualHostPlan(
    name="host",
    gateway="ns/ai",
    listener="http",
    tiers=(MatchTier(rest=(Candidate(route="ns/r", rule="only"),)),),
    routes=("ns/r",),
)
SNAPSHOT = compile_update(Snapshot(), harness.update(RoutePlan(name="ns/r", rules=(RULE,)), HOST))


def asked(path, body):
    exchange = harness.Bench(SNAPSHOT).exchange()
    harness.receive(exchange, harness.headers(path))
    [reply] = harness.receive(exchange, RequestBody(json.dumps(body).encode()))
    exchange.close("gone")
    return list(reply.metadata["dragoman"]["targets"])


def contents(*texts):
    return [{"model": "models/m", "content": {"parts": [{"text": each}]}} for each in texts]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": "m", "input": [TEXT] * 9}),
        ("/v1/moderations", {"model": "m", "input": [TEXT] * 9}),
        ("/v1/completions", {"model": "m", "prompt": [TEXT] * 9}),
        ("/v2/rerank", {"model": "m", "query": "six", "documents": [TEXT] * 9}),
        (BATCH, {"requests": contents(*[TEXT] * 9)}),
    ],
)
def test_texts_that_are_asked_one_by_one_need_no_context_for_all(path, body):
    assert asked(path, body) == ["small", "large"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/v1/chat/completions",
            {"model": "m", "messages": [{"role": "user", "content": TEXT}] * 2},
        ),
        ("/v1/embeddings", {"model": "m", "input": ["six", f"{TEXT} {TEXT}"]}),
        (BATCH, {"requests": contents("six", f"{TEXT} {TEXT}")}),
        (
            "/v1beta/models/m:embedContent",
            {"content": {"parts": [{"text": TEXT}, {"text": TEXT}]}},
        ),
    ],
)
def test_what_is_asked_together_goes_to_who_can_hold_it(path, body):
    assert asked(path, body) == ["large"]
