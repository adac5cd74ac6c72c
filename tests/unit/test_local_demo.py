"""The demo waits as long as something moves, and says in a line what stands still or does not answer."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deploy.local.demo import story as module
from deploy.local.demo.doors import Doors
from deploy.local.demo.story import STILL_SECONDS_MAX, Story
from deploy.local.processes import HOST, StackError, free_port
from shared.auth import LocalIssuer

SLOW_SECONDS = STILL_SECONDS_MAX * 0.6
"""What one look takes on a very busy machine."""


@pytest.fixture
def story() -> Story:
    nobody = cast(Any, None)
    return Story(cast(Any, SimpleNamespace(state_dir=Path("demo"))), nobody, nobody, nobody, vendors=1, seed=1)


@pytest.fixture
async def looks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Awaitable[int]]:
    """Looks that take long by the loop's clock, which nobody waits for; they are counted."""
    loop, done = asyncio.get_running_loop(), 0
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + done * SLOW_SECONDS)
    monkeypatch.setattr(module, "POLL_SECONDS", 0)

    async def look() -> int:
        nonlocal done
        done += 1
        return done

    return look


async def test_as_long_as_something_moves_the_demo_waits(story: Story, looks: Callable[[], Awaitable[int]]) -> None:
    seen = 0

    async def tenth() -> bool:
        nonlocal seen
        seen = await looks()
        return seen == 10

    await story.until(tenth, "the tenth look", lambda: seen)
    assert seen == 10


async def test_when_nothing_moves_the_demo_says_for_what_it_waited(
    story: Story, looks: Callable[[], Awaitable[int]]
) -> None:
    async def never() -> bool:
        return await looks() > 10

    with pytest.raises(StackError, match=r"waited for a miracle: nothing moved for 90 s\. See demo/logs"):
        await story.until(never, "a miracle", lambda: "as before")


@pytest.mark.parametrize("door", ["get", "post", "put", "raw", "metrics"])
async def test_a_service_that_is_gone_is_named(tmp_path: Path, door: str) -> None:
    doors = Doors({"bazaar": f"http://{HOST}:{free_port()}"}, LocalIssuer(tmp_path))
    words: tuple[Any, ...] = {"metrics": (), "put": ("/v1/x", {})}.get(door, ("/v1/x",))
    try:
        with pytest.raises(StackError, match=r"no answer \(ConnectError\)\. Does bazaar run\?"):
            await getattr(doors, door)("bazaar", *words)
    finally:
        await doors.close()
