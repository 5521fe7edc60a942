"""`python -m controller kubernetes`: the controller in a cluster.

Every replica reads and translates; the one that holds the Lease serves xDS, provisions data planes
and writes statuses. It ends with code 1 if a part of it breaks, for Kubernetes to start it again;
data planes run on meanwhile.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import uvloop
from prometheus_client import ProcessCollector

from controller import health
from controller.cluster import Cluster, Surroundings
from controller.dataplane.parameters import Unusable, parameters
from controller.metrics import Metrics
from controller.settings import BuildSettings, Place, PodSettings, refused_networks
from controller.sources import service_accounts
from controller.sources.api import Api
from controller.sources.held import HeldApi, Views
from controller.sources.kubernetes import Scope, Source
from controller.sources.lease import Election
from controller.sources.login import login
from controller.sources.provision import Provisioner
from controller.sources.status import Pace, StatusWriter
from controller.term import Post, Term
from controller.tokens import endpoint
from controller.tokens.asking import Identity
from controller.tokens.endpoint import Way
from controller.tokens.minter import Minter
from controller.xds import pod_bootstrap
from crds.gateway import SecretValue

logger = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often it is asked who holds the Lease."""


class SettingsError(ValueError):
    """Something on the command line cannot be used."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m controller kubernetes")
    parser.add_argument("--namespace", required=True, help="the controller's own")
    parser.add_argument("--pod-name", required=True)
    parser.add_argument("--pod-ip", required=True)
    parser.add_argument("--xds-service", default="dragoman-xds", help="leads to the leader")
    parser.add_argument("--lease", default="dragoman-controller")
    parser.add_argument("--ca-secret", default="dragoman-ca", help="authority of data planes")
    parser.add_argument("--ads-port", type=int, default=18000)
    parser.add_argument("--health-port", type=int, default=8081)
    parser.add_argument("--data-plane", type=Path, metavar="FILE", help="defaults, as YAML")
    parser.add_argument("--watch-namespaces", type=_words, default=(), metavar="A,B")
    parser.add_argument("--allow-endpoints", type=_words, default=(), metavar="CIDR,CIDR")
    parser.add_argument("--gateway-class", default="dragoman")
    parser.add_argument("--drain", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="outside of a cluster")
    return parser.parse_args(argv)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def surroundings(given: argparse.Namespace) -> Surroundings:
    """What depends on the cluster; raises ValueError for what cannot be used."""
    defaults = given.data_plane.read_text() if given.data_plane else ""
    found = parameters(("dataPlane", defaults))
    if isinstance(found, Unusable):
        raise SettingsError("; ".join(found.lines))
    refused = refused_networks(given.allow_endpoints)
    address = "::" if ":" in given.pod_ip else "0.0.0.0"  # a pod's own address
    return Surroundings(
        Place(apart=True, refused=refused, gateway_class=given.gateway_class),
        BuildSettings(address=address, refused=refused, in_pod=True),
        given.drain,
        defaults,
    )


async def run(given: argparse.Namespace, settings: Surroundings) -> None:
    """Read, translate, and lead while the Lease is ours; until cancelled or broken."""
    by = partial(login, given.kubeconfig)
    async with contextlib.AsyncExitStack() as ends:
        api = await ends.enter_async_context(Api(by))
        election = Election(api, given.namespace, given.lease, given.pod_name)
        metrics = Metrics()
        ProcessCollector(registry=metrics.registry)
        held = HeldApi(by, lambda: election.leader, metrics.count_write)
        await ends.enter_async_context(held)
        source = Source(api, by, Scope(given.watch_namespaces, given.gateway_class))
        cluster = Cluster(settings, source.sight, metrics)
        way = Way(refused=settings.place.refused, identify=partial(_identify, api))
        minter = Minter(partial(endpoint.mint, way=way))
        writer = StatusWriter(held, Views(source.meta).read, given.pod_name, Pace(), time.monotonic)
        post = _post(given)
        pods = PodSettings(post.host, post.port, probe_address=settings.build.address)
        provisioner = Provisioner(held, pod_bootstrap.files(pods))
        term = Term(post, held, cluster, provisioner, writer)
        source.listen(writer.changed)
        cluster.listen(term.statuses_changed, term.planes_changed)
        shown = await health.serve(
            settings.build.address, given.health_port, metrics, lambda: _unready(source, cluster)
        )
        ends.push_async_callback(shown.cleanup)
        ends.push_async_callback(source.close)
        async with asyncio.TaskGroup() as group:
            group.create_task(cluster.reconcile(minter.joined(source.readings())))
            group.create_task(_elected(election, term, cluster.translated))


async def _identify(api: Api, identity: Identity) -> SecretValue | str:
    return await service_accounts.token(api, identity.namespace, identity.name, identity.audience)


async def _elected(election: Election, term: Term, translated: asyncio.Event) -> None:
    """Stand for election once there is something to serve, and lead while nobody else does.

    A leader that the API server does not answer writes nothing, but goes on serving xDS until it
    sees another holder: nobody else could serve meanwhile.
    """
    await translated.wait()
    wake = asyncio.Event()

    async def until(holds: Callable[[], bool]) -> None:
        while not holds():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), LOOK_S)
            wake.clear()

    async with asyncio.TaskGroup() as group:
        group.create_task(election.run(lambda _: wake.set()))
        while True:
            await until(lambda: election.leader)
            leading = group.create_task(term.run())
            await until(lambda: not election.leader and election.holder != election.me)
            leading.cancel()
            await asyncio.wait((leading,))


def _post(given: argparse.Namespace) -> Post:
    return Post(
        namespace=given.namespace,
        pod=given.pod_name,
        ip=given.pod_ip,
        service=given.xds_service,
        ca_secret=given.ca_secret,
        port=given.ads_port,
        namespaces=given.watch_namespaces or ("",),
    )


def _unready(source: Source, cluster: Cluster) -> str:
    if not source.primed:
        waiting = ", ".join(f"{kind}: {why}" for kind, why in sorted(source.waiting.items()))
        return f"reading the cluster{f' ({waiting})' if waiting else ''}"
    return "" if cluster.translated.is_set() else "translating"


def main(argv: Sequence[str]) -> int:
    """0 when told to end; 1 when a part broke; 2 with one line when it could not start."""
    given = parse(argv)
    try:
        settings = surroundings(given)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"controller: {error}\n")
        return 2
    try:
        uvloop.run(_until_told(given, settings))
    except ExceptionGroup as broken:
        logger.critical("a part broke", exc_info=broken)
        return 1
    return 0


async def _until_told(given: argparse.Namespace, settings: Surroundings) -> None:
    """Run, and end in order when asked to."""
    task = asyncio.create_task(run(given, settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
