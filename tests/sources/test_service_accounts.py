"""What the API server says when it is asked for a ServiceAccount's token."""

import kopf
import pytest
from aiohttp import web

from controller.sources import service_accounts
from controller.sources.api import Api
from crds.gateway import SecretValue

PATH = "/api/v1/namespaces/infra/serviceaccounts/llm/token"


MAY_NOT = (
    "the controller may not ask for tokens of ServiceAccount infra/llm; "
    "add llm to the chart's workloadIdentity.serviceAccounts"
)


class Server:
    """Answers every POST alike, and remembers them."""

    def __init__(self, status, body):
        self.status, self.body = status, body
        self.asked = []

    async def answer(self, request):
        self.asked.append((request.path, await request.json()))
        return web.json_response(self.body, status=self.status)

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/{path:.*}", self.answer)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        port = self.runner.addresses[0][1]
        self.api = Api(lambda: kopf.ConnectionInfo(server=f"http://127.0.0.1:{port}"))
        return self

    async def __aexit__(self, *_):
        await self.api.close()
        await self.runner.cleanup()

    async def token(self):
        return await service_accounts.token(self.api, "infra", "llm", "aud")


async def test_a_short_token_for_one_audience_is_asked_for() -> None:
    async with Server(201, {"status": {"token": "planted"}}) as server:
        assert await server.token() == SecretValue(b"planted")
    [(path, request)] = server.asked
    assert path == PATH
    assert request["kind"] == "TokenRequest"
    assert request["spec"] == {"audiences": ["aud"], "expirationSeconds": 600}


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            403,
            {"reason": "Forbidden", "message": "planted"},
            MAY_NOT,
        ),
        (404, {"reason": "NotFound"}, "ServiceAccount infra/llm does not exist; create it"),
        (
            500,
            {"reason": "InternalError", "message": "planted"},
            "the API server gave no token of ServiceAccount infra/llm: 500 InternalError",
        ),
        (
            201,
            {"status": {}},
            "the API server answered without a token of ServiceAccount infra/llm",
        ),
    ],
)
async def test_any_other_answer_says_what_to_mend(status, body, told) -> None:
    async with Server(status, body) as server:
        assert await server.token() == told
