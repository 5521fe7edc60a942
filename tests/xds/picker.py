"""A stand-in endpoint picker, as the Endpoint Picker Protocol has them: TLS of its own making, bodies in full duplex.

Like the reference one it says nothing before it has the whole body. What it does is told by `mood`.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from envoy_data_plane.envoy.config.core.v3 import HeaderValue, HeaderValueOption
from envoy_data_plane.envoy.config.core.v3 import HeaderValueOptionHeaderAppendAction as How
from envoy_data_plane.envoy.service.ext_proc.v3 import (
    BodyMutation,
    BodyResponse,
    CommonResponse,
    HeaderMutation,
    HeadersResponse,
    ImmediateResponse,
    ProcessingRequest,
    ProcessingResponse,
    StreamedBodyResponse,
    TrailersResponse,
)
from envoy_data_plane.envoy.type.v3 import HttpStatus
from envoy_data_plane.google.protobuf import Struct

KEY = "x-gateway-destination-endpoint"
SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor"


MEDDLING = (("authorization", "stolen"), ("x-added", "1"), (":path", "/elsewhere"))
"""Headers that are not a picker's to set."""


def self_signed():
    """PEM of a private key and of a certificate nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "picker")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


def _set(name, value):
    return HeaderValueOption(
        header=HeaderValue(key=name, raw_value=value.encode()),
        append_action=How.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def _headers(message):
    return {h.key: (h.raw_value or h.value.encode()).decode() for h in message.headers.headers}


class Picker:
    """One ext_proc server that names endpoints; `asked` has what each request was."""

    def __init__(self):
        self.asked = []
        self.choose = ""
        """The endpoints it names; empty: none."""
        self.mood = ""
        """`close-early`, `close`, `abort`, `none`, `hang`, `busy` (429), `meddle` (more than it may);
        at the answer `done` (ends its stream) or `gone` (with an error)."""
        self.port = 0
        self.server = None

    async def start(self, port=0):
        handler = grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Process": grpc.stream_stream_rpc_method_handler(
                    self._process, ProcessingRequest.parse, bytes
                )
            },
        )
        self.server = grpc.aio.server()
        self.server.add_generic_rpc_handlers((handler,))
        credentials = grpc.ssl_server_credentials([self_signed()])
        self.port = self.server.add_secure_port(f"127.0.0.1:{port}", credentials)
        await self.server.start()

    async def stop(self):
        await self.server.stop(None)

    async def _process(self, requests, context):
        seen = {"body": b"", "answer": b""}
        self.asked.append(seen)
        async for request in requests:
            if request.request_headers is not None:
                seen["headers"] = _headers(request.request_headers)
            elif request.request_body is not None:
                seen["body"] += request.request_body.body
                if self.mood == "close-early":
                    return
                if request.request_body.end_of_stream:
                    if self.mood == "close":
                        return
                    async for reply in self._picked(seen, context):
                        yield reply
            elif request.response_headers is not None:
                if self.mood == "gone":
                    await context.abort(grpc.StatusCode.INTERNAL, "as asked")
                if self.mood == "done":
                    return
                served = request.metadata_context and request.metadata_context.filter_metadata.get(
                    "envoy.lb"
                )
                seen["served"] = served.to_dict() if served else None
                seen["status"] = _headers(request.response_headers)[":status"]
                yield ProcessingResponse(
                    response_headers=HeadersResponse(response=CommonResponse())
                )
            elif request.response_body is not None:
                body = request.response_body
                seen["answer"] += body.body
                yield ProcessingResponse(response_body=_streamed(body.body, end=body.end_of_stream))
            elif request.response_trailers is not None:
                yield ProcessingResponse(response_trailers=TrailersResponse())

    async def _picked(self, seen, context):
        if self.mood == "abort":
            await context.abort(grpc.StatusCode.INTERNAL, "as asked")
        if self.mood == "hang":
            await asyncio.sleep(3600)
        if self.mood == "busy":
            yield ProcessingResponse(
                immediate_response=ImmediateResponse(status=HttpStatus(code=429))
            )
            return
        chosen = "" if self.mood == "none" else self.choose
        headers = [_set(KEY, chosen)] if chosen else []
        named = {"envoy.lb": {KEY: chosen}} if chosen else {}
        if self.mood == "meddle":
            headers += [*(_set(*each) for each in MEDDLING)]
            named["dragoman"] = {"class": "none"}
            named["dragoman.targets"] = {}
        headers.append(_set("content-length", str(len(seen["body"]))))
        yield ProcessingResponse(
            request_headers=HeadersResponse(
                response=CommonResponse(
                    header_mutation=HeaderMutation(set_headers=headers), clear_route_cache=True
                )
            ),
            dynamic_metadata=Struct.from_dict(named),
        )
        yield ProcessingResponse(request_body=_streamed(seen["body"], end=True))


def _streamed(content, *, end):
    reply = StreamedBodyResponse(body=content, end_of_stream=end)
    return BodyResponse(
        response=CommonResponse(body_mutation=BodyMutation(streamed_response=reply))
    )
