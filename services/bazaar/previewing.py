"""A preview in a process of its own, which is killed when it takes too long.

As a round is solved apart from the service (`solving`), so is a preview; but nobody's booth hangs on it, so it gets
little time, and what runs out of it is given up.
"""

import asyncio
import json
import pickle
import sys
from contextlib import suppress
from typing import Any

from services.bazaar.domain.preview import Job, PreviewTooSlow, compare

TIME_MAX_SECONDS = 20
"""Less than the database lets a transaction stand idle: one is open meanwhile, which keeps other previews away."""


class PreviewFailed(RuntimeError):
    """A fault of ours: the process that was to make the preview died."""


async def preview_apart(job: Job, time_max_seconds: float = TIME_MAX_SECONDS) -> dict[str, Any]:
    """Compare the two policies in another process. Raises `PreviewTooSlow`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(time_max_seconds):
            output, _ = await process.communicate(await asyncio.to_thread(pickle.dumps, job))
    except TimeoutError:
        raise PreviewTooSlow(
            f"The preview took longer than {time_max_seconds:g} seconds and was given up; try fewer seeds.",
            seconds_max=time_max_seconds,
        ) from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0:
        raise PreviewFailed(f"the process of the preview ended with {process.returncode}")
    found: dict[str, Any] = json.loads(output)
    return found


def main() -> None:
    """The other process: a job on stdin, its counts on stdout."""
    # what is unpickled comes from the service itself, over a pipe that only it holds
    json.dump(compare(pickle.load(sys.stdin.buffer)), sys.stdout)


if __name__ == "__main__":
    main()
