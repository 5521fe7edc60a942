"""`dragoman mock-provider`: one instance on one port, until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import os
import signal
import sys

from dragoman.mock_provider import faults
from dragoman.mock_provider.server import serve

PORT = 8090
ENDS = (signal.SIGTERM, signal.SIGINT)
_SAYS = """\
It speaks the formats of all providers, and takes any model. Of their names it goes by:
  echo               answers with the user's last text
  reason…            thinks first
It calls the first tool it is offered where the user's last text says "tool", or one is demanded.

Faults, by model (fault-NAME+echo), header (x-mock-fault) or --fault:
"""


def main(argv: list[str]) -> int:
    """Serve; 2 with one line where the address cannot be had."""
    given = _arguments(argv)
    try:
        asyncio.run(_run(given))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        print(
            f"dragoman mock-provider: cannot listen on {given.host}:{given.port}: {reason}",
            file=sys.stderr,
        )
        return 2
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    names = faults.table()
    parser = argparse.ArgumentParser(
        prog="dragoman mock-provider",
        description="A stand-in LLM provider for demos and tests: no model, fixed answers.",
        epilog=_SAYS + names,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"0 is any free one (default {PORT})"
    )
    parser.add_argument(
        "--require-key", default="", metavar="KEY", help="refuse any other key with 401"
    )
    parser.add_argument("--fault", default="", metavar="NAME", help="misbehave at every request")
    given = parser.parse_args(argv)
    if given.fault and faults.parse(given.fault) is None:
        parser.error("no such fault; --help lists them")
    if not 0 <= given.port < 65536:
        parser.error("--port is a number from 0 to 65535")
    return given


async def _run(given: argparse.Namespace) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ENDS:
        loop.add_signal_handler(number, ended.set)
    server = await serve(given.host, given.port, fault=given.fault, require_key=given.require_key)
    host, port = server.sockets[0].getsockname()[:2]
    print(
        f"dragoman mock-provider: a stand-in for demos and tests, at http://{host}:{port}",
        flush=True,
    )
    await ended.wait()
    server.close()
