"""`python -m tests.kubernetes.cluster`: the cluster of the tests, by hand."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.kubernetes.cluster import Cluster, ClusterError, archive, programs


def main() -> int:
    """Do what the command line says; errors are one sentence, not a traceback."""
    options = _parser().parse_args()
    try:
        options.run(options)
    except ClusterError as error:
        sys.stderr.write(f"cluster: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes.cluster", description=__doc__)
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", help="start what is not running, and wait until it is ready")
    up.add_argument("--node", action="store_true", help="with a node, on which pods run (as root)")
    up.add_argument("--gateway-api", action="store_true", help="with the Gateway API's CRDs")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="end it and delete its data")
    down.add_argument("--keep", action="store_true", help="keep data, ports and keys for `up`")
    down.set_defaults(run=lambda options: Cluster(options.dir).down(keep=options.keep))
    load = commands.add_parser("load", help="make an image of a folder and give it to the node")
    load.add_argument("image", help="name and tag, such as dragoman/app:1")
    load.add_argument("--rootfs", required=True, type=Path)
    load.set_defaults(run=_load)
    inside = commands.add_parser("inside", help="run a command on the node: inside --dir D ctr ...")
    inside.set_defaults(run=lambda o: print(Cluster(o.dir).inside(*o.cmd), end=""))
    for each in (up, down, load, inside):
        each.add_argument("--dir", required=True, type=Path, help="the cluster's folder")
    load.add_argument("--cmd", nargs=argparse.REMAINDER, default=[], help="what the image runs")
    inside.add_argument("cmd", nargs=argparse.REMAINDER)
    prepare = commands.add_parser("prepare", help="build or fetch all programs, and start nothing")
    prepare.set_defaults(run=lambda _: programs.prepare())
    printed = commands.add_parser("bin", help="print the folder with kubectl and helm")
    printed.set_defaults(run=lambda _: print(programs.clients()))
    return parser


def _up(options: argparse.Namespace) -> None:
    began = time.monotonic()
    cluster = Cluster(options.dir, node=options.node, gateway_api=options.gateway_api)
    cluster.up()
    print(f"ready in {time.monotonic() - began:.0f} s: export KUBECONFIG={cluster.kubeconfig}")


def _load(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        layer = Path(scratch) / "layer.tar"
        archive.pack(options.rootfs, layer)
        image = archive.Image(options.image, (layer,), command=tuple(options.cmd))
        Cluster(options.dir).load([image])


if __name__ == "__main__":
    sys.exit(main())
