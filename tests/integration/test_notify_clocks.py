"""A clock that jumps back and forth over pauses and deadlines, with messages in every state: nothing leaves in a pause
or after its deadline, nothing twice, and everything comes to an end.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import pytest

from services.notify.channels import Letter
from services.notify.delivery import Delivery, Outlet
from services.notify.domain.delivery import Accepted, Deferred
from services.notify.domain.routing import Rules, must_wait
from services.notify.plans import DIGEST, Lane
from tests.conftest import StandingClock
from tests.integration.backbone import until
from tests.integration.notify import QUICK, Desk, card, enrolled, offer, people
from tests.integration.notify_scripts import Act, Scripted
from tests.integration.notify_wishes import DIGESTS, PAUSES, completed, verified

RULES = Rules(PAUSES.channels, PAUSES.hours, DIGESTS.digest_times)
JUMPS_HOURS = (-26.0, -12.0, -3.0, -0.4, 0.1, 1.0, 6.0, 9.0, 14.0, 26.0)
STEPS = 12
ON_THE_WAY = {"planned", "queued", "retry", "sending"}


@dataclass
class Walk:
    """Notify, and a provider that notes by the clock of the walk what it is given."""

    desk: Desk
    clock: StandingClock
    chance: random.Random
    left: list[tuple[UUID, datetime]] = field(default_factory=list)

    def act(self, letter: Letter) -> Act:
        """Sometimes it has no time."""
        if self.chance.random() < 0.2:
            return Act(Deferred("451", seconds=0.0), False)
        self.left.append((letter.notification_id, self.clock.now()))
        return Act(Accepted("200", f"m-{letter.attempt_id}"), True)

    async def rest(self) -> None:
        """Wait until nothing is on its way, nor due to be at this moment."""

        async def at_rest() -> bool:
            await self.desk.hurry_retries()
            async with self.desk.database.read() as conn:
                due: int = await conn.fetchval(
                    "SELECT count(*) FROM notification WHERE state = ANY($1) OR state = 'deferred' "
                    "AND (not_before <= $2 OR deadline <= $2)",
                    list(ON_THE_WAY),
                    self.clock.now(),
                )
            return due == 0

        await until(at_rest, 60)


@pytest.mark.parametrize("seed", [1])
async def test_whatever_the_clock_does_nothing_leaves_in_a_pause_or_late_or_twice(
    desk: Desk, clock: StandingClock, seed: int
) -> None:
    walk = Walk(desk, clock, random.Random(seed))
    everybody = people(6)
    await desk.hear(*(card(one, phone=f"+628127770000{number}") for number, one in enumerate(everybody)))
    provider = Scripted("wa", "whatsapp", walk.act)
    delivering = Delivery(desk.database, clock, [Outlet(provider)], QUICK, sealer=desk.sealer, rules=RULES)
    stopping = asyncio.Event()
    task = asyncio.create_task(delivering.run(stopping))
    try:
        for _ in range(STEPS):
            some = walk.chance.sample(everybody, 3)
            await desk.hear(
                offer(some[0], clock.now(), walk.chance.choice([1, 5, 20, 60])),
                enrolled(some[1]),
                completed(some[2], f"Kelas {walk.chance.random()}"),
                verified(some[2]),
            )
            await walk.rest()
            clock.advance(hours=walk.chance.choice(JUMPS_HOURS))
            await walk.rest()
        for _ in range(4):
            clock.advance(days=3)
            await walk.rest()
    finally:
        stopping.set()
        await asyncio.wait_for(task, 30)
    rows = {row["id"]: row for row in await desk.rows()}
    assert {row["state"] for row in rows.values()} <= {"sent", "digested", "expired"}
    assert max(Counter(one for one, _ in walk.left).values()) == 1
    assert {one for one, _ in walk.left} == {row["id"] for row in rows.values() if row["state"] == "sent"}
    for one, moment in walk.left:
        row = rows[one]
        assert moment < row["deadline"]
        assert not must_wait(
            RULES.hours,
            moment,
            template=row["template"],
            lane=Lane(row["lane"]),
            topic=row["topic"],
            must=row["must"],
            deadline=row["deadline"],
            params=row["params"],
        ), f"{row['template']} left at {moment}"
    assert any(rows[one]["template"] == DIGEST for one, _ in walk.left)
