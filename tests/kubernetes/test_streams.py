"""Data planes scale and roll while streams run, and nobody who is served notices."""

from tests.kubernetes.installed import eventually
from tests.kubernetes.load import STREAM, load
from tests.kubernetes.planes import DEPLOYMENT, serve, settled, size


def hold(under, dragoman, team):
    """Streams on every pod, straight to it, again and again until the pod has begun to end."""
    leaving = {}
    for pod in dragoman.pods(team):
        name, url = pod["metadata"]["name"], f"http://{pod['status']['podIP']}:10080"
        leaving[name] = False
        for number in range(2):
            under.start(
                f"{name} {number}", url, lambda: STREAM, until=lambda name=name: leaving[name]
            )

    def note():
        staying = {pod["metadata"]["name"] for pod in dragoman.pods(team)}
        leaving.update(dict.fromkeys(leaving.keys() - staying, True))
        return all(leaving.values())

    return note


def test_pods_roll_under_load_and_no_stream_breaks(dragoman, team):
    url = serve(dragoman, team)
    with load(url) as under:
        note = hold(under, dragoman, team)
        dragoman.kubectl("rollout", "restart", DEPLOYMENT, "-n", team)
        eventually(note, 240)
        settled(dragoman, team)
        under.go_on()
    assert under.bad == []


def test_other_parameters_make_other_pods_and_no_stream_breaks(dragoman, team):
    url = serve(dragoman, team)
    before = {pod["metadata"]["uid"] for pod in dragoman.pods(team)}
    with load(url) as under:
        note = hold(under, dragoman, team)
        dragoman.apply(team, size(envoy={"concurrency": 2}))
        eventually(note, 240)
        settled(dragoman, team)
        under.go_on()
    assert under.bad == []
    after = dragoman.pods(team)
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in after)
    arguments = [pod["spec"]["containers"][0]["args"] for pod in after]
    assert all(each[each.index("--concurrency") + 1] == "2" for each in arguments)


def test_pods_scale_up_and_down_under_load_and_no_stream_breaks(dragoman, team):
    url = serve(dragoman, team)
    with load(url) as under:
        dragoman.kubectl("scale", DEPLOYMENT, "-n", team, "--replicas=3")
        settled(dragoman, team)
        under.go_on()
        note = hold(under, dragoman, team)
        dragoman.kubectl("scale", DEPLOYMENT, "-n", team, "--replicas=1")
        eventually(lambda: note() or len(dragoman.pods(team)) == 1, 240)
        settled(dragoman, team)
        under.go_on()
    left = {pod["metadata"]["name"] for pod in dragoman.pods(team)}
    assert len(left) == 1
    assert under.bad == []


def test_an_autoscaler_is_there_as_long_as_it_is_asked_for(dragoman, team):
    on = {"enabled": True, "minReplicas": 2, "maxReplicas": 4, "targetCPUUtilization": 60}
    serve(dragoman, team, autoscaling=on)
    scaler = dragoman.get(team, "hpa", "ai-dragoman")["spec"]
    assert scaler["scaleTargetRef"]["name"] == "ai-dragoman"
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 4)
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 60
    dragoman.kubectl("scale", DEPLOYMENT, "-n", team, "--replicas=3")
    settled(dragoman, team)
    dragoman.apply(team, size(autoscaling={**on, "maxReplicas": 5}))
    eventually(lambda: dragoman.get(team, "hpa", "ai-dragoman")["spec"]["maxReplicas"] == 5)
    assert dragoman.get(team, "deployment", "ai-dragoman")["spec"]["replicas"] == 3
    dragoman.apply(team, size(autoscaling={"enabled": False}))
    eventually(lambda: not dragoman.kubectl("get", "hpa", "-n", team, "-o", "name").strip())
