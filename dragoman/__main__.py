"""The command: `dragoman run | render | explain | detect | mock-provider`."""

import argparse
import importlib
import sys

COMMANDS = {
    "run": ("dragoman.run", "serve the Gateways of a directory of YAML on this machine"),
    "render": (
        "dragoman.render",
        "show what a directory of YAML becomes: IR, xDS, plans, statuses",
    ),
    "explain": ("dragoman.explain", "say which rule and targets serve a request, and why"),
    "detect": ("dragoman.detect", "run a detector over JSON lines"),
    "mock-provider": ("dragoman.mock_provider", "a stand-in LLM provider for demos and tests"),
}


def main() -> int:
    """Run the subcommand; its module is imported only when it is asked for."""
    parser = argparse.ArgumentParser(
        prog="dragoman", description="An AI gateway: Envoy with a guard."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        commands.add_parser(name, help=summary, add_help=False)
    arguments, rest = parser.parse_known_args(sys.argv[1:2])
    module = importlib.import_module(COMMANDS[arguments.command][0])
    return int(module.main([*rest, *sys.argv[2:]]))


if __name__ == "__main__":
    sys.exit(main())
