"""What the store keeps, and what of late news it does not believe."""

import pytest

from controller.sources.api import Resource
from controller.sources.store import Store, entry
from crds.meta import Key
from crds.objects import Broken

KEY = Key("AIBackend", "team", "openai")


def backend(version, spec=None, **meta):
    spec = spec or {"provider": "OpenAI", "auth": {"type": "APIKey", "secretRef": {"name": "key"}}}
    return {
        "apiVersion": "dragoman.dev/v1alpha1",
        "kind": "AIBackend",
        "metadata": {
            "name": "openai",
            "namespace": "team",
            "uid": "u-1",
            "resourceVersion": str(version),
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "planted"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "planted"},
            **meta,
        },
        "spec": spec,
        "status": {"observedGeneration": version},
    }


@pytest.fixture
def changes():
    return []


@pytest.fixture
def store(changes):
    return Store(lambda: changes.append(1))


def test_what_is_kept_is_what_is_used(store, changes) -> None:
    store.put(entry(backend(5)))
    meta = store.meta(KEY)
    assert (meta.uid, meta.version, meta.generation) == ("u-1", "5", 1)
    assert meta.status == {"observedGeneration": 5}
    (made,) = store.loaded().objects
    assert (made.meta.uid, made.meta.creation_timestamp) == ("u-1", "2026-01-01T00:00:00Z")
    assert (len(changes), made.origin, made.meta.namespace) == (1, "", "team")
    assert "planted" not in repr(entry(backend(5)))


def test_a_status_changes_what_writers_see_but_not_the_content(store, changes) -> None:
    store.put(entry(backend(5)))
    (before,) = store.loaded().objects
    store.put(entry(backend(6)))
    assert store.meta(KEY).status == {"observedGeneration": 6}
    (after,) = store.loaded().objects
    assert (len(changes), after) == (1, before)
    assert after is before
    store.put(entry(backend(7, generation=2)))
    assert len(changes) == 2


def test_late_news_change_nothing(store, changes) -> None:
    store.put(entry(backend(9)))
    store.put(entry(backend(8)))
    store.drop(KEY, "7")
    assert store.version(KEY) == "9"
    store.drop(KEY, "10")
    store.put(entry(backend(9)))
    assert store.meta(KEY) is None
    store.put(entry(backend(12, uid="u-2")))
    assert (store.version(KEY), len(changes)) == ("12", 3)


def test_what_was_read_counts_unless_something_was_told_meanwhile(store) -> None:
    store.put(entry(backend(5)))
    before = store.mark(KEY)
    store.put(entry(backend(6)))
    assert not store.replace(before, KEY, None)
    assert store.replace(store.mark(KEY), KEY, entry(backend(2))), "a restored etcd counts anew"
    nothing = store.mark(KEY)
    store.drop(KEY, "7")
    assert not store.replace(nothing, KEY, entry(backend(6)))
    absent = store.mark(KEY)
    store.put(entry(backend(8)))
    store.drop(KEY, "9")
    assert not store.replace(absent, KEY, entry(backend(8))), "it came and went meanwhile"
    assert store.meta(KEY) is None


def test_a_broken_object_still_needs_what_its_last_content_referred_to(store) -> None:
    store.put(entry(backend(5)))
    store.wants_changed = False
    store.put(entry(backend(6, {"provider": "Unheard", "auth": {"type": "None"}}, generation=2)))
    (broken,) = store.loaded().broken
    assert isinstance(broken, Broken)
    assert (broken.problems[0].field, broken.generation, broken.origin) == ("spec.provider", 2, "")
    assert [each.to for each in store.references()] == [Key("Secret", "team", "key")]
    store.put(entry(backend(7, {"provider": "OpenAI", "auth": {"type": "None"}}, generation=3)))
    assert (list(store.references()), store.wants_changed) == ([], True)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("AIPolicy", "/apis/g/v1/namespaces/n/aipolicies/x/status"),
        ("GatewayClass", "/apis/g/v1/namespaces/n/gatewayclasses/x/status"),
        ("Gateway", "/apis/g/v1/namespaces/n/gateways/x/status"),
        ("EndpointSlice", "/apis/g/v1/namespaces/n/endpointslices/x/status"),
        ("NetworkPolicy", "/apis/g/v1/namespaces/n/networkpolicies/x/status"),
    ],
)
def test_kinds_have_their_names_in_paths(kind, path) -> None:
    assert Resource("g/v1", kind).at("n", "x", "status") == path
    assert Resource("v1", "Secret").at("n") == "/api/v1/namespaces/n/secrets"
