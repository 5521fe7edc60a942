"""Stand-ins at the outer edges: a guard that follows the seam of ARCHITECTURE.md, and a provider.

The guard is told what to decide by `x-test-*` headers of the request.
"""

import asyncio
import json

import grpc
from aiohttp import web
from envoy_data_plane.envoy.config.core.v3 import HeaderValue, HeaderValueOption
from envoy_data_plane.envoy.config.core.v3 import HeaderValueOptionHeaderAppendAction as How
from envoy_data_plane.envoy.extensions.filters.http.ext_proc.v3 import ProcessingMode
from envoy_data_plane.envoy.service.ext_proc.v3 import (
    BodyMutation,
    BodyResponse,
    CommonResponse,
    HeaderMutation,
    HeadersResponse,
    ImmediateResponse,
    ProcessingRequest,
    ProcessingResponse,
)
from envoy_data_plane.envoy.type.v3 import HttpStatus, StatusCode
from envoy_data_plane.google.protobuf import Struct

from controller.xds import discovery_pb2 as wire
from controller.xds import snapshot

KEPT = {"x-forwarded-proto", "content-type", "content-length", "x-request-id", "host", "user-agent"}


def _set(name, value):
    return HeaderValueOption(
        header=HeaderValue(key=name, raw_value=value.encode()),
        append_action=How.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def _headers(message):
    return {h.key: (h.raw_value or h.value.encode()).decode() for h in message.headers.headers}


class Guard:
    """One ext_proc server; `streams` records what each stream was asked."""

    def __init__(self, path):
        self.path = path
        self.streams = []
        self.server = None

    async def start(self):
        handler = grpc.method_handlers_generic_handler(
            "envoy.service.ext_proc.v3.ExternalProcessor",
            {
                "Process": grpc.stream_stream_rpc_method_handler(
                    self._process, ProcessingRequest.parse, bytes
                )
            },
        )
        self.server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        )
        self.server.add_generic_rpc_handlers((handler,))
        self.server.add_insecure_port(f"unix:{self.path}")
        await self.server.start()

    async def stop(self):
        await self.server.stop(None)

    async def _process(self, requests, context):
        metadata = dict(context.invocation_metadata())
        role = metadata["x-dragoman-filter"]
        seen = {"role": role, "metadata": metadata, "events": []}
        self.streams.append(seen)
        steps = {"translate": _TranslateStream, "mirror": _MirrorStream}
        step = _GuardStream(seen) if role == "guard" else steps[role](seen, metadata)
        async for request in requests:
            reply = await step.answer(request)
            if reply is None:
                return
            yield reply


class _GuardStream:
    def __init__(self, seen):
        self.seen = seen
        self.headers = {}

    async def answer(self, request):
        if request.request_headers is not None:
            self.headers = self.seen["request"] = _headers(request.request_headers)
            return self._on_headers(request.request_headers.end_of_stream)
        if request.request_body is not None:
            return self._on_body(request.request_body.body)
        if request.response_headers is not None:
            self.seen["response"] = _headers(request.response_headers)
            gone = HeaderMutation(remove_headers=["x-dragoman-target", "x-envoy-attempt-count"])
            if self.headers.get("x-test") == "die-at-response":
                raise RuntimeError("the stand-in dies as asked")
            target = self.seen["response"].get("x-dragoman-target", "none")
            gone.set_headers = [_set("x-dragoman-backend", target)]
            return ProcessingResponse(
                response_headers=HeadersResponse(response=CommonResponse(header_mutation=gone))
            )
        raise AssertionError(request)

    def _on_headers(self, end):
        if self.headers.get("x-test") == "close-at-headers":
            return None
        if self.headers.get("x-test") == "block" or end:
            return ProcessingResponse(
                immediate_response=ImmediateResponse(
                    status=HttpStatus(code=StatusCode.Forbidden),
                    body=b'{"error":{"code":"blocked_by_policy"}}',
                    headers=HeaderMutation(set_headers=[_set("content-type", "application/json")]),
                    details="dragoman:blocked_by_policy",
                )
            )
        mode = ProcessingMode(
            request_header_mode=1,
            request_body_mode=2,
            response_header_mode=1,
            response_body_mode=0,
            request_trailer_mode=2,
            response_trailer_mode=2,
        )
        return ProcessingResponse(
            request_headers=HeadersResponse(response=CommonResponse()), mode_override=mode
        )

    def _on_body(self, body):
        if self.headers.get("x-test") == "close-at-body":
            return None
        new = json.dumps({**json.loads(body), "seen": "guard"}).encode()
        order = self.headers["x-test-order"].split(",")
        translate = "x-test-models" in self.headers
        word = {
            "class": self.headers["x-test-class"],
            "route": "default/r",
            "rule": "all",
            "format": self.headers.get("x-test-format", "OpenAIChat"),
            "length": len(new),
            "translate": translate,
        }
        models = json.loads(self.headers.get("x-test-models", "{}"))
        paths = json.loads(self.headers.get("x-test-paths", "{}"))
        word["targets"] = {
            f"default/{name}/*": {
                "model": models.get(f"default/{name}/*", ""),
                "path": paths.get(name, f"/{name}/chat"),
            }
            for name in order
            if name != self.headers.get("x-test-unserved")
        }
        groups = [
            {"name": str(i), "clusters": [{"cluster_name": f"default/{name}/*", "weight": 1}]}
            for i, name in enumerate(order)
        ]
        removed = [n for n in self.headers if n not in KEPT and not n.startswith(":")]
        return ProcessingResponse(
            request_body=BodyResponse(
                response=CommonResponse(
                    header_mutation=HeaderMutation(
                        set_headers=[
                            _set("content-length", str(len(new))),
                            _set("x-dragoman-verdict", "1"),
                            *self._copied(),
                        ],
                        remove_headers=removed,
                    ),
                    body_mutation=BodyMutation(body=new),
                    clear_route_cache=True,
                )
            ),
            dynamic_metadata=Struct.from_dict(
                {"dragoman": word, "dragoman.targets": {"priority_groups": groups}}
            ),
        )

    def _copied(self):
        """The words for mirrors: which get a copy, and in place of a ticket the path for each."""
        names = self.headers.get("x-test-mirrors")
        if names is None:
            return
        for slot, name in enumerate(names.split(",")):
            yield _set(f"dragoman-mirror-{slot}", f"mirror:default/{name}/*")
        yield _set("dragoman-mirror", self.headers.get("x-test-paths", "{}"))


class _TranslateStream:
    def __init__(self, seen, metadata):
        self.seen = seen
        self.target = metadata["x-dragoman-target"]
        self.models = {}

    async def answer(self, request):
        if request.request_headers is not None:
            self.seen["request"] = _headers(request.request_headers)
            word = request.metadata_context.filter_metadata["dragoman"].to_dict()
            self.seen["word"] = word
            self.models = {name: each["model"] for name, each in word["targets"].items()}
            return ProcessingResponse(request_headers=HeadersResponse(response=CommonResponse()))
        model = self.models[self.target]
        if model == "close":
            return None
        new = json.dumps({**json.loads(request.request_body.body), "model": model}).encode()
        return ProcessingResponse(
            request_body=BodyResponse(
                response=CommonResponse(
                    header_mutation=HeaderMutation(
                        set_headers=[
                            _set("content-length", str(len(new))),
                            _set("x-dragoman-translated", "1"),
                        ]
                    ),
                    body_mutation=BodyMutation(body=new),
                )
            )
        )


class _MirrorStream:
    def __init__(self, seen, metadata):
        self.seen = seen
        self.name = metadata["x-dragoman-target"].split("/")[1]

    async def answer(self, request):
        if request.request_headers is not None:
            self.seen["request"] = _headers(request.request_headers)
            return ProcessingResponse(request_headers=HeadersResponse(response=CommonResponse()))
        paths = json.loads(self.seen["request"]["dragoman-mirror"])
        new = json.dumps({**json.loads(request.request_body.body), "copy": self.name}).encode()
        told = {
            "content-length": str(len(new)),
            "x-dragoman-translated": "1",
            "x-dragoman-path": paths.get(self.name, f"/{self.name}/chat"),
        }
        headers = HeaderMutation(set_headers=[_set(*each) for each in told.items()])
        common = CommonResponse(header_mutation=headers, body_mutation=BodyMutation(body=new))
        return ProcessingResponse(request_body=BodyResponse(response=common))


class Provider:
    """Records what it is sent; answers 200, or what `fault` says."""

    def __init__(self):
        self.seen = []
        self.fault = None
        self.delay_s = 0
        self.port = 0
        self.runner = None

    async def start(self, ssl_context=None, host="127.0.0.1"):
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, host, self.port, ssl_context=ssl_context)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def stop(self):
        await self.runner.cleanup()

    async def _answer(self, request):
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append({"path": request.raw_path, "headers": headers, "body": body})
        await asyncio.sleep(60 if self.fault == "hang" else self.delay_s)
        if self.fault:
            return web.json_response({"error": "fault"}, status=self.fault)
        return web.json_response(
            {"path": request.path, "length": len(body)},
            headers={"x-envoy-leak": "1", "server": "p"},
        )


class PlanClient:
    """What ext_proc is to the ADS server: subscribes to plans and ACKs them."""

    def __init__(self, path):
        self.channel = grpc.aio.insecure_channel(f"unix:{path}")
        self.plans = {}

    async def follow(self):
        call = self.channel.stream_stream(
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
            request_serializer=wire.DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=wire.DeltaDiscoveryResponse.FromString,
        )(wait_for_ready=True)
        node = wire.Node(id="ext_proc/0")
        await call.write(wire.DeltaDiscoveryRequest(node=node, type_url=snapshot.PLAN))
        async for response in call:
            self.plans.update({each.name: each.resource.value for each in response.resources})
            for name in response.removed_resources:
                del self.plans[name]
            await call.write(
                wire.DeltaDiscoveryRequest(
                    type_url=response.type_url, response_nonce=response.nonce
                )
            )
