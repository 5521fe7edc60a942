"""Reading a directory: which files count, how objects of many files become one Resources."""

import os
from pathlib import Path

import pytest

from controller.sources import files
from crds.meta import Key

ROUTE = """apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: NAME}
spec:
  parentRefs: [{name: ai}]
  rules: [{name: a, backendRefs: [{name: b}]}]
"""


def route(name: str) -> str:
    return ROUTE.replace("NAME", name)


def names(reading: files.Reading) -> list[str]:
    return [key.name for key in reading.resources.routes]


def lines(reading: files.Reading) -> list[str]:
    return [str(each) for each in (*reading.problems, *reading.unreadable)]


def test_yaml_files_of_all_folders_in_order(tmp_path) -> None:
    (tmp_path / "b.yaml").write_text(route("b"))
    (tmp_path / "a.yml").write_text(route("a"))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "c.yaml").write_text(route("c"))
    (tmp_path / "README.md").write_text("not: yaml: at all")
    (tmp_path / ".hidden.yaml").write_text(route("hidden"))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "d.yaml").write_text(route("hidden"))
    (tmp_path / "folder.yaml").mkdir()
    reading = files.read(tmp_path, {})
    assert names(reading) == ["a", "b", "c"]
    assert lines(reading) == []
    key = Key("AIRoute", "default", "c")
    assert reading.resources.routes[key].origin == f"{tmp_path}/deep/er/c.yaml:1"


def test_a_mounted_config_map(tmp_path) -> None:
    (tmp_path / "..2026_01").mkdir()
    (tmp_path / "..2026_01" / "a.yaml").write_text(route("a"))
    (tmp_path / "..data").symlink_to("..2026_01")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert names(files.read(tmp_path, {})) == ["a"]


def test_links_in_a_circle_and_to_nowhere(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text(route("a"))
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.yaml").symlink_to("nothing")
    reading = files.read(tmp_path, {})
    assert names(reading) == ["a"]
    assert lines(reading) == [f"{tmp_path}/gone.yaml: leads to no file; mend or remove the link"]


def test_what_is_no_file_is_not_opened(tmp_path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert lines(files.read(tmp_path, {})) == []


def test_a_directory_that_is_not_there(tmp_path) -> None:
    reading = files.read(tmp_path / "no", {})
    assert [str(each) for each in reading.unreadable] == [f"{tmp_path}/no: is not a directory"]


def test_an_unreadable_file_is_told_apart_from_problems(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text(route("a"))
    (tmp_path / "b.yaml").write_text("a: [")
    reading = files.read(tmp_path, {})
    assert names(reading) == ["a"]
    assert reading.problems == ()
    (finding,) = reading.unreadable
    assert finding.origin.startswith(f"{tmp_path}/b.yaml:")
    assert "goes on serving" not in finding.message


def test_a_file_in_which_one_object_cannot_be_told_is_not_used_at_all(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text(
        route("a") + "---\n" + route("b").replace("AIRoute", "AIRuote")
    )
    reading = files.read(tmp_path, {})
    assert names(reading) == []
    assert lines(reading) == [
        f"{tmp_path}/a.yaml:8: kind: unknown kind AIRuote; did you mean AIRoute?"
    ]


def test_of_two_the_first_is_used_and_both_places_are_named(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text(route("x"))
    (tmp_path / "b.yaml").write_text("# two\n" + route("x").replace("name: b", "name: c"))
    reading = files.read(tmp_path, {})
    (found,) = reading.resources.routes.values()
    assert found.spec.rules[0].backend_refs[0].name == "b"
    assert lines(reading) == [
        f"{tmp_path}/b.yaml:2: AIRoute default/x: stands twice; the one at {tmp_path}/a.yaml:1 is used; remove one of them"
    ]


def test_a_broken_object_stands_in_broken_and_among_the_problems(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text(route("x").replace("rules", "ruels") + "---\n" + route("y"))
    reading = files.read(tmp_path, {})
    assert names(reading) == ["y"]
    assert [each.key for each in reading.resources.broken] == [Key("AIRoute", "default", "x")]
    assert [each.origin for each in reading.problems] == [
        f"{tmp_path}/a.yaml:4",
        f"{tmp_path}/a.yaml:6",
    ]


EVERYTHING = """
apiVersion: v1
kind: List
items:
- {apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: d}, spec: {controllerName: dragoman.dev/controller}}
- apiVersion: gateway.networking.k8s.io/v1
  kind: Gateway
  metadata: {name: ai, namespace: platform}
  spec: {gatewayClassName: d, listeners: [{name: web, port: 80, protocol: HTTP}]}
- apiVersion: gateway.networking.k8s.io/v1beta1
  kind: ReferenceGrant
  metadata: {name: g, namespace: platform}
  spec: {from: [{group: dragoman.dev, kind: AIRoute, namespace: a}], to: [{group: dragoman.dev, kind: AIBackend}]}
- {apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {apiKey: $(KEY)}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {words: w}}
- {apiVersion: v1, kind: Namespace, metadata: {name: team-a, labels: {tier: gold, kubernetes.io/metadata.name: lie}}}
- {apiVersion: dragoman.dev/v1alpha1, kind: AIBackend, metadata: {name: b}, spec: {provider: OpenAI, auth: {type: None}}}
- apiVersion: dragoman.dev/v1alpha1
  kind: AIPolicy
  metadata: {name: p}
  spec: {targetRefs: [{group: dragoman.dev, kind: AIRoute, name: r}], request: {unscanned: Block}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}
"""


def test_every_kind_has_its_place(tmp_path) -> None:
    (tmp_path / "all.yaml").write_text(EVERYTHING)
    reading = files.read(tmp_path, {"KEY": "k"})
    found = reading.resources
    assert lines(reading) == []
    assert len(reading.notes) == 1
    assert list(found.gateway_classes) == [Key("GatewayClass", "", "d")]
    assert list(found.gateways) == [Key("Gateway", "platform", "ai")]
    assert list(found.reference_grants) == [Key("ReferenceGrant", "platform", "g")]
    assert found.secrets[Key("Secret", "default", "s")]["apiKey"].reveal() == b"k"
    assert found.config_maps[Key("ConfigMap", "default", "c")] == {"words": "w"}
    assert list(found.backends) == [Key("AIBackend", "default", "b")]
    assert list(found.policies) == [Key("AIPolicy", "default", "p")]
    assert found.namespace_labels == {
        "default": {"kubernetes.io/metadata.name": "default"},
        "platform": {"kubernetes.io/metadata.name": "platform"},
        "team-a": {"tier": "gold", "kubernetes.io/metadata.name": "team-a"},
    }


def test_resources_do_not_depend_on_files_or_their_order(tmp_path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    (one / "a.yaml").write_text("---\n".join(route(name) for name in "abc"))
    for place, name in enumerate("cab"):
        (other / f"{place}.yaml").write_text(route(name))
    assert names(files.read(one, {})) == names(files.read(other, {})) == ["a", "b", "c"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(route("a"))
    (tmp_path / "a.yaml").chmod(0)
    assert lines(files.read(tmp_path, {})) == [
        f"{tmp_path}/a.yaml: cannot be read: Permission denied"
    ]


def test_a_file_that_is_too_large(tmp_path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"#" * (files.SIZE_LIMIT + 1))
    assert lines(files.read(tmp_path, {})) == [
        f"{tmp_path}/a.yaml:1: the file is larger than 10 MiB; split it"
    ]
