"""What the tests of graduation share: figures told to the school, people who decide, and what was published."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from services.training.domain.graduation import CandidacyState
from services.training.handlers import graduation
from services.training.store import graduation as store
from shared.events.products import IndicatorsReported
from shared.events.vendor import VendorEvent
from shared.ids import new_id
from tests.conftest import StandingClock
from tests.integration.training import KARANG_ANYAR, Published, School, ok, registered

NOW = datetime(2023, 7, 14, 3, 0, tzinfo=UTC)
MONTHS = ("2023-01", "2023-02", "2023-03", "2023-04", "2023-05", "2023-06")
LEAST = 25_000_000
ONLY_TURNOVER: dict[str, Any] = {
    "months": 3,
    "late_months": 3,
    "conditions": [{"kind": "least", "measure": "turnover_rupiah", "at_least": LEAST}],
}
STATE_AFTER: dict[str, CandidacyState] = {
    "GraduationProposed": "proposed",
    "GraduationProposalWithdrawn": "taken-back",
    "GraduationRevoked": "revoked",
}


@dataclass
class Programme:
    """A school with criteria over three months of turnover, and the registry that tells it of figures."""

    school: School
    clock: StandingClock
    versions: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))
    entered: datetime = NOW - timedelta(days=60)

    async def tell(self, *events: VendorEvent) -> None:
        """Each event with the next version of its vendor, as one batch."""
        await self.school.hear(*[(event, self.next(event.vendor_id)) for event in events])

    def next(self, vendor_id: UUID) -> int:
        self.versions[vendor_id] += 1
        return self.versions[vendor_id]

    def report(self, vendor_id: UUID, month: str, turnover: int | None = LEAST, **more: Any) -> IndicatorsReported:
        """Figures of a month, entered later than all before."""
        self.entered += timedelta(seconds=1)
        fields = {"turnover_rupiah": turnover, "entered_by": "officer", "entered_at": self.entered, **more}
        return IndicatorsReported.model_validate({"vendor_id": vendor_id, "month": month, **fields})

    async def join(self, number: int = 1, kelurahan: str = KARANG_ANYAR) -> list[UUID]:
        """So many vendors."""
        vendors = [new_id() for _ in range(number)]
        await self.tell(*(registered(vendor, kelurahan) for vendor in vendors))
        return vendors

    async def grow(self, vendor_id: UUID, *months: str) -> None:
        """Figures that hold, of these months."""
        await self.tell(*(self.report(vendor_id, month) for month in months or MONTHS[3:]))

    async def look(self) -> None:
        """Work off the list of those who are to be looked at."""
        while True:
            async with self.school.database.transaction() as conn:
                if not await graduation.review_due(conn, now=self.clock.now()):
                    return

    async def candidates(self, *vendors: UUID) -> list[Any]:
        async with self.school.database.read() as conn:
            return await store.find_candidacies(conn, vendors)

    async def candidate(self, kelurahan: str = KARANG_ANYAR) -> tuple[UUID, UUID]:
        """A vendor that meets the criteria, and its candidacy."""
        (vendor,) = await self.join(kelurahan=kelurahan)
        await self.grow(vendor)
        await self.look()
        (one,) = await self.candidates(vendor)
        return vendor, one.candidacy_id

    # -- people

    async def shown(self, candidacy_id: UUID, token: str | None = None) -> dict[str, Any]:
        return ok(await self.school.get(f"/v1/graduation/candidacies/{candidacy_id}", token=token))

    async def decide(
        self, candidacy_id: UUID, *, by: str = "one", sha256: str | None = None, **more: Any
    ) -> httpx.Response:
        """Decide as an officer of Central Jakarta, on the evidence as it is."""
        seen = sha256 or (await self.shown(candidacy_id))["evidence_sha256"]
        body = {"graduated": True, "evidence_sha256": seen, **more}
        return await self.act(candidacy_id, "decide", body, by=by)

    async def act(self, candidacy_id: UUID, act: str, body: dict[str, Any], *, by: str = "one") -> httpx.Response:
        path = f"/v1/graduation/candidacies/{candidacy_id}/{act}"
        return await self.school.post(path, body, token=self.officer(by))

    def officer(self, name: str = "one", area: str = "31.71", vendor_id: UUID | None = None) -> str:
        roles = ["officer"] if vendor_id is None else ["officer", "vendor"]
        return self.school.issuer.token(f"officer-{name}", roles, area=area, vendor_id=vendor_id)

    async def graduations(self) -> list[Published]:
        return [event for event in await self.school.published() if event.type.startswith("Graduation")]


async def make_programme(school: School, clock: StandingClock) -> Programme:
    """Criteria over three months of turnover, in the middle of July 2023."""
    clock.moment = NOW
    async with school.database.transaction() as conn:
        await conn.execute("UPDATE graduation_criteria SET document = $1", ONLY_TURNOVER)
    return Programme(school, clock)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def same_as_told(programme: Programme) -> None:
    """Whoever follows the events knows the states; no version is missing."""
    states = {}
    for event in await programme.graduations():
        candidacy_id = UUID(event.body["candidacy_id"])
        if event.type == "GraduationDecided":
            states[candidacy_id] = "graduated" if event.body["graduated"] else "declined"
        elif event.type in STATE_AFTER:
            states[candidacy_id] = STATE_AFTER[event.type]
    async with programme.school.database.read() as conn:
        rows = await conn.fetch("SELECT candidacy_id, state FROM candidacy")
        versions = {
            row["vendor_id"]: row["version"] for row in await conn.fetch("SELECT vendor_id, version FROM trainee")
        }
    assert states == {row["candidacy_id"]: row["state"] for row in rows}
    told: dict[UUID, list[int]] = defaultdict(list)
    for event in await programme.school.published():
        told[event.key].append(event.sequence)
    assert all(told[vendor] == list(range(1, version + 1)) for vendor, version in versions.items())
