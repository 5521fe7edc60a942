import json

import pytest

from crds.plan import (
    Candidate,
    GuardPlan,
    Guards,
    MatchTier,
    RoutePlan,
    RulePlan,
    TargetPlan,
    VirtualHostPlan,
)
from ext_proc import matching, response
from ext_proc.events import Answer, Continue, RequestBody, ResponseBody, ResponseHeaders
from ext_proc.machine import Pending
from ext_proc.matching import Traits
from ext_proc.plans import Host, Snapshot, UnusablePlanError, Update, compile_update
from tests.exchange import harness

PATHS = {"OpenAIChat": {"call": "/v1/chat/completions", "stream": "/v1/chat/completions"}}


def target(name, backend="ns/a", **more):
    given = {
        "weight": 1,
        "priority": 0,
        "provider": "OpenAI",
        "model": None,
        "paths": PATHS,
        **more,
    }
    return TargetPlan(cluster=name, backend=backend, **given)


NONE = Guards()


def plans(*targets, host=NONE, rule=NONE):
    route = RoutePlan(
        name="ns/r",
        rules=(
            RulePlan(
                name="only",
                targets=targets or (target("ns/a/*"),),
                unary_class="call",
                stream_class="stream",
                translate=False,
                guards=rule,
            ),
        ),
    )
    vh = VirtualHostPlan(
        name="host",
        gateway="ns/ai",
        listener="http",
        guards=(host,),
        tiers=(MatchTier(rest=(Candidate(route="ns/r", rule="only"),)),),
        routes=("ns/r",),
    )
    return compile_update(Snapshot(), harness.update(route, vh))


def body(size=None, text="x"):
    written = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    if size is None:
        return written
    return body(None, text + "x" * (size - len(written)))


def ask(bench, sent=None):
    exchange = bench.exchange()
    harness.receive(exchange, harness.headers("/v1/chat/completions"))
    (reply,) = harness.receive(exchange, RequestBody(sent or body()))
    return exchange, reply


MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("host", "rule", "limit"),
    [
        (1000, None, 1000),
        (None, 1000, 1000),
        (1000, 2000, 1000),
        (2000, 1000, 1000),
        (None, None, 4 * MIB),
        (10 * MIB, None, 10 * MIB),
    ],
)
def test_the_smallest_limit_holds_to_the_byte(host, rule, limit):
    bench = harness.Bench(plans(host=Guards(max_body_bytes=host), rule=Guards(max_body_bytes=rule)))
    for size, passes in ((limit - 1, True), (limit, True), (limit + 1, False)):
        sent = body(size)
        assert len(sent) == size
        _, reply = ask(bench, sent)
        assert isinstance(reply, Continue if passes else Answer)
        if not passes:
            assert reply.status == 413


def test_a_rule_without_matches_yields_to_matches_of_less_specific_hostnames():
    tiers = (
        MatchTier(rest=(Candidate(route="ns/own", rule="all"),)),
        MatchTier(
            exact={"gpt": (Candidate(route="ns/any", rule="exact"),)},
            prefix={"cl": (Candidate(route="ns/any", rule="prefix"),)},
            rest=(Candidate(route="ns/any", rule="all"),),
        ),
    )
    host = Host(
        VirtualHostPlan(name="host", gateway="ns/ai", listener="http", tiers=tiers), "1", ()
    )
    served = {}
    for model in ("gpt", "claude", "other"):
        first = next(matching.fits(host, Traits(model, {}))).candidate
        served[model] = f"{first.route} {first.rule}"
    assert served == {"gpt": "ns/any exact", "claude": "ns/any prefix", "other": "ns/own all"}


def test_a_large_body_leaves_the_event_loop():
    exchange = harness.Bench(plans()).exchange()
    harness.receive(exchange, harness.headers("/v1/chat/completions"))
    assert isinstance(exchange.receive(RequestBody(body(100_000))), Pending)


def test_an_unavailable_gateway_policy_refuses_everything_unread():
    _, reply = ask(harness.Bench(plans(host=Guards(unavailable="gone"))), b"{not even json")
    assert (reply.status, harness.parsed(reply.body)["error"]["code"]) == (503, "guard_unavailable")


def test_a_full_backend_is_skipped_and_all_full_is_overloaded():
    bench = harness.Bench(
        plans(
            target("a", "ns/a", max_concurrent=1), target("b", "ns/b", priority=1, max_concurrent=1)
        )
    )
    first, one = ask(bench)
    second, two = ask(bench)
    _, three = ask(bench)
    assert harness.shown(one)["targets"] == ["a", "b"]
    assert harness.shown(two)["targets"] == ["b"]
    assert (three.status, dict(three.headers)["retry-after"]) == (503, "1")
    first.close("failed")
    assert harness.shown(ask(bench)[1])["targets"] == ["a"]
    second.close("gone")


def test_a_slot_moves_to_the_backend_that_answers():
    bench = harness.Bench(
        plans(target("a", "ns/a", max_concurrent=1), target("b", "ns/b", priority=1))
    )
    exchange, _ = ask(bench)
    answered = {":status": "200", "content-type": "text/event-stream", "x-dragoman-target": "b"}
    harness.receive(exchange, ResponseHeaders(answered, end=False))
    assert bench.slots._taken == {"ns/b": 1}
    exchange.close("gone")
    assert not bench.slots._taken


def test_equal_guards_are_compiled_once_and_kept_over_updates():
    guard = GuardPlan(name="a", policy="ns/p", type="Keywords", action="Block", words=("one",))
    again = guard.model_copy(update={"name": "b", "policy": "ns/q", "action": "Audit"})
    first = plans(host=Guards(request=(guard,)), rule=Guards(response=(again,)))
    assert len(first.detectors) == 1
    second = compile_update(first, Update({}, ()))
    assert second.detectors == first.detectors
    emptied = compile_update(second, Update({}, ("vh/host", "route/ns/r")))
    assert (emptied.detectors, emptied.hosts, emptied.routes, emptied.versions) == ({}, {}, {}, {})


def test_completeness_means_every_route_is_there():
    whole = plans()
    assert whole.complete
    assert not compile_update(whole, Update({}, ("route/ns/r",))).complete
    assert not Snapshot().complete


def test_a_plan_that_cannot_be_read_is_named():
    with pytest.raises(UnusablePlanError, match="vh/host"):
        compile_update(Snapshot(), Update({"vh/host": ("1", b'{"kind":"VirtualHost"}')}))


def test_a_response_that_is_too_large_to_judge_is_refused(monkeypatch):
    monkeypatch.setattr(response, "MAX_WHOLE_BYTES", 100)
    exchange, _ = ask(harness.Bench(plans()))
    answered = {":status": "200", "content-type": "application/json", "x-dragoman-target": "ns/a/*"}
    assert harness.receive(exchange, ResponseHeaders(answered, end=False)) == []
    assert harness.receive(exchange, ResponseBody(b"x" * 100, end=False)) == []
    (reply,) = harness.receive(exchange, ResponseBody(b"x", end=False))
    assert reply.status == 502
