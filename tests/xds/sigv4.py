"""An independent check of AWS signatures: botocore signs what a provider received, and must agree."""

import hashlib
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def check(seen, key_id, secret, token=None):
    """Assert that path, host and body are signed as received; returns the scope: region, service."""
    headers = seen["headers"]
    parts = dict(
        part.split("=", 1)
        for part in headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    )
    named, _, region, service, end = parts["Credential"].split("/")
    signed = parts["SignedHeaders"].split(";")
    assert (named, end) == (key_id, "aws4_request")
    assert {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed)
    assert headers["x-amz-content-sha256"] == hashlib.sha256(seen["body"]).hexdigest()
    assert headers.get("x-amz-security-token") == token
    assert token is None or "x-amz-security-token" in signed
    request = AWSRequest(
        method="POST",
        url=f"http://{headers['host']}{seen['path']}",
        data=seen["body"],
        headers={name: headers[name] for name in signed},
    )
    assert urlsplit(request.url).path == urlsplit(seen["path"]).path
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(key_id, secret), service, region)
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    assert auth.signature(to_sign, request) == parts["Signature"]
    return region, service
