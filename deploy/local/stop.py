"""`python -m deploy.local.stop NAME`: stop one stack, for `make clean`."""

from __future__ import annotations

import sys

import typer

from deploy.local import stack

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m deploy.local.stop NAME")
    try:
        stack.stop(sys.argv[1], on_progress=typer.echo)
    except stack.StackError as error:
        sys.exit(str(error))
