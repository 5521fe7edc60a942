"""ServiceAccounts: tokens of theirs, asked of the API server for those who exchange them.

Whose tokens may be had is RBAC's to say: the chart's `workloadIdentity.serviceAccounts`.
"""

from http import HTTPStatus

from controller.sources.api import Api, ApiError, Resource
from crds.gateway import SecretValue

LASTS_S = 600
"""As short as the API server gives; it is shown once, at once."""
_KIND = Resource("v1", "ServiceAccount")


async def token(api: Api, namespace: str, name: str, audience: str) -> SecretValue | str:
    """The ServiceAccount's token for this audience alone, or why there is none."""
    spec = {"audiences": [audience], "expirationSeconds": LASTS_S}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    who = f"ServiceAccount {namespace}/{name}"
    try:
        answer = await api.create(_KIND.at(namespace, name, "token"), request)
    except ApiError as error:
        return _refused(error, who, name)
    found = answer.get("status", {}).get("token")
    if not isinstance(found, str) or not found:
        return f"the API server answered without a token of {who}"
    return SecretValue(found.encode())


def _refused(error: ApiError, who: str, name: str) -> str:
    if error.code == HTTPStatus.FORBIDDEN:
        fix = f"add {name} to the chart's workloadIdentity.serviceAccounts"
        return f"the controller may not ask for tokens of {who}; {fix}"
    if error.code == HTTPStatus.NOT_FOUND:
        return f"{who} does not exist; create it"
    return f"the API server gave no token of {who}: {error}"
