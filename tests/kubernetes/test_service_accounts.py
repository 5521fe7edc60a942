"""Tokens of ServiceAccounts from a real API server, with the rights the chart gives and no more."""

import base64
import json
from dataclasses import replace
from functools import partial

import pytest

from controller.sources import service_accounts
from controller.sources.api import Api, Resource
from controller.sources.login import login

ACCOUNT = Resource("v1", "ServiceAccount")
RBAC = "rbac.authorization.k8s.io"
AUDIENCE = "api://AzureADTokenExchange"


@pytest.fixture
async def controller(kubeconfig, namespace):
    """Someone who may ask for tokens of ServiceAccounts called `llm`."""
    rule = {
        "apiGroups": [""],
        "resources": ["serviceaccounts/token"],
        "resourceNames": ["llm", "absent"],
        "verbs": ["create"],
    }
    subject = {"kind": "ServiceAccount", "name": "controller", "namespace": namespace}
    role = {"apiGroup": RBAC, "kind": "Role", "name": "tokens"}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    async with Api(partial(login, kubeconfig)) as admin:
        for name in ("controller", "llm", "other"):
            await admin.create(ACCOUNT.at(namespace), {"metadata": {"name": name}})
        await admin.create(
            Resource(f"{RBAC}/v1", "Role").at(namespace),
            {"metadata": {"name": "tokens"}, "rules": [rule]},
        )
        await admin.create(
            Resource(f"{RBAC}/v1", "RoleBinding").at(namespace),
            {"metadata": {"name": "tokens"}, "roleRef": role, "subjects": [subject]},
        )
        made = await admin.create(ACCOUNT.at(namespace, "controller", "token"), request)
    nobody = replace(login(kubeconfig), certificate_data=None, private_key_data=None)
    nobody = replace(nobody, certificate_path=None, private_key_path=None)
    given = replace(nobody, token=made["status"]["token"])
    async with Api(lambda: given) as connected:
        yield connected


async def test_a_token_is_for_one_cloud_and_ten_minutes(controller, namespace) -> None:
    token = await service_accounts.token(controller, namespace, "llm", AUDIENCE)
    assert repr(token) == "<secret>"
    payload = token.reveal().split(b".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    assert claims["sub"] == f"system:serviceaccount:{namespace}:llm"
    assert claims["aud"] == [AUDIENCE]
    assert claims["exp"] - claims["iat"] == service_accounts.LASTS_S


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("other", "add other to the chart's workloadIdentity.serviceAccounts"),
        ("absent", "does not exist; create it"),
    ],
)
async def test_what_keeps_a_token_back_is_told(controller, namespace, name, told) -> None:
    refused = await service_accounts.token(controller, namespace, name, AUDIENCE)
    assert isinstance(refused, str)
    assert refused.endswith(told)
