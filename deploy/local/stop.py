"""`python -m deploy.local.stop NAME`: stop one stack, for `make clean`."""

from __future__ import annotations

import sys

from deploy.local import stack

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m deploy.local.stop NAME")
    try:
        stack.stop(sys.argv[1], on_progress=lambda line: print(line, flush=True))  # noqa: T201 - its progress, for make
    except stack.StackError as error:
        sys.exit(str(error))
