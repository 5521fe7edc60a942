"""What a pod of a data plane may do: as little as Kubernetes can say."""

import json

from tests.kubernetes.installed import ask
from tests.kubernetes.planes import serve

LOOK = """
import json, os, pathlib
def can_write(place):
    try:
        pathlib.Path(place, "x").write_text("x")
    except OSError as error:
        return error.strerror
    return "written"
status = dict(line.split(":\\t", 1) for line in pathlib.Path("/proc/self/status").open() if ":\\t" in line)
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "token": os.path.exists("/var/run/secrets/kubernetes.io"),
    "key": os.path.exists("/var/run/dragoman/xds/tls.key"),
    "root": can_write("/"), "tmp": can_write("/tmp"), "etc": can_write("/etc"),
    "capabilities": int(status["CapEff"], 16),
    "no new privileges": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
}))
"""


def test_a_restricted_namespace_admits_the_pods_and_they_are_confined(dragoman, team):
    label = "pod-security.kubernetes.io/enforce=restricted"
    dragoman.kubectl("label", "namespace", team, label)
    url = serve(dragoman, team)
    assert ask(url).status_code == 200
    for pod in dragoman.pods(team):
        assert pod["spec"]["automountServiceAccountToken"] is False
        volumes = {next(k for k in each if k != "name") for each in pod["spec"]["volumes"]}
        assert volumes == {"emptyDir", "configMap", "secret"}
        command = ("exec", "-n", team, pod["metadata"]["name"])
        guard = json.loads(dragoman.kubectl(*command, "-c", "guard", "--", "python", "-c", LOOK))
        assert guard["user"] == [65532, 65532]
        assert (guard["token"], guard["key"]) == (False, False)
        read_only = "Read-only file system"
        assert (guard["root"], guard["tmp"], guard["etc"]) == (read_only, read_only, read_only)
        assert (guard["capabilities"], guard["no new privileges"]) == (0, "1")
        assert guard["seccomp"] == "2"
        shell = "id -u; (echo x >/tmp/x) 2>&1; ls /var/run/secrets 2>&1; grep CapEff /proc/1/status"
        envoy = dragoman.kubectl(*command, "-c", "envoy", "--", "bash", "-c", shell)
        assert envoy.startswith("65532\n")
        assert read_only in envoy
        assert "No such file" in envoy
        assert "CapEff:\t0000000000000000" in envoy
