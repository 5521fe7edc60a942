"""`python -m controller files`: read a directory, serve Envoy and ext_proc, tell the parent.

Standard output carries JSON event lines, standard error one line per problem. Nothing is read from
the process environment: what Secrets may refer to comes over a pipe.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import uvloop

from controller import metrics
from controller.kept import Kept
from controller.metrics import Metrics
from controller.reconcile import FatalError, Reconciler
from controller.report import Report
from controller.settings import BuildSettings, Settings
from controller.sources import files
from controller.tokens import endpoint
from controller.tokens.endpoint import Way
from controller.tokens.minter import Minter
from controller.xds.cache import Cache
from controller.xds.server import AdsServer, Feed


def parse(argv: Sequence[str]) -> Settings:
    """The command line as settings."""
    defaults = BuildSettings()
    parser = argparse.ArgumentParser(prog="python -m controller files")
    parser.add_argument("--source", type=Path, required=True, metavar="DIR")
    parser.add_argument("--socket-dir", type=Path, required=True, metavar="DIR")
    parser.add_argument("--address", default=defaults.address, help="where listeners bind")
    parser.add_argument("--environ-fd", type=int, metavar="N", help="a pipe with a JSON object")
    parser.add_argument("--ca-bundle", default=defaults.ca_bundle, metavar="FILE")
    parser.add_argument("--drain", type=float, default=10.0, metavar="SECONDS")
    given = parser.parse_args(argv)
    return Settings(
        source=given.source,
        socket_dir=given.socket_dir,
        build=BuildSettings(address=given.address, ca_bundle=given.ca_bundle),
        environ=_environ(given.environ_fd),
        drain_s=given.drain,
    )


def _environ(fd: int | None) -> dict[str, str]:
    if fd is None:
        return {}
    with os.fdopen(fd) as pipe:
        return {str(name): str(value) for name, value in json.load(pipe).items()}


async def run(settings: Settings, report: Report) -> None:
    """Serve until cancelled; FatalError says why it could not start."""
    counted = Metrics()
    cache = Cache(settings.drain_s)
    for role in cache.connected():
        counted.connected.labels(role).set_function(lambda role=role: cache.connected()[role])  # type: ignore[misc]
    kept = Kept(settings.socket_dir)
    reconciler = Reconciler(settings.build, cache, counted, report, kept)
    feed = Feed(cache, reconciler.happened, reconciler.sent)
    server = AdsServer(lambda _: feed)
    await server.start(settings.ads_socket)
    shown = await metrics.serve(counted, settings.metrics_socket)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    readings = files.watch(settings.source, settings.environ, kept.past(), kept.keep_past)
    minter = Minter(partial(endpoint.mint, way=Way(settings.build.ca_bundle)))
    loop = asyncio.create_task(
        reconciler.run(minter.joined(readings), feed.publish, lambda error: _fail(failed, error))
    )
    try:
        await asyncio.wait({loop, failed}, return_when=asyncio.FIRST_COMPLETED)
        (failed if failed.done() else loop).result()
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError, FatalError):
            await loop
        shown.close()
        feed.stop()
        await server.stop()


def _fail(failed: asyncio.Future[None], error: FatalError) -> None:
    if not failed.done():
        failed.set_exception(error)


async def _until_told(settings: Settings, report: Report) -> None:
    """Run, and end in order when asked to."""
    task = asyncio.create_task(run(settings, report))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main(argv: Sequence[str]) -> int:
    """0 when told to end, 2 with one event when it could not start."""
    report = Report(sys.stdout, sys.stderr)
    try:
        uvloop.run(_until_told(parse(argv), report))
    except FatalError as error:
        report.fatal(str(error))
        return 2
    return 0
