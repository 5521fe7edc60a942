"""The Kubernetes API: a small typed client that every reader and writer of the cluster shares.

One request, one answer or one ApiError; when to try again is the caller's to know. Which objects
are read is in `store` and `follow`; who we are is in `login`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

import aiohttp
import kopf
import orjson

from controller.sources.login import Connection, Login, connect

Json = dict[str, Any]

PAGE = 500
REQUEST_S = 30.0
CONNECT_S = 5.0
SILENCE_S = 90.0
"""A watch is told something (at least a bookmark) every minute; one that is silent is dead."""
LOGIN_S = 60.0
"""How long what a login found is used."""

_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_JSON = "application/json"
_AGENT = {"User-Agent": "dragoman"}
"""Also the field manager of what is not applied."""


class ApiError(Exception):
    """A request that failed: the server's status code and reason; code 0 if there was no answer.

    As text it quotes nothing that was sent; `message` is the server's, and may.
    """

    def __init__(self, code: int, reason: str, message: str = "", retry_after: float = 0) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.code} {self.reason}" if self.code else self.reason


class Gone(ApiError):  # noqa: N818  # as the API calls it
    """410: what was asked for is too long ago; list anew."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind as the API serves it."""

    api_version: str
    kind: str

    @property
    def plural(self) -> str:
        """The name in paths."""
        name = self.kind.lower()
        if name.endswith("y") and name[-2] not in "aeiou":
            return f"{name[:-1]}ies"
        return f"{name}es" if name.endswith("ss") else f"{name}s"

    def at(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of an object, or of all of them (of a namespace)."""
        root = "/apis" if "/" in self.api_version else "/api"
        within = f"/namespaces/{namespace}" if namespace else ""
        parts = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}/{self.api_version}{within}/{self.plural}{parts}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind: of a namespace, or of all; by selectors, or all."""

    resource: Resource
    namespace: str = ""
    fields: str = ""
    labels: str = ""

    @property
    def params(self) -> dict[str, str]:
        """The query of a LIST or WATCH."""
        given = {"fieldSelector": self.fields, "labelSelector": self.labels}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a LIST; a WATCH may go on from the version of the last one."""

    items: list[Json]
    version: str


class Api:
    """A connection to one API server."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._connection: Connection | None = None
        self._until = 0.0
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str) -> Json:
        """Read one object."""
        return await self._ask("GET", path)

    async def create(self, path: str, body: Json) -> Json:
        """Make a new object; the path is the one of all objects."""
        return await self._ask("POST", path, body)

    async def replace(self, path: str, body: Json) -> Json:
        """Write an object (or its /status) whole; 409 if it has another resourceVersion by now."""
        return await self._ask("PUT", path, body)

    async def merge(self, path: str, body: Json) -> Json:
        """Change the given fields (a JSON merge patch)."""
        return await self._ask("PATCH", path, body, kind="application/merge-patch+json")

    async def apply(self, path: str, body: Json, manager: str, *, force: bool = False) -> Json:
        """Server-side apply; 409 if another manager owns a field, unless forced."""
        params = {"fieldManager": manager, "force": "true" if force else "false"}
        return await self._ask("PATCH", path, body, params, kind="application/apply-patch+yaml")

    async def delete(self, path: str, uid: str = "") -> None:
        """Delete an object, only the one of this uid if one is given."""
        options: Json = {"propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        await self._ask("DELETE", path, options)

    async def pages(
        self, selection: Selection, *, limit: int = PAGE, metadata_only: bool = False
    ) -> AsyncGenerator[Page, None]:
        """LIST, page by page; `limit` 0 asks for one page. Gone: the list took too long."""
        path = selection.resource.at(selection.namespace)
        params = {**selection.params, **({"limit": str(limit)} if limit else {})}
        accept = _METADATA_ONLY if metadata_only else _JSON
        while True:
            answer = await self._ask("GET", path, params=params, accept=accept)
            meta = answer.get("metadata", {})
            items = [_named(item, selection.resource) for item in answer["items"] or ()]
            yield Page(items, meta.get("resourceVersion", ""))
            if not meta.get("continue"):
                return
            params["continue"] = meta["continue"]

    async def watch(
        self, selection: Selection, since: str, lasting_s: float = 300
    ) -> AsyncGenerator[tuple[str, Json], None]:
        """ADDED, MODIFIED, DELETED and BOOKMARK since a version, until the server ends it."""
        path = selection.resource.at(selection.namespace)
        watching = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": since}
        params = {**selection.params, **watching, "timeoutSeconds": str(int(lasting_s))}
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_S, sock_read=SILENCE_S)
        try:
            async with await self._send("GET", path, params=params, timeout=timeout) as response:
                async for line in _lines(response.content):
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        raise _error(event["object"], 0, "")
                    yield event["type"], _named(event["object"], selection.resource)
        except (aiohttp.ClientError, OSError, orjson.JSONDecodeError) as error:
            raise _unanswered(error) from None

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        params: Mapping[str, str] | None = None,
        *,
        kind: str = _JSON,
        accept: str = _JSON,
    ) -> Json:
        headers = {"Accept": accept, **({"Content-Type": kind} if body is not None else {})}
        content = None if body is None else orjson.dumps(body)
        timeout = aiohttp.ClientTimeout(total=REQUEST_S, sock_connect=CONNECT_S)
        try:
            async with await self._send(
                method, path, params=params, headers=headers, data=content, timeout=timeout
            ) as response:
                answer: Json = orjson.loads(await response.read())
        except (aiohttp.ClientError, OSError, orjson.JSONDecodeError) as error:
            raise _unanswered(error) from None
        return answer

    async def _send(self, method: str, path: str, **request: Any) -> aiohttp.ClientResponse:
        """Send, once more with a new login if this one is not accepted; raises for an error."""
        given = request.pop("headers", {})
        response = await self._sent(await self._there(), method, path, given, request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            response.close()
            there = await self._there(anew=True)
            response = await self._sent(there, method, path, given, request)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise await _refused(response)
        return response

    async def _sent(
        self,
        there: Connection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        request: Mapping[str, Any],
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, headers=_AGENT)
        every = {**headers, **there.headers}
        url, proxy = there.url(path), there.found.proxy_url
        return await self._session.request(
            method, url, headers=every, ssl=there.tls, proxy=proxy, **request
        )

    async def _there(self, *, anew: bool = False) -> Connection:
        now = asyncio.get_running_loop().time()
        if self._connection is None or anew or now >= self._until:
            before = None if anew else self._connection
            try:
                self._connection = await asyncio.to_thread(connect, self._login, before)
            except (kopf.LoginError, LookupError, OSError, ValueError) as error:
                raise ApiError(0, f"cannot log in: {type(error).__name__}") from None
            self._until = now + LOGIN_S
        return self._connection


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a stream, however long they are."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line:
                yield line


async def _refused(response: aiohttp.ClientResponse) -> ApiError:
    """What the server's Status says, if it sent one."""
    async with response:
        content = await response.read()
    try:
        status = orjson.loads(content)
    except ValueError:
        status = None
    given = status if isinstance(status, dict) else {}
    after = response.headers.get("Retry-After", "")
    reason = HTTPStatus(response.status).phrase if response.status in set(HTTPStatus) else ""
    return _error(given, response.status, reason, float(after) if after.isdigit() else 0)


def _error(status: Json, code: int, reason: str, retry_after: float = 0) -> ApiError:
    code = status.get("code") or code
    kind = Gone if code == HTTPStatus.GONE else ApiError
    reason = status.get("reason") or reason
    return kind(code, reason, status.get("message") or "", retry_after)


def _unanswered(error: Exception) -> ApiError:
    return ApiError(0, f"no answer: {type(error).__name__}")


def _named(item: Json, resource: Resource) -> Json:
    """Items of a list don't say what they are."""
    item["kind"], item["apiVersion"] = resource.kind, resource.api_version
    return item
