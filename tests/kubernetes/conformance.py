"""Scenarios of Gateway API's conformance suite, by their intent: AIRoute stands for HTTPRoute.

Each is a test that bears the suite's name for it. `python -m tests.kubernetes.conformance FILE`
writes the table of them, docs/conformance.md.
"""

import argparse
import importlib
import ssl
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import yaml

from tests.kubernetes import installed
from tests.kubernetes.installed import Installed, eventually

VERSION = "v1.6.3"
PATIENCE_S = 300
"""Pods of several Gateways start at once, on few and busy processors."""
MODULES = ("test_gateway_api", "test_gateway_api_routes")
Test = TypeVar("Test", bound=Callable[..., Any])


@dataclass(frozen=True)
class Scenario:
    """One scenario: whether it passes, and what to know about it."""

    name: str
    passes: str
    note: str


SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, *, differs: str = "", missing: str = "") -> Callable[[Test], Test]:
    """Mark the test of a scenario; `missing`: it shows that what is asked for is refused openly."""
    passes = "no" if missing else "yes, but" if differs else "yes"

    def mark(test: Test) -> Test:
        SCENARIOS[name] = Scenario(name, passes, missing or differs)
        return test

    return mark


def table() -> str:
    """The document."""
    for module in MODULES:
        importlib.import_module(f"tests.kubernetes.{module}")
    rows = [f"| {each.name} | {each.passes} | {each.note} |" for each in in_order()]
    return "\n".join([HEADER, *rows, ""])


def in_order() -> list[Scenario]:
    return [SCENARIOS[name] for name in sorted(SCENARIOS)]


HEADER = f"""# Gateway API scenarios

Dragoman serves Gateway API's Gateways with AIRoutes, not with HTTPRoutes, so it cannot claim conformance, and its GatewayClass lists no `supportedFeatures`: each of those names is a
promise to pass tests that need HTTPRoute. What the conformance suite ({VERSION}) asks of Gateways, listeners, ReferenceGrants, `attachedRoutes` and `observedGeneration` is tested by
its intent instead, on a real cluster with real proxies, with AIRoute in HTTPRoute's place and models in that of paths
(`tests/kubernetes/test_gateway_api.py`, `test_gateway_api_routes.py`; this table is made from them). `no`: not supported, and a test shows that it is refused openly.

Left out, because they are about kinds or features that Dragoman does not have: paths, methods, query parameters, redirects, rewrites, mirrors, CORS, header filters; GRPCRoute,
TCPRoute, TLSRoute, UDPRoute, BackendTLSPolicy, ListenerSet, meshes.

| Scenario | Passes | Note |
|---|---|---|"""


def becomes(read: Callable[[], Any], expected: Any, patience_s: float = PATIENCE_S) -> None:
    """Wait until what is read is as expected, and show the difference if it never is."""
    with suppress(AssertionError):
        eventually(lambda: read() == expected, patience_s)
    found = read()
    assert found == expected, f"{found!r}, not {expected!r}"


def said(conditions: list[dict[str, Any]], *types: str) -> dict[str, str]:
    """What each condition says, as `True Accepted`."""
    return {
        each["type"]: f"{each['status']} {each['reason']}"
        for each in conditions
        if not types or each["type"] in types
    }


def generations(found: Any) -> Iterator[int]:
    """The observedGeneration of every condition, however deep."""
    if isinstance(found, list):
        for each in found:
            yield from generations(each)
    elif isinstance(found, dict):
        for name, value in found.items():
            if name == "conditions":
                yield from (each.get("observedGeneration", 0) for each in value)
            else:
                yield from generations(value)


@dataclass(frozen=True)
class Space:
    """Two namespaces: `infra` with Gateways, and another team's; and what a scenario does there."""

    dragoman: Installed
    infra: str
    web: str

    @contextmanager
    def applied(self, *objects: dict[str, Any], namespace: str = "") -> Iterator[None]:
        """Objects that are there for the length of a scenario."""
        namespace = namespace or self.infra
        self.dragoman.apply(namespace, *objects)
        try:
            yield
        finally:
            text = yaml.safe_dump_all(objects)
            gone = ("delete", "--ignore-not-found", "--wait=false", "--namespace", namespace)
            self.dragoman.kubectl(*gone, "--filename", "-", stdin=text)

    def listeners(self, gateway: str, *types: str) -> dict[str, Any]:
        """Of each listener: how many AIRoutes, which kinds, what its conditions say."""
        status = self.dragoman.get(self.infra, "gateway", gateway).get("status", {})
        return {
            each["name"]: (
                each["attachedRoutes"],
                [kind["kind"] for kind in each["supportedKinds"]],
                said(each["conditions"], *types),
            )
            for each in status.get("listeners", [])
        }

    def gateway(self, gateway: str, *types: str) -> dict[str, str]:
        status = self.dragoman.get(self.infra, "gateway", gateway).get("status", {})
        return said(status.get("conditions", []), *types)

    def parents(self, route: str, *types: str, namespace: str = "") -> list[dict[str, str]]:
        """What an AIRoute's parents say, in the order of its parentRefs."""
        found = self.dragoman.get(namespace or self.infra, "air", route).get("status", {})
        return [said(each["conditions"], *types) for each in found.get("parents", [])]

    def latest(self, kind: str, name: str) -> bool:
        """Whether every condition of the object speaks of what it is now."""
        found = self.dragoman.get(self.infra, kind, name)
        seen = list(generations(found.get("status", {})))
        return bool(seen) and set(seen) == {found["metadata"]["generation"]}

    def attached(self, gateway: str) -> list[int]:
        return [count for count, _, _ in self.listeners(gateway).values()]

    def url(self, gateway: str, port: int = 80) -> str:
        self.dragoman.wait(
            self.infra, f"gateway/{gateway}", type_="Programmed", patience_s=PATIENCE_S
        )
        return self.dragoman.url(self.infra, gateway, port)


@contextmanager
def space(dragoman: Installed) -> Iterator[Space]:
    """Namespaces with what every scenario needs."""
    mark = uuid.uuid4().hex[:6]
    found = Space(dragoman, f"infra-{mark}", f"web-{mark}")
    for name, label in ((found.infra, "infra"), (found.web, "backend")):
        labels = {"conformance": label}
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        made["metadata"]["labels"] = labels
        dragoman.apply("default", made)
        dragoman.apply(name, installed.backend(), *map(pods_map, (0, 1)))
    yield found
    for name in (found.infra, found.web):
        dragoman.kubectl("delete", "namespace", name, "--wait=false")


def pods_map(count: int) -> dict[str, Any]:
    """Parameters of data planes: how many pods."""
    parameters = yaml.safe_dump({"replicas": count, "podDisruptionBudget": {"enabled": False}})
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"pods-{count}"},
        "data": {"dataPlane.yaml": parameters},
    }


def gateway(name: str, *listeners: dict[str, Any], pods: int = 0, **spec: Any) -> dict[str, Any]:
    """A Gateway; without pods where only its status matters."""
    parameters = {"group": "", "kind": "ConfigMap", "name": f"pods-{pods}"}
    infrastructure = {"parametersRef": parameters, **spec.pop("infrastructure", {})}
    every = list(listeners) or [listener()]
    return installed.gateway(name, listeners=every, infrastructure=infrastructure, **spec)


def listener(
    name: str = "http", port: int = 80, from_: Any = "Same", **more: Any
) -> dict[str, Any]:
    namespaces = from_ if isinstance(from_, dict) else {"from": from_}
    allowed = {"namespaces": namespaces, **more.pop("allowed", {})}
    return {"name": name, "port": port, "protocol": "HTTP", "allowedRoutes": allowed, **more}


def https(name: str = "https", port: int = 443, **more: Any) -> dict[str, Any]:
    """An HTTPS listener; `certificate` as in `certificateRefs`."""
    certificate = more.pop("certificate", {"name": "certificate"})
    tls = {"certificateRefs": [certificate]}
    return listener(name, port, **{"protocol": "HTTPS", "tls": tls, **more})


def route(
    name: str,
    /,
    *parents: str | dict[str, Any],
    model: str = "",
    hosts: tuple[str, ...] = (),
    **ref: Any,
) -> dict[str, Any]:
    """An AIRoute; with `model` for that one only. What its backendRef says is in the answer."""
    made = installed.route(name)
    made["spec"]["rules"][0]["backendRefs"] = [{"name": "mock", "model": name, **ref}]
    refs = [each if isinstance(each, dict) else {"name": each} for each in parents]
    made["spec"] |= {"parentRefs": refs, **({"hostnames": list(hosts)} if hosts else {})}
    if model:
        made["spec"]["rules"][0]["matches"] = [{"model": {"value": model}}]
    return made


def grant(*sources: tuple[str, str], to: tuple[str, ...], group: str = "") -> dict[str, Any]:
    """A ReferenceGrant: (kind, namespace) may refer to (kind, name)."""
    groups = {"Gateway": "gateway.networking.k8s.io", "AIRoute": "dragoman.dev"}
    from_ = [
        {"group": group or groups[kind], "kind": kind, "namespace": there}
        for kind, there in sources
    ]
    target = {"group": "" if to[0] == "Secret" else "dragoman.dev", "kind": to[0]}
    target |= {"name": to[1]} if to[1:] else {}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "ReferenceGrant",
        "metadata": {"name": f"grant-{uuid.uuid4().hex[:6]}"},
        "spec": {"from": from_, "to": [target]},
    }


def answer(url: str, host: str, model: str = "any", sni: str = "") -> tuple[int, str]:
    """Status and the model that served; empty if none did, 0 without a connection.

    `sni`: over TLS, to that name.
    """
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    more = {"extensions": {"sni_hostname": sni}} if sni else {}
    with httpx2.Client(verify=trust, timeout=30) as client:
        place, headers = f"{url}/v1/chat/completions", {"host": host}
        try:
            found = client.post(place, json=body, headers=headers, **more)
        except httpx2.TransportError:
            return 0, ""
    return found.status_code, found.json().get("model", "") if found.status_code == 200 else ""


def answers(url: str, expected: dict[tuple[str, ...], tuple[int, str]]) -> None:
    """Wait until every (host, model[, SNI]) is answered as expected."""
    becomes(lambda: {each: answer(url, *each) for each in expected}, expected)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    from tests.kubernetes import conformance  # the one that the tests register with

    parser.parse_args().file.write_text(conformance.table())
