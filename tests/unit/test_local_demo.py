"""How long the demo waits: as long as something moves, and not for ever when nothing does."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deploy.local.demo import story as module
from deploy.local.demo.story import STILL_SECONDS_MAX, Story
from deploy.local.processes import StackError

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
