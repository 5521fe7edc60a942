"""What one exchange leaves for the next, and what callers and records are told of attempts."""

import json

from crds.plan import (
    Candidate,
    Guards,
    MatchTier,
    RoutePlan,
    RulePlan,
    StickinessPlan,
    VirtualHostPlan,
)
from ext_proc import record
from ext_proc.events import RequestBody, ResponseBody, ResponseHeaders
from ext_proc.plans import Snapshot, compile_update
from tests.exchange import harness
from tests.exchange.choosing import target

ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "model": "m",
    "choices": [],
    "usage": {"prompt_tokens": 10, "completion_tokens": 700, "total_tokens": 710},
}
A, B = target("ns/a/m", backend="ns/a", model="m"), target("ns/b/m", backend="ns/b", model="m")


def bench(*targets, guards=None, **rule):
    host = VirtualHostPlan(
        name="host",
        gateway="ns/ai",
        listener="http",
        guards=(guards or Guards(),),
        tiers=(MatchTier(rest=(Candidate(route="ns/r", rule="only"),)),),
        routes=("ns/r",),
    )
    only = RulePlan(
        name="only",
        targets=targets,
        unary_class="call",
        stream_class="stream",
        translate=False,
        **rule,
    )
    route = RoutePlan(name="ns/r", rules=(only,))
    return harness.Bench(compile_update(Snapshot(), harness.update(host, route)))


def ask(world, headers=(), **body):
    """An exchange up to its verdict, and that."""
    exchange = world.exchange()
    harness.receive(exchange, harness.headers("/v1/chat/completions", **dict(headers)))
    whole = {"model": "x", "messages": [{"role": "user", "content": "Hi"}], **body}
    (reply,) = harness.receive(exchange, RequestBody(json.dumps(whole).encode()))
    return exchange, harness.shown(reply)


def answer(exchange, cluster, status=200, attempts=1, **refused):
    """The rest of the exchange; returns the headers the caller gets of a success."""
    headers = {
        ":status": str(status),
        "content-type": "application/json",
        "x-envoy-attempt-count": str(attempts),
        **({"x-dragoman-target": cluster} if cluster else {}),
    }
    told = {f"ns/{name}/m": why for name, why in refused.items()}
    metadata = {"dragoman.attempts": told} if told else {}
    harness.receive(exchange, ResponseHeaders(headers, False, metadata))
    replies = harness.receive(exchange, ResponseBody(json.dumps(ANSWER).encode(), True))
    exchange.close("gone")
    return harness.shown(replies[0]).get("start", {}) if replies else {}


def test_attempts_are_told_to_callers_and_in_the_record():
    world = bench(A, B)
    exchange, asked = ask(world)
    assert asked["targets"] == ["ns/a/m", "ns/b/m"]
    started = answer(exchange, "ns/b/m", attempts=2)
    assert started["x-dragoman-attempts"] == "2"
    assert started["x-dragoman-backend"] == "ns/b"
    (line,) = map(record.line, world.records)
    assert json.loads(line)["attempts"] == 2
    assert json.loads(line)["failed"] == [{"backend": "ns/a", "model": "m", "prompt": None}]


def test_a_model_only_the_caller_knows_is_not_told_of_a_failed_target():
    anything = target("ns/any/*", backend="ns/any")
    world = bench(anything, B)
    exchange, _ = ask(world, model="my secret words")
    answer(exchange, "ns/b/m", attempts=2)
    assert world.records[0].failed == (record.Arm("ns/any", record.OTHER),)


def test_what_asked_to_be_left_alone_stands_behind_in_the_next_exchange():
    world = bench(A, B)
    answer(ask(world)[0], "ns/b/m", attempts=2, a="429 30")
    assert ask(world)[1]["targets"] == ["ns/b/m", "ns/a/m"]


def test_a_plain_failure_counts_towards_ejection_only():
    world = bench(A, B)
    for _ in range(5):
        exchange, asked = ask(world)
        assert asked["targets"] == ["ns/a/m", "ns/b/m"]
        answer(exchange, "ns/b/m", attempts=2, a="500 ")
    assert ask(world)[1]["targets"] == ["ns/b/m", "ns/a/m"]


def test_envoys_own_answer_counts_against_all_that_were_tried():
    world = bench(A, B)
    for _ in range(5):
        answer(ask(world)[0], "", 503, attempts=1)
    assert ask(world)[1]["targets"] == ["ns/b/m", "ns/a/m"]


def test_what_answers_hold_is_learned_for_the_rule():
    world = bench(A)
    answer(ask(world)[0], "ns/a/m")
    assert world.learned.output_tokens("ns/r", "only", None, 0.0) == 700


def test_a_busy_target_is_relieved_and_all_is_given_back():
    world = bench(A, B, selection="LeastBusy")
    first, one = ask(world)
    second, two = ask(world)
    assert (one["targets"][0], two["targets"][0]) == ("ns/a/m", "ns/b/m")
    first.close("gone")
    third, three = ask(world)
    assert three["targets"][0] == "ns/a/m"
    for each in (second, third):
        each.close("failed")
    assert not world.slots._busy
    assert not world.learned.latency.has_waiting("ns/a/m", stream=False)


def test_the_users_key_is_read_before_it_is_redacted():
    pii = {"name": "p", "policy": "ns/p", "type": "PII", "action": "Redact", "entities": ["Email"]}
    world = bench(A, B, guards=Guards(request=(pii,)), stickiness=StickinessPlan(by="User"))
    sides = set()
    for number in range(20):
        exchange, asked = ask(world, user=f"user{number}@example.org")
        assert asked["body"]["user"] == "[REDACTED:Email]"
        sides.add(asked["targets"][0])
        exchange.close("gone")
    assert sides == {"ns/a/m", "ns/b/m"}


def test_token_limits_of_all_levels_are_in_what_is_sent():
    limits = Guards(max_output_tokens=50, max_prompt_tokens=100)
    world = bench(A, guards=limits)
    assert ask(world, max_tokens=900)[1]["body"]["max_tokens"] == 50
    refused = ask(world, messages=[{"role": "user", "content": "word " * 200}])[1]
    assert (refused["answer"], refused["body"]["error"]["code"]) == (400, "context_length_exceeded")
