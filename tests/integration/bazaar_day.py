"""What the tests of a bazaar's days share: a bazaar on its first morning, tickets, phones that scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from services.bazaar.allocation.stored import solve_stored
from services.bazaar.handlers.rounds import publish_round
from services.bazaar.handlers.tickets import ISSUE, issuer
from services.bazaar.store.rounds import find_problem
from shared.timers import run_due
from tests.integration.bazaar import CLOSING, DAYS, Fair, at, site


class Day(NamedTuple):
    """A bazaar on its first day at 9.00: who confirmed, by application, and who waits."""

    bazaar_id: str
    confirmed: list[str]
    waiting: list[str]
    vendors: dict[str, UUID]


async def open_day(fair: Fair, booths: int = 4, applicants: int = 6, **more: Any) -> Day:
    """All booths of a bazaar are confirmed, and its first day has come. Solved in this process: that saves a second."""
    bazaar_id = await fair.announce(more.pop("sites", None) or [site("one", booths)], **more)
    people = await fair.register(applicants)
    applications = await fair.apply_all(bazaar_id, people)
    vendors = dict(zip(applications, people, strict=True))
    fair.clock.moment = max(fair.clock.moment, CLOSING)
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "3-8-19", "source": "Undian terbuka di balai warga"})
    async with fair.database.transaction() as conn:
        solved = solve_stored(await find_problem(conn, UUID(bazaar_id), 1))
        await publish_round(conn, UUID(bazaar_id), solved, now=fair.clock.now())
    states = dict(zip(applications, await fair.states(applications), strict=True))
    confirmed = [one for one, state in states.items() if state == "offered"]
    for application_id in confirmed:
        await fair.answer(application_id, "confirm")
    await issue_tickets(fair)
    fair.clock.moment = at(DAYS[0])
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT application_id FROM application WHERE state = 'queued' ORDER BY place")
    return Day(bazaar_id, confirmed, [str(row["application_id"]) for row in rows], vendors)


async def issue_tickets(fair: Fair) -> int:
    """Work off the timers that sign tickets; how many there were."""
    count = 0
    while await run_due(fair.database, {ISSUE: issuer(fair.sealer)}, fair.clock.now()):
        count += 1
    return count


async def ticket(fair: Fair, application_id: str) -> str:
    """The text of an application's ticket."""
    text: str = (await fair.shown(f"/v1/applications/{application_id}/ticket"))["ticket"]
    return text


@dataclass
class Phone:
    """A phone at the gate. The moments given are those that its clock shows."""

    name: str

    def scan(self, text: str, when: datetime, scan_id: UUID | None = None) -> dict[str, Any]:
        """It scans a ticket."""
        return {"scan_id": str(scan_id or uuid4()), "ticket": text, "scanned_at": when.isoformat()}

    def typed(self, application_id: str, when: datetime) -> dict[str, Any]:
        """Its officer types the number of a booth."""
        return {"scan_id": str(uuid4()), "application_id": application_id, "scanned_at": when.isoformat()}

    def sending(self, scans: Sequence[dict[str, Any]], when: datetime) -> dict[str, Any]:
        """What it sends."""
        return {"device_id": self.name, "sent_at": when.isoformat(), "scans": list(scans)}
