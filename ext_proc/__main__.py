"""`python -m ext_proc`: joins the parts of one guard process and runs them until SIGTERM.

Records go to standard output, logs to standard error, plans come from the controller.
"""

import asyncio
import gc
import logging
import random
import signal
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from prometheus_client import disable_created_metrics

from crds.plan import FILTER_HEADER, PLAN_HEADER, TARGET_HEADER
from ext_proc import ads, catalogue, metrics, server, settings, tokens
from ext_proc.copies import Copy
from ext_proc.exchange import Exchange
from ext_proc.machine import World
from ext_proc.metrics import Metrics
from ext_proc.plans import Plans
from ext_proc.record import Record, Writer
from ext_proc.server import Open, RefusedError, Server
from ext_proc.settings import Settings
from ext_proc.slots import Slots
from ext_proc.translate import Translation

logger = logging.getLogger("ext_proc")

PATIENCE_S = 0.5
"""How long a stream waits for a plan that Envoy already names."""


def opener(plans: Plans, world: World) -> Open:
    """Make the exchange each stream's initial metadata asks for."""

    async def guard(metadata: Mapping[str, str]) -> Exchange:
        found = await plans.host(metadata.get(PLAN_HEADER, ""), PATIENCE_S)
        if found is None:
            raise RefusedError("the plan is not known")
        return Exchange(*found, world)

    async def open_exchange(metadata: Mapping[str, str]) -> server.Exchange:
        match metadata.get(FILTER_HEADER):
            case "guard":
                return await guard(metadata)
            case "translate":
                return Translation(metadata.get(TARGET_HEADER, ""))
            case "mirror":
                return Copy(metadata.get(TARGET_HEADER, ""), plans.snapshot.routes)
            case _:
                raise RefusedError("the filter is not known")

    return open_exchange


def warm() -> None:
    """Read what every request needs, and spare the collector from looking through it again."""
    tokens.load()
    catalogue.load()
    gc.freeze()


async def run(chosen: Settings) -> None:
    """Serve until a signal to end."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    counted = Metrics()
    records = Writer(sys.stdout.buffer)

    def report(record: Record) -> None:
        counted.observe(record)
        if record.logged and not records.write(record):
            counted.records_lost.inc()

    # Bodies and plans have threads of their own: compiling a word list must not delay a request.
    with ThreadPoolExecutor(chosen.threads) as bodies, ThreadPoolExecutor(1) as compiler:
        plans = Plans(compiler)

        def applied(accepted: bool) -> None:  # noqa: FBT001 - the one thing to say
            counted.plan_updates.labels("ack" if accepted else "nack").inc()
            counted.plans.set(len(plans.snapshot.versions))
            counted.ready.set(plans.snapshot.complete)

        world = World(
            slots=Slots(),
            chance=random.SystemRandom().random,
            now=lambda: datetime.now(UTC),
            clock=time.perf_counter,
            report=report,
        )
        failed = lambda name, reason: counted.failed.labels(name, reason).inc()  # noqa: E731 - one line
        serving = Server(f"unix:{chosen.listen}", opener(plans, world), bodies, failed)
        await serving.start()
        warming = asyncio.get_running_loop().run_in_executor(bodies, warm)
        shown = await metrics.serve(
            chosen.metrics, counted.registry, lambda: plans.snapshot.complete
        )
        following = asyncio.create_task(
            ads.follow(chosen.ads, f"ext_proc/{chosen.node}", plans, applied)
        )
        ending = asyncio.create_task(stopped.wait())
        logger.info("serving")
        await asyncio.wait((following, ending), return_when=asyncio.FIRST_COMPLETED)
        await serving.stop(chosen.drain_s)
        ending.cancel()
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following  # a failure of it is one of the process
        shown.close()
        await warming
    records.close()


def main() -> None:
    """Start."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    chosen = settings.parse(sys.argv[1:])
    for path in (chosen.listen, chosen.metrics):
        Path(path).unlink(missing_ok=True)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here
    uvloop.run(run(chosen))


if __name__ == "__main__":
    main()
