"""`dragoman explain`: what it says of requests to tests/explain/world.yaml, and of what it cannot read."""

import json
import shutil
from pathlib import Path

import pytest

from dragoman import explain

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("world")
    shutil.copy(HERE / "world.yaml", directory)
    return directory


@pytest.fixture
def ask(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Explains a chat request; returns whether it is served, the document and what was printed."""

    def ask(text: str, model: str = "gpt-4o-mini", *arguments: str, body: bytes | None = None):
        file = tmp_path / "request.json"
        chat = {"model": model, "messages": [{"role": "user", "content": text}]}
        file.write_bytes(json.dumps(chat).encode() if body is None else body)
        given = ["--port", "8080", *arguments] if "--port" not in arguments else [*arguments]
        common = [str(world), "--request", str(file), *given]
        assert explain.main(["--json", *common]) == 1  # world.yaml has problems of its own
        document = json.loads(capsys.readouterr().out)
        assert explain.main(common) == 1
        return document["served"], document, capsys.readouterr().out

    return ask


def named(rows: list) -> dict[str, str]:
    return {row["rule"]: row["lost"] for row in rows}


def test_every_rule_that_fits_is_told_with_what_decided(ask) -> None:
    served, document, text = ask("hi", "gpt-4o-mini", "--header", "X-A: 1")
    assert served
    assert document["rule"] == {
        "route": "default/assistant",
        "rule": "exact",
        "because": "model Exact gpt-4o-mini",
        "selection": "Weighted",
    }
    assert named(document["others"]) == {
        "longer": "Prefix comes after Exact",
        "long": "Prefix comes after Exact",
        "headers": "Prefix comes after Exact",
        "short": "Prefix comes after Exact",
        "mini": "Suffix comes after Exact",
        "pattern": "Regex comes after Exact",
        "same-pattern": "Regex comes after Exact",
        "header": "any model comes after Exact",
        "rest": "it yields to every match",
    }
    assert "rule          exact of default/assistant: model Exact gpt-4o-mini\n" in text
    assert "  not         short of default/assistant: model Prefix gpt-; Prefix" in text


def test_what_decided_between_equal_kinds(ask) -> None:
    _, document, _ = ask("hi", "gpt-4.1", "--header", "x-a:1")
    assert document["rule"]["rule"] == "longer"
    assert document["rule"]["because"] == "model Prefix gpt-4; path Exact /v1/chat/completions"
    lost = named(document["others"])
    assert lost["long"] == lost["headers"] == "its path is less specific"
    assert lost["short"] == "its Prefix is shorter"
    _, document, _ = ask("hi", "o1-mini-gpt", "--header", "x-a:1")
    assert (document["rule"]["rule"], named(document["others"])["header"]) == (
        "pattern",
        "any model comes after Regex",
    )


def test_a_hostname_and_an_equal_match(ask) -> None:
    at = ("--header", "host:ai.corp.example:9090", "--port", "9090")
    _, document, _ = ask("hi", "gpt-4o-mini", *at)
    assert document["virtual_host"] == "default/ai/other/ai.corp.example"
    assert document["rule"]["rule"] == "named"
    assert named(document["others"])["exact"] == "its hostname is less specific"
    _, document, _ = ask("hi", "other-mini", "--path", "/v1/chat/completions?x=1")
    assert document["rule"]["rule"] == "mini"


def test_a_label_comes_first_and_binds_the_targets(ask) -> None:
    served, document, text = ask("mail jane@example.org", "gpt-4o-mini", "--header", "x-care:1")
    assert (served, document["labels"]) == (True, [["pii", "true"]])
    assert document["rule"]["because"] == "label pii=true; header x-care: 1"
    assert named(document["others"])["exact"] == "it asks for fewer labels"
    assert document["levels"][0]["guards"][0] == {
        "guard": "mark",
        "policy": "default/baseline",
        "type": "PII",
        "action": "Label",
        "found": {"Email": 1},
    }
    assert "  mark of default/baseline (PII): Label, Email 1\n" in text
    assert "labels        pii=true\n" in text


def test_each_target_that_is_left_out_is_told_why(ask) -> None:
    served, document, text = ask("mail jane@example.org")
    assert served
    assert [target["backend"] for target in document["targets"]] == ["default/local"]
    assert [(each["backend"], each["model"], each["why"]) for each in document["left_out"]] == [
        (
            "default/cloud",
            None,
            "authorization stays of default/baseline binds pii=true to other AIBackends",
        ),
        ("default/local", "m", "its weight is 0"),
        ("default/gone", None, "AIBackend default/gone does not exist"),
    ]
    assert "target 1      default/local (the model asked for): priority 1, weight 1\n" in text
    _, document, _ = ask("hello")
    assert [(each["backend"], each["priority"]) for each in document["targets"]] == [
        ("default/cloud", 0),
        ("default/local", 1),
    ]


def test_each_mirror_is_told_with_why_it_gets_no_copy(ask) -> None:
    bound = "authorization stays of default/baseline binds pii=true to other AIBackends"
    for said, why in (("hello", ""), ("mail jane@example.org", bound)):
        _, document, text = ask(said)
        assert [
            (m["backend"], m["model"], m["percent"], m["why"]) for m in document["mirrors"]
        ] == [
            ("default/local", "copy", 5, ""),
            ("default/cloud", None, 100, why),
            ("default/gone", None, 1, "AIBackend default/gone does not exist"),
            ("default/local", None, 0, "its percent is 0"),
        ]
        assert "mirror        default/local (copy): a copy of 5 %\n" in text
    assert f"mirror        default/cloud (the model asked for): no copy, {bound}\n" in text
    assert ask("forbidden")[1]["mirrors"] == []


@pytest.mark.parametrize(
    ("text", "model", "arguments", "status", "by"),
    [
        ("forbidden", "any", (), 403, "words of default/baseline"),
        ("curious", "any", (), 403, "own-words of default/own"),
        ("hi", "off-limits", (), 422, "models of default/own"),
        ("mail jane@example.org", "any", (), 403, "stays of default/baseline"),
        ("hi", "any", ("--path", "/v1/nothing"), 404, "the format table"),
        ("hi", "any", ("--method", "put"), 405, "the format table"),
        ("hi", "any", ("--header", "content-type: text/plain"), 415, "the format table"),
        ("hi", "any", ("--port", "9090", "--header", "host:elsewhere.example"), 421, "Envoy"),
    ],
)
def test_a_refusal_says_by_what(ask, text, model, arguments, status, by) -> None:
    served, document, printed = ask(text, model, *arguments)
    assert not served
    assert (document["refusal"]["status"], document["refusal"]["by"]) == (status, by)
    assert printed.splitlines()[-1].startswith(f"refused       {status} ")


def test_a_model_that_no_rule_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"model": "m", "messages": [{"role": "user", "content": "hi"}]}')
    assert explain.main([str(EXAMPLES / "05-canary"), "--request", str(request)]) == 1
    refused = "refused       404 model_not_found by matching: No rule serves this model.\n"
    assert capsys.readouterr().out.endswith(refused)


def test_the_selection_and_what_it_goes_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = tmp_path / "request.json"
    chat = {"model": "m", "max_tokens": 4000, "messages": [{"role": "user", "content": "hi"}]}
    request.write_text(json.dumps(chat))
    assert explain.main([str(EXAMPLES / "09-cheapest"), "--request", str(request)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("target")]
    assert "default/east" in lines[0]
    costs = [float(line.split("LowestCost ")[1].split(",")[0]) for line in lines]
    assert costs == sorted(costs)
    assert costs[0] > 0


STICKY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ai}
spec: {gatewayClassName: dragoman, listeners: [{name: http, port: 8080, protocol: HTTP}]}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: openai}
spec: {provider: OpenAI, auth: {type: None}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: assistant}
spec:
  parentRefs: [{name: ai}]
  rules:
  - name: sticky
    matches: [{model: {value: sticky}}]
    stickiness: {by: Header, name: x-tenant}
    backendRefs: [{name: openai, model: a}, {name: openai, model: b, weight: 3}]
  - name: lots
    matches: [{model: {value: lots}}]
    backendRefs: [{name: openai, model: a}, {name: openai, model: b, weight: 3}]
  - name: ranked
    matches: [{model: {value: ranked}}]
    backendRefs: [{name: openai, model: a}, {name: openai, model: b, priority: 1}]
"""


@pytest.mark.parametrize(
    ("model", "headers", "chooser"),
    [
        ("lots", [], "a lot by weight, drawn anew for each request"),
        (
            "sticky",
            ["--header", "x-tenant:acme"],
            "stickiness by Header x-tenant: its value always leads to the same target",
        ),
        (
            "sticky",
            [],
            "a lot by weight: the request has no Header x-tenant for stickiness to go by",
        ),
        ("ranked", [], None),
    ],
)
def test_a_choice_among_equals_says_what_chose(
    tmp_path: Path, capsys, model, headers, chooser
) -> None:
    (tmp_path / "all.yaml").write_text(STICKY)
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}]}))
    given = [str(tmp_path), "--request", str(request), *headers]
    assert explain.main(["--json", *given]) == 0
    assert json.loads(capsys.readouterr().out)["chooser"] == chooser
    assert explain.main(given) == 0
    line = f"chosen        by {chooser}\n"
    assert (line in capsys.readouterr().out) == (chooser is not None)


def test_schemas_stand_with_the_guards(ask) -> None:
    _, document, text = ask("curious", "off-limits")
    assert [each["found"] for each in document["levels"][-1]["guards"]] == [
        {"Violation": 1},
        {"Keyword": 1},
    ]
    assert "  models of default/own (JSONSchema): Block, Violation 1\n" in text


def test_levels_after_a_refusal_are_not_reached(ask) -> None:
    _, document, _ = ask("x", body=b"{")
    assert [(each["name"], each["reached"]) for each in document["levels"]] == [
        ("Gateway default/ai", False),
        ("listener http", False),
    ]
    assert document["refusal"]["by"] == "admission"


def test_the_gateways_own_answers(ask) -> None:
    served, document, text = ask("", "", "--method", "GET", "--path", "/v1/models", body=b"")
    assert (served, document["answered"]) == (True, True)
    assert text.endswith("served        by the gateway itself\n")


def test_no_text_of_the_request_is_printed(ask, world: Path, tmp_path: Path, capsys) -> None:
    planted = "planted-7f3a"
    for text in (planted, f"{planted}@example.org", f"forbidden {planted}", f"curious {planted}"):
        for model in ("gpt-4o-mini", f"gpt-{planted}", planted):
            _, document, printed = ask(text, model, "--header", f"authorization: Bearer {planted}")
            assert planted not in printed + json.dumps(document)
    ask("", body=planted.encode())
    assert planted not in "".join(capsys.readouterr())


def test_what_cannot_be_read_ends_with_2(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = tmp_path / "request.json"
    request.write_text("{}")
    bad, empty = tmp_path / "bad", tmp_path / "empty"
    bad.mkdir()
    empty.mkdir()
    (bad / "x.yaml").write_text("a: [1\n")
    good = [str(world), "--request", str(request)]
    wrong = {
        (str(tmp_path / "none"), "--request", str(request)): "none: is not a directory",
        (str(bad), "--request", str(request)): "x.yaml:2: not valid YAML",
        (str(empty), "--request", str(request)): "no Gateway has a listener",
        (str(world), "--request", str(tmp_path / "no.json")): "no.json: No such file",
        (str(world), "--request", str(tmp_path)): "Is a directory",
        (*good, "--header", "no colon"): "--header number 1 is not name:value",
        (*good, "--path", "v1"): "--path must begin with /",
        (*good, "--port", "1"): "no listener has port 1; there is: 8080, 9090",
        (*good, "--header", "host:ai.corp.example"): "several listeners serve this hostname",
    }
    for arguments, said in wrong.items():
        assert explain.main(list(arguments)) == 2, arguments
        printed = capsys.readouterr()
        assert printed.out == ""
        assert said in printed.err, arguments
    with pytest.raises(SystemExit, match="2"):
        explain.main([])


TOKENS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ai}
spec: {gatewayClassName: dragoman, listeners: [{name: http, port: 8080, protocol: HTTP}]}
---
apiVersion: v1
kind: Secret
metadata: {name: client}
stringData: {clientID: c, clientSecret: s}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: corp}
spec:
  provider: OpenAI
  auth: {type: OAuth2, secretRef: {name: client}, oauth2: {tokenURL: "https://idp.example/token"}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: assistant}
spec: {parentRefs: [{name: ai}], rules: [{name: all, backendRefs: [{name: corp}]}]}
"""


def test_a_target_whose_token_nobody_asked_for_is_explained_as_if_it_had_one(
    tmp_path: Path, capsys
) -> None:
    (tmp_path / "all.yaml").write_text(TOKENS)
    request = tmp_path / "request.json"
    request.write_text('{"model": "m", "messages": [{"role": "user", "content": "hi"}]}')
    assert explain.main(["--json", str(tmp_path), "--request", str(request)]) == 0
    printed = capsys.readouterr()
    assert [each["backend"] for each in json.loads(printed.out)["targets"]] == ["default/corp"]
    assert printed.err == ""


SIZES = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ai}
spec: {gatewayClassName: dragoman, listeners: [{name: http, port: 8080, protocol: HTTP}]}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: small}
spec: {provider: OpenAI, auth: {type: None}, models: [{name: m, contextTokens: 10}]}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: large}
spec: {provider: OpenAI, auth: {type: None}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: assistant}
spec:
  parentRefs: [{name: ai}]
  rules: [{name: all, backendRefs: [{name: small}, {name: large, priority: 1}]}]
"""


def test_a_target_that_could_not_hold_the_request_is_told(tmp_path: Path, capsys) -> None:
    (tmp_path / "all.yaml").write_text(SIZES)
    request = tmp_path / "request.json"
    long = {"model": "m", "messages": [{"role": "user", "content": "word " * 20}]}
    request.write_text(json.dumps(long))
    assert explain.main([str(tmp_path), "--request", str(request)]) == 0
    text = capsys.readouterr().out
    why = "its context is too small for this request"
    assert f"  not         default/small (the model asked for): {why}\n" in text
    assert "target 1      default/large" in text


def test_problems_of_the_yaml_go_to_standard_error(
    ask, world: Path, tmp_path: Path, capsys
) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"model": "m", "messages": [{"role": "user", "content": "hi"}]}')
    assert explain.main([str(world), "--request", str(request), "--port", "8080"]) == 1
    printed = capsys.readouterr()
    assert "backendRefs[2]: AIBackend default/gone does not exist" in printed.err
    assert "A_KEY_NOBODY_SET" not in printed.err


def test_how_an_endpoint_is_found_is_told_where_a_key_decides(ask) -> None:
    _, document, text = ask("hi", "by-tenant", "--header", "X-Tenant: acme")
    assert [each["endpoint"] for each in document["targets"]] == [
        "RingHash by Header x-tenant",
        "LeastRequest",
    ]
    assert (
        "default/ring (the model asked for): priority 0, weight 1; endpoint: RingHash by " in text
    )
    assert "priority 1, weight 1\n" in text
    assert "acme" not in text
    _, document, _ = ask("hi", "by-tenant")
    assert document["targets"][0]["endpoint"].endswith("which the request lacks: by lot")
    _, document, _ = ask("hi", "by-talk")
    assert document["targets"][0]["endpoint"] == "RingHash by Conversation"


GENERIC = """\
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: triton}
spec: {provider: HTTP, endpoint: {hostname: triton}, auth: {type: None}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: spare}
spec: {provider: HTTP, endpoint: {hostname: spare}, auth: {type: None}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: unread}
spec:
  parentRefs: [{name: ai}]
  rules:
  - name: infer
    format: Generic
    matches: [{path: {type: Prefix, value: /v2/}, headers: [{name: x-a, value: "1"}]}]
    backendRefs: [{name: triton}, {name: spare, weight: 0}, {name: cloud}]
  - {name: rest, format: Generic, backendRefs: [{name: spare}]}
"""


def test_a_request_in_no_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = (EXAMPLES / "01-quickstart" / "gateway.yaml").read_text()
    cloud = "apiVersion: dragoman.dev/v1alpha1\nkind: AIBackend\nmetadata: {name: cloud}\n"
    cloud += "spec: {provider: OpenAI, auth: {type: None}}\n"
    (tmp_path / "world.yaml").write_text(f"{world}\n---\n{cloud}{GENERIC}")
    (tmp_path / "body").write_bytes(b"\x00")

    def ask(*more: str) -> tuple[int, dict, str]:
        given = [str(tmp_path), "--request", str(tmp_path / "body"), "--path", "/v2/x", *more]
        code = explain.main(["--json", *given])
        document = json.loads(capsys.readouterr().out)
        explain.main(given)
        return code, document, capsys.readouterr().out

    code, document, text = ask("--header", "x-a: 1")
    assert code == 1  # one backendRef is not of its kind
    assert (document["refusal"], document["format"], document["model"]) == (None, "Generic", None)
    assert document["rule"]["because"] == "path Prefix /v2/; header x-a: 1"
    assert [each["backend"] for each in document["targets"]] == ["default/triton"]
    assert [each["backend"] for each in document["left_out"]] == ["default/spare", "default/cloud"]
    assert "needs provider HTTP" in document["left_out"][1]["why"]
    assert [each["rule"] for each in document["others"]] == ["rest"]
    assert "infer of default/unread" in text
    assert "format        Generic, passed on unread\n" in text
    assert "target 1      default/triton: priority 0, weight 1\n" in text

    policy = "apiVersion: dragoman.dev/v1alpha1\nkind: AIPolicy\nmetadata: {name: reads}\nspec:\n"
    policy += "  targetRefs: [{group: dragoman.dev, kind: AIRoute, name: unread}]\n"
    policy += "  request: {maxPromptTokens: 5}\n"
    (tmp_path / "policy.yaml").write_text(policy)
    given = [str(tmp_path), "--path", "/v2/x", "--method", "GET"]
    assert explain.main(given) == 1, "a request without body is judged alike"
    capsys.readouterr()
    code, document, _ = ask()
    assert code == 1
    assert document["rule"]["rule"] == "rest"
    assert document["refusal"]["by"] == "unscanned of default/reads"
    assert document["targets"] == []
