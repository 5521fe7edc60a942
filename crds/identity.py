"""Workload identity: a ServiceAccount of Kubernetes that a cloud trusts, in place of a key.

The controller asks the API server for a token of the ServiceAccount, for the cloud's eyes alone,
and exchanges it for one of the cloud. The ServiceAccount is always of the AIBackend's own
namespace, so nobody gets an identity that is not theirs.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from crds.meta import Model, Name

TENANT = r"^[A-Za-z0-9][-.A-Za-z0-9]{0,127}$"
CLIENT = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
AUDIENCE = (
    r"^(//iam\.googleapis\.com/projects/[0-9]{1,20}/locations/global/workloadIdentityPools/"
    r"[-a-z0-9]{4,32}/providers/[-a-z0-9]{4,32}"
    r"|identitynamespace:[-a-z0-9.]{1,80}\.svc\.id\.goog:https://[-._~%@/A-Za-z0-9]{1,512})$"
)
EMAIL = r"^[a-z0-9][-a-z0-9.]{0,99}@[a-z0-9][-a-z0-9.]{0,99}\.gserviceaccount\.com$"
ROLE = r"^arn:aws(-cn|-us-gov)?:iam::[0-9]{12}:role/[-+=,.@_/A-Za-z0-9]{1,512}$"


class ServiceAccountRef(Model):
    """A ServiceAccount in the AIBackend's own namespace."""

    name: Name
    """The ServiceAccount. The chart's `workloadIdentity.serviceAccounts` must list its name."""


class AzureIdentity(Model):
    """The Entra application or managed identity with a federated credential for it."""

    tenant_id: Annotated[
        str, StringConstraints(max_length=128, pattern=TENANT), Field(alias="tenantID")
    ]
    """The directory's id or domain."""
    client_id: Annotated[
        str, StringConstraints(max_length=36, pattern=CLIENT), Field(alias="clientID")
    ]
    """The application's (client) id."""


class GCPIdentity(Model):
    """The provider of a workload identity pool that trusts this cluster."""

    audience: Annotated[str, StringConstraints(max_length=768, pattern=AUDIENCE)]
    """The provider's full name, `//iam.googleapis.com/projects/NUMBER/locations/global/…`; of GKE's
    own pool `identitynamespace:PROJECT.svc.id.goog:URL`, with the URL of the cluster."""
    service_account: Annotated[str, StringConstraints(max_length=253, pattern=EMAIL)] | None = None
    """The e-mail of a service account to act as; without it the pool's own principal acts."""


class AWSIdentity(Model):
    """The IAM role whose trust policy names it."""

    role_arn: Annotated[
        str, StringConstraints(max_length=600, pattern=ROLE), Field(alias="roleARN")
    ]
    """The role."""


class WorkloadIdentity(Model):
    """Whom the cloud trusts, and as whom; with the part of the auth type's name."""

    service_account_ref: ServiceAccountRef
    """Whose token is shown to the cloud."""
    azure: AzureIdentity | None = None
    """With `type: Azure`."""
    gcp: GCPIdentity | None = None
    """With `type: GCP`."""
    aws: AWSIdentity | None = None
    """With `type: AWS`."""
