"""Scripts of one delta-ADS stream: what the client says, what it must be sent."""

from controller.xds.ads import Acceptance, Rejection, Request, Stream, culprits
from controller.xds.snapshot import CLUSTER, PLAN, SECRET, Resource


def resource(name, version="1"):
    return Resource(name, version, f"{name}@{version}".encode())


def view(*resources):
    return {each.name: each for each in resources}


A1, A2, B1 = resource("/a"), resource("/a", "2"), resource("/b")


def ask(
    stream, type_url=CLUSTER, *, subscribe=(), unsubscribe=(), initial=(), nonce="", error=None
):
    return stream.receive(
        Request(
            type_url, "envoy/0", tuple(subscribe), tuple(unsubscribe), tuple(initial), nonce, error
        )
    )


def sent(responses):
    return [
        ([f"{r.name}@{r.version}" for r in each.resources], list(each.removed))
        for each in responses
    ]


def test_nothing_is_sent_before_it_is_asked_for():
    assert Stream().offer(CLUSTER, view(A1)) == ()


def test_an_empty_first_request_asks_for_all_of_a_type():
    stream = Stream()
    ask(stream)
    assert sent(stream.offer(CLUSTER, view(A1, B1))) == [(["/a@1", "/b@1"], [])]


def test_equal_content_is_sent_once():
    stream = Stream()
    ask(stream)
    [response] = stream.offer(CLUSTER, view(A1))
    assert stream.offer(CLUSTER, view(A1)) == ()
    assert ask(stream, nonce=response.nonce) == (Acceptance(CLUSTER, (A1,)),)
    assert stream.offer(CLUSTER, view(A1)) == ()


def test_only_what_changed_is_sent_and_what_is_gone_is_removed():
    stream = Stream()
    ask(stream)
    stream.offer(CLUSTER, view(A1, B1))
    assert sent(stream.offer(CLUSTER, view(A2))) == [(["/a@2"], ["/b"])]
    assert stream.offer(CLUSTER, view(A2)) == ()


def test_a_client_that_comes_back_with_equal_versions_is_sent_nothing():
    stream = Stream()
    ask(stream, initial=[("/a", "1"), ("/b", "1")])
    assert stream.offer(CLUSTER, view(A1, B1)) == ()
    assert stream.holds(CLUSTER, view(A1, B1), unasked=True)


def test_a_client_that_comes_back_hears_what_changed_and_what_is_gone():
    stream = Stream()
    ask(stream, initial=[("/a", "1"), ("/b", "1")])
    assert sent(stream.offer(CLUSTER, view(A2))) == [(["/a@2"], ["/b"])]


def test_named_resources_come_alone_and_those_that_do_not_exist_yet_later():
    stream = Stream()
    ask(stream, SECRET, subscribe=["/b"])
    assert stream.offer(SECRET, view(A1)) == ()
    assert sent(stream.offer(SECRET, view(A1, B1))) == [(["/b@1"], [])]


def test_a_named_resource_is_never_removed_under_its_user():
    stream = Stream()
    ask(stream, SECRET, subscribe=["/a"])
    stream.offer(SECRET, view(A1))
    assert stream.offer(SECRET, {}) == ()


def test_what_is_asked_for_again_is_sent_again():
    stream = Stream()
    ask(stream, SECRET, subscribe=["/a"])
    stream.offer(SECRET, view(A1))
    ask(stream, SECRET, subscribe=["/a"])
    assert sent(stream.offer(SECRET, view(A1))) == [(["/a@1"], [])]


def test_what_is_no_longer_asked_for_is_no_longer_sent():
    stream = Stream()
    ask(stream, SECRET, subscribe=["/a", "/b"])
    stream.offer(SECRET, view(A1, B1))
    ask(stream, SECRET, unsubscribe=["/a"])
    assert stream.offer(SECRET, view(A2, B1)) == ()


def test_the_end_of_a_wildcard():
    stream = Stream()
    ask(stream, subscribe=["*"])
    stream.offer(CLUSTER, view(A1))
    ask(stream, unsubscribe=["*"])
    assert stream.offer(CLUSTER, view(A2, B1)) == ()


def test_a_stale_nonce_acks_nothing_but_its_subscriptions_count():
    stream = Stream()
    ask(stream, SECRET, subscribe=["/a"])
    [response] = stream.offer(SECRET, view(A1))
    assert ask(stream, SECRET, nonce="999", subscribe=["/b"]) == ()
    assert not stream.holds(SECRET, view(A1), unasked=False)
    assert sent(stream.offer(SECRET, view(A1, B1))) == [(["/b@1"], [])]
    ask(stream, SECRET, nonce=response.nonce)
    assert stream.holds(SECRET, view(A1), unasked=False)


def test_an_old_ack_does_not_count_for_newer_content():
    stream = Stream()
    ask(stream)
    [first] = stream.offer(CLUSTER, view(A1))
    [second] = stream.offer(CLUSTER, view(A2))
    ask(stream, nonce=first.nonce)
    assert not stream.holds(CLUSTER, view(A2), unasked=True)
    ask(stream, nonce=second.nonce)
    assert stream.holds(CLUSTER, view(A2), unasked=True)


def test_a_nack_names_its_culprit_and_the_rest_is_held():
    stream = Stream()
    ask(stream)
    [response] = stream.offer(CLUSTER, view(A1, B1))
    error = "Error adding/updating cluster(s) /b: no such thing"
    assert ask(stream, nonce=response.nonce, error=error) == (
        Acceptance(CLUSTER, (A1,)),
        Rejection(CLUSTER, (B1,), error),
    )
    assert stream.holds(CLUSTER, view(A1), unasked=True)
    assert not stream.holds(CLUSTER, view(A1, B1), unasked=True)


def test_a_nack_is_not_answered_with_the_same_bytes_and_a_fix_is_sent():
    stream = Stream()
    ask(stream)
    [response] = stream.offer(CLUSTER, view(A1))
    ask(stream, nonce=response.nonce, error="no")
    assert stream.offer(CLUSTER, view(A1)) == ()
    [fixed] = stream.offer(CLUSTER, view(A2))
    assert ask(stream, nonce=fixed.nonce) == (Acceptance(CLUSTER, (A2,)),)


def test_a_nack_that_names_nobody_makes_each_resource_come_alone():
    stream = Stream()
    ask(stream)
    [response] = stream.offer(CLUSTER, view(A1, B1))
    assert ask(stream, nonce=response.nonce, error="something is wrong") == (
        Acceptance(CLUSTER, ()),
    )
    one, two = stream.offer(CLUSTER, view(A1, B1))
    assert sent([one, two]) == [(["/a@1"], []), (["/b@1"], [])]
    assert Rejection(CLUSTER, (A1,), "no") in ask(stream, nonce=one.nonce, error="no")
    assert ask(stream, nonce=two.nonce) == (Acceptance(CLUSTER, (B1,)),)


def guard(*held):
    """A guard that holds these plans."""
    stream = Stream()
    ask(stream, PLAN, subscribe=["*"], initial=[(each.name, each.version) for each in held])
    return stream


def test_a_guard_that_refuses_one_plan_has_none_of_the_response():
    stream = guard(A1, resource("/gone"))
    [response] = stream.offer(PLAN, view(A2, B1, resource("/c")))
    found = ask(stream, PLAN, nonce=response.nonce, error="/a cannot be used")
    assert found == (Rejection(PLAN, (A2,), "/a cannot be used"),)
    assert stream.versions(PLAN) == {"/a": "1", "/gone": "1"}
    assert sent(stream.offer(PLAN, view(A2, B1))) == [(["/b@1"], ["/gone"])]
    assert sent(stream.offer(PLAN, view(resource("/a", "3"), B1))) == [(["/a@3"], [])]


def test_a_guard_that_names_nobody_gets_each_plan_alone():
    stream = guard(A1)
    [response] = stream.offer(PLAN, view(A2, B1))
    assert ask(stream, PLAN, nonce=response.nonce, error="no") == ()
    first, second = stream.offer(PLAN, view(A2, B1))
    assert sent([first, second]) == [(["/a@2"], []), (["/b@1"], [])]
    assert ask(stream, PLAN, nonce=first.nonce, error="no") == (Rejection(PLAN, (A2,), "no"),)
    assert stream.offer(PLAN, view(A2, B1)) == ()
    ask(stream, PLAN, nonce=second.nonce)
    assert stream.versions(PLAN) == {"/a": "1", "/b": "1"}


def test_a_refused_response_takes_nothing_back_that_was_sent_since():
    stream = guard(A1)
    [old] = stream.offer(PLAN, view(A1, B1, resource("/c")))
    [new] = stream.offer(PLAN, view(A1, resource("/b", "2"), resource("/c")))
    ask(stream, PLAN, nonce=old.nonce, error="/c cannot be used")
    assert stream.offer(PLAN, view(A1, resource("/b", "2"), resource("/c"))) == ()
    ask(stream, PLAN, nonce=new.nonce)
    assert stream.versions(PLAN) == {"/a": "1", "/b": "2"}


def test_the_longer_of_two_names_is_meant():
    stream = Stream()
    ask(stream)
    short, long = resource("key/default/a"), resource("key/default/ab")
    [response] = stream.offer(CLUSTER, view(short, long))
    assert culprits(response, "key/default/ab: bad") == (long,)
    assert culprits(response, "key/default/ab: bad, key/default/a: bad") == (short, long)
