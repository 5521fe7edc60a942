"""Stand-ins around a pod's Envoy: a controller that asks for certificates, and a guard's HTTP side."""

import asyncio
from datetime import timedelta

import grpc
from aiohttp import web
from cryptography import x509
from envoy_data_plane.envoy.config.core.v3 import Address, SocketAddress
from envoy_data_plane.envoy.config.listener.v3 import Filter, FilterChain, Listener
from envoy_data_plane.envoy.config.route.v3 import (
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpFilter,
)
from envoy_data_plane.google.protobuf import Any

from controller.xds import discovery_pb2 as wire
from controller.xds import snapshot

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
METHOD = "envoy.service.discovery.v3.AggregatedDiscoveryService"


def listener(port):
    """What the controller would send for a port, as far as draining sees it."""
    route = Route(
        match=RouteMatch(prefix="/"),
        route=RouteAction(cluster="dragoman-guard-metrics", timeout=timedelta(0)),
    )
    hosts = [VirtualHost(name="all", domains=["*"], routes=[route])]
    manager = HttpConnectionManager(
        stat_prefix=f"http/{port}",
        route_config=RouteConfiguration(name="all", virtual_hosts=hosts),
        http_filters=[
            HttpFilter(name="envoy.filters.http.router", typed_config=Any.pack(Router()))
        ],
    )
    front = Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=Any.pack(manager)
    )
    return Listener(
        name=f"listener/{port}",
        address=Address(socket_address=SocketAddress(address="127.0.0.1", port_value=port)),
        filter_chains=[FilterChain(filters=[front])],
    )


class Controller:
    """Delta ADS over mTLS; keeps who came. Sends one listener and no clusters."""

    def __init__(self, port, served):
        self.port = port
        self.served = served
        self.streams = asyncio.Queue()
        self.server = None

    async def start(self, identity, authority):
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve,
            request_deserializer=wire.DeltaDiscoveryRequest.FromString,
            response_serializer=wire.DeltaDiscoveryResponse.SerializeToString,
        )
        handlers = grpc.method_handlers_generic_handler(
            METHOD, {"DeltaAggregatedResources": handler}
        )
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self.server.add_generic_rpc_handlers((handlers,))
        credentials = grpc.ssl_server_credentials(
            [(identity.private_key.reveal(), identity.certificate)],
            root_certificates=authority,
            require_client_auth=True,
        )
        self.server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        await self.server.start()

    async def stop(self):
        await self.server.stop(None)

    async def _serve(self, requests, context):
        async for request in requests:
            if request.node.id:
                shown = context.auth_context()["x509_pem_cert"][0]
                self.streams.put_nowait((request.node.id, x509.load_pem_x509_certificate(shown)))
            if request.response_nonce:
                continue
            if request.type_url == snapshot.LISTENER:
                body = wire.Body(type_url=request.type_url, value=bytes(self.served))
                each = wire.Resource(name=self.served.name, version="1", resource=body)
                yield wire.DeltaDiscoveryResponse(
                    type_url=request.type_url, nonce="l", resources=[each]
                )
            else:
                yield wire.DeltaDiscoveryResponse(type_url=request.type_url, nonce="c")


def _text(text):
    async def answer(request):
        return web.Response(text=text)

    return answer


class GuardHttp:
    """What the guard answers on its metrics socket; `/slow` waits for `release`."""

    def __init__(self, path):
        self.path = path
        self.release = asyncio.Event()
        self.reached = asyncio.Event()
        self.runner = None

    async def start(self):
        app = web.Application()
        app.router.add_get("/ready", _text("guard is ready"))
        app.router.add_get("/metrics", _text("guard_metric 1"))
        app.router.add_get("/slow", self._slow)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.UnixSite(self.runner, self.path).start()

    async def stop(self):
        await self.runner.cleanup()

    async def _slow(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        self.reached.set()
        await response.write(b"first,")
        await self.release.wait()
        await response.write(b"last")
        return response
