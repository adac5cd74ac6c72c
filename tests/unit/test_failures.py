"""What counts as an outage, what as a defect; and loops that outlive both."""

import asyncio

import asyncpg
import pytest

from shared.errors import Refused
from shared.failures import describe, is_outage, supervise


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.ConnectionDoesNotExistError("closed in the middle of operation"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.DeadlockDetectedError("deadlock"),
    ],
)
def test_what_may_pass_later_is_an_outage(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        asyncpg.UniqueViolationError("twice"),
        asyncpg.InterfaceError("the server expects 2 arguments for this query, 1 was passed"),
        asyncpg.DataError("invalid input for query argument $1: 'connection closed'"),
    ],
)
def test_a_defect_is_no_outage(error: Exception) -> None:
    assert not is_outage(error)


def test_a_description_names_the_place_and_no_value() -> None:
    def fail() -> None:
        raise ValueError("3171234567890001")

    with pytest.raises(ValueError, match="3171") as caught:
        fail()
    assert describe(caught.value).startswith("ValueError at ")
    assert "3171" not in describe(caught.value)
    assert describe(Refused("the booth is taken")) == "refused: the booth is taken"


async def test_a_supervised_loop_is_run_again_after_a_failure_and_ends_when_told() -> None:
    stopping, turns = asyncio.Event(), []

    async def loop() -> None:
        turns.append(1)
        if len(turns) < 3:
            raise KeyError("defect")
        stopping.set()

    async with asyncio.timeout(5):
        await supervise("test", loop, stopping)
    assert len(turns) == 3


async def test_a_loop_that_returns_at_once_leaves_the_others_their_turn() -> None:
    stopping, turns = asyncio.Event(), []

    async def loop() -> None:
        turns.append(1)

    task = asyncio.create_task(supervise("test", loop, stopping))
    async with asyncio.timeout(5):
        await asyncio.sleep(0.3)
        stopping.set()
        await task
    assert 1 <= len(turns) <= 3
