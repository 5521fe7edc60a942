"""Which requests are copied to which mirrors, what Envoy is told, and what a copy's filter writes of it."""

import json
import random

import pytest

from crds.plan import (
    BindingPlan,
    Candidate,
    GuardPlan,
    Guards,
    MatchTier,
    MirrorPlan,
    PromptPlan,
    RoutePlan,
    RulePlan,
    TargetPlan,
    VirtualHostPlan,
)
from ext_proc import mirrors
from ext_proc.copies import Copy
from ext_proc.events import Answer, RequestBody, RequestHeaders, RequestTrailers
from ext_proc.machine import OutOfOrderError, Pending
from ext_proc.plans import Snapshot, compile_update
from tests.exchange import harness

CHAT = {"OpenAIChat": {"call": "/v1/chat/completions", "stream": "/v1/chat/completions"}}
MESSAGES = {"AnthropicMessages": {"call": "/v1/messages", "stream": "/v1/messages"}}
EMBEDDINGS = {"OpenAIEmbeddings": {"call": "/v1/embeddings", "stream": "/v1/embeddings"}}
CUT = PromptPlan(name="cut", mode="Replace", text="Be brief.")
REQUESTS = 10_000
NONE = Guards()


def target(name, paths=CHAT, **more):
    given = {"weight": 1, "priority": 0, "provider": "OpenAI", "model": None, **more}
    return TargetPlan(cluster=name, backend=f"ns/{name}", paths=paths, **given)


def mirror(name, paths=CHAT, percent=100, **more):
    return MirrorPlan(target=target(name, paths, **more), percent=percent)


def plans(*copied, guards=NONE, to=None):
    rule = RulePlan(
        name="only",
        targets=(to or target("main", model="m-main"),),
        mirrors=copied,
        unary_class="call",
        stream_class="stream",
        mirrored_unary_class="call,mirrored",
        mirrored_stream_class="stream,mirrored",
        translate=False,
    )
    host = VirtualHostPlan(
        name="host",
        gateway="ns/ai",
        listener="http",
        guards=(guards,),
        tiers=(MatchTier(rest=(Candidate(route="ns/r", rule="only"),)),),
        routes=("ns/r",),
    )
    return compile_update(Snapshot(), harness.update(RoutePlan(name="ns/r", rules=(rule,)), host))


def verdict(bench, **body):
    exchange = bench.exchange()
    harness.receive(exchange, harness.headers("/v1/chat/completions"))
    given = {"model": "m", "messages": [{"role": "user", "content": "x"}], **body}
    [reply] = harness.receive(exchange, RequestBody(json.dumps(given).encode()))
    exchange.close("gone")
    return reply


def ask(snapshot, **body):
    return verdict(harness.Bench(snapshot), **body)


def clusters(reply):
    """The clusters that get a copy, in their slots."""
    given = dict(reply.set_headers)
    return [given[name] for name in mirrors.MIRROR_CLUSTER_HEADERS if name in given]


def written(snapshot, cluster, reply):
    """What the mirror's filter makes of the copy."""
    copy = Copy(cluster, snapshot.routes)
    ticket = dict(reply.set_headers)["dragoman-mirror"]
    copy.receive(RequestHeaders({"dragoman-mirror": ticket}, end=False))
    outcome = copy.receive(RequestBody(reply.body))
    [sent] = outcome.resume()() if isinstance(outcome, Pending) else outcome
    assert copy.done
    headers = dict(sent.set_headers)
    assert headers["x-dragoman-translated"] == "1"
    return headers["x-dragoman-path"], json.loads(sent.body)


@pytest.mark.parametrize(("stream", "name"), [(False, "call"), (True, "stream")])
def test_each_chain_writes_its_own_body_of_a_request_that_is_copied(stream, name):
    snapshot = plans(mirror("claude", MESSAGES, model="m-claude"), mirror("other", prompt=CUT))
    reply = ask(snapshot, stream=stream)
    assert clusters(reply) == ["claude", "other"]
    said = reply.metadata["dragoman"]
    assert (said["class"], said["translate"]) == (f"{name},mirrored", True)
    assert list(said["targets"]) == ["main"]
    path, body = written(snapshot, "claude", reply)
    assert (path, body["model"], body["max_tokens"]) == ("/v1/messages", "m-claude", 4096)
    path, body = written(snapshot, "other", reply)
    assert (path, body["model"]) == ("/v1/chat/completions", "m")
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_what_is_not_copied_is_sent_as_without_mirrors():
    snapshot = plans(mirror("other", percent=0))
    reply, plain = ask(snapshot), ask(plans())
    assert (reply.body, reply.set_headers) == (plain.body, plain.set_headers)
    assert reply.metadata == plain.metadata
    assert json.loads(reply.body)["model"] == "m-main"


@pytest.mark.parametrize("percent", [0, 1, 25, 99, 100])
def test_each_mirror_gets_its_share(percent):
    chance = random.Random(percent).random
    rule = next(iter(plans(mirror("a", percent=percent), mirror("b", percent=50)).routes.values()))
    drawn = [mirrors.drawn(rule.plan.rules[0], chance) for _ in range(REQUESTS)]
    for name, share in (("a", percent / 100), ("b", 0.5)):
        got = sum(any(each.cluster == name for each in of_one) for of_one in drawn)
        spread = (REQUESTS * share * (1 - share)) ** 0.5
        assert abs(got - REQUESTS * share) <= 3.3 * spread  # one in a thousand falls outside


def test_a_mirror_that_cannot_be_told_gets_no_copy_and_no_say():
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    mute, choices = mirror("mute", EMBEDDINGS), mirror("claude", MESSAGES)
    for body in ({"n": 2}, {"messages": [{"role": "user", "content": [image]}], "n": 2}):
        reply = ask(plans(mute, choices), **body)
        assert (clusters(reply), reply.metadata["dragoman"]["class"]) == ([], "call")
    assert clusters(ask(plans(mute, choices, mirror("chat")), n=2)) == ["chat"]


def test_strict_policies_are_strict_with_mirrors():
    snapshot = plans(mirror("claude", MESSAGES), guards=Guards(refuse_losses=True))
    assert clusters(ask(snapshot)) == ["claude"]
    assert clusters(ask(snapshot, seed=1)) == []


def test_a_refusal_is_the_same_with_mirrors():
    """What the only target cannot be told, a mirror may be told: nobody is asked."""
    claude = target("main", MESSAGES)
    with_mirror, without = ask(plans(mirror("chat"), to=claude), n=2), ask(plans(to=claude), n=2)
    assert isinstance(with_mirror, Answer)
    assert with_mirror == without


def bindings(*, enforced):
    mark = GuardPlan(
        name="mark",
        policy="ns/p",
        type="Keywords",
        action="Label",
        words=("secret",),
        label=("kept", "yes"),
    )
    binding = BindingPlan(
        name="stays",
        policy="ns/p",
        labels=(("kept", "yes"),),
        backends=("ns/main", "ns/near"),
        enforced=enforced,
    )
    return Guards(request=(mark,), bindings=(binding,))


def test_bindings_hold_for_mirrors():
    secret = [{"role": "user", "content": "secret"}]
    copied = (mirror("near"), mirror("far"))
    bench = harness.Bench(plans(*copied, guards=bindings(enforced=True)))
    assert clusters(verdict(bench, messages=secret)) == ["near"]
    assert clusters(verdict(bench)) == ["near", "far"]
    assert [each.type for each in bench.records[0].verdicts] == ["Keywords"]
    alone = plans(mirror("far"), guards=bindings(enforced=True))
    assert clusters(ask(alone, messages=secret)) == []


def test_an_audit_binding_says_what_it_would_keep_from_mirrors():
    bench = harness.Bench(plans(mirror("far"), guards=bindings(enforced=False)))
    reply = verdict(bench, messages=[{"role": "user", "content": "secret"}])
    assert clusters(reply) == ["far"]
    audit = bench.records[0].verdicts[-1]
    assert (audit.guard, audit.action, audit.found) == ("stays", "Audit", (("ns/far", 1),))


def test_a_full_backend_gets_no_copies():
    full, free = mirror("full", max_concurrent=1), mirror("free", max_concurrent=2)
    bench = harness.Bench(plans(full, free))
    for each in (full, free):
        bench.slots.take(each.target)
    assert clusters(verdict(bench)) == ["free"]
    assert [each.backend for each in bench.records[0].mirrors] == ["ns/free"]
    assert bench.slots.busy(free.target) == 1  # copies are not counted


def test_the_record_names_the_mirrors_and_counts_nothing_of_them():
    bench = harness.Bench(plans(mirror("other", model="m-other", prompt=CUT)))
    verdict(bench)
    record = bench.records[0]
    assert [(m.backend, m.model, m.prompt) for m in record.mirrors] == [
        ("ns/other", "m-other", "cut")
    ]
    assert (record.backend, record.failed, record.usage, record.cost) == ("ns/main", (), None, None)


def test_a_ticket_holds_no_text_and_is_bounded():
    snapshot = plans(mirror("other", prompt=CUT))
    long = "\N{COMBINING ACUTE ACCENT}" * 256  # the door takes no longer one
    reply = ask(snapshot, model=long, messages=[{"role": "user", "content": "the planted text"}])
    ticket = dict(reply.set_headers)["dragoman-mirror"]
    said = mirrors.read(ticket)
    assert said == mirrors.Ticket(
        "ns/r", snapshot.routes["ns/r"].version, "only", "OpenAIChat", long, stream=False
    )
    assert "planted" not in repr(said)
    assert "brief" not in repr(said)
    assert len(ticket) < 4096
    assert written(snapshot, "other", reply)[1]["model"] == long


def test_by_another_plan_nothing_is_sent():
    old, new = plans(mirror("other")), plans(mirror("other", prompt=CUT))
    reply = ask(old)
    for now in (new, Snapshot()):
        copy = Copy("other", now.routes)
        copy.receive(RequestHeaders(dict(reply.set_headers), end=False))
        assert copy.receive(RequestBody(reply.body)) == (
            Answer(503, b"", details="dragoman_stale_copy"),
        )
        assert copy.done


def test_a_large_copy_is_written_on_another_thread():
    snapshot = plans(mirror("claude", MESSAGES))
    text = "long " * 10_000
    _, body = written(
        snapshot, "claude", ask(snapshot, messages=[{"role": "user", "content": text}])
    )
    assert text in json.dumps(body)
    copy = Copy("claude", snapshot.routes)
    reply = ask(snapshot, messages=[{"role": "user", "content": text}])
    copy.receive(RequestHeaders(dict(reply.set_headers), end=False))
    assert isinstance(copy.receive(RequestBody(reply.body)), Pending)
    assert not copy.done


@pytest.mark.parametrize("told", ["", "e30=", "%%%", "bnVsbA=="])
def test_without_the_guards_word_nothing_is_sent(told):
    copy = Copy("other", plans(mirror("other")).routes)
    with pytest.raises((ValueError, KeyError)):
        copy.receive(RequestHeaders({"dragoman-mirror": told} if told else {}, end=False))
    for event in (RequestBody(b"{}"), RequestHeaders({}, end=True)):
        with pytest.raises(OutOfOrderError):
            copy.receive(event)
    assert len(copy.receive(RequestTrailers())) == 1
    assert not copy.done
