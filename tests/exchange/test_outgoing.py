"""What goes out to targets of other formats, who is asked at all, and what the caller is told."""

import json

import pytest

from crds.plan import Candidate, Guards, MatchTier, RoutePlan, RulePlan, TargetPlan, VirtualHostPlan
from ext_proc.events import Answer, RequestBody, ResponseBody, ResponseHeaders
from ext_proc.plans import Snapshot, compile_update
from tests.exchange import harness

CHAT = {"OpenAIChat": {"call": "/v1/chat/completions", "stream": "/v1/chat/completions"}}
NONE = Guards()
MESSAGES = {"AnthropicMessages": {"call": "/v1/messages", "stream": "/v1/messages"}}


def target(name, paths, **more):
    given = {"weight": 1, "priority": 0, "provider": "OpenAI", "model": None, **more}
    return TargetPlan(cluster=name, backend=f"ns/{name}", paths=paths, **given)


def plans(*targets, guards=NONE):
    rule = RulePlan(
        name="only",
        targets=targets,
        unary_class="call",
        stream_class="stream",
        translate=len(targets) > 1,
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


def ask(snapshot, path="/v1/chat/completions", **body):
    bench = harness.Bench(snapshot)
    exchange = bench.exchange()
    harness.receive(exchange, harness.headers(path))
    given = {"model": "m", "messages": [{"role": "user", "content": "x"}], **body}
    [reply] = harness.receive(exchange, RequestBody(json.dumps(given).encode()))
    return reply


def asked(reply):
    groups = reply.metadata["dragoman.targets"]["priority_groups"]
    return [group["clusters"][0]["cluster_name"] for group in groups]


def test_one_foreign_target_is_written_to_by_the_guard():
    reply = ask(plans(target("claude", MESSAGES, model="claude-x")), temperature=0.50)
    sent = json.loads(reply.body)
    assert (sent["model"], sent["max_tokens"]) == ("claude-x", 4096)
    assert reply.metadata["dragoman"]["targets"]["claude"]["path"] == "/v1/messages"
    assert sent["temperature"] == 0.5


def test_where_targets_differ_the_callers_own_words_go_out():
    reply = ask(plans(target("a", CHAT, model="a"), target("claude", MESSAGES)), seed=1)
    assert json.loads(reply.body)["seed"] == 1
    wires = reply.metadata["dragoman"]["targets"]
    assert {name: (wire["format"], wire["model"]) for name, wire in wires.items()} == {
        "a": ("OpenAIChat", "a"),
        "claude": ("AnthropicMessages", "m"),
    }


@pytest.mark.parametrize(
    ("body", "able"),
    [({"seed": 1}, {"a", "claude"}), ({"n": 2}, {"a"}), ({"messages": [{"role": "user", "content": [{"type": "oddity"}]}]}, {"a"})],
)  # fmt: skip
def test_what_the_answer_depends_on_leaves_a_target_out(body, able):
    """A parameter may be dropped; another number of answers or content that has no words may not."""
    assert set(asked(ask(plans(target("a", CHAT), target("claude", MESSAGES)), **body))) == able


def test_what_another_provider_signed_is_a_loss_of_the_callers_own_format():
    """Also where each attempt is written apart: a policy may refuse it."""
    snapshot = plans(target("claude", MESSAGES), target("gpt", CHAT), guards=NONE)
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": "gemini_c2ln"}
    said = [{"role": "assistant", "content": [foreign, {"type": "text", "text": "a"}]}]
    strict = plans(
        target("claude", MESSAGES), target("gpt", CHAT), guards=Guards(refuse_losses=True)
    )
    given = {"messages": said, "max_tokens": 5}
    assert asked(ask(snapshot, "/v1/messages", **given))
    refused = ask(strict, "/v1/messages", **given)
    assert isinstance(refused, Answer)
    assert b"messages[0].reasoning" in refused.body


def test_where_policy_says_so_nothing_is_dropped():
    strict = Guards(refuse_losses=True)
    both = plans(target("a", CHAT), target("claude", MESSAGES), guards=strict)
    assert asked(ask(both, seed=1)) == ["a"]
    assert len(asked(ask(both))) == 2
    reply = ask(plans(target("claude", MESSAGES), guards=strict), seed=1, logit_bias={"1": 1})
    assert isinstance(reply, Answer)
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"]) == (400, "untranslatable")
    assert "logit_bias, seed" in error["message"]


def test_a_request_nobody_could_read_is_400():
    odd = [{"role": "user", "content": [{"type": "oddity"}]}]
    reply = ask(plans(target("claude", MESSAGES)), messages=odd)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (400, "malformed_request")
    assert "messages[0].content[0].type" in json.loads(reply.body)["error"]["message"]


def test_names_that_a_caller_made_up_are_bounded():
    """In length, in number, and to what can be printed."""
    odd = {f"k{n}\n": 1 for n in range(50)} | {"x" * 1000: 1}
    reply = ask(plans(target("claude", MESSAGES), guards=Guards(refuse_losses=True)), **odd)
    message = json.loads(reply.body)["error"]["message"]
    assert "k0?, k1?" in message
    assert "and 31 more" in message
    assert "\n" not in message
    assert len(message) < 1000


def test_the_place_of_what_cannot_be_read_is_bounded():
    """Also where an error names it."""
    schema = {"properties": {"k\n" * 60: {"type": 5}}}
    declared = {"functionDeclarations": [{"name": "f", "parameters": schema}]}
    given = {"contents": [{"parts": [{"text": "hi"}]}], "tools": [declared]}
    exchange = harness.Bench(plans(target("claude", MESSAGES))).exchange()
    harness.receive(exchange, harness.headers("/v1beta/models/m:generateContent"))
    [reply] = harness.receive(exchange, RequestBody(json.dumps(given).encode()))
    assert reply.status == 400
    message = json.loads(reply.body)["error"]["message"]
    assert "\n" not in message
    assert message.startswith("tools[0].functionDeclarations[0].parameters.properties.k?")
    assert len(message) < 200


def test_the_header_of_what_was_dropped_is_bounded():
    snapshot = plans(target("claude", MESSAGES))
    exchange = harness.Bench(snapshot).exchange()
    harness.receive(exchange, harness.headers("/v1/chat/completions"))
    odd = {f"schlüssel{n}": 1 for n in range(50)}
    given = {"model": "m", "messages": [{"role": "user", "content": "x"}], "seed": 1, **odd}
    harness.receive(exchange, RequestBody(json.dumps(given).encode()))
    said = {":status": "200", "content-type": "application/json", "x-dragoman-target": "claude"}
    harness.receive(exchange, ResponseHeaders(said, end=False))
    answer = {"type": "message", "content": [{"type": "text", "text": "a"}]}
    start, *_ = harness.receive(exchange, ResponseBody(json.dumps(answer).encode(), end=True))
    dropped = dict(start.set_headers)["x-dragoman-dropped"]
    assert dropped.startswith("schl?ssel0, schl?ssel1, ")
    assert dropped.endswith(" and 31 more")


@pytest.mark.parametrize("spoken", ["/v1/chat/completions", "/v1/messages"])
def test_an_answer_that_cannot_be_used_is_charged(spoken):
    """Translated or not, guarded or not: the provider counted its tokens."""
    bench = harness.Bench(plans(target("claude", MESSAGES)))
    exchange = bench.exchange()
    harness.receive(exchange, harness.headers(spoken))
    given = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    harness.receive(exchange, RequestBody(json.dumps(given).encode()))
    said = {":status": "200", "content-type": "application/json", "x-dragoman-target": "claude"}
    harness.receive(exchange, ResponseHeaders(said, end=False))
    usage = {"input_tokens": 33, "output_tokens": 4}
    answer = {"type": "message", "content": None, "usage": usage}
    harness.receive(exchange, ResponseBody(json.dumps(answer).encode(), end=True))
    exchange.close("complete")
    used = bench.records[0].usage
    assert (used.input_tokens, used.output_tokens, used.estimated) == (33, 4, False)
