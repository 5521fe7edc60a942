"""The arguments of `python -m ext_proc`: addresses and limits of one process."""

import os
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process is reached, and whom it reaches."""

    ads: str
    """The controller's gRPC address: `unix:PATH`."""
    listen: str
    """Path of the Unix socket Envoy connects to."""
    metrics: str
    """Path of the Unix socket that metrics are read from."""
    node: str
    """What tells this process from others of its controller: a pod's name, else the process id."""
    drain_s: float
    threads: int


def parse(arguments: Sequence[str]) -> Settings:
    """Read the command line."""
    parser = ArgumentParser(
        prog="python -m ext_proc", description="Dragoman's guard: Envoy's external processor."
    )
    parser.add_argument(
        "--ads", required=True, metavar="ADDRESS", help="gRPC address of the controller: unix:PATH"
    )
    parser.add_argument(
        "--listen", required=True, metavar="PATH", help="Unix socket to serve Envoy on"
    )
    parser.add_argument(
        "--metrics", required=True, metavar="PATH", help="Unix socket to serve metrics on"
    )
    parser.add_argument(
        "--node", default=str(os.getpid()), metavar="NAME", help="its name: ext_proc/NAME over ADS"
    )
    parser.add_argument(
        "--drain",
        type=float,
        default=10,
        metavar="SECONDS",
        help="time for open streams at the end",
    )
    parser.add_argument(
        "--threads", type=int, default=2, metavar="N", help="threads for long bodies"
    )
    given = parser.parse_args(arguments)
    return Settings(
        ads=given.ads,
        listen=given.listen,
        metrics=given.metrics,
        node=given.node,
        drain_s=given.drain,
        threads=given.threads,
    )
