"""What is live, told by a Rollout while one configuration replaces another."""

import pytest

from controller import ir
from controller.rollout import Rollout
from controller.settings import BuildSettings
from controller.xds.build import Builder
from controller.xds.cache import Cache
from crds.plan import RoutePlan

ONE, TWO = (
    ir.Config(route_plans=(RoutePlan(name=f"team/{name}", rules=()),)) for name in ("one", "two")
)


class Told:
    """A Rollout whose proxies ACK when the test says so."""

    def __init__(self):
        self.published = []
        self.live = []
        publish = lambda target, _: self.published.append(target.version)  # noqa: E731
        builder = Builder(BuildSettings())
        self.rollout = Rollout(builder, Cache(1.0), publish, self.live.append)

    def ack(self):
        self.rollout.went_live(self.rollout.version)


@pytest.fixture
def told():
    made = Told()
    made.rollout.serve(ONE, "one")
    assert made.live == []
    made.ack()
    return made


def test_equal_content_is_live_at_once(told):
    told.rollout.serve(ONE, "one again")
    assert told.live == ["one", "one again"]
    assert len(told.published) == 1


def test_what_goes_back_to_what_was_live_waits_like_everything_else(told):
    told.rollout.serve(TWO, "two")
    told.rollout.serve(ONE, "one again")
    assert told.live == ["one"]
    told.ack()
    assert told.live == ["one", "one again"]
    assert len(told.published) == 3


def test_of_what_was_never_live_nothing_is_kept(told):
    for number in range(10):
        told.rollout.serve((ONE, TWO)[number % 2], str(number))
    assert len(told.rollout._notes) == 1
