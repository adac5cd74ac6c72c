"""The command line of `python -m deploy.local.providers`."""

import argparse
import asyncio
from pathlib import Path

import uvloop

from deploy.local.providers.server import serve


def main() -> None:
    """Emulate until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.providers", description="Emulate providers of messages on loopback."
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True, help="folder for what they took")
    parser.add_argument("--clock", type=Path, help="file of a development clock")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(arguments.port, arguments.store, arguments.clock))


if __name__ == "__main__":
    main()
