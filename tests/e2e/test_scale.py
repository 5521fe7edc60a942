"""A thousand AIRoutes on one hostname: Envoy's route table stays as it is, and an edit pushes one plan."""

import re
from pathlib import Path

import httpx2
import pytest

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ROUTES = 1000


def one(number: int, target: str = "first") -> str:
    rule = f"  - name: only\n    matches: [{{model: {{value: model-{number}}}}}]\n    backendRefs: [{{name: {target}}}]\n"
    return harness.route(f"route-{number:04d}", rule)


def pushed(run: harness.Running) -> dict[str, float]:
    """Resources sent so far, by type."""
    lines = re.findall(
        r'dragoman_xds_resources_sent_total\{type="(\w+)"\} ([0-9.e+]+)', run.metrics()
    )
    return {name: float(value) for name, value in lines}


def route_table(run: harness.Running) -> str:
    command = Path(f"/proc/{run.children()['ext_proc']}/cmdline").read_text().split("\0")
    admin = Path(next(w for w in command if w.endswith("ext_proc.sock"))).parent / "admin.sock"
    with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(admin))) as client:
        dump = client.get("http://admin/config_dump?resource=dynamic_route_configs").json()
    return str([entry["route_config"] for entry in dump["configs"]])


def test_the_route_table_does_not_grow_and_an_edit_is_one_plan(tmp_path: Path) -> None:
    first, second = harness.Provider(), harness.Provider()
    port = harness.free_port()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        first=harness.backend("first", first.port),
        second=harness.backend("second", second.port),
        few=one(0),
        keep=harness.route(
            "keep",
            "  - name: only\n    matches: [{model: {value: kept}}]\n    backendRefs: [{name: second}]\n",
        ),
    )

    def ask(model: str) -> httpx2.Response:
        return httpx2.post(
            url,
            json={"model": model, "messages": [{"role": "user", "content": "hello"}]},
            timeout=30,
        )

    with harness.running(tmp_path) as run:
        assert ask("model-0").status_code == 200
        small = route_table(run)
        for number in range(1, ROUTES):
            harness.write(tmp_path, **{f"route-{number:04d}": one(number)})
        harness.eventually(lambda: ask(f"model-{ROUTES - 1}").status_code == 200)
        assert route_table(run) == small

        before = pushed(run)
        harness.write(tmp_path, **{"route-0500": one(500, "second")})
        harness.eventually(
            lambda: ask("model-500").headers.get("x-dragoman-backend") == "default/second"
        )
        after = pushed(run)
        changes = {
            name: after[name] - before.get(name, 0)
            for name in after
            if after[name] != before.get(name, 0)
        }
        assert changes == {"plans": 1}
    first.close()
    second.close()
