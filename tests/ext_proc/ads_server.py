"""A scripted controller: a delta ADS server that sends what a test says and keeps what it hears."""

import asyncio
from pathlib import Path
from typing import Self

import grpc
from google.protobuf import any_pb2
from grpc import aio

from crds.plan import TYPE_URL, RoutePlan, VirtualHostPlan, canonical, resource_name, version
from ext_proc import ads
from ext_proc import discovery_pb2 as pb


def response(nonce: str, *plans: VirtualHostPlan | RoutePlan, removed: tuple[str, ...] = ()):
    return pb.DeltaDiscoveryResponse(
        type_url=TYPE_URL,
        nonce=nonce,
        removed_resources=removed,
        resources=[
            pb.Resource(
                name=resource_name(plan),
                version=version(canonical(plan)),
                resource=any_pb2.Any(type_url=TYPE_URL, value=canonical(plan)),
            )
            for plan in plans
        ],
    )


class Controller(grpc.GenericRpcHandler):
    """Serves one client at a time; `send` queues a response for whoever is connected."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: asyncio.Queue[pb.DeltaDiscoveryRequest] = asyncio.Queue()
        self._out: asyncio.Queue[pb.DeltaDiscoveryResponse] = asyncio.Queue()
        self._server: aio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = aio.server(handlers=[self])
        self._server.add_insecure_port(self.address)
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)
        while Path(self.address.removeprefix("unix:")).exists():  # gRPC unlinks its socket later
            await asyncio.sleep(0.01)

    def send(self, message: pb.DeltaDiscoveryResponse) -> None:
        self._out.put_nowait(message)

    def service(self, details):
        if details.method != ads.METHOD:
            return None
        return grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=pb.DeltaDiscoveryRequest.FromString,
            response_serializer=pb.DeltaDiscoveryResponse.SerializeToString,
        )

    async def _stream(self, requests, context):
        async def listen():
            async for request in requests:
                self.heard.put_nowait(request)

        listening = asyncio.create_task(listen())
        try:
            while True:
                await context.write(await self._out.get())
        finally:
            listening.cancel()
