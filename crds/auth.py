"""Auth: how Dragoman proves itself to a provider. Values stay in Secrets and go to Envoy only."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from crds.identity import WorkloadIdentity
from crds.meta import DataKey, Model, Name, Rule, UniqueNames, UniqueValues

AuthType = Literal["APIKey", "AWS", "Azure", "GCP", "OAuth2", "None"]
ENDPOINT_URL = r"^https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[-._~%:@A-Za-z0-9]*)*$"
SCOPE = r"^[!#-\[\]-~]+$"

Scope = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=SCOPE)]


class SecretRef(Model):
    """A Secret in the AIBackend's own namespace."""

    name: Name
    """The Secret."""
    key: DataKey = "apiKey"
    """The key of the Secret that holds the value. Only with `type: APIKey`: other types have keys
    of fixed names."""


class CACertificateRef(Model):
    """A ConfigMap in the AIBackend's own namespace whose `ca.crt` holds PEM certificates."""

    group: Literal[""] = ""
    """Core has no group."""
    kind: Literal["ConfigMap"] = "ConfigMap"
    """Always a ConfigMap."""
    name: Name
    """The ConfigMap."""


class OAuth2(Model):
    """Where tokens come from, by the client credentials grant."""

    token_url: Annotated[
        str, StringConstraints(max_length=1024, pattern=ENDPOINT_URL), Field(alias="tokenURL")
    ]
    """The token endpoint; its certificate is verified."""
    scopes: Annotated[tuple[Scope, ...], Field(max_length=16), UniqueValues] = ()
    """What the tokens are asked to be good for."""
    ca_certificate_refs: Annotated[
        tuple[CACertificateRef, ...], Field(max_length=8), UniqueNames
    ] = ()
    """Private certificate authorities of the token endpoint, instead of the system's."""


class Auth(Model):
    """How Dragoman proves itself to the provider. The value goes to Envoy only."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type == 'AWS' || has(self.workloadIdentity)"
            " || (self.type != 'None') == has(self.secretRef)",
            "secretRef is required with type APIKey, Azure, GCP and OAuth2 (Azure and GCP may have"
            " workloadIdentity instead), and not allowed with type None",
            lambda self: (
                self.type == "AWS"
                or self.workload_identity is not None
                or (self.type != "None") == (self.secret_ref is not None)
            ),
        ),
        Rule(
            "!has(self.secretRef) || !has(self.workloadIdentity)",
            "workloadIdentity takes the place of secretRef; remove one of them",
            lambda self: self.secret_ref is None or self.workload_identity is None,
            "workloadIdentity",
        ),
        Rule(
            "!has(self.workloadIdentity) || (self.type in ['AWS', 'Azure', 'GCP']"
            " && has(self.workloadIdentity.aws) == (self.type == 'AWS')"
            " && has(self.workloadIdentity.azure) == (self.type == 'Azure')"
            " && has(self.workloadIdentity.gcp) == (self.type == 'GCP'))",
            "workloadIdentity belongs to type AWS, Azure and GCP, with the part of that name alone:"
            " aws, azure or gcp",
            lambda self: self.workload_identity is None or self._has_its_part(),
            "workloadIdentity",
        ),
        Rule(
            "self.type == 'APIKey' || !has(self.secretRef) || self.secretRef.key == 'apiKey'",
            "secretRef.key belongs to type APIKey; other types have keys of fixed names",
            lambda self: (
                self.type == "APIKey" or self.secret_ref is None or self.secret_ref.key == "apiKey"
            ),
            "secretRef",
        ),
        Rule(
            "has(self.oauth2) == (self.type == 'OAuth2')",
            "oauth2 is required with type OAuth2, and belongs to it alone",
            lambda self: (self.oauth2 is not None) == (self.type == "OAuth2"),
        ),
    )

    type: AuthType
    """`APIKey` sends the Secret's value in the provider's own header. `AWS` signs each attempt
    (SigV4) with the Secret's `accessKeyID`, `secretAccessKey` and `sessionToken`, or without a
    Secret with what Envoy finds in its pod: web identity, pod identity, instance role. `Azure`
    (`tenantID`, `clientID`, `clientSecret`), `GCP` (`key.json`: a service account's key) and
    `OAuth2` (`clientID`, `clientSecret`) send tokens that are renewed in time. `AWS`, `Azure` and
    `GCP` may have `workloadIdentity` instead of a Secret. `None` sends nothing."""
    secret_ref: SecretRef | None = None
    """The Secret that holds the key or credentials."""
    oauth2: OAuth2 | None = None
    """Where tokens come from, with `type: OAuth2`."""
    workload_identity: WorkloadIdentity | None = None
    """A ServiceAccount that the cloud trusts, in place of a Secret. In a cluster only."""

    def _has_its_part(self) -> bool:
        of_types = {"AWS": "aws", "Azure": "azure", "GCP": "gcp"}
        own = self.workload_identity
        return self.type in of_types and all(
            (getattr(own, part) is not None) == (type_ == self.type)
            for type_, part in of_types.items()
        )
