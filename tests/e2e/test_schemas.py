"""Schemas on a real Envoy: requests and answers that do not fit, in the words of the official SDKs."""

import json

import anthropic
import openai
import pytest

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

POLICY = """\
  request: {schemas: [{name: few-tokens, configMapRef: {name: schemas, key: request}, appliesTo: [OpenAIChat]}]}
  response: {schemas: [{name: person, configMapRef: {name: schemas, key: person}}]}
"""
SCHEMAS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: schemas}
data:
  request: '{"properties": {"max_tokens": {"maximum": 100}}}'
  person: |
    {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
"""
RULES = """\
  - name: claude
    matches: [{model: {type: Prefix, value: claude}}]
    backendRefs: [{name: anthropic, model: echo}]
  - name: default
    backendRefs: [{name: openai, model: echo}]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp("schemas")
    provider, port = harness.Provider(), harness.free_port()
    harness.write(
        directory,
        gateway=harness.gateway(port),
        openai=harness.backend("openai", provider.port),
        anthropic=harness.backend("anthropic", provider.port, provider="Anthropic"),
        route=harness.route("people", RULES),
        schemas=SCHEMAS,
        policy=harness.policy("shapes", POLICY),
    )
    with harness.running(directory) as run:
        yield run, provider, directory, f"http://127.0.0.1:{port}"
    provider.close()


def said(text: str) -> list:
    return [{"role": "user", "content": text}]


PERSON = json.dumps({"name": "Ann"})
NOBODY = json.dumps({"name": 7, "planted": "planted-0000"})


def test_what_fits_passes_and_what_does_not_is_told_in_openais_errors(made) -> None:
    run, provider, _, url = made
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        ask = client.chat.completions.create
        assert ask(model="m", messages=said(PERSON)).choices[0].message.content == PERSON
        asked = len(provider.received)
        with pytest.raises(openai.UnprocessableEntityError) as refused:
            ask(model="m", messages=said(PERSON), max_tokens=101)
        assert refused.value.code == "schema_violation"
        assert "few-tokens at /max_tokens" in refused.value.message
        with pytest.raises(openai.BadRequestError, match="ask without a stream"):
            ask(model="m", messages=said(PERSON), stream=True)
        assert len(provider.received) == asked
        with pytest.raises(openai.InternalServerError) as unfit:
            ask(model="m", messages=said(NOBODY))
        assert (unfit.value.status_code, unfit.value.code) == (502, "schema_violation")
        assert "person at /name" in unfit.value.message
        assert "planted" not in str(unfit.value.body)
        record = run.record(unfit.value.response.headers["x-request-id"])
        assert record["usage"]["output_tokens"] > 0
        assert [each["guard"] for each in record["guards"]] == ["person"]
    assert 'dragoman_guard_verdicts_total{action="Block",guard="person"' in run.metrics()


@pytest.mark.parametrize("model", ["m", "claude"])
def test_answers_are_judged_in_the_callers_format(made, model) -> None:
    _, _, _, url = made
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
        answer = client.messages.create(model=model, max_tokens=500, messages=said(PERSON))
        assert answer.content[0].text == PERSON
        with pytest.raises(anthropic.InternalServerError, match="person and is no JSON"):
            client.messages.create(model=model, max_tokens=500, messages=said("Ann"))


def test_an_edited_schema_is_in_force_and_a_broken_one_changes_nothing(made) -> None:
    run, _, directory, url = made
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:

        def status() -> int:
            answer = client.chat.completions.with_raw_response
            try:
                return answer.create(model="m", messages=said(PERSON)).status_code
            except openai.APIStatusError as error:
                return error.status_code

        harness.write(
            directory, schemas=SCHEMAS.replace('"required": ["name"]', '"required": ["age"]')
        )
        harness.eventually(lambda: status() == 502)
        harness.write(directory, schemas=SCHEMAS.replace('"type": "object"', '"type": "objet"'))
        harness.eventually(lambda: any("no JSON Schema at /type" in line for line in run.stderr))
        assert status() == 502
        harness.write(directory, schemas=SCHEMAS)
        harness.eventually(lambda: status() == 200)
