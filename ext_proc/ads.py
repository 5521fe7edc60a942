"""The client of the controller: delta ADS for plans, over one stream that is opened again for ever.

What arrives is compiled and swapped in by `plans`, then ACKed; what cannot be is NACKed and
changes nothing. A message without nonce goes on in the next, and they are taken as one. While the
controller is away the last plans stay in force.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from grpc import aio

from crds.plan import TYPE_URL
from ext_proc import discovery_pb2 as pb
from ext_proc.plans import Plans, UnusablePlanError, Update

logger = logging.getLogger(__name__)

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
MESSAGE_LIMIT_BYTES = 256 * 1024 * 1024
"""Far above what is sent: plans come 4 MiB at a time, an AIRoute's has at most 8 MiB."""
_OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.use_local_subchannel_pool", 1),
]
_INVALID_ARGUMENT = 3
RETRY_S = 0.2

Stream = aio.StreamStreamCall[pb.DeltaDiscoveryRequest, pb.DeltaDiscoveryResponse]


async def follow(
    address: str, node: str, plans: Plans, applied: Callable[[bool], None], retry_s: float = RETRY_S
) -> None:
    """Keep the plans as the controller says, for ever; `applied` hears of each ACK and NACK."""
    while True:
        async with aio.insecure_channel(address, options=_OPTIONS) as channel:
            # An answer written to a stream that just ended raises InvalidStateError.
            with suppress(aio.AioRpcError, asyncio.InvalidStateError):
                await _converse(_open(channel), node, plans, applied)
        await asyncio.sleep(retry_s)


def _open(channel: aio.Channel) -> Stream:
    method = channel.stream_stream(
        METHOD,
        request_serializer=pb.DeltaDiscoveryRequest.SerializeToString,
        response_deserializer=pb.DeltaDiscoveryResponse.FromString,
    )
    return cast("Stream", method())


async def _converse(
    stream: Stream, node: str, plans: Plans, applied: Callable[[bool], None]
) -> None:
    await stream.write(
        pb.DeltaDiscoveryRequest(
            node=pb.Node(id=node),
            type_url=TYPE_URL,
            resource_names_subscribe=["*"],
            initial_resource_versions=dict(plans.snapshot.versions),
        )
    )
    await stream.initial_metadata()
    logger.info("connected to the controller")
    arrived = pb.DeltaDiscoveryResponse()
    async for message in stream:
        arrived.MergeFrom(message)
        if not message.nonce:
            continue
        response, arrived = arrived, pb.DeltaDiscoveryResponse()
        refusal = await _apply(response, plans)
        applied(refusal is None)
        await stream.write(
            pb.DeltaDiscoveryRequest(
                type_url=TYPE_URL, response_nonce=response.nonce, error_detail=refusal
            )
        )


async def _apply(response: pb.DeltaDiscoveryResponse, plans: Plans) -> pb.Status | None:
    update = Update(
        plans={each.name: (each.version, each.resource.value) for each in response.resources},
        removed=tuple(response.removed_resources),
    )
    try:
        await plans.apply(update)
    except UnusablePlanError as error:
        logger.warning("plan refused: %s", error)
        return pb.Status(code=_INVALID_ARGUMENT, message=f"{error} cannot be used")
    return None
