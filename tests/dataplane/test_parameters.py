import pytest

from controller.dataplane.parameters import LONGEST, Parameters, Unusable, parameters


def given(*texts):
    return parameters(*((f"document {n}", text) for n, text in enumerate(texts)))


def test_nothing_said_is_the_default():
    assert given() == given("") == given("{}\n", "# nothing\n") == Parameters()


def test_later_documents_win_field_by_field():
    found = given(
        "envoy: {image: a:1, concurrency: 3}\nnodeSelector: {a: x, b: y}",
        "envoy: {image: b:2}\nnodeSelector: {b: z}\ntolerations: [{key: k}]",
    )
    assert (found.envoy.image, found.envoy.concurrency) == ("b:2", 3)
    assert found.node_selector == {"a": "x", "b": "z"}
    assert found.tolerations == ({"key": "k"},)
    assert found.guard == Parameters().guard


def test_a_field_without_value_falls_back():
    assert given("drainSeconds: 5", "drainSeconds: null") == Parameters()
    assert given("envoy: {resources: {limits: {memory: null}}}").envoy.resources.limits == {}


def test_quantities_may_be_written_as_numbers():
    resources = given("guard: {resources: {requests: {cpu: 2, memory: 1.5Gi}}}").guard.resources
    assert resources.requests == {"cpu": "2", "memory": "1.5Gi"}
    assert (
        given("envoy: {resources: {requests: {cpu: 0.5}}}").envoy.resources.requests["cpu"] == "0.5"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("replica: 3", "replica: unknown field replica; did you mean replicas?"),
        ("replicas: '3'", "replicas: must be a whole number; remove the quotes"),
        ("replicas: -1", "replicas: must be at least 0"),
        ("service: {type: External}", "service.type: must be one of ClusterIP, NodePort, LoadBalancer"),
        ("autoscaling: {enabled: 1}", "autoscaling.enabled: Input should be a valid boolean"),
        ("autoscaling: {minReplicas: 20}", "autoscaling.maxReplicas: must be at least minReplicas"),
        (
            "envoy: {resources: {requests: {cpu: much}}}",
            "envoy.resources.requests.cpu: must be a quantity, such as 500m or 1Gi",
        ),
        (
            "service: {type: ClusterIP, externalTrafficPolicy: Local}",
            "service.externalTrafficPolicy: belongs to type LoadBalancer or NodePort",
        ),
        ("[]", "must be one mapping (name: value)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text, expected):
    assert given("drainSeconds: 10", text) == Unusable((f"document 1: {expected}",))


def test_every_wrong_field_has_its_line():
    found = given("replicas: x\ndrainSeconds: y\n")
    assert len(found.lines) == 2


def test_what_is_no_yaml_says_where():
    assert given("a: [") == Unusable((given("a: [").lines[0],))
    assert given("a: [").lines[0].startswith("document 0:")


def test_a_document_without_end_is_not_read():
    found = given("", f"nodeSelector: {{a: {'x' * LONGEST}}}")
    assert found == Unusable((f"document 1: must be at most {LONGEST} characters",))
    many = given(f"tolerations: [{'[],' * 1000}]")
    assert isinstance(many, Unusable)
    assert len(many.lines) < 10
