"""The order of an update, and what a NACK undoes: scripts against the cache with a clock of their own."""

import pytest

from controller.xds.ads import Request
from controller.xds.cache import ACK_TIMEOUT_S, SILENT_S, Cache, Live, Refused, Silence
from controller.xds.snapshot import CLUSTER, LISTENER, PLAN, ROUTE, SECRET, Resource, Snapshot
from crds.plan import SCHEMA

DRAIN_S = 10.0


def resource(name, version, *needs):
    return Resource(name, version, f"{name}@{version}".encode(), needs)


def snap(*, clusters="a1", listeners="l1", routes="r1", plans="p1", secrets="", needs=()):
    def held(text, needs=()):
        return {word[:-1]: resource(word[:-1], word[-1], *needs) for word in text.split()}

    return Snapshot(
        {
            CLUSTER: held(clusters),
            SECRET: held(secrets),
            LISTENER: held(listeners),
            ROUTE: held(routes),
            PLAN: held(plans, needs),
        }
    )


class Script:
    """Two clients and a clock; `step` moves on and returns what was sent, as short words."""

    def __init__(self):
        self.cache = Cache(DRAIN_S)
        self.now = 100.0
        self.events = []
        self.unanswered = []
        self.envoy = self.guard = None

    def connect_envoy(self, **initial):
        self.envoy = self.cache.connect(self.now)
        for type_url in (CLUSTER, LISTENER):
            self.receive(
                self.envoy, Request(type_url, "envoy/0", initial_versions=initial.get(type_url, ()))
            )
        return self

    def connect_guard(self, initial=()):
        self.guard = self.cache.connect(self.now)
        self.receive(self.guard, Request(PLAN, "ext_proc/0", ("*",), initial_versions=initial))
        return self

    def receive(self, number, request):
        self.events += self.cache.receive(number, request)

    def publish(self, snapshot, bridge=None):
        self.cache.publish(snapshot, bridge or {}, self.now)

    def step(self, later=0.0):
        self.now += later
        responses, events = self.cache.advance(self.now)
        self.events += events
        self.unanswered += responses
        return [
            word
            for _, response in responses
            for word in (
                *(f"{r.name}{r.version}" for r in response.resources),
                *(f"-{name}" for name in response.removed),
            )
        ]

    def ack(self, error=None):
        """Answer everything sent so far; a client that has a listener asks for its routes."""
        answered, self.unanswered = self.unanswered, []
        for number, response in answered:
            self.receive(number, Request(response.type_url, nonce=response.nonce, error=error))
            if response.type_url == LISTENER:
                self.receive(number, Request(ROUTE, subscribe=("r",)))

    def all_acked(self):
        sent = []
        while words := self.step():
            sent += words
            self.ack()
        return sent


@pytest.fixture
def script():
    made = Script().connect_envoy().connect_guard()
    made.publish(snap())
    made.all_acked()
    assert made.events == [Live(snap().version)]
    return made


def test_a_start_waits_for_each_ack_and_then_is_live():
    script = Script().connect_envoy()
    script.publish(snap())
    assert script.step() == ["a1"]
    assert script.step() == []
    script.ack()
    assert script.step() == ["l1"]
    script.ack()
    assert script.step() == ["r1"]
    script.ack()
    assert script.step() == []
    assert script.events == []
    script.connect_guard()
    assert script.step() == ["p1"]
    script.ack()
    script.step()
    assert script.events == [Live(snap().version)]


def test_nothing_is_served_before_the_first_snapshot():
    assert Script().connect_envoy().connect_guard().step() == []


def test_an_update_makes_before_it_breaks(script):
    script.publish(snap(clusters="b1", listeners="l1", routes="r2", plans="p2"))
    assert script.step() == ["b1"]
    script.ack()
    assert script.step() == ["r2"]
    script.ack()
    assert script.step() == ["p2"]
    script.ack()
    assert script.step() == []
    assert isinstance(script.events[-1], Live)
    assert script.step(DRAIN_S - 1) == []
    assert script.step(2) == ["-a"]
    script.ack()
    assert script.step(100) == []
    assert script.cache.drained


def test_nothing_is_removed_while_an_ext_proc_has_old_plans(script):
    script.publish(snap(clusters="b1", plans="p2"))
    for _ in range(3):
        script.step()
        script.ack()
    script.publish(snap(clusters="b1", plans="p3"))
    assert script.step() == ["p3"]
    assert script.step(10 * DRAIN_S) == []
    script.ack()
    script.step()
    assert script.step(DRAIN_S + 1) == ["-a"]


def test_a_cluster_that_comes_back_during_the_drain_stays(script):
    script.publish(snap(clusters="b1"))
    script.all_acked()
    script.publish(snap(clusters="a1 b1"))
    assert script.all_acked() == []
    assert script.step(10 * DRAIN_S) == []


def test_a_bridge_serves_until_the_drain_is_over(script):
    script.publish(snap(routes="r3", plans="p2"), {"r": resource("r", "2")})
    assert script.step() == ["r2"]
    script.ack()
    assert script.step() == ["p2"]
    script.ack()
    script.step()
    assert script.step(DRAIN_S + 1) == ["r3"]
    script.ack()
    assert script.step(100) == []


def test_a_silent_envoy_holds_up_the_next_step_for_a_while_only(script):
    script.publish(snap(clusters="a2", listeners="l2"))
    assert script.step() == ["a2"]
    assert script.step(ACK_TIMEOUT_S - 1) == []
    assert script.step(2) == ["l2"]


def test_only_plans_that_need_a_missing_cluster_wait(script):
    target = snap(clusters="a1 b1", plans="p2")
    plans = {
        "p": resource("p", "2", "a"),
        "q": resource("q", "1", "b"),
        "v": resource("v", "1", "q"),
    }
    script.publish(Snapshot({**target.resources, PLAN: plans}))
    assert script.step() == ["b1", "p2"]
    assert script.step(10 * ACK_TIMEOUT_S) == []
    script.ack()
    assert script.step() == ["q1", "v1"]


def test_an_equal_snapshot_sends_nothing(script):
    script.publish(snap())
    assert script.step(1000) == []
    assert len(script.events) == 1


def test_clients_that_come_back_with_equal_versions_are_sent_nothing(script):
    script.cache.disconnect(script.envoy, script.now)
    script.cache.disconnect(script.guard, script.now)
    fresh = script.cache
    again = Script()
    again.cache, again.now = fresh, script.now
    again.connect_envoy(**{CLUSTER: (("a", "1"),), LISTENER: (("l", "1"),)})
    again.connect_guard((("p", "1"),))
    again.receive(again.envoy, Request(ROUTE, subscribe=("r",), initial_versions=(("r", "1"),)))
    assert again.step() == []


def test_a_restarted_controller_sends_nothing_to_clients_that_hold_it_all():
    script = Script()
    script.publish(snap())
    script.connect_envoy(**{CLUSTER: (("a", "1"),), LISTENER: (("l", "1"),)})
    script.receive(script.envoy, Request(ROUTE, subscribe=("r",), initial_versions=(("r", "1"),)))
    script.connect_guard((("p", "1"),))
    assert script.step() == []
    assert script.events == [Live(snap().version)]


def test_a_refused_update_falls_back_to_the_last_accepted_version(script):
    script.publish(snap(clusters="a2 b1"))
    assert script.step() == ["a2", "b1"]
    script.ack("a: no")
    assert script.events[-1] == Refused(CLUSTER, "a", "a: no", True)
    assert script.step() == ["a1"]
    script.ack()
    script.step()
    assert isinstance(script.events[-1], Live)
    [refusal] = script.cache.refusals.of(snap(clusters="a2 b1"))
    assert (refusal.name, refusal.replaced) == ("a", True)


def test_a_refused_version_is_not_tried_again_but_a_fix_is(script):
    script.publish(snap(clusters="a2"))
    script.step()
    script.ack("a: bad")
    script.all_acked()
    script.publish(snap(clusters="a2", plans="p2"))
    assert script.all_acked() == ["p2"]
    script.publish(snap(clusters="a3", plans="p2"))
    assert script.all_acked() == ["a3"]
    assert script.cache.refusals.of(snap(clusters="a3")) == ()


def test_a_refused_newcomer_is_left_out(script):
    script.publish(snap(clusters="a1 b1"))
    assert script.step() == ["b1"]
    script.ack("b: bad")
    assert script.events[-1] == Refused(CLUSTER, "b", "b: bad", False)
    assert script.step() == ["-b"]


def test_a_refused_plan_keeps_the_old_one(script):
    script.publish(snap(plans="p2"))
    assert script.step() == ["p2"]
    script.ack("p: cannot be used")
    assert script.step() == ["p1"]
    script.ack()
    script.step()
    assert isinstance(script.events[-1], Live)


def test_a_second_envoy_does_not_hold_back_what_serves(script):
    script.connect_envoy()
    assert script.step() == ["a1"]
    assert script.cache.connected() == {"envoy": 2, "ext_proc": 1}
    script.cache.disconnect(script.envoy, script.now)
    assert script.cache.connected() == {"envoy": 1, "ext_proc": 1}


class Pods(Script):
    """As in Kubernetes: two pods with an Envoy and an ext_proc each."""

    def __init__(self, *places):
        super().__init__()
        self.numbers = {}
        for place in places:
            self.join(place)

    def join(self, place):
        for type_url in (CLUSTER, PLAN):
            role = "ext_proc" if type_url == PLAN else "envoy"
            number = self.numbers[role, place] = self.cache.connect(self.now)
            self.receive(number, Request(type_url, f"{role}/{place}", ("*",)))
            if role == "envoy":
                self.receive(number, Request(LISTENER, ""))

    def ack_but(self, *silent):
        """Answer everything but what went to one client."""
        kept = [each for each in self.unanswered if each[0] in silent]
        self.unanswered = [each for each in self.unanswered if each[0] not in silent]
        self.ack()
        self.unanswered = kept

    def settle_but(self, *silent):
        self.ack_but(*silent)
        while self.step():
            self.ack_but(*silent)


def test_no_pod_that_serves_means_not_live():
    pods = Pods("a")
    pods.cache.expect(frozenset())
    pods.publish(snap())
    pods.settle_but()
    assert pods.events == []
    pods.cache.expect(frozenset({"a"}))
    pods.step()
    assert pods.events == [Live(snap().version)]


def test_only_pods_that_were_ready_at_the_publish_are_waited_for():
    pods = Pods("a")
    pods.cache.expect(frozenset({"a"}))
    pods.publish(snap())
    pods.join("b")
    pods.cache.expect(frozenset({"a", "b"}))
    pods.settle_but(pods.numbers["envoy", "b"], pods.numbers["ext_proc", "b"])
    assert pods.events == [Live(snap().version)]


def test_a_ready_pod_that_is_not_connected_is_waited_for_but_not_for_ever():
    pods = Pods("a")
    pods.cache.expect(frozenset({"a", "away"}))
    pods.publish(snap())
    pods.settle_but()
    assert pods.events == []
    assert pods.cache.silent(pods.now) == ()
    pods.step(SILENT_S)
    assert pods.events == [Live(snap().version), Silence()]
    assert pods.cache.silent(pods.now) == ("envoy/away", "ext_proc/away")
    pods.cache.expect(frozenset({"a"}))
    assert pods.cache.silent(pods.now) == ()


def test_a_silent_envoy_does_not_hold_up_other_pods_and_is_named():
    pods = Pods("a", "b")
    stuck = pods.numbers["envoy", "b"]
    pods.cache.expect(frozenset({"a", "b"}))
    pods.publish(snap())
    pods.settle_but()
    pods.publish(snap(listeners="l2", plans="p2"))
    pods.settle_but(stuck)
    assert len(pods.events) == 1
    pods.step(ACK_TIMEOUT_S)
    pods.settle_but(stuck)
    assert [r.version for r in pods.cache._plans.values()] == ["2"]
    pods.step(SILENT_S)
    assert pods.events == [
        Live(snap().version),
        Live(snap(listeners="l2", plans="p2").version),
        Silence(),
    ]
    assert pods.cache.silent(pods.now) == ("envoy/b",)


def test_a_silent_envoy_whose_connection_breaks_is_silent_still():
    pods = Pods("a", "b")
    pods.cache.expect(frozenset({"a", "b"}))
    pods.publish(snap())
    pods.settle_but()
    stuck = pods.numbers["envoy", "b"]
    pods.publish(snap(listeners="l2"))
    pods.settle_but(stuck)
    pods.step(SILENT_S)
    assert pods.cache.silent(pods.now) == ("envoy/b",)
    pods.cache.disconnect(stuck, pods.now + 1)
    pods.step(2)
    assert pods.cache.silent(pods.now) == ("envoy/b",)
    assert pods.events.count(Silence()) == 1
    pods.publish(snap(listeners="l3"))
    pods.settle_but(stuck)
    assert pods.events[-1] == Live(snap(listeners="l3").version), "not waited for again"
    assert pods.cache.silent(pods.now) == ("envoy/b",)


def test_an_envoy_that_leaves_is_named_once_it_has_been_away_for_long_and_not_after():
    pods = Pods("a", "b")
    pods.cache.expect(frozenset({"a", "b"}))
    pods.publish(snap())
    pods.settle_but()
    pods.step(10 * SILENT_S)
    pods.cache.disconnect(pods.numbers["envoy", "b"], pods.now)
    pods.step()
    assert pods.cache.silent(pods.now) == ()
    assert pods.cache.deadline(pods.now) == pods.now + SILENT_S
    pods.step(SILENT_S)
    assert pods.cache.silent(pods.now) == ("envoy/b",)
    assert pods.events == [Live(snap().version), Silence()]
    pods.join("b")
    pods.step()
    assert pods.cache.silent(pods.now) == ()
    assert pods.events[2:] == [Silence()]


def test_scaling_does_not_revoke_what_is_live():
    pods = Pods("a", "b")
    pods.cache.expect(frozenset({"a", "b"}))
    pods.publish(snap())
    pods.settle_but()
    pods.cache.expect(frozenset({"a"}))
    pods.join("c")
    pods.cache.expect(frozenset({"a", "c"}))
    pods.settle_but(pods.numbers["envoy", "c"])
    assert pods.events == [Live(snap().version)]


def test_a_pod_that_left_just_now_is_waited_for_also_after_a_long_series_of_edits():
    pods = Pods("a", "b", "c")
    pods.cache.expect(frozenset({"a", "b", "c"}))
    pods.publish(snap())
    pods.settle_but()
    stuck = pods.numbers["envoy", "a"]
    for version in "23":
        pods.publish(snap(listeners=f"l{version}"))
        pods.settle_but(stuck)
        pods.step(0.4 * SILENT_S)
    pods.cache.disconnect(pods.numbers["envoy", "b"], pods.now)
    pods.publish(snap(listeners="l4"))
    pods.settle_but(stuck)
    pods.step(0.4 * SILENT_S)
    assert pods.events == [Live(snap().version), Silence()]
    pods.join("b")
    pods.settle_but(stuck)
    assert pods.events[2:] == [Live(snap(listeners="l4").version)]


def test_what_an_earlier_controller_sent_serves_on_where_a_new_version_is_refused():
    """As after a change of leader: what was refused is sent again, and refused again."""
    pods = Pods()
    pods.envoy = pods.cache.connect(pods.now)
    for type_url in (CLUSTER, LISTENER):
        held = (("a", "1"), ("b", "1")) if type_url == CLUSTER else ()
        pods.receive(pods.envoy, Request(type_url, "envoy/a", initial_versions=held))
    pods.connect_guard()
    pods.publish(snap(clusters="a2 b1", plans="p1", needs=("a",)))
    assert pods.step() == ["a2", "p1"]
    plans = [pods.unanswered.pop()]
    pods.ack("Error adding/updating cluster(s) a: no")
    pods.unanswered = plans
    [refused] = [each for each in pods.events if isinstance(each, Refused)]
    assert refused.replaced
    sent = pods.all_acked()
    assert "-a" not in sent
    assert "a1" not in sent
    pods.step()
    assert any(isinstance(each, Live) for each in pods.events)


def test_a_guard_of_another_schema_serves_on_with_what_it_has_until_its_pod_is_replaced():
    """As when the controller is upgraded first: nothing its plans need is removed meanwhile."""
    script = Script()
    script.connect_envoy(**{CLUSTER: (("a", "1"), ("old", "1"))})
    old = script.cache.connect(script.now)
    other = PLAN.replace(f".v{SCHEMA}.", f".v{SCHEMA - 1}.")
    script.receive(old, Request(other, "ext_proc/0", ("*",), initial_versions=(("p", "1"),)))
    script.publish(snap(plans="p2"))
    assert script.all_acked() == ["l1", "r1"]
    assert script.step(10 * DRAIN_S) == []
    assert not any(isinstance(each, Live) for each in script.events)
    script.cache.disconnect(old, script.now)
    script.connect_guard()
    assert script.all_acked() == ["p2"]
    assert Live(snap(plans="p2").version) in script.events
    script.step()
    assert script.step(DRAIN_S + 1) == ["-old"]


def test_who_answers_late_but_answers_is_not_silent():
    pods = Pods("a")
    pods.cache.expect(frozenset({"a"}))
    pods.publish(snap())
    pods.settle_but()
    for version in range(2, 8):
        pods.publish(snap(clusters=f"a{version} b{version}"))
        pods.step(SILENT_S / 4)
        number, response = pods.unanswered.pop(0)
        pods.publish(snap(clusters=f"a{version} b{version} c{version}"))
        pods.step()
        pods.receive(number, Request(response.type_url, nonce=response.nonce))
    assert pods.cache.silent(pods.now) == ()


def test_a_pod_that_was_away_moves_on_without_a_gap():
    """Its Envoy keeps what its guard still names, and its guard waits for what its Envoy lacks."""
    pods = Pods("a")
    pods.cache.expect(frozenset({"a", "b"}))
    pods.publish(snap(clusters="c1", plans="p2", needs=("c",)))
    pods.settle_but()
    guard = pods.numbers["ext_proc", "b"] = pods.cache.connect(pods.now)
    pods.receive(guard, Request(PLAN, "ext_proc/b", ("*",), initial_versions=(("p", "1"),)))
    assert pods.step() == []
    envoy = pods.numbers["envoy", "b"] = pods.cache.connect(pods.now)
    old = (("a", "1"), ("b", "1"))
    pods.receive(envoy, Request(CLUSTER, "envoy/b", ("*",), initial_versions=old))
    pods.receive(envoy, Request(LISTENER, ""))
    assert pods.step() == ["c1"]
    pods.ack()
    assert pods.step() == ["l1", "p2"]
    pods.settle_but()
    assert pods.step(DRAIN_S - 1) == []
    assert pods.step(1) == ["-a", "-b"]
