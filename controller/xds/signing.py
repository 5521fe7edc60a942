"""Signing: AWS Signature Version 4, made by Envoy over each attempt as it leaves.

The filter reads the whole body, so it stands last, behind what writes body, path and host. Static
keys have no SDS resource in Envoy: they stand in the cluster, and every dump masks them there.
"""

from envoy_data_plane.envoy.extensions.common.aws.v3 import (
    AwsCredentialProvider,
    InlineCredentialProvider,
)
from envoy_data_plane.envoy.extensions.filters.http.aws_request_signing.v3 import AwsRequestSigning
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher

from controller import ir

SIGNED_HEADERS = ("content-type",)
"""Signed besides `host` and `x-amz-*`; others may still change on their way."""


def sign(signing: ir.Signing) -> AwsRequestSigning:
    """The filter."""
    return AwsRequestSigning(
        service_name=signing.service,
        region=signing.region,
        match_included_headers=[StringMatcher(exact=name) for name in SIGNED_HEADERS],
        credential_provider=_inline(signing.key) if signing.key else None,
    )


def _inline(key: ir.AccessKey) -> AwsCredentialProvider:
    token = key.session_token.reveal().decode() if key.session_token else ""
    return AwsCredentialProvider(
        inline_credential=InlineCredentialProvider(
            access_key_id=key.key_id.reveal().decode(),
            secret_access_key=key.secret.reveal().decode(),
            session_token=token,
        )
    )
